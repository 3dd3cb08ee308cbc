//! One detection, as written, in full: for a reader who has to decide about it.
//!
//! Reads the output record back, as any consumer would: what is not in the record is not in the text.

use serde::Deserialize;

use crate::evaluate::Alert;
use crate::render::text::{WIDTH, count, duration, table, wrapped};

const INDENT: &str = "    ";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    request_id: Option<String>,
    risk_event_type: String,
    risk_level: String,
    risk_score: u8,
    user_display_name: Option<String>,
    user_principal_name: Option<String>,
    farsign: Farsign,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Farsign {
    sentence: Option<String>,
    sign_in: SignIn,
    evidence: Option<Evidence>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignIn {
    interactive: bool,
    error_code: Option<u32>,
    app_display_name: Option<String>,
    resource_display_name: Option<String>,
    client_app_used: Option<String>,
    device_display_name: Option<String>,
    device_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Evidence {
    this: EndPoint,
    reference: Option<EndPoint>,
    travel: Option<Travel>,
    properties: Vec<Property>,
    total_bits: Option<f64>,
    lists: Vec<String>,
    named_location: Option<String>,
    thresholds: Vec<Threshold>,
    suppressions: Vec<Suppression>,
    learning: Learning,
    organization: Organization,
    late: bool,
    stopped: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndPoint {
    request_id: Option<String>,
    date_time: String,
    ip_address: Option<String>,
    asn: Option<u32>,
    asn_organization: Option<String>,
    country: Option<String>,
    region: Option<String>,
    city: Option<String>,
    radius_km: Option<u16>,
    browser: Option<String>,
    operating_system: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Travel {
    great_circle_km: Option<f64>,
    uncertainty_km: Option<f64>,
    distance_km: Option<f64>,
    elapsed_seconds: Option<f64>,
    speed_kmh: Option<f64>,
    max_speed_kmh: Option<f64>,
    min_distance_km: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Property {
    property: String,
    verdict: String,
    value: Option<String>,
    share: Option<f64>,
    bits: Option<f64>,
    organization_users: Option<u32>,
}

#[derive(Deserialize)]
struct Threshold {
    key: String,
    value: Option<f64>,
}

#[derive(Deserialize)]
struct Suppression {
    reason: String,
    applied: bool,
    detail: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Learning {
    phase: Option<String>,
    days: Option<u32>,
    sign_ins: u32,
}

#[derive(Deserialize)]
struct Organization {
    day: Option<String>,
    users: u32,
}

/// The whole explanation. `attack` is the truth about it, `beside` what else was raised on the same sign-in.
pub fn alert<'a>(number: u32, record: &Record, attack: &str, beside: impl Iterator<Item = &'a Alert>) -> String {
    let mut text = format!(
        "\n[{number}] {} {}  {}\n",
        record.risk_level.to_uppercase(),
        record.risk_score,
        record.risk_event_type,
    );
    let name = known(&record.user_display_name);
    let title = format!("{name} <{}>, in truth: {attack}", known(&record.user_principal_name));
    text.push_str(&wrapped(&title, INDENT));
    text.push_str(&wrapped(&format!("\"{}\"", known(&record.farsign.sentence)), INDENT));
    let beside: Vec<String> =
        beside.map(|alert| format!("{} ({} {})", alert.kind, alert.level.name(), alert.score)).collect();
    if !beside.is_empty() {
        text.push_str(&wrapped(&format!("On the same sign-in: {}.", beside.join(", ")), INDENT));
    }
    if let Some(evidence) = &record.farsign.evidence {
        text.push_str(&ends(record, evidence));
        text.push_str(&travel(evidence));
        text.push_str(&properties(evidence));
        text.push_str(&context(evidence));
    }
    text
}

fn known(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or("-")
}

/// Both sign-ins side by side.
fn ends(record: &Record, evidence: &Evidence) -> String {
    let sign_in = &record.farsign.sign_in;
    let both = |name: &str, of: &dyn Fn(&EndPoint) -> String| {
        let reference = evidence.reference.as_ref().map_or_else(|| "-".to_owned(), of);
        [name.to_owned(), of(&evidence.this), reference]
    };
    let only = |name: &str, value: String| [name.to_owned(), value, String::new()];
    let mut result = sign_in.error_code.map_or("no result code".to_owned(), |code| format!("result code {code}"));
    if evidence.stopped {
        result.push_str(": the password was right, then MFA or a policy stopped it");
    }
    let device = match (&sign_in.device_display_name, &sign_in.device_id) {
        (Some(name), _) => name.clone(),
        (None, Some(id)) => id.clone(),
        (None, None) => "none registered".to_owned(),
    };
    let rows = vec![
        both("time (UTC)", &|end| seconds(&end.date_time)),
        both("address", &|end| known(&end.ip_address).to_owned()),
        both("network", &network),
        both("place", &place),
        both("client", &|end| join(&[&end.browser, &end.operating_system], " on ")),
        only("device", device),
        only("application", join(&[&sign_in.app_display_name, &sign_in.resource_display_name], " for ")),
        only("how", format!("{}, {}", how(sign_in), known(&sign_in.client_app_used))),
        only("outcome", result),
        both("sign-in id", &|end| end.request_id.clone().unwrap_or_else(|| known(&record.request_id).to_owned())),
    ];
    table(&["", "this sign-in", "compared with"], &[], rows)
}

fn how(sign_in: &SignIn) -> &'static str {
    if sign_in.interactive { "interactive" } else { "token refresh" }
}

/// "2026-03-02 08:00:00" of an RFC 3339 time.
fn seconds(time: &str) -> String {
    time.split(['.', 'Z']).next().unwrap_or_default().replace('T', " ")
}

fn network(end: &EndPoint) -> String {
    match end.asn {
        Some(asn) => format!("AS{asn} {}", known(&end.asn_organization)),
        None => known(&end.asn_organization).to_owned(),
    }
}

fn place(end: &EndPoint) -> String {
    let place = join(&[&end.city, &end.region, &end.country], ", ");
    end.radius_km.map_or(place.clone(), |radius| format!("{place} (within {radius} km)"))
}

/// The known parts, each once.
fn join(parts: &[&Option<String>], between: &str) -> String {
    let mut known: Vec<&str> = parts.iter().filter_map(|part| part.as_deref()).collect();
    known.dedup();
    if known.is_empty() { "-".to_owned() } else { known.join(between) }
}

fn travel(evidence: &Evidence) -> String {
    let Some(travel) = &evidence.travel else { return String::new() };
    let number = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| count(value.round() as u64));
    let text = format!(
        "Travel: {} km great circle - {} km uncertainty of the places = {} km in {}: {} km/h. The limit is {} km/h; \
         nearer than {} km is no journey.",
        number(travel.great_circle_km),
        number(travel.uncertainty_km),
        number(travel.distance_km),
        travel.elapsed_seconds.map_or_else(|| "?".to_owned(), duration),
        number(travel.speed_kmh),
        number(travel.max_speed_kmh),
        number(travel.min_distance_km),
    );
    wrapped(&text, INDENT)
}

fn properties(evidence: &Evidence) -> String {
    let rows = evidence.properties.iter().map(|property| {
        [
            property.property.clone(),
            known(&property.value).to_owned(),
            property.verdict.clone(),
            property.share.map_or_else(String::new, |share| format!("{:.1} %", share * 100.0)),
            property.bits.map_or_else(String::new, |bits| format!("{bits:+.1}")),
            property.organization_users.map_or_else(String::new, |users| count(users.into())),
        ]
    });
    let header = ["property", "value", "to this user", "share", "bits", "colleagues"];
    let mut text = table(&header, &[3, 4, 5], rows.collect());
    let total = evidence.total_bits.map(|bits| format!(" Together {bits:+.1} bits."));
    text.push_str(&wrapped(
        &format!(
            "Share: of the user's own history. Bits: positive speaks for a stranger, negative for the owner.{}",
            total.unwrap_or_default()
        ),
        INDENT,
    ));
    text
}

/// Lists, thresholds, suppressions, learning.
fn context(evidence: &Evidence) -> String {
    let or_none = |parts: Vec<String>| if parts.is_empty() { "none".to_owned() } else { parts.join(", ") };
    let thresholds = evidence.thresholds.iter().map(|threshold| {
        let value = threshold.value.map_or_else(|| "?".to_owned(), |value| value.to_string());
        format!("{} = {value}", threshold.key)
    });
    let mut text = String::new();
    text.push_str(&wrapped(&format!("Lists: {}.", or_none(evidence.lists.clone())), INDENT));
    if let Some(location) = &evidence.named_location {
        text.push_str(&wrapped(&format!("Named location: {location}."), INDENT));
    }
    text.push_str(&wrapped(&format!("Thresholds: {}.", or_none(thresholds.collect())), INDENT));
    text.push_str(&wrapped(&format!("Learning: {}", learning(evidence)), INDENT));
    if evidence.late {
        text.push_str(&wrapped("The sign-in arrived beyond the lateness horizon.", INDENT));
    }
    text.push_str(&wrapped("Suppressions asked, whether they applied, and what was compared:", INDENT));
    for suppression in &evidence.suppressions {
        let applied = if suppression.applied { "yes" } else { "no" };
        let line = format!("{:<20}{applied:<5}{}", suppression.reason, known(&suppression.detail));
        let line: String = line.chars().take(usize::from(WIDTH) - 2 * INDENT.len()).collect();
        text.push_str(&format!("{INDENT}{INDENT}{}\n", line.trim_end()));
    }
    text
}

fn learning(evidence: &Evidence) -> String {
    let Learning { phase, days, sign_ins } = &evidence.learning;
    let mut text = match (phase, days) {
        (Some(phase), Some(days)) => format!("{phase} for {days} days; "),
        _ => "needs no history; ".to_owned(),
    };
    text.push_str(&format!("{} sign-ins learnt", count((*sign_ins).into())));
    if let Some(day) = &evidence.organization.day {
        let users = count(evidence.organization.users.into());
        text.push_str(&format!("; the organisation's profile of {users} users, up to {day}"));
    }
    text + "."
}
