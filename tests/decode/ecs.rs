//! ECS documents without a provider's object: by the common fields, sshd's and Windows' among them.

use farsign::engine::decode::Format;
use serde_json::{Value, json};

use crate::summary::summary;

fn check(document: &Value, expected: &[&str]) {
    for format in [Format::Auto, Format::Ecs] {
        assert_eq!(summary(format, &document.to_string()), expected, "{document}");
    }
}

fn generic(event: Value, extra: Value) -> Value {
    let mut document = json!({
        "@timestamp": "2026-03-02T08:15:30Z",
        "event": {"category": ["authentication"], "id": "e-1", "kind": "event", "type": ["start"]},
        "source": {"ip": "192.0.2.40", "geo": {"country_iso_code": "DE"}},
        "user": {"id": "u9", "name": "alice"},
    });
    for (key, value) in event.as_object().into_iter().flatten() {
        document["event"][key] = value.clone();
    }
    for (key, value) in extra.as_object().into_iter().flatten() {
        document[key] = value.clone();
    }
    document
}

#[test]
fn any_other_document_by_the_common_fields() {
    let rows = [
        (json!({"outcome": "success"}), "Success/Right/Unknown/Normal"),
        (json!({"outcome": "failure"}), "Failed/Unknown/Unknown/Normal"),
        (json!({"outcome": "unknown"}), "Interrupted/Unknown/Unknown/Normal"),
        (
            json!({"outcome": "success", "category": "authentication", "type": "info"}),
            "Success/Right/Unknown/Normal",
        ),
        (json!({"outcome": "success", "category": ["session"]}), "Success/Right/Unknown/Normal"),
        (json!({"category": null, "type": "authentication_success"}), "Success/Right/Unknown/Normal"),
        (json!({"category": null, "type": "authentication_failure"}), "Failed/Unknown/Unknown/Normal"),
        (json!({"outcome": "failure", "reason": "Wrong password"}), "Failed/Wrong/Unknown/Normal"),
        (json!({"outcome": "failure", "reason": "user not found"}), "Failed/Unknown/Unknown/Unknown"),
        (json!({"outcome": "failure", "reason": "Account locked"}), "Failed/Unknown/Unknown/Locked"),
        (json!({"outcome": "failure", "reason": "account disabled"}), "Failed/Unknown/Unknown/Disabled"),
        (json!({"outcome": "failure", "reason": "MFA challenge failed"}), "Blocked/Right/Denied/Normal"),
    ];
    for (event, ended) in rows {
        let expected = format!("signIn other/other user=u9(alice) {ended} Interactive 192.0.2.40 DE");
        check(&generic(event, json!({})), &[&expected]);
    }
    let others = [
        json!({"outcome": "success", "type": ["end"]}),
        json!({"outcome": "success", "action": "user-logged-out"}),
        json!({"outcome": "success", "kind": "alert"}),
        json!({"outcome": "success", "kind": "signal"}),
        json!({"outcome": "success", "category": ["network"]}),
        json!({"outcome": "success", "category": ["session"], "type": ["info"]}),
        json!({}),
    ];
    for event in others {
        check(&generic(event, json!({})), &["skipped notASignIn"]);
    }
    // A message may speak of other things, and never makes a password right.
    let message = json!({"message": "login failed; MFA error earlier"});
    check(
        &generic(json!({"outcome": "failure"}), message),
        &["signIn other/other user=u9(alice) Failed/Unknown/Unknown/Normal Interactive 192.0.2.40 DE"],
    );
    check(&generic(json!({"outcome": "success"}), json!({"user": null})), &["reject noUser"]);
    check(&generic(json!({"outcome": "success"}), json!({"@timestamp": "yesterday"})), &["reject noTime"]);
}

#[test]
fn users_and_addresses_wherever_they_stand() {
    let one =
        |extra: Value| summary(Format::Ecs, &generic(json!({"outcome": "success"}), extra).to_string()).remove(0);
    let passed = |who: &str, from: &str| format!("signIn {who} Success/Right/Unknown/Normal Interactive {from}");
    let at_domain = json!({"user": {"name": "alice", "domain": "corp.example"}, "organization": {"id": "org1"}});
    assert_eq!(one(at_domain), passed("other/org1 user=alice@corp.example(alice@corp.example)", "192.0.2.40 DE"));
    let of_client = json!({"user": null, "client": {"ip": "2001:db8::1", "user": {"id": "c1", "email": "A@corp.example"},
        "geo": {"country_name": "France"}}, "source": null});
    assert_eq!(one(of_client), passed("other/other user=c1(a@corp.example)", "2001:db8::1 FR"));
    assert_eq!(one(json!({"source": {"address": "gateway"}})), passed("other/other user=u9(alice)", "- -"));
    let named = json!({"observer": {"product": "Duo Security"}, "host": {"ip": ["203.0.113.1"]}, "source": null});
    assert_eq!(one(named), passed("duo/duo user=u9(alice)", "- -"));
    // The account of the machine that logs is nobody's tenant.
    assert_eq!(
        one(json!({"cloud": {"account": {"id": "1"}}})),
        passed("other/other user=u9(alice)", "192.0.2.40 DE")
    );
}

#[test]
fn sshd_in_elastics_words() {
    let sshd = |outcome: &str, ssh: Value, extra: Value| {
        let mut document = generic(
            json!({"action": "ssh_login", "dataset": "system.auth", "module": "system", "outcome": outcome, "id": null}),
            json!({"process": {"name": "sshd", "pid": 17}, "host": {"hostname": "srv1"}, "system": {"auth": {"ssh": ssh}},
                "user": {"name": "alice", "id": "1000"}}),
        );
        for (key, value) in extra.as_object().into_iter().flatten() {
            document[key] = value.clone();
        }
        document
    };
    let rows = [
        ("success", json!({"event": "Accepted", "method": "publickey"}), "Success/Right/Unknown/Normal"),
        ("failure", json!({"event": "Failed", "method": "password"}), "Failed/Wrong/Unknown/Normal"),
        ("failure", json!({"event": "Failed", "method": "publickey"}), "Failed/Unknown/Unknown/Normal"),
        ("failure", json!({"event": "Invalid"}), "Failed/Unknown/Unknown/Unknown"),
    ];
    for (outcome, ssh, ended) in rows {
        let expected = format!("signIn sshd/sshd user=alice(alice) {ended} Interactive 192.0.2.40 DE");
        check(&sshd(outcome, ssh, json!({})), &[&expected]);
    }
    for process in ["sudo", "cron"] {
        let other = json!({"system": null, "process": {"name": process}});
        check(&sshd("success", json!(null), other), &["skipped notASignIn"]);
    }
    let unknown = json!({"message": "Failed password for invalid user alice from 192.0.2.40 port 5 ssh2"});
    let document = sshd("failure", json!({"event": "Failed", "method": "password"}), unknown);
    check(
        &document,
        &["signIn sshd/sshd user=alice(alice) Failed/Unknown/Unknown/Unknown Interactive 192.0.2.40 DE"],
    );
}

#[test]
fn windows_logons() {
    let logon = |outcome: &str, data: Value, user: Value| {
        generic(
            json!({"code": "4624", "module": "security", "outcome": outcome}),
            json!({"winlog": {"event_data": data}, "user": user}),
        )
    };
    let alice = json!({"id": "S-1-5-21-1-2-3-1001", "name": "alice", "domain": "CORP"});
    let passed = |ended: &str| format!("signIn other/other user=S-1-5-21-1-2-3-1001(alice) {ended} 192.0.2.40 DE");
    let rows = [
        ("success", json!({"LogonType": "10"}), "Success/Right/Unknown/Normal Interactive"),
        ("success", json!({"LogonType": "3"}), "Success/Right/Unknown/Normal NonInteractive"),
        (
            "failure",
            json!({"LogonType": "3", "SubStatus": "0xc000006a"}),
            "Failed/Wrong/Unknown/Normal Interactive",
        ),
        (
            "failure",
            json!({"LogonType": "2", "SubStatus": "0xc0000234"}),
            "Failed/Unknown/Unknown/Locked Interactive",
        ),
        ("failure", json!({"Status": "0xc0000064"}), "Failed/Unknown/Unknown/Unknown Interactive"),
    ];
    for (outcome, data, ended) in rows {
        check(&logon(outcome, data, alice.clone()), &[&passed(ended)]);
    }
    check(&logon("success", json!({"LogonType": "5"}), alice.clone()), &["skipped servicePrincipal"]);
    let mut network = logon("success", json!({}), alice.clone());
    network["winlog"]["logon"] = json!({"type": "Network"});
    check(&network, &[&passed("Success/Right/Unknown/Normal NonInteractive")]);
    let mut ticket = logon("success", json!({}), alice);
    ticket["event"]["action"] = json!("kerberos-service-ticket-requested");
    check(&ticket, &[&passed("Success/Right/Unknown/Normal NonInteractive")]);
    check(&logon("success", json!({"LogonType": "3"}), json!({"name": "WS1$"})), &["skipped servicePrincipal"]);
    check(
        &logon("success", json!({}), json!({"id": "S-1-5-18", "name": "SYSTEM"})),
        &["skipped servicePrincipal"],
    );
    let nobody = logon("failure", json!({"SubStatus": "0xc0000064"}), json!({"id": "S-1-0-0", "name": "mallory"}));
    check(
        &nobody,
        &["signIn other/other user=mallory(mallory) Failed/Unknown/Unknown/Unknown Interactive 192.0.2.40 DE"],
    );
}
