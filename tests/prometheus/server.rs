//! A real Prometheus in a folder of its own, ended with the test.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use farsign::runtime::clock;
use serde_json::Value;

/// A busy machine takes its time; a missing answer ends the test.
const WAIT_MAX: Duration = Duration::from_secs(60);

pub struct Prometheus {
    process: Child,
    url: String,
    started: Instant,
    folder: tempfile::TempDir,
}

impl Prometheus {
    /// Scrapes `target` as the job `farsign` every second, and evaluates `rules` as often.
    pub fn start(rules: &Path, target: SocketAddr) -> Prometheus {
        let folder = tempfile::tempdir().unwrap();
        let rules = rules.canonicalize().unwrap();
        let configuration = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: [\"{}\"]\n\
             scrape_configs:\n- job_name: farsign\n  static_configs: [{{targets: [\"{target}\"]}}]\n",
            rules.display()
        );
        std::fs::write(folder.path().join("prometheus.yml"), configuration).unwrap();
        // Free now; nothing else on the machine is likely to take it within milliseconds.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("`prometheus` {}: {error}", super::super::MISSING));
        let prometheus = Prometheus { process, url: format!("http://{address}"), started: clock::now(), folder };
        prometheus.wait("it answers", || prometheus.get("/-/ready", &[]).is_some());
        prometheus
    }

    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// The answer's body; `None` when there is no good answer.
    fn get(&self, path: &str, query: &[(&str, &str)]) -> Option<String> {
        let mut request = ureq::get(format!("{}{path}", self.url));
        for (name, value) in query {
            request = request.query(name, value);
        }
        request.call().ok()?.body_mut().read_to_string().ok()
    }

    fn data(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let answer = self.get(path, query).unwrap_or_else(|| panic!("{path} {query:?}: no good answer"));
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["status"], "success", "{path} {query:?}: {answer}");
        answer["data"].take()
    }

    /// The samples of an instant query.
    pub fn query(&self, query: &str) -> Value {
        self.data("/api/v1/query", &[("query", query)])["result"].take()
    }

    /// `pending` or `firing`; `None` = neither.
    pub fn alert(&self, name: &str) -> Option<String> {
        let alerts = self.data("/api/v1/alerts", &[]);
        let alerts = alerts["alerts"].as_array().unwrap();
        let alert = alerts.iter().find(|alert| alert["labels"]["alertname"] == name)?;
        Some(alert["state"].as_str().unwrap().to_owned())
    }

    /// Every rule with its health: `ok`, `err` or `unknown` (not yet evaluated).
    pub fn rule_health(&self) -> Vec<(String, String)> {
        let data = self.data("/api/v1/rules", &[]);
        let groups = data["groups"].as_array().unwrap();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
        let word = |rule: &Value, key: &str| rule[key].as_str().unwrap().to_owned();
        rules.map(|rule| (word(rule, "name"), word(rule, "health"))).collect()
    }

    pub fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        let until = clock::now() + WAIT_MAX;
        while !done() {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(clock::now() < until, "Prometheus: {what}: waited for {WAIT_MAX:?}\n{}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended; nothing else can go wrong.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
