//! The organisation: its offices, the networks it leaves through, and where its people travel.

use super::dice::{Dice, Domain};
use super::network::{Atlas, Kind, NetworkNumber, Place, PlaceNumber};
use super::shares::{Population, Shares, Sites};

/// A building with an egress shared by everyone in it.
pub struct Office {
    pub place: PlaceNumber,
    pub network: NetworkNumber,
    /// How many public addresses it leaves through.
    pub egress_count: u32,
    /// Hosting network of the cloud region that serves it, and of the one that stands in for that.
    pub cloud: NetworkNumber,
    pub cloud_elsewhere: NetworkNumber,
}

/// The organisation as a whole.
pub struct Organisation {
    pub shares: &'static Shares,
    pub offices: Vec<Office>,
    office_weights: Vec<f64>,
    /// Hosting networks of the cloud providers that services run on.
    pub clouds: [NetworkNumber; 2],
    /// Networks that everybody's tunnel leaves through; one or two.
    pub tunnels: Vec<NetworkNumber>,
    /// Where students live: one line with a few addresses for all of them.
    pub dormitory: NetworkNumber,
    /// Office whose people still sign in through a federation server of their own, not in the cloud.
    pub federated_office: u8,
    /// Customers and conference cities people travel to.
    pub destinations: Vec<PlaceNumber>,
    pub principals: u32,
}

/// Largest number of offices.
const OFFICES_MAX: usize = 12;

impl Organisation {
    pub fn new(seed: u64, users: u32, population: Population, atlas: &Atlas) -> Organisation {
        let mut dice = Dice::new(seed, Domain::Organisation, 0);
        let shares = population.shares();
        let places = sites(shares.sites, users, atlas, &mut dice);
        let offices: Vec<Office> = places
            .iter()
            .map(|place| {
                let network = office_network(shares.sites, atlas, *place, &mut dice);
                let egress_count = 1 + dice.below(4);
                let cloud = atlas.pick(*place, Kind::Hosting, &mut dice);
                let cloud_elsewhere = cloud_elsewhere(atlas, cloud, &mut dice);
                Office { place: *place, network, egress_count, cloud, cloud_elsewhere }
            })
            .collect();
        let office_weights = (1..=offices.len()).map(|rank| 1.0 / (rank * rank) as f64).collect();
        let city = |place: &Place| if place.city.is_empty() { 0.0 } else { place.weight };
        let destinations = (0..shares.destinations)
            .map(|_| dice.weighted(atlas.places.iter().map(city)) as PlaceNumber)
            .collect();
        let headquarters = places[0];
        let clouds = [(); 2].map(|()| atlas.pick(headquarters, Kind::Hosting, &mut dice));
        Organisation {
            shares,
            federated_office: offices.len().saturating_sub(1) as u8,
            tunnels: tunnels(atlas, &offices, &mut dice),
            dormitory: atlas.pick(headquarters, Kind::Fixed, &mut dice),
            offices,
            office_weights,
            clouds,
            destinations,
            principals: 2 + users / 100,
        }
    }

    /// How many people each office has, relative to the others.
    pub fn office_weights(&self) -> impl Iterator<Item = f64> + Clone {
        self.office_weights.iter().copied()
    }

    /// The countries the organisation has offices in.
    pub fn is_at_home_in(&self, atlas: &Atlas, country: u16) -> bool {
        self.offices.iter().any(|office| atlas.country(office.place) == country)
    }
}

/// Headquarters and branches: places of offices, drawn by the size of cities.
fn sites(sites: Sites, users: u32, atlas: &Atlas, dice: &mut Dice) -> Vec<PlaceNumber> {
    /// An office near a border has a city of another country this near.
    const BORDER_KM_MAX: f64 = 130.0;
    let fits = |place: PlaceNumber| match sites {
        Sites::NearBorders => {
            atlas.across_the_border(place).is_some_and(|(_, distance_km)| distance_km < BORDER_KM_MAX)
        }
        Sites::ManyGateways => {
            let with_gateway = |city: &&PlaceNumber| atlas.has(**city, Kind::Mobile);
            atlas.cities(atlas.country(place)).iter().filter(with_gateway).count() > 1
        }
        Sites::Offices | Sites::NoOffice | Sites::Campus => true,
    };
    let weights: Vec<f64> = (0u16..)
        .zip(&atlas.places)
        .map(|(number, place)| if place.city.is_empty() || !fits(number) { 0.0 } else { place.weight })
        .collect();
    let anywhere = |dice: &mut Dice| dice.weighted(weights.iter().copied()) as PlaceNumber;
    let headquarters = anywhere(dice);
    let count = if sites == Sites::Campus { 1 } else { (2 + (users / 400) as usize).min(OFFICES_MAX) };
    let home = atlas.country(headquarters);
    let mut places = vec![headquarters];
    for _ in 0..count * 20 {
        if places.len() == count {
            break;
        }
        // Half of the branches are in the home country.
        let place = if dice.chance(0.5) {
            let cities = atlas.cities(home);
            cities[dice.index(cities.len())]
        } else {
            anywhere(dice)
        };
        if !places.contains(&place) && weights[usize::from(place)] > 0.0 {
            places.push(place);
        }
    }
    places
}

/// The office's own network where the place has one, else a business line; a hosting network where there is no
/// office, for what leaves through the organisation's VPN.
fn office_network(sites: Sites, atlas: &Atlas, place: PlaceNumber, dice: &mut Dice) -> NetworkNumber {
    let kind = match sites {
        Sites::NoOffice => Kind::Hosting,
        _ if atlas.has(place, Kind::Corporate) => Kind::Corporate,
        _ => Kind::Fixed,
    };
    atlas.pick(place, kind, dice)
}

/// A region in another city: mostly in the same country, where it has one.
fn cloud_elsewhere(atlas: &Atlas, cloud: NetworkNumber, dice: &mut Dice) -> NetworkNumber {
    const TRIES: usize = 20;
    let place = atlas.place_of(cloud);
    let is_abroad = dice.chance(0.3);
    for _ in 0..TRIES {
        let here = if is_abroad { None } else { atlas.pick_in_country(atlas.country(place), Kind::Hosting, dice) };
        let found = here.unwrap_or_else(|| atlas.pick_anywhere(Kind::Hosting, dice));
        if atlas.place_of(found) != place {
            return found;
        }
    }
    atlas.pick_anywhere(Kind::Hosting, dice)
}

/// One or two networks, each the organisation's own or a VPN provider's, as near to an office as there are any.
fn tunnels(atlas: &Atlas, offices: &[Office], dice: &mut Dice) -> Vec<NetworkNumber> {
    let count = 1 + dice.index(2);
    let near = offices.iter().cycle().take(count);
    near.map(|office| {
        let kind = if dice.chance(0.5) { Kind::Corporate } else { Kind::Vpn };
        atlas.pick(office.place, kind, dice)
    })
    .collect()
}
