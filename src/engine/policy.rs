//! What an organisation may set about detections: plain, valid values. `config` makes them from text.
//!
//! Defaults are the documented ones of each detection; every number has its unit in its name.

use super::finding::RiskLevel;
use super::hash::{Seed, hash64};
use super::signin::EventTime;

/// Which suppressions apply: low = system + organisation + user, medium = system + user, high = system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sensitivity {
    Low,
    Medium,
    High,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ImpossibleTravel {
    pub enabled: bool,
    pub sensitivity: Sensitivity,
    /// Airliners cruise near 900; peers use 800–1000.
    pub max_speed_kmh: f64,
    pub min_distance_km: f64,
    /// Time between is at least this: clocks of two log writers differ.
    pub clock_skew_s: f64,
    pub learning_days: u32,
    /// Unseen for this long, the family learns again.
    pub relearn_after_days: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AtypicalTravel {
    pub enabled: bool,
    pub sensitivity: Sensitivity,
    pub min_distance_km: f64,
    /// Learning ends at the earlier of days and sign-ins.
    pub learning_days: u32,
    pub learning_sign_ins: u32,
    pub relearn_after_days: u32,
    /// Score in bits from which it fires at low, medium, high.
    pub low_bits: f64,
    pub medium_bits: f64,
    pub high_bits: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NewCountry {
    pub enabled: bool,
    pub sensitivity: Sensitivity,
    /// A country unseen for this long is new again.
    pub infrequent_after_days: u32,
    /// Share of the organisation's users from which a country is common.
    pub common_share: f64,
    /// Evidence of network and device together below which a new country is a journey, bits.
    pub min_bits: f64,
    pub learning_days: u32,
    pub relearn_after_days: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct UnfamiliarFeatures {
    pub enabled: bool,
    pub sensitivity: Sensitivity,
    /// Score in bits from which it fires at low, medium, high.
    pub low_bits: f64,
    pub medium_bits: f64,
    pub high_bits: f64,
    pub learning_min_days: u32,
    pub learning_max_days: u32,
    /// Learning has settled when the mean surprise of recent sign-ins is below this many bits.
    pub settled_bits: f64,
    pub relearn_after_days: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ListedAddress {
    pub anonymized_enabled: bool,
    pub malicious_enabled: bool,
    pub nation_state_enabled: bool,
    /// An address from which so many wrong passwords came within `malicious_window_hours` is malicious; where the
    /// organisation knows users of the address, one more for each.
    pub malicious_attempts_min: u32,
    pub malicious_window_hours: u32,
}

/// Many users' failures with one trace in common: address, prefix, ASN or user agent.
#[derive(Clone, Debug, PartialEq)]
pub struct PasswordSpray {
    pub enabled: bool,
    /// Users who failed from one address, within `window_hours`.
    pub address_users_min: u32,
    pub prefix_users_min: u32,
    /// The same for a whole network, within `window_hours`.
    pub asn_users_min: u32,
    /// The same with one user agent from one prefix or network, within `slow_window_hours`.
    pub network_and_user_agent_users_min: u32,
    /// The same with one user agent from anywhere, within `slow_window_hours`.
    pub user_agent_users_min: u32,
    /// An attack is over once so many hours pass without an attempt.
    pub window_hours: u32,
    pub slow_window_hours: u32,
    /// So many more users for each that the organisation knows at the address or prefix, or with network and user agent: who
    /// share a gateway mistype there, too.
    pub known_users_factor: f64,
    /// The same for a network or a user agent alone.
    pub slow_known_users_factor: f64,
}

/// One rare browser on several accounts.
#[derive(Clone, Debug, PartialEq)]
pub struct SuspiciousBrowser {
    pub enabled: bool,
    /// Users with whom it is new, and from as many countries as `countries_min`, within `window_hours`.
    pub users_min: u32,
    pub countries_min: u32,
    pub window_hours: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AnomalousToken {
    pub enabled: bool,
    pub sensitivity: Sensitivity,
    /// Score in bits from which it fires at low, medium, high.
    pub low_bits: f64,
    pub medium_bits: f64,
    pub high_bits: f64,
    /// Two places that a session is used from within this time use it at once.
    pub simultaneous_minutes: u32,
    /// A session that goes on somewhere else is unusually old from this age.
    pub unusual_age_days: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AttackerInTheMiddle {
    pub enabled: bool,
    pub sensitivity: Sensitivity,
    /// A session that began through a relay is looked for elsewhere for this long.
    pub continuation_hours: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TokenIssuer {
    pub enabled: bool,
    /// Colleagues whose issuer is known, from which an unheard-of issuer means something.
    pub known_users_min: u32,
    /// Days of use from which a user's own issuer counts as his habit.
    pub habit_days: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MfaFatigue {
    pub enabled: bool,
    /// Denied prompts are counted over this time.
    pub window_minutes: u32,
    /// Denied prompts from which it fires, and from which it is a step higher.
    pub denied_prompts: u32,
    pub many_denied_prompts: u32,
    /// Denied prompts before one that was passed.
    pub denied_before_passed: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReportedActivity {
    pub enabled: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RiskyAddress {
    pub enabled: bool,
    pub sensitivity: Sensitivity,
    /// Share of the organisation's users from which a network is common.
    pub common_share: f64,
}

/// What other products found.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamFindings {
    pub enabled: bool,
    /// Below this level they are left out. At least low: a finding of no level is none.
    pub min_level: RiskLevel,
}

/// How detections are put together to one story.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// An incident takes in detections for this long from its first.
    pub window_hours: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// A risky sign-in teaches nothing for this long, and then only if its properties came again without risk.
    pub quarantine_days: u32,
    /// Familiarity halves in this many days.
    pub half_life_days: u32,
    /// The same finding about the same stranger is reported again only after this long.
    pub repeat_after_hours: u32,
}

/// A named exception: all fields that are set must match.
#[derive(Clone, Debug, PartialEq)]
pub struct Exception {
    pub name: String,
    /// Empty = every detection.
    pub detections: Vec<super::finding::RiskEventType>,
    /// User ids or principal names, lower case; `*` matches any run of characters.
    pub users: Vec<String>,
    pub device_ids: Vec<String>,
    /// Hashes of [`Self::device_ids`], for matching against facts.
    pub device_hashes: Vec<u32>,
    /// Address, mask length.
    pub networks: Vec<(std::net::IpAddr, u8)>,
    /// Unordered pairs; a pair of one country with itself excepts travel inside it.
    pub country_pairs: Vec<(super::facts::CountryCode, super::facts::CountryCode)>,
    /// Application ids, hashed.
    pub app_hashes: Vec<u32>,
}

/// One set of rules for a tenant or for some of its users.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub impossible_travel: ImpossibleTravel,
    pub atypical_travel: AtypicalTravel,
    pub new_country: NewCountry,
    pub unfamiliar_features: UnfamiliarFeatures,
    pub listed_address: ListedAddress,
    pub password_spray: PasswordSpray,
    pub suspicious_browser: SuspiciousBrowser,
    pub exceptions: Vec<Exception>,
    pub anomalous_token: AnomalousToken,
    pub attacker_in_the_middle: AttackerInTheMiddle,
    pub token_issuer: TokenIssuer,
    pub mfa_fatigue: MfaFatigue,
    pub reported_activity: ReportedActivity,
    pub risky_address: RiskyAddress,
    pub upstream_findings: UpstreamFindings,
    pub incident: Incident,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            impossible_travel: ImpossibleTravel {
                enabled: true,
                sensitivity: Sensitivity::Medium,
                max_speed_kmh: 1_000.0,
                min_distance_km: 500.0,
                clock_skew_s: 60.0,
                learning_days: 7,
                relearn_after_days: 90,
            },
            atypical_travel: AtypicalTravel {
                enabled: true,
                sensitivity: Sensitivity::Medium,
                min_distance_km: 500.0,
                learning_days: 14,
                learning_sign_ins: 10,
                relearn_after_days: 90,
                low_bits: 8.0,
                medium_bits: 12.0,
                high_bits: 17.0,
            },
            new_country: NewCountry {
                enabled: true,
                sensitivity: Sensitivity::Medium,
                infrequent_after_days: 90,
                common_share: 0.05,
                min_bits: 6.0,
                learning_days: 7,
                relearn_after_days: 90,
            },
            unfamiliar_features: UnfamiliarFeatures {
                enabled: true,
                sensitivity: Sensitivity::Medium,
                low_bits: 8.25,
                medium_bits: 14.0,
                high_bits: 18.5,
                learning_min_days: 5,
                learning_max_days: 30,
                settled_bits: 3.0,
                relearn_after_days: 60,
            },
            listed_address: ListedAddress {
                anonymized_enabled: true,
                malicious_enabled: true,
                nation_state_enabled: true,
                malicious_attempts_min: 30,
                malicious_window_hours: 24,
            },
            password_spray: PasswordSpray {
                enabled: true,
                address_users_min: 8,
                prefix_users_min: 12,
                asn_users_min: 25,
                network_and_user_agent_users_min: 6,
                user_agent_users_min: 15,
                window_hours: 24,
                slow_window_hours: 168,
                known_users_factor: 0.5,
                slow_known_users_factor: 3.0,
            },
            suspicious_browser: SuspiciousBrowser {
                enabled: true,
                users_min: 3,
                countries_min: 2,
                window_hours: 24,
            },
            exceptions: Vec::new(),
            anomalous_token: AnomalousToken {
                enabled: true,
                sensitivity: Sensitivity::Medium,
                low_bits: 16.0,
                medium_bits: 24.0,
                high_bits: 31.0,
                simultaneous_minutes: 30,
                unusual_age_days: 30,
            },
            attacker_in_the_middle: AttackerInTheMiddle {
                enabled: true,
                sensitivity: Sensitivity::Medium,
                continuation_hours: 24,
            },
            token_issuer: TokenIssuer { enabled: true, known_users_min: 20, habit_days: 3 },
            mfa_fatigue: MfaFatigue {
                enabled: true,
                window_minutes: 60,
                denied_prompts: 5,
                many_denied_prompts: 10,
                denied_before_passed: 3,
            },
            reported_activity: ReportedActivity { enabled: true },
            risky_address: RiskyAddress { enabled: true, sensitivity: Sensitivity::Medium, common_share: 0.01 },
            upstream_findings: UpstreamFindings { enabled: true, min_level: RiskLevel::Low },
            incident: Incident { window_hours: 24 },
        }
    }
}

/// A policy with the users it is for. The first that matches counts; none matching, the default policy.
#[derive(Clone, Debug, PartialEq)]
pub struct ScopedPolicy {
    pub name: String,
    /// Tenant ids, lower case; empty = any.
    pub tenants: Vec<String>,
    /// User ids or principal names with `*`; empty = all.
    pub users: Vec<String>,
    pub policy: Policy,
}

/// Most shadow policies of one configuration: each costs a judgement of whatever is not wholly familiar, and what it
/// found at a user.
pub const SHADOW_POLICIES_MAX: usize = 4;

/// A candidate that judges beside the live policies. What it finds is told apart, and nothing else comes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShadowPolicy {
    /// Every one that matches a user judges his sign-ins.
    pub scoped: ScopedPolicy,
    /// Hash of its rules: goes into its detections, with that of the configuration.
    pub hash: u64,
    key: u64,
}

impl ShadowPolicy {
    pub fn new(scoped: ScopedPolicy, hash: u64) -> ShadowPolicy {
        let key = hash64(Seed::ShadowPolicy, scoped.name.as_bytes()).max(1);
        ShadowPolicy { scoped, hash, key }
    }

    /// Hash of the name, never 0. What the policy found is remembered under it: by another name it begins anew.
    pub fn key(&self) -> u64 {
        self.key
    }
}

/// Everything the engine is configured by, tables apart.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineConfig {
    pub default_policy: Policy,
    pub scoped_policies: Vec<ScopedPolicy>,
    /// At most [`SHADOW_POLICIES_MAX`].
    pub shadow_policies: Vec<ShadowPolicy>,
    pub baseline: Baseline,
    /// How far behind the stream an event may arrive and still be judged as if in order.
    pub lateness_horizon_s: u32,
    /// Attempts on other users up to this long after a sign-in count in its verdict.
    pub hindsight_s: u32,
    /// Seconds of stream time from one review to the next: a runtime's choice, as all tasks have to have come to a review
    /// before any begins it.
    pub review_every_s: u32,
    /// How far stream time may come past a border before its review has to begin, seconds: so long a task can go on while
    /// others have not handed over what they know.
    pub review_ahead_s: u32,
    /// Users kept unpacked for speed; the rest are kept packed.
    pub hot_users_max: usize,
    /// Users remembered at all; beyond it the user unseen for longest is forgotten, and counted.
    pub users_max: usize,
    /// Emit detections that a suppression silenced, marked as such.
    pub emit_suppressed: bool,
    /// Goes into every detection: hash of configuration and tables.
    pub config_hash: u64,
}

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        EngineConfig {
            default_policy: Policy::default(),
            scoped_policies: Vec::new(),
            shadow_policies: Vec::new(),
            baseline: Baseline { quarantine_days: 7, half_life_days: 30, repeat_after_hours: 168 },
            lateness_horizon_s: 7_200,
            hindsight_s: 7_200,
            review_every_s: REVIEW_EVERY_S,
            review_ahead_s: REVIEW_AHEAD_S,
            hot_users_max: 8_192,
            users_max: 10_000_000,
            emit_suppressed: false,
            config_hash: 0,
        }
    }
}

/// Seconds of stream time from one review to the next, unless the runtime says otherwise.
pub const REVIEW_EVERY_S: u32 = 600;
/// How far stream time may be ahead of its review, beyond the step to the next one: a round trip between partitions buys so
/// much of a backlog, and so much longer are the tails kept in which something is not familiar.
pub const REVIEW_AHEAD_S: u32 = 7_200;

impl EngineConfig {
    /// How far behind the stream a sign-in is when nothing can change its verdict any more, less one step from review to
    /// review at most; seconds.
    pub fn ripe_after_s(&self) -> i64 {
        i64::from(self.lateness_horizon_s) + i64::from(self.hindsight_s)
    }

    /// When the review began that `stream_time` belongs to.
    pub fn review_at(&self, stream_time: EventTime) -> EventTime {
        let step = i64::from(self.review_every_s.max(1));
        EventTime::from_seconds(stream_time.seconds().div_euclid(step) * step)
    }

    /// When the first review begins of a stream that has come to the border `come`: one for which nothing is ripe, so that
    /// each sign-in has its own review, however late reviews begin.
    pub fn first_review(&self, oldest_waiting: Option<EventTime>, come: EventTime) -> EventTime {
        let unripe = |oldest: EventTime| self.review_at(oldest.plus_seconds(self.ripe_after_s()));
        oldest_waiting.map_or(come, |oldest| come.min(unripe(oldest)))
    }
}

/// `*` matches any run of characters; everything else matches itself. Both sides lower case.
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((head, mut rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    while let Some((part, after)) = rest.split_once('*') {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
        rest = after;
    }
    text.ends_with(rest)
}
