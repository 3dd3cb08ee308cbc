//! Wrong configurations against the problems they must report, and right ones against what they mean.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use farsign::config::{
    self, Config, ConfigProblems, Framing, LogFormat, LogLevel, OnError, SaslConfig, SecretSource, Start,
};
use farsign::engine::decode::{Decoder, Format};
use farsign::engine::finding::RiskEventType;
use farsign::engine::policy::{EngineConfig, Sensitivity};
use farsign::render::{ImpossibleTravelName, OutputFormat};

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigProblems> {
    config::parse(text, &environment(variables))
}

fn valid(text: &str) -> Config {
    parse(text, &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

fn updating() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a switch of the developer's, not of the program")]
    std::env::var("UPDATE_GENERATED").is_ok()
}

/// The environment of every fixture.
const VARIABLES: [(&str, &str); 5] = [
    ("HOME_OF_TABLES", "/srv/tables"),
    ("USERS", "1000"),
    ("MANY", "4096"),
    ("FARSIGN_BASELINE__HALF_LIFE", "3"),
    ("FARSIGN_PORT", "tcp://192.0.2.1:80"),
];

/// `tests/config/NAME.yaml` must report exactly the lines of `NAME.txt`. `UPDATE_GENERATED=1` rewrites them.
#[test]
fn wrong_configurations_report_every_problem() {
    let mut fixtures: Vec<PathBuf> = std::fs::read_dir("tests/config")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    fixtures.sort();
    assert!(fixtures.len() >= 7, "fixtures were found");
    for fixture in fixtures {
        let text = std::fs::read_to_string(&fixture).unwrap();
        let problems = parse(&text, &VARIABLES).expect_err("a wrong configuration").to_string() + "\n";
        let expected = fixture.with_extension("txt");
        if updating() {
            std::fs::write(&expected, &problems).unwrap();
        }
        assert_eq!(problems, std::fs::read_to_string(&expected).unwrap(), "{}", fixture.display());
    }
}

#[test]
fn nothing_at_all_is_the_documented_defaults() {
    for text in ["", "# only a comment\n", "{}", "detections:\n", "detections: {}\ntables:\n"] {
        let config = valid(text);
        let expected = EngineConfig { config_hash: config.engine.config_hash, ..EngineConfig::default() };
        assert_eq!(config.engine, expected, "{text:?}");
        assert_eq!(config.engine.config_hash, valid("").engine.config_hash);
    }
}

/// The example names every key with its default, so it must mean the same as nothing at all.
#[test]
fn the_example_is_the_defaults_and_names_every_key() {
    let text = std::fs::read_to_string("config/farsign.example.yaml").unwrap();
    let example = valid(&text);
    assert_eq!(example.engine, valid("").engine);
    let written: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let effective = serde_json::to_value(&example.effective).unwrap();
    fn keys(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            found.push(format!("{path}{key}"));
            keys(value, &format!("{path}{key}."), found);
        }
    }
    let (mut in_example, mut in_file) = (Vec::new(), Vec::new());
    keys(&written, "", &mut in_example);
    keys(&effective, "", &mut in_file);
    assert_eq!(in_example, in_file);
}

/// The comments of the example, uncommented, are valid too.
#[test]
fn the_examples_commented_parts_are_valid() {
    let text = std::fs::read_to_string("config/farsign.example.yaml").unwrap();
    let mut lines: Vec<String> = Vec::new();
    let mut opened = 0;
    for line in text.lines() {
        match line.strip_prefix('#').filter(|rest| rest.starts_with("  ")) {
            Some(uncommented) => {
                lines[opened] = lines[opened].replace(": []", ":");
                lines.push(uncommented.to_owned());
            }
            None => {
                opened = lines.len();
                lines.push(line.to_owned());
            }
        }
    }
    let config = valid(&lines.join("\n"));
    assert_eq!(config.engine.default_policy.exceptions.len(), 1);
    assert_eq!(config.engine.scoped_policies.len(), 1);
    assert_eq!(config.engine.shadow_policies.len(), 1);
    assert_eq!(config.tables.named_locations.len(), 1);
    assert_eq!(config.tables.lists.len(), 1);
    assert_ne!(config.input.decoder, Decoder::new(Format::Auto), "a mapping");
}

#[test]
fn policies_inherit_what_they_do_not_set() {
    let config = valid(
        "detections: {new_country: {common_share: 0.2, sensitivity: low}}\n\
         exceptions: [{name: top, users: [A@Fjord.Example]}]\n\
         policies:\n\
         - name: p\n  users: [\"*@Fjord.Example\"]\n  detections: {new_country: {sensitivity: high}}\n  \
           exceptions: [{name: own, country_pairs: [[no, SE]], detections: [impossibleTravel]}]\n",
    );
    let default = &config.engine.default_policy;
    assert_eq!((default.new_country.common_share, default.new_country.sensitivity), (0.2, Sensitivity::Low));
    let scoped = &config.engine.scoped_policies[0];
    assert_eq!(scoped.users, ["*@fjord.example"]);
    assert_eq!(scoped.policy.new_country.common_share, 0.2);
    assert_eq!(scoped.policy.new_country.sensitivity, Sensitivity::High);
    assert_eq!(scoped.policy.impossible_travel, default.impossible_travel);
    let names: Vec<&str> = scoped.policy.exceptions.iter().map(|exception| exception.name.as_str()).collect();
    assert_eq!(names, ["own", "top"]);
    assert_eq!(default.exceptions.len(), 1);
    assert_eq!(default.exceptions[0].users, ["a@fjord.example"]);
    let own = &scoped.policy.exceptions[0];
    assert_eq!(own.detections, [RiskEventType::ImpossibleTravel]);
    assert_eq!((own.country_pairs[0].0.as_str(), own.country_pairs[0].1.as_str()), ("NO", "SE"));
}

#[test]
fn shadow_policies_stand_apart_from_what_counts() {
    let text = |shadow: &str, speed: u32| {
        format!(
            "policies:\n- {{name: a, users: [x]}}\n- {{name: b, {shadow}users: [\"*@Fjord.Example\"], \
             detections: {{impossible_travel: {{max_speed_kmh: {speed}}}}}}}\n"
        )
    };
    let config = valid(&text("shadow: true, ", 700));
    let names: Vec<&str> = config.engine.scoped_policies.iter().map(|scoped| scoped.name.as_str()).collect();
    assert_eq!(names, ["a"]);
    let shadow = &config.engine.shadow_policies[0];
    assert_eq!((shadow.scoped.name.as_str(), &shadow.scoped.users), ("b", &vec!["*@fjord.example".to_owned()]));
    assert_eq!(shadow.scoped.policy.impossible_travel.max_speed_kmh, 700.0);
    assert_eq!(valid("policies: [{name: a, users: [x]}]").engine.config_hash, config.engine.config_hash);
    let other = valid(&text("shadow: true, ", 701));
    assert_eq!(other.engine.config_hash, config.engine.config_hash);
    assert_ne!(other.engine.shadow_policies[0].hash, shadow.hash);
    assert_ne!(valid(&text("", 700)).engine.config_hash, config.engine.config_hash);
    let most = (0..4).map(|number| format!("- {{name: p{number}, shadow: true}}\n")).collect::<String>();
    assert_eq!(valid(&format!("policies:\n{most}")).engine.shadow_policies.len(), 4);
}

#[test]
fn the_environment_fills_in_and_overrides() {
    let config = parse(
        "tables: {asn_db: \"${DIR}/a-${NAME}.mmdb\", isp_db: \"$${DIR}\"}\nreplay: {threads: \"${THREADS}\"}\n\
         engine: {users_max: 5000}\n",
        &[
            ("DIR", "/srv"),
            ("NAME", "b"),
            ("THREADS", "3"),
            ("FARSIGN_ENGINE__USERS_MAX", "6000"),
            ("FARSIGN_OUTPUT__SUPPRESSED", "true"),
            ("FARSIGN_OUTPUT__FORMAT", "ocsf"),
            ("FARSIGN_OUTPUT__IMPOSSIBLE_TRAVEL_NAME", "impossibleTravel"),
            ("FARSIGN_DETECTIONS__IMPOSSIBLE_TRAVEL__MAX_SPEED_KMH", "912.5"),
            ("FARSIGN_TABLES__CITY_DB", "/one.mmdb, /two.mmdb"),
            ("FARSIGN_PORT", "tcp://192.0.2.1:80"),
            ("OTHER__KEY", "1"),
        ],
    )
    .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.tables.asn_db.as_deref(), Some(Path::new("/srv/a-b.mmdb")));
    assert_eq!(config.tables.isp_db.as_deref(), Some(Path::new("${DIR}")));
    assert_eq!(config.tables.city_db, [PathBuf::from("/one.mmdb"), PathBuf::from("/two.mmdb")]);
    assert_eq!(config.replay.threads, Some(3));
    assert_eq!(config.engine.users_max, 6_000);
    assert!(config.output.suppressed && config.engine.emit_suppressed);
    assert_eq!(config.output.impossible_travel_name, ImpossibleTravelName::Plain);
    assert_eq!(config.output.format, OutputFormat::Ocsf);
    assert_eq!(config.engine.default_policy.impossible_travel.max_speed_kmh, 912.5);
}

/// Wherever a configuration is shown, its secrets are not; they are not in the hash either.
#[test]
fn secrets_are_never_shown() {
    let text = "kafka: {security: {protocol: sasl_ssl, ssl: {certificate_file: c, key_file: k, key_password: \"${KEY}\"}, \
                sasl: {username: u, password: \"${PASSWORD}\"}}}";
    let config = parse(text, &[("KEY", "key-hunter2"), ("PASSWORD", "hunter2"), ("FARSIGN_LOG__LEVEL", "debug")])
        .unwrap_or_else(|problems| panic!("{problems}"));
    let Some(SaslConfig::Password { password: SecretSource::Environment(password), .. }) =
        &config.kafka.security.sasl
    else {
        panic!("{:?}", config.kafka.security);
    };
    assert_eq!(password.expose(), "hunter2");
    let effective = serde_saphyr::to_string(&config.effective).unwrap();
    for shown in [format!("{config:?}"), format!("{:?}", config.effective), effective.clone()] {
        assert!(!shown.contains("hunter2") && shown.contains("(hidden)"), "{shown}");
    }
    assert_eq!(config.engine.config_hash, valid("").engine.config_hash);
    // What stands for a secret is none.
    assert!(parse(&effective, &[]).unwrap_err().to_string().contains("a secret cannot stand in the file"));

    let refused = |value: &str, variables: &[(&str, &str)]| {
        let text =
            format!("kafka: {{security: {{protocol: sasl_ssl, sasl: {{username: u, password: {value}}}}}}}");
        let problems = parse(&text, variables).unwrap_err().to_string();
        assert!(!problems.contains("hunter2") && !problems.contains("4711"), "{problems}");
        assert!(problems.contains("kafka.security.sasl.password"), "{problems}");
    };
    refused("hunter2", &[]);
    refused("4711", &[]);
    refused("\"hunter2${A}\"", &[("A", "b")]);
    refused("\"$${hunter2}\"", &[]);
    refused("\"${A}\"", &[("A", "")]);
    refused("\"${MISSING}\"", &[]);
    refused("{hunter2: 1}", &[]);
    // The whole of an override comes from the environment.
    let file = "kafka: {security: {protocol: sasl_ssl, sasl: {username: u}}}";
    assert!(parse(file, &[("FARSIGN_KAFKA__SECURITY__SASL__PASSWORD", "hunter2")]).is_ok());
}

#[test]
fn the_kafka_sections_mean_what_they_say() {
    let config = valid(
        "kafka:\n  bootstrap_servers: [\"a:9092\", \"[::1]:9092\"]\n  heartbeat_interval_ms: 5000\n  \
         properties: {socket.keepalive.enable: true, socket.nagle.disable: \"true\", metadata.max.age.ms: 60000}\n\
         topics: {retention_ms: 86400000, state: my.state}\n\
         input: {topics: [one, two], format: entra, framing: confluent, on_error: skip, start: latest, \
         breaker: {enabled: false}}\n\
         run: {workers: 3, commit_interval_ms: 50, state_folder: /var/lib/farsign}\n\
         http: {listen: \"[::]:8080\"}\nlog: {format: json, level: trace}\n",
    );
    assert_eq!(config.kafka.bootstrap_servers, ["a:9092", "[::1]:9092"]);
    assert_eq!(config.kafka.heartbeat_interval, Duration::from_secs(5));
    let properties: Vec<(&str, &str)> =
        config.kafka.properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected =
        [("metadata.max.age.ms", "60000"), ("socket.keepalive.enable", "true"), ("socket.nagle.disable", "true")];
    assert_eq!(properties, expected);
    assert_eq!((config.topics.state.as_str(), config.topics.retention), ("my.state", Duration::from_secs(86_400)));
    assert_eq!(config.input.topics, ["one", "two"]);
    assert_eq!((config.input.decoder.format, config.input.framing), (Format::Entra, Framing::Confluent));
    assert_eq!((config.input.on_error, config.input.start), (OnError::Skip, Start::Latest));
    assert_eq!((config.input.breaker, config.input.keyed), (None, true));
    assert_eq!((config.run.workers, config.run.commit_interval), (Some(3), Duration::from_millis(50)));
    assert_eq!(config.run.state_folder.as_deref(), Some(Path::new("/var/lib/farsign")));
    assert_eq!(config.http.listen, "[::]:8080".parse().unwrap());
    assert_eq!((config.log.format, config.log.level), (LogFormat::Json, LogLevel::Trace));
    assert!(config.for_input().is_ok());
    // Lists can be given by the environment, without brackets.
    let servers = [("FARSIGN_KAFKA__BOOTSTRAP_SERVERS", "a:1, b:2")];
    let config = parse("", &servers).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.kafka.bootstrap_servers, ["a:1", "b:2"]);
    assert!(config.for_kafka().is_ok());
    assert_eq!(config.for_input().unwrap_err().to_string().lines().count(), 1);
    assert_eq!(valid("").for_input().unwrap_err().to_string().lines().count(), 2);
}

#[test]
fn networks_lose_their_host_bits_and_countries_called_no_stay_countries() {
    let config = valid("named_locations: [{name: n, networks: [203.0.113.77/24, 192.0.2.1], countries: [NO]}]");
    let location = &config.tables.named_locations[0];
    assert_eq!(location.networks, [("203.0.113.0".parse().unwrap(), 24), ("192.0.2.1".parse().unwrap(), 32)]);
    assert_eq!(location.countries[0].as_str(), "NO");
}

/// What verdicts rest on changes the hash; what they do not, does not.
#[test]
fn the_hash_follows_verdicts() {
    let hash = |text: &str| valid(text).engine.config_hash;
    let base = hash("");
    for same in [
        "replay: {threads: 3}",
        "output: {suppressed: true, format: ecs}",
        "tables: {asn_db: a.mmdb}",
        "detections: {impossible_travel: {max_speed_kmh: 1000.0}}",
        "engine: {hot_users_max: 99}",
    ] {
        assert_eq!(hash(same), base, "{same}");
    }
    for other in [
        "detections: {impossible_travel: {max_speed_kmh: 1000.5}}",
        "baseline: {half_life_days: 31}",
        "engine: {lateness_horizon_s: 7201}",
        "named_locations: [{name: n, countries: [NO]}]",
        "exceptions: [{name: n, users: [a]}]",
        "policies: [{name: n}]",
    ] {
        assert_ne!(hash(other), base, "{other}");
    }
    assert_ne!(config::mix(base, b"a"), config::mix(base, b"b"));
    assert_ne!(config::mix(base, b"a"), base);
}

#[test]
fn a_file_that_cannot_be_read_is_told_apart() {
    let problems =
        config::load(Some(Path::new("tests/config/absent.yaml")), &BTreeMap::new()).expect_err("absent");
    assert!(problems.unreadable);
    assert!(problems.to_string().contains("tests/config/absent.yaml"));
    assert!(config::load(Some(Path::new("config/farsign.example.yaml")), &BTreeMap::new()).is_ok());
}

/// `farsign check` prints the effective configuration; read back, it is the same configuration.
#[test]
fn the_effective_configuration_reads_back_as_itself() {
    let text = "detections: {impossible_travel: {max_speed_kmh: 900}}\n\
                policies: [{name: p, detections: {new_country: {enabled: false}}}, {name: s, shadow: true}]\n\
                exceptions: [{name: \"yes: #1\", country_pairs: [[NO, SE]], networks: [\"2001:db8::/32\"]}]\n";
    let first = valid(text);
    let second = valid(&serde_saphyr::to_string(&first.effective).unwrap());
    assert_eq!(first.engine, second.engine);
}

fn schema_text() -> String {
    format!("{}\n", serde_json::to_string_pretty(&config::raw::schema()).unwrap())
}

#[test]
fn the_published_schema_is_up_to_date() {
    let path = "config/farsign.schema.json";
    if updating() {
        std::fs::write(path, schema_text()).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap() == schema_text(),
        "run UPDATE_GENERATED=1 cargo test --test config"
    );
}

/// Every number has a range, and every section refuses unknown keys.
#[test]
fn the_schema_bounds_every_number() {
    fn check(schema: &serde_json::Value, path: &str) {
        let kind = schema["type"].to_string();
        if kind.contains("number") || kind.contains("integer") {
            assert!(schema["minimum"].is_number(), "{path} has no minimum");
            assert!(schema["maximum"].is_number() || path.ends_with("asns.*"), "{path} has no maximum");
        }
        // Of these the keys are their user's, or checked by name where their values are.
        let is_map = [".kafka.properties", ".mappings.*.fields", ".words", ".identity.rules.domains"];
        if kind.contains("object") && !is_map.iter().any(|map| path.ends_with(map)) {
            assert_eq!(schema["additionalProperties"], false, "{path}");
        }
        for (key, below) in schema["properties"].as_object().into_iter().flatten() {
            check(below, &format!("{path}.{key}"));
        }
        for below in ["items", "additionalProperties"] {
            if schema[below].is_object() {
                check(&schema[below], &format!("{path}.*"));
            }
        }
    }
    check(&config::raw::schema(), "");
}

/// JSON is YAML: whatever a standard validator says of a JSON document, our check must say too. Documents are the
/// effective defaults with one value replaced.
mod oracle {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(json!(true)),
            any::<u32>().prop_map(Value::from),
            (-10i64..2_000).prop_map(Value::from),
            (-10.0f64..2_000.0).prop_map(Value::from),
            "[a-zA-Z]{0,8}".prop_map(Value::from),
            Just(json!("low")),
            Just(json!("newCountry")),
            Just(json!([])),
            Just(json!(["NO"])),
            Just(json!([1, "x"])),
            Just(json!({"unknown": 1})),
            Just(json!([{"name": "n", "users": ["u"], "countries": ["NO"], "kind": "tor", "file": "f"}])),
            Just(json!([{"name": "n", "users": ["u"]}])),
            Just(json!([{"name": "n", "countries": ["NO"]}])),
            Just(json!([{"kind": "tor", "file": "f"}])),
        ]
    }

    /// Pointers to every value of the default configuration.
    fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            found.push(format!("{at}/{key}"));
            pointers(value, &format!("{at}/{key}"), found);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn agrees_with_a_standard_validator(pick in any::<prop::sample::Index>(), value in values()) {
            let mut document = serde_json::to_value(&valid("").effective).unwrap();
            let mut all = Vec::new();
            pointers(&document, "", &mut all);
            let pointer = pick.get(&all);
            *document.pointer_mut(pointer).unwrap() = value;
            let validator = jsonschema::validator_for(&config::raw::schema()).unwrap();
            let ours = parse(&document.to_string(), &[]);
            // Checks over several keys, and what librdkafka knows, are beyond a schema: they may refuse more, in these
            // words.
            let beyond = ours.as_ref().is_err_and(|problems| {
                let words = ["which is", "librdkafka", "is needed with", "`identity` joins", "need `email`"];
                problems.to_string().lines().all(|line| words.iter().any(|word| line.contains(word)))
            });
            if !beyond {
                prop_assert_eq!(validator.is_valid(&document), ours.is_ok(), "{} {}", pointer, document.pointer(pointer).unwrap());
            }
        }

        /// No text makes the parser panic, and problems are never empty.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}", yaml in "[a-z_:\\- \n\\[\\]{}&*$,'\"0-9]{0,200}") {
            for text in [&text, &yaml] {
                if let Err(problems) = parse(text, &[("A", "b")]) {
                    prop_assert!(!problems.problems.is_empty());
                }
            }
        }
    }
}
