//! What is unusual about the sign-in, and what it was held against, in OCSF's words for analyses of anomalies.

use std::borrow::Cow;

use serde::Serialize;

use super::super::alert::evidence;
use super::super::farsign::rounded;
use super::super::graph::known;
use super::Milliseconds;
use crate::engine::finding::{AttackEvidence, Familiarity, PropertyVerdict, Travel};
use crate::engine::out::Detection;

#[derive(Serialize)]
pub(super) struct AnomalyAnalysis<'a> {
    analysis_targets: [Target<'a>; 1],
    anomalies: Vec<Observed<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    baselines: Vec<Observed<'a>>,
}

#[derive(Serialize)]
struct Target<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// An anomaly or a baseline: OCSF gives both the same attributes.
#[derive(Serialize)]
struct Observed<'a> {
    observation_parameter: &'static str,
    observation_type: &'static str,
    observed_pattern: &'static str,
    observations: [Observation<'a>; 1],
}

#[derive(Serialize)]
struct Observation<'a> {
    value: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timespan: Option<TimeSpan>,
}

#[derive(Serialize)]
struct TimeSpan {
    type_id: u8,
    #[serde(rename = "type")]
    kind: &'static str,
    start_time: Milliseconds,
    end_time: Milliseconds,
}

impl<'a> AnomalyAnalysis<'a> {
    /// `None` where nothing about the sign-in is an anomaly in this sense: an address on a list is none.
    pub(super) fn new(detection: &'a Detection) -> Option<AnomalyAnalysis<'a>> {
        let evidence = evidence(detection)?;
        let subject = &detection.subject;
        let name = known(&subject.user_principal_name).or(known(&subject.user_id))?;
        let (mut anomalies, mut baselines) = (Vec::new(), Vec::new());
        for verdict in evidence.properties.iter().filter(|verdict| !verdict.value.is_empty()) {
            match verdict.familiarity {
                Familiarity::Unfamiliar => anomalies.push(Observed::property(verdict)),
                Familiarity::Familiar => baselines.push(Observed::property(verdict)),
                Familiarity::Unknown => {}
            }
        }
        if let Some(travel) = evidence.travel.as_ref().filter(|travel| travel.speed_kmh > travel.max_speed_kmh) {
            let [speed, limit] = Observed::speed(travel);
            anomalies.extend(speed);
            baselines.extend(limit);
        }
        if let Some(found) = &evidence.attack {
            let [attempts, enough] = Observed::attack(found);
            anomalies.push(attempts);
            baselines.push(enough);
        }
        let analysis_targets = [Target { name, kind: "User Account" }];
        (!anomalies.is_empty()).then_some(AnomalyAnalysis { analysis_targets, anomalies, baselines })
    }
}

impl<'a> Observed<'a> {
    fn one(parameter: &'static str, kind: &'static str, pattern: &'static str, value: Observation<'a>) -> Self {
        Observed {
            observation_parameter: parameter,
            observation_type: kind,
            observed_pattern: pattern,
            observations: [value],
        }
    }

    fn property(verdict: &'a PropertyVerdict) -> Observed<'a> {
        let pattern = match verdict.familiarity {
            Familiarity::Unfamiliar if verdict.share > 0.0 => "RARE",
            Familiarity::Unfamiliar | Familiarity::Unknown => "UNSEEN",
            Familiarity::Familiar => "FREQUENT",
        };
        let value = Observation { value: Cow::Borrowed(&verdict.value), count: None, timespan: None };
        Observed::one(verdict.property.name(), "Frequency Analysis", pattern, value)
    }

    /// The speed, and the one that it was held against.
    fn speed(travel: &Travel) -> [Option<Observed<'a>>; 2] {
        let [speed, limit] = [(travel.speed_kmh, "ABOVE_MAXIMUM"), (travel.max_speed_kmh, "MAXIMUM")];
        [speed, limit].map(|(value, pattern)| {
            let value = Cow::Owned(rounded(value, 1)?.to_string());
            let observation = Observation { value, count: None, timespan: None };
            Some(Observed::one("speedKmh", "Travel Analysis", pattern, observation))
        })
    }

    /// Users attacked, and how many made an attack of it.
    fn attack(found: &AttackEvidence) -> [Observed<'a>; 2] {
        let minute = |minute: i32| i64::from(minute) * 60_000;
        let timespan = TimeSpan {
            type_id: 9,
            kind: "Time Interval",
            start_time: minute(found.attack.first),
            end_time: minute(found.attack.last),
        };
        let attempts = Observation {
            value: Cow::Owned(found.attack.users.to_string()),
            count: Some(found.attack.attempts),
            timespan: Some(timespan),
        };
        let enough = Observation { value: Cow::Owned(found.enough.to_string()), count: None, timespan: None };
        [
            Observed::one("attackedUsers", "Volume Analysis", "SURGE", attempts),
            Observed::one("attackedUsers", "Volume Analysis", "THRESHOLD", enough),
        ]
    }
}
