//! One set of detections → when, what and from where: the blocks that every page of detections has.

use std::collections::BTreeMap;

use super::alerts::{Alert, Alerts, LEVELS};
use super::page::{Bars, Block, Chart, Heat, Section, Series, Table};
use super::{map, users};
use crate::engine::signin::{EventTime, SECONDS_PER_DAY};
use crate::render::text::count;

/// Countries shown one by one; the others are one row.
pub const COUNTRIES_MAX: usize = 20;
/// Bars of a chart over time; what is longer has bars of more days.
pub const BARS_MAX: usize = 370;
/// Days that a bar may stand for; the last is enough for all times there are.
const BAR_DAYS: [i32; 6] = [1, 7, 30, 91, 365, 3_652];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
pub(super) const UNIT: &str = "detections";

/// By level.
pub(super) type Levels = [u64; LEVELS.len()];

pub(super) fn total(levels: &Levels) -> u64 {
    levels.iter().sum()
}

/// Times of the first and the last.
pub type Span = (EventTime, EventTime);

/// All that is told of a set of detections. `span`: of what was searched for them, where that is known.
pub fn section(title: &str, about: &str, alerts: &Alerts, span: Option<Span>) -> Section {
    let standing: Vec<&Alert> = alerts.standing().collect();
    let mut section = Section { title: title.to_owned(), about: about.to_owned(), blocks: Vec::new() };
    if standing.is_empty() {
        section.about = join(about, "None stands: there is nothing to show.");
        return section;
    }
    section.blocks = vec![volume(&standing, span), by_type(&standing), by_country(&standing), by_hour(&standing)];
    section.blocks.extend(map::block(&standing));
    section.blocks.extend(users::blocks(&standing));
    section
}

pub(super) fn join(first: &str, second: &str) -> String {
    if first.is_empty() || second.is_empty() { format!("{first}{second}") } else { format!("{first} {second}") }
}

/// "2026-03-09", UTC.
pub(super) fn date(time: EventTime) -> String {
    time.to_string().chars().take("2026-03-09".len()).collect()
}

/// "2026-03-09 06:39", UTC.
pub(super) fn minute(time: EventTime) -> String {
    let text: String = time.to_string().chars().take("2026-03-09T06:39".len()).collect();
    text.replace('T', " ")
}

fn of_day(day: i32) -> String {
    date(EventTime::from_seconds(i64::from(day) * SECONDS_PER_DAY))
}

/// Days of equal length in a row that cover a span.
pub(super) struct Calendar {
    first: i32,
    bars: usize,
    days_each: i32,
}

impl Calendar {
    pub(super) fn new((first, last): Span) -> Calendar {
        let (first, last) = (first.day(), last.day().max(first.day()));
        let bars = |days: i32| last.saturating_sub(first) as usize / days as usize + 1;
        let fits = BAR_DAYS.into_iter().find(|days| bars(*days) <= BARS_MAX);
        let days_each = fits.unwrap_or(BAR_DAYS[BAR_DAYS.len() - 1]);
        Calendar { first, bars: bars(days_each), days_each }
    }

    pub(super) fn bar_of(&self, time: EventTime) -> usize {
        let days = time.day().saturating_sub(self.first).max(0);
        ((days / self.days_each) as usize).min(self.bars - 1)
    }

    pub(super) fn names(&self) -> Vec<String> {
        (0..self.bars).map(|bar| of_day(self.first.saturating_add(bar as i32 * self.days_each))).collect()
    }

    pub(super) fn counts<'a>(&self, alerts: impl IntoIterator<Item = &'a &'a Alert>) -> Vec<Levels> {
        let mut bars = vec![Levels::default(); self.bars];
        for alert in alerts {
            bars[self.bar_of(alert.time)][alert.level] += 1;
        }
        bars
    }

    /// Says what a bar is.
    pub(super) fn told(&self) -> String {
        match self.days_each {
            1 => "One bar a day (UTC).".to_owned(),
            days => format!("One bar for {days} days (UTC), named by its first."),
        }
    }
}

/// The times of the first and the last alert; of none the beginning of time.
pub(super) fn span_of<'a>(alerts: impl IntoIterator<Item = &'a &'a Alert>) -> Span {
    let times = alerts.into_iter().map(|alert| alert.time);
    let span = times.fold(None, |span: Option<Span>, time| {
        Some(span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))))
    });
    span.unwrap_or_else(|| (EventTime::from_seconds(0), EventTime::from_seconds(0)))
}

fn volume(alerts: &[&Alert], span: Option<Span>) -> Block {
    let (first, last) = span_of(alerts);
    let (first, last) = span.map_or((first, last), |span| (first.min(span.0), last.max(span.1)));
    let calendar = Calendar::new((first, last));
    let (names, bars) = (calendar.names(), calendar.counts(alerts));
    let busiest = (0..bars.len()).rev().max_by_key(|bar| total(&bars[*bar])).unwrap_or_default();
    let silent = bars.iter().filter(|bar| total(bar) == 0).count();
    let about = format!(
        "{} {} {UNIT} from {} to {}; most, {}, in the bar of {}; {silent} of {} bars have none.",
        calendar.told(),
        count(alerts.len() as u64),
        date(first),
        date(last),
        count(total(&bars[busiest])),
        names[busiest],
        bars.len(),
    );
    let rows = names.into_iter().zip(bars).collect();
    levelled("Detections over time", &about, "from", rows, false)
}

/// Rows of a name and counts by level, as a chart of bars and its table.
pub(super) fn levelled(title: &str, about: &str, what: &str, rows: Vec<(String, Levels)>, lying: bool) -> Block {
    let series = LEVELS.iter().zip(0..).map(|(level, place): (&&str, usize)| Series {
        name: (*level).to_owned(),
        values: rows.iter().map(|(_, levels)| levels[place] as f64).collect(),
    });
    let chart = Bars {
        categories: rows.iter().map(|(name, _)| name.clone()).collect(),
        series: series.collect(),
        unit: UNIT.to_owned(),
        lying,
        stacked: true,
    };
    let row = |(name, levels): (String, Levels)| {
        let figures = levels.iter().copied().chain([total(&levels)]).map(count);
        [name].into_iter().chain(figures).collect()
    };
    let header = [what, LEVELS[0], LEVELS[1], LEVELS[2], "all"];
    Block {
        title: title.to_owned(),
        about: about.to_owned(),
        chart: Some(Chart::Bars(chart)),
        table: Table::new(&header, 1, rows.into_iter().map(row).collect()),
    }
}

/// Counts by a property, the most frequent first.
pub(super) fn ranked<'a>(alerts: &[&'a Alert], property: impl Fn(&'a Alert) -> &'a str) -> Vec<(&'a str, Levels)> {
    let mut counts: BTreeMap<&str, Levels> = BTreeMap::new();
    for alert in alerts {
        counts.entry(property(alert)).or_default()[alert.level] += 1;
    }
    let mut rows: Vec<(&str, Levels)> = counts.into_iter().collect();
    rows.sort_by_key(|(_, levels)| std::cmp::Reverse(total(levels)));
    rows
}

fn by_type(alerts: &[&Alert]) -> Block {
    let rows = ranked(alerts, |alert| &alert.kind);
    let levels = rows.iter().fold(Levels::default(), |mut sum, (_, levels)| {
        sum.iter_mut().zip(levels).for_each(|(sum, levels)| *sum += levels);
        sum
    });
    let about = format!(
        "{} types. Most frequent: {} ({}). Of all {UNIT}, {} are low, {} medium, {} high.",
        rows.len(),
        rows[0].0,
        count(total(&rows[0].1)),
        count(levels[0]),
        count(levels[1]),
        count(levels[2]),
    );
    let rows = rows.into_iter().map(|(kind, levels)| (kind.to_owned(), levels)).collect();
    levelled("By type and level", &about, "type", rows, true)
}

/// "Norway (NO)"; a code that is no country's as it is.
pub(super) fn country_name(code: &str) -> String {
    if code.is_empty() {
        return "unknown".to_owned();
    }
    rust_iso3166::from_alpha2(code).map_or(code.to_owned(), |country| format!("{} ({code})", country.name))
}

fn by_country(alerts: &[&Alert]) -> Block {
    let mut rows = ranked(alerts, |alert| &alert.country);
    let about = format!(
        "Where the sign-ins came from. Most frequent: {} ({}).",
        country_name(rows[0].0),
        count(total(&rows[0].1))
    );
    let others = rows.split_off(rows.len().min(COUNTRIES_MAX));
    let mut rows: Vec<(String, Levels)> =
        rows.into_iter().map(|(code, levels)| (country_name(code), levels)).collect();
    if !others.is_empty() {
        let sum = others.iter().fold(Levels::default(), |mut sum, (_, levels)| {
            sum.iter_mut().zip(levels).for_each(|(sum, levels)| *sum += levels);
            sum
        });
        rows.push((format!("{} other countries", others.len()), sum));
    }
    levelled("By country and level", &about, "country", rows, true)
}

fn by_hour(alerts: &[&Alert]) -> Block {
    let mut counts = vec![vec![0u64; 24]; DAYS.len()];
    for alert in alerts {
        let hour = usize::from(alert.time.hour_of_week());
        counts[hour / 24][hour % 24] += 1;
    }
    let busiest = (0..168usize).rev().max_by_key(|hour| counts[hour / 24][hour % 24]).unwrap_or_default();
    let about = format!(
        "When the sign-ins were, by day of the week and hour (UTC). Most frequent: {} from {:02}:00 ({}).",
        DAYS[busiest / 24],
        busiest % 24,
        count(counts[busiest / 24][busiest % 24]),
    );
    let columns: Vec<String> = (0..24).map(|hour| format!("{hour:02}")).collect();
    let header: Vec<&str> = ["day"].into_iter().chain(columns.iter().map(String::as_str)).collect();
    let row = |(day, hours): (&&str, &Vec<u64>)| {
        [(*day).to_owned()].into_iter().chain(hours.iter().copied().map(count)).collect()
    };
    let table = Table::new(&header, 1, DAYS.iter().zip(&counts).map(row).collect());
    let rows = DAYS.map(str::to_owned).to_vec();
    Block {
        title: "By hour and day of the week".to_owned(),
        about,
        chart: Some(Chart::Heat(Heat { columns, rows, counts, unit: UNIT.to_owned() })),
        table,
    }
}
