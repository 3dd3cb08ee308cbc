//! AWS CloudTrail → [`SignIn`]s at the console, at IAM Identity Center and with a federated identity.
//!
//! ## What it maps
//! | source and event | becomes |
//! |---|---|
//! | `signin`: `ConsoleLogin`, `ExternalIdPDirectoryLogin` | an interactive sign-in |
//! | `signin`: `CheckMfa` | a step: the second factor is asked for, the first perhaps not yet tested |
//! | `signin`: `CredentialChallenge`, `CredentialVerification` | a step of Identity Center, or a wrong first or second factor |
//! | `signin`, `sso`: `UserAuthentication` | an interactive sign-in at Identity Center |
//! | `sso`, `signin`: `Authenticate`, `Federate` | a sign-in without the user's doing: the portal's session is used |
//! | `signin`: `SwitchRole`, `GetSigninToken` | a sign-in without the user's doing: one identity is used to become another |
//! | `sts`: `AssumeRoleWithSAML`, `AssumeRoleWithWebIdentity` | the same, where a person is named |
//! | every other, and whatever a workload does | not a sign-in |
//!
//! Who the user is, [`super::aws_user`] says. The session is Identity Center's `credentialId`, or the temporary key.
//!
//! ## Traps
//! - S3's notifications have the same keys as CloudTrail's records; digests and insights come in the same folder.
//! - A name that is not known is `HIDDEN_DUE_TO_SECURITY_REASONS`: a sign-in of nobody, which is a reject.
//! - `MFAUsed` "Yes" at a failure: the password or the code was wrong, nobody knows which. `MFAUsed` is always "No" in
//!   a federated sign-in, whatever the identity provider has asked for.
//! - `sourceIPAddress` may be the name of a service, or `AWS Internal`.
//! - The portal of Identity Center calls `GetSigninToken` itself: address and agent are its own, not the user's.
//! - `LoginTo` carries one-time codes behind its question mark.
//! - CloudTrail Lake and Athena write keys in lower case, and inner objects as text.
//! - There is no geography, no device and, but for Identity Center and temporary keys, no session.

use std::borrow::Cow;

use super::aws_user::{Person, Principal};
use super::draft::{Ending, blank, emit_with};
use super::format::{Emit, Format, Reader};
use super::paths::{Values, json_in, paths};
use super::scalar::Scalar;
use super::{Around, Decoded, Reject, SkipReason};
use crate::engine::signin::{Category, Credential, Mfa, Outcome, Provider, SignIn};

pub(super) const READER: Reader = Reader {
    format: Format::CloudTrail,
    marks: &[
        &["eventVersion", "userIdentity"],
        &["eventVersion", "eventSource"],
        &["eventVersion", "insightDetails"],
        &["eventID", "eventSource"],
        &["awsAccountId", "digestStartTime"],
        &["eventversion", "useridentity"],
        &["eventversion", "eventsource"],
    ],
    is_line: None,
    read,
};

paths! {
    /// Where CloudTrail has what is read.
    enum At (IgnoreCase) {
        EventId = Scalar "eventID",
        EventTime = Scalar "eventTime",
        EventSource = Scalar "eventSource",
        EventName = Scalar "eventName",
        Account = Scalar "recipientAccountId",
        Address = Scalar "sourceIPAddress",
        UserAgent = Scalar "userAgent",
        ErrorCode = Scalar "errorCode",
        ErrorMessage = Scalar "errorMessage",
        RequestId = Scalar "requestID",
        User = Json "userIdentity",
        UserType = Scalar "userIdentity/type",
        PrincipalId = Scalar "userIdentity/principalId",
        Arn = Scalar "userIdentity/arn",
        UserAccount = Scalar "userIdentity/accountId",
        AccessKey = Scalar "userIdentity/accessKeyId",
        UserName = Scalar "userIdentity/userName",
        IdentityProvider = Scalar "userIdentity/identityProvider",
        DirectoryUser = Scalar "userIdentity/onBehalfOf/userId",
        CredentialId = Scalar "userIdentity/credentialId",
        SourceIdentity = Scalar "userIdentity/sessionContext/sourceIdentity",
        SessionMfa = Scalar "userIdentity/sessionContext/attributes/mfaAuthenticated",
        Request = Json "requestParameters",
        RequestRole = Scalar "requestParameters/roleArn",
        Response = Json "responseElements",
        ConsoleLogin = Scalar "responseElements/ConsoleLogin",
        DirectoryLogin = Scalar "responseElements/ExternalIdPDirectoryLogin",
        CheckMfa = Scalar "responseElements/CheckMfa",
        SwitchRole = Scalar "responseElements/SwitchRole",
        SigninToken = Scalar "responseElements/GetSigninToken",
        Issuer = Scalar "responseElements/issuer",
        IssuedKey = Scalar "responseElements/credentials/accessKeyId",
        Additional = Json "additionalEventData",
        MfaUsed = Scalar "additionalEventData/MFAUsed",
        LoginTo = Scalar "additionalEventData/LoginTo",
        RedirectTo = Scalar "additionalEventData/RedirectTo",
        LoginUser = Scalar "additionalEventData/UserName",
        Workflow = Scalar "additionalEventData/AuthWorkflowID",
        CredentialType = Scalar "additionalEventData/CredentialType",
        Details = Json "serviceEventDetails",
        Challenge = Scalar "serviceEventDetails/CredentialChallenge",
        Verification = Scalar "serviceEventDetails/CredentialVerification",
        Authentication = Scalar "serviceEventDetails/UserAuthentication",
        RoleName = Scalar "serviceEventDetails/role_name",
    }
}

type Event<'a> = Values<'a, { At::COUNT }>;

fn read<'a>(text: &'a str, _: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut event = At::read(text)?;
    open_texts(&mut event);
    let Some(door) = door_of(&event) else {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    };
    let Some(person) = principal(&mut event).person() else {
        emit(Ok(Decoded::Skipped(SkipReason::ServicePrincipal)));
        return Ok(());
    };
    // Only a sign-in at AWS's own doors is one without a name, too.
    if door == Door::Federation && person.id.is_empty() && person.name.is_empty() {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    }
    let (category, ending) = ending_of(door, &event);
    let mut sign_in = sign_in(&mut event, person, door)?;
    sign_in.category = category;
    ending.put(&mut sign_in);
    emit_with(sign_in, None, emit)
}

/// Reads the inner objects that are written as text.
fn open_texts(event: &mut Event<'_>) {
    const INNER: [(At, &str); 5] = [
        (At::User, "userIdentity"),
        (At::Request, "requestParameters"),
        (At::Response, "responseElements"),
        (At::Additional, "additionalEventData"),
        (At::Details, "serviceEventDetails"),
    ];
    for (at, key) in INNER {
        if let Some(object) = json_in(event.get(at)) {
            let object = format!("{{\"{key}\":{object}}}");
            // Text that only looks like JSON says nothing.
            if let Ok(values) = At::read(&object) {
                event.fill(values);
            }
        }
    }
}

/// Which way in an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Console,
    ConsoleMfa,
    Challenge,
    Verification,
    /// Of Identity Center: all that was asked for is there.
    Authentication,
    /// The session of Identity Center's portal is used.
    Portal,
    SwitchRole,
    SigninToken,
    /// An identity provider's word is changed for a role's temporary key.
    Federation,
}

fn door_of(event: &Event<'_>) -> Option<Door> {
    let source = event.str(At::EventSource).trim().to_ascii_lowercase();
    let service = source.split('.').next().unwrap_or_default();
    let name = event.str(At::EventName).trim().to_ascii_lowercase();
    match (service, name.as_str()) {
        ("signin", "consolelogin" | "externalidpdirectorylogin") => Some(Door::Console),
        ("signin", "checkmfa") => Some(Door::ConsoleMfa),
        ("signin", "switchrole") => Some(Door::SwitchRole),
        ("signin", "getsignintoken") => Some(Door::SigninToken),
        ("signin" | "sso", "credentialchallenge") => Some(Door::Challenge),
        ("signin" | "sso", "credentialverification") => Some(Door::Verification),
        ("signin" | "sso", "userauthentication") => Some(Door::Authentication),
        ("signin" | "sso", "authenticate" | "federate") => Some(Door::Portal),
        ("sts", "assumerolewithsaml" | "assumerolewithwebidentity") => Some(Door::Federation),
        _ => None,
    }
}

/// A step on the way, of which the first factor is known to be right.
const STEP: Ending = Ending { outcome: Outcome::Interrupted, ..Ending::SUCCESS };
/// A step before anything is tested.
const ASKED: Ending = Ending { credential: Credential::Unknown, ..STEP };

fn ending_of(door: Door, event: &Event<'_>) -> (Category, Ending) {
    let passed = has_passed(event);
    match door {
        Door::Console => {
            (Category::Interactive, if passed { console_success(event) } else { console_failure(event) })
        }
        Door::ConsoleMfa if passed => (Category::Interactive, Ending { mfa: Mfa::Pending, ..ASKED }),
        Door::Challenge if passed => (Category::Interactive, challenge(event)),
        Door::Verification => (Category::Interactive, verification(event, passed)),
        Door::Authentication if passed => (Category::Interactive, authentication(event)),
        Door::ConsoleMfa | Door::Challenge | Door::Authentication => (Category::Interactive, Ending::UNCLEAR),
        Door::Portal | Door::SwitchRole | Door::SigninToken | Door::Federation if passed => {
            (Category::NonInteractive, Ending { mfa: claim(event), ..Ending::SUCCESS })
        }
        Door::Portal | Door::SwitchRole | Door::SigninToken | Door::Federation => {
            (Category::NonInteractive, Ending::UNCLEAR)
        }
    }
}

/// What the event's own word says; without one, an event without an error is a success.
fn has_passed(event: &Event<'_>) -> bool {
    let words = [
        At::ConsoleLogin,
        At::DirectoryLogin,
        At::CheckMfa,
        At::SwitchRole,
        At::SigninToken,
        At::Challenge,
        At::Verification,
        At::Authentication,
    ];
    match words.into_iter().find(|at| event.has(*at)) {
        Some(at) => event.is(at, "success"),
        None => !event.has(At::ErrorCode) && !event.has(At::ErrorMessage),
    }
}

/// Is it an identity whose password AWS itself tests?
fn has_own_password(event: &Event<'_>) -> bool {
    event.is(At::UserType, "IAMUser") || event.is(At::UserType, "Root")
}

fn is_mfa_used(event: &Event<'_>) -> bool {
    event.is(At::MfaUsed, "yes") || event.flag(At::MfaUsed) == Some(true)
}

fn console_success(event: &Event<'_>) -> Ending {
    if is_mfa_used(event) {
        return Ending::MFA_PERFORMED;
    }
    let is_not_used = event.is(At::MfaUsed, "no") || event.flag(At::MfaUsed) == Some(false);
    let mfa = if has_own_password(event) && is_not_used { Mfa::NotRequired } else { claim(event) };
    Ending { mfa, ..Ending::SUCCESS }
}

fn console_failure(event: &Event<'_>) -> Ending {
    let message = event.str(At::ErrorMessage).trim().to_ascii_lowercase();
    let is_plain = event.get(At::ErrorMessage).is_absent() || message == "failed authentication";
    match message.as_str() {
        _ if message.contains("no username found") => Ending::NO_SUCH_USER,
        _ if message.contains("locked") => Ending::LOCKED,
        _ if message.contains("disabled") => Ending::DISABLED,
        _ if is_plain && has_own_password(event) && !is_mfa_used(event) => Ending::WRONG,
        _ => Ending::UNCLEAR,
    }
}

/// What a session says that is used to make another.
fn claim(event: &Event<'_>) -> Mfa {
    if event.flag(At::SessionMfa) == Some(true) { Mfa::Claim } else { Mfa::Unknown }
}

/// What a credential of Identity Center proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Factor {
    First,
    Second,
    /// A code by mail is the first of a new user and the second of an unusual sign-in; an external identity provider
    /// asks what it likes.
    Either,
}

fn factor_of(credential: &str) -> Factor {
    match credential.trim().to_ascii_uppercase().as_str() {
        "PASSWORD" | "SMARTCARD" | "CLIENT_CERT" => Factor::First,
        "TOTP" | "WEBAUTHN" | "RESYNC_TOTP" | "RADIUS" => Factor::Second,
        _ => Factor::Either,
    }
}

fn challenge(event: &Event<'_>) -> Ending {
    match factor_of(event.str(At::CredentialType)) {
        Factor::Second => Ending::MFA_PENDING,
        Factor::First | Factor::Either => ASKED,
    }
}

fn verification(event: &Event<'_>, passed: bool) -> Ending {
    match (factor_of(event.str(At::CredentialType)), passed) {
        (Factor::First | Factor::Either, true) => STEP,
        (Factor::Second, true) => Ending { mfa: Mfa::Performed, ..STEP },
        (Factor::First, false) => Ending::WRONG,
        (Factor::Second, false) => Ending::MFA_DENIED,
        (Factor::Either, false) => Ending::UNCLEAR,
    }
}

fn authentication(event: &Event<'_>) -> Ending {
    let credentials = event.str(At::CredentialType);
    let factors = || credentials.split(',').map(factor_of);
    if factors().any(|factor| factor == Factor::Second) {
        return Ending::MFA_PERFORMED;
    }
    // Of an external identity provider nobody knows what it asked for.
    let is_all_known = factors().all(|factor| factor == Factor::First);
    Ending { mfa: if is_all_known { Mfa::NotRequired } else { Mfa::Unknown }, ..Ending::SUCCESS }
}

fn principal<'a>(event: &mut Event<'a>) -> Principal<'a> {
    let user_name = event.text(At::UserName);
    let login = event.text(At::LoginUser);
    Principal {
        kind: event.get(At::UserType).clone().into_text(),
        principal_id: event.text(At::PrincipalId),
        arn: event.text(At::Arn),
        account_id: event.get(At::UserAccount).clone().into_text(),
        // What was typed says more than what older events made of it.
        user_name: if login.is_empty() { user_name } else { login },
        source_identity: event.text(At::SourceIdentity),
        directory_user_id: event.text(At::DirectoryUser),
    }
}

fn sign_in<'a>(event: &mut Event<'a>, person: Person<'a>, door: Door) -> Result<SignIn<'a>, Reject> {
    let mut sign_in = blank(Provider::Aws, event.time(&[(At::EventTime, "eventTime")])?);
    sign_in.tenant_id = event.id(At::Account, "recipientAccountId")?;
    if sign_in.tenant_id.is_empty() {
        sign_in.tenant_id = event.id(At::UserAccount, "userIdentity.accountId")?;
    }
    sign_in.event_id = event.id(At::EventId, "eventID")?;
    sign_in.user_id = person.id;
    sign_in.user_principal_name = person.name;
    if event.is(At::UserType, "Root") {
        sign_in.user_display_name = Cow::Borrowed("root");
    }
    if !is_of_portal(door, event) {
        sign_in.address_text = event.text(At::Address);
        sign_in.user_agent = event.text(At::UserAgent);
    }
    sign_in.app_id = event.text(At::EventSource);
    sign_in.app_display_name = event.text(At::RoleName);
    sign_in.resource_display_name = resource(event);
    sign_in.correlation_id = event.first_text([At::Workflow, At::RequestId]);
    sign_in.session_id = session(event);
    if door == Door::Federation {
        let is_saml = event.is(At::EventName, "AssumeRoleWithSAML");
        sign_in.authentication_protocol = Cow::Borrowed(if is_saml { "saml" } else { "openIdConnect" });
        sign_in.token_issuer_name = event.first_text([At::Issuer, At::IdentityProvider]);
    }
    Ok(sign_in)
}

/// Is it Identity Center's own call for the user?
fn is_of_portal(door: Door, event: &Event<'_>) -> bool {
    door == Door::SigninToken && event.str(At::UserAgent).starts_with("Jersey/")
}

/// Where the sign-in leads to, without what a session could be taken over with.
fn resource<'a>(event: &mut Event<'a>) -> Cow<'a, str> {
    let end = |text: &str| text.find(['?', '#']).unwrap_or(text.len());
    for at in [At::LoginTo, At::RedirectTo] {
        if let Scalar::Text(url) = event.take(at) {
            let url = match url {
                Cow::Borrowed(url) => Cow::Borrowed(&url[..end(url)]),
                Cow::Owned(mut url) => {
                    url.truncate(end(&url));
                    Cow::Owned(url)
                }
            };
            return Scalar::Text(url).into_text();
        }
    }
    event.text(At::RequestRole)
}

/// The session at Identity Center, or the temporary key that stands for one; a long-lived key is none.
fn session<'a>(event: &mut Event<'a>) -> Cow<'a, str> {
    let credential = event.text(At::CredentialId);
    if !credential.is_empty() {
        return credential;
    }
    let key = event.first_text([At::IssuedKey, At::AccessKey]);
    if key.starts_with("ASIA") { key } else { Cow::Borrowed("") }
}
