//! What became of a record that is asked for by its id, where no sign-in came of it.
//!
//! Such records keep no id, so their text is searched: only when a sign-in is to be explained.

use memchr::memmem;

use super::block::{Block, decode_frame};
use super::filter::{Filter, LeftOut};
use crate::engine::decode::{Decoded, Decoder, RejectReason, SkipReason};

/// Why a record that was read was not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedOver {
    Skipped(SkipReason),
    Rejected(RejectReason),
    LeftOut(LeftOut),
}

/// The first record of the block that has the id in its text and was not judged.
pub fn passed_over(block: &Block, id: &str, decoder: &Decoder, filter: &Filter) -> Option<PassedOver> {
    let raw = block.raw();
    let finder = memmem::Finder::new(id);
    finder.find(&raw.bytes)?;
    let mut found = None;
    for frame in raw.frames.iter().filter(|frame| finder.find(&raw.bytes[frame.start..frame.end]).is_some()) {
        decode_frame(decoder, &raw.bytes, frame, &mut |decoded, part| {
            // Of an envelope only the record that has it.
            if found.is_some() || finder.find(&raw.bytes[part.start..part.end]).is_none() {
                return;
            }
            found = match &decoded {
                Ok(Decoded::Skipped(reason)) => Some(PassedOver::Skipped(*reason)),
                Ok(decoded @ Decoded::SignIn(sign_in)) if *sign_in.event_id == *id => {
                    filter.leaves_out(decoded).map(PassedOver::LeftOut)
                }
                Ok(_) => None,
                Err(reject) => Some(PassedOver::Rejected(reject.reason)),
            };
        });
    }
    found
}
