//! Contributions that nobody sees yet, by event-time day.
//!
//! They are appended and now and then compacted: sorted, made distinct, cut to the smallest ranks of each key and
//! to the limits below. What the limits keep is always "the smallest" in one fixed order (day, mixed key, rank),
//! so that the outcome depends on the set of contributions, never on their order or on when compaction ran.

use std::collections::BTreeMap;

use super::sketch::rank;
use super::{Contribution, Limits, MEMBER_DAYS_MAX, ProfileKey};

/// One member of one key on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) key: ProfileKey,
    pub(super) rank: u32,
}

/// A day is compacted when it has doubled, and not before it has this many marks.
const COMPACT_MARKS_MIN: usize = 4_096;

#[derive(Debug, Default)]
struct Day {
    marks: Vec<Mark>,
    /// Length at which to compact next.
    compact_at: usize,
}

/// Contributions waiting for their day.
#[derive(Debug)]
pub(super) struct Pending {
    limits: Limits,
    days: BTreeMap<i32, Day>,
    /// Marks of all days, before compaction.
    length: usize,
    /// Contributions too old to count on any later day.
    pub(super) expired: u64,
    /// Marks dropped by a limit. A contribution that comes twice can be dropped twice.
    pub(super) dropped: u64,
}

impl Pending {
    pub(super) fn new(limits: Limits) -> Pending {
        Pending { limits, days: BTreeMap::new(), length: 0, expired: 0, dropped: 0 }
    }

    /// `current_day` is the day reached by the last advance.
    pub(super) fn add(&mut self, contribution: &Contribution, current_day: Option<i32>) {
        let Contribution { key, day, member } = *contribution;
        // The next view is of the day after the current one, or later.
        if current_day.is_some_and(|current| current.saturating_add(1).saturating_sub(day) >= MEMBER_DAYS_MAX) {
            self.expired += 1;
            return;
        }
        self.push(day, Mark { key, rank: rank(member) });
    }

    fn push(&mut self, day: i32, mark: Mark) {
        if self.days.len() >= self.limits.pending_days_max && !self.days.contains_key(&day) && !self.make_room(day)
        {
            self.dropped += 1;
            return;
        }
        let entry = self.days.entry(day).or_default();
        entry.marks.push(mark);
        self.length += 1;
        if entry.marks.len() >= entry.compact_at.max(COMPACT_MARKS_MIN) {
            self.length -= entry.compact(&self.limits);
        }
        if self.length >= self.limits.pending_marks_max * 2 {
            self.compact();
        }
    }

    /// Drops the newest day if `day` is older; the oldest days are kept.
    fn make_room(&mut self, day: i32) -> bool {
        let Some(newest) = self.days.last_entry().filter(|newest| *newest.key() > day) else { return false };
        let marks = newest.remove().marks.len();
        self.length -= marks;
        self.dropped += marks as u64;
        true
    }

    /// Brings every day into its final form and keeps the limits.
    pub(super) fn compact(&mut self) {
        for day in self.days.values_mut() {
            self.length -= day.compact(&self.limits);
        }
        while self.length > self.limits.pending_marks_max {
            let Some(mut newest) = self.days.last_entry() else { break };
            let excess = (self.length - self.limits.pending_marks_max).min(newest.get().marks.len());
            newest.get_mut().drop_greatest(excess);
            if newest.get().marks.is_empty() {
                newest.remove();
            }
            self.length -= excess;
            self.dropped += excess as u64;
        }
    }

    pub(super) fn day_numbers(&self) -> impl Iterator<Item = i32> {
        self.days.keys().copied()
    }

    /// Takes the oldest day if it is `day_max` or older: its number and its marks in order. Compact first.
    pub(super) fn take_until(&mut self, day_max: i32) -> Option<(i32, Vec<Mark>)> {
        let oldest = self.days.first_entry().filter(|oldest| *oldest.key() <= day_max)?;
        let (day, Day { marks, .. }) = oldest.remove_entry();
        self.length -= marks.len();
        Some((day, marks))
    }

    /// Puts back a day as [`Self::days`] gave it.
    pub(super) fn restore_day(&mut self, day: i32, marks: Vec<Mark>) {
        self.length += marks.len();
        let replaced = self.days.insert(day, Day { compact_at: marks.len() * 2, marks });
        self.length -= replaced.map_or(0, |day| day.marks.len());
    }

    /// Days rising, each with its marks in order. Compact first.
    pub(super) fn days(&self) -> impl ExactSizeIterator<Item = (i32, &[Mark])> {
        self.days.iter().map(|(day, entry)| (*day, entry.marks.as_slice()))
    }

    /// Marks waiting, repeated ones included.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Heap bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.days.values().map(|day| day.marks.capacity() * size_of::<Mark>()).sum()
    }
}

impl Day {
    /// Sorts, makes distinct, keeps the smallest ranks of each key. Gives the number of marks that went.
    fn compact(&mut self, limits: &Limits) -> usize {
        let before = self.marks.len();
        // Stable, because it finds the sorted front of earlier compactions and only merges.
        self.marks.sort();
        self.marks.dedup();
        let mut key = None;
        let mut kept = 0;
        self.marks.retain(|mark| {
            if key != Some(mark.key) {
                key = Some(mark.key);
                kept = 0;
            }
            kept += 1;
            // One more than are counted exactly, as the sketch keeps.
            kept <= limits.members_max(mark.key.kind) + 1
        });
        self.compact_at = self.marks.len() * 2;
        before - self.marks.len()
    }

    /// Drops `count` marks from the end of the order mixed key, rank. Mixed, so that no tenant and no kind is
    /// the one that always loses.
    fn drop_greatest(&mut self, count: usize) {
        let kept = self.marks.len() - count;
        self.marks.sort_unstable_by_key(|mark| (mark.key.mixed(), mark.rank));
        self.marks.truncate(kept);
        self.marks.sort_unstable();
        self.compact_at = kept * 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ProfileKind;
    use super::*;

    const LIMITS: Limits = Limits {
        pending_marks_max: 40,
        pending_days_max: 3,
        users_members_max: 4,
        members_max: 2,
        ..Limits::DEFAULT
    };

    fn contribution(kind: ProfileKind, value: u32, day: i32, member: u32) -> Contribution {
        Contribution { key: ProfileKey { tenant: 1, kind, value }, day, member }
    }

    fn compacted(contributions: &[Contribution], limits: Limits) -> Vec<(i32, Vec<Mark>)> {
        let mut pending = Pending::new(limits);
        for contribution in contributions {
            pending.add(contribution, None);
            assert!(pending.len() <= 2 * limits.pending_marks_max);
        }
        pending.compact();
        pending.days().map(|(day, marks)| (day, marks.to_vec())).collect()
    }

    #[test]
    fn ranks_of_a_key_are_cut_by_kind() {
        for (kind, kept) in [(ProfileKind::Users, 5), (ProfileKind::City, 3)] {
            let all: Vec<_> = (0..10).map(|member| contribution(kind, 0, 5, member)).collect();
            let mut ranks: Vec<u32> = (0..10).map(rank).collect();
            ranks.sort_unstable();
            let days = compacted(&all, LIMITS);
            let marks: Vec<u32> = days[0].1.iter().map(|mark| mark.rank).collect();
            assert_eq!(marks, &ranks[..kept]);
        }
    }

    #[test]
    fn the_oldest_days_stay() {
        let all = [9, 5, 7, 3, 4, 8].map(|day| contribution(ProfileKind::City, 1, day, 1));
        let days: Vec<i32> = compacted(&all, LIMITS).iter().map(|(day, _)| *day).collect();
        assert_eq!(days, [3, 4, 5]);
    }

    #[test]
    fn the_newest_day_pays_for_the_mark_limit_and_it_is_counted() {
        let mut pending = Pending::new(LIMITS);
        for value in 0..30 {
            pending.add(&contribution(ProfileKind::City, value, 2, 1), None);
            pending.add(&contribution(ProfileKind::City, value, 1, 1), None);
        }
        pending.compact();
        let lengths: Vec<_> = pending.days().map(|(day, marks)| (day, marks.len())).collect();
        assert_eq!(lengths, [(1, 30), (2, 10)]);
        assert_eq!((pending.dropped, pending.len()), (20, 40));
    }

    #[test]
    fn what_can_count_on_no_later_day_is_refused() {
        for (day, expired) in [(41, 1), (42, 0), (100, 0)] {
            let mut pending = Pending::new(LIMITS);
            // The next view is of day 101.
            pending.add(&contribution(ProfileKind::City, 1, day, 1), Some(100));
            assert_eq!((pending.expired, pending.len()), (expired, 1 - expired as usize), "day {day}");
        }
    }

    #[test]
    fn repeated_contributions_need_no_memory() {
        let mut pending = Pending::new(Limits::DEFAULT);
        for member in 0..200_000 {
            pending.add(&contribution(ProfileKind::City, 1, 1, member % 50), None);
        }
        assert!(pending.len() <= COMPACT_MARKS_MIN);
        pending.compact();
        assert_eq!(pending.len(), 50);
        assert_eq!(pending.dropped, 0);
    }

    proptest! {
        #[test]
        fn what_is_kept_depends_on_the_set_only(
            marks in prop::collection::vec((0..6_i32, 0..12_u32, 0..8_u32, any::<bool>()), 0..300),
            seed in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let all: Vec<_> = marks.into_iter().map(|(day, value, member, users)| {
                contribution(if users { ProfileKind::Users } else { ProfileKind::City }, value, day, member)
            }).collect();
            let expected = compacted(&all, LIMITS);
            let mut other = all.clone();
            for index in seed {
                if !other.is_empty() {
                    let at = index.index(other.len());
                    let moved = other[at];
                    other.push(moved);
                    other.swap(0, at);
                }
            }
            prop_assert_eq!(&compacted(&other, LIMITS), &expected);
            other.reverse();
            prop_assert_eq!(&compacted(&other, LIMITS), &expected);
        }
    }
}
