//! Unfamiliar sign-in properties: network, place, device, client, hour and failures together do not look like the
//! owner.
//!
//! ## What it sees
//! The sum of all properties' evidence in bits ([`super::properties`]): likelihood ratios with back-off, the
//! surprise of a new address given the time since the last sign-in, rarity in the organisation.
//! ## Why it matters
//! ATT&CK T1078.004, T1539 (a session continued elsewhere): it needs neither distance nor a list.
//! ## What it misses, and who trips it falsely
//! Intruders on the victim's own network and device. Falsely: a new laptop used first from a new place.
//! ## Parameters
//! `unfamiliar_features.low_bits` (8.25), `.medium_bits` (14), `.high_bits` (18.5), `.learning_min_days` (5),
//! `.learning_max_days` (30), `.settled_bits` (3), `.relearn_after_days` (60), `.sensitivity`.

use super::cloud;
use super::evidence::property_value;
use super::level::Level;
use super::miss::Miss;
use super::properties::Assessment;
use super::{Case, Draft};
use crate::engine::finding::{
    Familiarity, LearningPhase, Property, RiskEventType, RiskLevel, Suppression, Threshold,
};
use crate::engine::policy::Sensitivity;
use crate::engine::user::learning::Family;

pub fn detect(case: &Case<'_>, assessment: &Assessment) -> Result<Draft, Miss> {
    let rules = &case.judge.policy.unfamiliar_features;
    if !rules.enabled {
        return Err(Miss::Off);
    }
    let bits = assessment.total_bits;
    let thresholds = [rules.low_bits, rules.medium_bits, rules.high_bits];
    // A place nobody in the organisation was ever seen at needs no history of this user; but what little evidence
    // there is must speak for a stranger, which a device that the organisation manages does not.
    let outside_learning =
        assessment.unheard_of && !assessment.known_device && !assessment.known_agent && bits > 0.0;
    let (level, strength) = match graded(bits, thresholds) {
        Some(graded) => graded,
        None if outside_learning && case.phase(Family::UnfamiliarFeatures) != LearningPhase::Active => {
            (Level::new(RiskLevel::Low, "place or network is unheard of in the whole organisation"), 0.0)
        }
        None => return Err(Miss::bits(bits, "unfamiliar_features.low_bits", rules.low_bits)),
    };
    let mut draft = Draft {
        kind: RiskEventType::UnfamiliarFeatures,
        level,
        strength,
        family: Some(Family::UnfamiliarFeatures),
        outside_learning,
        suppressions: Vec::new(),
        thresholds: vec![
            Threshold::new("unfamiliar_features.low_bits", rules.low_bits),
            Threshold::new("unfamiliar_features.medium_bits", rules.medium_bits),
            Threshold::new("unfamiliar_features.high_bits", rules.high_bits),
        ],
        with_travel: false,
        with_bits: Some(bits),
        sentence: String::new(),
        attack: None,
    };
    draft.consider_either(
        Suppression::EgressLocation,
        case.facts.named.egress,
        ["a named location marked as egress", "no named location marked as egress"],
    );
    draft.consider_either(
        Suppression::CloudRefresh,
        cloud::is_service_refresh(case, assessment),
        cloud::SERVICE_REFRESH,
    );
    if rules.sensitivity == Sensitivity::Low {
        let learnt = case.organization.is_learnt_egress(case.facts.address_hash);
        draft.consider_either(
            Suppression::LearntEgress,
            learnt,
            [
                "colleagues come to this address from many places",
                "colleagues are not known to come to this address from many places",
            ],
        );
    }
    draft.sentence = case.worded(&draft, || sentence(case, assessment));
    Ok(draft)
}

/// Level and place within it of a score in bits, against rising thresholds.
pub(super) fn graded(bits: f64, [low, medium, high]: [f64; 3]) -> Option<(Level, f64)> {
    let by_bits = |level| Level::new(level, "by its bits");
    if bits >= high {
        Some((by_bits(RiskLevel::High), (bits - high) / 12.0))
    } else if bits >= medium {
        Some((by_bits(RiskLevel::Medium), (bits - medium) / (high - medium)))
    } else if bits >= low {
        Some((by_bits(RiskLevel::Low), (bits - low) / (medium - low)))
    } else {
        None
    }
}

fn sentence(case: &Case<'_>, assessment: &Assessment) -> String {
    let mut named: Vec<_> = assessment
        .weighed
        .iter()
        .filter(|weighed| weighed.familiarity == Familiarity::Unfamiliar && weighed.bits > 0.3)
        .collect();
    named.sort_by(|a, b| b.bits.total_cmp(&a.bits));
    let names: Vec<String> = named
        .iter()
        .take(5)
        .map(|weighed| {
            let value = property_value(case, weighed.property);
            let word = word(weighed.property);
            if value.is_empty() { word.to_owned() } else { format!("{word} {value}") }
        })
        .collect();
    let refresh = if case.facts.is_interactive() { "" } else { "non-interactive " };
    let what = if names.is_empty() { "its properties taken together".to_owned() } else { names.join(", ") };
    format!("Unfamiliar {refresh}sign-in: {what}.")
}

fn word(property: Property) -> &'static str {
    match property {
        Property::IpAddress => "address",
        Property::IpPrefix => "network prefix",
        Property::Asn => "network",
        Property::City => "city",
        Property::Region => "region",
        Property::Country => "country",
        Property::Device => "device",
        Property::UserAgent => "user agent",
        Property::Browser => "browser",
        Property::OperatingSystem => "operating system",
        Property::ClientApp => "client",
        Property::HourOfWeek => "hour of the week",
        Property::FailureHistory => "wrong passwords from elsewhere shortly before",
        Property::NetworkKind => "a hosting or anonymising network",
        Property::OrganizationRarity => "a network or country rare in the organisation",
        Property::Visitor => "a new client on strange networks again,",
        Property::Dormancy => "an account silent for",
        Property::Session => "a session continued with another agent or from a hosting network",
    }
}
