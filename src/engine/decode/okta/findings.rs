//! What Okta holds for risky: of a sign-in, in its own event; of a user, in events of Identity Threat Protection and others.
//!
//! A risk is an object, or the text of a Java map (`{reasons=A, B, level=HIGH}`) whose values hold commas, in `debugData`,
//! in the copy `logOnlySecurityData` (an object in text) or in `securityContext`.

use std::borrow::Cow;

use super::super::country::code_of;
use super::super::draft::{self, SignInRisk};
use super::super::paths::{Values, json_in, paths};
use super::super::{Reject, entra, text};
use super::{At, Event, Whose, location_of, target_of, time_of, user_of};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{Provider, ProviderLocation, UpstreamFinding};

const SOURCE: &str = "Okta";

paths! {
    /// Okta's risk, and the text it is copied in.
    enum RiskAt (IgnoreCase) {
        Level = Scalar "level",
        Previous = Scalar "previousLevel",
        Name = Scalar "detectionName",
        Reasons = Json "reasons",
        CopiedLevel = Scalar "risk/level",
        CopiedReasons = Json "risk/reasons",
    }
}

/// A risk as it is written.
#[derive(Debug, Default)]
struct Risk {
    level: Option<RiskLevel>,
    previous: Option<RiskLevel>,
    name: String,
    reasons: String,
}

impl Risk {
    /// In whichever of its places and forms it is.
    fn of(event: &Event<'_>) -> Risk {
        let places = [At::Risk, At::LogOnly, At::ContextRisk];
        let mut found = places.into_iter().map(|at| {
            if let Some(json) = json_in(event.get(at))
                && let Some(risk) = Risk::of_object(&json)
            {
                return risk;
            }
            match event.json(at) {
                "" => Risk::of_map(event.str(at)),
                json => Risk::of_object(json).unwrap_or_default(),
            }
        });
        found.find(|risk| risk.level.is_some()).unwrap_or_default()
    }

    fn of_map(map: &str) -> Risk {
        Risk {
            level: level_of(map_value(map, "level")),
            previous: level_of(map_value(map, "previousLevel")),
            name: map_value(map, "detectionName").to_owned(),
            reasons: map_value(map, "reasons").to_owned(),
        }
    }

    /// `None`: it is no JSON, only looks so.
    fn of_object(json: &str) -> Option<Risk> {
        let mut risk = RiskAt::read(json).ok()?;
        let level = risk.first_text([RiskAt::Level, RiskAt::CopiedLevel]);
        let previous = risk.text(RiskAt::Previous);
        Some(Risk {
            level: level_of(&level),
            previous: level_of(&previous),
            name: risk.text(RiskAt::Name).into_owned(),
            reasons: reasons_of(&mut risk),
        })
    }
}

/// Text, or a list of texts as it is written.
fn reasons_of(risk: &mut Values<'_, { RiskAt::COUNT }>) -> String {
    let list = [RiskAt::Reasons, RiskAt::CopiedReasons].map(|at| risk.json(at)).concat();
    if list.is_empty() { risk.first_text([RiskAt::Reasons, RiskAt::CopiedReasons]).into_owned() } else { list }
}

/// The value of `key` in the text of a Java map; a comma ends it only where a key follows.
fn map_value<'t>(map: &'t str, key: &str) -> &'t str {
    let inside = map.trim().trim_start_matches('{').trim_end_matches('}');
    let (mut start, mut next) = (None, 0);
    for part in inside.split(',') {
        let begin = next;
        next += part.len() + 1;
        let Some((word, value)) = part.split_once('=') else { continue };
        let word = word.trim();
        if !word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            continue;
        }
        if let Some(start) = start {
            return inside[start..begin - 1].trim();
        }
        if word.eq_ignore_ascii_case(key) {
            start = Some(begin + part.len() - value.len());
        }
    }
    start.map_or("", |start| inside[start..].trim())
}

fn level_of(word: &str) -> Option<RiskLevel> {
    let levels = [RiskLevel::Low, RiskLevel::Medium, RiskLevel::High];
    levels.into_iter().find(|level| level.name().eq_ignore_ascii_case(word.trim()))
}

/// What the event of a sign-in itself calls risky: a phishing page in between, Okta's risk from medium on (low is what
/// every sign-in has), an address that ThreatInsight suspects, Tor.
pub(super) fn risk<'a>(event: &Event<'a>) -> Option<SignInRisk<'a>> {
    let found = |kind, source_type: &'static str, level, reasons: String| SignInRisk {
        source: Cow::Borrowed(SOURCE),
        kind,
        source_type: Cow::Borrowed(source_type),
        level,
        is_confirmed: false,
        reasons: Cow::Owned(reasons),
    };
    let reason = event.str(At::Reason);
    if reason.to_ascii_lowercase().contains("declined phishing") {
        let kind = RiskEventType::AttackerInTheMiddle;
        return Some(found(kind, "fastPassDeclinedPhishing", RiskLevel::High, reason.to_owned()));
    }
    let written = Risk::of(event);
    if let Some(level) = written.level.filter(|level| *level >= RiskLevel::Medium) {
        return Some(found(RiskEventType::Generic, "risk", level, written.reasons));
    }
    if event.flag(At::ThreatSuspected) == Some(true) {
        let detections = text_in(event, At::ThreatDetections);
        let level =
            if detections.to_ascii_uppercase().contains("HIGH") { RiskLevel::High } else { RiskLevel::Medium };
        return Some(found(RiskEventType::MaliciousIpAddress, "threatSuspected", level, detections));
    }
    let tunnels = text_in(event, At::Tunnels);
    let is_tor = tunnels.to_ascii_uppercase().contains("\"TOR");
    is_tor.then(|| found(RiskEventType::AnonymizedIpAddress, "tunnels", RiskLevel::Medium, tunnels))
}

/// JSON as it is written, or the text it stands in.
fn text_in(event: &Event<'_>, at: At) -> String {
    let json = event.json(at);
    if json.is_empty() { event.str(at).to_owned() } else { json.to_owned() }
}

/// What an event finds about a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Risk,
    BreachedCredential,
    Reported,
    TokenReuse,
}

impl Kind {
    pub(super) fn of(kind: &str) -> Option<Kind> {
        match kind {
            "user.risk.detect" | "user.risk.change" => Some(Kind::Risk),
            "security.breached_credential.detected" => Some(Kind::BreachedCredential),
            "user.account.report_suspicious_activity_by_enduser" => Some(Kind::Reported),
            _ if kind.starts_with("app.oauth2.") && kind.ends_with("detect_reuse") => Some(Kind::TokenReuse),
            _ => None,
        }
    }
}

/// What Okta found about a user; `None` where the risk is none or became less, or where nobody is named.
pub(super) fn finding<'a>(
    event: &mut Event<'a>,
    kind: &str,
    about: Kind,
) -> Result<Option<UpstreamFinding<'a>>, Reject> {
    let risk = Risk::of(event);
    let (level, found) = match about {
        Kind::Risk if risk.previous > risk.level => return Ok(None),
        Kind::Risk => (risk.level, kind_of(&risk)),
        Kind::BreachedCredential => (Some(RiskLevel::High), RiskEventType::LeakedCredentials),
        Kind::Reported => (Some(RiskLevel::High), RiskEventType::UserReportedSuspiciousActivity),
        // Often a client that asked twice.
        Kind::TokenReuse => (Some(RiskLevel::Medium), RiskEventType::AnomalousToken),
    };
    let Some(level) = level else { return Ok(None) };
    if about == Kind::TokenReuse
        && event.is(At::ActorType, "PublicClientApp")
        && target_of(event, &super::USERS).is_none()
    {
        return Ok(None);
    }
    let event_time = time_of(event)?;
    let reported_time = event.get(At::ReportedTime).to_time("suspiciousActivityTimestamp").ok().flatten();
    let (user_id, user_principal_name, _) = user_of(event, Whose::Target)?;
    let (address_text, location) = place_of(event, about);
    let reasons = match about {
        Kind::Reported => event.text(At::ReportedType),
        _ => Cow::Owned(risk.reasons),
    };
    let source_type = if risk.name.is_empty() { kind.to_owned() } else { risk.name };
    let finding = UpstreamFinding {
        source: Cow::Borrowed(SOURCE),
        provider: Provider::Okta,
        tenant_id: Cow::Borrowed(""),
        user_id,
        user_principal_name,
        event_id: event.id(At::Uuid, "uuid")?,
        event_time,
        activity_time: reported_time.and_then(Result::ok).unwrap_or(event_time),
        kind: found,
        source_type: text::cut(Cow::Owned(source_type)),
        level,
        is_confirmed: found == RiskEventType::AdminConfirmedUserCompromised,
        request_id: Cow::Borrowed(""),
        is_about_user: true,
        address: None,
        address_text,
        location,
        reasons: text::cut(reasons),
    };
    draft::finish_finding(finding).map(Some)
}

/// The risk's type, by the name of Okta's detection.
fn kind_of(risk: &Risk) -> RiskEventType {
    let name = risk.name.to_ascii_lowercase();
    let holds = |word: &str| name.contains(word);
    if holds("admin reported") {
        RiskEventType::AdminConfirmedUserCompromised
    } else if holds("suspicious activity") || holds("user reported") {
        RiskEventType::UserReportedSuspiciousActivity
    } else if holds("breached") || holds("leaked") {
        RiskEventType::LeakedCredentials
    } else if holds("threat ip") {
        RiskEventType::MaliciousIpAddress
    } else if holds("session influenced") && risk.reasons.to_ascii_lowercase().contains("hijack") {
        RiskEventType::AnomalousToken
    } else {
        RiskEventType::Generic
    }
}

/// Where it happened: an owner reports from the owner's own address.
fn place_of<'a>(event: &mut Event<'a>, about: Kind) -> (Cow<'a, str>, ProviderLocation<'a>) {
    if about != Kind::Reported {
        return (event.first_text([At::IpAddress, At::ChainAddress]), location_of(event));
    }
    let location = ProviderLocation {
        city: event.text(At::ReportedCity),
        state: event.text(At::ReportedState),
        country: code_of(event.text(At::ReportedCountry)),
        coordinates: entra::coordinates(event.number(At::ReportedLatitude), event.number(At::ReportedLongitude)),
    };
    (event.text(At::ReportedAddress), location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_java_map_end_where_a_key_follows() {
        let map = "{reasons=Anomalous Location, Anomalous Device, previousLevel=LOW, level=MEDIUM}";
        assert_eq!(map_value(map, "reasons"), "Anomalous Location, Anomalous Device");
        assert_eq!((map_value(map, "level"), map_value(map, "previousLevel")), ("MEDIUM", "LOW"));
        assert_eq!(map_value("{level=HIGH}", "level"), "HIGH");
        assert_eq!(
            (map_value("", "level"), map_value("{=,,}=", "level"), map_value("{level", "level")),
            ("", "", "")
        );
    }
}
