//! One record as a task takes it: borrowed from the client's buffer, with the place it came from.

/// What a task reads, in the order of the configuration: the lead input topic, the others, then the commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub topic: String,
    pub kind: SourceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Raw logs, or canonical sign-ins behind a repartition stage.
    Input,
    /// Feedback only.
    Commands,
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
