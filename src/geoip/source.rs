//! One CSV row → the networks it is about and what it says of them, for each known form of table.
//!
//! Columns are by position in the public forms (their files have no header) and by name in Farsign's own. A row
//! that cannot be read is an error with its line; a row that says nothing (country unknown) is not an error.

use std::collections::BTreeMap;
use std::net::IpAddr;

use csv::StringRecord;
use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};

use super::record::PlaceRow;

/// The form of an input table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `networks.csv` with `places.csv` beside it.
    Places,
    /// start, end, continent, country, stateprov, city, latitude, longitude.
    DbipCity,
    /// start, end, asn, organization.
    DbipAsn,
    /// start, end, country_code, state1, state2, city, postcode, latitude, longitude, timezone.
    IpLocationDbCity,
    /// start, end, asn, organization.
    IpLocationDbAsn,
}

impl Format {
    /// Only Farsign's own tables name their columns.
    pub fn has_header(self) -> bool {
        self == Format::Places
    }
}

/// What is wrong with a table, and where.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("line {line}: {message}")]
    Row { line: u64, message: String },
    #[error(transparent)]
    Csv(#[from] csv::Error),
    #[error("cannot write the database: {0}")]
    Write(#[from] mmdb_writer::Error),
    #[error("the `places` format needs a places table")]
    NoPlaces,
    #[error("a table of format {format:?} cannot make a database of kind {kind:?}")]
    WrongKind { format: Format, kind: super::Kind },
}

/// A row of `places.csv`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub struct Place {
    pub place: String,
    pub city: String,
    pub region: String,
    pub region_code: String,
    pub country: String,
    pub latitude: f64,
    pub longitude: f64,
    /// How many people live there, relatively; 0 for a place that is no city.
    pub weight: u32,
}

/// Places by their short id.
pub fn read_places(input: impl std::io::Read) -> Result<BTreeMap<String, Place>, SourceError> {
    let mut places = BTreeMap::new();
    for row in csv::Reader::from_reader(input).deserialize() {
        let place: Place = row?;
        places.insert(place.place.clone(), place);
    }
    Ok(places)
}

/// A row of `networks.csv`.
#[derive(Debug, PartialEq, serde::Deserialize)]
pub struct NetworkRow<'a> {
    pub network: IpNet,
    pub asn: u32,
    pub organization: &'a str,
    pub kind: &'a str,
    pub place: &'a str,
    pub accuracy_radius_km: u16,
}

/// The fewest networks that cover the row's first two columns, start and end.
pub fn range_of(row: &StringRecord) -> Result<Vec<IpNet>, String> {
    let address = |index: usize| {
        let text = field(row, index);
        text.parse::<IpAddr>().map_err(|_| format!("`{text}` is not an address"))
    };
    match (address(0)?, address(1)?) {
        (IpAddr::V4(start), IpAddr::V4(end)) if start <= end => {
            Ok(Ipv4Subnets::new(start, end, 0).map(IpNet::V4).collect())
        }
        (IpAddr::V6(start), IpAddr::V6(end)) if start <= end => {
            Ok(Ipv6Subnets::new(start, end, 0).map(IpNet::V6).collect())
        }
        (start, end) => Err(format!("`{start}` to `{end}` is not a range")),
    }
}

/// The place a row of a public form names; `None` when it knows no country.
pub fn place_of(format: Format, row: &StringRecord) -> Result<Option<PlaceRow<'_>>, String> {
    let place = match format {
        Format::DbipCity => PlaceRow {
            continent: field(row, 2),
            country: field(row, 3),
            region: field(row, 4),
            city: field(row, 5),
            coordinates: coordinates(row, 6, 7)?,
            ..PlaceRow::default()
        },
        _ => PlaceRow {
            country: field(row, 2),
            region: field(row, 3),
            city: field(row, 5),
            postcode: field(row, 6),
            coordinates: coordinates(row, 7, 8)?,
            time_zone: field(row, 9),
            ..PlaceRow::default()
        },
    };
    // DB-IP writes ZZ for space that belongs to nobody.
    Ok((!matches!(place.country, "" | "ZZ")).then_some(place))
}

/// The AS number and organisation of a row of a public form; `None` for number 0.
pub fn asn_of(row: &StringRecord) -> Result<Option<(u32, &str)>, String> {
    let text = field(row, 2);
    let asn: u32 = text.parse().map_err(|_| format!("`{text}` is not an AS number"))?;
    Ok((asn != 0).then(|| (asn, field(row, 3))))
}

fn field(row: &StringRecord, index: usize) -> &str {
    row.get(index).unwrap_or("").trim()
}

fn coordinates(row: &StringRecord, latitude: usize, longitude: usize) -> Result<Option<(f64, f64)>, String> {
    let (latitude, longitude) = (field(row, latitude), field(row, longitude));
    if latitude.is_empty() || longitude.is_empty() {
        return Ok(None);
    }
    let degrees = |text: &str, limit: f64| match text.parse::<f64>() {
        Ok(degrees) if degrees.abs() <= limit => Ok(degrees),
        _ => Err(format!("`{text}` is not within {limit} degrees")),
    };
    Ok(Some((degrees(latitude, 90.0)?, degrees(longitude, 180.0)?)))
}
