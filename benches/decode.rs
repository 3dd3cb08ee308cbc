//! Decoding alone: bytes of one record → a canonical sign-in, beside a typed parse that decides nothing.
//!
//! The floor is the typed parse with sonic-rs, which validates what it skips, as our decoder does. Counting line
//! ends shows what memory gives. Then every other format, by its example: there the floor is a parse by sonic-rs that
//! keeps nothing, and for lines of text the check that they are UTF-8.
#![expect(clippy::print_stdout, reason = "a measuring program")]

mod common;
#[path = "common/examples.rs"]
mod examples;
#[path = "common/typed.rs"]
mod typed;

use common::{compare, lines, records, size, variant};
use farsign::engine::decode::{Decoded, Format, decode};
use farsign::simulate::Form;

fn decode_all(format: Format, records: &[&[u8]]) -> u64 {
    let mut sum = 0;
    for record in records {
        decode(format, record, &mut |decoded| {
            sum += match decoded {
                Ok(Decoded::SignIn(sign_in)) => sign_in.user_id.len() as u64 + sign_in.event_id.len() as u64,
                Ok(_) => 1,
                Err(_) => 1 << 32,
            };
        });
    }
    sum
}

/// Validates JSON, or text, and keeps nothing.
fn check(record: &[u8]) -> u64 {
    if record.starts_with(b"{") {
        return u64::from(sonic_rs::from_slice::<serde::de::IgnoredAny>(record).is_ok());
    }
    u64::from(simdutf8::basic::from_utf8(record).is_ok())
}

/// The examples of a format again and again, until there are enough to measure.
fn formats() {
    for (format, text) in examples::EXAMPLES {
        let lines: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
        let records: Vec<&[u8]> = lines.iter().copied().cycle().take(size(20_000, 100)).collect();
        let bytes = records.iter().map(|record| record.len() as u64).sum();
        let variants = vec![
            variant("checked only", || records.iter().map(|record| check(record)).sum()),
            variant("farsign decode, auto", || decode_all(Format::Auto, &records)),
            variant("farsign decode, named", || decode_all(format, &records)),
        ];
        compare(&format!("decode, {}", format.name()), "record", records.len() as u64, bytes, 9, variants);
    }
}

fn main() {
    formats();
    for (title, form) in [("full records", Form::EntraEventHub), ("lean records", Form::EntraLean)] {
        let bytes = records(form, size(20_000, 200));
        let records = lines(&bytes);
        let serde_json = |record: &[u8]| {
            serde_json::from_slice::<typed::Record<'_>>(record).map_or(0, |record| record.checksum())
        };
        let variants = vec![
            variant("sonic-rs, typed parse only", || records.iter().map(|record| typed::parse(record)).sum()),
            variant("farsign decode, auto", || decode_all(Format::Auto, &records)),
            variant("farsign decode, entra", || decode_all(Format::Entra, &records)),
            variant("serde_json, typed parse only", || records.iter().map(|record| serde_json(record)).sum()),
            variant("memchr, line ends", || memchr::memchr_iter(b'\n', &bytes).count() as u64),
        ];
        let title = format!("decode, {title}");
        compare(&title, "record", records.len() as u64, bytes.len() as u64, 9, variants);
    }
}
