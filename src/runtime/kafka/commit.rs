//! The committers: threads that may block in a transaction while the workers go on.
//!
//! A task has at most one commit under way; its session travels with the job and comes back with the answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use super::happening::Happening;
use super::kafka_log::KafkaLog;
use super::outbox::Frozen;
use super::protocol::{Outcome, Session};
use crate::runtime::clock;

pub struct CommitJob {
    pub partition: i32,
    pub epoch: u64,
    pub session: Box<Session<KafkaLog>>,
    pub frozen: Arc<Frozen>,
    pub inbox: Sender<Happening>,
}

pub struct CommitDone {
    pub partition: i32,
    pub epoch: u64,
    pub session: Box<Session<KafkaLog>>,
    pub outcome: Outcome,
    pub took: Duration,
}

/// Works until every worker is gone.
pub fn run(jobs: &Receiver<CommitJob>) {
    for job in jobs {
        let CommitJob { partition, epoch, mut session, frozen, inbox } = job;
        let started = clock::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| session.commit(&frozen)))
            .unwrap_or_else(|_| Outcome::Lost("the commit failed (a bug: please report it)".to_owned()));
        let took = started.elapsed();
        let done = CommitDone { partition, epoch, session, outcome, took };
        // A worker that is gone needs no answer.
        drop(inbox.send(Happening::Committed(Box::new(done))));
    }
}
