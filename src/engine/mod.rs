//! The pure core: no I/O, no clock, no threads, no randomness.
//!
//! `decode` and `enrich` turn bytes into [`facts::Item`]s on any thread; [`Engine::step`] is the one seam through
//! which they reach users' state, detections and output. Same items + configuration + tables → same output,
//! whatever the batch size, thread count, partitioning or restarts.

pub mod attempts;
mod bytes;
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

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use detect::Judge;
use facts::Item;
use hash::{Seed, UserKey, hash32};
use out::Out;
use policy::EngineConfig;
use profile::Profiles;
use rules::Rules;
use signin::EventTime;
use user::codec::{self, StateCodecError};
use user::explain::Explained;
use user::record::{Bench, Scope, UserRecord};
use user::review::Reviewed;
use user::store::{StoreStats, UserStore};
use xxhash_rust::xxh3::Xxh3Default;

/// One item with its place in the task's input.
pub struct Input<'a> {
    /// Position in the task's input, rising.
    pub position: u64,
    /// Newest event time of the task's input up to and including this item ([`watermark::StreamTime`]).
    pub stream_time: EventTime,
    pub item: &'a Item<'a>,
}

/// When other users' attempts take part in verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    /// At the review, when all of them have arrived: what comes out depends on nothing but the events.
    #[default]
    Settled,
    /// As far as they are known, and at the review again: sooner, and the same in the end.
    Live,
}

/// Sign-ins that wait for their review, of one engine. Beyond it the oldest goes without, and is counted.
pub const REVIEWS_MAX: usize = 1_000_000;

/// The state of one task's users and the judge over them.
pub struct Engine {
    rules: Rules,
    profiles: Arc<Profiles>,
    users: UserStore,
    sight: Sight,
    /// Sign-ins in which not everything is familiar, until their review: time and user. Never fewer than the tails
    /// have, or what is reviewed would depend on restarts.
    waiting: BTreeSet<(EventTime, UserKey)>,
    waiting_max: usize,
    /// When the last review began; `None`: nobody reviews yet.
    review: Option<EventTime>,
    /// Of those before this, the organisation has been told.
    told: EventTime,
    /// [`Attempts::news`](attempts::Attempts::news) as of the last look.
    news: u64,
}

impl Engine {
    pub fn new(config: Arc<EngineConfig>, profiles: Arc<Profiles>) -> Engine {
        let users = UserStore::new(config.hot_users_max, config.users_max);
        let rules = Rules::new(config);
        let (waiting, waiting_max) = (BTreeSet::new(), REVIEWS_MAX);
        Engine {
            rules,
            profiles,
            users,
            sight: Sight::Settled,
            waiting,
            waiting_max,
            review: None,
            told: EventTime::MIN,
            news: 0,
        }
    }

    /// Sees other users' attempts as soon as they are known, from here on.
    pub fn set_sight(&mut self, sight: Sight) {
        self.sight = sight;
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
            Item::UpstreamFinding(prepared) => {
                let finding = &prepared.finding;
                (finding.tenant_id.as_ref(), finding.user_id.as_ref(), finding.user_principal_name.as_ref())
            }
        };
        let mut scope = Scope {
            tenant: hash32(Seed::Tenant, tenant_id.as_bytes()),
            policy: self.rules.resolve(tenant_id, user_id, principal),
            shadows: self.rules.shadows(tenant_id, user_id, principal),
        };
        let hour = self.hour(input.stream_time);
        let forgotten_before = out.forgotten.len();
        let (record, is_new) = self.users.get_or_insert(key, &self.rules, &mut out.forgotten);
        out.counts.users_new += u64::from(is_new);
        out.counts.users_forgotten += (out.forgotten.len() - forgotten_before) as u64;
        if !is_new && !matches!(input.item, Item::SignIn(_)) {
            // Feedback names no principal, and a finding may not: the policies of the user's sign-ins stay.
            (scope.policy, scope.shadows) = (record.scope.policy, record.scope.shadows);
        }
        record.enter(scope, &self.rules);
        let told = record.told();
        let bench = bench(&self.rules, &self.profiles, key, scope, hour, input.position, (tenant_id, user_id));
        let reordered = out.counts.reordered;
        match input.item {
            Item::SignIn(prepared) => record.take_sign_in(prepared, &bench, out),
            Item::Feedback { feedback, .. } => record.take_feedback(feedback, &bench, out),
            Item::UpstreamFinding(prepared) => record.take_finding(prepared, &bench, out),
        }
        // What was judged again after a late one may be in doubt only now.
        let again = (out.counts.reordered > reordered).then(|| record.doubtful_times());
        for time in record.newest_doubtful_time().into_iter().chain(again.into_iter().flatten()) {
            wait(&mut self.waiting, self.waiting_max, (time, key), out);
        }
        record.report_risk(&told, key, Some((tenant_id, user_id)), input.position, out);
    }

    /// Settles every user up to the last review's horizon: contributes and learns for good what no late event can precede
    /// any more, and lets low risks age out. It changes state's bytes, never a verdict.
    ///
    /// From then on no input contributes to a day before that of [`Self::held`], as long as stream time
    /// does not fall ([`StreamTime::complete_day`](watermark::StreamTime::complete_day)). So a runtime that reviews and
    /// settles when a day begins, before it advances the profiles, has all contributions of the day before last.
    pub fn settle(&mut self, stream_time: EventTime, out: &mut Out) {
        let hour = self.hour(stream_time);
        let (rules, profiles) = (&self.rules, &self.profiles);
        self.users.for_each_unsettled(rules, |key, record| {
            let told = record.told();
            let bench = bench(rules, profiles, key, record.scope, hour, 0, ("", ""));
            record.settle(&bench, out);
            record.report_risk(&told, key, None, 0, out);
        });
    }

    /// Goes on as an engine whose last review began at `review`, and that has told of strangers up to `told`.
    pub fn resume(&mut self, review: EventTime, told: EventTime) {
        self.review = Some(review);
        self.told = self.told_before(told);
    }

    /// Stream time has come to a [border](EngineConfig::review_at): tells the organisation of the strangers that no late
    /// event can change any more. What was new to them is asked of what was known of the user when the review of the time
    /// before that which a runtime may be [ahead](EngineConfig::review_ahead_s) had been: so it depends on no review that
    /// others are waited for, and not on when this one is told. No border may be further ahead of the last review than that.
    pub fn tell(&mut self, border: EventTime, out: &mut Out) {
        let (from, before) = (self.told, self.told_before(border));
        if from >= before {
            return;
        }
        let step = i64::from(self.rules.config.review_every_s);
        let known = self.rules.held(border.minus_seconds(step));
        let waiting = self.waiting.range((from, UserKey(0))..(before, UserKey(0)));
        self.tell_of_users(waiting.map(|(_, key)| *key).collect(), from..before, known, out);
        self.told = before;
    }

    fn told_before(&self, border: EventTime) -> EventTime {
        border.minus_seconds(i64::from(self.rules.config.lateness_horizon_s))
    }

    /// Judges again, in the light of what was attempted on other users, each sign-in that has become
    /// [ripe](Rules::ripe). A runtime calls it after every task has come to the border, has [told](Self::tell), and its
    /// attempts are contributed.
    pub fn review(&mut self, border: EventTime, out: &mut Out) {
        self.review = Some(border);
        let hour = self.hour(border);
        let later = self.waiting.split_off(&(hour.ripe, UserKey(0)));
        let ripe = std::mem::replace(&mut self.waiting, later);
        self.review_users(ripe.into_iter().map(|(_, key)| key).collect(), hour, out);
    }

    /// Does any sign-in wait for the review that begins at `border`?
    pub fn has_ripe(&self, border: EventTime) -> bool {
        self.oldest_waiting().is_some_and(|oldest| oldest < self.rules.ripe(border))
    }

    /// The oldest sign-in that waits for its review.
    pub fn oldest_waiting(&self) -> Option<EventTime> {
        self.waiting.first().map(|(time, _)| *time)
    }

    /// Before [`Self::review_all`]: tells the organisation of every stranger who waits.
    pub fn tell_all(&mut self, out: &mut Out) {
        let waiting = self.waiting.iter().map(|(_, key)| *key).collect();
        let known = self.review.map_or(EventTime::MIN, |review| self.rules.held(review));
        self.tell_of_users(waiting, self.told..EventTime::MAX, known, out);
    }

    /// `known`: what was attempted on others has a part in what was known of the users from sign-ins before this.
    fn tell_of_users(&mut self, keys: BTreeSet<UserKey>, of: Range<EventTime>, known: EventTime, out: &mut Out) {
        let (rules, profiles) = (&self.rules, &self.profiles);
        let hour = Hour { reviewed: known, sight: Sight::Settled, ..self.hour(of.end) };
        for key in keys {
            self.users.look_at(key, rules, |record| {
                let bench = bench(rules, profiles, key, record.scope, hour, 0, ("", ""));
                record.tell(of.clone(), &bench, out);
            });
        }
    }

    /// Does any sign-in wait for a review?
    pub fn has_reviews(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// [`Self::review`] of every sign-in that waits: the input has ended, so no more attempts come.
    pub fn review_all(&mut self, stream_time: EventTime, out: &mut Out) {
        let hour = Hour { reviewed: EventTime::MAX, ripe: EventTime::MAX, ..self.hour(stream_time) };
        let all = std::mem::take(&mut self.waiting);
        self.review_users(all.into_iter().map(|(_, key)| key).collect(), hour, out);
    }

    /// With [`Sight::Live`]: judges again what waits for its review, if attempts have become known that may matter. True
    /// when they had.
    pub fn look(&mut self, stream_time: EventTime, out: &mut Out) -> bool {
        let news = self.profiles.attempts().news();
        if self.sight != Sight::Live || news == std::mem::replace(&mut self.news, news) {
            return false;
        }
        let waiting = self.waiting.iter().map(|(_, key)| *key).collect();
        self.review_users(waiting, self.hour(stream_time), out);
        true
    }

    fn review_users(&mut self, keys: BTreeSet<UserKey>, hour: Hour, out: &mut Out) {
        let (rules, profiles) = (&self.rules, &self.profiles);
        let (waiting, waiting_max) = (&mut self.waiting, self.waiting_max);
        let hour = Hour { is_review: true, ..hour };
        for key in keys {
            self.users.change(key, rules, |record| {
                let told = record.told();
                let identity = record.identity.clone();
                let ids = identity.as_ref().map(|ids| (ids.tenant_id.as_ref(), ids.user_id.as_ref()));
                let bench = bench(rules, profiles, key, record.scope, hour, 0, ids.unwrap_or_default());
                let reviewed = record.review(&bench, out);
                if reviewed != Reviewed::Unchanged {
                    out.reviewed.push(key);
                }
                if reviewed == Reviewed::Changed {
                    // What followed may be in doubt only now.
                    for time in record.doubtful_times().filter(|time| *time >= hour.ripe) {
                        wait(waiting, waiting_max, (time, key), out);
                    }
                }
                record.report_risk(&told, key, None, 0, out);
            });
        }
    }

    /// Every user's state as bytes, by rising key: what [`Self::import`] takes.
    pub fn export(&mut self) -> impl Iterator<Item = (UserKey, Vec<u8>)> {
        self.users.export(&self.rules)
    }

    /// Appends one user's state as bytes: what [`Self::import`] takes. False, and nothing appended, when the user is
    /// unknown. A user in use is encoded as it stands.
    pub fn export_user(&mut self, key: UserKey, into: &mut Vec<u8>) -> bool {
        self.users.export_user(key, &self.rules, into)
    }

    /// A copy of one user's record, to be looked at; `None` when the user is unknown.
    pub fn inspect(&mut self, key: UserKey) -> Option<UserRecord> {
        self.users.look_at(key, &self.rules, UserRecord::clone)
    }

    /// Why a sign-in of the user's tail was judged as it was, everything being known that counts; `None` when the tail has
    /// none with this hash.
    pub fn explain(&mut self, key: UserKey, event: u64) -> Option<Explained> {
        let now = self.review.unwrap_or(EventTime::from_seconds(0));
        let hour = Hour { reviewed: EventTime::MAX, ..self.hour(now) };
        let (rules, profiles) = (&self.rules, &self.profiles);
        let explain = |record: &UserRecord| {
            let identity = record.identity.clone();
            let ids = identity.as_ref().map(|ids| (ids.tenant_id.as_ref(), ids.user_id.as_ref()));
            record.explain(event, &bench(rules, profiles, key, record.scope, hour, 0, ids.unwrap_or_default()))
        };
        self.users.look_at(key, rules, explain).flatten()
    }

    /// Goes on under another configuration, from the next item on. What was learnt, settled and told stays; tails
    /// are folded again by the new rules, as they are when exported state is imported under them. A user keeps the
    /// number of his policy until his next sign-in; a number that the new configuration has not means the default.
    pub fn reconfigure(&mut self, config: Arc<EngineConfig>) {
        self.rules = Rules::new(config);
        let EngineConfig { hot_users_max, users_max, .. } = *self.rules.config;
        self.users.reconfigure(hot_users_max, users_max, &self.rules);
    }

    /// Hash of every user's state as it would be if settled at `stream_time`: equal for a task that ran on and one
    /// that was restored. Costs as much as an export.
    pub fn digest(&mut self, stream_time: EventTime) -> u64 {
        let hour = self.hour(stream_time);
        let (rules, profiles) = (&self.rules, &self.profiles);
        let (mut hash, mut bytes) = (Xxh3Default::new(), Vec::new());
        self.users.for_each(rules, |key, record| {
            let bench = bench(rules, profiles, key, record.scope, hour, 0, ("", ""));
            let mut record = record.clone();
            record.settle(&bench, &mut Out::default());
            if !record.may_be_told() {
                record.identity = None;
            }
            bytes.clear();
            codec::encode(&record, &mut bytes);
            hash.update(&key.0.to_le_bytes());
            hash.update(&bytes);
        });
        hash.digest()
    }

    /// Takes one user's state back.
    ///
    /// # Errors
    /// When the bytes are no user state; then nothing changes.
    pub fn import(&mut self, key: UserKey, bytes: &[u8]) -> Result<(), StateCodecError> {
        self.users.import(key, bytes, &self.rules)?;
        let (waiting, max) = (&mut self.waiting, self.waiting_max);
        self.users.look_at(key, &self.rules, |record| {
            for time in record.doubtful_times() {
                wait(waiting, max, (time, key), &mut Out::default());
            }
        });
        Ok(())
    }

    /// Forgets one user, if known.
    pub fn forget(&mut self, key: UserKey) {
        self.users.forget(key, &self.rules);
    }

    /// Everything before this has settled once [`Self::settle`] has run at `stream_time`.
    pub fn held(&self, stream_time: EventTime) -> EventTime {
        self.hour(stream_time).held
    }

    /// Sizes of the users' memory.
    pub fn store_stats(&self) -> StoreStats {
        self.users.stats()
    }

    /// Users remembered.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// Nothing settles before its review, however far stream time has come; without reviews stream time alone counts.
    fn hour(&self, stream_time: EventTime) -> Hour {
        let review = self.review.unwrap_or(stream_time);
        let ripe = self.rules.ripe(review);
        Hour {
            boundary: stream_time.minus_seconds(i64::from(self.rules.config.lateness_horizon_s)),
            ripe,
            held: self.rules.held(review),
            reviewed: ripe,
            sight: self.sight,
            is_review: false,
        }
    }
}

/// How far stream time has come, in what depends on it.
#[derive(Clone, Copy)]
struct Hour {
    /// See [`Bench::boundary`].
    boundary: EventTime,
    /// See [`Bench::ripe`].
    ripe: EventTime,
    /// See [`Bench::held`].
    held: EventTime,
    /// See [`Judge::reviewed`].
    reviewed: EventTime,
    sight: Sight,
    /// See [`Bench::is_review`].
    is_review: bool,
}

/// Notes that a sign-in waits for its review.
fn wait(waiting: &mut BTreeSet<(EventTime, UserKey)>, max: usize, sign_in: (EventTime, UserKey), out: &mut Out) {
    waiting.insert(sign_in);
    if waiting.len() > max {
        waiting.pop_first();
        out.counts.unreviewed += 1;
    }
}

fn bench<'a>(
    rules: &'a Rules,
    profiles: &'a Profiles,
    key: UserKey,
    scope: Scope,
    hour: Hour,
    position: u64,
    (tenant_id, user_id): (&'a str, &'a str),
) -> Bench<'a> {
    Bench {
        judge: Judge {
            policy: rules.policy(scope.policy),
            shadow: None,
            baseline: &rules.config.baseline,
            decay: &rules.decay,
            profiles,
            tenant: scope.tenant,
            tenant_id,
            user_id,
            reviewed: hour.reviewed,
            sight: hour.sight,
            hindsight_s: rules.config.hindsight_s,
        },
        shadows: &rules.config.shadow_policies,
        boundary: hour.boundary,
        ripe: hour.ripe,
        held: hour.held,
        is_review: hour.is_review,
        position,
        member: hash32(Seed::ProfileUser, &key.0.to_le_bytes()),
        quarantine_days: rules.config.baseline.quarantine_days,
        emit_suppressed: rules.config.emit_suppressed,
    }
}
