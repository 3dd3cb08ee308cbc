//! `farsign geoip`: builds MaxMind DB files from CSV tables, and shows what Farsign makes of an address.

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};

use crate::geoip::{Built, DatabaseBuilder, Format, Kind, read_places};

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
    let file = File::open(&places).with_context(|| format!("cannot open the places table `{}`", places.display()))?;
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
