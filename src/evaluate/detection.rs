//! Detection lines → what evaluation needs of them: of each id the last version, with the place of its line.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::BufRead;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::truth::event_time;
use super::{Cut, Fate, Share, SignInKey, Truth, intern};
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
    #[serde(borrow)]
    user_principal_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tenant_id: Option<Cow<'a, str>>,
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
    /// Lines that say nothing that the line before did not say.
    repeated_lines: u64,
    /// Hash of the last version's line.
    text_hash: u64,
}

/// All detections, in order of their first versions.
#[derive(Default)]
pub struct Detections {
    list: Vec<Alert>,
    left_out: LeftOutLines,
}

/// What of the lines is not in the part that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOutLines {
    pub lines: Share,
    /// Detections on an owner's sign-in, compared with an attacker's that is left out.
    pub compared: u64,
    /// Lines whose own time, tenant and user say otherwise than the label of their sign-in, and the first of them.
    pub disagreeing: u64,
    pub first_disagreeing: Option<u64>,
}

impl Detections {
    /// Reads detections, one JSON object a line. Errors name the line.
    pub fn read(lines: impl BufRead) -> anyhow::Result<Detections> {
        Detections::read_lines(lines, &mut |_, _| Ok(true), &mut |_| Ok(()))
    }

    /// As [`Self::read`], of the part that is asked for. A detection goes with the label of its sign-in, if there is one: one
    /// without the other would be taken for a false alert or a missed attack. One whose last version is an absent echo
    /// ([`Truth::is_absent_echo`]) is left out at the end; until then its lines go to `also` as all others do.
    ///
    /// # Errors
    /// When `read` or `also` fails, or a line lacks what the filter goes by.
    pub fn read_part(
        lines: impl BufRead,
        truth: &Truth,
        cut: Cut<'_>,
        also: &mut dyn FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Detections> {
        let mut left_out = LeftOutLines::default();
        let mut keep = |line: &Line<'_>, number: u64| -> anyhow::Result<bool> {
            let text = |text: &'_ Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
            let (tenant, id, name) = (text(&line.tenant_id), text(&line.user_id), text(&line.user_principal_name));
            let asked = cut.leaves_out(event_time(&line.activity_date_time)?, &tenant, (&id, &name))?.is_none();
            let fate = line.request_id.as_deref().and_then(|request| truth.fate(SignInKey::new(request)));
            let kept = fate.map_or(asked, |fate| fate == Fate::Kept);
            if kept != asked && fate != Some(Fate::BegunBefore) {
                left_out.disagreeing += 1;
                left_out.first_disagreeing.get_or_insert(number);
            }
            left_out.lines.add(Share { count: u64::from(!kept), all: 1 });
            Ok(kept)
        };
        let mut detections = Detections::read_lines(lines, &mut keep, also)?;
        let read = detections.list.len();
        detections.list.retain(|alert| {
            let ids = [&alert.request_id, &alert.reference_id].map(|id| id.as_deref().unwrap_or_default());
            !truth.is_absent_echo(ids[0], ids[1])
        });
        left_out.compared = (read - detections.list.len()) as u64;
        Ok(Detections { left_out, ..detections })
    }

    fn read_lines(
        lines: impl BufRead,
        keep: &mut dyn FnMut(&Line<'_>, u64) -> anyhow::Result<bool>,
        also: &mut dyn FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Detections> {
        let mut detections = Detections::default();
        let mut index = HashMap::new();
        for (line, number) in lines.lines().zip(1u64..) {
            let line = line.context("cannot read the detections")?;
            let failed =
                || format!("line {number} of the detections is not a detection of `output.format: graph`");
            let read: Line<'_> = serde_json::from_str(&line).with_context(failed)?;
            let is_kept = keep(&read, number).with_context(|| format!("line {number} of the detections"))?;
            let mut alert = alert(read, number).with_context(failed)?;
            if !is_kept {
                continue;
            }
            alert.text_hash = xxhash_rust::xxh3::xxh3_64(line.as_bytes());
            let known = detections.list.len();
            let at = intern(&mut index, &mut detections.list, &alert.id.clone(), || alert.clone());
            // An update of a detection so old that only its summary is kept has no evidence of its own.
            let before = &detections.list[at];
            alert.repeated_lines =
                before.repeated_lines + u64::from(at < known && before.text_hash == alert.text_hash);
            alert.reference_id = alert.reference_id.or_else(|| before.reference_id.clone());
            alert.graded = alert.graded.or(before.graded);
            detections.list[at] = alert;
            also(&line).with_context(failed)?;
        }
        Ok(detections)
    }

    /// What was left out of the part that is asked for.
    pub fn left_out(&self) -> LeftOutLines {
        self.left_out
    }

    pub fn repeated_lines(&self) -> u64 {
        self.list.iter().map(|alert| alert.repeated_lines).sum()
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
        repeated_lines: 0,
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
