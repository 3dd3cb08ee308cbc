//! Lines of detections → the last version of each, as far as a comparison looks at it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::engine::finding::{RiskDetail, RiskState};
use crate::render::graph::SOURCE;

/// The part of a `riskDetection` line that is read here.
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
    source: Option<String>,
    activity: Option<String>,
    activity_date_time: String,
    user_id: Option<String>,
    user_principal_name: Option<String>,
    farsign: FarsignPart,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FarsignPart {
    sentence: Option<String>,
    suppressed_by: Option<String>,
    configuration_hash: String,
    shadow: Option<ShadowPart>,
    evidence: Option<EvidencePart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShadowPart {
    policy: String,
    live_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EvidencePart {
    thresholds: Vec<Threshold>,
    total_bits: Option<f64>,
    travel: Option<TravelPart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TravelPart {
    speed_kmh: f64,
    distance_km: f64,
}

#[derive(Deserialize)]
struct Threshold {
    key: String,
    value: f64,
}

/// Whether a detection is an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Stands,
    /// By this reason.
    Suppressed(String),
    Withdrawn,
}

/// The last version of a detection.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Empty: about the user as a whole.
    pub request_id: String,
    /// Graph `riskEventType`.
    pub kind: String,
    /// Graph `riskLevel`.
    pub level: String,
    /// 0 to 100.
    pub score: u8,
    pub standing: Standing,
    /// RFC 3339, of the sign-in.
    pub time: String,
    /// The principal name, or the id where there is none.
    pub user: String,
    pub sentence: String,
    /// What it was judged by, by key.
    pub thresholds: BTreeMap<String, f64>,
    /// What was held against thresholds, by the end of their keys.
    pub measures: Vec<(&'static str, f64)>,
    /// Of the kind that a shadow policy can have: our own, about a sign-in.
    is_judged: bool,
}

impl EvidencePart {
    fn measures(&self) -> Vec<(&'static str, f64)> {
        let bits = self.total_bits.map(|bits| ("_bits", bits));
        let travel = self.travel.as_ref();
        let travel =
            travel.map(|travel| [(".max_speed_kmh", travel.speed_kmh), (".min_distance_km", travel.distance_km)]);
        bits.into_iter().chain(travel.into_iter().flatten()).collect()
    }
}

impl Detection {
    pub fn stands(&self) -> bool {
        self.standing == Standing::Stands
    }

    /// May it stand by one value of a threshold and not by the other? Not if what was measured is on one side of both.
    pub fn may_turn_on(&self, key: &str, values: [f64; 2]) -> bool {
        let measured = self.measures.iter().find(|(end, _)| key.ends_with(end));
        measured.is_none_or(|(_, measured)| {
            let [low, high] = if values[0] <= values[1] { values } else { [values[1], values[0]] };
            (low..=high).contains(measured)
        })
    }

    /// Low 1, medium 2, high 3.
    pub fn rank(&self) -> u8 {
        ["none", "low", "medium", "high"].iter().position(|level| *level == self.level).unwrap_or(0) as u8
    }
}

/// All of one file, by id; what a shadow policy found has the id that the live policy's would have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detections {
    pub by_id: BTreeMap<String, Detection>,
    /// Of what they were judged by.
    pub config_hashes: BTreeSet<String>,
    /// The shadow policies they are of; `None` among them: the live policy.
    policies: BTreeSet<Option<String>>,
}

impl Detections {
    /// Reads detections of `output.format: graph`, one JSON object a line. Memory grows by some hundred bytes for each.
    /// `policy`: of those of shadow policies the ones of this policy alone.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is no such detection; it is named. When they are of several policies.
    pub fn read(lines: impl BufRead, policy: Option<&str>) -> anyhow::Result<Detections> {
        Detections::read_with(lines, policy, &mut |_| Ok(()))
    }

    /// As [`Self::read`]; each line that is taken goes to `also`, too.
    ///
    /// # Errors
    /// When `read` or `also` fails.
    pub fn read_with(
        lines: impl BufRead,
        policy: Option<&str>,
        also: &mut dyn FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Detections> {
        let mut detections = Detections::default();
        for (line, number) in lines.lines().zip(1u64..) {
            let line = line.context("it cannot be read to its end")?;
            let failed = || format!("line {number} is not a detection of `output.format: graph`");
            if detections.take(serde_json::from_str(&line).with_context(failed)?, policy) {
                also(&line).with_context(failed)?;
            }
        }
        detections.of_one_policy(policy)?;
        Ok(detections)
    }

    fn of_one_policy(&self, policy: Option<&str>) -> anyhow::Result<()> {
        let shadows: Vec<&str> = self.policies.iter().flatten().map(String::as_str).collect();
        let told = shadows.join("`, `");
        match (shadows.as_slice(), policy) {
            ([_, ..], _) if self.policies.contains(&None) => {
                bail!(
                    "it has detections of the live policy beside those of shadow policies (`{told}`); expected a file for each"
                )
            }
            ([_, _, ..], None) => {
                bail!("it has detections of several shadow policies; choose one by `--policy`: `{told}`")
            }
            ([_, ..], Some(policy)) if !shadows.contains(&policy) => {
                bail!("it has no detections of the shadow policy `{policy}`; it has those of `{told}`")
            }
            _ => Ok(()),
        }
    }

    pub fn is_shadow(&self) -> bool {
        self.policies.iter().any(Option::is_some)
    }

    /// Leaves out what no shadow policy judges: what other products found, and what was said of users.
    pub fn keep_judged(&mut self) {
        self.by_id.retain(|_, detection| detection.is_judged);
    }

    pub fn stands(&self, id: &str) -> bool {
        self.by_id.get(id).is_some_and(Detection::stands)
    }

    /// False when it is of another policy than is asked for.
    fn take(&mut self, line: Line, policy: Option<&str>) -> bool {
        let name = line.farsign.shadow.as_ref().map(|shadow| shadow.policy.clone());
        let is_other = policy.is_some() && name.is_some() && name.as_deref() != policy;
        self.policies.insert(name);
        if is_other {
            return false;
        }
        let id = line.farsign.shadow.map_or(line.id, |shadow| shadow.live_id);
        self.config_hashes.insert(line.farsign.configuration_hash);
        let withdrawn = line.risk_state == RiskState::Dismissed.name()
            && line.risk_detail == RiskDetail::AiConfirmedSigninSafe.name();
        let standing = match line.farsign.suppressed_by {
            _ if withdrawn => Standing::Withdrawn,
            Some(reason) => Standing::Suppressed(reason),
            None => Standing::Stands,
        };
        let before = self.by_id.get(&id);
        // An update of a detection so old that only its summary is kept has no evidence of its own.
        let (thresholds, measures, sentence) = match (line.farsign.evidence, before) {
            (None, Some(before)) => (before.thresholds.clone(), before.measures.clone(), before.sentence.clone()),
            (evidence, _) => {
                let measures = evidence.as_ref().map(EvidencePart::measures).unwrap_or_default();
                let thresholds = evidence.into_iter().flat_map(|evidence| evidence.thresholds);
                let thresholds = thresholds.map(|threshold| (threshold.key, threshold.value)).collect();
                (thresholds, measures, line.farsign.sentence.unwrap_or_default())
            }
        };
        let detection = Detection {
            request_id: line.request_id.unwrap_or_default(),
            kind: line.risk_event_type,
            level: line.risk_level,
            score: line.risk_score,
            standing,
            time: line.activity_date_time,
            user: line.user_principal_name.or(line.user_id).unwrap_or_default(),
            sentence,
            thresholds,
            measures,
            is_judged: line.source.is_none_or(|source| source == SOURCE)
                && line.activity.is_none_or(|of| of != "user"),
        };
        self.by_id.insert(id, detection);
        true
    }
}
