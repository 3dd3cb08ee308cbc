//! `farsign check`: every problem of a configuration, or the configuration as it takes effect; with `--sample`, what
//! records become under it.
//!
//! Exit code 0: valid; the effective configuration is on standard output, as YAML with every default filled in.
//! 1: it has problems, one a line on standard error, or a sample's record was rejected. 2: a file cannot be read.
//! Tables are not opened.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::sample::{self, Tally};
use super::table_args::format_parser;
use crate::config::{self, Config};
use crate::engine::decode::Format;
use crate::runtime::people;

/// Check a configuration and print it as it takes effect
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Configuration file (YAML); without it the defaults and the environment
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Tell what each record of this file becomes, instead of printing the configuration
    #[arg(long, value_name = "FILE")]
    sample: Vec<PathBuf>,
    /// Format of the sample's records [default: the configuration's]
    #[arg(long, requires = "sample", value_parser = format_parser())]
    format: Option<Format>,
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
        Ok(config) if !args.sample.is_empty() => samples(args, config, out, err),
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

fn samples(args: &Args, mut config: Config, out: &mut impl Write, err: &mut impl Write) -> anyhow::Result<u8> {
    people::load(&mut config)?;
    let mut decoder = config.input.decoder;
    decoder.format = args.format.unwrap_or(decoder.format);
    let mut rejected = 0;
    for path in &args.sample {
        let Tally { sign_ins, upstream_findings, feedback, skipped, rejected: refused } =
            sample::tell(path, &decoder, out)?;
        writeln!(
            err,
            "{}: {sign_ins} sign-ins, {upstream_findings} upstream findings, {feedback} feedback, {skipped} skipped, \
             {refused} rejected",
            path.display()
        )?;
        rejected += refused;
    }
    Ok(u8::from(rejected > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_told_record_by_record() {
        let folder = tempfile::tempdir().unwrap();
        let (config, sample) = (folder.path().join("farsign.yaml"), folder.path().join("acme.json"));
        std::fs::write(
            &config,
            "mappings:\n  - name: acme\n    conditions: [{pointer: /app, equals: [acme]}]\n    fields:\n      \
             time: {pointers: [/at], time_format: '%d/%b/%Y:%H:%M:%S %z'}\n      user_id: {pointers: [/who]}\n      \
             outcome: {pointers: [/result], words: {OK: success, BAD: wrong-password, OUT: not-a-sign-in}}\n",
        )
        .unwrap();
        let line = |result: &str| {
            format!(r#"{{"app":"acme","at":"02/Mar/2026:08:00:00 +0100","who":"u1","result":"{result}"}}"#)
        };
        std::fs::write(&sample, [line("ok"), line("BAD"), line("out"), line("odd")].join("\n")).unwrap();
        let args = Args { config: Some(config), sample: vec![sample], format: None };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(check(&args, &BTreeMap::new(), &mut out, &mut err).unwrap(), 1);
        let out = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = out.lines().collect();
        assert!(
            lines[0].starts_with(r#"{"line":1,"became":"signIn","record":{"type":"signIn","provider":"other""#)
        );
        assert!(lines[0].contains(r#""time":"2026-03-02T07:00:00Z""#), "{out}");
        assert!(lines[1].contains(r#""outcome":"failed","credential":"wrong""#), "{out}");
        assert_eq!(lines[2], r#"{"line":3,"became":"skipped","reason":"notASignIn"}"#);
        assert!(lines[3].starts_with(r#"{"line":4,"became":"rejected","reason":"wrongType","detail":"#), "{out}");
        assert!(
            String::from_utf8(err)
                .unwrap()
                .ends_with("2 sign-ins, 0 upstream findings, 0 feedback, 1 skipped, 1 rejected\n")
        );
    }

    #[test]
    fn codes_and_streams() {
        let check = |config: Option<&str>, variables: &[(&str, &str)], code: u8, out_has: &str, err_has: &str| {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let args = Args { config: config.map(PathBuf::from), sample: Vec::new(), format: None };
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
