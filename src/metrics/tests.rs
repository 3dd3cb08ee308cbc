//! Tests of the metrics: what is counted is what is rendered.

use super::*;
use crate::engine::attempts::AttemptStats;
use crate::engine::decode::{RejectReason, SkipReason};
use crate::engine::signin::EventTime;
use crate::engine::signin::Provider;
use crate::engine::user::store::StoreStats;

/// The value of a series, as the text format writes it.
fn value(metrics: &Metrics, series: &str) -> Option<String> {
    let text = metrics.render();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).map(str::to_owned)
}

fn check(metrics: &Metrics, expected: &[(&str, &str)]) {
    for (series, expected) in expected {
        assert_eq!(value(metrics, series).as_deref(), Some(*expected), "{series}");
    }
}

#[test]
fn every_family_is_there_from_the_start() {
    let metrics = Metrics::new();
    let text = metrics.render();
    for description in metrics.descriptions() {
        let series: usize = description.labels.iter().map(|(_, values)| values.len()).product();
        let found = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(&description.name)).count();
        let expected = match description.kind {
            "histogram" => 0,
            _ if description.name == "farsign_build_info" => 1,
            _ => series,
        };
        assert_eq!(found, expected, "{}", description.name);
        if description.kind == "histogram" {
            assert_eq!(value(&metrics, &format!("{}_count", description.name)).as_deref(), Some("0"));
        }
    }
    assert!(metrics.descriptions().len() > 50);
}

#[test]
fn names_say_what_they_are() {
    const UNITS: [&str; 2] = ["seconds", "bytes"];
    let metrics = Metrics::new();
    for Description { name, kind, help, .. } in metrics.descriptions() {
        assert!(name.starts_with("farsign_"), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == "counter", "{name}");
        assert!(*kind != "histogram" || UNITS.iter().any(|unit| name.ends_with(unit)), "{name}");
        assert!(help.ends_with('.') && !help.contains('|'), "{name}: {help}");
    }
}

#[test]
fn a_batch_is_counted_under_its_labels() {
    let metrics = Metrics::new();
    let mut batch = BatchCounts::default();
    batch.record(SourceKind::Input, RecordResult::Decoded);
    batch.record(SourceKind::Input, RecordResult::Decoded);
    batch.record(SourceKind::Commands, RecordResult::Rejected);
    batch.reject(RejectReason::BadId);
    batch.skip(SkipReason::NotASignIn);
    batch.dead_letter(DeadLetterReason::Rejected(RejectReason::BadId));
    batch.dead_letter(DeadLetterReason::NotACommand);
    batch.changelog(2, 300);
    metrics.add_batch(&batch);
    metrics.add_batch(&batch);
    check(
        &metrics,
        &[
            (r#"farsign_records_total{result="decoded",source="input"}"#, "4"),
            (r#"farsign_records_total{result="rejected",source="commands"}"#, "2"),
            (r#"farsign_records_total{result="rejected",source="input"}"#, "0"),
            (r#"farsign_rejects_total{reason="badId"}"#, "2"),
            (r#"farsign_skips_total{reason="notASignIn"}"#, "2"),
            (r#"farsign_dead_letters_total{reason="badId"}"#, "2"),
            (r#"farsign_dead_letters_total{reason="notACommand"}"#, "2"),
            (r#"farsign_dead_letters_total{reason="internalError"}"#, "0"),
            ("farsign_changelog_bytes_total", "600"),
        ],
    );
    batch.clear();
    assert_eq!(batch, BatchCounts::default());
}

#[test]
fn shadow_policies_are_counted_by_name() {
    let metrics = Metrics::new();
    let series = |policy: &str, version: &str| {
        format!(
            r#"farsign_shadow_detections_total{{level="low",policy="{policy}",type="newCountry",version="{version}"}}"#
        )
    };
    assert_eq!(value(&metrics, &series("strict", "new")), None);
    metrics.shadow_policies(["strict", "calm"].into_iter());
    assert_eq!(value(&metrics, &series("calm", "new")).as_deref(), Some("0"));
    let mut batch = BatchCounts::default();
    batch.shadow_detections.entry("strict".to_owned()).or_default()[RiskEventType::NewCountry.index()]
        [RiskLevel::Low.index()] = [3, 1];
    metrics.add_batch(&batch);
    metrics.shadow_policies(["strict"].into_iter());
    assert_eq!(value(&metrics, &series("strict", "new")).as_deref(), Some("3"));
    assert_eq!(value(&metrics, &series("strict", "update")).as_deref(), Some("1"));
    assert_eq!(value(&metrics, &series("calm", "new")).as_deref(), Some("0"));
    assert_eq!(batch.shadow_detections().collect::<Vec<_>>(), [("strict", [3, 1])]);
    let live = r#"farsign_detections_total{level="low",type="newCountry",version="new"}"#;
    assert_eq!(value(&metrics, live).as_deref(), Some("0"));
}

/// A suppression that is taken back and found again counts once; the counter never falls.
#[test]
fn suppressions_never_fall() {
    let metrics = Metrics::new();
    let series = r#"farsign_suppressions_total{reason="learning",type="newCountry"}"#;
    let step = |change: i64| {
        let mut counts = Counts::default();
        let cell = &mut counts.suppressions[RiskEventType::NewCountry.index()][Suppression::Learning.index()];
        *cell = cell.wrapping_add_signed(change);
        metrics.add_counts(&counts);
        value(&metrics, series).unwrap()
    };
    assert_eq!([step(3), step(-2), step(1), step(1), step(1)], ["3", "3", "3", "3", "4"]);
}

#[test]
fn the_engines_counts_are_added() {
    let metrics = Metrics::new();
    let mut counts =
        Counts { sign_ins: 5, feedback: 2, late: 1, tail_overflow: 4, users_new: 3, ..Counts::default() };
    counts.upstream_findings[Provider::Okta.index()] = [3, 1];
    metrics.add_counts(&counts);
    metrics.clone().add_counts(&counts);
    check(
        &metrics,
        &[
            (r#"farsign_items_total{kind="signIn"}"#, "10"),
            (r#"farsign_items_total{kind="feedback"}"#, "4"),
            (r#"farsign_items_total{kind="upstreamFinding"}"#, "8"),
            (r#"farsign_upstream_findings_total{provider="okta",result="taken"}"#, "6"),
            (r#"farsign_upstream_findings_total{provider="okta",result="duplicate"}"#, "2"),
            (r#"farsign_upstream_findings_total{provider="entra",result="taken"}"#, "0"),
            ("farsign_late_total", "2"),
            ("farsign_tail_overflows_total", "8"),
            ("farsign_users_new_total", "6"),
        ],
    );
}

#[test]
fn a_task_takes_its_share_back() {
    let metrics = Metrics::new();
    let stats = |users| StoreStats { users, hot: 1, packed_bytes: 10 * users, shared: 0 };
    let (mut one, mut two) = (metrics.task(0), metrics.task(1));
    check(&metrics, &[(r#"farsign_tasks{state="waiting"}"#, "2")]);
    one.state(TaskState::Running);
    two.state(TaskState::Restoring);
    one.store(&stats(5));
    two.store(&stats(7));
    one.store(&stats(6));
    one.lag("logs", 9);
    two.lag("logs", 3);
    two.next_offset("logs", 1_000);
    two.breaker(true);
    two.restore_remaining(80);
    one.stream_time(EventTime::from_seconds(1_700_000_000));
    check(
        &metrics,
        &[
            ("farsign_state_users", "13"),
            ("farsign_state_packed_bytes", "130"),
            ("farsign_breakers_open", "1"),
            ("farsign_restore_remaining_records", "80"),
            (r#"farsign_tasks{state="waiting"}"#, "0"),
            (r#"farsign_tasks{state="restoring"}"#, "1"),
            (r#"farsign_consumer_lag_records{partition="0",topic="logs"}"#, "9"),
            (r#"farsign_next_offset{partition="1",topic="logs"}"#, "1000"),
            (r#"farsign_next_offset{partition="1",topic="logs"}"#, "1000"),
            (r#"farsign_stream_time_timestamp_seconds{partition="0"}"#, "1700000000"),
        ],
    );
    drop((one, two));
    check(
        &metrics,
        &[
            ("farsign_state_users", "0"),
            ("farsign_breakers_open", "0"),
            ("farsign_restore_remaining_records", "0"),
            (r#"farsign_tasks{state="running"}"#, "0"),
        ],
    );
    assert!(!metrics.render().contains("partition="));
}

#[test]
fn lags_are_seen_when_published() {
    let metrics = Metrics::new();
    let lags = metrics.lags();
    lags.record(0.2);
    lags.record(-4.0);
    lags.event(100.0);
    check(&metrics, &[("farsign_record_lag_seconds_count", "0")]);
    lags.publish();
    check(
        &metrics,
        &[
            ("farsign_record_lag_seconds_count", "2"),
            ("farsign_record_lag_seconds_sum", "0.2"),
            (r#"farsign_record_lag_seconds_bucket{le="0.01"}"#, "1"),
            (r#"farsign_event_lag_seconds_bucket{le="120"}"#, "1"),
            (r#"farsign_event_lag_seconds_bucket{le="60"}"#, "0"),
        ],
    );
}

#[test]
fn profiles_and_configuration_are_what_was_said_last() {
    let metrics = Metrics::new();
    let mut stats = ProfileStats {
        day: Some(20_000),
        keys: [0; ProfileKind::ALL.len()],
        members: 8,
        pending: 2,
        evicted_keys: 5,
        dropped_contributions: 0,
        expired_contributions: 1,
        bytes: 99,
        attempts: AttemptStats { traces: [1, 2, 3, 4, 0, 0], attempts: 12, dropped: 6 },
    };
    stats.keys[ProfileKind::Asn.index()] = 4;
    metrics.profiles(&stats);
    metrics.profiles(&stats);
    metrics.configured(0xab, &Tables::default(), 12.5);
    metrics.configured(0xcd, &Tables::default(), 13.5);
    metrics.reload(ReloadResult::Refused, 2);
    check(
        &metrics,
        &[
            ("farsign_profile_day", "20000"),
            (r#"farsign_profile_keys{kind="asn"}"#, "4"),
            ("farsign_profile_evicted_keys_total", "5"),
            ("farsign_attempt_traces", "10"),
            ("farsign_attempt_traces_dropped_total", "6"),
            (r#"farsign_config_info{hash="00000000000000cd"}"#, "1"),
            ("farsign_config_last_reload_timestamp_seconds", "13.5"),
            ("farsign_config_last_reload_successful", "0"),
            ("farsign_config_restart_pending_keys", "2"),
            (r#"farsign_config_reloads_total{result="refused"}"#, "1"),
        ],
    );
    assert!(!metrics.render().contains("00000000000000ab"), "the old configuration is gone");
}

#[test]
fn the_process_is_seen() {
    let metrics = Metrics::new();
    let resident: f64 = value(&metrics, "process_resident_memory_bytes").unwrap().parse().unwrap();
    assert!(resident > 1e6, "{resident}");
}
