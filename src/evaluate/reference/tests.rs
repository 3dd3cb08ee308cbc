//! The references against values worked out by hand.

use super::history::{Attribute, History};
use super::repeats::Repeats;
use super::*;
use crate::engine::decode::{Decoded, Format, decode};
use crate::engine::enrich::{Enricher, Tables};
use crate::engine::facts::CountryCode;
use crate::engine::signin::EventTime;

/// Facts of a sign-in that nothing is known of, to be filled in.
fn blank() -> Facts {
    let record = br#"{"type":"signIn","id":"x","time":"2026-03-02T00:00:00Z","tenantId":"t","userId":"u","outcome":"success"}"#;
    let mut enricher = Enricher::new(std::sync::Arc::new(Tables::builder().build().unwrap()));
    let mut facts = None;
    decode(Format::Farsign, record, &mut |decoded| {
        if let Ok(Decoded::SignIn(sign_in)) = decoded {
            facts = Some(enricher.enrich(sign_in).facts);
        }
    });
    facts.expect("a sign-in")
}

fn user(number: u128) -> UserKey {
    UserKey(number)
}

/// A sign-in from an address in a network and country, with an agent; the numbers are the values' hashes.
fn from(address: u32, asn: u32, country: &str, agent: u32) -> Facts {
    Facts {
        address_hash: address,
        asn,
        country: CountryCode::parse(country).unwrap_or_default(),
        user_agent_hash: agent,
        browser_hash: agent,
        operating_system_hash: 7,
        ..blank()
    }
}

fn history(sign_ins: &[(u128, Facts)]) -> History {
    let mut history = History::default();
    for (number, facts) in sign_ins {
        history.learn(user(*number), SignInKey::new("before"), facts);
    }
    history
}

fn score(judge: fn(&History, UserKey, &Facts) -> Option<Judgement>, history: &History, facts: &Facts) -> f64 {
    judge(history, user(1), facts).expect("a score").score
}

#[test]
fn speed_is_distance_over_time() {
    let at = |minutes: i64, latitude: f32, longitude: f32| Facts {
        coordinates: Some((latitude, longitude)),
        time: EventTime::from_seconds(minutes * 60),
        ..blank()
    };
    let history = history(&[(1, at(0, 0.0, 0.0))]);
    let fires = |facts: Facts| speed::judge(&history, user(1), &facts).is_some();
    // One degree of longitude at the equator is 111.195 km on the mean sphere: 900 km/h in 7.413 minutes.
    assert!(fires(at(7, 0.0, 1.0)) && !fires(at(8, 0.0, 1.0)));
    assert!(fires(at(-7, 0.0, 1.0)), "order of arrival does not matter");
    assert!(fires(at(0, 0.0, 0.1)), "no time at all");
    assert!(!fires(at(0, 0.0, 0.0)), "no distance at all");
    assert!(!fires(blank()), "no place");
    assert!(speed::judge(&history, user(2), &at(1, 0.0, 90.0)).is_none(), "another user");
    let judgement = speed::judge(&history, user(1), &at(1, 0.0, 90.0)).expect("fires");
    assert_eq!(judgement.reference, Some(SignInKey::new("before")));
}

#[test]
fn new_is_what_the_user_never_showed() {
    let history = history(&[(1, from(1, 10, "NO", 5)), (2, from(2, 20, "SE", 6))]);
    let check = |facts: Facts, country: bool, anything: bool| {
        assert_eq!(novelty::new_country(&history, user(1), &facts).is_some(), country);
        assert_eq!(novelty::new_anything(&history, user(1), &facts).is_some(), anything);
    };
    check(from(9, 10, "NO", 5), false, false);
    check(from(1, 10, "SE", 5), true, true);
    check(from(1, 20, "NO", 5), false, true);
    check(from(1, 10, "NO", 6), false, true);
    // Missing is not new.
    check(from(0, 0, "", 0), false, false);
    assert!(novelty::new_country(&history, user(3), &from(1, 10, "SE", 5)).is_none(), "no history");
}

/// Four successes: three of user 1 from address 1 (twice) and 2 in one network, one of user 2 from elsewhere.
fn small() -> History {
    history(&[
        (1, from(1, 10, "NO", 5)),
        (1, from(1, 10, "NO", 5)),
        (1, from(2, 10, "NO", 5)),
        (2, from(3, 20, "SE", 6)),
    ])
}

fn check_close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
}

#[test]
fn freeman_by_hand() {
    let history = small();
    // Address 1, N = 4: two ASNs, two countries, so M = 5 and L = 2 / 9; within its own sign-ins 2 / (2 + 3).
    let of_all: f64 = 0.6 * (2.0 / 9.0) * (2.0 / 5.0) + 0.3 * (3.0 / 4.0) + 0.1 * (3.0 / 4.0);
    let of_user: f64 = 0.6 * (2.0 / 3.0) + 0.3 + 0.1;
    // Agent 5: two browser versions, one system, one device: M = 5, L = 3 / 9; within its own 3 / (3 + 4).
    let [w1, w2, w3, w4] =
        [0.538_665_384_055_135_9, 0.268_045_149_862_566_6, 0.188_182_951_001_095_36, 0.005_106_515_081_202_183];
    let agent_all: f64 = w1 * (3.0 / 9.0) * (3.0 / 7.0) + w2 * (3.0 / 4.0) + w3 + w4;
    let agent_user: f64 = w1 + w2 + w3 + w4;
    let share = (1.0 / 2.0) / (3.0 / 4.0);
    let familiar = score(freeman::judge, &history, &from(1, 10, "NO", 5));
    check_close(familiar, (of_all / of_user * (agent_all / agent_user) * share).ln());
    // All of the network new for the user: a constant factor 4.
    let elsewhere = score(freeman::judge, &history, &from(3, 20, "SE", 5));
    check_close(elsewhere, (4.0 * (agent_all / agent_user) * share).ln());
    // A new address in the known network: L = 1 / 9, and nothing of it within.
    let of_all: f64 = 0.6 * (1.0 / 9.0) + 0.3 * (3.0 / 4.0) + 0.1 * (3.0 / 4.0);
    let new_address = score(freeman::judge, &history, &from(9, 10, "NO", 5));
    check_close(new_address, (of_all / 0.4 * (agent_all / agent_user) * share).ln());
    assert!(familiar < new_address && new_address < elsewhere);
    assert!(freeman::judge(&history, user(9), &from(1, 10, "NO", 5)).is_none(), "no score without a history");
}

#[test]
fn likelihood_ratios_by_hand() {
    let history = small();
    let ln = f64::ln;
    // p(all) = (c + 1) / (4 + 1), p(user) = (c + p(all)) / (3 + 1).
    let ratio = |all: f64, own: f64| ln((all + 1.0) / 5.0) - ln((own + (all + 1.0) / 5.0) / 4.0);
    let system = ratio(4.0, 3.0);
    let known = ratio(2.0, 2.0) + 2.0 * ratio(3.0, 3.0) + 2.0 * ratio(3.0, 3.0) + system;
    let rarity = -2.0 * ln(4.0 / 5.0);
    // A kind of device that is unknown is the value 0, and left out.
    assert_eq!(Attribute::DeviceKind.value(&blank()), 0);
    let familiar = score(likelihood::judge, &history, &from(1, 10, "NO", 5));
    check_close(familiar, known + rarity);
    let strange = score(likelihood::judge, &history, &from(3, 20, "SE", 6));
    check_close(strange, ratio(1.0, 0.0) * 5.0 + system - 2.0 * ln(2.0 / 5.0));
    // Without a history only rarity speaks.
    let cold = likelihood::judge(&history, user(9), &from(8, 30, "BR", 6)).expect("a score").score;
    check_close(cold, -2.0 * ln(1.0 / 5.0));
}

#[test]
fn a_repeat_is_of_one_visit_within_a_week() {
    let at = |hours: i64, country: &str| Facts {
        time: EventTime::from_seconds(hours * 3_600),
        ..from(1, 10, country, 5)
    };
    let mut repeats = Repeats::default();
    let mut note = |number: u128, facts: Facts, score: f32| repeats.note(user(number), &facts, score);
    let never = f32::NEG_INFINITY;
    assert_eq!(note(1, at(0, "NO"), 5.0), never);
    assert_eq!(note(1, at(1, "SE"), 5.0), never);
    assert_eq!(note(2, at(1, "NO"), 5.0), never);
    assert_eq!(note(1, at(2, "NO"), 3.0), 5.0);
    assert_eq!(note(1, at(168, "NO"), 4.0), 5.0);
    // The first is more than a week ago; of the others the highest counts.
    assert_eq!(note(1, at(169, "NO"), 1.0), 4.0);
    assert_eq!(note(1, at(169 + 169, "NO"), 1.0), never);
}
