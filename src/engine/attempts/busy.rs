//! Which traces may have come to a bar, at a glance: most sign-ins share none, and asking the lists costs a lookup each.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Key;

const BITS: usize = 1 << 16;

/// One bit for each of many hashes, twice: set for a trace that is busy, and now and then for another.
#[derive(Debug)]
pub(super) struct Busy([Box<[AtomicU64]>; 2]);

impl Default for Busy {
    fn default() -> Busy {
        Busy(std::array::from_fn(|_| std::iter::repeat_with(AtomicU64::default).take(BITS / 64).collect()))
    }
}

impl Busy {
    pub(super) fn set(&self, key: &Key) {
        let (word, bit) = place(key);
        for half in &self.0 {
            half[word].fetch_or(bit, Ordering::Release);
        }
    }

    /// False for certain, true perhaps.
    pub(super) fn may_be(&self, key: &Key) -> bool {
        let (word, bit) = place(key);
        self.0.iter().any(|half| half[word].load(Ordering::Acquire) & bit != 0)
    }

    /// Sets anew what is busy, and nothing else. Others may ask and set meanwhile: one half is always whole.
    pub(super) fn renew(&self, set_all: impl Fn()) {
        for half in &self.0 {
            half.iter().for_each(|word| word.store(0, Ordering::Release));
            set_all();
        }
    }
}

fn place(key: &Key) -> (usize, u64) {
    let kind = key.count() as u32;
    let mixed =
        (key.value ^ key.tenant.rotate_left(16) ^ kind.wrapping_mul(0x9E37_79B9)).wrapping_mul(0x85EB_CA6B);
    let bit = (mixed >> 16) as usize % BITS;
    (bit / 64, 1 << (bit % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::attempts::Trace;

    #[test]
    fn what_is_set_may_be_and_goes_when_it_is_renewed() {
        let busy = Busy::default();
        let keys: Vec<Key> = (1..200).map(|value| Key::new(7, Trace::Address, value)).collect();
        keys.iter().for_each(|key| busy.set(key));
        assert!(keys.iter().all(|key| busy.may_be(key)));
        let others = (1..200).map(|value| Key::new(8, Trace::Address, value));
        assert!(others.filter(|key| busy.may_be(key)).count() < 20, "few are taken for busy");
        busy.renew(|| busy.set(&keys[0]));
        assert!(busy.may_be(&keys[0]) && keys[1..].iter().filter(|key| busy.may_be(key)).count() < 5);
    }
}
