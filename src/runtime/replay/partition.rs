//! The date in a path: of which days a file of a date-partitioned folder is.
//!
//! Names as cloud log exports write them: `year=2025/month=03/day=14` (Hive), `y=2025/m=03/d=14/h=08/m=00` (Azure's
//! diagnostic settings), `dt=2025-03-14`, and `CloudTrail/REGION/2025/03/14`. The day may be that of the export, or of
//! another time zone, so all that is said holds with a day's margin.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::engine::signin::{EventTime, SECONDS_PER_DAY};

/// Events may be so much older or newer than their folder says.
const MARGIN_S: i64 = SECONDS_PER_DAY;

/// When the events of a file are at the earliest, and before when they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: EventTime,
    pub to: EventTime,
}

/// Of the file of this name; `None` where its folders do not say.
pub fn span(name: &str) -> Option<Span> {
    let parts: Vec<&str> = name.split(['/', '\\']).collect();
    let folders = parts.split_last()?.1;
    let (first, behind) = hive(folders).or_else(|| cloudtrail(folders))?;
    let midnight =
        |date: Date| Some(EventTime::from_seconds(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second()));
    Some(Span { from: midnight(first)?.minus_seconds(MARGIN_S), to: midnight(behind)?.plus_seconds(MARGIN_S) })
}

/// The first day, and the first behind the last.
type Days = (Date, Date);

/// `key=value` folders, from the year down as far as they go.
fn hive(folders: &[&str]) -> Option<Days> {
    let (mut year, mut month, mut day) = (None, None, None);
    for (key, value) in folders.iter().filter_map(|folder| folder.split_once('=')) {
        match (&*key.to_ascii_lowercase(), value.len()) {
            ("dt" | "ds" | "date" | "day", 10) => return days_of(value.parse().ok()?),
            ("y" | "year" | "yyyy", 4) => (year, month, day) = (number(value), None, None),
            // The second `m` is the minute.
            ("m" | "month" | "mm", _) if year.is_some() && month.is_none() => month = Some(number(value)?),
            ("d" | "day" | "dd", _) if month.is_some() && day.is_none() => day = Some(number(value)?),
            _ => {}
        }
    }
    let first = |month, day| Date::new(year?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok();
    match (month, day) {
        (None, _) => Some((first(1, 1)?, first(1, 1)?.checked_add(1.year()).ok()?)),
        (Some(month), None) => Some((first(month, 1)?, first(month, 1)?.checked_add(1.month()).ok()?)),
        (Some(month), Some(day)) => days_of(first(month, day)?),
    }
}

/// `…/CloudTrail/eu-west-1/2025/03/14`.
fn cloudtrail(folders: &[&str]) -> Option<Days> {
    let at = folders.iter().rposition(|folder| *folder == "CloudTrail")?;
    let [_, year, month, day, ..] = folders[at + 1..] else { return None };
    if [year, month, day].map(str::len) != [4, 2, 2] {
        return None;
    }
    let [month, day] = [month, day].map(|text| number(text).and_then(|number| i8::try_from(number).ok()));
    days_of(Date::new(number(year)?, month?, day?).ok()?)
}

fn days_of(day: Date) -> Option<Days> {
    Some((day, day.tomorrow().ok()?))
}

fn number(text: &str) -> Option<i16> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_folders() {
        let check = |name: &str, expected: Option<[&str; 2]>| {
            let found = span(name).map(|span| [span.from, span.to].map(|time| time.to_string()[..10].to_owned()));
            assert_eq!(found, expected.map(|days| days.map(str::to_owned)), "{name}");
        };
        let day = Some(["2025-03-13", "2025-03-16"]);
        check("logs/year=2025/month=03/day=14/part-0.json.gz", day);
        check("logs/Year=2025/Month=3/Day=14/part-0.json.gz", day);
        check("s3://b/resourceId=/X/y=2025/m=03/d=14/h=08/m=00/PT1H.json", day);
        check("a/dt=2025-03-14/x.parquet", day);
        check("a/day=2025-03-14/x.parquet", day);
        check("s3://b/AWSLogs/1/CloudTrail/eu-west-1/2025/03/14/x.json.gz", day);
        check("year=2025/month=12/x.json", Some(["2025-11-30", "2026-01-02"]));
        check("year=2024/x.json", Some(["2023-12-31", "2025-01-02"]));
        // Nothing that could be something else is taken for a date.
        for name in [
            "2025/03/14/x.json",
            "month=03/day=14/x.json",
            "year=2025/month=13/x.json",
            "year=2025/month=02/day=30/x.json",
            "year=2025/month=+3/day=14/x.json",
            "year=latest/x.json",
            "year=2025.json",
            "dt=2025-03-14.json",
            "dt=2025-99-14/x.json",
            "CloudTrail/eu-west-1/25/3/14/x.json",
            "CloudTrail/2025/03/14/x.json",
        ] {
            check(name, None);
        }
    }
}
