//! Labels → the truth about every sign-in, and the campaigns they belong to.
//!
//! A sign-in without a label is legitimate and unremarkable, and its credential was right. Ids are kept as 128-bit
//! hashes. Days of warm-up, at the beginning of the stream, are learnt from and not counted: an alert in them is
//! neither true nor false, and a campaign that begins in them is left out whole. So is one that began before the part that
//! is asked for ([`Cut`]); of the others the sign-ins are left out that are not in it.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::{Alert, Cut, Share, intern};
use crate::engine::decode::People;
use crate::engine::signin::{EventTime, SECONDS_PER_DAY};
use crate::runtime::replay::filter::Filter;

/// One line of ground truth.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Label {
    request_id: String,
    time: String,
    user_id: String,
    #[serde(default)]
    user_principal_name: String,
    #[serde(default)]
    tenant_id: String,
    credential_right: bool,
    malicious: bool,
    #[serde(default)]
    attack: String,
    #[serde(default)]
    campaign: String,
    #[serde(default)]
    imitates: bool,
    #[serde(default)]
    causes: Vec<String>,
}

/// A sign-in's id, hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SignInKey(u128);

impl SignInKey {
    pub fn new(request_id: &str) -> SignInKey {
        SignInKey(xxhash_rust::xxh3::xxh3_128(request_id.as_bytes()))
    }
}

/// A malicious sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttackSignIn {
    pub time: EventTime,
    pub key: SignInKey,
    /// The account; its name where there is no such account.
    pub user_id: String,
    /// The first factor was right, or a token stood for it.
    pub credential_right: bool,
    /// The attacker copies the victim's network, city and browser.
    pub imitates: bool,
}

/// One attacker's doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    pub id: String,
    /// The kind of attack.
    pub attack: String,
    /// By time, then key.
    pub sign_ins: Vec<AttackSignIn>,
}

impl Campaign {
    /// Sign-ins with a right credential.
    pub fn right(&self) -> impl Iterator<Item = &AttackSignIn> {
        self.sign_ins.iter().filter(|sign_in| sign_in.credential_right)
    }

    /// The attacker had something to lose: a right credential.
    pub fn had_access(&self) -> bool {
        self.right().next().is_some()
    }

    /// Every sign-in with a right credential copies the victim's network, city and browser.
    pub fn imitates(&self) -> bool {
        self.had_access() && self.right().all(|sign_in| sign_in.imitates)
    }
}

/// What a sign-in was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TruthOf<'a> {
    Malicious {
        /// Index among [`Truth::campaigns`].
        campaign: usize,
        /// Index among the campaign's sign-ins.
        sign_in: usize,
    },
    Legitimate {
        causes: &'a [String],
        /// Index among [`Truth::cause_sets`].
        cause_set: usize,
        credential_right: bool,
    },
    /// An attacker's that is not counted: of a campaign that began during warm-up, or not asked for.
    LeftOut,
}

/// What becomes of a labelled sign-in when a part is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Kept,
    /// The filter leaves it out.
    Filtered,
    /// Its campaign began before the part that is asked for.
    BegunBefore,
}

/// What a detection that was not withdrawn is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About<'a> {
    /// A user as a whole.
    NoSignIn,
    /// In the warm-up, or of a campaign that began in it.
    LeftOut,
    Attack {
        campaign: usize,
        sign_in: usize,
    },
    /// A legitimate sign-in that looks wrong because it is compared with the attacker's.
    Echo,
    Owner {
        causes: &'a [String],
        cause_set: usize,
    },
}

#[derive(Clone, Copy)]
enum Number {
    Attack { campaign: u32, sign_in: u32 },
    Owner { cause_set: u32, credential_right: bool },
    LeftOut,
    Filtered { malicious: bool },
    BegunBefore,
}

/// All labels.
pub struct Truth {
    sign_ins: HashMap<SignInKey, Number>,
    campaigns: Vec<Campaign>,
    /// Every set of causes that occurs, once; the first is empty.
    cause_sets: Vec<Vec<String>>,
    /// End of the warm-up.
    counted_from: EventTime,
    labels: u64,
    /// Campaigns that go on in the part that is asked for, and began before.
    begun_before: u64,
}

impl Truth {
    /// Reads labels, one JSON object a line. Errors name the line.
    pub fn read(labels: impl BufRead, warm_up_days: u32) -> anyhow::Result<Truth> {
        Truth::read_part(labels, warm_up_days, Cut { filter: &Filter::default(), people: &People::default() })
    }

    /// As [`Self::read`], of the part that is asked for: the warm-up begins with its first label.
    pub fn read_part(labels: impl BufRead, warm_up_days: u32, cut: Cut<'_>) -> anyhow::Result<Truth> {
        let mut truth = Truth {
            sign_ins: HashMap::new(),
            campaigns: Vec::new(),
            cause_sets: vec![Vec::new()],
            counted_from: EventTime::MIN,
            labels: 0,
            begun_before: 0,
        };
        let mut begun_before = HashSet::new();
        let mut campaign_index = HashMap::new();
        let mut cause_index = HashMap::from([(String::new(), 0)]);
        let mut first_owner: Option<EventTime> = None;
        for (line, number) in labels.lines().zip(1u64..) {
            let line = line.context("cannot read the labels")?;
            let failed = || format!("line {number} of the labels is not a label");
            let label: Label = serde_json::from_str(&line).with_context(failed)?;
            let time = event_time(&label.time).with_context(failed)?;
            truth.labels += 1;
            if label.malicious && time < cut.filter.from {
                begun_before.insert(label.campaign.clone());
            }
            let user = (label.user_id.as_str(), label.user_principal_name.as_str());
            let cause = cut.leaves_out_label(time, &label.tenant_id, user);
            if cause.with_context(|| format!("line {number} of the labels"))?.is_some() {
                let number = Number::Filtered { malicious: label.malicious };
                truth.number(&label.request_id, number).with_context(failed)?;
                continue;
            }
            if !label.malicious {
                first_owner = Some(first_owner.map_or(time, |first| first.min(time)));
            }
            truth.take(label, time, &mut campaign_index, &mut cause_index).with_context(failed)?;
        }
        truth.leave_out_campaigns(&begun_before);
        truth.warm_up(first_owner, warm_up_days);
        truth.number_campaigns();
        Ok(truth)
    }

    /// Leaves out campaigns that began before the part that is asked for: what was seen of them earlier, and by whom, is not
    /// in it.
    fn leave_out_campaigns(&mut self, begun_before: &HashSet<String>) {
        let sign_ins = &mut self.sign_ins;
        self.campaigns.retain(|campaign| {
            let is_left_out = begun_before.contains(&campaign.id);
            if is_left_out {
                self.begun_before += 1;
                let keys = campaign.sign_ins.iter().map(|sign_in| sign_in.key);
                sign_ins.extend(keys.map(|key| (key, Number::BegunBefore)));
            }
            !is_left_out
        });
    }

    fn warm_up(&mut self, first_owner: Option<EventTime>, days: u32) {
        let attackers = self.campaigns.iter().flat_map(|campaign| &campaign.sign_ins).map(|sign_in| sign_in.time);
        if let Some(first) = attackers.chain(first_owner).min().filter(|_| days > 0) {
            let day = i64::from(first.day()) + i64::from(days);
            self.counted_from = EventTime::from_seconds(day * SECONDS_PER_DAY);
        }
    }

    fn take(
        &mut self,
        label: Label,
        time: EventTime,
        campaign_index: &mut HashMap<String, usize>,
        cause_index: &mut HashMap<String, usize>,
    ) -> anyhow::Result<()> {
        let number = if label.malicious {
            let key = SignInKey::new(&label.request_id);
            let Label { campaign, attack, user_id, user_principal_name, credential_right, imitates, .. } = label;
            let user_id = if user_id.is_empty() { user_principal_name } else { user_id };
            let make = || Campaign { id: campaign.clone(), attack, sign_ins: Vec::new() };
            let at = intern(campaign_index, &mut self.campaigns, &campaign, make);
            let sign_in = AttackSignIn { time, key, user_id, credential_right, imitates };
            self.campaigns[at].sign_ins.push(sign_in);
            // Its number follows when all are known and sorted.
            Number::LeftOut
        } else {
            let words = label.causes.join(",");
            let cause_set = intern(cause_index, &mut self.cause_sets, &words, || label.causes);
            Number::Owner { cause_set: u32::try_from(cause_set)?, credential_right: label.credential_right }
        };
        self.number(&label.request_id, number)
    }

    fn number(&mut self, request_id: &str, number: Number) -> anyhow::Result<()> {
        if self.sign_ins.insert(SignInKey::new(request_id), number).is_some() {
            bail!("`{request_id}` has a label already");
        }
        Ok(())
    }

    /// Leaves campaigns out that began in the warm-up, and numbers the sign-ins of the others.
    fn number_campaigns(&mut self) {
        for campaign in &mut self.campaigns {
            campaign.sign_ins.sort_by_key(|sign_in| (sign_in.time, sign_in.key));
        }
        let from = self.counted_from;
        self.campaigns.retain(|campaign| campaign.sign_ins.iter().all(|sign_in| sign_in.time >= from));
        for (campaign, number) in self.campaigns.iter().zip(0u32..) {
            for (sign_in, index) in campaign.sign_ins.iter().zip(0u32..) {
                self.sign_ins.insert(sign_in.key, Number::Attack { campaign: number, sign_in: index });
            }
        }
    }

    /// In order of their first label.
    pub fn campaigns(&self) -> &[Campaign] {
        &self.campaigns
    }

    pub fn cause_sets(&self) -> &[Vec<String>] {
        &self.cause_sets
    }

    /// Labels that are left out of the part that is asked for.
    pub fn left_out(&self) -> Share {
        let is_left_out = |number: &&Number| matches!(number, Number::Filtered { .. } | Number::BegunBefore);
        Share { count: self.sign_ins.values().filter(is_left_out).count() as u64, all: self.labels }
    }

    /// Campaigns that go on in the part that is asked for, and are left out as they began before.
    pub fn begun_before(&self) -> u64 {
        self.begun_before
    }

    /// What becomes of a sign-in; `None` without a label.
    pub fn fate(&self, key: SignInKey) -> Option<Fate> {
        self.sign_ins.get(&key).map(|number| match number {
            Number::Attack { .. } | Number::Owner { .. } | Number::LeftOut => Fate::Kept,
            Number::Filtered { .. } => Fate::Filtered,
            Number::BegunBefore => Fate::BegunBefore,
        })
    }

    /// Is something about an owner's sign-in that is compared with an attacker's, and that is not in the part that is asked
    /// for? It is no false alert, and no echo of an attack that is counted.
    pub fn is_absent_echo(&self, request: &str, reference: &str) -> bool {
        let of = |id: &str| self.sign_ins.get(&SignInKey::new(id));
        let is_attack = matches!(of(request), Some(Number::Attack { .. } | Number::LeftOut));
        let is_absent = matches!(of(reference), Some(Number::Filtered { malicious: true } | Number::BegunBefore));
        is_absent && !is_attack && !request.is_empty()
    }

    /// What came before is warm-up.
    pub fn counted_from(&self) -> EventTime {
        self.counted_from
    }

    pub fn of(&self, key: SignInKey) -> TruthOf<'_> {
        match self.sign_ins.get(&key) {
            Some(Number::Attack { campaign, sign_in }) => {
                TruthOf::Malicious { campaign: *campaign as usize, sign_in: *sign_in as usize }
            }
            Some(Number::Owner { cause_set, credential_right }) => TruthOf::Legitimate {
                causes: &self.cause_sets[*cause_set as usize],
                cause_set: *cause_set as usize,
                credential_right: *credential_right,
            },
            Some(Number::LeftOut | Number::BegunBefore | Number::Filtered { malicious: true }) => TruthOf::LeftOut,
            Some(Number::Filtered { malicious: false }) | None => {
                TruthOf::Legitimate { causes: &[], cause_set: 0, credential_right: true }
            }
        }
    }

    /// What an alert is about.
    pub fn about(&self, alert: &Alert) -> About<'_> {
        let Some(request) = &alert.request_id else { return About::NoSignIn };
        let reference = alert.reference_id.as_deref().map(SignInKey::new);
        self.about_sign_in(SignInKey::new(request), alert.time, reference)
    }

    /// What a detector's word on a sign-in, compared with another, is about.
    pub fn about_sign_in(&self, key: SignInKey, time: EventTime, reference: Option<SignInKey>) -> About<'_> {
        match self.of(key) {
            TruthOf::LeftOut => About::LeftOut,
            _ if time < self.counted_from => About::LeftOut,
            TruthOf::Malicious { campaign, sign_in } => About::Attack { campaign, sign_in },
            TruthOf::Legitimate { causes, cause_set, .. } => match reference.map(|reference| self.of(reference)) {
                Some(TruthOf::Malicious { .. } | TruthOf::LeftOut) => About::Echo,
                _ => About::Owner { causes, cause_set },
            },
        }
    }
}

/// RFC 3339.
pub(super) fn event_time(text: &str) -> anyhow::Result<EventTime> {
    let timestamp: jiff::Timestamp = text.parse().with_context(|| format!("`{text}` is not a time"))?;
    Ok(EventTime(i64::try_from(timestamp.as_nanosecond())?))
}
