//! The one thread that decides on order: it asks for blocks, cuts the merged stream into rounds, and writes what
//! comes of them.
//!
//! One round is stepped at a time while further blocks are decoded, by every [`Group`] of variants. At a border of stream
//! time, of a day or a review, the groups do what it asks for, when all rounds before it have been stepped and none behind it
//! has begun.

mod going_on;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};

use super::SHARDS;
use super::checkpoint::{Counted, Due, Identity};
use super::filter::Filter;
use super::first::first_times;
use super::group::{Border, Group, grouped};
use super::input::Input;
use super::merge::{Merge, OPEN_FILES_MAX, Reached, Turn};
use super::output::Sink;
use super::pool::{Done, Job, Pool, Shard, Worker};
use super::progress::Progress;
use super::round::{Round, Run};
use super::settle::Order;
use super::sought::passed_over;
use super::source::Source;
use super::state::StateFiles;
use super::summary::{self, Judged, Summary};
use super::watch::{Wanted, Watch};
use crate::engine::decode::Decoder;
use crate::engine::enrich::Tables;
use crate::engine::policy::EngineConfig;
use crate::engine::signin::EventTime;
use crate::engine::watermark::StreamTime;
use crate::runtime::clock;

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
/// Items, times variants, that a job steps at least where a round is handed out to several.
const ITEMS_A_JOB_MIN: usize = 256;
/// What to do when more files overlap than can be merged.
const FEWER_FILES: &str = "join them into fewer files, each sorted by time";
/// How long the sequencer waits before it looks at the interrupt and the clock.
const PATIENCE: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub struct Options {
    pub inputs: Vec<Input>,
    pub decoder: Decoder,
    pub filter: Arc<Filter>,
    pub threads: usize,
    pub engine: Arc<EngineConfig>,
    pub tables: Arc<Tables>,
    pub order: Order,
    pub state: StateFiles,
    /// [`BLOCK_LENGTH`]; another value changes nothing that is written.
    pub block_length: usize,
    /// [`ROUND_ITEMS_MAX`]; another value changes nothing that is written.
    pub round_items_max: usize,
}

impl Options {
    /// What a checkpoint of this replay is of.
    pub fn identity(&self) -> Identity {
        Identity::new(self, std::slice::from_ref(&self.engine))
    }
}

/// Replays the inputs to their end, or until `interrupted`.
pub fn run(options: &Options, sink: &mut dyn Sink, interrupted: &Arc<AtomicBool>) -> anyhow::Result<Summary> {
    let engines = std::slice::from_ref(&options.engine);
    let (summary, judged) = run_variants(options, engines, sink, interrupted)?;
    Ok(Summary { judged: judged.into_iter().next().unwrap_or_default(), ..summary })
}

/// As [`run`], until what is wanted was explained.
pub fn explain(
    options: &Options,
    wanted: Wanted,
    sink: &mut dyn Sink,
    interrupted: &Arc<AtomicBool>,
) -> anyhow::Result<(Summary, Option<Watch>)> {
    let engines = std::slice::from_ref(&options.engine);
    let (summary, mut finished) = run_watched(options, engines, Some(Watch::new(wanted)), sink, interrupted)?;
    Ok((summary, finished.pop().and_then(|(_, watch)| watch)))
}

/// As [`run`], for several configurations instead of that of the options: each gives what it would give alone. They have
/// the step from review to review in common.
pub fn run_variants(
    options: &Options,
    engines: &[Arc<EngineConfig>],
    sink: &mut dyn Sink,
    interrupted: &Arc<AtomicBool>,
) -> anyhow::Result<(Summary, Vec<Judged>)> {
    let (summary, finished) = run_watched(options, engines, None, sink, interrupted)?;
    Ok((summary, finished.into_iter().map(|(judged, _)| judged).collect()))
}

/// What a variant came to.
type Finished = (Judged, Option<Watch>);

/// `watch` is the first variant's.
fn run_watched(
    options: &Options,
    engines: &[Arc<EngineConfig>],
    watch: Option<Watch>,
    sink: &mut dyn Sink,
    interrupted: &Arc<AtomicBool>,
) -> anyhow::Result<(Summary, Vec<Finished>)> {
    let worker = || Worker::new(options.tables.clone(), options.decoder.clone(), options.filter.clone());
    if options.threads <= 1 {
        return Sequencer::new(options, (engines, watch), Pool::inline(worker()), sink, interrupted)?.run();
    }
    std::thread::scope(|scope| {
        let (jobs, jobs_taken) = crossbeam_channel::unbounded();
        let (done_sent, done) = crossbeam_channel::unbounded();
        for _ in 0..options.threads {
            let (jobs_taken, done_sent, worker) = (jobs_taken.clone(), done_sent.clone(), worker());
            scope.spawn(move || worker.work(&jobs_taken, &done_sent));
        }
        Sequencer::new(options, (engines, watch), Pool::Threads { jobs, done }, sink, interrupted)?.run()
    })
}

/// A file on its way through the readers.
enum Reading {
    Unopened,
    Idle(Box<Source>),
    Busy,
    Ended,
}

/// The round being stepped, and how many jobs still are at it.
struct Stepping {
    round: Arc<Round>,
    jobs: usize,
}

struct Sequencer<'a> {
    options: &'a Options,
    sink: &'a mut dyn Sink,
    interrupted: &'a Arc<AtomicBool>,
    pool: Pool,
    merge: Merge,
    /// Id of the sign-in that is to be explained.
    sought: Option<String>,
    /// For each file: where its source is, and the number of its next block.
    readings: Vec<(Reading, u64)>,
    read: Arc<AtomicU64>,
    /// `None` while one passes a border.
    groups: Vec<Option<Box<Group>>>,
    /// Of each variant, in the order of configurations: its group, and its place there.
    places: Vec<(usize, usize)>,
    /// Groups that pass a border.
    passing: usize,
    stepping: Option<Stepping>,
    /// The round being filled, and what did not go into it.
    filling: Round,
    held: Option<Run>,
    position: u64,
    stream_time: StreamTime,
    /// Day of stream time that has begun.
    day: i32,
    /// When the review began that the round belongs to.
    review: EventTime,
    summary: Summary,
    /// Of each file that is being read: how far the stream has come in it, and what was counted.
    files: BTreeMap<usize, (Reached, Counted)>,
    /// Of files that have ended.
    counted: Counted,
    /// Notes of files that an earlier run wrote.
    noted_before: BTreeMap<usize, u64>,
    is_resumed: bool,
    /// As the inputs were when it began; `None` where no checkpoint is kept.
    identity: Option<Identity>,
    due: Due,
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
        (engines, mut watch): (&[Arc<EngineConfig>], Option<Watch>),
        pool: Pool,
        sink: &'a mut dyn Sink,
        interrupted: &'a Arc<AtomicBool>,
    ) -> anyhow::Result<Sequencer<'a>> {
        let grouped = grouped(engines);
        let sought = watch.as_ref().and_then(Watch::sought).map(str::to_owned);
        let mut places = vec![(0, 0); engines.len()];
        for (group, members) in grouped.iter().enumerate() {
            members.iter().enumerate().for_each(|(place, variant)| places[*variant] = (group, place));
        }
        let group = |members: &Vec<usize>| {
            let engines: Vec<_> = members.iter().map(|variant| engines[*variant].clone()).collect();
            Some(Box::new(Group::new(&engines, options.order, watch.take(), options.threads)))
        };
        let mut sequencer = Sequencer {
            options,
            sink,
            interrupted,
            pool,
            merge: Merge::new(&first_times(&options.inputs, &options.decoder, interrupted)?, OPEN_FILES_MAX),
            readings: options.inputs.iter().map(|_| (Reading::Unopened, 0)).collect(),
            read: Arc::default(),
            groups: grouped.iter().map(group).collect(),
            places,
            passing: 0,
            sought,
            stepping: None,
            filling: Round::default(),
            held: None,
            position: 0,
            stream_time: StreamTime::default(),
            day: i32::MIN,
            review: EventTime::MIN,
            summary: Summary { files: options.inputs.len() as u64, ..Summary::default() },
            files: BTreeMap::new(),
            counted: Counted::default(),
            noted_before: BTreeMap::new(),
            is_resumed: false,
            identity: options.state.checkpoint.as_ref().map(|_| Identity::new(options, engines)),
            due: Due::new(options.state.checkpoint.as_ref()),
        };
        sequencer.take_state()?;
        Ok(sequencer)
    }

    /// Steps what was taken into the round, and waits until nobody steps.
    fn finish_round(&mut self) -> anyhow::Result<()> {
        loop {
            if self.stepping.is_some() {
                if let Some(done) = self.pool.wait(PATIENCE)? {
                    self.handle(done)?;
                }
            } else if self.filling.items > 0 {
                self.dispatch()?;
            } else {
                return Ok(());
            }
        }
    }

    fn run(mut self) -> anyhow::Result<(Summary, Vec<Finished>)> {
        let started = clock::now();
        let lengths = self.options.inputs.iter().map(|input| input.length);
        let mut progress = Progress::new(lengths.sum());
        loop {
            if self.interrupted.load(Ordering::Relaxed) {
                self.summary.interrupted = true;
                break;
            }
            if self.stepping.is_none() && self.groups.iter().flatten().any(|group| group.is_explained()) {
                break;
            }
            self.keep_checkpoint()?;
            self.request_reads()?;
            let filled = self.fill_round()?;
            if filled == Filled::Blocked {
                // Files may have joined: nobody brings their blocks unless asked.
                self.request_reads()?;
            }
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
        self.finish_round()?;
        self.end()?;
        progress.finish();
        self.sink.flush().context("cannot write")?;
        self.finish_summary();
        self.summary.run.elapsed = started.elapsed();
        // A group has its variants in the order of configurations.
        let finished = self.groups.into_iter().map(|group| group.map(|group| group.finish().into_iter()));
        let mut finished: Vec<_> = finished.collect();
        let in_order = self.places.iter().filter_map(|(group, _)| finished[*group].as_mut()?.next());
        Ok((self.summary, in_order.collect()))
    }

    fn finish_summary(&mut self) {
        for (_, counted) in std::mem::take(&mut self.files).into_values() {
            self.counted.add(counted);
        }
        let Counted { records, items, skipped, left_out, rejects, broken } = std::mem::take(&mut self.counted);
        self.summary =
            Summary { records, items, skipped, left_out, rejects, broken, ..std::mem::take(&mut self.summary) };
        let named = |file: usize| self.options.inputs[file].name.clone();
        let disorder = self.merge.disorder().iter().filter(|(_, disorder)| disorder.items > 0);
        self.summary.disorder = disorder.map(|(file, disorder)| (named(*file), *disorder)).collect();
        self.summary.is_filtered = self.options.filter.leaves_out_anything();
        // Whom an earlier run saw, this one may not.
        if !self.is_resumed {
            self.summary.unseen_users = self.options.filter.unseen_users();
        }
        self.summary.far_ahead = self.stream_time.far_ahead();
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
                // A read that was interrupted looks like a file's end: nothing that came since is taken.
                None if self.interrupted.load(Ordering::Relaxed) => return Ok(Filled::Blocked),
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
            self.sink.items(&run.block.entries().items[run.range.clone()]);
            self.files.entry(run.block.file).or_default().0.items += count as u64;
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
        self.review = self.review.max(self.review_of(next));
        let day = (next.day() > self.day).then_some(next);
        self.day = self.day.max(next.day());
        self.pass(Border::Review { until: self.review, day })
    }

    /// Lets every group pass the border, and writes what comes of it. Nobody steps meanwhile.
    fn pass(&mut self, border: Border) -> anyhow::Result<()> {
        for (index, group) in self.groups.iter_mut().enumerate() {
            if let Some(group) = group.take() {
                self.pool.submit(Job::Pass { index, group, border })?;
                self.passing += 1;
            }
        }
        while self.passing > 0 {
            if let Some(done) = self.pool.wait(PATIENCE)? {
                self.handle(done)?;
            }
        }
        self.write_due()
    }

    /// Writes what the variants have to write, one after the other.
    fn write_due(&mut self) -> anyhow::Result<()> {
        for (index, (group, place)) in self.places.iter().enumerate() {
            let Some(group) = &mut self.groups[*group] else { continue };
            let variant = &mut group.variants()[*place];
            for detection in variant.take_due() {
                self.sink.detection(index, &detection).context("cannot write detections")?;
            }
            for detection in variant.take_shadow_due() {
                self.sink.shadow_detection(index, &detection).context("cannot write shadow detections")?;
            }
        }
        Ok(())
    }

    /// Counts the blocks that the stream has passed and writes their rejects.
    fn note_passed(&mut self) -> anyhow::Result<()> {
        for passed in self.merge.take_passed() {
            let (block, entries) = (&passed.block, passed.block.entries());
            let name = &self.options.inputs[block.file].name;
            let noted_before = self.noted_before.get(&block.file).copied().unwrap_or(0);
            let (reached, counted) = self.files.entry(block.file).or_default();
            for note in &entries.notes[passed.notes] {
                *counted.rejects.entry(note.rejected.reject.reason).or_default() += 1;
                reached.notes += 1;
                if reached.notes > noted_before {
                    self.sink.reject(name, block, &note.rejected).context("cannot write rejects")?;
                }
            }
            if passed.whole {
                if let (Some(id), None) = (&self.sought, self.summary.passed_over) {
                    let Options { decoder, filter, .. } = self.options;
                    self.summary.passed_over = passed_over(block, id, decoder, filter);
                }
                self.summary.records += entries.records;
                counted.records += entries.records;
                counted.items += entries.items.len() as u64;
                for (reason, count) in &entries.skipped {
                    *counted.skipped.entry(*reason).or_default() += count;
                }
                for (cause, count) in &entries.left_out {
                    *counted.left_out.entry(*cause).or_default() += count;
                }
                if let Some(error) = &block.raw().error {
                    counted.broken.push((name.clone(), error.to_string()));
                }
                if block.raw().last {
                    let (_, counted) = self.files.remove(&block.file).unwrap_or_default();
                    self.counted.add(counted);
                }
            }
        }
        Ok(())
    }

    /// Hands the round out in as many jobs as are worth it: gathering what one gives costs as much as a few items do.
    fn dispatch(&mut self) -> anyhow::Result<()> {
        let round = Arc::new(std::mem::take(&mut self.filling));
        let work = round.items * self.places.len();
        let most = if self.options.threads > 1 { SHARDS } else { 1 };
        let jobs = (work / ITEMS_A_JOB_MIN).clamp(1, most);
        for job in 0..jobs {
            let mut shard = |number: usize| {
                let engines = self.groups.iter_mut().flatten().filter_map(|group| group.take_engine(number));
                Shard { number, engines: engines.collect() }
            };
            let shards = (job..SHARDS).step_by(jobs).map(&mut shard).collect();
            self.pool.submit(Job::Step { shards, round: round.clone() })?;
        }
        self.stepping = Some(Stepping { round, jobs });
        Ok(())
    }

    fn handle(&mut self, done: Done) -> anyhow::Result<()> {
        match done {
            Done::Source { file, source } => self.readings[file].0 = source.map_or(Reading::Ended, Reading::Idle),
            Done::Block(block) => self.merge.supply(Arc::from(block)),
            Done::Stepped { shards, outs } => {
                for Shard { number, engines } in shards {
                    for (group, engine) in self.groups.iter_mut().flatten().zip(engines) {
                        group.put_engine(number, engine);
                    }
                }
                for (group, outs) in self.groups.iter_mut().flatten().zip(outs) {
                    group.stepped(outs);
                }
                return self.finish_job();
            }
            Done::Passed { index, group } => {
                self.groups[index] = Some(group);
                self.passing -= 1;
            }
            Done::Lost => {}
        }
        Ok(())
    }

    /// A job is through with its part of the round: the last one finishes it.
    fn finish_job(&mut self) -> anyhow::Result<()> {
        let Some(Stepping { round, jobs }) = self.stepping.take() else { return Ok(()) };
        if jobs > 1 {
            self.stepping = Some(Stepping { round, jobs: jobs - 1 });
            return Ok(());
        }
        for group in self.groups.iter_mut().flatten() {
            group.finish_round(&round);
        }
        self.write_due()
    }

    /// At the end.
    fn write_risky_users(&mut self) -> io::Result<()> {
        for (index, (group, place)) in self.places.iter().enumerate() {
            let Some(group) = &mut self.groups[*group] else { continue };
            for user in group.variants()[*place].risky_users().in_order() {
                self.sink.risky_user(index, user)?;
            }
        }
        Ok(())
    }
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
