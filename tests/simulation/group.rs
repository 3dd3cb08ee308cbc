//! The consumer group's coordinator: members, generations, cooperative-sticky assignment, session timeouts.
//!
//! A rebalance is over when every member has joined again; a partition that has to move is first taken from its owner
//! in one generation and given to the next one in another. A member that is silent for too long is removed.

use std::collections::{BTreeMap, BTreeSet};

pub type MemberId = u32;

/// What a consumer sends along with its offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// `None` with generation −1: not a member (any more).
    pub member: Option<MemberId>,
    pub generation: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRefused {
    UnknownMember,
    IllegalGeneration,
}

struct Member {
    instance: usize,
    heard: u64,
    has_joined: bool,
    owned: BTreeSet<i32>,
    assigned: BTreeSet<i32>,
}

pub struct Group {
    partitions: i32,
    session_timeout: u64,
    pub generation: i64,
    members: BTreeMap<MemberId, Member>,
    is_rebalancing: bool,
    members_ever: MemberId,
    /// Which instance was last given a partition.
    pub owners: BTreeMap<i32, usize>,
}

impl Group {
    pub fn new(partitions: i32, session_timeout: u64) -> Group {
        Group {
            partitions,
            session_timeout,
            generation: 0,
            members: BTreeMap::new(),
            is_rebalancing: false,
            members_ever: 0,
            owners: BTreeMap::new(),
        }
    }

    pub fn join(&mut self, instance: usize, now: u64) -> MemberId {
        self.members_ever += 1;
        let member =
            Member { instance, heard: now, has_joined: true, owned: BTreeSet::new(), assigned: BTreeSet::new() };
        self.members.insert(self.members_ever, member);
        self.start();
        self.members_ever
    }

    /// Joins again, with what the member owns by now.
    pub fn rejoin(&mut self, id: MemberId, owned: BTreeSet<i32>, now: u64) {
        if let Some(member) = self.members.get_mut(&id) {
            (member.heard, member.has_joined, member.owned) = (now, true, owned);
        }
        if !self.is_rebalancing {
            self.start();
            if let Some(member) = self.members.get_mut(&id) {
                member.has_joined = true;
            }
        }
        self.complete();
    }

    fn start(&mut self) {
        if !self.is_rebalancing {
            self.is_rebalancing = true;
            for member in self.members.values_mut() {
                member.has_joined = member.owned.is_empty() && member.assigned.is_empty();
            }
        }
        self.complete();
    }

    /// False: the coordinator does not know the member.
    pub fn heartbeat(&mut self, id: MemberId, now: u64) -> bool {
        self.members.get_mut(&id).map(|member| member.heard = now).is_some()
    }

    pub fn leave(&mut self, id: MemberId) {
        if self.members.remove(&id).is_some() {
            self.start();
        }
    }

    /// Removes members that have been silent for too long.
    pub fn expire(&mut self, now: u64) {
        let before = self.members.len();
        self.members.retain(|_, member| now - member.heard <= self.session_timeout);
        if self.members.len() < before {
            self.start();
        }
    }

    pub fn is_rebalancing(&self) -> bool {
        self.is_rebalancing
    }

    pub fn must_join(&self, id: MemberId) -> bool {
        self.is_rebalancing && self.members.get(&id).is_some_and(|member| !member.has_joined)
    }

    /// The member's partitions in the current generation; `None` while that is not settled.
    pub fn assignment(&self, id: MemberId) -> Option<(i64, BTreeSet<i32>)> {
        let member = self.members.get(&id).filter(|_| !self.is_rebalancing)?;
        Some((self.generation, member.assigned.clone()))
    }

    fn complete(&mut self) {
        if !self.is_rebalancing || self.members.values().any(|member| !member.has_joined) {
            return;
        }
        self.is_rebalancing = false;
        self.generation += 1;
        let wanted = self.spread();
        let owned_by: BTreeMap<i32, MemberId> = self
            .members
            .iter()
            .flat_map(|(id, member)| member.owned.iter().map(|partition| (*partition, *id)))
            .collect();
        for (id, member) in &mut self.members {
            let is_free = |partition: &i32| owned_by.get(partition).is_none_or(|owner| owner == id);
            member.assigned = wanted.iter().filter(|(p, to)| *to == id && is_free(p)).map(|(p, _)| *p).collect();
            self.owners.extend(member.assigned.iter().map(|partition| (*partition, member.instance)));
        }
    }

    /// A balanced assignment that leaves with their owner as many partitions as it can.
    fn spread(&self) -> BTreeMap<i32, MemberId> {
        let mut wanted = BTreeMap::new();
        if self.members.is_empty() {
            return wanted;
        }
        let most = (self.partitions as usize).div_ceil(self.members.len());
        let mut counts: BTreeMap<MemberId, usize> = self.members.keys().map(|id| (*id, 0)).collect();
        for (id, member) in &self.members {
            for partition in member.owned.iter().take(most) {
                wanted.insert(*partition, *id);
                *counts.entry(*id).or_default() += 1;
            }
        }
        for partition in 0..self.partitions {
            if !wanted.contains_key(&partition)
                && let Some((id, count)) = counts.iter_mut().min_by_key(|(id, count)| (**count, **id))
            {
                wanted.insert(partition, *id);
                *count += 1;
            }
        }
        wanted
    }

    /// May these offsets be committed? The coordinator takes what comes without a membership when nobody is a member.
    pub fn check(&self, membership: Option<Membership>) -> Result<(), GroupRefused> {
        let Some(Membership { member, generation }) = membership else { return Ok(()) };
        match member.map(|id| self.members.contains_key(&id)) {
            None if generation < 0 && self.members.is_empty() => Ok(()),
            None | Some(false) => Err(GroupRefused::UnknownMember),
            Some(true) if generation != self.generation => Err(GroupRefused::IllegalGeneration),
            Some(true) => Ok(()),
        }
    }
}
