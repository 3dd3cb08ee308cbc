//! `farsign run`: sign-in logs from Kafka → risk detections to Kafka, until it is told to stop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{PROBLEMS, say};
use crate::config::{self, Config};
use crate::health::Health;
use crate::http::Server;
use crate::logging;
use crate::metrics::Metrics;
use crate::runtime::kafka::client::Connection;
use crate::runtime::kafka::judging::{Judgings, Limits};
use crate::runtime::kafka::marker::HalfImported;
use crate::runtime::kafka::names::Names;
use crate::runtime::kafka::run::{self, End, Parts};
use crate::runtime::kafka::topics::Layout;
use crate::runtime::kafka::topics::verify::{self, Verified};
use crate::runtime::kafka::transfer;
use crate::runtime::people;
use crate::runtime::reload::{Loaded, Reloaded, Source, Timing, Watcher};

/// Brokers get this long for one answer.
const ASK_MAX: Duration = Duration::from_secs(15);
/// Topics that are not as they must be are looked at again after this.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Bytes that a record's batch, key and headers may take of a topic's limit.
const BATCH_OVERHEAD: usize = 16 * 1024;

#[derive(clap::Args)]
pub struct Args {
    /// Configuration file (YAML).
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log as text or JSON lines [default: `log.format`].
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<logging::LogFormat>,
    /// error, warn, info, debug, trace, or a filter such as `warn,librdkafka=debug` [default: `log.level`].
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let loaded = config::load(args.config.as_deref(), &environment);
    let mut config = match loaded.and_then(|config| config.for_input().map(|()| config)) {
        Ok(config) => config,
        Err(problems) if problems.unreadable => bail!(problems),
        Err(problems) => {
            say(&format!("error: the configuration is not valid\n{problems}"));
            return Ok(ExitCode::from(PROBLEMS));
        }
    };
    start_log(args, &config)?;
    people::load(&mut config)?;
    let stop = watch_signals()?;
    let metrics = Metrics::new();
    let health = Health::new(&["topics"]);
    let server = Server::start(config.http.listen, metrics.clone(), health.clone())?;
    tracing::info!(address = %server.address(), "metrics and health are served");
    let reloaded = Reloaded::new(Loaded::new(&config)?);
    let source = Source { path: args.config.clone(), environment };
    let _watcher = Watcher::start(source, reloaded.clone(), metrics.clone(), Timing::default())?;
    let code = serve(config, reloaded, metrics, health, &stop);
    server.stop();
    code
}

fn start_log(args: &Args, config: &Config) -> anyhow::Result<()> {
    let format = args.log_format.unwrap_or(match config.log.format {
        config::LogFormat::Text => logging::LogFormat::Text,
        config::LogFormat::Json => logging::LogFormat::Json,
    });
    logging::start(args.log_level.as_deref().unwrap_or(config.log.level.name()), format)
}

/// SIGINT and SIGTERM ask for an orderly end; a second one does not wait for it.
fn watch_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        let code = i32::from(super::INTERRUPTED);
        signal_hook::flag::register_conditional_shutdown(signal, code, stop.clone())
            .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
            .context("cannot watch for signals")?;
    }
    Ok(stop)
}

fn serve(
    config: Config,
    reloaded: Arc<Reloaded>,
    metrics: Metrics,
    health: Arc<Health>,
    stop: &AtomicBool,
) -> anyhow::Result<ExitCode> {
    let connection = Connection::new(&config.kafka)?.counted(metrics.clone());
    let Some(layout) = verified(&config, &connection, &health, stop)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let judging = Judgings::new(reloaded, &config, limits(&config, &layout));
    let names = Names::new(&config, connection, &layout);
    match transfer::look(&names) {
        Err(error) if error.is::<HalfImported>() => return Err(error),
        // Every task finds it, too: this one is so that none begins while another is refused.
        Err(error) => tracing::warn!("cannot look whether an import broke off: {error:#}"),
        Ok(()) => {}
    }
    // In this order, as in between it must not look ready.
    health.block(run::GROUP, "not a member of the consumer group yet");
    health.clear("topics");
    let parts = Parts { config, names: Arc::new(names), judging: Arc::new(judging), metrics, health };
    let end = run::run(&parts, stop)?;
    Ok(match end {
        End::Asked => ExitCode::SUCCESS,
        End::Fatal(reason) => {
            say(&format!("error: {reason}"));
            ExitCode::from(PROBLEMS)
        }
        End::Hard => {
            let grace = parts.config.run.shutdown_grace.as_secs();
            tracing::warn!("tasks did not close within {grace} s; what was not committed is read again");
            // Threads may hang inside librdkafka; every moment is safe to end at.
            #[expect(clippy::exit, reason = "an orderly end is no longer to be had")]
            std::process::exit(i32::from(super::COULD_NOT_RUN))
        }
    })
}

/// Asks until the topics are as they must be; every new set of problems is said once. `None`: told to stop.
fn verified(
    config: &Config,
    connection: &Connection,
    health: &Health,
    stop: &AtomicBool,
) -> anyhow::Result<Option<Layout>> {
    let mut said = Vec::new();
    while !stop.load(Ordering::Acquire) {
        let problems = match verify::verify(connection, config, ASK_MAX) {
            Ok(Verified { layout: Some(layout), .. }) => return Ok(Some(layout)),
            Ok(verified) => verified.problems.iter().map(ToString::to_string).collect(),
            Err(error) => vec![error.to_string()],
        };
        if problems != said {
            for problem in &problems {
                tracing::error!("{problem}");
            }
            health.block("topics", problems.join("; "));
            said = problems;
        }
        std::thread::sleep(ASK_AGAIN);
    }
    Ok(None)
}

/// What the topics allow a task to write.
pub(super) fn limits(config: &Config, layout: &Layout) -> Limits {
    let topics = &config.topics;
    let limit = |name: &String| layout.topics.get(name).map_or(usize::MAX, |topic| topic.message_bytes_max);
    let mut outputs = vec![&topics.state, &topics.profiles, &topics.risk_detections, &topics.risky_users];
    outputs.extend((!config.engine.shadow_policies.is_empty()).then_some(&topics.shadow));
    let room = |bytes: usize| bytes.saturating_sub(BATCH_OVERHEAD);
    Limits {
        record_bytes_max: room(outputs.into_iter().map(limit).min().unwrap_or(usize::MAX)),
        dead_letter_bytes_max: room(limit(&topics.dead_letter)),
        partitions: layout.partitions,
    }
}
