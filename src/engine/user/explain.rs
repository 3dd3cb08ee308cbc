//! One sign-in of a user's tail, with what was known of the user before and after it.

use super::learning::Teaching;
use super::record::{Bench, UserRecord, fold};
use crate::engine::detect::Judge;
use crate::engine::detect::evidence::tail_end;
use crate::engine::detect::examine::{Examined, examine};
use crate::engine::facts::Facts;
use crate::engine::finding::EndPoint;
use crate::engine::user::tail::{SignInText, TailEntry};

/// How a sign-in is called, and whom and what it is of. Empty: nothing says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SignInNames {
    pub request_id: String,
    pub user_id: String,
    pub user_principal_name: String,
    pub application: String,
    pub resource: String,
}

impl SignInNames {
    /// The text of a sign-in has no id of the user.
    pub fn of(text: &SignInText<'_>) -> SignInNames {
        SignInNames {
            request_id: text.request_id.to_owned(),
            user_id: String::new(),
            user_principal_name: text.user_principal_name.to_owned(),
            application: text.app_display_name.to_owned(),
            resource: text.resource_display_name.to_owned(),
        }
    }
}

/// Why a sign-in was judged as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// As if nothing had come since.
    pub before: UserRecord,
    pub after: UserRecord,
    pub facts: Facts,
    /// Where it came from, whether it can carry risk or not.
    pub this: EndPoint,
    /// `None`: it cannot carry risk, and is not looked at.
    pub examined: Option<Examined>,
    /// What it does for what is known of the user.
    pub teaching: Teaching,
}

impl UserRecord {
    /// Looks at the sign-in with this event hash; `None` when the tail has none.
    pub fn explain(&self, event: u64, bench: &Bench<'_>) -> Option<Explained> {
        let index = self.tail.iter().position(|entry| entry.order().1 == event)?;
        let TailEntry::SignIn(sign_in) = &self.tail[index] else { return None };
        let teacher = bench.teacher();
        let cut = |count: usize| {
            let mut current = self.settled.clone();
            for entry in &self.tail[..count] {
                fold(&mut current, entry, &teacher);
            }
            let (settled, tail) = (self.settled.clone(), self.tail[..count].to_vec());
            UserRecord { scope: self.scope, settled, current, tail, identity: self.identity.clone() }
        };
        let before = cut(index);
        let judge = Judge { tells_silenced: true, ..bench.judge };
        let examined = sign_in
            .facts
            .can_carry_risk()
            .then(|| examine(&judge, &before.current, &sign_in.facts, &sign_in.text()));
        let mut lesson = sign_in.lesson;
        let mut current = before.current.clone();
        current.age_risks(sign_in.facts.time);
        lesson.quarantined |= current.is_reported(sign_in.facts.event);
        Some(Explained {
            after: cut(index + 1),
            facts: sign_in.facts,
            examined,
            this: tail_end(sign_in),
            teaching: current.teaching(&sign_in.facts, lesson, &teacher),
            before,
        })
    }
}
