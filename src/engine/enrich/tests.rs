//! The enricher as a whole: on the repository's test data, on every schema, and against maxminddb's own reading.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use mmdb_writer::{Value, Writer};
use proptest::prelude::*;

use super::*;
use crate::engine::facts::{DeviceKind, ListKind};
use crate::engine::signin::*;

const CITY: &[u8] = include_bytes!("../../../geoip-test-data/farsign-test-City.mmdb");
const ASN: &[u8] = include_bytes!("../../../geoip-test-data/farsign-test-ASN.mmdb");
const ANONYMOUS: &[u8] = include_bytes!("../../../geoip-test-data/farsign-test-Anonymous-IP.mmdb");

fn test_tables() -> Arc<Tables> {
    let mut builder = Tables::builder();
    builder
        .database(Role::Place, "City", CITY.to_vec())
        .database(Role::Network, "ASN", ASN.to_vec())
        .list(ListKind::Tor, "tor.txt", include_str!("../../../geoip-test-data/lists/tor.txt"))
        .list(ListKind::Mobile, "mobile.txt", include_str!("../../../geoip-test-data/lists/mobile.txt"))
        .list(ListKind::Vpn, "vpn.txt", include_str!("../../../geoip-test-data/lists/vpn.txt"))
        .named_location(&NamedLocationRule {
            name: "office".into(),
            networks: vec!["192.0.2.64/26".into()],
            trusted: true,
            ..NamedLocationRule::default()
        });
    Arc::new(builder.build().unwrap())
}

fn sign_in(address: &str) -> SignIn<'static> {
    SignIn {
        provider: Provider::Entra,
        category: Category::Interactive,
        tenant_id: "tenant".into(),
        event_id: "event".into(),
        event_time: EventTime::from_seconds(1_767_225_600),
        user_id: "user".into(),
        user_principal_name: Cow::default(),
        user_display_name: Cow::default(),
        outcome: Outcome::Success,
        credential: Credential::Right,
        mfa: Mfa::Unknown,
        account: AccountState::Normal,
        error_code: Some(0),
        address: address.parse().ok(),
        address_text: address.to_owned().into(),
        asn: None,
        location: ProviderLocation::default(),
        app_id: Cow::default(),
        app_display_name: Cow::default(),
        resource_display_name: Cow::default(),
        client_app: ClientApp::Browser,
        client_app_used: "Browser".into(),
        authentication_protocol: Cow::default(),
        user_agent: Cow::default(),
        device: DeviceDetail::default(),
        session_id: Cow::default(),
        correlation_id: Cow::default(),
        incoming_token_type: Cow::default(),
        token_issuer_type: Cow::default(),
        token_issuer_name: Cow::default(),
    }
}

#[test]
fn test_addresses_resolve_as_the_readme_says() {
    let mut enricher = Enricher::new(test_tables());
    let mut check = |address: &str, city: &str, country: &str, asn: u32, connection, lists: &[ListKind], named| {
        let prepared = enricher.enrich(sign_in(address));
        let place = prepared.place.as_ref().unwrap();
        assert_eq!((&*place.city, place.country.as_str()), (city, country), "{address}");
        assert_eq!((prepared.facts.asn, prepared.facts.connection), (asn, connection), "{address}");
        assert_eq!(prepared.facts.lists.kinds().collect::<Vec<_>>(), lists, "{address}");
        assert_eq!(prepared.facts.named.index, named, "{address}");
        assert_eq!(prepared.facts.coordinates, Some((place.latitude as f32, place.longitude as f32)));
    };
    check("192.0.2.1", "Oslo", "NO", 64_512, Connection::Fixed, &[], 0);
    check("192.0.2.65", "Bergen", "NO", 64_512, Connection::Fixed, &[], 1);
    check("::ffff:192.0.2.65", "Bergen", "NO", 64_512, Connection::Fixed, &[], 1);
    check("192.0.2.193", "Oslo", "NO", 64_513, Connection::Mobile, &[ListKind::Mobile], 0);
    check("198.51.100.193", "Amsterdam", "NL", 4_200_000_000, Connection::Unknown, &[ListKind::Vpn], 0);
    check("203.0.113.129", "Frankfurt am Main", "DE", 4_200_000_001, Connection::Hosting, &[ListKind::Tor], 0);
    check("2001:db8::1", "Dubai", "AE", 64_514, Connection::Fixed, &[], 0);
}

#[test]
fn the_anonymous_database_speaks_as_lists_do() {
    let mut builder = Tables::builder();
    builder.database(Role::Anonymous, "Anonymous", ANONYMOUS.to_vec());
    let mut enricher = Enricher::new(Arc::new(builder.build().unwrap()));
    for (address, kind) in [
        ("198.51.100.193", Some(ListKind::Vpn)),
        ("203.0.113.129", Some(ListKind::Tor)),
        ("203.0.113.193", Some(ListKind::Hosting)),
        ("192.0.2.1", None),
    ] {
        let lists = enricher.enrich(sign_in(address)).facts.lists;
        assert_eq!(lists.kinds().collect::<Vec<_>>(), kind.into_iter().collect::<Vec<_>>(), "{address}");
    }
}

#[test]
fn every_record_reads_as_maxminddb_reads_it() {
    let reader = maxminddb::Reader::from_source(CITY.to_vec()).unwrap();
    let mut builder = Tables::builder();
    builder.database(Role::Place, "City", CITY.to_vec());
    let tables = Arc::new(builder.build().unwrap());
    let mut enricher = Enricher::new(tables);
    let mut networks = 0;
    for network in reader.networks(maxminddb::WithinOptions::default()).unwrap() {
        let network = network.unwrap();
        let oracle: maxminddb::geoip2::City<'_> = network.decode().unwrap().unwrap();
        let (found, _) = enricher.inspect(network.network().unwrap().ip());
        let place = found.place.unwrap().place;
        assert_eq!(oracle.city.names.english.unwrap_or(""), &*place.city);
        assert_eq!(oracle.country.iso_code.unwrap(), place.country.as_str());
        assert_eq!(oracle.location.latitude, Some(place.latitude));
        assert_eq!(oracle.location.longitude, Some(place.longitude));
        assert_eq!(oracle.location.accuracy_radius, Some(place.radius_km));
        assert_eq!(
            oracle.subdivisions.first().and_then(|first| first.names.english).unwrap_or(""),
            &*place.region
        );
        networks += 1;
    }
    assert!(networks > 3_000, "{networks}");
}

fn database(database_type: &str, record: Value) -> Vec<u8> {
    let mut writer = Writer::builder(database_type).build_epoch(std::time::UNIX_EPOCH).build();
    writer.insert_value("192.0.2.0/24".parse::<ipnet::IpNet>().unwrap(), record).unwrap();
    writer.to_bytes().unwrap()
}

fn text(fields: &[(&str, &str)]) -> Vec<(String, Value)> {
    fields.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect()
}

#[test]
fn every_schema_of_place_is_read() {
    let names = |name: &str| Value::map([("names", Value::map([("en", name)]))]);
    let country = Value::map([("iso_code", "NO")]);
    let location = || vec![("latitude", Value::from(59.91)), ("longitude", Value::from(10.75))];
    let mut ip_location_db =
        text(&[("city", "Oslo"), ("country_code", "NO"), ("state1", "Oslo County"), ("postcode", "")]);
    ip_location_db.push(("latitude".into(), Value::from(59.91_f32)));
    ip_location_db.push(("longitude".into(), Value::from(10.75_f32)));
    let nested = |location: Vec<(&str, Value)>| {
        Value::map([
            ("city", names("Oslo")),
            ("country", country.clone()),
            ("location", Value::map(location)),
            ("subdivisions", Value::array([names("Oslo County"), names("inner")])),
        ])
    };
    let mut with_radius = location();
    with_radius.push(("accuracy_radius", Value::from(20_u16)));
    let extent = country::extent(CountryCode(*b"NO")).unwrap();
    let at_centre = (extent.latitude, extent.longitude);
    let oslo = (59.91, 10.75);
    for (database_type, record, coordinates, radius_km, precision, city) in [
        ("GeoLite2-City", nested(with_radius), oslo, 20, Precision::City, "Oslo"),
        ("DBIP-City-Lite", nested(location()), oslo, CITY_RADIUS_KM, Precision::City, "Oslo"),
        (
            "GeoLite2-Country",
            Value::map([("country", country.clone())]),
            at_centre,
            extent.radius_km,
            Precision::Country,
            "",
        ),
        (
            "ipinfo location",
            Value::map(text(&[
                ("city", "Oslo"),
                ("region", "Oslo County"),
                ("country", "NO"),
                ("lat", "59.91"),
                ("lng", "10.75"),
            ])),
            oslo,
            CITY_RADIUS_KM,
            Precision::City,
            "Oslo",
        ),
        (
            "ipinfo lite",
            Value::map(text(&[("asn", "AS64512"), ("country", "Norway"), ("country_code", "NO")])),
            at_centre,
            extent.radius_km,
            Precision::Country,
            "",
        ),
        ("ip-location-db", Value::map(ip_location_db), oslo, CITY_RADIUS_KM, Precision::City, "Oslo"),
    ] {
        let mut builder = Tables::builder();
        builder.database(Role::Place, database_type, database(database_type, record));
        let mut enricher = Enricher::new(Arc::new(builder.build().unwrap()));
        let place = enricher.enrich(sign_in("192.0.2.9")).place.unwrap();
        assert_eq!((place.latitude, place.longitude), coordinates, "{database_type}");
        assert_eq!(
            (place.radius_km, place.precision, &*place.city),
            (radius_km, precision, city),
            "{database_type}"
        );
        assert_eq!(place.country.as_str(), "NO", "{database_type}");
        assert_eq!(&*place.region, if city.is_empty() { "" } else { "Oslo County" }, "{database_type}");
        assert_eq!(enricher.enrich(sign_in("198.51.100.9")).place, None, "{database_type}");
    }
}

#[test]
fn every_schema_of_network_is_read() {
    let asn = |organization: &str| {
        Value::map([
            ("autonomous_system_number", Value::from(64_512_u32)),
            ("autonomous_system_organization", Value::from(organization)),
        ])
    };
    let carrier = Value::merge_top_level(&asn("Example"), &Value::map([("mobile_country_code", "999")]));
    let connection_type = Value::map([("connection_type", "Corporate")]);
    for (role, record, expected_asn, organization, connection) in [
        (Role::Network, asn("Example"), 64_512, Some("Example"), Connection::Unknown),
        (Role::Network, asn("Example Cable"), 64_512, Some("Example Cable"), Connection::Fixed),
        (Role::Network, carrier, 64_512, Some("Example"), Connection::Mobile),
        (
            Role::Network,
            Value::map(text(&[("asn", "AS64512"), ("name", "Example"), ("type", "hosting")])),
            64_512,
            Some("Example"),
            Connection::Hosting,
        ),
        (
            Role::Network,
            Value::map(text(&[("asn", "AS64512"), ("as_name", "Example")])),
            64_512,
            Some("Example"),
            Connection::Unknown,
        ),
        (Role::ConnectionType, connection_type, 0, None, Connection::Corporate),
    ] {
        let mut builder = Tables::builder();
        builder.database(role, "db", database("any", record));
        let prepared = Enricher::new(Arc::new(builder.build().unwrap())).enrich(sign_in("192.0.2.9"));
        assert_eq!((prepared.facts.asn, prepared.facts.connection), (expected_asn, connection));
        assert_eq!(prepared.asn_organization.as_deref(), organization);
    }
}

#[test]
fn all_table_errors_come_at_once() {
    let mut builder = Tables::builder();
    builder
        .database(Role::Place, "asn.mmdb", ASN.to_vec())
        .database(Role::Network, "text.mmdb", b"no database".to_vec())
        .list(ListKind::Tor, "tor.txt", "192.0.2.1\nnonsense\n\n10.0.0.0/99\n")
        .named_location(&NamedLocationRule {
            name: "hq".into(),
            countries: vec!["NOR".into()],
            ..NamedLocationRule::default()
        });
    let errors = builder.build().err().unwrap();
    let places: Vec<_> = errors.iter().map(|error| (error.name.as_str(), error.line)).collect();
    assert_eq!(
        places,
        [("asn.mmdb", None), ("text.mmdb", None), ("tor.txt", Some(2)), ("tor.txt", Some(4)), ("hq", None)]
    );
    assert!(errors[0].to_string().contains("is no place database"), "{}", errors[0]);
    assert_eq!(errors[2].to_string(), "`tor.txt` line 2: `nonsense` is not a network, an address or an AS number");
}

#[test]
fn the_providers_place_serves_only_where_no_database_does() {
    let location = |city: &str, coordinates| ProviderLocation {
        city: city.to_owned().into(),
        state: "Oslo".into(),
        country: "NO".into(),
        coordinates,
    };
    let mut enricher = Enricher::new(test_tables());
    let mut check =
        |address: &str, location: ProviderLocation<'static>, expected: Option<(Precision, u16, bool)>| {
            let prepared = enricher.enrich(SignIn { location, ..sign_in(address) });
            let place = prepared.place.map(|place| (place.precision, place.radius_km, place.from_provider));
            assert_eq!(place, expected, "{address}");
        };
    let country_km = country::radius_km(CountryCode(*b"NO"));
    let somewhere = Some((59.9, 10.7));
    check("192.0.2.1", location("Tromsø", Some((69.6, 18.9))), Some((Precision::City, 10, false)));
    check("10.1.1.1", location("Oslo", somewhere), Some((Precision::City, CITY_RADIUS_KM, true)));
    check("not an address", location("Oslo", somewhere), Some((Precision::City, CITY_RADIUS_KM, true)));
    check("10.1.1.1", location("", somewhere), Some((Precision::Country, country_km, true)));
    check("10.1.1.1", location("Oslo", None), Some((Precision::Country, country_km, true)));
    check("10.1.1.1", ProviderLocation::default(), None);
}

#[test]
fn absent_is_zero_and_equal_is_equal() {
    let mut enricher = Enricher::new(Arc::new(Tables::default()));
    let facts = enricher.enrich(SignIn { client_app_used: "".into(), ..sign_in("") }).facts;
    for hash in [
        facts.address_hash,
        facts.prefix_hash,
        facts.region_hash,
        facts.city_hash,
        facts.device_hash,
        facts.user_agent_hash,
        facts.browser_hash,
        facts.operating_system_hash,
        facts.client_hash,
        facts.app_hash,
        facts.session_hash,
        facts.asn,
    ] {
        assert_eq!(hash, 0);
    }
    assert_eq!((facts.coordinates, facts.device_kind), (None, DeviceKind::Unknown));
    let mut prefix = |address: &str| enricher.enrich(sign_in(address)).facts.prefix_hash;
    assert_eq!(prefix("192.0.2.1"), prefix("192.0.2.255"));
    assert_ne!(prefix("192.0.2.1"), prefix("192.0.3.1"));
    assert_eq!(prefix("2001:db8:1:2::1"), prefix("2001:db8:1:ffff::1"));
    assert_ne!(prefix("2001:db8:1::1"), prefix("2001:db8:2::1"));
    assert_eq!(id_hash(Seed::App, "ABCD-ef"), id_hash(Seed::App, "abcd-EF"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Caches of one entry, of a few, and a new enricher for every sign-in agree.
    #[test]
    fn caching_never_changes_a_result(
        picks in prop::collection::vec((0..12_u32, 0..4_usize, 0..4_usize, 0..3_u32), 1..60),
    ) {
        let tables = test_tables();
        let mut small = Enricher::with_cache(Arc::clone(&tables), 1, 1);
        let mut large = Enricher::with_cache(Arc::clone(&tables), 4, 4);
        for (address, location, agent, asn) in picks {
            let address = ["192.0.2.7", "10.0.0.1", "203.0.113.129", "240.0.0.9"][address as usize % 4];
            let sign_in = SignIn {
                asn: (asn != 0).then_some(64_513 + asn),
                location: [
                    ProviderLocation::default(),
                    ProviderLocation { city: "Oslo".into(), country: "NO".into(), coordinates: Some((59.9, 10.7)), state: "".into() },
                    ProviderLocation { city: "".into(), country: "NO".into(), coordinates: Some((59.9, 10.7)), state: "x".into() },
                    ProviderLocation { city: "Oslo".into(), country: "NO".into(), coordinates: None, state: "".into() },
                ][location].clone(),
                user_agent: ["", "okhttp/4.1", "curl/8.1", "python-requests/2.1"][agent].into(),
                ..sign_in(address)
            };
            let fresh = Enricher::new(Arc::clone(&tables)).enrich(sign_in.clone());
            for prepared in [small.enrich(sign_in.clone()), large.enrich(sign_in)] {
                prop_assert_eq!(&prepared.facts, &fresh.facts);
                prop_assert_eq!(&prepared.place, &fresh.place);
                prop_assert_eq!(&prepared.agent, &fresh.agent);
                prop_assert_eq!(&prepared.asn_organization, &fresh.asn_organization);
            }
        }
    }
}

#[test]
fn the_first_database_that_knows_an_address_answers() {
    let place =
        |code: &str| database("GeoLite2-Country", Value::map([("country", Value::map([("iso_code", code)]))]));
    let mut builder = Tables::builder();
    builder.database(Role::Place, "a", place("SE")).database(Role::Place, "b", CITY.to_vec());
    let tables = builder.build().unwrap();
    let mut enricher = Enricher::new(Arc::new(tables));
    let mut country = |address: &str| {
        let (facts, _) = enricher.inspect(address.parse::<IpAddr>().unwrap());
        facts.place.unwrap().place.country
    };
    assert_eq!(country("192.0.2.1"), CountryCode(*b"SE"));
    assert_eq!(country("198.51.100.1"), CountryCode(*b"US"));
}
