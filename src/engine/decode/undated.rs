//! Times of log lines: without a year (`Feb 12 14:10:21`), without a date (`21:20:42,120`), or in full at the end of a
//! line's head. What is left out is completed by what is known around the record.
//!
//! Log lines are written in the local time of their server, mostly without a zone: they are read as UTC. So a line may
//! seem to come from the near future, which the rules here allow for. Nothing allocates.

use super::paths::no_time;
use super::time::{TimeError, parse_time, time_on};
use super::{Around, Reject, RejectReason};
use crate::engine::signin::{EventTime, NANOS_PER_SECOND, SECONDS_PER_DAY};

/// A line may be this much ahead of when it was received, for a zone that is not known or a clock that is wrong.
const AHEAD_SECONDS_MAX: i64 = SECONDS_PER_DAY;
/// The 29th of February is looked for so many years back: twice four, as 2100 has none.
const YEARS_BACK_MAX: i64 = 8;
const SECONDS_PER_YEAR: i64 = 31_556_952;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The month of an English name or its first three letters, from 1.
pub(super) fn month_of(word: &str) -> Option<i64> {
    let start = word.get(..3)?;
    let is_word = word.len() <= 9 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let index = MONTHS.iter().position(|month| start.eq_ignore_ascii_case(month))?;
    if is_word { i64::try_from(index + 1).ok() } else { None }
}

/// A time that begins with the name of a month: `Feb 12 14:10:21.5`, `Feb 12 2024 14:10:21`, `Feb 12 14:10:21 2024`.
/// Without a year, the latest that puts it not after when the record came (or hardly); else the year of the configuration.
///
/// # Errors
/// It is no such time, or nothing says the year.
pub(super) fn time_of_month(text: &str, around: &Around) -> Result<EventTime, Reject> {
    let unreadable = || no_time(Some(TimeError::Unreadable));
    let mut words = text.split_ascii_whitespace();
    let month = words.next().and_then(month_of).ok_or_else(unreadable)?;
    let day: i64 = words.next().and_then(|day| day.trim_end_matches(',').parse().ok()).ok_or_else(unreadable)?;
    let (mut year, mut time_of_day) = (None, None);
    for word in words.take(2) {
        match year_of(word) {
            Some(written) => year = Some(written),
            None => time_of_day = Some(word),
        }
    }
    let time_of_day = time_of_day.ok_or_else(unreadable)?;
    if let Some(year) = year {
        return time_on(year, month, day, time_of_day).map_err(|error| no_time(Some(error)));
    }
    match (around.time, around.year) {
        (Some(received), _) => {
            let year = 1970 + received.seconds().div_euclid(SECONDS_PER_YEAR);
            let limit = received.plus_seconds(AHEAD_SECONDS_MAX);
            let times = (year - YEARS_BACK_MAX..=year + 1)
                .rev()
                .filter_map(|year| time_on(year, month, day, time_of_day).ok());
            times.into_iter().find(|time| *time <= limit).ok_or_else(unreadable)
        }
        (None, Some(year)) => {
            time_on(i64::from(year), month, day, time_of_day).map_err(|error| no_time(Some(error)))
        }
        (None, None) => {
            let detail = "the time has no year, and nothing around the record has: input.year must be set";
            Err(Reject::new(RejectReason::NoTime, detail))
        }
    }
}

fn year_of(word: &str) -> Option<i64> {
    let is_year = word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    if is_year { word.parse().ok() } else { None }
}

/// A time of day: on the day that puts it nearest to when the record came.
///
/// # Errors
/// It is no time, or nothing says when the record came.
pub(super) fn time_of_day(text: &str, around: &Around) -> Result<EventTime, Reject> {
    // Some day in range, as is the one before.
    let on_some_day = time_on(2000, 1, 3, text).map_err(|error| no_time(Some(error)))?;
    let Some(received) = around.time else {
        let detail = "the time has no date, and nothing around the record says when it came";
        return Err(Reject::new(RejectReason::NoTime, detail));
    };
    let nanos_per_day = SECONDS_PER_DAY * NANOS_PER_SECOND;
    let since_midnight = on_some_day.0.rem_euclid(nanos_per_day);
    let today = received.0.div_euclid(nanos_per_day);
    let on = |day: i64| EventTime(day.saturating_mul(nanos_per_day).saturating_add(since_midnight));
    let days = [on(today), on(today - 1), on(today + 1)];
    let nearest = days.into_iter().min_by_key(|time| time.0.abs_diff(received.0));
    nearest.ok_or_else(|| no_time(Some(TimeError::Unreadable)))
}

/// The time that ends a line's head: its last word, or its last two. Without any, when the record came.
///
/// # Errors
/// There is none, or it cannot be completed.
pub(super) fn time_at_end(head: &str, around: &Around) -> Result<EventTime, Reject> {
    let head = head.trim_end_matches([' ', ']']);
    let (before, last) = head.rsplit_once(|c: char| c.is_ascii_whitespace()).unwrap_or(("", head));
    if last.get(..10).is_some_and(is_date) {
        return parse_time(last).map_err(|error| no_time(Some(error)));
    }
    if !is_time_of_day(last) {
        return around.time.ok_or_else(|| no_time(None));
    }
    let before = before.trim_end();
    let date_start = before.len().saturating_sub(10);
    if before.get(date_start..).is_some_and(is_date) {
        return parse_time(head.get(date_start..).unwrap_or_default()).map_err(|error| no_time(Some(error)));
    }
    time_of_day(last, around)
}

/// Is it a date, as in `2024-02-12`?
pub(super) fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

pub(super) fn is_time_of_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    is_digit(0) && (bytes.get(1) == Some(&b':') || (is_digit(1) && bytes.get(2) == Some(&b':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> EventTime {
        parse_time(text).unwrap()
    }

    fn received(text: &str) -> Around {
        Around { time: Some(time(text)), year: Some(1999) }
    }

    #[test]
    fn the_year_is_the_latest_that_is_not_in_the_future() {
        let read = |text: &str, around: &str| time_of_month(text, &received(around)).unwrap();
        assert_eq!(read("Feb 12 14:10:21", "2024-02-12T14:10:22Z"), time("2024-02-12T14:10:21Z"));
        assert_eq!(read("Dec 31 23:59:59", "2024-01-01T00:00:01Z"), time("2023-12-31T23:59:59Z"));
        // The server's zone is ahead of UTC.
        assert_eq!(read("Jan  1 01:30:00", "2023-12-31T23:30:01Z"), time("2024-01-01T01:30:00Z"));
        assert_eq!(read("Feb 29 10:00:00.25", "2026-06-01T00:00:00Z"), time("2024-02-29T10:00:00.25Z"));
        assert_eq!(read("May  2 2021 10:00:00", "2026-06-01T00:00:00Z"), time("2021-05-02T10:00:00Z"));
        assert_eq!(read("May  2 10:00:00 2021", "2026-06-01T00:00:00Z"), time("2021-05-02T10:00:00Z"));
    }

    #[test]
    fn without_a_time_around_the_year_is_configured_or_missing() {
        let around = Around { time: None, year: Some(2024) };
        assert_eq!(time_of_month("Feb 29 10:00:00", &around).unwrap(), time("2024-02-29T10:00:00Z"));
        let reject = time_of_month("Feb 29 10:00:00", &Around::default()).unwrap_err();
        assert_eq!(reject.reason, RejectReason::NoTime);
        assert!(reject.detail.contains("input.year"), "{}", reject.detail);
        let around = Around { time: None, year: Some(2023) };
        assert_eq!(time_of_month("Feb 29 10:00:00", &around).unwrap_err().reason, RejectReason::NoTime);
        for text in ["", "Feb", "Feb 12", "Foo 12 10:00:00", "Feb x 10:00:00", "Feb 12 25:00:00"] {
            assert_eq!(
                time_of_month(text, &received("2024-01-01T00:00:00Z")).unwrap_err().reason,
                RejectReason::NoTime
            );
        }
    }

    #[test]
    fn a_time_of_day_is_on_the_nearest_day() {
        let read = |text: &str, around: &str| time_of_day(text, &received(around)).unwrap();
        assert_eq!(read("21:20:42,120", "2024-05-06T21:20:43Z"), time("2024-05-06T21:20:42.12Z"));
        assert_eq!(read("23:59:59,900", "2024-05-06T00:00:01Z"), time("2024-05-05T23:59:59.9Z"));
        assert_eq!(read("01:20:00", "2024-05-05T23:20:01Z"), time("2024-05-06T01:20:00Z"));
        assert_eq!(time_of_day("21:20:42", &Around::default()).unwrap_err().reason, RejectReason::NoTime);
    }

    #[test]
    fn a_head_ends_with_its_time() {
        let around = received("2024-05-06T21:20:43Z");
        let read = |head: &str| time_at_end(head, &around).unwrap();
        assert_eq!(read("2024-05-06 20:40:16,353 "), time("2024-05-06T20:40:16.353Z"));
        assert_eq!(
            read("<14>May  6 20:40:16 host kc[1]: 2024-05-06T20:40:16.353+02:00"),
            time("2024-05-06T18:40:16.353Z")
        );
        assert_eq!(read("[2024-05-06 20:40:16,353] "), time("2024-05-06T20:40:16.353Z"));
        assert_eq!(read("pod-1 | 20:40:16,353"), time("2024-05-06T20:40:16.353Z"));
        assert_eq!(read(""), time("2024-05-06T21:20:43Z"));
        assert_eq!(read("é"), time("2024-05-06T21:20:43Z"));
    }
}
