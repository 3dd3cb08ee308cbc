//! The oracle's reading of Entra ID Protection's records, and of the risk in a sign-in's own.

use farsign::engine::decode::{
    RejectReason, SkipReason, TimeError, parse_address, parse_time, time_of_float, time_of_integer,
};
use farsign::engine::finding::RiskEventType;
use farsign::engine::signin::{Feedback, UpstreamFinding};
use serde_json::Value;

use super::oracle::{Seen, folded, id, id_kind, no_control, nothing, number, opened, skipped, text};

#[derive(Clone, Copy, PartialEq)]
pub enum RiskLog {
    Detections,
    Users,
    Either,
}

pub fn seen_finding(it: &UpstreamFinding<'_>) -> Seen {
    vec![
        ("finding", it.source.to_string()),
        ("tenant", it.tenant_id.to_string()),
        ("user", format!("{} {}", it.user_id, it.user_principal_name)),
        ("id", id_kind(&it.event_id)),
        ("times", format!("{} {}", it.event_time.0, it.activity_time.0)),
        ("kind", format!("{} {}", it.kind.name(), it.source_type)),
        ("level", format!("{} {}", it.level.name(), it.is_confirmed)),
        ("about", format!("{} {}", id_kind(&it.request_id), it.is_about_user)),
        ("address", format!("{:?} {}", it.address, it.address_text)),
        ("place", format!("{} {} {:?}", it.location.country, it.location.city, it.location.coordinates)),
        ("reasons", it.reasons.to_string()),
    ]
}

pub fn seen_feedback(it: &Feedback<'_>) -> Seen {
    vec![
        ("feedback", format!("{:?}", it.action)),
        ("tenant", it.tenant_id.to_string()),
        ("user", it.user_id.to_string()),
        ("id", id_kind(&it.event_id)),
        ("time", it.event_time.0.to_string()),
        ("about", it.request_id.to_string()),
    ]
}

/// The last of the object's values whose key is this one, in whatever case.
fn last<'v>(object: &'v Value, key: &str) -> &'v Value {
    let mut entries = object.as_object().into_iter().flatten();
    let found = entries.rfind(|(written, _)| written.eq_ignore_ascii_case(key));
    found.map_or(&Value::Null, |(_, value)| value)
}

fn word(object: &Value, key: &str) -> String {
    last(object, key).as_str().unwrap_or("").trim().to_lowercase()
}

/// Ordered: what comes later says more.
fn time(object: &Value, keys: &[&str]) -> Result<i64, RejectReason> {
    let mut reason = RejectReason::NoTime;
    for key in keys {
        let value = last(object, key);
        if nothing(value) {
            continue;
        }
        let time = match value {
            Value::String(text) => parse_time(text),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => time_of_integer(integer),
                None => time_of_float(number.as_f64().unwrap_or(f64::NAN)),
            },
            _ => return Err(RejectReason::WrongType),
        };
        match time {
            Ok(time) => return Ok(time.0),
            Err(TimeError::OutOfRange) => reason = RejectReason::TimeOutOfRange,
            Err(TimeError::Unreadable) => {}
        }
    }
    Err(reason)
}

fn event_time(object: &Value, outer: &Value) -> Result<i64, RejectReason> {
    let exact = |key: &str| outer.get(key).cloned().unwrap_or_default();
    let around = serde_json::json!({"time": exact("time"), "TimeGenerated": exact("TimeGenerated")});
    let own = time(object, &["lastUpdatedDateTime", "riskLastUpdatedDateTime", "detectedDateTime"]);
    own.or_else(|reason| time(&around, &["time", "TimeGenerated"]).map_err(|_| reason))
        .or_else(|reason| time(object, &["activityDateTime"]).map_err(|_| reason))
}

fn tenant(object: &Value, outer: &Value) -> String {
    let exact = |key: &str| text(outer.get(key).unwrap_or(&Value::Null));
    let path = outer.get("resourceId").and_then(Value::as_str).unwrap_or("");
    let parts: Vec<&str> = path.split('/').collect();
    let in_path = match parts[..] {
        ["", tenants, tenant, ..] if tenants.eq_ignore_ascii_case("tenants") => text(&Value::from(tenant)),
        _ => String::new(),
    };
    let all =
        [exact("tenantId"), exact("AADTenantId"), in_path, text(last(object, "homeTenantId")), "unknown".into()];
    folded(all.into_iter().find(|tenant| !tenant.is_empty()).unwrap_or_default())
}

fn action(detail: &str, is_user: bool) -> Option<&'static str> {
    Some(match detail {
        "adminconfirmedaccountsafe" => "ConfirmSafe",
        "adminconfirmedsigninsafe" if !is_user => "ConfirmSafe",
        "admindismissedallriskforuser" => "Dismiss",
        "admindismissedriskforsignin" | "m365dadmindismisseddetection" if !is_user => "Dismiss",
        "userpassedmfadrivenbyriskbasedpolicy" => "PassedMfa",
        "userperformedsecuredpasswordchange"
        | "userperformedsecuredpasswordreset"
        | "userchangedpasswordonpremises"
        | "admingeneratedtemporarypassword"
        | "admingeneratedtemporaryaccesspass" => "PasswordChanged",
        _ => return None,
    })
}

fn level(word: &str) -> Option<&'static str> {
    Some(match word {
        "low" | "hidden" => "low",
        "medium" => "medium",
        "high" => "high",
        _ => return None,
    })
}

fn kind(name: &str) -> &'static str {
    let lower = name.trim().to_lowercase();
    let same = RiskEventType::ALL.into_iter().find(|kind| kind.name().to_lowercase() == lower);
    let other = if lower == "impossibletravel" { "mcasImpossibleTravel" } else { "generic" };
    same.map_or(other, RiskEventType::name)
}

/// A list, or the list that text spells; `one`: text that spells none is a list of itself.
fn names(value: &Value, one: bool) -> Vec<String> {
    match opened(value) {
        Value::Array(elements) => elements.iter().map(text).filter(|name| !name.is_empty()).collect(),
        Value::Object(_) => Vec::new(),
        _ if value.as_str().is_some_and(|text| text.trim_start().starts_with(['[', '{'])) => Vec::new(),
        other if one && !text(&other).is_empty() => vec![text(&other)],
        _ => Vec::new(),
    }
}

fn place(value: &Value) -> String {
    let place = opened(value);
    let country = text(last(&place, "countryOrRegion")).to_ascii_uppercase();
    let is_code = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphabetic());
    let degrees = |key: &str| number(last(last(&place, "geoCoordinates"), key));
    let coordinates = degrees("latitude").zip(degrees("longitude")).filter(|(latitude, longitude)| {
        latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && (*latitude != 0.0 || *longitude != 0.0)
    });
    format!("{} {} {coordinates:?}", if is_code { &country } else { "" }, text(last(&place, "city")))
}

fn reasons(value: &Value) -> String {
    let list = opened(value);
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let found = list.iter().find(|element| word(element, "Key") == "riskreasons");
    let value = found.map_or(&Value::Null, |element| last(element, "Value"));
    if value.is_array() { names(value, false).join(", ") } else { text(value) }
}

/// `object` holds the record, `outer` is what is around it, or the same.
pub fn risk_record(log: RiskLog, object: &Value, outer: &Value) -> Result<Seen, RejectReason> {
    let has = |key: &str| !nothing(last(object, key));
    let other = Ok(skipped(SkipReason::NotASignIn));
    if word(object, "source") == "farsign" || has("farsign") {
        return other;
    }
    let kind = word(object, "@odata.type");
    let is_nobody = !has("userPrincipalName") && !has("userId");
    let workloads = ["servicePrincipalId", "servicePrincipalType", "appId", "agentId"];
    if kind.contains("serviceprincipal") || kind.contains("agent") || (is_nobody && workloads.into_iter().any(has))
    {
        return Ok(skipped(SkipReason::ServicePrincipal));
    }
    let is_user = match log {
        RiskLog::Either => has("riskLastUpdatedDateTime"),
        log => log == RiskLog::Users,
    };
    match (word(object, "riskState").as_str(), is_user) {
        ("atrisk", false) => match level(&word(object, "riskLevel")) {
            Some(level) => finding(object, outer, level, false),
            None => other,
        },
        ("confirmedcompromised", false) => finding(object, outer, "high", true),
        ("confirmedcompromised", true) => {
            feedback(object, outer, "ConfirmCompromised", "confirmedCompromised", true)
        }
        ("dismissed" | "remediated" | "confirmedsafe", _) => {
            let detail = last(object, "riskDetail").as_str().unwrap_or("").trim();
            match action(&detail.to_lowercase(), is_user) {
                Some(action) => feedback(object, outer, action, detail, is_user),
                None => other,
            }
        }
        _ => other,
    }
}

fn finding(object: &Value, outer: &Value, level: &str, confirmed: bool) -> Result<Seen, RejectReason> {
    let time_of = event_time(object, outer)?;
    let own_id = id(last(object, "id"))?;
    let request = id(last(object, "requestId"))?;
    let about_user = request.is_empty() || word(object, "activity") == "user";
    let user_id = id(last(object, "userId"))?;
    let name = text(last(object, "userPrincipalName")).to_ascii_lowercase();
    let user = if user_id.is_empty() { name.clone() } else { user_id };
    if user.is_empty() {
        return Err(RejectReason::NoUser);
    }
    let tenant = tenant(object, outer);
    let suffix = if confirmed { "confirmedCompromised" } else { level };
    let event_id = if own_id.is_empty() { "made".to_owned() } else { format!("{own_id}/{suffix}") };
    let about = [request, own_id, "made".to_owned()].into_iter().find(|id| !id.is_empty()).unwrap_or_default();
    for checked in [&user, &tenant, &event_id, &about] {
        no_control(checked)?;
    }
    let first =
        |keys: [&str; 2]| keys.map(|key| text(last(object, key))).into_iter().find(|text| !text.is_empty());
    let source_type = first(["riskEventType", "riskType"]).unwrap_or_default();
    let source = text(last(object, "source"));
    let is_protection = source.is_empty() || source.replace(' ', "").eq_ignore_ascii_case("IdentityProtection");
    let own_address = text(last(object, "ipAddress"));
    let caller = text(outer.get("callerIpAddress").unwrap_or(&Value::Null));
    let address = if own_address.is_empty() { caller } else { own_address };
    Ok(vec![
        (
            "finding",
            if is_protection { "IdentityProtection".to_owned() } else { source.chars().take(64).collect() },
        ),
        ("tenant", tenant),
        ("user", format!("{user} {name}")),
        ("id", event_id),
        ("times", format!("{time_of} {}", time(object, &["activityDateTime"]).unwrap_or(time_of))),
        ("kind", format!("{} {source_type}", kind(&source_type))),
        ("level", format!("{level} {confirmed}")),
        ("about", format!("{about} {about_user}")),
        ("address", format!("{:?} {address}", parse_address(&address))),
        ("place", place(last(object, "location"))),
        ("reasons", reasons(last(object, "additionalInfo"))),
    ])
}

fn feedback(object: &Value, outer: &Value, action: &str, word: &str, is_user: bool) -> Result<Seen, RejectReason> {
    let time = event_time(object, outer)?;
    let own_id = id(last(object, "id"))?;
    let request = id(last(object, "requestId"))?;
    let user_id = id(last(object, "userId"))?;
    let name = text(last(object, "userPrincipalName")).to_ascii_lowercase();
    let candidates = [user_id, if is_user { own_id.clone() } else { String::new() }, name];
    let user = candidates.into_iter().find(|id| !id.is_empty()).ok_or(RejectReason::NoUser)?;
    let tenant = tenant(object, outer);
    let suffix = if is_user { format!("{}/{word}", time.div_euclid(1_000_000_000)) } else { word.to_owned() };
    let event_id = if own_id.is_empty() { "made".to_owned() } else { format!("{own_id}/{suffix}") };
    let about = match (is_user, request.is_empty()) {
        (true, _) => String::new(),
        (false, true) => own_id,
        (false, false) => request,
    };
    for checked in [&tenant, &user, &about, &event_id] {
        no_control(checked)?;
    }
    Ok(vec![
        ("feedback", action.to_owned()),
        ("tenant", tenant),
        ("user", user),
        ("id", event_id),
        ("time", time.to_string()),
        ("about", about),
    ])
}

/// The finding beside a sign-in that was seen, whose `riskState` is `state`; `object` holds the sign-in.
pub fn risk_beside(seen: &Seen, state: &Value, object: &Value) -> Option<Seen> {
    let of = |key: &str| seen.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone());
    let is_risky = |word: &str| ["atrisk", "confirmedcompromised"].contains(&word);
    let confirmed = word(object, "riskState") == "confirmedcompromised";
    let result = of("result")?;
    let carries = ["Success Right", "Blocked Right"].iter().any(|start| result.starts_with(start));
    let state = state.as_str().unwrap_or("").trim().to_lowercase();
    if !carries || !is_risky(&state) || !is_risky(&word(object, "riskState")) {
        return None;
    }
    let types = ["riskEventTypes_v2", "riskEventTypes"].map(|key| names(last(object, key), true));
    let types = types.into_iter().find(|types| !types.is_empty()).unwrap_or_default();
    let levels = ["riskLevelDuringSignIn", "riskLevelAggregated"].map(|key| level(&word(object, key)));
    let known = levels.into_iter().flatten().next().or(if types.is_empty() { None } else { Some("low") });
    let level = if confirmed { "high" } else { known? };
    let named = types.iter().find(|name| kind(name) != "generic").or(types.first());
    let named = named.cloned().unwrap_or("generic".to_owned());
    let (id, time) = (of("id")?, of("time")?);
    // An id made of the sign-in's fields has the type behind it, too.
    let event_id = if id == "made" { id.clone() } else { format!("{id}/{}", kind(&named)) };
    Some(vec![
        ("finding", "IdentityProtection".to_owned()),
        ("tenant", of("tenant")?),
        ("user", format!("{} {}", of("user")?, of("name")?)),
        ("id", event_id),
        ("times", format!("{time} {time}")),
        ("kind", format!("{} {named}", kind(&named))),
        ("level", format!("{level} {confirmed}")),
        ("about", format!("{id} false")),
        ("address", of("address")?),
        ("place", format!("{} {}", of("place")?, of("coordinates")?)),
        ("reasons", types.join(", ")),
    ])
}
