//! The engine driven as a runtime drives it, with the final detections and the counts as the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use farsign::engine::facts::Item;
use farsign::engine::hash::UserKey;
use farsign::engine::out::{Counts, Detection, Out, RiskyUser};
use farsign::engine::policy::EngineConfig;
use farsign::engine::profile::Profiles;
use farsign::engine::signin::EventTime;
use farsign::engine::user::panel::{Hour, Panel};
use farsign::engine::user::review::Reviewed;
use farsign::engine::variants::{Variant, Variants};
use farsign::engine::watermark::StreamTime;
use farsign::engine::{Engine, Input, Sight};

/// What came out: the last version of each detection, in order of time and id, and how many versions there were.
pub struct Answer {
    pub detections: Vec<(Detection, usize)>,
    /// The same of what shadow policies found.
    pub shadow_detections: Vec<(Detection, usize)>,
    pub counts: Counts,
    /// Every change of a user's risk, in the order of output.
    pub risky_users: Vec<RiskyUser>,
    /// The organisation as it was known in the end.
    pub profiles: Arc<Profiles>,
    /// What is remembered of the users in the end.
    pub engines: Vec<Engine>,
}

/// How the same input may be cut up; the answer must not depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub batch: usize,
    /// Engines that share the users among them.
    pub tasks: usize,
    /// After so many batches a task ends, and another takes over its exported state; 0 = never.
    pub restart_after: usize,
}

impl Default for Cut {
    fn default() -> Cut {
        Cut { batch: 64, tasks: 1, restart_after: 0 }
    }
}

/// One task of the runtime.
pub struct Task {
    pub engine: Engine,
    pub stream_time: StreamTime,
    pub position: u64,
    pub batches: usize,
}

/// Versions of detections by id: finding and level come from the newest version that has them.
#[derive(Default)]
pub struct Versions(BTreeMap<uuid::Uuid, (Detection, usize)>);

impl Versions {
    pub fn upsert(&mut self, detections: &mut Vec<Detection>) {
        for mut detection in detections.drain(..) {
            let versions = self.0.get(&detection.id).map_or(0, |old| old.1);
            if detection.finding.is_none() {
                detection.finding = self.0.get(&detection.id).and_then(|old| old.0.finding.clone());
            }
            self.0.insert(detection.id, (detection, versions + 1));
        }
    }

    pub fn into_final(self) -> Vec<(Detection, usize)> {
        let mut all: Vec<_> = self.0.into_values().collect();
        all.sort_by(|(a, _), (b, _)| {
            (a.activity_time, &a.subject.request_id, a.kind).cmp(&(b.activity_time, &b.subject.request_id, b.kind))
        });
        all
    }
}

/// Runs the items in arrival order. Days are barriers for all tasks: each settles and hands in its contributions
/// before the profiles move on, and then the first item of the new day is judged.
pub fn run(config: &EngineConfig, items: &[Item<'_>], cut: Cut) -> Answer {
    let config = Arc::new(config.clone());
    let profiles = Arc::new(Profiles::default());
    let mut tasks: Vec<Task> = (0..cut.tasks)
        .map(|_| Task {
            engine: Engine::new(config.clone(), profiles.clone()),
            stream_time: StreamTime::default(),
            position: 0,
            batches: 0,
        })
        .collect();
    let judges = [Variant::new(config.clone(), profiles.clone())];
    let users: BTreeSet<UserKey> = items.iter().map(Item::user).collect();
    let mut out = Out::default();
    let (mut versions, mut shadow_versions) = (Versions::default(), Versions::default());
    let mut newest = StreamTime::default();
    let mut day = i32::MIN;
    let mut review = EventTime::MIN;
    let mut waiting: Vec<Vec<&Item<'_>>> = vec![Vec::new(); cut.tasks];
    for item in items {
        let now = newest.observe(item.time(), item.user());
        if newest.day() != i32::MIN && config.review_at(now) > review {
            // Attempts of all tasks are in before any of them reviews.
            for (task, waiting) in tasks.iter_mut().zip(&mut waiting) {
                flush(task, waiting, &mut out);
            }
            profiles.attempts().contribute(&std::mem::take(&mut out.attempts));
            review = config.review_at(now);
            tasks.iter_mut().for_each(|task| assert_that_reviews_miss_nothing(task, &judges, &users, review));
            tasks.iter_mut().for_each(|task| task.engine.tell(review, std::slice::from_mut(&mut out)));
            profiles.attempts().contribute(&std::mem::take(&mut out.attempts));
            tasks.iter_mut().for_each(|task| task.engine.review(review, std::slice::from_mut(&mut out)));
            versions.upsert(&mut out.detections);
            shadow_versions.upsert(&mut out.shadow_detections);
        }
        if newest.day() > day {
            for (task, waiting) in tasks.iter_mut().zip(&mut waiting) {
                flush(task, waiting, &mut out);
                task.engine.settle(now, std::slice::from_mut(&mut out));
            }
            versions.upsert(&mut out.detections);
            shadow_versions.upsert(&mut out.shadow_detections);
            profiles.contribute(&out.contributions);
            out.contributions.clear();
            day = newest.day();
            profiles.advance(day);
        }
        let owner = item.user().shard(cut.tasks);
        waiting[owner].push(item);
        if waiting[owner].len() >= cut.batch {
            flush(&mut tasks[owner], &mut waiting[owner], &mut out);
            versions.upsert(&mut out.detections);
            shadow_versions.upsert(&mut out.shadow_detections);
            let task = &mut tasks[owner];
            task.batches += 1;
            if cut.restart_after > 0 && task.batches.is_multiple_of(cut.restart_after) {
                task.engine = restarted(&mut task.engine, Engine::new(config.clone(), profiles.clone()));
            }
        }
    }
    for (task, waiting) in tasks.iter_mut().zip(&mut waiting) {
        flush(task, waiting, &mut out);
    }
    profiles.attempts().contribute(&std::mem::take(&mut out.attempts));
    tasks.iter_mut().for_each(|task| task.engine.tell_all(std::slice::from_mut(&mut out)));
    profiles.attempts().contribute(&std::mem::take(&mut out.attempts));
    tasks.iter_mut().for_each(|task| task.engine.review_all(newest.now(), std::slice::from_mut(&mut out)));
    // Up to one and the same horizon, so that what is told in all can be compared.
    tasks.iter_mut().for_each(|task| task.engine.settle(newest.now(), std::slice::from_mut(&mut out)));
    versions.upsert(&mut out.detections);
    shadow_versions.upsert(&mut out.shadow_detections);
    let engines = tasks.into_iter().map(|task| task.engine).collect();
    Answer {
        detections: versions.into_final(),
        shadow_detections: shadow_versions.into_final(),
        counts: out.counts,
        risky_users: out.risky_users,
        profiles,
        engines,
    }
}

fn flush(task: &mut Task, waiting: &mut Vec<&Item<'_>>, out: &mut Out) {
    let inputs: Vec<Input<'_>> = waiting
        .drain(..)
        .map(|item| {
            task.position += 1;
            Input {
                position: task.position,
                stream_time: task.stream_time.observe(item.time(), item.user()),
                item,
            }
        })
        .collect();
    task.engine.step(&inputs, std::slice::from_mut(out));
}

/// Whom the engine passes over in a review would come out of it as he went in, and what it tells of whom it does not judge
/// again is what judging again would tell.
fn assert_that_reviews_miss_nothing(
    task: &mut Task,
    judges: &[Variant],
    users: &BTreeSet<UserKey>,
    border: EventTime,
) {
    let Variant { rules, .. } = &judges[0];
    let ripe = rules.ripe(border);
    let (boundary, held) = (EventTime::MIN, rules.held(border));
    let hour = Hour { boundary, ripe, held, reviewed: ripe, sight: Sight::Settled, is_review: true };
    let known = rules.held(border.minus_seconds(rules.config.review_every_s.into()));
    let told = EventTime::MIN..border.minus_seconds(rules.config.lateness_horizon_s.into());
    for key in users {
        let Some(record) = task.engine.inspect(0, *key) else { continue };
        let ids = record.identity.as_ref().map(|ids| (&*ids.tenant_id, &*ids.user_id));
        let user = (*key, ids.unwrap_or_default());
        let panel = |hour| Panel::new(judges, Variants::first(1), user, record.scope, hour, 0);
        assert!(record.tells_alike(&told, &panel(Hour { reviewed: known, ..hour })));
        let panel = panel(hour);
        if record.wavering_now(&panel).is_empty() {
            assert_eq!(record.clone().review(&panel.lead(), &mut Out::default()), Reviewed::Unchanged);
        }
    }
}

/// An engine with the state that another exported.
fn restarted(old: &mut Engine, mut new: Engine) -> Engine {
    for (key, bytes) in old.export(0) {
        new.import(Variants::first(1), key, &bytes).expect("exported state");
    }
    new
}
