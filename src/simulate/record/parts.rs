//! Pieces that several forms share: location, device, status, authentication steps, policies.

use super::super::World;
use super::super::dice::{IdKind, guid, hash};
use super::super::event::{Ending, Event, Factor, Issuer, Marks, Protocol};
use super::super::network::Place;
use super::text::{escaped, number, quoted, raw, time};
use super::{APPS, Renderer};

/// `{"city":…,"state":…,"countryOrRegion":…,"geoCoordinates":{…}}`
pub fn location(place: &Place) -> Vec<u8> {
    let mut out = Vec::new();
    raw(&mut out, "{\"city\":");
    quoted(&mut out, &place.city);
    raw(&mut out, ",\"state\":");
    quoted(&mut out, &place.region);
    raw(&mut out, ",\"countryOrRegion\":");
    quoted(&mut out, &place.country);
    let coordinates =
        format!(",\"geoCoordinates\":{{\"latitude\":{:?},\"longitude\":{:?}}}}}", place.latitude, place.longitude);
    raw(&mut out, &coordinates);
    out
}

const NO_LOCATION: &str = "{}";

const MFA_DENIED: &str = "MFA denied; user declined the authentication";
/// As Microsoft's documentation of multifactor authentication reports gives it.
pub const MFA_REPORTED: &str = "MFA denied; Fraud Code Entered";

struct Policy {
    name: &'static str,
    grants: &'static str,
    sessions: &'static str,
    /// What its conditions ask for, as the sum of Entra's condition bits.
    conditions: u16,
    scope: Scope,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everyone,
    Legacy,
    Managed,
    ReportOnly,
    Phones,
}

const POLICIES: [Policy; 5] = [
    Policy {
        name: "CA001: Require multifactor authentication for all users",
        grants: "\"Mfa\"",
        sessions: "",
        conditions: 3,
        scope: Scope::Everyone,
    },
    Policy {
        name: "CA002: Block legacy authentication",
        grants: "\"Block\"",
        sessions: "",
        conditions: 19,
        scope: Scope::Legacy,
    },
    Policy {
        name: "CA003: Require compliant or hybrid joined device – Office 365",
        grants: "\"RequireCompliantDevice\",\"RequireDomainJoinedDevice\"",
        sessions: "",
        conditions: 7,
        scope: Scope::Managed,
    },
    Policy {
        name: "CA004: Sign-in frequency and no persistent browser on unmanaged devices",
        grants: "",
        sessions: "\"SignInFrequency\",\"PersistentBrowserSessionMode\"",
        conditions: 259,
        scope: Scope::ReportOnly,
    },
    Policy {
        name: "CA005: App protection on iOS & Android",
        grants: "\"RequireApprovedApp\",\"RequireCompliantApp\"",
        sessions: "",
        conditions: 23,
        scope: Scope::Phones,
    },
];

const RESULTS: [&str; 5] = ["success", "failure", "notApplied", "reportOnlyNotApplied", "reportOnlySuccess"];

/// Every policy with every result, written once.
pub struct Policies {
    prepared: Vec<[Vec<u8>; RESULTS.len()]>,
}

impl Policies {
    pub fn new(seed: u64) -> Policies {
        let prepare = |(index, policy): (u64, &Policy)| {
            let mut id = Vec::new();
            super::text::guid(&mut id, &guid(seed, IdKind::Policy, index));
            let id = String::from_utf8(id).unwrap_or_default();
            RESULTS.map(|result| {
                let applied = result == "success" || result == "failure" || result == "reportOnlySuccess";
                let missed = if applied { 0 } else { policy.conditions & 0xfffc };
                let mut out = Vec::new();
                raw(&mut out, &format!("{{\"id\":\"{id}\",\"displayName\":"));
                quoted(&mut out, policy.name);
                raw(
                    &mut out,
                    &format!(
                        ",\"enforcedGrantControls\":[{}],\"enforcedSessionControls\":[{}],\"result\":\"{result}\",\
                         \"conditionsSatisfied\":{},\"conditionsNotSatisfied\":{missed}}}",
                        policy.grants,
                        policy.sessions,
                        policy.conditions & !missed,
                    ),
                );
                out
            })
        };
        Policies { prepared: (0u64..).zip(&POLICIES).map(prepare).collect() }
    }

    /// The list that applies to the event: one to five of the tenant's policies.
    pub fn write(&self, seed: u64, event: &Event, out: &mut Vec<u8>) {
        let shown = match hash(seed, IdKind::Policy, event.id) % 10 {
            0..5 => 1,
            5..8 => 2,
            8 => 3,
            _ => POLICIES.len(),
        };
        out.push(b'[');
        for (index, (policy, texts)) in POLICIES.iter().zip(&self.prepared).take(shown).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&texts[result(policy.scope, event)]);
        }
        out.push(b']');
    }
}

/// Index into [`RESULTS`].
fn result(scope: Scope, event: &Event) -> usize {
    const SUCCESS: usize = 0;
    const FAILURE: usize = 1;
    const NOT_APPLIED: usize = 2;
    let blocked = event.ending == Ending::PolicyBlocked;
    match scope {
        Scope::Everyone if blocked => FAILURE,
        Scope::Everyone if event.factor == Factor::Single && event.ending.is_interrupt() => FAILURE,
        Scope::Everyone if event.factor == Factor::Single => NOT_APPLIED,
        Scope::Everyone => SUCCESS,
        Scope::Legacy => NOT_APPLIED,
        Scope::Managed if event.client.device != 0 => SUCCESS,
        Scope::Managed => NOT_APPLIED,
        Scope::ReportOnly if event.client.device == 0 => 4,
        Scope::ReportOnly => 3,
        Scope::Phones if event.client.agent.is_phone() && event.protocol == Protocol::Modern => SUCCESS,
        Scope::Phones => NOT_APPLIED,
    }
}

/// What Entra calls the client.
pub fn client_app(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Browser => "Browser",
        Protocol::Modern => "Mobile Apps and Desktop clients",
        Protocol::Imap => "IMAP4",
        Protocol::ActiveSync => "Exchange ActiveSync",
        Protocol::Smtp => "Authenticated SMTP",
    }
}

pub fn conditional_access(event: &Event) -> &'static str {
    match (event.ending, event.factor) {
        (Ending::Success, Factor::Single) => "notApplied",
        (Ending::Success, _) | (Ending::KeepSignedIn, _) => "success",
        (Ending::MfaRequired | Ending::MfaByPolicy | Ending::PolicyBlocked, _)
        | (Ending::MfaDenied | Ending::MfaReported, _) => "failure",
        _ => "notApplied",
    }
}

pub fn requirement(event: &Event) -> &'static str {
    let asked = matches!(
        event.ending,
        Ending::MfaRequired | Ending::MfaByPolicy | Ending::MfaDenied | Ending::MfaReported
    );
    if event.factor == Factor::Single && !asked {
        "singleFactorAuthentication"
    } else {
        "multiFactorAuthentication"
    }
}

pub fn protocol(event: &Event) -> &'static str {
    match event.protocol {
        _ if event.is_interactive() && event.protocol.is_legacy() => "ropc",
        _ if !event.is_interactive() => "refreshTokenGrant",
        Protocol::Browser => "oAuth2",
        _ => "none",
    }
}

/// What Entra calls the issuer's kind.
pub fn issuer_type(event: &Event) -> &'static str {
    match event.issuer {
        Issuer::Directory => "AzureAD",
        Issuer::Federation | Issuer::Forged => "ADFederationServices",
    }
}

pub fn incoming_token(event: &Event) -> &'static str {
    match (event.is_interactive(), event.client.device != 0) {
        (true, _) => "none",
        (false, true) => "primaryRefreshToken",
        (false, false) => "refreshToken",
    }
}

impl Renderer {
    /// Host name of a federation server; empty for the directory itself.
    pub(super) fn issuer_name(&self, event: &Event, out: &mut Vec<u8>) {
        match (event.issuer, event.malice) {
            (Issuer::Directory, _) => {}
            (Issuer::Forged, Some(malice)) => {
                raw(out, "sts");
                number(out, hash(self.seed, IdKind::Secret, 1 << 49 | u64::from(malice.campaign)) % 90 + 10);
                raw(out, ".federation.example");
            }
            (Issuer::Federation | Issuer::Forged, _) => {
                raw(out, "adfs.");
                escaped(out, &self.domain);
            }
        }
    }

    pub(super) fn location_of(&self, event: &Event, world: &World, out: &mut Vec<u8>) {
        if event.marks.has(Marks::NO_GEOGRAPHY) {
            raw(out, NO_LOCATION);
        } else {
            let place = world.atlas.place_of(event.address.network);
            out.extend_from_slice(&self.locations[usize::from(place)]);
        }
    }

    pub(super) fn country_of(&self, event: &Event, world: &World, out: &mut Vec<u8>) {
        if !event.marks.has(Marks::NO_GEOGRAPHY) {
            let place = world.atlas.place_of(event.address.network);
            out.extend_from_slice(&self.countries[usize::from(place)]);
        }
    }

    pub(super) fn user_agent(&self, event: &Event, out: &mut Vec<u8>) {
        if !event.marks.has(Marks::NO_USER_AGENT) {
            event.client.agent.write_user_agent(event.client.version, out);
        }
    }

    /// The device id's GUID; empty when none is sent.
    pub(super) fn device_id(&self, event: &Event, out: &mut Vec<u8>) {
        if event.client.device != 0 {
            self.guid(IdKind::Device, event.client.device, out);
        }
    }

    pub(super) fn device(&self, event: &Event, out: &mut Vec<u8>) {
        let client = event.client;
        raw(out, "{\"deviceId\":\"");
        self.device_id(event, out);
        raw(out, "\",\"displayName\":\"");
        if client.device != 0 {
            raw(out, if client.agent.is_phone() { "PHONE-" } else { "LT-" });
            number(out, hash(self.seed, IdKind::Device, client.device) % 900_000 + 100_000);
        }
        raw(out, "\",\"operatingSystem\":\"");
        raw(out, client.agent.operating_system());
        raw(out, "\",\"browser\":\"");
        client.agent.write_browser(client.version, out);
        raw(out, "\"");
        if client.device != 0 {
            let is_joined = !client.agent.is_phone();
            raw(out, ",\"isCompliant\":");
            let is_compliant = !hash(self.seed, IdKind::Device, client.device).is_multiple_of(10);
            raw(out, if is_compliant { "true" } else { "false" });
            raw(out, ",\"isManaged\":true,\"trustType\":\"");
            raw(out, if is_joined { "Azure AD joined" } else { "Azure AD registered" });
            raw(out, "\"");
        }
        raw(out, "}");
    }

    pub(super) fn status(&self, event: &Event, out: &mut Vec<u8>) {
        raw(out, "{\"errorCode\":");
        number(out, u64::from(event.ending.code()));
        if event.ending != Ending::Success {
            raw(out, ",\"failureReason\":\"");
            raw(out, event.ending.reason());
            raw(out, "\"");
        }
        let details = match (event.ending, event.factor) {
            (Ending::Success, Factor::Claim) => "MFA requirement satisfied by claim in the token",
            (Ending::Success | Ending::KeepSignedIn, Factor::Performed) => "MFA completed in Azure AD",
            (Ending::MfaRequired | Ending::MfaByPolicy, _) => "MFA required in Azure AD",
            (Ending::MfaDenied, _) => MFA_DENIED,
            (Ending::MfaReported, _) => MFA_REPORTED,
            _ => "",
        };
        if !details.is_empty() {
            raw(out, ",\"additionalDetails\":\"");
            raw(out, details);
            raw(out, "\"");
        }
        raw(out, "}");
    }

    /// The list of steps: password or earlier proof, then the second factor.
    pub(super) fn authentication_details(&self, event: &Event, out: &mut Vec<u8>) {
        let primary = match (event.ending, event.factor) {
            (Ending::NoSession | Ending::SessionRevoked | Ending::TokenExpired | Ending::UnknownUser, _) => {
                raw(out, "[]");
                return;
            }
            (Ending::WrongPassword | Ending::Locked, _) => ("Password", false, "Incorrect password"),
            (_, Factor::Claim) => {
                ("Previously satisfied", true, "First factor requirement satisfied by claim in the token")
            }
            _ if event.issuer == Issuer::Forged => {
                ("Previously satisfied", true, "First factor requirement satisfied by claim in the token")
            }
            _ => ("Password", true, "Correct password"),
        };
        let second = match (event.ending, event.factor) {
            (Ending::MfaRequired | Ending::MfaByPolicy, _) => {
                Some(("Mobile app notification", false, "Authentication in progress"))
            }
            (Ending::MfaDenied, _) => Some(("Mobile app notification", false, MFA_DENIED)),
            (Ending::MfaReported, _) => Some(("Mobile app notification", false, MFA_REPORTED)),
            (_, Factor::Performed) => Some(("Mobile app notification", true, "MFA successfully completed")),
            (_, Factor::Claim) => {
                Some(("Previously satisfied", true, "MFA requirement satisfied by claim in the token"))
            }
            (_, Factor::Single) => None,
        };
        out.push(b'[');
        self.step(event, primary, ("Primary authentication", 0), out);
        if let Some(second) = second {
            out.push(b',');
            self.step(event, second, ("Multi-factor authentication", 1), out);
        }
        out.push(b']');
    }

    fn step(
        &self,
        event: &Event,
        (method, succeeded, detail): (&str, bool, &str),
        (kind, at): (&str, u64),
        out: &mut Vec<u8>,
    ) {
        raw(out, "{\"authenticationStepDateTime\":\"");
        time(out, event.time);
        raw(out, "+00:00\",\"authenticationMethod\":\"");
        raw(out, method);
        raw(out, "\",\"authenticationMethodDetail\":\"");
        raw(out, if method == "Password" { "Password Hash Sync" } else { "" });
        raw(out, "\",\"succeeded\":");
        raw(out, if succeeded { "true" } else { "false" });
        raw(out, ",\"authenticationStepResultDetail\":\"");
        raw(out, detail);
        raw(out, "\",\"authenticationStepRequirement\":\"");
        raw(out, kind);
        raw(out, "\",\"StatusSequence\":");
        number(out, event.id % 1_000_000);
        raw(out, ",\"RequestSequence\":");
        number(out, at);
        raw(out, "}");
    }

    pub(super) fn processing_details(&self, event: &Event, out: &mut Vec<u8>) {
        raw(
            out,
            "[{\"key\":\"Legacy TLS (TLS 1.0, 1.1, 3DES)\",\"value\":\"False\"},\
             {\"key\":\"Oauth Scope Info\",\"value\":\"[\\\"email\\\",\\\"Mail.ReadWrite\\\",\\\"openid\\\",\
             \\\"profile\\\",\\\"User.Read\\\"]\"},{\"key\":\"Is CAE Token\",\"value\":\"",
        );
        raw(out, if event.id.is_multiple_of(3) { "True" } else { "False" });
        raw(out, "\"},{\"key\":\"Login Hint Present\",\"value\":\"True\"}");
        if event.protocol == Protocol::Modern {
            raw(
                out,
                ",{\"key\":\"Azure AD App Authentication Library\",\
                 \"value\":\"Family: MSAL Library: MSAL.Desktop 4.66.2 Platform: Native\"}",
            );
        }
        raw(out, "]");
    }

    pub(super) fn app_name(&self, event: &Event, out: &mut Vec<u8>) {
        escaped(out, APPS[usize::from(event.app)].name);
    }
}
