//! Events of Okta's first API (`/api/v1/events`, until 2020) → sign-ins: what archives hold.
//!
//! The user and the client are both `actors`, told apart by `objectType`; the client's id is its user agent. There is
//! no geography, no device and no reason of a failure.

use super::super::draft::{Ending, blank, emit_with};
use super::super::format::Emit;
use super::super::paths::{elements, paths};
use super::super::{Decoded, Reject, SkipReason};
use super::{STEP, is_of_authn};
use crate::engine::signin::{Category, Mfa, Provider};

paths! {
    /// Where an event has what is read.
    enum At (IgnoreCase) {
        EventId = Scalar "eventId",
        Published = Scalar "published",
        SessionId = Scalar "sessionId",
        RequestId = Scalar "requestId",
        Kind = Scalar "action/objectType",
        RequestUri = Scalar "action/requestUri",
        Actors = Json "actors",
        Targets = Json "targets",
    }
}

paths! {
    /// Who or what took part.
    enum PartyAt (IgnoreCase) {
        Id = Scalar "id",
        Kind = Scalar "objectType",
        Login = Scalar "login",
        DisplayName = Scalar "displayName",
        IpAddress = Scalar "ipAddress",
    }
}

type Party<'a> = super::Values<'a, { PartyAt::COUNT }>;

pub(super) fn read<'a>(text: &'a str, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut event = At::read(text)?;
    let Some((category, ending)) = attempt(event.str(At::Kind), event.str(At::RequestUri)) else {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    };
    let (actors, targets) = (event.json(At::Actors), event.json(At::Targets));
    let mut sign_in = blank(Provider::Okta, event.time(&[(At::Published, "published")])?);
    sign_in.category = category;
    ending.put(&mut sign_in);
    sign_in.event_id = event.id(At::EventId, "eventId")?;
    sign_in.session_id = event.text(At::SessionId);
    sign_in.correlation_id = event.text(At::RequestId);
    if let Some(mut user) = party(actors, "User").or_else(|| party(targets, "User")) {
        sign_in.user_id = user.id(PartyAt::Id, "actors.id")?;
        sign_in.user_principal_name = user.text(PartyAt::Login);
        sign_in.user_display_name = user.text(PartyAt::DisplayName);
    }
    if let Some(mut client) = party(actors, "Client") {
        sign_in.user_agent = client.text(PartyAt::Id);
        sign_in.device.browser = client.text(PartyAt::DisplayName);
        sign_in.address_text = client.text(PartyAt::IpAddress);
    }
    if let Some(mut app) = party(targets, "AppInstance") {
        sign_in.app_id = app.text(PartyAt::Id);
        sign_in.app_display_name = app.text(PartyAt::DisplayName);
    }
    emit_with(sign_in, None, emit)
}

fn attempt(kind: &str, uri: &str) -> Option<(Category, Ending)> {
    Some(match kind {
        "core.user_auth.login_success" => (Category::Interactive, Ending::SUCCESS),
        "core.user_auth.login_failed" => (Category::Interactive, Ending::UNCLEAR),
        "core.user_auth.login_denied" => (Category::Interactive, Ending::BLOCKED),
        "core.user_auth.account_locked" => (Category::Interactive, Ending::LOCKED),
        "core.user.factor.attempt_success" => (Category::Interactive, Ending { mfa: Mfa::Performed, ..STEP }),
        "core.user.factor.attempt_fail" if is_of_authn(uri) => (Category::Interactive, Ending::MFA_DENIED),
        "core.user.factor.attempt_fail" => (Category::Interactive, Ending::MFA_UNPROVEN),
        "app.auth.sso" => (Category::NonInteractive, Ending::SUCCESS),
        _ => return None,
    })
}

fn party<'a>(parties: &'a str, kind: &str) -> Option<Party<'a>> {
    elements(parties).filter_map(|party| PartyAt::read(party).ok()).find(|party| party.is(PartyAt::Kind, kind))
}
