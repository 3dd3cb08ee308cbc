//! The id of a sign-in whose record has none, or one too long to keep.
//!
//! Delivered twice, a record must give the same id twice; so it is made of the record's own fields. Entra's
//! `uniqueTokenIdentifier` is the request id in another spelling: the base64 of its text (older) or of its sixteen
//! bytes in Windows order (newer). Without it, the id is a hash over what identifies an attempt.

use std::borrow::Cow;
use std::fmt::Write;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::{Reject, text};
use crate::engine::signin::{Feedback, ID_LENGTH_MAX, SignIn, UpstreamFinding};

/// Ids of this kind are in outputs and states: the seed must never change.
const SEED: u64 = 0x6661_7273;

const LENIENT_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT_PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT_PADDING);

/// The id to keep for `sign_in`, whose `event_id` is as the record wrote it (or empty).
pub(super) fn event_id<'a>(sign_in: &SignIn<'a>, token: &str, original_id: &str) -> Result<Cow<'a, str>, Reject> {
    if sign_in.event_id.len() > ID_LENGTH_MAX {
        return Ok(Cow::Owned(made_id("long", &[&sign_in.event_id])));
    }
    if !sign_in.event_id.is_empty() {
        return text::check_control(sign_in.event_id.clone(), "id");
    }
    if let Some(id) = id_of_token(token) {
        return Ok(Cow::Owned(id));
    }
    let time = sign_in.event_time.0.to_string();
    let code = sign_in.error_code.map(|code| code.to_string()).unwrap_or_default();
    let parts = [
        &*sign_in.tenant_id,
        &sign_in.user_id,
        &time,
        &sign_in.app_id,
        &sign_in.address_text,
        &sign_in.correlation_id,
        original_id,
        &code,
    ];
    Ok(Cow::Owned(made_id("made", &parts)))
}

/// The id to keep for a feedback record.
pub(super) fn feedback_id<'a>(feedback: &Feedback<'a>, action: &str) -> Result<Cow<'a, str>, Reject> {
    if feedback.event_id.len() > ID_LENGTH_MAX {
        return Ok(Cow::Owned(made_id("long", &[&feedback.event_id])));
    }
    if !feedback.event_id.is_empty() {
        return text::check_control(feedback.event_id.clone(), "id");
    }
    let time = feedback.event_time.0.to_string();
    let parts = [&*feedback.tenant_id, &feedback.user_id, &time, action, &feedback.request_id];
    Ok(Cow::Owned(made_id("made", &parts)))
}

/// The id to keep for an upstream finding.
pub(super) fn finding_id<'a>(finding: &UpstreamFinding<'a>) -> Result<Cow<'a, str>, Reject> {
    if finding.event_id.len() > ID_LENGTH_MAX {
        return Ok(Cow::Owned(made_id("long", &[&finding.event_id])));
    }
    if !finding.event_id.is_empty() {
        return text::check_control(finding.event_id.clone(), "id");
    }
    let time = finding.event_time.0.to_string();
    let kind = finding.kind.name();
    let (tenant_id, user_id) = (&*finding.tenant_id, &*finding.user_id);
    let parts = [tenant_id, user_id, &time, &finding.source, kind, &finding.source_type, &finding.request_id];
    Ok(Cow::Owned(made_id("made", &parts)))
}

/// `kind-` and 32 hexadecimal digits over the parts.
fn made_id(kind: &str, parts: &[&str]) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(part.as_bytes());
        // The separator cannot be in UTF-8: two lists of parts never give the same bytes.
        bytes.push(0xff);
    }
    format!("{kind}-{:032x}", xxh3_128_with_seed(&bytes, SEED))
}

/// The request id that a `uniqueTokenIdentifier` spells, lower case.
pub(super) fn id_of_token(token: &str) -> Option<String> {
    let engine = if token.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    let mut buffer = [0_u8; 48];
    // A longer one is neither spelling, and does not fit.
    let length = engine.decode_slice(token, &mut buffer).ok()?;
    let bytes = buffer.get(..length)?;
    if let Ok(spelled) = std::str::from_utf8(bytes)
        && text::is_guid(spelled)
        && !text::is_absent(spelled)
    {
        return Some(spelled.to_ascii_lowercase());
    }
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    let guid = uuid::Uuid::from_bytes_le(bytes);
    let mut id = String::with_capacity(36);
    (!guid.is_nil() && write!(id, "{guid}").is_ok()).then_some(id)
}
