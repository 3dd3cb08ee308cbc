//! Risky address: a VPN, hosting or relay network that is new to the user and rare in the organisation, with a device
//! that is none of his.
//!
//! ## What it sees
//! The kind of the network by lists and databases, together with device and browser and with how many colleagues use
//! it. `anonymizedIPAddress` speaks of Tor exits and anonymous proxies by the list alone; this one speaks of networks
//! that owners use, too, and so needs all three.
//! ## Why it matters
//! ATT&CK T1090.003, T1078.004: intruders rent their way out.
//! ## What it misses, and who trips it falsely
//! Home lines sold as proxies; strangers on a VPN that the organisation uses. Falsely: an owner's first sign-in with a
//! new private computer over a private VPN.
//! ## Parameters
//! `risky_address.common_share` (0.01), `.sensitivity`.

use super::evidence::place_name;
use super::level::Level;
use super::miss::Miss;
use super::properties::{Assessment, UNFAMILIAR_DEVICE_BITS};
use super::{Case, Draft};
use crate::engine::facts::{Connection, ListKind};
use crate::engine::finding::{RiskEventType, RiskLevel, Suppression, Threshold};
use crate::engine::policy::Sensitivity;
use crate::engine::profile::ProfileKind;
use crate::engine::user::learning::Family;

/// Device evidence from which the device is a stranger's beyond doubt, bits.
const STRANGE_DEVICE_BITS: f64 = 4.0;
/// Users below which "nobody comes from there" is no evidence.
const RARE_USERS_MIN: u32 = 50;
/// Users a common network must have at least.
const COMMON_USERS_MIN: u32 = 3;

pub fn detect(case: &Case<'_>, assessment: &Assessment) -> Result<Draft, Miss> {
    let rules = &case.judge.policy.risky_address;
    let facts = case.facts;
    if !rules.enabled {
        return Err(Miss::Off);
    }
    let what = kind_of_network(case).ok_or(Miss::Lacks("no VPN, hosting or relay network by list or database"))?;
    if assessment.known_address || assessment.known_device || assessment.known_agent {
        return Err(Miss::Lacks("address, device or browser is the user's own"));
    }
    if assessment.device_bits <= UNFAMILIAR_DEVICE_BITS {
        return Err(Miss::Lacks("device and browser are not strange enough"));
    }
    if !case.state.is_strange_network(facts, case.judge.decay) {
        return Err(Miss::Lacks("the network is the user's own, or not known"));
    }
    // Without an organisation to compare with nothing is rare.
    let with = case.organization.users_with(ProfileKind::Asn, facts.asn);
    let with = with.ok_or(Miss::Lacks("nothing is known of the organisation yet"))?;
    let nobody = with == 0 && case.organization.users >= RARE_USERS_MIN;
    let level = if nobody && assessment.device_bits > STRANGE_DEVICE_BITS {
        Level::new(RiskLevel::Medium, "no colleague uses the network, and the device is a stranger's beyond doubt")
    } else {
        Level::new(RiskLevel::Low, "to begin with")
    };
    let mut draft = Draft {
        kind: RiskEventType::RiskyIpAddress,
        level,
        strength: (assessment.total_bits / 25.0).clamp(0.0, 1.0),
        family: Some(Family::UnfamiliarFeatures),
        outside_learning: false,
        suppressions: Vec::new(),
        thresholds: vec![Threshold::new("risky_address.common_share", rules.common_share)],
        with_travel: false,
        with_bits: None,
        sentence: format!(
            "Sign-in through {what} ({}, {}) that is new to this user and that {with} of {} colleagues use, with a \
             device that is none of his.",
            case.text.address_text,
            place_name(case.text.place, facts.country),
            case.organization.users,
        ),
        attack: None,
    };
    consider(case, with, &mut draft);
    Ok(draft)
}

/// What lists and databases say, Tor and anonymous proxies left to `anonymizedIPAddress`.
fn kind_of_network(case: &Case<'_>) -> Option<&'static str> {
    let facts = case.facts;
    let listed = |kind| facts.lists.contains(kind);
    if listed(ListKind::Tor) || listed(ListKind::Proxy) {
        None
    } else if listed(ListKind::Vpn) {
        Some("a VPN")
    } else if listed(ListKind::Relay) {
        Some("a privacy relay")
    } else if listed(ListKind::Hosting) || facts.connection == Connection::Hosting {
        Some("a hosting network")
    } else {
        None
    }
}

fn consider(case: &Case<'_>, with: u32, draft: &mut Draft) {
    let rules = &case.judge.policy.risky_address;
    let facts = case.facts;
    draft.consider_either(
        Suppression::EgressLocation,
        facts.named.egress,
        ["a named location marked as egress", "no named location marked as egress"],
    );
    draft.consider_either(
        Suppression::LearntEgress,
        case.organization.is_learnt_egress(facts.address_hash),
        [
            "colleagues come to this address from many places",
            "colleagues are not known to come to this address from many places",
        ],
    );
    draft.consider_either(
        Suppression::CloudRefresh,
        !facts.is_interactive() && case.state.session(facts.session_hash).is_some(),
        ["a non-interactive refresh of a session that is followed", "no refresh of a session that is followed"],
    );
    let common =
        with >= COMMON_USERS_MIN && f64::from(with) >= rules.common_share * f64::from(case.organization.users);
    draft.consider_either(
        Suppression::OrganizationCommon,
        common,
        ["the network is regularly used by colleagues", "the network is not regularly used by colleagues"],
    );
    if rules.sensitivity <= Sensitivity::Medium {
        draft.consider_either(
            Suppression::MovingNetwork,
            facts.lists.contains(ListKind::Relay),
            ["a privacy relay, which devices switch on for everybody", "no privacy relay"],
        );
    }
}
