//! The transactional producer against librdkafka's mock cluster, which answers with errors on demand.
//!
//! The mock checks no transaction: it neither fences nor hides what is aborted. What is tested here is how each error
//! comes out of librdkafka, what it leaves of the producer, and how long a commit takes.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use farsign::config;
use farsign::runtime::clock::{self, Deadline};
use farsign::runtime::kafka::client::{Connection, Context};
use farsign::runtime::kafka::failure::{Class, Failure};
use farsign::runtime::kafka::native;
use farsign::runtime::kafka::outbox::OutHeader;
use farsign::runtime::kafka::producer::{Outgoing, TxnProducer};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaRespErr as Answer};

const TOPIC: &str = "outputs";
const TIMEOUT: Duration = Duration::from_secs(5);
const MESSAGE_BYTES_MAX: usize = 1_000_000;

struct Mock {
    cluster: MockCluster<'static, DefaultProducerContext>,
    connection: Connection,
}

impl Mock {
    fn new() -> Mock {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, 3, 1).unwrap();
        cluster.create_topic("sign-ins", 1, 1).unwrap();
        let servers = cluster.bootstrap_servers();
        let text = format!("kafka: {{bootstrap_servers: [\"{servers}\"]}}");
        let config = config::parse(&text, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems}"));
        Mock { cluster, connection: Connection::new(&config.kafka).unwrap() }
    }

    fn producer(&self) -> TxnProducer {
        TxnProducer::open(&self.connection, "farsign-sign-ins-0", MESSAGE_BYTES_MAX, TIMEOUT).unwrap()
    }

    fn consumer(&self) -> BaseConsumer<Context> {
        BaseConsumer::from_config_and_context(&self.connection.group_consumer(), self.connection.context("group"))
            .unwrap()
    }

    /// The mock takes metadata of a consumer that has not joined.
    fn group(&self) -> ConsumerGroupMetadata {
        self.consumer().group_metadata().unwrap()
    }
}

fn deadline() -> Deadline {
    Deadline::after(TIMEOUT)
}

static HEADERS: LazyLock<Vec<OutHeader>> = LazyLock::new(|| vec![("txn".to_owned(), Some(b"7".to_vec()))]);

fn outgoing(partition: i32) -> Outgoing<'static> {
    Outgoing {
        topic: TOPIC,
        partition,
        key: Some(b"key"),
        payload: Some(b"payload"),
        headers: &HEADERS,
        timestamp_ms: Some(1_700_000_000_000),
    }
}

/// One transaction with a record and an offset; the first failure.
fn transaction(producer: &mut TxnProducer, group: &ConsumerGroupMetadata) -> Result<(), Failure> {
    producer.begin()?;
    producer.send(&outgoing(0), deadline())?;
    producer.send_offsets(&[("sign-ins", 0, 43)], group, deadline())?;
    producer.commit(deadline())
}

/// rdkafka's own commit would take 100 ms.
#[test]
fn a_commit_of_one_record_is_quick() {
    let mock = Mock::new();
    let mut producer = mock.producer();
    let mut times = Vec::new();
    for _ in 0..20 {
        producer.begin().unwrap();
        producer.send(&outgoing(1), deadline()).unwrap();
        let begun = clock::now();
        producer.commit(deadline()).unwrap();
        times.push(begun.elapsed());
    }
    times.sort();
    // The median: another test may have had the processor.
    assert!(times[10] < Duration::from_millis(30), "{times:?}");
    assert!(!producer.is_suspect());
}

#[test]
fn an_abort_does_not_wait_for_its_timeout() {
    let mock = Mock::new();
    let mut producer = mock.producer();
    producer.begin().unwrap();
    for partition in [0, 1, 2] {
        (0..300).for_each(|_| producer.send(&outgoing(partition), deadline()).unwrap());
    }
    let begun = clock::now();
    producer.abort(deadline()).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    transaction(&mut producer, &mock.group()).unwrap();
}

/// What each answer of a broker comes out as, and whether the same producer can go on after an abort.
#[test]
fn answers_have_the_documented_class() {
    #[derive(PartialEq, Debug)]
    enum After {
        Aborts,
        Committed,
        Recycle,
    }
    let check = |api: Api, answers: &[Answer], expected: Result<(), Class>, after: After| {
        let mock = Mock::new();
        let (mut producer, group) = (mock.producer(), mock.group());
        transaction(&mut producer, &group).unwrap();
        mock.cluster.request_errors(api, answers);
        let result = transaction(&mut producer, &group);
        let class = result.as_ref().copied().map_err(|failure| failure.class);
        assert_eq!(class, expected, "{api:?} {answers:?}: {result:?}");
        mock.cluster.clear_request_errors(api);
        match after {
            After::Committed => {}
            After::Aborts => producer.abort(deadline()).unwrap(),
            After::Recycle => producer.recycle(TIMEOUT).unwrap(),
        }
        transaction(&mut producer, &group).unwrap();
    };
    use Answer::*;
    let offsets = Api::TxnOffsetCommit;
    check(offsets, &[RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION], Err(Class::GroupFenced), After::Aborts);
    check(offsets, &[RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID], Err(Class::GroupFenced), After::Aborts);
    check(offsets, &[RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS], Err(Class::GroupFenced), After::Aborts);
    check(offsets, &[RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID], Err(Class::GroupFenced), After::Aborts);
    check(offsets, &[RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED], Err(Class::Abortable), After::Aborts);
    check(offsets, &[RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS; 2], Ok(()), After::Committed);
    check(Api::EndTxn, &[RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS; 3], Ok(()), After::Committed);
    check(Api::EndTxn, &[RD_KAFKA_RESP_ERR__TRANSPORT], Ok(()), After::Committed);
    check(Api::EndTxn, &[RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH], Err(Class::Fenced), After::Recycle);
    check(Api::EndTxn, &[RD_KAFKA_RESP_ERR_PRODUCER_FENCED], Err(Class::Fenced), After::Recycle);
    check(Api::EndTxn, &[RD_KAFKA_RESP_ERR_INVALID_TXN_STATE], Err(Class::Fatal), After::Recycle);
    check(Api::Produce, &[RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 2], Ok(()), After::Committed);
    check(Api::Produce, &[RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE], Err(Class::Abortable), After::Recycle);
    check(Api::Produce, &[RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED], Err(Class::Abortable), After::Recycle);
    check(
        Api::AddPartitionsToTxn,
        &[RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED],
        Err(Class::Abortable),
        After::Recycle,
    );
}

/// The connection broke during the commit and librdkafka asked again, unseen: the commit says yes, the producer must
/// not be used again.
#[test]
fn an_invisible_retry_makes_the_producer_suspect() {
    let mock = Mock::new();
    let (mut producer, group) = (mock.producer(), mock.group());
    transaction(&mut producer, &group).unwrap();
    assert!(!producer.is_suspect());
    mock.cluster.request_errors(Api::EndTxn, &[Answer::RD_KAFKA_RESP_ERR__TRANSPORT]);
    transaction(&mut producer, &group).unwrap();
    assert!(producer.is_suspect());
    producer.recycle(TIMEOUT).unwrap();
    assert!(!producer.is_suspect());
    transaction(&mut producer, &group).unwrap();
}

#[test]
fn a_record_that_a_broker_refuses_is_named() {
    let mock = Mock::new();
    let mut producer = mock.producer();
    transaction(&mut producer, &mock.group()).unwrap();
    assert_eq!(producer.undelivered(), None);
    mock.cluster.request_errors(Api::Produce, &[Answer::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    producer.begin().unwrap();
    producer.send(&outgoing(2), deadline()).unwrap();
    let failure = producer.commit(deadline()).unwrap_err();
    assert_eq!(failure.during, "commit");
    let undelivered = producer.undelivered().unwrap();
    assert_eq!((undelivered.topic.as_str(), undelivered.partition), (TOPIC, 2));
    assert_eq!(undelivered.code, Some(RDKafkaErrorCode::MessageSizeTooLarge));
}

#[test]
fn a_record_too_large_for_the_client_harms_nothing() {
    let mock = Mock::new();
    let mut producer = mock.producer();
    producer.begin().unwrap();
    let payload = vec![b'x'; MESSAGE_BYTES_MAX + 1];
    let failure = producer.send(&Outgoing { payload: Some(&payload), ..outgoing(0) }, deadline()).unwrap_err();
    assert_eq!(failure.class, Class::TooLarge);
    producer.send(&outgoing(0), deadline()).unwrap();
    producer.commit(deadline()).unwrap();
    assert_eq!(producer.undelivered(), None);
}

/// Brokers that do not answer: every call ends by its deadline, and the producer comes back with them.
#[test]
fn deadlines_hold_while_no_broker_answers() {
    let mock = Mock::new();
    let (mut producer, group) = (mock.producer(), mock.group());
    producer.begin().unwrap();
    producer.send(&outgoing(0), deadline()).unwrap();
    producer.drain(deadline()).unwrap();
    mock.cluster.broker_down(-1).unwrap();
    producer.send(&outgoing(0), deadline()).unwrap();
    let check = |what: &str, begun: Instant, limit: Duration| {
        assert!(begun.elapsed() < limit, "{what} took {:?}", begun.elapsed());
    };
    let short = Duration::from_millis(300);
    let begun = clock::now();
    let failure = producer.commit(Deadline::after(short)).unwrap_err();
    assert_eq!(failure.class, Class::DrainTimeout, "{failure}");
    check("commit", begun, 3 * short);
    let begun = clock::now();
    assert_eq!(producer.abort(Deadline::after(short)).unwrap_err().class, Class::DrainTimeout);
    check("abort", begun, 3 * short);
    let begun = clock::now();
    assert!(producer.recycle(short).is_err());
    assert!(producer.is_suspect() && producer.begin().is_err(), "there is no producer");
    check("recycle", begun, Duration::from_secs(4));
    mock.cluster.broker_up(-1).unwrap();
    producer.recycle(Duration::from_secs(10)).unwrap();
    transaction(&mut producer, &group).unwrap();
}

/// Offsets without a generation would be taken from anybody: metadata is handed out only between join and leave.
#[test]
fn there_is_a_generation_only_in_the_group() {
    let mock = Mock::new();
    let consumer = mock.consumer();
    assert!(consumer.group_metadata().is_some(), "librdkafka itself gives metadata without a generation");
    assert_eq!(native::group_generation(&consumer), None);
    assert!(native::group_metadata(&consumer).is_none());
    consumer.subscribe(&[TOPIC]).unwrap();
    let joined = Deadline::after(Duration::from_secs(20));
    while consumer.assignment().unwrap().count() == 0 {
        assert!(!joined.is_over(), "not joined");
        drop(consumer.poll(Duration::from_millis(50)));
    }
    let (_, generation) = native::group_metadata(&consumer).unwrap();
    assert!(generation >= 1);
    assert_eq!(native::group_generation(&consumer), Some(generation));
}
