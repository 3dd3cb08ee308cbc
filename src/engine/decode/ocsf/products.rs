//! Where OCSF's mappings of single products put what their records say, for the providers whose own reader knows more of
//! an event than a status.

use std::sync::LazyLock;

use super::super::format::Format;
use super::super::respell::{Row, Spelling, YES_NO};
use crate::engine::signin::Provider;

/// How OCSF spells the records of one product.
pub(super) struct Product {
    provider: Provider,
    pub(super) format: Format,
    pub(super) spelling: LazyLock<Spelling>,
}

static PRODUCTS: [Product; 2] = [
    Product {
        provider: Provider::Okta,
        format: Format::Okta,
        // Without the event's own type there is nothing that its reader knows better.
        spelling: LazyLock::new(|| {
            Spelling::new("metadata/event_code", OKTA).with_words("outcome/result", STATUS)
        }),
    },
    Product {
        provider: Provider::Aws,
        format: Format::CloudTrail,
        spelling: LazyLock::new(|| {
            Spelling::new("api/operation", CLOUDTRAIL).with_words("additionalEventData/MFAUsed", YES_NO)
        }),
    },
];

pub(super) fn of(provider: Provider) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.provider == provider)
}

/// The numbers of a status, which pipelines keep that drop its words.
const STATUS: &[(&str, &str)] = &[("1", "SUCCESS"), ("2", "FAILURE"), ("succeeded", "SUCCESS")];

const OKTA: &[Row] = &[
    ("uuid", &["metadata/uid"]),
    ("published", &["time_dt", "time"]),
    ("eventType", &["metadata/event_code"]),
    ("actor/id", &["user/uid", "actor/user/uid"]),
    ("actor/type", &["user/type", "actor/user/type", "=User"]),
    ("actor/alternateId", &["user/email_addr", "actor/user/email_addr", "user/name", "actor/user/name"]),
    ("actor/displayName", &["user/name", "actor/user/name"]),
    ("target", &["unmapped/target"]),
    ("outcome/result", &["unmapped/outcome/result", "status", "status_id"]),
    ("outcome/reason", &["unmapped/outcome/reason", "status_detail"]),
    ("client/ipAddress", &["src_endpoint/ip"]),
    ("client/geographicalContext/city", &["src_endpoint/location/city"]),
    (
        "client/geographicalContext/state",
        &["unmapped/client/geographicalContext/state", "src_endpoint/location/region"],
    ),
    ("client/geographicalContext/country", &["src_endpoint/location/country"]),
    (
        "client/geographicalContext/geolocation/lat",
        &["src_endpoint/location/coordinates/1", "src_endpoint/location/lat"],
    ),
    (
        "client/geographicalContext/geolocation/lon",
        &["src_endpoint/location/coordinates/0", "src_endpoint/location/long"],
    ),
    ("client/userAgent/rawUserAgent", &["http_request/user_agent"]),
    ("client/userAgent/os", &["src_endpoint/os/name"]),
    ("client/userAgent/browser", &["unmapped/client/userAgent/browser"]),
    ("securityContext/asNumber", &["src_endpoint/autonomous_system/number"]),
    ("device/id", &["device/uid"]),
    ("device/name", &["device/name"]),
    ("device/managed", &["device/is_managed", "unmapped/device/managed"]),
    (
        "authenticationContext/externalSessionId",
        &["unmapped/authenticationContext/externalSessionId", "actor/session/uid", "session/uid"],
    ),
    ("authenticationContext/rootSessionId", &["unmapped/authenticationContext/rootSessionId"]),
    ("transaction/id", &["unmapped/transaction/id", "http_request/uid"]),
    ("debugContext", &["unmapped/debugContext"]),
];

const CLOUDTRAIL: &[Row] = &[
    ("eventVersion", &["metadata/product/version"]),
    ("eventID", &["metadata/uid"]),
    ("eventTime", &["time_dt", "time"]),
    ("eventSource", &["api/service/name"]),
    ("eventName", &["api/operation"]),
    ("eventType", &["metadata/event_code", "unmapped/eventType"]),
    ("recipientAccountId", &["unmapped/recipientAccountId", "cloud/account/uid", "cloud/account_uid"]),
    ("sourceIPAddress", &["src_endpoint/ip", "src_endpoint/domain"]),
    ("userAgent", &["http_request/user_agent"]),
    ("errorCode", &["api/response/error"]),
    ("errorMessage", &["api/response/error_message", "api/response/message"]),
    ("requestID", &["api/request/uid"]),
    ("userIdentity/type", &["actor/user/type", "user/type"]),
    ("userIdentity/principalId", &["actor/user/uid_alt", "user/uid_alt", "actor/user/uid", "user/uid"]),
    ("userIdentity/arn", &["actor/user/uuid", "actor/user/uid", "user/uid"]),
    ("userIdentity/accountId", &["actor/user/account/uid", "user/account/uid", "actor/user/account_uid"]),
    ("userIdentity/userName", &["actor/user/name", "user/name"]),
    ("userIdentity/accessKeyId", &["actor/user/credential_uid"]),
    ("responseElements", &["api/response/data", "unmapped/responseElements"]),
    // "Success" or "Failure" where the answer is not kept.
    ("responseElements/ConsoleLogin", &["status"]),
    ("responseElements/CheckMfa", &["status"]),
    ("additionalEventData/MFAUsed", &["unmapped/additionalEventData/MFAUsed", "is_mfa", "mfa"]),
    ("additionalEventData/UserName", &["unmapped/additionalEventData/UserName"]),
    ("additionalEventData/AuthWorkflowID", &["unmapped/additionalEventData/AuthWorkflowID"]),
    ("additionalEventData/CredentialType", &["unmapped/additionalEventData/CredentialType"]),
    ("additionalEventData/LoginTo", &["unmapped/additionalEventData/LoginTo", "dst_endpoint/svc_name"]),
    ("serviceEventDetails", &["unmapped/serviceEventDetails"]),
];
