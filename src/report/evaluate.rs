//! The page of `farsign evaluate`: what was caught at which cost, what was raised in vain and why.

use std::collections::{BTreeMap, BTreeSet};

use super::alerts::Alerts;
use super::overview::{Levels, join, levelled, section, total};
use super::page::{Axis, Bars, Block, Chart, Line, Lines, Page, Section, Series, Table};
use super::replay::left_out;
use crate::evaluate::{Counted, NO_CAUSE, Point, Report};
use crate::render::text::count;

/// The lowest rate and share that a logarithmic axis shows; what is lower is drawn there.
const RATE_MIN: f64 = 0.1;
const SHARE_MIN: f64 = 1e-6;
const AT_LEVELS: [&str; 3] = ["low", "medium", "high"];

pub fn evaluate(report: &Report, alerts: &Alerts) -> Page {
    let figure = |name: &str, number: u64| (name.to_owned(), count(number));
    let false_alerts = &report.false_alerts;
    let low = report.points.first();
    let rate = low.and_then(|point| point.false_alert_rate).map(|rate| decimals(rate.value));
    let mut headlines = vec![
        ("campaigns caught".to_owned(), shared(low.and_then(|point| point.recall).map(|recall| recall.value))),
        ("precision".to_owned(), shared(low.and_then(|point| point.precision))),
        ("false alerts per 1,000 users a day".to_owned(), rate.unwrap_or_else(|| "unknown".to_owned())),
        figure("campaigns with access", report.input.campaigns - report.input.campaigns_without_access),
        figure("true alerts", false_alerts.true_detections),
        figure("owners' sign-ins with a false alert", false_alerts.sign_ins),
        figure("owners with a false alert", false_alerts.users),
    ];
    headlines.extend(report.input.active_user_days.map(|days| figure("active user-days", days)));
    let caught = Section {
        title: "What was caught".to_owned(),
        about: "A campaign is caught by an alert on one of its sign-ins. Kinds of attack weigh the same."
            .to_owned(),
        blocks: [by_attack(report), budgets(report), receiver(report), precision(report)]
            .into_iter()
            .flatten()
            .collect(),
    };
    let in_vain = Section {
        title: "False alerts".to_owned(),
        about: "Alerts on sign-ins of the accounts' owners.".to_owned(),
        blocks: [
            counted("By cause", "cause", CAUSES, &false_alerts.causes),
            counted("By type", "type", "Alerts on owners' sign-ins by type of detection.", &false_alerts.types),
            silenced(report),
        ]
        .into_iter()
        .flatten()
        .collect(),
    };
    Page {
        title: "Detections against ground truth".to_owned(),
        facts: vec![
            ("configuration".to_owned(), alerts.config_hash.clone()),
            ("streams".to_owned(), count(report.input.runs)),
            ("warm-up days".to_owned(), report.input.warm_up_days.to_string()),
        ],
        notes: notes(report).into_iter().chain(left_out(alerts)).collect(),
        headlines,
        sections: vec![
            caught,
            in_vain,
            section("All detections", "Those that stand, on whosever sign-in; the warm-up too.", alerts, None),
        ],
    }
}

const CAUSES: &str = "What was odd about the owners' sign-ins, as the labels say. A sign-in with several causes counts \
                      under each; `none` is one with nothing odd.";

fn decimals(value: f64) -> String {
    format!("{value:.2}")
}

/// "85.0 %".
pub(super) fn shared(share: Option<f64>) -> String {
    share.map_or("unknown".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn notes(report: &Report) -> Vec<String> {
    let checks = &report.checks;
    let wrong = checks.wrong_credential + checks.failed_sign_in.unwrap_or(0);
    let of_wrong = (wrong > 0).then(|| {
        format!("{} detections are on sign-ins with a wrong credential: that must not be.", count(wrong))
    });
    let twice =
        (checks.duplicates > 0).then(|| format!("{} detections are there twice.", count(checks.duplicates)));
    let blind = report.input.active_user_days.is_none().then(|| {
        "Nobody said how many users were active (--sign-ins, --user-days): there are no rates and no curves of rates."
            .to_owned()
    });
    of_wrong.into_iter().chain(twice).chain(blind).collect()
}

/// Farsign at its three levels.
fn levels(report: &Report) -> Vec<&Point> {
    report.points.iter().take(AT_LEVELS.len()).collect()
}

fn by_attack(report: &Report) -> Option<Block> {
    let levels = levels(report);
    let attacks: Vec<&String> = levels.first()?.attacks.keys().collect();
    if attacks.is_empty() {
        return None;
    }
    let recall = |point: &Point, attack: &str| point.attacks.get(attack).map_or(0.0, |found| found.recall.value);
    let series = levels.iter().map(|point| Series {
        name: point.at.clone(),
        values: attacks.iter().map(|attack| (recall(point, attack) * 1_000.0).round() / 10.0).collect(),
    });
    let row = |attack: &&String| {
        let campaigns = levels[0].attacks.get(*attack).map_or(0, |found| found.campaigns);
        let caught = levels.iter().map(|point| count(point.attacks.get(*attack).map_or(0, |found| found.caught)));
        [(*attack).clone(), count(campaigns)].into_iter().chain(caught).collect()
    };
    let missed = attacks.iter().filter(|attack| recall(levels[0], attack) == 0.0).count();
    Some(Block {
        title: "Campaigns caught, by kind of attack".to_owned(),
        about: format!(
            "The share of each kind's campaigns with an alert of at least each level, %. {} kinds; none of the campaigns \
             of {missed} was caught.",
            attacks.len()
        ),
        table: Table::new(
            &["attack", "campaigns", "caught at low", "at medium", "at high"],
            1,
            attacks.iter().map(row).collect(),
        ),
        chart: Some(Chart::Bars(Bars {
            categories: attacks.iter().map(|attack| (*attack).clone()).collect(),
            series: series.collect(),
            unit: "% of campaigns".to_owned(),
            lying: true,
            stacked: false,
        })),
    })
}

fn percent(share: f64) -> f64 {
    (share * 10_000.0).round() / 100.0
}

pub(super) fn percents(name: &str) -> Axis {
    Axis { name: name.to_owned(), is_logarithmic: false, max: Some(100.0) }
}

fn budgets(report: &Report) -> Option<Block> {
    if report.curves.is_empty() {
        return None;
    }
    let curve = |curve: &crate::evaluate::Curve| Line {
        name: curve.detector.clone(),
        points: curve.points.iter().map(|point| [point.budget, percent(point.recall)]).collect(),
        names: Vec::new(),
        joined: true,
    };
    let flag = |point: &Point| {
        let rate = point.false_alert_rate?.value.max(RATE_MIN);
        let points = vec![[rate, percent(point.recall?.value)]];
        Some(Line { name: point.detector.clone(), points, names: Vec::new(), joined: false })
    };
    let flags = report.points.iter().filter(|point| point.at == "flag");
    let series: Vec<Line> = report.curves.iter().map(curve).chain(flags.filter_map(flag)).collect();
    let row = |line: &Line| {
        line.points
            .iter()
            .map(|[rate, recall]| vec![line.name.clone(), decimals(*rate), decimals(*recall)])
            .collect()
    };
    Some(Block {
        title: "Campaigns caught at a budget of false alerts".to_owned(),
        about: format!(
            "Further to the left and higher is better. {} detectors; lines are scores at the lowest threshold within the \
             budget, single marks are detectors without a score.",
            series.len()
        ),
        table: Table::new(
            &["detector", "false alerts per 1,000 active users per day", "campaigns caught, %"],
            1,
            series.iter().flat_map(|line| -> Vec<Vec<String>> { row(line) }).collect(),
        ),
        chart: Some(Chart::Lines(Lines {
            x: Axis {
                name: "false alerts per 1,000 active users per day".to_owned(),
                is_logarithmic: true,
                max: None,
            },
            y: percents("campaigns caught, %"),
            series,
        })),
    })
}

fn receiver(report: &Report) -> Option<Block> {
    let points: Vec<(u8, f64, f64)> = report
        .scores
        .iter()
        .filter_map(|point| Some((point.min_score, point.false_alert_share?, percent(point.recall))))
        .collect();
    let (_, share, recall) = *points.last()?;
    let row = |(score, share, recall): &(u8, f64, f64)| {
        vec![score.to_string(), format!("{:.4}", share * 100.0), decimals(*recall)]
    };
    Some(Block {
        title: "Receiver operating characteristic (ROC)".to_owned(),
        about: format!(
            "Farsign's least score goes from high on the left to low on the right. With every score {recall} % of campaigns \
             are caught, and {:.4} % of the owners' sign-ins have an alert.",
            share * 100.0
        ),
        table: Table::new(
            &["least score", "owners' sign-ins with an alert, %", "campaigns caught, %"],
            1,
            points.iter().map(row).collect(),
        ),
        chart: Some(Chart::Lines(Lines {
            x: Axis { name: "owners' sign-ins with an alert, %".to_owned(), is_logarithmic: true, max: None },
            y: percents("campaigns caught, %"),
            series: vec![Line {
                name: "Farsign".to_owned(),
                points: points
                    .iter()
                    .map(|(_, share, recall)| [round(share.max(SHARE_MIN) * 100.0, 5), *recall])
                    .collect(),
                names: points.iter().map(|(score, ..)| format!("{score} and above")).collect(),
                joined: true,
            }],
        })),
    })
}

fn round(value: f64, decimals: i32) -> f64 {
    let factor = 10f64.powi(decimals);
    (value * factor).round() / factor
}

fn precision(report: &Report) -> Option<Block> {
    let points: Vec<(u8, f64, f64)> = report
        .scores
        .iter()
        .filter_map(|point| Some((point.min_score, percent(point.recall), percent(point.precision?))))
        .collect();
    let (_, recall, precision) = *points.last()?;
    let row = |(score, recall, precision): &(u8, f64, f64)| {
        vec![score.to_string(), decimals(*recall), decimals(*precision)]
    };
    Some(Block {
        title: "Precision and recall (PR)".to_owned(),
        about: format!(
            "Further to the right and higher is better. With every score {precision} % of the sign-ins with an alert were an \
             attacker's, and {recall} % of campaigns were caught."
        ),
        table: Table::new(
            &["least score", "campaigns caught, %", "precision, %"],
            1,
            points.iter().map(row).collect(),
        ),
        chart: Some(Chart::Lines(Lines {
            x: percents("campaigns caught, %"),
            y: percents("sign-ins with an alert that were an attacker's, %"),
            series: vec![Line {
                name: "Farsign".to_owned(),
                points: points.iter().map(|(_, recall, precision)| [*recall, *precision]).collect(),
                names: points.iter().map(|(score, ..)| format!("{score} and above")).collect(),
                joined: true,
            }],
        })),
    })
}

/// False alerts by something, the most frequent first; nothing where there is none.
fn counted(title: &str, what: &str, about: &str, counts: &BTreeMap<String, Counted>) -> Option<Block> {
    let mut rows: Vec<(String, Levels)> =
        counts.iter().map(|(name, found)| (name.clone(), [found.low, found.medium, found.high])).collect();
    rows.sort_by_key(|(_, levels)| std::cmp::Reverse(total(levels)));
    let (name, most) = rows.first()?;
    let without = counts.get(NO_CAUSE).map_or(String::new(), |found| {
        format!("{} are on sign-ins without any.", count(found.low + found.medium + found.high))
    });
    let about = join(&join(about, &format!("Most frequent: {name} ({}).", count(total(most)))), &without);
    Some(levelled(title, &about, what, rows, true))
}

fn silenced(report: &Report) -> Option<Block> {
    let silenced = &report.false_alerts.silenced;
    if silenced.is_empty() {
        return None;
    }
    let names: BTreeSet<&String> = silenced.keys().collect();
    let mut reasons: Vec<(&String, u64, u64)> =
        names.into_iter().map(|name| (name, silenced[name].legitimate, silenced[name].malicious)).collect();
    reasons.sort_by_key(|(_, legitimate, malicious)| std::cmp::Reverse(legitimate + malicious));
    let sum = |of: fn(&(&String, u64, u64)) -> u64| count(reasons.iter().map(of).sum());
    let values = |of: fn(&(&String, u64, u64)) -> u64| reasons.iter().map(|reason| of(reason) as f64).collect();
    Some(Block {
        title: "Silenced, by reason".to_owned(),
        about: format!(
            "Detections that a suppression silenced: {} on owners' sign-ins, {} on attackers'.",
            sum(|reason| reason.1),
            sum(|reason| reason.2)
        ),
        table: Table::new(
            &["reason", "on owners' sign-ins", "on attackers' sign-ins"],
            1,
            reasons
                .iter()
                .map(|(name, owners, attackers)| vec![(*name).clone(), count(*owners), count(*attackers)])
                .collect(),
        ),
        chart: Some(Chart::Bars(Bars {
            categories: reasons.iter().map(|(name, ..)| (*name).clone()).collect(),
            series: vec![
                Series { name: "on owners' sign-ins".to_owned(), values: values(|reason| reason.1) },
                Series { name: "on attackers' sign-ins".to_owned(), values: values(|reason| reason.2) },
            ],
            unit: "detections".to_owned(),
            lying: true,
            stacked: true,
        })),
    })
}
