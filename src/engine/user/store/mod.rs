//! The users of one task. For now every user is kept unpacked.

use hashbrown::HashMap;

use super::record::UserRecord;
use crate::engine::hash::UserKey;
use crate::engine::out::Counts;
use crate::engine::rules::Rules;

/// Every user of a task.
pub struct UserStore {
    users: HashMap<UserKey, UserRecord, foldhash::quality::FixedState>,
}

impl UserStore {
    pub fn new(hot_users_max: usize, users_max: usize) -> UserStore {
        let _ = (hot_users_max, users_max);
        UserStore { users: HashMap::with_hasher(foldhash::quality::FixedState::default()) }
    }

    /// The user's record, made new if unknown. The flag says whether it is new.
    pub fn get_or_insert(&mut self, key: UserKey, rules: &Rules, counts: &mut Counts) -> (&mut UserRecord, bool) {
        let _ = (rules, counts);
        let is_new = !self.users.contains_key(&key);
        (self.users.entry(key).or_default(), is_new)
    }

    /// Calls `visit` for every user with a tail, in no order that may show.
    pub fn for_each_with_tail(&mut self, rules: &Rules, mut visit: impl FnMut(UserKey, &mut UserRecord)) {
        let _ = rules;
        let mut keys: Vec<UserKey> =
            self.users.iter().filter(|(_, record)| !record.tail.is_empty()).map(|(key, _)| *key).collect();
        keys.sort_unstable();
        for key in keys {
            if let Some(record) = self.users.get_mut(&key) {
                visit(key, record);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.users.len()
    }

    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}
