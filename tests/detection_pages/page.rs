//! A detection's page, and the index, as Markdown.

use std::collections::BTreeMap;

use farsign::engine::finding::{RiskEventType, RiskLevel, Suppression};

use crate::parameters::Schema;
use crate::scenarios::Scenarios;
use crate::source::{SECTIONS, Source, suppressions};

const COMMAND: &str = "UPDATE_GENERATED=1 cargo test --test detection_pages";

/// What a page cannot be made without.
pub fn problems(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    for kind in &source.kinds {
        let technique = kind.mitre_technique();
        // A sub-technique may be told more exactly than the type's own.
        let parent = technique.split('.').next().unwrap_or_default();
        if !source.section("Why it matters").contains(parent) {
            problems.push(format!("names no technique of `{}`, which is {technique}", kind.name()));
        }
    }
    problems
}

/// "low – high".
fn level_range(levels: &[RiskLevel]) -> String {
    match levels {
        [] => "–".to_owned(),
        [only] => only.name().to_owned(),
        [first, .., last] => format!("{} – {}", first.name(), last.name()),
    }
}

fn technique_link(technique: &str) -> String {
    format!("[{technique}](https://attack.mitre.org/techniques/{}/)", technique.replace('.', "/"))
}

pub fn index(sources: &[Source], scenarios: &Scenarios) -> String {
    let mut text = format!(
        "# Detections\n\n\
         What Farsign looks for, by `riskEventType`. Levels are those that scenarios show; techniques are MITRE\n\
         ATT&CK's, as in `mitreTechniques` of the output. Words come from the head of each file in\n\
         `src/engine/detect`, the rest from code, configuration and scenarios: `{COMMAND}`.\n\n\
         | riskEventType | level | ATT&CK | page |\n|---|---|---|---|\n"
    );
    for kind in RiskEventType::ALL {
        for source in sources.iter().filter(|source| source.kinds.contains(&kind)) {
            let (levels, technique) =
                (level_range(&scenarios.levels(kind)), technique_link(kind.mitre_technique()));
            let (title, name) = (&source.title, &source.name);
            text.push_str(&format!("| `{}` | {levels} | {technique} | [{title}]({name}.md) |\n", kind.name()));
        }
    }
    text
}

pub fn page(source: &Source, schema: &Schema, scenarios: &Scenarios) -> String {
    let Source { name, title, summary, .. } = source;
    let mut text = format!(
        "# {title}\n\n{summary}\n\n\
         Made from `src/engine/detect/{name}.rs`: `{COMMAND}`. All detections: [index](README.md).\n\n\
         | riskEventType | level | ATT&CK | shown by |\n|---|---|---|---|\n"
    );
    for kind in &source.kinds {
        let technique = technique_link(kind.mitre_technique());
        let levels = scenarios.levels(*kind);
        if levels.is_empty() {
            // Sign-ins of one user do not show it.
            text.push_str(&format!("| `{}` | – | {technique} | |\n", kind.name()));
        }
        for level in levels {
            let link = scenarios.link_of_level(source, *kind, level).unwrap_or_default();
            text.push_str(&format!("| `{}` | {} | {technique} | {link} |\n", kind.name(), level.name()));
        }
    }
    for heading in SECTIONS.into_iter().filter(|heading| *heading != "Parameters") {
        text.push_str(&format!("\n## {heading}\n\n{}\n", source.section(heading)));
    }
    text.push_str(&format!("\n## Parameters\n\n{}", schema.table(source)));
    text.push_str("\n## What silences it\n\n");
    text.push_str(if source.judges {
        "Considered in this detection's own file, and then what holds for every detection. "
    } else {
        "Considered in this file: what another product judged is not judged again. "
    });
    text.push_str("Whichever was considered is in the evidence, with what was compared.\n\n");
    text.push_str("| reason | when | shown by |\n|---|---|---|\n");
    let general = suppressions(&std::fs::read_to_string("src/engine/detect/suppress.rs").unwrap());
    let own = source.suppressions.iter().copied();
    let general = general
        .into_iter()
        .filter(|reason| source.judges && !source.suppressions.contains(reason))
        // What needs no history is not muted while it is learnt.
        .filter(|reason| *reason != Suppression::Learning || source.learns);
    let meanings = meanings();
    for reason in own.chain(general) {
        let link = scenarios.link_of_reason(source, reason).unwrap_or_default();
        let meaning = &meanings[&format!("{reason:?}")];
        text.push_str(&format!("| `{}` | {meaning} | {link} |\n", reason.name()));
    }
    text
}

/// What each member of `Suppression` means: its doc comment.
fn meanings() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string("src/engine/finding.rs").unwrap();
    let body = text.split("pub enum Suppression {\n").nth(1).and_then(|rest| rest.split("\n}").next()).unwrap();
    let mut meanings = BTreeMap::new();
    let mut doc: Vec<&str> = Vec::new();
    for line in body.lines().map(str::trim) {
        match line.strip_prefix("///") {
            Some(words) => doc.push(words.trim()),
            None => {
                let member = line.trim_end_matches(',').split(" =").next().unwrap_or_default();
                meanings.insert(member.to_owned(), std::mem::take(&mut doc).join(" "));
            }
        }
    }
    let told = Suppression::ALL
        .iter()
        .all(|reason| meanings.get(&format!("{reason:?}")).is_some_and(|meaning| !meaning.is_empty()));
    assert!(told, "every suppression has a doc comment");
    meanings
}
