//! Shared profiles: what the organisation does. Which countries, networks, places and browsers its users sign in
//! from, and how many distinct users do.
//!
//! A sign-in *contributes* (key, user); a sign-in of day *d* *sees* contributions up to day *d − 2*. So tasks need
//! no order among themselves: whatever is seen was complete before anyone looked, as long as the tasks' event
//! times are less than a day apart. Contributions commute and repeat without effect (a set of user hashes): what
//! is seen after an [`advance`](Profiles::advance) depends only on the set of contributions before each advance.
//!
//! `pending` holds what nobody sees yet, `table` what is seen, `sketch` one set of members; `codec` writes and
//! reads all of it; `contribute` says what one sign-in tells. Nothing here judges.

mod codec;
mod contribute;
mod pending;
mod sketch;
mod table;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::attempts::{AttemptStats, Attempts};
use super::signin::EventTime;
pub use codec::ProfileCodecError;
pub use contribute::contributions_of;
#[cfg(test)]
pub(in crate::engine) use contribute::tests::facts as facts_of_a_success;
use pending::Pending;
use table::Table;

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
    /// Token issuers; [`ANY_ISSUER`] counts the users of whom the issuer is known at all.
    TokenIssuer = 11,
    /// The user agent, word for word.
    UserAgent = 12,
}

/// The value of [`ProfileKind::TokenIssuer`] that every issuer counts for, too.
pub const ANY_ISSUER: u32 = u32::MAX;

impl ProfileKind {
    pub const ALL: [ProfileKind; 13] = [
        ProfileKind::Users,
        ProfileKind::Country,
        ProfileKind::Region,
        ProfileKind::City,
        ProfileKind::Asn,
        ProfileKind::Prefix,
        ProfileKind::Address,
        ProfileKind::Browser,
        ProfileKind::OperatingSystem,
        ProfileKind::ClientApp,
        ProfileKind::AddressOrigins,
        ProfileKind::TokenIssuer,
        ProfileKind::UserAgent,
    ];

    /// The word used in metrics.
    pub fn name(self) -> &'static str {
        match self {
            ProfileKind::Users => "users",
            ProfileKind::Country => "country",
            ProfileKind::Region => "region",
            ProfileKind::City => "city",
            ProfileKind::Asn => "asn",
            ProfileKind::Prefix => "prefix",
            ProfileKind::Address => "address",
            ProfileKind::Browser => "browser",
            ProfileKind::OperatingSystem => "operating-system",
            ProfileKind::ClientApp => "client-app",
            ProfileKind::AddressOrigins => "address-origins",
            ProfileKind::TokenIssuer => "token-issuer",
            ProfileKind::UserAgent => "user-agent",
        }
    }
}

/// Key of one profile: tenant, kind, value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileKey {
    /// Hash of the tenant id.
    pub tenant: u32,
    pub kind: ProfileKind,
    pub value: u32,
}

impl ProfileKey {
    /// A bijective mix of the key within its kind (the finalizer of SplitMix64, Steele et al. 2014): an order in
    /// which no tenant comes first.
    fn mixed(&self) -> u64 {
        let mut mixed =
            (u64::from(self.tenant) << 32 | u64::from(self.value)) ^ (u64::from(self.kind as u8) << 56);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
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
/// A member counts for a sign-in less than this many days after the day it was last seen.
pub const MEMBER_DAYS_MAX: i32 = 60;
/// Distinct members kept exactly per key; beyond it the count is an estimate (k minimum values).
pub const MEMBERS_MAX: usize = 64;
/// Distinct members kept for [`ProfileKind::Users`].
pub const USERS_MEMBERS_MAX: usize = 1_024;
/// Keys visible per kind, all tenants together. Beyond it an advance evicts those with the oldest last day, then
/// the fewest members, then the smallest keys; both views of an evicted key are empty.
pub const KEYS_MAX: usize = 262_144;
/// Members kept per kind, of all keys together (8 bytes each); eviction is as for [`KEYS_MAX`].
pub const KEPT_MEMBERS_MAX: usize = 4_194_304;
/// Distinct (day, key, member) waiting for their day (16 bytes each, up to twice as many before repeated ones are
/// removed). Beyond it the newest day loses some of its keys.
pub const PENDING_MARKS_MAX: usize = 4_194_304;
/// Days waiting. Beyond it the newest are dropped: a clock far ahead must not displace the present.
pub const PENDING_DAYS_MAX: usize = 128;

/// The limits as one value, so that tests can reach them.
#[derive(Clone, Copy, Debug)]
struct Limits {
    users_members_max: usize,
    members_max: usize,
    keys_max: usize,
    kept_members_max: usize,
    pending_marks_max: usize,
    pending_days_max: usize,
}

impl Limits {
    const DEFAULT: Limits = Limits {
        users_members_max: USERS_MEMBERS_MAX,
        members_max: MEMBERS_MAX,
        keys_max: KEYS_MAX,
        kept_members_max: KEPT_MEMBERS_MAX,
        pending_marks_max: PENDING_MARKS_MAX,
        pending_days_max: PENDING_DAYS_MAX,
    };

    fn members_max(&self, kind: ProfileKind) -> usize {
        if kind == ProfileKind::Users { self.users_members_max } else { self.members_max }
    }
}

/// Figures for metrics. The counts of what was dropped start at 0 when a process does, are no part of the state,
/// and count a repeated contribution each time it is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileStats {
    /// Day of the last advance; `None` before the first.
    pub day: Option<i32>,
    /// Visible keys of each of [`ProfileKind::ALL`].
    pub keys: [usize; ProfileKind::ALL.len()],
    /// Members kept, of all keys together.
    pub members: usize,
    /// Contributions waiting for their day, some of them repeated.
    pub pending: usize,
    /// Keys evicted by [`KEYS_MAX`] or [`KEPT_MEMBERS_MAX`].
    pub evicted_keys: u64,
    /// Contributions dropped by [`PENDING_MARKS_MAX`] or [`PENDING_DAYS_MAX`].
    pub dropped_contributions: u64,
    /// Contributions that came when they could count on no later day.
    pub expired_contributions: u64,
    /// Estimated heap bytes, attempts apart.
    pub bytes: usize,
    pub attempts: AttemptStats,
}

/// Stands for "no advance yet": days of event times never reach it.
const NO_DAY: i32 = i32::MIN;

/// The profiles of all tenants. Shared by every task; read by many, written at day borders.
///
/// Every method may be called from any thread. Which view a reader gets while [`Self::advance`] runs is not
/// defined, so a caller who wants reproducible results advances while no task reads.
#[derive(Debug)]
pub struct Profiles {
    pending: Mutex<Pending>,
    table: Table,
    day: AtomicI32,
    evicted_keys: AtomicU64,
    attempts: Attempts,
}

impl Default for Profiles {
    fn default() -> Profiles {
        Profiles::with_limits(Limits::DEFAULT)
    }
}

impl Profiles {
    fn with_limits(limits: Limits) -> Profiles {
        Profiles {
            pending: Mutex::new(Pending::new(limits)),
            table: Table::new(limits),
            day: AtomicI32::new(NO_DAY),
            evicted_keys: AtomicU64::new(0),
            attempts: Attempts::default(),
        }
    }

    /// Takes contributions of any day and order. They are seen only after [`Self::advance`]; one whose day has
    /// been merged already is merged by the next advance.
    pub fn contribute(&self, contributions: &[Contribution]) {
        let mut pending = self.lock_pending();
        let day = self.current_day();
        for contribution in contributions {
            pending.add(contribution, day);
        }
    }

    /// The stream has reached `day`: makes contributions up to `day − 2` visible to sign-ins of `day` and later,
    /// and keeps the view of `day − 1` for late ones. Does nothing unless `day` is newer than the last.
    ///
    /// A jump gives exactly what one step a day would have given with the contributions received so far: the view
    /// of `day − 1` has those up to `day − 3`.
    pub fn advance(&self, day: i32) {
        // Held to the end: contributions of other tasks wait, and so does a second advance.
        let mut pending = self.lock_pending();
        if day <= self.day.load(Ordering::Acquire) {
            return;
        }
        pending.compact();
        for step in steps(&pending, self.current_day(), day) {
            while let Some((marks_day, marks)) = pending.take_until(step.saturating_sub(VISIBLE_AFTER_DAYS)) {
                self.table.merge(marks_day, &marks);
            }
            self.evicted_keys.fetch_add(self.table.step(step), Ordering::Relaxed);
        }
        self.attempts.forget_before(day);
        self.day.store(day, Ordering::Release);
    }

    /// What was attempted on accounts: seen at once, where profiles are seen days later. It is no part of
    /// [`Self::encode`].
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// Distinct members of `key` that a sign-in at `time` sees; 0 before the first advance.
    pub fn members(&self, key: ProfileKey, time: EventTime) -> u32 {
        self.table.members(&key, time.day() >= self.day.load(Ordering::Acquire))
    }

    pub fn stats(&self) -> ProfileStats {
        let pending = self.lock_pending();
        let sizes = self.table.sizes();
        ProfileStats {
            day: self.current_day(),
            keys: sizes.map(|size| size.keys),
            members: sizes.iter().map(|size| size.members).sum(),
            pending: pending.len(),
            evicted_keys: self.evicted_keys.load(Ordering::Relaxed),
            dropped_contributions: pending.dropped,
            expired_contributions: pending.expired,
            bytes: self.table.bytes(&sizes) + pending.bytes(),
            attempts: self.attempts.stats(),
        }
    }

    fn current_day(&self) -> Option<i32> {
        Some(self.day.load(Ordering::Acquire)).filter(|day| *day != NO_DAY)
    }

    fn lock_pending(&self) -> MutexGuard<'_, Pending> {
        // A panic elsewhere ends the task before its commit; this data is whole between any two pushes.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The days to step on, from `current` to `day`: each on which something becomes visible, so that limits apply as
/// if no day were jumped over, and the last two, which make the views.
fn steps(pending: &Pending, current: Option<i32>, day: i32) -> BTreeSet<i32> {
    let first = current.map_or(i32::MIN, |current| current.saturating_add(1));
    pending
        .day_numbers()
        .map(|contributed| contributed.saturating_add(VISIBLE_AFTER_DAYS))
        .chain([day.saturating_sub(1), day])
        .map(|step| step.max(first))
        .filter(|step| *step <= day)
        .collect()
}

#[cfg(test)]
mod tests;
