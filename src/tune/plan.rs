//! Which variants are tried: from files, from a grid of settings, or a random sample of one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use super::values::Values;
use crate::config::{self, ConfigProblems, Setting};

/// Variants of one run, the base apart.
pub const VARIANTS_MAX: usize = 1_000;
/// Characters of a variant's name.
const NAME_LENGTH_MAX: usize = 200;
/// Draws for each variant asked for, before a grid counts as drawn empty.
const DRAWS_EACH: usize = 100;

/// What a tune file holds.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// Keys and the values that each is tried with; every combination is a variant.
    #[serde(default)]
    pub grid: BTreeMap<String, Text>,
    /// So many combinations of the grid, drawn by chance, instead of all.
    #[schemars(with = "Draw")]
    #[serde(default)]
    pub sample: Option<Draw>,
    /// Variants by name.
    #[serde(default)]
    pub variants: Vec<Named>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Named {
    #[schemars(length(min = 1, max = NAME_LENGTH_MAX))]
    pub name: String,
    #[serde(default)]
    pub settings: BTreeMap<String, Text>,
}

/// How a sample is drawn.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Draw {
    #[schemars(range(min = 1, max = VARIANTS_MAX))]
    pub count: usize,
    /// The same seed draws the same variants.
    #[serde(default)]
    pub seed: u64,
}

/// A scalar of YAML, or a list of them, as text.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(from = "Value")]
pub struct Text(pub String);

impl From<Value> for Text {
    /// Of what [`JsonSchema`] lets pass.
    fn from(value: Value) -> Text {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            // 1, not 1.0.
            Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
            other => other.to_string(),
        };
        Text(match &value {
            Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
            one => text(one),
        })
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["boolean", "number", "string", "array"],
            "items": {"type": ["boolean", "number", "string"]},
        })
    }
}

/// What is tried, base apart: names, and what each sets over the base.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub variants: Vec<(String, Vec<Setting>)>,
}

impl Plan {
    /// Reads a tune file.
    ///
    /// # Errors
    /// Every problem, with its line: when it is not valid YAML, or has keys or values that are not known.
    pub fn read(text: &str) -> Result<PlanFile, ConfigProblems> {
        config::parse_as(text)
    }

    /// The variants of `file`, with `grid` (`KEY=VALUES`) beside the file's own.
    ///
    /// # Errors
    /// Every problem: settings that cannot be read, a key twice, no variants, or too many.
    pub fn new(file: &PlanFile, grid: &[String]) -> Result<Plan, Vec<String>> {
        let mut problems = Vec::new();
        let mut keys: BTreeMap<String, Values> = BTreeMap::new();
        let of_file =
            file.grid.iter().map(|(key, values)| (key.as_str(), values.0.as_str(), format!("grid.{key}")));
        let of_arguments = grid.iter().map(|text| {
            let (key, values) = text.split_once('=').unwrap_or((text, ""));
            (key.trim(), values, format!("`{text}`"))
        });
        for (key, values, origin) in of_file.chain(of_arguments) {
            match values.parse() {
                Ok(_) if keys.contains_key(key) => problems.push(format!("{origin}: `{key}` is set twice")),
                Ok(values) => drop(keys.insert(key.to_owned(), values)),
                Err(_) if values.is_empty() => {
                    problems.push(format!(
                        "{origin}: expected KEY=VALUES, as in detections.new_country.min_bits=4..8:1"
                    ));
                }
                Err(error) => problems.push(format!("{origin}: {error}")),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let combined = match file.sample {
            Some(draw) => sampled(&keys, draw),
            None => all(&keys),
        };
        let mut variants = combined.map_err(|problem| vec![problem])?;
        for Named { name, settings } in &file.variants {
            let setting = |(key, value): (&String, &Text)| Setting { key: key.clone(), value: value.0.clone() };
            variants.push((name.clone(), settings.iter().map(setting).collect()));
        }
        if variants.len() > VARIANTS_MAX {
            return Err(vec![too_many(variants.len())]);
        }
        Ok(Plan { variants })
    }
}

fn too_many(count: usize) -> String {
    format!("{count} variants; at most {VARIANTS_MAX} are tried: name fewer values, or draw a sample")
}

/// What the settings are called: without what all keys of detections begin with.
fn name(settings: &[Setting]) -> String {
    let short = |setting: &Setting| setting.to_string().trim_start_matches("detections.").to_owned();
    settings.iter().map(short).collect::<Vec<_>>().join(" ")
}

fn all(keys: &BTreeMap<String, Values>) -> Result<Vec<(String, Vec<Setting>)>, String> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut combinations: Vec<Vec<Setting>> = vec![Vec::new()];
    for (key, values) in keys {
        let Values::Listed(values) = values else {
            return Err(format!(
                "`{key}` is a range without a step: name one (LOW..HIGH:STEP), or draw a `sample`"
            ));
        };
        if combinations.len() * values.len() > VARIANTS_MAX {
            return Err(too_many(combinations.len() * values.len()));
        }
        let with = |before: &Vec<Setting>| -> Vec<Vec<Setting>> {
            let one = |value: &String| {
                [before.clone(), vec![Setting { key: key.clone(), value: value.clone() }]].concat()
            };
            values.iter().map(one).collect()
        };
        combinations = combinations.iter().flat_map(with).collect();
    }
    Ok(combinations.into_iter().map(|settings| (name(&settings), settings)).collect())
}

/// Draws combinations, each once.
fn sampled(keys: &BTreeMap<String, Values>, draw: Draw) -> Result<Vec<(String, Vec<Setting>)>, String> {
    if keys.is_empty() {
        return Err("`sample` draws from `grid`, which is empty".to_owned());
    }
    let mut random = ChaCha8Rng::seed_from_u64(draw.seed);
    let mut seen = BTreeSet::new();
    let mut drawn = Vec::new();
    for _ in 0..draw.count * DRAWS_EACH {
        let one =
            |(key, values): (&String, &Values)| Setting { key: key.clone(), value: values.draw(&mut random) };
        let settings: Vec<Setting> = keys.iter().map(one).collect();
        let name = name(&settings);
        if seen.insert(name.clone()) {
            drawn.push((name, settings));
        }
        if drawn.len() == draw.count {
            break;
        }
    }
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(file: &str, grid: &[&str]) -> Result<Vec<String>, Vec<String>> {
        let file = Plan::read(file).map_err(|problems| vec![problems.to_string()])?;
        let grid: Vec<String> = grid.iter().map(|text| (*text).to_owned()).collect();
        Ok(Plan::new(&file, &grid)?.variants.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn every_combination_is_a_variant_in_the_order_of_keys_and_values() {
        let found = names("", &["detections.b=1..2:1", "baseline.a=x,y"]).expect("a grid");
        assert_eq!(found, ["baseline.a=x b=1", "baseline.a=x b=2", "baseline.a=y b=1", "baseline.a=y b=2"]);
        let file = "grid: {detections.b: [1, 2]}\nvariants:\n  - name: calm\n    settings: {detections.c: true}\n";
        assert_eq!(names(file, &[]).expect("a plan"), ["b=1", "b=2", "calm"]);
        assert_eq!(names("", &[]).expect("no plan"), [""; 0]);
    }

    #[test]
    fn a_sample_is_drawn_once_each_and_the_same_again() {
        let file = "grid: {a: 0..1000, b: 0.5..2.5}\nsample: {count: 20, seed: 7}";
        let first = names(file, &[]).expect("a sample");
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 20);
        assert_eq!(names(file, &[]).expect("a sample"), first);
        assert_ne!(names(&file.replace("seed: 7", "seed: 8"), &[]).expect("a sample"), first);
        let small = names("grid: {a: [1, 2]}\nsample: {count: 20}", &[]).expect("a sample");
        assert_eq!(small.len(), 2, "there are no more");
    }

    #[test]
    fn what_is_no_plan_is_told() {
        for (file, grid, told) in [
            ("", vec!["detections.a"], "expected KEY=VALUES"),
            ("", vec!["a=1", "a=2"], "set twice"),
            ("grid: {a: 1..9}", vec![], "a range without a step"),
            ("grid: {a: 1..9:1}", vec!["b=1..999:1"], "at most 1000"),
            ("sample: {count: 5}", vec![], "which is empty"),
            ("grid: {a: 1..9}\nsample: {count: 0}", vec![], "allowed: a whole number from 1 to 1000"),
            ("grids: {}", vec![], "line 1: grids: unknown key; did you mean `grid`?"),
            ("sample: {cuont: 5}", vec![], "sample.cuont: unknown key; did you mean `count`?"),
            ("sample: {cuont: 5}", vec![], "the key `count` is missing"),
            (
                "grid:\n  a: {b: 1}",
                vec![],
                "line 2: grid.a: `a section` is not allowed; allowed: text, a number, true, false, or a list of these",
            ),
            (
                "grid: {a: [[1]]}",
                vec![],
                "grid.a.0: `a list` is not allowed; allowed: text, a number, true, false",
            ),
            ("variants: [{name: a, settings: {b: {c: 1}}}]", vec![], "variants.0.settings.b: `a section`"),
            ("variants: [{name: \"\", settings: {b: 1}}]", vec![], "variants.0.name: `` is not allowed"),
        ] {
            let problems = names(file, &grid).expect_err(file).join("; ");
            assert!(problems.contains(told), "{file}: {problems}");
        }
    }
}
