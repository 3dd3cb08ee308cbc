//! Writes the page of `--report`, and what `--json` asks for.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use crate::report::{self, Page};

pub(super) fn write(path: &Path, page: &Page) -> anyhow::Result<()> {
    let text = report::render(page)?;
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

pub(super) fn write_json(path: &Path, report: &impl Serialize) -> anyhow::Result<()> {
    let failed = || format!("cannot write `{}`", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(failed)?);
    serde_json::to_writer_pretty(&mut file, report).with_context(failed)?;
    writeln!(file).and_then(|()| file.flush()).with_context(failed)
}
