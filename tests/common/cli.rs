//! The `farsign` command in a test's folder: run, or shown as a terminal shows it.

#![allow(dead_code, reason = "each test target uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::path::Path;

use assert_cmd::Command;

pub fn farsign(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("farsign").unwrap();
    command.current_dir(folder).args(arguments);
    command
}

/// Runs it and gives what it wrote to stdout.
pub fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = farsign(folder, arguments).assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

/// Exit code, stdout and stderr, as a terminal shows them.
pub fn session(folder: &Path, arguments: &[&str]) -> String {
    let output = farsign(folder, arguments).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    format!("exit {}\n--- stdout\n{stdout}--- stderr\n{stderr}", output.status.code().unwrap())
}

/// The arguments that name the test databases.
pub fn databases() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip-test-data");
    let one = |(flag, name): (&str, &str)| {
        [format!("--{flag}-db"), folder.join(format!("farsign-test-{name}.mmdb")).display().to_string()]
    };
    [("city", "City"), ("asn", "ASN"), ("anonymous", "Anonymous-IP")].into_iter().flat_map(one).collect()
}
