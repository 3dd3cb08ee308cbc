//! Records of every shape, there and back; damaged bytes.

mod findings;
mod limits;
mod version_4;
mod version_5;
mod version_6;

use std::sync::Arc;

use arrayvec::ArrayVec;
use proptest::prelude::*;

use super::super::denial::{DENIALS_MAX, Denial};
use super::super::familiarity::{Entry, Rate, Table};
use super::super::learning::{FamilyLearning, Learning};
use super::super::record::Identity;
use super::super::session::{Elsewhere, SESSIONS_MAX, Session, Stop};
use super::super::shadow::{SHADOW_RISKS_MAX, ShadowFile, ShadowJudged, ShadowSet};
use super::super::tail::{FINDINGS_MAX, Judged, PackedText, TAIL_MAX, TailFeedback, TailSignIn};
use super::super::visitor::{VISITORS_MAX, VisitedNetwork, Visitor};
use super::super::{
    Anchor, Lesson, OPEN_RISKS_MAX, OpenRisk, Properties, QUARANTINE_MAX, Quarantined, RequestId, SEEN_MAX,
    TRANSITIONS_MAX, Transition, UserState,
};
use super::words::Word;
use super::*;
use crate::engine::facts::{Agent, CountryCode, Facts, ListSet, NamedLocation, Place, Precision};
use crate::engine::policy::EngineConfig;
use crate::engine::risk::incident::Incident;

/// SplitMix64 (Steele et al. 2014): any record from one number.
pub(in crate::engine::user) struct Dice(pub(in crate::engine::user) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Small numbers and great ones alike; often 0, often the greatest.
    fn u64(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => u64::MAX,
            _ => self.next() >> self.below(64),
        }
    }

    fn u32(&mut self) -> u32 {
        self.u64() as u32
    }

    fn u16(&mut self) -> u16 {
        self.u64() as u16
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn time(&mut self) -> EventTime {
        match self.below(4) {
            0 => EventTime(self.u64() as i64),
            1 => EventTime::from_seconds(1_780_000_000),
            _ => EventTime::from_seconds(1_780_000_000 + self.below(5_000_000) as i64),
        }
    }

    fn text(&mut self) -> String {
        ["", "Chrome", "Ålesund", "8b0c0d1e-4f3a-4b7e-9a51-2f6d3c1b0a99", "x"][self.below(5)]
            .repeat(1 + self.below(3))
    }

    fn list<T, const CAP: usize>(&mut self, mut make: impl FnMut(&mut Dice) -> T) -> ArrayVec<T, CAP> {
        let count = if self.below(4) == 0 { CAP } else { self.below(CAP + 1) };
        (0..count).map(|_| make(self)).collect()
    }

    fn word<W: Word>(&mut self) -> W {
        loop {
            if let Some(word) = W::from_number(self.below(1 << W::BITS) as u32) {
                return word;
            }
        }
    }

    fn table<const CAP: usize>(&mut self) -> Table<CAP> {
        let entries = self.list(|dice| {
            let first_day = dice.u16();
            let last_day = if dice.flag() { first_day } else { dice.u16() };
            let weight = if dice.flag() { 64 + 4 * dice.below(20) as u16 } else { dice.u16() };
            Entry { key: dice.u32(), weight, first_day, last_day }
        });
        Table { entries }
    }

    /// A hash, probably one that the table knows.
    fn known<const CAP: usize>(&mut self, table: &Table<CAP>) -> u32 {
        match table.entries.get(self.below(CAP + 2)) {
            Some(entry) => entry.key,
            None => self.u32(),
        }
    }

    fn degrees(&mut self) -> f64 {
        match self.below(4) {
            0 => -0.0,
            1 => 59.9139,
            2 => -(self.below(1_800_000) as f64) / 10_000.0,
            _ => self.below(180) as f64 / 7.0,
        }
    }

    fn place(&mut self) -> Option<Arc<Place>> {
        self.flag().then(|| {
            Arc::new(Place {
                latitude: self.degrees(),
                longitude: self.degrees(),
                radius_km: self.u16(),
                precision: self.word(),
                country: CountryCode([self.u16() as u8, self.u16() as u8]),
                region: self.text().into(),
                city: self.text().into(),
                from_provider: self.flag(),
            })
        })
    }

    fn agent(&mut self) -> Arc<Agent> {
        Arc::new(Agent {
            browser: self.text().into(),
            browser_major: self.u16(),
            operating_system: self.text().into(),
            kind: self.word(),
        })
    }

    fn organization(&mut self) -> Option<Arc<str>> {
        self.flag().then(|| self.text().into())
    }

    fn address(&mut self) -> Option<std::net::IpAddr> {
        match self.below(3) {
            0 => None,
            1 => Some(std::net::IpAddr::V4(self.u32().into())),
            _ => Some(std::net::IpAddr::V6(u128::from(self.u64()).into())),
        }
    }

    fn named(&mut self) -> NamedLocation {
        NamedLocation { index: self.u16(), trusted: self.flag(), egress: self.flag() }
    }

    /// Mostly what the place says.
    fn coordinates(&mut self, place: Option<&Place>) -> (f32, f32) {
        match place {
            Some(place) if self.flag() => (place.latitude as f32, place.longitude as f32),
            _ => (self.degrees() as f32, self.degrees() as f32),
        }
    }

    fn anchor(&mut self, state: &UserState) -> Anchor {
        let place = self.place();
        let like_place = place.as_deref().filter(|_| self.flag());
        let baseline = &state.baseline;
        Anchor {
            time: self.time(),
            request_id: RequestId::new(&self.text()),
            provider: self.word(),
            address: self.address(),
            address_hash: self.known(&baseline.address),
            asn: self.known(&baseline.asn),
            connection: self.word(),
            lists: ListSet(self.u16()),
            named: self.named(),
            coordinates: self.coordinates(place.as_deref()),
            radius_km: like_place.map_or(7, |place| place.radius_km),
            precision: like_place.map_or_else(|| self.word(), |place| place.precision),
            country: like_place.map_or(CountryCode::UNKNOWN, |place| place.country),
            region_hash: self.known(&baseline.region),
            city_hash: self.known(&baseline.city),
            device_hash: self.known(&baseline.device),
            session_hash: self.known(&state.sessions),
            browser_hash: self.known(&baseline.browser),
            operating_system_hash: self.known(&baseline.operating_system),
            place,
            agent: self.agent(),
            asn_organization: self.organization(),
        }
    }

    fn facts(&mut self, state: &UserState, time: EventTime, place: Option<&Place>) -> Facts {
        let baseline = &state.baseline;
        Facts {
            time,
            event: self.u64(),
            provider: self.word(),
            category: self.word(),
            outcome: self.word(),
            credential: self.word(),
            mfa: self.word(),
            account: self.word(),
            error_code: self.u32(),
            address: self.address(),
            address_hash: self.known(&baseline.address),
            prefix_hash: self.known(&baseline.prefix),
            asn: self.known(&baseline.asn),
            connection: self.word(),
            lists: ListSet(self.u16()),
            named: self.named(),
            coordinates: self.flag().then(|| self.coordinates(place)),
            radius_km: place.map_or(9, |place| place.radius_km),
            precision: place.map_or_else(|| self.word(), |place| place.precision),
            country: place.map_or(CountryCode(*b"NO"), |place| place.country),
            region_hash: self.known(&baseline.region),
            city_hash: self.known(&baseline.city),
            device_hash: self.known(&baseline.device),
            device_managed: self.flag().then(|| self.flag()),
            device_compliant: self.flag().then(|| self.flag()),
            user_agent_hash: self.known(&baseline.user_agent),
            browser_hash: self.known(&baseline.browser),
            browser_major: self.u16(),
            operating_system_hash: self.known(&baseline.operating_system),
            device_kind: self.word(),
            client_app: self.word(),
            client_hash: self.known(&baseline.client),
            app_hash: self.u32(),
            session_hash: self.u32(),
            issuer_hash: self.known(&state.issuers),
            issuer_federated: self.flag(),
        }
    }

    /// Of a sign-in at a time of these years.
    pub(in crate::engine::user) fn any_facts(&mut self) -> Facts {
        self.facts(&UserState::default(), EventTime::from_seconds(1_780_000_000), None)
    }

    fn tail_entry(&mut self, state: &UserState, time: EventTime) -> TailEntry {
        if self.below(5) == 0 {
            return TailEntry::UpstreamFinding(Box::new(self.finding(state, time)));
        }
        if self.below(4) == 0 {
            return TailEntry::Feedback(TailFeedback {
                time,
                event: self.u64(),
                action: self.word(),
                about: self.u64(),
                request_id: self.text().into(),
            });
        }
        let place = self.place();
        let facts = self.facts(state, time, place.as_deref());
        let own = Incident { began: facts.time, event: facts.event };
        TailEntry::SignIn(TailSignIn {
            facts,
            text: PackedText(self.text().into_bytes().into()),
            place,
            agent: self.agent(),
            asn_organization: self.organization(),
            lesson: Lesson { quarantined: self.flag(), surprise: self.u16() % 1_000 },
            judged: self.list::<_, FINDINGS_MAX>(|dice| dice.judged(own)).as_slice().into(),
            shadows: Box::default(),
        })
    }

    fn judged(&mut self, own: Incident) -> Judged {
        Judged {
            kind: self.word(),
            level: self.word(),
            score: self.u16() as u8,
            suppressed_by: self.flag().then(|| self.word()),
            fingerprint: self.u64(),
            incident: self.incident(own),
        }
    }

    fn open_risk(&mut self, state: &UserState) -> OpenRisk {
        let own = Incident { began: self.time(), event: self.u64() };
        OpenRisk {
            kind: self.word(),
            level: self.word(),
            score: self.u16() as u8,
            state: self.word(),
            detail: self.word(),
            event: own.event,
            request_id: RequestId::new(&self.text()),
            time: own.began,
            properties: self.properties(state),
            session_hash: self.u32(),
            incident: self.incident(own),
            reported: None,
        }
    }

    fn family(&mut self) -> FamilyLearning {
        FamilyLearning { phase: self.word(), since: self.flag().then(|| self.time()), sign_ins: self.u16() }
    }

    fn properties(&mut self, state: &UserState) -> Properties {
        let baseline = &state.baseline;
        Properties {
            address: self.known(&baseline.address),
            prefix: self.known(&baseline.prefix),
            asn: self.known(&baseline.asn),
            city: self.known(&baseline.city),
            region: self.known(&baseline.region),
            country: self.known(&baseline.country),
            device: self.known(&baseline.device),
            user_agent: self.known(&baseline.user_agent),
            browser: self.known(&baseline.browser),
            browser_major: self.u16(),
            operating_system: self.known(&baseline.operating_system),
            client: self.known(&baseline.client),
            hour_of_week: self.below(168) as u8,
        }
    }

    /// Mostly the sign-in's own.
    fn incident(&mut self, own: Incident) -> Incident {
        if self.below(3) > 0 { own } else { Incident { began: self.time(), event: self.u64() } }
    }

    fn stop(&mut self, state: &UserState) -> Stop {
        let baseline = &state.baseline;
        Stop {
            time: self.time(),
            request_id: RequestId::new(&self.text()),
            provider: self.word(),
            address: self.address(),
            asn: self.known(&baseline.asn),
            connection: self.word(),
            lists: ListSet(self.u16()),
            country: CountryCode([self.u16() as u8, self.u16() as u8]),
            region_hash: self.known(&baseline.region),
            city_hash: self.known(&baseline.city),
            device_hash: self.known(&baseline.device),
            browser_hash: self.known(&baseline.browser),
            operating_system_hash: self.known(&baseline.operating_system),
        }
    }

    fn session(&mut self, state: &UserState) -> Session {
        Session {
            hash: self.u32(),
            began: self.stop(state),
            last: self.flag().then(|| self.stop(state)),
            elsewhere: self.flag().then(|| Elsewhere { time: self.time(), asn: self.known(&state.baseline.asn) }),
            is_interactive: self.flag(),
            passed_mfa: self.flag(),
            is_strange: self.flag(),
            lacks_device: self.flag(),
        }
    }

    fn fill_baseline(&mut self, state: &mut UserState) {
        let baseline = &mut state.baseline;
        baseline.address = self.table();
        baseline.prefix = self.table();
        baseline.asn = self.table();
        baseline.city = self.table();
        baseline.region = self.table();
        baseline.country = self.table();
        baseline.device = self.table();
        baseline.user_agent = self.table();
        baseline.browser = self.table();
        baseline.operating_system = self.table();
        baseline.client = self.table();
        let browser = baseline.browser.clone();
        baseline.browser_majors = self.list(|dice| (dice.known(&browser), dice.u16()));
        baseline.rhythm.cells.iter_mut().for_each(|cell| *cell = self.u16() as u8);
        for rate in baseline.rates_mut() {
            let trials = self.u16() as u8;
            *rate = Rate { trials, hits: (self.u16() as u8).min(trials) };
        }
        // What learning can add to without overflow; the codec takes any number.
        baseline.new_addresses = self.u16() / 2;
        baseline.new_addresses_expected = self.u16() / 2;
        baseline.sign_ins = self.u16();
    }

    fn visitor(&mut self, state: &UserState) -> Visitor {
        let Properties { device, browser, operating_system, .. } = self.properties(state);
        Visitor {
            device,
            browser,
            operating_system,
            first: self.time(),
            last: self.time(),
            networks: self.list(|dice| VisitedNetwork { asn: dice.u32(), prefix: dice.u32() }),
        }
    }

    fn state(&mut self) -> UserState {
        let mut state = UserState::default();
        self.fill_baseline(&mut state);
        state.sessions = self.table();
        state.issuers = self.table();
        state.seen = self.list::<_, SEEN_MAX>(Dice::u32);
        state.newest = self.flag().then(|| (self.time(), self.u64()));
        if let (Some(newest), Some(seen), true) = (&mut state.newest, state.seen.last(), self.flag()) {
            newest.1 = newest.1 >> 32 << 32 | u64::from(*seen);
        }
        state.last_learnt = self.flag().then(|| self.time());
        state.learning = Learning {
            atypical_travel: self.family(),
            impossible_travel: self.family(),
            new_country: self.family(),
            unfamiliar_features: self.family(),
            mean_surprise: self.u16() / 2,
            last_seen: self.flag().then(|| self.time()),
        };
        if self.flag() {
            state.learning.impossible_travel = state.learning.atypical_travel;
        }
        state.transitions =
            self.list::<_, TRANSITIONS_MAX>(|dice| Transition { key: dice.u32(), last_day: dice.u16() });
        state.failures = self.u16() % 1_024;
        state.failures_hour = self.u32();
        state.anchor = self.flag().then(|| self.anchor(&state));
        let quarantine = self.list::<_, QUARANTINE_MAX>(|dice| Quarantined {
            event: dice.u64(),
            time: dice.time(),
            properties: dice.properties(&state),
            compromised: dice.flag(),
        });
        let open = self.list::<_, OPEN_RISKS_MAX>(|dice| {
            let risk = dice.open_risk(&state);
            OpenRisk { reported: dice.reported(), ..risk }
        });
        let followed = self.list::<_, SESSIONS_MAX>(|dice| dice.session(&state));
        let denials = self.list::<_, DENIALS_MAX>(|dice| Denial { stop: dice.stop(&state), is_own: dice.flag() });
        state.visitors = self.list::<_, VISITORS_MAX>(|dice| dice.visitor(&state)).to_vec();
        state.followed = followed.to_vec();
        state.denials = denials.to_vec();
        state.quarantine = quarantine.to_vec();
        state.open = open.to_vec();
        state.risk_file = self.flag().then(|| {
            Box::new(RiskFile {
                changed: self.time(),
                is_deleted: self.flag(),
                closed_as: (self.word(), self.word()),
                user_principal_name: self.text().into(),
                user_display_name: self.text().into(),
            })
        });
        state
    }

    /// A record of any shape, its current state rebuilt.
    pub(in crate::engine::user) fn record(&mut self, rules: &Rules) -> UserRecord {
        let mut settled = self.state();
        let count = [0, 0, 1, 5, TAIL_MAX][self.below(5)];
        let mut times: Vec<EventTime> = (0..count).map(|_| self.time()).collect();
        times.sort_unstable();
        let mut tail: Vec<TailEntry> = times.into_iter().map(|time| self.tail_entry(&settled, time)).collect();
        let shadows = self.shadows(&mut settled, &mut tail);
        let scope = Scope { tenant: self.u32(), policy: self.u16(), shadows };
        let identity =
            self.flag().then(|| Box::new(Identity { tenant_id: self.text().into(), user_id: self.text().into() }));
        let record = UserRecord::rebuild(scope, settled, tail, &rules.teacher(scope.policy));
        UserRecord { identity, ..record }
    }
}

pub(in crate::engine::user) fn rules() -> Rules {
    Rules::new(Arc::new(EngineConfig::default()))
}

fn encoded(record: &UserRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(record, &mut bytes);
    bytes
}

/// With a checksum that fits, so that what is behind it is tried, too.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let content = bytes.len().saturating_sub(CHECKSUM_BYTES);
    bytes.truncate(content);
    let checksum = xxh3_64(&bytes) as u32;
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

proptest! {
    #[test]
    fn a_record_comes_back_exactly(seed in any::<u64>()) {
        let rules = rules();
        let record = Dice(seed).record(&rules);
        let bytes = encoded(&record);
        let back = decode(&bytes, &rules);
        prop_assert_eq!(back.as_ref(), Ok(&record));
        // Debug tells −0 from 0, bytes tell everything.
        prop_assert_eq!(encoded(&back.unwrap()), bytes);
    }

    #[test]
    fn damage_is_noticed(seed in any::<u64>(), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let rules = rules();
        let mut bytes = encoded(&Dice(seed).record(&rules));
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let expected = if at == 0 { StateCodecError::Version(VERSION ^ flip) } else { StateCodecError::Checksum };
        prop_assert_eq!(decode(&bytes, &rules), Err(expected));
        bytes[at] ^= flip;
        prop_assert_eq!(decode(&bytes[..at], &rules).is_err(), true);
    }

    #[test]
    fn crafted_bytes_never_panic(
        seed in any::<u64>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let rules = rules();
        let mut bytes = encoded(&Dice(seed).record(&rules));
        for (at, byte) in changes {
            let at = at.index(bytes.len() - 1) + 1;
            bytes[at] = byte;
        }
        if let Ok(record) = decode(&resealed(bytes), &rules) {
            let bytes = encoded(&record);
            prop_assert_eq!(decode(&bytes, &rules).map(|record| encoded(&record)), Ok(bytes));
        }
    }
}

#[test]
fn zero_degrees_keep_their_sign() {
    for latitude in [0.0, -0.0] {
        let place = Place {
            latitude,
            longitude: -latitude,
            radius_km: 7,
            precision: Precision::City,
            country: CountryCode(*b"NO"),
            region: "".into(),
            city: "".into(),
            from_provider: false,
        };
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        PutShared::place(&mut Inline, &mut writer, &Arc::new(place.clone()));
        writer.finish();
        let back = TakeShared::place(&mut Inline, &mut Reader::new(&bytes)).expect("reads");
        assert_eq!(back.latitude.to_bits(), place.latitude.to_bits());
        assert_eq!(back.longitude.to_bits(), place.longitude.to_bits());
    }
}

#[test]
fn nobody_knows_other_versions() {
    let rules = rules();
    for version in [0, VERSION + 1, u8::MAX] {
        assert_eq!(decode(&resealed(vec![version; 40]), &rules), Err(StateCodecError::Version(version)));
    }
    assert_eq!(decode(&[], &rules), Err(StateCodecError::Length));
    assert_eq!(decode(&[VERSION], &rules), Err(StateCodecError::Length));
    assert_eq!(decode(&resealed(vec![VERSION, 0, 0, 0, 0]), &rules), Err(StateCodecError::Length));
}

#[test]
fn more_than_a_list_holds_is_an_error() {
    let rules = rules();
    let with_addresses = |count: u32| {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&0_i64.to_le_bytes());
        let mut writer = Writer::new(&mut bytes);
        writer.bits(0, 32);
        writer.number(0, 0);
        writer.number(0, 6);
        writer.number(count, 2);
        writer.bytes(&[0; 40]);
        writer.finish();
        bytes.extend_from_slice(&[0; CHECKSUM_BYTES]);
        decode(&resealed(bytes), &rules)
    };
    assert_eq!(with_addresses(17), Err(StateCodecError::Count { list: "addresses", max: 16 }));
    assert_eq!(with_addresses(u32::MAX), Err(StateCodecError::Count { list: "addresses", max: 16 }));
    assert_ne!(with_addresses(16), Err(StateCodecError::Count { list: "addresses", max: 16 }));
}
