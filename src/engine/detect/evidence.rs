//! Evidence: the parts a finding is checked by, from the case it was found in. Only findings come here, so it may
//! allocate.

use std::sync::Arc;

use super::mfa_fatigue::first_denial;
use super::properties::Assessment;
use super::travel::Journey;
use super::{Case, Draft};
use crate::engine::facts::{Agent, CountryCode, Place};
use crate::engine::finding::{
    EndPoint, Evidence, LearningPhase, Property, PropertyVerdict, RiskEventType, Travel,
};
use crate::engine::signin::{Provider, SECONDS_PER_DAY};
use crate::engine::user::Anchor;
use crate::engine::user::session::{Session, Stop};
use crate::engine::user::tail::TailSignIn;
use crate::engine::user::visitor::VISITOR_NETWORKS_MAX;

pub fn evidence(
    case: &Case<'_>,
    assessment: &Assessment,
    draft: Draft,
    phase: Option<LearningPhase>,
    stopped: bool,
) -> Evidence {
    let rules = &case.judge.policy.impossible_travel;
    let travel = |journey: Journey| Travel {
        great_circle_km: journey.great_circle_km,
        uncertainty_km: journey.uncertainty_km,
        distance_km: journey.distance_km,
        elapsed_s: journey.elapsed_s,
        speed_kmh: journey.speed_kmh,
        max_speed_kmh: rules.max_speed_kmh,
        min_distance_km: rules.min_distance_km,
    };
    Evidence {
        this: this_end(case),
        reference: reference(case, draft.kind),
        travel: assessment.journey.filter(|_| draft.with_travel).map(travel),
        properties: property_verdicts(case, assessment),
        total_bits: draft.with_bits,
        strength: draft.strength.clamp(0.0, 1.0),
        attack: draft.attack,
        lists: case.facts.lists.kinds().collect(),
        named_location: case.facts.named.index,
        thresholds: draft.thresholds,
        suppressions: draft.suppressions,
        learning: phase,
        learning_days: draft.family.map(|family| case.state.learning.days_at(family, case.facts.time)),
        baseline_sign_ins: u32::from(case.state.baseline.sign_ins),
        organization_day: (case.organization.users > 0).then_some(case.organization.day()),
        organization_users: case.organization.users,
        late: case.late,
        stopped,
        sentence: draft.sentence,
    }
}

pub(super) fn this_end(case: &Case<'_>) -> EndPoint {
    let facts = case.facts;
    end_point(
        (case.text.request_id.to_owned(), facts.provider),
        (facts.time, facts.address, facts.asn, facts.country, facts.coordinates, facts.radius_km),
        (case.text.place, case.text.agent, case.text.asn_organization),
    )
}

/// A sign-in as its tail keeps it, whether it can carry risk or not.
pub fn tail_end(sign_in: &TailSignIn) -> EndPoint {
    let facts = &sign_in.facts;
    end_point(
        (sign_in.text().request_id.to_owned(), facts.provider),
        (facts.time, facts.address, facts.asn, facts.country, facts.coordinates, facts.radius_km),
        (sign_in.place.as_ref(), &sign_in.agent, sign_in.asn_organization.as_ref()),
    )
}

/// What the sign-in was compared with: of a session and of prompts their own end, else the last place.
pub(super) fn reference(case: &Case<'_>, kind: RiskEventType) -> Option<EndPoint> {
    let session = case.state.session(case.facts.session_hash);
    let stop = match kind {
        RiskEventType::AnomalousToken => session.map(Session::home),
        RiskEventType::AttackerInTheMiddle => session.map(|session| &session.began),
        RiskEventType::MfaFatigue => first_denial(case),
        _ => None,
    };
    stop.map(stop_end).or_else(|| case.state.anchor.as_ref().map(anchor_end))
}

/// State keeps no names of a session's ends.
fn stop_end(stop: &Stop) -> EndPoint {
    EndPoint {
        request_id: stop.request_id.to_string(),
        provider: stop.provider,
        time: stop.time,
        address: stop.address,
        asn: stop.asn,
        asn_organization: String::new(),
        country: stop.country,
        region: String::new(),
        city: String::new(),
        coordinates: None,
        radius_km: 0,
        browser: String::new(),
        operating_system: String::new(),
    }
}

fn anchor_end(anchor: &Anchor) -> EndPoint {
    end_point(
        (anchor.request_id.to_string(), anchor.provider),
        (anchor.time, anchor.address, anchor.asn, anchor.country, Some(anchor.coordinates), anchor.radius_km),
        (anchor.place.as_ref(), &anchor.agent, anchor.asn_organization.as_ref()),
    )
}

type EndNumbers =
    (crate::engine::signin::EventTime, Option<std::net::IpAddr>, u32, CountryCode, Option<(f32, f32)>, u16);
type EndTexts<'a> = (Option<&'a Arc<Place>>, &'a Arc<Agent>, Option<&'a Arc<str>>);

fn end_point(
    (request_id, provider): (String, Provider),
    numbers: EndNumbers,
    (place, agent, organization): EndTexts<'_>,
) -> EndPoint {
    let (time, address, asn, country, coordinates, radius_km) = numbers;
    EndPoint {
        request_id,
        provider,
        time,
        address,
        asn,
        asn_organization: organization.map(|name| name.to_string()).unwrap_or_default(),
        country,
        region: place.map(|place| place.region.to_string()).unwrap_or_default(),
        city: place.map(|place| place.city.to_string()).unwrap_or_default(),
        coordinates,
        radius_km,
        browser: agent.browser.to_string(),
        operating_system: agent.operating_system.to_string(),
    }
}

pub(super) fn property_verdicts(case: &Case<'_>, assessment: &Assessment) -> Vec<PropertyVerdict> {
    assessment
        .weighed
        .iter()
        .map(|weighed| PropertyVerdict {
            property: weighed.property,
            familiarity: weighed.familiarity,
            share: weighed.share,
            bits: weighed.bits,
            organization_users: weighed.organization_users,
            value: property_value(case, weighed.property),
        })
        .collect()
}

/// A property's value, for reading; empty when the record has none.
pub fn property_value(case: &Case<'_>, property: Property) -> String {
    let text = case.text;
    let place = |part: fn(&Place) -> &str| text.place.map(|place| part(place).to_owned()).unwrap_or_default();
    match property {
        Property::IpAddress => text.address_text.to_owned(),
        Property::IpPrefix => case.facts.address.map(prefix_text).unwrap_or_default(),
        Property::Asn if case.facts.asn == 0 => String::new(),
        Property::Asn => match text.asn_organization {
            Some(name) => format!("AS{} {name}", case.facts.asn),
            None => format!("AS{}", case.facts.asn),
        },
        Property::City => place(|place| &place.city),
        Property::Region => place(|place| &place.region),
        Property::Country => case.facts.country.as_str().to_owned(),
        Property::Device => text.device_id.to_owned(),
        Property::UserAgent => text.user_agent.to_owned(),
        Property::Browser if text.agent.browser_major == 0 => text.agent.browser.to_string(),
        Property::Browser => format!("{} {}", text.agent.browser, text.agent.browser_major),
        Property::OperatingSystem => text.agent.operating_system.to_string(),
        Property::ClientApp => text.client_app_used.to_owned(),
        Property::HourOfWeek => hour_name(case.facts.time.hour_of_week()),
        Property::FailureHistory | Property::OrganizationRarity => String::new(),
        Property::NetworkKind => case.facts.lists.kinds().map(|kind| kind.name()).collect::<Vec<_>>().join(", "),
        Property::Session => text.session_id.to_owned(),
        Property::Visitor => visitor_text(case),
        Property::Dormancy => dormancy_text(case),
    }
}

/// "23 days".
fn dormancy_text(case: &Case<'_>) -> String {
    let since = |last| case.facts.time.seconds_since(last) / SECONDS_PER_DAY as f64;
    format!("{} days", libm::floor(case.state.last_used().map_or(0.0, since)))
}

/// "3 networks in 2 days".
fn visitor_text(case: &Case<'_>) -> String {
    let Some(visitor) = case.state.visitor(case.facts) else { return String::new() };
    let (networks, days) = (visitor.networks.len(), visitor.days(case.facts) + 1);
    format!(
        "{}{networks} {} in {days} {}",
        if networks == VISITOR_NETWORKS_MAX { "at least " } else { "" },
        if networks == 1 { "network" } else { "networks" },
        if days == 1 { "day" } else { "days" },
    )
}

/// The /24 or /48 that the address is in.
pub(super) fn prefix_text(address: std::net::IpAddr) -> String {
    let length = if address.is_ipv4() { 24 } else { 48 };
    ipnet::IpNet::new(address, length).map(|network| network.trunc().to_string()).unwrap_or_default()
}

fn hour_name(hour_of_week: u8) -> String {
    const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    format!("{} {:02}:00 UTC", DAYS[usize::from(hour_of_week / 24) % 7], hour_of_week % 24)
}

/// "Oslo, NO (okta)" at both ends where their providers differ, else the places alone.
pub(super) fn place_names(case: &Case<'_>, anchor: &Anchor) -> [String; 2] {
    let here = place_name(case.text.place, case.facts.country);
    let there = place_name(anchor.place.as_ref(), anchor.country);
    if case.facts.provider == anchor.provider {
        return [here, there];
    }
    [format!("{here} ({})", case.facts.provider.name()), format!("{there} ({})", anchor.provider.name())]
}

/// "Oslo, NO", or as much of it as is known.
pub fn place_name(place: Option<&Arc<Place>>, country: CountryCode) -> String {
    let city = place.map(|place| place.city.as_ref()).unwrap_or("");
    match (city, country.as_str()) {
        ("", "") => "an unknown place".to_owned(),
        ("", country) => country.to_owned(),
        (city, "") => city.to_owned(),
        (city, country) => format!("{city}, {country}"),
    }
}
