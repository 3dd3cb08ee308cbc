//! Judging alone: [`Engine::step`] per sign-in, with few and many users, their state hot (unpacked) or cold (packed
//! bytes, unpacked and packed again at every sign-in).
//!
//! The floor makes the same inputs and judges nothing. Memory per user is measured by `examples/memory.rs`.
#![expect(clippy::print_stdout, reason = "a measuring program")]

mod common;

use std::sync::Arc;

use common::{compare, records, sign_ins, size, tables, variant};
use farsign::engine::enrich::Enricher;
use farsign::engine::facts::{Item, Prepared};
use farsign::engine::hash::UserKey;
use farsign::engine::out::Out;
use farsign::engine::policy::EngineConfig;
use farsign::engine::profile::Profiles;
use farsign::engine::signin::{EventTime, NANOS_PER_SECOND};
use farsign::engine::{Engine, Input};
use farsign::simulate::Form;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Between two sign-ins of one user.
const PAUSE_S: i64 = 3 * 3_600;
/// Sign-ins stepped at once.
const BATCH: u64 = 256;

/// An endless stream of sign-ins: users in turn, each with the habits of one simulated sign-in.
struct Stream<'a> {
    models: &'a [Prepared<'a>],
    users: u64,
    position: u64,
}

impl<'a> Stream<'a> {
    fn batch(&mut self) -> Vec<(u64, Item<'a>)> {
        let next = |position: u64| {
            let user = position % self.users;
            let mut prepared = self.models[user as usize % self.models.len()].clone();
            let pause = PAUSE_S * NANOS_PER_SECOND / self.users as i64;
            let time = EventTime(EventTime::from_seconds(1_780_000_000).0 + position as i64 * pause);
            prepared.user = UserKey(xxh3_128(&user.to_le_bytes()));
            prepared.facts.time = time;
            prepared.facts.event = xxh3_64(&position.to_le_bytes());
            prepared.sign_in.event_time = time;
            (position, Item::SignIn(prepared))
        };
        let batch = (self.position..self.position + BATCH).map(next).collect();
        self.position += BATCH;
        batch
    }
}

fn engine(hot_users_max: usize) -> Engine {
    let config = EngineConfig { hot_users_max, ..EngineConfig::default() };
    Engine::new(Arc::new(config), Arc::new(Profiles::default()))
}

fn step(engine: &mut Engine, stream: &mut Stream<'_>, batches: u64) -> u64 {
    let mut out = Out::default();
    for _ in 0..batches {
        let items = stream.batch();
        let inputs: Vec<Input<'_>> = items
            .iter()
            .map(|(position, item)| Input { position: *position, stream_time: item.time(), item })
            .collect();
        engine.step(&inputs, std::slice::from_mut(&mut out));
    }
    out.counts.sign_ins + engine.users() as u64 * 1_000_003
}

fn main() {
    let bytes = records(Form::EntraLean, 2_000);
    let mut enricher = Enricher::new(tables());
    let models: Vec<Prepared<'_>> = sign_ins(&bytes).into_iter().map(|sign_in| enricher.enrich(sign_in)).collect();
    let many = size(200_000, 2_000);
    let batches = size(200_000, 2_000) / BATCH;
    let stream = |users| Stream { models: &models, users, position: 0 };
    let mut runs = [(1_000, 1_000), (1_000, 16), (many, many as usize), (many, 1_000)]
        .map(|(users, hot_users_max)| (engine(hot_users_max), stream(users)));
    let [few_hot, few_cold, many_hot, many_cold] = &mut runs;
    let mut unjudged = stream(1_000);
    let variants = vec![
        variant("make the inputs", || (0..batches).map(|_| unjudged.batch().len() as u64).sum()),
        variant("1,000 users, hot", || step(&mut few_hot.0, &mut few_hot.1, batches)),
        variant("1,000 users, cold", || step(&mut few_cold.0, &mut few_cold.1, batches)),
        variant("200,000 users, hot", || step(&mut many_hot.0, &mut many_hot.1, batches)),
        variant("200,000 users, cold", || step(&mut many_cold.0, &mut many_cold.1, batches)),
    ];
    compare("state", "sign-in", batches * BATCH, 0, 7, variants);
}
