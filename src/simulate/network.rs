//! The world the organisation lives in: places and the networks at them.
//!
//! Read from the source tables of `geoip-test-data/` (reserved address space, real cities), so that what the
//! simulator writes is what the built databases resolve. Keeps only what the simulator needs: who is where, which
//! kind of network is at a place, how far two places are apart. No lookup by address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, bail};

use super::dice::Dice;

/// Kinds of network, as the source table names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    Fixed,
    Mobile,
    Hosting,
    Vpn,
    Corporate,
    Tor,
    Proxy,
    Satellite,
}

impl Kind {
    pub const ALL: [Kind; 8] = [
        Kind::Fixed,
        Kind::Mobile,
        Kind::Hosting,
        Kind::Vpn,
        Kind::Corporate,
        Kind::Tor,
        Kind::Proxy,
        Kind::Satellite,
    ];

    fn parse(text: &str) -> Option<Kind> {
        const NAMES: [&str; 8] = ["fixed", "mobile", "hosting", "vpn", "corporate", "tor", "proxy", "satellite"];
        NAMES.iter().position(|name| *name == text).map(|index| Kind::ALL[index])
    }
}

pub struct Place {
    pub name: String,
    pub city: String,
    pub region: String,
    pub country: String,
    pub latitude: f64,
    pub longitude: f64,
    pub weight: f64,
    /// Local time by the sun: hours east of UTC by longitude.
    pub utc_offset_h: i64,
}

pub struct Network {
    pub address: IpAddr,
    pub prefix_length: u8,
    pub asn: u32,
    pub kind: Kind,
    pub place: u16,
    /// On the test data's malicious or threat-actor list: only attackers come from there.
    pub is_hostile: bool,
}

/// Number of a place in [`Atlas::places`].
pub type PlaceNumber = u16;
/// Number of a network in [`Atlas::networks`].
pub type NetworkNumber = u16;

/// One address: a network and a host in it. Small, so that events stay small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub network: NetworkNumber,
    pub host: u32,
}

#[derive(Default)]
struct Shelf {
    v4: Vec<NetworkNumber>,
    v6: Vec<NetworkNumber>,
}

/// All places and networks, with the indexes the simulator asks.
pub struct Atlas {
    pub places: Vec<Place>,
    pub networks: Vec<Network>,
    /// By place × kind.
    shelves: Vec<Shelf>,
    /// By kind: all IPv4 networks.
    by_kind: Vec<Vec<NetworkNumber>>,
    /// IPv4 networks that only attackers use.
    hostile: Vec<NetworkNumber>,
    /// Cities of each country, in the order countries first appear.
    countries: Vec<Vec<PlaceNumber>>,
    country_of: Vec<u16>,
}

const PLACES: &str = include_str!("../../geoip-test-data/places.csv");
const NETWORKS: &str = include_str!("../../geoip-test-data/networks.csv");

const HOSTILE: [&str; 2] = [
    include_str!("../../geoip-test-data/lists/malicious.txt"),
    include_str!("../../geoip-test-data/lists/threat-actor.txt"),
];

impl Atlas {
    /// The tables of `geoip-test-data/`, as built into the program.
    pub fn embedded() -> anyhow::Result<Atlas> {
        Atlas::parse(PLACES, NETWORKS)
    }

    /// Reads `place,city,region,region_code,country,latitude,longitude,weight` and
    /// `network,asn,organization,kind,place,accuracy_radius_km`.
    pub fn parse(places: &str, networks: &str) -> anyhow::Result<Atlas> {
        let places = parse_places(places)?;
        let networks = parse_networks(networks, &places)?;
        let mut atlas = Atlas {
            shelves: (0..places.len() * Kind::ALL.len()).map(|_| Shelf::default()).collect(),
            by_kind: vec![Vec::new(); Kind::ALL.len()],
            hostile: Vec::new(),
            countries: Vec::new(),
            country_of: Vec::new(),
            places,
            networks,
        };
        atlas.index()?;
        Ok(atlas)
    }

    fn index(&mut self) -> anyhow::Result<()> {
        for (number, network) in (0u16..).zip(&self.networks) {
            let shelf = &mut self.shelves[usize::from(network.place) * Kind::ALL.len() + network.kind as usize];
            if network.address.is_ipv4() && network.is_hostile {
                self.hostile.push(number);
            } else if network.address.is_ipv4() {
                shelf.v4.push(number);
                self.by_kind[network.kind as usize].push(number);
            } else {
                shelf.v6.push(number);
            }
        }
        let mut names: Vec<&str> = Vec::new();
        for (number, place) in (0u16..).zip(&self.places) {
            let at = names.iter().position(|name| *name == place.country).unwrap_or_else(|| {
                names.push(&place.country);
                self.countries.push(Vec::new());
                names.len() - 1
            });
            self.country_of.push(u16::try_from(at)?);
            if !place.city.is_empty() {
                self.countries[at].push(number);
            }
        }
        for kind in [Kind::Fixed, Kind::Mobile, Kind::Hosting, Kind::Vpn, Kind::Corporate, Kind::Tor] {
            if self.by_kind[kind as usize].is_empty() {
                bail!("the network table has no IPv4 network of kind `{kind:?}`");
            }
        }
        Ok(())
    }

    fn shelf(&self, place: PlaceNumber, kind: Kind) -> &Shelf {
        &self.shelves[usize::from(place) * Kind::ALL.len() + kind as usize]
    }

    pub fn place(&self, number: PlaceNumber) -> &Place {
        &self.places[usize::from(number)]
    }

    pub fn network(&self, number: NetworkNumber) -> &Network {
        &self.networks[usize::from(number)]
    }

    pub fn place_of(&self, network: NetworkNumber) -> PlaceNumber {
        self.networks[usize::from(network)].place
    }

    pub fn country(&self, place: PlaceNumber) -> u16 {
        self.country_of[usize::from(place)]
    }

    pub fn cities(&self, country: u16) -> &[PlaceNumber] {
        &self.countries[usize::from(country)]
    }

    pub fn country_count(&self) -> u16 {
        u16::try_from(self.countries.len()).unwrap_or(u16::MAX)
    }

    pub fn has(&self, place: PlaceNumber, kind: Kind) -> bool {
        !self.shelf(place, kind).v4.is_empty()
    }

    /// An IPv4 network of the kind at the place; failing that in its country, failing that anywhere.
    pub fn pick(&self, place: PlaceNumber, kind: Kind, dice: &mut Dice) -> NetworkNumber {
        let here = &self.shelf(place, kind).v4;
        if !here.is_empty() {
            return here[dice.index(here.len())];
        }
        self.pick_in_country(self.country(place), kind, dice).unwrap_or_else(|| self.pick_anywhere(kind, dice))
    }

    /// An IPv4 network of the kind somewhere in the country, cities by weight.
    pub fn pick_in_country(&self, country: u16, kind: Kind, dice: &mut Dice) -> Option<NetworkNumber> {
        let cities = self.cities(country);
        let weight =
            |city: &PlaceNumber| if self.has(*city, kind) { self.place(*city).weight.max(0.1) } else { 0.0 };
        if cities.iter().all(|city| weight(city) == 0.0) {
            return None;
        }
        let city = cities[dice.weighted(cities.iter().map(weight))];
        let here = &self.shelf(city, kind).v4;
        Some(here[dice.index(here.len())])
    }

    pub fn pick_anywhere(&self, kind: Kind, dice: &mut Dice) -> NetworkNumber {
        let all = &self.by_kind[kind as usize];
        if all.is_empty() {
            let hosting = &self.by_kind[Kind::Hosting as usize];
            return hosting[dice.index(hosting.len())];
        }
        all[dice.index(all.len())]
    }

    /// An attacker's own network: one in eight is on a list of hostile ones, the others are anybody's hosting.
    pub fn pick_lair(&self, dice: &mut Dice) -> NetworkNumber {
        if !self.hostile.is_empty() && dice.chance(0.125) {
            return self.hostile[dice.index(self.hostile.len())];
        }
        self.pick_anywhere(Kind::Hosting, dice)
    }

    /// An IPv6 network at the same place and of the same provider.
    pub fn v6_twin(&self, network: NetworkNumber) -> Option<NetworkNumber> {
        let v4 = self.network(network);
        self.shelf(v4.place, v4.kind).v6.iter().copied().find(|twin| self.network(*twin).asn == v4.asn)
    }

    /// Great-circle distance on a sphere, in km. The simulator plans flights with it; it proves nothing.
    pub fn distance_km(&self, from: PlaceNumber, to: PlaceNumber) -> f64 {
        const EARTH_RADIUS_KM: f64 = 6_371.0;
        let (a, b) = (self.place(from), self.place(to));
        let half = |x: f64, y: f64| {
            let sine = libm::sin((y - x).to_radians() / 2.0);
            sine * sine
        };
        let cosines = libm::cos(a.latitude.to_radians()) * libm::cos(b.latitude.to_radians());
        let h = half(a.latitude, b.latitude) + cosines * half(a.longitude, b.longitude);
        2.0 * EARTH_RADIUS_KM * libm::asin(libm::sqrt(h.clamp(0.0, 1.0)))
    }

    /// The city nearest to `place` that lies in another country and has fixed lines.
    pub fn across_the_border(&self, place: PlaceNumber) -> Option<(PlaceNumber, f64)> {
        let home = self.country(place);
        (0u16..)
            .take(self.places.len())
            .filter(|other| self.country(*other) != home && self.has(*other, Kind::Fixed))
            .filter(|other| !self.place(*other).city.is_empty())
            .map(|other| (other, self.distance_km(place, other)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The address in full.
    pub fn ip(&self, address: Address) -> IpAddr {
        let network = self.network(address.network);
        match network.address {
            IpAddr::V4(base) => {
                let size = 1u64 << (32 - u32::from(network.prefix_length.min(32)));
                // Skip the network and broadcast addresses where there is room.
                let (first, usable) = if size > 2 { (1, size - 2) } else { (0, size) };
                let host = first + u64::from(address.host) % usable;
                IpAddr::V4(Ipv4Addr::from_bits(base.to_bits().wrapping_add(host as u32)))
            }
            IpAddr::V6(base) => {
                let subnet_bits = 64u32.saturating_sub(u32::from(network.prefix_length));
                // The upper half of the host number is the subscriber's /64, the lower half the interface.
                let subnet = u128::from(address.host >> 8) & ((1u128 << subnet_bits) - 1);
                let interface = u128::from(u64::from(address.host).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
                IpAddr::V6(Ipv6Addr::from_bits(base.to_bits() | (subnet << 64) | interface))
            }
        }
    }
}

fn reader(text: &str) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes())
}

fn parse_places(text: &str) -> anyhow::Result<Vec<Place>> {
    let mut places = Vec::new();
    for row in reader(text).into_records() {
        let row = row.context("the place table cannot be read")?;
        let field = |index: usize| row.get(index).unwrap_or("").to_owned();
        let number = |index: usize| -> anyhow::Result<f64> {
            field(index).parse().with_context(|| format!("place `{}`: bad number `{}`", field(0), field(index)))
        };
        let longitude = number(6)?;
        places.push(Place {
            name: field(0),
            city: field(1),
            region: field(2),
            country: field(4),
            latitude: number(5)?,
            longitude,
            weight: number(7)?,
            utc_offset_h: libm::round(longitude / 15.0) as i64,
        });
    }
    if places.is_empty() {
        bail!("the place table is empty");
    }
    Ok(places)
}

fn parse_networks(text: &str, places: &[Place]) -> anyhow::Result<Vec<Network>> {
    let mut by_name: Vec<(&str, u16)> = places.iter().map(|place| place.name.as_str()).zip(0u16..).collect();
    by_name.sort_unstable();
    let hostile: Vec<&str> = HOSTILE
        .iter()
        .flat_map(|list| list.lines())
        .filter_map(|line| line.split('#').next().map(str::trim).filter(|network| !network.is_empty()))
        .collect();
    let mut networks = Vec::new();
    for row in reader(text).into_records() {
        let row = row.context("the network table cannot be read")?;
        let field = |index: usize| row.get(index).unwrap_or("");
        let parsed = (|| {
            let (address, length) = field(0).split_once('/')?;
            let place = by_name.binary_search_by(|(name, _)| name.cmp(&field(4))).ok()?;
            Some(Network {
                address: address.parse().ok()?,
                prefix_length: length.parse().ok()?,
                asn: field(1).parse().ok()?,
                kind: Kind::parse(field(3))?,
                place: by_name[place].1,
                is_hostile: hostile.contains(&field(0)),
            })
        })();
        networks.push(parsed.with_context(|| format!("bad row for network `{}`", field(0)))?);
    }
    if networks.len() > usize::from(u16::MAX) {
        bail!("the network table has more than {} rows", u16::MAX);
    }
    Ok(networks)
}
