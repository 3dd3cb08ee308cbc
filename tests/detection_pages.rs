//! `docs/detections/`: a page for each file of `src/engine/detect` that is a detection, and an index by type.
//!
//! The words are those of the doc comment at the head of the file. Everything else comes from where it is decided:
//! types and suppressions from the code, techniques from `RiskEventType`, parameters and their defaults from the
//! configuration's schema, levels from the scenarios. `UPDATE_GENERATED=1` rewrites the pages.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

#[path = "detection_pages/page.rs"]
mod page;
#[path = "detection_pages/parameters.rs"]
mod parameters;
#[path = "detection_pages/scenarios.rs"]
mod scenarios;
#[path = "detection_pages/source.rs"]
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use farsign::engine::finding::RiskEventType;
use parameters::Schema;
use scenarios::Scenarios;
use source::Source;

const FOLDER: &str = "docs/detections";

/// Every page by its file's name, or all that is wrong.
fn pages() -> Result<BTreeMap<String, String>, Vec<String>> {
    let schema = Schema::of_the_configuration();
    let scenarios = Scenarios::read(Path::new("tests/scenarios"));
    let (mut problems, mut sources) = (Vec::new(), Vec::new());
    for (name, text) in source::files(Path::new("src/engine/detect")) {
        match Source::parse(&name, &text) {
            Ok(source) => sources.push(source),
            Err(found) => problems.extend(found.into_iter().map(|problem| format!("{name}.rs: {problem}"))),
        }
    }
    for source in &sources {
        let found = schema.problems(source).into_iter().chain(page::problems(source));
        problems.extend(found.map(|problem| format!("{}.rs: {problem}", source.name)));
    }
    problems.extend(schema.unnamed(&sources));
    problems.extend(scenarios.without_page(&sources));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut pages: BTreeMap<String, String> = sources
        .iter()
        .map(|source| (format!("{}.md", source.name), page::page(source, &schema, &scenarios)))
        .collect();
    pages.insert("README.md".to_owned(), page::index(&sources, &scenarios));
    Ok(pages)
}

#[test]
fn every_detection_has_its_page() {
    let pages = pages().unwrap_or_else(|problems| panic!("\n{}", problems.join("\n")));
    #[expect(clippy::disallowed_methods, reason = "a switch of the developer's, not of the program")]
    let updating = std::env::var("UPDATE_GENERATED").is_ok();
    let on_disk = || {
        let names = std::fs::read_dir(FOLDER).into_iter().flatten();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap())
    };
    if updating {
        std::fs::create_dir_all(FOLDER).unwrap();
        on_disk().for_each(|name| std::fs::remove_file(Path::new(FOLDER).join(name)).unwrap());
        pages.iter().for_each(|(name, text)| std::fs::write(Path::new(FOLDER).join(name), text).unwrap());
    }
    let again = "UPDATE_GENERATED=1 cargo test --test detection_pages";
    for (name, text) in &pages {
        let found = std::fs::read_to_string(Path::new(FOLDER).join(name)).unwrap_or_default();
        assert!(found == *text, "`{FOLDER}/{name}` is stale: {again}");
    }
    for name in on_disk() {
        assert!(pages.contains_key(&name), "`{FOLDER}/{name}` is of no detection: {again}");
    }
}

/// A doc comment with every section, and code that fires one type.
const SOUND: &str = "//! Odd hour: a sign-in when the owner sleeps.
//!
//! ## What it sees
//! The hour, by [`super::properties`].
//! ## Why it matters
//! ATT&CK T1078.004.
//! ## What it misses, and who trips it falsely
//! Shift workers.
//! ## Parameters
//! `new_country.infrequent_after_days` (90), `.common_share` (0.05), `.learning_days`,
//! `.relearn_after_days`, `.sensitivity`.

pub fn detect() -> Result<Draft, Miss> {
    consider(Suppression::EgressLocation, RiskEventType::NewCountry)
}
";

fn problems_of(text: &str) -> Vec<String> {
    match Source::parse("odd_hour", text) {
        Ok(source) => {
            let mut problems = Schema::of_the_configuration().problems(&source);
            problems.extend(page::problems(&source));
            problems
        }
        Err(problems) => problems,
    }
}

#[test]
fn what_is_missing_or_wrong_is_told() {
    let check = |from: &str, to: &str, expected: &[&str]| {
        let text = SOUND.replacen(from, to, 1);
        assert!(from.is_empty() || text != SOUND, "`{from}` is there");
        assert_eq!(problems_of(&text), expected, "{from} → {to}");
    };
    check("", "", &[]);
    for heading in source::SECTIONS {
        let problem = format!("no section `## {heading}`");
        check(&format!("## {heading}\n"), "\n", &[&problem]);
    }
    check("//! Shift workers.\n", "", &["nothing under `## What it misses, and who trips it falsely`"]);
    check(
        "## What it sees",
        "## What it saw",
        &["no section `## What it sees`", "unknown section `## What it saw`"],
    );
    check("Odd hour: a", "Odd hour a", &["the first line is not `Name: what it is`"]);
    check("T1078.004", "T1090.003", &["names no technique of `newCountry`, which is T1078.004"]);
    check("T1078.004", "nobody knows", &["names no technique of `newCountry`, which is T1078.004"]);
    check("infrequent_after_days", "frequent_after_days", &["no key `new_country.frequent_after_days`"]);
    check("(90)", "(60)", &["`new_country.infrequent_after_days` is 90 by default, not 60"]);
    check("NewCountry", "SuspiciousHour", &["fires no type of detection"]);
}

#[test]
fn a_file_without_drafts_is_no_detection() {
    assert!(source::is_detection(SOUND));
    assert!(!source::is_detection("//! Borders.\n\npub fn share_border() -> bool {}\n"));
    assert!(!source::is_detection("//! Evidence.\n\npub fn evidence(draft: Draft) -> Evidence {}\n"));
}

#[test]
fn links_of_a_doc_comment_become_those_of_a_page() {
    let check = |text: &str, expected: &str| assert_eq!(source::without_code_links(text), expected);
    check("bits ([`super::properties`]), ", "bits (`src/engine/detect/properties.rs`), ");
    check("[`conclude`](suppress::conclude) ends", "`conclude` ends");
    check("see [the paper](https://example.org/x)", "see [the paper](https://example.org/x)");
    check("[`no::such`] thing", "`no::such` thing");
}

#[test]
fn the_index_names_each_type_once_a_page() {
    let source = Source::parse("odd_hour", SOUND).unwrap();
    assert_eq!(source.kinds, [RiskEventType::NewCountry]);
    let index = page::index(&[source], &Scenarios::read(Path::new("tests/scenarios")));
    assert!(index.contains("| `newCountry` | low – high | [T1078.004](https://attack.mitre.org/techniques/T1078/004/) | [Odd hour](odd_hour.md) |"), "{index}");
}
