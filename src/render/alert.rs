//! What the forms beside Graph's have in common: names for people, standing, severity, scores on Elastic's scale, the
//! time a detection spans, and values that are written as text without a copy.

use std::fmt::Display;

use serde::{Serialize, Serializer};

use super::farsign::rounded;
use crate::engine::finding::{Evidence, RiskEventType, RiskLevel, RiskState};
use crate::engine::out::Detection;
use crate::engine::signin::EventTime;

/// A value that is written as the text it shows itself as.
pub(super) struct Shown<T>(pub T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The detection's name for people.
pub(super) fn title(kind: RiskEventType) -> &'static str {
    match kind {
        RiskEventType::ImpossibleTravel => "Impossible travel",
        RiskEventType::UnlikelyTravel => "Atypical travel",
        RiskEventType::NewCountry => "New country",
        RiskEventType::UnfamiliarFeatures => "Unfamiliar sign-in properties",
        RiskEventType::AnonymizedIpAddress => "Anonymous IP address",
        RiskEventType::MaliciousIpAddress => "Malicious IP address",
        RiskEventType::NationStateIp => "Verified threat actor IP address",
        RiskEventType::AdminConfirmedUserCompromised => "Admin confirmed user compromised",
        RiskEventType::PasswordSpray => "Password spray",
        RiskEventType::SuspiciousBrowser => "Suspicious browser",
        RiskEventType::AnomalousToken => "Anomalous token",
        RiskEventType::TokenIssuerAnomaly => "Token issuer anomaly",
        RiskEventType::AttackerInTheMiddle => "Attacker in the middle",
        RiskEventType::UserReportedSuspiciousActivity => "User reported suspicious activity",
        RiskEventType::RiskyIpAddress => "Risky IP address",
        RiskEventType::MfaFatigue => "MFA fatigue",
        RiskEventType::LeakedCredentials => "Leaked credentials",
        RiskEventType::Generic => "Additional risk",
    }
}

/// What kind of evidence a detection rests on; kinds of one family draw on the same.
pub(super) fn family(kind: RiskEventType) -> &'static str {
    match kind {
        RiskEventType::ImpossibleTravel | RiskEventType::UnlikelyTravel | RiskEventType::NewCountry => "place",
        RiskEventType::UnfamiliarFeatures => "signInProperties",
        RiskEventType::AnonymizedIpAddress
        | RiskEventType::MaliciousIpAddress
        | RiskEventType::NationStateIp
        | RiskEventType::RiskyIpAddress => "addressList",
        RiskEventType::PasswordSpray | RiskEventType::SuspiciousBrowser => "otherAccounts",
        RiskEventType::AnomalousToken | RiskEventType::TokenIssuerAnomaly | RiskEventType::AttackerInTheMiddle => {
            "sessionOrToken"
        }
        RiskEventType::UserReportedSuspiciousActivity | RiskEventType::MfaFatigue => "secondFactor",
        RiskEventType::AdminConfirmedUserCompromised => "feedback",
        RiskEventType::LeakedCredentials | RiskEventType::Generic => "otherProduct",
    }
}

/// Whether the detection is held against the user: neither silenced nor withdrawn nor closed by feedback.
pub(super) fn stands(state: RiskState) -> bool {
    matches!(state, RiskState::AtRisk | RiskState::ConfirmedCompromised)
}

/// How bad it is, in the words that Elastic and OCSF share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Informational,
    Low,
    Medium,
    High,
    /// Somebody confirmed it.
    Critical,
}

impl Severity {
    pub(super) fn of(detection: &Detection) -> Severity {
        match (detection.state, detection.level) {
            (RiskState::ConfirmedCompromised, _) => Severity::Critical,
            (_, RiskLevel::High) => Severity::High,
            (_, RiskLevel::Medium) => Severity::Medium,
            (_, RiskLevel::Low) => Severity::Low,
            (_, RiskLevel::None) => Severity::Informational,
        }
    }

    /// The risk score that Elastic's own rules of this severity have.
    pub(super) fn elastic(self) -> u8 {
        match self {
            Severity::Informational => 0,
            Severity::Low => 21,
            Severity::Medium => 47,
            Severity::High => 73,
            Severity::Critical => 99,
        }
    }
}

/// `riskScore` on the scale of [`Severity::elastic`]: levels begin there at 21, 47 and 73, here at 40, 65 and 85.
/// Between those it is linear; one decimal.
pub(super) fn elastic_score(score: u8) -> f64 {
    const KNOTS: [(f64, f64); 5] = [(0.0, 0.0), (40.0, 21.0), (65.0, 47.0), (85.0, 73.0), (100.0, 99.0)];
    let score = f64::from(score.min(100));
    let value = KNOTS.windows(2).find_map(|pair| match pair {
        [(begin, low), (end, high)] if score <= *end => Some(low + (score - begin) / (end - begin) * (high - low)),
        _ => None,
    });
    value.and_then(|value| rounded(value, 1)).unwrap_or_default()
}

/// From the first thing the detection rests on to the last.
pub(super) fn span(detection: &Detection) -> (EventTime, EventTime) {
    let evidence = evidence(detection);
    let reference = evidence.and_then(|evidence| evidence.reference.as_ref()).map(|reference| reference.time);
    let attack = evidence.and_then(|evidence| evidence.attack.as_ref()).map(|found| found.attack);
    let minute = |minute: i32| EventTime::from_seconds(i64::from(minute) * 60);
    let time = detection.activity_time;
    let times = [reference, attack.map(|attack| minute(attack.first)), attack.map(|attack| minute(attack.last))];
    let known = || times.into_iter().flatten();
    (known().fold(time, EventTime::min), known().fold(time, EventTime::max))
}

pub(super) fn evidence(detection: &Detection) -> Option<&Evidence> {
    detection.finding.as_deref().map(|finding| &finding.evidence)
}

/// "kari@fjord.example" → ("kari", its domain); a name without a domain is a name.
pub(super) fn principal(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.is_empty() => (local, Some(domain)),
        _ => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_meet_elastics_at_the_levels() {
        let check = |score: u8, expected: f64| {
            assert_eq!(elastic_score(score).to_bits(), expected.to_bits(), "{score}: {}", elastic_score(score));
        };
        check(0, 0.0);
        check(20, 10.5);
        check(40, 21.0);
        check(41, 22.0);
        check(65, 47.0);
        check(85, 73.0);
        check(100, 99.0);
        check(255, 99.0);
        assert!((0..100).all(|score| elastic_score(score) < elastic_score(score + 1)), "it rises");
    }

    #[test]
    fn principals_are_split_at_their_last_at_sign() {
        let check = |name, expected| assert_eq!(principal(name), expected);
        check("kari@fjord.example", ("kari", Some("fjord.example")));
        check("a@b@c", ("a@b", Some("c")));
        check("kari", ("kari", None));
        check("@fjord", ("@fjord", None));
        check("kari@", ("kari@", None));
        check("", ("", None));
    }
}
