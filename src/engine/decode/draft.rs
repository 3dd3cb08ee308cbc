//! A sign-in while it is made: what a format does not say is blank, and one place checks what every sign-in keeps to.

use std::borrow::Cow;

use super::address::parse_address;
use super::format::Emit;
use super::{Decoded, Reject, RejectReason, SkipReason, client, event_id, text};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{
    AccountState, Category, ClientApp, Credential, DeviceDetail, EventTime, Mfa, Outcome, Provider,
    ProviderLocation, SOURCE_LENGTH_MAX, SignIn, UpstreamFinding,
};

/// A sign-in of which nothing is known but where and when: a success with a right first factor, to be corrected.
pub(super) fn blank(provider: Provider, event_time: EventTime) -> SignIn<'static> {
    let none = Cow::Borrowed("");
    SignIn {
        provider,
        category: Category::Interactive,
        tenant_id: none.clone(),
        event_id: none.clone(),
        event_time,
        user_id: none.clone(),
        user_principal_name: none.clone(),
        user_display_name: none.clone(),
        outcome: Outcome::Success,
        credential: Credential::Right,
        mfa: Mfa::Unknown,
        account: AccountState::Normal,
        error_code: None,
        address: None,
        address_text: none.clone(),
        asn: None,
        location: ProviderLocation::default(),
        app_id: none.clone(),
        app_display_name: none.clone(),
        resource_display_name: none.clone(),
        client_app: ClientApp::Unknown,
        client_app_used: none.clone(),
        authentication_protocol: none.clone(),
        user_agent: none.clone(),
        device: DeviceDetail::default(),
        session_id: none.clone(),
        correlation_id: none.clone(),
        incoming_token_type: none.clone(),
        token_issuer_type: none.clone(),
        token_issuer_name: none,
    }
}

/// How an attempt ended, in the four words that go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) credential: Credential,
    pub(super) mfa: Mfa,
    pub(super) account: AccountState,
}

impl Ending {
    /// First factor right, and let in.
    pub(super) const SUCCESS: Ending = Ending {
        outcome: Outcome::Success,
        credential: Credential::Right,
        mfa: Mfa::Unknown,
        account: AccountState::Normal,
    };
    /// A wrong password, or whatever else the first factor is.
    pub(super) const WRONG: Ending =
        Ending { outcome: Outcome::Failed, credential: Credential::Wrong, ..Ending::SUCCESS };
    /// It failed, and the record does not say whether the first factor was right.
    pub(super) const UNCLEAR: Ending =
        Ending { outcome: Outcome::Failed, credential: Credential::Unknown, ..Ending::SUCCESS };
    /// There is no such user.
    pub(super) const NO_SUCH_USER: Ending = Ending { account: AccountState::Unknown, ..Ending::UNCLEAR };
    pub(super) const LOCKED: Ending = Ending { account: AccountState::Locked, ..Ending::UNCLEAR };
    pub(super) const DISABLED: Ending = Ending { account: AccountState::Disabled, ..Ending::UNCLEAR };
    /// First factor right, then a policy refused.
    pub(super) const BLOCKED: Ending = Ending { outcome: Outcome::Blocked, ..Ending::SUCCESS };
    /// First factor right, then the second was asked for and denied, failed or not answered.
    pub(super) const MFA_DENIED: Ending = Ending { mfa: Mfa::Denied, ..Ending::BLOCKED };
    /// What is a second factor as a rule was denied or wrong, and nothing proves that the first was given.
    pub(super) const MFA_UNPROVEN: Ending = Ending { credential: Credential::Unknown, ..Ending::MFA_DENIED };
    /// As [`Self::MFA_DENIED`], and the owner reported the prompt.
    pub(super) const MFA_REPORTED: Ending = Ending { mfa: Mfa::Reported, ..Ending::BLOCKED };
    /// First factor right; the second is asked for.
    pub(super) const MFA_PENDING: Ending =
        Ending { outcome: Outcome::Interrupted, mfa: Mfa::Pending, ..Ending::SUCCESS };
    /// Let in after the user gave the second factor.
    pub(super) const MFA_PERFORMED: Ending = Ending { mfa: Mfa::Performed, ..Ending::SUCCESS };

    pub(super) fn put(self, sign_in: &mut SignIn<'_>) {
        let Ending { outcome, credential, mfa, account } = self;
        (sign_in.outcome, sign_in.credential, sign_in.mfa, sign_in.account) = (outcome, credential, mfa, account);
    }
}

/// Checks and completes a sign-in: ids, the user (the principal name where there is no id), the tenant (the provider's
/// name where there is none), the address, the client and, where the record has no id, one made of its fields.
///
/// # Errors
/// No user, or an id that cannot be kept.
pub(super) fn finish(mut sign_in: SignIn<'_>) -> Result<SignIn<'_>, Reject> {
    sign_in.user_principal_name = text::cut(text::fold(sign_in.user_principal_name));
    sign_in.user_id = user_id(sign_in.user_id, &sign_in.user_principal_name)?;
    sign_in.tenant_id = tenant_id(sign_in.tenant_id, sign_in.provider)?;
    sign_in.address = parse_address(&sign_in.address_text);
    if sign_in.client_app == ClientApp::Unknown {
        sign_in.client_app = client::client_app(&sign_in.client_app_used, &sign_in.user_agent);
    }
    // A line of text has no id, and may have come within the second of another.
    let told_apart = match sign_in.event_id.is_empty() {
        true => format!("{:?} {:?} {}", sign_in.outcome, sign_in.mfa, sign_in.session_id),
        false => String::new(),
    };
    sign_in.event_id = event_id::event_id(&sign_in, "", &told_apart)?;
    Ok(sign_in)
}

/// As [`finish`], for another product's finding; its own id where it names no sign-in.
///
/// # Errors
/// No user, or an id that cannot be kept.
pub(super) fn finish_finding(mut finding: UpstreamFinding<'_>) -> Result<UpstreamFinding<'_>, Reject> {
    finding.user_principal_name = text::cut(text::fold(finding.user_principal_name));
    finding.user_id = user_id(finding.user_id, &finding.user_principal_name)?;
    finding.tenant_id = tenant_id(finding.tenant_id, finding.provider)?;
    finding.address = parse_address(&finding.address_text);
    let end = finding.source.floor_char_boundary(SOURCE_LENGTH_MAX);
    if end < finding.source.len() {
        finding.source = Cow::Owned(finding.source[..end].to_owned());
    }
    finding.event_id = event_id::finding_id(&finding)?;
    if finding.request_id.is_empty() {
        finding.request_id = finding.event_id.clone();
    }
    finding.request_id = text::check_id(finding.request_id, "request id")?;
    Ok(finding)
}

/// What an attempt came to, or why the record is none; `sign_in` is asked for the rest only where it is one.
pub(super) fn emit_attempt<'a>(
    attempt: Result<(Category, Ending), SkipReason>,
    sign_in: impl FnOnce() -> Result<SignIn<'a>, Reject>,
    emit: Emit<'_, 'a>,
) -> Result<(), Reject> {
    match attempt {
        Ok((category, ending)) => {
            let mut sign_in = SignIn { category, ..sign_in()? };
            ending.put(&mut sign_in);
            emit_with(sign_in, None, emit)
        }
        Err(reason) => {
            emit(Ok(Decoded::Skipped(reason)));
            Ok(())
        }
    }
}

/// The sign-in and, where its first factor was right, the risk that its own record gives it.
pub(super) fn emit_with<'a>(
    sign_in: SignIn<'a>,
    risk: Option<SignInRisk<'a>>,
    emit: Emit<'_, 'a>,
) -> Result<(), Reject> {
    let sign_in = finish(sign_in)?;
    // Risk is rare, and copies the sign-in's names.
    let finding = risk.filter(|_| carries_risk(&sign_in)).map(|risk| risk.of(&sign_in)).transpose()?;
    emit(Ok(Decoded::SignIn(sign_in)));
    if let Some(finding) = finding {
        emit(Ok(Decoded::UpstreamFinding(finding)));
    }
    Ok(())
}

/// A wrong password is nobody's risk, whatever the provider thinks of its sender.
fn carries_risk(sign_in: &SignIn<'_>) -> bool {
    sign_in.credential == Credential::Right && matches!(sign_in.outcome, Outcome::Success | Outcome::Blocked)
}

/// Risk that a sign-in's own record tells of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SignInRisk<'a> {
    pub(super) source: Cow<'a, str>,
    pub(super) kind: RiskEventType,
    pub(super) source_type: Cow<'a, str>,
    pub(super) level: RiskLevel,
    pub(super) is_confirmed: bool,
    pub(super) reasons: Cow<'a, str>,
}

impl<'a> SignInRisk<'a> {
    fn of(self, sign_in: &SignIn<'a>) -> Result<UpstreamFinding<'a>, Reject> {
        finish_finding(UpstreamFinding {
            source: self.source,
            provider: sign_in.provider,
            tenant_id: sign_in.tenant_id.clone(),
            user_id: sign_in.user_id.clone(),
            user_principal_name: sign_in.user_principal_name.clone(),
            event_id: Cow::Owned(format!("{}/{}", sign_in.event_id, self.kind.name())),
            event_time: sign_in.event_time,
            activity_time: sign_in.event_time,
            kind: self.kind,
            source_type: self.source_type,
            level: self.level,
            is_confirmed: self.is_confirmed,
            request_id: sign_in.event_id.clone(),
            is_about_user: false,
            address: None,
            address_text: sign_in.address_text.clone(),
            location: sign_in.location.clone(),
            reasons: text::cut(self.reasons),
        })
    }
}

fn user_id<'a>(id: Cow<'a, str>, name: &Cow<'a, str>) -> Result<Cow<'a, str>, Reject> {
    let id = if id.is_empty() { name.clone() } else { text::fold_id(id) };
    if id.is_empty() {
        return Err(Reject::new(RejectReason::NoUser, "no user id and no user name"));
    }
    text::check_id(id, "user id")
}

fn tenant_id(id: Cow<'_, str>, provider: Provider) -> Result<Cow<'_, str>, Reject> {
    let id = if id.is_empty() { Cow::Borrowed(provider.name()) } else { text::fold_id(id) };
    text::check_id(id, "tenant id")
}
