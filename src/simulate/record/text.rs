//! Small writers into a reused buffer: JSON text, GUIDs, times, base64url. No allocation, no formatting machinery
//! on the hot path.

use crate::engine::signin::{EventTime, NANOS_PER_SECOND, SECONDS_PER_DAY};

pub fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// The inside of a JSON string: quotes, backslashes and control characters escaped.
pub fn escaped(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&hex(byte));
            }
            _ => out.push(byte),
        }
    }
}

/// A JSON string.
pub fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

/// JSON text as a JSON string (Log Analytics' dynamic columns).
pub fn embedded(out: &mut Vec<u8>, scratch: &[u8]) {
    out.push(b'"');
    escaped(out, std::str::from_utf8(scratch).unwrap_or(""));
    out.push(b'"');
}

pub fn number(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut left = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// A GUID in its usual text form, without quotes.
pub fn guid(out: &mut Vec<u8>, bytes: &[u8; 16]) {
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at..at + 2].copy_from_slice(&hex(*byte));
        at += 2;
    }
    out.extend_from_slice(&text);
}

/// The GUID's 16 bytes in Microsoft's order (first three fields little-endian), base64url without padding.
pub fn token_id(out: &mut Vec<u8>, guid: &[u8; 16]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let g = guid;
    let bytes =
        [g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]];
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..=chunk.len() {
            out.push(ALPHABET[(bits >> (18 - 6 * digit)) as usize & 63]);
        }
    }
}

/// Date and time with seven decimals, without a zone.
pub fn time(out: &mut Vec<u8>, time: EventTime) {
    let seconds = time.seconds();
    let ticks = time.0.rem_euclid(NANOS_PER_SECOND) / 100;
    let (year, month, day) = civil(seconds.div_euclid(SECONDS_PER_DAY));
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    let mut text = *b"0000-00-00T00:00:00.0000000";
    digits(&mut text[0..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
    digits(&mut text[11..13], second / 3_600);
    digits(&mut text[14..16], second / 60 % 60);
    digits(&mut text[17..19], second % 60);
    digits(&mut text[20..27], ticks);
    out.extend_from_slice(&text);
}

fn digits(into: &mut [u8], value: i64) {
    let mut left = value;
    for digit in into.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
}

/// Year, month and day of a day number since 1970 (proleptic Gregorian; H. Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_agree_with_jiff() {
        for ticks in
            [0i64, 1, 9_517_823_999_999_999, 9_517_824_000_000_000, 17_724_096_001_234_567, 41_024_447_990_000_001]
        {
            let at = EventTime(ticks * 100);
            assert_eq!(written(|out| time(out, at)) + "Z", at.to_string());
        }
    }

    #[test]
    fn json_text_is_escaped() {
        let text = "Margaret \"Peg\" O\u{8}\\Zoë\n";
        assert_eq!(
            written(|out| quoted(out, text)),
            serde_json::to_string(text).unwrap().replace("\\b", "\\u0008").replace("\\n", "\\u000a")
        );
        let parsed: String = serde_json::from_str(&written(|out| quoted(out, text))).unwrap();
        assert_eq!(parsed, text);
    }

    #[test]
    fn token_id_is_the_little_endian_guid() {
        let bytes = *uuid::Uuid::parse_str("00112233-4455-6677-8899-aabbccddeeff").unwrap().as_bytes();
        assert_eq!(written(|out| guid(out, &bytes)), "00112233-4455-6677-8899-aabbccddeeff");
        // 33 22 11 00 55 44 77 66 88 99 aa bb cc dd ee ff
        assert_eq!(written(|out| token_id(out, &bytes)), "MyIRAFVEd2aImaq7zN3u_w");
    }

    #[test]
    fn numbers() {
        for value in [0, 7, 10, 50_126, u64::MAX] {
            assert_eq!(written(|out| number(out, value)), value.to_string());
        }
    }
}
