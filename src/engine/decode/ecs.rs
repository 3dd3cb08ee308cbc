//! Elastic Common Schema: documents of Elastic's integrations, of Beats and of whoever writes `event.category`
//! `authentication` → [`SignIn`]s and upstream findings.
//!
//! ## What it maps
//! | document | becomes |
//! |---|---|
//! | with a provider's own object (`okta`, `azure.signinlogs`, `azure.identityprotection`, `aws.cloudtrail`, `google_workspace`, `auth0`, `cisco_duo`, `ping_one`, `jumpcloud`, `o365` …) | what that provider's reader makes of it, see [`vendors`] |
//! | any other of category `authentication`, or `session` with type `start` | an interactive sign-in; Windows' network logons one without the user's doing |
//! | of `sudo`, `su` and `cron`; type `end`, kinds `alert`, `signal`, `metric`, `state` …, every other category | not a sign-in |
//!
//! The provider is what `event.dataset`, `event.module`, `event.provider` or `observer` name; sshd is the process of
//! that name. A document that carries its raw record in `event.original` or `message` comes here only where that record
//! is of no known format: see [`super::envelope`].
//!
//! ## Traps
//! - Keys are nested, dotted, or both in one document. `event.category` and `event.type` are text or arrays.
//! - `event.outcome` of Azure is `failure` for steps on the way, too.
//! - `event.module` of JumpCloud's integration is the service's name, not the product's.
//! - `source.geo` is mostly the shipper's look-up, and `geo` at the top what Azure said; in old documents
//!   `geo.country_name` is a state.
//! - `host` is where it was logged, never the client; `cloud.account.id` of a host's log is the host's.
//! - Windows writes `S-1-0-0` for nobody, and names of machines end with `$`.
//! - ECS has no session id, and no word for why: `event.reason` and what else there is in words, [`super::reason`].

mod azure;
mod vendors;

use std::borrow::Cow;

use super::country::code_of;
use super::draft::{Ending, blank, finish};
use super::format::{Emit, Format, Reader};
use super::paths::{Values, elements, paths};
use super::product::provider_named;
use super::reason::{ending_of, windows_ending};
use super::respell::{emit_all, read_as};
use super::{Around, Decoded, Reject, RejectReason, SkipReason, entra, text};
use crate::engine::signin::{Category, Credential, Outcome, Provider, ProviderLocation, SignIn};
use vendors::{VENDORS, Vendor};

pub(super) const READER: Reader = Reader {
    format: Format::Ecs,
    // Those of the envelope that Beats and Elastic Agent write: see `WRAPPINGS`.
    marks: &[],
    is_line: None,
    read,
};

paths! {
    /// Where documents have what is read.
    enum At (Dotted) {
        Timestamp = Scalar "@timestamp",
        Start = Scalar "event/start",
        Created = Scalar "event/created",
        Kind = Scalar "event/kind",
        Category = Json "event/category",
        Type = Json "event/type",
        Action = Scalar "event/action",
        Outcome = Scalar "event/outcome",
        Reason = Scalar "event/reason",
        Id = Scalar "event/id",
        Dataset = Scalar "event/dataset",
        StreamDataset = Scalar "data_stream/dataset",
        Module = Scalar "event/module",
        EventProvider = Scalar "event/provider",
        ObserverProduct = Scalar "observer/product",
        ObserverVendor = Scalar "observer/vendor",
        ProcessName = Scalar "process/name",
        ProcessId = Scalar "process/pid",
        ErrorMessage = Scalar "error/message",
        Message = Scalar "message",
        Organization = Scalar "organization/id",
        CloudAccount = Scalar "cloud/account/id",
        UserId = Scalar "user/id",
        UserName = Scalar "user/name",
        UserEmail = Scalar "user/email",
        UserFullName = Scalar "user/full_name",
        UserDomain = Scalar "user/domain",
        SourceUserId = Scalar "source/user/id",
        SourceUserName = Scalar "source/user/name",
        SourceUserEmail = Scalar "source/user/email",
        ClientUserId = Scalar "client/user/id",
        ClientUserName = Scalar "client/user/name",
        ClientUserEmail = Scalar "client/user/email",
        SourceIp = Scalar "source/ip",
        FirstSourceIp = Scalar "source/ip/0",
        SourceAddress = Scalar "source/address",
        ClientIp = Scalar "client/ip",
        FirstClientIp = Scalar "client/ip/0",
        ClientAddress = Scalar "client/address",
        SourceAs = Scalar "source/as/number",
        ClientAs = Scalar "client/as/number",
        SourceCity = Scalar "source/geo/city_name",
        SourceRegion = Scalar "source/geo/region_name",
        SourceCountry = Scalar "source/geo/country_iso_code",
        SourceCountryName = Scalar "source/geo/country_name",
        SourceLatitude = Scalar "source/geo/location/lat",
        SourceLongitude = Scalar "source/geo/location/lon",
        ClientCity = Scalar "client/geo/city_name",
        ClientRegion = Scalar "client/geo/region_name",
        ClientCountry = Scalar "client/geo/country_iso_code",
        ClientCountryName = Scalar "client/geo/country_name",
        ClientLatitude = Scalar "client/geo/location/lat",
        ClientLongitude = Scalar "client/geo/location/lon",
        UserAgent = Scalar "user_agent/original",
        AgentName = Scalar "user_agent/name",
        AgentVersion = Scalar "user_agent/version",
        AgentOsFull = Scalar "user_agent/os/full",
        AgentOs = Scalar "user_agent/os/name",
        DeviceId = Scalar "device/id",
        HostName = Scalar "host/hostname",
        HostOtherName = Scalar "host/name",
        ServiceName = Scalar "service/name",
        SessionId = Scalar "session/id",
        Transaction = Scalar "transaction/id",
        Trace = Scalar "trace/id",
        SshEvent = Scalar "system/auth/ssh/event",
        SshMethod = Scalar "system/auth/ssh/method",
        LogonType = Scalar "winlog/event_data/LogonType",
        LogonTypeName = Scalar "winlog/logon/type",
        SubStatus = Scalar "winlog/event_data/SubStatus",
        Status = Scalar "winlog/event_data/Status",
        LogonReason = Scalar "winlog/logon/failure/sub_status",
        AuthenticationPackage = Scalar "winlog/event_data/AuthenticationPackageName",
        AzureSignIns = Json "azure/signinlogs",
        AzureRisk = Json "azure/identityprotection",
        Okta = Json "okta",
        CloudTrail = Json "aws/cloudtrail",
        Google = Json "google_workspace",
        Auth0 = Json "auth0",
        Keycloak = Json "keycloak",
        Duo = Json "cisco_duo",
        OneLogin = Json "onelogin",
        PingOne = Json "ping_one",
        JumpCloud = Json "jumpcloud",
        M365 = Json "o365/audit",
    }
}

type Document<'a> = Values<'a, { At::COUNT }>;

fn read<'a>(text: &'a str, around: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut document = At::read(text)?;
    if ["alert", "signal", "metric", "state", "asset", "enrichment"].iter().any(|kind| document.is(At::Kind, kind))
    {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    }
    // Our own output must not come back as news.
    if document.is(At::Module, "farsign") {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    }
    for vendor in VENDORS.iter().filter(|vendor| is_likely(vendor, text, &document)) {
        // What the provider's reader cannot use, the common fields may tell well enough; and a failure that it took for a
        // success was not in its words.
        if let Some(record) = vendor.spelling.rewrite(text)?
            && let Some(Ok(found)) = read_as(vendor.format, &record, around)
            && !(document.is(At::Outcome, "failure") && found.iter().any(is_success))
        {
            emit_all(found, emit);
            return Ok(());
        }
    }
    let provider = provider_of(&document);
    emit(Ok(decoded(&mut document, provider)?));
    Ok(())
}

pub(super) fn is_success(decoded: &Result<Decoded<'_>, Reject>) -> bool {
    matches!(decoded, Ok(Decoded::SignIn(sign_in)) if sign_in.outcome == Outcome::Success)
}

fn dataset_of<'d>(document: &'d Document<'_>) -> &'d str {
    if document.has(At::Dataset) { document.str(At::Dataset) } else { document.str(At::StreamDataset) }
}

/// Is it worth looking for what is the vendor's own? Its object is there, nested or dotted, or the dataset is its.
fn is_likely(vendor: &Vendor, text: &str, document: &Document<'_>) -> bool {
    let is_named = || provider_named([dataset_of(document), document.str(At::Module)]) == Some(vendor.provider);
    document.has(vendor.object) || is_named() || text.contains(vendor.dotted)
}

fn provider_of(document: &Document<'_>) -> Provider {
    let is_sshd = document.str(At::ProcessName).starts_with("sshd")
        || document.has(At::SshEvent)
        || document.is(At::Action, "ssh_login");
    let names =
        [At::Dataset, At::StreamDataset, At::Module, At::EventProvider, At::ObserverProduct, At::ObserverVendor];
    let named = provider_named(names.iter().map(|at| document.str(*at)));
    named.unwrap_or(if is_sshd { Provider::Sshd } else { Provider::Other })
}

/// A document of which nothing is known but what ECS says.
fn decoded<'a>(document: &mut Document<'a>, provider: Provider) -> Result<Decoded<'a>, Reject> {
    let Some(ending) = ending(document) else { return Ok(Decoded::Skipped(SkipReason::NotASignIn)) };
    if is_workload(document) {
        return Ok(Decoded::Skipped(SkipReason::ServicePrincipal));
    }
    let times = [(At::Timestamp, "@timestamp"), (At::Start, "event.start"), (At::Created, "event.created")];
    let mut sign_in = blank(provider, document.time(&times)?);
    sign_in.category = category(document, ending);
    ending.put(&mut sign_in);
    who(document, &mut sign_in)?;
    whence(document, &mut sign_in);
    with_what(document, &mut sign_in);
    if provider == Provider::Sshd {
        of_sshd(document, &mut sign_in);
    }
    finish(sign_in).map(Decoded::SignIn)
}

/// The words of a value that is text or an array of texts.
fn has_word(document: &Document<'_>, at: At, word: &str) -> bool {
    document.is(at, word)
        || elements(document.json(at)).any(|element| element.trim_matches('"').eq_ignore_ascii_case(word))
}

/// How it ended; `None` where it is no sign-in.
fn ending(document: &Document<'_>) -> Option<Ending> {
    let is_end = has_word(document, At::Type, "end") && !has_word(document, At::Type, "start");
    let action = document.str(At::Action).to_ascii_lowercase();
    let is_out =
        ["logout", "logoff", "logged-out", "logged_out", "logged-off"].iter().any(|word| action.contains(word));
    // Who is there already becomes another, or a clock starts something.
    let is_local =
        ["sudo", "su", "cron", "crond", "systemd"].iter().any(|name| document.is(At::ProcessName, name));
    if is_end || is_out || is_local {
        return None;
    }
    // Beats before 7.
    let was_success = has_word(document, At::Type, "authentication_success");
    let was_failure = has_word(document, At::Type, "authentication_failure");
    let is_session = has_word(document, At::Category, "session") && has_word(document, At::Type, "start");
    let is_one = has_word(document, At::Category, "authentication") || is_session || was_success || was_failure;
    let has_passed = document.is(At::Outcome, "success") || (!document.has(At::Outcome) && was_success);
    let has_failed = document.is(At::Outcome, "failure") || was_failure || has_word(document, At::Type, "denied");
    match (is_one, has_passed, has_failed) {
        (true, true, _) => Some(Ending::SUCCESS),
        (true, false, true) => Some(refusal(document)),
        // Neither let in nor refused.
        (true, false, false) if document.is(At::Outcome, "unknown") => {
            Some(Ending { outcome: Outcome::Interrupted, ..Ending::UNCLEAR })
        }
        _ => None,
    }
}

/// Why it failed, as far as words say; the message is long, and may speak of other things than the attempt.
fn refusal(document: &Document<'_>) -> Ending {
    let codes = [At::SubStatus, At::Status].into_iter().find_map(|at| windows_ending(document.str(at)));
    let reasons = [At::Reason, At::LogonReason, At::ErrorMessage];
    let said = || reasons.into_iter().find_map(|at| ending_of(document.str(at)));
    let in_message =
        || ending_of(document.str(At::Message)).filter(|ending| ending.credential != Credential::Right);
    codes.or_else(|| ssh_refusal(document)).or_else(said).or_else(in_message).unwrap_or(Ending::UNCLEAR)
}

/// A key is offered without knowing whether it fits; a password is not.
fn ssh_refusal(document: &Document<'_>) -> Option<Ending> {
    if document.is(At::SshEvent, "invalid") {
        return Some(Ending::NO_SUCH_USER);
    }
    let is_typed = document.is(At::SshMethod, "password") || document.str(At::SshMethod).starts_with("keyboard");
    let is_unknown = ending_of(document.str(At::Message)) == Some(Ending::NO_SUCH_USER);
    (document.is(At::SshEvent, "failed") && is_typed).then_some(if is_unknown {
        Ending::NO_SUCH_USER
    } else {
        Ending::WRONG
    })
}

/// A logon over the network is mostly a session used again, and a service's ticket always; a failed one has presented
/// something.
fn category(document: &Document<'_>, ending: Ending) -> Category {
    let is_network = document.get(At::LogonType).to_u32() == Some(3) || document.is(At::LogonTypeName, "network");
    let is_ticket = document.str(At::Action).to_ascii_lowercase().contains("service-ticket");
    let is_silent = is_ticket || (is_network && ending.credential == Credential::Right);
    if is_silent { Category::NonInteractive } else { Category::Interactive }
}

/// Machines, and Windows' own accounts and kinds of logon: batch and service.
fn is_workload(document: &Document<'_>) -> bool {
    let is_machine = document.str(At::UserName).trim_end().ends_with('$');
    let is_system = ["S-1-5-18", "S-1-5-19", "S-1-5-20"].iter().any(|id| document.is(At::UserId, id));
    let kind = document.get(At::LogonType).to_u32();
    let is_service = ["service", "batch", "system"].iter().any(|name| document.is(At::LogonTypeName, name));
    is_machine || is_system || is_service || matches!(kind, Some(0 | 4 | 5))
}

fn who<'a>(document: &mut Document<'a>, sign_in: &mut SignIn<'a>) -> Result<(), Reject> {
    for (at, name) in
        [(At::UserId, "user.id"), (At::SourceUserId, "source.user.id"), (At::ClientUserId, "client.user.id")]
    {
        let id = document.id(at, name)?;
        if sign_in.user_id.is_empty() && id != "S-1-0-0" {
            sign_in.user_id = id;
        }
    }
    let email = document.first_text([At::UserEmail, At::SourceUserEmail, At::ClientUserEmail]);
    let name = document.first_text([At::UserName, At::SourceUserName, At::ClientUserName]);
    let domain = document.text(At::UserDomain);
    sign_in.user_principal_name = match () {
        () if !email.is_empty() => email,
        // A principal name that was taken apart.
        () if !name.is_empty() && !name.contains('@') && domain.contains('.') => {
            Cow::Owned(format!("{name}@{domain}"))
        }
        () => name,
    };
    sign_in.user_display_name = document.text(At::UserFullName);
    let is_cloud = matches!(sign_in.provider, Provider::Aws | Provider::Entra | Provider::Google);
    sign_in.tenant_id = document.id(At::Organization, "organization.id")?;
    if sign_in.tenant_id.is_empty() && is_cloud {
        sign_in.tenant_id = document.id(At::CloudAccount, "cloud.account.id")?;
    }
    if sign_in.tenant_id.is_empty() && sign_in.provider == Provider::Entra {
        sign_in.tenant_id = Cow::Borrowed(entra::TENANT_UNKNOWN);
    }
    sign_in.event_id = document.id(At::Id, "event.id")?;
    if sign_in.user_id.is_empty() && sign_in.user_principal_name.is_empty() {
        return Err(Reject::new(RejectReason::NoUser, "no `user` in a document of an authentication"));
    }
    Ok(())
}

fn whence<'a>(document: &mut Document<'a>, sign_in: &mut SignIn<'a>) {
    sign_in.address_text = document.first_text([
        At::SourceIp,
        At::FirstSourceIp,
        At::ClientIp,
        At::FirstClientIp,
        At::SourceAddress,
        At::ClientAddress,
    ]);
    sign_in.asn = [At::SourceAs, At::ClientAs].into_iter().find_map(|at| entra::asn_of(document.get(at)));
    let countries = [At::SourceCountry, At::ClientCountry, At::SourceCountryName, At::ClientCountryName]
        .map(|at| document.text(at));
    let places = [(At::SourceLatitude, At::SourceLongitude), (At::ClientLatitude, At::ClientLongitude)];
    sign_in.location = ProviderLocation {
        city: document.first_text([At::SourceCity, At::ClientCity]),
        state: document.first_text([At::SourceRegion, At::ClientRegion]),
        country: countries.into_iter().map(code_of).find(|country| !country.is_empty()).unwrap_or_default(),
        coordinates: places.into_iter().find_map(|(latitude, longitude)| {
            entra::coordinates(document.number(latitude), document.number(longitude))
        }),
    };
}

fn with_what<'a>(document: &mut Document<'a>, sign_in: &mut SignIn<'a>) {
    let (name, version) = (document.text(At::AgentName), document.text(At::AgentVersion));
    let browser = if name.eq_ignore_ascii_case("other") { String::new() } else { format!("{name} {version}") };
    let browser = text::cut(Cow::Owned(browser.trim().to_owned()));
    sign_in.user_agent = document.text(At::UserAgent);
    if sign_in.user_agent.is_empty() {
        sign_in.user_agent = browser.clone();
    }
    sign_in.device.browser = browser;
    sign_in.device.operating_system = document.first_text([At::AgentOsFull, At::AgentOs]);
    sign_in.device.device_id = document.text(At::DeviceId);
    sign_in.app_display_name = document.text(At::ServiceName);
    sign_in.resource_display_name = document.first_text([At::HostName, At::HostOtherName]);
    sign_in.session_id = document.text(At::SessionId);
    sign_in.correlation_id = document.first_text([At::Transaction, At::Trace]);
    sign_in.authentication_protocol = document.text(At::AuthenticationPackage);
}

/// As sshd's own reader has it: the name is the user, not the number; host and process tie an attempt's lines.
fn of_sshd<'a>(document: &mut Document<'a>, sign_in: &mut SignIn<'a>) {
    if !sign_in.user_principal_name.is_empty() {
        sign_in.user_id = sign_in.user_principal_name.clone();
    }
    sign_in.authentication_protocol = document.text(At::SshMethod);
    if let Some(pid) = document.get(At::ProcessId).to_u32() {
        sign_in.correlation_id = text::cut(Cow::Owned(format!("{}/{pid}", sign_in.resource_display_name)));
    }
}
