//! The topics Farsign uses: what they must be like, whether they are, and making them.
//!
//! [`plan`] says what is wanted, from the configuration and the input topics; [`cluster`] asks the brokers what there is;
//! [`verify`] holds one against the other and reports every difference with the command that mends it; [`create`] makes
//! what is missing. Input topics are never made, and no topic that exists is ever changed.

pub mod cluster;
pub mod create;
pub mod plan;
pub mod verify;

use std::collections::BTreeMap;

/// Asking the brokers failed: nothing is known about the topics.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    #[error(transparent)]
    Secret(#[from] super::client::SecretError),
    #[error("{during} failed: {source}")]
    Kafka { during: &'static str, source: rdkafka::error::KafkaError },
    #[error("cannot wait for the brokers' answer: {0}")]
    Wait(#[from] std::io::Error),
}

/// What a running Farsign needs to know of its topics, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The cluster's own id; with a topic's id it tells a topic from another of the same name.
    pub cluster_id: Option<String>,
    /// The topic whose partitions are the tasks: the first input topic, or the repartition topic.
    pub lead: String,
    /// Tasks.
    pub partitions: u32,
    /// By name; every input topic, and those of Farsign's own that are used.
    pub topics: BTreeMap<String, TopicLayout>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicLayout {
    pub partitions: u32,
    /// Changes when a topic is deleted and created again; empty when the brokers do not say.
    pub id: String,
    /// `max.message.bytes`, which limits a batch and so a record; Kafka's default when the brokers do not say.
    pub message_bytes_max: usize,
}

impl Layout {
    /// The largest record that any of the topics takes: the limit of a producer that writes to all of them.
    pub fn message_bytes_max(&self) -> usize {
        self.topics.values().map(|topic| topic.message_bytes_max).max().unwrap_or(plan::MESSAGE_BYTES_DEFAULT)
    }
}
