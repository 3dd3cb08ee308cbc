//! Labels → the truth about every sign-in, and the campaigns they belong to.
//!
//! A sign-in without a label is legitimate and unremarkable.

use std::collections::HashMap;
use std::io::BufRead;

use anyhow::Context;
use serde::Deserialize;

use super::intern;
use crate::engine::signin::EventTime;

/// One line of ground truth.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Label {
    request_id: String,
    time: String,
    user_id: String,
    credential_right: bool,
    malicious: bool,
    #[serde(default)]
    attack: String,
    #[serde(default)]
    campaign: String,
    #[serde(default)]
    causes: Vec<String>,
}

/// A malicious sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttackSignIn {
    pub time: EventTime,
    pub request_id: String,
    pub user_id: String,
    /// The first factor was right, or a token stood for it.
    pub credential_right: bool,
}

/// One attacker's doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    pub id: String,
    /// The kind of attack.
    pub attack: String,
    /// By time, then id.
    pub sign_ins: Vec<AttackSignIn>,
}

/// What a sign-in was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TruthOf<'a> {
    /// Index among [`Truth::campaigns`].
    Malicious {
        campaign: usize,
    },
    Legitimate {
        causes: &'a [String],
    },
}

#[derive(Clone, Copy)]
enum Number {
    Campaign(usize),
    Causes(usize),
}

/// All labels.
#[derive(Default)]
pub struct Truth {
    sign_ins: HashMap<String, Number>,
    campaigns: Vec<Campaign>,
    /// Every set of causes that occurs, once.
    causes: Vec<Vec<String>>,
}

impl Truth {
    /// Reads labels, one JSON object a line. Errors name the line.
    pub fn read(labels: impl BufRead) -> anyhow::Result<Truth> {
        let mut truth = Truth::default();
        let (mut campaign_index, mut causes_index) = (HashMap::new(), HashMap::new());
        for (line, number) in labels.lines().zip(1u64..) {
            let line = line.context("cannot read the labels")?;
            let failed = || format!("line {number} of the labels is not a label");
            let label: Label = serde_json::from_str(&line).with_context(failed)?;
            let of = if label.malicious {
                let make =
                    || Campaign { id: label.campaign.clone(), attack: label.attack.clone(), sign_ins: Vec::new() };
                let campaign = intern(&mut campaign_index, &mut truth.campaigns, &label.campaign, make);
                truth.campaigns[campaign].sign_ins.push(AttackSignIn {
                    time: event_time(&label.time).with_context(failed)?,
                    request_id: label.request_id.clone(),
                    user_id: label.user_id,
                    credential_right: label.credential_right,
                });
                Number::Campaign(campaign)
            } else {
                let key = label.causes.join(",");
                Number::Causes(intern(&mut causes_index, &mut truth.causes, &key, || label.causes))
            };
            truth.sign_ins.insert(label.request_id, of);
        }
        for campaign in &mut truth.campaigns {
            campaign.sign_ins.sort_by(|a, b| (a.time, &a.request_id).cmp(&(b.time, &b.request_id)));
        }
        Ok(truth)
    }

    /// In order of their first label.
    pub fn campaigns(&self) -> &[Campaign] {
        &self.campaigns
    }

    pub fn of(&self, request_id: &str) -> TruthOf<'_> {
        match self.sign_ins.get(request_id) {
            Some(Number::Campaign(campaign)) => TruthOf::Malicious { campaign: *campaign },
            Some(Number::Causes(causes)) => TruthOf::Legitimate { causes: &self.causes[*causes] },
            None => TruthOf::Legitimate { causes: &[] },
        }
    }
}

/// RFC 3339.
pub(super) fn event_time(text: &str) -> anyhow::Result<EventTime> {
    let timestamp: jiff::Timestamp = text.parse().with_context(|| format!("`{text}` is not a time"))?;
    Ok(EventTime(i64::try_from(timestamp.as_nanosecond())?))
}
