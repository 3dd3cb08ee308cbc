//! A deployment that did everything right, and one planted fault of each kind: each is found, by its own name.

use super::super::marker::VERSION;
use super::super::probe::Probe;
use super::*;

const TOPIC: &str = "sign-ins";

/// Everything a checker reads, to be spoilt.
#[derive(Clone)]
struct World {
    inputs: Vec<(i64, Vec<UserKey>)>,
    probes: Vec<ProbeRecord>,
    outputs: Vec<Option<u64>>,
    markers: Vec<Option<(u64, i64)>>,
    committed: Option<i64>,
    stored: Vec<(UserKey, u64, u64)>,
}

fn user(number: u128) -> UserKey {
    UserKey(number)
}

/// 30 records of three users on one partition, in transactions of five; the last five are not taken yet. Record 7 has
/// two items, record 8 none, offset 13 is a transaction's marker.
fn world() -> World {
    let items = |offset: i64| match offset {
        7 => vec![user(1), user(2)],
        8 => Vec::new(),
        offset => vec![user(offset as u128 % 3 + 1)],
    };
    let inputs: Vec<(i64, Vec<UserKey>)> =
        (0..31).filter(|offset| *offset != 13).map(|offset| (offset, items(offset))).collect();
    let mut probe = Probe::default();
    let mut probes = Vec::new();
    for (index, (offset, users)) in inputs.iter().take(25).enumerate() {
        let transaction = index as u64 / 5 + 1;
        let record = |user: Option<UserKey>, sequence, hash: u64| ProbeRecord {
            topic: TOPIC.to_owned(),
            partition: 0,
            offset: *offset,
            user: user.map_or(String::new(), |user| format!("{:032x}", user.0)),
            sequence,
            hash: format!("{hash:016x}"),
            transaction,
        };
        for user in users {
            let (sequence, hash) = probe.take(*user, TOPIC, 0, *offset);
            probes.push(record(Some(*user), sequence, hash));
        }
        if users.is_empty() {
            probes.push(record(None, 0, 0));
        }
    }
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let stored = (1..=3)
        .map(|number_of| {
            let state = probe.state(user(number_of)).expect("has a trail");
            (user(number_of), number(&state[..8]), number(&state[8..]))
        })
        .collect();
    let next = inputs[25].0;
    let markers =
        (1..=5).map(|transaction| Some((transaction, if transaction == 5 { next } else { 1 }))).collect();
    World { inputs, probes, outputs: vec![Some(1), Some(5)], markers, committed: Some(next), stored }
}

fn marker(transaction: u64, next: i64) -> Marker {
    Marker {
        version: VERSION,
        transaction,
        next: vec![(TOPIC.to_owned(), next)],
        topic_ids: Default::default(),
        position: 0,
        stream_time: String::new(),
        day: None,
        complete_day: None,
        reviewed_minute: None,
        told_minute: None,
        program: String::new(),
        configuration_hash: String::new(),
        importing: false,
    }
}

fn report(world: &World) -> Report {
    let mut check = ProbeCheck::default();
    world.probes.iter().for_each(|probe| check.probe(probe));
    check.partition(TOPIC, 0, world.inputs.first().map_or(0, |(offset, _)| *offset));
    for (offset, users) in &world.inputs {
        check.input(TOPIC, 0, *offset, users);
    }
    world.outputs.iter().for_each(|transaction| check.output(0, *transaction, "risk-detections/0/1"));
    for found in &world.markers {
        check.marker(0, found.map(|(transaction, next)| marker(transaction, next)));
    }
    check.committed(TOPIC, 0, world.committed);
    world.stored.iter().for_each(|(user, sequence, hash)| check.stored(*user, *sequence, *hash));
    check.finish()
}

#[test]
fn a_sound_deployment_has_no_violations() {
    let report = report(&world());
    assert!(report.ok, "{report:#?}");
    assert_eq!((report.records, report.probes, report.users, report.outputs, report.lag), (30, 26, 3, 2, 5));
    assert_eq!(report.transactions, BTreeMap::from([(0, 5)]));
}

#[test]
fn records_that_retention_removed_are_not_asked_for() {
    let mut world = world();
    world.inputs.drain(..4);
    let report = report(&world);
    assert!(report.ok, "{report:#?}");
    assert_eq!(report.gone, 4);
}

#[test]
fn every_planted_fault_is_found() {
    let check = |plant: &dyn Fn(&mut World), expected: &[&str]| {
        let mut world = world();
        plant(&mut world);
        let report = report(&world);
        let found: Vec<&str> = report.violations.keys().copied().collect();
        assert_eq!(found, expected, "{report:#?}");
        assert!(!report.ok);
    };
    // A record lost with its state, and one of which only the output was lost.
    check(&|world| drop(world.probes.remove(8)), &["incomplete", "sequenceGap"]);
    check(&|world| drop(world.probes.remove(9)), &["missing"]);
    check(&|world| drop(world.probes.pop()), &["missing", "stateIsNotLastProbe"]);
    // A record taken twice: output repeated, then state too, in a later transaction.
    check(&|world| world.probes.push(world.probes[25].clone()), &["repeated", "sequenceRepeated"]);
    check(
        &|world| {
            let last = world.probes.last().cloned().expect("there are");
            let hash = u64::from_str_radix(&last.hash, 16).expect("a number");
            let again = roll(hash, TOPIC, 0, last.offset);
            let user = user(u128::from_str_radix(&last.user, 16).expect("a number"));
            world.stored.retain(|(stored, _, _)| *stored != user);
            world.stored.push((user, last.sequence + 1, again));
            let (sequence, hash) = (last.sequence + 1, format!("{again:016x}"));
            world.probes.push(ProbeRecord { sequence, hash, ..last });
        },
        &["repeated"],
    );
    // State that fell behind its offset.
    check(&|world| world.stored[0].1 -= 1, &["stateIsNotLastProbe"]);
    check(&|world| world.stored.truncate(2), &["stateIsNotLastProbe"]);
    check(&|world| world.stored.push((user(9), 1, 1)), &["stateIsNotLastProbe"]);
    check(&|world| world.probes[5].hash = "0".repeat(16), &["hashMismatch"]);
    // Another user's record.
    check(&|world| world.inputs[3].1 = vec![user(3)], &["otherUser"]);
    // Transactions torn apart.
    check(
        &|world| world.markers.truncate(4),
        &["beyondMarker", "markerIsNotGroupOffset", "transactionWithoutMarker"],
    );
    check(&|world| world.outputs.push(Some(6)), &["transactionWithoutMarker"]);
    check(&|world| world.outputs.push(None), &["outputWithoutTransaction"]);
    check(&|world| world.markers.insert(3, Some((2, 1))), &["markerOrder"]);
    check(&|world| world.probes[20].transaction = 1, &["transactionOrder", "userOrder"]);
    check(&|world| world.committed = Some(3), &["markerIsNotGroupOffset"]);
    check(&|world| world.committed = None, &["markerIsNotGroupOffset"]);
    check(&|world| world.probes[10].offset = 13, &["hashMismatch", "missing", "unknownRecord", "userOrder"]);
}

#[test]
fn examples_are_bounded() {
    let mut world = world();
    world.outputs = vec![None; 100];
    let report = report(&world);
    let violations = &report.violations["outputWithoutTransaction"];
    assert_eq!((violations.count, violations.examples.len()), (100, EXAMPLES_MAX));
}
