//! The small forms: Event Hub records with only what a detection needs, and Farsign's canonical sign-in.

use super::super::World;
use super::super::dice::IdKind;
use super::super::event::{Ending, Event, Factor, Issuer, Subject};
use super::text::{number, raw, time};
use super::{Renderer, parts};

impl Renderer {
    pub(super) fn write_lean(&mut self, event: &Event, world: &World, out: &mut Vec<u8>) {
        let category = match event.subject {
            Subject::Principal(_) => "ServicePrincipalSignInLogs",
            _ if event.is_interactive() => "SignInLogs",
            _ => "NonInteractiveUserSignInLogs",
        };
        raw(out, "{\"category\":\"");
        raw(out, category);
        raw(out, "\",\"tenantId\":\"");
        out.extend_from_slice(&self.tenant);
        raw(out, "\",\"properties\":{\"id\":\"");
        self.request_id(event, out);
        raw(out, "\",\"createdDateTime\":\"");
        time(out, event.time);
        raw(out, "Z\",\"userId\":\"");
        self.user_id(event, out);
        raw(out, "\",\"userPrincipalName\":\"");
        self.principal_name(event, out);
        raw(out, "\",\"ipAddress\":\"");
        self.address(event.address, world, out);
        raw(out, "\",\"status\":{\"errorCode\":");
        number(out, u64::from(event.ending.code()));
        if event.ending == Ending::MfaReported {
            raw(out, ",\"additionalDetails\":\"");
            raw(out, parts::MFA_REPORTED);
            raw(out, "\"");
        }
        raw(out, "},\"clientAppUsed\":\"");
        raw(out, parts::client_app(event.protocol));
        raw(out, "\",\"userAgent\":\"");
        self.user_agent(event, out);
        raw(out, "\"");
        if event.client.device != 0 {
            raw(out, ",\"deviceDetail\":{\"deviceId\":\"");
            self.device_id(event, out);
            raw(out, "\"}");
        }
        // A refresh is an action of its own: nothing to correlate.
        if event.correlation != event.id {
            raw(out, ",\"correlationId\":\"");
            self.guid(IdKind::Correlation, event.correlation, out);
            raw(out, "\"");
        }
        if event.session != 0 {
            raw(out, ",\"sessionId\":\"");
            self.guid(IdKind::Session, event.session, out);
            raw(out, "\"");
        }
        self.federation(event, out);
        raw(out, "}}");
    }

    /// The issuer, where it is not the directory itself.
    fn federation(&self, event: &Event, out: &mut Vec<u8>) {
        if event.issuer != Issuer::Directory {
            raw(out, ",\"tokenIssuerName\":\"");
            self.issuer_name(event, out);
            raw(out, "\",\"tokenIssuerType\":\"");
            raw(out, parts::issuer_type(event));
            raw(out, "\"");
        }
    }

    pub(super) fn write_farsign(&mut self, event: &Event, world: &World, out: &mut Vec<u8>) {
        raw(out, "{\"type\":\"signIn\",\"tenantId\":\"");
        out.extend_from_slice(&self.tenant);
        raw(out, "\",\"id\":\"");
        self.request_id(event, out);
        raw(out, "\",\"time\":\"");
        time(out, event.time);
        raw(out, "Z\",\"userId\":\"");
        self.user_id(event, out);
        raw(out, "\",\"userPrincipalName\":\"");
        self.principal_name(event, out);
        raw(out, "\",\"outcome\":\"");
        raw(out, outcome(event.ending));
        raw(out, "\",\"credential\":\"");
        raw(out, credential(event.ending));
        raw(out, "\",\"mfa\":\"");
        raw(out, mfa(event));
        raw(out, "\",\"category\":\"");
        raw(out, if event.is_interactive() { "interactive" } else { "nonInteractive" });
        raw(out, "\",\"ipAddress\":\"");
        self.address(event.address, world, out);
        raw(out, "\",\"userAgent\":\"");
        self.user_agent(event, out);
        raw(out, "\",\"clientAppUsed\":\"");
        raw(out, parts::client_app(event.protocol));
        raw(out, "\",\"errorCode\":");
        number(out, u64::from(event.ending.code()));
        raw(out, ",\"device\":{\"deviceId\":\"");
        self.device_id(event, out);
        raw(out, "\"},\"sessionId\":\"");
        if event.session != 0 {
            self.guid(IdKind::Session, event.session, out);
        }
        raw(out, "\",\"correlationId\":\"");
        self.guid(IdKind::Correlation, event.correlation, out);
        raw(out, "\"");
        self.federation(event, out);
        raw(out, "}");
    }
}

fn outcome(ending: Ending) -> &'static str {
    match ending {
        Ending::Success => "success",
        ending if ending.is_interrupt() => "interrupted",
        Ending::MfaDenied | Ending::MfaReported | Ending::PolicyBlocked => "blocked",
        _ => "failed",
    }
}

fn credential(ending: Ending) -> &'static str {
    match ending {
        ending if ending.is_credential_right() => "right",
        Ending::WrongPassword => "wrong",
        _ => "unknown",
    }
}

fn mfa(event: &Event) -> &'static str {
    match (event.ending, event.factor) {
        (Ending::MfaRequired | Ending::MfaByPolicy, _) => "pending",
        (Ending::MfaDenied, _) => "denied",
        (Ending::MfaReported, _) => "reported",
        (Ending::Success | Ending::KeepSignedIn, Factor::Performed) => "performed",
        (Ending::Success, Factor::Claim) => "claim",
        (Ending::Success, Factor::Single) => "notRequired",
        _ => "unknown",
    }
}
