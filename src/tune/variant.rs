//! A configuration that is tried: the base with settings over it, or a file of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Plan;
use crate::config::{self, Config, ConfigProblems, Setting};
use crate::runtime::people;

/// Sections that variants may differ in. All else is done once for all of them, before they judge.
const OF_VARIANTS: [&str; 5] = ["detections", "baseline", "exceptions", "policies", "engine"];

/// One configuration.
#[derive(Clone, Debug)]
pub struct Variant {
    pub name: String,
    /// What it sets over the base; empty for a file of its own.
    pub settings: Vec<Setting>,
    pub config: Config,
}

impl Built {
    /// Reads the list of accounts once: all variants share it.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn load_people(&mut self) -> anyhow::Result<()> {
        let Some((base, others)) = self.variants.split_first_mut() else { return Ok(()) };
        people::load(&mut base.config)?;
        for variant in others {
            variant.config.input.decoder.people = base.config.input.decoder.people.clone();
        }
        Ok(())
    }
}

/// Why there are no variants.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A variant's configuration has problems.
    #[error("{told} is not valid\n{problems}")]
    Config { told: String, problems: ConfigProblems },
    /// Variants share one decoded stream.
    #[error("variant `{name}` differs from the base in {keys}, which all variants share; allowed: {}", OF_VARIANTS.join(", "))]
    Shared { name: String, keys: String },
    #[error("`{name}` is the name of two variants")]
    SameName { name: String },
}

/// What a plan comes to.
#[derive(Clone, Debug)]
pub struct Built {
    /// The base first; of those that judge alike, the first.
    pub variants: Vec<Variant>,
    /// Names of those left out, each with that of the one it is like.
    pub alike: Vec<(String, String)>,
}

/// The base, from its file (none: the defaults), and its variants.
///
/// # Errors
/// The first configuration that is none.
pub fn build(
    base: Option<&Path>,
    environment: &BTreeMap<String, String>,
    plan: &Plan,
    files: &[PathBuf],
) -> Result<Built, Refused> {
    let of = |name: &str, told: &str, text: &str, settings: &[Setting]| {
        let config = config::parse_with(text, environment, settings);
        let config = config.map_err(|problems| Refused::Config { told: told.to_owned(), problems })?;
        Ok(Variant { name: name.to_owned(), settings: settings.to_vec(), config })
    };
    let told = base.map_or("the configuration".to_owned(), told_of);
    let text = base.map_or(Ok(String::new()), read)?;
    let mut variants = vec![of("base", &told, &text, &[])?];
    let mut alike = Vec::new();
    let mut names: BTreeSet<String> = BTreeSet::from(["base".to_owned()]);
    let planned =
        plan.variants.iter().map(|(name, settings)| of(name, &format!("variant `{name}`"), &text, settings));
    let read = files.iter().map(|path| {
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        of(&name, &told_of(path), &read(path)?, &[])
    });
    for variant in planned.chain(read) {
        let variant = variant?;
        let keys = shared_keys(&variants[0].config, &variant.config);
        if !keys.is_empty() {
            return Err(Refused::Shared { name: variant.name, keys: keys.join(", ") });
        }
        if !names.insert(variant.name.clone()) {
            return Err(Refused::SameName { name: variant.name });
        }
        match variants.iter().find(|other| judges_like(other, &variant)) {
            Some(other) => alike.push((variant.name, other.name.clone())),
            None => variants.push(variant),
        }
    }
    Ok(Built { variants, alike })
}

fn read(path: &Path) -> Result<String, Refused> {
    config::read(path).map_err(|problems| Refused::Config { told: told_of(path), problems })
}

fn told_of(path: &Path) -> String {
    format!("`{}`", path.display())
}

/// Same hash: same verdicts, but for how much is kept for speed.
fn judges_like(one: &Variant, other: &Variant) -> bool {
    let (one, other) = (&one.config.engine, &other.config.engine);
    one == other || one.config_hash == other.config_hash
}

/// Keys outside of [`OF_VARIANTS`] in which the two differ.
fn shared_keys(base: &Config, variant: &Config) -> Vec<String> {
    let tree = |config: &Config| serde_json::to_value(&config.effective).unwrap_or_default();
    let (base, variant) = (tree(base), tree(variant));
    let empty = serde_json::Map::new();
    let sections = base.as_object().unwrap_or(&empty);
    let differs = |key: &&String| !OF_VARIANTS.contains(&key.as_str()) && sections[*key] != variant[key.as_str()];
    let mut keys = Vec::new();
    for section in sections.keys().filter(differs) {
        match (&sections[section], &variant[section]) {
            (Value::Object(before), Value::Object(now)) => {
                let changed = before.keys().filter(|key| before[*key] != now[key.as_str()]);
                keys.extend(changed.map(|key| format!("{section}.{key}")));
            }
            _ => keys.push(section.clone()),
        }
    }
    keys
}
