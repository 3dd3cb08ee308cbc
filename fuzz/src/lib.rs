//! What every decoder keeps to, whatever the bytes: no panic, and ids that keep their invariants.

use farsign::engine::decode::{Decoded, Format, decode};
use farsign::engine::signin::{ID_LENGTH_MAX, SOURCE_LENGTH_MAX};

/// Decodes the bytes as a record of `format` and by detection.
pub fn decode_as(format: Format, record: &[u8]) {
    for format in [format, Format::Auto] {
        decode(format, record, &mut |decoded| match decoded {
            Ok(Decoded::SignIn(it)) => check_ids(&[&it.tenant_id, &it.event_id, &it.user_id]),
            Ok(Decoded::UpstreamFinding(it)) => {
                check_ids(&[&it.tenant_id, &it.event_id, &it.user_id, &it.request_id]);
                assert!(!it.source.is_empty() && it.source.len() <= SOURCE_LENGTH_MAX);
            }
            Ok(Decoded::Feedback(it)) => check_ids(&[&it.tenant_id, &it.event_id, &it.user_id]),
            Ok(Decoded::Skipped(_)) => {}
            Err(reject) => assert!(reject.offset <= record.len()),
        });
    }
}

fn check_ids(ids: &[&str]) {
    for id in ids {
        assert!(!id.is_empty() && id.len() <= ID_LENGTH_MAX && !id.chars().any(char::is_control), "{id:?}");
    }
}
