//! The live runtime: sign-ins from Kafka → risk detections to Kafka, exactly once, scaled out by consumer group.
//!
//! ```text
//! group ─▶ worker ─▶ partition (pure) ─▶ outbox ─▶ protocol ─▶ producer ─▶ Kafka
//! (who owns  (whose    (records in,        (what one   (commit, restore,    (one transaction: outputs,
//!  what)      turn)     nothing out yet)    commit writes) ask when in doubt)  state, marker, offsets)
//! ```
//! A *task* is one partition number of the lead input topic: its users' state, the changelog partition that holds it,
//! a transactional producer of its own. What a read-committed reader sees of a task's outputs, state and offsets has
//! always come about together. What Kafka does, Kafka does: nothing here elects, replicates or stores. Threads are std
//! threads: every call of the transaction protocol blocks, and rebalance callbacks run on the thread that polls.

pub mod breaker;
pub mod changelog;
pub mod client;
pub mod commit;
pub mod contributions;
pub mod counts;
pub mod dead_letter;
pub mod failure;
pub mod group;
pub mod happening;
pub mod intake;
pub mod judging;
pub mod kafka_log;
pub mod learnt;
pub mod letter;
pub mod log;
pub mod marker;
pub mod monitor;
pub mod names;
pub mod native;
pub mod offline;
pub mod open;
pub mod outbox;
pub mod partition;
pub mod probe;
pub mod probe_check;
pub mod probe_read;
pub mod producer;
pub mod profiles;
pub mod protocol;
pub mod record;
pub mod repartition;
pub mod reset;
pub mod run;
pub mod scan;
pub mod settings;
pub mod shared;
mod slot;
pub mod snapshot;
mod token;
pub mod topics;
pub mod transfer;
pub mod worker;
