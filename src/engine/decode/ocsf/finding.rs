//! Detection Finding (2004), and the Security Finding (2001) that it replaced → an upstream finding about a user.
//!
//! The user is the one of the evidence, of an actor, of a resource of that type or of an observable, in this order; a
//! finding of nobody is skipped, and so is one that is closed, and every one of our own. The level is the risk's, else
//! the severity's. What it is about is told by its types, title and analytic; see [`risk_kind`].

use std::borrow::Cow;

use super::super::draft::finish_finding;
use super::super::format::Emit;
use super::super::paths::{Values, elements, paths};
use super::super::product::provider_named;
use super::super::reason::risk_kind;
use super::super::{Decoded, Reject, SkipReason, entra, text};
use super::{first_element, level_of, location_in};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{EventTime, Provider, UpstreamFinding};

/// Further resources and observables are not looked through for a user.
const SEARCHED_MAX: usize = 100;

paths! {
    /// Where a finding has what is read.
    enum At (Dotted) {
        Activity = Scalar "activity_id",
        StatusId = Scalar "status_id",
        Time = Scalar "time",
        TimeDt = Scalar "time_dt",
        Severity = Scalar "severity_id",
        RiskLevelId = Scalar "risk_level_id",
        RiskDetails = Scalar "risk_details",
        Message = Scalar "message",
        MetadataUid = Scalar "metadata/uid",
        Tenant = Scalar "metadata/tenant_uid",
        Product = Scalar "metadata/product/name",
        ProductUid = Scalar "metadata/product/uid",
        Vendor = Scalar "metadata/product/vendor_name",
        CloudAccount = Scalar "cloud/account/uid",
        OlderCloudAccount = Scalar "cloud/account_uid",
        Uid = Scalar "finding_info/uid",
        OlderUid = Scalar "finding/uid",
        Title = Scalar "finding_info/title",
        OlderTitle = Scalar "finding/title",
        Types = Json "finding_info/types",
        OlderTypes = Json "finding/types",
        Analytic = Scalar "finding_info/analytic/name",
        Description = Scalar "finding_info/desc",
        OlderDescription = Scalar "finding/desc",
        LastSeen = Scalar "finding_info/last_seen_time",
        FirstSeen = Scalar "finding_info/first_seen_time",
        Start = Scalar "start_time",
        RelatedUid = Scalar "finding_info/related_events/0/uid",
        Evidence = Json "evidences/0",
        Actor = Json "actor/user",
        User = Json "user",
        Resources = Json "resources",
        Observables = Json "observables",
        Verdict = Scalar "verdict_id",
    }
}

paths! {
    /// A user, wherever it stands.
    enum UserAt (IgnoreCase) {
        Uid = Scalar "uid",
        Name = Scalar "name",
        Email = Scalar "email_addr",
        Type = Scalar "type",
        Account = Scalar "account/uid",
        Org = Scalar "org/uid",
        // Of a resource or an observable.
        Owner = Json "owner",
        TypeId = Scalar "type_id",
        Value = Scalar "value",
    }
}

paths! {
    /// The first piece of evidence.
    enum EvidenceAt (IgnoreCase) {
        User = Json "user",
        Actor = Json "actor/user",
        Ip = Scalar "src_endpoint/ip",
        Location = Json "src_endpoint/location",
    }
}

type Found<'a> = Values<'a, { At::COUNT }>;
type User<'a> = Values<'a, { UserAt::COUNT }>;

pub(super) fn read<'a>(text: &'a str, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut found = At::read(text)?;
    let finding = if is_ours(&found) || is_closed(&found) { None } else { user_of(&found) };
    let Some(user) = finding else {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    };
    emit(Ok(Decoded::UpstreamFinding(finish_finding(finding_of(&mut found, user)?)?)));
    Ok(())
}

fn is_ours(found: &Found<'_>) -> bool {
    [At::Product, At::ProductUid, At::Vendor].into_iter().any(|at| found.is(at, "farsign"))
}

/// Closed by activity; suppressed, resolved, archived or deleted by status; or a false positive.
fn is_closed(found: &Found<'_>) -> bool {
    found.get(At::Activity).to_u32() == Some(3)
        || matches!(found.get(At::StatusId).to_u32(), Some(3..=6))
        || found.get(At::Verdict).to_u32() == Some(1)
}

fn user_of<'a>(found: &Found<'a>) -> Option<User<'a>> {
    let evidence = EvidenceAt::read(object(found.json(At::Evidence))).ok()?;
    let places = [
        evidence.json(EvidenceAt::User),
        evidence.json(EvidenceAt::Actor),
        found.json(At::User),
        found.json(At::Actor),
    ];
    let named = places
        .into_iter()
        .filter_map(|place| UserAt::read(object(place)).ok())
        .find(|user| [UserAt::Uid, UserAt::Name, UserAt::Email].into_iter().any(|at| user.has(at)));
    named.or_else(|| of_resource(found)).or_else(|| of_observable(found))
}

fn object(json: &str) -> &str {
    if json.starts_with('{') { json } else { "{}" }
}

/// A resource that is a user, or has one as its owner.
fn of_resource<'a>(found: &Found<'a>) -> Option<User<'a>> {
    elements(found.json(At::Resources)).take(SEARCHED_MAX).find_map(|resource| {
        let resource = UserAt::read(object(resource)).ok()?;
        let kind = resource.str(UserAt::Type).to_ascii_lowercase();
        if kind == "user" || kind.ends_with("iamuser") || kind == "account" {
            return Some(resource);
        }
        let owner = UserAt::read(object(resource.json(UserAt::Owner))).ok()?;
        (owner.has(UserAt::Uid) || owner.has(UserAt::Name) || owner.has(UserAt::Email)).then_some(owner)
    })
}

/// 4 is the name of a user, 5 an address for mail, 21 a user's object.
fn of_observable<'a>(found: &Found<'a>) -> Option<User<'a>> {
    elements(found.json(At::Observables)).take(SEARCHED_MAX).find_map(|observable| {
        let observable = UserAt::read(object(observable)).ok()?;
        let is_user = matches!(observable.get(UserAt::TypeId).to_u32(), Some(4 | 5));
        (is_user && observable.has(UserAt::Value)).then_some(observable)
    })
}

fn finding_of<'a>(found: &mut Found<'a>, mut user: User<'a>) -> Result<UpstreamFinding<'a>, Reject> {
    let event_time = time_of(found)?;
    let activity =
        [(At::LastSeen, "last_seen_time"), (At::FirstSeen, "first_seen_time"), (At::Start, "start_time")];
    let activity_time = found.time(&activity).unwrap_or(event_time);
    let names = [At::Product, At::ProductUid, At::Vendor];
    let provider = provider_named(names.iter().map(|at| found.str(*at))).unwrap_or(Provider::Other);
    let (kind, source_type) = kind_of(found);
    let mut evidence = EvidenceAt::read(object(found.json(At::Evidence)))?;
    let uids = [(At::Uid, "finding_info.uid"), (At::OlderUid, "finding.uid"), (At::MetadataUid, "metadata.uid")];
    let mut event_id = Cow::Borrowed("");
    for (at, name) in uids {
        let id = found.id(at, name)?;
        event_id = if event_id.is_empty() { id } else { event_id };
    }
    let request_id = found.id(At::RelatedUid, "finding_info.related_events.uid")?;
    let tenant = user.first_text([UserAt::Org, UserAt::Account]);
    let tenants = [found.text(At::Tenant), tenant, found.first_text([At::CloudAccount, At::OlderCloudAccount])];
    let unknown = if provider == Provider::Entra { entra::TENANT_UNKNOWN } else { "" };
    // An observable's name is the path of the field, its value the user.
    let (uid, name) = if user.has(UserAt::Value) {
        (Cow::Borrowed(""), user.text(UserAt::Value))
    } else {
        let uid = user.id(UserAt::Uid, "user.uid")?;
        (uid, user.first_text([UserAt::Email, UserAt::Name]))
    };
    Ok(UpstreamFinding {
        source: first(found, [At::Product, At::Vendor], "OCSF"),
        provider,
        tenant_id: tenants.into_iter().find(|tenant| !tenant.is_empty()).unwrap_or(Cow::Borrowed(unknown)),
        user_id: uid,
        user_principal_name: name,
        event_id,
        event_time,
        activity_time,
        kind,
        source_type,
        level: level(found),
        is_confirmed: found.get(At::Verdict).to_u32() == Some(2),
        is_about_user: request_id.is_empty(),
        request_id,
        address: None,
        address_text: evidence.text(EvidenceAt::Ip),
        location: location_in(evidence.json(EvidenceAt::Location)),
        reasons: first(found, [At::RiskDetails, At::Message, At::Description, At::OlderDescription], ""),
    })
}

fn first<'a, const N: usize>(found: &mut Found<'a>, slots: [At; N], otherwise: &'static str) -> Cow<'a, str> {
    let text = found.first_text(slots);
    if text.is_empty() { Cow::Borrowed(otherwise) } else { text }
}

fn time_of(found: &Found<'_>) -> Result<EventTime, Reject> {
    found.time(&[(At::TimeDt, "time_dt"), (At::Time, "time")])
}

/// The risk's level, else the severity's: 2 low, 3 medium, 4 to 6 high; what is for information only is low.
fn level(found: &Found<'_>) -> RiskLevel {
    level_of(found.get(At::RiskLevelId)).unwrap_or(match found.get(At::Severity).to_u32() {
        Some(1 | 2) => RiskLevel::Low,
        Some(4..=6) => RiskLevel::High,
        _ => RiskLevel::Medium,
    })
}

/// The first of its names that says what it is; the product's own type, by which rules are written.
fn kind_of<'a>(found: &mut Found<'a>) -> (RiskEventType, Cow<'a, str>) {
    let types = [At::Types, At::OlderTypes].map(|at| first_element(found.json(at)).trim_matches('"'));
    let written = types.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    let titles = found.first_text([At::Title, At::OlderTitle]);
    let analytic = found.text(At::Analytic);
    let known =
        [written, &titles, &analytic].map(risk_kind).into_iter().find(|kind| *kind != RiskEventType::Generic);
    let source_type = match () {
        () if !text::is_absent(written) => text::cut(Cow::Borrowed(written)),
        () if !titles.is_empty() => titles,
        () => analytic,
    };
    (known.unwrap_or(RiskEventType::Generic), source_type)
}
