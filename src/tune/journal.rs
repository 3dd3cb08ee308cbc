//! Results of finished passes, kept in a file so that a run that was broken off goes on behind them.
//!
//! One JSON object a line: what the results rest on, what the stream held, then a line for each variant. The file is
//! replaced as a whole after each pass, so it never holds half of one.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::report::{Stream, VariantReport, VerdictsReport};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    /// Hash of inputs, labels and what is counted.
    Fingerprint(String),
    Stream(Stream),
    Labels(VerdictsReport),
    Variant(Box<VariantReport>),
}

/// Variants that were judged, by the hash of their configuration.
#[derive(Debug, Default)]
pub struct Journal {
    path: Option<PathBuf>,
    fingerprint: u64,
    stream: Stream,
    labels: Option<VerdictsReport>,
    variants: BTreeMap<u64, VariantReport>,
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
                Line::Variant(variant) => {
                    let hash = u64::from_str_radix(&variant.config_hash, 16).with_context(failed)?;
                    journal.variants.insert(hash, *variant);
                }
            }
        }
        Ok(journal)
    }

    pub fn has(&self, config_hash: u64) -> bool {
        self.variants.contains_key(&config_hash)
    }

    pub fn len(&self) -> usize {
        self.variants.len()
    }

    pub fn is_empty(&self) -> bool {
        self.variants.is_empty()
    }

    /// What the stream held: the same in every pass.
    pub fn stream(&mut self, stream: Stream, labels: Option<VerdictsReport>) {
        self.stream = stream;
        self.labels = labels;
    }

    pub fn add(&mut self, config_hash: u64, variant: VariantReport) {
        self.variants.insert(config_hash, variant);
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self) -> anyhow::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let failed = || format!("cannot write `{}`", path.display());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
        let head = [Line::Fingerprint(format!("{:016x}", self.fingerprint)), Line::Stream(self.stream.clone())];
        let labels = self.labels.clone().map(Line::Labels);
        let variants = self.variants.values().map(|variant| Line::Variant(Box::new(variant.clone())));
        for line in head.into_iter().chain(labels).chain(variants) {
            serde_json::to_writer(&mut file, &line).with_context(failed)?;
            writeln!(file).with_context(failed)?;
        }
        file.persist(path).with_context(failed)?;
        Ok(())
    }

    pub fn into_parts(self) -> (Stream, Option<VerdictsReport>, BTreeMap<u64, VariantReport>) {
        (self.stream, self.labels, self.variants)
    }
}
