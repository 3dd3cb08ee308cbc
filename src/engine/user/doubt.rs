//! Whose verdicts on a user's tail others' attempts would change, found without judging all of it again.
//!
//! As long as every entry comes to the verdict it has, the state before the next one is what it was, and only sign-ins that
//! share a trace with attempts can come to another. So those alone are judged, by each variant, and the tail is folded once
//! for all who share the record.

use super::UserState;
use super::panel::Panel;
use super::record::{Bench, UserRecord, fold};
use super::review::doubtful;
use super::tail::{Judged, TailSignIn};
use crate::engine::detect::properties::LastAssessment;
use crate::engine::detect::{self, Glance};
use crate::engine::finding::RiskEventType;
use crate::engine::policy::Policy;
use crate::engine::signin::EventTime;
use crate::engine::variants::Variants;

/// The state before an entry of the tail, folded when it is asked for.
struct Before<'a> {
    record: &'a UserRecord,
    state: Option<UserState>,
    folded: usize,
}

impl Before<'_> {
    fn entry(&mut self, index: usize, bench: &Bench<'_>) -> &UserState {
        let teacher = bench.teacher();
        let state = self.state.get_or_insert_with(|| self.record.settled.clone());
        for entry in &self.record.tail[self.folded..index] {
            fold(state, entry, &teacher);
        }
        self.folded = index;
        state
    }
}

impl UserRecord {
    /// Those who would tell the organisation of others than the verdicts they have say, if they judged the tail's entries
    /// before `end` anew.
    pub(super) fn wavering_before(&self, end: EventTime, panel: &Panel<'_>) -> Variants {
        self.wavering(end, panel, panel.variants)
    }

    /// Those to whom a review makes a difference: of all that came before and shortly after what is ripe, every attempt is
    /// known now.
    pub fn wavering_now(&self, panel: &Panel<'_>) -> Variants {
        self.wavering(EventTime::MAX, panel, Variants::NONE)
    }

    /// `judging`: those who judge from the first entry on, and not from the first on in doubt.
    fn wavering(&self, end: EventTime, panel: &Panel<'_>, mut judging: Variants) -> Variants {
        let mut before = Before { record: self, state: None, folded: 0 };
        let mut wavering = Variants::NONE;
        for (index, entry) in self.tail.iter().enumerate().take_while(|(_, entry)| entry.order().0 < end) {
            // Of what speaks for the owner others' attempts are not asked.
            let Some(sign_in) = doubtful(entry).filter(|sign_in| sign_in.facts.can_carry_risk()) else { continue };
            let mut last = LastAssessment::default();
            for variant in panel.variants.without(wavering).iter() {
                let bench = panel.bench(variant);
                let begins = bench.judge.knows_attempts(&sign_in.facts);
                if !(begins || judging.contains(variant)) || !is_touched(sign_in, &bench) {
                    continue;
                }
                judging = judging.with(Variants::only(variant));
                let state = before.entry(index, &bench);
                // What shadow policies make of it is not asked here.
                let is_firm = bench.shadows.is_empty() && is_same_verdict(sign_in, state, &bench, &mut last);
                if !is_firm {
                    wavering = wavering.with(Variants::only(variant));
                }
            }
        }
        wavering
    }
}

fn is_same_verdict(sign_in: &TailSignIn, state: &UserState, bench: &Bench<'_>, last: &mut LastAssessment) -> bool {
    let glance = Glance::at(state, &sign_in.facts, bench.judge.decay);
    let verdict = detect::judge_at((glance, last), &bench.judge, state, &sign_in.facts, &sign_in.text(), false);
    verdict.lesson == sign_in.lesson && verdict.judged() == sign_in.judged
}

/// Might others' attempts have a part in what is made of it, or have they had one?
fn is_touched(sign_in: &TailSignIn, bench: &Bench<'_>) -> bool {
    let (judge, facts) = (&bench.judge, &sign_in.facts);
    let touches = |policy: &Policy| {
        let until = judge.hindsight_minute(facts);
        judge.profiles.attempts().touches(judge.tenant, facts, until, policy)
    };
    let rests_on_attempts = |judged: &Judged| {
        matches!(
            judged.kind,
            RiskEventType::PasswordSpray | RiskEventType::SuspiciousBrowser | RiskEventType::MaliciousIpAddress
        )
    };
    let mut found = sign_in.judged.iter().chain(sign_in.shadows.iter().map(|found| &found.judged));
    found.any(rests_on_attempts)
        || touches(judge.policy)
        || bench.shadows.iter().any(|shadow| touches(&shadow.scoped.policy))
}

/// The first of the tail's entries in doubt that others' attempts have a part in.
pub(super) fn first_touched(record: &UserRecord, bench: &Bench<'_>) -> Option<usize> {
    record.tail.iter().position(|entry| {
        doubtful(entry)
            .is_some_and(|sign_in| bench.judge.knows_attempts(&sign_in.facts) && is_touched(sign_in, bench))
    })
}
