//! Sign-ins, as they were delivered → what was watched, and what each reference detector says of them.
//!
//! Duplicates end here. What is late by up to two hours is put in its place in event time, as the engine does; what is
//! later still is judged when it comes. Memory: an id for each sign-in, two hours of sign-ins, the references' history.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use super::marks::{FalseAlert, Hit, Marks};
use super::reference::repeats::Repeats;
use super::reference::{self, History, Judgement, SPEED};
use super::{About, Detections, Exposure, Fate, SignInKey, Truth};
use crate::engine::facts::{Facts, Prepared};
use crate::engine::hash::UserKey;
use crate::engine::signin::{Credential, EventTime, Outcome};

/// How late a sign-in may come and still be judged in its place.
const LATENESS_S: i64 = 7_200;

/// What a stream of sign-ins held, behind the warm-up.
#[derive(Default)]
pub struct Observed {
    pub exposure: Exposure,
    /// Distinct sign-ins of owners whose credential was right, and of attackers.
    pub owner_sign_ins: u64,
    pub attacker_sign_ins: u64,
    /// Detections on sign-ins that failed, or whose credential the record does not call right.
    pub detections_on_failed: u64,
    /// One for each of [`reference::ALL`].
    pub references: Vec<Marks>,
    /// Deliveries of sign-ins whose label is not in the part that is asked for: as if they had not come.
    pub left_out: u64,
    /// Those of them whose own time, tenant and user are in it.
    pub disagreeing: u64,
}

/// A sign-in that waits for those before it.
struct Waiting {
    /// Time and number of arrival.
    order: Reverse<(EventTime, u64)>,
    key: SignInKey,
    user: UserKey,
    facts: Facts,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        self.order == other.order
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Waiting) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

/// One reference at work.
struct Watch {
    marks: Marks,
    repeats: Repeats,
    disturbed: HashSet<(UserKey, i32)>,
}

pub struct Observer<'a> {
    truth: &'a Truth,
    /// Sign-ins with detections, each as often as it has one.
    detected: Vec<SignInKey>,
    seen: HashSet<SignInKey>,
    waiting: BinaryHeap<Waiting>,
    newest: EventTime,
    history: History,
    watches: Vec<Watch>,
    user_days: HashSet<(UserKey, i32)>,
    observed: Observed,
}

impl<'a> Observer<'a> {
    pub fn new(truth: &'a Truth, detections: &Detections) -> Observer<'a> {
        let requests = detections.iter().filter_map(|alert| alert.request_id.as_deref());
        let mut detected: Vec<SignInKey> = requests.map(SignInKey::new).collect();
        detected.sort_unstable();
        let watch = |_: &reference::Reference| Watch {
            marks: Marks::of_campaigns(truth.campaigns().len()),
            repeats: Repeats::default(),
            disturbed: HashSet::new(),
        };
        Observer {
            truth,
            detected,
            seen: HashSet::new(),
            waiting: BinaryHeap::new(),
            newest: EventTime::MIN,
            history: History::default(),
            watches: reference::ALL.iter().map(watch).collect(),
            user_days: HashSet::new(),
            observed: Observed::default(),
        }
    }

    /// Takes the next sign-in as it was delivered.
    pub fn take(&mut self, prepared: &Prepared<'_>) {
        let key = SignInKey::new(&prepared.sign_in.event_id);
        if let Some(fate) = self.truth.fate(key).filter(|fate| *fate != Fate::Kept) {
            self.observed.left_out += 1;
            self.observed.disagreeing += u64::from(fate == Fate::Filtered);
            return;
        }
        if !self.seen.insert(key) {
            return;
        }
        let Prepared { user, facts, .. } = *prepared;
        let order = Reverse((facts.time, self.seen.len() as u64));
        self.waiting.push(Waiting { order, key, user, facts });
        self.newest = self.newest.max(facts.time);
        let due = self.newest.minus_seconds(LATENESS_S);
        while self.waiting.peek().is_some_and(|waiting| waiting.facts.time < due) {
            self.judge_next();
        }
    }

    pub fn finish(mut self) -> Observed {
        while !self.waiting.is_empty() {
            self.judge_next();
        }
        self.observed.exposure = Exposure { user_days: self.user_days.len() as u64 };
        let marks = |watch: Watch| Marks { disturbed_user_days: watch.disturbed.len() as u64, ..watch.marks };
        self.observed.references = self.watches.into_iter().map(marks).collect();
        self.observed
    }

    fn judge_next(&mut self) {
        let Some(Waiting { key, user, facts, .. }) = self.waiting.pop() else { return };
        if facts.credential != Credential::Right || facts.outcome == Outcome::Failed {
            let from = self.detected.partition_point(|detected| *detected < key);
            let count = self.detected[from..].iter().take_while(|detected| **detected == key).count();
            self.observed.detections_on_failed += count as u64;
        }
        if !facts.can_carry_risk() {
            return;
        }
        match self.truth.about_sign_in(key, facts.time, None) {
            About::Owner { .. } => {
                self.observed.owner_sign_ins += 1;
                self.user_days.insert((user, facts.time.day()));
            }
            About::Attack { .. } => self.observed.attacker_sign_ins += 1,
            About::Echo | About::LeftOut | About::NoSignIn => {}
        }
        for (watch, reference) in self.watches.iter_mut().zip(&reference::ALL) {
            if let Some(judgement) = (reference.judge)(&self.history, user, &facts) {
                watch.note(self.truth, key, user, &facts, judgement);
            }
        }
        if facts.outcome == Outcome::Success {
            self.history.learn(user, key, &facts);
        }
    }
}

impl Watch {
    fn note(&mut self, truth: &Truth, key: SignInKey, user: UserKey, facts: &Facts, judgement: Judgement) {
        let score = judgement.score as f32;
        let above = self.repeats.note(user, facts, score);
        match truth.about_sign_in(key, facts.time, judgement.reference) {
            About::Attack { campaign, sign_in } => {
                let hit = Hit { sign_in: sign_in as u32, score, detected_time: facts.time };
                self.marks.hits[campaign].push(hit);
            }
            About::Echo => self.marks.echoes += 1,
            About::Owner { cause_set, .. } => {
                self.disturbed.insert((user, facts.time.day()));
                if above < score {
                    let found = FalseAlert { above, score, cause_set: cause_set as u32, user: user.0 as u32 };
                    self.marks.false_alerts.push(found);
                }
            }
            About::LeftOut | About::NoSignIn => {}
        }
    }
}

impl Observed {
    /// Pairs of a user and a day on which the plain speed rule fired in vain.
    pub fn speed_misfires(&self) -> u64 {
        self.references.get(SPEED).map_or(0, |marks| marks.disturbed_user_days)
    }
}
