//! The store alone: hot and cold, visits, forgetting, export.

use proptest::prelude::*;

use super::codec::tests::{Dice, rules};
use super::*;

/// Puts the records in, in order; gives who was forgotten.
fn filled(hot_max: usize, users_max: usize, records: &[(UserKey, UserRecord)]) -> (UserStore, Vec<UserKey>) {
    let rules = rules();
    let mut store = UserStore::new(hot_max, users_max, Variants::first(1));
    let mut forgotten = Vec::new();
    for (key, record) in records {
        let (slot, _) = store.get_or_insert(*key, &rules, &mut forgotten);
        slot.put(Branch { variants: Variants::first(1), record: record.clone() });
    }
    (store, forgotten)
}

fn records(seed: u64, count: u128) -> Vec<(UserKey, UserRecord)> {
    let rules = rules();
    let mut dice = Dice(seed);
    // Some keys twice: the later record counts.
    (0..count).map(|number| (UserKey(number * number % 11 + 7), dice.record(&rules))).collect()
}

fn exported(store: &mut UserStore) -> Vec<(UserKey, Vec<u8>)> {
    store.export(0, &rules()).collect()
}

fn visited(store: &mut UserStore) -> Vec<(UserKey, UserRecord)> {
    let mut visited = Vec::new();
    store.for_each_unsettled(&rules(), |key, branches| {
        let record = &mut branches.iter_mut().next().expect("at least one").record;
        visited.push((key, record.clone()));
        record.tail.clear();
        record.settled.open.clear();
        record.current.clone_from(&record.settled);
    });
    visited
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn hot_or_cold_is_the_same(seed in any::<u64>(), hot_max in 1..6_usize, users_max in 3..9_usize) {
        let records = records(seed, 14);
        let (mut few, few_forgotten) = filled(hot_max, users_max, &records);
        let (mut all, all_forgotten) = filled(100, users_max, &records);
        prop_assert_eq!(few_forgotten, all_forgotten);
        prop_assert!(few.len() <= users_max && few.stats().hot <= hot_max);
        let bytes = exported(&mut few);
        prop_assert_eq!(&bytes, &exported(&mut all));
        prop_assert_eq!(visited(&mut few), visited(&mut all));
        prop_assert_eq!(visited(&mut few), vec![]);
        prop_assert_eq!(exported(&mut few), exported(&mut all));

        let mut restored = UserStore::new(2, 100, Variants::first(1));
        for (key, bytes) in &bytes {
            prop_assert_eq!(restored.import(Variants::first(1), *key, bytes, &rules()), Ok(()));
            prop_assert_eq!(restored.import(Variants::first(1), *key, bytes, &rules()), Ok(()));
        }
        prop_assert_eq!(exported(&mut restored), bytes);
    }
}

#[test]
fn the_user_whose_newest_event_is_oldest_is_forgotten() {
    let record = |seconds: i64| {
        let mut record = UserRecord::default();
        record.settled.newest = Some((EventTime::from_seconds(seconds), 1));
        record.current.clone_from(&record.settled);
        record
    };
    let users = [(1, 30), (2, 10), (3, 20), (4, 40), (5, 50)].map(|(key, time)| (UserKey(key), record(time)));
    for hot_max in [1, 2, 9] {
        let (mut store, forgotten) = filled(hot_max, 3, &users);
        let keys: Vec<u128> = exported(&mut store).into_iter().map(|(key, _)| key.0).collect();
        assert_eq!((keys, store.len()), (vec![1, 4, 5], 3), "{hot_max} hot");
        assert_eq!(forgotten, [UserKey(2), UserKey(3)], "{hot_max} hot");
    }
}

#[test]
fn what_no_packed_user_names_is_dropped() {
    let records = records(3, 14);
    let (mut store, _) = filled(1, 100, &records);
    assert!(store.stats().shared > 0);
    let empty: Vec<_> = records.iter().map(|(key, _)| (*key, UserRecord::default())).collect();
    let mut forgotten = Vec::new();
    for (key, record) in &empty {
        let branch = Branch { variants: Variants::first(1), record: record.clone() };
        store.get_or_insert(*key, &rules(), &mut forgotten).0.put(branch);
    }
    store.get_or_insert(UserKey(99), &rules(), &mut forgotten);
    assert_eq!(store.stats().shared, 0);
}

/// Export of one user is that of all, and shows in nothing: who is hot, what is packed, what comes out later.
#[test]
fn exporting_one_user_shows_in_nothing() {
    let records = records(11, 14);
    let (mut store, _) = filled(3, 100, &records);
    let (mut other, _) = filled(3, 100, &records);
    let stats = store.stats();
    for (key, bytes) in exported(&mut other) {
        let mut into = b"before".to_vec();
        assert!(store.export_user(0, key, &rules(), &mut into));
        assert_eq!(into, [b"before", bytes.as_slice()].concat());
    }
    // Numbers of shared records are dealt out anew, and may be longer or shorter.
    let without_bytes = |stats: StoreStats| StoreStats { packed_bytes: 0, ..stats };
    assert_eq!(without_bytes(store.stats()), without_bytes(stats));
    let mut into = Vec::new();
    assert!(!store.export_user(0, UserKey(1), &rules(), &mut into) && into.is_empty(), "nobody has this key");
    assert_eq!(exported(&mut store), exported(&mut other));
}

#[test]
fn limits_can_change() {
    let records = records(13, 14);
    let (mut store, _) = filled(6, 100, &records);
    let bytes = exported(&mut store);
    for hot_max in [2, 9, 0] {
        store.reconfigure(hot_max, 100, &rules());
        assert!(store.stats().hot <= hot_max.max(1));
        assert_eq!(exported(&mut store), bytes, "{hot_max} hot");
        let mut forgotten = Vec::new();
        for (key, _) in &bytes {
            assert!(store.get_or_insert(*key, &rules(), &mut forgotten).1.is_empty());
        }
        assert!(forgotten.is_empty() && store.stats().hot <= hot_max.max(1));
    }
    store.reconfigure(2, 3, &rules());
    let mut forgotten = Vec::new();
    store.get_or_insert(UserKey(1), &rules(), &mut forgotten);
    assert_eq!((store.len(), forgotten.len()), (3, bytes.len() - 2));
}

#[test]
fn damaged_bytes_change_nothing() {
    let records = records(5, 6);
    let (mut store, _) = filled(2, 100, &records);
    let before = exported(&mut store);
    let (key, mut bytes) = before[0].clone();
    bytes[9] ^= 1;
    assert_eq!(store.import(Variants::first(1), key, &bytes, &rules()), Err(StateCodecError::Checksum));
    assert_eq!(exported(&mut store), before);
}
