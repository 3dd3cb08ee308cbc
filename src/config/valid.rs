//! Raw sections → valid values, and the checks that see more than one key.
//!
//! The schema has already judged every single value; here keys are held against each other, policies inherit, and
//! the configuration hash is taken. Nothing is read from disk: whether a table exists is the runtime's question.

mod kafka;
mod reading;
mod run;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::problem::{Origin, Problem};
use super::tree::Node;
use super::{Config, NamedLocationConfig, OutputConfig, ReplayConfig, TablesConfig, raw};
use crate::engine::facts::{CountryCode, ListKind};
use crate::engine::finding::RiskEventType;
use crate::engine::hash::{Seed, hash32};
use crate::engine::policy::{
    EngineConfig, Exception, Policy, REVIEW_AHEAD_S, REVIEW_EVERY_S, SHADOW_POLICIES_MAX, ScopedPolicy,
    ShadowPolicy,
};
use crate::render::{ImpossibleTravelName, OutputFormat};

/// Detections that an exception can silence: those about a sign-in.
pub(super) fn exceptable() -> impl Iterator<Item = RiskEventType> {
    RiskEventType::ALL.into_iter().filter(|kind| *kind != RiskEventType::AdminConfirmedUserCompromised)
}

/// An address, or a network as address/length; host bits are cleared.
pub(super) fn network(text: &str) -> Option<(IpAddr, u8)> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some((address, if address.is_ipv4() { 32 } else { 128 }));
    }
    let network = text.parse::<ipnet::IpNet>().ok()?.trunc();
    Some((network.addr(), network.prefix_len()))
}

/// `None` only when the schema let something through that serde refuses; that is reported, too.
pub(super) fn build(cleaned: &Value, tree: &Node, problems: &mut Vec<Problem>) -> Option<Config> {
    let mut build = Build { tree, problems };
    let mut file: raw::File = build.read(cleaned.clone())?;
    let default_policy = build.policy(&file.detections, &[(&file.exceptions, "exceptions".to_owned())], "");
    let mut policies = Vec::new();
    for index in 0..file.policies.len() {
        policies.push(build.scoped_policy(&mut file, index)?);
    }
    build.unique_names("policies", file.policies.iter().map(|policy| &policy.name));
    let (scoped_policies, shadow_policies) = build.shadows_apart(&file, policies);
    build.unique_names("named_locations", file.named_locations.iter().map(|location| &location.name));
    let named_locations = build.named_locations(&file.named_locations);
    let engine = EngineConfig {
        default_policy,
        scoped_policies,
        shadow_policies,
        baseline: (&file.baseline).into(),
        lateness_horizon_s: file.engine.lateness_horizon_s,
        hindsight_s: file.engine.hindsight_s,
        review_every_s: REVIEW_EVERY_S,
        review_ahead_s: REVIEW_AHEAD_S,
        hot_users_max: file.engine.hot_users_max as usize,
        users_max: file.engine.users_max as usize,
        emit_suppressed: file.output.suppressed,
        config_hash: hash(&file),
    };
    Some(Config {
        engine,
        tables: tables(&file.tables, named_locations),
        output: output(&file.output),
        replay: ReplayConfig { threads: file.replay.threads.map(|threads| threads as usize) },
        kafka: build.kafka(&file.kafka),
        topics: build.topics(&file),
        identity: build.identity(&file.identity, file.input.keyed),
        input: run::input(&file.input, build.decoder(&file)),
        run: build.run(&file.run),
        http: run::http(&file.http),
        log: run::log(&file.log),
        effective: file,
    })
}

/// Hash of what live verdicts rest on, over its canonical JSON: keys in the order of the structs, defaults filled in.
pub(super) fn hash(file: &raw::File) -> u64 {
    let live = file.policies.iter().filter(|policy| !policy.shadow).map(canonical_policy);
    let canonical = json!({
        "detections": file.detections,
        "baseline": file.baseline,
        "exceptions": file.exceptions,
        "policies": live.collect::<Value>(),
        "named_locations": file.named_locations,
        "lateness_horizon_s": file.engine.lateness_horizon_s,
        "hindsight_s": file.engine.hindsight_s,
        "users_max": file.engine.users_max,
    });
    let hash = super::mix(0, canonical.to_string().as_bytes());
    let reading = json!({
        "mappings": file.mappings,
        "unwrap": file.input.unwrap,
        "year": file.input.year,
        "identity": file.identity,
    });
    // What does nothing by default leaves the hash as it is.
    if reading
        == json!({"mappings": [], "unwrap": [], "year": null, "identity": raw::reading::Identity::default()})
    {
        return hash;
    }
    super::mix(hash, reading.to_string().as_bytes())
}

/// Without what says that it is a shadow: the same policy has the same text, tried or in force.
fn canonical_policy(policy: &raw::ScopedPolicy) -> Value {
    let mut canonical = json!(policy);
    if let Some(keys) = canonical.as_object_mut() {
        keys.retain(|key, _| key != "shadow");
    }
    canonical
}

fn tables(raw: &raw::Tables, named_locations: Vec<NamedLocationConfig>) -> TablesConfig {
    let path = |text: &Option<String>| text.as_ref().map(PathBuf::from);
    TablesConfig {
        city_db: raw.city_db.iter().map(PathBuf::from).collect(),
        asn_db: path(&raw.asn_db),
        anonymous_db: path(&raw.anonymous_db),
        isp_db: path(&raw.isp_db),
        connection_type_db: path(&raw.connection_type_db),
        lists: raw
            .lists
            .iter()
            .filter_map(|list| Some((ListKind::parse(&list.kind)?, PathBuf::from(&list.file))))
            .collect(),
        named_locations,
    }
}

fn output(raw: &raw::Output) -> OutputConfig {
    OutputConfig {
        format: match raw.format {
            raw::OutputFormat::Graph => OutputFormat::Graph,
            raw::OutputFormat::Ecs => OutputFormat::Ecs,
            raw::OutputFormat::Ocsf => OutputFormat::Ocsf,
            raw::OutputFormat::Sigma => OutputFormat::Sigma,
        },
        impossible_travel_name: match raw.impossible_travel_name {
            raw::ImpossibleTravelName::McasImpossibleTravel => ImpossibleTravelName::Mcas,
            raw::ImpossibleTravelName::ImpossibleTravel => ImpossibleTravelName::Plain,
        },
        suppressed: raw.suppressed,
    }
}

struct Build<'a> {
    tree: &'a Node,
    problems: &'a mut Vec<Problem>,
}

impl Build<'_> {
    /// A problem of several keys together, unless one of them has been found wrong by itself.
    fn problem(&mut self, path: &str, message: String) {
        let below = format!("{path}.");
        if self.problems.iter().any(|problem| problem.path == path || problem.path.starts_with(&below)) {
            return;
        }
        self.problem_at(&path.split('.').collect::<Vec<_>>(), message);
    }

    /// For a path of keys that have dots themselves.
    fn problem_at(&mut self, path: &[&str], message: String) {
        let origin = self.tree.origin_of(path);
        self.problems.push(Problem { origin, path: path.join("."), message });
    }

    fn at_least(&mut self, path: &str, value: u32, limit_key: &str, limit: u32) {
        if value < limit {
            let message = format!("`{value}` is not allowed; allowed: at least `{limit_key}`, which is {limit}");
            self.problem(path, message);
        }
    }

    fn at_most(&mut self, path: &str, value: u32, limit_name: &str, limit: u32) {
        if value > limit {
            let message = format!("`{value}` is not allowed; allowed: at most {limit_name}, which is {limit}");
            self.problem(path, message);
        }
    }

    fn read<T: serde::de::DeserializeOwned>(&mut self, value: Value) -> Option<T> {
        match serde_json::from_value(value) {
            Ok(value) => Some(value),
            Err(error) => {
                let message = error.to_string();
                self.problems.push(Problem { origin: Origin::File, path: String::new(), message });
                None
            }
        }
    }

    /// `section` is the path of the detections' parent, with a dot at its end, or empty.
    fn policy(
        &mut self,
        detections: &raw::Detections,
        exceptions: &[(&Vec<raw::Exception>, String)],
        section: &str,
    ) -> Policy {
        let travel = &detections.atypical_travel;
        self.rising(
            section,
            "atypical_travel",
            &[("low_bits", travel.low_bits), ("medium_bits", travel.medium_bits), ("high_bits", travel.high_bits)],
        );
        let token = &detections.anomalous_token;
        self.rising(
            section,
            "anomalous_token",
            &[("low_bits", token.low_bits), ("medium_bits", token.medium_bits), ("high_bits", token.high_bits)],
        );
        let features = &detections.unfamiliar_features;
        self.rising(
            section,
            "unfamiliar_features",
            &[
                ("low_bits", features.low_bits),
                ("medium_bits", features.medium_bits),
                ("high_bits", features.high_bits),
            ],
        );
        self.rising(
            section,
            "unfamiliar_features",
            &[
                ("learning_min_days", features.learning_min_days.into()),
                ("learning_max_days", features.learning_max_days.into()),
            ],
        );
        let fatigue = &detections.mfa_fatigue;
        self.rising(
            section,
            "mfa_fatigue",
            &[
                ("denied_prompts", fatigue.denied_prompts.into()),
                ("many_denied_prompts", fatigue.many_denied_prompts.into()),
            ],
        );
        Policy {
            impossible_travel: (&detections.impossible_travel).into(),
            atypical_travel: travel.into(),
            new_country: (&detections.new_country).into(),
            unfamiliar_features: features.into(),
            listed_address: (&detections.listed_address).into(),
            password_spray: (&detections.password_spray).into(),
            suspicious_browser: (&detections.suspicious_browser).into(),
            exceptions: exceptions.iter().flat_map(|(list, path)| self.exceptions(list, path)).collect(),
            anomalous_token: (&detections.anomalous_token).into(),
            attacker_in_the_middle: (&detections.attacker_in_the_middle).into(),
            token_issuer: (&detections.token_issuer).into(),
            mfa_fatigue: fatigue.into(),
            reported_activity: (&detections.reported_activity).into(),
            risky_address: (&detections.risky_address).into(),
            upstream_findings: (&detections.upstream_findings).into(),
            incident: (&detections.incident).into(),
        }
    }

    /// Merges the policy's own keys over the top-level ones, in `file` too, so that what is printed is what counts.
    fn scoped_policy(&mut self, file: &mut raw::File, index: usize) -> Option<ScopedPolicy> {
        let inherited = serde_json::to_value(&file.detections).ok()?;
        let policy = &mut file.policies[index];
        let merged = merge(inherited, std::mem::take(&mut policy.detections));
        let detections: raw::Detections = self.read(merged.clone())?;
        policy.detections = merged;
        let section = format!("policies.{index}.");
        let own = format!("{section}exceptions");
        let policy = &file.policies[index];
        let exceptions = [(&policy.exceptions, own), (&file.exceptions, "exceptions".to_owned())];
        Some(ScopedPolicy {
            name: policy.name.clone(),
            tenants: lower(&policy.tenants),
            users: lower(&policy.users),
            policy: self.policy(&detections, &exceptions, &section),
        })
    }

    /// Live policies, and shadow policies.
    fn shadows_apart(
        &mut self,
        file: &raw::File,
        policies: Vec<ScopedPolicy>,
    ) -> (Vec<ScopedPolicy>, Vec<ShadowPolicy>) {
        let (mut live, mut shadows) = (Vec::new(), Vec::new());
        for (index, (raw, policy)) in file.policies.iter().zip(policies).enumerate() {
            if !raw.shadow {
                live.push(policy);
                continue;
            }
            if shadows.len() == SHADOW_POLICIES_MAX {
                let message = format!("is one shadow policy too many; allowed: at most `{SHADOW_POLICIES_MAX}`");
                self.problem(&format!("policies.{index}.shadow"), message);
            }
            if raw.detections["upstream_findings"] != json!(file.detections.upstream_findings) {
                let message = "does nothing in a shadow policy, which does not judge what other products found; leave it out";
                self.problem(&format!("policies.{index}.detections.upstream_findings"), message.to_owned());
            }
            let hash = super::mix(0, canonical_policy(raw).to_string().as_bytes());
            shadows.push(ShadowPolicy::new(policy, hash));
        }
        (live, shadows)
    }

    fn exceptions(&mut self, list: &[raw::Exception], path: &str) -> Vec<Exception> {
        self.unique_names(path, list.iter().map(|exception| &exception.name));
        let mut exceptions = Vec::new();
        for (index, raw) in list.iter().enumerate() {
            let conditions = [
                raw.users.len(),
                raw.device_ids.len(),
                raw.networks.len(),
                raw.country_pairs.len(),
                raw.app_ids.len(),
            ];
            if conditions == [0; 5] {
                let message = "would silence everything; set at least one of `users`, `device_ids`, `networks`, \
                               `country_pairs`, `app_ids`";
                self.problem(&format!("{path}.{index}"), message.to_owned());
            }
            exceptions.push(exception(raw));
        }
        exceptions
    }

    fn named_locations(&mut self, list: &[raw::NamedLocation]) -> Vec<NamedLocationConfig> {
        let mut locations = Vec::new();
        for (index, raw) in list.iter().enumerate() {
            if raw.networks.is_empty() && raw.countries.is_empty() && raw.asns.is_empty() {
                let message = "matches nothing; set at least one of `networks`, `countries`, `asns`";
                self.problem(&format!("named_locations.{index}"), message.to_owned());
            }
            locations.push(NamedLocationConfig {
                name: raw.name.clone(),
                networks: raw.networks.iter().filter_map(|text| network(&text.0)).collect(),
                countries: raw.countries.iter().filter_map(|text| CountryCode::parse(&text.0)).collect(),
                asns: raw.asns.clone(),
                trusted: raw.trusted,
                egress: raw.egress,
            });
        }
        locations
    }

    /// Each number at least the one before it.
    fn rising(&mut self, section: &str, detection: &str, keys: &[(&str, f64)]) {
        for pair in keys.windows(2) {
            let [(before, least), (key, value)] = pair else { continue };
            let path_of = |key: &str| format!("{section}detections.{detection}.{key}");
            // What a policy inherits is reported once, where it stands.
            let own = |key: &str| self.tree.find(&path_of(key).split('.').collect::<Vec<_>>()).is_some();
            if value < least && (own(key) || own(before)) {
                let path = path_of(key);
                self.problem(
                    &path,
                    format!("`{value}` is not allowed; allowed: at least `{before}`, which is {least}"),
                );
            }
        }
    }

    fn unique_names<'n>(&mut self, path: &str, names: impl Iterator<Item = &'n String>) {
        let mut seen = BTreeSet::new();
        for (index, name) in names.enumerate() {
            if !name.is_empty() && !seen.insert(name) {
                self.problem(&format!("{path}.{index}.name"), format!("`{name}` is taken; names must differ"));
            }
        }
    }
}

fn exception(raw: &raw::Exception) -> Exception {
    let device_ids = lower(&raw.device_ids);
    Exception {
        name: raw.name.clone(),
        detections: raw.detections.iter().filter_map(|name| detection_kind(&name.0)).collect(),
        users: lower(&raw.users),
        device_hashes: device_ids.iter().map(|id| hash32(Seed::DeviceId, id.as_bytes())).collect(),
        device_ids,
        networks: raw.networks.iter().filter_map(|text| network(&text.0)).collect(),
        country_pairs: raw
            .country_pairs
            .iter()
            .filter_map(|pair| Some((CountryCode::parse(&pair.first()?.0)?, CountryCode::parse(&pair.get(1)?.0)?)))
            .collect(),
        app_hashes: lower(&raw.app_ids).iter().map(|id| hash32(Seed::App, id.as_bytes())).collect(),
    }
}

fn detection_kind(name: &str) -> Option<RiskEventType> {
    if name == ImpossibleTravelName::Plain.name() {
        return Some(RiskEventType::ImpossibleTravel);
    }
    exceptable().find(|kind| kind.name() == name)
}

fn lower(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| text.to_lowercase()).collect()
}

/// `over` laid over `base`, key by key.
fn merge(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            for (key, value) in over {
                let below = base.get(&key).cloned().unwrap_or(Value::Null);
                base.insert(key, merge(below, value));
            }
            Value::Object(base)
        }
        (base, Value::Null) => base,
        (_, over) => over,
    }
}
