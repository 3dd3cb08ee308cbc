//! Scores fitted to a handful of detections.

use super::*;
use crate::engine::finding::RiskLevel;
use crate::engine::risk::score::score_of_rate;

/// Two types at two levels: what is found for fewer false alerts scores higher, and the score is that of the rate.
#[test]
fn scores_are_fitted_to_the_rate_of_what_comes_before() {
    let labels: Vec<String> = (0..6)
        .map(|n| {
            attack(&format!("a{n}"), n, "u", &format!("p{n}"), true).replace(&format!("kind-p{n}"), "tokenReplay")
        })
        .chain((0..4).map(|n| odd(&format!("o{n}"), "[]")))
        .collect();
    let good = Raised { kind: "mfaFatigue", level: "medium", strength: 0.9, ..RAISED };
    let poor = Raised { kind: "newCountry", level: "medium", strength: 0.1, ..RAISED };
    let low = Raised { kind: "newCountry", level: "low", strength: 0.5, ..RAISED };
    let raised = [
        Raised { request: "a0", ..good },
        Raised { request: "a1", ..good },
        Raised { request: "a2", ..good },
        Raised { request: "a3", ..poor },
        Raised { request: "o0", ..poor },
        // One sign-in with two findings is one false alert, at the higher level.
        Raised { request: "o0", id: "again", ..low },
        Raised { request: "o1", ..low },
        Raised { request: "a4", ..low },
        Raised { request: "o2", suppressed: "\"learning\"", ..low },
    ];
    let (truth, detections) = read(&labels, &raised);
    let mut fit = Fit::default();
    fit.add(&truth, &detections);
    let rows = fit.rows(Exposure { user_days: 1_000 });
    let knots = |kind: &str, level: RiskLevel| {
        let row = rows.iter().find(|row| (row.detection.as_str(), row.level) == (kind, level));
        row.expect("fitted").knots
    };
    // Nothing in vain: half a false alert in a thousand, which is the ceiling of medium's first fifths.
    assert_eq!(knots("mfaFatigue", RiskLevel::Medium)[4], score_of_rate(0.5));
    // The middle of the first false alert; and of the second behind it, clamped to its level.
    assert_eq!(knots("newCountry", RiskLevel::Medium)[0], score_of_rate(0.5));
    assert_eq!(knots("newCountry", RiskLevel::Low)[2], score_of_rate(1.5));
    assert!(rows.iter().all(|row| row.knots.is_sorted()), "{rows:?}");
    assert_eq!(rows.len(), 3, "what is silenced is not fitted");
}
