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
pub mod variants;
mod waiting;
pub mod watermark;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use facts::Item;
use hash::{Seed, UserKey, hash32};
use out::Out;
use policy::EngineConfig;
use profile::Profiles;
use rules::Rules;
use signin::EventTime;
use user::branches::{Branch, part, variants_of};
use user::codec::{self, StateCodecError};
use user::explain::Explained;
use user::panel::{Hour, Panel};
use user::record::{Scope, UserRecord};
use user::review::Reviewed;
use user::store::{PutState, StoreStats, UserStore};
use variants::{Variant, Variants};
use waiting::Waiting;
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

/// The state of one task's users and the judge over them: one configuration, or several
/// [variants](variants::share_users). What comes of each goes into the output at its place.
pub struct Engine {
    variants: Vec<Variant>,
    users: UserStore,
    sight: Sight,
    /// Sign-ins in which not everything is familiar, until their review. Never fewer than the tails have, or what is
    /// reviewed would depend on restarts.
    waiting: Waiting,
    /// When the last review began; `None`: nobody reviews yet.
    review: Option<EventTime>,
    /// Of those before this, the organisation has been told.
    told: EventTime,
    /// [`Attempts::news`](attempts::Attempts::news) as of the last look.
    news: u64,
}

impl Engine {
    pub fn new(config: Arc<EngineConfig>, profiles: Arc<Profiles>) -> Engine {
        Engine::of_variants(vec![Variant::new(config, profiles)])
    }

    /// # Panics
    /// When there is none, or more than [`VARIANTS_MAX`](variants::VARIANTS_MAX).
    pub fn of_variants(variants: Vec<Variant>) -> Engine {
        assert!((1..=variants::VARIANTS_MAX).contains(&variants.len()), "one variant at least");
        let EngineConfig { hot_users_max, users_max, .. } = *variants[0].rules.config;
        Engine {
            users: UserStore::new(hot_users_max, users_max, Variants::first(variants.len())),
            waiting: Waiting::new(variants.len(), REVIEWS_MAX),
            variants,
            sight: Sight::Settled,
            review: None,
            told: EventTime::MIN,
            news: 0,
        }
    }

    /// The rules of the first variant: what users are and how they learn is the same for all.
    fn rules(&self) -> &Rules {
        &self.variants[0].rules
    }

    /// How many judge.
    pub fn variants(&self) -> usize {
        self.variants.len()
    }

    /// Sees other users' attempts as soon as they are known, from here on.
    pub fn set_sight(&mut self, sight: Sight) {
        self.sight = sight;
    }

    /// Judges the items in order and appends what comes of it to the variants' `outs`.
    pub fn step(&mut self, batch: &[Input<'_>], outs: &mut [Out]) {
        debug_assert!(outs.len() == self.variants.len(), "an output for each variant");
        for input in batch {
            self.take(input, outs);
        }
    }

    fn take(&mut self, input: &Input<'_>, outs: &mut [Out]) {
        let key = input.item.user();
        let (tenant_id, user_id, principal) = names(input.item);
        let rules = &self.variants[0].rules;
        let scope = Scope {
            tenant: hash32(Seed::Tenant, tenant_id.as_bytes()),
            policy: rules.resolve(tenant_id, user_id, principal),
            shadows: rules.shadows(tenant_id, user_id, principal),
        };
        let hour = self.hour(input.stream_time);
        let mut forgotten = Vec::new();
        let (branches, new) = self.users.get_or_insert(key, rules, &mut forgotten);
        new.iter().for_each(|variant| outs[variant].counts.users_new += 1);
        if !forgotten.is_empty() {
            for out in outs.iter_mut() {
                out.counts.users_forgotten += forgotten.len() as u64;
                out.forgotten.extend_from_slice(&forgotten);
            }
        }
        let ids = (tenant_id, user_id);
        let mut parted = Vec::new();
        for Branch { variants, record } in branches.iter_mut() {
            let mut scope = scope;
            if new.and(*variants).is_empty() && !matches!(input.item, Item::SignIn(_)) {
                // Feedback names no principal, and a finding may not: the policies of the user's sign-ins stay.
                (scope.policy, scope.shadows) = (record.scope.policy, record.scope.shadows);
            }
            record.enter(scope, rules);
            let told = record.told();
            let panel = Panel::new(&self.variants, *variants, (key, ids), scope, hour, input.position);
            let taken = match input.item {
                Item::SignIn(prepared) => record.take_sign_in(prepared, &panel, outs),
                Item::Feedback { feedback, .. } => record.take_feedback(feedback, &panel, outs),
                Item::UpstreamFinding(prepared) => record.take_finding(prepared, &panel, outs),
            };
            let gone = variants_of(&taken.parted);
            let start = parted.len();
            parted.extend(taken.parted);
            let mine = std::iter::once((variants.without(gone), record));
            let others = parted[start..].iter_mut().map(|branch| (branch.variants, &mut branch.record));
            for (variants, record) in mine.chain(others) {
                // What was judged again after a late one may be in doubt only now.
                let again = taken.is_reordered.then(|| record.doubtful_times());
                for time in record.newest_doubtful_time().into_iter().chain(again.into_iter().flatten()) {
                    self.waiting.add((time, key), variants, outs);
                }
                let risky_user = record.report_risk(&told, key, Some(ids), input.position);
                panel.of(variants).tell(outs, |out| out.risky_users.extend(risky_user.clone()));
            }
        }
        branches.extend(parted);
        branches.join();
    }

    /// Settles every user up to the last review's horizon: contributes and learns for good what no late event can precede
    /// any more, and lets low risks age out. It changes state's bytes, never a verdict.
    ///
    /// From then on no input contributes to a day before that of [`Self::held`], as long as stream time
    /// does not fall ([`StreamTime::complete_day`](watermark::StreamTime::complete_day)). So a runtime that reviews and
    /// settles when a day begins, before it advances the profiles, has all contributions of the day before last.
    pub fn settle(&mut self, stream_time: EventTime, outs: &mut [Out]) {
        let hour = self.hour(stream_time);
        let all = &self.variants;
        self.users.for_each_unsettled(&all[0].rules, |key, branches| {
            for Branch { variants, record } in branches.iter_mut() {
                let told = record.told();
                let panel = Panel::new(all, *variants, (key, ("", "")), record.scope, hour, 0);
                record.settle(&panel, outs);
                let risky_user = record.report_risk(&told, key, None, 0);
                panel.tell(outs, |out| out.risky_users.extend(risky_user.clone()));
            }
            branches.join();
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
    pub fn tell(&mut self, border: EventTime, outs: &mut [Out]) {
        let (from, before) = (self.told, self.told_before(border));
        if from >= before {
            return;
        }
        let step = i64::from(self.rules().config.review_every_s);
        let known = self.rules().held(border.minus_seconds(step));
        self.tell_of_users(self.waiting.users_between(from, before), from..before, known, outs);
        self.told = before;
    }

    fn told_before(&self, border: EventTime) -> EventTime {
        border.minus_seconds(i64::from(self.rules().config.lateness_horizon_s))
    }

    /// Judges again, in the light of what was attempted on other users, each sign-in that has become
    /// [ripe](Rules::ripe). A runtime calls it after every task has come to the border, has [told](Self::tell), and its
    /// attempts are contributed.
    pub fn review(&mut self, border: EventTime, outs: &mut [Out]) {
        self.review = Some(border);
        let hour = self.hour(border);
        let ripe = self.waiting.take_before(hour.ripe);
        self.review_users(ripe, hour, outs);
    }

    /// Does any sign-in wait for the review that begins at `border`?
    pub fn has_ripe(&self, border: EventTime) -> bool {
        self.oldest_waiting().is_some_and(|oldest| oldest < self.rules().ripe(border))
    }

    /// The oldest sign-in that waits for its review.
    pub fn oldest_waiting(&self) -> Option<EventTime> {
        self.waiting.oldest()
    }

    /// Before [`Self::review_all`]: tells the organisation of every stranger who waits.
    pub fn tell_all(&mut self, outs: &mut [Out]) {
        let known = self.review.map_or(EventTime::MIN, |review| self.rules().held(review));
        let all = self.waiting.users_between(EventTime::MIN, EventTime::MAX);
        self.tell_of_users(all, self.told..EventTime::MAX, known, outs);
    }

    /// `known`: what was attempted on others has a part in what was known of the users from sign-ins before this.
    fn tell_of_users(
        &mut self,
        users: BTreeMap<UserKey, Variants>,
        of: Range<EventTime>,
        known: EventTime,
        outs: &mut [Out],
    ) {
        let all = &self.variants;
        let hour = Hour { reviewed: known, sight: Sight::Settled, ..self.hour(of.end) };
        for (key, waiting) in users {
            self.users.change(key, &all[0].rules, |branches| {
                for Branch { variants, record } in branches.iter() {
                    let variants = variants.and(waiting);
                    if !variants.is_empty() {
                        let panel = Panel::new(all, variants, (key, ("", "")), record.scope, hour, 0);
                        record.tell(of.clone(), &panel, outs);
                    }
                }
            });
        }
    }

    /// Does any sign-in wait for a review?
    pub fn has_reviews(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// [`Self::review`] of every sign-in that waits: the input has ended, so no more attempts come.
    pub fn review_all(&mut self, stream_time: EventTime, outs: &mut [Out]) {
        let hour = Hour { reviewed: EventTime::MAX, ripe: EventTime::MAX, ..self.hour(stream_time) };
        let all = self.waiting.take_before(EventTime::MAX);
        self.review_users(all, hour, outs);
    }

    /// With [`Sight::Live`]: judges again what waits for its review, if attempts have become known that may matter to the
    /// first variant. True when they had.
    pub fn look(&mut self, stream_time: EventTime, outs: &mut [Out]) -> bool {
        let news = self.variants[0].profiles.attempts().news();
        if self.sight != Sight::Live || news == std::mem::replace(&mut self.news, news) {
            return false;
        }
        let waiting = self.waiting.users_between(EventTime::MIN, EventTime::MAX);
        self.review_users(waiting, self.hour(stream_time), outs);
        true
    }

    fn review_users(&mut self, users: BTreeMap<UserKey, Variants>, hour: Hour, outs: &mut [Out]) {
        let (all, waiting) = (&self.variants, &mut self.waiting);
        let hour = Hour { is_review: true, ..hour };
        for (key, ripe) in users {
            self.users.change(key, &all[0].rules, |branches| {
                let mut parted = Vec::new();
                for branch in branches.iter_mut() {
                    let variants = branch.variants.and(ripe);
                    let identity = branch.record.identity.clone();
                    let ids = identity.as_ref().map(|ids| (ids.tenant_id.as_ref(), ids.user_id.as_ref()));
                    let user = (key, ids.unwrap_or_default());
                    let panel = Panel::new(all, variants, user, branch.record.scope, hour, 0);
                    let wavering = branch.record.wavering_now(&panel);
                    if wavering.is_empty() {
                        continue;
                    }
                    let review = |record: &mut UserRecord, panel: &Panel<'_>, outs: &mut [Out]| {
                        review_user(key, record, (panel, hour.ripe), waiting, outs);
                    };
                    if wavering == branch.variants {
                        parted.extend(part(&mut branch.record, &panel, outs, review));
                        continue;
                    }
                    // Those to whom nothing happened keep the record.
                    let mut record = branch.record.clone();
                    let others = part(&mut record, &panel.of(wavering), outs, review);
                    let gone = variants_of(&others);
                    parted.push(Branch { variants: wavering.without(gone), record });
                    parted.extend(others);
                }
                branches.extend(parted);
                branches.join();
            });
        }
    }

    /// Every user's state as a variant has it, as bytes, by rising key: what [`Self::import`] takes.
    pub fn export(&mut self, variant: usize) -> impl Iterator<Item = (UserKey, Vec<u8>)> {
        self.users.export(variant, &self.variants[0].rules)
    }

    /// Gives every user's state, by rising key: once for all variants to whom it is the same, which [`Self::import`] takes
    /// with it.
    ///
    /// # Errors
    /// Those of `put`, which ends it.
    pub fn export_branches<E>(&mut self, put: &mut PutState<'_, E>) -> Result<(), E> {
        self.users.export_branches(&self.variants[0].rules, put)
    }

    /// Appends one user's state as a variant has it, as bytes: what [`Self::import`] takes. False, and nothing appended,
    /// when the user is unknown. A user in use is encoded as it stands.
    pub fn export_user(&mut self, variant: usize, key: UserKey, into: &mut Vec<u8>) -> bool {
        self.users.export_user(variant, key, &self.variants[0].rules, into)
    }

    /// A copy of one user's record, to be looked at; `None` when the variant does not know the user.
    pub fn inspect(&mut self, variant: usize, key: UserKey) -> Option<UserRecord> {
        self.users.look_at(variant, key, &self.variants[0].rules, UserRecord::clone)
    }

    /// Why a variant judged a sign-in of the user's tail as it did, everything being known that counts; `None` when the
    /// tail has none with this hash.
    pub fn explain(&mut self, variant: usize, key: UserKey, event: u64) -> Option<Explained> {
        let now = self.review.unwrap_or(EventTime::from_seconds(0));
        let hour = Hour { reviewed: EventTime::MAX, ..self.hour(now) };
        let all = &self.variants;
        let explain = |record: &UserRecord| {
            let identity = record.identity.clone();
            let ids = identity.as_ref().map(|ids| (ids.tenant_id.as_ref(), ids.user_id.as_ref()));
            let user = (key, ids.unwrap_or_default());
            record.explain(event, &Panel::new(all, Variants::only(variant), user, record.scope, hour, 0).lead())
        };
        self.users.look_at(variant, key, &all[0].rules, explain).flatten()
    }

    /// Goes on under another configuration, from the next item on: of an engine with one. What was learnt, settled and told
    /// stays; tails are folded again by the new rules, as they are when exported state is imported under them. A user keeps
    /// the number of his policy until his next sign-in; a number that the new configuration has not means the default.
    pub fn reconfigure(&mut self, config: Arc<EngineConfig>) {
        debug_assert!(self.variants.len() == 1, "several might part");
        self.variants[0].rules = Rules::new(config);
        let rules = &self.variants[0].rules;
        let EngineConfig { hot_users_max, users_max, .. } = *rules.config;
        self.users.reconfigure(hot_users_max, users_max, rules);
    }

    /// Hash of every user's state as a variant has it, as it would be if settled at `stream_time`: equal for a task that ran
    /// on and one that was restored. Costs as much as an export.
    pub fn digest(&mut self, variant: usize, stream_time: EventTime) -> u64 {
        let hour = self.hour(stream_time);
        let all = &self.variants;
        let mut outs = Out::of_each(all.len());
        let (mut hash, mut bytes) = (Xxh3Default::new(), Vec::new());
        self.users.for_each(variant, &all[0].rules, |key, record| {
            let mut record = record.clone();
            let panel = Panel::new(all, Variants::only(variant), (key, ("", "")), record.scope, hour, 0);
            record.settle(&panel, &mut outs);
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

    /// Takes one user's state back, for some variants.
    ///
    /// # Errors
    /// When the bytes are no user state; then nothing changes.
    pub fn import(&mut self, variants: Variants, key: UserKey, bytes: &[u8]) -> Result<(), StateCodecError> {
        let rules = &self.variants[0].rules;
        self.users.import(variants, key, bytes, rules)?;
        let waiting = &mut self.waiting;
        let mut outs = Out::of_each(self.variants.len());
        self.users.look_at(variants.lead(), key, rules, |record| {
            for time in record.doubtful_times() {
                waiting.add((time, key), variants, &mut outs);
            }
        });
        Ok(())
    }

    /// Forgets one user, if known.
    pub fn forget(&mut self, key: UserKey) {
        self.users.forget(key, &self.variants[0].rules);
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
        let rules = self.rules();
        let review = self.review.unwrap_or(stream_time);
        let ripe = rules.ripe(review);
        Hour {
            boundary: stream_time.minus_seconds(i64::from(rules.config.lateness_horizon_s)),
            ripe,
            held: rules.held(review),
            reviewed: ripe,
            sight: self.sight,
            is_review: false,
        }
    }
}

/// Tenant, user, and principal name where it has one.
fn names<'a>(item: &'a Item<'_>) -> (&'a str, &'a str, &'a str) {
    match item {
        Item::SignIn(prepared) => {
            let sign_in = &prepared.sign_in;
            (&sign_in.tenant_id, &sign_in.user_id, &sign_in.user_principal_name)
        }
        Item::Feedback { feedback, .. } => (&feedback.tenant_id, &feedback.user_id, ""),
        Item::UpstreamFinding(prepared) => {
            let finding = &prepared.finding;
            (&finding.tenant_id, &finding.user_id, &finding.user_principal_name)
        }
    }
}

/// Judges one user again as a variant that is alone, and notes what came of it.
fn review_user(
    key: UserKey,
    record: &mut UserRecord,
    (panel, ripe): (&Panel<'_>, EventTime),
    waiting: &mut Waiting,
    outs: &mut [Out],
) {
    let told = record.told();
    let (bench, out) = panel.alone(outs);
    let reviewed = record.review(&bench, out);
    if reviewed != Reviewed::Unchanged {
        out.reviewed.push(key);
    }
    out.risky_users.extend(record.report_risk(&told, key, None, 0));
    if reviewed == Reviewed::Changed {
        // What followed may be in doubt only now.
        for time in record.doubtful_times().filter(|time| *time >= ripe) {
            waiting.add((time, key), panel.variants, outs);
        }
    }
}
