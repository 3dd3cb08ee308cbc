//! Google Workspace's login and SAML logs → [`SignIn`]s, and what Google itself warns of.
//!
//! ## What it maps
//! | event | becomes |
//! |---|---|
//! | `login_success`, `login_failure` of `login` | an interactive sign-in; of type `exchange` without the user's doing |
//! | `login_challenge`, `login_verification` | a step: asked, passed, or the second factor denied |
//! | `login_success`, `login_failure` of `saml` | a sign-in without the user's doing: Google's session opens another application |
//! | `suspicious_login…`, `account_disabled_…`, `gov_attack_warning`, `risky_sensitive_action_…` … | an upstream finding about the user |
//! | every other, and other applications | not a sign-in |
//!
//! `is_suspicious` at a sign-in is an upstream finding beside it. Forms: activities of the Reports API with a list of
//! events, the same with one event beside the actor (Panther), log entries of Cloud Audit, rows of the BigQuery export.
//! What an event means, [`super::google_events`] says.
//!
//! ## Traps
//! - `uniqueQualifier` is unique only together with the time, and one activity may hold several events.
//! - A false flag is a parameter without a value.
//! - A failure gives no reason: with a second step behind the password, the password was right.
//! - A warning names the user in `affected_email_address`; its actor may be that user, another or missing.
//! - Cloud Audit knows users by their address only, the Reports API by a number: a user seen in both is two.
//! - There is no user agent, mostly, and no geography but a country in newer activities.

use std::borrow::Cow;

use super::draft::{self, SignInRisk, blank, emit_with};
use super::format::{Emit, Format, Reader};
use super::google_events::{Meaning, Parameters, meaning_of};
use super::paths::{Values, elements, object, offset_in, paths};
use super::{Around, Decoded, Reject, SkipReason, text};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{EventTime, Provider, ProviderLocation, SignIn, UpstreamFinding};

pub(super) const READER: Reader = Reader {
    format: Format::Google,
    marks: &[
        &["id", "actor", "events"],
        &["id", "actor", "type", "name"],
        &["actor", "name", "parameters"],
        &["protoPayload"],
        &["time_usec", "event_name"],
        &["record_type", "event_name"],
    ],
    is_line: None,
    read,
};

const SOURCE: &str = "Google Workspace";

paths! {
    /// Where the forms have what all events of a record share.
    enum At (IgnoreCase) {
        Time = Scalar "id/time",
        Qualifier = Scalar "id/uniqueQualifier",
        OldQualifier = Scalar "id/uniqQualifier",
        Application = Scalar "id/applicationName",
        Customer = Scalar "id/customerId",
        Email = Scalar "actor/email",
        ProfileId = Scalar "actor/profileId",
        Address = Scalar "ipAddress",
        AsNumber = Json "networkInfo/ipAsn",
        FirstAsNumber = Scalar "networkInfo/ipAsn/0",
        Region = Scalar "networkInfo/regionCode",
        Subdivision = Scalar "networkInfo/subdivisionCode",
        Events = Json "events",
        // One event beside the actor.
        OwnName = Scalar "name",
        OwnParameters = Json "parameters",
        // Cloud Audit.
        InsertId = Scalar "insertId",
        Timestamp = Scalar "timestamp",
        LogName = Scalar "logName",
        Service = Scalar "protoPayload/serviceName",
        Method = Scalar "protoPayload/methodName",
        ResourceName = Scalar "protoPayload/resourceName",
        PrincipalEmail = Scalar "protoPayload/authenticationInfo/principalEmail",
        CallerAddress = Scalar "protoPayload/requestMetadata/callerIp",
        CallerAgent = Scalar "protoPayload/requestMetadata/callerSuppliedUserAgent",
        CloudEvents = Json "protoPayload/metadata/event",
        ActivityTime = Scalar "protoPayload/metadata/activityId/timeUsec",
        ActivityQualifier = Scalar "protoPayload/metadata/activityId/uniqQualifier",
        // BigQuery.
        RowTime = Scalar "time_usec",
        RowId = Scalar "unique_identifier",
        RowType = Scalar "record_type",
        RowName = Scalar "event_name",
        RowEmail = Scalar "email",
        RowAddress = Scalar "ip_address",
        RowLogin = Json "login",
        RowSaml = Json "saml",
    }
}

paths! {
    /// One event of a record, in the spellings of the Reports API and of Cloud Audit.
    enum EventAt (IgnoreCase) {
        Name = Scalar "name",
        CloudName = Scalar "eventName",
        Parameters = Json "parameters",
        CloudParameters = Json "parameter",
    }
}

type Activity<'a> = Values<'a, { At::COUNT }>;

fn read<'a>(text: &'a str, _: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut activity = At::read(text)?;
    activity.cut();
    if !is_of_logins(&activity) {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    }
    let list = if activity.has(At::Events) { activity.json(At::Events) } else { activity.json(At::CloudEvents) };
    if list.is_empty() {
        let (name, parameters) = only_event(&activity);
        return event(&activity, &name, parameters, 0, emit);
    }
    // What flattens lists writes a list of one as that one.
    let only = list.starts_with('{').then_some(list);
    for (index, element) in only.into_iter().chain(elements(list)).enumerate() {
        let found = object(element).and_then(EventAt::read).and_then(|mut found| {
            let name = found.first_text([EventAt::Name, EventAt::CloudName]).to_ascii_lowercase();
            let lists = [found.json(EventAt::Parameters), found.json(EventAt::CloudParameters)];
            let parameters = lists.into_iter().find(|list| !list.is_empty()).unwrap_or_default();
            event(&activity, &name, parameters, index, emit)
        });
        if let Err(reject) = found {
            emit(Err(reject.moved(offset_in(text, element))));
        }
    }
    Ok(())
}

/// Is it one of the logs that sign-ins and warnings are in, or one that does not say which it is?
fn is_of_logins(activity: &Activity<'_>) -> bool {
    let logs = [At::Application, At::RowType].map(|at| activity.str(at).trim());
    let is_of_other =
        |log: &&str| !log.is_empty() && !log.eq_ignore_ascii_case("login") && !log.eq_ignore_ascii_case("saml");
    let service = activity.str(At::Service).trim();
    let is_cloud = activity.has(At::Service) || activity.has(At::Method);
    !logs.iter().any(is_of_other) && (!is_cloud || service.is_empty() || service == "login.googleapis.com")
}

/// Name and parameters of the only event, in forms that have no list of them.
fn only_event<'a>(activity: &Activity<'a>) -> (String, &'a str) {
    let jsons = [At::OwnParameters, At::RowLogin, At::RowSaml].map(|at| activity.json(at));
    let parameters = jsons.into_iter().find(|json| !json.is_empty()).unwrap_or_default();
    let names = [At::OwnName, At::RowName].map(|at| activity.str(at).trim());
    match names.into_iter().find(|name| !name.is_empty()) {
        Some(name) => (name.to_ascii_lowercase(), parameters),
        None => (name_in_method(activity.str(At::Method)), parameters),
    }
}

/// `google.login.LoginService.loginFailure` → `login_failure`.
fn name_in_method(method: &str) -> String {
    let last = method.trim().rsplit('.').next().unwrap_or_default();
    match last {
        "SamlLoginSucceeded" => "login_success".to_owned(),
        "SamlLoginFailed" => "login_failure".to_owned(),
        _ => last.chars().fold(String::new(), |mut name, letter| {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
            name
        }),
    }
}

fn event<'a>(
    activity: &Activity<'a>,
    name: &str,
    parameters: &'a str,
    index: usize,
    emit: Emit<'_, 'a>,
) -> Result<(), Reject> {
    let parameters = Parameters::read(parameters)?;
    let is_saml = [At::Application, At::RowType].iter().any(|at| activity.is(*at, "saml"))
        || activity.str(At::Method).contains(".Saml")
        || parameters.is_of_saml();
    match meaning_of(name, is_saml, &parameters) {
        Meaning::Nothing => emit(Ok(Decoded::Skipped(SkipReason::NotASignIn))),
        Meaning::Finding(kind, level) => {
            let finding = finding(activity.clone(), parameters, (name, index), (kind, level))?;
            emit(Ok(Decoded::UpstreamFinding(finding)));
        }
        Meaning::SignIn(category, ending) => {
            let risk = risk(&parameters);
            let mut sign_in = sign_in(activity.clone(), parameters, (name, index), is_saml)?;
            sign_in.category = category;
            ending.put(&mut sign_in);
            emit_with(sign_in, risk, emit)?;
        }
    }
    Ok(())
}

fn risk<'a>(parameters: &Parameters<'a>) -> Option<SignInRisk<'a>> {
    parameters.is_suspicious().then_some(SignInRisk {
        source: Cow::Borrowed(SOURCE),
        kind: RiskEventType::Generic,
        source_type: Cow::Borrowed("is_suspicious"),
        level: RiskLevel::Medium,
        is_confirmed: false,
        reasons: Cow::Borrowed(""),
    })
}

fn sign_in<'a>(
    mut activity: Activity<'a>,
    mut parameters: Parameters<'a>,
    event: (&str, usize),
    is_saml: bool,
) -> Result<SignIn<'a>, Reject> {
    let event_time = time_of(&activity)?;
    let mut sign_in = blank(Provider::Google, event_time);
    sign_in.tenant_id = tenant_of(&mut activity)?;
    sign_in.event_id = event_id(&mut activity, event_time, event)?;
    (sign_in.user_id, sign_in.user_principal_name) = user_of(&mut activity, parameters.affected_email())?;
    sign_in.asn =
        [At::FirstAsNumber, At::AsNumber].into_iter().find_map(|at| super::entra::asn_of(activity.get(at)));
    sign_in.location = location_of(&mut activity);
    sign_in.address_text = address_of(&mut activity);
    sign_in.user_agent = parameters.user_agent();
    if sign_in.user_agent.is_empty() {
        sign_in.user_agent = activity.text(At::CallerAgent);
    }
    sign_in.app_display_name = parameters.application_name();
    if is_saml || parameters.is_of_saml_login() {
        sign_in.authentication_protocol = Cow::Borrowed("saml");
    }
    sign_in.device.device_id = parameters.device_id();
    sign_in.session_id = parameters.session();
    Ok(sign_in)
}

fn finding<'a>(
    mut activity: Activity<'a>,
    mut parameters: Parameters<'a>,
    event: (&str, usize),
    (kind, level): (RiskEventType, RiskLevel),
) -> Result<UpstreamFinding<'a>, Reject> {
    let event_time = time_of(&activity)?;
    let login_time = parameters.login_time().to_time("login_timestamp").ok().flatten().and_then(Result::ok);
    let (user_id, user_principal_name) = user_of(&mut activity, parameters.affected_email())?;
    draft::finish_finding(UpstreamFinding {
        source: Cow::Borrowed(SOURCE),
        provider: Provider::Google,
        tenant_id: tenant_of(&mut activity)?,
        user_id,
        user_principal_name,
        event_id: event_id(&mut activity, event_time, event)?,
        event_time,
        activity_time: login_time.unwrap_or(event_time).min(event_time),
        kind,
        source_type: Cow::Owned(event.0.to_owned()),
        level,
        is_confirmed: false,
        request_id: Cow::Borrowed(""),
        is_about_user: true,
        address: None,
        address_text: address_of(&mut activity),
        location: location_of(&mut activity),
        reasons: text::cut(parameters.sensitive_action()),
    })
}

fn time_of(activity: &Activity<'_>) -> Result<EventTime, Reject> {
    activity.time(&[
        (At::Time, "id.time"),
        (At::ActivityTime, "activityId.timeUsec"),
        (At::RowTime, "time_usec"),
        (At::Timestamp, "timestamp"),
    ])
}

/// The customer's id, or the number of the organisation in a path.
fn tenant_of<'a>(activity: &mut Activity<'a>) -> Result<Cow<'a, str>, Reject> {
    let customer = activity.id(At::Customer, "id.customerId")?;
    if !customer.is_empty() {
        return Ok(customer);
    }
    let paths = [At::ResourceName, At::LogName].map(|at| activity.text(at));
    let organisation = |path: &str| {
        let number = path.strip_prefix("organizations/")?.split('/').next()?;
        Some(number.to_owned())
    };
    Ok(paths.iter().find_map(|path| organisation(path)).map_or(Cow::Borrowed(""), Cow::Owned))
}

/// The event's name, the activity's time in milliseconds and its qualifier, and the event's place in it.
fn event_id<'a>(
    activity: &mut Activity<'a>,
    time: EventTime,
    (name, index): (&str, usize),
) -> Result<Cow<'a, str>, Reject> {
    for at in [At::Qualifier, At::OldQualifier, At::ActivityQualifier, At::InsertId, At::RowId] {
        let id = activity.id(at, "id")?;
        if !id.is_empty() {
            return Ok(Cow::Owned(format!("{name}/{}/{id}/{index}", time.0 / 1_000_000)));
        }
    }
    Ok(Cow::Borrowed(""))
}

/// Id and address. An event about another than its actor is that other's.
fn user_of<'a>(
    activity: &mut Activity<'a>,
    affected: Cow<'a, str>,
) -> Result<(Cow<'a, str>, Cow<'a, str>), Reject> {
    let actor = activity.first_text([At::Email, At::PrincipalEmail, At::RowEmail]);
    if !affected.is_empty() && !affected.eq_ignore_ascii_case(&actor) {
        return Ok((Cow::Borrowed(""), affected));
    }
    Ok((activity.id(At::ProfileId, "actor.profileId")?, actor))
}

fn address_of<'a>(activity: &mut Activity<'a>) -> Cow<'a, str> {
    activity.first_text([At::Address, At::CallerAddress, At::RowAddress])
}

fn location_of<'a>(activity: &mut Activity<'a>) -> ProviderLocation<'a> {
    ProviderLocation {
        state: activity.text(At::Subdivision),
        country: super::country::code_of(activity.text(At::Region)),
        ..ProviderLocation::default()
    }
}
