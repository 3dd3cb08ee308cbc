//! The checks a record passes before any parser sees it: length, encoding, depth.
//!
//! The parser follows nesting by recursion also where it only skips, so depth is known before it starts. Most
//! records hold so few brackets that counting them is enough; only the others are read with their strings.

use super::{RECORD_LENGTH_MAX, Reject, RejectReason};

/// Deepest nesting of arrays and objects that is followed. Entra records nest 5 deep, an envelope adds 4.
pub const DEPTH_MAX: usize = 100;

/// The record as text, without byte order mark and surrounding white space, and where it starts.
pub(super) fn checked_text(record: &[u8]) -> Result<(&str, usize), Reject> {
    if record.len() > RECORD_LENGTH_MAX {
        return Err(Reject::new(RejectReason::TooLarge, format!("longer than {RECORD_LENGTH_MAX} bytes")));
    }
    let text = match simdutf8::basic::from_utf8(record) {
        Ok(text) => text,
        Err(_) => {
            let offset = simdutf8::compat::from_utf8(record).map_or_else(|error| error.valid_up_to(), |_| 0);
            return Err(Reject { offset, ..Reject::new(RejectReason::InvalidUtf8, "not utf-8") });
        }
    };
    let inner = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start();
    let start = text.len() - inner.len();
    Ok((inner.trim_end(), start))
}

/// Refuses text nested deeper than [`DEPTH_MAX`].
pub(super) fn check_depth(text: &str) -> Result<(), Reject> {
    if openings(text.as_bytes()) <= DEPTH_MAX {
        return Ok(());
    }
    match depth_passed_at(text.as_bytes()) {
        Some(offset) => Err(Reject {
            offset,
            ..Reject::new(RejectReason::TooDeep, format!("nested more than {DEPTH_MAX} deep"))
        }),
        None => Ok(()),
    }
}

/// How many brackets open, in strings too. Counted in short stretches, in bytes: so many fit in a register.
fn openings(bytes: &[u8]) -> usize {
    let count = |stretch: &[u8]| {
        // `[` and `{` differ in one bit only.
        usize::from(stretch.iter().fold(0_u8, |count, byte| count + u8::from(byte & 0xdf == b'[')))
    };
    let (stretches, rest) = bytes.as_chunks::<128>();
    stretches.iter().map(|stretch| count(stretch)).sum::<usize>() + count(rest)
}

/// The offset of the first bracket beyond the limit, strings left out.
fn depth_passed_at(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Some(at);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => at = string_end(bytes, at + 1)?,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The offset of the quote that ends the string whose text starts at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// The keys at the top of an object, as they are written. Nothing is checked: of text that is no JSON some of what it
/// gives may be no key, and it ends early.
pub(super) struct TopKeys<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> TopKeys<'a> {
    pub(super) fn of(text: &'a str) -> TopKeys<'a> {
        TopKeys { text, at: 1 }
    }

    /// Passes white space, and one of `separator`.
    fn pass(&mut self, separator: u8) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let is_passed = |byte: &&u8| byte.is_ascii_whitespace() || **byte == separator;
        self.at += rest.iter().take_while(is_passed).count();
    }

    /// The offset behind the value that begins here.
    fn value_end(&self) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let (mut at, mut depth) = (self.at, 0_usize);
        loop {
            match bytes.get(at)? {
                b'"' => at = string_end(bytes, at + 1)?,
                b'{' | b'[' => depth += 1,
                b',' if depth == 0 => return Some(at),
                b'}' | b']' if depth <= 1 => return Some(at + depth),
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            at += 1;
        }
    }
}

impl<'a> Iterator for TopKeys<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.at > 1 {
            self.at = self.value_end()?;
        }
        self.pass(b',');
        let start = self.at + 1;
        if self.text.as_bytes().get(self.at) != Some(&b'"') {
            return None;
        }
        let end = string_end(self.text.as_bytes(), start)?;
        self.at = end + 1;
        self.pass(b':');
        self.text.get(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_keys_pass_over_values() {
        let keys = |text| TopKeys::of(text).collect::<Vec<&str>>();
        let text = r#"{ "a" : 1, "b":{"x":"}","y":[{}]} ,"c":["]", 2],"d":"e,\"f","g":null}"#;
        assert_eq!(keys(text), ["a", "b", "c", "d", "g"]);
        assert_eq!(keys(r#"{"a":[{"b":1}],"c":{}}"#), ["a", "c"]);
        assert_eq!(keys("{}"), Vec::<&str>::new());
        for cut in [r#"{"a"#, r#"{"a":"#, r#"{"a":{"b""#, "{", r#"{"a":1]}"#, r#"{"a":"\"#] {
            assert!(keys(cut).len() <= 1, "{cut}");
        }
    }
}
