//! PingOne's audit activities → [`SignIn`]s and the risk that PingOne Protect found.
//!
//! ## What it maps
//! | action | becomes |
//! |---|---|
//! | `USER.ACCESS_ALLOWED`, `AUTHENTICATION.CREATED`, `RADIUS_SESSION.CREATED`, `SESSION.CREATED` of somebody | a sign-in |
//! | `USER.ACCESS_DENIED` | refused behind a right first factor |
//! | `PASSWORD.CHECK_SUCCEEDED`, `USER.KERBEROS_SUCCEEDED` | a step: the first factor was right |
//! | `PASSWORD.CHECK_FAILED` | a wrong first factor |
//! | `USER.KERBEROS_FAILED` | a failure of which nobody says what was wrong |
//! | `OTP.CHECK_SUCCESS` | a step: the second factor was right |
//! | `OTP.CHECK_FAILED`, `OTP.CHECK_INVALID` | a factor failed; whether a password was right before, the activity does not tell |
//! | `SESSION.UPDATED` of somebody | a sign-in without the user's doing: the session is used again |
//! | `RISK_EVALUATION.CREATED`, `.UPDATED` at medium or above | an upstream finding |
//! | every other | not a sign-in |
//!
//! The tenant is the environment, the application the client that acts.
//!
//! ## Traps
//! - One login is several activities; they share `internalCorrelation.transactionId`, or `correlationId` for one request.
//! - `recordedAt` is when it happened, `createdAt` when the audit got it.
//! - The user is among `actors`, or among `resources` where a service checked the password for him.
//! - `actors` is an object by role, or a list of such objects.
//! - A session is made before anybody is named: such an activity is nobody's.
//! - `source` is often absent; there is no geography outside risk evaluations.

use std::borrow::Cow;

use super::country::code_of;
use super::draft::{Ending, blank, emit_with, finish_finding};
use super::format::{Emit, Format, Reader};
use super::paths::{Values, elements, object, offset_in, paths};
use super::scalar::Scalar;
use super::steps::contains;
use super::{Around, Decoded, Reject, RejectReason, SkipReason, text};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{
    Category, EventTime, Mfa, Outcome, Provider, ProviderLocation, SignIn, UpstreamFinding,
};

pub(super) const READER: Reader = Reader {
    format: Format::PingOne,
    marks: &[
        &["recordedAt", "action"],
        &["createdAt", "action", "actors"],
        // A page of the list of activities.
        &["_links", "_embedded"],
    ],
    is_line: None,
    read,
};

const SOURCE: &str = "PingOne";

paths! {
    /// Where an activity has what is read.
    enum At (IgnoreCase) {
        Id = Scalar "id",
        Recorded = Scalar "recordedAt",
        Created = Scalar "createdAt",
        Action = Scalar "action/type",
        Status = Scalar "result/status",
        Description = Scalar "result/description",
        Actors = Json "actors",
        Resources = Json "resources",
        Environment = Scalar "environment/id",
        Link = Scalar "_links/self/href",
        CorrelationId = Scalar "correlationId",
        Transaction = Scalar "internalCorrelation/transactionId",
        SessionId = Scalar "internalCorrelation/sessionId",
        Session = Scalar "session/id",
        IpAddress = Scalar "source/ipAddress",
        UserAgent = Scalar "source/userAgent",
        RequestIpAddress = Scalar "request/ipAddress",
        RequestUserAgent = Scalar "request/userAgent",
        Activities = Json "_embedded/activities",
        Evaluation = Json "_embedded/riskEvaluation",
        RiskUser = Scalar "_embedded/riskEvent/username",
        RiskIpAddress = Scalar "_embedded/riskEvent/ip",
    }
}

paths! {
    /// Who acts: one object by role, or one of a list.
    enum ActorsAt (IgnoreCase) {
        UserId = Scalar "user/id",
        UserName = Scalar "user/name",
        UserEnvironment = Scalar "user/environment/id",
        ClientId = Scalar "client/id",
        ClientName = Scalar "client/name",
        ClientEnvironment = Scalar "client/environment/id",
    }
}

paths! {
    /// One of the things that an activity is about.
    enum ResourceAt (IgnoreCase) {
        Type = Scalar "type",
        Id = Scalar "id",
        Name = Scalar "name",
        Environment = Scalar "environment/id",
    }
}

paths! {
    /// What PingOne Protect found.
    enum EvaluationAt (IgnoreCase) {
        Level = Scalar "result/level",
        Score = Scalar "result/score",
        Action = Scalar "result/recommendedAction",
        UserId = Scalar "event/user/id",
        UserName = Scalar "event/user/name",
        IpAddress = Scalar "event/ip",
        Country = Scalar "details/country",
        State = Scalar "details/state",
        City = Scalar "details/city",
    }
}

type Activity<'a> = Values<'a, { At::COUNT }>;

fn read<'a>(text: &'a str, _: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let activity = At::read(text)?;
    let activities = activity.json(At::Activities);
    if matches!(activity.get(At::Activities), Scalar::Json(_)) && activities.is_empty() {
        // A page with nothing on it.
        return Ok(());
    }
    if activities.is_empty() {
        return read_activity(activity, emit);
    }
    // What flattens lists writes a list of one as that one.
    let only = activities.starts_with('{').then_some(activities);
    for element in only.into_iter().chain(elements(activities)) {
        let read = object(element).and_then(At::read).and_then(|activity| read_activity(activity, emit));
        if let Err(reject) = read {
            emit(Err(reject.moved(offset_in(text, element))));
        }
    }
    Ok(())
}

fn read_activity<'a>(mut activity: Activity<'a>, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let action = activity.text(At::Action).to_ascii_uppercase();
    if action.is_empty() {
        return Err(Reject::new(RejectReason::UnknownFormat, "neither an activity of PingOne nor a page of them"));
    }
    let who = Who::of(&activity)?;
    if action.starts_with("RISK_EVALUATION.") {
        let finding = finding(&mut activity, who)?;
        emit(Ok(finding.map_or(Decoded::Skipped(SkipReason::NotASignIn), Decoded::UpstreamFinding)));
        return Ok(());
    }
    match attempt(&action, &activity, !who.is_nobody()) {
        Some((category, ending)) => {
            let mut sign_in = sign_in(&mut activity, who)?;
            sign_in.category = category;
            if action.starts_with("RADIUS_SESSION.") {
                sign_in.authentication_protocol = Cow::Borrowed("radius");
            }
            ending.put(&mut sign_in);
            emit_with(sign_in, None, emit)
        }
        None => {
            emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
            Ok(())
        }
    }
}

/// What kind of sign-in an activity is, and how it ended; `None` where it is none.
fn attempt(action: &str, activity: &Activity<'_>, is_named: bool) -> Option<(Category, Ending)> {
    let step = Ending { outcome: Outcome::Interrupted, ..Ending::SUCCESS };
    let has_failed = activity.str(At::Status).to_ascii_uppercase().starts_with("FAIL");
    let failed = refusal(activity.str(At::Description), Ending::UNCLEAR);
    let (passed, failed) = match action {
        "USER.ACCESS_ALLOWED" => (Ending::SUCCESS, Ending::BLOCKED),
        "USER.ACCESS_DENIED" => (Ending::BLOCKED, Ending::BLOCKED),
        "AUTHENTICATION.CREATED" | "AUTHENTICATION" | "RADIUS_SESSION.CREATED" => (Ending::SUCCESS, failed),
        "SESSION.CREATED" | "SESSION.UPDATED" if is_named => (Ending::SUCCESS, failed),
        "PASSWORD.CHECK_SUCCEEDED" | "USER.KERBEROS_SUCCEEDED" => (step, failed),
        "PASSWORD.CHECK_FAILED" => {
            let wrong = refusal(activity.str(At::Description), Ending::WRONG);
            (wrong, wrong)
        }
        "USER.KERBEROS_FAILED" => (failed, failed),
        "OTP.CHECK_SUCCESS" | "OTP.CHECK_SUCCEEDED" => {
            (Ending { mfa: Mfa::Performed, ..step }, Ending::MFA_UNPROVEN)
        }
        "OTP.CHECK_FAILED" | "OTP.CHECK_INVALID" => (Ending::MFA_UNPROVEN, Ending::MFA_UNPROVEN),
        _ => return None,
    };
    let is_silent = action == "SESSION.UPDATED";
    let category = if is_silent { Category::NonInteractive } else { Category::Interactive };
    Some((category, if has_failed { failed } else { passed }))
}

/// What the description of a failure says of the account; `otherwise` where it says nothing.
fn refusal(description: &str, otherwise: Ending) -> Ending {
    match () {
        () if contains(description, "locked") => Ending::LOCKED,
        () if contains(description, "disabled") => Ending::DISABLED,
        () if contains(description, "not found") || contains(description, "does not exist") => {
            Ending::NO_SUCH_USER
        }
        () => otherwise,
    }
}

/// The user, the client and the environment of an activity.
#[derive(Debug, Default)]
struct Who<'a> {
    user_id: Cow<'a, str>,
    user_name: Cow<'a, str>,
    client_id: Cow<'a, str>,
    client_name: Cow<'a, str>,
    environment: Cow<'a, str>,
}

impl<'a> Who<'a> {
    fn of(activity: &Activity<'a>) -> Result<Who<'a>, Reject> {
        let mut who = Who::default();
        let actors = activity.json(At::Actors);
        match actors.starts_with('{') {
            true => who.add_actors(actors)?,
            false => elements(actors)
                .filter(|actor| actor.starts_with('{'))
                .try_for_each(|actor| who.add_actors(actor))?,
        }
        for resource in elements(activity.json(At::Resources)).filter(|resource| resource.starts_with('{')) {
            who.add_resource(resource)?;
        }
        Ok(who)
    }

    fn is_nobody(&self) -> bool {
        self.user_id.is_empty() && self.user_name.is_empty()
    }

    fn add_actors(&mut self, actors: &'a str) -> Result<(), Reject> {
        let mut actors = ActorsAt::read(actors)?;
        if self.is_nobody() {
            self.user_id = actors.id(ActorsAt::UserId, "actors.user.id")?;
            self.user_name = actors.text(ActorsAt::UserName);
        }
        if self.client_id.is_empty() {
            self.client_id = actors.text(ActorsAt::ClientId);
            self.client_name = actors.text(ActorsAt::ClientName);
        }
        if self.environment.is_empty() {
            self.environment = actors.first_text([ActorsAt::UserEnvironment, ActorsAt::ClientEnvironment]);
        }
        Ok(())
    }

    fn add_resource(&mut self, resource: &'a str) -> Result<(), Reject> {
        let mut resource = ResourceAt::read(resource)?;
        if self.is_nobody() && resource.is(ResourceAt::Type, "USER") {
            self.user_id = resource.id(ResourceAt::Id, "resources.id")?;
            self.user_name = resource.text(ResourceAt::Name);
        }
        if self.environment.is_empty() {
            self.environment = resource.text(ResourceAt::Environment);
        }
        Ok(())
    }
}

/// The environment that is named, or the one in the address of the activity.
fn environment_of<'a>(activity: &mut Activity<'a>, named: Cow<'a, str>) -> Cow<'a, str> {
    if !named.is_empty() {
        return named;
    }
    let named = activity.text(At::Environment);
    if !named.is_empty() {
        return named;
    }
    let link = activity.text(At::Link);
    let id = link.split_once("/environments/").and_then(|(_, rest)| rest.split('/').next());
    id.map_or(Cow::Borrowed(""), |id| Cow::Owned(id.to_owned()))
}

fn time_of(activity: &Activity<'_>) -> Result<EventTime, Reject> {
    activity.time(&[(At::Recorded, "recordedAt"), (At::Created, "createdAt")])
}

fn sign_in<'a>(activity: &mut Activity<'a>, who: Who<'a>) -> Result<SignIn<'a>, Reject> {
    let mut sign_in = blank(Provider::Ping, time_of(activity)?);
    sign_in.event_id = activity.id(At::Id, "id")?;
    sign_in.tenant_id = environment_of(activity, who.environment);
    sign_in.user_id = who.user_id;
    sign_in.user_principal_name = who.user_name;
    sign_in.app_id = who.client_id;
    sign_in.app_display_name = who.client_name;
    sign_in.address_text = activity.first_text([At::IpAddress, At::RequestIpAddress]);
    sign_in.user_agent = activity.first_text([At::UserAgent, At::RequestUserAgent]);
    sign_in.session_id = activity.first_text([At::SessionId, At::Session]);
    sign_in.correlation_id = activity.first_text([At::Transaction, At::CorrelationId]);
    Ok(sign_in)
}

/// What PingOne Protect found; `None` where it found no more than low risk, or of nobody.
fn finding<'a>(activity: &mut Activity<'a>, who: Who<'a>) -> Result<Option<UpstreamFinding<'a>>, Reject> {
    let evaluation = activity.json(At::Evaluation);
    let mut evaluation = EvaluationAt::read(if evaluation.starts_with('{') { evaluation } else { "{}" })?;
    let written = evaluation.text(EvaluationAt::Level);
    let level =
        [RiskLevel::Medium, RiskLevel::High].into_iter().find(|level| level.name().eq_ignore_ascii_case(&written));
    let Some(level) = level else { return Ok(None) };
    let evaluated_id = evaluation.id(EvaluationAt::UserId, "riskEvaluation.event.user.id")?;
    let evaluated_name = evaluation.text(EvaluationAt::UserName);
    // Who asks for an evaluation is often a service, and the user is the one it asks about.
    let is_evaluated = !evaluated_id.is_empty() || !evaluated_name.is_empty();
    let (user_id, user_name) =
        if is_evaluated { (evaluated_id, evaluated_name) } else { (who.user_id, who.user_name) };
    let user_name = if user_name.is_empty() { activity.text(At::RiskUser) } else { user_name };
    let event_time = time_of(activity)?;
    let (score, action) = (evaluation.text(EvaluationAt::Score), evaluation.text(EvaluationAt::Action));
    let reasons = match (score.is_empty(), action.is_empty()) {
        (true, _) => action.into_owned(),
        (false, true) => format!("score {score}"),
        (false, false) => format!("score {score}, {action}"),
    };
    let finding = UpstreamFinding {
        source: Cow::Borrowed(SOURCE),
        provider: Provider::Ping,
        tenant_id: environment_of(activity, who.environment),
        user_id,
        user_principal_name: user_name,
        event_id: activity.id(At::Id, "id")?,
        event_time,
        activity_time: event_time,
        kind: RiskEventType::Generic,
        source_type: Cow::Borrowed("riskEvaluation"),
        level,
        is_confirmed: false,
        request_id: Cow::Borrowed(""),
        is_about_user: false,
        address: None,
        address_text: first_of(evaluation.text(EvaluationAt::IpAddress), || {
            activity.first_text([At::RiskIpAddress, At::IpAddress, At::RequestIpAddress])
        }),
        location: ProviderLocation {
            city: evaluation.text(EvaluationAt::City),
            state: evaluation.text(EvaluationAt::State),
            country: code_of(evaluation.text(EvaluationAt::Country)),
            coordinates: None,
        },
        reasons: text::cut(Cow::Owned(reasons)),
    };
    finish_finding(finding).map(Some)
}

fn first_of<'a>(text: Cow<'a, str>, otherwise: impl FnOnce() -> Cow<'a, str>) -> Cow<'a, str> {
    if text.is_empty() { otherwise() } else { text }
}
