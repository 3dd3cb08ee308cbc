//! Where Elastic's integrations move what providers' records say: one table a provider.
//!
//! Most of a record stays under a key of the provider's own, in snake case; addresses, agents, users and ids go to the
//! common fields, and are taken from there.

use std::sync::LazyLock;

use super::super::format::Format;
use super::super::respell::{Row, Spelling, YES_NO};
use crate::engine::signin::Provider;

/// How ECS spells the records of one format.
pub(super) struct Vendor {
    pub(super) provider: Provider,
    pub(super) format: Format,
    /// How a dotted key of its own begins.
    pub(super) dotted: &'static str,
    pub(super) spelling: LazyLock<Spelling>,
}

const fn vendor(provider: Provider, format: Format, dotted: &'static str, spelling: fn() -> Spelling) -> Vendor {
    Vendor { provider, format, dotted, spelling: LazyLock::new(spelling) }
}

pub(super) static VENDORS: [Vendor; 11] = [
    vendor(Provider::Entra, Format::Entra, "\"azure.signinlogs.", || {
        Spelling::new("azure/signinlogs/", super::azure::SIGN_INS)
    }),
    vendor(Provider::Okta, Format::Okta, "\"okta.", || Spelling::new("okta/", OKTA).in_camel_case()),
    vendor(Provider::Aws, Format::CloudTrail, "\"aws.cloudtrail.", || {
        Spelling::new("aws/cloudtrail/", CLOUDTRAIL).with_words("additionalEventData/MFAUsed", YES_NO)
    }),
    vendor(Provider::Google, Format::Google, "\"google_workspace.", || Spelling::new("google_workspace/", GOOGLE)),
    vendor(Provider::Auth0, Format::Auth0, "\"auth0.logs.", || {
        Spelling::new("auth0/logs/", AUTH0).with_words("type", AUTH0_TYPES)
    }),
    vendor(Provider::Keycloak, Format::Keycloak, "\"keycloak.", || Spelling::new("keycloak/", KEYCLOAK)),
    vendor(Provider::Duo, Format::Duo, "\"cisco_duo.auth.", || Spelling::new("cisco_duo/auth/", DUO)),
    vendor(Provider::OneLogin, Format::OneLogin, "\"onelogin.", || Spelling::new("onelogin/", ONELOGIN)),
    vendor(Provider::Ping, Format::PingOne, "\"ping_one.audit.", || {
        Spelling::new("ping_one/audit/", PINGONE).in_camel_case()
    }),
    vendor(Provider::JumpCloud, Format::JumpCloud, "\"jumpcloud.event.", || {
        Spelling::new("jumpcloud/event/", JUMPCLOUD)
    }),
    vendor(Provider::Entra, Format::M365, "\"o365.audit.", || Spelling::new("o365/audit/", M365)),
];

const OKTA: &[Row] = &[
    ("uuid", &["okta/uuid", "event/id"]),
    ("published", &["@timestamp"]),
    ("eventType", &["okta/event_type", "event/action"]),
    ("legacyEventType", &["okta/legacy_event_type"]),
    ("actor/id", &["okta/actor/id", "client/user/id", "source/user/id", "user/id"]),
    ("actor/type", &["okta/actor/type", "=User"]),
    ("actor/alternateId", &["okta/actor/alternate_id", "user/email", "user/name"]),
    ("actor/displayName", &["okta/actor/display_name", "user/full_name"]),
    ("target", &["okta/target"]),
    ("outcome/result", &["okta/outcome/result", "event/outcome"]),
    ("outcome/reason", &["okta/outcome/reason", "event/reason"]),
    ("client/ipAddress", &["okta/client/ip", "client/ip", "source/ip"]),
    ("client/geographicalContext/city", &["client/geo/city_name"]),
    ("client/geographicalContext/state", &["client/geo/region_name"]),
    ("client/geographicalContext/country", &["client/geo/country_name", "client/geo/country_iso_code"]),
    ("client/geographicalContext/geolocation/lat", &["client/geo/location/lat"]),
    ("client/geographicalContext/geolocation/lon", &["client/geo/location/lon"]),
    ("client/userAgent/rawUserAgent", &["okta/client/user_agent/raw_user_agent", "user_agent/original"]),
    ("client/userAgent/os", &["okta/client/user_agent/os", "user_agent/os/name"]),
    ("client/userAgent/browser", &["okta/client/user_agent/browser", "user_agent/name"]),
    ("securityContext/asNumber", &["okta/security_context/as/number"]),
    ("device/id", &["okta/device/id", "device/id"]),
    ("device/name", &["okta/device/name"]),
    ("device/platform", &["okta/device/platform", "okta/device/os_platform"]),
    ("device/managed", &["okta/device/managed"]),
    ("authenticationContext/externalSessionId", &["okta/authentication_context/external_session_id"]),
    ("authenticationContext/rootSessionId", &["okta/authentication_context/root_session_id"]),
    ("authenticationContext/credentialType", &["okta/authentication_context/credential_type"]),
    ("authenticationContext/authenticationProvider", &["okta/authentication_context/authentication_provider"]),
    ("authenticationContext/issuer/id", &["okta/authentication_context/issuer/id"]),
    ("transaction/id", &["okta/transaction/id"]),
    (
        "debugContext/debugData/authnRequestId",
        &[
            "okta/debug_context/debug_data/authn_request_id",
            "okta/debug_context/debug_data/flattened/authnRequestId",
        ],
    ),
    (
        "debugContext/debugData/requestUri",
        &["okta/debug_context/debug_data/request_uri", "okta/debug_context/debug_data/flattened/requestUri"],
    ),
    (
        "debugContext/debugData/factor",
        &["okta/debug_context/debug_data/factor", "okta/debug_context/debug_data/flattened/factor"],
    ),
    ("debugContext/debugData/factorIntent", &["okta/debug_context/debug_data/flattened/factorIntent"]),
    ("debugContext/debugData/grantType", &["okta/debug_context/debug_data/flattened/grantType"]),
    (
        "debugContext/debugData/dtHash",
        &["okta/debug_context/debug_data/dt_hash", "okta/debug_context/debug_data/flattened/dtHash"],
    ),
    (
        "debugContext/debugData/authMethodSecondType",
        &[
            "okta/debug_context/debug_data/flattened/authMethodSecondType",
            "okta/debug_context/debug_data/flattened/authMethodSecondVerificationType",
        ],
    ),
    (
        "debugContext/debugData/risk",
        &[
            "okta/debug_context/debug_data/flattened/risk",
            "okta/debug_context/debug_data/flattened/risk_object",
            "okta/debug_context/debug_data/risk_object",
        ],
    ),
    (
        "debugContext/debugData/risk/level",
        &["okta/debug_context/debug_data/risk_level", "okta/debug_context/debug_data/flattened/risk/level"],
    ),
    (
        "debugContext/debugData/risk/reasons",
        &["okta/debug_context/debug_data/flattened/risk/reasons", "okta/debug_context/debug_data/risk_reasons"],
    ),
    (
        "debugContext/debugData/logOnlySecurityData",
        &["okta/debug_context/debug_data/flattened/logOnlySecurityData"],
    ),
    (
        "debugContext/debugData/threatSuspected",
        &[
            "okta/debug_context/debug_data/threat_suspected",
            "okta/debug_context/debug_data/flattened/threatSuspected",
        ],
    ),
    ("debugContext/debugData/threatDetections", &["okta/debug_context/debug_data/flattened/threatDetections"]),
    ("debugContext/debugData/tunnels", &["okta/debug_context/debug_data/flattened/tunnels"]),
    (
        "debugContext/debugData/suspiciousActivityEventIp",
        &["okta/debug_context/debug_data/suspicious_activity/event_ip"],
    ),
    (
        "debugContext/debugData/suspiciousActivityEventCity",
        &["okta/debug_context/debug_data/suspicious_activity/event_city"],
    ),
    (
        "debugContext/debugData/suspiciousActivityEventCountry",
        &["okta/debug_context/debug_data/suspicious_activity/event_country"],
    ),
    (
        "debugContext/debugData/suspiciousActivityEventType",
        &["okta/debug_context/debug_data/suspicious_activity/event_type"],
    ),
    (
        "debugContext/debugData/suspiciousActivityTimestamp",
        &["okta/debug_context/debug_data/suspicious_activity/timestamp"],
    ),
];

const CLOUDTRAIL: &[Row] = &[
    ("eventVersion", &["aws/cloudtrail/event_version"]),
    ("eventID", &["aws/cloudtrail/event_id", "event/id"]),
    ("eventTime", &["@timestamp"]),
    ("eventSource", &["event/provider"]),
    ("eventName", &["event/action"]),
    ("eventType", &["aws/cloudtrail/event_type"]),
    ("recipientAccountId", &["aws/cloudtrail/recipient_account_id", "cloud/account/id"]),
    ("sourceIPAddress", &["source/ip", "source/address"]),
    ("userAgent", &["user_agent/original"]),
    ("errorCode", &["aws/cloudtrail/error_code"]),
    ("errorMessage", &["aws/cloudtrail/error_message"]),
    ("requestID", &["aws/cloudtrail/request_id"]),
    ("userIdentity/type", &["aws/cloudtrail/user_identity/type"]),
    ("userIdentity/principalId", &["aws/cloudtrail/user_identity/principal_id", "user/id"]),
    ("userIdentity/arn", &["aws/cloudtrail/user_identity/arn"]),
    ("userIdentity/accountId", &["aws/cloudtrail/user_identity/account_id", "cloud/account/id"]),
    ("userIdentity/accessKeyId", &["aws/cloudtrail/user_identity/access_key_id"]),
    ("userIdentity/userName", &["aws/cloudtrail/user_identity/user_name", "user/name"]),
    ("userIdentity/invokedBy", &["aws/cloudtrail/user_identity/invoked_by"]),
    (
        "userIdentity/sessionContext/sourceIdentity",
        &["aws/cloudtrail/user_identity/session_context/source_identity"],
    ),
    (
        "userIdentity/sessionContext/attributes/mfaAuthenticated",
        &["aws/cloudtrail/user_identity/session_context/mfa_authenticated"],
    ),
    ("requestParameters", &["aws/cloudtrail/flattened/request_parameters"]),
    ("responseElements", &["aws/cloudtrail/flattened/response_elements"]),
    // "success" where the whole is kept as text that nothing reads.
    (
        "responseElements/ConsoleLogin",
        &["aws/cloudtrail/flattened/response_elements/ConsoleLogin", "event/outcome"],
    ),
    ("responseElements/CheckMfa", &["aws/cloudtrail/flattened/response_elements/CheckMfa", "event/outcome"]),
    (
        "additionalEventData/MFAUsed",
        &[
            "aws/cloudtrail/flattened/additional_eventdata/MFAUsed",
            "aws/cloudtrail/console_login/additional_eventdata/mfa_used",
        ],
    ),
    ("additionalEventData/UserName", &["aws/cloudtrail/flattened/additional_eventdata/UserName"]),
    ("additionalEventData/AuthWorkflowID", &["aws/cloudtrail/flattened/additional_eventdata/AuthWorkflowID"]),
    ("additionalEventData/CredentialType", &["aws/cloudtrail/flattened/additional_eventdata/CredentialType"]),
    (
        "additionalEventData/LoginTo",
        &[
            "aws/cloudtrail/flattened/additional_eventdata/LoginTo",
            "aws/cloudtrail/console_login/additional_eventdata/login_to",
        ],
    ),
    ("serviceEventDetails", &["aws/cloudtrail/flattened/service_event_details"]),
];

/// One event beside its actor, as Google's own exporters write it too.
const GOOGLE: &[Row] = &[
    ("id/time", &["@timestamp"]),
    ("id/uniqueQualifier", &["event/id"]),
    ("id/applicationName", &["event/provider"]),
    ("id/customerId", &["organization/id"]),
    ("actor/email", &["google_workspace/actor/email", "source/user/email", "user/email"]),
    ("actor/profileId", &["google_workspace/actor/profile/id", "source/user/id", "user/id"]),
    ("actor/callerType", &["google_workspace/actor/type"]),
    ("ipAddress", &["source/ip"]),
    ("type", &["google_workspace/event/type"]),
    ("name", &["google_workspace/event/name", "event/action"]),
    ("parameters/login_type", &["google_workspace/login/type"]),
    ("parameters/login_challenge_method", &["google_workspace/login/challenge_method"]),
    ("parameters/login_challenge_status", &["google_workspace/login/challenge_status"]),
    ("parameters/login_failure_type", &["google_workspace/login/failure_type"]),
    ("parameters/is_second_factor", &["google_workspace/login/is_second_factor"]),
    ("parameters/is_suspicious", &["google_workspace/login/is_suspicious"]),
    ("parameters/affected_email_address", &["google_workspace/login/affected_email_address"]),
    ("parameters/login_timestamp", &["google_workspace/login/timestamp"]),
    ("parameters/sensitive_action_name", &["google_workspace/login/sensitive_action_name"]),
    ("parameters/application_name", &["google_workspace/saml/application_name"]),
    ("parameters/failure_type", &["google_workspace/saml/failure_type"]),
    ("parameters/saml_status_code", &["google_workspace/saml/status_code"]),
];

/// The code of the type is gone; its description is what stands in its place.
const AUTH0: &[Row] = &[
    ("date", &["auth0/logs/data/date", "@timestamp"]),
    ("type", &["auth0/logs/data/type_code", "auth0/logs/data/type"]),
    ("log_id", &["auth0/logs/log_id", "auth0/logs/data/log_id", "event/id"]),
    ("description", &["auth0/logs/data/description"]),
    ("user_id", &["auth0/logs/data/user_id", "user/id"]),
    ("user_name", &["auth0/logs/data/user_name", "user/name"]),
    ("tenant_name", &["auth0/logs/data/tenant_name", "auth0/logs/data/environment_name"]),
    ("ip", &["auth0/logs/data/ip", "source/ip", "client/ip"]),
    ("user_agent", &["auth0/logs/data/user_agent", "user_agent/original"]),
    ("client_id", &["auth0/logs/data/client_id"]),
    ("client_name", &["auth0/logs/data/client_name"]),
    ("connection", &["auth0/logs/data/connection"]),
    ("strategy", &["auth0/logs/data/strategy"]),
    ("strategy_type", &["auth0/logs/data/strategy_type"]),
    ("audience", &["auth0/logs/data/audience"]),
    ("location_info", &["auth0/logs/data/location_info"]),
    ("details", &["auth0/logs/data/details"]),
    ("references/correlation_id", &["auth0/logs/data/references/correlation_id"]),
];

/// What Elastic writes for the types of sign-ins; it leaves those that it does not know.
const AUTH0_TYPES: &[(&str, &str)] = &[
    ("Failed login", "f"),
    ("Failed connector login", "fc"),
    ("Failed cross-origin authentication", "fcoa"),
    ("Failed native social login", "fens"),
    ("Incorrect password", "fp"),
    ("Invalid email or username", "fu"),
    ("Successful login", "s"),
    ("Successful cross-origin authentication", "scoa"),
    ("Successful native social login", "sens"),
    ("Failed silent authentication", "fsa"),
    ("Successful silent authentication", "ssa"),
    ("Failed exchange of Authorization Code for Access Token", "feacft"),
    ("Failed exchange of Access Token for a Client Credentials Grant", "feccft"),
    ("Failed exchange of Device Code for Access Token", "fede"),
    ("Failed exchange of Password and OOB Challenge for Access Token", "feoobft"),
    ("Failed exchange of Password and OTP Challenge for Access Token", "feotpft"),
    ("Failed exchange of Password for Access Token", "fepft"),
    ("Failed exchange of Passwordless OTP for Access Token", "fepotpft"),
    ("Failed exchange of Password and MFA Recovery code for Access Token", "fercft"),
    ("Failed exchange of Rotating Refresh Token", "ferrt"),
    ("Failed exchange of Refresh Token for Access Token", "fertft"),
    ("Successful exchange of Authorization Code for Access Token", "seacft"),
    ("Successful exchange of Access Token for a Client Credentials Grant", "seccft"),
    ("Successful exchange of Device Code for Access Token", "sede"),
    ("Successful exchange of Password and OOB Challenge for Access Token", "seoobft"),
    ("Successful exchange of Password and OTP Challenge for Access Token", "seotpft"),
    ("Successful exchange of Password for Access Token", "sepft"),
    ("Successful exchange of Password and MFA Recovery code for Access Token", "sercft"),
    ("Successful exchange of Refresh Token for Access Token", "sertft"),
    ("An IP address is blocked with 100 failed login attempts using different usernames", "limit_mu"),
    (
        "An IP address is blocked with 10 failed login attempts into a single account from the same IP address",
        "limit_wc",
    ),
];

const KEYCLOAK: &[Row] = &[
    ("time", &["@timestamp"]),
    ("type", &["keycloak/event/type", "keycloak/event_type", "event/action", "event/code"]),
    ("realmId", &["keycloak/realm/id", "keycloak/realm_id"]),
    ("realmName", &["keycloak/realm/name"]),
    ("clientId", &["keycloak/client/id", "keycloak/client_id"]),
    ("userId", &["keycloak/user/id", "user/id"]),
    ("sessionId", &["keycloak/session/id"]),
    ("ipAddress", &["source/ip", "source/address", "client/ip"]),
    ("error", &["keycloak/error", "keycloak/event/error", "event/reason", "error/message"]),
    ("details/username", &["keycloak/login/username", "user/name"]),
    ("details/auth_method", &["keycloak/login/auth_method"]),
    ("details/code_id", &["keycloak/login/code_id"]),
    ("details/grant_type", &["keycloak/login/grant_type"]),
    ("details/identity_provider", &["keycloak/identity_provider"]),
];

const DUO: &[Row] = &[
    ("txid", &["cisco_duo/auth/txid", "event/id"]),
    ("isotimestamp", &["cisco_duo/auth/isotimestamp", "@timestamp"]),
    ("event_type", &["cisco_duo/auth/event_type"]),
    ("result", &["cisco_duo/auth/result", "event/outcome"]),
    ("reason", &["cisco_duo/auth/reason", "event/reason"]),
    ("factor", &["cisco_duo/auth/factor"]),
    ("user/key", &["cisco_duo/auth/user/key", "user/id", "source/user/id"]),
    ("user/name", &["cisco_duo/auth/user/name", "user/name", "source/user/name"]),
    ("email", &["cisco_duo/auth/email", "user/email"]),
    ("access_device/ip", &["cisco_duo/auth/access_device/ip", "source/ip"]),
    ("access_device/location", &["cisco_duo/auth/access_device/location"]),
    ("access_device/browser", &["cisco_duo/auth/access_device/browser", "user_agent/name"]),
    ("access_device/browser_version", &["cisco_duo/auth/access_device/browser_version", "user_agent/version"]),
    ("access_device/os", &["cisco_duo/auth/access_device/os", "user_agent/os/name"]),
    ("access_device/os_version", &["cisco_duo/auth/access_device/os_version", "user_agent/os/version"]),
    ("access_device/hostname", &["cisco_duo/auth/access_device/hostname"]),
    ("access_device/epkey", &["cisco_duo/auth/access_device/epkey"]),
    ("application/key", &["cisco_duo/auth/application/key"]),
    ("application/name", &["cisco_duo/auth/application/name"]),
    ("trusted_endpoint_status", &["cisco_duo/auth/trusted_endpoint_status"]),
    ("adaptive_trust_assessments", &["cisco_duo/auth/adaptive_trust_assessments"]),
];

const ONELOGIN: &[Row] = &[
    ("uuid", &["onelogin/uuid", "event/id"]),
    ("event_timestamp", &["onelogin/event_timestamp", "@timestamp"]),
    ("event_type_id", &["onelogin/event_type_id", "event/code"]),
    ("account_id", &["onelogin/account_id", "organization/id"]),
    ("user_id", &["onelogin/user_id", "user/id"]),
    ("user_name", &["onelogin/user_name", "user/name"]),
    ("actor_user_id", &["onelogin/actor_user_id"]),
    ("assuming_acting_user_id", &["onelogin/assuming_acting_user_id"]),
    ("ipaddr", &["onelogin/ipaddr", "source/ip", "client/ip"]),
    ("user_agent", &["onelogin/user_agent", "user_agent/original"]),
    ("risk_cookie_id", &["onelogin/risk_cookie_id"]),
    ("app_id", &["onelogin/app_id"]),
    ("app_name", &["onelogin/app_name"]),
    ("notes", &["onelogin/notes", "message"]),
    ("error_description", &["onelogin/error_description", "event/reason"]),
    ("risk_score", &["onelogin/risk_score", "event/risk_score"]),
    ("risk_reasons", &["onelogin/risk_reasons"]),
];

const PINGONE: &[Row] = &[
    ("id", &["ping_one/audit/id", "event/id"]),
    ("recordedAt", &["ping_one/audit/recorded_at", "@timestamp"]),
    ("createdAt", &["ping_one/audit/created_at"]),
    ("correlationId", &["ping_one/audit/correlation/id", "ping_one/audit/correlation_id"]),
    ("internalCorrelation", &["ping_one/audit/internal_correlation"]),
    ("actors", &["ping_one/audit/actors"]),
    ("actors/user/id", &["ping_one/audit/actors/user/id", "user/id"]),
    ("actors/user/name", &["ping_one/audit/actors/user/name", "user/name"]),
    ("action/type", &["ping_one/audit/action/type", "event/action"]),
    ("action/description", &["ping_one/audit/action/description"]),
    ("resources", &["ping_one/audit/resources"]),
    ("result/status", &["ping_one/audit/result/status", "event/outcome"]),
    ("result/description", &["ping_one/audit/result/description"]),
    ("source/ipAddress", &["ping_one/audit/source/ip_address", "source/ip", "client/ip"]),
    ("source/userAgent", &["ping_one/audit/source/user_agent", "user_agent/original"]),
];

const JUMPCLOUD: &[Row] = &[
    ("id", &["jumpcloud/event/id", "event/id"]),
    ("timestamp", &["jumpcloud/event/timestamp", "@timestamp"]),
    ("event_type", &["jumpcloud/event/event_type", "event/action"]),
    ("organization", &["jumpcloud/event/organization", "organization/id"]),
    ("success", &["jumpcloud/event/success"]),
    ("sso_token_success", &["jumpcloud/event/sso_token_success"]),
    ("error_message", &["jumpcloud/event/error_message"]),
    ("mfa", &["jumpcloud/event/mfa"]),
    ("initiated_by/id", &["jumpcloud/event/initiated_by/id", "source/user/id"]),
    ("initiated_by/type", &["jumpcloud/event/initiated_by/type"]),
    ("initiated_by/username", &["jumpcloud/event/initiated_by/username", "source/user/name"]),
    ("initiated_by/email", &["jumpcloud/event/initiated_by/email", "source/user/email"]),
    ("username", &["jumpcloud/event/username", "user/name"]),
    // The integration makes an array of it.
    ("client_ip", &["jumpcloud/event/client_ip", "client/ip/0", "client/ip"]),
    ("src_ip", &["jumpcloud/event/src_ip", "source/ip"]),
    ("geoip", &["jumpcloud/event/geoip"]),
    ("useragent/name", &["jumpcloud/event/useragent/name", "user_agent/name"]),
    ("useragent/version", &["jumpcloud/event/useragent/version", "user_agent/version"]),
    ("useragent/os_full", &["jumpcloud/event/useragent/os_full", "user_agent/os/full"]),
    ("useragent/os", &["jumpcloud/event/useragent/os", "user_agent/os/name"]),
    ("auth_context", &["jumpcloud/event/auth_context"]),
    ("system/id", &["jumpcloud/event/system/id", "host/id"]),
    ("system/hostname", &["jumpcloud/event/system/hostname", "host/hostname"]),
    ("application", &["jumpcloud/event/application"]),
    ("process_name", &["jumpcloud/event/process_name", "process/name"]),
];

const M365: &[Row] = &[
    ("Id", &["o365/audit/Id", "event/id"]),
    ("CreationTime", &["o365/audit/CreationTime", "@timestamp"]),
    ("Operation", &["o365/audit/Operation", "event/action"]),
    ("RecordType", &["o365/audit/RecordType"]),
    ("Workload", &["o365/audit/Workload", "event/provider"]),
    ("OrganizationId", &["o365/audit/OrganizationId", "organization/id"]),
    ("UserKey", &["o365/audit/UserKey"]),
    ("UserId", &["o365/audit/UserId", "user/id"]),
    ("UserType", &["o365/audit/UserType"]),
    ("ClientIP", &["o365/audit/ClientIP", "client/address", "source/ip"]),
    ("ActorIpAddress", &["o365/audit/ActorIpAddress"]),
    ("ResultStatus", &["o365/audit/ResultStatus"]),
    ("ErrorNumber", &["o365/audit/ErrorNumber"]),
    ("LogonError", &["o365/audit/LogonError"]),
    ("ApplicationId", &["o365/audit/ApplicationId"]),
    ("ObjectId", &["o365/audit/ObjectId"]),
    ("Actor", &["o365/audit/Actor"]),
    ("ActorContextId", &["o365/audit/ActorContextId"]),
    ("Target", &["o365/audit/Target"]),
    ("TargetContextId", &["o365/audit/TargetContextId"]),
    ("InterSystemsId", &["o365/audit/InterSystemsId"]),
    ("IntraSystemId", &["o365/audit/IntraSystemId"]),
    ("ExtendedProperties", &["o365/audit/ExtendedProperties"]),
    ("ExtendedProperties/UserAgent", &["user_agent/original"]),
    ("DeviceProperties", &["o365/audit/DeviceProperties"]),
];
