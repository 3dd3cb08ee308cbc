//! How far the tasks are behind: their committed offsets against the ends of their topics, every few seconds.
//!
//! The end is the last that a read-committed reader can see. Asking blocks, so it has a thread of its own; workers are
//! told, as the gauges are theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;
use rdkafka::consumer::Consumer;

use super::group::worker_of;
use super::happening::{Board, Happening};
use super::kafka_log::{self, Reader};
use super::names::Names;

const EVERY: Duration = Duration::from_secs(5);
const ASK_MAX: Duration = Duration::from_secs(5);
/// How often the end of the program is looked for.
const LOOK: Duration = Duration::from_millis(100);

pub struct Monitor {
    pub names: Arc<Names>,
    pub board: Arc<Board>,
    /// One a worker.
    pub inboxes: Vec<Sender<Happening>>,
    pub stop: Arc<AtomicBool>,
}

impl Monitor {
    pub fn run(&self) {
        let reader = match kafka_log::reader(&self.names, "watermarks") {
            Ok(reader) => reader,
            Err(error) => return tracing::error!(%error, "cannot make a client; lag is not measured"),
        };
        while !self.stop.load(Ordering::Acquire) {
            self.look(&reader);
            let mut waited = Duration::ZERO;
            while waited < EVERY && !self.stop.load(Ordering::Acquire) {
                std::thread::sleep(LOOK);
                waited += LOOK;
            }
        }
    }

    fn look(&self, reader: &Reader) {
        for (partition, places) in self.board.positions() {
            for (topic, next) in places {
                // Its own events, and a token where there is one, are served by polling.
                drop(reader.poll(Duration::ZERO));
                if self.stop.load(Ordering::Acquire) {
                    return;
                }
                match reader.fetch_watermarks(&topic, partition, ASK_MAX) {
                    Ok((_, end)) => {
                        let records = u64::try_from(end - next).unwrap_or(0);
                        let inbox = &self.inboxes[worker_of(partition, self.inboxes.len())];
                        // A worker that is gone has no gauges.
                        inbox.send(Happening::Lag { partition, topic, records }).ok();
                    }
                    Err(error) => {
                        tracing::warn!(partition, %error, "cannot ask for the end of a partition");
                        return;
                    }
                }
            }
        }
    }
}
