//! Lines of detections (`output.format: graph`) → the last version of each, as far as a page looks at it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::engine::finding::{RiskDetail, RiskLevel, RiskState};
use crate::engine::signin::EventTime;

/// Detections that are remembered one by one, about 500 bytes each. Lines of others beyond it are counted, and no more.
pub const ALERTS_MAX: usize = 100_000;
/// Levels of what stands, as Graph spells them, by rising risk.
pub const LEVELS: [&str; 3] = ["low", "medium", "high"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    id: String,
    request_id: Option<String>,
    risk_event_type: String,
    risk_state: String,
    risk_level: String,
    risk_detail: String,
    risk_score: u8,
    activity_date_time: String,
    user_id: Option<String>,
    user_principal_name: Option<String>,
    location: Option<Location>,
    farsign: FarsignPart,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    city: Option<String>,
    country_or_region: Option<String>,
    geo_coordinates: Option<Coordinates>,
}

#[derive(Deserialize)]
struct Coordinates {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FarsignPart {
    sentence: Option<String>,
    suppressed_by: Option<String>,
    incident_id: Option<String>,
    configuration_hash: Option<String>,
    evidence: Option<EvidencePart>,
    shadow: Option<ShadowPart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShadowPart {
    live_id: String,
}

#[derive(Deserialize)]
struct EvidencePart {
    reference: Option<Reference>,
    travel: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    properties: Vec<Weighed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    request_id: Option<String>,
    country: Option<String>,
    city: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

#[derive(Deserialize)]
struct Weighed {
    property: String,
    bits: f64,
}

/// A point of the earth with what it is called.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    pub name: String,
    /// Degrees.
    pub latitude: f64,
    pub longitude: f64,
}

/// The last version of one detection.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Graph `riskEventType`.
    pub kind: String,
    /// Place in [`LEVELS`].
    pub level: usize,
    /// 0 to 100.
    pub score: u8,
    /// Neither suppressed nor withdrawn.
    pub stands: bool,
    pub time: EventTime,
    /// The principal name, or the id where there is none.
    pub user: String,
    /// Empty: about the user as a whole.
    pub request_id: String,
    /// Empty where unknown.
    pub incident: String,
    /// ISO 3166-1 alpha-2; empty where unknown.
    pub country: String,
    pub spot: Option<Spot>,
    /// Where the user was before, when the detection is about the journey from there.
    pub came_from: Option<Spot>,
    /// The sign-in it was compared with; empty where there is none.
    pub reference_id: String,
    /// The property that spoke loudest for a stranger; empty where none did.
    pub weightiest: String,
    pub sentence: String,
}

/// All detections of one run.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    by_id: BTreeMap<String, Alert>,
    /// Of the last line.
    pub config_hash: String,
    /// Lines of detections beyond [`ALERTS_MAX`].
    pub untracked: u64,
}

impl Alerts {
    /// Takes one line.
    ///
    /// # Errors
    /// When it is no detection of `output.format: graph`.
    pub fn take(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let mut line: Line = serde_json::from_slice(line)?;
        // By the id that the live policy's detection has or would have, as a comparison knows it.
        if let Some(shadow) = line.farsign.shadow.take() {
            line.id = shadow.live_id;
        }
        let time: jiff::Timestamp = line.activity_date_time.parse()?;
        let time = EventTime(i64::try_from(time.as_nanosecond())?);
        let before = self.by_id.get(&line.id);
        if before.is_none() && self.by_id.len() >= ALERTS_MAX {
            self.untracked += 1;
            return Ok(());
        }
        let id = line.id.clone();
        if let Some(hash) = &line.farsign.configuration_hash {
            self.config_hash.clone_from(hash);
        }
        let alert = alert(line, time, before);
        self.by_id.insert(id, alert);
        Ok(())
    }

    /// What stands, by id.
    pub fn standing(&self) -> impl Iterator<Item = &Alert> {
        self.by_id.values().filter(|alert| alert.stands)
    }

    /// Leaves out what is not `wanted`.
    pub fn retain(&mut self, wanted: impl Fn(&str, &Alert) -> bool) {
        self.by_id.retain(|id, alert| wanted(id, alert));
    }
}

/// `before`: the version before it. An update of a detection so old that only its summary is kept has no evidence of its
/// own, and no place.
fn alert(line: Line, time: EventTime, before: Option<&Alert>) -> Alert {
    let Line { location, farsign, .. } = line;
    let withdrawn = line.risk_state == RiskState::Dismissed.name()
        && line.risk_detail == RiskDetail::AiConfirmedSigninSafe.name();
    let level = LEVELS.iter().position(|level| *level == line.risk_level);
    let mut alert = Alert {
        kind: line.risk_event_type,
        level: level.unwrap_or_default(),
        score: line.risk_score,
        stands: !withdrawn && farsign.suppressed_by.is_none() && line.risk_level != RiskLevel::None.name(),
        time,
        user: line.user_principal_name.or(line.user_id).unwrap_or_default(),
        request_id: line.request_id.unwrap_or_default(),
        incident: farsign.incident_id.unwrap_or_default(),
        country: String::new(),
        spot: None,
        came_from: None,
        reference_id: String::new(),
        weightiest: String::new(),
        sentence: farsign.sentence.unwrap_or_default(),
    };
    match (farsign.evidence, before) {
        (None, Some(before)) => {
            alert.country.clone_from(&before.country);
            alert.spot.clone_from(&before.spot);
            alert.came_from.clone_from(&before.came_from);
            alert.reference_id.clone_from(&before.reference_id);
            alert.weightiest.clone_from(&before.weightiest);
            alert.sentence.clone_from(&before.sentence);
        }
        (evidence, _) => {
            if let Some(location) = location {
                let Location { city, country_or_region, geo_coordinates } = location;
                let at = geo_coordinates.map_or([None; 2], |found| [found.latitude, found.longitude]);
                alert.spot = spot(at, city, country_or_region.as_deref());
                alert.country = country_or_region.unwrap_or_default();
            }
            alert.read_evidence(evidence);
        }
    }
    alert
}

impl Alert {
    /// Is it of this level at least, and not older than `from`?
    pub fn counts(&self, min_level: RiskLevel, from: Option<EventTime>) -> bool {
        let least = LEVELS.iter().position(|level| *level == min_level.name()).unwrap_or_default();
        self.level >= least && from.is_none_or(|from| self.time >= from)
    }

    fn read_evidence(&mut self, evidence: Option<EvidencePart>) {
        let Some(EvidencePart { reference, travel, properties }) = evidence else { return };
        let loudest = properties.into_iter().filter(|weighed| weighed.bits > 0.0);
        let loudest = loudest.max_by(|a, b| a.bits.total_cmp(&b.bits).then_with(|| b.property.cmp(&a.property)));
        self.weightiest = loudest.map(|weighed| weighed.property).unwrap_or_default();
        let Some(reference) = reference else { return };
        self.reference_id = reference.request_id.unwrap_or_default();
        if travel.is_some() {
            let at = [reference.latitude, reference.longitude];
            self.came_from = spot(at, reference.city, reference.country.as_deref());
        }
    }
}

fn spot(at: [Option<f64>; 2], city: Option<String>, country: Option<&str>) -> Option<Spot> {
    let [Some(latitude), Some(longitude)] = at else { return None };
    let name = match (city, country) {
        (Some(city), Some(country)) => format!("{city}, {country}"),
        (Some(name), None) => name,
        (None, Some(country)) => country.to_owned(),
        (None, None) => format!("{latitude:.2}, {longitude:.2}"),
    };
    Some(Spot { name, latitude, longitude })
}
