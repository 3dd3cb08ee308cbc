//! Users' risk at the end of a replay: the last version of each user, ordered by tenant id and user id.
//!
//! Left out are users who never had risk in event order: whose every detection was withdrawn. So what is written depends
//! neither on the order of arrival within the horizon nor on how the input was cut up.

use std::collections::BTreeMap;

use crate::engine::out::RiskyUser;

/// The newest version of each user, by tenant id and user id. It holds no more users than the engine remembers, unless
/// users with risk were forgotten.
#[derive(Default)]
pub struct RiskyUsers(BTreeMap<(String, String), RiskyUser>);

impl RiskyUsers {
    /// Takes versions; of one user in their order.
    pub fn take(&mut self, versions: impl IntoIterator<Item = RiskyUser>) {
        for version in versions {
            let key = (version.tenant_id.clone(), version.user_id.clone());
            if version.risk.changed.is_none() {
                self.0.remove(&key);
            } else {
                self.0.insert(key, version);
            }
        }
    }

    pub fn in_order(&self) -> impl Iterator<Item = &RiskyUser> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::hash::UserKey;
    use crate::engine::risk::user::UserRisk;
    use crate::engine::signin::EventTime;

    fn version(tenant: &str, user: &str, changed: Option<i64>) -> RiskyUser {
        let changed = changed.map(EventTime::from_seconds);
        RiskyUser {
            key: UserKey::new(tenant, user),
            tenant_id: tenant.into(),
            user_id: user.into(),
            user_principal_name: String::new(),
            user_display_name: String::new(),
            risk: UserRisk { changed, ..UserRisk::default() },
            updated_time: changed.unwrap_or(EventTime::MIN),
            position: 0,
        }
    }

    #[test]
    fn the_last_version_of_each_user_stays_in_order() {
        let mut users = RiskyUsers::default();
        users.take([version("b", "a", Some(1)), version("a", "z", Some(1)), version("b", "a", Some(3))]);
        users.take([version("a", "b", Some(2)), version("c", "c", Some(2)), version("c", "c", None)]);
        let found: Vec<_> = users
            .in_order()
            .map(|user| (user.tenant_id.as_str(), user.user_id.as_str(), user.updated_time))
            .collect();
        let at = EventTime::from_seconds;
        assert_eq!(found, [("a", "b", at(2)), ("a", "z", at(1)), ("b", "a", at(3))]);
        users.take([version("a", "b", None), version("a", "b", Some(9))]);
        assert_eq!(users.in_order().map(|user| user.updated_time).max(), Some(at(9)), "risk may come back");
    }
}
