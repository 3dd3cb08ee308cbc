//! `farsign run`: sign-in logs from Kafka → risk detections to Kafka, until it is told to stop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{PROBLEMS, say};
use crate::config::{self, Config};
use crate::health::Health;
use crate::http::Server;
use crate::logging;
use crate::metrics::Metrics;
use crate::runtime::kafka::client::Connection;
use crate::runtime::kafka::judging::Judgings;
use crate::runtime::kafka::names::Names;
use crate::runtime::kafka::run::{self, End, Parts};
use crate::runtime::reload::{Loaded, Reloaded, Source, Timing, Watcher};

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
    let config = match loaded.and_then(|config| config.for_input().map(|()| config)) {
        Ok(config) => config,
        Err(problems) if problems.unreadable => bail!(problems),
        Err(problems) => {
            say(&format!("error: the configuration is not valid\n{problems}"));
            return Ok(ExitCode::from(PROBLEMS));
        }
    };
    start_log(args, &config)?;
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
    let connection = Connection::new(&config.kafka)?;
    let Some(layout) = verified(&config, &connection, &health, stop)? else {
        return Ok(ExitCode::SUCCESS);
    };
    health.clear("topics");
    let judging = Judgings::new(reloaded, &config, layout.record_bytes_max, usize::try_from(layout.partitions)?);
    let names = Names::new(&config, connection, layout.partitions, layout.record_bytes_max);
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

struct Layout {
    partitions: i32,
    record_bytes_max: usize,
}
fn verified(
    config: &Config,
    connection: &Connection,
    _health: &Arc<Health>,
    stop: &AtomicBool,
) -> anyhow::Result<Option<Layout>> {
    use rdkafka::consumer::Consumer;
    let reader: rdkafka::consumer::BaseConsumer<_> =
        connection.follower().create_with_context(connection.context("topics"))?;
    let lead = &config.input.topics[0];
    let _ = stop.load(Ordering::Relaxed);
    let metadata = reader.fetch_metadata(Some(lead), std::time::Duration::from_secs(10))?;
    let partitions = metadata.topics()[0].partitions().len() as i32;
    Ok(Some(Layout { partitions, record_bytes_max: 1_000_000 }))
}
