//! A block of one file, decoded and enriched: items that borrow the block's bytes, and what was not an item.
//!
//! Any worker can make any block. Beside the items lie small columns the merge and the rounds need, so that they
//! never touch the items themselves: each item's time, its user, and which shard owns it.

use std::collections::BTreeMap;

use self_cell::self_cell;

use super::SHARDS;
use super::filter::{Filter, LeftOut};
use super::framing::{Frame, FrameKind, Framer};
use super::scan::{Scan, Scanner};
use super::source::RawBlock;
use crate::engine::decode::{Decoded, Decoder, Reject, RejectReason, SkipReason};
use crate::engine::enrich::Enricher;
use crate::engine::facts::Item;
use crate::engine::hash::UserKey;
use crate::engine::signin::EventTime;

/// A record, or an element of one, that was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    pub reject: Reject,
    pub line: u64,
    /// Byte offset of the record in the decompressed file.
    pub offset: u64,
    pub length: u64,
    /// Where its text lies in the block's bytes.
    pub start: usize,
    pub end: usize,
    /// The text's beginning, when the block does not hold it.
    pub head: Box<[u8]>,
}

/// A reject and the number of items in its block that come before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    pub before: usize,
    pub rejected: Rejected,
}

/// What a block's bytes hold.
#[derive(Default)]
pub struct Entries<'a> {
    pub items: Vec<Item<'a>>,
    pub times: Vec<EventTime>,
    pub users: Vec<UserKey>,
    /// Items of each shard, in order.
    pub shards: [Vec<u32>; SHARDS],
    pub notes: Vec<Note>,
    pub skipped: BTreeMap<SkipReason, u64>,
    pub left_out: BTreeMap<LeftOut, u64>,
    pub records: u64,
}

impl<'a> Entries<'a> {
    /// Adds an item with its columns.
    pub fn push(&mut self, item: Item<'a>) {
        let user = item.user();
        self.shards[user.shard(SHARDS)].push(self.items.len() as u32);
        self.times.push(item.time());
        self.users.push(user);
        self.items.push(item);
    }
}

self_cell!(
    /// Bytes and their entries.
    pub struct Cell {
        owner: RawBlock,
        #[covariant]
        dependent: Entries,
    }
);

/// A decoded block and its place in the input.
pub struct Block {
    pub file: usize,
    /// Number of the block in its file, from 0.
    pub sequence: u64,
    cell: Cell,
}

impl Block {
    pub fn decode(
        file: usize,
        sequence: u64,
        raw: RawBlock,
        (decoder, filter): (&Decoder, &Filter),
        enricher: &mut Enricher,
    ) -> Block {
        let cell = Cell::new(raw, |raw| {
            let mut entries = Entries { items: Vec::with_capacity(raw.frames.len()), ..Entries::default() };
            for frame in &raw.frames {
                entries.records += 1;
                decode_frame(decoder, &raw.bytes, frame, &mut |decoded, frame| match decoded
                    .as_ref()
                    .ok()
                    .and_then(|decoded| filter.leaves_out(decoded))
                {
                    Some(cause) => *entries.left_out.entry(cause).or_default() += 1,
                    None => take(decoded, frame, enricher, &mut entries),
                });
            }
            entries
        });
        Block { file, sequence, cell }
    }

    pub fn raw(&self) -> &RawBlock {
        self.cell.borrow_owner()
    }

    pub fn entries(&self) -> &Entries<'_> {
        self.cell.borrow_dependent()
    }

    /// The beginning of a rejected record's text, at most `length` bytes.
    pub fn text_of<'a>(&'a self, rejected: &'a Rejected, length: usize) -> &'a [u8] {
        let text = if rejected.head.is_empty() {
            &self.raw().bytes[rejected.start..rejected.end]
        } else {
            &rejected.head
        };
        &text[..text.len().min(length)]
    }
}

/// Decodes what a frame holds; `take` gets every element, with the frame that it is in.
pub fn decode_frame<'a>(
    decoder: &Decoder,
    bytes: &'a [u8],
    frame: &Frame,
    take: &mut dyn FnMut(Result<Decoded<'a>, Reject>, &Frame),
) {
    let (reason, detail) = match &frame.kind {
        FrameKind::Record => {
            for part in decode_line(decoder, bytes, frame, take) {
                let (start, end) = (frame.start + part.start, frame.start + part.end);
                let offset = frame.offset + part.start as u64;
                let part = Frame { start, end, line: frame.line, offset, kind: FrameKind::Record };
                let record = &bytes[start..end];
                decoder.decode(record, None, &mut |decoded| take(decoded, &part));
            }
            return;
        }
        FrameKind::TooLarge { .. } => (RejectReason::TooLarge, "record is too large"),
        FrameKind::Unclosed => (RejectReason::Malformed, "array or envelope is not closed"),
    };
    take(Err(Reject { reason, offset: 0, detail: detail.into() }), frame);
}

/// A line taken whole may hold several objects after all (delivery streams join batches without a line break).
/// `None` for the usual one.
fn split_line(record: &[u8]) -> Option<Vec<Frame>> {
    memchr::memmem::find(record, b"}{")?;
    let mut scanner = Scanner::default();
    match scanner.feed(record) {
        Scan::End(length) if length < record.len() => {
            let mut parts = Vec::new();
            Framer::default().frame(record, true, &mut parts);
            Some(parts)
        }
        _ => None,
    }
}

/// Decodes a line taken whole. When it is refused because it holds several records, gives those instead: such a
/// line is no JSON value, and so nothing came of it before the refusal.
fn decode_line<'a>(
    decoder: &Decoder,
    bytes: &'a [u8],
    frame: &Frame,
    take: &mut dyn FnMut(Result<Decoded<'a>, Reject>, &Frame),
) -> Vec<Frame> {
    let record = &bytes[frame.start..frame.end];
    let (mut parts, mut is_looked_at) = (None, false);
    decoder.decode(record, None, &mut |decoded| {
        if decoded.is_err() && !is_looked_at {
            is_looked_at = true;
            parts = split_line(record);
        }
        if parts.is_none() {
            take(decoded, frame);
        }
    });
    parts.unwrap_or_default()
}

fn take<'a>(
    decoded: Result<Decoded<'a>, Reject>,
    frame: &Frame,
    enricher: &mut Enricher,
    entries: &mut Entries<'a>,
) {
    match decoded {
        Ok(Decoded::SignIn(sign_in)) => entries.push(Item::SignIn(enricher.enrich(sign_in))),
        Ok(Decoded::Feedback(feedback)) => {
            let user = UserKey::new(&feedback.tenant_id, &feedback.user_id);
            entries.push(Item::Feedback { user, feedback });
        }
        Ok(Decoded::UpstreamFinding(finding)) => {
            entries.push(Item::UpstreamFinding(enricher.enrich_finding(finding)));
        }
        Ok(Decoded::Skipped(reason)) => *entries.skipped.entry(reason).or_default() += 1,
        Err(reject) => push_note(entries, reject, frame),
    }
}

fn push_note(entries: &mut Entries<'_>, reject: Reject, frame: &Frame) {
    let (length, head) = match &frame.kind {
        FrameKind::Record => ((frame.end - frame.start) as u64, Box::default()),
        FrameKind::TooLarge { length, head } => (*length, head.clone()),
        FrameKind::Unclosed => (0, Box::default()),
    };
    let rejected = Rejected {
        reject,
        line: frame.line,
        offset: frame.offset,
        length,
        start: frame.start,
        end: frame.end,
        head,
    };
    entries.notes.push(Note { before: entries.items.len(), rejected });
}
