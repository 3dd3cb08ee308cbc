//! The restorers: threads that take a task over and read its state back, while the workers go on.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use rdkafka::consumer::Consumer;

use super::group::GroupConsumer;
use super::happening::Happening;
use super::kafka_log::{self, KafkaLog, Reader};
use super::log::Change;
use super::marker::{HalfImported, Marker};
use super::names::Names;
use super::partition::{PartitionTask, StateError, TaskSettings};
use super::protocol::{RestoreError, Restored, Session};
use super::record::Source;
use super::shared::SharedProfiles;
use super::snapshot::Head;
use crate::config::{OnDataLoss, Start};
use crate::engine::Sight;
use crate::metrics::Metrics;
use crate::runtime::clock::{self, Deadline};

/// Questions to a broker wait this long.
const ASK_MAX: Duration = Duration::from_secs(15);

/// A partition that ends before the offset to go on from is looked at again for so long, this often.
const END_WAIT_MAX: Duration = Duration::from_secs(10);
const END_WAIT: Duration = Duration::from_millis(500);

/// What to do about records that made a task panic: each batch is taken record by record until the one is found, and
/// that one goes to the dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caution {
    /// Single steps up to these offsets, one a source.
    pub until: Vec<i64>,
    /// Source and offset of records that are not to be stepped.
    pub refused: BTreeSet<(usize, i64)>,
}

pub struct OpenJob {
    pub partition: i32,
    pub epoch: u64,
    pub settings: Arc<TaskSettings>,
    pub caution: Caution,
    pub void: Arc<AtomicBool>,
    /// Told how many records of the changelog are still to be read.
    pub remaining: Arc<AtomicU64>,
    pub inbox: Sender<Happening>,
}

/// A task with its state, ready to go on.
pub struct Opened {
    pub task: PartitionTask,
    pub session: Box<Session<KafkaLog>>,
    pub caution: Caution,
    /// Changes read from the changelog.
    pub changes: u64,
    pub took: Duration,
}

/// Why a task cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Trying again may help.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    State(#[from] StateError),
    /// No task of the application may begin.
    #[error(transparent)]
    HalfImported(#[from] HalfImported),
    #[error("{0}")]
    Ask(String),
    /// Records are gone that were never judged.
    #[error("{0}")]
    DataLoss(String),
}

/// What restorers need.
pub struct Restorer {
    pub names: Arc<Names>,
    pub shared: Arc<SharedProfiles>,
    pub group: Arc<GroupConsumer>,
    pub start: Start,
    pub on_data_loss: OnDataLoss,
    pub metrics: Metrics,
}

impl Restorer {
    /// Works until every worker is gone.
    pub fn run(&self, jobs: &Receiver<OpenJob>) {
        for job in jobs {
            let (partition, epoch, inbox) = (job.partition, job.epoch, job.inbox.clone());
            if job.void.load(Ordering::Acquire) {
                continue;
            }
            let opened = catch_unwind(AssertUnwindSafe(|| self.open(job)))
                .unwrap_or_else(|_| Err(OpenError::Ask("restoring failed (a bug: please report it)".to_owned())));
            let opened = opened.map(Box::new);
            drop(inbox.send(Happening::Restored { partition, epoch, opened }));
        }
    }

    fn open(&self, job: OpenJob) -> Result<Opened, OpenError> {
        let started = clock::now();
        let log = KafkaLog::new(self.names.clone(), job.partition, self.group.clone(), job.void, job.remaining);
        let mut session = Box::new(Session::new(log));
        let sources = self.names.sources.clone();
        let mut task = PartitionTask::new(job.settings, job.partition, sources, self.shared.clone());
        task.set_sight(Sight::Live);
        let (mut failed, mut changes) = (None, 0);
        let snapshot = self.load_snapshot(&mut task)?;
        let position = snapshot.as_ref().map_or(0, |head| head.position);
        let mut restored = session.restore(position, &mut |change| {
            changes += 1;
            if failed.is_none() {
                failed = task.load(&change).err();
            }
        })?;
        // Before what the changes came to: they may be of two states.
        restored.marker = restored.marker.map(Marker::whole).transpose()?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        restored.marker = restored.marker.or(snapshot.map(|head| head.marker));
        if let Some(marker) = &restored.marker {
            task.resume(marker)?;
        }
        // Last: where to read from may be another place than the marker's, when records are gone.
        self.place(&mut task, &restored)?;
        task.refuse(job.caution.refused.clone());
        Ok(Opened { task, session, caution: job.caution, changes, took: started.elapsed() })
    }

    /// Fills the task from its newest snapshot, when there is one that fits the changelog.
    fn load_snapshot(&self, task: &mut PartitionTask) -> Result<Option<Head>, OpenError> {
        let Some(folder) = &self.names.snapshots else { return Ok(None) };
        let partition = task.partition();
        let Some(snapshot) = folder.newest(partition, clock::unix_seconds() as u64) else { return Ok(None) };
        let (_, end) = kafka_log::uncommitted_watermarks(&self.names, &folder.topic, partition)
            .map_err(|error| OpenError::Ask(error.to_string()))?;
        if snapshot.head.position > end {
            tracing::warn!(partition, "the snapshot is of a longer changelog, and is left aside");
            return Ok(None);
        }
        for (key, value) in &snapshot.entries {
            task.load(&Change { offset: snapshot.head.position, key, payload: Some(value) })?;
        }
        Ok(Some(snapshot.head))
    }

    /// Finds out where each source is to be read from.
    fn place(&self, task: &mut PartitionTask, restored: &Restored) -> Result<(), OpenError> {
        let partition = task.partition();
        for (index, source) in self.names.sources.iter().enumerate() {
            if let Some(id) = restored.marker.as_ref().and_then(|marker| marker.id_of(&source.topic))
                && !source.topic_id.is_empty()
                && id != source.topic_id
            {
                return Err(OpenError::DataLoss(format!(
                    "`{}` was made anew since this task last read it; `farsign reset --to earliest` begins again",
                    source.topic
                )));
            }
            let marker = restored.marker.as_ref().and_then(|marker| marker.next_of(&source.topic));
            let committed = restored.committed.filter(|_| index == 0);
            if let (Some(marker), Some(committed)) = (marker, committed)
                && marker != committed
            {
                tracing::warn!(
                    partition,
                    marker,
                    committed,
                    "the group's offset is not the changelog's; the changelog counts (`farsign reset` changes it)"
                );
            }
            let known = marker.or(committed);
            let offset = self.start_of(source, partition, known)?;
            if restored.marker.is_none() && known.is_some() {
                tracing::warn!(
                    partition,
                    offset,
                    "the changelog is empty: going on from the group's offset, without state"
                );
            }
            match known {
                Some(_) => task.seek(index, offset),
                None => task.begin(index, offset),
            }
        }
        Ok(())
    }

    fn start_of(&self, source: &Source, partition: i32, known: Option<i64>) -> Result<i64, OpenError> {
        let reader =
            kafka_log::reader(&self.names, "offsets").map_err(|error| OpenError::Ask(error.to_string()))?;
        let (offset, lost) = start_of(&reader, &source.topic, partition, known, self.start, self.on_data_loss)?;
        self.metrics.lost_records(lost);
        Ok(offset)
    }
}

/// Where a partition is to be read from, when `known` is where it was left, and how many offsets before that place are
/// lost.
pub fn start_of(
    reader: &Reader,
    topic: &str,
    partition: i32,
    known: Option<i64>,
    start: Start,
    on_data_loss: OnDataLoss,
) -> Result<(i64, u64), OpenError> {
    let ends = || {
        let found = reader.fetch_watermarks(topic, partition, ASK_MAX);
        found.map_err(|error| {
            OpenError::Ask(format!("cannot read the ends of `{topic}` partition `{partition}`: {error}"))
        })
    };
    let (mut low, mut high) = ends()?;
    // A new leader's high watermark may lag behind for a moment.
    let deadline = Deadline::after(END_WAIT_MAX);
    while known.is_some_and(|known| known > high) && !deadline.is_over() {
        std::thread::sleep(END_WAIT);
        (low, high) = ends()?;
    }
    match known {
        None => Ok(match start {
            Start::Earliest => (low, 0),
            Start::Latest => (high, 0),
        }),
        Some(known) if known < low => {
            let lost = format!(
                "`{topic}` partition `{partition}`: offsets `{known}` to `{low}` are gone before they were judged"
            );
            match on_data_loss {
                OnDataLoss::Earliest => {
                    tracing::error!("{lost}; going on at `{low}` (`input.on_data_loss: earliest`)");
                    Ok((low, low.abs_diff(known)))
                }
                OnDataLoss::Stop => Err(OpenError::DataLoss(format!(
                    "{lost}: set `input.on_data_loss: earliest` to go on without them"
                ))),
            }
        }
        Some(known) if known > high => Err(OpenError::DataLoss(format!(
            "`{topic}` partition `{partition}` ends at `{high}`, and this task has read up to `{known}`: the topic \
             was made anew or cut; `farsign reset --to earliest` begins again"
        ))),
        Some(known) => Ok((known, 0)),
    }
}
