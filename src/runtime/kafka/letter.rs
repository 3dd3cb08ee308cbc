//! A dead letter as it is read back: what was refused, from where and why, and the record as it was.
//!
//! Farsign's own headers begin with `farsign.`; all others, key and value are the original record's. A letter may come
//! from an older program, so what a header should say and does not is `None`, and no reason to fail.

use rdkafka::message::{Headers, Message};
use serde_json::{Value, json};

use super::dead_letter::{DETAIL, OFFSET, PARTITION, REASON, REFUSED, TIMESTAMP, TOPIC, TRUNCATED, VERSION};
use super::outbox::OutHeader;
use crate::runtime::replay::framing::HEAD_LENGTH_MAX;

/// Every header that Farsign adds begins so.
pub const OWN_PREFIX: &str = "farsign.";
/// Header of a record that was sent again: `topic/partition/offset` of the dead letter.
pub const RETRIED: &str = "farsign.retried";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where the letter itself is.
    pub letter_topic: String,
    pub letter_partition: i32,
    pub letter_offset: i64,
    /// When it was written, milliseconds since 1970.
    pub written_ms: Option<i64>,
    pub reason: String,
    pub detail: String,
    /// Parts of the record that were refused.
    pub refused: Option<u64>,
    /// Where the record came from.
    pub topic: Option<String>,
    pub partition: Option<i32>,
    pub offset: Option<i64>,
    /// The record's own timestamp, milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    pub version: Option<String>,
    /// The value's whole length, bytes, when it was cut.
    pub truncated: Option<u64>,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    /// The original's.
    pub headers: Vec<OutHeader>,
}

impl DeadLetter {
    pub fn of(message: &impl Message) -> DeadLetter {
        let all: Vec<OutHeader> = message.headers().map(owned).unwrap_or_default();
        // The last counts: a letter that was retried and refused again has the headers of both times.
        let text = |name: &str| {
            let value = all.iter().rev().find(|(key, _)| key == name).and_then(|(_, value)| value.as_deref())?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        fn number<T: std::str::FromStr>(text: Option<String>) -> Option<T> {
            text?.parse().ok()
        }
        DeadLetter {
            letter_topic: message.topic().to_owned(),
            letter_partition: message.partition(),
            letter_offset: message.offset(),
            written_ms: message.timestamp().to_millis(),
            reason: text(REASON).unwrap_or_default(),
            detail: text(DETAIL).unwrap_or_default(),
            refused: number(text(REFUSED)),
            topic: text(TOPIC),
            partition: number(text(PARTITION)),
            offset: number(text(OFFSET)),
            timestamp_ms: number(text(TIMESTAMP)),
            version: text(VERSION),
            truncated: number(text(TRUNCATED)),
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
            headers: all.iter().filter(|(name, _)| !name.starts_with(OWN_PREFIX)).cloned().collect(),
        }
    }

    /// `topic/partition/offset` of the letter itself.
    pub fn place(&self) -> String {
        format!("{}/{}/{}", self.letter_topic, self.letter_partition, self.letter_offset)
    }

    /// Bytes it takes to send the record again.
    pub fn bytes(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + length(value)).sum();
        length(&self.key) + length(&self.payload) + headers
    }

    /// The headers to send it again with.
    pub fn retry_headers(&self) -> Vec<OutHeader> {
        let mut headers = self.headers.clone();
        headers.push((RETRIED.to_owned(), Some(self.place().into_bytes())));
        headers
    }

    /// What an operator looks at; key, value and headers, which hold personal data, only when asked for.
    pub fn to_json(&self, with_payload: bool, time: impl Fn(i64) -> Option<String>) -> Value {
        let mut line = json!({
            "reason": self.reason,
            "detail": self.detail,
            "refused": self.refused,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "recordTime": self.timestamp_ms.and_then(&time),
            "time": self.written_ms.and_then(&time),
            "deadLetter": {"partition": self.letter_partition, "offset": self.letter_offset},
            "version": self.version,
            "valueBytes": self.payload.as_ref().map(Vec::len),
            "truncatedFrom": self.truncated,
        });
        if with_payload {
            put(&mut line, "key", self.key.as_deref());
            put(&mut line, "value", self.payload.as_deref());
            let header = |(name, value): &OutHeader| {
                let mut header = json!({ "name": name });
                put(&mut header, "value", value.as_deref());
                header
            };
            line["headers"] = self.headers.iter().map(header).collect();
        }
        line
    }
}

/// A dead letter as a line of a replay's rejects: its place, why, and the beginning of its value.
pub fn reject(headers: &[OutHeader], payload: Option<&[u8]>) -> Value {
    let text = |name: &str| {
        let value = headers.iter().rev().find(|(key, _)| key == name).and_then(|(_, value)| value.as_deref());
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let number = |name: &str| text(name).and_then(|text| text.parse::<i64>().ok());
    let payload = payload.unwrap_or_default();
    let whole = number(TRUNCATED).unwrap_or(payload.len() as i64);
    let mut line = json!({
        "topic": text(TOPIC),
        "partition": number(PARTITION),
        "offset": number(OFFSET),
        "reason": text(REASON),
        "detail": text(DETAIL),
        "length": whole,
    });
    let mut head = &payload[..payload.len().min(HEAD_LENGTH_MAX)];
    if let Err(error) = std::str::from_utf8(head)
        && error.error_len().is_none()
    {
        // A character that was cut off is no reason for digits.
        head = &head[..error.valid_up_to()];
    }
    put(&mut line, "record", Some(head));
    line
}

/// Bytes as text, or under `…Hex` in hexadecimal digits when they are not UTF-8.
fn put(object: &mut Value, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => object[name] = Value::Null,
        Some((Ok(text), _)) => object[name] = text.into(),
        Some((Err(_), bytes)) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            object[format!("{name}Hex")] = digits.into();
        }
    }
}

fn owned<H: Headers>(headers: &H) -> Vec<OutHeader> {
    headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::Timestamp;
    use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};

    fn message(headers: &[(&str, Option<&str>)], payload: Option<&[u8]>) -> OwnedMessage {
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: *value }));
        let (key, payload) = (Some(b"k\xff".to_vec()), payload.map(<[u8]>::to_vec));
        let time = Timestamp::CreateTime(1_000);
        OwnedMessage::new(payload, key, "dead".to_owned(), time, 3, 42, Some(headers))
    }

    #[test]
    fn own_headers_are_told_from_the_originals() {
        let letter = DeadLetter::of(&message(
            &[
                ("trace", Some("t1")),
                ("nothing", None),
                (RETRIED, Some("dead/3/7")),
                (REASON, Some("badJson")),
                (TOPIC, Some("sign-ins")),
                (PARTITION, Some("5")),
                (OFFSET, Some("99")),
                (TIMESTAMP, Some("not a number")),
                (TRUNCATED, Some("5000000")),
            ],
            Some(b"{"),
        ));
        assert_eq!((letter.reason.as_str(), letter.topic.as_deref()), ("badJson", Some("sign-ins")));
        assert_eq!((letter.partition, letter.offset, letter.timestamp_ms), (Some(5), Some(99), None));
        assert_eq!(letter.truncated, Some(5_000_000));
        assert_eq!(letter.headers, [("trace".to_owned(), Some(b"t1".to_vec())), ("nothing".to_owned(), None)]);
        let retried = letter.retry_headers();
        assert_eq!(retried.last(), Some(&(RETRIED.to_owned(), Some(b"dead/3/42".to_vec()))));
        assert_eq!(retried.len(), 3);
    }

    #[test]
    fn the_newest_reason_counts() {
        let letter = DeadLetter::of(&message(&[(REASON, Some("old")), (REASON, Some("new"))], None));
        assert_eq!(letter.reason, "new");
    }

    #[test]
    fn personal_data_is_shown_on_demand() {
        let letter =
            DeadLetter::of(&message(&[("trace", Some("t1")), (REASON, Some("badJson"))], Some(b"{\"a\"")));
        let time = |ms: i64| Some(ms.to_string());
        let brief = letter.to_json(false, time);
        assert_eq!(
            (&brief["reason"], &brief["time"], &brief["valueBytes"]),
            (&json!("badJson"), &json!("1000"), &json!(4))
        );
        assert!(brief.get("value").is_none() && brief.get("key").is_none() && brief.get("headers").is_none());
        let whole = letter.to_json(true, time);
        assert_eq!((&whole["value"], &whole["keyHex"]), (&json!("{\"a\""), &json!("6bff")));
        assert_eq!(whole["headers"], json!([{"name": "trace", "value": "t1"}]));
    }
}
