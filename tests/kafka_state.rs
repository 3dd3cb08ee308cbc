//! `farsign state export` and `import` on a real broker: live goes on where a replay of the history ended, nothing judged
//! twice and nothing missed; and a state moves to another application with another number of partitions.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Output, Stdio};

use common::kafka::sign_ins::simulated;
use common::kafka::{
    Broker, Deployment, Isolation, PATIENCE, Record, assert_same_detections, eventually, eventually_within,
};
use farsign::runtime::kafka::repartition::group_id;
use farsign::runtime::state_file::{self, Opened};
use farsign::simulate::Form;

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

/// Kills the command once it has said so.
fn break_off(deployment: &Deployment<'_>, arguments: &[&str], said: &str) {
    let mut command = deployment.farsign(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (told, lines) = std::sync::mpsc::channel();
    for pipe in [Box::new(stdout) as Box<dyn Read + Send>, Box::new(stderr)] {
        let told = told.clone();
        std::thread::spawn(move || BufReader::new(pipe).lines().for_each(|line| drop(told.send(line.unwrap()))));
    }
    drop(told);
    assert!(lines.iter().any(|line| line.contains(said)), "it said `{said}`");
    child.kill().unwrap();
    child.wait().unwrap();
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
    let count = |kind: &str| deployment.broker.read_committed(&deployment.topic(kind)).len();
    let carried = count("repartition");
    eventually_within(PATIENCE * 4, "a probe of each record", || match count("probe") {
        probes if probes == carried => Ok(()),
        probes => Err(format!("{probes} of {carried}")),
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
    // One that breaks off in the middle is made whole by another.
    break_off(&to, &["state", "import", "--from", "latest", "--yes", &one_name], "partition 0:");
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
