//! What one event of Google's login log means: its parameters, and the sign-in or the finding they make.
//!
//! A parameter has its value under a key that depends on its type; a false flag and an empty list have none at all.

use std::borrow::Cow;

use super::Reject;
use super::draft::Ending;
use super::paths::{Values, elements, paths};
use super::scalar::Scalar;
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{Category, Credential, Mfa, Outcome};

paths! {
    /// Parameters that are read, by their names.
    enum Named (IgnoreCase) {
        LoginType = Scalar "login_type",
        Methods = Json "login_challenge_method",
        Status = Scalar "login_challenge_status",
        FailureType = Scalar "login_failure_type",
        SamlFailureType = Scalar "failure_type",
        SamlStatus = Scalar "saml_status_code",
        ApplicationName = Scalar "application_name",
        IsSuspicious = Scalar "is_suspicious",
        IsSecondFactor = Scalar "is_second_factor",
        AffectedEmail = Scalar "affected_email_address",
        LoginTimestamp = Scalar "login_timestamp",
        SensitiveAction = Scalar "sensitive_action_name",
        Session = Scalar "dusi",
        DeviceId = Scalar "device_id",
        UserAgent = Scalar "user_agent",
    }
}

paths! {
    /// Where a parameter has its name, and the keys its value may be under.
    enum At (IgnoreCase) {
        Name = Scalar "name",
        Value = Json "value",
        Flag = Scalar "boolValue",
        Number = Scalar "intValue",
        Texts = Json "multiValue",
        Strings = Json "multiStrValue",
        Numbers = Json "multiIntValue",
    }
}

/// The parameters of one event.
#[derive(Clone, Debug)]
pub(super) struct Parameters<'a> {
    named: Values<'a, { Named::COUNT }>,
}

impl<'a> Parameters<'a> {
    /// From a list of objects with a name and a value, or an object whose keys are the names; else there are none.
    pub(super) fn read(json: &'a str) -> Result<Parameters<'a>, Reject> {
        if json.starts_with('{') {
            return Ok(Parameters { named: Named::read(json)? });
        }
        let mut named = Values::new();
        for element in elements(json).filter(|element| element.starts_with('{')) {
            let mut parameter = At::read(element)?;
            let name = parameter.str(At::Name).trim();
            let Some(slot) = Named::PATHS.iter().position(|known| known.eq_ignore_ascii_case(name)) else {
                continue;
            };
            let values = [At::Value, At::Flag, At::Number, At::Texts, At::Strings, At::Numbers];
            if let Some(at) = values.into_iter().find(|at| parameter.has(*at)) {
                named.put(slot, parameter.take(at));
            }
        }
        Ok(Parameters { named })
    }

    /// The text, or the first of a list of texts.
    fn text(&mut self, named: Named) -> Cow<'a, str> {
        match elements(self.named.json(named)).next() {
            Some(first) if first.starts_with('"') => {
                sonic_rs::from_str::<Scalar<'a>>(first).unwrap_or_default().into_text()
            }
            _ => self.named.text(named),
        }
    }

    pub(super) fn affected_email(&mut self) -> Cow<'a, str> {
        self.text(Named::AffectedEmail)
    }

    pub(super) fn session(&mut self) -> Cow<'a, str> {
        self.text(Named::Session)
    }

    pub(super) fn device_id(&mut self) -> Cow<'a, str> {
        self.text(Named::DeviceId)
    }

    pub(super) fn user_agent(&mut self) -> Cow<'a, str> {
        self.text(Named::UserAgent)
    }

    pub(super) fn application_name(&mut self) -> Cow<'a, str> {
        self.text(Named::ApplicationName)
    }

    pub(super) fn sensitive_action(&mut self) -> Cow<'a, str> {
        self.text(Named::SensitiveAction)
    }

    /// When the login was that a warning is about, in microseconds.
    pub(super) fn login_time(&self) -> &Scalar<'a> {
        self.named.get(Named::LoginTimestamp)
    }

    pub(super) fn is_suspicious(&self) -> bool {
        self.named.flag(Named::IsSuspicious) == Some(true)
    }

    /// Is it the log of sign-ins at other applications, with Google's word for the user?
    pub(super) fn is_of_saml(&self) -> bool {
        self.named.has(Named::ApplicationName) || self.named.has(Named::SamlStatus)
    }

    /// Did the user come with another identity provider's word?
    pub(super) fn is_of_saml_login(&self) -> bool {
        self.named.is(Named::LoginType, "saml")
    }

    /// What the user was asked for, in the order in which it was asked.
    fn methods(&self) -> Vec<Method> {
        let json = self.named.json(Named::Methods);
        if !json.is_empty() {
            return elements(json)
                .map(|raw| if raw.starts_with('"') { raw.trim_matches('"') } else { "" })
                .map(method_of)
                .collect();
        }
        let text = self.named.str(Named::Methods);
        text.split([',', '|', ';', ' ']).filter(|word| !word.is_empty()).map(method_of).collect()
    }
}

/// What one answer to a question proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Password,
    /// Both factors in one.
    Passkey,
    Second,
    /// Nothing was asked, or nothing that is a factor, or something that is not said.
    Other,
}

fn method_of(word: &str) -> Method {
    match word.trim().to_ascii_lowercase().as_str() {
        "password" => Method::Password,
        "passkey" => Method::Passkey,
        "" | "none" | "other" | "unknown" | "saml" | "oidc" | "captcha" | "recaptcha" => Method::Other,
        _ => Method::Second,
    }
}

/// What becomes of an event.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    SignIn(Category, Ending),
    Finding(RiskEventType, RiskLevel),
    Nothing,
}

/// The meaning of the event `name`, in lower case.
pub(super) fn meaning_of(name: &str, is_saml: bool, parameters: &Parameters<'_>) -> Meaning {
    use RiskEventType::{AnomalousToken, Generic, LeakedCredentials};
    let is_exchange = parameters.named.is(Named::LoginType, "exchange");
    let category = if is_saml || is_exchange { Category::NonInteractive } else { Category::Interactive };
    match name {
        "login_success" if is_saml => Meaning::SignIn(category, Ending::SUCCESS),
        "login_failure" if is_saml => Meaning::SignIn(category, saml_failure(parameters)),
        "login_success" => Meaning::SignIn(category, success(parameters)),
        "login_failure" => Meaning::SignIn(category, failure(parameters)),
        "login_challenge" | "login_verification" => Meaning::SignIn(category, step(parameters)),
        "account_disabled_password_leak" => Meaning::Finding(LeakedCredentials, RiskLevel::High),
        // Someone else's machine has the user's cookie.
        "user_signed_out_due_to_suspicious_session_cookie" => Meaning::Finding(AnomalousToken, RiskLevel::High),
        "account_disabled_hijacked" | "gov_attack_warning" => Meaning::Finding(Generic, RiskLevel::High),
        "suspicious_login" | "suspicious_login_less_secure_app" | "suspicious_programmatic_login" => {
            Meaning::Finding(Generic, RiskLevel::Medium)
        }
        "account_disabled_generic" | "account_disabled_spamming" | "account_disabled_spamming_through_relay" => {
            Meaning::Finding(Generic, RiskLevel::Medium)
        }
        "risky_sensitive_action_blocked" => Meaning::Finding(Generic, RiskLevel::Medium),
        // Allowed after the user has proven who they are.
        "risky_sensitive_action_allowed" => Meaning::Finding(Generic, RiskLevel::Low),
        _ => Meaning::Nothing,
    }
}

fn success(parameters: &Parameters<'_>) -> Ending {
    let methods = parameters.methods();
    let is_strong = methods.iter().any(|method| matches!(method, Method::Second | Method::Passkey));
    let is_password_only = !methods.is_empty() && methods.iter().all(|method| *method == Method::Password);
    let mfa = match () {
        () if is_strong || parameters.named.flag(Named::IsSecondFactor) == Some(true) => Mfa::Performed,
        () if is_password_only => Mfa::NotRequired,
        () => Mfa::Unknown,
    };
    Ending { mfa, ..Ending::SUCCESS }
}

/// Google says no more why a login failed; how far it came, the order of questions does.
fn failure(parameters: &Parameters<'_>) -> Ending {
    let reason = parameters.named.str(Named::FailureType).trim().to_ascii_lowercase();
    match reason.as_str() {
        _ if reason.contains("invalid_password") => return Ending::WRONG,
        _ if reason.contains("second_factor") => return Ending::MFA_DENIED,
        _ if reason.contains("account_disabled") => return Ending::DISABLED,
        _ if reason.contains("access_code_disallowed") => return Ending::UNCLEAR,
        _ => {}
    }
    let methods = parameters.methods();
    match methods.as_slice() {
        [.., Method::Password] => Ending::WRONG,
        // A second step is asked for only behind a right password.
        [before @ .., Method::Second] if before.contains(&Method::Password) => Ending::MFA_DENIED,
        _ => Ending::UNCLEAR,
    }
}

/// One question on the way, and the answer to it.
fn step(parameters: &Parameters<'_>) -> Ending {
    let status = parameters.named.str(Named::Status).trim().to_ascii_lowercase();
    let has_passed = status.contains("pass");
    let has_failed = !has_passed && !status.is_empty();
    let is_second = parameters.named.flag(Named::IsSecondFactor) == Some(true);
    let methods = parameters.methods();
    let last = if is_second { Some(Method::Second) } else { methods.last().copied() };
    // A prompt on the phone can be asked for instead of a password.
    let is_by_password = parameters.named.is(Named::LoginType, "google_password");
    let is_proven = is_second || is_by_password || methods.contains(&Method::Password);
    let passed = Ending { outcome: Outcome::Interrupted, ..Ending::SUCCESS };
    let unknown = Ending { credential: Credential::Unknown, ..passed };
    match last {
        Some(Method::Second) if has_passed => Ending { mfa: Mfa::Performed, ..passed },
        Some(Method::Second) if has_failed && !is_proven => Ending::MFA_UNPROVEN,
        Some(Method::Second) if has_failed => Ending::MFA_DENIED,
        Some(Method::Second) if !is_proven => Ending { credential: Credential::Unknown, ..Ending::MFA_PENDING },
        Some(Method::Second) => Ending::MFA_PENDING,
        Some(Method::Password) if has_passed => passed,
        Some(Method::Password) if has_failed => Ending::WRONG,
        Some(Method::Passkey) if has_passed => Ending { mfa: Mfa::Performed, ..passed },
        _ if has_failed => Ending::UNCLEAR,
        _ => unknown,
    }
}

/// A session that was right, and an application that the user may not use, or that is not set up.
fn saml_failure(parameters: &Parameters<'_>) -> Ending {
    let reason = parameters.named.str(Named::SamlFailureType).trim().to_ascii_lowercase();
    if reason.contains("for_user") { Ending::BLOCKED } else { Ending::UNCLEAR }
}
