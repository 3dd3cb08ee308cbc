//! `farsign explain`: why a sign-in was judged as it was, and what would have had to differ.
//!
//! It replays the logs up to the sign-in's review, and looks at it when everything is known that counts in its verdict. Exit
//! code 1: there is no such sign-in, it was not judged in its place, or the input is damaged.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;

use super::filter_args::{self, FilterArgs};
use super::replay::{self, watch_for_interrupt};
use super::table_args::TableArgs;
use super::{INTERRUPTED, PROBLEMS, give, say, show, state_transfer};
use crate::config;
use crate::engine::decode::SkipReason;
use crate::engine::policy::EngineConfig;
use crate::engine::rules::Rules;
use crate::engine::signin::EventTime;
use crate::render::explained::{to_json, to_text};
use crate::runtime::people;
use crate::runtime::replay::filter::LeftOut;
use crate::runtime::replay::output::Nothing;
use crate::runtime::replay::sequencer::{self, BLOCK_LENGTH, Options, ROUND_ITEMS_MAX};
use crate::runtime::replay::settle::Order;
use crate::runtime::replay::sought::PassedOver;
use crate::runtime::replay::state::StateFiles;
use crate::runtime::replay::summary::Summary;
use crate::runtime::replay::watch::Wanted;

/// Explain why a sign-in was judged as it was
#[derive(clap::Args, Debug)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["sign_in", "user"])))]
pub struct Args {
    /// Id of the sign-in, as `requestId` of detections
    #[arg(long, value_name = "ID", conflicts_with_all = ["user", "at"])]
    sign_in: Option<String>,
    /// The user's newest sign-in, by id or principal name
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// With --user, the newest up to this time: RFC 3339, or a date for its beginning in UTC
    #[arg(long, value_name = "TIME", requires = "user", value_parser = filter_args::time)]
    at: Option<EventTime>,
    /// Configuration file (YAML)
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON, with the user's whole state before and after
    #[arg(long)]
    json: bool,
    /// Threads to work with [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    threads: Option<u16>,
    #[command(flatten)]
    tables: TableArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Begin with the state that `farsign replay --state-out` or `farsign state export` wrote.
    #[arg(long, value_name = "FILE")]
    state_in: Option<PathBuf>,
    /// Begin with the state of the application, as Kafka has it now: for sign-ins of the last hours.
    #[arg(long, conflicts_with = "state_in")]
    live: bool,
    /// Files, folders, globs, objects (s3://, az://, gs://); `-` is stdin: with what the user, and the organisation, did before
    #[arg(required_unless_present_any = ["state_in", "live"], value_name = "INPUT")]
    inputs: Vec<String>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let mut config = match config::load(args.config.as_deref(), &environment) {
        Ok(config) => config,
        Err(problems) if problems.unreadable => bail!(problems),
        Err(problems) => {
            say(&format!("error: the configuration is not valid\n{problems}"));
            return Ok(ExitCode::from(PROBLEMS));
        }
    };
    people::load(&mut config)?;
    // It goes when the sign-in is explained.
    let live = if args.live { Some(state_transfer::live(config.clone())?) } else { None };
    let state = live.as_ref().map(|file| file.path().to_owned()).or_else(|| args.state_in.clone());
    let tables = args.tables.files(&config).load()?;
    // What was silenced is part of the answer.
    let engine = Arc::new(EngineConfig { emit_suppressed: true, ..replay::engine(&config, &tables) });
    let (inputs, filter) = args.filter.inputs(&args.inputs)?;
    let options = Options {
        inputs,
        filter,
        decoder: args.tables.decoder(&config),
        threads: replay::threads(args.threads, &config),
        engine: engine.clone(),
        tables: Arc::new(tables),
        order: Order::Settled,
        state: StateFiles { from: state, ..StateFiles::default() },
        block_length: BLOCK_LENGTH,
        round_items_max: ROUND_ITEMS_MAX,
    };
    let wanted = match (&args.sign_in, &args.user) {
        (Some(id), _) => Wanted::SignIn(id.clone()),
        (None, user) => Wanted::User {
            name: user.as_deref().unwrap_or_default().to_lowercase(),
            until: args.at.unwrap_or(EventTime::MAX),
        },
    };
    let interrupted = watch_for_interrupt()?;
    let (summary, watch) = sequencer::explain(&options, wanted, &mut Nothing, &interrupted)?;
    if summary.interrupted {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    replay::warn(&summary);
    let Some(watch) = watch else { bail!("nothing was watched") };
    let Some(explained) = &watch.explained else {
        say(&format!("error: {}", not_explained(watch.seen, &summary)));
        return Ok(ExitCode::from(PROBLEMS));
    };
    let rules = Rules::new(engine);
    match args.json {
        true => give(&format!("{:#}\n", to_json(explained, &watch.names, &rules)))?,
        false => show(&to_text(explained, &watch.names, &rules))?,
    }
    // What was damaged may have hidden what the user did before.
    Ok(if summary.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
}

fn not_explained(seen: u64, summary: &Summary) -> String {
    if seen > 0 {
        return "the sign-in came too late to be judged in its place, or again after it was forgotten; its detections say what was \
                found"
            .to_owned();
    }
    let no_sign_in = "no sign-in that is judged has this id";
    match summary.passed_over {
        Some(PassedOver::Skipped(reason)) => {
            format!("{no_sign_in}: a record that holds it is skipped, as it is of {}", skipped_text(reason))
        }
        Some(PassedOver::Rejected(reason)) => {
            format!(
                "{no_sign_in}: a record that holds it cannot be read ({}); --rejects of `farsign replay` shows it",
                reason.name()
            )
        }
        Some(PassedOver::LeftOut(cause)) => format!("the sign-in is left out by {}", left_out_text(cause)),
        None if summary.nothing_readable() => {
            let reasons = summary.rejects.iter().map(|(reason, count)| format!("{} {count}", reason.name()));
            let reasons = reasons.collect::<Vec<_>>().join(", ");
            format!("none of the {} records can be read: {reasons}", summary.records)
        }
        None => {
            "there is no such sign-in in the input, nor among those that the state remembers one by one".to_owned()
        }
    }
}

fn skipped_text(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::ServicePrincipal => "a service principal, no user (servicePrincipal)",
        SkipReason::ManagedIdentity => "a managed identity, no user (managedIdentity)",
        SkipReason::MicrosoftServicePrincipal => {
            "a service principal of Microsoft's own (microsoftServicePrincipal)"
        }
        SkipReason::NotASignIn => "another log than sign-ins (notASignIn)",
    }
}

fn left_out_text(cause: LeftOut) -> &'static str {
    match cause {
        LeftOut::OutsideTime => "--from or --to",
        LeftOut::OtherTenant => "--tenant",
        LeftOut::OtherUser => "--users",
    }
}
