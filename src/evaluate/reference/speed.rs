//! The plain speed rule: great-circle distance over time between two sign-ins that follow each other, above 900 km/h.
//!
//! The rule of most SIEM content. It knows no accuracy radius, no VPN and no smallest distance.

use geo::{Distance, Haversine, Point};

use super::{History, Judgement};
use crate::engine::facts::Facts;
use crate::engine::hash::UserKey;

/// Cruising speed of an airliner.
pub const SPEED_MAX_KMH: f64 = 900.0;

pub fn judge(history: &History, user: UserKey, facts: &Facts) -> Option<Judgement> {
    let last = history.user(user)?.last_place?;
    let (latitude, longitude) = facts.coordinates?;
    let point = |latitude: f32, longitude: f32| Point::new(f64::from(longitude), f64::from(latitude));
    let from = point(last.coordinates.0, last.coordinates.1);
    let distance_km = Haversine.distance(from, point(latitude, longitude)) / 1_000.0;
    let hours = facts.time.seconds_since(last.time).abs() / 3_600.0;
    let fires = distance_km > 0.0 && distance_km > SPEED_MAX_KMH * hours;
    fires.then_some(Judgement { score: 1.0, reference: Some(last.key) })
}
