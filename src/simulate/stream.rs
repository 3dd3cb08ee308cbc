//! The stream: days become events in the order a log pipeline delivers them.
//!
//! Works one calendar day at a time: every user's day is planned, attacks are woven in, lateness and duplicates are
//! drawn, and what can no longer be overtaken is handed out. Memory is the users plus at most two days of events
//! (under 100 bytes each), however long the stream.

use crate::engine::signin::{EventTime, NANOS_PER_SECOND, SECONDS_PER_DAY};

use super::agent::Agent;
use super::dice::{Dice, Domain, IdKind, hash};
use super::event::{Causes, Client, Ending, Event, Factor, Issuer, Marks, Protocol, Subject};
use super::network::Address;
use super::population::{self, User};
use super::{Config, World, attack, day};

/// A plan for a later day never holds an event earlier than this before that day's UTC midnight (local days east
/// of Greenwich begin before it).
const FORERUN_S: i64 = 15 * 3_600;

/// Latest delivery after the event, in seconds: inside a lateness horizon of two hours.
pub const LATENESS_MAX_S: f64 = 7_140.0;

/// Marks ids of service principals' records.
const PRINCIPAL_ID: u64 = 1 << 62;

/// An organisation's sign-ins, in order of delivery.
pub struct Simulator {
    pub world: World,
    users: Vec<User>,
    late_share: f64,
    duplicate_share: f64,
    next_day: i32,
    /// Not yet delivered, in order of delivery from `cursor` on.
    pending: Vec<Event>,
    cursor: usize,
    /// Events before this index can no longer be overtaken by those of days to come.
    settled: usize,
    scratch: Vec<Event>,
    malicious: Vec<Event>,
}

impl Simulator {
    /// Draws the organisation and its attackers.
    pub fn new(config: &Config) -> anyhow::Result<Simulator> {
        let mut world = World::new(config)?;
        let users: Vec<User> = (0..config.users)
            .map(|number| population::user(world.seed, number, &world.organisation, &world.atlas, world.span))
            .collect();
        world.attacks = attack::Attacks::plan(&config.attacks, &world, &users);
        Ok(Simulator {
            late_share: config.late_share,
            duplicate_share: config.duplicate_share,
            next_day: world.span.first_day,
            world,
            users,
            pending: Vec::new(),
            cursor: 0,
            settled: 0,
            scratch: Vec::new(),
            malicious: Vec::new(),
        })
    }

    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// Days planned so far, out of [`population::Span::days`].
    pub fn days_done(&self) -> i32 {
        self.next_day - self.world.span.first_day
    }

    /// Most bytes the event buffer has held.
    pub fn buffer_bytes(&self) -> usize {
        self.pending.capacity() * size_of::<Event>()
    }

    fn is_finished(&self) -> bool {
        self.days_done() >= self.world.span.days
    }

    fn plan_day(&mut self) {
        let today = self.next_day;
        self.next_day += 1;
        self.pending.drain(..self.cursor);
        self.cursor = 0;
        self.malicious.clear();
        self.world.attacks.day(today, &self.world, &self.users, &mut self.malicious);
        self.malicious.sort_by_key(|event| (event.subject, event.time, event.id));
        let mut attacks = std::mem::take(&mut self.malicious);
        let mut at = 0;
        for number in 0..self.users.len() {
            let subject = Subject::User(number as u32);
            self.scratch.clear();
            day::plan(&mut self.users[number], number as u32, today, &self.world, &mut self.scratch);
            let end = at + attacks[at..].iter().take_while(|event| event.subject == subject).count();
            for event in &mut attacks[at..end] {
                attack::compare(event, &self.users[number], &self.world);
            }
            attack::weave(&mut self.scratch, &attacks[at..end], &self.world, today);
            at = end;
            self.deliver_scratch();
        }
        // What is left are names in no directory.
        self.scratch.clear();
        self.scratch.extend(attacks.drain(at..));
        self.deliver_scratch();
        self.plan_principals(today);
        self.malicious = attacks;
        self.pending.sort_by_key(|event| (event.delivered, event.id, event.marks));
        let horizon_s = i64::from(self.next_day) * SECONDS_PER_DAY - FORERUN_S;
        let horizon = if self.is_finished() { EventTime(i64::MAX) } else { EventTime::from_seconds(horizon_s) };
        self.settled = self.pending.partition_point(|event| event.delivered < horizon);
    }

    /// Moves the scratch events to the buffer, some of them late, some of them twice.
    fn deliver_scratch(&mut self) {
        let seed = self.world.seed;
        for mut event in self.scratch.drain(..) {
            let lot = hash(seed, IdKind::Secret, event.id ^ 0x5eed_0000_0000_0000);
            if share(lot as u32) < self.late_share {
                let mut dice = Dice::new(lot, Domain::UserDay, 1);
                let delay_s = dice.lognormal(540.0, 1.1).clamp(60.0, LATENESS_MAX_S);
                event.delivered = EventTime(event.time.0 + (delay_s * NANOS_PER_SECOND as f64) as i64);
                event.marks = event.marks.with(Marks::LATE);
            }
            self.pending.push(event);
            if share((lot >> 32) as u32) < self.duplicate_share {
                let mut dice = Dice::new(lot, Domain::UserDay, 2);
                let latest = event.time.0 + (LATENESS_MAX_S * NANOS_PER_SECOND as f64) as i64;
                let again = event.delivered.0 + (dice.exponential(300.0) * NANOS_PER_SECOND as f64) as i64;
                event.delivered = EventTime(again.min(latest).max(event.delivered.0));
                event.marks = event.marks.with(Marks::DUPLICATE);
                self.pending.push(event);
            }
        }
    }

    /// Services sign in by the clock, from the cloud or from the office.
    fn plan_principals(&mut self, today: i32) {
        let organisation = &self.world.organisation;
        for principal in 0..organisation.principals {
            let stream = u64::from(principal) << 24 | u64::from(today.cast_unsigned() & 0xff_ffff);
            let mut dice = Dice::new(self.world.seed, Domain::PrincipalDay, stream);
            let network = match principal % 3 {
                0 => organisation.offices[0].network,
                cloud => organisation.clouds[cloud as usize - 1],
            };
            let period_s = [900, 3_600, 14_400, 86_400][principal as usize % 4];
            for slot in 0..86_400 / period_s {
                let time_s = f64::from(today) * 86_400.0 + f64::from(slot * period_s) + dice.range(0.0, 20.0);
                let id = PRINCIPAL_ID
                    | u64::from(principal) << 36
                    | u64::from((today - self.world.span.first_day).cast_unsigned()) << 12
                    | slot as u64;
                let time = day::time_at(time_s, id);
                self.scratch.push(Event {
                    time,
                    delivered: time,
                    id,
                    correlation: id,
                    session: 0,
                    subject: Subject::Principal(principal),
                    address: Address { network, host: principal % 7 },
                    client: Client { agent: Agent::GoHttp, version: 1, device: 0 },
                    app: 0,
                    ending: Ending::Success,
                    protocol: Protocol::Modern,
                    factor: Factor::Single,
                    issuer: Issuer::Directory,
                    marks: Marks::NON_INTERACTIVE,
                    causes: Causes::NONE,
                    malice: None,
                });
            }
        }
        self.deliver_scratch();
    }
}

/// 32 random bits as a number in [0, 1).
fn share(bits: u32) -> f64 {
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

impl Iterator for Simulator {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        while self.cursor >= self.settled {
            if self.is_finished() {
                return None;
            }
            self.plan_day();
        }
        let event = self.pending.get(self.cursor).copied();
        self.cursor += 1;
        event
    }
}
