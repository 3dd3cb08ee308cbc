//! Several files → one stream in order of event time.
//!
//! The next run comes from the file whose next item is the oldest (ties: the file named first), and goes on until
//! another file's next item is older. A file is taken in its own order even when that is not sorted; the engine
//! judges late events as if in order. A file joins when the stream reaches its first event, so a folder of
//! thousands of files keeps few of them open. No more than [`OPEN_FILES_MAX`] may overlap in time: one that found
//! no room would come out of order, so the merge says so and gives no more.
//!
//! The order depends on the files alone. For that, a decision waits until every joined file's next item is known.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::block::Block;
use super::round::Run;
use crate::engine::signin::EventTime;

/// Files merged at once. Below the 1,024 file descriptors that systems commonly grant.
pub const OPEN_FILES_MAX: usize = 1_000;
/// Files read ahead of the stream's reaching them.
const READ_AHEAD_FILES: usize = 2;

/// What the merge can give now.
pub enum Turn {
    Run(Run),
    /// A block of some file must come first.
    Blocked,
    /// So many files, more than may be open, hold events of the same time.
    TooManyOverlap(usize),
    /// All files are at their end.
    Ended,
}

/// Part of a block that the stream has passed.
pub struct Passed {
    pub block: Arc<Block>,
    /// The block's notes that lie in the part.
    pub notes: Range<usize>,
    /// The part is the block's last.
    pub whole: bool,
}

/// Disorder inside one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Disorder {
    /// Items older than one before them.
    pub items: u64,
    /// Most that one was older, in seconds.
    pub behind_max_s: i64,
}

/// How far the stream has come in a file that has joined it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// Items of the file that were taken.
    pub items: u64,
    /// Notes of the file that were passed.
    pub notes: u64,
}

/// One file's place in the merge.
struct Stream {
    file: usize,
    first: EventTime,
    /// Blocks that came, by their number.
    blocks: BTreeMap<u64, Arc<Block>>,
    /// Number of the block in use.
    current: u64,
    cursor: usize,
    /// Notes of the current block that were passed.
    noted: usize,
    /// Items that an earlier run took, still to be passed over.
    skip: u64,
    ended: bool,
    newest: EventTime,
    disorder: Disorder,
}

impl Stream {
    fn head(&self) -> Option<EventTime> {
        self.blocks.get(&self.current)?.entries().times.get(self.cursor).copied()
    }

    /// Moves on to the block that holds the next item, passing what comes before it. False when that block is not
    /// here yet.
    fn settle(&mut self, passed: &mut Vec<Passed>) -> bool {
        loop {
            self.pass_over();
            if self.ended || self.head().is_some() {
                break;
            }
            let Some(block) = self.blocks.remove(&self.current) else { return false };
            self.ended = block.raw().last;
            let notes = self.noted..block.entries().notes.len();
            passed.push(Passed { block, notes, whole: true });
            (self.current, self.cursor, self.noted) = (self.current + 1, 0, 0);
            self.measure();
        }
        if let Some(block) = self.blocks.get(&self.current) {
            let count = block.entries().notes.partition_point(|note| note.before <= self.cursor);
            if count > self.noted {
                passed.push(Passed { block: block.clone(), notes: self.noted..count, whole: false });
                self.noted = count;
            }
        }
        true
    }

    /// Passes over what an earlier run took of the current block.
    fn pass_over(&mut self) {
        let Some(block) = self.blocks.get(&self.current) else { return };
        let left = block.entries().times.len() - self.cursor;
        let passed = left.min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        self.cursor += passed;
        self.skip -= passed as u64;
    }

    /// Adds up the disorder of the block that has become the current one.
    fn measure(&mut self) {
        let Some(block) = self.blocks.get(&self.current) else { return };
        for &time in &block.entries().times {
            if time < self.newest {
                self.disorder.items += 1;
                self.disorder.behind_max_s =
                    self.disorder.behind_max_s.max(self.newest.seconds() - time.seconds());
            }
            self.newest = self.newest.max(time);
        }
    }
}

pub struct Merge {
    /// Joined files, in order of their index.
    joined: Vec<Stream>,
    /// Files to come, by first event and index.
    waiting: VecDeque<Stream>,
    open_files_max: usize,
    disorder: BTreeMap<usize, Disorder>,
    /// What the stream has passed, in order.
    passed: Vec<Passed>,
}

impl Merge {
    /// `firsts` gives the first event time of each file; [`EventTime::MIN`] makes it join at once.
    /// `open_files_max` is [`OPEN_FILES_MAX`].
    pub fn new(firsts: &[EventTime], open_files_max: usize) -> Merge {
        let mut waiting: Vec<Stream> =
            firsts.iter().enumerate().map(|(file, first)| new_stream(file, *first)).collect();
        waiting.sort_by_key(|stream| (stream.first, stream.file));
        Merge {
            joined: Vec::new(),
            waiting: waiting.into(),
            open_files_max,
            disorder: BTreeMap::new(),
            passed: Vec::new(),
        }
    }

    /// Goes on where an earlier run stood: with the files that had joined it, and without those that had ended. Before
    /// anything is supplied.
    pub fn go_on(&mut self, reached: &BTreeMap<usize, Reached>, ended: &BTreeMap<usize, Disorder>) {
        self.disorder.clone_from(ended);
        for mut stream in std::mem::take(&mut self.waiting) {
            if let Some(reached) = reached.get(&stream.file) {
                stream.skip = reached.items;
                self.joined.push(stream);
            } else if !ended.contains_key(&stream.file) {
                self.waiting.push_back(stream);
            }
        }
        self.joined.sort_by_key(|stream| stream.file);
    }

    /// Files that are being read.
    pub fn joined_files(&self) -> impl Iterator<Item = usize> + '_ {
        self.joined.iter().map(|stream| stream.file)
    }

    /// Takes a decoded block, in any order.
    pub fn supply(&mut self, block: Arc<Block>) {
        let stream = self.joined.iter_mut().chain(&mut self.waiting).find(|stream| stream.file == block.file);
        if let Some(stream) = stream {
            let sequence = block.sequence;
            stream.blocks.insert(sequence, block);
            if sequence == stream.current {
                stream.measure();
            }
        }
    }

    /// Files to read: those joined, and the next few; each with the number of the block in use.
    pub fn wanted(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let open = self.open_files_max.saturating_sub(self.joined.len());
        let soon = self.waiting.iter().take(open.min(READ_AHEAD_FILES));
        self.joined.iter().chain(soon).filter(|stream| !stream.ended).map(|stream| (stream.file, stream.current))
    }

    pub fn joined_count(&self) -> usize {
        self.joined.len()
    }

    /// The next run.
    pub fn take_turn(&mut self) -> Turn {
        loop {
            if !self.settle_all() {
                return Turn::Blocked;
            }
            let oldest = self.joined.iter().enumerate().filter_map(|(at, s)| Some((s.head()?, s.file, at))).min();
            // All that joined has an item to come here, so that none of them is about to make room.
            if let Some((time, ..)) = oldest
                && self.joined.len() >= self.open_files_max
                && let due @ 1.. = self.waiting.iter().take_while(|stream| stream.first <= time).count()
            {
                return Turn::TooManyOverlap(self.joined.len() + due);
            }
            if self.join_due(oldest.map(|(time, ..)| time)) {
                continue;
            }
            let Some((_, _, at)) = oldest else { return Turn::Ended };
            return Turn::Run(self.take_run(at));
        }
    }

    /// Finds every joined file's next item, in order of the files; false when a block is missing.
    fn settle_all(&mut self) -> bool {
        let Merge { joined, passed, disorder, .. } = self;
        let is_settled = joined.iter_mut().all(|stream| stream.settle(passed));
        // Also where another file's block is missing: what has ended is not being read.
        joined.retain(|stream| {
            if stream.ended {
                disorder.insert(stream.file, stream.disorder);
            }
            !stream.ended
        });
        is_settled
    }

    /// Lets the files join whose first event is due at `time`, or the first one when there is no other.
    fn join_due(&mut self, time: Option<EventTime>) -> bool {
        let mut any = false;
        let mut time = time;
        while self.joined.len() < self.open_files_max
            && self.waiting.front().is_some_and(|stream| time.is_none_or(|time| stream.first <= time))
        {
            let Some(stream) = self.waiting.pop_front() else { break };
            time = time.or(Some(stream.first));
            let at = self.joined.partition_point(|joined| joined.file < stream.file);
            self.joined.insert(at, stream);
            any = true;
        }
        any
    }

    /// Takes items of one file until another file's next is older, another file is due, or the block ends.
    fn take_run(&mut self, at: usize) -> Run {
        let others = self.joined.iter().enumerate().filter(|(other, _)| *other != at);
        let rival = others.filter_map(|(_, stream)| Some((stream.head()?, stream.file))).min();
        let due = self.waiting.front().map(|stream| stream.first);
        let stream = &mut self.joined[at];
        let file = stream.file;
        let block = stream.blocks[&stream.current].clone();
        let times = &block.entries().times;
        let start = stream.cursor;
        let mut end = times.len();
        if rival.is_some() || due.is_some() {
            let goes_on = |time: &EventTime| {
                rival.is_none_or(|rival| (*time, file) < rival) && due.is_none_or(|due| *time < due)
            };
            end = start + times[start..].iter().take_while(|time| goes_on(time)).count();
        }
        debug_assert!(end > start, "the oldest item is always taken");
        let range: Range<usize> = start..end.max(start + 1);
        stream.cursor = range.end;
        Run { block, range }
    }

    /// What the stream has passed since the last call.
    pub fn take_passed(&mut self) -> Vec<Passed> {
        std::mem::take(&mut self.passed)
    }

    /// Disorder by file, for files that have ended.
    pub fn disorder(&self) -> &BTreeMap<usize, Disorder> {
        &self.disorder
    }
}

fn new_stream(file: usize, first: EventTime) -> Stream {
    Stream {
        file,
        first,
        blocks: BTreeMap::new(),
        current: 0,
        cursor: 0,
        noted: 0,
        skip: 0,
        ended: false,
        newest: EventTime::MIN,
        disorder: Disorder::default(),
    }
}

#[cfg(test)]
mod tests;
