//! Rows of the sign-ins downloaded from Entra's portal.

use farsign::engine::decode::{Decoded, Format, decode};
use serde_json::{Value, json};

use crate::fixtures::{ID, TENANT, USER, properties};
use crate::summary::summary;

fn row() -> Value {
    json!({
        "Date (UTC)": "2026-03-02T08:15:30Z",
        "Request ID": ID,
        "User agent": "Mozilla/5.0 (X11; Linux x86_64) Example/1.0",
        "Correlation ID": "c0c0c0c0-0000-4000-8000-000000000003",
        "User ID": USER,
        "User": "Alice Example",
        "Username": "alice@example.com",
        "User type": "Member",
        "Application": "Example Portal",
        "Application ID": "c0ffee00-0000-4000-8000-000000000001",
        "Resource": "Example Resource",
        "Home tenant ID": TENANT,
        "IP address": "192.0.2.17",
        "Location": "Utrecht, Utrecht, NL",
        "Status": "Success",
        "Sign-in error code": "None",
        "Client app": "Browser",
        "Device ID": "d0d0d0d0-0000-4000-8000-000000000002",
        "Browser": "Firefox 130.0",
        "Operating System": "Linux",
        "Compliant": "Yes",
        "Managed": "false",
        "Join Type": "Azure AD joined",
        "Multifactor authentication result": "MFA requirement satisfied by claim in the token",
        "Authentication requirement": "Multifactor authentication",
        "Autonomous system  number": "64500",
        "Token issuer type": "Microsoft Entra ID"
    })
}

fn check(changes: &[(&str, &str)], ending: &str) {
    let mut record = row();
    for (key, value) in changes {
        record[*key] = json!(value);
    }
    for format in [Format::Auto, Format::Entra] {
        let expected = format!("signIn entra/{TENANT} user={USER}(alice@example.com) {ending}");
        assert_eq!(summary(format, &record.to_string()), [expected], "{record}");
    }
}

#[test]
fn rows_are_sign_ins() {
    check(&[], "Success/Right/Claim/Normal Interactive 192.0.2.17 NL");
    check(&[("Sign-in error code", "")], "Success/Right/Claim/Normal Interactive 192.0.2.17 NL");
    check(&[("Is interactive", "false")], "Success/Right/Claim/Normal NonInteractive 192.0.2.17 NL");
    let none = ("Multifactor authentication result", "");
    let single = ("Authentication requirement", "Single-factor authentication");
    let failure = ("Status", "Failure");
    check(&[none, single], "Success/Right/NotRequired/Normal Interactive 192.0.2.17 NL");
    check(
        &[none, failure, ("Sign-in error code", "50126")],
        "Failed/Wrong/Unknown/Normal Interactive 192.0.2.17 NL",
    );
    check(
        &[none, failure, ("Sign-in error code", "53003")],
        "Blocked/Right/Unknown/Normal Interactive 192.0.2.17 NL",
    );
    check(&[none, failure], "Failed/Unknown/Unknown/Normal Interactive 192.0.2.17 NL");
    let interrupted = [none, ("Status", "Interrupted"), ("Sign-in error code", "50074")];
    check(&interrupted, "Interrupted/Right/Pending/Normal Interactive 192.0.2.17 NL");
    check(
        &[("Location", "DE"), ("IP address", "2001:db8::1")],
        "Success/Right/Claim/Normal Interactive 2001:db8::1 DE",
    );
    check(&[("Location", "")], "Success/Right/Claim/Normal Interactive 192.0.2.17 -");
    let mut nobody = row();
    (nobody["User ID"], nobody["Username"]) = (json!(""), json!(""));
    assert_eq!(summary(Format::Auto, &nobody.to_string()), ["reject noUser"]);
}

#[test]
fn a_row_is_the_sign_in_of_the_log() {
    let essence = |record: &Value| {
        let mut seen = String::new();
        decode(Format::Auto, record.to_string().as_bytes(), &mut |decoded| match decoded {
            Ok(Decoded::SignIn(it)) => {
                seen = format!(
                    "{} {} {} {} {} {:?} {:?} {} {:?} {} {}",
                    it.event_id,
                    it.user_id,
                    it.tenant_id,
                    it.app_id,
                    it.location.city,
                    it.asn,
                    it.client_app,
                    it.device.device_id,
                    it.device.is_compliant,
                    it.user_agent,
                    it.correlation_id
                );
            }
            other => panic!("{other:?}"),
        });
        seen
    };
    assert_eq!(essence(&row()), essence(&properties()));
}
