//! State of version 5 as it was written when it was new. The record is drawn by lot, so it rests on no verdict.

use super::*;
use crate::engine::signin::Provider;

const FIXTURE: &str = include_str!("../../../../../tests/fixtures/state-v5.hex");

/// One upstream finding between two other events, and one behind them.
fn record(rules: &Rules) -> UserRecord {
    let scope = Scope { tenant: 7, ..Scope::default() };
    let mut dice = Dice(5);
    let settled = dice.state();
    let at = |seconds: i64| EventTime::from_seconds(1_780_000_000 + seconds);
    let feedback = |time| {
        let (event, action) = (9, crate::engine::signin::FeedbackAction::Dismiss);
        TailEntry::Feedback(TailFeedback { time, event, action, about: 0, request_id: "".into() })
    };
    let mut finding = |time| TailEntry::UpstreamFinding(Box::new(dice.finding(&settled, time)));
    let tail = vec![feedback(at(0)), finding(at(1)), feedback(at(2)), finding(at(3))];
    UserRecord::rebuild(scope, settled, tail, &rules.teacher(scope.policy))
}

#[test]
fn version_5_is_read_for_ever() {
    let rules = rules();
    if VERSION == 5 {
        let written: String = encoded(&record(&rules)).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, FIXTURE.trim());
    }
    let digits = |at: usize| u8::from_str_radix(&FIXTURE[at..at + 2], 16).expect("hexadecimal");
    let bytes: Vec<u8> = (0..FIXTURE.trim().len()).step_by(2).map(digits).collect();
    let UserRecord { settled, tail, .. } = decode(&bytes, &rules).expect("version 5");
    let places: Vec<usize> =
        (0..tail.len()).filter(|at| matches!(tail[*at], TailEntry::UpstreamFinding(_))).collect();
    assert_eq!((bytes[0], places), (5, vec![1, 3]));
    let reported = settled.open.iter().filter(|risk| risk.reported.is_some()).count();
    assert!(reported > 0 && reported < settled.open.len(), "{reported} of {}", settled.open.len());
    let began: Vec<Provider> = settled.followed.iter().map(|session| session.began.provider).collect();
    assert!(began.iter().any(|provider| *provider != Provider::Entra), "{began:?}");
}
