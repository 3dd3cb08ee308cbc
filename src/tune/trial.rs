//! Takes what a replay of several variants gives: a tally of each, who was active, and the files of each if asked for.

use std::collections::{BTreeMap, HashSet};
use std::io;

use serde::{Deserialize, Serialize};

use super::tally::{Counting, Tally};
use super::verdicts::{Verdict, Verdicts};
use crate::engine::facts::Item;
use crate::engine::finding::RiskLevel;
use crate::engine::hash::UserKey;
use crate::engine::out::{Detection, RiskyUser};
use crate::engine::signin::{EventTime, SECONDS_PER_DAY};
use crate::evaluate::{Exposure, SignInKey};
use crate::runtime::replay::block::{Block, Rejected};
use crate::runtime::replay::output::{Outputs, Sink};

/// Days whose active users are remembered one by one; what is later than that is counted again.
const DAYS_OPEN: usize = 8;

/// One pass over the stream.
pub struct Trial<'a> {
    verdicts: &'a Verdicts,
    warm_up_days: u32,
    /// Where each variant's detections are written; empty: nowhere.
    files: Vec<Outputs>,
    figures: Figures,
}

/// What a pass has counted so far.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Kept apart from the others: one a variant.
    #[serde(skip)]
    tallies: Vec<Tally>,
    /// Day of the first item that came.
    first_day: Option<i32>,
    active: BTreeMap<i32, HashSet<UserKey>>,
    exposure: Exposure,
    /// Confirmed sign-ins of the verdicts that are in the stream, behind the warm-up.
    confirmed: HashSet<SignInKey>,
    /// Likewise the dismissed ones.
    dismissed: HashSet<SignInKey>,
}

impl Figures {
    /// Of a pass that begins.
    pub fn new(variants: usize) -> Figures {
        Figures { tallies: std::iter::repeat_with(Tally::default).take(variants).collect(), ..Figures::default() }
    }

    /// As [`Sink::figures`] gave them, and [`Sink::figures_of`] each variant.
    ///
    /// # Errors
    /// When they are of another program.
    pub fn read(bytes: &[u8], of_variants: &[Vec<u8>]) -> Result<Figures, rmp_serde::decode::Error> {
        let tallies = of_variants.iter().map(|bytes| rmp_serde::from_slice(bytes));
        Ok(Figures { tallies: tallies.collect::<Result<_, _>>()?, ..rmp_serde::from_slice(bytes)? })
    }

    /// Adds up the oldest days until `open` are left.
    fn close_days(&mut self, open: usize) {
        while self.active.len() > open
            && let Some((_, users)) = self.active.pop_first()
        {
            self.exposure.user_days += users.len() as u64;
        }
    }
}

/// What a pass came to.
pub struct Counted {
    pub tallies: Vec<Tally>,
    pub counting: Counting,
    pub exposure: Exposure,
    /// Confirmed sign-ins that are in the stream and counted.
    pub confirmed: HashSet<SignInKey>,
    /// Sign-ins with a label that dismisses them, likewise.
    pub dismissed: u64,
}

impl<'a> Trial<'a> {
    /// `files`: one for each variant, or none at all.
    pub fn new(figures: Figures, verdicts: &'a Verdicts, warm_up_days: u32, files: Vec<Outputs>) -> Trial<'a> {
        Trial { verdicts, warm_up_days, files, figures }
    }

    /// What is older than this is learnt from, and not counted.
    fn counted_from(&self) -> EventTime {
        match self.figures.first_day {
            Some(day) if self.warm_up_days > 0 => {
                EventTime::from_seconds((i64::from(day) + i64::from(self.warm_up_days)) * SECONDS_PER_DAY)
            }
            _ => EventTime::MIN,
        }
    }

    pub fn counted(mut self, min_level: RiskLevel) -> Counted {
        self.figures.close_days(0);
        let counting = Counting { min_level, from: self.counted_from() };
        let Figures { tallies, exposure, confirmed, dismissed, .. } = self.figures;
        Counted { tallies, counting, exposure, confirmed, dismissed: dismissed.len() as u64 }
    }
}

impl Sink for Trial<'_> {
    fn items(&mut self, items: &[Item<'_>]) {
        for item in items {
            let Item::SignIn(prepared) = item else { continue };
            let time = prepared.facts.time;
            self.figures.first_day.get_or_insert(time.day());
            if time < self.counted_from() || !prepared.facts.can_carry_risk() {
                continue;
            }
            self.figures.active.entry(time.day()).or_default().insert(prepared.user);
            self.figures.close_days(DAYS_OPEN);
            if !self.verdicts.is_empty() {
                let key = SignInKey::new(&prepared.sign_in.event_id);
                match self.verdicts.label_of(key) {
                    Some(Verdict::Confirmed) => drop(self.figures.confirmed.insert(key)),
                    Some(Verdict::Dismissed) => drop(self.figures.dismissed.insert(key)),
                    None => {}
                }
            }
        }
    }

    fn detection(&mut self, variant: usize, detection: &Detection) -> io::Result<()> {
        self.figures.tallies[variant].take(detection);
        self.files.get_mut(variant).map_or(Ok(()), |files| files.detection(variant, detection))
    }

    fn risky_user(&mut self, _: usize, _: &RiskyUser) -> io::Result<()> {
        Ok(())
    }

    fn reject(&mut self, _: &str, _: &Block, _: &Rejected) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.files.iter_mut().try_for_each(Sink::flush)
    }

    /// Of each variant's detections.
    fn lengths(&self) -> Vec<u64> {
        self.files.iter().filter_map(|files| files.lengths().first().copied()).collect()
    }

    fn figures(&self) -> io::Result<Vec<u8>> {
        rmp_serde::to_vec(&self.figures).map_err(io::Error::other)
    }

    fn figures_of(&self, variant: usize) -> io::Result<Vec<u8>> {
        rmp_serde::to_vec(&self.figures.tallies[variant]).map_err(io::Error::other)
    }
}
