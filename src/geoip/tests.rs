//! Building, read back with the maxminddb crate; and the committed test databases, rebuilt.

use maxminddb::{Reader, geoip2};

use super::{Built, DatabaseBuilder, Format, Kind, read_places};

const PLACES: &str = include_str!("../../geoip-test-data/places.csv");
const NETWORKS: &str = include_str!("../../geoip-test-data/networks.csv");
/// 2026-01-01T00:00:00Z.
const TEST_DATA_EPOCH: u64 = 1_767_225_600;

#[test]
fn rebuilding_the_test_data_gives_the_committed_bytes() {
    let places = read_places(PLACES.as_bytes()).unwrap();
    for (kind, name) in [(Kind::City, "City"), (Kind::Asn, "ASN"), (Kind::Anonymous, "Anonymous-IP")] {
        let mut builder = DatabaseBuilder::new(kind, TEST_DATA_EPOCH);
        builder.add_networks(NETWORKS.as_bytes(), &places).unwrap();
        let built = builder.finish().unwrap();
        let file = format!("farsign-test-{name}.mmdb");
        let committed = std::fs::read(format!("geoip-test-data/{file}")).unwrap_or_default();
        if built.bytes != committed {
            let path = std::env::temp_dir().join(&file);
            std::fs::write(&path, &built.bytes).unwrap();
            panic!("`geoip-test-data/{file}` is not what its tables give; that is in `{}`", path.display());
        }
    }
}

fn build(kind: Kind, format: Format, csv: &str) -> Built {
    let mut builder = DatabaseBuilder::new(kind, 7);
    builder.add_ranges(format, csv.as_bytes()).unwrap();
    builder.finish().unwrap()
}

#[test]
fn public_city_tables_become_city_databases() {
    let dbip = "192.0.2.0,192.0.2.127,EU,NO,Oslo County,Oslo,59.91,10.75\n\
                192.0.2.128,192.0.2.130,EU,SE,\"Stockholm, County\",Stockholm,59.33,18.07\n\
                0.0.0.0,0.255.255.255,ZZ,ZZ,,,0,0\n\
                2001:db8::,2001:db8::ffff,EU,NO,Oslo County,Oslo,59.91,10.75\n";
    let other = "192.0.2.0,192.0.2.127,NO,Oslo County,,Oslo,0150,59.91,10.75,Europe/Oslo\n\
                 192.0.2.128,192.0.2.130,SE,\"Stockholm, County\",,Stockholm,,59.33,18.07,\n\
                 0.0.0.0,0.255.255.255,,,,,,,,\n\
                 2001:db8::,2001:db8::ffff,NO,Oslo County,,Oslo,,59.91,10.75,\n";
    for (format, csv) in [(Format::DbipCity, dbip), (Format::IpLocationDbCity, other)] {
        let built = build(Kind::City, format, csv);
        // .128-.130 is a /31 and a /32.
        assert_eq!((built.rows, built.rows_empty, built.networks), (4, 1, 4), "{format:?}");
        let reader = Reader::from_source(built.bytes).unwrap();
        reader.verify().unwrap();
        assert_eq!(reader.metadata().build_epoch, 7);
        let city = |address: &str| {
            let found = reader.lookup(address.parse().unwrap()).unwrap().decode::<geoip2::City<'_>>().unwrap();
            found.map(|city| {
                let region = city.subdivisions[0].names.english.unwrap();
                (
                    city.city.names.english.unwrap(),
                    region,
                    city.country.iso_code.unwrap(),
                    city.location.latitude.unwrap(),
                )
            })
        };
        let oslo = Some(("Oslo", "Oslo County", "NO", 59.91));
        assert_eq!(city("192.0.2.127"), oslo);
        assert_eq!(city("192.0.2.130"), Some(("Stockholm", "Stockholm, County", "SE", 59.33)));
        assert_eq!(city("192.0.2.131"), None);
        assert_eq!(city("2001:db8::42"), oslo);
        assert_eq!(city("0.0.0.1"), None);
    }
}

#[test]
fn public_asn_tables_become_asn_databases() {
    let csv = "192.0.2.0,192.0.2.255,64512,\"Example, Broadband\"\n198.51.100.0,198.51.100.255,0,Not routed\n";
    for format in [Format::DbipAsn, Format::IpLocationDbAsn] {
        let built = build(Kind::Asn, format, csv);
        assert_eq!((built.rows, built.rows_empty, built.networks), (2, 1, 1));
        let reader = Reader::from_source(built.bytes).unwrap();
        let found =
            reader.lookup("192.0.2.9".parse().unwrap()).unwrap().decode::<geoip2::Asn<'_>>().unwrap().unwrap();
        assert_eq!(found.autonomous_system_number, Some(64_512));
        assert_eq!(found.autonomous_system_organization, Some("Example, Broadband"));
    }
}

#[test]
fn of_nested_networks_the_inner_one_wins_in_any_order() {
    let places = read_places(PLACES.as_bytes()).unwrap();
    let head = "network,asn,organization,kind,place,accuracy_radius_km\n";
    let (outer, inner) = ("192.0.2.0/24,1,Outer,fixed,oslo-no,10\n", "192.0.2.64/26,2,Inner,fixed,bergen-no,10\n");
    let bytes = |rows: String| {
        let mut builder = DatabaseBuilder::new(Kind::Asn, 0);
        builder.add_networks(rows.as_bytes(), &places).unwrap();
        builder.finish().unwrap().bytes
    };
    let reader = Reader::from_source(bytes(format!("{head}{inner}{outer}"))).unwrap();
    for (address, asn) in [("192.0.2.63", 1), ("192.0.2.64", 2), ("192.0.2.127", 2), ("192.0.2.128", 1)] {
        let found = reader.lookup(address.parse().unwrap()).unwrap().decode::<geoip2::Asn<'_>>().unwrap().unwrap();
        assert_eq!(found.autonomous_system_number, Some(asn), "{address}");
    }
}

#[test]
fn a_bad_row_is_an_error_with_its_line() {
    let good = "192.0.2.0,192.0.2.255,64512,Example\n";
    for (kind, format, bad, message) in [
        (
            Kind::Asn,
            Format::DbipAsn,
            "192.0.2.9,192.0.2.1,64512,x\n",
            "line 2: `192.0.2.9` to `192.0.2.1` is not a range",
        ),
        (
            Kind::Asn,
            Format::DbipAsn,
            "192.0.2.9,2001:db8::,64512,x\n",
            "line 2: `192.0.2.9` to `2001:db8::` is not a range",
        ),
        (Kind::Asn, Format::DbipAsn, "192.0.2,192.0.2.1,64512,x\n", "line 2: `192.0.2` is not an address"),
        (Kind::Asn, Format::DbipAsn, "192.0.2.1,192.0.2.1,AS1,x\n", "line 2: `AS1` is not an AS number"),
    ] {
        let mut builder = DatabaseBuilder::new(kind, 0);
        let error = builder.add_ranges(format, format!("{good}{bad}").as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let mut builder = DatabaseBuilder::new(Kind::City, 0);
    let error =
        builder.add_ranges(Format::DbipCity, "192.0.2.0,192.0.2.1,EU,NO,,Oslo,91,0\n".as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "line 1: `91` is not within 90 degrees");
    assert!(builder.add_ranges(Format::DbipAsn, good.as_bytes()).is_err(), "an ASN table makes no city database");
}
