//! Upstream findings: a risk that another product found.
//!
//! ## What it sees
//! What an identity provider, a threat feed or a list of leaked credentials says of a sign-in or of a user: its type,
//! its level and its reasons, as the product states them. Nothing is judged again. The detection carries the product's
//! name in `source`, has the score at which its level begins (40, 65 or 85; 100 once the product's administrator
//! confirmed it), and counts in the user's risk like our own. A type that has no equal here is `generic`.
//!
//! It has its place among the user's events by the time the product said so, and acts at once where that is long past.
//! It teaches the baseline nothing. At medium or above it keeps the sign-in that it is about out of the baseline, where it
//! is known when that sign-in is learnt: so it is with the risk that a sign-in's own record carries. What is said hours or
//! days later comes too late for that.
//!
//! Our own detection about the same sign-in stands whatever others say. An upstream finding of the same type about the same
//! sign-in is no news (`alreadyReported`) when one stood already at its level or above, or was closed; told before ours, or
//! at a higher level, it stands beside it. Either way the two count once in the user's risk. The same product that says more
//! of the same raises its own detection, which keeps the evidence of the first word. Feedback about the sign-in's id, or
//! about the finding's own where it names no sign-in, closes it.
//! ## Why it matters
//! ATT&CK T1078.004 for most types, T1589.001 for leaked credentials: the provider sees signals that no log holds, and a feed
//! knows of passwords before they are used. Where it agrees with an independent detection of ours the user's level rises.
//! ## What it misses, and who trips it falsely
//! Whatever the product misses; and its false alarms are taken in as they are.
//! ## Parameters
//! `upstream_findings.enabled`, `.min_level` (low).

use std::borrow::Cow;

use super::Judge;
use super::suppress::{is_excepted, named_by};
use crate::engine::facts::CountryCode;
use crate::engine::finding::{EndPoint, Evidence, Finding, RiskEventType, Suppression, SuppressionConsidered};
use crate::engine::user::UserState;
use crate::engine::user::tail::TailFinding;

/// What becomes of the finding in the light of what was known before it; `None` where the policy leaves it out.
pub fn judge(judge: &Judge<'_>, state: &UserState, finding: &TailFinding) -> Option<Finding> {
    let rules = &judge.policy.upstream_findings;
    let level = finding.standing_level();
    if !rules.enabled || level < rules.min_level {
        return None;
    }
    let mut suppressions: Vec<SuppressionConsidered> = Vec::new();
    let mut consider = |reason, applied, detail| {
        suppressions.push(SuppressionConsidered { reason, applied, detail: Cow::Owned(detail) })
    };
    for exception in &judge.policy.exceptions {
        if is_excepted(exception, finding.kind, finding.address, |pattern| {
            named_by(pattern, judge.user_id, &finding.user_principal_name)
        }) {
            consider(Suppression::Exception, true, exception.name.clone());
        }
    }
    let known = state.known_as(finding);
    let detail = match known {
        Some(risk) => {
            format!("{} reported {} of it", product(risk.upstream().unwrap_or("Farsign")), risk.level.name())
        }
        None => "nobody reported as much of it".to_owned(),
    };
    consider(Suppression::AlreadyReported, known.is_some(), detail);
    Some(Finding {
        kind: finding.kind,
        level,
        score: finding.score(),
        suppressed_by: suppressions
            .iter()
            .find(|considered| considered.applied)
            .map(|considered| considered.reason),
        evidence: evidence(state, finding, suppressions),
        incident: state.incident_of_finding(finding, judge.policy),
    })
}

fn evidence(state: &UserState, finding: &TailFinding, suppressions: Vec<SuppressionConsidered>) -> Evidence {
    Evidence {
        this: this_end(finding),
        reference: None,
        travel: None,
        properties: Vec::new(),
        total_bits: None,
        strength: 0.0,
        attack: None,
        lists: finding.lists.kinds().collect(),
        named_location: finding.named.index,
        thresholds: Vec::new(),
        suppressions,
        learning: None,
        learning_days: None,
        baseline_sign_ins: u32::from(state.baseline.sign_ins),
        organization_day: None,
        organization_users: 0,
        late: false,
        stopped: false,
        sentence: sentence(finding),
    }
}

fn this_end(finding: &TailFinding) -> EndPoint {
    let place = finding.place.as_deref();
    EndPoint {
        request_id: finding.request_id.to_string(),
        provider: finding.provider,
        time: finding.activity_time,
        address: finding.address,
        asn: finding.asn,
        asn_organization: finding.asn_organization.as_deref().unwrap_or_default().to_owned(),
        country: place.map_or(CountryCode::UNKNOWN, |place| place.country),
        region: place.map(|place| place.region.to_string()).unwrap_or_default(),
        city: place.map(|place| place.city.to_string()).unwrap_or_default(),
        coordinates: place.map(|place| (place.latitude as f32, place.longitude as f32)),
        radius_km: place.map_or(0, |place| place.radius_km),
        browser: String::new(),
        operating_system: String::new(),
    }
}

/// "Entra ID Protection reported unfamiliarFeatures (medium) at this sign-in: a new device."
fn sentence(finding: &TailFinding) -> String {
    let what = match finding.kind {
        RiskEventType::Generic => "a risk",
        RiskEventType::LeakedCredentials => "leaked credentials",
        kind => kind.name(),
    };
    let is_news =
        !finding.source_type.is_empty() && !finding.source_type.eq_ignore_ascii_case(finding.kind.name());
    let own_type = if is_news { format!(" it calls \"{}\"", finding.source_type) } else { String::new() };
    let about = if finding.is_about_user { "of this user" } else { "at this sign-in" };
    let confirmed = if finding.is_confirmed { ", confirmed" } else { "" };
    let reasons = finding.reasons.trim_end_matches('.');
    let (colon, level) = (if reasons.is_empty() { "" } else { ": " }, finding.level.name());
    format!("{} reported {what}{own_type} ({level}{confirmed}) {about}{colon}{reasons}.", product(&finding.source))
}

/// A product as people call it.
fn product(source: &str) -> &str {
    match source {
        "IdentityProtection" => "Entra ID Protection",
        other => other,
    }
}
