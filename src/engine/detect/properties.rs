//! How well each property of a sign-in fits its user and organisation, in bits.
//!
//! A property's bits are log2 of a likelihood ratio: how much more probable the observation is for a stranger who
//! has the credential than for the owner. The owner's side is the user's own habit (rates of new things, shrunk to
//! a prior while little is known); the stranger's side are the constants below. Correlated properties form chains
//! with back-off, so that nothing counts twice: address → prefix → ASN → country/region, and device id with
//! user agent → browser → operating system. Missing data is worth 0 bits.
//!
//! Form of the score: Freeman et al., "Who Are You?" (NDSS 2016); the gap-conditioned surprise of a new address
//! and the rarity in the population: figures of the public RBA data set (see `user::new_address_prior`,
//! `organization`).

mod history;

use super::Case;
use super::organization::View;
use super::travel::{Journey, journey};
use crate::engine::facts::{Connection, Facts, ListKind};
use crate::engine::finding::{Familiarity, Property};
use crate::engine::signin::{ClientApp, Mfa};
use crate::engine::user::familiarity::{Decay, Known, Rhythm, Table, UNIT, compact_day};
use crate::engine::user::{NO_DEVICE, Properties, UserState, new_address_prior};

/// What a stranger is assumed to show: probability that the property is new to the user, given that its parent is.
/// New network 91 %, new country 88 % of the public data set's takeovers (consumer accounts); lower for country
/// here, since intruders on organisations choose exits near the victim. The rest are judgement, to be refitted.
mod stranger {
    pub(super) const NEW_ADDRESS: f64 = 0.98;
    pub(super) const NEW_PREFIX: f64 = 0.97;
    pub(super) const NEW_ASN: f64 = 0.91;
    pub(super) const NEW_COUNTRY: f64 = 0.70;
    pub(super) const NEW_REGION: f64 = 0.75;
    pub(super) const KNOWN_DEVICE: f64 = 0.01;
    pub(super) const NO_DEVICE: f64 = 0.75;
    pub(super) const KNOWN_AGENT: f64 = 0.12;
    pub(super) const NEW_BROWSER: f64 = 0.60;
    pub(super) const NEW_SYSTEM: f64 = 0.50;
    pub(super) const NEW_CLIENT: f64 = 0.30;
    pub(super) const MANAGED: f64 = 0.01;
}

/// Prior habits of an owner, and how many trials they are worth.
mod owner {
    pub(super) const NEW_PREFIX: f64 = 0.60;
    pub(super) const NEW_ASN: f64 = 0.25;
    pub(super) const NEW_COUNTRY: f64 = 0.02;
    pub(super) const NEW_REGION: f64 = 0.10;
    pub(super) const NEW_DEVICE: f64 = 0.04;
    pub(super) const NEW_BROWSER: f64 = 0.03;
    pub(super) const NEW_SYSTEM: f64 = 0.02;
    pub(super) const NEW_CLIENT: f64 = 0.02;
    pub(super) const WEIGHT: f64 = 10.0;
    /// However settled a user is, new things happen to everyone: least rates. Trips come in bursts, so a year at
    /// home does not make the first journey a thousand times less likely.
    pub(super) const NEW_ASN_MIN: f64 = 0.08;
    pub(super) const NEW_COUNTRY_MIN: f64 = 0.01;
    pub(super) const NEW_REGION_MIN: f64 = 0.03;
    pub(super) const NEW_DEVICE_MIN: f64 = 0.01;
    pub(super) const NEW_BROWSER_MIN: f64 = 0.01;
    /// Share of organisation sign-ins on managed devices, as a prior.
    pub(super) const MANAGED: f64 = 0.3;
}

/// Device evidence from which the device counts as a stranger's, bits.
pub(super) const UNFAMILIAR_DEVICE_BITS: f64 = 2.0;
/// Sign-ins after which half of the user's own evidence counts.
const CONFIDENCE_SIGN_INS: f64 = 5.0;
/// How much of the weaker of two correlated surprises counts beside the stronger.
const CORRELATED: f64 = 0.4;
/// A hosting or VPN network that is new to the user speaks for a stranger.
const HOSTING_BITS: f64 = 1.5;
const TOR_BITS: f64 = 8.0;
/// How much the place of a VPN's exit says. Judgement.
const VPN_PLACE_WEIGHT: f64 = 0.5;
const HOUR_BITS_MIN: f64 = -0.5;
const HOUR_BITS_MAX: f64 = 2.0;

/// One property's part of the score.
#[derive(Clone, Copy, Debug)]
pub struct Weighed {
    pub property: Property,
    pub familiarity: Familiarity,
    /// Share of the user's baseline, 0–1.
    pub share: f64,
    pub bits: f64,
    pub organization_users: Option<u32>,
}

/// Everything detections share about one sign-in.
#[derive(Debug)]
pub struct Assessment {
    pub weighed: arrayvec::ArrayVec<Weighed, { Property::COUNT }>,
    /// Network and place together.
    pub network_bits: f64,
    /// Rarity of network and country in the organisation; part of `network_bits`.
    pub rarity_bits: f64,
    /// Device and agent together.
    pub device_bits: f64,
    /// Whether a known session goes on as it was.
    pub session_bits: f64,
    pub total_bits: f64,
    /// Travel since the anchor, when both ends have a place and it is another one.
    pub journey: Option<Journey>,
    pub known_device: bool,
    pub known_agent: bool,
    pub known_asn: bool,
    pub known_address: bool,
    /// Nobody in the organisation was seen in this country or on this network, and it has enough users to say so.
    pub unheard_of: bool,
}

/// The last assessment of a sign-in, for policies that come to the same: what they differ in is asked later, mostly.
#[derive(Default)]
pub struct LastAssessment(Option<(View, f64, Assessment)>);

impl LastAssessment {
    /// That of a case of the same sign-in and state as the one before.
    pub fn of(&mut self, case: &Case<'_>) -> &Assessment {
        let view = case.organization.view(case.facts);
        let clock_skew_s = case.judge.policy.impossible_travel.clock_skew_s;
        let is_same = |last: &(View, f64, Assessment)| (last.0, last.1) == (view, clock_skew_s);
        let last = self.0.take().filter(is_same);
        &self.0.insert(last.unwrap_or_else(|| (view, clock_skew_s, Assessment::new(case, view)))).2
    }
}

impl Assessment {
    pub fn of(case: &Case<'_>) -> Assessment {
        Assessment::new(case, case.organization.view(case.facts))
    }

    /// Rests on nothing but the state, the sign-in, what the organisation sees of it, how learning goes, and how far clocks
    /// may be apart.
    fn new(case: &Case<'_>, view: View) -> Assessment {
        let facts = case.facts;
        let day = compact_day(facts.time.day());
        let values = Properties::of(facts);
        let baseline = &case.state.baseline;
        let mut weigher = Weigher { case, view, day, values, weighed: arrayvec::ArrayVec::new() };
        let confidence = f64::from(baseline.sign_ins) / (f64::from(baseline.sign_ins) + CONFIDENCE_SIGN_INS);
        let own_network = weigher.network(confidence);
        let rarity_bits = weigher.rarity();
        let network_bits = own_network + rarity_bits;
        let device_bits = weigher.device(confidence);
        let client_bits = weigher.client(confidence);
        let session_bits = weigher.session();
        let hour_bits = weigher.hour(confidence);
        let failure_bits = weigher.failures();
        let visitor_bits = weigher.visitor();
        let dormancy_bits = weigher.dormancy();
        let decay = case.judge.decay;
        let known_address = baseline.address.get(values.address, day, decay).is_some();
        Assessment {
            network_bits,
            rarity_bits,
            device_bits,
            session_bits,
            total_bits: network_bits
                + device_bits
                + session_bits
                + client_bits
                + hour_bits
                + failure_bits
                + visitor_bits
                + dormancy_bits,
            journey: journey(case),
            known_device: facts.device_hash != 0 && baseline.device.get(values.device, day, decay).is_some(),
            known_agent: values.user_agent != 0
                && baseline.user_agent.get(values.user_agent, day, decay).is_some(),
            known_asn: values.asn != 0 && baseline.asn.get(values.asn, day, decay).is_some(),
            known_address,
            unheard_of: is_unheard_of(view),
            weighed: weigher.weighed,
        }
    }

    pub fn is_unfamiliar(&self, property: Property) -> bool {
        self.weighed
            .iter()
            .any(|weighed| weighed.property == property && weighed.familiarity == Familiarity::Unfamiliar)
    }
}

/// No wholly familiar sign-in reaches this score: at most −2.3 bits of the known address, 3.9 of a device id that is
/// missing beside a known agent, 4 of rarity and 2 of the hour.
pub const FAMILIAR_BITS_MAX: f64 = 8.0;

/// Nothing here can surprise: address, country and device (or agent) are known, no list names the address, and the
/// place is where the user was last; and no session, prompt or issuer asks to be looked at. Ends most judgements early:
/// with these known, no detection can reach a threshold of [`FAMILIAR_BITS_MAX`] or more.
pub fn is_wholly_familiar(state: &UserState, facts: &Facts, decay: &Decay) -> bool {
    let day = compact_day(facts.time.day());
    let baseline = &state.baseline;
    let known = |key: u32, known: Option<Known>| key != 0 && known.is_some();
    let device = if facts.device_hash == 0 { NO_DEVICE } else { facts.device_hash };
    facts.lists.0 == 0
        && known(facts.address_hash, baseline.address.get(facts.address_hash, day, decay))
        && known(device, baseline.device.get(device, day, decay))
        && known(facts.user_agent_hash, baseline.user_agent.get(facts.user_agent_hash, day, decay))
        && known(facts.client_hash, baseline.client.get(facts.client_hash, day, decay))
        && known(facts.country.key(), baseline.country.get(facts.country.key(), day, decay))
        && state.anchor.as_ref().is_some_and(|anchor| anchor.city_hash == facts.city_hash)
        && baseline.sign_ins >= 10
        && state.failures == 0
        && facts.mfa != Mfa::Reported
        && state.denials.is_empty()
        && !state.is_strange_continuation(facts, decay)
        && !(facts.issuer_federated && state.issuers.get(facts.issuer_hash, day, decay).is_none())
}

fn is_unheard_of(view: View) -> bool {
    view.users >= UNHEARD_OF_USERS_MIN && view.country == Some(0) && view.asn == Some(0)
}

/// Active users from which "nobody was ever seen there" is worth an alert of its own.
const UNHEARD_OF_USERS_MIN: u32 = 50;

struct Weigher<'a> {
    case: &'a Case<'a>,
    view: View,
    day: u16,
    values: Properties,
    weighed: arrayvec::ArrayVec<Weighed, { Property::COUNT }>,
}

/// log2(stranger / owner).
fn ratio(stranger: f64, owner: f64) -> f64 {
    libm::log2(stranger / owner)
}

impl Weigher<'_> {
    /// Address → prefix → ASN → country, region: the chain stops at the first level that is known.
    fn network(&mut self, confidence: f64) -> f64 {
        let baseline = &self.case.state.baseline;
        let facts = self.case.facts;
        let decay = self.case.judge.decay;
        if self.values.address == 0 {
            self.push(Property::IpAddress, Familiarity::Unknown, 0.0, 0.0);
            return self.place(false, confidence);
        }
        let gap_s =
            self.case.state.last_learnt.map_or(f64::MAX, |last| libm::fabs(facts.time.seconds_since(last)));
        let own_factor = (f64::from(baseline.new_addresses) / 16.0 + 2.0)
            / (f64::from(baseline.new_addresses_expected) / 16.0 + 2.0);
        let new_address = (new_address_prior(gap_s) * own_factor.clamp(0.2, 4.0)).clamp(0.005, 0.9);
        let address = baseline.address.get(self.values.address, self.day, decay);
        let mut bits = 0.0;
        bits += self.level(
            Property::IpAddress,
            self.values.address,
            address,
            &baseline.address,
            (stranger::NEW_ADDRESS, new_address),
            confidence,
        );
        if address.is_some() {
            return bits;
        }
        let prefix = baseline.prefix.get(self.values.prefix, self.day, decay);
        let new_prefix = baseline.new_prefix.mean(owner::NEW_PREFIX, owner::WEIGHT);
        bits += self.level(
            Property::IpPrefix,
            self.values.prefix,
            prefix,
            &baseline.prefix,
            (stranger::NEW_PREFIX, new_prefix),
            confidence,
        );
        if prefix.is_some() {
            return bits;
        }
        let asn = baseline.asn.get(self.values.asn, self.day, decay);
        let new_asn = baseline.new_asn.mean(owner::NEW_ASN, owner::WEIGHT).max(owner::NEW_ASN_MIN);
        bits += self.level(
            Property::Asn,
            self.values.asn,
            asn,
            &baseline.asn,
            (stranger::NEW_ASN, new_asn),
            confidence,
        );
        if asn.is_none() {
            let kind_bits = self.network_kind();
            if kind_bits > 0.0 {
                self.push(Property::NetworkKind, Familiarity::Unfamiliar, 0.0, kind_bits);
            }
            bits += kind_bits;
        }
        bits + self.place(asn.is_some(), confidence)
    }

    /// What kind of network a new one is.
    fn network_kind(&self) -> f64 {
        let facts = self.case.facts;
        if facts.lists.contains(ListKind::Tor) {
            TOR_BITS
        } else if facts.connection == Connection::Hosting
            || facts.lists.contains(ListKind::Hosting)
            || facts.lists.contains(ListKind::Vpn)
            || facts.lists.contains(ListKind::Proxy)
        {
            HOSTING_BITS
        } else {
            0.0
        }
    }

    /// Country, and region within a known country.
    fn place(&mut self, known_network: bool, confidence: f64) -> f64 {
        let baseline = &self.case.state.baseline;
        let decay = self.case.judge.decay;
        let country = baseline.country.get(self.values.country, self.day, decay);
        let new_country = baseline.new_country.mean(owner::NEW_COUNTRY, owner::WEIGHT).max(owner::NEW_COUNTRY_MIN);
        let country_bits = self.level(
            Property::Country,
            self.values.country,
            country,
            &baseline.country,
            (stranger::NEW_COUNTRY, new_country),
            confidence,
        );
        let region = baseline.region.get(self.values.region, self.day, decay);
        // A known network that shows up elsewhere is usually its gateway moving, not the user.
        let new_region = baseline.new_region.mean(owner::NEW_REGION, owner::WEIGHT).max(if known_network {
            0.4
        } else {
            owner::NEW_REGION_MIN
        });
        let region_bits = self.level(
            Property::Region,
            self.values.region,
            region,
            &baseline.region,
            (stranger::NEW_REGION, new_region),
            confidence,
        );
        let weight = self.place_weight();
        self.scale(Property::Country, weight);
        if country.is_none() && self.values.country != 0 {
            // A new country's region is new by necessity.
            self.set(Property::Region, 0.0);
            return country_bits * weight;
        }
        self.scale(Property::Region, weight);
        (country_bits + region_bits) * weight
    }

    /// How much the place says. An exit's is not its user's: of Tor and relays it is drawn by lot, of a VPN it is chosen.
    fn place_weight(&self) -> f64 {
        let lists = self.case.facts.lists;
        if lists.hides_place() {
            0.0
        } else if lists.contains(ListKind::Vpn) {
            VPN_PLACE_WEIGHT
        } else {
            1.0
        }
    }

    /// Rarity of network and country in the organisation; an address that colleagues use vouches for itself.
    fn rarity(&mut self) -> f64 {
        let view = self.view;
        let asn = view.rarity_bits(view.asn);
        let country = view.rarity_bits(view.country);
        let address = view.address.unwrap_or(0);
        for weighed in &mut self.weighed {
            weighed.organization_users = match weighed.property {
                Property::IpAddress => view.address,
                Property::IpPrefix => view.prefix,
                Property::Asn => view.asn,
                Property::Country => view.country,
                Property::Region => view.region,
                _ => None,
            };
        }
        let known = self.case.state.baseline.asn.get(self.values.asn, self.day, self.case.judge.decay).is_some();
        let bits = if address >= SHARED_ADDRESS_USERS {
            view.rarity_bits(view.address).min(SHARED_ADDRESS_BITS)
        } else if known {
            // The user's own network: what others do says nothing more.
            0.0
        } else if asn < 0.0 {
            // A network that colleagues use vouches for a stranger's device only so far: an intruder's proxy is on
            // the victim's big carrier, too. The country says nothing beside it.
            asn.max(COMMON_NETWORK_BITS_MIN)
        } else {
            asn.max(country * self.place_weight())
        };
        if bits != 0.0 {
            let familiarity = if bits > 0.0 { Familiarity::Unfamiliar } else { Familiarity::Familiar };
            self.push(Property::OrganizationRarity, familiarity, 0.0, bits);
        }
        bits
    }

    /// Device id with user agent, browser, operating system: of two surprises the weaker counts partly.
    fn device(&mut self, confidence: f64) -> f64 {
        let device = self.device_id(confidence);
        let agent = self.agent(confidence);
        let (weaker, bits): (&[Property], f64) =
            if device <= agent { (&[Property::Device], device) } else { (&AGENT_PROPERTIES, agent) };
        // A device that is known may well run another browser.
        let is_known_device = device < 0.0 && agent > 0.0;
        if is_known_device {
            AGENT_PROPERTIES.iter().for_each(|property| self.scale(*property, CORRELATED));
            device + agent * CORRELATED
        } else if bits > 0.0 {
            weaker.iter().for_each(|property| self.scale(*property, CORRELATED));
            device.max(agent) + bits * CORRELATED
        } else {
            device + agent
        }
    }

    fn device_id(&mut self, confidence: f64) -> f64 {
        let baseline = &self.case.state.baseline;
        let known = baseline.device.get(self.values.device, self.day, self.case.judge.decay);
        let share = self.share(known, &baseline.device);
        let managed = self.case.facts.is_managed();
        let new_device = baseline.new_device.mean(owner::NEW_DEVICE, owner::WEIGHT).max(owner::NEW_DEVICE_MIN);
        let no_agent =
            self.values.browser == 0 && self.values.operating_system == 0 && self.values.user_agent == 0;
        let (familiarity, bits) = if self.values.device == NO_DEVICE && no_agent {
            // The record tells nothing of the device at all, which is missing data and no habit.
            (Familiarity::Unknown, 0.0)
        } else if self.values.device == NO_DEVICE {
            let habit = share.max(new_device);
            let bits = ratio(stranger::NO_DEVICE, habit.min(1.0));
            (Familiarity::Unknown, bits.max(0.0) * confidence)
        } else if known.is_some() {
            (Familiarity::Familiar, ratio(stranger::KNOWN_DEVICE, 0.7))
        } else if managed {
            (Familiarity::Unfamiliar, ratio(stranger::MANAGED, owner::MANAGED))
        } else {
            (Familiarity::Unfamiliar, ratio(1.0 - stranger::NO_DEVICE, new_device) * confidence)
        };
        self.push(Property::Device, familiarity, share, bits);
        bits
    }

    fn agent(&mut self, confidence: f64) -> f64 {
        let baseline = &self.case.state.baseline;
        let decay = self.case.judge.decay;
        if self.values.browser == 0 && self.values.operating_system == 0 && self.values.user_agent == 0 {
            self.push(Property::UserAgent, Familiarity::Unknown, 0.0, 0.0);
            return 0.0;
        }
        let agent = baseline.user_agent.get(self.values.user_agent, self.day, decay);
        if agent.is_some() {
            let share = self.share(agent, &baseline.user_agent);
            let bits = ratio(stranger::KNOWN_AGENT, 0.6);
            self.push(Property::UserAgent, Familiarity::Familiar, share, bits);
            return bits;
        }
        let browser = baseline.browser.get(self.values.browser, self.day, decay);
        let new_browser = baseline.new_browser.mean(owner::NEW_BROWSER, owner::WEIGHT).max(owner::NEW_BROWSER_MIN);
        let mut browser_bits = self.level(
            Property::Browser,
            self.values.browser,
            browser,
            &baseline.browser,
            (stranger::NEW_BROWSER, new_browser),
            confidence,
        );
        let newest = baseline.newest_major(self.values.browser);
        if browser.is_some() && newest.is_some_and(|newest| self.values.browser_major + 1 < newest) {
            // Versions move forward; a browser that went back is another installation.
            browser_bits += BACKWARD_VERSION_BITS * confidence;
            self.add(Property::Browser, BACKWARD_VERSION_BITS * confidence);
        }
        let system = baseline.operating_system.get(self.values.operating_system, self.day, decay);
        let system_bits = self.level(
            Property::OperatingSystem,
            self.values.operating_system,
            system,
            &baseline.operating_system,
            (stranger::NEW_SYSTEM, owner::NEW_SYSTEM),
            confidence,
        );
        let weaker = if browser_bits <= system_bits { Property::Browser } else { Property::OperatingSystem };
        self.scale(weaker, CORRELATED);
        browser_bits.max(system_bits) + CORRELATED * browser_bits.min(system_bits)
    }

    fn client(&mut self, confidence: f64) -> f64 {
        let baseline = &self.case.state.baseline;
        let known = baseline.client.get(self.values.client, self.day, self.case.judge.decay);
        let bits = self.level(
            Property::ClientApp,
            self.values.client,
            known,
            &baseline.client,
            (stranger::NEW_CLIENT, owner::NEW_CLIENT),
            confidence,
        );
        let legacy = self.case.facts.client_app == ClientApp::Legacy && known.is_none() && self.values.client != 0;
        if legacy {
            self.add(Property::ClientApp, LEGACY_BITS * confidence);
            bits + LEGACY_BITS * confidence
        } else if bits < 0.0 {
            // Everyone's client: that it is known says nothing.
            self.set(Property::ClientApp, 0.0);
            0.0
        } else {
            bits
        }
    }

    fn hour(&mut self, confidence: f64) -> f64 {
        let rhythm = &self.case.state.baseline.rhythm;
        let probability = rhythm.probability(self.values.hour_of_week);
        let bits = ratio(1.0 / Rhythm::CELLS as f64, probability).clamp(HOUR_BITS_MIN, HOUR_BITS_MAX) * confidence;
        let familiarity = if rhythm.total() < 10 {
            Familiarity::Unknown
        } else if bits > 1.0 {
            Familiarity::Unfamiliar
        } else {
            Familiarity::Familiar
        };
        self.push(Property::HourOfWeek, familiarity, probability, bits);
        bits
    }

    /// One level of a chain: `probabilities` = that the value is new, for a stranger and for the owner.
    fn level<const CAP: usize>(
        &mut self,
        property: Property,
        value: u32,
        known: Option<Known>,
        table: &Table<CAP>,
        probabilities: (f64, f64),
        confidence: f64,
    ) -> f64 {
        if value == 0 {
            self.push(property, Familiarity::Unknown, 0.0, 0.0);
            return 0.0;
        }
        let (stranger, owner) = probabilities;
        let share = self.share(known, table);
        let (familiarity, bits) = match known {
            Some(_) => (Familiarity::Familiar, ratio(1.0 - stranger, 1.0 - owner)),
            None => (Familiarity::Unfamiliar, ratio(stranger, owner) * confidence),
        };
        self.push(property, familiarity, share, bits);
        bits
    }

    fn share<const CAP: usize>(&self, known: Option<Known>, table: &Table<CAP>) -> f64 {
        let Some(known) = known else { return 0.0 };
        let total = table.total(self.day, self.case.judge.decay).max(u32::from(UNIT));
        f64::from(known.weight) / f64::from(total)
    }

    /// Weighs a property's evidence by `factor`: so that what evidence shows adds up to the total.
    fn scale(&mut self, property: Property, factor: f64) {
        self.weighed.iter_mut().filter(|weighed| weighed.property == property).for_each(|w| w.bits *= factor);
    }

    fn set(&mut self, property: Property, bits: f64) {
        self.weighed.iter_mut().filter(|weighed| weighed.property == property).for_each(|w| w.bits = bits);
    }

    fn add(&mut self, property: Property, bits: f64) {
        self.weighed.iter_mut().filter(|weighed| weighed.property == property).for_each(|w| w.bits += bits);
    }

    fn push(&mut self, property: Property, familiarity: Familiarity, share: f64, bits: f64) {
        self.weighed.push(Weighed { property, familiarity, share, bits, organization_users: None });
    }
}

/// An address used by this many colleagues is the organisation's, whoever owns it.
const SHARED_ADDRESS_USERS: u32 = 3;
const SHARED_ADDRESS_BITS: f64 = -2.0;
/// Most that a network common in the organisation speaks for the owner, bits.
const COMMON_NETWORK_BITS_MIN: f64 = -2.0;
const AGENT_PROPERTIES: [Property; 3] = [Property::UserAgent, Property::Browser, Property::OperatingSystem];
const BACKWARD_VERSION_BITS: f64 = 1.5;
const LEGACY_BITS: f64 = 1.0;
