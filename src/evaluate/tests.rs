//! The rules of counting, on labels and detections written by hand.

mod fit;
mod part;

use super::checks::Checks;
use super::incidents::Incidents;
use super::interval::{self, estimate, median, rank, resample};
use super::marks::{FalseAlert, Marks};
use super::outcome::level_score;
use super::report::{Point, Report};
use super::spray::Sprays;
use super::*;

use std::collections::BTreeMap;

/// A malicious sign-in at a second of 2026-03-02.
fn attack(request: &str, second: u32, user: &str, campaign: &str, right: bool) -> String {
    format!(
        r#"{{"requestId":"{request}","time":"2026-03-02T00:00:{second:02}Z","userId":"{user}","userPrincipalName":"x","credentialRight":{right},"malicious":true,"attack":"kind-{}","campaign":"{campaign}","step":"signIn"}}"#,
        &campaign[..1],
    )
}

fn odd(request: &str, causes: &str) -> String {
    format!(
        r#"{{"requestId":"{request}","time":"2026-03-02T00:00:00Z","userId":"u","credentialRight":true,"malicious":false,"causes":{causes}}}"#
    )
}

/// What a test says of a detection; the rest is the same for all.
#[derive(Clone, Copy)]
struct Raised<'a> {
    id: &'a str,
    request: &'a str,
    kind: &'a str,
    level: &'a str,
    score: u8,
    state: &'a str,
    suppressed: &'a str,
    reference: &'a str,
    /// Second of 2026-03-02 at which it became known.
    detected: u32,
    /// JSON of `farsign.incidentId`, and the user.
    incident: &'a str,
    user: &'a str,
    /// Place within the level.
    strength: f64,
}

const RAISED: Raised<'_> = Raised {
    id: "",
    request: "",
    kind: "newCountry",
    level: "low",
    score: 30,
    state: "atRisk",
    suppressed: "null",
    reference: "null",
    detected: 0,
    incident: "null",
    user: "u",
    strength: 0.0,
};

fn line(raised: Raised<'_>) -> String {
    let Raised {
        id,
        request,
        kind,
        level,
        score,
        state,
        suppressed,
        reference,
        detected,
        incident,
        user,
        strength,
    } = raised;
    let id = if id.is_empty() { format!("{request}/{kind}") } else { id.to_owned() };
    let detail = if state == "dismissed" { "aiConfirmedSigninSafe" } else { "none" };
    let request = if request.is_empty() { "null".to_owned() } else { format!("\"{request}\"") };
    format!(
        r#"{{"id":"{id}","requestId":{request},"riskEventType":"{kind}","riskState":"{state}","riskLevel":"{level}","riskDetail":"{detail}","activityDateTime":"2026-03-02T00:00:00.0000000Z","detectedDateTime":"2026-03-02T00:00:{detected:02}Z","userId":"{user}","riskScore":{score},"farsign":{{"suppressedBy":{suppressed},"incidentId":{incident},"evidence":{{"strength":{strength},"reference":{{"requestId":{reference}}}}}}}}}"#
    )
}

fn read(labels: &[String], raised: &[Raised<'_>]) -> (Truth, Detections) {
    let lines: Vec<String> = raised.iter().map(|raised| line(*raised)).collect();
    let truth = Truth::read(labels.join("\n").as_bytes(), 0).unwrap();
    (truth, Detections::read(lines.join("\n").as_bytes()).unwrap())
}

fn evaluated(labels: &[String], raised: &[Raised<'_>]) -> Evaluation {
    let (truth, detections) = read(labels, raised);
    evaluate(&truth, &detections)
}

#[test]
fn a_campaign_is_caught_by_an_alert_on_any_of_its_sign_ins() {
    let labels = [
        attack("a1", 0, "u1", "a", false),
        attack("a3", 30, "u2", "a", true),
        attack("a2", 10, "u1", "a", true),
        attack("b1", 5, "u3", "b", true),
        attack("c1", 5, "u3", "c", false),
    ];
    let raised = [
        Raised { request: "a3", ..RAISED },
        Raised { request: "a3", kind: "unlikelyTravel", level: "medium", ..RAISED },
        Raised { request: "b1", suppressed: "\"learning\"", level: "high", ..RAISED },
    ];
    let evaluation = evaluated(&labels, &raised);
    let tallies = evaluation.tallies();
    let a = &tallies["kind-a"];
    assert_eq!((a.campaigns, a.low, a.medium, a.high, a.without_access), (1, 1, 1, 0, 0));
    assert_eq!((a.accounts, a.accounts_alerted), (2, 1));
    // The wrong guess at 0 s is no sign-in of the attacker's yet: the second right one, 20 s after the first.
    assert_eq!((a.first_sign_in, a.first_after_s), (Some(2.0), Some(20.0)));
    let b = &tallies["kind-b"];
    assert_eq!((b.campaigns, b.low, b.without_access, b.first_after_s), (1, 0, 0, None));
    assert_eq!(evaluation.campaigns[1].silenced, BTreeMap::from([("learning".to_owned(), 1)]));
    let c = &tallies["kind-c"];
    assert_eq!((c.campaigns, c.low, c.without_access, c.accounts), (1, 0, 1, 0));
    assert_eq!(evaluation.true_alerts, 2);
    let total = evaluation.total();
    assert_eq!((total.campaigns, total.low, total.medium, total.without_access), (3, 1, 1, 1));
}

#[test]
fn false_alerts_are_counted_by_type_level_and_cause() {
    let labels = [odd("l1", r#"["travel","newDevice"]"#), odd("l2", r#"["travel"]"#)];
    let raised = [
        Raised { request: "l1", ..RAISED },
        Raised { request: "l1", kind: "unlikelyTravel", level: "high", ..RAISED },
        Raised { request: "l2", level: "medium", ..RAISED },
        Raised { request: "unlabelled", ..RAISED },
    ];
    let found = evaluated(&labels, &raised).false_alerts;
    assert_eq!(found.levels, Levels { low: 2, medium: 1, high: 1 });
    assert_eq!(found.types["newCountry"], Levels { low: 2, medium: 1, high: 0 });
    assert_eq!(found.causes["travel"], Levels { low: 1, medium: 1, high: 1 });
    assert_eq!(found.causes["newDevice"], Levels { low: 1, medium: 0, high: 1 });
    assert_eq!(found.causes[NO_CAUSE], Levels { low: 1, medium: 0, high: 0 });
    assert_eq!((found.sign_ins, found.users), (3, 1));
}

#[test]
fn an_echo_of_an_attack_is_neither_true_nor_false() {
    let labels = [attack("a1", 0, "u1", "a", true)];
    let raised = [
        Raised { request: "own", reference: "\"a1\"", ..RAISED },
        Raised { request: "own2", reference: "\"own\"", ..RAISED },
    ];
    let evaluation = evaluated(&labels, &raised);
    assert_eq!((evaluation.echoes, evaluation.true_alerts), (1, 0));
    assert_eq!(evaluation.false_alerts.levels.total(), 1);
    assert_eq!(evaluation.total().low, 0);
}

#[test]
fn of_several_versions_the_last_counts() {
    let labels = [attack("a1", 0, "u1", "a", true)];
    let first = Raised { request: "a1", level: "high", ..RAISED };
    let lowered = evaluated(&labels, &[first, Raised { level: "low", ..first }]);
    assert_eq!((lowered.total().low, lowered.total().high, lowered.true_alerts), (1, 0, 1));
    let withdrawn = evaluated(&labels, &[first, Raised { state: "dismissed", ..first }]);
    assert_eq!((withdrawn.total().low, withdrawn.true_alerts), (0, 0));
    // Dismissed before, raised again: it stands.
    let again = evaluated(&labels, &[first, Raised { state: "dismissed", ..first }, first]);
    assert_eq!(again.total().high, 1);
}

#[test]
fn silenced_detections_are_told_apart_by_whose_sign_in_it_was() {
    let labels = [attack("a1", 0, "u1", "a", true)];
    let raised = [
        Raised { request: "a1", suppressed: "\"belowLow\"", ..RAISED },
        Raised { request: "x", suppressed: "\"belowLow\"", ..RAISED },
        Raised { request: "y", suppressed: "\"belowLow\"", ..RAISED },
        Raised { id: "user", kind: "adminConfirmedUserCompromised", ..RAISED },
    ];
    let evaluation = evaluated(&labels, &raised);
    assert_eq!(evaluation.silenced["belowLow"], Silenced { legitimate: 2, malicious: 1 });
    assert_eq!((evaluation.without_sign_in, evaluation.false_alerts.levels.total()), (1, 0));
}

#[test]
fn interesting_alerts_differ_in_type_and_attack() {
    let labels =
        [attack("a1", 0, "u", "a", true), attack("b1", 0, "u", "b", true), attack("c1", 0, "u", "c", true)];
    let raised = [
        Raised { request: "own", score: 100, ..RAISED },
        Raised { request: "a1", score: 90, ..RAISED },
        Raised { request: "b1", score: 89, ..RAISED },
        Raised { request: "a1", score: 88, kind: "unlikelyTravel", ..RAISED },
        Raised { request: "c1", score: 99, kind: "unlikelyTravel", suppressed: "\"learning\"", ..RAISED },
        Raised { request: "b1", score: 10, kind: "unlikelyTravel", ..RAISED },
        Raised { request: "c1", score: 5, kind: "unfamiliarFeatures", ..RAISED },
    ];
    let (truth, detections) = read(&labels, &raised);
    let chosen = |first: &[&str], count| -> Vec<u64> {
        interesting(&truth, &detections, first, count).into_iter().map(|alert| alert.line).collect()
    };
    assert_eq!(chosen(&[], 3), [2, 6, 7]);
    assert_eq!(chosen(&[], 1), [2]);
    assert_eq!(chosen(&["unlikelyTravel", "absent"], 3), [4, 3, 7]);
}

#[test]
fn rates_and_medians() {
    assert_eq!(Exposure { user_days: 18_000 }.rate(18), 1.0);
    assert_eq!(Exposure { user_days: 0 }.rate(18), 0.0);
    assert_eq!(
        [0.0, 0.99, 1.0, 1.99, 2.0].map(|rate| Exposure { user_days: 1_000 }.allowance(rate)),
        [0, 0, 1, 1, 2]
    );
    // 0.29 × 100,000 is a little less than 29,000 in binary.
    assert_eq!(Exposure { user_days: 100_000 }.allowance(0.29), 29);
    assert_eq!(median(vec![]), None);
    assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
}

#[test]
fn a_bad_line_is_named() {
    let check = |result: anyhow::Result<()>, expected: &str| {
        let error = format!("{:#}", result.unwrap_err());
        assert!(error.starts_with(expected), "{error}");
    };
    let twice = format!("{}\n{}", odd("x", "[]"), odd("x", "[]"));
    check(
        Truth::read(twice.as_bytes(), 0).map(drop),
        "line 2 of the labels is not a label: `x` has a label already",
    );
    check(Truth::read(&b"\n"[..], 0).map(drop), "line 1 of the labels");
    let bad_time = attack("a1", 99, "u", "a", true);
    check(Truth::read(format!("{}\n{bad_time}", odd("x", "[]")).as_bytes(), 0).map(drop), "line 2 of the labels");
    let bad_level = line(Raised { request: "x", level: "severe", ..RAISED });
    check(
        Detections::read(bad_level.as_bytes()).map(drop),
        "line 1 of the detections is not a detection of `output.format: graph`: `severe`",
    );
}

fn marks(scores: &[(f32, f32)]) -> Marks {
    let found = |(above, score): &(f32, f32)| FalseAlert { above: *above, score: *score, cause_set: 0, user: 0 };
    Marks { false_alerts: scores.iter().map(found).collect(), ..Marks::default() }
}

const NEVER: f32 = f32::NEG_INFINITY;

#[test]
fn a_budget_takes_equal_scores_together_or_not_at_all() {
    let tied = marks(&[(NEVER, 90.0), (NEVER, 70.0), (NEVER, 70.0), (NEVER, 70.0), (NEVER, 20.0)]);
    let check = |allowed: u64, above: f32, count: u64| {
        let threshold = tied.ladder().threshold_within(allowed);
        assert_eq!((threshold, tied.false_alerts_at(threshold)), (above, count), "{allowed} allowed");
    };
    check(0, 90.0, 0);
    check(1, 70.0, 1);
    check(2, 70.0, 1);
    check(3, 70.0, 1);
    check(4, 20.0, 4);
    check(5, NEVER, 5);
    assert_eq!(marks(&[]).ladder().threshold_within(0), NEVER);
}

#[test]
fn a_repeat_counts_only_where_the_alert_before_it_does_not() {
    // The second repeats the first: at thresholds below 50 only one of the two is an alert, from 50 on only the second.
    let repeated = marks(&[(NEVER, 50.0), (50.0, 80.0)]);
    let counts = |threshold| repeated.false_alerts_at(threshold);
    assert_eq!([90.0, 80.0, 79.0, 50.0, 49.0, 0.0].map(counts), [0, 0, 1, 1, 1, 1]);
    assert_eq!(repeated.ladder().threshold_within(1), NEVER);
    assert_eq!(repeated.ladder().threshold_within(0), 80.0);
    // A lower threshold with fewer alerts does not make up for a higher one with too many.
    let dip = marks(&[(NEVER, 90.0), (60.0, 80.0), (60.0, 80.0)]);
    assert_eq!([85.0, 70.0, 10.0].map(|threshold| dip.false_alerts_at(threshold)), [1, 3, 1]);
    assert_eq!(dip.ladder().threshold_within(2), 80.0);
}

#[test]
fn a_sign_in_is_one_false_alert_by_its_highest_score() {
    let raised = [
        Raised { request: "x", score: 40, ..RAISED },
        Raised { request: "x", kind: "unlikelyTravel", score: 75, level: "medium", ..RAISED },
        Raised { request: "y", score: 10, ..RAISED },
        Raised { request: "z", score: 99, suppressed: "\"learning\"", ..RAISED },
        Raised { request: "w", score: 99, state: "dismissed", ..RAISED },
    ];
    let (truth, detections) = read(&[], &raised);
    let marks = Marks::of_alerts(&truth, detections.standing(), |alert| f32::from(alert.score));
    assert_eq!([74.0, 75.0, 9.0, 10.0].map(|threshold| marks.false_alerts_at(threshold)), [1, 0, 2, 1]);
    let levels = Marks::of_alerts(&truth, detections.standing(), level_score);
    assert_eq!([0.0, 1.0, 2.0].map(|threshold| levels.false_alerts_at(threshold)), [2, 1, 0]);
    assert_eq!(marks.disturbed_user_days, 1);
}

fn report(labels: &[String], raised: &[Raised<'_>], user_days: u64) -> Report {
    let (truth, detections) = read(labels, raised);
    let mut pool = Pool::new(0, 200);
    pool.add(&truth, &detections, None);
    pool.set_user_days(user_days);
    pool.report()
}

fn point<'a>(report: &'a Report, at: &str) -> &'a Point {
    report.points.iter().find(|point| point.at == at).unwrap()
}

/// Two kinds of attack: of `a` two campaigns, scores 90 and 60, of `b` one, score 50; false alerts at 80, 60 and 55.
fn scored() -> Report {
    let mut copy = attack("a4", 9, "u9", "a4", true);
    copy.insert_str(1, "\"imitates\":true,");
    let labels = [
        attack("a1", 0, "u1", "a1", true),
        attack("a2", 0, "u2", "a2", true),
        attack("b1", 0, "u3", "b1", true),
        copy,
    ];
    let raised = [
        Raised { request: "a1", score: 90, level: "high", ..RAISED },
        Raised { request: "a2", score: 60, level: "medium", ..RAISED },
        Raised { request: "b1", score: 50, level: "low", ..RAISED },
        Raised { request: "x", score: 80, level: "high", ..RAISED },
        Raised { request: "y", score: 60, level: "medium", ..RAISED },
        Raised { request: "z", score: 55, level: "medium", ..RAISED },
    ];
    report(&labels, &raised, 1_000)
}

#[test]
fn kinds_of_attack_weigh_the_same_and_copies_can_be_left_out() {
    let report = scored();
    let low = point(&report, "low");
    assert_eq!((low.false_alerts, low.false_alert_rate.unwrap().value), (3, 3.0));
    // Kind a: two of three, without the copy two of two; kind b: one of one.
    assert_eq!(low.recall.unwrap().value, (2.0 / 3.0 + 1.0) / 2.0);
    assert_eq!(low.recall_without_imitating.unwrap().value, 1.0);
    assert_eq!(low.precision, Some(0.5));
    let attack = &low.attacks["kind-a"];
    assert_eq!((attack.campaigns, attack.caught), (3, 2));
    assert_eq!((attack.campaigns_without_imitating, attack.caught_without_imitating), (2, 2));
    assert_eq!(point(&report, "medium").recall_without_imitating.unwrap().value, 0.5);
    assert_eq!(point(&report, "high").recall_without_imitating.unwrap().value, 0.25);
    assert_eq!(report.input.campaigns_imitating, 1);
}

#[test]
fn recall_at_a_budget_is_that_of_the_lowest_threshold_within_it() {
    let report = scored();
    let check = |at: &str, above: Option<f64>, false_alerts: u64, recall: f64| {
        let point = point(&report, at);
        let found = (point.above, point.false_alerts, point.recall_without_imitating.unwrap().value);
        assert_eq!(found, (above, false_alerts, recall), "{at}");
    };
    // One is allowed: above 60, where the campaign of score 60 is not caught; two: above 55; three and more: all.
    check("budget 1", Some(60.0), 1, 0.25);
    check("budget 2", Some(55.0), 2, 0.5);
    check("budget 5", None, 3, 1.0);
    let curve = &report.curves[0];
    let at = |budget: f64| curve.points.iter().find(|point| point.budget == budget).unwrap();
    assert_eq!((at(0.5).recall_without_imitating, at(0.5).false_alert_rate), (0.25, 0.0));
    assert_eq!((at(2.0).recall_without_imitating, at(2.0).false_alert_rate), (0.5, 2.0));
}

#[test]
fn without_user_days_there_are_no_rates_and_no_budgets() {
    let (truth, detections) = read(&[], &[Raised { request: "x", ..RAISED }]);
    let mut pool = Pool::new(0, 10);
    pool.add(&truth, &detections, None);
    let report = pool.report();
    assert_eq!(report.points.iter().map(|point| point.at.as_str()).collect::<Vec<_>>(), ["low", "medium", "high"]);
    assert_eq!((report.points[0].false_alerts, report.points[0].false_alert_rate), (1, None));
    assert!(report.curves.is_empty() && report.false_alerts.detections.rate.is_none());
    assert!(tables(&report).contains("no rates and no budgets"));
}

#[test]
fn streams_are_pooled_and_equal_ids_in_them_kept_apart() {
    let labels = [attack("a1", 0, "u1", "a", true), odd("x", r#"["vpn"]"#)];
    let (caught, missed) = (
        read(&labels, &[Raised { request: "a1", ..RAISED }]),
        read(&labels, &[Raised { request: "x", ..RAISED }]),
    );
    let mut pool = Pool::new(0, 10);
    pool.add(&caught.0, &caught.1, None);
    pool.add(&missed.0, &missed.1, None);
    pool.set_user_days(500);
    let report = pool.report();
    let low = point(&report, "low");
    assert_eq!((low.attacks["kind-a"].campaigns, low.attacks["kind-a"].caught), (2, 1));
    assert_eq!((low.false_alert_rate.unwrap().value, low.causes["vpn"]), (2.0, 1));
    assert_eq!(report.input.runs, 2);
}

#[test]
fn the_first_alert_counts_when_it_becomes_known() {
    let labels: Vec<String> = (0..5).map(|n| attack(&format!("a{n}"), n * 10, "u", "a", true)).collect();
    let check = |raised: &[Raised<'_>], sign_ins: f64, seconds: f64| {
        let time = report(&labels, raised, 1).points[0].time_to_detect.clone();
        assert_eq!((time.sign_ins_median, time.minutes_median), (Some(sign_ins), Some(seconds / 60.0)));
    };
    check(&[Raised { request: "a0", ..RAISED }], 1.0, 0.0);
    check(&[Raised { request: "a3", ..RAISED }], 4.0, 30.0);
    // On the first sign-in, but only after the third; on the second at once.
    let late = Raised { request: "a0", detected: 25, ..RAISED };
    check(&[late], 3.0, 25.0);
    check(&[late, Raised { request: "a1", ..RAISED }], 2.0, 10.0);
}

#[test]
fn an_incident_is_worth_what_its_best_alert_is() {
    let labels = [attack("a1", 0, "u1", "a", true)];
    let raised = [
        Raised { request: "a1", incident: "\"i1\"", ..RAISED },
        Raised { request: "a1", kind: "unlikelyTravel", incident: "\"i1\"", ..RAISED },
        Raised { request: "own", incident: "\"i1\"", level: "high", ..RAISED },
        Raised { request: "x", incident: "\"i2\"", ..RAISED },
        Raised { request: "y", incident: "\"i2\"", level: "medium", ..RAISED },
        Raised { request: "z", ..RAISED },
        Raised { request: "own2", incident: "\"i3\"", reference: "\"a1\"", ..RAISED },
        Raised { request: "v", incident: "\"i4\"", suppressed: "\"learning\"", ..RAISED },
    ];
    let (truth, detections) = read(&labels, &raised);
    let found = Incidents::of(&truth, &detections);
    assert_eq!((found.attacks, found.echoes), (1, 1));
    assert_eq!(found.false_incidents, Levels { low: 1, medium: 1, high: 0 });
}

#[test]
fn what_must_not_be_is_found() {
    let wrong = odd("typo", r#"["typo"]"#).replace("\"credentialRight\":true", "\"credentialRight\":false");
    let labels = [attack("a1", 0, "u", "a", false), wrong];
    let first = Raised { request: "x", ..RAISED };
    let check = |raised: &[Raised<'_>], wrong_credential: u64, duplicates: u64| {
        let (truth, detections) = read(&labels, raised);
        assert_eq!(Checks::of(&truth, &detections), Checks { wrong_credential, duplicates });
    };
    check(&[first], 0, 0);
    check(&[Raised { request: "typo", ..RAISED }, Raised { request: "a1", ..RAISED }], 2, 0);
    check(&[Raised { request: "typo", suppressed: "\"learning\"", ..RAISED }], 1, 0);
    check(&[Raised { request: "typo", state: "dismissed", ..RAISED }], 0, 0);
    check(&[first, Raised { id: "another", ..first }], 0, 1);
    check(&[first, Raised { kind: "unlikelyTravel", ..first }], 0, 0);
    // The same line again is a duplicate; a new version is none.
    check(&[first, first], 0, 1);
    check(&[first, Raised { level: "medium", ..first }], 0, 0);
}

#[test]
fn a_spray_is_measured_by_accounts() {
    let spray = |request: &str, second: u32, user: &str, right: bool| {
        attack(request, second, user, "p", right).replace("kind-p", "passwordSpray")
    };
    let labels = [
        spray("p1", 1, "u1", false),
        spray("p2", 2, "u2", true),
        spray("p3", 3, "u3", false),
        spray("p4", 4, "u4", true),
    ];
    let flag = Raised { kind: "passwordSpray", ..RAISED };
    let raised = [
        Raised { request: "p4", user: "u4", detected: 4, ..flag },
        Raised { request: "p2", user: "u2", detected: 3, ..RAISED },
        Raised { request: "x", user: "u9", ..flag },
    ];
    let (truth, detections) = read(&labels, &raised);
    let sprays = Sprays::of(&truth, &detections);
    assert_eq!((sprays.flagged, sprays.flagged_victims), (2, 1));
    let spray = &sprays.kinds["passwordSpray"];
    assert_eq!((spray.campaigns, spray.targets, spray.victims), (1, 4, 2));
    assert_eq!((spray.victims_flagged, spray.victims_alerted), (1, 2));
    // Known at second 3: of four accounts two were tried before, one of them entered.
    assert_eq!((spray.tried_before.as_slice(), spray.entered_before.as_slice()), (&[0.5][..], &[0.25][..]));
}

#[test]
fn warm_up_is_left_out() {
    let later = |line: String| line.replace("2026-03-02", "2026-03-03");
    let labels = [
        attack("a1", 0, "u", "a", true),
        later(attack("a2", 0, "u", "a", true)),
        later(attack("b1", 0, "u", "b", true)),
    ];
    let raised = [Raised { request: "a1", ..RAISED }, Raised { request: "early", ..RAISED }];
    let after = [
        Raised { request: "a2", ..RAISED },
        Raised { request: "b1", ..RAISED },
        Raised { request: "own", ..RAISED },
    ];
    let lines: Vec<String> =
        raised.into_iter().map(line).chain(after.into_iter().map(|raised| later(line(raised)))).collect();
    let counted = |days: u32| {
        let truth = Truth::read(labels.join("\n").as_bytes(), days).unwrap();
        let found = evaluate(&truth, &Detections::read(lines.join("\n").as_bytes()).unwrap());
        (found.campaigns.len(), found.true_alerts, found.false_alerts.sign_ins)
    };
    assert_eq!(counted(0), (2, 3, 2));
    // The campaign that began on the first day is left out with all its sign-ins.
    assert_eq!(counted(1), (1, 1, 1));
}

#[test]
fn intervals_are_repeatable_and_hold_the_value() {
    let caught: Vec<bool> = (0..40).map(|n| n % 4 != 0).collect();
    let (value, draws) = resample(&caught, 3, 1_000);
    assert_eq!(value, 0.75);
    assert_eq!(draws, resample(&caught, 3, 1_000).1);
    assert_ne!(draws, resample(&caught, 4, 1_000).1);
    let found = estimate(value, draws);
    // Binomial: 0.75 ± 1.96 × sqrt(0.75 × 0.25 / 40) is 0.616 to 0.884.
    assert!((0.57..0.66).contains(&found.low) && (0.84..0.93).contains(&found.high), "{found:?}");
    let sure = estimate(1.0, resample(&[true; 5], 0, 100).1);
    assert_eq!((sure.low, sure.high), (1.0, 1.0));
}

#[test]
fn a_rate_varies_by_users() {
    let check = |of_users: &[u64], expected: (f64, f64, f64)| {
        let found = interval::rate(of_users.iter().copied(), Exposure { user_days: 1_000 });
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        let all = close(found.value, expected.0) && close(found.low, expected.1) && close(found.high, expected.2);
        assert!(all, "{of_users:?}: {found:?}");
    };
    // Nine of nine users: ± 1.96 × 3; nine of one user: ± 1.96 × 9, and no less than none.
    check(&[1; 9], (9.0, 9.0 - 5.88, 9.0 + 5.88));
    check(&[9], (9.0, 0.0, 9.0 + 17.64));
    check(&[], (0.0, 0.0, 3.0));
}

#[test]
fn ranks_are_nearest() {
    let values: Vec<f64> = (1..=20).map(f64::from).collect();
    assert_eq!(
        [0.0, 0.05, 0.051, 0.95, 0.951, 1.0].map(|share| rank(&values, share)),
        [1.0, 1.0, 2.0, 19.0, 20.0, 20.0].map(Some)
    );
    assert_eq!(rank(&[], 0.5), None);
}

#[test]
fn calibration_counts_from_a_score_up() {
    let raised = [
        Raised { request: "x", score: 40, ..RAISED },
        Raised { request: "x", kind: "unlikelyTravel", score: 75, ..RAISED },
        Raised { request: "y", score: 40, ..RAISED },
    ];
    let report = report(&[], &raised, 2_000);
    let check = |detection: &str, score: u8, false_alerts: u64| {
        let row = report.calibration.iter().find(|row| row.detection == detection && row.risk_score == score);
        let row = row.unwrap();
        let expected = (false_alerts, Some(false_alerts as f64 / 2.0));
        assert_eq!((row.false_alerts, row.false_alert_rate), expected, "{detection} {score}");
    };
    check("all", 40, 2);
    check("all", 41, 1);
    check("all", 76, 0);
    check("newCountry", 40, 2);
    check("newCountry", 41, 0);
    check("unlikelyTravel", 1, 1);
}
