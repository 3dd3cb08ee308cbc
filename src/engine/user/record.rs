//! One user's record: a settled state, the tail of sign-ins after it, and the current state = settled + tail.
//!
//! The rule: the answer depends on event order, never on arrival order. A sign-in in order is judged against the
//! current state and appended. One that arrives late, but within the horizon, is put where it belongs; what comes
//! after it is judged again, and only differences are output. What is older than the horizon settles: it is
//! learnt for good, and contributes to the organisation's profiles.

use super::branches::{Branch, part};
use super::contribution::{contribute, contribute_for_all};
use super::detections::{About, Standing, count_finding, emit, emit_confirmation, transition};
use super::newest::tail_sign_in;
use super::panel::Panel;
use super::shadow::{Benches, ShadowJudged, ShadowSet};
use super::tail::{Judged, TAIL_MAX, TailEntry, TailFeedback, TailFinding};
use super::{Teacher, UserState, event_hash};
use crate::engine::attempts::Attempt;
use crate::engine::detect::{self, Judge, upstream_findings};
use crate::engine::facts::{Prepared, PreparedFinding};
use crate::engine::finding::Finding;
use crate::engine::out::{Detection, Out};
use crate::engine::policy::ShadowPolicy;
use crate::engine::risk::Transitioned;
use crate::engine::rules::Rules;
use crate::engine::signin::{EventTime, Feedback, FeedbackAction};

/// A user's whole memory.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct UserRecord {
    pub scope: Scope,
    pub settled: UserState,
    pub current: UserState,
    pub tail: Vec<TailEntry>,
    /// Of a user with a [`RiskFile`](crate::engine::risk::user::RiskFile), whose risk may change without an event.
    pub identity: Option<Box<Identity>>,
}

/// Whose rules and profiles a user falls under, as of the last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Scope {
    /// Hash of the tenant id.
    pub tenant: u32,
    /// Index of the policy ([`crate::engine::rules::Rules`]).
    pub policy: u16,
    /// Shadow policies that judge beside it.
    pub shadows: ShadowSet,
}

/// Who a user is, by the provider's own ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub tenant_id: Box<str>,
    pub user_id: Box<str>,
}

/// What a policy found: the place in the tail, and the finding.
pub(super) type Findings = Vec<(usize, Finding)>;

/// What a record needs to take an event.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    pub judge: Judge<'a>,
    /// All that are configured.
    pub shadows: &'a [ShadowPolicy],
    /// An event before this that is not the user's newest comes too late: stream time − horizon.
    pub boundary: EventTime,
    /// Events before this have been reviewed, and settle: [`Rules::ripe`]. From the first unfamiliar one on they wait
    /// until they are older than `held`.
    pub ripe: EventTime,
    /// See [`Rules::held`].
    pub held: EventTime,
    /// No event is the cause, but what was attempted on others: what comes of it is dated at the sign-in it is about, so
    /// that it does not show when anybody looked.
    pub is_review: bool,
    pub position: u64,
    /// Hash of the user as a member of profiles.
    pub member: u32,
    pub quarantine_days: u32,
    pub emit_suppressed: bool,
}

impl<'a> Bench<'a> {
    /// The live one's.
    pub(super) fn teacher(&self) -> Teacher<'_> {
        debug_assert!(self.judge.shadow.is_none(), "a shadow policy teaches nothing");
        Teacher { policy: self.judge.policy, decay: self.judge.decay, quarantine_days: self.quarantine_days }
    }

    /// The same with a shadow policy as the judge.
    pub(super) fn of_shadow(&self, shadow: &'a ShadowPolicy) -> Bench<'a> {
        let policy = &shadow.scoped.policy;
        Bench { judge: Judge { policy, shadow: Some(shadow), ..self.judge }, ..*self }
    }

    /// Where the policy's detections go.
    pub(super) fn tell<'o>(&self, out: &'o mut Out) -> &'o mut Vec<Detection> {
        if self.judge.shadow.is_some() { &mut out.shadow_detections } else { &mut out.detections }
    }
}

/// What became of an event that was taken.
#[derive(Default)]
pub struct Taken {
    /// Variants to whom the user is another one now.
    pub parted: Vec<Branch>,
    /// It was late, and others were judged again for it.
    pub is_reordered: bool,
}

/// Where an event belongs.
enum Arrival {
    InOrder,
    /// Inside the horizon; index in the tail.
    Insert(usize),
    Late,
    Duplicate,
}

impl UserRecord {
    /// The same in all that counts? What mostly tells records apart is looked at first.
    pub fn is_same(&self, other: &UserRecord) -> bool {
        self.tail.len() == other.tail.len()
            && self.settled.quarantine.len() == other.settled.quarantine.len()
            && self.settled.open == other.settled.open
            && self.tail == other.tail
            && self == other
    }

    /// Folds the tail again from the settled state: for a record that was packed away.
    pub fn rebuild(scope: Scope, settled: UserState, tail: Vec<TailEntry>, teacher: &Teacher<'_>) -> UserRecord {
        let mut current = settled.clone();
        for entry in &tail {
            fold(&mut current, entry, teacher);
        }
        UserRecord { scope, settled, current, tail, identity: None }
    }

    /// Brings the user under a scope. Under another policy the tail is folded again, so that the current state never
    /// depends on whether the record was packed away in between.
    pub fn enter(&mut self, scope: Scope, rules: &Rules) {
        let is_other_policy = self.scope.policy != scope.policy;
        let has_other_shadows = self.scope.shadows != scope.shadows;
        self.scope = scope;
        if has_other_shadows {
            self.keep_shadows();
        }
        if is_other_policy && !self.tail.is_empty() {
            self.fold_again(rules);
        }
    }

    /// Takes one sign-in.
    pub fn take_sign_in(&mut self, prepared: &Prepared<'_>, panel: &Panel<'_>, outs: &mut [Out]) -> Taken {
        self.settle(panel, outs);
        let lead = panel.lead();
        let order = (prepared.facts.time, prepared.facts.event);
        let arrival = self.arrival(order, &lead);
        let is_duplicate = matches!(arrival, Arrival::Duplicate);
        let attempt = Attempt::failed(lead.judge.tenant, lead.member, &prepared.facts).filter(|_| !is_duplicate);
        panel.tell(outs, |out| {
            out.counts.sign_ins += 1;
            out.counts.duplicates += u64::from(is_duplicate);
            out.counts.attempts += u64::from(attempt.is_some());
            out.attempts.extend(attempt);
        });
        match arrival {
            Arrival::Duplicate => Taken::default(),
            Arrival::Late => {
                for variant in panel.variants.iter() {
                    self.judge_late(prepared, &panel.bench(variant), &mut outs[variant]);
                }
                Taken::default()
            }
            Arrival::InOrder => Taken { parted: self.append(prepared, panel, outs), is_reordered: false },
            Arrival::Insert(index) => {
                let entry = TailEntry::SignIn(tail_sign_in(prepared));
                self.insert_for_all(index, &entry, panel, outs)
            }
        }
    }

    /// Puts an entry where it belongs, by every variant for itself.
    fn insert_for_all(&mut self, index: usize, entry: &TailEntry, panel: &Panel<'_>, outs: &mut [Out]) -> Taken {
        let parted = part(self, panel, outs, |record, panel, outs| {
            let (bench, out) = panel.alone(outs);
            out.counts.reordered += 1;
            record.insert(index, entry.clone(), &bench, out);
        });
        Taken { parted, is_reordered: true }
    }

    /// Takes one feedback.
    pub fn take_feedback(&mut self, feedback: &Feedback<'_>, panel: &Panel<'_>, outs: &mut [Out]) -> Taken {
        self.settle(panel, outs);
        let bench = &panel.lead();
        let mut entry = TailFeedback {
            time: feedback.event_time,
            event: event_hash(&feedback.event_id),
            action: feedback.action,
            about: if feedback.request_id.is_empty() { 0 } else { event_hash(&feedback.request_id) },
            request_id: feedback.request_id.as_ref().into(),
        };
        let arrival = self.arrival((entry.time, entry.event), bench);
        let (is_duplicate, is_late) = (matches!(arrival, Arrival::Duplicate), matches!(arrival, Arrival::Late));
        panel.tell(outs, |out| {
            out.counts.feedback += 1;
            out.counts.duplicates += u64::from(is_duplicate);
            out.counts.late += u64::from(is_late);
        });
        match arrival {
            Arrival::Duplicate => return Taken::default(),
            Arrival::Insert(index) => {
                return self.insert_for_all(index, &TailEntry::Feedback(entry), panel, outs);
            }
            Arrival::InOrder => {}
            // Feedback is an instruction: too late for its place in history, it acts now.
            Arrival::Late => entry.time = self.time_of_late((entry.time, entry.event), bench),
        }
        let parted = part(self, panel, outs, |record, panel, outs| {
            let (bench, out) = panel.alone(outs);
            record.append_feedback(entry.clone(), &bench, out);
        });
        Taken { parted, is_reordered: false }
    }

    /// Takes one upstream finding.
    pub fn take_finding(&mut self, prepared: &PreparedFinding<'_>, panel: &Panel<'_>, outs: &mut [Out]) -> Taken {
        self.settle(panel, outs);
        let bench = &panel.lead();
        let mut entry = TailFinding::of(prepared);
        let arrival = self.arrival((entry.time, entry.event), bench);
        let (is_duplicate, is_late) = (matches!(arrival, Arrival::Duplicate), matches!(arrival, Arrival::Late));
        panel.tell(outs, |out| {
            out.counts.upstream_findings[entry.provider as usize][usize::from(is_duplicate)] += 1;
            out.counts.duplicates += u64::from(is_duplicate);
            out.counts.late += u64::from(is_late);
        });
        match arrival {
            Arrival::Duplicate => return Taken::default(),
            Arrival::Insert(index) => {
                let entry = TailEntry::UpstreamFinding(Box::new(entry));
                return self.insert_for_all(index, &entry, panel, outs);
            }
            Arrival::InOrder => {}
            // Said long ago and heard now: like feedback, it acts now.
            Arrival::Late => entry.time = self.time_of_late((entry.time, entry.event), bench),
        }
        let parted = part(self, panel, outs, |record, panel, outs| {
            let (bench, out) = panel.alone(outs);
            record.append_finding(entry.clone(), &bench, out);
        });
        Taken { parted, is_reordered: false }
    }

    /// Now: at the horizon, and behind everything in the tail, which is kept in order of time and id.
    fn time_of_late(&self, (time, event): (EventTime, u64), bench: &Bench<'_>) -> EventTime {
        let now = self.newest_time(time).max(bench.boundary);
        let is_behind = self.current.newest.is_none_or(|newest| (now, event) > newest);
        if is_behind { now } else { EventTime(now.0.saturating_add(1)) }
    }

    fn arrival(&self, order: (EventTime, u64), bench: &Bench<'_>) -> Arrival {
        if self.knows(order.1) {
            return Arrival::Duplicate;
        }
        if self.current.newest.is_none_or(|newest| order > newest) {
            return Arrival::InOrder;
        }
        if order.0 < bench.boundary || self.settled.newest.is_some_and(|settled| order < settled) {
            return Arrival::Late;
        }
        Arrival::Insert(self.tail.partition_point(|entry| entry.order() < order))
    }

    /// Whether an event id is remembered: by the tail, the last settled ones, or as a risk of its own.
    fn knows(&self, event: u64) -> bool {
        self.current.has_seen(event)
            || self.tail.iter().any(|entry| entry.order().1 == event)
            || self.current.own_risks().any(|risk| risk.event == event)
            || self.current.reports(event)
            || self.current.quarantine.iter().any(|held| held.event == event)
    }

    /// Folds the tail again, by other rules.
    pub fn fold_again(&mut self, rules: &Rules) {
        let (settled, tail) = (std::mem::take(&mut self.settled), std::mem::take(&mut self.tail));
        let identity = self.identity.take();
        let rebuilt = UserRecord::rebuild(self.scope, settled, tail, &rules.teacher(self.scope.policy));
        *self = UserRecord { identity, ..rebuilt };
    }

    /// Learns for good what no late event can precede any more.
    pub fn settle(&mut self, panel: &Panel<'_>, outs: &mut [Out]) {
        let bench = panel.lead();
        // What is familiar teaches nothing that a stranger could be measured by.
        let doubt = self.doubtful_times().find(|time| *time >= bench.held);
        let before = doubt.map_or(bench.ripe, |doubt| doubt.min(bench.ripe));
        let count = self.tail.partition_point(|entry| entry.order().0 < before);
        self.settle_front(count, &bench, |settled, entry| contribute_for_all(settled, entry, panel, outs));
        // Every event to come folds in later than this, and would let go of the same.
        let first = self.tail.first().map_or(bench.ripe, |entry| entry.order().0);
        self.settled.age_risks(bench.ripe.min(first));
        self.current.age_risks(bench.ripe);
    }

    pub(super) fn settle_front(
        &mut self,
        count: usize,
        bench: &Bench<'_>,
        mut contribute: impl FnMut(&UserState, &TailEntry),
    ) {
        let teacher = bench.teacher();
        for entry in self.tail.drain(..count) {
            contribute(&self.settled, &entry);
            fold(&mut self.settled, &entry, &teacher);
        }
    }

    /// Lets the oldest settle early, as there is no room.
    fn make_room(&mut self, bench: &Bench<'_>, out: &mut Out) {
        out.counts.tail_overflow += 1;
        self.settle_front(1, bench, |settled, entry| {
            contribute(settled, entry, bench, i32::MIN, out);
        });
    }

    /// A sign-in that is the user's newest, and behind what settles all the same, settles as it comes: only now is it
    /// known which days were complete before it.
    pub(super) fn settle_late(&mut self, time: EventTime, panel: &Panel<'_>, outs: &mut [Out]) {
        let bench = panel.lead();
        if time >= bench.held {
            return;
        }
        debug_assert!(self.tail.len() == 1, "what came before it has settled");
        let day_min = bench.held.day();
        self.settle_front(self.tail.len(), &bench, |settled, entry| {
            for variant in panel.variants.iter() {
                let out = &mut outs[variant];
                let contributed = out.counts.contributions;
                contribute(settled, entry, &panel.bench(variant), day_min, out);
                let is_late = time.day() < day_min && out.counts.contributions > contributed;
                out.counts.contributed_late += u64::from(is_late);
            }
        });
    }

    fn append_feedback(&mut self, entry: TailFeedback, bench: &Bench<'_>, out: &mut Out) {
        let entry = TailEntry::Feedback(entry);
        let shadows: Benches<'_> = self.shadow_benches(bench).collect();
        let before = self.before(self.tail.len(), &shadows);
        let changed = fold(&mut self.current, &entry, &bench.teacher());
        if let TailEntry::Feedback(feedback) = &entry {
            out.counts.feedback_without_effect += u64::from(is_without_effect(&changed, feedback));
            self.emit_transitions(&changed, feedback, bench, out);
            emit_confirmation(feedback, None, bench, out);
        }
        self.emit_changes(&before, (self.tail.len(), vec![Vec::new(); shadows.len()]), &shadows, out);
        self.push(entry, bench, out);
    }

    fn append_finding(&mut self, mut entry: TailFinding, bench: &Bench<'_>, out: &mut Out) {
        let finding = upstream_findings::judge(&bench.judge, &self.current, &entry);
        entry.judged = finding.as_ref().map(Judged::of);
        let raises = self.current.open.iter().any(|risk| entry.is_of(risk));
        let entry = TailEntry::UpstreamFinding(Box::new(entry));
        fold(&mut self.current, &entry, &bench.teacher());
        if let (Some(finding), TailEntry::UpstreamFinding(entry)) = (finding, &entry) {
            let judged = Judged::of(&finding);
            count_finding(&mut out.counts, &judged, 1, bench);
            if !raises {
                let standing = Standing::of_finding(&self.current.open, entry, &judged);
                emit(About::Finding(entry), (standing, entry.time), finding, bench, false, out);
            } else if judged.suppressed_by.is_none() {
                self.emit_raised(entry, bench, out);
            }
        }
        self.push(entry, bench, out);
    }

    /// The evidence stays that of the product's first word.
    fn emit_raised(&self, entry: &TailFinding, bench: &Bench<'_>, out: &mut Out) {
        for risk in self.current.open.iter().filter(|risk| entry.is_of(risk)) {
            let raised = Transitioned { risk: risk.clone() };
            let subject = self.subject_of(&raised, bench);
            out.detections.push(transition(&raised, entry.time, subject, bench));
        }
    }

    fn push(&mut self, entry: TailEntry, bench: &Bench<'_>, out: &mut Out) {
        if self.tail.len() >= TAIL_MAX {
            self.make_room(bench, out);
        }
        self.tail.push(entry);
    }

    /// Puts an entry where it belongs, judges it and everything after it, and outputs the differences.
    fn insert(&mut self, index: usize, entry: TailEntry, bench: &Bench<'_>, out: &mut Out) {
        if let TailEntry::SignIn(sign_in) = &entry {
            out.counts.sign_ins_judged += u64::from(sign_in.facts.can_carry_risk());
        }
        let benches = self.benches(bench);
        let before = self.before(index, &benches);
        self.tail.insert(index, entry);
        let found = self.judge_again(index, &benches, out);
        if let TailEntry::Feedback(feedback) = &self.tail[index] {
            let risk = self.current.open.iter().find(|risk| risk.event == feedback.event);
            let standing =
                risk.map(|risk| (risk, self.known_since((risk.event, risk.state), feedback.time, bench)));
            emit_confirmation(feedback, standing, bench, out);
        }
        self.emit_changes(&before, (index, found), &benches, out);
        if self.tail.len() > TAIL_MAX {
            self.make_room(bench, out);
        }
    }

    /// Judges the tail from `index` on, and folds the current state anew. Gives what each bench's policy found; the first
    /// is the live one.
    pub(super) fn judge_again(&mut self, index: usize, benches: &[Bench<'_>], out: &mut Out) -> Vec<Findings> {
        let (bench, shadows) = benches.split_first().expect("the live policy judges");
        let teacher = bench.teacher();
        let mut state = self.settled.clone();
        for entry in &self.tail[..index] {
            fold(&mut state, entry, &teacher);
        }
        let mut found: Vec<Findings> = vec![Vec::new(); benches.len()];
        let placed = |findings: Vec<Finding>, place| findings.into_iter().map(move |finding| (place, finding));
        for (offset, entry) in self.tail[index..].iter_mut().enumerate() {
            match entry {
                TailEntry::SignIn(sign_in) => {
                    let verdict = detect::judge(&bench.judge, &state, &sign_in.facts, &sign_in.text(), false);
                    sign_in.judged = verdict.judged();
                    sign_in.lesson = verdict.lesson;
                    found[0].extend(placed(verdict.findings, index + offset));
                    let mut judged = Vec::new();
                    for (shadow, findings) in shadows.iter().zip(&mut found[1..]) {
                        let key = shadow.judge.shadow_key().unwrap_or_default();
                        let verdict = detect::judge(&shadow.judge, &state, &sign_in.facts, &sign_in.text(), false);
                        judged.extend(verdict.judged().iter().map(|judged| ShadowJudged { key, judged: *judged }));
                        findings.extend(placed(verdict.findings, index + offset));
                    }
                    sign_in.shadows = judged.into();
                }
                TailEntry::UpstreamFinding(entry) => {
                    let finding = upstream_findings::judge(&bench.judge, &state, entry);
                    entry.judged = finding.as_ref().map(Judged::of);
                    found[0].extend(finding.map(|finding| (index + offset, finding)));
                }
                TailEntry::Feedback(_) => {}
            }
            let changed = fold(&mut state, entry, &teacher);
            if let (TailEntry::Feedback(feedback), 0) = (&entry, offset) {
                out.counts.feedback_without_effect += u64::from(is_without_effect(&changed, feedback));
            }
        }
        self.current = state;
        found
    }
}

/// One step of the fold, outputs apart. Gives the open risks that feedback changed.
pub(super) fn fold(state: &mut UserState, entry: &TailEntry, teacher: &Teacher<'_>) -> Vec<Transitioned> {
    state.age_risks(entry.order().0);
    let before = state.user_risk();
    let mut changed = Vec::new();
    match entry {
        TailEntry::SignIn(sign_in) => {
            let text = sign_in.anchor_text();
            let mut lesson = sign_in.lesson;
            lesson.quarantined |= state.is_reported(sign_in.facts.event);
            state.learn(&sign_in.facts, &text, lesson, teacher);
            state.open_risks(&sign_in.facts, text.request_id, &sign_in.judged);
            state.open_shadow_risks(&sign_in.facts, text.request_id, &sign_in.shadows);
        }
        TailEntry::Feedback(feedback) => changed = state.apply_feedback(feedback, teacher.decay),
        TailEntry::UpstreamFinding(finding) => state.take_in_finding(finding),
    }
    state.note_risk(&before, entry);
    changed
}

fn is_without_effect(changed: &[Transitioned], feedback: &TailFeedback) -> bool {
    // Confirming a user compromised opens a risk where there was none.
    let opens = feedback.action == FeedbackAction::ConfirmCompromised && feedback.about == 0;
    changed.is_empty() && !opens
}
