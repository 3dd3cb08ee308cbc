//! The attempts of one trace, and the attack they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Attempt, AttemptKind, Bar, TRACE_ATTEMPTS_MAX};
use crate::engine::facts::CountryCode;

/// One attempt, trace and tenant apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) minute: i32,
    pub(super) member: u32,
    pub(super) kind: AttemptKind,
    pub(super) country: CountryCode,
}

/// Attempts in order of time, each once.
#[derive(Debug, Default)]
pub(super) struct List {
    marks: Vec<Mark>,
    /// Newest minute of a failure, kept or not; `i32::MIN` = none.
    last_minute: i32,
    has_any: bool,
    /// Minutes of attempts that are not kept: an attack ends with its last one, not with the last one kept.
    further: Minutes,
}

/// Days whose minutes are remembered, more than attempts are; of more the earliest.
const MINUTE_DAYS_MAX: usize = 32;
const DAY_MINUTES: i32 = 24 * 60;

/// Words that have a bit for each minute of a day.
pub(super) const MINUTE_WORDS: usize = (DAY_MINUTES as usize).div_ceil(64);
/// Minutes of one day, a bit each.
pub(super) type DayMinutes = [u64; MINUTE_WORDS];

/// A set of minutes, by day.
#[derive(Debug, Default)]
struct Minutes(BTreeMap<i32, DayMinutes>);

impl Minutes {
    fn insert(&mut self, minute: i32) {
        let (day, minute) = (minute.div_euclid(DAY_MINUTES), minute.rem_euclid(DAY_MINUTES));
        let bits = self.0.entry(day).or_default();
        bits[minute as usize / 64] |= 1 << (minute % 64);
        if self.0.len() > MINUTE_DAYS_MAX {
            self.0.pop_last();
        }
    }

    /// The newest one up to `until`.
    fn newest(&self, until: i32) -> Option<i32> {
        let (last_day, last) = (until.div_euclid(DAY_MINUTES), until.rem_euclid(DAY_MINUTES));
        self.0.range(..=last_day).rev().find_map(|(day, bits)| {
            let end = if *day == last_day { last } else { DAY_MINUTES - 1 };
            let found = (0..=end).rev().find(|minute| bits[*minute as usize / 64] >> (minute % 64) & 1 == 1)?;
            Some(day * DAY_MINUTES + found)
        })
    }

    fn forget_before(&mut self, minute: i32) {
        self.0 = self.0.split_off(&minute.div_euclid(DAY_MINUTES));
    }
}

/// Attempts that are an attack, as far as they are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attack {
    /// The minute (since 1970) from which it could be told.
    pub recognised: i32,
    /// First and last minute of the attempts counted.
    pub first: i32,
    pub last: i32,
    /// Distinct users up to the minute asked about; exact up to [`TRACE_ATTEMPTS_MAX`] attempts, then at least that.
    pub users: u32,
    pub attempts: u32,
    /// Attempts on accounts that do not exist.
    pub no_such_user: u32,
    pub countries: u32,
}

impl List {
    /// From what [`Self::marks`], [`Self::last_minute`] and [`Self::further`] gave; `None` unless the marks rise strictly.
    pub(super) fn from_parts(
        marks: Vec<Mark>,
        last_minute: i32,
        further: BTreeMap<i32, DayMinutes>,
    ) -> Option<List> {
        let has_any = !marks.is_empty();
        marks.is_sorted_by(|a, b| a < b).then_some(List { marks, last_minute, has_any, further: Minutes(further) })
    }

    pub(super) fn marks(&self) -> &[Mark] {
        &self.marks
    }

    pub(super) fn last_minute(&self) -> i32 {
        self.last_minute
    }

    pub(super) fn further(&self) -> &BTreeMap<i32, DayMinutes> {
        &self.further.0
    }

    pub(super) fn push(&mut self, attempt: &Attempt) {
        let Attempt { minute, member, kind, country, .. } = *attempt;
        self.last_minute = if self.has_any { self.last_minute.max(minute) } else { minute };
        self.has_any = true;
        let mark = Mark { minute, member, kind, country };
        let Err(index) = self.marks.binary_search(&mark) else { return };
        if index >= TRACE_ATTEMPTS_MAX {
            self.further.insert(minute);
            return;
        }
        self.marks.insert(index, mark);
        if self.marks.len() > TRACE_ATTEMPTS_MAX
            && let Some(last) = self.marks.pop()
        {
            self.further.insert(last.minute);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    pub(super) fn forget_before(&mut self, minute: i32) {
        if self.last_minute < minute {
            *self = List::default();
            return;
        }
        self.marks.retain(|mark| mark.minute >= minute);
        self.further.forget_before(minute);
    }

    /// Might [`Self::attack`] find one, whoever is counted? Costs no allocation.
    pub(super) fn may_attack(&self, minute: i32, until: i32, bar: Bar) -> bool {
        let known = &self.marks[..self.marks.partition_point(|mark| mark.minute <= until)];
        let enough = (bar.enough as usize).max(1);
        let is_window =
            |marks: &[Mark]| marks[enough - 1].minute.saturating_sub(marks[0].minute) < bar.window_minutes;
        // What a full list does not keep may go on with any run.
        let is_full = self.marks.len() == TRACE_ATTEMPTS_MAX;
        known.len() >= enough
            && (is_full
                || self.run_at(known, minute, until, bar).is_some_and(|run| run.windows(enough).any(is_window)))
    }

    /// See [`super::Attempts::spray`]. `by_user`: distinct users count, else attempts.
    pub(super) fn attack(
        &self,
        minute: i32,
        until: i32,
        bar: Bar,
        counts: impl Fn(AttemptKind) -> bool,
        by_user: bool,
    ) -> Option<Attack> {
        if self.marks.len() < bar.enough as usize {
            return None;
        }
        let marks: Vec<Mark> =
            self.marks.iter().filter(|mark| mark.minute <= until && counts(mark.kind)).copied().collect();
        let run = self.run_at(&marks, minute, until, bar)?;
        let recognised = recognised(run, bar, by_user)?;
        let last = self.end_of(run, &marks, until);
        // Before its first attempt a trace is as good as any other.
        let first = run
            .iter()
            .map(|mark| mark.minute)
            .find(|first| recognised.saturating_sub(*first) < bar.window_minutes)?;
        (minute >= first).then(|| summary(run, recognised, first, last))
    }

    /// The attempts without a pause as long as the window, in which `minute` is, or after which no longer pause has passed
    /// than an attack survives.
    fn run_at<'m>(&self, marks: &'m [Mark], minute: i32, until: i32, bar: Bar) -> Option<&'m [Mark]> {
        let goes_on = |run: &[Mark]| {
            let before = &run[..run.partition_point(|mark| mark.minute <= minute)];
            let after = self.end_of(run, marks, until) > minute;
            !before.is_empty()
                && (after || minute.saturating_sub(self.end_of(before, marks, minute)) < bar.pause_minutes)
        };
        marks
            .chunk_by(|one, next| next.minute.saturating_sub(one.minute) < bar.window_minutes)
            .find(|run| goes_on(run))
    }

    /// The last minute of a run, up to `until`. Where the list is full what it does not keep goes on with the last run.
    fn end_of(&self, run: &[Mark], marks: &[Mark], until: i32) -> i32 {
        let kept = run[run.len() - 1].minute;
        let is_last = marks.last().is_some_and(|last| last.minute == kept);
        let is_full = self.marks.len() == TRACE_ATTEMPTS_MAX;
        let further = if is_last && is_full { self.further.newest(until) } else { None };
        further.map_or(kept, |further| kept.max(further))
    }
}

/// The first minute at which enough had come within the window before it.
fn recognised(marks: &[Mark], bar: Bar, by_user: bool) -> Option<i32> {
    let mut start = 0;
    let mut inside: Vec<(u32, u32)> = Vec::new();
    for (end, mark) in marks.iter().enumerate() {
        while mark.minute.saturating_sub(marks[start].minute) >= bar.window_minutes {
            leave(&mut inside, marks[start].member);
            start += 1;
        }
        enter(&mut inside, mark.member);
        let count = if by_user { inside.len() } else { end + 1 - start };
        if count >= bar.enough as usize {
            return Some(mark.minute);
        }
    }
    None
}

/// Members inside the window, each with its attempts there: few, as it ends at the bar.
fn enter(inside: &mut Vec<(u32, u32)>, member: u32) {
    match inside.iter_mut().find(|(known, _)| *known == member) {
        Some((_, count)) => *count += 1,
        None => inside.push((member, 1)),
    }
}

fn leave(inside: &mut Vec<(u32, u32)>, member: u32) {
    if let Some(index) = inside.iter().position(|(known, _)| *known == member) {
        inside[index].1 -= 1;
        if inside[index].1 == 0 {
            inside.swap_remove(index);
        }
    }
}

fn summary(marks: &[Mark], recognised: i32, first: i32, last: i32) -> Attack {
    let counted = || marks.iter().filter(|mark| mark.minute >= first);
    let distinct = |values: &mut Vec<u64>| {
        values.sort_unstable();
        values.dedup();
        values.len() as u32
    };
    let mut members: Vec<u64> = counted().map(|mark| u64::from(mark.member)).collect();
    let mut countries: Vec<u64> =
        counted().filter(|mark| mark.country.is_known()).map(|mark| u64::from(mark.country.key())).collect();
    Attack {
        recognised,
        first,
        last,
        users: distinct(&mut members),
        attempts: counted().count() as u32,
        no_such_user: counted().filter(|mark| mark.kind == AttemptKind::NoSuchUser).count() as u32,
        countries: distinct(&mut countries),
    }
}
