//! Password spray: the right password from where many users' passwords are being tried.
//!
//! ## What it sees
//! Failed sign-ins of many users that have an address or a tool in common, within a day or a week: a tool is a user agent, or
//! a user agent with the /24, /48 or network it comes from. Then each sign-in with the right credential that has the same in
//! common and is not at a familiar address or device, until a day has passed without an attempt. Rotating addresses share
//! their tool, and a slow spray adds up over days. A sign-in that came before the spray could be told is found in hindsight,
//! for as long as `engine.hindsight_s` says. The same pattern with many accounts that do not exist is credential stuffing:
//! the evidence counts them, and the sentence says so. A sign-in from a prefix or network that is spraying, but with another
//! tool, is `maliciousIPAddress`.
//! ## Why it matters
//! ATT&CK T1110.003 (password spraying), T1110.004 (credential stuffing). Sprays were behind more than a third of the
//! compromised accounts of organisations that Microsoft counted in 2020, with about one account in a hundred entered.
//! It needs no history of the user, so learning does not mute it.
//! ## What it misses, and who trips it falsely
//! A single try on each of a few accounts; sprays in which every try has a user agent of its own, or an address in another
//! network and a common user agent; a victim whose familiar address is the attacker's. Falsely: users of a gateway, VPN or campus where many mistype
//! their passwords; so more failures are needed where the organisation knows users (`known_users_factor`,
//! `slow_known_users_factor`).
//! ## Parameters
//! `password_spray.enabled`, `.address_users_min` (8), `.network_and_user_agent_users_min` (6),
//! `.user_agent_users_min` (15), `.window_hours` (24), `.slow_window_hours` (168), `.known_users_factor` (0.5),
//! `.slow_known_users_factor` (3). For the network beside it: `.prefix_users_min` (12), `.asn_users_min` (25).

use super::evidence::{place_name, prefix_text};
use super::level::Level;
use super::miss::Miss;
use super::properties::{Assessment, UNFAMILIAR_DEVICE_BITS};
use super::suspicious_browser::is_stranger;
use super::{Case, Draft};
use crate::engine::attempts::{Attack, Bar, TRACE_ATTEMPTS_MAX, Trace, minute_of};
use crate::engine::finding::{AttackEvidence, RiskEventType, RiskLevel, Suppression, Threshold};
use crate::engine::policy::PasswordSpray;
use crate::engine::profile::ProfileKind;
use crate::engine::signin::{Category, ClientApp, EventTime};

/// Share of attempts on accounts that do not exist from which the names came from elsewhere: credential stuffing.
const STUFFING_SHARE: f64 = 0.3;

/// Traces that tie a sign-in to the spray's own machine or tool, and those that only tie it to the network it comes from.
const BY_TOOL: [Trace; 4] = [Trace::Address, Trace::PrefixAndUserAgent, Trace::AsnAndUserAgent, Trace::UserAgent];
const BY_NETWORK: [Trace; 2] = [Trace::Prefix, Trace::Asn];

pub fn detect(case: &Case<'_>, assessment: &Assessment) -> Result<Draft, Miss> {
    let rules = &case.judge.policy.password_spray;
    if !rules.enabled {
        return Err(Miss::Off);
    }
    in_question(case, assessment)?;
    let found =
        BY_TOOL.into_iter().find_map(|trace| search(case, assessment, rules, trace)).ok_or(Miss::Lacks(
            "too few users' sign-ins failed with the same address or user agent, or these are the user's own",
        ))?;
    let broad = found.trace != Trace::Address;
    let strange = assessment.device_bits > UNFAMILIAR_DEVICE_BITS;
    let mut draft = Draft {
        kind: RiskEventType::PasswordSpray,
        level: if broad && !strange {
            Level::new(RiskLevel::Medium, "by more than the address, with a device that may be the user's")
        } else {
            Level::new(RiskLevel::High, "by the address, or with a stranger's device")
        },
        strength: (f64::from(found.attack.users) / f64::from(found.enough) / 4.0).clamp(0.0, 1.0),
        family: None,
        outside_learning: false,
        suppressions: Vec::new(),
        thresholds: thresholds(rules, found.trace),
        with_travel: false,
        with_bits: None,
        sentence: sentence(case, &found),
        attack: Some(found),
    };
    draft.consider_either(Suppression::FamiliarDevice, is_own_device(case, assessment), OWN_DEVICE);
    Ok(draft)
}

/// A spray that comes from the same network as the sign-in, by other machines and tools: that makes the network malicious,
/// and says less of the sign-in.
pub(super) fn beside(case: &Case<'_>, assessment: &Assessment) -> Option<(AttackEvidence, Vec<Threshold>)> {
    let rules = &case.judge.policy.password_spray;
    if !rules.enabled {
        return None;
    }
    let found = BY_NETWORK.into_iter().find_map(|trace| search(case, assessment, rules, trace))?;
    let thresholds = thresholds(rules, found.trace);
    Some((found, thresholds))
}

/// Whether others' attempts can say anything of this sign-in: they are known, a password may have been typed, and it is
/// not where the user always is. What a session renews by itself needs no password that was guessed.
pub(super) fn in_question(case: &Case<'_>, assessment: &Assessment) -> Result<(), Miss> {
    let facts = case.facts;
    let is_typed = facts.category != Category::NonInteractive || facts.client_app == ClientApp::Legacy;
    let lacks = if !is_typed {
        "a session that renewed itself: no password was typed"
    } else if !case.judge.knows_attempts(facts) {
        "what was attempted on other users is not known yet"
    } else if assessment.known_address {
        "the address is the user's own"
    } else if assessment.total_bits <= 0.0 {
        "nothing speaks for a stranger"
    } else {
        return Ok(());
    };
    Err(Miss::Lacks(lacks))
}

/// A device known to be the user's, by an id that an attacker does not have.
pub(super) fn is_own_device(case: &Case<'_>, assessment: &Assessment) -> bool {
    assessment.known_device || case.facts.is_managed()
}

/// What is said of [`is_own_device`]: where it holds, and where not.
pub(super) const OWN_DEVICE: [&str; 2] =
    ["a device that is known, or managed by the organisation", "no device that is known or managed"];

/// The evidence of an attack that was found.
pub(super) fn attack_evidence(
    case: &Case<'_>,
    trace: Trace,
    attack: Attack,
    bar: Bar,
    known_users: u32,
) -> AttackEvidence {
    AttackEvidence {
        trace,
        value: trace_text(case, trace),
        attack,
        known_users,
        enough: bar.enough,
        window_hours: bar.window_minutes.unsigned_abs() / 60,
        in_hindsight: attack.recognised > minute_of(case.facts.time),
    }
}

fn search(
    case: &Case<'_>,
    assessment: &Assessment,
    rules: &PasswordSpray,
    trace: Trace,
) -> Option<AttackEvidence> {
    // What is the user's own says nothing about others' use of it.
    let is_own = match trace {
        Trace::Address | Trace::Prefix => false,
        Trace::PrefixAndUserAgent | Trace::AsnAndUserAgent => assessment.known_asn && assessment.known_agent,
        Trace::Asn => assessment.known_asn || assessment.device_bits <= 0.0,
        // The user's own browser in a new version is nobody's tool.
        Trace::UserAgent => !is_stranger(case.state, case.facts, case.judge.decay),
    };
    if is_own {
        return None;
    }
    let (least, window_hours, factor) = least(rules, trace);
    let known = |kind: ProfileKind, value: u32| case.organization.users_with(kind, value).unwrap_or(0);
    let facts = case.facts;
    let agents = || known(ProfileKind::UserAgent, facts.user_agent_hash);
    let known_users = match trace {
        Trace::Address => known(ProfileKind::Address, facts.address_hash),
        Trace::Prefix => known(ProfileKind::Prefix, facts.prefix_hash),
        Trace::Asn => known(ProfileKind::Asn, facts.asn),
        Trace::UserAgent => agents(),
        // Who has both is among those who have the rarer one.
        Trace::PrefixAndUserAgent => known(ProfileKind::Prefix, facts.prefix_hash).min(agents()),
        Trace::AsnAndUserAgent => known(ProfileKind::Asn, facts.asn).min(agents()),
    };
    let bar = bar(least, window_hours, factor, known_users).paused_by(rules.window_hours);
    let (minute, until) = (minute_of(case.facts.time), case.judge.hindsight_minute(case.facts));
    let attempts = case.judge.profiles.attempts();
    let attack = attempts.spray(case.judge.tenant, trace, trace.of(case.facts), minute, until, bar)?;
    Some(attack_evidence(case, trace, attack, bar, known_users))
}

/// Users from which on a trace is a spray's within how many hours, and how many more for each whom the organisation knows.
pub fn least(rules: &PasswordSpray, trace: Trace) -> (u32, u32, f64) {
    match trace {
        Trace::Address => (rules.address_users_min, rules.window_hours, rules.known_users_factor),
        Trace::Prefix => (rules.prefix_users_min, rules.window_hours, rules.known_users_factor),
        Trace::PrefixAndUserAgent | Trace::AsnAndUserAgent => {
            (rules.network_and_user_agent_users_min, rules.slow_window_hours, rules.known_users_factor)
        }
        Trace::Asn => (rules.asn_users_min, rules.window_hours, rules.slow_known_users_factor),
        Trace::UserAgent => (rules.user_agent_users_min, rules.slow_window_hours, rules.slow_known_users_factor),
    }
}

/// The bar where the organisation knows so many users already.
pub fn bar(least: u32, window_hours: u32, factor: f64, known_users: u32) -> Bar {
    let more = libm::ceil(factor * f64::from(known_users)).min(1e6) as u32;
    let window_minutes = window_hours as i32 * 60;
    Bar { enough: least.saturating_add(more), window_minutes, pause_minutes: window_minutes }
}

fn trace_text(case: &Case<'_>, trace: Trace) -> String {
    match trace {
        Trace::Address => case.text.address_text.to_owned(),
        Trace::Prefix => case.facts.address.map(prefix_text).unwrap_or_default(),
        Trace::PrefixAndUserAgent => {
            format!("{} {}", case.facts.address.map(prefix_text).unwrap_or_default(), case.text.user_agent)
        }
        Trace::AsnAndUserAgent => format!("AS{} {}", case.facts.asn, case.text.user_agent),
        Trace::Asn => format!("AS{}", case.facts.asn),
        Trace::UserAgent => case.text.user_agent.to_owned(),
    }
}

fn thresholds(rules: &PasswordSpray, trace: Trace) -> Vec<Threshold> {
    let threshold = |key, value| Threshold::new(key, value);
    let window = threshold("password_spray.window_hours", f64::from(rules.window_hours));
    let slow_window = threshold("password_spray.slow_window_hours", f64::from(rules.slow_window_hours));
    let factor = threshold("password_spray.known_users_factor", rules.known_users_factor);
    let slow_factor = threshold("password_spray.slow_known_users_factor", rules.slow_known_users_factor);
    match trace {
        Trace::Address => {
            vec![threshold("password_spray.address_users_min", f64::from(rules.address_users_min)), window, factor]
        }
        Trace::Prefix => {
            vec![threshold("password_spray.prefix_users_min", f64::from(rules.prefix_users_min)), window, factor]
        }
        Trace::PrefixAndUserAgent | Trace::AsnAndUserAgent => {
            let least = threshold(
                "password_spray.network_and_user_agent_users_min",
                f64::from(rules.network_and_user_agent_users_min),
            );
            vec![least, slow_window, factor]
        }
        Trace::Asn => {
            let least = threshold("password_spray.asn_users_min", f64::from(rules.asn_users_min));
            vec![least, window, slow_factor]
        }
        Trace::UserAgent => {
            let least = threshold("password_spray.user_agent_users_min", f64::from(rules.user_agent_users_min));
            vec![least, slow_window, slow_factor]
        }
    }
}

fn sentence(case: &Case<'_>, found: &AttackEvidence) -> String {
    let Attack { users, attempts, no_such_user, recognised, .. } = found.attack;
    let here = place_name(case.text.place, case.facts.country);
    let users = count_text(users, attempts);
    let stuffing = f64::from(no_such_user) > STUFFING_SHARE * f64::from(attempts);
    let what = if stuffing { "credential stuffing" } else { "a password spray" };
    let names = if no_such_user == 0 {
        String::new()
    } else {
        format!(", {no_such_user} of {attempts} attempts on accounts that do not exist")
    };
    let when = minute_text(recognised);
    let told = if found.in_hindsight { "could be told only afterwards, from" } else { "told since" };
    format!(
        "Right password from {} ({here}) in {what}: {users} users failed with the same {} within {} hours{names}; {told} \
         {when}.",
        case.text.address_text,
        trace_word(found.trace),
        found.window_hours,
    )
}

/// "48", or "at least 512" where no more are kept.
pub(super) fn count_text(count: u32, attempts: u32) -> String {
    if attempts as usize >= TRACE_ATTEMPTS_MAX { format!("at least {count}") } else { count.to_string() }
}

pub(super) fn trace_word(trace: Trace) -> &'static str {
    match trace {
        Trace::Address => "address",
        Trace::Prefix => "network prefix",
        Trace::PrefixAndUserAgent => "network prefix and user agent",
        Trace::AsnAndUserAgent => "network and user agent",
        Trace::Asn => "network",
        Trace::UserAgent => "user agent",
    }
}

/// "2026-03-02 14:05 UTC".
pub(super) fn minute_text(minute: i32) -> String {
    let text = EventTime::from_seconds(i64::from(minute) * 60).to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{date} {} UTC", time.get(..5).unwrap_or(time))
}
