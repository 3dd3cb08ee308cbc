//! Files → the enricher's tables: databases, network lists, named locations.
//!
//! Everything that is wrong with any of them is reported together. A file that cannot be read stops the run: a
//! table that is missing would silently change verdicts.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::config::TablesConfig;
use crate::engine::enrich::NamedLocationRule;
use crate::engine::enrich::Role;
use crate::engine::enrich::Tables;
use crate::engine::facts::ListKind;
use crate::engine::signin::EventTime;
use crate::render::TableBuild;

/// The files, in the order in which they are asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sources {
    pub databases: Vec<(Role, PathBuf)>,
    pub lists: Vec<(ListKind, PathBuf)>,
    pub named_locations: Vec<NamedLocationRule>,
}

impl From<TablesConfig> for Sources {
    fn from(config: TablesConfig) -> Sources {
        let places = config.city_db.into_iter().map(|path| (Role::Place, path));
        let networks = config.asn_db.into_iter().chain(config.isp_db).map(|path| (Role::Network, path));
        let anonymous = config.anonymous_db.into_iter().map(|path| (Role::Anonymous, path));
        let connections = config.connection_type_db.into_iter().map(|path| (Role::ConnectionType, path));
        let named_locations = config.named_locations.into_iter().map(|location| NamedLocationRule {
            name: location.name,
            networks: location.networks.iter().map(|(address, length)| format!("{address}/{length}")).collect(),
            countries: location.countries.iter().map(|country| country.as_str().to_owned()).collect(),
            asns: location.asns,
            trusted: location.trusted,
            egress: location.egress,
        });
        Sources {
            databases: places.chain(networks).chain(anonymous).chain(connections).collect(),
            lists: config.lists,
            named_locations: named_locations.collect(),
        }
    }
}

impl Sources {
    /// Puts `paths`, if there are any, in the place of the databases of this role.
    pub fn replace(&mut self, role: Role, paths: &[PathBuf]) {
        if !paths.is_empty() {
            self.databases.retain(|(other, _)| *other != role);
            self.databases.extend(paths.iter().map(|path| (role, path.clone())));
        }
    }
}

/// Reads everything.
pub fn load(sources: &Sources) -> anyhow::Result<Tables> {
    let mut builder = Tables::builder();
    for (role, path) in &sources.databases {
        let bytes = std::fs::read(path).with_context(|| cannot_read(path))?;
        builder.database(*role, &path.display().to_string(), bytes);
    }
    for (kind, path) in &sources.lists {
        let text = std::fs::read_to_string(path).with_context(|| cannot_read(path))?;
        builder.list(*kind, &path.display().to_string(), &text);
    }
    for rule in &sources.named_locations {
        builder.named_location(rule);
    }
    match builder.build() {
        Ok(tables) => Ok(tables),
        Err(errors) => bail!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read `{}`", path.display())
}

/// What output says of the databases it rests on.
pub fn builds(tables: &Tables) -> Vec<TableBuild> {
    let build = |seconds: u64| EventTime::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX));
    let databases = tables.databases();
    databases
        .map(|info| TableBuild { database: info.database_type.clone(), built: build(info.build_epoch) })
        .collect()
}
