//! A comparison as text for a terminal.

use super::report::{Example, Group, Report};
use crate::render::text::{count, counted, filtered, heading, paragraph, table, wrapped};

const INDENT: &str = "    ";

/// The same report gives the same text.
pub fn tables(report: &Report) -> String {
    let mut text = heading("What changed");
    text += &paragraph(&summary(report));
    if report.groups.is_empty() {
        return text;
    }
    text += &heading("By cause");
    let row = |group: &Group| {
        [
            group.change.name().to_owned(),
            group.kind.clone(),
            count(group.detections),
            count(group.users),
            group.cause.clone(),
        ]
    };
    let header = ["change", "type", "detections", "users", "cause"];
    text += &table(&header, &[2, 3], report.groups.iter().map(row).collect());
    text += &heading("Examples");
    for group in &report.groups {
        text += &paragraph(&format!("{} {}: {}", group.kind, group.change.name(), group.cause));
        for example in &group.examples {
            text += &wrapped(&told(example), INDENT);
        }
    }
    text
}

fn summary(report: &Report) -> String {
    let judged = judged_by(report);
    let logs = report.logs.as_ref().map(|logs| {
        let filtered = filtered(&logs.filtered);
        let (records, files) = (counted(logs.records, "record"), counted(logs.files, "file"));
        format!("{records} ({} rejected{filtered}) of {files}, judged by both. ", count(logs.rejected))
    });
    let logs = logs.unwrap_or_default();
    format!(
        "{logs}Detections that stand: {} in the first, {} in the second. Appeared: {}; vanished: {}; raised: {}; lowered: {}; of \
         another score at the same level: {}; the same: {}. {judged}",
        count(report.first),
        count(report.second),
        count(report.appeared),
        count(report.vanished),
        count(report.raised),
        count(report.lowered),
        count(report.rescored),
        count(report.same),
    )
}

/// What is known of the two configurations.
fn judged_by(report: &Report) -> String {
    if let Some(settings) = &report.settings {
        // A list is longer than a line.
        let told = |(key, [first, second]): (&String, &[String; 2])| match first.starts_with('[') {
            true => key.clone(),
            false => format!("{key} ({first}, then {second})"),
        };
        return format!(
            "The configurations differ in {}.",
            settings.iter().map(told).collect::<Vec<_>>().join(", ")
        );
    }
    let told = match report.config_hashes.each_ref().map(Vec::as_slice) {
        [[], []] => "Neither holds a detection.",
        [[], _] => "The first holds no detection, so nothing tells what it was judged by.",
        [_, []] => "The second holds no detection, so nothing tells what it was judged by.",
        [[first], [second]] if first == second => "Both were judged by the same configuration and tables.",
        [first, second] if first == second => {
            "Each was judged by several configurations or tables, the same ones."
        }
        _ => "They were judged by different configurations or tables.",
    };
    told.to_owned()
}

fn told(example: &Example) -> String {
    let side = |side: usize| match (&example.levels[side], example.scores[side]) {
        (Some(level), Some(score)) => format!("{level} {score}"),
        _ => "nothing".to_owned(),
    };
    let request = if example.request_id.is_empty() { "the user" } else { &example.request_id };
    format!(
        "{} {} ({request}): {} → {}. {}",
        example.time.split('.').next().unwrap_or_default(),
        example.user,
        side(0),
        side(1),
        example.sentence
    )
}
