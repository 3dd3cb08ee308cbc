//! Any bytes, as an ECS document or by detection: no panic, and ids that keep their invariants.
#![no_main]

use farsign::engine::decode::{Decoded, Format, decode};
use farsign::engine::signin::ID_LENGTH_MAX;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|record: &[u8]| {
    for format in [Format::Ecs, Format::Auto] {
        decode(format, record, &mut |decoded| match decoded {
            Ok(Decoded::SignIn(sign_in)) => {
                for id in [&sign_in.tenant_id, &sign_in.event_id, &sign_in.user_id] {
                    assert!(!id.is_empty() && id.len() <= ID_LENGTH_MAX && !id.chars().any(char::is_control));
                }
            }
            Ok(Decoded::UpstreamFinding(finding)) => {
                for id in [&finding.tenant_id, &finding.event_id, &finding.user_id, &finding.request_id] {
                    assert!(!id.is_empty() && id.len() <= ID_LENGTH_MAX && !id.chars().any(char::is_control));
                }
            }
            Ok(_) => {}
            Err(reject) => assert!(reject.offset <= record.len()),
        });
    }
});
