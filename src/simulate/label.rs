//! Ground truth: one JSON line for every malicious record, and for every legitimate one with something odd.
//!
//! Joins to the records by `requestId`. A record without a label is legitimate and unremarkable.

use super::World;
use super::dice::{IdKind, guid};
use super::event::{Event, Subject};
use super::record::Renderer;
use super::record::text::{raw, time};

/// Whether the event has a label.
pub fn is_labelled(event: &Event) -> bool {
    !matches!(event.subject, Subject::Principal(_)) && (event.is_malicious() || !event.causes.is_empty())
}

/// Appends the label of one event, without a line end.
pub fn write(event: &Event, world: &World, renderer: &Renderer, out: &mut Vec<u8>) {
    raw(out, "{\"requestId\":\"");
    renderer.request_id(event, out);
    raw(out, "\",\"time\":\"");
    time(out, event.time);
    raw(out, "Z\",");
    if let Some(tenant) = renderer.tenant() {
        raw(out, "\"tenantId\":\"");
        out.extend_from_slice(tenant);
        raw(out, "\",");
    }
    raw(out, "\"userId\":\"");
    renderer.user_id(event, out);
    raw(out, "\",\"userPrincipalName\":\"");
    renderer.principal_name(event, out);
    if let Subject::User(number) = event.subject {
        raw(out, "\",\"persona\":\"");
        raw(out, world.persona(number).name());
    }
    raw(out, "\",\"credentialRight\":");
    raw(out, if event.ending.is_credential_right() { "true" } else { "false" });
    raw(out, ",\"malicious\":");
    match event.malice {
        Some(malice) => {
            raw(out, "true,\"attack\":\"");
            raw(out, world.attacks.kind(malice.campaign).name());
            raw(out, "\",\"campaign\":\"");
            super::record::text::guid(out, &campaign_id(world.seed, malice.campaign));
            raw(out, "\",\"step\":\"");
            raw(out, malice.step.name());
            raw(out, "\",\"imitates\":");
            raw(out, if malice.imitates { "true" } else { "false" });
            raw(out, "}");
        }
        None => {
            raw(out, "false,\"causes\":[");
            for (index, word) in event.causes.words().enumerate() {
                raw(out, if index > 0 { ",\"" } else { "\"" });
                raw(out, word);
                raw(out, "\"");
            }
            raw(out, "]}");
        }
    }
}

/// The campaign's id, as labels give it.
pub fn campaign_id(seed: u64, campaign: u16) -> [u8; 16] {
    guid(seed, IdKind::Secret, 1 << 48 | u64::from(campaign))
}
