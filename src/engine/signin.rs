//! The canonical sign-in: the words every stage speaks.
//!
//! A provider's decoder turns bytes into a [`SignIn`], which borrows its text from the record. From it the
//! enricher makes [`Facts`](super::facts::Facts): numbers and hashes only, on which detections judge. Text is
//! kept for output and never judged.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::finding::{RiskEventType, RiskLevel};

/// Time from the record, in nanoseconds since 1970-01-01T00:00:00Z. The engine knows no other clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventTime(pub i64);

pub const NANOS_PER_SECOND: i64 = 1_000_000_000;
pub const SECONDS_PER_DAY: i64 = 86_400;

impl EventTime {
    /// Before every event.
    pub const MIN: EventTime = EventTime(i64::MIN);
    /// After every event.
    pub const MAX: EventTime = EventTime(i64::MAX);

    pub fn from_seconds(seconds: i64) -> EventTime {
        EventTime(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    pub fn from_millis(millis: i64) -> EventTime {
        EventTime(millis.saturating_mul(1_000_000))
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SECOND)
    }

    /// Day number since 1970-01-01 (UTC).
    pub fn day(self) -> i32 {
        i32::try_from(self.seconds().div_euclid(SECONDS_PER_DAY)).unwrap_or(i32::MIN)
    }

    /// Hour of the week in UTC, 0 = Monday 00:00, 167 = Sunday 23:00.
    pub fn hour_of_week(self) -> u8 {
        let hours = self.seconds().div_euclid(3_600);
        // 1970-01-01 was a Thursday: 72 hours after Monday 00:00.
        u8::try_from((hours + 72).rem_euclid(168)).unwrap_or(0)
    }

    pub fn minus_seconds(self, seconds: i64) -> EventTime {
        EventTime(self.0.saturating_sub(seconds.saturating_mul(NANOS_PER_SECOND)))
    }

    pub fn plus_seconds(self, seconds: i64) -> EventTime {
        EventTime(self.0.saturating_add(seconds.saturating_mul(NANOS_PER_SECOND)))
    }

    /// Seconds from `earlier` to `self`; negative when `earlier` is later.
    pub fn seconds_since(self, earlier: EventTime) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 / NANOS_PER_SECOND as f64
    }
}

/// RFC 3339 in UTC with seven decimals (.NET ticks), as Entra ID writes times.
impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(timestamp) => write!(f, "{timestamp:.7}"),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

/// At whose door the sign-in was. The numbers are in states: a new one goes to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Provider {
    /// Microsoft Entra ID, whichever log tells of it.
    Entra = 0,
    /// Farsign's own format, where it names no other.
    Farsign = 1,
    Okta = 2,
    /// AWS console and IAM Identity Center.
    Aws = 3,
    /// Google Workspace.
    Google = 4,
    Auth0 = 5,
    Keycloak = 6,
    Duo = 7,
    OneLogin = 8,
    /// PingOne and PingFederate.
    Ping = 9,
    JumpCloud = 10,
    Sshd = 11,
    /// Named by no record: an ECS, OCSF or mapped record of a product that is none of these.
    Other = 12,
}

impl Provider {
    pub const ALL: [Provider; 13] = [
        Provider::Entra,
        Provider::Farsign,
        Provider::Okta,
        Provider::Aws,
        Provider::Google,
        Provider::Auth0,
        Provider::Keycloak,
        Provider::Duo,
        Provider::OneLogin,
        Provider::Ping,
        Provider::JumpCloud,
        Provider::Sshd,
        Provider::Other,
    ];

    /// The word used in records, output and configuration; also the tenant of records that name none.
    pub const fn name(self) -> &'static str {
        match self {
            Provider::Entra => "entra",
            Provider::Farsign => "farsign",
            Provider::Okta => "okta",
            Provider::Aws => "aws",
            Provider::Google => "google",
            Provider::Auth0 => "auth0",
            Provider::Keycloak => "keycloak",
            Provider::Duo => "duo",
            Provider::OneLogin => "oneLogin",
            Provider::Ping => "ping",
            Provider::JumpCloud => "jumpCloud",
            Provider::Sshd => "sshd",
            Provider::Other => "other",
        }
    }
}

/// The log category a sign-in came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    Interactive,
    NonInteractive,
    /// A sign-in at a federated AD FS server: a user's, with a log of its own.
    Adfs,
}

/// What the record says of the first factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Credential {
    Right,
    Wrong,
    /// The password was not tested, or the code is returned for right and wrong alike.
    Unknown,
}

/// How the attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    Success,
    /// A step on the way (MFA prompt, keep-me-signed-in, consent): neither success nor failure.
    Interrupted,
    /// MFA failed or a policy refused: behind a right first factor, where the credential says so.
    Blocked,
    Failed,
}

impl Outcome {
    pub const ALL: [Outcome; 4] = [Outcome::Success, Outcome::Interrupted, Outcome::Blocked, Outcome::Failed];

    /// The word used in our own format and in output.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Interrupted => "interrupted",
            Outcome::Blocked => "blocked",
            Outcome::Failed => "failed",
        }
    }
}

/// What the record says of multi-factor authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mfa {
    /// The record does not say.
    Unknown,
    NotRequired,
    /// The user did it in this sign-in.
    Performed,
    /// Satisfied by a claim in the token that was presented.
    Claim,
    /// Asked for and not (yet) passed.
    Pending,
    /// Denied, failed, or timed out.
    Denied,
    /// Denied, and reported as not the user's own: fraud, suspicious activity.
    Reported,
}

impl Mfa {
    /// The second factor was asked for and not given, whatever the reason.
    pub fn is_denied(self) -> bool {
        matches!(self, Mfa::Denied | Mfa::Reported)
    }
}

/// The account's state, as far as the error code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountState {
    Normal,
    Disabled,
    Deleted,
    Locked,
    /// There is no such user.
    Unknown,
}

/// The client's protocol family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientApp {
    Unknown,
    Browser,
    /// "Mobile Apps and Desktop clients".
    Modern,
    /// Basic authentication: IMAP, POP, SMTP, EAS and their kind. No MFA is possible.
    Legacy,
}

/// The device as the provider saw it. Empty text means absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceDetail<'a> {
    pub device_id: Cow<'a, str>,
    pub display_name: Cow<'a, str>,
    pub operating_system: Cow<'a, str>,
    pub browser: Cow<'a, str>,
    /// `None` = the record does not say, which is not "no".
    pub is_compliant: Option<bool>,
    pub is_managed: Option<bool>,
    pub trust_type: Cow<'a, str>,
}

/// Geography as the provider wrote it. Empty text means absent; 0,0 is absent too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProviderLocation<'a> {
    pub city: Cow<'a, str>,
    pub state: Cow<'a, str>,
    /// ISO 3166-1 alpha-2, upper case, or empty.
    pub country: Cow<'a, str>,
    /// Latitude and longitude in degrees.
    pub coordinates: Option<(f64, f64)>,
}

/// One authentication attempt of one user.
///
/// Invariants the decoders keep: `tenant_id`, `event_id` and `user_id` are not empty and hold at most
/// [`ID_LENGTH_MAX`] bytes; every other text holds at most [`TEXT_LENGTH_MAX`] bytes (longer text is cut at a
/// character border); text that means "absent" (`""`, `"null"`, `"N/A"`, all-zero ids …) is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct SignIn<'a> {
    pub provider: Provider,
    pub category: Category,
    /// "unknown" where the record names none (Graph objects carry no tenant).
    pub tenant_id: Cow<'a, str>,
    /// The provider's id of this sign-in (Entra: request id). Where a record has none it is made from the
    /// record's own identifying fields, so that a duplicate delivery gives the same id.
    pub event_id: Cow<'a, str>,
    pub event_time: EventTime,
    /// Stable id within the tenant, lower case where it is a GUID or a user principal name.
    pub user_id: Cow<'a, str>,
    pub user_principal_name: Cow<'a, str>,
    pub user_display_name: Cow<'a, str>,
    pub outcome: Outcome,
    pub credential: Credential,
    pub mfa: Mfa,
    pub account: AccountState,
    /// The provider's numeric result; 0 is success.
    pub error_code: Option<u32>,
    pub address: Option<IpAddr>,
    /// The address field as it was written, also when it is no address.
    pub address_text: Cow<'a, str>,
    pub asn: Option<u32>,
    pub location: ProviderLocation<'a>,
    pub app_id: Cow<'a, str>,
    pub app_display_name: Cow<'a, str>,
    pub resource_display_name: Cow<'a, str>,
    pub client_app: ClientApp,
    pub client_app_used: Cow<'a, str>,
    pub authentication_protocol: Cow<'a, str>,
    pub user_agent: Cow<'a, str>,
    pub device: DeviceDetail<'a>,
    pub session_id: Cow<'a, str>,
    pub correlation_id: Cow<'a, str>,
    pub incoming_token_type: Cow<'a, str>,
    pub token_issuer_type: Cow<'a, str>,
    /// Name of a federated issuer.
    pub token_issuer_name: Cow<'a, str>,
}

/// Longest id kept, in bytes. A longer user or tenant id is a reject; a longer event id is replaced by its hash.
pub const ID_LENGTH_MAX: usize = 256;
/// Longest other text kept, in bytes.
pub const TEXT_LENGTH_MAX: usize = 1_024;

/// What an administrator or a policy said about a user or a sign-in (Graph's actions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedbackAction {
    /// The sign-in was the owner's: its risk is reversed and the baseline learns it.
    ConfirmSafe,
    /// The sign-in (or, without a sign-in id, the user) was taken over.
    ConfirmCompromised,
    /// All open risk of the user, or of the one sign-in named, is dismissed.
    Dismiss,
    /// The user passed MFA demanded by a risk policy.
    PassedMfa,
    /// The user changed or reset the password securely.
    PasswordChanged,
}

/// Feedback in the event stream: ordered with the user's sign-ins by event time.
#[derive(Clone, Debug, PartialEq)]
pub struct Feedback<'a> {
    /// Whose account it names; `None` where it does not say.
    pub provider: Option<Provider>,
    pub tenant_id: Cow<'a, str>,
    pub user_id: Cow<'a, str>,
    /// Empty where it names none: it finds the person, and is kept nowhere.
    pub user_principal_name: Cow<'a, str>,
    /// Id of this feedback record; a second delivery changes nothing.
    pub event_id: Cow<'a, str>,
    pub event_time: EventTime,
    pub action: FeedbackAction,
    /// The sign-in it is about; empty = the user as a whole.
    pub request_id: Cow<'a, str>,
}

/// Longest name of a finding's source kept, in bytes.
pub const SOURCE_LENGTH_MAX: usize = 64;

/// A risk that another product found: at a sign-in that it names, or at the user as a whole.
///
/// The same invariants hold as for a [`SignIn`].
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamFinding<'a> {
    /// The product that found it, as Graph's `source` names it ("IdentityProtection", "Okta" …); at most
    /// [`SOURCE_LENGTH_MAX`] bytes, never empty.
    pub source: Cow<'a, str>,
    pub provider: Provider,
    pub tenant_id: Cow<'a, str>,
    pub user_id: Cow<'a, str>,
    pub user_principal_name: Cow<'a, str>,
    /// Id of this record; a second delivery changes nothing.
    pub event_id: Cow<'a, str>,
    /// When the product said so: its place among the user's events. Offline findings come days after the sign-in.
    pub event_time: EventTime,
    /// When that happened which it is about.
    pub activity_time: EventTime,
    /// [`RiskEventType::Generic`] where the product's type has no equal.
    pub kind: RiskEventType,
    /// The type as the product spells it.
    pub source_type: Cow<'a, str>,
    pub level: RiskLevel,
    /// The product's administrator has confirmed it.
    pub is_confirmed: bool,
    /// The sign-in it is about; else the finding's own id, by which a later change of its state names it.
    pub request_id: Cow<'a, str>,
    /// It is about the user as a whole.
    pub is_about_user: bool,
    pub address: Option<IpAddr>,
    pub address_text: Cow<'a, str>,
    pub location: ProviderLocation<'a>,
    /// The product's reasons, in its own words; for reading.
    pub reasons: Cow<'a, str>,
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    match text {
        // No allocation for what is absent.
        Cow::Borrowed("") => Cow::Borrowed(""),
        text => Cow::Owned(text.into_owned()),
    }
}

impl DeviceDetail<'_> {
    fn into_owned(self) -> DeviceDetail<'static> {
        DeviceDetail {
            device_id: owned(self.device_id),
            display_name: owned(self.display_name),
            operating_system: owned(self.operating_system),
            browser: owned(self.browser),
            is_compliant: self.is_compliant,
            is_managed: self.is_managed,
            trust_type: owned(self.trust_type),
        }
    }
}

impl ProviderLocation<'_> {
    fn into_owned(self) -> ProviderLocation<'static> {
        ProviderLocation {
            city: owned(self.city),
            state: owned(self.state),
            country: owned(self.country),
            coordinates: self.coordinates,
        }
    }
}

impl SignIn<'_> {
    /// With copies of all text.
    pub fn into_owned(self) -> SignIn<'static> {
        SignIn {
            provider: self.provider,
            category: self.category,
            event_time: self.event_time,
            outcome: self.outcome,
            credential: self.credential,
            mfa: self.mfa,
            account: self.account,
            error_code: self.error_code,
            address: self.address,
            asn: self.asn,
            location: self.location.into_owned(),
            client_app: self.client_app,
            device: self.device.into_owned(),
            tenant_id: owned(self.tenant_id),
            event_id: owned(self.event_id),
            user_id: owned(self.user_id),
            user_principal_name: owned(self.user_principal_name),
            user_display_name: owned(self.user_display_name),
            address_text: owned(self.address_text),
            app_id: owned(self.app_id),
            app_display_name: owned(self.app_display_name),
            resource_display_name: owned(self.resource_display_name),
            client_app_used: owned(self.client_app_used),
            authentication_protocol: owned(self.authentication_protocol),
            user_agent: owned(self.user_agent),
            session_id: owned(self.session_id),
            correlation_id: owned(self.correlation_id),
            incoming_token_type: owned(self.incoming_token_type),
            token_issuer_type: owned(self.token_issuer_type),
            token_issuer_name: owned(self.token_issuer_name),
        }
    }
}

impl Feedback<'_> {
    /// With copies of all text.
    pub fn into_owned(self) -> Feedback<'static> {
        Feedback {
            provider: self.provider,
            tenant_id: owned(self.tenant_id),
            user_id: owned(self.user_id),
            user_principal_name: owned(self.user_principal_name),
            event_id: owned(self.event_id),
            event_time: self.event_time,
            action: self.action,
            request_id: owned(self.request_id),
        }
    }
}

impl UpstreamFinding<'_> {
    /// With copies of all text.
    pub fn into_owned(self) -> UpstreamFinding<'static> {
        UpstreamFinding {
            source: owned(self.source),
            provider: self.provider,
            tenant_id: owned(self.tenant_id),
            user_id: owned(self.user_id),
            user_principal_name: owned(self.user_principal_name),
            event_id: owned(self.event_id),
            event_time: self.event_time,
            activity_time: self.activity_time,
            kind: self.kind,
            source_type: owned(self.source_type),
            level: self.level,
            is_confirmed: self.is_confirmed,
            request_id: owned(self.request_id),
            is_about_user: self.is_about_user,
            address: self.address,
            address_text: owned(self.address_text),
            location: self.location.into_owned(),
            reasons: owned(self.reasons),
        }
    }
}
