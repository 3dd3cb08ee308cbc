//! Why a sign-in was judged as it was → JSON for programs, and text for people.

use serde_json::{Value, json};

use super::farsign::rounded;
use super::text::{heading, paragraph, table, wrapped};
use super::user_state::describe;
use crate::engine::detect::examine::{Examined, Turn};
use crate::engine::finding::{EndPoint, Familiarity, Finding, PropertyVerdict, Travel};
use crate::engine::rules::Rules;
use crate::engine::user::explain::Explained;

const INDENT: &str = "    ";

/// Everything, with the whole of the user's state before and after.
pub fn to_json(explained: &Explained, request_id: &str, rules: &Rules) -> Value {
    let facts = &explained.facts;
    json!({
        "requestId": request_id,
        "dateTime": facts.time.to_string(),
        "outcome": facts.outcome.name(),
        "canCarryRisk": explained.examined.is_some(),
        "quarantined": explained.is_quarantined,
        "examined": explained.examined.as_ref().map(examined),
        "before": describe(&explained.before, rules),
        "after": describe(&explained.after, rules),
    })
}

fn examined(seen: &Examined) -> Value {
    json!({
        "this": end(&seen.this),
        "lastPlace": seen.last_place.as_ref().map(end),
        "travel": seen.travel.as_ref().map(travel),
        "bits": {"network": rounded(seen.network_bits, 2), "device": rounded(seen.device_bits, 2),
            "total": rounded(seen.total_bits, 2)},
        "properties": seen.properties.iter().map(|verdict| json!({
            "property": verdict.property.name(),
            "verdict": familiarity(verdict.familiarity),
            "value": verdict.value,
            "share": rounded(verdict.share, 4),
            "bits": rounded(verdict.bits, 2),
            "organizationUsers": verdict.organization_users,
        })).collect::<Vec<_>>(),
        "organizationUsers": seen.organization_users,
        "learning": seen.learning.iter().map(|(family, phase, days)| json!({
            "detection": family.name(), "phase": phase.name(), "days": days,
        })).collect::<Vec<_>>(),
        "detections": seen.verdict.findings.iter().map(finding).collect::<Vec<_>>(),
        "turns": seen.turns.iter().map(|turn| json!({
            "type": turn.kind.name(), "key": turn.key, "value": turn.value,
            "turnsAt": rounded(turn.turns_at, 3), "stands": turn.stands,
        })).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    let evidence = &finding.evidence;
    json!({
        "type": finding.kind.name(),
        "level": finding.level.name(),
        "score": finding.score,
        "suppressedBy": finding.suppressed_by.map(|reason| reason.name()),
        "sentence": evidence.sentence,
        "thresholds": evidence.thresholds.iter().map(|threshold| json!({
            "key": threshold.key, "value": threshold.value,
        })).collect::<Vec<_>>(),
        "suppressions": evidence.suppressions.iter().map(|considered| json!({
            "reason": considered.reason.name(), "applied": considered.applied, "detail": considered.detail,
        })).collect::<Vec<_>>(),
    })
}

fn end(end: &EndPoint) -> Value {
    json!({
        "requestId": end.request_id,
        "provider": end.provider.name(),
        "dateTime": end.time.to_string(),
        "ipAddress": end.address.map(|address| address.to_string()),
        "asn": (end.asn != 0).then_some(end.asn),
        "country": (!end.country.as_str().is_empty()).then(|| end.country.as_str()),
        "region": end.region,
        "city": end.city,
        "browser": end.browser,
        "operatingSystem": end.operating_system,
    })
}

fn travel(travel: &Travel) -> Value {
    json!({
        "greatCircleKm": rounded(travel.great_circle_km, 1),
        "uncertaintyKm": rounded(travel.uncertainty_km, 1),
        "distanceKm": rounded(travel.distance_km, 1),
        "elapsedSeconds": travel.elapsed_s,
        "speedKmh": rounded(travel.speed_kmh, 1),
        "maxSpeedKmh": travel.max_speed_kmh,
        "minDistanceKm": travel.min_distance_km,
    })
}

fn familiarity(familiarity: Familiarity) -> &'static str {
    match familiarity {
        Familiarity::Familiar => "familiar",
        Familiarity::Unfamiliar => "unfamiliar",
        Familiarity::Unknown => "unknown",
    }
}

/// For a reader who has to decide: what was known, what was seen, what came of it, what would have had to differ.
pub fn to_text(explained: &Explained, request_id: &str, rules: &Rules) -> String {
    let facts = &explained.facts;
    let mut text = heading(&format!("Sign-in {request_id}"));
    text += &paragraph(&format!("{}, {}.", facts.time, facts.outcome.name()));
    text += &before(explained, rules);
    match &explained.examined {
        Some(seen) => text += &examined_text(seen),
        None => {
            text += &heading("Verdict");
            text += &paragraph(
                "It cannot carry risk, and is not looked at: only a sign-in whose first factor is known to be right, and \
                 that did not fail, can.",
            );
        }
    }
    text += &after(explained);
    text
}

fn before(explained: &Explained, rules: &Rules) -> String {
    let state = describe(&explained.before, rules);
    let mut text = heading("What was known before");
    let baseline = &explained.before.current.baseline;
    let mut known = format!("{} sign-ins learnt", baseline.sign_ins);
    if let Some(last) = state["lastLearnt"].as_str() {
        known += &format!(", the last at {last}");
    }
    let count = |list: &str| state[list].as_array().map_or(0, Vec::len);
    known += &format!(
        "; {} put aside in quarantine; {} open risks; {} denied prompts.",
        count("quarantine"),
        count("openRisks"),
        count("deniedPrompts")
    );
    text += &paragraph(&known);
    if let Some(seen) = &explained.examined {
        let phases = seen
            .learning
            .iter()
            .map(|(family, phase, days)| format!("{} {} ({days} days)", family.name(), phase.name()));
        text += &paragraph(&format!("Learning: {}.", phases.collect::<Vec<_>>().join(", ")));
        text += &paragraph(&match seen.organization_users {
            0 => "Nothing is known of the organisation yet.".to_owned(),
            1 => "The organisation: this user alone.".to_owned(),
            users => format!("The organisation: {users} users."),
        });
    }
    text
}

fn examined_text(seen: &Examined) -> String {
    let mut text = heading("What was seen");
    let last = seen.last_place.as_ref().map_or("none is known".to_owned(), place);
    text += &paragraph(&format!("Here: {}. Last place: {last}.", place(&seen.this)));
    if let Some(travel) = &seen.travel {
        text += &paragraph(&format!(
            "{:.0} km ({:.0} km less {:.0} km of uncertainty) in {:.0} min: {:.0} km/h; at most {:.0} km/h is taken for \
             travel, from {:.0} km on.",
            travel.distance_km,
            travel.great_circle_km,
            travel.uncertainty_km,
            travel.elapsed_s / 60.0,
            travel.speed_kmh,
            travel.max_speed_kmh,
            travel.min_distance_km,
        ));
    }
    let row = |verdict: &PropertyVerdict| {
        [
            verdict.property.name().to_owned(),
            familiarity(verdict.familiarity).to_owned(),
            format!("{:.1}", verdict.bits),
            format!("{:.0} %", verdict.share * 100.0),
            verdict.organization_users.map_or("-".to_owned(), |users| users.to_string()),
            verdict.value.clone(),
        ]
    };
    let header = ["property", "verdict", "bits", "own share", "users", "value"];
    text += &table(&header, &[2, 3, 4], seen.properties.iter().map(row).collect());
    text += &paragraph(&format!(
        "Evidence for a stranger: network and place {:.1} bits, device {:.1}, in all {:.1}.",
        seen.network_bits, seen.device_bits, seen.total_bits
    ));
    text += &heading("Verdict");
    if seen.verdict.findings.is_empty() {
        text += &paragraph("Nothing was raised.");
    }
    for finding in &seen.verdict.findings {
        text += &raised(finding);
    }
    if !seen.turns.is_empty() {
        text += &heading("What would have had to differ");
        for turn in &seen.turns {
            text += &paragraph(&turned(turn));
        }
    }
    text
}

fn raised(finding: &Finding) -> String {
    let state = match finding.suppressed_by {
        Some(reason) => format!("suppressed by {}", reason.name()),
        None => "stands".to_owned(),
    };
    let mut text = paragraph(&format!(
        "{} {} (score {}), {state}: {}",
        finding.kind.name(),
        finding.level.name(),
        finding.score,
        finding.evidence.sentence
    ));
    for considered in &finding.evidence.suppressions {
        let applied = if considered.applied { "applies" } else { "does not apply" };
        text += &wrapped(&format!("{} {applied}: {}", considered.reason.name(), considered.detail), INDENT);
    }
    text
}

fn turned(turn: &Turn) -> String {
    let then = if turn.stands { "would not stand" } else { "would stand" };
    format!("{} {then} with {} at {} instead of {}.", turn.kind.name(), turn.key, number(turn), turn.value)
}

/// Shares and bits need decimals, distances and speeds none.
fn number(turn: &Turn) -> String {
    let is_fine = turn.key.ends_with("_bits") || turn.key.ends_with("_share");
    if is_fine { format!("{:.3}", turn.turns_at) } else { format!("{:.0}", turn.turns_at) }
}

fn place(end: &EndPoint) -> String {
    let where_ = super::farsign::place_text(end);
    let address = end.address.map(|address| address.to_string()).unwrap_or_default();
    format!("{} {address} at {}", if where_.is_empty() { "an unknown place" } else { &where_ }, end.time)
}

fn after(explained: &Explained) -> String {
    let mut text = heading("What became of it");
    let learnt = explained.after.current.baseline.sign_ins != explained.before.current.baseline.sign_ins;
    text += &paragraph(match (explained.is_quarantined, learnt) {
        (true, _) => "It is put aside in quarantine, and teaches nothing for now.",
        (false, true) => "It was learnt.",
        (false, false) => "It teaches nothing: it did not succeed, or its client is on probation.",
    });
    let open = explained.after.current.open.iter().filter(|risk| risk.event == explained.facts.event);
    let new: Vec<&str> = open.map(|risk| risk.kind.name()).collect();
    if !new.is_empty() {
        text += &paragraph(&format!("It opens risks: {}.", new.join(", ")));
    }
    let risk = explained.after.current.user_risk();
    text += &paragraph(&format!("The user's risk is {} ({}).", risk.level.name(), risk.state.name()));
    text
}
