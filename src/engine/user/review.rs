//! What others' attempts have to do with a user's sign-ins: which of them are in doubt, what the organisation is told of
//! them, and judging them again when all attempts are known.

use std::ops::Range;

use super::record::{Bench, UserRecord, fold};
use super::tail::{TailEntry, TailSignIn};
use crate::engine::attempts::AttemptKind;
use crate::engine::detect;
use crate::engine::out::Out;
use crate::engine::signin::EventTime;

/// What a review changed of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reviewed {
    Unchanged,
    /// Nothing but what shadow policies found.
    ShadowsChanged,
    Changed,
}

impl UserRecord {
    /// Tells the organisation of strangers among the tail's sign-ins of a time. The tail is judged anew for it, as the
    /// bench says: what it stands at may rest on what others have told meanwhile.
    pub fn tell(&self, of: Range<EventTime>, bench: &Bench<'_>, out: &mut Out) {
        let teacher = bench.teacher();
        let mut state = self.settled.clone();
        for entry in self.tail.iter().take_while(|entry| entry.order().0 < of.end) {
            let TailEntry::SignIn(sign_in) = entry else {
                // An upstream finding as it was judged: it keeps its own sign-in from teaching, whatever others attempted.
                fold(&mut state, entry, &teacher);
                continue;
            };
            let facts = &sign_in.facts;
            let verdict = detect::judge(&bench.judge, &state, facts, &sign_in.text(), false);
            let (judged, lesson) = (verdict.judged(), verdict.lesson);
            let entry = TailEntry::SignIn(TailSignIn { judged, lesson, ..sign_in.clone() });
            if of.contains(&facts.time) && doubtful(&entry).is_some() {
                out.attempts.extend(bench.judge.stranger(&state, facts, bench.member, AttemptKind::Stranger));
            }
            fold(&mut state, &entry, &teacher);
        }
    }

    /// Judges again what is ripe, and everything after it, where other users' attempts have a part in it: of all that
    /// came before and shortly after it, every attempt is known now.
    pub fn review(&mut self, bench: &Bench<'_>, out: &mut Out) -> Reviewed {
        let attempts = bench.judge.profiles.attempts();
        let first = self.tail.iter().position(|entry| {
            doubtful(entry).is_some_and(|TailSignIn { facts, .. }| {
                bench.judge.knows_attempts(facts) && attempts.touches(bench.judge.tenant, facts)
            })
        });
        let Some(index) = first else { return Reviewed::Unchanged };
        let benches = self.benches(bench);
        let before = self.before(index, &benches);
        let found = self.judge_again(index, &benches, out);
        let (told, shadows_told) = (out.detections.len(), out.shadow_detections.len());
        self.emit_changes(&before, (index, found), &benches, out);
        let mut differs = before.iter().zip(&benches).map(|(before, bench)| self.differs(before, index, bench));
        if out.detections.len() > told || differs.next() == Some(true) {
            Reviewed::Changed
        } else if out.shadow_detections.len() > shadows_told || differs.any(|differs| differs) {
            Reviewed::ShadowsChanged
        } else {
            Reviewed::Unchanged
        }
    }

    /// When the sign-ins of the tail were that others' attempts may shed another light on.
    pub fn doubtful_times(&self) -> impl Iterator<Item = EventTime> + '_ {
        self.tail.iter().filter_map(|entry| doubtful(entry).map(|sign_in| sign_in.facts.time))
    }

    /// The same of the newest entry alone.
    pub fn newest_doubtful_time(&self) -> Option<EventTime> {
        self.tail.last().and_then(doubtful).map(|sign_in| sign_in.facts.time)
    }

    /// May time alone, or others' attempts, still change what is told of the user?
    pub fn may_be_told(&self) -> bool {
        self.current.risk_file.is_some() || self.doubtful_times().next().is_some()
    }
}

/// A sign-in that can carry risk, and in which not everything speaks for the owner.
fn doubtful(entry: &TailEntry) -> Option<&TailSignIn> {
    match entry {
        TailEntry::SignIn(sign_in) if sign_in.lesson.surprise > 0 || !sign_in.judged.is_empty() => Some(sign_in),
        _ => None,
    }
}
