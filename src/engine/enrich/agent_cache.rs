//! Agents already read, by their texts: parsing costs microseconds and people keep their browsers.
//!
//! Texts come from the client and may be chosen by an attacker, so the cache is bounded and its entries hold the
//! texts themselves: a hash is no proof.

use std::sync::Arc;

use foldhash::fast::FixedState;
use quick_cache::UnitWeighter;
use quick_cache::unsync::{Cache, DefaultLifecycle};

use super::agent::read_agent;
use crate::engine::facts::Agent;
use crate::engine::hash::{Seed, hash32, hash64};

/// Distinct agents kept per worker: about 300 bytes each, 3 kB each at worst (three texts of full length).
pub const AGENTS_MAX: usize = 8_192;

/// An agent with the hashes of its families; 0 = unknown.
#[derive(Clone, Debug)]
pub struct KnownAgent {
    pub agent: Arc<Agent>,
    pub browser_hash: u32,
    pub operating_system_hash: u32,
}

#[derive(Clone)]
struct Entry {
    texts: Arc<[Box<str>; 3]>,
    known: KnownAgent,
}

pub struct Agents {
    cache: Cache<u64, Entry, UnitWeighter, FixedState>,
}

impl Agents {
    pub fn new(agents_max: usize) -> Agents {
        let (weight_max, hasher) = (agents_max as u64, FixedState::default());
        Agents { cache: Cache::with(agents_max, weight_max, UnitWeighter, hasher, DefaultLifecycle::default()) }
    }

    pub fn read(&mut self, user_agent: &str, browser: &str, operating_system: &str) -> KnownAgent {
        let texts = [user_agent, browser, operating_system];
        let key =
            texts.iter().fold(0_u64, |key, text| key.rotate_left(21) ^ hash64(Seed::UserAgent, text.as_bytes()));
        if let Some(entry) =
            self.cache.get(&key).filter(|entry| entry.texts.iter().zip(texts).all(|(a, b)| **a == *b))
        {
            return entry.known.clone();
        }
        let known = read(user_agent, browser, operating_system);
        self.cache.insert(key, Entry { texts: Arc::new(texts.map(Box::from)), known: known.clone() });
        known
    }
}

fn read(user_agent: &str, browser: &str, operating_system: &str) -> KnownAgent {
    let agent = read_agent(user_agent, browser, operating_system);
    let hash = |seed, text: &str| if text.is_empty() { 0 } else { hash32(seed, text.as_bytes()) };
    KnownAgent {
        browser_hash: hash(Seed::Browser, &agent.browser),
        operating_system_hash: hash(Seed::OperatingSystem, &agent.operating_system),
        agent: Arc::new(agent),
    }
}
