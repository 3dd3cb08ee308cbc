//! One instance: its membership, its tasks, and how it reacts to the group (kept apart from what tasks do).
//!
//! The rules, which the real group thread follows: open on assign; on revoke let tasks commit once, wait for them for
//! a bounded time, then give the partitions up; when the membership is lost nobody commits any more; a task that has
//! not ended keeps a new one of its partition from beginning.

use std::collections::{BTreeMap, BTreeSet};

use corosensei::CoroutineResult;

use super::client::{Call, Reply};
use super::cluster::Cluster;
use super::group::{MemberId, Membership};
use super::task::Coroutine;

#[derive(Clone, Copy, Debug, Default)]
pub enum Life {
    /// Not started.
    #[default]
    Off,
    Up,
    /// A zombie: it does nothing, and does not know.
    Paused {
        until: u64,
    },
    /// Crashed.
    Down {
        until: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Run,
    Stop,
    Lost,
}

/// A task on its way.
pub struct Actor {
    pub partition: i32,
    coroutine: Coroutine,
    /// What it waits for; `None` before the first.
    pub call: Option<Call>,
    /// Already on its way back.
    pub reply: Option<Reply>,
    pub order: Order,
    /// Polls of the group when it began to wait.
    polls: u64,
}

impl Actor {
    pub fn new(partition: i32, coroutine: Coroutine) -> Actor {
        Actor { partition, coroutine, call: None, reply: None, order: Order::Run, polls: 0 }
    }
}

#[derive(Default)]
pub struct Instance {
    pub life: Life,
    member: Option<MemberId>,
    generation: i64,
    /// A heartbeat was answered with "unknown member"; the group thread has not seen it yet.
    is_kicked: bool,
    pub is_leaving: bool,
    /// A revoke waits for tasks to stop.
    is_revoking: bool,
    pub actors: BTreeMap<i32, Actor>,
    /// Tasks of partitions that are not ours any more, and that have not noticed.
    pub stragglers: Vec<Actor>,
    polls: u64,
}

impl Instance {
    /// As the group thread knows it.
    pub fn generation(&self) -> i64 {
        self.generation
    }

    pub fn leave(&mut self) {
        self.is_leaving = true;
        self.stop(&self.actors.keys().copied().collect());
    }

    fn stop(&mut self, partitions: &BTreeSet<i32>) {
        self.is_revoking = true;
        for partition in partitions {
            if let Some(actor) = self.actors.get_mut(partition) {
                actor.order = Order::Stop;
            }
        }
    }

    /// Gives up tasks without waiting for them.
    fn abandon(&mut self, which: impl Fn(&Actor) -> bool) {
        let partitions: Vec<i32> =
            self.actors.values().filter(|actor| which(actor)).map(|actor| actor.partition).collect();
        for partition in partitions {
            if let Some(mut actor) = self.actors.remove(&partition) {
                actor.order = Order::Lost;
                self.stragglers.push(actor);
            }
        }
    }

    fn membership(&self, is_straggler: bool, takes_none: bool) -> Option<Membership> {
        match self.member {
            _ if is_straggler => None,
            Some(id) if !self.is_kicked => Some(Membership { member: Some(id), generation: self.generation }),
            _ => takes_none.then_some(Membership { member: None, generation: -1 }),
        }
    }
}

impl Cluster {
    fn up(&mut self) -> Option<usize> {
        let up: Vec<usize> =
            (0..self.instances.len()).filter(|index| matches!(self.instances[*index].life, Life::Up)).collect();
        (!up.is_empty()).then(|| up[self.dice.below(up.len())])
    }

    /// One task of one instance goes on to its next call.
    pub fn advance(&mut self) {
        let Some(index) = self.up() else { return };
        let instance = &mut self.instances[index];
        let count = instance.actors.len() + instance.stragglers.len();
        if count == 0 {
            return;
        }
        let pick = self.dice.below(count);
        let is_straggler = pick >= instance.actors.len();
        let mut actor = if is_straggler {
            instance.stragglers.remove(pick - instance.actors.len())
        } else {
            let partition = *instance.actors.keys().nth(pick).expect("one of them");
            instance.actors.remove(&partition).expect("one of them")
        };
        let reply = self.reply(index, &mut actor, is_straggler);
        if let Some(reply) = reply {
            match actor.coroutine.resume(reply) {
                CoroutineResult::Yield(call) => {
                    (actor.call, actor.polls) = (Some(call), self.instances[index].polls);
                }
                CoroutineResult::Return(ended) => return self.ended(index, actor.partition, is_straggler, ended),
            }
        }
        let instance = &mut self.instances[index];
        if is_straggler {
            instance.stragglers.push(actor);
        } else {
            instance.actors.insert(actor.partition, actor);
        }
    }

    /// The answer to what the task waits for; `None`: there is none yet.
    fn reply(&mut self, index: usize, actor: &mut Actor, is_straggler: bool) -> Option<Reply> {
        if let Some(reply) = actor.reply.take() {
            return Some(reply);
        }
        let instance = &self.instances[index];
        Some(match actor.call.clone() {
            None => Reply::Timeout,
            Some(Call::Send(request)) => self.send(index, request),
            Some(Call::Metadata) => {
                let takes_none = self.world.planted.negative_generation;
                Reply::Metadata(instance.membership(is_straggler, takes_none))
            }
            Some(Call::Next { after_poll }) => match actor.order {
                Order::Stop => Reply::Stop,
                Order::Lost => Reply::Lost,
                Order::Run if after_poll && instance.polls <= actor.polls => return None,
                Order::Run => Reply::Go { count: self.dice.between(1, 5), freeze: self.dice.chance(500) },
            },
        })
    }

    /// The client's own thread asks whether the membership stands.
    pub fn heartbeat(&mut self) {
        let Some(index) = self.up() else { return };
        let now = self.now;
        let instance = &mut self.instances[index];
        if let Some(member) = instance.member
            && !self.broker.group.heartbeat(member, now)
        {
            instance.is_kicked = true;
        }
    }

    /// The group thread polls.
    pub fn poll(&mut self) {
        let Some(index) = self.up() else { return };
        let now = self.now;
        let is_late = self.dice.chance(self.world.faults.revoke_deadline);
        let instance = &mut self.instances[index];
        if instance.is_kicked {
            instance.abandon(|_| true);
            (instance.member, instance.is_kicked, instance.is_revoking) = (None, false, false);
            return self.note(|| format!("{index}: lost its membership"));
        }
        if instance.is_revoking && !self.has_revoked(index, is_late) {
            return;
        }
        let instance = &mut self.instances[index];
        if instance.is_leaving {
            return self.left(index);
        }
        let Some(member) = instance.member else {
            instance.member = Some(self.broker.group.join(index, now));
            return;
        };
        if self.broker.group.must_join(member) {
            let owned = instance.actors.keys().copied().collect();
            self.broker.group.rejoin(member, owned, now);
        }
        self.follow(index, member);
        self.instances[index].polls += 1;
    }

    /// Have the tasks stopped that a revoke waits for? Then the others are told that we have given them up.
    fn has_revoked(&mut self, index: usize, is_late: bool) -> bool {
        let now = self.now;
        let instance = &mut self.instances[index];
        if is_late {
            instance.abandon(|actor| actor.order == Order::Stop);
        }
        if instance.actors.values().any(|actor| actor.order == Order::Stop) {
            return false;
        }
        instance.is_revoking = false;
        let owned = instance.actors.keys().copied().collect();
        if let Some(member) = instance.member
            && !instance.is_leaving
        {
            self.broker.group.rejoin(member, owned, now);
        }
        true
    }

    fn left(&mut self, index: usize) {
        let instance = std::mem::take(&mut self.instances[index]);
        if let Some(member) = instance.member {
            self.broker.group.leave(member);
        }
        self.note(|| format!("{index}: left"));
    }

    /// Takes over the assignment of the current generation.
    fn follow(&mut self, index: usize, member: MemberId) {
        let Some((generation, assigned)) = self.broker.group.assignment(member) else { return };
        let instance = &mut self.instances[index];
        if instance.generation != generation {
            instance.generation = generation;
            let revoked: BTreeSet<i32> =
                instance.actors.keys().filter(|partition| !assigned.contains(partition)).copied().collect();
            if !revoked.is_empty() {
                instance.stop(&revoked);
            }
            self.note(|| format!("{index}: generation {generation}, {assigned:?}, revoked {revoked:?}"));
        }
        for partition in assigned {
            let instance = &self.instances[index];
            let is_busy = instance.actors.contains_key(&partition)
                || instance.stragglers.iter().any(|straggler| straggler.partition == partition);
            if !is_busy {
                self.open(index, partition);
            }
        }
    }
}
