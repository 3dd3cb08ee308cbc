//! The builder: rows of any known form go in, one MaxMind DB comes out.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::{Duration, UNIX_EPOCH};

use ipnet::IpNet;
use mmdb_writer::{Value, Writer};

use super::record::{PlaceRow, anonymous_record, asn_record, flags_of, place_record};
use super::source::{Format, NetworkRow, Place, SourceError, asn_of, place_of, range_of};

/// What a database is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    City,
    Asn,
    Anonymous,
}

impl Kind {
    /// The type in the metadata. It contains MaxMind's name of the schema, by which readers choose how to read.
    fn database_type(self) -> &'static str {
        match self {
            Kind::City => "Farsign-GeoLite2-City",
            Kind::Asn => "Farsign-GeoLite2-ASN",
            Kind::Anonymous => "Farsign-GeoIP2-Anonymous-IP",
        }
    }
}

/// The finished file, and what went into it.
#[derive(Debug)]
pub struct Built {
    pub bytes: Vec<u8>,
    pub rows: u64,
    /// Networks (CIDR blocks) written.
    pub networks: u64,
    /// Rows that say nothing about their range.
    pub rows_empty: u64,
    /// Blocks of IPv6 that stand for IPv4 (6to4, Teredo, mapped): readers find the IPv4 record there.
    pub networks_aliased: u64,
}

/// Builds one database from one or many tables, in order: where two overlap, the later wins.
pub struct DatabaseBuilder {
    kind: Kind,
    writer: Writer,
    built: Built,
}

impl DatabaseBuilder {
    /// `build_epoch` in seconds since 1970 goes into the metadata.
    pub fn new(kind: Kind, build_epoch: u64) -> DatabaseBuilder {
        let writer = Writer::builder(kind.database_type())
            .description(&[("en", "Built by farsign geoip build")])
            .build_epoch(UNIX_EPOCH + Duration::from_secs(build_epoch))
            .build();
        let built = Built { bytes: Vec::new(), rows: 0, networks: 0, rows_empty: 0, networks_aliased: 0 };
        DatabaseBuilder { kind, writer, built }
    }

    /// Reads a table in one of the public forms, row by row.
    pub fn add_ranges(&mut self, format: Format, input: impl Read) -> Result<(), SourceError> {
        let fits = match format {
            Format::DbipCity | Format::IpLocationDbCity => self.kind == Kind::City,
            Format::DbipAsn | Format::IpLocationDbAsn => self.kind == Kind::Asn,
            Format::Places => return Err(SourceError::NoPlaces),
        };
        if !fits {
            return Err(SourceError::WrongKind { format, kind: self.kind });
        }
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input);
        let mut row = csv::StringRecord::new();
        while reader.read_record(&mut row)? {
            let line = row.position().map_or(0, csv::Position::line);
            let at_line = |message| SourceError::Row { line, message };
            self.built.rows += 1;
            let value = match self.kind {
                Kind::City => place_of(format, &row).map_err(at_line)?.map(|place| place_record(&place)),
                _ => asn_of(&row).map_err(at_line)?.map(|(asn, name)| asn_record(asn, name)),
            };
            let Some(value) = value else {
                self.built.rows_empty += 1;
                continue;
            };
            for network in range_of(&row).map_err(at_line)? {
                self.insert(network, value.clone())?;
            }
        }
        Ok(())
    }

    /// Reads `networks.csv`. Of nested networks the inner one wins, whatever their order in the file.
    pub fn add_networks(&mut self, input: impl Read, places: &BTreeMap<String, Place>) -> Result<(), SourceError> {
        let mut reader = csv::Reader::from_reader(input);
        let headers = reader.headers()?.clone();
        let mut values = Vec::new();
        for row in reader.records() {
            let row = row?;
            let line = row.position().map_or(0, csv::Position::line);
            self.built.rows += 1;
            let network: NetworkRow<'_> = row.deserialize(Some(&headers))?;
            match self.network_record(&network, places).map_err(|message| SourceError::Row { line, message })? {
                Some(value) => values.push((network.network.trunc(), value)),
                None => self.built.rows_empty += 1,
            }
        }
        values.sort_by_key(|(network, _)| network.prefix_len());
        values.into_iter().try_for_each(|(network, value)| self.insert(network, value))
    }

    pub fn finish(mut self) -> Result<Built, SourceError> {
        self.built.bytes = self.writer.to_bytes()?;
        Ok(self.built)
    }

    fn network_record(
        &self,
        row: &NetworkRow<'_>,
        places: &BTreeMap<String, Place>,
    ) -> Result<Option<Value>, String> {
        let flags = flags_of(row.kind).ok_or_else(|| format!("`{}` is not a kind of network", row.kind))?;
        match self.kind {
            Kind::Asn => Ok(Some(asn_record(row.asn, row.organization))),
            Kind::Anonymous => Ok((!flags.is_empty()).then(|| anonymous_record(flags))),
            Kind::City => {
                let place = places.get(row.place).ok_or_else(|| format!("`{}` is not a place", row.place))?;
                Ok(Some(place_record(&PlaceRow {
                    country: &place.country,
                    region: &place.region,
                    region_code: &place.region_code,
                    city: &place.city,
                    coordinates: Some((place.latitude, place.longitude)),
                    accuracy_radius_km: Some(row.accuracy_radius_km),
                    ..PlaceRow::default()
                })))
            }
        }
    }

    fn insert(&mut self, network: IpNet, value: Value) -> Result<(), SourceError> {
        match self.writer.insert_value(network, value) {
            Ok(()) => self.built.networks += 1,
            Err(mmdb_writer::Error::AliasedNetwork(_)) => self.built.networks_aliased += 1,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
