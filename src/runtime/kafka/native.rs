//! Calls of librdkafka that rdkafka's safe interface lacks. The only unsafe code of the program.
#![expect(
    unsafe_code,
    reason = "librdkafka's C interface; every pointer is checked, and freed in the function it came to"
)]

use std::ffi::{CStr, CString, c_char};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::bindings as c;
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::RDKafkaErrorCode;

/// The group's generation as this member knows it; `None` while it belongs to none.
pub fn group_generation<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<i32> {
    // SAFETY: the client lives as long as `consumer`; the metadata is a copy, which is freed here.
    let generation = unsafe {
        let metadata = c::rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return None;
        }
        let generation = c::rd_kafka_consumer_group_metadata_generation_id(metadata);
        c::rd_kafka_consumer_group_metadata_destroy(metadata);
        generation
    };
    (generation >= 0).then_some(generation)
}

/// The metadata that fences a transaction, with its generation; `None` while this member belongs to none. Metadata
/// without a generation is never handed out: a coordinator takes offsets with it from anybody when the group is empty.
pub fn group_metadata<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<(ConsumerGroupMetadata, i32)> {
    let before = group_generation(consumer)?;
    let metadata = consumer.group_metadata()?;
    // A generation never comes back, so the one in between was the same.
    (group_generation(consumer)? == before).then_some((metadata, before))
}

/// What an ACL can allow on a topic, of what matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Read,
    Write,
    Describe,
    DescribeConfigs,
}

impl Operation {
    /// As Kafka's tools spell it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Read => "Read",
            Operation::Write => "Write",
            Operation::Describe => "Describe",
            Operation::DescribeConfigs => "DescribeConfigs",
        }
    }

    fn from_native(number: u32) -> Option<Operation> {
        let is = |operation: c::rd_kafka_AclOperation_t| number == operation as u32;
        if is(c::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_READ) {
            Some(Operation::Read)
        } else if is(c::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_WRITE) {
            Some(Operation::Write)
        } else if is(c::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_DESCRIBE) {
            Some(Operation::Describe)
        } else if is(c::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS) {
            Some(Operation::DescribeConfigs)
        } else {
            None
        }
    }
}

/// A topic as the brokers describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Replicas of each partition.
    pub partitions: Vec<usize>,
    /// The topic's own id: a topic that is deleted and created again has another. Text, as Kafka's tools print it.
    pub id: String,
    /// What this client may do; `None` when the brokers do not say.
    pub operations: Option<Vec<Operation>>,
}

/// Describes topics: each with its name, or why it has no description.
pub type Descriptions = Vec<(String, Result<Description, RDKafkaErrorCode>)>;

/// Asks for topics by name. rdkafka's admin client has no such call: it cannot tell topic ids nor rights.
pub fn describe_topics<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    timeout: Duration,
) -> Result<Descriptions, RDKafkaErrorCode> {
    let names: Vec<CString> = names.iter().filter_map(|name| CString::new(*name).ok()).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client outlives the call. Collection and options are copied by librdkafka before `DescribeTopics`
    // returns; queue, event, options and collection are freed below, after the last use of what belongs to them.
    unsafe {
        let rk = client.native_ptr();
        let queue = c::rd_kafka_queue_new(rk);
        let options = c::rd_kafka_AdminOptions_new(rk, c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
        // Values out of range leave the default, which will do.
        c::rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, std::ptr::null_mut(), 0);
        let refused = c::rd_kafka_AdminOptions_set_include_authorized_operations(options, 1);
        if !refused.is_null() {
            c::rd_kafka_error_destroy(refused);
        }
        let topics = c::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        c::rd_kafka_DescribeTopics(rk, topics, options, queue);
        c::rd_kafka_TopicCollection_destroy(topics);
        c::rd_kafka_AdminOptions_destroy(options);
        let event = c::rd_kafka_queue_poll(queue, timeout_ms);
        let result = if event.is_null() { Err(RDKafkaErrorCode::OperationTimedOut) } else { descriptions(event) };
        if !event.is_null() {
            c::rd_kafka_event_destroy(event);
        }
        c::rd_kafka_queue_destroy(queue);
        result
    }
}

/// # Safety
/// `event` is a live event of librdkafka's.
unsafe fn descriptions(event: *mut c::rd_kafka_event_t) -> Result<Descriptions, RDKafkaErrorCode> {
    // SAFETY: what the calls return belongs to the event, and is copied here; arrays have the length given with them.
    unsafe {
        let error = RDKafkaErrorCode::from(c::rd_kafka_event_error(event));
        if error != RDKafkaErrorCode::NoError {
            return Err(error);
        }
        let result = c::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err(RDKafkaErrorCode::InvalidType);
        }
        let mut count = 0;
        let topics = c::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        Ok((0..count).map(|index| description(*topics.add(index))).collect())
    }
}

/// # Safety
/// `topic` is alive.
unsafe fn description(
    topic: *const c::rd_kafka_TopicDescription_t,
) -> (String, Result<Description, RDKafkaErrorCode>) {
    // SAFETY: as above.
    unsafe {
        let name = text(c::rd_kafka_TopicDescription_name(topic));
        let error = RDKafkaErrorCode::from(c::rd_kafka_error_code(c::rd_kafka_TopicDescription_error(topic)));
        if error != RDKafkaErrorCode::NoError {
            return (name, Err(error));
        }
        let mut count = 0;
        let partitions = c::rd_kafka_TopicDescription_partitions(topic, &mut count);
        let replicas = |index| {
            let mut replicas = 0;
            c::rd_kafka_TopicPartitionInfo_replicas(*partitions.add(index), &mut replicas);
            replicas
        };
        let partitions = (0..count).map(replicas).collect();
        let operations = c::rd_kafka_TopicDescription_authorized_operations(topic, &mut count);
        // Numbers, because a newer broker's could be none of the enum's.
        let operations = (!operations.is_null() && count > 0).then(|| {
            let numbers = std::slice::from_raw_parts(operations.cast::<u32>(), count);
            numbers.iter().filter_map(|number| Operation::from_native(*number)).collect()
        });
        let id = c::rd_kafka_TopicDescription_topic_id(topic);
        let id = if id.is_null() { String::new() } else { text(c::rd_kafka_Uuid_base64str(id)) };
        (name, Ok(Description { partitions, id, operations }))
    }
}

/// # Safety
/// `pointer` is null or a C string.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: it is a C string, and copied at once.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}
