//! What shadow policies make of a user: which of them judge his sign-ins, and what they found.
//!
//! A shadow policy sees the live state: what was learnt, quarantined and remembered is the live policy's. Its own are its
//! findings alone, and what rests on them: whether a stranger was reported lately, and which incident a finding belongs to.
//! They are folded as the live ones are, beside them, and nothing else reads them.

use super::OpenRisk;
use super::record::{Bench, UserRecord};
use super::tail::{Judged, TailEntry};
use crate::engine::policy::SHADOW_POLICIES_MAX;
use arrayvec::ArrayVec;

/// Standing findings of one shadow policy per user; when full the oldest is forgotten.
pub const SHADOW_RISKS_MAX: usize = 32;

/// The live policy, and every shadow policy beside it.
pub(super) type Benches<'a> = ArrayVec<Bench<'a>, { SHADOW_POLICIES_MAX + 1 }>;

/// Shadow policies that judge a user's sign-ins, by their keys, rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ShadowSet([u64; SHADOW_POLICIES_MAX]);

impl ShadowSet {
    /// Of more than fit the first count.
    pub fn new(keys: impl Iterator<Item = u64>) -> ShadowSet {
        let mut set = [0; SHADOW_POLICIES_MAX];
        let mut count = 0;
        for (place, key) in set.iter_mut().zip(keys) {
            *place = key;
            count += 1;
        }
        set[..count].sort_unstable();
        ShadowSet(set)
    }

    pub fn keys(&self) -> impl Iterator<Item = u64> {
        self.0.into_iter().take_while(|key| *key != 0)
    }

    pub fn contains(&self, key: u64) -> bool {
        self.keys().any(|known| known == key)
    }

    pub fn is_empty(&self) -> bool {
        self.0[0] == 0
    }
}

/// What one shadow policy found at a user, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShadowFile {
    /// See [`ShadowPolicy::key`](crate::engine::policy::ShadowPolicy::key).
    pub key: u64,
    /// Oldest first, at most [`SHADOW_RISKS_MAX`] and at least one.
    pub open: Vec<OpenRisk>,
}

/// A finding of a shadow policy, as the tail remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShadowJudged {
    pub key: u64,
    pub judged: Judged,
}

impl UserRecord {
    /// The shadow policies that judge the user: of those he is under the ones that are configured.
    pub(super) fn shadow_benches<'a>(&self, bench: &Bench<'a>) -> impl Iterator<Item = Bench<'a>> {
        let (bench, set) = (*bench, self.scope.shadows);
        let shadows = bench.shadows.iter().filter(move |policy| set.contains(policy.key()));
        shadows.map(move |policy| bench.of_shadow(policy))
    }

    /// The live policy first.
    pub(super) fn benches<'a>(&self, bench: &Bench<'a>) -> Benches<'a> {
        std::iter::once(*bench).chain(self.shadow_benches(bench)).take(SHADOW_POLICIES_MAX + 1).collect()
    }

    /// Forgets what policies found that do not judge the user any more.
    pub(super) fn keep_shadows(&mut self) {
        let set = self.scope.shadows;
        for state in [&mut self.settled, &mut self.current] {
            state.shadows.retain(|file| set.contains(file.key));
        }
        for entry in &mut self.tail {
            if let TailEntry::SignIn(sign_in) = entry
                && sign_in.shadows.iter().any(|found| !set.contains(found.key))
            {
                sign_in.shadows =
                    sign_in.shadows.iter().filter(|found| set.contains(found.key)).copied().collect();
            }
        }
    }
}
