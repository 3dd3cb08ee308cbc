//! Token issuer anomaly: a federated issuer that nobody in the organisation has, or that is none of the user's.
//!
//! ## What it sees
//! The type and name of the issuer that a federated sign-in's token came from, against those of the user and of all
//! colleagues.
//! ## Why it matters
//! ATT&CK T1484.002, T1606.002: who adds a federated domain, or steals a token-signing certificate, issues tokens for
//! any user without password or second factor.
//! ## What it misses, and who trips it falsely
//! Tokens forged in the name of the true issuer; records without an issuer. Falsely: a federation that the
//! organisation itself adds, in the two days until its profile knows it.
//! ## Parameters
//! `token_issuer.known_users_min` (20), `.habit_days` (3).

use super::level::{KNOWN_DEVICE, Level};
use super::miss::Miss;
use super::properties::Assessment;
use super::{Case, Draft};
use crate::engine::finding::{RiskEventType, RiskLevel, Suppression, Threshold};
use crate::engine::profile::{ANY_ISSUER, ProfileKind};
use crate::engine::user::familiarity::{UNIT, compact_day};

/// Share of active users whose issuer must be known: the profile is old enough.
const KNOWN_SHARE_MIN: f64 = 0.5;
/// Colleagues, and their share, from which an issuer is common.
const COMMON_USERS_MIN: u32 = 3;
const COMMON_SHARE: f64 = 0.01;

/// The profile is too young, or too small.
const UNKNOWN: Miss = Miss::Lacks("the issuers of too few colleagues are known");

pub fn detect(case: &Case<'_>, assessment: &Assessment) -> Result<Draft, Miss> {
    let rules = &case.judge.policy.token_issuer;
    let facts = case.facts;
    let day = compact_day(facts.time.day());
    let own = &case.state.issuers;
    if !rules.enabled {
        return Err(Miss::Off);
    }
    if !facts.issuer_federated {
        return Err(Miss::Lacks("the token comes from no federated issuer"));
    }
    if own.get(facts.issuer_hash, day, case.judge.decay).is_some() {
        return Err(Miss::Lacks("the token's issuer is the user's own"));
    }
    let organization = &case.organization;
    let known = organization.users_with(ProfileKind::TokenIssuer, ANY_ISSUER).ok_or(UNKNOWN)?;
    if known < rules.known_users_min || f64::from(known) < KNOWN_SHARE_MIN * f64::from(organization.users) {
        return Err(UNKNOWN);
    }
    let with = organization.users_with(ProfileKind::TokenIssuer, facts.issuer_hash).ok_or(UNKNOWN)?;
    let unheard_of = with == 0;
    let has_habit = own.total(day, case.judge.decay) >= rules.habit_days * u32::from(UNIT);
    if !unheard_of && !has_habit {
        return Err(Miss::Lacks("colleagues have this issuer, and none is the user's habit"));
    }
    let mut level = if unheard_of && has_habit {
        Level::new(RiskLevel::High, "neither the user nor a colleague has this issuer")
    } else {
        Level::new(RiskLevel::Medium, "to begin with")
    };
    // A forged token knows no device of the user's.
    if assessment.known_device {
        level.lower(KNOWN_DEVICE);
    }
    let mut draft = Draft {
        kind: RiskEventType::TokenIssuerAnomaly,
        level,
        strength: if unheard_of { 0.5 } else { 0.0 },
        family: None,
        outside_learning: false,
        suppressions: Vec::new(),
        thresholds: vec![
            Threshold::new("token_issuer.known_users_min", f64::from(rules.known_users_min)),
            Threshold::new("token_issuer.habit_days", f64::from(rules.habit_days)),
        ],
        with_travel: false,
        with_bits: None,
        sentence: sentence(case, (known, with), has_habit),
        attack: None,
    };
    let common = with >= COMMON_USERS_MIN && f64::from(with) >= COMMON_SHARE * f64::from(known);
    draft.consider(
        Suppression::OrganizationCommon,
        common,
        format!("{with} of {known} colleagues have this issuer"),
    );
    Ok(draft)
}

fn sentence(case: &Case<'_>, (known, with): (u32, u32), has_habit: bool) -> String {
    let name = match (case.text.token_issuer_name, case.text.token_issuer_type) {
        ("", kind) => kind,
        (name, _) => name,
    };
    let user = if has_habit { ", and this user always had another" } else { "" };
    match with {
        0 => format!("Token issued by {name}, an issuer that none of {known} colleagues has{user}."),
        with => format!("Token issued by {name}, an issuer that {with} of {known} colleagues have{user}."),
    }
}
