//! One user's day, as sign-ins: when, on which device, to which application, through which steps.
//!
//! Gaps are lognormal around the user's own pace; most sign-ins are silent refreshes, interactive ones go through
//! typing errors, second factor and "stay signed in?" under one correlation id. All draws come from the user-day's
//! own stream; the only state is in [`User`].

use crate::engine::signin::{EventTime, NANOS_PER_SECOND};

use super::World;
use super::agent::Agent;
use super::dice::{Dice, Domain};
use super::event::{Causes, Client, Ending, Event, Factor, Issuer, Marks, Protocol, Subject};
use super::itinerary::{self, Spot, Stay};
use super::network::Address;
use super::overlay::{CLOUD_HOSTS, Overlay};
use super::population::{LAPTOP, PHONE, Persona, Span, User};
use super::record;

/// Most records one user-day gives; what would follow is dropped. Bounds the stream's buffer.
pub const RECORDS_PER_USER_DAY_MAX: u32 = 400;

/// Days for which a new device or browser counts as new.
const NEW_DAYS: i32 = 2;

/// Appends the day's sign-ins of user `number`, in order of time.
pub fn plan(user: &mut User, number: u32, day: i32, world: &World, out: &mut Vec<Event>) {
    let stream = u64::from(number) << 24 | u64::from(day.cast_unsigned() & 0xff_ffff);
    let mut dice = Dice::new(world.seed, Domain::UserDay, stream);
    let busy_until_s = user.busy_until_s;
    let stays = itinerary::of_day(user, day, world, &mut dice);
    if stays.is_empty() {
        return;
    }
    refresh_devices(user, day, world.organisation.shares.device_days, &mut dice);
    let begin = out.len();
    let mut pen = Pen { world, number, day, issuer: issuer(user, world), dice, sequence: 0, out };
    let mut overlay = Overlay::default();
    for stay in &stays {
        overlay.begin(user, stay, world, &mut pen.dice);
        let median_s = f64::from(user.habits.gap_s) * stay.pace;
        let mut time_s = stay.from_s as f64 + pen.dice.exponential(median_s * 0.5);
        while time_s < stay.to_s as f64 && pen.sequence < RECORDS_PER_USER_DAY_MAX {
            if time_s as i64 >= busy_until_s {
                pen.sign_in(user, stay, &mut overlay, time_s);
            }
            time_s += 30.0 + pen.dice.lognormal(median_s, 1.0);
        }
    }
    if user.persona == Persona::LegacyMail {
        pen.poll_mail(user, &stays, &mut overlay);
    }
    out[begin..].sort_by_key(|event| event.time);
}

/// Devices break and browsers are changed for another family; versions follow the calendar.
fn refresh_devices(user: &mut User, day: i32, device_days: f64, dice: &mut Dice) {
    for slot in 0..usize::from(user.device_count) {
        let device = &mut user.devices[slot];
        if dice.chance(1.0 / device_days) {
            device.generation += 1;
            device.since = day;
            device.session_ends = day;
            if device.agent.is_phone() && dice.chance(0.15) {
                device.agent = if device.agent == Agent::IPhone { Agent::Android } else { Agent::IPhone };
            }
        } else if !device.agent.is_phone() && dice.chance(1.0 / 500.0) {
            device.agent = match device.agent {
                Agent::WindowsEdge | Agent::WindowsFirefox => Agent::WindowsChrome,
                Agent::WindowsChrome => Agent::WindowsEdge,
                Agent::MacSafari => Agent::MacChrome,
                Agent::MacChrome => Agent::MacSafari,
                other => other,
            };
            device.browser_since = day;
        }
    }
}

struct Pen<'a> {
    world: &'a World,
    number: u32,
    day: i32,
    /// Who vouches for the user's interactive sign-ins.
    issuer: Issuer,
    dice: Dice,
    sequence: u32,
    out: &'a mut Vec<Event>,
}

/// Everything the steps of one sign-in share.
#[derive(Clone, Copy)]
struct Scene {
    address: Address,
    client: Client,
    session: u64,
    protocol: Protocol,
    causes: Causes,
    app: u8,
}

impl Pen<'_> {
    fn sign_in(&mut self, user: &mut User, stay: &Stay, overlay: &mut Overlay, time_s: f64) {
        let slot = self.slot(user, stay);
        let (address, mut causes) = overlay.address(user, stay, slot, time_s as i64, self.world, &mut self.dice);
        causes = causes.with(stay.causes);
        let device = &mut user.devices[slot];
        for (cause, since) in [(Causes::NEW_DEVICE, device.since), (Causes::NEW_BROWSER, device.browser_since)] {
            if since <= self.day && self.day < since.saturating_add(NEW_DAYS) {
                causes = causes.with(cause);
            }
        }
        let session_ended = device.session_ends <= self.day;
        let expired_session = session_key(self.number, slot, device.session);
        if session_ended {
            device.session = device.session.wrapping_add(1);
            device.session_ends = self.day + 2 + self.dice.below(20) as i32;
        }
        let client = Client {
            agent: device.agent,
            version: device.agent.version(self.day, device.lag_days),
            device: if device.is_registered { device_key(self.number, slot, device.generation) } else { 0 },
        };
        let is_phone = device.agent.is_phone();
        let app = record::pick_app(is_phone, &mut self.dice);
        let scene = Scene {
            address,
            client,
            session: session_key(self.number, slot, device.session),
            protocol: if record::is_browser_app(app) { Protocol::Browser } else { Protocol::Modern },
            causes,
            app,
        };
        let asks = if is_phone { 0.09 } else { 0.28 };
        if session_ended && self.dice.chance(0.4) {
            let ending = if self.dice.chance(0.5) { Ending::TokenExpired } else { Ending::SessionRevoked };
            let old = Scene { session: expired_session, causes: causes.with(Causes::EXPIRED_SESSION), ..scene };
            self.silent(old, time_s - 20.0, ending);
        }
        if session_ended || self.dice.chance(asks) {
            self.interactive(user, scene, time_s, session_ended);
        } else {
            self.refresh(user, scene, time_s);
        }
    }

    fn slot(&mut self, user: &User, stay: &Stay) -> usize {
        if user.persona == Persona::Shared {
            return self.dice.index(usize::from(user.device_count));
        }
        let phone_only = user.persona == Persona::MobileOnly
            || matches!(stay.spot, Spot::Road)
            || stay.causes.has(Causes::HOLIDAY);
        if phone_only || self.dice.chance(f64::from(user.habits.phone)) {
            return PHONE;
        }
        // Devices beyond the second are laptops and tablets.
        match self.dice.index(usize::from(user.device_count) - 1) {
            0 => LAPTOP,
            more => PHONE + more,
        }
    }

    /// Applications renew their tokens: one to four records within seconds.
    fn refresh(&mut self, user: &User, scene: Scene, time_s: f64) {
        let count = 1 + self.dice.below(3) + u32::from(self.dice.chance(0.1));
        let mut time_s = time_s;
        for _ in 0..count {
            let mut scene = scene;
            if self.dice.chance(0.015) {
                // A cloud service renews on the user's behalf, from its own network.
                let office = &self.world.organisation.offices[usize::from(user.office)];
                let network = if self.dice.chance(0.7) { office.cloud } else { office.cloud_elsewhere };
                scene.address = Address { network, host: self.dice.below(CLOUD_HOSTS) };
                scene.causes = scene.causes.with(Causes::CLOUD_REFRESH);
            }
            scene.app = record::pick_app(scene.client.agent.is_phone(), &mut self.dice);
            self.silent(scene, time_s, Ending::Success);
            time_s += self.dice.lognormal(4.0, 1.0);
        }
    }

    fn silent(&mut self, scene: Scene, time_s: f64, ending: Ending) {
        let id = self.next_id();
        self.write(scene, time_s, (id, id), ending, Factor::Claim, Marks::NON_INTERACTIVE);
    }

    /// Typing errors, second factor, "stay signed in?", success: one correlation id.
    fn interactive(&mut self, user: &User, mut scene: Scene, time_s: f64, is_new_session: bool) {
        let correlation = self.next_id();
        let scale = self.world.failure_scale;
        let mut id = correlation;
        let mut time_s = time_s;
        let mut step = |pen: &mut Self, scene, pause: f64, ending, factor| {
            pen.write(scene, time_s, (id, correlation), ending, factor, Marks::NONE);
            id = pen.next_id();
            time_s += 2.0 + pen.dice.lognormal(pause, 0.5);
        };
        let mut typo = f64::from(user.habits.typo) * scale * if is_new_session { 3.0 } else { 1.0 };
        let mut tries = 0;
        while tries < 6 && self.dice.chance(typo.min(0.8)) {
            let slip = Scene { causes: scene.causes.with(Causes::TYPO), ..scene };
            step(self, slip, 12.0, Ending::WrongPassword, Factor::Single);
            typo = 0.3;
            tries += 1;
        }
        let mut factor = Factor::Claim;
        if is_new_session || self.dice.chance(0.2 * scale) {
            let ask = if self.dice.chance(0.6) { Ending::MfaRequired } else { Ending::MfaByPolicy };
            step(self, scene, 15.0, ask, Factor::Single);
            if self.dice.chance(0.04 * scale) {
                scene.causes = scene.causes.with(Causes::MFA_FUMBLE);
                step(self, scene, 30.0, Ending::MfaDenied, Factor::Single);
            }
            if self.dice.chance(0.25) {
                step(self, scene, 4.0, Ending::KeepSignedIn, Factor::Performed);
            }
            factor = Factor::Performed;
        } else if self.dice.chance(0.01 * scale) {
            step(self, scene, 3.0, Ending::NoSession, Factor::Single);
        }
        step(self, scene, 1.0, Ending::Success, factor);
    }

    /// A mail client that asks round the clock, wherever the phone is.
    fn poll_mail(&mut self, user: &User, stays: &[Stay], overlay: &mut Overlay) {
        let midnight_s = i64::from(self.day) * 86_400;
        let home = Stay {
            from_s: midnight_s,
            to_s: midnight_s + 86_400,
            spot: Spot::Home,
            place: user.home,
            pace: 1.0,
            causes: Causes::NONE,
        };
        let protocol = if self.number.is_multiple_of(3) { Protocol::ActiveSync } else { Protocol::Imap };
        let mut time_s = midnight_s as f64 + self.dice.exponential(7_200.0);
        while time_s < home.to_s as f64 {
            let here = |stay: &&Stay| (stay.from_s as f64) <= time_s && time_s < stay.to_s as f64;
            let stay = stays.iter().find(here).copied().unwrap_or(home);
            let is_away = user.trip.is_some_and(|trip| trip.departs <= self.day && self.day <= trip.returns);
            if !is_away || !stay.causes.is_empty() {
                let (address, causes) =
                    overlay.address(user, &stay, PHONE, time_s as i64, self.world, &mut self.dice);
                let scene = Scene {
                    address,
                    client: Client { agent: Agent::LegacyMail, version: 1, device: 0 },
                    session: 0,
                    protocol,
                    causes: causes.with(stay.causes).with(Causes::LEGACY_CLIENT),
                    app: record::MAIL_APP,
                };
                let id = self.next_id();
                self.write(scene, time_s, (id, id), Ending::Success, Factor::Single, Marks::NONE);
            }
            time_s += 600.0 + self.dice.lognormal(8_000.0, 0.4);
        }
    }

    fn next_id(&mut self) -> u64 {
        self.sequence += 1;
        event_id(self.number, self.day, self.world.span, self.sequence)
    }

    fn write(
        &mut self,
        scene: Scene,
        time_s: f64,
        (id, correlation): (u64, u64),
        ending: Ending,
        factor: Factor,
        marks: Marks,
    ) {
        let mut marks = marks;
        let mut causes = scene.causes;
        for (mark, share) in [(Marks::NO_GEOGRAPHY, 0.006), (Marks::NO_USER_AGENT, 0.01)] {
            if self.dice.chance(share) {
                marks = marks.with(mark);
                causes = causes.with(Causes::MISSING_DATA);
            }
        }
        let mut client = scene.client;
        if client.device != 0 && self.dice.chance(0.05) {
            client.device = 0;
        }
        let time = time_at(time_s, id);
        self.out.push(Event {
            time,
            delivered: time,
            id,
            correlation,
            session: scene.session,
            subject: Subject::User(self.number),
            address: scene.address,
            client,
            app: scene.app,
            ending,
            protocol: scene.protocol,
            factor,
            issuer: if marks.has(Marks::NON_INTERACTIVE) { Issuer::Directory } else { self.issuer },
            marks,
            causes,
            malice: None,
        });
    }
}

/// Who vouches for the user's interactive sign-ins.
pub fn issuer(user: &User, world: &World) -> Issuer {
    if user.office == world.organisation.federated_office { Issuer::Federation } else { Issuer::Directory }
}

/// Event time from seconds since 1970, in whole 100 ns; the last digits come from the id, so that they look like
/// a clock's and not like a rounded number.
pub fn time_at(time_s: f64, id: u64) -> EventTime {
    let ticks = (time_s * 1e4) as i64 * 1_000 + (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as i64 % 1_000;
    EventTime(ticks * (NANOS_PER_SECOND / 10_000_000))
}

/// Key of a user's record: unique over users, days and records.
fn event_id(number: u32, day: i32, span: Span, sequence: u32) -> u64 {
    let day = u64::from((day - span.first_day + 1).cast_unsigned() & 0xff_ffff);
    u64::from(number) << 36 | day << 12 | u64::from(sequence)
}

pub fn session_key(number: u32, slot: usize, session: u16) -> u64 {
    (u64::from(number) + 1) << 20 | (slot as u64) << 16 | u64::from(session)
}

pub fn device_key(number: u32, slot: usize, generation: u16) -> u64 {
    (u64::from(number) + 1) << 20 | (slot as u64) << 16 | u64::from(generation)
}
