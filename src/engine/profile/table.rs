//! What sign-ins see: for each key the set of members and two counts, of the current day and the day before.
//!
//! Read by many tasks at a time, written by one at day borders. Nothing that leaves this file depends on the order
//! in which the map is walked: sums do not, and everything else is sorted first.

use dashmap::DashMap;
use foldhash::fast::FixedState;

use super::pending::Mark;
use super::sketch::Sketch;
use super::{Limits, ProfileKey, ProfileKind};

/// Any fixed number: the hash only places keys in memory and is written nowhere.
const HASH_SEED: u64 = 0x5052_4f46_494c_4553;

/// One profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) sketch: Sketch,
    /// Members for sign-ins of the current day and later.
    pub(super) current: u32,
    /// Members for sign-ins of earlier days.
    pub(super) previous: u32,
}

/// All visible profiles.
#[derive(Debug)]
pub(super) struct Table {
    limits: Limits,
    profiles: DashMap<ProfileKey, Profile, FixedState>,
}

/// Keys and members of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) keys: usize,
    pub(super) members: usize,
    /// Heap bytes of the members.
    pub(super) bytes: usize,
}

pub(super) type Sizes = [Size; ProfileKind::ALL.len()];

impl Table {
    pub(super) fn new(limits: Limits) -> Table {
        Table { limits, profiles: DashMap::with_hasher(FixedState::with_seed(HASH_SEED)) }
    }

    /// Members of the current view, or of the previous one.
    pub(super) fn members(&self, key: &ProfileKey, current: bool) -> u32 {
        self.profiles.get(key).map_or(0, |profile| if current { profile.current } else { profile.previous })
    }

    /// Adds one day's marks, sorted and distinct.
    pub(super) fn merge(&self, day: i32, marks: &[Mark]) {
        for marks in marks.chunk_by(|a, b| a.key == b.key) {
            let Some(first) = marks.first() else { continue };
            let limit = self.limits.members_max(first.key.kind);
            let mut profile = self.profiles.entry(first.key).or_default();
            profile.sketch.merge(day, marks.iter().map(|mark| mark.rank), limit);
        }
    }

    /// Makes the current view the previous one and counts anew for `day`; keys nobody sees any more go.
    /// Gives the number of keys evicted by a limit.
    pub(super) fn step(&self, day: i32) -> u64 {
        self.profiles.retain(|key, profile| {
            profile.sketch.expire(day);
            profile.previous = profile.current;
            profile.current = profile.sketch.count(day, self.limits.members_max(key.kind));
            profile.current > 0 || profile.previous > 0
        });
        let sizes = self.sizes();
        ProfileKind::ALL
            .into_iter()
            .zip(sizes)
            .filter(|(_, size)| size.keys > self.limits.keys_max || size.members > self.limits.kept_members_max)
            .map(|(kind, size)| self.evict(kind, size))
            .sum()
    }

    /// Drops keys of `kind` until both limits hold: oldest last day first, then fewest members, then key order.
    fn evict(&self, kind: ProfileKind, size: Size) -> u64 {
        let mut candidates: Vec<_> = self
            .profiles
            .iter()
            .filter(|entry| entry.key().kind == kind)
            .filter_map(|entry| {
                let sketch = &entry.sketch;
                Some((sketch.last_day()?, entry.current, *entry.key(), sketch.members().len()))
            })
            .collect();
        candidates.sort_unstable();
        let Size { mut keys, mut members, .. } = size;
        let mut evicted = 0;
        for (_, _, key, key_members) in candidates {
            if keys <= self.limits.keys_max && members <= self.limits.kept_members_max {
                break;
            }
            self.profiles.remove(&key);
            keys -= 1;
            members -= key_members;
            evicted += 1;
        }
        evicted
    }

    /// Sizes by kind. A key whose members have all expired, and that only the previous view knows, is no key here:
    /// it goes at the next step, and limits must not depend on whether that day was stepped on or jumped over.
    pub(super) fn sizes(&self) -> Sizes {
        let mut sizes = Sizes::default();
        for entry in &self.profiles {
            let size = &mut sizes[entry.key().kind as usize];
            size.keys += usize::from(!entry.sketch.members().is_empty());
            size.members += entry.sketch.members().len();
            size.bytes += entry.sketch.bytes();
        }
        sizes
    }

    /// Bytes held: members, and slots by the map's capacity.
    pub(super) fn bytes(&self, sizes: &Sizes) -> usize {
        // One control byte a slot.
        let slot_bytes = size_of::<(ProfileKey, Profile)>() + 1;
        self.profiles.capacity() * slot_bytes + sizes.iter().map(|size| size.bytes).sum::<usize>()
    }

    /// Keys in order, for output.
    pub(super) fn sorted_keys(&self) -> Vec<ProfileKey> {
        let mut keys: Vec<ProfileKey> = self.profiles.iter().map(|entry| *entry.key()).collect();
        keys.sort_unstable();
        keys
    }

    /// Calls `read` with the profile of `key`.
    pub(super) fn read<T>(&self, key: &ProfileKey, read: impl FnOnce(&Profile) -> T) -> Option<T> {
        self.profiles.get(key).map(|profile| read(&profile))
    }

    /// Puts back a profile; its current count is made anew for `day`.
    pub(super) fn restore(&self, key: ProfileKey, sketch: Sketch, previous: u32, day: i32) {
        let current = sketch.count(day, self.limits.members_max(key.kind));
        self.profiles.insert(key, Profile { sketch, current, previous });
    }

    /// Becomes another table.
    pub(super) fn replace(&self, other: Table) {
        self.profiles.clear();
        for (key, profile) in other.profiles {
            self.profiles.insert(key, profile);
        }
    }
}
