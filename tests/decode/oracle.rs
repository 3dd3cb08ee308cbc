//! A slow Entra decoder over `serde_json::Value`, written from the formats' description and not from the decoder.
//!
//! It shares with the decoder only the readers of times, addresses and error codes, which have tests of their own.
//! It knows no offsets, no borrowing and no lengths: ids and texts under test are short.

use farsign::engine::decode::{
    DEPTH_MAX, Decoded, Format, RejectReason, SkipReason, TimeError, decode, parse_address, parse_time,
    time_of_float, time_of_integer,
};
use serde_json::Value;

use super::oracle_attempt::Attempt;
use super::oracle_risk::{RiskLog, risk_beside, risk_record, seen_feedback, seen_finding};

/// One element's fate, in words that compare.
pub type Seen = Vec<(&'static str, String)>;

pub fn seen_by_decoder(record: &[u8]) -> Vec<Seen> {
    let mut all = Vec::new();
    decode(Format::Entra, record, &mut |decoded| {
        all.push(match decoded {
            Ok(Decoded::SignIn(sign_in)) => vec![
                ("category", format!("{:?}", sign_in.category)),
                ("tenant", sign_in.tenant_id.to_string()),
                ("id", id_kind(&sign_in.event_id)),
                ("time", sign_in.event_time.0.to_string()),
                ("user", sign_in.user_id.to_string()),
                ("name", sign_in.user_principal_name.to_string()),
                ("display", sign_in.user_display_name.to_string()),
                ("code", format!("{:?}", sign_in.error_code)),
                ("result", format!("{:?} {:?} {:?}", sign_in.outcome, sign_in.credential, sign_in.account)),
                ("mfa", format!("{:?}", sign_in.mfa)),
                ("address", format!("{:?} {}", sign_in.address, sign_in.address_text)),
                ("asn", format!("{:?}", sign_in.asn)),
                ("place", format!("{} {}", sign_in.location.country, sign_in.location.city)),
                ("coordinates", format!("{:?}", sign_in.location.coordinates)),
                ("app", format!("{} {}", sign_in.app_id, sign_in.app_display_name)),
                ("device", format!("{} {:?}", sign_in.device.device_id, sign_in.device.is_compliant)),
                ("agent", sign_in.user_agent.to_string()),
                ("correlation", sign_in.correlation_id.to_string()),
            ],
            Ok(Decoded::Feedback(feedback)) => seen_feedback(&feedback),
            Ok(Decoded::UpstreamFinding(finding)) => seen_finding(&finding),
            Ok(Decoded::Skipped(reason)) => vec![("skipped", reason.name().to_string())],
            Err(reject) => vec![("reject", reject.reason.name().to_string())],
        });
    });
    all
}

/// `None` when the record is no JSON that `serde_json` reads.
pub fn seen_by_oracle(record: &[u8]) -> Option<Vec<Seen>> {
    let text = std::str::from_utf8(record).ok()?;
    let value: Value = serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).ok()?;
    let mut all = Vec::new();
    if depth(&value) > DEPTH_MAX {
        all.push(reject(RejectReason::TooDeep))
    } else {
        walk(&value, 0, &mut all)
    }
    Some(all)
}

/// Did the decoder see what the oracle did? Where the oracle knows nothing the decoder may have seen any number of
/// records, so what comes before the first such place and after the last is compared.
pub fn agree(decoder: &[Seen], oracle: &[Seen]) -> bool {
    let Some(first) = oracle.iter().position(|seen| *seen == unknown()) else { return decoder == oracle };
    let last = oracle.iter().rposition(|seen| *seen == unknown()).unwrap_or(first);
    decoder.starts_with(&oracle[..first])
        && decoder.ends_with(&oracle[last + 1..])
        && decoder.len() >= first + (oracle.len() - last - 1)
}

/// Stands for what only the decoder says: why text in a list that is no JSON is none, and what is in packed text.
fn unknown() -> Seen {
    vec![("unknown", String::new())]
}

fn begins_as_json(text: &str) -> bool {
    text.trim().starts_with(['{', '['])
}

/// Might it be base64?
fn may_be_packed(text: &str) -> bool {
    let text = text.trim();
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
    text.len() > 1 && text.bytes().all(is_digit)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        Value::Object(entries) => 1 + entries.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

pub fn reject(reason: RejectReason) -> Seen {
    vec![("reject", reason.name().to_string())]
}

pub fn skipped(reason: SkipReason) -> Seen {
    vec![("skipped", reason.name().to_string())]
}

/// Ids made by the decoder are compared by how they were made only.
pub fn id_kind(id: &str) -> String {
    if id.starts_with("made-") { "made".to_string() } else { id.to_string() }
}

fn walk(value: &Value, level: usize, all: &mut Vec<Seen>) {
    // Text that is no JSON has no depth.
    let is_plain_text = value.as_str().is_some_and(|text| !begins_as_json(text));
    if level > 6 && !is_plain_text {
        return all.push(reject(RejectReason::TooDeep));
    }
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| walk(element, level + 1, all)),
        Value::Object(_) => {
            let array = |key: &str| value.get(key).and_then(Value::as_array);
            if let Some(records) = array("records") {
                records.iter().for_each(|record| walk(record, level + 2, all));
            } else if let Some(tables) = array("tables") {
                tables.iter().for_each(|table| walk_table(table, all));
            } else if let Some(records) = array("value")
                && nothing(either(value, "category", "Category"))
                && nothing(either(value, "createdDateTime", "CreatedDateTime"))
            {
                records.iter().for_each(|record| walk(record, level + 2, all));
            } else {
                record(value, all);
            }
        }
        // A record that is text alone is never looked into, but text in a list is.
        Value::String(text) if level > 0 && begins_as_json(text) => {
            match serde_json::from_str::<Value>(text.trim()) {
                Ok(value) if depth(&value) <= DEPTH_MAX => walk(&value, level, all),
                _ => all.push(unknown()),
            }
        }
        Value::String(text) if level > 0 && may_be_packed(text) => all.push(unknown()),
        _ => all.push(reject(RejectReason::UnknownFormat)),
    }
}

fn walk_table(table: &Value, all: &mut Vec<Seen>) {
    const KNOWN: [&str; 10] = [
        "Type",
        "TimeGenerated",
        "Id",
        "UserId",
        "UserPrincipalName",
        "IPAddress",
        "AppId",
        "Status",
        "Category",
        "ResultType",
    ];
    let names: Vec<&str> = table["columns"]
        .as_array()
        .map(|columns| columns.iter().map(|column| column["name"].as_str().unwrap_or("")).collect())
        .unwrap_or_default();
    let Some(rows) = table["rows"].as_array().filter(|_| names.iter().any(|name| KNOWN.contains(name))) else {
        return all.push(reject(RejectReason::UnknownFormat));
    };
    for row in rows {
        let Some(cells) = row.as_array() else {
            all.push(reject(RejectReason::UnknownFormat));
            continue;
        };
        let named = names.iter().zip(cells).map(|(name, cell)| (name.to_string(), cell.clone()));
        record(&Value::Object(named.collect()), all);
    }
}

/// A Graph-style key, else a Log Analytics column.
fn either<'v>(object: &'v Value, camel: &str, column: &str) -> &'v Value {
    object.get(camel).or_else(|| object.get(column)).unwrap_or(&Value::Null)
}

/// A key in either spelling: columns differ in the first letter, but for `IPAddress`.
pub fn field<'v>(object: &'v Value, key: &str) -> &'v Value {
    let column = match key {
        "ipAddress" => "IPAddress".to_string(),
        "location" => "LocationDetails".to_string(),
        _ => key[..1].to_uppercase() + &key[1..],
    };
    either(object, key, &column)
}

pub fn is_absent_text(text: &str) -> bool {
    let text = text.trim().to_lowercase();
    let absent = ["", "null", "none", "-", "unknown", "n/a", "not available", "hidden", "undefined", "anonymized"];
    absent.contains(&text.as_str())
        || text == "{pii removed}"
        || text == "hidden_due_to_security_reasons"
        || text == "00000000-0000-0000-0000-000000000000"
}

pub fn nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => is_absent_text(text),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) if !is_absent_text(text) => text.trim().to_string(),
        Value::Number(number) if number.is_i64() => number.to_string(),
        Value::Number(number) => number.as_f64().map(|number| number.to_string()).unwrap_or_default(),
        _ => String::new(),
    }
}

pub fn folded(id: String) -> String {
    let is_guid = id.len() == 36
        && id
            .char_indices()
            .all(|(at, c)| if [8, 13, 18, 23].contains(&at) { c == '-' } else { c.is_ascii_hexdigit() });
    if is_guid || id.contains('@') { id.to_ascii_lowercase() } else { id }
}

/// An object, or the object that text spells.
pub fn opened(value: &Value) -> Value {
    match value {
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
            serde_json::from_str(text).unwrap_or_default()
        }
        other => other.clone(),
    }
}

pub fn flag(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str()?.trim().to_lowercase().parse().ok())
}

enum Log {
    Users(&'static str),
    Risk(RiskLog),
    Skipped(SkipReason),
}

fn log_named(name: &str) -> Option<Log> {
    let name = name.trim().to_lowercase();
    Some(match name.strip_prefix("aad").unwrap_or(&name) {
        "signinlogs" => Log::Users("Interactive"),
        "noninteractiveusersigninlogs" => Log::Users("NonInteractive"),
        "adfssigninlogs" => Log::Users("Adfs"),
        "userriskevents" => Log::Risk(RiskLog::Detections),
        "riskyusers" => Log::Risk(RiskLog::Users),
        "serviceprincipalriskevents" | "riskyserviceprincipals" => Log::Skipped(SkipReason::ServicePrincipal),
        "serviceprincipalsigninlogs" => Log::Skipped(SkipReason::ServicePrincipal),
        "managedidentitysigninlogs" => Log::Skipped(SkipReason::ManagedIdentity),
        "microsoftserviceprincipalsigninlogs" => Log::Skipped(SkipReason::MicrosoftServicePrincipal),
        _ => return None,
    })
}

fn event_types(object: &Value) -> Vec<String> {
    match &object["signInEventTypes"] {
        Value::String(one) => vec![one.trim().to_lowercase()],
        Value::Array(many) => {
            many.iter().filter_map(Value::as_str).map(|name| name.trim().to_lowercase()).collect()
        }
        _ => Vec::new(),
    }
}

fn workload(object: &Value) -> Option<SkipReason> {
    let types = event_types(object);
    let has = |name: &str| types.iter().any(|kind| kind == name);
    match () {
        () if has("interactiveuser") || has("noninteractiveuser") => None,
        () if has("managedidentity") => Some(SkipReason::ManagedIdentity),
        () if has("serviceprincipal") => Some(SkipReason::ServicePrincipal),
        () => None,
    }
}

fn log_by_kind(object: &Value) -> Log {
    if let Some(reason) = workload(object) {
        return Log::Skipped(reason);
    }
    let types = event_types(object);
    let is_interactive = types.iter().any(|kind| kind == "interactiveuser");
    let is_user = is_interactive || types.iter().any(|kind| kind == "noninteractiveuser");
    let has = |key: &str| !nothing(field(object, key));
    if !is_user && has("servicePrincipalId") && !has("userId") && !has("userPrincipalName") {
        return Log::Skipped(SkipReason::ServicePrincipal);
    }
    let silent = if is_user { !is_interactive } else { flag(field(object, "isInteractive")) == Some(false) };
    Log::Users(if silent { "NonInteractive" } else { "Interactive" })
}

pub fn error_code(object: &Value) -> Value {
    opened(field(object, "status")).get("errorCode").cloned().unwrap_or_default()
}

fn log_of(outer: &Value, inner: Option<&Value>) -> Option<Log> {
    let has = |key: &str| !nothing(field(outer, key));
    let columns = |key: &str| outer.get(key).unwrap_or(&Value::Null);
    let category = field(outer, "category").as_str().unwrap_or("");
    let table = columns("Type").as_str().unwrap_or("");
    let no_properties = outer.get("properties").is_none();
    if no_properties && (!nothing(columns("TimeGenerated")) || log_named(table).is_some()) {
        if let Some(log) = log_named(table).or_else(|| log_named(category)) {
            return Some(log);
        }
        if !nothing(columns("Type")) || has("category") {
            return Some(Log::Skipped(SkipReason::NotASignIn));
        }
        if has("userId") || has("userPrincipalName") || has("servicePrincipalId") {
            return Some(log_by_kind(outer));
        }
        return has("operationName").then_some(Log::Skipped(SkipReason::NotASignIn));
    }
    let other = Some(Log::Skipped(SkipReason::NotASignIn));
    if !is_absent_text(category) {
        let tenant = !nothing(either(outer, "tenantId", "AADTenantId"));
        let named = ["operationName", "resourceId"].into_iter().any(has);
        let lower = ["time", "activityDisplayName"].into_iter().any(|key| !nothing(columns(key)));
        return match log_named(category) {
            Some(Log::Users(name)) => {
                let fields = inner.unwrap_or(outer);
                let has = |key: &str| !nothing(field(fields, key));
                let application = has("servicePrincipalId") && !has("userId") && !has("userPrincipalName");
                let reason = workload(fields).or(application.then_some(SkipReason::ServicePrincipal));
                Some(reason.map_or(Log::Users(name), Log::Skipped))
            }
            Some(log) => Some(log),
            None => (!no_properties || tenant || named || lower).then_some(()).and(other),
        };
    }
    if let Some(inner) = inner {
        match field(outer, "operationName").as_str().unwrap_or("").trim().to_lowercase().as_str() {
            "sign-in activity" => return Some(log_by_kind(inner)),
            "user risk detection" => return Some(Log::Risk(RiskLog::Detections)),
            "risky user" => return Some(Log::Risk(RiskLog::Users)),
            _ => {}
        }
    }
    if !nothing(columns("activityDisplayName")) {
        return other;
    }
    let of_risks = ["activityDateTime", "detectedDateTime", "riskEventType", "riskLastUpdatedDateTime"];
    if of_risks.iter().any(|key| !nothing(columns(key))) {
        return Some(Log::Risk(RiskLog::Either));
    }
    let attempt =
        [has("appId"), has("ipAddress"), !nothing(&error_code(outer))].into_iter().filter(|&x| x).count();
    let identity = ["userId", "userPrincipalName", "correlationId", "servicePrincipalId", "clientAppUsed"];
    let count = attempt + identity.into_iter().filter(|key| has(key)).count();
    if attempt > 0 && count >= if has("createdDateTime") { 2 } else { 3 } {
        return Some(log_by_kind(outer));
    }
    (has("operationName") && (!nothing(columns("time")) || has("resourceId"))).then_some(()).and(other)
}

/// Under `properties`, the keys of the record around it and of Log Analytics mean nothing.
fn without_outer_keys(mut properties: Value) -> Value {
    if let Some(entries) = properties.as_object_mut() {
        let outer = ["identity", "resultType", "resultSignature", "tenantId", "resourceId", "time"];
        entries
            .retain(|key, _| !outer.contains(&key.as_str()) && !key.starts_with(|c: char| c.is_ascii_uppercase()));
    }
    properties
}

fn record(outer: &Value, all: &mut Vec<Seen>) {
    let opened = outer.get("properties").map(opened);
    let properties = opened.clone().map(without_outer_keys);
    let inner = properties.as_ref().filter(|value| value.is_object());
    let whole = opened.as_ref().filter(|value| value.is_object()).unwrap_or(outer);
    all.push(match log_of(outer, inner) {
        None => reject(RejectReason::UnknownFormat),
        Some(Log::Skipped(reason)) => skipped(reason),
        Some(_) if properties.is_some() && inner.is_none() => reject(RejectReason::WrongType),
        Some(Log::Risk(log)) => risk_record(log, whole, outer).unwrap_or_else(reject),
        Some(Log::Users(category)) => {
            let empty = Value::Null;
            let (fields, around) = inner.map_or((outer, &empty), |inner| (inner, outer));
            let seen = sign_in(category, fields, around).unwrap_or_else(reject);
            let risk = risk_beside(&seen, field(fields, "riskState"), whole);
            all.push(seen);
            return all.extend(risk);
        }
    });
}

fn time_of(fields: &Value, around: &Value) -> Result<i64, RejectReason> {
    let mut reason = RejectReason::NoTime;
    let stamp = fields.get("TimeGenerated").unwrap_or(&Value::Null);
    for value in [field(fields, "createdDateTime"), &around["time"], &fields["time"], stamp] {
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

pub fn id(value: &Value) -> Result<String, RejectReason> {
    match value {
        _ if nothing(value) => Ok(String::new()),
        Value::String(_) => Ok(folded(text(value))),
        Value::Number(number) if number.is_i64() => Ok(number.to_string()),
        _ => Err(RejectReason::WrongType),
    }
}

pub fn no_control(id: &str) -> Result<(), RejectReason> {
    if id.chars().any(char::is_control) { Err(RejectReason::BadId) } else { Ok(()) }
}

fn sign_in(category: &'static str, fields: &Value, around: &Value) -> Result<Seen, RejectReason> {
    let time = time_of(fields, around)?;
    let user_id = id(field(fields, "userId"))?;
    let written_name = field(fields, "userPrincipalName");
    let is_name_readable = nothing(written_name) || written_name.is_string() || written_name.as_i64().is_some();
    if user_id.is_empty() && !is_name_readable {
        return Err(RejectReason::WrongType);
    }
    let name = text(written_name).to_ascii_lowercase();
    let user = if user_id.is_empty() { name.clone() } else { user_id };
    if user.is_empty() {
        return Err(RejectReason::NoUser);
    }
    no_control(&user)?;
    let event_id = id(field(fields, "id"))?;
    let tenant = tenant_of(fields, around);
    no_control(&tenant)?;
    no_control(&event_id)?;
    let first =
        |values: [&Value; 3]| values.into_iter().map(text).find(|text| !text.is_empty()).unwrap_or_default();
    let own_address = text(field(fields, "ipAddress"));
    let caller = text(&around["callerIpAddress"]);
    let address_text = if parse_address(&own_address).is_some() || caller.is_empty() {
        own_address
    } else if parse_address(&caller).is_some() || own_address.is_empty() {
        caller
    } else {
        own_address
    };
    let place = opened(field(fields, "location"));
    let coordinates = opened(place.get("geoCoordinates").unwrap_or(&Value::Null));
    let degrees = |key: &str| number(coordinates.get(key).unwrap_or(&Value::Null));
    let coordinates = degrees("latitude").zip(degrees("longitude")).filter(|(latitude, longitude)| {
        latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && (*latitude != 0.0 || *longitude != 0.0)
    });
    let device = opened(field(fields, "deviceDetail"));
    let made = event_id.is_empty();
    Ok(vec![
        ("category", category.to_string()),
        ("tenant", tenant),
        ("id", if made { made_id_kind(fields) } else { id_kind(&event_id) }),
        ("time", time.to_string()),
        ("user", user),
        ("name", name),
        (
            "display",
            first([field(fields, "userDisplayName"), field(fields, "identity"), field(around, "identity")]),
        ),
        ("code", format!("{:?}", Attempt::new(fields, around).code())),
        ("result", Attempt::new(fields, around).result()),
        ("mfa", Attempt::new(fields, around).mfa()),
        ("address", format!("{:?} {}", parse_address(&address_text), address_text)),
        ("asn", format!("{:?}", asn(field(fields, "autonomousSystemNumber")))),
        ("place", format!("{} {}", country(fields, around, &place), text(&place["city"]))),
        ("coordinates", format!("{coordinates:?}")),
        ("app", format!("{} {}", folded(text(field(fields, "appId"))), text(field(fields, "appDisplayName")))),
        ("device", format!("{} {:?}", folded(text(&device["deviceId"])), flag(&device["isCompliant"]))),
        ("agent", text(field(fields, "userAgent"))),
        (
            "correlation",
            folded(first([field(fields, "correlationId"), field(around, "correlationId"), &Value::Null])),
        ),
    ])
}

/// Records under test have no `uniqueTokenIdentifier` but one that is no id.
fn made_id_kind(_: &Value) -> String {
    "made".to_string()
}

pub fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn asn(value: &Value) -> Option<u32> {
    let number = match value {
        Value::String(text) => text.trim().trim_start_matches("AS").parse().ok(),
        Value::Number(number) => {
            number.as_f64().filter(|x| x.fract() == 0.0 && (0.0..=4_294_967_295.0).contains(x)).map(|x| x as u32)
        }
        _ => None,
    };
    number.filter(|&number| number != 0)
}

fn country(fields: &Value, around: &Value, place: &Value) -> String {
    let outer = opened(field(around, "location"));
    let spelled = |value: &Value, code: &Value| match (value, code) {
        (Value::String(_), _) => value.clone(),
        (_, code) => code.clone(),
    };
    let own = field(fields, "location");
    let candidates = [
        spelled(if place.is_object() { &Value::Null } else { own }, &place["countryOrRegion"]),
        fields.get("Location").cloned().unwrap_or_default(),
        spelled(
            if outer.is_object() { &Value::Null } else { field(around, "location") },
            &outer["countryOrRegion"],
        ),
    ];
    let mut codes = candidates.iter().map(text).map(|code| code.to_ascii_uppercase());
    codes.find(|code| code.len() == 2 && code.bytes().all(|b| b.is_ascii_alphabetic())).unwrap_or_default()
}

pub fn tenant_of(fields: &Value, around: &Value) -> String {
    for object in [around, fields] {
        let named = text(either(object, "tenantId", "AADTenantId"));
        if !named.is_empty() {
            return folded(named);
        }
        let path = field(object, "resourceId").as_str().unwrap_or("");
        let parts: Vec<&str> = path.split('/').collect();
        if let ["", tenants, tenant, ..] = parts[..]
            && tenants.eq_ignore_ascii_case("tenants")
            && !is_absent_text(tenant)
        {
            return folded(tenant.trim().to_string());
        }
    }
    let home = folded(text(field(fields, "homeTenantId")));
    if home.is_empty() { "unknown".to_string() } else { home }
}
