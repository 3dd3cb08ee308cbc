//! The organisation's view of one value: how many of its users were seen with it.

use crate::engine::facts::Facts;
use crate::engine::profile::{ProfileKey, ProfileKind, Profiles, VISIBLE_AFTER_DAYS};
use crate::engine::signin::EventTime;
use crate::engine::user::Properties;

/// The profiles as one sign-in sees them.
pub struct Organization<'a> {
    profiles: &'a Profiles,
    tenant: u32,
    time: EventTime,
    /// Distinct users active in the profiles' memory.
    pub users: u32,
}

/// Fewer active users than this, and the organisation's view says nothing.
pub const USERS_MIN: u32 = 10;

/// Share of users at which a value is neither rare nor common: the log-ratio's zero.
const REFERENCE_SHARE: f64 = 0.02;
/// Limits of the rarity's evidence, bits.
const RARE_BITS_MAX: f64 = 4.0;
const COMMON_BITS_MIN: f64 = -5.0;

impl<'a> Organization<'a> {
    pub fn new(profiles: &'a Profiles, tenant: u32, time: EventTime) -> Organization<'a> {
        let users = profiles.members(ProfileKey { tenant, kind: ProfileKind::Users, value: 0 }, time);
        Organization { profiles, tenant, time, users }
    }

    /// Newest day included in this view.
    pub fn day(&self) -> i32 {
        self.time.day() - VISIBLE_AFTER_DAYS
    }

    /// Distinct users seen with the value; `None` when the value is absent or the organisation too small to say.
    pub fn users_with(&self, kind: ProfileKind, value: u32) -> Option<u32> {
        if value == 0 || self.users < USERS_MIN {
            return None;
        }
        Some(self.profiles.members(ProfileKey { tenant: self.tenant, kind, value }, self.time))
    }

    /// [`View::rarity_bits`] of a value.
    pub fn rarity_bits(&self, kind: ProfileKind, value: u32) -> f64 {
        rarity_bits(self.users, self.users_with(kind, value))
    }

    /// What it sees of a sign-in's network and place.
    pub fn view(&self, facts: &Facts) -> View {
        let Properties { address, prefix, asn, country, region, .. } = Properties::of(facts);
        View {
            users: self.users,
            address: self.users_with(ProfileKind::Address, address),
            prefix: self.users_with(ProfileKind::Prefix, prefix),
            asn: self.users_with(ProfileKind::Asn, asn),
            country: self.users_with(ProfileKind::Country, country),
            region: self.users_with(ProfileKind::Region, region),
        }
    }

    /// An address to which colleagues come from at least three cities: a VPN or proxy that no list names.
    pub fn is_learnt_egress(&self, address_hash: u32) -> bool {
        self.users_with(ProfileKind::Address, address_hash).is_some_and(|users| users >= EGRESS_USERS_MIN)
            && self
                .users_with(ProfileKind::AddressOrigins, address_hash)
                .is_some_and(|cities| cities >= EGRESS_CITIES_MIN)
    }

    /// Regularly used by colleagues: at least three of them and one in a hundred.
    pub fn is_common(&self, kind: ProfileKind, value: u32) -> bool {
        self.users_with(kind, value).is_some_and(|with| {
            with >= COMMON_USERS_MIN && f64::from(with) >= COMMON_SHARE * f64::from(self.users)
        })
    }

    /// The same of a city.
    pub fn is_common_place(&self, city_hash: u32) -> bool {
        self.is_common(ProfileKind::City, city_hash)
    }
}

/// [`Organization::users_with`] each of a sign-in's network and place, and users in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    pub users: u32,
    pub address: Option<u32>,
    pub prefix: Option<u32>,
    pub asn: Option<u32>,
    pub country: Option<u32>,
    pub region: Option<u32>,
}

impl View {
    /// Evidence of a value's rarity in bits, by the users with it: log2(reference share / smoothed share), shrunk in small
    /// organisations, from −5 (half of the users have it) to +4 (nobody has).
    ///
    /// Rarity of network and country in the population is the strongest single signal known on real takeovers
    /// (public RBA data: 66–71 % recall at 1 % false alerts for untrained rarity).
    pub fn rarity_bits(&self, with: Option<u32>) -> f64 {
        rarity_bits(self.users, with)
    }
}

fn rarity_bits(users: u32, with: Option<u32>) -> f64 {
    let Some(with) = with else { return 0.0 };
    let share = (f64::from(with) + 0.5) / (f64::from(users) + 1.0);
    let confidence = f64::from(users) / (f64::from(users) + 20.0);
    (confidence * libm::log2(REFERENCE_SHARE / share)).clamp(COMMON_BITS_MIN, RARE_BITS_MAX)
}

const EGRESS_USERS_MIN: u32 = 3;
const EGRESS_CITIES_MIN: u32 = 3;
const COMMON_USERS_MIN: u32 = 3;
const COMMON_SHARE: f64 = 0.01;
