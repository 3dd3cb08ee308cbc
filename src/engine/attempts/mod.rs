//! Attempts: what attackers do to many accounts at once, by the traces they leave.
//!
//! ```text
//! wrong passwords of any user ──▶ Attempt ──▶ one list a trace ──▶ Attack (since when, how many users)
//! ```
//! A failed sign-in belongs to one user, an attack to nobody: what makes it one is that many users' failures share an
//! address, a network or a user agent. So failures are *contributed* to a table that all tasks share, as sign-ins are
//! to the profiles; but a day would be too late here, and what is asked is not "how many" but "by when".
//!
//! Attempts are a set, and whether a trace is an attack at a minute depends on the attempts up to that minute alone.
//! So the answer is the same in whatever order, how often and by whichever task they were contributed, once all of them
//! are in; [`super::Engine::review`] asks it when they are. Nothing here judges a sign-in.

mod busy;
mod codec;
mod list;
#[cfg(test)]
mod tests;
mod worth;

use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use serde::{Deserialize, Serialize};

use super::facts::{CountryCode, Facts};
use super::hash::{Seed, hash32};
use super::policy::Policy;
use super::signin::{AccountState, Category, Credential, EventTime, Outcome};
use busy::Busy;
pub use codec::AttemptCodecError;
pub use list::Attack;
use list::List;

/// What failed attempts can have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Trace {
    Address = 0,
    /// /24 of IPv4, /48 of IPv6.
    Prefix = 1,
    /// The prefix or ASN together with the user agent: one tool that changes its address.
    PrefixAndUserAgent = 2,
    AsnAndUserAgent = 3,
    Asn = 4,
    /// The user agent's exact text.
    UserAgent = 5,
}

impl Trace {
    /// From the narrowest to the widest.
    pub const ALL: [Trace; 6] = [
        Trace::Address,
        Trace::Prefix,
        Trace::PrefixAndUserAgent,
        Trace::AsnAndUserAgent,
        Trace::Asn,
        Trace::UserAgent,
    ];

    /// The word used in output and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Trace::Address => "ipAddress",
            Trace::Prefix => "ipPrefix",
            Trace::PrefixAndUserAgent => "ipPrefixAndUserAgent",
            Trace::AsnAndUserAgent => "asnAndUserAgent",
            Trace::Asn => "asn",
            Trace::UserAgent => "userAgent",
        }
    }

    /// The sign-in's value; 0 = absent.
    pub fn of(self, facts: &Facts) -> u32 {
        self.within(&recorded(facts))
    }

    /// The value among those that an attempt records.
    fn within(self, [address, prefix, asn, user_agent]: &[u32; RECORDED]) -> u32 {
        match self {
            Trace::Address => *address,
            Trace::Prefix => *prefix,
            Trace::PrefixAndUserAgent => both(Seed::PrefixAndUserAgent, *prefix, *user_agent),
            Trace::AsnAndUserAgent => both(Seed::AsnAndUserAgent, *asn, *user_agent),
            Trace::Asn => *asn,
            Trace::UserAgent => *user_agent,
        }
    }
}

/// Without either there is no trace: that a log does not tell user agents is no tool.
fn both(seed: Seed, network: u32, user_agent: u32) -> u32 {
    if network == 0 || user_agent == 0 {
        return 0;
    }
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&network.to_le_bytes());
    bytes[4..].copy_from_slice(&user_agent.to_le_bytes());
    hash32(seed, &bytes)
}

/// Values that an attempt records: address, prefix, ASN, user agent.
pub const RECORDED: usize = 4;

fn recorded(facts: &Facts) -> [u32; RECORDED] {
    [facts.address_hash, facts.prefix_hash, facts.asn, facts.user_agent_hash]
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AttemptKind {
    WrongPassword = 0,
    /// There is no such account.
    NoSuchUser = 1,
    /// The right credential, from a network and with a browser that are both new to the user.
    Stranger = 2,
    /// The same as it looks when it comes in, before late events and reviews have shown what was new: for early verdicts
    /// alone, and in lists of its own.
    Glimpse = 3,
}

impl AttemptKind {
    pub const ALL: [AttemptKind; 4] =
        [AttemptKind::WrongPassword, AttemptKind::NoSuchUser, AttemptKind::Stranger, AttemptKind::Glimpse];

    fn is_failure(self) -> bool {
        matches!(self, AttemptKind::WrongPassword | AttemptKind::NoSuchUser)
    }
}

/// One attempt on one account. Two equal ones are as good as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// Hash of the tenant id.
    pub tenant: u32,
    /// Hash of the user.
    pub member: u32,
    /// Event time in whole minutes since 1970: a client that tries again and again within one counts once.
    pub minute: i32,
    pub kind: AttemptKind,
    pub country: CountryCode,
    /// Address, prefix, ASN, user agent; 0 = absent.
    pub traces: [u32; RECORDED],
}

/// Minute of an event time, since 1970, rounded down.
pub fn minute_of(time: EventTime) -> i32 {
    i32::try_from(time.seconds().div_euclid(60)).unwrap_or(i32::MIN)
}

impl Attempt {
    fn new(tenant: u32, member: u32, facts: &Facts, kind: AttemptKind) -> Attempt {
        Attempt {
            tenant,
            member,
            minute: minute_of(facts.time),
            kind,
            country: facts.country,
            traces: recorded(facts),
        }
    }

    /// The failed attempt that a sign-in is. A wrong password is one, an account that does not exist, and a locked one:
    /// lockout comes of others' attempts and hides whether the password was right. A silent refresh types no password.
    pub fn failed(tenant: u32, member: u32, facts: &Facts) -> Option<Attempt> {
        if facts.outcome != Outcome::Failed || facts.category == Category::NonInteractive {
            return None;
        }
        let kind = match (facts.credential, facts.account) {
            (_, AccountState::Unknown | AccountState::Deleted) => AttemptKind::NoSuchUser,
            (Credential::Wrong, _) | (Credential::Unknown, AccountState::Locked) => AttemptKind::WrongPassword,
            _ => return None,
        };
        Some(Attempt::new(tenant, member, facts, kind))
    }

    /// The right credential in a stranger's hands, perhaps.
    pub fn stranger(tenant: u32, member: u32, facts: &Facts, kind: AttemptKind) -> Attempt {
        Attempt::new(tenant, member, facts, kind)
    }
}

/// One trace of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    tenant: u32,
    trace: Trace,
    value: u32,
    /// Glimpses alone, or all else.
    is_early: bool,
}

impl Key {
    fn new(tenant: u32, trace: Trace, value: u32) -> Key {
        Key { tenant, trace, value, is_early: false }
    }

    /// Place among the counts of lists.
    fn count(&self) -> usize {
        if self.is_early { Trace::ALL.len() } else { self.trace as usize }
    }
}

/// When many attempts are an attack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Distinct users (or, for [`Attempts::hammered`], attempts) from which on it is one.
    pub enough: u32,
    /// Within so many minutes.
    pub window_minutes: i32,
    /// Over once so many minutes pass without an attempt.
    pub pause_minutes: i32,
}

impl Bar {
    /// The same, over once so many hours pass without an attempt.
    pub fn paused_by(self, hours: u32) -> Bar {
        Bar { pause_minutes: (hours as i32 * 60).min(self.window_minutes), ..self }
    }
}

/// Traces kept per kind of trace, all tenants together. A new one beyond it is not kept, and counted.
pub const TRACES_MAX: usize = 262_144;
/// Attempts kept a trace; of more the earliest are kept, because they say since when. What comes later still moves the
/// end of the attack.
pub const TRACE_ATTEMPTS_MAX: usize = 512;
/// Attempts older than this count nowhere: the longest window that can be configured, and a day for late ones.
pub const ATTEMPT_DAYS_MAX: i32 = 15;

/// Figures for metrics; the count of what was dropped starts at 0 when a process does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptStats {
    pub traces: [usize; Trace::ALL.len()],
    pub attempts: usize,
    pub dropped: u64,
}

/// The attempts of all tenants. Shared by every task.
#[derive(Debug)]
pub struct Attempts {
    lists: DashMap<Key, List>,
    /// Those with [`WORTH_A_LOOK`] attempts.
    busy: Busy,
    /// Lists of each kind of trace, and those of glimpses.
    traces: [AtomicU64; Trace::ALL.len() + 1],
    traces_max: u64,
    dropped: AtomicU64,
    /// Rises when a trace may have come to a bar.
    news: AtomicU64,
}

impl Default for Attempts {
    fn default() -> Attempts {
        Attempts::with_limit(TRACES_MAX)
    }
}

/// The lowest bar that can be configured: below it nobody need look.
const WORTH_A_LOOK: usize = 3;
/// Attempts of a trace up to which each is news.
const NEWS_MAX: usize = 64;

impl Attempts {
    fn with_limit(traces_max: usize) -> Attempts {
        Attempts {
            lists: DashMap::new(),
            busy: Busy::default(),
            traces: Default::default(),
            traces_max: traces_max as u64,
            dropped: AtomicU64::new(0),
            news: AtomicU64::new(0),
        }
    }

    /// Takes attempts of any time and order.
    pub fn contribute(&self, attempts: &[Attempt]) {
        for attempt in attempts {
            for trace in Trace::ALL {
                let value = trace.within(&attempt.traces);
                // What strangers share is asked of the user agent only: others' addresses are theirs to have.
                if value != 0 && (attempt.kind.is_failure() || trace == Trace::UserAgent) {
                    let is_early = attempt.kind == AttemptKind::Glimpse;
                    self.add(Key { is_early, ..Key::new(attempt.tenant, trace, value) }, attempt);
                }
            }
        }
    }

    fn add(&self, key: Key, attempt: &Attempt) {
        if let Some(mut list) = self.lists.get_mut(&key) {
            self.push(&key, &mut list, attempt);
            return;
        }
        let count = &self.traces[key.count()];
        if count.load(Ordering::Relaxed) >= self.traces_max {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut list = self.lists.entry(key).or_insert_with(|| {
            count.fetch_add(1, Ordering::Relaxed);
            List::default()
        });
        self.push(&key, &mut list, attempt);
    }

    fn set_busy(&self) {
        for entry in self.lists.iter().filter(|list| list.len() >= WORTH_A_LOOK) {
            self.busy.set(entry.key());
        }
    }

    fn push(&self, key: &Key, list: &mut List, attempt: &Attempt) {
        let before = list.len();
        list.push(attempt);
        let count = list.len();
        if count >= WORTH_A_LOOK {
            self.busy.set(key);
        }
        // Every bar that is usual is met at once, higher ones a little later.
        if before != count && count >= WORTH_A_LOOK && (count <= NEWS_MAX || count.is_power_of_two()) {
            self.news.fetch_add(1, Ordering::Release);
        }
    }

    /// A number that changes whenever a sign-in judged before might be judged otherwise now.
    pub fn news(&self) -> u64 {
        self.news.load(Ordering::Acquire)
    }

    /// Whether so many attempts share a trace with the sign-in that a verdict could rest on them: cheap, and true for few.
    /// `until`: the newest minute whose attempts count.
    pub fn touches(&self, tenant: u32, facts: &Facts, until: i32, policy: &Policy) -> bool {
        let minute = minute_of(facts.time);
        let early = Key { is_early: true, ..Key::new(tenant, Trace::UserAgent, facts.user_agent_hash) };
        let keys = Trace::ALL.into_iter().map(|trace| Key::new(tenant, trace, trace.of(facts)));
        let is_busy = |key: &Key| {
            let bars = worth::least_bars(policy, key).into_iter().flatten();
            self.lists.get(key).is_some_and(|list| bars.into_iter().any(|bar| list.may_attack(minute, until, bar)))
        };
        keys.chain([early]).any(|key| key.value != 0 && self.busy.may_be(&key) && is_busy(&key))
    }

    /// The attack on many users of which a trace is part, as attempts up to minute `until` show it: the first minute
    /// at which `bar.enough` distinct users had failed within the window, if the attack still went on at `minute`.
    pub fn spray(
        &self,
        tenant: u32,
        trace: Trace,
        value: u32,
        minute: i32,
        until: i32,
        bar: Bar,
    ) -> Option<Attack> {
        let list = self.lists.get(&Key::new(tenant, trace, value))?;
        list.attack(minute, until, bar, AttemptKind::is_failure, true)
    }

    /// The same for attempts on however few users: each minute of each user counts.
    pub fn hammered(
        &self,
        tenant: u32,
        trace: Trace,
        value: u32,
        minute: i32,
        until: i32,
        bar: Bar,
    ) -> Option<Attack> {
        let list = self.lists.get(&Key::new(tenant, trace, value))?;
        list.attack(minute, until, bar, AttemptKind::is_failure, false)
    }

    /// The users of one user agent who were all met by a stranger with it.
    pub fn strangers(
        &self,
        kind: AttemptKind,
        tenant: u32,
        user_agent: u32,
        minute: i32,
        until: i32,
        bar: Bar,
    ) -> Option<Attack> {
        let is_early = kind == AttemptKind::Glimpse;
        let list = self.lists.get(&Key { is_early, ..Key::new(tenant, Trace::UserAgent, user_agent) })?;
        list.attack(minute, until, bar, |other| other == kind, true)
    }

    /// The stream has reached `day`: forgets what is older than [`ATTEMPT_DAYS_MAX`].
    pub fn forget_before(&self, day: i32) {
        let oldest = day.saturating_sub(ATTEMPT_DAYS_MAX).saturating_mul(24 * 60);
        self.lists.retain(|key, list| {
            list.forget_before(oldest);
            let is_kept = !list.is_empty();
            if !is_kept {
                self.traces[key.count()].fetch_sub(1, Ordering::Relaxed);
            }
            is_kept
        });
        self.busy.renew(|| self.set_busy());
    }

    pub fn stats(&self) -> AttemptStats {
        AttemptStats {
            traces: std::array::from_fn(|index| self.traces[index].load(Ordering::Relaxed) as usize),
            attempts: self.lists.iter().map(|list| list.len()).sum(),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}
