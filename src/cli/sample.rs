//! `farsign check --sample`: what each record of a file becomes under the configuration, and why others are rejected.
//!
//! One JSON object a line on standard output for every element: `{"line":…,"became":"signIn","record":{…}}` with the
//! record in Farsign's own format, `{"line":…,"became":"skipped","reason":…}`, or
//! `{"line":…,"became":"rejected","reason":…,"detail":…,"at":…}` with the byte at which reading stopped.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::engine::decode::{
    Decoded, Decoder, Reject, write_farsign, write_farsign_feedback, write_farsign_upstream_finding,
};
use crate::runtime::replay::block::decode_frame;
use crate::runtime::replay::framing::Frame;
use crate::runtime::replay::source;

/// Bytes read at a time.
const BLOCK_LENGTH: usize = 1 << 20;

/// How many elements became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub sign_ins: u64,
    pub upstream_findings: u64,
    pub feedback: u64,
    pub skipped: u64,
    pub rejected: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    line: u64,
    became: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// Byte of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<usize>,
}

/// Reads `path` and tells of every element on `out`.
///
/// # Errors
/// When the file cannot be read to its end, or `out` cannot be written.
pub fn tell(path: &Path, decoder: &Decoder, out: &mut impl Write) -> anyhow::Result<Tally> {
    let cannot_read = || format!("cannot read `{}`", path.display());
    let mut source = source::open(path, Arc::default()).with_context(cannot_read)?;
    let mut tally = Tally::default();
    while let Some(block) = source.next(BLOCK_LENGTH) {
        for frame in &block.frames {
            let mut lines = Vec::new();
            decode_frame(decoder, &block.bytes, frame, &mut |decoded, frame| {
                put(decoded, frame, &mut tally, &mut lines)
            });
            out.write_all(&lines)?;
        }
        if let Some(error) = block.error {
            return Err(error).with_context(cannot_read);
        }
    }
    Ok(tally)
}

fn put(decoded: Result<Decoded<'_>, Reject>, frame: &Frame, tally: &mut Tally, lines: &mut Vec<u8>) {
    let mut record = Vec::new();
    let (became, reason, reject) = match decoded {
        Ok(Decoded::SignIn(sign_in)) => {
            tally.sign_ins += 1;
            write_farsign(&sign_in, &mut record);
            ("signIn", None, None)
        }
        Ok(Decoded::UpstreamFinding(finding)) => {
            tally.upstream_findings += 1;
            write_farsign_upstream_finding(&finding, &mut record);
            ("upstreamFinding", None, None)
        }
        Ok(Decoded::Feedback(feedback)) => {
            tally.feedback += 1;
            write_farsign_feedback(&feedback, &mut record);
            ("feedback", None, None)
        }
        Ok(Decoded::Skipped(reason)) => {
            tally.skipped += 1;
            ("skipped", Some(reason.name()), None)
        }
        Err(reject) => {
            tally.rejected += 1;
            ("rejected", Some(reject.reason.name()), Some(reject))
        }
    };
    let line = Line {
        line: frame.line,
        became,
        record: serde_json::from_slice(&record).ok(),
        reason,
        detail: reject.as_ref().map(|reject| &*reject.detail),
        at: reject.as_ref().map(|reject| reject.offset),
    };
    // Writing into memory fails only for a value that JSON cannot hold, and there is none in it.
    if serde_json::to_writer(&mut *lines, &line).is_ok() {
        lines.push(b'\n');
    }
}
