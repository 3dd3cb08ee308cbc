//! YAML and environment → a tree of values that know where they come from.
//!
//! The tree is generic: it knows no key. Text that the environment gave is [`Value::Loose`] or [`Value::Mixed`]: it has
//! no YAML type of its own, so the schema decides whether it is a number, a switch or a list. Depth and size are bounded by
//! [`DEPTH_MAX`] and the parser's own budget against hostile aliases.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::Spanned;

use super::Setting;
use super::problem::{Origin, Problem};

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 32;

/// Variables of this form override a key: `FARSIGN_OUTPUT__SUPPRESSED` is `output.suppressed`.
const OVERRIDE_PREFIX: &str = "FARSIGN_";
const OVERRIDE_SEPARATOR: &str = "__";

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    /// Text from the environment, and nothing else.
    Loose(String),
    /// Text of the file with parts from the environment.
    Mixed(String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            Value::List(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        }
    }

    pub(super) fn find(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Where the node at `path` comes from, or the nearest node above it.
    pub(super) fn origin_of(&self, path: &[&str]) -> Origin {
        let mut node = self;
        for key in path {
            match node.get(key) {
                Some(next) => node = next,
                None => break,
            }
        }
        node.origin.clone()
    }
}

pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let options = serde_saphyr::options! {
        // Only true and false are switches: a country called NO stays text.
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: DEPTH_MAX, max_documents: 1 },
    };
    let value = match serde_saphyr::from_str_with_options::<Value>(text, options) {
        Ok(Value::Null) => Value::Table(Vec::new()),
        Ok(value) => value,
        Err(error) => {
            let origin = error.location().map_or(Origin::File, |location| Origin::Line(location.line()));
            return Err(Problem {
                origin,
                path: String::new(),
                message: format!("is not valid YAML: {}", cause(&error)),
            });
        }
    };
    Ok(Node { origin: Origin::File, value })
}

/// The parser's own words, without the place (it is the problem's origin) and advice to programmers.
fn cause(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    text.split(", set DuplicateKeyPolicy").next().unwrap_or_default().to_owned()
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        struct AnyValue;

        impl<'de> Visitor<'de> for AnyValue {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
                Value::deserialize(deserializer)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Number(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(Value::Number(value.into()))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
                Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number must be finite"))
            }

            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element::<Spanned<Value>>()? {
                    list.push(Node { origin: Origin::Line(item.referenced.line()), value: item.value });
                }
                Ok(Value::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
                let mut table = Vec::new();
                while let Some(key) = entries.next_key::<Spanned<String>>()? {
                    // The key's line, not the value's: a table's value begins on the next one.
                    let origin = Origin::Line(key.referenced.line());
                    table.push((key.value, Node { origin, value: entries.next_value()? }));
                }
                Ok(Value::Table(table))
            }
        }

        deserializer.deserialize_any(AnyValue)
    }
}

/// Replaces `${NAME}` in every text value, and `$${` by `${`.
pub(super) fn expand(root: &mut Node, environment: &BTreeMap<String, String>, problems: &mut Vec<Problem>) {
    expand_below(root, &mut Vec::new(), environment, problems);
}

fn expand_below(
    node: &mut Node,
    path: &mut Vec<String>,
    environment: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) {
    match &mut node.value {
        Value::Table(entries) => {
            for (key, child) in entries {
                path.push(key.clone());
                expand_below(child, path, environment, problems);
                path.pop();
            }
        }
        Value::List(items) => {
            for (index, child) in items.iter_mut().enumerate() {
                path.push(index.to_string());
                expand_below(child, path, environment, problems);
                path.pop();
            }
        }
        Value::Text(text) if text.contains("${") => match expanded(text, environment) {
            Ok((text, Source::Environment)) => node.value = Value::Loose(text),
            Ok((text, Source::Both)) => node.value = Value::Mixed(text),
            Ok((text, Source::File)) => node.value = Value::Text(text),
            Err(message) => {
                problems.push(Problem { origin: node.origin.clone(), path: path.join("."), message });
            }
        },
        _ => {}
    }
}

/// What a text is made of.
enum Source {
    File,
    Environment,
    Both,
}

/// The text with its variables replaced.
fn expanded(text: &str, environment: &BTreeMap<String, String>) -> Result<(String, Source), String> {
    let mut result = String::new();
    let (mut literal, mut any) = (false, false);
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            result.push_str(before);
            result.push_str("${");
            literal = true;
            rest = &from[2..];
            continue;
        }
        let Some(end) = from.find('}') else { return Err(format!("`{text}` opens `${{` and never closes it")) };
        let name = &from[2..end];
        let value = environment.get(name).ok_or_else(|| format!("environment variable `{name}` is not set"))?;
        result.push_str(before);
        result.push_str(value);
        literal |= !before.is_empty();
        any = true;
        rest = &from[end + 1..];
    }
    result.push_str(rest);
    literal |= !rest.is_empty();
    let source = match (any, literal) {
        (false, _) => Source::File,
        (true, false) => Source::Environment,
        (true, true) => Source::Both,
    };
    Ok((result, source))
}

/// Sets the keys that `FARSIGN_SECTION__KEY` variables name. Variables without `__` are none of ours: container
/// platforms put addresses of a service called "farsign" under `FARSIGN_…`.
pub(super) fn apply_overrides(
    root: &mut Node,
    environment: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) {
    for (name, value) in environment {
        let Some(rest) = name.strip_prefix(OVERRIDE_PREFIX) else { continue };
        if !rest.contains(OVERRIDE_SEPARATOR) {
            continue;
        }
        let rest = rest.to_lowercase();
        let path: Vec<&str> = rest.split(OVERRIDE_SEPARATOR).take(DEPTH_MAX).collect();
        let leaf = Node { origin: Origin::Variable(name.clone()), value: Value::Loose(value.clone()) };
        if let Err(message) = set(root, &path, leaf) {
            problems.push(Problem { origin: Origin::Variable(name.clone()), path: path.join("."), message });
        }
    }
}

/// Sets the keys that a command names.
pub(super) fn apply_settings(root: &mut Node, settings: &[Setting], problems: &mut Vec<Problem>) {
    for setting in settings {
        let origin = Origin::Setting(setting.to_string());
        let path: Vec<&str> = setting.key.split('.').take(DEPTH_MAX).collect();
        let leaf = Node { origin: origin.clone(), value: Value::Loose(setting.value.clone()) };
        if let Err(message) = set(root, &path, leaf) {
            problems.push(Problem { origin, path: setting.key.clone(), message });
        }
    }
}

fn set(node: &mut Node, path: &[&str], leaf: Node) -> Result<(), String> {
    let Some((key, rest)) = path.split_first() else {
        *node = leaf;
        return Ok(());
    };
    if let Value::Null = node.value {
        node.value = Value::Table(Vec::new());
    }
    let Value::Table(entries) = &mut node.value else {
        return Err(
            "only keys of sections can be set from outside the file, not parts of a list or value".to_owned()
        );
    };
    match entries.iter_mut().find(|(name, _)| name == key) {
        Some((_, child)) => set(child, rest, leaf),
        None => {
            let mut child = Node { origin: leaf.origin.clone(), value: Value::Null };
            set(&mut child, rest, leaf)?;
            entries.push(((*key).to_owned(), child));
            Ok(())
        }
    }
}
