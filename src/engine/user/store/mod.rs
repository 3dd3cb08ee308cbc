//! The users of one task: some unpacked and ready (hot), all others packed (cold).
//!
//! Whether a user is hot never changes a result: packing is exact, and what is not packed is rebuilt. Nor does the
//! order of any table: visits and forgetting go by key and event time.

mod packed;
mod shared;

use std::collections::BinaryHeap;
use std::hash::BuildHasher;

use hashbrown::HashTable;

use self::shared::Shared;
use super::branches::{Branch, Branches};
use super::codec::{self, StateCodecError};
use super::record::UserRecord;
use crate::engine::hash::UserKey;
use crate::engine::rules::Rules;
use crate::engine::signin::EventTime;
use crate::engine::variants::Variants;

/// Part of `users_max` that is forgotten at once when it is reached, as forgetting looks at every user.
const FORGOTTEN_PART: usize = 64;
/// Parts of the index. Each grows on its own, so that growing never needs twice the memory of the whole.
const SHARDS: usize = 256;

/// Where a user is: the four high bits say how, the others which.
type Place = u32;
const HOT: Place = 1 << 31;
/// Cold, with a tail.
const TAIL: Place = 1 << 30;
/// Cold, with a risk that ages.
const AGES: Place = 1 << 29;
/// Cold, and not one record for all variants.
const PARTED: Place = 1 << 28;
const NUMBER: Place = PARTED - 1;

struct Hot {
    key: UserKey,
    /// Used since the hand passed last (CLOCK: Corbató 1968).
    used: bool,
    branches: Branches,
}

impl Hot {
    fn new(key: UserKey) -> Hot {
        Hot { key, used: true, branches: Branches::default() }
    }
}

/// Figures for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreStats {
    pub users: usize,
    pub hot: usize,
    /// Bytes of packed users, keys included.
    pub packed_bytes: usize,
    /// Distinct places, agents and organisations that packed users share.
    pub shared: usize,
}

/// Takes a user's state, which is that of some variants; what it fails with ends an export.
pub type PutState<'a, E> = dyn FnMut(UserKey, Variants, &[u8]) -> Result<(), E> + 'a;

/// Every user of a task.
pub struct UserStore {
    /// All variants of the engine.
    variants: Variants,
    hot_max: usize,
    users_max: usize,
    index: Vec<HashTable<Place>>,
    users: usize,
    #[expect(
        clippy::vec_box,
        reason = "a record is some kilobytes: moving them to grow would cost a copy of all"
    )]
    hot: Vec<Box<Hot>>,
    hand: usize,
    /// Key, then the body of [`codec`]; empty = free.
    cold: Vec<Box<[u8]>>,
    free: Vec<u32>,
    packed_bytes: usize,
    shared: Shared,
    /// Reused for packing.
    scratch: Vec<u8>,
}

fn hash(key: UserKey) -> u64 {
    foldhash::quality::FixedState::default().hash_one(key.0)
}

fn shard(hash: u64) -> usize {
    // The table itself uses the lowest and the highest bits.
    (hash >> 40) as usize % SHARDS
}

impl UserStore {
    /// At least one user is kept, and one hot.
    pub fn new(hot_users_max: usize, users_max: usize, variants: Variants) -> UserStore {
        UserStore {
            variants,
            hot_max: hot_users_max.clamp(1, NUMBER as usize),
            users_max: users_max.clamp(1, NUMBER as usize),
            index: (0..SHARDS).map(|_| HashTable::new()).collect(),
            users: 0,
            hot: Vec::new(),
            hand: 0,
            cold: Vec::new(),
            free: Vec::new(),
            packed_bytes: 0,
            shared: Shared::default(),
            scratch: Vec::new(),
        }
    }

    /// The user's records, made new for the variants that do not know him, which are given. Users who are forgotten for a
    /// new one are appended to `forgotten`, the longest unseen first.
    pub fn get_or_insert(
        &mut self,
        key: UserKey,
        rules: &Rules,
        forgotten: &mut Vec<UserKey>,
    ) -> (&mut Branches, Variants) {
        let number = match self.find(key) {
            Some(place) if place & HOT != 0 => (place & NUMBER) as usize,
            Some(_) => self.warm(key, rules),
            None => {
                self.make_room(rules, forgotten);
                let number = self.claim_hot();
                *self.hot[number] = Hot::new(key);
                self.insert(key, HOT | number as Place);
                number
            }
        };
        let hot = &mut self.hot[number];
        hot.used = true;
        let new = self.variants.without(hot.branches.variants());
        hot.branches.welcome(new);
        (&mut hot.branches, new)
    }

    /// Calls `visit` for every user whom time alone changes, by rising key: with a tail, or with a risk that ages.
    pub fn for_each_unsettled(&mut self, rules: &Rules, mut visit: impl FnMut(UserKey, &mut Branches)) {
        for key in self.sorted_keys(|store, place| match place & HOT {
            0 => place & (TAIL | AGES) != 0,
            _ => store.hot[(place & NUMBER) as usize].branches.iter().any(|branch| is_unsettled(&branch.record)),
        }) {
            self.change(key, rules, |branches| visit(key, branches));
        }
    }

    /// Gives every user's state as [`codec::encode`] writes it, by rising key: once for all variants to whom it is the same.
    ///
    /// # Errors
    /// Those of `put`, which ends it.
    pub fn export_branches<E>(&mut self, rules: &Rules, put: &mut PutState<'_, E>) -> Result<(), E> {
        let mut bytes = Vec::new();
        for key in self.sorted_keys(|_, _| true) {
            let given = self.change(key, rules, |branches| {
                branches.iter().try_for_each(|branch| {
                    bytes.clear();
                    codec::encode(&branch.record, &mut bytes);
                    put(key, branch.variants, &bytes)
                })
            });
            given.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    /// Every user's state as a variant has it and [`codec::encode`] writes it, by rising key.
    pub fn export(&mut self, variant: usize, rules: &Rules) -> impl Iterator<Item = (UserKey, Vec<u8>)> {
        let keys = self.sorted_keys(|_, _| true);
        keys.into_iter().filter_map(move |key| {
            let mut bytes = Vec::new();
            self.export_user(variant, key, rules, &mut bytes).then_some((key, bytes))
        })
    }

    /// Appends one user's state as [`codec::encode`] writes it; false when the variant does not know the user. A hot user
    /// is not packed for it, and a cold one does not become hot.
    pub fn export_user(&mut self, variant: usize, key: UserKey, rules: &Rules, into: &mut Vec<u8>) -> bool {
        self.look_at(variant, key, rules, |record| codec::encode(record, into)).is_some()
    }

    /// What `look` gives of a user's record; `None` when the variant does not know the user. Who is hot stays so.
    pub fn look_at<T>(
        &mut self,
        variant: usize,
        key: UserKey,
        rules: &Rules,
        look: impl FnOnce(&UserRecord) -> T,
    ) -> Option<T> {
        self.change(key, rules, |branches| branches.record(variant).map(look)).flatten()
    }

    /// Lets `change` at one user's records; `None` when the user is unknown. Who is hot stays so.
    pub fn change<T>(
        &mut self,
        key: UserKey,
        rules: &Rules,
        change: impl FnOnce(&mut Branches) -> T,
    ) -> Option<T> {
        let place = self.find(key)?;
        if place & HOT != 0 {
            return Some(change(&mut self.hot[(place & NUMBER) as usize].branches));
        }
        let mut branches = self.unpack(place, rules);
        let given = change(&mut branches);
        self.repack(key, place, &branches);
        Some(given)
    }

    /// Calls `look` for every user a variant knows, by rising key.
    pub fn for_each(&mut self, variant: usize, rules: &Rules, mut look: impl FnMut(UserKey, &UserRecord)) {
        for key in self.sorted_keys(|_, _| true) {
            self.look_at(variant, key, rules, |record| look(key, record));
        }
    }

    /// Goes on under other rules and limits. Hot users' tails are folded again, as those of cold users will be when
    /// they are unpacked. Above a lower `users_max` users are forgotten when the next new one comes.
    pub fn reconfigure(&mut self, hot_users_max: usize, users_max: usize, rules: &Rules) {
        self.hot_max = hot_users_max.clamp(1, NUMBER as usize);
        self.users_max = users_max.clamp(1, NUMBER as usize);
        while self.hot.len() > self.hot_max {
            let number = self.hot.len() - 1;
            let key = self.hot[number].key;
            let branches = std::mem::take(&mut self.hot[number].branches);
            let place = self.pack(key, &branches);
            self.move_user(key, HOT | number as Place, place);
            self.hot.pop();
        }
        self.hand = 0;
        for hot in &mut self.hot {
            hot.branches.iter_mut().for_each(|branch| branch.record.fold_again(rules));
        }
    }

    /// Takes a user as [`codec::encode`] wrote it, in place of what the variants knew of the same user; never forgets
    /// another one for it.
    ///
    /// # Errors
    /// When the bytes are no user state; then nothing changes.
    pub fn import(
        &mut self,
        variants: Variants,
        key: UserKey,
        bytes: &[u8],
        rules: &Rules,
    ) -> Result<(), StateCodecError> {
        let branch = Branch { variants, record: codec::decode(bytes, rules)? };
        match self.find(key) {
            Some(_) => {
                self.change(key, rules, |branches| branches.put(branch));
            }
            None => {
                let place = self.pack(key, &Branches::new(branch));
                self.insert(key, place);
            }
        }
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.users
    }

    pub fn is_empty(&self) -> bool {
        self.users == 0
    }

    pub fn stats(&self) -> StoreStats {
        StoreStats {
            users: self.users,
            hot: self.hot.len(),
            packed_bytes: self.packed_bytes,
            shared: self.shared.len(),
        }
    }

    /// Estimated heap bytes, without what hot records point to.
    pub fn bytes(&self) -> usize {
        let index: usize = self.index.iter().map(HashTable::allocation_size).sum();
        index
            + self.packed_bytes
            + self.cold.capacity() * size_of::<Box<[u8]>>()
            + self.hot.len() * size_of::<Hot>()
    }

    fn key_at(hot: &[Box<Hot>], cold: &[Box<[u8]>], place: Place) -> UserKey {
        let number = (place & NUMBER) as usize;
        if place & HOT != 0 { hot[number].key } else { packed::key(&cold[number]) }
    }

    fn find(&self, key: UserKey) -> Option<Place> {
        let hash = hash(key);
        let is_key = |place: &Place| UserStore::key_at(&self.hot, &self.cold, *place) == key;
        self.index[shard(hash)].find(hash, is_key).copied()
    }

    fn insert(&mut self, key: UserKey, place: Place) {
        let (hot, cold) = (&self.hot, &self.cold);
        let hash_at = |place: &Place| hash(UserStore::key_at(hot, cold, *place));
        let hash = hash(key);
        self.index[shard(hash)].insert_unique(hash, place, hash_at);
        self.users += 1;
    }

    /// Notes that a user is somewhere else now. No other user may have its old place yet.
    fn move_user(&mut self, key: UserKey, from: Place, to: Place) {
        let hash = hash(key);
        if let Some(place) = self.index[shard(hash)].find_mut(hash, |place| *place == from) {
            *place = to;
        }
    }

    /// Unpacks a cold user among the hot.
    fn warm(&mut self, key: UserKey, rules: &Rules) -> usize {
        let number = self.claim_hot();
        // Only now: making place may have packed another one.
        if let Some(place) = self.find(key) {
            let branches = self.unpack(place, rules);
            *self.hot[number] = Hot { branches, ..Hot::new(key) };
            self.move_user(key, place, HOT | number as Place);
        }
        number
    }

    /// A place among the hot that is nobody's; the hot user not used for longest, roughly, is packed for it.
    fn claim_hot(&mut self) -> usize {
        if self.hot.len() < self.hot_max {
            self.hot.push(Box::new(Hot::new(UserKey(0))));
            return self.hot.len() - 1;
        }
        let number = loop {
            self.hand = (self.hand + 1) % self.hot.len();
            if !std::mem::take(&mut self.hot[self.hand].used) {
                break self.hand;
            }
        };
        let key = self.hot[number].key;
        let branches = std::mem::take(&mut self.hot[number].branches);
        let place = self.pack(key, &branches);
        self.move_user(key, HOT | number as Place, place);
        number
    }

    /// Packs a user's records; the caller says in the index where.
    fn pack(&mut self, key: UserKey, branches: &Branches) -> Place {
        let parted = packed::put(key, branches, self.variants, &mut self.shared, &mut self.scratch);
        self.packed_bytes += self.scratch.len();
        let number = self.free.pop().unwrap_or(self.cold.len() as u32);
        let packed: Box<[u8]> = self.scratch.as_slice().into();
        match self.cold.get_mut(number as usize) {
            Some(free) => *free = packed,
            None => self.cold.push(packed),
        }
        let any = |is: fn(&UserRecord) -> bool, place| {
            if branches.iter().any(|branch| is(&branch.record)) { place } else { 0 }
        };
        let tail = any(|record| !record.tail.is_empty(), TAIL);
        let ages = any(|record| record.settled.risk_ages(), AGES);
        tail | ages | if parted { PARTED } else { 0 } | number
    }

    /// Takes a user's records out of the cold ones; the index still names their place.
    fn unpack(&mut self, place: Place, rules: &Rules) -> Branches {
        let number = place & NUMBER;
        let packed = std::mem::take(&mut self.cold[number as usize]);
        self.free.push(number);
        self.packed_bytes -= packed.len();
        let variants = (place & PARTED == 0).then_some(self.variants);
        packed::take(&packed, variants, &mut self.shared, rules).expect("this store packed it")
    }

    /// Packs records that were just unpacked.
    fn repack(&mut self, key: UserKey, from: Place, branches: &Branches) {
        let to = self.pack(key, branches);
        self.move_user(key, from, to);
    }

    fn sorted_keys(&self, choose: impl Fn(&UserStore, Place) -> bool) -> Vec<UserKey> {
        let places = self.index.iter().flatten().filter(|place| choose(self, **place));
        let mut keys: Vec<UserKey> =
            places.map(|place| UserStore::key_at(&self.hot, &self.cold, *place)).collect();
        keys.sort_unstable();
        keys
    }

    /// Forgets users whose newest event is oldest (then: smallest key) if there is no room for one more.
    fn make_room(&mut self, rules: &Rules, forgotten: &mut Vec<UserKey>) {
        if self.users < self.users_max {
            return;
        }
        let count = (self.users_max / FORGOTTEN_PART).max(1) + (self.users - self.users_max);
        let mut oldest: BinaryHeap<(EventTime, UserKey)> = BinaryHeap::with_capacity(count + 1);
        for place in self.index.iter().flatten() {
            let user = (self.newest_time(*place), UserStore::key_at(&self.hot, &self.cold, *place));
            if oldest.len() < count {
                oldest.push(user);
            } else if let Some(mut newest_of_them) = oldest.peek_mut()
                && user < *newest_of_them
            {
                *newest_of_them = user;
            }
        }
        for (_, key) in oldest.into_sorted_vec() {
            self.forget(key, rules);
            forgotten.push(key);
        }
    }

    fn newest_time(&self, place: Place) -> EventTime {
        let number = (place & NUMBER) as usize;
        if place & HOT != 0 {
            let times = self.hot[number].branches.iter().map(|branch| codec::newest_time(&branch.record));
            return times.max().unwrap_or(EventTime::MIN);
        }
        packed::newest_time(&self.cold[number], place & PARTED != 0)
    }

    /// Does nothing when the user is unknown.
    pub fn forget(&mut self, key: UserKey, rules: &Rules) {
        let Some(place) = self.find(key) else { return };
        let hash = hash(key);
        if let Ok(entry) = self.index[shard(hash)].find_entry(hash, |known| *known == place) {
            entry.remove();
            self.users -= 1;
        }
        if place & HOT == 0 {
            self.unpack(place, rules);
            return;
        }
        let number = (place & NUMBER) as usize;
        self.hot.swap_remove(number);
        self.hand = 0;
        if let Some(moved) = self.hot.get(number) {
            self.move_user(moved.key, HOT | self.hot.len() as Place, place);
        }
    }
}

/// May time alone change it?
fn is_unsettled(record: &UserRecord) -> bool {
    !record.tail.is_empty() || record.settled.risk_ages()
}

#[cfg(test)]
mod tests;
