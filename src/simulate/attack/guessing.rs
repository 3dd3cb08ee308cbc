//! Guessing passwords: many accounts a few times, or a few accounts many times.
//!
//! Wrong guesses end as an owner's do: wrong password, now and then a locked account. What follows a right one is the
//! same for all: an operator takes over by hand, from another network.

use super::super::dice::{IdKind, hash};
use super::super::event::{Ending, Factor, Issuer, Protocol, Subject};
use super::super::record;
use super::playbook::{Barrier, Hand, Request};
use super::{AttackKind, Step};

/// Share of sprayed accounts whose password is one of those tried; Microsoft saw about 1 %.
const SPRAY_HITS: f64 = 0.008;
/// The same for a campaign that tries another password every day, for weeks (assumed).
const PATIENT_HITS: f64 = 0.02;
const STUFFING_HITS: f64 = 0.01;
const STUFFING_STRANGERS: f64 = 0.4;
/// Share of accounts that a patient spray tries on a given day.
const PATIENT_SHARE: f64 = 0.6;
/// Share of battered accounts whose password is found (assumed).
const BRUTE_FORCE_HITS: f64 = 0.3;
const DAY_S: f64 = 86_400.0;

impl Hand<'_> {
    /// The day's part of a campaign over much of the directory.
    pub(super) fn broad(&mut self) {
        let campaign = self.campaign;
        if campaign.kind == AttackKind::SprayLowAndSlow {
            self.patient_spray();
            return;
        }
        let days = campaign.days.cast_unsigned().max(1);
        let per_day = campaign.targets.div_ceil(days);
        let at = (self.day - campaign.first_day).cast_unsigned();
        let (begin_s, length_s) = self.hours();
        for index in at * per_day..((at + 1) * per_day).min(campaign.targets) {
            let within_s = self.dice.unit() * length_s;
            let time_s = self.midnight_s() + (begin_s + within_s) % DAY_S;
            let target = campaign.target(index, self.users.len() as u32);
            let is_hit = self.is_hit(target, if campaign.kind.is_spray() { SPRAY_HITS } else { STUFFING_HITS });
            self.guess(target, time_s, is_hit);
            if campaign.kind == AttackKind::CredentialStuffing && self.dice.chance(STUFFING_STRANGERS) {
                let name = self.dice.word();
                let request = Request { session: 0, ..self.request(target) };
                self.miss(name, request, time_s + 1.0);
            }
        }
    }

    /// When the day's guesses begin, in seconds of the UTC day, and how long they go on. Rotating sprays go slowly, so
    /// that no account and no address stands out; the others are over in a few hours.
    fn hours(&self) -> (f64, f64) {
        let crew = &self.campaign.crew;
        let begin_s = crew.shift_start_h * 3_600.0;
        match self.campaign.kind {
            AttackKind::CredentialStuffing => (begin_s, 3_600.0 * (1.0 + crew.shift_hours / 4.0)),
            AttackKind::SpraySingleSource | AttackKind::BruteForce => {
                let length_s = 3_600.0 * (1.0 + crew.shift_hours / 2.0);
                (begin_s.min(DAY_S - length_s), length_s)
            }
            _ => (begin_s, 86_000.0),
        }
    }

    /// At most one try a day for each account, at any hour, until it opens.
    fn patient_spray(&mut self) {
        let campaign = self.campaign;
        for index in 0..campaign.targets {
            let target = campaign.target(index, self.users.len() as u32);
            let days = u64::from(campaign.days.max(1).cast_unsigned());
            let day_found = campaign.first_day + (self.lot(target) / 10 % days) as i32;
            let is_found = self.is_hit(target, PATIENT_HITS);
            let is_tried = self.dice.chance(PATIENT_SHARE) || day_found == self.day;
            let within_s = self.dice.unit() * DAY_S;
            if is_tried && !(is_found && self.day > day_found) {
                self.guess(target, self.midnight_s() + within_s, is_found && self.day == day_found);
            }
        }
    }

    /// Hundreds of guesses at one account within hours; the directory answers some of them by locking it.
    pub(super) fn batter(&mut self, victim: u32) {
        /// Wrong passwords after which Entra locks an account for a while.
        const LOCKS_AFTER: u32 = 10;
        const STAYS_LOCKED: f64 = 0.6;
        let (begin_s, length_s) = self.hours();
        let tries = 200 + self.dice.below(1_200);
        let found_at =
            if self.is_hit(victim, BRUTE_FORCE_HITS) { tries / 2 + self.dice.below(tries / 2) } else { tries };
        let (mut time_s, pause_s) = (self.midnight_s() + begin_s, length_s / f64::from(tries));
        let mut wrong = 0;
        for number in 0..tries {
            let request = self.guesser(victim);
            if number == found_at {
                self.enter(victim, request, time_s);
                break;
            }
            let is_locked = wrong >= LOCKS_AFTER && self.dice.chance(STAYS_LOCKED);
            wrong = if wrong >= LOCKS_AFTER && !is_locked { 0 } else { wrong + 1 };
            let id = self.next_id();
            let ending = if is_locked { Ending::Locked } else { Ending::WrongPassword };
            self.write(request, time_s, id, ending, Factor::Single, Step::Guess);
            time_s += pause_s * self.dice.range(0.5, 1.5);
        }
    }

    fn lot(&self, target: u32) -> u64 {
        hash(self.world.seed, IdKind::Secret, self.key(target))
    }

    fn is_hit(&self, target: u32, chance: f64) -> bool {
        let is_open = self.day <= self.users[target as usize].last_day;
        ((self.lot(target) >> 32) as f64 / f64::from(u32::MAX)) < chance && is_open
    }

    /// What the tool sends.
    fn guesser(&mut self, target: u32) -> Request {
        let mut request = self.request(target);
        let agent = self.campaign.crew.agent;
        if self.campaign.kind == AttackKind::CredentialStuffing {
            return request;
        }
        request.session = 0;
        if !agent.is_browser() {
            request.app = record::SCRIPT_APP;
            request.protocol = if agent.is_script() { Protocol::Modern } else { Protocol::Imap };
        }
        request
    }

    fn guess(&mut self, target: u32, time_s: f64, is_hit: bool) {
        let request = self.guesser(target);
        if self.day < self.users[target as usize].first_day {
            self.miss(target, request, time_s);
        } else if is_hit {
            self.enter(target, request, time_s);
        } else {
            let id = self.next_id();
            let ending = if self.dice.chance(0.03) { Ending::Locked } else { Ending::WrongPassword };
            self.write(request, time_s, id, ending, Factor::Single, Step::Guess);
        }
    }

    /// A name that is in no directory.
    fn miss(&mut self, name: u32, request: Request, time_s: f64) {
        let request = Request { subject: Subject::Stranger(name), issuer: Issuer::Directory, ..request };
        let id = self.next_id();
        self.write(request, time_s, id, Ending::UnknownUser, Factor::Single, Step::Guess);
    }

    /// The right password.
    fn enter(&mut self, target: u32, request: Request, time_s: f64) {
        let id = self.next_id();
        if self.barrier(target) != Barrier::None {
            self.write(request, time_s, id, Ending::MfaByPolicy, Factor::Single, Step::SecondFactor);
            return;
        }
        self.write(request, time_s, id, Ending::Success, Factor::Single, Step::SignIn);
        let mut operator = self.request(target);
        operator.address = self.campaign.crew.later_address(self.world, &mut self.dice);
        operator.client = self.campaign.crew.operator_client(self.day);
        let later_s = time_s + 300.0 + self.dice.exponential(7_200.0);
        if later_s < self.midnight_s() + DAY_S {
            let id = self.next_id();
            self.write(operator, later_s, id, Ending::Success, Factor::Single, Step::SignIn);
            self.persist(operator, later_s, 3);
        }
    }
}
