//! MFA fatigue: prompt after prompt behind a right password, until the owner gives in, or nearly.
//!
//! ## What it sees
//! Prompts for a second factor that were denied, failed or ran out, counted over a short time, where they come from
//! neither a network nor a device of the user's; and one that is passed after them. Where a record does not tell whether the
//! password was right, its prompt is counted, and not judged: then only one that is passed in the end is found.
//! ## Why it matters
//! ATT&CK T1621: whoever asks has the password, and needs one tap of a tired owner.
//! ## What it misses, and who trips it falsely
//! One prompt an hour, and prompts from the owner's own network. Falsely: an owner on a trip whose phone does not get
//! the prompts. A fumble at home or on the own device is silenced.
//! ## Parameters
//! `mfa_fatigue.window_minutes` (60), `.denied_prompts` (5), `.many_denied_prompts` (10), `.denied_before_passed` (3).

use super::evidence::place_name;
use super::level::Level;
use super::miss::{Measured, Miss};
use super::properties::Assessment;
use super::{Case, Draft};
use crate::engine::finding::{RiskEventType, RiskLevel, Suppression, Threshold};
use crate::engine::signin::{Mfa, Outcome};
use crate::engine::user::denial::{DENIALS_MAX, Denial};
use crate::engine::user::learning::Family;
use crate::engine::user::session::Stop;

pub fn detect(case: &Case<'_>, assessment: &Assessment) -> Result<Draft, Miss> {
    let rules = &case.judge.policy.mfa_fatigue;
    let facts = case.facts;
    let denied = facts.mfa.is_denied();
    // With some providers passing the prompt is a step of its own.
    let passed = facts.mfa == Mfa::Performed && matches!(facts.outcome, Outcome::Success | Outcome::Interrupted);
    if !rules.enabled {
        return Err(Miss::Off);
    }
    if !(denied || passed) {
        return Err(Miss::Lacks("no prompt for a second factor was denied or passed in it"));
    }
    if case.state.denials.is_empty() {
        return Err(Miss::Lacks("no other prompt was denied lately"));
    }
    let is_own = case.state.is_own_origin(facts, case.judge.decay);
    // What comes from the owner's own places is held against him only there, where it is silenced.
    let counts = |denial: &&Denial| is_own || !denial.is_own;
    let prompts = recent(case).filter(counts).count() as u32 + u32::from(denied);
    let (key, least) = if passed {
        ("mfa_fatigue.denied_before_passed", rules.denied_before_passed)
    } else {
        ("mfa_fatigue.denied_prompts", rules.denied_prompts)
    };
    if prompts < least {
        let (value, threshold) = (f64::from(prompts), f64::from(least));
        return Err(Miss::NotEnough { what: Measured::DeniedPrompts, value, key, threshold });
    }
    let level = if passed {
        Level::new(RiskLevel::High, "a prompt was passed after those that were denied")
    } else if prompts >= rules.many_denied_prompts {
        Level::new(RiskLevel::High, "by many denied prompts")
    } else {
        Level::new(RiskLevel::Medium, "by its denied prompts")
    };
    let mut draft = Draft {
        kind: RiskEventType::MfaFatigue,
        level,
        strength: f64::from(prompts) / DENIALS_MAX as f64,
        family: Some(Family::UnfamiliarFeatures),
        outside_learning: assessment.unheard_of || prompts >= rules.many_denied_prompts,
        suppressions: Vec::new(),
        thresholds: vec![
            Threshold::new("mfa_fatigue.window_minutes", f64::from(rules.window_minutes)),
            Threshold::new("mfa_fatigue.denied_prompts", f64::from(rules.denied_prompts)),
            Threshold::new("mfa_fatigue.many_denied_prompts", f64::from(rules.many_denied_prompts)),
            Threshold::new("mfa_fatigue.denied_before_passed", f64::from(rules.denied_before_passed)),
        ],
        with_travel: false,
        with_bits: None,
        sentence: sentence(case, prompts, passed),
        attack: None,
    };
    draft.consider_either(
        Suppression::UsualPlaces,
        is_own,
        [
            "from a network or device of the user's own: his own fumble",
            "neither the network nor the device is the user's own",
        ],
    );
    draft.consider_either(
        Suppression::EgressLocation,
        facts.named.egress,
        ["a named location marked as egress", "no named location marked as egress"],
    );
    Ok(draft)
}

fn recent<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a Denial> {
    let window_s = i64::from(case.judge.policy.mfa_fatigue.window_minutes) * 60;
    case.state.denials_since(case.facts.time, window_s)
}

/// The first of the denied prompts that were counted: the other end of the evidence.
pub(super) fn first_denial<'a>(case: &Case<'a>) -> Option<&'a Stop> {
    recent(case).find(|denial| !denial.is_own).or_else(|| recent(case).next()).map(|denial| &denial.stop)
}

fn sentence(case: &Case<'_>, prompts: u32, passed: bool) -> String {
    let here = place_name(case.text.place, case.facts.country);
    let minutes = case.judge.policy.mfa_fatigue.window_minutes;
    let end = if passed { ", and then one was passed" } else { " behind the right password" };
    format!("{prompts} prompts for a second factor were denied within {minutes} minutes{end} ({here}).")
}
