//! Any bytes, as a record of our own format: what is read is written and read again equal.
#![no_main]

use farsign::engine::decode::{
    Decoded, Format, decode, write_farsign, write_farsign_feedback, write_farsign_upstream_finding,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|record: &[u8]| {
    decode(Format::Farsign, record, &mut |decoded| {
        let mut line = Vec::new();
        match &decoded {
            Ok(Decoded::SignIn(sign_in)) => write_farsign(sign_in, &mut line),
            Ok(Decoded::Feedback(feedback)) => write_farsign_feedback(feedback, &mut line),
            Ok(Decoded::UpstreamFinding(finding)) => write_farsign_upstream_finding(finding, &mut line),
            _ => return,
        }
        let mut count = 0;
        decode(Format::Farsign, &line, &mut |again| {
            assert_eq!(again, decoded);
            count += 1;
        });
        assert_eq!(count, 1);
    });
});
