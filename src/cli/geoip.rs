//! `farsign geoip`: builds MaxMind DB files from CSV tables, and shows what Farsign makes of an address.

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::engine::enrich::{Enricher, Role, Tables};
use crate::engine::facts::{Connection, ListKind, Precision};
use crate::geoip::{Built, DatabaseBuilder, Format, Kind, read_places};
use crate::runtime::tables::{TableFiles, parse_list_argument};

/// Build and inspect geography databases.
#[derive(Args, Debug)]
pub struct GeoipArgs {
    #[command(subcommand)]
    command: GeoipCommand,
}

#[derive(Subcommand, Debug)]
enum GeoipCommand {
    /// Build a MaxMind DB of GeoLite2's schema from CSV tables.
    Build(BuildArgs),
    /// Print as JSON, one line an address, what Farsign makes of it.
    Inspect(InspectArgs),
}

#[derive(Args, Debug)]
struct BuildArgs {
    #[arg(long, value_enum)]
    kind: KindArg,
    /// CSV table; several (such as one for IPv4 and one for IPv6) go into one database, the later winning.
    #[arg(long, required = true, value_name = "CSV")]
    input: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t = FormatArg::Places)]
    format: FormatArg,
    /// Places table of the `places` format [default: places.csv beside the input].
    #[arg(long, value_name = "CSV")]
    places: Option<PathBuf>,
    /// Build time in the metadata, in seconds since 1970. Never the clock's: same input, same bytes.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    build_epoch: u64,
    #[arg(short, long, value_name = "MMDB")]
    output: PathBuf,
}

#[derive(Args, Debug)]
struct InspectArgs {
    /// City or country database.
    #[arg(long, value_name = "MMDB")]
    city_db: Vec<PathBuf>,
    /// ASN or ISP database.
    #[arg(long, value_name = "MMDB")]
    asn_db: Vec<PathBuf>,
    /// Anonymous-IP database.
    #[arg(long, value_name = "MMDB")]
    anonymous_db: Vec<PathBuf>,
    /// Connection-Type database.
    #[arg(long, value_name = "MMDB")]
    connection_db: Vec<PathBuf>,
    /// Network list: tor, vpn, proxy, hosting, malicious, threat-actor, mobile, satellite, relay.
    #[arg(long, value_name = "KIND=FILE", value_parser = parse_list_argument)]
    list: Vec<(ListKind, PathBuf)>,
    #[arg(required = true, value_name = "IP")]
    address: Vec<IpAddr>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum KindArg {
    City,
    Asn,
    Anonymous,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum FormatArg {
    /// `networks.csv` with `places.csv`, as in geoip-test-data.
    Places,
    DbipCity,
    DbipAsn,
    IpLocationDbCity,
    IpLocationDbAsn,
}

pub fn run(args: GeoipArgs) -> Result<ExitCode> {
    match args.command {
        GeoipCommand::Build(args) => build(&args),
        GeoipCommand::Inspect(args) => inspect(&args),
    }
}

fn build(args: &BuildArgs) -> Result<ExitCode> {
    let kind = match args.kind {
        KindArg::City => Kind::City,
        KindArg::Asn => Kind::Asn,
        KindArg::Anonymous => Kind::Anonymous,
    };
    let format = match args.format {
        FormatArg::Places => Format::Places,
        FormatArg::DbipCity => Format::DbipCity,
        FormatArg::DbipAsn => Format::DbipAsn,
        FormatArg::IpLocationDbCity => Format::IpLocationDbCity,
        FormatArg::IpLocationDbAsn => Format::IpLocationDbAsn,
    };
    let mut builder = DatabaseBuilder::new(kind, args.build_epoch);
    for input in &args.input {
        add_table(&mut builder, format, input, args.places.as_deref())
            .with_context(|| format!("cannot read `{}`", input.display()))?;
    }
    let built = builder.finish()?;
    std::fs::write(&args.output, &built.bytes)
        .with_context(|| format!("cannot write `{}`", args.output.display()))?;
    report(&built, &args.output)?;
    Ok(ExitCode::SUCCESS)
}

fn add_table(builder: &mut DatabaseBuilder, format: Format, input: &Path, places: Option<&Path>) -> Result<()> {
    let table = BufReader::new(File::open(input)?);
    if format != Format::Places {
        return Ok(builder.add_ranges(format, table)?);
    }
    let places = places.map_or_else(|| input.with_file_name("places.csv"), Path::to_path_buf);
    let file =
        File::open(&places).with_context(|| format!("cannot open the places table `{}`", places.display()))?;
    let known = read_places(BufReader::new(file)).with_context(|| format!("in `{}`", places.display()))?;
    Ok(builder.add_networks(table, &known)?)
}

fn report(built: &Built, output: &Path) -> Result<()> {
    let mut stderr = std::io::stderr().lock();
    writeln!(
        stderr,
        "{}: {} rows, {} networks, {} bytes ({} rows without content, {} IPv6 networks that stand for IPv4 left out)",
        output.display(),
        built.rows,
        built.networks,
        built.bytes.len(),
        built.rows_empty,
        built.networks_aliased,
    )?;
    Ok(())
}

fn inspect(args: &InspectArgs) -> Result<ExitCode> {
    let tables = Arc::new(read_tables(args)?);
    let mut enricher = Enricher::new(Arc::clone(&tables));
    let mut stdout = std::io::stdout().lock();
    for address in &args.address {
        writeln!(stdout, "{}", describe(&tables, &mut enricher, *address))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read_tables(args: &InspectArgs) -> Result<Tables> {
    let mut files = TableFiles { lists: args.list.clone(), ..TableFiles::default() };
    files.prepend(Role::ConnectionType, &args.connection_db);
    files.prepend(Role::Anonymous, &args.anonymous_db);
    files.prepend(Role::Network, &args.asn_db);
    files.prepend(Role::Place, &args.city_db);
    files.load()
}

fn describe(tables: &Tables, enricher: &mut Enricher, address: IpAddr) -> Value {
    let (facts, _) = enricher.inspect(address);
    let canonical = address.to_canonical();
    let source = |role| {
        let info = tables.source(role, canonical)?;
        let build_time = i64::try_from(info.build_epoch).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
        Some(json!({
            "file": info.name,
            "type": info.database_type,
            "buildTime": build_time.map(|time| time.to_string()),
        }))
    };
    let place = facts.place.as_ref().map(|known| {
        let place = &known.place;
        json!({
            "city": &*place.city,
            "region": &*place.region,
            "country": place.country.as_str(),
            "latitude": place.latitude,
            "longitude": place.longitude,
            "precision": match place.precision {
                Precision::City => "city",
                Precision::Region => "region",
                Precision::Country => "country",
            },
            "radiusKm": place.radius_km,
            "database": source(Role::Place),
        })
    });
    let network = (facts.asn != 0).then(|| {
        json!({ "asn": facts.asn, "organization": facts.organization.as_deref(), "database": source(Role::Network) })
    });
    json!({
        "ipAddress": address.to_string(),
        "place": place,
        "network": network,
        "connection": connection_name(facts.connection),
        "lists": facts.lists.kinds().map(ListKind::name).collect::<Vec<_>>(),
        "anonymousDatabase": source(Role::Anonymous),
    })
}

fn connection_name(connection: Connection) -> &'static str {
    match connection {
        Connection::Unknown => "unknown",
        Connection::Fixed => "fixed",
        Connection::Mobile => "mobile",
        Connection::Hosting => "hosting",
        Connection::Corporate => "corporate",
        Connection::Satellite => "satellite",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: GeoipArgs,
    }

    fn args(words: &[&str]) -> GeoipArgs {
        <Command as clap::Parser>::try_parse_from(words).unwrap().args
    }

    #[test]
    fn what_build_writes_inspect_reads() {
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().join("city.mmdb");
        let output = output.to_str().unwrap();
        run(args(&["geoip", "build", "--kind", "city", "--input", "geoip-test-data/networks.csv", "-o", output]))
            .unwrap();
        let list = "--list=mobile=geoip-test-data/lists/mobile.txt";
        let GeoipCommand::Inspect(inspect) = args(&[
            "geoip",
            "inspect",
            "--city-db",
            output,
            "--asn-db",
            "geoip-test-data/farsign-test-ASN.mmdb",
            list,
            "192.0.2.193",
        ])
        .command
        else {
            panic!("not inspect");
        };
        let tables = Arc::new(read_tables(&inspect).unwrap());
        let found = describe(&tables, &mut Enricher::new(Arc::clone(&tables)), inspect.address[0]);
        assert_eq!(found["place"]["city"], "Oslo");
        assert_eq!(found["place"]["radiusKm"], 500);
        assert_eq!(found["place"]["database"]["buildTime"], "1970-01-01T00:00:00Z");
        assert_eq!(found["network"]["asn"], 64_513);
        assert_eq!(found["network"]["database"]["buildTime"], "2026-01-01T00:00:00Z");
        assert_eq!((&found["connection"], &found["lists"]), (&json!("mobile"), &json!(["mobile"])));
        assert_eq!(found["anonymousDatabase"], Value::Null);
    }

    #[test]
    fn a_list_argument_names_kind_and_file() {
        assert_eq!(parse_list_argument("tor=a=b.txt"), Ok((ListKind::Tor, PathBuf::from("a=b.txt"))));
        assert!(parse_list_argument("tor").is_err() && parse_list_argument("onion=x").is_err());
    }
}
