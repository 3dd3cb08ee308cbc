//! One sign-in before it is written: small numbers only, no text.
//!
//! An [`Event`] is what the stream sorts and holds; [`super::record`] turns it into JSON, [`super::label`] into
//! its ground truth. Everything else about it (names, places, policies) follows from these numbers.

use crate::engine::signin::EventTime;

use super::agent::Agent;
use super::network::Address;

/// How a sign-in ended, by the Entra error code written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Ending {
    Success,
    WrongPassword,
    /// Second factor asked for: an interrupt.
    MfaRequired,
    /// The same by policy.
    MfaByPolicy,
    /// "Keep me signed in?": an interrupt.
    KeepSignedIn,
    /// Second factor denied or timed out.
    MfaDenied,
    /// Second factor denied, and reported as not asked for.
    MfaReported,
    Locked,
    UnknownUser,
    SessionRevoked,
    TokenExpired,
    PolicyBlocked,
    PasswordExpired,
    NoSession,
}

impl Ending {
    pub fn code(self) -> u32 {
        match self {
            Ending::Success => 0,
            Ending::WrongPassword => 50_126,
            Ending::MfaRequired => 50_074,
            Ending::MfaByPolicy => 50_076,
            Ending::KeepSignedIn => 50_140,
            Ending::MfaDenied | Ending::MfaReported => 500_121,
            Ending::Locked => 50_053,
            Ending::UnknownUser => 50_034,
            Ending::SessionRevoked => 50_173,
            Ending::TokenExpired => 700_082,
            Ending::PolicyBlocked => 53_003,
            Ending::PasswordExpired => 50_055,
            Ending::NoSession => 50_058,
        }
    }

    /// What the record gives as reason; empty for success.
    pub fn reason(self) -> &'static str {
        match self {
            Ending::Success => "",
            Ending::WrongPassword => "Wrong user name or password.",
            Ending::MfaRequired => "A second factor is needed to go on.",
            Ending::MfaByPolicy => "A policy asks for a second factor to reach this resource.",
            Ending::KeepSignedIn => "The user was asked whether to stay signed in.",
            Ending::MfaDenied | Ending::MfaReported => "The second factor was denied or not answered.",
            Ending::Locked => "The account is locked after too many wrong attempts.",
            Ending::UnknownUser => "There is no such account in this directory.",
            Ending::SessionRevoked => "The grant was revoked; the user must sign in again.",
            Ending::TokenExpired => "The refresh token expired after long inactivity.",
            Ending::PolicyBlocked => "Conditional access does not allow this sign-in.",
            Ending::PasswordExpired => "The password has expired.",
            Ending::NoSession => "Silent sign-in found no session.",
        }
    }

    /// Nothing wrong: a step on the way to success.
    pub fn is_interrupt(self) -> bool {
        matches!(self, Ending::MfaRequired | Ending::MfaByPolicy | Ending::KeepSignedIn | Ending::NoSession)
    }

    /// The first factor was right (or a valid token stood for it).
    pub fn is_credential_right(self) -> bool {
        matches!(
            self,
            Ending::Success
                | Ending::MfaRequired
                | Ending::MfaByPolicy
                | Ending::KeepSignedIn
                | Ending::MfaDenied
                | Ending::MfaReported
                | Ending::PolicyBlocked
                | Ending::PasswordExpired
        )
    }
}

/// The protocol family a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Protocol {
    Browser,
    Modern,
    Imap,
    ActiveSync,
    Smtp,
}

impl Protocol {
    pub fn is_legacy(self) -> bool {
        matches!(self, Protocol::Imap | Protocol::ActiveSync | Protocol::Smtp)
    }
}

/// How multi-factor authentication went in this sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Factor {
    Single,
    /// Done here.
    Performed,
    /// By a claim in the token presented.
    Claim,
}

/// Who vouches for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Issuer {
    /// The cloud directory itself.
    Directory,
    /// The organisation's own federation server.
    Federation,
    /// A server that the organisation never had; one a campaign.
    Forged,
}

/// The client as the record shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    pub agent: Agent,
    pub version: u16,
    /// Key of the registered device id; 0 = none is sent.
    pub device: u64,
}

/// Who signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Number of a user of the organisation.
    User(u32),
    /// A name that is in no directory.
    Stranger(u32),
    Principal(u32),
}

/// A set of small flags.
macro_rules! flags {
    ($(#[$doc:meta])* $name:ident: $int:ty { $($(#[$flag_doc:meta])* $flag:ident = $bit:expr => $word:expr),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl $name {
            $($(#[$flag_doc])* pub const $flag: $name = $name(1 << $bit);)+
            pub const NONE: $name = $name(0);
            /// Every flag with its word.
            pub const ALL: &'static [($name, &'static str)] = &[$(($name::$flag, $word)),+];

            pub fn has(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }

            pub fn with(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }

            pub fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// The words of the flags that are set, in order of their bits.
            pub fn words(self) -> impl Iterator<Item = &'static str> {
                $name::ALL.iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, word)| *word)
            }
        }
    };
}
pub(super) use flags;

flags! {
    /// What a record lacks, and how it was delivered.
    Marks: u8 {
        NON_INTERACTIVE = 0 => "nonInteractive",
        NO_GEOGRAPHY = 1 => "noGeography",
        NO_USER_AGENT = 2 => "noUserAgent",
        LATE = 3 => "late",
        DUPLICATE = 4 => "duplicate",
    }
}

flags! {
    /// Why a legitimate sign-in looks odd.
    Causes: u32 {
        TRAVEL = 0 => "travel",
        HOLIDAY = 1 => "holiday",
        IN_FLIGHT = 2 => "inFlight",
        VPN = 3 => "vpn",
        CORPORATE_VPN = 4 => "corporateVpn",
        MOBILE_GATEWAY = 5 => "mobileGateway",
        NEW_DEVICE = 6 => "newDevice",
        NEW_BROWSER = 7 => "newBrowser",
        RELOCATION = 8 => "relocation",
        NEW_HIRE = 9 => "newHire",
        DORMANT_RETURN = 10 => "dormantReturn",
        BORDER_COMMUTE = 11 => "borderCommute",
        SHARED_ACCOUNT = 12 => "sharedAccount",
        CLOUD_DESKTOP = 13 => "cloudDesktop",
        CLOUD_REFRESH = 14 => "cloudRefresh",
        IP_VERSION_FLIP = 15 => "ipVersionFlip",
        RENUMBERED = 16 => "renumbered",
        PRIVACY_RELAY = 17 => "privacyRelay",
        TYPO = 18 => "typo",
        EXPIRED_SESSION = 19 => "expiredSession",
        MFA_FUMBLE = 20 => "mfaFumble",
        LEGACY_CLIENT = 21 => "legacyClient",
        MISSING_DATA = 22 => "missingData",
        PUBLIC_NETWORK = 23 => "publicNetwork",
        ODD_HOUR = 24 => "oddHour",
        TOR = 25 => "tor",
    }
}

/// The attack a malicious event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Malice {
    /// Number of the campaign.
    pub campaign: u16,
    pub step: super::attack::Step,
    /// Network, city, and browser and operating system are all habitual for the owner.
    pub imitates: bool,
}

/// One record to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whole multiples of 100 ns, as .NET writes them.
    pub time: EventTime,
    /// When the log pipeline hands it over; never before `time`.
    pub delivered: EventTime,
    /// Keys of the ids ([`super::dice::guid`]); `session` 0 = none.
    pub id: u64,
    pub correlation: u64,
    pub session: u64,
    pub subject: Subject,
    pub address: Address,
    pub client: Client,
    /// Number of the application ([`super::record::APPS`]).
    pub app: u8,
    pub ending: Ending,
    pub protocol: Protocol,
    pub factor: Factor,
    pub issuer: Issuer,
    pub marks: Marks,
    pub causes: Causes,
    pub malice: Option<Malice>,
}

impl Event {
    pub fn is_interactive(&self) -> bool {
        !self.marks.has(Marks::NON_INTERACTIVE)
    }

    pub fn is_malicious(&self) -> bool {
        self.malice.is_some()
    }
}
