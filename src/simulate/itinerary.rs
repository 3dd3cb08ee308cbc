//! Where a user is through one day.
//!
//! A day is a short list of stays (home, road, office, hotel, airport, aeroplane) in UTC, made from the persona,
//! the calendar and the running trip. Flights take the time flights take; nobody signs in from two places at
//! once unless a network (VPN, gateway, cloud desktop, relay) makes it look so, and then the cause is labelled.

use arrayvec::ArrayVec;

use super::World;
use super::dice::Dice;
use super::event::Causes;
use super::network::{Address, Kind, PlaceNumber};
use super::population::{COMMUTE_KM_MAX, Persona, Trip, User};
use super::shares::Sites;

/// What a stay's local network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    Home,
    Office(u8),
    /// No local network: the phone's own.
    Road,
    /// Hotel, airport, café, customer.
    Public,
    Flight,
}

/// One stay, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Stay {
    pub from_s: i64,
    pub to_s: i64,
    pub spot: Spot,
    pub place: PlaceNumber,
    /// Factor on the user's usual gap between sign-ins.
    pub pace: f64,
    pub causes: Causes,
}

/// Most stays a day has.
pub const STAYS_MAX: usize = 8;

/// A day's stays, in order.
pub type Itinerary = ArrayVec<Stay, STAYS_MAX>;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;

/// 0 = Monday … 6 = Sunday.
pub fn weekday(day: i32) -> i32 {
    // 1970-01-01 was a Thursday.
    (day + 3).rem_euclid(7)
}

/// Seconds since 1970 of a local time of day at a place.
fn local(world: &World, place: PlaceNumber, day: i32, second: i64) -> i64 {
    i64::from(day) * DAY_S - world.atlas.place(place).utc_offset_h * HOUR_S + second
}

/// The stays of one day; empty when the user does not work.
pub fn of_day(user: &mut User, day: i32, world: &World, dice: &mut Dice) -> Itinerary {
    if day < user.first_day || day > user.last_day || (user.away.0 <= day && day < user.away.1) {
        return Itinerary::new();
    }
    move_house(user, day, world, dice);
    renew_lease(user, day, world, dice);
    plan_trip(user, day, world, dice);
    let mut stays = match user.trip {
        Some(trip) if trip.departs == day => journey(user, user.home, trip.place, trip, day, world, dice),
        Some(trip) if trip.returns == day => journey(user, trip.place, user.home, trip, day, world, dice),
        Some(trip) if trip.departs < day && day < trip.returns => away_day(user, trip, day, world, dice),
        _ => home_day(user, day, world, dice),
    };
    let since = |from: i32, days: i32| from <= day && day < from.saturating_add(days);
    let mut causes = Causes::NONE;
    for (cause, holds) in [
        (Causes::NEW_HIRE, since(user.first_day, 7)),
        (Causes::DORMANT_RETURN, since(user.away.1, 3)),
        (Causes::RELOCATION, since(user.moves_on, 7)),
        (Causes::SHARED_ACCOUNT, user.persona == Persona::Shared),
    ] {
        if holds {
            causes = causes.with(cause);
        }
    }
    for stay in &mut stays {
        stay.causes = stay.causes.with(causes);
    }
    stays
}

fn move_house(user: &mut User, day: i32, world: &World, dice: &mut Dice) {
    if day >= user.moves_on && user.home != user.second {
        user.home = user.second;
        let mut offices = world.organisation.offices.iter();
        if let Some(office) = offices.position(|office| office.place == user.home) {
            user.office = office as u8;
        }
        user.home_line = Address { network: world.atlas.pick(user.home, Kind::Fixed, dice), host: dice.word() };
        user.home_v6 = world.atlas.v6_twin(user.home_line.network);
        if dice.chance(0.5) {
            user.carrier = world.atlas.pick(user.home, Kind::Mobile, dice);
        }
    }
}

/// Providers renumber on multiples of 24 hours; half of the changes go to another prefix of the same provider. The
/// dormitory is a company's line, and keeps its addresses.
fn renew_lease(user: &mut User, day: i32, world: &World, dice: &mut Dice) {
    if user.persona == Persona::Student {
        return;
    }
    while user.lease_ends <= day {
        user.home_line.host = dice.word();
        let other = world.atlas.pick(user.home, Kind::Fixed, dice);
        let asn = |network| world.atlas.network(network).asn;
        if asn(other) == asn(user.home_line.network) {
            user.home_line.network = other;
        }
        user.lease_began = user.lease_ends;
        user.lease_ends += i32::from(user.lease_days.max(1));
    }
}

fn plan_trip(user: &mut User, day: i32, world: &World, dice: &mut Dice) {
    if user.trip.is_some_and(|trip| day <= trip.returns) {
        return;
    }
    user.trip = None;
    let shares = world.organisation.shares;
    let business = match user.persona {
        Persona::Traveller => shares.business,
        Persona::Shared | Persona::MobileOnly | Persona::Student => 0.0,
        _ => 0.003,
    };
    let holiday = if user.persona == Persona::Shared { 0.0 } else { shares.holiday };
    let is_holiday = dice.chance(holiday);
    let is_business = dice.chance(business) && weekday(day + 1) < 5;
    if !is_holiday && !is_business {
        return;
    }
    let organisation = &world.organisation;
    let place = if is_holiday && user.persona == Persona::Student && dice.chance(0.6) {
        user.second
    } else if is_holiday {
        // Half of the holidays are spent in the country.
        let country = world.atlas.country(user.home);
        let here = if dice.chance(0.5) { world.atlas.pick_in_country(country, Kind::Fixed, dice) } else { None };
        let line = here.unwrap_or_else(|| world.atlas.pick_anywhere(Kind::Fixed, dice));
        world.atlas.place_of(line)
    } else if dice.chance(shares.to_own_office) {
        organisation.offices[dice.index(organisation.offices.len())].place
    } else {
        organisation.destinations[dice.index(organisation.destinations.len())]
    };
    let nights = if is_holiday { 4 + dice.below(11) } else { 1 + dice.below(4) } as i32;
    if place != user.home {
        user.trip = Some(Trip { place, departs: day + 1, returns: day + 1 + nights, is_holiday });
    }
}

struct DayPlan<'a> {
    world: &'a World,
    place: PlaceNumber,
    day: i32,
    stays: Itinerary,
}

impl DayPlan<'_> {
    /// Adds a stay at the plan's place, in local seconds of the day.
    fn stay(&mut self, from_s: i64, to_s: i64, spot: Spot, pace: f64) {
        let at = |second| local(self.world, self.place, self.day, second);
        let stay =
            Stay { from_s: at(from_s), to_s: at(to_s), spot, place: self.place, pace, causes: Causes::NONE };
        if from_s < to_s && self.stays.len() < STAYS_MAX {
            self.stays.push(stay);
        }
    }
}

/// A day that starts and ends at home.
fn home_day(user: &User, day: i32, world: &World, dice: &mut Dice) -> Itinerary {
    let mut plan = DayPlan { world, place: user.home, day, stays: Itinerary::new() };
    if weekday(day) >= 5 {
        if dice.chance(f64::from(user.habits.weekend)) {
            let spot = if user.persona == Persona::Shared { Spot::Office(user.office) } else { Spot::Home };
            plan.stay(9 * HOUR_S + 1_800, 20 * HOUR_S, spot, 4.0);
        }
        return plan.stays;
    }
    // Illness, leave, days without a single sign-in.
    if dice.chance(0.06) {
        return plan.stays;
    }
    let start = i64::from(user.habits.start_s) + (1_200.0 * dice.normal()) as i64;
    let end = start + i64::from(user.habits.length_s) + (1_800.0 * dice.normal()) as i64;
    let goes_in = match user.persona {
        Persona::Office | Persona::Traveller | Persona::LegacyMail => dice.chance(0.9),
        Persona::Hybrid | Persona::VpnUser => dice.chance(0.5),
        Persona::BorderCommuter => dice.chance(0.75),
        Persona::Student => dice.chance(0.65),
        Persona::Shared => true,
        Persona::Remote | Persona::MobileOnly | Persona::CloudDesktop => false,
    } && has_office_near(user, world);
    if dice.chance(0.02) {
        let night = dice.between(HOUR_S / 2, 4 * HOUR_S);
        plan.stay(night, night + 1_800, Spot::Home, 0.25);
        mark(&mut plan.stays, Causes::ODD_HOUR);
    }
    match user.persona {
        Persona::MobileOnly => plan.stay(start, end, Spot::Road, 1.6),
        Persona::Shared => plan.stay(6 * HOUR_S, 21 * HOUR_S, Spot::Office(user.office), 0.5),
        Persona::Student => student_day(&mut plan, user, start, goes_in, dice),
        _ if goes_in => office_day(&mut plan, user, start, end),
        _ => plan.stay(start, end, Spot::Home, 1.0),
    }
    if user.persona != Persona::Shared {
        plan.stay(end + 2 * HOUR_S, end + 4 * HOUR_S, Spot::Home, 2.5);
    }
    plan.stays
}

fn office_day(plan: &mut DayPlan<'_>, user: &User, start: i64, end: i64) {
    plan.stay(start - 5_400, start - 3_000, Spot::Home, 1.5);
    plan.stay(start - 2_400, start, Spot::Road, 1.5);
    let office = &plan.world.organisation.offices[usize::from(user.office)];
    let home = std::mem::replace(&mut plan.place, office.place);
    // The office's clock is the one that counts there; keep the home's so that stays do not overlap.
    let shift =
        (plan.world.atlas.place(office.place).utc_offset_h - plan.world.atlas.place(home).utc_offset_h) * HOUR_S;
    let before = plan.stays.len();
    plan.stay(start + shift, end + shift, Spot::Office(user.office), 1.0);
    if user.persona == Persona::BorderCommuter {
        mark(&mut plan.stays[before..], Causes::BORDER_COMMUTE);
    }
    plan.place = home;
    plan.stay(end + 300, end + 2_700, Spot::Road, 1.5);
}

/// Whether there is an office to go to: none in some organisations, and too far for some who have moved.
fn has_office_near(user: &User, world: &World) -> bool {
    let office = world.organisation.offices[usize::from(user.office)].place;
    world.organisation.shares.sites != Sites::NoOffice
        && world.atlas.distance_km(user.home, office) < COMMUTE_KM_MAX
}

/// Lectures, a café or the library in town, the dormitory.
fn student_day(plan: &mut DayPlan<'_>, user: &User, start: i64, goes_in: bool, dice: &mut Dice) {
    let noon = start + 5 * HOUR_S;
    if goes_in {
        plan.stay(start - 2_400, start, Spot::Road, 1.5);
        plan.stay(start, noon, Spot::Office(user.office), 1.0);
    } else {
        plan.stay(start, noon, Spot::Home, 1.5);
    }
    let afternoon = if dice.chance(0.4) { Spot::Public } else { Spot::Home };
    plan.stay(noon + 1_800, noon + 4 * HOUR_S, afternoon, 1.2);
}

fn mark(stays: &mut [Stay], cause: Causes) {
    for stay in stays {
        stay.causes = stay.causes.with(cause);
    }
}

/// A day between the departure and the return.
fn away_day(user: &User, trip: Trip, day: i32, world: &World, dice: &mut Dice) -> Itinerary {
    let mut plan = DayPlan { world, place: trip.place, day, stays: Itinerary::new() };
    if trip.is_holiday {
        if dice.chance(0.6) {
            plan.stay(9 * HOUR_S, 13 * HOUR_S, Spot::Public, 4.0);
            plan.stay(14 * HOUR_S, 19 * HOUR_S, Spot::Road, 5.0);
            plan.stay(20 * HOUR_S, 23 * HOUR_S, Spot::Public, 4.0);
        }
        mark(&mut plan.stays, Causes::HOLIDAY);
        return plan.stays;
    }
    if weekday(day) < 5 || dice.chance(0.3) {
        let has_office = world.organisation.shares.sites != Sites::NoOffice;
        let mut offices = world.organisation.offices.iter();
        let office = offices.position(|office| has_office && office.place == trip.place);
        let spot = office.map_or(Spot::Public, |number| Spot::Office(number as u8));
        plan.stay(7 * HOUR_S, 8 * HOUR_S, Spot::Public, 1.0);
        plan.stay(8 * HOUR_S + 300, 9 * HOUR_S, Spot::Road, 1.5);
        plan.stay(9 * HOUR_S, 9 * HOUR_S + i64::from(user.habits.length_s), spot, 1.2);
        plan.stay(20 * HOUR_S, 22 * HOUR_S + 1_800, Spot::Public, 1.5);
    }
    mark(&mut plan.stays, Causes::TRAVEL);
    plan.stays
}

/// The day of a departure or a return: by road when near, else by air.
fn journey(
    user: &mut User,
    from: PlaceNumber,
    to: PlaceNumber,
    trip: Trip,
    day: i32,
    world: &World,
    dice: &mut Dice,
) -> Itinerary {
    const ROAD_KM_MAX: f64 = 350.0;
    const FLIGHT_KMH: f64 = 840.0;
    let distance_km = world.atlas.distance_km(from, to);
    let departs_s = local(world, from, day, dice.between(7 * HOUR_S, 18 * HOUR_S));
    let hours = |value: f64| (value * 3_600.0) as i64;
    let by_road = distance_km < ROAD_KM_MAX;
    let under_way_s =
        if by_road { hours(0.2 + distance_km / 90.0) } else { hours(0.6 + distance_km / FLIGHT_KMH) };
    let arrives_s = departs_s + under_way_s;
    let mut stays = Itinerary::new();
    let mut stay = |from_s: i64, to_s: i64, spot, place, pace| {
        if from_s < to_s {
            stays.push(Stay { from_s, to_s, spot, place, pace, causes: Causes::TRAVEL });
        }
    };
    let at_home = from == user.home;
    let morning_s = local(world, from, day, i64::from(user.habits.start_s) - HOUR_S);
    let lead_s = if by_road { 600 } else { hours(3.2) };
    stay(morning_s, departs_s - lead_s, if at_home { Spot::Home } else { Spot::Public }, from, 1.2);
    if by_road {
        stay(departs_s, arrives_s, Spot::Road, if dice.chance(0.5) { from } else { to }, 2.0);
    } else {
        stay(departs_s - hours(1.8), departs_s - hours(0.4), Spot::Public, from, 0.7);
        if dice.chance(0.15) {
            stay(departs_s + hours(0.5), arrives_s - hours(0.5), Spot::Flight, to, 1.5);
        }
    }
    let landing = if dice.chance(0.5) { Spot::Public } else { Spot::Road };
    stay(arrives_s + hours(0.3), arrives_s + hours(1.2), landing, to, 0.6);
    let rest = if at_home { Spot::Public } else { Spot::Home };
    stay(arrives_s + hours(1.6), arrives_s + hours(3.0), rest, to, 1.2);
    user.busy_until_s = arrives_s + hours(3.0);
    if trip.is_holiday {
        mark(&mut stays, Causes::HOLIDAY);
    }
    stays
}
