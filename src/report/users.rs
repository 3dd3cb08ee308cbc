//! The users whose detections weigh most, and what happened to them when.

use std::collections::{BTreeMap, BTreeSet};

use super::alerts::{Alert, LEVELS};
use super::overview::{Levels, UNIT, country_name, levelled, minute, total};
use super::page::{Block, Chart, Event, TIME, Table, Timeline};
use crate::render::text::count;

/// Users shown.
pub const USERS_MAX: usize = 20;
/// Detections shown of a user: those of the highest score.
pub const EVENTS_MAX: usize = 50;

struct User<'a> {
    name: &'a str,
    levels: Levels,
    alerts: Vec<&'a Alert>,
}

/// By high, then medium, then low detections; the name decides among equals.
fn ranked<'a>(alerts: &[&'a Alert]) -> Vec<User<'a>> {
    let mut users: BTreeMap<&str, User<'_>> = BTreeMap::new();
    for alert in alerts {
        let name = if alert.user.is_empty() { "unknown user" } else { &alert.user };
        let user = users.entry(name).or_insert_with(|| User { name, levels: Levels::default(), alerts: vec![] });
        user.levels[alert.level] += 1;
        user.alerts.push(alert);
    }
    let mut users: Vec<User<'_>> = users.into_values().collect();
    users.sort_by_key(|user| std::cmp::Reverse(user.levels.iter().rev().copied().collect::<Vec<u64>>()));
    users
}

pub(super) fn blocks(alerts: &[&Alert]) -> Vec<Block> {
    let mut users = ranked(alerts);
    let number = users.len();
    let left: u64 = users.iter().skip(USERS_MAX).map(|user| total(&user.levels)).sum();
    users.truncate(USERS_MAX);
    let mut about = format!(
        "The users with the most {UNIT} of level high, then medium, then low: {} of {}.",
        users.len(),
        count(number as u64)
    );
    if left > 0 {
        about += &format!(" The others have {} {UNIT}.", count(left));
    }
    let rows = users.iter().map(|user| (user.name.to_owned(), user.levels)).collect();
    vec![levelled("Users with the most risk", &about, "user", rows, true), timeline(&users)]
}

fn timeline(users: &[User<'_>]) -> Block {
    let mut left_out = 0;
    let (mut events, mut rows) = (Vec::new(), Vec::new());
    for (user, row) in users.iter().zip(0..) {
        let mut alerts = user.alerts.clone();
        alerts.sort_by_key(|alert| std::cmp::Reverse(alert.score));
        left_out += alerts.len().saturating_sub(EVENTS_MAX);
        alerts.truncate(EVENTS_MAX);
        alerts.sort_by_key(|alert| alert.time);
        for alert in alerts {
            let (time, level) = (alert.time.to_string(), LEVELS[alert.level]);
            events.push(Event { row, time, level, what: alert.kind.clone() });
            rows.push(told(user.name, alert));
        }
    }
    let incidents: BTreeSet<&str> =
        users.iter().flat_map(|user| user.alerts.iter().map(|alert| alert.incident.as_str())).collect();
    let mut about = format!(
        "What happened to these users, and when (UTC): {} {UNIT} in {} incidents. One row a user, one mark a detection.",
        count(events.len() as u64 + left_out as u64),
        count(incidents.len() as u64),
    );
    if left_out > 0 {
        about += &format!(" Left out: {} of the lowest scores.", count(left_out as u64));
    }
    let header = ["user", TIME, "level", "type", "country", "what", "score"];
    Block {
        title: "Their timeline".to_owned(),
        about,
        chart: Some(Chart::Timeline(Timeline {
            rows: users.iter().map(|user| user.name.to_owned()).collect(),
            events,
        })),
        table: Table::new(&header, 6, rows),
    }
}

fn told(user: &str, alert: &Alert) -> Vec<String> {
    vec![
        user.to_owned(),
        minute(alert.time),
        LEVELS[alert.level].to_owned(),
        alert.kind.clone(),
        country_name(&alert.country),
        alert.sentence.clone(),
        alert.score.to_string(),
    ]
}
