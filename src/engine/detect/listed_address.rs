//! Listed addresses: Tor exits and anonymous proxies, malicious addresses, verified threat actors.
//!
//! ## What it sees
//! The address on a list or in an anonymous-IP database. VPNs alone are no alert: many owners use one. An address is
//! malicious without a list, too, when wrong passwords keep coming from it, on however few accounts; and its prefix or
//! network is when a password spray comes from there with other addresses and tools. Where the sign-in is the spray's
//! own, `passwordSpray` says it.
//! ## Why it matters
//! ATT&CK T1090.003 (multi-hop proxy), T1110.001 (password guessing), T1078.004. Needs no history, so learning does not
//! mute it.
//! ## What it misses, and who trips it falsely
//! Exits not listed yet. Falsely: the user who always comes through Tor (familiarity lowers the level); an address where
//! an application keeps trying an old password (the user's own familiar address and device are left alone).
//! ## Parameters
//! `listed_address.anonymized_enabled`, `.malicious_enabled`, `.nation_state_enabled` (all on); the lists;
//! `.malicious_attempts_min` (30), `.malicious_window_hours` (24).

use super::evidence::place_name;
use super::level::{KNOWN_DEVICE, Level, STRANGE_DEVICE};
use super::miss::Miss;
use super::password_spray::{
    self, OWN_DEVICE, attack_evidence, bar, count_text, in_question, is_own_device, trace_word,
};
use super::properties::{Assessment, UNFAMILIAR_DEVICE_BITS};
use super::{Case, Draft};
use crate::engine::attempts::{Trace, minute_of};
use crate::engine::facts::ListKind;
use crate::engine::finding::{AttackEvidence, RiskEventType, RiskLevel, Suppression, Threshold};
use crate::engine::profile::ProfileKind;

/// `anonymizedIPAddress`: Tor medium, anonymous proxy low; one step by what is known of device and network.
pub fn anonymized(case: &Case<'_>, assessment: &Assessment) -> Result<Draft, Miss> {
    let tor = case.facts.lists.contains(ListKind::Tor);
    let proxy = case.facts.lists.contains(ListKind::Proxy);
    if !case.judge.policy.listed_address.anonymized_enabled {
        return Err(Miss::Off);
    }
    if !(tor || proxy) {
        return Err(Miss::Lacks("no Tor exit and no anonymous proxy by any list"));
    }
    let base = if tor { RiskLevel::Medium } else { RiskLevel::Low };
    let what = if tor { "a Tor exit" } else { "an anonymous proxy" };
    Ok(draft(case, assessment, RiskEventType::AnonymizedIpAddress, base, what))
}

/// `maliciousIPAddress`: an address on a reputation list, or from which wrong passwords keep coming. `sprays`: these are
/// a password spray already.
pub fn malicious(case: &Case<'_>, assessment: &Assessment, sprays: bool) -> Result<Draft, Miss> {
    let rules = &case.judge.policy.listed_address;
    let kind = RiskEventType::MaliciousIpAddress;
    if !rules.malicious_enabled {
        return Err(Miss::Off);
    }
    if case.facts.lists.contains(ListKind::Malicious) {
        return Ok(draft(case, assessment, kind, RiskLevel::Medium, "an address listed as malicious"));
    }
    if sprays {
        return Err(Miss::SaidBy(RiskEventType::PasswordSpray));
    }
    in_question(case, assessment)?;
    let (what, found, thresholds) = attacked(case, assessment).ok_or(Miss::Lacks(
        "the address is on no list of malicious ones, and too few wrong passwords came from it or its network",
    ))?;
    let mut draft = draft(case, assessment, kind, RiskLevel::Medium, &what);
    draft.thresholds = thresholds;
    draft.attack = Some(found);
    draft.consider_either(Suppression::FamiliarDevice, is_own_device(case, assessment), OWN_DEVICE);
    Ok(draft)
}

/// The address by its own failures, or its network by a spray that comes from it.
fn attacked(case: &Case<'_>, assessment: &Assessment) -> Option<(String, AttackEvidence, Vec<Threshold>)> {
    if let Some(found) = hammered(case) {
        let rules = &case.judge.policy.listed_address;
        let what = format!(
            "an address from which {} wrong passwords of {} users came within {} hours",
            count_text(found.attack.attempts, found.attack.attempts),
            found.attack.users,
            found.window_hours
        );
        let threshold = |key, value: u32| Threshold::new(key, f64::from(value));
        let thresholds = vec![
            threshold("listed_address.malicious_attempts_min", rules.malicious_attempts_min),
            threshold("listed_address.malicious_window_hours", rules.malicious_window_hours),
        ];
        return Some((what, found, thresholds));
    }
    let (found, thresholds) = password_spray::beside(case, assessment)?;
    let what = format!(
        "a {} ({}) that a password spray comes from, {} users within {} hours",
        trace_word(found.trace),
        found.value,
        count_text(found.attack.users, found.attack.attempts),
        found.window_hours
    );
    Some((what, found, thresholds))
}

fn hammered(case: &Case<'_>) -> Option<AttackEvidence> {
    let rules = &case.judge.policy.listed_address;
    let address = case.facts.address_hash;
    let known_users = case.organization.users_with(ProfileKind::Address, address).unwrap_or(0);
    let bar = bar(rules.malicious_attempts_min, rules.malicious_window_hours, 1.0, known_users);
    let (minute, until) = (minute_of(case.facts.time), case.judge.hindsight_minute(case.facts));
    let attempts = case.judge.profiles.attempts();
    let attack = attempts.hammered(case.judge.tenant, Trace::Address, address, minute, until, bar)?;
    Some(attack_evidence(case, Trace::Address, attack, bar, known_users))
}

/// `nationStateIP`: a verified threat actor's address; always high.
pub fn nation_state(case: &Case<'_>) -> Result<Draft, Miss> {
    let listed = case.facts.lists.contains(ListKind::ThreatActor);
    if !case.judge.policy.listed_address.nation_state_enabled {
        return Err(Miss::Off);
    }
    if !listed {
        return Err(Miss::Lacks("no address of a verified threat actor by any list"));
    }
    Ok(Draft {
        kind: RiskEventType::NationStateIp,
        level: Level::new(RiskLevel::High, "always"),
        strength: 1.0,
        family: None,
        outside_learning: false,
        suppressions: Vec::new(),
        thresholds: Vec::new(),
        with_travel: false,
        with_bits: None,
        sentence: sentence(case, "an address of a verified threat actor"),
        attack: None,
    })
}

fn draft(case: &Case<'_>, assessment: &Assessment, kind: RiskEventType, base: RiskLevel, what: &str) -> Draft {
    let mut level = Level::new(base, "by the list or the attempts");
    if assessment.device_bits > UNFAMILIAR_DEVICE_BITS {
        level.raise(STRANGE_DEVICE);
    }
    // An attacker has no device id of the user's.
    if assessment.known_device {
        level.lower(KNOWN_DEVICE);
    } else if assessment.known_address {
        level.lower("the address is the user's own");
    }
    let mut draft = Draft {
        kind,
        level,
        strength: (assessment.total_bits / 25.0).clamp(0.0, 1.0),
        family: None,
        outside_learning: false,
        suppressions: Vec::new(),
        thresholds: Vec::new(),
        with_travel: false,
        with_bits: None,
        sentence: sentence(case, what),
        attack: None,
    };
    draft.consider_either(
        Suppression::EgressLocation,
        case.facts.named.egress,
        ["a named location marked as egress", "no named location marked as egress"],
    );
    draft
}

fn sentence(case: &Case<'_>, what: &str) -> String {
    let here = place_name(case.text.place, case.facts.country);
    format!("Sign-in through {what} ({}, {here}).", case.text.address_text)
}
