//! What is remembered of one user: one named field per concern, every one bounded.
//!
//! [`UserState`] is a fold over the user's sign-ins and feedback in event order: [`UserState::learn`] and
//! [`UserState::apply_feedback`] are its only steps. [`record`] decides in which order they run when events arrive
//! late; [`store`] keeps many users in little memory; [`codec`] turns state into bytes and back.

pub mod branches;
pub mod codec;
mod contribution;
pub mod denial;
mod detections;
mod differences;
mod doubt;
pub mod explain;
pub mod familiarity;
pub mod learning;
mod newest;
pub mod panel;
pub mod record;
mod request_id;
pub mod review;
mod risky;
pub mod session;
pub mod shadow;
pub mod store;
pub mod tail;
pub mod visitor;

use std::net::IpAddr;
use std::sync::Arc;

use arrayvec::ArrayVec;

use super::facts::{Agent, Connection, CountryCode, Facts, ListSet, NamedLocation, Place, Precision};
use super::finding::{RiskDetail, RiskEventType, RiskLevel, RiskState};
use super::hash::Seed;
use super::policy::Policy;
use super::risk::incident::Incident;
use super::risk::upstream::Reported;
use super::risk::user::RiskFile;
use super::signin::{Credential, EventTime, Outcome, Provider};
use denial::Denial;
use familiarity::{Day, Decay, Rate, Rhythm, Table, compact_day};
use learning::{Learning, Teaching};
pub use request_id::{RequestId, event_hash};
use session::Session;
use shadow::ShadowFile;
use visitor::Visitor;

/// Sign-ins in quarantine per user; the oldest is discarded when full (it then simply taught nothing).
pub const QUARANTINE_MAX: usize = 8;
/// Open detections per user; when full the oldest closed one is forgotten, or the oldest of the lowest level.
pub const OPEN_RISKS_MAX: usize = 64;
/// Recent event ids kept per user against duplicates from before the tail.
pub const SEEN_MAX: usize = 8;
/// Journeys remembered per user.
pub const TRANSITIONS_MAX: usize = 8;

/// The last learnt sign-in with a place of its own: what travel is measured from.
#[derive(Clone, Debug, PartialEq)]
pub struct Anchor {
    pub time: EventTime,
    pub request_id: RequestId,
    pub provider: Provider,
    pub address: Option<IpAddr>,
    pub address_hash: u32,
    pub asn: u32,
    pub connection: Connection,
    pub lists: ListSet,
    pub named: NamedLocation,
    pub coordinates: (f32, f32),
    pub radius_km: u16,
    pub precision: Precision,
    pub country: CountryCode,
    pub region_hash: u32,
    pub city_hash: u32,
    pub device_hash: u32,
    pub session_hash: u32,
    pub browser_hash: u32,
    pub operating_system_hash: u32,
    pub place: Option<Arc<Place>>,
    pub agent: Arc<Agent>,
    pub asn_organization: Option<Arc<str>>,
}

/// A risky sign-in's properties, held back from the baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quarantined {
    /// Hash of the sign-in's id.
    pub event: u64,
    /// When its properties last came with risk: from here its ageing counts.
    pub time: EventTime,
    pub properties: Properties,
    /// Confirmed compromised: it never teaches.
    pub compromised: bool,
}

/// The values of one sign-in that a baseline learns. Hash 0 = absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Properties {
    pub address: u32,
    pub prefix: u32,
    pub asn: u32,
    pub city: u32,
    pub region: u32,
    pub country: u32,
    pub device: u32,
    pub user_agent: u32,
    pub browser: u32,
    pub browser_major: u16,
    pub operating_system: u32,
    pub client: u32,
    pub hour_of_week: u8,
}

/// Stands for "no device id was given", which is a habit like any other.
pub const NO_DEVICE: u32 = u32::MAX;

impl Properties {
    pub fn of(facts: &Facts) -> Properties {
        Properties {
            address: facts.address_hash,
            prefix: facts.prefix_hash,
            asn: facts.asn,
            city: facts.city_hash,
            region: facts.region_hash,
            country: facts.country.key(),
            device: if facts.device_hash == 0 { NO_DEVICE } else { facts.device_hash },
            user_agent: facts.user_agent_hash,
            browser: facts.browser_hash,
            browser_major: facts.browser_major,
            operating_system: facts.operating_system_hash,
            client: facts.client_hash,
            hour_of_week: facts.time.hour_of_week(),
        }
    }

    /// The same stranger again: same network and same device and agent.
    pub fn same_context(&self, other: &Properties) -> bool {
        self.asn == other.asn && self.same_visit(other)
    }

    /// The same visit: same country, device and agent, on whatever network. Who travels changes networks often.
    pub fn same_visit(&self, other: &Properties) -> bool {
        self.country == other.country && self.same_client(other)
    }

    /// The same device and agent, wherever.
    pub fn same_client(&self, other: &Properties) -> bool {
        self.device == other.device
            && self.browser == other.browser
            && self.operating_system == other.operating_system
    }
}

/// A detection that stands: for feedback, for repeats, for user risk.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenRisk {
    pub kind: RiskEventType,
    pub level: RiskLevel,
    pub score: u8,
    pub state: RiskState,
    pub detail: RiskDetail,
    /// Hash of the sign-in's id; where an upstream finding names no sign-in, of the finding's own.
    pub event: u64,
    pub request_id: RequestId,
    /// When the sign-in was, or when an upstream product told of it.
    pub time: EventTime,
    /// What it was about, so that the same stranger is reported once.
    pub properties: Properties,
    /// Hash of the sign-in's session; 0 = none.
    pub session_hash: u32,
    pub incident: Incident,
    /// Of a risk that another product found. On the heap, as most are our own.
    pub reported: Option<Box<Reported>>,
}

/// A journey between two places, seen without risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Hash of both region hashes, unordered.
    pub key: u32,
    pub last_day: Day,
}

/// What is taken as normal.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Baseline {
    pub address: Table<16>,
    pub prefix: Table<12>,
    pub asn: Table<10>,
    pub city: Table<10>,
    pub region: Table<8>,
    pub country: Table<8>,
    pub device: Table<8>,
    pub user_agent: Table<6>,
    pub browser: Table<6>,
    pub operating_system: Table<6>,
    pub client: Table<6>,
    /// Newest major version seen of each browser in `browser`, in its order.
    pub browser_majors: ArrayVec<(u32, u16), 6>,
    pub rhythm: Rhythm,
    /// How often a new value came where one could have.
    pub new_prefix: Rate,
    pub new_asn: Rate,
    pub new_country: Rate,
    pub new_region: Rate,
    pub new_device: Rate,
    pub new_browser: Rate,
    /// New addresses seen, and expected from the gaps between sign-ins. Fixed point, 1/16.
    pub new_addresses: u16,
    pub new_addresses_expected: u16,
    /// Sign-ins learnt, saturating.
    pub sign_ins: u16,
}

/// Everything remembered of one user.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct UserState {
    /// Newest event folded in: time and id hash. `None` before the first.
    pub newest: Option<(EventTime, u64)>,
    /// Newest learnt sign-in (success, not quarantined).
    pub last_learnt: Option<EventTime>,
    pub baseline: Baseline,
    pub learning: Learning,
    pub anchor: Option<Anchor>,
    /// Sessions seen lately.
    pub sessions: Table<4>,
    pub transitions: ArrayVec<Transition, TRANSITIONS_MAX>,
    /// Wrong passwords from unfamiliar addresses, decayed by the hour. Fixed point, 1/16.
    pub failures: u16,
    pub failures_hour: u32,
    /// At most [`QUARANTINE_MAX`]. On the heap, as most users have none.
    pub quarantine: Vec<Quarantined>,
    /// At most [`OPEN_RISKS_MAX`].
    pub open: Vec<OpenRisk>,
    /// Of a user who has or had open risks.
    pub risk_file: Option<Box<RiskFile>>,
    /// Low 32 bits of recent event ids, newest last.
    pub seen: ArrayVec<u32, SEEN_MAX>,
    /// What became of the newest sessions, at most [`session::SESSIONS_MAX`].
    pub followed: Vec<Session>,
    /// Prompts denied lately, at most [`denial::DENIALS_MAX`]. On the heap, as most users have none.
    pub denials: Vec<Denial>,
    /// Token issuers.
    pub issuers: Table<3>,
    /// Clients on probation, at most [`visitor::VISITORS_MAX`]. On the heap, as most users have none.
    pub visitors: Vec<Visitor>,
    /// What shadow policies found, by rising key. On the heap, as there are none mostly.
    pub shadows: Vec<ShadowFile>,
}

/// What a verdict leaves for learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Lesson {
    /// At medium risk or above, or far from home at low: teaches nothing for now.
    pub quarantined: bool,
    /// Surprise in bits, fixed point 1/16, for the unfamiliar-properties learning.
    pub surprise: u16,
}

/// What learning needs beside the sign-in.
pub struct Teacher<'a> {
    pub policy: &'a Policy,
    pub decay: &'a Decay,
    pub quarantine_days: u32,
}

/// The shared text an anchor keeps for evidence.
pub struct AnchorText<'a> {
    pub request_id: &'a str,
    pub place: Option<&'a Arc<Place>>,
    pub agent: &'a Arc<Agent>,
    pub asn_organization: Option<&'a Arc<str>>,
}

impl UserState {
    /// Folds one sign-in in, after its verdict.
    pub fn learn(&mut self, facts: &Facts, text: &AnchorText<'_>, lesson: Lesson, teacher: &Teacher<'_>) {
        self.note(facts.time, facts.event);
        self.note_denial(facts, text.request_id, teacher.decay);
        if (facts.credential, facts.outcome) == (Credential::Right, Outcome::Success) {
            self.follow_session(facts, text.request_id, lesson.quarantined, teacher.decay);
        }
        match self.teaching(facts, lesson, teacher) {
            Teaching::Quarantined => {
                self.quarantine(facts);
                self.note_visit(facts, teacher);
            }
            Teaching::OnProbation => self.note_visit(facts, teacher),
            Teaching::Learnt => self.learn_success(facts, text, lesson, teacher),
            Teaching::CountedAsFailure => self.learn_failure(facts),
            Teaching::Mistyped | Teaching::None => {}
        }
    }

    /// What [`Self::learn`] makes of a sign-in.
    pub fn teaching(&self, facts: &Facts, lesson: Lesson, teacher: &Teacher<'_>) -> Teaching {
        match (facts.credential, facts.outcome) {
            (Credential::Right, Outcome::Success) if lesson.quarantined => Teaching::Quarantined,
            (Credential::Right, Outcome::Success) if self.is_on_probation(facts, teacher) => Teaching::OnProbation,
            (Credential::Right, Outcome::Success) => Teaching::Learnt,
            (Credential::Wrong, _) => {
                let prefix = &self.baseline.prefix;
                let known = prefix.get(facts.prefix_hash, compact_day(facts.time.day()), teacher.decay);
                if known.is_some() { Teaching::Mistyped } else { Teaching::CountedAsFailure }
            }
            _ => Teaching::None,
        }
    }

    /// Every event leaves its place in order and its id, against duplicates.
    pub fn note(&mut self, time: EventTime, event: u64) {
        self.newest = self.newest.max(Some((time, event)));
        if self.seen.is_full() {
            self.seen.remove(0);
        }
        self.seen.push(event as u32);
    }

    pub fn has_seen(&self, event: u64) -> bool {
        self.seen.contains(&(event as u32))
    }

    fn quarantine(&mut self, facts: &Facts) {
        let properties = Properties::of(facts);
        // The same stranger again: its ageing starts anew, so daily visits never make it familiar.
        for held in &mut self.quarantine {
            if held.properties.same_context(&properties) {
                held.time = facts.time;
            }
        }
        if self.quarantine.iter().any(|held| held.properties == properties && !held.compromised) {
            return;
        }
        if self.quarantine.len() >= QUARANTINE_MAX {
            self.quarantine.remove(0);
        }
        // A stranger who was confirmed stays one when he comes back.
        let compromised =
            self.quarantine.iter().any(|held| held.compromised && held.properties.same_context(&properties));
        self.quarantine.push(Quarantined { event: facts.event, time: facts.time, properties, compromised });
    }

    fn learn_success(&mut self, facts: &Facts, text: &AnchorText<'_>, lesson: Lesson, teacher: &Teacher<'_>) {
        let day = compact_day(facts.time.day());
        let properties = Properties::of(facts);
        self.release_aged(&properties, facts.time, teacher);
        self.learning.observe(facts.time, lesson.surprise, teacher.policy);
        self.learn_rates(&properties, facts, day, teacher.decay);
        self.baseline.observe(&properties, day, teacher.decay);
        if facts.session_hash != 0 {
            self.sessions.observe(facts.session_hash, day, teacher.decay);
        }
        if facts.issuer_hash != 0 {
            self.issuers.observe(facts.issuer_hash, day, teacher.decay);
        }
        self.welcome(&properties);
        self.move_anchor(facts, text, day);
        self.last_learnt = Some(facts.time);
    }

    /// Quarantined properties that aged and came again without risk are the owner's after all.
    fn release_aged(&mut self, properties: &Properties, now: EventTime, teacher: &Teacher<'_>) {
        if self.quarantine.is_empty() {
            return;
        }
        let limit = now.minus_seconds(i64::from(teacher.quarantine_days) * super::signin::SECONDS_PER_DAY);
        let mut index = 0;
        while index < self.quarantine.len() {
            let held = self.quarantine[index];
            if !held.compromised && held.time < limit && held.properties.same_context(properties) {
                self.quarantine.remove(index);
                self.baseline.observe(&held.properties, compact_day(held.time.day()), teacher.decay);
            } else {
                index += 1;
            }
        }
    }

    fn learn_rates(&mut self, properties: &Properties, facts: &Facts, day: Day, decay: &Decay) {
        let baseline = &mut self.baseline;
        if baseline.sign_ins == 0 {
            return;
        }
        let new_address =
            properties.address != 0 && baseline.address.get(properties.address, day, decay).is_none();
        if let Some(last) = self.last_learnt {
            let expected = new_address_prior(facts.time.seconds_since(last));
            if baseline.new_addresses_expected > 4_000 {
                baseline.new_addresses /= 2;
                baseline.new_addresses_expected /= 2;
            }
            baseline.new_addresses_expected += (expected * 16.0) as u16;
            // A script may change its address within every minute: expected stays, this one rises.
            baseline.new_addresses = baseline.new_addresses.saturating_add(16 * u16::from(new_address));
        }
        if new_address {
            let new_prefix = baseline.prefix.get(properties.prefix, day, decay).is_none();
            baseline.new_prefix.observe(new_prefix);
            if new_prefix && properties.asn != 0 {
                baseline.new_asn.observe(baseline.asn.get(properties.asn, day, decay).is_none());
            }
        }
        if properties.country != 0 {
            let new_country = baseline.country.get(properties.country, day, decay).is_none();
            baseline.new_country.observe(new_country);
            if properties.region != 0 {
                baseline.new_region.observe(baseline.region.get(properties.region, day, decay).is_none());
            }
        }
        baseline.new_device.observe(baseline.device.get(properties.device, day, decay).is_none());
        if properties.browser != 0 {
            baseline.new_browser.observe(baseline.browser.get(properties.browser, day, decay).is_none());
        }
    }

    fn move_anchor(&mut self, facts: &Facts, text: &AnchorText<'_>, day: Day) {
        let Some(coordinates) = facts.coordinates else { return };
        if facts.named.egress || facts.is_moving_network() {
            return;
        }
        // An address that stays while its place changes is a correction of the tables, and no journey.
        if let Some(previous) = &self.anchor
            && previous.region_hash != facts.region_hash
            && (facts.address_hash == 0 || previous.address_hash != facts.address_hash)
        {
            let key = transition_key(previous.region_hash, facts.region_hash);
            remember_transition(&mut self.transitions, key, day);
        }
        self.anchor = Some(Anchor {
            time: facts.time,
            request_id: RequestId::new(text.request_id),
            provider: facts.provider,
            address: facts.address,
            address_hash: facts.address_hash,
            asn: facts.asn,
            connection: facts.connection,
            lists: facts.lists,
            named: facts.named,
            coordinates,
            radius_km: facts.radius_km,
            precision: facts.precision,
            country: facts.country,
            region_hash: facts.region_hash,
            city_hash: facts.city_hash,
            device_hash: facts.device_hash,
            session_hash: facts.session_hash,
            browser_hash: facts.browser_hash,
            operating_system_hash: facts.operating_system_hash,
            place: text.place.cloned(),
            agent: text.agent.clone(),
            asn_organization: text.asn_organization.cloned(),
        });
    }

    fn learn_failure(&mut self, facts: &Facts) {
        let (failures, hour) = self.failures_at(facts.time);
        self.failures = failures.saturating_add(16).min(16 * 64);
        self.failures_hour = hour;
    }

    /// Recent failures (1/16) and the hour they are for: a quarter is forgotten each hour.
    pub fn failures_at(&self, time: EventTime) -> (u16, u32) {
        let hour = u32::try_from(time.seconds().div_euclid(3_600)).unwrap_or(0);
        let mut failures = self.failures;
        for _ in 0..hour.saturating_sub(self.failures_hour).min(32) {
            failures -= failures.div_ceil(4);
        }
        (failures, hour)
    }
}

impl Baseline {
    pub fn observe(&mut self, properties: &Properties, day: Day, decay: &Decay) {
        let learn = |key: u32, observe: &mut dyn FnMut(u32)| {
            if key != 0 {
                observe(key);
            }
        };
        learn(properties.address, &mut |key| self.address.observe(key, day, decay));
        learn(properties.prefix, &mut |key| self.prefix.observe(key, day, decay));
        learn(properties.asn, &mut |key| self.asn.observe(key, day, decay));
        learn(properties.city, &mut |key| self.city.observe(key, day, decay));
        learn(properties.region, &mut |key| self.region.observe(key, day, decay));
        learn(properties.country, &mut |key| self.country.observe(key, day, decay));
        learn(properties.device, &mut |key| self.device.observe(key, day, decay));
        learn(properties.user_agent, &mut |key| self.user_agent.observe(key, day, decay));
        learn(properties.operating_system, &mut |key| self.operating_system.observe(key, day, decay));
        learn(properties.client, &mut |key| self.client.observe(key, day, decay));
        if properties.browser != 0 {
            self.browser.observe(properties.browser, day, decay);
            self.remember_major(properties.browser, properties.browser_major);
        }
        self.rhythm.observe(properties.hour_of_week);
        self.sign_ins = self.sign_ins.saturating_add(1);
    }

    /// Versions only move forward; the newest of each browser is kept.
    fn remember_major(&mut self, browser: u32, major: u16) {
        if let Some(known) = self.browser_majors.iter_mut().find(|known| known.0 == browser) {
            known.1 = known.1.max(major);
            return;
        }
        if self.browser_majors.is_full() {
            self.browser_majors.remove(0);
        }
        self.browser_majors.push((browser, major));
    }

    /// Every table's values, in the order of the fields.
    pub fn tables(&self) -> [&[familiarity::Entry]; 11] {
        [
            &self.address.entries,
            &self.prefix.entries,
            &self.asn.entries,
            &self.city.entries,
            &self.region.entries,
            &self.country.entries,
            &self.device.entries,
            &self.user_agent.entries,
            &self.browser.entries,
            &self.operating_system.entries,
            &self.client.entries,
        ]
    }

    /// The rates, in the order of the fields.
    pub fn rates(&self) -> [Rate; 6] {
        [self.new_prefix, self.new_asn, self.new_country, self.new_region, self.new_device, self.new_browser]
    }

    pub fn rates_mut(&mut self) -> [&mut Rate; 6] {
        [
            &mut self.new_prefix,
            &mut self.new_asn,
            &mut self.new_country,
            &mut self.new_region,
            &mut self.new_device,
            &mut self.new_browser,
        ]
    }

    pub fn newest_major(&self, browser: u32) -> Option<u16> {
        self.browser_majors.iter().find(|known| known.0 == browser).map(|known| known.1)
    }
}

/// Key of a journey: the same in both directions.
pub fn transition_key(one: u32, other: u32) -> u32 {
    let (low, high) = (one.min(other), one.max(other));
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&low.to_le_bytes());
    bytes[4..].copy_from_slice(&high.to_le_bytes());
    super::hash::hash32(Seed::Transition, &bytes)
}

fn remember_transition(transitions: &mut ArrayVec<Transition, TRANSITIONS_MAX>, key: u32, day: Day) {
    if let Some(known) = transitions.iter_mut().find(|known| known.key == key) {
        known.last_day = known.last_day.max(day);
        return;
    }
    if transitions.is_full() {
        let oldest = transitions.iter().enumerate().min_by_key(|(_, t)| (t.last_day, t.key)).map(|(i, _)| i);
        if let Some(index) = oldest {
            transitions.remove(index);
        }
    }
    transitions.push(Transition { key, last_day: day });
}

/// Probability that an owner comes from a new address, by the time since the last sign-in.
///
/// Source: counts over the 12.5 million successful sign-ins of the public RBA data set (Wiefling et al.,
/// TOPS 2022): from 2.4 % within a minute to 75.9 % after a month.
pub fn new_address_prior(gap_s: f64) -> f64 {
    const TABLE: [(f64, f64); 6] = [
        (60.0, 0.024),
        (600.0, 0.054),
        (3_600.0, 0.120),
        (86_400.0, 0.223),
        (604_800.0, 0.351),
        (2_592_000.0, 0.539),
    ];
    TABLE.iter().find(|(limit, _)| gap_s < *limit).map_or(0.759, |(_, probability)| *probability)
}
