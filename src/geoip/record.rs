//! Records as GeoLite2 City, GeoLite2 ASN and GeoIP2 Anonymous-IP databases hold them, made from a row's values.

use mmdb_writer::Value;

/// A row's place. Empty text and `None` mean that the row does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlaceRow<'a> {
    /// GeoLite2's two letters; DB-IP has it, the others do not.
    pub continent: &'a str,
    /// ISO 3166-1 alpha-2.
    pub country: &'a str,
    pub region: &'a str,
    pub region_code: &'a str,
    pub city: &'a str,
    pub postcode: &'a str,
    pub time_zone: &'a str,
    /// Degrees.
    pub coordinates: Option<(f64, f64)>,
    pub accuracy_radius_km: Option<u16>,
}

/// What an anonymous-IP row says: the names of its flags that are set.
pub type Flags = &'static [&'static str];

/// The flags of a kind in `networks.csv`; empty for a kind that hides nobody.
pub fn flags_of(kind: &str) -> Option<Flags> {
    Some(match kind {
        "vpn" => &["is_anonymous", "is_anonymous_vpn"],
        "tor" => &["is_anonymous", "is_tor_exit_node"],
        "proxy" => &["is_anonymous", "is_residential_proxy"],
        "hosting" => &["is_anonymous", "is_hosting_provider"],
        "fixed" | "mobile" | "corporate" | "satellite" => &[],
        _ => return None,
    })
}

pub fn place_record(row: &PlaceRow<'_>) -> Value {
    let mut record: Vec<(&str, Value)> = Vec::new();
    if !row.city.is_empty() {
        record.push(("city", names(row.city)));
    }
    if !row.continent.is_empty() {
        record.push(("continent", Value::map([("code", row.continent)])));
    }
    if !row.country.is_empty() {
        record.push(("country", Value::map([("iso_code", row.country)])));
        record.push(("registered_country", Value::map([("iso_code", row.country)])));
    }
    if let Some(location) = location(row) {
        record.push(("location", location));
    }
    if !row.postcode.is_empty() {
        record.push(("postal", Value::map([("code", row.postcode)])));
    }
    if let Some(subdivision) = subdivision(row) {
        record.push(("subdivisions", Value::array([subdivision])));
    }
    Value::map(record)
}

pub fn asn_record(asn: u32, organization: &str) -> Value {
    let mut record = vec![("autonomous_system_number", Value::from(asn))];
    if !organization.is_empty() {
        record.push(("autonomous_system_organization", Value::from(organization)));
    }
    Value::map(record)
}

pub fn anonymous_record(flags: Flags) -> Value {
    Value::map(flags.iter().map(|flag| (*flag, Value::from(true))))
}

fn names(english: &str) -> Value {
    Value::map([("names", Value::map([("en", english)]))])
}

fn location(row: &PlaceRow<'_>) -> Option<Value> {
    let (latitude, longitude) = row.coordinates?;
    let mut location = vec![("latitude", Value::from(latitude)), ("longitude", Value::from(longitude))];
    if let Some(radius_km) = row.accuracy_radius_km {
        location.push(("accuracy_radius", Value::from(radius_km)));
    }
    if !row.time_zone.is_empty() {
        location.push(("time_zone", Value::from(row.time_zone)));
    }
    Some(Value::map(location))
}

fn subdivision(row: &PlaceRow<'_>) -> Option<Value> {
    let mut subdivision: Vec<(&str, Value)> = Vec::new();
    if !row.region_code.is_empty() {
        subdivision.push(("iso_code", Value::from(row.region_code)));
    }
    if !row.region.is_empty() {
        subdivision.push(("names", Value::map([("en", row.region)])));
    }
    (!subdivision.is_empty()).then(|| Value::map(subdivision))
}
