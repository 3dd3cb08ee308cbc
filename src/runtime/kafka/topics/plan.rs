//! Configuration and input topics → the topics wanted, with partitions, settings and rights.
//!
//! Partition *n* of the lead topic is task *n*, and everything a task writes goes to partition *n*: few partitions a
//! transaction, because each costs a marker.

use super::cluster::Facts;
use crate::config::{Config, TopicsConfig};
use crate::engine::profile::MEMBER_DAYS_MAX;
use crate::runtime::kafka::native::Operation;

/// Kafka's own default of `max.message.bytes`.
pub const MESSAGE_BYTES_DEFAULT: usize = 1_048_588;

/// Room for the headers that a dead letter or a repartitioned record has in addition, and for the batch around it.
pub const HEADERS_BYTES_MAX: usize = 64 << 10;

const HOUR_MS: u64 = 3_600_000;

/// Deleted users stay marked as deleted for this long in compacted topics. A snapshot that is older could bring one
/// back, and is not used.
/// Contributions count for [`MEMBER_DAYS_MAX`] days after their day, and are read by a new instance for as long. A week
/// more, for input that comes late.
const PROFILES_RETENTION_MS: u64 = (MEMBER_DAYS_MAX as u64 + 7) * 24 * HOUR_MS;

pub const DELETE_RETENTION_MS: u64 = 7 * 24 * HOUR_MS;

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Input,
    Repartition,
    State,
    Profiles,
    RiskDetections,
    RiskyUsers,
    ShadowDetections,
    Commands,
    DeadLetter,
    Probe,
}

/// How old records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// The newest record of each key stays for ever: anything else loses state.
    Compact,
    /// The newest of each key, at least for some time.
    Compacting,
    /// By age: a record must not go because another has its key.
    Delete,
}

/// How many partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitions {
    Any,
    /// Records find their task by the number: more or fewer would leave some alone.
    Exactly(u32),
    /// Tasks write to the partition of their number.
    AtLeast(u32),
}

/// A topic as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub role: Role,
    pub partitions: Partitions,
    pub cleanup: Cleanup,
    /// `max.message.bytes` must be at least this.
    pub message_bytes_min: usize,
    /// Rights that are needed.
    pub operations: &'static [Operation],
    /// Settings at creation, by Kafka's names; empty for input topics.
    pub settings: Vec<(&'static str, String)>,
}

/// All topics that are used, input topics first.
pub fn plan(config: &Config, facts: &Facts) -> Vec<Wanted> {
    let plan = Plan { config, facts };
    let tasks = plan.tasks();
    let mut wanted: Vec<Wanted> = config.input.topics.iter().map(|name| plan.input(name)).collect();
    if !config.input.keyed {
        wanted.push(plan.repartition());
    }
    // Without the lead topic there is nothing to say about the others.
    wanted.extend(tasks.into_iter().flat_map(|tasks| plan.own(tasks)));
    wanted
}

/// The topic whose partitions are the tasks.
pub fn lead(config: &Config) -> Option<&str> {
    match config.input.keyed {
        true => config.input.topics.first().map(String::as_str),
        false => Some(&config.topics.repartition),
    }
}

struct Plan<'a> {
    config: &'a Config,
    facts: &'a Facts,
}

impl Plan<'_> {
    /// Partitions of the lead topic; `None` when it is not there.
    fn tasks(&self) -> Option<u32> {
        let found = lead(self.config).and_then(|lead| self.facts.partitions(lead));
        match self.config.input.keyed {
            true => found,
            false => found.or(Some(self.config.topics.partitions)),
        }
    }

    /// The largest record that can come in.
    fn input_bytes_max(&self) -> usize {
        let limits = self.config.input.topics.iter().map(|name| self.facts.message_bytes_max(name));
        limits.max().unwrap_or(MESSAGE_BYTES_DEFAULT)
    }

    fn input(&self, name: &str) -> Wanted {
        let partitions = match self.tasks() {
            Some(tasks) if self.config.input.keyed => Partitions::Exactly(tasks),
            _ => Partitions::Any,
        };
        Wanted {
            name: name.to_owned(),
            role: Role::Input,
            partitions,
            cleanup: Cleanup::Delete,
            message_bytes_min: 0,
            operations: &[Operation::Read, Operation::Describe],
            settings: Vec::new(),
        }
    }

    /// Its partitions decide themselves: an existing one is what it is.
    fn repartition(&self) -> Wanted {
        let topics = &self.config.topics;
        let partitions = self.tasks().unwrap_or(topics.partitions);
        let bytes = self.input_bytes_max() + HEADERS_BYTES_MAX;
        self.wanted(
            &topics.repartition,
            Role::Repartition,
            Partitions::Exactly(partitions),
            Cleanup::Delete,
            bytes,
        )
    }

    fn own(&self, tasks: u32) -> Vec<Wanted> {
        let TopicsConfig { state, profiles, risk_detections, risky_users, shadow, commands, dead_letter, .. } =
            &self.config.topics;
        let (exactly, at_least) = (Partitions::Exactly(tasks), Partitions::AtLeast(tasks));
        let usual = MESSAGE_BYTES_DEFAULT;
        let dead_letter_bytes = (self.input_bytes_max() + HEADERS_BYTES_MAX).max(usual);
        let mut wanted = vec![
            self.wanted(state, Role::State, exactly, Cleanup::Compact, usual),
            self.profiles(profiles),
            self.wanted(risk_detections, Role::RiskDetections, at_least, Cleanup::Delete, usual),
            self.wanted(risky_users, Role::RiskyUsers, at_least, Cleanup::Compacting, usual),
            self.wanted(commands, Role::Commands, exactly, Cleanup::Delete, 0),
            self.wanted(dead_letter, Role::DeadLetter, at_least, Cleanup::Delete, dead_letter_bytes),
        ];
        if !self.config.engine.shadow_policies.is_empty() {
            wanted.push(self.wanted(shadow, Role::ShadowDetections, at_least, Cleanup::Delete, usual));
        }
        wanted.extend(self.config.run.probe_topic.iter().map(|name| self.probe(name, tasks)));
        wanted
    }

    /// One partition, so that all read contributions in one order; kept for as long as they count.
    fn profiles(&self, name: &str) -> Wanted {
        let mut wanted =
            self.wanted(name, Role::Profiles, Partitions::Exactly(1), Cleanup::Delete, MESSAGE_BYTES_DEFAULT);
        for (setting, value) in &mut wanted.settings {
            if *setting == "retention.ms" {
                *value = PROFILES_RETENTION_MS.to_string();
            }
        }
        wanted
    }

    /// As many partitions as tasks, for acceptance tests.
    fn probe(&self, name: &str, tasks: u32) -> Wanted {
        self.wanted(name, Role::Probe, Partitions::AtLeast(tasks), Cleanup::Delete, MESSAGE_BYTES_DEFAULT)
    }

    fn wanted(
        &self,
        name: &str,
        role: Role,
        partitions: Partitions,
        cleanup: Cleanup,
        message_bytes_min: usize,
    ) -> Wanted {
        let operations: &[Operation] = match role {
            Role::Input | Role::Commands => &[Operation::Read, Operation::Describe],
            Role::State | Role::Profiles | Role::Repartition => {
                &[Operation::Read, Operation::Write, Operation::Describe]
            }
            Role::RiskDetections | Role::RiskyUsers | Role::ShadowDetections | Role::DeadLetter | Role::Probe => {
                &[Operation::Write, Operation::Describe]
            }
        };
        Wanted {
            name: name.to_owned(),
            role,
            partitions,
            cleanup,
            message_bytes_min,
            operations,
            settings: self.settings(cleanup, message_bytes_min),
        }
    }

    fn settings(&self, cleanup: Cleanup, message_bytes_min: usize) -> Vec<(&'static str, String)> {
        let topics = &self.config.topics;
        let mut settings = vec![
            ("min.insync.replicas", topics.min_insync_replicas.to_string()),
            // A replica that missed records must not become the truth.
            ("unclean.leader.election.enable", "false".to_owned()),
            // As the producer compressed it: no work for the brokers.
            ("compression.type", "producer".to_owned()),
        ];
        if message_bytes_min > 0 {
            settings.push(("max.message.bytes", message_bytes_min.to_string()));
        }
        match cleanup {
            Cleanup::Delete => settings.extend([
                ("cleanup.policy", "delete".to_owned()),
                ("retention.ms", topics.retention.as_millis().to_string()),
            ]),
            // Only closed segments are compacted: small ones, closed every hour, keep a restore short.
            Cleanup::Compact | Cleanup::Compacting => settings.extend([
                ("cleanup.policy", "compact".to_owned()),
                ("segment.bytes", (64 << 20).to_string()),
                ("segment.ms", HOUR_MS.to_string()),
                ("min.cleanable.dirty.ratio", "0.2".to_owned()),
                ("max.compaction.lag.ms", HOUR_MS.to_string()),
                ("delete.retention.ms", DELETE_RETENTION_MS.to_string()),
            ]),
        }
        settings
    }
}
