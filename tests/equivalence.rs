//! The same sign-ins give the same final detections, however they are cut up, spread over tasks, shuffled within
//! the lateness horizon, delivered twice, or interrupted by a restart from exported state.
//!
//! What is compared is the last version of each detection, withdrawn ones left out; how many versions it took, and
//! the position in the input, may differ.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::drive::{Answer, Cut, run};
use common::stream::{HORIZON_S, happening, shuffled, stream};
use common::world::TENANT;
use farsign::engine::Sight;
use farsign::engine::detect::properties::{FAMILIAR_BITS_MAX, is_wholly_familiar};
use farsign::engine::detect::{self, Judge};
use farsign::engine::facts::Item;
use farsign::engine::finding::{Property, RiskDetail, RiskEventType, RiskState};
use farsign::engine::hash::{Seed, hash32};
use farsign::engine::out::Detection;
use farsign::engine::policy::EngineConfig;
use farsign::engine::profile::Profiles;
use farsign::engine::rules::Rules;
use farsign::engine::signin::EventTime;
use farsign::engine::user::tail::SignInText;
use farsign::engine::user::{AnchorText, UserState};
use proptest::prelude::*;

/// What a reader of the output knows in the end.
fn known(answer: &Answer) -> Vec<String> {
    let stands = |detection: &&Detection| detection.detail != RiskDetail::AiConfirmedSigninSafe;
    let detections = answer.detections.iter().map(|(detection, _)| detection);
    detections.filter(stands).map(describe).collect()
}

fn describe(detection: &Detection) -> String {
    let finding = detection.finding.as_ref().map(|finding| format!("{finding:?}"));
    format!(
        "{} {} {} {} {:?} {:?} {} {}\n    {}",
        detection.id,
        detection.subject.request_id,
        detection.kind.name(),
        detection.level.name(),
        detection.state,
        detection.detail,
        detection.score,
        detection.activity_time,
        finding.unwrap_or_default(),
    )
}

fn config(emit_suppressed: bool) -> EngineConfig {
    let mut config = EngineConfig { emit_suppressed, ..EngineConfig::default() };
    // The organisation is small, and so are the streams: what needs many colleagues or prompts is to be seen, too.
    config.default_policy.token_issuer.known_users_min = 10;
    config.default_policy.mfa_fatigue.denied_prompts = 2;
    config.default_policy.mfa_fatigue.denied_before_passed = 1;
    config
}

fn same(one: &Answer, other: &Answer) -> Result<(), TestCaseError> {
    let (one_known, other_known) = (known(one), known(other));
    let differences: Vec<String> = one_known
        .iter()
        .filter(|text| !other_known.contains(text))
        .map(|text| format!("- {text}"))
        .chain(other_known.iter().filter(|text| !one_known.contains(text)).map(|text| format!("+ {text}")))
        .collect();
    prop_assert!(differences.is_empty(), "{}", differences.join("\n"));
    prop_assert_eq!(&one.counts.detections, &other.counts.detections);
    prop_assert_eq!(&one.counts.suppressions, &other.counts.suppressions);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn batch_sizes_and_tasks_do_not_show(
        happenings in prop::collection::vec(happening(), 1..120),
        batch in 1..200_usize,
        tasks in 1..=5_usize,
        emit_suppressed in any::<bool>(),
    ) {
        let items = stream(&happenings);
        let config = config(emit_suppressed);
        let plain = run(&config, &items, Cut { batch: 1, ..Cut::default() });
        let cut = run(&config, &items, Cut { batch, tasks, restart_after: 0 });
        same(&plain, &cut)?;
        prop_assert_eq!(plain.counts, cut.counts);
    }

    #[test]
    fn arrival_order_within_the_horizon_does_not_show(
        happenings in prop::collection::vec(happening(), 1..80),
        delays in prop::collection::vec(any::<i64>(), 1..60),
        emit_suppressed in any::<bool>(),
    ) {
        let items = stream(&happenings);
        let config = config(emit_suppressed);
        let plain = run(&config, &items, Cut::default());
        let other = run(&config, &shuffled(&items, &delays, HORIZON_S), Cut::default());
        prop_assert_eq!(other.counts.late, 0);
        prop_assert_eq!(other.counts.tail_overflow, 0);
        same(&plain, &other)?;
    }

    #[test]
    fn second_deliveries_do_not_show(
        happenings in prop::collection::vec(happening(), 1..80),
        delays in prop::collection::vec(any::<i64>(), 1..60),
        emit_suppressed in any::<bool>(),
    ) {
        let items = stream(&happenings);
        let config = config(emit_suppressed);
        let plain = run(&config, &items, Cut::default());
        let again = [items.clone(), items.iter().step_by(2).cloned().collect()].concat();
        let again = shuffled(&again, &delays, HORIZON_S);
        let other = run(&config, &again, Cut::default());
        same(&plain, &other)?;
        prop_assert_eq!(other.counts.duplicates, items.len().div_ceil(2) as u64);
    }

    #[test]
    fn cut_and_restore_does_not_show(
        happenings in prop::collection::vec(happening(), 1..100),
        delays in prop::collection::vec(any::<i64>(), 1..60),
        batch in 1..60_usize,
        restart_after in 1..6_usize,
        tasks in 1..=3_usize,
    ) {
        let items = shuffled(&stream(&happenings), &delays, HORIZON_S);
        let config = config(true);
        let plain = run(&config, &items, Cut { batch, tasks, restart_after: 0 });
        let cut = run(&config, &items, Cut { batch, tasks, restart_after });
        same(&plain, &cut)?;
        prop_assert_eq!(plain.counts, cut.counts);
    }
}

/// Folds the sign-ins of each user, and judges in full what the shortcut leaves out. How many such there were.
fn judged_in_full(
    config: &EngineConfig,
    items: &[Item<'static>],
    profiles: &Profiles,
) -> Result<u32, TestCaseError> {
    let rules = Rules::new(Arc::new(config.clone()));
    let teacher = rules.teacher(0);
    let mut states: BTreeMap<String, UserState> = BTreeMap::new();
    let mut familiar = 0;
    for item in items {
        let Item::SignIn(prepared) = item else { continue };
        let judge = Judge {
            shadow: None,
            policy: rules.policy(0),
            baseline: &config.baseline,
            decay: &rules.decay,
            profiles,
            tenant: hash32(Seed::Tenant, TENANT.as_bytes()),
            tenant_id: TENANT,
            user_id: &prepared.sign_in.user_id,
            reviewed: EventTime::MAX,
            sight: Sight::Settled,
            hindsight_s: 0,
            tells_silenced: true,
        };
        let (facts, text) = (&prepared.facts, SignInText::of(prepared));
        let state = states.entry(prepared.sign_in.user_id.to_string()).or_default();
        if facts.can_carry_risk() && is_wholly_familiar(state, facts, &rules.decay) {
            let verdict = detect::judge_in_full(&judge, state, facts, &text, false);
            prop_assert!(verdict.findings.is_empty(), "{}: {:?}", text.request_id, verdict.findings);
            familiar += 1;
        }
        let verdict = detect::judge(&judge, state, facts, &text, false);
        let anchor = AnchorText {
            request_id: text.request_id,
            place: prepared.place.as_ref(),
            agent: &prepared.agent,
            asn_organization: prepared.asn_organization.as_ref(),
        };
        state.learn(facts, &anchor, verdict.lesson, &teacher);
        state.open_risks(facts, text.request_id, &verdict.judged());
    }
    Ok(familiar)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_shortcut_for_the_familiar_does_not_show(happenings in prop::collection::vec(happening(), 1..120)) {
        let items = stream(&happenings);
        let mut config = config(false);
        // The least threshold at which the shortcut is taken.
        config.default_policy.unfamiliar_features.low_bits = FAMILIAR_BITS_MAX;
        let profiles = run(&config, &items, Cut::default()).profiles;
        let familiar = judged_in_full(&config, &items, &profiles)?;
        prop_assert!(familiar > 0, "nothing was familiar");
    }

    #[test]
    fn evidence_adds_up(happenings in prop::collection::vec(happening(), 1..120)) {
        let answer = run(&config(true), &stream(&happenings), Cut::default());
        for (detection, _) in &answer.detections {
            let Some(finding) = &detection.finding else { continue };
            if finding.kind != RiskEventType::UnfamiliarFeatures || detection.source.upstream().is_some() {
                continue;
            }
            let total = finding.evidence.total_bits.expect("a score has a total");
            let sum: f64 = finding.evidence.properties.iter().map(|verdict| verdict.bits).sum();
            prop_assert!((sum - total).abs() < 1e-6, "{sum} is not {total}: {:?}", finding.evidence.properties);
        }
    }
}

/// The properties above say nothing unless streams like theirs hold detections of many kinds and states.
#[test]
fn streams_hold_what_is_compared() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut kinds = std::collections::BTreeSet::new();
    let mut states = std::collections::BTreeSet::new();
    let mut sources = std::collections::BTreeMap::new();
    let (mut withdrawn, mut visitors) = (0, 0);
    for _ in 0..10 {
        let happenings = prop::collection::vec(happening(), 80);
        let items = stream(&happenings.new_tree(&mut runner).expect("a stream").current());
        let delays = [0, 7_000, 50, 3_000, 6_500];
        let answer = run(&config(false), &shuffled(&items, &delays, HORIZON_S), Cut::default());
        withdrawn += answer.counts.withdrawn;
        for (detection, _) in &answer.detections {
            kinds.insert(detection.kind);
            states.insert(detection.state);
            if let Some(name) = detection.source.upstream() {
                sources
                    .entry(name.to_owned())
                    .or_insert_with(std::collections::BTreeSet::new)
                    .insert(detection.state);
            }
            let weighed = detection.finding.iter().flat_map(|finding| &finding.evidence.properties);
            visitors += weighed.filter(|verdict| verdict.property == Property::Visitor).count();
        }
    }
    assert!(kinds.len() >= 14, "{kinds:?}");
    assert!(sources.len() == 2 && sources.values().all(|states| states.len() >= 4), "{sources:?}");
    let expected = [
        RiskState::AtRisk,
        RiskState::ConfirmedCompromised,
        RiskState::ConfirmedSafe,
        RiskState::Dismissed,
        RiskState::Remediated,
    ];
    assert!(expected.iter().all(|state| states.contains(state)), "{states:?}");
    assert!(withdrawn > 0, "nothing was ever withdrawn");
    assert!(visitors > 0, "no client on probation ever came back");
}
