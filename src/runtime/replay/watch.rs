//! Which sign-ins of a replay are to be explained, and what was found of them.
//!
//! A sign-in is explained between its review, when all that counts in its verdict is known, and its settling, when its place
//! in the user's history is forgotten.

use std::collections::BTreeMap;

use super::round::Round;
use crate::engine::facts::Item;
use crate::engine::hash::UserKey;
use crate::engine::signin::EventTime;
use crate::engine::user::event_hash;
use crate::engine::user::explain::{Explained, SignInNames};
use crate::engine::user::record::UserRecord;
use crate::engine::user::tail::{SignInText, TailEntry};

/// Whose sign-ins are looked for.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// The one with this id.
    SignIn(String),
    /// The newest of a user, by id or principal name in lower case, up to a time.
    User { name: String, until: EventTime },
}

/// What was looked for, and found.
#[derive(Debug)]
pub struct Watch {
    wanted: Wanted,
    /// Sign-ins that wait for their review: when, whose and which.
    waiting: BTreeMap<(EventTime, u64), (UserKey, SignInNames)>,
    /// The newest that was explained, and its names.
    pub explained: Option<Box<Explained>>,
    pub names: SignInNames,
    /// Sign-ins that were wanted.
    pub seen: u64,
}

impl Watch {
    /// The id of the one sign-in that is looked for.
    pub fn sought(&self) -> Option<&str> {
        match &self.wanted {
            Wanted::SignIn(id) => Some(id),
            Wanted::User { .. } => None,
        }
    }

    pub fn new(wanted: Wanted) -> Watch {
        Watch { wanted, waiting: BTreeMap::new(), explained: None, names: SignInNames::default(), seen: 0 }
    }

    /// Is there nothing more to look for, with all before `ripe` explained?
    pub fn is_done(&self, ripe: EventTime) -> bool {
        match &self.wanted {
            Wanted::SignIn(_) => self.explained.is_some(),
            Wanted::User { until, .. } => self.waiting.is_empty() && *until < ripe,
        }
    }

    /// Notes what is wanted of a round that was stepped.
    pub fn look(&mut self, round: &Round) {
        for item in round.items() {
            let Item::SignIn(prepared) = item else { continue };
            let (sign_in, facts) = (&prepared.sign_in, &prepared.facts);
            let is_wanted = match &self.wanted {
                Wanted::SignIn(id) => *id == *sign_in.event_id,
                Wanted::User { name, until } => {
                    let is_theirs =
                        sign_in.user_id.to_lowercase() == *name || *sign_in.user_principal_name == **name;
                    is_theirs && facts.time <= *until
                }
            };
            if is_wanted {
                self.seen += 1;
                let key = (facts.time, event_hash(&sign_in.event_id));
                let mut names = SignInNames::of(&SignInText::of(prepared));
                names.user_id = sign_in.user_id.to_string();
                self.waiting.insert(key, (prepared.user, names));
            }
        }
    }

    /// Notes what is wanted of the tail of a user who comes with a state: a sign-in by the hash of its id, as states keep
    /// no text of one that cannot carry risk, and a user by principal name, as tails have no other.
    pub fn look_at(&mut self, user: UserKey, record: &UserRecord) {
        for entry in &record.tail {
            let TailEntry::SignIn(sign_in) = entry else { continue };
            let (text, time, event) = (sign_in.text(), sign_in.facts.time, entry.order().1);
            let found = match &self.wanted {
                Wanted::SignIn(id) => (event_hash(id) == event).then_some(id.as_str()),
                Wanted::User { name, until } => {
                    let is_theirs = text.user_principal_name.to_lowercase() == *name && time <= *until;
                    is_theirs.then_some(text.request_id)
                }
            };
            if let Some(request_id) = found {
                self.seen += 1;
                let (principal, _) = record.names();
                let mut names = SignInNames::of(&text);
                names.request_id = request_id.to_owned();
                if names.user_principal_name.is_empty() {
                    names.user_principal_name = principal;
                }
                names.user_id =
                    record.identity.as_deref().map(|known| known.user_id.to_string()).unwrap_or_default();
                self.waiting.insert((time, event), (user, names));
            }
        }
    }

    /// Lets `explain` explain what is older than `ripe`, by user and event.
    pub fn explain(&mut self, ripe: EventTime, mut explain: impl FnMut(UserKey, u64) -> Option<Explained>) {
        let later = self.waiting.split_off(&(ripe, 0));
        for ((_, event), (user, names)) in std::mem::replace(&mut self.waiting, later) {
            if let Some(explained) = explain(user, event) {
                self.explained = Some(Box::new(explained));
                self.names = names;
            }
        }
    }
}
