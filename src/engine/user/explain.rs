//! One sign-in of a user's tail, with what was known of the user before and after it.

use super::record::{Bench, UserRecord, fold};
use crate::engine::detect::Judge;
use crate::engine::detect::examine::{Examined, examine};
use crate::engine::facts::Facts;
use crate::engine::user::tail::TailEntry;

/// Why a sign-in was judged as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// As if nothing had come since.
    pub before: UserRecord,
    pub after: UserRecord,
    pub facts: Facts,
    /// `None`: it cannot carry risk, and is not looked at.
    pub examined: Option<Examined>,
    /// It was put aside, and teaches nothing for now.
    pub is_quarantined: bool,
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
        Some(Explained {
            after: cut(index + 1),
            facts: sign_in.facts,
            examined,
            is_quarantined: sign_in.lesson.quarantined,
            before,
        })
    }
}
