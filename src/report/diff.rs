//! The page of `farsign diff`: what changed and why; then what appeared, and what vanished.

use std::collections::BTreeMap;

use super::alerts::{Alert, Alerts};
use super::overview::{Calendar, UNIT, section, span_of, total};
use super::page::{Bars, Block, Chart, Page, Section, Series, TIME, Table};
use super::replay::left_out;
use crate::diff::{Change, Detections, Group, Report};
use crate::render::text::count;

/// Groups of changes listed: those of the most detections.
pub const GROUPS_MAX: usize = 200;
const CHANGES: [Change; 4] = [Change::Appeared, Change::Vanished, Change::Raised, Change::Lowered];

/// One side of the comparison.
pub struct Side {
    pub detections: Detections,
    pub alerts: Alerts,
}

/// The two sides are the first and the second.
pub fn diff(report: &Report, [first, second]: [Side; 2]) -> Page {
    let figure = |name: &str, number: u64| (name.to_owned(), count(number));
    let named = |name: &str, side: &Side| left_out(&side.alerts).map(|told| format!("The {name}: {told}"));
    let mut page = Page {
        title: "What changed between two sets of detections".to_owned(),
        facts: vec![
            ("configuration of the first".to_owned(), hashes(&report.config_hashes[0])),
            ("of the second".to_owned(), hashes(&report.config_hashes[1])),
        ],
        notes: [named("first", &first), named("second", &second)].into_iter().flatten().collect(),
        headlines: vec![
            figure("stand in the first", report.first),
            figure("stand in the second", report.second),
            figure("appeared", report.appeared),
            figure("vanished", report.vanished),
            figure("raised", report.raised),
            figure("lowered", report.lowered),
            figure("of another score", report.rescored),
            figure("the same", report.same),
        ],
        sections: vec![changes(report, [&first.alerts, &second.alerts])],
    };
    if let Some(logs) = &report.logs {
        page.headlines.insert(0, figure("records", logs.records));
        page.headlines.insert(1, figure("rejected", logs.rejected));
    }
    let [mut appeared, mut vanished] = [second.alerts, first.alerts];
    appeared.retain(|id, _| !first.detections.stands(id));
    vanished.retain(|id, _| !second.detections.stands(id));
    for (title, about, alerts) in [
        ("Appeared", "Detections that stand in the second alone.", appeared),
        ("Vanished", "Detections that stand in the first alone.", vanished),
    ] {
        page.sections.push(section(title, about, &alerts, None));
    }
    page
}

fn hashes(hashes: &[String]) -> String {
    if hashes.is_empty() { "unknown".to_owned() } else { hashes.join(", ") }
}

fn changes(report: &Report, sides: [&Alerts; 2]) -> Section {
    let mut section = Section { title: "What changed".to_owned(), ..Section::default() };
    section.blocks.extend(volume(sides));
    if report.groups.is_empty() {
        section.about = "Nothing: the same detections stand in both, at the same levels.".to_owned();
        return section;
    }
    let shown = &report.groups[..report.groups.len().min(GROUPS_MAX)];
    section.blocks.extend([by_type(&report.groups), by_cause(shown, report.groups.len()), examples(shown)]);
    section
}

/// Nothing where none stands on either side.
fn volume(sides: [&Alerts; 2]) -> Option<Block> {
    let standing = sides.map(|alerts| alerts.standing().collect::<Vec<&Alert>>());
    if standing.iter().all(Vec::is_empty) {
        return None;
    }
    let calendar = Calendar::new(span_of(standing.iter().flatten()));
    let [first, second] = standing.map(|alerts| calendar.counts(&alerts).iter().map(total).collect::<Vec<u64>>());
    let differ = first.iter().zip(&second).filter(|(first, second)| first != second).count();
    let about = format!(
        "What stands in the first and in the second. {} {differ} of {} bars differ.",
        calendar.told(),
        first.len()
    );
    let names = calendar.names();
    let rows = names.iter().zip(first.iter().zip(&second));
    let row = |(name, (first, second)): (&String, (&u64, &u64))| vec![name.clone(), count(*first), count(*second)];
    let table = Table::new(&["from", "first", "second"], 1, rows.map(row).collect());
    let series = [("first", &first), ("second", &second)].map(|(name, counts)| Series {
        name: name.to_owned(),
        values: counts.iter().map(|count| *count as f64).collect(),
    });
    let chart =
        Bars { categories: names, series: series.to_vec(), unit: UNIT.to_owned(), lying: false, stacked: false };
    Some(Block { title: "Detections over time".to_owned(), about, chart: Some(Chart::Bars(chart)), table })
}

fn by_type(groups: &[Group]) -> Block {
    let mut types: BTreeMap<&str, [u64; CHANGES.len()]> = BTreeMap::new();
    for group in groups {
        let changes = types.entry(&group.kind).or_default();
        changes[group.change as usize] += group.detections;
    }
    let mut types: Vec<(&str, [u64; CHANGES.len()])> = types.into_iter().collect();
    types.sort_by_key(|(_, changes)| std::cmp::Reverse(changes.iter().sum::<u64>()));
    let series = CHANGES.map(|change| Series {
        name: change.name().to_owned(),
        values: types.iter().map(|(_, changes)| changes[change as usize] as f64).collect(),
    });
    let row = |(kind, changes): &(&str, [u64; CHANGES.len()])| {
        [(*kind).to_owned()].into_iter().chain(changes.iter().copied().map(count)).collect()
    };
    let header: Vec<&str> = ["type"].into_iter().chain(CHANGES.map(Change::name)).collect();
    Block {
        title: "Changes by type".to_owned(),
        about: format!(
            "{} types changed; most, {} (of {} {UNIT}).",
            types.len(),
            types[0].0,
            count(types[0].1.iter().sum())
        ),
        table: Table::new(&header, 1, types.iter().map(row).collect()),
        chart: Some(Chart::Bars(Bars {
            categories: types.iter().map(|(kind, _)| (*kind).to_owned()).collect(),
            series: series.to_vec(),
            unit: UNIT.to_owned(),
            lying: true,
            stacked: true,
        })),
    }
}

fn by_cause(shown: &[Group], all: usize) -> Block {
    let row = |group: &Group| {
        let Group { change, kind, cause, detections, users, .. } = group;
        vec![cause.clone(), change.name().to_owned(), kind.clone(), count(*detections), count(*users)]
    };
    let left_out = match all - shown.len() {
        0 => String::new(),
        more => format!(" Left out: {} groups of fewer {UNIT}.", count(more as u64)),
    };
    Block {
        title: "By cause".to_owned(),
        about: format!("The changes of one kind and type that have the same cause, most {UNIT} first.{left_out}"),
        chart: None,
        table: Table::new(&["cause", "change", "type", UNIT, "users"], 3, shown.iter().map(row).collect()),
    }
}

fn examples(shown: &[Group]) -> Block {
    let rows = shown.iter().flat_map(|group| {
        group.examples.iter().map(|example| {
            let side = |side: usize| match (&example.levels[side], example.scores[side]) {
                (Some(level), Some(score)) => format!("{level} {score}"),
                _ => "nothing".to_owned(),
            };
            let time = example.time.get(..16).unwrap_or(&example.time).replace('T', " ");
            vec![
                example.user.clone(),
                time,
                group.kind.clone(),
                group.change.name().to_owned(),
                side(0),
                side(1),
                example.sentence.clone(),
            ]
        })
    });
    let header = ["user", TIME, "type", "change", "first", "second", "what"];
    Block {
        title: "Examples".to_owned(),
        about: "Of each group those that matter most: by level, score and time.".to_owned(),
        chart: None,
        table: Table::new(&header, header.len(), rows.collect()),
    }
}
