//! `--report` as a process, and its pages in a real browser: every chart is drawn, the figures are those of the output, and
//! the page asks for nothing and complains of nothing.
//!
//! Pictures of the pages are kept in the target directory, under `tmp/report`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

#[path = "report/browser.rs"]
mod browser;

#[path = "common/cli.rs"]
mod cli;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use browser::{Opened, open, url};
use cli::farsign;
use serde_json::{Value, json};
use tempfile::TempDir;

const WIDTH: u32 = 1_200;
/// A principal name that would run in the page if it were taken for HTML.
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>";

fn run(folder: &Path, arguments: &[&str]) {
    farsign(folder, arguments).assert().success();
}

/// The command with the test databases.
fn judge(folder: &Path, arguments: &[&str]) {
    let databases = [("city", "City"), ("asn", "ASN"), ("anonymous", "Anonymous-IP")].map(|(flag, name)| {
        let path = format!("{}/geoip-test-data/farsign-test-{name}.mmdb", env!("CARGO_MANIFEST_DIR"));
        [format!("--{flag}-db"), path]
    });
    let databases = databases.as_flattened().iter().map(String::as_str);
    run(folder, &arguments.iter().copied().chain(databases).collect::<Vec<_>>());
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// What stands of the detections in a file: the last version of each.
fn standing(path: &Path) -> Vec<Value> {
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    for line in lines(path) {
        last.insert(line["id"].as_str().unwrap().to_owned(), line);
    }
    let withdrawn = |line: &Value| line["riskDetail"] == "aiConfirmedSigninSafe";
    last.into_values().filter(|line| !withdrawn(line) && line["farsign"]["suppressedBy"].is_null()).collect()
}

/// A simulated organisation under attack; one of those who are attacked most has a hostile name.
fn simulated(folder: &Path) {
    let size = ["--users", "60", "--days", "35", "--seed", "9301", "--form", "entra-lean"];
    run(folder, &[&["simulate", "--labels", "labels.ndjson", "-o", "signins.ndjson"], size.as_slice()].concat());
    judge(folder, &["replay", "-o", "first.ndjson", "signins.ndjson"]);
    let mut of_users: BTreeMap<String, usize> = BTreeMap::new();
    for line in standing(&folder.join("first.ndjson")) {
        *of_users.entry(line["userPrincipalName"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let (most, _) = of_users.into_iter().max_by_key(|(_, count)| *count).unwrap();
    let path = folder.join("signins.ndjson");
    let records = std::fs::read_to_string(&path).unwrap().replace(&most, HOSTILE);
    assert!(records.contains(HOSTILE));
    std::fs::write(&path, records).unwrap();
}

/// A table of the page, by the title of its block: the rows below the head.
fn table(page: &Opened, section: &str, title: &str) -> Vec<Vec<String>> {
    let found = page.ask(&format!(
        "[...document.querySelectorAll('section')]
            .filter((section) => section.querySelector('h2').textContent.startsWith({section:?}))
            .flatMap((section) => [...section.querySelectorAll('.block')])
            .filter((block) => block.querySelector('h3').textContent === {title:?})
            .map((block) => [...block.querySelectorAll('tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent)))"
    ));
    assert_eq!(found.as_array().unwrap().len(), 1, "{section}: {title}");
    serde_json::from_value(found[0].clone()).unwrap()
}

fn number(text: &str) -> u64 {
    text.replace(',', "").parse().unwrap()
}

/// What must be true of every page; gives the kinds of its charts.
fn check(page: &Opened, path: &Path) -> BTreeSet<String> {
    assert_eq!(page.problems(), Vec::<String>::new());
    assert_eq!(page.requests(), [url(path)]);
    let charts = page.ask(
        "JSON.parse(document.getElementById('charts').textContent).map((chart) => {
            const element = document.getElementById(chart.id);
            const svg = element.querySelector('svg');
            const block = element.closest('.block');
            const named = (ids) => ids.split(' ').map((id) => document.getElementById(id).textContent).join(' ');
            return {
                id: chart.id, kind: chart.kind, role: element.getAttribute('role'),
                name: named(element.getAttribute('aria-labelledby')), about: named(element.getAttribute('aria-describedby')),
                label: element.getAttribute('aria-label'),
                paths: svg.querySelectorAll('path').length, texts: svg.querySelectorAll('text').length,
                width: svg.getBoundingClientRect().width, room: element.clientWidth,
                rows: block.querySelectorAll('details tbody tr').length,
                scoped: block.querySelectorAll('details th:not([scope])').length === 0,
                marks: chart.kind === 'bars' ? chart.series.flatMap(({ values }) => values).filter((value) => value > 0).length
                    : chart.kind === 'heat' ? chart.counts.flat().filter((count) => count > 0).length
                    : chart.kind === 'map' ? chart.places.length + chart.journeys.length
                    : chart.kind === 'timeline' ? chart.events.length
                    : chart.series.flatMap(({ points }) => points).length,
            };
        })",
    );
    let mut kinds = BTreeSet::new();
    for chart in charts.as_array().unwrap() {
        assert_eq!(chart["role"], "img", "{chart}");
        for text in ["name", "about", "label"] {
            assert!(!chart[text].as_str().unwrap().is_empty(), "{text}: {chart}");
        }
        let count = |name: &str| chart[name].as_u64().unwrap();
        assert!(count("marks") > 0 && count("paths") >= count("marks"), "{chart}");
        assert!(count("texts") > 2 && count("rows") > 0 && chart["scoped"] == true, "{chart}");
        assert_eq!(chart["width"], chart["room"], "{chart}");
        kinds.insert(chart["kind"].as_str().unwrap().to_owned());
    }
    assert_eq!(page.ask("document.querySelectorAll('img').length"), 0);
    assert_eq!(page.ask("document.documentElement.scrollWidth <= innerWidth"), true, "nothing is cut off");
    kinds
}

/// Tab goes to the link that skips, then through the page to the tables, which Enter opens.
fn check_keyboard(page: &Opened) {
    let active = || {
        page.ask("document.activeElement.matches('summary') ? 'summary' : document.activeElement.className || document.activeElement.id")
    };
    page.tab.press_key("Tab").unwrap();
    assert_eq!(active(), "skip");
    assert_eq!(page.ask("document.activeElement.getBoundingClientRect().top >= 0"), true, "it is seen");
    page.tab.press_key("Enter").unwrap();
    assert_eq!(active(), "main");
    page.tab.press_key("Tab").unwrap();
    assert_eq!(active(), "summary");
    page.tab.press_key("Enter").unwrap();
    assert_eq!(page.ask("document.activeElement.parentElement.open"), true);
    page.tab.press_key("Tab").unwrap();
    assert_eq!(active(), "table", "it can be scrolled");
}

/// The blocks that tell of a set of detections, against the lines of them.
fn check_detections(page: &Opened, section: &str, standing: &[Value]) {
    let sum = |title: &str, column: usize| -> u64 {
        table(page, section, title).iter().map(|row| number(&row[column])).sum()
    };
    assert!(standing.len() > 20);
    assert_eq!(sum("Detections over time", 4), standing.len() as u64);
    assert_eq!(sum("By country and level", 4), standing.len() as u64);
    let mut types: BTreeMap<String, [u64; 4]> = BTreeMap::new();
    for line in standing {
        let level = ["low", "medium", "high"].iter().position(|level| line["riskLevel"] == *level).unwrap();
        let row = types.entry(line["riskEventType"].as_str().unwrap().to_owned()).or_default();
        row[level] += 1;
        row[3] += 1;
    }
    let shown = table(page, section, "By type and level").into_iter().map(|row| {
        let figures: Vec<u64> = row[1..].iter().map(|cell| number(cell)).collect();
        (row[0].clone(), figures.try_into().unwrap())
    });
    assert_eq!(shown.collect::<BTreeMap<String, [u64; 4]>>(), types);
    let hours = table(page, section, "By hour and day of the week");
    let mut counted = vec![vec![0u64; 24]; 7];
    for line in standing {
        let time: jiff::Timestamp = line["activityDateTime"].as_str().unwrap().parse().unwrap();
        let time = time.to_zoned(jiff::tz::TimeZone::UTC);
        counted[time.weekday().to_monday_zero_offset() as usize][time.hour() as usize] += 1;
    }
    let shown: Vec<Vec<u64>> =
        hours.iter().map(|row| row[1..].iter().map(|cell| number(cell)).collect()).collect();
    assert_eq!(shown, counted);
    let journeys = standing.iter().filter(|line| {
        let evidence = &line["farsign"]["evidence"];
        let place = |end: &Value| !end["latitude"].is_null();
        !evidence["travel"].is_null() && place(&evidence["reference"]) && place(&evidence["this"])
    });
    let places = standing.iter().filter(|line| !line["location"]["geoCoordinates"].is_null());
    let of = |what: &str| -> u64 {
        table(page, section, "Where from").iter().filter(|row| row[1] == what).map(|row| number(&row[3])).sum()
    };
    assert_eq!((of("place"), of("journey")), (places.count() as u64, journeys.count() as u64));
    let shown = table(page, section, "Users with the most risk");
    for row in &shown {
        let of_user = standing.iter().filter(|line| line["userPrincipalName"] == row[0].as_str()).count();
        assert_eq!(number(&row[4]), of_user as u64, "{row:?}");
    }
    assert!(!table(page, section, "Their timeline").is_empty());
}

#[test]
fn a_replay_as_a_page() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder);
    for (threads, name) in [("1", "one.html"), ("3", "three.html")] {
        let arguments =
            ["replay", "-o", "out.ndjson", "--summary", "summary.json", "--threads", threads, "--report", name];
        judge(folder, &[arguments.as_slice(), &["signins.ndjson"]].concat());
    }
    let path = folder.join("one.html");
    assert!(std::fs::read(&path).unwrap() == std::fs::read(folder.join("three.html")).unwrap(), "the same bytes");
    let page = open(&path, WIDTH);
    let kinds = check(&page, &path);
    assert_eq!(kinds, ["bars", "heat", "map", "timeline"].map(str::to_owned).into());
    let standing = standing(&folder.join("out.ndjson"));
    check_detections(&page, "Detections", &standing);
    let hostile = standing.iter().filter(|line| line["userPrincipalName"] == HOSTILE).count() as u64;
    let users = table(&page, "Detections", "Users with the most risk");
    assert!(users.iter().any(|row| row[0] == HOSTILE && number(&row[4]) == hostile), "{users:?}");
    let drawn = page.ask(
        "[...document.querySelectorAll('.chart text')].some((text) => text.textContent.startsWith('</script>'))",
    );
    assert_eq!(drawn, true, "the name is text in the charts, too");
    let suppressions = read_json(&folder.join("summary.json"))["suppressions"].clone();
    let silenced: u64 = suppressions
        .as_object()
        .unwrap()
        .values()
        .flat_map(|by| by.as_object().unwrap().values())
        .map(|count| count.as_u64().unwrap())
        .sum();
    let shown = table(&page, "What was silenced", "Silenced, by reason");
    assert_eq!(shown.iter().map(|row| number(&row[2])).sum::<u64>(), silenced);
    check_keyboard(&page);
    page.keep_pictures("replay");
    let narrow = open(&path, 500);
    check(&narrow, &path);
    narrow.keep_pictures("replay-narrow");
}

#[test]
fn a_comparison_of_configurations_as_a_page() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder);
    let grid = ["--set", "detections.unfamiliar_features.low_bits=6.25..12.25:6", "--budget", "500"];
    let arguments = [
        "tune",
        "--output-dir",
        "out",
        "--json",
        "tune.json",
        "--labels",
        "labels.ndjson",
        "--report",
        "tune.html",
    ];
    judge(folder, &[arguments.as_slice(), &grid, &["signins.ndjson"]].concat());
    let path = folder.join("tune.html");
    let page = open(&path, WIDTH);
    let kinds = check(&page, &path);
    assert_eq!(kinds, ["bars", "heat", "lines", "map", "timeline"].map(str::to_owned).into());
    let report = read_json(&folder.join("tune.json"));
    let variants = table(&page, "Variants", "Alerts by variant and type");
    assert_eq!(variants.len(), report["variants"].as_array().unwrap().len());
    for (row, variant) in variants.iter().zip(report["variants"].as_array().unwrap()) {
        assert_eq!(number(&row[1]), variant["alerts"].as_u64().unwrap(), "{row:?}");
    }
    let recommended = report["recommended"].as_u64().unwrap();
    assert_ne!(recommended, 0, "the page shows two variants");
    for number in [0, recommended] {
        let section = format!("Alerts of {number} ");
        check_detections(&page, &section, &standing(&folder.join(format!("out/{number:03}.ndjson"))));
        assert!(!table(&page, &section, "Unconfirmed alerts by cause").is_empty());
        assert!(!table(&page, &section, "Unconfirmed alerts by what spoke loudest").is_empty());
    }
    let titles = [
        "Incidents caught and the cost of it",
        "Incidents caught over unconfirmed alerts (ROC)",
        "Precision and incidents caught (PR)",
    ];
    for title in titles {
        assert!(!table(&page, "Against labels", title).is_empty());
    }
    page.keep_pictures("tune");
    // The page of a resumed run rests on a pass of its own.
    let resumed = |report: &str| {
        let arguments = ["tune", "--resume", "kept.ndjson", "--labels", "labels.ndjson", "--report", report];
        judge(folder, &[arguments.as_slice(), &grid, &["signins.ndjson"]].concat());
        std::fs::read(folder.join(report)).unwrap()
    };
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes == resumed("fresh.html") && bytes == resumed("again.html"), "the same bytes");
}

#[test]
fn what_changed_as_a_page() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder);
    std::fs::write(
        folder.join("other.yaml"),
        "detections: {new_country: {enabled: false}, unfamiliar_features: {low_bits: 6.25}}\n",
    )
    .unwrap();
    judge(
        folder,
        &["diff", "--against", "other.yaml", "--json", "diff.json", "--report", "diff.html", "signins.ndjson"],
    );
    let path = folder.join("diff.html");
    let page = open(&path, WIDTH);
    check(&page, &path);
    let report = read_json(&folder.join("diff.json"));
    let types = table(&page, "What changed", "Changes by type");
    for (change, column) in [("appeared", 1), ("vanished", 2), ("raised", 3), ("lowered", 4)] {
        let sum: u64 = types.iter().map(|row| number(&row[column])).sum();
        assert_eq!(json!(sum), report[change], "{change}");
    }
    for (section, change) in [("Appeared", "appeared"), ("Vanished", "vanished")] {
        let sum: u64 = table(&page, section, "By type and level").iter().map(|row| number(&row[4])).sum();
        assert_eq!(json!(sum), report[change]);
    }
    let volume = table(&page, "What changed", "Detections over time");
    for (side, column) in [("first", 1), ("second", 2)] {
        assert_eq!(json!(volume.iter().map(|row| number(&row[column])).sum::<u64>()), report[side]);
    }
    assert_eq!(table(&page, "What changed", "By cause").len(), report["groups"].as_array().unwrap().len());
    page.keep_pictures("diff");
    // Of files, and of files that are alike.
    judge(folder, &["replay", "-o", "detections.ndjson", "signins.ndjson"]);
    run(folder, &["diff", "--report", "same.html", "detections.ndjson", "detections.ndjson"]);
    let path = folder.join("same.html");
    let page = open(&path, WIDTH);
    check(&page, &path);
    assert_eq!(
        page.ask(
            "document.querySelector('main').textContent.includes('Nothing: the same detections stand in both')"
        ),
        true
    );
}

#[test]
fn an_evaluation_as_a_page() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    simulated(folder);
    judge(folder, &["replay", "-o", "detections.ndjson", "signins.ndjson"]);
    let arguments = [
        "evaluate",
        "labels.ndjson",
        "detections.ndjson",
        "--json",
        "evaluation.json",
        "--report",
        "evaluation.html",
    ];
    judge(folder, &[arguments.as_slice(), &["--resamples", "10", "--sign-ins", "signins.ndjson"]].concat());
    let path = folder.join("evaluation.html");
    let page = open(&path, WIDTH);
    let kinds = check(&page, &path);
    assert_eq!(kinds, ["bars", "heat", "lines", "map", "timeline"].map(str::to_owned).into());
    check_detections(&page, "All detections", &standing(&folder.join("detections.ndjson")));
    let report = read_json(&folder.join("evaluation.json"));
    for (title, key) in [("By cause", "causes"), ("By type", "types")] {
        let shown = table(&page, "False alerts", title).into_iter().map(|row| (row[0].clone(), number(&row[4])));
        let counted = report["falseAlerts"][key].as_object().unwrap().iter().map(|(name, levels)| {
            (name.clone(), ["low", "medium", "high"].iter().map(|level| levels[level].as_u64().unwrap()).sum())
        });
        assert_eq!(shown.collect::<BTreeMap<_, u64>>(), counted.collect());
    }
    let caught = table(&page, "What was caught", "Campaigns caught, by kind of attack");
    for row in &caught {
        assert_eq!(json!(number(&row[2])), report["points"][0]["attacks"][&row[0]]["caught"], "{row:?}");
    }
    let scores = report["scores"].as_array().unwrap().len();
    assert!(scores > 5);
    for title in ["Receiver operating characteristic (ROC)", "Precision and recall (PR)"] {
        assert_eq!(table(&page, "What was caught", title).len(), scores, "{title}");
    }
    assert!(!table(&page, "What was caught", "Campaigns caught at a budget of false alerts").is_empty());
    page.keep_pictures("evaluation");
}

#[test]
fn a_run_without_detections_says_so() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let sign_in = json!({"type": "signIn", "tenantId": "t", "id": "s", "userId": "u", "time": "2026-03-02T08:00:00Z",
        "outcome": "success", "ipAddress": "192.0.2.1"});
    std::fs::write(folder.join("signins.ndjson"), format!("{sign_in}\n")).unwrap();
    run(folder, &["replay", "-o", "out.ndjson", "--report", "page.html", "signins.ndjson"]);
    let path = folder.join("page.html");
    let page = open(&path, WIDTH);
    assert!(check(&page, &path).is_empty());
    assert_eq!(page.ask("document.querySelector('main').textContent.includes('None stands')"), true);
}

#[test]
fn a_script_that_is_not_the_pages_own_does_not_run_and_is_noticed() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("signins.ndjson"), "").unwrap();
    run(folder, &["replay", "-o", "out.ndjson", "--report", "page.html", "signins.ndjson"]);
    let text = std::fs::read_to_string(folder.join("page.html")).unwrap();
    let path = folder.join("tampered.html");
    let foreign =
        "<img src=x onerror=\"window.ran = true\"><script>window.ran = true; console.error('seen')</script>";
    std::fs::write(&path, text.replace("<footer>", &format!("{foreign}<footer>"))).unwrap();
    let page = open(&path, WIDTH);
    assert_eq!(page.ask("window.ran === undefined"), true);
    let problems = page.problems();
    for blocked in ["policy: script-src", "policy: img-src"] {
        assert!(problems.iter().any(|problem| problem.starts_with(blocked)), "{blocked}: {problems:?}");
    }
    assert!(problems.iter().any(|problem| problem.contains("Content Security Policy")), "{problems:?}");
}

#[test]
fn a_page_does_not_overwrite_what_is_read() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let detections = "detections.ndjson";
    std::fs::write(folder.join(detections), "").unwrap();
    std::fs::write(folder.join("other.yaml"), "detections: {new_country: {enabled: false}}\n").unwrap();
    for arguments in [
        ["replay", "-o", "out.ndjson", "--report", detections, detections].as_slice(),
        &["tune", "--set", "detections.impossible_travel.max_speed_kmh=700", "--report", detections, detections],
        &["diff", "--report", detections, detections, detections],
        &["diff", "--against", "other.yaml", "--report", detections, detections],
        &["evaluate", "--report", detections, detections, detections],
    ] {
        let output = farsign(folder, arguments).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains("would be overwritten"), "{arguments:?}: {told}");
    }
    let piped = ["tune", "--set", "detections.impossible_travel.max_speed_kmh=700", "--report", "page.html", "-"];
    let told = String::from_utf8(farsign(folder, &piped).output().unwrap().stderr).unwrap();
    assert!(told.contains("a pipe can be read once"), "{told}");
}
