//! One record as a task takes it: borrowed from the client's buffer, with the place it came from.

/// What a task reads, in the order of the configuration: the lead input topic, the others, then the commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub topic: String,
    /// Kafka's own, which a topic of the same name made later does not have; empty = not known.
    pub topic_id: String,
    pub kind: SourceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Raw logs.
    Input,
    /// Feedback only.
    Commands,
    /// Canonical sign-ins and feedback of the repartition stage; headers say which record each is of.
    Repartition,
}

/// A header; its value may be null.
pub type Header<'a> = (&'a str, Option<&'a [u8]>);

/// One Kafka record.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// Index into the task's sources.
    pub source: usize,
    pub offset: i64,
    /// Of its producer or broker, whichever the topic is set to; milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    pub key: Option<&'a [u8]>,
    /// `None` = tombstone.
    pub payload: Option<&'a [u8]>,
    pub headers: Vec<Header<'a>>,
}

impl<'a> Record<'a> {
    /// The text of a header.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.headers.iter().find(|(key, _)| *key == name)?;
        std::str::from_utf8((*value)?).ok()
    }
}
