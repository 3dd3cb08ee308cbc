//! Configuration text → valid [`Config`].
//!
//! YAML and the environment become a [`tree`] of values that know where they stand; the tree is held against the
//! JSON [`schema`] of the [`raw`] structs, and what passes becomes values that cannot be wrong ([`valid`]). Every
//! problem is reported, not only the first, each with its key, the value found and what is allowed. [`parse`] is
//! pure: text and environment come in as values. Tables named here are opened by the runtime, not here.

mod kafka;
mod problem;
pub mod raw;
mod run;
mod schema;
mod secret;
mod tree;
mod valid;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use kafka::{
    KafkaConfig, SaslConfig, SaslMechanism, SecurityConfig, SecurityProtocol, SslConfig, TopicsConfig,
};
pub use problem::{ConfigProblems, Problem};
pub use run::{
    BreakerConfig, Framing, HttpConfig, InputConfig, LogConfig, LogFormat, LogLevel, OnDataLoss, OnError,
    RunConfig, Start,
};
pub use secret::{Secret, SecretSource};

use crate::engine::decode::PeopleRules;
use crate::engine::facts::{CountryCode, ListKind};
use crate::engine::policy::EngineConfig;
use crate::render::{ImpossibleTravelName, OutputFormat};

/// A longer file is refused unread: no configuration is that long.
pub const FILE_LENGTH_MAX: u64 = 4 << 20;

/// Everything that can be configured, valid.
#[derive(Clone, Debug)]
pub struct Config {
    /// `config_hash` covers what verdicts rest on: detections, baseline, exceptions, policies, engine and named
    /// locations. Paths, output switches, threads and Kafka are not in it. The runtime mixes in the tables' content
    /// ([`mix`]).
    pub engine: EngineConfig,
    pub tables: TablesConfig,
    pub output: OutputConfig,
    pub replay: ReplayConfig,
    pub kafka: KafkaConfig,
    pub topics: TopicsConfig,
    pub identity: IdentityConfig,
    pub input: InputConfig,
    pub run: RunConfig,
    pub http: HttpConfig,
    pub log: LogConfig,
    /// The same with every default filled in and every policy merged, as `farsign check` prints it.
    pub effective: raw::File,
}

/// One person, several accounts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IdentityConfig {
    /// Tenant of everybody who is resolved.
    pub organization: String,
    /// Empty = all.
    pub tenants: Vec<String>,
    /// List of accounts.
    pub file: Option<PathBuf>,
    pub rules: PeopleRules,
}

/// Files to enrich from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TablesConfig {
    /// Asked in this order; the first that knows an address counts.
    pub city_db: Vec<PathBuf>,
    pub asn_db: Option<PathBuf>,
    pub anonymous_db: Option<PathBuf>,
    pub isp_db: Option<PathBuf>,
    pub connection_type_db: Option<PathBuf>,
    pub lists: Vec<(ListKind, PathBuf)>,
    pub named_locations: Vec<NamedLocationConfig>,
}

/// A place with a name: an address is in it by network, country or ASN.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedLocationConfig {
    pub name: String,
    /// Address, mask length; host bits are zero.
    pub networks: Vec<(IpAddr, u8)>,
    pub countries: Vec<CountryCode>,
    pub asns: Vec<u32>,
    pub trusted: bool,
    pub egress: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputConfig {
    pub format: OutputFormat,
    pub impossible_travel_name: ImpossibleTravelName,
    /// Write detections that a suppression silenced, too.
    pub suppressed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayConfig {
    /// `None` = one a core.
    pub threads: Option<usize>,
}

impl Config {
    /// Whether a command that speaks to Kafka can begin: it needs a server to ask.
    pub fn for_kafka(&self) -> Result<(), ConfigProblems> {
        self.needed(&[(
            "kafka.bootstrap_servers",
            self.kafka.bootstrap_servers.is_empty(),
            "name a broker as host:port",
        )])
    }

    /// Whether `farsign run` and its kin can begin: they need a server and a topic to read.
    pub fn for_input(&self) -> Result<(), ConfigProblems> {
        self.needed(&[
            ("kafka.bootstrap_servers", self.kafka.bootstrap_servers.is_empty(), "name a broker as host:port"),
            ("input.topics", self.input.topics.is_empty(), "name the topic that the sign-in logs are in"),
        ])
    }

    fn needed(&self, keys: &[(&str, bool, &str)]) -> Result<(), ConfigProblems> {
        let problem = |(path, _, advice): &(&str, bool, &str)| Problem {
            origin: problem::Origin::File,
            path: (*path).to_owned(),
            message: format!("is empty; {advice}"),
        };
        match keys.iter().filter(|(_, empty, _)| *empty).map(problem).collect::<Vec<_>>() {
            missing if missing.is_empty() => Ok(()),
            missing => Err(ConfigProblems::new(missing)),
        }
    }
}

/// Reads `path` (none: the defaults) and applies the environment.
pub fn load(path: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Config, ConfigProblems> {
    match path {
        Some(path) => parse(&read(path)?, environment),
        None => parse("", environment),
    }
}

/// A key and the text of its value: as in the environment, the schema decides what that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Dots between: `detections.new_country.min_bits`.
    pub key: String,
    pub value: String,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// Text of a configuration file.
///
/// # Errors
/// When it cannot be read, or is longer than [`FILE_LENGTH_MAX`].
pub fn read(path: &Path) -> Result<String, ConfigProblems> {
    let text = || -> std::io::Result<String> {
        let length = std::fs::metadata(path)?.len();
        if length > FILE_LENGTH_MAX {
            return Err(std::io::Error::other(format!("{length} bytes; at most {FILE_LENGTH_MAX} are read")));
        }
        std::fs::read_to_string(path)
    };
    text().map_err(|error| ConfigProblems::unreadable(path, &error))
}

/// YAML text and environment → configuration, or every problem in it.
///
/// `${NAME}` in a value is replaced by the environment's `NAME`; `$${` writes `${`. `FARSIGN_SECTION__KEY`
/// overrides the key `section.key`, for any depth.
pub fn parse(text: &str, environment: &BTreeMap<String, String>) -> Result<Config, ConfigProblems> {
    parse_with(text, environment, &[])
}

/// As [`parse`], with `settings` over both; of one key the last counts.
pub fn parse_with(
    text: &str,
    environment: &BTreeMap<String, String>,
    settings: &[Setting],
) -> Result<Config, ConfigProblems> {
    let mut problems = Vec::new();
    let mut root = tree::parse(text).map_err(ConfigProblems::one)?;
    tree::expand(&mut root, environment, &mut problems);
    tree::apply_overrides(&mut root, environment, &mut problems);
    tree::apply_settings(&mut root, settings, &mut problems);
    let cleaned = schema::check(&root, &raw::schema(), &mut problems);
    let config = valid::build(&cleaned, &root, &mut problems);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(ConfigProblems::new(problems)),
    }
}

/// YAML text → a file of ours that is no configuration, held against its schema as one is; or every problem in it.
pub fn parse_as<T: JsonSchema + DeserializeOwned>(text: &str) -> Result<T, ConfigProblems> {
    let mut problems = Vec::new();
    let root = tree::parse(text).map_err(ConfigProblems::one)?;
    let cleaned = schema::check(&root, &raw::schema_of::<T>(), &mut problems);
    if !problems.is_empty() {
        return Err(ConfigProblems::new(problems));
    }
    let problem = |error: serde_json::Error| Problem {
        origin: problem::Origin::File,
        path: String::new(),
        message: error.to_string(),
    };
    serde_json::from_value(cleaned).map_err(|error| ConfigProblems::one(problem(error)))
}

/// Hash of what verdicts rest on in `effective`, as in [`EngineConfig::config_hash`].
pub fn hash(effective: &raw::File) -> u64 {
    valid::hash(effective)
}

/// Mixes the hash of more content (a table) into a configuration hash. The order of mixing matters.
pub fn mix(hash: u64, bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(bytes, hash)
}
