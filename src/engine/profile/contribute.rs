//! What one sign-in tells the organisation's profiles.
//!
//! Only a success with the right credential does: an attacker who is stopped, or guesses, must not make his
//! country, network or browser look usual.

use super::{ANY_ISSUER, Contribution, ProfileKey, ProfileKind};
use crate::engine::facts::Facts;
use crate::engine::signin::{Credential, Outcome};

/// Appends the contributions of one sign-in to `into`: none unless it succeeded with the right credential, and
/// none for what is absent (0).
///
/// `member` is the hash of the user within the profiles. `previous_city` is the city hash of the user's previous
/// sign-in, when that was within hours; a previous city equal to this sign-in's is no origin.
pub fn contributions_of(
    tenant_hash: u32,
    member: u32,
    facts: &Facts,
    previous_city: Option<u32>,
    into: &mut Vec<Contribution>,
) {
    if facts.outcome != Outcome::Success || facts.credential != Credential::Right || member == 0 {
        return;
    }
    let day = facts.time.day();
    let mut push = |kind, value, member| {
        into.push(Contribution { key: ProfileKey { tenant: tenant_hash, kind, value }, day, member });
    };
    push(ProfileKind::Users, 0, member);
    let values = [
        (ProfileKind::Country, facts.country.key()),
        (ProfileKind::Region, facts.region_hash),
        (ProfileKind::City, facts.city_hash),
        (ProfileKind::Asn, facts.asn),
        (ProfileKind::Prefix, facts.prefix_hash),
        (ProfileKind::Address, facts.address_hash),
        (ProfileKind::Browser, facts.browser_hash),
        (ProfileKind::OperatingSystem, facts.operating_system_hash),
        (ProfileKind::ClientApp, facts.client_hash),
        (ProfileKind::TokenIssuer, facts.issuer_hash),
        (ProfileKind::TokenIssuer, if facts.issuer_hash == 0 { 0 } else { ANY_ISSUER }),
        (ProfileKind::UserAgent, facts.user_agent_hash),
    ];
    for (kind, value) in values {
        if value != 0 {
            push(kind, value, member);
        }
    }
    if let Some(city) = previous_city
        && city != 0
        && city != facts.city_hash
        && facts.address_hash != 0
    {
        push(ProfileKind::AddressOrigins, facts.address_hash, city);
    }
}

#[cfg(test)]
pub(in crate::engine) mod tests {
    use super::*;
    use crate::engine::facts::{Connection, CountryCode, DeviceKind, ListSet, NamedLocation, Precision};
    use crate::engine::signin::{AccountState, Category, ClientApp, EventTime, Mfa, Provider};

    pub(in crate::engine) fn facts() -> Facts {
        Facts {
            time: EventTime::from_seconds(20_000 * 86_400 + 5),
            event: 1,
            provider: Provider::Entra,
            category: Category::Interactive,
            outcome: Outcome::Success,
            credential: Credential::Right,
            mfa: Mfa::NotRequired,
            account: AccountState::Normal,
            error_code: 0,
            address: None,
            address_hash: 6,
            prefix_hash: 5,
            asn: 4,
            connection: Connection::Fixed,
            lists: ListSet::default(),
            named: NamedLocation::default(),
            coordinates: None,
            radius_km: 10,
            precision: Precision::City,
            country: CountryCode(*b"NZ"),
            region_hash: 2,
            city_hash: 3,
            device_hash: 90,
            device_managed: None,
            device_compliant: None,
            user_agent_hash: 91,
            browser_hash: 7,
            browser_major: 120,
            operating_system_hash: 8,
            device_kind: DeviceKind::Desktop,
            client_app: ClientApp::Browser,
            client_hash: 9,
            app_hash: 92,
            session_hash: 93,
            issuer_hash: 94,
            issuer_federated: false,
        }
    }

    /// Kind, value, member of each contribution.
    fn contributions(facts: &Facts, member: u32, previous_city: Option<u32>) -> Vec<(ProfileKind, u32, u32)> {
        let mut into = Vec::new();
        contributions_of(77, member, facts, previous_city, &mut into);
        assert!(into.iter().all(|contribution| contribution.day == 20_000 && contribution.key.tenant == 77));
        into.iter()
            .map(|contribution| (contribution.key.kind, contribution.key.value, contribution.member))
            .collect()
    }

    #[test]
    fn a_success_tells_everything_it_has() {
        use ProfileKind::*;
        let mut expected =
            vec![(Users, 0, 42), (Country, 0x4e5a, 42), (Region, 2, 42), (City, 3, 42), (Asn, 4, 42)];
        expected.extend([
            (Prefix, 5, 42),
            (Address, 6, 42),
            (Browser, 7, 42),
            (OperatingSystem, 8, 42),
            (ClientApp, 9, 42),
            (TokenIssuer, 94, 42),
            (TokenIssuer, ANY_ISSUER, 42),
            (UserAgent, 91, 42),
        ]);
        assert_eq!(contributions(&facts(), 42, None), expected);
        expected.push((AddressOrigins, 6, 99));
        assert_eq!(contributions(&facts(), 42, Some(99)), expected);
    }

    #[test]
    fn absent_values_tell_nothing() {
        let absent = Facts {
            address_hash: 0,
            prefix_hash: 0,
            asn: 0,
            country: CountryCode::UNKNOWN,
            region_hash: 0,
            city_hash: 0,
            browser_hash: 0,
            operating_system_hash: 0,
            client_hash: 0,
            user_agent_hash: 0,
            issuer_hash: 0,
            ..facts()
        };
        // Without an address there is nothing an origin could be of.
        assert_eq!(contributions(&absent, 42, Some(99)), [(ProfileKind::Users, 0, 42)]);
        assert_eq!(contributions(&facts(), 0, Some(99)), []);
    }

    #[test]
    fn the_same_or_an_unknown_city_is_no_origin() {
        for previous_city in [Some(3), Some(0), None] {
            let kinds = contributions(&facts(), 42, previous_city);
            assert!(kinds.iter().all(|(kind, ..)| *kind != ProfileKind::AddressOrigins), "{previous_city:?}");
        }
    }

    #[test]
    fn only_a_success_with_the_right_credential_tells() {
        for outcome in [Outcome::Success, Outcome::Interrupted, Outcome::Blocked, Outcome::Failed] {
            for credential in [Credential::Right, Credential::Wrong, Credential::Unknown] {
                let told = !contributions(&Facts { outcome, credential, ..facts() }, 42, Some(99)).is_empty();
                let expected = outcome == Outcome::Success && credential == Credential::Right;
                assert_eq!(told, expected, "{outcome:?} {credential:?}");
            }
        }
    }
}
