//! Records of any JSON format → [`SignIn`]s, by rules of the configuration.
//!
//! A mapping says which records it is for and where they have what: JSON pointers (RFC 6901), constants, tables of
//! words and forms of time. All mappings' pointers are read in one pass. The words of an outcome are those of
//! [`OUTCOMES`]; everything else is text, read as a reader of a known format would.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::country::code_of;
use super::draft::{Ending, SignInRisk, blank, emit_with};
use super::entra::{asn_of, coordinates};
use super::format::Emit;
use super::paths::{Kept, Matching, Paths, no_time};
use super::scalar::Scalar;
use super::time::{TimeError, parse_time, time_in_range};
use super::{Around, Decoded, Reject, RejectReason, SkipReason, text};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{Category, EventTime, Outcome, Provider, ProviderLocation, SignIn};

/// What a mapping can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Id,
    Time,
    TenantId,
    UserId,
    UserPrincipalName,
    UserDisplayName,
    Outcome,
    Category,
    Provider,
    IpAddress,
    Asn,
    Country,
    State,
    City,
    Latitude,
    Longitude,
    AppId,
    AppDisplayName,
    ResourceDisplayName,
    ClientAppUsed,
    AuthenticationProtocol,
    UserAgent,
    DeviceId,
    DeviceDisplayName,
    OperatingSystem,
    Browser,
    DeviceManaged,
    DeviceCompliant,
    SessionId,
    CorrelationId,
    ErrorCode,
    RiskLevel,
    RiskReasons,
}

impl Field {
    pub const ALL: [(Field, &'static str); 33] = [
        (Field::Id, "id"),
        (Field::Time, "time"),
        (Field::TenantId, "tenant_id"),
        (Field::UserId, "user_id"),
        (Field::UserPrincipalName, "user_principal_name"),
        (Field::UserDisplayName, "user_display_name"),
        (Field::Outcome, "outcome"),
        (Field::Category, "category"),
        (Field::Provider, "provider"),
        (Field::IpAddress, "ip_address"),
        (Field::Asn, "asn"),
        (Field::Country, "country"),
        (Field::State, "state"),
        (Field::City, "city"),
        (Field::Latitude, "latitude"),
        (Field::Longitude, "longitude"),
        (Field::AppId, "app_id"),
        (Field::AppDisplayName, "app_display_name"),
        (Field::ResourceDisplayName, "resource_display_name"),
        (Field::ClientAppUsed, "client_app_used"),
        (Field::AuthenticationProtocol, "authentication_protocol"),
        (Field::UserAgent, "user_agent"),
        (Field::DeviceId, "device_id"),
        (Field::DeviceDisplayName, "device_display_name"),
        (Field::OperatingSystem, "operating_system"),
        (Field::Browser, "browser"),
        (Field::DeviceManaged, "device_managed"),
        (Field::DeviceCompliant, "device_compliant"),
        (Field::SessionId, "session_id"),
        (Field::CorrelationId, "correlation_id"),
        (Field::ErrorCode, "error_code"),
        (Field::RiskLevel, "risk_level"),
        (Field::RiskReasons, "risk_reasons"),
    ];

    pub fn parse(name: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|(_, known)| *known == name).map(|(field, _)| field)
    }

    /// The words that its value, or its table's, must be one of; `None` = any text.
    pub fn words(self) -> Option<Vec<&'static str>> {
        match self {
            Field::Outcome => Some(OUTCOMES.iter().map(|(word, _)| *word).collect()),
            Field::Category => Some(CATEGORIES.iter().map(|(word, _)| *word).collect()),
            Field::Provider => Some(Provider::ALL.into_iter().map(Provider::name).collect()),
            Field::RiskLevel => Some(RISK_LEVELS.iter().map(|(word, _)| *word).collect()),
            _ => None,
        }
    }
}

/// What an outcome may be. `None`: the record is no sign-in.
pub const OUTCOMES: [(&str, Option<OutcomeWord>); 13] = [
    ("success", Some(OutcomeWord(Ending::SUCCESS))),
    ("success-with-mfa", Some(OutcomeWord(Ending::MFA_PERFORMED))),
    ("interrupted", Some(OutcomeWord(Ending { outcome: Outcome::Interrupted, ..Ending::SUCCESS }))),
    ("mfa-pending", Some(OutcomeWord(Ending::MFA_PENDING))),
    ("wrong-password", Some(OutcomeWord(Ending::WRONG))),
    ("failed", Some(OutcomeWord(Ending::UNCLEAR))),
    ("no-such-user", Some(OutcomeWord(Ending::NO_SUCH_USER))),
    ("locked", Some(OutcomeWord(Ending::LOCKED))),
    ("disabled", Some(OutcomeWord(Ending::DISABLED))),
    ("blocked", Some(OutcomeWord(Ending::BLOCKED))),
    ("mfa-denied", Some(OutcomeWord(Ending::MFA_DENIED))),
    ("mfa-reported", Some(OutcomeWord(Ending::MFA_REPORTED))),
    ("not-a-sign-in", None),
];

/// An outcome as a mapping names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeWord(Ending);

const CATEGORIES: [(&str, Category); 2] =
    [("interactive", Category::Interactive), ("non-interactive", Category::NonInteractive)];

const RISK_LEVELS: [(&str, Option<RiskLevel>); 4] = [
    ("none", None),
    ("low", Some(RiskLevel::Low)),
    ("medium", Some(RiskLevel::Medium)),
    ("high", Some(RiskLevel::High)),
];

/// A JSON pointer's keys, outermost first.
pub type Pointer = Vec<String>;

/// The keys of a JSON pointer (RFC 6901); `None` when the text is none, or points at the whole record.
pub fn parse_pointer(text: &str) -> Option<Pointer> {
    let keys = text.strip_prefix('/')?;
    Some(keys.split('/').map(|key| key.replace("~1", "/").replace("~0", "~")).collect())
}

/// Where one field's value comes from. The first that says something counts: pointers in their order, then the constant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    pub pointers: Vec<Pointer>,
    pub constant: Option<String>,
    /// What the record writes, without regard to case → what it means. Empty = the text as it is.
    pub words: BTreeMap<String, String>,
    /// What a text that `words` has not means; `None` = the text as it is.
    pub otherwise: Option<String>,
    /// `strptime` form of a time; `None` = any known form.
    pub time_format: Option<String>,
}

/// A record must have at the pointer one of these texts; with none given, anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub pointer: Pointer,
    pub equals: Vec<String>,
}

/// One mapping as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct MappingRule {
    pub name: String,
    /// All must hold; none = every object in which one of the fields' pointers finds something.
    pub conditions: Vec<Condition>,
    pub fields: BTreeMap<Field, Rule>,
}

/// Mappings, ready to read.
#[derive(Clone, Debug)]
pub struct Mappings {
    rules: Vec<MappingRule>,
    paths: Paths,
    slots: BTreeMap<Pointer, usize>,
}

impl PartialEq for Mappings {
    fn eq(&self, other: &Mappings) -> bool {
        self.rules == other.rules
    }
}

impl Default for Mappings {
    fn default() -> Mappings {
        Mappings::new(Vec::new())
    }
}

impl Mappings {
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub fn new(rules: Vec<MappingRule>) -> Mappings {
        let mut slots = BTreeMap::new();
        for rule in &rules {
            let conditions = rule.conditions.iter().map(|condition| &condition.pointer);
            let pointers = conditions.chain(rule.fields.values().flat_map(|rule| &rule.pointers));
            for pointer in pointers {
                let next = slots.len();
                slots.entry(pointer.clone()).or_insert(next);
            }
        }
        let mut ordered: Vec<(&Pointer, usize)> = slots.iter().map(|(pointer, slot)| (pointer, *slot)).collect();
        ordered.sort_unstable_by_key(|(_, slot)| *slot);
        let paths = ordered.into_iter().map(|(pointer, _)| (pointer.iter().map(String::as_str), Kept::Json));
        let paths = Paths::new(paths, Matching::Exact);
        Mappings { rules, paths, slots }
    }

    /// Is any mapping for this object?
    pub(super) fn are_for(&self, text: &str) -> bool {
        let mut slots = vec![Scalar::Absent; self.slots.len()];
        if self.is_empty() || self.paths.read_into(text, &mut slots).is_err() {
            return false;
        }
        let values = Mapped { slots, index: &self.slots };
        self.rules.iter().any(|rule| values.fits(rule))
    }

    /// Reads an object by the first mapping that is for it; `Ok(false)` when none is.
    pub(super) fn read<'a>(&self, text: &'a str, around: &Around, emit: Emit<'_, 'a>) -> Result<bool, Reject> {
        // One allocation for each record that a mapping is asked about.
        let mut slots = vec![Scalar::Absent; self.slots.len()];
        self.paths.read_into(text, &mut slots)?;
        let mut values = Mapped { slots, index: &self.slots };
        let Some(rule) = self.rules.iter().find(|rule| values.fits(rule)) else { return Ok(false) };
        values.sign_in(rule, around, emit).map(|()| true)
    }
}

/// The values of one record.
struct Mapped<'a, 'm> {
    slots: Vec<Scalar<'a>>,
    index: &'m BTreeMap<Pointer, usize>,
}

impl<'a> Mapped<'a, '_> {
    fn at(&self, pointer: &Pointer) -> &Scalar<'a> {
        self.index.get(pointer).map_or(&Scalar::Absent, |slot| &self.slots[*slot])
    }

    /// Is the mapping for this object? One without conditions is not for an envelope around what it is for.
    fn fits(&self, rule: &MappingRule) -> bool {
        if rule.conditions.is_empty() {
            let mut pointers = rule.fields.values().flat_map(|field| &field.pointers);
            return pointers.any(|pointer| *self.at(pointer) != Scalar::Absent);
        }
        self.meets(&rule.conditions)
    }

    fn meets(&self, conditions: &[Condition]) -> bool {
        conditions.iter().all(|condition| {
            let scalar = self.at(&condition.pointer);
            match condition.equals.as_slice() {
                [] => !matches!(scalar, Scalar::Absent),
                texts => written(scalar).is_some_and(|found| texts.iter().any(|text| **text == *found)),
            }
        })
    }

    /// The first value that says something, as written. "unknown" and the like say nothing, unless they are in the table.
    fn scalar(&self, rule: &Rule) -> Scalar<'a> {
        let is_word = |scalar: &Scalar<'_>| {
            !rule.words.is_empty() && written(scalar).is_some_and(|found| rule.words.contains_key(&folded(&found)))
        };
        let says = |scalar: &&Scalar<'a>| !scalar.is_absent() || is_word(scalar);
        let found = rule.pointers.iter().map(|pointer| self.at(pointer)).find(says);
        match (found, &rule.constant) {
            (Some(found), _) => found.clone(),
            (None, Some(constant)) => Scalar::Text(Cow::Owned(constant.clone())),
            (None, None) => Scalar::Absent,
        }
    }

    /// What the field's value means, after its table of words.
    fn value(&self, rules: &MappingRule, field: Field) -> Scalar<'a> {
        let Some(rule) = rules.fields.get(&field) else { return Scalar::Absent };
        let scalar = self.scalar(rule);
        if rule.words.is_empty() && rule.otherwise.is_none() {
            return scalar;
        }
        let Some(found) = written(&scalar) else {
            return rule.otherwise.clone().map_or(Scalar::Absent, |word| Scalar::Text(Cow::Owned(word)));
        };
        let word = rule.words.get(&folded(&found)).or(rule.otherwise.as_ref());
        word.map_or(scalar, |word| Scalar::Text(Cow::Owned(word.clone())))
    }

    fn text(&self, rules: &MappingRule, field: Field) -> Cow<'a, str> {
        self.value(rules, field).into_text()
    }

    fn time(&self, rules: &MappingRule, around: &Around) -> Result<EventTime, Reject> {
        let rule = rules.fields.get(&Field::Time);
        let read = match (self.value(rules, Field::Time), rule.and_then(|rule| rule.time_format.as_deref())) {
            (Scalar::Text(text), Some(format)) => Some(parse_as(format, text.trim())),
            (scalar, _) => scalar.to_time("time")?,
        };
        match (read, around.time) {
            (Some(Ok(time)), _) => Ok(time),
            // A mapping without a time takes the envelope's or the queue's.
            (None, Some(time)) if rule.is_none() => Ok(time),
            (Some(Err(error)), _) => Err(no_time(Some(error))),
            (None, _) => Err(no_time(None)),
        }
    }

    fn sign_in(&mut self, rules: &MappingRule, around: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
        let word = self.text(rules, Field::Outcome);
        let known = OUTCOMES.iter().find(|(known, _)| **known == *word).map(|(_, ending)| *ending);
        let ending = match known {
            Some(Some(OutcomeWord(ending))) => ending,
            Some(None) => {
                emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
                return Ok(());
            }
            None => {
                let detail = "the outcome is in no table of the mapping";
                return Err(Reject::new(RejectReason::WrongType, detail));
            }
        };
        let provider = self.text(rules, Field::Provider);
        let provider = Provider::ALL.into_iter().find(|known| known.name() == provider).unwrap_or(Provider::Other);
        let mut sign_in = blank(provider, self.time(rules, around)?);
        ending.put(&mut sign_in);
        self.fill(rules, &mut sign_in)?;
        let risk = self.risk(rules);
        emit_with(sign_in, risk, emit)
    }

    fn fill(&self, rules: &MappingRule, sign_in: &mut SignIn<'a>) -> Result<(), Reject> {
        let text = |field| self.text(rules, field);
        let id = |field, name| self.value(rules, field).into_id(name);
        sign_in.event_id = id(Field::Id, "id")?;
        sign_in.tenant_id = id(Field::TenantId, "tenant_id")?;
        sign_in.user_id = id(Field::UserId, "user_id")?;
        sign_in.user_principal_name = text(Field::UserPrincipalName);
        sign_in.user_display_name = text(Field::UserDisplayName);
        if text(Field::Category) == CATEGORIES[1].0 {
            sign_in.category = CATEGORIES[1].1;
        }
        sign_in.address_text = text(Field::IpAddress);
        sign_in.asn = asn_of(&self.value(rules, Field::Asn));
        let degrees = |field| self.value(rules, field).to_f64();
        sign_in.location = ProviderLocation {
            city: text(Field::City),
            state: text(Field::State),
            country: code_of(text(Field::Country)),
            coordinates: coordinates(degrees(Field::Latitude), degrees(Field::Longitude)),
        };
        sign_in.app_id = text(Field::AppId);
        sign_in.app_display_name = text(Field::AppDisplayName);
        sign_in.resource_display_name = text(Field::ResourceDisplayName);
        sign_in.client_app_used = text(Field::ClientAppUsed);
        sign_in.authentication_protocol = text(Field::AuthenticationProtocol);
        sign_in.user_agent = text(Field::UserAgent);
        let device = &mut sign_in.device;
        device.device_id = text::fold_id(text(Field::DeviceId));
        device.display_name = text(Field::DeviceDisplayName);
        device.operating_system = text(Field::OperatingSystem);
        device.browser = text(Field::Browser);
        device.is_managed = self.value(rules, Field::DeviceManaged).to_flag();
        device.is_compliant = self.value(rules, Field::DeviceCompliant).to_flag();
        sign_in.session_id = text(Field::SessionId);
        sign_in.correlation_id = text(Field::CorrelationId);
        sign_in.error_code = self.value(rules, Field::ErrorCode).to_u32();
        Ok(())
    }

    fn risk(&self, rules: &MappingRule) -> Option<SignInRisk<'a>> {
        let word = self.text(rules, Field::RiskLevel);
        let level = RISK_LEVELS.iter().find(|(known, _)| known.eq_ignore_ascii_case(&word))?.1?;
        Some(SignInRisk {
            source: Cow::Owned(rules.name.clone()),
            kind: RiskEventType::Generic,
            source_type: Cow::Borrowed("risk_level"),
            level,
            is_confirmed: false,
            reasons: self.text(rules, Field::RiskReasons),
        })
    }
}

/// The scalar's text, as a table of words compares it.
fn written<'s>(scalar: &'s Scalar<'_>) -> Option<Cow<'s, str>> {
    match scalar {
        Scalar::Text(text) => Some(Cow::Borrowed(text)),
        Scalar::Integer(number) => Some(Cow::Owned(number.to_string())),
        Scalar::Float(number) => Some(Cow::Owned(number.to_string())),
        Scalar::Flag(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Scalar::Absent | Scalar::Json(_) | Scalar::Other => None,
    }
}

/// A word as tables have it.
fn folded(word: &str) -> String {
    word.trim().to_lowercase()
}

/// A time in a `strptime` form; without a zone it is UTC.
fn parse_as(format: &str, text: &str) -> Result<EventTime, TimeError> {
    let Ok(parsed) = jiff::fmt::strtime::parse(format, text) else {
        return parse_time(text);
    };
    let timestamp = parsed.to_timestamp().or_else(|_| {
        let local = parsed.to_datetime()?;
        jiff::tz::TimeZone::UTC.to_timestamp(local)
    });
    time_in_range(timestamp.map_err(|_| TimeError::Unreadable)?.as_nanosecond())
}

/// Whether a text is a form of time that `time_format` takes.
pub fn is_time_format(format: &str) -> bool {
    let sample = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    format.contains('%') && jiff::fmt::strtime::format(format, &sample).is_ok()
}
