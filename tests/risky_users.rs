//! A user's risk as a whole: levels and states as detections open, agree, close and age; one entry for a change; the same
//! in the end whatever the order of arrival, the cuts and the times of settling.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::drive::{Cut, run};
use common::stream::{HORIZON_S, happening, shuffled, stream};
use common::world::{Spec, at, feedback, key, sign_in};
use farsign::engine::facts::Item;
use farsign::engine::finding::{RiskDetail, RiskEventType, RiskLevel, RiskState};
use farsign::engine::hash::UserKey;
use farsign::engine::out::{Out, RiskyUser};
use farsign::engine::policy::EngineConfig;
use farsign::engine::profile::Profiles;
use farsign::engine::risk::incident::Incident;
use farsign::engine::risk::user::{LOW_AGES_OUT_DAYS, UserRisk};
use farsign::engine::signin::{AccountState, EventTime};
use farsign::engine::user::{OpenRisk, Properties, RequestId, UserState};
use farsign::engine::watermark::StreamTime;
use farsign::engine::{Engine, Input};
use proptest::prelude::*;

/// What a reader of the output knows in the end of each user; of a user whose every risk was withdrawn, nothing.
fn known(risky_users: &[RiskyUser]) -> BTreeMap<UserKey, RiskyUser> {
    let mut known = BTreeMap::new();
    for risky_user in risky_users {
        known.insert(risky_user.key, RiskyUser { position: 0, ..risky_user.clone() });
    }
    known.retain(|_, risky_user| risky_user.risk.changed.is_some());
    known
}

/// Entries say something new, and one for each item at most.
fn check_entries(risky_users: &[RiskyUser]) -> Result<(), TestCaseError> {
    let mut last: BTreeMap<UserKey, &RiskyUser> = BTreeMap::new();
    for risky_user in risky_users {
        if let Some(before) = last.insert(risky_user.key, risky_user) {
            let names = |told: &RiskyUser| (told.user_principal_name.clone(), told.user_display_name.clone());
            let said = |told: &RiskyUser| (told.risk, names(told));
            prop_assert_ne!(said(before), said(risky_user));
            prop_assert!(before.position != risky_user.position || risky_user.position == 0);
        }
        // Of a user whom feedback alone put at risk no name is known.
        let name = &risky_user.user_principal_name;
        let expected = format!("{}@example.com", risky_user.user_id);
        prop_assert!(name.is_empty() || *name == expected, "{name}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn arrival_order_within_the_horizon_does_not_show(
        happenings in prop::collection::vec(happening(), 1..100),
        delays in prop::collection::vec(any::<i64>(), 1..60),
    ) {
        let items = stream(&happenings);
        let config = EngineConfig::default();
        let plain = run(&config, &items, Cut::default());
        let other = run(&config, &shuffled(&items, &delays, HORIZON_S), Cut::default());
        check_entries(&plain.risky_users)?;
        prop_assert_eq!(known(&plain.risky_users), known(&other.risky_users));
    }

    #[test]
    fn cuts_and_restarts_do_not_show(
        happenings in prop::collection::vec(happening(), 1..100),
        delays in prop::collection::vec(any::<i64>(), 1..60),
        batch in 1..60_usize,
        restart_after in 1..6_usize,
    ) {
        let items = shuffled(&stream(&happenings), &delays, HORIZON_S);
        let config = EngineConfig { hot_users_max: 3, ..EngineConfig::default() };
        let plain = run(&EngineConfig::default(), &items, Cut::default());
        let cut = run(&config, &items, Cut { batch, tasks: 1, restart_after });
        prop_assert_eq!(plain.risky_users, cut.risky_users);
    }

    /// With feedback and sign-ins around the time at which risks age out.
    #[test]
    fn when_users_settle_does_not_show(
        happenings in prop::collection::vec(happening(), 1..60),
        later in prop::collection::vec((0..6_usize, -3 * 86_400..6 * 86_400_i64, 0..3_usize), 0..20),
        settle_every in 1..30_usize,
    ) {
        let mut items = stream(&happenings);
        for (index, (user, seconds, what)) in later.into_iter().enumerate() {
            let time = at(14 + LOW_AGES_OUT_DAYS, seconds);
            let (user, id) = (format!("user-{user}"), format!("later-{index}"));
            items.push(match what {
                0 => feedback(&id, time, &user, "dismiss", ""),
                _ => sign_in(&Spec::new(&id, time, &user, ["oslo-fixed", "lagos-fixed"][what - 1], "laptop")),
            });
        }
        items.sort_by_key(Item::time);
        let drive = |settles: &dyn Fn(usize) -> bool| {
            let mut engine = Engine::new(Arc::default(), Arc::new(Profiles::default()));
            let (mut stream, mut out) = (StreamTime::default(), Out::default());
            for (index, item) in items.iter().enumerate() {
                let stream_time = stream.observe(item.time(), item.user());
                if settles(index) {
                    engine.settle(stream_time, std::slice::from_mut(&mut out));
                }
                engine.step(&[Input { position: index as u64, stream_time, item }], std::slice::from_mut(&mut out));
            }
            engine.settle(at(400, 0), std::slice::from_mut(&mut out));
            out.risky_users
        };
        let (never, often) = (drive(&|_| false), drive(&|index| index % settle_every == 0));
        check_entries(&often)?;
        prop_assert_eq!(known(&never), known(&often));
        prop_assert!(known(&never).values().all(|user| user.risk.level != RiskLevel::Low), "low ages out");
    }
}

/// The properties above say nothing unless streams like theirs hold many a risk.
#[test]
fn streams_hold_what_is_compared() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    let mut named = 0;
    for _ in 0..10 {
        let happenings = prop::collection::vec(happening(), 80);
        let items = stream(&happenings.new_tree(&mut runner).expect("a stream").current());
        let answer =
            run(&EngineConfig::default(), &shuffled(&items, &[0, 7_000, 50, 3_000], HORIZON_S), Cut::default());
        for RiskyUser { risk, user_principal_name, .. } in &answer.risky_users {
            named += u32::from(!user_principal_name.is_empty());
            seen.insert((risk.state, risk.level));
        }
    }
    use RiskLevel::{High, Low, Medium, None};
    let expected = [
        (RiskState::AtRisk, Low),
        (RiskState::AtRisk, Medium),
        (RiskState::AtRisk, High),
        (RiskState::ConfirmedCompromised, High),
        (RiskState::ConfirmedSafe, None),
        (RiskState::Dismissed, None),
        (RiskState::Remediated, None),
    ];
    assert!(expected.iter().all(|expected| seen.contains(expected)), "{seen:?}");
    assert!(named > 20, "{named} entries had a name");
}

/// Two weeks at home, then what `events` say; gives the entries about the user.
fn told(events: &[Item<'static>], settled_at: EventTime) -> Vec<RiskyUser> {
    let home = (0..14)
        .map(|day| sign_in(&Spec::new(&format!("home-{day}"), at(day, 28_800), "ada", "oslo-fixed", "laptop")));
    let items: Vec<Item<'static>> = home.chain(events.iter().cloned()).collect();
    let mut engine = Engine::new(Arc::default(), Arc::new(Profiles::default()));
    let (mut stream, mut out) = (StreamTime::default(), Out::default());
    for (index, item) in items.iter().enumerate() {
        let stream_time = stream.observe(item.time(), item.user());
        engine.step(&[Input { position: index as u64, stream_time, item }], std::slice::from_mut(&mut out));
    }
    engine.settle(settled_at, std::slice::from_mut(&mut out));
    assert!(out.risky_users.iter().all(|user| user.key == key("ada") && user.user_id == "ada"));
    out.risky_users
}

fn stranger(id: &str, day: i64, second: i64) -> Item<'static> {
    sign_in(&Spec::new(id, at(day, second), "ada", "lagos-fixed", "stranger"))
}

fn other_stranger(id: &str, day: i64, second: i64) -> Item<'static> {
    sign_in(&Spec::new(id, at(day, second), "ada", "newyork-fixed", "strange-registered"))
}

/// (state, detail, level, open detections, day and second of the change) of each entry.
fn check(title: &str, events: &[Item<'static>], expected: &[(RiskState, RiskDetail, RiskLevel, u32, EventTime)]) {
    let told: Vec<_> = told(events, EventTime::MIN)
        .into_iter()
        .map(|told| {
            (told.risk.state, told.risk.detail, told.risk.level, told.risk.open_detections, told.updated_time)
        })
        .collect();
    assert_eq!(told, expected, "{title}");
}

#[test]
fn feedback_moves_a_users_risk() {
    use {RiskDetail as Detail, RiskLevel as Level, RiskState as State};
    let visit = || stranger("visit", 20, 36_000);
    let (came, said) = (at(20, 36_000), at(21, 0));
    let opened = (State::AtRisk, Detail::None, Level::High, 3, came);
    for (action, about, state, detail, level, open) in [
        ("dismiss", "", State::Dismissed, Detail::AdminDismissedAllRiskForUser, Level::None, 0),
        ("dismiss", "visit", State::Dismissed, Detail::AdminDismissedRiskForSignIn, Level::None, 0),
        ("confirm-safe", "visit", State::ConfirmedSafe, Detail::AdminConfirmedSigninSafe, Level::None, 0),
        ("passed-mfa", "", State::Remediated, Detail::UserPassedMfaDrivenByRiskBasedPolicy, Level::None, 0),
        ("password-changed", "", State::Remediated, Detail::UserPerformedSecuredPasswordChange, Level::None, 0),
        (
            "confirm-compromised",
            "visit",
            State::ConfirmedCompromised,
            Detail::AdminConfirmedSigninCompromised,
            Level::High,
            3,
        ),
        (
            "confirm-compromised",
            "",
            State::ConfirmedCompromised,
            Detail::AdminConfirmedUserCompromised,
            Level::High,
            4,
        ),
    ] {
        let events = [visit(), feedback("word", said, "ada", action, about)];
        check(&format!("{action} {about}"), &events, &[opened, (state, detail, level, open, said)]);
    }
    check("about another sign-in", &[visit(), feedback("word", said, "ada", "dismiss", "home-3")], &[opened]);
    let twice = [
        visit(),
        feedback("word", said, "ada", "dismiss", ""),
        feedback("again", at(22, 0), "ada", "dismiss", ""),
    ];
    let dismissed = (State::Dismissed, Detail::AdminDismissedAllRiskForUser, Level::None, 0, said);
    check("nothing is left to dismiss", &twice, &[opened, dismissed]);
    let again = [visit(), feedback("word", said, "ada", "dismiss", ""), other_stranger("back", 21, 36_000)];
    check("what was dismissed opens anew", &again[..2], &[opened, dismissed]);
    assert_eq!(told(&again, EventTime::MIN).last().map(|last| last.risk.state), Some(State::AtRisk));
}

#[test]
fn an_administrators_word_is_risk_of_its_own_until_taken_back() {
    let confirm = feedback("word", at(15, 0), "ada", "confirm-compromised", "");
    let entries = told(&[confirm.clone(), feedback("back", at(16, 0), "ada", "dismiss", "")], EventTime::MIN);
    let states: Vec<_> = entries.iter().map(|told| (told.risk.state, told.risk.level)).collect();
    let expected = [(RiskState::ConfirmedCompromised, RiskLevel::High), (RiskState::Dismissed, RiskLevel::None)];
    assert_eq!(states, expected);
    let late = told(&[feedback("back", at(16, 0), "ada", "dismiss", ""), confirm.clone()], EventTime::MIN);
    assert_eq!(
        late.last().map(|told| told.risk.state),
        Some(RiskState::ConfirmedCompromised),
        "acts at the horizon"
    );
    let never = told(&[confirm], at(3_000, 0));
    assert_eq!(never.len(), 1, "it does not age");
}

#[test]
fn a_deleted_account_is_marked() {
    let mut gone = Spec::new("gone", at(21, 0), "ada", "oslo-fixed", "laptop");
    (gone.outcome, gone.account) = ("deleted".into(), AccountState::Deleted);
    let back = Spec::new("back", at(22, 0), "ada", "oslo-fixed", "laptop");
    let entries = told(&[stranger("visit", 20, 0), sign_in(&gone), sign_in(&back)], EventTime::MIN);
    let deleted: Vec<bool> = entries.iter().map(|told| told.risk.is_deleted).collect();
    assert_eq!(deleted, [false, true, false]);
    assert!(told(&[sign_in(&gone)], EventTime::MIN).is_empty(), "there was no risk");
}

fn risk(kind: RiskEventType, level: RiskLevel, state: RiskState, day: i64) -> OpenRisk {
    OpenRisk {
        kind,
        level,
        score: 0,
        state,
        detail: RiskDetail::None,
        event: 1,
        request_id: RequestId::new("x"),
        time: at(day, 0),
        properties: Properties::default(),
        session_hash: 0,
        incident: Incident { began: at(day, 0), event: 1 },
        reported: None,
    }
}

/// A user with these detections, of the days 0, 1, 2 …
fn state_of(open: &[(RiskEventType, RiskLevel, RiskState)]) -> UserState {
    let open: Vec<OpenRisk> =
        open.iter().zip(0..).map(|((kind, level, state), day)| risk(*kind, *level, *state, day)).collect();
    let risk_file = farsign::engine::risk::user::RiskFile::of(&open);
    UserState { open, risk_file, ..UserState::default() }
}

#[test]
fn independent_families_raise_the_level() {
    use RiskEventType::*;
    use RiskLevel::{High, Low, Medium};
    let check = |open: &[(RiskEventType, RiskLevel)], expected| {
        let open: Vec<_> = open.iter().map(|(kind, level)| (*kind, *level, RiskState::AtRisk)).collect();
        assert_eq!(state_of(&open).user_risk().level, expected, "{open:?}");
    };
    check(&[], RiskLevel::None);
    check(&[(NewCountry, Low)], Low);
    check(&[(NewCountry, Low), (UnfamiliarFeatures, Low)], Medium);
    check(&[(NewCountry, Low), (UnfamiliarFeatures, Low), (AnonymizedIpAddress, Low)], Medium);
    check(&[(UnlikelyTravel, Medium), (MaliciousIpAddress, Medium)], High);
    check(&[(UnlikelyTravel, High), (MaliciousIpAddress, High)], High);
    // One family, one witness; and a weaker word does not raise a stronger one.
    check(&[(NewCountry, Low), (ImpossibleTravel, Low), (UnlikelyTravel, Low)], Low);
    check(&[(AnonymizedIpAddress, Medium), (MaliciousIpAddress, Medium)], Medium);
    check(&[(NewCountry, Medium), (UnfamiliarFeatures, Low)], Medium);
    // What is closed says nothing.
    let closed = [(NewCountry, Low, RiskState::AtRisk), (UnfamiliarFeatures, Low, RiskState::Dismissed)];
    assert_eq!(state_of(&closed).user_risk().level, Low);
}

#[test]
fn low_ages_out_and_more_does_not() {
    use RiskEventType::{NewCountry, UnfamiliarFeatures};
    use RiskLevel::{High, Low, Medium, None};
    use RiskState::{AtRisk, ConfirmedCompromised, Dismissed};
    let day = |day: i64| at(LOW_AGES_OUT_DAYS + day, 0);
    let check = |open: &[(RiskEventType, RiskLevel, RiskState)],
                 time: EventTime,
                 expected: (RiskLevel, u32, EventTime)| {
        let mut state = state_of(open);
        state.age_risks(time);
        let UserRisk { level, open_detections, changed, .. } = state.user_risk();
        assert_eq!((level, open_detections, changed), (expected.0, expected.1, Some(expected.2)), "{open:?}");
    };
    let low = (NewCountry, Low, AtRisk);
    let just_before = EventTime(day(0).0 - 1);
    check(&[low], just_before, (Low, 1, at(0, 0)));
    check(&[low], day(0), (None, 0, day(0)));
    check(&[low], day(300), (None, 0, day(0)));
    check(&[(NewCountry, Medium, AtRisk)], day(300), (Medium, 1, at(0, 0)));
    check(&[(NewCountry, Low, ConfirmedCompromised)], day(300), (High, 1, at(0, 0)));
    check(&[(NewCountry, Low, Dismissed)], day(300), (None, 0, at(0, 0)));
    // Two that agreed: the level falls with the first, and goes with the second.
    let two = [low, (UnfamiliarFeatures, Low, AtRisk)];
    check(&two, just_before, (Medium, 2, at(1, 0)));
    check(&two, day(0), (Low, 1, day(0)));
    check(&two, day(9), (None, 0, day(1)));
}

/// A visit with which the user is at low risk, for one detection.
fn low_visit() -> Item<'static> {
    let networks =
        ["tromso-fixed", "bergen-fixed", "gothenburg-fixed", "berlin-fixed", "newyork-fixed", "amsterdam-tor"];
    let visits = networks.into_iter().flat_map(|network| ["laptop", "phone"].map(|device| (network, device)));
    let found = visits
        .map(|(network, device)| sign_in(&Spec::new("visit", at(20, 0), "ada", network, device)))
        .find(|visit| {
            let told = told(std::slice::from_ref(visit), EventTime::MIN);
            matches!(
                &told[..],
                [RiskyUser { risk: UserRisk { level: RiskLevel::Low, open_detections: 1, .. }, .. }]
            )
        });
    found.expect("one of them is at low risk")
}

/// Horizon and hindsight: how far behind stream time everything has settled.
const SETTLED_S: i64 = 14_400;

/// A user of whom nothing is heard any more: his risk ages at the settle, once, and the entry names him.
#[test]
fn risk_ages_without_an_event() {
    let visit = low_visit();
    let expiry = at(20 + LOW_AGES_OUT_DAYS, 0);
    let entries = told(std::slice::from_ref(&visit), expiry.plus_seconds(SETTLED_S));
    let levels: Vec<_> = entries.iter().map(|told| (told.risk.level, told.updated_time)).collect();
    assert_eq!(levels, [(RiskLevel::Low, at(20, 0)), (RiskLevel::None, expiry)]);
    let names: Vec<_> = entries.iter().map(|told| (&told.tenant_id, &told.user_principal_name)).collect();
    assert_eq!(names[0], names[1]);
    let before = told(&[visit], expiry.plus_seconds(SETTLED_S - 1));
    assert_eq!(before.len(), 1, "a second earlier it stands");
}
