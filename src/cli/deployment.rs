//! What commands that look at a deployment begin with: its configuration, the names in it, and places in a partition
//! as the command line writes them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;

use super::topics;
use crate::config::Config;
use crate::runtime::kafka::client::Connection;
use crate::runtime::kafka::names::Names;
use crate::runtime::kafka::scan::Bound;
use crate::runtime::kafka::topics::cluster::{Cluster, Facts};
use crate::runtime::kafka::topics::{Layout, TopicLayout, plan};

/// Brokers get this long for one answer.
const ASK_MAX: Duration = Duration::from_secs(15);

pub struct Deployment {
    pub config: Config,
    pub names: Names,
    /// Of the topics that there are; nothing is verified.
    pub layout: Layout,
}

/// Reads the configuration and asks the brokers for its topics.
pub fn open(path: Option<&PathBuf>) -> anyhow::Result<Deployment> {
    with_config(topics::load(path)?)
}

pub fn with_config(config: Config) -> anyhow::Result<Deployment> {
    let connection = Connection::new(&config.kafka)?;
    let facts = Cluster::new(&connection, ASK_MAX)?.facts(&config)?;
    let lead = plan::lead(&config).context("`input.topics` is empty")?;
    let Some(partitions) = facts.partitions(lead) else {
        bail!("topic `{lead}` does not exist, or may not be described");
    };
    let layout = Layout {
        cluster_id: facts.cluster_id.clone(),
        lead: lead.to_owned(),
        partitions,
        topics: facts.topics.keys().filter_map(|name| Some((name.clone(), topic(&facts, name)?))).collect(),
    };
    let names = Names::new(&config, connection, &layout);
    Ok(Deployment { config, names, layout })
}

fn topic(facts: &Facts, name: &str) -> Option<TopicLayout> {
    let found = facts.topics.get(name)?.as_ref().ok()?;
    Some(TopicLayout {
        partitions: facts.partitions(name)?,
        id: found.description.id.clone(),
        message_bytes_max: facts.message_bytes_max(name),
    })
}

/// A place as the command line writes it: `earliest`, `latest`, an offset (with `offset=` or alone), `time=RFC3339`.
pub fn bound(text: &str) -> Result<Bound, String> {
    let offset = |text: &str| match text.parse() {
        Ok(offset) if offset >= 0 => Ok(Bound::Offset(offset)),
        _ => Err(format!("`{text}` is no offset; write earliest, latest, an offset or time=2026-01-31T08:00:00Z")),
    };
    match (text, text.split_once('=')) {
        ("earliest", _) => Ok(Bound::Earliest),
        ("latest", _) => Ok(Bound::Latest),
        (_, Some(("offset", text))) => offset(text),
        (_, Some(("time", text))) => match text.parse::<Timestamp>() {
            Ok(time) => Ok(Bound::Time(time.as_millisecond())),
            Err(error) => Err(format!("`{text}` is no time: {error}; write such as 2026-01-31T08:00:00Z")),
        },
        (text, _) => offset(text),
    }
}

/// Milliseconds since 1970 as people read them.
pub fn time_text(timestamp_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(timestamp_ms).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let check = |text: &str, expected| assert_eq!(bound(text), Ok(expected), "{text}");
        check("earliest", Bound::Earliest);
        check("latest", Bound::Latest);
        check("0", Bound::Offset(0));
        check("offset=17", Bound::Offset(17));
        check("time=1970-01-01T00:00:01.5Z", Bound::Time(1_500));
        check("time=1970-01-01T01:00:01+01:00", Bound::Time(1_000));
        for wrong in ["", "-1", "first", "offset=", "time=", "time=yesterday", "time=2026-01-31T08:00:00", "at=3"]
        {
            assert!(bound(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        assert_eq!(time_text(1_500).as_deref(), Some("1970-01-01T00:00:01.5Z"));
        assert_eq!(time_text(i64::MAX), None);
    }
}
