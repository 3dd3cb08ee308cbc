//! Why a sign-in was judged as it was → JSON for programs, and text for people.

use serde_json::{Value, json};

use super::farsign::rounded;
use super::text::{heading, paragraph, table, wrapped};
use super::user_state::describe;
use crate::engine::detect::examine::{Examined, Told};
use crate::engine::detect::knobs::{Change, Turn};
use crate::engine::detect::level::Step;
use crate::engine::detect::miss::{Measured, Miss};
use crate::engine::facts::Facts;
use crate::engine::finding::{EndPoint, Familiarity, Finding, PropertyVerdict, Travel};
use crate::engine::rules::Rules;
use crate::engine::signin::{AccountState, Credential, Mfa, Outcome};
use crate::engine::user::explain::{Explained, SignInNames};
use crate::engine::user::learning::Teaching;

const INDENT: &str = "    ";

/// Everything, with the whole of the user's state before and after.
pub fn to_json(explained: &Explained, names: &SignInNames, rules: &Rules) -> Value {
    let facts = &explained.facts;
    json!({
        "requestId": names.request_id,
        "userId": known(&names.user_id),
        "userPrincipalName": known(&names.user_principal_name),
        "appDisplayName": known(&names.application),
        "resourceDisplayName": known(&names.resource),
        "dateTime": facts.time.to_string(),
        "outcome": facts.outcome.name(),
        "firstFactor": first_factor(facts),
        "secondFactor": second_factor(facts),
        "account": account(facts),
        "errorCode": facts.error_code,
        "policy": policy(explained, rules),
        "this": end(&explained.this),
        "canCarryRisk": explained.examined.is_some(),
        "cannotCarryRiskAs": cannot_carry_risk(facts),
        "quarantined": explained.teaching == Teaching::Quarantined,
        "teaching": teaching_name(explained.teaching),
        "examined": explained.examined.as_ref().map(examined),
        "before": describe(&explained.before, rules),
        "after": describe(&explained.after, rules),
    })
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The policy that is not the default one.
fn policy<'a>(explained: &Explained, rules: &'a Rules) -> Option<&'a str> {
    let index = usize::from(explained.before.scope.policy).checked_sub(1)?;
    rules.config.scoped_policies.get(index).map(|scoped| scoped.name.as_str())
}

fn examined(seen: &Examined) -> Value {
    let fired = |kind| seen.told.iter().find(|told| told.kind == kind);
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
        "detections": seen.verdict.findings.iter().map(|found| finding(found, fired(found.kind))).collect::<Vec<_>>(),
        "notFired": seen.told.iter().filter_map(not_fired).collect::<Vec<_>>(),
        "turns": in_order(seen).into_iter().flat_map(|told| told.turns.iter().map(|turn| json!({
            "type": told.kind.name(),
            "stands": told.stands,
            "key": full_key(turn.change.key),
            "value": turn.change.from,
            "turnsAt": turn.change.to,
            "others": turn.others.iter().map(|other| json!({
                "key": full_key(other.key), "value": other.from, "turnsAt": other.to,
            })).collect::<Vec<_>>(),
        }))).collect::<Vec<_>>(),
    })
}

fn not_fired(told: &Told) -> Option<Value> {
    let miss = told.outcome.as_ref().err()?;
    let mut value = json!({"type": told.kind.name(), "reason": miss_text(miss)});
    if let Miss::NotEnough { value: measured, key, threshold, .. } = miss {
        value["key"] = full_key(key).into();
        value["measured"] = rounded(*measured, 3).into();
        value["threshold"] = (*threshold).into();
    }
    Some(value)
}

fn finding(finding: &Finding, told: Option<&Told>) -> Value {
    let evidence = &finding.evidence;
    json!({
        "type": finding.kind.name(),
        "level": finding.level.name(),
        "levelSteps": steps(told).iter().map(|step| json!({
            "level": step.level.name(), "reason": step.reason,
        })).collect::<Vec<_>>(),
        "score": finding.score,
        "suppressedBy": finding.suppressed_by.map(|reason| reason.name()),
        "sentence": evidence.sentence,
        "bits": evidence.total_bits.map(|bits| rounded(bits, 2)),
        "thresholds": evidence.thresholds.iter().map(|threshold| json!({
            "key": full_key(&threshold.key), "value": threshold.value,
        })).collect::<Vec<_>>(),
        "suppressions": evidence.suppressions.iter().map(|considered| json!({
            "reason": considered.reason.name(), "applied": considered.applied, "detail": considered.detail,
        })).collect::<Vec<_>>(),
    })
}

/// How a detection that fired came to its level.
fn steps(told: Option<&Told>) -> &[Step] {
    told.and_then(|told| told.outcome.as_ref().ok()).map_or(&[], |level| &level.steps)
}

/// As configuration files and `--set` have it.
fn full_key(key: &str) -> String {
    format!("detections.{key}")
}

/// What turns first comes first; of what nothing turns, what fired.
fn in_order(seen: &Examined) -> Vec<&Told> {
    let mut told: Vec<&Told> = seen.told.iter().collect();
    let nearest = |told: &Told| told.turns.first().map_or(f64::INFINITY, Turn::distance);
    told.sort_by(|a, b| nearest(a).total_cmp(&nearest(b)).then(a.outcome.is_err().cmp(&b.outcome.is_err())));
    told
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
pub fn to_text(explained: &Explained, names: &SignInNames, rules: &Rules) -> String {
    let mut text = heading(&format!("Sign-in {}", names.request_id));
    text += &title(explained, names, rules);
    text += &before(explained, rules);
    text += &heading("What was seen");
    text += &paragraph(&format!("Here: {}.", end_text(&explained.this)));
    match &explained.examined {
        Some(seen) => text += &examined_text(seen),
        None => {
            text += &heading("Verdict");
            let reason = cannot_carry_risk(&explained.facts).unwrap_or_default();
            text += &paragraph(&format!("It is not judged, as it cannot carry risk: {reason}."));
        }
    }
    text += &after(explained);
    text
}

/// Whose sign-in to what, when, and how it ended.
fn title(explained: &Explained, names: &SignInNames, rules: &Rules) -> String {
    let facts = &explained.facts;
    let user = match (known(&names.user_principal_name), known(&names.user_id)) {
        (Some(name), Some(id)) => format!("{name} ({id})"),
        (name, id) => name.or(id).unwrap_or("A user whose name is not kept").to_owned(),
    };
    let application = known(&names.application).unwrap_or("an application that is not named");
    let resource = known(&names.resource).map(|resource| format!(" ({resource})")).unwrap_or_default();
    let mut text = paragraph(&format!("{user} to {application}{resource}, {}.", facts.time));
    let error = if facts.error_code == 0 { String::new() } else { format!(", error {}", facts.error_code) };
    let account = account(facts).map(|state| format!("; {state}")).unwrap_or_default();
    text += &paragraph(&format!(
        "First factor {}, second factor {}{account}; outcome: {}{error}.",
        first_factor(facts),
        second_factor(facts),
        facts.outcome.name(),
    ));
    if let Some(policy) = policy(explained, rules) {
        text +=
            &paragraph(&format!("Judged by the policy `{policy}`: the keys below are those of its `detections`."));
    }
    text
}

fn first_factor(facts: &Facts) -> &'static str {
    match facts.credential {
        Credential::Right => "right",
        Credential::Wrong => "wrong",
        Credential::Unknown => "not known to be right",
    }
}

fn second_factor(facts: &Facts) -> &'static str {
    match facts.mfa {
        Mfa::Unknown => "not told of",
        Mfa::NotRequired => "not required",
        Mfa::Performed => "passed",
        Mfa::Claim => "satisfied by a claim in the token",
        Mfa::Pending => "asked for and not passed yet",
        Mfa::Denied => "denied or failed",
        Mfa::Reported => "denied and reported",
    }
}

/// What is unusual of the account.
fn account(facts: &Facts) -> Option<&'static str> {
    match facts.account {
        AccountState::Normal => None,
        AccountState::Disabled => Some("the account is disabled"),
        AccountState::Deleted => Some("the account is deleted"),
        AccountState::Locked => Some("the account is locked"),
        AccountState::Unknown => Some("there is no such account"),
    }
}

/// The first reason; `None` where it can.
fn cannot_carry_risk(facts: &Facts) -> Option<&'static str> {
    if facts.can_carry_risk() {
        return None;
    }
    Some(match (facts.credential, facts.account) {
        (Credential::Wrong, _) => "its first factor was wrong",
        (Credential::Unknown, _) => "its first factor is not known to be right",
        (Credential::Right, AccountState::Deleted) => "the account is deleted",
        (Credential::Right, AccountState::Unknown) => "there is no such account",
        (Credential::Right, _) => "it failed",
    })
}

/// "Oslo, NO 192.0.2.1 (AS64500 Example Net), Chrome on Windows": as much as is known.
fn end_text(end: &EndPoint) -> String {
    let network = match (end.asn, end.asn_organization.as_str()) {
        (0, _) => String::new(),
        (asn, "") => format!(" (AS{asn})"),
        (asn, name) => format!(" (AS{asn} {name})"),
    };
    let client = match (known(&end.browser), known(&end.operating_system)) {
        (Some(browser), Some(system)) => format!(", {browser} on {system}"),
        (one, other) => one.or(other).map(|client| format!(", {client}")).unwrap_or_default(),
    };
    format!("{}{network}{client}", place(end))
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
    let last = |end: &EndPoint| format!("{} at {}", place(end), end.time);
    let last = seen.last_place.as_ref().map_or("none is known".to_owned(), last);
    let mut text = paragraph(&format!("Last place: {last}."));
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
        text += &raised(finding, seen.told.iter().find(|told| told.kind == finding.kind));
    }
    text += &heading("What would have had to differ");
    let (turning, fixed): (Vec<&Told>, Vec<&Told>) =
        in_order(seen).into_iter().partition(|told| !told.turns.is_empty());
    for told in turning {
        let turns: Vec<String> = told.turns.iter().map(turn_text).collect();
        let then = if told.stands { "It would not with" } else { "It would stand with" };
        let now = format!("{} {}.", told.kind.name(), now_text(told, seen));
        text += &paragraph(&format!("{now} {then} {}.", turns.join("; or with ")));
    }
    if !fixed.is_empty() {
        text += &paragraph("No permitted value of one of its thresholds makes it otherwise:");
        for (now, names) in by_reason(&fixed, seen) {
            text += &wrapped(&format!("{} {now}.", names.join(", ")), INDENT);
        }
    }
    text
}

/// What several detections have in common is said once, where the first of them stands.
fn by_reason(told: &[&Told], seen: &Examined) -> Vec<(String, Vec<&'static str>)> {
    let mut reasons: Vec<(String, Vec<&'static str>)> = Vec::new();
    for told in told {
        let now = now_text(told, seen);
        match reasons.iter_mut().find(|(reason, _)| *reason == now) {
            Some((_, names)) => names.push(told.kind.name()),
            None => reasons.push((now, vec![told.kind.name()])),
        }
    }
    reasons
}

fn raised(finding: &Finding, told: Option<&Told>) -> String {
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
    let steps = steps(told).iter().map(|step| format!("{} ({})", step.level.name(), step.reason));
    text += &wrapped(&format!("Level: {}.", steps.collect::<Vec<_>>().join(", then ")), INDENT);
    let thresholds = finding.evidence.thresholds.iter();
    let thresholds =
        thresholds.map(|threshold| format!("{} {}", threshold.key, threshold.value)).collect::<Vec<_>>();
    if !thresholds.is_empty() {
        let bits =
            finding.evidence.total_bits.map(|bits| format!("{bits:.2} bits, held against ")).unwrap_or_default();
        text += &wrapped(&format!("{bits}{}.", thresholds.join(", ")), INDENT);
    }
    for considered in &finding.evidence.suppressions {
        let applied = if considered.applied { "applies" } else { "does not apply" };
        text += &wrapped(&format!("{} {applied}: {}", considered.reason.name(), considered.detail), INDENT);
    }
    text
}

/// "stands", "is suppressed by learning (learning for 3 days)", "did not fire: …".
fn now_text(told: &Told, seen: &Examined) -> String {
    let miss = match &told.outcome {
        _ if told.stands => return "stands".to_owned(),
        Err(miss) => miss,
        Ok(_) => {
            let findings = seen.verdict.findings.iter().filter(|finding| finding.kind == told.kind);
            let applied = findings.flat_map(|finding| &finding.evidence.suppressions);
            let applied = applied.filter(|considered| considered.applied);
            let reasons =
                applied.map(|considered| format!("{} ({})", considered.reason.name(), considered.detail));
            return format!("is suppressed by {}", reasons.collect::<Vec<_>>().join(", "));
        }
    };
    format!("did not fire: {}", miss_text(miss))
}

fn miss_text(miss: &Miss) -> String {
    match miss {
        Miss::Off => "it is switched off".to_owned(),
        Miss::Lacks(what) => (*what).to_owned(),
        Miss::SaidBy(kind) => format!("{} says it", kind.name()),
        Miss::NotEnough { what, value, key, threshold } => match what {
            Measured::Bits => format!("{value:.2} bits of evidence, and it takes {threshold} ({key})"),
            Measured::Km => format!("a journey of {value:.0} km, and it takes more than {threshold} ({key})"),
            Measured::Kmh => format!("a journey at {value:.0} km/h, and it takes more than {threshold} ({key})"),
            Measured::Days => {
                format!("the user was seen in this country {value} days ago, and it takes {threshold} ({key})")
            }
            Measured::DeniedPrompts => format!("{value} denied prompts, and it takes {threshold} ({key})"),
        },
    }
}

fn turn_text(turn: &Turn) -> String {
    let change = |change: &Change| format!("{} at {} instead of {}", full_key(change.key), change.to, change.from);
    let changes: Vec<String> = std::iter::once(&turn.change).chain(&turn.others).map(change).collect();
    changes.join(" and ")
}

fn place(end: &EndPoint) -> String {
    let where_ = super::farsign::place_text(end);
    let address = end.address.map(|address| format!(" {address}")).unwrap_or_default();
    format!("{}{address}", if where_.is_empty() { "an unknown place" } else { &where_ })
}

fn teaching_name(teaching: Teaching) -> &'static str {
    match teaching {
        Teaching::Learnt => "learnt",
        Teaching::Quarantined => "quarantined",
        Teaching::OnProbation => "onProbation",
        Teaching::CountedAsFailure => "countedAsFailure",
        Teaching::Mistyped => "mistyped",
        Teaching::None => "none",
    }
}

fn taught(explained: &Explained) -> String {
    let facts = &explained.facts;
    let nothing = match explained.teaching {
        Teaching::Learnt => return "It was learnt.".to_owned(),
        Teaching::Quarantined => return "It is put aside in quarantine, and teaches nothing for now.".to_owned(),
        Teaching::OnProbation => {
            "its client is on probation, being new to the user and met on networks that are new to him, too"
        }
        Teaching::CountedAsFailure => {
            "a wrong password from where the user is not known; it counts against his sign-ins of the next hours"
        }
        Teaching::Mistyped => "a wrong password from a network of the user's own is taken for a typing error",
        Teaching::None if facts.credential != Credential::Right => "its first factor is not known to be right",
        Teaching::None => match facts.outcome {
            Outcome::Interrupted => "it was interrupted before its end",
            Outcome::Blocked => "its second factor or a policy stopped it",
            Outcome::Success | Outcome::Failed => "it failed",
        },
    };
    let denied = facts.credential != Credential::Wrong && facts.mfa.is_denied();
    let denied = if denied { " It counts as a denied prompt." } else { "" };
    format!("It teaches nothing: {nothing}.{denied}")
}

fn after(explained: &Explained) -> String {
    let mut text = heading("What became of it");
    text += &paragraph(&taught(explained));
    let open = explained.after.current.open.iter().filter(|risk| risk.event == explained.facts.event);
    let new: Vec<&str> = open.map(|risk| risk.kind.name()).collect();
    if !new.is_empty() {
        text += &paragraph(&format!("It opens risks: {}.", new.join(", ")));
    }
    let risk = explained.after.current.user_risk();
    text += &paragraph(&format!("The user's risk is {} ({}).", risk.level.name(), risk.state.name()));
    text
}
