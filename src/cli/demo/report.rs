//! The report's sections but the sixth: text of at most [`WIDTH`] columns, without colour.
//!
//! Every number comes from [`Facts`]; nothing here depends on the terminal, the clock or the machine.

use std::collections::BTreeMap;
use std::path::Path;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use indicatif::{HumanBytes, HumanCount};

use super::miss::Closeness;
use super::stage;
use crate::engine::finding::RiskLevel;
use crate::evaluate::{Evaluation, Exposure, Levels, NO_CAUSE, Outcome, Tally};
use crate::simulate::Totals;

pub const WIDTH: u16 = 100;
/// Missed campaigns listed; the rest is counted.
const MISSED_LISTED_MAX: usize = 30;

/// What the report is made of.
pub struct Facts<'a> {
    pub totals: Totals,
    /// Sign-ins judged in the replay.
    pub judged: u64,
    pub seed: u64,
    pub exposure: Exposure,
    pub evaluation: &'a Evaluation,
    /// Of missed campaigns, by id.
    pub closeness: &'a BTreeMap<String, Closeness>,
    pub keep: Option<&'a Path>,
}

/// Sections 1 to 5.
pub fn findings(facts: &Facts<'_>) -> String {
    [simulated(facts), caught(facts), missed(facts), false_alerts(facts), silenced(facts)].concat()
}

pub fn heading(text: &str) -> String {
    format!("\n{text}\n{}\n", "=".repeat(text.chars().count()))
}

/// Text broken into lines, with a line end.
pub fn paragraph(text: &str) -> String {
    wrapped(text, "")
}

/// Text broken into lines behind `indent`.
pub fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let length = indent.len() + line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > usize::from(WIDTH) {
            lines.push_str(&format!("{indent}{line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push_str(&format!("{indent}{line}\n"));
    lines
}

/// A table of the report's style; columns in `numbers` are aligned to the right.
pub fn table<const N: usize>(header: [&str; N], numbers: &[usize], rows: Vec<[String; N]>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .force_no_tty()
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    let aligned = |(index, text): (usize, String)| {
        let side = if numbers.contains(&index) { CellAlignment::Right } else { CellAlignment::Left };
        Cell::new(text).set_alignment(side)
    };
    table.set_header(header.map(str::to_owned).into_iter().enumerate().map(aligned).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row.into_iter().enumerate().map(aligned).collect::<Vec<_>>());
    }
    format!("{table}\n")
}

pub fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

fn simulated(facts: &Facts<'_>) -> String {
    let Facts { totals, exposure, evaluation, .. } = facts;
    let total = evaluation.total();
    let mut text = heading("1. What was simulated");
    text.push_str(&paragraph(&format!(
        "An invented organisation of {} users over {} days (seed {}): {} records, {} of JSON in Entra ID's form, {} \
         of them malicious, in {} campaigns; {} sign-ins of users were judged. Places are real, networks invented. \
         The lists of VPNs and proxies are incomplete on purpose, as real ones are.",
        count(exposure.users),
        exposure.days,
        facts.seed,
        count(totals.records),
        HumanBytes(totals.record_bytes),
        count(totals.malicious),
        total.campaigns,
        count(facts.judged),
    )));
    let rows = evaluation.tallies().into_iter().map(|(attack, tally)| {
        let of_kind = || evaluation.campaigns.iter().filter(|outcome| outcome.attack == attack);
        [
            attack.to_owned(),
            count(tally.campaigns),
            count(of_kind().map(|outcome| outcome.sign_ins).sum()),
            count(of_kind().map(|outcome| outcome.sign_ins_right).sum()),
            count(tally.accounts),
        ]
    });
    let header = ["attack", "campaigns", "sign-ins", "credential right", "accounts entered"];
    text.push_str(&table(header, &[1, 2, 3, 4], rows.collect()));
    text
}

fn caught(facts: &Facts<'_>) -> String {
    let evaluation = facts.evaluation;
    let total = evaluation.total();
    let catchable = total.campaigns - total.without_access;
    let mut text = heading("2. What was caught");
    text.push_str(&paragraph(&format!(
        "{} of {} campaigns ({}), by an alert on one of their sign-ins; {} by one of high level. {}Accounts: of \
         those entered, how many had an alert of their own. First alert: median over caught campaigns, at which of \
         the attacker's sign-ins, and how long after the first one.",
        total.low,
        catchable,
        percent(total.low, catchable),
        total.high,
        without_access(total.without_access),
    )));
    let mut rows: Vec<[String; 8]> =
        evaluation.tallies().into_iter().map(|(attack, tally)| caught_row(attack, &tally)).collect();
    rows.push(caught_row("all", &total));
    let header = ["attack", "total", "low+", "medium+", "high", "accounts", "first alert", "after"];
    text.push_str(&table(header, &[1, 2, 3, 4, 5, 6, 7], rows));
    text
}

fn caught_row(attack: &str, tally: &Tally) -> [String; 8] {
    let dash = || "-".to_owned();
    [
        attack.to_owned(),
        (tally.campaigns - tally.without_access).to_string(),
        tally.low.to_string(),
        tally.medium.to_string(),
        tally.high.to_string(),
        format!("{} of {}", tally.accounts_alerted, tally.accounts),
        tally.first_sign_in.map_or_else(dash, |number| format!("no. {number}")),
        tally.first_after_s.map_or_else(dash, duration),
    ]
}

/// What is to be said of campaigns that nothing can be expected about.
fn without_access(campaigns: u64) -> String {
    let what = match campaigns {
        0 => return String::new(),
        1 => "1 campaign".to_owned(),
        more => format!("{} campaigns", count(more)),
    };
    format!("{what} more never had a right credential: nothing was entered, and there was nothing to detect. ")
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.0} %", part as f64 * 100.0 / whole as f64) }
}

/// "0 s", "12 min", "3.4 h", "2.1 days".
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5_400.0 => format!("{:.0} min", s / 60.0),
        s if s < 129_600.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

fn missed(facts: &Facts<'_>) -> String {
    let missed: Vec<&Outcome> =
        facts.evaluation.campaigns.iter().filter(|outcome| outcome.had_access() && !outcome.is_caught()).collect();
    let caught = facts.evaluation.campaigns.iter().filter(|outcome| outcome.is_caught());
    let quiet: u64 = caught.map(|outcome| outcome.accounts - outcome.accounts_alerted).sum();
    let quiet = format!("Accounts that caught campaigns entered without an alert of their own: {}.", count(quiet));
    let mut text = heading("3. What was missed");
    if missed.is_empty() {
        text.push_str(&paragraph("No campaign that had a right credential went without an alert."));
        text.push_str(&paragraph(&quiet));
        return text;
    }
    text.push_str(&paragraph(
        "Campaigns with a right credential and without an alert. \"Why\" is what holds for most of their sign-ins, as \
         the simulator knows it, and what the detections said: silenced by a suppression, or below every threshold.",
    ));
    let rows = missed.iter().take(MISSED_LISTED_MAX).map(|outcome| {
        let accounts = outcome.accounts.to_string();
        [outcome.attack.clone(), accounts, outcome.sign_ins_right.to_string(), why(facts, outcome)]
    });
    text.push_str(&table(["attack", "accounts", "sign-ins", "why"], &[1, 2], rows.collect()));
    if missed.len() > MISSED_LISTED_MAX {
        text.push_str(&paragraph(&format!("… and {} more.", missed.len() - MISSED_LISTED_MAX)));
    }
    text.push_str(&paragraph(&quiet));
    text
}

fn why(facts: &Facts<'_>, outcome: &Outcome) -> String {
    let close = facts.closeness.get(&outcome.campaign).map(|closeness| format!("{}; ", closeness.words()));
    let said = if outcome.silenced.is_empty() {
        "below every threshold".to_owned()
    } else {
        let reasons = outcome.silenced.iter().map(|(reason, times)| format!("{reason} {times}"));
        format!("silenced: {}", reasons.collect::<Vec<_>>().join(", "))
    };
    close.unwrap_or_default() + &said
}

fn false_alerts(facts: &Facts<'_>) -> String {
    let found = &facts.evaluation.false_alerts;
    let rate = |number: u64| format!("{:.2}", facts.exposure.rate(number));
    let mut text = heading("4. False alerts");
    text.push_str(&paragraph(&format!(
        "{} alerts on {} legitimate sign-ins of {} users: {} a day per 1,000 users, {} of them of high level. One \
         sign-in can raise several. Beside them {} true alerts, and {} on an owner's sign-in that was compared with \
         the attacker's (an echo: it leads to the takeover, and is counted as neither).",
        count(found.levels.total()),
        count(found.sign_ins),
        count(found.users),
        rate(found.levels.total()),
        rate(found.levels.high),
        count(facts.evaluation.true_alerts),
        count(facts.evaluation.echoes),
    )));
    let row = |name: &str, levels: &Levels| {
        let Levels { low, medium, high } = *levels;
        [name.to_owned(), count(low), count(medium), count(high), rate(levels.total()), rate(high)]
    };
    let header = |first| [first, "low", "medium", "high", "a day per 1,000 users", "of them high"];
    let mut rows: Vec<_> = found.types.iter().map(|(kind, levels)| row(kind, levels)).collect();
    rows.push(row("all", &found.levels));
    text.push_str(&table(header("type"), &[1, 2, 3, 4, 5], rows));
    text.push_str(&paragraph("By what the sign-in really was; one with several causes counts under each:"));
    let mut causes: Vec<(&String, &Levels)> = found.causes.iter().collect();
    causes.sort_by_key(|(cause, levels)| (std::cmp::Reverse(levels.total()), *cause));
    let name = |cause: &str| if cause == NO_CAUSE { "nothing odd" } else { cause }.to_owned();
    let rows = causes.into_iter().map(|(cause, levels)| row(&name(cause), levels)).collect();
    text.push_str(&table(header("benign cause"), &[1, 2, 3, 4, 5], rows));
    text
}

fn silenced(facts: &Facts<'_>) -> String {
    let silenced = &facts.evaluation.silenced;
    let (legitimate, malicious) =
        silenced.values().fold((0, 0), |sum, counts| (sum.0 + counts.legitimate, sum.1 + counts.malicious));
    let mut text = heading("5. Suppressed");
    text.push_str(&paragraph(&format!(
        "{} detections were silenced on the owners' sign-ins, and {} on attackers'. `alreadyReported` on an attacker's \
         means that an alert about the same stranger stands already.",
        count(legitimate),
        count(malicious),
    )));
    let mut rows: Vec<_> = silenced.iter().collect();
    rows.sort_by_key(|(reason, counts)| (std::cmp::Reverse(counts.legitimate + counts.malicious), *reason));
    let rows = rows
        .into_iter()
        .map(|(reason, counts)| [reason.clone(), count(counts.legitimate), count(counts.malicious)]);
    text.push_str(&table(["reason", "owners' sign-ins", "attackers' sign-ins"], &[1, 2], rows.collect()));
    text
}

/// Section 7.
pub fn next_steps(facts: &Facts<'_>) -> String {
    let mut text = heading("7. Where to go next");
    let Exposure { users, days } = facts.exposure;
    let mut step = |what: &str, command: &str| text.push_str(&format!("{what}:\n    {command}\n"));
    match facts.keep {
        None => step(
            "Keep the logs, labels, detections and tables of this run",
            &format!("farsign demo --users {users} --days {days} --seed {} --keep DIR", facts.seed),
        ),
        Some(folder) => {
            let folder = folder.display();
            let high = RiskLevel::High.name();
            step(
                "The alerts of high level, a line each",
                &format!(
                    "jq -r 'select(.riskLevel == \"{high}\" and .farsign.suppressedBy == null) | .farsign.sentence' \
                     {folder}/{}",
                    stage::DETECTIONS
                ),
            );
            let lists = stage::LISTS
                .map(|(kind, (file, _))| format!("        --list {}={folder}/{file} \\\n", kind.name()));
            step(
                "The same replay by hand, to change a setting and compare",
                &format!(
                    "farsign replay --city-db {folder}/farsign-test-City.mmdb \\\n        --asn-db \
                     {folder}/farsign-test-ASN.mmdb \\\n{}        --emit-suppressed -o again.ndjson {folder}/{}",
                    lists.concat(),
                    stage::RECORDS
                ),
            );
        }
    }
    step("Another organisation, other attackers", &format!("farsign demo --seed {}", facts.seed.wrapping_add(1)));
    step(
        "Your own logs (databases of MaxMind, DB-IP, IPinfo or ip-location-db)",
        "farsign replay --city-db CITY.mmdb --asn-db ASN.mmdb --emit-suppressed -o detections.ndjson LOGS",
    );
    step("Every setting with its default, to tune", "farsign check > farsign.yaml");
    text.push_str(&paragraph(
        "The organisation is simulated: these figures show how Farsign behaves, not how it would do on your users.",
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_the_width() {
        let text = wrapped(&"word ".repeat(60), "  ");
        assert!(text.lines().all(|line| line.len() <= usize::from(WIDTH) && line.starts_with("  word")));
        // 2 + 19 * 5 + 4 is above the width by one: 19 words a line.
        assert_eq!(
            text.lines().map(|line| line.split(' ').filter(|word| *word == "word").count()).max(),
            Some(19)
        );
        assert_eq!(wrapped("one", "> "), "> one\n");
    }

    #[test]
    fn durations_are_short() {
        let check = |seconds: f64, expected: &str| assert_eq!(duration(seconds), expected);
        check(0.0, "0 s");
        check(89.0, "89 s");
        check(90.0, "2 min");
        check(5_400.0, "1.5 h");
        check(129_600.0, "1.5 days");
    }
}
