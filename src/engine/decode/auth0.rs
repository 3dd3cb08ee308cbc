//! Auth0 tenant logs → [`SignIn`]s and what Auth0 itself holds for risky.
//!
//! ## What it maps
//! | type | becomes |
//! |---|---|
//! | `s`, `sepft`, `scoa`, `sens` | an interactive sign-in; `s` without a prompt is a session used again |
//! | `seotpft`, `seoobft`, `sercft`, `sepk…ft` | an interactive sign-in with a second factor |
//! | `ssa`, `seacft`, `sertft`, `sede`, `secte`, `ciba_exchange_succeeded` | a sign-in without the user's doing |
//! | `fp`; `fu`; `f`, `fc`, `fcoa`, `fens`, `fepft` | a wrong password; no such user; failed, by what the description says |
//! | `limit_wc`; `limit_mu`, `limit_sul` | locked; failed |
//! | `mfar`, `gd_send_pn` …; `gd_auth_succeed`; `gd_auth_failed`, `gd_auth_rejected` … | the second factor asked for; given; denied |
//! | `fertft`, `feacft`, `ferrt` | a refused token; the last, reused, with a finding |
//! | `pwd_leak`, `signup_pwd_leak`, `reset_pwd_leak` | an upstream finding: leaked credentials |
//! | `seccft`, `feccft` | a service principal |
//! | every other | not a sign-in |
//!
//! `details.riskAssessment` below high confidence is an upstream finding beside the sign-in. What each type means is in
//! [`codes`].
//!
//! ## Traps
//! - `fp` and `fu` share a description: only the type tells them apart.
//! - A high `confidence` is a low risk.
//! - `type` is missing from no record; `details` may be an object, text or null, `scope` and `audience` text or lists.
//! - `hostname` names the tenant in some types and not in others, and is a custom domain: it is never the tenant, or a
//!   user's failures would be another user's than the successes.
//! - A push is rejected on the phone: the record's address is the phone's.
//! - Tokens of server-side applications are exchanged by the server, whose address says nothing of the user.
//! - The Management API writes user agents as "Chrome 120.0.0 / Mac OS X 10.15.7", and only it writes `location_info`.
//! - A failed silent authentication is how an application learns that nobody is signed in; it names no user then.

mod codes;

use std::borrow::Cow;

use sonic_rs::JsonValueTrait;

use super::country::code_of;
use super::draft::{self, SignInRisk, blank, emit_with};
use super::entra::coordinates;
use super::format::{Emit, Format, Reader};
use super::paths::{elements, paths};
use super::{Around, Decoded, Reject, SkipReason, text};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{Category, EventTime, Mfa, Provider, ProviderLocation, SignIn, UpstreamFinding};
use codes::{Attempt, Meaning};

pub(super) const READER: Reader = Reader {
    format: Format::Auth0,
    marks: &[
        &["date", "type", "log_id"],
        &["date", "type", "_id"],
        &["date", "type", "client_id"],
        &["date", "type", "description"],
        &["date", "type", "details"],
    ],
    is_line: None,
    read,
};

const SOURCE: &str = "Auth0";

paths! {
    /// Where a tenant log has what is read.
    enum At (IgnoreCase) {
        Type = Scalar "type",
        LogId = Scalar "log_id",
        Id = Scalar "_id",
        Date = Scalar "date",
        Description = Scalar "description",
        UserId = Scalar "user_id",
        UserName = Scalar "user_name",
        Tenant = Scalar "tenant_name",
        OlderTenant = Scalar "tenant",
        Ip = Scalar "ip",
        ClientIp = Scalar "client_ip",
        UserAgent = Scalar "user_agent",
        ClientId = Scalar "client_id",
        ClientName = Scalar "client_name",
        Connection = Scalar "connection",
        Strategy = Scalar "strategy",
        StrategyType = Scalar "strategy_type",
        Audience = Scalar "audience",
        City = Scalar "location_info/city_name",
        Country = Scalar "location_info/country_code",
        CountryName = Scalar "location_info/country_name",
        Latitude = Scalar "location_info/latitude",
        Longitude = Scalar "location_info/longitude",
        Details = Json "details",
        Prompts = Json "details/prompts",
        SessionId = Scalar "details/session_id",
        RefreshSessionId = Scalar "details/refresh_token/session_id",
        TransactionId = Scalar "details/transaction_id",
        CorrelationId = Scalar "references/correlation_id",
        GrantType = Scalar "details/grant_type",
        LoginsCount = Scalar "details/stats/loginsCount",
        OauthError = Scalar "details/error/oauthError",
        ErrorMessage = Scalar "details/error/message",
        IsFirstFactor = Scalar "details/first_factor",
        RequestAgent = Scalar "details/request/userAgent",
        Confidence = Scalar "details/riskAssessment/confidence",
        Assessments = Json "details/riskAssessment/assessments",
        UntrustedIp = Scalar "details/riskAssessment/assessments/UntrustedIP/confidence",
        NewDevice = Scalar "details/riskAssessment/assessments/NewDevice/confidence",
        ImpossibleTravel = Scalar "details/riskAssessment/assessments/ImpossibleTravel/confidence",
    }
}

paths! {
    /// One thing that was shown to the user.
    enum PromptAt (IgnoreCase) {
        Name = Scalar "name",
    }
}

type Log<'a> = super::paths::Values<'a, { At::COUNT }>;

fn read<'a>(text: &'a str, _: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut log = At::read(text)?;
    let kind = log.text(At::Type).to_ascii_lowercase();
    let attempt = match codes::meaning_of(&kind) {
        Meaning::Attempt(attempt) => attempt,
        Meaning::Leak(level) => {
            emit(Ok(Decoded::UpstreamFinding(leak(&mut log, &kind, level)?)));
            return Ok(());
        }
        Meaning::Skipped(reason) => {
            emit(Ok(Decoded::Skipped(reason)));
            return Ok(());
        }
    };
    let (category, ending) = seen_closer(attempt, &kind, &log);
    if is_of_nobody(&kind, &log) || (category == Category::NonInteractive && is_of_server(log.str(At::UserAgent)))
    {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    }
    let risk = risk(&log, &kind);
    let mut sign_in = sign_in(&mut log, &kind)?;
    sign_in.category = category;
    ending.put(&mut sign_in);
    emit_with(sign_in, risk, emit)
}

/// What the record says beyond its type.
fn seen_closer(attempt: Attempt, kind: &str, log: &Log<'_>) -> (Category, draft::Ending) {
    use draft::Ending;
    let Attempt { mut category, mut ending } = attempt;
    match kind {
        "s" if has_no_prompt(log) => category = Category::NonInteractive,
        "s" if had_second_factor(log) => ending = Ending::MFA_PERFORMED,
        // What was given was the first factor.
        _ if kind.starts_with("gd_") && log.flag(At::IsFirstFactor) == Some(true) => {
            ending = Ending { mfa: Mfa::Unknown, ..if ending.mfa.is_denied() { Ending::WRONG } else { ending } };
        }
        "ferrt" if is_reuse(log) => ending = Ending::BLOCKED,
        _ if ending == Ending::UNCLEAR => ending = codes::failure(&why(log), log.has(At::UserId)),
        "feoobft" if why(log).contains("pending") => ending = Ending::MFA_PENDING,
        _ => {}
    }
    // Logins are counted once the password was right, whatever refuses them then.
    let is_denied = ["access_denied", "unauthorized"].iter().any(|word| log.is(At::OauthError, word));
    if kind == "f" && ending == Ending::UNCLEAR && is_denied && log.has(At::LoginsCount) && log.has(At::UserId) {
        ending = Ending::BLOCKED;
    }
    (category, ending)
}

/// All that is said of the reason, in lower case.
fn why(log: &Log<'_>) -> String {
    [At::Description, At::ErrorMessage].map(|at| log.str(at)).join(" ").to_ascii_lowercase()
}

/// The list of prompts is there, and empty: a session was used again.
fn has_no_prompt(log: &Log<'_>) -> bool {
    let details = log.json(At::Details);
    if log.has(At::Prompts) || !details.contains("\"prompts\"") {
        return false;
    }
    // It was valid a moment ago.
    sonic_rs::get(details, ["prompts"]).is_ok_and(|prompts| prompts.is_array())
}

fn had_second_factor(log: &Log<'_>) -> bool {
    elements(log.json(At::Prompts)).filter_map(|prompt| PromptAt::read(prompt).ok()).any(|prompt| {
        let name = prompt.str(PromptAt::Name).to_ascii_lowercase();
        name.contains("mfa") || name.contains("guardian")
    })
}

/// A refused rotating token is a reused one, unless the description has another reason.
fn is_reuse(log: &Log<'_>) -> bool {
    let why = why(log);
    why.trim().is_empty() || why.contains("reus")
}

/// Failures that need no user, and name none.
fn is_of_nobody(kind: &str, log: &Log<'_>) -> bool {
    matches!(kind, "fsa" | "feacft" | "limit_mu") && !log.has(At::UserId) && !log.has(At::UserName)
}

/// Is this the user agent of a server's library?
fn is_of_server(agent: &str) -> bool {
    const LIBRARIES: [&str; 17] = [
        "apache-httpclient",
        "auth0-",
        "axios",
        "curl",
        "faraday",
        "go-http-client",
        "got ",
        "guzzlehttp",
        "java/",
        "node",
        "openid-client",
        // Taken apart by the Management API, and nothing of it known.
        "other 0.0.0",
        "php",
        "python",
        "rest-client",
        "ruby",
        "undici",
    ];
    let starts =
        |library: &&str| agent.get(..library.len()).is_some_and(|start| start.eq_ignore_ascii_case(library));
    LIBRARIES.iter().any(starts)
}

fn sign_in<'a>(log: &mut Log<'a>, kind: &str) -> Result<SignIn<'a>, Reject> {
    let mut sign_in = blank(Provider::Auth0, time_of(log)?);
    sign_in.event_id = id_of(log)?;
    sign_in.tenant_id = log.first_text([At::Tenant, At::OlderTenant]);
    sign_in.user_id = log.id(At::UserId, "user_id")?;
    sign_in.user_principal_name = log.text(At::UserName);
    let is_phone = kind == "gd_auth_rejected"
        || [At::RequestAgent, At::UserAgent].iter().any(|at| log.str(*at).starts_with("Guardian"));
    if !is_phone {
        sign_in.address_text = log.first_text([At::Ip, At::ClientIp]);
        sign_in.location = location_of(log);
        sign_in.user_agent = log.text(At::UserAgent);
        (sign_in.device.browser, sign_in.device.operating_system) = parts_of(&sign_in.user_agent);
    }
    sign_in.app_id = log.text(At::ClientId);
    sign_in.app_display_name = log.text(At::ClientName);
    sign_in.resource_display_name = log.text(At::Audience);
    sign_in.session_id = log.first_text([At::SessionId, At::RefreshSessionId]);
    sign_in.correlation_id = log.first_text([At::TransactionId, At::CorrelationId]);
    sign_in.authentication_protocol = log.text(At::GrantType);
    if ["enterprise", "social"].iter().any(|word| log.is(At::StrategyType, word)) {
        sign_in.token_issuer_type = log.text(At::Strategy);
        sign_in.token_issuer_name = log.text(At::Connection);
    }
    Ok(sign_in)
}

fn id_of<'a>(log: &mut Log<'a>) -> Result<Cow<'a, str>, Reject> {
    let id = log.id(At::LogId, "log_id")?;
    if id.is_empty() { log.id(At::Id, "_id") } else { Ok(id) }
}

fn time_of(log: &Log<'_>) -> Result<EventTime, Reject> {
    log.time(&[(At::Date, "date")])
}

fn location_of<'a>(log: &mut Log<'a>) -> ProviderLocation<'a> {
    let code = code_of(log.text(At::Country));
    let country = if code.is_empty() { code_of(log.text(At::CountryName)) } else { code };
    ProviderLocation {
        city: log.text(At::City),
        state: Cow::Borrowed(""),
        country,
        coordinates: coordinates(log.number(At::Latitude), log.number(At::Longitude)),
    }
}

/// Browser and system of a user agent that was taken apart already: "Chrome 120.0.0 / Mac OS X 10.15.7".
fn parts_of<'a>(agent: &Cow<'a, str>) -> (Cow<'a, str>, Cow<'a, str>) {
    let known = |part: &str| !part.is_empty() && !part.starts_with("Other");
    match agent.split_once(" / ") {
        Some((browser, system)) if !agent.starts_with("Mozilla/") => {
            let kept = |part: &str| if known(part) { Cow::Owned(part.to_owned()) } else { Cow::Borrowed("") };
            (kept(browser), kept(system))
        }
        _ => (Cow::Borrowed(""), Cow::Borrowed("")),
    }
}

/// The risk at which Auth0 holds the sign-in, from medium on, or that of a token used twice.
fn risk<'a>(log: &Log<'a>, kind: &str) -> Option<SignInRisk<'a>> {
    if kind == "ferrt" {
        return is_reuse(log).then(|| SignInRisk {
            source: Cow::Borrowed(SOURCE),
            kind: RiskEventType::AnomalousToken,
            source_type: Cow::Borrowed("ferrt"),
            // Often a client that asked twice.
            level: RiskLevel::Medium,
            is_confirmed: false,
            reasons: Cow::Owned(log.str(At::Description).to_owned()),
        });
    }
    let level = level_of(log.str(At::Confidence))?;
    let found = [
        (At::UntrustedIp, RiskEventType::MaliciousIpAddress),
        (At::ImpossibleTravel, RiskEventType::ImpossibleTravel),
        (At::NewDevice, RiskEventType::UnfamiliarFeatures),
    ];
    let mut reasons = found.into_iter().filter(|(at, _)| level_of(log.str(*at)) == Some(level));
    let kind = match (reasons.next(), reasons.next()) {
        (Some((_, kind)), None) => kind,
        _ => RiskEventType::Generic,
    };
    Some(SignInRisk {
        source: Cow::Borrowed(SOURCE),
        kind,
        source_type: Cow::Borrowed("riskAssessment"),
        level,
        is_confirmed: false,
        reasons: Cow::Borrowed(log.json(At::Assessments)),
    })
}

/// The risk of a confidence; none where it is high.
fn level_of(confidence: &str) -> Option<RiskLevel> {
    match confidence.trim().to_ascii_lowercase().as_str() {
        "low" => Some(RiskLevel::High),
        "medium" => Some(RiskLevel::Medium),
        _ => None,
    }
}

fn leak<'a>(log: &mut Log<'a>, kind: &str, level: RiskLevel) -> Result<UpstreamFinding<'a>, Reject> {
    let event_time = time_of(log)?;
    draft::finish_finding(UpstreamFinding {
        source: Cow::Borrowed(SOURCE),
        provider: Provider::Auth0,
        tenant_id: log.first_text([At::Tenant, At::OlderTenant]),
        user_id: log.id(At::UserId, "user_id")?,
        user_principal_name: log.text(At::UserName),
        event_id: id_of(log)?,
        event_time,
        activity_time: event_time,
        kind: RiskEventType::LeakedCredentials,
        source_type: Cow::Owned(kind.to_owned()),
        level,
        is_confirmed: false,
        request_id: Cow::Borrowed(""),
        is_about_user: true,
        address: None,
        address_text: log.first_text([At::Ip, At::ClientIp]),
        location: location_of(log),
        reasons: text::cut(log.text(At::Description)),
    })
}
