//! What other products found, through the engine's front door: ids, evidence, what a user's risk counts, and what a sign-in
//! still teaches that another product found risky. The rules of which finding stands are in `tests/scenarios/upstream_findings`.

mod common;

use std::sync::Arc;

use common::world::{Spec, TENANT, at, feedback, key, sign_in, upstream};
use farsign::engine::facts::{CountryCode, Item, Place, Precision};
use farsign::engine::finding::{RiskEventType, RiskLevel, RiskState};
use farsign::engine::out::{Detection, Out, RiskyUser};
use farsign::engine::profile::Profiles;
use farsign::engine::risk::detection_id;
use farsign::engine::signin::Provider;
use farsign::engine::user::record::UserRecord;
use farsign::engine::watermark::StreamTime;
use farsign::engine::{Engine, Input};

const DAY: i64 = 15;
/// Of the network `oslo-other`, on which the user was never seen before.
const NEW_ASN: u32 = 64_497;

/// Two weeks at home, then what `events` say.
fn after_two_weeks(events: &[Item<'static>]) -> (Out, Engine) {
    let home = (0..14)
        .map(|day| sign_in(&Spec::new(&format!("home-{day}"), at(day, 28_800), "ada", "oslo-fixed", "laptop")));
    let items: Vec<Item<'static>> = home.chain(events.iter().cloned()).collect();
    let mut engine = Engine::new(Arc::default(), Arc::new(Profiles::default()));
    let (mut stream, mut out) = (StreamTime::default(), Out::default());
    for (index, item) in items.iter().enumerate() {
        let stream_time = stream.observe(item.time(), item.user());
        engine.step(&[Input { position: index as u64, stream_time, item }], std::slice::from_mut(&mut out));
    }
    (out, engine)
}

fn ada(engine: &mut Engine) -> UserRecord {
    engine.inspect(0, key("ada")).expect("known")
}

fn visit(network: &str, device: &str) -> Item<'static> {
    sign_in(&Spec::new("visit", at(DAY, 30_000), "ada", network, device))
}

/// About the visit, as its own record carries it.
fn beside(kind: RiskEventType, level: RiskLevel) -> Item<'static> {
    Item::UpstreamFinding(upstream("beside", at(DAY, 30_000), "ada", (kind, level), "visit"))
}

#[test]
fn ids_of_ours_stay_and_another_products_are_its_own() {
    let kind = RiskEventType::NewCountry;
    let ours = detection_id("tenant", "visit", kind, None);
    assert_eq!(ours.to_string(), "1c5719d1-2775-50b3-a732-ed2630ade280");
    let theirs = ["IdentityProtection", "Okta"].map(|source| detection_id("tenant", "visit", kind, Some(source)));
    assert!(theirs[0] != theirs[1] && !theirs.contains(&ours));
}

#[test]
fn evidence_says_who_reported_what_and_where() {
    let mut prepared =
        upstream("u-1", at(DAY, 40_000), "ada", (RiskEventType::UnfamiliarFeatures, RiskLevel::Medium), "visit");
    prepared.finding.activity_time = at(DAY, 30_000);
    prepared.finding.provider = Provider::Okta;
    prepared.finding.source_type = "New Device".into();
    prepared.finding.reasons = "a new device, a new address.".into();
    prepared.finding.address = Some("192.0.2.7".parse().expect("an address"));
    prepared.asn = 64_500;
    prepared.place = Some(Arc::new(Place {
        latitude: 59.91,
        longitude: 10.75,
        radius_km: 10,
        precision: Precision::City,
        country: CountryCode(*b"NO"),
        region: "".into(),
        city: "Oslo".into(),
        from_provider: true,
    }));
    let (out, _) = after_two_weeks(&[Item::UpstreamFinding(prepared)]);
    let [detection] = &out.detections[..] else { panic!("{:?}", out.detections) };
    assert_eq!((detection.source.upstream(), detection.is_about_user), (Some("IdentityProtection"), false));
    let times = (detection.activity_time, detection.detected_time, detection.updated_time);
    assert_eq!(times, (at(DAY, 30_000), at(DAY, 40_000), at(DAY, 40_000)));
    assert_eq!((detection.level, detection.score, detection.state), (RiskLevel::Medium, 65, RiskState::AtRisk));
    let evidence = &detection.finding.as_ref().expect("a finding").evidence;
    assert_eq!(
        evidence.sentence,
        "Entra ID Protection reported unfamiliarFeatures it calls \"New Device\" (medium) at this sign-in: a new device, \
         a new address."
    );
    let this = &evidence.this;
    assert_eq!((this.request_id.as_str(), this.provider, this.time), ("visit", Provider::Okta, at(DAY, 30_000)));
    assert_eq!((this.city.as_str(), this.country.as_str(), this.asn), ("Oslo", "NO", 64_500));
    assert_eq!(evidence.reference, None);
}

/// The two ends of a journey name their providers, and so does its sentence.
#[test]
fn a_journey_between_two_providers_names_both() {
    let mut spec = Spec::new("away", at(DAY, 32_400), "ada", "lagos-fixed", "stranger");
    spec.provider = Provider::Okta;
    let (out, _) = after_two_weeks(&[visit("oslo-fixed", "laptop"), sign_in(&spec)]);
    let travel = |detection: &&Detection| detection.kind == RiskEventType::ImpossibleTravel;
    let detection = out.detections.iter().find(travel).expect("a journey");
    let evidence = &detection.finding.as_ref().expect("a finding").evidence;
    let reference = evidence.reference.as_ref().expect("a reference");
    assert_eq!((evidence.this.provider, reference.provider), (Provider::Okta, Provider::Entra));
    let begins = "Sign-in from Lagos, NG (okta) 40 minutes after one from Oslo, NO (entra): ";
    assert!(evidence.sentence.starts_with(begins), "{}", evidence.sentence);
    assert_eq!(detection.subject.provider, Some(Provider::Okta));
}

fn last_risk(out: &Out) -> &RiskyUser {
    out.risky_users.last().expect("the user is at risk")
}

#[test]
fn one_type_about_one_sign_in_counts_once() {
    let kind = RiskEventType::ImpossibleTravel;
    let home = sign_in(&Spec::new("morning", at(DAY, 28_800), "ada", "oslo-fixed", "laptop"));
    let check = |finding: Option<Item<'static>>, expected_more: u32| {
        let stranger = visit("lagos-fixed", "stranger");
        let (alone, _) = after_two_weeks(&[home.clone(), stranger.clone()]);
        let events: Vec<_> = [home.clone()].into_iter().chain(finding).chain([stranger]).collect();
        let (both, _) = after_two_weeks(&events);
        let (alone, both) = (last_risk(&alone).risk, last_risk(&both).risk);
        assert_eq!((both.open_detections, both.level), (alone.open_detections + expected_more, alone.level));
    };
    check(None, 0);
    check(Some(beside(kind, RiskLevel::Medium)), 0);
    check(Some(beside(RiskEventType::Generic, RiskLevel::Medium)), 1);
}

/// Two independent witnesses raise the level, one of them another product.
#[test]
fn agreeing_with_ours_raises_the_level() {
    let level = |findings: &[(RiskEventType, RiskLevel)]| {
        let events: Vec<_> = findings
            .iter()
            .enumerate()
            .map(|(index, found)| {
                let id = format!("u-{index}");
                Item::UpstreamFinding(upstream(&id, at(DAY, 30_000), "ada", *found, "visit"))
            })
            .collect();
        let (out, _) = after_two_weeks(&events);
        last_risk(&out).risk.level
    };
    use RiskEventType::{AnonymizedIpAddress, LeakedCredentials, NewCountry};
    assert_eq!(level(&[(NewCountry, RiskLevel::Low)]), RiskLevel::Low);
    assert_eq!(level(&[(NewCountry, RiskLevel::Low), (AnonymizedIpAddress, RiskLevel::Low)]), RiskLevel::Medium);
    assert_eq!(level(&[(NewCountry, RiskLevel::Low), (LeakedCredentials, RiskLevel::Low)]), RiskLevel::Low);
}

#[test]
fn a_user_nobody_saw_is_told_of_by_name() {
    let found = (RiskEventType::LeakedCredentials, RiskLevel::High);
    let leak = Item::UpstreamFinding(upstream("leak", at(DAY, 0), "bob", found, ""));
    let (out, mut engine) = after_two_weeks(&[leak]);
    let risky = last_risk(&out);
    assert_eq!((risky.user_id.as_str(), risky.tenant_id.as_str()), ("bob", TENANT));
    assert_eq!(risky.user_principal_name, "bob@example.com");
    assert_eq!((risky.risk.level, risky.risk.state), (RiskLevel::High, RiskState::AtRisk));
    let record = engine.inspect(0, key("bob")).expect("known from now on");
    assert_eq!((record.current.baseline.sign_ins, record.current.last_learnt), (0, None));
    assert_eq!((out.counts.users_new, out.counts.sign_ins), (2, 14));
    assert_eq!(out.counts.upstream_findings[Provider::Entra as usize], [1, 0]);
}

/// Medium beside a sign-in keeps it out of the baseline and of the organisation's profiles; low does not, nor does what is
/// said afterwards, nor what was dismissed.
#[test]
fn what_a_record_says_of_its_own_sign_in_decides_what_that_teaches() {
    let kind = RiskEventType::AnonymizedIpAddress;
    let later = |seconds| {
        let found = (kind, RiskLevel::High);
        Item::UpstreamFinding(upstream("later", at(DAY, seconds), "ada", found, "visit"))
    };
    let dismissed = feedback("f", at(DAY, 31_000), "ada", "dismiss", "visit");
    let visit = || visit("oslo-other", "laptop");
    let check = |title: &str, events: &[Item<'static>], is_learnt: bool| {
        let (mut out, mut engine) = after_two_weeks(events);
        let knows = |record: &UserRecord| record.current.baseline.asn.entries.iter().any(|asn| asn.key == NEW_ASN);
        assert_eq!(knows(&ada(&mut engine)), is_learnt, "{title}");
        out.contributions.clear();
        engine.settle(at(DAY + 1, 0), std::slice::from_mut(&mut out));
        let told = out.contributions.iter().any(|told| told.key.value == NEW_ASN);
        let is_told = is_learnt && !title.contains("dismissed");
        assert_eq!(told, is_told, "{title}: {:?}", out.contributions);
    };
    check("nobody says anything", &[visit()], true);
    check("medium, with it", &[beside(kind, RiskLevel::Medium), visit()], false);
    check("medium, with it, delivered behind it", &[visit(), beside(kind, RiskLevel::Medium)], false);
    check("low, with it", &[beside(kind, RiskLevel::Low), visit()], true);
    check("high, afterwards", &[visit(), later(30_600)], true);
    check("medium, with it, and dismissed", &[beside(kind, RiskLevel::Medium), visit(), dismissed], true);
}

#[test]
fn what_the_product_confirmed_never_teaches() {
    let mut confirmed =
        upstream("u", at(DAY, 31_000), "ada", (RiskEventType::AnonymizedIpAddress, RiskLevel::Low), "visit");
    confirmed.finding.is_confirmed = true;
    let beside = beside(RiskEventType::Generic, RiskLevel::Medium);
    let events = [beside, visit("oslo-other", "laptop"), Item::UpstreamFinding(confirmed)];
    let (out, mut engine) = after_two_weeks(&events);
    let held: Vec<bool> = ada(&mut engine).current.quarantine.iter().map(|held| held.compromised).collect();
    assert_eq!(held, [true]);
    assert_eq!(last_risk(&out).risk.state, RiskState::ConfirmedCompromised);
}

/// What is said of a sign-in comes before it in every order, so its own id is no duplicate of the risk's.
#[test]
fn a_sign_in_is_no_duplicate_of_what_was_said_of_it() {
    let (out, _) =
        after_two_weeks(&[beside(RiskEventType::Generic, RiskLevel::High), visit("oslo-other", "laptop")]);
    assert_eq!((out.counts.sign_ins, out.counts.duplicates), (15, 0));
}
