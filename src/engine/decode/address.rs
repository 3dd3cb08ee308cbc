//! Text → IP address: every way a sign-in log writes one.
//!
//! Brackets, a port and an IPv6 zone are stripped, an IPv4-mapped address becomes IPv4, and of a forwarding list
//! the first entry counts. A bare IPv6 address is never split at its last colon. What is no address (host names,
//! service names, ids) and the unspecified address (`0.0.0.0`, `::`) give `None`: that costs an event its
//! geography, not its life.

use std::net::{IpAddr, Ipv6Addr};

/// The address in `text`, if there is one.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    let first = text.split(',').next()?.trim();
    let address = match first.strip_prefix('[') {
        Some(bracketed) => {
            let (inside, after) = bracketed.split_once(']')?;
            if !after.is_empty() && !is_port(after.strip_prefix(':')?) {
                return None;
            }
            parse_bare(inside)?
        }
        None => match first.split_once(':') {
            Some((host, port)) if is_port(port) && host.contains('.') => IpAddr::V4(host.parse().ok()?),
            _ => parse_bare(first)?,
        },
    };
    let address = address.to_canonical();
    (!address.is_unspecified()).then_some(address)
}

fn parse_bare(text: &str) -> Option<IpAddr> {
    match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() => address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        Some(_) => None,
        None => text.parse().ok(),
    }
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}
