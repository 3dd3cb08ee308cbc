//! Sections `input`, `run`, `http` and `log`: what `farsign run` reads, how much it does at once, how it is watched.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kafka::Name;
use super::reading::Pointer;
use crate::engine::decode::Format;

/// What stands before the JSON of a record. confluent = what Confluent's schema registry puts there, on every record: a
/// zero byte and four of the schema's number. auto = the same on those records that begin with a zero byte, as no JSON
/// does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Framing {
    None,
    Confluent,
    #[default]
    Auto,
}

/// Where reading begins when nothing has been read yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    #[default]
    Earliest,
    Latest,
}

/// What becomes of a record that cannot be read. dead-letter = it goes to that topic, in the transaction that passes it
/// by; skip = it is counted; stop = the task stops at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    #[default]
    DeadLetter,
    Skip,
    Stop,
}

/// What to do when records not yet read are gone from the topic. stop = the task stops and says which offsets are
/// missing; earliest = it goes on with the earliest record there is, and the loss is counted and logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDataLoss {
    #[default]
    Stop,
    Earliest,
}

/// Stops a task when most of its records cannot be read: then the fault is in the stream or here, not in a record.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    pub enabled: bool,
    /// Stops when more than this share of the window could not be read, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub share: f64,
    /// The window: this many records of the task; then the next window begins.
    #[schemars(range(min = 10, max = 1_000_000))]
    pub window_records: u32,
}

impl Default for Breaker {
    fn default() -> Breaker {
        Breaker { enabled: true, share: 0.5, window_records: 1_000 }
    }
}

/// What `farsign run` reads. A record without value (a tombstone) is counted and skipped.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// Topics with sign-in logs, all with the same number of partitions. `farsign run` needs one.
    #[schemars(length(max = 16))]
    pub topics: Vec<Name>,
    /// Format of the records; auto = decided for each.
    #[schemars(with = "String", extend("enum" = Format::ALL.map(Format::name)))]
    pub format: Format,
    /// Year of log lines whose times have none (syslog's), where nothing else tells when they came. In Kafka, the time
    /// of the record does.
    #[schemars(range(min = 2000, max = 2099))]
    pub year: Option<u16>,
    /// JSON pointers at which a record may have, as an object or as text, the record it is an envelope of. The envelopes
    /// of common shippers are known without.
    #[schemars(length(max = 10))]
    pub unwrap: Vec<Pointer>,
    /// Records are keyed so that one user's are in one partition, of the same number in every topic. When false,
    /// Farsign sorts them by user into the topic `topics.repartition` first.
    pub keyed: bool,
    pub framing: Framing,
    /// Where reading begins when nothing has been read yet.
    pub start: Start,
    pub on_error: OnError,
    pub on_data_loss: OnDataLoss,
    pub breaker: Breaker,
}

impl Default for Input {
    fn default() -> Input {
        Input {
            topics: Vec::new(),
            format: Format::default(),
            year: None,
            unwrap: Vec::new(),
            keyed: true,
            framing: Framing::default(),
            start: Start::default(),
            on_error: OnError::default(),
            on_data_loss: OnDataLoss::default(),
            breaker: Breaker::default(),
        }
    }
}

/// How much is done at once, and how long things may take. A commit is due at the first of `commit_…` limits.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Run {
    /// Worker threads; null = one a core. Tasks are dealt out to them.
    #[schemars(range(min = 1, max = 1_024))]
    pub workers: Option<u32>,
    /// Results are committed, and so seen by others, at least this often, ms.
    #[schemars(range(min = 5, max = 60_000))]
    pub commit_interval_ms: u32,
    /// Commits at this many changed users of a task.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub commit_users_max: u32,
    /// Commits at this many bytes of results and changed state of a task.
    #[schemars(range(min = 1_000, max = 100_000_000))]
    pub commit_bytes_max: u32,
    /// A task takes at most this many records before another has its turn.
    #[schemars(range(min = 1, max = 100_000))]
    pub batch_records_max: u32,
    /// A task whose uncommitted results are this large takes no more records, bytes; at least `commit_bytes_max`.
    #[schemars(range(min = 1_000, max = 1_000_000_000))]
    pub outbox_bytes_max: u32,
    /// Folder for snapshots of the state, which make starting faster; null = the changelog alone.
    #[schemars(length(min = 1))]
    pub state_folder: Option<String>,
    /// A snapshot of each task is written this often, s.
    #[schemars(range(min = 10, max = 86_400))]
    pub snapshot_interval_s: u32,
    /// Tasks wait at most this long for the organisation's profiles to be read, s.
    #[schemars(range(max = 3_600))]
    pub profiles_wait_max_s: u32,
    /// Tasks that restore their state at the same time.
    #[schemars(range(min = 1, max = 1_024))]
    pub restores_max: u32,
    /// A restore that gets no further for this long fails, s.
    #[schemars(range(min = 5, max = 3_600))]
    pub restore_no_progress_s: u32,
    /// Asked to stop, the process ends after this long at the latest, s.
    #[schemars(range(min = 1, max = 3_600))]
    pub shutdown_grace_s: u32,
    /// Write one probe record for every input record to this topic, for acceptance tests of a deployment; null = no
    /// probes. It has as many partitions as the lead input topic.
    #[schemars(length(min = 1, max = 249))]
    pub probe_topic: Option<String>,
}

impl Default for Run {
    fn default() -> Run {
        Run {
            workers: None,
            commit_interval_ms: 200,
            commit_users_max: 2_000,
            commit_bytes_max: 1_000_000,
            batch_records_max: 256,
            outbox_bytes_max: 16_000_000,
            state_folder: None,
            snapshot_interval_s: 300,
            profiles_wait_max_s: 30,
            restores_max: 8,
            restore_no_progress_s: 60,
            shutdown_grace_s: 20,
            probe_topic: None,
        }
    }
}

/// Metrics and health.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// `/metrics`, `/healthz` and `/readyz` are served here, as address:port; port 0 = any that is free.
    pub listen: Listen,
}

impl Default for Http {
    fn default() -> Http {
        Http { listen: Listen("127.0.0.1:9464".to_owned()) }
    }
}

/// An own address as address:port.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(extend("format" = "listen", "pattern" = r"^(\[[0-9a-fA-F:.]+\]|[0-9.]+):[0-9]{1,5}$"))]
pub struct Listen(pub String);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// The program's own log, on standard error.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub format: LogFormat,
    /// Users and addresses appear at debug and trace only.
    pub level: LogLevel,
}

impl LogLevel {
    /// The word in the configuration and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}
