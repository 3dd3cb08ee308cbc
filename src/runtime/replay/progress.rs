//! What a person sees while a replay runs: a bar on a terminal, else a line now and then. Always on stderr.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::runtime::clock;

/// Between two lines when stderr is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Redraws of the bar a second.
const REDRAW_HZ: u8 = 8;

pub struct Progress {
    bar: Option<ProgressBar>,
    total: Option<u64>,
    shown: Instant,
}

impl Progress {
    /// `total` is the number of bytes to read, where it is known.
    pub fn new(total: Option<u64>) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| bar(total));
        Progress { bar, total, shown: clock::now() }
    }

    pub fn show(&mut self, read: u64, records: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(read);
            bar.set_message(format!("{} records", HumanCount(records)));
        } else if self.shown.elapsed() >= LINE_INTERVAL {
            self.shown = clock::now();
            let of = self.total.map(|total| format!(" of {}", total / 1_000_000)).unwrap_or_default();
            // Nothing can be done when stderr is gone.
            drop(writeln!(std::io::stderr(), "{}{of} MB, {} records", read / 1_000_000, HumanCount(records)));
        }
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {msg}",
        None => "{spinner} {bytes}  {bytes_per_sec}  {msg}",
    };
    let target = indicatif::ProgressDrawTarget::stderr_with_hz(REDRAW_HZ);
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(total, target).with_style(style)
}
