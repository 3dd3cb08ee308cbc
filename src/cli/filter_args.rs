//! The arguments that say which part of the logs is judged: the same for every command that replays files.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use super::say;
use crate::engine::signin::{EventTime, ID_LENGTH_MAX};
use crate::runtime::replay::filter::{Filter, USERS_MAX, Users};
use crate::runtime::replay::input::{self, Input};

/// Bytes of a file of users.
const USERS_FILE_LENGTH_MAX: u64 = (USERS_MAX * (ID_LENGTH_MAX + 2)) as u64;

#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Only events from this time on: RFC 3339, or a date for its beginning in UTC.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Only these users, by id or principal name; a file names one a line, `#` begins a comment.
    #[arg(long, value_name = "FILE|ID,…")]
    pub users: Option<String>,
    /// Only this tenant.
    #[arg(long, value_name = "ID")]
    pub tenant: Option<String>,
}

impl FilterArgs {
    pub fn is_set(&self) -> bool {
        self.from.is_some() || self.to.is_some() || self.users.is_some() || self.tenant.is_some()
    }

    /// The files that the arguments name, as far as the filter needs them, and the filter. Says what it costs.
    pub fn inputs(&self, arguments: &[String]) -> anyhow::Result<(Vec<Input>, Arc<Filter>)> {
        let filter = self.filter()?;
        if filter.leaves_out_users() {
            say(
                "note: with --users or --tenant the organisation is those users only: what colleagues do, and attempts \
                 on many users, are counted among them",
            );
        }
        Ok((files(arguments, &filter)?, Arc::new(filter)))
    }

    pub fn filter(&self) -> anyhow::Result<Filter> {
        let bound = |name: &str, text: &Option<String>| {
            text.as_deref().map(|text| time(text).with_context(|| format!("--{name} `{text}`"))).transpose()
        };
        let from = bound("from", &self.from)?.unwrap_or(EventTime::MIN);
        let to = bound("to", &self.to)?.unwrap_or(EventTime::MAX);
        if from >= to {
            let (from, to) = (self.from.as_deref().unwrap_or_default(), self.to.as_deref().unwrap_or_default());
            bail!("no event lies between --from `{from}` and --to `{to}`: name an earlier time first");
        }
        let users = self.users.as_deref().map(|users| named(users).with_context(|| format!("--users `{users}`")));
        Ok(Filter { from, to, tenant: self.tenant.clone(), users: users.transpose()? })
    }
}

/// The files that the arguments name, as far as the filter needs them. Says how many it does not.
pub fn files(arguments: &[String], filter: &Filter) -> anyhow::Result<Vec<Input>> {
    let mut inputs = input::expand(arguments)?;
    let dropped = input::drop_other_days(&mut inputs, filter);
    if dropped > 0 {
        let all = inputs.len() + dropped;
        if inputs.is_empty() {
            bail!("all {all} files are of days outside --from and --to, as their folders tell");
        }
        say(&format!(
            "{dropped} of {all} files are of days outside --from and --to, as their folders tell: not read"
        ));
    }
    Ok(inputs)
}

/// A time, or a date.
pub fn time(text: &str) -> anyhow::Result<EventTime> {
    let text = text.strip_prefix("time=").unwrap_or(text);
    let date = || text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == "2026-03-01".len());
    let time = match (text.parse::<jiff::Timestamp>(), date()) {
        (Ok(time), _) => time,
        (Err(_), Some(date)) => date.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp(),
        (Err(_), None) => bail!("expected a time as 2026-03-01T08:00:00Z, or a date as 2026-03-01"),
    };
    Ok(EventTime(i64::try_from(time.as_nanosecond()).context("no log is of that year")?))
}

fn named(users: &str) -> anyhow::Result<Users> {
    if !Path::new(users).is_file() {
        return Users::new(users.split(','));
    }
    let file = File::open(users)?;
    if file.metadata()?.len() > USERS_FILE_LENGTH_MAX {
        bail!("the file is longer than {USERS_MAX} names of users");
    }
    let mut lines =
        BufReader::new(file.take(USERS_FILE_LENGTH_MAX)).lines().collect::<Result<Vec<String>, _>>()?;
    lines.retain(|line| !line.trim_start().starts_with('#'));
    Users::new(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_dates() {
        let seconds = |text: &str| time(text).ok().map(EventTime::seconds);
        assert_eq!(seconds("2026-03-01"), Some(1_772_323_200));
        assert_eq!(seconds("2026-03-01T01:00:00+01:00"), Some(1_772_323_200));
        for text in ["", "yesterday", "2026-02-30", "2026-03-01T08:00:00", "20260301", "9999-01-01", "earliest"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
