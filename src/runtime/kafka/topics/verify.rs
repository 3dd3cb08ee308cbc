//! Wanted topics × what the brokers say → every problem, each with what mends it, and the [`Layout`].
//!
//! A *problem* keeps `farsign run` from starting: it would lose records or state, or be refused sooner or later. A
//! *note* is worth knowing. Commands in advice are Kafka's own tools, which want `--command-config` where brokers want
//! credentials.

use std::fmt;
use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;

use super::cluster::{self, Cluster, Facts, TopicFacts, Trials};
use super::plan::{self, Cleanup, DELETE_RETENTION_MS, Partitions, Role, Wanted};
use super::{Layout, TopicLayout, TopicsError};
use crate::config::{Config, SaslConfig};
use crate::runtime::kafka::client::Connection;
use crate::runtime::kafka::failure;
use crate::runtime::kafka::native::Operation;

/// What is wrong with a topic or a right, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicProblem {
    /// Such as "topic `farsign.state`".
    pub subject: String,
    pub message: String,
    pub advice: String,
}

impl fmt::Display for TopicProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.subject, self.message, self.advice)
    }
}

/// The result of asking and comparing.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    pub problems: Vec<TopicProblem>,
    pub notes: Vec<TopicProblem>,
    /// `None` when there are problems.
    pub layout: Option<Layout>,
}

/// Asks the brokers and compares. `timeout` is for one question; there are six at most.
pub fn verify(connection: &Connection, config: &Config, timeout: Duration) -> Result<Verified, TopicsError> {
    let cluster = Cluster::new(connection, timeout)?;
    let facts = cluster.facts(config)?;
    let trials = cluster.trials(config);
    Ok(compare(config, &facts, &trials))
}

/// The comparing alone.
pub fn compare(config: &Config, facts: &Facts, trials: &Trials) -> Verified {
    let mut check = Check { config, verified: Verified::default() };
    let wanted = plan::plan(config, facts);
    for wanted in &wanted {
        match facts.topics.get(&wanted.name) {
            Some(Ok(topic)) => check.topic(wanted, topic),
            Some(Err(code)) => check.absent(wanted, *code),
            None => check.absent(wanted, RDKafkaErrorCode::UnknownTopicOrPartition),
        }
    }
    check.transactions(trials);
    check.group(trials);
    let mut verified = check.verified;
    if verified.problems.is_empty() {
        verified.layout = layout(config, facts, &wanted);
    }
    verified
}

fn layout(config: &Config, facts: &Facts, wanted: &[Wanted]) -> Option<Layout> {
    let lead = plan::lead(config)?;
    let topic = |wanted: &Wanted| {
        let found = facts.topics.get(&wanted.name)?.as_ref().ok()?;
        let layout = TopicLayout {
            partitions: facts.partitions(&wanted.name)?,
            id: found.description.id.clone(),
            message_bytes_max: facts.message_bytes_max(&wanted.name),
        };
        Some((wanted.name.clone(), layout))
    };
    Some(Layout {
        cluster_id: facts.cluster_id.clone(),
        lead: lead.to_owned(),
        partitions: facts.partitions(lead)?,
        topics: wanted.iter().filter_map(topic).collect(),
    })
}

struct Check<'a> {
    config: &'a Config,
    verified: Verified,
}

impl Check<'_> {
    fn problem(&mut self, subject: String, message: String, advice: String) {
        self.verified.problems.push(TopicProblem { subject, message, advice });
    }

    fn note(&mut self, subject: String, message: String, advice: String) {
        self.verified.notes.push(TopicProblem { subject, message, advice });
    }

    fn absent(&mut self, wanted: &Wanted, code: RDKafkaErrorCode) {
        let (message, advice) = match (cluster::is_missing(code), wanted.role) {
            (true, Role::Input) => {
                ("does not exist".to_owned(), "create it, or correct `input.topics`".to_owned())
            }
            (true, _) => ("does not exist".to_owned(), "run `farsign topics create`".to_owned()),
            (false, _) if code == RDKafkaErrorCode::TopicAuthorizationFailed => (
                "may not be described".to_owned(),
                self.allow(wanted.operations, &format!("--topic {}", wanted.name)),
            ),
            (false, _) => (format!("cannot be described: {code}"), "see the brokers' logs".to_owned()),
        };
        self.problem(subject(wanted), message, advice);
    }

    fn topic(&mut self, wanted: &Wanted, topic: &TopicFacts) {
        self.partitions(wanted, topic);
        self.rights(wanted, topic);
        if topic.settings.is_none() {
            self.note(
                subject(wanted),
                "its settings may not be read, so they are not checked".to_owned(),
                self.allow(&[Operation::DescribeConfigs], &format!("--topic {}", wanted.name)),
            );
            return;
        }
        self.cleanup(wanted, topic);
        self.size(wanted, topic);
        if wanted.role != Role::Input {
            self.replicas(wanted, topic);
            self.age(wanted, topic);
        }
    }

    fn partitions(&mut self, wanted: &Wanted, topic: &TopicFacts) {
        let count = topic.description.partitions.len();
        let (fits, allowed) = match wanted.partitions {
            Partitions::Any => return,
            Partitions::Exactly(number) => (count == number as usize, format!("{number}")),
            Partitions::AtLeast(number) => (count >= number as usize, format!("at least {number}")),
        };
        if fits {
            return;
        }
        let lead = plan::lead(self.config).unwrap_or_default();
        let reason = match wanted.role {
            Role::Profiles => "so that all instances read it in one order".to_owned(),
            _ => format!("as many as `{lead}` has"),
        };
        let message = format!("has `{count}` partitions; allowed: {allowed}, {reason}");
        let advice = match (wanted.role, wanted.partitions) {
            (Role::Input, _) => {
                "give all input topics one number of partitions, or set `input.keyed: false`".to_owned()
            }
            (_, Partitions::AtLeast(number)) => {
                self.tool("kafka-topics.sh", &format!("--alter --topic {} --partitions {number}", wanted.name))
            }
            (Role::State, _) => format!(
                "users are in other partitions now and what is remembered of them is not found: {}, then run `farsign \
                 topics create`, which begins anew, or name another topic in `topics.state`",
                self.tool("kafka-topics.sh", &format!("--delete --topic {}", wanted.name))
            ),
            _ => format!(
                "{}, then run `farsign topics create`",
                self.tool("kafka-topics.sh", &format!("--delete --topic {}", wanted.name))
            ),
        };
        self.problem(subject(wanted), message, advice);
    }

    fn rights(&mut self, wanted: &Wanted, topic: &TopicFacts) {
        let Some(allowed) = &topic.description.operations else { return };
        let missing: Vec<Operation> =
            wanted.operations.iter().copied().filter(|operation| !allowed.contains(operation)).collect();
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|operation| operation.name()).collect();
            let message = format!("lacks the right to {}", names.join(", "));
            self.problem(subject(wanted), message, self.allow(&missing, &format!("--topic {}", wanted.name)));
        }
    }

    fn cleanup(&mut self, wanted: &Wanted, topic: &TopicFacts) {
        let policy = setting(topic, "cleanup.policy").unwrap_or_default();
        let compacts = policy.split(',').any(|part| part.trim() == "compact");
        let deletes = policy.split(',').any(|part| part.trim() == "delete");
        let (fits, allowed, why) = match wanted.cleanup {
            Cleanup::Compact => (compacts && !deletes, "compact", "state would be lost by age"),
            Cleanup::Compacting => (compacts, "compact", "it would grow for ever, or forget users"),
            Cleanup::Delete => (!compacts, "delete", "records with the same key would replace each other"),
        };
        if !fits {
            let message = format!("has `cleanup.policy={policy}`; allowed: {allowed}, because {why}");
            self.problem(subject(wanted), message, self.set(wanted, "cleanup.policy", allowed));
        }
    }

    fn size(&mut self, wanted: &Wanted, topic: &TopicFacts) {
        let Some(limit) = number(topic, "max.message.bytes") else { return };
        if limit < wanted.message_bytes_min as u64 {
            let why = match wanted.role {
                Role::DeadLetter | Role::Repartition => {
                    ", because a record of the input with more headers must fit in"
                }
                _ => "",
            };
            let least = wanted.message_bytes_min;
            let message = format!("has `max.message.bytes={limit}`; allowed: at least {least}{why}");
            self.problem(subject(wanted), message, self.set(wanted, "max.message.bytes", &least.to_string()));
        }
    }

    fn replicas(&mut self, wanted: &Wanted, topic: &TopicFacts) {
        let topics = &self.config.topics;
        let (least_in_sync, factor) = (u64::from(topics.min_insync_replicas), topics.replication_factor as usize);
        let copies = topic.description.partitions.iter().copied().min().unwrap_or_default();
        let in_sync = number(topic, "min.insync.replicas").unwrap_or(1);
        if in_sync < least_in_sync {
            let message = format!("has `min.insync.replicas={in_sync}`; allowed: at least {least_in_sync}");
            let advice = format!(
                "{}, or lower `topics.min_insync_replicas`",
                self.set(wanted, "min.insync.replicas", &least_in_sync.to_string())
            );
            self.problem(subject(wanted), message, advice);
        } else if in_sync > copies as u64 {
            let message =
                format!("has `min.insync.replicas={in_sync}` but {copies} replicas: no write can succeed");
            self.problem(subject(wanted), message, self.set(wanted, "min.insync.replicas", &copies.to_string()));
        }
        if copies < factor {
            self.note(
                subject(wanted),
                format!("has {copies} replicas, `topics.replication_factor` is {factor}"),
                "add replicas with kafka-reassign-partitions.sh".to_owned(),
            );
        }
        if setting(topic, "unclean.leader.election.enable") == Some("true") {
            self.note(
                subject(wanted),
                "has `unclean.leader.election.enable=true`: committed records can be lost".to_owned(),
                self.set(wanted, "unclean.leader.election.enable", "false"),
            );
        }
    }

    fn age(&mut self, wanted: &Wanted, topic: &TopicFacts) {
        let (name, least) = match wanted.cleanup {
            Cleanup::Delete => ("retention.ms", self.config.topics.retention.as_millis() as u64),
            Cleanup::Compact => ("delete.retention.ms", DELETE_RETENTION_MS),
            Cleanup::Compacting => return,
        };
        // Unlimited is written as -1, which is no such number.
        let Some(found) = number(topic, name) else { return };
        if found < least {
            self.note(
                subject(wanted),
                format!("has `{name}={found}`, less than {least}"),
                self.set(wanted, name, &least.to_string()),
            );
        }
    }

    fn transactions(&mut self, trials: &Trials) {
        let Err(failure) = &trials.transactions else { return };
        let subject = format!("transactional id `{}`", trials.transactional_id);
        let application = &self.config.kafka.application_id;
        let advice = match failure.code {
            Some(RDKafkaErrorCode::TransactionalIdAuthorizationFailed) => self.allow(
                &[Operation::Write, Operation::Describe],
                &format!("--transactional-id {application}- --resource-pattern-type prefixed"),
            ),
            Some(RDKafkaErrorCode::InvalidTransactionTimeout) => {
                "lower `kafka.transaction_timeout_ms` to the brokers' `transaction.max.timeout.ms`".to_owned()
            }
            _ => COORDINATOR.to_owned(),
        };
        self.problem(subject, format!("cannot be used: {}", failure.message), advice);
    }

    fn group(&mut self, trials: &Trials) {
        let Err(error) = &trials.group else { return };
        let code = failure::code(error);
        // The lead topic's own problem has been reported with the topic.
        if code == Some(RDKafkaErrorCode::TopicAuthorizationFailed) {
            return;
        }
        let group = self.config.kafka.application_id.clone();
        let advice = match code {
            Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {
                self.allow(&[Operation::Read], &format!("--group {group}"))
            }
            _ => COORDINATOR.to_owned(),
        };
        self.problem(format!("consumer group `{group}`"), format!("cannot be used: {error}"), advice);
    }

    /// Kafka's own tool with the brokers filled in.
    fn tool(&self, name: &str, arguments: &str) -> String {
        let servers = self.config.kafka.bootstrap_servers.join(",");
        format!("run `{name} --bootstrap-server {servers} {arguments}`")
    }

    fn set(&self, wanted: &Wanted, name: &str, value: &str) -> String {
        let topic = &wanted.name;
        self.tool(
            "kafka-configs.sh",
            &format!("--alter --entity-type topics --entity-name {topic} --add-config {name}={value}"),
        )
    }

    fn allow(&self, operations: &[Operation], resource: &str) -> String {
        let principal = match &self.config.kafka.security.sasl {
            Some(SaslConfig::Password { username, .. }) => username,
            _ => "PRINCIPAL",
        };
        let operations: Vec<String> =
            operations.iter().map(|operation| format!("--operation {}", operation.name())).collect();
        self.tool(
            "kafka-acls.sh",
            &format!("--add --allow-principal User:{principal} {} {resource}", operations.join(" ")),
        )
    }
}

const COORDINATOR: &str = "if the brokers are up, look whether `__transaction_state` and `__consumer_offsets` can be \
                           created: on fewer brokers than their replication factor they cannot \
                           (`transaction.state.log.replication.factor`, `offsets.topic.replication.factor`)";

fn subject(wanted: &Wanted) -> String {
    format!("topic `{}`", wanted.name)
}

fn setting<'t>(topic: &'t TopicFacts, name: &str) -> Option<&'t str> {
    topic.settings.as_ref()?.get(name).map(String::as_str)
}

fn number(topic: &TopicFacts, name: &str) -> Option<u64> {
    setting(topic, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rdkafka::error::KafkaError;

    use super::*;
    use crate::runtime::kafka::failure::{Class, Failure};
    use crate::runtime::kafka::native::Description;

    const ALL: [Operation; 3] = [Operation::Read, Operation::Write, Operation::Describe];

    fn config() -> Config {
        let text = "{kafka: {bootstrap_servers: [\"a:1\"]}, input: {topics: [sign-ins]}}";
        crate::config::parse(text, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Nobody needs the topic who has no shadow policies.
    #[test]
    fn the_topic_of_shadow_policies_is_wanted_where_there_are_any() {
        let wanted = |policies: &str| {
            let text = format!("{{input: {{topics: [sign-ins]}}, policies: [{policies}]}}");
            let config =
                crate::config::parse(&text, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems}"));
            let wanted = plan::plan(&config, &facts(&config)).into_iter();
            wanted.filter(|wanted| wanted.role == plan::Role::ShadowDetections).collect::<Vec<_>>()
        };
        assert_eq!(wanted("{name: live}"), []);
        let shadow = wanted("{name: live}, {name: a, shadow: true}, {name: b, shadow: true}");
        assert_eq!(shadow.len(), 1);
        assert_eq!(shadow[0].name, "farsign.shadow-detections");
        assert_eq!(shadow[0].partitions, plan::Partitions::AtLeast(3));
        assert_eq!(shadow[0].cleanup, plan::Cleanup::Delete);
        assert_eq!(shadow[0].operations, [Operation::Write, Operation::Describe]);
    }

    /// A topic with three copies of each of three partitions and no settings of its own.
    fn topic() -> TopicFacts {
        let description =
            Description { partitions: vec![3; 3], id: "id".to_owned(), operations: Some(ALL.to_vec()) };
        TopicFacts { description, settings: Some(BTreeMap::new()) }
    }

    /// All topics as `farsign topics create` makes them.
    fn facts(config: &Config) -> Facts {
        let mut facts = Facts::default();
        facts.topics.insert("sign-ins".to_owned(), Ok(topic()));
        for wanted in plan::plan(config, &facts) {
            let mut topic = topic();
            if wanted.role == plan::Role::Profiles {
                topic.description.partitions = vec![3];
            }
            let settings = wanted.settings.into_iter().map(|(name, value)| (name.to_owned(), value));
            topic.settings = Some(settings.collect());
            facts.topics.insert(wanted.name, Ok(topic));
        }
        let lead = BTreeMap::from([("cleanup.policy".to_owned(), "delete".to_owned())]);
        facts.topics.insert("sign-ins".to_owned(), Ok(TopicFacts { settings: Some(lead), ..topic() }));
        facts
    }

    fn trials(transactions: Result<(), Option<RDKafkaErrorCode>>, group: Result<(), RDKafkaErrorCode>) -> Trials {
        let failure =
            |code| Failure { class: Class::Fatal, during: "init", code, message: "the cause".to_owned() };
        Trials {
            transactional_id: "t".to_owned(),
            transactions: transactions.map_err(failure),
            group: group.map_err(KafkaError::OffsetFetch),
        }
    }

    #[test]
    fn what_is_created_is_right() {
        let config = config();
        let verified = compare(&config, &facts(&config), &trials(Ok(()), Ok(())));
        assert_eq!((verified.problems, verified.notes), (Vec::new(), Vec::new()));
        let layout = verified.layout.unwrap();
        assert_eq!((layout.lead.as_str(), layout.partitions, layout.topics.len()), ("sign-ins", 3, 7));
        assert_eq!(layout.message_bytes_max(), plan::MESSAGE_BYTES_DEFAULT + plan::HEADERS_BYTES_MAX);
    }

    #[test]
    fn a_change_is_noticed() {
        let check = |name: &str, change: &dyn Fn(&mut TopicFacts), problem: &[&str], note: &[&str]| {
            let config = config();
            let mut facts = facts(&config);
            change(facts.topics.get_mut(name).unwrap().as_mut().unwrap());
            let verified = compare(&config, &facts, &trials(Ok(()), Ok(())));
            for (found, expected) in [(&verified.problems, problem), (&verified.notes, note)] {
                assert_eq!(found.len(), usize::from(!expected.is_empty()), "{name}: {verified:#?}");
                let text = found.first().map(ToString::to_string).unwrap_or_default();
                assert!(expected.iter().all(|piece| text.contains(piece)), "{expected:?}: {text}");
            }
            assert_eq!(verified.layout.is_none(), !problem.is_empty());
        };
        let set = |key: &'static str, value: &'static str| {
            move |topic: &mut TopicFacts| {
                topic.settings.get_or_insert_default().insert(key.to_owned(), value.to_owned());
            }
        };
        let state = "farsign.state";
        check(state, &set("cleanup.policy", "compact"), &[], &[]);
        check(state, &set("cleanup.policy", "delete"), &["allowed: compact"], &[]);
        check("farsign.risky-users", &set("cleanup.policy", "delete,compact"), &[], &[]);
        check(state, &set("min.insync.replicas", "1"), &["at least 2", "topics.min_insync_replicas"], &[]);
        check(state, &set("min.insync.replicas", "4"), &["3 replicas", "min.insync.replicas=3"], &[]);
        check(state, &set("max.message.bytes", "1048587"), &["at least 1048588"], &[]);
        check(state, &set("max.message.bytes", "1048589"), &[], &[]);
        check(state, &set("unclean.leader.election.enable", "true"), &[], &["can be lost"]);
        check(state, &set("delete.retention.ms", "86400000"), &[], &["less than 604800000"]);
        check("farsign.commands", &set("retention.ms", "1"), &[], &["less than 2592000000"]);
        check("farsign.commands", &set("retention.ms", "-1"), &[], &[]);
        check(state, &|topic| topic.settings = None, &[], &["DescribeConfigs"]);
        check(state, &|topic| topic.description.partitions = vec![2; 3], &[], &["has 2 replicas"]);
        check(state, &|topic| topic.description.partitions = vec![3; 4], &["`4` partitions", "--delete"], &[]);
        check(
            "farsign.profiles",
            &|topic| topic.description.partitions = vec![3; 2],
            &["one order", "--delete"],
            &[],
        );
        check("farsign.dead-letter", &|topic| topic.description.partitions = vec![3; 4], &[], &[]);
        check("farsign.dead-letter", &|topic| topic.description.partitions = vec![3; 2], &["--partitions 3"], &[]);
        let only_read = |topic: &mut TopicFacts| topic.description.operations = Some(vec![Operation::Read]);
        check(state, &only_read, &["the right to Write, Describe", "--operation Write --operation Describe"], &[]);
        check("farsign.commands", &only_read, &["the right to Describe"], &[]);
        check(state, &|topic| topic.description.operations = None, &[], &[]);
    }

    #[test]
    fn trials_that_failed_are_explained() {
        let check = |trials: Trials, expected: &[&str]| {
            let config = config();
            let problems: Vec<String> =
                compare(&config, &facts(&config), &trials).problems.iter().map(ToString::to_string).collect();
            assert_eq!(problems.len(), usize::from(!expected.is_empty()), "{problems:?}");
            assert!(expected.iter().all(|piece| problems[0].contains(piece)), "{expected:?}: {problems:?}");
        };
        use RDKafkaErrorCode as Code;
        let transactions = |code: Option<Code>| trials(Err(code), Ok(()));
        check(
            transactions(Some(Code::TransactionalIdAuthorizationFailed)),
            &["transactional id `t`", "--transactional-id farsign- --resource-pattern-type prefixed"],
        );
        check(transactions(Some(Code::InvalidTransactionTimeout)), &["kafka.transaction_timeout_ms"]);
        check(transactions(Some(Code::OperationTimedOut)), &["transaction.state.log.replication.factor"]);
        check(transactions(None), &["the cause"]);
        let group = |code: Code| trials(Ok(()), Err(code));
        check(group(Code::GroupAuthorizationFailed), &["consumer group `farsign`", "--group farsign"]);
        check(group(Code::CoordinatorNotAvailable), &["offsets.topic.replication.factor"]);
        check(group(Code::TopicAuthorizationFailed), &[]);
    }
}
