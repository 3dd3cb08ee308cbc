//! Who does the work: this thread alone, or a few workers that take jobs from one queue.
//!
//! A job owns everything it needs and any worker can do it: reading a source's next block and decoding it, stepping
//! one shard through a round, or letting a group of variants pass a border. What a job yields comes back in no particular order; the sequencer puts
//! it in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::block::Block;
use super::filter::Filter;
use super::group::{Border, Group};
use super::round::Round;
use super::source::Source;
use crate::engine::Engine;
use crate::engine::decode::Decoder;
use crate::engine::enrich::{Enricher, Tables};
use crate::engine::out::Out;

pub enum Job {
    /// Read the next block of a file and decode it.
    Read {
        file: usize,
        sequence: u64,
        source: Box<Source>,
        length: usize,
    },
    /// Step some shards of every group: they share the inputs.
    Step {
        shards: Vec<Shard>,
        round: Arc<Round>,
    },
    Pass {
        index: usize,
        group: Box<Group>,
        border: Border,
    },
}

/// One shard's engines, in the groups' order.
pub struct Shard {
    pub number: usize,
    pub engines: Vec<Box<Engine>>,
}

impl Shard {
    /// Appends what each engine gives to its group's: one output a variant.
    fn step(&mut self, round: &Round, outs: &mut Vec<Vec<Out>>) {
        if outs.is_empty() {
            *outs = self.engines.iter().map(|engine| Out::of_each(engine.variants())).collect();
        }
        let batch = round.batch(self.number);
        if batch.is_empty() {
            return;
        }
        for (engine, outs) in self.engines.iter_mut().zip(outs) {
            engine.step(&batch, outs);
        }
    }
}

pub enum Done {
    /// The source after one read, so that the next can begin while this block is decoded; `None` at its end.
    Source {
        file: usize,
        source: Option<Box<Source>>,
    },
    Block(Box<Block>),
    /// The shards, and what each group's variants gave.
    Stepped {
        shards: Vec<Shard>,
        outs: Vec<Vec<Out>>,
    },
    Passed {
        index: usize,
        group: Box<Group>,
    },
    /// A worker died.
    Lost,
}

/// One thread's tools.
pub struct Worker {
    enricher: Enricher,
    decoder: Decoder,
    filter: Arc<Filter>,
}

impl Worker {
    pub fn new(tables: Arc<Tables>, decoder: Decoder, filter: Arc<Filter>) -> Worker {
        Worker { enricher: Enricher::new(tables), decoder, filter }
    }

    fn run(&mut self, job: Job, done: &mut impl FnMut(Done)) {
        match job {
            Job::Read { file, sequence, mut source, length } => {
                let raw = source.next(length).unwrap_or_default();
                done(Done::Source { file, source: (!raw.last).then_some(source) });
                let block = Block::decode(file, sequence, raw, (&self.decoder, &self.filter), &mut self.enricher);
                done(Done::Block(Box::new(block)));
            }
            Job::Step { mut shards, round } => {
                let mut outs = Vec::new();
                shards.iter_mut().for_each(|shard| shard.step(&round, &mut outs));
                done(Done::Stepped { shards, outs });
            }
            Job::Pass { index, mut group, border } => {
                group.pass(border);
                done(Done::Passed { index, group });
            }
        }
    }

    /// Works until there are no more jobs.
    pub fn work(mut self, jobs: &Receiver<Job>, done: &Sender<Done>) {
        let _guard = Guard(done);
        for job in jobs {
            // The sequencer is gone only when it failed; then nobody waits for the rest.
            self.run(job, &mut |result| drop(done.send(result)));
        }
    }
}

/// Tells the sequencer when a worker panics, so that it does not wait for ever.
struct Guard<'a>(&'a Sender<Done>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(self.0.send(Done::Lost));
        }
    }
}

pub enum Pool {
    Inline { worker: Box<Worker>, jobs: VecDeque<Job>, done: VecDeque<Done> },
    Threads { jobs: Sender<Job>, done: Receiver<Done> },
}

impl Pool {
    pub fn inline(worker: Worker) -> Pool {
        Pool::Inline { worker: Box::new(worker), jobs: VecDeque::new(), done: VecDeque::new() }
    }

    pub fn submit(&mut self, job: Job) -> anyhow::Result<()> {
        match self {
            Pool::Inline { jobs, .. } => jobs.push_back(job),
            Pool::Threads { jobs, .. } => {
                if jobs.send(job).is_err() {
                    bail!("all workers have stopped");
                }
            }
        }
        Ok(())
    }

    /// The next result; `None` when there is none within `patience` (or, inline, none to be had).
    pub fn wait(&mut self, patience: Duration) -> anyhow::Result<Option<Done>> {
        match self {
            Pool::Inline { worker, jobs, done } => {
                if done.is_empty()
                    && let Some(job) = jobs.pop_front()
                {
                    worker.run(job, &mut |result| done.push_back(result));
                }
                Ok(done.pop_front())
            }
            Pool::Threads { done, .. } => match done.recv_timeout(patience) {
                Ok(Done::Lost) => bail!("a worker thread panicked"),
                Ok(result) => Ok(Some(result)),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => bail!("all workers have stopped"),
            },
        }
    }
}
