//! Exactly once, under everything that can go wrong: the real commit protocol in a simulated Kafka.
//!
//! Each seed is a history of crashes, zombies, rebalances and lost or late requests; the checker must be content with
//! all of them, and must find every bug that is planted. `SIMULATION_SEEDS` sets how many seeds are tried,
//! `SIMULATION_SEED` tries one and prints what happened.

#[path = "simulation/broker.rs"]
mod broker;
#[path = "simulation/checker.rs"]
mod checker;
#[path = "simulation/client.rs"]
mod client;
#[path = "simulation/cluster.rs"]
mod cluster;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/group.rs"]
mod group;
#[path = "simulation/instance.rs"]
mod instance;
#[path = "simulation/log.rs"]
mod log;
#[path = "simulation/task.rs"]
mod task;
#[path = "simulation/workload.rs"]
mod workload;

use std::sync::atomic::{AtomicU64, Ordering};

use cluster::{Cluster, Tally, World};
use faults::{Faults, Planted};

/// Seeds of the stand-in when nothing is said: some seconds.
const SEEDS: u64 = 2_500;
/// The real task is tried with one seed in so many.
const REAL_SHARE: u64 = 20;
/// The protocol without the group's fence, with one in so many.
const ONE_FENCE_SHARE: u64 = 10;
/// In so many seeds every planted bug must show.
const PLANTED_SEEDS: u64 = 3_000;
const THREADS: usize = 2;

fn world(planted: Planted) -> World {
    World {
        make: workload::stand_in,
        feed: |dice, offset| workload::stand_in_input(dice, offset),
        faults: Faults::ALL,
        planted,
        chaos_steps: 1_200,
    }
}

fn real_world() -> World {
    World { make: workload::real, feed: workload::real_input, ..world(Planted::default()) }
}

fn simulate(seed: u64, world: World, is_traced: bool) -> (Result<(), String>, Cluster) {
    let mut cluster = Cluster::new(seed, world, is_traced);
    let result = cluster.run().and_then(|()| checker::check(&mut cluster));
    (result, cluster)
}

/// A number that whoever starts the test has set.
#[expect(clippy::disallowed_methods, reason = "a switch of the developer's, not of the program")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn seeds(default: u64) -> u64 {
    number("SIMULATION_SEEDS").unwrap_or(default)
}

/// The first seed that fails, with the problem; and what happened in all.
fn search(world: World, count: u64) -> (Option<(u64, String)>, Tally) {
    let next = AtomicU64::new(0);
    let found = std::sync::Mutex::new((None, Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        break;
                    }
                    let (result, cluster) = simulate(seed, world, false);
                    let mut found = found.lock().expect("not poisoned");
                    found.1.add(&cluster.tally);
                    if let Err(problem) = result {
                        next.fetch_max(count, Ordering::Relaxed);
                        if found.0.as_ref().is_none_or(|(other, _)| seed < *other) {
                            found.0 = Some((seed, problem));
                        }
                    }
                }
            });
        }
    });
    found.into_inner().expect("not poisoned")
}

/// Panics with the history of the first seed that fails.
fn holds(world: World, count: u64) -> Tally {
    let (found, tally) = search(world, count);
    if let Some((seed, problem)) = found {
        let (_, mut cluster) = simulate(seed, world, true);
        panic!("{}\nseed {seed}: {problem}", cluster.take_trace().join("\n"));
    }
    tally
}

#[test]
fn every_record_counts_once_whatever_happens() {
    if let Some(seed) = number("SIMULATION_SEED") {
        let (result, mut cluster) = simulate(seed, world(Planted::default()), true);
        panic!("{}\nseed {seed}: {result:?}", cluster.take_trace().join("\n"));
    }
    let count = seeds(SEEDS);
    let tally = holds(world(Planted::default()), count);
    // It says something only if all of this happened.
    let seldom = [tally.crashes, tally.pauses, tally.scalings, tally.broker_restarts, tally.requests_delayed];
    assert!(seldom.iter().all(|times| *times > count / 2), "{tally:?}");
    assert!(tally.transactions > 20 * count && tally.tasks > 5 * count, "{tally:?}");
}

#[test]
fn the_real_task_counts_every_record_once() {
    let count = seeds(SEEDS) / REAL_SHARE;
    let tally = holds(real_world(), count);
    assert!(tally.transactions > 20 * count, "{tally:?}");
}

#[test]
fn a_seed_is_a_history() {
    for seed in 0..5 {
        let history = |()| simulate(seed, world(Planted::default()), true).1.take_trace();
        assert_eq!(history(()), history(()));
    }
}

/// The bug must be found in a world that has enough of what brings it out.
fn is_found_in(faults: Faults, planted: Planted) {
    let (found, _) = search(World { faults, ..world(planted) }, PLANTED_SEEDS);
    assert!(found.is_some(), "{planted:?} is not found in {PLANTED_SEEDS} seeds");
}

fn is_found(planted: Planted) {
    is_found_in(Faults::ALL, planted);
}

#[test]
fn planted_restore_to_the_first_end_is_found() {
    is_found(Planted { restore_to_first_end: true, ..Planted::default() });
}

/// The group's fence covers for it, so it is taken away.
#[test]
fn planted_restore_before_the_new_producer_is_found() {
    let fence = Planted { no_group_metadata: true, ignore_unfenced: true, ..Planted::default() };
    is_found(Planted { restore_before_renew: true, ..fence });
}

/// With the producer first there is nothing left open, and the stable end is the end: it takes both.
#[test]
fn planted_restore_to_the_stable_end_is_found() {
    is_found(Planted { restore_to_stable_end: true, restore_before_renew: true, ..Planted::default() });
}

#[test]
fn planted_producer_kept_after_an_unclean_commit_is_found() {
    is_found(Planted { keep_unclean_producer: true, ..Planted::default() });
}

#[test]
fn planted_trust_in_an_unclean_abort_is_found() {
    // An abort needs a moved group, and the copy of it a transaction to hit.
    let faults = Faults { request_delayed: 100, scale: 25, crash: 1, pause: 1, ..Faults::ALL };
    is_found_in(faults, Planted { trust_unclean_abort: true, ..Planted::default() });
}

#[test]
fn planted_unknown_outcome_taken_for_failure_is_found() {
    is_found(Planted { resend_without_asking: true, ..Planted::default() });
}

#[test]
fn planted_unknown_outcome_taken_for_success_is_found() {
    is_found(Planted { assume_committed: true, ..Planted::default() });
}

#[test]
fn planted_offsets_without_membership_are_found() {
    is_found(Planted { no_group_metadata: true, ..Planted::default() });
}

#[test]
fn planted_generation_minus_one_is_found() {
    is_found(Planted { negative_generation: true, ..Planted::default() });
}

#[test]
fn planted_start_from_the_group_offset_is_found() {
    let faults = Faults { offsets_repeated: 600, crash: 8, ..Faults::ALL };
    is_found_in(faults, Planted { start_from_group_offset: true, ..Planted::default() });
}

/// What readers see stays right even then: [`the_producer_and_the_marker_fence_alone`].
#[test]
fn planted_zombie_with_a_new_producer_is_found() {
    is_found(Planted { retry_without_poll: true, no_group_metadata: true, ..Planted::default() });
}

#[test]
fn planted_zombie_that_sends_again_is_found() {
    let zombie = Planted { retry_without_poll: true, resend_without_asking: true, ..Planted::default() };
    is_found(Planted { no_group_metadata: true, ignore_unfenced: true, ..zombie });
}

/// Two fences, each enough for itself: without the group's, whoever owns a partition, the newest producer goes on
/// from the last marker or not at all.
#[test]
fn the_producer_and_the_marker_fence_alone() {
    let count = seeds(SEEDS) / ONE_FENCE_SHARE;
    for negative_generation in [false, true] {
        let planted = Planted { negative_generation, ignore_unfenced: true, ..Planted::default() };
        holds(world(Planted { no_group_metadata: !negative_generation, ..planted }), count);
    }
}
