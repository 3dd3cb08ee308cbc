//! `docs/metrics.md`, made from the metrics themselves.

use super::Metrics;

const HEAD: &str = "# Metrics

What `/metrics` says (Prometheus text format). Times are seconds, timestamps seconds since 1970. Every label has a closed
set of values, and every combination is there from the start with 0; the exceptions, marked *open*, are a topic and
partition, a database, a hash, the version, and a shadow policy's name, whose others are there as soon as it is. Counters count what is committed. Made from `src/metrics/all.rs` by
`UPDATE_GENERATED=1 cargo test --test metrics`.

| name | type | labels | meaning |
|---|---|---|---|
";

const PROCESS: &str = "
## The process

Linux only; from the prometheus crate.

| name | type | meaning |
|---|---|---|
";

const LABELS: &str = "
## Values of the labels

| label | of | values |
|---|---|---|
";

/// The text of `docs/metrics.md`.
pub fn document(metrics: &Metrics) -> String {
    let mut text = HEAD.to_owned();
    let mut values = String::new();
    for metric in metrics.descriptions() {
        let mut names = Vec::new();
        for (label, known) in &metric.labels {
            let open = if known.is_empty() { " (open)" } else { "" };
            names.push(format!("`{label}`{open}"));
            if !known.is_empty() {
                line(&mut values, &[&format!("`{label}`"), &format!("`{}`", metric.name), &known.join(", ")]);
            }
        }
        line(&mut text, &[&format!("`{}`", metric.name), metric.kind, &names.join(", "), &metric.help]);
    }
    text.push_str(PROCESS);
    for family in metrics.all.registry.gather().iter().filter(|family| family.name().starts_with("process_")) {
        let kind = format!("{:?}", family.get_field_type()).to_lowercase();
        line(&mut text, &[&format!("`{}`", family.name()), &kind, family.help()]);
    }
    text.push_str(LABELS);
    text.push_str(&values);
    text
}

fn line(text: &mut String, cells: &[&str]) {
    text.extend(["| ", &cells.join(" | "), " |\n"]);
}
