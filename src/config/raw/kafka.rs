//! Sections `kafka` and `topics`: how Farsign reaches Kafka, and what its own topics are called.
//!
//! Texts with a `format` of ours have a `pattern` beside it, so that editors and other validators see what this
//! program refuses. A [`Secret`] is never written in the file, and never printed: see `format: secret` in the
//! schema check.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// What stands for a secret wherever a configuration is shown. Read back, it is refused, as any literal is.
pub const HIDDEN: &str = "(hidden)";

/// Longest name Kafka takes for a topic, a consumer group's kin included.
const NAME_LENGTH_MAX: usize = 249;

/// A server as host:port.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(extend("format" = "server", "pattern" = r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$"))]
pub struct Server(pub String);

/// A name in Kafka: letters, digits, `.`, `_` and `-`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(extend(
    "format" = "name",
    "minLength" = 1,
    "maxLength" = NAME_LENGTH_MAX,
    "pattern" = "^[A-Za-z0-9._-]+$",
))]
pub struct Name(pub String);

/// A secret: `${NAME}`, filled in from the environment, and nothing beside it.
#[derive(Clone, Deserialize, JsonSchema)]
#[schemars(extend("format" = "secret", "pattern" = r"^\$\{[^}]+\}$"))]
pub struct Secret(pub String);

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// The value of a librdkafka property; its own type is librdkafka's business.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(extend(
    "type" = ["string", "boolean", "integer"],
    "minimum" = i32::MIN,
    "maximum" = 9_007_199_254_740_991_i64,
))]
pub struct Property(pub Value);

impl Property {
    /// As librdkafka takes it.
    pub fn text(&self) -> String {
        match &self.0 {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// How the connection to the brokers is secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecurityProtocol {
    #[default]
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

impl SecurityProtocol {
    /// As librdkafka, Kafka and this file spell it.
    pub fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "plaintext",
            SecurityProtocol::Ssl => "ssl",
            SecurityProtocol::SaslPlaintext => "sasl_plaintext",
            SecurityProtocol::SaslSsl => "sasl_ssl",
        }
    }

    pub fn has_ssl(self) -> bool {
        matches!(self, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl)
    }

    pub fn has_sasl(self) -> bool {
        matches!(self, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl)
    }
}

/// How a client proves who it is, by the names of Kafka.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum SaslMechanism {
    #[serde(rename = "PLAIN")]
    Plain,
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    #[default]
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    #[serde(rename = "OAUTHBEARER")]
    OauthBearer,
}

impl SaslMechanism {
    pub fn name(self) -> &'static str {
        match self {
            SaslMechanism::Plain => "PLAIN",
            SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
            SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
            SaslMechanism::OauthBearer => "OAUTHBEARER",
        }
    }
}

/// Certificates; used when `protocol` is ssl or sasl_ssl.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ssl {
    /// Certificates (PEM) that brokers are checked against; null = those of the system.
    #[schemars(length(min = 1))]
    pub ca_file: Option<String>,
    /// Own certificate (PEM), for brokers that ask for one; goes with `key_file`.
    #[schemars(length(min = 1))]
    pub certificate_file: Option<String>,
    /// Key (PEM) of the own certificate.
    #[schemars(length(min = 1))]
    pub key_file: Option<String>,
    /// Password of the key, as `${NAME}` from the environment.
    pub key_password: Option<Secret>,
    /// File whose first line is the password of the key.
    #[schemars(length(min = 1))]
    pub key_password_file: Option<String>,
}

/// Who we are; used when `protocol` is sasl_plaintext or sasl_ssl.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sasl {
    pub mechanism: SaslMechanism,
    /// For PLAIN and SCRAM.
    #[schemars(length(min = 1))]
    pub username: Option<String>,
    /// For PLAIN and SCRAM, as `${NAME}` from the environment.
    pub password: Option<Secret>,
    /// For PLAIN and SCRAM: file whose first line is the password.
    #[schemars(length(min = 1))]
    pub password_file: Option<String>,
    /// For OAUTHBEARER: file with the token (JWT). It is read again whenever a new token is due.
    #[schemars(length(min = 1))]
    pub token_file: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    pub protocol: SecurityProtocol,
    pub ssl: Ssl,
    pub sasl: Sasl,
}

/// How Farsign reaches Kafka.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kafka {
    /// Brokers to begin with, as host:port; the others are learnt from them. Commands that use Kafka need one.
    #[schemars(length(max = 100))]
    pub bootstrap_servers: Vec<Server>,
    /// The consumer group, and the beginning of every transactional id. Two that run with the same id share the
    /// work; another id is another Farsign and needs topics of its own.
    pub application_id: Name,
    /// The client's name in the brokers' logs and quotas.
    #[schemars(length(min = 1, max = 100))]
    pub client_id: String,
    /// Static membership of the consumer group: a restart within the session timeout moves no partition, but a dead
    /// instance is missed only after it. Every instance needs its own. Null = dynamic membership.
    pub group_instance_id: Option<Name>,
    pub security: Security,
    /// An instance unheard of for this long is dead to the group, ms.
    #[schemars(range(min = 1_000, max = 300_000))]
    pub session_timeout_ms: u32,
    /// Time between signs of life, ms; at most half of `session_timeout_ms`.
    #[schemars(range(min = 100, max = 60_000))]
    pub heartbeat_interval_ms: u32,
    /// An instance that asks for no records for this long leaves the group, ms; at least `session_timeout_ms`.
    #[schemars(range(min = 1_000, max = 86_400_000))]
    pub max_poll_interval_ms: u32,
    /// A transaction open for this long is aborted by the broker, ms. The broker's own maximum is 900000 by default.
    #[schemars(range(min = 2_000, max = 900_000))]
    pub transaction_timeout_ms: u32,
    /// A fetch waits this long for records, ms. Assigning, seeking and pausing wait for a running fetch.
    #[schemars(range(min = 1, max = 5_000))]
    pub fetch_wait_max_ms: u32,
    /// Records fetched ahead, of all partitions together, bytes; each has an equal share, at least 1 MiB. It bounds
    /// the memory of reading.
    #[schemars(range(min = 1_048_576, max = 2_147_482_624))]
    pub fetch_queue_bytes_max: u64,
    /// More properties of librdkafka, by its names. Those that Farsign itself sets are refused.
    pub properties: BTreeMap<String, Property>,
}

impl Default for Kafka {
    fn default() -> Kafka {
        Kafka {
            bootstrap_servers: Vec::new(),
            application_id: Name("farsign".to_owned()),
            client_id: "farsign".to_owned(),
            group_instance_id: None,
            security: Security::default(),
            session_timeout_ms: 10_000,
            heartbeat_interval_ms: 3_000,
            max_poll_interval_ms: 60_000,
            transaction_timeout_ms: 15_000,
            fetch_wait_max_ms: 50,
            fetch_queue_bytes_max: 64 << 20,
            properties: BTreeMap::new(),
        }
    }
}

/// Farsign's own topics: their names, and how `farsign topics create` makes them.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Topics {
    /// Sign-ins sorted by user, when `input.keyed` is false.
    pub repartition: Name,
    /// The changelog: what is remembered of every user.
    pub state: Name,
    /// What each task contributes to the organisation's profiles.
    pub profiles: Name,
    /// Detections.
    pub risk_detections: Name,
    /// The risk of each user as it is now.
    pub risky_users: Name,
    /// What shadow policies find; needed where there are any.
    pub shadow: Name,
    /// Feedback in: dismissals, confirmations, remediations.
    pub commands: Name,
    /// Records that could not be read.
    pub dead_letter: Name,
    /// Copies of each partition, when created.
    #[schemars(range(min = 1, max = 1_000))]
    pub replication_factor: u32,
    /// Copies that must have a record before it counts as written; at most `replication_factor`.
    #[schemars(range(min = 1, max = 1_000))]
    pub min_insync_replicas: u32,
    /// Partitions, when `input.keyed` is false; otherwise as many as the first input topic has.
    #[schemars(range(min = 1, max = 100_000))]
    pub partitions: u32,
    /// Detections, commands, dead letters and repartitioned sign-ins are kept for this long, ms.
    #[schemars(range(min = 60_000, max = 3_153_600_000_000_u64))]
    pub retention_ms: u64,
}

impl Default for Topics {
    fn default() -> Topics {
        let name = |name: &str| Name(format!("farsign.{name}"));
        Topics {
            repartition: name("repartition"),
            state: name("state"),
            profiles: name("profiles"),
            risk_detections: name("risk-detections"),
            risky_users: name("risky-users"),
            shadow: name("shadow-detections"),
            commands: name("commands"),
            dead_letter: name("dead-letter"),
            replication_factor: 3,
            min_insync_replicas: 2,
            partitions: 12,
            retention_ms: 30 * 86_400_000,
        }
    }
}
