//! The arithmetic of two places: how far, how long, how fast, and how sure.
//!
//! Distance is the great circle by the haversine formula on a sphere of the mean Earth radius (the `geo` crate,
//! R = 6371.0088 km); it differs from the WGS-84 geodesic by at most about 0.5 %, far below the error of any
//! GeoIP database. From it the uncertainty of both places is taken.

use geo::{Distance, Haversine, Point};

use super::Case;
use crate::engine::facts::{Connection, ListKind, Precision};
use crate::engine::user::familiarity::compact_day;

/// Least uncertainty by connection, km. Mobile gateways err by 179–207 km in the median, fixed lines by 3–16 km
/// (measured over 175 countries, arXiv 2605.21937).
const MOBILE_RADIUS_KM: f64 = 200.0;
const FIXED_RADIUS_KM: f64 = 20.0;
/// A region's or unknown place's least uncertainty, km.
const REGION_RADIUS_KM: f64 = 100.0;

/// From the anchor to this sign-in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Journey {
    pub great_circle_km: f64,
    pub uncertainty_km: f64,
    /// max(0, great circle − uncertainty).
    pub distance_km: f64,
    /// Time between, never below the clock skew, seconds.
    pub elapsed_s: f64,
    pub speed_kmh: f64,
}

/// Great circle between two points in degrees, km, rounded to 10 m so that the last bits of a platform's
/// trigonometry cannot show.
pub fn great_circle_km(from: (f32, f32), to: (f32, f32)) -> f64 {
    let point = |(latitude, longitude): (f32, f32)| Point::new(f64::from(longitude), f64::from(latitude));
    libm::round(Haversine.distance(point(from), point(to)) / 10.0) / 100.0
}

/// Uncertainty of a place, km.
pub fn radius_km(radius_km: u16, precision: Precision, connection: Connection, mobile_listed: bool) -> f64 {
    let floor = match (connection, precision) {
        (Connection::Mobile, _) => MOBILE_RADIUS_KM,
        _ if mobile_listed => MOBILE_RADIUS_KM,
        (_, Precision::City) => FIXED_RADIUS_KM,
        _ => REGION_RADIUS_KM,
    };
    f64::from(radius_km).max(floor)
}

/// The journey since the anchor; `None` without two known and different places.
pub fn journey(case: &Case<'_>) -> Option<Journey> {
    let anchor = case.state.anchor.as_ref()?;
    let here = case.facts.coordinates?;
    if anchor.city_hash == case.facts.city_hash || (case.late && was_there(case)) {
        return None;
    }
    let great_circle_km = great_circle_km(anchor.coordinates, here);
    let there_km =
        radius_km(anchor.radius_km, anchor.precision, anchor.connection, anchor.lists.contains(ListKind::Mobile));
    let here_km = radius_km(
        case.facts.radius_km,
        case.facts.precision,
        case.facts.connection,
        case.facts.lists.contains(ListKind::Mobile),
    );
    let uncertainty_km = there_km + here_km;
    let distance_km = (great_circle_km - uncertainty_km).max(0.0);
    let between_s = libm::fabs(case.facts.time.seconds_since(anchor.time));
    let elapsed_s = between_s.max(case.judge.policy.impossible_travel.clock_skew_s);
    let speed_kmh = distance_km / (elapsed_s / 3_600.0);
    Some(Journey { great_circle_km, uncertainty_km, distance_km, elapsed_s, speed_kmh })
}

/// The baseline saw the user at this place before and after that day. A sign-in that comes days too late may be one
/// that was delivered before, and the user has since moved on: that is no travel.
fn was_there(case: &Case<'_>) -> bool {
    let day = compact_day(case.facts.time.day());
    case.state
        .baseline
        .city
        .get(case.facts.city_hash, day, case.judge.decay)
        .is_some_and(|known| known.first_day <= day && day <= known.last_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Great circles and what others publish of them.
    #[test]
    fn distances_agree_with_published_ones() {
        let check = |from: (f32, f32), to: (f32, f32), published_km: f64| {
            let km = great_circle_km(from, to);
            assert!((km - published_km).abs() / published_km < 0.006, "{km} is not {published_km}");
        };
        // London–Paris 344 km, New York–London 5,570 km (Wikipedia's examples of great-circle distance).
        check((51.5074, -0.1278), (48.8566, 2.3522), 344.0);
        check((40.7128, -74.0060), (51.5074, -0.1278), 5_570.0);
        // Casablanca–Mountain View, 9,617–9,638 km (a peer's README gives 5,896, which is wrong).
        check((33.5731, -7.5898), (37.3861, -122.0839), 9_627.0);
        // Half the circumference of the mean sphere.
        check((0.0, 0.0), (0.0, 180.0), 20_015.1);
    }
}
