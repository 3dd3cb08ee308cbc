//! Whether a malicious sign-in looks like one of the owner's: what no log can tell apart, no detection can be asked
//! to.
//!
//! The owner's habits are the simulator's truth of that day, not what the log has shown so far: the line at home, the
//! office, the carrier, and the VPN or cloud desktop of who works through one all day.

use arrayvec::ArrayVec;

use super::super::World;
use super::super::agent::Agent;
use super::super::event::Event;
use super::super::network::{NetworkNumber, PlaceNumber};
use super::super::population::{Persona, Traits, User};
use super::super::shares::Sites;

/// Networks that one user has a habit of.
const NETWORKS_MAX: usize = 6;

/// Notes in a malicious event whether its network, its city, and its browser with operating system are all habitual
/// for the owner.
pub fn compare(event: &mut Event, owner: &User, world: &World) {
    if let Some(malice) = &mut event.malice {
        let network = event.address.network;
        malice.imitates = has_network(network, owner, world) && has_agent(event.client.agent, owner);
    }
}

fn has_network(network: NetworkNumber, owner: &User, world: &World) -> bool {
    let atlas = &world.atlas;
    let habitual = networks(owner, world);
    let (asn, place) = (atlas.network(network).asn, atlas.place_of(network));
    let mut cities: ArrayVec<PlaceNumber, { NETWORKS_MAX + 1 }> =
        habitual.iter().map(|network| atlas.place_of(*network)).collect();
    cities.push(owner.home);
    cities.contains(&place) && habitual.iter().any(|network| atlas.network(*network).asn == asn)
}

fn networks(owner: &User, world: &World) -> ArrayVec<NetworkNumber, NETWORKS_MAX> {
    let organisation = &world.organisation;
    let office = &organisation.offices[usize::from(owner.office)];
    let has_office = organisation.shares.sites != Sites::NoOffice
        && !matches!(owner.persona, Persona::Remote | Persona::MobileOnly | Persona::CloudDesktop);
    let through_vpn = organisation.shares.shared_tunnel.is_some() && owner.traits.has(Traits::CORPORATE_VPN)
        || owner.persona == Persona::VpnUser && owner.traits.has(Traits::PERSONAL_VPN);
    let candidates = [
        Some(owner.home_line.network),
        owner.home_v6,
        Some(owner.carrier),
        (has_office || owner.traits.has(Traits::CORPORATE_VPN)).then_some(office.network),
        through_vpn.then_some(owner.vpn),
        (owner.persona == Persona::CloudDesktop).then_some(office.cloud),
    ];
    candidates.into_iter().flatten().collect()
}

fn has_agent(agent: Agent, owner: &User) -> bool {
    let devices = &owner.devices[..usize::from(owner.device_count)];
    devices.iter().any(|device| device.agent == agent)
        || (owner.persona == Persona::LegacyMail && agent == Agent::LegacyMail)
}
