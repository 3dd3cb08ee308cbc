//! What is wrong with this instance, as the runtime knows it: the source of `/healthz` and `/readyz`.
//!
//! Alive: every watched thread has beaten within its deadline and nothing has failed for good; a restart would help
//! when it is not. Ready: alive, and nothing blocks. A subject ("topics", "task 3") blocks with a reason until it is
//! cleared. Whoever sets a status names it; nothing is found out here, and no reason holds a user or an address.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::runtime::clock;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub subject: String,
    pub reason: String,
}

/// Shared by the runtime, which sets it, and the HTTP server, which reads it.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    blocked: BTreeMap<String, String>,
    failed: BTreeMap<String, String>,
    watched: BTreeMap<String, Watched>,
}

#[derive(Debug)]
struct Watched {
    deadline: Duration,
    /// Milliseconds after `started`.
    last_ms: Arc<AtomicU64>,
}

impl Health {
    /// Not ready until each of `subjects` is cleared.
    pub fn new(subjects: &[&str]) -> Arc<Health> {
        let blocked = subjects.iter().map(|subject| ((*subject).to_owned(), "not yet begun".to_owned())).collect();
        let state = Mutex::new(State { blocked, ..State::default() });
        Arc::new(Health { started: clock::now(), state })
    }

    /// Readiness waits for `subject`, or the reason has changed.
    pub fn block(&self, subject: &str, reason: impl Into<String>) {
        self.state().blocked.insert(subject.to_owned(), reason.into());
    }

    /// `subject` is as it should be, or gone.
    pub fn clear(&self, subject: &str) {
        self.state().blocked.remove(subject);
    }

    /// Something that only a restart mends. It stays.
    pub fn fail(&self, subject: &str, reason: impl Into<String>) {
        self.state().failed.insert(subject.to_owned(), reason.into());
    }

    /// The thread must beat at least once in `deadline`, beginning now, until what is returned is dropped.
    pub fn watch(self: &Arc<Self>, thread: &str, deadline: Duration) -> Beat {
        let last_ms = Arc::new(AtomicU64::new(self.now_ms()));
        let watched = Watched { deadline, last_ms: last_ms.clone() };
        self.state().watched.insert(thread.to_owned(), watched);
        Beat { health: self.clone(), thread: thread.to_owned(), last_ms }
    }

    /// What a restart would mend; empty = alive.
    pub fn live(&self) -> Vec<Problem> {
        let now_ms = self.now_ms();
        let state = self.state();
        let silent = state.watched.iter().filter_map(|(thread, watched)| {
            let silent = Duration::from_millis(now_ms.saturating_sub(watched.last_ms.load(Ordering::Relaxed)));
            let (seconds, allowed) = (silent.as_secs(), watched.deadline.as_secs_f64());
            (silent > watched.deadline).then(|| Problem {
                subject: format!("thread {thread}"),
                reason: format!("has not moved for {seconds} s; {allowed} s are allowed"),
            })
        });
        problems(&state.failed).chain(silent).collect()
    }

    /// What keeps this instance from doing its work, or may; empty = ready.
    pub fn ready(&self) -> Vec<Problem> {
        let mut found = self.live();
        found.extend(problems(&self.state().blocked));
        found
    }

    fn now_ms(&self) -> u64 {
        u64::try_from((clock::now() - self.started).as_millis()).unwrap_or(u64::MAX)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn problems(of: &BTreeMap<String, String>) -> impl Iterator<Item = Problem> + '_ {
    of.iter().map(|(subject, reason)| Problem { subject: subject.clone(), reason: reason.clone() })
}

/// A watched thread's pulse. A thread that ends on purpose drops it.
#[derive(Debug)]
pub struct Beat {
    health: Arc<Health>,
    thread: String,
    last_ms: Arc<AtomicU64>,
}

impl Beat {
    pub fn beat(&self) {
        self.last_ms.store(self.health.now_ms(), Ordering::Relaxed);
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        // A thread that panicked has not ended on purpose: its silence is found.
        if std::thread::panicking() {
            return;
        }
        let mut state = self.health.state();
        // A successor of the same name keeps its own.
        if state.watched.get(&self.thread).is_some_and(|watched| Arc::ptr_eq(&watched.last_ms, &self.last_ms)) {
            state.watched.remove(&self.thread);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(problems: &[Problem]) -> Vec<String> {
        problems.iter().map(|problem| format!("{}: {}", problem.subject, problem.reason)).collect()
    }

    #[test]
    fn ready_when_every_subject_is_cleared() {
        let health = Health::new(&["topics", "group"]);
        assert_eq!(reasons(&health.ready()), ["group: not yet begun", "topics: not yet begun"]);
        assert_eq!(health.live(), []);
        health.clear("topics");
        health.block("task 3", "restoring");
        health.block("task 3", "restoring: 7 records remain");
        health.clear("group");
        assert_eq!(reasons(&health.ready()), ["task 3: restoring: 7 records remain"]);
        health.clear("task 3");
        assert_eq!(health.ready(), []);
    }

    #[test]
    fn a_failure_stays_and_is_no_readiness_either() {
        let health = Health::new(&[]);
        health.fail("task 3", "the changelog cannot be read");
        health.clear("task 3");
        assert_eq!(reasons(&health.live()), ["task 3: the changelog cannot be read"]);
        assert_eq!(health.ready(), health.live());
    }

    #[test]
    fn silence_beyond_the_deadline_is_found() {
        let health = Health::new(&[]);
        let silent = health.watch("group", Duration::ZERO);
        let patient = health.watch("worker 0", Duration::from_secs(3_600));
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(reasons(&health.live()), ["thread group: has not moved for 0 s; 0 s are allowed"]);
        drop(silent);
        assert_eq!(health.live(), []);
        let again = health.watch("group", Duration::from_secs(3_600));
        again.beat();
        assert_eq!(health.live(), []);
        drop((patient, again));
    }

    #[test]
    fn a_panicked_thread_is_found_and_a_successor_is_not_forgotten() {
        let health = Health::new(&[]);
        let beat = health.watch("worker 0", Duration::ZERO);
        let panicked = std::thread::spawn(move || {
            beat.beat();
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(health.live().len(), 1);
        let first = health.watch("worker 0", Duration::ZERO);
        let second = health.watch("worker 0", Duration::ZERO);
        drop(first);
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(health.live().len(), 1, "the second is still watched");
        drop(second);
        assert_eq!(health.live(), []);
    }
}
