//! Parameters as a doc comment names them, against the configuration's schema, which decides.

use serde_json::Value;

use crate::source::Source;

/// Every detection can be switched off; no doc comment need say so.
/// The section that is no detection's own: what makes one incident of several detections.
const OF_ALL: &str = "incident";
const SWITCH: &str = "enabled";

pub struct Schema(Value);

/// A key as a doc comment names it, with the default that it gives, if any.
struct Named {
    section: String,
    key: String,
    default: Option<String>,
}

/// `` `section.key` (default) ``, and `` `.key` `` of the section named last.
fn named(text: &str) -> Vec<Named> {
    let parts: Vec<&str> = text.split('`').collect();
    let mut section = "";
    let mut all = Vec::new();
    for pair in parts[1..].chunks(2) {
        let Some((before, key)) = pair[0].split_once('.') else { continue };
        if !before.is_empty() {
            section = before;
        }
        let after = pair.get(1).copied().unwrap_or_default().trim_start();
        let default = after.strip_prefix('(').and_then(|after| after.split_once(')'));
        all.push(Named {
            section: section.to_owned(),
            key: key.to_owned(),
            default: default.map(|(default, _)| default.to_owned()),
        });
    }
    all
}

impl Schema {
    pub fn of_the_configuration() -> Schema {
        Schema(farsign::config::raw::schema())
    }

    /// A section's keys: of a detection, or of the whole.
    fn section(&self, name: &str) -> &Value {
        let detection = &self.0["properties"]["detections"]["properties"][name]["properties"];
        if detection.is_object() { detection } else { &self.0["properties"][name]["properties"] }
    }

    /// Keys that are named and do not exist, and defaults that are others.
    pub fn problems(&self, source: &Source) -> Vec<String> {
        let mut problems = Vec::new();
        for Named { section, key, default } in named(source.section("Parameters")) {
            let entry = &self.section(&section)[&key];
            if !entry.is_object() {
                problems.push(format!("no key `{section}.{key}`"));
                continue;
            }
            let actual = &entry["default"];
            let differs = match default.as_deref().map(|text| (text.parse::<f64>(), actual.as_f64())) {
                Some((Ok(said), Some(actual))) => said != actual,
                // Words beside a key ("days", "all on") are no default.
                _ => false,
            };
            if differs {
                let said = default.unwrap_or_default();
                problems.push(format!("`{section}.{key}` is {} by default, not {said}", shown(actual)));
            }
        }
        problems
    }

    /// Keys of detections that no page names.
    pub fn unnamed(&self, sources: &[Source]) -> Vec<String> {
        let known: Vec<Named> = sources.iter().flat_map(|source| named(source.section("Parameters"))).collect();
        let sections = self.0["properties"]["detections"]["properties"].as_object().expect("detections");
        let keys = sections.iter().filter(|(section, _)| *section != OF_ALL).flat_map(|(section, schema)| {
            let keys = schema["properties"].as_object().into_iter().flatten();
            keys.map(move |(key, _)| (section.as_str(), key.as_str()))
        });
        keys.filter(|(section, key)| {
            *key != SWITCH && !known.iter().any(|named| named.section == *section && named.key == *key)
        })
        .map(|(section, key)| format!("`{section}.{key}` is named under no `## Parameters`"))
        .collect()
    }

    /// The table of a page: the keys that its source names, and the switches of their sections.
    pub fn table(&self, source: &Source) -> String {
        let named = named(source.section("Parameters"));
        let mut rows: Vec<(&str, &str)> = Vec::new();
        for named in &named {
            let switch = (named.section.as_str(), SWITCH);
            if self.section(switch.0)[SWITCH].is_object() && !rows.contains(&switch) {
                rows.push(switch);
            }
            if !rows.contains(&(named.section.as_str(), named.key.as_str())) {
                rows.push((named.section.as_str(), named.key.as_str()));
            }
        }
        if rows.is_empty() {
            return source.section("Parameters").to_owned() + "\n";
        }
        let mut table = String::from("| key | default | range | meaning |\n|---|---|---|---|\n");
        for (section, key) in rows {
            let entry = &self.section(section)[key];
            let meaning = match (entry["description"].as_str(), key) {
                (Some(text), _) => text,
                (None, SWITCH) => "Off: the detection is not asked.",
                (None, _) => "",
            };
            let (default, range) = (shown(&entry["default"]), range(entry));
            table.push_str(&format!("| `{section}.{key}` | {default} | {range} | {meaning} |\n"));
        }
        table
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string()),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn range(entry: &Value) -> String {
    match (&entry["enum"], &entry["minimum"], &entry["maximum"]) {
        (Value::Array(members), _, _) => members.iter().map(shown).collect::<Vec<_>>().join(", "),
        (_, Value::Null, Value::Null) if entry["type"] == "boolean" => "true, false".to_owned(),
        (_, Value::Null, Value::Null) => String::new(),
        (_, least, Value::Null) => format!("from {}", shown(least)),
        (_, Value::Null, most) => format!("to {}", shown(most)),
        (_, least, most) => format!("{} – {}", shown(least), shown(most)),
    }
}
