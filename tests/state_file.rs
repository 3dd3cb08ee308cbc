//! `farsign replay --state-out` and `--state-in`: what two runs write is what one run writes, wherever the stream is cut.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

#[path = "common/cli.rs"]
mod cli;

use std::fs;
use std::path::Path;

use cli::{databases, farsign};
use tempfile::TempDir;

/// Replays with the test databases; gives what it wrote to stderr.
fn replay(folder: &Path, arguments: &[&str]) -> String {
    let mut command = farsign(folder, &["replay"]);
    command.args(databases());
    let output = command.args(arguments).assert().success().get_output().stderr.clone();
    String::from_utf8(output).unwrap()
}

/// A simulated organisation under attack, cut into files of so many lines each.
fn simulated(folder: &Path, cuts: &[usize]) {
    let size = ["--users", "60", "--days", "35", "--seed", "9301", "--form", "entra-lean"];
    farsign(folder, &[&["simulate", "-o", "whole.ndjson"], size.as_slice()].concat()).assert().success();
    let text = fs::read_to_string(folder.join("whole.ndjson")).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut start = 0;
    for (number, end) in cuts.iter().copied().chain([lines.len()]).enumerate() {
        fs::write(folder.join(format!("part{number}.ndjson")), lines[start..end].concat()).unwrap();
        start = end;
    }
}

fn bytes(folder: &Path, names: &[&str]) -> Vec<u8> {
    names.iter().flat_map(|name| fs::read(folder.join(name)).unwrap()).collect()
}

/// Replays part after part, each from the state of the one before.
fn in_parts(folder: &Path, parts: usize, more: &[&str]) {
    for number in 0..parts {
        let [input, output, before, state] = [
            format!("part{number}.ndjson"),
            format!("out{number}"),
            format!("state{}", number.wrapping_sub(1)),
            format!("state{number}"),
        ];
        let mut arguments = vec!["-o", &output, "--risky-users", "risky", &input];
        arguments.extend(more);
        if number > 0 {
            arguments.extend(["--state-in", &before]);
        }
        if number + 1 < parts {
            arguments.extend(["--state-out", &state]);
        }
        replay(folder, &arguments);
    }
}

#[test]
fn runs_that_go_on_from_a_state_write_what_one_run_writes() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder, &[1, 1_500, 1_501, 6_000, 9_999]);
    let outputs = ["out0", "out1", "out2", "out3", "out4", "out5"];
    for more in [&["--emit-suppressed"][..], &["--updates"]] {
        replay(folder, &[&["-o", "whole", "--risky-users", "whole-risky", "whole.ndjson"], more].concat());
        assert!(bytes(folder, &["whole"]).len() > 100_000, "there is something to compare");
        for threads in ["1", "3"] {
            in_parts(folder, outputs.len(), &[more, &["--threads", threads]].concat());
            assert!(bytes(folder, &outputs) == bytes(folder, &["whole"]), "{more:?} {threads}");
            assert!(bytes(folder, &["risky"]) == bytes(folder, &["whole-risky"]), "{more:?} {threads}");
        }
    }
}

#[test]
fn equal_runs_give_equal_states_and_other_commands_begin_with_them() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder, &[9_000]);
    for (threads, state) in [("1", "one"), ("3", "three")] {
        replay(folder, &["--threads", threads, "--state-out", state, "-o", "out0", "part0.ndjson"]);
    }
    assert!(bytes(folder, &["one"]) == bytes(folder, &["three"]), "the same on any number of threads");
    replay(folder, &["--state-in", "one", "-o", "out1", "part1.ndjson"]);

    // The same configuration, told twice, in one pass from the state.
    let mut tune = farsign(folder, &["tune", "--state-in", "one", "--output-dir", "tuned", "part1.ndjson"]);
    tune.args(databases());
    tune.args(["--set", "detections.impossible_travel.max_speed_kmh=1000,700"]).assert().success();
    assert!(bytes(folder, &["tuned/000.ndjson"]) == bytes(folder, &["out1"]));
    assert!(bytes(folder, &["tuned/001.ndjson"]) != bytes(folder, &["out1"]), "the variants differ");
}

#[test]
fn a_sign_in_is_explained_from_a_state_alone_as_from_its_logs() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder, &[9_000]);
    replay(folder, &["--state-out", "state", "--emit-suppressed", "-o", "out0", "part0.ndjson"]);
    let explain = |arguments: &[&str]| {
        let output = farsign(folder, &["explain", "--json"]).args(databases()).args(arguments).output().unwrap();
        let mut told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        // A run that is to go on settles more, before it writes the state, than one that looks at its end; and a state does not
        // keep every sign-in's names.
        for key in ["before", "after", "userId", "userPrincipalName", "appDisplayName", "resourceDisplayName"] {
            told.as_object_mut().and_then(|told| told.remove(key));
        }
        (output.status.code(), told)
    };
    let text = fs::read_to_string(folder.join("part0.ndjson")).unwrap();
    let last: Vec<serde_json::Value> =
        text.lines().rev().take(40).map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids = last.iter().filter_map(|record| record["properties"]["id"].as_str().or(record["id"].as_str()));
    let mut explained = 0;
    for id in ids {
        let (code, from_state) = explain(&["--state-in", "state", "--sign-in", id]);
        assert_eq!((code, from_state.clone()), explain(&["--sign-in", id, "part0.ndjson"]), "{id}");
        explained += usize::from(code == Some(0));
    }
    assert!(explained > 10, "{explained} were explained");
    let (code, _) = explain(&["--state-in", "state", "--sign-in", "nobody's"]);
    assert_eq!(code, Some(1));
}

#[test]
fn what_is_no_state_is_told_and_nothing_is_written() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder, &[2_000]);
    replay(folder, &["--state-out", "state", "-o", "out0", "part0.ndjson"]);
    let whole = bytes(folder, &["state"]);
    let mut newer = whole.clone();
    newer[4] = 9;
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    let cases: [(&str, &[u8], &str); 5] = [
        ("empty", b"", "is no state"),
        ("text", b"{\"id\": 1}\n", "is no state"),
        ("newer", &newer, "has version `9`; this program reads `1`"),
        ("damaged", &damaged, "cannot"),
        ("cut", &whole[..whole.len() - 1_000], "cannot"),
    ];
    for (name, bytes, told) in cases {
        fs::write(folder.join(name), bytes).unwrap();
        let output =
            farsign(folder, &["replay", "--state-in", name, "-o", "never", "part1.ndjson"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {stderr}");
        assert!(stderr.contains(told) && stderr.contains(name), "{name}: {stderr}");
    }
}

#[test]
fn files_that_would_destroy_each_other_are_refused() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder, &[2_000]);
    replay(folder, &["--state-out", "state", "-o", "out0", "part0.ndjson"]);
    fs::create_dir(folder.join("logs")).unwrap();
    fs::rename(folder.join("part1.ndjson"), folder.join("logs/part1.ndjson")).unwrap();
    let before = bytes(folder, &["state"]);
    let cases: [(&[&str], &str); 6] = [
        (&["--state-in", "state", "-o", "state", "logs"], "`state` is the state to begin with"),
        (&["-o", "one", "--summary", "./one", "logs"], "`./one` is named for two outputs"),
        (&["--state-out", "one", "--resume", "one", "-o", "two", "logs"], "`one` is named for two outputs"),
        (&["--resume", "kept", "-o", "logs/out", "logs"], "`logs/out` is in a folder that is read"),
        (&["--resume", "kept", "logs"], "--resume cannot go on with stdout"),
        (&["--resume", "kept", "-o", "out", "-"], "--resume cannot go on with stdin"),
    ];
    for (arguments, told) in cases {
        fs::write(folder.join("one"), "kept").unwrap();
        let output = farsign(folder, &[&["replay"], arguments].concat()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(told), "{arguments:?}: {stderr}");
        assert!(bytes(folder, &["state"]) == before && bytes(folder, &["one"]) == b"kept", "{arguments:?}");
    }
    // The state may be replaced by the one that goes on from it.
    replay(folder, &["--state-in", "state", "--state-out", "state", "-o", "out1", "logs"]);
    assert!(bytes(folder, &["state"]) != before);
}

#[test]
fn a_replay_that_was_killed_is_gone_on_with_by_the_same_command() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let size = ["--users", "300", "--days", "35", "--seed", "9303", "--form", "entra-lean"];
    farsign(folder, &[&["simulate", "-o", "logs"], size.as_slice()].concat()).assert().success();
    replay(folder, &["-o", "whole", "--summary", "whole.json", "logs"]);
    let resumed = [
        "-o",
        "out",
        "--summary",
        "out.json",
        "--resume",
        "kept",
        "--resume-every",
        "1",
        "--threads",
        "1",
        "logs",
    ];
    let mut kills = 0;
    while kills < 3 {
        let known = fs::read(folder.join("kept")).ok();
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_farsign"))
            .current_dir(folder)
            .arg("replay")
            .args(databases())
            .args(resumed)
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Killed once it has come further than the one before; it may be through first.
        while child.try_wait().unwrap().is_none() && fs::read(folder.join("kept")).ok() == known {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0, "it was killed behind a checkpoint");
    if folder.join("kept").exists() {
        let told = replay(folder, &resumed);
        assert!(told.contains("going on behind"), "{told}");
    }
    assert!(bytes(folder, &["out"]) == bytes(folder, &["whole"]), "after {kills} kills");
    let counted = |name: &str| {
        let mut summary: serde_json::Value = serde_json::from_slice(&bytes(folder, &[name])).unwrap();
        summary.as_object_mut().unwrap().remove("run");
        summary
    };
    assert_eq!(counted("out.json"), counted("whole.json"));
    assert!(!folder.join("kept").exists(), "nothing is left to go on with");
}

#[cfg(unix)]
#[test]
fn a_state_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder, &[500]);
    replay(folder, &["--state-out", "state", "-o", "out", "part0.ndjson"]);
    assert_eq!(fs::metadata(folder.join("state")).unwrap().permissions().mode() & 0o777, 0o600);
}
