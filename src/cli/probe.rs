//! `farsign probe`: checks that a deployment has taken every record exactly once.
//!
//! It needs `run.probe_topic`, set before the application began, and a deployment that is stopped or idle. The report is
//! JSON on standard output. Exit code 0: no violation; records not taken yet are told as lag. 1: violations, each kind
//! with its count and the first places. 2: something could not be read.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::{PROBLEMS, deployment, say};
use crate::engine::enrich::Enricher;
use crate::runtime::kafka::probe_read;
use crate::runtime::tables::TableFiles;

#[derive(clap::Args)]
pub struct Args {
    /// Configuration file (YAML); without it the defaults and the environment.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let deployment = deployment::open(args.config.as_ref())?;
    // Whose a record is does not depend on any table.
    let enricher = Enricher::new(Arc::new(TableFiles::default().load()?));
    let mut told = |topic: &str| say(&format!("reading `{topic}`"));
    let report = probe_read::check(&deployment.names, &deployment.config.input, enricher, &mut told)?;
    writeln!(std::io::stdout().lock(), "{}", serde_json::to_string_pretty(&report)?)?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
}
