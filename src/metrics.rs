//! Every metric: what the runtime calls, and the text that Prometheus reads.
//!
//! The list of names, units and meanings is in `src/metrics/all.rs`. Names are `farsign_<thing>_<unit>[_total]`;
//! labels come from closed sets ([`labels`]), never from a log, and their children exist from the start. A
//! [`Metrics`] is cheap to clone, has its own registry and may be used from any thread. Tasks count in plain numbers
//! ([`BatchCounts`], the engine's [`Counts`]) and hand them over once a commit. Nothing is measured here and no clock
//! is asked: times come in as arguments.

mod all;
mod batch;
mod document;
mod family;
pub mod labels;
mod process;
mod task;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::local::LocalHistogram;
use prometheus::process_collector::ProcessCollector;
use prometheus::{IntCounter, TextEncoder};

pub use batch::BatchCounts;
pub use document::document;
pub use family::Description;
pub use labels::{
    ClientKind, CommitOutcome, DeadLetterReason, FindingResult, GeoResult, ItemKind, Label, RebalanceKind,
    RecordResult, ReloadResult, SourceKind, TaskFailure, TaskState, Version,
};
pub use task::TaskMetrics;

use crate::engine::enrich::Tables;
use crate::engine::finding::{RiskEventType, RiskLevel, Suppression};
use crate::engine::out::Counts;
use crate::engine::profile::{ProfileKind, ProfileStats};
use all::All;

/// A gauge's number for a size. No size of ours reaches the limit of `i64`.
fn saturated(size: impl TryInto<i64>) -> i64 {
    size.try_into().unwrap_or(i64::MAX)
}

/// What has happened to a counter whose source may take back: see [`Metrics::add_counts`].
type Balances = [[i64; Suppression::ALL.len()]; RiskEventType::ALL.len()];

/// The instance's metrics.
#[derive(Clone)]
pub struct Metrics {
    all: Arc<All>,
    balances: Arc<Mutex<Balances>>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// # Panics
    /// When two metrics have one name: a bug.
    pub fn new() -> Metrics {
        let all = All::new();
        let process = ProcessCollector::for_self();
        all.registry.register(Box::new(process)).expect("the process's metrics are registered once");
        all.memory_limit.set(process::memory_limit_bytes().map_or(0, saturated));
        Metrics { all: Arc::new(all), balances: Arc::default() }
    }

    /// Every metric in Prometheus's text format (version 0.0.4).
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.all.registry.gather()).expect("every family can be written")
    }

    /// Every metric of this program, in the order of the list; those of the process are the prometheus crate's.
    pub fn descriptions(&self) -> &[Description] {
        &self.all.described
    }

    /// What a task did since its last commit, once that is certain.
    pub fn add_batch(&self, batch: &BatchCounts) {
        let all = &*self.all;
        add(all.records.cells(), batch.records.as_flattened());
        add(all.rejects.cells(), &batch.rejects);
        add(all.skips.cells(), &batch.skips);
        add(all.geo_lookups.cells(), &batch.geo);
        add(all.dead_letters.cells(), &batch.dead_letters);
        add(all.detections.cells(), batch.detections.as_flattened().as_flattened());
        for (policy, detections) in &batch.shadow_detections {
            self.add_shadow_detections(policy, detections);
        }
        all.changelog_records.inc_by(batch.changelog_records);
        all.changelog_bytes.inc_by(batch.changelog_bytes);
    }

    /// Begins counting what these shadow policies find.
    pub fn shadow_policies<'a>(&self, names: impl Iterator<Item = &'a str>) {
        names.for_each(|name| self.add_shadow_detections(name, &batch::Detections::default()));
    }

    fn add_shadow_detections(&self, policy: &str, detections: &batch::Detections) {
        let family = &self.all.shadow_detections;
        for (kind, levels) in RiskEventType::ALL.iter().zip(detections) {
            for (level, versions) in RiskLevel::ALL.iter().zip(levels) {
                for (version, count) in Version::ALL.iter().zip(versions) {
                    let labels = [policy, kind.value(), level.value(), version.value()];
                    family.with_label_values(&labels).inc_by(*count);
                }
            }
        }
    }

    /// What the engine counted since the last commit.
    ///
    /// When sign-ins are judged again the engine takes back suppressions that it counted before, so its sums may
    /// fall, which a counter must not: the metric is the highest that the sum has been. Its counts of detections are
    /// for summaries; [`BatchCounts::detection`] counts what is written.
    pub fn add_counts(&self, counts: &Counts) {
        let all = &*self.all;
        all.items.at((ItemKind::SignIn,)).inc_by(counts.sign_ins);
        all.items.at((ItemKind::Feedback,)).inc_by(counts.feedback);
        let upstream_findings = counts.upstream_findings.as_flattened();
        all.items.at((ItemKind::UpstreamFinding,)).inc_by(upstream_findings.iter().sum());
        add(all.upstream_findings.cells(), upstream_findings);
        all.sign_ins_judged.inc_by(counts.sign_ins_judged);
        all.feedback_without_effect.inc_by(counts.feedback_without_effect);
        all.duplicates.inc_by(counts.duplicates);
        all.reordered.inc_by(counts.reordered);
        all.late.inc_by(counts.late);
        all.withdrawn.inc_by(counts.withdrawn);
        all.tail_overflows.inc_by(counts.tail_overflow);
        all.attempts.inc_by(counts.attempts);
        all.unreviewed.inc_by(counts.unreviewed);
        all.users_new.inc_by(counts.users_new);
        all.users_forgotten.inc_by(counts.users_forgotten);
        all.contributions.inc_by(counts.contributions);
        let mut balances = self.balances.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = counts.suppressions.as_flattened().iter();
        for ((balance, change), counter) in
            balances.as_flattened_mut().iter_mut().zip(changes).zip(all.suppressions.cells())
        {
            *balance = balance.wrapping_add_unsigned(*change);
            raise(counter, u64::try_from(*balance).unwrap_or(0));
        }
    }

    /// One task's gauges; they last as long as what is returned.
    pub fn task(&self, partition: i32) -> TaskMetrics {
        TaskMetrics::new(self, partition)
    }

    /// One thread's lags, observed without an atomic and published by [`Lags::publish`].
    pub fn lags(&self) -> Lags {
        Lags { record: self.all.record_lag.local(), event: self.all.event_lag.local() }
    }

    /// A transaction ended.
    pub fn transaction(&self, outcome: CommitOutcome) {
        self.all.transactions.at((outcome,)).inc();
    }

    /// A transaction was committed `at_s` (seconds since 1970) after `duration_s`.
    pub fn committed(&self, duration_s: f64, at_s: f64) {
        self.all.commit_duration.observe(duration_s);
        self.all.last_commit.set(at_s);
    }

    pub fn producer_recycled(&self) {
        self.all.producers_recycled.inc();
    }

    pub fn client_error(&self, client: ClientKind) {
        self.all.client_errors.at((client,)).inc();
    }

    pub fn rebalance(&self, kind: RebalanceKind) {
        self.all.rebalances.at((kind,)).inc();
    }

    pub fn task_failed(&self, cause: TaskFailure) {
        self.all.task_failures.at((cause,)).inc();
    }

    /// More records of a changelog were read back.
    pub fn restored_records(&self, records: u64) {
        self.all.restored_records.inc_by(records);
    }

    /// Records were gone before they were judged, and the configuration says to go on.
    pub fn lost_records(&self, records: u64) {
        self.all.lost_records.inc_by(records);
    }

    /// What a transaction left out: records delivered again, and evidence too long for its topic.
    pub fn left_out(&self, repeated_records: u64, shortened: u64) {
        self.all.repeated_records.inc_by(repeated_records);
        self.all.shortened.inc_by(shortened);
    }

    /// A task is restored, after `duration_s`.
    pub fn restored(&self, duration_s: f64) {
        self.all.restore_duration.observe(duration_s);
    }

    /// Sizes of the profiles, and what they dropped since the process started.
    pub fn profiles(&self, stats: &ProfileStats) {
        let all = &*self.all;
        all.profile_day.set(stats.day.map_or(0, i64::from));
        for kind in ProfileKind::ALL {
            all.profile_keys.at((kind,)).set(saturated(stats.keys[kind.index()]));
        }
        all.profile_members.set(saturated(stats.members));
        all.profile_bytes.set(saturated(stats.bytes));
        all.profile_pending.set(saturated(stats.pending));
        // Under the lock: two threads that raise one counter at once would add twice.
        let _guard = self.balances.lock().unwrap_or_else(PoisonError::into_inner);
        raise(&all.profile_evicted_keys, stats.evicted_keys);
        raise(&all.profile_dropped, stats.dropped_contributions);
        raise(&all.profile_expired, stats.expired_contributions);
        all.attempt_traces.set(saturated(stats.attempts.traces.iter().sum::<usize>()));
        raise(&all.attempt_traces_dropped, stats.attempts.dropped);
    }

    /// A day was entered before every partition's contributions were there.
    pub fn profile_day_incomplete(&self) {
        self.all.profile_incomplete_days.inc();
    }

    /// Reviews began before every partition had told what was attempted.
    pub fn profile_review_incomplete(&self) {
        self.all.profile_incomplete_reviews.inc();
    }

    /// A record of the profiles topic could not be read.
    pub fn profile_rejected(&self) {
        self.all.profile_rejects.inc();
    }

    /// A task stood still for others.
    pub fn profile_waited(&self, seconds: f64) {
        self.all.profile_wait.inc_by(seconds.max(0.0));
    }

    /// Configuration and tables that are in use from `at_s` (seconds since 1970) on.
    pub fn configured(&self, config_hash: u64, tables: &Tables, at_s: f64) {
        let all = &*self.all;
        all.config_info.reset();
        all.config_info.with_label_values(&[&format!("{config_hash:016x}")]).set(1);
        all.table_build.reset();
        for database in tables.databases() {
            let gauge = all.table_build.with_label_values(&[&database.database_type]);
            let build = saturated(database.build_epoch);
            // Two of one type: the older one is what to look at.
            gauge.set(if gauge.get() == 0 { build } else { build.min(gauge.get()) });
        }
        all.list_entries.set(saturated(tables.list_entries()));
        all.config_last_reload_successful.set(1);
        all.config_last_reload.set(at_s);
    }

    /// A reload ended; `restart_pending` keys have changed that only a restart takes up.
    pub fn reload(&self, result: ReloadResult, restart_pending: usize) {
        self.all.config_reloads.at((result,)).inc();
        self.all.config_last_reload_successful.set(i64::from(result != ReloadResult::Refused));
        self.all.config_restart_pending.set(saturated(restart_pending));
    }

    pub fn health(&self, live: bool, ready: bool) {
        self.all.live.set(i64::from(live));
        self.all.ready.set(i64::from(ready));
    }
}

/// Both in the order of the labels.
fn add(counters: &[IntCounter], counts: &[u64]) {
    debug_assert_eq!(counters.len(), counts.len());
    for (counter, count) in counters.iter().zip(counts).filter(|(_, count)| **count > 0) {
        counter.inc_by(*count);
    }
}

/// Brings a counter up to `total`; never down. One thread at a time.
fn raise(counter: &IntCounter, total: u64) {
    if let Some(difference @ 1..) = total.checked_sub(counter.get()) {
        counter.inc_by(difference);
    }
}

/// One thread's observations; published at the commit.
pub struct Lags {
    record: LocalHistogram,
    event: LocalHistogram,
}

impl Lags {
    /// From a record's timestamp to its commit, seconds. A clock that is behind counts as no lag.
    pub fn record(&self, seconds: f64) {
        self.record.observe(seconds.max(0.0));
    }

    /// From a sign-in's event time to the commit of its detection, seconds.
    pub fn event(&self, seconds: f64) {
        self.event.observe(seconds.max(0.0));
    }

    pub fn publish(&self) {
        self.record.flush();
        self.event.flush();
    }
}
