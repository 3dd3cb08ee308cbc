//! The users of one task: some unpacked and ready (hot), all others packed (cold).
//!
//! Whether a user is hot never changes a result: packing is exact, and what is not packed is rebuilt. Nor does the
//! order of any table: visits and forgetting go by key and event time.

mod shared;

use std::collections::BinaryHeap;
use std::hash::BuildHasher;

use hashbrown::HashTable;

use self::shared::Shared;
use super::codec::{self, StateCodecError};
use super::record::UserRecord;
use crate::engine::hash::UserKey;
use crate::engine::rules::Rules;
use crate::engine::signin::EventTime;

/// Part of `users_max` that is forgotten at once when it is reached, as forgetting looks at every user.
const FORGOTTEN_PART: usize = 64;
/// Parts of the index. Each grows on its own, so that growing never needs twice the memory of the whole.
const SHARDS: usize = 256;
const KEY_BYTES: usize = 16;

/// Where a user is: the three high bits say how, the others which.
type Place = u32;
const HOT: Place = 1 << 31;
/// Cold, with a tail.
const TAIL: Place = 1 << 30;
/// Cold, with a risk that ages.
const AGES: Place = 1 << 29;
const NUMBER: Place = AGES - 1;

struct Hot {
    key: UserKey,
    /// Used since the hand passed last (CLOCK: Corbató 1968).
    used: bool,
    record: UserRecord,
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

/// Every user of a task.
pub struct UserStore {
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

fn packed_key(packed: &[u8]) -> UserKey {
    UserKey(packed.first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes)))
}

fn packed_body(packed: &[u8]) -> &[u8] {
    packed.get(KEY_BYTES..).unwrap_or_default()
}

impl UserStore {
    /// At least one user is kept, and one hot.
    pub fn new(hot_users_max: usize, users_max: usize) -> UserStore {
        UserStore {
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

    /// The user's record, made new if unknown. The flag says whether it is new. Users who are forgotten for a new one
    /// are appended to `forgotten`, the longest unseen first.
    pub fn get_or_insert(
        &mut self,
        key: UserKey,
        rules: &Rules,
        forgotten: &mut Vec<UserKey>,
    ) -> (&mut UserRecord, bool) {
        let (number, is_new) = match self.find(key) {
            Some(place) if place & HOT != 0 => ((place & NUMBER) as usize, false),
            Some(_) => (self.warm(key, rules), false),
            None => {
                self.make_room(rules, forgotten);
                let number = self.claim_hot();
                *self.hot[number] = Hot { key, used: true, record: UserRecord::default() };
                self.insert(key, HOT | number as Place);
                (number, true)
            }
        };
        let hot = &mut self.hot[number];
        hot.used = true;
        (&mut hot.record, is_new)
    }

    /// Calls `visit` for every user whom time alone changes, by rising key: with a tail, or with a risk that ages.
    pub fn for_each_unsettled(&mut self, rules: &Rules, mut visit: impl FnMut(UserKey, &mut UserRecord)) {
        for key in self.sorted_keys(|store, place| match place & HOT {
            0 => place & (TAIL | AGES) != 0,
            _ => {
                let record = &store.hot[(place & NUMBER) as usize].record;
                !record.tail.is_empty() || record.settled.risk_ages()
            }
        }) {
            self.change(key, rules, |record| visit(key, record));
        }
    }

    /// Every user's state as [`codec::encode`] writes it, by rising key.
    pub fn export(&mut self, rules: &Rules) -> impl Iterator<Item = (UserKey, Vec<u8>)> {
        let keys = self.sorted_keys(|_, _| true);
        keys.into_iter().filter_map(|key| {
            let mut bytes = Vec::new();
            self.export_user(key, rules, &mut bytes).then_some((key, bytes))
        })
    }

    /// Appends one user's state as [`codec::encode`] writes it; false when the user is unknown. A hot user is not
    /// packed for it, and a cold one does not become hot.
    pub fn export_user(&mut self, key: UserKey, rules: &Rules, into: &mut Vec<u8>) -> bool {
        self.look_at(key, rules, |record| codec::encode(record, into)).is_some()
    }

    /// What `look` gives of a user's record; `None` when the user is unknown. Who is hot stays so.
    pub fn look_at<T>(&mut self, key: UserKey, rules: &Rules, look: impl FnOnce(&UserRecord) -> T) -> Option<T> {
        self.change(key, rules, |record| look(record))
    }

    /// Lets `change` at one user's record; `None` when the user is unknown. Who is hot stays so.
    pub fn change<T>(
        &mut self,
        key: UserKey,
        rules: &Rules,
        change: impl FnOnce(&mut UserRecord) -> T,
    ) -> Option<T> {
        let place = self.find(key)?;
        if place & HOT != 0 {
            return Some(change(&mut self.hot[(place & NUMBER) as usize].record));
        }
        let mut record = self.unpack(place, rules);
        let given = change(&mut record);
        self.repack(key, place, &record);
        Some(given)
    }

    /// Calls `look` for every user, by rising key.
    pub fn for_each(&mut self, rules: &Rules, mut look: impl FnMut(UserKey, &UserRecord)) {
        for key in self.sorted_keys(|_, _| true) {
            self.look_at(key, rules, |record| look(key, record));
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
            let record = std::mem::take(&mut self.hot[number].record);
            let place = self.pack(key, &record);
            self.move_user(key, HOT | number as Place, place);
            self.hot.pop();
        }
        self.hand = 0;
        self.hot.iter_mut().for_each(|hot| hot.record.fold_again(rules));
    }

    /// Takes a user as [`codec::encode`] wrote it, in place of what was known of the same user; never forgets
    /// another one for it.
    ///
    /// # Errors
    /// When the bytes are no user state; then nothing changes.
    pub fn import(&mut self, key: UserKey, bytes: &[u8], rules: &Rules) -> Result<(), StateCodecError> {
        let record = codec::decode(bytes, rules)?;
        match self.find(key) {
            Some(place) if place & HOT != 0 => self.hot[(place & NUMBER) as usize].record = record,
            Some(place) => {
                // Gives back what the old state shares.
                self.unpack(place, rules);
                self.repack(key, place, &record);
            }
            None => {
                let place = self.pack(key, &record);
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
        if place & HOT != 0 { hot[number].key } else { packed_key(&cold[number]) }
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
            let record = self.unpack(place, rules);
            *self.hot[number] = Hot { key, used: true, record };
            self.move_user(key, place, HOT | number as Place);
        }
        number
    }

    /// A place among the hot that is nobody's; the hot user not used for longest, roughly, is packed for it.
    fn claim_hot(&mut self) -> usize {
        if self.hot.len() < self.hot_max {
            self.hot.push(Box::new(Hot { key: UserKey(0), used: false, record: UserRecord::default() }));
            return self.hot.len() - 1;
        }
        let number = loop {
            self.hand = (self.hand + 1) % self.hot.len();
            if !std::mem::take(&mut self.hot[self.hand].used) {
                break self.hand;
            }
        };
        let key = self.hot[number].key;
        let record = std::mem::take(&mut self.hot[number].record);
        let place = self.pack(key, &record);
        self.move_user(key, HOT | number as Place, place);
        number
    }

    /// Packs a record; the caller says in the index where.
    fn pack(&mut self, key: UserKey, record: &UserRecord) -> Place {
        self.scratch.clear();
        self.scratch.extend_from_slice(&key.0.to_le_bytes());
        codec::encode_body(record, &mut self.shared, &mut self.scratch);
        self.packed_bytes += self.scratch.len();
        let number = self.free.pop().unwrap_or(self.cold.len() as u32);
        let packed: Box<[u8]> = self.scratch.as_slice().into();
        match self.cold.get_mut(number as usize) {
            Some(free) => *free = packed,
            None => self.cold.push(packed),
        }
        let tail = if record.tail.is_empty() { 0 } else { TAIL };
        let ages = if record.settled.risk_ages() { AGES } else { 0 };
        tail | ages | number
    }

    /// Takes a record out of the cold ones; the index still names its place.
    fn unpack(&mut self, place: Place, rules: &Rules) -> UserRecord {
        let number = place & NUMBER;
        let packed = std::mem::take(&mut self.cold[number as usize]);
        self.free.push(number);
        self.packed_bytes -= packed.len();
        codec::decode_body(packed_body(&packed), &mut self.shared, rules).expect("this store packed it")
    }

    /// Packs a record that was just unpacked.
    fn repack(&mut self, key: UserKey, from: Place, record: &UserRecord) {
        let to = self.pack(key, record);
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
            return codec::newest_time(&self.hot[number].record);
        }
        codec::newest_time_of_body(packed_body(&self.cold[number])).unwrap_or(EventTime::MIN)
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

#[cfg(test)]
mod tests;
