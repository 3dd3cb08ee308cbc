//! The only code that waits, reads, writes or asks the time.
//!
//! `task` is one part of the users with its engine, the same for every runtime; `tables` reads the files that
//! enrichment rests on, `replay` feeds tasks from log files, `kafka` from Kafka; `reload` takes up what changed in files;
//! `state_file` keeps what was learnt, in a `parts_file`.

pub mod clock;
pub mod kafka;
pub mod parts_file;
pub mod people;
pub mod reload;
pub mod replay;
pub mod state_file;
pub mod tables;
pub mod task;
