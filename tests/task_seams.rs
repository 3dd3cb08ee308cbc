//! What a runtime needs beside steps: one user's state at a time, who was forgotten, other rules at a batch border, a
//! digest to compare a restored task with a live one, and positions that decide nothing.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::stream::{HORIZON_S, happening, shuffled, stream};
use farsign::engine::facts::Item;
use farsign::engine::hash::UserKey;
use farsign::engine::out::Out;
use farsign::engine::policy::{EngineConfig, Policy, ScopedPolicy};
use farsign::engine::profile::Profiles;
use farsign::engine::signin::EventTime;
use farsign::engine::watermark::StreamTime;
use farsign::engine::{Engine, Input};
use proptest::prelude::*;

fn engine(config: &EngineConfig) -> Engine {
    Engine::new(Arc::new(config.clone()), Arc::new(Profiles::default()))
}

/// A task, fed item by item.
struct Task {
    engine: Engine,
    stream: StreamTime,
    position: u64,
    out: Out,
}

impl Task {
    fn new(config: &EngineConfig) -> Task {
        Task { engine: engine(config), stream: StreamTime::default(), position: 0, out: Out::default() }
    }

    fn step(&mut self, items: &[Item<'_>]) {
        for item in items {
            self.position += 1;
            let stream_time = self.stream.observe(item.time(), item.user());
            self.engine.step(
                &[Input { position: self.position, stream_time, item }],
                std::slice::from_mut(&mut self.out),
            );
        }
    }

    fn exported(&mut self) -> Vec<(UserKey, Vec<u8>)> {
        self.engine.export(0).collect()
    }
}

/// Rules unlike the default ones, with a policy of its own for some users.
fn other_config(half_life_days: u32, scoped: usize, users: &str, hot_users_max: usize) -> EngineConfig {
    let mut config = EngineConfig { hot_users_max, ..EngineConfig::default() };
    config.baseline.half_life_days = half_life_days;
    config.default_policy.new_country.learning_days = 1;
    let mut policy = Policy::default();
    policy.impossible_travel.learning_days = 2;
    policy.unfamiliar_features.learning_max_days = 3;
    let names = (0..scoped).map(|index| ScopedPolicy {
        name: format!("policy-{index}"),
        tenants: Vec::new(),
        users: vec![if index + 1 == scoped { users.to_owned() } else { "nobody".to_owned() }],
        policy: policy.clone(),
    });
    config.scoped_policies = names.collect();
    config
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn other_rules_in_the_middle_are_those_of_a_restart(
        happenings in prop::collection::vec(happening(), 10..120),
        delays in prop::collection::vec(any::<i64>(), 1..60),
        at in any::<prop::sample::Index>(),
        scoped_before in 0..3_usize,
        scoped_after in 0..3_usize,
        hot in 1..20_usize,
    ) {
        let items = shuffled(&stream(&happenings), &delays, HORIZON_S);
        let cut = items.len() / 2 + at.index(items.len() / 2);
        let before = other_config(30, scoped_before, "user-1*", 9);
        let after = other_config(7, scoped_after, "user-*", hot);
        let mut live = Task::new(&before);
        live.step(&items[..cut]);
        live.out.clear();
        let mut restarted = Task { engine: engine(&after), out: Out::default(), ..Task::new(&after) };
        (restarted.stream, restarted.position) = (live.stream, live.position);
        for (key, bytes) in live.exported() {
            restarted.engine.import(farsign::engine::variants::Variants::first(1), key, &bytes).expect("just exported");
        }
        live.engine.reconfigure(Arc::new(after));
        let now = live.stream.now();
        live.engine.settle(now, std::slice::from_mut(&mut live.out));
        restarted.engine.settle(now, std::slice::from_mut(&mut restarted.out));
        live.step(&items[cut..]);
        restarted.step(&items[cut..]);
        prop_assert_eq!(&live.out.detections, &restarted.out.detections);
        prop_assert_eq!(&live.out.contributions, &restarted.out.contributions);
        prop_assert_eq!(&live.out.counts, &restarted.out.counts);
        prop_assert_eq!(live.exported(), restarted.exported());
    }

    /// A changelog holds each user as he was after his last batch. What it restores differs from the live task only in
    /// where settled ends and the tail begins, and the digest sees through that.
    #[test]
    fn a_restored_task_has_the_live_ones_digest(
        happenings in prop::collection::vec(happening(), 1..120),
        delays in prop::collection::vec(any::<i64>(), 1..60),
        batch in 1..60_usize,
        later_s in 0..3 * 86_400_i64,
    ) {
        let config = EngineConfig { users_max: 12, hot_users_max: 3, ..EngineConfig::default() };
        let mut live = Task::new(&config);
        let mut changelog: BTreeMap<UserKey, Vec<u8>> = BTreeMap::new();
        for (number, items) in shuffled(&stream(&happenings), &delays, 2 * HORIZON_S).chunks(batch).enumerate() {
            live.out.clear();
            live.step(items);
            let touched: BTreeSet<UserKey> = items.iter().map(Item::user).collect();
            for key in touched.into_iter().chain(live.out.forgotten.clone()) {
                let mut bytes = Vec::new();
                if live.engine.export_user(0, key, &mut bytes) {
                    changelog.insert(key, bytes);
                } else {
                    changelog.remove(&key);
                }
            }
            if number % 3 == 2 {
                live.engine.settle(live.stream.now(), std::slice::from_mut(&mut live.out));
            }
        }
        prop_assert!(live.engine.users() <= 12);
        prop_assert_eq!(changelog.keys().copied().collect::<Vec<_>>(), keys(&mut live.engine));
        let mut restored = engine(&config);
        for (key, bytes) in &changelog {
            restored.import(farsign::engine::variants::Variants::first(1), *key, bytes).expect("just exported");
        }
        let before = live.exported();
        let now = live.stream.now();
        prop_assert_eq!(live.engine.digest(0, now), restored.digest(0, now));
        let later = now.plus_seconds(later_s);
        prop_assert_eq!(live.engine.digest(0, later), restored.digest(0, later));
        prop_assert_eq!(live.exported(), before, "a digest changes nothing");
    }

    #[test]
    fn positions_decide_nothing(happenings in prop::collection::vec(happening(), 1..80), start in 1..1_000_000_u64) {
        let items = stream(&happenings);
        let mut task = Task::new(&EngineConfig::default());
        let mut other = Task { position: start, ..Task::new(&EngineConfig::default()) };
        task.step(&items);
        other.step(&items);
        other.out.detections.iter_mut().for_each(|detection| detection.position -= start);
        prop_assert_eq!(&task.out.detections, &other.out.detections);
        prop_assert_eq!(&task.out.contributions, &other.out.contributions);
        prop_assert_eq!(&task.out.counts, &other.out.counts);
        prop_assert_eq!(task.exported(), other.exported());
    }
}

fn keys(engine: &mut Engine) -> Vec<UserKey> {
    engine.export(0).map(|(key, _)| key).collect()
}

#[test]
fn a_digest_tells_other_state() {
    let items = stream(&[]);
    let mut task = Task::new(&EngineConfig::default());
    let (most, last) = items.split_at(items.len() - 1);
    task.step(most);
    let now = task.stream.now();
    let before = task.engine.digest(0, now);
    assert_eq!(task.engine.digest(0, now), before);
    task.step(last);
    assert_ne!(task.engine.digest(0, now), before);
    assert_ne!(task.engine.digest(0, now), engine(&EngineConfig::default()).digest(0, EventTime::MIN));
}

#[test]
fn who_is_forgotten_is_told_and_may_come_back() {
    let items = stream(&[]);
    let mut task = Task::new(&EngineConfig { users_max: 4, ..EngineConfig::default() });
    task.step(&items);
    let forgotten = &task.out.forgotten;
    assert_eq!(task.out.counts.users_forgotten, forgotten.len() as u64);
    let distinct: BTreeSet<UserKey> = forgotten.iter().copied().collect();
    let users: BTreeSet<UserKey> = items.iter().map(Item::user).collect();
    assert_eq!(distinct, users, "each was forgotten at some time");
    let back: Vec<UserKey> =
        users.into_iter().filter(|key| task.engine.export_user(0, *key, &mut Vec::new())).collect();
    assert_eq!(back, keys(&mut task.engine));
    assert_eq!(back.len(), 4);
    task.out.clear();
    assert!(task.out.forgotten.is_empty());
}
