//! When each file's first event is, so that it is opened no sooner than the stream comes to it.
//!
//! A look at a file's beginning tells, as a rule. A file that begins with other records (CloudTrail's hold few sign-ins)
//! is taken by the date of its folder; where that has none, it is read on for a while. Coming too soon costs an
//! open file and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Context;

use super::block::decode_frame;
use super::input::{Input, Place};
use super::partition;
use super::source::RawBlock;
use crate::engine::decode::{Decoded, Decoder};
use crate::engine::signin::EventTime;

/// Read to find a file's first event.
const FIRST_LOOK_LENGTH: usize = 64 * 1024;
/// Looks at one file: beyond them it comes first.
const LOOKS_ON_MAX: usize = 1_024;
/// Objects looked at side by side: each look waits for the network.
const LOOKS_MAX: usize = 32;

/// The first event time of every file, or a time before it. Not needed for a single file, and not to be had of a pipe.
pub(super) fn first_times(
    inputs: &[Input],
    decoder: &Decoder,
    interrupted: &Arc<AtomicBool>,
) -> anyhow::Result<Vec<EventTime>> {
    if inputs.len() == 1 {
        return Ok(vec![EventTime::MIN]);
    }
    let looks = match inputs.iter().any(|input| matches!(input.place, Place::Object(_))) {
        true => LOOKS_MAX.min(inputs.len()),
        false => 1,
    };
    let next = AtomicUsize::new(0);
    let look = || -> anyhow::Result<Vec<(usize, EventTime)>> {
        let mut found = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(input) = inputs.get(at).filter(|_| !interrupted.load(Ordering::Relaxed)) else {
                return Ok(found);
            };
            found.push((at, first_time(input, decoder, interrupted)?));
        }
    };
    let found = if looks == 1 {
        look()?
    } else {
        std::thread::scope(|scope| {
            let looking: Vec<_> = (0..looks).map(|_| scope.spawn(look)).collect();
            let found = looking.into_iter().map(|look| look.join().unwrap_or_else(|_| Ok(Vec::new())));
            anyhow::Ok(found.collect::<anyhow::Result<Vec<_>>>()?.concat())
        })?
    };
    let mut times = vec![EventTime::MIN; inputs.len()];
    for (at, time) in found {
        times[at] = time;
    }
    Ok(times)
}

fn first_time(input: &Input, decoder: &Decoder, interrupted: &Arc<AtomicBool>) -> anyhow::Result<EventTime> {
    if input.length.is_none() {
        return Ok(EventTime::MIN);
    }
    let source = input.open(&Arc::default(), interrupted);
    let mut source = source.with_context(|| format!("cannot read `{}`", input.name))?;
    for look in 0..LOOKS_ON_MAX {
        let Some(block) = source.next(FIRST_LOOK_LENGTH) else { break };
        if let Some(time) = time_in(&block, decoder) {
            return Ok(time);
        }
        if let (0, Some(span)) = (look, partition::span(&input.name)) {
            return Ok(span.from);
        }
    }
    Ok(EventTime::MIN)
}

/// Of the first event in the block.
fn time_in(block: &RawBlock, decoder: &Decoder) -> Option<EventTime> {
    let mut found = None;
    for frame in &block.frames {
        decode_frame(decoder, &block.bytes, frame, &mut |decoded, _| {
            let time = match decoded {
                Ok(Decoded::SignIn(sign_in)) => sign_in.event_time,
                Ok(Decoded::Feedback(feedback)) => feedback.event_time,
                Ok(Decoded::UpstreamFinding(finding)) => finding.event_time,
                _ => return,
            };
            found = found.or(Some(time));
        });
        if found.is_some() {
            break;
        }
    }
    found
}
