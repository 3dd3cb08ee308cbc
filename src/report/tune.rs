//! The page of `farsign tune`: the variants against each other and against labels; then the alerts of the base and of the
//! variant that is recommended, and why those were raised in vain.

use std::collections::{BTreeMap, BTreeSet};

use super::alerts::{Alert, Alerts};
use super::evaluate::{percents, shared};
use super::overview::{Levels, Span, levelled, section, total};
use super::page::{Axis, Bars, Block, Chart, Line, Lines, Page, Section, Series, Table};
use super::replay::{left_out, told};
use crate::evaluate::SignInKey;
use crate::render::text::count;
use crate::tune::{Report, VariantReport, Verdict, Verdicts, VerdictsReport};

/// Variants in the charts of alerts: the base, the recommended one, those that none beats, then the others in order. The table
/// has all.
pub const VARIANTS_SHOWN_MAX: usize = 30;
/// Variants with a curve.
pub const CURVES_MAX: usize = 6;
/// Causes listed of alerts in vain.
const CAUSES_MAX: usize = 30;
/// Of the labels' sign-ins, and of their incidents: two words for two shares.
const RECALL: &str = "recall";
const INCIDENTS_CAUGHT: &str = "incidents caught";
const UNCONFIRMED: &str = "unconfirmed alerts per 1,000 users a day";

/// A variant whose alerts are told one by one.
pub struct Shown {
    pub number: usize,
    pub alerts: Alerts,
    /// Of the sign-ins that count.
    pub span: Option<Span>,
}

pub fn tune(report: &Report, shown: Vec<Shown>, verdicts: &Verdicts) -> Page {
    let named = |number: usize| report.variants.iter().find(|variant| variant.number == number).map(name);
    let stream = &report.stream;
    let mut headlines = vec![
        ("variants".to_owned(), count(report.variants.len() as u64)),
        ("records".to_owned(), count(stream.records)),
        ("active user-days".to_owned(), count(stream.active_user_days)),
    ];
    if let Some(labels) = &report.labels {
        headlines.push(("confirmed sign-ins to catch".to_owned(), count(labels.confirmed_seen)));
        headlines.push(("incidents to catch".to_owned(), count(labels.incidents_seen)));
    }
    if let Some(budget) = report.budget {
        headlines.push((format!("budget: {UNCONFIRMED}"), budget.to_string()));
        let recommended = report.recommended.map_or("none".to_owned(), |number| format!("number {number}"));
        headlines.push(("recommended variant".to_owned(), recommended));
    }
    let configuration = report.variants.first().map(|base| base.config_hash.clone()).unwrap_or_default();
    let mut page = Page {
        title: "Configurations on the same logs".to_owned(),
        facts: vec![
            ("configuration of the base".to_owned(), configuration),
            ("an alert is of level".to_owned(), format!("{} or higher", stream.min_level)),
            ("warm-up days".to_owned(), stream.warm_up_days.to_string()),
        ],
        notes: shown.iter().filter_map(|shown| left_out(&shown.alerts)).collect(),
        headlines,
        sections: vec![variants(report)],
    };
    page.facts.extend(shown.first().and_then(|shown| shown.span).map(told));
    page.sections.extend(against_labels(report));
    for Shown { number, alerts, span } in shown {
        let title = format!("Alerts of {}", named(number).unwrap_or_default());
        let mut section = section(&title, "", &alerts, span);
        if !verdicts.is_empty() {
            let mut vain = in_vain(&alerts, verdicts);
            vain.append(&mut section.blocks);
            section.blocks = vain;
        }
        page.sections.push(section);
    }
    page
}

fn name(variant: &VariantReport) -> String {
    format!("{} {}", variant.number, variant.name)
}

/// Most important first.
fn in_order(report: &Report) -> Vec<&VariantReport> {
    let first = [0].into_iter().chain(report.recommended).chain(report.pareto_front.iter().copied());
    let numbers = first.chain(report.variants.iter().map(|variant| variant.number));
    let mut seen = BTreeSet::new();
    let fresh = numbers.filter(|number| seen.insert(*number));
    fresh.filter_map(|number| report.variants.iter().find(|variant| variant.number == number)).collect()
}

fn variants(report: &Report) -> Section {
    let mut drawn = in_order(report);
    drawn.truncate(VARIANTS_SHOWN_MAX);
    drawn.sort_by_key(|variant| variant.number);
    let left = report.variants.len() - drawn.len();
    let mut about = "Alerts of each variant by type. The base is number 0.".to_owned();
    if left > 0 {
        about += &format!(" The chart leaves out {left} variants; the table has all.");
    }
    let types: BTreeSet<&String> = drawn.iter().flat_map(|variant| variant.detections.keys()).collect();
    let of_type = |variant: &VariantReport, kind: &str| -> u64 {
        variant.detections.get(kind).map_or(0, |levels| levels.values().sum())
    };
    let series = types.iter().map(|kind| Series {
        name: (*kind).clone(),
        values: drawn.iter().map(|variant| of_type(variant, kind) as f64).collect(),
    });
    let chart = Bars {
        categories: drawn.iter().map(|variant| name(variant)).collect(),
        series: series.collect(),
        unit: "alerts".to_owned(),
        lying: true,
        stacked: true,
    };
    let rate = |rate: Option<f64>| rate.map_or("unknown".to_owned(), |rate| format!("{rate:.2}"));
    let row = |variant: &VariantReport| {
        let labelled = variant.labelled.as_ref();
        vec![
            name(variant),
            count(variant.alerts),
            rate(variant.alert_rate),
            count(variant.users),
            count(variant.incidents),
            shared(labelled.and_then(|labelled| labelled.recall)),
            shared(labelled.and_then(|labelled| labelled.incident_recall)),
            shared(labelled.and_then(|labelled| labelled.precision)),
            rate(labelled.and_then(|labelled| labelled.unconfirmed_rate)),
        ]
    };
    let header = [
        "variant",
        "alerts",
        "per 1,000 users a day",
        "users",
        "incidents raised",
        RECALL,
        INCIDENTS_CAUGHT,
        "precision",
        UNCONFIRMED,
    ];
    let block = Block {
        title: "Alerts by variant and type".to_owned(),
        about,
        chart: Some(Chart::Bars(chart)),
        table: Table::new(&header, 1, report.variants.iter().map(row).collect()),
    };
    let recommended = report.recommended.and_then(|number| report.variants.iter().find(|of| of.number == number));
    let about = match (recommended, report.budget) {
        (Some(variant), _) => format!("Recommended: {}.", name(variant)),
        (None, Some(_)) => "No variant is within the budget.".to_owned(),
        (None, None) => String::new(),
    };
    Section { title: "Variants".to_owned(), about, blocks: vec![block] }
}

/// Nothing without labels that match.
fn against_labels(report: &Report) -> Option<Section> {
    report.labels.as_ref().filter(|labels| labels.confirmed_seen > 0)?;
    let blocks = [recall_and_rate(report), curves(report, CurveOf::Rate), curves(report, CurveOf::Precision)];
    Some(Section {
        title: "Against labels".to_owned(),
        about: match caught(report) {
            INCIDENTS_CAUGHT => {
                "Incidents caught: the share of the labels' incidents with an alert on a sign-in of theirs."
            }
            _ => "Recall: the share of the confirmed sign-ins with an alert. The labels name no incidents.",
        }
        .to_owned(),
        blocks: blocks.into_iter().flatten().collect(),
    })
}

/// What variants are compared by.
fn caught(report: &Report) -> &'static str {
    let has_incidents = report.labels.as_ref().is_some_and(VerdictsReport::has_incidents);
    if has_incidents { INCIDENTS_CAUGHT } else { RECALL }
}

/// The same, at the beginning of a title.
fn caught_first(report: &Report) -> &'static str {
    if caught(report) == INCIDENTS_CAUGHT { "Incidents caught" } else { "Recall" }
}

fn percent(share: f64) -> f64 {
    (share * 10_000.0).round() / 100.0
}

fn cents(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn recall_and_rate(report: &Report) -> Option<Block> {
    let at = |variant: &VariantReport| {
        Some([cents(variant.labelled.as_ref()?.unconfirmed_rate?), percent(variant.caught()?)])
    };
    let line = |title: &str, joined: bool, wanted: &dyn Fn(usize) -> bool| {
        let found = report.variants.iter().filter(|variant| wanted(variant.number));
        let mut points: Vec<([f64; 2], String)> =
            found.filter_map(|variant| Some((at(variant)?, name(variant)))).collect();
        points.sort_by(|a, b| a.0[0].total_cmp(&b.0[0]).then(a.0[1].total_cmp(&b.0[1])));
        let (points, names) = points.into_iter().unzip();
        Line { name: title.to_owned(), points, names, joined }
    };
    let is_front = |number: usize| report.pareto_front.contains(&number);
    let series: Vec<Line> = [
        line("beaten by none", true, &is_front),
        line("others", false, &|number| !is_front(number)),
        line("recommended", false, &|number| report.recommended == Some(number)),
    ]
    .into_iter()
    .filter(|line| !line.points.is_empty())
    .collect();
    if series.is_empty() {
        return None;
    }
    let rows = series.iter().take(2).flat_map(|line| {
        line.points.iter().zip(&line.names).map(|([rate, caught], name)| {
            vec![name.clone(), line.name.clone(), format!("{rate:.2}"), format!("{caught:.2}")]
        })
    });
    let in_percent = format!("{}, %", caught(report));
    Some(Block {
        title: format!("{} and the cost of it", caught_first(report)),
        about: format!(
            "One mark a variant; further to the left and higher is better. {} of {} variants are beaten by none.",
            report.pareto_front.len(),
            report.variants.len()
        ),
        table: Table::new(&["variant", "standing", UNCONFIRMED, &in_percent], 2, rows.collect()),
        chart: Some(Chart::Lines(Lines {
            x: Axis { name: UNCONFIRMED.to_owned(), is_logarithmic: false, max: None },
            y: percents(&in_percent),
            series,
        })),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CurveOf {
    /// What is caught over the rate of unconfirmed alerts: a ROC whose abscissa is work.
    Rate,
    /// Precision over what is caught.
    Precision,
}

fn curves(report: &Report, of: CurveOf) -> Option<Block> {
    let mut rows = Vec::new();
    let mut series = Vec::new();
    for variant in in_order(report).into_iter().take(CURVES_MAX) {
        let Some(labelled) = &variant.labelled else { continue };
        let (mut points, mut names) = (Vec::new(), Vec::new());
        for point in &labelled.curve {
            let Some(caught) = point.incident_recall.or(point.recall).map(percent) else { continue };
            let at = match of {
                CurveOf::Rate => point.unconfirmed_rate.map(|rate| [cents(rate), caught]),
                CurveOf::Precision => point.precision.map(|precision| [caught, percent(precision)]),
            };
            let Some(at) = at else { continue };
            let score = point.min_score.to_string();
            rows.push(vec![name(variant), score.clone(), format!("{:.2}", at[0]), format!("{:.2}", at[1])]);
            points.push(at);
            names.push(format!("{score} and above"));
        }
        series.push(Line { name: name(variant), points, names, joined: true });
    }
    series.retain(|line| !line.points.is_empty());
    if series.is_empty() {
        return None;
    }
    let in_percent = format!("{}, %", caught(report));
    let (title, x, y) = match of {
        CurveOf::Rate => (
            format!("{} over unconfirmed alerts (ROC)", caught_first(report)),
            Axis { name: UNCONFIRMED.to_owned(), is_logarithmic: false, max: None },
            percents(&in_percent),
        ),
        CurveOf::Precision => {
            (format!("Precision and {} (PR)", caught(report)), percents(&in_percent), percents("precision, %"))
        }
    };
    let header = ["variant", "least score", x.name.as_str(), y.name.as_str()];
    Some(Block {
        title,
        about: format!(
            "If only alerts of a least score counted, from high to low. {} of {} variants: the base, the recommended one, and \
             those that none beats.",
            series.len(),
            report.variants.len()
        ),
        table: Table::new(&header, 1, rows),
        chart: Some(Chart::Lines(Lines { x, y, series })),
    })
}

/// Alerts on sign-ins that nobody confirmed, nor anything they are compared with: by cause, and by what spoke loudest.
fn in_vain(alerts: &Alerts, verdicts: &Verdicts) -> Vec<Block> {
    let verdict = |id: &str| if id.is_empty() { None } else { verdicts.of(SignInKey::new(id)) };
    let is_vain = |alert: &&Alert| {
        verdict(&alert.request_id) != Some(Verdict::Confirmed)
            && verdict(&alert.reference_id) != Some(Verdict::Confirmed)
    };
    let vain: Vec<&Alert> = alerts.standing().filter(is_vain).collect();
    if vain.is_empty() {
        return Vec::new();
    }
    let loudest = |alert: &Alert| {
        let loudest = if alert.weightiest.is_empty() { "no property" } else { &alert.weightiest };
        vec![format!("{}: {loudest}", alert.kind)]
    };
    let cause = |alert: &Alert| match verdicts.causes_of(SignInKey::new(&alert.request_id)) {
        [] => vec!["none".to_owned()],
        causes => causes.to_vec(),
    };
    let by_cause = verdicts.has_causes().then(|| {
        let about = "Alerts that led to nothing confirmed, by what the labels say was odd about the sign-in; one with several \
                     causes counts under each.";
        vain_by("Unconfirmed alerts by cause", about, "cause", &vain, &cause)
    });
    let about =
        "Alerts that led to nothing confirmed, by type and the property that spoke loudest for a stranger.";
    let by_property =
        vain_by("Unconfirmed alerts by what spoke loudest", about, "type and property", &vain, &loudest);
    by_cause.into_iter().chain([by_property]).collect()
}

fn vain_by(title: &str, about: &str, what: &str, vain: &[&Alert], words: &dyn Fn(&Alert) -> Vec<String>) -> Block {
    let mut counts: BTreeMap<String, Levels> = BTreeMap::new();
    for alert in vain {
        for word in words(alert) {
            counts.entry(word).or_default()[alert.level] += 1;
        }
    }
    let mut rows: Vec<(String, Levels)> = counts.into_iter().collect();
    rows.sort_by_key(|(_, levels)| std::cmp::Reverse(total(levels)));
    let left = rows.len().saturating_sub(CAUSES_MAX);
    rows.truncate(CAUSES_MAX);
    let mut about =
        format!("{about} {} alerts; most frequent: {} ({}).", vain.len(), rows[0].0, total(&rows[0].1));
    if left > 0 {
        about += &format!(" Left out: {left} less frequent ones.");
    }
    levelled(title, &about, what, rows, true)
}
