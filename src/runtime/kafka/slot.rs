//! One running task on its worker: its queues, its turn, its commits.
//!
//! A task is in one of few states at a time: it takes records; it is full and waits for a commit; it is blocked (by a
//! day or a review that may not begin yet); a commit of it has to be tried again. Only one commit is under way at a time, and a
//! frozen outbox is kept until it is certain.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Sender;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message, OwnedMessage};

use super::client::Context;
use super::commit::{CommitDone, CommitJob};
use super::happening::{Backoff, Happening};
use super::kafka_log::{self, KafkaLog, Reader};
use super::log::Failure;
use super::open::{Caution, Opened};
use super::outbox::{Destination, Frozen};
use super::partition::{PartitionTask, StateError, Stop, Taken, TaskSettings};
use super::protocol::{Outcome, Session};
use super::record::{Header, Record};
use crate::config::RunConfig;
use crate::engine::enrich::Enricher;
use crate::runtime::clock;

pub type Queue = PartitionQueue<Context>;

/// A commit that did not go through, and when it may be tried again.
struct Retry {
    at: Instant,
    /// Polls of the group that must have come back by then.
    polls: u64,
}

/// What a turn came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing to do for now.
    Idle,
    Busy,
    /// Its input cannot be read; it has to be opened again, which finds out why.
    Failed(String),
    /// The task takes no more, for good.
    Ended(String),
    /// The same, as most records cannot be read.
    Broken(String),
    /// The task panicked; it has to be opened again, with caution.
    Crashed(Caution),
}

pub struct Running {
    pub task: PartitionTask,
    /// Travels with a commit under way.
    session: Option<Box<Session<KafkaLog>>>,
    /// One a source.
    pub queues: Vec<Queue>,
    /// One a source: has it been read to its end?
    at_end: Vec<bool>,
    /// Taken from a queue, and not yet by the task.
    stash: VecDeque<(usize, OwnedMessage)>,
    frozen: Option<Arc<Frozen>>,
    retry: Option<Retry>,
    backoff: Backoff,
    /// When the oldest news that is not frozen came.
    news_since: Option<Instant>,
    /// The day or the review it waits for.
    blocked: Option<Stop>,
    ended: Option<String>,
    is_broken: bool,
    /// Why it has to be opened again.
    failed: Option<String>,
    /// Commits in a row that did not go through.
    pub tries: u32,
    caution: Caution,
    renewals: u64,
}

/// What a turn needs from the worker.
pub struct Tools<'a> {
    pub reader: &'a Reader,
    pub run: &'a RunConfig,
    pub enricher: &'a mut Enricher,
    pub commits: &'a Sender<CommitJob>,
    pub inbox: &'a Sender<Happening>,
    /// Polls of the group so far.
    pub polls: u64,
    /// Commit at once, and take nothing more: the task closes, or its configuration changes.
    pub wind_up: bool,
    pub epoch: u64,
}

impl Running {
    pub fn new(opened: Opened, queues: Vec<Queue>) -> Running {
        Running {
            task: opened.task,
            session: Some(opened.session),
            at_end: vec![false; queues.len()],
            queues,
            stash: VecDeque::new(),
            frozen: None,
            retry: None,
            backoff: Backoff::default(),
            news_since: None,
            blocked: None,
            ended: None,
            is_broken: false,
            failed: None,
            tries: 0,
            caution: opened.caution,
            renewals: 1,
        }
    }

    /// Is everything written that was taken?
    pub fn is_clean(&self) -> bool {
        self.frozen.is_none() && !self.task.has_news()
    }

    pub fn reconfigure(&mut self, settings: Arc<TaskSettings>) {
        self.task.reconfigure(settings);
    }

    /// When the task wants its next turn, if nothing happens before.
    pub fn due(&self, run: &RunConfig) -> Option<Instant> {
        if let Some(retry) = &self.retry {
            return Some(retry.at);
        }
        let is_waiting = self.session.is_none();
        self.news_since.filter(|_| !is_waiting).map(|since| since + run.commit_interval)
    }

    /// Takes a batch and commits what is due.
    pub fn turn(&mut self, tools: &mut Tools<'_>) -> Turn {
        if let Some(reason) = &self.ended
            && self.is_clean()
        {
            let reason = reason.clone();
            return if self.is_broken { Turn::Broken(reason) } else { Turn::Ended(reason) };
        }
        if self.failed.is_some() && self.is_clean() {
            return Turn::Failed(self.failed.take().unwrap_or_default());
        }
        let mut turn = Turn::Idle;
        if !tools.wind_up && self.failed.is_none() && self.ended.is_none() && !self.is_full(tools.run) {
            match self.intake(tools) {
                Ok(0) => {}
                Ok(_) => turn = Turn::Busy,
                Err(caution) => return Turn::Crashed(caution),
            }
            if self.stash.is_empty() && self.at_end.iter().all(|at_end| *at_end) {
                self.task.rest();
            }
            self.task.look();
            if self.task.has_news() {
                self.news_since.get_or_insert_with(clock::now);
            }
        }
        match self.commit_when_due(tools) {
            Ok(true) => Turn::Busy,
            Ok(false) => turn,
            Err(error) => Turn::Ended(error.to_string()),
        }
    }

    /// The bound of a task's memory beside its state: what waits while a commit is under way.
    fn is_full(&self, run: &RunConfig) -> bool {
        let limits = if self.session.is_none() || self.frozen.is_some() { 2 } else { 1 };
        self.task.users_waiting() >= run.commit_users_max * limits
            || self.task.bytes_waiting() >= run.outbox_bytes_max
    }

    /// Gives the number of records taken.
    fn intake(&mut self, tools: &mut Tools<'_>) -> Result<usize, Caution> {
        let is_careful = self.is_careful();
        let most = if is_careful { 1 } else { tools.run.batch_records_max };
        if is_careful && self.task.has_news() {
            // What came before the record in question is written before it is tried.
            return Ok(0);
        }
        if self.blocked.as_ref().is_some_and(|stop| !self.task.may_go_on(stop)) {
            return Ok(0);
        }
        let stashed = self.stash.len().min(most);
        let mut fresh = Vec::new();
        let mut ends = Vec::new();
        // Commands come last in the list and first here; each source has its share, so that none waits for another's
        // backlog.
        let share = (most / self.queues.len().max(1)).max(1);
        for (source, queue) in self.queues.iter().enumerate().rev() {
            let room = share.min(most.saturating_sub(stashed + fresh.len()));
            let mut count = 0;
            while count < room {
                match queue.poll(std::time::Duration::ZERO) {
                    Some(Ok(message)) => {
                        self.at_end[source] = false;
                        fresh.push((source, message));
                    }
                    Some(Err(KafkaError::PartitionEOF(_))) => {
                        self.at_end[source] = true;
                        ends.push(source);
                    }
                    Some(Err(error)) => {
                        self.failed = Some(format!("cannot read its input {source}: {error}"));
                        break;
                    }
                    None => break,
                }
                count += 1;
            }
        }
        if stashed + fresh.len() == 0 {
            self.reach(&ends, tools.reader);
            return Ok(0);
        }
        let stash = self.stash.iter().take(stashed).map(|(source, message)| record(*source, message));
        let records: Vec<Record<'_>> =
            stash.chain(fresh.iter().map(|(source, message)| record(*source, message))).collect();
        let before = self.task.next().to_vec();
        let task = &mut self.task;
        let taken = catch_unwind(AssertUnwindSafe(|| task.take(&records, tools.enricher)));
        let Ok(taken) = taken else { return Err(self.caution.after(&before, &records)) };
        drop(records);
        // Records that the task did not take wait in memory of their own: at most a batch.
        let rest: Vec<(usize, OwnedMessage)> = fresh
            .into_iter()
            .skip(taken.records.saturating_sub(stashed))
            .map(|(source, message)| (source, message.detach()))
            .collect();
        self.stash.drain(..taken.records.min(stashed));
        self.stash.extend(rest);
        if self.stash.is_empty() {
            self.reach(&ends, tools.reader);
        }
        self.note(&taken);
        Ok(taken.records)
    }

    /// Sources at whose end the reader is: also what is never delivered there has been passed.
    fn reach(&mut self, ends: &[usize], reader: &Reader) {
        if ends.is_empty() {
            return;
        }
        for &source in ends {
            let topic = &self.task.sources()[source].topic;
            if let Ok(Some(offset)) = kafka_log::position(reader, topic, self.task.partition()) {
                self.task.reach(source, offset);
            }
        }
        if self.task.has_news() {
            self.news_since.get_or_insert_with(clock::now);
        }
    }

    fn note(&mut self, taken: &Taken) {
        if self.task.has_news() {
            self.news_since.get_or_insert_with(clock::now);
        }
        self.blocked = None;
        match &taken.stop {
            None => {}
            Some(stop @ (Stop::Day(_) | Stop::Review(_))) => self.blocked = Some(stop.clone()),
            Some(Stop::Refused(reason)) => self.ended = Some(reason.clone()),
            Some(Stop::Breaker { refused, records }) => {
                self.is_broken = true;
                self.ended = Some(format!(
                    "{refused} of the last {records} records cannot be read: is `input.format` right?"
                ));
            }
        }
    }

    fn is_careful(&self) -> bool {
        self.task.next().iter().zip(&self.caution.until).any(|(next, until)| next < until)
    }

    /// Sends off a commit when one is due; true when it was.
    fn commit_when_due(&mut self, tools: &Tools<'_>) -> Result<bool, StateError> {
        if self.session.is_none() {
            return Ok(false);
        }
        let now = clock::now();
        if let Some(retry) = &self.retry {
            if now < retry.at || tools.polls < retry.polls {
                return Ok(false);
            }
            self.retry = None;
        }
        if self.frozen.is_none() {
            let run = tools.run;
            let is_time = self.news_since.is_some_and(|since| now >= since + run.commit_interval);
            let is_due = is_time
                || tools.wind_up
                || self.ended.is_some()
                || self.failed.is_some()
                || self.blocked.is_some()
                || self.is_careful()
                || self.task.users_waiting() >= run.commit_users_max
                || self.task.bytes_waiting() >= run.commit_bytes_max;
            if !is_due {
                return Ok(false);
            }
            self.news_since = None;
            self.frozen = self.task.freeze()?.map(Arc::new);
        }
        let Some(frozen) = self.frozen.clone() else { return Ok(false) };
        let Some(session) = self.session.take() else { return Ok(false) };
        let (partition, epoch, inbox) = (self.task.partition(), tools.epoch, tools.inbox.clone());
        let job = CommitJob { partition, epoch, session, frozen, inbox };
        // The committers live longer than any worker.
        tools.commits.send(job).expect("the committers are there");
        Ok(true)
    }

    /// Takes the answer to a commit. `Err`: the task is not ours any more.
    pub fn committed(&mut self, done: CommitDone, polls: u64) -> Result<Option<Arc<Frozen>>, String> {
        self.renewals = done.session.renewals;
        self.session = Some(done.session);
        match done.outcome {
            Outcome::Committed { .. } => {
                self.backoff = Backoff::default();
                self.tries = 0;
                if self.task.has_news() {
                    self.news_since.get_or_insert_with(clock::now);
                }
                Ok(self.frozen.take())
            }
            Outcome::Retry(failure) => {
                let wait = self.backoff.take();
                self.tries += 1;
                // Whether the partition is still ours is known after the next poll that began after this answer.
                let polls = match failure {
                    Failure::GroupFenced(_) | Failure::Fenced(_) => polls + 2,
                    Failure::Abortable(_) | Failure::Unknown(_) => 0,
                };
                self.retry = Some(Retry { at: clock::now() + wait, polls });
                Ok(None)
            }
            Outcome::Lost(reason) => Err(reason),
        }
    }

    /// Is a commit under way?
    pub fn is_committing(&self) -> bool {
        self.session.is_none()
    }

    /// Position in the changelog behind the last marker; `None` while a commit is under way or before the first.
    pub fn changelog_position(&self) -> Option<i64> {
        let session = self.session.as_ref()?;
        (self.task.transaction() > 0).then(|| session.marker_offset() + 1)
    }

    /// Must a commit be tried again?
    pub fn is_retrying(&self) -> bool {
        self.retry.is_some()
    }

    pub fn renewals(&self) -> u64 {
        self.renewals
    }
}

impl Caution {
    /// What to do next time, after a panic in a batch that began at `next`.
    fn after(&self, next: &[i64], records: &[Record<'_>]) -> Caution {
        let mut caution = self.clone();
        if let [record] = records {
            caution.refused.insert((record.source, record.offset));
        }
        caution.until = next.to_vec();
        for record in records {
            caution.until[record.source] = caution.until[record.source].max(record.offset + 1);
        }
        caution
    }
}

/// Records and bytes of the changelog in a transaction.
pub fn changelog_size(frozen: &Frozen) -> (u64, u64) {
    let state = frozen.outbox.records().filter(|record| record.destination == Destination::State);
    state.fold((0, 0), |(records, bytes), record| {
        let length = record.key.map_or(0, <[u8]>::len) + record.payload.map_or(0, <[u8]>::len);
        (records + 1, bytes + length as u64)
    })
}

/// A message as the task takes it.
pub fn record<M: Message>(source: usize, message: &M) -> Record<'_> {
    Record {
        source,
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key(),
        payload: message.payload(),
        headers: message.headers().map(headers).unwrap_or_default(),
    }
}

fn headers<H: Headers>(headers: &H) -> Vec<Header<'_>> {
    headers.iter().map(|header| (header.key, header.value)).collect()
}
