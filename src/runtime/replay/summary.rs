//! What a replay did, counted: for people on stderr, for programs as JSON.
//!
//! Everything but `run` (speed, memory) follows from the input and is the same on every run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::filter::LeftOut;
use super::merge::Disorder;
use super::sought::PassedOver;
use crate::engine::decode::{RejectReason, SkipReason};
use crate::engine::finding::{RiskEventType, RiskLevel, Suppression};
use crate::engine::out::Counts;

#[derive(Debug, Default)]
pub struct Summary {
    pub files: u64,
    /// Read from Kafka: parts of partitions.
    pub partitions: Option<u64>,
    /// Of Kafka: records refused in whole or in part, also for reasons that files do not have.
    pub refused_records: u64,
    pub records: u64,
    /// Sign-ins, feedback and upstream findings that were decoded.
    pub items: u64,
    pub skipped: BTreeMap<SkipReason, u64>,
    pub rejects: BTreeMap<RejectReason, u64>,
    /// What was decoded and not judged, where part of the log was asked for.
    pub left_out: BTreeMap<LeftOut, u64>,
    pub is_filtered: bool,
    /// Users that were asked for and had no event.
    pub unseen_users: Vec<String>,
    pub judged: Judged,
    /// Items so far ahead of stream time that they did not advance it
    /// ([`AHEAD_MAX_S`](crate::engine::watermark::AHEAD_MAX_S)).
    pub far_ahead: u64,
    /// Files that were not in order of time.
    pub disorder: Vec<(String, Disorder)>,
    /// Files that broke off, and why.
    pub broken: Vec<(String, String)>,
    /// What became of a record that was asked for by its id, where it was not judged.
    pub passed_over: Option<PassedOver>,
    pub interrupted: bool,
    pub run: Run,
}

/// What came of one configuration's judgement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    pub counts: Counts,
    /// Detections written; updates apart.
    pub written: u64,
    pub written_updates: u64,
    /// Detections written before they had settled.
    pub written_early: u64,
    /// What each shadow policy found, as written: new detections, and updates.
    pub written_shadow: BTreeMap<String, [u64; 2]>,
}

impl Judged {
    /// Adds another part of the same judgement.
    pub fn add(&mut self, other: &Judged) {
        self.counts.add(&other.counts);
        self.written += other.written;
        self.written_updates += other.written_updates;
        self.written_early += other.written_early;
        for (policy, [new, updates]) in &other.written_shadow {
            let mine = self.written_shadow.entry(policy.clone()).or_default();
            *mine = [mine[0] + new, mine[1] + updates];
        }
    }
}

/// What differs from run to run.
#[derive(Debug, Default)]
pub struct Run {
    pub elapsed: Duration,
    /// Read from disk, before decompression.
    pub bytes: u64,
    pub threads: usize,
    pub memory_peak_bytes: Option<u64>,
}

impl Summary {
    pub fn rejects_total(&self) -> u64 {
        self.rejects.values().sum()
    }

    pub fn left_out_total(&self) -> u64 {
        self.left_out.values().sum()
    }

    /// By the name of what left them out.
    pub fn left_out_by_name(&self) -> BTreeMap<String, u64> {
        self.left_out.iter().map(|(reason, count)| (reason.name().to_owned(), *count)).collect()
    }

    /// "none", or "badTime 3, notJson 1".
    pub fn rejects_listed(&self) -> String {
        listed(&by_name(&self.rejects, RejectReason::name))
    }

    /// Were there records, and none that could be read?
    pub fn nothing_readable(&self) -> bool {
        let skipped: u64 = self.skipped.values().sum();
        self.rejects_total() > 0 && self.items + skipped + self.left_out_total() == 0
    }

    pub fn to_json(&self) -> Value {
        let mut summary = self.to_json_of_live();
        let written = self.judged.written_shadow.iter();
        let written = written.map(|(policy, [new, updates])| (policy, json!({"new": new, "updates": updates})));
        let written: BTreeMap<&String, Value> = written.collect();
        if !written.is_empty() {
            summary["writtenShadow"] = json!(written);
        }
        summary
    }

    fn to_json_of_live(&self) -> Value {
        let counts = &self.judged.counts;
        let mut summary = json!({
            "interrupted": self.interrupted,
            "files": self.files,
            "records": self.records,
            "items": self.items,
            "signIns": counts.sign_ins,
            "signInsJudged": counts.sign_ins_judged,
            "feedback": counts.feedback,
            "feedbackWithoutEffect": counts.feedback_without_effect,
            "upstreamFindings": counts.upstream_findings.as_flattened().iter().sum::<u64>(),
            "users": counts.users_new,
            "usersForgotten": counts.users_forgotten,
            "skipped": by_name(&self.skipped, SkipReason::name),
            "rejects": by_name(&self.rejects, RejectReason::name),
            "filtered": by_name(&self.left_out, LeftOut::name),
            "duplicates": counts.duplicates,
            "reordered": counts.reordered,
            "late": counts.late,
            "farAhead": self.far_ahead,
            "withdrawn": counts.withdrawn,
            "tailOverflow": counts.tail_overflow,
            "attempts": counts.attempts,
            "unreviewed": counts.unreviewed,
            "detections": detections(counts),
            "suppressions": suppressions(counts),
            "written": self.judged.written,
            "writtenUpdates": self.judged.written_updates,
            "writtenEarly": self.judged.written_early,
            "disorder": self.disorder.iter().map(|(file, disorder)| json!({
                "file": file, "items": disorder.items, "behindMaxSeconds": disorder.behind_max_s,
            })).collect::<Vec<_>>(),
            "broken": self.broken.iter().map(|(file, error)| json!({"file": file, "error": error}))
                .collect::<Vec<_>>(),
            "run": {
                "elapsedSeconds": self.run.elapsed.as_secs_f64(),
                "bytes": self.run.bytes,
                "recordsPerSecond": self.records_per_second(),
                "threads": self.run.threads,
                "memoryPeakBytes": self.run.memory_peak_bytes,
            },
        });
        if let Some(partitions) = self.partitions {
            summary["partitions"] = partitions.into();
            summary["refusedRecords"] = self.refused_records.into();
        }
        summary
    }

    fn records_per_second(&self) -> f64 {
        (self.records as f64 / self.run.elapsed.as_secs_f64().max(1e-9)).round()
    }
}

fn by_name<K: Copy>(counts: &BTreeMap<K, u64>, name: fn(K) -> &'static str) -> Value {
    counts.iter().map(|(key, count)| (name(*key).to_owned(), Value::from(*count))).collect::<Map<_, _>>().into()
}

fn detections(counts: &Counts) -> Value {
    let of_type = |levels: &[u64; 3]| -> Value {
        let names = [RiskLevel::Low, RiskLevel::Medium, RiskLevel::High].map(RiskLevel::name);
        names.into_iter().zip(levels).map(|(name, count)| (name.to_owned(), Value::from(*count))).collect()
    };
    let types = RiskEventType::ALL.into_iter().zip(&counts.detections);
    let seen = types.filter(|(_, levels)| levels.iter().any(|count| *count > 0));
    seen.map(|(kind, levels)| (kind.name().to_owned(), of_type(levels))).collect()
}

fn suppressions(counts: &Counts) -> Value {
    let of_type = |reasons: &[u64; Suppression::ALL.len()]| -> Value {
        let named = Suppression::ALL.into_iter().zip(reasons).filter(|(_, count)| **count > 0);
        named.map(|(reason, count)| (reason.name().to_owned(), Value::from(*count))).collect()
    };
    let types = RiskEventType::ALL.into_iter().zip(&counts.suppressions);
    let seen = types.filter(|(_, reasons)| reasons.iter().any(|count| *count > 0));
    seen.map(|(kind, reasons)| (kind.name().to_owned(), of_type(reasons))).collect()
}

/// "none", or "low 3, high 1".
fn listed(value: &Value) -> String {
    let Some(members) = value.as_object().filter(|members| !members.is_empty()) else { return "none".into() };
    members.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

/// What is worth telling only when it happened.
fn told(count: u64, what: &str) -> String {
    if count == 0 { String::new() } else { format!(", {count}{what}") }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.judged.counts;
        let line = |f: &mut fmt::Formatter<'_>, name: &str, text: String| writeln!(f, "{name:<14}{text}");
        if self.interrupted {
            writeln!(f, "interrupted: what follows is true of the part that was read")?;
        }
        match self.partitions {
            Some(partitions) => line(f, "partitions", partitions.to_string())?,
            None => line(f, "files", self.files.to_string())?,
        }
        line(f, "records", self.records.to_string())?;
        line(f, "sign-ins", format!("{} ({} judged)", counts.sign_ins, counts.sign_ins_judged))?;
        line(f, "feedback", counts.feedback.to_string())?;
        let upstream_findings: u64 = counts.upstream_findings.as_flattened().iter().sum();
        if upstream_findings > 0 {
            line(f, "from others", format!("{upstream_findings} upstream findings"))?;
        }
        let forgotten = told(counts.users_forgotten, " forgotten to keep within `users_max`");
        line(f, "users", format!("{}{forgotten}", counts.users_new))?;
        line(f, "skipped", listed(&by_name(&self.skipped, SkipReason::name)))?;
        line(f, "rejects", self.rejects_listed())?;
        if self.is_filtered {
            line(f, "filtered", listed(&by_name(&self.left_out, LeftOut::name)))?;
        }
        let Counts { duplicates, reordered, late, .. } = counts;
        let order =
            format!("{duplicates} duplicates, {reordered} reordered, {late} late, {} far ahead", self.far_ahead)
                + &told(counts.tail_overflow, " beyond what is kept for reordering")
                + &told(counts.unreviewed, " beyond what waits for a review");
        line(f, "order", order)?;
        line(
            f,
            "written",
            format!("{} detections, {} updates", self.judged.written, self.judged.written_updates),
        )?;
        for (policy, [new, updates]) in &self.judged.written_shadow {
            line(f, "shadow", format!("{policy}: {new} detections, {updates} updates"))?;
        }
        for (title, types) in [("detections", detections(counts)), ("suppressions", suppressions(counts))] {
            for (index, (kind, by)) in types.as_object().into_iter().flatten().enumerate() {
                line(f, if index == 0 { title } else { "" }, format!("{kind}: {}", listed(by)))?;
            }
        }
        if self.judged.written_early > 0 {
            line(
                f,
                "early",
                format!("{} detections were written before they had settled", self.judged.written_early),
            )?;
        }
        let seconds = self.run.elapsed.as_secs_f64();
        let megabytes = self.run.bytes as f64 / 1e6;
        let rate = format!("{} records/s, {:.1} MB/s", self.records_per_second(), megabytes / seconds.max(1e-9));
        line(f, "time", format!("{seconds:.1} s, {rate}, {} threads", self.run.threads))?;
        let memory = self.run.memory_peak_bytes.map(|bytes| format!("{:.0} MB", bytes as f64 / 1e6));
        line(f, "memory peak", memory.unwrap_or_else(|| "unknown".into()))
    }
}

/// Most memory this process ever held, where the system says.
pub fn memory_peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_were_reached_are_told() {
        let line_of = |summary: &Summary, name: &str| {
            summary.to_string().lines().find(|line| line.starts_with(name)).map(str::to_owned).expect("is there")
        };
        let mut summary = Summary::default();
        summary.judged.counts.users_new = 5;
        assert_eq!(line_of(&summary, "users"), "users         5");
        assert!(line_of(&summary, "order").ends_with("0 late, 0 far ahead"));
        summary.judged.counts.users_forgotten = 2;
        summary.judged.counts.tail_overflow = 7;
        assert_eq!(line_of(&summary, "users"), "users         5, 2 forgotten to keep within `users_max`");
        assert!(line_of(&summary, "order").ends_with("0 late, 0 far ahead, 7 beyond what is kept for reordering"));
    }
}
