//! One Farsign on a test's broker: topics under names that nothing else has, a configuration, instances, and what
//! `farsign replay` makes of the same log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::instance::Instance;
use super::{Broker, Isolation, PATIENCE, Record, eventually_within, unique};

/// Own topics by their keys in the configuration.
const OWN: [&str; 8] =
    ["repartition", "state", "profiles", "risk_detections", "risky_users", "shadow", "commands", "dead_letter"];

/// Lines of one section of the configuration.
type Sections = BTreeMap<&'static str, Vec<String>>;

pub struct Deployment<'a> {
    pub broker: &'a Broker,
    pub name: String,
    folder: tempfile::TempDir,
    sections: Sections,
    rest: String,
    environment: Vec<(String, String)>,
}

impl<'a> Deployment<'a> {
    /// A configuration for tests: short timeouts, one copy of each topic, a probe topic. No topic exists yet.
    pub fn new(broker: &'a Broker, base: &str) -> Self {
        let name = unique(base);
        let mut sections = Sections::new();
        let mut set = |section, line: String| sections.entry(section).or_default().push(line);
        set("kafka", format!("bootstrap_servers: [\"{}\"]", broker.bootstrap()));
        set("kafka", format!("application_id: {name}"));
        set("kafka", "session_timeout_ms: 6000".to_owned());
        set("kafka", "heartbeat_interval_ms: 500".to_owned());
        set("input", format!("topics: [{name}.sign-ins]"));
        for key in OWN {
            set("topics", format!("{key}: {name}.{}", key.replace('_', "-")));
        }
        set("topics", "replication_factor: 1".to_owned());
        set("topics", "min_insync_replicas: 1".to_owned());
        set("run", format!("probe_topic: {name}.probe"));
        // What a verdict rests on must not depend on how slow the machine is.
        set("run", "profiles_wait_max_s: 600".to_owned());
        // They know the simulator's networks.
        let tables = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip-test-data");
        set("tables", format!("city_db: [{tables}/farsign-test-City.mmdb]"));
        set("tables", format!("asn_db: {tables}/farsign-test-ASN.mmdb"));
        set("http", "listen: \"127.0.0.1:0\"".to_owned());
        let folder = tempfile::tempdir().unwrap();
        Self { broker, name, folder, sections, rest: String::new(), environment: Vec::new() }
    }

    /// Sets `key` of a section; a line that sets the same is replaced.
    pub fn set(mut self, section: &'static str, key: &str, value: &str) -> Self {
        let lines = self.sections.entry(section).or_default();
        lines.retain(|line| line.split(':').next() != Some(key));
        lines.push(format!("{key}: {value}"));
        self
    }

    /// Adds whole sections, as they stand in a file.
    pub fn with(mut self, text: &str) -> Self {
        self.replace_rest(text);
        self
    }

    /// Replaces what [`Self::with`] added.
    pub fn replace_rest(&mut self, text: &str) {
        text.clone_into(&mut self.rest);
    }

    /// An environment variable of the instances.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Creates the input topic, and Farsign's own by `farsign topics create`.
    pub fn create(self, partitions: i32) -> Self {
        self.broker.create_topic(&self.input(), partitions, &[]);
        self.create_own();
        self
    }

    /// `farsign topics create`.
    pub fn create_own(&self) {
        let output = self.farsign(&["topics", "create"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A `farsign` command with the configuration.
    pub fn farsign(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farsign"));
        command.args(arguments).arg("--config").arg(self.config()).envs(self.environment.iter().cloned());
        command
    }

    /// Writes the configuration, when it is not there as it should be; gives its place.
    pub fn config(&self) -> PathBuf {
        let path = self.file("farsign.yaml");
        let mut text = String::new();
        for (section, lines) in &self.sections {
            text.push_str(&format!("{section}:\n"));
            lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        }
        text.push_str(&self.rest);
        // A file that was written again would be read again by running instances.
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            std::fs::write(&path, text).unwrap();
        }
        path
    }

    /// A file in the test's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn input(&self) -> String {
        self.topic("sign-ins")
    }

    /// The topic whose name ends so: `state`, `risk-detections`, `probe` …
    pub fn topic(&self, kind: &str) -> String {
        format!("{}.{kind}", self.name)
    }

    /// Starts an instance; it may not be ready yet.
    pub fn start(&self) -> Instance {
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Instance::start(&self.config(), &environment)
    }

    /// Starts an instance and waits until it is ready.
    pub fn start_ready(&self) -> Instance {
        let instance = self.start();
        instance.wait_until_ready();
        instance
    }

    /// Waits until the group has committed the ends of everything that tasks read.
    pub fn wait_until_done(&self) {
        self.wait_until_done_within(PATIENCE);
    }

    /// The same with another patience.
    pub fn wait_until_done_within(&self, patience: Duration) {
        for topic in [self.input(), self.topic("commands")] {
            eventually_within(patience, "the end of the input", || self.done(&topic));
        }
    }

    /// Whether everything in the topic is committed.
    pub fn done(&self, topic: &str) -> Result<(), String> {
        let ends = self.broker.offsets(topic, Isolation::Uncommitted);
        let committed = self.broker.committed(&self.name, topic);
        let is_done = ends.iter().zip(&committed).all(|((low, end), committed)| match committed {
            Some((offset, _)) => offset == end,
            None => low == end,
        });
        if is_done { Ok(()) } else { Err(format!("`{topic}` ends at {ends:?}, committed is {committed:?}")) }
    }

    /// The values of a topic's committed records.
    pub fn lines(&self, kind: &str) -> Vec<String> {
        self.broker.read_committed(&self.topic(kind)).iter().map(super::Stored::text).collect()
    }

    /// What `farsign replay --updates` makes of the same log.
    pub fn replay(&self, records: &[Record]) -> Replayed {
        let log = self.file("log.json");
        let mut text = Vec::new();
        for value in records.iter().filter_map(|record| record.value.as_ref()) {
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        std::fs::write(&log, text).unwrap();
        let (detections, risky_users) = (self.file("detections.json"), self.file("risky-users.json"));
        let mut command = self.farsign(&["replay", "--updates"]);
        command.arg("--output").arg(&detections).arg("--risky-users").arg(&risky_users).arg(&log);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = |path: &Path| -> Vec<String> {
            std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
        };
        Replayed { detections: lines(&detections), risky_users: lines(&risky_users) }
    }
}

impl Deployment<'_> {
    /// Panics unless the topics hold what `farsign replay --updates` makes of the records: see [`assert_same_detections`];
    /// users' risk as it is in the end.
    pub fn assert_same_as_replay(&self, records: &[Record]) {
        let replayed = self.replay(records);
        assert!(replayed.detections.len() > 10, "{} detections prove little", replayed.detections.len());
        assert_same_detections(&self.lines("risk-detections"), &replayed.detections);
        let mut latest = by_field(&self.lines("risky-users"), "id");
        latest.values_mut().for_each(|versions| drop(versions.drain(..versions.len() - 1)));
        assert_same("risky users", &latest, &by_field(&replayed.risky_users, "id"));
    }
}

type Lines = BTreeMap<String, Vec<String>>;

/// Panics unless both hold the same detections, byte for byte: each as it stands in the end, and of users whom no attack on
/// others concerns every version, in each user's order. What is said of the others on the way depends on who reads when what
/// is known of whom; and so does, when one of their sign-ins came late, the date of what does not rest on the attack.
pub fn assert_same_detections(one: &[String], other: &[String]) {
    let attacked = attacked_users(one, other);
    assert_same("what stands of the detections", &standing(one, &attacked), &standing(other, &attacked));
    let told = |lines: &[String]| {
        let mut users = by_field(lines, "userId");
        users.retain(|user, _| !attacked.contains(user));
        users
    };
    let (one, other) = (told(one), told(other));
    assert!(other.len() > 3, "{} users prove little", other.len());
    assert_same("detections", &one, &other);
}

/// The last version of each detection; those withdrawn are left out.
fn standing(lines: &[String], attacked: &BTreeSet<String>) -> Lines {
    let mut versions = by_field(lines, "id");
    versions.retain(|_, versions| {
        let last = versions.pop().unwrap_or_default();
        let mut value: serde_json::Value = serde_json::from_str(&last).unwrap();
        let is_attacked = attacked.contains(value["userId"].as_str().unwrap_or_default());
        let is_withdrawn = value["riskDetail"] == "aiConfirmedSigninSafe";
        let mut told = last.clone();
        if is_attacked && attacked_user(&last).is_none() {
            for name in ["detectedDateTime", "lastUpdatedDateTime"] {
                value[name] = serde_json::Value::Null;
            }
            told = value.to_string();
        }
        *versions = vec![told];
        !is_withdrawn
    });
    versions
}

/// Users with detections that rest on what was attempted on others, in either.
pub fn attacked_users(one: &[String], other: &[String]) -> BTreeSet<String> {
    one.iter().chain(other).filter_map(|line| attacked_user(line)).collect()
}

/// The user of a detection that rests on what was attempted on others.
fn attacked_user(line: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    let is_attack = value["farsign"]["evidence"]["attack"].is_object();
    is_attack.then(|| value["userId"].as_str().unwrap_or_default().to_owned())
}

/// Panics with the first difference; all of them would fill a screen.
fn assert_same(what: &str, live: &Lines, replayed: &Lines) {
    let keys: BTreeSet<&String> = live.keys().chain(replayed.keys()).collect();
    let different: Vec<&&String> = keys.iter().filter(|key| live.get(**key) != replayed.get(**key)).collect();
    if let Some(first) = different.first() {
        let (count, of, live, replayed) = (different.len(), keys.len(), live.get(**first), replayed.get(**first));
        panic!("{what}: {count} of {of} differ, the first:\nlive: {live:#?}\nreplayed: {replayed:#?}");
    }
}

/// What `farsign replay` wrote.
pub struct Replayed {
    /// Every version of every detection.
    pub detections: Vec<String>,
    /// Users with risk, as they are in the end.
    pub risky_users: Vec<String>,
}

/// Lines by the value of a field, in the order they came.
pub fn by_field(lines: &[String], field: &str) -> BTreeMap<String, Vec<String>> {
    let mut grouped: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let key = value[field].as_str().unwrap_or_else(|| panic!("no `{field}` in {line}"));
        grouped.entry(key.to_owned()).or_default().push(line.clone());
    }
    grouped
}
