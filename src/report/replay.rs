//! The page of `farsign replay`: what was read, what was found in it, and what was silenced.

use super::alerts::Alerts;
use super::overview::{Span, minute, section};
use super::page::{Bars, Block, Chart, Page, Section, Series, Table};
use crate::engine::finding::{RiskEventType, Suppression};
use crate::engine::out::Counts;
use crate::render::text::count;
use crate::runtime::replay::summary::Summary;

/// `config_hash`: of what judged; `span`: of the sign-ins.
pub fn replay(summary: &Summary, alerts: &Alerts, config_hash: u64, span: Option<Span>) -> Page {
    let counts = &summary.judged.counts;
    let figure = |name: &str, number: u64| (name.to_owned(), count(number));
    let mut page = Page {
        title: "Risk detections of a replay".to_owned(),
        facts: vec![("configuration".to_owned(), format!("{config_hash:016x}"))],
        notes: notes(summary, alerts),
        headlines: vec![
            figure("detections that stand", alerts.standing().count() as u64),
            figure("users with one", users(alerts)),
            figure("incidents", incidents(alerts)),
            figure("sign-ins", counts.sign_ins),
            figure("users", counts.users_new),
            figure("records", summary.records),
            figure("rejected records", summary.rejects_total() + summary.refused_records),
        ],
        sections: vec![section("Detections", "", alerts, span)],
    };
    page.facts.extend(span.map(told));
    page.sections.extend(silenced(counts));
    page
}

pub(super) fn told((first, last): Span) -> (String, String) {
    ("sign-ins".to_owned(), format!("{} to {} UTC", minute(first), minute(last)))
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> u64 {
    names.collect::<std::collections::BTreeSet<_>>().len() as u64
}

pub(super) fn users(alerts: &Alerts) -> u64 {
    distinct(alerts.standing().map(|alert| alert.user.as_str()))
}

pub(super) fn incidents(alerts: &Alerts) -> u64 {
    distinct(alerts.standing().map(|alert| alert.incident.as_str()))
}

/// What of the detections the page does not have.
pub(super) fn left_out(alerts: &Alerts) -> Option<String> {
    (alerts.untracked > 0).then(|| {
        format!(
            "{} lines of detections are beyond what a page keeps, and are in no figure of the detections.",
            count(alerts.untracked)
        )
    })
}

fn notes(summary: &Summary, alerts: &Alerts) -> Vec<String> {
    let interrupted =
        summary.interrupted.then(|| "Interrupted: the page is true of the part that was read.".to_owned());
    let broken =
        summary.broken.iter().map(|(file, error)| format!("`{file}` could not be read to its end: {error}"));
    let early = (summary.judged.written_early > 0).then(|| {
        format!("{} detections were written before they had settled.", count(summary.judged.written_early))
    });
    interrupted.into_iter().chain(broken).chain(early).chain(left_out(alerts)).collect()
}

/// Detections that were silenced, by reason and type; nothing where none was.
fn silenced(counts: &Counts) -> Option<Section> {
    let total =
        |reason: usize| counts.suppressions.iter().map(|reasons| reasons[reason]).fold(0, u64::wrapping_add);
    let mut reasons: Vec<(Suppression, u64)> =
        Suppression::ALL.into_iter().zip((0..).map(total)).filter(|(_, count)| *count > 0).collect();
    if reasons.is_empty() {
        return None;
    }
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let all: u64 = reasons.iter().map(|(_, count)| count).sum();
    let names: Vec<String> = reasons.iter().map(|(reason, _)| reason.name().to_owned()).collect();
    let types = RiskEventType::ALL.iter().zip(&counts.suppressions);
    let of_types = |reason: Suppression| -> String {
        let with = types.clone().filter_map(|(kind, reasons)| {
            let place = Suppression::ALL.iter().position(|other| *other == reason)?;
            (reasons[place] > 0).then(|| format!("{} {}", kind.name(), count(reasons[place])))
        });
        with.collect::<Vec<_>>().join(", ")
    };
    let row =
        |(reason, number): &(Suppression, u64)| vec![reason.name().to_owned(), of_types(*reason), count(*number)];
    let block = Block {
        title: "Silenced, by reason".to_owned(),
        about: format!(
            "{} findings came to no detection, as a suppression silenced them. Most frequent reason: {} ({}).",
            count(all),
            names[0],
            count(reasons[0].1)
        ),
        table: Table::new(&["reason", "of which types", "findings"], 2, reasons.iter().map(row).collect()),
        chart: Some(Chart::Bars(Bars {
            categories: names,
            series: vec![Series {
                name: "findings".to_owned(),
                values: reasons.iter().map(|(_, count)| *count as f64).collect(),
            }],
            unit: "findings".to_owned(),
            lying: true,
            stacked: false,
        })),
    };
    Some(Section { title: "What was silenced".to_owned(), about: String::new(), blocks: vec![block] })
}
