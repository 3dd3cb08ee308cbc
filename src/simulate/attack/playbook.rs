//! What each kind of attack does on one day.
//!
//! Times come from the crew's shift, the phishing victim's working hours or the victim's calendar (nights,
//! weekends), never from the victim's last sign-in.

use super::super::dice::{Dice, Domain, IdKind, hash};
use super::super::event::{Causes, Client, Ending, Event, Factor, Issuer, Malice, Marks, Protocol, Subject};
use super::super::itinerary::weekday;
use super::super::network::Address;
use super::super::population::{LAPTOP, User};
use super::super::{World, day, day::session_key, day::time_at, record};
use super::{AttackKind, Campaign, Step};

/// Of ten victims of prompts, how many give in in the end, and how many report them (assumed).
const GIVES_IN: u64 = 6;
const REPORTS: u64 = 2;

/// Marks ids and sessions of attackers.
const ATTACK_ID: u64 = 1 << 63;

/// Appends the campaign's events of one UTC day.
pub fn act(campaign: &Campaign, day: i32, world: &World, users: &[User], out: &mut Vec<Event>) {
    let stream = u64::from(campaign.number) << 24 | u64::from(day.cast_unsigned() & 0xff_ffff);
    let dice = Dice::new(world.seed, Domain::CampaignDay, stream);
    let mut hand = Hand { campaign, world, users, day, dice, sequence: 0, out };
    if campaign.kind.is_broad() {
        hand.broad();
        return;
    }
    for victim in &campaign.victims {
        // Not every account is visited every day, but on the first day it is.
        if day == campaign.first_day || hand.dice.chance(0.6) {
            hand.visit(*victim);
        }
    }
}

/// Whether the second factor stops the attacker: decided once a victim.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Barrier {
    None,
    Passed,
    Stopped,
}

pub(super) struct Hand<'a> {
    pub(super) campaign: &'a Campaign,
    pub(super) world: &'a World,
    pub(super) users: &'a [User],
    pub(super) day: i32,
    pub(super) dice: Dice,
    sequence: u64,
    out: &'a mut Vec<Event>,
}

/// One attacker's request.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) subject: Subject,
    pub(super) address: Address,
    pub(super) client: Client,
    pub(super) session: u64,
    pub(super) protocol: Protocol,
    pub(super) app: u8,
    /// Who vouches, if it is interactive.
    pub(super) issuer: Issuer,
}

impl Hand<'_> {
    fn visit(&mut self, victim: u32) {
        match self.campaign.kind {
            AttackKind::TokenReplay => self.replay_token(victim),
            AttackKind::RelayPhishing => self.relay(victim),
            AttackKind::MfaFatigue => self.tire_out(victim),
            AttackKind::BruteForce => self.batter(victim),
            AttackKind::ForgedIssuer => self.forge(victim),
            AttackKind::ImpossiblePair => {
                for _ in 0..=self.dice.below(3) {
                    let time_s = self.in_working_hours_s(victim);
                    self.intrude(victim, time_s);
                }
            }
            AttackKind::SlowTravel => {
                let time_s = self.off_hours_s(victim);
                self.intrude(victim, time_s);
            }
            _ => {
                let time_s = self.midnight_s() + self.campaign.crew.moment_s(&mut self.dice);
                self.intrude(victim, time_s);
            }
        }
    }

    pub(super) fn midnight_s(&self) -> f64 {
        f64::from(self.day) * 86_400.0
    }

    /// A moment in the victim's local day, kept inside the UTC day that is being planned.
    fn local_s(&self, victim: u32, local_h: f64) -> f64 {
        let home = self.users[victim as usize].home;
        let offset_h = self.world.atlas.place(home).utc_offset_h as f64;
        self.midnight_s() + ((local_h - offset_h).rem_euclid(24.0)) * 3_600.0
    }

    fn in_working_hours_s(&mut self, victim: u32) -> f64 {
        let hour = self.dice.range(8.5, 17.5);
        self.local_s(victim, hour)
    }

    fn off_hours_s(&mut self, victim: u32) -> f64 {
        let hour = if weekday(self.day) >= 5 { self.dice.range(0.0, 24.0) } else { self.dice.range(0.0, 5.0) };
        self.local_s(victim, hour)
    }

    pub(super) fn barrier(&self, victim: u32) -> Barrier {
        match hash(self.world.seed, IdKind::Secret, self.key(victim)) % 10 {
            0..5 => Barrier::None,
            5..8 => Barrier::Passed,
            _ => Barrier::Stopped,
        }
    }

    pub(super) fn key(&self, victim: u32) -> u64 {
        ATTACK_ID | u64::from(self.campaign.number) << 32 | u64::from(victim)
    }

    pub(super) fn request(&mut self, victim: u32) -> Request {
        Request {
            subject: Subject::User(victim),
            address: self.campaign.crew.address(self.world, &mut self.dice),
            client: self.campaign.crew.client(self.day),
            session: self.key(victim),
            protocol: Protocol::Browser,
            app: record::pick_app(false, &mut self.dice),
            issuer: day::issuer(&self.users[victim as usize], self.world),
        }
    }

    /// Signs in with the right password, perhaps after a wrong guess, and stays a while.
    fn intrude(&mut self, victim: u32, time_s: f64) {
        let request = self.request(victim);
        let mut time_s = time_s;
        let correlation = self.next_id();
        let is_first_day = self.day == self.campaign.first_day;
        if is_first_day && self.dice.chance(0.2) {
            self.write(request, time_s, correlation, Ending::WrongPassword, Factor::Single, Step::Guess);
            time_s += 5.0 + self.dice.lognormal(20.0, 0.6);
        }
        match self.barrier(victim) {
            Barrier::Stopped => {
                // Tried once or twice, then left alone.
                if is_first_day || self.dice.chance(0.2) {
                    self.write(
                        request,
                        time_s,
                        correlation,
                        Ending::MfaByPolicy,
                        Factor::Single,
                        Step::SecondFactor,
                    );
                }
            }
            barrier => {
                let mut factor = Factor::Single;
                if barrier == Barrier::Passed {
                    self.write(
                        request,
                        time_s,
                        correlation,
                        Ending::MfaRequired,
                        Factor::Single,
                        Step::SecondFactor,
                    );
                    time_s += 4.0 + self.dice.lognormal(15.0, 0.6);
                    factor = Factor::Performed;
                }
                self.write(request, time_s, correlation, Ending::Success, factor, Step::SignIn);
                let renewals = self.dice.below(6);
                self.persist(request, time_s, renewals);
            }
        }
    }

    /// Token renewals at the attacker's pace, from whatever way out is in use.
    pub(super) fn persist(&mut self, request: Request, time_s: f64, count: u32) {
        let mut time_s = time_s;
        for _ in 0..count {
            time_s += 60.0 + self.dice.lognormal(1_500.0, 1.0);
            if time_s >= self.midnight_s() + 86_400.0 {
                break;
            }
            let mut request = Request { app: record::pick_app(false, &mut self.dice), ..request };
            if self.dice.chance(0.3) {
                request.address = self.campaign.crew.address(self.world, &mut self.dice);
            }
            let id = self.next_id();
            self.silent(request, time_s, id, Step::Persist);
        }
    }

    /// A stolen session cookie, used from elsewhere without signing in.
    fn replay_token(&mut self, victim: u32) {
        let user = &self.users[victim as usize];
        let device = user.devices[LAPTOP];
        let mut request = self.request(victim);
        request.session = session_key(victim, LAPTOP, device.session);
        if self.dice.chance(0.5) {
            // The thief copies the user agent along with the cookie.
            let version = device.agent.version(self.day, device.lag_days);
            request.client = Client { agent: device.agent, version, device: 0 };
        }
        let mut time_s = self.midnight_s() + self.campaign.crew.moment_s(&mut self.dice);
        for _ in 0..2 + self.dice.below(9) {
            if time_s >= self.midnight_s() + 86_400.0 {
                break;
            }
            request.app = record::pick_app(false, &mut self.dice);
            let id = self.next_id();
            self.silent(request, time_s, id, Step::Replay);
            time_s += 5.0 + self.dice.lognormal(400.0, 1.2);
        }
    }

    /// The victim signs in through the attacker's relay; the session is carried on elsewhere.
    fn relay(&mut self, victim: u32) {
        let user = &self.users[victim as usize];
        let mut request = self.request(victim);
        let mut time_s = self.midnight_s() + self.campaign.crew.moment_s(&mut self.dice);
        if self.day == self.campaign.first_day {
            time_s = self.in_working_hours_s(victim);
            // Any of the victim's devices: mail is read on both.
            let device = user.devices[self.dice.index(2)];
            let through = Request {
                client: Client {
                    agent: device.agent,
                    version: device.agent.version(self.day, device.lag_days),
                    device: 0,
                },
                ..request
            };
            let correlation = self.next_id();
            self.write(through, time_s, correlation, Ending::MfaRequired, Factor::Single, Step::Relay);
            time_s += 5.0 + self.dice.lognormal(18.0, 0.5);
            self.write(through, time_s, correlation, Ending::Success, Factor::Performed, Step::Relay);
            time_s += 30.0 + self.dice.exponential(2_400.0);
        }
        request.address = self.campaign.crew.later_address(self.world, &mut self.dice);
        for _ in 0..1 + self.dice.below(7) {
            if time_s >= self.midnight_s() + 86_400.0 {
                break;
            }
            request.app = record::pick_app(false, &mut self.dice);
            let id = self.next_id();
            self.silent(request, time_s, id, Step::Replay);
            time_s += 20.0 + self.dice.lognormal(900.0, 1.2);
        }
    }

    /// Prompt after prompt, until the victim gives in, reports them, or the attacker gives up.
    fn tire_out(&mut self, victim: u32) {
        let request = self.request(victim);
        let mut time_s = self.midnight_s() + self.campaign.crew.moment_s(&mut self.dice);
        let prompts = self.dice.between(4, 15);
        for _ in 0..prompts {
            let correlation = self.next_id();
            self.write(request, time_s, correlation, Ending::MfaRequired, Factor::Single, Step::SecondFactor);
            time_s += self.dice.range(20.0, 65.0);
            self.write(request, time_s, correlation, Ending::MfaDenied, Factor::Single, Step::SecondFactor);
            time_s += 10.0 + self.dice.lognormal(60.0, 0.8);
        }
        if self.day + 1 != self.campaign.first_day + self.campaign.days {
            return;
        }
        let lot = hash(self.world.seed, IdKind::Secret, self.key(victim)) % 10;
        if lot < GIVES_IN {
            let correlation = self.next_id();
            self.write(request, time_s, correlation, Ending::Success, Factor::Performed, Step::SignIn);
            let renewals = 1 + self.dice.below(6);
            self.persist(request, time_s, renewals);
        } else if lot < GIVES_IN + REPORTS {
            let correlation = self.next_id();
            self.write(request, time_s, correlation, Ending::MfaRequired, Factor::Single, Step::SecondFactor);
            time_s += self.dice.range(20.0, 65.0);
            self.write(request, time_s, correlation, Ending::MfaReported, Factor::Single, Step::SecondFactor);
        }
    }

    /// A token signed with a stolen or planted key: no password is asked for, and the second factor is claimed.
    fn forge(&mut self, victim: u32) {
        let request = Request { issuer: Issuer::Forged, ..self.request(victim) };
        let time_s = self.midnight_s() + self.campaign.crew.moment_s(&mut self.dice);
        let correlation = self.next_id();
        self.write(request, time_s, correlation, Ending::Success, Factor::Claim, Step::SignIn);
        let renewals = self.dice.below(6);
        self.persist(request, time_s, renewals);
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.sequence += 1;
        let day = u64::from((self.day - self.world.span.first_day).cast_unsigned() & 0xffff);
        ATTACK_ID | u64::from(self.campaign.number) << 46 | day << 30 | self.sequence
    }

    fn silent(&mut self, request: Request, time_s: f64, id: u64, step: Step) {
        self.push(request, time_s, (id, id), (Ending::Success, Factor::Claim), Marks::NON_INTERACTIVE, step);
    }

    pub(super) fn write(
        &mut self,
        request: Request,
        time_s: f64,
        correlation: u64,
        ending: Ending,
        factor: Factor,
        step: Step,
    ) {
        let id = self.next_id();
        self.push(request, time_s, (id, correlation), (ending, factor), Marks::NONE, step);
    }

    fn push(
        &mut self,
        request: Request,
        time_s: f64,
        (id, correlation): (u64, u64),
        (ending, factor): (Ending, Factor),
        marks: Marks,
        step: Step,
    ) {
        let mut marks = marks;
        // Records of attackers are incomplete as often as others.
        for (mark, share) in [(Marks::NO_GEOGRAPHY, 0.006), (Marks::NO_USER_AGENT, 0.01)] {
            if self.dice.chance(share) {
                marks = marks.with(mark);
            }
        }
        let time = time_at(time_s, id);
        self.out.push(Event {
            time,
            delivered: time,
            id,
            correlation,
            session: request.session,
            subject: request.subject,
            address: request.address,
            client: request.client,
            app: request.app,
            ending,
            protocol: request.protocol,
            factor,
            issuer: if marks.has(Marks::NON_INTERACTIVE) { Issuer::Directory } else { request.issuer },
            marks,
            causes: Causes::NONE,
            malice: Some(Malice { campaign: self.campaign.number, step, imitates: false }),
        });
    }
}
