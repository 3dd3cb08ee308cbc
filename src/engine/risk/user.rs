//! Open detections of a user → the risk of the user as a whole (Graph `riskyUser`).
//!
//! The level is the highest of the open detections, one step higher when two independent families reach it, and high
//! once somebody confirmed the user compromised. Low detections age out after [`LOW_AGES_OUT_DAYS`] of event time;
//! medium and high ones stay until feedback closes them. All of it is part of the fold over the user's events in
//! event order, so neither the order of arrival nor the time of settling changes it.

use serde::{Deserialize, Serialize};

use crate::engine::finding::{RiskDetail, RiskEventType, RiskLevel, RiskState};
use crate::engine::signin::{AccountState, EventTime, Outcome, SECONDS_PER_DAY};
use crate::engine::user::tail::TailEntry;
use crate::engine::user::{OpenRisk, UserState};

/// Days of event time after which a low detection that nobody confirmed is risk no more. Entra ID Protection says six
/// months.
pub const LOW_AGES_OUT_DAYS: i64 = 180;

/// A user's risk as a whole. Its default is that of a user who never had any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRisk {
    pub level: RiskLevel,
    pub state: RiskState,
    pub detail: RiskDetail,
    /// Detections at risk or confirmed compromised.
    pub open_detections: u32,
    /// The provider says that the account was deleted.
    pub is_deleted: bool,
    /// Event time of what changed it last; `None` = there never was any risk.
    pub changed: Option<EventTime>,
}

impl Default for UserRisk {
    fn default() -> UserRisk {
        UserRisk {
            level: RiskLevel::None,
            state: RiskState::None,
            detail: RiskDetail::None,
            open_detections: 0,
            is_deleted: false,
            changed: None,
        }
    }
}

/// What the fold remembers of a user who had risk, beside the open detections.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskFile {
    /// Event time of what changed the user's risk last.
    pub changed: EventTime,
    pub is_deleted: bool,
    /// How feedback last closed a detection.
    pub closed_as: (RiskState, RiskDetail),
    /// Of the newest sign-in that could carry risk, or before the first of an upstream finding; empty = none named it.
    pub user_principal_name: Box<str>,
    pub user_display_name: Box<str>,
}

impl RiskFile {
    /// The file of a user whose open detections are all that is known.
    pub fn of(open: &[OpenRisk]) -> Option<Box<RiskFile>> {
        let changed = open.iter().map(|risk| risk.time).max()?;
        let closed = open.iter().rev().find(|risk| !risk.is_open());
        let closed_as = closed.map_or((RiskState::None, RiskDetail::None), |risk| (risk.state, risk.detail));
        let name = || Box::<str>::default();
        Some(Box::new(RiskFile {
            changed,
            is_deleted: false,
            closed_as,
            user_principal_name: name(),
            user_display_name: name(),
        }))
    }
}

/// Low, and nobody has said anything about it.
fn ages(risk: &OpenRisk) -> bool {
    risk.level == RiskLevel::Low && risk.state == RiskState::AtRisk
}

fn aged_at(risk: &OpenRisk) -> EventTime {
    risk.time.plus_seconds(LOW_AGES_OUT_DAYS * SECONDS_PER_DAY)
}

/// Numbers that [`family`] gives.
const FAMILIES: usize = 6;

/// Kinds that draw on evidence of one sort. Three travel detections about one journey are one witness, and so are two
/// lists with one address; the place, the sum of all properties and a list are three. A list knows nothing of the
/// user, and the sum of properties has weights of its own for each property, so that no place alone makes it medium.
fn family(kind: RiskEventType) -> Option<usize> {
    match kind {
        RiskEventType::ImpossibleTravel | RiskEventType::UnlikelyTravel | RiskEventType::NewCountry => Some(0),
        RiskEventType::UnfamiliarFeatures => Some(1),
        RiskEventType::AnonymizedIpAddress
        | RiskEventType::MaliciousIpAddress
        | RiskEventType::NationStateIp
        | RiskEventType::RiskyIpAddress => Some(2),
        // What others' accounts saw of the same source.
        RiskEventType::PasswordSpray | RiskEventType::SuspiciousBrowser => Some(3),
        // What became of a session or a token.
        RiskEventType::AnomalousToken | RiskEventType::TokenIssuerAnomaly | RiskEventType::AttackerInTheMiddle => {
            Some(4)
        }
        // What the owner did at the second factor.
        RiskEventType::UserReportedSuspiciousActivity | RiskEventType::MfaFatigue => Some(5),
        // Nothing is known of what another product's risk of no other name rests on.
        RiskEventType::AdminConfirmedUserCompromised
        | RiskEventType::LeakedCredentials
        | RiskEventType::Generic => None,
    }
}

/// The level of several open detections together.
fn level_of<'a>(open: impl Iterator<Item = &'a OpenRisk>) -> RiskLevel {
    let mut families = [RiskLevel::None; FAMILIES];
    let mut highest = RiskLevel::None;
    for risk in open {
        highest = highest.max(risk.level);
        if let Some(family) = family(risk.kind) {
            families[family] = families[family].max(risk.level);
        }
    }
    let agreeing = families.into_iter().filter(|level| *level == highest).count();
    if highest > RiskLevel::None && agreeing >= 2 { highest.raised() } else { highest }
}

impl UserState {
    /// The user's risk as of the events folded in.
    pub fn user_risk(&self) -> UserRisk {
        let Some(file) = &self.risk_file else { return UserRisk::default() };
        let open = || self.open.iter().filter(|risk| risk.is_open());
        let compromised = open().rev().find(|risk| risk.state == RiskState::ConfirmedCompromised);
        let open_detections = open().count() as u32 - self.told_twice();
        let (level, state, detail) = match (compromised, open_detections) {
            (Some(risk), _) => (RiskLevel::High, risk.state, risk.detail),
            (None, 0) => (RiskLevel::None, file.closed_as.0, file.closed_as.1),
            (None, _) => (level_of(open()), RiskState::AtRisk, RiskDetail::None),
        };
        let (is_deleted, changed) = (file.is_deleted, Some(file.changed));
        UserRisk { level, state, detail, open_detections, is_deleted, changed }
    }

    /// Open upstream findings of which another open detection says the same, ours or that of an earlier one. The level
    /// takes no notice of them: they are of one family.
    fn told_twice(&self) -> u32 {
        let mut count = 0;
        for (index, risk) in
            self.open.iter().enumerate().filter(|(_, risk)| risk.reported.is_some() && risk.is_open())
        {
            let tells_the_same = |(other_index, other): (usize, &OpenRisk)| {
                let is_first = other.reported.is_none() || other_index < index;
                is_first && other.is_open() && other.is_same(risk.event, risk.kind)
            };
            count += u32::from(self.open.iter().enumerate().any(tells_the_same));
        }
        count
    }

    /// Whether time alone will change the user's risk.
    pub fn risk_ages(&self) -> bool {
        self.open.iter().any(ages)
    }

    /// Lets go of low detections that are too old at `time`, the oldest first: each when its own time was over.
    pub fn age_risks(&mut self, time: EventTime) {
        while let Some(index) = self.next_aged(time) {
            let before = self.user_risk();
            let aged_at = aged_at(&self.open.remove(index));
            self.note_risk_change(&before, aged_at);
        }
        for file in &mut self.shadows {
            file.open.retain(|risk| !ages(risk) || self::aged_at(risk) > time);
        }
        self.shadows.retain(|file| !file.open.is_empty());
    }

    fn next_aged(&self, time: EventTime) -> Option<usize> {
        let aged = self.open.iter().enumerate().filter(|(_, risk)| ages(risk) && aged_at(risk) <= time);
        aged.min_by_key(|(index, risk)| (risk.time, *index)).map(|(index, _)| index)
    }

    /// Brings the file up to date after an entry was folded in. `before` is the risk before it.
    pub fn note_risk(&mut self, before: &UserRisk, entry: &TailEntry) {
        if self.risk_file.is_none() {
            // Of a user without open detections there is nothing to remember.
            self.risk_file = RiskFile::of(&self.open);
        }
        let Some(file) = &mut self.risk_file else { return };
        if let TailEntry::SignIn(sign_in) = entry {
            match (sign_in.facts.account, sign_in.facts.outcome) {
                (AccountState::Deleted, _) => file.is_deleted = true,
                (_, Outcome::Success) => file.is_deleted = false,
                _ => {}
            }
            let [principal, display] = sign_in.names();
            for (known, name) in
                [(&mut file.user_principal_name, principal), (&mut file.user_display_name, display)]
            {
                if !name.is_empty() && known.as_ref() != name {
                    *known = name.into();
                }
            }
        }
        if let TailEntry::UpstreamFinding(finding) = entry
            && file.user_principal_name.is_empty()
        {
            // No sign-in named the user yet.
            file.user_principal_name.clone_from(&finding.user_principal_name);
        }
        self.note_risk_change(before, entry.order().0);
    }

    fn note_risk_change(&mut self, before: &UserRisk, time: EventTime) {
        let after = self.user_risk();
        if let Some(file) = &mut self.risk_file
            && (UserRisk { changed: before.changed, ..after }) != *before
        {
            file.changed = time;
        }
    }

    /// Adds an open detection. Where there is no room the oldest closed one goes, or the oldest of the lowest.
    pub(super) fn push_risk(&mut self, risk: OpenRisk) {
        if self.open.len() >= crate::engine::user::OPEN_RISKS_MAX {
            let rank = |risk: &OpenRisk| if risk.is_open() { risk.level } else { RiskLevel::None };
            let first = self.open.iter().enumerate().min_by_key(|(index, risk)| (rank(risk), *index));
            if let Some(index) = first.map(|(index, _)| index) {
                self.open.remove(index);
            }
        }
        self.open.push(risk);
    }
}
