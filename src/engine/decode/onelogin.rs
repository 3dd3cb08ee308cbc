//! OneLogin events → [`SignIn`]s, from the events API, webhooks and the bulk form of the event broadcaster.
//!
//! ## What it maps
//! | `event_type_id` | becomes |
//! |---|---|
//! | 5, 68, 122, 130, 140, 153 | an interactive sign-in: OneLogin, RADIUS, API, LDAP, a social login, a Mac |
//! | 6, 69, 86, 123, 129, 141, 154 | the same failed; notes and error description say why, if anything does |
//! | 19, of the user's own doing | the same at a locked account: the attempt that was one too many |
//! | 8, 78 | a sign-in to an application without the user's doing: the session is used again |
//! | 77, 90 | the same, refused |
//! | 1400 and the nine after it | a step: the second factor passed, or denied behind a right first one |
//! | every other | not a sign-in |
//!
//! `risk_score` of a sign-in, 0 to 100, is an upstream finding beside it from 50 on (medium), from 75 on high: the
//! quarters of the scale, as OneLogin names its levels and not their borders.
//!
//! There is no session id, no geography, no autonomous system and no device but a cookie's.
//!
//! ## Traps
//! - 6 is a wrong password, an unknown user and a failed second factor alike: only words tell.
//! - `event_type_id` is a number or text. Ids are numbers in the API (`id`) and texts in webhooks (`uuid`).
//! - `user_name` is the person's name, and the login only where there is no other.
//! - `proxy_ip` is the proxy's; `ipaddr` 0.0.0.0 is none.
//! - The bulk form puts a line `{"create":…}` before every event, or that key into it: the line alone is no sign-in.
//! - `assuming_acting_user_id`: an administrator acts as the user. That is not the user's sign-in.

use std::borrow::Cow;

use super::draft::{Ending, SignInRisk, blank, emit_with};
use super::format::{Emit, Format, Reader};
use super::paths::{Values, paths};
use super::reason::ending_of;
use super::{Around, Decoded, Reject, RejectReason, SkipReason, text};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{Category, Mfa, Outcome, Provider, SignIn};

pub(super) const READER: Reader =
    Reader { format: Format::OneLogin, marks: &[&["event_type_id"], &["create"]], is_line: None, read };

const SOURCE: &str = "OneLogin";
const RISK_SCORE_MEDIUM: f64 = 50.0;
const RISK_SCORE_HIGH: f64 = 75.0;

paths! {
    /// Where an event has what is read.
    enum At (IgnoreCase) {
        Uuid = Scalar "uuid",
        Id = Scalar "id",
        BulkAction = Json "create",
        BulkId = Scalar "create/_id",
        IndexAction = Json "index",
        EventTimestamp = Scalar "event_timestamp",
        CreatedAt = Scalar "created_at",
        EventType = Scalar "event_type_id",
        Account = Scalar "account_id",
        UserId = Scalar "user_id",
        UserName = Scalar "user_name",
        ActorId = Scalar "actor_user_id",
        ActorName = Scalar "actor_user_name",
        ActingUser = Scalar "assuming_acting_user_id",
        Address = Scalar "ipaddr",
        UserAgent = Scalar "user_agent",
        CookieId = Scalar "risk_cookie_id",
        AppId = Scalar "app_id",
        AppName = Scalar "app_name",
        TrustedIdp = Scalar "trusted_idp_name",
        Notes = Scalar "notes",
        ErrorDescription = Scalar "error_description",
        CustomMessage = Scalar "custom_message",
        RiskScore = Scalar "risk_score",
        RiskReasons = Scalar "risk_reasons",
    }
}

type Event<'a> = Values<'a, { At::COUNT }>;

fn read<'a>(text: &'a str, _: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut event = At::read(text)?;
    let Some(kind) = event.get(At::EventType).to_u32() else {
        if event.has(At::BulkAction) || event.has(At::IndexAction) {
            emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
            return Ok(());
        }
        return Err(Reject::new(RejectReason::UnknownFormat, "no `event_type_id`"));
    };
    let Some((category, ending)) = attempt(kind, &event).filter(|_| !event.has(At::ActingUser)) else {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    };
    let risk = risk(&mut event);
    let mut sign_in = sign_in(&mut event)?;
    sign_in.category = category;
    sign_in.authentication_protocol = Cow::Borrowed(protocol(kind));
    ending.put(&mut sign_in);
    emit_with(sign_in, risk, emit)
}

/// What kind of sign-in an event is, and how it ended; `None` where it is none.
fn attempt(kind: u32, event: &Event<'_>) -> Option<(Category, Ending)> {
    let interactive = |ending| Some((Category::Interactive, ending));
    let silent = |ending| Some((Category::NonInteractive, ending));
    match kind {
        5 => interactive(with_mfa(event)),
        68 | 122 | 130 | 140 | 153 => interactive(Ending::SUCCESS),
        6 | 69 | 86 | 123 | 129 | 141 | 154 => interactive(refusal(event)),
        19 if !is_of_another(event) => interactive(Ending::LOCKED),
        8 | 78 => silent(Ending::SUCCESS),
        77 => silent(Ending::UNCLEAR),
        90 => silent(Ending::BLOCKED),
        1400..=1409 => second_factor(event).and_then(interactive),
        _ => None,
    }
}

/// An administrator did it.
fn is_of_another(event: &Event<'_>) -> bool {
    event.has(At::ActorId) && event.get(At::ActorId) != event.get(At::UserId)
}

fn protocol(kind: u32) -> &'static str {
    match kind {
        68 | 69 => "RADIUS",
        129 | 130 => "LDAP",
        _ => "",
    }
}

/// The steps of a login are in its notes, with arrows between them.
fn with_mfa(event: &Event<'_>) -> Ending {
    let notes = event.str(At::Notes).to_ascii_lowercase();
    let steps = notes.lines().find_map(|line| line.split_once("transitions:")).map_or("", |(_, steps)| steps);
    match steps {
        _ if steps.contains("mfa") => Ending::MFA_PERFORMED,
        "" => Ending::SUCCESS,
        _ => Ending { mfa: Mfa::NotRequired, ..Ending::SUCCESS },
    }
}

fn refusal(event: &Event<'_>) -> Ending {
    let reasons = [At::ErrorDescription, At::Notes, At::CustomMessage];
    if let Some(ending) = reasons.into_iter().find_map(|at| ending_of(event.str(at))) {
        return ending;
    }
    // A failure without a user is one whose name was typed and is nobody's.
    if event.has(At::UserId) || event.has(At::ActorId) { Ending::UNCLEAR } else { Ending::NO_SUCH_USER }
}

/// The notes of a factor's use: "… (Valid …)", or what was wrong with it.
fn second_factor(event: &Event<'_>) -> Option<Ending> {
    let notes = event.str(At::Notes).to_ascii_lowercase();
    if notes.contains("invalid")
        || ["denied", "declined", "rejected", "failed"].iter().any(|word| notes.contains(word))
    {
        // A login without password asks for nothing else.
        return Some(Ending::MFA_UNPROVEN);
    }
    let passed = Ending { outcome: Outcome::Interrupted, mfa: Mfa::Performed, ..Ending::SUCCESS };
    (notes.contains("valid") || notes.contains("success") || notes.contains("approved")).then_some(passed)
}

fn sign_in<'a>(event: &mut Event<'a>) -> Result<SignIn<'a>, Reject> {
    let times = [(At::EventTimestamp, "event_timestamp"), (At::CreatedAt, "created_at")];
    let mut sign_in = blank(Provider::OneLogin, event.time(&times)?);
    sign_in.event_id = first_id(event, [(At::Uuid, "uuid"), (At::Id, "id"), (At::BulkId, "create._id")])?;
    sign_in.tenant_id = event.id(At::Account, "account_id")?;
    sign_in.user_id = first_id(event, [(At::UserId, "user_id"), (At::ActorId, "actor_user_id")])?;
    let name = event.first_text([At::UserName, At::ActorName]);
    // A name with spaces is a person's.
    if sign_in.user_id.is_empty() || !name.contains(' ') {
        sign_in.user_principal_name = name.clone();
    }
    sign_in.user_display_name = name;
    sign_in.address_text = event.text(At::Address);
    sign_in.user_agent = event.text(At::UserAgent);
    sign_in.device.device_id = event.text(At::CookieId);
    sign_in.app_id = event.text(At::AppId);
    sign_in.app_display_name = event.text(At::AppName);
    sign_in.correlation_id = correlation_in(event.str(At::Notes));
    sign_in.token_issuer_name = event.text(At::TrustedIdp);
    Ok(sign_in)
}

/// The first id that is there.
fn first_id<'a, const N: usize>(
    event: &mut Event<'a>,
    slots: [(At, &'static str); N],
) -> Result<Cow<'a, str>, Reject> {
    for (at, name) in slots {
        let id = event.id(at, name)?;
        if !id.is_empty() {
            return Ok(id);
        }
    }
    Ok(Cow::Borrowed(""))
}

fn correlation_in(notes: &str) -> Cow<'static, str> {
    let found = notes.lines().find_map(|line| line.trim().strip_prefix("Correlation_id:"));
    text::cut(Cow::Owned(found.unwrap_or_default().trim().to_owned()))
}

fn risk<'a>(event: &mut Event<'a>) -> Option<SignInRisk<'a>> {
    let score = event.number(At::RiskScore)?;
    let level = match score {
        _ if score >= RISK_SCORE_HIGH => RiskLevel::High,
        _ if score >= RISK_SCORE_MEDIUM => RiskLevel::Medium,
        _ => return None,
    };
    Some(SignInRisk {
        source: Cow::Borrowed(SOURCE),
        kind: RiskEventType::Generic,
        source_type: Cow::Borrowed("risk_score"),
        level,
        is_confirmed: false,
        reasons: event.text(At::RiskReasons),
    })
}
