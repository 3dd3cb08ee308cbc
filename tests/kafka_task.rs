//! The pure task of the live runtime: what comes of a log depends on the log alone, not on batches, commits, crashes.
//!
//! `kafka_task/records.rs` is about single records: what is taken, refused, cut, and when a task stops.

#[path = "kafka_task/bench.rs"]
mod bench;
mod common;
#[path = "kafka_task/days.rs"]
mod days;
#[path = "kafka_task/records.rs"]
mod records;

use bench::{Bench, Disk, Logged, log};
use farsign::runtime::kafka::marker::Marker;
use farsign::runtime::kafka::outbox::Destination;
use proptest::prelude::*;

/// One step of a task's life.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// Records to take.
    count: usize,
    freeze: bool,
    /// The task ends here; what is not committed is lost.
    crash: bool,
    /// Records that the client delivers once more, from before.
    again: usize,
}

fn turn(crashes: bool) -> impl Strategy<Value = Turn> {
    (1..12_usize, any::<bool>(), 0..8_u8, 0..4_usize).prop_map(move |(count, freeze, crash, again)| Turn {
        count,
        freeze,
        crash: crashes && crash == 0,
        again: again.saturating_sub(1),
    })
}

/// Lives through the turns, again and again to the end of the log; then everything is committed.
fn live(log: &[Logged], turns: &[Turn], is_compacted: bool) -> Disk {
    let mut disk = Disk::default();
    let mut bench = Bench::open();
    let mut task = bench.task();
    let mut taken = 0;
    for turn in turns.iter().cycle() {
        if taken == log.len() {
            break;
        }
        let from = taken.saturating_sub(turn.again);
        let to = (taken + turn.count).min(log.len());
        let result = bench.take(&mut task, &log[from..to]);
        assert_eq!((result.records, result.stop), (to - from, None));
        taken = to;
        if turn.freeze {
            disk.commit(task.freeze().expect("short states"));
        }
        if turn.crash {
            bench = Bench::open();
            task = disk.restore(&bench, is_compacted);
            taken = log.iter().position(|record| record.offset >= task.next()[record.source]).unwrap_or(log.len());
        }
    }
    disk.commit(task.freeze().expect("short states"));
    assert!(task.freeze().expect("nothing").is_none(), "nothing has happened since");
    disk.digest = bench.digest(&mut task);
    disk
}

/// The marker without what counts transactions.
fn place(disk: &Disk) -> Option<Marker> {
    disk.markers.last().map(|marker| Marker { transaction: 0, ..marker.clone() })
}

fn same(one: &Disk, other: &Disk) -> Result<(), TestCaseError> {
    for destination in [Destination::RiskDetections, Destination::DeadLetter, Destination::RiskyUsers] {
        prop_assert_eq!(one.outputs(destination), other.outputs(destination));
    }
    prop_assert_eq!(one.probes(), other.probes());
    prop_assert_eq!(one.contributions(), other.contributions());
    prop_assert_eq!(place(one), place(other));
    prop_assert_eq!(&one.digest, &other.digest);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn batches_commits_and_second_deliveries_do_not_show(
        happenings in prop::collection::vec(bench::happening(), 1..90),
        turns in prop::collection::vec(turn(false), 1..20),
    ) {
        let log = log(&happenings);
        let whole = Turn { count: log.len(), freeze: false, crash: false, again: 0 };
        same(&live(&log, &turns, false), &live(&log, &[whole], false))?;
    }

    #[test]
    fn a_crash_anywhere_does_not_show(
        happenings in prop::collection::vec(bench::happening(), 1..90),
        turns in prop::collection::vec(turn(true), 1..20),
        is_compacted in any::<bool>(),
    ) {
        let log = log(&happenings);
        // A life in which nothing is ever committed before a crash would not end.
        let turns = [turns, vec![Turn { count: 9, freeze: true, crash: true, again: 1 }]].concat();
        let undisturbed: Vec<Turn> = turns.iter().map(|turn| Turn { crash: false, ..*turn }).collect();
        let disturbed = live(&log, &turns, is_compacted);
        same(&disturbed, &live(&log, &undisturbed, false))?;
        let numbers: Vec<u64> = disturbed.markers.iter().map(|marker| marker.transaction).collect();
        prop_assert_eq!(numbers, (1..=disturbed.markers.len() as u64).collect::<Vec<_>>());
    }
}

/// The properties say nothing unless logs like theirs hold all of this.
#[test]
fn logs_hold_what_is_compared() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let happenings = prop::collection::vec(bench::happening(), 90).new_tree(&mut runner).expect("a log").current();
    let log = log(&happenings);
    let disk = live(&log, &[Turn { count: 7, freeze: true, crash: true, again: 1 }], true);
    let count = |destination| disk.outputs(destination).len();
    assert!(count(Destination::RiskDetections) > 5, "detections");
    assert!(count(Destination::DeadLetter) > 5, "dead letters");
    assert!(disk.contributions().len() > 5, "contributions");
    assert!(disk.probes().iter().any(|probe| probe.topic == bench::COMMANDS), "feedback");
    assert!(log.iter().any(|record| record.payload.is_none()), "tombstones");
}
