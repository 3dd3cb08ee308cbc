//! The rules of counting, on labels and detections written by hand.

use super::*;

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
};

fn line(raised: Raised<'_>) -> String {
    let Raised { id, request, kind, level, score, state, suppressed, reference } = raised;
    let id = if id.is_empty() { format!("{request}/{kind}") } else { id.to_owned() };
    let detail = if state == "dismissed" { "aiConfirmedSigninSafe" } else { "none" };
    let request = if request.is_empty() { "null".to_owned() } else { format!("\"{request}\"") };
    format!(
        r#"{{"id":"{id}","requestId":{request},"riskEventType":"{kind}","riskState":"{state}","riskLevel":"{level}","riskDetail":"{detail}","activityDateTime":"2026-03-02T00:00:00.0000000Z","userId":"u","riskScore":{score},"farsign":{{"suppressedBy":{suppressed},"evidence":{{"reference":{{"requestId":{reference}}}}}}}}}"#
    )
}

fn read(labels: &[String], raised: &[Raised<'_>]) -> (Truth, Detections) {
    let lines: Vec<String> = raised.iter().map(|raised| line(*raised)).collect();
    let truth = Truth::read(labels.join("\n").as_bytes()).unwrap();
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
    assert_eq!(Exposure { users: 400, days: 45 }.rate(18), 1.0);
    assert_eq!(Exposure { users: 0, days: 45 }.rate(18), 0.0);
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
    check(Truth::read(&b"\n"[..]).map(drop), "line 1 of the labels");
    let bad_time = attack("a1", 99, "u", "a", true);
    check(Truth::read(format!("{}\n{bad_time}", odd("x", "[]")).as_bytes()).map(drop), "line 2 of the labels");
    let bad_level = line(Raised { request: "x", level: "severe", ..RAISED });
    check(
        Detections::read(bad_level.as_bytes()).map(drop),
        "line 1 of the detections is not a detection: `severe`",
    );
}
