//! Valid sections `kafka` and `topics`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::secret::SecretSource;

pub use super::raw::kafka::{SaslMechanism, SecurityProtocol};

/// How Farsign reaches Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaConfig {
    /// host:port; may be empty: see [`Config::for_kafka`](super::Config::for_kafka).
    pub bootstrap_servers: Vec<String>,
    /// Consumer group id, and prefix of every transactional id.
    pub application_id: String,
    pub client_id: String,
    pub group_instance_id: Option<String>,
    pub security: SecurityConfig,
    pub session_timeout: Duration,
    /// At most half of `session_timeout`.
    pub heartbeat_interval: Duration,
    /// At least `session_timeout`.
    pub max_poll_interval: Duration,
    pub transaction_timeout: Duration,
    pub fetch_wait_max: Duration,
    /// Of all partitions together.
    pub fetch_queue_bytes_max: u64,
    /// More librdkafka properties, known to it, none that Farsign sets itself.
    pub properties: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityConfig {
    pub protocol: SecurityProtocol,
    pub ssl: SslConfig,
    /// Some exactly when the protocol has SASL.
    pub sasl: Option<SaslConfig>,
}

/// Certificates; all absent when the protocol has no TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SslConfig {
    pub ca_file: Option<PathBuf>,
    /// Certificate and key come together.
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub key_password: Option<SecretSource>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaslConfig {
    /// PLAIN or SCRAM.
    Password { mechanism: SaslMechanism, username: String, password: SecretSource },
    /// OAUTHBEARER. The file is read again whenever a new token is due.
    Token { file: PathBuf },
}

/// Farsign's own topics; no two have one name, and none is an input topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicsConfig {
    pub repartition: String,
    pub state: String,
    pub profiles: String,
    pub risk_detections: String,
    pub risky_users: String,
    /// Used where there are shadow policies.
    pub shadow: String,
    pub commands: String,
    pub dead_letter: String,
    pub replication_factor: u32,
    /// At most `replication_factor`.
    pub min_insync_replicas: u32,
    /// Partitions when the input is not keyed.
    pub partitions: u32,
    pub retention: Duration,
}

impl TopicsConfig {
    /// Every topic with the key that names it.
    pub fn names(&self) -> [(&'static str, &str); 8] {
        [
            ("repartition", &self.repartition),
            ("state", &self.state),
            ("profiles", &self.profiles),
            ("risk_detections", &self.risk_detections),
            ("risky_users", &self.risky_users),
            ("shadow", &self.shadow),
            ("commands", &self.commands),
            ("dead_letter", &self.dead_letter),
        ]
    }
}
