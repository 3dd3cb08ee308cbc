//! The set of members of one profile: exact while small, a k-minimum-values estimate beyond.
//!
//! A member is kept as its *rank*, a bijective mix of its 32-bit hash, with the last day it was seen. With
//! K = limit + 1, a member is kept unless K others have a smaller rank and were seen on the same day or later (the
//! K-skyband of rank and day). So the K smallest ranks among the members active on *any* later day are always
//! there, and expiry needs no correction. Merging is commutative, associative and idempotent.
//!
//! At most K members are kept for each day of the window; with *n* members evenly spread over it about
//! K · (1 + ln(n / K)) in all, and little more than K where most members come every few days.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::MEMBER_DAYS_MAX;

/// One member of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) rank: u32,
    pub(super) last_day: i32,
}

/// Members by rising rank, each rank once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sketch {
    members: Vec<Member>,
}

/// Rank of a member: the finalizer of MurmurHash3 (Appleby, public domain), a bijection of 32 bits, so that equal
/// ranks are equal members, and ranks are even also where the members' hashes are not. Written into state.
pub(super) fn rank(member: u32) -> u32 {
    let mut rank = member;
    rank = (rank ^ (rank >> 16)).wrapping_mul(0x85eb_ca6b);
    rank = (rank ^ (rank >> 13)).wrapping_mul(0xc2b2_ae35);
    rank ^ (rank >> 16)
}

/// True while a member last seen on `last_day` counts for a sign-in of `day`.
fn is_active(last_day: i32, day: i32) -> bool {
    day.saturating_sub(last_day) < MEMBER_DAYS_MAX
}

impl Sketch {
    /// From members as [`Self::members`] gave them; `None` unless their ranks rise strictly.
    pub(super) fn from_members(members: Vec<Member>) -> Option<Sketch> {
        members.is_sorted_by(|a, b| a.rank < b.rank).then_some(Sketch { members })
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Heap bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.members.capacity() * size_of::<Member>()
    }

    /// Newest day any member was seen.
    pub(super) fn last_day(&self) -> Option<i32> {
        self.members.iter().map(|member| member.last_day).max()
    }

    /// Adds the members of one day, by rising rank. `limit` = members counted exactly.
    pub(super) fn merge(&mut self, day: i32, ranks: impl Iterator<Item = u32>, limit: usize) {
        let known = self.members.len();
        let mut start = 0;
        for rank in ranks {
            // Both sides rise: the search goes on where the last one ended.
            match self.members[start..known].binary_search_by_key(&rank, |member| member.rank) {
                Ok(at) => {
                    start += at;
                    let member = &mut self.members[start];
                    member.last_day = member.last_day.max(day);
                }
                Err(at) => {
                    start += at;
                    self.members.push(Member { rank, last_day: day });
                }
            }
        }
        self.members.sort_unstable_by_key(|member| member.rank);
        self.keep_skyband(limit + 1);
    }

    /// Drops members that `kept` others precede in rank and follow, or equal, in day.
    fn keep_skyband(&mut self, kept: usize) {
        if self.members.len() <= kept {
            return;
        }
        // The `kept` newest days among the smaller ranks. Dropped members need no place in it: whatever they
        // dominate, those that dominate them do too.
        let mut newest_days = BinaryHeap::with_capacity(kept + 1);
        self.members.retain(|member| {
            if newest_days.len() == kept {
                if newest_days.peek().is_some_and(|Reverse(oldest)| *oldest >= member.last_day) {
                    return false;
                }
                newest_days.pop();
            }
            newest_days.push(Reverse(member.last_day));
            true
        });
    }

    /// Drops members that count on `day` no longer, and with it on no later day.
    pub(super) fn expire(&mut self, day: i32) {
        self.members.retain(|member| is_active(member.last_day, day));
        if self.members.len() < self.members.capacity() / 4 {
            self.members.shrink_to_fit();
        }
    }

    /// Distinct members that count on `day`: exact up to `limit`, else the unbiased estimate (K − 1) / U, where
    /// K = `limit` + 1 and U is the K-th smallest rank as a share of all ranks. Relative standard error about
    /// 1 / √(K − 2): 13 % at 64 members, 3 % at 1,024. The minimum-values idea is Bar-Yossef et al., "Counting
    /// distinct elements in a data stream" (2002); the unbiased form and its error are Beyer et al., "On synopses
    /// for distinct-value estimation under multiset operations" (2007).
    pub(super) fn count(&self, day: i32, limit: usize) -> u32 {
        let mut active = self.members.iter().filter(|member| is_active(member.last_day, day));
        let exact = active.by_ref().take(limit).count();
        match active.next() {
            None => u32::try_from(exact).unwrap_or(u32::MAX),
            Some(member) => {
                let estimate = ((limit as u64) << 32) / (u64::from(member.rank) + 1);
                // There are at least K: every one of them was seen.
                u32::try_from(estimate.max(limit as u64 + 1)).unwrap_or(u32::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn sketch(contributions: &[(i32, u32)], limit: usize) -> Sketch {
        let mut sketch = Sketch::default();
        for (day, member) in contributions {
            sketch.merge(*day, std::iter::once(rank(*member)), limit);
        }
        sketch
    }

    /// The definition, without any dropping: all members that are active, smallest ranks first.
    fn count_of_all(contributions: &[(i32, u32)], day: i32, limit: usize) -> u32 {
        let mut last_days = BTreeMap::new();
        for (day, member) in contributions {
            let last = last_days.entry(rank(*member)).or_insert(*day);
            *last = (*last).max(*day);
        }
        let active: Vec<u32> =
            last_days.iter().filter(|(_, last)| day - **last < MEMBER_DAYS_MAX).map(|(rank, _)| *rank).collect();
        match active.get(limit) {
            None => active.len() as u32,
            Some(rank) => (((limit as u64) << 32) / (u64::from(*rank) + 1)).max(limit as u64 + 1) as u32,
        }
    }

    #[test]
    fn rank_is_a_bijection_of_known_values() {
        // Published test values of fmix32.
        assert_eq!(rank(0), 0);
        assert_eq!(rank(1), 0x514e_28b7);
        let mut ranks: Vec<u32> = (0..100_000).map(rank).collect();
        ranks.sort_unstable();
        ranks.dedup();
        assert_eq!(ranks.len(), 100_000);
    }

    #[test]
    fn count_is_exact_up_to_the_limit() {
        for members in [0, 1, 63, 64] {
            let all: Vec<_> = (0..members).map(|member| (10, member)).collect();
            assert_eq!(sketch(&all, 64).count(12, 64), members);
        }
        let over: Vec<_> = (0..65).map(|member| (10, member)).collect();
        assert!(sketch(&over, 64).count(12, 64) >= 65);
    }

    #[test]
    fn estimate_is_near_the_truth() {
        // Four standard errors: 1 / √(limit − 1).
        for (members, limit, tolerance) in [(1_000, 64, 0.5), (50_000, 64, 0.5), (50_000, 1_024, 0.125)] {
            let mut ranks: Vec<u32> = (0..members).map(rank).collect();
            ranks.sort_unstable();
            let mut sketch = Sketch::default();
            sketch.merge(10, ranks.into_iter(), limit);
            let count = f64::from(sketch.count(12, limit));
            let truth = f64::from(members);
            assert!((count - truth).abs() < tolerance * truth, "{count} of {truth} with {limit}");
            assert_eq!(sketch.members().len(), limit + 1);
        }
    }

    #[test]
    fn estimate_follows_a_shrinking_set() {
        // 20,000 members once; 100 and 10 of them go on coming. The rest expires; the estimate must not stay
        // with the ranks that were smallest when the set was large.
        let mut sketch = Sketch::default();
        let mut all: Vec<u32> = (0..20_000).map(rank).collect();
        all.sort_unstable();
        sketch.merge(0, all.into_iter(), 64);
        for (from, members, expected) in [(1, 100, 65..=160), (100, 10, 10..=10)] {
            let mut some: Vec<u32> = (0..members).map(rank).collect();
            some.sort_unstable();
            for day in from..from + 70 {
                sketch.merge(day, some.iter().copied(), 64);
                sketch.expire(day + 2);
            }
            let count = sketch.count(from + 71, 64);
            assert!(expected.contains(&count), "{count} of {members}");
        }
    }

    #[test]
    fn a_member_counts_until_it_is_unseen_for_the_limit() {
        let sketch = sketch(&[(10, 7)], 64);
        assert_eq!(sketch.count(10 + MEMBER_DAYS_MAX - 1, 64), 1);
        assert_eq!(sketch.count(10 + MEMBER_DAYS_MAX, 64), 0);
    }

    #[test]
    fn members_are_bounded_by_limit_and_days() {
        // The worst order: every newer member has a greater rank, so that nobody dominates.
        let mut members: Vec<u32> = (0..2_000).map(rank).collect();
        members.sort_unstable();
        let mut sketch = Sketch::default();
        for (day, chunk) in members.chunks(20).enumerate() {
            sketch.merge(day as i32, chunk.iter().copied(), 4);
            sketch.expire(day as i32 + 2);
            assert!(sketch.members().len() <= 5 * MEMBER_DAYS_MAX as usize);
        }
        assert!(sketch.members().len() > 5 * 50);
    }

    proptest! {
        #[test]
        fn dropping_and_order_change_nothing(
            contributions in prop::collection::vec((0..100_i32, 0..60_u32), 0..300),
            limit in 1..8_usize,
            late in 0..80_i32,
            cut in 0..300_usize,
        ) {
            let day = 102 + late;
            let forward = sketch(&contributions, limit);
            let mut backward = contributions.clone();
            backward.reverse();
            backward.extend(contributions.iter().take(cut));
            prop_assert_eq!(&sketch(&backward, limit), &forward);
            prop_assert_eq!(forward.count(day, limit), count_of_all(&contributions, day, limit));

            // Two sketches of parts, merged, are the sketch of the whole.
            let (left, right) = contributions.split_at(cut.min(contributions.len()));
            let mut merged = sketch(left, limit);
            for member in sketch(right, limit).members() {
                merged.merge(member.last_day, std::iter::once(member.rank), limit);
            }
            prop_assert_eq!(&merged, &forward);

            let mut expired = forward.clone();
            expired.expire(day);
            prop_assert_eq!(expired.count(day, limit), forward.count(day, limit));
        }
    }
}
