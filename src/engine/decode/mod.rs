//! Bytes → [`SignIn`] | [`Feedback`] | [`UpstreamFinding`] | skipped | rejected, one file a provider format.
//!
//! A record is one JSON value, or one line of text, as a log or a Kafka message carries it; it may be an envelope that
//! holds many sign-ins, so decoding calls back once for each. [`decoder`] takes a record apart, [`envelope`] knows what
//! shippers put around it, [`mod@format`] which reader it is for; a reader lists where its format writes what
//! ([`paths`]) and makes sign-ins of it ([`draft`]). Nothing here fails for outside reasons: what cannot be read is a
//! [`Reject`] with one of a closed list of reasons.

mod address;
mod auth0;
mod aws_user;
mod client;
mod cloudtrail;
mod country;
mod decoder;
mod draft;
mod duo;
mod ecs;
mod entra;
mod entra_codes;
mod entra_portal;
mod entra_result;
mod entra_risk;
mod envelope;
mod event_id;
mod farsign;
mod fields;
mod format;
mod google;
mod google_events;
mod guardduty;
mod jumpcloud;
mod keycloak;
mod keys;
mod lenient;
mod m365;
mod mapping;
mod ocsf;
mod okta;
mod onelogin;
mod pairs;
mod paths;
mod people;
mod pingfederate;
mod pingone;
mod product;
mod reason;
mod respell;
mod scalar;
mod scan;
mod sshd;
mod steps;
mod tables;
mod text;
mod time;
mod undated;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sonic_rs::LazyValue;

pub use address::parse_address;
pub use decoder::{Decoder, ELEMENTS_MAX, decode};
pub use entra::TENANT_UNKNOWN;
pub use entra_codes::{Meaning, meaning_of};
pub use entra_portal::IS_INTERACTIVE;
pub use envelope::{UNPACKED_LENGTH_MAX, Unwrap};
pub use farsign::{write_farsign, write_farsign_feedback, write_farsign_upstream_finding};
pub use format::Format;
pub use mapping::{
    Condition, Field, MappingRule, Mappings, OUTCOMES, Pointer, Rule, is_time_format, parse_pointer,
};
pub use people::{Account, People, PeopleError, PeopleRules, parse_people};
pub use scan::DEPTH_MAX;
pub use time::{TimeError, parse_time, time_of_float, time_of_integer};

use super::signin::{EventTime, Feedback, SignIn, UpstreamFinding};
use format::Reader;
use lenient::Shape;

/// Every format but Farsign's own and Entra's, in the order in which their marks are asked.
static READERS: &[Reader] = &[
    auth0::READER,
    cloudtrail::READER,
    duo::READER,
    ecs::READER,
    entra_portal::READER,
    google::READER,
    guardduty::READER,
    jumpcloud::READER,
    keycloak::READER,
    m365::READER,
    ocsf::READER,
    okta::READER,
    onelogin::READER,
    pingfederate::READER,
    pingone::READER,
    sshd::READER,
];

/// What is known of a record beside its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// When an envelope or the queue got it: completes times without a year or a date.
    pub time: Option<EventTime>,
    /// Year of times that have none, where [`Self::time`] is none either.
    pub year: Option<i16>,
}

/// A record larger than this is a reject, unread.
pub const RECORD_LENGTH_MAX: usize = 1 << 20;

/// Why a record was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    pub detail: Cow<'static, str>,
}

impl Reject {
    fn new(reason: RejectReason, detail: impl Into<Cow<'static, str>>) -> Reject {
        Reject { reason, offset: 0, detail: detail.into() }
    }

    /// The same reject, as seen from `start` bytes before.
    fn moved(self, start: usize) -> Reject {
        Reject { offset: self.offset + start, ..self }
    }
}

/// What one element of a record turned out to be.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are sign-ins, and a box would be an allocation for each"
)]
pub enum Decoded<'a> {
    SignIn(SignIn<'a>),
    Feedback(Feedback<'a>),
    UpstreamFinding(UpstreamFinding<'a>),
    Skipped(SkipReason),
}

impl Decoded<'_> {
    /// The same, with copies of all text: for what is borrowed from text that does not last.
    fn into_owned(self) -> Decoded<'static> {
        match self {
            Decoded::SignIn(sign_in) => Decoded::SignIn(sign_in.into_owned()),
            Decoded::Feedback(feedback) => Decoded::Feedback(feedback.into_owned()),
            Decoded::UpstreamFinding(finding) => Decoded::UpstreamFinding(finding.into_owned()),
            Decoded::Skipped(reason) => Decoded::Skipped(reason),
        }
    }
}

/// Any value, only to see that it is whole.
struct Whole;

impl<'de> Shape<'de> for Whole {
    type Value = ();

    fn none(self) {}
}

/// The texts of an array's elements, unread. The array must be valid JSON.
fn raw_elements(array: &str) -> impl Iterator<Item = &str> {
    sonic_rs::to_array_iter(array).map_while(Result::ok).map(|element: LazyValue<'_>| match element.as_raw_cow() {
        Cow::Borrowed(raw) => raw,
        // Text with escapes is no record; what it says does not matter.
        Cow::Owned(_) => "0",
    })
}
