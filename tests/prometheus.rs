//! Alert rules, dashboard and metrics against each other, by the real promtool and a real Prometheus.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod prometheus {
    pub mod query;
    pub mod server;
}

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use farsign::health::Health;
use farsign::http::Server;
use farsign::metrics::{Metrics, TaskFailure};
use prometheus::query::{self, Known};
use prometheus::server::Prometheus;
use serde_json::Value;

const RULES: &str = "deploy/prometheus/farsign.rules.yml";
const RULE_TESTS: &str = "deploy/prometheus/farsign.rules.test.yml";
const DASHBOARD: &str = "deploy/grafana/dashboards/farsign.json";
const MISSING: &str = "is missing: install the package `prometheus` (scripts/setup.sh does)";

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("`promtool` {MISSING}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn json(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every rule of the rule file.
fn rules() -> Vec<Value> {
    let file = yaml(RULES);
    file["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("`{key}` of {value}"))
}

#[test]
fn promtool_accepts_rules_and_configuration() {
    promtool(&["check", "rules", RULES]);
    promtool(&["check", "config", "deploy/prometheus/prometheus.yml"]);
    promtool(&["test", "rules", RULE_TESTS]);
}

#[test]
fn every_alert_is_tested_and_explained() {
    let runbook = std::fs::read_to_string("docs/operate.md").unwrap();
    let tests = yaml(RULE_TESTS);
    let tests = tests["tests"].as_array().unwrap();
    let alerts: Vec<Value> = rules().into_iter().filter(|rule| rule.get("alert").is_some()).collect();
    assert!(alerts.len() >= 25);
    for alert in &alerts {
        let name = text(alert, "alert");
        assert!(["critical", "warning", "info"].contains(&text(&alert["labels"], "severity")), "{name}");
        for annotation in ["summary", "description"] {
            assert!(!text(&alert["annotations"], annotation).is_empty(), "{name}");
        }
        let anchor = format!("docs/operate.md#{}", name.to_lowercase());
        assert_eq!(text(&alert["annotations"], "runbook"), anchor);
        assert!(runbook.contains(&format!("\n### {name}\n")), "docs/operate.md has no `### {name}`");
        let checks: Vec<&Value> = tests
            .iter()
            .filter(|test| test["name"] == name)
            .flat_map(|test| test["promql_expr_test"].as_array().unwrap())
            .collect();
        let fires = |check: &&&Value| !check["exp_samples"].as_array().unwrap().is_empty();
        assert!(checks.iter().any(|check| fires(&check)), "no test lets {name} fire");
        assert!(checks.iter().any(|check| !fires(&check)), "no test keeps {name} quiet");
    }
    for heading in runbook.lines().filter_map(|line| line.strip_prefix("### Farsign")) {
        let name = format!("Farsign{heading}");
        assert!(
            alerts.iter().any(|alert| alert["alert"] == name),
            "docs/operate.md explains {name}, which is no alert"
        );
    }
}

/// Names of metrics with their labels and the labels' values.
fn known() -> Known {
    let metrics = Metrics::new();
    let mut known = Known::default();
    for metric in metrics.descriptions() {
        let labels = metric.labels.iter();
        let labels: BTreeMap<String, BTreeSet<String>> = labels
            .map(|(label, values)| ((*label).to_owned(), values.iter().map(|value| (*value).to_owned()).collect()))
            .collect();
        if metric.kind == "histogram" {
            for suffix in ["_bucket", "_sum", "_count"] {
                known.metrics.insert(format!("{}{suffix}", metric.name), labels.clone());
            }
        } else {
            known.metrics.insert(metric.name.clone(), labels);
        }
    }
    let rendered = metrics.render();
    for line in rendered.lines().filter(|line| line.starts_with("process_")) {
        known.metrics.insert(line.split(' ').next().unwrap().to_owned(), BTreeMap::new());
    }
    known.metrics.insert("up".to_owned(), BTreeMap::new());
    for rule in rules().iter().filter(|rule| rule.get("record").is_some()) {
        known.metrics.insert(text(rule, "record").to_owned(), BTreeMap::new());
    }
    known
}

/// Every query of the dashboard.
fn dashboard_queries() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| collect(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&json(DASHBOARD)["panels"], &mut found);
    found
}

#[test]
fn rules_and_dashboard_name_only_what_exists() {
    let known = known();
    let mut used = BTreeSet::new();
    let rules: Vec<String> = rules().iter().map(|rule| text(rule, "expr").to_owned()).collect();
    let queries = dashboard_queries();
    assert!(rules.len() >= 25 && queries.len() >= 40);
    for query in rules.iter().chain(&queries) {
        let problems = query::check(query, &known, &mut used);
        assert!(problems.is_empty(), "{query}\n{problems:#?}");
    }
    assert!(used.len() >= 45, "queries were read: {used:?}");
}

#[test]
fn the_dashboard_is_well_formed() {
    let dashboard = json(DASHBOARD);
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{panel}");
        for (x, y) in (place("x")..place("x") + place("w"))
            .flat_map(|x| (place("y")..place("y") + place("h")).map(move |y| (x, y)))
        {
            assert!(cells.insert((x, y)), "{} covers another", panel["title"]);
        }
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
        }
    }
    let sources = yaml("deploy/grafana/provisioning/datasources/farsign.yml");
    assert_eq!(sources["datasources"][0]["type"], "prometheus");
    let provider = yaml("deploy/grafana/provisioning/dashboards/farsign.yml");
    assert!(provider["providers"][0]["options"]["path"].is_string());
}

/// A real Prometheus scrapes a real server every second with the rules as they are; a failed task makes an alert
/// fire, and every rule and every query of the dashboard can be evaluated.
#[test]
fn prometheus_scrapes_and_alerts() {
    let (metrics, health) = (Metrics::new(), Health::new(&["topics"]));
    let server = Server::start("127.0.0.1:0".parse().unwrap(), metrics.clone(), health.clone()).unwrap();
    let prometheus = Prometheus::start(Path::new(RULES), server.address());
    let value = |query: &str| prometheus.query(query)[0]["value"][1].as_str().map(str::to_owned);
    prometheus.wait("the target is up", || value("up{job=\"farsign\"}").as_deref() == Some("1"));
    assert_eq!(value("farsign_ready").as_deref(), Some("0"));
    prometheus.wait("not ready is pending", || prometheus.alert("FarsignNotReady").as_deref() == Some("pending"));
    health.clear("topics");
    prometheus.wait("ready is seen", || value("farsign_ready").as_deref() == Some("1"));
    prometheus.wait("ready ends it", || prometheus.alert("FarsignNotReady").is_none());
    assert_eq!(prometheus.alert("FarsignTaskFailed"), None);
    metrics.task_failed(TaskFailure::Restore);
    prometheus.wait("a failure fires", || prometheus.alert("FarsignTaskFailed").as_deref() == Some("firing"));
    assert_eq!(prometheus.alert("FarsignBreakerOpen"), None);
    prometheus.wait("every rule was evaluated", || {
        prometheus.rule_health().iter().all(|(_, health)| health != "unknown")
    });
    for (rule, health) in prometheus.rule_health() {
        assert_eq!(health, "ok", "{rule}");
    }
    for query in dashboard_queries() {
        prometheus.query(&query::filled(&query));
    }
    server.stop();
    prometheus.wait("the target is gone", || value("up{job=\"farsign\"}").as_deref() == Some("0"));
    assert!(Duration::from_secs(60) > prometheus.age(), "it took {:?}", prometheus.age());
}
