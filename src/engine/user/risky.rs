//! (a user's risk before an item, the record after it) → a [`RiskyUser`] when the risk changed.
//!
//! One item gives one entry at most, however many detections it opened, closed or withdrew. Where the risk is gone
//! because a late sign-in explained it, the entry says so; a user of whom nobody heard yet gets none for nothing.

use super::record::{Identity, UserRecord};
use super::tail::TailEntry;
use crate::engine::finding::RiskDetail;
use crate::engine::hash::UserKey;
use crate::engine::out::{Out, RiskyUser};
use crate::engine::risk::user::UserRisk;
use crate::engine::signin::EventTime;

impl UserRecord {
    /// Appends the user's risk to `out` if it is no longer `before`. `ids` are the tenant's and the user's.
    pub fn report_risk(
        &mut self,
        before: &UserRisk,
        key: UserKey,
        ids: Option<(&str, &str)>,
        position: u64,
        out: &mut Out,
    ) {
        let mut risk = self.current.user_risk();
        if let (None, Some((tenant_id, user_id)), Some(_)) = (&self.identity, ids, risk.changed) {
            let identity = Identity { tenant_id: tenant_id.into(), user_id: user_id.into() };
            self.identity = Some(Box::new(identity));
        }
        if risk != *before {
            let known = self.identity.as_ref().map(|known| (known.tenant_id.as_ref(), known.user_id.as_ref()));
            // State of version 1 has no ids: its users are told of at their next event.
            if let Some((tenant_id, user_id)) = ids.or(known) {
                let updated_time = risk.changed.unwrap_or_else(|| self.newest_event_time());
                if risk.changed.is_none() {
                    risk.detail = RiskDetail::AiConfirmedSigninSafe;
                }
                let (user_principal_name, user_display_name) = self.names();
                out.risky_users.push(RiskyUser {
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
        if self.current.risk_file.is_none() {
            self.identity = None;
        }
    }

    /// Principal and display name, as far as known.
    pub fn names(&self) -> (String, String) {
        if let Some(file) = &self.current.risk_file {
            return (file.user_principal_name.to_string(), file.user_display_name.to_string());
        }
        let named = self.tail.iter().rev().find_map(|entry| match entry {
            TailEntry::SignIn(sign_in) => Some(sign_in.text()).filter(|text| !text.user_principal_name.is_empty()),
            TailEntry::Feedback(_) => None,
        });
        named.map_or_else(Default::default, |text| {
            (text.user_principal_name.to_owned(), text.user_display_name.to_owned())
        })
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
        let at_risk = UserRisk {
            level: RiskLevel::Low,
            state: RiskState::AtRisk,
            open_detections: 1,
            changed: Some(EventTime::from_seconds(5)),
            ..UserRisk::default()
        };
        let mut record = UserRecord::default();
        record.current.newest = Some((EventTime::from_seconds(9), 1));
        let mut out = Out::default();
        record.report_risk(&at_risk, UserKey(1), Some(("tenant", "user")), 4, &mut out);
        record.report_risk(&UserRisk::default(), UserKey(1), Some(("tenant", "user")), 5, &mut out);
        let told: Vec<_> = out
            .risky_users
            .iter()
            .map(|told| (told.risk.state, told.risk.level, told.risk.detail, told.updated_time, told.position))
            .collect();
        let at = EventTime::from_seconds(9);
        assert_eq!(told, [(RiskState::None, RiskLevel::None, RiskDetail::AiConfirmedSigninSafe, at, 4)]);
        assert_eq!(record.identity, None);
    }
}
