//! Files → [`Tables`]: the databases, lists and named locations that enrichment reads.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::config::{NamedLocationConfig, TablesConfig};
use crate::engine::enrich::{NamedLocationRule, Role, Tables};
use crate::engine::facts::ListKind;
use crate::engine::signin::EventTime;
use crate::render::TableBuild;

/// Which files to read, in the order in which they are asked.
#[derive(Default)]
pub struct TableFiles {
    pub databases: Vec<(Role, PathBuf)>,
    pub lists: Vec<(ListKind, PathBuf)>,
    pub named_locations: Vec<NamedLocationRule>,
}

impl TableFiles {
    pub fn of(config: &TablesConfig) -> TableFiles {
        let single = [
            (Role::Network, &config.asn_db),
            (Role::Network, &config.isp_db),
            (Role::Anonymous, &config.anonymous_db),
            (Role::ConnectionType, &config.connection_type_db),
        ];
        let cities = config.city_db.iter().map(|path| (Role::Place, path.clone()));
        let others = single.into_iter().filter_map(|(role, path)| Some((role, path.clone()?)));
        TableFiles {
            databases: cities.chain(others).collect(),
            lists: config.lists.clone(),
            named_locations: config.named_locations.iter().map(rule).collect(),
        }
    }

    /// Adds databases of one role, asked before those that are there: the command line goes before the file.
    pub fn prepend(&mut self, role: Role, paths: &[PathBuf]) {
        self.databases.splice(0..0, paths.iter().map(|path| (role, path.clone())));
    }

    /// Reads every file; all that is wrong in them is reported at once.
    pub fn load(&self) -> anyhow::Result<Tables> {
        let mut builder = Tables::builder();
        for (role, path) in &self.databases {
            let bytes = std::fs::read(path).with_context(|| cannot_read(path))?;
            builder.database(*role, &path.display().to_string(), bytes);
        }
        for (kind, path) in &self.lists {
            let text = std::fs::read_to_string(path).with_context(|| cannot_read(path))?;
            builder.list(*kind, &path.display().to_string(), &text);
        }
        for location in &self.named_locations {
            builder.named_location(location);
        }
        builder.build().map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", lines.join("\n"))
        })
    }
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read `{}`", path.display())
}

fn rule(location: &NamedLocationConfig) -> NamedLocationRule {
    NamedLocationRule {
        name: location.name.clone(),
        networks: location.networks.iter().map(|(network, length)| format!("{network}/{length}")).collect(),
        countries: location.countries.iter().map(|country| country.as_str().to_owned()).collect(),
        asns: location.asns.clone(),
        trusted: location.trusted,
        egress: location.egress,
    }
}

/// What output says of the databases in use.
pub fn builds(tables: &Tables) -> Vec<TableBuild> {
    let time = |epoch: u64| EventTime::from_seconds(i64::try_from(epoch).unwrap_or(0));
    tables
        .databases()
        .map(|info| TableBuild { database: info.database_type.clone(), built: time(info.build_epoch) })
        .collect()
}

/// `KIND=FILE`, as the command line names a network list.
pub fn parse_list_argument(text: &str) -> Result<(ListKind, PathBuf), String> {
    let (kind, file) = text.split_once('=').ok_or("expected KIND=FILE")?;
    let kinds = || ListKind::ALL.map(ListKind::name).join(", ");
    let kind = ListKind::parse(kind).ok_or_else(|| format!("unknown kind `{kind}`: one of {}", kinds()))?;
    Ok((kind, file.into()))
}
