//! Records of the common databases, borrowed: only the fields that are needed, whatever the vendor calls them.
//!
//! Two shapes exist. Nested is MaxMind's (GeoIP2, GeoLite2) and DB-IP's; flat is IPinfo's and ip-location-db's.
//! A numeric field may be written as text and a flag as `"true"`, as IPinfo does.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

/// GeoIP2/GeoLite2 City and Country, DB-IP City and Country.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub struct NestedPlace<'a> {
    #[serde(borrow)]
    pub city: Named<'a>,
    pub country: Named<'a>,
    pub registered_country: Named<'a>,
    /// Only the first, the largest division, is kept.
    pub subdivisions: First<Named<'a>>,
    pub location: Location,
}

#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub struct Named<'a> {
    pub iso_code: &'a str,
    #[serde(borrow)]
    pub names: Names<'a>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub struct Names<'a> {
    pub en: &'a str,
}

#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub struct Location {
    pub latitude: Degrees,
    pub longitude: Degrees,
    pub accuracy_radius: Option<u16>,
}

/// IPinfo's and ip-location-db's places.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub struct FlatPlace<'a> {
    pub city: &'a str,
    /// IPinfo.
    pub region: &'a str,
    /// ip-location-db.
    pub state1: &'a str,
    /// A code in IPinfo's location databases, a name where `country_code` is there too.
    pub country: &'a str,
    pub country_code: &'a str,
    pub latitude: Degrees,
    pub longitude: Degrees,
    pub lat: Degrees,
    pub lng: Degrees,
    /// IPinfo Plus.
    pub radius: Degrees,
}

/// ASN and ISP databases of all vendors.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub struct Network<'a> {
    pub autonomous_system_number: u32,
    pub autonomous_system_organization: &'a str,
    /// GeoIP2 ISP: set where the network is a mobile carrier's.
    pub mobile_country_code: &'a str,
    /// IPinfo: `AS64512`.
    pub asn: &'a str,
    pub as_name: &'a str,
    pub name: &'a str,
    /// IPinfo: isp, hosting, business, education.
    #[serde(rename = "type")]
    pub usage: &'a str,
    #[serde(rename = "as_type")]
    pub as_usage: &'a str,
}

/// GeoIP2 Connection-Type.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub struct ConnectionType<'a> {
    pub connection_type: &'a str,
}

/// GeoIP2 Anonymous-IP and IPinfo Privacy.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub struct Anonymous {
    #[serde(alias = "vpn")]
    pub is_anonymous_vpn: Flag,
    #[serde(alias = "hosting")]
    pub is_hosting_provider: Flag,
    #[serde(alias = "proxy")]
    pub is_public_proxy: Flag,
    pub is_residential_proxy: Flag,
    #[serde(alias = "tor")]
    pub is_tor_exit_node: Flag,
    pub relay: Flag,
}

/// A number that may be written as text; NaN when absent or unreadable.
#[derive(Clone, Copy, Debug)]
pub struct Degrees(pub f64);

impl Default for Degrees {
    fn default() -> Degrees {
        Degrees(f64::NAN)
    }
}

impl<'de> Deserialize<'de> for Degrees {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Degrees, D::Error> {
        struct NumberOrText;
        impl Visitor<'_> for NumberOrText {
            type Value = Degrees;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a number as text")
            }
            fn visit_f64<E>(self, value: f64) -> Result<Degrees, E> {
                Ok(Degrees(value))
            }
            fn visit_f32<E>(self, value: f32) -> Result<Degrees, E> {
                // Through the shortest decimal text, so that 59.91 does not become 59.90999984741211.
                Ok(Degrees(value.to_string().parse().unwrap_or(f64::NAN)))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Degrees, E> {
                Ok(Degrees(value as f64))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Degrees, E> {
                Ok(Degrees(value as f64))
            }
            fn visit_str<E>(self, text: &str) -> Result<Degrees, E> {
                Ok(Degrees(text.parse().unwrap_or(f64::NAN)))
            }
        }
        deserializer.deserialize_any(NumberOrText)
    }
}

/// A flag that may be written as text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Flag, D::Error> {
        struct BoolOrText;
        impl Visitor<'_> for BoolOrText {
            type Value = Flag;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a flag or a flag as text")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Flag, E> {
                Ok(Flag(value != 0))
            }
            fn visit_str<E>(self, text: &str) -> Result<Flag, E> {
                Ok(Flag(text == "true" || text == "1"))
            }
        }
        deserializer.deserialize_any(BoolOrText)
    }
}

/// The first element of an array, the rest ignored: no list is allocated.
#[derive(Debug)]
pub struct First<T>(pub Option<T>);

impl<T> Default for First<T> {
    fn default() -> First<T> {
        First(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<First<T>, D::Error> {
        struct FirstOf<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for FirstOf<T> {
            type Value = First<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<First<T>, A::Error> {
                let first = elements.next_element()?;
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }
        deserializer.deserialize_seq(FirstOf(PhantomData))
    }
}
