//! What the forms besides Graph's have in common: rendering in one, goldens, the pages in `docs/output`.

use std::collections::BTreeSet;

use farsign::engine::attempts::{Attack, Trace};
use farsign::engine::finding::{AttackEvidence, RiskEventType, RiskLevel, RiskState};
use farsign::engine::out::Detection;
use farsign::engine::signin::EventTime;
use farsign::render::{self, ImpossibleTravelName, OutputFormat, RenderContext};
use serde_json::Value;

use super::{context, detection, every_shape, suppressed, without_finding};

pub const FORMS: [(OutputFormat, &str); 3] =
    [(OutputFormat::Ecs, "ecs"), (OutputFormat::Ocsf, "ocsf"), (OutputFormat::Sigma, "sigma")];

pub fn line(detection: &Detection, format: OutputFormat) -> String {
    let mut out = b"before\n".to_vec();
    render::write(detection, &RenderContext { format, ..context() }, &mut out);
    String::from_utf8(out).unwrap().strip_prefix("before\n").expect("write appends").to_owned()
}

pub fn parsed(detection: &Detection, format: OutputFormat) -> Value {
    serde_json::from_str(&line(detection, format)).unwrap()
}

/// A detection that rests on what was attempted on others, from an operating system that no schema numbers.
pub fn attacked() -> Detection {
    let mut detection = detection(RiskEventType::PasswordSpray);
    let finding = detection.finding.as_mut().unwrap();
    finding.evidence.reference = None;
    finding.evidence.travel = None;
    finding.evidence.this.operating_system = "Chrome OS".into();
    finding.evidence.attack = Some(AttackEvidence {
        trace: Trace::Address,
        value: "203.0.113.7".into(),
        attack: Attack {
            recognised: 29_539_990,
            first: 29_539_900,
            last: 29_540_010,
            users: 31,
            attempts: 64,
            no_such_user: 4,
            countries: 1,
        },
        known_users: 0,
        enough: 10,
        window_hours: 24,
        in_hindsight: false,
    });
    detection
}

/// Every shape of Graph's tests, and those in which these forms differ.
pub fn shapes() -> Vec<Detection> {
    let mut shapes = every_shape();
    shapes.push(attacked());
    let mut updated = detection(RiskEventType::NewCountry);
    updated.updated_time = EventTime(updated.updated_time.0 + 1_000_000_000);
    shapes.push(updated);
    let mut placeless = detection(RiskEventType::UnfamiliarFeatures);
    let finding = placeless.finding.as_mut().unwrap();
    finding.evidence.this.country = farsign::engine::facts::CountryCode::UNKNOWN;
    finding.evidence.this.city = String::new();
    shapes.push(placeless.clone());
    let finding = placeless.finding.as_mut().unwrap();
    finding.evidence.this.address = None;
    finding.evidence.this.coordinates = None;
    finding.evidence.this.asn = 0;
    placeless.subject.address_text = "not an address".into();
    placeless.subject.device_id = "d-1".into();
    placeless.subject.device_display_name = "KARI-PC".into();
    placeless.subject.session_id = "s-1".into();
    placeless.subject.error_code = 50_074;
    placeless.subject.user_principal_name = "kari".into();
    shapes.push(placeless);
    shapes
}

/// A new version of the program is no change of format.
fn without_version(text: &str) -> String {
    text.replace(&format!("\"{}\"", env!("CARGO_PKG_VERSION")), "\"VERSION\"")
}

#[test]
fn goldens() {
    for (format, name) in FORMS {
        for (case, detection) in [
            ("impossible_travel", detection(RiskEventType::ImpossibleTravel)),
            ("password_spray", attacked()),
            ("update_without_finding", without_finding()),
            ("suppressed", suppressed()),
        ] {
            let text = serde_json::to_string_pretty(&parsed(&detection, format)).unwrap();
            insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false }, {
                insta::assert_snapshot!(format!("render__{name}_{case}"), without_version(&text));
            });
        }
    }
}

#[test]
fn one_line_each_and_the_same_again() {
    for (format, name) in FORMS {
        for detection in shapes() {
            let line = line(&detection, format);
            assert!(!line.contains('\n'), "{name}");
            assert_eq!(self::line(&detection, format), line);
        }
    }
}

#[test]
fn impossible_travel_is_spelt_by_the_switch_in_every_form() {
    for (format, name) in FORMS {
        for (spelling, expected) in [
            (ImpossibleTravelName::Mcas, "mcasImpossibleTravel"),
            (ImpossibleTravelName::Plain, "impossibleTravel"),
        ] {
            let mut out = Vec::new();
            let context = RenderContext { format, impossible_travel_name: spelling, ..context() };
            render::write(&detection(RiskEventType::ImpossibleTravel), &context, &mut out);
            let text = String::from_utf8(out).unwrap();
            let other = ["\"mcasImpossibleTravel\"", "\"impossibleTravel\""];
            assert!(text.contains(&format!("\"{expected}\"")), "{name}");
            assert!(other.iter().filter(|found| text.contains(**found)).count() == 1, "{name}: both spellings");
        }
    }
}

/// Where a detection that no longer stands must be told from one that does.
#[test]
fn what_does_not_stand_is_no_alert() {
    for state in [
        RiskState::None,
        RiskState::AtRisk,
        RiskState::ConfirmedCompromised,
        RiskState::ConfirmedSafe,
        RiskState::Dismissed,
        RiskState::Remediated,
    ] {
        let stands = matches!(state, RiskState::AtRisk | RiskState::ConfirmedCompromised);
        let detection = Detection { state, level: RiskLevel::Low, ..detection(RiskEventType::NewCountry) };
        let ecs = parsed(&detection, OutputFormat::Ecs);
        assert_eq!(ecs["event"]["kind"] == "alert", stands, "{state:?}");
        assert_eq!(ecs["event"]["risk_score_norm"].as_f64() > Some(0.0), stands);
        assert_eq!(ecs["user"].get("risk").is_some(), stands);
        assert_eq!(parsed(&detection, OutputFormat::Ocsf)["is_alert"], stands, "{state:?}");
        assert_eq!(parsed(&detection, OutputFormat::Sigma)["riskState"], state.name());
    }
}

/// Names of properties with the way to them; elements of lists count as one, what is below `opaque` not at all.
pub fn paths(value: &Value, path: &str, opaque: &[&str], found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) if !opaque.contains(&path) => {
            for (key, value) in map {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                paths(value, &below, opaque, found);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            list.iter().for_each(|value| paths(value, path, opaque, found));
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

const BEGIN: &str = "<!-- example: made by `UPDATE_GENERATED=1 cargo test --test render` -->\n";
const END: &str = "<!-- end of the example -->\n";

/// Each form's page names every property, and its example is what the program writes.
#[test]
fn the_pages_name_every_property_and_show_an_example() {
    for (format, name) in FORMS {
        let path = format!("docs/output/{name}.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let example = parsed(&detection(RiskEventType::ImpossibleTravel), format);
        let example = without_version(&serde_json::to_string_pretty(&example).unwrap());
        let (before, rest) = page.split_once(BEGIN).expect("a place for the example");
        let (_, after) = rest.split_once(END).expect("its end");
        let expected = format!("{before}{BEGIN}```json\n{example}\n```\n{END}{after}");
        #[expect(clippy::disallowed_methods, reason = "a switch of the developer's, not of the program")]
        if std::env::var("UPDATE_GENERATED").is_ok() {
            std::fs::write(&path, &expected).unwrap();
        } else {
            assert!(page == expected, "run UPDATE_GENERATED=1 cargo test --test render");
        }
        let mut found = BTreeSet::new();
        let opaque = ["farsign", "unmapped.farsign", "azure.identityprotection.properties.location"];
        shapes().iter().for_each(|shape| paths(&parsed(shape, format), "", &opaque, &mut found));
        assert!(found.len() > 50, "{name}: properties were found");
        let missing: Vec<_> = found.iter().filter(|path| !before.contains(&format!("`{path}`"))).collect();
        assert!(missing.is_empty(), "{path} says nothing about {missing:?}");
    }
}

proptest::proptest! {
    /// Whatever text and numbers evidence holds, each form is one valid line that reads back.
    #[test]
    fn any_text_and_number_makes_one_valid_line(
        text in "\\PC*", number in proptest::num::f64::ANY, control in proptest::char::range('\0', '\u{1f}')
    ) {
        let mut detection = attacked();
        detection.subject.user_agent = format!("{text}{control}");
        detection.subject.user_principal_name = text.clone();
        let finding = detection.finding.as_mut().unwrap();
        finding.evidence.sentence = text.clone();
        finding.evidence.total_bits = Some(number);
        finding.evidence.this.coordinates = Some((number as f32, number as f32));
        for (format, _) in FORMS {
            let line = line(&detection, format);
            proptest::prop_assert!(!line.contains('\n'));
            let record: Value = serde_json::from_str(&line).unwrap();
            let agent = match format {
                OutputFormat::Ecs => &record["user_agent"]["original"],
                OutputFormat::Ocsf => &record["evidences"][0]["http_request"]["user_agent"],
                _ => &record["userAgent"],
            };
            proptest::prop_assert_eq!(agent.as_str().unwrap(), &detection.subject.user_agent);
        }
    }
}
