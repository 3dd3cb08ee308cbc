//! (what stood before the tail was judged again, what stands after) → the differences that go out.
//!
//! A detection is one by its sign-in, type and source. A sign-in gives each of its detections alone; of several findings of
//! one upstream product about one sign-in the first speaks for it, with its evidence, and later ones may raise it.

use super::OpenRisk;
use super::detections::{About, Standing, count_finding, emit, summary_subject, transition, withdrawal};
use super::record::{Bench, Findings, UserRecord};
use super::tail::{Judged, TailEntry, TailFeedback};
use crate::engine::finding::{Finding, RiskState};
use crate::engine::out::{Out, Subject};
use crate::engine::risk::Transitioned;
use crate::engine::signin::EventTime;

/// What one policy had told before the tail was judged again.
pub(super) struct Before {
    standing: Vec<Standing>,
    open: Vec<OpenRisk>,
}

impl UserRecord {
    /// What each bench's policy has told, of the tail's entries from `index` on and of older ones.
    pub(super) fn before(&self, index: usize, benches: &[Bench<'_>]) -> Vec<Before> {
        let before = |bench| Before { standing: self.standing(index, bench), open: self.open_of(bench).to_vec() };
        benches.iter().map(before).collect()
    }

    /// Emits what changed for each bench's policy, now that the tail was judged again from `index` on.
    pub(super) fn emit_changes(
        &self,
        before: &[Before],
        (index, found): (usize, Vec<Findings>),
        benches: &[Bench<'_>],
        out: &mut Out,
    ) {
        for ((before, findings), bench) in before.iter().zip(found).zip(benches) {
            self.emit_differences(&before.standing, findings, bench, out);
            self.emit_older_transitions(&before.open, index, bench, out);
        }
    }

    /// Does what the tail's entries from `index` on gave stand otherwise than before?
    pub(super) fn differs(&self, before: &Before, index: usize, bench: &Bench<'_>) -> bool {
        self.standing(index, bench) != before.standing
    }

    fn open_of(&self, bench: &Bench<'_>) -> &[OpenRisk] {
        self.current.risks_of(bench.judge.shadow_key())
    }

    /// What the tail's entries from `index` on gave, as it stands.
    fn standing(&self, index: usize, bench: &Bench<'_>) -> Vec<Standing> {
        let (mut standing, open) = (Vec::new(), self.open_of(bench));
        let of_entry = |entry, judged| Standing::of_entry(open, entry, judged);
        for entry in &self.tail[index..] {
            match entry {
                TailEntry::SignIn(sign_in) => {
                    let judged = sign_in.judged_by(bench.judge.shadow_key());
                    standing.extend(judged.filter_map(|judged| of_entry(entry, judged)));
                }
                TailEntry::UpstreamFinding(finding) if bench.judge.shadow.is_none() => {
                    standing.extend(finding.judged.iter().filter_map(|judged| of_entry(entry, judged)));
                }
                TailEntry::UpstreamFinding(_) | TailEntry::Feedback(_) => {}
            }
        }
        mark_told(&mut standing, open);
        standing
    }

    fn emit_differences(&self, before: &[Standing], findings: Findings, bench: &Bench<'_>, out: &mut Out) {
        let open = self.open_of(bench);
        let mut after: Vec<Standing> = findings
            .iter()
            .filter_map(|(index, finding)| Standing::of_entry(open, &self.tail[*index], &Judged::of(finding)))
            .collect();
        debug_assert_eq!(after.len(), findings.len(), "what was found was found of an entry that is judged");
        mark_told(&mut after, open);
        for (now, (index, finding)) in after.iter().zip(findings) {
            if let Some(old) = before.iter().find(|old| old.is_of_same_entry(now)) {
                count_finding(&mut out.counts, &old.judged, -1, bench);
            }
            count_finding(&mut out.counts, &now.judged, 1, bench);
            let old = before.iter().find(|old| old.is_told && old.is_same_detection(now));
            if now.is_told && old != Some(now) {
                self.emit_difference(old, now, index, finding, bench, out);
            }
        }
        for old in before {
            if !after.iter().any(|now| now.is_of_same_entry(old)) {
                count_finding(&mut out.counts, &old.judged, -1, bench);
            }
            let goes_on = after.iter().any(|now| now.is_told && now.is_same_detection(old));
            if old.is_told && !goes_on {
                self.withdraw(old, bench, out);
            }
        }
    }

    /// One detection that is new, or no longer what it was.
    fn emit_difference(
        &self,
        old: Option<&Standing>,
        now: &Standing,
        index: usize,
        finding: Finding,
        bench: &Bench<'_>,
        out: &mut Out,
    ) {
        let shows = |judged: &Judged| judged.suppressed_by.is_none() || bench.emit_suppressed;
        // One that was silenced while nobody asked for those has no hash.
        let was_told = |judged: &Judged| judged.suppressed_by.is_none() || judged.fingerprint != 0;
        let was_shown = old.is_some_and(|old| shows(&old.judged) && was_told(&old.judged));
        if !shows(&now.judged) {
            // What is silenced now, and was told before, no longer holds.
            if let Some(old) = old.filter(|_| was_shown) {
                self.withdraw(old, bench, out);
            }
            return;
        }
        if let Some(about) = self.tail.get(index).and_then(About::of) {
            let known = self.known_since((now.event, now.state), about.known_at_least(), bench);
            emit(about, (*now, known), finding, bench, was_shown, out);
        }
    }

    /// A detection that no longer holds, now that an earlier event is known.
    fn withdraw(&self, old: &Standing, bench: &Bench<'_>, out: &mut Out) {
        if old.judged.suppressed_by.is_none() {
            out.counts.withdrawn += u64::from(bench.judge.shadow.is_none());
        } else if !bench.emit_suppressed || old.judged.fingerprint == 0 {
            return;
        }
        let entry = self.tail.iter().find(|entry| entry.order().1 == old.entry);
        if let Some(about) = entry.and_then(About::of) {
            let known = self.known_time(about.known_at_least(), bench);
            bench.tell(out).push(withdrawal(&about, &old.judged, known, bench));
        }
    }

    /// Since when a detection judged again stands as it does: since the feedback that made it so, or since now, the
    /// user's newest event.
    pub(super) fn known_since(
        &self,
        (event, state): (u64, RiskState),
        at_least: EventTime,
        bench: &Bench<'_>,
    ) -> EventTime {
        let concerns = |entry: &TailEntry| match entry {
            TailEntry::Feedback(feedback) if feedback.about == 0 || feedback.about == event => Some(feedback.time),
            _ => None,
        };
        match state {
            RiskState::AtRisk | RiskState::None => self.known_time(at_least, bench),
            _ => self.tail.iter().filter_map(concerns).max().unwrap_or(at_least).max(at_least),
        }
    }

    /// When what is judged anew came to be known: with the user's newest event, a review apart.
    fn known_time(&self, at_least: EventTime, bench: &Bench<'_>) -> EventTime {
        if bench.is_review { at_least } else { self.newest_time(at_least) }
    }

    pub(super) fn newest_time(&self, at_least: EventTime) -> EventTime {
        self.current.newest.map_or(at_least, |newest| newest.0.max(at_least))
    }

    pub(super) fn emit_transitions(
        &self,
        changed: &[Transitioned],
        feedback: &TailFeedback,
        bench: &Bench<'_>,
        out: &mut Out,
    ) {
        for transitioned in changed {
            let subject = self.subject_of(transitioned, bench);
            out.detections.push(transition(transitioned, feedback.time, subject, bench));
        }
    }

    /// Risks from before the entry that was put in at `index`: feedback after them may have other effects now.
    fn emit_older_transitions(&self, before: &[OpenRisk], index: usize, bench: &Bench<'_>, out: &mut Out) {
        for now in self.open_of(bench) {
            let judged_again = self.tail[index..].iter().any(|entry| speaks_for(entry, now));
            let same = |old: &&OpenRisk| old.is_same(now.event, now.kind) && old.upstream() == now.upstream();
            if !judged_again && before.iter().find(same).is_some_and(|old| old != now) {
                let transitioned = Transitioned { risk: now.clone() };
                let subject = self.subject_of(&transitioned, bench);
                let time = self.known_time(now.time, bench);
                bench.tell(out).push(transition(&transitioned, time, subject, bench));
            }
        }
    }

    /// What a risk is about: in full while the entry that gave it is in the tail.
    pub(super) fn subject_of(&self, transitioned: &Transitioned, bench: &Bench<'_>) -> Subject {
        let entry = self.tail.iter().rev().find(|entry| speaks_for(entry, &transitioned.risk));
        match entry.and_then(About::of) {
            Some(about) => about.subject(bench),
            None => summary_subject(transitioned, bench),
        }
    }
}

/// Is it the entry that gave the risk?
fn speaks_for(entry: &TailEntry, risk: &OpenRisk) -> bool {
    match (entry, &risk.reported) {
        (TailEntry::UpstreamFinding(finding), Some(reported)) => {
            finding.event == reported.event && finding.is_of(risk)
        }
        (TailEntry::UpstreamFinding(_), None) | (_, Some(_)) => false,
        (entry, None) => entry.order().1 == risk.event,
    }
}

/// Marks those that speak for their detection: all of sign-ins; of upstream findings that are one detection the one that
/// gave the risk; of those that are silenced the last, which is told of whatever came of the ones before.
fn mark_told(standing: &mut [Standing], open: &[OpenRisk]) {
    for index in 0..standing.len() {
        let this = standing[index];
        if !this.is_upstream() {
            continue;
        }
        let is_silenced = this.judged.suppressed_by.is_some();
        let risk = open.iter().find(|risk| this.is_of_risk(risk));
        let goes_before = |(at, other): (usize, &Standing)| {
            let goes_before = match (other.judged.suppressed_by.is_some(), is_silenced) {
                (true, true) => at > index,
                (false, false) => at < index,
                (other_is_silenced, _) => !other_is_silenced,
            };
            other.is_same_detection(&this) && goes_before
        };
        standing[index].is_told = match risk.and_then(|risk| risk.reported.as_ref()) {
            Some(reported) => reported.event == this.entry,
            None => !standing.iter().enumerate().any(goes_before),
        };
    }
}
