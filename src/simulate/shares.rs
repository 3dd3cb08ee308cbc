//! Populations: what sets one kind of organisation apart from another, as a table of shares.
//!
//! Nothing else in the simulator asks which population it is in. What each is meant to show, and that all of it is
//! assumed, is in `docs/simulate.md`; `tests/simulate/populations.rs` holds each to its name.

use super::population::{Life, Persona, Traits};

/// The kinds of organisation, by what its people are like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Population {
    /// Offices, some who work from home, some who travel.
    #[default]
    Ordinary,
    /// No office; homes anywhere in the world.
    AllRemote,
    /// Nearly everybody behind one or two shared egresses, on and off all day.
    VpnForAll,
    /// Most sign-ins through carriers' gateways, which flip between cities.
    MobileCarriers,
    /// Offices near a border that many cross every day.
    BorderRegion,
    /// Half of the people on the road most weeks.
    TravellingSales,
    /// Students of many countries, dormitories, devices of their own.
    University,
}

/// Slots of personas; every block of this many users holds each persona of its population.
pub const BLOCK: u32 = 50;

/// Shares of one population. Probabilities are between 0 and 1.
pub struct Shares {
    /// Slots out of [`BLOCK`].
    pub personas: &'static [(Persona, usize)],
    pub lives: [(Life, f64); 5],
    pub traits: [(Traits, f64); 7],
    pub sites: Sites,
    /// Of a business trip to begin on a given day, for travellers; [`Shares::holiday`] for everyone.
    pub business: f64,
    pub holiday: f64,
    /// Customers and conference cities, and the share of business trips that go to one of the own offices instead.
    pub destinations: usize,
    pub to_own_office: f64,
    /// Everybody's tunnel; `None` = only those with a habit of it.
    pub shared_tunnel: Option<SharedTunnel>,
    /// Of an attachment to the carrier to go through one of its gateways elsewhere, and its mean length.
    pub gateway_elsewhere: f64,
    pub attachment_mean_s: f64,
    /// Share of sign-ins from the phone: from, to.
    pub phone: (f64, f64),
    /// Factor on the chance that a device uses the local network and not the carrier's.
    pub wifi: f64,
    /// Laptops and phones registered with the directory.
    pub registered: (f64, f64),
    /// Days a device lasts, on average.
    pub device_days: f64,
    /// Factor on the chance of typing errors.
    pub typo: f64,
}

/// Where offices stand and people live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sites {
    /// Half of the branches in the home country.
    Offices,
    /// Nobody goes to an office; servers stand where one would be.
    NoOffice,
    /// Offices in countries whose carriers have gateways in several cities.
    ManyGateways,
    /// Offices with a city of another country near.
    NearBorders,
    /// One campus, with dormitories.
    Campus,
}

/// A tunnel of all who have the habit of the corporate VPN: in the office too, on every device.
#[derive(Clone, Copy, Debug)]
pub struct SharedTunnel {
    /// Mean time on and off.
    pub on_mean_s: f64,
    pub off_mean_s: f64,
}

const LIVES: [(Life, f64); 5] = [
    (Life::Settled, 0.87),
    (Life::NewHire, 0.05),
    (Life::Leaver, 0.03),
    (Life::Dormant, 0.03),
    (Life::Mover, 0.02),
];

const TRAITS: [(Traits, f64); 7] = [
    (Traits::DUAL_STACK, 0.30),
    (Traits::DYNAMIC_LINE, 0.25),
    (Traits::PRIVACY_RELAY, 0.05),
    (Traits::CORPORATE_VPN, 0.25),
    (Traits::PERSONAL_VPN, 0.03),
    (Traits::TOR, 0.002),
    (Traits::NIGHT_OWL, 0.04),
];

const ORDINARY: Shares = Shares {
    personas: &[
        (Persona::Office, 18),
        (Persona::Hybrid, 9),
        (Persona::Remote, 6),
        (Persona::MobileOnly, 4),
        (Persona::Traveller, 3),
        (Persona::VpnUser, 3),
        (Persona::BorderCommuter, 2),
        (Persona::Shared, 1),
        (Persona::LegacyMail, 2),
        (Persona::CloudDesktop, 2),
    ],
    lives: LIVES,
    traits: TRAITS,
    sites: Sites::Offices,
    business: 0.1,
    holiday: 0.005,
    destinations: 24,
    to_own_office: 0.6,
    shared_tunnel: None,
    gateway_elsewhere: 0.35,
    attachment_mean_s: 5_400.0,
    phone: (0.05, 0.4),
    wifi: 1.0,
    registered: (0.85, 0.5),
    device_days: 700.0,
    typo: 1.0,
};

const ALL_REMOTE: Shares = Shares {
    personas: &[
        (Persona::Remote, 37),
        (Persona::VpnUser, 4),
        (Persona::Traveller, 4),
        (Persona::MobileOnly, 2),
        (Persona::CloudDesktop, 2),
        (Persona::LegacyMail, 1),
    ],
    sites: Sites::NoOffice,
    to_own_office: 0.0,
    ..ORDINARY
};

const VPN_FOR_ALL: Shares = Shares {
    personas: &[
        (Persona::Office, 14),
        (Persona::Hybrid, 14),
        (Persona::Remote, 13),
        (Persona::MobileOnly, 2),
        (Persona::Traveller, 3),
        (Persona::BorderCommuter, 1),
        (Persona::Shared, 1),
        (Persona::LegacyMail, 1),
        (Persona::CloudDesktop, 1),
    ],
    traits: [
        (Traits::DUAL_STACK, 0.30),
        (Traits::DYNAMIC_LINE, 0.25),
        (Traits::PRIVACY_RELAY, 0.05),
        (Traits::CORPORATE_VPN, 0.96),
        (Traits::PERSONAL_VPN, 0.03),
        (Traits::TOR, 0.002),
        (Traits::NIGHT_OWL, 0.04),
    ],
    shared_tunnel: Some(SharedTunnel { on_mean_s: 7_200.0, off_mean_s: 1_500.0 }),
    ..ORDINARY
};

const MOBILE_CARRIERS: Shares = Shares {
    personas: &[
        (Persona::MobileOnly, 32),
        (Persona::Office, 7),
        (Persona::Hybrid, 4),
        (Persona::Traveller, 3),
        (Persona::VpnUser, 1),
        (Persona::LegacyMail, 2),
        (Persona::Shared, 1),
    ],
    sites: Sites::ManyGateways,
    gateway_elsewhere: 0.6,
    attachment_mean_s: 2_700.0,
    phone: (0.6, 0.9),
    wifi: 0.35,
    ..ORDINARY
};

const BORDER_REGION: Shares = Shares {
    personas: &[
        (Persona::BorderCommuter, 26),
        (Persona::Office, 10),
        (Persona::Hybrid, 5),
        (Persona::Remote, 3),
        (Persona::MobileOnly, 2),
        (Persona::Traveller, 1),
        (Persona::Shared, 1),
        (Persona::LegacyMail, 1),
        (Persona::CloudDesktop, 1),
    ],
    sites: Sites::NearBorders,
    ..ORDINARY
};

const TRAVELLING_SALES: Shares = Shares {
    personas: &[
        (Persona::Traveller, 25),
        (Persona::Office, 9),
        (Persona::Hybrid, 5),
        (Persona::Remote, 4),
        (Persona::MobileOnly, 2),
        (Persona::VpnUser, 2),
        (Persona::Shared, 1),
        (Persona::LegacyMail, 1),
        (Persona::CloudDesktop, 1),
    ],
    business: 0.35,
    destinations: 80,
    to_own_office: 0.2,
    ..ORDINARY
};

const UNIVERSITY: Shares = Shares {
    personas: &[
        (Persona::Student, 38),
        (Persona::Hybrid, 5),
        (Persona::Office, 3),
        (Persona::Traveller, 2),
        (Persona::LegacyMail, 1),
        (Persona::Shared, 1),
    ],
    lives: [
        (Life::Settled, 0.6),
        (Life::NewHire, 0.17),
        (Life::Leaver, 0.12),
        (Life::Dormant, 0.06),
        (Life::Mover, 0.05),
    ],
    traits: [
        (Traits::DUAL_STACK, 0.30),
        (Traits::DYNAMIC_LINE, 0.25),
        (Traits::PRIVACY_RELAY, 0.12),
        (Traits::CORPORATE_VPN, 0.12),
        (Traits::PERSONAL_VPN, 0.12),
        (Traits::TOR, 0.006),
        (Traits::NIGHT_OWL, 0.25),
    ],
    sites: Sites::Campus,
    holiday: 0.012,
    phone: (0.25, 0.6),
    registered: (0.15, 0.1),
    device_days: 300.0,
    typo: 1.8,
    ..ORDINARY
};

impl Population {
    pub const ALL: [Population; 7] = [
        Population::Ordinary,
        Population::AllRemote,
        Population::VpnForAll,
        Population::MobileCarriers,
        Population::BorderRegion,
        Population::TravellingSales,
        Population::University,
    ];

    pub fn shares(self) -> &'static Shares {
        match self {
            Population::Ordinary => &ORDINARY,
            Population::AllRemote => &ALL_REMOTE,
            Population::VpnForAll => &VPN_FOR_ALL,
            Population::MobileCarriers => &MOBILE_CARRIERS,
            Population::BorderRegion => &BORDER_REGION,
            Population::TravellingSales => &TRAVELLING_SALES,
            Population::University => &UNIVERSITY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole() {
        for population in Population::ALL {
            let shares = population.shares();
            let slots: usize = shares.personas.iter().map(|(_, count)| count).sum();
            assert_eq!(slots, BLOCK as usize, "{population:?}");
            let lives: f64 = shares.lives.iter().map(|(_, share)| share).sum();
            assert!((lives - 1.0).abs() < 1e-9, "{population:?}: {lives}");
        }
    }

    #[test]
    fn every_persona_has_a_population() {
        for persona in Persona::ALL {
            let holds = |population: &Population| {
                population.shares().personas.iter().any(|(other, count)| *other == persona && *count > 0)
            };
            assert!(Population::ALL.iter().any(holds), "{persona:?}");
        }
    }
}
