//! What a task asks of Kafka, in the words of its protocol.
//!
//! Two implement it: the real one over librdkafka ([`super::kafka_log`]), and the simulated Kafka of
//! `tests/simulation`, which does to a task in a second what a cluster does in years. [`super::protocol`] is written
//! against this trait alone, so what is simulated is what runs.

use super::outbox::Frozen;

/// Why an operation failed, as far as it matters for what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The consumer group has moved on. The transaction can be aborted; whether the task is still ours is known only
    /// after the next poll of the group.
    #[error("the consumer group has moved on: {0}")]
    GroupFenced(String),
    /// Somebody began to use the same transactional id.
    #[error("another producer took over the transactional id: {0}")]
    Fenced(String),
    /// Known not to have been committed; the cause may last.
    #[error("{0}")]
    Abortable(String),
    /// Whether the transaction was committed is not known.
    #[error("outcome unknown: {0}")]
    Unknown(String),
}

/// A transaction that was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// False when something on the way gives reason to distrust the producer (a slow answer, a client error): a
    /// request delayed inside the client could end a later transaction of the same epoch (KAFKA-17754).
    pub clean: bool,
    /// Offset of the marker in the changelog partition, or any before it when that is not known.
    pub marker_offset: i64,
}

/// One record of the changelog.
pub struct Change<'a> {
    pub offset: i64,
    pub key: &'a [u8],
    /// `None` = the user was forgotten.
    pub payload: Option<&'a [u8]>,
}

/// Kafka as one task sees it. Every method may block, up to a limit of its own.
pub trait TaskLog {
    /// Begins with a new producer under the task's transactional id. When this returns, what an earlier producer left
    /// open is ended, one way or the other, and visible as such.
    fn renew(&mut self) -> Result<(), Failure>;

    /// Writes everything of `frozen` and its offsets in one transaction.
    ///
    /// # Errors
    /// Only [`Failure::GroupFenced`] and [`Failure::Abortable`] leave a transaction that [`Self::abort`] can end.
    fn transact(&mut self, frozen: &Frozen) -> Result<Committed, Failure>;

    /// Ends the open transaction, if there is one, without a trace.
    ///
    /// # Errors
    /// Also when it was ended, but not cleanly: a copy of the request, still on its way, could abort the next one.
    fn abort(&mut self) -> Result<(), Failure>;

    /// Reads the task's changelog from `position` to its end, and gives the position behind it. The end is the one of
    /// *all* records at the time of the call, also of transactions not yet ended, and only what is committed is
    /// visited: so nothing that was committed before the call is missed.
    fn changes(&mut self, position: i64, visit: &mut dyn FnMut(Change<'_>)) -> Result<i64, Failure>;

    /// The group's offset for the lead topic, with no transaction pending on it; `None` = there is none.
    fn committed_offset(&mut self) -> Result<Option<i64>, Failure>;
}
