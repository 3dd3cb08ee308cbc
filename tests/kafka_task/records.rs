//! Single records: what is taken, what becomes a dead letter and with what, and what stops the task.

use std::collections::BTreeSet;

use farsign::config::{Framing, OnError};
use farsign::runtime::kafka::outbox::Destination;
use farsign::runtime::kafka::partition::{Breaker, StateError, Stop, Taken, TaskSettings};

use crate::bench::{Bench, COMMANDS, Disk, Logged, Output, line, settings};
use crate::common::world::{Spec, at, sign_in};

const GARBAGE: &[u8] = b"{\"type\":";

fn good(id: &str) -> Vec<u8> {
    line(&sign_in(&Spec::new(id, at(0, 30_000), "ann", "oslo-fixed", "laptop")))
}

/// Takes the records with every day open, and commits.
fn take(settings: TaskSettings, records: &[Logged]) -> (Taken, Disk) {
    let mut bench = Bench::new(settings);
    bench.shared.advance(i32::MAX);
    let mut task = bench.task();
    let taken = bench.take(&mut task, records);
    let mut disk = Disk::default();
    disk.commit(task.freeze().expect("short states"));
    (taken, disk)
}

fn input(payloads: &[&[u8]]) -> Vec<Logged> {
    payloads.iter().enumerate().map(|(offset, payload)| Logged::new(0, offset as i64, *payload)).collect()
}

fn header(letter: &Output, name: &str) -> String {
    letter.header(name).unwrap_or_else(|| panic!("no header `{name}`: {letter:?}"))
}

#[test]
fn a_dead_letter_is_the_record_and_why() {
    let mut record = Logged::new(0, 77, GARBAGE);
    record.key = Some(b"\xff key".to_vec());
    record.headers = vec![("trace".to_owned(), Some(b"\x00\x01".to_vec())), ("none".to_owned(), None)];
    let (taken, disk) = take(settings(), &[record.clone()]);
    assert_eq!((taken.records, taken.stop), (1, None));
    let letters = disk.outputs(Destination::DeadLetter);
    let [letter] = letters[..] else { panic!("{letters:?}") };
    assert_eq!((&letter.key, &letter.payload), (&record.key, &record.payload));
    assert_eq!(letter.headers[..2], record.headers[..], "the record's own headers come first, as they were");
    assert!(!header(letter, "farsign.reason").is_empty() && !header(letter, "farsign.detail").is_empty());
    let rest = ["topic", "partition", "offset", "refused", "timestamp"]
        .map(|name| header(letter, &format!("farsign.{name}")));
    assert_eq!(rest, ["sign-ins", "3", "77", "1", "1700000000077"]);
    assert_eq!(letter.header("farsign.truncated"), None);
    assert_eq!(disk.markers[0].next_of("sign-ins"), Some(78));
}

/// Payloads, and how many dead letters and probes of users must come of them.
fn check(title: &str, settings: TaskSettings, payloads: &[&[u8]], letters: usize, users: usize) {
    let (taken, disk) = take(settings, &input(payloads));
    assert_eq!((taken.records, taken.stop), (payloads.len(), None), "{title}");
    assert_eq!(disk.outputs(Destination::DeadLetter).len(), letters, "{title}");
    let probes = disk.probes();
    assert_eq!(probes.iter().filter(|probe| !probe.user.is_empty()).count(), users, "{title}");
    let offsets: BTreeSet<i64> = probes.iter().map(|probe| probe.offset).collect();
    assert_eq!(offsets.len(), payloads.len(), "{title}: every record has a probe");
}

#[test]
fn values_that_hold_several_or_none() {
    let (one, two) = (good("1"), good("2"));
    let envelope = |inside: &[&[u8]]| [b"[".as_slice(), &inside.join(&b","[..]), b"]"].concat();
    check("one", settings(), &[&one], 0, 1);
    check("two in an array", settings(), &[&envelope(&[&one, &two])], 0, 2);
    check("one bad in an array", settings(), &[&envelope(&[&one, b"{}"])], 1, 1);
    check("all bad in an array", settings(), &[&envelope(&[b"{}", b"{}"])], 1, 0);
    check("two lines", settings(), &[&[one.as_slice(), b"\n", &two].concat()], 0, 2);
    check("a bad line among them", settings(), &[&[one.as_slice(), b"\n{}\n", &two].concat()], 1, 2);
    check("nothing", settings(), &[b""], 1, 0);
    check("no UTF-8", settings(), &[b"\xff\xfe"], 1, 0);
    check("bad between good", settings(), &[&one, GARBAGE, &two], 1, 2);
    let skipping = || TaskSettings { on_error: OnError::Skip, ..settings() };
    check("left out", skipping(), &[&one, GARBAGE, &two], 0, 2);
}

#[test]
fn a_half_bad_envelope_is_kept_whole_and_its_good_part_taken() {
    let envelope = [b"[".as_slice(), &good("1"), b",{},{\"type\":\"signIn\"}]"].concat();
    let (_, disk) = take(settings(), &input(&[&envelope]));
    let letter = disk.outputs(Destination::DeadLetter)[0];
    assert_eq!(letter.payload.as_ref(), Some(&envelope));
    assert_eq!(header(letter, "farsign.refused"), "2");
}

#[test]
fn registry_frames() {
    let framed = [b"\x00\x00\x00\x00\x2a".as_slice(), &good("1")].concat();
    let (plain, short): (Vec<u8>, &[u8]) = (good("1"), b"\x00\x00\x00\x00");
    let with = |framing| TaskSettings { framing, ..settings() };
    check("none, plain", with(Framing::None), &[&plain], 0, 1);
    check("none, framed", with(Framing::None), &[&framed], 1, 0);
    check("confluent, framed", with(Framing::Confluent), &[&framed], 0, 1);
    check("confluent, plain", with(Framing::Confluent), &[&plain], 1, 0);
    check("confluent, half a frame", with(Framing::Confluent), &[short], 1, 0);
    check("auto", with(Framing::Auto), &[&framed, &plain], 0, 2);
    check("auto, half a frame", with(Framing::Auto), &[short], 1, 0);
    let (_, disk) = take(with(Framing::Confluent), &input(&[&plain]));
    assert_eq!(disk.outputs(Destination::DeadLetter)[0].payload.as_ref(), Some(&plain));
}

#[test]
fn tombstones_are_passed_over() {
    let mut record = Logged::new(0, 5, "");
    record.payload = None;
    let (taken, disk) = take(settings(), &[record]);
    assert_eq!((taken.records, taken.stop), (1, None));
    assert!(disk.outputs(Destination::DeadLetter).is_empty());
    assert_eq!(disk.markers[0].next_of("sign-ins"), Some(6));
}

#[test]
fn on_error_stop_stops_before_the_record() {
    let stopping = TaskSettings { on_error: OnError::Stop, ..settings() };
    let (taken, disk) = take(stopping, &input(&[&good("1"), GARBAGE, &good("2")]));
    let Some(Stop::Refused(text)) = &taken.stop else { panic!("{taken:?}") };
    assert!(text.contains("`sign-ins` partition `3` offset `1`"), "{text}");
    assert_eq!(taken.records, 1);
    assert_eq!(disk.markers[0].next_of("sign-ins"), Some(1), "it comes again");
}

#[test]
fn the_breaker_opens_beyond_its_share() {
    let breaker = Some(Breaker { share: 0.5, window_records: 4 });
    let one = good("1");
    let cases: [(&[&[u8]], usize, bool); 5] = [
        (&[GARBAGE, GARBAGE, &one, &one, &one], 5, false),
        (&[GARBAGE, GARBAGE, GARBAGE, &one, &one], 4, true),
        (&[GARBAGE, GARBAGE, GARBAGE], 3, false),
        // The next window begins from nothing.
        (&[&one, &one, GARBAGE, GARBAGE, GARBAGE, GARBAGE, &one, &one, &one], 9, false),
        (&[&one, &one, &one, &one, GARBAGE, GARBAGE, GARBAGE, &one, &one], 8, true),
    ];
    for (number, (payloads, records, is_open)) in cases.into_iter().enumerate() {
        let (taken, _) = take(TaskSettings { breaker, ..settings() }, &input(payloads));
        let stop = is_open.then_some(Stop::Breaker { refused: 3, records: 4 });
        assert_eq!((taken.records, taken.stop), (records, stop), "case {number}");
    }
}

#[test]
fn a_dead_letter_that_is_too_long_is_cut_and_says_so() {
    let limit = 20_000;
    for (length, is_cut) in [(5_000, false), (50_000, true)] {
        let long = [GARBAGE, vec![b'x'; length - GARBAGE.len()].as_slice()].concat();
        let short = TaskSettings { dead_letter_bytes_max: limit, ..settings() };
        let (_, disk) = take(short, &input(&[&long]));
        let letter = disk.outputs(Destination::DeadLetter)[0];
        let payload = letter.payload.as_ref().expect("a value");
        assert!(long.starts_with(payload) && payload.len() < limit, "{length}");
        assert_eq!(payload.len() < long.len(), is_cut, "{length}");
        assert_eq!(letter.header("farsign.truncated"), is_cut.then(|| length.to_string()));
    }
}

#[test]
fn what_was_taken_before_is_left_out() {
    let mut bench = Bench::open();
    let mut task = bench.task();
    task.seek(0, 1);
    let records = input(&[&good("0"), &good("1"), &good("2")]);
    let taken = bench.take(&mut task, &records);
    assert_eq!((taken.records, task.next()), (3, [3, 0].as_slice()));
    assert_eq!(bench.take(&mut task, &records[1..]).records, 2);
    let frozen = task.freeze().expect("short states");
    assert_eq!(frozen.as_ref().map(|frozen| frozen.counts.repeated), Some(3));
    let mut disk = Disk::default();
    disk.commit(frozen);
    assert_eq!(disk.probes().iter().map(|probe| probe.offset).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn commands_hold_feedback_only() {
    let record = Logged::new(1, 9, good("1"));
    let (_, disk) = take(settings(), &[record]);
    let letter = disk.outputs(Destination::DeadLetter)[0];
    assert_eq!([header(letter, "farsign.topic"), header(letter, "farsign.offset")], [COMMANDS, "9"]);
    assert!(disk.probes().iter().all(|probe| probe.user.is_empty()));
}

#[test]
fn a_record_that_the_task_died_of_is_left_out_as_our_fault() {
    let mut bench = Bench::open();
    let mut task = bench.task();
    task.refuse(BTreeSet::from([(0, 1)]));
    assert_eq!(bench.take(&mut task, &input(&[&good("0"), &good("1"), &good("2")])).records, 3);
    let mut disk = Disk::default();
    disk.commit(task.freeze().expect("short states"));
    let letters = disk.outputs(Destination::DeadLetter);
    let [letter] = letters[..] else { panic!("{letters:?}") };
    assert_eq!([header(letter, "farsign.offset"), header(letter, "farsign.reason")], ["1", "internalError"]);
    assert_eq!(disk.probes().iter().filter(|probe| !probe.user.is_empty()).count(), 2);
}

#[test]
fn a_state_that_no_record_can_hold_is_an_error() {
    let mut bench = Bench::new(TaskSettings { record_bytes_max: 40, ..settings() });
    bench.shared.advance(i32::MAX);
    let mut task = bench.task();
    bench.take(&mut task, &input(&[&good("1")]));
    assert!(matches!(task.freeze(), Err(StateError::TooLong { max: 40, .. })));
}
