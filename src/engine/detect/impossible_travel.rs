//! Impossible travel: two sign-ins too far apart for the time between.
//!
//! ## What it sees
//! The distance to the user's previous place (in event time), less both places' uncertainty, against the time
//! between. A device known to be the user's lowers the level two steps; an egress that the user left excuses his own device
//! only, not a stranger's.
//! ## Why it matters
//! Somebody else holds the credential (ATT&CK T1078.004, valid cloud accounts).
//! ## What it misses, and who trips it falsely
//! An intruder near the victim, or one who waits. Falsely: VPNs nobody listed, carriers whose gateways move,
//! stale GeoIP; hence the suppressions.
//! ## Parameters
//! `impossible_travel.max_speed_kmh` (1000), `.min_distance_km` (500), `.clock_skew_s` (60), `.sensitivity`,
//! `.learning_days` (7), `.relearn_after_days` (90).

use super::borders::share_border;
use super::cloud;
use super::evidence::place_names;
use super::level::{KNOWN_DEVICE, Level};
use super::miss::{Measured, Miss};
use super::properties::{Assessment, UNFAMILIAR_DEVICE_BITS};
use super::travel::Journey;
use super::{Case, Draft};
use crate::engine::facts::{Connection, ListKind, Precision};
use crate::engine::finding::{RiskEventType, RiskLevel, Suppression, Threshold};
use crate::engine::policy::Sensitivity;
use crate::engine::user::familiarity::{UNIT, compact_day};
use crate::engine::user::learning::Family;
use crate::engine::user::{Anchor, transition_key};

/// What both detections of travel ask for.
pub(super) const NO_JOURNEY: Miss =
    Miss::Lacks("there is no journey: one of the two places is not known, or it is the same place");

/// Is the journey longer than the threshold?
pub(super) fn is_far(journey: &Journey, key: &'static str, threshold: f64) -> Result<(), Miss> {
    let value = journey.distance_km;
    if value > threshold { Ok(()) } else { Err(Miss::NotEnough { what: Measured::Km, value, key, threshold }) }
}

pub fn detect(case: &Case<'_>, assessment: &Assessment) -> Result<Draft, Miss> {
    let rules = &case.judge.policy.impossible_travel;
    if !rules.enabled {
        return Err(Miss::Off);
    }
    let journey = assessment.journey.ok_or(NO_JOURNEY)?;
    let anchor = case.state.anchor.as_ref().ok_or(NO_JOURNEY)?;
    is_far(&journey, "impossible_travel.min_distance_km", rules.min_distance_km)?;
    if journey.speed_kmh <= rules.max_speed_kmh {
        let (value, threshold) = (journey.speed_kmh, rules.max_speed_kmh);
        return Err(Miss::NotEnough {
            what: Measured::Kmh,
            value,
            key: "impossible_travel.max_speed_kmh",
            threshold,
        });
    }
    let level = level(case, assessment, anchor);
    let mut draft = Draft {
        kind: RiskEventType::ImpossibleTravel,
        level,
        strength: strength(&journey, rules.max_speed_kmh),
        family: Some(Family::ImpossibleTravel),
        outside_learning: false,
        suppressions: Vec::new(),
        thresholds: vec![
            Threshold::new("impossible_travel.max_speed_kmh", rules.max_speed_kmh),
            Threshold::new("impossible_travel.min_distance_km", rules.min_distance_km),
            Threshold::new("impossible_travel.clock_skew_s", rules.clock_skew_s),
        ],
        with_travel: true,
        with_bits: None,
        sentence: String::new(),
        attack: None,
    };
    consider_system(case, assessment, anchor, &journey, &mut draft);
    if rules.sensitivity <= Sensitivity::Medium {
        consider_user(case, anchor, &mut draft);
    }
    if rules.sensitivity == Sensitivity::Low {
        let common = case.organization.is_common_place(case.facts.city_hash);
        draft.consider_either(
            Suppression::OrganizationCommon,
            common,
            ["the place is regularly used by colleagues", "the place is not regularly used by colleagues"],
        );
    }
    draft.sentence = case.worded(&draft, || sentence(case, assessment, anchor, &journey));
    Ok(draft)
}

/// Medium to begin with; a new network with a new device raises, what is still the same lowers.
fn level(case: &Case<'_>, assessment: &Assessment, anchor: &Anchor) -> Level {
    let facts = case.facts;
    let mut level = Level::new(RiskLevel::Medium, "to begin with");
    let stranger = !assessment.known_device && !assessment.known_agent;
    // A network that no table names says nothing.
    let new_network = facts.asn != 0 && !assessment.known_asn;
    if stranger && new_network && assessment.device_bits > 1.0 {
        level.raise("device and network are both new to this user");
    }
    // An attacker has no device id of the user's; of two devices one may stay at home.
    if assessment.known_device {
        level.lower(KNOWN_DEVICE);
        level.lower(KNOWN_DEVICE);
    } else if assessment.known_agent {
        level.lower("the browser is familiar");
    }
    // A session that goes on, or one that is renewed while nobody is there.
    let same_session = facts.session_hash != 0 && facts.session_hash == anchor.session_hash;
    if (same_session || !facts.is_interactive()) && (assessment.known_agent || assessment.known_device) {
        level.lower("the session goes on, or is renewed by itself, with a client that is known");
    }
    level
}

fn strength(journey: &Journey, max_speed_kmh: f64) -> f64 {
    // From the limit to ten times the limit, on a logarithm.
    (libm::log2(journey.speed_kmh / max_speed_kmh) / libm::log2(10.0)).clamp(0.0, 1.0)
}

/// Suppressions that always apply.
fn consider_system(
    case: &Case<'_>,
    assessment: &Assessment,
    anchor: &Anchor,
    journey: &Journey,
    draft: &mut Draft,
) {
    let facts = case.facts;
    let same_address = facts.address.is_some() && facts.address == anchor.address;
    draft.consider_either(
        Suppression::SameAddress,
        same_address,
        ["the address is the same: a GeoIP correction is no travel", "the addresses differ"],
    );
    draft.consider_either(
        Suppression::EgressLocation,
        facts.named.egress || anchor.named.egress,
        ["a named location marked as egress", "no named location marked as egress"],
    );
    draft.consider(Suppression::MovingNetwork, facts.is_moving_network(), moving_detail(case));
    let (egress, detail) = learnt_egress(case, assessment, anchor);
    draft.consider(Suppression::LearntEgress, egress, detail);
    let mobile = facts.asn != 0
        && facts.asn == anchor.asn
        && facts.connection == Connection::Mobile
        && anchor.connection == Connection::Mobile;
    draft.consider_either(
        Suppression::MobileGateway,
        mobile,
        ["two mobile gateways of one carrier", "not two mobile gateways of one carrier"],
    );
    let cloud = !facts.is_interactive()
        && (facts.connection == Connection::Hosting || facts.lists.contains(ListKind::Hosting))
        && facts.session_hash != 0
        && facts.session_hash == anchor.session_hash
        || cloud::is_service_refresh(case, assessment);
    draft.consider_either(
        Suppression::CloudRefresh,
        cloud,
        [
            "a non-interactive refresh of the same session from a cloud",
            "no non-interactive refresh of the same session from a cloud",
        ],
    );
    consider_nearby(case, anchor, journey, draft);
}

/// Who came through an egress may be anywhere, and shows his own place once he leaves it. But he brings his device along:
/// a stranger's does not come from there.
fn learnt_egress(case: &Case<'_>, assessment: &Assessment, anchor: &Anchor) -> (bool, &'static str) {
    let stranger =
        !assessment.known_device && !assessment.known_agent && assessment.device_bits > UNFAMILIAR_DEVICE_BITS;
    if case.organization.is_learnt_egress(case.facts.address_hash) {
        (true, "colleagues come to this address from many places")
    } else if !case.organization.is_learnt_egress(anchor.address_hash) {
        (false, "colleagues are not known to come to either address from many places")
    } else if stranger {
        (false, "colleagues come to the other address from many places, but this device is new to the user")
    } else {
        (true, "colleagues come to the other address from many places")
    }
}

fn moving_detail(case: &Case<'_>) -> String {
    let kinds: Vec<&str> = case.facts.lists.kinds().map(ListKind::name).collect();
    match (case.facts.is_moving_network(), kinds.is_empty()) {
        (true, true) => "a satellite connection".into(),
        (true, false) => format!("listed: {}", kinds.join(", ")),
        (false, true) => "the address is on no list".into(),
        (false, false) => format!("listed as nothing that moves or hides a place: {}", kinds.join(", ")),
    }
}

/// Same or bordering country, unless both places are exact and the speed holds twice over.
fn consider_nearby(case: &Case<'_>, anchor: &Anchor, journey: &Journey, draft: &mut Draft) {
    let facts = case.facts;
    let rules = &case.judge.policy.impossible_travel;
    let near = facts.country == anchor.country || share_border(facts.country, anchor.country);
    let exact = facts.precision == Precision::City
        && anchor.precision == Precision::City
        && facts.connection != Connection::Mobile
        && anchor.connection != Connection::Mobile;
    let beyond_doubt = exact && journey.speed_kmh > 2.0 * rules.max_speed_kmh;
    let detail = if near && beyond_doubt {
        "near, but beyond doubt: both places are exact and the speed is over twice the limit"
    } else if near {
        "same or bordering country"
    } else {
        "the countries do not border"
    };
    draft.consider(Suppression::NearbyCountry, near && !beyond_doubt, detail);
}

/// Suppressions learnt from the user.
fn consider_user(case: &Case<'_>, anchor: &Anchor, draft: &mut Draft) {
    let facts = case.facts;
    let both_trusted = facts.named.trusted && anchor.named.trusted;
    draft.consider_either(
        Suppression::TrustedLocation,
        both_trusted,
        ["both ends are trusted named locations", "not both ends are trusted named locations"],
    );
    let usual = is_usual_region(case, facts.region_hash) && is_usual_region(case, anchor.region_hash);
    draft.consider_either(
        Suppression::UsualPlaces,
        usual,
        ["both regions are usual for this user", "not both regions are usual for this user"],
    );
    let key = transition_key(anchor.region_hash, facts.region_hash);
    let known = case.state.transitions.iter().any(|transition| transition.key == key);
    draft.consider_either(
        Suppression::KnownTransition,
        known,
        ["this journey was made before without risk", "this journey is not known from before"],
    );
}

/// Usual: used on at least three (decayed) days, and first seen a week ago or earlier.
pub(super) fn is_usual_region(case: &Case<'_>, region_hash: u32) -> bool {
    let day = compact_day(case.facts.time.day());
    case.state
        .baseline
        .region
        .get(region_hash, day, case.judge.decay)
        .is_some_and(|known| known.weight >= USUAL_DAYS * UNIT && day.saturating_sub(known.first_day) >= 7)
}

const USUAL_DAYS: u16 = 3;

fn sentence(case: &Case<'_>, assessment: &Assessment, anchor: &Anchor, journey: &Journey) -> String {
    let [here, there] = place_names(case, anchor);
    let device = if case.facts.device_hash != 0 && case.facts.device_hash == anchor.device_hash {
        "the same device"
    } else {
        "another device"
    };
    format!(
        "Sign-in from {here} {} from {there}: {} km apart ({} km after uncertainty) needs {} km/h, more than {} km/h; {device}{}.",
        after(case.facts.time.seconds_since(anchor.time)),
        libm::round(journey.great_circle_km),
        libm::round(journey.distance_km),
        libm::round(journey.speed_kmh),
        case.judge.policy.impossible_travel.max_speed_kmh,
        if assessment.known_asn || case.facts.asn == 0 { "" } else { ", a new network" },
    )
}

/// "40 seconds after one", "42 minutes after one", "3 hours before one" (a sign-in that arrived late can be the earlier end).
pub(super) fn after(seconds: f64) -> String {
    let direction = if seconds < 0.0 { "before" } else { "after" };
    let seconds = libm::round(libm::fabs(seconds));
    let minutes = libm::round(seconds / 60.0);
    let (count, unit) = if seconds < 60.0 {
        (seconds, "second")
    } else if minutes < 120.0 {
        (minutes, "minute")
    } else if minutes < 2.0 * 1_440.0 {
        (libm::round(minutes / 60.0), "hour")
    } else {
        (libm::round(minutes / 1_440.0), "day")
    };
    let plural = if count == 1.0 { "" } else { "s" };
    format!("{count} {unit}{plural} {direction} one")
}
