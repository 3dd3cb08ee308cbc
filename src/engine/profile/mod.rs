//! Shared profiles: what the organisation does. Which countries, networks, places and browsers its users sign in
//! from, and how many distinct users do.
//!
//! A sign-in *contributes* (key, user); a sign-in of day *d* *sees* contributions up to day *d − 2*. So tasks need
//! no order among themselves: whatever is seen was complete before anyone looked, as long as the tasks' event
//! times are less than a day apart. Contributions commute and repeat without effect (a set of user hashes).

use super::signin::EventTime;

/// What a profile is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ProfileKind {
    /// All active users of the tenant; the value is 0.
    Users = 0,
    Country = 1,
    Region = 2,
    City = 3,
    Asn = 4,
    Prefix = 5,
    Address = 6,
    Browser = 7,
    OperatingSystem = 8,
    ClientApp = 9,
    /// Cities seen from one address: value = address hash; the "user" of the contribution is the *previous city*
    /// of its user, so that the count says from how many places people came to this address within hours. An
    /// address with many is an egress nobody listed.
    AddressOrigins = 10,
}

/// Key of one profile: tenant, kind, value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileKey {
    /// Hash of the tenant id.
    pub tenant: u32,
    pub kind: ProfileKind,
    pub value: u32,
}

/// One observation. Two equal ones are as good as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contribution {
    pub key: ProfileKey,
    /// Event-time day of the sign-in.
    pub day: i32,
    /// Hash of the member of the set: the user, or for [`ProfileKind::AddressOrigins`] a city.
    pub member: u32,
}

/// Days between a contribution and the first sign-in that sees it.
pub const VISIBLE_AFTER_DAYS: i32 = 2;
/// A member unseen for this long no longer counts.
pub const MEMBER_DAYS_MAX: i32 = 60;
/// Distinct members kept exactly per key; beyond it the count is an estimate (k minimum values).
pub const MEMBERS_MAX: usize = 64;
/// Distinct members kept for [`ProfileKind::Users`].
pub const USERS_MEMBERS_MAX: usize = 1_024;

/// The profiles of all tenants. Shared by every task; read by many, written at day borders.
#[derive(Default)]
pub struct Profiles {}

impl Profiles {
    /// Takes contributions of any day and order. They are seen only after [`Self::advance`].
    pub fn contribute(&self, contributions: &[Contribution]) {
        let _ = contributions;
    }

    /// The stream has reached `day`: makes contributions up to `day − 2` visible to sign-ins of `day`, and keeps
    /// the view of `day − 1` for late ones.
    pub fn advance(&self, day: i32) {
        let _ = day;
    }

    /// Distinct members of `key` that a sign-in at `time` sees.
    pub fn members(&self, key: ProfileKey, time: EventTime) -> u32 {
        let _ = (key, time);
        0
    }
}
