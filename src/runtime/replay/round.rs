//! A round: the next stretch of the merged stream, stepped by all shards at once.
//!
//! A round holds ranges of blocks, not copies. It never reaches over a day border of stream time, because the
//! shared profiles change there. Where else it is cut makes no difference to what comes out.

use std::ops::Range;
use std::sync::Arc;

use super::block::Block;
use crate::engine::Input;
use crate::engine::facts::Item;
use crate::engine::hash::UserKey;
use crate::engine::signin::EventTime;

/// Items of one block that follow each other in the merged stream.
pub struct Run {
    pub block: Arc<Block>,
    pub range: Range<usize>,
}

impl Run {
    /// Cuts off what comes behind the first `count` items.
    pub fn split(&mut self, count: usize) -> Option<Run> {
        let at = self.range.start + count;
        (at < self.range.end).then(|| {
            let rest = at..self.range.end;
            self.range.end = at;
            Run { block: self.block.clone(), range: rest }
        })
    }

    /// Time and user of each item.
    pub fn clocks(&self) -> impl Iterator<Item = (EventTime, UserKey)> + '_ {
        let entries = self.block.entries();
        let users = &entries.users[self.range.clone()];
        entries.times[self.range.clone()].iter().copied().zip(users.iter().copied())
    }
}

/// A run with its place in the stream.
struct Placed {
    run: Run,
    /// Position of its first item.
    position: u64,
    /// The stream time each item is judged under.
    stream_times: Vec<EventTime>,
}

#[derive(Default)]
pub struct Round {
    runs: Vec<Placed>,
    pub items: usize,
}

impl Round {
    /// Appends a run with the stream time of each of its items.
    pub fn push(&mut self, run: Run, position: u64, stream_times: Vec<EventTime>) {
        debug_assert_eq!(run.range.len(), stream_times.len(), "each item has its stream time");
        self.items += run.range.len();
        self.runs.push(Placed { run, position, stream_times });
    }

    /// The inputs of one shard, in order.
    pub fn batch(&self, shard: usize) -> Vec<Input<'_>> {
        let mut batch = Vec::new();
        for placed in &self.runs {
            let entries = placed.run.block.entries();
            let Range { start, end } = placed.run.range;
            let mine = &entries.shards[shard];
            let from = mine.partition_point(|item| (*item as usize) < start);
            for &item in mine[from..].iter().take_while(|item| (**item as usize) < end) {
                let item = item as usize;
                batch.push(Input {
                    position: placed.position + (item - start) as u64,
                    stream_time: placed.stream_times[item - start],
                    item: &entries.items[item],
                });
            }
        }
        batch
    }

    /// All items, in order.
    pub fn items(&self) -> impl Iterator<Item = &Item<'_>> {
        self.runs.iter().flat_map(|placed| &placed.run.block.entries().items[placed.run.range.clone()])
    }

    /// Stream time behind the round.
    pub fn newest(&self) -> EventTime {
        let last = self.runs.last().and_then(|placed| placed.stream_times.last());
        last.copied().unwrap_or(EventTime::MIN)
    }

    /// Stream time at the item with this position of the round.
    pub fn stream_time(&self, position: u64) -> EventTime {
        let index = self.runs.partition_point(|placed| placed.position <= position).saturating_sub(1);
        let placed = &self.runs[index];
        placed.stream_times[(position - placed.position) as usize]
    }
}
