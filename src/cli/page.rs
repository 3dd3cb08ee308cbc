//! Writes the page of `--report`.

use std::path::Path;

use anyhow::Context;

use crate::report::{self, Page};

pub(super) fn write(path: &Path, page: &Page) -> anyhow::Result<()> {
    let text = report::render(page)?;
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}
