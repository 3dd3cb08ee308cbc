//! Attacker in the middle: a sign-in through a relay, second factor included, and the session in other hands.
//!
//! ## What it sees
//! A session that the user began on a network strange to him, a hosting network or one rare in the organisation without
//! the device id that he nearly always has; and soon after the session goes on from yet another strange network. Or,
//! before anything follows, the beginning alone: second factor passed through a hosting network that hardly anybody in
//! the organisation uses, in the user's own browser but without his device id. That alone is low.
//! ## Why it matters
//! ATT&CK T1557, T1566.002, T1539: phishing through a relay passes any second factor that is not bound to the site, and
//! leaves the session with the attacker.
//! ## What it misses, and who trips it falsely
//! A relay on a home line that goes on from the same address; records without a session id. Falsely: a private window
//! on a rented server. A VPN that lists know and that is switched off later, with the same browser, does not trip it.
//! ## Parameters
//! `attacker_in_the_middle.continuation_hours` (24), `.sensitivity`.

use super::anomalous_token::{is_common_network, is_rare_network};
use super::evidence::place_name;
use super::impossible_travel::after;
use super::level::Level;
use super::miss::Miss;
use super::properties::Assessment;
use super::{Case, Draft};
use crate::engine::facts::ListKind;
use crate::engine::finding::{Familiarity, Property, RiskEventType, RiskLevel, Suppression, Threshold};
use crate::engine::policy::Sensitivity;
use crate::engine::signin::{Mfa, Outcome};
use crate::engine::user::learning::Family;
use crate::engine::user::session::{Session, is_hosting_or_hidden};

/// Points from which a continuation is medium and high. Judgement, to be refitted.
const MEDIUM_POINTS: usize = 3;
const HIGH_POINTS: usize = 4;

pub fn detect(case: &Case<'_>, assessment: &Assessment) -> Result<Draft, Miss> {
    let facts = case.facts;
    if !case.judge.policy.attacker_in_the_middle.enabled {
        return Err(Miss::Off);
    }
    if assessment.known_device {
        return Err(Miss::Lacks("the device is the user's own"));
    }
    if !case.state.is_strange_network(facts, case.judge.decay) {
        return Err(Miss::Lacks("the network is the user's own, or not known"));
    }
    match case.state.session(facts.session_hash) {
        Some(session) => continuation(case, assessment, session),
        None => beginning(case, assessment),
    }
}

/// The session began through what looks like a relay, and is now somewhere else.
fn continuation(case: &Case<'_>, assessment: &Assessment, session: &Session) -> Result<Draft, Miss> {
    let facts = case.facts;
    let began = &session.began;
    let hours = case.judge.policy.attacker_in_the_middle.continuation_hours;
    let soon = libm::fabs(facts.time.seconds_since(began.time)) <= f64::from(hours) * 3_600.0;
    let same_device = facts.device_hash != 0 && facts.device_hash == began.device_hash;
    let rare = is_rare_network(&case.organization, began.asn);
    let is_relay = began.is_hosting_or_hidden() || (rare && session.lacks_device);
    let goes_on = began.asn != 0 && began.asn != facts.asn;
    // One browser from one rented network to another is its owner's way out.
    let other_hands = session.lacks_device || began.is_other_client(facts);
    if !(session.is_interactive && session.is_strange && is_relay && goes_on && soon && other_hands) || same_device
    {
        return Err(Miss::Lacks(
            "its session did not begin through what looks like a relay to go on elsewhere, in other hands, soon after",
        ));
    }
    let signs = [
        began.is_hosting_or_hidden(),
        session.lacks_device,
        session.passed_mfa,
        rare,
        is_hosting_or_hidden(facts.connection, facts.lists),
        began.is_other_client(facts),
    ];
    let points = signs.into_iter().filter(|sign| *sign).count();
    let level = match points {
        HIGH_POINTS.. => RiskLevel::High,
        MEDIUM_POINTS => RiskLevel::Medium,
        _ => RiskLevel::Low,
    };
    let level = Level::new(level, "by the number of signs");
    let sentence = format!(
        "Session goes on from AS{} in {}, strange to this user, {} that began it through AS{} in {}, strange, too{}{}.",
        facts.asn,
        place_name(case.text.place, facts.country),
        after(facts.time.seconds_since(began.time)),
        began.asn,
        place_name(None, began.country),
        if session.passed_mfa { ", with the second factor passed" } else { "" },
        if session.lacks_device { " and the user's device id missing" } else { "" },
    );
    let mut draft = draft(case, assessment, level, points as f64 / signs.len() as f64, sentence);
    let hidden = [ListKind::Vpn, ListKind::Relay].into_iter().any(|kind| began.lists.contains(kind));
    let switched_off = hidden && !began.is_other_client(facts);
    draft.consider_either(
        Suppression::MovingNetwork,
        switched_off,
        [
            "it began on a listed VPN or relay and goes on in the same browser without",
            "it did not begin on a listed VPN or relay to go on in the same browser without",
        ],
    );
    consider_egress(case, &mut draft);
    Ok(draft)
}

/// Second factor passed through a hosting network: the relay itself, before the session is used.
fn beginning(case: &Case<'_>, assessment: &Assessment) -> Result<Draft, Miss> {
    let facts = case.facts;
    let familiar_agent = assessment.known_agent
        || [Property::Browser, Property::OperatingSystem].into_iter().all(|property| {
            assessment
                .weighed
                .iter()
                .any(|weighed| weighed.property == property && weighed.familiarity == Familiarity::Familiar)
        });
    let fires = facts.is_interactive()
        && facts.outcome == Outcome::Success
        && facts.mfa == Mfa::Performed
        && !assessment.known_address
        && familiar_agent
        && is_hosting_or_hidden(facts.connection, facts.lists)
        && is_rare_network(&case.organization, facts.asn)
        && case.state.lacks_device(facts, case.judge.decay);
    if !fires {
        return Err(Miss::Lacks(
            "no second factor was passed through a hosting network rare in the organisation, in the user's own browser without \
             the device id",
        ));
    }
    let sentence = format!(
        "Second factor passed through AS{} in {}, a hosting or anonymising network rare in the organisation, in the \
         user's own browser without the device id.",
        facts.asn,
        place_name(case.text.place, facts.country),
    );
    let mut draft = draft(case, assessment, Level::new(RiskLevel::Low, "by the relay alone"), 0.5, sentence);
    draft.consider_either(
        Suppression::MovingNetwork,
        facts.is_moving_network(),
        [
            "a VPN, proxy, Tor, relay or satellite address",
            "no VPN, proxy, Tor, relay or satellite address by any list",
        ],
    );
    consider_egress(case, &mut draft);
    Ok(draft)
}

fn draft(case: &Case<'_>, assessment: &Assessment, level: Level, strength: f64, sentence: String) -> Draft {
    let hours = case.judge.policy.attacker_in_the_middle.continuation_hours;
    Draft {
        kind: RiskEventType::AttackerInTheMiddle,
        level,
        strength,
        family: Some(Family::UnfamiliarFeatures),
        outside_learning: assessment.unheard_of,
        suppressions: Vec::new(),
        thresholds: vec![Threshold::new("attacker_in_the_middle.continuation_hours", f64::from(hours))],
        with_travel: false,
        with_bits: None,
        sentence,
        attack: None,
    }
}

fn consider_egress(case: &Case<'_>, draft: &mut Draft) {
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
    if case.judge.policy.attacker_in_the_middle.sensitivity == Sensitivity::Low {
        draft.consider_either(
            Suppression::OrganizationCommon,
            is_common_network(&case.organization, facts.asn),
            ["the network is regularly used by colleagues", "the network is not regularly used by colleagues"],
        );
    }
}
