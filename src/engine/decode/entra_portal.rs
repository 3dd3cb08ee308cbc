//! A row of the sign-ins that Entra's portal gives to download → `SignIn`.
//!
//! ## What it maps
//! The columns of the interactive and the non-interactive users' logs, by their English names. They are put where the
//! log's other forms have the same values, and read as those are: see [`super::entra`].
//!
//! ## Traps
//! - Column names are for people: some end in a space, one has two spaces inside.
//! - A success has the word in `Status` and no code, or the word "None".
//! - `Location` is city, state and country in one text; the city may be missing, and coordinates are.
//! - The file of the non-interactive users' log has the same columns: only its name tells, so who reads the file says it
//!   in [`IS_INTERACTIVE`].
//! - No column names the tenant whose log it is: it is taken from the user's home tenant.

use std::borrow::Cow;

use super::entra;
use super::fields::Fields;
use super::format::{Emit, Format, Reader};
use super::keys::Key;
use super::paths::{Values, paths};
use super::scalar::Scalar;
use super::{Around, Decoded, Reject, text};
use crate::engine::signin::Category;

pub(super) const READER: Reader =
    Reader { format: Format::Entra, marks: &[&["Date (UTC)", "Request ID"]], is_line: None, read };

/// Not a column of the portal's: `false` in the rows of a file whose name says "non-interactive".
pub const IS_INTERACTIVE: &str = "Is interactive";

paths! {
    /// The portal's columns.
    enum At (IgnoreCase) {
        Date = Scalar "Date (UTC)",
        RequestId = Scalar "Request ID",
        UserAgent = Scalar "User agent",
        CorrelationId = Scalar "Correlation ID",
        UserId = Scalar "User ID",
        User = Scalar "User",
        Username = Scalar "Username",
        IncomingTokenType = Scalar "Incoming token type",
        Protocol = Scalar "Authentication Protocol",
        UniqueToken = Scalar "Unique token identifier",
        Application = Scalar "Application",
        ApplicationId = Scalar "Application ID",
        Resource = Scalar "Resource",
        HomeTenantId = Scalar "Home tenant ID",
        IpAddress = Scalar "IP address",
        Location = Scalar "Location",
        Status = Scalar "Status",
        ErrorCode = Scalar "Sign-in error code",
        ClientApp = Scalar "Client app",
        DeviceId = Scalar "Device ID",
        Browser = Scalar "Browser",
        OperatingSystem = Scalar "Operating System",
        Compliant = Scalar "Compliant",
        Managed = Scalar "Managed",
        JoinType = Scalar "Join Type",
        MfaResult = Scalar "Multifactor authentication result",
        MfaMethod = Scalar "Multifactor authentication auth method",
        Requirement = Scalar "Authentication requirement",
        SessionId = Scalar "Session ID",
        Asn = Scalar "Autonomous system number",
        AsnSpaced = Scalar "Autonomous system  number",
        TokenIssuerType = Scalar "Token issuer type",
        TokenIssuerName = Scalar "Token issuer name",
        IsInteractive = Scalar "Is interactive",
    }
}

/// Columns whose values mean what the log's other forms mean by theirs.
const SAME: [(At, Key); 26] = [
    (At::Date, Key::CreatedDateTime),
    (At::RequestId, Key::Id),
    (At::UserAgent, Key::UserAgent),
    (At::CorrelationId, Key::CorrelationId),
    (At::UserId, Key::UserId),
    (At::User, Key::UserDisplayName),
    (At::Username, Key::UserPrincipalName),
    (At::IncomingTokenType, Key::IncomingTokenType),
    (At::Protocol, Key::AuthenticationProtocol),
    (At::UniqueToken, Key::UniqueTokenIdentifier),
    (At::Application, Key::AppDisplayName),
    (At::ApplicationId, Key::AppId),
    (At::Resource, Key::ResourceDisplayName),
    (At::HomeTenantId, Key::HomeTenantId),
    (At::IpAddress, Key::IpAddress),
    (At::ErrorCode, Key::ErrorCode),
    (At::ClientApp, Key::ClientAppUsed),
    (At::DeviceId, Key::DeviceId),
    (At::Browser, Key::Browser),
    (At::OperatingSystem, Key::OperatingSystem),
    (At::JoinType, Key::TrustType),
    (At::MfaResult, Key::AdditionalDetails),
    (At::MfaMethod, Key::MfaMethod),
    (At::SessionId, Key::SessionId),
    (At::TokenIssuerType, Key::TokenIssuerType),
    (At::TokenIssuerName, Key::TokenIssuerName),
];

fn read<'a>(text: &'a str, _: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut row = At::read(text)?;
    let mut fields = Fields::new();
    for (at, key) in SAME {
        fields.set(key, row.take(at));
    }
    let asn = if row.has(At::Asn) { At::Asn } else { At::AsnSpaced };
    fields.set(Key::AutonomousSystemNumber, row.take(asn));
    fields.set(Key::IsCompliant, flag(&row, At::Compliant));
    fields.set(Key::IsManaged, flag(&row, At::Managed));
    // "Success", "Failure": said where there is no code. "Interrupted" always has one.
    fields.set(Key::ResultType, row.take(At::Status));
    let requirement = row.str(At::Requirement).replace(['-', ' '], "");
    fields.set(Key::AuthenticationRequirement, Scalar::Text(Cow::Owned(requirement)));
    put_location(&mut fields, &row.text(At::Location));
    let is_silent = row.flag(At::IsInteractive) == Some(false);
    let category = if is_silent { Category::NonInteractive } else { Category::Interactive };
    emit(Ok(Decoded::SignIn(entra::sign_in(category, &mut fields, &mut Fields::new())?)));
    Ok(())
}

fn flag<'a>(row: &Values<'_, { At::COUNT }>, at: At) -> Scalar<'a> {
    let flag = row.flag(at).or_else(|| if row.is(at, "Yes") { Some(true) } else { None });
    flag.or_else(|| row.is(at, "No").then_some(false)).map_or(Scalar::Absent, Scalar::Flag)
}

/// "City, State, Country": the last is the country's code, the first the city where there are three.
fn put_location(fields: &mut Fields<'_>, location: &str) {
    let owned = |text: &str| Scalar::Text(Cow::Owned(text.trim().to_owned()));
    let mut parts = location.rsplitn(3, ',').filter(|part| !text::is_absent(part));
    for key in [Key::Country, Key::State, Key::City] {
        fields.set(key, parts.next().map_or(Scalar::Absent, owned));
    }
}
