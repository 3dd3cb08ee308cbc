//! What a quarantined sign-in may teach, and when: held back for a week, freed by the same properties coming again
//! without risk, and held anew each time they come with risk.

mod common;

use common::world::{Spec, at, sign_in};
use farsign::engine::facts::{Item, Prepared};
use farsign::engine::policy::EngineConfig;
use farsign::engine::rules::Rules;
use farsign::engine::user::familiarity::compact_day;
use farsign::engine::user::{AnchorText, Lesson, UserState};

/// A sign-in by its place and device; `risk` = judged at medium or above.
struct Visit {
    day: i64,
    network: &'static str,
    device: &'static str,
    risk: bool,
}

const fn visit(day: i64, network: &'static str, device: &'static str, risk: bool) -> Visit {
    Visit { day, network, device, risk }
}

fn prepared(visit: &Visit) -> Prepared<'static> {
    let id = format!("visit-{}-{}-{}", visit.day, visit.network, visit.device);
    let Item::SignIn(prepared) =
        sign_in(&Spec::new(&id, at(visit.day, 30_000), "ann", visit.network, visit.device))
    else {
        unreachable!("a sign-in was asked for")
    };
    prepared
}

fn learnt(visits: &[Visit], compromised: bool) -> UserState {
    let rules = Rules::new(std::sync::Arc::new(EngineConfig::default()));
    let mut state = UserState::default();
    for visit in visits {
        let prepared = prepared(visit);
        let text = AnchorText {
            request_id: &prepared.sign_in.event_id,
            place: prepared.place.as_ref(),
            agent: &prepared.agent,
            asn_organization: None,
        };
        let lesson = Lesson { quarantined: visit.risk, surprise: 0 };
        state.learn(&prepared.facts, &text, lesson, &rules.teacher(0));
        state.quarantine.iter_mut().for_each(|held| held.compromised = compromised);
    }
    state
}

/// Whether the baseline knows the city of the first visit, which none of the others was at without risk.
fn check(title: &str, visits: &[Visit], compromised: bool, expected: bool) {
    let rules = Rules::new(std::sync::Arc::new(EngineConfig::default()));
    let state = learnt(visits, compromised);
    let day = compact_day(at(visits.last().map_or(0, |visit| visit.day), 0).day());
    let city = prepared(&visits[0]).facts.city_hash;
    let known = state.baseline.city.get(city, day, &rules.decay).is_some();
    assert_eq!(known, expected, "{title}");
    assert_eq!(state.quarantine.is_empty(), expected, "{title}: the quarantine");
}

/// Luleå and Gothenburg are two cities of one network in one country: one context.
#[test]
fn quarantine_ages() {
    let first = || visit(0, "lulea-fixed", "stranger", true);
    let again = |day| visit(day, "gothenburg-fixed", "stranger", false);
    check("a week and a day later, without risk", &[first(), again(8)], false, true);
    check("six days later", &[first(), again(6)], false, false);
    check("six days later, and again after nine", &[first(), again(6), again(9)], false, true);
    check("another device", &[first(), visit(8, "gothenburg-fixed", "stranger-chrome", false)], false, false);
    check("another network", &[first(), visit(8, "berlin-fixed", "stranger", false)], false, false);
    check("confirmed compromised", &[first(), again(8)], true, false);
    check("with risk again", &[first(), visit(8, "lulea-fixed", "stranger", true)], false, false);
}

#[test]
fn a_daily_stranger_never_ages() {
    let daily: Vec<Visit> = (0..30).map(|day| visit(day, "lulea-fixed", "stranger", true)).collect();
    check("thirty days with risk", &daily, false, false);
    let once_without: Vec<Visit> =
        daily.into_iter().chain([visit(30, "gothenburg-fixed", "stranger", false)]).collect();
    check("and the day after without", &once_without, false, false);
}
