//! AWS CloudTrail: every way in, every kind of identity, every envelope.

use base64::Engine as _;
use farsign::engine::decode::{Decoded, Format, decode};
use farsign::engine::signin::SignIn;

use crate::summary::summary;

const ACCOUNT: &str = "444455556666";

/// A record of the event `name` at a source; `rest` is written behind.
fn record(source: &str, name: &str, user: &str, rest: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.08","userIdentity":{user},"eventTime":"2026-03-02T08:15:30Z","eventSource":"{source}.amazonaws.com","eventName":"{name}","awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.17","userAgent":"Mozilla/5.0 (X11; Linux x86_64)","requestID":"q-1","eventID":"e-1","recipientAccountId":"{ACCOUNT}",{rest}}}"#
    )
}

fn console(user: &str, rest: &str) -> String {
    record("signin", "ConsoleLogin", user, rest)
}

fn check(record: &str, expected: &[&str]) {
    for format in [Format::Auto, Format::CloudTrail] {
        assert_eq!(summary(format, record), expected, "{record}");
    }
}

/// The only thing in a record, which is a sign-in.
fn sign_in(record: &str) -> SignIn<'static> {
    let mut found = None;
    decode(Format::Auto, record.as_bytes(), &mut |decoded| match decoded {
        Ok(Decoded::SignIn(sign_in)) => found = Some(sign_in.into_owned()),
        other => panic!("{other:?}"),
    });
    found.expect("one sign-in")
}

const ALICE: &str = r#"{"type":"IAMUser","principalId":"AIDAALICE","accountId":"444455556666","accessKeyId":"","userName":"Alice"}"#;
const ROOT: &str = r#"{"type":"Root","principalId":"444455556666","arn":"arn:aws:iam::444455556666:root","accountId":"444455556666","accessKeyId":""}"#;
const BOB_IN_ROLE: &str = r#"{"type":"AssumedRole","principalId":"AROAROLE:Bob@corp.example","arn":"arn:aws:sts::444455556666:assumed-role/AWSReservedSSO_Admin_0a/Bob@corp.example","accountId":"444455556666","accessKeyId":"ASIAKEY","sessionContext":{"sessionIssuer":{"type":"Role","userName":"AWSReservedSSO_Admin_0a"},"attributes":{"mfaAuthenticated":"true"}}}"#;

#[test]
fn the_console_says_how_it_ended() {
    let alice = "signIn aws/444455556666 user=AIDAALICE(alice)";
    let at = "Interactive 192.0.2.17 -";
    for (result, error, mfa_used, ending) in [
        (r#"{"ConsoleLogin":"Success"}"#, "null", r#""No""#, "Success/Right/NotRequired/Normal"),
        (r#"{"ConsoleLogin":"Success"}"#, "null", r#""Yes""#, "Success/Right/Performed/Normal"),
        (r#"{"ConsoleLogin":"Success"}"#, "null", r#""YES""#, "Success/Right/Performed/Normal"),
        (r#"{"ConsoleLogin":"Success"}"#, "null", "null", "Success/Right/Unknown/Normal"),
        (r#"{"ConsoleLogin":"Failure"}"#, r#""Failed authentication""#, r#""No""#, "Failed/Wrong/Unknown/Normal"),
        (r#"{"ConsoleLogin":"Failure"}"#, "null", "null", "Failed/Wrong/Unknown/Normal"),
        // Password or code: nobody knows.
        (
            r#"{"ConsoleLogin":"Failure"}"#,
            r#""Failed authentication""#,
            r#""Yes""#,
            "Failed/Unknown/Unknown/Normal",
        ),
        (r#"{"ConsoleLogin":"Failure"}"#, r#""Refused by a policy""#, r#""No""#, "Failed/Unknown/Unknown/Normal"),
        (r#"{"ConsoleLogin":"Failure"}"#, r#""Account is locked""#, r#""No""#, "Failed/Unknown/Unknown/Locked"),
        (r#"{"ConsoleLogin":"Failure"}"#, r#""User is disabled""#, r#""No""#, "Failed/Unknown/Unknown/Disabled"),
        (
            r#"{"ConsoleLogin":"Failure"}"#,
            r#""No username found in supplied account""#,
            r#""No""#,
            "Failed/Unknown/Unknown/Unknown",
        ),
        ("null", r#""Failed authentication""#, r#""No""#, "Failed/Wrong/Unknown/Normal"),
        ("null", "null", "null", "Success/Right/Unknown/Normal"),
    ] {
        let rest = format!(
            r#""responseElements":{result},"errorMessage":{error},"additionalEventData":{{"MFAUsed":{mfa_used}}}"#
        );
        check(&console(ALICE, &rest), &[&format!("{alice} {ending} {at}")]);
    }
    let step = record("signin", "CheckMfa", ALICE, r#""responseElements":{"CheckMfa":"Success"}"#);
    check(&step, &[&format!("{alice} Interrupted/Unknown/Pending/Normal {at}")]);
    let directory = record(
        "signin",
        "ExternalIdPDirectoryLogin",
        ALICE,
        r#""responseElements":{"ExternalIdPDirectoryLogin":"Failure"}"#,
    );
    check(&directory, &[&format!("{alice} Failed/Wrong/Unknown/Normal {at}")]);
}

#[test]
fn a_federated_sign_in_says_nothing_of_the_second_factor() {
    let rest = r#""responseElements":{"ConsoleLogin":"Success"},"additionalEventData":{"MFAUsed":"No"}"#;
    let bob = "user=bob@corp.example(bob@corp.example)";
    let at = "Interactive 192.0.2.17 -";
    check(
        &console(BOB_IN_ROLE, rest),
        &[&format!("signIn aws/444455556666 {bob} Success/Right/Claim/Normal {at}")],
    );
    let plain = BOB_IN_ROLE.replace(r#""mfaAuthenticated":"true""#, r#""mfaAuthenticated":"false""#);
    check(&console(&plain, rest), &[&format!("signIn aws/444455556666 {bob} Success/Right/Unknown/Normal {at}")]);
    // Nor has it a password that could be wrong.
    let failed = r#""responseElements":{"ConsoleLogin":"Failure"},"errorMessage":"Failed authentication""#;
    check(
        &console(&plain, failed),
        &[&format!("signIn aws/444455556666 {bob} Failed/Unknown/Unknown/Normal {at}")],
    );
}

#[test]
fn every_kind_of_identity_is_one_user() {
    for (user, expected) in [
        (ALICE, "AIDAALICE(alice)"),
        // The name where there is no id.
        (r#"{"type":"IAMUser","accountId":"444455556666","userName":"Alice"}"#, "alice(alice)"),
        (ROOT, "444455556666()"),
        (r#"{"type":"Root","accountId":"444455556666","userName":"alias"}"#, "444455556666()"),
        (BOB_IN_ROLE, "bob@corp.example(bob@corp.example)"),
        (r#"{"type":"AssumedRole","arn":"arn:aws-cn:sts::444455556666:assumed-role/Ops/carol"}"#, "carol(carol)"),
        (
            r#"{"type":"FederatedUser","principalId":"444455556666:dave","arn":"arn:aws:sts::444455556666:federated-user/dave"}"#,
            "dave(dave)",
        ),
        (
            r#"{"type":"SAMLUser","principalId":"hash+/=:erin@corp.example","userName":"erin@corp.example"}"#,
            "erin@corp.example(erin@corp.example)",
        ),
        (r#"{"type":"SAMLUser","principalId":"hash=:erin"}"#, "erin(erin)"),
        (
            r#"{"type":"IdentityCenterUser","accountId":"444455556666","onBehalfOf":{"userId":"0A0B0C0D-0000-4000-8000-00000000000F","identityStoreArn":"arn:aws:identitystore::444455556666:identitystore/d-1"},"credentialId":"c-1"}"#,
            "0a0b0c0d-0000-4000-8000-00000000000f()",
        ),
        // Before 2025 the principal id was the account's.
        (
            r#"{"type":"Unknown","principalId":"444455556666","arn":"","accountId":"444455556666","userName":"frank"}"#,
            "frank(frank)",
        ),
    ] {
        let record = console(user, r#""responseElements":{"ConsoleLogin":"Success"}"#);
        let found = summary(Format::Auto, &record);
        assert!(
            found[0].starts_with(&format!("signIn aws/444455556666 user={expected} Success/Right/")),
            "{found:?}"
        );
    }
}

#[test]
fn nobody_is_a_reject_and_a_workload_is_skipped() {
    let failed =
        r#""responseElements":{"ConsoleLogin":"Failure"},"errorMessage":"No username found in supplied account""#;
    let hidden = r#"{"type":"IAMUser","accountId":"444455556666","accessKeyId":"","userName":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#;
    check(&console(hidden, failed), &["reject noUser"]);
    check(&console("null", failed), &["reject noUser"]);
    check(&console(r#"{"type":"Unknown","principalId":"444455556666"}"#, failed), &["reject noUser"]);
    let success = r#""responseElements":{"GetSigninToken":"Success"}"#;
    for session in [
        "i-0123456789abcdef0",
        "botocore-session-1700000000",
        "1700000000000000000",
        "0123456789abcdef0123456789abcdef",
    ] {
        let role = format!(r#"{{"type":"AssumedRole","principalId":"AROAROLE:{session}"}}"#);
        check(&record("signin", "GetSigninToken", &role, success), &["skipped servicePrincipal"]);
    }
    let known = r#"{"type":"AssumedRole","principalId":"AROAROLE:botocore-session-17","sessionContext":{"sourceIdentity":"Alice"}}"#;
    check(
        &record("signin", "GetSigninToken", known, success),
        &["signIn aws/444455556666 user=Alice(alice) Success/Right/Unknown/Normal NonInteractive 192.0.2.17 -"],
    );
    let service = r#"{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}"#;
    check(&record("signin", "GetSigninToken", service, success), &["skipped servicePrincipal"]);
}

#[test]
fn identity_center_tells_the_factors_apart() {
    let grace = r#"{"type":"IdentityCenterUser","accountId":"444455556666","onBehalfOf":{"userId":"u-grace"},"credentialId":"c-1"}"#;
    for (name, kind, result, ending) in [
        ("CredentialChallenge", "PASSWORD", "Success", "Interrupted/Unknown/Unknown/Normal"),
        ("CredentialChallenge", "TOTP", "Success", "Interrupted/Right/Pending/Normal"),
        ("CredentialChallenge", "EMAIL_OTP", "Success", "Interrupted/Unknown/Unknown/Normal"),
        ("CredentialChallenge", "PASSWORD", "Failure", "Failed/Unknown/Unknown/Normal"),
        ("CredentialVerification", "PASSWORD", "Success", "Interrupted/Right/Unknown/Normal"),
        ("CredentialVerification", "PASSWORD", "Failure", "Failed/Wrong/Unknown/Normal"),
        ("CredentialVerification", "SMARTCARD", "Failure", "Failed/Wrong/Unknown/Normal"),
        ("CredentialVerification", "EXTERNAL_IDP", "Failure", "Failed/Unknown/Unknown/Normal"),
        ("CredentialVerification", "WEBAUTHN", "Success", "Interrupted/Right/Performed/Normal"),
        ("CredentialVerification", "TOTP", "Failure", "Blocked/Right/Denied/Normal"),
        ("UserAuthentication", "PASSWORD", "Success", "Success/Right/NotRequired/Normal"),
        ("UserAuthentication", "PASSWORD,TOTP", "Success", "Success/Right/Performed/Normal"),
        ("UserAuthentication", "EXTERNAL_IDP", "Success", "Success/Right/Unknown/Normal"),
        ("UserAuthentication", "", "Success", "Success/Right/Unknown/Normal"),
        ("UserAuthentication", "PASSWORD", "Failure", "Failed/Unknown/Unknown/Normal"),
    ] {
        let rest = format!(
            r#""eventType":"AwsServiceEvent","additionalEventData":{{"AuthWorkflowID":"w-1","CredentialType":"{kind}","UserName":"Grace"}},"serviceEventDetails":{{"{name}":"{result}"}}"#
        );
        let expected = format!("signIn aws/444455556666 user=u-grace(grace) {ending} Interactive 192.0.2.17 -");
        check(&record("signin", name, grace, &rest), &[&expected]);
    }
    for name in ["Authenticate", "Federate"] {
        let rest = r#""serviceEventDetails":{"account_id":"777788889999","role_name":"Admin"}"#;
        check(
            &record("sso", name, grace, rest),
            &["signIn aws/444455556666 user=u-grace() Success/Right/Unknown/Normal NonInteractive 192.0.2.17 -"],
        );
    }
    check(&record("sso", "ListApplications", grace, r#""responseElements":null"#), &["skipped notASignIn"]);
}

#[test]
fn one_identity_becomes_another() {
    let switched = record("signin", "SwitchRole", BOB_IN_ROLE, r#""responseElements":{"SwitchRole":"Success"}"#);
    let bob = "signIn aws/444455556666 user=bob@corp.example(bob@corp.example)";
    check(&switched, &[&format!("{bob} Success/Right/Claim/Normal NonInteractive 192.0.2.17 -")]);
    let refused = record("signin", "SwitchRole", BOB_IN_ROLE, r#""responseElements":{"SwitchRole":"Failure"}"#);
    check(&refused, &[&format!("{bob} Failed/Unknown/Unknown/Normal NonInteractive 192.0.2.17 -")]);
    check(
        &record("signin", "ExitRole", BOB_IN_ROLE, r#""responseElements":{"ExitRole":"Success"}"#),
        &["skipped notASignIn"],
    );
    // The portal asks for itself: nothing of its address is the user's.
    let token =
        record("signin", "GetSigninToken", BOB_IN_ROLE, r#""responseElements":{"GetSigninToken":"Success"}"#)
            .replace("Mozilla/5.0 (X11; Linux x86_64)", "Jersey/${project.version} (HttpUrlConnection 11)");
    check(&token, &[&format!("{bob} Success/Right/Claim/Normal NonInteractive - -")]);
    assert_eq!(sign_in(&token).user_agent, "");
}

#[test]
fn a_federated_role_is_a_sign_in_where_a_person_is_named() {
    let erin = r#"{"type":"SAMLUser","principalId":"hash=:erin@corp.example","userName":"erin@corp.example","identityProvider":"hash="}"#;
    let issued = r#""responseElements":{"issuer":"https://idp.corp.example/","credentials":{"accessKeyId":"ASIANEW"}},"requestParameters":{"roleArn":"arn:aws:iam::444455556666:role/Ops"}"#;
    let saml = record("sts", "AssumeRoleWithSAML", erin, issued);
    check(
        &saml,
        &[
            "signIn aws/444455556666 user=erin@corp.example(erin@corp.example) Success/Right/Unknown/Normal NonInteractive 192.0.2.17 -",
        ],
    );
    let found = sign_in(&saml);
    assert_eq!(
        (&*found.token_issuer_name, &*found.authentication_protocol),
        ("https://idp.corp.example/", "saml")
    );
    assert_eq!(
        (&*found.session_id, &*found.resource_display_name),
        ("ASIANEW", "arn:aws:iam::444455556666:role/Ops")
    );
    let web = |principal: &str, user: &str| {
        let identity =
            format!(r#"{{"type":"WebIdentityUser","principalId":"{principal}:{user}","userName":"{user}"}}"#);
        record("sts", "AssumeRoleWithWebIdentity", &identity, r#""errorCode":"ExpiredTokenException""#)
    };
    check(
        &web("accounts.google.com:app.apps.example", "10001"),
        &["signIn aws/444455556666 user=10001(10001) Failed/Unknown/Unknown/Normal NonInteractive 192.0.2.17 -"],
    );
    for (provider, user) in [
        ("arn:aws:iam::444455556666:oidc-provider/ci.example", "repo:corp/app:ref:refs/heads/main"),
        ("arn:aws:iam::444455556666:oidc-provider/oidc.eks.example", "system:serviceaccount:default:app"),
        ("cognito-identity.amazonaws.com:pool", "guest"),
    ] {
        check(&web(provider, user), &["skipped servicePrincipal"]);
    }
    let unnamed =
        record("sts", "AssumeRoleWithSAML", r#"{"type":"SAMLUser"}"#, r#""errorCode":"IDPRejectedClaim""#);
    check(&unnamed, &["skipped notASignIn"]);
    check(&record("sts", "AssumeRole", ALICE, r#""responseElements":null"#), &["skipped notASignIn"]);
    check(&record("sts", "GetCallerIdentity", ALICE, r#""responseElements":null"#), &["skipped notASignIn"]);
}

#[test]
fn the_rest_of_the_log_is_no_sign_in() {
    for record in [
        record("signin", "PasswordUpdated", ROOT, r#""responseElements":{"PasswordUpdated":"Success"}"#),
        record("signin", "PasswordRecoveryRequested", ROOT, r#""responseElements":{"PasswordRecoveryRequested":"Success"}"#),
        record("iam", "EnableMFADevice", ROOT, r#""responseElements":null"#),
        record("cognito-idp", "InitiateAuth", "{}", r#""responseElements":null"#),
        r#"{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","userIdentity":{"principalId":"AWS:x"},"s3":{}}"#.to_owned(),
        r#"{"eventVersion":"1.07","eventTime":"2026-03-02T08:00:00Z","insightDetails":{"state":"Start"}}"#.to_owned(),
        r#"{"awsAccountId":"444455556666","digestStartTime":"2026-03-02T08:00:00Z","logFiles":[]}"#.to_owned(),
    ] {
        check(&record, &["skipped notASignIn"]);
    }
}

#[test]
fn every_envelope_is_opened() {
    let inner =
        console(ALICE, r#""responseElements":{"ConsoleLogin":"Success"},"additionalEventData":{"MFAUsed":"No"}"#);
    let alice =
        "signIn aws/444455556666 user=AIDAALICE(alice) Success/Right/NotRequired/Normal Interactive 192.0.2.17 -";
    let text = serde_json::to_string(&inner).unwrap();
    check(&format!(r#"{{"Records":[{inner},{inner}]}}"#), &[alice, alice]);
    check(
        &format!(
            r#"{{"version":"0","detail-type":"AWS Console Sign In via CloudTrail","source":"aws.signin","detail":{inner}}}"#
        ),
        &[alice],
    );
    let batch = format!(
        r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"id":"1","timestamp":1772439330000,"message":{text}}}]}}"#
    );
    check(&batch, &[alice]);
    let packed = base64::engine::general_purpose::STANDARD.encode(&batch);
    check(&format!(r#"{{"awslogs":{{"data":"{packed}"}}}}"#), &[alice]);
    check(&format!(r#"{{"EventId":"e-1","EventName":"ConsoleLogin","CloudTrailEvent":{text}}}"#), &[alice]);
    // CloudTrail Lake and Athena: keys in lower case, inner objects as text.
    let lake = r#"{"eventversion":"1.08","useridentity":{"type":"IAMUser","principalid":"AIDAALICE","username":"Alice"},"eventtime":"2026-03-02 08:15:30.000","eventsource":"signin.amazonaws.com","eventname":"ConsoleLogin","sourceipaddress":"192.0.2.17","eventid":"e-1","recipientaccountid":"444455556666","responseelements":"{\"ConsoleLogin\":\"Success\"}","additionaleventdata":"{\"MFAUsed\":\"No\"}"}"#;
    check(lake, &[alice]);
}

#[test]
fn fields_are_where_they_belong() {
    let rest = r#""responseElements":{"ConsoleLogin":"Success"},"additionalEventData":{"LoginTo":"https://console.example/home?code=secret#x","AuthWorkflowID":"w-1"}"#;
    let found = sign_in(&console(BOB_IN_ROLE, rest));
    assert_eq!((&*found.event_id, &*found.correlation_id, &*found.session_id), ("e-1", "w-1", "ASIAKEY"));
    assert_eq!(
        (&*found.app_id, &*found.resource_display_name),
        ("signin.amazonaws.com", "https://console.example/home")
    );
    assert_eq!(found.user_agent, "Mozilla/5.0 (X11; Linux x86_64)");
    // A long-lived key is no session.
    let key = ALICE.replace(r#""accessKeyId":"""#, r#""accessKeyId":"AKIAKEY""#);
    let found = sign_in(&console(&key, r#""responseElements":{"ConsoleLogin":"Success"}"#));
    assert_eq!((&*found.session_id, &*found.correlation_id), ("", "q-1"));
    for (address, expected) in
        [("AWS Internal", None), ("signin.amazonaws.com", None), ("2001:db8::7", Some("2001:db8::7"))]
    {
        let record =
            console(ALICE, r#""responseElements":{"ConsoleLogin":"Success"}"#).replace("192.0.2.17", address);
        let found = sign_in(&record);
        assert_eq!(found.address.map(|address| address.to_string()).as_deref(), expected);
        assert_eq!(found.address_text, address);
    }
    // The account of the user where the record names none.
    let record =
        console(ALICE, r#""responseElements":{"ConsoleLogin":"Success"}"#).replace("recipientAccountId", "other");
    assert_eq!(sign_in(&record).tenant_id, "444455556666");
    let untimed = console(ALICE, r#""responseElements":null"#).replace("2026-03-02T08:15:30Z", "yesterday");
    check(&untimed, &["reject noTime"]);
}
