//! What users tell the organisation's profiles: when a day is complete, and that neither the times of settling nor the
//! order of arrival within the horizon change what is told.

mod common;

use std::sync::Arc;

use common::stream::{HORIZON_S, happening, shuffled, stream};
use common::world::{Spec, at, sign_in};
use farsign::engine::facts::Item;
use farsign::engine::out::{Detection, Out};
use farsign::engine::policy::EngineConfig;
use farsign::engine::profile::{Contribution, Profiles};
use farsign::engine::watermark::StreamTime;
use farsign::engine::{Engine, Input};
use proptest::prelude::*;

const DAY_S: i64 = 86_400;
/// Horizon, hindsight, and what a task may be ahead of its reviews: how far behind stream time everything has settled.
const SETTLED_S: i64 = 21_600;

fn engine() -> Engine {
    Engine::new(Arc::new(EngineConfig::default()), Arc::new(Profiles::default()))
}

/// Steps the items one by one and settles before those that `settles_before` chooses, and in the end at `end_s` after
/// stream time.
fn run(
    items: &[Item<'_>],
    settles_before: impl Fn(usize) -> bool,
    end_s: i64,
) -> (Vec<Contribution>, Vec<Detection>) {
    let (mut engine, mut stream, mut out) = (engine(), StreamTime::default(), Out::default());
    for (index, item) in items.iter().enumerate() {
        let stream_time = stream.observe(item.time(), item.user());
        if settles_before(index) {
            engine.settle(stream_time, std::slice::from_mut(&mut out));
        }
        engine.step(&[Input { position: index as u64, stream_time, item }], std::slice::from_mut(&mut out));
    }
    engine.settle(stream.now().plus_seconds(end_s), std::slice::from_mut(&mut out));
    let mut told = out.contributions;
    told.sort_by_key(|told| (told.day, told.key, told.member));
    (told, out.detections)
}

/// Settles when a day is complete, as a live runtime does, and after each such settle holds every contribution against
/// it. How many sign-ins told something late.
fn check_completeness(items: &[Item<'_>], settle_every: usize) -> Result<u64, TestCaseError> {
    let (mut engine, mut stream, mut out) = (engine(), StreamTime::default(), Out::default());
    let mut complete = i32::MIN;
    for (index, item) in items.iter().enumerate() {
        let stream_time = stream.observe(item.time(), item.user());
        let newly_complete = stream.complete_day(engine.held(stream_time));
        prop_assert!(newly_complete >= complete, "complete days never fall");
        if newly_complete > complete || index % settle_every == 0 {
            // What comes out of this settle may be of the days that become complete by it, and of no day before.
            engine.settle(stream_time, std::slice::from_mut(&mut out));
        }
        let early = out.contributions.iter().find(|told| told.day <= complete);
        prop_assert!(early.is_none(), "day {complete} was complete before {early:?}");
        out.contributions.clear();
        complete = newly_complete;
        engine.step(&[Input { position: index as u64, stream_time, item }], std::slice::from_mut(&mut out));
    }
    Ok(out.counts.contributed_late)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_complete_day_stays_as_it_is(
        happenings in prop::collection::vec(happening(), 1..120),
        delays in prop::collection::vec(any::<i64>(), 1..60),
        reach_s in prop_oneof![Just(1), Just(HORIZON_S), Just(3 * DAY_S)],
        settle_every in 1..200_usize,
    ) {
        let late = check_completeness(&shuffled(&stream(&happenings), &delays, reach_s), settle_every)?;
        prop_assert!(late == 0 || reach_s > HORIZON_S, "{late} told late within the horizon");
    }

    #[test]
    fn when_users_settle_does_not_show(
        happenings in prop::collection::vec(happening(), 1..120),
        delays in prop::collection::vec(any::<i64>(), 1..60),
        reach_s in prop_oneof![Just(1), Just(HORIZON_S), Just(3 * DAY_S)],
        settle_every in 1..40_usize,
    ) {
        let items = shuffled(&stream(&happenings), &delays, reach_s);
        let often = run(&items, |index| index % settle_every == 0, DAY_S);
        prop_assert_eq!(run(&items, |_| false, DAY_S), often);
    }

    #[test]
    fn arrival_order_within_the_horizon_does_not_show(
        happenings in prop::collection::vec(happening(), 1..120),
        delays in prop::collection::vec(any::<i64>(), 1..60),
    ) {
        let items = stream(&happenings);
        let other = shuffled(&items, &delays, HORIZON_S);
        prop_assert_eq!(run(&items, |_| false, DAY_S).0, run(&other, |index| index % 9 == 0, DAY_S).0);
    }
}

/// The first property says nothing unless some users are behind the horizon with all they do.
#[test]
fn a_user_behind_the_horizon_tells_as_of_the_first_day_not_complete() {
    let item = |id: &str, day: i64, second: i64, user: &str| {
        sign_in(&Spec::new(id, at(day, second), user, "oslo-fixed", "laptop"))
    };
    let told_by_late = |day, second| {
        let items = [item("a", 3, 10_000, "ada"), item("b", 3, SETTLED_S, "bo"), item("late", day, second, "cy")];
        let late = check_completeness(&items, 1).expect("a complete day stays");
        let (told, _) = run(&items, |_| false, 0);
        let first = at(0, 0).day();
        let days: std::collections::BTreeSet<i32> = told.iter().map(|told| told.day - first).collect();
        (days.into_iter().collect::<Vec<_>>(), late)
    };
    // At 06:00 of day 3 all before day 3, 00:00 has settled: day 2 is complete, day 3 is not.
    assert_eq!(told_by_late(2, DAY_S - 1), (vec![3], 1), "of day 2, told as of day 3");
    assert_eq!(told_by_late(0, 0), (vec![3], 1), "of day 0, told as of day 3");
    assert_eq!(told_by_late(3, 0), (vec![3], 0), "of a day that is not complete");
    assert_eq!(told_by_late(3, 7_200), (vec![], 0), "not ripe: told when it settles");
}

/// A new client on a strange network, below every level, makes nothing common; on the user's own network it does.
#[test]
fn a_client_on_probation_tells_nothing() {
    let told = |network: &str| {
        let home = (0..25).map(|day| {
            sign_in(&Spec::new(&format!("home-{day}"), at(day, 28_800), "ada", "oslo-fixed", "laptop"))
        });
        let visit = sign_in(&Spec::new("visit", at(25, 28_800), "ada", network, "stranger-chrome"));
        let items: Vec<Item<'static>> = home.chain([visit]).collect();
        let (contributions, detections) = run(&items, |_| false, 2 * SETTLED_S);
        assert!(detections.is_empty(), "{detections:?}");
        contributions.iter().filter(|contribution| contribution.day == at(25, 0).day()).count()
    };
    assert_eq!(told("bergen-fixed"), 0);
    assert!(told("oslo-fixed") > 5);
}
