//! AWS GuardDuty: three spellings of findings, and whom they are about.

use farsign::engine::decode::{Decoded, Format, decode};
use farsign::engine::signin::UpstreamFinding;

use crate::summary::summary;

fn check(record: &str, expected: &[&str]) {
    for format in [Format::Auto, Format::GuardDuty] {
        assert_eq!(summary(format, record), expected, "{record}");
    }
}

const ALICE: &str =
    r#"{"accessKeyId":"AKIAKEY","principalId":"AIDAALICE","userType":"IAMUser","userName":"Alice"}"#;

/// A finding as EventBridge has it in `detail`.
fn finding(kind: &str, severity: &str, key: &str) -> String {
    format!(
        r#"{{"schemaVersion":"2.0","accountId":"444455556666","region":"eu-central-1","partition":"aws","id":"f-1","arn":"arn:aws:guardduty:eu-central-1:444455556666:detector/d/finding/f-1","type":"{kind}","resource":{{"resourceType":"AccessKey","accessKeyDetails":{key}}},"service":{{"serviceName":"guardduty","action":{{"actionType":"AWS_API_CALL","awsApiCallAction":{{"api":"ListUsers","remoteIpDetails":{{"ipAddressV4":"203.0.113.9","country":{{"countryName":"South Korea"}},"city":{{"cityName":"Seoul"}},"geoLocation":{{"lat":37.5,"lon":127.0}}}}}}}},"archived":false,"eventFirstSeen":"2026-03-02T08:00:00Z","eventLastSeen":"2026-03-02T08:10:00Z"}},"severity":{severity},"createdAt":"2026-03-02T08:20:00.000Z","updatedAt":"2026-03-02T08:30:00.000Z","title":"Something","description":"Something was seen."}}"#
    )
}

fn only(record: &str) -> UpstreamFinding<'static> {
    let mut found = None;
    decode(Format::Auto, record.as_bytes(), &mut |decoded| match decoded {
        Ok(Decoded::UpstreamFinding(finding)) => found = Some(finding.into_owned()),
        other => panic!("{other:?}"),
    });
    found.expect("one finding")
}

#[test]
fn types_are_risks_and_severities_levels() {
    for (kind, severity, expected) in [
        ("UnauthorizedAccess:IAMUser/TorIPCaller", "5", "anonymizedIPAddress medium"),
        ("Recon:IAMUser/MaliciousIPCaller.Custom", "5.0", "maliciousIPAddress medium"),
        ("Discovery:S3/MaliciousIPCaller", "8", "maliciousIPAddress high"),
        ("UnauthorizedAccess:IAMUser/ConsoleLoginSuccess.B", "5", "mcasImpossibleTravel medium"),
        ("UnauthorizedAccess:IAMUser/ConsoleLogin", "5", "unfamiliarFeatures medium"),
        ("UnauthorizedAccess:IAMUser/ResourceCredentialExfiltration.OutsideAWS", "8", "anomalousToken high"),
        ("CredentialAccess:IAMUser/CompromisedCredentials", "8", "leakedCredentials high"),
        ("CredentialAccess:IAMUser/AnomalousBehavior", "3.9", "generic low"),
        ("Policy:IAMUser/RootCredentialUsage", "1", "generic low"),
        ("Impact:IAMUser/AnomalousBehavior", "7", "generic high"),
        ("Impact:IAMUser/AnomalousBehavior", "9.5", "generic high"),
        ("Impact:IAMUser/AnomalousBehavior", "\"4\"", "generic medium"),
        ("Impact:IAMUser/AnomalousBehavior", "\"HIGH\"", "generic high"),
        ("Impact:IAMUser/AnomalousBehavior", "null", "generic low"),
    ] {
        let expected = format!("finding GuardDuty aws/444455556666 user=AIDAALICE(alice) {expected} user");
        check(&finding(kind, severity, ALICE), &[&expected]);
    }
}

/// The user of a finding is the user of the sign-in that CloudTrail has of the same principal.
#[test]
fn it_meets_the_sign_ins_of_cloudtrail() {
    for (kind, id, name) in [
        ("IAMUser", "AIDAALICE", "Alice"),
        ("Root", "444455556666", "Root"),
        ("AssumedRole", "AROAROLE:Bob@corp.example", "Admin"),
        ("FederatedUser", "444455556666:dave", "dave"),
    ] {
        let key = format!(r#"{{"principalId":"{id}","userType":"{kind}","userName":"{name}"}}"#);
        let found = only(&finding("Recon:IAMUser/TorIPCaller", "5", &key));
        let user_name = if kind == "IAMUser" { r#","userName":"Alice""# } else { "" };
        let sign_in = format!(
            r#"{{"eventVersion":"1.08","userIdentity":{{"type":"{kind}","principalId":"{id}","accountId":"444455556666"{user_name}}},"eventTime":"2026-03-02T08:15:30Z","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","recipientAccountId":"444455556666","responseElements":{{"ConsoleLogin":"Success"}}}}"#
        );
        let user = format!("user={}({})", found.user_id, found.user_principal_name);
        let lines = summary(Format::Auto, &sign_in);
        assert!(lines[0].starts_with(&format!("signIn aws/444455556666 {user} ")), "{lines:?} {user}");
        assert_eq!(found.tenant_id, "444455556666");
    }
}

#[test]
fn what_names_no_person_is_skipped() {
    let kind = "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS";
    let instance = r#"{"principalId":"AROAROLE:i-0123456789abcdef0","userType":"AssumedRole","userName":"role"}"#;
    check(&finding(kind, "8", instance), &["skipped servicePrincipal"]);
    check(
        &finding("Recon:IAMUser/TorIPCaller", "5", r#"{"userType":"AWSAccount","principalId":"x"}"#),
        &["skipped servicePrincipal"],
    );
    for key in ["{}", "null", r#"{"accessKeyId":"ASIAKEY","principalId":"","userName":"","userType":""}"#] {
        check(&finding("Backdoor:EC2/C&CActivity.B", "8", key), &["skipped notASignIn"]);
    }
    let sample = r#"{"principalId":"GeneratedFindingPrincipalId","userType":"IAMUser","userName":"GeneratedFindingUserName"}"#;
    check(&finding("Recon:IAMUser/TorIPCaller", "5", sample), &["skipped notASignIn"]);
    let archived =
        finding("Recon:IAMUser/TorIPCaller", "5", ALICE).replace(r#""archived":false"#, r#""archived":true"#);
    check(&archived, &["skipped notASignIn"]);
}

#[test]
fn every_spelling_and_envelope_is_read() {
    let alice = "finding GuardDuty aws/444455556666 user=AIDAALICE(alice) anonymizedIPAddress medium user";
    let small = finding("Recon:IAMUser/TorIPCaller", "5", ALICE);
    check(
        &format!(
            r#"{{"version":"0","detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":{small}}}"#
        ),
        &[alice],
    );
    let api = r#"{"AccountId":"444455556666","Arn":"arn:x","CreatedAt":"2026-03-02T08:20:00Z","Id":"f-1","Resource":{"ResourceType":"AccessKey","AccessKeyDetails":{"PrincipalId":"AIDAALICE","UserName":"Alice","UserType":"IAMUser"}},"SchemaVersion":"2.0","Service":{"Archived":false},"Severity":5,"Type":"Recon:IAMUser/TorIPCaller","UpdatedAt":"2026-03-02T08:30:00Z"}"#;
    check(&format!(r#"{{"Findings":[{api},{api}]}}"#), &[alice, alice]);
    check(api, &[alice]);
    let sequence = r#"{"schemaVersion":"2.0","accountId":"444455556666","id":"f-2","type":"AttackSequence:IAM/CompromisedCredentials","resource":{"resourceType":"AttackSequence"},"severity":9,"updatedAt":"2026-03-02T08:30:00Z","service":{"detection":{"sequence":{"uid":"s","actors":[{"id":"a","user":{"name":"Alice","uid":"AIDAALICE","type":"IAMUser"}}]}}}}"#;
    check(sequence, &["finding GuardDuty aws/444455556666 user=AIDAALICE(alice) generic high user"]);
}

/// A finding as Security Hub has it, of the product `generator`.
fn hub(generator: &str, rest: &str) -> String {
    format!(
        r#"{{"SchemaVersion":"2018-10-08","Id":"arn:aws:guardduty:eu-central-1:444455556666:detector/d/finding/f-1","ProductArn":"arn:aws:securityhub:eu-central-1::product/aws/guardduty","GeneratorId":"arn:aws:{generator}:eu-central-1:444455556666:detector/d","AwsAccountId":"444455556666","Types":["TTPs/Discovery/Recon:IAMUser-TorIPCaller"],"CreatedAt":"2026-03-02T08:20:00Z","UpdatedAt":"2026-03-02T08:30:00Z","LastObservedAt":"2026-03-02T08:10:00Z","Title":"Something","Resources":[{{"Type":"AwsAccount"}},{{"Type":"AwsIamAccessKey","Details":{{"AwsIamAccessKey":{{"PrincipalId":"AROAROLE:bob","PrincipalName":"Admin","PrincipalType":"AssumedRole"}}}}}}],"ProductFields":{{"aws/guardduty/service/archived":"false","aws/guardduty/service/action/awsApiCallAction/remoteIpDetails/ipAddressV4":"203.0.113.9","aws/guardduty/service/action/awsApiCallAction/remoteIpDetails/country/countryName":"Germany"}},{rest}}}"#
    )
}

#[test]
fn security_hub_is_read_too() {
    let bob = "finding GuardDuty aws/444455556666 user=bob(bob) anonymizedIPAddress medium user";
    let product = r#""Severity":{"Label":"MEDIUM","Normalized":50,"Product":5}"#;
    let record = hub("guardduty", product);
    check(&record, &[bob]);
    let found = only(&record);
    assert_eq!((&*found.event_id, &*found.address_text, &*found.location.country), ("f-1", "203.0.113.9", "DE"));
    check(&hub("guardduty", r#""Severity":{"Label":"MEDIUM"}"#), &[bob]);
    let envelope = format!(
        r#"{{"detail-type":"Security Hub Findings - Imported","source":"aws.securityhub","detail":{{"findings":[{record}]}}}}"#
    );
    check(&envelope, &[bob]);
    check(&hub("inspector", product), &["skipped notASignIn"]);
    for state in [r#""RecordState":"ARCHIVED""#, r#""Workflow":{"Status":"RESOLVED"}"#, r#""Sample":true"#] {
        check(&hub("guardduty", &format!("{product},{state}")), &["skipped notASignIn"]);
    }
}

#[test]
fn fields_are_where_they_belong() {
    let found = only(&finding("Recon:IAMUser/TorIPCaller", "5", ALICE));
    assert_eq!(
        (&*found.event_id, &*found.request_id, &*found.source_type),
        ("f-1", "f-1", "Recon:IAMUser/TorIPCaller")
    );
    assert_eq!(found.event_time.to_string(), "2026-03-02T08:30:00.0000000Z");
    assert_eq!(found.activity_time.to_string(), "2026-03-02T08:10:00.0000000Z");
    assert_eq!((&*found.location.city, &*found.location.country), ("Seoul", "KR"));
    assert_eq!(found.location.coordinates, Some((37.5, 127.0)));
    assert_eq!((&*found.address_text, &*found.reasons), ("203.0.113.9", "Something was seen."));
    let untimed = finding("Recon:IAMUser/TorIPCaller", "5", ALICE).replace("2026-03-02T", "");
    check(&untimed, &["reject noTime"]);
}
