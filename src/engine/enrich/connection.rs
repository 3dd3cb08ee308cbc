//! How an address reaches the internet, from all that is known of it.
//!
//! In this order: the lists an operator made, the Connection-Type database, the network database's own word, and
//! last the organisation's name. The last is conservative: whole words only, and no word that both kinds of
//! provider use ("wireless" is a mobile carrier in one country and a fixed-line provider by radio in the next).

use crate::engine::facts::{Connection, ListKind, ListSet};

const NAME_WORDS: &[(Connection, &[&str])] = &[
    (Connection::Satellite, &["satellite", "starlink", "inflight", "viasat", "inmarsat"]),
    (Connection::Hosting, &["hosting", "datacenter", "datacentre", "datacenters", "vps", "cloud", "colocation"]),
    (Connection::Mobile, &["mobile", "cellular", "movil", "moviles", "mobil", "mobily"]),
    (Connection::Fixed, &["broadband", "cable", "fiber", "fibre", "dsl", "adsl", "ftth", "cablevision"]),
];

pub fn infer(
    lists: ListSet,
    by_type: Option<Connection>,
    by_network: Connection,
    organization: &str,
) -> Connection {
    for (kind, connection) in [
        (ListKind::Satellite, Connection::Satellite),
        (ListKind::Mobile, Connection::Mobile),
        (ListKind::Hosting, Connection::Hosting),
    ] {
        if lists.contains(kind) {
            return connection;
        }
    }
    match (by_type, by_network) {
        (Some(connection), _) => connection,
        (None, Connection::Unknown) => by_name(organization),
        (None, connection) => connection,
    }
}

/// The first kind, in the order of the table, one of whose words the name has.
fn by_name(organization: &str) -> Connection {
    let has = |word: &str| {
        organization.split(|c: char| !c.is_alphanumeric()).any(|part| part.eq_ignore_ascii_case(word))
    };
    let found = NAME_WORDS.iter().find(|(_, words)| words.iter().any(|word| has(word)));
    found.map_or(Connection::Unknown, |(connection, _)| *connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_surer_wins() {
        let mut mobile = ListSet::default();
        mobile.insert(ListKind::Mobile);
        let none = ListSet::default();
        let check = |lists, by_type, by_network, name, expected| {
            assert_eq!(infer(lists, by_type, by_network, name), expected, "{name}");
        };
        check(mobile, Some(Connection::Fixed), Connection::Hosting, "Example Cable", Connection::Mobile);
        check(none, Some(Connection::Fixed), Connection::Hosting, "Example Cloud", Connection::Fixed);
        check(none, None, Connection::Hosting, "Example Mobile", Connection::Hosting);
        check(none, None, Connection::Unknown, "E-Mobile Example", Connection::Mobile);
        check(none, None, Connection::Unknown, "EXAMPLE CLOUD LTD", Connection::Hosting);
        check(none, None, Connection::Unknown, "Example Fiber NO", Connection::Fixed);
        for unsure in ["Example Wireless", "Cloudy Example", "Automobile Club", "Example University", ""] {
            check(none, None, Connection::Unknown, unsure, Connection::Unknown);
        }
    }
}
