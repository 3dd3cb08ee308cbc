//! The result as tables for a terminal.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Report, VariantReport};
use crate::render::text::{count, counted, filtered, heading, paragraph, wide_table};

/// The same report gives the same text.
pub fn tables(report: &Report) -> String {
    let mut text = heading("What was tried");
    text += &paragraph(&stream(report));
    text += &heading("Variants");
    text += &paragraph(LEGEND);
    if report.labels.is_some() {
        text += &paragraph(LEGEND_OF_LABELS);
    }
    text += &variants(report);
    text += &heading("By type, against the base");
    let by_type = |variant: &VariantReport| -> BTreeMap<String, u64> {
        variant.detections.iter().map(|(kind, by)| (kind.clone(), by.values().sum())).collect()
    };
    text += &against_base(report, &by_type, "No variant raises an alert.");
    text += &heading("Suppressed, by reason, against the base");
    text += &against_base(report, &by_reason, "No variant suppresses a detection.");
    text += &conclusion(report);
    text
}

const LEGEND: &str = "Alerts are neither suppressed nor withdrawn. Rate: alerts per 1,000 active users per day.";
const LEGEND_OF_LABELS: &str = "Unconfirmed: the rate of alerts that are not on a confirmed sign-in, nor compare with one. \
                                Recall: share of the confirmed sign-ins with an alert; incidents: share of their incidents with one. \
                                Precision: of the alerts on labelled sign-ins, the share on confirmed ones. A star: no \
                                variant catches more (incidents, if there are any; else sign-ins) at no higher a rate of \
                                unconfirmed alerts. An arrow: recommended.";

fn stream(report: &Report) -> String {
    let stream = &report.stream;
    let mut text = format!(
        "{} variants over {} records ({} rejected{}) of {}; {} active user-days. Alerts count from level {}",
        report.variants.len(),
        count(stream.records),
        count(stream.rejected),
        filtered(&stream.filtered),
        counted(stream.files, "file"),
        count(stream.active_user_days),
        stream.min_level,
    );
    match stream.warm_up_days {
        0 => {}
        1 => text += ", and not on the first day",
        days => text += &format!(", and not in the first {days} days"),
    }
    text += ".";
    if let Some(labels) = &report.labels {
        text += &format!(
            " Labels: {} confirmed, {} dismissed{}. Of these {} confirmed ones can be caught here, in {}, and {} dismissed ones \
             are counted.",
            counted(labels.confirmed, "sign-in"),
            count(labels.dismissed),
            if labels.complete { " (and all without a label)" } else { "" },
            count(labels.confirmed_seen),
            counted(labels.incidents_seen, "incident"),
            count(labels.dismissed_seen),
        );
        if labels.unused > 0 {
            text += &format!(
                " {} of feedback name no sign-in, or say nothing of who signed in: not used.",
                counted(labels.unused, "record")
            );
        }
    }
    text
}

fn variants(report: &Report) -> String {
    let mut header = vec!["", "#", "variant", "alerts", "rate", "low", "medium", "high", "users", "suppressed"];
    if report.labels.is_some() {
        header.extend(["unconfirmed", "recall %", "incidents %", "precision %"]);
    }
    let numbers: Vec<usize> = (1..header.len()).filter(|column| *column != 2).collect();
    let row = |variant: &VariantReport| {
        let by_level = |level: &str| -> u64 { variant.detections.values().filter_map(|by| by.get(level)).sum() };
        let suppressed: u64 = variant.suppressions.values().flat_map(|by| by.values()).sum();
        let mut row = vec![
            mark(report, variant),
            variant.number.to_string(),
            variant.name.clone(),
            count(variant.alerts),
            rate(variant.alert_rate),
            count(by_level("low")),
            count(by_level("medium")),
            count(by_level("high")),
            count(variant.users),
            count(suppressed),
        ];
        if report.labels.is_some() {
            let labelled = variant.labelled.as_ref();
            row.push(rate(labelled.and_then(|labelled| labelled.unconfirmed_rate)));
            row.push(percent(labelled.and_then(|labelled| labelled.recall)));
            row.push(percent(labelled.and_then(|labelled| labelled.incident_recall)));
            row.push(percent(labelled.and_then(|labelled| labelled.precision)));
        }
        row
    };
    wide_table(&header, &numbers, report.variants.iter().map(row).collect())
}

fn mark(report: &Report, variant: &VariantReport) -> String {
    let front = if report.pareto_front.contains(&variant.number) { "*" } else { "" };
    let chosen = if report.recommended == Some(variant.number) { ">" } else { "" };
    format!("{chosen}{front}")
}

fn rate(rate: Option<f64>) -> String {
    rate.map_or("-".to_owned(), |rate| format!("{rate:.2}"))
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1}", share * 100.0))
}

/// Suppressed detections, of whatever type.
fn by_reason(variant: &VariantReport) -> BTreeMap<String, u64> {
    let mut reasons = BTreeMap::new();
    for (reason, count) in variant.suppressions.values().flatten() {
        *reasons.entry(reason.clone()).or_default() += count;
    }
    reasons
}

/// What differs between variants of what `of` counts by name: the base's counts, and how many more or fewer each variant
/// has. `none` is said where nothing is counted.
fn against_base(report: &Report, of: &dyn Fn(&VariantReport) -> BTreeMap<String, u64>, none: &str) -> String {
    let counts: Vec<BTreeMap<String, u64>> = report.variants.iter().map(of).collect();
    let Some((base, others)) = counts.split_first() else { return String::new() };
    let in_variant = |counts: &BTreeMap<String, u64>, name: &str| counts.get(name).copied().unwrap_or(0);
    let names: BTreeSet<&str> = counts.iter().flat_map(|counts| counts.keys().map(String::as_str)).collect();
    let differs = |name: &&str| others.iter().any(|other| in_variant(other, name) != in_variant(base, name));
    let (names, same): (Vec<&str>, Vec<&str>) = names.into_iter().partition(differs);
    let header: Vec<&str> = std::iter::once("#").chain(names.iter().copied()).collect();
    let mut numbers = report.variants.iter().map(|variant| variant.number.to_string());
    let first = numbers.next().into_iter();
    let mut rows = vec![first.chain(names.iter().map(|name| count(in_variant(base, name)))).collect::<Vec<_>>()];
    for (number, other) in numbers.zip(others) {
        let change = |name: &&str| match in_variant(other, name) as i64 - in_variant(base, name) as i64 {
            0 => "=".to_owned(),
            more => format!("{more:+}"),
        };
        rows.push(std::iter::once(number).chain(names.iter().map(change)).collect());
    }
    let right: Vec<usize> = (0..header.len()).collect();
    let table = if names.is_empty() { String::new() } else { wide_table(&header, &right, rows) };
    let of_same = |name: &&str| format!("{name} {}", count(in_variant(base, name)));
    let same = same.iter().map(of_same).collect::<Vec<_>>().join(", ");
    match (table.is_empty(), same.is_empty()) {
        (true, true) => paragraph(none),
        (_, true) => table,
        (_, false) => table + &paragraph(&format!("The same in every variant: {same}.")),
    }
}

fn conclusion(report: &Report) -> String {
    let Some(budget) = report.budget else { return String::new() };
    let named = report.recommended.and_then(|number| report.variants.iter().find(|it| it.number == number));
    let within = format!("within {budget} unconfirmed alerts per 1,000 active users per day");
    let told = match (named, &report.labels) {
        (_, None) => "A budget was stated, but without labels nothing tells what a variant catches.".to_owned(),
        (_, Some(labels)) if labels.confirmed_seen == 0 => {
            format!(
                "No confirmed sign-in can be caught here, so nothing tells what a variant catches: of {} variants {} stay {within}.",
                report.variants.len(),
                report.within(budget).count(),
            )
        }
        (None, _) => format!("No variant stays {within}."),
        (Some(variant), Some(labels)) => {
            let (variant, caught) =
                (format!("Variant {} ({})", variant.number, variant.name), percent(variant.caught()));
            match labels.has_incidents() {
                true => format!("{variant} catches the most incidents, {caught} % of them, {within}."),
                false => format!("{variant} has the highest recall, {caught} %, {within}."),
            }
        }
    };
    heading("Recommendation") + &paragraph(&told)
}
