//! The configuration file's shape: names, ranges and defaults of every key. Its JSON Schema is made from here.
//!
//! Sections that mirror a struct of the engine's policy are written with `mirror!`, so that a new key is one line
//! here beside the one in [`policy`]: the compiler asks for it. Doc comments are the descriptions in
//! `config/farsign.schema.json`.

pub mod kafka;
pub mod reading;
pub mod run;
mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::policy::{self, EngineConfig, Policy};
pub use words::{Level, Sensitivity};

/// Most exceptions, policies or named locations in one file.
pub const POLICIES_MAX: usize = 1_000;

/// A section that holds the same keys as the policy struct of its name: the struct, its defaults, and both ways.
macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident, default $default:expr, { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$attribute])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> $name {
                $name::from(&$default)
            }
        }

        impl From<&policy::$name> for $name {
            fn from(valid: &policy::$name) -> $name {
                $name { $($field: valid.$field.into(),)* }
            }
        }

        impl From<&$name> for policy::$name {
            fn from(raw: &$name) -> policy::$name {
                policy::$name { $($field: raw.$field.into(),)* }
            }
        }
    };
}

mirror! {
    /// Two sign-ins of one user, distant in place, closer in time than travel allows.
    ImpossibleTravel, default Policy::default().impossible_travel, {
        enabled: bool,
        sensitivity: Sensitivity,
        /// Fires above this speed, km/h. Airliners cruise near 900.
        #[schemars(range(min = 100, max = 10_000))]
        max_speed_kmh: f64,
        /// Fires above this distance, km, after both places' uncertainty.
        #[schemars(range(min = 1, max = 20_000))]
        min_distance_km: f64,
        /// Time between is taken as at least this, seconds: clocks of two log writers differ.
        #[schemars(range(min = 1, max = 3_600))]
        clock_skew_s: f64,
        /// Learning lasts this many days; 0 = none.
        #[schemars(range(max = 90))]
        learning_days: u32,
        /// Unseen for this many days, a user is learnt again.
        #[schemars(range(min = 7, max = 3_650))]
        relearn_after_days: u32,
    }
}

mirror! {
    /// Two distant sign-ins where a place is atypical for the user and the organisation.
    AtypicalTravel, default Policy::default().atypical_travel, {
        enabled: bool,
        sensitivity: Sensitivity,
        /// Judges journeys of at least this distance, km.
        #[schemars(range(min = 1, max = 20_000))]
        min_distance_km: f64,
        /// Learning ends after this many days or `learning_sign_ins`, whichever is earlier.
        #[schemars(range(max = 90))]
        learning_days: u32,
        #[schemars(range(max = 1_000))]
        learning_sign_ins: u32,
        /// Unseen for this many days, a user is learnt again.
        #[schemars(range(min = 7, max = 3_650))]
        relearn_after_days: u32,
        /// Fires at level low from this score, bits.
        #[schemars(range(min = 0, max = 100))]
        low_bits: f64,
        /// At level medium from this score, bits.
        #[schemars(range(min = 0, max = 100))]
        medium_bits: f64,
        /// At level high from this score, bits.
        #[schemars(range(min = 0, max = 100))]
        high_bits: f64,
    }
}

mirror! {
    /// A country new to the user, or unseen for long.
    NewCountry, default Policy::default().new_country, {
        enabled: bool,
        sensitivity: Sensitivity,
        /// A country unseen for this many days is new again.
        #[schemars(range(min = 1, max = 3_650))]
        infrequent_after_days: u32,
        /// Share of the organisation's users from which a country is common, 0 to 1.
        #[schemars(range(min = 0, max = 1))]
        common_share: f64,
        /// Fires from this much evidence of network and device together, bits; below it a new country is a journey.
        #[schemars(range(min = 0, max = 100))]
        min_bits: f64,
        /// Learning lasts this many days; 0 = none.
        #[schemars(range(max = 90))]
        learning_days: u32,
        /// Unseen for this many days, a user is learnt again.
        #[schemars(range(min = 7, max = 3_650))]
        relearn_after_days: u32,
    }
}

mirror! {
    /// A statistical score over address, network, place, device, browser and time.
    UnfamiliarFeatures, default Policy::default().unfamiliar_features, {
        enabled: bool,
        sensitivity: Sensitivity,
        /// Fires at level low from this score, bits.
        #[schemars(range(min = 0, max = 100))]
        low_bits: f64,
        /// At level medium from this score, bits.
        #[schemars(range(min = 0, max = 100))]
        medium_bits: f64,
        /// At level high from this score, bits.
        #[schemars(range(min = 0, max = 100))]
        high_bits: f64,
        /// Learning lasts at least this many days.
        #[schemars(range(max = 90))]
        learning_min_days: u32,
        /// Learning lasts at most this many days.
        #[schemars(range(max = 365))]
        learning_max_days: u32,
        /// Between the two, learning ends when the mean surprise of recent sign-ins is below this, bits.
        #[schemars(range(min = 0, max = 100))]
        settled_bits: f64,
        /// Unseen for this many days, a user is learnt again.
        #[schemars(range(min = 7, max = 3_650))]
        relearn_after_days: u32,
    }
}

mirror! {
    /// Detections by network list or database.
    ListedAddress, default Policy::default().listed_address, {
        /// `anonymizedIPAddress`: Tor exit or anonymous proxy.
        anonymized_enabled: bool,
        /// `maliciousIPAddress`.
        malicious_enabled: bool,
        /// `nationStateIP`.
        nation_state_enabled: bool,
        /// `maliciousIPAddress` also of an address from which so many wrong passwords came; one more for each user that
        /// the organisation knows there.
        #[schemars(range(min = 3, max = 500))]
        malicious_attempts_min: u32,
        /// Within so many hours.
        #[schemars(range(min = 1, max = 168))]
        malicious_window_hours: u32,
    }
}

mirror! {
    /// The right password from where many users' passwords are being tried.
    PasswordSpray, default Policy::default().password_spray, {
        enabled: bool,
        /// Users who failed from one address, within `window_hours`.
        #[schemars(range(min = 3, max = 400))]
        address_users_min: u32,
        /// Users who failed from one /24 or /48, within `window_hours`.
        #[schemars(range(min = 3, max = 400))]
        prefix_users_min: u32,
        /// Users who failed from one network (ASN), within `window_hours`.
        #[schemars(range(min = 3, max = 400))]
        asn_users_min: u32,
        /// Users who failed from one prefix or network (ASN) with one user agent, within `slow_window_hours`.
        #[schemars(range(min = 3, max = 400))]
        network_and_user_agent_users_min: u32,
        /// Users who failed with one user agent from anywhere, within `slow_window_hours`.
        #[schemars(range(min = 3, max = 400))]
        user_agent_users_min: u32,
        /// For an address, prefix or network; and an attack is over when so long nothing came.
        #[schemars(range(min = 1, max = 336))]
        window_hours: u32,
        /// Where a user agent takes part: slow sprays add up over days.
        #[schemars(range(min = 1, max = 336))]
        slow_window_hours: u32,
        /// So many more users are needed for each that the organisation knows at the address or prefix, or with the network
        /// and user agent.
        #[schemars(range(min = 0, max = 100))]
        known_users_factor: f64,
        /// The same for a network or a user agent alone.
        #[schemars(range(min = 0, max = 100))]
        slow_known_users_factor: f64,
    }
}

mirror! {
    /// One rare browser with the right credentials of several users, from several countries.
    SuspiciousBrowser, default Policy::default().suspicious_browser, {
        enabled: bool,
        /// Users to whom it is new.
        #[schemars(range(min = 3, max = 400))]
        users_min: u32,
        /// Countries they were in.
        #[schemars(range(min = 1, max = 50))]
        countries_min: u32,
        /// Within so many hours.
        #[schemars(range(min = 1, max = 336))]
        window_hours: u32,
    }
}

mirror! {
    /// `anomalousToken`: a session that goes on in other hands.
    AnomalousToken, default Policy::default().anomalous_token, {
        enabled: bool,
        sensitivity: Sensitivity,
        /// Fires at level low from this score, bits.
        #[schemars(range(min = 0, max = 100))]
        low_bits: f64,
        /// At level medium from this score, bits.
        #[schemars(range(min = 0, max = 100))]
        medium_bits: f64,
        /// At level high from this score, bits.
        #[schemars(range(min = 0, max = 100))]
        high_bits: f64,
        /// Two places that a session is used from within this many minutes use it at once.
        #[schemars(range(min = 1, max = 1_440))]
        simultaneous_minutes: u32,
        /// A session that goes on somewhere else is unusually old from this many days.
        #[schemars(range(min = 1, max = 3_650))]
        unusual_age_days: u32,
    }
}

mirror! {
    /// `attackerinTheMiddle`: a session that begins through a relay and goes on elsewhere.
    AttackerInTheMiddle, default Policy::default().attacker_in_the_middle, {
        enabled: bool,
        sensitivity: Sensitivity,
        /// A session that began through a relay is looked for elsewhere for this many hours.
        #[schemars(range(min = 1, max = 720))]
        continuation_hours: u32,
    }
}

mirror! {
    /// `tokenIssuerAnomaly`: a federated issuer that nobody or only this user has.
    TokenIssuer, default Policy::default().token_issuer, {
        enabled: bool,
        /// Colleagues whose issuer is known, from which an issuer unheard of means something.
        #[schemars(range(min = 10, max = 100_000))]
        known_users_min: u32,
        /// Days of use from which a user's own issuer counts as his habit.
        #[schemars(range(min = 1, max = 90))]
        habit_days: u32,
    }
}

mirror! {
    /// `mfaFatigue`: prompt after prompt behind a right password.
    MfaFatigue, default Policy::default().mfa_fatigue, {
        enabled: bool,
        /// Denied prompts are counted over this many minutes.
        #[schemars(range(min = 5, max = 1_440))]
        window_minutes: u32,
        /// Denied prompts from which it fires.
        #[schemars(range(min = 2, max = 16))]
        denied_prompts: u32,
        /// Denied prompts from which it is a step higher.
        #[schemars(range(min = 2, max = 16))]
        many_denied_prompts: u32,
        /// Denied prompts from which it fires when one is passed after all.
        #[schemars(range(min = 1, max = 16))]
        denied_before_passed: u32,
    }
}

mirror! {
    /// `userReportedSuspiciousActivity`: a prompt denied as fraud.
    ReportedActivity, default Policy::default().reported_activity, {
        enabled: bool,
    }
}

mirror! {
    /// `riskyIPAddress`: a VPN, hosting or relay network that is new to the user, with a device that is none of his.
    RiskyAddress, default Policy::default().risky_address, {
        enabled: bool,
        sensitivity: Sensitivity,
        /// Share of the organisation's users from which a network is common, 0 to 1.
        #[schemars(range(min = 0, max = 1))]
        common_share: f64,
    }
}

mirror! {
    /// Risks that other products found, taken in under their own `source`.
    UpstreamFindings, default Policy::default().upstream_findings, {
        enabled: bool,
        /// Findings below this level are left out.
        min_level: Level,
    }
}

mirror! {
    /// How detections are put together to one incident.
    Incident, default Policy::default().incident, {
        /// An incident takes in detections for this many hours from its first; 0 = those of one moment.
        #[schemars(range(max = 720))]
        window_hours: u32,
    }
}

mirror! {
    /// What is remembered as normal.
    Baseline, default EngineConfig::default().baseline, {
        /// A risky sign-in teaches nothing for this many days, and then only if its properties came again without risk. As long
        /// does a client that is new, on a network that is new, teach nothing below every level.
        #[schemars(range(max = 365))]
        quarantine_days: u32,
        /// Familiarity halves in this many days.
        #[schemars(range(min = 1, max = 3_650))]
        half_life_days: u32,
        /// The same finding about the same stranger is reported again only after this many hours.
        #[schemars(range(max = 8_760))]
        repeat_after_hours: u32,
    }
}

/// Rules of each detection.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Detections {
    pub impossible_travel: ImpossibleTravel,
    pub atypical_travel: AtypicalTravel,
    pub new_country: NewCountry,
    pub unfamiliar_features: UnfamiliarFeatures,
    pub listed_address: ListedAddress,
    pub password_spray: PasswordSpray,
    pub suspicious_browser: SuspiciousBrowser,
    pub anomalous_token: AnomalousToken,
    pub attacker_in_the_middle: AttackerInTheMiddle,
    pub token_issuer: TokenIssuer,
    pub mfa_fatigue: MfaFatigue,
    pub reported_activity: ReportedActivity,
    pub risky_address: RiskyAddress,
    pub upstream_findings: UpstreamFindings,
    pub incident: Incident,
}

/// An address, or a network as address/length.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(extend("format" = "network"))]
pub struct Network(pub String);

/// ISO 3166-1 alpha-2.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(extend("format" = "country"))]
pub struct Country(pub String);

/// A detection by the name it has in output.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(extend("enum" = exceptable_detections()))]
pub struct DetectionName(pub String);

/// A named exception: all keys that are set must match. At least one besides `name` and `detections` must be set.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Appears as the reason of the suppression.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// Detections it is for; empty = all.
    #[serde(default)]
    pub detections: Vec<DetectionName>,
    /// User ids or principal names; `*` matches any run of characters.
    #[serde(default)]
    #[schemars(inner(length(min = 1, max = 256)))]
    pub users: Vec<String>,
    #[serde(default)]
    #[schemars(inner(length(min = 1, max = 256)))]
    pub device_ids: Vec<String>,
    /// Addresses or networks (address/length).
    #[serde(default)]
    pub networks: Vec<Network>,
    /// Pairs of countries, in either order; a pair of one country with itself excepts travel inside it.
    #[serde(default)]
    #[schemars(inner(length(min = 2, max = 2)))]
    pub country_pairs: Vec<Vec<Country>>,
    #[serde(default)]
    #[schemars(inner(length(min = 1, max = 256)))]
    pub app_ids: Vec<String>,
}

/// Rules for some tenants or users. The first policy that matches counts; what it does not set is inherited. A shadow
/// policy judges beside them.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopedPolicy {
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// Judges beside the live policies, whoever counts among them; what it finds goes to `topics.shadow` (replay:
    /// `--shadow-output`) and is no user's risk. At most 4.
    #[serde(default)]
    pub shadow: bool,
    /// Tenant ids; empty = any.
    #[serde(default)]
    #[schemars(inner(length(min = 1, max = 256)))]
    pub tenants: Vec<String>,
    /// User ids or principal names with `*`; empty = all.
    #[serde(default)]
    #[schemars(inner(length(min = 1, max = 256)))]
    pub users: Vec<String>,
    /// Keys that differ from the top-level `detections`, which are the defaults here.
    #[serde(default)]
    #[schemars(with = "Detections")]
    pub detections: Value,
    /// In addition to the top-level `exceptions`.
    #[serde(default)]
    pub exceptions: Vec<Exception>,
}

/// State and time.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Engine {
    /// How far behind the stream a sign-in may arrive and still be judged as if in order, seconds.
    #[schemars(range(max = 86_400))]
    pub lateness_horizon_s: u32,
    /// Attempts on other users up to this long after a sign-in count in its verdict, seconds.
    #[schemars(range(max = 43_200))]
    pub hindsight_s: u32,
    /// Users kept unpacked for speed.
    #[schemars(range(min = 16, max = 10_000_000))]
    pub hot_users_max: u32,
    /// Users remembered at all; beyond it the user unseen for longest is forgotten, and counted.
    #[schemars(range(min = 16, max = 1_000_000_000))]
    pub users_max: u32,
}

/// Files to enrich from. MMDB files of MaxMind's, DB-IP's or IPinfo's schema are recognised by their metadata.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tables {
    /// Asked in this order; the first that knows an address counts.
    pub city_db: Vec<String>,
    pub asn_db: Option<String>,
    pub anonymous_db: Option<String>,
    pub isp_db: Option<String>,
    pub connection_type_db: Option<String>,
    /// Network lists: plain text, one address or network a line.
    pub lists: Vec<List>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    #[schemars(extend("enum" = list_kinds()))]
    pub kind: String,
    #[schemars(length(min = 1))]
    pub file: String,
}

/// A place with a name: an address is in it by network, country or ASN.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedLocation {
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    #[serde(default)]
    pub networks: Vec<Network>,
    #[serde(default)]
    pub countries: Vec<Country>,
    #[serde(default)]
    #[schemars(inner(range(min = 1)))]
    pub asns: Vec<u32>,
    /// Lowers a level by one step.
    #[serde(default)]
    pub trusted: bool,
    /// VPN, proxy or office hub: never a travel reference.
    #[serde(default)]
    pub egress: bool,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    /// The form of detections. Users' risk is always Graph's.
    pub format: OutputFormat,
    /// How impossible travel is spelt in `riskEventType`, in every form.
    pub impossible_travel_name: ImpossibleTravelName,
    /// Write detections that a suppression silenced, too, marked as such.
    pub suppressed: bool,
}

/// Microsoft Graph `riskDetection`, Elastic Common Schema, OCSF Detection Finding, or flat keys for Sigma rules.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    #[default]
    Graph,
    Ecs,
    Ocsf,
    Sigma,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ImpossibleTravelName {
    #[default]
    McasImpossibleTravel,
    ImpossibleTravel,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Replay {
    /// Worker threads; null = one a core. The output is the same for any number.
    #[schemars(range(min = 1, max = 1_024))]
    pub threads: Option<u32>,
}

/// Farsign's configuration file.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Farsign configuration")]
pub struct File {
    pub detections: Detections,
    pub baseline: Baseline,
    #[schemars(length(max = POLICIES_MAX))]
    pub exceptions: Vec<Exception>,
    #[schemars(length(max = POLICIES_MAX))]
    pub policies: Vec<ScopedPolicy>,
    #[schemars(length(max = POLICIES_MAX))]
    pub named_locations: Vec<NamedLocation>,
    /// Records of formats that Farsign does not know.
    #[schemars(length(max = reading::MAPPINGS_MAX))]
    pub mappings: Vec<reading::Mapping>,
    pub identity: reading::Identity,
    pub engine: Engine,
    pub tables: Tables,
    pub output: Output,
    pub replay: Replay,
    pub kafka: kafka::Kafka,
    pub topics: kafka::Topics,
    pub input: run::Input,
    pub run: run::Run,
    pub http: run::Http,
    pub log: run::Log,
}

impl Default for Engine {
    fn default() -> Engine {
        let valid = EngineConfig::default();
        let bounded = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Engine {
            lateness_horizon_s: valid.lateness_horizon_s,
            hindsight_s: valid.hindsight_s,
            hot_users_max: bounded(valid.hot_users_max),
            users_max: bounded(valid.users_max),
        }
    }
}

fn list_kinds() -> Vec<&'static str> {
    crate::engine::facts::ListKind::ALL.into_iter().map(|kind| kind.name()).collect()
}

fn exceptable_detections() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = super::valid::exceptable().map(|kind| kind.name()).collect();
    names.push(crate::render::ImpossibleTravelName::Plain.name());
    names
}

/// The JSON Schema of [`File`], without references.
pub fn schema() -> Value {
    schema_of::<File>()
}

/// Likewise of another file of ours.
pub(super) fn schema_of<T: JsonSchema>() -> Value {
    let settings =
        schemars::generate::SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}
