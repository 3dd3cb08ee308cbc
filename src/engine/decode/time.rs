//! Text and numbers → [`EventTime`]: every way a sign-in log writes a time.
//!
//! ISO 8601 with `T` or a space, one- or two-digit hours and any number of decimals; US month/day/year with or
//! without AM/PM; a zone (`Z`, `UTC`, `GMT`, an offset) or none, which means UTC; seconds, milliseconds,
//! microseconds or nanoseconds since 1970. Decimals after the ninth are dropped. A time without a date is no time here:
//! [`undated`](super::undated) completes it.
//! Nothing allocates.

use crate::engine::signin::{EventTime, NANOS_PER_SECOND};

/// 2000-01-01T00:00:00Z, in seconds: times before it are out of range.
const SECONDS_MIN: i64 = 946_684_800;
/// 2100-01-01T00:00:00Z, in seconds: times from it on are out of range.
const SECONDS_END: i64 = 4_102_444_800;

/// Why a time was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeError {
    /// Not a time in any known form.
    Unreadable,
    /// Before 2000 or after 2099.
    OutOfRange,
}

/// Reads a time written as text.
pub fn parse_time(text: &str) -> Result<EventTime, TimeError> {
    let bytes = text.trim().as_bytes();
    let mut cursor = Cursor { rest: bytes };
    if bytes.get(4) == Some(&b'-') {
        let (year, month, day) = (cursor.digits(4, 4)?, cursor.after(b'-', 2, 2)?, cursor.after(b'-', 2, 2)?);
        return date_and_time(&mut cursor, year, month, day);
    }
    if bytes.iter().take(3).any(|&byte| byte == b'/') {
        let (month, day, year) = (cursor.digits(1, 2)?, cursor.after(b'/', 1, 2)?, cursor.after(b'/', 4, 4)?);
        return date_and_time(&mut cursor, year, month, day);
    }
    epoch_text(text.trim())
}

/// Reads a time of day, and the zone behind it, on a date that is known already.
pub(super) fn time_on(year: i64, month: i64, day: i64, time_of_day: &str) -> Result<EventTime, TimeError> {
    time_and_zone(&mut Cursor { rest: time_of_day.trim().as_bytes() }, year, month, day)
}

/// Reads a whole number as time since 1970; its size tells the unit.
pub fn time_of_integer(number: i64) -> Result<EventTime, TimeError> {
    let nanos_per_unit: i128 = match number.unsigned_abs() {
        0..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    };
    time_in_range(i128::from(number) * nanos_per_unit)
}

/// Reads a number with decimals: seconds or milliseconds since 1970, exact to the microsecond.
pub fn time_of_float(number: f64) -> Result<EventTime, TimeError> {
    if !number.is_finite() || number.abs() >= 1e17 {
        return Err(TimeError::OutOfRange);
    }
    if number.fract() == 0.0 {
        return time_of_integer(number as i64);
    }
    let micros_per_unit = if number.abs() < 1e11 { 1e6 } else { 1e3 };
    time_in_range((number * micros_per_unit).round() as i128 * 1_000)
}

/// Nanoseconds since 1970 as a time, if it is one that records have.
pub(super) fn time_in_range(nanos: i128) -> Result<EventTime, TimeError> {
    let range = i128::from(SECONDS_MIN * NANOS_PER_SECOND)..i128::from(SECONDS_END) * i128::from(NANOS_PER_SECOND);
    if !range.contains(&nanos) {
        return Err(TimeError::OutOfRange);
    }
    i64::try_from(nanos).map(EventTime).map_err(|_| TimeError::OutOfRange)
}

fn epoch_text(text: &str) -> Result<EventTime, TimeError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(TimeError::Unreadable);
    }
    if digits.contains('.') {
        return text.parse().map_err(|_| TimeError::Unreadable).and_then(time_of_float);
    }
    text.parse().map_err(|_| TimeError::OutOfRange).and_then(time_of_integer)
}

/// The time of day and zone that follow a date.
fn date_and_time(cursor: &mut Cursor<'_>, year: i64, month: i64, day: i64) -> Result<EventTime, TimeError> {
    let spaced = cursor.eat_any(b",") | cursor.eat_any(b"Tt ");
    if !spaced {
        return Err(TimeError::Unreadable);
    }
    cursor.skip_spaces();
    time_and_zone(cursor, year, month, day)
}

fn time_and_zone(cursor: &mut Cursor<'_>, year: i64, month: i64, day: i64) -> Result<EventTime, TimeError> {
    let mut hour = cursor.digits(1, 2)?;
    let minute = cursor.after(b':', 2, 2)?;
    let second = if cursor.rest.first() == Some(&b':') { cursor.after(b':', 2, 2)? } else { 0 };
    let nanos = if cursor.eat_any(b".,") { cursor.decimals()? } else { 0 };
    cursor.skip_spaces();
    if let Some(afternoon) = cursor.eat_meridiem() {
        if !(1..=12).contains(&hour) {
            return Err(TimeError::Unreadable);
        }
        hour = hour % 12 + if afternoon { 12 } else { 0 };
        cursor.skip_spaces();
    }
    let offset_seconds = cursor.zone()?;
    let valid = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    if !valid {
        return Err(TimeError::Unreadable);
    }
    // A leap second is the last second of its minute: the count since 1970 has no place for it.
    let time_of_day = hour * 3_600 + minute * 60 + second.min(59);
    let seconds = days_since_1970(year, month, day) * 86_400 + time_of_day - offset_seconds;
    time_in_range(i128::from(seconds) * i128::from(NANOS_PER_SECOND) + i128::from(nanos))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the proleptic Gregorian calendar, counted from March so that the leap day ends the year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    /// Reads between `least` and `most` digits.
    fn digits(&mut self, least: usize, most: usize) -> Result<i64, TimeError> {
        let count = self.rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        if count < least {
            return Err(TimeError::Unreadable);
        }
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
    }

    /// Reads `separator`, then digits.
    fn after(&mut self, separator: u8, least: usize, most: usize) -> Result<i64, TimeError> {
        if !self.eat_any(&[separator]) {
            return Err(TimeError::Unreadable);
        }
        self.digits(least, most)
    }

    /// Reads decimals of a second, as nanoseconds.
    fn decimals(&mut self) -> Result<i64, TimeError> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(TimeError::Unreadable);
        }
        let kept = count.min(9);
        let number = self.digits(kept, kept)?;
        self.rest = self.rest.get(count - kept..).unwrap_or(&[]);
        Ok((kept..9).fold(number, |nanos, _| nanos * 10))
    }

    fn eat_any(&mut self, bytes: &[u8]) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if bytes.contains(first) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn skip_spaces(&mut self) {
        while self.eat_any(b" ") {}
    }

    /// AM or PM; true = afternoon.
    fn eat_meridiem(&mut self) -> Option<bool> {
        let (word, rest) = self.rest.split_at_checked(2)?;
        let afternoon = word.eq_ignore_ascii_case(b"PM");
        if !afternoon && !word.eq_ignore_ascii_case(b"AM") {
            return None;
        }
        self.rest = rest;
        Some(afternoon)
    }

    /// The zone's offset in seconds east of UTC; the text must end with it.
    fn zone(&mut self) -> Result<i64, TimeError> {
        let word = self.rest;
        if word.is_empty() || [b"Z".as_slice(), b"UTC", b"GMT"].iter().any(|zone| word.eq_ignore_ascii_case(zone))
        {
            return Ok(0);
        }
        let sign = match (self.eat_any(b"+"), self.eat_any(b"-")) {
            (true, false) => 1,
            (false, true) => -1,
            _ => return Err(TimeError::Unreadable),
        };
        let hours = self.digits(2, 2)?;
        self.eat_any(b":");
        let minutes = if self.rest.is_empty() { 0 } else { self.digits(2, 2)? };
        if !self.rest.is_empty() || hours > 23 || minutes > 59 {
            return Err(TimeError::Unreadable);
        }
        Ok(sign * (hours * 3_600 + minutes * 60))
    }
}
