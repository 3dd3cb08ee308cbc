//! One thread's tasks and how they go on: each until its next record has to wait for a day, or there is none.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::feed::{Feed, Next, Router};
use super::merge::{Held, Merge};
use super::{Given, Offline, OfflineError, Outlet, Progress, Stopped};
use crate::engine::enrich::Enricher;
use crate::engine::policy::EngineConfig;
use crate::engine::signin::SECONDS_PER_DAY;
use crate::runtime::kafka::contributions::ProfilesRecord;
use crate::runtime::kafka::outbox::Destination;
use crate::runtime::kafka::partition::{PartitionTask, Stop, TaskSettings};
use crate::runtime::kafka::record::Record;
use crate::runtime::kafka::shared::SharedProfiles;
use crate::runtime::replay::summary::Summary;

/// Records that a task takes at once.
const BATCH_RECORDS_MAX: usize = 256;
/// Bytes that wait in a task before they are taken over.
const OUTBOX_BYTES_MAX: usize = 4 << 20;

struct Runner {
    task: PartitionTask,
    /// Read, and not taken yet: at most a batch.
    waiting: VecDeque<Held>,
    /// Has it given everything?
    is_ended: bool,
}

pub struct Share<'a> {
    runners: BTreeMap<i32, Runner>,
    feed: Feed,
    enricher: Enricher,
    shared: Arc<SharedProfiles>,
    outlet: Outlet,
    interrupted: &'a AtomicBool,
}

impl<'a> Share<'a> {
    /// The `number`th of `count` shares.
    pub fn open(
        offline: &Offline,
        (number, count): (usize, usize),
        shared: Arc<SharedProfiles>,
        progress: Arc<Progress>,
        has_rejects: bool,
        interrupted: &'a AtomicBool,
    ) -> Result<Share<'a>, OfflineError> {
        let tasks = (0..offline.names.partitions).filter(|task| *task as usize % count == number);
        let sources = &offline.names.sources;
        let settings = Arc::new(by_the_day(&offline.settings));
        let mut runners = BTreeMap::new();
        let mut merges = BTreeMap::new();
        for number in tasks {
            let task = PartitionTask::new(settings.clone(), number, sources.clone(), shared.clone());
            runners.insert(number, Runner { task, waiting: VecDeque::new(), is_ended: false });
            if offline.is_keyed {
                let parts = offline.parts.iter().filter(|(_, part)| part.partition == number).cloned().collect();
                merges.insert(number, Merge::open(&offline.names, parts)?);
            }
        }
        let feed = if offline.is_keyed {
            Feed::Keyed(merges)
        } else {
            let merge = Merge::open(&offline.names, offline.parts.clone())?;
            let (settings, entrances) = (offline.settings.clone(), offline.entrances.clone());
            Feed::Routed(Box::new(Router::new(merge, settings, entrances, offline.names.partitions as usize)))
        };
        let enricher = Enricher::new(offline.tables.clone());
        let outlet = Outlet { progress, given: Given::default(), summary: Summary::default(), has_rejects };
        Ok(Share { runners, feed, enricher, shared, outlet, interrupted })
    }

    /// Goes on with every task as far as it may.
    pub fn go_on(&mut self) -> Result<Stopped, OfflineError> {
        let tasks: Vec<i32> = self.runners.keys().copied().collect();
        let mut given = Vec::new();
        loop {
            let (mut wants, mut is_done) = (None, true);
            for task in &tasks {
                let position = self.runners.get(task).map(|runner| runner.task.next().to_vec());
                wants = wants.into_iter().chain(self.go_on_with(*task)?).min();
                is_done &= self.runners.get(task).map(|runner| runner.task.next().to_vec()) == position;
                given.push((*task, std::mem::take(&mut self.outlet.given)));
            }
            // Behind the relays one task's reading may bring records for one that had none.
            if is_done || matches!(self.feed, Feed::Keyed(_)) {
                return Ok(Stopped { given, wants });
            }
        }
    }

    /// Gives what waited for more input.
    pub fn finish(&mut self) -> Result<Stopped, OfflineError> {
        let mut given = Vec::new();
        for (number, runner) in &mut self.runners {
            runner.task.finish();
            take_over(runner, &self.shared, &mut self.outlet)?;
            given.push((*number, std::mem::take(&mut self.outlet.given)));
        }
        Ok(Stopped { given, wants: None })
    }

    /// The day that the task waits for; `None`: it has nothing to take.
    fn go_on_with(&mut self, number: i32) -> Result<Option<i32>, OfflineError> {
        let Some(runner) = self.runners.get_mut(&number) else { return Ok(None) };
        while !self.interrupted.load(Ordering::Relaxed) {
            while !runner.is_ended && runner.waiting.len() < BATCH_RECORDS_MAX {
                match self.feed.next(number, &mut self.outlet)? {
                    Next::Record(held) => runner.waiting.push_back(*held),
                    Next::End => runner.is_ended = true,
                    Next::Idle => break,
                }
            }
            if runner.waiting.is_empty() {
                break;
            }
            let records: Vec<Record<'_>> = runner.waiting.iter().map(Held::record).collect();
            let taken = runner.task.take(&records, &mut self.enricher);
            drop(records);
            runner.waiting.drain(..taken.records);
            match taken.stop {
                None => {}
                Some(Stop::Day(day)) => {
                    take_over(runner, &self.shared, &mut self.outlet)?;
                    return Ok(Some(day));
                }
                Some(stop) => return Err(OfflineError::Stopped(stop)),
            }
            if runner.task.bytes_waiting() > OUTBOX_BYTES_MAX {
                take_over(runner, &self.shared, &mut self.outlet)?;
            }
        }
        take_over(runner, &self.shared, &mut self.outlet)?;
        Ok(None)
    }

    /// What the tasks counted.
    pub fn summary(self) -> Summary {
        let mut summary = self.outlet.summary;
        for runner in self.runners.into_values() {
            summary.items += runner.task.position();
            summary.far_ahead += runner.task.stream_time().far_ahead();
        }
        summary
    }
}

/// Tasks meet once a day here, so they review once a day. That changes when verdicts come out, not what they are.
fn by_the_day(settings: &TaskSettings) -> TaskSettings {
    let review_every_s = SECONDS_PER_DAY as u32;
    let engine = EngineConfig { review_every_s, ..EngineConfig::clone(&settings.engine) };
    TaskSettings { engine: Arc::new(engine), ..settings.clone() }
}

/// What a commit would have written.
fn take_over(runner: &mut Runner, shared: &SharedProfiles, outlet: &mut Outlet) -> Result<(), OfflineError> {
    if let Some(frozen) = runner.task.freeze()? {
        outlet.count(&frozen.counts);
        for record in frozen.outbox.records() {
            if record.destination != Destination::Profiles {
                outlet.write(&record)?;
            } else if let Ok(profiles) = ProfilesRecord::decode(record.payload.unwrap_or_default()) {
                shared.profiles.contribute(&profiles.marks);
                shared.profiles.attempts().contribute(&profiles.attempts);
            }
        }
    }
    Ok(())
}
