//! The result as tables for a terminal.

use std::collections::BTreeSet;

use super::report::{Report, VariantReport};
use crate::render::text::{count, heading, paragraph, wide_table};

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
    text += &by_type(report);
    text += &conclusion(report);
    text
}

const LEGEND: &str = "Alerts are neither suppressed nor withdrawn. Rate: alerts per 1,000 active users per day.";
const LEGEND_OF_LABELS: &str = "Unconfirmed: the rate of alerts that are not on a confirmed sign-in, nor compare with one. \
                                Recall: share of the confirmed sign-ins, and of their incidents, with an alert. \
                                Precision: of the alerts on labelled sign-ins, the share on confirmed ones. A star: no \
                                variant has more recall (of incidents, if there are any) at no higher a rate of \
                                unconfirmed alerts. An arrow: recommended.";

fn stream(report: &Report) -> String {
    let stream = &report.stream;
    let mut text = format!(
        "{} variants over {} records ({} rejected) of {} files; {} active user-days. Alerts count from level {}",
        report.variants.len(),
        count(stream.records),
        count(stream.rejected),
        count(stream.files),
        count(stream.active_user_days),
        stream.min_level,
    );
    if stream.warm_up_days > 0 {
        text += &format!(", and not in the first {} days", stream.warm_up_days);
    }
    text += ".";
    if let Some(labels) = &report.labels {
        text += &format!(
            " Labels: {} sign-ins confirmed, {} dismissed{}; {} confirmed ones can be caught here, in {} incidents.",
            count(labels.confirmed),
            count(labels.dismissed),
            if labels.complete { " (and all without a label)" } else { "" },
            count(labels.confirmed_seen),
            count(labels.incidents_seen),
        );
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

/// Alerts of each type in which variants differ: the base's, and how many more or fewer each variant has.
fn by_type(report: &Report) -> String {
    let of = |variant: &VariantReport, kind: &str| -> u64 {
        variant.detections.get(kind).map_or(0, |by| by.values().sum())
    };
    let Some((base, others)) = report.variants.split_first() else { return String::new() };
    let kinds: BTreeSet<&str> =
        report.variants.iter().flat_map(|variant| variant.detections.keys().map(String::as_str)).collect();
    let differs = |kind: &&str| others.iter().any(|variant| of(variant, kind) != of(base, kind));
    let (kinds, same): (Vec<&str>, Vec<&str>) = kinds.into_iter().partition(differs);
    let header: Vec<&str> = std::iter::once("#").chain(kinds.iter().copied()).collect();
    let first = |variant: &VariantReport| std::iter::once(variant.number.to_string());
    let mut rows = vec![first(base).chain(kinds.iter().map(|kind| count(of(base, kind)))).collect::<Vec<_>>()];
    for variant in others {
        let change = |kind: &&str| match of(variant, kind) as i64 - of(base, kind) as i64 {
            0 => "=".to_owned(),
            more => format!("{more:+}"),
        };
        rows.push(first(variant).chain(kinds.iter().map(change)).collect());
    }
    let numbers: Vec<usize> = (0..header.len()).collect();
    let table = if kinds.is_empty() { String::new() } else { wide_table(&header, &numbers, rows) };
    let of_same = |kind: &&str| format!("{kind} {}", count(of(base, kind)));
    let same = same.iter().map(of_same).collect::<Vec<_>>().join(", ");
    match (table.is_empty(), same.is_empty()) {
        (true, true) => paragraph("No variant raises an alert."),
        (_, true) => table,
        (_, false) => table + &paragraph(&format!("The same in every variant: {same}.")),
    }
}

fn conclusion(report: &Report) -> String {
    let Some(budget) = report.budget else { return String::new() };
    let mut text = heading("Recommendation");
    let named = report.recommended.and_then(|number| report.variants.iter().find(|it| it.number == number));
    text += &paragraph(&match (named, &report.labels) {
        (_, None) => "A budget was stated, but without labels there is no recall to choose by.".to_owned(),
        (None, _) => {
            format!("No variant stays within {budget} unconfirmed alerts per 1,000 active users per day.")
        }
        (Some(variant), _) => format!(
            "Variant {} ({}) has the highest recall, {} %, within {budget} unconfirmed alerts per 1,000 \
             active users per day.",
            variant.number,
            variant.name,
            percent(variant.recall()),
        ),
    });
    text
}
