//! Names and numbers of a deployment that every part of the runtime needs: topics, sources, limits.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::client::Connection;
use super::outbox::Destination;
use super::record::{Source, SourceKind};
use super::snapshot::Folder;
use super::topics::Layout;
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
    /// `None` = no snapshots.
    pub snapshots: Option<Folder>,
}

impl Names {
    pub fn new(config: &Config, connection: Connection, layout: &Layout) -> Names {
        Names {
            connection,
            application_id: config.kafka.application_id.clone(),
            topics: config.topics.clone(),
            probe_topic: config.run.probe_topic.clone(),
            sources: identified(&sources(config), layout),
            partitions: i32::try_from(layout.partitions).unwrap_or(i32::MAX),
            message_bytes_max: layout.message_bytes_max(),
            restore_no_progress: config.run.restore_no_progress,
            transaction_timeout: config.kafka.transaction_timeout,
            snapshots: config.run.state_folder.as_ref().map(|path| folder(path, config, layout)),
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

    /// Of who writes a whole state: at most one at a time.
    pub fn import_id(&self) -> String {
        format!("{}-import", self.application_id)
    }

    pub fn topic(&self, destination: Destination) -> &str {
        match destination {
            Destination::State => &self.topics.state,
            Destination::Profiles => &self.topics.profiles,
            Destination::RiskDetections => &self.topics.risk_detections,
            Destination::RiskyUsers => &self.topics.risky_users,
            Destination::ShadowDetections => &self.topics.shadow,
            Destination::DeadLetter => &self.topics.dead_letter,
            Destination::Probe => self.probe_topic.as_deref().unwrap_or_default(),
            Destination::Repartition => &self.topics.repartition,
        }
    }
}

/// Where snapshots are, and of which changelog they must be.
fn folder(path: &Path, config: &Config, layout: &Layout) -> Folder {
    let topic = config.topics.state.clone();
    let topic_id = layout.topics.get(&topic).map_or(String::new(), |topic| topic.id.clone());
    Folder { path: path.to_owned(), cluster_id: layout.cluster_id.clone().unwrap_or_default(), topic, topic_id }
}

/// What tasks read: the input when it is keyed by user, with the commands beside it; otherwise what the repartition
/// stage writes, commands among it.
pub fn sources(config: &Config) -> Arc<[Source]> {
    if !config.input.keyed {
        return [source(&config.topics.repartition, SourceKind::Repartition)].into();
    }
    entrances(config)
}

/// Where records come in, whoever reads them: the input topics and the commands.
pub fn entrances(config: &Config) -> Arc<[Source]> {
    let input = |topic: &String| source(topic, SourceKind::Input);
    let commands = source(&config.topics.commands, SourceKind::Commands);
    config.input.topics.iter().map(input).chain([commands]).collect()
}

fn source(topic: &str, kind: SourceKind) -> Source {
    Source { topic: topic.to_owned(), topic_id: String::new(), kind }
}

/// With the topics' ids, as the brokers told them.
fn identified(sources: &[Source], layout: &Layout) -> Arc<[Source]> {
    let id = |topic: &String| layout.topics.get(topic).map_or(String::new(), |topic| topic.id.clone());
    sources.iter().map(|source| Source { topic_id: id(&source.topic), ..source.clone() }).collect()
}
