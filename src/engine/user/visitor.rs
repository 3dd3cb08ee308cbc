//! Visitors: clients that are new to a user and were met on strange networks only.
//!
//! Who gets a new device sooner or later uses it at home or at work; an intruder never does. So a client that is new, on a
//! network that is new, is on *probation*: what it shows teaches nothing until it is met on a network the user is known
//! on, or has come back for as long as the quarantine lasts without being at risk. Meanwhile each further network and day is evidence
//! (see [`crate::engine::detect::properties`]): otherwise an intruder who stayed below a level once would be familiar
//! from then on.

use arrayvec::ArrayVec;

use super::learning::Family;
use super::{Baseline, Properties, Quarantined, Teacher, UserState};
use crate::engine::facts::Facts;
use crate::engine::finding::LearningPhase;
use crate::engine::policy::Policy;
use crate::engine::signin::{EventTime, SECONDS_PER_DAY};
use crate::engine::user::familiarity::{Decay, compact_day};

/// Visitors remembered per user; when full the one unseen for longest is forgotten.
pub const VISITORS_MAX: usize = 4;
/// Networks remembered per visitor; further ones add no evidence.
pub const VISITOR_NETWORKS_MAX: usize = 6;
/// Sign-ins learnt before a client can be new.
const SIGN_INS_MIN: u16 = 10;
/// Unseen for so many days a visitor is another one.
const FORGOTTEN_AFTER_DAYS: i64 = 30;

/// A network as a visitor leaves it behind. Hash 0 = absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisitedNetwork {
    pub asn: u32,
    pub prefix: u32,
}

/// One client.
#[derive(Clone, Debug, PartialEq)]
pub struct Visitor {
    pub device: u32,
    pub browser: u32,
    pub operating_system: u32,
    pub first: EventTime,
    pub last: EventTime,
    /// In the order they were met.
    pub networks: ArrayVec<VisitedNetwork, VISITOR_NETWORKS_MAX>,
}

impl Visitor {
    fn is(&self, properties: &Properties) -> bool {
        let client = (properties.device, properties.browser, properties.operating_system);
        (self.device, self.browser, self.operating_system) == client
    }

    /// Networks of others' than this one's operator that it was met on, and other networks of the same operator.
    pub fn elsewhere(&self, facts: &Facts) -> (usize, usize) {
        let mut asns: ArrayVec<u32, VISITOR_NETWORKS_MAX> =
            self.networks.iter().map(|network| network.asn).filter(|asn| *asn != facts.asn).collect();
        asns.sort_unstable();
        let operators = asns.chunk_by(|one, next| one == next).count();
        let here = |network: &&VisitedNetwork| network.asn == facts.asn && network.prefix != facts.prefix_hash;
        (operators, self.networks.iter().filter(here).count())
    }

    /// Midnights (UTC) since it was first met.
    pub fn days(&self, facts: &Facts) -> i32 {
        (facts.time.day() - self.first.day()).max(0)
    }

    /// Has the owner been on a network known from before, on a later day than the visitor came? Who is at home and abroad
    /// is two.
    pub fn is_beside_owner(&self, state: &UserState) -> bool {
        let came = compact_day(self.first.day());
        state.baseline.prefix.entries.iter().any(|known| known.first_day < came && known.last_day > came)
    }

    fn note(&mut self, facts: &Facts) {
        self.last = self.last.max(facts.time);
        let network = VisitedNetwork { asn: facts.asn, prefix: facts.prefix_hash };
        if !self.networks.contains(&network) && !self.networks.is_full() {
            self.networks.push(network);
        }
    }
}

impl UserState {
    /// A client that is new to a user who is known, on a network that is new, too; not one that the organisation manages
    /// or trusts.
    pub fn is_visit(&self, facts: &Facts, policy: &Policy, decay: &Decay) -> bool {
        let day = compact_day(facts.time.day());
        let baseline = &self.baseline;
        let new_device = match facts.device_hash {
            0 => false,
            device if baseline.device.get(device, day, decay).is_some() => return false,
            _ => true,
        };
        (new_device || self.has_new_agent(facts, decay))
            && !facts.is_managed()
            && !facts.named.trusted
            && !facts.named.egress
            && facts.prefix_hash != 0
            && baseline.prefix.get(facts.prefix_hash, day, decay).is_none()
            && baseline.sign_ins >= SIGN_INS_MIN
            && self.learning.phase_at(Family::UnfamiliarFeatures, facts.time, policy) != LearningPhase::Learning
    }

    /// A browser or system that the user was never seen with.
    pub fn has_new_agent(&self, facts: &Facts, decay: &Decay) -> bool {
        let day = compact_day(facts.time.day());
        let Baseline { browser, operating_system, .. } = &self.baseline;
        let new_browser = facts.browser_hash != 0 && browser.get(facts.browser_hash, day, decay).is_none();
        let system = facts.operating_system_hash;
        new_browser || (system != 0 && operating_system.get(system, day, decay).is_none())
    }

    /// The visitor that this sign-in's client is, if it was met before.
    pub fn visitor(&self, facts: &Facts) -> Option<&Visitor> {
        let properties = Properties::of(facts);
        let oldest = facts.time.minus_seconds(FORGOTTEN_AFTER_DAYS * SECONDS_PER_DAY);
        self.visitors.iter().find(|visitor| visitor.is(&properties) && visitor.last >= oldest)
    }

    /// Does a success teach nothing yet, although it is not at risk? For as long as the quarantine since the client came,
    /// since it was last at risk, and for ever once it was confirmed compromised.
    pub(super) fn is_on_probation(&self, facts: &Facts, teacher: &Teacher<'_>) -> bool {
        let limit = facts.time.minus_seconds(i64::from(teacher.quarantine_days) * SECONDS_PER_DAY);
        let properties = Properties::of(facts);
        let held = |held: &Quarantined| {
            held.properties.same_client(&properties) && (held.compromised || held.time >= limit)
        };
        self.is_visit(facts, teacher.policy, teacher.decay)
            && (self.visitor(facts).is_none_or(|visitor| visitor.first >= limit)
                || self.quarantine.iter().any(held))
    }

    /// Remembers a visit that teaches nothing.
    pub(super) fn note_visit(&mut self, facts: &Facts, teacher: &Teacher<'_>) {
        if !self.is_visit(facts, teacher.policy, teacher.decay) {
            return;
        }
        let properties = Properties::of(facts);
        if self.visitor(facts).is_none() {
            self.visitors.retain(|visitor| !visitor.is(&properties));
            self.make_room_for_visitor();
            self.visitors.push(Visitor {
                device: properties.device,
                browser: properties.browser,
                operating_system: properties.operating_system,
                first: facts.time,
                last: facts.time,
                networks: ArrayVec::new(),
            });
        }
        for visitor in self.visitors.iter_mut().filter(|visitor| visitor.is(&properties)) {
            visitor.note(facts);
        }
    }

    /// When the account was last used with success, by whomever.
    pub fn last_used(&self) -> Option<EventTime> {
        let visits = self.visitors.iter().map(|visitor| visitor.last);
        let held = self.quarantine.iter().map(|held| held.time);
        self.last_learnt.into_iter().chain(visits).chain(held).max()
    }

    /// Feedback says that the sign-in with these properties was the owner's: its client is none on probation.
    pub(in crate::engine) fn accept_visitor(&mut self, properties: &Properties, time: EventTime, decay: &Decay) {
        let before = self.visitors.len();
        self.welcome(properties);
        if self.visitors.len() < before {
            self.baseline.observe(properties, compact_day(time.day()), decay);
        }
    }

    /// The client was learnt: it is no visitor any more.
    pub(super) fn welcome(&mut self, properties: &Properties) {
        self.visitors.retain(|visitor| !visitor.is(properties));
    }

    fn make_room_for_visitor(&mut self) {
        if self.visitors.len() < VISITORS_MAX {
            return;
        }
        let oldest = self.visitors.iter().enumerate().min_by_key(|(index, visitor)| (visitor.last, *index));
        if let Some(index) = oldest.map(|(index, _)| index) {
            self.visitors.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::user::NO_DEVICE;
    use crate::engine::user::codec::tests::{Dice, rules};
    use crate::engine::user::familiarity::unix_day;

    const DAY_S: i64 = SECONDS_PER_DAY;

    /// A user with a month at home on prefix 1, and a stranger's sign-in with client 9 from prefix 50.
    fn known_user() -> (UserState, Facts) {
        let rules = rules();
        let mut facts = Dice(5).any_facts();
        facts.time = EventTime::from_seconds(i64::from(unix_day(9_000)) * DAY_S);
        facts.named = Default::default();
        (facts.device_managed, facts.device_compliant) = (None, None);
        let mut state = UserState::default();
        let mut properties =
            Properties { browser: 1, operating_system: 1, device: NO_DEVICE, ..Properties::default() };
        properties.prefix = 1;
        for day in 0..30 {
            state.baseline.observe(&properties, compact_day(facts.time.day()) - 30 + day, &rules.decay);
        }
        state.learning.unfamiliar_features.phase = LearningPhase::Active;
        state.learning.last_seen = Some(facts.time.minus_seconds(DAY_S));
        (facts.browser_hash, facts.operating_system_hash, facts.device_hash) = (9, 1, 0);
        (facts.asn, facts.prefix_hash) = (50, 50);
        (state, facts)
    }

    fn after(facts: Facts, days: i64) -> Facts {
        Facts { time: facts.time.plus_seconds(days * DAY_S), ..facts }
    }

    #[test]
    fn a_visitor_is_on_probation_for_as_long_as_the_quarantine() {
        let rules = rules();
        let teacher = Teacher { policy: &rules.config.default_policy, decay: &rules.decay, quarantine_days: 7 };
        let (mut state, facts) = known_user();
        assert!(state.is_on_probation(&facts, &teacher));
        state.note_visit(&facts, &teacher);
        assert!(state.is_on_probation(&after(facts, 7), &teacher));
        assert!(!state.is_on_probation(&after(facts, 8), &teacher), "from here on it is learnt");
        let at_home = Facts { prefix_hash: 1, ..after(facts, 1) };
        assert!(!state.is_on_probation(&at_home, &teacher), "a new device that is used at home is the owner's");
        state.welcome(&Properties::of(&at_home));
        assert_eq!(state.visitor(&after(facts, 1)), None);
    }

    #[test]
    fn who_was_at_risk_stays_on_probation_and_who_is_confirmed_is_learnt() {
        let rules = rules();
        let teacher = Teacher { policy: &rules.config.default_policy, decay: &rules.decay, quarantine_days: 7 };
        let (mut state, facts) = known_user();
        state.note_visit(&facts, &teacher);
        let (later, properties) = (after(facts, 9), Properties::of(&facts));
        assert!(!state.is_on_probation(&later, &teacher));
        let at_risk = after(facts, 3);
        state.quarantine.push(Quarantined { event: 1, time: at_risk.time, properties, compromised: false });
        assert!(state.is_on_probation(&later, &teacher), "six days ago");
        assert!(!state.is_on_probation(&after(facts, 11), &teacher));
        assert_eq!(state.last_used(), Some(at_risk.time));
        state.quarantine[0].compromised = true;
        assert!(state.is_on_probation(&after(facts, 25), &teacher), "for ever");
        state.accept_visitor(&properties, facts.time, &rules.decay);
        assert!(state.visitors.is_empty() && !state.is_visit(&later, teacher.policy, teacher.decay));
    }

    #[test]
    fn what_is_known_managed_or_trusted_is_no_visit() {
        let rules = rules();
        let (state, facts) = known_user();
        let is_visit = |facts: Facts| state.is_visit(&facts, &rules.config.default_policy, &rules.decay);
        assert!(is_visit(facts));
        assert!(!is_visit(Facts { browser_hash: 1, ..facts }), "the owner's browser");
        assert!(!is_visit(Facts { device_managed: Some(true), ..facts }));
        assert!(!is_visit(Facts { prefix_hash: 0, ..facts }), "a network that nobody can tell");
        let trusted = crate::engine::facts::NamedLocation { trusted: true, ..facts.named };
        assert!(!is_visit(Facts { named: trusted, ..facts }));
    }

    #[test]
    fn networks_and_days_are_counted_up_to_their_limits() {
        let rules = rules();
        let teacher = Teacher { policy: &rules.config.default_policy, decay: &rules.decay, quarantine_days: 7 };
        let (mut state, facts) = known_user();
        for number in 0..2 * VISITOR_NETWORKS_MAX as u32 {
            state.note_visit(&Facts { asn: 50 + number / 2, prefix_hash: 50 + number, ..facts }, &teacher);
        }
        let later = Facts { asn: 50, prefix_hash: 99, ..after(facts, 2) };
        let visitor = state.visitor(&later).expect("it was met");
        assert_eq!(visitor.networks.len(), VISITOR_NETWORKS_MAX);
        assert_eq!((visitor.elsewhere(&later), visitor.days(&later)), ((2, 2), 2));
        assert!(!visitor.is_beside_owner(&state));
        let home = Properties { prefix: 1, ..Properties::default() };
        state.baseline.observe(&home, compact_day(later.time.day()), &rules.decay);
        assert!(state.visitors[0].is_beside_owner(&state), "the owner was at home a day after it came");
    }

    #[test]
    fn the_visitor_unseen_for_longest_is_forgotten() {
        let rules = rules();
        let teacher = Teacher { policy: &rules.config.default_policy, decay: &rules.decay, quarantine_days: 7 };
        let (mut state, facts) = known_user();
        for number in 0..=VISITORS_MAX as u32 {
            let facts = after(Facts { browser_hash: 10 + number, ..facts }, i64::from(number));
            state.note_visit(&facts, &teacher);
        }
        let browsers: Vec<u32> = state.visitors.iter().map(|visitor| visitor.browser).collect();
        assert_eq!(browsers, [11, 12, 13, 14]);
        let returned = after(Facts { browser_hash: 11, ..facts }, 1 + FORGOTTEN_AFTER_DAYS + 1);
        assert_eq!(state.visitor(&returned), None, "a month later it is another one");
    }
}
