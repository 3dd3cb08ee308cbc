//! Named locations: the organisation's own word on networks, AS numbers and countries.
//!
//! The most specific wins: the longest network, then the AS, then the country. Of two locations that name the same
//! thing the first configured wins.

use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;
use prefix_trie::PrefixMap;

use super::lists::{ListEntry, parse_entry};
use crate::engine::facts::{CountryCode, NamedLocation};

/// Most named locations: an index is 16 bits and 0 means none.
pub const NAMED_LOCATIONS_MAX: usize = u16::MAX as usize;

/// One named location as it is configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedLocationRule {
    pub name: String,
    /// CIDR networks or addresses.
    pub networks: Vec<String>,
    /// ISO 3166-1 alpha-2.
    pub countries: Vec<String>,
    pub asns: Vec<u32>,
    pub trusted: bool,
    /// VPN, proxy or office hub: never a travel reference.
    pub egress: bool,
}

/// All named locations, by what they name.
#[derive(Clone, Debug, Default)]
pub struct NamedLocations {
    names: Vec<String>,
    networks: PrefixMap<ipnet::Ipv4Net, NamedLocation>,
    networks6: PrefixMap<ipnet::Ipv6Net, NamedLocation>,
    asns: HashMap<u32, NamedLocation>,
    countries: HashMap<CountryCode, NamedLocation>,
}

impl NamedLocations {
    /// Adds the next location; what of it cannot be read is left out and reported.
    pub fn add(&mut self, rule: &NamedLocationRule) -> Vec<String> {
        let mut errors = Vec::new();
        let Some(index) = u16::try_from(self.names.len() + 1).ok() else {
            return vec![format!("more than {NAMED_LOCATIONS_MAX} named locations")];
        };
        self.names.push(rule.name.clone());
        let location = NamedLocation { index, trusted: rule.trusted, egress: rule.egress };
        for text in &rule.networks {
            match parse_entry(text) {
                Some(ListEntry::Network(IpNet::V4(network))) => {
                    self.networks.entry(network).or_insert(location);
                }
                Some(ListEntry::Network(IpNet::V6(network))) => {
                    self.networks6.entry(network).or_insert(location);
                }
                Some(ListEntry::Asn(_)) | None => errors.push(format!("`{text}` is not a network")),
            }
        }
        for text in &rule.countries {
            match CountryCode::parse(text) {
                Some(country) => {
                    self.countries.entry(country).or_insert(location);
                }
                None => errors.push(format!("`{text}` is not a country code")),
            }
        }
        for asn in &rule.asns {
            self.asns.entry(*asn).or_insert(location);
        }
        errors
    }

    /// The location of a sign-in; AS 0 and unknown country match nothing.
    pub fn of(&self, address: IpAddr, asn: u32, country: CountryCode) -> NamedLocation {
        let by_network = match address {
            IpAddr::V4(address) => self.networks.get_lpm(&address.into()).map(|(_, location)| *location),
            IpAddr::V6(address) => self.networks6.get_lpm(&address.into()).map(|(_, location)| *location),
        };
        by_network.unwrap_or_else(|| self.of_network(asn, country))
    }

    /// The location of a sign-in without an address.
    pub fn of_network(&self, asn: u32, country: CountryCode) -> NamedLocation {
        let by_asn = if asn == 0 { None } else { self.asns.get(&asn) };
        by_asn.or_else(|| self.countries.get(&country)).copied().unwrap_or_default()
    }

    /// Name of [`NamedLocation::index`].
    pub fn name(&self, index: u16) -> Option<&str> {
        self.names.get(usize::from(index).checked_sub(1)?).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, networks: &[&str], countries: &[&str], asns: &[u32]) -> NamedLocationRule {
        NamedLocationRule {
            name: name.into(),
            networks: networks.iter().map(|text| (*text).into()).collect(),
            countries: countries.iter().map(|text| (*text).into()).collect(),
            asns: asns.to_vec(),
            trusted: true,
            egress: name.contains("egress"),
        }
    }

    #[test]
    fn the_most_specific_location_wins() {
        let mut locations = NamedLocations::default();
        for rule in [
            rule("norway", &[], &["no"], &[]),
            rule("carrier", &[], &[], &[64_512]),
            rule("wide", &["192.0.2.0/24", "2001:db8::/32"], &[], &[]),
            rule("egress", &["192.0.2.128/25"], &[], &[]),
            rule("second for the same", &["192.0.2.0/24"], &["NO"], &[64_512]),
        ] {
            assert_eq!(locations.add(&rule), Vec::<String>::new());
        }
        let check = |address: &str, asn: u32, country: &str, name: Option<&str>| {
            let country = CountryCode::parse(country).unwrap_or_default();
            let found = locations.of(address.parse().unwrap(), asn, country);
            assert_eq!(locations.name(found.index), name, "{address} {asn}");
            assert_eq!((found.trusted, found.egress), (name.is_some(), name == Some("egress")));
        };
        check("192.0.2.200", 64_512, "NO", Some("egress"));
        check("192.0.2.1", 64_512, "NO", Some("wide"));
        check("2001:db8::1", 0, "", Some("wide"));
        check("198.51.100.1", 64_512, "NO", Some("carrier"));
        check("198.51.100.1", 64_513, "NO", Some("norway"));
        check("198.51.100.1", 0, "", None);
    }

    #[test]
    fn every_error_of_a_rule_is_given() {
        let errors =
            NamedLocations::default().add(&rule("bad", &["10.0.0.0/40", "AS1", "10.0.0.1"], &["NOR", "SE"], &[]));
        assert_eq!(
            errors,
            ["`10.0.0.0/40` is not a network", "`AS1` is not a network", "`NOR` is not a country code"]
        );
    }
}
