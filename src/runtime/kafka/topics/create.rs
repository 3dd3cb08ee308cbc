//! Makes the topics that are missing, with the settings of the plan. What exists is left as it is.

use std::time::Duration;

use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;

use super::TopicsError;
use super::cluster::{self, Cluster, Facts, wait};
use super::plan::{self, Partitions, Role, Wanted};
use crate::config::Config;
use crate::runtime::kafka::client::Connection;

/// What became of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With what it was, or in a dry run would be, made; the arguments are those of `kafka-topics.sh`.
    Created {
        arguments: String,
    },
    Exists,
    Failed {
        message: String,
    },
}

/// A topic and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creation {
    pub topic: String,
    pub outcome: Outcome,
}

/// Makes what is missing, or with `dry_run` only says what that is. Input topics are not made: a missing one is a
/// failure, and without the lead topic nobody knows how many partitions the others need.
pub fn create(
    connection: &Connection,
    config: &Config,
    dry_run: bool,
    timeout: Duration,
) -> Result<Vec<Creation>, TopicsError> {
    let cluster = Cluster::new(connection, timeout)?;
    let facts = cluster.facts(config)?;
    let mut creations = Vec::new();
    for wanted in plan::plan(config, &facts) {
        let outcome = match existing(&facts, &wanted) {
            Some(outcome) => outcome,
            None if dry_run => Outcome::Created { arguments: arguments(config, &wanted) },
            None => make(&cluster, config, &wanted)?,
        };
        // An input topic that is there is nobody's news.
        if wanted.role != Role::Input || outcome != Outcome::Exists {
            creations.push(Creation { topic: wanted.name, outcome });
        }
    }
    Ok(creations)
}

/// `None` when the topic is to be made.
fn existing(facts: &Facts, wanted: &Wanted) -> Option<Outcome> {
    let failed = |message: String| Some(Outcome::Failed { message });
    match facts.topics.get(&wanted.name) {
        Some(Ok(_)) => Some(Outcome::Exists),
        Some(Err(code)) if !cluster::is_missing(*code) => failed(format!("cannot be described: {code}")),
        _ if wanted.role == Role::Input => failed(
            "does not exist, and input topics are not made here: create it, or correct `input.topics`".to_owned(),
        ),
        _ => None,
    }
}

fn partitions(wanted: &Wanted) -> u32 {
    match wanted.partitions {
        Partitions::Any => 1,
        Partitions::Exactly(number) | Partitions::AtLeast(number) => number,
    }
}

fn arguments(config: &Config, wanted: &Wanted) -> String {
    let settings: Vec<String> =
        wanted.settings.iter().map(|(name, value)| format!("--config {name}={value}")).collect();
    format!(
        "--create --topic {} --partitions {} --replication-factor {} {}",
        wanted.name,
        partitions(wanted),
        config.topics.replication_factor,
        settings.join(" ")
    )
}

fn make(cluster: &Cluster, config: &Config, wanted: &Wanted) -> Result<Outcome, TopicsError> {
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let replication = TopicReplication::Fixed(number(config.topics.replication_factor));
    let mut topic = NewTopic::new(&wanted.name, number(partitions(wanted)), replication);
    for (name, value) in &wanted.settings {
        topic = topic.set(name, value);
    }
    let results = wait(cluster.admin().create_topics([&topic], &cluster.options()))?
        .map_err(|source| TopicsError::Kafka { during: "creating a topic", source })?;
    Ok(match results.into_iter().next() {
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Outcome::Exists,
        Some(Err((_, code))) => Outcome::Failed { message: advice(config, code) },
        _ => Outcome::Created { arguments: arguments(config, wanted) },
    })
}

fn advice(config: &Config, code: RDKafkaErrorCode) -> String {
    let advice = match code {
        RDKafkaErrorCode::InvalidReplicationFactor => format!(
            "there are fewer brokers than `topics.replication_factor`, which is {}",
            config.topics.replication_factor
        ),
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            "it takes the right to Create, on the cluster or the topic; or let an administrator run the commands that \
             `farsign topics create --dry-run` prints"
                .to_owned()
        }
        RDKafkaErrorCode::PolicyViolation => "the brokers' create.topic.policy forbids it".to_owned(),
        _ => "see the brokers' logs".to_owned(),
    };
    format!("could not be made: {code}; {advice}")
}
