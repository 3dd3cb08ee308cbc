//! `farsign state export` and `import` on a real broker: live goes on where a replay of the history ended, nothing judged
//! twice and nothing missed, wherever an import broke off before; a state moves to another application with another number of
//! partitions; and a wrong clock in one partition is not the state's.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::Output;

use common::kafka::sign_ins::simulated;
use common::kafka::{
    Broker, Deployment, Instance, Isolation, PATIENCE, Record, assert_same_detections, eventually,
    eventually_within,
};
use farsign::cli;
use farsign::engine::signin::EventTime;
use farsign::runtime::kafka::repartition::group_id;
use farsign::runtime::kafka::scan::{Bound, Scanner};
use farsign::runtime::kafka::transfer::{self, Imported, Learning};
use farsign::runtime::state_file::{self, Opened};
use farsign::simulate::Form;

/// What is said of a state whose import broke off.
const NOT_WHOLE: &str = "`farsign state import` has begun and not come to its end";

fn deployment<'a>(broker: &'a Broker, name: &str, partitions: i32) -> Deployment<'a> {
    let unkeyed = Deployment::new(broker, name).set("input", "keyed", "false");
    unkeyed.set("topics", "partitions", &partitions.to_string()).create(1)
}

fn run(deployment: &Deployment<'_>, arguments: &[&str]) -> Output {
    deployment.farsign(arguments).output().unwrap()
}

fn succeeds(deployment: &Deployment<'_>, arguments: &[&str]) -> String {
    let output = run(deployment, arguments);
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
    stdout
}

/// The command's exit code is 1, and it says so.
fn is_refused(deployment: &Deployment<'_>, arguments: &[&str], said: &str) {
    let output = run(deployment, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && stderr.contains(said), "{arguments:?}: {} {stderr}", output.status);
}

/// The instance ends with exit code 1 and says so; gives how many tasks it had begun.
fn tasks_of_refused(mut instance: Instance) -> usize {
    let (status, log) = (instance.wait(), instance.log());
    assert!(status.code() == Some(1) && log.contains(NOT_WHOLE), "{status}\n{log}");
    log.matches("task is running").count()
}

/// An import in this process; `told` hears of each step when it is done.
fn import_telling(
    deployment: &Deployment<'_>,
    state: &Path,
    from: Bound,
    told: &mut dyn FnMut(String),
) -> anyhow::Result<Imported> {
    let cli::deployment::Deployment { config, names, .. } = cli::deployment::open(Some(&deployment.config()))?;
    let scanner = Scanner::new(&names)?;
    let places = transfer::places(&config, &scanner, from)?;
    transfer::import(&config, &names, &scanner, Learning::read(state)?, &places, told)
}

/// One that ends as if killed when it has told of so many steps; gives the last, `None`: it came to its end before.
fn import_up_to(deployment: &Deployment<'_>, state: &Path, from: Bound, steps: usize) -> Option<String> {
    let mut told = Vec::new();
    let result = catch_unwind(AssertUnwindSafe(|| {
        import_telling(deployment, state, from, &mut |line| {
            told.push(line);
            if told.len() == steps {
                resume_unwind(Box::new("broken off"));
            }
        })
    }));
    match result {
        Ok(result) => {
            result.unwrap();
            assert!(told.len() < steps);
            None
        }
        Err(_) => told.pop(),
    }
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn write_log(path: &Path, records: &[Record]) {
    let values = records.iter().filter_map(|record| record.value.as_ref());
    std::fs::write(path, values.flat_map(|value| [value, &b"\n"[..]].concat()).collect::<Vec<u8>>()).unwrap();
}

/// What a state holds, the place apart.
fn contents(path: &Path) -> (Vec<u8>, Vec<u8>, BTreeMap<u128, Vec<u8>>) {
    let Opened { profiles, attempts, mut users, .. } = state_file::open(path).unwrap();
    let mut states = BTreeMap::new();
    while let Some((user, state)) = users.next_user().unwrap() {
        states.insert(user.0, state.to_vec());
    }
    (profiles, attempts, states)
}

/// In one partition, so that each user's records stay in order.
fn in_order(records: &[Record]) -> Vec<Record> {
    records.iter().map(|record| record.clone().to(0)).collect()
}

/// Waits until all that was produced is judged.
fn wait_until_judged(deployment: &Deployment<'_>) {
    let (stage, input) = (group_id(&deployment.name), deployment.input());
    eventually("the stage is done", || {
        let ends = deployment.broker.offsets(&input, Isolation::Uncommitted);
        let committed = deployment.broker.committed(&stage, &input);
        let next = |found: &Option<(i64, String)>| found.as_ref().map_or(0, |(next, _)| *next);
        let is_done = ends.iter().zip(&committed).all(|((_, end), committed)| next(committed) == *end);
        if is_done { Ok(()) } else { Err(format!("{committed:?} of {ends:?}")) }
    });
    let topic = deployment.topic("repartition");
    let carried = deployment.broker.read_committed(&topic);
    eventually_within(PATIENCE, "the end of what the stage carried", || {
        let committed = deployment.broker.committed(&deployment.name, &topic);
        let next = |partition: i32| committed[partition as usize].as_ref().map_or(0, |(next, _)| *next);
        match carried.iter().find(|record| record.offset >= next(record.partition)) {
            None => Ok(()),
            Some(record) => Err(format!("{committed:?}, not beyond {} of {}", record.offset, record.partition)),
        }
    });
}

#[test]
fn live_goes_on_where_a_replay_of_the_history_ended() {
    let deployment = deployment(Broker::shared(), "bootstrap", 3);
    let records = in_order(&simulated(60, 12, Form::EntraLean));
    let (history, rest) = records.split_at(records.len() * 3 / 5);
    let whole = deployment.replay(&records).detections;
    let [log, found, state] = ["history", "found", "state"].map(|name| deployment.file(name));
    write_log(&log, history);
    let mut replay = deployment.farsign(&["replay", "--updates"]);
    replay.arg("--output").arg(&found).arg("--state-out").arg(&state).arg(&log);
    assert!(replay.status().unwrap().success());

    let state = state.display().to_string();
    let told = succeeds(&deployment, &["state", "import", "--from", "earliest", "--yes", &state]);
    assert!(told.contains("goes on at 0") && told.contains(" written, 0 cleared"), "{told}");
    // The stream repeats some of the history: it is known again.
    let overlap = &history[history.len() - 300..];
    let instance = deployment.start_ready();
    deployment.broker.produce(&deployment.input(), overlap);
    deployment.broker.produce(&deployment.input(), rest);
    wait_until_judged(&deployment);
    let repeated = instance.metric("farsign_duplicates_total", "");
    let refused = run(&deployment, &["state", "import", "--from", "latest", "--yes", &state]);
    assert_eq!(refused.status.code(), Some(1), "an application that runs is left alone");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stop every instance first"));
    instance.terminate();
    assert!(repeated >= 250.0, "{repeated} of 300 were known again");
    let live = deployment.lines("risk-detections");
    assert!(live.len() > 10, "{} detections prove little", live.len());
    assert_same_detections(&[lines(&found), live].concat(), &whole);
}

#[test]
fn an_import_that_broke_off_is_refused_until_it_is_made_whole() {
    let deployment = deployment(Broker::shared(), "broken", 2);
    let records = in_order(&simulated(40, 8, Form::EntraLean));
    let (history, rest) = records.split_at(records.len() * 3 / 5);
    let whole = deployment.replay(&records).detections;
    let [log, found, state, exported] =
        ["history", "found", "state", "exported"].map(|name| deployment.file(name));
    write_log(&log, history);
    let mut replay = deployment.farsign(&["replay", "--updates"]);
    replay.arg("--output").arg(&found).arg("--state-out").arg(&state).arg(&log);
    assert!(replay.status().unwrap().success());
    let learnt = contents(&state);

    // It knows others, and what it is to go on with lies there already: lanes of a refused instance may carry it.
    let instance = deployment.start_ready();
    deployment.broker.produce(&deployment.input(), &simulated(5, 3, Form::EntraEventHub));
    wait_until_judged(&deployment);
    instance.terminate();
    let of_strangers = deployment.lines("risk-detections");
    let (_, next) = deployment.broker.offsets(&deployment.input(), Isolation::Committed)[0];
    deployment.broker.produce(&deployment.input(), rest);
    let (from, state_name) = (format!("offset={next}"), state.display().to_string());
    let import = ["state", "import", "--from", &from, "--yes", &state_name];
    let exported_name = exported.display().to_string();
    let export = ["state", "export", "--output", &exported_name];

    let mut steps = Vec::new();
    while let Some(step) = import_up_to(&deployment, &state, Bound::Offset(next), steps.len() + 1) {
        let instance = deployment.start();
        is_refused(&deployment, &export, NOT_WHOLE);
        assert_eq!(tasks_of_refused(instance), 0, "after `{step}`");
        succeeds(&deployment, &import);
        succeeds(&deployment, &export);
        assert!(contents(&exported) == learnt, "after `{step}`");
        steps.push(step);
    }
    // Of two partitions the marks, the profiles and the users; of the input's partition and the two of the commands the places.
    assert_eq!(steps.len(), 2 + 1 + 2 + 3, "{steps:#?}");
    let instance = deployment.start_ready();
    wait_until_judged(&deployment);
    instance.terminate();
    let live =
        deployment.lines("risk-detections").into_iter().filter(|line| !of_strangers.contains(line)).collect();
    assert_same_detections(&[lines(&found), live].concat(), &whole);
}

#[test]
fn a_reset_forgets_what_was_half_imported_whoever_still_imports() {
    let deployment = deployment(Broker::shared(), "forgotten", 2);
    let [log, found, state, exported] =
        ["history", "found", "state", "exported"].map(|name| deployment.file(name));
    write_log(&log, &in_order(&simulated(10, 3, Form::EntraLean)));
    let mut replay = deployment.farsign(&["replay", "--updates"]);
    replay.arg("--output").arg(&found).arg("--state-out").arg(&state).arg(&log);
    assert!(replay.status().unwrap().success());
    let exported_name = exported.display().to_string();
    let export = ["state", "export", "--output", &exported_name];
    let clear = ["reset", "--to", "latest", "--state", "clear", "--yes"];

    // Both are marked, and only one has users.
    let step = import_up_to(&deployment, &state, Bound::Latest, 4).unwrap();
    assert!(step.starts_with("partition 0:") && step.contains("users are written"), "{step}");
    is_refused(&deployment, &["reset", "--to", "earliest", "--yes"], NOT_WHOLE);
    // What is forgotten may be begun with, what is still marked may not: nor may who has both.
    succeeds(&deployment, &[&clear[..], &["--partition", "0"]].concat());
    assert!(tasks_of_refused(deployment.start()) < 2);
    is_refused(&deployment, &export, NOT_WHOLE);

    // An import that has but to take the marks away is thought dead.
    let mut was_reset = false;
    let result = import_telling(&deployment, &state, Bound::Latest, &mut |step| {
        if step.starts_with("partition 1") && step.ends_with("its place is set") {
            succeeds(&deployment, &clear);
            was_reset = true;
        }
    });
    let error = format!("{:#}", result.unwrap_err());
    assert!(was_reset && error.contains("cannot take the marks away"), "{error}");
    succeeds(&deployment, &export);
    assert!(contents(&exported).2.is_empty());
    deployment.start_ready().terminate();
}

/// A sign-in so many hours after a day of 2024, by whose clock it may be.
fn sign_in(user: &str, hours: i64) -> Record {
    let time = EventTime::from_seconds(1_709_251_200 + hours * 3_600);
    let line = serde_json::json!({"type": "signIn", "tenantId": "t", "id": format!("{user}-{hours}"), "userId": user,
        "time": time.to_string(), "outcome": "success", "ipAddress": "192.0.2.1"});
    Record { value: Some(line.to_string().into()), ..Record::default() }
}

#[test]
fn a_wrong_clock_of_one_partition_is_not_the_states() {
    let deployment = Deployment::new(Broker::shared(), "clocks").set("input", "keyed", "true").create(2);
    let (state, far) = (deployment.file("state"), 24 * 365 * 74);
    let name = state.display().to_string();
    let exported = |records: &[Record]| {
        let instance = deployment.start_ready();
        deployment.broker.produce(&deployment.input(), records);
        deployment.wait_until_done();
        instance.terminate();
        let output = run(&deployment, &["state", "export", "--output", &name]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        let Learning { head, profiles, .. } = Learning::read(&state).unwrap();
        let now = head.clock.stream_time().unwrap().now();
        (now.to_string(), head.clock.day, profiles.stats().day, head.users, head.read_to.len(), stderr)
    };
    let right = |user: &str, hours| sign_in(user, hours).to(0);
    let other = |user: &str, hours| sign_in(user, hours).to(1);
    let today = "2024-03-02T01:00:00.0000000Z";
    // One alone is not believed by its own partition.
    let records = [right("a", 0), right("b", 25), other("c", 1), other("d", 2), other("e", far)];
    let (now, day, profiles_day, users, read_to, told) = exported(&records);
    assert_eq!((now.as_str(), day, users, read_to), (today, Some(19_784), 5, 4), "{told}");
    assert!(!told.contains("left out"), "{told}");
    // Two that agree are; what its users did is still part of the state, and how far it was read.
    let (now, later_day, later_profiles_day, users, read_to, told) = exported(&[other("f", far + 1)]);
    assert_eq!((now.as_str(), later_day, users, read_to), (today, Some(19_784), 6, 4), "{told}");
    assert_eq!(later_profiles_day, profiles_day, "{told}");
    assert!(told.contains("partition 1: its clock shows `2098-"), "{told}");
}

#[test]
fn a_state_moves_to_another_number_of_partitions_and_lends_itself_to_a_replay() {
    let broker = Broker::shared();
    let (from, to) = (deployment(broker, "from", 3), deployment(broker, "to", 2));
    let records = in_order(&simulated(60, 12, Form::EntraLean));
    let (first, rest) = records.split_at(records.len() / 2);
    let whole = from.replay(&records).detections;
    let instance = from.start_ready();
    from.broker.produce(&from.input(), first);
    wait_until_judged(&from);
    instance.terminate();
    let [one, other, log, found] = ["one", "other", "rest", "found"].map(|name| from.file(name));
    let [one_name, other_name] = [&one, &other].map(|path| path.display().to_string());
    succeeds(&from, &["state", "export", "--output", &one_name]);

    // What an analyst asks of the application itself.
    let newest: serde_json::Value = first
        .iter()
        .rev()
        .map(|record| record.value.clone().unwrap())
        .find_map(|value| {
            serde_json::from_slice(&value)
                .ok()
                .filter(|value: &serde_json::Value| value["properties"]["userPrincipalName"].is_string())
        })
        .unwrap();
    let user = newest["properties"]["userPrincipalName"].as_str().unwrap();
    let explained = succeeds(&from, &["explain", "--live", "--user", user, "--json"]);
    assert_eq!(explained, succeeds(&from, &["explain", "--state-in", &one_name, "--user", user, "--json"]));
    let explained: serde_json::Value = serde_json::from_str(&explained).unwrap();
    assert!(explained.is_object(), "{explained}");

    // Into an application that knows others: they are forgotten.
    let strangers = simulated(5, 3, Form::EntraEventHub);
    let instance = to.start_ready();
    to.broker.produce(&to.input(), &strangers);
    wait_until_judged(&to);
    instance.terminate();
    let without_answer = run(&to, &["state", "import", "--from", "latest", &one_name]);
    assert!(String::from_utf8_lossy(&without_answer.stderr).contains("nothing was changed"));
    let told = succeeds(&to, &["state", "import", "--from", "latest", "--yes", &one_name]);
    assert!(!told.contains(" 0 cleared"), "{told}");
    succeeds(&to, &["state", "export", "--output", &other_name]);
    let (one_contents, other_contents) = (contents(&one), contents(&other));
    assert!(one_contents.2.len() > 30, "{} users", one_contents.2.len());
    assert!(one_contents.2 == other_contents.2, "the same users with the same states");
    assert!(one_contents.0 == other_contents.0 && one_contents.1 == other_contents.1, "and profiles and attempts");

    // There it goes on as it would have where it came from, and as a replay from the state does.
    let before = from.lines("risk-detections");
    let of_strangers = to.lines("risk-detections");
    let instance = to.start_ready();
    to.broker.produce(&to.input(), rest);
    wait_until_judged(&to);
    instance.terminate();
    let after = to.lines("risk-detections").into_iter().filter(|line| !of_strangers.contains(line)).collect();
    assert_same_detections(&[before.clone(), after].concat(), &whole);
    write_log(&log, rest);
    let mut replay = from.farsign(&["replay", "--updates"]);
    replay.arg("--output").arg(&found).arg("--state-in").arg(&one).arg(&log);
    assert!(replay.status().unwrap().success());
    assert_same_detections(&[before, lines(&found)].concat(), &whole);
}

#[test]
fn a_keyed_application_takes_no_state() {
    let deployment = Deployment::new(Broker::shared(), "keyed").set("input", "keyed", "true").create(1);
    let refused = run(&deployment, &["state", "import", "--from", "latest", "--yes", "anything"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("`input.keyed` is `true`"));
    let none = run(&deployment, &["state", "export", "--output", &deployment.file("state").display().to_string()]);
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("has no state yet"));
}
