//! Changed files or SIGHUP → a new configuration with its tables, published for tasks to take up.
//!
//! Every change is loaded whole and checked before anyone sees it; what is not valid is reported problem by problem
//! and counted, and the old one stays. [`Reloaded`] holds what is in use: a task compares one number at a commit
//! boundary and takes the new [`Loaded`] when it has changed. Policies, lists, databases, named locations and output
//! switches can change; other keys keep the value they had and are reported as needing a restart.

mod files;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
pub use watch::{Timing, Watcher};

use super::people;
use super::tables::{self, TableFiles};
use crate::config::{self, Config, raw};
use crate::engine::decode::People;
use crate::engine::enrich::Tables;
use crate::engine::policy::EngineConfig;
use crate::render::RenderContext;
use files::Files;

/// Sections of the configuration that take effect without a restart.
const RELOADABLE: [&str; 7] =
    ["detections", "baseline", "exceptions", "policies", "named_locations", "tables", "output"];

/// Where the configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// `None`: the defaults, changed by the environment only.
    pub path: Option<PathBuf>,
    /// As it was when the program started.
    pub environment: BTreeMap<String, String>,
}

/// What a task works with, immutable.
pub struct Loaded {
    /// Counted from 1; 0 before it is published.
    pub generation: u64,
    /// Its `config_hash` covers the tables.
    pub engine: Arc<EngineConfig>,
    pub tables: Arc<Tables>,
    pub context: Arc<RenderContext>,
    /// As read at the start.
    people: Arc<People>,
    /// Keys as they were when the program started: those that cannot change still have these values.
    started: Arc<raw::File>,
    /// The tables' files, as they were just before they were read.
    files: Files,
}

impl Loaded {
    /// Reads the tables that `config` names.
    ///
    /// # Errors
    /// When one cannot be read or is no table; all that are wrong are named.
    pub fn new(config: &Config) -> anyhow::Result<Loaded> {
        let files = TableFiles::of(&config.tables);
        let seen = Files::look(&paths(&files));
        let tables = files.load()?;
        let mut engine = config.engine.clone();
        engine.emit_suppressed |= config.output.suppressed;
        engine.config_hash = people::mix(engine.config_hash, &config.input.decoder.people);
        engine.config_hash = config::mix(engine.config_hash, &tables.hash().to_le_bytes());
        let context = RenderContext {
            format: config.output.format,
            impossible_travel_name: config.output.impossible_travel_name,
            config_hash: engine.config_hash,
            geoip_builds: tables::builds(&tables),
            named_locations: files.named_locations.into_iter().map(|location| location.name).collect(),
        };
        Ok(Loaded {
            generation: 0,
            engine: Arc::new(engine),
            tables: Arc::new(tables),
            context: Arc::new(context),
            people: config.input.decoder.people.clone(),
            started: Arc::new(config.effective.clone()),
            files: seen,
        })
    }

    pub fn shadow_names(&self) -> impl Iterator<Item = &str> {
        self.engine.shadow_policies.iter().map(|shadow| shadow.scoped.name.as_str())
    }

    /// Whether a task would work in the same way with either. The hash covers the tables.
    fn is_same(&self, other: &Loaded) -> bool {
        self.engine == other.engine && self.context == other.context
    }
}

/// What is in use. Cheap to ask, from any thread.
pub struct Reloaded {
    generation: AtomicU64,
    current: Mutex<Arc<Loaded>>,
}

impl Reloaded {
    pub fn new(first: Loaded) -> Arc<Reloaded> {
        let first = Arc::new(Loaded { generation: 1, ..first });
        Arc::new(Reloaded { generation: AtomicU64::new(1), current: Mutex::new(first) })
    }

    pub fn current(&self) -> Arc<Loaded> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is in use, when it is newer than `generation`: one atomic read when it is not.
    pub fn newer_than(&self, generation: u64) -> Option<Arc<Loaded>> {
        (self.generation.load(Ordering::Acquire) > generation).then(|| self.current())
    }

    fn publish(&self, next: Loaded) -> Arc<Loaded> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let next = Arc::new(Loaded { generation: current.generation + 1, ..next });
        *current = next.clone();
        self.generation.store(next.generation, Ordering::Release);
        next
    }
}

/// What a reload came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The new generation.
    Applied(u64),
    Unchanged,
    /// Every problem; the old one stays.
    Refused(Vec<String>),
}

/// What a reload came to, and what to tell.
pub struct Report {
    pub outcome: Outcome,
    /// Changed keys that keep the value they had.
    pub restart_keys: Vec<String>,
    /// The files that were asked for, there or not, as they were just before they were read.
    files: Files,
}

/// Loads from `source` and publishes in `cell` what is new and valid.
pub fn reload(source: &Source, cell: &Reloaded) -> Report {
    let mut files = Files::look(source.path.as_slice());
    let running = cell.current();
    let mut config = match config::load(source.path.as_deref(), &source.environment) {
        Ok(config) => config,
        Err(problems) => {
            // The old tables stay in use, and their files are still to be watched.
            files.extend(running.files.clone());
            let lines = problems.problems.iter().map(ToString::to_string).collect();
            return Report { outcome: Outcome::Refused(lines), restart_keys: Vec::new(), files };
        }
    };
    files.extend(Files::look(&paths(&TableFiles::of(&config.tables))));
    let restart_keys = keep_started(&mut config, &running.started);
    config.input.decoder.people = running.people.clone();
    let outcome = match Loaded::new(&config) {
        Err(error) => Outcome::Refused(format!("{error:#}").lines().map(str::to_owned).collect()),
        Ok(next) if next.is_same(&running) => Outcome::Unchanged,
        Ok(next) => Outcome::Applied(cell.publish(Loaded { started: running.started.clone(), ..next }).generation),
    };
    Report { outcome, restart_keys, files }
}

fn paths(files: &TableFiles) -> Vec<PathBuf> {
    let databases = files.databases.iter().map(|(_, path)| path);
    databases.chain(files.lists.iter().map(|(_, path)| path)).cloned().collect()
}

/// Gives the keys that cannot change while running the values they started with, and names those that differ.
fn keep_started(config: &mut Config, started: &raw::File) -> Vec<String> {
    let mut keys = Vec::new();
    let (old, new) = (sections(started), sections(&config.effective));
    for (name, value) in new.iter().filter(|(name, _)| !RELOADABLE.contains(&name.as_str())) {
        differences(name, old.get(name).unwrap_or(&Value::Null), value, &mut keys);
    }
    let engine = &mut config.engine;
    config.effective.engine = started.engine.clone();
    config.effective.input = started.input.clone();
    config.effective.mappings = started.mappings.clone();
    config.effective.identity = started.identity.clone();
    engine.lateness_horizon_s = started.engine.lateness_horizon_s;
    engine.hindsight_s = started.engine.hindsight_s;
    engine.hot_users_max = started.engine.hot_users_max as usize;
    engine.users_max = started.engine.users_max as usize;
    engine.config_hash = config::hash(&config.effective);
    // Their topic is looked at when the program starts, if there are any then.
    if !started.policies.iter().any(|policy| policy.shadow) && !engine.shadow_policies.is_empty() {
        engine.shadow_policies.clear();
        keys.push("policies.shadow".to_owned());
    }
    keys
}

/// The configuration as a map of its sections.
fn sections(file: &raw::File) -> serde_json::Map<String, Value> {
    match serde_json::to_value(file) {
        Ok(Value::Object(sections)) => sections,
        // The file's shape is an object of plain values.
        _ => serde_json::Map::new(),
    }
}

/// Paths of the keys whose values differ. The values are not said: some are secrets.
fn differences(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let removed = old.keys().filter(|key| !new.contains_key(*key));
            for key in new.keys().chain(removed) {
                let (old, new) = (old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null));
                differences(&format!("{path}.{key}"), old, new, found);
            }
        }
        (old, new) if old != new => found.push(path.to_owned()),
        _ => {}
    }
}
