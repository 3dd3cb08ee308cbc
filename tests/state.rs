//! State through the engine's front door: hot or cold, cut and restored, of an older version — same answers.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use farsign::engine::facts::{
    Agent, Connection, CountryCode, DeviceKind, Facts, Item, ListSet, NamedLocation, Place, Precision, Prepared,
    PreparedFinding,
};
use farsign::engine::finding::{RiskDetail, RiskEventType, RiskLevel, RiskState};
use farsign::engine::hash::{Seed, UserKey, hash32, hash64};
use farsign::engine::out::Out;
use farsign::engine::policy::EngineConfig;
use farsign::engine::profile::Profiles;
use farsign::engine::rules::Rules;
use farsign::engine::signin::{
    AccountState, Category, ClientApp, Credential, DeviceDetail, EventTime, Feedback, FeedbackAction, Mfa,
    Outcome, Provider, ProviderLocation, SignIn, UpstreamFinding,
};
use farsign::engine::user::codec;
use farsign::engine::watermark::StreamTime;
use farsign::engine::{Engine, Input};
use proptest::prelude::*;

const TENANT: &str = "5d0f1a4e-8f0c-4a53-9a7e-0b5a1c2d3e4f";
/// 2026-06-01.
const START_S: i64 = 1_780_272_000;

/// One event, by number: who, when, from where, with what, and how it ended.
#[derive(Clone, Copy, Debug)]
struct Event {
    user: u8,
    minute: u32,
    city: usize,
    agent: usize,
    kind: u8,
}

const CITIES: [(&str, &str, &str, f64, f64); 4] = [
    ("NO", "Oslo", "Oslo", 59.9139, 10.7522),
    ("NO", "Vestland", "Bergen", 60.3913, 5.3221),
    ("BR", "São Paulo", "São Paulo", -23.5505, -46.6333),
    ("AU", "New South Wales", "Sydney", -33.8688, 151.2093),
];
const AGENTS: [(&str, u16, &str); 3] =
    [("Chrome", 137, "Windows"), ("Mobile Safari", 18, "iOS"), ("Firefox", 139, "Linux")];

fn hash(seed: Seed, text: &str) -> u32 {
    hash32(seed, text.as_bytes())
}

fn place(city: usize) -> Place {
    let (country, region, city, latitude, longitude) = CITIES[city];
    Place {
        latitude,
        longitude,
        radius_km: 20,
        precision: Precision::City,
        country: CountryCode::parse(country).unwrap_or_default(),
        region: region.into(),
        city: city.into(),
        from_provider: false,
    }
}

fn facts(event: &Event, id: &str, time: EventTime, address: Ipv4Addr, place: &Place) -> Facts {
    let (browser, browser_major, system) = AGENTS[event.agent];
    let (outcome, credential) = match event.kind {
        0 => (Outcome::Failed, Credential::Wrong),
        1 => (Outcome::Blocked, Credential::Right),
        _ => (Outcome::Success, Credential::Right),
    };
    Facts {
        time,
        event: hash64(Seed::EventId, id.as_bytes()),
        provider: [Provider::Entra, Provider::Okta][event.agent % 2],
        category: Category::Interactive,
        outcome,
        credential,
        mfa: if outcome == Outcome::Blocked { Mfa::Denied } else { Mfa::NotRequired },
        account: AccountState::Normal,
        error_code: if outcome == Outcome::Success { 0 } else { 50_126 },
        address: Some(IpAddr::V4(address)),
        address_hash: hash32(Seed::Address, &address.octets()),
        prefix_hash: hash32(Seed::Prefix, &address.octets()[..3]),
        asn: 64_500 + event.city as u32,
        connection: Connection::Fixed,
        lists: ListSet::default(),
        named: NamedLocation::default(),
        coordinates: Some((place.latitude as f32, place.longitude as f32)),
        radius_km: place.radius_km,
        precision: place.precision,
        country: place.country,
        region_hash: hash(Seed::Region, &place.region),
        city_hash: hash(Seed::City, &place.city),
        device_hash: 0,
        device_managed: None,
        device_compliant: Some(event.agent == 0),
        user_agent_hash: hash(Seed::UserAgent, browser),
        browser_hash: hash(Seed::Browser, browser),
        browser_major,
        operating_system_hash: hash(Seed::OperatingSystem, system),
        device_kind: DeviceKind::Desktop,
        client_app: ClientApp::Browser,
        client_hash: hash(Seed::ClientApp, "Browser"),
        app_hash: hash(Seed::App, "mail"),
        session_hash: hash(Seed::Session, &format!("{}-{}", event.user, event.minute / 600)),
        issuer_hash: hash(Seed::Issuer, ["", "adfs.example"][event.agent % 2]),
        issuer_federated: event.agent % 2 == 1,
    }
}

fn sign_in(user_id: &str, id: &str, time: EventTime, facts: &Facts) -> SignIn<'static> {
    let text = |text: &str| Cow::Owned(text.to_owned());
    SignIn {
        provider: Provider::Entra,
        category: facts.category,
        tenant_id: text(TENANT),
        event_id: text(id),
        event_time: time,
        user_id: text(user_id),
        user_principal_name: text(&format!("{user_id}@example.org")),
        user_display_name: text("Ada Example"),
        outcome: facts.outcome,
        credential: facts.credential,
        mfa: facts.mfa,
        account: facts.account,
        error_code: Some(facts.error_code),
        address: facts.address,
        address_text: text("203.0.113.1"),
        asn: Some(facts.asn),
        location: ProviderLocation::default(),
        app_id: text("mail"),
        app_display_name: text("Mail"),
        resource_display_name: text("Mail store"),
        client_app: facts.client_app,
        client_app_used: text("Browser"),
        authentication_protocol: text(""),
        user_agent: text("Mozilla/5.0"),
        device: DeviceDetail::default(),
        session_id: text(""),
        correlation_id: text(""),
        incoming_token_type: text(""),
        token_issuer_type: text("AzureAD"),
        token_issuer_name: text(""),
    }
}

/// About the event before, of whomever that was, or about the user.
fn finding(number: usize, event: &Event, time: EventTime) -> PreparedFinding<'static> {
    let text = |text: &str| Cow::Owned(text.to_owned());
    let user_id = format!("user-{}", event.user);
    let place = place(event.city);
    let about = number.saturating_sub(event.agent);
    PreparedFinding {
        user: UserKey::new(TENANT, &user_id),
        finding: UpstreamFinding {
            source: text(["IdentityProtection", "Okta", "A feed"][event.agent]),
            provider: [Provider::Entra, Provider::Okta, Provider::Other][event.agent],
            tenant_id: text(TENANT),
            user_id: user_id.into(),
            user_principal_name: text(""),
            event_id: format!("finding-{number}").into(),
            event_time: time,
            activity_time: time.minus_seconds(60),
            kind: [RiskEventType::UnfamiliarFeatures, RiskEventType::Generic][event.city % 2],
            source_type: text("its own word"),
            level: [RiskLevel::Low, RiskLevel::Medium, RiskLevel::High][event.city % 3],
            is_confirmed: event.city == 3,
            request_id: format!("00000000-0000-4000-8000-{about:012x}").into(),
            is_about_user: event.agent == 2,
            address: None,
            address_text: text("somewhere"),
            location: ProviderLocation::default(),
            reasons: text("a new device"),
        },
        address_hash: 0,
        asn: 64_500,
        lists: ListSet::default(),
        named: NamedLocation::default(),
        place: Some(Arc::new(place)),
        asn_organization: Some("Example Net".into()),
    }
}

fn item(number: usize, event: &Event) -> Item<'static> {
    let user_id = format!("user-{}", event.user);
    let id = format!("00000000-0000-4000-8000-{number:012x}");
    let time = EventTime::from_seconds(START_S + i64::from(event.minute) * 60 + number as i64 % 60);
    let user = UserKey::new(TENANT, &user_id);
    if event.kind == 2 {
        let action = [FeedbackAction::ConfirmSafe, FeedbackAction::ConfirmCompromised, FeedbackAction::Dismiss];
        return Item::Feedback {
            user,
            feedback: Feedback {
                provider: None,
                tenant_id: TENANT.into(),
                user_id: user_id.into(),
                user_principal_name: "".into(),
                event_id: id.into(),
                event_time: time,
                action: action[event.agent],
                request_id: "".into(),
            },
        };
    }
    if event.kind == 4 {
        return Item::UpstreamFinding(finding(number, event, time));
    }
    let place = place(event.city);
    let address = Ipv4Addr::new(203, 0, 113, (event.city * 16) as u8 + event.minute as u8 % 5);
    let facts = facts(event, &id, time, address, &place);
    let (browser, browser_major, system) = AGENTS[event.agent];
    Item::SignIn(Prepared {
        user,
        facts,
        sign_in: sign_in(&user_id, &id, time, &facts),
        place: Some(Arc::new(place)),
        agent: Arc::new(Agent {
            browser: browser.into(),
            browser_major,
            operating_system: system.into(),
            kind: DeviceKind::Desktop,
        }),
        asn_organization: Some("Example Net".into()),
    })
}

fn config(hot_users_max: usize) -> Arc<EngineConfig> {
    Arc::new(EngineConfig { hot_users_max, emit_suppressed: true, ..EngineConfig::default() })
}

type Exported = Vec<(UserKey, Vec<u8>)>;

/// Judges the events; at `cut` the state goes through bytes into an engine of its own.
fn run(hot_users_max: usize, events: &[Event], cut: Option<usize>) -> (Out, Exported) {
    run_by(&config(hot_users_max), events, cut)
}

fn run_by(config: &Arc<EngineConfig>, events: &[Event], cut: Option<usize>) -> (Out, Exported) {
    let profiles = Arc::new(Profiles::default());
    let mut engine = Engine::new(config.clone(), profiles.clone());
    let (mut out, mut stream) = (Out::default(), StreamTime::default());
    for (number, event) in events.iter().enumerate() {
        let item = item(number, event);
        let stream_time = stream.observe(item.time(), item.user());
        if cut == Some(number) {
            let state: Exported = engine.export(0).collect();
            engine = Engine::new(config.clone(), profiles.clone());
            for (key, bytes) in &state {
                engine.import(farsign::engine::variants::Variants::first(1), *key, bytes).expect("just exported");
            }
        }
        if number % 17 == 16 {
            engine.settle(stream_time, std::slice::from_mut(&mut out));
        }
        engine
            .step(&[Input { position: number as u64, stream_time, item: &item }], std::slice::from_mut(&mut out));
    }
    let exported = engine.export(0).collect();
    (out, exported)
}

fn same(one: &(Out, Exported), other: &(Out, Exported)) {
    assert_eq!(one.0.detections, other.0.detections);
    assert_eq!(one.0.contributions, other.0.contributions);
    assert_eq!(one.0.counts, other.0.counts);
    assert_eq!(one.1, other.1);
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event =
        (0..5_u8, 0..400_u32, 0..10_usize, 0..3_usize, 0..16_u8).prop_map(|(user, gap, city, agent, kind)| {
            Event { user, minute: gap, city: if city < 4 { city } else { 0 }, agent, kind }
        });
    proptest::collection::vec(event, 1..120).prop_map(|mut events| {
        // Gaps become times; some events arrive late.
        let mut now = 600;
        for event in &mut events {
            let gap = event.minute;
            now += gap / 4;
            event.minute = if gap % 7 == 0 { now - gap } else { now };
        }
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn hot_or_cold_gives_the_same_answers(events in events()) {
        same(&run(1, &events, None), &run(1_000, &events, None));
    }

    #[test]
    fn a_restart_changes_nothing(events in events(), at in any::<prop::sample::Index>()) {
        same(&run(2, &events, Some(at.index(events.len()))), &run(1_000, &events, None));
    }
}

fn fixture(hex: &str) -> Vec<u8> {
    let hex = hex.trim();
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digits).collect()
}

/// A user after a month at home, with a visitor from afar, a wrong password and feedback still in the tail.
#[test]
fn version_1_is_read_for_ever() {
    let bytes = fixture(include_str!("fixtures/state-v1.hex"));
    let record = codec::decode(&bytes, &Rules::new(config(1))).expect("version 1");
    let baseline = &record.settled.baseline;
    let days = baseline.country.entries.iter().map(|entry| entry.last_day - entry.first_day).max();
    assert_eq!((baseline.sign_ins, days, record.tail.len()), (30, Some(29), 5));
    let anchor = record.settled.anchor.as_ref().expect("an anchor");
    assert_eq!(anchor.place.as_deref(), Some(&place(0)));
    assert_eq!(anchor.time, EventTime::from_seconds(START_S + (29 * 1_440 + 480) * 60 + 29));
    assert_eq!(anchor.agent.browser.as_ref(), "Chrome");
    let newest = record.tail.iter().map(|entry| entry.order().0).max();
    assert_eq!(newest, Some(EventTime::from_seconds(START_S + 43_110 * 60 + 34)));
    // Version 1 had no names and no ids, and its user's risk is that of the detections that stand.
    assert_eq!((record.identity.as_ref(), record.settled.risk_file.as_ref()), (None, None));
    let file = record.current.risk_file.as_ref().expect("the visitor was at risk");
    assert_eq!(file.user_principal_name.as_ref(), "user-0@example.org");
    let mut again = Vec::new();
    codec::encode(&record, &mut again);
    assert_eq!(codec::decode(&again, &Rules::new(config(1))).as_ref(), Ok(&record));
}

/// The same user two days later: the visitor settled, and what was said of him since is in the tail.
#[test]
fn version_2_is_read_for_ever() {
    let bytes = fixture(include_str!("fixtures/state-v2.hex"));
    let record = codec::decode(&bytes, &Rules::new(config(1))).expect("version 2");
    let identity = record.identity.as_ref().expect("a user with risk");
    assert_eq!((identity.tenant_id.as_ref(), identity.user_id.as_ref()), (TENANT, "user-1"));
    let file = record.settled.risk_file.as_ref().expect("the visitor settled");
    assert_eq!(file.changed, EventTime::from_seconds(START_S + 43_100 * 60 + 30));
    assert_eq!(file.user_display_name.as_ref(), "Ada Example");
    assert_eq!((record.settled.user_risk().state, record.tail.len()), (RiskState::AtRisk, 2));
    let risk = record.current.user_risk();
    assert_eq!((risk.state, risk.level), (RiskState::ConfirmedCompromised, RiskLevel::High));
    assert_eq!(risk.detail, RiskDetail::AdminConfirmedUserCompromised);
    if codec::VERSION == 2 {
        let mut again = Vec::new();
        codec::encode(&record, &mut again);
        assert_eq!(again, bytes);
    }
}

/// A user after a month at home whose session went on from afar, under another issuer, after a prompt that was denied;
/// all of it settled, and another prompt in the tail.
fn version_3_record() -> Vec<u8> {
    let home = |minute| Event { user: 2, minute, city: 0, agent: 0, kind: 3 };
    let mut events: Vec<Event> = (0..30).map(|day| home(day * 1_440 + 480)).collect();
    events.extend([
        home(43_000),
        Event { user: 2, minute: 43_050, city: 3, agent: 2, kind: 1 },
        Event { user: 2, minute: 43_100, city: 3, agent: 1, kind: 3 },
        home(43_400),
        Event { user: 2, minute: 43_410, city: 3, agent: 2, kind: 1 },
    ]);
    // As long as tails were when it was made.
    let config = EngineConfig { review_ahead_s: 0, ..EngineConfig::clone(&config(1_000)) };
    let (_, mut exported) = run_by(&Arc::new(config), &events, None);
    exported.remove(0).1
}

#[test]
fn version_3_is_read_for_ever() {
    let bytes = fixture(include_str!("fixtures/state-v3.hex"));
    let record = codec::decode(&bytes, &Rules::new(config(1))).expect("version 3");
    let settled = &record.settled;
    assert_eq!((settled.followed.len(), settled.denials.len(), settled.issuers.entries.len()), (6, 1, 1));
    let session =
        settled.followed.iter().find(|session| session.elsewhere.is_some()).expect("it went on from afar");
    assert_eq!((session.began.asn, session.elsewhere.map(|elsewhere| elsewhere.asn)), (64_500, Some(64_503)));
    assert_eq!(session.began.time, EventTime::from_seconds(START_S + 43_000 * 60 + 30));
    assert_eq!(settled.denials[0].stop.time, EventTime::from_seconds(START_S + 43_050 * 60 + 31));
    let visit = settled.open.last().expect("the visitor was at risk");
    assert_eq!(visit.session_hash, session.hash);
    assert_eq!(visit.incident.began, EventTime::from_seconds(START_S + 43_050 * 60 + 31));
    let incidents: Vec<_> = record.current.open.iter().map(|risk| risk.incident).collect();
    assert!(incidents.iter().all(|incident| *incident == visit.incident), "{incidents:?}");
    assert_eq!((record.tail.len(), record.current.denials.len()), (2, 2));
    if codec::VERSION == 3 {
        assert_eq!(version_3_record(), bytes);
    }
}
