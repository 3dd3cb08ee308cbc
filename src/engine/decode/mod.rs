//! Bytes → [`SignIn`] | [`Feedback`] | skipped | rejected, one file a provider format.
//!
//! A record is one JSON value as a log line or a Kafka message carries it; it may be an envelope that holds many
//! sign-ins, so decoding calls back once for each. Nothing here fails for outside reasons: what cannot be read is
//! a [`Reject`] with one of a closed list of reasons.

use super::signin::{Category, Feedback, SignIn};

/// Which decoder reads the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Decide per record.
    Auto,
    Entra,
    Farsign,
}

/// A record larger than this is a reject, unread.
pub const RECORD_LENGTH_MAX: usize = 1 << 20;

/// Why a record was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RejectReason {
    /// Not JSON, or cut off in the middle.
    Malformed,
    /// Longer than [`RECORD_LENGTH_MAX`].
    TooLarge,
    /// Not UTF-8.
    InvalidUtf8,
    /// Nested deeper than the decoder follows.
    TooDeep,
    /// JSON, but of no format known (with `auto`) or not of the one named.
    UnknownFormat,
    /// A needed field has a type that cannot be read.
    WrongType,
    /// No usable time.
    NoTime,
    /// A time before 2000 or after 2099.
    TimeOutOfRange,
    /// No user id and no user name.
    NoUser,
    /// An id longer than the limit or with control characters.
    BadId,
}

impl RejectReason {
    pub const ALL: [RejectReason; 10] = [
        RejectReason::Malformed,
        RejectReason::TooLarge,
        RejectReason::InvalidUtf8,
        RejectReason::TooDeep,
        RejectReason::UnknownFormat,
        RejectReason::WrongType,
        RejectReason::NoTime,
        RejectReason::TimeOutOfRange,
        RejectReason::NoUser,
        RejectReason::BadId,
    ];

    pub fn name(self) -> &'static str {
        match self {
            RejectReason::Malformed => "malformed",
            RejectReason::TooLarge => "tooLarge",
            RejectReason::InvalidUtf8 => "invalidUtf8",
            RejectReason::TooDeep => "tooDeep",
            RejectReason::UnknownFormat => "unknownFormat",
            RejectReason::WrongType => "wrongType",
            RejectReason::NoTime => "noTime",
            RejectReason::TimeOutOfRange => "timeOutOfRange",
            RejectReason::NoUser => "noUser",
            RejectReason::BadId => "badId",
        }
    }
}

/// Why a well-formed record is not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SkipReason {
    ServicePrincipal,
    ManagedIdentity,
    /// Microsoft's own service principals.
    MicrosoftServicePrincipal,
    /// Another log of a known provider (audit, provisioning, risk …).
    NotASignIn,
}

impl SkipReason {
    pub const ALL: [SkipReason; 4] = [
        SkipReason::ServicePrincipal,
        SkipReason::ManagedIdentity,
        SkipReason::MicrosoftServicePrincipal,
        SkipReason::NotASignIn,
    ];

    pub fn name(self) -> &'static str {
        match self {
            SkipReason::ServicePrincipal => "servicePrincipal",
            SkipReason::ManagedIdentity => "managedIdentity",
            SkipReason::MicrosoftServicePrincipal => "microsoftServicePrincipal",
            SkipReason::NotASignIn => "notASignIn",
        }
    }
}

/// A record, or one element of an envelope, that could not be decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Reject {
    pub reason: RejectReason,
    /// Byte offset within the record where reading stopped or the element begins; 0 when unknown.
    pub offset: usize,
    /// What was found, in a few words; never the record's content beyond a field name.
    pub detail: std::borrow::Cow<'static, str>,
}

/// What one element of a record turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded<'a> {
    SignIn(SignIn<'a>),
    Feedback(Feedback<'a>),
    Skipped(SkipReason),
}

/// Decodes one record, calling `each` once for every element in it, in order.
///
/// An empty envelope calls `each` never. `record` holds no newline framing; surrounding white space and a UTF-8
/// byte order mark are tolerated.
pub fn decode<'a>(format: Format, record: &'a [u8], each: &mut impl FnMut(Result<Decoded<'a>, Reject>)) {
    let _ = (format, record);
    each(Err(Reject { reason: RejectReason::UnknownFormat, offset: 0, detail: "no decoder yet".into() }));
}

/// For counting: the categories that are judged.
pub const JUDGED: [Category; 3] = [Category::Interactive, Category::NonInteractive, Category::Adfs];
