//! User reported suspicious activity: the owner denied a prompt as fraud.
//!
//! ## What it sees
//! A prompt for the second factor, behind a right password, that the user denied and reported as not his own.
//! ## Why it matters
//! ATT&CK T1621, T1078.004: the one witness who knows says that somebody else has the password. Always high, and needs
//! no history.
//! ## What it misses, and who trips it falsely
//! Owners who only deny. Falsely: a slip of the finger.
//! ## Parameters
//! `reported_activity.enabled`.

use super::evidence::place_name;
use super::level::Level;
use super::miss::Miss;
use super::{Case, Draft};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::Mfa;

pub fn detect(case: &Case<'_>) -> Result<Draft, Miss> {
    if !case.judge.policy.reported_activity.enabled {
        return Err(Miss::Off);
    }
    if case.facts.mfa != Mfa::Reported {
        return Err(Miss::Lacks("the user reported no prompt of it"));
    }
    let here = place_name(case.text.place, case.facts.country);
    Ok(Draft {
        kind: RiskEventType::UserReportedSuspiciousActivity,
        level: Level::new(RiskLevel::High, "always"),
        strength: 1.0,
        family: None,
        outside_learning: false,
        suppressions: Vec::new(),
        thresholds: Vec::new(),
        with_travel: false,
        with_bits: None,
        sentence: format!(
            "The user reported the prompt for a second factor of this sign-in ({}, {here}) as not his own.",
            case.text.address_text
        ),
        attack: None,
    })
}
