//! Every file in `tests/scenarios/<subject>/` is one scenario; see `common/scenario.rs` for its form.

mod common;

use std::path::Path;

use common::scenario::Scenario;

/// Runs a folder and tells all that is wrong in it.
fn check_folder(subject: &str, at_least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(subject);
    let mut files: Vec<_> =
        folder.read_dir().expect("the subject's folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() >= at_least, "{subject}: {} scenarios, of {at_least} or more", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a readable scenario");
        let result = std::panic::catch_unwind(|| Scenario::parse(&text).check());
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        match result {
            Ok(Ok(())) => {}
            Ok(Err(difference)) => wrong.push(format!("{subject}/{name}: {difference}")),
            Err(_) => wrong.push(format!("{subject}/{name}: panicked (see above)")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} scenarios differ:\n\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

#[test]
fn impossible_travel() {
    check_folder("impossible_travel", 75);
}

#[test]
fn atypical_travel() {
    check_folder("atypical_travel", 22);
}

#[test]
fn new_country() {
    check_folder("new_country", 25);
}

#[test]
fn unfamiliar_features() {
    check_folder("unfamiliar_features", 25);
}

#[test]
fn listed_address() {
    check_folder("listed_address", 19);
}

#[test]
fn feedback() {
    check_folder("feedback", 19);
}

#[test]
fn anomalous_token() {
    check_folder("anomalous_token", 33);
}

#[test]
fn attacker_in_the_middle() {
    check_folder("attacker_in_the_middle", 20);
}

#[test]
fn mfa_fatigue() {
    check_folder("mfa_fatigue", 19);
}

#[test]
fn reported_activity() {
    check_folder("reported_activity", 8);
}

#[test]
fn risky_address() {
    check_folder("risky_address", 15);
}

#[test]
fn token_issuer() {
    check_folder("token_issuer", 12);
}

#[test]
fn upstream_findings() {
    check_folder("upstream_findings", 24);
}

#[test]
fn incident() {
    check_folder("incident", 9);
}

/// Whole days of people, with everything that comes of them.
#[test]
fn stories() {
    check_folder("stories", 19);
}

/// How people live: what must be silent, and beside it the takeover that must not be.
#[test]
fn lives() {
    check_folder("lives", 17);
}
