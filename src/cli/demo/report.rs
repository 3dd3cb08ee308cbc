//! The report's sections but the sixth: text of at most [`WIDTH`](crate::render::text::WIDTH) columns, without colour.
//!
//! Every number comes from [`Facts`]; nothing here depends on the terminal, the clock or the machine.

use std::collections::BTreeMap;
use std::path::Path;

use indicatif::HumanBytes;

use super::miss::Closeness;
use super::stage;
use crate::engine::finding::RiskLevel;
use crate::evaluate::{Evaluation, Exposure, Levels, NO_CAUSE, Outcome, Tally};
use crate::render::text::{count, duration, heading, paragraph, percent, table};
use crate::simulate::Totals;

/// Missed campaigns listed; the rest is counted.
const MISSED_LISTED_MAX: usize = 30;

/// What the report is made of.
pub struct Facts<'a> {
    pub totals: Totals,
    /// Sign-ins judged in the replay.
    pub judged: u64,
    pub seed: u64,
    pub users: u64,
    pub days: u64,
    pub evaluation: &'a Evaluation,
    /// Of missed campaigns, by id.
    pub closeness: &'a BTreeMap<String, Closeness>,
    pub keep: Option<&'a Path>,
}

/// Sections 1 to 5.
pub fn findings(facts: &Facts<'_>) -> String {
    [simulated(facts), caught(facts), missed(facts), false_alerts(facts), silenced(facts)].concat()
}

fn simulated(facts: &Facts<'_>) -> String {
    let Facts { totals, evaluation, .. } = facts;
    let total = evaluation.total();
    let mut text = heading("1. What was simulated");
    text.push_str(&paragraph(&format!(
        "An invented organisation of {} users over {} days (seed {}): {} records, {} of JSON in Entra ID's form, {} \
         of them malicious, in {} campaigns; {} sign-ins of users were judged. Places are real, networks invented. \
         The lists of VPNs and proxies are incomplete on purpose, as real ones are.",
        count(facts.users),
        facts.days,
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
    text.push_str(&table(&header, &[1, 2, 3, 4], rows.collect()));
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
    text.push_str(&table(&header, &[1, 2, 3, 4, 5, 6, 7], rows));
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
    text.push_str(&table(&["attack", "accounts", "sign-ins", "why"], &[1, 2], rows.collect()));
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
    let exposure = Exposure { user_days: facts.users * facts.days };
    let rate = |number: u64| format!("{:.2}", exposure.rate(number));
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
    text.push_str(&table(&header("type"), &[1, 2, 3, 4, 5], rows));
    text.push_str(&paragraph("By what the sign-in really was; one with several causes counts under each:"));
    let mut causes: Vec<(&String, &Levels)> = found.causes.iter().collect();
    causes.sort_by_key(|(cause, levels)| (std::cmp::Reverse(levels.total()), *cause));
    let name = |cause: &str| if cause == NO_CAUSE { "nothing odd" } else { cause }.to_owned();
    let rows = causes.into_iter().map(|(cause, levels)| row(&name(cause), levels)).collect();
    text.push_str(&table(&header("benign cause"), &[1, 2, 3, 4, 5], rows));
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
    text.push_str(&table(&["reason", "owners' sign-ins", "attackers' sign-ins"], &[1, 2], rows.collect()));
    text
}

/// Section 7.
pub fn next_steps(facts: &Facts<'_>) -> String {
    let mut text = heading("7. Where to go next");
    let Facts { users, days, .. } = facts;
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
