//! What a detection says: a type, a level, a score, and the evidence to check it by.
//!
//! Evidence is typed; its JSON is made in `render`. Names of types, levels, states and details are Graph's
//! (`microsoft.graph.riskDetection`, v1.0).

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::attempts::{Attack, Trace};
use super::facts::{CountryCode, ListKind};
use super::risk::incident::Incident;
use super::signin::{EventTime, Provider};

/// Graph `riskEventType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum RiskEventType {
    ImpossibleTravel = 1,
    UnlikelyTravel = 2,
    NewCountry = 3,
    UnfamiliarFeatures = 4,
    AnonymizedIpAddress = 5,
    MaliciousIpAddress = 6,
    NationStateIp = 7,
    AdminConfirmedUserCompromised = 8,
    PasswordSpray = 9,
    SuspiciousBrowser = 10,
    AnomalousToken = 11,
    TokenIssuerAnomaly = 12,
    AttackerInTheMiddle = 13,
    UserReportedSuspiciousActivity = 14,
    RiskyIpAddress = 15,
    /// Graph has no name for it: prompts until the owner gives in, or nearly.
    MfaFatigue = 16,
    LeakedCredentials = 17,
    /// Graph's word for a risk it has no other for; of upstream findings only.
    Generic = 18,
}

impl RiskEventType {
    pub const ALL: [RiskEventType; 18] = [
        RiskEventType::ImpossibleTravel,
        RiskEventType::UnlikelyTravel,
        RiskEventType::NewCountry,
        RiskEventType::UnfamiliarFeatures,
        RiskEventType::AnonymizedIpAddress,
        RiskEventType::MaliciousIpAddress,
        RiskEventType::NationStateIp,
        RiskEventType::AdminConfirmedUserCompromised,
        RiskEventType::PasswordSpray,
        RiskEventType::SuspiciousBrowser,
        RiskEventType::AnomalousToken,
        RiskEventType::TokenIssuerAnomaly,
        RiskEventType::AttackerInTheMiddle,
        RiskEventType::UserReportedSuspiciousActivity,
        RiskEventType::RiskyIpAddress,
        RiskEventType::MfaFatigue,
        RiskEventType::LeakedCredentials,
        RiskEventType::Generic,
    ];

    /// Graph's spelling. Impossible travel has two: see `output.impossible_travel_name`.
    pub const fn name(self) -> &'static str {
        match self {
            RiskEventType::ImpossibleTravel => "mcasImpossibleTravel",
            RiskEventType::UnlikelyTravel => "unlikelyTravel",
            RiskEventType::NewCountry => "newCountry",
            RiskEventType::UnfamiliarFeatures => "unfamiliarFeatures",
            RiskEventType::AnonymizedIpAddress => "anonymizedIPAddress",
            RiskEventType::MaliciousIpAddress => "maliciousIPAddress",
            RiskEventType::NationStateIp => "nationStateIP",
            RiskEventType::AdminConfirmedUserCompromised => "adminConfirmedUserCompromised",
            RiskEventType::PasswordSpray => "passwordSpray",
            RiskEventType::SuspiciousBrowser => "suspiciousBrowser",
            RiskEventType::AnomalousToken => "anomalousToken",
            RiskEventType::TokenIssuerAnomaly => "tokenIssuerAnomaly",
            RiskEventType::AttackerInTheMiddle => "attackerinTheMiddle",
            RiskEventType::UserReportedSuspiciousActivity => "userReportedSuspiciousActivity",
            RiskEventType::RiskyIpAddress => "riskyIPAddress",
            RiskEventType::MfaFatigue => "mfaFatigue",
            RiskEventType::LeakedCredentials => "leakedCredentials",
            RiskEventType::Generic => "generic",
        }
    }

    /// MITRE ATT&CK's technique (Enterprise) of what the detection sees.
    pub fn mitre_technique(self) -> &'static str {
        match self {
            // Valid Accounts: Cloud Accounts.
            RiskEventType::ImpossibleTravel
            | RiskEventType::UnlikelyTravel
            | RiskEventType::NewCountry
            | RiskEventType::UnfamiliarFeatures
            | RiskEventType::MaliciousIpAddress
            | RiskEventType::NationStateIp
            | RiskEventType::AdminConfirmedUserCompromised
            | RiskEventType::Generic
            | RiskEventType::SuspiciousBrowser => "T1078.004",
            // Gather Victim Identity Information: Credentials.
            RiskEventType::LeakedCredentials => "T1589.001",
            // Proxy: Multi-hop Proxy.
            RiskEventType::AnonymizedIpAddress | RiskEventType::RiskyIpAddress => "T1090.003",
            // Brute Force: Password Spraying.
            RiskEventType::PasswordSpray => "T1110.003",
            // Use Alternate Authentication Material.
            RiskEventType::AnomalousToken => "T1550",
            // Forge Web Credentials: SAML Tokens.
            RiskEventType::TokenIssuerAnomaly => "T1606.002",
            // Adversary-in-the-Middle.
            RiskEventType::AttackerInTheMiddle => "T1557",
            // Multi-Factor Authentication Request Generation.
            RiskEventType::UserReportedSuspiciousActivity | RiskEventType::MfaFatigue => "T1621",
        }
    }

    /// Version of the detection's logic; part of a detection's id. Raise it when the same sign-in should get a
    /// new detection rather than an update of the old one.
    pub fn version(self) -> u16 {
        1
    }
}

/// Graph `riskLevel`, ordered (Graph's own enum numbers are not).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum RiskLevel {
    None = 0,
    Low = 1,
    Medium = 2,
    High = 3,
}

impl RiskLevel {
    pub fn name(self) -> &'static str {
        match self {
            RiskLevel::None => "none",
            RiskLevel::Low => "low",
            RiskLevel::Medium => "medium",
            RiskLevel::High => "high",
        }
    }

    pub fn lowered(self) -> RiskLevel {
        match self {
            RiskLevel::High => RiskLevel::Medium,
            RiskLevel::Medium => RiskLevel::Low,
            RiskLevel::Low | RiskLevel::None => RiskLevel::None,
        }
    }

    pub fn raised(self) -> RiskLevel {
        match self {
            RiskLevel::None => RiskLevel::Low,
            RiskLevel::Low => RiskLevel::Medium,
            RiskLevel::Medium | RiskLevel::High => RiskLevel::High,
        }
    }
}

/// Graph `riskState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum RiskState {
    None = 0,
    AtRisk = 1,
    ConfirmedCompromised = 2,
    ConfirmedSafe = 3,
    Dismissed = 4,
    Remediated = 5,
}

impl RiskState {
    pub fn name(self) -> &'static str {
        match self {
            RiskState::None => "none",
            RiskState::AtRisk => "atRisk",
            RiskState::ConfirmedCompromised => "confirmedCompromised",
            RiskState::ConfirmedSafe => "confirmedSafe",
            RiskState::Dismissed => "dismissed",
            RiskState::Remediated => "remediated",
        }
    }
}

/// Graph `riskDetail`: why the state is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum RiskDetail {
    None = 0,
    AiConfirmedSigninSafe = 1,
    AdminConfirmedSigninSafe = 2,
    AdminConfirmedSigninCompromised = 3,
    AdminConfirmedUserCompromised = 4,
    AdminDismissedAllRiskForUser = 5,
    AdminDismissedRiskForSignIn = 6,
    AdminConfirmedAccountSafe = 7,
    UserPassedMfaDrivenByRiskBasedPolicy = 8,
    UserPerformedSecuredPasswordChange = 9,
}

impl RiskDetail {
    pub fn name(self) -> &'static str {
        match self {
            RiskDetail::None => "none",
            RiskDetail::AiConfirmedSigninSafe => "aiConfirmedSigninSafe",
            RiskDetail::AdminConfirmedSigninSafe => "adminConfirmedSigninSafe",
            RiskDetail::AdminConfirmedSigninCompromised => "adminConfirmedSigninCompromised",
            RiskDetail::AdminConfirmedUserCompromised => "adminConfirmedUserCompromised",
            RiskDetail::AdminDismissedAllRiskForUser => "adminDismissedAllRiskForUser",
            RiskDetail::AdminDismissedRiskForSignIn => "adminDismissedRiskForSignIn",
            RiskDetail::AdminConfirmedAccountSafe => "adminConfirmedAccountSafe",
            RiskDetail::UserPassedMfaDrivenByRiskBasedPolicy => "userPassedMFADrivenByRiskBasedPolicy",
            RiskDetail::UserPerformedSecuredPasswordChange => "userPerformedSecuredPasswordChange",
        }
    }
}

/// One end of a comparison: a sign-in as evidence names it, or what an upstream finding says of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndPoint {
    pub request_id: String,
    pub provider: Provider,
    pub time: EventTime,
    pub address: Option<IpAddr>,
    /// 0 = unknown.
    pub asn: u32,
    pub asn_organization: String,
    pub country: CountryCode,
    pub region: String,
    pub city: String,
    /// Degrees.
    pub coordinates: Option<(f32, f32)>,
    pub radius_km: u16,
    pub browser: String,
    pub operating_system: String,
}

/// That of no sign-in.
impl Default for EndPoint {
    fn default() -> EndPoint {
        EndPoint {
            request_id: String::new(),
            provider: Provider::Entra,
            time: EventTime::MIN,
            address: None,
            asn: 0,
            asn_organization: String::new(),
            country: CountryCode::default(),
            region: String::new(),
            city: String::new(),
            coordinates: None,
            radius_km: 0,
            browser: String::new(),
            operating_system: String::new(),
        }
    }
}

/// The arithmetic of two distant sign-ins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Travel {
    /// Great circle between the two places, km.
    pub great_circle_km: f64,
    /// Uncertainty of both places together, km.
    pub uncertainty_km: f64,
    /// What is left of the distance: max(0, great circle − uncertainty), km.
    pub distance_km: f64,
    /// Time between, seconds, at least the clock skew allowed for.
    pub elapsed_s: f64,
    pub speed_kmh: f64,
    pub max_speed_kmh: f64,
    pub min_distance_km: f64,
}

impl Travel {
    /// How [`Self::great_circle_km`] is computed, as output names it: `geo::Haversine`, on a sphere of the mean
    /// earth radius 6371.0088 km.
    pub const METHOD: &'static str = "haversine";
}

/// The properties that unfamiliar-properties weighs, and that every detection reports on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Property {
    IpAddress,
    IpPrefix,
    Asn,
    City,
    Region,
    Country,
    Device,
    UserAgent,
    Browser,
    OperatingSystem,
    ClientApp,
    HourOfWeek,
    FailureHistory,
    /// Hosting, VPN, proxy or Tor, where the network is new.
    NetworkKind,
    /// How rare network and country, or address, are in the organisation.
    OrganizationRarity,
    /// Whether a known session goes on as it was.
    Session,
    /// A new client that comes back, on strange networks only.
    Visitor,
    /// How long the account was silent, where the network is new.
    Dormancy,
}

impl Property {
    /// How many there are.
    pub const COUNT: usize = Property::Dormancy as usize + 1;

    pub fn name(self) -> &'static str {
        match self {
            Property::IpAddress => "ipAddress",
            Property::IpPrefix => "ipPrefix",
            Property::Asn => "asn",
            Property::City => "city",
            Property::Region => "region",
            Property::Country => "country",
            Property::Device => "device",
            Property::UserAgent => "userAgent",
            Property::Browser => "browser",
            Property::OperatingSystem => "operatingSystem",
            Property::ClientApp => "clientApp",
            Property::HourOfWeek => "hourOfWeek",
            Property::FailureHistory => "failureHistory",
            Property::NetworkKind => "networkKind",
            Property::OrganizationRarity => "organizationRarity",
            Property::Session => "session",
            Property::Visitor => "visitor",
            Property::Dormancy => "dormancy",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Familiarity {
    Familiar,
    Unfamiliar,
    /// The record or the tables do not say.
    Unknown,
}

/// One property's verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PropertyVerdict {
    pub property: Property,
    pub familiarity: Familiarity,
    /// Share of the user's decayed baseline that has this value, 0–1.
    pub share: f64,
    /// Evidence for a stranger in bits (log2 of the likelihood ratio); negative speaks for the owner.
    pub bits: f64,
    /// Distinct users of the organisation seen with this value, where that was looked up.
    pub organization_users: Option<u32>,
    /// The value, for reading ("AS64500 Example Net", "Oslo").
    pub value: String,
}

/// Why a detection was, or could have been, silenced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuppressionConsidered {
    pub reason: Suppression,
    pub applied: bool,
    /// A few words on what was compared.
    pub detail: Cow<'static, str>,
}

/// The closed list of suppression reasons, with the level they belong to (Defender's slider: system,
/// organisation, user).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Suppression {
    /// The family's baseline is still being learnt.
    Learning,
    /// The address did not change: a GeoIP update is no travel.
    SameAddress,
    /// Both ends are trusted named locations (at sensitivity high only lowers the level).
    TrustedLocation,
    /// One end is a configured egress.
    EgressLocation,
    /// One end is a listed VPN, proxy, relay, satellite or Tor address.
    MovingNetwork,
    /// An address or network that many colleagues use from many places: a VPN nobody listed.
    LearntEgress,
    /// Both places are usual for this user.
    UsualPlaces,
    /// This journey was seen before and held no risk.
    KnownTransition,
    /// Same or bordering country.
    NearbyCountry,
    /// Non-interactive refresh from a cloud provider's network on the same session.
    CloudRefresh,
    /// Mobile gateway: places of one carrier flip.
    MobileGateway,
    /// The place, network or country is regularly used by colleagues.
    OrganizationCommon,
    /// A configured exception, named in the evidence.
    Exception,
    /// The level ended below low (trusted location, stopped sign-in).
    BelowLow,
    /// The same finding about the same visit (country, device, agent, on whatever network) stands already.
    AlreadyReported,
    /// The sign-in is from a device that is known to be the user's.
    FamiliarDevice,
}

impl Suppression {
    pub const ALL: [Suppression; 16] = [
        Suppression::Learning,
        Suppression::SameAddress,
        Suppression::TrustedLocation,
        Suppression::EgressLocation,
        Suppression::MovingNetwork,
        Suppression::LearntEgress,
        Suppression::UsualPlaces,
        Suppression::KnownTransition,
        Suppression::NearbyCountry,
        Suppression::CloudRefresh,
        Suppression::MobileGateway,
        Suppression::OrganizationCommon,
        Suppression::Exception,
        Suppression::BelowLow,
        Suppression::AlreadyReported,
        Suppression::FamiliarDevice,
    ];

    /// The word used in output, metrics and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Suppression::Learning => "learning",
            Suppression::SameAddress => "sameAddress",
            Suppression::TrustedLocation => "trustedLocation",
            Suppression::EgressLocation => "egressLocation",
            Suppression::MovingNetwork => "movingNetwork",
            Suppression::LearntEgress => "learntEgress",
            Suppression::UsualPlaces => "usualPlaces",
            Suppression::KnownTransition => "knownTransition",
            Suppression::NearbyCountry => "nearbyCountry",
            Suppression::CloudRefresh => "cloudRefresh",
            Suppression::MobileGateway => "mobileGateway",
            Suppression::OrganizationCommon => "organizationCommon",
            Suppression::Exception => "exception",
            Suppression::BelowLow => "belowLow",
            Suppression::AlreadyReported => "alreadyReported",
            Suppression::FamiliarDevice => "familiarDevice",
        }
    }
}

/// Where a detection family's learning stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum LearningPhase {
    Learning = 0,
    Active = 1,
    Relearning = 2,
}

impl LearningPhase {
    pub fn name(self) -> &'static str {
        match self {
            LearningPhase::Learning => "learning",
            LearningPhase::Active => "active",
            LearningPhase::Relearning => "relearning",
        }
    }
}

/// A threshold that took part in the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Configuration key, e.g. "impossible_travel.max_speed_kmh".
    pub key: Cow<'static, str>,
    pub value: f64,
}

impl Threshold {
    pub fn new(key: &'static str, value: f64) -> Threshold {
        Threshold { key: key.into(), value }
    }
}

/// What was attempted on other users, where that decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttackEvidence {
    /// What all attempts had in common.
    pub trace: Trace,
    /// Its value, for reading.
    pub value: String,
    pub attack: Attack,
    /// Users of the organisation known with it, in whose place more would have been needed.
    pub known_users: u32,
    /// Users (or attempts) that were needed.
    pub enough: u32,
    pub window_hours: u32,
    /// It could be told only after the sign-in.
    pub in_hindsight: bool,
}

impl AttackEvidence {
    /// Since when it could be told.
    pub fn recognised(&self) -> EventTime {
        EventTime::from_seconds(i64::from(self.attack.recognised) * 60)
    }
}

/// Everything needed to check a finding by hand. By default that of one of which nobody hears more.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    pub this: EndPoint,
    pub reference: Option<EndPoint>,
    pub travel: Option<Travel>,
    pub properties: Vec<PropertyVerdict>,
    /// Sum of the properties' bits where the detection is a score.
    pub total_bits: Option<f64>,
    /// Place within the level that the detection gave, 0–1: what the score rests on.
    pub strength: f64,
    pub attack: Option<AttackEvidence>,
    pub lists: Vec<ListKind>,
    /// 1-based index of this end's named location in the configuration; 0 = none.
    pub named_location: u16,
    pub thresholds: Vec<Threshold>,
    pub suppressions: Vec<SuppressionConsidered>,
    /// Where the learning of the detection's family stands; `None` = it needs no history.
    pub learning: Option<LearningPhase>,
    /// Days since the family's learning began, rounded down; `None` where [`Self::learning`] is.
    pub learning_days: Option<u32>,
    /// Sign-ins learnt by the baseline.
    pub baseline_sign_ins: u32,
    /// Organisation profile: last day included, distinct active users.
    pub organization_day: Option<i32>,
    pub organization_users: u32,
    /// The sign-in arrived beyond the lateness horizon.
    pub late: bool,
    /// First factor right, then MFA or a policy stopped it: the level is one step lower.
    pub stopped: bool,
    /// One English sentence.
    pub sentence: String,
}

impl Evidence {
    /// Is it that of a finding of which nobody hears more?
    pub fn is_none(&self) -> bool {
        self.sentence.is_empty()
    }
}

/// One detection about one sign-in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub kind: RiskEventType,
    pub level: RiskLevel,
    /// 0–100.
    pub score: u8,
    /// The reason that silenced it, if one did.
    pub suppressed_by: Option<Suppression>,
    pub evidence: Evidence,
    /// The story it is a part of.
    pub incident: Incident,
}
