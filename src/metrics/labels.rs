//! The closed sets of label values: which source, which result, why.
//!
//! A value of a set is an index, so a counter is found without text. The engine's own enums are sets as they are;
//! what the runtime alone knows is listed here. Nothing that a log or a user can choose becomes a label.

use std::fmt::Debug;

use crate::engine::decode::{RejectReason, SkipReason};
use crate::engine::facts::Prepared;
use crate::engine::finding::{RiskEventType, RiskLevel, Suppression};
use crate::engine::profile::ProfileKind;
use crate::engine::signin::Provider;

/// One label with all the values it can have.
pub trait Label: Copy + Debug + 'static {
    const NAME: &'static str;
    const ALL: &'static [Self];

    /// Its place in [`Self::ALL`].
    fn index(self) -> usize;

    fn value(self) -> &'static str;
}

/// An enum of the runtime's that is a label.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $label:literal, { $($(#[$value_doc:meta])* $member:ident = $value:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$value_doc])* $member,)*
        }

        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [$name] = &[$($name::$member),*];

            fn index(self) -> usize {
                self as usize
            }

            fn value(self) -> &'static str {
                match self {
                    $($name::$member => $value,)*
                }
            }
        }
    };
}

label! {
    /// Which topic a record was taken from.
    SourceKind, "source", {
        Input = "input",
        Commands = "commands",
        Repartition = "repartition",
    }
}

label! {
    /// What a record turned out to be. An envelope with elements of several kinds counts as the first that applies
    /// in the order rejected, decoded, skipped.
    RecordResult, "result", {
        Decoded = "decoded",
        Skipped = "skipped",
        Rejected = "rejected",
        /// No value at all.
        Tombstone = "tombstone",
    }
}

label! {
    ItemKind, "kind", {
        SignIn = "signIn",
        Feedback = "feedback",
        UpstreamFinding = "upstreamFinding",
    }
}

label! {
    /// What became of an upstream finding on arrival.
    FindingResult, "result", {
        Taken = "taken",
        /// It had come before.
        Duplicate = "duplicate",
    }
}

label! {
    /// Where a sign-in's place came from.
    GeoResult, "result", {
        /// A database knew the address.
        Database = "database",
        /// No database did; the record said where.
        Provider = "provider",
        /// Nobody knows.
        Unknown = "unknown",
        /// The sign-in has no address and no place.
        NoAddress = "noAddress",
    }
}

impl GeoResult {
    pub fn of(prepared: &Prepared<'_>) -> GeoResult {
        match (&prepared.place, prepared.facts.address) {
            (Some(place), _) if place.from_provider => GeoResult::Provider,
            (Some(_), _) => GeoResult::Database,
            (None, Some(_)) => GeoResult::Unknown,
            (None, None) => GeoResult::NoAddress,
        }
    }
}

label! {
    /// Whether a detection went out for the first time.
    Version, "version", {
        New = "new",
        Update = "update",
    }
}

label! {
    /// How a transaction ended.
    CommitOutcome, "outcome", {
        Committed = "committed",
        /// The consumer group's generation or a newer producer refused it.
        Fenced = "fenced",
        Aborted = "aborted",
        /// The outcome was unknown; the marker said that it had committed.
        UnknownCommitted = "unknownCommitted",
        /// The outcome was unknown; the marker said that it had not, and it was sent again.
        UnknownResent = "unknownResent",
    }
}

label! {
    /// What happened to the instance's partitions.
    RebalanceKind, "kind", {
        Assigned = "assigned",
        Revoked = "revoked",
        /// Taken without notice: the session had ended.
        Lost = "lost",
    }
}

label! {
    /// Where a task stands.
    TaskState, "state", {
        /// Assigned, waiting for a worker or for its producer.
        Waiting = "waiting",
        /// Reading its changelog.
        Restoring = "restoring",
        Running = "running",
        /// Revoked or failed, on its way out.
        Stopping = "stopping",
    }
}

label! {
    /// Why a task failed.
    TaskFailure, "cause", {
        /// A broken invariant of our own.
        Panicked = "panicked",
        /// The changelog could not be read, or holds what cannot be.
        Restore = "restore",
        /// Another instance owns the partition.
        Fenced = "fenced",
        /// The next offset is not in the topic any more, or the topic is not the one that it was.
        Offset = "offset",
        /// `on_error: stop` met a record that cannot be read, or the breaker opened.
        Record = "record",
        /// Kafka refused for another reason.
        Kafka = "kafka",
    }
}

label! {
    /// The client whose error librdkafka reported.
    ClientKind, "client", {
        Consumer = "consumer",
        Producer = "producer",
        Restore = "restore",
        Admin = "admin",
    }
}

label! {
    ReloadResult, "result", {
        Applied = "applied",
        /// Read, and the same as what is in use.
        Unchanged = "unchanged",
        /// Not valid: the old one stays.
        Refused = "refused",
    }
}

/// Why a record went to the dead-letter topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterReason {
    Rejected(RejectReason),
    /// A fault of ours: decoding it or judging it failed.
    InternalError,
    /// A sign-in on the commands topic.
    NotACommand,
}

impl Label for DeadLetterReason {
    const NAME: &'static str = "reason";
    const ALL: &'static [DeadLetterReason] = &dead_letter_reasons();

    fn index(self) -> usize {
        match self {
            DeadLetterReason::Rejected(reason) => reason as usize,
            DeadLetterReason::InternalError => RejectReason::ALL.len(),
            DeadLetterReason::NotACommand => RejectReason::ALL.len() + 1,
        }
    }

    fn value(self) -> &'static str {
        match self {
            DeadLetterReason::Rejected(reason) => reason.name(),
            DeadLetterReason::InternalError => "internalError",
            DeadLetterReason::NotACommand => "notACommand",
        }
    }
}

const fn dead_letter_reasons() -> [DeadLetterReason; RejectReason::ALL.len() + 2] {
    let mut reasons = [DeadLetterReason::InternalError; RejectReason::ALL.len() + 2];
    let mut index = 0;
    while index < RejectReason::ALL.len() {
        reasons[index] = DeadLetterReason::Rejected(RejectReason::ALL[index]);
        index += 1;
    }
    reasons[index + 1] = DeadLetterReason::NotACommand;
    reasons
}

/// An enum of the engine's that is a label: its `ALL` and `name` serve.
macro_rules! engine_label {
    ($name:ident, $label:literal, from $first:literal) => {
        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [$name] = &$name::ALL;

            fn index(self) -> usize {
                self as usize - $first
            }

            fn value(self) -> &'static str {
                self.name()
            }
        }
    };
}

engine_label!(RejectReason, "reason", from 0);
engine_label!(SkipReason, "reason", from 0);
engine_label!(Suppression, "reason", from 0);
engine_label!(RiskEventType, "type", from 1);
engine_label!(ProfileKind, "kind", from 0);
engine_label!(Provider, "provider", from 0);

impl Label for RiskLevel {
    const NAME: &'static str = "level";
    const ALL: &'static [RiskLevel] = &[RiskLevel::None, RiskLevel::Low, RiskLevel::Medium, RiskLevel::High];

    fn index(self) -> usize {
        self as usize
    }

    fn value(self) -> &'static str {
        self.name()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every value is found under its own index, and no two are spelt alike.
    fn check<L: Label>() {
        let indices: Vec<usize> = L::ALL.iter().map(|label| label.index()).collect();
        assert_eq!(indices, (0..L::ALL.len()).collect::<Vec<_>>(), "{}", std::any::type_name::<L>());
        let values: BTreeSet<&str> = L::ALL.iter().map(|label| label.value()).collect();
        assert_eq!(values.len(), L::ALL.len(), "{}", std::any::type_name::<L>());
    }

    #[test]
    fn every_label_is_its_index() {
        check::<SourceKind>();
        check::<RecordResult>();
        check::<ItemKind>();
        check::<GeoResult>();
        check::<Version>();
        check::<CommitOutcome>();
        check::<RebalanceKind>();
        check::<TaskState>();
        check::<TaskFailure>();
        check::<ClientKind>();
        check::<ReloadResult>();
        check::<DeadLetterReason>();
        check::<RejectReason>();
        check::<SkipReason>();
        check::<Suppression>();
        check::<RiskEventType>();
        check::<RiskLevel>();
        check::<ProfileKind>();
        check::<Provider>();
        check::<FindingResult>();
    }
}
