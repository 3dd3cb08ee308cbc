//! The variants that share a user's record while something is done to it: what each needs to judge him.

use super::record::{Bench, Scope};
use crate::engine::Sight;
use crate::engine::detect::Judge;
use crate::engine::hash::{Seed, UserKey, hash32};
use crate::engine::out::Out;
use crate::engine::signin::EventTime;
use crate::engine::variants::{Variant, Variants};

/// How far stream time has come, in what depends on it.
#[derive(Clone, Copy)]
pub struct Hour {
    /// See [`Bench::boundary`].
    pub boundary: EventTime,
    /// See [`Bench::ripe`].
    pub ripe: EventTime,
    /// See [`Bench::held`].
    pub held: EventTime,
    /// See [`Judge::reviewed`].
    pub reviewed: EventTime,
    pub sight: Sight,
    /// See [`Bench::is_review`].
    pub is_review: bool,
}

/// At least one variant, and what is the same for all of them.
#[derive(Clone, Copy)]
pub struct Panel<'a> {
    /// All of the engine.
    all: &'a [Variant],
    pub variants: Variants,
    pub scope: Scope,
    hour: Hour,
    position: u64,
    /// The tenant's and the user's.
    ids: (&'a str, &'a str),
    member: u32,
}

impl<'a> Panel<'a> {
    pub fn new(
        all: &'a [Variant],
        variants: Variants,
        (key, ids): (UserKey, (&'a str, &'a str)),
        scope: Scope,
        hour: Hour,
        position: u64,
    ) -> Panel<'a> {
        let member = hash32(Seed::ProfileUser, &key.0.to_le_bytes());
        Panel { all, variants, scope, hour, position, ids, member }
    }

    /// The same of some of its variants.
    pub fn of(&self, variants: Variants) -> Panel<'a> {
        Panel { variants, ..*self }
    }

    /// A variant's bench.
    pub fn bench(&self, variant: usize) -> Bench<'a> {
        let Variant { rules, profiles } = &self.all[variant];
        let (tenant_id, user_id) = self.ids;
        Bench {
            judge: Judge {
                policy: rules.policy(self.scope.policy),
                shadow: None,
                baseline: &rules.config.baseline,
                decay: &rules.decay,
                profiles,
                tenant: self.scope.tenant,
                tenant_id,
                user_id,
                reviewed: self.hour.reviewed,
                sight: self.hour.sight,
                hindsight_s: rules.config.hindsight_s,
                tells_silenced: rules.config.emit_suppressed,
            },
            shadows: &rules.config.shadow_policies,
            boundary: self.hour.boundary,
            ripe: self.hour.ripe,
            held: self.hour.held,
            is_review: self.hour.is_review,
            position: self.position,
            member: self.member,
            quarantine_days: rules.config.baseline.quarantine_days,
            emit_suppressed: rules.config.emit_suppressed,
        }
    }

    /// The first variant's bench: of what is the same for all any would do.
    pub fn lead(&self) -> Bench<'a> {
        self.bench(self.variants.lead())
    }

    /// The bench and the output of a variant that is alone.
    pub fn alone<'o>(&self, outs: &'o mut [Out]) -> (Bench<'a>, &'o mut Out) {
        debug_assert!(self.variants.len() == 1, "others may come to another result");
        let variant = self.variants.lead();
        (self.bench(variant), &mut outs[variant])
    }

    /// Lets all that share the record tell the same.
    pub fn tell(&self, outs: &mut [Out], mut tell: impl FnMut(&mut Out)) {
        for variant in self.variants.iter() {
            tell(&mut outs[variant]);
        }
    }
}
