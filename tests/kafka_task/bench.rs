//! A task on the bench: a log of all sorts of records, and a disk that keeps what was committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use farsign::config::{Framing, OnError};
use farsign::engine::decode::{Format, write_farsign, write_farsign_feedback, write_farsign_upstream_finding};
use farsign::engine::enrich::{Enricher, Tables};
use farsign::engine::facts::Item;
use farsign::engine::finding::{RiskEventType, RiskLevel};
use farsign::engine::policy::EngineConfig;
use farsign::engine::profile::Profiles;
use farsign::engine::signin::ProviderLocation;
use farsign::render::RenderContext;
use farsign::runtime::kafka::contributions::ProfilesRecord;
use farsign::runtime::kafka::log::Change;
use farsign::runtime::kafka::marker::{MARKER_KEY, Marker};
use farsign::runtime::kafka::outbox::{Destination, Frozen, OutHeader};
use farsign::runtime::kafka::partition::{PartitionTask, TRANSACTION_HEADER, Taken, TaskSettings};
use farsign::runtime::kafka::probe::ProbeRecord;
use farsign::runtime::kafka::record::{Record, Source, SourceKind};
use farsign::runtime::kafka::shared::SharedProfiles;
use proptest::prelude::*;

use crate::common::world::{DAY_ZERO, Spec, at, feedback, sign_in, upstream};

pub const INPUT: &str = "sign-ins";
pub const COMMANDS: &str = "farsign.commands";
/// Days far beyond those of any log.
const OPEN_DAY: i32 = DAY_ZERO as i32 + 1_000;
const NETWORKS: [&str; 5] = ["oslo-fixed", "bergen-fixed", "lagos-fixed", "newyork-fixed", "frankfurt-vpn"];
const USERS: usize = 4;

/// A record in the log.
#[derive(Clone, Debug)]
pub struct Logged {
    pub source: usize,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Logged {
    pub fn new(source: usize, offset: i64, payload: impl Into<Vec<u8>>) -> Logged {
        let payload = Some(payload.into());
        Logged { source, offset, key: None, payload, headers: Vec::new() }
    }

    pub fn record(&self) -> Record<'_> {
        Record {
            source: self.source,
            offset: self.offset,
            timestamp_ms: Some(1_700_000_000_000 + self.offset),
            key: self.key.as_deref(),
            payload: self.payload.as_deref(),
            headers: self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect(),
        }
    }
}

/// One thing that happens, `gap_s` after the one before.
#[derive(Clone, Copy, Debug)]
pub struct Happening {
    user: usize,
    gap_s: i64,
    network: usize,
    device: usize,
    kind: u8,
}

pub fn happening() -> impl Strategy<Value = Happening> {
    (0..USERS, 0..30_000_i64, 0..12_usize, 0..3_usize, 0..24_u8)
        .prop_map(|(user, gap_s, network, device, kind)| Happening { user, gap_s, network, device, kind })
}

/// The line of an item, with its place as a provider would give it.
pub fn line(item: &Item<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    match item {
        Item::SignIn(prepared) => {
            let mut sign_in = prepared.sign_in.clone();
            if let Some(place) = &prepared.place {
                sign_in.location = ProviderLocation {
                    city: place.city.as_ref().into(),
                    state: place.region.as_ref().into(),
                    country: place.country.as_str().into(),
                    coordinates: Some((place.latitude, place.longitude)),
                };
            }
            write_farsign(&sign_in, &mut line);
        }
        Item::Feedback { feedback, .. } => write_farsign_feedback(feedback, &mut line),
        Item::UpstreamFinding(prepared) => write_farsign_upstream_finding(&prepared.finding, &mut line),
    }
    line
}

/// A fortnight of habits, then what happens: sign-ins, feedback among the commands, tombstones, and what is broken.
pub fn log(happenings: &[Happening]) -> Vec<Logged> {
    let mut log: Vec<Logged> = Vec::new();
    let mut offsets = [0, 0];
    let mut push = |source: usize, payload: Option<Vec<u8>>| {
        let mut record = Logged::new(source, offsets[source], payload.clone().unwrap_or_default());
        (record.payload, record.key) = (payload, Some(b"a user".to_vec()));
        // Deleted offsets and control records leave gaps.
        offsets[source] += 1 + i64::from(log.len() % 7 == 3);
        log.push(record);
    };
    for day in 0..14 {
        for user in 0..USERS {
            let time = at(day, 28_800 + 60 * user as i64);
            let spec = Spec::new(&format!("habit-{day}-{user}"), time, &name(user), NETWORKS[user % 2], "laptop");
            push(0, Some(line(&sign_in(&spec))));
        }
    }
    let mut seconds = 0;
    for (index, happening) in happenings.iter().enumerate() {
        seconds += happening.gap_s;
        let time = at(14, seconds);
        let network = NETWORKS[happening.network.saturating_sub(7)];
        let device = ["laptop", "phone", "stranger"][happening.device];
        let spec = Spec::new(&format!("event-{index}"), time, &name(happening.user), network, device);
        let good = line(&sign_in(&spec));
        match happening.kind {
            0 => push(0, Some(b"{\"type\":\"signIn\",".to_vec())),
            1 => push(0, None),
            2 => push(0, Some([b"[", good.as_slice(), b",{\"no\":1}]"].concat())),
            3 => push(0, Some([good.as_slice(), b"\n", &good.clone()].concat())),
            4 => push(1, Some(good)),
            5..=7 => {
                let actions = ["confirm-safe", "confirm-compromised", "dismiss"];
                let action = actions[usize::from(happening.kind) - 5];
                let about = format!("event-{}", index.saturating_sub(1));
                push(1, Some(line(&feedback(&format!("f-{index}"), time, &name(happening.user), action, &about))));
            }
            8 | 9 => {
                let about = format!("event-{}", index.saturating_sub(usize::from(happening.kind) - 8));
                let found = (RiskEventType::UnfamiliarFeatures, RiskLevel::Medium);
                let finding = upstream(&format!("u-{index}"), time, &name(happening.user), found, &about);
                let finding = line(&Item::UpstreamFinding(finding));
                // Commands refuse it.
                push(usize::from(happening.device == 0), Some(finding));
                push(0, Some(good));
            }
            _ => push(0, Some(good)),
        }
    }
    log
}

fn name(user: usize) -> String {
    format!("user-{user}")
}

pub fn settings() -> TaskSettings {
    TaskSettings {
        engine: Arc::new(EngineConfig::default()),
        render: Arc::new(RenderContext::default()),
        format: Format::Farsign,
        framing: Framing::None,
        on_error: OnError::DeadLetter,
        breaker: None,
        record_bytes_max: 1 << 20,
        dead_letter_bytes_max: 1 << 20,
        probe: true,
    }
}

/// What a task needs around it.
pub struct Bench {
    pub settings: Arc<TaskSettings>,
    pub shared: Arc<SharedProfiles>,
    enricher: Enricher,
}

impl Bench {
    pub fn new(settings: TaskSettings) -> Bench {
        let enricher = Enricher::with_cache(Arc::new(Tables::default()), 64, 64);
        let shared = Arc::new(SharedProfiles::new(Profiles::default()));
        Bench { settings: Arc::new(settings), shared, enricher }
    }

    /// Every day may begin, and every review.
    pub fn open() -> Bench {
        let bench = Bench::new(settings());
        bench.shared.advance(OPEN_DAY);
        bench.shared.open_reviews(OPEN_DAY * 24 * 60);
        bench
    }

    pub fn task(&self) -> PartitionTask {
        self.task_of(3)
    }

    pub fn task_of(&self, partition: i32) -> PartitionTask {
        let source = |topic: &str, kind| Source { topic: topic.to_owned(), topic_id: String::new(), kind };
        let sources = vec![source(INPUT, SourceKind::Input), source(COMMANDS, SourceKind::Commands)];
        PartitionTask::new(self.settings.clone(), partition, sources.into(), self.shared.clone())
    }

    pub fn take(&mut self, task: &mut PartitionTask, log: &[Logged]) -> Taken {
        let records: Vec<Record<'_>> = log.iter().map(Logged::record).collect();
        task.take(&records, &mut self.enricher)
    }

    pub fn digest(&self, task: &mut PartitionTask) -> u64 {
        let now = task.stream_time().now();
        task.task().digest(now)
    }
}

/// An output record; the transaction's number, which depends on commits, is left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub destination: Destination,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<OutHeader>,
}

impl Output {
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().rev().find(|(header, _)| header == name)?;
        value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

/// What committed transactions have written.
#[derive(Default)]
pub struct Disk {
    changelog: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    outputs: Vec<Output>,
    pub markers: Vec<Marker>,
    /// Of the task that wrote it last.
    pub digest: u64,
}

impl Disk {
    pub fn commit(&mut self, frozen: Option<Frozen>) {
        let Some(frozen) = frozen else { return };
        for record in frozen.outbox.records() {
            let (key, payload) = (record.key.map(<[u8]>::to_vec), record.payload.map(<[u8]>::to_vec));
            let headers = record.headers.iter().filter(|(name, _)| name != TRANSACTION_HEADER).cloned().collect();
            match record.destination {
                Destination::State => self.changelog.push((key.expect("a key"), payload)),
                destination => self.outputs.push(Output { destination, key, payload, headers }),
            }
        }
        let (key, payload) = self.changelog.last().expect("a marker");
        assert_eq!(key, MARKER_KEY, "the marker is the last of the changelog's records");
        let marker = Marker::decode(payload.as_deref().expect("a marker")).expect("a marker");
        assert_eq!((marker.transaction, &marker.next), (frozen.transaction, &frozen.next));
        self.markers.push(marker);
    }

    /// A new task with what the changelog has, all of it or the newest of each key.
    pub fn restore(&self, bench: &Bench, is_compacted: bool) -> PartitionTask {
        self.restore_into(bench.task(), is_compacted)
    }

    /// The same with a task of any partition.
    pub fn restore_into(&self, mut task: PartitionTask, is_compacted: bool) -> PartitionTask {
        let newest: BTreeMap<&[u8], usize> =
            self.changelog.iter().enumerate().map(|(index, (key, _))| (key.as_slice(), index)).collect();
        for (index, (key, payload)) in self.changelog.iter().enumerate() {
            if key != MARKER_KEY && (!is_compacted || newest[key.as_slice()] == index) {
                let change = Change { offset: index as i64, key, payload: payload.as_deref() };
                task.load(&change).expect("a change of this task");
            }
        }
        if let Some(marker) = self.markers.last() {
            task.resume(marker).expect("a marker of this task");
        }
        task
    }

    pub fn outputs(&self, destination: Destination) -> Vec<&Output> {
        self.outputs.iter().filter(|output| output.destination == destination).collect()
    }

    pub fn probes(&self) -> Vec<ProbeRecord> {
        let probes = self.outputs(Destination::Probe).into_iter();
        let probes = probes.filter_map(|output| serde_json::from_slice(output.payload.as_ref()?).ok());
        probes.map(|probe: ProbeRecord| ProbeRecord { transaction: 0, ..probe }).collect()
    }

    /// Every mark that was handed over; how often does not matter.
    pub fn contributions(&self) -> BTreeSet<String> {
        let records = self.outputs(Destination::Profiles).into_iter();
        let records = records.map(|output| {
            ProfilesRecord::decode(output.payload.as_ref().expect("a value")).expect("a profiles record")
        });
        records.flat_map(|record| record.marks).map(|mark| format!("{mark:?}")).collect()
    }
}
