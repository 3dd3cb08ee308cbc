//! One thread's tasks and how they go on: each until its next record has to wait for a review or a day, or there is none.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::feed::{Feed, Next, Router};
use super::merge::{Held, Merge};
use super::{Given, Offline, OfflineError, Outlet, Progress, Stopped, Want};
use crate::engine::enrich::Enricher;
use crate::runtime::kafka::contributions::ProfilesRecord;
use crate::runtime::kafka::outbox::Destination;
use crate::runtime::kafka::partition::{PartitionTask, Stop};
use crate::runtime::kafka::record::Record;
use crate::runtime::kafka::shared::SharedProfiles;
use crate::runtime::replay::summary::Summary;

/// Records that a task takes at once.
const BATCH_RECORDS_MAX: usize = 256;
const BATCH_RECORDS_MIN: usize = 8;
/// Bytes that wait in a task before they are taken over.
const OUTBOX_BYTES_MAX: usize = 4 << 20;

struct Runner {
    task: PartitionTask,
    /// Read, and not taken yet: at most a batch.
    waiting: VecDeque<Held>,
    /// Records taken at once: as many as it could take lately, since those behind a stop are read again.
    batch_max: usize,
    /// Why it stopped.
    stop: Option<Stop>,
    /// Is there nothing left to read?
    is_ended: bool,
    /// What came of it since it gave last.
    given: Given,
}

impl Runner {
    fn new(task: PartitionTask) -> Runner {
        let given = Given::default();
        Runner { task, waiting: VecDeque::new(), batch_max: BATCH_RECORDS_MAX, stop: None, is_ended: false, given }
    }

    /// Where the task has to wait for others.
    fn want(&self) -> Option<Want> {
        let review = self.task.waits_for_review().filter(|_| self.is_through()).map(Want::Review);
        match &self.stop {
            Some(Stop::Day(day)) => Some(Want::Day(*day)),
            Some(Stop::Review(minute)) => Some(Want::Review(*minute)),
            _ => review,
        }
    }

    fn is_through(&self) -> bool {
        self.is_ended && self.waiting.is_empty()
    }
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
        let mut runners = BTreeMap::new();
        let mut merges = BTreeMap::new();
        for number in tasks {
            let task = PartitionTask::new(offline.settings.clone(), number, sources.clone(), shared.clone());
            runners.insert(number, Runner::new(task));
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

    /// Goes on with every task as far as it may; those at their end follow to the border `come`.
    pub fn go_on(&mut self, come: Option<i32>) -> Result<Stopped, OfflineError> {
        let tasks: Vec<i32> = self.runners.keys().copied().collect();
        loop {
            let mut is_done = true;
            for task in &tasks {
                is_done &= !self.go_on_with(*task, come)?;
            }
            // Behind the relays one task's reading may bring records for one that had none.
            if is_done || matches!(self.feed, Feed::Keyed(_)) {
                break;
            }
        }
        let wants = self.runners.values().filter_map(Runner::want).min_by_key(|want| want.place());
        let come = self.runners.values().filter_map(|runner| runner.task.come_minute()).max();
        let has_followers = self.runners.values().any(Runner::is_through);
        Ok(Stopped { given: Vec::new(), wants, come, has_followers })
    }

    /// What came of every task since the last time.
    pub fn give(&mut self) -> Stopped {
        let given = self.runners.iter_mut().map(|(number, runner)| (*number, std::mem::take(&mut runner.given)));
        Stopped { given: given.collect(), ..Stopped::default() }
    }

    /// Lets every task do one thing.
    pub fn each(&mut self, act: fn(&mut PartitionTask)) -> Result<Stopped, OfflineError> {
        for runner in self.runners.values_mut() {
            act(&mut runner.task);
            take_over(runner, &self.shared, &mut self.outlet)?;
        }
        Ok(Stopped::default())
    }

    /// True when the task has taken records.
    fn go_on_with(&mut self, number: i32, come: Option<i32>) -> Result<bool, OfflineError> {
        let Some(runner) = self.runners.get_mut(&number) else { return Ok(false) };
        // What the relays refuse is given with the task that had them read.
        std::mem::swap(&mut runner.given, &mut self.outlet.given);
        let result = run(
            runner,
            number,
            (&mut self.feed, &mut self.enricher),
            &self.shared,
            &mut self.outlet,
            self.interrupted,
        );
        if let (true, Some(come)) = (runner.is_through(), come) {
            runner.task.follow(come);
        }
        let taken_over = take_over(runner, &self.shared, &mut self.outlet);
        std::mem::swap(&mut runner.given, &mut self.outlet.given);
        taken_over.and(result)
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

/// Takes records until one has to wait, or there is none; true when there were any.
fn run(
    runner: &mut Runner,
    number: i32,
    (feed, enricher): (&mut Feed, &mut Enricher),
    shared: &SharedProfiles,
    outlet: &mut Outlet,
    interrupted: &AtomicBool,
) -> Result<bool, OfflineError> {
    let mut has_taken = false;
    if runner.stop.as_ref().is_some_and(|stop| !runner.task.may_go_on(stop)) {
        return Ok(false);
    }
    runner.stop = None;
    while !interrupted.load(Ordering::Relaxed) {
        while !runner.is_ended && runner.waiting.len() < runner.batch_max {
            match feed.next(number, outlet)? {
                Next::Record(held) => runner.waiting.push_back(*held),
                Next::End => runner.is_ended = true,
                Next::Idle => break,
            }
        }
        if runner.waiting.is_empty() {
            break;
        }
        let records: Vec<Record<'_>> = runner.waiting.iter().take(runner.batch_max).map(Held::record).collect();
        let taken = runner.task.take(&records, enricher);
        drop(records);
        runner.waiting.drain(..taken.records);
        has_taken |= taken.records > 0;
        runner.batch_max = match taken.stop {
            None => (runner.batch_max * 2).min(BATCH_RECORDS_MAX),
            Some(_) => taken.records.max(BATCH_RECORDS_MIN),
        };
        match taken.stop {
            None => {}
            Some(stop @ (Stop::Day(_) | Stop::Review(_))) => {
                runner.stop = Some(stop);
                break;
            }
            Some(stop) => return Err(OfflineError::Stopped(stop)),
        }
        if runner.task.bytes_waiting() > OUTBOX_BYTES_MAX {
            take_over(runner, shared, outlet)?;
        }
    }
    Ok(has_taken)
}

/// What a commit would have written, users' states apart.
fn take_over(runner: &mut Runner, shared: &SharedProfiles, outlet: &mut Outlet) -> Result<(), OfflineError> {
    let (outbox, counts) = runner.task.give();
    outlet.count(&counts);
    for record in outbox.records() {
        if record.destination != Destination::Profiles {
            outlet.write(&record)?;
        } else if let Ok(profiles) = ProfilesRecord::decode(record.payload.unwrap_or_default()) {
            shared.profiles.contribute(&profiles.marks);
            shared.profiles.attempts().contribute(&profiles.attempts);
        }
    }
    Ok(())
}
