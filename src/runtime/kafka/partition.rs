//! One partition's task: records in, an outbox out. Pure: it reads no topic, writes none and knows no time but events'.
//!
//! What is in the outbox when it is frozen is everything that the records since the last one have caused: detections,
//! users' states, dead letters, contributions to profiles, and the marker with the offsets to go on from. Loaded with
//! the changelog of an earlier task it goes on exactly as that one would have.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::breaker::Window;
use super::contributions::{Contributions, Frontier};
use super::dead_letter;
use super::intake::{Intake, Span};
use super::log::Change;
use super::marker::{MARKER_KEY, Marker, VERSION};
use super::outbox::{Destination, Frozen, Outbox};
use super::probe::{self, Probe};
use super::record::{Record, Source};
use super::shared::SharedProfiles;
use crate::config::OnError;
use crate::engine::Input;
use crate::engine::enrich::Enricher;
use crate::engine::facts::Item;
use crate::engine::hash::UserKey;
use crate::engine::user::codec::StateCodecError;
use crate::engine::watermark::StreamTime;
use crate::runtime::task::Task;

/// Which input record caused an output: `topic/partition/offset`, or [`REVIEW_ORIGIN`].
pub const ORIGIN_HEADER: &str = "farsign.origin";
/// The origin of outputs that no record of the task caused, but what was attempted on other users, or time alone.
pub const REVIEW_ORIGIN: &str = "review";
/// The number of the task's transaction that wrote a record.
pub const TRANSACTION_HEADER: &str = "farsign.transaction";
/// The timestamp of the input record, milliseconds since 1970.
pub const TIMESTAMP_HEADER: &str = dead_letter::TIMESTAMP;

mod days;
mod outputs;
mod reviews;

use outputs::Batch;
use reviews::Reviews;

pub use super::counts::TaskCounts;
pub use super::settings::{Breaker, TaskSettings};

/// The profiles topic has one partition: every instance reads contributions in the same order.
pub const PROFILES_PARTITION: i32 = 0;
/// An offset that no source has.
const NOWHERE: i64 = -1;
/// Marks in one record of the profiles topic: with 17 bytes each it stays far below any topic's limit.
const MARKS_MAX: usize = 8_192;

/// Why a task takes no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The next record begins a day for which the shared profiles are not set yet.
    Day(i32),
    /// Before the next record a review has to come for which others are behind: its border, in minutes since 1970.
    Review(i32),
    /// A record that cannot be read, and `on_error: stop`.
    Refused(String),
    /// Most records cannot be read.
    Breaker { refused: u64, records: u64 },
}

/// How far a batch was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Records from the front of the batch.
    pub records: usize,
    pub stop: Option<Stop>,
}

/// Why a task cannot take its state back, or cannot write it.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("changelog at offset `{offset}`: {error}")]
    Codec { offset: i64, error: StateCodecError },
    #[error("changelog at offset `{0}`: a key that is neither a user's nor the marker's")]
    Key(i64),
    #[error("the marker's stream time cannot be read: {0}")]
    StreamTime(String),
    #[error(
        "a user's state has `{bytes}` bytes, and the changelog topic takes `{max}`: raise its `max.message.bytes`"
    )]
    TooLong { bytes: usize, max: usize },
}

pub struct PartitionTask {
    settings: Arc<TaskSettings>,
    partition: i32,
    sources: Arc<[Source]>,
    shared: Arc<SharedProfiles>,
    task: Task,
    stream_time: StreamTime,
    day: Option<i32>,
    reviews: Reviews,
    /// Day of the oldest item before the first day began.
    first_day: i32,
    /// Items taken so far.
    position: u64,
    /// Number of the last frozen transaction.
    transaction: u64,
    /// The offset to go on from in each source.
    next: Vec<i64>,
    /// Next offsets when the last outbox was frozen.
    frozen_next: Vec<i64>,
    outbox: Outbox,
    /// Users whose state the changelog does not have.
    dirty: BTreeSet<UserKey>,
    contributions: Contributions,
    probe: Option<Probe>,
    /// Source and offset of records that are not to be stepped: the task died of them before.
    refused: BTreeSet<(usize, i64)>,
    window: Window,
    records: u64,
    oldest_timestamp_ms: Option<i64>,
    counts: TaskCounts,
}

impl PartitionTask {
    /// A task without state, to go on from `next` in each source.
    pub fn new(
        settings: Arc<TaskSettings>,
        partition: i32,
        sources: Arc<[Source]>,
        shared: Arc<SharedProfiles>,
    ) -> PartitionTask {
        PartitionTask {
            task: Task::new(settings.engine.clone(), shared.profiles.clone()),
            probe: settings.probe.then(Probe::default),
            next: vec![0; sources.len()],
            frozen_next: vec![0; sources.len()],
            settings,
            partition,
            sources,
            shared,
            stream_time: StreamTime::default(),
            day: None,
            reviews: Reviews::default(),
            first_day: i32::MAX,
            position: 0,
            transaction: 0,
            outbox: Outbox::default(),
            dirty: BTreeSet::new(),
            contributions: Contributions::new(Frontier::default()),
            refused: BTreeSet::new(),
            window: Window::default(),
            records: 0,
            oldest_timestamp_ms: None,
            counts: TaskCounts::default(),
        }
    }

    /// Takes one change of the changelog back; markers apart.
    pub fn load(&mut self, change: &Change<'_>) -> Result<(), StateError> {
        let Some(key) = change.key.first_chunk::<16>().filter(|_| change.key.len() == 16) else {
            let is_probe = match &mut self.probe {
                Some(probe) => probe.load(change.key, change.payload),
                // Left from a test: not ours to judge.
                None => Probe::default().load(change.key, None),
            };
            return if is_probe { Ok(()) } else { Err(StateError::Key(change.offset)) };
        };
        let user = UserKey(u128::from_be_bytes(*key));
        match change.payload {
            Some(payload) => {
                self.task.import(user, payload).map_err(|error| StateError::Codec { offset: change.offset, error })
            }
            None => {
                self.task.forget(user);
                Ok(())
            }
        }
    }

    /// Goes on where the marker says; a source it does not know begins at what `next` says already.
    pub fn resume(&mut self, marker: &Marker) -> Result<(), StateError> {
        for (index, source) in self.sources.iter().enumerate() {
            if let Some(offset) = marker.next_of(&source.topic) {
                self.next[index] = offset;
            }
        }
        self.frozen_next.clone_from(&self.next);
        self.stream_time = stream_time(&marker.stream_time).map_err(StateError::StreamTime)?;
        (self.day, self.position, self.transaction) = (marker.day, marker.position, marker.transaction);
        let (day, complete_day, told_minute) = (marker.day, marker.complete_day, marker.told_minute);
        self.contributions = Contributions::new(Frontier { day, complete_day, told_minute });
        self.resume_reviews(marker);
        Ok(())
    }

    /// Sets where a source is read from.
    pub fn seek(&mut self, source: usize, offset: i64) {
        self.next[source] = offset;
        self.frozen_next[source] = offset;
    }

    /// The same for a source that nobody has read: where it begins is written with the next transaction, so that a
    /// successor begins there, too.
    pub fn begin(&mut self, source: usize, offset: i64) {
        self.next[source] = offset;
        self.frozen_next[source] = NOWHERE;
    }

    /// Nothing is left to read before `offset`, whatever takes the offsets up to it: markers of transactions have some.
    pub fn reach(&mut self, source: usize, offset: i64) {
        self.next[source] = self.next[source].max(offset);
    }

    /// May the task go on that has stopped before a record?
    pub fn may_go_on(&self, stop: &Stop) -> bool {
        match stop {
            Stop::Day(day) => self.shared.may_begin(*day),
            Stop::Review(minute) => self.shared.must_review(*minute),
            Stop::Refused(_) | Stop::Breaker { .. } => false,
        }
    }

    /// Leaves these records out, as if they could not be read: source and offset.
    pub fn refuse(&mut self, records: BTreeSet<(usize, i64)>) {
        self.refused = records;
    }

    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The offset to go on from in each source.
    pub fn next(&self) -> &[i64] {
        &self.next
    }

    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Items taken so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    pub fn task(&mut self) -> &mut Task {
        &mut self.task
    }

    pub fn stream_time(&self) -> StreamTime {
        self.stream_time
    }

    /// Number of the last frozen transaction.
    pub fn transaction(&self) -> u64 {
        self.transaction
    }

    pub fn frontier(&self) -> Frontier {
        self.contributions.frontier()
    }

    /// The whole state as the changelog has it, markers apart: what [`Self::load`] takes.
    pub fn export(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let probe = self.probe.as_ref();
        let mut entries = Vec::new();
        for (user, state) in self.task.export() {
            if let Some(value) = probe.and_then(|probe| probe.state(user)) {
                entries.push((probe::key(user).to_vec(), value.to_vec()));
            }
            entries.push((user.0.to_be_bytes().to_vec(), state));
        }
        entries
    }

    /// Goes over to another configuration. Only while nothing waits to be written.
    pub fn reconfigure(&mut self, settings: Arc<TaskSettings>) {
        debug_assert!(self.outbox.is_empty() && self.dirty.is_empty(), "between two transactions");
        self.task.reconfigure(settings.engine.clone());
        self.settings = settings;
    }

    /// Takes records from the front of the batch, in the order given: all of them, or up to the first it must not take
    /// (yet). Of each source the offsets rise.
    pub fn take(&mut self, records: &[Record<'_>], enricher: &mut Enricher) -> Taken {
        let settings = self.settings.clone();
        let (sources, refused) = (&self.sources, &self.refused);
        let intake = Intake::read(records, sources, refused, &settings.decoder, settings.framing, enricher);
        let shared = self.shared.clone();
        let _reading = shared.reading();
        let mut batch = Batch::new(self.position);
        let mut taken = 0;
        let mut stop = None;
        for (record, span) in records.iter().zip(&intake.spans) {
            if record.offset < self.next[record.source] {
                self.counts.repeated += 1;
                taken += 1;
                continue;
            }
            let items = &intake.items[span.items.clone()];
            stop = self.stop_before(record, span, items, &mut batch);
            if stop.is_some() {
                break;
            }
            self.take_record(record, span);
            for item in items {
                self.take_item(item, record, &mut batch);
            }
            taken += 1;
        }
        self.step(&mut batch);
        if let (Some(Stop::Day(_) | Stop::Review(_)), Some(span)) = (&stop, intake.spans.get(taken)) {
            self.hand_over(&intake.items[span.items.clone()], &mut batch);
        }
        Taken { records: taken, stop }
    }

    /// Goes on with reviews that waited for others, and judges again what attempts on others' users may have shed another
    /// light on since the last look.
    pub fn look(&mut self) {
        let shared = self.shared.clone();
        let _reading = shared.reading();
        if self.waits_for_review().is_some() {
            self.catch_up();
            self.complete_reviewed(&mut Batch::new(self.position));
        }
        if let Some(out) = self.task.look(self.stream_time.now()) {
            self.take_over(out, &Batch::new(self.position));
        }
    }

    /// The input is at its end, and nothing more will come: what other tasks have to know before [`Self::finish`].
    pub fn tell(&mut self) {
        let shared = self.shared.clone();
        let _reading = shared.reading();
        let out = self.task.tell_all();
        self.take_over(out, &Batch::new(self.position));
    }

    /// Judges what waited for more.
    pub fn finish(&mut self) {
        let shared = self.shared.clone();
        let _reading = shared.reading();
        let out = self.task.review_all(self.stream_time.now());
        self.take_over(out, &Batch::new(self.position));
    }

    fn stop_before(
        &mut self,
        record: &Record<'_>,
        span: &Span,
        items: &[Item<'_>],
        batch: &mut Batch<'_>,
    ) -> Option<Stop> {
        if self.settings.on_error == OnError::Stop
            && let Some(complaint) =
                span.complaint(&self.sources[record.source].topic, self.partition, record.offset)
        {
            return Some(Stop::Refused(complaint));
        }
        if let Some(stop) = self.window.stop(self.settings.breaker) {
            return Some(stop);
        }
        self.missing_review(items, batch).or_else(|| self.closed_day(items).map(Stop::Day))
    }

    /// Counts a record, and writes a dead letter when it could not be read.
    fn take_record(&mut self, record: &Record<'_>, span: &Span) {
        self.next[record.source] = record.offset + 1;
        self.records += 1;
        span.count(self.sources[record.source].kind, &mut self.counts.batch);
        if let Some(timestamp) = self.origin(record).timestamp_ms {
            let oldest = self.oldest_timestamp_ms.map_or(timestamp, |oldest| oldest.min(timestamp));
            self.oldest_timestamp_ms = Some(oldest);
        }
        let is_refused = !span.refusals.is_empty();
        self.window.count(self.settings.breaker, is_refused);
        if is_refused && self.settings.on_error == OnError::DeadLetter {
            self.counts.batch.dead_letter(span.refusals[0].reason);
            let topic = &self.sources[record.source].topic;
            let length_max = self.settings.dead_letter_bytes_max;
            dead_letter::push(record, topic, self.partition, &span.refusals, length_max, &mut self.outbox);
        }
        if self.probe.is_some() && span.items.is_empty() {
            self.push_probe(record, None);
        }
    }

    fn take_item<'b>(&mut self, item: &'b Item<'b>, record: &Record<'b>, batch: &mut Batch<'b>) {
        if let Item::SignIn(prepared) = item {
            self.counts.batch.enriched(prepared);
        }
        if self.probe.is_some() {
            self.push_probe(record, Some(item.user()));
        }
        let mut next = self.stream_time;
        let now = next.observe(item.time(), item.user());
        if next.day() != i32::MIN {
            self.pass(next, batch);
        } else {
            self.first_day = self.first_day.min(item.time().day());
        }
        self.stream_time = next;
        self.dirty.insert(item.user());
        batch.inputs.push(Input { position: self.position, stream_time: now, item });
        batch.origins.push(self.origin(record));
        self.position += 1;
    }

    /// Stream time goes on to `next`: comes to its border, begins its day, and hands over the contributions of the day that
    /// is complete now.
    fn pass(&mut self, next: StreamTime, batch: &mut Batch<'_>) {
        self.come_to(next, batch);
        self.complete(next, batch);
        let day = next.day();
        if self.day.is_none_or(|begun| begun < day) {
            self.step(batch);
            let Frontier { complete_day, .. } = self.contributions.frontier();
            self.set_frontier(Some(day), complete_day);
        }
    }

    /// Steps the inputs collected and takes over what came of them.
    fn step(&mut self, batch: &mut Batch<'_>) {
        if batch.inputs.is_empty() {
            return;
        }
        let out = self.task.step(&batch.inputs);
        self.take_over(out, batch);
        batch.inputs.clear();
        batch.origins.clear();
        batch.first = self.position;
    }

    /// Users whose state waits to be written.
    pub fn users_waiting(&self) -> usize {
        self.dirty.len()
    }

    /// Bytes that wait to be written, users' states apart.
    pub fn bytes_waiting(&self) -> usize {
        self.outbox.bytes() + self.contributions.bytes()
    }

    /// Is there anything to commit?
    pub fn has_news(&self) -> bool {
        self.next != self.frozen_next
            || !self.outbox.is_empty()
            || !self.dirty.is_empty()
            || self.contributions.is_due()
    }

    /// Freezes what waits, with the state of every user that changed and the marker; `None`: nothing has happened.
    pub fn freeze(&mut self) -> Result<Option<Frozen>, StateError> {
        if !self.has_news() {
            return Ok(None);
        }
        self.transaction += 1;
        let mut outbox = self.take_outbox();
        let mut state = Vec::new();
        for user in std::mem::take(&mut self.dirty) {
            state.clear();
            let is_known = self.task.export_user(user, &mut state);
            if state.len() > self.settings.record_bytes_max {
                let (bytes, max) = (state.len(), self.settings.record_bytes_max);
                return Err(StateError::TooLong { bytes, max });
            }
            let payload = is_known.then_some(state.as_slice());
            outbox.push(Destination::State, None, Some(&user.0.to_be_bytes()), payload, Vec::new());
            if let Some(value) = self.probe.as_ref().and_then(|probe| probe.state(user)) {
                outbox.push(Destination::State, None, Some(&probe::key(user)), Some(&value), Vec::new());
            }
        }
        let marker = self.marker();
        outbox.push(Destination::State, None, Some(MARKER_KEY), Some(&marker.encode()), Vec::new());
        self.frozen_next.clone_from(&self.next);
        Ok(Some(Frozen {
            transaction: self.transaction,
            outbox,
            next: marker.next,
            records: std::mem::take(&mut self.records),
            oldest_timestamp_ms: self.oldest_timestamp_ms.take(),
            counts: std::mem::take(&mut self.counts),
        }))
    }

    /// For who keeps no state: what waits, states and marker apart, and what happened on the way.
    pub fn give(&mut self) -> (Outbox, TaskCounts) {
        self.dirty.clear();
        (self.take_outbox(), std::mem::take(&mut self.counts))
    }

    fn take_outbox(&mut self) -> Outbox {
        let mut outbox = std::mem::take(&mut self.outbox);
        for record in self.contributions.take(MARKS_MAX) {
            let key = self.partition.to_be_bytes();
            outbox.push(Destination::Profiles, Some(PROFILES_PARTITION), Some(&key), Some(&record), Vec::new());
        }
        outbox
    }

    /// Where a task that takes over from here goes on.
    pub fn marker(&self) -> Marker {
        let Frontier { day, complete_day, told_minute } = self.contributions.frontier();
        let mut stream_time = Vec::new();
        self.stream_time.encode(&mut stream_time);
        let stream_time = hexadecimal(&stream_time);
        let topics = self.sources.iter().map(|source| source.topic.clone());
        let known = self.sources.iter().filter(|source| !source.topic_id.is_empty());
        Marker {
            version: VERSION,
            transaction: self.transaction,
            next: topics.zip(self.next.iter().copied()).collect(),
            topic_ids: known.map(|source| (source.topic.clone(), source.topic_id.clone())).collect(),
            position: self.position,
            stream_time,
            day,
            complete_day,
            reviewed_minute: self.reviews.reviewed_minute(),
            told_minute,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            configuration_hash: format!("{:016x}", self.settings.render.config_hash),
            importing: false,
        }
    }
}

/// Key of a user's outputs: a user's records stay in order, and compaction keeps one of each.
pub fn output_key(tenant_id: &str, user_id: &str) -> String {
    format!("{tenant_id}/{user_id}")
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn stream_time(text: &str) -> Result<StreamTime, String> {
    let digits = text.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).map_err(|error| error.to_string())?;
        u8::from_str_radix(pair, 16).map_err(|error| error.to_string())
    });
    let bytes: Vec<u8> = digits.collect::<Result<_, _>>()?;
    StreamTime::decode(&bytes).map_err(|error| error.to_string())
}
