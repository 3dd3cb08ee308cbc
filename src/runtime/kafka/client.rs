//! Configuration → librdkafka's properties, one set for each role a client has.
//!
//! A [`Connection`] is made once: it reads the secrets that stand in files, and hands out a `ClientConfig` a role.
//! What Farsign's correctness rests on is set here and cannot be configured; the reasons stand beside the values.
//! Every client gets a [`Context`]: librdkafka's log goes to `tracing` under the target `librdkafka`, its errors are
//! counted, a broken connection makes the client *suspect*, OAUTHBEARER tokens come from their file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::statistics::Statistics;

use super::token;
use crate::config::{KafkaConfig, SaslConfig, Secret, SecretSource};
use crate::metrics::Metrics;
use crate::metrics::labels::ClientKind;

/// Longest that a request may take before it is sent again; shorter where a transaction is.
const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// First pause before a request is repeated. librdkafka's default, 100 ms, is what makes a transaction slow that comes
/// right after another: the coordinator answers CONCURRENT_TRANSACTIONS until the markers of the first are written.
const RETRY_BACKOFF_MS: u32 = 20;
const RETRY_BACKOFF_MAX_MS: u32 = 200;

/// Longest pause before a broken connection is tried again; the default, 10 s, would outlast a broker's restart.
const RECONNECT_BACKOFF_MAX_MS: u32 = 1_000;

/// Pause before fetching again when the queue of fetched records was full; the default is a second.
const FETCH_QUEUE_BACKOFF_MS: u32 = 50;

/// A follower reads what is there and wants to know when it has reached the end.
const FOLLOWER_FETCH_WAIT_MS: u32 = 10;

/// Followers and readers get this part of the fetch queue's bytes, each.
const FOLLOWER_QUEUE_SHARE: u64 = 4;

/// Messages and bytes in a producer's queue. An outbox is larger only in messages that wait for room.
const PRODUCER_QUEUE_MESSAGES_MAX: u32 = 200_000;
const PRODUCER_QUEUE_KILOBYTES_MAX: u32 = 64 << 10;

/// Bytes of one produce request's batch.
const BATCH_BYTES_MAX: u32 = 1_000_000;

/// A file named in the configuration that a client cannot do without.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`, which `{key}` names: {source}", path.display())]
pub struct SecretError {
    key: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

/// What all clients of this process have in common.
#[derive(Clone)]
pub struct Connection {
    kafka: KafkaConfig,
    base: ClientConfig,
    metrics: Option<Metrics>,
}

impl Connection {
    /// Reads the files with secrets.
    pub fn new(kafka: &KafkaConfig) -> Result<Connection, SecretError> {
        let mut base = ClientConfig::new();
        base.set("bootstrap.servers", kafka.bootstrap_servers.join(","))
            .set("client.id", &kafka.client_id)
            .set("socket.timeout.ms", milliseconds(REQUEST_TIMEOUT_MAX))
            .set("socket.keepalive.enable", "true")
            .set("retry.backoff.ms", RETRY_BACKOFF_MS.to_string())
            .set("retry.backoff.max.ms", RETRY_BACKOFF_MAX_MS.to_string())
            .set("reconnect.backoff.max.ms", RECONNECT_BACKOFF_MAX_MS.to_string())
            // A missing topic is a mistake to report, not one to make for ever.
            .set("allow.auto.create.topics", "false");
        base.set_log_level(log_level());
        secure(&mut base, kafka)?;
        Ok(Connection { kafka: kafka.clone(), base, metrics: None })
    }

    /// The same, whose clients' errors are counted.
    pub fn counted(self, metrics: Metrics) -> Connection {
        Connection { metrics: Some(metrics), ..self }
    }

    /// Do clients sign on with a token? It is fetched by polling, so a client that only asks has to be polled first.
    pub fn uses_token(&self) -> bool {
        matches!(self.kafka.security.sasl, Some(SaslConfig::Token { .. }))
    }

    pub fn config(&self) -> &KafkaConfig {
        &self.kafka
    }

    /// The same brokers, for members of another consumer group.
    pub fn with_group(&self, group_id: String) -> Connection {
        let kafka = KafkaConfig { application_id: group_id, ..self.kafka.clone() };
        Connection { kafka, ..self.clone() }
    }

    /// What the client does besides its role. One context for one client.
    pub fn context(&self, role: &'static str) -> Context {
        let token_file = match &self.kafka.security.sasl {
            Some(SaslConfig::Token { file }) => Some(file.clone()),
            _ => None,
        };
        Context { role, health: Arc::new(Health::default()), token_file, metrics: self.metrics.clone() }
    }

    /// The member of the consumer group: it gets partitions, and its metadata fences transactions.
    pub fn group_consumer(&self) -> ClientConfig {
        let kafka = &self.kafka;
        let mut config = self.consumer("read_committed", kafka.fetch_queue_bytes_max);
        config
            .set("session.timeout.ms", milliseconds(kafka.session_timeout))
            .set("heartbeat.interval.ms", milliseconds(kafka.heartbeat_interval))
            .set("max.poll.interval.ms", milliseconds(kafka.max_poll_interval))
            // Tasks that stay go on while others move.
            .set("partition.assignment.strategy", "cooperative-sticky")
            // Assigning, pausing and seeking wait for a running fetch: 500 ms by default.
            .set("fetch.wait.max.ms", milliseconds(kafka.fetch_wait_max));
        if let Some(id) = &kafka.group_instance_id {
            config.set("group.instance.id", id);
        }
        self.with_properties(config)
    }

    /// Reads partitions that it assigns itself to their end, committed records only: changelogs to restore, and what
    /// commands print. It never joins the group; the group's id lets it ask for the committed offsets, and it needs no
    /// right that the group's member has not.
    pub fn follower(&self) -> ClientConfig {
        let mut config = self.consumer("read_committed", self.kafka.fetch_queue_bytes_max / FOLLOWER_QUEUE_SHARE);
        config.set("fetch.wait.max.ms", FOLLOWER_FETCH_WAIT_MS.to_string());
        self.with_properties(config)
    }

    /// Reads partitions that it assigns itself, all the time, and waits for records as the group's member would: short
    /// waits would keep the brokers busy with nothing. librdkafka bounds each partition's queue on its own.
    pub fn partition_reader(&self, queue_bytes_max: u64) -> ClientConfig {
        let mut config = self.consumer("read_committed", queue_bytes_max);
        config.set("fetch.wait.max.ms", milliseconds(self.kafka.fetch_wait_max));
        self.with_properties(config)
    }

    /// Asks for the end of a partition. A client's isolation level decides what "end" means: a restore must read to
    /// the high watermark, past transactions that are committed but whose markers are not yet written, so it needs a
    /// client of its own that reads uncommitted.
    pub fn watermark_reader(&self) -> ClientConfig {
        self.with_properties(self.consumer("read_uncommitted", 0))
    }

    fn consumer(&self, isolation: &str, queue_bytes_max: u64) -> ClientConfig {
        let mut config = self.base.clone();
        config
            .set("group.id", &self.kafka.application_id)
            // Offsets are committed in transactions, by producers.
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", isolation)
            // Where to begin is decided here, never by librdkafka: a silent reset is silent loss.
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("check.crcs", "true")
            .set("fetch.queue.backoff.ms", FETCH_QUEUE_BACKOFF_MS.to_string())
            .set("queued.max.messages.kbytes", (queue_bytes_max >> 10).max(1 << 10).to_string());
        config
    }

    /// The producer of one task. `message_bytes_max`: the largest record it may be asked to send; topics have limits
    /// of their own, as the brokers tell, so this one only has to be large enough.
    pub fn transactional_producer(&self, transactional_id: &str, message_bytes_max: usize) -> ClientConfig {
        let transaction = self.kafka.transaction_timeout;
        // A request or record given up on must be known before the transaction itself is over.
        let request = (transaction * 2 / 3).min(REQUEST_TIMEOUT_MAX);
        let mut config = self.base.clone();
        // A connection that breaks is told in the log only, at this level, and makes the producer suspect.
        if !matches!(config.log_level, RDKafkaLogLevel::Debug) {
            config.set_log_level(RDKafkaLogLevel::Info);
        }
        config
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", milliseconds(transaction))
            .set("message.timeout.ms", milliseconds(request))
            .set("socket.timeout.ms", milliseconds(request))
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // An outbox is sent in one burst; waiting for more would add to every commit.
            .set("linger.ms", "0")
            .set("batch.size", BATCH_BYTES_MAX.to_string())
            .set("compression.type", "lz4")
            .set("message.max.bytes", message_bytes_max.max(BATCH_BYTES_MAX as usize).to_string())
            .set("queue.buffering.max.messages", PRODUCER_QUEUE_MESSAGES_MAX.to_string())
            .set("queue.buffering.max.kbytes", PRODUCER_QUEUE_KILOBYTES_MAX.to_string());
        self.with_properties(config)
    }

    /// Asks for topics and their settings, and creates them.
    pub fn admin(&self) -> ClientConfig {
        self.with_properties(self.base.clone())
    }

    /// The user's own properties come last: what must not be changed has been refused.
    fn with_properties(&self, mut config: ClientConfig) -> ClientConfig {
        for (name, value) in &self.kafka.properties {
            config.set(name, value);
        }
        config
    }
}

fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}

fn secure(config: &mut ClientConfig, kafka: &KafkaConfig) -> Result<(), SecretError> {
    let security = &kafka.security;
    config.set("security.protocol", security.protocol.name());
    let ssl = &security.ssl;
    for (property, file) in [
        ("ssl.ca.location", &ssl.ca_file),
        ("ssl.certificate.location", &ssl.certificate_file),
        ("ssl.key.location", &ssl.key_file),
    ] {
        if let Some(file) = file {
            config.set(property, file.to_string_lossy());
        }
    }
    if let Some(password) = &ssl.key_password {
        config.set("ssl.key.password", read(password, "kafka.security.ssl.key_password_file")?.expose());
    }
    match &security.sasl {
        None => {}
        Some(SaslConfig::Password { mechanism, username, password }) => {
            config
                .set("sasl.mechanism", mechanism.name())
                .set("sasl.username", username)
                .set("sasl.password", read(password, "kafka.security.sasl.password_file")?.expose());
        }
        Some(SaslConfig::Token { .. }) => {
            config.set("sasl.mechanism", "OAUTHBEARER");
        }
    }
    Ok(())
}

/// The secret; of a file, the first line.
fn read(source: &SecretSource, key: &'static str) -> Result<Secret, SecretError> {
    match source {
        SecretSource::Environment(secret) => Ok(secret.clone()),
        SecretSource::File(path) => {
            let error = |source| SecretError { key, path: path.clone(), source };
            let text = std::fs::read_to_string(path).map_err(error)?;
            match text.lines().next() {
                Some(line) if !line.is_empty() => Ok(Secret::new(line.to_owned())),
                _ => Err(error(std::io::Error::other("its first line is empty"))),
            }
        }
    }
}

/// librdkafka is asked for no more than the subscriber wants.
fn log_level() -> RDKafkaLogLevel {
    if tracing::enabled!(target: "librdkafka", tracing::Level::DEBUG) {
        RDKafkaLogLevel::Debug
    } else if tracing::enabled!(target: "librdkafka", tracing::Level::INFO) {
        RDKafkaLogLevel::Info
    } else if tracing::enabled!(target: "librdkafka", tracing::Level::WARN) {
        RDKafkaLogLevel::Warning
    } else {
        RDKafkaLogLevel::Error
    }
}

/// How librdkafka's messages tell that a connection that broke had been in use.
const WAS_UP: &str = "in state UP";

/// What librdkafka has said of a client.
#[derive(Debug, Default)]
pub struct Health {
    errors: AtomicU64,
    suspect: AtomicBool,
}

impl Health {
    /// Errors that librdkafka reported of the client as a whole: connections, authentication, the group.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Whether a connection broke, a request was not answered in time, or the client had another error since the last
    /// [`Health::clear`]. The outcome of requests in flight then is not known for certain, whatever the calls
    /// returned: librdkafka repeats some of them unseen. Brokers that cannot be reached are no cause: nothing was sent.
    pub fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Acquire)
    }

    pub fn clear(&self) {
        self.suspect.store(false, Ordering::Release);
    }

    fn note_error(&self, error: &KafkaError, reason: &str) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let unreachable = error.rdkafka_error_code().is_some_and(|code| {
            matches!(code, Code::BrokerTransportFailure | Code::Resolve | Code::AllBrokersDown)
        });
        if !unreachable || reason.contains(WAS_UP) {
            self.suspect.store(true, Ordering::Release);
        }
    }

    fn note_log(&self, facility: &str, message: &str) {
        if facility == "REQTMOUT" || facility == "FAIL" && message.contains(WAS_UP) {
            self.suspect.store(true, Ordering::Release);
        }
    }
}

/// One client's log, health and token.
#[derive(Clone)]
pub struct Context {
    role: &'static str,
    health: Arc<Health>,
    token_file: Option<PathBuf>,
    metrics: Option<Metrics>,
}

impl Context {
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.health.note_log(facility, message);
        let client = self.role;
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => tracing::error!(target: "librdkafka", client, facility, "{message}"),
            RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", client, facility, "{message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(target: "librdkafka", client, facility, "{message}");
            }
            RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", client, facility, "{message}"),
        }
    }

    fn stats(&self, _: Statistics) {}

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        // rdkafka reports the end of a partition here, too.
        if matches!(error, KafkaError::Global(Code::PartitionEOF)) {
            return;
        }
        self.health.note_error(&error, reason);
        if let Some(metrics) = &self.metrics {
            metrics.client_error(kind(self.role));
        }
        tracing::warn!(target: "librdkafka", client = self.role, %error, "{reason}");
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let file: &Path = self.token_file.as_deref().ok_or("`kafka.security.sasl.token_file` is not set")?;
        token::read(file).map_err(Into::into)
    }
}

/// How metrics name a role.
fn kind(role: &str) -> ClientKind {
    match role {
        "producer" => ClientKind::Producer,
        "restore" => ClientKind::Restore,
        "group" | "reader" | "profiles" | "offsets" | "watermarks" => ClientKind::Consumer,
        _ => ClientKind::Admin,
    }
}

impl ConsumerContext for Context {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn connection(text: &str) -> Result<Connection, SecretError> {
        let environment = [("PASSWORD".to_owned(), "hunter2".to_owned())].into();
        let config = config::parse(text, &environment).unwrap_or_else(|problems| panic!("{problems}"));
        Connection::new(&config.kafka)
    }

    fn values(config: &ClientConfig, names: &[&str]) -> Vec<String> {
        names.iter().map(|name| config.get(name).unwrap_or("-").to_owned()).collect()
    }

    #[test]
    fn roles_differ_where_they_must() {
        let connection = connection(
            "kafka:\n  bootstrap_servers: [\"a:1\", \"b:2\"]\n  application_id: app\n  group_instance_id: i1\n  \
             transaction_timeout_ms: 6000\n  fetch_queue_bytes_max: 8388608\n  properties: {compression.type: zstd}\n",
        )
        .unwrap();
        let check = |config: ClientConfig, names: &[&str], expected: &[&str]| {
            assert_eq!(values(&config, names), expected, "{names:?}");
            // librdkafka takes every property, and values that fit together.
            config.create_native_config().unwrap();
        };
        check(
            connection.group_consumer(),
            &[
                "bootstrap.servers",
                "group.id",
                "group.instance.id",
                "isolation.level",
                "queued.max.messages.kbytes",
            ],
            &["a:1,b:2", "app", "i1", "read_committed", "8192"],
        );
        check(
            connection.follower(),
            &[
                "group.id",
                "group.instance.id",
                "isolation.level",
                "queued.max.messages.kbytes",
                "auto.offset.reset",
            ],
            &["app", "-", "read_committed", "2048", "error"],
        );
        check(
            connection.watermark_reader(),
            &["isolation.level", "enable.auto.commit", "queued.max.messages.kbytes"],
            &["read_uncommitted", "false", "1024"],
        );
        check(
            connection.transactional_producer("app-sign-ins-3", 2_000_000),
            &["transactional.id", "transaction.timeout.ms", "message.timeout.ms", "socket.timeout.ms", "group.id"],
            &["app-sign-ins-3", "6000", "4000", "4000", "-"],
        );
        check(
            connection.transactional_producer("id", 10),
            &["message.max.bytes", "compression.type"],
            &["1000000", "zstd"],
        );
        check(connection.admin(), &["group.id", "transactional.id", "retry.backoff.ms"], &["-", "-", "20"]);
    }

    #[test]
    fn what_makes_a_client_suspect() {
        let check = |tell: &dyn Fn(&Context), expected: bool| {
            let context = Context { role: "test", health: Arc::default(), token_file: None, metrics: None };
            tell(&context);
            assert_eq!(context.health().is_suspect(), expected);
            context.health().clear();
            assert!(!context.health().is_suspect());
        };
        let log = |facility: &'static str, message: &'static str| {
            move |context: &Context| context.log(RDKafkaLogLevel::Info, facility, message)
        };
        check(&log("FAIL", "a:1/1: Disconnected (after 5ms in state UP)"), true);
        check(&log("REQTMOUT", "a:1/1: Timed out EndTxnRequest in flight"), true);
        check(&log("FAIL", "a:1/1: Connect failed: refused (after 5ms in state CONNECT)"), false);
        check(&log("CONNECT", "in state UP"), false);
        let error = |code: Code, reason: &'static str| {
            move |context: &Context| {
                context.error(KafkaError::Global(code), reason);
                assert_eq!(context.health().errors(), 1);
            }
        };
        check(&error(Code::BrokerTransportFailure, "a:1/1: Receive failed (after 5ms in state UP)"), true);
        check(&error(Code::BrokerTransportFailure, "a:1/1: Connect failed (after 5ms in state CONNECT)"), false);
        check(&error(Code::AllBrokersDown, "1/1 brokers are down"), false);
        check(&error(Code::Fenced, "fenced"), true);
        check(&error(Code::Authentication, "denied"), true);
    }

    #[test]
    fn secrets_come_from_files_or_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "from a file\nsecond line\n").unwrap();
        let sasl = |key: &str, value: &str| {
            format!(
                "kafka: {{security: {{protocol: sasl_ssl, ssl: {{ca_file: /ca.pem}}, \
                 sasl: {{username: u, {key}: \"{value}\"}}}}}}"
            )
        };
        let names = ["security.protocol", "sasl.mechanism", "sasl.username", "sasl.password", "ssl.ca.location"];
        let check = |text: &str, password: &str| {
            let config = connection(text).unwrap().admin();
            assert_eq!(values(&config, &names), ["sasl_ssl", "SCRAM-SHA-512", "u", password, "/ca.pem"]);
            assert!(!format!("{config:?}").contains(password));
        };
        check(&sasl("password", "${PASSWORD}"), "hunter2");
        check(&sasl("password_file", &file.to_string_lossy()), "from a file");
        std::fs::write(&file, "\n").unwrap();
        for missing in [file.to_string_lossy().into_owned(), "/absent/password".to_owned()] {
            let error = connection(&sasl("password_file", &missing)).err().unwrap().to_string();
            assert!(error.contains(&missing) && error.contains("kafka.security.sasl.password_file"), "{error}");
        }
    }
}
