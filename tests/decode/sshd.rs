//! sshd: heads of every kind, every message that is a result, and those that are not.

use farsign::engine::decode::{Decoded, Decoder, Format, Reject, RejectReason, parse_time};
use farsign::engine::signin::{ID_LENGTH_MAX, SignIn};

use crate::summary::summary;

fn check(record: &str, expected: &[&str]) {
    for format in [Format::Auto, Format::Sshd] {
        assert_eq!(summary(format, record), expected, "{} {record}", format.name());
    }
}

/// What one record becomes, received at this time (empty: unknown), with this year configured.
fn received(record: &str, time: &str, year: Option<i16>) -> Vec<Result<SignIn<'static>, Reject>> {
    let mut found = Vec::new();
    let time = (!time.is_empty()).then(|| parse_time(time).expect("a time"));
    Decoder { year, ..Decoder::new(Format::Sshd) }.decode(record.as_bytes(), time, &mut |decoded| {
        found.push(decoded.map(|decoded| match decoded {
            Decoded::SignIn(sign_in) => sign_in.into_owned(),
            other => panic!("{other:?}"),
        }));
    });
    found
}

fn one(record: &str) -> SignIn<'static> {
    received(record, "2024-02-12T15:00:00Z", None).pop().expect("one").expect("a sign-in")
}

fn line(message: &str) -> String {
    format!("2024-02-12T14:10:21.5+01:00 web1 sshd[77]: {message}")
}

#[test]
fn results() {
    for (message, user, ending, address) in [
        (
            "Accepted password for ada from 192.0.2.7 port 50022 ssh2",
            "ada",
            "Success/Right/Unknown/Normal",
            "192.0.2.7",
        ),
        (
            "Accepted publickey for git from 2001:db8::7 port 50022 ssh2: ED25519 SHA256:abc",
            "git",
            "Success/Right/Unknown/Normal",
            "2001:db8::7",
        ),
        (
            "Accepted publickey for git from 192.0.2.7 port 1 ssh2: RSA-CERT SHA256:a ID x from 198.51.100.1 port 2 (serial 1) CA RSA SHA256:b",
            "git",
            "Success/Right/Unknown/Normal",
            "192.0.2.7",
        ),
        (
            "Accepted keyboard-interactive/pam for Ada from 192.0.2.7 port 1 ssh2",
            "Ada",
            "Success/Right/Unknown/Normal",
            "192.0.2.7",
        ),
        ("Accepted google_authenticator for ada", "ada", "Interrupted/Unknown/Performed/Normal", "-"),
        (
            "Partial publickey for ada from 192.0.2.7 port 1 ssh2: RSA SHA256:abc",
            "ada",
            "Interrupted/Right/Pending/Normal",
            "192.0.2.7",
        ),
        ("Failed password for ada from 192.0.2.7 port 1 ssh2", "ada", "Failed/Wrong/Unknown/Normal", "192.0.2.7"),
        ("Failed password for root from host.example port 1 ssh2", "root", "Failed/Wrong/Unknown/Normal", "-"),
        (
            "Failed password for ada from ::ffff:192.0.2.7 port 1 ssh2",
            "ada",
            "Failed/Wrong/Unknown/Normal",
            "192.0.2.7",
        ),
        (
            "Failed password for invalid user bob from 192.0.2.7 port 1 ssh2",
            "bob",
            "Failed/Unknown/Unknown/Unknown",
            "192.0.2.7",
        ),
        (
            "Failed password for illegal user bob from 192.0.2.7 port 1 ssh2",
            "bob",
            "Failed/Unknown/Unknown/Unknown",
            "192.0.2.7",
        ),
        (
            "Failed none for invalid user bob from 192.0.2.7 port 1 ssh2",
            "bob",
            "Failed/Unknown/Unknown/Unknown",
            "192.0.2.7",
        ),
        ("Failed none for ada from 192.0.2.7 port 1 ssh2", "ada", "Failed/Unknown/Unknown/Normal", "192.0.2.7"),
        (
            "Failed publickey for ada from 192.0.2.7 port 1 ssh2: RSA SHA256:abc",
            "ada",
            "Failed/Unknown/Unknown/Normal",
            "192.0.2.7",
        ),
        (
            "Failed keyboard-interactive/pam for ada from 192.0.2.7 port 1 ssh2",
            "ada",
            "Failed/Wrong/Unknown/Normal",
            "192.0.2.7",
        ),
        ("Invalid user bob from 192.0.2.7 port 1", "bob", "Failed/Unknown/Unknown/Unknown", "192.0.2.7"),
        ("Invalid user bob from 192.0.2.7", "bob", "Failed/Unknown/Unknown/Unknown", "192.0.2.7"),
        ("Illegal user bob from UNKNOWN", "bob", "Failed/Unknown/Unknown/Unknown", "-"),
        (
            "Connection closed by authenticating user ada 192.0.2.7 port 1 [preauth]",
            "ada",
            "Failed/Unknown/Unknown/Normal",
            "192.0.2.7",
        ),
        (
            "Connection reset by invalid user bob 192.0.2.7 port 1 [preauth]",
            "bob",
            "Failed/Unknown/Unknown/Unknown",
            "192.0.2.7",
        ),
        (
            "Disconnected from authenticating user ada 192.0.2.7 port 1 [preauth]",
            "ada",
            "Failed/Unknown/Unknown/Normal",
            "192.0.2.7",
        ),
        (
            "Disconnecting invalid user bob 192.0.2.7 port 1: Too many authentication failures [preauth]",
            "bob",
            "Failed/Unknown/Unknown/Unknown",
            "192.0.2.7",
        ),
        (
            "error: maximum authentication attempts exceeded for ada from 192.0.2.7 port 1 ssh2 [preauth]",
            "ada",
            "Failed/Unknown/Unknown/Normal",
            "192.0.2.7",
        ),
        (
            "error: maximum authentication attempts exceeded for invalid user bob from 192.0.2.7 port 1 ssh2 [preauth]",
            "bob",
            "Failed/Unknown/Unknown/Unknown",
            "192.0.2.7",
        ),
        (
            "User ada from 192.0.2.7 not allowed because not listed in AllowUsers",
            "ada",
            "Blocked/Unknown/Unknown/Normal",
            "192.0.2.7",
        ),
        ("User ada not allowed because account is locked", "ada", "Failed/Unknown/Unknown/Locked", "-"),
        (
            "User ada not allowed because shell /bin/none does not exist",
            "ada",
            "Blocked/Unknown/Unknown/Normal",
            "-",
        ),
        (
            "ROOT LOGIN REFUSED FROM 192.0.2.7 port 1 [preauth]",
            "root",
            "Blocked/Right/Unknown/Normal",
            "192.0.2.7",
        ),
        (
            "Authentication tried for ada with correct key but not from a permitted host (host=h.example, ip=192.0.2.7, required=10.0.0.0/8).",
            "ada",
            "Blocked/Right/Unknown/Normal",
            "192.0.2.7",
        ),
        (
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=ada",
            "ada",
            "Failed/Unknown/Unknown/Normal",
            "192.0.2.7",
        ),
        (
            "pam_faillock(sshd:auth): Consecutive login failures for user ada account temporarily locked",
            "ada",
            "Failed/Unknown/Unknown/Locked",
            "-",
        ),
        (
            "error: PAM: Authentication failure for ada from 192.0.2.7",
            "ada",
            "Failed/Wrong/Unknown/Normal",
            "192.0.2.7",
        ),
        (
            "error: PAM: authentication error for illegal user bob from host.example",
            "bob",
            "Failed/Unknown/Unknown/Unknown",
            "-",
        ),
        (
            "fatal: PAM: User account has expired for ada from 192.0.2.7",
            "ada",
            "Failed/Unknown/Unknown/Disabled",
            "192.0.2.7",
        ),
        ("Invalid verification code for ada", "ada", "Failed/Unknown/Denied/Normal", "-"),
    ] {
        let name = user.to_ascii_lowercase();
        check(
            &line(message),
            &[&format!("signIn sshd/sshd user={user}({name}) {ending} Interactive {address} -")],
        );
    }
}

#[test]
fn what_is_no_result() {
    for message in [
        "Postponed publickey for ada from 192.0.2.7 port 1 ssh2 [preauth]",
        "Server listening on 0.0.0.0 port 22.",
        "Received disconnect from 192.0.2.7 port 1:11: Bye Bye [preauth]",
        "Disconnected from 192.0.2.7 port 1 [preauth]",
        "Disconnected from user ada 192.0.2.7 port 1",
        "Connection closed by 192.0.2.7 port 1 [preauth]",
        "Did not receive identification string from 192.0.2.7 port 1",
        "pam_unix(sshd:session): session opened for user ada(uid=1000) by (uid=0)",
        "pam_unix(sshd:auth): check pass; user unknown",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7 ",
        "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=ada",
        "input_userauth_request: invalid user bob [preauth]",
        "message repeated 2 times: [ Server listening on :: port 22.]",
        "message repeated 0 times: [ Failed password for ada from 192.0.2.7 port 1 ssh2]",
        "Accepted password for ada",
        "Failed password for",
        "",
    ] {
        check(&line(message), &["skipped notASignIn"]);
    }
}

#[test]
fn names_as_they_were_typed() {
    for (message, user) in [
        ("Failed password for invalid user a b from 192.0.2.7 port 1 ssh2", "a b"),
        (
            "Failed password for invalid user x from 198.51.100.1 port 22 ssh2 from 192.0.2.7 port 1 ssh2",
            "x from 198.51.100.1 port 22 ssh2",
        ),
        ("Connection closed by invalid user a b 192.0.2.7 port 1 [preauth]", "a b"),
        ("Accepted password for CORP\\\\ada from 192.0.2.7 port 1 ssh2", "CORP\\ada"),
        (
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=CORP\\ada",
            "CORP\\ada",
        ),
        ("Accepted password for Ada@corp.example from 192.0.2.7 port 1 ssh2", "ada@corp.example"),
        ("Invalid user j\\303\\266rg from 192.0.2.7 port 1", "jörg"),
        ("Invalid user null from 192.0.2.7 port 1", "null"),
    ] {
        let found = one(&line(message));
        assert_eq!((&*found.user_id, found.address_text.as_ref()), (user, "192.0.2.7"), "{message}");
    }
    for message in [
        "Invalid user  from 192.0.2.7 port 1",
        "Failed password for invalid user  from 192.0.2.7 port 1 ssh2",
        "Failed none for invalid user  from 192.0.2.7 port 1 ssh2",
        "Connection closed by invalid user  192.0.2.7 port 1 [preauth]",
    ] {
        check(&line(message), &["skipped notASignIn"]);
    }
    check(&line("Invalid user a\\001b from 192.0.2.7 port 1"), &["skipped notASignIn"]);
    let long = "a".repeat(ID_LENGTH_MAX + 1);
    check(&line(&format!("Invalid user {long} from 192.0.2.7 port 1")), &["skipped notASignIn"]);
    // Somebody who was let in is somebody: what cannot be kept of him is told.
    check(&line("Accepted password for a\\001b from 192.0.2.7 port 1 ssh2"), &["reject badId"]);
}

#[test]
fn what_stands_around_the_message() {
    let message = "Accepted publickey for ada from 192.0.2.7 port 1 ssh2: RSA SHA256:abc";
    for (head, time, host) in [
        ("Feb 12 14:10:21 web1 sshd[77]: ", "2024-02-12T14:10:21Z", "web1"),
        ("<38>Feb  9 14:10:21 web1 sshd-session[77]: ", "2024-02-09T14:10:21Z", "web1"),
        ("2024-02-12T14:10:21.123456+01:00 web1 sshd[77]: ", "2024-02-12T13:10:21.123456Z", "web1"),
        ("2024-02-12T14:10:21+0100 web1 sshd[77]: ", "2024-02-12T13:10:21Z", "web1"),
        ("<38>1 2024-02-12T14:10:21.123Z web1 sshd 77 - - ", "2024-02-12T14:10:21.123Z", "web1"),
        (
            "<38>1 2024-02-12T14:10:21Z web1 sshd 77 ID7 [meta sequenceId=\"1\"][a b=\"c]\"] ",
            "2024-02-12T14:10:21Z",
            "web1",
        ),
        ("sshd[77]: ", "2024-02-12T15:00:00Z", ""),
        ("", "2024-02-12T15:00:00Z", ""),
    ] {
        let found = one(&format!("{head}{message}"));
        assert_eq!(found.event_time, parse_time(time).expect("a time"), "{head}");
        assert_eq!(
            (&*found.resource_display_name, &*found.tenant_id, &*found.user_id),
            (host, "sshd", "ada"),
            "{head}"
        );
        assert_eq!((&*found.authentication_protocol, &*found.session_id), ("publickey", ""), "{head}");
    }
    assert_eq!(one(&line(message)).correlation_id, "web1/77");
    let others = [
        "Feb 12 14:10:21 web1 systemd[1]: Started OpenSSH server daemon sshd.",
        "Feb 12 14:10:21 web1 sudo: ada : COMMAND=/bin/grep sshd[1]: /var/log/auth.log",
        "Feb 12 14:10:21 web1 dropbear[7]: Password auth succeeded for 'ada' from 192.0.2.7:1",
        "Server listening on 0.0.0.0 port 22.",
        "Accepted the invitation for ada from the host",
    ];
    for other in others {
        assert_eq!(summary(Format::Auto, other), ["reject malformed"], "{other}");
    }
}

#[test]
fn years() {
    let record = "Dec 31 23:59:59 web1 sshd[77]: Accepted password for ada from 192.0.2.7 port 1 ssh2";
    let time = |around: &str, year: Option<i16>| {
        received(record, around, year).pop().expect("one").map(|found| found.event_time.to_string())
    };
    assert_eq!(time("2025-01-01T00:00:01Z", Some(1999)), Ok("2024-12-31T23:59:59.0000000Z".to_owned()));
    assert_eq!(time("", Some(2021)), Ok("2021-12-31T23:59:59.0000000Z".to_owned()));
    let reject = time("", None).expect_err("no year");
    assert_eq!((reject.reason, reject.detail.contains("input.year")), (RejectReason::NoTime, true));
    // Without a year, what is no result needs none.
    check("Feb 12 14:10:21 web1 sshd[77]: Server listening on :: port 22.", &["skipped notASignIn"]);
}

#[test]
fn repeated_messages() {
    let repeated = |count: &str| {
        line(&format!("message repeated {count} times: [ Failed password for ada from 192.0.2.7 port 1 ssh2]"))
    };
    let found: Vec<SignIn<'_>> =
        received(&repeated("3"), "", None).into_iter().map(|found| found.expect("a sign-in")).collect();
    let once = one(&line("Failed password for ada from 192.0.2.7 port 1 ssh2"));
    let mut ids: Vec<&str> = found.iter().map(|found| &*found.event_id).chain([&*once.event_id]).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((found.len(), ids.len()), (3, 4));
    assert!(found.iter().all(|found| found.user_id == "ada" && found.outcome == once.outcome));
    assert_eq!(
        found,
        received(&repeated("3"), "", None).into_iter().map(|found| found.expect("a sign-in")).collect::<Vec<_>>()
    );
    assert_eq!(received(&repeated("4000000000"), "", None).len(), 1_000);
    check(&repeated("99999999999"), &["skipped notASignIn"]);
    let invalid =
        line("message repeated 2 times: [ Failed password for invalid user b] from 192.0.2.7 port 1 ssh2]");
    assert_eq!(received(&invalid, "", None).pop().expect("two").expect("a sign-in").user_id, "b]");
}

#[test]
fn journal_and_json_of_shippers() {
    let expected = "signIn sshd/sshd user=ada(ada) Success/Right/Unknown/Normal Interactive 192.0.2.7 -";
    let message = "Accepted password for ada from 192.0.2.7 port 1 ssh2";
    let journal = format!(
        r#"{{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1707747022000000","_SOURCE_REALTIME_TIMESTAMP":"1707747021123456","_HOSTNAME":"web1","SYSLOG_IDENTIFIER":"sshd-session","_PID":"77","MESSAGE":"{message}"}}"#
    );
    check(&journal, &[expected]);
    let found = one(&journal);
    assert_eq!(
        (&*found.event_id, &*found.resource_display_name, &*found.correlation_id),
        ("s=1;i=2", "web1", "web1/77")
    );
    assert_eq!(found.event_time.to_string(), "2024-02-12T14:10:21.1234560Z");
    let bytes: Vec<String> = message.bytes().map(|byte| byte.to_string()).collect();
    let array =
        format!(r#"{{"MESSAGE":[{}],"__REALTIME_TIMESTAMP":1707747022000000,"_COMM":"sshd"}}"#, bytes.join(","));
    check(&array, &[expected]);
    for record in [
        format!(
            r#"{{"appname":"sshd","hostname":"web1","message":"{message}","procid":77,"source_type":"syslog","timestamp":"2024-02-12T14:10:21Z"}}"#
        ),
        format!(r#"{{"date":1707747021.5,"host":"web1","ident":"sshd","pid":"77","message":"{message}"}}"#),
        format!(
            r#"{{"PROGRAM":"sshd","PID":"77","MESSAGE":"{message}","HOST":"web1","DATE":"2024-02-12T14:10:21+00:00"}}"#
        ),
        format!(
            r#"{{"timestamp":"2024-02-12T14:10:21Z","programname":"sshd","host":"web1","message":"{message}"}}"#
        ),
        format!(r#"{{"@timestamp":"2024-02-12T14:10:21Z","message":"{message}"}}"#),
        format!(r#"{{"@timestamp":"2024-02-12T14:10:22Z","message":"Feb 12 14:10:21 web1 sshd[77]: {message}"}}"#),
    ] {
        check(&record, &[expected]);
    }
    check(&journal.replace("sshd-session", "cron"), &["skipped notASignIn"]);
    check(
        r#"{"MESSAGE":null,"__REALTIME_TIMESTAMP":"1707747022000000","SYSLOG_IDENTIFIER":"sshd"}"#,
        &["skipped notASignIn"],
    );
    check(r#"{"MESSAGE":{"a":1},"__REALTIME_TIMESTAMP":"x","SYSLOG_IDENTIFIER":"sshd"}"#, &["skipped notASignIn"]);
    check(&format!(r#"{{"MESSAGE":"{message}","SYSLOG_IDENTIFIER":"sshd"}}"#), &["reject noTime"]);
    // The journal of a container's host carries the lines of others.
    let keycloak = r#"{"MESSAGE":"20:40:16,353 WARN  [org.keycloak.events] (t) type=LOGIN, realmId=acme, userId=u-1, ipAddress=192.0.2.7","__REALTIME_TIMESTAMP":"1707747022000000","SYSLOG_IDENTIFIER":"kc"}"#;
    check(keycloak, &["signIn keycloak/acme user=u-1() Success/Right/Unknown/Normal Interactive 192.0.2.7 -"]);
}
