//! Successful sign-ins so far → counts of attribute values, of each user and of all: what every reference looks at.

use hashbrown::HashMap;

use super::super::SignInKey;
use crate::engine::facts::Facts;
use crate::engine::hash::UserKey;
use crate::engine::signin::EventTime;

/// An attribute of a sign-in; its value is a number or a 32-bit hash, 0 where the record has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Attribute {
    Address,
    Asn,
    Country,
    /// The whole user agent.
    Agent,
    /// Browser family.
    Browser,
    /// Browser family and major version.
    BrowserVersion,
    OperatingSystem,
    DeviceKind,
}

impl Attribute {
    pub const ALL: [Attribute; 8] = [
        Attribute::Address,
        Attribute::Asn,
        Attribute::Country,
        Attribute::Agent,
        Attribute::Browser,
        Attribute::BrowserVersion,
        Attribute::OperatingSystem,
        Attribute::DeviceKind,
    ];

    pub fn value(self, facts: &Facts) -> u32 {
        match self {
            Attribute::Address => facts.address_hash,
            Attribute::Asn => facts.asn,
            Attribute::Country => facts.country.key(),
            Attribute::Agent => facts.user_agent_hash,
            Attribute::Browser => facts.browser_hash,
            // Versions are small: added to a hash they give another value of it.
            Attribute::BrowserVersion => facts.browser_hash.wrapping_add(u32::from(facts.browser_major)),
            Attribute::OperatingSystem => facts.operating_system_hash,
            Attribute::DeviceKind => facts.device_kind as u32,
        }
    }
}

/// The last success of a user with a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastPlace {
    pub key: SignInKey,
    pub time: EventTime,
    /// Latitude, longitude in degrees.
    pub coordinates: (f32, f32),
}

#[derive(Clone, Copy, Debug, Default)]
pub struct UserHistory {
    number: u32,
    pub successes: u64,
    pub last_place: Option<LastPlace>,
}

/// Counts of successes. Grows with users and the values each shows.
#[derive(Default)]
pub struct History {
    users: HashMap<UserKey, UserHistory, foldhash::fast::FixedState>,
    of_users: HashMap<(u32, Attribute, u32), u32, foldhash::fast::FixedState>,
    of_all: HashMap<(Attribute, u32), u64, foldhash::fast::FixedState>,
    distinct: [u64; Attribute::ALL.len()],
    pub successes: u64,
}

impl History {
    /// Adds a success.
    pub fn learn(&mut self, user: UserKey, key: SignInKey, facts: &Facts) {
        let number = self.users.len() as u32;
        let known = self.users.entry(user).or_insert(UserHistory { number, ..UserHistory::default() });
        known.successes += 1;
        if let Some(coordinates) = facts.coordinates {
            known.last_place = Some(LastPlace { key, time: facts.time, coordinates });
        }
        self.successes += 1;
        for attribute in Attribute::ALL {
            let value = attribute.value(facts);
            *self.of_users.entry((known.number, attribute, value)).or_default() += 1;
            let count = self.of_all.entry((attribute, value)).or_default();
            *count += 1;
            self.distinct[attribute as usize] += u64::from(*count == 1);
        }
    }

    /// `None` before a user's first success.
    pub fn user(&self, user: UserKey) -> Option<&UserHistory> {
        self.users.get(&user)
    }

    pub fn users(&self) -> u64 {
        self.users.len() as u64
    }

    /// Successes of the user with this sign-in's value of an attribute.
    pub fn count_of_user(&self, user: &UserHistory, attribute: Attribute, facts: &Facts) -> f64 {
        f64::from(self.of_users.get(&(user.number, attribute, attribute.value(facts))).copied().unwrap_or(0))
    }

    /// Successes of all users with it.
    pub fn count_of_all(&self, attribute: Attribute, facts: &Facts) -> f64 {
        self.of_all.get(&(attribute, attribute.value(facts))).copied().unwrap_or(0) as f64
    }

    /// Values of an attribute seen so far.
    pub fn distinct(&self, attribute: Attribute) -> f64 {
        self.distinct[attribute as usize] as f64
    }
}
