//! A sign-in that just came, in order or beyond the horizon: judged by every variant, and learnt once for all who judge alike.

use super::Lesson;
use super::branches::Branch;
use super::contribution::contribute_for_all;
use super::detections::{About, Standing, count_finding, emit};
use super::panel::Panel;
use super::record::{Bench, UserRecord, fold};
use super::shadow::ShadowJudged;
use super::tail::{Judged, PackedText, SignInText, TAIL_MAX, TailEntry, TailSignIn};
use crate::engine::attempts::AttemptKind;
use crate::engine::detect::properties::LastAssessment;
use crate::engine::detect::{self, Glance};
use crate::engine::facts::{Facts, Prepared};
use crate::engine::finding::Finding;
use crate::engine::out::Out;
use crate::engine::signin::EventTime;
use crate::engine::variants::Variants;

/// Variants that came to the same verdict.
struct Camp {
    variants: Variants,
    lesson: Lesson,
    judged: Box<[Judged]>,
    shadows: Box<[ShadowJudged]>,
}

impl UserRecord {
    /// The newest: judged by every variant, and learnt once for all that judge alike.
    pub(super) fn append(&mut self, prepared: &Prepared<'_>, panel: &Panel<'_>, outs: &mut [Out]) -> Vec<Branch> {
        let (mine, camps) = self.judge_new(prepared, panel, outs);
        let mut entry = tail_sign_in(prepared);
        let mut parted = Vec::new();
        for camp in camps {
            let mut branch = Branch { variants: camp.variants, record: self.clone() };
            let mut entry = entry.clone();
            camp.mark(&mut entry);
            branch.record.add_sign_in(entry, &panel.of(branch.variants), outs);
            parted.push(branch);
        }
        let variants = mine.variants;
        mine.mark(&mut entry);
        self.add_sign_in(entry, &panel.of(variants), outs);
        parted
    }

    /// What the variants make of a sign-in that just came, told, and who agrees with the first of them, and who with whom.
    fn judge_new(&self, prepared: &Prepared<'_>, panel: &Panel<'_>, outs: &mut [Out]) -> (Camp, Vec<Camp>) {
        let text = SignInText::of(prepared);
        let facts = &prepared.facts;
        let glance = Glance::at(&self.current, facts, panel.lead().judge.decay);
        let mut first: Option<Camp> = None;
        let mut camps: Vec<Camp> = Vec::new();
        let mut last = LastAssessment::default();
        for variant in panel.variants.iter() {
            let (bench, out) = panel.of(Variants::only(variant)).alone(outs);
            let verdict = detect::judge_at((glance, &mut last), &bench.judge, &self.current, facts, &text, false);
            out.counts.sign_ins_judged += u64::from(facts.can_carry_risk());
            if bench.judge.knows_attempts(facts) {
                // Behind its review it is told of at once, or never.
                let is_late = bench.judge.is_reviewed(facts);
                let kind = if is_late { AttemptKind::Stranger } else { AttemptKind::Glimpse };
                out.attempts.extend(bench.judge.stranger(&self.current, facts, bench.member, kind));
            }
            let (lesson, judged) = (verdict.lesson, verdict.judged());
            emit_new(facts, text, facts.time, verdict.findings, &bench, out);
            let shadows = self.judge_shadows(prepared, facts.time, false, &bench, out);
            let agrees =
                |camp: &&mut Camp| (camp.lesson, &camp.judged, &camp.shadows) == (lesson, &judged, &shadows);
            let (variants, is_first) = (Variants::only(variant), first.is_none());
            match first.iter_mut().chain(&mut camps).find(agrees) {
                Some(camp) => camp.variants = camp.variants.with(variants),
                None if is_first => first = Some(Camp { variants, lesson, judged, shadows }),
                None => camps.push(Camp { variants, lesson, judged, shadows }),
            }
        }
        (first.expect("a panel has a variant"), camps)
    }

    /// Appends a sign-in that was judged.
    fn add_sign_in(&mut self, sign_in: TailSignIn, panel: &Panel<'_>, outs: &mut [Out]) {
        let (time, bench) = (sign_in.facts.time, panel.lead());
        let entry = TailEntry::SignIn(sign_in);
        fold(&mut self.current, &entry, &bench.teacher());
        if self.tail.len() >= TAIL_MAX {
            panel.tell(outs, |out| out.counts.tail_overflow += 1);
            self.settle_front(1, &bench, |settled, entry| contribute_for_all(settled, entry, panel, outs));
        }
        self.tail.push(entry);
        self.settle_late(time, panel, outs);
    }

    /// Beyond the horizon: judged against what is kept, marked, and nothing older is touched.
    pub(super) fn judge_late(&mut self, prepared: &Prepared<'_>, bench: &Bench<'_>, out: &mut Out) {
        out.counts.late += 1;
        let text = SignInText::of(prepared);
        let verdict = detect::judge(&bench.judge, &self.current, &prepared.facts, &text, true);
        out.counts.sign_ins_judged += u64::from(prepared.facts.can_carry_risk());
        let known = self.newest_time(prepared.facts.time);
        emit_new(&prepared.facts, text, known, verdict.findings, bench, out);
        self.judge_shadows(prepared, known, true, bench, out);
    }

    /// What the shadow policies make of a sign-in that just came, against the state the live policy saw.
    fn judge_shadows(
        &self,
        prepared: &Prepared<'_>,
        known: EventTime,
        late: bool,
        bench: &Bench<'_>,
        out: &mut Out,
    ) -> Box<[ShadowJudged]> {
        let mut found = Vec::new();
        for bench in self.shadow_benches(bench) {
            let text = SignInText::of(prepared);
            let verdict = detect::judge(&bench.judge, &self.current, &prepared.facts, &text, late);
            let key = bench.judge.shadow_key().unwrap_or_default();
            found.extend(verdict.judged().iter().map(|judged| ShadowJudged { key, judged: *judged }));
            emit_new(&prepared.facts, text, known, verdict.findings, &bench, out);
        }
        found.into()
    }
}

/// Tells what a policy found at a sign-in that just came.
fn emit_new(
    facts: &Facts,
    text: SignInText<'_>,
    known: EventTime,
    findings: Vec<Finding>,
    bench: &Bench<'_>,
    out: &mut Out,
) {
    for finding in findings {
        let judged = Judged::of(&finding);
        count_finding(&mut out.counts, &judged, 1, bench);
        let standing = Standing::new(facts.event, &judged);
        emit(About::SignIn(facts, text), (standing, known), finding, bench, false, out);
    }
}

impl Camp {
    fn mark(self, sign_in: &mut TailSignIn) {
        (sign_in.lesson, sign_in.judged, sign_in.shadows) = (self.lesson, self.judged, self.shadows);
    }
}

/// Not judged yet.
pub(super) fn tail_sign_in(prepared: &Prepared<'_>) -> TailSignIn {
    // A sign-in that cannot carry risk never comes out, and needs no text.
    let text = if prepared.facts.can_carry_risk() {
        PackedText::pack(&SignInText::of(prepared))
    } else {
        PackedText::default()
    };
    TailSignIn {
        facts: prepared.facts,
        text,
        place: prepared.place.clone(),
        agent: prepared.agent.clone(),
        asn_organization: prepared.asn_organization.clone(),
        lesson: Lesson::default(),
        judged: Box::default(),
        shadows: Box::default(),
    }
}
