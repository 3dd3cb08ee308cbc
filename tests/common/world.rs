//! The invented world: networks with places, devices with agents, and sign-ins made of them.
//!
//! Addresses are of 10.0.0.0/8, one /16 a network, or of 2001:db8::/32, one /48 a network and user; places are real
//! cities at about their coordinates.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use farsign::engine::facts::{
    Agent, Connection, CountryCode, DeviceKind, Facts, Item, ListKind, ListSet, NamedLocation, Place, Precision,
    Prepared, PreparedFinding,
};
use farsign::engine::finding::{RiskEventType, RiskLevel};
use farsign::engine::hash::{Seed, UserKey, hash32};
use farsign::engine::signin::{
    AccountState, Category, ClientApp, Credential, DeviceDetail, EventTime, Feedback, FeedbackAction, Mfa,
    Outcome, Provider, ProviderLocation, SignIn, UpstreamFinding,
};
use farsign::engine::user::event_hash;

pub const TENANT: &str = "5ca1ab1e-0000-4000-8000-000000000001";
/// Monday 2026-03-02: day 0 of every scenario.
pub const DAY_ZERO: i64 = 20_514;

/// The time of a scenario day, `seconds` after its midnight (UTC).
pub fn at(day: i64, seconds: i64) -> EventTime {
    EventTime::from_seconds((DAY_ZERO + day) * 86_400 + seconds)
}

/// A network with the place that its addresses resolve to.
#[derive(Clone, Copy)]
pub struct Network {
    pub name: &'static str,
    /// City, region, country; empty = not known.
    place: (&'static str, &'static str, &'static str),
    coordinates: Option<(f64, f64)>,
    radius_km: u16,
    connection: Connection,
    asn: u32,
    lists: &'static [ListKind],
    named: NamedLocation,
    /// Everybody comes from one address.
    shared: bool,
}

const NOWHERE: NamedLocation = NamedLocation { index: 0, trusted: false, egress: false };
const TRUSTED: NamedLocation = NamedLocation { index: 1, trusted: true, egress: false };
const EGRESS: NamedLocation = NamedLocation { index: 2, trusted: false, egress: true };

type Where = ((&'static str, &'static str, &'static str), (f64, f64));
const OSLO: Where = (("Oslo", "Oslo", "NO"), (59.91, 10.75));
const BERGEN: Where = (("Bergen", "Vestland", "NO"), (60.39, 5.32));
const TROMSO: Where = (("Tromsø", "Troms", "NO"), (69.65, 18.96));
const GOTHENBURG: Where = (("Gothenburg", "Västra Götaland", "SE"), (57.71, 11.97));
const LULEA: Where = (("Luleå", "Norrbotten", "SE"), (65.58, 22.15));
const BERLIN: Where = (("Berlin", "Berlin", "DE"), (52.52, 13.41));
const FRANKFURT: Where = (("Frankfurt", "Hesse", "DE"), (50.11, 8.68));
const AMSTERDAM: Where = (("Amsterdam", "North Holland", "NL"), (52.37, 4.90));
const LAGOS: Where = (("Lagos", "Lagos", "NG"), (6.52, 3.38));
const SINGAPORE: Where = (("Singapore", "Singapore", "SG"), (1.35, 103.82));
const NEW_YORK: Where = (("New York", "New York", "US"), (40.71, -74.01));
const LONDON: Where = (("London", "England", "GB"), (51.51, -0.13));
const MALMO: Where = (("Malmö", "Skåne", "SE"), (55.61, 13.00));
const COPENHAGEN: Where = (("Copenhagen", "Capital Region", "DK"), (55.68, 12.57));
const MADRID: Where = (("Madrid", "Madrid", "ES"), (40.42, -3.70));

const fn network(name: &'static str, at: Where, connection: Connection, asn: u32) -> Network {
    Network {
        name,
        place: at.0,
        coordinates: Some(at.1),
        radius_km: 10,
        connection,
        asn,
        lists: &[],
        named: NOWHERE,
        shared: false,
    }
}

const fn fixed(name: &'static str, at: Where, asn: u32) -> Network {
    network(name, at, Connection::Fixed, asn)
}

const fn listed(name: &'static str, at: Where, asn: u32, lists: &'static [ListKind]) -> Network {
    Network { lists, ..network(name, at, Connection::Hosting, asn) }
}

const fn office(name: &'static str, at: Where, asn: u32, named: NamedLocation) -> Network {
    Network { named, shared: true, ..network(name, at, Connection::Corporate, asn) }
}

/// Every network there is. The index is part of its addresses: add at the end.
pub const NETWORKS: &[Network] = &[
    fixed("oslo-fixed", OSLO, 64_496),
    fixed("oslo-other", OSLO, 64_497),
    office("oslo-office", OSLO, 64_498, NOWHERE),
    network("oslo-mobile", OSLO, Connection::Mobile, 64_499),
    fixed("bergen-fixed", BERGEN, 64_496),
    network("tromso-mobile", TROMSO, Connection::Mobile, 64_499),
    fixed("tromso-fixed", TROMSO, 64_496),
    fixed("gothenburg-fixed", GOTHENBURG, 64_500),
    fixed("lulea-fixed", LULEA, 64_500),
    network("lulea-mobile", LULEA, Connection::Mobile, 64_501),
    fixed("berlin-fixed", BERLIN, 64_502),
    office("berlin-office", BERLIN, 64_503, NOWHERE),
    fixed("lagos-fixed", LAGOS, 64_504),
    fixed("singapore-fixed", SINGAPORE, 64_505),
    fixed("newyork-fixed", NEW_YORK, 64_506),
    office("newyork-trusted", NEW_YORK, 64_507, TRUSTED),
    office("oslo-trusted", OSLO, 64_507, TRUSTED),
    office("singapore-egress", SINGAPORE, 64_508, EGRESS),
    fixed("london-fixed", LONDON, 64_509),
    fixed("madrid-fixed", MADRID, 64_510),
    listed("frankfurt-vpn", FRANKFURT, 64_511, &[ListKind::Vpn]),
    listed("newyork-vpn", NEW_YORK, 65_536, &[ListKind::Vpn]),
    listed("amsterdam-tor", AMSTERDAM, 65_537, &[ListKind::Tor]),
    listed("amsterdam-proxy", AMSTERDAM, 65_538, &[ListKind::Proxy]),
    listed("amsterdam-malicious", AMSTERDAM, 65_539, &[ListKind::Malicious]),
    listed("amsterdam-actor", AMSTERDAM, 65_540, &[ListKind::ThreatActor]),
    listed("newyork-relay", NEW_YORK, 65_541, &[ListKind::Relay]),
    Network { connection: Connection::Satellite, ..fixed("madrid-inflight", MADRID, 65_542) },
    listed("newyork-hosting", NEW_YORK, 65_543, &[ListKind::Hosting]),
    Network { shared: true, ..listed("newyork-gateway", NEW_YORK, 65_544, &[]) },
    Network { place: ("", "", ""), coordinates: None, radius_km: 0, ..fixed("no-geography", OSLO, 65_545) },
    Network {
        place: ("", "", "US"),
        radius_km: 2_000,
        ..fixed("us-country", (("", "", ""), (39.8, -98.6)), 65_546)
    },
    Network { asn: 0, ..fixed("newyork-no-asn", NEW_YORK, 0) },
    // The first network's addresses after a database said they are elsewhere.
    fixed("oslo-fixed-moved", NEW_YORK, 64_496),
    listed("oslo-tor", OSLO, 65_537, &[ListKind::Tor]),
    listed("frankfurt-hosting", FRANKFURT, 65_543, &[ListKind::Hosting]),
    fixed("malmo-fixed", MALMO, 64_500),
    network("malmo-mobile", MALMO, Connection::Mobile, 64_501),
    fixed("copenhagen-fixed", COPENHAGEN, 65_547),
    office("copenhagen-office", COPENHAGEN, 65_548, NOWHERE),
    network("copenhagen-mobile", COPENHAGEN, Connection::Mobile, 65_549),
    network("bergen-mobile", BERGEN, Connection::Mobile, 64_512),
];

/// A device with the agent on it.
#[derive(Clone, Copy)]
pub struct Device {
    name: &'static str,
    /// With a device id of the user's own.
    registered: bool,
    managed: Option<bool>,
    browser: &'static str,
    major: u16,
    system: &'static str,
    kind: DeviceKind,
}

const fn device(name: &'static str, registered: bool, browser: &'static str, system: &'static str) -> Device {
    let managed = if registered { Some(true) } else { None };
    Device { name, registered, managed, browser, major: 140, system, kind: DeviceKind::Desktop }
}

pub const DEVICES: &[Device] = &[
    device("laptop", true, "Edge", "Windows"),
    Device { major: 142, ..device("laptop-updated", true, "Edge", "Windows") },
    Device { kind: DeviceKind::Mobile, ..device("phone", true, "Mobile Safari", "iOS") },
    Device { managed: None, kind: DeviceKind::Mobile, ..device("new-phone", true, "Mobile Safari", "iOS") },
    Device { managed: None, ..device("strange-registered", true, "Firefox", "Linux") },
    // Same agent as the laptop, without a device id: a private window, or a stranger who copies it.
    device("laptop-private", false, "Edge", "Windows"),
    Device { major: 142, ..device("laptop-private-updated", false, "Edge", "Windows") },
    device("cloud-desktop", true, "Edge", "Windows"),
    device("home-pc", false, "Chrome", "Windows"),
    device("stranger", false, "Firefox", "Linux"),
    device("stranger-chrome", false, "Chrome", "Windows"),
    Device { kind: DeviceKind::Other, ..device("mail-client", false, "", "") },
];

/// One sign-in, by names of the world.
#[derive(Clone, Debug)]
pub struct Spec {
    pub id: String,
    pub time: EventTime,
    pub user: String,
    pub network: String,
    pub device: String,
    /// Which address of the network; a user has his own.
    pub host: u8,
    pub ipv6: bool,
    pub outcome: String,
    pub interactive: bool,
    pub legacy: bool,
    pub session: String,
    pub app: String,
    pub account: AccountState,
    /// A federated issuer's name; empty = the provider itself.
    pub issuer: String,
    pub provider: Provider,
}

impl Spec {
    pub fn new(id: &str, time: EventTime, user: &str, network: &str, device: &str) -> Spec {
        Spec {
            id: id.to_owned(),
            time,
            user: user.to_owned(),
            network: network.to_owned(),
            device: device.to_owned(),
            host: 10,
            ipv6: false,
            outcome: "ok".to_owned(),
            interactive: true,
            legacy: false,
            session: String::new(),
            app: "mail".to_owned(),
            account: AccountState::Normal,
            issuer: String::new(),
            provider: Provider::Entra,
        }
    }
}

fn find<'a, T>(what: &str, name: &str, all: &'a [T], named: impl Fn(&T) -> &str) -> (usize, &'a T) {
    all.iter().enumerate().find(|(_, one)| named(one) == name).unwrap_or_else(|| panic!("no {what} `{name}`"))
}

fn hash_text(seed: Seed, text: &str) -> u32 {
    if text.is_empty() { 0 } else { hash32(seed, text.as_bytes()) }
}

/// Error code, outcome, credential, MFA.
fn result(outcome: &str) -> (u32, Outcome, Credential, Mfa) {
    match outcome {
        "ok" => (0, Outcome::Success, Credential::Right, Mfa::NotRequired),
        "ok-mfa" => (0, Outcome::Success, Credential::Right, Mfa::Performed),
        "wrong-password" => (50_126, Outcome::Failed, Credential::Wrong, Mfa::Unknown),
        "mfa-stopped" => (500_121, Outcome::Blocked, Credential::Right, Mfa::Denied),
        "mfa-unproven" => (0, Outcome::Blocked, Credential::Unknown, Mfa::Denied),
        "mfa-step" => (0, Outcome::Interrupted, Credential::Right, Mfa::Performed),
        "mfa-reported" => (500_121, Outcome::Blocked, Credential::Right, Mfa::Reported),
        "interrupted" => (50_074, Outcome::Interrupted, Credential::Right, Mfa::Pending),
        "locked" => (50_053, Outcome::Failed, Credential::Unknown, Mfa::Unknown),
        "disabled" => (50_057, Outcome::Blocked, Credential::Right, Mfa::Unknown),
        "deleted" => (50_034, Outcome::Failed, Credential::Unknown, Mfa::Unknown),
        other => panic!("no outcome `{other}`"),
    }
}

fn address(spec: &Spec, index: usize, network: &Network) -> IpAddr {
    let own = if network.shared { 0 } else { hash_text(Seed::ProfileUser, &spec.user) as u8 };
    // What was moved by a database update keeps its addresses.
    let index = if network.name == "oslo-fixed-moved" { 0 } else { index };
    let host = if network.shared { 1 } else { spec.host };
    if spec.ipv6 {
        let site = u16::from_be_bytes([index as u8, own]);
        return IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, site, 0, 0, 0, 0, u16::from(host)));
    }
    IpAddr::V4(Ipv4Addr::new(10, index as u8, own, host))
}

/// The sign-in as the enricher would hand it over.
pub fn sign_in(spec: &Spec) -> Item<'static> {
    let (index, network) = find("network", &spec.network, NETWORKS, |network| network.name);
    let (_, device) = find("device", &spec.device, DEVICES, |device| device.name);
    let (error_code, outcome, credential, mfa) = result(&spec.outcome);
    let address = address(spec, index, network);
    // The /24 or /48 is the first bytes.
    let (octets, prefix_length) = match address {
        IpAddr::V4(address) => (address.octets().to_vec(), 3),
        IpAddr::V6(address) => (address.octets().to_vec(), 6),
    };
    let device_name = device.name.trim_end_matches("-updated");
    let device_id = if device.registered { format!("{}-{device_name}", spec.user) } else { String::new() };
    let user_agent = match device.browser {
        "" => String::new(),
        browser => format!("{browser}/{} ({})", device.major, device.system),
    };
    let client_app = match spec.legacy {
        true => ClientApp::Legacy,
        false => ClientApp::Browser,
    };
    let client = if spec.legacy { "IMAP4" } else { "Browser" };
    let (city, region, country) = network.place;
    let country = CountryCode::parse(country).unwrap_or_default();
    let precision = match (city, region) {
        ("", "") => Precision::Country,
        ("", _) => Precision::Region,
        _ => Precision::City,
    };
    let mut lists = ListSet::default();
    network.lists.iter().for_each(|kind| lists.insert(*kind));
    let facts = Facts {
        time: spec.time,
        event: event_hash(&spec.id),
        provider: spec.provider,
        category: if spec.interactive { Category::Interactive } else { Category::NonInteractive },
        outcome,
        credential,
        mfa,
        account: spec.account,
        error_code,
        address: Some(address),
        address_hash: hash32(Seed::Address, &octets),
        prefix_hash: hash32(Seed::Prefix, &octets[..prefix_length]),
        asn: network.asn,
        connection: network.connection,
        lists,
        named: network.named,
        coordinates: network.coordinates.map(|(latitude, longitude)| (latitude as f32, longitude as f32)),
        radius_km: network.radius_km,
        precision,
        country,
        region_hash: hash_text(Seed::Region, region),
        city_hash: hash_text(Seed::City, if city.is_empty() { country.as_str() } else { city }),
        device_hash: hash_text(Seed::DeviceId, &device_id),
        device_managed: device.managed,
        device_compliant: None,
        user_agent_hash: hash_text(Seed::UserAgent, &user_agent),
        browser_hash: hash_text(Seed::Browser, device.browser),
        browser_major: device.major,
        operating_system_hash: hash_text(Seed::OperatingSystem, device.system),
        device_kind: device.kind,
        client_app,
        client_hash: hash32(Seed::ClientApp, client.as_bytes()),
        app_hash: hash_text(Seed::App, &spec.app),
        session_hash: hash_text(Seed::Session, &spec.session),
        issuer_hash: hash32(Seed::Issuer, spec.issuer.as_bytes()),
        issuer_federated: !spec.issuer.is_empty(),
    };
    let place = network.coordinates.map(|(latitude, longitude)| {
        Arc::new(Place {
            latitude,
            longitude,
            radius_km: network.radius_km,
            precision,
            country,
            region: region.into(),
            city: city.into(),
            from_provider: false,
        })
    });
    let agent = Arc::new(Agent {
        browser: device.browser.into(),
        browser_major: device.major,
        operating_system: device.system.into(),
        kind: device.kind,
    });
    let sign_in = text(spec, facts, device_id, user_agent, client);
    let asn_organization = (network.asn != 0).then(|| Arc::from(format!("Example Net {}", network.asn)));
    Item::SignIn(Prepared { user: key(&spec.user), facts, sign_in, place, agent, asn_organization })
}

pub fn key(user: &str) -> UserKey {
    UserKey::new(TENANT, user)
}

fn text(
    spec: &Spec,
    facts: Facts,
    device_id: String,
    user_agent: String,
    client: &'static str,
) -> SignIn<'static> {
    SignIn {
        provider: spec.provider,
        category: facts.category,
        tenant_id: Cow::Borrowed(TENANT),
        event_id: spec.id.clone().into(),
        event_time: spec.time,
        user_id: spec.user.clone().into(),
        user_principal_name: format!("{}@example.com", spec.user).into(),
        user_display_name: spec.user.clone().into(),
        outcome: facts.outcome,
        credential: facts.credential,
        mfa: facts.mfa,
        account: spec.account,
        error_code: Some(facts.error_code),
        address: facts.address,
        address_text: facts.address.map(|address| address.to_string()).unwrap_or_default().into(),
        asn: Some(facts.asn),
        location: ProviderLocation::default(),
        app_id: spec.app.clone().into(),
        app_display_name: spec.app.clone().into(),
        resource_display_name: Cow::Borrowed(""),
        client_app: facts.client_app,
        client_app_used: Cow::Borrowed(client),
        authentication_protocol: Cow::Borrowed(""),
        user_agent: user_agent.into(),
        device: DeviceDetail { device_id: device_id.into(), ..DeviceDetail::default() },
        session_id: spec.session.clone().into(),
        correlation_id: Cow::Borrowed(""),
        incoming_token_type: Cow::Borrowed("none"),
        token_issuer_type: Cow::Borrowed(if facts.issuer_federated { "ADFederationServices" } else { "AzureAD" }),
        token_issuer_name: spec.issuer.clone().into(),
    }
}

/// Feedback about a user (`about` empty) or one of the sign-ins.
pub fn feedback(id: &str, time: EventTime, user: &str, action: &str, about: &str) -> Item<'static> {
    let action = match action {
        "confirm-safe" => FeedbackAction::ConfirmSafe,
        "confirm-compromised" => FeedbackAction::ConfirmCompromised,
        "dismiss" => FeedbackAction::Dismiss,
        "passed-mfa" => FeedbackAction::PassedMfa,
        "password-changed" => FeedbackAction::PasswordChanged,
        other => panic!("no feedback `{other}`"),
    };
    Item::Feedback {
        user: key(user),
        feedback: Feedback {
            provider: None,
            tenant_id: Cow::Borrowed(TENANT),
            user_id: user.to_owned().into(),
            user_principal_name: Cow::Borrowed(""),
            event_id: id.to_owned().into(),
            event_time: time,
            action,
            request_id: about.to_owned().into(),
        },
    }
}

/// What another product says of a sign-in, or of a user where `about` is empty; to be changed as a test likes.
pub fn upstream(
    id: &str,
    time: EventTime,
    user: &str,
    (kind, level): (RiskEventType, RiskLevel),
    about: &str,
) -> PreparedFinding<'static> {
    let text = |text: &str| Cow::Owned(text.to_owned());
    PreparedFinding {
        user: key(user),
        finding: UpstreamFinding {
            source: Cow::Borrowed("IdentityProtection"),
            provider: Provider::Entra,
            tenant_id: Cow::Borrowed(TENANT),
            user_id: text(user),
            user_principal_name: format!("{user}@example.com").into(),
            event_id: text(id),
            event_time: time,
            activity_time: time,
            kind,
            source_type: Cow::Borrowed(""),
            level,
            is_confirmed: false,
            request_id: text(if about.is_empty() { id } else { about }),
            is_about_user: about.is_empty(),
            address: None,
            address_text: Cow::Borrowed(""),
            location: ProviderLocation::default(),
            reasons: Cow::Borrowed(""),
        },
        address_hash: 0,
        asn: 0,
        lists: ListSet::default(),
        named: NOWHERE,
        place: None,
        asn_organization: None,
    }
}
