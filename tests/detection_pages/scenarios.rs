//! What the scenarios show of each type: the levels it fires at, and the reasons that silence it.

use std::path::Path;

use farsign::engine::finding::{RiskEventType, RiskLevel, Suppression};
use serde_json::Value;

use crate::source::Source;

/// One row of a scenario's expectations.
struct Shown {
    kind: RiskEventType,
    level: RiskLevel,
    suppressed_by: Option<String>,
    title: String,
    /// From the repository's root.
    path: String,
}

pub struct Scenarios(Vec<Shown>);

impl Scenarios {
    pub fn read(folder: &Path) -> Scenarios {
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .flat_map(|subject| std::fs::read_dir(subject.unwrap().path()).unwrap())
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        let mut shown = Vec::new();
        for path in paths {
            let text = std::fs::read_to_string(&path).unwrap();
            let scenario: Value = serde_saphyr::from_str(&text).unwrap();
            let title = scenario["title"].as_str().unwrap();
            let rows = scenario["expect"].as_str().unwrap_or_default().lines();
            let rows = rows.filter_map(|row| Shown::parse(row, title, path.to_str().unwrap()));
            shown.extend(rows);
        }
        assert!(shown.len() >= 100, "scenarios were read");
        Scenarios(shown)
    }

    /// The first scenario of those that fit, one of the detection's own folder before others.
    fn first(&self, folder: &str, fits: impl Fn(&Shown) -> bool) -> Option<&Shown> {
        let own = format!("/{folder}/");
        self.0.iter().filter(|shown| fits(shown)).min_by_key(|shown| !shown.path.contains(&own))
    }

    fn fired(&self, folder: &str, kind: RiskEventType, level: RiskLevel) -> Option<&Shown> {
        self.first(folder, |shown| shown.kind == kind && shown.level == level && shown.suppressed_by.is_none())
    }

    /// The levels at which scenarios show the type fire, rising.
    pub fn levels(&self, kind: RiskEventType) -> Vec<RiskLevel> {
        let levels = [RiskLevel::Low, RiskLevel::Medium, RiskLevel::High];
        levels.into_iter().filter(|level| self.fired("", kind, *level).is_some()).collect()
    }

    /// A link from a detection's page to a scenario that shows the type fire at a level.
    pub fn link_of_level(&self, source: &Source, kind: RiskEventType, level: RiskLevel) -> Option<String> {
        self.fired(&source.name, kind, level).map(Shown::link)
    }

    /// A link to a scenario that shows one of the detection's types silenced by the reason.
    pub fn link_of_reason(&self, source: &Source, reason: Suppression) -> Option<String> {
        let shows = |shown: &Shown| {
            source.kinds.contains(&shown.kind) && shown.suppressed_by.as_deref() == Some(reason.name())
        };
        self.first(&source.name, shows).map(Shown::link)
    }

    /// Types that scenarios show, and no page has.
    pub fn without_page(&self, sources: &[Source]) -> Vec<String> {
        let has_page = |kind: RiskEventType| sources.iter().any(|source| source.kinds.contains(&kind));
        RiskEventType::ALL
            .into_iter()
            // Made of feedback, not by a detection.
            .filter(|kind| *kind != RiskEventType::AdminConfirmedUserCompromised)
            .filter(|kind| !has_page(*kind) && self.0.iter().any(|shown| shown.kind == *kind))
            .map(|kind| format!("`{}` has scenarios, but no page", kind.name()))
            .collect()
    }
}

impl Shown {
    fn parse(row: &str, title: &str, path: &str) -> Option<Shown> {
        let row = row.split('#').next().unwrap_or_default();
        let words: Vec<&str> = row.split_whitespace().collect();
        let [_, kind, level, ..] = words[..] else { return None };
        let levels = [RiskLevel::None, RiskLevel::Low, RiskLevel::Medium, RiskLevel::High];
        let kind = RiskEventType::ALL.into_iter().find(|known| known.name() == kind).unwrap();
        // What another product says shows nothing of our own detection of that type.
        let is_upstream = words.iter().any(|word| word.starts_with("source="));
        if is_upstream && !matches!(kind, RiskEventType::LeakedCredentials | RiskEventType::Generic) {
            return None;
        }
        Some(Shown {
            kind,
            level: levels.into_iter().find(|known| known.name() == level).unwrap(),
            suppressed_by: words.iter().find_map(|word| word.strip_prefix("suppressed=")).map(str::to_owned),
            title: title.to_owned(),
            path: path.to_owned(),
        })
    }

    fn link(&self) -> String {
        format!("[{}](../../{})", self.title, self.path)
    }
}
