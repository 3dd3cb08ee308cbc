//! Where a share of the tasks gets its records from: the task's own partitions when the input is keyed by user, or all
//! of the input through the repartition stage's relays, in memory, when it is not.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::merge::{Held, Merge};
use super::{OfflineError, Outlet};
use crate::runtime::kafka::outbox::Destination;
use crate::runtime::kafka::partition::TaskSettings;
use crate::runtime::kafka::record::Source;
use crate::runtime::kafka::repartition::Relay;

/// Bytes that wait for tasks of one process behind the relays. Beyond it a task without a record counts as one that has
/// nothing left to read, as it would live.
pub const ROUTED_BYTES_MAX: usize = 256 << 20;
/// Records routed at once.
const ROUTED_RECORDS: usize = 256;

/// What asking for a record came to.
pub enum Next {
    Record(Box<Held>),
    /// Nothing for this task, as far as has been read; there may be more.
    Idle,
    /// There will be none.
    End,
}

/// One for each thread.
pub enum Feed {
    /// By task.
    Keyed(BTreeMap<i32, Merge>),
    Routed(Box<Router>),
}

impl Feed {
    pub fn next(&mut self, task: i32, outlet: &mut Outlet) -> Result<Next, OfflineError> {
        match self {
            Feed::Keyed(merges) => {
                let Some(merge) = merges.get_mut(&task) else { return Ok(Next::End) };
                Ok(match merge.next()? {
                    Some(held) => {
                        outlet.saw(held.bytes());
                        Next::Record(Box::new(held))
                    }
                    None => Next::End,
                })
            }
            Feed::Routed(router) => router.next(task, outlet),
        }
    }
}

/// The repartition stage in memory.
pub struct Router {
    merge: Merge,
    settings: Arc<TaskSettings>,
    /// The input topics and the commands.
    entrances: Arc<[Source]>,
    partitions: usize,
    relays: BTreeMap<(usize, i32), Relay>,
    queues: Vec<VecDeque<Held>>,
    /// The offset of the next record for each task: its place in what the repartition topic would hold.
    offsets: Vec<i64>,
    bytes: usize,
    is_ended: bool,
}

impl Router {
    pub fn new(merge: Merge, settings: Arc<TaskSettings>, entrances: Arc<[Source]>, partitions: usize) -> Router {
        Router {
            merge,
            settings,
            entrances,
            partitions,
            relays: BTreeMap::new(),
            queues: (0..partitions).map(|_| VecDeque::new()).collect(),
            offsets: vec![0; partitions],
            bytes: 0,
            is_ended: false,
        }
    }

    fn next(&mut self, task: i32, outlet: &mut Outlet) -> Result<Next, OfflineError> {
        let index = task as usize;
        while self.queues[index].is_empty() {
            if self.is_ended {
                return Ok(Next::End);
            }
            if self.bytes > ROUTED_BYTES_MAX {
                return Ok(Next::Idle);
            }
            self.route(outlet)?;
        }
        let held = self.queues[index].pop_front();
        self.bytes -= held.as_ref().map_or(0, Held::bytes);
        Ok(held.map_or(Next::End, |held| Next::Record(Box::new(held))))
    }

    fn route(&mut self, outlet: &mut Outlet) -> Result<(), OfflineError> {
        for _ in 0..ROUTED_RECORDS {
            let Some(held) = self.merge.next()? else {
                self.is_ended = true;
                break;
            };
            outlet.saw(held.bytes());
            self.relay(&held, outlet)?;
        }
        Ok(())
    }

    fn relay(&mut self, held: &Held, outlet: &mut Outlet) -> Result<(), OfflineError> {
        let Router { settings, entrances, partitions, relays, .. } = self;
        let relay = relays.entry((held.source, held.partition)).or_insert_with(|| {
            let source = entrances[held.source].clone();
            Relay::new(settings.clone(), source, held.partition, *partitions, held.offset, true)
        });
        // A relay reads one source, and its records are of that.
        let record = Held { source: 0, ..held.clone() };
        if let Some(stop) = relay.take(&[record.record()]) {
            return Err(OfflineError::Stopped(stop));
        }
        let parcel = relay.pack();
        outlet.count_relayed(&parcel.counts);
        for record in parcel.outbox.records() {
            match (record.destination, record.partition) {
                (Destination::Repartition, Some(task)) => {
                    let index = task as usize;
                    let held = Held {
                        source: 0,
                        partition: task,
                        offset: self.offsets[index],
                        timestamp_ms: held.timestamp_ms,
                        key: record.key.map(<[u8]>::to_vec),
                        payload: record.payload.map(<[u8]>::to_vec),
                        headers: record.headers.to_vec(),
                    };
                    self.offsets[index] += 1;
                    self.bytes += held.bytes();
                    self.queues[index].push_back(held);
                }
                _ => outlet.write(&record)?,
            }
        }
        Ok(())
    }
}
