//! The live runtime: sign-ins from Kafka → risk detections to Kafka, exactly once, scaled out by consumer group.
//!
//! ```text
//! group ─▶ worker ─▶ partition (pure) ─▶ outbox ─▶ protocol ─▶ producer ─▶ Kafka
//! (who owns  (whose    (records in,        (what one   (commit, restore,    (one transaction: outputs,
//!  what)      turn)     nothing out yet)    commit writes) ask when in doubt)  state, marker, offsets)
//! ```
//! A *task* is one partition number of the lead input topic: its users' state, the changelog partition that holds it,
//! a transactional producer of its own. What a read-committed reader sees of a task's outputs, state and offsets has
//! always come about together. What Kafka does, Kafka does: nothing here elects, replicates or stores.

pub mod contributions;
pub mod dead_letter;
pub mod intake;
pub mod log;
pub mod marker;
pub mod outbox;
pub mod partition;
pub mod probe;
pub mod protocol;
pub mod record;
pub mod shared;
