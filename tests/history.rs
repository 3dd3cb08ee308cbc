//! Big history as a terminal sees it: filters, date-partitioned folders, Parquet, and objects of an S3 server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

#[path = "history/objects.rs"]
mod objects;
#[path = "history/parquet.rs"]
mod parquet;
#[path = "common/parquet_file.rs"]
mod parquet_file;
#[path = "history/partitions.rs"]
mod partitions;
#[path = "history/storage.rs"]
mod storage;

const BINARY: &str = env!("CARGO_BIN_EXE_farsign");
/// Of the simulated organisation.
const TENANT: &str = "5ca1ab1e-0000-4000-8000-000000000001";

fn farsign(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

/// Exit code, stdout and stderr.
fn session(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (status.code().unwrap(), stdout, stderr)
}

/// A replay of everything that was found, silenced or not: detections, what stderr says, and the summary.
struct Replayed {
    detections: String,
    told: String,
    summary: Value,
}

fn replay(folder: &Path, arguments: &[&str]) -> Replayed {
    replay_by(&mut farsign(folder, &["replay"]), folder, arguments)
}

fn replay_by(command: &mut Command, folder: &Path, arguments: &[&str]) -> Replayed {
    let databases = Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip-test-data");
    for (flag, name) in [("--city-db", "City"), ("--asn-db", "ASN"), ("--anonymous-db", "Anonymous-IP")] {
        command.arg(flag).arg(databases.join(format!("farsign-test-{name}.mmdb")));
    }
    command.args(["--emit-suppressed", "--summary", ".summary"]).args(arguments);
    let (code, detections, told) = session(command);
    assert_eq!(code, 0, "{told}");
    let summary = std::fs::read(folder.join(".summary")).unwrap();
    Replayed { detections, told, summary: serde_json::from_slice(&summary).unwrap() }
}

/// Records of a simulated organisation, in order of their time.
fn simulated(folder: &Path, form: &str, days: &str) -> Vec<String> {
    let size = ["--users", "30", "--days", days, "--seed", "9301", "--tenant", TENANT, "--form", form];
    let (code, records, told) = session(&mut farsign(folder, &[&["simulate"], size.as_slice()].concat()));
    assert_eq!(code, 0, "{told}");
    let mut lines: Vec<String> = records.lines().map(str::to_owned).collect();
    lines.sort_by_key(|line| field(line, "time"));
    lines
}

/// The text of a key of Farsign's own form.
fn field(line: &str, key: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap();
    value[key].as_str().unwrap().to_owned()
}

fn write(path: &Path, lines: &[impl AsRef<str>]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text: String = lines.iter().map(|line| format!("{}\n", line.as_ref())).collect();
    let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
    if is_gzip {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        std::fs::write(path, encoder.finish().unwrap()).unwrap();
    } else {
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn a_filter_gives_what_a_log_cut_by_hand_gives() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let mut lines = simulated(folder, "farsign", "20");
    let other = lines.iter().map(|line| line.replace(TENANT, "other")).collect::<Vec<_>>();
    lines.extend(other);
    lines.sort_by_key(|line| field(line, "time"));
    write(&folder.join("all.ndjson"), &lines);
    let mut names: Vec<[String; 2]> =
        lines.iter().map(|line| [field(line, "userId"), field(line, "userPrincipalName")]).collect();
    names.sort();
    names.dedup();
    let chosen = &names[..names.len() / 2];
    // One half by id, in a file and in upper case; the other by principal name.
    let listed: Vec<String> = chosen
        .iter()
        .enumerate()
        .map(|(at, [id, name])| if at % 2 == 0 { id.to_uppercase() } else { name.clone() })
        .collect();
    write(&folder.join("users.txt"), &listed);
    let (from, to) = ("2026-03-08", "2026-03-16T12:00:00Z");
    let in_time = |line: &&String| (from..to).contains(&&*field(line, "time"));
    let of_tenant = |line: &&String| field(line, "tenantId") == TENANT;
    let of_users = |line: &&String| chosen.iter().any(|[id, _]| *id == field(line, "userId"));
    let all = |_: &&String| true;
    let check = |arguments: &[&str], time: bool, tenant: bool, users: bool| {
        let keep = |line: &&String| {
            (!time || in_time(line)) && (!tenant || of_tenant(line)) && (!users || of_users(line)) && all(line)
        };
        let kept: Vec<&String> = lines.iter().filter(keep).collect();
        assert!(kept.len() > 500 && kept.len() < lines.len(), "{arguments:?}: {}", kept.len());
        write(&folder.join("cut.ndjson"), &kept);
        let cut = replay(folder, &["cut.ndjson"]);
        for threads in ["1", "3"] {
            let filtered = replay(folder, &[arguments, &["--threads", threads, "all.ndjson"]].concat());
            assert!(filtered.detections == cut.detections, "{arguments:?}");
            assert!(cut.detections.lines().count() > 10, "{arguments:?}");
            let left_out = filtered.summary["filtered"].as_object().unwrap();
            let sum: u64 = left_out.values().map(|count| count.as_u64().unwrap()).sum();
            assert_eq!(sum as usize, lines.len() - kept.len(), "{arguments:?}");
            assert_eq!(filtered.summary["items"], cut.summary["items"]);
            assert_eq!(filtered.told.contains("the organisation is those users only"), tenant || users);
        }
    };
    check(&["--from", from, "--to", to], true, false, false);
    check(&["--tenant", &TENANT.to_uppercase()], false, true, false);
    check(&["--users", "users.txt"], false, false, true);
    check(&["--users", &listed.join(","), "--from", from, "--to", to, "--tenant", TENANT], true, true, true);
}

#[test]
fn filters_that_cannot_be_meant_are_told() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let lines = simulated(folder, "farsign", "2");
    write(&folder.join("log.ndjson"), &lines);
    let check = |arguments: &[&str], expected: (i32, &str)| {
        let arguments = [&["replay"], arguments, &["log.ndjson"]].concat();
        let (code, stdout, stderr) = session(&mut farsign(folder, &arguments));
        assert_eq!((code, &*stdout), (expected.0, ""), "{stderr}");
        assert!(stderr.starts_with(expected.1), "{stderr}");
    };
    let refused =
        "error: no event lies between --from `2026-03-05` and --to `2026-03-04`: name an earlier time first\n";
    check(&["--from", "2026-03-05", "--to", "2026-03-04"], (2, refused));
    let refused = "error: --to `tomorrow`: expected a time as 2026-03-01T08:00:00Z, or a date as 2026-03-01\n";
    check(&["--to", "tomorrow"], (2, refused));
    check(&["--users", ","], (2, "error: --users `,`: no user is named\n"));
    check(&["--to", "2020-01-01"], (0, "warning: the filters left no event to judge\n"));
    let (code, _, stderr) = session(&mut farsign(folder, &["replay", "--kafka", "--from", "2026-03-04"]));
    let told = "error: --from: `2026-03-04` is no offset; write earliest, latest, an offset or time=2026-01-31T08:00:00Z\n";
    assert_eq!((code, &*stderr), (2, told));
    let (code, _, stderr) = session(&mut farsign(folder, &["replay", "--users", "nobody.txt,x", "log.ndjson"]));
    let told = "warning: 2 of the users of --users had no event that was asked for, such as `nobody.txt`\n";
    assert!(code == 0 && stderr.contains(told), "{stderr}");
    assert!(stderr.contains("\nfiltered      otherUser "), "{stderr}");
    let (code, _, stderr) =
        session(&mut farsign(folder, &["diff", "--from", "2026-03-04", "log.ndjson", "log.ndjson"]));
    let told = "error: filters say which sign-ins are judged: they go with --against\n";
    assert_eq!((code, &*stderr), (2, told));
}

/// Every command that judges logs takes the same filters.
#[test]
fn tune_diff_and_explain_filter_alike() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let lines = simulated(folder, "farsign", "12");
    write(&folder.join("all.ndjson"), &lines);
    let kept: Vec<&String> = lines.iter().filter(|line| *field(line, "time") < *"2026-03-10").collect();
    write(&folder.join("cut.ndjson"), &kept);
    write(&folder.join("calm.yaml"), &["detections: {new_country: {enabled: false}}"]);
    let user = field(kept[kept.len() / 2], "userPrincipalName");
    for command in [
        vec!["tune", "--set", "detections.new_country.min_bits=6,9"],
        vec!["diff", "--against", "calm.yaml"],
        vec!["explain", "--user", &user],
    ] {
        let filtered = session(&mut farsign(folder, &[&*command, &["--to", "2026-03-10", "all.ndjson"]].concat()));
        let cut = session(&mut farsign(folder, &[&*command, &["cut.ndjson"]].concat()));
        assert_eq!(cut.0, 0, "{}", cut.2);
        // Before their results two of them tell how many records were read.
        let results = |text: &str| {
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let begin =
                ["Variants ==", "Detections that stand:"].iter().filter_map(|begin| words.find(begin)).min();
            words[begin.unwrap_or(0)..].to_owned()
        };
        assert_eq!(results(&filtered.1), results(&cut.1), "{command:?}");
    }
}
