//! Kafka records → items, and what was none.
//!
//! A record is one JSON value, an envelope of many, or several values behind each other, as log shippers make them.
//! Decoding changes nothing, so a panic in it costs the record, not the task.

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::record::{Record, Source, SourceKind};
use crate::config::Framing;
use crate::engine::decode::{Decoded, Decoder, ELEMENTS_MAX, Format, Reject, RejectReason, SkipReason};
use crate::engine::enrich::Enricher;
use crate::engine::facts::Item;
use crate::engine::hash::UserKey;
use crate::engine::signin::{EventTime, Feedback, SignIn, UpstreamFinding};
use crate::metrics::BatchCounts;
use crate::metrics::labels::{self, DeadLetterReason, Label as _, RecordResult};
use crate::runtime::replay::framing::{Frame, FrameKind, Framer};

/// Bytes of a schema registry's frame: magic, schema id.
const REGISTRY_FRAME_LENGTH: usize = 5;
/// What is packed is no text to be cut.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

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

impl Span {
    /// Counts the record.
    pub fn count(&self, source: SourceKind, batch: &mut BatchCounts) {
        let source = match source {
            SourceKind::Input => labels::SourceKind::Input,
            SourceKind::Commands => labels::SourceKind::Commands,
            SourceKind::Repartition => labels::SourceKind::Repartition,
        };
        let result = if !self.refusals.is_empty() {
            RecordResult::Rejected
        } else if self.is_tombstone {
            RecordResult::Tombstone
        } else if self.items.is_empty() && !self.skipped.is_empty() {
            RecordResult::Skipped
        } else {
            RecordResult::Decoded
        };
        batch.record(source, result);
        self.skipped.iter().for_each(|reason| batch.skip(*reason));
        for refusal in &self.refusals {
            if let DeadLetterReason::Rejected(reason) = refusal.reason {
                batch.reject(reason);
            }
        }
    }

    /// What to say when the record stops whoever reads it; `None` when it was read.
    pub fn complaint(&self, topic: &str, partition: i32, offset: i64) -> Option<String> {
        let refusal = self.refusals.first()?;
        let (name, detail) = (refusal.reason.value(), &refusal.detail);
        Some(format!("`{topic}` partition `{partition}` offset `{offset}` cannot be read: {name}: {detail}"))
    }
}

/// What a record holds, before anything is looked up.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are sign-ins, and a box would be an allocation for each"
)]
pub enum Element<'a> {
    SignIn(SignIn<'a>),
    Feedback(Feedback<'a>),
    UpstreamFinding(UpstreamFinding<'a>),
}

/// Records and what they hold, in the form that the reader makes of it.
pub struct Intake<T> {
    pub items: Vec<T>,
    /// One a record.
    pub spans: Vec<Span>,
}

impl<'a> Intake<Item<'a>> {
    /// Reads records and enriches the sign-ins and findings.
    pub fn read(
        records: &[Record<'a>],
        sources: &[Source],
        refused: &BTreeSet<(usize, i64)>,
        decoder: &Decoder,
        framing: Framing,
        enricher: &mut Enricher,
    ) -> Intake<Item<'a>> {
        Intake::read_with(records, sources, refused, decoder, framing, &mut |element| match element {
            Element::SignIn(sign_in) => Item::SignIn(enricher.enrich(sign_in)),
            Element::Feedback(feedback) => {
                Item::Feedback { user: UserKey::new(&feedback.tenant_id, &feedback.user_id), feedback }
            }
            Element::UpstreamFinding(finding) => Item::UpstreamFinding(enricher.enrich_finding(finding)),
        })
    }
}

impl<T> Intake<T> {
    /// Reads records; `make` turns what they hold into items.
    pub fn read_with<'a>(
        records: &[Record<'a>],
        sources: &[Source],
        refused: &BTreeSet<(usize, i64)>,
        decoder: &Decoder,
        framing: Framing,
        make: &mut impl FnMut(Element<'a>) -> T,
    ) -> Intake<T> {
        // Those who command may name an account.
        let resolved = Decoder::new(Format::Farsign);
        let own = Decoder { people: decoder.people.clone(), ..resolved.clone() };
        let mut intake = Intake { items: Vec::with_capacity(records.len()), spans: Vec::new() };
        intake.spans.reserve(records.len());
        for record in records {
            if refused.contains(&(record.source, record.offset)) {
                intake.refuse("the task failed on this record");
                continue;
            }
            let kind = sources[record.source].kind;
            // Only what others write has a form to be configured.
            let (decoder, framing) = match kind {
                SourceKind::Input => (decoder, framing),
                SourceKind::Commands => (&own, framing),
                // Its accounts are persons already.
                SourceKind::Repartition => (&resolved, Framing::None),
            };
            intake.take(record, kind, decoder, framing, make);
        }
        intake
    }

    /// A record that is not taken for a fault of ours.
    fn refuse(&mut self, detail: &str) {
        let refusals = vec![Refusal { reason: DeadLetterReason::InternalError, detail: detail.to_owned() }];
        let items = self.items.len()..self.items.len();
        self.spans.push(Span { items, refusals, ..Span::default() });
    }

    fn take<'a>(
        &mut self,
        record: &Record<'a>,
        kind: SourceKind,
        decoder: &Decoder,
        framing: Framing,
        make: &mut impl FnMut(Element<'a>) -> T,
    ) {
        let start = self.items.len();
        let mut span = Span { items: start..start, ..Span::default() };
        match record.payload.map(|payload| unframe(payload, framing)) {
            None => span.is_tombstone = true,
            Some(Err(refusal)) => span.refusals.push(refusal),
            Some(Ok(payload)) => {
                let received = record.timestamp_ms.map(EventTime::from_millis);
                let read = || {
                    read_payload((payload, received), kind, decoder, make, &mut self.items, &mut span);
                };
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

fn read_payload<'a, T>(
    (payload, received): (&'a [u8], Option<EventTime>),
    kind: SourceKind,
    decoder: &Decoder,
    make: &mut impl FnMut(Element<'a>) -> T,
    items: &mut Vec<T>,
    span: &mut Span,
) {
    let start = items.len();
    let mut parts = Vec::new();
    let mut is_looked_at = false;
    decoder.decode(payload, received, &mut |decoded| {
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
            put(decoded, kind, make, items, span);
        }
    });
    if parts.len() <= 1 {
        return;
    }
    // The decoder counts what is in one value; all of them are one record.
    let mut count = 0;
    for part in &parts {
        decoder.decode(&payload[part.start..part.end], received, &mut |decoded| {
            count += 1;
            if count <= ELEMENTS_MAX {
                put(decoded, kind, make, items, span);
            }
        });
        if count > ELEMENTS_MAX {
            return span.refusals.push(Refusal {
                reason: DeadLetterReason::Rejected(RejectReason::TooLarge),
                detail: format!("more than {ELEMENTS_MAX} elements at byte {}", part.start),
            });
        }
    }
}

/// The values of a record that holds several.
fn split(payload: &[u8]) -> Vec<Frame> {
    if payload.starts_with(GZIP_MAGIC) {
        return Vec::new();
    }
    let mut frames = Vec::new();
    Framer::default().frame(payload, true, &mut frames);
    if frames.iter().all(|frame| matches!(frame.kind, FrameKind::Record)) { frames } else { Vec::new() }
}

fn put<'a, T>(
    decoded: Result<Decoded<'a>, Reject>,
    kind: SourceKind,
    make: &mut impl FnMut(Element<'a>) -> T,
    items: &mut Vec<T>,
    span: &mut Span,
) {
    match decoded {
        Ok(Decoded::SignIn(_)) if kind == SourceKind::Commands => {
            span.refusals.push(not_a_command("a sign-in among the commands"));
        }
        // Commands are what people say; a feed has a topic of its own among the inputs.
        Ok(Decoded::UpstreamFinding(_)) if kind == SourceKind::Commands => {
            span.refusals.push(not_a_command("an upstream finding among the commands"));
        }
        Ok(Decoded::SignIn(sign_in)) => items.push(make(Element::SignIn(sign_in))),
        Ok(Decoded::Feedback(feedback)) => items.push(make(Element::Feedback(feedback))),
        Ok(Decoded::UpstreamFinding(finding)) => items.push(make(Element::UpstreamFinding(finding))),
        Ok(Decoded::Skipped(reason)) => span.skipped.push(reason),
        Err(reject) => span.refusals.push(Refusal {
            reason: DeadLetterReason::Rejected(reject.reason),
            detail: format!("{} at byte {}", reject.detail, reject.offset),
        }),
    }
}

fn not_a_command(detail: &str) -> Refusal {
    Refusal { reason: DeadLetterReason::NotACommand, detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(payload: &str) -> Vec<&str> {
        split(payload.as_bytes()).into_iter().map(|frame| &payload[frame.start..frame.end]).collect()
    }

    #[test]
    fn values_behind_each_other_are_parts_and_a_line_of_text_is_one() {
        assert_eq!(parts("{\"a\":1}{\"b\":2}"), ["{\"a\":1}", "{\"b\":2}"]);
        for line in [
            "Feb 12 14:10:21 web1 sshd[77]: Accepted password for ada from 192.0.2.7 port 1 ssh2",
            "<134>1 2024-02-12T14:10:21Z web1 sshd 77 - [meta a=\"[{\"] Failed password for {}",
            "2024-05-25 22:24:19,357 DEBUG [org.keycloak.events] (default task-1) type=LOGIN, scope=\"x y\"",
            "[2024-05-25 22:24:19,357] in brackets, {\"a\":1}",
            "[{request}] no array",
            "{request} no object",
        ] {
            assert_eq!(parts(line), [line]);
            assert_eq!(parts(&format!("{line}\n\n{line}\n")), [line, line]);
        }
    }

    #[test]
    fn values_behind_each_other_are_one_record_to_the_limit() {
        let message = "2026-03-02T08:15:30+00:00 web1 sshd[7]: message repeated 1000 times: [ Failed password for root from 192.0.2.7 port 1 ssh2]";
        let value = format!("{}\n", serde_json::json!({"schema": null, "payload": message}));
        let counted = |values: usize| {
            let payload = value.repeat(values);
            let record = Record {
                source: 0,
                offset: 7,
                timestamp_ms: None,
                key: None,
                payload: Some(payload.as_bytes()),
                headers: Vec::new(),
            };
            let source = Source { topic: "t".to_owned(), topic_id: String::new(), kind: SourceKind::Input };
            let (decoder, none) = (Decoder::new(Format::Auto), BTreeSet::new());
            let intake = Intake::read_with(&[record], &[source], &none, &decoder, Framing::None, &mut |_| ());
            let refused = intake.spans[0].refusals.iter().map(|refusal| refusal.detail.clone());
            (intake.items.len(), refused.collect::<Vec<_>>())
        };
        let full = ELEMENTS_MAX / 1_000;
        assert_eq!(counted(full), (ELEMENTS_MAX, vec![]));
        let told = format!("more than {ELEMENTS_MAX} elements at byte {}", full * value.len());
        assert_eq!(counted(full + 3), (ELEMENTS_MAX, vec![told]));
    }

    /// Commands are what people say; what products say is refused there as sign-ins are.
    #[test]
    fn only_feedback_is_a_command() {
        let common = r#""tenantId":"t","id":"1","time":"2026-03-02T08:00:00Z","userId":"ada""#;
        let check = |kind: SourceKind, rest: &str, expected: &[&str]| {
            let line = format!("{{{rest},{common}}}");
            let record = Record {
                source: 0,
                offset: 7,
                timestamp_ms: None,
                key: None,
                payload: Some(line.as_bytes()),
                headers: Vec::new(),
            };
            let source = Source { topic: "topic".to_owned(), topic_id: String::new(), kind };
            let (decoder, framing) = (Decoder::new(Format::Auto), Framing::Auto);
            let none = BTreeSet::new();
            let intake = Intake::read_with(&[record], &[source], &none, &decoder, framing, &mut |element| element);
            let refused = intake.spans[0].refusals.iter().map(|refusal| refusal.detail.as_str());
            assert_eq!(refused.collect::<Vec<_>>(), expected, "{line}");
            assert_eq!(intake.items.len(), 1 - expected.len(), "{line}");
        };
        let sign_in = r#""type":"signIn","outcome":"success""#;
        let feedback = r#""type":"feedback","action":"dismiss""#;
        let finding = r#""type":"upstreamFinding","source":"A","riskEventType":"generic","riskLevel":"low""#;
        for record in [sign_in, feedback, finding] {
            check(SourceKind::Input, record, &[]);
            check(SourceKind::Repartition, record, &[]);
        }
        check(SourceKind::Commands, feedback, &[]);
        check(SourceKind::Commands, sign_in, &["a sign-in among the commands"]);
        check(SourceKind::Commands, finding, &["an upstream finding among the commands"]);
    }
}
