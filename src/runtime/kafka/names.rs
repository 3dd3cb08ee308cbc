//! Names and numbers of a deployment that every part of the runtime needs: topics, sources, limits.

use std::sync::Arc;
use std::time::Duration;

use super::client::Connection;
use super::outbox::Destination;
use super::record::{Source, SourceKind};
use crate::config::{Config, TopicsConfig};

/// What does not change while the program runs.
pub struct Names {
    pub connection: Connection,
    pub application_id: String,
    pub topics: TopicsConfig,
    pub probe_topic: Option<String>,
    /// What a task reads; the first leads.
    pub sources: Arc<[Source]>,
    /// Of the lead topic, and of all that go with it.
    pub partitions: i32,
    /// The largest record that any topic takes, bytes.
    pub message_bytes_max: usize,
    pub restore_no_progress: Duration,
    pub transaction_timeout: Duration,
}

impl Names {
    pub fn new(config: &Config, connection: Connection, partitions: i32, message_bytes_max: usize) -> Names {
        Names {
            connection,
            application_id: config.kafka.application_id.clone(),
            topics: config.topics.clone(),
            probe_topic: config.run.probe_topic.clone(),
            sources: sources(config),
            partitions,
            message_bytes_max,
            restore_no_progress: config.run.restore_no_progress,
            transaction_timeout: config.kafka.transaction_timeout,
        }
    }

    /// The topic whose partitions the group shares out.
    pub fn lead(&self) -> &str {
        &self.sources[0].topic
    }

    /// The same for a partition whoever owns it, so that a new owner ends what the old one left.
    pub fn transactional_id(&self, partition: i32) -> String {
        format!("{}-{}-{partition}", self.application_id, self.lead())
    }

    pub fn topic(&self, destination: Destination) -> &str {
        match destination {
            Destination::State => &self.topics.state,
            Destination::Profiles => &self.topics.profiles,
            Destination::RiskDetections => &self.topics.risk_detections,
            Destination::RiskyUsers => &self.topics.risky_users,
            Destination::DeadLetter => &self.topics.dead_letter,
            Destination::Probe => self.probe_topic.as_deref().unwrap_or_default(),
            Destination::Repartition => &self.topics.repartition,
        }
    }
}

/// What tasks read: the input when it is keyed by user, with the commands beside it; otherwise what the repartition
/// stage writes, commands among it.
pub fn sources(config: &Config) -> Arc<[Source]> {
    let input = |topic: &String| Source { topic: topic.clone(), kind: SourceKind::Input };
    if !config.input.keyed {
        return [input(&config.topics.repartition)].into();
    }
    let commands = Source { topic: config.topics.commands.clone(), kind: SourceKind::Commands };
    config.input.topics.iter().map(input).chain([commands]).collect()
}
