//! What a simulated task does with its input: a small stand-in for speed, and the real [`PartitionTask`].
//!
//! Both keep a trail per user and write the same kinds of records, so one checker judges both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use farsign::config::{Framing, OnError};
use farsign::engine::decode::{Decoder, Format};
use farsign::engine::enrich::{Enricher, Tables};
use farsign::engine::hash::UserKey;
use farsign::engine::policy::EngineConfig;
use farsign::engine::profile::Profiles;
use farsign::render::RenderContext;
use farsign::runtime::kafka::log::Change;
use farsign::runtime::kafka::marker::{MARKER_KEY, Marker, VERSION};
use farsign::runtime::kafka::outbox::{Destination, Frozen, Outbox};
use farsign::runtime::kafka::partition::{PartitionTask, TaskCounts, TaskSettings};
use farsign::runtime::kafka::probe::{self, Probe, ProbeRecord};
use farsign::runtime::kafka::record::{Record, Source, SourceKind};
use farsign::runtime::kafka::shared::SharedProfiles;

use super::dice::Dice;
use super::log::Entry;

pub const TOPIC: &str = "sign-ins";
/// Users of each partition.
const USERS: usize = 3;

/// A task's state, to compare two of them.
pub type Digest = BTreeMap<Vec<u8>, Vec<u8>>;

pub trait Workload {
    fn load(&mut self, change: &Change<'_>);
    fn resume(&mut self, marker: &Marker);
    fn seek(&mut self, offset: i64);
    fn next(&self) -> i64;
    fn take(&mut self, records: &[Entry]);
    fn freeze(&mut self) -> Option<Frozen>;
    fn digest(&mut self) -> Digest;
}

/// Keeps a trail and the last offset of each user, and says each input record twice.
struct StandIn {
    partition: i32,
    next: i64,
    frozen_next: i64,
    transaction: u64,
    position: u64,
    probe: Probe,
    offsets: BTreeMap<UserKey, i64>,
    dirty: BTreeSet<UserKey>,
    outbox: Outbox,
}

pub fn stand_in(partition: i32) -> Box<dyn Workload> {
    Box::new(StandIn {
        partition,
        next: 0,
        frozen_next: 0,
        transaction: 0,
        position: 0,
        probe: Probe::default(),
        offsets: BTreeMap::new(),
        dirty: BTreeSet::new(),
        outbox: Outbox::default(),
    })
}

/// An input record of the stand-in: a user's number.
pub fn stand_in_input(dice: &mut Dice, _offset: i64) -> Vec<u8> {
    vec![dice.below(USERS) as u8 + 1]
}

impl StandIn {
    fn take_one(&mut self, entry: &Entry) {
        let number = entry.value.as_ref().map_or(0, |value| value[0]);
        let user = UserKey(u128::from(number));
        let (sequence, hash) = self.probe.take(user, TOPIC, self.partition, entry.offset);
        let record = ProbeRecord {
            topic: TOPIC.to_owned(),
            partition: self.partition,
            offset: entry.offset,
            user: format!("{:032x}", user.0),
            sequence,
            hash: format!("{hash:016x}"),
            transaction: self.transaction + 1,
        };
        let line = serde_json::to_vec(&record).expect("JSON");
        self.outbox.push(Destination::Probe, None, None, Some(&line), Vec::new());
        let text = format!("{number} {sequence} {hash}");
        self.outbox.push(Destination::RiskDetections, None, None, Some(text.as_bytes()), Vec::new());
        self.offsets.insert(user, entry.offset);
        self.dirty.insert(user);
        self.next = entry.offset + 1;
        self.position += 1;
    }
}

impl Workload for StandIn {
    fn load(&mut self, change: &Change<'_>) {
        if self.probe.load(change.key, change.payload) {
            return;
        }
        let user = UserKey(u128::from_be_bytes(change.key.try_into().expect("a user's key")));
        let offset = i64::from_le_bytes(change.payload.expect("a value").try_into().expect("an offset"));
        self.offsets.insert(user, offset);
    }

    fn resume(&mut self, marker: &Marker) {
        self.seek(marker.next_of(TOPIC).expect("the input's offset"));
        (self.transaction, self.position) = (marker.transaction, marker.position);
    }

    fn seek(&mut self, offset: i64) {
        (self.next, self.frozen_next) = (offset, offset);
    }

    fn next(&self) -> i64 {
        self.next
    }

    fn take(&mut self, records: &[Entry]) {
        records.iter().for_each(|entry| self.take_one(entry));
    }

    fn freeze(&mut self) -> Option<Frozen> {
        if self.next == self.frozen_next {
            return None;
        }
        self.transaction += 1;
        let mut outbox = std::mem::take(&mut self.outbox);
        for user in std::mem::take(&mut self.dirty) {
            let offset = self.offsets[&user].to_le_bytes();
            outbox.push(Destination::State, None, Some(&user.0.to_be_bytes()), Some(&offset), Vec::new());
            let trail = self.probe.state(user).expect("a trail");
            outbox.push(Destination::State, None, Some(&probe::key(user)), Some(&trail), Vec::new());
        }
        let marker = Marker {
            version: VERSION,
            transaction: self.transaction,
            next: vec![(TOPIC.to_owned(), self.next)],
            topic_ids: Vec::new(),
            position: self.position,
            stream_time: String::new(),
            day: None,
            complete_day: None,
            reviewed_minute: None,
            told_minute: None,
            program: String::new(),
            configuration_hash: String::new(),
            importing: false,
        };
        outbox.push(Destination::State, None, Some(MARKER_KEY), Some(&marker.encode()), Vec::new());
        let records = (self.next - self.frozen_next) as u64;
        self.frozen_next = self.next;
        let next = marker.next;
        Some(Frozen {
            transaction: self.transaction,
            outbox,
            next,
            records,
            oldest_timestamp_ms: None,
            counts: TaskCounts::default(),
        })
    }

    fn digest(&mut self) -> Digest {
        let users = self.offsets.iter();
        users
            .map(|(user, offset)| {
                let trail = self.probe.state(*user).unwrap_or_default();
                (user.0.to_be_bytes().to_vec(), [offset.to_le_bytes().as_slice(), &trail].concat())
            })
            .collect()
    }
}

/// The task that runs, with a trail beside each user's state.
struct Real {
    task: PartitionTask,
    enricher: Enricher,
}

/// 2026-03-02T08:00:00Z.
const START_MS: i64 = 1_772_438_400_000;
/// Far beyond the input's days: every day may begin, and every review.
const OPEN_DAY: i32 = 30_000;

pub fn real(partition: i32) -> Box<dyn Workload> {
    let settings = TaskSettings {
        engine: Arc::new(EngineConfig::default()),
        render: Arc::new(RenderContext::default()),
        decoder: Decoder::new(Format::Farsign),
        framing: Framing::None,
        on_error: OnError::DeadLetter,
        breaker: None,
        record_bytes_max: 1 << 20,
        dead_letter_bytes_max: 1 << 20,
        probe: true,
    };
    let sources = vec![Source { topic: TOPIC.to_owned(), topic_id: String::new(), kind: SourceKind::Input }];
    let shared = Arc::new(SharedProfiles::new(Profiles::default()));
    shared.advance(OPEN_DAY);
    shared.open_reviews(OPEN_DAY * 24 * 60);
    let task = PartitionTask::new(Arc::new(settings), partition, sources.into(), shared);
    let enricher = Enricher::with_cache(Arc::new(Tables::default()), 8, 8);
    Box::new(Real { task, enricher })
}

/// Sign-ins of a few users between two cities, a day's break now and then, and what is none.
pub fn real_input(dice: &mut Dice, offset: i64) -> Vec<u8> {
    if dice.chance(50) {
        return b"{\"no\":".to_vec();
    }
    let user = dice.below(USERS);
    let (city, country, latitude, longitude) =
        [("Oslo", "NO", 59.91, 10.75), ("Sydney", "AU", -33.87, 151.21)][dice.below(20) / 17];
    let time = START_MS + offset * 3_600_000 + dice.below(600_000) as i64;
    let record = serde_json::json!({
        "type": "signIn", "tenantId": "t", "id": format!("s-{offset}"), "time": time,
        "userId": format!("user-{user}"), "outcome": "success", "ipAddress": format!("192.0.2.{user}"),
        "location": {"city": city, "state": city, "country": country, "latitude": latitude, "longitude": longitude},
    });
    record.to_string().into_bytes()
}

impl Workload for Real {
    fn load(&mut self, change: &Change<'_>) {
        self.task.load(change).expect("a change of this task");
    }

    fn resume(&mut self, marker: &Marker) {
        self.task.resume(marker).expect("a marker of this task");
    }

    fn seek(&mut self, offset: i64) {
        self.task.seek(0, offset);
    }

    fn next(&self) -> i64 {
        self.task.next()[0]
    }

    fn take(&mut self, records: &[Entry]) {
        let records: Vec<Record<'_>> = records
            .iter()
            .map(|entry| Record {
                source: 0,
                offset: entry.offset,
                timestamp_ms: Some(START_MS),
                key: entry.key.as_deref(),
                payload: entry.value.as_deref(),
                headers: Vec::new(),
            })
            .collect();
        let taken = self.task.take(&records, &mut self.enricher);
        assert_eq!((taken.records, taken.stop), (records.len(), None));
    }

    fn freeze(&mut self) -> Option<Frozen> {
        self.task.freeze().expect("short records")
    }

    fn digest(&mut self) -> Digest {
        let stream_time = self.task.stream_time();
        // Settles everybody up to the horizon first: what has settled in memory since it was written is no difference.
        let users = self.task.task().digest(stream_time.now()).to_le_bytes().to_vec();
        let mut time = Vec::new();
        stream_time.encode(&mut time);
        Digest::from([(b"users".to_vec(), users), (b"stream time".to_vec(), time)])
    }
}
