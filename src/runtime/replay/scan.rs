//! Finds where one JSON value ends, without reading it: strings, brackets and the order of tokens.
//!
//! The scanner can be fed a value in pieces of any size. It accepts everything that is JSON; of what is not JSON
//! it notices a wrong token order, a bracket that does not match and a line break inside a string, which is how a
//! record that was cut off shows itself when the next one follows. Whether numbers, literals, escapes and text
//! are right is the decoder's business.

use memchr::memchr3;

/// Deepest nesting followed. Far beyond what any decoder takes; it bounds the memory of the stack.
const DEPTH_MAX: usize = 1 << 20;

/// What a piece of input brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// The value goes on behind the piece.
    More,
    /// The value ends before this index of the piece.
    End(usize),
    /// The byte at this index cannot be there.
    Broken(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    KeyOrEnd,
    Key,
    Colon,
    CommaOrEnd,
    Text { key: bool },
    Escape { key: bool },
    Scalar,
}

/// The place inside one value.
#[derive(Debug)]
pub(super) struct Scanner {
    /// Closing brackets that are still due.
    due: Vec<u8>,
    expect: Expect,
}

impl Default for Scanner {
    fn default() -> Scanner {
        Scanner { due: Vec::new(), expect: Expect::Value }
    }
}

impl Scanner {
    /// Begins a new value.
    pub(super) fn start(&mut self) {
        self.due.clear();
        self.expect = Expect::Value;
    }

    /// Begins behind a member's value inside an object: the scan ends with the object.
    pub(super) fn start_inside_object(&mut self) {
        self.due.clear();
        self.due.push(b'}');
        self.expect = Expect::CommaOrEnd;
    }

    /// Takes the next piece of the value. After `End` or `Broken` the scanner must be started anew.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Scan {
        let mut at = 0;
        while at < bytes.len() {
            match self.expect {
                Expect::Text { key } => match memchr3(b'"', b'\\', b'\n', &bytes[at..]) {
                    None => return Scan::More,
                    Some(ahead) => {
                        at += ahead;
                        match bytes[at] {
                            b'"' if key => self.expect = Expect::Colon,
                            b'"' if self.due.is_empty() => return Scan::End(at + 1),
                            b'"' => self.expect = Expect::CommaOrEnd,
                            b'\\' => self.expect = Expect::Escape { key },
                            _ => return Scan::Broken(at),
                        }
                    }
                },
                Expect::Escape { .. } if bytes[at] == b'\n' => return Scan::Broken(at),
                Expect::Escape { key } => self.expect = Expect::Text { key },
                Expect::Scalar if is_scalar(bytes[at]) => {}
                Expect::Scalar if self.due.is_empty() => return Scan::End(at),
                Expect::Scalar => {
                    self.expect = Expect::CommaOrEnd;
                    continue;
                }
                _ if is_white(bytes[at]) => {}
                expect => match self.token(expect, bytes[at]) {
                    Some(true) => return Scan::End(at + 1),
                    Some(false) => {}
                    None => return Scan::Broken(at),
                },
            }
            at += 1;
        }
        Scan::More
    }

    /// Takes a byte that is neither white space nor inside text: `Some(true)` when it ends the value, `None` when
    /// it cannot be there.
    fn token(&mut self, expect: Expect, byte: u8) -> Option<bool> {
        self.expect = match (expect, byte) {
            (Expect::Value | Expect::ValueOrEnd, b'{' | b'[') if self.due.len() < DEPTH_MAX => {
                self.due.push(byte + 2);
                if byte == b'{' { Expect::KeyOrEnd } else { Expect::ValueOrEnd }
            }
            (Expect::Value | Expect::ValueOrEnd, b'"') => Expect::Text { key: false },
            (Expect::Value | Expect::ValueOrEnd, byte) if is_scalar(byte) => Expect::Scalar,
            (Expect::Key | Expect::KeyOrEnd, b'"') => Expect::Text { key: true },
            (Expect::Colon, b':') => Expect::Value,
            (Expect::CommaOrEnd, b',') if self.due.last() == Some(&b'}') => Expect::Key,
            (Expect::CommaOrEnd, b',') => Expect::Value,
            (Expect::ValueOrEnd | Expect::KeyOrEnd | Expect::CommaOrEnd, b'}' | b']') => {
                if self.due.pop() != Some(byte) {
                    return None;
                }
                if self.due.is_empty() {
                    return Some(true);
                }
                Expect::CommaOrEnd
            }
            _ => return None,
        };
        Some(false)
    }
}

pub(super) fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Bytes of numbers and literals; whether they make one is not judged here.
fn is_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Scans in pieces of `piece` bytes and gives the outcome with indexes of the whole.
    fn scan(text: &[u8], piece: usize) -> Scan {
        let mut scanner = Scanner::default();
        for (index, part) in text.chunks(piece).enumerate() {
            match scanner.feed(part) {
                Scan::More => {}
                Scan::End(at) => return Scan::End(index * piece + at),
                Scan::Broken(at) => return Scan::Broken(index * piece + at),
            }
        }
        Scan::More
    }

    #[test]
    fn values_end_where_they_end() {
        let cases: &[(&str, Scan)] = &[
            ("{}", Scan::End(2)),
            ("{} {}", Scan::End(2)),
            ("[1,{\"a\":[]}]x", Scan::End(12)),
            (r#"{"a":"}\"{"}"#, Scan::End(12)),
            ("12,", Scan::End(2)),
            ("\"a\"b", Scan::End(3)),
            ("{\"a\":1", Scan::More),
            ("{\"a\":\"b\nc\"}", Scan::Broken(7)),
            ("{\"a\":1,\n{\"b\":2}", Scan::Broken(8)),
            ("{\"a\":1,}", Scan::Broken(7)),
            ("[1,2}", Scan::Broken(4)),
            ("{\"a\" 1}", Scan::Broken(5)),
            ("}", Scan::Broken(0)),
        ];
        for (text, expected) in cases {
            for piece in [1, 2, 3, 100] {
                assert_eq!(scan(text.as_bytes(), piece), *expected, "`{text}` in pieces of {piece}");
            }
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(serde_json::Value::from),
            any::<String>().prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
                prop::collection::vec((any::<String>(), inner), 0..5)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// serde_json writes it, so it is JSON: the scanner must find exactly its end, in any pieces.
        #[test]
        fn accepts_all_json(value in json(), pretty: bool, piece in 1_usize..40) {
            let mut text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }
                .expect("a value can be written");
            let length = text.len();
            text.push_str(" {");
            prop_assert_eq!(scan(text.as_bytes(), piece), Scan::End(length));
        }
    }
}
