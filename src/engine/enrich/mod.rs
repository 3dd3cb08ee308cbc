//! [`SignIn`] → [`Prepared`]: place, network, device, lists. Facts only, no judgement.
//!
//! [`Tables`] are immutable and shared; they are built by the runtime from files and swapped whole between
//! batches. An [`Enricher`] is one worker's view of them, with its own bounded caches. An address or a user agent
//! that is in them costs no allocation; a first one does.

mod address;
mod agent;
mod agent_cache;
mod agent_rules;
mod connection;
mod country;
mod database;
mod lists;
mod named;
mod record;
mod tables;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

pub use address::{ADDRESSES_MAX, AddressFacts, KnownPlace, PLACES_MAX, PROVIDER_PLACES_MAX};
pub use agent::read_agent;
pub use agent_cache::AGENTS_MAX;
pub use database::{CITY_RADIUS_KM, DatabaseInfo, REGION_RADIUS_KM, Role};
pub use lists::{LIST_ERRORS_MAX, ListEntry, ListError, parse_entry, parse_list};
pub use named::{NAMED_LOCATIONS_MAX, NamedLocationRule};
pub use tables::{TableError, Tables, TablesBuilder};

use super::facts::{Connection, CountryCode, Facts, ListSet, NamedLocation, Precision, Prepared, PreparedFinding};
use super::hash::{Seed, UserKey, hash32, hash64};
use super::signin::{ProviderLocation, SignIn, UpstreamFinding};
use address::Addresses;
use agent_cache::{Agents, KnownAgent};

/// One worker's enricher.
pub struct Enricher {
    tables: Arc<Tables>,
    addresses: Addresses,
    agents: Agents,
    /// Two texts joined for one hash.
    scratch: Vec<u8>,
}

impl Enricher {
    pub fn new(tables: Arc<Tables>) -> Enricher {
        Enricher::with_cache(tables, ADDRESSES_MAX, AGENTS_MAX)
    }

    /// As [`Self::new`] with smaller caches.
    pub fn with_cache(tables: Arc<Tables>, addresses_max: usize, agents_max: usize) -> Enricher {
        Enricher {
            tables,
            addresses: Addresses::new(addresses_max),
            agents: Agents::new(agents_max),
            scratch: Vec::new(),
        }
    }

    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    pub fn enrich<'a>(&mut self, sign_in: SignIn<'a>) -> Prepared<'a> {
        let address = sign_in.address.map(|address| address.to_canonical());
        let (network, named) = self.place(address, sign_in.asn.unwrap_or(0), &sign_in.location);
        let agent =
            self.agents.read(&sign_in.user_agent, &sign_in.device.browser, &sign_in.device.operating_system);
        let user = UserKey::new(&sign_in.tenant_id, &sign_in.user_id);
        let facts = self.facts(&sign_in, address, &network, named, &agent);
        Prepared {
            user,
            facts,
            sign_in,
            place: network.place.map(|known| known.place),
            agent: agent.agent,
            asn_organization: network.organization,
        }
    }

    /// Looks up where the finding says that it was.
    pub fn enrich_finding<'a>(&mut self, finding: UpstreamFinding<'a>) -> PreparedFinding<'a> {
        let address = finding.address.map(|address| address.to_canonical());
        let (network, named) = self.place(address, 0, &finding.location);
        PreparedFinding {
            user: UserKey::new(&finding.tenant_id, &finding.user_id),
            finding: UpstreamFinding { address, ..finding },
            address_hash: address.map_or(0, address_hash),
            asn: network.asn,
            lists: network.lists,
            named,
            place: network.place.map(|known| known.place),
            asn_organization: network.organization,
        }
    }

    /// What the tables know of an address, and its named location: what `farsign geoip inspect` shows.
    pub fn inspect(&mut self, address: IpAddr) -> (AddressFacts, NamedLocation) {
        self.place(Some(address.to_canonical()), 0, &ProviderLocation::default())
    }

    fn place(
        &mut self,
        address: Option<IpAddr>,
        provider_asn: u32,
        location: &ProviderLocation<'_>,
    ) -> (AddressFacts, NamedLocation) {
        let mut network = match address {
            Some(address) => self.addresses.look_up(&self.tables, address, provider_asn),
            None => AddressFacts {
                place: None,
                asn: provider_asn,
                organization: None,
                connection: Connection::Unknown,
                lists: ListSet::default(),
            },
        };
        if network.place.is_none() {
            network.place = self.addresses.provider_place(location);
        }
        let country = network.place.as_ref().map_or(CountryCode::UNKNOWN, |known| known.place.country);
        let named = address::named(&self.tables, address, network.asn, country);
        (network, named)
    }

    fn facts(
        &mut self,
        sign_in: &SignIn<'_>,
        address: Option<IpAddr>,
        network: &AddressFacts,
        named: NamedLocation,
        agent: &KnownAgent,
    ) -> Facts {
        let known = network.place.as_ref();
        let place = known.map(|known| &*known.place);
        Facts {
            time: sign_in.event_time,
            event: hash64(Seed::EventId, sign_in.event_id.as_bytes()),
            provider: sign_in.provider,
            category: sign_in.category,
            outcome: sign_in.outcome,
            credential: sign_in.credential,
            mfa: sign_in.mfa,
            account: sign_in.account,
            error_code: sign_in.error_code.unwrap_or(0),
            address,
            address_hash: address.map_or(0, address_hash),
            prefix_hash: address.map_or(0, prefix_hash),
            asn: network.asn,
            connection: network.connection,
            lists: network.lists,
            named,
            coordinates: place.map(|place| (place.latitude as f32, place.longitude as f32)),
            radius_km: place.map_or(0, |place| place.radius_km),
            precision: place.map_or(Precision::Country, |place| place.precision),
            country: place.map_or(CountryCode::UNKNOWN, |place| place.country),
            region_hash: known.map_or(0, |known| known.region_hash),
            city_hash: known.map_or(0, |known| known.city_hash),
            device_hash: id_hash(Seed::DeviceId, &sign_in.device.device_id),
            device_managed: sign_in.device.is_managed,
            device_compliant: sign_in.device.is_compliant,
            user_agent_hash: text_hash(Seed::UserAgent, &sign_in.user_agent),
            browser_hash: agent.browser_hash,
            browser_major: agent.agent.browser_major,
            operating_system_hash: agent.operating_system_hash,
            device_kind: agent.agent.kind,
            client_app: sign_in.client_app,
            client_hash: self.client_hash(&sign_in.client_app_used, &sign_in.authentication_protocol),
            app_hash: id_hash(Seed::App, first(&sign_in.app_id, &sign_in.app_display_name)),
            session_hash: text_hash(Seed::Session, &sign_in.session_id),
            issuer_hash: self.issuer_hash(&sign_in.token_issuer_type, &sign_in.token_issuer_name),
            issuer_federated: is_federated(&sign_in.token_issuer_type, &sign_in.token_issuer_name),
        }
    }

    /// The provider as an issuer is one value, however it is spelt; a federated issuer has a name, or a type at least.
    fn issuer_hash(&mut self, kind: &str, name: &str) -> u32 {
        if kind.is_empty() && name.is_empty() {
            return 0;
        }
        self.scratch.clear();
        if is_federated(kind, name) {
            self.scratch.extend(kind.bytes().map(|byte| byte.to_ascii_lowercase()));
            self.scratch.push(0);
            self.scratch.extend(name.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        hash32(Seed::Issuer, &self.scratch)
    }

    fn client_hash(&mut self, client_app_used: &str, authentication_protocol: &str) -> u32 {
        if client_app_used.is_empty() && authentication_protocol.is_empty() {
            return 0;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(client_app_used.as_bytes());
        self.scratch.push(0);
        self.scratch.extend_from_slice(authentication_protocol.as_bytes());
        hash32(Seed::ClientApp, &self.scratch)
    }
}

/// What Entra ID writes of tokens that it issued itself: the log's word, Graph's, and its backup's.
const OWN_ISSUERS: [&str; 3] = ["AzureAD", "Azure Active Directory", "AzureADBackupAuth"];

fn is_federated(kind: &str, name: &str) -> bool {
    let is_own = OWN_ISSUERS.into_iter().any(|own| kind.eq_ignore_ascii_case(own));
    let is_named = !kind.is_empty() || !name.is_empty();
    is_named && !is_own
}

/// Hash of an id without regard to ASCII case (GUIDs are written both ways), as facts hold it; 0 for no id.
pub fn id_hash(seed: Seed, id: &str) -> u32 {
    let mut lower = arrayvec::ArrayVec::<u8, { super::signin::TEXT_LENGTH_MAX }>::new();
    if id.len() > lower.capacity() || !id.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return text_hash(seed, id);
    }
    lower.extend(id.bytes().map(|byte| byte.to_ascii_lowercase()));
    hash32(seed, &lower)
}

fn text_hash(seed: Seed, text: &str) -> u32 {
    if text.is_empty() { 0 } else { hash32(seed, text.as_bytes()) }
}

fn address_hash(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => hash32(Seed::Address, &address.octets()),
        IpAddr::V6(address) => hash32(Seed::Address, &address.octets()),
    }
}

/// /24 of IPv4, /48 of IPv6.
fn prefix_hash(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => hash32(Seed::Prefix, &address.octets()[..3]),
        IpAddr::V6(address) => hash32(Seed::Prefix, &address.octets()[..6]),
    }
}

fn first<'a>(a: &'a str, b: &'a str) -> &'a str {
    if a.is_empty() { b } else { a }
}
