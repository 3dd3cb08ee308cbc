//! `farsign demo` as a process: the report's sections, and its numbers held against the files it was made from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const SECTIONS: [&str; 7] = [
    "1. What was simulated",
    "2. What was caught",
    "3. What was missed",
    "4. False alerts",
    "5. Suppressed",
    "6. Three alerts, explained in full",
    "7. Where to go next",
];

const COLUMNS_MAX: usize = 100;

fn farsign(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_farsign")).args(arguments).stdin(Stdio::null()).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The report's sections by their headings' numbers.
fn sections(report: &str) -> Vec<&str> {
    let starts: Vec<usize> =
        SECTIONS.iter().map(|title| report.find(title).unwrap_or_else(|| panic!("no `{title}`"))).collect();
    assert!(starts.is_sorted(), "{starts:?}");
    let ends = starts.iter().skip(1).copied().chain([report.len()]);
    starts.iter().zip(ends).map(|(start, end)| &report[*start..end]).collect()
}

/// Rows of a section's tables by first cell; of several tables the first row of a name counts.
fn rows(section: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut rows = BTreeMap::new();
    for line in section.lines().filter_map(|line| line.strip_prefix('│')?.strip_suffix('│')) {
        let cells: Vec<&str> = line.split('┆').map(str::trim).collect();
        rows.entry(cells[0]).or_insert(cells[1..].to_vec());
    }
    rows
}

fn number(text: &str) -> u64 {
    text.replace(',', "").parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("kept");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// What the report should say, counted again from the kept files, simply.
struct Counted {
    campaigns: usize,
    caught: usize,
    false_by_type: BTreeMap<String, u64>,
    silenced: u64,
}

fn counted(folder: &Path) -> Counted {
    let mut campaign_of = BTreeMap::new();
    for label in lines(&folder.join("labels.ndjson")) {
        if label["malicious"] == true {
            campaign_of.insert(label["requestId"].to_string(), label["campaign"].to_string());
        }
    }
    let (mut caught, mut false_by_type, mut silenced) = (BTreeSet::new(), BTreeMap::new(), 0);
    // Of several versions the last counts.
    let detections = lines(&folder.join("detections.ndjson")).into_iter();
    let last: BTreeMap<String, Value> =
        detections.map(|detection| (detection["id"].to_string(), detection)).collect();
    for detection in last.into_values() {
        let of = |id: &Value| campaign_of.get(&id.to_string());
        let farsign = &detection["farsign"];
        if !farsign["suppressedBy"].is_null() {
            silenced += 1;
        } else if let Some(campaign) = of(&detection["requestId"]) {
            caught.insert(campaign.clone());
        } else if of(&farsign["evidence"]["reference"]["requestId"]).is_none() {
            let kind = detection["riskEventType"].as_str().expect("text").to_owned();
            *false_by_type.entry(kind).or_insert(0) += 1;
        }
    }
    let campaigns: BTreeSet<&String> = campaign_of.values().collect();
    Counted { campaigns: campaigns.len(), caught: caught.len(), false_by_type, silenced }
}

fn check_caught(section: &str, counted: &Counted) {
    let rows = rows(section);
    for (attack, cells) in rows.iter().filter(|(attack, _)| !["attack", "all"].contains(attack)) {
        let [total, low, medium, high] = [0, 1, 2, 3].map(|column| number(cells[column]));
        assert!(high <= medium && medium <= low && low <= total, "{attack}: {cells:?}");
        assert_eq!(cells[5] == "-", low == 0, "{attack}: {cells:?}");
        let (alerted, entered) = cells[4].split_once(" of ").expect("accounts");
        assert!(number(alerted) <= number(entered), "{attack}: {cells:?}");
    }
    for column in 0..4 {
        let kinds = rows.iter().filter(|(attack, _)| !["attack", "all"].contains(attack));
        let sum: u64 = kinds.map(|(_, cells)| number(cells[column])).sum();
        assert_eq!(sum, number(rows["all"][column]), "column {column}");
    }
    assert_eq!(number(rows["all"][1]), counted.caught as u64);
    assert!(number(rows["all"][0]) <= counted.campaigns as u64);
    assert!(counted.caught > 0, "the demo shows something");
}

fn check_false_alerts(section: &str, counted: &Counted) {
    let rows = rows(section);
    let total = |cells: &[&str]| -> u64 { cells[..3].iter().map(|cell| number(cell)).sum() };
    for (kind, count) in &counted.false_by_type {
        assert_eq!(total(&rows[kind.as_str()]), *count, "{kind}");
    }
    assert_eq!(total(&rows["all"]), counted.false_by_type.values().sum::<u64>());
}

fn check_explained(section: &str) {
    assert!(section.contains("[1] "), "at least one alert is explained");
    let times = |text: &str| section.matches(text).count();
    let alerts = times("in truth: ");
    for part in ["this sign-in", "hourOfWeek", "Thresholds: ", "Learning: ", "Suppressions asked", "\n    \""] {
        assert!(times(part) >= alerts, "`{part}` for each of {alerts}");
    }
    assert_eq!(times("km great circle"), times("mcasImpossibleTravel\n"), "travel where a journey was judged");
}

#[test]
fn the_report_says_what_the_files_say() {
    let folder = TempDir::new().expect("a folder");
    let keep = folder.path().join("kept");
    let keep_text = keep.to_str().expect("text");
    let arguments = ["demo", "--users", "70", "--days", "30", "--seed", "3"];
    let report = farsign(&[arguments.as_slice(), &["--keep", keep_text]].concat());
    let sections_kept = sections(&report);
    let counted = counted(&keep);
    assert_eq!(rows(sections_kept[0]).values().skip(1).map(|cells| number(cells[0])).sum::<u64>(), {
        counted.campaigns as u64
    });
    check_caught(sections_kept[1], &counted);
    check_false_alerts(sections_kept[3], &counted);
    let silenced = rows(sections_kept[4]);
    let silenced = silenced.iter().filter(|(reason, _)| **reason != "reason");
    assert_eq!(silenced.map(|(_, cells)| number(cells[0]) + number(cells[1])).sum::<u64>(), counted.silenced);
    check_explained(sections_kept[5]);

    // The command it offers repeats the replay to the byte.
    let command = sections_kept[6].split("farsign replay").nth(1).expect("a command").split("\n\n").next();
    let command =
        command.and_then(|text| text.split(".zst").next()).expect("a command").replace("\\\n", " ") + ".zst";
    let again = folder.path().join("again.ndjson");
    let command = command.replace("again.ndjson", again.to_str().expect("text"));
    farsign(&["replay"].into_iter().chain(command.split_whitespace()).collect::<Vec<_>>());
    let read = |path: &Path| std::fs::read(path).expect("written");
    assert!(read(&again) == read(&keep.join("detections.ndjson")), "the replay offered gives the same detections");

    // Without a folder to keep, the same report but for the commands; and no line is too long.
    let plain = farsign(&arguments);
    assert_eq!(sections(&plain)[..6], sections_kept[..6]);
    for line in plain.lines() {
        assert!(line.chars().count() <= COLUMNS_MAX, "{line}");
    }
}

#[test]
fn a_quiet_demo_is_no_failure() {
    let report = farsign(&["demo", "--users", "5", "--days", "3"]);
    assert!(sections(&report)[2].contains("No campaign"), "{report}");
}
