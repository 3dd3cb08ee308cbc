//! `farsign tune --resume`: a run that was broken off, between passes or inside one, goes on and says what one run says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

#[path = "common/cli.rs"]
mod cli;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use assert_cmd::cargo::CommandCargoExt as _;
use cli::{databases, farsign, run};
use tempfile::TempDir;

const GRID: [&str; 4] = [
    "--set",
    "detections.unfamiliar_features.low_bits=5.25..12.25:1",
    "--set",
    "detections.impossible_travel.max_speed_kmh=700,1000",
];

/// A simulated organisation under attack, with what is true of it.
fn simulated(folder: &Path, days: &str) {
    let size = ["--users", "100", "--days", days, "--seed", "9304", "--form", "entra-lean"];
    run(folder, &[&["simulate", "--labels", "labels.ndjson", "-o", "signins.ndjson"], size.as_slice()].concat());
}

fn tune(into: &str, more: &[&str]) -> Vec<String> {
    let labels = ["--labels", "labels.ndjson", "--warm-up-days", "7", "--threads", "1"].map(str::to_owned);
    let own = ["tune".to_owned(), "--output-dir".to_owned(), into.to_owned(), format!("--json={into}.json")];
    let more = more.iter().map(|argument| (*argument).to_owned());
    own.into_iter().chain(labels).chain(more).chain(databases()).chain(["signins.ndjson".to_owned()]).collect()
}

fn tuned(folder: &Path, arguments: &[String]) -> (String, String) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = farsign(folder, &arguments).assert().success().get_output().clone();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (stdout, stderr)
}

/// Starts it and interrupts it when it has written more than so many bytes to the file; gives what it told.
fn interrupted(folder: &Path, arguments: &[String], file: &Path, bytes: u64) -> String {
    let mut command = Command::cargo_bin("farsign").unwrap();
    command.current_dir(folder).args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let is_written = || file.metadata().is_ok_and(|data| data.len() > bytes);
    for _ in 0..60_000 {
        if is_written() {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(is_written(), "it writes nothing");
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(asked.success(), "it had ended before");
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "it had come to its end: {told}");
    told
}

#[test]
fn a_pass_that_was_broken_off_goes_on() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder, "90");
    let whole = tuned(folder, &tune("whole", &GRID)).0;
    let [kept, early, first] = ["kept.pass", "early.pass", "parts/000.ndjson"].map(|name| folder.join(name));
    let arguments = tune("parts", &[&GRID[..], &["--resume", "kept", "--at-once", "9"]].concat());
    let told = interrupted(folder, &arguments, &first, 0);
    assert!(told.contains("pass 1 of 2") && told.contains("interrupted: 0 variants are kept"), "{told}");
    fs::copy(&kept, &early).unwrap();
    let told = interrupted(folder, &arguments, &first, first.metadata().unwrap().len());
    assert!(told.contains("going on behind "), "{told}");
    // What a crash leaves: outputs that have more than the checkpoint knows of.
    fs::rename(&early, &kept).unwrap();
    let (tables, told) = tuned(folder, &arguments);
    assert!(told.contains("pass 2 of 2") && told.contains("going on behind "), "{told}");
    assert_eq!(tables, whole, "the tables are those of one run");
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    assert!(read("parts.json") == read("whole.json"), "and so is the report");
    let mut bytes = 0;
    for number in 0..16 {
        for end in ["ndjson", "yaml"] {
            let [one, other] = ["whole", "parts"].map(|of| read(&format!("{of}/{number:03}.{end}")));
            assert!(one == other, "{number}.{end}");
            bytes += one.len();
        }
    }
    assert!(bytes > 1_000_000, "there is something to compare: {bytes} bytes");
    let mut left: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    let files = ["kept", "labels.ndjson", "parts", "parts.json", "signins.ndjson", "whole", "whole.json"];
    assert_eq!(left, files, "nothing else is left over");
    let (tables, told) = tuned(folder, &arguments);
    assert!(told.contains(" 0 to judge") && tables == whole, "{told}");
}

/// Runs it to see it refused.
fn refused(folder: &Path, arguments: &[String]) -> String {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = farsign(folder, &arguments).assert().code(2).get_output().clone();
    String::from_utf8(output.stderr).unwrap()
}

/// With a checkpoint of a plan's first pass: what goes on from it, and what is refused.
#[test]
fn a_pass_goes_on_with_the_variants_it_had() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder, "90");
    let [kept, copy] = ["kept.pass", "copy.pass"].map(|name| folder.join(name));
    let speeds = |values: &str, more: &[&str]| {
        let set = format!("detections.impossible_travel.max_speed_kmh={values}");
        let own = ["--set", &set, "--resume", "kept"];
        tune("out", &[&own[..], more].concat())
    };
    interrupted(folder, &speeds("500..1600:100", &[]), &folder.join("out/000.ndjson"), 0);
    fs::copy(&kept, &copy).unwrap();

    let told = refused(folder, &speeds("700..1600:100", &[]));
    assert!(told.contains("the plan has not all of its variants"), "{told}");
    let told = refused(folder, &speeds("500..1600:100", &["--min-level", "high"]));
    assert!(told.contains("a replay with other inputs, configuration") && told.contains("kept.pass"), "{told}");
    let bytes = fs::read(&copy).unwrap();
    for (cut, why) in [
        (4, "is no checkpoint"),
        (200, "cannot read the checkpoint"),
        (bytes.len() / 2, "the checkpoint `kept.pass`: incomplete frame"),
    ] {
        fs::write(&kept, &bytes[..cut]).unwrap();
        let told = refused(folder, &speeds("500..1600:100", &[]));
        assert!(told.contains(why), "{cut}: {told}");
    }
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&kept, &flipped).unwrap();
    let told = refused(folder, &speeds("500..1600:100", &[]));
    assert!(told.contains("cannot take the checkpoint"), "the checksum is looked at: {told}");

    // The plan has grown, and passes have become smaller.
    fs::copy(&copy, &kept).unwrap();
    let grown = speeds("500..1800:100", &["--at-once", "1"]);
    let (tables, told) = tuned(folder, &grown);
    assert!(
        told.contains("pass 1 of 3") && told.contains("12 at once") && told.contains("going on behind"),
        "{told}"
    );
    let (whole, _) =
        tuned(folder, &tune("whole", &["--set", "detections.impossible_travel.max_speed_kmh=500..1800:100"]));
    assert_eq!(tables, whole);

    // It was kept, and what it went on from was not removed any more.
    fs::copy(&copy, &kept).unwrap();
    let (tables, told) = tuned(folder, &grown);
    assert!(told.contains(" 0 to judge") && tables == whole && !kept.exists(), "{told}");

    let told = refused(folder, &speeds("400..1800:100", &[]));
    assert!(told.contains("--output-dir names files by number"), "{told}");
}

/// `farsign tune` of two values, with nothing else that is needed.
fn small<'a>(own: &[&'a str]) -> Vec<&'a str> {
    [&["tune", "--set", "detections.new_country.min_bits=4,5"], own].concat()
}

#[test]
fn what_could_not_be_gone_on_with_is_refused() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder, "2");
    fs::create_dir(folder.join("logs")).unwrap();
    fs::rename(folder.join("signins.ndjson"), folder.join("logs/signins.ndjson")).unwrap();
    fs::create_dir(folder.join("full")).unwrap();
    fs::write(folder.join("full/007.ndjson"), "").unwrap();
    fs::write(folder.join("taken"), "").unwrap();
    let cases: [(&[&str], &str); 7] = [
        (&["--resume", "kept", "-"], "--resume cannot go on with stdin or a pipe"),
        (&["--resume", "logs/kept", "logs"], "is in a folder that is read"),
        (&["--resume", "kept", "--output-dir", "logs/not/yet", "logs"], "is in a folder that is read"),
        (&["--resume", "kept", "--json", "kept", "logs"], "`kept` is named for two outputs"),
        (&["--json", "none/x.json", "logs"], "cannot write `none/x.json`: there is no folder `none`"),
        (&["--report", "none/x.html", "logs"], "cannot write `none/x.html`: there is no folder `none`"),
        (&["--output-dir", "full", "logs"], "`full/007.ndjson` is of another plan: this one has 3 variants"),
    ];
    for (own, why) in cases {
        let output = farsign(folder, &small(own)).assert().code(2).get_output().clone();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(why), "{own:?}: {told}");
    }
    assert!(
        !folder.join("kept").exists() && !folder.join("logs/not").exists(),
        "it was told before anything was done"
    );
}

#[test]
fn what_is_no_more_as_it_was_written_is_judged_again() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder, "12");
    let own = ["--resume", "kept", "--output-dir", "out", "--json", "out.json", "signins.ndjson"];
    let arguments: Vec<String> = small(&own).into_iter().map(str::to_owned).collect();
    let (whole, _) = tuned(folder, &arguments);
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let files = || ["out/000.ndjson", "out/001.ndjson", "out/002.yaml", "out.json"].map(read);
    let before = files();
    let again = |left: &str| {
        let (tables, told) = tuned(folder, &arguments);
        assert!(told.contains(left) && tables == whole && files() == before, "{told}");
    };
    again(" 0 to judge");
    fs::remove_file(folder.join("out/001.ndjson")).unwrap();
    again(" 1 to judge");
    fs::write(folder.join("out/000.ndjson"), "cut").unwrap();
    again(" 1 to judge");
    fs::remove_dir_all(folder.join("out")).unwrap();
    again(" 3 to judge");
    // Another one is at it.
    let held = fs::File::open(folder.join("out/000.ndjson")).unwrap();
    held.lock().unwrap();
    fs::remove_file(folder.join("kept")).unwrap();
    let told = refused(folder, &arguments);
    assert!(told.contains("another farsign writes to `out/000.ndjson`"), "{told}");
    assert!(files() == before, "nothing was taken away");
    drop(held);
    again(" 3 to judge");
    // Silenced detections are written, too.
    fs::write(folder.join("all.yaml"), "output: {suppressed: true}\n").unwrap();
    let told = refused(folder, &[&arguments[..], &["--config".to_owned(), "all.yaml".to_owned()]].concat());
    assert!(told.contains("holds results of other"), "{told}");
}

/// What is kept is told as the plan has it now, and variants that judge alike are one.
#[test]
fn a_plan_that_has_grown_says_what_one_run_says() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder, "12");
    let few = ["--resume", "kept", "signins.ndjson"];
    farsign(folder, &small(&few)).assert().success();
    let more = ["--set", "detections.new_country.enabled=true,false", "--json"];
    let grown = |json: &'static str, own: &[&'static str]| {
        farsign(folder, &small(&[&more, &[json][..], own].concat())).assert().success();
        fs::read(folder.join(json)).unwrap()
    };
    assert!(grown("kept.json", &few) == grown("whole.json", &["signins.ndjson"]));
    let alike = ["tune", "--set", "engine.hot_users_max=8000,100", "--set", "detections.new_country.min_bits=4,5"];
    let output =
        farsign(folder, &[&alike[..], &["signins.ndjson"]].concat()).assert().success().get_output().clone();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("3 variants") && told.contains("judges as `"), "{told}");
}

/// The exit code says so however often the tables are asked for.
#[test]
fn an_input_that_broke_off_is_remembered() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder, "2");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &fs::read(folder.join("signins.ndjson")).unwrap()).unwrap();
    let gzip = gzip.finish().unwrap();
    fs::write(folder.join("cut.gz"), &gzip[..gzip.len() / 2]).unwrap();
    let arguments = ["tune", "--set", "detections.new_country.min_bits=4", "--resume", "kept", "cut.gz"];
    let told = |left: &str| {
        let output = farsign(folder, &arguments).assert().code(1).get_output().clone();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(left), "{stderr}");
        output.stdout
    };
    assert_eq!(told("2 to judge"), told("0 to judge"));
}
