//! What holds for every detection: exceptions, trusted locations, stopped sign-ins, learning, repeats.

use std::borrow::Cow;
use std::net::IpAddr;

use super::evidence::evidence;
use super::level::Level;
use super::properties::Assessment;
use super::{Case, Draft};
use crate::engine::finding::{Evidence, Finding, LearningPhase, RiskEventType, RiskLevel, RiskState, Suppression};
use crate::engine::policy::{Exception, matches_pattern};
use crate::engine::risk::score::score;
use crate::engine::signin::{Mfa, Outcome};
use crate::engine::user::{OpenRisk, Properties};

/// Makes the finding of a draft: final level, the first suppression that applies, evidence. Beside it is how it came to its level.
pub fn conclude(case: &Case<'_>, assessment: &Assessment, mut draft: Draft) -> (Finding, Level) {
    let stopped = case.facts.was_stopped() || case.facts.outcome == Outcome::Interrupted;
    let absolute =
        matches!(draft.kind, RiskEventType::NationStateIp | RiskEventType::UserReportedSuspiciousActivity);
    if stopped && !absolute {
        draft.level.lower(stopped_by(case));
    }
    if case.facts.named.trusted && !absolute {
        draft.level.lower("a trusted named location");
        draft.consider(Suppression::TrustedLocation, false, "trusted named location: one level lower");
    }
    consider_exceptions(case, &mut draft);
    let phase = consider_learning(case, &mut draft);
    let is_below = draft.level.now == RiskLevel::None;
    let detail = case.worded(&draft, || format!("the level left is {}", draft.level.now.name()));
    draft.consider(Suppression::BelowLow, is_below, detail);
    consider_repeat(case, &mut draft);
    let suppressed_by =
        draft.suppressions.iter().find(|considered| considered.applied).map(|considered| considered.reason);
    let level = draft.level.clone();
    let finding = Finding {
        kind: draft.kind,
        level: level.now,
        score: score(draft.kind, level.now, draft.strength),
        suppressed_by,
        incident: case.state.incident_of(case.facts, case.judge),
        evidence: if case.is_told(&draft) {
            evidence(case, assessment, draft, phase, stopped)
        } else {
            Evidence::default()
        },
    };
    (finding, level)
}

/// What keeps a sign-in with a right first factor from being a success.
fn stopped_by(case: &Case<'_>) -> &'static str {
    match (case.facts.outcome, case.facts.mfa) {
        (Outcome::Interrupted, _) => "the sign-in was interrupted before its end",
        (_, Mfa::Denied | Mfa::Reported) => "the sign-in was stopped: its second factor was denied or failed",
        _ => "the sign-in was stopped by its second factor or a policy",
    }
}

fn consider_learning(case: &Case<'_>, draft: &mut Draft) -> Option<LearningPhase> {
    let family = draft.family?;
    let phase = case.phase(family);
    let learning = phase != LearningPhase::Active;
    if learning && draft.outside_learning {
        draft.level.keep_at_most(RiskLevel::Low, "the user is still being learnt");
        draft.consider(Suppression::Learning, false, "unheard of in the whole organisation: fires at low");
    } else {
        let days = case.state.learning.days_at(family, case.facts.time);
        let detail = case.worded(draft, || format!("{} for {days} days", phase.name()));
        draft.consider(Suppression::Learning, learning, detail);
    }
    Some(phase)
}

fn consider_exceptions(case: &Case<'_>, draft: &mut Draft) {
    for exception in &case.judge.policy.exceptions {
        if exception_matches(case, exception, draft.kind) {
            draft.consider(Suppression::Exception, true, exception.name.clone());
        }
    }
}

fn exception_matches(case: &Case<'_>, exception: &Exception, kind: RiskEventType) -> bool {
    let facts = case.facts;
    let there = case.state.anchor.as_ref().map(|anchor| anchor.country);
    let pair = |(one, other): &(crate::engine::facts::CountryCode, crate::engine::facts::CountryCode)| {
        there.is_some_and(|there| {
            (*one, *other) == (there, facts.country) || (*other, *one) == (there, facts.country)
        })
    };
    let user = |pattern: &str| named_by(pattern, case.judge.user_id, case.text.user_principal_name);
    is_of_kind_user_and_network(exception, kind, facts.address, user)
        && holds(&exception.device_hashes, |hash| *hash == facts.device_hash)
        && holds(&exception.country_pairs, pair)
        && holds(&exception.app_hashes, |hash| *hash == facts.app_hash)
}

/// Does the exception hold for what has no device, journey or application?
pub(super) fn is_excepted(
    exception: &Exception,
    kind: RiskEventType,
    address: Option<IpAddr>,
    user: impl Fn(&str) -> bool,
) -> bool {
    is_of_kind_user_and_network(exception, kind, address, user)
        && exception.device_hashes.is_empty()
        && exception.country_pairs.is_empty()
        && exception.app_hashes.is_empty()
}

fn is_of_kind_user_and_network(
    exception: &Exception,
    kind: RiskEventType,
    address: Option<IpAddr>,
    user: impl Fn(&str) -> bool,
) -> bool {
    let network = |(network, length): &(IpAddr, u8)| {
        let network = ipnet::IpNet::new(*network, *length);
        address.is_some_and(|address| network.is_ok_and(|network| network.contains(&address)))
    };
    holds(&exception.detections, |excepted| *excepted == kind)
        && holds(&exception.users, |pattern| user(pattern))
        && holds(&exception.networks, network)
}

/// A condition that is not set holds for everything.
fn holds<T>(condition: &[T], matches: impl Fn(&T) -> bool) -> bool {
    condition.is_empty() || condition.iter().any(matches)
}

/// Is it a pattern of the user's id or name?
pub(super) fn named_by(pattern: &str, user_id: &str, principal: &str) -> bool {
    matches_pattern(pattern, user_id) || matches_pattern(pattern, &principal.to_lowercase())
}

/// The country of an anonymous exit is drawn by lot: between two sign-ins through one the client alone tells visits apart.
fn is_same_visit(case: &Case<'_>, risk: &OpenRisk, properties: &Properties) -> bool {
    let through_exit = |risk: &OpenRisk| {
        let anonymous =
            |other: &OpenRisk| other.kind == RiskEventType::AnonymizedIpAddress && other.event == risk.event;
        case.own_risks().any(anonymous)
    };
    risk.properties.same_visit(properties)
        || (case.facts.lists.hides_place() && risk.properties.same_client(properties) && through_exit(risk))
}

/// The same stranger, the same kind, at the same level or above, a short while ago: one alert is enough.
fn consider_repeat(case: &Case<'_>, draft: &mut Draft) {
    let properties = Properties::of(case.facts);
    let since = case.facts.time.minus_seconds(i64::from(case.judge.baseline.repeat_after_hours) * 3_600);
    let standing = case.own_risks().find(|risk| {
        risk.kind == draft.kind
            && risk.level >= draft.level.now
            && risk.time >= since
            && matches!(risk.state, RiskState::AtRisk | RiskState::ConfirmedCompromised)
            && is_same_visit(case, risk, &properties)
    });
    let detail = match standing {
        Some(risk) if case.judge.tells_silenced => format!("reported for sign-in {}", risk.request_id).into(),
        Some(_) => Cow::default(),
        None => "not reported for this country and device lately".into(),
    };
    draft.consider(Suppression::AlreadyReported, standing.is_some(), detail);
}
