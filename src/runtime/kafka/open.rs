//! The restorers: threads that take a task over and read its state back, while the workers go on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::group::GroupConsumer;
use super::happening::Happening;
use super::kafka_log::{self, KafkaLog};
use super::names::Names;
use super::partition::{PartitionTask, StateError, TaskSettings};
use super::protocol::{RestoreError, Restored, Session};
use super::record::Source;
use super::shared::SharedProfiles;
use crate::config::{OnDataLoss, Start};
use crate::runtime::clock;

/// Questions to a broker wait this long.
const ASK_MAX: Duration = Duration::from_secs(15);

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
    pub inbox: Sender<Happening>,
}

/// A task with its state, ready to go on.
pub struct Opened {
    pub task: PartitionTask,
    pub session: Box<Session<KafkaLog>>,
    pub caution: Caution,
    pub users: u64,
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
}

impl Restorer {
    /// Works until every worker is gone.
    pub fn run(&self, jobs: &Receiver<OpenJob>) {
        for job in jobs {
            let (partition, epoch, inbox) = (job.partition, job.epoch, job.inbox.clone());
            if job.void.load(Ordering::Acquire) {
                continue;
            }
            let opened = self.open(job).map(Box::new);
            drop(inbox.send(Happening::Restored { partition, epoch, opened }));
        }
    }

    fn open(&self, job: OpenJob) -> Result<Opened, OpenError> {
        let started = clock::now();
        let log = KafkaLog::new(self.names.clone(), job.partition, self.group.clone(), job.void);
        let mut session = Box::new(Session::new(log));
        let sources = self.names.sources.clone();
        let mut task = PartitionTask::new(job.settings, job.partition, sources, self.shared.clone());
        let (mut failed, mut users) = (None, 0);
        let restored = session.restore(0, &mut |change| {
            users += 1;
            if failed.is_none() {
                failed = task.load(&change).err();
            }
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        self.place(&mut task, &restored)?;
        if let Some(marker) = &restored.marker {
            task.resume(marker)?;
        }
        task.refuse(job.caution.refused.clone());
        Ok(Opened { task, session, caution: job.caution, users, took: started.elapsed() })
    }

    /// Finds out where each source is to be read from.
    fn place(&self, task: &mut PartitionTask, restored: &Restored) -> Result<(), OpenError> {
        let partition = task.partition();
        for (index, source) in self.names.sources.iter().enumerate() {
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
            let offset = self.start_of(source, partition, marker.or(committed))?;
            task.seek(index, offset);
        }
        Ok(())
    }

    fn start_of(&self, source: &Source, partition: i32, known: Option<i64>) -> Result<i64, OpenError> {
        let topic = &source.topic;
        let reader =
            kafka_log::reader(&self.names, "offsets").map_err(|error| OpenError::Ask(error.to_string()))?;
        let (low, high) = reader.fetch_watermarks(topic, partition, ASK_MAX).map_err(|error| {
            OpenError::Ask(format!("cannot read the ends of `{topic}` partition `{partition}`: {error}"))
        })?;
        match known {
            None => Ok(match self.start {
                Start::Earliest => low,
                Start::Latest => high,
            }),
            Some(known) if known < low => {
                let lost = format!(
                    "`{topic}` partition `{partition}`: offsets `{known}` to `{low}` are gone before they were judged"
                );
                match self.on_data_loss {
                    OnDataLoss::Earliest => {
                        tracing::error!("{lost}; going on at `{low}` (`input.on_data_loss: earliest`)");
                        Ok(low)
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
            Some(known) => Ok(known),
        }
    }
}

/// One source's place, for a client.
pub fn place(topic: &str, partition: i32, offset: i64) -> TopicPartitionList {
    let mut tpl = TopicPartitionList::new();
    // Only a logical offset that librdkafka does not know is refused.
    tpl.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("a plain offset is taken");
    tpl
}
