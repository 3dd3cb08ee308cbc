//! The merge: order of time, ties, rejects and waiting files by example; any files and any blocks by property.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::engine::decode::{Decoder, Format};
use crate::engine::enrich::{Enricher, Tables};
use crate::runtime::replay::filter::Filter;
use crate::runtime::replay::source::BlockReader;

/// A line that decodes to an item at this second of a fixed day, or, negative, one that is rejected.
fn line(second: i64) -> String {
    match u32::try_from(second) {
        Ok(second) => format!(
            r#"{{"type":"feedback","tenantId":"t","userId":"u","id":"{second}","time":"2026-03-02T00:{:02}:{:02}Z","action":"dismiss"}}"#,
            second / 60,
            second % 60
        ),
        Err(_) => format!("bad {second}"),
    }
}

fn blocks(file: usize, seconds: &[i64], block_length: usize) -> Vec<Arc<Block>> {
    let text: String = seconds.iter().map(|second| line(*second) + "\n").collect();
    let mut reader = BlockReader::new(text.as_bytes());
    let reading = (&Decoder::new(Format::Auto), &Filter::default());
    let mut enricher = Enricher::new(Arc::new(Tables::default()));
    std::iter::from_fn(|| reader.next(block_length))
        .enumerate()
        .map(|(number, raw)| Arc::new(Block::decode(file, number as u64, raw, reading, &mut enricher)))
        .collect()
}

/// The merged stream as (file, second), rejects as (file, their negative number).
fn merged(files: &[Vec<i64>], block_length: usize) -> Vec<(usize, i64)> {
    let (stream, too_many) = merged_at_most(files, block_length, OPEN_FILES_MAX);
    assert_eq!(too_many, None);
    stream
}

/// The same with this many files open; and how many overlapped if they were too many.
fn merged_at_most(
    files: &[Vec<i64>],
    block_length: usize,
    open_files_max: usize,
) -> (Vec<(usize, i64)>, Option<usize>) {
    let all: Vec<Vec<Arc<Block>>> =
        files.iter().enumerate().map(|(file, seconds)| blocks(file, seconds, block_length)).collect();
    let first = |blocks: &Vec<Arc<Block>>| blocks.iter().find_map(|block| block.entries().times.first().copied());
    let firsts: Vec<EventTime> = all.iter().map(|blocks| first(blocks).unwrap_or(EventTime::MIN)).collect();
    let mut merge = Merge::new(&firsts, open_files_max);
    let mut supplied: HashMap<usize, u64> = HashMap::new();
    let mut stream = Vec::new();
    loop {
        let turn = merge.take_turn();
        for passed in merge.take_passed() {
            for note in &passed.block.entries().notes[passed.notes] {
                let text = String::from_utf8_lossy(passed.block.text_of(&note.rejected, 100)).into_owned();
                stream.push((passed.block.file, text[4..].parse().expect("a number")));
            }
        }
        match turn {
            Turn::Run(run) => {
                let midnight = EventTime::from_seconds(1_772_409_600);
                let times = &run.block.entries().times[run.range.clone()];
                stream.extend(times.iter().map(|time| (run.block.file, time.seconds_since(midnight) as i64)));
            }
            Turn::Blocked => {
                let (file, number) =
                    merge.wanted().find(|(file, number)| supplied.get(file) != Some(number)).expect("wants");
                supplied.insert(file, number);
                merge.supply(all[file][number as usize].clone());
            }
            Turn::TooManyOverlap(count) => return (stream, Some(count)),
            Turn::Ended => return (stream, None),
        }
    }
}

fn check(files: &[&[i64]], expected: &[(usize, i64)]) {
    let files: Vec<Vec<i64>> = files.iter().map(|seconds| seconds.to_vec()).collect();
    for block_length in [1, 150, 1 << 16] {
        assert_eq!(merged(&files, block_length), expected, "{files:?} in blocks of {block_length}");
    }
}

#[test]
fn files_are_merged_by_time_and_ties_by_their_order() {
    check(&[&[1, 4, 5], &[2, 4, 6]], &[(0, 1), (1, 2), (0, 4), (1, 4), (0, 5), (1, 6)].map(|pair| pair));
    check(&[&[10, 11], &[1, 2]], &[(1, 1), (1, 2), (0, 10), (0, 11)]);
    check(&[&[], &[3]], &[(1, 3)]);
    check(&[], &[]);
}

#[test]
fn an_unsorted_file_keeps_its_own_order() {
    check(&[&[5, 1, 6], &[2, 7]], &[(1, 2), (0, 5), (0, 1), (0, 6), (1, 7)]);
}

#[test]
fn rejects_follow_the_item_before_them() {
    check(&[&[1, -1, 5], &[-2, 2, -3]], &[(0, 1), (0, -1), (1, -2), (1, 2), (1, -3), (0, 5)]);
    check(&[&[-1, -2]], &[(0, -1), (0, -2)]);
}

#[test]
fn more_files_than_may_be_open_are_refused_when_they_overlap() {
    // File `n` begins at `n` and ends at 2,000 + `n`.
    let overlapping = |count: i64| (0..count).map(|file| vec![file, 2_000 + file]).collect::<Vec<_>>();
    for block_length in [1, 1 << 16] {
        let (stream, too_many) = merged_at_most(&overlapping(10), block_length, 10);
        assert_eq!((stream.len(), too_many), (20, None));
        let (stream, too_many) = merged_at_most(&overlapping(12), block_length, 10);
        assert_eq!(
            stream,
            (0..10).map(|file| (file as usize, file)).collect::<Vec<_>>(),
            "what was still in order"
        );
        assert_eq!(too_many, Some(12), "both that are due");
    }
}

#[test]
fn files_that_do_not_overlap_or_are_empty_know_no_limit() {
    let mut files: Vec<Vec<i64>> = (0..200).map(|file| vec![10 * file, 10 * file + 15]).collect();
    files.extend((0..50).map(|_| vec![-1]));
    files.extend((0..50).map(|_| Vec::new()));
    let (stream, too_many) = merged_at_most(&files, 1 << 16, 3);
    assert_eq!((stream.len(), too_many), (450, None));
    let seconds: Vec<i64> = stream.iter().map(|(_, second)| *second).filter(|second| *second >= 0).collect();
    assert!(seconds.is_sorted());
}

proptest! {
    /// Sorted files give a sorted stream that holds everything, in any blocks.
    #[test]
    fn sorted_files_give_a_sorted_stream(
        files in prop::collection::vec(prop::collection::vec(0_i64..3_000, 0..20), 0..6),
        block_length in 1_usize..2_000,
    ) {
        let mut files = files;
        for file in &mut files {
            file.sort_unstable();
        }
        let stream = merged(&files, block_length);
        let mut expected: Vec<(i64, usize)> =
            files.iter().enumerate().flat_map(|(file, seconds)| seconds.iter().map(move |s| (*s, file))).collect();
        expected.sort_unstable();
        let found: Vec<(i64, usize)> = stream.into_iter().map(|(file, second)| (second, file)).collect();
        prop_assert_eq!(found, expected);
    }

    /// Any files, with rejects: blocks make no difference to the order of items, nor to that of rejects. (Between
    /// the two there is none: they go to different places.)
    #[test]
    fn blocks_make_no_difference(
        files in prop::collection::vec(prop::collection::vec(-5_i64..50, 0..12), 0..5),
        block_length in 1_usize..500,
    ) {
        let parts = |block_length| -> (Vec<_>, Vec<_>) {
            merged(&files, block_length).into_iter().partition(|(_, second)| *second >= 0)
        };
        prop_assert_eq!(parts(block_length), parts(1 << 20));
    }
}
