//! Everything known of an address, and of a place a provider wrote: looked up once, then cached.
//!
//! Both caches are bounded and hold pure functions of their keys, so they change the speed of an answer and never
//! the answer.

use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::FixedState;
use quick_cache::unsync::Cache;

use super::connection;
use super::database::{NetworkRecord, Role, provider_place};
use super::tables::Tables;
use crate::engine::facts::{Connection, CountryCode, ListSet, NamedLocation, Place, Precision};
use crate::engine::hash::{Seed, hash32, hash64};
use crate::engine::signin::ProviderLocation;

/// Addresses kept per worker (about 100 bytes each).
pub const ADDRESSES_MAX: usize = 65_536;
/// Database records kept per worker: many addresses share one (about 200 bytes each).
pub const PLACES_MAX: usize = 32_768;
/// Places written by providers kept per worker.
pub const PROVIDER_PLACES_MAX: usize = 8_192;
/// Cells of places without a city, in degrees.
const CELL_DEGREES: f64 = 0.5;

/// A place with its hashes.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownPlace {
    pub place: Arc<Place>,
    /// Country and region; 0 when only the country is known.
    pub region_hash: u32,
    /// Country, region and city; without a city, its cell.
    pub city_hash: u32,
}

impl KnownPlace {
    pub fn new(place: Place) -> KnownPlace {
        let mut text = String::with_capacity(64);
        text.push_str(place.country.as_str());
        text.push('\0');
        text.push_str(&place.region);
        let region_hash = match place.precision {
            Precision::Country if place.region.is_empty() => 0,
            _ => hash32(Seed::Region, text.as_bytes()),
        };
        text.push('\0');
        if place.city.is_empty() {
            let cell = |degrees: f64| (degrees / CELL_DEGREES).floor() as i32;
            text.push_str(&format!("{} {}", cell(place.latitude), cell(place.longitude)));
        } else {
            text.push_str(&place.city);
        }
        let city_hash = hash32(Seed::City, text.as_bytes());
        KnownPlace { place: Arc::new(place), region_hash, city_hash }
    }

    /// Whether it is what [`provider_place`] makes of `location`.
    fn is_of(&self, location: &ProviderLocation<'_>) -> bool {
        let place = &*self.place;
        let country = CountryCode::parse(&location.country).unwrap_or(CountryCode::UNKNOWN);
        let region = if location.city.is_empty() { "" } else { &*location.state };
        let coordinates = location.coordinates.is_none_or(|given| given == (place.latitude, place.longitude));
        *place.city == *location.city
            && *place.region == *region
            && place.country == country
            && coordinates
            && (place.precision == Precision::Country)
                == (location.coordinates.is_none() || location.city.is_empty())
    }
}

/// What the tables know of an address.
#[derive(Clone, Debug, PartialEq)]
pub struct AddressFacts {
    pub place: Option<KnownPlace>,
    /// The database's; else the provider's; 0 = unknown.
    pub asn: u32,
    pub organization: Option<Arc<str>>,
    pub connection: Connection,
    pub lists: ListSet,
}

/// One worker's address look-up.
pub struct Addresses {
    by_address: Cache<(IpAddr, u32), AddressFacts, quick_cache::UnitWeighter, FixedState>,
    by_record: Cache<(usize, usize), Option<KnownPlace>, quick_cache::UnitWeighter, FixedState>,
    by_location: Cache<u64, KnownPlace, quick_cache::UnitWeighter, FixedState>,
}

impl Addresses {
    pub fn new(addresses_max: usize) -> Addresses {
        Addresses {
            by_address: cache(addresses_max),
            by_record: cache(PLACES_MAX.min(addresses_max)),
            by_location: cache(PROVIDER_PLACES_MAX.min(addresses_max)),
        }
    }

    /// What the tables know of `address`, with `provider_asn` (0 = none) where no database knows the network.
    pub fn look_up(&mut self, tables: &Tables, address: IpAddr, provider_asn: u32) -> AddressFacts {
        let key = (address, provider_asn);
        if let Some(known) = self.by_address.get(&key) {
            return known.clone();
        }
        let facts = self.read(tables, address, provider_asn);
        self.by_address.insert(key, facts.clone());
        facts
    }

    /// The place a provider wrote.
    pub fn provider_place(&mut self, location: &ProviderLocation<'_>) -> Option<KnownPlace> {
        if location.coordinates.is_none() && location.country.is_empty() {
            return None;
        }
        let key = location_key(location);
        // A hash is no proof: the text comes from the log and may have been chosen to collide.
        if let Some(known) = self.by_location.get(&key).filter(|known| known.is_of(location)) {
            return Some(known.clone());
        }
        let known = KnownPlace::new(provider_place(location)?);
        self.by_location.insert(key, known.clone());
        Some(known)
    }

    fn read(&mut self, tables: &Tables, address: IpAddr, provider_asn: u32) -> AddressFacts {
        let network = tables.of_role(Role::Network).find_map(|(_, database)| database.network(address));
        let network =
            network.unwrap_or(NetworkRecord { asn: 0, organization: "", connection: Connection::Unknown });
        let asn = if network.asn == 0 { provider_asn } else { network.asn };
        let mut lists = tables.lists.of(address, asn);
        if let Some(flags) = tables.of_role(Role::Anonymous).find_map(|(_, database)| database.anonymous(address))
        {
            lists = lists.union(flags);
        }
        let by_type = tables.of_role(Role::ConnectionType).find_map(|(_, database)| database.connection(address));
        AddressFacts {
            place: self.database_place(tables, address),
            asn,
            organization: (!network.organization.is_empty()).then(|| network.organization.into()),
            connection: connection::infer(lists, by_type, network.connection, network.organization),
            lists,
        }
    }

    fn database_place(&mut self, tables: &Tables, address: IpAddr) -> Option<KnownPlace> {
        for (index, database) in tables.of_role(Role::Place) {
            let Some(offset) = database.offset(address) else { continue };
            let known = match self.by_record.get(&(index, offset)) {
                Some(known) => known.clone(),
                None => {
                    let known = database.place(address).map(KnownPlace::new);
                    self.by_record.insert((index, offset), known.clone());
                    known
                }
            };
            if known.is_some() {
                return known;
            }
        }
        None
    }
}

/// The named location of an address, or of a sign-in without one.
pub fn named(tables: &Tables, address: Option<IpAddr>, asn: u32, country: CountryCode) -> NamedLocation {
    match address {
        Some(address) => tables.named.of(address, asn, country),
        None => tables.named.of_network(asn, country),
    }
}

fn cache<K: Eq + std::hash::Hash, V: Clone>(
    items_max: usize,
) -> Cache<K, V, quick_cache::UnitWeighter, FixedState> {
    // A fixed hasher: which entry is evicted is the same in every run, though no result depends on it.
    Cache::with(
        items_max,
        items_max as u64,
        quick_cache::UnitWeighter,
        FixedState::default(),
        quick_cache::unsync::DefaultLifecycle::default(),
    )
}

fn location_key(location: &ProviderLocation<'_>) -> u64 {
    let (latitude, longitude) = location.coordinates.unwrap_or((0.0, 0.0));
    let texts = [&location.city, &location.state, &location.country];
    texts.into_iter().fold(latitude.to_bits() ^ longitude.to_bits().rotate_left(32), |key, text| {
        key.rotate_left(21) ^ hash64(Seed::City, text.as_bytes())
    })
}
