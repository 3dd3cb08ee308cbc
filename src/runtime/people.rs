//! File → [`People`]: who has which accounts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::config::{self, Config, IdentityConfig};
use crate::engine::decode::{Account, People, parse_people};

/// Longest list that is read, in bytes.
const FILE_LENGTH_MAX: u64 = 512 << 20;

/// Reads the list that the configuration names, and gives it to the decoder.
///
/// # Errors
/// When it cannot be read, or is wrong: all that is wrong in it at once.
pub fn load(config: &mut Config) -> anyhow::Result<()> {
    let people = people_of(&config.identity)?;
    config.input.decoder.people = Arc::new(people);
    Ok(())
}

/// The configuration's hash with that of the list, if there is one.
pub fn mix(hash: u64, people: &People) -> u64 {
    if people.hash() == 0 { hash } else { config::mix(hash, &people.hash().to_le_bytes()) }
}

fn people_of(config: &IdentityConfig) -> anyhow::Result<People> {
    let accounts = match &config.file {
        Some(file) => read(file)?,
        None => Default::default(),
    };
    Ok(People::new(&config.organization, &config.tenants, accounts, config.rules.clone()))
}

fn read(file: &Path) -> anyhow::Result<BTreeMap<Account, Box<str>>> {
    let name = file.display();
    let length = std::fs::metadata(file).with_context(|| format!("cannot read `{name}`"))?.len();
    anyhow::ensure!(length <= FILE_LENGTH_MAX, "`{name}` is longer than {FILE_LENGTH_MAX} bytes");
    let bytes = std::fs::read(file).with_context(|| format!("cannot read `{name}`"))?;
    parse_people(&bytes).with_context(|| format!("`{name}` is no list of accounts"))
}
