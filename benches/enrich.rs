//! Enrichment alone: a decoded sign-in → facts, with and without caches ("without" has two entries), on the addresses
//! of a log and on random ones, which no cache can help.
//!
//! The floor is copying the sign-in, which every variant does first. The tables are the repository's test
//! databases: a real city database is some thousand times larger, and a look-up in it dearer.
#![expect(clippy::print_stdout, reason = "a measuring program")]

mod common;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use common::{compare, records, sign_ins, size, tables, variant};
use farsign::engine::enrich::{ADDRESSES_MAX, AGENTS_MAX, Enricher};
use farsign::engine::signin::SignIn;
use farsign::simulate::Form;
use xxhash_rust::xxh3::xxh3_64;

fn enrich(enricher: &mut Enricher, sign_ins: impl Iterator<Item = SignIn<'static>>) -> u64 {
    let mut sum = 0_u64;
    for sign_in in sign_ins {
        let facts = enricher.enrich(sign_in).facts;
        sum = sum.wrapping_add(facts.event ^ u64::from(facts.city_hash) ^ u64::from(facts.browser_hash));
    }
    sum
}

/// Addresses from anywhere in the part of the address space where the simulator's networks lie, ever new ones.
#[derive(Default)]
struct Scatter(u64);

impl Scatter {
    fn next(&mut self) -> IpAddr {
        self.0 += 1;
        IpAddr::V4(Ipv4Addr::from_bits(xxh3_64(&self.0.to_le_bytes()) as u32 | 0xf000_0000))
    }
}

fn main() {
    let bytes: &'static [u8] = records(Form::EntraLean, size(40_000, 200)).leak();
    let log = sign_ins(bytes);
    let new = |addresses_max, agents_max| Enricher::with_cache(tables(), addresses_max, agents_max);
    let copies = || log.iter().cloned();
    let moved = |scatter: &mut Scatter| {
        let addresses: Vec<IpAddr> = log.iter().map(|_| scatter.next()).collect();
        copies().zip(addresses).map(|(sign_in, address)| SignIn { address: Some(address), ..sign_in })
    };
    let mut both = new(ADDRESSES_MAX, AGENTS_MAX);
    let (mut agents_only, mut addresses_only) = (new(2, AGENTS_MAX), new(ADDRESSES_MAX, 2));
    let (mut random, mut random_agents_only) = (new(ADDRESSES_MAX, AGENTS_MAX), new(2, AGENTS_MAX));
    let (mut one, mut other) = (Scatter::default(), Scatter::default());
    let variants = vec![
        variant("copy the sign-ins", || copies().map(|sign_in| black_box(sign_in).event_id.len() as u64).sum()),
        variant("log, with caches", || enrich(&mut both, copies())),
        variant("log, without address cache", || enrich(&mut agents_only, copies())),
        variant("log, without agent cache", || enrich(&mut addresses_only, copies())),
        variant("random addresses, with caches", || enrich(&mut random, moved(&mut one))),
        variant("random addresses, without address cache", || enrich(&mut random_agents_only, moved(&mut other))),
    ];
    compare("enrich", "sign-in", log.len() as u64, 0, 7, variants);
}
