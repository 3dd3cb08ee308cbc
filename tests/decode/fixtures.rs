//! Invented records in the shape of real ones. Names, ids and addresses are reserved or made up.

use farsign::engine::decode::{Decoded, Format, Reject, decode};
use farsign::engine::signin::SignIn;
use serde_json::{Value, json};

pub const TENANT: &str = "5f0c9a52-0d1e-4c6b-9a7e-3b2f5c1d0001";
pub const USER: &str = "a1b2c3d4-0000-4000-8000-00000000a11c";
pub const ID: &str = "0b9d6a10-3c44-4f57-8a11-6f0e2d3c0100";

/// What Azure Monitor writes under `properties`, and Graph as the whole object.
pub fn properties() -> Value {
    json!({
        "id": ID,
        "createdDateTime": "2026-03-02T08:15:30.1234567+00:00",
        "userDisplayName": "Alice Example",
        "userPrincipalName": "alice@example.com",
        "userId": USER,
        "appId": "c0ffee00-0000-4000-8000-000000000001",
        "appDisplayName": "Example Portal",
        "ipAddress": "192.0.2.17",
        "status": {"errorCode": 0, "additionalDetails": "MFA requirement satisfied by claim in the token"},
        "clientAppUsed": "Browser",
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64) Example/1.0",
        "deviceDetail": {
            "deviceId": "d0d0d0d0-0000-4000-8000-000000000002",
            "displayName": "LAPTOP-7",
            "operatingSystem": "Linux",
            "browser": "Firefox 130.0",
            "isCompliant": true,
            "trustType": "Azure AD joined"
        },
        "location": {
            "city": "Utrecht",
            "state": "Utrecht",
            "countryOrRegion": "NL",
            "geoCoordinates": {"latitude": 52.0907, "longitude": 5.1214}
        },
        "correlationId": "c0c0c0c0-0000-4000-8000-000000000003",
        "conditionalAccessStatus": "success",
        "appliedConditionalAccessPolicies": [
            {"id": "p1", "displayName": "Require MFA", "enforcedGrantControls": ["Mfa"], "result": "success"}
        ],
        "isInteractive": true,
        "tokenIssuerType": "AzureAD",
        "authenticationDetails": [
            {"authenticationMethod": "Password", "succeeded": true,
             "authenticationStepResultDetail": "Correct password",
             "authenticationStepRequirement": "Primary authentication"}
        ],
        "authenticationRequirement": "multiFactorAuthentication",
        "authenticationProtocol": "none",
        "incomingTokenType": "none",
        "resourceDisplayName": "Example Resource",
        "homeTenantId": TENANT,
        "autonomousSystemNumber": 64500,
        "riskLevelDuringSignIn": "none"
    })
}

/// An Azure Monitor record around `properties`.
pub fn azure(category: &str, properties: Value) -> Value {
    json!({
        "time": "2026-03-02T08:17:00.0000000Z",
        "resourceId": format!("/tenants/{TENANT}/providers/Microsoft.aadiam"),
        "operationName": "Sign-in activity",
        "operationVersion": "1.0",
        "category": category,
        "tenantId": TENANT,
        "resultType": "0",
        "resultSignature": "None",
        "durationMs": 0,
        "callerIpAddress": "192.0.2.17",
        "correlationId": "c0c0c0c0-0000-4000-8000-000000000003",
        "identity": "Alice Example",
        "Level": 4,
        "location": "NL",
        "properties": properties
    })
}

/// A Log Analytics row of the same sign-in. `as_text`: dynamic columns are JSON text.
pub fn row(table: &str, properties: &Value, as_text: bool) -> Value {
    let dynamic = |key: &str| {
        let value = properties.get(key).cloned().unwrap_or_default();
        if as_text && !value.is_null() { Value::String(value.to_string()) } else { value }
    };
    let plain = |key: &str| properties.get(key).cloned().unwrap_or_default();
    json!({
        "TenantId": "eeeeeeee-0000-4000-8000-00000000000e",
        "SourceSystem": "Azure AD",
        "TimeGenerated": "2026-03-02T08:15:30.123Z",
        "ResourceId": format!("/tenants/{TENANT}/providers/Microsoft.aadiam"),
        "OperationName": "Sign-in activity",
        "ResultType": "0",
        "Location": "NL",
        "Identity": "Alice Example",
        "AppDisplayName": plain("appDisplayName"),
        "AppId": plain("appId"),
        "AuthenticationDetails": dynamic("authenticationDetails"),
        "AuthenticationRequirement": plain("authenticationRequirement"),
        "ClientAppUsed": plain("clientAppUsed"),
        "CorrelationId": plain("correlationId"),
        "CreatedDateTime": plain("createdDateTime"),
        "DeviceDetail": dynamic("deviceDetail"),
        "IsInteractive": plain("isInteractive"),
        "Id": plain("id"),
        "IPAddress": plain("ipAddress"),
        "LocationDetails": dynamic("location"),
        "MfaDetail": dynamic("mfaDetail"),
        "ResourceDisplayName": plain("resourceDisplayName"),
        "Status": dynamic("status"),
        "TokenIssuerType": plain("tokenIssuerType"),
        "UserAgent": plain("userAgent"),
        "UserDisplayName": plain("userDisplayName"),
        "UserId": plain("userId"),
        "UserPrincipalName": plain("userPrincipalName"),
        "AADTenantId": TENANT,
        "AutonomousSystemNumber": "64500",
        "Type": table
    })
}

/// The query response that holds `row`.
pub fn query_response(row: &Value) -> Value {
    let cells = row.as_object().into_iter().flatten();
    let (columns, values): (Vec<Value>, Vec<Value>) =
        cells.map(|(name, value)| (json!({"name": name, "type": "string"}), value.clone())).unzip();
    json!({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": [values]}]})
}

pub fn outcomes<R>(format: Format, record: &[u8], map: impl Fn(Result<Decoded<'_>, Reject>) -> R) -> Vec<R> {
    let mut all = Vec::new();
    decode(format, record, &mut |decoded| all.push(map(decoded)));
    all
}

/// The words for what became of every element of a record.
pub fn fates(format: Format, record: &[u8]) -> Vec<String> {
    outcomes(format, record, |decoded| match decoded {
        Ok(Decoded::SignIn(sign_in)) => format!("{:?}", sign_in.category),
        Ok(Decoded::Feedback(feedback)) => format!("{:?}", feedback.action),
        Ok(Decoded::UpstreamFinding(finding)) => format!("{:?}", finding.kind),
        Ok(Decoded::Skipped(reason)) => reason.name().to_string(),
        Err(reject) => reject.reason.name().to_string(),
    })
}

/// Hands the one sign-in of a record to `look`.
pub fn with_sign_in<R>(record: &Value, look: impl Fn(&SignIn<'_>) -> R) -> R {
    let text = record.to_string();
    let mut seen = outcomes(Format::Auto, text.as_bytes(), |decoded| match decoded {
        Ok(Decoded::SignIn(sign_in)) => look(&sign_in),
        other => panic!("no sign-in but {other:?} from {text}"),
    });
    assert_eq!(seen.len(), 1, "{text}");
    seen.remove(0)
}
