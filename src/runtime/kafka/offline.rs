//! Topics read once, from a start to an end, with the tasks of a live run and without its protocol: what a live run that
//! began there would have written.
//!
//! Tasks go on *from border to border*: each takes records until the next one begins a review or a day of stream time that
//! others have not reached, or until its input is at its end; when all have stopped, the earliest that is waited for may
//! begin: a review with what all have told, or a day with the organisation's profiles advanced to it. Between two borders
//! no task sees anything of another, so what comes out does not depend on threads or arrival. It is written day by day,
//! within a day by task, within a task in order. Live, a task may be ahead of others; what is said in the end is the same.
//! No group is joined, nothing is written to Kafka.

mod feed;
mod merge;
mod share;

use std::collections::BTreeMap;
use std::io::{self, Seek as _, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use tempfile::SpooledTempFile;

pub use merge::Held;

use super::counts::TaskCounts;
use super::names::Names;
use super::outbox::{Destination, OutRecord};
use super::partition::{PartitionTask, Stop, TaskSettings};
use super::record::Source;
use super::scan::{Part, ScanError};
use super::shared::SharedProfiles;
use crate::engine::enrich::Tables;
use crate::engine::profile::Profiles;
use crate::metrics::BatchCounts;
use crate::runtime::replay::summary::{Judged, Summary};
use share::Share;

/// Bytes of one task's lines of a day that are kept in memory; more goes to a file.
const SPOOL_BYTES_MAX: usize = 1 << 20;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
    /// Where a live run would have stopped, too.
    #[error("{}", told(.0))]
    Stopped(Stop),
    #[error("a thread of the replay failed (a bug: please report it)")]
    Thread,
}

fn told(stop: &Stop) -> String {
    match stop {
        Stop::Refused(reason) => format!("{reason} (`input.on_error: stop`)"),
        Stop::Breaker { refused, records } => {
            format!("{refused} of the last {records} records cannot be read: is `input.format` right?")
        }
        Stop::Day(day) => format!("day {day} cannot begin"),
        Stop::Review(minute) => format!("the review at minute {minute} cannot begin"),
    }
}

/// What to read and how.
pub struct Offline {
    pub names: Arc<Names>,
    pub settings: Arc<TaskSettings>,
    pub tables: Arc<Tables>,
    /// What is read: tasks' sources when the input is keyed by user, else what goes through the repartition stage.
    pub entrances: Arc<[Source]>,
    pub is_keyed: bool,
    /// Each with the index of its source among the entrances.
    pub parts: Vec<(usize, Part)>,
    pub threads: usize,
}

/// Where lines go.
pub struct Sinks<'a> {
    pub detections: &'a mut dyn Write,
    pub shadow_detections: Option<&'a mut dyn Write>,
    pub rejects: Option<&'a mut dyn Write>,
}

/// The newest line of each user's risk, by the record's key.
pub type RiskyLines = BTreeMap<Vec<u8>, Vec<u8>>;

/// What was read so far, of all threads.
#[derive(Default)]
pub struct Progress {
    pub records: AtomicU64,
    pub bytes: AtomicU64,
}

/// What one task, or the relays, give in one day.
#[derive(Default)]
pub struct Given {
    detections: Option<SpooledTempFile>,
    /// There are none unless they are asked for.
    shadow_detections: Option<SpooledTempFile>,
    rejects: Option<SpooledTempFile>,
    risky: RiskyLines,
}

/// Takes what tasks write.
pub struct Outlet {
    progress: Arc<Progress>,
    given: Given,
    summary: Summary,
    /// Are rejects asked for?
    has_rejects: bool,
}

impl Outlet {
    fn saw(&self, bytes: usize) {
        self.progress.records.fetch_add(1, Ordering::Relaxed);
        self.progress.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn count(&mut self, counts: &TaskCounts) {
        let [written, written_updates] = counts.batch.detections();
        self.summary.judged.add(&Judged {
            counts: counts.engine.clone(),
            written,
            written_updates,
            written_early: 0,
            written_shadow: counts
                .batch
                .shadow_detections()
                .map(|(policy, count)| (policy.to_owned(), count))
                .collect(),
        });
        count(&mut self.summary, &counts.batch);
    }

    /// Counts what relays did with records before any task sees them.
    fn count_relayed(&mut self, counts: &BatchCounts) {
        count(&mut self.summary, counts);
    }

    fn write(&mut self, record: &OutRecord<'_>) -> Result<(), OfflineError> {
        let payload = record.payload.unwrap_or_default();
        match record.destination {
            Destination::RiskDetections => line(&mut self.given.detections, payload)?,
            Destination::ShadowDetections => line(&mut self.given.shadow_detections, payload)?,
            Destination::RiskyUsers => {
                self.given.risky.insert(record.key.unwrap_or_default().to_vec(), payload.to_vec());
            }
            Destination::DeadLetter if self.has_rejects => {
                line(&mut self.given.rejects, reject(record).as_bytes())?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn line(spool: &mut Option<SpooledTempFile>, bytes: &[u8]) -> io::Result<()> {
    let spool = spool.get_or_insert_with(|| SpooledTempFile::new(SPOOL_BYTES_MAX));
    spool.write_all(bytes)?;
    spool.write_all(b"\n")
}

/// A dead letter as a line of rejects.
fn reject(record: &OutRecord<'_>) -> String {
    super::letter::reject(record.headers, record.payload).to_string()
}

/// Adds what was decoded to the summary.
fn count(summary: &mut Summary, counts: &BatchCounts) {
    for (reason, more) in counts.skips() {
        *summary.skipped.entry(reason).or_default() += more;
    }
    for (reason, more) in counts.rejects() {
        *summary.rejects.entry(reason).or_default() += more;
    }
    summary.refused_records += counts.refused_records();
}

/// What a share is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Go {
    /// Go on as far as you may; who is at the end of its input follows others to the border, a minute.
    On(Option<i32>),
    /// Give what came of it.
    Give,
    /// All inputs are at their end: tell each other what is left.
    Tell,
    /// Judge what waited for more.
    Finish,
}

/// What a task waits for: the earlier one is the smaller.
#[derive(Clone, Copy, Debug)]
enum Want {
    Day(i32),
    /// The border's minute.
    Review(i32),
}

impl Want {
    /// A review comes before the day that it belongs to.
    fn place(self) -> (i64, bool) {
        match self {
            Want::Day(day) => (i64::from(day) * 24 * 60, true),
            Want::Review(minute) => (i64::from(minute), false),
        }
    }
}

/// What a share says when it can go no further.
#[derive(Default)]
struct Stopped {
    /// By task.
    given: Vec<(i32, Given)>,
    /// The earliest that one of its tasks waits for.
    wants: Option<Want>,
    /// The furthest border that one of its tasks has come to, a minute.
    come: Option<i32>,
    /// Is one of its tasks at the end of its input?
    has_followers: bool,
}

type Answer = Result<Stopped, OfflineError>;

/// Reads all and writes what comes of it. `show` is called now and then with bytes and records read so far.
pub fn run(
    offline: &Offline,
    sinks: &mut Sinks<'_>,
    interrupted: &Arc<AtomicBool>,
    show: &mut dyn FnMut(u64, u64),
) -> Result<(Summary, RiskyLines), OfflineError> {
    let shared = Arc::new(SharedProfiles::new(Profiles::default()));
    let progress = Arc::new(Progress::default());
    let count =
        if offline.is_keyed { offline.threads.clamp(1, offline.names.partitions.max(1) as usize) } else { 1 };
    std::thread::scope(|scope| {
        let (answers_sent, answers) = unbounded();
        let mut shares = Vec::new();
        for number in 0..count {
            let (go, gone) = unbounded::<Go>();
            let (sent, shared, progress) = (answers_sent.clone(), shared.clone(), progress.clone());
            let has_rejects = sinks.rejects.is_some();
            let thread = scope.spawn(move || {
                let share = Share::open(offline, (number, count), shared, progress, has_rejects, interrupted);
                work(share, &gone, &sent)
            });
            shares.push((go, thread));
        }
        drop(answers_sent);
        let mut risky = RiskyLines::new();
        let mut summary = Summary::default();
        let result = days(
            &shares.iter().map(|(go, _)| go.clone()).collect::<Vec<_>>(),
            &answers,
            &shared,
            |given| deliver(given, sinks, &mut risky),
            &mut || {
                show(progress.bytes.load(Ordering::Relaxed), progress.records.load(Ordering::Relaxed));
            },
            interrupted,
        );
        let parts: Vec<_> = shares
            .into_iter()
            .map(|(go, thread)| {
                drop(go);
                thread.join()
            })
            .collect();
        result?;
        for part in parts {
            add(&mut summary, &part.map_err(|_| OfflineError::Thread)?);
        }
        summary.interrupted = interrupted.load(Ordering::Relaxed);
        summary.records = progress.records.load(Ordering::Relaxed);
        summary.run.bytes = progress.bytes.load(Ordering::Relaxed);
        summary.run.threads = count;
        summary.partitions = Some(offline.parts.len() as u64);
        Ok((summary, risky))
    })
}

/// One thread: goes on whenever it is told to, until it is told no more.
fn work(share: Result<Share<'_>, OfflineError>, gone: &Receiver<Go>, answers: &Sender<Answer>) -> Summary {
    let mut share = match share {
        Ok(share) => share,
        Err(error) => {
            drop(answers.send(Err(error)));
            return Summary::default();
        }
    };
    for go in gone {
        let go = || match go {
            Go::On(come) => share.go_on(come),
            Go::Give => Ok(share.give()),
            Go::Tell => share.each(PartitionTask::tell),
            Go::Finish => share.each(PartitionTask::finish),
        };
        let answer = catch_unwind(AssertUnwindSafe(go)).unwrap_or(Err(OfflineError::Thread));
        if answers.send(answer).is_err() {
            break;
        }
    }
    share.summary()
}

/// Border after border and day after day, until no task waits for another.
fn days(
    shares: &[Sender<Go>],
    answers: &Receiver<Answer>,
    shared: &SharedProfiles,
    mut deliver: impl FnMut(Vec<(i32, Given)>) -> Result<(), OfflineError>,
    show: &mut dyn FnMut(),
    interrupted: &AtomicBool,
) -> Result<(), OfflineError> {
    let mut come = None;
    loop {
        let stopped = round(shares, answers, Go::On(come), show)?;
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
        // Who is at the end has to come as far as the others before any goes on.
        if stopped.has_followers && stopped.come > come {
            come = stopped.come;
            continue;
        }
        match stopped.wants {
            Some(Want::Review(minute)) => shared.open_reviews(minute),
            Some(Want::Day(day)) => {
                deliver(round(shares, answers, Go::Give, show)?.given)?;
                shared.advance(day);
            }
            None => {
                round(shares, answers, Go::Tell, show)?;
                round(shares, answers, Go::Finish, show)?;
                break;
            }
        }
    }
    deliver(round(shares, answers, Go::Give, show)?.given)
}

/// Tells every share to go, and waits for what they give, in the order of tasks.
fn round(shares: &[Sender<Go>], answers: &Receiver<Answer>, go: Go, show: &mut dyn FnMut()) -> Answer {
    for share in shares {
        // A share that has failed has said why.
        share.send(go).ok();
    }
    let mut all = Stopped::default();
    let mut waiting = shares.len();
    while waiting > 0 {
        match answers.recv_timeout(TELL_EVERY) {
            Ok(answer) => {
                let stopped = answer?;
                all.given.extend(stopped.given);
                all.wants = all.wants.into_iter().chain(stopped.wants).min_by_key(|want| want.place());
                all.come = all.come.max(stopped.come);
                all.has_followers |= stopped.has_followers;
                waiting -= 1;
            }
            Err(RecvTimeoutError::Timeout) => show(),
            Err(RecvTimeoutError::Disconnected) => return Err(OfflineError::Thread),
        }
    }
    all.given.sort_by_key(|(task, _)| *task);
    Ok(all)
}

/// Writes what one day gave.
fn deliver(given: Vec<(i32, Given)>, sinks: &mut Sinks<'_>, risky: &mut RiskyLines) -> Result<(), OfflineError> {
    for (_, given) in given {
        let Given { detections, shadow_detections, rejects, risky: newer } = given;
        copy(detections, sinks.detections)?;
        if let Some(into) = &mut sinks.shadow_detections {
            copy(shadow_detections, *into)?;
        }
        if let Some(into) = &mut sinks.rejects {
            copy(rejects, *into)?;
        }
        risky.extend(newer);
    }
    Ok(())
}

fn copy(spool: Option<SpooledTempFile>, into: &mut dyn Write) -> io::Result<()> {
    let Some(mut spool) = spool else { return Ok(()) };
    spool.rewind()?;
    io::copy(&mut spool, into)?;
    Ok(())
}

/// What threads counted besides.
fn add(summary: &mut Summary, part: &Summary) {
    summary.items += part.items;
    summary.far_ahead += part.far_ahead;
    summary.refused_records += part.refused_records;
    summary.judged.add(&part.judged);
    for (reason, more) in &part.skipped {
        *summary.skipped.entry(*reason).or_default() += more;
    }
    for (reason, more) in &part.rejects {
        *summary.rejects.entry(*reason).or_default() += more;
    }
}
