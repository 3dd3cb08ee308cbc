//! (a user's risk before an item, the record after it) → a [`RiskyUser`] when the risk, or a name, changed.
//!
//! One item gives one entry at most, however many detections it opened, closed or withdrew. Where the risk is gone
//! because a late sign-in explained it, the entry says so; a user of whom nobody heard yet gets none for nothing.

use super::record::{Identity, UserRecord};
use super::tail::TailEntry;
use crate::engine::finding::RiskDetail;
use crate::engine::hash::UserKey;
use crate::engine::out::RiskyUser;
use crate::engine::risk::user::UserRisk;
use crate::engine::signin::EventTime;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What a reader was told of a user's risk: the risk, and a hash of the names beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Told {
    pub risk: UserRisk,
    names: u64,
}

impl UserRecord {
    /// What was told of the user if all that changed was reported.
    pub fn told(&self) -> Told {
        let names = self.current.risk_file.as_ref().map_or(0, |file| {
            // Names have an end: two texts never look like two others.
            let principal = xxh3_64_with_seed(file.user_principal_name.as_bytes(), 0);
            xxh3_64_with_seed(file.user_display_name.as_bytes(), principal)
        });
        Told { risk: self.current.user_risk(), names }
    }

    /// The user's risk if it, or a name, is no longer as `before`. `ids` are the tenant's and the user's.
    pub fn report_risk(
        &mut self,
        before: &Told,
        key: UserKey,
        ids: Option<(&str, &str)>,
        position: u64,
    ) -> Option<RiskyUser> {
        let mut changed = None;
        let now = self.told();
        let mut risk = now.risk;
        if let (None, Some((tenant_id, user_id))) = (&self.identity, ids)
            && self.may_be_told()
        {
            // Two allocations for each user that becomes active: a review has no record that names him.
            let identity = Identity { tenant_id: tenant_id.into(), user_id: user_id.into() };
            self.identity = Some(Box::new(identity));
        }
        if now != *before {
            let known = self.identity.as_ref().map(|known| (known.tenant_id.as_ref(), known.user_id.as_ref()));
            // State of version 1 has no ids: its users are told of at their next event.
            if let Some((tenant_id, user_id)) = ids.or(known) {
                let updated_time = risk.changed.unwrap_or_else(|| self.newest_event_time());
                if risk.changed.is_none() {
                    risk.detail = RiskDetail::AiConfirmedSigninSafe;
                }
                let (user_principal_name, user_display_name) = self.names();
                changed = Some(RiskyUser {
                    key,
                    tenant_id: tenant_id.to_owned(),
                    user_id: user_id.to_owned(),
                    user_principal_name,
                    user_display_name,
                    risk,
                    updated_time,
                    position,
                });
            }
        }
        if !self.may_be_told() {
            self.identity = None;
        }
        changed
    }

    /// Principal and display name, as far as known.
    pub fn names(&self) -> (String, String) {
        if let Some(file) = &self.current.risk_file {
            return (file.user_principal_name.to_string(), file.user_display_name.to_string());
        }
        let named = self.tail.iter().rev().find_map(|entry| match entry {
            TailEntry::SignIn(sign_in) => Some(sign_in.names()).filter(|[principal, _]| !principal.is_empty()),
            TailEntry::Feedback(_) | TailEntry::UpstreamFinding(_) => None,
        });
        named.map_or_else(Default::default, |[principal, display]| (principal.to_owned(), display.to_owned()))
    }

    fn newest_event_time(&self) -> EventTime {
        self.current.newest.map_or(EventTime::MIN, |newest| newest.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::finding::{RiskLevel, RiskState};

    /// A late sign-in explained all: the entry says so, once, and nothing of the user is kept.
    #[test]
    fn risk_withdrawn_as_a_whole_is_told_once() {
        let risk = UserRisk {
            level: RiskLevel::Low,
            state: RiskState::AtRisk,
            open_detections: 1,
            changed: Some(EventTime::from_seconds(5)),
            ..UserRisk::default()
        };
        let at_risk = Told { risk, names: 7 };
        let mut record = UserRecord::default();
        record.current.newest = Some((EventTime::from_seconds(9), 1));
        let first = record.report_risk(&at_risk, UserKey(1), Some(("tenant", "user")), 4);
        let second = record.report_risk(&Told::default(), UserKey(1), Some(("tenant", "user")), 5);
        let told: Vec<_> = [first, second]
            .iter()
            .flatten()
            .map(|told| (told.risk.state, told.risk.level, told.risk.detail, told.updated_time, told.position))
            .collect();
        let at = EventTime::from_seconds(9);
        assert_eq!(told, [(RiskState::None, RiskLevel::None, RiskDetail::AiConfirmedSigninSafe, at, 4)]);
        assert_eq!(record.identity, None);
    }
}
