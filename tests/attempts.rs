//! What is attempted on many users, and what becomes of the sign-ins amid it: by scenes, and in whatever order the same
//! events arrive.

mod common;

use common::drive::{Answer, Cut, run};
use common::stream::{HORIZON_S, happening, shuffled, stream, touchy};
use common::world::{Spec, at, sign_in};
use farsign::engine::facts::Item;
use farsign::engine::finding::{RiskDetail, RiskEventType, RiskLevel, Suppression};
use farsign::engine::out::Detection;
use farsign::engine::policy::EngineConfig;
use farsign::engine::signin::AccountState;
use proptest::prelude::*;

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;
/// The day of every scene; two weeks of habits come before it.
const DAY: i64 = 20;
const NOON_S: i64 = 12 * HOUR_S;
/// One address for all who use it.
const SOURCE: &str = "newyork-gateway";

/// Two weeks at home, a sign-in a day.
fn habits(user: &str) -> impl Iterator<Item = Spec> + '_ {
    (0..14).map(move |day| {
        Spec::new(&format!("{user}-home-{day}"), at(day, 9 * HOUR_S), user, "oslo-fixed", "laptop")
    })
}

/// Wrong passwords of `users` users through the source, one a minute from `from_s` of the day.
fn tries(users: std::ops::Range<usize>, from_s: i64) -> impl Iterator<Item = Spec> {
    users.enumerate().map(move |(index, user)| {
        let time = at(DAY, from_s + index as i64 * MINUTE_S);
        Spec {
            outcome: "wrong-password".to_owned(),
            ..Spec::new(&format!("try-{user}"), time, &format!("target-{user}"), SOURCE, "stranger")
        }
    })
}

/// The victim's sign-in, with the right password.
fn entry(second: i64) -> Spec {
    Spec::new("entry", at(DAY, second), "victim", SOURCE, "stranger")
}

fn answer(config: &EngineConfig, specs: impl IntoIterator<Item = Spec>) -> Answer {
    let mut specs: Vec<Spec> = habits("victim").chain(specs).collect();
    specs.sort_by_key(|spec| spec.time);
    let items: Vec<Item<'static>> = specs.iter().map(sign_in).collect();
    run(config, &items, Cut::default())
}

/// The last version of the detection of a kind about a sign-in.
fn found<'a>(answer: &'a Answer, kind: RiskEventType, sign_in: &str) -> Option<&'a Detection> {
    let all = answer.detections.iter().map(|(detection, _)| detection);
    all.filter(|detection| detection.detail != RiskDetail::AiConfirmedSigninSafe)
        .find(|detection| detection.kind == kind && detection.subject.request_id == sign_in)
}

fn spray<'a>(answer: &'a Answer, sign_in: &str) -> Option<&'a Detection> {
    found(answer, RiskEventType::PasswordSpray, sign_in)
}

fn emitting() -> EngineConfig {
    EngineConfig { emit_suppressed: true, ..EngineConfig::default() }
}

fn suppressed_by(detection: &Detection) -> Option<Suppression> {
    detection.finding.as_ref().and_then(|finding| finding.suppressed_by)
}

#[test]
fn a_success_amid_a_spray_is_found_and_explains_itself() {
    let answer =
        answer(&EngineConfig::default(), tries(0..20, NOON_S).chain([entry(NOON_S + 15 * MINUTE_S + 30)]));
    let detection = spray(&answer, "entry").expect("a spray");
    assert_eq!(detection.level, RiskLevel::High);
    assert_eq!(detection.detected_time, detection.activity_time, "eight had failed before it");
    let evidence = &detection.finding.as_ref().expect("a finding").evidence;
    let attack = evidence.attack.as_ref().expect("attempts");
    assert_eq!((attack.attack.users, attack.enough, attack.in_hindsight), (20, 8, false));
    assert!(
        evidence.sentence.contains("20 users failed with the same address within 24 hours"),
        "{}",
        evidence.sentence
    );
    assert_eq!(evidence.thresholds[0].key, "password_spray.address_users_min");
    assert_eq!(
        answer.detections.len(),
        answer.detections.iter().filter(|(d, _)| d.subject.request_id == "entry").count()
    );
}

#[test]
fn a_success_before_the_spray_could_be_told_is_found_in_hindsight_for_as_long_as_configured() {
    let early = || tries(0..20, NOON_S).chain([entry(NOON_S + 2 * MINUTE_S)]);
    let told = answer(&EngineConfig::default(), early());
    let detection = spray(&told, "entry").expect("in hindsight");
    assert_eq!(detection.detected_time, at(DAY, NOON_S + 7 * MINUTE_S), "with the eighth user");
    let attack = detection.finding.as_ref().and_then(|finding| finding.evidence.attack.clone()).expect("attempts");
    assert!(attack.in_hindsight);
    let blind = answer(&EngineConfig { hindsight_s: 0, ..EngineConfig::default() }, early());
    assert!(spray(&blind, "entry").is_none());
}

#[test]
fn one_user_less_is_no_spray() {
    // Nothing but the source is in common.
    let other = |spec| Spec { device: "home-pc".to_owned(), ..spec };
    let with = |users| {
        let tries = tries(0..users, NOON_S).map(other);
        answer(&EngineConfig::default(), tries.chain([entry(NOON_S + HOUR_S)]))
    };
    assert!(spray(&with(8), "entry").is_some());
    assert!(spray(&with(7), "entry").is_none());
}

#[test]
fn a_day_later_the_source_is_as_good_as_any() {
    let after = |seconds| {
        let late = Spec { time: at(DAY, NOON_S + 7 * MINUTE_S + seconds), ..entry(0) };
        answer(&EngineConfig::default(), tries(0..8, NOON_S).chain([late]))
    };
    assert!(spray(&after(DAY_S - MINUTE_S), "entry").is_some());
    assert!(spray(&after(DAY_S), "entry").is_none());
}

#[test]
fn wrong_passwords_themselves_are_never_detections() {
    let answer = answer(&emitting(), tries(0..40, NOON_S));
    assert!(answer.detections.is_empty(), "{:?}", answer.detections);
}

#[test]
fn a_gateway_that_many_know_needs_more_failures() {
    // Forty colleagues come through the source every day, so twenty more must fail there.
    let regulars = || {
        (0..40).flat_map(|user| {
            (0..20).map(move |day| {
                let id = format!("regular-{user}-{day}");
                Spec::new(&id, at(day, 8 * HOUR_S + user * MINUTE_S), &format!("regular-{user}"), SOURCE, "laptop")
            })
        })
    };
    // Nothing but the source is in common.
    let other = |spec| Spec { device: "home-pc".to_owned(), ..spec };
    let with = |users| {
        let tries = tries(0..users, NOON_S).map(other);
        answer(&emitting(), regulars().chain(tries).chain([entry(NOON_S + HOUR_S + HOUR_S)]))
    };
    assert!(spray(&with(27), "entry").is_none());
    let told = with(28);
    let detection = spray(&told, "entry").expect("twenty-eight users failed");
    let attack = detection.finding.as_ref().and_then(|finding| finding.evidence.attack.clone()).expect("attempts");
    assert_eq!((attack.known_users, attack.enough), (40, 28));
}

#[test]
fn a_device_of_the_users_own_silences_it_and_a_familiar_address_is_never_in_question() {
    let own = Spec { device: "laptop".to_owned(), ..entry(NOON_S + HOUR_S) };
    let told = answer(&emitting(), tries(0..20, NOON_S).chain([own]));
    assert_eq!(suppressed_by(spray(&told, "entry").expect("considered")), Some(Suppression::FamiliarDevice));
    let resident =
        (0..20).map(|day| Spec::new(&format!("usual-{day}"), at(day, 0), "resident", SOURCE, "home-pc"));
    let usual = Spec { user: "resident".to_owned(), ..entry(NOON_S + HOUR_S) };
    let told = answer(&emitting(), resident.chain(tries(0..20, NOON_S)).chain([usual]));
    assert!(spray(&told, "entry").is_none());
}

#[test]
fn accounts_that_do_not_exist_make_it_credential_stuffing() {
    let stuffing = tries(0..20, NOON_S).enumerate().map(|(index, spec)| Spec {
        outcome: if index % 2 == 0 { "deleted".to_owned() } else { spec.outcome.clone() },
        account: if index % 2 == 0 { AccountState::Unknown } else { AccountState::Normal },
        ..spec
    });
    let told = answer(&EngineConfig::default(), stuffing.chain([entry(NOON_S + HOUR_S)]));
    let detection = spray(&told, "entry").expect("a spray");
    let sentence = &detection.finding.as_ref().expect("a finding").evidence.sentence;
    assert!(sentence.contains("credential stuffing") && sentence.contains("10 of 20 attempts"), "{sentence}");
}

/// In this network every user has an address and a /24 of his own.
fn rotating(users: usize) -> impl Iterator<Item = Spec> {
    tries(0..users, NOON_S).map(|spec| Spec { network: "lagos-fixed".to_owned(), ..spec })
}

#[test]
fn rotating_addresses_share_their_network_and_tool() {
    let entered = Spec { network: "lagos-fixed".to_owned(), ..entry(NOON_S + HOUR_S) };
    let with = |users| answer(&EngineConfig::default(), rotating(users).chain([entered.clone()]));
    let told = with(6);
    let detection = spray(&told, "entry").expect("by network and tool");
    let sentence = &detection.finding.as_ref().expect("a finding").evidence.sentence;
    assert!(sentence.contains("the same network and user agent within 168 hours"), "{sentence}");
    assert!(spray(&with(5), "entry").is_none());
}

#[test]
fn another_tool_in_a_spraying_network_is_no_spray_but_comes_from_a_malicious_one() {
    let other = Spec { network: "lagos-fixed".to_owned(), device: "home-pc".to_owned(), ..entry(NOON_S + HOUR_S) };
    let with = |users| answer(&EngineConfig::default(), rotating(users).chain([other.clone()]));
    let malicious = |answer: &Answer| {
        let mut detections = answer.detections.iter().map(|(detection, _)| detection);
        let found = detections.find(|detection| detection.kind == RiskEventType::MaliciousIpAddress)?;
        found.finding.as_ref().map(|finding| finding.evidence.sentence.clone())
    };
    let told = with(25);
    assert!(spray(&told, "entry").is_none());
    let sentence = malicious(&told).expect("25 users failed there");
    assert!(sentence.contains("a network (AS64504) that a password spray comes from"), "{sentence}");
    assert_eq!(malicious(&with(24)), None);
}

#[test]
fn many_tries_on_one_account_make_an_address_malicious() {
    let hammered = |times: i64| {
        let tries = (0..times).map(|number| Spec {
            outcome: "wrong-password".to_owned(),
            ..Spec::new(
                &format!("try-{number}"),
                at(DAY, NOON_S + number * MINUTE_S),
                "victim",
                SOURCE,
                "stranger",
            )
        });
        answer(&EngineConfig::default(), tries.chain([entry(NOON_S + 2 * HOUR_S)]))
    };
    let told = hammered(30);
    let detection = found(&told, RiskEventType::MaliciousIpAddress, "entry").expect("a malicious address");
    let sentence = &detection.finding.as_ref().expect("a finding").evidence.sentence;
    assert!(sentence.contains("30 wrong passwords of 1 users"), "{sentence}");
    assert!(spray(&told, "entry").is_none());
    assert!(found(&hammered(29), RiskEventType::MaliciousIpAddress, "entry").is_none());
}

/// One browser on several accounts, each from a network of its own.
fn toolkit(networks: &[&str]) -> Vec<Spec> {
    let users = (0..networks.len()).map(|user| format!("owner-{user}"));
    let mut specs: Vec<Spec> = Vec::new();
    for (index, (user, network)) in users.zip(networks).enumerate() {
        specs.extend(habits(&user));
        let time = at(DAY, NOON_S + index as i64 * HOUR_S);
        specs.push(Spec::new(&format!("toolkit-{index}"), time, &user, network, "stranger"));
    }
    specs
}

#[test]
fn one_rare_browser_on_several_accounts_is_suspicious_from_the_third_on() {
    let kind = RiskEventType::SuspiciousBrowser;
    let told = answer(
        &EngineConfig::default(),
        toolkit(&["lagos-fixed", "singapore-fixed", "newyork-fixed", "london-fixed"]),
    );
    // An hour apart: by the end of its two hours of hindsight the first has seen three of them, the others all four.
    let levels = (0..4).map(|index| found(&told, kind, &format!("toolkit-{index}")).map(|found| found.level));
    assert_eq!(
        levels.collect::<Vec<_>>(),
        [Some(RiskLevel::Medium), Some(RiskLevel::High), Some(RiskLevel::High), Some(RiskLevel::High)]
    );
    let two = answer(&EngineConfig::default(), toolkit(&["lagos-fixed", "singapore-fixed"]));
    assert!(found(&two, kind, "toolkit-1").is_none(), "two are a coincidence");
    let country = answer(&EngineConfig::default(), toolkit(&["lagos-fixed", "lagos-fixed", "lagos-fixed"]));
    assert!(found(&country, kind, "toolkit-2").is_none(), "all from one country");
}

/// What a reader knows in the end.
fn known(answer: &Answer) -> Vec<String> {
    let stands = |detection: &&Detection| detection.detail != RiskDetail::AiConfirmedSigninSafe;
    let detections = answer.detections.iter().map(|(detection, _)| detection).filter(stands);
    detections
        .map(|detection| {
            let Detection { id, kind, level, state, detail, score, detected_time, finding, .. } = detection;
            let told = if finding.as_ref().is_some_and(|finding| finding.evidence.attack.is_some()) {
                detected_time.to_string()
            } else {
                String::new()
            };
            format!("{id} {} {} {state:?} {detail:?} {score} {told} {finding:?}", kind.name(), level.name())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn neither_tasks_nor_batches_nor_restarts_nor_arrival_within_the_horizon_show(
        happenings in prop::collection::vec(happening(), 20..160),
        delays in prop::collection::vec(any::<i64>(), 1..60),
        batch in 1..60_usize,
        tasks in 1..=4_usize,
        restart_after in 0..6_usize,
        emit_suppressed in any::<bool>(),
    ) {
        let items = stream(&happenings);
        let config = EngineConfig { emit_suppressed, ..touchy() };
        let expected = run(&config, &items, Cut::default());
        let other = run(&config, &shuffled(&items, &delays, HORIZON_S), Cut { batch, tasks, restart_after });
        prop_assert_eq!(known(&expected), known(&other));
        prop_assert_eq!(&expected.counts.detections, &other.counts.detections);
    }
}

/// The property above says nothing unless random streams hold attacks.
#[test]
fn random_streams_hold_attacks() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut kinds = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let tree = prop::collection::vec(happening(), 160).new_tree(&mut runner).expect("a stream");
        let answer =
            run(&EngineConfig { emit_suppressed: true, ..touchy() }, &stream(&tree.current()), Cut::default());
        let attacks = answer.detections.iter().filter(|(detection, _)| {
            detection.finding.as_ref().is_some_and(|finding| finding.evidence.attack.is_some())
        });
        kinds.extend(attacks.map(|(detection, _)| detection.kind.name()));
    }
    assert!(kinds.contains("passwordSpray"), "{kinds:?}");
}
