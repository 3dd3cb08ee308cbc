//! AWS GuardDuty's findings about principals → [`UpstreamFinding`]s.
//!
//! ## What it maps
//! | finding | becomes |
//! |---|---|
//! | with access key details of a person | an upstream finding about the user that CloudTrail's sign-ins have |
//! | an attack sequence | the same, about its first actor |
//! | about instances, buckets, clusters … alone | not a sign-in |
//! | of a workload's session | a service principal |
//! | a sample, or one that was archived, suppressed, resolved | not a sign-in |
//!
//! It reads what EventBridge carries (keys begin small), what the API answers (keys begin with a capital) and what
//! Security Hub makes of it (ASFF). Which type is which risk, [`kind_of`] says.
//!
//! ## Traps
//! - Severity is a number: below 4 low, below 7 medium, else high. 9 and more, critical, is high here.
//! - A finding is sent again each time it goes on, with the same id: the first counts.
//! - `userName` is the name of the role where the user has one; who used it stands behind the colon of `principalId`.
//! - A finding names no sign-in: it is about the user as a whole.

use std::borrow::Cow;
use std::iter;
use std::sync::LazyLock;

use super::aws_user::{Person, Principal};
use super::country::code_of;
use super::draft;
use super::format::{Emit, Format, Reader};
use super::paths::{Kept, Matching, Paths, Values, elements, paths};
use super::scalar::Scalar;
use super::{Around, Decoded, Reject, SkipReason, text};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{EventTime, Provider, ProviderLocation, UpstreamFinding};

pub(super) const READER: Reader = Reader {
    format: Format::GuardDuty,
    marks: &[
        &["schemaVersion", "resource", "severity"],
        &["SchemaVersion", "Resource", "Severity"],
        &["accountId", "resource", "severity"],
        &["AccountId", "Resource", "Severity"],
        &["GeneratorId", "ProductArn"],
    ],
    is_line: None,
    read,
};

const SOURCE: &str = "GuardDuty";

paths! {
    /// Where a finding has what is read; the last lines are those of Security Hub.
    enum At (IgnoreCase) {
        Id = Scalar "id",
        Type = Scalar "type",
        Account = Scalar "accountId",
        Severity = Json "severity",
        Updated = Scalar "updatedAt",
        Created = Scalar "createdAt",
        Title = Scalar "title",
        Description = Scalar "description",
        PrincipalId = Scalar "resource/accessKeyDetails/principalId",
        UserName = Scalar "resource/accessKeyDetails/userName",
        UserType = Scalar "resource/accessKeyDetails/userType",
        ActorId = Scalar "service/detection/sequence/actors/0/user/uid",
        ActorName = Scalar "service/detection/sequence/actors/0/user/name",
        ActorType = Scalar "service/detection/sequence/actors/0/user/type",
        Archived = Scalar "service/archived",
        IsSample = Scalar "service/additionalInfo/sample",
        FirstSeen = Scalar "service/eventFirstSeen",
        LastSeen = Scalar "service/eventLastSeen",
        Address = Scalar "service/action/awsApiCallAction/remoteIpDetails/ipAddressV4",
        AddressV6 = Scalar "service/action/awsApiCallAction/remoteIpDetails/ipAddressV6",
        Country = Scalar "service/action/awsApiCallAction/remoteIpDetails/country/countryName",
        CountryCode = Scalar "service/action/awsApiCallAction/remoteIpDetails/country/countryCode",
        City = Scalar "service/action/awsApiCallAction/remoteIpDetails/city/cityName",
        Latitude = Scalar "service/action/awsApiCallAction/remoteIpDetails/geoLocation/lat",
        Longitude = Scalar "service/action/awsApiCallAction/remoteIpDetails/geoLocation/lon",
        HubAccount = Scalar "AwsAccountId",
        HubGenerator = Scalar "GeneratorId",
        HubSeverity = Scalar "severity/Product",
        HubLabel = Scalar "severity/Label",
        HubType = Scalar "Types/0",
        HubResources = Json "Resources",
        HubState = Scalar "RecordState",
        HubWorkflow = Scalar "Workflow/Status",
        HubSample = Scalar "Sample",
        HubFirstSeen = Scalar "FirstObservedAt",
        HubLastSeen = Scalar "LastObservedAt",
        HubFields = Json "ProductFields",
    }
}

paths! {
    /// One resource of Security Hub's.
    enum ResourceAt (IgnoreCase) {
        PrincipalId = Scalar "Details/AwsIamAccessKey/PrincipalId",
        UserName = Scalar "Details/AwsIamAccessKey/PrincipalName",
        UserType = Scalar "Details/AwsIamAccessKey/PrincipalType",
    }
}

/// GuardDuty's own paths, which Security Hub writes as keys of one object.
static HUB_FIELDS: LazyLock<Paths> = LazyLock::new(|| {
    let remote = "aws/guardduty/service/action/awsApiCallAction/remoteIpDetails";
    let fields = HUB_FIELD_SLOTS.map(|(_, field)| match field {
        "archived" => format!("aws/guardduty/service/{field}"),
        _ => format!("{remote}/{field}"),
    });
    Paths::new(fields.iter().map(|key| (iter::once(key.as_str()), Kept::Scalar)), Matching::IgnoreCase)
});

/// Slots that [`HUB_FIELDS`] fill, and the ends of their keys.
const HUB_FIELD_SLOTS: [(At, &str); 7] = [
    (At::Archived, "archived"),
    (At::Address, "ipAddressV4"),
    (At::AddressV6, "ipAddressV6"),
    (At::Country, "country/countryName"),
    (At::City, "city/cityName"),
    (At::Latitude, "geoLocation/lat"),
    (At::Longitude, "geoLocation/lon"),
];

type Finding<'a> = Values<'a, { At::COUNT }>;

fn read<'a>(text: &'a str, _: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut finding = At::read(text)?;
    if finding.has(At::HubGenerator) && !open_hub(&mut finding)? || is_closed(&finding) {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    }
    emit(Ok(match principal(&mut finding) {
        None => Decoded::Skipped(SkipReason::NotASignIn),
        Some(principal) => match principal.person() {
            None => Decoded::Skipped(SkipReason::ServicePrincipal),
            // Resources that name no user: a bucket, a cluster.
            Some(person) if person.id.is_empty() && person.name.is_empty() => {
                Decoded::Skipped(SkipReason::NotASignIn)
            }
            Some(person) => Decoded::UpstreamFinding(upstream(&mut finding, person)?),
        },
    }));
    Ok(())
}

/// Puts what Security Hub writes where GuardDuty writes it; false where the finding is another product's.
fn open_hub(finding: &mut Finding<'_>) -> Result<bool, Reject> {
    if !finding.str(At::HubGenerator).contains(":guardduty:") {
        return Ok(false);
    }
    let mut fields: Values<'_, { HUB_FIELD_SLOTS.len() }> = Values::new();
    if !finding.json(At::HubFields).is_empty() {
        fields = HUB_FIELDS.read(finding.json(At::HubFields))?;
    }
    for (index, (slot, _)) in HUB_FIELD_SLOTS.into_iter().enumerate() {
        finding.put(slot, fields.take(index));
    }
    for resource in elements(finding.json(At::HubResources)) {
        let mut resource = ResourceAt::read(resource)?;
        if resource.has(ResourceAt::PrincipalId) || resource.has(ResourceAt::UserName) {
            finding.put(At::PrincipalId, resource.take(ResourceAt::PrincipalId));
            finding.put(At::UserName, resource.take(ResourceAt::UserName));
            finding.put(At::UserType, resource.take(ResourceAt::UserType));
            break;
        }
    }
    Ok(true)
}

/// Somebody, or a rule, has laid it aside; or it was never one.
fn is_closed(finding: &Finding<'_>) -> bool {
    let is_workflow_over = ["SUPPRESSED", "RESOLVED"].iter().any(|word| finding.is(At::HubWorkflow, word));
    [At::Archived, At::IsSample, At::HubSample].into_iter().any(|at| finding.flag(at) == Some(true))
        || finding.is(At::HubState, "ARCHIVED")
        || is_workflow_over
        || finding.str(At::Title).starts_with("[SAMPLE]")
        || finding.str(At::PrincipalId) == "GeneratedFindingPrincipalId"
}

fn principal<'a>(finding: &mut Finding<'a>) -> Option<Principal<'a>> {
    let slots = [(At::PrincipalId, At::UserName, At::UserType), (At::ActorId, At::ActorName, At::ActorType)];
    let (id, name, kind) = slots.into_iter().find(|(id, name, _)| finding.has(*id) || finding.has(*name))?;
    let account_id = finding.first_text([At::Account, At::HubAccount]);
    finding.put(At::Account, Scalar::Text(account_id.clone()));
    Some(Principal {
        kind: finding.text(kind),
        principal_id: finding.text(id),
        user_name: finding.text(name),
        account_id,
        ..Principal::default()
    })
}

fn upstream<'a>(finding: &mut Finding<'a>, person: Person<'a>) -> Result<UpstreamFinding<'a>, Reject> {
    let source_type = finding.first_text([At::Type, At::HubType]);
    let (event_time, activity_time) = times_of(finding)?;
    let id = finding.id(At::Id, "id")?;
    draft::finish_finding(UpstreamFinding {
        source: Cow::Borrowed(SOURCE),
        provider: Provider::Aws,
        tenant_id: finding.id(At::Account, "accountId")?,
        user_id: person.id,
        user_principal_name: person.name,
        // Security Hub's id is an ARN that ends with GuardDuty's.
        event_id: match id.rsplit_once("/finding/") {
            Some((_, own)) => Cow::Owned(own.to_owned()),
            None => id,
        },
        event_time,
        activity_time,
        kind: kind_of(&source_type),
        source_type,
        level: level_of(finding),
        is_confirmed: false,
        request_id: Cow::Borrowed(""),
        is_about_user: true,
        address: None,
        address_text: finding.first_text([At::Address, At::AddressV6]),
        location: location_of(finding),
        reasons: text::cut(finding.first_text([At::Description, At::Title])),
    })
}

/// When GuardDuty said so, and when it last happened.
fn times_of(finding: &Finding<'_>) -> Result<(EventTime, EventTime), Reject> {
    let seen = [At::LastSeen, At::HubLastSeen, At::FirstSeen, At::HubFirstSeen];
    let said = [At::Updated, At::Created, At::LastSeen, At::HubLastSeen];
    let event_time = finding.time(&said.map(|at| (at, "updatedAt")))?;
    let activity_time = finding.time(&seen.map(|at| (at, "service.eventLastSeen"))).unwrap_or(event_time);
    // Clocks of two services: what is found has happened.
    Ok((event_time, activity_time.min(event_time)))
}

/// The risk that a type of finding is an equal of.
fn kind_of(source_type: &str) -> RiskEventType {
    const KINDS: [(&str, RiskEventType); 7] = [
        ("toripcaller", RiskEventType::AnonymizedIpAddress),
        ("maliciousipcaller", RiskEventType::MaliciousIpAddress),
        // Sign-ins of one user from several places of the world at about the same time.
        ("consoleloginsuccess", RiskEventType::ImpossibleTravel),
        ("credentialaccess:iamuser/compromisedcredentials", RiskEventType::LeakedCredentials),
        // Temporary keys used where they were not given out.
        ("credentialexfiltration", RiskEventType::AnomalousToken),
        // Both are retired, and in older logs.
        ("iamuser/consolelogin", RiskEventType::UnfamiliarFeatures),
        ("unusualasncaller", RiskEventType::UnfamiliarFeatures),
    ];
    // Security Hub has a hyphen where GuardDuty has a slash, and slashes before.
    let source_type = source_type.to_ascii_lowercase().replace(":iamuser-", ":iamuser/");
    let kind = KINDS.into_iter().find(|(part, _)| source_type.contains(part));
    kind.map_or(RiskEventType::Generic, |(_, kind)| kind)
}

fn level_of(finding: &Finding<'_>) -> RiskLevel {
    let number = finding.number(At::HubSeverity).or_else(|| finding.number(At::Severity));
    if let Some(number) = number {
        return match number {
            _ if number >= 7.0 => RiskLevel::High,
            _ if number >= 4.0 => RiskLevel::Medium,
            _ => RiskLevel::Low,
        };
    }
    let words = [finding.str(At::Severity), finding.str(At::HubLabel)];
    let is_any = |word: &str| words.iter().any(|written| written.trim().eq_ignore_ascii_case(word));
    match () {
        () if is_any("high") || is_any("critical") => RiskLevel::High,
        () if is_any("medium") => RiskLevel::Medium,
        () => RiskLevel::Low,
    }
}

fn location_of<'a>(finding: &mut Finding<'a>) -> ProviderLocation<'a> {
    ProviderLocation {
        city: finding.text(At::City),
        state: Cow::Borrowed(""),
        country: code_of(finding.first_text([At::CountryCode, At::Country])),
        coordinates: super::entra::coordinates(finding.number(At::Latitude), finding.number(At::Longitude)),
    }
}
