//! The simulated Kafka at the level of its requests: partitions, the transaction coordinator, the group's offsets.
//!
//! Transactions end as they do in Kafka with clients of protocol v1: `EndTxn` is answered when the decision is
//! written, the markers follow later, one partition at a time, and the epoch changes with `InitProducerId` alone.
//! `Produce` and `TxnOffsetCommit` are verified against the coordinator (KIP-890, part 1). State is never lost: acks
//! are of all replicas.

use std::collections::{BTreeMap, BTreeSet};

use farsign::runtime::kafka::outbox::Destination;

use super::dice::Dice;
use super::group::{Group, GroupRefused, Membership};
use super::log::{Data, Entry, Log, Producer, Refused};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    Input,
    Output(Destination),
    /// `__consumer_offsets`, one partition.
    Offsets,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub topic: Topic,
    pub partition: i32,
}

pub const OFFSETS: Place = Place { topic: Topic::Offsets, partition: 0 };

pub fn state(partition: i32) -> Place {
    output(Destination::State, partition)
}

pub fn output(destination: Destination, partition: i32) -> Place {
    Place { topic: Topic::Output(destination), partition }
}

pub fn input(partition: i32) -> Place {
    Place { topic: Topic::Input, partition }
}

/// What clients ask.
#[derive(Clone, Debug)]
pub enum Request {
    InitProducerId { name: i32 },
    AddPartitions { producer: Producer, places: Vec<Place> },
    Produce { producer: Producer, place: Place, sequence: usize, data: Vec<Data> },
    TxnOffsetCommit { producer: Producer, membership: Option<Membership>, partition: i32, offset: i64 },
    EndTxn { producer: Producer, is_commit: bool },
    ListOffsets { place: Place, is_committed: bool },
    Fetch { place: Place, position: i64, count: usize },
    OffsetFetch { partition: i32 },
}

#[derive(Clone, Debug)]
pub enum Answer {
    Done,
    Producer(Producer),
    /// An offset, when there is one.
    Offset(Option<i64>),
    /// Records and the position behind them.
    Records(Vec<Entry>, i64),
}

/// The brokers' error codes that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Fenced,
    ConcurrentTransactions,
    InvalidTransactionState,
    OutOfOrderSequence,
    UnstableOffset,
    NotAvailable,
    Group(GroupRefused),
}

impl From<Refused> for Code {
    fn from(refused: Refused) -> Code {
        match refused {
            Refused::OldEpoch => Code::Fenced,
            Refused::Sequence => Code::OutOfOrderSequence,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Empty,
    Ongoing,
    /// The decision is written, the markers are not; true = commit.
    Prepare(bool),
    Complete(bool),
}

struct Transaction {
    producer: Producer,
    phase: Phase,
    places: BTreeSet<Place>,
    started: u64,
}

pub struct Broker {
    pub logs: BTreeMap<Place, Log>,
    pub group: Group,
    /// By transactional id, which is the partition's number here.
    transactions: BTreeMap<i32, Transaction>,
    pub offsets: BTreeMap<i32, i64>,
    /// By producer: what its open transaction commits.
    pending_offsets: BTreeMap<u32, BTreeMap<i32, i64>>,
    transaction_timeout: u64,
    /// Offsets taken from an instance that does not own the partition: there must be none.
    pub unfenced: Vec<String>,
}

impl Broker {
    pub fn new(group: Group, transaction_timeout: u64) -> Broker {
        Broker {
            logs: BTreeMap::new(),
            group,
            transactions: BTreeMap::new(),
            offsets: BTreeMap::new(),
            pending_offsets: BTreeMap::new(),
            transaction_timeout,
            unfenced: Vec::new(),
        }
    }

    pub fn log(&mut self, place: Place) -> &mut Log {
        self.logs.entry(place).or_default()
    }

    /// Executes a request of an instance.
    pub fn execute(&mut self, request: Request, instance: usize, now: u64) -> Result<Answer, Code> {
        match request {
            Request::InitProducerId { name } => self.init(name, now).map(Answer::Producer),
            Request::AddPartitions { producer, places } => self.add(producer, places, now),
            Request::Produce { producer, place, sequence, data } => {
                self.verify(producer, place)?;
                let first = self.log(place).produce(producer, sequence, &data)?;
                Ok(Answer::Offset(Some(first)))
            }
            Request::TxnOffsetCommit { producer, membership, partition, offset } => {
                self.commit_offset(producer, membership, (partition, offset), instance)
            }
            Request::EndTxn { producer, is_commit } => self.end(producer, is_commit),
            Request::ListOffsets { place, is_committed } => {
                let log = self.log(place);
                if log.is_recovering() {
                    return Err(Code::NotAvailable);
                }
                Ok(Answer::Offset(Some(if is_committed { log.stable_end() } else { log.end() })))
            }
            Request::Fetch { place, position, count } => {
                let (records, next) = self.log(place).fetch(position, count);
                Ok(Answer::Records(records, next))
            }
            Request::OffsetFetch { partition } => {
                if self.pending_offsets.values().any(|pending| pending.contains_key(&partition)) {
                    return Err(Code::UnstableOffset);
                }
                Ok(Answer::Offset(self.offsets.get(&partition).copied()))
            }
        }
    }

    fn init(&mut self, name: i32, now: u64) -> Result<Producer, Code> {
        let id = name as u32;
        let transaction = self.transactions.entry(name).or_insert(Transaction {
            producer: Producer { id, epoch: 0 },
            phase: Phase::Empty,
            places: BTreeSet::new(),
            started: now,
        });
        match transaction.phase {
            Phase::Ongoing => {
                transaction.producer.epoch += 1;
                Self::prepare(transaction, false);
                Err(Code::ConcurrentTransactions)
            }
            Phase::Prepare(_) => Err(Code::ConcurrentTransactions),
            Phase::Empty | Phase::Complete(_) => {
                transaction.producer.epoch += 1;
                transaction.phase = Phase::Empty;
                Ok(transaction.producer)
            }
        }
    }

    /// The decision; with nothing to mark the transaction is over.
    fn prepare(transaction: &mut Transaction, is_commit: bool) {
        let is_over = transaction.places.is_empty();
        transaction.phase = if is_over { Phase::Complete(is_commit) } else { Phase::Prepare(is_commit) };
    }

    fn transaction(&mut self, producer: Producer) -> Result<&mut Transaction, Code> {
        let transaction = self.transactions.get_mut(&(producer.id as i32)).ok_or(Code::Fenced)?;
        if transaction.producer == producer { Ok(transaction) } else { Err(Code::Fenced) }
    }

    fn add(&mut self, producer: Producer, places: Vec<Place>, now: u64) -> Result<Answer, Code> {
        let transaction = self.transaction(producer)?;
        match transaction.phase {
            Phase::Prepare(_) => return Err(Code::ConcurrentTransactions),
            Phase::Empty | Phase::Complete(_) => {
                transaction.places.clear();
                (transaction.phase, transaction.started) = (Phase::Ongoing, now);
            }
            Phase::Ongoing => {}
        }
        transaction.places.extend(places);
        Ok(Answer::Done)
    }

    /// A partition that has nothing of the transaction yet asks the coordinator whether it is part of it.
    fn verify(&mut self, producer: Producer, place: Place) -> Result<(), Code> {
        if self.log(place).has_open(producer.id) {
            return Ok(());
        }
        let transaction = self.transaction(producer)?;
        let is_part = transaction.phase == Phase::Ongoing && transaction.places.contains(&place);
        if is_part { Ok(()) } else { Err(Code::InvalidTransactionState) }
    }

    fn commit_offset(
        &mut self,
        producer: Producer,
        membership: Option<Membership>,
        (partition, offset): (i32, i64),
        instance: usize,
    ) -> Result<Answer, Code> {
        self.verify(producer, OFFSETS)?;
        self.group.check(membership).map_err(Code::Group)?;
        self.log(OFFSETS).fence(producer)?;
        if self.group.owners.get(&partition) != Some(&instance) {
            self.unfenced.push(format!("instance {instance} committed offset {offset} of partition {partition}"));
        }
        self.pending_offsets.entry(producer.id).or_default().insert(partition, offset);
        Ok(Answer::Done)
    }

    fn end(&mut self, producer: Producer, is_commit: bool) -> Result<Answer, Code> {
        let transaction = self.transaction(producer)?;
        match transaction.phase {
            Phase::Ongoing => {
                Self::prepare(transaction, is_commit);
                Ok(Answer::Done)
            }
            Phase::Complete(before) if before == is_commit => Ok(Answer::Done),
            Phase::Prepare(before) if before == is_commit => Err(Code::ConcurrentTransactions),
            _ => Err(Code::InvalidTransactionState),
        }
    }

    /// Writes one marker of a transaction that is decided, if there is one.
    pub fn write_marker(&mut self, dice: &mut Dice) -> Option<String> {
        let due: Vec<(i32, Place)> = self
            .transactions
            .iter()
            .filter(|(_, transaction)| matches!(transaction.phase, Phase::Prepare(_)))
            .flat_map(|(name, transaction)| transaction.places.iter().map(|place| (*name, *place)))
            .collect();
        if due.is_empty() {
            return None;
        }
        let (name, place) = due[dice.below(due.len())];
        let transaction = self.transactions.get_mut(&name)?;
        let Phase::Prepare(is_commit) = transaction.phase else { return None };
        let producer = transaction.producer;
        transaction.places.remove(&place);
        if transaction.places.is_empty() {
            transaction.phase = Phase::Complete(is_commit);
        }
        self.log(place).mark(producer, is_commit);
        if place == OFFSETS {
            let pending = self.pending_offsets.remove(&producer.id).unwrap_or_default();
            if is_commit {
                self.offsets.extend(pending);
            }
        }
        Some(format!("marker of producer {producer:?} in {place:?}, commit {is_commit}"))
    }

    /// Aborts transactions that have been open for too long, and fences their producers.
    pub fn expire(&mut self, now: u64) {
        self.group.expire(now);
        for transaction in self.transactions.values_mut() {
            if transaction.phase == Phase::Ongoing && now - transaction.started > self.transaction_timeout {
                transaction.producer.epoch += 1;
                Self::prepare(transaction, false);
            }
        }
    }

    pub fn has_open_transactions(&self) -> bool {
        let is_open = |transaction: &Transaction| matches!(transaction.phase, Phase::Ongoing | Phase::Prepare(_));
        self.transactions.values().any(is_open)
    }
}
