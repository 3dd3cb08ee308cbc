//! `farsign state`: what an application knows. [`super::state_transfer`] has it out of Kafka and into it; here is `show`: one
//! user as the application knows him, read from the changelog.
//!
//! It reads the state topic to its end, all partitions of it: which one has the user is the producers' choice. A user is
//! found by tenant and id, of which the key is a hash; records without a tenant belong to tenant `unknown`. Exit code 1:
//! nobody of that name is known.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::deployment::{self, Deployment};
use super::{PROBLEMS, give, say, state_transfer};
use crate::engine::hash::UserKey;
use crate::engine::rules::Rules;
use crate::engine::signin::ID_LENGTH_MAX;
use crate::engine::user::codec;
use crate::render::user_state;
use crate::runtime::clock;
use crate::runtime::kafka::changelog;
use crate::runtime::kafka::marker::Marker;
use crate::runtime::kafka::outbox::Destination;
use crate::runtime::kafka::scan::{Part, Scanner};

/// What decoders write where a record names no tenant.
const TENANT_DEFAULT: &str = "unknown";
/// Between two lines about how far it is.
const TELL_EVERY_S: u64 = 2;

/// Look at users' state.
#[derive(Args, Debug)]
pub struct StateArgs {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Subcommand, Debug)]
enum StateCommand {
    /// Print what is known of one user. It is personal data.
    Show(ShowArgs),
    /// Write the state of an application into a file. It is personal data.
    Export(state_transfer::ExportArgs),
    /// Put the state of a file in place of what a stopped application knows.
    Import(state_transfer::ImportArgs),
}

#[derive(Args, Debug)]
struct ShowArgs {
    /// The user's stable id, as in `userId` of sign-ins; not the name.
    user: String,
    /// The user's tenant.
    #[arg(long, value_name = "ID", default_value = TENANT_DEFAULT)]
    tenant: String,
    /// Configuration file (YAML); without it the defaults and the environment.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &StateArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        StateCommand::Show(args) => show(args),
        StateCommand::Export(args) => state_transfer::export(args),
        StateCommand::Import(args) => state_transfer::import(args),
    }
}

/// The newest state of the user in one partition.
struct Found {
    partition: i32,
    offset: i64,
    state: Vec<u8>,
    marker: Option<Marker>,
}

fn show(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    if args.user.len() > ID_LENGTH_MAX || args.tenant.len() > ID_LENGTH_MAX {
        bail!("an id has at most {ID_LENGTH_MAX} bytes");
    }
    let deployment = deployment::open(args.config.as_ref())?;
    let key = UserKey::new(&args.tenant, &args.user);
    let found = find(&deployment, key)?;
    for found in &found {
        let value = describe(&deployment, found)?;
        match args.json {
            true => give(&format!("{value:#}\n"))?,
            false => super::show(&text(&value))?,
        }
    }
    if found.is_empty() {
        say(&format!(
            "user `{}` of tenant `{}` is not known in `{}`; ids are case-sensitive, and --tenant names another tenant",
            args.user, args.tenant, deployment.config.topics.state
        ));
        return Ok(ExitCode::from(PROBLEMS));
    }
    Ok(ExitCode::SUCCESS)
}

fn find(deployment: &Deployment, key: UserKey) -> anyhow::Result<Vec<Found>> {
    let names = &deployment.names;
    let topic = names.topic(Destination::State);
    let scanner = Scanner::new(names)?;
    let mut partitions = scanner.chosen(topic, None)?;
    if !deployment.config.input.keyed {
        // The repartition stage decides by the key.
        partitions.retain(|partition| *partition as usize == key.shard(names.partitions as usize));
    }
    let mut all = Vec::new();
    let mut told = clock::now();
    for partition in partitions {
        let part = changelog::part(names, &scanner, partition)?;
        all.extend(find_in(&scanner, &part, key, &mut told)?);
    }
    Ok(all)
}

fn find_in(scanner: &Scanner, part: &Part, key: UserKey, told: &mut Instant) -> anyhow::Result<Option<Found>> {
    let (partition, key) = (part.partition, key.0.to_be_bytes());
    let mut found = None;
    let mut records = 0_u64;
    let marker = changelog::read(scanner, part, &mut |change| {
        records += 1;
        if change.key == key {
            found = change.payload.map(|payload| (change.offset, payload.to_vec()));
        }
        if told.elapsed().as_secs() >= TELL_EVERY_S {
            *told = clock::now();
            say(&format!("partition {partition}: offset {} of {}, {records} records", change.offset, part.to));
        }
    })?;
    Ok(found.map(|(offset, state)| Found { partition, offset, state, marker }))
}

fn describe(deployment: &Deployment, found: &Found) -> anyhow::Result<Value> {
    let rules = Rules::new(Arc::new(deployment.config.engine.clone()));
    let record = codec::decode(&found.state, &rules)
        .with_context(|| format!("the state at partition `{}` offset `{}`", found.partition, found.offset))?;
    Ok(json!({
        "user": user_state::describe(&record, &rules),
        "stored": {
            "topic": deployment.config.topics.state,
            "partition": found.partition,
            "offset": found.offset,
            "bytes": found.state.len(),
            "marker": found.marker,
        },
    }))
}

/// JSON as people read it: a line a value, indented by depth; what is unknown or empty is left out.
fn text(value: &Value) -> String {
    let mut out = String::new();
    put(value, 0, &mut out);
    out
}

fn put(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(_, member)| !is_empty(member)) {
                put_named(&format!("{name}:"), member, depth, out);
            }
        }
        Value::Array(elements) => {
            elements.iter().for_each(|element| put_named("-", element, depth, out));
        }
        plain => put_named("", plain, depth, out),
    }
}

fn put_named(name: &str, value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let line = match value {
        Value::Object(members) if name == "-" => {
            let plain = members.iter().filter(|(_, member)| !is_empty(member));
            let listed = plain.map(|(name, member)| format!("{name} {}", inline(member))).collect::<Vec<_>>();
            format!("{indent}- {}", listed.join(", "))
        }
        Value::Object(_) | Value::Array(_) => {
            out.push_str(&format!("{indent}{name}\n"));
            return put(value, depth + 1, out);
        }
        plain => format!("{indent}{name} {}", inline(plain)),
    };
    out.push_str(&line);
    out.push('\n');
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_leaves_out_what_is_empty() {
        let value = json!({
            "user": {"id": "u1", "name": null, "risk": {"level": "high", "open": 2}, "quarantine": []},
            "networks": [{"value": "AS1 One", "share": 0.5, "x": null}, {"value": "AS2", "share": 0.25}],
            "days": [1, 2],
        });
        let expected = "user:\n  id: u1\n  risk:\n    level: high\n    open: 2\nnetworks:\n  - value AS1 One, share 0.5\n  \
                        - value AS2, share 0.25\ndays:\n  - 1\n  - 2\n";
        assert_eq!(text(&value), expected);
    }
}
