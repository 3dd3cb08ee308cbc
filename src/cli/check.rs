//! `farsign check`: every problem of a configuration, or the configuration as it takes effect.
//!
//! Exit code 0: valid; the effective configuration is on standard output, as YAML with every default filled in.
//! 1: it has problems, one a line on standard error. 2: the file cannot be read. Tables are not opened.

use std::collections::BTreeMap;
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
    let code = check(args, &environment, &mut std::io::stdout().lock(), &mut std::io::stderr().lock())?;
    Ok(ExitCode::from(code))
}

fn check(
    args: &Args,
    environment: &BTreeMap<String, String>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> anyhow::Result<u8> {
    match config::load(args.config.as_deref(), environment) {
        Ok(config) => {
            writeln!(out, "# configuration hash {:016x}, tables apart", config.engine.config_hash)?;
            out.write_all(serde_saphyr::to_string(&config.effective)?.as_bytes())?;
            Ok(0)
        }
        Err(problems) => {
            writeln!(err, "{problems}")?;
            Ok(if problems.unreadable { 2 } else { 1 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_streams() {
        let check = |config: Option<&str>, variables: &[(&str, &str)], code: u8, out_has: &str, err_has: &str| {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let args = Args { config: config.map(PathBuf::from) };
            let environment =
                variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            assert_eq!(super::check(&args, &environment, &mut out, &mut err).unwrap(), code);
            let (out, err) = (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap());
            assert!(out.contains(out_has) && out.is_empty() == (code != 0), "{out}");
            assert!(err.contains(err_has) && err.is_empty() == (code == 0), "{err}");
        };
        check(None, &[], 0, "max_speed_kmh: 1000", "");
        check(Some("config/farsign.example.yaml"), &[("FARSIGN_REPLAY__THREADS", "7")], 0, "threads: 7", "");
        check(Some("tests/config/keys.yaml"), &[], 1, "", "line 19: replay.threads");
        check(None, &[("FARSIGN_REPLAY__THREADS", "many")], 1, "", "environment variable FARSIGN_REPLAY__THREADS");
        check(Some("tests/config/absent.yaml"), &[], 2, "", "cannot read `tests/config/absent.yaml`");
    }
}
