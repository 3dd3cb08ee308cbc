//! Resident memory of a million idle users with typical histories: `cargo run --profile fast --example memory`.
//!
//! 64 histories of 30 days (7 addresses, 6 prefixes, 3 networks, 3 cities, 2 devices, 4 user agents …) are learnt
//! and imported in turn under different keys. All users share 64 × 1 place, so a pool of real places adds to this.
#![expect(clippy::print_stdout, reason = "a measuring program")]

use std::sync::Arc;

use farsign::engine::Engine;
use farsign::engine::facts::*;
use farsign::engine::hash::UserKey;
use farsign::engine::policy::EngineConfig;
use farsign::engine::profile::Profiles;
use farsign::engine::rules::Rules;
use farsign::engine::signin::*;
use farsign::engine::user::record::{Scope, UserRecord};
use farsign::engine::user::{AnchorText, Lesson, UserState, codec};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

const USERS: u32 = 1_000_000;

fn facts(user: u64, step: u64) -> Facts {
    let hash = |kind: u64, distinct: u64| {
        // The first of each kind is usual, the others are rare.
        let value = if step % 4 == 3 { step / 4 % distinct } else { 0 };
        xxh3_64_with_seed(&(user * 64 + value).to_le_bytes(), kind) as u32 | 1
    };
    Facts {
        time: EventTime::from_seconds(1_780_000_000 + step as i64 * 63_000),
        event: xxh3_64_with_seed(&step.to_le_bytes(), user),
        provider: Provider::Entra,
        category: Category::Interactive,
        outcome: Outcome::Success,
        credential: Credential::Right,
        mfa: Mfa::Claim,
        account: AccountState::Normal,
        error_code: 0,
        address: Some(std::net::Ipv4Addr::new(203, 0, 113, user as u8).into()),
        address_hash: hash(1, 7),
        prefix_hash: hash(2, 6),
        asn: hash(3, 3) % 200_000,
        connection: Connection::Fixed,
        lists: ListSet::default(),
        named: NamedLocation::default(),
        coordinates: Some((59.9139, 10.7522)),
        radius_km: 20,
        precision: Precision::City,
        country: CountryCode(*b"NO"),
        region_hash: hash(4, 2),
        city_hash: hash(5, 3),
        device_hash: hash(6, 2),
        device_managed: None,
        device_compliant: None,
        user_agent_hash: hash(7, 4),
        browser_hash: hash(8, 2),
        browser_major: 137,
        operating_system_hash: hash(9, 2),
        device_kind: DeviceKind::Desktop,
        client_app: ClientApp::Browser,
        client_hash: hash(10, 2),
        app_hash: 1,
        session_hash: hash(11, 3),
        issuer_hash: 0,
        issuer_federated: false,
    }
}

fn history(user: u64, rules: &Rules) -> Vec<u8> {
    let place = Arc::new(Place {
        latitude: 59.9139,
        longitude: 10.7522,
        radius_km: 20,
        precision: Precision::City,
        country: CountryCode(*b"NO"),
        region: "Oslo".into(),
        city: format!("Oslo {user}").into(),
        from_provider: false,
    });
    let agent = Arc::new(Agent {
        browser: "Chrome".into(),
        browser_major: 137,
        operating_system: "Windows".into(),
        kind: DeviceKind::Desktop,
    });
    let (mut settled, teacher) = (UserState::default(), rules.teacher(0));
    for step in 0..41 {
        let request_id = format!("00000000-0000-4000-8000-{:012x}", user * 64 + step);
        let text =
            AnchorText { request_id: &request_id, place: Some(&place), agent: &agent, asn_organization: None };
        settled.learn(&facts(user, step), &text, Lesson::default(), &teacher);
    }
    let mut bytes = Vec::new();
    codec::encode(&UserRecord::rebuild(Scope::default(), settled, Vec::new(), &teacher), &mut bytes);
    bytes
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|kb| kb.parse().ok()).unwrap_or(0)
}

fn main() {
    let config = Arc::new(EngineConfig::default());
    let rules = Rules::new(config.clone());
    let histories: Vec<Vec<u8>> = (0..64).map(|user| history(user, &rules)).collect();
    let exported: usize = histories.iter().map(Vec::len).sum::<usize>() / histories.len();
    let mut engine = Engine::new(config, Arc::new(Profiles::default()));
    let before = resident_kb();
    for user in 0..USERS {
        let key = UserKey(xxh3_128(&user.to_le_bytes()));
        engine
            .import(
                farsign::engine::variants::Variants::first(1),
                key,
                &histories[user as usize % histories.len()],
            )
            .expect("encoded above");
    }
    let bytes = (resident_kb() - before) * 1_024;
    println!("users {USERS}, exported bytes/user {exported}");
    println!("resident bytes/user {}, {:?}", bytes / u64::from(USERS), engine.store_stats());
    println!("hot record {} bytes, up to {} hot", size_of::<UserRecord>(), EngineConfig::default().hot_users_max);
}
