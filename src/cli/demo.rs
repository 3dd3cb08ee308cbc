//! `farsign demo`: simulate an organisation under attack, replay its logs, report what was found.
//!
//! The pieces are those of the other commands: records and labels go through files, the real runtime reads the
//! records, and the report is computed from labels and detections ([`crate::evaluate`]). The report goes to stdout
//! and is the same for the same arguments; progress and speed go to stderr.

mod explain;
mod miss;
mod report;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;

use super::replay::watch_for_interrupt;
use super::{INTERRUPTED, say, show};
use crate::engine::finding::RiskEventType;
use crate::evaluate;
use crate::render::text::{heading, paragraph};
use crate::simulate;
use report::Facts;
use stage::Stage;

/// Alerts explained in full.
const EXPLAINED_MAX: usize = 3;
/// Types explained before others: those with the most to explain.
const EXPLAINED_FIRST: [RiskEventType; 3] =
    [RiskEventType::ImpossibleTravel, RiskEventType::UnfamiliarFeatures, RiskEventType::NewCountry];

/// Simulate an organisation under attack, replay its logs and report what was found.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Accounts in the directory.
    #[arg(long, value_name = "N", default_value_t = 400)]
    users: u32,
    /// Length of the logs in days.
    #[arg(long, value_name = "N", default_value_t = 45)]
    days: u32,
    /// Seed of all randomness.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Keep logs, labels, detections and tables in this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = simulate::Config { seed: args.seed, users: args.users, days: args.days, ..Default::default() };
    let interrupted = watch_for_interrupt()?;
    let stage = Stage::open(args.keep.as_deref())?;
    say(&format!("simulating {} users for {} days", args.users, args.days));
    let Some(totals) = stage.simulate(&config, &interrupted)? else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    say(&format!("replaying {} records", totals.records));
    let summary = stage.replay(&interrupted)?;
    if summary.interrupted {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    say(&format!(
        "replayed in {:.1} s, {:.0} records/s",
        summary.run.elapsed.as_secs_f64(),
        summary.records as f64 / summary.run.elapsed.as_secs_f64().max(1e-9),
    ));
    let text = evaluated(args, &config, &stage, totals, &summary)?;
    show(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Holds what the replay wrote against the labels, and puts it into words.
fn evaluated(
    args: &Args,
    config: &simulate::Config,
    stage: &Stage,
    totals: simulate::Totals,
    summary: &crate::runtime::replay::summary::Summary,
) -> anyhow::Result<String> {
    let (truth, detections) = (stage.labels()?, stage.detections()?);
    let evaluation = evaluate::evaluate(&truth, &detections);
    let missed = evaluation.campaigns.iter().filter(|outcome| outcome.had_access() && !outcome.is_caught());
    let closeness = miss::measure(config, missed.map(|outcome| outcome.campaign.as_str()))?;
    let chosen =
        evaluate::interesting(&truth, &detections, &EXPLAINED_FIRST.map(RiskEventType::name), EXPLAINED_MAX);
    let facts = Facts {
        totals,
        judged: summary.judged.counts.sign_ins_judged,
        seed: args.seed,
        users: args.users.into(),
        days: args.days.into(),
        evaluation: &evaluation,
        closeness: &closeness,
        keep: args.keep.as_deref(),
    };
    let mut text = report::findings(&facts);
    text.push_str(&heading("6. Three alerts, explained in full"));
    text.push_str(&paragraph(
        "The rule of choice: the true alert of highest score of impossible travel, then of unfamiliar properties, \
         then of new country, then of any other type; each of another type and another attack than those before it.",
    ));
    for (number, alert) in (1..).zip(&chosen) {
        let record = stage.record(alert.line)?;
        let beside = detections
            .iter()
            .filter(|other| other.request_id == alert.request_id && other.id != alert.id)
            .filter(|other| other.suppressed_by.is_none());
        let attack = alert.request_id.as_deref().map_or("", |request| attack_of(&truth, request));
        text.push_str(&explain::alert(number, &record, attack, beside));
    }
    text.push_str(&report::next_steps(&facts));
    Ok(text)
}

fn attack_of<'a>(truth: &'a evaluate::Truth, request: &str) -> &'a str {
    match truth.of(evaluate::SignInKey::new(request)) {
        evaluate::TruthOf::Malicious { campaign, .. } => &truth.campaigns()[campaign].attack,
        _ => "",
    }
}
