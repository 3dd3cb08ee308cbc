//! Which of the decoded items are judged: those of a stretch of time, of some users, of a tenant.
//!
//! Items are left out after decoding and before enrichment, each for the first cause that holds, and counted by it. What
//! is left out teaches nothing either: the engine sees a log that never had it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use serde::{Deserialize, Serialize};

use crate::engine::decode::Decoded;
use crate::engine::signin::{EventTime, ID_LENGTH_MAX};

/// Users in one filter. A longer list is refused.
pub const USERS_MAX: usize = 1_000_000;

/// Why an item is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LeftOut {
    OutsideTime,
    OtherTenant,
    OtherUser,
}

impl LeftOut {
    pub fn name(self) -> &'static str {
        match self {
            LeftOut::OutsideTime => "outsideTime",
            LeftOut::OtherTenant => "otherTenant",
            LeftOut::OtherUser => "otherUser",
        }
    }
}

/// Its default leaves nothing out.
#[derive(Debug)]
pub struct Filter {
    /// The first time that is judged, and the first behind it that is not.
    pub from: EventTime,
    pub to: EventTime,
    /// As written; compared without regard to case.
    pub tenant: Option<String>,
    pub users: Option<Users>,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter { from: EventTime::MIN, to: EventTime::MAX, tenant: None, users: None }
    }
}

impl Filter {
    pub fn leaves_out_anything(&self) -> bool {
        self.from > EventTime::MIN || self.to < EventTime::MAX || self.leaves_out_users()
    }

    /// Does the organisation consist of fewer users than the log has?
    pub fn leaves_out_users(&self) -> bool {
        self.tenant.is_some() || self.users.is_some()
    }

    /// Why this is not judged; `None` when it is, and for what is no item.
    pub fn leaves_out(&self, decoded: &Decoded<'_>) -> Option<LeftOut> {
        let (time, tenant, id, name) = match decoded {
            Decoded::SignIn(it) => (it.event_time, &it.tenant_id, &it.user_id, &it.user_principal_name),
            Decoded::Feedback(it) => (it.event_time, &it.tenant_id, &it.user_id, &it.user_principal_name),
            Decoded::UpstreamFinding(it) => (it.event_time, &it.tenant_id, &it.user_id, &it.user_principal_name),
            Decoded::Skipped(_) => return None,
        };
        self.leaves_out_event(time, tenant, (id, name))
    }

    /// The same of whatever has a time, a tenant and a user: id and principal name.
    pub fn leaves_out_event(&self, time: EventTime, tenant: &str, (id, name): (&str, &str)) -> Option<LeftOut> {
        if time < self.from || time >= self.to {
            return Some(LeftOut::OutsideTime);
        }
        if self.tenant.as_ref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(tenant)) {
            return Some(LeftOut::OtherTenant);
        }
        self.users.as_ref().is_some_and(|users| !users.has(id, name)).then_some(LeftOut::OtherUser)
    }

    /// Users that were asked for and had no event, in order.
    pub fn unseen_users(&self) -> Vec<String> {
        self.users.as_ref().map(Users::unseen).unwrap_or_default()
    }
}

/// What is asked for, the same for the same.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.from, self.to, self.tenant)?;
        let mut names: Vec<&str> =
            self.users.iter().flat_map(|users| users.0.keys()).map(|name| &**name).collect();
        names.sort_unstable();
        names.iter().try_for_each(|name| write!(f, " {name:?}"))
    }
}

/// Users by id or principal name, in any case, and whether one had an event.
#[derive(Debug, Default)]
pub struct Users(HashMap<Box<str>, AtomicBool>);

impl Users {
    pub fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> anyhow::Result<Users> {
        let mut users = HashMap::new();
        for name in names {
            let name = name.as_ref().trim();
            if name.len() > ID_LENGTH_MAX {
                let head: String = name.chars().take(40).collect();
                bail!("`{head}…` has {} bytes, and the name of a user at most {ID_LENGTH_MAX}", name.len());
            }
            if !name.is_empty() {
                users.insert(name.to_lowercase().into_boxed_str(), AtomicBool::new(false));
            }
            if users.len() > USERS_MAX {
                bail!("more than {USERS_MAX} users are named");
            }
        }
        if users.is_empty() {
            bail!("no user is named");
        }
        Ok(Users(users))
    }

    fn has(&self, id: &str, principal_name: &str) -> bool {
        // Almost all are in lower case as they come.
        let find = |name: &str| match self.0.get(name) {
            None if name.chars().any(char::is_uppercase) => self.0.get(&*name.to_lowercase()),
            found => found,
        };
        let found = [find(id), find(principal_name)];
        for seen in found.into_iter().flatten().filter(|seen| !seen.load(Ordering::Relaxed)) {
            seen.store(true, Ordering::Relaxed);
        }
        found.iter().any(Option::is_some)
    }

    fn unseen(&self) -> Vec<String> {
        let unseen = self.0.iter().filter(|(_, seen)| !seen.load(Ordering::Relaxed));
        let mut names: Vec<String> = unseen.map(|(name, _)| name.to_string()).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::decode::{Decoder, Format};

    fn cause(filter: &Filter, tenant: &str, user: &str, time: &str) -> Option<LeftOut> {
        let record = format!(
            r#"{{"type":"feedback","tenantId":"{tenant}","userId":"{user}","userPrincipalName":"Ada@Example.com","id":"1",
            "time":"{time}","action":"dismiss"}}"#
        );
        let mut found = None;
        Decoder::new(Format::Auto).decode(record.as_bytes(), None, &mut |decoded| {
            found = Some(filter.leaves_out(&decoded.expect("a record")));
        });
        found.expect("an item")
    }

    fn time(text: &str) -> EventTime {
        let time: jiff::Timestamp = text.parse().expect("a time");
        EventTime::from_millis(time.as_millisecond())
    }

    #[test]
    fn the_first_cause_that_holds_is_told() {
        let (early, late) = ("2026-03-01T23:59:59Z", "2026-03-02T00:00:00Z");
        let all = Filter::default();
        assert_eq!((cause(&all, "T", "u", early), all.leaves_out_anything()), (None, false));
        let from = Filter { from: time(late), ..Filter::default() };
        assert_eq!([early, late].map(|at| cause(&from, "T", "u", at)), [Some(LeftOut::OutsideTime), None]);
        let to = Filter { to: time(late), ..Filter::default() };
        assert_eq!([early, late].map(|at| cause(&to, "T", "u", at)), [None, Some(LeftOut::OutsideTime)]);
        let tenant = Filter { tenant: Some("ABC".into()), ..to };
        assert_eq!(["abc", "abd"].map(|id| cause(&tenant, id, "u", early)), [None, Some(LeftOut::OtherTenant)]);
        assert_eq!(cause(&tenant, "abd", "u", late), Some(LeftOut::OutsideTime));
    }

    #[test]
    fn users_are_known_by_id_and_by_principal_name_in_any_case() {
        let at = "2026-03-02T00:00:00Z";
        let filter =
            |names: &[&str]| Filter { users: Some(Users::new(names).expect("users")), ..Filter::default() };
        let by_id = filter(&["U-1", "u-2"]);
        assert_eq!(
            ["u-1", "U-1", "u-3"].map(|id| cause(&by_id, "t", id, at)),
            [None, None, Some(LeftOut::OtherUser)]
        );
        assert_eq!(by_id.unseen_users(), ["u-2"]);
        let by_name = filter(&[" ada@EXAMPLE.com "]);
        assert_eq!(cause(&by_name, "t", "u-3", at), None);
        assert!(by_name.unseen_users().is_empty());
    }

    #[test]
    fn lists_are_bounded() {
        let told = |names: Vec<String>| Users::new(names).expect_err("refused").to_string();
        assert_eq!(told(vec![String::new()]), "no user is named");
        assert!(told(vec!["x".repeat(ID_LENGTH_MAX + 1)]).contains("and the name of a user at most"));
        let names = |count: usize| (0..count).map(|number| number.to_string());
        assert!(Users::new(names(USERS_MAX)).is_ok());
        assert!(told(names(USERS_MAX + 1).collect()).contains("more than 1000000 users"));
    }
}
