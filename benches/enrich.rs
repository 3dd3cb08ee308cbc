//! Enrichment alone: a decoded sign-in → facts, with and without caches, on the addresses of a log and on random
//! ones, which no cache can help.
//!
//! The floor is copying the sign-in, which every variant does first. The tables are the repository's test
//! databases: a real city database is some thousand times larger, and a look-up in it dearer.
#![expect(clippy::print_stdout, reason = "a measuring program")]

mod common;

use std::net::{IpAddr, Ipv4Addr};

use common::{compare, records, sign_ins, size, tables, variant};
use farsign::engine::enrich::Enricher;
use farsign::engine::signin::SignIn;
use farsign::simulate::Form;
use xxhash_rust::xxh3::xxh3_64;

fn enrich(enricher: &mut Enricher, sign_ins: &[SignIn<'_>]) -> u64 {
    sign_ins.iter().fold(0, |sum, sign_in| {
        let facts = enricher.enrich(sign_in.clone()).facts;
        sum.wrapping_add(facts.event ^ u64::from(facts.city_hash) ^ u64::from(facts.browser_hash))
    })
}

/// The same sign-ins from anywhere in the quarter of the address space where the simulator's networks lie.
fn scattered<'a>(sign_ins: &[SignIn<'a>]) -> Vec<SignIn<'a>> {
    let random = |index: usize| (xxh3_64(&index.to_le_bytes()) as u32) | 0xf000_0000;
    let address = |index| IpAddr::V4(Ipv4Addr::from_bits(random(index)));
    let moved =
        |(index, sign_in): (usize, &SignIn<'a>)| SignIn { address: Some(address(index)), ..sign_in.clone() };
    sign_ins.iter().enumerate().map(moved).collect()
}

fn main() {
    let bytes = records(Form::EntraLean, size(40_000, 200));
    let log = sign_ins(&bytes);
    let random = scattered(&log);
    let tables = tables();
    let (mut cached, mut small) = (Enricher::new(tables.clone()), Enricher::with_cache(tables.clone(), 2, 2));
    let (mut cached_random, mut small_random) =
        (Enricher::new(tables.clone()), Enricher::with_cache(tables.clone(), 2, 2));
    let copied = || {
        log.iter().fold(0, |sum: u64, sign_in| sum + std::hint::black_box(sign_in.clone()).event_id.len() as u64)
    };
    let variants = vec![
        variant("copy the sign-in", copied),
        variant("log, with caches", || enrich(&mut cached, &log)),
        variant("log, caches of 2 entries", || enrich(&mut small, &log)),
        variant("random addresses, with caches", || enrich(&mut cached_random, &random)),
        variant("random addresses, caches of 2 entries", || enrich(&mut small_random, &random)),
    ];
    compare("enrich", "sign-in", log.len() as u64, 0, 7, variants);
}
