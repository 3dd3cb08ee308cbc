//! What stands around records: the envelopes of queues, clouds and shippers, and how each is opened.
//!
//! | envelope | written by |
//! |---|---|
//! | `{"Records":[…]}` | CloudTrail's files |
//! | `{"CloudTrailEvent":…}` | CloudTrail's `LookupEvents`: each event as text |
//! | `{"Findings":[…]}`, `{"findings":[…]}` | answers of GuardDuty and Security Hub, and what EventBridge has of the latter |
//! | `{"items":[…]}` | Google's Reports API |
//! | `{"logEvents":[{"message":…}]}`, `{"awslogs":{"data":…}}` | CloudWatch Logs subscriptions: the latter, and both as Kinesis has them, in gzip |
//! | `{"recordId":…,"data":…}` | Firehose: base64, often gzip |
//! | `{"detail-type":…,"detail":{…}}` | EventBridge |
//! | `{"message":{"data":…},"subscription":…}` | Google's Pub/Sub, where it pushes: base64 |
//! | `{"specversion":…,"data":…}`, `{"eventType":…,"subject":…,"data":…}` | CloudEvents, Event Grid |
//! | `{"log_id":…,"data":{…}}` | Auth0's log streams |
//! | `{"pagination":…,"data":[…]}` | OneLogin's API |
//! | `{"cloudEventsVersion":…,"data":{"events":[…]}}` | Okta's event hooks |
//! | `{"response":{"authlogs":[…]},"stat":…}` | Duo's Admin API |
//! | `{"schema":…,"payload":…}` | Kafka Connect |
//! | `{"event":…,"sourcetype":…}` | Splunk's HTTP event collector |
//! | `{"_raw":…}`, `{"result":{"_raw":…}}` | Splunk's exports |
//! | `{"_index":…,"_source":{…}}` | Elasticsearch's exports |
//! | `{"AuditData":…}` | Microsoft 365's audit search |
//! | `{"@timestamp":…,"message":…}`, `event.original` | Filebeat, Elastic Agent, Logstash |
//! | `{"message":…,"source_type":…}` | Vector |
//! | `{"log":…,"stream":…}`, `{"date":…,"log":…}` | Fluent Bit |
//! | `{"service":…,"message":{…}}` | Datadog |
//!
//! Azure's `records`, `value` and `tables` are opened by Entra's reader. Panther's `p_` keys stand beside those of the
//! record and need no opening. What is inside may be JSON, JSON in text, base64, gzip or a line of text.

use std::borrow::Cow;
use std::io::Read;

use base64::Engine as _;
use flate2::read::MultiGzDecoder;

use super::Around;
use super::mapping::Pointer;
use super::paths::{Kept, Matching, Paths, Values, paths};
use super::scalar::Scalar;

paths! {
    /// Where envelopes have their content, and its time.
    enum At (Dotted) {
        Records = Json "Records",
        CloudTrailEvent = Json "CloudTrailEvent",
        Findings = Json "Findings",
        Items = Json "items",
        LogEvents = Json "logEvents",
        AwsLogs = Scalar "awslogs/data",
        Detail = Json "detail",
        Data = Json "data",
        DataEvents = Json "data/events",
        AuthLogs = Json "authlogs",
        Response = Json "response",
        ResponseAuthLogs = Json "response/authlogs",
        ResponseEvents = Json "response/events",
        Payload = Json "payload",
        Event = Json "event",
        Original = Json "event/original",
        Class = Scalar "class_uid",
        Outcome = Scalar "event/outcome",
        Category = Json "event/category",
        Raw = Scalar "_raw",
        ResultRaw = Scalar "result/_raw",
        Source = Json "_source",
        AuditData = Json "AuditData",
        Message = Json "message",
        MessageData = Scalar "message/data",
        Log = Json "log",
        AtTimestamp = Scalar "@timestamp",
        Timestamp = Scalar "timestamp",
        Time = Scalar "time",
        Date = Scalar "date",
    }
}

/// One kind of envelope.
pub(super) struct Wrapping {
    /// Alternatives: all keys of one, at the top of an object, are its mark.
    pub(super) marks: &'static [&'static [&'static str]],
    contents: &'static [At],
    /// Where it carries nothing that is known, it may be an ECS document itself.
    pub(super) is_document: bool,
}

const fn wrapping(marks: &'static [&'static [&'static str]], contents: &'static [At]) -> Wrapping {
    Wrapping { marks, contents, is_document: false }
}

const DOCUMENT: Wrapping = Wrapping {
    marks: &[
        &["@timestamp", "event"],
        &["@timestamp", "message"],
        &["@timestamp", "event.original"],
        &["@timestamp", "event.kind"],
        &["@timestamp", "event.category"],
        &["@timestamp", "event.action"],
        &["@timestamp", "event.outcome"],
        &["@timestamp", "log"],
        &["ecs", "event"],
    ],
    contents: &[At::Original, At::Message, At::Log],
    is_document: true,
};

pub(super) static WRAPPINGS: &[Wrapping] = &[
    // First, as its keys are those of other envelopes, too.
    DOCUMENT,
    wrapping(&[&["Records"]], &[At::Records]),
    wrapping(&[&["CloudTrailEvent"]], &[At::CloudTrailEvent]),
    wrapping(&[&["Findings"], &["findings"]], &[At::Findings]),
    wrapping(&[&["message", "subscription"]], &[At::MessageData]),
    wrapping(&[&["items", "kind"], &["items", "etag"]], &[At::Items]),
    wrapping(&[&["logEvents"]], &[At::LogEvents]),
    wrapping(&[&["awslogs"]], &[At::AwsLogs]),
    wrapping(&[&["detail-type", "detail"]], &[At::Detail]),
    wrapping(
        &[
            &["specversion", "data"],
            &["eventType", "subject", "data"],
            &["recordId", "data"],
            &["log_id", "data"],
            &["pagination", "data"],
        ],
        &[At::Data],
    ),
    wrapping(&[&["cloudEventsVersion", "data"]], &[At::DataEvents]),
    wrapping(
        &[&["response", "stat"], &["authlogs"]],
        &[At::ResponseAuthLogs, At::ResponseEvents, At::Response, At::AuthLogs],
    ),
    wrapping(&[&["schema", "payload"]], &[At::Payload]),
    wrapping(
        &[
            &["event", "sourcetype"],
            &["event", "source", "host"],
            &["event", "index"],
            &["event", "fields"],
            &["time", "event"],
        ],
        &[At::Event],
    ),
    wrapping(&[&["_raw"], &["result", "preview"]], &[At::Raw, At::ResultRaw]),
    wrapping(&[&["_index", "_source"]], &[At::Source]),
    wrapping(&[&["AuditData"]], &[At::AuditData]),
    wrapping(
        // The last is one of `logEvents`.
        &[&["service", "message"], &["message", "source_type"], &["id", "timestamp", "message"]],
        &[At::Message],
    ),
    wrapping(&[&["log", "stream"], &["date", "log"], &["log", "kubernetes"], &["log", "time"]], &[At::Log]),
];

/// What an envelope holds.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    /// In the order of trying; the first that is something counts.
    pub(super) contents: Vec<Scalar<'a>>,
    pub(super) around: Around,
    /// A shipper has understood the line already, and written more than it says.
    pub(super) is_understood: bool,
    /// It is a document of Elastic's, whichever keys stood first.
    pub(super) is_document: bool,
    /// It is an event of OCSF's, whichever keys stood first.
    pub(super) is_ocsf: bool,
}

/// Opens an envelope; `None` where it is no JSON object.
pub(super) fn open<'a>(wrapping: &Wrapping, text: &'a str, around: &Around) -> Option<Opened<'a>> {
    let mut values: Values<'a, { At::COUNT }> = At::read(text).ok()?;
    let times = [At::AtTimestamp, At::Timestamp, At::Time, At::Date];
    let time = values.time(&times.map(|at| (at, "time"))).ok().or(around.time);
    // Its keys stand in any order, and the first of them may be those of another envelope.
    let is_document = values.has(At::AtTimestamp) && (values.has(At::Outcome) || values.has(At::Category));
    let wrapping = if is_document { &DOCUMENT } else { wrapping };
    let is_understood = wrapping.is_document && values.has(At::Outcome);
    // One allocation for each envelope.
    let is_there = |found: &Scalar<'_>| !found.is_absent() || matches!(found, Scalar::Json(_));
    let contents = wrapping.contents.iter().map(|at| values.take(*at)).filter(is_there).collect();
    let is_ocsf = values.has(At::Class);
    let around = Around { time, ..*around };
    Some(Opened { contents, around, is_understood, is_document: wrapping.is_document, is_ocsf })
}

/// JSON pointers at which an object may have the record that it is an envelope of.
#[derive(Clone, Debug)]
pub struct Unwrap {
    pointers: Vec<Pointer>,
    paths: Paths,
}

impl Default for Unwrap {
    fn default() -> Unwrap {
        Unwrap::new(Vec::new())
    }
}

impl PartialEq for Unwrap {
    fn eq(&self, other: &Unwrap) -> bool {
        self.pointers == other.pointers
    }
}

impl Unwrap {
    /// The first of `pointers` that holds something counts; no two are the same.
    pub fn new(pointers: Vec<Pointer>) -> Unwrap {
        let keys = pointers.iter().map(|pointer| (pointer.iter().map(String::as_str), Kept::Json));
        let paths = Paths::new(keys, Matching::Exact);
        Unwrap { pointers, paths }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pointers.is_empty()
    }

    /// What an object holds for one of the pointers.
    pub(super) fn content<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        let mut slots = vec![Scalar::Absent; self.pointers.len()];
        self.paths.read_into(text, &mut slots).ok()?;
        slots.into_iter().filter_map(text_of).find(|content| !content.trim().is_empty())
    }
}

/// Longest text that is made of a packed one, in bytes: what would become longer is refused.
pub const UNPACKED_LENGTH_MAX: usize = 8 << 20;

/// Why text is not unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotUnpacked {
    Unreadable,
    TooLong,
}

/// The text packed in `bytes`: gzip, or base64 of text or gzip. `None` where it is neither, or too long.
pub(super) fn unpack(bytes: &[u8], length_max: usize) -> Result<String, NotUnpacked> {
    if is_gzip(bytes) {
        return inflate(bytes, length_max);
    }
    let is_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte);
    if bytes.len() < 16 || !bytes.iter().all(is_alphabet) {
        return Err(NotUnpacked::Unreadable);
    }
    let decoded = super::event_id::base64_engine(bytes).decode(bytes).map_err(|_| NotUnpacked::Unreadable)?;
    if is_gzip(&decoded) {
        return inflate(&decoded, length_max);
    }
    String::from_utf8(decoded).map_err(|_| NotUnpacked::Unreadable)
}

pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

fn inflate(bytes: &[u8], length_max: usize) -> Result<String, NotUnpacked> {
    let mut text = Vec::new();
    let limit = length_max as u64 + 1;
    let read = MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut text);
    if text.len() > length_max {
        return Err(NotUnpacked::TooLong);
    }
    read.map_err(|_| NotUnpacked::Unreadable)?;
    String::from_utf8(text).map_err(|_| NotUnpacked::Unreadable)
}

/// The content as text that is read on: JSON as it stands, or whatever a text says.
pub(super) fn text_of(content: Scalar<'_>) -> Option<Cow<'_, str>> {
    match content {
        Scalar::Json(json) => Some(Cow::Borrowed(json)),
        Scalar::Text(text) => Some(text),
        _ => None,
    }
}
