//! Streams of an invented organisation: two weeks of habits, then what happens to a few users, feedback and what other
//! products say included.

use farsign::engine::facts::Item;
use farsign::engine::finding::{RiskEventType, RiskLevel};
use farsign::engine::policy::EngineConfig;
use proptest::prelude::*;

use super::world::{Spec, at, feedback, sign_in, upstream};

const USERS: usize = 6;
/// Users who only have habits, so that there is an organisation to compare with.
const COLLEAGUES: usize = 10;
const NETWORKS: [&str; 11] = [
    "oslo-fixed",
    "oslo-mobile",
    "bergen-fixed",
    "lagos-fixed",
    "newyork-fixed",
    "singapore-egress",
    "frankfurt-vpn",
    "amsterdam-tor",
    "no-geography",
    "frankfurt-hosting",
    "oslo-other",
];
const DEVICES: [&str; 5] = ["laptop", "phone", "stranger", "home-pc", "laptop-private"];
const OUTCOMES: [&str; 11] = [
    "ok",
    "ok",
    "ok",
    "ok",
    "ok-mfa",
    "ok-mfa",
    "wrong-password",
    "mfa-stopped",
    "mfa-stopped",
    "mfa-reported",
    "interrupted",
];
const ACTIONS: [&str; 5] = ["confirm-safe", "confirm-compromised", "dismiss", "passed-mfa", "password-changed"];
/// The default horizon.
pub const HORIZON_S: i64 = 7_200;

/// One thing that happens; indexes wrap around their tables.
#[derive(Clone, Debug)]
pub struct Happening {
    user: usize,
    day: i64,
    second: i64,
    network: usize,
    device: usize,
    outcome: usize,
    /// One in eleven is feedback, about an earlier happening or the user; one is an upstream finding.
    kind: u8,
    about: usize,
}

pub fn happening() -> impl Strategy<Value = Happening> {
    // Hours are few, so that sign-ins come close together.
    (0..USERS, 14..18_i64, 0..4_i64, 0..3_600_i64, 0..1_000_usize, 0..11_u8, any::<prop::sample::Index>())
        .prop_map(|(user, day, hour, second, pick, kind, about)| Happening {
            user,
            day,
            second: 22 * 3_600 + hour * 1_200 + second,
            network: pick,
            device: pick / NETWORKS.len(),
            outcome: pick / 7,
            kind,
            about: about.index(100),
        })
}

/// Bars so low that a few random users reach them.
pub fn touchy() -> EngineConfig {
    let mut config = EngineConfig::default();
    let policy = &mut config.default_policy;
    policy.password_spray.address_users_min = 3;
    policy.password_spray.prefix_users_min = 3;
    policy.password_spray.asn_users_min = 3;
    policy.password_spray.user_agent_users_min = 3;
    policy.password_spray.known_users_factor = 0.0;
    policy.password_spray.slow_known_users_factor = 0.0;
    policy.listed_address.malicious_attempts_min = 3;
    policy.suspicious_browser.countries_min = 1;
    config
}

/// Two weeks of habits for every user, then what happens, in order of time.
pub fn stream(happenings: &[Happening]) -> Vec<Item<'static>> {
    let mut items = Vec::new();
    for day in 0..14 {
        for user in 0..USERS + COLLEAGUES {
            let spec = Spec::new(
                &format!("habit-{day}-{user}"),
                at(day, 28_800 + 60 * user as i64),
                &format!("user-{user}"),
                ["oslo-fixed", "bergen-fixed"][user % 2],
                "laptop",
            );
            items.push(sign_in(&spec));
        }
    }
    for (index, happening) in happenings.iter().enumerate() {
        let user = format!("user-{}", happening.user);
        let time = at(happening.day, happening.second);
        if happening.kind == 0 {
            let about = if happening.about < 30 || index == 0 {
                String::new()
            } else {
                format!("event-{}", happening.about % index)
            };
            items.push(feedback(&format!("feedback-{index}"), time, &user, ACTIONS[happening.about % 5], &about));
            continue;
        }
        if happening.kind == 10 {
            items.push(finding(index, happening, happenings));
            continue;
        }
        let mut spec = Spec::new(
            &format!("event-{index}"),
            time,
            &user,
            NETWORKS[happening.network % NETWORKS.len()],
            DEVICES[happening.device % DEVICES.len()],
        );
        spec.outcome = OUTCOMES[happening.outcome % OUTCOMES.len()].to_owned();
        spec.interactive = happening.kind < 7;
        spec.session = format!("session-{}", happening.about % 3);
        // Mostly the provider itself.
        spec.issuer = ["", "", "", "sts.example"][(happening.about / 3) % 4].to_owned();
        items.push(sign_in(&spec));
    }
    items.sort_by_key(|item| item.time());
    items
}

const FOUND: [RiskEventType; 6] = [
    RiskEventType::UnfamiliarFeatures,
    RiskEventType::NewCountry,
    RiskEventType::ImpossibleTravel,
    RiskEventType::AnonymizedIpAddress,
    RiskEventType::LeakedCredentials,
    RiskEventType::Generic,
];
const LEVELS: [RiskLevel; 4] = [RiskLevel::Low, RiskLevel::Medium, RiskLevel::High, RiskLevel::None];

/// About one of the happenings, earlier or later: as its own record would carry it, or told at another time; or about the
/// user.
fn finding(index: usize, happening: &Happening, happenings: &[Happening]) -> Item<'static> {
    let other = happening.about % happenings.len();
    let about = if happening.about < 20 { String::new() } else { format!("event-{other}") };
    let subject = if about.is_empty() { happening } else { &happenings[other] };
    let told = if happening.network.is_multiple_of(2) { subject } else { happening };
    let found = (FOUND[happening.device % FOUND.len()], LEVELS[happening.outcome % LEVELS.len()]);
    let time = at(told.day, told.second);
    let user = format!("user-{}", subject.user);
    let mut prepared = upstream(&format!("finding-{index}"), time, &user, found, &about);
    prepared.finding.activity_time = at(subject.day, subject.second);
    prepared.finding.source = ["IdentityProtection", "Okta"][happening.network % 5 / 3].into();
    prepared.finding.is_confirmed = happening.outcome.is_multiple_of(9);
    Item::UpstreamFinding(prepared)
}

/// Moves items behind others that are up to `reach_s` newer: by sorting on time + a delay of each.
pub fn shuffled(items: &[Item<'static>], delays: &[i64], reach_s: i64) -> Vec<Item<'static>> {
    let mut delayed: Vec<_> = items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let delay = delays[index % delays.len()].rem_euclid(reach_s);
            (item.time().plus_seconds(delay), index, item.clone())
        })
        .collect();
    delayed.sort_by_key(|(time, index, _)| (*time, *index));
    delayed.into_iter().map(|(_, _, item)| item).collect()
}
