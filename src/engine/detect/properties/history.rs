//! What the user's recent past adds: sessions, failures, visits, silence.

use super::Weigher;
use crate::engine::detect::Case;
use crate::engine::finding::{Familiarity, Property};
use crate::engine::signin::SECONDS_PER_DAY;
use crate::engine::user::NO_DEVICE;

/// Session continuity, bits. Judgement, to be refitted.
const SESSION_CONTINUED_BITS: f64 = -3.0;
const SESSION_MOVED_BITS: f64 = 2.5;
const FAILURE_BITS_MAX: f64 = 3.0;
/// A visitor on the network of another operator, on another network of the same operator, on another day; and the most
/// that each is worth, bits. Judgement, to be refitted.
const VISITOR_OPERATOR_BITS: f64 = 2.5;
const VISITOR_NETWORK_BITS: f64 = 1.5;
const VISITOR_DAY_BITS: f64 = 2.0;
const VISITOR_MOVED_BITS_MAX: f64 = 6.0;
const VISITOR_DAYS_BITS_MAX: f64 = 4.0;
/// The most that it is worth while the owner is not seen at home, bits.
const VISITOR_ALONE_BITS_MAX: f64 = 3.0;
/// Days from which an account is silent, and the most that silence is worth, bits: reached after eight times as long.
const DORMANT_DAYS: f64 = 7.0;
const DORMANCY_BITS_MAX: f64 = 3.0;

impl Weigher<'_> {
    /// Session continuity, where the network is new. A session that goes on with the same agent is the owner on the
    /// move; one that goes on with another agent, or from a hosting network, is a token in other hands.
    pub(super) fn session(&mut self) -> f64 {
        let session = self.case.facts.session_hash;
        let known = self.case.state.sessions.get(session, self.day, self.case.judge.decay).is_some();
        let new_network = self.weighed.iter().any(|weighed| {
            weighed.property == Property::IpPrefix && weighed.familiarity == Familiarity::Unfamiliar
        });
        if session == 0 || !known || !new_network {
            return 0.0;
        }
        let baseline = &self.case.state.baseline;
        let decay = self.case.judge.decay;
        let same_device =
            self.values.device != NO_DEVICE && baseline.device.get(self.values.device, self.day, decay).is_some();
        let same_agent = baseline.user_agent.get(self.values.user_agent, self.day, decay).is_some();
        let bits = if self.network_kind() > 0.0 && !same_device {
            SESSION_MOVED_BITS
        } else if same_device || same_agent {
            SESSION_CONTINUED_BITS
        } else if self.values.user_agent != 0 {
            SESSION_MOVED_BITS
        } else {
            0.0
        };
        if bits != 0.0 {
            let familiarity = if bits > 0.0 { Familiarity::Unfamiliar } else { Familiarity::Familiar };
            self.push(Property::Session, familiarity, 0.0, bits);
        }
        bits
    }

    /// The user-attack term: failures from elsewhere shortly before make a stranger more likely. On the public
    /// data it cut re-authentications for real takeovers from 59 % to 17 % at equal recall.
    pub(super) fn failures(&mut self) -> f64 {
        let (failures, _) = self.case.state.failures_at(self.case.facts.time);
        let known = self.weighed.iter().any(|weighed| {
            matches!(weighed.property, Property::IpAddress | Property::IpPrefix)
                && weighed.familiarity == Familiarity::Familiar
        });
        if failures == 0 || known {
            return 0.0;
        }
        let bits = libm::log2(1.0 + f64::from(failures) / 16.0).min(FAILURE_BITS_MAX);
        self.push(Property::FailureHistory, Familiarity::Unfamiliar, 0.0, bits);
        bits
    }

    /// A new client that was met before, on strange networks only. An owner's new device is met on a known one sooner or
    /// later; each further network and day on which it was not speaks for a stranger, most of all while the owner is at home.
    pub(super) fn visitor(&mut self) -> f64 {
        let Case { state, facts, judge, .. } = self.case;
        let Some(visitor) = state.visitor(facts).filter(|visitor| visitor.first < facts.time) else { return 0.0 };
        if !state.is_visit(facts, judge.policy, judge.decay) {
            return 0.0;
        }
        let (operators, networks) = visitor.elsewhere(facts);
        let moved_bits = VISITOR_OPERATOR_BITS * operators as f64 + VISITOR_NETWORK_BITS * networks as f64;
        let bits = if visitor.is_beside_owner(state) {
            let days_bits = VISITOR_DAY_BITS * f64::from(visitor.days(facts));
            moved_bits.min(VISITOR_MOVED_BITS_MAX) + days_bits.min(VISITOR_DAYS_BITS_MAX)
        } else {
            // The owner may be on a journey, with a new device.
            moved_bits.min(VISITOR_ALONE_BITS_MAX)
        };
        if bits > 0.0 {
            self.push(Property::Visitor, Familiarity::Unfamiliar, 0.0, bits);
        }
        bits
    }

    /// A strange network after a long silence. Owners sign in most days while an account is in use, and seldom once it has
    /// been silent for weeks; for an attacker one account is as good as another.
    pub(super) fn dormancy(&mut self) -> f64 {
        let Some(last) = self.case.state.last_used() else { return 0.0 };
        let new_network = self.weighed.iter().any(|weighed| {
            weighed.property == Property::IpPrefix && weighed.familiarity == Familiarity::Unfamiliar
        });
        let days = self.case.facts.time.seconds_since(last) / SECONDS_PER_DAY as f64;
        if !new_network || days <= DORMANT_DAYS {
            return 0.0;
        }
        let bits = libm::log2(days / DORMANT_DAYS).min(DORMANCY_BITS_MAX);
        self.push(Property::Dormancy, Familiarity::Unfamiliar, 0.0, bits);
        bits
    }
}
