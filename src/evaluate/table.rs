//! [`Report`] → tables for a terminal.

use super::calibration::ALL_TYPES;
use super::interval::Estimate;
use super::pool::FARSIGN;
use super::report::{Counted, Input, Point, Report, SprayReport, TimeToDetect};
use crate::engine::risk::score::rate_of_score;
use crate::render::text::{count, heading, paragraph, wide_table as table};

const DASH: &str = "-";

/// Every section that there is something to say in.
pub fn tables(report: &Report) -> String {
    [
        input(&report.input),
        detectors(report),
        attacks(report),
        false_alerts(report),
        sprays(report),
        travel(report),
        checks(report),
        scores(report),
    ]
    .concat()
}

fn input(input: &Input) -> String {
    let mut text = heading("1. What was evaluated");
    let known = |number: Option<u64>| number.map_or_else(|| "an unknown number of".to_owned(), count);
    text.push_str(&paragraph(&format!(
        "{} stream{}, {} active user-days, {} sign-ins of owners and {} of attackers with a right credential; {} \
         campaigns, {} of them without a right credential (in no recall), {} that copy the victim's network, city and \
         browser. Warm-up: {} days. Rates are per 1,000 active users per day; brackets hold 95 % intervals, of recall by {} draws of \
         campaigns.",
        input.runs,
        if input.runs == 1 { "" } else { "s" },
        known(input.active_user_days),
        known(input.owner_sign_ins),
        known(input.attacker_sign_ins),
        count(input.campaigns),
        count(input.campaigns_without_access),
        count(input.campaigns_imitating),
        input.warm_up_days,
        count(input.resamples.into()),
    )));
    if input.active_user_days.is_none() {
        text.push_str(&paragraph("Without --sign-ins or --user-days there are no rates and no budgets."));
    }
    text
}

fn detectors(report: &Report) -> String {
    let mut text = heading("2. Detectors side by side");
    text.push_str(&paragraph(
        "Recall: share of campaigns caught, kinds of attack weighted equally; beside it without those that copy the \
         victim. False alerts are legitimate sign-ins, each once. First alert: at which of the attacker's sign-ins, \
         and after how many minutes, median / 95th percentile of campaigns caught.",
    ));
    let row = |point: &Point| {
        [
            point.detector.clone(),
            point.at.clone(),
            count(point.false_alerts),
            point
                .false_alert_rate
                .map_or_else(dash, |found| format!("{:.2} [{:.1}–{:.1}]", found.value, found.low, found.high)),
            interval(point.recall),
            interval(point.recall_without_imitating),
            point.precision.map_or_else(dash, percent),
            pair(point.time_to_detect.sign_ins_median, point.time_to_detect.sign_ins_p95),
            pair(point.time_to_detect.minutes_median, point.time_to_detect.minutes_p95),
        ]
    };
    let header = [
        "detector",
        "at",
        "false alerts",
        "rate",
        "recall %",
        "not copying %",
        "precision %",
        "sign-ins",
        "minutes",
    ];
    text.push_str(&table(&header, &[2, 3, 4, 5, 6, 7, 8], report.points.iter().map(row).collect()));
    text
}

fn attacks(report: &Report) -> String {
    let mut text = heading("3. Campaigns caught, by kind of attack");
    let own: Vec<&Point> = report.points.iter().filter(|point| point.detector == FARSIGN).collect();
    text.push_str(&paragraph(
        "Farsign, in % of campaigns: at its levels and above, and at budgets of false alerts. First alert at level low: \
         the attacker's sign-ins and minutes until then, median / 95th percentile.",
    ));
    let labels = own.iter().map(|point| point.at.as_str());
    let header: Vec<&str> =
        ["attack", "campaigns"].into_iter().chain(labels).chain(["sign-ins", "minutes"]).collect();
    let kinds = own.first().map(|point| &point.attacks);
    let rows = kinds.into_iter().flatten().map(|(attack, low)| {
        let shares = own.iter().map(|point| percent(point.attacks[attack].recall.value));
        let TimeToDetect { sign_ins_median, sign_ins_p95, minutes_median, minutes_p95 } = low.time_to_detect;
        let times = [pair(sign_ins_median, sign_ins_p95), pair(minutes_median, minutes_p95)];
        [attack.clone(), low.campaigns.to_string()].into_iter().chain(shares).chain(times).collect::<Vec<_>>()
    });
    let numbers: Vec<usize> = (1..header.len()).collect();
    text.push_str(&table(&header, &numbers, rows.collect()));
    text.push_str(&neighbours(report));
    text
}

/// Farsign's level low and every detector at the budget of 1, or at its own operating point.
fn neighbours(report: &Report) -> String {
    let shown = |point: &&Point| ["budget 1", "flag"].contains(&point.at.as_str());
    let points: Vec<&Point> = report.points.iter().filter(shown).collect();
    let Some(first) = points.first() else { return String::new() };
    // Two lines, or the columns would be wider than what they hold.
    let names: Vec<String> = points.iter().map(|point| point.detector.replacen(' ', "\n", 1)).collect();
    let header: Vec<&str> = std::iter::once("attack").chain(names.iter().map(String::as_str)).collect();
    let rows = first.attacks.keys().map(|attack| {
        let shares = points.iter().map(|point| interval(Some(point.attacks[attack].recall)));
        std::iter::once(attack.clone()).chain(shares).collect::<Vec<_>>()
    });
    let numbers: Vec<usize> = (1..header.len()).collect();
    let intro = paragraph("Every detector, in %: scores at a budget of 1, flags as they are.");
    intro + &table(&header, &numbers, rows.collect())
}

fn false_alerts(report: &Report) -> String {
    let found = &report.false_alerts;
    let mut text = heading("4. False alerts of Farsign");
    text.push_str(&paragraph(&format!(
        "On {} sign-ins of {} users. Beside them {} alerts in {} incidents on attackers' sign-ins, and {} echoes in {} \
         incidents (an owner's sign-in compared with the attacker's).",
        count(found.sign_ins),
        count(found.users),
        count(found.true_detections),
        count(found.true_incidents),
        count(found.echoes),
        count(found.echo_incidents),
    )));
    let row = |name: &str, counted: &Counted| {
        let Counted { low, medium, high, rate: all, rate_high } = *counted;
        [name.to_owned(), count(low), count(medium), count(high), rate(all), rate(rate_high)]
    };
    let header = |first| [first, "low", "medium", "high", "rate", "rate of high"];
    let totals = [row("detections", &found.detections), row("incidents", &found.incidents)];
    let types = found.types.iter().map(|(name, counted)| row(name, counted));
    text.push_str(&table(&header("type"), &[1, 2, 3, 4, 5], totals.into_iter().chain(types).collect()));
    let mut causes: Vec<_> = found.causes.iter().collect();
    causes.sort_by_key(|(cause, c)| (std::cmp::Reverse(c.low + c.medium + c.high), (*cause).clone()));
    let rows = causes.into_iter().map(|(cause, counted)| row(cause, counted)).collect();
    text.push_str(&table(&header("benign cause"), &[1, 2, 3, 4, 5], rows));
    text
}

fn sprays(report: &Report) -> String {
    let sprays = &report.sprays;
    if sprays.attacks.is_empty() {
        return String::new();
    }
    let mut text = heading("5. Attacks on many accounts");
    text.push_str(&paragraph(&format!(
        "Campaigns with at least one victim. Flagged: by passwordSpray; {} accounts were, {} of them victims ({} %), {} victims of \
         any attack. Before \
         the first alert: share of the targets tried, and entered, in %, median / highest of campaigns with an alert.",
        count(sprays.flagged),
        count(sprays.flagged_victims),
        sprays.flagged_precision.map_or_else(dash, percent),
        count(sprays.flagged_attacked),
    )));
    let row = |(attack, spray): (&String, &SprayReport)| {
        let shares = |median: Option<f64>, highest: Option<f64>| match (median, highest) {
            (Some(median), Some(highest)) => format!("{:.2} / {:.2}", median * 100.0, highest * 100.0),
            _ => dash(),
        };
        [
            attack.clone(),
            format!("{} of {}", spray.campaigns_alerted, spray.campaigns),
            count(spray.targets),
            count(spray.victims),
            count(spray.victims_flagged),
            count(spray.victims_alerted),
            shares(spray.tried_before_alert_median, spray.tried_before_alert_highest),
            shares(spray.entered_before_alert_median, spray.entered_before_alert_highest),
        ]
    };
    let header =
        ["attack", "alerted", "targets", "victims", "flagged", "any alert", "tried before", "entered before"];
    text.push_str(&table(&header, &[1, 2, 3, 4, 5, 6, 7], sprays.attacks.iter().map(row).collect()));
    text
}

fn travel(report: &Report) -> String {
    let Some(first) = report.impossible_travel.first() else { return String::new() };
    let mut text = heading("6. Against the plain speed rule (haversine > 900 km/h)");
    text.push_str(&paragraph(&format!(
        "The rule fires in vain on {} of 1,000 active user-days. Farsign at the highest score that keeps 95 % of the \
         rule's recall; sign-ins, repeats left out on both sides.",
        rate(Some(first.speed_rule_misfire_rate)),
    )));
    let rows = report.impossible_travel.iter().map(|compared| {
        [
            compared.detections.clone(),
            compared.campaigns.clone(),
            compared.above.map_or_else(dash, |above| format!("{:.0}", above.ceil())),
            percent(compared.recall),
            percent(compared.speed_rule_recall),
            compared.recall_share.map_or_else(dash, percent),
            count(compared.false_alerts),
            count(compared.speed_rule_false_alerts),
            format!("{:.0} ×", compared.times_fewer),
        ]
    });
    let header = [
        "detections",
        "campaigns",
        "from score",
        "recall %",
        "rule's %",
        "kept %",
        "false alerts",
        "rule's",
        "fewer",
    ];
    text.push_str(&table(&header, &[2, 3, 4, 5, 6, 7, 8], rows.collect()));
    text
}

fn checks(report: &Report) -> String {
    let checks = &report.checks;
    heading("7. What must be 0")
        + &paragraph(&format!(
            "Detections on a wrong credential by label: {}; on a failed sign-in by record: {}; twice: {}.",
            count(checks.wrong_credential),
            checks.failed_sign_in.map_or_else(|| "not checked without sign-ins".to_owned(), count),
            count(checks.duplicates),
        ))
}

/// Scores at which the stated rate is held against the realised one: where levels begin, and between.
const SCORES_SHOWN: [u8; 7] = [40, 50, 60, 65, 75, 85, 95];

fn scores(report: &Report) -> String {
    if report.input.active_user_days.is_none() {
        return String::new();
    }
    let mut text = heading("8. What scores stand for");
    text.push_str(&paragraph(
        "False alerts per 1,000 active users per day at a riskScore and above: as documented for an ordinary organisation, \
         and here.",
    ));
    let all = report.calibration.iter().filter(|row| row.detection == ALL_TYPES);
    let rows = all.filter(|row| SCORES_SHOWN.contains(&row.risk_score)).map(|row| {
        let stated = format!("{:.2}", rate_of_score(row.risk_score));
        [row.risk_score.to_string(), stated, rate(row.false_alert_rate), count(row.false_alerts)]
    });
    text.push_str(&table(&["score", "stated", "realised", "false alerts"], &[0, 1, 2, 3], rows.collect()));
    text
}

fn dash() -> String {
    DASH.to_owned()
}

fn percent(share: f64) -> String {
    format!("{:.0}", share * 100.0)
}

fn interval(estimate: Option<Estimate>) -> String {
    let Some(Estimate { value, low, high }) = estimate else { return dash() };
    format!("{} [{}–{}]", percent(value), percent(low), percent(high))
}

fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(dash, |rate| format!("{rate:.2}"))
}

/// Median / 95th percentile.
fn pair(median: Option<f64>, p95: Option<f64>) -> String {
    match (median, p95) {
        (Some(median), Some(p95)) => format!("{} / {}", short(median), short(p95)),
        _ => dash(),
    }
}

/// One decimal where it says something.
fn short(number: f64) -> String {
    if number.fract() == 0.0 || number >= 100.0 { format!("{number:.0}") } else { format!("{number:.1}") }
}
