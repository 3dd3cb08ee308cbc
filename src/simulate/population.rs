//! The people of the organisation, and what each of them owns.
//!
//! Everything fixed about a user is drawn once here, from the user's own random stream; what changes from day to
//! day (trips, leases, devices, sessions) lives in the same [`User`], a few hundred bytes, and is moved on by
//! [`super::itinerary`] and [`super::day`].

use super::agent::Agent;
use super::dice::{Dice, Domain};
use super::event::flags;
use super::network::{Address, Atlas, Kind, NetworkNumber, PlaceNumber};
use super::organisation::Organisation;
use super::shares::{BLOCK, Shares, Sites};

/// How a user works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Persona {
    Office,
    Hybrid,
    Remote,
    MobileOnly,
    Traveller,
    VpnUser,
    BorderCommuter,
    Shared,
    LegacyMail,
    CloudDesktop,
    Student,
}

impl Persona {
    pub const ALL: [Persona; 11] = [
        Persona::Office,
        Persona::Hybrid,
        Persona::Remote,
        Persona::MobileOnly,
        Persona::Traveller,
        Persona::VpnUser,
        Persona::BorderCommuter,
        Persona::Shared,
        Persona::LegacyMail,
        Persona::CloudDesktop,
        Persona::Student,
    ];

    /// The word used in labels.
    pub fn name(self) -> &'static str {
        match self {
            Persona::Office => "office",
            Persona::Hybrid => "hybrid",
            Persona::Remote => "remote",
            Persona::MobileOnly => "mobileOnly",
            Persona::Traveller => "traveller",
            Persona::VpnUser => "vpnUser",
            Persona::BorderCommuter => "borderCommuter",
            Persona::Shared => "shared",
            Persona::LegacyMail => "legacyMail",
            Persona::CloudDesktop => "cloudDesktop",
            Persona::Student => "student",
        }
    }
}

/// What happens to a user during the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Life {
    Settled,
    NewHire,
    Leaver,
    /// Away for long; back after more than [`DORMANT_DAYS_MIN`] days where the stream is long enough.
    Dormant,
    /// Moves to another city.
    Mover,
}

/// Shortest absence that counts as dormant.
pub const DORMANT_DAYS_MIN: i32 = 61;

flags! {
    /// Habits that any persona can have.
    Traits: u8 {
        /// IPv4 and IPv6 at home, flipping between them.
        DUAL_STACK = 0 => "dualStack",
        /// The provider renumbers the line every day or few.
        DYNAMIC_LINE = 1 => "dynamicLine",
        /// The phone's browser goes through a privacy relay.
        PRIVACY_RELAY = 2 => "privacyRelay",
        /// Uses the organisation's own VPN or cloud proxy when outside.
        CORPORATE_VPN = 3 => "corporateVpn",
        /// Buys a consumer VPN.
        PERSONAL_VPN = 4 => "personalVpn",
        /// Now and then uses Tor, for reasons of their own.
        TOR = 5 => "tor",
        /// Works at night.
        NIGHT_OWL = 6 => "nightOwl",
    }
}

/// Seconds of slack and shares that make one user unlike the next.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Local seconds of the day at which work usually starts.
    pub start_s: i32,
    pub length_s: i32,
    /// Median seconds between sign-ins.
    pub gap_s: f32,
    /// Probability of being active on a Saturday or Sunday.
    pub weekend: f32,
    /// Share of sign-ins from the phone.
    pub phone: f32,
    /// Probability of mistyping the password once.
    pub typo: f32,
}

/// A laptop, phone or browser profile.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    pub agent: Agent,
    /// Rises with each replacement.
    pub generation: u16,
    /// Day it came into use (days since 1970).
    pub since: i32,
    /// Day its browser was last changed for another family.
    pub browser_since: i32,
    pub lag_days: u8,
    /// Registered with the directory: sends a device id.
    pub is_registered: bool,
    /// Number of the session in use.
    pub session: u16,
    /// Day on which that session ends.
    pub session_ends: i32,
}

/// Farther than this nobody goes to work every day.
pub const COMMUTE_KM_MAX: f64 = 400.0;

/// Devices a user can have: laptop, phone, and two more on shared accounts and for students.
pub const DEVICES_MAX: usize = 4;
pub const LAPTOP: usize = 0;
pub const PHONE: usize = 1;

/// A journey: away from the day of departure to the day of return.
#[derive(Clone, Copy, Debug)]
pub struct Trip {
    pub place: PlaceNumber,
    pub departs: i32,
    pub returns: i32,
    pub is_holiday: bool,
}

/// One account of the organisation.
#[derive(Clone, Debug)]
pub struct User {
    pub persona: Persona,
    pub life: Life,
    pub traits: Traits,
    pub habits: Habits,
    pub office: u8,
    pub device_count: u8,
    pub home: PlaceNumber,
    /// The line at home, and its present host number.
    pub home_line: Address,
    pub home_v6: Option<NetworkNumber>,
    /// Days a lease on the line lasts, and the day it ends.
    pub lease_days: u16,
    pub lease_ends: i32,
    pub lease_began: i32,
    pub carrier: NetworkNumber,
    pub vpn: NetworkNumber,
    /// Across the border for commuters; the new home for movers; the family's home for students.
    pub second: PlaceNumber,
    pub first_day: i32,
    pub last_day: i32,
    pub away: (i32, i32),
    pub moves_on: i32,
    pub trip: Option<Trip>,
    /// In the air or asleep until then (seconds since 1970).
    pub busy_until_s: i64,
    pub devices: [Device; DEVICES_MAX],
}

/// What the stream's dates are, in days since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub first_day: i32,
    pub days: i32,
}

/// Draws user `number` of the organisation.
pub fn user(seed: u64, number: u32, organisation: &Organisation, atlas: &Atlas, span: Span) -> User {
    let mut dice = Dice::new(seed, Domain::User, u64::from(number));
    let shares = organisation.shares;
    let persona = persona(shares, seed, number);
    let life = life(shares, persona, &mut dice);
    let traits = traits(shares, persona, &mut dice);
    let office = dice.weighted(organisation.office_weights());
    let office_place = organisation.offices[office].place;
    let home = home(shares.sites, persona, office_place, atlas, &mut dice);
    let line = home_line(persona, organisation, atlas, home, &mut dice);
    let lease_days =
        if traits.has(Traits::DYNAMIC_LINE) { 1 + dice.below(3) } else { 20 + dice.below(400) } as u16;
    let (first_day, last_day, away, moves_on) = dates(life, span, &mut dice);
    let second = match persona {
        Persona::BorderCommuter => office_place,
        Persona::Student => family_home(atlas, home, &mut dice),
        _ => relocation(organisation, atlas, home, &mut dice),
    };
    let trip = arrival(persona, home, second, span, &mut dice);
    User {
        persona,
        life,
        traits,
        habits: habits(shares, persona, traits, &mut dice),
        office: office as u8,
        device_count: match persona {
            Persona::Shared => 4,
            Persona::Student => 3 + (number % 2) as u8,
            _ => 2,
        },
        home,
        home_line: line,
        home_v6: atlas.v6_twin(line.network),
        lease_days,
        lease_began: i32::MIN,
        lease_ends: span.first_day + 1 + dice.below(u32::from(lease_days)) as i32,
        carrier: carrier(persona, home, second, atlas, &mut dice),
        vpn: match shares.shared_tunnel {
            Some(_) => organisation.tunnels[number as usize % organisation.tunnels.len()],
            None => vpn(persona, home, atlas, &mut dice),
        },
        second,
        first_day,
        last_day,
        away,
        moves_on,
        trip,
        busy_until_s: i64::MIN,
        devices: devices(shares, persona, span.first_day, &mut dice),
    }
}

/// The slot of the user in a block shuffled by the seed.
pub fn persona(shares: &Shares, seed: u64, number: u32) -> Persona {
    let mut slots: [u8; BLOCK as usize] = [0; BLOCK as usize];
    let kinds = shares.personas.iter().zip(0u8..).flat_map(|((_, count), at)| std::iter::repeat_n(at, *count));
    for (slot, kind) in slots.iter_mut().zip(kinds) {
        *slot = kind;
    }
    Dice::new(seed, Domain::Organisation, 1 + u64::from(number / BLOCK)).shuffle(&mut slots);
    shares.personas[usize::from(slots[(number % BLOCK) as usize])].0
}

fn life(shares: &Shares, persona: Persona, dice: &mut Dice) -> Life {
    let drawn = shares.lives[dice.weighted(shares.lives.iter().map(|(_, share)| *share))].0;
    match (persona, drawn) {
        // A reception desk neither resigns nor moves house.
        (Persona::Shared, _) | (Persona::Student, Life::Mover) => Life::Settled,
        _ => drawn,
    }
}

fn traits(shares: &Shares, persona: Persona, dice: &mut Dice) -> Traits {
    let mut traits = Traits::NONE;
    for (flag, share) in shares.traits {
        if dice.chance(share) {
            traits = traits.with(flag);
        }
    }
    if persona == Persona::VpnUser {
        traits = traits.with(if dice.chance(0.6) { Traits::PERSONAL_VPN } else { Traits::CORPORATE_VPN });
    }
    traits
}

fn home(sites: Sites, persona: Persona, office: PlaceNumber, atlas: &Atlas, dice: &mut Dice) -> PlaceNumber {
    if sites == Sites::NoOffice {
        return dice.weighted(atlas.places.iter().map(
            |place| {
                if place.city.is_empty() { 0.0 } else { place.weight }
            },
        )) as PlaceNumber;
    }
    match persona {
        Persona::Remote | Persona::MobileOnly | Persona::CloudDesktop => {
            let line = atlas.pick_in_country(atlas.country(office), Kind::Fixed, dice);
            line.map_or(office, |network| atlas.place_of(network))
        }
        Persona::BorderCommuter => match atlas.across_the_border(office) {
            Some((place, distance_km)) if distance_km < COMMUTE_KM_MAX => place,
            _ => office,
        },
        _ => office,
    }
}

fn home_line(
    persona: Persona,
    organisation: &Organisation,
    atlas: &Atlas,
    home: PlaceNumber,
    dice: &mut Dice,
) -> Address {
    /// Public addresses of the dormitory.
    const DORMITORY_HOSTS: u32 = 12;
    match persona {
        Persona::Student => Address { network: organisation.dormitory, host: dice.below(DORMITORY_HOSTS) },
        _ => Address { network: atlas.pick(home, Kind::Fixed, dice), host: dice.word() },
    }
}

/// Some students keep the number they had at home.
fn carrier(
    persona: Persona,
    home: PlaceNumber,
    second: PlaceNumber,
    atlas: &Atlas,
    dice: &mut Dice,
) -> NetworkNumber {
    let is_kept = persona == Persona::Student && dice.chance(0.3);
    atlas.pick(if is_kept { second } else { home }, Kind::Mobile, dice)
}

/// Where a student's family lives: a third of them in another country.
fn family_home(atlas: &Atlas, campus: PlaceNumber, dice: &mut Dice) -> PlaceNumber {
    let country = atlas.country(campus);
    let here = if dice.chance(0.67) { atlas.pick_in_country(country, Kind::Fixed, dice) } else { None };
    let line = here.unwrap_or_else(|| atlas.pick_anywhere(Kind::Fixed, dice));
    atlas.place_of(line)
}

/// Term begins with the stream: most students are with their families before, and come within ten days.
fn arrival(persona: Persona, home: PlaceNumber, family: PlaceNumber, span: Span, dice: &mut Dice) -> Option<Trip> {
    if persona != Persona::Student || family == home || !dice.chance(0.8) {
        return None;
    }
    let returns = span.first_day + 1 + dice.below(10) as i32;
    Some(Trip { place: family, departs: i32::MIN, returns, is_holiday: true })
}

/// Where someone who moves goes: mostly to another office, else within the country.
fn relocation(organisation: &Organisation, atlas: &Atlas, home: PlaceNumber, dice: &mut Dice) -> PlaceNumber {
    let other = organisation.offices[dice.index(organisation.offices.len())].place;
    if other != home && dice.chance(0.5) {
        return other;
    }
    let cities = atlas.cities(atlas.country(home));
    cities[dice.index(cities.len())]
}

fn vpn(persona: Persona, home: PlaceNumber, atlas: &Atlas, dice: &mut Dice) -> NetworkNumber {
    // Most pick the exit nearest to them; streamers and the careful pick another country.
    let abroad = if persona == Persona::VpnUser { 0.4 } else { 0.25 };
    if dice.chance(abroad) { atlas.pick_anywhere(Kind::Vpn, dice) } else { atlas.pick(home, Kind::Vpn, dice) }
}

fn habits(shares: &Shares, persona: Persona, traits: Traits, dice: &mut Dice) -> Habits {
    let usual_start_h = if traits.has(Traits::NIGHT_OWL) { 14.0 } else { 8.3 };
    let phone = match persona {
        Persona::MobileOnly => 1.0,
        Persona::Shared | Persona::CloudDesktop => 0.03,
        Persona::Traveller => 0.4,
        _ => dice.range(shares.phone.0, shares.phone.1),
    };
    Habits {
        start_s: ((usual_start_h + 0.8 * dice.normal()).clamp(5.0, 17.0) * 3_600.0) as i32,
        length_s: if persona == Persona::Shared {
            15 * 3_600
        } else {
            ((8.8 + dice.normal()).clamp(4.0, 12.0) * 3_600.0) as i32
        },
        gap_s: dice.lognormal(3_000.0, 0.5).clamp(600.0, 14_400.0) as f32,
        weekend: match persona {
            Persona::Shared => 0.9,
            Persona::Student => dice.range(0.3, 0.9) as f32,
            _ => dice.range(0.02, 0.35) as f32,
        },
        phone: phone as f32,
        typo: (dice.lognormal(0.08, 0.6) * shares.typo).clamp(0.005, 0.4) as f32,
    }
}

/// First and last day of the account, absence, and day of the move.
fn dates(life: Life, span: Span, dice: &mut Dice) -> (i32, i32, (i32, i32), i32) {
    const NEVER: i32 = i32::MAX;
    let inside = |dice: &mut Dice, from: f64, to: f64| {
        span.first_day + (f64::from(span.days) * dice.range(from, to)) as i32
    };
    match life {
        Life::Settled => (i32::MIN, NEVER, (NEVER, NEVER), NEVER),
        Life::NewHire => (inside(dice, 0.1, 0.9), NEVER, (NEVER, NEVER), NEVER),
        Life::Leaver => (i32::MIN, inside(dice, 0.2, 0.9), (NEVER, NEVER), NEVER),
        Life::Mover => (i32::MIN, NEVER, (NEVER, NEVER), inside(dice, 0.3, 0.8)),
        Life::Dormant => {
            let leaves = inside(dice, 0.05, 0.2);
            let back = leaves + DORMANT_DAYS_MIN + dice.below(30) as i32;
            (i32::MIN, NEVER, (leaves, back), NEVER)
        }
    }
}

fn devices(shares: &Shares, persona: Persona, first_day: i32, dice: &mut Dice) -> [Device; DEVICES_MAX] {
    let mut slot = 0;
    [(); DEVICES_MAX].map(|()| {
        let agent = if slot == PHONE && persona != Persona::Shared {
            if dice.chance(0.55) { Agent::IPhone } else { Agent::Android }
        } else {
            let at = dice.weighted(Agent::LAPTOPS.iter().map(|(_, share)| *share));
            Agent::LAPTOPS[at].0
        };
        slot += 1;
        Device {
            agent,
            generation: 0,
            since: i32::MIN,
            browser_since: i32::MIN,
            lag_days: dice.below(21) as u8,
            is_registered: dice.chance(if agent.is_phone() { shares.registered.1 } else { shares.registered.0 }),
            session: 0,
            session_ends: first_day + dice.below(14) as i32,
        }
    })
}
