//! `farsign run`: threads, and how they begin and end.
//!
//! ```text
//! group (1) ──▶ workers (W) ──▶ restorers, committers (block for Kafka)      profiles (1)   http (1)   reload (1)
//! repartition (1) ──▶ lanes (one an input partition), when the input is not keyed by user
//! ```
//! Ending is orderly: the group thread leaves the group, which closes every task after a last commit; then everything
//! else ends. When that takes longer than the grace allows the process ends at once, which is safe at any moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rdkafka::consumer::Consumer as _;

use super::commit;
use super::group::{Group, GroupConsumer, GroupContext};
use super::happening::{Board, Happening};
use super::judging::Judgings;
use super::kafka_log::{self, Reader};
use super::monitor::Monitor;
use super::names::Names;
use super::open::Restorer;
use super::profiles::{self, ProfilesThread};
use super::repartition::Stage;
use super::shared::SharedProfiles;
use super::snapshot::Snapshot;
use super::worker::{Setup, Worker};
use crate::config::Config;
use crate::engine::profile::Profiles;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::runtime::clock::Deadline;

/// A thread that does not move for this long is dead.
pub(super) const BEAT_MAX: Duration = Duration::from_secs(60);
/// A revocation waits no longer for the tasks' last commits.
pub(super) const CLOSE_MAX: Duration = Duration::from_secs(5);
/// Commits at a time. A commit mostly waits for the brokers, and a task waits for its last one: with few committers the
/// tasks of a process would wait for each other. Each also holds a transaction's records in its producer's queue.
const COMMITTERS: usize = 16;
/// What readiness waits for until the group has taken this member in.
pub const GROUP: &str = "group";
/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Everything `farsign run` has made before it begins.
pub struct Parts {
    pub config: Config,
    pub names: Arc<Names>,
    pub judging: Arc<Judgings>,
    pub metrics: Metrics,
    pub health: Arc<Health>,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Asked,
    /// Something that only people can mend.
    Fatal(String),
    /// Tasks could not be closed in time; what they had not committed is read again by whoever is next.
    Hard,
}

/// Runs until `stop` is set or nothing can go on. Readiness has to be blocked by [`GROUP`] before.
pub fn run(parts: &Parts, stop: &AtomicBool) -> anyhow::Result<End> {
    let running = Running::start(parts)?;
    let mut was_told = false;
    let end = loop {
        if was_told {
            // The workers have heard of it meanwhile, and say themselves which tasks are not ready.
            parts.health.clear(GROUP);
        }
        was_told = running.is_told();
        if stop.load(Ordering::Acquire) {
            break End::Asked;
        }
        if let Some(reason) = running.fatal() {
            break End::Fatal(reason);
        }
        if running.has_lost_a_thread() {
            break End::Fatal("a thread died (a bug: please report it with the log)".to_owned());
        }
        std::thread::sleep(LOOK);
    };
    tracing::info!("ending: committing and closing every task");
    let grace = parts.config.run.shutdown_grace;
    Ok(if running.end(grace) { end } else { End::Hard })
}

struct Running {
    board: Arc<Board>,
    /// Dropped to end the group thread.
    group_stop: Sender<()>,
    group: JoinHandle<()>,
    workers: Vec<(Sender<Happening>, JoinHandle<()>)>,
    profiles_stop: Arc<AtomicBool>,
    profiles: JoinHandle<()>,
    snapshots: JoinHandle<()>,
    /// The group thread's; only looked at here.
    member: Weak<GroupConsumer>,
    /// When the input is not keyed by user.
    stage: Option<Stage>,
}

impl Running {
    fn start(parts: &Parts) -> anyhow::Result<Running> {
        let count = parts
            .config
            .run
            .workers
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let board = Arc::new(Board::default());
        let shared = Arc::new(SharedProfiles::new(Profiles::default()));
        let inboxes: Vec<(Sender<Happening>, Receiver<Happening>)> = (0..count).map(|_| unbounded()).collect();
        let group = group_consumer(parts, inboxes.iter().map(|(sent, _)| sent.clone()).collect())?;
        let (profiles, profiles_stop) = start_profiles(parts, &shared)?;
        let (opens, open_jobs) = unbounded();
        let (commits, commit_jobs) = unbounded();
        for number in 0..parts.config.run.restores_max.min(count * 2) {
            let restorer = Restorer {
                names: parts.names.clone(),
                shared: shared.clone(),
                group: group.clone(),
                start: parts.config.input.start,
                on_data_loss: parts.config.input.on_data_loss,
                metrics: parts.metrics.clone(),
            };
            let jobs = open_jobs.clone();
            spawn(&format!("restorer {number}"), move || restorer.run(&jobs))?;
        }
        for number in 0..COMMITTERS {
            let jobs = commit_jobs.clone();
            spawn(&format!("committer {number}"), move || commit::run(&jobs))?;
        }
        let (snapshots, snapshot_jobs) = bounded(1);
        let names = parts.names.clone();
        let snapshot_thread = spawn("snapshots", move || write_snapshots(&names, &snapshot_jobs))?;
        let monitor = Monitor {
            names: parts.names.clone(),
            board: board.clone(),
            inboxes: inboxes.iter().map(|(sent, _)| sent.clone()).collect(),
            stop: profiles_stop.clone(),
        };
        spawn("monitor", move || monitor.run())?;
        let mut workers = Vec::new();
        for (number, (inbox_sent, inbox)) in inboxes.into_iter().enumerate() {
            let name = format!("worker {number}");
            let queues = parts.names.sources.len() * usize::try_from(parts.names.partitions).unwrap_or(1);
            let reader: Reader = kafka_log::standing_reader(&parts.names, "reader", queues)
                .context("cannot make a Kafka client")?;
            let (ring_sent, ring) = bounded(1);
            let worker = Setup {
                names: parts.names.clone(),
                run: parts.config.run.clone(),
                reader: Arc::new(reader),
                judging: parts.judging.clone(),
                board: board.clone(),
                metrics: parts.metrics.clone(),
                health: parts.health.clone(),
                beat: parts.health.watch(&name, BEAT_MAX),
                opens: opens.clone(),
                commits: commits.clone(),
                snapshots: snapshots.clone(),
                inbox_sent: inbox_sent.clone(),
                inbox,
                ring_sent,
                ring,
            };
            workers.push((inbox_sent, spawn(&name, move || Worker::new(worker).run())?));
        }
        let looked_at = Arc::downgrade(&group);
        let (group_stop, stop) = bounded(0);
        let member = Group {
            consumer: group,
            board: board.clone(),
            beat: parts.health.watch("group", BEAT_MAX),
            stop,
            grace: parts.config.run.shutdown_grace,
        };
        let group = spawn("group", move || member.run())?;
        let stage = (!parts.config.input.keyed).then(|| Stage::start(parts)).transpose()?;
        let snapshots = snapshot_thread;
        Ok(Running {
            board,
            group_stop,
            group,
            workers,
            profiles_stop,
            profiles,
            snapshots,
            member: looked_at,
            stage,
        })
    }

    fn fatal(&self) -> Option<String> {
        self.board.fatal().or_else(|| self.stage.as_ref().and_then(Stage::fatal))
    }

    /// Has the group said what is ours? Until then nothing would be read, whatever the tasks look like.
    fn is_told(&self) -> bool {
        self.member.upgrade().is_some_and(|consumer| consumer.context().is_told())
    }

    /// None of them ends before it is told to.
    fn has_lost_a_thread(&self) -> bool {
        let mut workers = self.workers.iter().map(|(_, thread)| thread);
        self.group.is_finished() || self.profiles.is_finished() || workers.any(JoinHandle::is_finished)
    }

    /// Ends every thread in order; false when the time did not suffice.
    fn end(self, grace: Duration) -> bool {
        let deadline = Deadline::after(grace);
        drop(self.group_stop);
        let is_staged = self.stage.is_none_or(|stage| stage.end(deadline));
        let is_left = wait(&[&self.group], deadline);
        for (inbox, _) in &self.workers {
            drop(inbox.send(Happening::Stop));
        }
        let workers: Vec<&JoinHandle<()>> = self.workers.iter().map(|(_, thread)| thread).collect();
        let are_closed = wait(&workers, deadline);
        self.profiles_stop.store(true, Ordering::Release);
        let is_read = wait(&[&self.profiles, &self.snapshots], deadline);
        is_staged && is_left && are_closed && is_read
    }
}

/// Writes what workers hand over until all of them are gone.
fn write_snapshots(names: &Names, jobs: &Receiver<Snapshot>) {
    let Some(folder) = &names.snapshots else { return };
    for snapshot in jobs {
        let (partition, entries) = (snapshot.head.partition, snapshot.entries.len());
        match folder.write(&snapshot) {
            Ok(bytes) => tracing::debug!(partition, entries, bytes, "snapshot written"),
            // The changelog has everything; only the next start is slower.
            Err(error) => tracing::warn!(partition, %error, "cannot write a snapshot"),
        }
    }
}

pub(super) fn wait(threads: &[&JoinHandle<()>], deadline: Deadline) -> bool {
    while !deadline.is_over() {
        if threads.iter().all(|thread| thread.is_finished()) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    threads.iter().all(|thread| thread.is_finished())
}

pub(super) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(body).with_context(|| format!("cannot start the thread `{name}`"))
}

fn group_consumer(parts: &Parts, inboxes: Vec<Sender<Happening>>) -> anyhow::Result<Arc<GroupConsumer>> {
    let connection = &parts.names.connection;
    let close_max = (parts.config.kafka.session_timeout / 3).min(CLOSE_MAX);
    let context =
        GroupContext::new(connection.context("group"), Box::new(inboxes), close_max, parts.metrics.clone());
    let context = context.with_partitions(parts.names.partitions);
    let consumer: GroupConsumer =
        connection.group_consumer().create_with_context(context).context("cannot make a Kafka client")?;
    let lead = parts.names.lead();
    consumer.subscribe(&[lead]).with_context(|| format!("cannot subscribe to `{lead}`"))?;
    Ok(Arc::new(consumer))
}

fn start_profiles(
    parts: &Parts,
    shared: &Arc<SharedProfiles>,
) -> anyhow::Result<(JoinHandle<()>, Arc<AtomicBool>)> {
    parts.health.block(profiles::SUBJECT, "being read");
    let stop = Arc::new(AtomicBool::new(false));
    let thread = ProfilesThread {
        names: parts.names.clone(),
        shared: shared.clone(),
        metrics: parts.metrics.clone(),
        health: parts.health.clone(),
        beat: parts.health.watch("profiles", BEAT_MAX),
        wait_max: parts.config.run.profiles_wait_max,
        stop: stop.clone(),
    };
    Ok((spawn("profiles", move || thread.run())?, stop))
}
