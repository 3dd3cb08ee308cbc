//! Who attacks: working hours, tools, and the networks they come from.
//!
//! Addresses are drawn from the same pools that legitimate users' are: VPN exits others pay for, subscribers' lines
//! of ordinary providers, carrier gateways, busy hosting networks. Nothing about an address alone gives an attacker
//! away more often than such addresses do in life.

use super::super::World;
use super::super::agent::Agent;
use super::super::dice::Dice;
use super::super::event::Client;
use super::super::network::{Address, Kind, NetworkNumber};
use super::super::overlay::{CLOUD_HOSTS, GATEWAY_HOSTS, VPN_EXITS};
use super::super::population::User;
use super::AttackKind;

/// A crew's own day and gear.
pub struct Crew {
    /// Hour of the UTC day at which the shift starts, and its length.
    pub shift_start_h: f64,
    pub shift_hours: f64,
    pub agent: Agent,
    pub lag_days: u8,
    /// What the one who takes over by hand uses.
    operator: Agent,
    /// Day the toolkit was made, for tools that never update.
    made_on: Option<i32>,
    /// Networks to choose from, some of them more than once.
    pub networks: Vec<NetworkNumber>,
    /// The only address, for crews with one machine.
    address: Option<Address>,
    /// Where a stolen session is carried on.
    pub afterwards: Vec<NetworkNumber>,
}

/// Networks of a rotating pool.
const ROTATION: usize = 24;
/// Networks, mostly in as many countries, that the users of a toolkit sit in.
const TOOLKIT_NETWORKS: usize = 8;

impl Crew {
    pub fn new(kind: AttackKind, victims: &[u32], world: &World, users: &[User], dice: &mut Dice) -> Crew {
        let victim = victims.first().map(|number| &users[*number as usize]);
        let country = match victim {
            Some(user) => world.atlas.country(user.home),
            None => world.atlas.country(world.organisation.offices[0].place),
        };
        let base = base_country(world, country, dice);
        let mut crew = Crew {
            shift_start_h: dice.range(0.0, 24.0),
            shift_hours: dice.range(5.0, 10.0),
            agent: agent(kind, dice),
            lag_days: dice.below(60) as u8,
            operator: ordinary_agent(dice),
            made_on: None,
            networks: networks(kind, country, base, world, dice),
            address: None,
            afterwards: afterwards(country, base, world, dice),
        };
        match kind {
            AttackKind::SpraySingleSource | AttackKind::BruteForce => {
                crew.address = Some(any_address(&crew.networks, world, dice));
            }
            AttackKind::SprayFingerprint | AttackKind::ToolkitBrowser => {
                crew.made_on = Some(world.span.first_day - dice.below(60) as i32);
            }
            _ => {}
        }
        crew
    }

    /// Seconds of the UTC day at which the crew does something: within its shift, whatever the victim does.
    pub fn moment_s(&self, dice: &mut Dice) -> f64 {
        ((self.shift_start_h + self.shift_hours * dice.unit()) * 3_600.0) % 86_400.0
    }

    pub fn client(&self, day: i32) -> Client {
        let version = match self.made_on {
            Some(made_on) => self.agent.version(made_on, 0),
            None => self.agent.version(day, self.lag_days),
        };
        Client { agent: self.agent, version, device: 0 }
    }

    pub fn operator_client(&self, day: i32) -> Client {
        Client { agent: self.operator, version: self.operator.version(day, self.lag_days), device: 0 }
    }

    /// Some address of the crew's.
    pub fn address(&self, world: &World, dice: &mut Dice) -> Address {
        self.address.unwrap_or_else(|| any_address(&self.networks, world, dice))
    }

    pub fn later_address(&self, world: &World, dice: &mut Dice) -> Address {
        any_address(&self.afterwards, world, dice)
    }
}

/// A host in one of the networks, from the pool that legitimate users of that kind of network come from.
pub fn any_address(networks: &[NetworkNumber], world: &World, dice: &mut Dice) -> Address {
    let network = networks[dice.index(networks.len())];
    let host = match world.atlas.network(network).kind {
        Kind::Vpn | Kind::Tor => dice.below(VPN_EXITS),
        Kind::Mobile => dice.below(GATEWAY_HOSTS),
        Kind::Hosting => dice.below(CLOUD_HOSTS * 4),
        _ => dice.word(),
    };
    Address { network, host }
}

/// A country the organisation is not in.
fn base_country(world: &World, victims: u16, dice: &mut Dice) -> u16 {
    const TRIES: usize = 100;
    for _ in 0..TRIES {
        let country = dice.below(u32::from(world.atlas.country_count())) as u16;
        let usable = !world.organisation.is_at_home_in(&world.atlas, country) && country != victims;
        if usable && world.atlas.pick_in_country(country, Kind::Fixed, dice).is_some() {
            return country;
        }
    }
    victims
}

fn agent(kind: AttackKind, dice: &mut Dice) -> Agent {
    match kind {
        AttackKind::PasswordSpray | AttackKind::SprayLowAndSlow => {
            [Agent::LegacyMail, Agent::Axios, Agent::GoHttp][dice.index(3)]
        }
        AttackKind::SpraySingleSource | AttackKind::BruteForce if dice.chance(0.6) => {
            [Agent::LegacyMail, Agent::Axios, Agent::GoHttp, Agent::PythonRequests][dice.index(4)]
        }
        AttackKind::SprayFingerprint | AttackKind::ToolkitBrowser => Agent::RARE[dice.index(Agent::RARE.len())],
        AttackKind::TokenReplay if dice.chance(0.4) => [Agent::PythonRequests, Agent::Axios][dice.index(2)],
        _ => ordinary_agent(dice),
    }
}

/// What the population uses: looking ordinary costs nothing.
fn ordinary_agent(dice: &mut Dice) -> Agent {
    Agent::LAPTOPS[dice.weighted(Agent::LAPTOPS.iter().map(|(_, share)| *share))].0
}

fn networks(kind: AttackKind, country: u16, base: u16, world: &World, dice: &mut Dice) -> Vec<NetworkNumber> {
    let atlas = &world.atlas;
    let here = |country, kind, dice: &mut Dice| {
        atlas.pick_in_country(country, kind, dice).unwrap_or_else(|| atlas.pick_anywhere(kind, dice))
    };
    let many = |count: usize, dice: &mut Dice, pick: &dyn Fn(&mut Dice) -> NetworkNumber| -> Vec<NetworkNumber> {
        (0..count).map(|_| pick(dice)).collect()
    };
    match kind {
        AttackKind::ForeignNaive | AttackKind::SlowTravel | AttackKind::ImpossiblePair => {
            let from = if dice.chance(0.5) { Kind::Fixed } else { Kind::Mobile };
            vec![here(base, from, dice), here(base, from, dice), here(base, Kind::Hosting, dice)]
        }
        AttackKind::VpnExit | AttackKind::MfaFatigue => {
            let exit = if dice.chance(0.7) {
                here(country, Kind::Vpn, dice)
            } else {
                atlas.pick_anywhere(Kind::Vpn, dice)
            };
            vec![exit]
        }
        AttackKind::ResidentialProxySameCountry => many(ROTATION, dice, &|dice| {
            // Most exits of such services are ordinary subscribers' lines on no list.
            let kind = if dice.chance(0.3) { Kind::Proxy } else { Kind::Fixed };
            here(country, kind, dice)
        }),
        AttackKind::TorExit => many(ROTATION, dice, &|dice| atlas.pick_anywhere(Kind::Tor, dice)),
        AttackKind::RelayPhishing => vec![atlas.pick_lair(dice)],
        AttackKind::DormantTakeover | AttackKind::TokenReplay | AttackKind::ForgedIssuer => {
            afterwards(country, base, world, dice)
        }
        AttackKind::SpraySingleSource | AttackKind::BruteForce => {
            match dice.weighted([0.5, 0.3, 0.2].into_iter()) {
                0 => vec![atlas.pick_lair(dice)],
                1 => vec![atlas.pick_anywhere(Kind::Vpn, dice)],
                _ => vec![atlas.pick_anywhere(Kind::Fixed, dice)],
            }
        }
        AttackKind::SprayLowAndSlow => {
            vec![if dice.chance(0.5) { here(country, Kind::Hosting, dice) } else { atlas.pick_lair(dice) }]
        }
        AttackKind::SprayFingerprint => many(ROTATION, dice, &|dice| {
            let kind = [Kind::Proxy, Kind::Fixed, Kind::Mobile][dice.weighted([0.4, 0.4, 0.2].into_iter())];
            if dice.chance(0.5) { here(country, kind, dice) } else { atlas.pick_anywhere(kind, dice) }
        }),
        AttackKind::ToolkitBrowser => many(TOOLKIT_NETWORKS, dice, &|dice| {
            let kind = [Kind::Vpn, Kind::Fixed, Kind::Hosting][dice.weighted([0.5, 0.3, 0.2].into_iter())];
            if dice.chance(0.4) { here(country, kind, dice) } else { atlas.pick_anywhere(kind, dice) }
        }),
        AttackKind::PasswordSpray | AttackKind::CredentialStuffing => many(ROTATION, dice, &|dice| {
            let kind = [Kind::Hosting, Kind::Proxy, Kind::Fixed, Kind::Vpn]
                [dice.weighted([0.4, 0.3, 0.2, 0.1].into_iter())];
            if kind == Kind::Hosting { atlas.pick_lair(dice) } else { atlas.pick_anywhere(kind, dice) }
        }),
    }
}

/// Operators' own ways out: a VPN near the victim, a server, a line in the victim's country, or home.
fn afterwards(country: u16, base: u16, world: &World, dice: &mut Dice) -> Vec<NetworkNumber> {
    let (country, kind) = [
        (country, Kind::Vpn),
        (country, Kind::Hosting),
        (country, Kind::Fixed),
        (base, Kind::Fixed),
        (base, Kind::Vpn),
    ][dice.weighted([0.3, 0.2, 0.2, 0.15, 0.15].into_iter())];
    let found = world.atlas.pick_in_country(country, kind, dice);
    vec![found.unwrap_or_else(|| world.atlas.pick_anywhere(kind, dice))]
}
