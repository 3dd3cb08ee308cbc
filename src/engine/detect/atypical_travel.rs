//! Atypical travel: a distant sign-in from a place unusual for this user, at a speed that travel allows.
//!
//! ## What it sees
//! The probabilistic sibling of impossible travel: how new the place is to the user, how rare in the organisation,
//! how little time there was for the trip, and whether the user's own device came along.
//! ## Why it matters
//! ATT&CK T1078.004. An intruder who signs in twenty hours later is no slower than an airliner.
//! ## What it misses, and who trips it falsely
//! Intruders near a usual place. Falsely: holidays with a new phone.
//! ## Parameters
//! `atypical_travel.min_distance_km` (500), `.low_bits` (8), `.medium_bits` (12), `.high_bits` (17),
//! `.learning_days` (14) or `.learning_sign_ins` (10), `.relearn_after_days` (90), `.sensitivity`.

use super::cloud;
use super::evidence::place_names;
use super::impossible_travel::{NO_JOURNEY, after, is_far, is_usual_region};
use super::miss::Miss;
use super::properties::Assessment;
use super::travel::Journey;
use super::unfamiliar_features::graded;
use super::{Case, Draft};
use crate::engine::finding::{Property, RiskEventType, Suppression, Threshold};
use crate::engine::policy::Sensitivity;
use crate::engine::profile::ProfileKind;
use crate::engine::user::learning::Family;
use crate::engine::user::{Anchor, transition_key};

/// Door to door: an airliner's cruise with what surrounds a flight.
const TRIP_SPEED_KMH: f64 = 700.0;
const TRIP_OVERHEAD_H: f64 = 4.0;
/// How much of the device's evidence counts: a device of one's own on a trip speaks strongly for the owner.
const DEVICE_SHARE: f64 = 0.7;
const HASTE_BITS_MIN: f64 = -3.0;
const HASTE_BITS_MAX: f64 = 4.0;

pub fn detect(case: &Case<'_>, assessment: &Assessment) -> Result<Draft, Miss> {
    let rules = &case.judge.policy.atypical_travel;
    if !rules.enabled {
        return Err(Miss::Off);
    }
    let journey = assessment.journey.ok_or(NO_JOURNEY)?;
    let anchor = case.state.anchor.as_ref().ok_or(NO_JOURNEY)?;
    is_far(&journey, "atypical_travel.min_distance_km", rules.min_distance_km)?;
    let place_bits = place_bits(case, assessment);
    let haste_bits = haste_bits(&journey);
    let bits = place_bits + haste_bits + DEVICE_SHARE * (assessment.device_bits + assessment.session_bits);
    let (level, strength) = graded(bits, [rules.low_bits, rules.medium_bits, rules.high_bits])
        .ok_or(Miss::bits(bits, "atypical_travel.low_bits", rules.low_bits))?;
    let mut draft = Draft {
        kind: RiskEventType::UnlikelyTravel,
        level,
        strength,
        family: Some(Family::AtypicalTravel),
        outside_learning: false,
        suppressions: Vec::new(),
        thresholds: vec![
            Threshold::new("atypical_travel.min_distance_km", rules.min_distance_km),
            Threshold::new("atypical_travel.low_bits", rules.low_bits),
            Threshold::new("atypical_travel.medium_bits", rules.medium_bits),
            Threshold::new("atypical_travel.high_bits", rules.high_bits),
        ],
        with_travel: true,
        with_bits: Some(bits),
        sentence: String::new(),
        attack: None,
    };
    consider(case, anchor, rules.sensitivity, &mut draft);
    draft.consider_either(
        Suppression::CloudRefresh,
        cloud::is_service_refresh(case, assessment),
        cloud::SERVICE_REFRESH,
    );
    draft.sentence = case.worded(&draft, || sentence(case, anchor, &journey, assessment));
    Ok(draft)
}

/// The user's surprise at country and region, and the organisation's at country or city.
fn place_bits(case: &Case<'_>, assessment: &Assessment) -> f64 {
    let own: f64 = assessment
        .weighed
        .iter()
        .filter(|weighed| matches!(weighed.property, Property::Country | Property::Region | Property::Asn))
        .map(|weighed| weighed.bits)
        .sum();
    let country = case.organization.rarity_bits(ProfileKind::Country, case.facts.country.key());
    let city = case.organization.rarity_bits(ProfileKind::City, case.facts.city_hash);
    own + country.min(city).min(0.0) + country.max(0.0)
}

/// How little time the trip had: positive below twice a door-to-door journey, negative when days lay between.
fn haste_bits(journey: &Journey) -> f64 {
    let needed_h = journey.distance_km / TRIP_SPEED_KMH + TRIP_OVERHEAD_H;
    let had_h = journey.elapsed_s / 3_600.0;
    libm::log2(2.0 * needed_h / had_h).clamp(HASTE_BITS_MIN, HASTE_BITS_MAX)
}

fn consider(case: &Case<'_>, anchor: &Anchor, sensitivity: Sensitivity, draft: &mut Draft) {
    let facts = case.facts;
    let same_address = facts.address.is_some() && facts.address == anchor.address;
    draft.consider_either(
        Suppression::SameAddress,
        same_address,
        ["the address is the same: a GeoIP correction is no travel", "the addresses differ"],
    );
    let egress = facts.named.egress || anchor.named.egress;
    draft.consider_either(
        Suppression::EgressLocation,
        egress,
        ["a named location marked as egress", "no named location marked as egress"],
    );
    draft.consider_either(
        Suppression::MovingNetwork,
        facts.is_moving_network(),
        [
            "a VPN, proxy, Tor, relay or satellite address",
            "no VPN, proxy, Tor, relay or satellite address by any list",
        ],
    );
    let learnt = case.organization.is_learnt_egress(facts.address_hash);
    draft.consider_either(
        Suppression::LearntEgress,
        learnt,
        [
            "colleagues come to this address from many places",
            "colleagues are not known to come to this address from many places",
        ],
    );
    let common = case.organization.is_common_place(facts.city_hash);
    draft.consider_either(
        Suppression::OrganizationCommon,
        common,
        ["the place is regularly used by colleagues", "the place is not regularly used by colleagues"],
    );
    if sensitivity <= Sensitivity::Medium {
        let usual = is_usual_region(case, facts.region_hash);
        draft.consider_either(
            Suppression::UsualPlaces,
            usual,
            ["the region is usual for this user", "the region is not usual for this user"],
        );
        let key = transition_key(anchor.region_hash, facts.region_hash);
        let known = case.state.transitions.iter().any(|transition| transition.key == key);
        draft.consider_either(
            Suppression::KnownTransition,
            known,
            ["this journey was made before without risk", "this journey is not known from before"],
        );
    }
}

fn sentence(case: &Case<'_>, anchor: &Anchor, journey: &Journey, assessment: &Assessment) -> String {
    let [here, there] = place_names(case, anchor);
    let device = if assessment.known_device {
        "a known device"
    } else if assessment.known_agent {
        "a familiar browser"
    } else {
        "an unfamiliar device"
    };
    format!(
        "Sign-in from {here} {} from {there}, {} km away; the place is unusual for this user, on {device}.",
        after(case.facts.time.seconds_since(anchor.time)),
        libm::round(journey.great_circle_km),
    )
}
