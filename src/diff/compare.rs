//! What changed from one set of detections to the other, and for which cause.

use std::collections::{BTreeMap, BTreeSet};

use super::read::{Detection, Detections, Standing};
use super::report::{Change, Example, Group, Report, Settings};

/// What the keys of all thresholds begin with in the configuration.
const SECTION: &str = "detections.";

/// One side of a comparison, with what is looked up often.
struct Side<'a> {
    detections: &'a Detections,
    /// Types that stand at each sign-in.
    at_sign_in: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Values that each threshold had.
    thresholds: BTreeMap<&'a str, BTreeSet<u64>>,
    kinds: BTreeSet<&'a str>,
}

impl<'a> Side<'a> {
    fn new(detections: &'a Detections) -> Side<'a> {
        let mut side =
            Side { detections, at_sign_in: BTreeMap::new(), thresholds: BTreeMap::new(), kinds: BTreeSet::new() };
        for detection in detections.by_id.values() {
            side.kinds.insert(&detection.kind);
            if detection.stands() && !detection.request_id.is_empty() {
                side.at_sign_in.entry(&detection.request_id).or_default().insert(&detection.kind);
            }
            for (key, value) in &detection.thresholds {
                side.thresholds.entry(key).or_default().insert(value.to_bits());
            }
        }
        side
    }

    fn standing(&self, id: &str) -> Option<&'a Detection> {
        self.detections.by_id.get(id).filter(|detection| detection.stands())
    }
}

/// Holds `second` against `first`. `settings`: in what their configurations differ, where that is known; `examples`: so many
/// of each group.
pub fn compare(first: &Detections, second: &Detections, settings: Option<&Settings>, examples: usize) -> Report {
    let sides = [Side::new(first), Side::new(second)];
    let mut report = Report {
        first: 0,
        second: 0,
        same: 0,
        rescored: 0,
        appeared: 0,
        vanished: 0,
        raised: 0,
        lowered: 0,
        config_hashes: [first, second].map(|side| side.config_hashes.iter().cloned().collect()),
        logs: None,
        settings: settings.cloned(),
        groups: Vec::new(),
    };
    let ids: BTreeSet<&String> = first.by_id.keys().chain(second.by_id.keys()).collect();
    let mut groups: BTreeMap<(Change, String, String), Vec<Example>> = BTreeMap::new();
    for id in ids {
        let pair = [sides[0].standing(id), sides[1].standing(id)];
        report.first += u64::from(pair[0].is_some());
        report.second += u64::from(pair[1].is_some());
        let Some(change) = change(pair, &mut report) else { continue };
        let Some(shown) = pair[1].or(pair[0]) else { continue };
        let cause = match change {
            Change::Appeared => absent(id, shown, &sides[0], &sides[1], [1, 0], settings),
            Change::Vanished => absent(id, shown, &sides[1], &sides[0], [0, 1], settings),
            Change::Raised | Change::Lowered => regraded(pair, settings),
        };
        groups.entry((change, shown.kind.clone(), cause)).or_default().push(example(id, shown, pair));
    }
    report.groups = groups.into_iter().map(|(key, members)| group(key, members, examples)).collect();
    report.groups.sort_by_key(|group| std::cmp::Reverse(group.detections));
    report
}

/// Counts how one detection changed; `None` where nothing did that is an alert's.
fn change(pair: [Option<&Detection>; 2], report: &mut Report) -> Option<Change> {
    let (count, change) = match pair {
        [None, None] => return None,
        [None, Some(_)] => (&mut report.appeared, Some(Change::Appeared)),
        [Some(_), None] => (&mut report.vanished, Some(Change::Vanished)),
        [Some(before), Some(now)] => match now.rank().cmp(&before.rank()) {
            std::cmp::Ordering::Greater => (&mut report.raised, Some(Change::Raised)),
            std::cmp::Ordering::Less => (&mut report.lowered, Some(Change::Lowered)),
            std::cmp::Ordering::Equal if now.score == before.score => (&mut report.same, None),
            std::cmp::Ordering::Equal => (&mut report.rescored, None),
        },
    };
    *count += 1;
    change
}

/// Why a detection does not stand on the side it is missing from. `order` is the place of the side it stands on, and of
/// that other.
fn absent(
    id: &str,
    shown: &Detection,
    missing: &Side<'_>,
    there: &Side<'_>,
    order: [usize; 2],
    settings: Option<&Settings>,
) -> String {
    let place = ["the first", "the second"][order[1]];
    match missing.detections.by_id.get(id).map(|other| &other.standing) {
        Some(Standing::Suppressed(reason)) => return format!("suppressed in {place}: {reason}"),
        Some(Standing::Withdrawn) => return format!("withdrawn in {place}"),
        _ => {}
    }
    let changed = match settings {
        Some(settings) => of_settings(shown, settings),
        None => of_thresholds(shown, missing, there, order),
    };
    if !changed.is_empty() {
        return changed;
    }
    let others = missing.at_sign_in.get(shown.request_id.as_str());
    if let Some(others) = others.filter(|others| !others.contains(shown.kind.as_str())) {
        let kinds: Vec<&str> = others.iter().copied().collect();
        return format!("{place} tells of the same sign-in as {}", kinds.join(", "));
    }
    if !missing.kinds.contains(shown.kind.as_str()) {
        return format!("{place} has none of this type");
    }
    if missing.detections.config_hashes == there.detections.config_hashes {
        "judged by the same configuration: the inputs differ, or what was learnt".to_owned()
    } else {
        "none of its own thresholds decides it: what was learnt, quarantined or repeated does".to_owned()
    }
}

fn regraded([before, now]: [Option<&Detection>; 2], settings: Option<&Settings>) -> String {
    let (Some(before), Some(now)) = (before, now) else { return String::new() };
    let by_settings = settings.map(|settings| of_settings(now, settings)).unwrap_or_default();
    if !by_settings.is_empty() {
        return by_settings;
    }
    let differs = |(key, value): (&String, &f64)| {
        let other = before.thresholds.get(key)?;
        (other != value).then(|| format!("{SECTION}{key} is {other}, then {value}"))
    };
    let changed: Vec<String> = now.thresholds.iter().filter_map(differs).collect();
    if changed.is_empty() { "its evidence weighs otherwise".to_owned() } else { changed.join("; ") }
}

/// The settings that the detection's thresholds are, or that are of its detection.
fn of_settings(shown: &Detection, settings: &Settings) -> String {
    let told = |key: &str, [before, now]: &[String; 2]| format!("{key} is {before}, then {now}");
    let own = settings.iter().filter(|(key, values)| {
        let key = key.strip_prefix(SECTION).unwrap_or(key);
        let numbers = values.each_ref().map(|value| value.parse().unwrap_or(f64::NAN));
        shown.thresholds.contains_key(key) && shown.may_turn_on(key, numbers)
    });
    let changed: Vec<String> = own.map(|(key, values)| told(key, values)).collect();
    if !changed.is_empty() {
        return changed.join("; ");
    }
    // The section of the detection: by the keys of its thresholds.
    let sections: BTreeSet<&str> = shown.thresholds.keys().filter_map(|key| key.split('.').next()).collect();
    let of_section = settings.iter().filter(|(key, _)| {
        let key = key.strip_prefix(SECTION).unwrap_or(key);
        !shown.thresholds.contains_key(key)
            && key.split('.').next().is_some_and(|section| sections.contains(section))
    });
    of_section.map(|(key, values)| told(key, values)).collect::<Vec<_>>().join("; ")
}

/// The thresholds of the detection that no detection of the other side was judged by.
fn of_thresholds(shown: &Detection, missing: &Side<'_>, there: &Side<'_>, order: [usize; 2]) -> String {
    let differs = |(key, value): (&String, &f64)| {
        let others = missing.thresholds.get(key.as_str())?;
        let may_turn = others.iter().any(|other| shown.may_turn_on(key, [*value, f64::from_bits(*other)]));
        if others.contains(&value.to_bits()) || !may_turn {
            return None;
        }
        let list = |values: &BTreeSet<u64>| {
            values.iter().map(|bits| f64::from_bits(*bits).to_string()).collect::<Vec<_>>().join(" or ")
        };
        let own = there.thresholds.get(key.as_str()).map(list).unwrap_or_default();
        let mut pair = [own, list(others)];
        if order == [1, 0] {
            pair.reverse();
        }
        Some(format!("{SECTION}{key} is {}, then {}", pair[0], pair[1]))
    };
    shown.thresholds.iter().filter_map(differs).collect::<Vec<_>>().join("; ")
}

fn example(id: &str, shown: &Detection, pair: [Option<&Detection>; 2]) -> Example {
    Example {
        id: id.to_owned(),
        request_id: shown.request_id.clone(),
        user: shown.user.clone(),
        time: shown.time.clone(),
        levels: pair.map(|side| side.map(|detection| detection.level.clone())),
        scores: pair.map(|side| side.map(|detection| detection.score)),
        sentence: shown.sentence.clone(),
    }
}

fn group((change, kind, cause): (Change, String, String), mut members: Vec<Example>, examples: usize) -> Group {
    let users: BTreeSet<&str> = members.iter().map(|member| member.user.as_str()).collect();
    let (detections, users) = (members.len() as u64, users.len() as u64);
    let highest = |member: &Example| member.scores.iter().flatten().copied().max();
    // The score's order is the level's, too.
    members.sort_by(|a, b| highest(b).cmp(&highest(a)).then(a.time.cmp(&b.time)).then(a.id.cmp(&b.id)));
    members.truncate(examples);
    Group { change, kind, cause, detections, users, examples: members }
}
