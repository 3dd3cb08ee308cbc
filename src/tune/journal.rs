//! Results of finished passes, kept in a file so that a run that was broken off goes on behind them.
//!
//! One JSON object a line: what the results rest on, what the stream held, then a line for each variant. The file is
//! replaced as a whole after each pass, so it never holds half of one.

use std::collections::BTreeMap;
use std::io::{BufWriter, IntoInnerError, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::report::{Stream, VariantReport, VerdictsReport};
use crate::runtime::parts_file;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    /// Hash of inputs, labels and what is counted.
    Fingerprint(String),
    Stream(Stream),
    Labels(VerdictsReport),
    /// The input could not be read in full.
    Damaged,
    Variant(Box<VariantReport>),
    /// Bytes of a variant's detections in the folder of outputs.
    #[serde(rename_all = "camelCase")]
    Written {
        config_hash: String,
        bytes: u64,
    },
}

/// Variants that were judged, by the hash of their configuration.
#[derive(Debug, Default)]
pub struct Journal {
    path: Option<PathBuf>,
    fingerprint: u64,
    stream: Stream,
    labels: Option<VerdictsReport>,
    is_damaged: bool,
    variants: BTreeMap<u64, VariantReport>,
    written: BTreeMap<u64, u64>,
}

/// What finished passes came to.
pub struct Finished {
    pub stream: Stream,
    pub labels: Option<VerdictsReport>,
    /// The input could not be read in full.
    pub is_damaged: bool,
    /// By the hash of their configuration.
    pub variants: BTreeMap<u64, VariantReport>,
}

impl Journal {
    /// Takes up what `path` holds; `None` keeps nothing.
    ///
    /// # Errors
    /// When the file cannot be read, is no journal, or is one of other inputs, labels, or options.
    pub fn open(path: Option<&Path>, fingerprint: u64) -> anyhow::Result<Journal> {
        let mut journal = Journal { path: path.map(Path::to_path_buf), fingerprint, ..Journal::default() };
        let Some(path) = path.filter(|path| path.exists()) else { return Ok(journal) };
        let failed = || format!("cannot resume from `{}`", path.display());
        let text = std::fs::read_to_string(path).with_context(failed)?;
        for (line, number) in text.lines().zip(1u64..) {
            let line = serde_json::from_str(line).with_context(|| format!("line {number} is not of ours"));
            match line.with_context(failed)? {
                Line::Fingerprint(of) if of != format!("{fingerprint:016x}") => {
                    bail!(
                        "`{}` holds results of other inputs, labels, tables or options: remove it, or name another file",
                        path.display()
                    );
                }
                Line::Fingerprint(_) => {}
                Line::Stream(stream) => journal.stream = stream,
                Line::Labels(labels) => journal.labels = Some(labels),
                Line::Damaged => journal.is_damaged = true,
                Line::Variant(variant) => {
                    let hash = u64::from_str_radix(&variant.config_hash, 16).with_context(failed)?;
                    journal.variants.insert(hash, *variant);
                }
                Line::Written { config_hash, bytes } => {
                    journal.written.insert(u64::from_str_radix(&config_hash, 16).with_context(failed)?, bytes);
                }
            }
        }
        Ok(journal)
    }

    pub fn has(&self, config_hash: u64) -> bool {
        self.variants.contains_key(&config_hash)
    }

    /// The number that a variant had in the plan.
    pub fn number_of(&self, config_hash: u64) -> Option<usize> {
        self.variants.get(&config_hash).map(|variant| variant.number)
    }

    pub fn len(&self) -> usize {
        self.variants.len()
    }

    pub fn is_empty(&self) -> bool {
        self.variants.is_empty()
    }

    /// What the stream held, and whether it could not be read in full: the same in every pass.
    pub fn stream(&mut self, stream: Stream, labels: Option<VerdictsReport>, is_damaged: bool) {
        self.stream = stream;
        self.labels = labels;
        self.is_damaged |= is_damaged;
    }

    pub fn add(&mut self, config_hash: u64, variant: VariantReport) {
        self.variants.insert(config_hash, variant);
    }

    /// Notes how long a variant's detections are.
    pub fn wrote(&mut self, config_hash: u64, bytes: u64) {
        self.written.insert(config_hash, bytes);
    }

    /// How long a variant's detections are; `None` where they were not written.
    pub fn bytes_of(&self, config_hash: u64) -> Option<u64> {
        self.written.get(&config_hash).copied()
    }

    /// As if it had not been judged.
    pub fn forget(&mut self, config_hash: u64) {
        self.variants.remove(&config_hash);
        self.written.remove(&config_hash);
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self) -> anyhow::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let failed = || format!("cannot write `{}`", path.display());
        let mut file = BufWriter::new(parts_file::replace(path).with_context(failed)?);
        let head = [Line::Fingerprint(format!("{:016x}", self.fingerprint)), Line::Stream(self.stream.clone())];
        let labels = self.labels.clone().map(Line::Labels);
        let variants = self.variants.values().map(|variant| Line::Variant(Box::new(variant.clone())));
        let damaged = self.is_damaged.then_some(Line::Damaged);
        let written = self.written.iter();
        let written =
            written.map(|(hash, bytes)| Line::Written { config_hash: format!("{hash:016x}"), bytes: *bytes });
        for line in head.into_iter().chain(labels).chain(damaged).chain(variants).chain(written) {
            serde_json::to_writer(&mut file, &line).with_context(failed)?;
            writeln!(file).with_context(failed)?;
        }
        let file = file.into_inner().map_err(IntoInnerError::into_error).with_context(failed)?;
        file.commit().with_context(failed)
    }

    pub fn into_finished(self) -> Finished {
        let Journal { stream, labels, is_damaged, variants, .. } = self;
        Finished { stream, labels, is_damaged, variants }
    }
}
