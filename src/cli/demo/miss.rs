//! How close to its victims a campaign that was missed came: the simulator's own knowledge, not the engine's.
//!
//! The same configuration simulates the same sign-ins again; of each missed campaign's sign-ins with a right
//! credential it is counted which of their properties the owner had shown before. Says nothing of detections.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::simulate::agent::Agent;
use crate::simulate::event::{Event, Subject};
use crate::simulate::label::campaign_id;
use crate::simulate::network::Kind;
use crate::simulate::{self, Simulator};

/// What the owner of an account had shown.
#[derive(Default)]
struct Shown {
    countries: BTreeSet<u16>,
    cities: BTreeSet<u16>,
    /// AS numbers.
    networks: BTreeSet<u32>,
    agents: BTreeSet<Agent>,
    sign_ins: u64,
}

/// Of a campaign's sign-ins with a right credential, how many had what their victim had shown before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closeness {
    pub sign_ins: u64,
    own_city: u64,
    own_country: u64,
    own_network: u64,
    own_browser: u64,
    /// By kind of network.
    kinds: BTreeMap<&'static str, u64>,
    /// Fewest sign-ins of an owner before the attacker's.
    history_min: Option<u64>,
}

/// An owner that showed less is hardly known.
const HISTORY_SHORT: u64 = 50;

/// Measures the campaigns of these ids.
pub fn measure<'a>(
    config: &simulate::Config,
    campaigns: impl Iterator<Item = &'a str>,
) -> anyhow::Result<BTreeMap<String, Closeness>> {
    let mut found: BTreeMap<String, Closeness> =
        campaigns.map(|id| (id.to_owned(), Closeness::default())).collect();
    if found.is_empty() {
        return Ok(found);
    }
    let mut simulator = Simulator::new(config)?;
    let mut shown: BTreeMap<u32, Shown> = BTreeMap::new();
    while let Some(event) = simulator.next() {
        let Subject::User(user) = event.subject else { continue };
        let shown = shown.entry(user).or_default();
        match event.malice {
            None => shown.add(&event, &simulator),
            Some(malice) if event.ending.is_credential_right() => {
                let id = Uuid::from_bytes(campaign_id(config.seed, malice.campaign)).hyphenated().to_string();
                if let Some(closeness) = found.get_mut(&id) {
                    closeness.add(&event, shown, &simulator);
                }
            }
            Some(_) => {}
        }
    }
    Ok(found)
}

impl Shown {
    fn add(&mut self, event: &Event, simulator: &Simulator) {
        let atlas = &simulator.world.atlas;
        let network = atlas.network(event.address.network);
        self.countries.insert(atlas.country(network.place));
        self.cities.insert(network.place);
        self.networks.insert(network.asn);
        self.agents.insert(event.client.agent);
        self.sign_ins += 1;
    }
}

impl Closeness {
    fn add(&mut self, event: &Event, shown: &Shown, simulator: &Simulator) {
        let atlas = &simulator.world.atlas;
        let network = atlas.network(event.address.network);
        self.sign_ins += 1;
        self.own_country += u64::from(shown.countries.contains(&atlas.country(network.place)));
        self.own_city += u64::from(shown.cities.contains(&network.place));
        self.own_network += u64::from(shown.networks.contains(&network.asn));
        self.own_browser += u64::from(shown.agents.contains(&event.client.agent));
        *self.kinds.entry(kind_name(network.kind)).or_default() += 1;
        self.history_min = Some(self.history_min.map_or(shown.sign_ins, |least| least.min(shown.sign_ins)));
    }

    /// What holds for most of the sign-ins, in words.
    pub fn words(&self) -> String {
        let most = |count: u64| count * 2 > self.sign_ins;
        let place = if most(self.own_city) {
            "in a city the owner signs in from"
        } else if most(self.own_country) {
            "in a country the owner signs in from, another city"
        } else {
            "in a country new to the owner"
        };
        let kind = self.kinds.iter().max_by_key(|(_, count)| **count).map_or("", |(kind, _)| kind);
        let network =
            if most(self.own_network) { "a network the owner uses" } else { "a network new to the owner" };
        let browser =
            if most(self.own_browser) { "a browser the owner uses" } else { "a browser new to the owner" };
        let mut words = format!("{place}; {network} ({kind}); {browser}");
        if let Some(sign_ins) = self.history_min.filter(|sign_ins| *sign_ins < HISTORY_SHORT) {
            words.push_str(&format!("; only {sign_ins} sign-ins of the owner to learn from"));
        }
        words
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Fixed => "fixed line",
        Kind::Mobile => "mobile",
        Kind::Hosting => "hosting",
        Kind::Vpn => "VPN exit",
        Kind::Corporate => "company",
        Kind::Tor => "Tor exit",
        Kind::Proxy => "residential proxy",
        Kind::Satellite => "satellite",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_holds_for_most_sign_ins() {
        let kinds = BTreeMap::from([("hosting", 1), ("VPN exit", 2)]);
        let mut closeness = Closeness {
            sign_ins: 3,
            own_city: 1,
            own_country: 2,
            own_network: 3,
            own_browser: 1,
            kinds,
            history_min: Some(80),
        };
        assert_eq!(
            closeness.words(),
            "in a country the owner signs in from, another city; a network the owner uses (VPN exit); a browser new \
             to the owner"
        );
        closeness.history_min = Some(49);
        assert!(closeness.words().ends_with("only 49 sign-ins of the owner to learn from"));
    }

    #[test]
    fn every_campaign_asked_for_is_found_again() {
        let config = simulate::Config { users: 60, days: 40, ..simulate::Config::default() };
        let simulator = Simulator::new(&config).unwrap();
        let ids: Vec<String> = (0..simulator.world.attacks.campaigns().len() as u16)
            .map(|number| Uuid::from_bytes(campaign_id(config.seed, number)).hyphenated().to_string())
            .collect();
        let found = measure(&config, ids.iter().map(String::as_str)).unwrap();
        let with_access = found.values().filter(|closeness| closeness.sign_ins > 0).count();
        assert!(with_access * 2 > ids.len(), "{with_access} of {}", ids.len());
    }
}
