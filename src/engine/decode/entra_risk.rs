//! What Entra ID Protection holds for risky → [`UpstreamFinding`]s and [`Feedback`].
//!
//! ## What it maps
//! | record | state | becomes |
//! |---|---|---|
//! | risk detection: Graph `riskDetection`, Event Hub `UserRiskEvents`, Log Analytics `AADUserRiskEvents` | `atRisk`, `confirmedCompromised` | a finding about its sign-in, or the user |
//! | | `dismissed`, `remediated`, `confirmedSafe` by a person | feedback about the same |
//! | risky user: Graph `riskyUser` and its history, Event Hub `RiskyUsers`, Log Analytics `AADRiskyUsers` | `confirmedCompromised`; `dismissed`, `remediated`, `confirmedSafe` by a person | feedback about the user |
//! | | `atRisk` | nothing: its detections say it |
//! | a sign-in | `riskState` `atRisk`, `confirmedCompromised` | a risk beside the sign-in |
//! | the same of service principals and agents | | skipped |
//!
//! ## Traps
//! - A detection is written again with the same id when its state or level changes, and both are news: the id of what
//!   comes of it holds the state, and of a finding the level.
//! - `riskDetail` says who closed it. What a model thought better of (`aiConfirmedSigninSafe`) or Microsoft's automation
//!   did (`microsoftRevokedSessions`), or what is not told (`hidden`, `none`), is no feedback: it would close the
//!   detections of others, and teach the baseline.
//! - `hidden` is what levels are without the licence to see them: the lowest is assumed. `none` is no risk.
//! - The `correlationId` around an Event Hub record is the detection's or the user's id, not the sign-in's.
//! - Log Analytics' `TenantId` is the workspace, and its risk tables name no other: the tenant is `unknown`.
//! - `additionalInfo` is a list of keys and values as JSON text, or, in Log Analytics, an array.
//! - Farsign's own output has this form, too: whatever says it is Farsign's is skipped, or alerts would feed themselves.

use std::borrow::Cow;

use super::draft::{self, SignInRisk};
use super::entra::{coordinates, country_of, tenant_in_path};
use super::fields::read_text;
use super::format::Emit;
use super::paths::{Values, elements, json_in, paths};
use super::scalar::{Scalar, wrong_type};
use super::{Decoded, Reject, RejectReason, SkipReason, TENANT_UNKNOWN, Whole, event_id, text};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{EventTime, Feedback, FeedbackAction, Provider, ProviderLocation, UpstreamFinding};

const SOURCE: &str = "IdentityProtection";
/// The source of our own detections.
const OWN_SOURCE: &str = "Farsign";

/// Which of the two logs a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RiskLog {
    Detections,
    Users,
    /// To be told by its fields.
    Either,
}

paths! {
    /// Around `properties`, and what Log Analytics has beside the rest.
    enum OuterAt (Exact) {
        Properties = Json "properties",
        TenantId = Scalar "tenantId",
        AadTenantId = Scalar "AADTenantId",
        ResourceId = Scalar "resourceId",
        Time = Scalar "time",
        TimeGenerated = Scalar "TimeGenerated",
        CallerIpAddress = Scalar "callerIpAddress",
    }
}

paths! {
    /// A detection, a risky user or a sign-in, in camel case or as columns.
    enum At (IgnoreCase) {
        Type = Scalar "@odata.type",
        Id = Scalar "id",
        RequestId = Scalar "requestId",
        RiskEventType = Scalar "riskEventType",
        RiskType = Scalar "riskType",
        RiskState = Scalar "riskState",
        RiskLevel = Scalar "riskLevel",
        RiskDetail = Scalar "riskDetail",
        LevelDuringSignIn = Scalar "riskLevelDuringSignIn",
        LevelAggregated = Scalar "riskLevelAggregated",
        EventTypes = Json "riskEventTypes",
        EventTypesNew = Json "riskEventTypes_v2",
        Source = Scalar "source",
        Activity = Scalar "activity",
        IpAddress = Scalar "ipAddress",
        Location = Json "location",
        ActivityTime = Scalar "activityDateTime",
        DetectedTime = Scalar "detectedDateTime",
        UpdatedTime = Scalar "lastUpdatedDateTime",
        UserUpdatedTime = Scalar "riskLastUpdatedDateTime",
        UserId = Scalar "userId",
        UserPrincipalName = Scalar "userPrincipalName",
        HomeTenantId = Scalar "homeTenantId",
        AdditionalInfo = Json "additionalInfo",
        ServicePrincipalId = Scalar "servicePrincipalId",
        ServicePrincipalType = Scalar "servicePrincipalType",
        AppId = Scalar "appId",
        AgentId = Scalar "agentId",
        Own = Json "farsign",
    }
}

paths! {
    enum PlaceAt (IgnoreCase) {
        City = Scalar "city",
        State = Scalar "state",
        Country = Scalar "countryOrRegion",
        Latitude = Scalar "geoCoordinates/latitude",
        Longitude = Scalar "geoCoordinates/longitude",
    }
}

paths! {
    /// An element of `additionalInfo`.
    enum InfoAt (IgnoreCase) {
        Key = Scalar "Key",
        Value = Json "Value",
    }
}

type Record<'a> = Values<'a, { At::COUNT }>;

/// The record's own values, those around it, and the text in which the former lie.
struct Opened<'a> {
    outer: Values<'a, { OuterAt::COUNT }>,
    /// `None`: the object itself; else what `properties` hold.
    inner: Option<Cow<'a, str>>,
}

impl<'a> Opened<'a> {
    fn of(text: &'a str, has_properties: bool) -> Result<Opened<'a>, Reject> {
        let outer = OuterAt::read(text)?;
        let inner = match (outer.get(OuterAt::Properties), outer.json(OuterAt::Properties)) {
            // Written and empty, or not written.
            (Scalar::Absent, _) => has_properties.then_some(Cow::Borrowed("{}")),
            (scalar, "") => Some(Cow::Owned(json_in(scalar).ok_or_else(|| wrong_type("properties"))?)),
            (_, json) => Some(Cow::Borrowed(json)),
        };
        Ok(Opened { outer, inner })
    }

    /// The tenant whose log it is, where something around the record says so.
    fn tenant(&mut self) -> Cow<'a, str> {
        let named = self.outer.first_text([OuterAt::TenantId, OuterAt::AadTenantId]);
        if named.is_empty() { tenant_in_path(self.outer.take(OuterAt::ResourceId)) } else { named }
    }
}

/// Reads a record of one of the risk logs, whose values lie under `properties` or not.
pub(super) fn read<'a>(
    log: RiskLog,
    text: &'a str,
    has_properties: bool,
    emit: Emit<'_, 'a>,
) -> Result<(), Reject> {
    let mut opened = Opened::of(text, has_properties)?;
    let tenant = opened.tenant();
    match opened.inner.take() {
        None => emit(Ok(decode(log, text, &mut opened, tenant)?)),
        Some(Cow::Borrowed(inner)) => emit(Ok(decode(log, inner, &mut opened, tenant)?)),
        Some(Cow::Owned(inner)) => emit(Ok(decode(log, &inner, &mut opened, tenant)?.into_owned())),
    }
    Ok(())
}

fn decode<'t, 'a: 't>(
    log: RiskLog,
    text: &'t str,
    opened: &mut Opened<'a>,
    tenant: Cow<'t, str>,
) -> Result<Decoded<'t>, Reject> {
    const NOTHING: Decoded<'_> = Decoded::Skipped(SkipReason::NotASignIn);
    let mut record = At::read(text)?;
    if is_own(&record) {
        return Ok(NOTHING);
    }
    if is_of_workload(&record) {
        return Ok(Decoded::Skipped(SkipReason::ServicePrincipal));
    }
    let is_user = match log {
        RiskLog::Detections => false,
        RiskLog::Users => true,
        RiskLog::Either => record.has(At::UserUpdatedTime),
    };
    let Some(state) = state_of(&record) else { return Ok(NOTHING) };
    let mut parts = Parts { record: &mut record, opened, tenant };
    let found = match (is_user, state) {
        (_, State::None) | (true, State::AtRisk) => None,
        (false, State::AtRisk | State::Compromised) => parts.finding(state)?.map(Decoded::UpstreamFinding),
        (true, State::Compromised) => parts.feedback(FeedbackAction::ConfirmCompromised, state, true)?,
        (_, State::Closed) => match action_of(parts.record.str(At::RiskDetail), is_user) {
            Some(action) => parts.feedback(action, state, is_user)?,
            None => None,
        },
    };
    Ok(found.unwrap_or(NOTHING))
}

fn is_own(record: &Record<'_>) -> bool {
    record.is(At::Source, OWN_SOURCE) || record.has(At::Own)
}

fn is_of_workload(record: &Record<'_>) -> bool {
    let kind = record.str(At::Type).to_ascii_lowercase();
    let has_user = record.has(At::UserPrincipalName) || record.has(At::UserId);
    let of_workload = [At::ServicePrincipalId, At::ServicePrincipalType, At::AppId, At::AgentId];
    kind.contains("serviceprincipal")
        || kind.contains("agent")
        || (!has_user && of_workload.into_iter().any(|at| record.has(at)))
}

/// `riskState`, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    None,
    AtRisk,
    Compromised,
    Closed,
}

fn state_of(record: &Record<'_>) -> Option<State> {
    let states = [
        ("none", State::None),
        ("atRisk", State::AtRisk),
        ("confirmedCompromised", State::Compromised),
        ("dismissed", State::Closed),
        ("remediated", State::Closed),
        ("confirmedSafe", State::Closed),
    ];
    states.into_iter().find(|(word, _)| record.is(At::RiskState, word)).map(|(_, state)| state)
}

/// What a person did, by `riskDetail`. Of a user's record only what is about the user as a whole.
fn action_of(detail: &str, is_user: bool) -> Option<FeedbackAction> {
    const ACTIONS: [(&str, FeedbackAction, bool); 11] = [
        ("adminConfirmedAccountSafe", FeedbackAction::ConfirmSafe, true),
        ("adminConfirmedSigninSafe", FeedbackAction::ConfirmSafe, false),
        ("adminDismissedAllRiskForUser", FeedbackAction::Dismiss, true),
        ("adminDismissedRiskForSignIn", FeedbackAction::Dismiss, false),
        ("m365DAdminDismissedDetection", FeedbackAction::Dismiss, false),
        ("userPassedMFADrivenByRiskBasedPolicy", FeedbackAction::PassedMfa, true),
        ("userPerformedSecuredPasswordChange", FeedbackAction::PasswordChanged, true),
        ("userPerformedSecuredPasswordReset", FeedbackAction::PasswordChanged, true),
        ("userChangedPasswordOnPremises", FeedbackAction::PasswordChanged, true),
        ("adminGeneratedTemporaryPassword", FeedbackAction::PasswordChanged, true),
        ("adminGeneratedTemporaryAccessPass", FeedbackAction::PasswordChanged, true),
    ];
    let found = ACTIONS.iter().find(|(word, ..)| detail.trim().eq_ignore_ascii_case(word));
    found.filter(|(_, _, of_user)| *of_user || !is_user).map(|(_, action, _)| *action)
}

/// A record being made into something.
struct Parts<'r, 't, 'a> {
    record: &'r mut Record<'t>,
    opened: &'r mut Opened<'a>,
    tenant: Cow<'t, str>,
}

impl<'t, 'a: 't> Parts<'_, 't, 'a> {
    fn finding(&mut self, state: State) -> Result<Option<UpstreamFinding<'t>>, Reject> {
        let is_confirmed = state == State::Compromised;
        let level = if is_confirmed { Some(RiskLevel::High) } else { level_in(self.record.str(At::RiskLevel)) };
        let Some(level) = level else { return Ok(None) };
        let event_time = self.event_time()?;
        let activity_time = self.record.time(&[(At::ActivityTime, "activityDateTime")]).unwrap_or(event_time);
        let (id, request_id, is_about_user) = self.about()?;
        let record = &mut *self.record;
        let source_type = record.first_text([At::RiskEventType, At::RiskType]);
        // A changed level is news; a detection without an id gets one made of its fields.
        let told_apart = if is_confirmed { "confirmedCompromised" } else { level.name() };
        let event_id = if id.is_empty() { id } else { Cow::Owned(format!("{id}/{told_apart}")) };
        let caller = self.opened.outer.text(OuterAt::CallerIpAddress);
        let own_address = record.text(At::IpAddress);
        let finding = UpstreamFinding {
            source: source_of(record.text(At::Source)),
            provider: Provider::Entra,
            tenant_id: self.tenant_id(),
            user_id: self.record.id(At::UserId, "userId")?,
            user_principal_name: self.record.text(At::UserPrincipalName),
            event_id,
            event_time,
            activity_time,
            kind: kind_of(&source_type),
            source_type,
            level,
            is_confirmed,
            request_id,
            is_about_user,
            address: None,
            address_text: if own_address.is_empty() { caller } else { own_address },
            location: location_of(self.record),
            reasons: text::cut(Cow::Owned(reasons_of(self.record))),
        };
        draft::finish_finding(finding).map(Some)
    }

    fn feedback(
        &mut self,
        action: FeedbackAction,
        state: State,
        is_user: bool,
    ) -> Result<Option<Decoded<'t>>, Reject> {
        let event_time = self.event_time()?;
        let (id, request_id, _) = self.about()?;
        if !is_user && request_id.is_empty() {
            // Without an id it would be about everything of the user's.
            return Ok(None);
        }
        let name = text::fold(self.record.text(At::UserPrincipalName));
        let own_id = self.record.id(At::UserId, "userId")?;
        // A risky user's id is the user's.
        let user_id = [own_id, if is_user { id.clone() } else { Cow::Borrowed("") }, name.clone()];
        let user_id = user_id.into_iter().find(|id| !id.is_empty());
        let user_id = user_id.ok_or_else(|| Reject::new(RejectReason::NoUser, "no user id and no user name"))?;
        let word = match state {
            State::Compromised => "confirmedCompromised",
            _ => self.record.str(At::RiskDetail).trim(),
        };
        // One detection, one word: the logs' times differ in their decimals. A user's record comes again and again.
        let told_apart = if is_user { format!("{}/{word}", event_time.seconds()) } else { word.to_owned() };
        let event_id = if id.is_empty() { id } else { Cow::Owned(format!("{id}/{told_apart}")) };
        let mut feedback = Feedback {
            provider: Some(Provider::Entra),
            tenant_id: text::check_id(self.tenant_id(), "tenantId")?,
            user_id: text::check_id(text::fold_id(user_id), "userId")?,
            user_principal_name: text::cut(name),
            event_id,
            event_time,
            action,
            request_id: if is_user { Cow::Borrowed("") } else { text::check_id(request_id, "requestId")? },
        };
        feedback.event_id = event_id::feedback_id(&feedback, &told_apart)?;
        Ok(Some(Decoded::Feedback(feedback)))
    }

    /// When the log said so; its own time only where the record has none.
    fn event_time(&self) -> Result<EventTime, Reject> {
        let own = [
            (At::UpdatedTime, "lastUpdatedDateTime"),
            (At::UserUpdatedTime, "riskLastUpdatedDateTime"),
            (At::DetectedTime, "detectedDateTime"),
        ];
        let outer = [(OuterAt::Time, "time"), (OuterAt::TimeGenerated, "TimeGenerated")];
        let own = self.record.time(&own);
        own.or_else(|reject| self.opened.outer.time(&outer).map_err(|_| reject))
            .or_else(|reject| self.record.time(&[(At::ActivityTime, "activityDateTime")]).map_err(|_| reject))
    }

    /// The record's id, the sign-in it is about (else that id again), and whether it is about the user as a whole.
    fn about(&mut self) -> Result<(Cow<'t, str>, Cow<'t, str>, bool), Reject> {
        let id = self.record.id(At::Id, "id")?;
        let request_id = self.record.id(At::RequestId, "requestId")?;
        let is_about_user = request_id.is_empty() || self.record.is(At::Activity, "user");
        let request_id = if request_id.is_empty() { id.clone() } else { request_id };
        Ok((id, request_id, is_about_user))
    }

    fn tenant_id(&mut self) -> Cow<'t, str> {
        let named = std::mem::take(&mut self.tenant);
        let named = if named.is_empty() { self.record.text(At::HomeTenantId) } else { named };
        text::fold_id(if named.is_empty() { Cow::Borrowed(TENANT_UNKNOWN) } else { named })
    }
}

/// Microsoft's own product is written in several ways.
fn source_of(source: Cow<'_, str>) -> Cow<'_, str> {
    let is_it = source.is_empty() || source.replace(' ', "").eq_ignore_ascii_case(SOURCE);
    if is_it { Cow::Borrowed(SOURCE) } else { source }
}

/// The type of the same name in Graph.
fn kind_of(name: &str) -> RiskEventType {
    let named = RiskEventType::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name.trim()));
    match named {
        Some(kind) => kind,
        // Graph's other spelling of the same.
        None if name.trim().eq_ignore_ascii_case("impossibleTravel") => RiskEventType::ImpossibleTravel,
        None => RiskEventType::Generic,
    }
}

/// `None` where there is no risk. Whoever may not see the level sees that there is one.
fn level_in(word: &str) -> Option<RiskLevel> {
    let word = word.trim();
    if word.eq_ignore_ascii_case("hidden") {
        return Some(RiskLevel::Low);
    }
    let levels = [RiskLevel::Low, RiskLevel::Medium, RiskLevel::High];
    levels.into_iter().find(|level| level.name().eq_ignore_ascii_case(word))
}

fn location_of<'t>(record: &Record<'t>) -> ProviderLocation<'t> {
    let copied = json_in(record.get(At::Location));
    let place = |json: &str| -> Option<ProviderLocation<'static>> {
        let mut place = PlaceAt::read(json).ok()?;
        Some(ProviderLocation {
            city: Cow::Owned(place.text(PlaceAt::City).into_owned()),
            state: Cow::Owned(place.text(PlaceAt::State).into_owned()),
            country: Cow::Owned(country_of(place.take(PlaceAt::Country)).into_owned()),
            coordinates: coordinates(place.number(PlaceAt::Latitude), place.number(PlaceAt::Longitude)),
        })
    };
    place(copied.as_deref().unwrap_or(record.json(At::Location))).unwrap_or_default()
}

/// What `additionalInfo` gives as reasons, with commas between.
fn reasons_of(record: &Record<'_>) -> String {
    let copied = json_in(record.get(At::AdditionalInfo));
    let list = copied.as_deref().unwrap_or(record.json(At::AdditionalInfo));
    let mut reasons = elements(list)
        .filter_map(|element| InfoAt::read(element).ok())
        .filter(|element| element.is(InfoAt::Key, "riskReasons"));
    reasons.next().map_or_else(String::new, |mut found| match found.json(InfoAt::Value) {
        "" => found.text(InfoAt::Value).into_owned(),
        values => words(values).join(", "),
    })
}

/// The texts in an array.
fn words(array: &str) -> Vec<String> {
    let array = if array.starts_with('[') { array } else { "[]" };
    let values = sonic_rs::to_array_iter(array).map_while(Result::ok);
    let text = |raw: &str| sonic_rs::from_str::<Scalar<'_>>(raw).unwrap_or_default().into_text().into_owned();
    values.map(|value| text(value.as_raw_str())).filter(|word| !word.is_empty()).collect()
}

/// The risk that a sign-in's own record tells of. `text` is the whole record, with a `riskState` that says so.
pub(super) fn of_sign_in<'a>(text: &str, has_properties: bool) -> Option<SignInRisk<'a>> {
    let opened = Opened::of(text, has_properties).ok()?;
    let record = At::read(opened.inner.as_deref().unwrap_or(text)).ok()?;
    let state = state_of(&record)?;
    let types = [At::EventTypesNew, At::EventTypes].into_iter().map(|at| types_in(&record, at));
    let types = types.into_iter().find(|types| !types.is_empty()).unwrap_or_default();
    let is_confirmed = match state {
        State::Compromised => true,
        State::AtRisk => false,
        State::None | State::Closed => return None,
    };
    let levels = [At::LevelDuringSignIn, At::LevelAggregated].map(|at| level_in(record.str(at)));
    let known = levels.into_iter().flatten().next();
    let level = if is_confirmed { Some(RiskLevel::High) } else { known };
    // Types without a level are a risk whose level is not shown.
    let level = level.or_else(|| (!types.is_empty()).then_some(RiskLevel::Low))?;
    // Of several the first that says more than that there is a risk.
    let named = types.iter().find(|name| kind_of(name) != RiskEventType::Generic).or(types.first());
    let named = named.cloned().unwrap_or_else(|| RiskEventType::Generic.name().to_owned());
    Some(SignInRisk {
        source: Cow::Borrowed(SOURCE),
        kind: kind_of(&named),
        source_type: Cow::Owned(named),
        level,
        is_confirmed,
        reasons: Cow::Owned(types.join(", ")),
    })
}

/// A list, JSON text of one, or one name.
fn types_in(record: &Record<'_>, at: At) -> Vec<String> {
    let written = record.json(at);
    match json_in(record.get(at)) {
        Some(copied) if read_text(&copied, Whole).is_ok() => words(&copied),
        // It begins as a list, and is none.
        Some(_) => Vec::new(),
        None if written.is_empty() => {
            let name = record.get(at).clone().into_text();
            if name.is_empty() { Vec::new() } else { vec![name.into_owned()] }
        }
        None => words(written),
    }
}

/// Does `riskState` say that there is a risk to be read?
pub(super) fn is_risk(state: &Scalar<'_>) -> bool {
    let word = state.as_str().trim();
    word.eq_ignore_ascii_case("atRisk") || word.eq_ignore_ascii_case("confirmedCompromised")
}
