//! Detection lines → what evaluation needs of them: of each id the last version, with the place of its line.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::BufRead;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::intern;
use super::truth::event_time;
use crate::engine::finding::{RiskDetail, RiskLevel, RiskState};
use crate::engine::signin::EventTime;

/// The part of a `riskDetection` line that is read here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    request_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    risk_event_type: Cow<'a, str>,
    #[serde(borrow)]
    risk_state: Cow<'a, str>,
    #[serde(borrow)]
    risk_level: Cow<'a, str>,
    #[serde(borrow)]
    risk_detail: Cow<'a, str>,
    #[serde(borrow)]
    activity_date_time: Cow<'a, str>,
    #[serde(borrow)]
    detected_date_time: Cow<'a, str>,
    #[serde(borrow)]
    user_id: Option<Cow<'a, str>>,
    risk_score: u8,
    farsign: FarsignPart,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FarsignPart {
    suppressed_by: Option<String>,
    evidence: Option<EvidencePart>,
    incident_id: Option<String>,
}

#[derive(Deserialize)]
struct EvidencePart {
    strength: Option<f64>,
    reference: Option<ReferencePart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReferencePart {
    request_id: Option<String>,
}

/// One detection.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    pub id: String,
    /// `None`: about a user as a whole.
    pub request_id: Option<String>,
    /// Graph `riskEventType`.
    pub kind: String,
    pub level: RiskLevel,
    /// 0–100.
    pub score: u8,
    /// Level and place within it (0–1) that the detection gave, whatever feedback made of it; `None` where no version tells.
    pub graded: Option<(RiskLevel, f64)>,
    /// Of the sign-in.
    pub time: EventTime,
    /// When it became known: later than the sign-in where something after it gave it away.
    pub detected_time: EventTime,
    pub user_id: String,
    /// The reason that silenced it; `None`: it stands.
    pub suppressed_by: Option<String>,
    /// The sign-in it was compared with.
    pub reference_id: Option<String>,
    /// The story it is part of.
    pub incident_id: Option<String>,
    /// 1-based line of the last version.
    pub line: u64,
    withdrawn: bool,
    /// Hash of the last version's line.
    text_hash: u64,
}

/// All detections, in order of their first versions.
#[derive(Default)]
pub struct Detections {
    list: Vec<Alert>,
    /// Lines that say nothing that the line before with the same id did not say.
    repeated_lines: u64,
}

impl Detections {
    /// Reads detections, one JSON object a line. Errors name the line.
    pub fn read(lines: impl BufRead) -> anyhow::Result<Detections> {
        Detections::read_with(lines, &mut |_| Ok(()))
    }

    /// As [`Self::read`]; each line goes to `also`, too.
    ///
    /// # Errors
    /// When `read` or `also` fails.
    pub fn read_with(
        lines: impl BufRead,
        also: &mut dyn FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Detections> {
        let mut detections = Detections::default();
        let mut index = HashMap::new();
        for (line, number) in lines.lines().zip(1u64..) {
            let line = line.context("cannot read the detections")?;
            let failed =
                || format!("line {number} of the detections is not a detection of `output.format: graph`");
            let read: Line<'_> = serde_json::from_str(&line).with_context(failed)?;
            let mut alert = alert(read, number).with_context(failed)?;
            alert.text_hash = xxhash_rust::xxh3::xxh3_64(line.as_bytes());
            let known = detections.list.len();
            let at = intern(&mut index, &mut detections.list, &alert.id.clone(), || alert.clone());
            // An update of a detection so old that only its summary is kept has no evidence of its own.
            let before = &detections.list[at];
            detections.repeated_lines += u64::from(at < known && before.text_hash == alert.text_hash);
            alert.reference_id = alert.reference_id.or_else(|| before.reference_id.clone());
            alert.graded = alert.graded.or(before.graded);
            detections.list[at] = alert;
            also(&line).with_context(failed)?;
        }
        Ok(detections)
    }

    pub fn repeated_lines(&self) -> u64 {
        self.repeated_lines
    }

    /// Those that stand: neither withdrawn nor silenced.
    pub fn standing(&self) -> impl Iterator<Item = &Alert> {
        self.iter().filter(|alert| alert.suppressed_by.is_none())
    }

    /// Those that were not withdrawn, silenced ones included.
    pub fn iter(&self) -> impl Iterator<Item = &Alert> {
        self.list.iter().filter(|alert| !alert.withdrawn)
    }
}

fn alert(line: Line<'_>, number: u64) -> anyhow::Result<Alert> {
    let level = level(&line.risk_level)?;
    let withdrawn = line.risk_state == RiskState::Dismissed.name()
        && line.risk_detail == RiskDetail::AiConfirmedSigninSafe.name();
    let evidence = line.farsign.evidence;
    let strength = evidence.as_ref().and_then(|evidence| evidence.strength);
    let reference_id = evidence.and_then(|evidence| evidence.reference).and_then(|reference| reference.request_id);
    Ok(Alert {
        id: line.id.into_owned(),
        request_id: line.request_id.map(Cow::into_owned),
        kind: line.risk_event_type.into_owned(),
        level,
        score: line.risk_score,
        graded: strength.map(|strength| (level, strength)),
        time: event_time(&line.activity_date_time)?,
        detected_time: event_time(&line.detected_date_time)?,
        user_id: line.user_id.map(Cow::into_owned).unwrap_or_default(),
        suppressed_by: line.farsign.suppressed_by,
        reference_id,
        incident_id: line.farsign.incident_id,
        line: number,
        withdrawn,
        text_hash: 0,
    })
}

fn level(name: &str) -> anyhow::Result<RiskLevel> {
    let all = [RiskLevel::None, RiskLevel::Low, RiskLevel::Medium, RiskLevel::High];
    match all.into_iter().find(|level| level.name() == name) {
        Some(level) => Ok(level),
        None => bail!("`{name}` is not a level"),
    }
}
