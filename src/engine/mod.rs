//! The pure core: no I/O, no clock, no threads, no randomness.
//!
//! `decode` and `enrich` turn bytes into [`facts::Item`]s on any thread; [`Engine::step`] is the one seam through
//! which they reach users' state, detections and output. Same items + configuration + tables → same output,
//! whatever the batch size, thread count, partitioning or restarts.

pub mod decode;
pub mod detect;
pub mod enrich;
pub mod facts;
pub mod finding;
pub mod hash;
pub mod out;
pub mod policy;
pub mod profile;
pub mod risk;
pub mod rules;
pub mod signin;
pub mod user;
pub mod watermark;

use std::sync::Arc;

use detect::Judge;
use facts::Item;
use hash::{Seed, UserKey, hash32};
use out::Out;
use policy::EngineConfig;
use profile::Profiles;
use rules::Rules;
use signin::EventTime;
use user::codec::StateCodecError;
use user::record::{Bench, Scope};
use user::store::{StoreStats, UserStore};

/// One item with its place in the task's input.
pub struct Input<'a> {
    /// Position in the task's input, rising.
    pub position: u64,
    /// Newest event time of the task's input up to and including this item ([`watermark::StreamTime`]).
    pub stream_time: EventTime,
    pub item: &'a Item<'a>,
}

/// The state of one task's users and the judge over them.
pub struct Engine {
    rules: Rules,
    profiles: Arc<Profiles>,
    users: UserStore,
}

impl Engine {
    pub fn new(config: Arc<EngineConfig>, profiles: Arc<Profiles>) -> Engine {
        let users = UserStore::new(config.hot_users_max, config.users_max);
        Engine { rules: Rules::new(config), profiles, users }
    }

    /// Judges the items in order and appends what comes of it to `out`.
    pub fn step(&mut self, batch: &[Input<'_>], out: &mut Out) {
        for input in batch {
            self.take(input, out);
        }
    }

    fn take(&mut self, input: &Input<'_>, out: &mut Out) {
        let key = input.item.user();
        let (tenant_id, user_id, principal) = match input.item {
            Item::SignIn(prepared) => {
                let sign_in = &prepared.sign_in;
                (sign_in.tenant_id.as_ref(), sign_in.user_id.as_ref(), sign_in.user_principal_name.as_ref())
            }
            Item::Feedback { feedback, .. } => (feedback.tenant_id.as_ref(), feedback.user_id.as_ref(), ""),
        };
        let mut scope = Scope {
            tenant: hash32(Seed::Tenant, tenant_id.as_bytes()),
            policy: self.rules.resolve(tenant_id, user_id, principal),
        };
        let boundary = self.boundary(input.stream_time);
        let (record, is_new) = self.users.get_or_insert(key, &self.rules, &mut out.counts);
        out.counts.users_new += u64::from(is_new);
        if !is_new && matches!(input.item, Item::Feedback { .. }) {
            // Feedback names no principal: the policy of the user's sign-ins stays.
            scope.policy = record.scope.policy;
        }
        record.enter(scope, &self.rules);
        let bench = bench(&self.rules, &self.profiles, key, scope, boundary, input.position, (tenant_id, user_id));
        match input.item {
            Item::SignIn(prepared) => record.take_sign_in(prepared, &bench, out),
            Item::Feedback { feedback, .. } => record.take_feedback(feedback, &bench, out),
        }
    }

    /// Settles every user up to the horizon before `stream_time`. The runtime calls it when a new day begins, before
    /// it advances the profiles: then the contributions of the day before last are complete.
    pub fn settle(&mut self, stream_time: EventTime, out: &mut Out) {
        let boundary = self.boundary(stream_time);
        let (rules, profiles) = (&self.rules, &self.profiles);
        self.users.for_each_with_tail(rules, |key, record| {
            let bench = bench(rules, profiles, key, record.scope, boundary, 0, ("", ""));
            record.settle(&bench, out);
        });
    }

    /// Every user's state as bytes, by rising key: what [`Self::import`] takes.
    pub fn export(&mut self) -> impl Iterator<Item = (UserKey, Vec<u8>)> {
        self.users.export(&self.rules)
    }

    /// Takes one user's state back.
    ///
    /// # Errors
    /// When the bytes are no user state; then nothing changes.
    pub fn import(&mut self, key: UserKey, bytes: &[u8]) -> Result<(), StateCodecError> {
        self.users.import(key, bytes, &self.rules)
    }

    /// Sizes of the users' memory.
    pub fn store_stats(&self) -> StoreStats {
        self.users.stats()
    }

    /// Users remembered.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    fn boundary(&self, stream_time: EventTime) -> EventTime {
        stream_time.minus_seconds(i64::from(self.rules.config.lateness_horizon_s))
    }
}

fn bench<'a>(
    rules: &'a Rules,
    profiles: &'a Profiles,
    key: UserKey,
    scope: Scope,
    boundary: EventTime,
    position: u64,
    (tenant_id, user_id): (&'a str, &'a str),
) -> Bench<'a> {
    Bench {
        judge: Judge {
            policy: rules.policy(scope.policy),
            baseline: &rules.config.baseline,
            decay: &rules.decay,
            profiles,
            tenant: scope.tenant,
            tenant_id,
            user_id,
        },
        boundary,
        position,
        member: hash32(Seed::ProfileUser, &key.0.to_le_bytes()),
        quarantine_days: rules.config.baseline.quarantine_days,
        emit_suppressed: rules.config.emit_suppressed,
    }
}
