//! The one thread that decides on order: it asks for blocks, cuts the merged stream into rounds, and writes what
//! comes of them.
//!
//! One round is stepped at a time while further blocks are decoded. At a day border of stream time the shared
//! profiles advance, when all rounds before it have contributed to them and none behind it has begun.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};

use super::SHARDS;
use super::input::Input;
use super::merge::{Merge, OPEN_FILES_MAX, Turn};
use super::output::Outputs;
use super::pool::{Done, Job, Pool, Worker};
use super::progress::Progress;
use super::risky::RiskyUsers;
use super::round::{Round, Run};
use super::settle::{Order, Settler};
use super::source::{self, Source};
use super::summary::{self, Summary};
use crate::engine::decode::{Decoded, Format, decode};
use crate::engine::enrich::Tables;
use crate::engine::out::{Detection, Out};
use crate::engine::policy::EngineConfig;
use crate::engine::profile::Profiles;
use crate::engine::signin::EventTime;
use crate::engine::watermark::StreamTime;
use crate::runtime::clock;
use crate::runtime::task::Task;

/// Bytes a block is read by, unless many files are open.
pub const BLOCK_LENGTH: usize = 1 << 20;
/// With many files open, blocks shrink down to this, so that [`OPEN_FILES_MAX`] hold no more than 16 MB of text at a
/// time. (What decompression needs comes on top: 0.1 MB a file for gzip, the window it was made with for zstd.)
const BLOCK_LENGTH_MIN: usize = 16 * 1024;
/// Files from which on blocks shrink.
const FULL_BLOCK_FILES_MAX: usize = 8;
/// Items in a round.
pub const ROUND_ITEMS_MAX: usize = 8_192;
/// A round waits for so many items while more are being read: below it, handing out shards costs more than they do.
pub const ROUND_ITEMS_MIN: usize = 2_048;
/// Read to find a file's first event.
const FIRST_LOOK_LENGTH: usize = 64 * 1024;
/// What to do when more files overlap than can be merged.
const FEWER_FILES: &str = "join them into fewer files, each sorted by time";
/// How long the sequencer waits before it looks at the interrupt and the clock.
const PATIENCE: Duration = Duration::from_millis(100);

pub struct Options {
    pub inputs: Vec<Input>,
    pub format: Format,
    pub threads: usize,
    pub engine: Arc<EngineConfig>,
    pub tables: Arc<Tables>,
    pub order: Order,
    /// [`BLOCK_LENGTH`]; another value changes nothing that is written.
    pub block_length: usize,
    /// [`ROUND_ITEMS_MAX`]; another value changes nothing that is written.
    pub round_items_max: usize,
}

/// Replays the inputs to their end, or until `interrupted`.
pub fn run(options: &Options, outputs: &mut Outputs, interrupted: &Arc<AtomicBool>) -> anyhow::Result<Summary> {
    let worker = || Worker::new(options.tables.clone(), options.format);
    if options.threads <= 1 {
        return Sequencer::new(options, Pool::inline(worker()), outputs, interrupted)?.run();
    }
    std::thread::scope(|scope| {
        let (jobs, jobs_taken) = crossbeam_channel::unbounded();
        let (done_sent, done) = crossbeam_channel::unbounded();
        for _ in 0..options.threads {
            let (jobs_taken, done_sent, worker) = (jobs_taken.clone(), done_sent.clone(), worker());
            scope.spawn(move || worker.work(&jobs_taken, &done_sent));
        }
        Sequencer::new(options, Pool::Threads { jobs, done }, outputs, interrupted)?.run()
    })
}

/// A file on its way through the readers.
enum Reading {
    Unopened,
    Idle(Box<Source>),
    Busy,
    Ended,
}

/// The round being stepped, and what its shards have given.
struct Stepping {
    round: Arc<Round>,
    outs: Vec<Out>,
}

struct Sequencer<'a> {
    options: &'a Options,
    outputs: &'a mut Outputs,
    interrupted: &'a Arc<AtomicBool>,
    pool: Pool,
    merge: Merge,
    /// For each file: where its source is, and the number of its next block.
    readings: Vec<(Reading, u64)>,
    read: Arc<AtomicU64>,
    tasks: Vec<Option<Box<Task>>>,
    profiles: Arc<Profiles>,
    stepping: Option<Stepping>,
    /// The round being filled, and what did not go into it.
    filling: Round,
    held: Option<Run>,
    position: u64,
    stream_time: StreamTime,
    /// Day of stream time for which the profiles are set.
    day: i32,
    /// When the review began that the round belongs to.
    review: EventTime,
    settler: Settler,
    risky_users: RiskyUsers,
    summary: Summary,
}

/// Can the round being filled take more?
#[derive(PartialEq, Eq)]
enum Filled {
    /// It is full, or at a day border.
    Full,
    Blocked,
    Ended,
}

impl<'a> Sequencer<'a> {
    fn new(
        options: &'a Options,
        pool: Pool,
        outputs: &'a mut Outputs,
        interrupted: &'a Arc<AtomicBool>,
    ) -> anyhow::Result<Sequencer<'a>> {
        let profiles = Arc::new(Profiles::default());
        // The limits hold for the replay as a whole.
        let shard_config = Arc::new(EngineConfig {
            hot_users_max: options.engine.hot_users_max.div_ceil(SHARDS),
            users_max: options.engine.users_max.div_ceil(SHARDS),
            ..EngineConfig::clone(&options.engine)
        });
        let task = || Some(Box::new(Task::new(shard_config.clone(), profiles.clone())));
        Ok(Sequencer {
            options,
            outputs,
            interrupted,
            pool,
            merge: Merge::new(&first_times(&options.inputs, options.format)?, OPEN_FILES_MAX),
            readings: options.inputs.iter().map(|_| (Reading::Unopened, 0)).collect(),
            read: Arc::default(),
            tasks: std::iter::repeat_with(task).take(SHARDS).collect(),
            profiles,
            stepping: None,
            filling: Round::default(),
            held: None,
            position: 0,
            stream_time: StreamTime::default(),
            day: i32::MIN,
            review: EventTime::MIN,
            settler: Settler::new(options.order, options.engine.lateness_horizon_s),
            risky_users: RiskyUsers::default(),
            summary: Summary { files: options.inputs.len() as u64, ..Summary::default() },
        })
    }

    fn run(mut self) -> anyhow::Result<Summary> {
        let started = clock::now();
        let lengths = self.options.inputs.iter().map(|input| input.length);
        let mut progress = Progress::new(lengths.sum());
        loop {
            if self.interrupted.load(Ordering::Relaxed) {
                self.summary.interrupted = true;
                break;
            }
            self.request_reads()?;
            let filled = self.fill_round()?;
            self.note_passed()?;
            let is_worth_it = self.filling.items >= ROUND_ITEMS_MIN.min(self.options.round_items_max);
            if self.stepping.is_none() && self.filling.items > 0 && (is_worth_it || filled != Filled::Blocked) {
                self.dispatch()?;
            } else if self.stepping.is_none() && filled == Filled::Ended {
                break;
            }
            if let Some(done) = self.pool.wait(PATIENCE)? {
                self.handle(done)?;
            }
            progress.show(self.read.load(Ordering::Relaxed), self.summary.records);
        }
        while self.stepping.is_some() {
            if let Some(done) = self.pool.wait(PATIENCE)? {
                self.handle(done)?;
            }
        }
        progress.finish();
        let end = self.stream_time.now();
        self.review(end, Task::tell_all)?;
        self.review(end, |task| task.review_all(end))?;
        self.write_risky_users().context("cannot write risky users")?;
        let Sequencer { settler, outputs, summary, .. } = &mut self;
        settler.finish(&mut |detection| write(outputs, summary, detection)).context("cannot write detections")?;
        outputs.flush().context("cannot write")?;
        self.finish_summary();
        self.summary.run.elapsed = started.elapsed();
        Ok(self.summary)
    }

    fn finish_summary(&mut self) {
        let named = |file: usize| self.options.inputs[file].name.clone();
        let disorder = self.merge.disorder().iter().filter(|(_, disorder)| disorder.items > 0);
        self.summary.disorder = disorder.map(|(file, disorder)| (named(*file), *disorder)).collect();
        self.summary.far_ahead = self.stream_time.far_ahead();
        self.summary.written_early = self.settler.early;
        self.summary.run.bytes = self.read.load(Ordering::Relaxed);
        self.summary.run.threads = self.options.threads;
        self.summary.run.memory_peak_bytes = summary::memory_peak_bytes();
    }

    /// Asks for the next block of every file the merge wants and whose source is free.
    fn request_reads(&mut self) -> anyhow::Result<()> {
        let joined = self.merge.joined_count();
        let ahead = if self.options.threads > 1 && joined <= 2 { 2 * self.options.threads as u64 + 2 } else { 1 };
        let shrunk = self.options.block_length * FULL_BLOCK_FILES_MAX / joined.max(FULL_BLOCK_FILES_MAX);
        let length = shrunk.max(BLOCK_LENGTH_MIN.min(self.options.block_length));
        let wanted: Vec<(usize, u64)> = self.merge.wanted().collect();
        for (file, current) in wanted {
            let (reading, sequence) = &mut self.readings[file];
            if *sequence >= current + ahead {
                continue;
            }
            let source = match std::mem::replace(reading, Reading::Busy) {
                Reading::Idle(source) => source,
                Reading::Unopened => {
                    let input = &self.options.inputs[file];
                    let opened = input.open(&self.read, self.interrupted).map_err(|error| {
                        let told = cannot_open(input, &error, joined);
                        anyhow::Error::new(error).context(told)
                    });
                    Box::new(opened?)
                }
                other => {
                    *reading = other;
                    continue;
                }
            };
            self.pool.submit(Job::Read { file, sequence: *sequence, source, length })?;
            *sequence += 1;
        }
        Ok(())
    }

    /// Moves runs from the merge into the round until it is full or there is no more for now.
    fn fill_round(&mut self) -> anyhow::Result<Filled> {
        while self.filling.items < self.options.round_items_max {
            let mut run = match self.held.take() {
                Some(run) => run,
                None => match self.merge.take_turn() {
                    Turn::Run(run) => run,
                    Turn::Blocked => return Ok(Filled::Blocked),
                    Turn::TooManyOverlap(count) => bail!(too_many_overlap(count)),
                    Turn::Ended => return Ok(Filled::Ended),
                },
            };
            let mut stream_times = self.observe(&run);
            if stream_times.is_empty() && self.filling.items == 0 && self.stepping.is_none() {
                self.begin(&run)?;
                stream_times = self.observe(&run);
            }
            let count = stream_times.len();
            if count == 0 {
                self.held = Some(run);
                return Ok(Filled::Full);
            }
            self.held = run.split(count);
            self.filling.push(run, self.position, stream_times);
            self.position += count as u64;
        }
        Ok(Filled::Full)
    }

    /// Stream time at each item of the run, as far as the round has room and the day goes.
    fn observe(&mut self, run: &Run) -> Vec<EventTime> {
        let room = self.options.round_items_max - self.filling.items;
        let mut stream_times = Vec::with_capacity(room.min(run.range.len()));
        for (time, user) in run.clocks().take(room) {
            let mut next = self.stream_time;
            let now = next.observe(time, user);
            if next.day() > self.day || self.review_of(next) > self.review {
                break;
            }
            self.stream_time = next;
            stream_times.push(now);
        }
        stream_times
    }

    /// When the review began that a stream time belongs to; none does while it may still fall back.
    fn review_of(&self, stream_time: StreamTime) -> EventTime {
        match stream_time.day() {
            i32::MIN => EventTime::MIN,
            _ => self.options.engine.review_at(stream_time.now()),
        }
    }

    /// The run's first item begins a review, and perhaps a day.
    fn begin(&mut self, run: &Run) -> anyhow::Result<()> {
        let mut next = self.stream_time;
        for (time, user) in run.clocks().take(1) {
            next.observe(time, user);
        }
        let review = self.review_of(next);
        if review > self.review {
            self.review_until(review)?;
        }
        if next.day() > self.day {
            self.begin_day(next);
        }
        Ok(())
    }

    /// Reviews one after the other, as if an item had come in each: where a stream leaps over some must not show.
    fn review_until(&mut self, last: EventTime) -> anyhow::Result<()> {
        let engine = self.options.engine.clone();
        while self.review < last {
            let oldest_waiting = self.tasks.iter().flatten().filter_map(|task| task.oldest_waiting()).min();
            self.review = match (self.review, oldest_waiting) {
                (EventTime::MIN, _) => engine.first_review(oldest_waiting, last),
                (_, None) => last,
                (before, Some(_)) => before.plus_seconds(engine.review_every_s.into()).min(last),
            };
            let review = self.review;
            self.review(review, |task| task.tell(review))?;
            self.review(review, |task| task.review(review))?;
        }
        Ok(())
    }

    /// Lets every task review, and takes over what comes of it at once: nobody steps meanwhile.
    fn review(&mut self, at: EventTime, review: impl Fn(&mut Task) -> Out) -> anyhow::Result<()> {
        let outs: Vec<Out> = self.tasks.iter_mut().flatten().map(|task| review(task)).collect();
        let Sequencer { settler, outputs, summary, profiles, risky_users, .. } = self;
        let mut detections = Vec::new();
        for out in outs {
            summary.counts.add(&out.counts);
            profiles.attempts().contribute(&out.attempts);
            risky_users.take(out.risky_users);
            detections.extend(out.detections);
        }
        let mut write = |detection: &Detection| write(outputs, summary, detection);
        settler.release(at, &mut write).context("cannot write detections")?;
        for detection in detections {
            settler.take(detection, at, &mut write).context("cannot write detections")?;
        }
        Ok(())
    }

    /// Every user settles, what settled contributes, and only then do the profiles advance: so all that a sign-in of the
    /// new day sees is complete.
    fn begin_day(&mut self, next: StreamTime) {
        for task in self.tasks.iter_mut().flatten() {
            let out = task.settle(next.now());
            self.summary.counts.add(&out.counts);
            self.profiles.contribute(&out.contributions);
            self.risky_users.take(out.risky_users);
        }
        self.day = next.day();
        self.profiles.advance(self.day);
    }

    /// Counts the blocks that the stream has passed and writes their rejects.
    fn note_passed(&mut self) -> anyhow::Result<()> {
        for passed in self.merge.take_passed() {
            let (block, entries) = (&passed.block, passed.block.entries());
            let name = &self.options.inputs[block.file].name;
            for note in &entries.notes[passed.notes] {
                *self.summary.rejects.entry(note.rejected.reject.reason).or_default() += 1;
                self.outputs.reject(name, block, &note.rejected).context("cannot write rejects")?;
            }
            if passed.whole {
                self.summary.records += entries.records;
                self.summary.items += entries.items.len() as u64;
                for (reason, count) in &entries.skipped {
                    *self.summary.skipped.entry(*reason).or_default() += count;
                }
                if let Some(error) = &block.raw().error {
                    self.summary.broken.push((name.clone(), error.to_string()));
                }
            }
        }
        Ok(())
    }

    fn dispatch(&mut self) -> anyhow::Result<()> {
        let round = Arc::new(std::mem::take(&mut self.filling));
        for (shard, task) in self.tasks.iter_mut().enumerate() {
            if let Some(task) = task.take() {
                self.pool.submit(Job::Step { shard, task, round: round.clone() })?;
            }
        }
        self.stepping = Some(Stepping { round, outs: Vec::with_capacity(SHARDS) });
        Ok(())
    }

    fn handle(&mut self, done: Done) -> anyhow::Result<()> {
        match done {
            Done::Source { file, source } => self.readings[file].0 = source.map_or(Reading::Ended, Reading::Idle),
            Done::Block(block) => self.merge.supply(Arc::from(block)),
            Done::Stepped { shard, task, out } => {
                self.tasks[shard] = Some(task);
                if let Some(stepping) = &mut self.stepping {
                    stepping.outs.push(*out);
                    if stepping.outs.len() == SHARDS {
                        self.finish_round()?;
                    }
                }
            }
            Done::Lost => {}
        }
        Ok(())
    }

    /// At the end: risk that would be of age at the last stream time is, whether a day began since or not.
    fn write_risky_users(&mut self) -> io::Result<()> {
        for task in self.tasks.iter_mut().flatten() {
            self.risky_users.take(task.settle(self.stream_time.now()).risky_users);
        }
        self.risky_users.in_order().try_for_each(|user| self.outputs.risky_user(user))
    }

    /// Takes over what the shards gave, in the order of the items that caused it.
    fn finish_round(&mut self) -> anyhow::Result<()> {
        let Some(Stepping { round, outs }) = self.stepping.take() else { return Ok(()) };
        let mut detections = Vec::new();
        for out in outs {
            self.summary.counts.add(&out.counts);
            self.profiles.contribute(&out.contributions);
            self.profiles.attempts().contribute(&out.attempts);
            detections.extend(out.detections);
            // A user is in one shard: his versions stay in their order.
            self.risky_users.take(out.risky_users);
        }
        // Stable: what one item caused comes from one shard, and stays in its order.
        detections.sort_by_key(|detection: &Detection| detection.position);
        let Sequencer { settler, outputs, summary, .. } = self;
        let mut write = |detection: &Detection| write(outputs, summary, detection);
        for detection in detections {
            let stream_time = round.stream_time(detection.position);
            settler.take(detection, stream_time, &mut write).context("cannot write detections")?;
        }
        settler.release(round.newest(), &mut write).context("cannot write detections")
    }
}

fn write(outputs: &mut Outputs, summary: &mut Summary, detection: &Detection) -> io::Result<()> {
    *(if detection.is_update { &mut summary.written_updates } else { &mut summary.written }) += 1;
    outputs.detection(detection)
}

/// Why files cannot be merged.
pub(super) fn too_many_overlap(count: usize) -> String {
    format!("{count} files overlap in time, and at most {OPEN_FILES_MAX} can be merged; {FEWER_FILES}")
}

/// Why a file that the merge has come to cannot be opened, with this many open.
pub(super) fn cannot_open(input: &Input, error: &io::Error, joined: usize) -> String {
    let name = &input.name;
    // What unix calls EMFILE and ENFILE; the standard library has no name for them.
    if cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24)) {
        return format!(
            "cannot open `{name}` beside {joined} files that overlap in time with it: the system allows no more; \
             {FEWER_FILES}, or raise the limit (`ulimit -n`)"
        );
    }
    format!("cannot read `{name}`")
}

/// The first event time of every file, as far as a look at its beginning tells. Not needed for a single file, and
/// not to be had of a pipe.
pub(super) fn first_times(inputs: &[Input], format: Format) -> anyhow::Result<Vec<EventTime>> {
    let single = inputs.len() == 1;
    let first = |input: &Input| {
        if single || input.length.is_none() {
            return Ok(EventTime::MIN);
        }
        let source = source::open(&input.path, Arc::default());
        let mut source = source.with_context(|| format!("cannot read `{}`", input.name))?;
        Ok(first_time(&mut source, format))
    };
    inputs.iter().map(first).collect()
}

fn first_time(source: &mut Source, format: Format) -> EventTime {
    let Some(block) = source.next(FIRST_LOOK_LENGTH) else { return EventTime::MIN };
    let mut found = None;
    for frame in &block.frames {
        decode(format, &block.bytes[frame.start..frame.end], &mut |decoded| match decoded {
            Ok(Decoded::SignIn(sign_in)) => found = found.or(Some(sign_in.event_time)),
            Ok(Decoded::Feedback(feedback)) => found = found.or(Some(feedback.event_time)),
            Ok(Decoded::UpstreamFinding(finding)) => found = found.or(Some(finding.event_time)),
            _ => {}
        });
        if let Some(time) = found {
            return time;
        }
    }
    EventTime::MIN
}
