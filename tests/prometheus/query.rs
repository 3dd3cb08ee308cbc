//! What a PromQL expression names, held against the metrics that there are. Prometheus itself judges its syntax.

use std::collections::{BTreeMap, BTreeSet};

/// Labels that Prometheus adds, or that belong to every histogram.
const ADDED: [&str; 3] = ["job", "instance", "le"];

/// Metrics, their labels, and the labels' values (none = open).
#[derive(Default)]
pub struct Known {
    pub metrics: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '$'
}

/// Whether a word is the name of one of our metrics or of those beside it.
fn is_metric(word: &str) -> bool {
    word.starts_with("farsign_") || word.contains(":farsign_") || word.starts_with("process_") || word == "up"
}

/// Problems of `query`; the metrics that it names go to `used`.
pub fn check(query: &str, known: &Known, used: &mut BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut labels_named = BTreeSet::new();
    let mut labels_known: BTreeSet<String> = ADDED.map(str::to_owned).into();
    let mut rest = query;
    while let Some(start) = rest.find(is_word) {
        let word: &str = &rest[start..];
        let word = &word[..word.find(|c| !is_word(c)).unwrap_or(word.len())];
        rest = &rest[start + word.len()..];
        let after = rest.trim_start();
        if let Some(list) = after.strip_prefix('(').filter(|_| ["by", "on", "without", "ignoring"].contains(&word))
        {
            let (list, next) = list.split_once(')').unwrap();
            labels_named.extend(list.split(',').map(|label| label.trim().to_owned()));
            rest = next;
        } else if is_metric(word) {
            used.insert(word.to_owned());
            let Some(labels) = known.metrics.get(word) else {
                problems.push(format!("no metric `{word}`"));
                continue;
            };
            labels_known.extend(labels.keys().cloned());
            if word.contains(':') {
                labels_known.extend(["topic", "partition"].map(str::to_owned));
            }
            if let Some(selector) = rest.strip_prefix('{') {
                let (selector, next) = selector.split_once('}').unwrap();
                matchers(word, selector, labels, &mut problems);
                rest = next;
            }
        } else if let Some(string) = after.strip_prefix('"') {
            rest = string.split_once('"').unwrap().1;
        }
    }
    let unknown = labels_named.difference(&labels_known);
    problems.extend(unknown.map(|label| format!("no label `{label}` on what is grouped")));
    problems
}

fn matchers(
    metric: &str,
    selector: &str,
    labels: &BTreeMap<String, BTreeSet<String>>,
    problems: &mut Vec<String>,
) {
    for matcher in selector.split(',').map(str::trim).filter(|matcher| !matcher.is_empty()) {
        let (label, value) = matcher.split_once(['=', '!']).unwrap();
        if ADDED.contains(&label) {
            continue;
        }
        let Some(values) = labels.get(label) else {
            problems.push(format!("`{metric}` has no label `{label}`"));
            continue;
        };
        let value = value.trim_start_matches(['=', '~']).trim_matches('"');
        for one in value.split('|').filter(|_| !values.is_empty()) {
            if !values.contains(one) {
                problems.push(format!("`{label}` of `{metric}` is never `{one}`"));
            }
        }
    }
}

/// A query of the dashboard as Grafana would send it.
pub fn filled(query: &str) -> String {
    query.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*")
}

#[test]
fn what_does_not_exist_is_found() {
    let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<BTreeSet<String>>();
    let labels = BTreeMap::from([("kind".to_owned(), values(&["a", "b"])), ("topic".to_owned(), values(&[]))]);
    let known = Known { metrics: BTreeMap::from([("farsign_x_total".to_owned(), labels)]) };
    let check = |query: &str, expected: &[&str]| {
        assert_eq!(super::query::check(query, &known, &mut BTreeSet::new()), expected, "{query}");
    };
    check("sum by (kind, job) (rate(farsign_x_total{kind=~\"a|b\", topic=\"t\", job=\"j\"}[5m])) > 0", &[]);
    check("farsign_y > 0", &["no metric `farsign_y`"]);
    check("farsign_x_total{kind=\"c\"}", &["`kind` of `farsign_x_total` is never `c`"]);
    check("farsign_x_total{kind!=\"c\"}", &["`kind` of `farsign_x_total` is never `c`"]);
    check("farsign_x_total{level=\"a\"}", &["`farsign_x_total` has no label `level`"]);
    check("sum by (level) (farsign_x_total)", &["no label `level` on what is grouped"]);
}
