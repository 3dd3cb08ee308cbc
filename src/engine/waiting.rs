//! Sign-ins that wait for their review, and for which variants.

use std::collections::BTreeMap;

use super::hash::UserKey;
use super::out::Out;
use super::signin::EventTime;
use super::variants::Variants;

/// One entry for a user's sign-ins of one time, whoever waits for it.
pub(super) struct Waiting {
    sign_ins: BTreeMap<(EventTime, UserKey), Variants>,
    /// Of each variant.
    counts: Vec<usize>,
    /// Of one variant at most.
    max: usize,
}

impl Waiting {
    pub(super) fn new(variants: usize, max: usize) -> Waiting {
        Waiting { sign_ins: BTreeMap::new(), counts: vec![0; variants], max }
    }

    /// Notes that a sign-in waits. For a variant that has no room the oldest goes without a review, and is counted.
    pub(super) fn add(&mut self, sign_in: (EventTime, UserKey), variants: Variants, outs: &mut [Out]) {
        let waiting = self.sign_ins.entry(sign_in).or_default();
        let new = variants.without(*waiting);
        *waiting = waiting.with(variants);
        for variant in new.iter() {
            self.counts[variant] += 1;
            if self.counts[variant] > self.max {
                self.drop_oldest(variant);
                outs[variant].counts.unreviewed += 1;
            }
        }
    }

    fn drop_oldest(&mut self, variant: usize) {
        let oldest = self.sign_ins.iter().find(|(_, waiting)| waiting.contains(variant));
        let Some((sign_in, waiting)) = oldest.map(|(sign_in, waiting)| (*sign_in, *waiting)) else { return };
        self.counts[variant] -= 1;
        let left = waiting.without(Variants::only(variant));
        if left.is_empty() {
            self.sign_ins.remove(&sign_in);
        } else {
            self.sign_ins.insert(sign_in, left);
        }
    }

    /// Users with sign-ins that wait, from a time on and before another.
    pub(super) fn users_between(&self, from: EventTime, before: EventTime) -> BTreeMap<UserKey, Variants> {
        let range = (from, UserKey(0))..(before, UserKey(0));
        users(self.sign_ins.range(range).map(|((_, key), variants)| (*key, *variants)))
    }

    /// Takes out those before a time.
    pub(super) fn take_before(&mut self, time: EventTime) -> BTreeMap<UserKey, Variants> {
        let later = self.sign_ins.split_off(&(time, UserKey(0)));
        let taken = std::mem::replace(&mut self.sign_ins, later);
        for variant in taken.values().flat_map(|variants| variants.iter()) {
            self.counts[variant] -= 1;
        }
        users(taken.into_iter().map(|((_, key), variants)| (key, variants)))
    }

    pub(super) fn oldest(&self) -> Option<EventTime> {
        self.sign_ins.first_key_value().map(|((time, _), _)| *time)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sign_ins.is_empty()
    }
}

fn users(sign_ins: impl Iterator<Item = (UserKey, Variants)>) -> BTreeMap<UserKey, Variants> {
    let mut users = BTreeMap::new();
    for (key, variants) in sign_ins {
        let known: &mut Variants = users.entry(key).or_default();
        *known = known.with(variants);
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, key: u128) -> (EventTime, UserKey) {
        (EventTime::from_seconds(seconds), UserKey(key))
    }

    #[test]
    fn the_oldest_of_a_variant_without_room_goes_unreviewed() {
        let mut waiting = Waiting::new(2, 2);
        let mut outs = [Out::default(), Out::default()];
        let (both, first) = (Variants::first(2), Variants::only(0));
        waiting.add(at(10, 1), both, &mut outs);
        waiting.add(at(10, 1), both, &mut outs);
        waiting.add(at(20, 2), first, &mut outs);
        assert_eq!([0, 1].map(|variant: usize| outs[variant].counts.unreviewed), [0, 0]);
        waiting.add(at(30, 3), both, &mut outs);
        assert_eq!([0, 1].map(|variant: usize| outs[variant].counts.unreviewed), [1, 0]);
        // The other one still waits for the first.
        assert_eq!(waiting.oldest(), Some(EventTime::from_seconds(10)));
        let all = waiting.users_between(EventTime::MIN, EventTime::MAX);
        assert_eq!(all[&UserKey(1)], Variants::only(1));
        assert_eq!((all[&UserKey(2)], all[&UserKey(3)]), (first, both));
        let taken = waiting.take_before(EventTime::from_seconds(30));
        assert_eq!(taken.keys().collect::<Vec<_>>(), [&UserKey(1), &UserKey(2)]);
        // Room again.
        waiting.add(at(40, 4), both, &mut outs);
        assert_eq!([0, 1].map(|variant: usize| outs[variant].counts.unreviewed), [1, 0]);
        assert_eq!(waiting.users_between(EventTime::MIN, EventTime::MAX).len(), 2);
    }
}
