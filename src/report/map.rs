//! Where the sign-ins of detections came from, and the journeys that were found too fast or too unusual.

use std::collections::BTreeMap;

use super::alerts::{Alert, LEVELS, Spot};
use super::overview::{Levels, UNIT, join, total};
use super::page::{Block, Chart, Journey, Map, Place, Table};
use crate::render::text::count;

/// Places and journeys drawn and listed; those with the most detections.
pub const PLACES_MAX: usize = 300;
pub const JOURNEYS_MAX: usize = 200;

/// A name and coordinates: 10 000ths of a degree, as output has them.
type Key<'a> = (&'a str, i64, i64);

fn key(spot: &Spot) -> Key<'_> {
    let fixed = |degrees: f64| (degrees * 10_000.0).round() as i64;
    (&spot.name, fixed(spot.latitude), fixed(spot.longitude))
}

/// Longitude and latitude.
fn point((_, latitude, longitude): Key<'_>) -> [f64; 2] {
    [longitude, latitude].map(|fixed| fixed as f64 / 10_000.0)
}

fn highest(levels: &Levels) -> &'static str {
    let place = levels.iter().rposition(|count| *count > 0);
    LEVELS[place.unwrap_or_default()]
}

/// The most frequent `most`, and a sentence about the others.
fn frequent<K: Ord>(counts: BTreeMap<K, Levels>, most: usize, what: &str) -> (Vec<(K, Levels)>, String) {
    let mut rows: Vec<(K, Levels)> = counts.into_iter().collect();
    rows.sort_by_key(|(_, levels)| std::cmp::Reverse(total(levels)));
    let others = rows.split_off(rows.len().min(most));
    let left_out: u64 = others.iter().map(|(_, levels)| total(levels)).sum();
    let told = match others.len() {
        0 => String::new(),
        number => format!("Left out: {} more {what}, with {} {UNIT}.", count(number as u64), count(left_out)),
    };
    (rows, told)
}

/// Nothing where no place is known.
pub(super) fn block(alerts: &[&Alert]) -> Option<Block> {
    let mut places: BTreeMap<Key<'_>, Levels> = BTreeMap::new();
    let mut journeys: BTreeMap<[Key<'_>; 2], Levels> = BTreeMap::new();
    for alert in alerts {
        let Some(spot) = &alert.spot else { continue };
        places.entry(key(spot)).or_default()[alert.level] += 1;
        if let Some(from) = &alert.came_from {
            journeys.entry([key(from), key(spot)]).or_default()[alert.level] += 1;
        }
    }
    let placed: u64 = places.values().map(total).sum();
    if placed == 0 {
        return None;
    }
    let about = format!(
        "{} places of {} {UNIT}, and {} journeys from the sign-in before. {} {UNIT} have no place.",
        count(places.len() as u64),
        count(placed),
        count(journeys.len() as u64),
        count(alerts.len() as u64 - placed),
    );
    let (places, places_left) = frequent(places, PLACES_MAX, "places");
    let (journeys, journeys_left) = frequent(journeys, JOURNEYS_MAX, "journeys");
    let place = |(key, levels): &(Key<'_>, Levels)| Place {
        name: key.0.to_owned(),
        at: point(*key),
        detections: total(levels),
        level: highest(levels),
    };
    let journey = |([from, to], levels): &([Key<'_>; 2], Levels)| Journey {
        name: format!("{} → {}", from.0, to.0),
        from: point(*from),
        to: point(*to),
        detections: total(levels),
        level: highest(levels),
    };
    let map = Map { places: places.iter().map(place).collect(), journeys: journeys.iter().map(journey).collect() };
    Some(Block {
        title: "Where from".to_owned(),
        about: join(&about, &join(&places_left, &journeys_left)),
        table: table(&map),
        chart: Some(Chart::Map(map)),
    })
}

fn table(map: &Map) -> Table {
    let places = map.places.iter().map(|place| (&place.name, "place", place.detections, place.level));
    let journeys =
        map.journeys.iter().map(|journey| (&journey.name, "journey", journey.detections, journey.level));
    let row = |(name, what, detections, level): (&String, &str, u64, &str)| {
        vec![name.clone(), what.to_owned(), level.to_owned(), count(detections)]
    };
    Table::new(&["where", "what", "highest level", UNIT], 3, places.chain(journeys).map(row).collect())
}
