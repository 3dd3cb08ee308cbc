//! Farsign on Kafka.
//!
//! `client` turns the configuration into librdkafka's properties, one set for each role of a client; `failure` sorts
//! librdkafka's errors into the few classes a protocol acts on; `producer` is one transactional producer with
//! deadlines; `topics` makes and verifies topics; `native` holds the calls that rdkafka's safe interface lacks. Threads are std threads: every call of the
//! transaction protocol blocks, and rebalance callbacks run on the thread that polls.

pub mod client;
pub mod failure;
pub mod native;
pub mod producer;
mod token;
pub mod topics;
