//! Which address a sign-in leaves from, and why that may look odd.
//!
//! A stay has a local network; over it lie tunnels, privacy relays, Tor and the carrier's gateways, each switched on
//! and off as people and their devices do. Everything that makes one person appear in two places is labelled with its
//! cause.

use super::World;
use super::dice::{Dice, Domain, IdKind, hash};
use super::event::Causes;
use super::itinerary::{Spot, Stay};
use super::network::{Address, Kind};
use super::population::{PHONE, Persona, Traits, User};

const DAY_S: i64 = 86_400;

/// How one stay reaches the internet: decided once a stay, kept while it lasts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overlay {
    laptop: Option<(Address, Causes)>,
    phone_on_vpn: bool,
    /// The shared tunnel: until when it is as it is, and the address while it is on.
    shared: Option<(i64, Option<Address>)>,
    attached: Option<(i64, Address, Causes)>,
}

/// Exits of one VPN network: few, and shared by everybody who uses it.
pub const VPN_EXITS: u32 = 24;
/// Machines behind a cloud desktop's or a cloud service's egress.
pub const CLOUD_HOSTS: u32 = 40;
/// Addresses of a carrier gateway.
pub const GATEWAY_HOSTS: u32 = 200;
/// Addresses that a shared tunnel leaves from.
const TUNNEL_HOSTS: u32 = 8;
/// Public networks of hotels, airports and cafés in a place.
const PUBLIC_HOSTS: u32 = 300;

impl Overlay {
    /// Decides on tunnels for the stay.
    pub fn begin(&mut self, user: &User, stay: &Stay, world: &World, dice: &mut Dice) {
        let in_office = matches!(stay.spot, Spot::Office(_));
        let all_day = user.persona == Persona::VpnUser;
        self.phone_on_vpn = false;
        self.laptop = None;
        if uses_shared_tunnel(user, world) {
            return;
        }
        if user.persona == Persona::CloudDesktop && dice.chance(0.8) {
            let network = world.organisation.offices[usize::from(user.office)].cloud;
            let address = Address { network, host: dice.below(CLOUD_HOSTS) };
            self.laptop = Some((address, Causes::CLOUD_DESKTOP));
        } else if user.traits.has(Traits::CORPORATE_VPN) && !in_office && dice.chance(0.8) {
            self.laptop = Some((office_address(world, user.office, dice), Causes::CORPORATE_VPN));
        } else if user.traits.has(Traits::PERSONAL_VPN)
            && !in_office
            && dice.chance(if all_day { 0.8 } else { 0.3 })
        {
            let address = Address { network: user.vpn, host: dice.below(VPN_EXITS) };
            self.laptop = Some((address, Causes::VPN));
            self.phone_on_vpn = dice.chance(0.3);
        }
    }

    /// The address a sign-in at `time_s` leaves from, and why it may look odd.
    pub fn address(
        &mut self,
        user: &User,
        stay: &Stay,
        slot: usize,
        time_s: i64,
        world: &World,
        dice: &mut Dice,
    ) -> (Address, Causes) {
        let is_phone = slot == PHONE && user.persona != Persona::Shared;
        if user.traits.has(Traits::TOR) && dice.chance(0.03) {
            let network = world.atlas.pick_anywhere(Kind::Tor, dice);
            return (Address { network, host: dice.below(VPN_EXITS) }, Causes::TOR);
        }
        if let Some(tunnel) = self.shared_tunnel(user, time_s, world, dice) {
            return tunnel;
        }
        // A tunnel drops now and then.
        if let Some(tunnel) = self.laptop
            && (!is_phone || self.phone_on_vpn)
            && dice.chance(0.95)
        {
            return tunnel;
        }
        if is_phone && user.traits.has(Traits::PRIVACY_RELAY) && dice.chance(0.6) {
            let country = world.atlas.country(stay.place);
            if let Some(network) = world.atlas.pick_in_country(country, Kind::Hosting, dice) {
                return (Address { network, host: dice.below(CLOUD_HOSTS) }, Causes::PRIVACY_RELAY);
            }
        }
        let wifi = world.organisation.shares.wifi;
        let on_wifi = wifi
            * match stay.spot {
                Spot::Home => 0.7,
                Spot::Office(_) | Spot::Public => 0.5,
                Spot::Road => 0.0,
                Spot::Flight => 1.0,
            };
        if stay.spot == Spot::Road || (is_phone && !dice.chance(on_wifi)) {
            return self.mobile(user, stay, time_s, world, dice);
        }
        match stay.spot {
            Spot::Office(number) => (office_address(world, number, dice), Causes::NONE),
            Spot::Home => home_address(user, stay, world, dice),
            Spot::Public | Spot::Road | Spot::Flight => {
                // One hotel, hall or aeroplane a stay.
                let key = hash(world.seed, IdKind::Secret, stay.from_s as u64 ^ u64::from(user.home_line.host));
                let mut lot = Dice::new(key, Domain::UserDay, 0);
                let in_flight = stay.spot == Spot::Flight;
                let kind = if in_flight { Kind::Satellite } else { Kind::Fixed };
                let network = world.atlas.pick(stay.place, kind, &mut lot);
                let cause = if in_flight { Causes::IN_FLIGHT } else { Causes::PUBLIC_NETWORK };
                (Address { network, host: lot.below(PUBLIC_HOSTS) }, cause)
            }
        }
    }

    /// The tunnel that everybody has, while it is on.
    fn shared_tunnel(
        &mut self,
        user: &User,
        time_s: i64,
        world: &World,
        dice: &mut Dice,
    ) -> Option<(Address, Causes)> {
        /// Of reconnections that end at the other egress, where there are two.
        const SWITCHES: f64 = 0.15;
        let times = world.organisation.shares.shared_tunnel.filter(|_| uses_shared_tunnel(user, world))?;
        let tunnels = &world.organisation.tunnels;
        let (mut until_s, mut address) = self.shared.unwrap_or_else(|| {
            let is_on = dice.chance(times.on_mean_s / (times.on_mean_s + times.off_mean_s));
            (time_s, (!is_on).then_some(Address { network: user.vpn, host: 0 }))
        });
        while until_s <= time_s {
            address = match address {
                Some(_) => None,
                None => {
                    let is_other = dice.chance(SWITCHES);
                    let network = if is_other { tunnels[dice.index(tunnels.len())] } else { user.vpn };
                    Some(Address { network, host: dice.below(TUNNEL_HOSTS) })
                }
            };
            let mean_s = if address.is_some() { times.on_mean_s } else { times.off_mean_s };
            until_s += 1 + dice.exponential(mean_s) as i64;
        }
        self.shared = Some((until_s, address));
        let address = address?;
        let is_bought = world.atlas.network(address.network).kind == Kind::Vpn;
        Some((address, if is_bought { Causes::VPN } else { Causes::CORPORATE_VPN }))
    }

    /// The carrier's gateway: kept for an hour or so, then any of the carrier's, often in another city.
    fn mobile(
        &mut self,
        user: &User,
        stay: &Stay,
        time_s: i64,
        world: &World,
        dice: &mut Dice,
    ) -> (Address, Causes) {
        if let Some((until_s, address, causes)) = self.attached
            && time_s < until_s
        {
            return (address, causes);
        }
        let atlas = &world.atlas;
        let shares = world.organisation.shares;
        let abroad = atlas.country(stay.place) != atlas.country(user.home);
        // Home-routed roaming shows the home country; local breakout the visited one.
        let is_home_routed = user.trip.is_some_and(|trip| trip.departs % 2 == 0);
        let network = if abroad && !is_home_routed {
            atlas.pick(stay.place, Kind::Mobile, dice)
        } else if dice.chance(1.0 - shares.gateway_elsewhere) {
            user.carrier
        } else {
            let country = atlas.country(user.home);
            let other = atlas.pick_in_country(country, Kind::Mobile, dice).unwrap_or(user.carrier);
            if atlas.network(other).asn == atlas.network(user.carrier).asn { other } else { user.carrier }
        };
        let elsewhere = atlas.place_of(network) != stay.place;
        let causes = if elsewhere { Causes::MOBILE_GATEWAY } else { Causes::NONE };
        let address = Address { network, host: dice.below(GATEWAY_HOSTS) };
        self.attached = Some((time_s + dice.exponential(shares.attachment_mean_s) as i64, address, causes));
        (address, causes)
    }
}

fn uses_shared_tunnel(user: &User, world: &World) -> bool {
    world.organisation.shares.shared_tunnel.is_some() && user.traits.has(Traits::CORPORATE_VPN)
}

fn office_address(world: &World, number: u8, dice: &mut Dice) -> Address {
    let office = &world.organisation.offices[usize::from(number)];
    Address { network: office.network, host: dice.below(office.egress_count) }
}

fn home_address(user: &User, stay: &Stay, world: &World, dice: &mut Dice) -> (Address, Causes) {
    let day = stay.from_s.div_euclid(DAY_S);
    let renumbered = i64::from(user.lease_began) <= day && day <= i64::from(user.lease_began) + 1;
    let causes = if renumbered { Causes::RENUMBERED } else { Causes::NONE };
    match user.home_v6 {
        Some(network) if user.traits.has(Traits::DUAL_STACK) && dice.chance(0.5) => {
            // The subnet stays, the interface changes daily (privacy extensions).
            let interface = hash(world.seed, IdKind::Device, day as u64) as u32 & 0xff;
            let host = (user.home_line.host & !0xff) | interface;
            (Address { network, host }, causes.with(Causes::IP_VERSION_FLIP))
        }
        _ => (user.home_line, causes),
    }
}
