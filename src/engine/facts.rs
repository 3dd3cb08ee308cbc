//! Facts of one sign-in: what detections judge on. Numbers and hashes, no text, no judgement.
//!
//! [`Facts`] is `Copy` and small, so that a user's recent sign-ins can be kept and judged again when a late one
//! arrives. Text that only output needs is in [`Prepared`] beside it, and is packed away with the facts
//! ([`super::user`]).

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hash::UserKey;
use super::signin::{
    AccountState, Category, ClientApp, Credential, EventTime, Feedback, Mfa, Outcome, Provider, SignIn,
    UpstreamFinding,
};

/// How exact a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    City,
    Region,
    /// Only the country is known; the coordinates are its centroid.
    Country,
}

/// Where an address is, as a database or the provider says. Shared: one per distinct database record.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Degrees, WGS 84.
    pub latitude: f64,
    pub longitude: f64,
    /// Uncertainty in km: the database's accuracy radius, or an assumed one by precision.
    pub radius_km: u16,
    pub precision: Precision,
    /// ISO 3166-1 alpha-2; `[0, 0]` = unknown.
    pub country: CountryCode,
    pub region: Box<str>,
    pub city: Box<str>,
    /// True when the provider's own geography was used because no database knew the address.
    pub from_provider: bool,
}

/// ISO 3166-1 alpha-2, upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct CountryCode(pub [u8; 2]);

impl CountryCode {
    pub const UNKNOWN: CountryCode = CountryCode([0, 0]);

    /// `None` unless the text is two ASCII letters.
    pub fn parse(text: &str) -> Option<CountryCode> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Some(CountryCode([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    pub fn is_known(self) -> bool {
        self != CountryCode::UNKNOWN
    }

    /// Empty when unknown.
    /// The country as a key of baselines and profiles; 0 = unknown.
    pub fn key(self) -> u32 {
        u32::from(u16::from_be_bytes(self.0))
    }

    pub fn as_str(&self) -> &str {
        if self.is_known() { std::str::from_utf8(&self.0).unwrap_or("") } else { "" }
    }
}

/// How the address reaches the internet: decides how far its geography can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Connection {
    Unknown,
    Fixed,
    /// Carrier gateway: the place is the gateway's, not the user's.
    Mobile,
    Hosting,
    Corporate,
    /// Satellite or in-flight.
    Satellite,
}

/// Kinds of network list; a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u16)]
pub enum ListKind {
    Tor = 1,
    Vpn = 2,
    /// Anonymous proxy.
    Proxy = 4,
    /// Hosting or cloud.
    Hosting = 8,
    Malicious = 16,
    ThreatActor = 32,
    Mobile = 64,
    /// Satellite or in-flight networks.
    Satellite = 128,
    /// Privacy relay of an operating system or browser vendor.
    Relay = 256,
}

impl ListKind {
    pub const ALL: [ListKind; 9] = [
        ListKind::Tor,
        ListKind::Vpn,
        ListKind::Proxy,
        ListKind::Hosting,
        ListKind::Malicious,
        ListKind::ThreatActor,
        ListKind::Mobile,
        ListKind::Satellite,
        ListKind::Relay,
    ];

    /// The word used in configuration, command line and output.
    pub fn name(self) -> &'static str {
        match self {
            ListKind::Tor => "tor",
            ListKind::Vpn => "vpn",
            ListKind::Proxy => "proxy",
            ListKind::Hosting => "hosting",
            ListKind::Malicious => "malicious",
            ListKind::ThreatActor => "threat-actor",
            ListKind::Mobile => "mobile",
            ListKind::Satellite => "satellite",
            ListKind::Relay => "relay",
        }
    }

    pub fn parse(name: &str) -> Option<ListKind> {
        ListKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The lists an address is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ListSet(pub u16);

impl ListSet {
    pub fn contains(self, kind: ListKind) -> bool {
        self.0 & kind as u16 != 0
    }

    /// An exit whose place is drawn by lot: Tor, relay, anonymous proxy.
    pub fn hides_place(self) -> bool {
        [ListKind::Tor, ListKind::Relay, ListKind::Proxy].into_iter().any(|kind| self.contains(kind))
    }

    pub fn insert(&mut self, kind: ListKind) {
        self.0 |= kind as u16;
    }

    pub fn union(self, other: ListSet) -> ListSet {
        ListSet(self.0 | other.0)
    }

    pub fn kinds(self) -> impl Iterator<Item = ListKind> {
        ListKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

/// A named location the address, country or ASN belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NamedLocation {
    /// 1-based index into the configured named locations; 0 = none.
    pub index: u16,
    pub trusted: bool,
    /// VPN, proxy or office hub: never a travel reference.
    pub egress: bool,
}

/// A kind of device, from the user agent or the provider's operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceKind {
    Unknown,
    Desktop,
    Mobile,
    Tablet,
    /// Script, library, bot, mail client without a screen.
    Other,
}

/// A user agent, parsed. Shared: one per distinct text in a worker's cache.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Family without version ("Chrome", "Edge"); empty = unknown.
    pub browser: Box<str>,
    pub browser_major: u16,
    /// Family without version ("Windows", "iOS"); empty = unknown.
    pub operating_system: Box<str>,
    pub kind: DeviceKind,
}

/// Everything a verdict rests on. Hash 0 = absent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    pub time: EventTime,
    /// Hash of the event id.
    pub event: u64,
    pub provider: Provider,
    pub category: Category,
    pub outcome: Outcome,
    pub credential: Credential,
    pub mfa: Mfa,
    pub account: AccountState,
    pub error_code: u32,

    pub address: Option<IpAddr>,
    pub address_hash: u32,
    /// /24 of IPv4, /48 of IPv6.
    pub prefix_hash: u32,
    /// 0 = unknown.
    pub asn: u32,
    pub connection: Connection,
    pub lists: ListSet,
    pub named: NamedLocation,

    /// Latitude, longitude in degrees; `None` = no geography.
    pub coordinates: Option<(f32, f32)>,
    pub radius_km: u16,
    pub precision: Precision,
    pub country: CountryCode,
    /// Country + region.
    pub region_hash: u32,
    /// Country + region + city; for a place without city, its 0.5° cell.
    pub city_hash: u32,

    pub device_hash: u32,
    pub device_managed: Option<bool>,
    pub device_compliant: Option<bool>,
    pub user_agent_hash: u32,
    pub browser_hash: u32,
    pub browser_major: u16,
    pub operating_system_hash: u32,
    pub device_kind: DeviceKind,

    pub client_app: ClientApp,
    /// Client app used + authentication protocol.
    pub client_hash: u32,
    pub app_hash: u32,
    pub session_hash: u32,
    /// Type and name of the token's issuer.
    pub issuer_hash: u32,
    /// The issuer is not the provider itself.
    pub issuer_federated: bool,
}

impl Facts {
    /// Only a sign-in whose first factor was right can carry risk.
    pub fn can_carry_risk(&self) -> bool {
        self.credential == Credential::Right
            && self.account != AccountState::Deleted
            && self.account != AccountState::Unknown
            && !matches!(self.outcome, Outcome::Failed)
    }

    /// First factor right, but MFA or a policy stopped it.
    pub fn was_stopped(&self) -> bool {
        self.credential == Credential::Right && self.outcome == Outcome::Blocked
    }

    pub fn is_interactive(&self) -> bool {
        self.category != Category::NonInteractive
    }

    /// The organisation manages the device, or finds it compliant.
    pub fn is_managed(&self) -> bool {
        self.device_managed == Some(true) || self.device_compliant == Some(true)
    }

    /// Known to hide or move the user's place.
    pub fn is_moving_network(&self) -> bool {
        [ListKind::Vpn, ListKind::Proxy, ListKind::Relay, ListKind::Satellite, ListKind::Tor]
            .into_iter()
            .any(|kind| self.lists.contains(kind))
            || self.connection == Connection::Satellite
    }
}

/// A sign-in with its facts and the shared records its output needs.
#[derive(Clone, Debug)]
pub struct Prepared<'a> {
    pub user: UserKey,
    pub facts: Facts,
    pub sign_in: SignIn<'a>,
    pub place: Option<Arc<Place>>,
    pub agent: Arc<Agent>,
    /// Organisation of the ASN; empty = unknown.
    pub asn_organization: Option<Arc<str>>,
}

/// An upstream finding with what the tables know of its address.
#[derive(Clone, Debug)]
pub struct PreparedFinding<'a> {
    pub user: UserKey,
    pub finding: UpstreamFinding<'a>,
    pub address_hash: u32,
    /// 0 = unknown.
    pub asn: u32,
    pub lists: ListSet,
    pub named: NamedLocation,
    pub place: Option<Arc<Place>>,
    /// Organisation of the ASN; empty = unknown.
    pub asn_organization: Option<Arc<str>>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "nearly every item is a sign-in; boxing it would cost an allocation an event"
)]
/// One item of the ordered stream that [`Engine::step`](super::Engine::step) consumes.
#[derive(Clone, Debug)]
pub enum Item<'a> {
    SignIn(Prepared<'a>),
    Feedback { user: UserKey, feedback: Feedback<'a> },
    UpstreamFinding(PreparedFinding<'a>),
}

impl Item<'_> {
    pub fn user(&self) -> UserKey {
        match self {
            Item::SignIn(prepared) => prepared.user,
            Item::Feedback { user, .. } => *user,
            Item::UpstreamFinding(prepared) => prepared.user,
        }
    }

    pub fn time(&self) -> EventTime {
        match self {
            Item::SignIn(prepared) => prepared.facts.time,
            Item::Feedback { feedback, .. } => feedback.event_time,
            Item::UpstreamFinding(prepared) => prepared.finding.event_time,
        }
    }
}
