//! The sign-ins that a finding rests on: evidence, the resources concerned, and observables that point to both.

use std::borrow::Cow;

use serde::Serialize;

use super::super::alert::{evidence, principal};
use super::super::farsign::rounded;
use super::super::graph::known;
use crate::engine::finding::{EndPoint, RiskDetail, RiskState};
use crate::engine::out::{Detection, Subject};

pub(super) const JUDGED: &str = "Sign-in judged";
pub(super) const COMPARED_WITH: &str = "Sign-in it was compared with";

#[derive(Serialize)]
pub(super) struct Evidence<'a> {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    actor: Actor<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_endpoint: Option<NetworkEndpoint<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<Device<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_request: Option<HttpRequest<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict_id: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
}

#[derive(Serialize)]
struct Actor<'a> {
    user: User<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Uid<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_name: Option<&'a str>,
}

#[derive(Serialize)]
struct User<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<Uid<'a>>,
}

#[derive(Serialize)]
struct Uid<'a> {
    uid: &'a str,
}

#[derive(Serialize)]
struct NetworkEndpoint<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    /// The address as it was written, where it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    autonomous_system: Option<AutonomousSystem<'a>>,
}

#[derive(Serialize)]
struct Location<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lat: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    long: Option<f64>,
}

#[derive(Serialize)]
struct AutonomousSystem<'a> {
    number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct Device<'a> {
    /// What kind of device it is, nobody says.
    type_id: u8,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<OperatingSystem<'a>>,
}

#[derive(Serialize)]
struct OperatingSystem<'a> {
    name: &'a str,
    type_id: u16,
    #[serde(rename = "type")]
    kind: &'a str,
}

#[derive(Serialize)]
struct HttpRequest<'a> {
    user_agent: &'a str,
}

#[derive(Serialize)]
pub(super) struct Resource<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    role_id: u8,
    role: &'static str,
}

/// A value to search by, and the path of the attribute that holds it; OCSF's paths do not number elements of lists.
#[derive(Serialize)]
pub(super) struct Observable<'a> {
    name: &'static str,
    type_id: u8,
    #[serde(rename = "type")]
    kind: &'static str,
    value: Cow<'a, str>,
}

/// The sign-in judged and the one it was compared with; none for a finding about a user.
pub(super) fn evidences(detection: &Detection, state: RiskState) -> Vec<Evidence<'_>> {
    let evidence = evidence(detection);
    let judged = evidence.map(|evidence| &evidence.this);
    let reference = evidence.and_then(|evidence| evidence.reference.as_ref());
    let about_sign_in = judged.is_some() || !detection.subject.request_id.is_empty();
    let judged = about_sign_in.then(|| Evidence::judged(detection, judged, state));
    judged.into_iter().chain(reference.map(|end| Evidence::compared_with(&detection.subject, end))).collect()
}

impl<'a> Evidence<'a> {
    fn judged(detection: &'a Detection, end: Option<&'a EndPoint>, state: RiskState) -> Evidence<'a> {
        let subject = &detection.subject;
        let (verdict_id, verdict) = verdict(state, detection.detail);
        let system = end.and_then(|end| known(&end.operating_system));
        Evidence {
            name: JUDGED,
            uid: known(&subject.request_id),
            actor: Actor {
                user: User::new(subject),
                session: known(&subject.session_id).map(|uid| Uid { uid }),
                app_name: known(&subject.client_app_used),
            },
            src_endpoint: NetworkEndpoint::new(end, &subject.address_text),
            device: Device::new(&subject.device_id, &subject.device_display_name, system),
            http_request: known(&subject.user_agent).map(|user_agent| HttpRequest { user_agent }),
            verdict_id: Some(verdict_id),
            verdict: Some(verdict),
        }
    }

    fn compared_with(subject: &'a Subject, end: &'a EndPoint) -> Evidence<'a> {
        Evidence {
            name: COMPARED_WITH,
            uid: known(&end.request_id),
            actor: Actor { user: User::new(subject), session: None, app_name: None },
            src_endpoint: NetworkEndpoint::new(Some(end), ""),
            device: Device::new("", "", known(&end.operating_system)),
            http_request: None,
            verdict_id: None,
            verdict: None,
        }
    }
}

fn verdict(state: RiskState, detail: RiskDetail) -> (u8, &'static str) {
    match (state, detail) {
        (RiskState::ConfirmedCompromised, _) => (2, "True Positive"),
        (RiskState::ConfirmedSafe, _) => (5, "Benign"),
        (RiskState::Dismissed, RiskDetail::AiConfirmedSigninSafe) => (1, "False Positive"),
        (RiskState::Dismissed | RiskState::None, _) => (3, "Disregard"),
        (RiskState::AtRisk | RiskState::Remediated, _) => (4, "Suspicious"),
    }
}

impl<'a> User<'a> {
    fn new(subject: &'a Subject) -> User<'a> {
        let name = known(&subject.user_principal_name);
        User {
            uid: known(&subject.user_id),
            name,
            domain: name.and_then(|name| principal(name).1),
            full_name: known(&subject.user_display_name),
            org: known(&subject.tenant_id).map(|uid| Uid { uid }),
        }
    }
}

impl<'a> NetworkEndpoint<'a> {
    /// `None` without anything to know the end point by.
    fn new(end: Option<&'a EndPoint>, written: &'a str) -> Option<NetworkEndpoint<'a>> {
        let ip = end.and_then(|end| end.address).map(|address| address.to_string());
        let name = if ip.is_some() { None } else { known(written) };
        (ip.is_some() || name.is_some()).then(|| NetworkEndpoint {
            ip,
            name,
            location: end.and_then(Location::new),
            autonomous_system: end
                .filter(|end| end.asn != 0)
                .map(|end| AutonomousSystem { number: end.asn, name: known(&end.asn_organization) }),
        })
    }
}

impl<'a> Location<'a> {
    fn new(end: &'a EndPoint) -> Option<Location<'a>> {
        let location = Location {
            country: known(end.country.as_str()),
            region: known(&end.region),
            city: known(&end.city),
            lat: end.coordinates.and_then(|(latitude, _)| rounded(f64::from(latitude), 4)),
            long: end.coordinates.and_then(|(_, longitude)| rounded(f64::from(longitude), 4)),
        };
        // Coordinates alone are no location in OCSF.
        let says_something = location.country.is_some() || location.region.is_some() || location.city.is_some();
        says_something.then_some(location)
    }
}

impl<'a> Device<'a> {
    fn new(id: &'a str, name: &'a str, system: Option<&'a str>) -> Option<Device<'a>> {
        let device = Device {
            type_id: 0,
            kind: "Unknown",
            uid: known(id),
            name: known(name),
            os: system.map(OperatingSystem::new),
        };
        (device.uid.is_some() || device.name.is_some() || device.os.is_some()).then_some(device)
    }
}

impl<'a> OperatingSystem<'a> {
    fn new(name: &'a str) -> OperatingSystem<'a> {
        const KNOWN: [(&str, u16); 5] =
            [("Windows", 100), ("Linux", 200), ("Android", 201), ("macOS", 300), ("iOS", 301)];
        // 99 is "Other", whose caption is the source's own word.
        let type_id = KNOWN.into_iter().find(|(known, _)| *known == name).map_or(99, |(_, type_id)| type_id);
        OperatingSystem { name, type_id, kind: name }
    }
}

/// The account concerned, and what was signed in to.
pub(super) fn resources(subject: &Subject) -> Vec<Resource<'_>> {
    let name = known(&subject.user_principal_name).or(known(&subject.user_display_name));
    let user = (name.is_some() || !subject.user_id.is_empty()).then(|| Resource {
        kind: "User",
        uid: known(&subject.user_id),
        name,
        role_id: 3,
        role: "Affected",
    });
    let targets =
        [("Application", &subject.app_display_name), ("Resource", &subject.resource_display_name)].into_iter();
    let targets = targets.filter(|(_, name)| !name.is_empty()).map(|(kind, name)| Resource {
        kind,
        uid: None,
        name: Some(name),
        role_id: 1,
        role: "Target",
    });
    user.into_iter().chain(targets).collect()
}

/// What is in the evidence to search by, each value once.
pub(super) fn observables<'a>(evidences: &[Evidence<'a>]) -> Vec<Observable<'a>> {
    let mut list: Vec<Observable<'a>> = Vec::new();
    let mut push = |name, type_id, kind, value: Option<Cow<'a, str>>| {
        if let Some(value) = value
            && !list.iter().any(|other| other.name == name && other.value == value)
        {
            list.push(Observable { name, type_id, kind, value });
        }
    };
    for Evidence { actor, src_endpoint, device, http_request, .. } in evidences {
        let end = src_endpoint.as_ref();
        let country = end.and_then(|end| end.location.as_ref()).and_then(|location| location.country);
        let device_id = device.as_ref().and_then(|device| device.uid);
        let agent = http_request.as_ref().map(|request| request.user_agent);
        push("evidences.src_endpoint.ip", 2, "IP Address", end.and_then(|end| end.ip.clone()).map(Into::into));
        push("evidences.src_endpoint.location.country", 14, "Country", country.map(Into::into));
        push("evidences.actor.user.name", 4, "User Name", actor.user.name.map(Into::into));
        push("evidences.actor.user.uid", 31, "User Object: uid", actor.user.uid.map(Into::into));
        push("evidences.device.uid", 47, "Device Object: uid", device_id.map(Into::into));
        push("evidences.http_request.user_agent", 16, "HTTP User-Agent", agent.map(Into::into));
    }
    list
}
