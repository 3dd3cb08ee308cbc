//! The arguments that say which databases and lists enrich sign-ins, and in which format these are: the same for every
//! command that reads them.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::config::Config;
use crate::engine::decode::{Decoder, Format};
use crate::engine::enrich::Role;
use crate::engine::facts::ListKind;
use crate::runtime::tables::{TableFiles, parse_list_argument};

#[derive(clap::Args, Clone, Debug)]
pub struct TableArgs {
    /// Format of the records [default: the configuration's]
    #[arg(long, value_parser = format_parser())]
    format: Option<Format>,
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

impl TableArgs {
    /// The configuration's, with the format of the command line.
    pub fn decoder(&self, config: &Config) -> Decoder {
        let configured = config.input.decoder.clone();
        let format = self.format.unwrap_or(configured.format);
        Decoder { format, ..configured }
    }

    /// The configuration's files, with those of the command line before them.
    pub fn files(&self, config: &Config) -> TableFiles {
        let mut files = TableFiles::of(&config.tables);
        files.prepend(Role::Anonymous, &self.anonymous_db);
        files.prepend(Role::Network, &self.asn_db);
        files.prepend(Role::Place, &self.city_db);
        files.lists.extend(self.list.iter().cloned());
        files
    }
}

/// Reads the name of a format.
pub fn format_parser() -> impl TypedValueParser<Value = Format> {
    let names = PossibleValuesParser::new(Format::ALL.map(Format::name));
    names.map(|name| Format::parse(&name).unwrap_or_default())
}
