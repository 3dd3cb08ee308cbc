//! Rendered records against goldens, against Graph's own names (`tests/graph`), and against our JSON Schema; the other
//! forms in files of their own.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

#[path = "render/ecs.rs"]
mod ecs;
#[path = "render/forms.rs"]
mod forms;
#[path = "render/ocsf.rs"]
mod ocsf;
#[path = "render/sigma.rs"]
mod sigma;

use farsign::engine::facts::{CountryCode, ListKind};
use farsign::engine::finding::{
    EndPoint, Evidence, Familiarity, Finding, LearningPhase, Property, PropertyVerdict, RiskDetail, RiskEventType,
    RiskLevel, RiskState, Suppression, SuppressionConsidered, Threshold, Travel,
};
use farsign::engine::out::{Detection, ShadowMark, Source, Subject};
use farsign::engine::risk::incident::Incident;
use farsign::engine::signin::{EventTime, Outcome, Provider};
use farsign::engine::user::tail::Judged;
use farsign::render::graph::{self, RiskDetection};
use farsign::render::{ImpossibleTravelName, OutputFormat, RenderContext, TableBuild};
use serde_json::Value;

const SCHEMA_PATH: &str = "docs/output.schema.json";

fn context() -> RenderContext {
    RenderContext {
        config_hash: 0x00c0_ffee_0000_beef,
        geoip_builds: vec![TableBuild {
            database: "GeoLite2-City".into(),
            built: EventTime::from_seconds(1_772_323_200),
        }],
        ..RenderContext::default()
    }
}

fn end(city: &str, country: &str, address: &str, at: (f32, f32), seconds: i64) -> EndPoint {
    EndPoint {
        request_id: format!("5e1f0000-0000-4000-8000-{seconds:012}"),
        provider: Provider::Entra,
        time: EventTime::from_seconds(seconds),
        address: Some(address.parse().unwrap()),
        asn: 64_500,
        asn_organization: "Fjord Telecom \"AS\"".into(),
        country: CountryCode::parse(country).unwrap(),
        region: String::new(),
        city: city.into(),
        coordinates: Some(at),
        radius_km: 20,
        browser: "Edge".into(),
        operating_system: "Windows".into(),
    }
}

fn verdict(property: Property, familiarity: Familiarity, organization_users: Option<u32>) -> PropertyVerdict {
    PropertyVerdict { property, familiarity, share: 0.0, bits: 4.125_499, organization_users, value: "x".into() }
}

fn evidence() -> Evidence {
    Evidence {
        this: end("Lima", "PE", "203.0.113.7", (-12.043_18, -77.028_24), 1_772_400_000),
        reference: Some(end("Oslo", "NO", "2001:db8::17", (59.912_73, 10.746_09), 1_772_396_400)),
        travel: Some(Travel {
            great_circle_km: 11_031.449_9,
            uncertainty_km: 40.0,
            distance_km: 10_991.449_9,
            elapsed_s: 3_600.0,
            speed_kmh: 10_991.449_9,
            max_speed_kmh: 1_000.0,
            min_distance_km: 500.0,
        }),
        properties: vec![
            verdict(Property::IpAddress, Familiarity::Unfamiliar, None),
            verdict(Property::IpPrefix, Familiarity::Unfamiliar, Some(0)),
            verdict(Property::City, Familiarity::Unfamiliar, Some(2)),
            verdict(Property::Country, Familiarity::Unfamiliar, Some(2)),
            verdict(Property::Browser, Familiarity::Familiar, None),
            verdict(Property::Device, Familiarity::Unknown, None),
        ],
        total_bits: None,
        strength: 0.25,
        attack: None,
        lists: vec![ListKind::Hosting],
        named_location: 0,
        thresholds: vec![Threshold::new("impossible_travel.max_speed_kmh", 1_000.0)],
        suppressions: vec![SuppressionConsidered {
            reason: Suppression::NearbyCountry,
            applied: false,
            detail: "Peru and Norway share no border".into(),
        }],
        learning: Some(LearningPhase::Active),
        learning_days: Some(44),
        baseline_sign_ins: 310,
        organization_day: Some(20_512),
        organization_users: 812,
        late: false,
        stopped: false,
        sentence: "10,991 km in 1 h 0 min: Oslo to Lima would take 10,991 km/h.".into(),
    }
}

fn detection(kind: RiskEventType) -> Detection {
    let subject = Subject {
        provider: Some(Provider::Entra),
        tenant_id: "7a5b0000-0000-4000-8000-000000000001".into(),
        user_id: "9c0d0000-0000-4000-8000-000000000002".into(),
        user_principal_name: "kari@fjord.example".into(),
        user_display_name: "Kari Nordmann".into(),
        request_id: "5e1f0000-0000-4000-8000-001772400000".into(),
        outcome: Some(Outcome::Success),
        correlation_id: "c0440000-0000-4000-8000-000000000003".into(),
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64)".into(),
        app_display_name: "Mail".into(),
        client_app_used: "Browser".into(),
        token_issuer_type: "AzureAD".into(),
        address_text: "203.0.113.7:50123".into(),
        interactive: true,
        ..Subject::default()
    };
    let incident = Incident { began: EventTime(1_772_400_000_123_456_700), event: 7 };
    let finding =
        Finding { kind, level: RiskLevel::High, score: 88, suppressed_by: None, evidence: evidence(), incident };
    Detection {
        id: uuid::Uuid::from_u128(0x1234_5678_9abc_5def_8123_4567_89ab_cdef),
        source: Source::Farsign,
        shadow: None,
        is_about_user: kind == RiskEventType::AdminConfirmedUserCompromised,
        state: RiskState::AtRisk,
        detail: RiskDetail::None,
        activity_time: EventTime(1_772_400_000_123_456_700),
        detected_time: EventTime(1_772_400_000_123_456_700),
        updated_time: EventTime(1_772_400_000_123_456_700),
        kind,
        level: RiskLevel::High,
        score: 88,
        subject,
        finding: Some(Box::new(finding)),
        position: 4_711,
        is_update: false,
        incident_id: uuid::Uuid::from_u128(0x1111_2222_3333_5444_8555_6666_7777_8888),
    }
}

fn without_finding() -> Detection {
    let mut detection = detection(RiskEventType::AdminConfirmedUserCompromised);
    detection.finding = None;
    detection.state = RiskState::ConfirmedCompromised;
    detection.detail = RiskDetail::AdminConfirmedUserCompromised;
    detection.subject = Subject { user_id: "kari".into(), tenant_id: "fjord".into(), ..Subject::default() };
    detection
}

fn suppressed() -> Detection {
    let mut detection = detection(RiskEventType::NewCountry);
    if let Some(finding) = &mut detection.finding {
        finding.suppressed_by = Some(Suppression::OrganizationCommon);
    }
    detection
}

/// It is in saved state: hashing piece by piece must give what hashing the whole gives, and every part of it counts.
#[test]
fn a_fingerprint_is_the_hash_of_all_fields() {
    for kind in RiskEventType::ALL {
        let Some(finding) = detection(kind).finding else { continue };
        let expected = xxhash_rust::xxh3::xxh3_64(&rmp_serde::to_vec(&finding).expect("it can be written"));
        assert_eq!(Judged::of(&finding).fingerprint, expected, "{}", kind.name());
        let mut other = finding.clone();
        other.evidence.sentence.push('.');
        assert_ne!(Judged::of(&other).fingerprint, expected, "{}", kind.name());
    }
    assert!(detection(RiskEventType::ImpossibleTravel).finding.is_some());
}

/// What another product says of a user.
fn upstream() -> Detection {
    let mut upstream = detection(RiskEventType::LeakedCredentials);
    (upstream.source, upstream.is_about_user) = (Source::Upstream("A feed".into()), true);
    upstream.subject = Subject {
        provider: Some(Provider::Other),
        user_id: "kari".into(),
        tenant_id: "fjord".into(),
        ..Subject::default()
    };
    upstream
}

#[test]
fn an_upstream_finding_names_its_product() {
    let record = parsed(&upstream());
    assert_eq!((&record["source"], &record["activity"]), (&"A feed".into(), &"user".into()));
    assert_eq!(record["farsign"]["signIn"]["provider"], "other");
    assert_eq!(record["farsign"]["evidence"]["this"]["provider"], "entra");
    assert!(record["requestId"].is_null());
    let ours = parsed(&detection(RiskEventType::NewCountry));
    assert_eq!((&ours["source"], &ours["activity"]), (&"Farsign".into(), &"signin".into()));
    assert!(parsed(&without_finding())["farsign"]["signIn"]["provider"].is_null());
}

fn render(detection: &Detection, context: &RenderContext) -> String {
    let mut out = b"before\n".to_vec();
    graph::write(detection, context, &mut out);
    String::from_utf8(out).unwrap().strip_prefix("before\n").expect("write appends").to_owned()
}

fn parsed(detection: &Detection) -> Value {
    serde_json::from_str(&render(detection, &context())).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn graph_facts() -> Value {
    serde_json::from_str(include_str!("graph/risk-detection.json")).unwrap()
}

fn text_list(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

/// Additional info as (key, value) pairs.
fn info(record: &Value) -> Vec<(String, Value)> {
    let list: Vec<Value> = serde_json::from_str(record["additionalInfo"].as_str().unwrap()).unwrap();
    list.iter()
        .map(|item| {
            assert_eq!(keys(item), ["Key", "Value"]);
            (item["Key"].as_str().unwrap().to_owned(), item["Value"].clone())
        })
        .collect()
}

#[test]
fn goldens() {
    let cases = [
        ("impossible_travel", detection(RiskEventType::ImpossibleTravel)),
        ("update_without_finding", without_finding()),
        ("suppressed", suppressed()),
    ];
    for (name, detection) in cases {
        // A new version of the program is no change of format.
        let version = format!("\"engineVersion\":\"{}\"", env!("CARGO_PKG_VERSION"));
        let text = render(&detection, &context());
        assert!(text.contains(&version));
        insta::assert_snapshot!(name, text.replace(&version, "\"engineVersion\":\"VERSION\""));
    }
}

fn of_shadow() -> Detection {
    let mut detection = detection(RiskEventType::ImpossibleTravel);
    let live_id = detection.id;
    detection.shadow = Some(Box::new(ShadowMark { policy: "strict".to_owned(), policy_hash: 1, live_id }));
    detection.id = uuid::Uuid::from_u128(0x1234_5678_9abc_5def_8123_4567_89ab_cdf0);
    detection
}

/// A shadow's detection is the live one with a mark, an id and a hash of its own, in every form.
#[test]
fn a_shadow_detection_names_its_policy() {
    let (live, shadow) = (detection(RiskEventType::ImpossibleTravel), of_shadow());
    let mut record = parsed(&shadow);
    let mark = record["farsign"].as_object_mut().unwrap().remove("shadow").unwrap();
    assert_eq!(mark, serde_json::json!({"policy": "strict", "liveId": live.id.to_string()}));
    let expected = parsed(&live);
    let hash = record["farsign"]["configurationHash"].take();
    assert!(hash != expected["farsign"]["configurationHash"] && hash.as_str().unwrap().len() == 16, "{hash}");
    record["id"] = expected["id"].clone();
    record["farsign"]["configurationHash"] = expected["farsign"]["configurationHash"].clone();
    assert_eq!(record, expected);
    for (format, pointer) in [
        (OutputFormat::Ecs, "/farsign/shadow/policy"),
        (OutputFormat::Ocsf, "/unmapped/farsign/shadow/policy"),
        (OutputFormat::Sigma, "/shadowPolicy"),
    ] {
        let context = RenderContext { format, ..context() };
        let text = |detection: &Detection| {
            let mut line = Vec::new();
            farsign::render::write(detection, &context, &mut line);
            serde_json::from_slice::<Value>(&line).unwrap()
        };
        let (told, plain) = (text(&shadow), text(&live));
        assert_eq!(told.pointer(pointer), Some(&Value::from("strict")), "{told:#}");
        assert_eq!(plain.pointer(pointer), None);
    }
}

/// Every kind, state, level and detail once, and the special shapes.
fn every_shape() -> Vec<Detection> {
    let mut shapes: Vec<Detection> = RiskEventType::ALL.into_iter().map(detection).collect();
    for state in [
        RiskState::None,
        RiskState::AtRisk,
        RiskState::ConfirmedCompromised,
        RiskState::ConfirmedSafe,
        RiskState::Dismissed,
        RiskState::Remediated,
    ] {
        shapes.push(Detection { state, ..detection(RiskEventType::NewCountry) });
    }
    for level in [RiskLevel::None, RiskLevel::Low, RiskLevel::Medium, RiskLevel::High] {
        shapes.push(Detection { level, ..detection(RiskEventType::UnfamiliarFeatures) });
    }
    for detail in [
        RiskDetail::None,
        RiskDetail::AiConfirmedSigninSafe,
        RiskDetail::AdminConfirmedSigninSafe,
        RiskDetail::AdminConfirmedSigninCompromised,
        RiskDetail::AdminConfirmedUserCompromised,
        RiskDetail::AdminDismissedAllRiskForUser,
        RiskDetail::AdminDismissedRiskForSignIn,
        RiskDetail::AdminConfirmedAccountSafe,
        RiskDetail::UserPassedMfaDrivenByRiskBasedPolicy,
        RiskDetail::UserPerformedSecuredPasswordChange,
    ] {
        shapes.push(Detection { detail, ..detection(RiskEventType::UnlikelyTravel) });
    }
    for issuer in ["", "adfederationservices", "Azure Active Directory", "SomethingNew"] {
        let mut shape = detection(RiskEventType::NewCountry);
        shape.subject.token_issuer_type = issuer.into();
        shapes.push(shape);
    }
    shapes.extend([without_finding(), suppressed(), upstream(), of_shadow()]);
    shapes
}

#[test]
fn names_and_enum_members_are_graphs() {
    let facts = graph_facts();
    let graph_properties = text_list(&facts["properties"]);
    for detection in every_shape() {
        let record = parsed(&detection);
        let mut expected = graph_properties.clone();
        expected.extend(["tenantId", "riskScore", "farsign"]);
        assert_eq!(keys(&record), expected, "Graph's properties in Graph's order, then ours");
        for (property, members) in facts["enums"].as_object().unwrap() {
            let Some(text) = record[property].as_str() else {
                assert!(record[property].is_null() && property == "tokenIssuerType", "{property} is missing");
                continue;
            };
            let own = property == "riskEventType" && text_list(&facts["ownRiskEventTypes"]).contains(&text);
            assert!(own || text_list(members).contains(&text), "`{text}` is no member of {property}");
        }
        if !record["location"].is_null() {
            assert_eq!(keys(&record["location"]), text_list(&facts["signInLocation"]));
            assert_eq!(keys(&record["location"]["geoCoordinates"]), text_list(&facts["geoCoordinates"]));
        }
        for (key, _) in info(&record) {
            assert!(text_list(&facts["additionalInfoKeys"]).contains(&key.as_str()), "`{key}`");
        }
    }
}

#[test]
fn timing_is_that_of_entras_table() {
    let facts = graph_facts();
    for kind in RiskEventType::ALL {
        let record = parsed(&detection(kind));
        assert_eq!(record["detectionTimingType"], facts["timing"][kind.name()], "{}", kind.name());
    }
}

#[test]
fn impossible_travel_is_spelt_by_the_switch() {
    let context = RenderContext { impossible_travel_name: ImpossibleTravelName::Plain, ..context() };
    for (kind, expected) in
        [(RiskEventType::ImpossibleTravel, "impossibleTravel"), (RiskEventType::UnlikelyTravel, "unlikelyTravel")]
    {
        let record: Value = serde_json::from_str(&render(&detection(kind), &context)).unwrap();
        assert_eq!(record["riskEventType"], expected);
    }
}

#[test]
fn risk_reasons_name_each_unfamiliar_property_once() {
    let reasons = |properties: Vec<PropertyVerdict>| {
        let mut detection = detection(RiskEventType::UnfamiliarFeatures);
        if let Some(finding) = &mut detection.finding {
            finding.evidence.properties = properties;
        }
        let found = info(&parsed(&detection)).into_iter().find(|(key, _)| key == "riskReasons");
        found.map(|(_, value)| text_list(&value).into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    use Familiarity::{Familiar, Unfamiliar, Unknown};
    let facts = graph_facts();
    let all = reasons(evidence().properties).unwrap();
    assert_eq!(all, ["UnfamiliarIP", "UnfamiliarTenantIPsubnet", "UnfamiliarLocation"]);
    assert!(all.iter().all(|reason| text_list(&facts["riskReasons"]).contains(&reason.as_str())));
    // A subnet that colleagues use, or that nobody looked up, is not unfamiliar to the tenant.
    assert_eq!(reasons(vec![verdict(Property::IpPrefix, Unfamiliar, Some(1))]), None);
    assert_eq!(reasons(vec![verdict(Property::IpPrefix, Unfamiliar, None)]), None);
    // Nothing unfamiliar: no list at all.
    assert_eq!(
        reasons(vec![verdict(Property::Asn, Familiar, None), verdict(Property::Device, Unknown, None)]),
        None
    );
}

#[test]
fn a_suppressed_detection_carries_no_risk_and_says_why() {
    let record = parsed(&suppressed());
    assert_eq!(record["riskState"], "none");
    assert_eq!(record["farsign"]["suppressedBy"], "organizationCommon");
    let standing = parsed(&detection(RiskEventType::NewCountry));
    assert_eq!(standing["riskState"], "atRisk");
    assert!(standing["farsign"]["suppressedBy"].is_null());
}

#[test]
fn the_address_as_written_stands_in_for_one_that_cannot_be_read() {
    let mut detection = detection(RiskEventType::NewCountry);
    if let Some(finding) = &mut detection.finding {
        finding.evidence.this.address = None;
        finding.evidence.this.coordinates = None;
        finding.evidence.this.country = CountryCode::UNKNOWN;
        finding.evidence.this.city = String::new();
    }
    detection.subject.address_text = "123.456.7.89".into();
    let record = parsed(&detection);
    assert_eq!(record["ipAddress"], "123.456.7.89");
    assert!(record["location"].is_null());
    assert!(record["farsign"]["evidence"]["this"]["radiusKm"].is_null());
}

fn schema() -> Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.contract = schemars::generate::Contract::Serialize)
        .into_generator();
    generator.into_root_schema_for::<RiskDetection<'static>>().to_value()
}

/// `UPDATE_GENERATED=1 cargo test` rewrites the file.
#[test]
fn the_published_schema_is_up_to_date() {
    let text = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    #[expect(clippy::disallowed_methods, reason = "a switch of the developer's, not of the program")]
    if std::env::var("UPDATE_GENERATED").is_ok() {
        std::fs::write(SCHEMA_PATH, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(SCHEMA_PATH).unwrap() == text,
        "run UPDATE_GENERATED=1 cargo test --test render"
    );
}

#[test]
fn every_shape_is_valid_by_the_published_schema() {
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(SCHEMA_PATH).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for detection in every_shape() {
        let record = parsed(&detection);
        let problems: Vec<String> = validator.iter_errors(&record).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{problems:?}");
    }
    // Near misses, so that the schema is known to bite.
    for (pointer, wrong) in [("/riskScore", Value::from(101)), ("/riskState", Value::from("fine"))] {
        let mut record = parsed(&without_finding());
        *record.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&record), "{pointer}");
    }
}

/// `docs/output.md` explains every property, as `name` in backticks.
#[test]
fn the_document_names_every_property() {
    fn collect(schema: &Value, names: &mut std::collections::BTreeSet<String>) {
        match schema {
            Value::Object(map) => {
                // A property may itself be called "properties": only an object's schema has a type beside it.
                if let (Some(Value::Object(properties)), Some(_)) = (map.get("properties"), map.get("type")) {
                    names.extend(properties.keys().cloned());
                }
                map.values().for_each(|value| collect(value, names));
            }
            Value::Array(list) => list.iter().for_each(|value| collect(value, names)),
            _ => {}
        }
    }
    let mut names = std::collections::BTreeSet::new();
    collect(&schema(), &mut names);
    assert!(names.len() > 60, "the schema was read");
    let document = std::fs::read_to_string("docs/output.md").unwrap();
    let missing: Vec<_> = names.iter().filter(|name| !document.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/output.md says nothing about {missing:?}");
}

proptest::proptest! {
    /// Whatever text and numbers evidence holds, the record is one valid line that reads back.
    #[test]
    fn any_text_and_number_makes_one_valid_line(
        text in "\\PC*", number in proptest::num::f64::ANY, control in proptest::char::range('\0', '\u{1f}')
    ) {
        let mut detection = detection(RiskEventType::UnlikelyTravel);
        detection.subject.user_agent = format!("{text}{control}");
        detection.subject.user_display_name = format!("{control}{text}");
        let finding = detection.finding.as_mut().unwrap();
        finding.evidence.sentence = text.clone();
        finding.evidence.total_bits = Some(number);
        finding.evidence.travel.as_mut().unwrap().speed_kmh = number;
        let line = render(&detection, &context());
        proptest::prop_assert!(!line.contains('\n'));
        let record: Value = serde_json::from_str(&line).unwrap();
        proptest::prop_assert_eq!(record["userDisplayName"].as_str().unwrap(), &detection.subject.user_display_name);
        let agent = info(&record).into_iter().find(|(key, _)| key == "userAgent").unwrap().1;
        proptest::prop_assert_eq!(agent.as_str().unwrap(), &detection.subject.user_agent);
        proptest::prop_assert_eq!(&render(&detection, &context()), &line);
    }
}
