//! The marker: one record a transaction in the changelog partition, which says how far the state beside it has come.
//!
//! State and position come from one log, so neither can be newer than the other. JSON, so that an operator can read it
//! with any consumer. Old versions are read for ever; a newer one is refused.

use serde::{Deserialize, Serialize};

/// Key of the marker in the changelog. A user's key has 16 bytes, so it is none.
pub const MARKER_KEY: &[u8] = b"\0marker";
/// The version written.
pub const VERSION: u32 = 1;

/// Where a task goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    pub version: u32,
    /// Rises by one with every transaction of the task.
    pub transaction: u64,
    /// Topic and next offset of each source.
    pub next: Vec<(String, i64)>,
    /// Topic and Kafka's id of it: an offset counts in that topic only, not in one made later under its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topic_ids: Vec<(String, String)>,
    /// Items taken so far.
    pub position: u64,
    /// Stream time, as [`StreamTime`](crate::engine::watermark::StreamTime) encodes it, hexadecimal.
    pub stream_time: String,
    /// Day of stream time that has begun; null before the first.
    pub day: Option<i32>,
    /// Last day whose contributions to shared profiles are complete; null before the first.
    pub complete_day: Option<i32>,
    /// Border of the last review, in minutes since 1970; null before the first, and in markers of older programs.
    #[serde(default)]
    pub reviewed_minute: Option<i32>,
    /// Border up to which others have been told what was attempted; likewise.
    #[serde(default)]
    pub told_minute: Option<i32>,
    /// Version of the program that wrote it.
    pub program: String,
    /// Configuration and tables the verdicts rested on.
    pub configuration_hash: String,
    /// Is `farsign state import` writing the state beside it? Then no task may begin with it; only such markers have it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub importing: bool,
}

/// A state that is half an old and half a new one.
#[derive(Debug, thiserror::Error)]
#[error(
    "`farsign state import` has begun and not come to its end, so the state is not whole: import again, or forget every \
     user with `farsign reset --state clear`"
)]
pub struct HalfImported;

/// Why a record is no marker.
#[derive(Debug, thiserror::Error)]
pub enum MarkerError {
    #[error("the changelog's marker is damaged: {0}")]
    Damaged(String),
    #[error("the changelog's marker is of version `{0}`; this program reads `{VERSION}`: use a newer program")]
    Version(u32),
}

impl Marker {
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a struct of numbers and strings is JSON")
    }

    pub fn decode(bytes: &[u8]) -> Result<Marker, MarkerError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let damaged = |error: serde_json::Error| MarkerError::Damaged(error.to_string());
        let Versioned { version } = serde_json::from_slice(bytes).map_err(damaged)?;
        if version != VERSION {
            return Err(MarkerError::Version(version));
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }

    /// # Errors
    /// When the state beside it is not whole.
    pub fn whole(self) -> Result<Marker, HalfImported> {
        if self.importing { Err(HalfImported) } else { Ok(self) }
    }

    /// The offset to go on from in a topic.
    pub fn next_of(&self, topic: &str) -> Option<i64> {
        self.next.iter().find(|(name, _)| name == topic).map(|(_, offset)| *offset)
    }

    /// The id that a topic had.
    pub fn id_of(&self, topic: &str) -> Option<&str> {
        self.topic_ids.iter().find(|(name, _)| name == topic).map(|(_, id)| id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        Marker {
            version: VERSION,
            transaction: 7,
            next: vec![("sign-ins".to_owned(), 42), ("farsign.commands".to_owned(), 0)],
            topic_ids: vec![("sign-ins".to_owned(), "id".to_owned())],
            position: 99,
            stream_time: "00ff".to_owned(),
            day: Some(20_000),
            complete_day: None,
            reviewed_minute: Some(28_800_000),
            told_minute: Some(28_800_010),
            program: "0.1.0".to_owned(),
            configuration_hash: "0123456789abcdef".to_owned(),
            importing: false,
        }
    }

    #[test]
    fn reads_back_what_it_writes() {
        let marker = marker();
        let read = Marker::decode(&marker.encode()).expect("reads");
        assert_eq!(read, marker);
        assert_eq!(read.next_of("sign-ins"), Some(42));
        assert_eq!(read.next_of("sign"), None);
        assert_eq!((read.id_of("sign-ins"), read.id_of("farsign.commands")), (Some("id"), None));
        // Those written before there were ids, and reviews that others are waited for.
        let older = String::from_utf8(marker.encode()).expect("text").replace("topicIds", "ignored");
        let older = older.replace("reviewedMinute", "ignoredToo").replace("toldMinute", "ignoredAsWell");
        let older = Marker::decode(older.as_bytes()).expect("reads");
        assert_eq!((older.id_of("sign-ins"), older.reviewed_minute, older.told_minute), (None, None, None));
    }

    #[test]
    fn only_a_state_that_is_being_imported_is_not_whole() {
        let text = String::from_utf8(marker().encode()).expect("text");
        assert!(!text.contains("importing"), "as programs write it that know no imports: {text}");
        assert!(Marker::decode(text.as_bytes()).expect("reads").whole().is_ok());
        let importing = Marker { importing: true, ..marker() };
        assert!(Marker::decode(&importing.encode()).expect("reads").whole().is_err());
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let newer = Marker { version: VERSION + 1, ..marker() };
        assert!(matches!(Marker::decode(&newer.encode()), Err(MarkerError::Version(2))));
        assert!(matches!(Marker::decode(b"{}"), Err(MarkerError::Damaged(_))));
        assert!(matches!(Marker::decode(b"\xff"), Err(MarkerError::Damaged(_))));
    }
}
