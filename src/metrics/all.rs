//! The list of metrics: every name, help text and bucket is here.

use prometheus::{Counter, Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::family::{Counters, Description, Families, Gauges};
use super::labels::{
    ClientKind, CommitOutcome, DeadLetterReason, FindingResult, GeoResult, ItemKind, RebalanceKind, RecordResult,
    ReloadResult, SourceKind, TaskFailure, TaskState, Version,
};
use crate::engine::decode::{RejectReason, SkipReason};
use crate::engine::finding::{RiskEventType, RiskLevel, Suppression};
use crate::engine::profile::ProfileKind;
use crate::engine::signin::Provider;

/// A commit takes a few milliseconds; what takes 10 s has failed.
const COMMIT_BUCKETS_S: [f64; 13] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
/// From the record's arrival in Kafka: the default commit interval is in the middle.
const RECORD_LAG_BUCKETS_S: [f64; 14] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0];
/// From the sign-in itself: providers deliver after minutes, and the horizon is 2 h.
const EVENT_LAG_BUCKETS_S: [f64; 13] =
    [0.5, 1.0, 5.0, 15.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 86_400.0];
const RESTORE_BUCKETS_S: [f64; 11] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0];

pub struct All {
    pub registry: Registry,
    pub described: Vec<Description>,

    pub records: Counters<(SourceKind, RecordResult)>,
    pub items: Counters<(ItemKind,)>,
    pub rejects: Counters<(RejectReason,)>,
    pub skips: Counters<(SkipReason,)>,
    pub dead_letters: Counters<(DeadLetterReason,)>,
    pub geo_lookups: Counters<(GeoResult,)>,

    pub sign_ins_judged: IntCounter,
    pub feedback_without_effect: IntCounter,
    pub upstream_findings: Counters<(Provider, FindingResult)>,
    pub duplicates: IntCounter,
    pub reordered: IntCounter,
    pub late: IntCounter,
    pub tail_overflows: IntCounter,
    pub attempts: IntCounter,
    pub unreviewed: IntCounter,
    pub users_new: IntCounter,
    pub users_forgotten: IntCounter,
    pub detections: Counters<(RiskEventType, RiskLevel, Version)>,
    /// By policy, and as [`Self::detections`].
    pub shadow_detections: IntCounterVec,
    pub withdrawn: IntCounter,
    pub shortened: IntCounter,
    pub suppressions: Counters<(RiskEventType, Suppression)>,
    pub contributions: IntCounter,

    pub state_users: IntGauge,
    pub state_hot_users: IntGauge,
    pub state_packed_bytes: IntGauge,
    pub changelog_records: IntCounter,
    pub changelog_bytes: IntCounter,

    pub commit_duration: Histogram,
    pub transactions: Counters<(CommitOutcome,)>,
    pub producers_recycled: IntCounter,
    pub last_commit: Gauge,
    pub record_lag: Histogram,
    pub event_lag: Histogram,
    pub consumer_lag: IntGaugeVec,
    pub next_offset: IntGaugeVec,
    pub repeated_records: IntCounter,
    pub lost_records: IntCounter,
    pub stream_time: IntGaugeVec,
    pub client_errors: Counters<(ClientKind,)>,

    pub tasks: Gauges<(TaskState,)>,
    pub task_failures: Counters<(TaskFailure,)>,
    pub breakers_open: IntGauge,
    pub rebalances: Counters<(RebalanceKind,)>,
    pub restore_remaining: IntGauge,
    pub restored_records: IntCounter,
    pub restore_duration: Histogram,

    pub profile_day: IntGauge,
    pub profile_keys: Gauges<(ProfileKind,)>,
    pub profile_members: IntGauge,
    pub profile_bytes: IntGauge,
    pub profile_pending: IntGauge,
    pub profile_evicted_keys: IntCounter,
    pub profile_dropped: IntCounter,
    pub profile_expired: IntCounter,
    pub profile_incomplete_days: IntCounter,
    pub profile_incomplete_reviews: IntCounter,
    pub profile_rejects: IntCounter,
    pub profile_wait: Counter,
    pub attempt_traces: IntGauge,
    pub attempt_traces_dropped: IntCounter,

    pub table_build: IntGaugeVec,
    pub list_entries: IntGauge,
    pub config_info: IntGaugeVec,
    pub config_reloads: Counters<(ReloadResult,)>,
    pub config_last_reload_successful: IntGauge,
    pub config_last_reload: Gauge,
    pub config_restart_pending: IntGauge,

    pub live: IntGauge,
    pub ready: IntGauge,
    pub memory_limit: IntGauge,
}

impl All {
    pub fn new() -> All {
        let f = &mut Families::default();
        let build_info = f.open_gauges("farsign_build_info", "1; the version is a label.", &["version"]);
        build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        All {
            records: f.counters("farsign_records_total", "Records taken from Kafka and committed, by topic's part and by what they were."),
            items: f.counters("farsign_items_total", "Items decoded from the records, duplicates included."),
            rejects: f.counters("farsign_rejects_total", "Records, or elements of an envelope, that could not be decoded."),
            skips: f.counters("farsign_skips_total", "Well-formed elements that are no user's sign-in."),
            dead_letters: f.counters("farsign_dead_letters_total", "Records written to the dead-letter topic."),
            geo_lookups: f.counters("farsign_geo_lookups_total", "Sign-ins by where their place came from."),

            sign_ins_judged: f.counter("farsign_sign_ins_judged_total", "Sign-ins that can carry risk and were judged."),
            feedback_without_effect: f.counter("farsign_feedback_without_effect_total", "Feedback about nothing that is known."),
            upstream_findings: f.counters("farsign_upstream_findings_total", "Risks that other products found, by the provider they are about."),
            duplicates: f.counter("farsign_duplicates_total", "Items dropped because they had come before."),
            reordered: f.counter("farsign_reordered_total", "Items that came behind a newer one of their user, inside the horizon."),
            late: f.counter("farsign_late_total", "Items that came beyond the horizon."),
            tail_overflows: f.counter("farsign_tail_overflows_total", "Sign-ins settled early because their user's tail was full."),
            attempts: f.counter("farsign_attempts_total", "Failed sign-ins that count for attacks on many users."),
            unreviewed: f.counter("farsign_unreviewed_sign_ins_total", "Sign-ins not judged again in the light of other users' attempts, because too many waited."),
            users_new: f.counter("farsign_users_new_total", "Users seen for the first time."),
            users_forgotten: f.counter("farsign_users_forgotten_total", "Users forgotten because `engine.users_max` was reached."),
            detections: f.counters("farsign_detections_total", "Detections written, new ones and newer versions."),
            shadow_detections: f.open_counters::<(RiskEventType, RiskLevel, Version)>(
                "farsign_shadow_detections_total",
                "What shadow policies found, written as `farsign_detections_total` is; never a user's risk.",
                "policy",
            ),
            shortened: f.counter("farsign_shortened_total", "Detections written without their evidence, which was too long for the topic."),
            withdrawn: f.counter("farsign_withdrawn_total", "Detections withdrawn after a late sign-in or feedback."),
            suppressions: f.counters("farsign_suppressions_total", "Findings that a suppression silenced; what is judged again counts once."),
            contributions: f.counter("farsign_contributions_total", "Contributions of settled sign-ins to the organisation's profiles."),

            state_users: f.gauge("farsign_state_users", "Users remembered by the instance's tasks."),
            state_hot_users: f.gauge("farsign_state_hot_users", "Users of these that are unpacked, for speed."),
            state_packed_bytes: f.gauge("farsign_state_packed_bytes", "Bytes of packed users, keys included."),
            changelog_records: f.counter("farsign_changelog_records_total", "Records committed to the changelog."),
            changelog_bytes: f.counter("farsign_changelog_bytes_total", "Bytes of their keys and values, before compression."),

            commit_duration: f.histogram("farsign_commit_duration_seconds", "From the begin of a transaction to the end of its commit.", &COMMIT_BUCKETS_S),
            transactions: f.counters("farsign_transactions_total", "Transactions by how they ended."),
            producers_recycled: f.counter("farsign_producers_recycled_total", "Producers replaced after a commit that was not clean."),
            last_commit: f.fraction_gauge("farsign_last_commit_timestamp_seconds", "When a task last committed; 0 before the first commit."),
            record_lag: f.histogram("farsign_record_lag_seconds", "From a record's arrival in Kafka (its timestamp) to its commit.", &RECORD_LAG_BUCKETS_S),
            event_lag: f.histogram("farsign_event_lag_seconds", "From a sign-in's event time to the commit of its new detection.", &EVENT_LAG_BUCKETS_S),
            consumer_lag: f.open_gauges("farsign_consumer_lag_records", "Records between a task's next offset and the end of the partition.", &["topic", "partition"]),
            next_offset: f.open_gauges(
                "farsign_next_offset",
                "Offset of the next record that a task will take, as last committed.",
                &["topic", "partition"],
            ),
            repeated_records: f.counter("farsign_repeated_records_total", "Records that the client delivered again, below the offset to go on from, and that were left out."),
            lost_records: f.counter("farsign_lost_records_total", "Offsets gone from Kafka before they were judged, and passed over (`input.on_data_loss: earliest`)."),
            stream_time: f.open_gauges("farsign_stream_time_timestamp_seconds", "Newest event time of a task's input.", &["partition"]),
            client_errors: f.counters("farsign_kafka_client_errors_total", "Errors that librdkafka reported by itself, such as a broker that is gone."),

            tasks: f.gauges("farsign_tasks", "Tasks of this instance by where they stand; all together are the partitions assigned."),
            task_failures: f.counters("farsign_task_failures_total", "Tasks that failed, by cause."),
            breakers_open: f.gauge("farsign_breakers_open", "Tasks that take nothing in because most records failed."),
            rebalances: f.counters("farsign_rebalances_total", "Changes of the instance's partitions."),
            restore_remaining: f.gauge("farsign_restore_remaining_records", "Records of the changelog still to be read by restoring tasks."),
            restored_records: f.counter("farsign_restored_records_total", "Records of the changelog read back."),
            restore_duration: f.histogram("farsign_restore_duration_seconds", "How long a task took to restore.", &RESTORE_BUCKETS_S),

            profile_day: f.gauge("farsign_profile_day", "Day up to which the organisation's profiles have advanced, in days since 1970; 0 before the first."),
            profile_keys: f.gauges("farsign_profile_keys", "Visible keys of the organisation's profiles."),
            profile_members: f.gauge("farsign_profile_members", "Members kept in the organisation's profiles."),
            profile_bytes: f.gauge("farsign_profile_bytes", "Estimated memory of the organisation's profiles."),
            profile_pending: f.gauge("farsign_profile_pending_contributions", "Contributions that wait for their day."),
            profile_evicted_keys: f.counter("farsign_profile_evicted_keys_total", "Keys dropped because the profiles were full."),
            profile_dropped: f.counter("farsign_profile_dropped_contributions_total", "Contributions dropped because too many waited."),
            profile_expired: f.counter("farsign_profile_expired_contributions_total", "Contributions that came too late to count on any day."),
            profile_incomplete_days: f.counter("farsign_profile_incomplete_days_total", "Days entered before every partition's contributions were there."),
            profile_incomplete_reviews: f.counter("farsign_profile_incomplete_reviews_total", "Reviews begun before every partition had told what was attempted on its users."),
            profile_rejects: f.counter("farsign_profile_rejected_records_total", "Records of the profiles topic that could not be read."),
            profile_wait: f.seconds_counter("farsign_profile_wait_seconds_total", "Time tasks stood still, at a day's border or before a review, for other partitions' contributions."),
            attempt_traces: f.gauge("farsign_attempt_traces", "Addresses, prefixes, networks and user agents with failed sign-ins that are remembered."),
            attempt_traces_dropped: f.counter("farsign_attempt_traces_dropped_total", "Attempts of traces that were not remembered because too many were."),

            table_build: f.open_gauges("farsign_table_build_timestamp_seconds", "When a database in use was built by its maker.", &["database"]),
            list_entries: f.gauge("farsign_list_entries", "Networks and AS numbers on the lists in use."),
            config_info: f.open_gauges("farsign_config_info", "1; the hash of configuration and tables in use is a label, as in `farsign.configHash` of the output.", &["hash"]),
            config_reloads: f.counters("farsign_config_reloads_total", "Reloads of configuration and tables, by result."),
            config_last_reload_successful: f.gauge("farsign_config_last_reload_successful", "1 when what is on disk is in use, 0 when the last reload was refused."),
            config_last_reload: f.fraction_gauge("farsign_config_last_reload_timestamp_seconds", "When configuration and tables were last taken up."),
            config_restart_pending: f.gauge("farsign_config_restart_pending_keys", "Keys changed on disk that need a restart to take effect."),

            live: f.gauge("farsign_live", "1 when `/healthz` says 200."),
            ready: f.gauge("farsign_ready", "1 when `/readyz` says 200."),
            memory_limit: f.gauge("farsign_memory_limit_bytes", "Memory limit of the control group; 0 = none."),

            registry: f.registry.clone(),
            described: std::mem::take(&mut f.described),
        }
    }
}
