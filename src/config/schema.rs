//! Tree × JSON Schema → plain JSON of what is valid, and every problem of what is not.
//!
//! It follows the keywords that schemars writes for [`raw`](super::raw), listed in `KEYWORDS`; a test holds the
//! schema to that list, and another holds this check against the `jsonschema` crate. Own code, because no
//! validator knows lines, nearest keys, or values from the environment. A wrong value is left out of the result, or
//! stood in for, so that the rest can be judged in the same run.

use serde_json::{Map, Value as Json};

use super::problem::Problem;
use super::tree::{Node, Value};

/// Keywords that this check follows or that say nothing about validity.
#[cfg(test)]
pub(super) const KEYWORDS: [&str; 18] = [
    "$schema",
    "title",
    "description",
    "default",
    "type",
    "properties",
    "additionalProperties",
    "required",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "enum",
    "format",
    // For other validators: it says what one of our formats means, which is what is checked here.
    "pattern",
];

/// Longest piece of a value that a message repeats, in characters.
const SHOWN_LENGTH_MAX: usize = 60;

/// The valid part of `root`. It is an object even when the file is not.
pub(super) fn check(root: &Node, schema: &Json, problems: &mut Vec<Problem>) -> Json {
    let mut check = Check { problems, path: Vec::new() };
    check.node(root, schema).unwrap_or_else(|| Json::Object(Map::new()))
}

struct Check<'a> {
    problems: &'a mut Vec<Problem>,
    path: Vec<String>,
}

impl Check<'_> {
    fn problem(&mut self, node: &Node, message: String) {
        self.problems.push(Problem { origin: node.origin.clone(), path: self.path.join("."), message });
    }

    fn below<T>(&mut self, key: &str, run: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(key.to_owned());
        let result = run(self);
        self.path.pop();
        result
    }

    fn node(&mut self, node: &Node, schema: &Json) -> Option<Json> {
        match &node.value {
            // A section with nothing in it, or a key without value: the default.
            Value::Null if allows(schema, "null") || allows(schema, "object") => None,
            Value::Table(entries) if allows(schema, "object") => self.table(node, entries, schema),
            Value::List(items) if allows(schema, "array") => self.list(node, items.iter(), schema),
            Value::Loose(text) | Value::Mixed(text) if allows(schema, "array") => {
                let loose =
                    |part: &str| Node { origin: node.origin.clone(), value: Value::Loose(part.trim().to_owned()) };
                let items: Vec<Node> = text.split(',').filter(|part| !part.trim().is_empty()).map(loose).collect();
                self.list(node, items.iter(), schema)
            }
            _ => self.scalar(node, schema),
        }
    }

    fn table(&mut self, node: &Node, entries: &[(String, Node)], schema: &Json) -> Option<Json> {
        let empty = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&empty);
        // A section with keys of its user's: any key, values of one kind.
        let any_key = schema.get("additionalProperties").filter(|schema| schema.is_object());
        let mut result = Map::new();
        for (key, child) in entries {
            match properties.get(key).or(any_key) {
                Some(schema) => {
                    if let Some(value) = self.below(key, |check| check.node(child, schema)) {
                        result.insert(key.clone(), value);
                    }
                }
                None => {
                    let message = match only_place_below(schema, key) {
                        Some(place) => format!("unknown key; did you mean `{place}`?"),
                        None => unknown_key(key, properties.keys().map(String::as_str)),
                    };
                    self.below(key, |check| check.problem(child, message));
                }
            }
        }
        for key in required(schema) {
            if !entries.iter().any(|(name, _)| name == key) {
                self.problem(node, format!("the key `{key}` is missing"));
            }
            result.entry(key).or_insert(STAND_IN);
        }
        Some(Json::Object(result))
    }

    fn list<'n>(
        &mut self,
        node: &Node,
        items: impl ExactSizeIterator<Item = &'n Node>,
        schema: &Json,
    ) -> Option<Json> {
        let count = items.len() as u64;
        let least = schema["minItems"].as_u64().unwrap_or(0);
        let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
        if count < least || count > most {
            let allowed = if least == most { least.to_string() } else { format!("{least} to {most}") };
            self.problem(node, format!("has {count} entries; allowed: {allowed}"));
        }
        let mut result = Vec::new();
        for (index, item) in items.enumerate() {
            let value = self.below(&index.to_string(), |check| match item.value {
                // In a list there is no default to fall back to.
                Value::Null => check.scalar(item, &schema["items"]),
                _ => check.node(item, &schema["items"]),
            });
            // A wrong section keeps its place, so that later ones keep their index.
            result.extend(value.or_else(|| stand_in(&schema["items"])));
        }
        ((least..=most).contains(&(result.len() as u64))).then_some(Json::Array(result))
    }

    fn scalar(&mut self, node: &Node, schema: &Json) -> Option<Json> {
        if schema["format"] == "secret" {
            return self.secret(node);
        }
        let value = typed(&node.value, schema).filter(|value| in_bounds(value, schema));
        if value.is_none() {
            let message = format!("`{}` is not allowed; allowed: {}", shown(&node.value), allowed(schema));
            self.problem(node, message);
        }
        value
    }

    /// Only from the environment as a whole; what was found is not shown.
    fn secret(&mut self, node: &Node) -> Option<Json> {
        match &node.value {
            Value::Loose(text) if !text.is_empty() => return Some(Json::from(text.as_str())),
            Value::Loose(_) => self.problem(node, "the environment variable is empty".to_owned()),
            // A variable that is not set has been reported.
            _ if self.problems.iter().any(|problem| problem.path == self.path.join(".")) => {}
            _ => {
                let key = self.path.last().cloned().unwrap_or_default();
                let message = format!(
                    "a secret cannot stand in the file; write `${{NAME}}` with the name of an environment variable, \
                     or use `{key}_file`"
                );
                self.problem(node, message);
            }
        }
        None
    }
}

/// Stands for a required key that is missing or wrong, which has been reported. Required keys are texts.
const STAND_IN: Json = Json::String(String::new());

fn required(schema: &Json) -> impl Iterator<Item = &str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str)
}

fn stand_in(schema: &Json) -> Option<Json> {
    let keys = required(schema).map(|key| (key.to_owned(), STAND_IN));
    allows(schema, "object").then(|| Json::Object(keys.collect()))
}

/// Whether `schema` takes values of this JSON type.
fn allows(schema: &Json, name: &str) -> bool {
    match &schema["type"] {
        Json::String(only) => only == name,
        Json::Array(several) => several.iter().any(|one| one == name),
        _ => false,
    }
}

/// The scalar as JSON of a type that the schema takes. Loose text is read as that type.
fn typed(value: &Value, schema: &Json) -> Option<Json> {
    match value {
        Value::Bool(switch) if allows(schema, "boolean") => Some(Json::from(*switch)),
        Value::Number(number) if allows(schema, "number") => Some(Json::Number(number.clone())),
        Value::Number(number) if allows(schema, "integer") => {
            // 7.0 is an integer, as in JSON Schema; 7.5 is none.
            let whole = number.as_u64().or_else(|| {
                let float = number.as_f64()?;
                (float.fract() == 0.0 && (0.0..=u32::MAX.into()).contains(&float)).then_some(float as u64)
            });
            whole.map(Json::from).or_else(|| number.as_i64().map(Json::from))
        }
        Value::Text(text) | Value::Loose(text) | Value::Mixed(text) if allows(schema, "string") => {
            Some(Json::from(text.as_str()))
        }
        Value::Loose(text) | Value::Mixed(text) => {
            let value = match text.trim() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                text => Value::Number(serde_json::from_str(text).ok()?),
            };
            typed(&value, schema)
        }
        _ => None,
    }
}

fn in_bounds(value: &Json, schema: &Json) -> bool {
    let bound = |name: &str| schema[name].as_f64();
    let in_range = |number: f64, least: &str, most: &str| {
        bound(least).is_none_or(|least| number >= least) && bound(most).is_none_or(|most| number <= most)
    };
    let listed = schema["enum"].as_array().is_none_or(|members| members.contains(value));
    listed
        && match value {
            Json::Number(number) => number.as_f64().is_some_and(|number| in_range(number, "minimum", "maximum")),
            Json::String(text) => {
                in_range(text.chars().count() as f64, "minLength", "maxLength")
                    && schema["format"].as_str().is_none_or(|format| has_format(text, format))
            }
            _ => true,
        }
}

/// Our own formats; JSON Schema leaves unknown ones to the program.
fn has_format(text: &str, format: &str) -> bool {
    match format {
        "network" => super::valid::network(text).is_some(),
        "json-pointer" => crate::engine::decode::parse_pointer(text).is_some(),
        "country" => crate::engine::facts::CountryCode::parse(text).is_some(),
        "server" => is_server(text),
        "listen" => text.parse::<std::net::SocketAddr>().is_ok(),
        "name" => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            ![".", ".."].contains(&text) && text.chars().all(plain)
        }
        _ => true,
    }
}

/// host:port; an IPv6 address stands in brackets.
fn is_server(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let host_fits = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)),
    };
    host_fits && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// What a schema takes, in words.
fn allowed(schema: &Json) -> String {
    if let Some(members) = schema["enum"].as_array() {
        let names: Vec<String> = members.iter().map(|member| member.to_string().replace('"', "`")).collect();
        return names.join(", ");
    }
    let range = |least: &Json, most: &Json| match (least.as_f64(), most.as_f64()) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" of at least {least}"),
        (None, Some(most)) => format!(" of at most {most}"),
        (None, None) => String::new(),
    };
    let numbers = range(&schema["minimum"], &schema["maximum"]);
    match schema["format"].as_str() {
        Some("network") => return "an address, or a network as address/length".to_owned(),
        Some("country") => return "a country as two letters (ISO 3166-1 alpha-2)".to_owned(),
        Some("json-pointer") => return "a JSON pointer as /key/key".to_owned(),
        Some("server") => return "a server as host:port".to_owned(),
        Some("listen") => return "an address as address:port".to_owned(),
        Some("name") => return "a name of at most 249 letters, digits, `.`, `_` and `-`".to_owned(),
        _ => {}
    }
    if allows(schema, "boolean") && allows(schema, "string") {
        let number = if allows(schema, "number") { "a number" } else { "a whole number" };
        let list = if allows(schema, "array") { ", or a list of these" } else { "" };
        format!("text, {number}, true, false{list}")
    } else if allows(schema, "boolean") {
        "true, false".to_owned()
    } else if allows(schema, "integer") {
        format!("a whole number{numbers}")
    } else if allows(schema, "number") {
        format!("a number{numbers}")
    } else if allows(schema, "string") {
        format!(
            "text{}",
            match range(&schema["minLength"], &schema["maxLength"]).as_str() {
                "" => String::new(),
                lengths => format!(" with a length{lengths}"),
            }
        )
    } else if allows(schema, "array") {
        "a list".to_owned()
    } else {
        "a section with keys".to_owned()
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(switch) => switch.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) | Value::Loose(text) | Value::Mixed(text) => text.escape_debug().to_string(),
        Value::List(_) => "a list".to_owned(),
        Value::Table(_) => "a section".to_owned(),
    };
    match text.char_indices().nth(SHOWN_LENGTH_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The path below `schema` that ends with this key, if there is one and no other: its section may have been left out.
fn only_place_below(schema: &Json, key: &str) -> Option<String> {
    fn places(schema: &Json, key: &str, path: &str, found: &mut Vec<String>) {
        for (name, below) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            places(below, key, &path, found);
            if name == key {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    places(schema, key, "", &mut found);
    if found.len() == 1 { found.pop() } else { None }
}

/// Names the nearest key when one is near enough to be meant, or is a longer or shorter form of it.
pub(super) fn unknown_key<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> String {
    const NEAR: f64 = 0.75;
    let nearest = known
        .map(|known| {
            let key = key.to_lowercase();
            let form = !key.is_empty() && (known.starts_with(&key) || key.starts_with(known));
            (strsim::normalized_damerau_levenshtein(&key, known).max(if form { NEAR } else { 0.0 }), known)
        })
        .filter(|(nearness, _)| *nearness >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, known)) => format!("unknown key; did you mean `{known}`?"),
        None => "unknown key".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A keyword that this check does not follow would be a promise in the published schema that nobody keeps.
    #[test]
    fn the_schema_uses_only_keywords_that_are_checked() {
        fn keywords<'s>(schema: &'s Json, found: &mut Vec<&'s str>) {
            let Some(map) = schema.as_object() else { return };
            found.extend(map.keys().map(String::as_str));
            map.get("properties").and_then(Json::as_object).into_iter().flatten().for_each(|(_, below)| {
                keywords(below, found);
            });
            for below in ["items", "additionalProperties"].iter().filter_map(|keyword| map.get(*keyword)) {
                keywords(below, found);
            }
            assert!(
                !map.contains_key("pattern") || map.contains_key("format"),
                "a pattern explains a format: {map:?}"
            );
        }
        let schema = super::super::raw::schema();
        let mut found = Vec::new();
        keywords(&schema, &mut found);
        found.sort_unstable();
        found.dedup();
        let unknown: Vec<&str> = found.iter().copied().filter(|keyword| !KEYWORDS.contains(keyword)).collect();
        assert!(unknown.is_empty(), "not followed: {unknown:?}");
        assert!(found.contains(&"maximum") && found.contains(&"enum") && found.contains(&"format"));
    }
}
