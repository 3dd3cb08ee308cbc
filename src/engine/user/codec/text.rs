//! Text and shared records ↔ bits. What many users share — places, agents, organisations — goes through
//! [`PutShared`] and [`TakeShared`]: written out for good ([`Inline`]), or by a number that one process's store
//! gives it.

use std::net::IpAddr;
use std::sync::Arc;

use super::StateCodecError;
use super::bits::{Reader, Writer};
use super::words::{put_word, take_word};
use crate::engine::facts::{Agent, CountryCode, Place};
use crate::engine::user::RequestId;

/// How shared records are written.
pub(in crate::engine::user) trait PutShared {
    fn place(&mut self, writer: &mut Writer<'_>, place: &Arc<Place>);
    fn agent(&mut self, writer: &mut Writer<'_>, agent: &Arc<Agent>);
    fn organization(&mut self, writer: &mut Writer<'_>, organization: &Arc<str>);
}

/// How shared records are read.
pub(in crate::engine::user) trait TakeShared {
    fn place(&mut self, reader: &mut Reader<'_>) -> Result<Arc<Place>, StateCodecError>;
    fn agent(&mut self, reader: &mut Reader<'_>) -> Result<Arc<Agent>, StateCodecError>;
    fn organization(&mut self, reader: &mut Reader<'_>) -> Result<Arc<str>, StateCodecError>;
}

/// Shared records written out where they are used.
pub(in crate::engine::user) struct Inline;

impl PutShared for Inline {
    fn place(&mut self, writer: &mut Writer<'_>, place: &Arc<Place>) {
        put_degrees(writer, place.latitude);
        put_degrees(writer, place.longitude);
        writer.number(u32::from(place.radius_km), 5);
        put_word(writer, place.precision);
        put_country(writer, place.country);
        writer.flag(place.from_provider);
        put_text(writer, &place.region);
        put_text(writer, &place.city);
    }

    fn agent(&mut self, writer: &mut Writer<'_>, agent: &Arc<Agent>) {
        writer.number(u32::from(agent.browser_major), 7);
        put_word(writer, agent.kind);
        put_text(writer, &agent.browser);
        put_text(writer, &agent.operating_system);
    }

    fn organization(&mut self, writer: &mut Writer<'_>, organization: &Arc<str>) {
        put_text(writer, organization);
    }
}

impl TakeShared for Inline {
    fn place(&mut self, reader: &mut Reader<'_>) -> Result<Arc<Place>, StateCodecError> {
        Ok(Arc::new(Place {
            latitude: take_degrees(reader)?,
            longitude: take_degrees(reader)?,
            radius_km: reader.small(5, "radius")?,
            precision: take_word(reader)?,
            country: take_country(reader)?,
            from_provider: reader.flag()?,
            region: take_text(reader)?.into(),
            city: take_text(reader)?.into(),
        }))
    }

    fn agent(&mut self, reader: &mut Reader<'_>) -> Result<Arc<Agent>, StateCodecError> {
        let browser_major = reader.small(7, "browser version")?;
        let kind = take_word(reader)?;
        let browser = take_text(reader)?.into();
        let operating_system = take_text(reader)?.into();
        Ok(Arc::new(Agent { browser, browser_major, operating_system, kind }))
    }

    fn organization(&mut self, reader: &mut Reader<'_>) -> Result<Arc<str>, StateCodecError> {
        take_text(reader).map(Arc::from)
    }
}

/// Databases give four decimals: those fit 22 bits. Whatever is not exactly that is written bit for bit.
fn put_degrees(writer: &mut Writer<'_>, degrees: f64) {
    let scaled = libm::round(degrees * DEGREE_SCALE);
    let number = (scaled + DEGREES_LIMIT) as u32;
    // As it would be read: −0 comes back as 0 that way, and is not the same.
    let short = scaled.abs() < DEGREES_LIMIT && short_degrees(number).to_bits() == degrees.to_bits();
    writer.flag(short);
    if short {
        writer.bits(number, DEGREE_BITS);
    } else {
        writer.u64(degrees.to_bits());
    }
}

const DEGREE_SCALE: f64 = 10_000.0;
const DEGREE_BITS: u32 = 22;
const DEGREES_LIMIT: f64 = (1 << (DEGREE_BITS - 1)) as f64;

fn take_degrees(reader: &mut Reader<'_>) -> Result<f64, StateCodecError> {
    if reader.flag()? { reader.bits(DEGREE_BITS).map(short_degrees) } else { reader.u64().map(f64::from_bits) }
}

fn short_degrees(number: u32) -> f64 {
    (f64::from(number) - DEGREES_LIMIT) / DEGREE_SCALE
}

pub(super) fn put_country(writer: &mut Writer<'_>, country: CountryCode) {
    writer.bits(u32::from(u16::from_le_bytes(country.0)), 16);
}

pub(super) fn take_country(reader: &mut Reader<'_>) -> Result<CountryCode, StateCodecError> {
    let [first, second, ..] = reader.bits(16)?.to_le_bytes();
    Ok(CountryCode([first, second]))
}

/// Bytes with their count before them. Reading borrows, so that a damaged count reserves no memory.
pub(super) fn put_bytes(writer: &mut Writer<'_>, bytes: &[u8]) {
    writer.number(bytes.len() as u32, 4);
    if !bytes.is_empty() {
        writer.bytes(bytes);
    }
}

pub(super) fn take_bytes<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], StateCodecError> {
    let length: usize = reader.small(4, "length of text")?;
    if length == 0 { Ok(&[]) } else { reader.bytes(length) }
}

pub(super) fn put_text(writer: &mut Writer<'_>, text: &str) {
    put_bytes(writer, text.as_bytes());
}

pub(super) fn take_text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, StateCodecError> {
    std::str::from_utf8(take_bytes(reader)?).map_err(|_| StateCodecError::Text)
}

pub(super) fn put_request_id(writer: &mut Writer<'_>, id: &RequestId) {
    match id {
        RequestId::Guid(guid) => {
            writer.flag(false);
            writer.u128(*guid);
        }
        RequestId::Text(text) => {
            writer.flag(true);
            put_text(writer, text);
        }
    }
}

pub(super) fn take_request_id(reader: &mut Reader<'_>) -> Result<RequestId, StateCodecError> {
    if reader.flag()? {
        Ok(RequestId::Text(take_text(reader)?.into()))
    } else {
        reader.u128().map(RequestId::Guid)
    }
}

pub(super) fn put_address(writer: &mut Writer<'_>, address: Option<IpAddr>) {
    match address {
        None => writer.bits(0, 2),
        Some(IpAddr::V4(address)) => {
            writer.bits(1, 2);
            writer.bits(address.to_bits(), 32);
        }
        Some(IpAddr::V6(address)) => {
            writer.bits(2, 2);
            writer.u128(address.to_bits());
        }
    }
}

pub(super) fn take_address(reader: &mut Reader<'_>) -> Result<Option<IpAddr>, StateCodecError> {
    match reader.bits(2)? {
        0 => Ok(None),
        1 => Ok(Some(IpAddr::V4(reader.bits(32)?.into()))),
        2 => Ok(Some(IpAddr::V6(reader.u128()?.into()))),
        number => Err(StateCodecError::Word { list: "address family", number }),
    }
}
