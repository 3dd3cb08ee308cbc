//! New country: a country this user was never seen in, or not for long.
//!
//! ## What it sees
//! The country against the user's kept history, weighed by the organisation: where nobody works raises, where many
//! work lowers or suppresses; and only where network and device together speak for a stranger (`min_bits`).
//! ## Why it matters
//! ATT&CK T1078.004; nine in ten real takeovers of the public data set came from a new country.
//! ## What it misses, and who trips it falsely
//! Intruders in the victim's country. Falsely: trips (a known device lowers), VPN exits (listed ones suppress).
//! ## Parameters
//! `new_country.infrequent_after_days` (90), `.common_share` (0.05), `.min_bits` (6), `.learning_days` (7),
//! `.relearn_after_days` (90), `.sensitivity`.

use super::cloud;
use super::evidence::place_name;
use super::level::{KNOWN_DEVICE, Level, STRANGE_DEVICE};
use super::miss::{Measured, Miss};
use super::properties::{Assessment, UNFAMILIAR_DEVICE_BITS};
use super::{Case, Draft};
use crate::engine::finding::{RiskEventType, RiskLevel, Suppression, Threshold};
use crate::engine::policy::Sensitivity;
use crate::engine::profile::ProfileKind;
use crate::engine::user::familiarity::compact_day;
use crate::engine::user::learning::Family;

/// Users below which "nobody works there" is no evidence.
const RARE_USERS_MIN: u32 = 20;
/// Users a common country must have at least.
const COMMON_USERS_MIN: u32 = 3;

pub fn detect(case: &Case<'_>, assessment: &Assessment) -> Result<Draft, Miss> {
    let rules = &case.judge.policy.new_country;
    let facts = case.facts;
    // With nothing learnt there is no country to be new against.
    if !rules.enabled {
        return Err(Miss::Off);
    }
    if !facts.country.is_known() {
        return Err(Miss::Lacks("the country is not known"));
    }
    if case.state.baseline.country.entries.is_empty() {
        return Err(Miss::Lacks("no country of this user is known"));
    }
    let day = compact_day(facts.time.day());
    let key = facts.country.key();
    let known = case.state.baseline.country.get(key, day, case.judge.decay);
    let days_since = known.map(|known| u32::from(day.saturating_sub(known.last_day)));
    if assessment.known_address {
        return Err(Miss::Lacks("the address is the user's own"));
    }
    if let Some(days) = days_since.filter(|days| *days < rules.infrequent_after_days) {
        let (value, threshold) = (f64::from(days), f64::from(rules.infrequent_after_days));
        return Err(Miss::NotEnough {
            what: Measured::Days,
            value,
            key: "new_country.infrequent_after_days",
            threshold,
        });
    }
    let bits = assessment.network_bits + assessment.device_bits;
    if bits < rules.min_bits {
        return Err(Miss::bits(bits, "new_country.min_bits", rules.min_bits));
    }
    let with = case.organization.users_with(ProfileKind::Country, key);
    let common = with.is_some_and(|with| {
        with >= COMMON_USERS_MIN && f64::from(with) >= rules.common_share * f64::from(case.organization.users)
    });
    let rare = with == Some(0) && case.organization.users >= RARE_USERS_MIN;
    let mut draft = Draft {
        kind: RiskEventType::NewCountry,
        level: level(case, assessment, common, rare),
        strength: strength(assessment),
        family: Some(Family::NewCountry),
        outside_learning: false,
        suppressions: Vec::new(),
        thresholds: vec![
            Threshold::new("new_country.infrequent_after_days", f64::from(rules.infrequent_after_days)),
            Threshold::new("new_country.common_share", rules.common_share),
            Threshold::new("new_country.min_bits", rules.min_bits),
        ],
        with_travel: false,
        with_bits: None,
        sentence: String::new(),
        attack: None,
    };
    consider(case, assessment, common, &mut draft);
    draft.sentence = case.worded(&draft, || sentence(case, days_since, with));
    Ok(draft)
}

fn consider(case: &Case<'_>, assessment: &Assessment, common: bool, draft: &mut Draft) {
    let facts = case.facts;
    let sensitivity = case.judge.policy.new_country.sensitivity;
    draft.consider_either(
        Suppression::EgressLocation,
        facts.named.egress,
        ["a named location marked as egress", "no named location marked as egress"],
    );
    draft.consider_either(
        Suppression::CloudRefresh,
        cloud::is_service_refresh(case, assessment),
        cloud::SERVICE_REFRESH,
    );
    if sensitivity <= Sensitivity::Medium {
        let moving = facts.is_moving_network();
        draft.consider_either(
            Suppression::MovingNetwork,
            moving,
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
    }
    if sensitivity == Sensitivity::Low {
        draft.consider_either(
            Suppression::OrganizationCommon,
            common,
            ["many colleagues work in this country", "not many colleagues work in this country"],
        );
    }
}

/// Low to begin with. A stranger's device raises, twice where nobody works; a device that is known lowers, and so
/// does a session that goes on with its client, and a country where many work.
fn level(case: &Case<'_>, assessment: &Assessment, common: bool, rare: bool) -> Level {
    let mut level = Level::new(RiskLevel::Low, "to begin with");
    if assessment.device_bits > UNFAMILIAR_DEVICE_BITS {
        level.raise(STRANGE_DEVICE);
        if rare {
            level.raise("no colleague was seen in this country");
        }
    }
    if assessment.known_device {
        level.lower(KNOWN_DEVICE);
    } else if assessment.session_bits < 0.0 {
        level.lower("a session goes on with its client");
    }
    if common && case.judge.policy.new_country.sensitivity == Sensitivity::Medium {
        level.lower("many colleagues work in this country");
    }
    level
}

fn strength(assessment: &Assessment) -> f64 {
    ((assessment.network_bits + assessment.device_bits) / 20.0).clamp(0.0, 1.0)
}

fn sentence(case: &Case<'_>, days_since: Option<u32>, with: Option<u32>) -> String {
    let here = place_name(case.text.place, case.facts.country);
    let history = match days_since {
        None => "a country this user was never seen in".to_owned(),
        Some(days) => format!("a country this user was last seen in {days} days ago"),
    };
    let organization = match with {
        None => String::new(),
        Some(0) => format!("; none of {} colleagues was seen there", case.organization.users),
        Some(1) => format!("; 1 of {} colleagues was seen there", case.organization.users),
        Some(with) => format!("; {with} of {} colleagues were seen there", case.organization.users),
    };
    format!("Sign-in from {here}, {history}{organization}.")
}
