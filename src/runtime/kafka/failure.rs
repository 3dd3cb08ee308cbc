//! librdkafka's errors → the few classes that the commit protocol tells apart.
//!
//! librdkafka marks errors of transaction calls as fatal, abortable or retriable; an error with no mark is to be taken
//! as fatal, its documentation says. Four codes that the group's coordinator gives are abortable like others, but mean
//! something else: this member's view of the group is old, nothing is wrong with the producer.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// What can be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Call the same function again.
    Retriable,
    /// The group has moved on. Abort; the producer stays good. Send again after the next poll of the group, if the
    /// partition is still assigned.
    GroupFenced,
    /// Abort. The next transaction needs a new producer.
    Abortable,
    /// Another producer with this transactional id has taken over: the task is no longer ours.
    Fenced,
    /// The producer is of no more use; whether the transaction was committed is not known.
    Fatal,
    /// No answer, or one without a mark: whether the transaction was committed is not known.
    Unknown,
    /// Records were still on their way when the time was over. The commit had not been asked for.
    DrainTimeout,
    /// The producer's queue is full: poll, and send again.
    QueueFull,
    /// The record is larger than the client may send. It was not sent, and the transaction is unharmed.
    TooLarge,
}

/// An error of Kafka's with what was being done and its class.
#[derive(Clone, Debug)]
pub struct Failure {
    pub class: Class,
    /// The call, such as `commit`.
    pub during: &'static str,
    /// librdkafka's code, when there is one.
    pub code: Option<Code>,
    /// librdkafka's words.
    pub message: String,
}

impl Failure {
    pub fn new(during: &'static str, error: &KafkaError) -> Failure {
        Failure { class: class(error), during, code: code(error), message: error.to_string() }
    }

    pub(super) fn drain_timeout(during: &'static str, outstanding: i32) -> Failure {
        let message = format!("{outstanding} records were still on their way when the time was over");
        Failure { class: Class::DrainTimeout, during, code: None, message }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.during, self.message)
    }
}

impl std::error::Error for Failure {}

/// The code of an error; rdkafka's own method leaves out those of admin calls.
pub fn code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    }
}

/// Does librdkafka go on by itself once the brokers are back? What reads does not give up for these.
pub fn is_passing(error: &KafkaError) -> bool {
    let passing = [
        Code::AllBrokersDown,
        Code::BrokerTransportFailure,
        Code::OperationTimedOut,
        Code::Resolve,
        Code::LeaderNotAvailable,
        Code::NotLeaderForPartition,
    ];
    code(error).is_some_and(|code| passing.contains(&code))
}

/// What to do about an error of a transaction call or of sending.
pub fn class(error: &KafkaError) -> Class {
    match error {
        KafkaError::Transaction(error) => Marks {
            code: error.code(),
            fatal: error.is_fatal(),
            abort: error.txn_requires_abort(),
            retriable: error.is_retriable(),
        }
        .class(),
        KafkaError::MessageProduction(Code::QueueFull) => Class::QueueFull,
        KafkaError::MessageProduction(Code::MessageSizeTooLarge) => Class::TooLarge,
        KafkaError::MessageProduction(code) if is_fence(*code) => Class::Fenced,
        // Sending is refused in a transaction that has to be aborted, or by a producer that has failed.
        KafkaError::MessageProduction(Code::Fatal) => Class::Fatal,
        KafkaError::MessageProduction(_) => Class::Abortable,
        // The flush that comes before asking for the commit, so that was not asked for.
        KafkaError::Flush(_) => Class::DrainTimeout,
        _ => Class::Unknown,
    }
}

/// An error of a transaction call, as librdkafka marks it.
struct Marks {
    code: Code,
    fatal: bool,
    abort: bool,
    retriable: bool,
}

impl Marks {
    fn class(&self) -> Class {
        match self {
            Marks { code, fatal: true, .. } if is_fence(*code) => Class::Fenced,
            Marks { fatal: true, .. } => Class::Fatal,
            Marks { code, abort: true, .. } if is_group_fence(*code) => Class::GroupFenced,
            Marks { abort: true, .. } => Class::Abortable,
            Marks { retriable: true, .. } => Class::Retriable,
            _ => Class::Unknown,
        }
    }
}

/// Codes by which the group's coordinator refuses offsets of a member that is behind.
fn is_group_fence(code: Code) -> bool {
    matches!(
        code,
        Code::IllegalGeneration | Code::UnknownMemberId | Code::RebalanceInProgress | Code::FencedInstanceId
    )
}

/// Codes by which the transaction's coordinator, or librdkafka for it, refuses an old producer.
fn is_fence(code: Code) -> bool {
    matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The marks as librdkafka sets them; tests/kafka_mock.rs provokes them.
    #[test]
    fn marks_have_a_class() {
        let check = |code: Code, marks: [bool; 3], expected: Class| {
            let [fatal, abort, retriable] = marks;
            assert_eq!(Marks { code, fatal, abort, retriable }.class(), expected, "{code:?} {marks:?}");
        };
        let (fatal, abort, retriable, unmarked) =
            ([true, false, false], [false, true, false], [false, false, true], [false; 3]);
        check(Code::IllegalGeneration, abort, Class::GroupFenced);
        check(Code::UnknownMemberId, abort, Class::GroupFenced);
        check(Code::RebalanceInProgress, abort, Class::GroupFenced);
        check(Code::FencedInstanceId, abort, Class::GroupFenced);
        check(Code::TopicAuthorizationFailed, abort, Class::Abortable);
        check(Code::OperationTimedOut, retriable, Class::Retriable);
        check(Code::CoordinatorNotAvailable, retriable, Class::Retriable);
        check(Code::Fenced, fatal, Class::Fenced);
        check(Code::InvalidProducerEpoch, fatal, Class::Fenced);
        check(Code::ProducerFenced, fatal, Class::Fenced);
        check(Code::InvalidTransactionalState, fatal, Class::Fatal);
        // Without a mark nothing is known, whatever the code.
        check(Code::OperationTimedOut, unmarked, Class::Unknown);
        check(Code::IllegalGeneration, unmarked, Class::Unknown);
        // The worst mark counts.
        check(Code::IllegalGeneration, [true, true, true], Class::Fatal);
        check(Code::TopicAuthorizationFailed, [false, true, true], Class::Abortable);
    }

    #[test]
    fn errors_of_other_calls_have_a_class() {
        let check = |error: KafkaError, expected: Class| assert_eq!(class(&error), expected, "{error}");
        check(KafkaError::MessageProduction(Code::QueueFull), Class::QueueFull);
        check(KafkaError::MessageProduction(Code::MessageSizeTooLarge), Class::TooLarge);
        check(KafkaError::MessageProduction(Code::Fenced), Class::Fenced);
        check(KafkaError::MessageProduction(Code::Fatal), Class::Fatal);
        check(KafkaError::MessageProduction(Code::State), Class::Abortable);
        check(KafkaError::Flush(Code::OperationTimedOut), Class::DrainTimeout);
        check(KafkaError::Global(Code::AllBrokersDown), Class::Unknown);
        check(KafkaError::Canceled, Class::Unknown);
    }
}
