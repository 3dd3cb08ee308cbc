//! The tail: a user's sign-ins, feedback and upstream findings of the last hours, in event order, while a late one may still come
//! between them. An entry keeps the facts to judge again on, and the text to output what comes of it.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use super::shadow::ShadowJudged;
use super::{AnchorText, Lesson, event_hash};
use crate::engine::facts::{Agent, Facts, ListSet, NamedLocation, Place, Prepared, PreparedFinding};
use crate::engine::finding::{Finding, RiskEventType, RiskLevel, Suppression};
use crate::engine::risk::incident::Incident;
use crate::engine::signin::{EventTime, FeedbackAction, Provider};
use xxhash_rust::xxh3::Xxh3Default;

/// Entries per user; when full the oldest settles early, and is counted.
pub const TAIL_MAX: usize = 256;

/// A sign-in's text, wherever it is kept. Empty = absent.
#[derive(Clone, Copy, Debug)]
pub struct SignInText<'a> {
    pub request_id: &'a str,
    pub correlation_id: &'a str,
    pub session_id: &'a str,
    pub user_principal_name: &'a str,
    pub user_display_name: &'a str,
    pub user_agent: &'a str,
    pub app_display_name: &'a str,
    pub resource_display_name: &'a str,
    pub client_app_used: &'a str,
    pub device_id: &'a str,
    pub device_display_name: &'a str,
    pub token_issuer_type: &'a str,
    pub address_text: &'a str,
    pub token_issuer_name: &'a str,
    pub place: Option<&'a Arc<Place>>,
    pub agent: &'a Arc<Agent>,
    pub asn_organization: Option<&'a Arc<str>>,
}

impl<'a> SignInText<'a> {
    pub fn of(prepared: &'a Prepared<'_>) -> SignInText<'a> {
        let sign_in = &prepared.sign_in;
        SignInText {
            request_id: &sign_in.event_id,
            correlation_id: &sign_in.correlation_id,
            session_id: &sign_in.session_id,
            user_principal_name: &sign_in.user_principal_name,
            user_display_name: &sign_in.user_display_name,
            user_agent: &sign_in.user_agent,
            app_display_name: &sign_in.app_display_name,
            resource_display_name: &sign_in.resource_display_name,
            client_app_used: &sign_in.client_app_used,
            device_id: &sign_in.device.device_id,
            device_display_name: &sign_in.device.display_name,
            token_issuer_type: &sign_in.token_issuer_type,
            address_text: &sign_in.address_text,
            token_issuer_name: &sign_in.token_issuer_name,
            place: prepared.place.as_ref(),
            agent: &prepared.agent,
            asn_organization: prepared.asn_organization.as_ref(),
        }
    }

    fn strings(&self) -> [&'a str; STRINGS] {
        [
            self.request_id,
            self.correlation_id,
            self.session_id,
            self.user_principal_name,
            self.user_display_name,
            self.user_agent,
            self.app_display_name,
            self.resource_display_name,
            self.client_app_used,
            self.device_id,
            self.device_display_name,
            self.token_issuer_type,
            self.address_text,
            self.token_issuer_name,
        ]
    }
}

const STRINGS: usize = 14;

/// The strings of a [`SignInText`] in one allocation: two length bytes and the text, each. Copies of a record share it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PackedText(pub Arc<[u8]>);

impl PackedText {
    /// One allocation per sign-in that may carry risk: the price of judging it again when a late one arrives.
    pub fn pack(text: &SignInText<'_>) -> PackedText {
        let strings = text.strings();
        let length = strings.iter().map(|string| string.len() + 2).sum();
        let mut packed: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
        if let Some(mut rest) = Arc::get_mut(&mut packed) {
            for string in strings {
                // Decoders cut text at TEXT_LENGTH_MAX, far below 64 KiB.
                let (head, behind) = rest.split_at_mut(2);
                head.copy_from_slice(&(string.len() as u16).to_le_bytes());
                let (body, behind) = behind.split_at_mut(string.len());
                body.copy_from_slice(string.as_bytes());
                rest = behind;
            }
        }
        PackedText(packed)
    }

    /// The first string, the sign-in's id: all that learning needs.
    fn request_id(&self) -> &str {
        self.strings().next().map_or("", readable)
    }

    /// Principal and display name: all that the user's risk needs.
    fn names(&self) -> [&str; 2] {
        let mut names = self.strings().skip(3).map(readable);
        std::array::from_fn(|_| names.next().unwrap_or(""))
    }

    /// The strings' bytes in order, up to the first that is missing or damaged.
    fn strings(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest: &[u8] = &self.0;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (text, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            rest = after;
            Some(text)
        })
    }

    /// The strings in order; missing or damaged ones are empty.
    fn unpack(&self) -> [&str; STRINGS] {
        let mut strings = self.strings().map(readable);
        std::array::from_fn(|_| strings.next().unwrap_or(""))
    }
}

fn readable(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or("")
}

/// A detection as the tail remembers it: enough to tell whether judging again changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    pub kind: RiskEventType,
    pub level: RiskLevel,
    pub score: u8,
    pub suppressed_by: Option<Suppression>,
    /// Hash of the whole finding, evidence included; 0 of one of which nobody hears more than that it was silenced.
    pub fingerprint: u64,
    pub incident: Incident,
}

/// Findings a sign-in can have at most: one of each type judged on sign-ins.
pub const FINDINGS_MAX: usize = 15;

/// One sign-in of the tail.
#[derive(Clone, Debug, PartialEq)]
pub struct TailSignIn {
    pub facts: Facts,
    pub text: PackedText,
    pub place: Option<Arc<Place>>,
    pub agent: Arc<Agent>,
    pub asn_organization: Option<Arc<str>>,
    pub lesson: Lesson,
    /// At most [`FINDINGS_MAX`]. On the heap, as most sign-ins have none.
    pub judged: Box<[Judged]>,
    /// What each shadow policy found, at most [`FINDINGS_MAX`]: policies as configured, findings in the written order.
    pub shadows: Box<[ShadowJudged]>,
}

impl TailSignIn {
    pub fn anchor_text(&self) -> AnchorText<'_> {
        AnchorText {
            request_id: self.text.request_id(),
            place: self.place.as_ref(),
            agent: &self.agent,
            asn_organization: self.asn_organization.as_ref(),
        }
    }

    /// Principal and display name.
    pub fn names(&self) -> [&str; 2] {
        self.text.names()
    }

    /// What the live policy found, or the shadow policy with this key.
    pub fn judged_by(&self, shadow: Option<u64>) -> impl Iterator<Item = &Judged> {
        let live = if shadow.is_none() { &*self.judged } else { &[] };
        let shadows = self.shadows.iter().filter(move |found| Some(found.key) == shadow);
        live.iter().chain(shadows.map(|found| &found.judged))
    }

    pub fn text(&self) -> SignInText<'_> {
        let [
            request_id,
            correlation_id,
            session_id,
            user_principal_name,
            user_display_name,
            user_agent,
            app_display_name,
            resource_display_name,
            client_app_used,
            device_id,
            device_display_name,
            token_issuer_type,
            address_text,
            token_issuer_name,
        ] = self.text.unpack();
        SignInText {
            request_id,
            correlation_id,
            session_id,
            user_principal_name,
            user_display_name,
            user_agent,
            app_display_name,
            resource_display_name,
            client_app_used,
            device_id,
            device_display_name,
            token_issuer_type,
            address_text,
            token_issuer_name,
            place: self.place.as_ref(),
            agent: &self.agent,
            asn_organization: self.asn_organization.as_ref(),
        }
    }
}

/// One feedback of the tail.
#[derive(Clone, Debug, PartialEq)]
pub struct TailFeedback {
    pub time: EventTime,
    /// Hash of the feedback's own id.
    pub event: u64,
    pub action: FeedbackAction,
    /// Hash of the sign-in it is about; 0 = the user as a whole.
    pub about: u64,
    pub request_id: Box<str>,
}

/// One upstream finding of the tail.
#[derive(Clone, Debug, PartialEq)]
pub struct TailFinding {
    /// When the product said so.
    pub time: EventTime,
    /// See [`finding_hash`].
    pub event: u64,
    /// Hash of [`Self::request_id`].
    pub about: u64,
    /// The sign-in it is about, or the finding's own id.
    pub request_id: Box<str>,
    pub source: Box<str>,
    pub provider: Provider,
    pub kind: RiskEventType,
    /// The type as the product spells it.
    pub source_type: Box<str>,
    /// As the product stated it.
    pub level: RiskLevel,
    pub is_confirmed: bool,
    pub is_about_user: bool,
    pub activity_time: EventTime,
    pub user_principal_name: Box<str>,
    pub reasons: Box<str>,
    pub address: Option<IpAddr>,
    pub address_text: Box<str>,
    pub address_hash: u32,
    pub asn: u32,
    pub lists: ListSet,
    pub named: NamedLocation,
    pub place: Option<Arc<Place>>,
    pub asn_organization: Option<Arc<str>>,
    /// `None`: the policy leaves it out.
    pub judged: Option<Judged>,
}

/// Hash under which a finding's own id is compared: half of an id's hash, so that at one time a finding stands before a
/// sign-in. The risk that a provider's record carries beside its sign-in is known when the sign-in is learnt from.
pub fn finding_hash(event_id: &str) -> u64 {
    event_hash(event_id) >> 32
}

impl TailFinding {
    /// Not judged yet.
    pub fn of(prepared: &PreparedFinding<'_>) -> TailFinding {
        let finding = &prepared.finding;
        TailFinding {
            time: finding.event_time,
            event: finding_hash(&finding.event_id),
            about: event_hash(&finding.request_id),
            request_id: finding.request_id.as_ref().into(),
            source: finding.source.as_ref().into(),
            provider: finding.provider,
            kind: finding.kind,
            source_type: finding.source_type.as_ref().into(),
            level: finding.level,
            is_confirmed: finding.is_confirmed,
            is_about_user: finding.is_about_user,
            activity_time: finding.activity_time,
            user_principal_name: finding.user_principal_name.as_ref().into(),
            reasons: finding.reasons.as_ref().into(),
            address: finding.address,
            address_text: finding.address_text.as_ref().into(),
            address_hash: prepared.address_hash,
            asn: prepared.asn,
            lists: prepared.lists,
            named: prepared.named,
            place: prepared.place.clone(),
            asn_organization: prepared.asn_organization.clone(),
            judged: None,
        }
    }
}

/// One entry of the tail.
#[derive(Clone, Debug, PartialEq)]
pub enum TailEntry {
    SignIn(TailSignIn),
    Feedback(TailFeedback),
    /// On the heap, as there are few.
    UpstreamFinding(Box<TailFinding>),
}

impl TailEntry {
    /// Place in event order: time, then id.
    pub fn order(&self) -> (EventTime, u64) {
        match self {
            TailEntry::SignIn(sign_in) => (sign_in.facts.time, sign_in.facts.event),
            TailEntry::Feedback(feedback) => (feedback.time, feedback.event),
            TailEntry::UpstreamFinding(finding) => (finding.time, finding.event),
        }
    }
}

/// Findings of one judgement, in the written order of detections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// At most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    pub lesson: Lesson,
}

impl Verdict {
    pub fn judged(&self) -> Box<[Judged]> {
        debug_assert!(self.findings.len() <= FINDINGS_MAX, "one of each type");
        self.findings.iter().map(Judged::of).collect()
    }
}

impl Judged {
    pub fn of(finding: &Finding) -> Judged {
        Judged {
            kind: finding.kind,
            level: finding.level,
            score: finding.score,
            suppressed_by: finding.suppressed_by,
            // Where it goes out at all.
            fingerprint: if finding.evidence.is_none() { 0 } else { fingerprint(finding) },
            incident: finding.incident,
        }
    }
}

/// Hash of every field, as MessagePack writes them one after the other: no text is made of a number, and nothing is held, as
/// a user who is being learnt has a finding, silenced, nearly every time. It is in saved state: were it made otherwise, what
/// is judged again would be told again.
fn fingerprint(finding: &Finding) -> u64 {
    struct Hashed(Xxh3Default);

    impl io::Write for Hashed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut hashed = Hashed(Xxh3Default::new());
    let written = rmp_serde::encode::write(&mut hashed, finding);
    debug_assert!(written.is_ok(), "writing to a hash cannot fail");
    hashed.0.digest()
}
