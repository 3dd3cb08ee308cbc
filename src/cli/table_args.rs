//! The arguments that say which databases and lists enrich sign-ins, and in which format these are: the same for every
//! command that reads them.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::config::Config;
use crate::engine::decode::Format;
use crate::engine::enrich::Role;
use crate::engine::facts::ListKind;
use crate::runtime::tables::{TableFiles, parse_list_argument};

#[derive(clap::Args, Clone, Debug)]
pub struct TableArgs {
    /// Format of the records.
    #[arg(long, value_enum, default_value = "auto")]
    format: FormatName,
    /// City database; several are asked in order.
    #[arg(long, value_name = "MMDB")]
    city_db: Vec<PathBuf>,
    /// Database of autonomous systems.
    #[arg(long, value_name = "MMDB")]
    asn_db: Vec<PathBuf>,
    /// Database of anonymous addresses.
    #[arg(long, value_name = "MMDB")]
    anonymous_db: Vec<PathBuf>,
    /// Network list: one address, CIDR or AS number a line.
    #[arg(long, value_name = "KIND=FILE", value_parser = parse_list_argument)]
    list: Vec<(ListKind, PathBuf)>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    Auto,
    Entra,
    Farsign,
}

impl TableArgs {
    /// The configuration's files, with those of the command line before them.
    pub fn files(&self, config: &Config) -> TableFiles {
        let mut files = TableFiles::of(&config.tables);
        files.prepend(Role::Anonymous, &self.anonymous_db);
        files.prepend(Role::Network, &self.asn_db);
        files.prepend(Role::Place, &self.city_db);
        files.lists.extend(self.list.iter().cloned());
        files
    }

    pub fn format(&self) -> Format {
        match self.format {
            FormatName::Auto => Format::Auto,
            FormatName::Entra => Format::Entra,
            FormatName::Farsign => Format::Farsign,
        }
    }
}
