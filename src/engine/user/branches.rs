//! One user's records: one that all variants of an engine share, until their verdicts on him part.

use super::panel::Panel;
use super::record::UserRecord;
use crate::engine::out::Out;
use crate::engine::variants::Variants;

/// A record, and the variants to whom the user is what it says.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Branch {
    pub variants: Variants,
    pub record: UserRecord,
}

/// All that are in one of the branches.
pub fn variants_of<'a>(branches: impl IntoIterator<Item = &'a Branch>) -> Variants {
    branches.into_iter().map(|branch| branch.variants).collect()
}

/// Each variant is in one branch at most: one that is in none does not know the user.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Branches {
    first: Branch,
    /// On the heap, as mostly there are none.
    others: Vec<Branch>,
}

impl Branches {
    pub fn new(first: Branch) -> Branches {
        Branches { first, others: Vec::new() }
    }

    /// Of at least one branch.
    pub fn of(mut branches: Vec<Branch>) -> Option<Branches> {
        let others = branches.split_off(branches.len().min(1));
        branches.pop().map(|first| Branches { first, others })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Branch> {
        std::iter::once(&self.first).chain(&self.others)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Branch> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }

    /// Is it one record for all who know the user?
    pub fn is_one(&self) -> bool {
        self.others.is_empty()
    }

    /// Those who know the user.
    pub fn variants(&self) -> Variants {
        variants_of(self.iter())
    }

    /// The user as a variant knows him.
    pub fn record(&self, variant: usize) -> Option<&UserRecord> {
        self.iter().find(|branch| branch.variants.contains(variant)).map(|branch| &branch.record)
    }

    /// Makes the user new to variants that do not know him.
    pub fn welcome(&mut self, new: Variants) {
        if new.is_empty() {
            return;
        }
        if self.first.variants.is_empty() {
            self.first = Branch { variants: new, record: UserRecord::default() };
        } else {
            self.others.push(Branch { variants: new, record: UserRecord::default() });
        }
    }

    /// Adds the branches of variants that parted from theirs.
    pub fn extend(&mut self, parted: Vec<Branch>) {
        let gone = variants_of(&parted);
        for branch in self.iter_mut() {
            branch.variants = branch.variants.without(gone);
        }
        self.others.extend(parted);
    }

    /// Puts a branch in place of what its variants knew of the user.
    pub fn put(&mut self, branch: Branch) {
        self.extend(vec![branch]);
        self.join();
    }

    /// Makes one of branches whose records have become equal, or that nobody is in.
    pub fn join(&mut self) {
        if self.others.is_empty() {
            return;
        }
        let mut joined: Vec<Branch> = Vec::with_capacity(1 + self.others.len());
        for branch in std::iter::once(std::mem::take(&mut self.first)).chain(self.others.drain(..)) {
            if branch.variants.is_empty() {
                continue;
            }
            match joined.iter_mut().find(|other| other.record.is_same(&branch.record)) {
                Some(other) => other.variants = other.variants.with(branch.variants),
                None => joined.push(branch),
            }
        }
        if let Some(branches) = Branches::of(joined) {
            *self = branches;
        }
    }
}

/// Lets each of the panel's variants do to its own copy of the record what it may do otherwise than others. The record is the
/// first's then, and of all who came to the same; the others' branches are given.
pub fn part(
    record: &mut UserRecord,
    panel: &Panel<'_>,
    outs: &mut [Out],
    mut change: impl FnMut(&mut UserRecord, &Panel<'_>, &mut [Out]),
) -> Vec<Branch> {
    let lead = panel.variants.lead();
    let rest = panel.variants.without(Variants::only(lead));
    if rest.is_empty() {
        change(record, panel, outs);
        return Vec::new();
    }
    let before = record.clone();
    change(record, &panel.of(Variants::only(lead)), outs);
    let mut parted: Vec<Branch> = Vec::new();
    for variant in rest.iter() {
        let variants = Variants::only(variant);
        let mut copy = before.clone();
        change(&mut copy, &panel.of(variants), outs);
        if copy.is_same(record) {
            continue;
        }
        match parted.iter_mut().find(|branch| branch.record.is_same(&copy)) {
            Some(branch) => branch.variants = branch.variants.with(variants),
            None => parted.push(Branch { variants, record: copy }),
        }
    }
    parted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::signin::EventTime;

    fn branch(variants: Variants, seconds: i64) -> Branch {
        let mut record = UserRecord::default();
        record.current.newest = Some((EventTime::from_seconds(seconds), 1));
        Branch { variants, record }
    }

    #[test]
    fn branches_part_and_join_again() {
        let mut branches = Branches::default();
        branches.welcome(Variants::first(3));
        assert!(branches.is_one() && branches.variants() == Variants::first(3));
        branches.extend(vec![branch(Variants::only(1), 5)]);
        assert_eq!(branches.iter().count(), 2);
        assert_eq!(branches.record(1).map(|record| record.current.newest.is_some()), Some(true));
        assert_eq!(branches.record(2), Some(&UserRecord::default()));
        // The first branch may be left by all.
        branches.extend(vec![branch(Variants::only(0), 5), branch(Variants::only(2), 7)]);
        branches.join();
        let variants: Vec<Variants> = branches.iter().map(|branch| branch.variants).collect();
        assert_eq!(variants, [Variants::first(2), Variants::only(2)]);
        branches.put(branch(Variants::only(2), 5));
        assert!(branches.is_one() && branches.variants() == Variants::first(3));
        assert_eq!(branches.record(3), None);
    }
}
