//! Listed addresses: Tor exits and anonymous proxies, malicious addresses, verified threat actors.
//!
//! ## What it sees
//! The address on a list or in an anonymous-IP database. VPNs alone are no alert: many owners use one.
//! ## Why it matters
//! ATT&CK T1090.003 (multi-hop proxy), T1078.004. Needs no history, so learning does not mute it.
//! ## What it misses, and who trips it falsely
//! Exits not listed yet. Falsely: the user who always comes through Tor (familiarity lowers the level).
//! ## Parameters
//! `listed_address.anonymized_enabled`, `.malicious_enabled`, `.nation_state_enabled`; the lists.

use super::evidence::place_name;
use super::properties::Assessment;
use super::{Case, Draft};
use crate::engine::facts::ListKind;
use crate::engine::finding::{RiskEventType, RiskLevel, Suppression};

/// Device evidence from which the device counts as a stranger's, bits.
const UNFAMILIAR_DEVICE_BITS: f64 = 2.0;

/// `anonymizedIPAddress`: Tor medium, anonymous proxy low; one step by what is known of device and network.
pub fn anonymized(case: &Case<'_>, assessment: &Assessment) -> Option<Draft> {
    let tor = case.facts.lists.contains(ListKind::Tor);
    let proxy = case.facts.lists.contains(ListKind::Proxy);
    if !case.judge.policy.listed_address.anonymized_enabled || !(tor || proxy) {
        return None;
    }
    let base = if tor { RiskLevel::Medium } else { RiskLevel::Low };
    let what = if tor { "a Tor exit" } else { "an anonymous proxy" };
    Some(draft(case, assessment, RiskEventType::AnonymizedIpAddress, base, what))
}

/// `maliciousIPAddress`: an address on a reputation list.
pub fn malicious(case: &Case<'_>, assessment: &Assessment) -> Option<Draft> {
    let listed = case.facts.lists.contains(ListKind::Malicious);
    if !case.judge.policy.listed_address.malicious_enabled || !listed {
        return None;
    }
    Some(draft(
        case,
        assessment,
        RiskEventType::MaliciousIpAddress,
        RiskLevel::Medium,
        "an address listed as malicious",
    ))
}

/// `nationStateIP`: a verified threat actor's address; always high.
pub fn nation_state(case: &Case<'_>) -> Option<Draft> {
    let listed = case.facts.lists.contains(ListKind::ThreatActor);
    if !case.judge.policy.listed_address.nation_state_enabled || !listed {
        return None;
    }
    Some(Draft {
        kind: RiskEventType::NationStateIp,
        level: RiskLevel::High,
        strength: 1.0,
        family: None,
        outside_learning: false,
        suppressions: Vec::new(),
        thresholds: Vec::new(),
        with_travel: false,
        with_bits: None,
        sentence: sentence(case, "an address of a verified threat actor"),
    })
}

fn draft(
    case: &Case<'_>,
    assessment: &Assessment,
    kind: RiskEventType,
    base: RiskLevel,
    what: &'static str,
) -> Draft {
    let mut level = base;
    if assessment.device_bits > UNFAMILIAR_DEVICE_BITS {
        level = level.raised();
    }
    if assessment.known_address || (assessment.known_device && assessment.known_asn) {
        level = level.lowered();
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
