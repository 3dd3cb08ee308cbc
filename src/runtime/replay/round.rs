//! A round: the next stretch of the merged stream, stepped by all shards at once.
//!
//! A round holds ranges of blocks, not copies. It never reaches over a day border of stream time, because the
//! shared profiles change there. Where else it is cut makes no difference to what comes out.

use std::ops::Range;
use std::sync::Arc;

use super::block::Block;
use crate::engine::Input;
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

    /// How many items come before stream time reaches a day behind `day`.
    pub fn items_until_after(&self, day: i32) -> usize {
        self.block.entries().latest[self.range.clone()].partition_point(|time| time.day() <= day)
    }
}

/// A run with its place in the stream.
struct Placed {
    run: Run,
    /// Position of its first item.
    position: u64,
    /// Stream time before it.
    stream_time: EventTime,
}

impl Placed {
    /// All items of the block before the run were in the stream before it, so their newest time may count.
    fn stream_time_at(&self, item: usize) -> EventTime {
        self.stream_time.max(self.run.block.entries().latest[item])
    }
}

#[derive(Default)]
pub struct Round {
    runs: Vec<Placed>,
    pub items: usize,
}

impl Round {
    /// Appends a run and gives the stream time behind it.
    pub fn push(&mut self, run: Run, position: u64, stream_time: EventTime) -> EventTime {
        self.items += run.range.len();
        let last = run.range.end - 1;
        let placed = Placed { run, position, stream_time };
        let after = placed.stream_time_at(last);
        self.runs.push(placed);
        after
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
                    stream_time: placed.stream_time_at(item),
                    item: &entries.items[item],
                });
            }
        }
        batch
    }

    /// Stream time behind the round.
    pub fn newest(&self) -> EventTime {
        self.runs.last().map_or(EventTime::MIN, |placed| placed.stream_time_at(placed.run.range.end - 1))
    }

    /// Stream time at the item with this position of the round.
    pub fn stream_time(&self, position: u64) -> EventTime {
        let index = self.runs.partition_point(|placed| placed.position <= position).saturating_sub(1);
        let placed = &self.runs[index];
        placed.stream_time_at(placed.run.range.start + (position - placed.position) as usize)
    }
}
