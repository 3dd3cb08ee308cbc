//! One MaxMind DB file in memory: its shape, found once when it is opened, and its records as engine values.
//!
//! The file's bytes are owned; a look-up walks the tree and decodes only the needed fields. A record that cannot
//! be decoded is as good as none.

use std::collections::BTreeMap;
use std::net::IpAddr;

use maxminddb::{Reader, WithinOptions};
use serde::de::IgnoredAny;

use super::country;
use super::lists::{ListEntry, parse_entry};
use super::record::{Anonymous, ConnectionType, FlatPlace, NestedPlace, Network};
use crate::engine::facts::{Connection, CountryCode, ListKind, ListSet, Place, Precision};
use crate::engine::signin::ProviderLocation;

/// Uncertainty assumed for a city when the database gives none. GeoLite2 gives 50 km or less for most city records.
pub const CITY_RADIUS_KM: u16 = 50;
/// Uncertainty assumed for a region: about that of a French région or a German Land.
pub const REGION_RADIUS_KM: u16 = 200;
/// Records looked at to find a database's shape: the first may be a sparse one.
const RECORDS_SAMPLED: usize = 256;

/// What a database is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// City or country.
    Place,
    /// AS number and organisation: ASN, ISP.
    Network,
    ConnectionType,
    Anonymous,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Place => "place",
            Role::Network => "network",
            Role::ConnectionType => "connection type",
            Role::Anonymous => "anonymous address",
        }
    }

    /// Fields of which a database in this role has at least one, at the top of its records.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Role::Place => &["country", "registered_country", "country_code", "location", "city", "continent"],
            Role::Network => &["autonomous_system_number", "asn"],
            Role::ConnectionType => &["connection_type"],
            Role::Anonymous => &[
                "is_anonymous",
                "is_anonymous_vpn",
                "is_tor_exit_node",
                "is_hosting_provider",
                "is_public_proxy",
                "is_residential_proxy",
                "vpn",
                "tor",
                "proxy",
                "hosting",
                "relay",
            ],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Nested,
    Flat,
}

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseInfo {
    /// As the runtime named it: a file name.
    pub name: String,
    pub role: Role,
    /// From the metadata, such as `GeoLite2-City`.
    pub database_type: String,
    /// Seconds since 1970.
    pub build_epoch: u64,
    /// 4 or 6.
    pub ip_version: u16,
}

/// AS number, organisation and kind of an address's network.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkRecord<'a> {
    pub asn: u32,
    pub organization: &'a str,
    pub connection: Connection,
}

pub struct Database {
    pub info: DatabaseInfo,
    reader: Reader<Vec<u8>>,
    shape: Shape,
}

impl Database {
    /// Opens a file for a role; the error says why it cannot serve.
    pub fn open(name: &str, role: Role, bytes: Vec<u8>) -> Result<Database, String> {
        let reader = Reader::from_source(bytes).map_err(|error| format!("not a MaxMind DB: {error}"))?;
        let metadata = reader.metadata();
        let info = DatabaseInfo {
            name: name.to_owned(),
            role,
            database_type: metadata.database_type.clone(),
            build_epoch: metadata.build_epoch,
            ip_version: metadata.ip_version,
        };
        let shape = find_shape(&reader, role)?.ok_or_else(|| {
            format!(
                "`{}` is no {} database: its records have none of {}",
                info.database_type,
                role.name(),
                role.fields().join(", ")
            )
        })?;
        Ok(Database { info, reader, shape })
    }

    /// Where the address's record lies; the same for all addresses that share a record.
    pub fn offset(&self, address: IpAddr) -> Option<usize> {
        self.reader.lookup(address).ok()?.offset()
    }

    /// The record of [`Role::Place`].
    pub fn place(&self, address: IpAddr) -> Option<Place> {
        let found = self.reader.lookup(address).ok()?;
        match self.shape {
            Shape::Nested => found.decode::<NestedPlace<'_>>().ok()?.and_then(|record| nested_place(&record)),
            Shape::Flat => found.decode::<FlatPlace<'_>>().ok()?.and_then(|record| flat_place(&record)),
        }
    }

    /// The record of [`Role::Network`].
    pub fn network(&self, address: IpAddr) -> Option<NetworkRecord<'_>> {
        let record: Network<'_> = self.reader.lookup(address).ok()?.decode().ok()??;
        let asn = match record.autonomous_system_number {
            0 => match parse_entry(record.asn) {
                Some(ListEntry::Asn(asn)) => asn,
                _ => 0,
            },
            asn => asn,
        };
        let organization = first_text(&[record.autonomous_system_organization, record.as_name, record.name]);
        let connection = match first_text(&[record.usage, record.as_usage]) {
            _ if !record.mobile_country_code.is_empty() => Connection::Mobile,
            "hosting" => Connection::Hosting,
            "business" | "education" | "government" => Connection::Corporate,
            _ => Connection::Unknown,
        };
        (asn != 0 || !organization.is_empty()).then_some(NetworkRecord { asn, organization, connection })
    }

    /// The record of [`Role::ConnectionType`], in GeoIP2's words.
    pub fn connection(&self, address: IpAddr) -> Option<Connection> {
        let record: ConnectionType<'_> = self.reader.lookup(address).ok()?.decode().ok()??;
        Some(match record.connection_type {
            "Cable/DSL" | "Dialup" => Connection::Fixed,
            "Cellular" => Connection::Mobile,
            "Corporate" => Connection::Corporate,
            "Satellite" => Connection::Satellite,
            _ => return None,
        })
    }

    /// The record of [`Role::Anonymous`] as lists.
    pub fn anonymous(&self, address: IpAddr) -> Option<ListSet> {
        let record: Anonymous = self.reader.lookup(address).ok()?.decode().ok()??;
        let mut lists = ListSet::default();
        for (flag, kind) in [
            (record.is_tor_exit_node, ListKind::Tor),
            (record.is_anonymous_vpn, ListKind::Vpn),
            (record.is_public_proxy, ListKind::Proxy),
            (record.is_residential_proxy, ListKind::Proxy),
            (record.is_hosting_provider, ListKind::Hosting),
            (record.relay, ListKind::Relay),
        ] {
            if flag.0 {
                lists.insert(kind);
            }
        }
        Some(lists)
    }
}

/// `None`: nothing in the records sampled serves the role.
fn find_shape(reader: &Reader<Vec<u8>>, role: Role) -> Result<Option<Shape>, String> {
    let networks = reader.networks(WithinOptions::default()).map_err(|error| error.to_string())?;
    for network in networks.take(RECORDS_SAMPLED) {
        let network = network.map_err(|error| format!("damaged: {error}"))?;
        let record = network.decode::<BTreeMap<&str, Value>>().map_err(|error| format!("damaged: {error}"))?;
        let Some(record) = record else { continue };
        let Some(value) = role.fields().iter().find_map(|field| record.get(field)) else { continue };
        return Ok(Some(if value.0 { Shape::Nested } else { Shape::Flat }));
    }
    Ok(None)
}

/// True for a map.
struct Value(bool);

impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        struct IsMap;
        macro_rules! scalar {
            ($($name:ident: $kind:ty),*) => { $(fn $name<E>(self, _: $kind) -> Result<Value, E> { Ok(Value(false)) })* };
        }
        impl<'de> serde::de::Visitor<'de> for IsMap {
            type Value = Value;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("any value")
            }
            scalar!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_u128: u128, visit_f64: f64, visit_str: &str, visit_bytes: &[u8]);
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Value(false))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Value(true))
            }
        }
        deserializer.deserialize_any(IsMap)
    }
}

fn nested_place(record: &NestedPlace<'_>) -> Option<Place> {
    let region = record.subdivisions.0.as_ref();
    let found = Found {
        country: CountryCode::parse(first_text(&[record.country.iso_code, record.registered_country.iso_code])),
        region: region.map_or("", |region| first_text(&[region.names.en, region.iso_code])),
        city: record.city.names.en,
        coordinates: coordinates(record.location.latitude.0, record.location.longitude.0),
        radius_km: record.location.accuracy_radius,
    };
    found.place()
}

fn flat_place(record: &FlatPlace<'_>) -> Option<Place> {
    let either = |a: f64, b: f64| if a.is_nan() { b } else { a };
    let found = Found {
        country: CountryCode::parse(first_text(&[record.country_code, record.country])),
        region: first_text(&[record.region, record.state1]),
        city: record.city,
        coordinates: coordinates(
            either(record.latitude.0, record.lat.0),
            either(record.longitude.0, record.lng.0),
        ),
        radius_km: (record.radius.0 >= 1.0).then_some(record.radius.0.min(20_000.0) as u16),
    };
    found.place()
}

/// The place a provider wrote, for an address that no database knows.
///
/// Without a city the coordinates are the country's centroid, whatever the state says: so it is in Entra ID's logs.
pub fn provider_place(location: &ProviderLocation<'_>) -> Option<Place> {
    let found = Found {
        country: CountryCode::parse(&location.country),
        region: if location.city.is_empty() { "" } else { &location.state },
        city: &location.city,
        coordinates: location.coordinates.and_then(|(latitude, longitude)| coordinates(latitude, longitude)),
        radius_km: None,
    };
    found.place().map(|place| Place { from_provider: true, ..place })
}

/// A record's words, before they become a place.
struct Found<'a> {
    country: Option<CountryCode>,
    region: &'a str,
    city: &'a str,
    coordinates: Option<(f64, f64)>,
    radius_km: Option<u16>,
}

impl Found<'_> {
    /// `None` when neither coordinates nor a known country place it.
    fn place(&self) -> Option<Place> {
        let country = self.country.unwrap_or(CountryCode::UNKNOWN);
        let precision = match self.coordinates {
            Some(_) if !self.city.is_empty() => Precision::City,
            Some(_) if !self.region.is_empty() => Precision::Region,
            // Without coordinates the country's own are all there is, however well the place is named.
            _ => Precision::Country,
        };
        let assumed_km = match precision {
            Precision::City => CITY_RADIUS_KM,
            Precision::Region => REGION_RADIUS_KM,
            Precision::Country => country::radius_km(country),
        };
        let (latitude, longitude) = match self.coordinates {
            Some(coordinates) => coordinates,
            None => country::extent(country).map(|extent| (extent.latitude, extent.longitude))?,
        };
        let given_km = self.radius_km.filter(|radius_km| *radius_km > 0 && self.coordinates.is_some());
        Some(Place {
            latitude,
            longitude,
            radius_km: given_km.unwrap_or(assumed_km),
            precision,
            country,
            region: self.region.into(),
            city: self.city.into(),
            from_provider: false,
        })
    }
}

/// `None` unless both are degrees, and not 0,0, which stands for "unknown".
fn coordinates(latitude: f64, longitude: f64) -> Option<(f64, f64)> {
    let valid = latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && (latitude != 0.0 || longitude != 0.0);
    valid.then_some((latitude, longitude))
}

fn first_text<'a>(texts: &[&'a str]) -> &'a str {
    texts.iter().copied().find(|text| !text.is_empty()).unwrap_or("")
}
