//! Suspicious browser: one rare browser with the right credentials of several users, from several countries.
//!
//! ## What it sees
//! Sign-ins whose browser or operating system *and* network are new to their user, by the exact user agent: where the same
//! text turns up with several users from several countries within a day, and hardly anybody in the organisation has it, it
//! belongs to a toolkit and not to its users. The third of them is the first that it can speak of.
//! ## Why it matters
//! ATT&CK T1078.004, T1550.001: intruders drive many accounts from one machine or tool, and change addresses more often
//! than the tool. It needs no network list.
//! ## What it misses, and who trips it falsely
//! Tools that take on the victim's or a common user agent. Falsely: a new device model or client that several travellers
//! get in the same days; a device known to be the user's, or managed, silences it.
//! ## Parameters
//! `suspicious_browser.enabled`, `.users_min` (3), `.countries_min` (2), `.window_hours` (24).

use super::level::Level;
use super::miss::Miss;
use super::password_spray::{OWN_DEVICE, attack_evidence, bar, in_question, is_own_device};
use super::properties::Assessment;
use super::{Case, Draft};
use crate::engine::attempts::Trace;
use crate::engine::facts::Facts;
use crate::engine::finding::{RiskEventType, RiskLevel, Suppression, Threshold};
use crate::engine::profile::ProfileKind;
use crate::engine::user::UserState;
use crate::engine::user::familiarity::{Decay, compact_day};

/// Sign-ins learnt before something can be new to a user.
const LEARNT_MIN: u16 = 5;
/// Users of the organisation that a browser may be known of and still be rare.
const KNOWN_USERS_MAX: u32 = 2;
/// How much of the level's range each further user is worth.
const USERS_RANGE: f64 = 10.0;

/// Is the browser or system new to the user, and the network, too?
pub fn is_stranger(state: &UserState, facts: &Facts, decay: &Decay) -> bool {
    let day = compact_day(facts.time.day());
    state.baseline.sign_ins >= LEARNT_MIN
        && facts.user_agent_hash != 0
        && state.has_new_agent(facts, decay)
        && facts.asn != 0
        && state.baseline.asn.get(facts.asn, day, decay).is_none()
}

pub fn detect(case: &Case<'_>, assessment: &Assessment) -> Result<Draft, Miss> {
    let rules = &case.judge.policy.suspicious_browser;
    let facts = case.facts;
    if !rules.enabled {
        return Err(Miss::Off);
    }
    in_question(case, assessment)?;
    if !is_stranger(case.state, facts, case.judge.decay) {
        return Err(Miss::Lacks("browser or network is not known to be new to this user"));
    }
    let known_users = case.organization.users_with(ProfileKind::UserAgent, facts.user_agent_hash).unwrap_or(0);
    if known_users > KNOWN_USERS_MAX {
        return Err(Miss::Lacks("colleagues use this browser"));
    }
    let bar = bar(rules.users_min, rules.window_hours, 0.0, 0);
    let attack =
        case.judge.strangers(facts, bar).ok_or(Miss::Lacks("too few users were met with this browser"))?;
    if attack.countries < rules.countries_min {
        return Err(Miss::Lacks("users were met with this browser in too few countries"));
    }
    let found = attack_evidence(case, Trace::UserAgent, attack, bar, known_users);
    let mut draft = Draft {
        kind: RiskEventType::SuspiciousBrowser,
        level: if attack.users > rules.users_min {
            Level::new(RiskLevel::High, "by more users than it takes")
        } else {
            Level::new(RiskLevel::Medium, "by as many users as it takes")
        },
        strength: (f64::from(attack.users - rules.users_min) / USERS_RANGE).clamp(0.0, 1.0),
        family: None,
        outside_learning: false,
        suppressions: Vec::new(),
        thresholds: vec![
            Threshold::new("suspicious_browser.users_min", f64::from(rules.users_min)),
            Threshold::new("suspicious_browser.countries_min", f64::from(rules.countries_min)),
            Threshold::new("suspicious_browser.window_hours", f64::from(rules.window_hours)),
        ],
        with_travel: false,
        with_bits: None,
        sentence: format!(
            "The same browser, new to each of them, signed in as {} users from {} countries within {} hours; \
             {known_users} colleagues were known with it.",
            attack.users, attack.countries, rules.window_hours,
        ),
        attack: Some(found),
    };
    draft.consider_either(Suppression::FamiliarDevice, is_own_device(case, assessment), OWN_DEVICE);
    Ok(draft)
}
