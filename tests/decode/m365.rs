//! Microsoft 365's unified audit log: sign-ins by the code, the same ids as in Entra's own log, odd forms.

use farsign::engine::decode::{Decoded, Format, decode};
use farsign::engine::signin::SignIn;
use serde_json::{Value, json};

use crate::fixtures::{ID, TENANT, USER, azure, properties};
use crate::summary::summary;

const NAME: &str = "alice@example.com";

/// The sign-in of [`properties`] as the audit log writes it.
fn audit() -> Value {
    json!({
        "CreationTime": "2026-03-02T08:15:30",
        "Id": ID,
        "Operation": "UserLoggedIn",
        "OrganizationId": TENANT.to_uppercase(),
        "RecordType": 15,
        "ResultStatus": "Success",
        "UserKey": USER.to_uppercase(),
        "UserType": 0,
        "Version": 1,
        "Workload": "AzureActiveDirectory",
        "ClientIP": "192.0.2.17",
        "ObjectId": "c0ffee00-0000-4000-8000-000000000009",
        "UserId": "Alice@Example.com",
        "AzureActiveDirectoryEventType": 1,
        "ExtendedProperties": [
            {"Name": "ResultStatusDetail", "Value": "Success"},
            {"Name": "UserAgent", "Value": "Mozilla/5.0 (X11; Linux x86_64) Example/1.0"},
            {"Name": "UserAuthenticationMethod", "Value": "16"},
            {"Name": "RequestType", "Value": "Login:login"}
        ],
        "ModifiedProperties": [],
        "Actor": [{"ID": USER, "Type": 0}, {"ID": NAME, "Type": 5}],
        "ActorContextId": TENANT,
        "ActorIpAddress": "192.0.2.17",
        "InterSystemsId": "C0C0C0C0-0000-4000-8000-000000000003",
        "IntraSystemId": ID.to_uppercase(),
        "Target": [{"ID": "c0ffee00-0000-4000-8000-000000000009", "Type": 0}],
        "TargetContextId": TENANT,
        "ApplicationId": "C0FFEE00-0000-4000-8000-000000000001",
        "DeviceProperties": [
            {"Name": "Id", "Value": "D0D0D0D0-0000-4000-8000-000000000002"},
            {"Name": "DisplayName", "Value": "LAPTOP-7"},
            {"Name": "OS", "Value": "Linux"},
            {"Name": "BrowserType", "Value": "Firefox"},
            {"Name": "TrustType", "Value": "1"},
            {"Name": "IsCompliantAndManaged", "Value": "True"},
            {"Name": "SessionId", "Value": "5e5510f0-0000-4000-8000-000000000005"}
        ],
        "ErrorNumber": "0"
    })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut record = audit();
    for (key, value) in changes {
        record[*key] = value.clone();
    }
    record
}

fn extended(name: &str, value: &str) -> Value {
    json!([{"Name": name, "Value": value}])
}

fn check(record: &Value, expected: &str) {
    for format in [Format::Auto, Format::M365] {
        assert_eq!(summary(format, &record.to_string()), [expected], "{record}");
    }
}

/// Outcome, first factor, second factor, account and category of a record of Alice's.
fn ends(record: &Value, ending: &str) {
    check(record, &format!("signIn entra/{TENANT} user={USER}({NAME}) {ending} 192.0.2.17 -"));
}

fn failed(number: Value, name: &str) -> Value {
    with(&[("Operation", json!("UserLoginFailed")), ("ErrorNumber", number), ("LogonError", json!(name))])
}

fn sign_in<R>(record: &Value, look: impl Fn(&SignIn<'_>) -> R) -> R {
    let mut seen = Vec::new();
    decode(Format::Auto, record.to_string().as_bytes(), &mut |decoded| match decoded {
        Ok(Decoded::SignIn(sign_in)) => seen.push(look(&sign_in)),
        other => panic!("no sign-in but {other:?} from {record}"),
    });
    assert_eq!(seen.len(), 1, "{record}");
    seen.remove(0)
}

#[test]
fn the_same_sign_in_is_known_again() {
    let ids = |sign_in: &SignIn<'_>| {
        [
            sign_in.provider.name().to_owned(),
            sign_in.tenant_id.to_string(),
            sign_in.user_id.to_string(),
            sign_in.user_principal_name.to_string(),
            sign_in.event_id.to_string(),
            sign_in.correlation_id.to_string(),
            sign_in.app_id.to_string(),
            sign_in.user_agent.to_string(),
            sign_in.device.device_id.to_string(),
            sign_in.device.trust_type.to_string(),
            format!("{:?} {:?}", sign_in.address, sign_in.error_code),
        ]
    };
    assert_eq!(sign_in(&audit(), ids), sign_in(&azure("SignInLogs", properties()), ids));
    // Nobody of that name: neither log has an object id.
    let unknown = [("UserKey", json!("Not Available")), ("Actor", json!([{"ID": "Not Available", "Type": 5}]))];
    let mut nobody = properties();
    nobody["userId"] = json!("00000000-0000-0000-0000-000000000000");
    assert_eq!(sign_in(&with(&unknown), ids), sign_in(&azure("SignInLogs", nobody), ids));
    // An audit search gives records ids of their own.
    assert_eq!(sign_in(&with(&[("Id", json!("other"))]), |it| it.event_id.to_string()), ID);
    assert_eq!(sign_in(&with(&[("IntraSystemId", Value::Null)]), |it| it.event_id.to_string()), ID);
}

#[test]
fn the_code_says_how_it_ended() {
    ends(&audit(), "Success/Right/Unknown/Normal Interactive");
    // What the status says is no matter.
    ends(&failed(json!("50126"), "InvalidUserNameOrPassword"), "Failed/Wrong/Unknown/Normal Interactive");
    ends(&with(&[("ErrorNumber", json!("50140"))]), "Interrupted/Right/Unknown/Normal Interactive");
    for (number, name, ending) in [
        (json!(50126), "", "Failed/Wrong/Unknown/Normal"),
        (json!("AADSTS50126"), "", "Failed/Wrong/Unknown/Normal"),
        (Value::Null, "InvalidUserNameOrPassword", "Failed/Wrong/Unknown/Normal"),
        (Value::Null, "UserAccountNotFound", "Failed/Unknown/Unknown/Unknown"),
        (json!("50034"), "UserAccountNotFound", "Failed/Unknown/Unknown/Unknown"),
        (json!("50053"), "IdsLocked", "Failed/Unknown/Unknown/Locked"),
        (json!("50057"), "UserDisabled", "Failed/Unknown/Unknown/Disabled"),
        (json!("50055"), "InvalidPasswordExpiredPassword", "Interrupted/Right/Unknown/Normal"),
        (json!("50074"), "UserStrongAuthClientAuthNRequired", "Interrupted/Right/Pending/Normal"),
        (json!("50072"), "UserStrongAuthEnrollmentRequiredInterrupt", "Interrupted/Right/Pending/Normal"),
        (json!("500121"), "AuthenticationFailedSasError", "Blocked/Right/Denied/Normal"),
        (json!("53003"), "BlockedByConditionalAccess", "Blocked/Right/Unknown/Normal"),
        (json!("50058"), "UserInformationNotProvided", "Interrupted/Unknown/Unknown/Normal"),
        (json!("50133"), "SsoArtifactRevoked", "Failed/Unknown/Unknown/Normal"),
        // A number that the operation contradicts; names that are not known.
        (json!("0"), "IdsLocked", "Failed/Unknown/Unknown/Locked"),
        (json!("0"), "", "Failed/Unknown/Unknown/Normal"),
        (json!("1000000"), "UserNotBoundError", "Failed/Unknown/Unknown/Normal"),
        (Value::Null, "SomethingNew", "Failed/Unknown/Unknown/Normal"),
    ] {
        ends(&failed(number, name), &format!("{ending} Interactive"));
    }
    // Older records have neither number nor a name of their own.
    let mut older = with(&[("ErrorNumber", Value::Null), ("ResultStatus", json!("Succeeded"))]);
    ends(&older, "Success/Right/Unknown/Normal Interactive");
    older["Operation"] = json!("UserLoginFailed");
    ends(&older, "Failed/Unknown/Unknown/Normal Interactive");
    older["ExtendedProperties"] = extended("LogonError", "InvalidUserNameOrPassword");
    ends(&older, "Failed/Wrong/Unknown/Normal Interactive");
}

#[test]
fn requests_tell_what_the_user_did() {
    let of = |request: &str, method: &str, error: &str| {
        let properties = json!([
            {"Name": "RequestType", "Value": request}, {"Name": "UserAuthenticationMethod", "Value": method}
        ]);
        with(&[("ExtendedProperties", properties), ("ErrorNumber", json!(error))])
    };
    ends(&of("SAS:ProcessAuth", "1", "0"), "Success/Right/Performed/Normal Interactive");
    ends(&of("SAS:EndAuth", "1", "500121"), "Blocked/Right/Denied/Normal Interactive");
    ends(&of("OAuth2:Authorize", "", "0"), "Success/Right/Unknown/Normal Interactive");
    // A token is fetched silently, or for a password in the same request.
    ends(&of("OAuth2:Token", "16457", "0"), "Success/Right/Unknown/Normal NonInteractive");
    ends(&of("OAuth2:Token", "", "0"), "Success/Right/Unknown/Normal NonInteractive");
    ends(&of("OAuth2:Token", "1", "0"), "Success/Right/Unknown/Normal Interactive");
    ends(&of("OAuth2:Token", "272", "0"), "Success/Right/Unknown/Normal Interactive");
    ends(&of("OAuth2:Token", "", "50126"), "Failed/Wrong/Unknown/Normal Interactive");
    ends(&of("OAuth2:Token", "", "50173"), "Failed/Unknown/Unknown/Normal NonInteractive");
}

#[test]
fn other_records_are_no_sign_ins() {
    for changes in [
        vec![("Operation", json!("Add user.")), ("RecordType", json!(8))],
        vec![("Operation", json!("MailItemsAccessed")), ("Workload", json!("Exchange"))],
        vec![("Operation", Value::Null)],
        vec![("Workload", json!("Yammer"))],
        vec![("Workload", Value::Null), ("RecordType", json!(6))],
    ] {
        check(&with(&changes), "skipped notASignIn");
    }
    for changes in [
        vec![("UserType", json!(5))],
        vec![("UserType", json!("ServicePrincipal"))],
        vec![("UserId", json!("ServicePrincipal_c0ffee00-0000-4000-8000-000000000007"))],
    ] {
        check(&with(&changes), "skipped servicePrincipal");
    }
    let ending = "Success/Right/Unknown/Normal Interactive";
    ends(&with(&[("Workload", Value::Null)]), ending);
    ends(&with(&[("Workload", Value::Null), ("RecordType", json!("AzureActiveDirectoryStsLogon"))]), ending);
    ends(&with(&[("UserType", json!("Regular"))]), ending);
}

#[test]
fn the_user_is_whom_entra_knows() {
    let user = |changes: &[(&str, Value)], id: &str, name: &str| {
        let rest = "Success/Right/Unknown/Normal Interactive 192.0.2.17 -";
        check(&with(changes), &format!("signIn entra/{TENANT} user={id}({name}) {rest}"));
    };
    let puid = json!("10033FFF80D5ABCD@example.com");
    user(&[("UserKey", puid.clone())], USER, NAME);
    // Older actors are in another order, and have names of other kinds.
    let older = json!([
        {"ID": NAME, "Type": 5}, {"ID": "10033FFF80D5ABCD", "Type": 3},
        {"ID": "User_a1b2c3d4-0000-4000-8000-00000000a11c", "Type": 2}, {"ID": USER, "Type": 2}
    ]);
    user(&[("UserKey", puid.clone()), ("Actor", older)], USER, NAME);
    user(&[("UserKey", puid.clone()), ("Actor", Value::Null)], NAME, NAME);
    user(&[("UserKey", puid.clone()), ("UserId", json!("Unknown"))], USER, NAME);
    user(
        &[("UserKey", json!("10033FFF80D5ABCD")), ("UserId", json!("Not Available")), ("Actor", json!([]))],
        "10033FFF80D5ABCD",
        "",
    );
    let nobody = [("UserKey", Value::Null), ("UserId", json!("Not Available")), ("Actor", json!([]))];
    check(&with(&nobody), "reject noUser");
    check(&with(&[("UserKey", json!({"a": 1}))]), "reject wrongType");
    check(&with(&[("CreationTime", json!("yesterday"))]), "reject noTime");
    check(&with(&[("CreationTime", json!("1999-01-01T00:00:00"))]), "reject timeOutOfRange");
}

#[test]
fn a_tenant_is_the_organisation() {
    let tenant = |changes: &[(&str, Value)]| sign_in(&with(changes), |it| it.tenant_id.to_string());
    let guest = [("ActorContextId", json!("77777777-0000-4000-8000-000000000007"))];
    assert_eq!(tenant(&guest), TENANT);
    assert_eq!(tenant(&[("OrganizationId", json!("00000000-0000-0000-0000-000000000000"))]), TENANT);
    let none = ["OrganizationId", "TargetContextId", "ActorContextId"].map(|key| (key, Value::Null));
    assert_eq!(tenant(&none), "unknown");
}

#[test]
fn addresses_in_odd_forms() {
    let address = |client: Value, more: &[(&str, Value)]| {
        let mut record = with(&[("ClientIP", client), ("ActorIpAddress", Value::Null)]);
        for (key, value) in more {
            record[*key] = value.clone();
        }
        sign_in(&record, |it| {
            (it.address.map(|ip| ip.to_string()).unwrap_or_default(), it.address_text.to_string())
        })
    };
    for (text, ip) in [
        ("192.0.2.9", "192.0.2.9"),
        ("192.0.2.9:12345", "192.0.2.9"),
        ("[192.0.2.9]:12345", "192.0.2.9"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("[::ffff:192.0.2.9]:443", "192.0.2.9"),
        ("2001:db8::abcd", "2001:db8::abcd"),
        ("[2001:db8::abcd]:12345", "2001:db8::abcd"),
        ("[2001:db8::abcd]", "2001:db8::abcd"),
        ("localhost", ""),
        ("[host.example]:443", ""),
        ("host.example:443", ""),
        ("HOST (192.0.2.900)", ""),
        (") (", ""),
    ] {
        assert_eq!(address(json!(text), &[]), (ip.to_owned(), text.to_owned()), "{text}");
    }
    for text in ["GATEWAY (192.0.2.9)", "[GATEWAY (192.0.2.9)]", "GATE\"WAY (192.0.2.9)"] {
        assert_eq!(address(json!(text), &[]), ("192.0.2.9".to_owned(), "192.0.2.9".to_owned()), "{text}");
    }
    // The first that holds one.
    let actor = [("ActorIpAddress", json!("192.0.2.8"))];
    assert_eq!(address(json!("<null>"), &actor).0, "192.0.2.8");
    assert_eq!(address(json!("192.0.2.9"), &actor).0, "192.0.2.9");
    assert_eq!(address(Value::Null, &[("ClientIPAddress", json!("192.0.2.7"))]).0, "192.0.2.7");
    assert_eq!(address(Value::Null, &[]), (String::new(), String::new()));
}

#[test]
fn devices_and_sessions() {
    let seen = |properties: Value| {
        sign_in(&with(&[("DeviceProperties", properties)]), |it| {
            let device = &it.device;
            format!(
                "{} {} {} {:?} {:?} {} {}",
                device.device_id,
                device.operating_system,
                device.browser,
                device.is_compliant,
                device.is_managed,
                device.trust_type,
                it.session_id
            )
        })
    };
    let list = json!([
        {"Name": "OS", "Value": "Windows 10"}, {"Name": "BrowserType", "Value": "Other"},
        {"Name": "IsCompliantAndManaged", "Value": "False"}, {"Name": "IsCompliant", "Value": "True"},
        {"Name": "TrustType", "Value": "2"}, {"Name": "SessionId", "Value": "s-1"}, 7, {"Value": "x"}
    ]);
    let expected = " Windows 10 Other Some(true) None Hybrid Azure AD joined s-1";
    assert_eq!(seen(list.clone()), expected);
    assert_eq!(seen(json!(list.to_string())), expected);
    let object = json!({"OS": "Windows 10", "BrowserType": "Other", "IsCompliant": true, "TrustType": 2, "SessionId": "s-1"});
    assert_eq!(seen(object.clone()), expected);
    assert_eq!(seen(json!(object.to_string())), expected);
    for nothing in [Value::Null, json!("none"), json!([]), json!({}), json!("[{"), json!([null])] {
        assert_eq!(seen(nothing), "   None None  ");
    }
    let legacy = with(&[("ExtendedProperties", extended("UserAgent", "BAV2ROPC"))]);
    assert_eq!(sign_in(&legacy, |it| format!("{:?} {}", it.client_app, it.user_agent)), "Legacy BAV2ROPC");
    let session = with(&[("DeviceProperties", json!([])), ("AppAccessContext", json!({"AADSessionId": "s-2"}))]);
    assert_eq!(sign_in(&session, |it| it.session_id.to_string()), "s-2");
}

#[test]
fn whatever_stands_around_it() {
    let expected = summary(Format::Auto, &audit().to_string());
    let search = json!({
        "RecordType": "AzureActiveDirectoryStsLogon", "CreationDate": "3/2/2026 8:15:30 AM", "UserIds": NAME,
        "Operations": "UserLoggedIn", "AuditData": audit().to_string(), "ResultIndex": 1
    });
    let graph = json!({
        "@odata.type": "#microsoft.graph.security.auditLogRecord", "id": ID,
        "createdDateTime": "2026-03-02T08:15:30Z", "auditLogRecordType": "azureActiveDirectoryStsLogon",
        "operation": "UserLoggedIn", "userPrincipalName": NAME, "auditData": audit()
    });
    let graph_of_other_order =
        json!({"auditLogRecordType": "x", "operation": "UserLoggedIn", "auditData": audit()});
    let listed = json!({"@odata.context": "https://graph.example/$metadata", "value": [graph.clone()]});
    let blob = json!([audit()]);
    for record in [search, graph, graph_of_other_order, listed, blob] {
        assert_eq!(summary(Format::Auto, &record.to_string()), expected, "{record}");
    }
    let mut row =
        with(&[("TenantId", json!("eeeeeeee-0000-4000-8000-00000000000e")), ("Type", json!("OfficeActivity"))]);
    if let Some(columns) = row.as_object_mut() {
        columns.remove("CreationTime");
        columns.remove("Workload");
    }
    row["OfficeWorkload"] = json!("AzureActiveDirectory");
    row["TimeGenerated"] = json!("2026-03-02T08:15:30Z");
    row["ExtendedProperties"] = json!(row["ExtendedProperties"].to_string());
    assert_eq!(summary(Format::Auto, &row.to_string()), expected);
    let time_first = row.to_string().replacen('{', r#"{"TimeGenerated":"2026-03-02T08:15:30Z","#, 1);
    assert_eq!(summary(Format::Auto, &time_first), expected);
}
