//! Network lists: lines of CIDR, address or AS number → which lists an address is on.
//!
//! One entry a line; `#` begins a comment; blank lines, CRLF and a byte order mark are tolerated. Every bad line is
//! reported with its number. An address is on a list when any of the list's networks holds it, not only the
//! longest, since lists of different kinds nest.

use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;
use prefix_trie::PrefixMap;

use crate::engine::facts::{ListKind, ListSet};

/// Errors reported per list; a file that is no list at all would give one a line.
pub const LIST_ERRORS_MAX: usize = 100;

/// One line's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListEntry {
    /// Host bits are cleared; a lone address is a /32 or /128.
    Network(IpNet),
    Asn(u32),
}

/// A line that is no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{text}` is not a network, an address or an AS number")]
pub struct ListError {
    /// 1-based.
    pub line: usize,
    /// What stands there, at most 64 characters of it.
    pub text: String,
}

/// Reads one list. Gives all entries, or every error up to [`LIST_ERRORS_MAX`].
pub fn parse_list(text: &str) -> Result<Vec<ListEntry>, Vec<ListError>> {
    let mut entries = Vec::new();
    let mut errors = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let entry = line.split_once('#').map_or(line, |(entry, _)| entry).trim();
        if entry.is_empty() {
            continue;
        }
        match parse_entry(entry) {
            Some(entry) => entries.push(entry),
            None => errors.push(ListError { line: index + 1, text: entry.chars().take(64).collect() }),
        }
        if errors.len() == LIST_ERRORS_MAX {
            break;
        }
    }
    if errors.is_empty() { Ok(entries) } else { Err(errors) }
}

/// A network, an address or `AS` with a number.
pub fn parse_entry(text: &str) -> Option<ListEntry> {
    if let Some(number) = strip_as(text) {
        return number.parse().ok().filter(|asn| *asn != 0).map(ListEntry::Asn);
    }
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    Some(ListEntry::Network(network.trunc()))
}

fn strip_as(text: &str) -> Option<&str> {
    let (letters, number) = text.split_at_checked(2)?;
    (letters.eq_ignore_ascii_case("as") && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

/// All lists together, by prefix and by AS number.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    networks: PrefixMap<ipnet::Ipv4Net, ListSet>,
    networks6: PrefixMap<ipnet::Ipv6Net, ListSet>,
    asns: HashMap<u32, ListSet>,
}

impl Lists {
    pub fn insert(&mut self, kind: ListKind, entry: ListEntry) {
        let set = match entry {
            ListEntry::Network(IpNet::V4(network)) => self.networks.entry(network).or_default(),
            ListEntry::Network(IpNet::V6(network)) => self.networks6.entry(network).or_default(),
            ListEntry::Asn(asn) => self.asns.entry(asn).or_default(),
        };
        set.insert(kind);
    }

    /// The lists that hold the address or its AS (0 = unknown).
    pub fn of(&self, address: IpAddr, asn: u32) -> ListSet {
        let by_asn = self.asns.get(&asn).copied().unwrap_or_default();
        match address {
            IpAddr::V4(address) => {
                self.networks.cover_values(&address.into()).fold(by_asn, |sum, set| sum.union(*set))
            }
            IpAddr::V6(address) => {
                self.networks6.cover_values(&address.into()).fold(by_asn, |sum, set| sum.union(*set))
            }
        }
    }

    /// Distinct networks and AS numbers.
    pub fn entries(&self) -> usize {
        self.networks.len() + self.networks6.len() + self.asns.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_of_line_is_read() {
        let text =
            "\u{feff}# Tor\r\n192.0.2.7\r\n\r\n198.51.100.9/24 # note\n  2001:db8::/32\nas64512\nAS4200000000\n";
        let expected = ["192.0.2.7/32", "198.51.100.0/24", "2001:db8::/32"]
            .map(|net| ListEntry::Network(net.parse().unwrap()));
        let entries = parse_list(text).unwrap();
        assert_eq!(entries[..3], expected);
        assert_eq!(entries[3..], [ListEntry::Asn(64512), ListEntry::Asn(4_200_000_000)]);
    }

    #[test]
    fn every_bad_line_is_reported_with_its_number() {
        for bad in [
            "10.0.0.0/33",
            "10.0.0",
            "AS",
            "AS0",
            "AS-1",
            "AS4294967296",
            "2001:db8::/129",
            "example.test",
            "10.0.0.1-9",
        ] {
            let errors = parse_list(&format!("# head\n10.0.0.0/8\n{bad}\n\n{bad} # again\n")).unwrap_err();
            assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [3, 5], "{bad}");
            assert_eq!(errors[0].text, bad);
        }
        assert_eq!(parse_list(&"x\n".repeat(5_000)).unwrap_err().len(), LIST_ERRORS_MAX);
    }

    proptest! {
        /// The tries agree with looking through all entries one by one.
        #[test]
        fn tables_equal_a_scan(
            entries in prop::collection::vec((0..4u8, 0..=32u8, 0..9usize), 0..40),
            probes in prop::collection::vec(any::<u8>(), 1..20),
        ) {
            let entries: Vec<(ListKind, IpNet)> = entries
                .into_iter()
                .map(|(octet, length, kind)| {
                    let network = IpNet::new(IpAddr::from([10, 0, 0, octet]), length).unwrap().trunc();
                    (ListKind::ALL[kind], network)
                })
                .collect();
            let mut lists = Lists::default();
            for (kind, network) in &entries {
                lists.insert(*kind, ListEntry::Network(*network));
            }
            for octet in probes {
                let address = IpAddr::from([10, 0, 0, octet % 8]);
                let mut expected = ListSet::default();
                for (kind, network) in &entries {
                    if network.contains(&address) {
                        expected.insert(*kind);
                    }
                }
                prop_assert_eq!(lists.of(address, 0), expected);
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let outcome = parse_list(&text);
            prop_assert!(outcome.is_ok() || outcome.is_err_and(|errors| !errors.is_empty()));
        }
    }
}
