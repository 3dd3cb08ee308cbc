//! What the brokers say about topics, rights and transactions. It judges nothing.
//!
//! Three sources: DescribeTopics for partitions, ids and this client's rights; DescribeConfigs for settings, which
//! needs a right of its own; and two trials, because no request tells whether a transactional id or a group may be
//! used: a producer with an id of its own is initialised, and the group's offsets are asked for. Neither disturbs an
//! instance that runs. Not to be known beforehand: whether the group may be *joined* (its Read right), and quotas.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::TopicsError;
use super::plan::{self, MESSAGE_BYTES_DEFAULT};
use crate::config::Config;
use crate::runtime::clock::Deadline;
use crate::runtime::kafka::client::{Connection, Context};
use crate::runtime::kafka::failure::{self, Failure};
use crate::runtime::kafka::native::{self, Description};
use crate::runtime::kafka::producer::TxnProducer;

/// The group's offsets are asked for again and again, in pieces of this length, with this pause.
const TRIAL_SLICE: Duration = Duration::from_secs(1);
const TRIAL_PAUSE: Duration = Duration::from_millis(50);

/// What is known of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicFacts {
    pub description: Description,
    /// Settings by name; `None` when they may not be asked for.
    pub settings: Option<BTreeMap<String, String>>,
}

/// What the brokers say.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub cluster_id: Option<String>,
    /// By name; an error such as UnknownTopicOrPartition or TopicAuthorizationFailed when there is no description.
    pub topics: BTreeMap<String, Result<TopicFacts, RDKafkaErrorCode>>,
}

impl Facts {
    fn topic(&self, name: &str) -> Option<&TopicFacts> {
        self.topics.get(name)?.as_ref().ok()
    }

    pub fn partitions(&self, name: &str) -> Option<u32> {
        u32::try_from(self.topic(name)?.description.partitions.len()).ok()
    }

    /// Kafka's default when it is not known.
    pub fn message_bytes_max(&self, name: &str) -> usize {
        let settings = self.topic(name).and_then(|topic| topic.settings.as_ref());
        let limit = settings.and_then(|settings| settings.get("max.message.bytes")?.parse().ok());
        limit.unwrap_or(MESSAGE_BYTES_DEFAULT)
    }
}

/// What trying showed of rights that no request tells.
#[derive(Clone, Debug)]
pub struct Trials {
    pub transactional_id: String,
    pub transactions: Result<(), Failure>,
    pub group: Result<(), KafkaError>,
}

/// Asks. One client, made for it and gone with it.
pub struct Cluster {
    connection: Connection,
    admin: AdminClient<Context>,
    timeout: Duration,
}

impl Cluster {
    /// `timeout` is for one question.
    pub fn new(connection: &Connection, timeout: Duration) -> Result<Cluster, TopicsError> {
        let admin = AdminClient::from_config_and_context(&connection.admin(), connection.context("admin"))
            .map_err(|source| TopicsError::Kafka { during: "creating a client", source })?;
        Ok(Cluster { connection: connection.clone(), admin, timeout })
    }

    pub fn admin(&self) -> &AdminClient<Context> {
        &self.admin
    }

    pub fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    /// Every topic the configuration names.
    pub fn facts(&self, config: &Config) -> Result<Facts, TopicsError> {
        let own = config.topics.names().map(|(_, name)| name);
        let others = config.input.topics.iter().chain(&config.run.probe_topic);
        let names: Vec<&str> = others.map(String::as_str).chain(own).collect();
        let descriptions = native::describe_topics(self.admin.inner(), &names, self.timeout).map_err(|code| {
            TopicsError::Kafka { during: "describing topics", source: KafkaError::AdminOp(code) }
        })?;
        let found: Vec<&str> = descriptions
            .iter()
            .filter(|(_, description)| description.is_ok())
            .map(|(name, _)| name.as_str())
            .collect();
        let mut settings = self.settings(&found)?;
        let topics = descriptions
            .into_iter()
            .map(|(name, description)| {
                let settings = settings.remove(&name);
                (name, description.map(|description| TopicFacts { description, settings }))
            })
            .collect();
        Ok(Facts { cluster_id: self.admin.inner().fetch_cluster_id(self.timeout), topics })
    }

    /// rdkafka hides a refusal: it comes as a topic without any setting.
    fn settings(&self, names: &[&str]) -> Result<BTreeMap<String, BTreeMap<String, String>>, TopicsError> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let topics: Vec<ResourceSpecifier<'_>> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let answers = wait(self.admin.describe_configs(&topics, &self.options()))?
            .map_err(|source| TopicsError::Kafka { during: "asking for the topics' settings", source })?;
        let known = |answer: ConfigResource| match answer.specifier {
            OwnedResourceSpecifier::Topic(name) if !answer.entries.is_empty() => {
                let value = |entry: rdkafka::admin::ConfigEntry| Some((entry.name, entry.value?));
                Some((name, answer.entries.into_iter().filter_map(value).collect()))
            }
            _ => None,
        };
        Ok(answers.into_iter().filter_map(Result::ok).filter_map(known).collect())
    }

    /// The transactional id tried is no task's, so no running task is fenced; it begins like theirs, as rights by
    /// prefix do.
    pub fn trials(&self, config: &Config) -> Trials {
        let lead = plan::lead(config).unwrap_or_default();
        let transactional_id = format!("{}-{lead}-verify", config.kafka.application_id);
        let opened = TxnProducer::open(&self.connection, &transactional_id, MESSAGE_BYTES_DEFAULT, self.timeout);
        Trials { transactional_id, transactions: opened.map(drop), group: self.group(lead) }
    }

    fn group(&self, lead: &str) -> Result<(), KafkaError> {
        let context = self.connection.context("group");
        let consumer: BaseConsumer<Context> =
            BaseConsumer::from_config_and_context(&self.connection.follower(), context)?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition(lead, 0);
        let deadline = Deadline::after(self.timeout);
        loop {
            let error = match consumer.committed_offsets(asked.clone(), TRIAL_SLICE) {
                Ok(answer) => return answer.elements().iter().try_for_each(|partition| partition.error()),
                Err(error) => error,
            };
            // A refusal is told to whoever polls; the question itself would wait for ever.
            match consumer.poll(Duration::ZERO) {
                Some(Err(refusal))
                    if failure::code(&refusal) == Some(RDKafkaErrorCode::GroupAuthorizationFailed) =>
                {
                    return Err(refusal);
                }
                _ if deadline.is_over() || !is_settling(&error) => return Err(error),
                _ => std::thread::sleep(TRIAL_PAUSE),
            }
        }
    }
}

/// Answers of a group coordinator that is being found, or made: the first group of a cluster waits for it.
fn is_settling(error: &KafkaError) -> bool {
    failure::code(error).is_some_and(|code| {
        matches!(
            code,
            RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::WaitingForCoordinator
                | RDKafkaErrorCode::NotCoordinator
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::CoordinatorLoadInProgress
                | RDKafkaErrorCode::BrokerTransportFailure
        )
    })
}

/// Whether the brokers do not know the topic, rather than not tell.
pub fn is_missing(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)
}

/// rdkafka's admin client answers with futures that its own thread completes.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> Result<T, TopicsError> {
    Ok(tokio::runtime::Builder::new_current_thread().build()?.block_on(future))
}
