//! What the engine gave for a batch → records of the outbox, each with the input record that caused it.

use super::super::outbox::{Destination, OutHeader};
use super::super::probe::ProbeRecord;
use super::super::record::{Record, SourceKind};
use super::{ORIGIN_HEADER, PartitionTask, REVIEW_ORIGIN, TIMESTAMP_HEADER, TRANSACTION_HEADER, output_key};
use crate::engine::Input;
use crate::engine::hash::UserKey;
use crate::engine::out::{Detection, Out, Source};
use crate::render::{self, risky_user};

/// The record that an input is of.
pub(super) struct Origin<'b> {
    source: usize,
    offset: i64,
    /// Its place, when a repartition stage says so.
    place: Option<&'b str>,
    pub(super) timestamp_ms: Option<i64>,
}

/// Inputs on their way to the engine, and the records they are of.
pub(super) struct Batch<'b> {
    pub(super) inputs: Vec<Input<'b>>,
    /// Of each input.
    pub(super) origins: Vec<Origin<'b>>,
    /// Position of the first.
    pub(super) first: u64,
}

impl Batch<'_> {
    pub(super) fn new(first: u64) -> Self {
        Batch { inputs: Vec::new(), origins: Vec::new(), first }
    }
}

impl PartitionTask {
    pub(super) fn take_over(&mut self, out: Out, batch: &Batch<'_>) {
        let Out {
            detections,
            shadow_detections,
            contributions,
            attempts,
            reviewed,
            counts,
            forgotten,
            risky_users,
        } = out;
        for detection in detections {
            self.counts.batch.detection(&detection);
            if !detection.is_update {
                // What an upstream product told days later came no later than that.
                let is_own = detection.source == Source::Farsign;
                self.counts.detected.push(if is_own { detection.activity_time } else { detection.detected_time });
            }
            let headers = self.headers(batch, detection.position);
            self.push_detection(Destination::RiskDetections, detection, headers);
        }
        for detection in shadow_detections {
            self.counts.batch.detection(&detection);
            let headers = self.headers(batch, detection.position);
            self.push_detection(Destination::ShadowDetections, detection, headers);
        }
        for user in &risky_users {
            let headers = self.headers(batch, user.position);
            let key = output_key(&user.tenant_id, &user.user_id);
            let settings = &self.settings;
            self.outbox.push_with(Destination::RiskyUsers, key.as_bytes(), headers, |bytes| {
                risky_user::write(user, &settings.render, bytes);
            });
        }
        self.contributions.add(&contributions);
        self.contributions.add_attempts(&attempts);
        // A user forgotten and met again in one batch is written by its state.
        self.dirty.extend(forgotten);
        self.dirty.extend(reviewed);
        self.counts.engine.add(&counts);
    }

    /// Where the record came in: behind a repartition stage its headers say so.
    pub(super) fn origin<'b>(&self, record: &Record<'b>) -> Origin<'b> {
        let (source, offset, timestamp_ms) = (record.source, record.offset, record.timestamp_ms);
        if self.sources[source].kind != SourceKind::Repartition {
            return Origin { source, offset, place: None, timestamp_ms };
        }
        let original_ms = record.header(TIMESTAMP_HEADER).and_then(|text| text.parse().ok());
        let place = record.header(ORIGIN_HEADER);
        Origin { source, offset, place, timestamp_ms: original_ms.or(timestamp_ms) }
    }

    fn headers(&self, batch: &Batch<'_>, position: u64) -> Vec<OutHeader> {
        let index = position.saturating_sub(batch.first) as usize;
        let text = |name: &str, value: String| (name.to_owned(), Some(value.into_bytes()));
        let mut headers = vec![text(TRANSACTION_HEADER, (self.transaction + 1).to_string())];
        if let Some(origin) = batch.origins.get(index) {
            let topic = &self.sources[origin.source].topic;
            let own = || format!("{topic}/{}/{}", self.partition, origin.offset);
            headers.push(text(ORIGIN_HEADER, origin.place.map_or_else(own, str::to_owned)));
            if let Some(timestamp) = origin.timestamp_ms {
                headers.push(text(TIMESTAMP_HEADER, timestamp.to_string()));
            }
        } else {
            headers.push(text(ORIGIN_HEADER, REVIEW_ORIGIN.to_owned()));
        }
        headers
    }

    fn push_detection(&mut self, to: Destination, mut detection: Detection, headers: Vec<OutHeader>) {
        let key = output_key(&detection.subject.tenant_id, &detection.subject.user_id);
        let mut line = Vec::new();
        render::write(&detection, &self.settings.render, &mut line);
        if line.len() > self.settings.record_bytes_max {
            // Better without its evidence than not at all.
            self.counts.shortened += 1;
            detection.finding = None;
            line.clear();
            render::write(&detection, &self.settings.render, &mut line);
        }
        self.outbox.push(to, None, Some(key.as_bytes()), Some(&line), headers);
    }

    pub(super) fn push_probe(&mut self, record: &Record<'_>, user: Option<UserKey>) {
        let topic = &self.sources[record.source].topic;
        let Some(probe) = &mut self.probe else { return };
        let (sequence, hash) = user.map_or((0, 0), |user| probe.take(user, topic, self.partition, record.offset));
        let line = ProbeRecord {
            topic: topic.clone(),
            partition: self.partition,
            offset: record.offset,
            user: user.map_or(String::new(), |user| format!("{:032x}", user.0)),
            sequence,
            hash: format!("{hash:016x}"),
            transaction: self.transaction + 1,
        };
        let line = serde_json::to_vec(&line).expect("a struct of numbers and strings is JSON");
        self.outbox.push(Destination::Probe, None, None, Some(&line), Vec::new());
    }
}
