//! The scheduler: instances, their tasks and the broker take turns by seed, and everything fails that can.
//!
//! A step is one request, one poll of a group, one marker, one fault. First comes chaos, then a quiet time in which
//! all must come to rest: every input record committed, nothing on its way. Then [`super::checker`] judges.

use std::collections::BTreeMap;

use super::broker::{Broker, Request, Topic, input, output};
use super::client::{Call, Reply};
use super::dice::Dice;
use super::faults::{Faults, Planted};
use super::group::Group;
use super::instance::{Actor, Instance, Life, Order};
use super::log::Entry;
use super::task::{self, Ended, Make};
use super::workload::Digest;
use farsign::runtime::kafka::outbox::Destination;

pub const PARTITIONS: i32 = 3;
const INSTANCES: usize = 3;
/// In steps, as all times here. A member is heard from about every 50.
const SESSION_TIMEOUT: u64 = 300;
const TRANSACTION_TIMEOUT: u64 = 400;
const PAUSE_MAX: usize = 900;
const DOWN_MAX: usize = 300;
const DELAY_MAX: usize = 250;
/// In which everything must come to rest. It takes some thousand.
const QUIET_STEPS_MAX: u64 = 60_000;

/// What is simulated.
#[derive(Clone, Copy)]
pub struct World {
    pub make: Make,
    pub feed: fn(&mut Dice, i64) -> Vec<u8>,
    pub faults: Faults,
    pub planted: Planted,
    pub chaos_steps: u64,
}

/// What happened, to see that a simulation is worth something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub steps: u64,
    pub crashes: u64,
    pub pauses: u64,
    pub scalings: u64,
    pub broker_restarts: u64,
    pub requests_lost: u64,
    pub requests_delayed: u64,
    pub tasks: u64,
    pub transactions: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        self.steps += other.steps;
        self.crashes += other.crashes;
        self.pauses += other.pauses;
        self.scalings += other.scalings;
        self.broker_restarts += other.broker_restarts;
        self.requests_lost += other.requests_lost;
        self.requests_delayed += other.requests_delayed;
        self.tasks += other.tasks;
        self.transactions += other.transactions;
    }
}

/// On its way, until its time comes.
struct Delayed {
    due: u64,
    instance: usize,
    request: Request,
}

pub struct Cluster {
    pub world: World,
    pub broker: Broker,
    pub dice: Dice,
    pub now: u64,
    pub instances: Vec<Instance>,
    /// Sent by an instance, and to be executed later.
    delayed: Vec<Delayed>,
    /// A read-committed reader beside it all: its positions, and what it saw.
    positions: BTreeMap<i32, i64>,
    pub seen: BTreeMap<i32, Vec<Entry>>,
    pub tally: Tally,
    /// Tasks that found somebody else's transactions, though they were the owner's.
    pub alarms: Vec<String>,
    /// State of each task at the end.
    pub digests: BTreeMap<i32, Digest>,
    trace: Option<Vec<String>>,
}

impl Cluster {
    pub fn new(seed: u64, world: World, is_traced: bool) -> Cluster {
        let group = Group::new(PARTITIONS, SESSION_TIMEOUT);
        let mut instances: Vec<Instance> = (0..INSTANCES).map(|_| Instance::default()).collect();
        instances[0].life = Life::Up;
        Cluster {
            world,
            broker: Broker::new(group, TRANSACTION_TIMEOUT),
            dice: Dice::new(seed),
            now: 0,
            instances,
            delayed: Vec::new(),
            positions: BTreeMap::new(),
            seen: BTreeMap::new(),
            tally: Tally::default(),
            alarms: Vec::new(),
            digests: BTreeMap::new(),
            trace: is_traced.then(Vec::new),
        }
    }

    pub fn note(&mut self, text: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:>6} {}", text()));
        }
    }

    pub fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    /// Chaos, rest, end. The error: it never came to rest.
    pub fn run(&mut self) -> Result<(), String> {
        for _ in 0..self.world.chaos_steps {
            self.fault();
            self.step();
        }
        self.world.faults = Faults::NONE;
        self.note(|| "--- quiet".to_owned());
        self.settle(|cluster| cluster.delayed.is_empty() && !cluster.is_group_moving())?;
        // One more transaction of each task, which nothing disturbs.
        (0..PARTITIONS).for_each(|partition| self.append(partition));
        self.settle(Self::is_at_rest)?;
        self.note(|| "--- end".to_owned());
        self.finish()
    }

    fn settle(&mut self, is_over: fn(&Cluster) -> bool) -> Result<(), String> {
        for _ in 0..QUIET_STEPS_MAX {
            if is_over(self) {
                return Ok(());
            }
            self.step();
        }
        Err(format!("no rest after {QUIET_STEPS_MAX} steps: committed offsets {:?}", self.broker.offsets))
    }

    fn is_group_moving(&self) -> bool {
        let is_up = |instance: &Instance| matches!(instance.life, Life::Up);
        self.broker.group.is_rebalancing() || !self.instances.iter().any(is_up)
    }

    fn is_at_rest(&self) -> bool {
        let end = |partition| self.broker.logs.get(&input(partition)).map_or(0, |log| log.end());
        let has_task = |partition: &i32| {
            let runs = |instance: &Instance| {
                let actor = instance.actors.get(partition);
                let runs = actor.is_some_and(|actor| actor.order == Order::Run);
                runs && matches!(instance.life, Life::Up) && instance.generation() == self.broker.group.generation
            };
            self.instances.iter().any(runs)
        };
        self.delayed.is_empty()
            && !self.is_group_moving()
            && (0..PARTITIONS).all(|partition| has_task(&partition))
            && !self.broker.has_open_transactions()
            && (0..PARTITIONS).all(|partition| self.broker.offsets.get(&partition) == Some(&end(partition)))
    }

    /// Stops all tasks, for their state.
    fn finish(&mut self) -> Result<(), String> {
        self.digests.clear();
        for instance in &mut self.instances {
            instance.life = Life::Up;
            instance.actors.values_mut().for_each(|actor| actor.order = Order::Stop);
        }
        for _ in 0..QUIET_STEPS_MAX {
            if self.instances.iter().all(|instance| instance.actors.is_empty() && instance.stragglers.is_empty()) {
                return Ok(());
            }
            self.now += 1;
            self.advance();
            self.write_marker();
        }
        Err("tasks do not stop".to_owned())
    }

    fn step(&mut self) {
        self.now += 1;
        self.tally.steps += 1;
        self.broker.expire(self.now);
        self.wake();
        self.execute_delayed();
        match self.dice.below(1_000) {
            0..640 => self.advance(),
            640..760 => self.poll(),
            760..820 => self.heartbeat(),
            820..890 => self.write_marker(),
            890..920 if self.world.faults.crash > 0 => {
                let partition = self.dice.below(PARTITIONS as usize) as i32;
                self.append(partition);
            }
            920..940 => self.read(),
            940..960 => self.recover(),
            _ => {}
        }
    }

    fn append(&mut self, partition: i32) {
        for _ in 0..self.dice.between(1, 5) {
            let offset = self.broker.log(input(partition)).end();
            let value = (self.world.feed)(&mut self.dice, offset);
            self.broker.log(input(partition)).append((None, Some(value)));
        }
    }

    fn write_marker(&mut self) {
        if let Some(text) = self.broker.write_marker(&mut self.dice) {
            self.note(|| text);
        }
    }

    fn delay(&mut self, instance: usize, request: Request) {
        let due = self.now + self.dice.between(1, DELAY_MAX) as u64;
        self.delayed.push(Delayed { due, instance, request });
    }

    fn execute_delayed(&mut self) {
        let now = self.now;
        let Some(index) = self.delayed.iter().position(|delayed| delayed.due <= now) else { return };
        let Delayed { instance, request, .. } = self.delayed.swap_remove(index);
        let shown = self.trace.is_some().then(|| format!("{request:?}"));
        let answer = self.broker.execute(request, instance, self.now);
        self.note(|| format!("late request of {instance}: {} -> {answer:?}", shown.unwrap_or_default()));
    }

    fn read(&mut self) {
        let partition = self.dice.below(PARTITIONS as usize) as i32;
        let position = self.positions.entry(partition).or_default();
        let count = self.dice.between(1, 10);
        let place = output(Destination::Probe, partition);
        let (records, next) = self.broker.logs.entry(place).or_default().fetch(*position, count);
        *position = next;
        self.seen.entry(partition).or_default().extend(records);
    }

    /// What the reader has not read yet.
    pub fn read_on(&mut self) {
        for partition in 0..PARTITIONS {
            let position = self.positions.get(&partition).copied().unwrap_or(0);
            let place = output(Destination::Probe, partition);
            let (records, _) = self.broker.log(place).fetch(position, usize::MAX);
            self.seen.entry(partition).or_default().extend(records);
        }
    }

    fn recover(&mut self) {
        self.broker.logs.values_mut().for_each(|log| log.recover());
    }

    fn wake(&mut self) {
        if self.instances.iter().all(|instance| matches!(instance.life, Life::Off)) {
            self.instances[0].life = Life::Up;
        }
        for instance in &mut self.instances {
            if let Life::Paused { until } | Life::Down { until } = instance.life
                && self.now >= until
            {
                instance.life = Life::Up;
            }
        }
    }

    fn fault(&mut self) {
        let faults = self.world.faults;
        let index = self.dice.below(INSTANCES);
        if self.dice.chance(faults.crash) {
            self.crash(index);
        }
        if self.dice.chance(faults.pause) {
            self.pause(index);
        }
        if self.dice.chance(faults.scale) {
            self.scale(index);
        }
        if self.dice.chance(faults.broker_restart) {
            self.restart_broker();
        }
        if self.dice.chance(faults.compaction) {
            for (place, log) in &mut self.broker.logs {
                if place.topic == Topic::Output(Destination::State) {
                    log.compact();
                }
            }
        }
    }

    /// What tasks had sent may still arrive.
    fn cut_off(&mut self, index: usize, mut actors: Vec<Actor>) {
        for actor in &mut actors {
            if let Some(Call::Send(request)) = actor.call.take()
                && actor.reply.is_none()
                && self.dice.chance(400)
            {
                self.delay(index, request);
            }
        }
    }

    fn crash(&mut self, index: usize) {
        if matches!(self.instances[index].life, Life::Off | Life::Down { .. }) {
            return;
        }
        self.tally.crashes += 1;
        self.note(|| format!("instance {index} crashes"));
        let until = self.now + self.dice.between(1, DOWN_MAX) as u64;
        let instance = std::mem::take(&mut self.instances[index]);
        self.instances[index].life = Life::Down { until };
        let actors = instance.actors.into_values().chain(instance.stragglers).collect();
        self.cut_off(index, actors);
    }

    fn pause(&mut self, index: usize) {
        if !matches!(self.instances[index].life, Life::Up) {
            return;
        }
        self.tally.pauses += 1;
        let until = self.now + self.dice.between(50, PAUSE_MAX) as u64;
        self.note(|| format!("instance {index} is paused until {until}"));
        self.instances[index].life = Life::Paused { until };
    }

    fn scale(&mut self, index: usize) {
        self.tally.scalings += 1;
        let instance = &mut self.instances[index];
        match instance.life {
            Life::Off => instance.life = Life::Up,
            Life::Up if !instance.is_leaving => instance.leave(),
            _ => return,
        }
        let is_leaving = self.instances[index].is_leaving;
        self.note(|| format!("instance {index} {}", if is_leaving { "leaves" } else { "starts" }));
    }

    /// Whoever waits for an answer does not get one, and what was sent arrived or did not.
    fn restart_broker(&mut self) {
        self.tally.broker_restarts += 1;
        self.note(|| "the broker restarts".to_owned());
        for index in 0..INSTANCES {
            let mut actors = std::mem::take(&mut self.instances[index].actors);
            for actor in actors.values_mut() {
                if let Some(Call::Send(request)) = &actor.call
                    && actor.reply.is_none()
                {
                    let request = request.clone();
                    if self.dice.chance(500) {
                        drop(self.broker.execute(request, index, self.now));
                    }
                    actor.reply = Some(Reply::Timeout);
                }
            }
            self.instances[index].actors = actors;
        }
        for log in self.broker.logs.values_mut() {
            log.restart(self.dice.below(8) as i64);
        }
    }

    /// Executes a request as the network has it.
    pub fn send(&mut self, index: usize, request: Request) -> Reply {
        let faults = self.world.faults;
        let shown = self.trace.is_some().then(|| format!("{request:?}"));
        let roll = self.dice.below(1_000);
        let (lost, unanswered) = (faults.request_lost, faults.request_lost + faults.answer_lost);
        let delayed = unanswered + faults.request_delayed;
        let (reply, fate) = if roll < lost {
            self.tally.requests_lost += 1;
            (Reply::Timeout, "lost")
        } else if roll < unanswered {
            self.tally.requests_lost += 1;
            drop(self.broker.execute(request, index, self.now));
            (Reply::Timeout, "executed without an answer")
        } else if roll < delayed {
            self.tally.requests_delayed += 1;
            self.delay(index, request);
            (Reply::Timeout, "delayed")
        } else {
            let is_repeated =
                matches!(request, Request::TxnOffsetCommit { .. }) && self.dice.chance(faults.offsets_repeated);
            if is_repeated {
                self.delay(index, request.clone());
            }
            (Reply::Answer(self.broker.execute(request, index, self.now)), "")
        };
        self.note(|| format!("{index}: {} {fate} -> {reply:?}", shown.unwrap_or_default()));
        reply
    }

    /// Starts a task.
    pub fn open(&mut self, index: usize, partition: i32) {
        self.tally.tasks += 1;
        self.note(|| format!("{index}: opens partition {partition}"));
        let coroutine = task::start(partition, self.world.planted, self.world.make);
        self.instances[index].actors.insert(partition, Actor::new(partition, coroutine));
    }

    pub fn ended(&mut self, index: usize, partition: i32, is_straggler: bool, ended: Ended) {
        self.note(|| format!("{index}: partition {partition} ended: {ended:?}"));
        let is_owner = !is_straggler && self.broker.group.owners.get(&partition) == Some(&index);
        match ended {
            Ended::Stopped(digest) if is_owner => {
                self.digests.insert(partition, digest);
            }
            Ended::Lost(reason) if is_owner => {
                self.alarms.push(format!("instance {index} owns partition {partition}, and is told: {reason}"));
            }
            Ended::Stopped(_) | Ended::Lost(_) | Ended::Dropped => {}
        }
    }
}
