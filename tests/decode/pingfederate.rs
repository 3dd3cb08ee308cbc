//! PingFederate's audit log: pairs, columns of both versions, CEF and JSON.

use farsign::engine::decode::{Decoded, Format, decode};
use farsign::engine::signin::SignIn;

use crate::summary::summary;

fn check(record: &str, expected: &[&str]) {
    for format in [Format::Auto, Format::PingFederate] {
        assert_eq!(summary(format, record), expected, "{} {record}", format.name());
    }
}

fn one(record: &str) -> SignIn<'static> {
    let mut found = None;
    decode(Format::Auto, record.as_bytes(), &mut |decoded| {
        let Ok(Decoded::SignIn(sign_in)) = decoded else { panic!("{decoded:?}") };
        found = Some(sign_in.into_owned());
    });
    found.expect("one")
}

fn pairs(event: &str, subject: &str, status: &str, more: &str) -> String {
    format!(
        r#"2024-05-06 20:40:16,353 trackingid="tid:T1" transactionid="X1" event="{event}" subject="{subject}" ip="192.0.2.7" connectionid="https://app.example" protocol="SAML20" pfhost="pf1.example" role="IdP" status="{status}" responsetime="5" attributes="A=b, C=d"  connectionname="The App" {more} sri="T1..s" virtualserverid=https://pf.example"#
    )
}

fn sign_in(user: &str, ending: &str, category: &str) -> String {
    format!("signIn ping/ping user={user}({user}) {ending} {category} 192.0.2.7 -")
}

#[test]
fn events_of_pairs() {
    for (event, status, more, ending, category) in [
        ("SSO", "success", "", "Success/Right/Unknown/Normal", "Interactive"),
        ("SSO", "failure", "", "Failed/Unknown/Unknown/Normal", "Interactive"),
        ("SSO", "inprogress", "", "Interrupted/Unknown/Unknown/Normal", "Interactive"),
        ("OAuth", "success", r#"granttype="""#, "Success/Right/Unknown/Normal", "Interactive"),
        (
            "OAuth",
            "success",
            r#"granttype="authorization_code""#,
            "Success/Right/Unknown/Normal",
            "NonInteractive",
        ),
        ("OAuth", "success", r#"granttype="refresh_token""#, "Success/Right/Unknown/Normal", "NonInteractive"),
        ("OAuth", "failure", r#"granttype="password""#, "Failed/Unknown/Unknown/Normal", "Interactive"),
        ("STS", "success", "", "Success/Right/Unknown/Normal", "NonInteractive"),
        ("AUTHN_ATTEMPT", "success", "", "Interrupted/Unknown/Unknown/Normal", "Interactive"),
        ("AUTHN_ATTEMPT", "inprogress", "", "Interrupted/Unknown/Unknown/Normal", "Interactive"),
        ("AUTHN_ATTEMPT", "failure", "", "Failed/Unknown/Unknown/Normal", "Interactive"),
        (
            "AUTHN_ATTEMPT",
            "failure",
            r#"description="Account is locked""#,
            "Failed/Unknown/Unknown/Locked",
            "Interactive",
        ),
        (
            "AUTHN_ATTEMPT",
            "failure",
            r#"description="Account disabled""#,
            "Failed/Unknown/Unknown/Disabled",
            "Interactive",
        ),
        (
            "AUTHN_ATTEMPT",
            "failure",
            r#"description="Invalid password""#,
            "Failed/Wrong/Unknown/Normal",
            "Interactive",
        ),
        (
            "AUTHN_ATTEMPT",
            "failure",
            r#"description="User not found""#,
            "Failed/Unknown/Unknown/Unknown",
            "Interactive",
        ),
        ("AUTHN_SESSION_USED", "success", "", "Success/Right/Unknown/Normal", "NonInteractive"),
        ("AUTHN_SESSION_USED", "", "", "Success/Right/Unknown/Normal", "NonInteractive"),
    ] {
        check(&pairs(event, "Ada", status, more), &[&sign_in("ada", ending, category)]);
    }
    for event in
        ["AUTHN_SESSION_CREATED", "AUTHN_SESSION_DELETED", "AUTHN_REQUEST", "SLO", "SRI_REVOKED", "PWD_CHANGE"]
    {
        check(&pairs(event, "ada", "success", ""), &["skipped notASignIn"]);
    }
    check(&pairs("AUTHN_SESSION_USED", "ada", "failure", ""), &["skipped notASignIn"]);
    check(
        &pairs("OAuth", "client-1", "success", r#"granttype="client_credentials""#),
        &["skipped servicePrincipal"],
    );
}

#[test]
fn who_is_nobody() {
    for (event, status) in [
        ("AUTHN_ATTEMPT", "inprogress"),
        ("AUTHN_ATTEMPT", "success"),
        ("AUTHN_ATTEMPT", "failure"),
        ("SSO", "failure"),
    ] {
        check(&pairs(event, "", status, ""), &["skipped notASignIn"]);
    }
    check(&pairs("SSO", "", "success", ""), &["reject noUser"]);
}

#[test]
fn fields_of_pairs() {
    let found = one(&pairs("SSO", "ada", "success", ""));
    assert_eq!(
        (&*found.session_id, &*found.correlation_id, &*found.authentication_protocol),
        ("T1..s", "X1", "SAML20")
    );
    assert_eq!(
        (&*found.app_id, &*found.app_display_name, &*found.token_issuer_name),
        ("https://app.example", "The App", "")
    );
    assert_eq!(found.event_time.to_string(), "2024-05-06T20:40:16.3530000Z");
    let partner = one(&pairs("SSO", "ada", "success", "")
        .replace("\"IdP\"", "\"SP\"")
        .replace("192.0.2.7", "192.0.2.7, 10.0.0.1"));
    assert_eq!(
        (&*partner.token_issuer_name, partner.address.map(|address| address.to_string())),
        ("The App", Some("192.0.2.7".to_owned()))
    );
    let shipped = format!("<134>May  6 20:40:17 pf1 audit: {}", pairs("SSO", "ada", "success", ""));
    assert_eq!(one(&shipped).event_time, found.event_time);
    // What stands behind the subject cannot replace what stands before it.
    let typed = pairs("AUTHN_ATTEMPT", r#"eve" event="SSO"#, "failure", "");
    check(&typed, &[&sign_in("eve", "Failed/Unknown/Unknown/Normal", "Interactive")]);
}

#[test]
fn columns() {
    let older = "2024-05-06 20:40:16,353| tid:T1| AUTHN_ATTEMPT| Ada@corp.example| 192.0.2.7 | https://app.example/start| sp-1| SAML20| pf1.example| IdP| failure| HTMLForm| Account locked| 12";
    check(older, &[&sign_in("ada@corp.example", "Failed/Unknown/Unknown/Locked", "Interactive")]);
    let newer = "2024-05-06 20:40:16,353| tid:T1| X1| SSO| ada| 192.0.2.7| | sp-1| SAML20| pf1.example| IdP| success| HTMLForm| | 12";
    check(newer, &[&sign_in("ada", "Success/Right/Unknown/Normal", "Interactive")]);
    let found = one(newer);
    assert_eq!((&*found.session_id, &*found.correlation_id, &*found.app_id), ("T1", "X1", "sp-1"));
    assert_eq!(found.event_time.to_string(), "2024-05-06T20:40:16.3530000Z");
    check(
        "2024-05-06 20:40:16,353| tid:T1| OAuth| ada| 192.0.2.7| | c-1| OAuth20| pf1| AS| success| | | 3",
        &[&sign_in("ada", "Success/Right/Unknown/Normal", "Interactive")],
    );
    check(
        "2024-05-06 20:40:16,353| tid:T1| AUTHN_ATTEMPT| | 192.0.2.7| | sp-1| SAML20| pf1| IdP| inprogress| F| | 3",
        &["skipped notASignIn"],
    );
    check(
        "2024-05-06 20:40:16,353| tid:T1| SSO| ada",
        &["signIn ping/ping user=ada(ada) Interrupted/Unknown/Unknown/Normal Interactive - -"],
    );
    for other in [
        "a| b| SSO| c",
        "2024-05-06 20:40:16,353| one| two| three",
        "2024-05-06 20:40:16,353 tid:T1 DEBUG [org.x] GET: https://pf.example",
    ] {
        assert_eq!(summary(Format::Auto, other), ["reject malformed"], "{other}");
    }
}

#[test]
fn cef() {
    let cef = |event: &str, rest: &str| {
        format!(
            "CEF:0|Ping Identity|PingFederate|12.2|{event}|{event}|0|rt=May 06 2024 20:40:16.353 {rest} cs1Label=Target Application URL cs1=https://app.example?a\\=b cs2Label=Connection ID cs2=sp-1 cs3Label=Protocol cs3=SAML20 dvchost=pf1 cs4Label=Role cs4=IdP externalId=tid:T1"
        )
    };
    let record = cef("SSO", "duid=ada src=192.0.2.7 msg=success");
    check(&record, &[&sign_in("ada", "Success/Right/Unknown/Normal", "Interactive")]);
    let found = one(&record);
    assert_eq!(
        (&*found.resource_display_name, &*found.app_id, &*found.session_id),
        ("https://app.example?a=b", "sp-1", "T1")
    );
    assert_eq!(found.event_time.to_string(), "2024-05-06T20:40:16.3530000Z");
    check(&cef("AUTHN_ATTEMPT", "duid= src=[2001:db8::7] msg=inprogress"), &["skipped notASignIn"]);
    let v6 = cef("AUTHN_ATTEMPT", "duid=ada src=[2001:db8::7] msg=failure");
    check(&v6, &["signIn ping/ping user=ada(ada) Failed/Unknown/Unknown/Normal Interactive 2001:db8::7 -"]);
    check(
        &format!("<134>May  6 20:40:17 pf1 {record}"),
        &[&sign_in("ada", "Success/Right/Unknown/Normal", "Interactive")],
    );
    check("CEF:0|Ping Identity|PingFederate|12.2|SSO", &["skipped notASignIn"]);
    check("CEF:0|Ping Identity|PingFederate|12.2|SSO|SSO|0|duid=ada msg=success", &["reject noTime"]);
    assert_eq!(summary(Format::Auto, "CEF:0|Other|Product|1|SSO|SSO|0|duid=ada"), ["reject malformed"]);
}

#[test]
fn json() {
    let record = r#"{"timestamp":"2024-05-06T20:40:16.353Z","trackingid":"tid:T1","transactionid":"X1","event":"OAuth","subject":"ada","ip":"192.0.2.7","connectionid":"c-1","protocol":"OAuth20","role":"AS","status":"success","granttype":"refresh_token"}"#;
    check(record, &[&sign_in("ada", "Success/Right/Unknown/Normal", "NonInteractive")]);
    check(r#"{"trackingid":"tid:T1","event":"SSO","subject":"ada","status":"success"}"#, &["reject noTime"]);
    check(
        r#"{"@timestamp":"2024-05-06T20:40:16Z","message":"2024-05-06 20:40:15,353| tid:T1| SSO| ada| 192.0.2.7| | sp-1| SAML20| pf1| IdP| success| | | 3"}"#,
        &[&sign_in("ada", "Success/Right/Unknown/Normal", "Interactive")],
    );
}
