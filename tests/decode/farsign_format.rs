//! Our own format: what is written is read back, the schema describes it, and its words are strict.

use std::borrow::Cow;

use farsign::engine::decode::{
    Decoded, Format, decode, parse_address, write_farsign, write_farsign_feedback, write_farsign_upstream_finding,
};
use farsign::engine::finding::{RiskEventType, RiskLevel};
use farsign::engine::signin::{
    AccountState, Category, ClientApp, Credential, DeviceDetail, EventTime, Feedback, FeedbackAction, Mfa,
    Outcome, Provider, ProviderLocation, SignIn, UpstreamFinding,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::fixtures::{fates, outcomes};

fn minimal() -> Value {
    json!({"type": "signIn", "tenantId": "t", "id": "1", "time": "2026-03-02T08:00:00Z", "userId": "u", "outcome": "success"})
}

fn fate(record: &Value) -> String {
    fates(Format::Auto, record.to_string().as_bytes()).join(" ")
}

#[test]
fn a_minimal_record_is_enough() {
    let seen = outcomes(Format::Farsign, minimal().to_string().as_bytes(), |decoded| match decoded {
        Ok(Decoded::SignIn(s)) => {
            format!("{:?} {:?} {:?} {:?} {:?}", s.provider, s.credential, s.mfa, s.account, s.category)
        }
        other => format!("{other:?}"),
    });
    assert_eq!(seen, ["Farsign Right Unknown Normal Interactive"]);
    assert_eq!(fates(Format::Farsign, json!([minimal(), minimal()]).to_string().as_bytes()).len(), 2);
}

#[test]
fn words_are_strict_and_named() {
    for key in ["outcome", "credential", "mfa", "account", "category", "provider", "clientApp"] {
        for wrong in [json!("Success"), json!(1), json!({"a": 1}), json!("")] {
            let mut record = minimal();
            record[key] = wrong;
            let detail = outcomes(Format::Auto, record.to_string().as_bytes(), |decoded| {
                decoded.err().map(|reject| (reject.reason.name(), reject.detail.to_string()))
            });
            let expected = ("wrongType", format!("`{key}` has a type that cannot be read"));
            assert_eq!(detail, [Some(expected)], "{record}");
        }
    }
}

#[test]
fn needed_fields_are_needed() {
    for (key, value, expected) in [
        ("outcome", Value::Null, "wrongType"),
        ("time", Value::Null, "noTime"),
        ("time", json!("soon"), "noTime"),
        ("time", json!("1970-01-01T00:00:00Z"), "timeOutOfRange"),
        ("time", json!([1]), "wrongType"),
        ("userId", Value::Null, "noUser"),
        ("userId", json!("a\nb"), "badId"),
        ("tenantId", json!("t".repeat(257)), "badId"),
        ("tenantId", Value::Null, "Interactive"),
        ("id", Value::Null, "Interactive"),
        ("type", json!("other"), "unknownFormat"),
        ("asn", json!({"x": 1}), "Interactive"),
        ("somethingNew", json!({"x": 1}), "Interactive"),
    ] {
        let mut record = minimal();
        record[key] = value;
        assert_eq!(fate(&record), expected, "{record}");
    }
}

#[test]
fn feedback_is_read() {
    for action in ["confirmSafe", "confirmCompromised", "dismiss", "passedMfa", "passwordChanged"] {
        let record = json!({"type": "feedback", "tenantId": "t", "id": "1", "time": 1772439330, "userId": "u", "action": action});
        assert_eq!(fate(&record).to_lowercase(), action.to_lowercase());
    }
    let record = json!({"type": "feedback", "time": 1772439330, "userId": "u", "action": "forgive"});
    assert_eq!(fate(&record), "wrongType");
}

fn leak() -> Value {
    json!({"type": "upstreamFinding", "tenantId": "t", "id": "1", "time": "2026-03-02T08:00:00Z", "userId": "u",
        "source": "A feed", "riskEventType": "leakedCredentials", "riskLevel": "high"})
}

/// Hands the one finding of a record to `look`.
fn with_finding(record: &Value, look: impl Fn(&UpstreamFinding<'_>)) {
    let text = record.to_string();
    let seen = outcomes(Format::Auto, text.as_bytes(), |decoded| match decoded {
        Ok(Decoded::UpstreamFinding(finding)) => look(&finding),
        other => panic!("no finding but {other:?} from {text}"),
    });
    assert_eq!(seen.len(), 1, "{text}");
}

#[test]
fn a_feed_needs_no_sign_in() {
    with_finding(&leak(), |finding| {
        assert_eq!((&*finding.request_id, finding.is_about_user, finding.is_confirmed), ("1", true, false));
        assert_eq!((finding.activity_time, finding.provider), (finding.event_time, Provider::Farsign));
    });
    let mut about = leak();
    (about["requestId"], about["activityTime"]) = (json!("s-1"), json!("2026-02-01T08:00:00Z"));
    with_finding(&about, |finding| {
        assert_eq!((&*finding.request_id, finding.is_about_user), ("s-1", false));
        assert!(finding.activity_time < finding.event_time);
    });
    let mut nameless = leak();
    nameless["id"] = Value::Null;
    with_finding(&nameless, |finding| {
        assert!(finding.event_id.starts_with("made-") && finding.request_id == finding.event_id);
    });
}

#[test]
fn a_findings_words_are_strict_and_its_source_is_needed() {
    for (key, value, expected) in [
        ("riskEventType", json!("impossibleTravel"), "mcasImpossibleTravel"),
        ("riskEventType", json!("LeakedCredentials"), "wrongType"),
        ("riskEventType", Value::Null, "wrongType"),
        ("riskLevel", json!("hidden"), "wrongType"),
        ("riskLevel", Value::Null, "wrongType"),
        ("provider", json!("entra"), "leakedCredentials"),
        ("provider", json!("acme"), "wrongType"),
        ("source", Value::Null, "wrongType"),
        ("source", json!("x".repeat(65)), "badId"),
        ("source", json!("a\nb"), "badId"),
        ("requestId", json!("r".repeat(257)), "badId"),
        ("activityTime", json!("soon"), "noTime"),
        ("isConfirmed", json!([1]), "leakedCredentials"),
        ("userId", Value::Null, "noUser"),
        ("time", Value::Null, "noTime"),
    ] {
        let mut record = leak();
        record[key] = value;
        assert_eq!(fate(&record), expected, "{record}");
    }
}

fn word() -> impl Strategy<Value = Cow<'static, str>> {
    select(vec!["", "alpha", "quote \" slash \\", "é🦀", "x".repeat(300).leak(), "tab\tinside", "10.0"])
        .prop_map(Cow::Borrowed)
}

fn id() -> impl Strategy<Value = Cow<'static, str>> {
    "[a-z0-9][a-z0-9-]{0,40}[a-z0-9]"
        .prop_filter("ids that mean absent", |id| id != "null" && id != "none")
        .prop_map(Cow::Owned)
}

prop_compose! {
    fn device()(
        device_id in word(), display_name in word(), operating_system in word(), browser in word(), trust_type in word(),
        is_compliant: Option<bool>, is_managed: Option<bool>,
    ) -> DeviceDetail<'static> {
        DeviceDetail { device_id, display_name, operating_system, browser, is_compliant, is_managed, trust_type }
    }
}

prop_compose! {
    fn location()(
        city in word(), state in word(), country in select(vec!["", "NL", "DE"]),
        coordinates in prop::option::of((-90.0_f64..=90.0, 0.001_f64..=180.0)),
    ) -> ProviderLocation<'static> {
        ProviderLocation { city, state, country: Cow::Borrowed(country), coordinates }
    }
}

prop_compose! {
    fn sign_in()(
        (provider, category, outcome, credential, mfa, account, client_app) in (
            select(Provider::ALL.to_vec()),
            select(vec![Category::Interactive, Category::NonInteractive, Category::Adfs]),
            select(vec![Outcome::Success, Outcome::Interrupted, Outcome::Blocked, Outcome::Failed]),
            select(vec![Credential::Right, Credential::Wrong, Credential::Unknown]),
            select(vec![Mfa::Unknown, Mfa::NotRequired, Mfa::Performed, Mfa::Claim, Mfa::Pending, Mfa::Denied, Mfa::Reported]),
            select(vec![AccountState::Normal, AccountState::Disabled, AccountState::Deleted, AccountState::Locked, AccountState::Unknown]),
            select(vec![ClientApp::Unknown, ClientApp::Browser, ClientApp::Modern, ClientApp::Legacy]),
        ),
        (tenant_id, event_id, user_id) in (id(), id(), id()),
        nanos in 946_684_800_000_000_000_i64..4_102_444_800_000_000_000,
        (user_display_name, app_id, app_display_name, resource_display_name) in (word(), word(), word(), word()),
        (client_app_used, authentication_protocol, user_agent, session_id) in (word(), word(), word(), word()),
        (correlation_id, incoming_token_type, token_issuer_type, token_issuer_name) in (word(), word(), word(), word()),
        address_text in select(vec!["", "192.0.2.1:80", "2001:db8::1", "gateway"]),
        (error_code, asn) in (any::<Option<u32>>(), prop::option::of(1_u32..)),
        location in location(),
        device in device(),
    ) -> SignIn<'static> {
        SignIn {
            provider, category, tenant_id, event_id, event_time: EventTime(nanos), user_id,
            user_principal_name: Cow::Borrowed("alice@example.com"), user_display_name, outcome, credential, mfa,
            account, error_code, address: parse_address(address_text), address_text: Cow::Borrowed(address_text), asn,
            location, app_id, app_display_name, resource_display_name, client_app, client_app_used,
            authentication_protocol, user_agent, device, session_id, correlation_id, incoming_token_type,
            token_issuer_type, token_issuer_name,
        }
    }
}

prop_compose! {
    fn feedback()(
        tenant_id in id(), user_id in id(), event_id in id(), request_id in prop::option::of(id()),
        provider in prop::option::of(select(Provider::ALL.to_vec())),
        user_principal_name in select(vec!["", "alice@acme.example"]),
        nanos in 946_684_800_000_000_000_i64..4_102_444_800_000_000_000,
        action in select(vec![
            FeedbackAction::ConfirmSafe, FeedbackAction::ConfirmCompromised, FeedbackAction::Dismiss,
            FeedbackAction::PassedMfa, FeedbackAction::PasswordChanged,
        ]),
    ) -> Feedback<'static> {
        Feedback {
            provider, user_principal_name: user_principal_name.into(),
            tenant_id, user_id, event_id, event_time: EventTime(nanos), action, request_id: request_id.unwrap_or_default(),
        }
    }
}

prop_compose! {
    fn finding()(
        (tenant_id, user_id, event_id, request_id) in (id(), id(), id(), id()),
        (nanos, activity_nanos) in (
            946_684_800_000_000_000_i64..4_102_444_800_000_000_000, 946_684_800_000_000_000_i64..4_102_444_800_000_000_000,
        ),
        source in select(vec!["IdentityProtection", "Okta", "Ein Anbieter für Lecks"]),
        provider in select(Provider::ALL.to_vec()),
        kind in select(RiskEventType::ALL.to_vec()),
        level in select(vec![RiskLevel::None, RiskLevel::Low, RiskLevel::Medium, RiskLevel::High]),
        (source_type, reasons) in (word(), word()),
        (is_confirmed, is_about_user) in (any::<bool>(), any::<bool>()),
        address_text in select(vec!["", "192.0.2.1:80", "2001:db8::1", "gateway"]),
        location in location(),
    ) -> UpstreamFinding<'static> {
        UpstreamFinding {
            source: Cow::Borrowed(source), provider, tenant_id, user_id, event_id, event_time: EventTime(nanos),
            user_principal_name: Cow::Borrowed("alice@example.com"), activity_time: EventTime(activity_nanos), kind,
            source_type, level, is_confirmed, request_id, is_about_user, address: parse_address(address_text),
            address_text: Cow::Borrowed(address_text), location, reasons,
        }
    }
}

fn schema() -> jsonschema::Validator {
    let text = include_str!("../../docs/formats/sign-in.schema.json");
    jsonschema::validator_for(&serde_json::from_str(text).expect("json")).expect("a schema")
}

#[test]
fn the_schema_refuses_what_the_decoder_refuses() {
    let schema = schema();
    assert!(schema.is_valid(&minimal()));
    for (key, value) in
        [("outcome", json!("won")), ("userId", Value::Null), ("time", json!([])), ("type", json!("x"))]
    {
        let mut record = minimal();
        record[key] = value;
        assert!(!schema.is_valid(&record), "{record}");
    }
}

proptest! {
    #[test]
    fn a_written_sign_in_is_read_back(sign_in in sign_in()) {
        let mut line = Vec::new();
        write_farsign(&sign_in, &mut line);
        let mut read = Vec::new();
        decode(Format::Auto, &line, &mut |decoded| read.push(decoded));
        prop_assert_eq!(read, vec![Ok(Decoded::SignIn(sign_in))]);
        prop_assert!(schema().is_valid(&serde_json::from_slice(&line).unwrap()));
        prop_assert!(!line.contains(&b'\n'));
    }

    #[test]
    fn written_feedback_is_read_back(feedback in feedback()) {
        let mut line = Vec::new();
        write_farsign_feedback(&feedback, &mut line);
        let mut read = Vec::new();
        decode(Format::Auto, &line, &mut |decoded| read.push(decoded));
        prop_assert_eq!(read, vec![Ok(Decoded::Feedback(feedback))]);
        prop_assert!(schema().is_valid(&serde_json::from_slice(&line).unwrap()));
    }

    #[test]
    fn a_written_finding_is_read_back(finding in finding()) {
        let mut line = Vec::new();
        write_farsign_upstream_finding(&finding, &mut line);
        let mut read = Vec::new();
        decode(Format::Auto, &line, &mut |decoded| read.push(decoded));
        prop_assert_eq!(read, vec![Ok(Decoded::UpstreamFinding(finding))]);
        prop_assert!(schema().is_valid(&serde_json::from_slice(&line).unwrap()));
    }
}
