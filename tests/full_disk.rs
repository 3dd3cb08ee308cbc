//! A disk that is full: the command says which file it could not write, what was there stays, and with room again it goes on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

#[path = "common/cli.rs"]
mod cli;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use cli::{databases, farsign};
use tempfile::TempDir;

fn simulated(folder: &Path) {
    let size = ["--users", "60", "--days", "35", "--seed", "9305", "--form", "entra-lean"];
    farsign(folder, &[&["simulate", "-o", "signins.ndjson"], size.as_slice()].concat()).assert().success();
}

fn arguments<'a>(own: &[&'a str], databases: &'a [String]) -> Vec<&'a str> {
    own.iter().copied().chain(databases.iter().map(String::as_str)).chain(["signins.ndjson"]).collect()
}

/// Runs it where no file can be longer than so many KiB: what it says when it ends with exit code 2.
fn without_room(folder: &Path, kib: u32, arguments: &[&str]) -> String {
    let limited = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$@\"");
    let mut command = Command::new("bash");
    command.current_dir(folder).args(["-c", &limited, "bash", env!("CARGO_BIN_EXE_farsign")]).args(arguments);
    String::from_utf8(command.assert().code(2).get_output().stderr.clone()).unwrap()
}

/// Every file of the folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn a_replay_goes_on_when_there_is_room() {
    let folder = TempDir::new().unwrap();
    let (folder, databases) = (folder.path(), databases());
    simulated(folder);
    farsign(folder, &arguments(&["replay", "-o", "whole"], &databases)).assert().success();
    let own = ["replay", "-o", "parts", "--resume", "kept", "--resume-every", "1"];
    let told = without_room(folder, 100, &arguments(&own, &databases));
    assert!(told.contains("error: cannot write") && told.contains("File too large"), "{told}");
    farsign(folder, &arguments(&own, &databases)).assert().success();
    let files = files(folder);
    assert!(files["whole"].len() > 200 * 1_024 && files["parts"] == files["whole"]);
}

#[test]
fn a_state_that_has_no_room_leaves_the_one_before() {
    let folder = TempDir::new().unwrap();
    let (folder, databases) = (folder.path(), databases());
    simulated(folder);
    fs::write(folder.join("own.state"), "an older one").unwrap();
    let before = files(folder);
    let own = ["replay", "-o", "/dev/null", "--state-out", "own.state"];
    let told = without_room(folder, 8, &arguments(&own, &databases));
    assert!(told.contains("error: cannot write the state `own.state`: File too large"), "{told}");
    assert!(files(folder) == before, "nothing has changed, and nothing is left over");
}

#[test]
fn results_that_have_no_room_are_told() {
    let folder = TempDir::new().unwrap();
    let (folder, databases) = (folder.path(), databases());
    simulated(folder);
    let before = files(folder);
    let tune = |own: &[&'static str]| {
        let set = ["tune", "--set", "detections.new_country.min_bits=4"];
        without_room(folder, 0, &arguments(&[&set, own].concat(), &databases))
    };
    let told = tune(&["--resume", "kept"]);
    assert!(told.contains("error: cannot write `kept`: File too large"), "{told}");
    assert!(files(folder) == before, "nothing has changed, and nothing is left over");
    let told = tune(&["--json", "tuned.json"]);
    assert!(told.contains("error: cannot write `tuned.json`: File too large"), "{told}");
    let told = tune(&["--output-dir", "each"]);
    assert!(told.contains("error: cannot write `each/000.yaml`: File too large"), "{told}");
}
