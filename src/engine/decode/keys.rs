//! The keys that are read, form by form, and the slot each one fills.
//!
//! A key is found by its length first, so that the many keys nobody needs are passed over after one comparison.
//! Every form fills the same slots: what follows need not know which one it was.

/// A value that is kept as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Key {
    Id,
    CreatedDateTime,
    UserId,
    UserPrincipalName,
    UserDisplayName,
    IpAddress,
    AppId,
    AppDisplayName,
    ResourceDisplayName,
    ClientAppUsed,
    IsInteractive,
    UserAgent,
    AutonomousSystemNumber,
    CorrelationId,
    OriginalRequestId,
    SessionId,
    UniqueTokenIdentifier,
    IncomingTokenType,
    TokenIssuerType,
    TokenIssuerName,
    AuthenticationProtocol,
    AuthenticationRequirement,
    HomeTenantId,
    ServicePrincipalId,
    Category,
    Time,
    TenantId,
    ResourceId,
    CallerIpAddress,
    ResultType,
    ResultSignature,
    Identity,
    OperationName,
    Type,
    ActivityDisplayName,
    RiskEventType,
    RiskLastUpdatedDateTime,
    DetectedDateTime,
    ActivityDateTime,
    TableName,
    TimeGenerated,
    OuterCountry,
    ErrorCode,
    AdditionalDetails,
    DeviceId,
    DeviceDisplayName,
    OperatingSystem,
    Browser,
    IsCompliant,
    IsManaged,
    TrustType,
    City,
    State,
    Country,
    Latitude,
    Longitude,
    MfaMethod,
    Provider,
    Outcome,
    Credential,
    Mfa,
    Account,
    ClientApp,
    Action,
    RequestId,
    Source,
    SourceType,
    RiskLevel,
    IsConfirmed,
    IsAboutUser,
    Reasons,
}

impl Key {
    pub(super) const COUNT: usize = Key::Reasons as usize + 1;
}

/// An object whose values are kept with those of the object around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// The record itself: Azure Monitor's outer keys, Graph's, Log Analytics' and the envelopes'.
    Record,
    /// The object under `properties`.
    Properties,
    /// A record of our own format.
    Farsign,
    Status,
    Device,
    Location,
    Geo,
    MfaDetail,
    /// `location` of our own format.
    Place,
}

/// Arrays that hold whole records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    Records,
    Value,
    Tables,
}

/// What is done with a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Scalar(Key),
    Section(Section),
    Steps,
    EventTypes,
    Properties,
    Envelope(Envelope),
}

impl Slot {
    /// A bit of its own for every slot a Log Analytics column can fill.
    pub(super) fn bit(self) -> u128 {
        let index = match self {
            Slot::Scalar(key) => key as u32,
            Slot::Section(section) => Key::COUNT as u32 + section as u32,
            Slot::Steps => 120,
            Slot::EventTypes => 121,
            Slot::Properties => 122,
            Slot::Envelope(_) => 123,
        };
        1 << index
    }
}

impl Section {
    pub(super) fn slot(self, key: &str) -> Option<Slot> {
        match self {
            Section::Record => properties_slot(key).or_else(|| outer_slot(key)),
            Section::Properties => properties_slot(key),
            Section::Farsign => farsign_slot(key),
            Section::Status => status_slot(key),
            Section::Device => device_slot(key),
            Section::Location => location_slot(key),
            Section::Geo => geo_slot(key),
            Section::MfaDetail => (key == "authMethod").then_some(Slot::Scalar(Key::MfaMethod)),
            Section::Place => place_slot(key),
        }
    }

    /// The values that go when the object is written a second time.
    pub(super) fn keys(self) -> &'static [Key] {
        match self {
            Section::Record | Section::Properties | Section::Farsign => &[],
            Section::Status => &[Key::ErrorCode, Key::AdditionalDetails],
            Section::Device => &[
                Key::DeviceId,
                Key::DeviceDisplayName,
                Key::OperatingSystem,
                Key::Browser,
                Key::IsCompliant,
                Key::IsManaged,
                Key::TrustType,
            ],
            Section::Location | Section::Place => {
                &[Key::City, Key::State, Key::Country, Key::Latitude, Key::Longitude]
            }
            Section::Geo => &[Key::Latitude, Key::Longitude],
            Section::MfaDetail => &[Key::MfaMethod],
        }
    }
}

/// Azure Monitor's `properties`, and a Graph `signIn`.
fn properties_slot(key: &str) -> Option<Slot> {
    Some(match (key.len(), key) {
        (2, "id") => Slot::Scalar(Key::Id),
        (5, "appId") => Slot::Scalar(Key::AppId),
        (6, "status") => Slot::Section(Section::Status),
        (6, "userId") => Slot::Scalar(Key::UserId),
        (8, "location") => Slot::Section(Section::Location),
        (9, "ipAddress") => Slot::Scalar(Key::IpAddress),
        (9, "mfaDetail") => Slot::Section(Section::MfaDetail),
        (9, "sessionId") => Slot::Scalar(Key::SessionId),
        (9, "userAgent") => Slot::Scalar(Key::UserAgent),
        (12, "deviceDetail") => Slot::Section(Section::Device),
        (12, "homeTenantId") => Slot::Scalar(Key::HomeTenantId),
        (13, "clientAppUsed") => Slot::Scalar(Key::ClientAppUsed),
        (13, "correlationId") => Slot::Scalar(Key::CorrelationId),
        (13, "isInteractive") => Slot::Scalar(Key::IsInteractive),
        (14, "appDisplayName") => Slot::Scalar(Key::AppDisplayName),
        (15, "createdDateTime") => Slot::Scalar(Key::CreatedDateTime),
        (15, "tokenIssuerName") => Slot::Scalar(Key::TokenIssuerName),
        (15, "tokenIssuerType") => Slot::Scalar(Key::TokenIssuerType),
        (15, "userDisplayName") => Slot::Scalar(Key::UserDisplayName),
        (16, "signInEventTypes") => Slot::EventTypes,
        (17, "incomingTokenType") => Slot::Scalar(Key::IncomingTokenType),
        (17, "originalRequestId") => Slot::Scalar(Key::OriginalRequestId),
        (17, "userPrincipalName") => Slot::Scalar(Key::UserPrincipalName),
        (18, "servicePrincipalId") => Slot::Scalar(Key::ServicePrincipalId),
        (19, "resourceDisplayName") => Slot::Scalar(Key::ResourceDisplayName),
        (21, "authenticationDetails") => Slot::Steps,
        (21, "uniqueTokenIdentifier") => Slot::Scalar(Key::UniqueTokenIdentifier),
        (22, "authenticationProtocol") => Slot::Scalar(Key::AuthenticationProtocol),
        (22, "autonomousSystemNumber") => Slot::Scalar(Key::AutonomousSystemNumber),
        (25, "authenticationRequirement") => Slot::Scalar(Key::AuthenticationRequirement),
        _ => return None,
    })
}

/// Around `properties`; objects that are no sign-in; envelopes.
fn outer_slot(key: &str) -> Option<Slot> {
    Some(match (key.len(), key) {
        (4, "time") => Slot::Scalar(Key::Time),
        (4, "type") => Slot::Scalar(Key::Type),
        (5, "value") => Slot::Envelope(Envelope::Value),
        (6, "tables") => Slot::Envelope(Envelope::Tables),
        (7, "records") => Slot::Envelope(Envelope::Records),
        (8, "category") => Slot::Scalar(Key::Category),
        (8, "identity") => Slot::Scalar(Key::Identity),
        (8, "tenantId") => Slot::Scalar(Key::TenantId),
        (10, "properties") => Slot::Properties,
        (10, "resourceId") => Slot::Scalar(Key::ResourceId),
        (10, "resultType") => Slot::Scalar(Key::ResultType),
        (13, "operationName") => Slot::Scalar(Key::OperationName),
        (13, "riskEventType") => Slot::Scalar(Key::RiskEventType),
        (15, "callerIpAddress") => Slot::Scalar(Key::CallerIpAddress),
        (15, "resultSignature") => Slot::Scalar(Key::ResultSignature),
        (16, "activityDateTime") => Slot::Scalar(Key::ActivityDateTime),
        (16, "detectedDateTime") => Slot::Scalar(Key::DetectedDateTime),
        (19, "activityDisplayName") => Slot::Scalar(Key::ActivityDisplayName),
        (23, "riskLastUpdatedDateTime") => Slot::Scalar(Key::RiskLastUpdatedDateTime),
        _ => return None,
    })
}

/// A Log Analytics column. `TenantId` is the workspace and is not read.
pub(super) fn column_slot(key: &str) -> Option<Slot> {
    Some(match (key.len(), key) {
        (2, "Id") => Slot::Scalar(Key::Id),
        (4, "Type") => Slot::Scalar(Key::TableName),
        (5, "AppId") => Slot::Scalar(Key::AppId),
        (6, "Status") => Slot::Section(Section::Status),
        (6, "UserId") => Slot::Scalar(Key::UserId),
        (8, "Category") => Slot::Scalar(Key::Category),
        (8, "Identity") => Slot::Scalar(Key::Identity),
        (8, "Location") => Slot::Scalar(Key::OuterCountry),
        (9, "IPAddress") => Slot::Scalar(Key::IpAddress),
        (9, "MfaDetail") => Slot::Section(Section::MfaDetail),
        (9, "SessionId") => Slot::Scalar(Key::SessionId),
        (9, "UserAgent") => Slot::Scalar(Key::UserAgent),
        (10, "ResourceId") => Slot::Scalar(Key::ResourceId),
        (10, "ResultType") => Slot::Scalar(Key::ResultType),
        (11, "AADTenantId") => Slot::Scalar(Key::TenantId),
        (12, "DeviceDetail") => Slot::Section(Section::Device),
        (12, "HomeTenantId") => Slot::Scalar(Key::HomeTenantId),
        (13, "ClientAppUsed") => Slot::Scalar(Key::ClientAppUsed),
        (13, "CorrelationId") => Slot::Scalar(Key::CorrelationId),
        (13, "IsInteractive") => Slot::Scalar(Key::IsInteractive),
        (13, "OperationName") => Slot::Scalar(Key::OperationName),
        (13, "TimeGenerated") => Slot::Scalar(Key::TimeGenerated),
        (14, "AppDisplayName") => Slot::Scalar(Key::AppDisplayName),
        (15, "CreatedDateTime") => Slot::Scalar(Key::CreatedDateTime),
        (15, "LocationDetails") => Slot::Section(Section::Location),
        (15, "ResultSignature") => Slot::Scalar(Key::ResultSignature),
        (15, "TokenIssuerName") => Slot::Scalar(Key::TokenIssuerName),
        (15, "TokenIssuerType") => Slot::Scalar(Key::TokenIssuerType),
        (15, "UserDisplayName") => Slot::Scalar(Key::UserDisplayName),
        (17, "IncomingTokenType") => Slot::Scalar(Key::IncomingTokenType),
        (17, "OriginalRequestId") => Slot::Scalar(Key::OriginalRequestId),
        (17, "UserPrincipalName") => Slot::Scalar(Key::UserPrincipalName),
        (18, "ServicePrincipalId") => Slot::Scalar(Key::ServicePrincipalId),
        (19, "ResourceDisplayName") => Slot::Scalar(Key::ResourceDisplayName),
        (21, "AuthenticationDetails") => Slot::Steps,
        (21, "UniqueTokenIdentifier") => Slot::Scalar(Key::UniqueTokenIdentifier),
        (22, "AuthenticationProtocol") => Slot::Scalar(Key::AuthenticationProtocol),
        (22, "AutonomousSystemNumber") => Slot::Scalar(Key::AutonomousSystemNumber),
        (25, "AuthenticationRequirement") => Slot::Scalar(Key::AuthenticationRequirement),
        _ => return None,
    })
}

/// `status`.
fn status_slot(key: &str) -> Option<Slot> {
    Some(match (key.len(), key) {
        (9, "errorCode") => Slot::Scalar(Key::ErrorCode),
        (17, "additionalDetails") => Slot::Scalar(Key::AdditionalDetails),
        _ => return None,
    })
}

/// `deviceDetail`.
fn device_slot(key: &str) -> Option<Slot> {
    Some(match (key.len(), key) {
        (7, "browser") => Slot::Scalar(Key::Browser),
        (8, "deviceId") => Slot::Scalar(Key::DeviceId),
        (9, "isManaged") => Slot::Scalar(Key::IsManaged),
        (9, "trustType") => Slot::Scalar(Key::TrustType),
        (11, "displayName") => Slot::Scalar(Key::DeviceDisplayName),
        (11, "isCompliant") => Slot::Scalar(Key::IsCompliant),
        (15, "operatingSystem") => Slot::Scalar(Key::OperatingSystem),
        _ => return None,
    })
}

/// `location`.
fn location_slot(key: &str) -> Option<Slot> {
    Some(match (key.len(), key) {
        (4, "city") => Slot::Scalar(Key::City),
        (5, "state") => Slot::Scalar(Key::State),
        (14, "geoCoordinates") => Slot::Section(Section::Geo),
        (15, "countryOrRegion") => Slot::Scalar(Key::Country),
        _ => return None,
    })
}

/// `geoCoordinates`.
fn geo_slot(key: &str) -> Option<Slot> {
    Some(match (key.len(), key) {
        (8, "latitude") => Slot::Scalar(Key::Latitude),
        (9, "longitude") => Slot::Scalar(Key::Longitude),
        _ => return None,
    })
}

/// A record of our own format.
fn farsign_slot(key: &str) -> Option<Slot> {
    Some(match (key.len(), key) {
        (2, "id") => Slot::Scalar(Key::Id),
        (3, "asn") => Slot::Scalar(Key::AutonomousSystemNumber),
        (3, "mfa") => Slot::Scalar(Key::Mfa),
        (4, "time") => Slot::Scalar(Key::Time),
        (4, "type") => Slot::Scalar(Key::Type),
        (5, "appId") => Slot::Scalar(Key::AppId),
        (6, "action") => Slot::Scalar(Key::Action),
        (6, "device") => Slot::Section(Section::Device),
        (6, "source") => Slot::Scalar(Key::Source),
        (6, "userId") => Slot::Scalar(Key::UserId),
        (7, "account") => Slot::Scalar(Key::Account),
        (7, "outcome") => Slot::Scalar(Key::Outcome),
        (7, "reasons") => Slot::Scalar(Key::Reasons),
        (8, "category") => Slot::Scalar(Key::Category),
        (8, "location") => Slot::Section(Section::Place),
        (8, "provider") => Slot::Scalar(Key::Provider),
        (8, "tenantId") => Slot::Scalar(Key::TenantId),
        (9, "clientApp") => Slot::Scalar(Key::ClientApp),
        (9, "errorCode") => Slot::Scalar(Key::ErrorCode),
        (9, "ipAddress") => Slot::Scalar(Key::IpAddress),
        (9, "requestId") => Slot::Scalar(Key::RequestId),
        (9, "riskLevel") => Slot::Scalar(Key::RiskLevel),
        (9, "sessionId") => Slot::Scalar(Key::SessionId),
        (9, "userAgent") => Slot::Scalar(Key::UserAgent),
        (10, "credential") => Slot::Scalar(Key::Credential),
        (10, "sourceType") => Slot::Scalar(Key::SourceType),
        (11, "isAboutUser") => Slot::Scalar(Key::IsAboutUser),
        (11, "isConfirmed") => Slot::Scalar(Key::IsConfirmed),
        (12, "activityTime") => Slot::Scalar(Key::ActivityDateTime),
        (13, "clientAppUsed") => Slot::Scalar(Key::ClientAppUsed),
        (13, "correlationId") => Slot::Scalar(Key::CorrelationId),
        (13, "riskEventType") => Slot::Scalar(Key::RiskEventType),
        (14, "appDisplayName") => Slot::Scalar(Key::AppDisplayName),
        (15, "tokenIssuerName") => Slot::Scalar(Key::TokenIssuerName),
        (15, "tokenIssuerType") => Slot::Scalar(Key::TokenIssuerType),
        (15, "userDisplayName") => Slot::Scalar(Key::UserDisplayName),
        (17, "incomingTokenType") => Slot::Scalar(Key::IncomingTokenType),
        (17, "userPrincipalName") => Slot::Scalar(Key::UserPrincipalName),
        (19, "resourceDisplayName") => Slot::Scalar(Key::ResourceDisplayName),
        (22, "authenticationProtocol") => Slot::Scalar(Key::AuthenticationProtocol),
        _ => return None,
    })
}

/// `location` of our own format.
fn place_slot(key: &str) -> Option<Slot> {
    Some(match (key.len(), key) {
        (4, "city") => Slot::Scalar(Key::City),
        (5, "state") => Slot::Scalar(Key::State),
        (7, "country") => Slot::Scalar(Key::Country),
        (8, "latitude") => Slot::Scalar(Key::Latitude),
        (9, "longitude") => Slot::Scalar(Key::Longitude),
        _ => return None,
    })
}
