//! A scenario file: what happened, in rows, and exactly which detections must come of it.
//!
//! `colleagues`: count, network, days [then=network an hour later] [until=days before day 0].
//! `history`: days, time, network, device [options] [until=days before day 0] [every=days].
//! `events`, in order of arrival: id, day, time, network, device, outcome [options]; or id, day, time, `feedback`,
//! action [id of a sign-in]; or id, day, time, `upstream`, type, level [id of a sign-in] [source, calls, reasons, confirmed].
//! `expect`, the whole output at the end: id of the sign-in, type, level, state [key=value].
//! Options: user, host, session, app, account, issuer, provider, outcome (in `history`); kind=non-interactive; client=legacy;
//! ip=6.

use std::borrow::Cow;
use std::collections::BTreeMap;

use farsign::engine::facts::{CountryCode, Item, PreparedFinding};
use farsign::engine::finding::{RiskEventType, RiskLevel};
use farsign::engine::hash::{Seed, hash32};
use farsign::engine::out::Detection;
use farsign::engine::policy::{EngineConfig, Exception, Policy, ScopedPolicy, Sensitivity};
use farsign::engine::risk::incident::{Incident, incident_id};
use farsign::engine::signin::{AccountState, EventTime, Provider};
use farsign::engine::user::event_hash;
use serde::Deserialize;

use super::drive::{Answer, Cut, run};
use super::world::{Spec, TENANT, at, feedback, sign_in, upstream};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub title: String,
    /// Types looked at; empty = all.
    #[serde(default)]
    only: Vec<String>,
    #[serde(default)]
    show_suppressed: bool,
    #[serde(default)]
    policy: BTreeMap<String, String>,
    #[serde(default)]
    exceptions: Vec<ExceptionText>,
    /// Another policy for some users.
    #[serde(default)]
    scoped: Option<ScopedText>,
    #[serde(default)]
    colleagues: String,
    #[serde(default)]
    history: String,
    events: String,
    #[serde(default)]
    expect: String,
    /// Counts that must hold: late, reordered, duplicates, withdrawn.
    #[serde(default)]
    counts: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct ExceptionText {
    name: String,
    detections: Vec<String>,
    users: Vec<String>,
    devices: Vec<String>,
    networks: Vec<String>,
    countries: Vec<String>,
    apps: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopedText {
    users: Vec<String>,
    policy: BTreeMap<String, String>,
}

/// The word of a row and its options.
struct Row<'a> {
    words: Vec<&'a str>,
    options: BTreeMap<&'a str, &'a str>,
}

fn rows(text: &str) -> impl Iterator<Item = Row<'_>> {
    text.lines().map(|line| line.split('#').next().unwrap_or("").trim()).filter(|line| !line.is_empty()).map(
        |line| {
            let (options, words): (Vec<&str>, Vec<&str>) =
                line.split_whitespace().partition(|word| word.contains('='));
            let options = options.iter().filter_map(|option| option.split_once('=')).collect();
            Row { words, options }
        },
    )
}

impl Row<'_> {
    fn number(&self, key: &str, default: i64) -> i64 {
        self.options.get(key).map_or(default, |text| text.parse().expect("a number"))
    }

    fn apply(&self, spec: &mut Spec) {
        for (key, value) in &self.options {
            match *key {
                "user" => spec.user = (*value).to_owned(),
                "host" => spec.host = value.parse().expect("a host number"),
                "issuer" => spec.issuer = (*value).to_owned(),
                "outcome" => spec.outcome = (*value).to_owned(),
                "session" => spec.session = (*value).to_owned(),
                "app" => spec.app = (*value).to_owned(),
                "kind" => spec.interactive = *value != "non-interactive",
                "client" => spec.legacy = *value == "legacy",
                "ip" => spec.ipv6 = *value == "6",
                "account" => {
                    spec.account = match *value {
                        "disabled" => AccountState::Disabled,
                        "deleted" => AccountState::Deleted,
                        other => panic!("no account state `{other}`"),
                    }
                }
                "provider" => spec.provider = provider(value),
                "until" | "every" | "then" => {}
                other => panic!("no option `{other}`"),
            }
        }
    }
}

/// "08:10" or "08:10:30" in seconds.
fn seconds(text: &str) -> i64 {
    let parts: Vec<i64> = text.split(':').map(|part| part.parse().expect("a time of day")).collect();
    parts[0] * 3_600 + parts[1] * 60 + parts.get(2).copied().unwrap_or(0)
}

impl Scenario {
    pub fn parse(text: &str) -> Scenario {
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn config(&self) -> EngineConfig {
        let mut config = EngineConfig { emit_suppressed: self.show_suppressed, ..EngineConfig::default() };
        for (key, value) in &self.policy {
            set(&mut config, key, value);
        }
        config.default_policy.exceptions = self.exceptions.iter().map(exception).collect();
        if let Some(scoped) = &self.scoped {
            let mut policy = config.default_policy.clone();
            for (key, value) in &scoped.policy {
                set_policy(&mut policy, key, value);
            }
            let (name, tenants, users) = ("scoped".to_owned(), Vec::new(), scoped.users.clone());
            config.scoped_policies.push(ScopedPolicy { name, tenants, users, policy });
        }
        config
    }

    /// Everything that arrives: background in order of time, events where the file puts them.
    pub fn items(&self) -> Vec<Item<'static>> {
        let mut background = self.colleagues_items();
        background.extend(self.history_items());
        background.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        let mut background = background.iter().peekable();
        let mut items = Vec::new();
        for row in rows(&self.events) {
            let event = event(&row);
            while let Some(spec) = background.next_if(|spec| spec.time <= event.time()) {
                items.push(sign_in(spec));
            }
            items.push(event);
        }
        items
    }

    fn colleagues_items(&self) -> Vec<Spec> {
        let mut specs = Vec::new();
        for (group, row) in rows(&self.colleagues).enumerate() {
            let [count, network, days] = row.words[..] else { panic!("colleagues: count network days") };
            let (count, days): (i64, i64) = (count.parse().expect("a count"), days.parse().expect("days"));
            let until = row.number("until", 0);
            for day in -days - until..-until {
                for member in 0..count {
                    let user = format!("colleague-{group}-{member}");
                    let time = at(day, 7 * 3_600 + (member % 200) * 60);
                    let mut spec = Spec::new(&format!("{user}-{day}"), time, &user, network, "laptop");
                    row.apply(&mut spec);
                    specs.push(spec.clone());
                    if let Some(then) = row.options.get("then") {
                        spec.id.push_str("-then");
                        spec.time = time.plus_seconds(3_600);
                        spec.network = (*then).to_owned();
                        specs.push(spec);
                    }
                }
            }
        }
        specs
    }

    fn history_items(&self) -> Vec<Spec> {
        let mut specs = Vec::new();
        for (group, row) in rows(&self.history).enumerate() {
            let [days, time, network, device] = row.words[..] else { panic!("history: days time network device") };
            let days: i64 = days.parse().expect("days");
            let until = row.number("until", 0);
            for day in (-days - until..-until).step_by(row.number("every", 1) as usize) {
                let id = format!("history-{group}-{day}");
                let mut spec = Spec::new(&id, at(day, seconds(time)), "ann", network, device);
                row.apply(&mut spec);
                specs.push(spec);
            }
        }
        specs
    }

    /// Runs the scenario; the error is a readable difference.
    pub fn check(&self) -> Result<(), String> {
        let answer = run(&self.config(), &self.items(), Cut::default());
        let mut wrong = String::new();
        let mut actual: Vec<&(Detection, usize)> =
            answer.detections.iter().filter(|(detection, _)| self.looks_at(detection)).collect();
        for row in rows(&self.expect) {
            let found = actual.iter().position(|(detection, _)| {
                let source = row.options.get("source").copied().unwrap_or("Farsign");
                name(detection) == row.words[0]
                    && detection.kind.name() == row.words[1]
                    && detection.source.upstream().unwrap_or("Farsign") == source
            });
            match found.map(|index| actual.remove(index)) {
                None => wrong.push_str(&format!("  missing:    {}\n", row.words.join(" "))),
                Some(found) => compare(&row, found, &mut wrong),
            }
        }
        for found in actual {
            wrong.push_str(&format!("  unexpected: {}\n", describe(found)));
        }
        self.check_counts(&answer, &mut wrong);
        if wrong.is_empty() {
            return Ok(());
        }
        for found in answer.detections.iter().filter(|(detection, _)| self.looks_at(detection)) {
            wrong.push_str(&format!("  have: {}\n", describe(found)));
            let sentence = found.0.finding.as_ref().map_or("", |finding| &finding.evidence.sentence);
            wrong.push_str(&format!("        {sentence}\n"));
            wrong.push_str(&format!("        {}\n", bits(&found.0)));
        }
        Err(format!("{}\n{wrong}", self.title))
    }

    /// Detections of background sign-ins must not be; suppressed ones there are nobody's concern.
    fn looks_at(&self, detection: &Detection) -> bool {
        let suppressed = detection.finding.as_ref().is_some_and(|finding| finding.suppressed_by.is_some());
        let id = &detection.subject.request_id;
        let background = id.starts_with("history-") || id.starts_with("colleague-");
        let kind = detection.kind.name();
        (self.only.is_empty() || self.only.iter().any(|only| only == kind)) && !(suppressed && background)
    }

    fn check_counts(&self, answer: &Answer, wrong: &mut String) {
        for (key, expected) in &self.counts {
            let actual = match key.as_str() {
                "late" => answer.counts.late,
                "reordered" => answer.counts.reordered,
                "duplicates" => answer.counts.duplicates,
                "withdrawn" => answer.counts.withdrawn,
                "feedback_without_effect" => answer.counts.feedback_without_effect,
                other => panic!("no count `{other}`"),
            };
            if actual != *expected {
                wrong.push_str(&format!("  count {key}: {actual}, expected {expected}\n"));
            }
        }
    }
}

fn event(row: &Row<'_>) -> Item<'static> {
    let (id, day) = (row.words[0], row.words[1].parse().expect("a day"));
    let time = at(day, seconds(row.words[2]));
    if row.words[3] == "feedback" {
        let user = row.options.get("user").copied().unwrap_or("ann");
        return feedback(id, time, user, row.words[4], row.words.get(5).copied().unwrap_or(""));
    }
    if row.words[3] == "upstream" {
        return Item::UpstreamFinding(upstream_of(row, id, time));
    }
    let mut spec = Spec::new(id, time, "ann", row.words[3], row.words[4]);
    spec.outcome = row.words[5].to_owned();
    row.apply(&mut spec);
    sign_in(&spec)
}

fn kind(name: &str) -> RiskEventType {
    RiskEventType::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or_else(|| panic!("no type `{name}`"))
}

fn provider(name: &str) -> Provider {
    Provider::ALL.into_iter().find(|one| one.name() == name).unwrap_or_else(|| panic!("no provider `{name}`"))
}

fn upstream_of(row: &Row<'_>, id: &str, time: EventTime) -> PreparedFinding<'static> {
    let levels = [RiskLevel::None, RiskLevel::Low, RiskLevel::Medium, RiskLevel::High];
    let level = levels.into_iter().find(|level| level.name() == row.words[5]).expect("a level");
    let user = row.options.get("user").copied().unwrap_or("ann");
    let about = row.words.get(6).copied().unwrap_or("");
    let mut prepared = upstream(id, time, user, (kind(row.words[4]), level), about);
    let finding = &mut prepared.finding;
    for (key, value) in &row.options {
        let text = Cow::Owned((*value).to_owned());
        match *key {
            "source" => finding.source = text,
            "calls" => finding.source_type = text,
            "reasons" => finding.reasons = text,
            "confirmed" => finding.is_confirmed = *value == "yes",
            "user" => {}
            other => panic!("no option `{other}` of a finding"),
        }
    }
    prepared
}

fn name(detection: &Detection) -> &str {
    if detection.subject.request_id.is_empty() { "-" } else { &detection.subject.request_id }
}

/// What of a detection a row may ask for, by key.
fn value(detection: &Detection, versions: usize, key: &str) -> String {
    let finding = detection.finding.as_ref();
    let evidence = finding.map(|finding| &finding.evidence);
    let travel = evidence.and_then(|evidence| evidence.travel);
    let number = |number: Option<f64>| number.map_or("-".to_owned(), |number| format!("{number:.0}"));
    match key {
        "detail" => detection.detail.name().to_owned(),
        "suppressed" => {
            let reason = finding.and_then(|finding| finding.suppressed_by);
            reason.map_or("-", |reason| reason.name()).to_owned()
        }
        "distance" => number(travel.map(|travel| travel.distance_km)),
        "great-circle" => number(travel.map(|travel| travel.great_circle_km)),
        "speed" => number(travel.map(|travel| travel.speed_kmh)),
        "elapsed" => number(travel.map(|travel| travel.elapsed_s)),
        "late" => evidence.is_some_and(|evidence| evidence.late).to_string(),
        "stopped" => evidence.is_some_and(|evidence| evidence.stopped).to_string(),
        "learning" => evidence.and_then(|evidence| evidence.learning).map_or("-", |phase| phase.name()).to_owned(),
        "reference" => {
            let reference = evidence.and_then(|evidence| evidence.reference.as_ref());
            reference.map_or("-", |reference| reference.request_id.as_str()).to_owned()
        }
        "versions" => versions.to_string(),
        "source" => detection.source.upstream().unwrap_or("Farsign").to_owned(),
        "score" => detection.score.to_string(),
        other => panic!("no key `{other}` in expectations"),
    }
}

fn compare(row: &Row<'_>, found: &(Detection, usize), wrong: &mut String) {
    let (detection, versions) = found;
    let mut differs = |what: &str, actual: &str, expected: &str| {
        wrong.push_str(&format!("  {} {}: {what} is {actual}, expected {expected}\n", row.words[0], row.words[1]));
    };
    for (what, actual, expected) in
        [("level", detection.level.name(), row.words[2]), ("state", detection.state.name(), row.words[3])]
    {
        if actual != expected {
            differs(what, actual, expected);
        }
    }
    for (key, expected) in &row.options {
        let actual = match *key {
            // The sign-in that the incident began with.
            "incident" if is_of_incident(detection, expected) => (*expected).to_owned(),
            "incident" => "another".to_owned(),
            key => value(detection, *versions, key),
        };
        let same = match (actual.parse::<f64>(), expected.parse::<f64>()) {
            // Rows give rounded numbers.
            (Ok(actual), Ok(expected)) => (actual - expected).abs() <= 0.005 * expected.abs(),
            _ => actual == *expected,
        };
        if !same {
            differs(key, &actual, expected);
        }
    }
    let silenced = value(detection, *versions, "suppressed");
    if silenced != "-" && !row.options.contains_key("suppressed") {
        differs("suppressed", &silenced, "-");
    }
}

fn is_of_incident(detection: &Detection, first: &str) -> bool {
    let incident = Incident { began: detection.activity_time, event: event_hash(first) };
    detection.incident_id == incident_id(TENANT, incident)
}

fn describe((detection, versions): &(Detection, usize)) -> String {
    let mut text = format!(
        "{} {} {} {}",
        name(detection),
        detection.kind.name(),
        detection.level.name(),
        detection.state.name()
    );
    for key in ["source", "detail", "suppressed", "distance", "speed", "reference", "versions"] {
        let value = value(detection, *versions, key);
        if !matches!((key, value.as_str()), (_, "-" | "none" | "Farsign") | ("versions", "1")) {
            text.push_str(&format!(" {key}={value}"));
        }
    }
    text
}

fn bits(detection: &Detection) -> String {
    let Some(finding) = &detection.finding else { return String::new() };
    let mut text = finding.evidence.total_bits.map_or(String::new(), |bits| format!("total {bits:.1}:"));
    for verdict in &finding.evidence.properties {
        text.push_str(&format!(" {} {:.1}", verdict.property.name(), verdict.bits));
    }
    text
}

fn sensitivity(text: &str) -> Sensitivity {
    match text {
        "low" => Sensitivity::Low,
        "medium" => Sensitivity::Medium,
        "high" => Sensitivity::High,
        other => panic!("no sensitivity `{other}`"),
    }
}

fn set(config: &mut EngineConfig, key: &str, value: &str) {
    let number = || value.parse::<f64>().unwrap_or_else(|_| panic!("`{key}` is a number"));
    match key {
        "lateness_horizon_s" => config.lateness_horizon_s = number() as u32,
        "repeat_after_hours" => config.baseline.repeat_after_hours = number() as u32,
        _ => set_policy(&mut config.default_policy, key, value),
    }
}

fn set_policy(policy: &mut Policy, key: &str, value: &str) {
    let Policy { impossible_travel, atypical_travel, new_country, unfamiliar_features, listed_address, .. } =
        policy;
    let number = || value.parse::<f64>().unwrap_or_else(|_| panic!("`{key}` is a number"));
    let flag = || value == "true";
    match key {
        "impossible_travel.enabled" => impossible_travel.enabled = flag(),
        "impossible_travel.sensitivity" => impossible_travel.sensitivity = sensitivity(value),
        "impossible_travel.max_speed_kmh" => impossible_travel.max_speed_kmh = number(),
        "impossible_travel.min_distance_km" => impossible_travel.min_distance_km = number(),
        "atypical_travel.enabled" => atypical_travel.enabled = flag(),
        "atypical_travel.sensitivity" => atypical_travel.sensitivity = sensitivity(value),
        "new_country.enabled" => new_country.enabled = flag(),
        "new_country.sensitivity" => new_country.sensitivity = sensitivity(value),
        "unfamiliar_features.enabled" => unfamiliar_features.enabled = flag(),
        "unfamiliar_features.sensitivity" => unfamiliar_features.sensitivity = sensitivity(value),
        "listed_address.anonymized" => listed_address.anonymized_enabled = flag(),
        "listed_address.malicious" => listed_address.malicious_enabled = flag(),
        "listed_address.nation_state" => listed_address.nation_state_enabled = flag(),
        other => set_wider(policy, other, value),
    }
}

/// Keys of the detections of a user's own stream.
fn set_wider(policy: &mut Policy, key: &str, value: &str) {
    let number = || value.parse::<f64>().unwrap_or_else(|_| panic!("`{key}` is a number"));
    let flag = || value == "true";
    match key {
        "anomalous_token.enabled" => policy.anomalous_token.enabled = flag(),
        "anomalous_token.sensitivity" => policy.anomalous_token.sensitivity = sensitivity(value),
        "anomalous_token.simultaneous_minutes" => policy.anomalous_token.simultaneous_minutes = number() as u32,
        "anomalous_token.low_bits" => policy.anomalous_token.low_bits = number(),
        "anomalous_token.unusual_age_days" => policy.anomalous_token.unusual_age_days = number() as u32,
        "attacker_in_the_middle.enabled" => policy.attacker_in_the_middle.enabled = flag(),
        "attacker_in_the_middle.sensitivity" => policy.attacker_in_the_middle.sensitivity = sensitivity(value),
        "attacker_in_the_middle.continuation_hours" => {
            policy.attacker_in_the_middle.continuation_hours = number() as u32;
        }
        "token_issuer.enabled" => policy.token_issuer.enabled = flag(),
        "token_issuer.known_users_min" => policy.token_issuer.known_users_min = number() as u32,
        "mfa_fatigue.enabled" => policy.mfa_fatigue.enabled = flag(),
        "mfa_fatigue.window_minutes" => policy.mfa_fatigue.window_minutes = number() as u32,
        "reported_activity.enabled" => policy.reported_activity.enabled = flag(),
        "upstream_findings.enabled" => policy.upstream_findings.enabled = flag(),
        "upstream_findings.min_level" if value == "medium" => {
            policy.upstream_findings.min_level = RiskLevel::Medium
        }
        "risky_address.enabled" => policy.risky_address.enabled = flag(),
        "risky_address.sensitivity" => policy.risky_address.sensitivity = sensitivity(value),
        "incident.window_hours" => policy.incident.window_hours = number() as u32,
        other => panic!("no policy key `{other}`"),
    }
}

fn exception(text: &ExceptionText) -> Exception {
    let network = |text: &String| {
        let (address, length) = text.split_once('/').expect("a network");
        (address.parse().expect("an address"), length.parse().expect("a length"))
    };
    let pair = |text: &String| {
        let (one, other) = text.split_once('-').expect("two countries");
        (CountryCode::parse(one).expect("a country"), CountryCode::parse(other).expect("a country"))
    };
    let hashes = |seed: fn() -> Seed, texts: &[String]| -> Vec<u32> {
        texts.iter().map(|text| hash32(seed(), text.as_bytes())).collect()
    };
    Exception {
        name: text.name.clone(),
        detections: text.detections.iter().map(|name| kind(name)).collect(),
        users: text.users.clone(),
        device_ids: text.devices.clone(),
        device_hashes: hashes(|| Seed::DeviceId, &text.devices),
        networks: text.networks.iter().map(network).collect(),
        country_pairs: text.countries.iter().map(pair).collect(),
        app_hashes: hashes(|| Seed::App, &text.apps),
    }
}
