//! Calls of librdkafka that rdkafka's safe interface lacks. The only unsafe code of the program.
#![expect(
    unsafe_code,
    reason = "librdkafka's C interface; every pointer is checked, and freed in the function it came to"
)]

use rdkafka::bindings as c;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};

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
