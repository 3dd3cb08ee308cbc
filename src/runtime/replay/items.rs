//! Files → decoded and enriched items in the order in which a replay takes them, for who looks and does not judge.
//!
//! One thread, a block at a time. What a replay would reject is counted; a file that breaks in the middle ends there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};

use super::block::Block;
use super::filter::Filter;
use super::first::first_times;
use super::input::Input;
use super::merge::{Merge, OPEN_FILES_MAX, Turn};
use super::sequencer::{BLOCK_LENGTH, cannot_open, too_many_overlap};
use super::source::Source;
use crate::engine::decode::Decoder;
use crate::engine::enrich::{Enricher, Tables};
use crate::engine::facts::Item;

/// What reading came to.
#[derive(Debug, Default)]
pub struct ItemsRead {
    pub records: u64,
    pub rejected: u64,
    /// Items that the filter leaves out.
    pub left_out: u64,
    /// Files that could not be read to their end, and why.
    pub broken: Vec<(String, String)>,
    pub interrupted: bool,
}

/// Hands every item to `take`, until the end or until `interrupted`.
pub fn each(
    inputs: &[Input],
    (decoder, filter): (&Decoder, &Filter),
    tables: Arc<Tables>,
    interrupted: &Arc<AtomicBool>,
    take: &mut dyn FnMut(&Item<'_>),
) -> anyhow::Result<ItemsRead> {
    let mut merge = Merge::new(&first_times(inputs, decoder, interrupted)?, OPEN_FILES_MAX);
    let mut enricher = Enricher::new(tables);
    let mut sources: Vec<(Option<Source>, u64)> = inputs.iter().map(|_| (None, 0)).collect();
    let mut read = ItemsRead::default();
    while !read.interrupted {
        read.interrupted = interrupted.load(Ordering::Relaxed);
        let joined = merge.joined_count();
        for (file, current) in merge.wanted().collect::<Vec<_>>() {
            let (source, sequence) = &mut sources[file];
            if *sequence <= current {
                let source = open(source, &inputs[file], joined, interrupted)?;
                let raw = source.next(BLOCK_LENGTH).unwrap_or_default();
                merge.supply(Arc::new(Block::decode(file, *sequence, raw, (decoder, filter), &mut enricher)));
                *sequence += 1;
            }
        }
        let turn = merge.take_turn();
        note_passed(&mut merge, inputs, &mut read);
        match turn {
            Turn::Run(run) => run.block.entries().items[run.range.clone()].iter().for_each(&mut *take),
            Turn::Blocked => {}
            Turn::TooManyOverlap(count) => bail!(too_many_overlap(count)),
            Turn::Ended => break,
        }
    }
    Ok(read)
}

/// The file's source, opened when it is first needed.
fn open<'a>(
    source: &'a mut Option<Source>,
    input: &Input,
    joined: usize,
    interrupted: &Arc<AtomicBool>,
) -> anyhow::Result<&'a mut Source> {
    if source.is_none() {
        let opened = input.open(&Arc::default(), interrupted);
        *source = Some(opened.map_err(|error| {
            let told = cannot_open(input, &error, joined);
            anyhow::Error::new(error).context(told)
        })?);
    }
    source.as_mut().context("a source that was opened")
}

fn note_passed(merge: &mut Merge, inputs: &[Input], read: &mut ItemsRead) {
    for passed in merge.take_passed() {
        read.rejected += passed.notes.len() as u64;
        if passed.whole {
            read.records += passed.block.entries().records;
            read.left_out += passed.block.entries().left_out.values().sum::<u64>();
            if let Some(error) = &passed.block.raw().error {
                read.broken.push((inputs[passed.block.file].name.clone(), error.to_string()));
            }
        }
    }
}
