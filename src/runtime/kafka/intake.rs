//! Kafka records → items, and what was none.
//!
//! A record is one JSON value, an envelope of many, or several values behind each other, as log shippers make them.
//! Decoding changes nothing, so a panic in it costs the record, not the task.

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::record::{Record, Source, SourceKind};
use crate::config::Framing;
use crate::engine::decode::{Decoded, Format, Reject, RejectReason, SkipReason, decode};
use crate::engine::enrich::Enricher;
use crate::engine::facts::Item;
use crate::engine::hash::UserKey;
use crate::metrics::labels::DeadLetterReason;
use crate::runtime::replay::framing::{Frame, FrameKind, Framer};

/// Bytes of a schema registry's frame: magic, schema id.
const REGISTRY_FRAME_LENGTH: usize = 5;

/// Why a record, or a part of it, was not taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub reason: DeadLetterReason,
    pub detail: String,
}

/// One record's part in the items.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    pub items: Range<usize>,
    /// Empty for nearly every record.
    pub refusals: Vec<Refusal>,
    pub skipped: Vec<SkipReason>,
    pub is_tombstone: bool,
}

/// Records and what they hold.
#[derive(Default)]
pub struct Intake<'a> {
    pub items: Vec<Item<'a>>,
    /// One a record.
    pub spans: Vec<Span>,
}

impl<'a> Intake<'a> {
    pub fn read(
        records: &[Record<'a>],
        sources: &[Source],
        refused: &BTreeSet<(usize, i64)>,
        format: Format,
        framing: Framing,
        enricher: &mut Enricher,
    ) -> Intake<'a> {
        let mut intake = Intake { items: Vec::with_capacity(records.len()), spans: Vec::new() };
        intake.spans.reserve(records.len());
        for record in records {
            if refused.contains(&(record.source, record.offset)) {
                intake.refuse("the task failed on this record");
                continue;
            }
            let kind = sources[record.source].kind;
            intake.take(record, kind, format, framing, enricher);
        }
        intake
    }

    /// A record that is not taken for a fault of ours.
    fn refuse(&mut self, detail: &str) {
        let refusals = vec![Refusal { reason: DeadLetterReason::InternalError, detail: detail.to_owned() }];
        let items = self.items.len()..self.items.len();
        self.spans.push(Span { items, refusals, ..Span::default() });
    }

    fn take(
        &mut self,
        record: &Record<'a>,
        kind: SourceKind,
        format: Format,
        framing: Framing,
        enricher: &mut Enricher,
    ) {
        let start = self.items.len();
        let mut span = Span { items: start..start, ..Span::default() };
        match record.payload.map(|payload| unframe(payload, framing)) {
            None => span.is_tombstone = true,
            Some(Err(refusal)) => span.refusals.push(refusal),
            Some(Ok(payload)) => {
                let format = if kind == SourceKind::Commands { Format::Farsign } else { format };
                let read = || read_payload(payload, kind, format, enricher, &mut self.items, &mut span);
                if catch_unwind(AssertUnwindSafe(read)).is_err() {
                    self.items.truncate(start);
                    return self.refuse("the decoder failed on this record");
                }
            }
        }
        span.items = start..self.items.len();
        self.spans.push(span);
    }
}

fn unframe(payload: &[u8], framing: Framing) -> Result<&[u8], Refusal> {
    let is_framed = payload.len() >= REGISTRY_FRAME_LENGTH && payload[0] == 0;
    match framing {
        Framing::None => Ok(payload),
        Framing::Confluent | Framing::Auto if is_framed => Ok(&payload[REGISTRY_FRAME_LENGTH..]),
        Framing::Auto => Ok(payload),
        Framing::Confluent => Err(Refusal {
            reason: DeadLetterReason::Rejected(RejectReason::UnknownFormat),
            detail: "no schema registry frame before the value".to_owned(),
        }),
    }
}

fn read_payload<'a>(
    payload: &'a [u8],
    kind: SourceKind,
    format: Format,
    enricher: &mut Enricher,
    items: &mut Vec<Item<'a>>,
    span: &mut Span,
) {
    let start = items.len();
    let mut parts = Vec::new();
    let mut is_looked_at = false;
    decode(format, payload, &mut |decoded| {
        // A refused record may be several values behind each other; such a record is no JSON value, and so nothing
        // came of it before the refusal. Of an array with a refused element something may have come: it is one value.
        let is_first = items.len() == start && span.skipped.is_empty();
        if decoded.is_err() && !is_looked_at {
            is_looked_at = true;
            if is_first {
                parts = split(payload);
            }
        }
        if parts.len() <= 1 {
            put(decoded, kind, enricher, items, span);
        }
    });
    if parts.len() > 1 {
        for part in &parts {
            decode(format, &payload[part.start..part.end], &mut |decoded| {
                put(decoded, kind, enricher, items, span);
            });
        }
    }
}

/// The values of a record that holds several.
fn split(payload: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    Framer::default().frame(payload, true, &mut frames);
    if frames.iter().all(|frame| matches!(frame.kind, FrameKind::Record)) { frames } else { Vec::new() }
}

fn put<'a>(
    decoded: Result<Decoded<'a>, Reject>,
    kind: SourceKind,
    enricher: &mut Enricher,
    items: &mut Vec<Item<'a>>,
    span: &mut Span,
) {
    match decoded {
        Ok(Decoded::SignIn(_)) if kind == SourceKind::Commands => span.refusals.push(Refusal {
            reason: DeadLetterReason::NotACommand,
            detail: "a sign-in among the commands".to_owned(),
        }),
        Ok(Decoded::SignIn(sign_in)) => items.push(Item::SignIn(enricher.enrich(sign_in))),
        Ok(Decoded::Feedback(feedback)) => {
            let user = UserKey::new(&feedback.tenant_id, &feedback.user_id);
            items.push(Item::Feedback { user, feedback });
        }
        Ok(Decoded::Skipped(reason)) => span.skipped.push(reason),
        Err(reject) => span.refusals.push(Refusal {
            reason: DeadLetterReason::Rejected(reject.reason),
            detail: format!("{} at byte {}", reject.detail, reject.offset),
        }),
    }
}
