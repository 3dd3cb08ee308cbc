//! Sessions: where each began, where its owner was last seen with it, and whether it was seen elsewhere.
//!
//! Every success with a session leaves its trace here, a risky one too: it makes nothing familiar, and only tells what
//! became of the session. What it means is judged in [`crate::engine::detect`].

use std::net::IpAddr;

use super::familiarity::{Decay, compact_day};
use super::{NO_DEVICE, RequestId, UserState};
use crate::engine::facts::{Connection, CountryCode, Facts, ListKind, ListSet};
use crate::engine::signin::{EventTime, Mfa, Provider};

/// Sessions followed per user; when full the one unused for longest is forgotten.
pub const SESSIONS_MAX: usize = 6;
/// Sign-ins learnt before a missing device id means anything.
const DEVICE_SIGN_INS_MIN: u16 = 10;
/// A user signs in without a device id at most this share of the time, and it counts as missing.
const NO_DEVICE_SHARE_MAX: f64 = 0.1;

/// A sign-in as one end of a comparison: from where, with what. Hash 0 = absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    pub time: EventTime,
    pub request_id: RequestId,
    pub provider: Provider,
    pub address: Option<IpAddr>,
    pub asn: u32,
    pub connection: Connection,
    pub lists: ListSet,
    pub country: CountryCode,
    pub region_hash: u32,
    pub city_hash: u32,
    pub device_hash: u32,
    pub browser_hash: u32,
    pub operating_system_hash: u32,
}

impl Stop {
    pub fn of(facts: &Facts, request_id: &str) -> Stop {
        Stop {
            time: facts.time,
            request_id: RequestId::new(request_id),
            provider: facts.provider,
            address: facts.address,
            asn: facts.asn,
            connection: facts.connection,
            lists: facts.lists,
            country: facts.country,
            region_hash: facts.region_hash,
            city_hash: facts.city_hash,
            device_hash: facts.device_hash,
            browser_hash: facts.browser_hash,
            operating_system_hash: facts.operating_system_hash,
        }
    }

    /// Another browser or system, where both ends say which.
    pub fn is_other_client(&self, facts: &Facts) -> bool {
        differs(self.browser_hash, facts.browser_hash) || self.is_other_system(facts)
    }

    pub fn is_other_system(&self, facts: &Facts) -> bool {
        differs(self.operating_system_hash, facts.operating_system_hash)
    }

    /// A hosting network, or one that hides where its users are.
    pub fn is_hosting_or_hidden(&self) -> bool {
        is_hosting_or_hidden(self.connection, self.lists)
    }
}

fn differs(one: u32, other: u32) -> bool {
    one != 0 && other != 0 && one != other
}

pub fn is_hosting_or_hidden(connection: Connection, lists: ListSet) -> bool {
    connection == Connection::Hosting
        || [ListKind::Hosting, ListKind::Vpn, ListKind::Proxy, ListKind::Tor, ListKind::Relay]
            .into_iter()
            .any(|kind| lists.contains(kind))
}

/// A use of the session that was not, or may not have been, its owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    pub time: EventTime,
    pub asn: u32,
}

/// One session.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Hash of its id, never 0.
    pub hash: u32,
    /// The first use seen.
    pub began: Stop,
    /// The newest use taken for the owner's; `None` = the first.
    pub last: Option<Stop>,
    /// The newest use from a network that was strange to the user, or at risk.
    pub elsewhere: Option<Elsewhere>,
    /// Began with a sign-in of the user's, and not in the middle.
    pub is_interactive: bool,
    pub passed_mfa: bool,
    /// The network it began on was strange to the user.
    pub is_strange: bool,
    /// It began without a device id, and the user nearly always has one.
    pub lacks_device: bool,
}

impl Session {
    /// The newest use taken for the owner's.
    pub fn home(&self) -> &Stop {
        self.last.as_ref().unwrap_or(&self.began)
    }

    fn newest(&self) -> EventTime {
        self.home().time.max(self.elsewhere.map_or(EventTime::MIN, |elsewhere| elsewhere.time))
    }
}

impl UserState {
    pub fn session(&self, hash: u32) -> Option<&Session> {
        self.followed.iter().find(|session| session.hash == hash).filter(|_| hash != 0)
    }

    /// A network that the user was never seen on before that day: what a stranger did unnoticed an hour ago must not
    /// vouch for what he does now. A network that no table names is not strange.
    pub fn is_strange_network(&self, facts: &Facts, decay: &Decay) -> bool {
        let day = compact_day(facts.time.day());
        let baseline = &self.baseline;
        let before = |known: Option<super::familiarity::Known>| known.is_some_and(|known| known.first_day < day);
        facts.asn != 0
            && !before(baseline.asn.get(facts.asn, day, decay))
            && !before(baseline.prefix.get(facts.prefix_hash, day, decay))
    }

    /// No device id in a sign-in of a user who nearly always has one.
    pub fn lacks_device(&self, facts: &Facts, decay: &Decay) -> bool {
        let day = compact_day(facts.time.day());
        let devices = &self.baseline.device;
        let without = devices.get(NO_DEVICE, day, decay).map_or(0, |known| known.weight);
        facts.device_hash == 0
            && self.baseline.sign_ins >= DEVICE_SIGN_INS_MIN
            && f64::from(without) <= NO_DEVICE_SHARE_MAX * f64::from(devices.total(day, decay))
    }

    /// A followed session that goes on from another network than it began on, or than its owner was last on, and the
    /// network is strange to him. Detections of tokens in other hands rest on it; it costs little to ask.
    pub fn is_strange_continuation(&self, facts: &Facts, decay: &Decay) -> bool {
        self.session(facts.session_hash).is_some_and(|session| {
            (session.began.asn != facts.asn || session.home().asn != facts.asn)
                && self.is_strange_network(facts, decay)
        })
    }

    /// Follows a session by one success of the user's.
    pub(super) fn follow_session(&mut self, facts: &Facts, request_id: &str, quarantined: bool, decay: &Decay) {
        if facts.session_hash == 0 {
            return;
        }
        let is_strange = self.is_strange_network(facts, decay);
        let lacks_device = self.lacks_device(facts, decay);
        let known = self.followed.iter_mut().find(|session| session.hash == facts.session_hash);
        if let Some(session) = known {
            let home = session.home();
            let same_device = facts.device_hash != 0 && facts.device_hash == home.device_hash;
            if quarantined || (is_strange && !same_device && facts.asn != home.asn) {
                session.elsewhere = Some(Elsewhere { time: facts.time, asn: facts.asn });
            } else {
                session.last = Some(Stop::of(facts, request_id));
            }
            return;
        }
        if self.followed.len() >= SESSIONS_MAX {
            let oldest =
                self.followed.iter().enumerate().min_by_key(|(index, session)| (session.newest(), *index));
            if let Some(index) = oldest.map(|(index, _)| index) {
                self.followed.remove(index);
            }
        }
        self.followed.push(Session {
            hash: facts.session_hash,
            began: Stop::of(facts, request_id),
            last: None,
            elsewhere: None,
            is_interactive: facts.is_interactive(),
            passed_mfa: facts.mfa == Mfa::Performed,
            is_strange,
            lacks_device,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::user::codec::tests::{Dice, rules};

    #[test]
    fn the_session_unused_for_longest_is_forgotten() {
        let rules = rules();
        let mut state = UserState::default();
        let mut facts = Dice(5).any_facts();
        for number in (1..=SESSIONS_MAX as u32).chain([1, SESSIONS_MAX as u32 + 1]) {
            facts.session_hash = number;
            facts.time = facts.time.plus_seconds(60);
            state.follow_session(&facts, "x", false, &rules.decay);
        }
        let kept: Vec<u32> = state.followed.iter().map(|session| session.hash).collect();
        assert_eq!(kept, [1, 3, 4, 5, 6, 7], "the second was unused for longest");
        facts.session_hash = 0;
        state.follow_session(&facts, "x", false, &rules.decay);
        assert_eq!((state.followed.len(), state.session(0)), (SESSIONS_MAX, None));
    }
}
