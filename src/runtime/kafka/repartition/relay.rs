//! What a lane does with records, pure: decode, and address each sign-in to its user's partition.
//!
//! Every sign-in, feedback and upstream finding becomes one record in canonical form; what cannot be read becomes a dead letter, as in a
//! task; skips and tombstones are counted and end here. The record's own time goes into a header and not into the new
//! record's timestamp: retention goes by timestamps, and a record read from an old log must live until it is judged.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::OnError;
use crate::engine::decode::{write_farsign, write_farsign_feedback, write_farsign_upstream_finding};
use crate::engine::hash::UserKey;
use crate::metrics::BatchCounts;
use crate::runtime::kafka::breaker::Window;
use crate::runtime::kafka::dead_letter;
use crate::runtime::kafka::intake::{Element, Intake, Span};
use crate::runtime::kafka::outbox::{Destination, OutHeader, Outbox};
use crate::runtime::kafka::partition::{ORIGIN_HEADER, Stop, TIMESTAMP_HEADER, TaskSettings, output_key};
use crate::runtime::kafka::record::{Record, Source};

/// What one transaction of a lane writes.
#[derive(Default)]
pub struct Parcel {
    pub outbox: Outbox,
    /// The offset to go on from.
    pub next: i64,
    pub counts: BatchCounts,
}

/// One input partition's records on their way to the users' partitions.
pub struct Relay {
    settings: Arc<TaskSettings>,
    /// The one that the lane reads.
    sources: [Source; 1],
    partition: i32,
    /// Of the repartition topic.
    partitions: usize,
    next: i64,
    /// Is there an offset that Kafka does not have yet?
    has_news: bool,
    outbox: Outbox,
    window: Window,
    counts: BatchCounts,
    /// Reused for every record.
    line: Vec<u8>,
}

impl Relay {
    /// To go on from `next`, which Kafka has as the group's offset when `is_committed`.
    pub fn new(
        settings: Arc<TaskSettings>,
        source: Source,
        partition: i32,
        partitions: usize,
        next: i64,
        is_committed: bool,
    ) -> Relay {
        Relay {
            settings,
            sources: [source],
            partition,
            partitions,
            next,
            has_news: !is_committed,
            outbox: Outbox::default(),
            window: Window::default(),
            counts: BatchCounts::default(),
            line: Vec::new(),
        }
    }

    /// Takes records in order, all of them or up to the first that must not be taken.
    pub fn take(&mut self, records: &[Record<'_>]) -> Option<Stop> {
        let settings = self.settings.clone();
        let (format, framing) = (settings.format, settings.framing);
        let intake =
            Intake::read_with(records, &self.sources, &BTreeSet::new(), format, framing, &mut |element| element);
        for (record, span) in records.iter().zip(&intake.spans) {
            if record.offset < self.next {
                continue;
            }
            let stop = self.stop_before(record, span);
            if stop.is_some() {
                return stop;
            }
            self.take_record(record, span);
            for element in &intake.items[span.items.clone()] {
                self.forward(record, element);
            }
        }
        None
    }

    fn stop_before(&self, record: &Record<'_>, span: &Span) -> Option<Stop> {
        if self.settings.on_error == OnError::Stop
            && let Some(complaint) = span.complaint(&self.sources[0].topic, self.partition, record.offset)
        {
            return Some(Stop::Refused(complaint));
        }
        self.window.stop(self.settings.breaker)
    }

    fn take_record(&mut self, record: &Record<'_>, span: &Span) {
        let source = &self.sources[0];
        self.next = record.offset + 1;
        self.has_news = true;
        span.count(source.kind, &mut self.counts);
        let is_refused = !span.refusals.is_empty();
        self.window.count(self.settings.breaker, is_refused);
        if is_refused && self.settings.on_error == OnError::DeadLetter {
            self.counts.dead_letter(span.refusals[0].reason);
            let length_max = self.settings.dead_letter_bytes_max;
            dead_letter::push(record, &source.topic, self.partition, &span.refusals, length_max, &mut self.outbox);
        }
    }

    fn forward(&mut self, record: &Record<'_>, element: &Element<'_>) {
        self.line.clear();
        let (tenant_id, user_id) = match element {
            Element::SignIn(sign_in) => {
                write_farsign(sign_in, &mut self.line);
                (&sign_in.tenant_id, &sign_in.user_id)
            }
            Element::Feedback(feedback) => {
                write_farsign_feedback(feedback, &mut self.line);
                (&feedback.tenant_id, &feedback.user_id)
            }
            Element::UpstreamFinding(finding) => {
                write_farsign_upstream_finding(finding, &mut self.line);
                (&finding.tenant_id, &finding.user_id)
            }
        };
        let shard = UserKey::new(tenant_id, user_id).shard(self.partitions);
        let partition = i32::try_from(shard).expect("Kafka counts partitions in 32 bits");
        let key = output_key(tenant_id, user_id);
        let headers = self.headers(record);
        self.outbox.push(
            Destination::Repartition,
            Some(partition),
            Some(key.as_bytes()),
            Some(&self.line),
            headers,
        );
    }

    fn headers(&self, record: &Record<'_>) -> Vec<OutHeader> {
        let text = |name: &str, value: String| (name.to_owned(), Some(value.into_bytes()));
        let origin = format!("{}/{}/{}", self.sources[0].topic, self.partition, record.offset);
        let timestamp = record.timestamp_ms.map(|timestamp| text(TIMESTAMP_HEADER, timestamp.to_string()));
        std::iter::once(text(ORIGIN_HEADER, origin)).chain(timestamp).collect()
    }

    /// The offset to go on from.
    pub fn next(&self) -> i64 {
        self.next
    }

    pub fn has_news(&self) -> bool {
        self.has_news
    }

    /// Bytes that wait to be written.
    pub fn bytes_waiting(&self) -> usize {
        self.outbox.bytes()
    }

    /// Hands over what waits.
    pub fn pack(&mut self) -> Parcel {
        self.has_news = false;
        let (outbox, counts) = (std::mem::take(&mut self.outbox), std::mem::take(&mut self.counts));
        Parcel { outbox, next: self.next, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Framing;
    use crate::engine::decode::Format;
    use crate::engine::policy::EngineConfig;
    use crate::render::RenderContext;
    use crate::runtime::kafka::breaker::Breaker;
    use crate::runtime::kafka::record::SourceKind;

    fn relay(on_error: OnError, breaker: Option<Breaker>) -> Relay {
        let settings = TaskSettings {
            engine: Arc::new(EngineConfig::default()),
            render: Arc::new(RenderContext::default()),
            format: Format::Auto,
            framing: Framing::Auto,
            on_error,
            breaker,
            record_bytes_max: 1 << 20,
            dead_letter_bytes_max: 1 << 20,
            probe: false,
        };
        let source = Source { topic: "sign-ins".to_owned(), topic_id: String::new(), kind: SourceKind::Input };
        Relay::new(Arc::new(settings), source, 5, 3, 10, true)
    }

    fn sign_in(user: &str) -> String {
        format!(
            r#"{{"type":"signIn","tenantId":"t","id":"{user}","time":"2026-03-02T08:00:00Z","userId":"{user}","outcome":"success"}}"#
        )
    }

    /// Records from offset 10 on; an empty one is a tombstone.
    fn take(relay: &mut Relay, payloads: &[String]) -> Option<Stop> {
        let records = payloads.iter().zip(10..).map(|(payload, offset)| Record {
            source: 0,
            offset,
            timestamp_ms: Some(1_700_000_000_000),
            key: None,
            payload: (!payload.is_empty()).then_some(payload.as_bytes()),
            headers: Vec::new(),
        });
        relay.take(&records.collect::<Vec<_>>())
    }

    /// Destination, partition, key and the header of that name, of each record.
    fn written(parcel: &Parcel, header: &str) -> Vec<String> {
        let records = parcel.outbox.records();
        let lines = records.map(|record| {
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"-")).into_owned();
            let found = record.headers.iter().find(|(name, _)| name == header);
            let header = text(found.and_then(|(_, value)| value.as_deref()));
            format!("{:?} {:?} {} {header}", record.destination, record.partition, text(record.key))
        });
        lines.collect()
    }

    #[test]
    fn each_sign_in_goes_to_its_users_partition() {
        let mut relay = relay(OnError::DeadLetter, None);
        let envelope = format!(r#"{{"records":[{},{}]}}"#, sign_in("ada"), sign_in("bob"));
        let payloads = [sign_in("ada"), String::new(), envelope, "{".to_owned()];
        assert_eq!(take(&mut relay, &payloads), None);
        assert_eq!((relay.next(), relay.has_news()), (14, true));
        let parcel = relay.pack();
        let shard = |user: &str| UserKey::new("t", user).shard(3);
        let (ada, bob) = (shard("ada"), shard("bob"));
        let expected = [
            format!("Repartition Some({ada}) t/ada sign-ins/5/10"),
            format!("Repartition Some({ada}) t/ada sign-ins/5/12"),
            format!("Repartition Some({bob}) t/bob sign-ins/5/12"),
            "DeadLetter None - -".to_owned(),
        ];
        assert_eq!(written(&parcel, ORIGIN_HEADER), expected);
        assert!(written(&parcel, TIMESTAMP_HEADER).iter().all(|line| line.ends_with(" 1700000000000")));
        assert_eq!((parcel.next, relay.has_news(), relay.pack().outbox.len()), (14, false, 0));
        // Delivered again by the client.
        assert_eq!((take(&mut relay, &payloads), relay.has_news()), (None, false));
    }

    /// It goes where its user's sign-ins go, and is read there as it was.
    #[test]
    fn an_upstream_finding_goes_to_its_users_partition() {
        let mut relay = relay(OnError::DeadLetter, None);
        let finding = r#"{"type":"upstreamFinding","source":"Leaks","tenantId":"t","id":"u","time":"2026-03-02T08:00:00Z","userId":"ada","riskEventType":"leakedCredentials","riskLevel":"high"}"#;
        assert_eq!(take(&mut relay, &[finding.to_owned()]), None);
        let parcel = relay.pack();
        let ada = UserKey::new("t", "ada").shard(3);
        assert_eq!(written(&parcel, ORIGIN_HEADER), [format!("Repartition Some({ada}) t/ada sign-ins/5/10")]);
        let payload = parcel.outbox.records().next().and_then(|record| record.payload).expect("a value");
        let line = std::str::from_utf8(payload).expect("text");
        assert!(line.starts_with(r#"{"type":"upstreamFinding","source":"Leaks","provider":"farsign""#), "{line}");
    }

    /// Another one would part users from their state.
    #[test]
    fn the_shard_of_a_user_never_changes() {
        let shards = ["ada", "bob", "cyd"].map(|user| UserKey::new("t", user).shard(1_000));
        assert_eq!(shards, [150, 389, 875]);
    }

    #[test]
    fn stops_before_what_it_must_not_take() {
        let check = |on_error, breaker, expected_next: i64, says: &str| {
            let mut relay = relay(on_error, breaker);
            let payloads = [sign_in("ada"), "{".to_owned(), "7".to_owned(), sign_in("bob")];
            let stop = take(&mut relay, &payloads);
            assert_eq!(relay.next(), expected_next);
            assert!(format!("{stop:?}").contains(says), "{stop:?}");
        };
        let half = Some(Breaker { share: 0.5, window_records: 3 });
        check(OnError::Stop, None, 11, "`sign-ins` partition `5` offset `11` cannot be read: malformed");
        check(OnError::Skip, None, 14, "None");
        check(OnError::Skip, half, 13, "Breaker { refused: 2, records: 3 }");
    }
}
