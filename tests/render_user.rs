//! Users' risk as `riskyUser` records, against Graph's own names and our JSON Schema; one user's state as people read it.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::world::{Spec, at, feedback, key, sign_in};
use farsign::engine::finding::{RiskDetail, RiskLevel, RiskState};
use farsign::engine::hash::UserKey;
use farsign::engine::out::{Out, RiskyUser};
use farsign::engine::policy::{EngineConfig, Policy, ScopedPolicy, ShadowPolicy};
use farsign::engine::profile::Profiles;
use farsign::engine::risk::user::UserRisk;
use farsign::engine::rules::Rules;
use farsign::engine::signin::EventTime;
use farsign::engine::watermark::StreamTime;
use farsign::engine::{Engine, Input};
use farsign::render::risky_user::{self, RiskyUserRecord};
use farsign::render::{RenderContext, user_state};
use serde_json::{Value, json};

const SCHEMA_PATH: &str = "docs/risky-user.schema.json";

/// Microsoft Graph's v1.0 metadata (`schemas/v1.0-Prod.csdl` of microsoftgraph/msgraph-metadata): the entity type
/// riskyUser, its navigation property left out.
const GRAPH_PROPERTIES: [&str; 9] = [
    "id",
    "isDeleted",
    "isProcessing",
    "riskDetail",
    "riskLastUpdatedDateTime",
    "riskLevel",
    "riskState",
    "userDisplayName",
    "userPrincipalName",
];

fn risky_user() -> RiskyUser {
    RiskyUser {
        key: UserKey(1),
        tenant_id: "7a5b0000-0000-4000-8000-000000000001".into(),
        user_id: "9c0d0000-0000-4000-8000-000000000002".into(),
        user_principal_name: "kari@fjord.example".into(),
        user_display_name: "Kari \"K\" Nordmann".into(),
        risk: UserRisk {
            level: RiskLevel::High,
            state: RiskState::AtRisk,
            detail: RiskDetail::None,
            open_detections: 3,
            is_deleted: false,
            changed: Some(EventTime(1_772_400_000_123_456_700)),
        },
        updated_time: EventTime(1_772_400_000_123_456_700),
        position: 7,
    }
}

fn unnamed() -> RiskyUser {
    let risk = UserRisk {
        state: RiskState::ConfirmedCompromised,
        detail: RiskDetail::AdminConfirmedUserCompromised,
        is_deleted: true,
        ..risky_user().risk
    };
    RiskyUser { user_principal_name: String::new(), user_display_name: String::new(), risk, ..risky_user() }
}

fn render(user: &RiskyUser) -> String {
    let context = RenderContext { config_hash: 0x00c0_ffee_0000_beef, ..RenderContext::default() };
    let mut out = b"before\n".to_vec();
    risky_user::write(user, &context, &mut out);
    String::from_utf8(out).expect("text").strip_prefix("before\n").expect("write appends").to_owned()
}

fn parsed(user: &RiskyUser) -> Value {
    serde_json::from_str(&render(user)).expect("one object")
}

#[test]
fn golden() {
    let version = env!("CARGO_PKG_VERSION");
    let expected = concat!(
        r#"{"id":"9c0d0000-0000-4000-8000-000000000002","isDeleted":false,"isProcessing":false,"riskDetail":"none","#,
        r#""riskLastUpdatedDateTime":"2026-03-01T21:20:00.1234567Z","riskLevel":"high","riskState":"atRisk","#,
        r#""userDisplayName":"Kari \"K\" Nordmann","userPrincipalName":"kari@fjord.example","farsign":{"#,
        r#""tenantId":"7a5b0000-0000-4000-8000-000000000001","openDetections":3,"#,
        r#""configurationHash":"00c0ffee0000beef","engineVersion":"VERSION"}}"#,
    );
    assert_eq!(render(&risky_user()), expected.replace("VERSION", version));
}

#[test]
fn names_are_graphs() {
    for user in [risky_user(), unnamed()] {
        let record = parsed(&user);
        let keys: Vec<&str> = record.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut expected = GRAPH_PROPERTIES.to_vec();
        expected.push("farsign");
        assert_eq!(keys, expected);
    }
    assert!(parsed(&unnamed())["userPrincipalName"].is_null());
    assert_eq!(parsed(&unnamed())["isDeleted"], true);
}

fn schema() -> Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.contract = schemars::generate::Contract::Serialize)
        .into_generator();
    generator.into_root_schema_for::<RiskyUserRecord<'static>>().to_value()
}

/// `UPDATE_GENERATED=1 cargo test` rewrites the file.
#[test]
fn the_published_schema_is_up_to_date_and_explained() {
    let text = format!("{:#}\n", schema());
    #[expect(clippy::disallowed_methods, reason = "a switch of the developer's, not of the program")]
    if std::env::var("UPDATE_GENERATED").is_ok() {
        std::fs::write(SCHEMA_PATH, &text).expect("the schema is written");
    }
    let published = std::fs::read_to_string(SCHEMA_PATH).expect("the schema is there");
    assert!(published == text, "run UPDATE_GENERATED=1 cargo test --test render_user");
    let validator = jsonschema::validator_for(&schema()).expect("a schema");
    for user in [risky_user(), unnamed()] {
        let record = parsed(&user);
        assert!(validator.is_valid(&record), "{record}");
        for (pointer, wrong) in [("/riskLevel", json!("hidden")), ("/farsign/openDetections", json!(-1))] {
            let mut record = record.clone();
            *record.pointer_mut(pointer).expect("a property") = wrong;
            assert!(!validator.is_valid(&record), "{pointer}");
        }
    }
    let document = std::fs::read_to_string("docs/output.md").expect("the document is there");
    let section = document.split("# Output: one risky user a line").nth(1).expect("a section of its own");
    let farsign =
        parsed(&risky_user())["farsign"].as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    for name in GRAPH_PROPERTIES.into_iter().chain(farsign.iter().map(String::as_str)) {
        assert!(section.contains(&format!("`{name}`")), "docs/output.md says nothing about `{name}`");
    }
}

#[test]
fn a_users_state_is_described() {
    let home = (0..14)
        .map(|day| sign_in(&Spec::new(&format!("home-{day}"), at(day, 28_800), "ada", "oslo-fixed", "laptop")));
    let visit = sign_in(&Spec::new("visit", at(14, 3_600), "ada", "lagos-fixed", "stranger"));
    let word = feedback("word", at(14, 7_200), "ada", "confirm-compromised", "visit");
    let mut engine = Engine::new(Arc::default(), Arc::new(Profiles::default()));
    let (mut stream, mut out) = (StreamTime::default(), Out::default());
    for item in home.chain([visit, word]) {
        let stream_time = stream.observe(item.time(), item.user());
        engine.step(&[Input { position: 0, stream_time, item: &item }], std::slice::from_mut(&mut out));
    }
    assert!(engine.inspect(0, key("nobody")).is_none());
    let record = engine.inspect(0, key("ada")).expect("a user");
    let shown = user_state::describe(&record, &Rules::new(Arc::default()));
    let check = |pointer: &str, expected: Value| {
        assert_eq!(shown.pointer(pointer), Some(&expected), "{pointer} of {shown:#}");
    };
    check("/userId", json!("ada"));
    check("/userPrincipalName", json!("ada@example.com"));
    check("/risk/state", json!("confirmedCompromised"));
    check("/risk/level", json!("high"));
    check("/openRisks/0/requestId", json!("visit"));
    check("/quarantine/0/country", json!("NG"));
    check("/quarantine/0/compromised", json!(true));
    check("/baseline/signIns", json!(14));
    check("/baseline/countries/0/value", json!("NO"));
    check("/baseline/countries/0/share", json!(1.0));
    let last_day = at(13, 0).to_string();
    check("/baseline/countries/0/lastDay", json!(last_day.split('T').next()));
    check("/baseline/cities/0/value", json!("Oslo"));
    check("/lastPlace/city", json!("Oslo"));
    check("/learning/impossibleTravel/phase", json!("active"));
    check("/tail/entries", json!(2));
    check("/tail/newest/1/country", json!("NG"));
    check("/tail/newest/0/requestId", json!("visit"));
    assert_eq!(shown["baseline"]["countries"].as_array().map(Vec::len), Some(1), "the stranger taught nothing");
}

/// Of every policy that found something, under its name as long as the configuration has it.
#[test]
fn what_shadow_policies_found_is_described() {
    let shadow = |name: &str, user: &str, is_enabled: bool| {
        let mut policy = Policy::default();
        policy.new_country.enabled = is_enabled;
        let (tenants, users) = (Vec::new(), vec![user.to_owned()]);
        ShadowPolicy::new(ScopedPolicy { name: name.to_owned(), tenants, users, policy }, 7)
    };
    let with = |shadow_policies| Arc::new(EngineConfig { shadow_policies, ..EngineConfig::default() });
    let config = with(vec![shadow("candidate", "ada", true), shadow("calm", "ada*", false)]);
    let home = (0..14)
        .map(|day| sign_in(&Spec::new(&format!("home-{day}"), at(day, 28_800), "ada", "oslo-fixed", "laptop")));
    let visit = sign_in(&Spec::new("visit", at(14, 3_600), "ada", "lagos-fixed", "stranger"));
    let mut engine = Engine::new(config.clone(), Arc::new(Profiles::default()));
    let (mut stream, mut out) = (StreamTime::default(), Out::default());
    for item in home.chain([visit]) {
        let stream_time = stream.observe(item.time(), item.user());
        engine.step(&[Input { position: 0, stream_time, item: &item }], std::slice::from_mut(&mut out));
    }
    let record = engine.inspect(0, key("ada")).expect("a user");
    let found = |config: Arc<EngineConfig>| {
        let shown = user_state::describe(&record, &Rules::new(config));
        let findings = shown["shadowFindings"].as_array().expect("a list").clone();
        let told = |finding: &Value| ["policy", "type", "requestId", "note"].map(|name| finding[name].clone());
        findings.iter().map(told).collect::<Vec<_>>()
    };
    let all = found(config);
    let of = |policy: &str| all.iter().filter(|finding| finding[0] == policy).collect::<Vec<_>>();
    let is_new_country = |finding: &&&[Value; 4]| finding[1] == "newCountry";
    assert!(of("candidate").iter().any(|finding| is_new_country(&finding)), "{all:?}");
    assert!(!of("calm").is_empty() && !of("calm").iter().any(|finding| is_new_country(&finding)), "{all:?}");
    assert!(all.iter().all(|finding| finding[2] == "visit" && finding[3].is_null()), "{all:?}");
    // One is gone, the other is for somebody else now.
    let later = found(with(vec![shadow("candidate", "eve", true)]));
    let notes: BTreeMap<String, String> =
        later.iter().map(|finding| (finding[0].to_string(), finding[3].to_string())).collect();
    let gone = format!("\"#{:016x}\"", shadow("calm", "", true).key());
    assert_eq!(notes.keys().collect::<Vec<_>>(), [&gone, "\"candidate\""]);
    assert!(notes[&gone].contains("not in the configuration"), "{notes:?}");
    assert!(notes["\"candidate\""].contains("not for this user any more"), "{notes:?}");
    assert_eq!(later.len(), all.len());
}
