//! Shadow policies judge beside the live one and change nothing of it; one with the live policy's own rules says what the
//! live one says, however the stream is cut up, shuffled or restarted.

mod common;

use common::drive::{Answer, Cut, run};
use common::stream::{HORIZON_S, happening, shuffled, stream};
use common::world::{Spec, at, feedback, sign_in};
use farsign::engine::facts::Item;
use farsign::engine::finding::{RiskDetail, RiskEventType, RiskLevel, RiskState, Suppression};
use farsign::engine::out::Detection;
use farsign::engine::policy::{EngineConfig, Policy, ScopedPolicy, Sensitivity, ShadowPolicy};
use farsign::engine::risk::shadow_detection_id;
use proptest::prelude::*;

fn shadow(name: &str, users: &[&str], policy: Policy) -> ShadowPolicy {
    let users = users.iter().map(|user| (*user).to_owned()).collect();
    ShadowPolicy::new(ScopedPolicy { name: name.to_owned(), tenants: Vec::new(), users, policy }, 7)
}

/// Small streams, in which all detections are to be seen.
fn live() -> EngineConfig {
    let mut config = EngineConfig::default();
    config.default_policy.token_issuer.known_users_min = 10;
    config.default_policy.mfa_fatigue.denied_prompts = 2;
    config.default_policy.mfa_fatigue.denied_before_passed = 1;
    config
}

/// Fires at nearly anything that is not wholly familiar.
fn eager(mut policy: Policy) -> Policy {
    policy.unfamiliar_features.low_bits = 1.0;
    policy.unfamiliar_features.learning_min_days = 0;
    policy.unfamiliar_features.learning_max_days = 0;
    policy.new_country.learning_days = 0;
    policy.new_country.min_bits = 0.0;
    policy.atypical_travel.low_bits = 1.0;
    policy.impossible_travel.max_speed_kmh = 100.0;
    policy.impossible_travel.min_distance_km = 50.0;
    policy.impossible_travel.learning_days = 0;
    // Neighbours and usual places are no excuse.
    policy.impossible_travel.sensitivity = Sensitivity::High;
    policy
}

/// Nothing at all.
fn quiet(mut policy: Policy) -> Policy {
    policy.impossible_travel.enabled = false;
    policy.atypical_travel.enabled = false;
    policy.new_country.enabled = false;
    policy.unfamiliar_features.enabled = false;
    policy
}

fn with(shadows: Vec<ShadowPolicy>) -> EngineConfig {
    EngineConfig { shadow_policies: shadows, ..live() }
}

fn busy() -> EngineConfig {
    let policy = live().default_policy;
    with(vec![
        shadow("eager", &[], eager(policy.clone())),
        shadow("same", &[], policy.clone()),
        shadow("some", &["user-2*"], eager(policy.clone())),
        shadow("quiet", &[], quiet(policy)),
    ])
}

/// All but the ids that differ by the policy, and what feedback says of users: of the live policy's own findings at sign-ins.
fn told<'a>(detections: impl Iterator<Item = &'a (Detection, usize)>) -> Vec<String> {
    let own =
        |detection: &&(Detection, usize)| !detection.0.is_about_user && detection.0.source.upstream().is_none();
    detections
        .filter(own)
        .map(|(detection, versions)| {
            let live_id = detection.shadow.as_ref().map_or(detection.id, |shadow| shadow.live_id);
            format!("{versions} {:?}", Detection { id: live_id, shadow: None, position: 0, ..detection.clone() })
        })
        .collect()
}

fn of<'a>(answer: &'a Answer, policy: &'a str) -> impl Iterator<Item = &'a (Detection, usize)> {
    let is_of =
        move |found: &&(Detection, usize)| found.0.shadow.as_ref().is_some_and(|mark| mark.policy == policy);
    answer.shadow_detections.iter().filter(is_of)
}

/// Every version of every live detection, every change of users' risk, every count and contribution.
fn assert_live_untouched(with: &Answer, without: &Answer) -> Result<(), TestCaseError> {
    prop_assert_eq!(&with.detections, &without.detections);
    prop_assert_eq!(&with.risky_users, &without.risky_users);
    prop_assert_eq!(&with.counts, &without.counts);
    prop_assert_eq!(with.profiles.stats(), without.profiles.stats());
    Ok(())
}

/// What is known of shadow detections in the end.
fn known(answer: &Answer) -> Vec<String> {
    let stands = |found: &&(Detection, usize)| found.0.detail != RiskDetail::AiConfirmedSigninSafe;
    let text = |(detection, _): &(Detection, usize)| {
        let Detection { id, shadow, state, detail, level, score, activity_time, finding, incident_id, .. } =
            detection;
        format!("{id} {shadow:?} {state:?} {detail:?} {level:?} {score} {activity_time} {incident_id} {finding:?}")
    };
    answer.shadow_detections.iter().filter(stands).map(text).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn shadows_change_nothing_and_the_same_rules_say_the_same(
        happenings in prop::collection::vec(happening(), 1..60),
        delays in prop::collection::vec(any::<i64>(), 1..60),
        emit_suppressed in any::<bool>(),
    ) {
        let items = shuffled(&stream(&happenings), &delays, HORIZON_S);
        let silenced = |config| EngineConfig { emit_suppressed, ..config };
        let without = run(&silenced(live()), &items, Cut::default());
        let with = run(&silenced(busy()), &items, Cut::default());
        assert_live_untouched(&with, &without)?;
        prop_assert_eq!(told(of(&with, "same")), told(without.detections.iter()));
        prop_assert!(of(&with, "some").all(|(found, _)| found.subject.user_id == "user-2"));
    }

    #[test]
    fn neither_cuts_nor_order_show_in_what_shadows_find(
        happenings in prop::collection::vec(happening(), 1..80),
        delays in prop::collection::vec(any::<i64>(), 1..60),
        batch in 1..60_usize,
        restart_after in 1..6_usize,
        tasks in 1..=3_usize,
    ) {
        let items = stream(&happenings);
        let config = busy();
        let plain = run(&config, &items, Cut::default());
        let late = shuffled(&items, &delays, HORIZON_S);
        let other = run(&config, &late, Cut { batch, tasks, restart_after });
        prop_assert_eq!(known(&other), known(&plain));
    }
}

fn spec(id: &str, day: i64, minute: i64, network: &str, device: &str) -> Spec {
    Spec::new(id, at(day, minute * 60), "ann", network, device)
}

/// Three weeks at home, the last time at eight on day 0.
fn habits() -> Vec<Item<'static>> {
    (-21..=0).map(|day| sign_in(&spec(&format!("home-{day}"), day, 480, "oslo-fixed", "laptop"))).collect()
}

/// An hour later in Bergen, 300 km away, with another device.
fn bergen(id: &str, day: i64, minute: i64) -> Item<'static> {
    sign_in(&spec(id, day, minute, "bergen-fixed", "stranger"))
}

/// Sign-in, type and state of what a policy told.
fn of_policy(answer: &Answer, policy: &str) -> Vec<(String, RiskEventType, RiskState)> {
    of(answer, policy).map(|(found, _)| (found.subject.request_id.clone(), found.kind, found.state)).collect()
}

fn travels(answer: &Answer, policy: &str) -> Vec<(String, RiskState)> {
    let travels =
        of_policy(answer, policy).into_iter().filter(|(_, kind, _)| *kind == RiskEventType::ImpossibleTravel);
    travels.map(|(id, _, state)| (id, state)).collect()
}

/// A live policy that has nothing against it, and one that has.
fn one() -> EngineConfig {
    let policy = live().default_policy;
    EngineConfig { default_policy: quiet(policy.clone()), ..with(vec![shadow("candidate", &[], eager(policy))]) }
}

#[test]
fn a_shadow_finds_what_the_live_policy_does_not_and_is_told_by_its_own_id() {
    let items = [habits(), vec![bergen("away", 0, 540)]].concat();
    let answer = run(&one(), &items, Cut::default());
    assert_eq!(answer.detections, []);
    assert_eq!(travels(&answer, "candidate"), [("away".to_owned(), RiskState::AtRisk)]);
    let (found, _) = &answer.shadow_detections[0];
    let mark = found.shadow.as_ref().expect("its policy");
    let tenant = common::world::TENANT;
    assert_eq!((mark.policy.as_str(), mark.policy_hash), ("candidate", 7));
    assert_eq!(found.id, shadow_detection_id(tenant, "away", found.kind, "candidate"));
    assert_eq!(mark.live_id, farsign::engine::risk::detection_id(tenant, "away", found.kind, None));
    assert_eq!(answer.risky_users, []);
}

#[test]
fn a_shadow_is_silent_where_the_live_policy_is_not_and_keeps_nothing_from_the_quarantine() {
    let items = [habits(), vec![sign_in(&spec("lagos", 0, 540, "lagos-fixed", "stranger"))]].concat();
    let mut answer =
        run(&with(vec![shadow("candidate", &[], quiet(live().default_policy))]), &items, Cut::default());
    let high = |found: &(Detection, usize)| found.0.level == RiskLevel::High;
    assert!(answer.detections.iter().any(high), "{:?}", answer.detections);
    assert_eq!(of_policy(&answer, "candidate"), []);
    let record = answer.engines[0].inspect(0, common::world::key("ann")).expect("ann");
    assert_eq!(record.current.quarantine.len(), 1);
}

/// What a shadow found is learnt as if it had not.
#[test]
fn nothing_is_quarantined_for_a_shadow() {
    let items = [habits(), vec![bergen("away", 0, 540)]].concat();
    let state = |config: &EngineConfig| {
        let mut answer = run(config, &items, Cut::default());
        let mut record = answer.engines[0].inspect(0, common::world::key("ann")).expect("ann");
        assert_eq!(record.current.quarantine, []);
        record.current.shadows.clear();
        record.current
    };
    assert_eq!(state(&one()), state(&EngineConfig { shadow_policies: Vec::new(), ..one() }));
}

#[test]
fn a_late_sign_in_withdraws_what_a_shadow_told() {
    let late = bergen("before", 0, 510);
    let items = [habits(), vec![bergen("away", 0, 540), late]].concat();
    let answer = run(&one(), &items, Cut::default());
    let (at_risk, gone) = (RiskState::AtRisk, RiskState::Dismissed);
    assert_eq!(travels(&answer, "candidate"), [("before".to_owned(), at_risk), ("away".to_owned(), gone)]);
}

/// Its own findings alone make a repeat of it, for as long as the live policy's do, and beyond the tail.
#[test]
fn a_shadow_repeats_itself_no_more_than_a_live_policy() {
    let there = |id: &str, day| bergen(id, day, 540);
    let home = |day| sign_in(&spec(&format!("home-{day}"), day, 480, "oslo-fixed", "laptop"));
    let items =
        [habits(), vec![there("first", 0), home(1), there("second", 1), home(2), there("third", 2)]].concat();
    let config = EngineConfig { emit_suppressed: true, ..one() };
    for restart_after in [0, 1] {
        let answer = run(&config, &items, Cut { batch: 1, tasks: 1, restart_after });
        let is_away =
            |found: &&(Detection, usize)| ["first", "second", "third"].contains(&&*found.0.subject.request_id);
        let travels = of(&answer, "candidate").filter(|found| found.0.kind == RiskEventType::ImpossibleTravel);
        let reasons: Vec<Option<Suppression>> = travels
            .filter(is_away)
            .map(|(found, _)| found.finding.as_ref().and_then(|f| f.suppressed_by))
            .collect();
        let again = Some(Suppression::AlreadyReported);
        assert_eq!(reasons, [None, again, again]);
        assert!(
            answer.detections.iter().all(|(found, _)| found.state != RiskState::AtRisk),
            "live told of nothing"
        );
    }
}

#[test]
fn feedback_reaches_what_a_shadow_told() {
    let dismissed = feedback("said", at(0, 36_000), "ann", "dismiss", "away");
    let items = [habits(), vec![bergen("away", 0, 540), dismissed]].concat();
    let answer = run(&one(), &items, Cut::default());
    assert_eq!(travels(&answer, "candidate"), [("away".to_owned(), RiskState::Dismissed)]);
    assert_eq!(answer.risky_users, []);
}

/// Another name is another policy, and what one found that is gone is forgotten with the user's next sign-in.
#[test]
fn a_policy_that_is_gone_leaves_nothing() {
    let items = [habits(), vec![bergen("away", 0, 540)]].concat();
    let mut answer = run(&one(), &items, Cut::default());
    let engine = &mut answer.engines[0];
    let key = common::world::key("ann");
    let shadows = |engine: &mut farsign::engine::Engine| engine.inspect(0, key).expect("ann").current.shadows;
    assert_eq!(shadows(engine).len(), 1);
    let renamed = EngineConfig { shadow_policies: vec![shadow("renamed", &[], live().default_policy)], ..one() };
    engine.reconfigure(std::sync::Arc::new(renamed));
    let home = sign_in(&spec("home", 1, 480, "oslo-fixed", "laptop"));
    let mut out = farsign::engine::out::Out::default();
    let input = farsign::engine::Input { position: 1_000, stream_time: home.time(), item: &home };
    engine.step(&[input], std::slice::from_mut(&mut out));
    assert_eq!(shadows(engine), []);
    assert_eq!(out.shadow_detections, []);
}
