//! `farsign check`: every problem of a configuration, or the configuration as it takes effect.
//!
//! Exit code 0: valid; the effective configuration is on standard output, as YAML with every default filled in.
//! 1: it has problems, one a line on standard error. 2: the file cannot be read. Tables are not opened.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config;

/// Check a configuration and print it as it takes effect
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Configuration file (YAML); without it the defaults and the environment
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    match config::load(args.config.as_deref(), &environment) {
        Ok(config) => {
            let text = serde_saphyr::to_string(&config.effective)?;
            writeln!(
                std::io::stdout().lock(),
                "# configuration hash {:016x}, tables apart",
                config.engine.config_hash
            )?;
            std::io::stdout().lock().write_all(text.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            writeln!(std::io::stderr().lock(), "{problems}")?;
            Ok(ExitCode::from(if problems.unreadable { 2 } else { 1 }))
        }
    }
}
