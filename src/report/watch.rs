//! Listens to a run: what goes to its outputs is taken for a page, too.

use std::io::{self, Write};

use super::alerts::Alerts;
use super::overview::Span;
use crate::engine::facts::Item;
use crate::engine::out::{Detection, RiskyUser};
use crate::engine::signin::{EventTime, SECONDS_PER_DAY};
use crate::render::{RenderContext, graph};
use crate::runtime::replay::block::{Block, Rejected};
use crate::runtime::replay::output::Sink;

/// A sink, and what a page needs of each variant that goes to it.
pub struct Watched<'a> {
    sink: &'a mut dyn Sink,
    /// One for each variant.
    contexts: &'a [RenderContext],
    pub alerts: Vec<Alerts>,
    /// Times of the sign-ins.
    pub span: Option<Span>,
    /// Day of the first sign-in that came.
    pub first_day: Option<i32>,
    line: Vec<u8>,
}

impl<'a> Watched<'a> {
    pub fn new(sink: &'a mut dyn Sink, contexts: &'a [RenderContext]) -> Watched<'a> {
        let alerts = contexts.iter().map(|_| Alerts::default()).collect();
        Watched { sink, contexts, alerts, span: None, first_day: None, line: Vec::new() }
    }
}

impl Watched<'_> {
    /// Times of the sign-ins behind the warm-up; `None` where there was none at all.
    pub fn counted_span(&self, warm_up_days: u32) -> Option<Span> {
        let (first, last) = self.span?;
        let day = i64::from(self.first_day?) + i64::from(warm_up_days);
        let from = if warm_up_days > 0 { EventTime::from_seconds(day * SECONDS_PER_DAY) } else { first };
        Some((from, last.max(from)))
    }
}

impl Sink for Watched<'_> {
    fn items(&mut self, items: &[Item<'_>]) {
        for item in items {
            if let Item::SignIn(prepared) = item {
                let time = prepared.facts.time;
                self.first_day.get_or_insert(time.day());
                let (first, last) = self.span.unwrap_or((time, time));
                self.span = Some((first.min(time), last.max(time)));
            }
        }
        self.sink.items(items);
    }

    /// A page of any output format reads the same lines: detections are rare, so each is written once more.
    fn detection(&mut self, variant: usize, detection: &Detection) -> io::Result<()> {
        self.line.clear();
        graph::write(detection, &self.contexts[variant], &mut self.line);
        self.alerts[variant].take(&self.line).map_err(io::Error::other)?;
        self.sink.detection(variant, detection)
    }

    fn shadow_detection(&mut self, variant: usize, detection: &Detection) -> io::Result<()> {
        self.sink.shadow_detection(variant, detection)
    }

    fn risky_user(&mut self, variant: usize, user: &RiskyUser) -> io::Result<()> {
        self.sink.risky_user(variant, user)
    }

    fn reject(&mut self, file: &str, block: &Block, rejected: &Rejected) -> io::Result<()> {
        self.sink.reject(file, block, rejected)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    fn lengths(&self) -> Vec<u64> {
        self.sink.lengths()
    }
}

/// Passes lines of detections (`output.format: graph`) on, and takes each for a page if there is to be one.
pub struct Lines<W> {
    into: W,
    pub alerts: Option<Alerts>,
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
}

impl<W: Write> Lines<W> {
    pub fn new(into: W, alerts: Option<Alerts>) -> Lines<W> {
        Lines { into, alerts, begun: Vec::new() }
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.into.write(bytes)?;
        let Some(alerts) = &mut self.alerts else { return Ok(length) };
        for part in bytes[..length].split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(part);
            if self.begun.ends_with(b"\n") {
                alerts.take(&self.begun).map_err(io::Error::other)?;
                self.begun.clear();
            }
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}
