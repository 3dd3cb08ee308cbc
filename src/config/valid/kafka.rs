//! Sections `kafka` and `topics`, raw → valid.
//!
//! Extra librdkafka properties are tried on an empty librdkafka configuration, which knows every name and range;
//! nothing is connected. Those that the protocols of the runtime rest on, and those with a key of their own in this
//! file, are refused ([`REFUSED`], [`SECRETS`]).

use std::path::PathBuf;
use std::time::Duration;

use super::Build;
use crate::config::kafka::{KafkaConfig, SaslConfig, SecurityConfig, SslConfig, TopicsConfig};
use crate::config::raw::File;
use crate::config::raw::kafka::{Kafka, Name, SaslMechanism, Secret as RawSecret, Security, Topics};
use crate::config::secret::{Secret, SecretSource};

/// Properties that are Farsign's business, and what to do instead.
const REFUSED: [(&str, &str); 47] = [
    ("acks", ALWAYS),
    ("allow.auto.create.topics", ALWAYS),
    ("auto.commit.interval.ms", ALWAYS),
    ("auto.offset.reset", "set `input.start` and `input.on_data_loss`"),
    ("bootstrap.servers", "set `kafka.bootstrap_servers`"),
    ("client.id", "set `kafka.client_id`"),
    ("delivery.timeout.ms", "set `kafka.transaction_timeout_ms`"),
    ("enable.auto.commit", ALWAYS),
    ("enable.auto.offset.store", ALWAYS),
    ("enable.gapless.guarantee", ALWAYS),
    ("enable.idempotence", ALWAYS),
    ("enable.partition.eof", ALWAYS),
    ("enable.sasl.oauthbearer.unsecure.jwt", "set `kafka.security.sasl.token_file`"),
    ("fetch.wait.max.ms", "set `kafka.fetch_wait_max_ms`"),
    ("group.id", "set `kafka.application_id`"),
    ("group.instance.id", "set `kafka.group_instance_id`"),
    ("group.protocol", ALWAYS),
    ("group.remote.assignor", ALWAYS),
    ("heartbeat.interval.ms", "set `kafka.heartbeat_interval_ms`"),
    ("isolation.level", ALWAYS),
    ("log.connection.close", ALWAYS),
    ("log.queue", ALWAYS),
    ("log_level", "set `log.level`"),
    ("max.in.flight", ALWAYS),
    ("max.in.flight.requests.per.connection", ALWAYS),
    ("max.poll.interval.ms", "set `kafka.max_poll_interval_ms`"),
    ("message.max.bytes", "it follows from the topics' `max.message.bytes`"),
    ("message.send.max.retries", ALWAYS),
    ("message.timeout.ms", "set `kafka.transaction_timeout_ms`"),
    ("metadata.broker.list", "set `kafka.bootstrap_servers`"),
    ("partition.assignment.strategy", ALWAYS),
    ("plugin.library.paths", "plugins are not loaded"),
    ("queued.max.messages.kbytes", "set `kafka.fetch_queue_bytes_max`"),
    ("request.required.acks", ALWAYS),
    ("retries", ALWAYS),
    ("sasl.mechanism", "set `kafka.security.sasl.mechanism`"),
    ("sasl.mechanisms", "set `kafka.security.sasl.mechanism`"),
    ("sasl.username", "set `kafka.security.sasl.username`"),
    ("security.protocol", "set `kafka.security.protocol`"),
    ("session.timeout.ms", "set `kafka.session_timeout_ms`"),
    ("ssl.ca.location", "set `kafka.security.ssl.ca_file`"),
    ("ssl.certificate.location", "set `kafka.security.ssl.certificate_file`"),
    ("ssl.key.location", "set `kafka.security.ssl.key_file`"),
    ("test.mock.num.brokers", "set `kafka.bootstrap_servers`"),
    ("topic.metadata.refresh.sparse", ALWAYS),
    ("transaction.timeout.ms", "set `kafka.transaction_timeout_ms`"),
    ("transactional.id", "set `kafka.application_id`"),
];
const ALWAYS: &str = "Farsign sets it, because exactly-once processing rests on it";

/// Beginnings of properties that hold secrets.
const SECRETS: [(&str, &str); 7] = [
    ("sasl.password", "set `kafka.security.sasl.password` or `password_file`"),
    ("sasl.oauthbearer.", "set `kafka.security.sasl.token_file`"),
    ("ssl.key.password", "set `kafka.security.ssl.key_password` or `key_password_file`"),
    ("ssl.key.pem", "set `kafka.security.ssl.key_file`"),
    ("ssl.keystore.", "set `kafka.security.ssl.certificate_file` and `key_file`"),
    ("ssl_", "it is for programs"),
    ("https.", "set `kafka.security.sasl.token_file`"),
];

impl Build<'_> {
    pub(super) fn kafka(&mut self, raw: &Kafka) -> KafkaConfig {
        self.at_most(
            "kafka.heartbeat_interval_ms",
            raw.heartbeat_interval_ms,
            "half of `session_timeout_ms`",
            raw.session_timeout_ms / 2,
        );
        self.at_least(
            "kafka.max_poll_interval_ms",
            raw.max_poll_interval_ms,
            "session_timeout_ms",
            raw.session_timeout_ms,
        );
        let milliseconds = |ms: u32| Duration::from_millis(ms.into());
        KafkaConfig {
            bootstrap_servers: raw.bootstrap_servers.iter().map(|server| server.0.clone()).collect(),
            application_id: raw.application_id.0.clone(),
            client_id: raw.client_id.clone(),
            group_instance_id: raw.group_instance_id.as_ref().map(|id| id.0.clone()),
            security: self.security(&raw.security),
            session_timeout: milliseconds(raw.session_timeout_ms),
            heartbeat_interval: milliseconds(raw.heartbeat_interval_ms),
            max_poll_interval: milliseconds(raw.max_poll_interval_ms),
            transaction_timeout: milliseconds(raw.transaction_timeout_ms),
            fetch_wait_max: milliseconds(raw.fetch_wait_max_ms),
            fetch_queue_bytes_max: raw.fetch_queue_bytes_max,
            properties: raw
                .properties
                .iter()
                .map(|(name, value)| (name.clone(), value.text()))
                .filter(|(name, value)| self.property(name, value))
                .collect(),
        }
    }

    /// Whether the property may be set; if not, that is reported.
    fn property(&mut self, name: &str, value: &str) -> bool {
        let refused = REFUSED.iter().find(|(refused, _)| *refused == name);
        let secret = SECRETS.iter().find(|(beginning, _)| name.starts_with(beginning));
        let message = match refused.or(secret) {
            Some((_, instead)) => format!("is not for `properties`; {instead}"),
            None => match rdkafka::ClientConfig::new().set(name, value).create_native_config() {
                Ok(_) => return true,
                Err(rdkafka::error::KafkaError::ClientConfig(_, cause, ..)) => {
                    format!("`{value}` is not allowed; librdkafka says: {}", cause.trim())
                }
                Err(error) => format!("`{value}` is not allowed; librdkafka says: {error}"),
            },
        };
        self.problem_at(&["kafka", "properties", name], message);
        false
    }

    fn security(&mut self, raw: &Security) -> SecurityConfig {
        let protocol = raw.protocol;
        let path = |text: &Option<String>| text.as_ref().map(PathBuf::from);
        let key_password = self.secret_source(
            "kafka.security.ssl.key_password",
            &raw.ssl.key_password,
            &raw.ssl.key_password_file,
        );
        let ssl = SslConfig {
            ca_file: path(&raw.ssl.ca_file),
            certificate_file: path(&raw.ssl.certificate_file),
            key_file: path(&raw.ssl.key_file),
            key_password,
        };
        if protocol.has_ssl() {
            self.certificate(&ssl);
        } else {
            let set = [
                ("ca_file", ssl.ca_file.is_some()),
                ("certificate_file", ssl.certificate_file.is_some()),
                ("key_file", ssl.key_file.is_some()),
                ("key_password", raw.ssl.key_password.is_some()),
                ("key_password_file", raw.ssl.key_password_file.is_some()),
            ];
            self.without_effect("kafka.security.ssl", &set, "`security.protocol`", protocol.name());
        }
        SecurityConfig { protocol, ssl, sasl: self.sasl(raw) }
    }

    fn certificate(&mut self, ssl: &SslConfig) {
        let missing = match (&ssl.certificate_file, &ssl.key_file) {
            (Some(certificate), None) => Some(("certificate_file", certificate, "key_file")),
            (None, Some(key)) => Some(("key_file", key, "certificate_file")),
            _ => None,
        };
        if let Some((set, file, missing)) = missing {
            let message = format!("needs `{missing}` beside it, which is not set, for `{}`", file.display());
            self.problem(&format!("kafka.security.ssl.{set}"), message);
        }
    }

    fn sasl(&mut self, raw: &Security) -> Option<SaslConfig> {
        const PATH: &str = "kafka.security.sasl";
        let sasl = &raw.sasl;
        let password = self.secret_source("kafka.security.sasl.password", &sasl.password, &sasl.password_file);
        let by_password = [
            ("username", sasl.username.is_some()),
            ("password", sasl.password.is_some()),
            ("password_file", sasl.password_file.is_some()),
        ];
        let by_token = [("token_file", sasl.token_file.is_some())];
        if !raw.protocol.has_sasl() {
            for keys in [&by_password[..], &by_token[..]] {
                self.without_effect(PATH, keys, "`security.protocol`", raw.protocol.name());
            }
            return None;
        }
        let mechanism = sasl.mechanism;
        if mechanism == SaslMechanism::OauthBearer {
            self.without_effect(PATH, &by_password, "`mechanism`", mechanism.name());
            let file = sasl.token_file.as_ref().or_else(|| self.needed(PATH, "token_file", mechanism))?;
            return Some(SaslConfig::Token { file: PathBuf::from(file) });
        }
        self.without_effect(PATH, &by_token, "`mechanism`", mechanism.name());
        let username = sasl.username.as_ref().or_else(|| self.needed(PATH, "username", mechanism));
        let password = password.or_else(|| self.needed(PATH, "password", mechanism));
        Some(SaslConfig::Password { mechanism, username: username?.clone(), password: password? })
    }

    /// Reports a key that is not there, and stands for it.
    fn needed<T>(&mut self, section: &str, key: &str, mechanism: SaslMechanism) -> Option<T> {
        self.problem(
            &format!("{section}.{key}"),
            format!("is needed with `mechanism`, which is {}", mechanism.name()),
        );
        None
    }

    fn without_effect(&mut self, section: &str, keys: &[(&str, bool)], by: &str, value: &str) {
        for (key, set) in keys {
            if *set {
                self.problem(&format!("{section}.{key}"), format!("has no effect with {by}, which is {value}"));
            }
        }
    }

    fn secret_source(
        &mut self,
        path: &str,
        value: &Option<RawSecret>,
        file: &Option<String>,
    ) -> Option<SecretSource> {
        if let (Some(_), Some(file)) = (value, file) {
            self.problem(path, format!("is set beside its file, which is `{file}`; set one of the two"));
        }
        let value = value.as_ref().map(|secret| SecretSource::Environment(Secret::new(secret.0.clone())));
        value.or_else(|| file.as_ref().map(|file| SecretSource::File(PathBuf::from(file))))
    }

    pub(super) fn topics(&mut self, file: &File) -> TopicsConfig {
        let raw: &Topics = &file.topics;
        self.at_most(
            "topics.min_insync_replicas",
            raw.min_insync_replicas,
            "`replication_factor`",
            raw.replication_factor,
        );
        let topics = TopicsConfig {
            repartition: raw.repartition.0.clone(),
            state: raw.state.0.clone(),
            profiles: raw.profiles.0.clone(),
            risk_detections: raw.risk_detections.0.clone(),
            risky_users: raw.risky_users.0.clone(),
            shadow: raw.shadow.0.clone(),
            commands: raw.commands.0.clone(),
            dead_letter: raw.dead_letter.0.clone(),
            replication_factor: raw.replication_factor,
            min_insync_replicas: raw.min_insync_replicas,
            partitions: raw.partitions,
            retention: Duration::from_millis(raw.retention_ms),
        };
        self.distinct_topics(&topics, &file.input.topics);
        topics
    }

    /// What one part of Farsign writes, another must not take for its own.
    fn distinct_topics(&mut self, topics: &TopicsConfig, inputs: &[Name]) {
        let own = topics.names().map(|(key, name)| (format!("topics.{key}"), name.to_owned()));
        let inputs =
            inputs.iter().enumerate().map(|(index, name)| (format!("input.topics.{index}"), name.0.clone()));
        let mut seen: Vec<(String, String)> = Vec::new();
        for (path, name) in own.into_iter().chain(inputs) {
            match seen.iter().find(|(_, other)| *other == name).map(|(taken, _)| taken.clone()) {
                Some(taken) if !name.is_empty() => {
                    self.problem(
                        &path,
                        format!("`{name}` is not allowed; it is taken by `{taken}`, which is another topic"),
                    );
                }
                _ => seen.push((path, name)),
            }
        }
    }
}
