//! Every table the enricher reads, checked and immutable.
//!
//! Built from bytes and text by [`TablesBuilder`]; the runtime reads the files and swaps whole tables between
//! batches. The builder takes everything, and gives the tables or all errors at once.

use std::fmt;
use std::net::IpAddr;

use xxhash_rust::xxh3::Xxh3;

use super::database::{Database, DatabaseInfo, Role};
use super::lists::{Lists, parse_list};
use super::named::{NamedLocationRule, NamedLocations};
use crate::engine::facts::ListKind;

/// Every table the enricher reads. The default has none: places are then the provider's own.
#[derive(Default)]
pub struct Tables {
    pub(super) databases: Vec<Database>,
    pub(super) lists: Lists,
    pub(super) named: NamedLocations,
    hash: u64,
}

impl Tables {
    pub fn builder() -> TablesBuilder {
        TablesBuilder { tables: Tables::default(), hasher: Xxh3::new(), errors: Vec::new() }
    }

    /// Hash of all that was put in, in the order in which it was: part of the configuration hash.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// What the databases say of themselves, in the order in which they are asked.
    pub fn databases(&self) -> impl Iterator<Item = &DatabaseInfo> {
        self.databases.iter().map(|database| &database.info)
    }

    /// The database of a role that answers for an address.
    pub fn source(&self, role: Role, address: IpAddr) -> Option<&DatabaseInfo> {
        let answers = |database: &Database| match role {
            Role::Place => database.place(address).is_some(),
            Role::Network => database.network(address).is_some(),
            Role::ConnectionType => database.connection(address).is_some(),
            Role::Anonymous => database.anonymous(address).is_some(),
        };
        self.of_role(role).find(|(_, database)| answers(database)).map(|(_, database)| &database.info)
    }

    /// Networks and AS numbers on the lists.
    pub fn list_entries(&self) -> usize {
        self.lists.entries()
    }

    /// Name of [`NamedLocation::index`](crate::engine::facts::NamedLocation::index).
    pub fn named_location(&self, index: u16) -> Option<&str> {
        self.named.name(index)
    }

    /// The databases of a role with their indices.
    pub(super) fn of_role(&self, role: Role) -> impl Iterator<Item = (usize, &Database)> {
        self.databases.iter().enumerate().filter(move |(_, database)| database.info.role == role)
    }
}

/// Something that cannot serve as a table, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableError {
    /// File or named location.
    pub name: String,
    /// 1-based, of a text file.
    pub line: Option<usize>,
    pub message: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "`{}` line {line}: {}", self.name, self.message),
            None => write!(f, "`{}`: {}", self.name, self.message),
        }
    }
}

impl std::error::Error for TableError {}

pub struct TablesBuilder {
    tables: Tables,
    hasher: Xxh3,
    errors: Vec<TableError>,
}

impl TablesBuilder {
    /// Adds a database. Several may share a role (such as one for IPv4 and one for IPv6): the first that has the
    /// address answers. One file may be added for several roles.
    pub fn database(&mut self, role: Role, name: &str, bytes: Vec<u8>) -> &mut TablesBuilder {
        self.mix(b"database", role.name(), &bytes);
        match Database::open(name, role, bytes) {
            Ok(database) => self.tables.databases.push(database),
            Err(message) => self.error(name, None, message),
        }
        self
    }

    /// Adds a network list.
    pub fn list(&mut self, kind: ListKind, name: &str, text: &str) -> &mut TablesBuilder {
        self.mix(b"list", kind.name(), text.as_bytes());
        match parse_list(text) {
            Ok(entries) => entries.into_iter().for_each(|entry| self.tables.lists.insert(kind, entry)),
            Err(errors) => {
                for error in errors {
                    let message = format!("`{}` is not a network, an address or an AS number", error.text);
                    self.error(name, Some(error.line), message);
                }
            }
        }
        self
    }

    /// Adds a named location; its index is the number of those added before, plus one.
    pub fn named_location(&mut self, rule: &NamedLocationRule) -> &mut TablesBuilder {
        // Debug text of plain strings and numbers: stable, and without a second list of the fields to forget one in.
        self.mix(b"named location", &rule.name, format!("{rule:?}").as_bytes());
        for message in self.tables.named.add(rule) {
            self.error(&rule.name, None, message);
        }
        self
    }

    /// The tables, or everything that is wrong.
    pub fn build(mut self) -> Result<Tables, Vec<TableError>> {
        if self.errors.is_empty() {
            self.tables.hash = self.hasher.digest();
            Ok(self.tables)
        } else {
            Err(self.errors)
        }
    }

    fn mix(&mut self, what: &[u8], kind: &str, content: &[u8]) {
        for part in [what, kind.as_bytes(), content] {
            self.hasher.update(&(part.len() as u64).to_le_bytes());
            self.hasher.update(part);
        }
    }

    fn error(&mut self, name: &str, line: Option<usize>, message: String) {
        self.errors.push(TableError { name: name.to_owned(), line, message });
    }
}
