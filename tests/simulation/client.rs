//! A task's Kafka client in the simulation: [`TaskLog`] over requests that the scheduler executes, loses or delays.
//!
//! It does what librdkafka does: it repeats a request whose answer does not come, unseen by the caller, and gives up
//! in the end. Whatever it had to repeat makes the producer suspect (`clean`), as a copy may still be on its way.

use corosensei::Yielder;
use farsign::runtime::kafka::log::{Change, Committed, Failure, TaskLog};
use farsign::runtime::kafka::marker::{MARKER_KEY, Marker};
use farsign::runtime::kafka::outbox::{Destination, Frozen};

use super::broker::{Answer, Code, OFFSETS, Place, Request, output, state};
use super::faults::Planted;
use super::group::Membership;
use super::log::{Data, Entry, Producer};

/// What a task asks of the scheduler.
#[derive(Clone, Debug)]
pub enum Call {
    Send(Request),
    /// The consumer's membership, as its client knows it; `None` when the task is not to write (any more).
    Metadata,
    /// What to do next; after the next completed poll of the group, or at once.
    Next {
        after_poll: bool,
    },
}

#[derive(Debug)]
pub enum Reply {
    Answer(Result<Answer, Code>),
    Timeout,
    Metadata(Option<Membership>),
    /// Take so many records; then commit, or not yet.
    Go {
        count: usize,
        freeze: bool,
    },
    /// The partition is being revoked: commit once, and end.
    Stop,
    /// The partition is no longer ours.
    Lost,
}

/// How often a request is repeated before the client gives up.
const TRIES_MAX: usize = 3;
/// How often it asks again when the broker is not ready.
const WAITS_MAX: usize = 400;
/// Records of a fetch: few, so that much happens between two.
const FETCH_RECORDS: usize = 6;

enum Trouble {
    GaveUp,
    Code(Code),
}

pub struct Client<'y> {
    yielder: &'y Yielder<Reply, Call>,
    partition: i32,
    planted: Planted,
    producer: Option<Producer>,
    sequences: Vec<(Place, usize)>,
    is_open: bool,
    is_clean: bool,
    /// The state has been read once.
    is_restored: bool,
    /// The marker sent last, when its transaction failed: for planted bugs.
    failed_marker: Option<Vec<u8>>,
}

impl<'y> Client<'y> {
    pub fn new(yielder: &'y Yielder<Reply, Call>, partition: i32, planted: Planted) -> Client<'y> {
        Client {
            yielder,
            partition,
            planted,
            producer: None,
            sequences: Vec::new(),
            is_open: false,
            is_clean: true,
            is_restored: false,
            failed_marker: None,
        }
    }

    pub fn next(&self, after_poll: bool) -> Reply {
        self.yielder.suspend(Call::Next { after_poll })
    }

    /// Input records from `position`.
    pub fn input(&mut self, position: i64, count: usize) -> Option<Vec<Entry>> {
        let place = super::broker::input(self.partition);
        match self.send(Request::Fetch { place, position, count }) {
            Ok(Answer::Records(records, _)) => Some(records),
            _ => None,
        }
    }

    fn send(&mut self, request: Request) -> Result<Answer, Trouble> {
        let (mut tries, mut waits) = (0, 0);
        loop {
            match self.yielder.suspend(Call::Send(request.clone())) {
                Reply::Answer(Ok(answer)) => return Ok(answer),
                Reply::Answer(Err(Code::ConcurrentTransactions | Code::UnstableOffset | Code::NotAvailable))
                    if waits < WAITS_MAX =>
                {
                    waits += 1
                }
                Reply::Answer(Err(code)) => return Err(Trouble::Code(code)),
                Reply::Timeout if tries < TRIES_MAX => {
                    self.is_clean = false;
                    tries += 1;
                }
                Reply::Timeout => {
                    self.is_clean = false;
                    return Err(Trouble::GaveUp);
                }
                other => panic!("{other:?} is no answer to a request"),
            }
        }
    }

    /// A request before the end of a transaction: without an answer it is known not to be committed.
    fn step(&mut self, request: Request) -> Result<Answer, Failure> {
        self.send(request).map_err(|trouble| match trouble {
            Trouble::GaveUp => Failure::Abortable("no answer".to_owned()),
            Trouble::Code(code) => failure(code),
        })
    }

    fn producer(&self) -> Result<Producer, Failure> {
        self.producer.ok_or_else(|| Failure::Unknown("no producer".to_owned()))
    }

    fn begin(&mut self) -> Result<(), Failure> {
        let name = self.partition;
        match self.send(Request::InitProducerId { name }) {
            Ok(Answer::Producer(producer)) => {
                self.producer = Some(producer);
                self.sequences.clear();
                (self.is_open, self.is_clean) = (false, true);
                Ok(())
            }
            _ => Err(Failure::Unknown("no producer id".to_owned())),
        }
    }

    fn produce(&mut self, place: Place, data: Vec<Data>) -> Result<i64, Failure> {
        let producer = self.producer()?;
        self.step(Request::AddPartitions { producer, places: vec![place] })?;
        let count = data.len();
        let index = self.sequences.iter().position(|(known, _)| *known == place).unwrap_or_else(|| {
            self.sequences.push((place, 0));
            self.sequences.len() - 1
        });
        let sequence = self.sequences[index].1;
        let answer = self.step(Request::Produce { producer, place, sequence, data })?;
        self.sequences[index].1 += count;
        match answer {
            Answer::Offset(Some(offset)) => Ok(offset),
            other => panic!("{other:?} is no answer to a produce request"),
        }
    }

    /// Sends the records destination by destination; gives where the changelog's begin.
    fn produce_all(&mut self, frozen: &Frozen) -> Result<i64, Failure> {
        let mut state_offset = 0;
        for destination in Destination::ALL {
            let mine = || frozen.outbox.records().filter(|record| record.destination == destination);
            // No destination is written to in two partitions at once.
            let partition = mine().find_map(|record| record.partition).unwrap_or(self.partition);
            let data: Vec<Data> = mine()
                .map(|record| (record.key.map(<[u8]>::to_vec), record.payload.map(<[u8]>::to_vec)))
                .collect();
            if data.is_empty() {
                continue;
            }
            let last = data.len() as i64 - 1;
            let first = self.produce(output(destination, partition), data)?;
            if destination == Destination::State {
                // Where a repeated send was first taken is not known: then from the beginning.
                state_offset = if first == 0 { 0 } else { first + last };
            }
        }
        Ok(state_offset)
    }

    fn send_offsets(&mut self, frozen: &Frozen) -> Result<(), Failure> {
        let producer = self.producer()?;
        self.step(Request::AddPartitions { producer, places: vec![OFFSETS] })?;
        let membership = match self.yielder.suspend(Call::Metadata) {
            Reply::Metadata(membership) => membership,
            other => panic!("{other:?} is no membership"),
        };
        let membership = match (membership, self.planted.no_group_metadata) {
            (_, true) => None,
            (Some(membership), false) => Some(membership),
            (None, false) => return Err(Failure::GroupFenced("not a member".to_owned())),
        };
        let (partition, offset) = (self.partition, frozen.next[0].1);
        self.step(Request::TxnOffsetCommit { producer, membership, partition, offset }).map(drop)
    }

    fn end(&mut self, is_commit: bool) -> Result<(), Failure> {
        let producer = self.producer()?;
        let result = self.send(Request::EndTxn { producer, is_commit });
        self.is_open = false;
        match result {
            Ok(_) => Ok(()),
            Err(Trouble::GaveUp) => Err(Failure::Unknown("no answer".to_owned())),
            Err(Trouble::Code(Code::Fenced)) => Err(failure(Code::Fenced)),
            Err(Trouble::Code(code)) => Err(Failure::Unknown(format!("{code:?}"))),
        }
    }

    /// What a planted bug makes of the question whether the last transaction was committed.
    fn answer_planted(&self, visit: &mut dyn FnMut(Change<'_>)) -> bool {
        let Some(marker) = &self.failed_marker else { return false };
        let mut marker = Marker::decode(marker).expect("written by the task");
        if self.planted.resend_without_asking {
            marker.transaction -= 1;
        } else if !self.planted.assume_committed {
            return false;
        }
        if marker.transaction > 0 {
            visit(Change { offset: 0, key: MARKER_KEY, payload: Some(&marker.encode()) });
        }
        true
    }

    fn read(&mut self, mut position: i64, visit: &mut dyn FnMut(Change<'_>)) -> Result<i64, Failure> {
        let place = state(self.partition);
        let is_committed = self.planted.restore_to_stable_end;
        let end = match self.step(Request::ListOffsets { place, is_committed })? {
            Answer::Offset(Some(end)) => end,
            other => panic!("{other:?} is no end of a partition"),
        };
        let mut waits = 0;
        while position < end {
            let answer = self.step(Request::Fetch { place, position, count: FETCH_RECORDS })?;
            let Answer::Records(entries, next) = answer else { panic!("{answer:?} is no answer to a fetch") };
            for Entry { offset, key, value, .. } in &entries {
                let key = key.as_deref().unwrap_or_default();
                visit(Change { offset: *offset, key, payload: value.as_deref() });
            }
            if next == position {
                waits += 1;
                if self.planted.restore_to_first_end {
                    break;
                }
                if waits > WAITS_MAX {
                    return Err(Failure::Abortable("the changelog does not go on".to_owned()));
                }
            }
            position = next;
        }
        Ok(position)
    }
}

fn failure(code: Code) -> Failure {
    match code {
        Code::Fenced => Failure::Fenced("old epoch".to_owned()),
        Code::Group(refused) => Failure::GroupFenced(format!("{refused:?}")),
        Code::ConcurrentTransactions | Code::UnstableOffset | Code::NotAvailable => {
            Failure::Abortable(format!("{code:?}"))
        }
        Code::InvalidTransactionState | Code::OutOfOrderSequence => Failure::Unknown(format!("{code:?}")),
    }
}

impl TaskLog for Client<'_> {
    fn renew(&mut self) -> Result<(), Failure> {
        let is_late = self.planted.restore_before_renew && !self.is_restored;
        if is_late { Ok(()) } else { self.begin() }
    }

    fn transact(&mut self, frozen: &Frozen) -> Result<Committed, Failure> {
        self.is_open = true;
        let marker = frozen.outbox.records().filter(|record| record.key == Some(MARKER_KEY)).last();
        self.failed_marker = marker.and_then(|record| record.payload.map(<[u8]>::to_vec));
        let marker_offset = self.produce_all(frozen)?;
        self.send_offsets(frozen)?;
        self.end(true)?;
        self.failed_marker = None;
        Ok(Committed { clean: self.is_clean || self.planted.keep_unclean_producer, marker_offset })
    }

    fn abort(&mut self) -> Result<(), Failure> {
        if self.is_open {
            self.end(false)?;
        }
        if self.is_clean || self.planted.trust_unclean_abort || self.planted.keep_unclean_producer {
            return Ok(());
        }
        Err(Failure::Abortable("a request was repeated".to_owned()))
    }

    fn changes(&mut self, position: i64, visit: &mut dyn FnMut(Change<'_>)) -> Result<i64, Failure> {
        if self.is_restored && self.answer_planted(visit) {
            return Ok(position);
        }
        let end = self.read(position, visit)?;
        if self.planted.restore_before_renew && !self.is_restored {
            self.begin()?;
        }
        self.is_restored = true;
        Ok(end)
    }

    fn committed_offset(&mut self) -> Result<Option<i64>, Failure> {
        let partition = self.partition;
        match self.step(Request::OffsetFetch { partition })? {
            Answer::Offset(offset) => Ok(offset),
            other => panic!("{other:?} is no offset"),
        }
    }
}
