//! Single sign-ins inside the settled state ↔ bits, version 1: the anchor, the quarantined, the open risks.

use super::StateCodecError;
use super::bits::{Reader, Writer};
use super::state::{Frame, put_known, take_known};
use super::text::{
    PutShared, TakeShared, put_address, put_country, put_request_id, take_address, take_country, take_request_id,
};
use super::words::{put_word, take_word};
use crate::engine::facts::{CountryCode, ListSet, NamedLocation, Place, Precision};
use crate::engine::risk::incident::Incident;
use crate::engine::signin::Provider;
use crate::engine::user::familiarity::Table;
use crate::engine::user::{Anchor, Baseline, NO_DEVICE, OpenRisk, Properties, Quarantined};

pub(super) fn put_anchor(
    writer: &mut Writer<'_>,
    frame: &Frame,
    (baseline, sessions): (&Baseline, &Table<4>),
    anchor: &Anchor,
    shared: &mut impl PutShared,
) {
    frame.put_time(writer, anchor.time);
    put_request_id(writer, &anchor.request_id);
    put_address(writer, anchor.address);
    put_known(writer, anchor.address_hash, &baseline.address);
    put_known(writer, anchor.asn, &baseline.asn);
    put_word(writer, anchor.connection);
    writer.number(u32::from(anchor.lists.0), 0);
    put_named(writer, anchor.named);
    put_shared(writer, anchor.place.as_ref(), |writer, place| shared.place(writer, place));
    let geography = Geography {
        coordinates: Some(anchor.coordinates),
        radius_km: anchor.radius_km,
        precision: anchor.precision,
        country: anchor.country,
    };
    geography.put(writer, anchor.place.as_deref());
    put_known(writer, anchor.region_hash, &baseline.region);
    put_known(writer, anchor.city_hash, &baseline.city);
    put_known(writer, anchor.device_hash, &baseline.device);
    put_known(writer, anchor.session_hash, sessions);
    put_known(writer, anchor.browser_hash, &baseline.browser);
    put_known(writer, anchor.operating_system_hash, &baseline.operating_system);
    shared.agent(writer, &anchor.agent);
    put_shared(writer, anchor.asn_organization.as_ref(), |writer, name| shared.organization(writer, name));
}

pub(super) fn take_anchor(
    reader: &mut Reader<'_>,
    frame: &Frame,
    (baseline, sessions): (&Baseline, &Table<4>),
    shared: &mut impl TakeShared,
) -> Result<Anchor, StateCodecError> {
    let time = frame.take_time(reader)?;
    let request_id = take_request_id(reader)?;
    let address = take_address(reader)?;
    let address_hash = take_known(reader, &baseline.address)?;
    let asn = take_known(reader, &baseline.asn)?;
    let connection = take_word(reader)?;
    let lists = ListSet(reader.small(0, "list set")?);
    let named = take_named(reader)?;
    let place = if reader.flag()? { Some(shared.place(reader)?) } else { None };
    let Geography { coordinates, radius_km, precision, country } = Geography::take(reader, place.as_deref())?;
    Ok(Anchor {
        time,
        request_id,
        // Version 5 says of which it is.
        provider: Provider::Entra,
        address,
        address_hash,
        asn,
        connection,
        lists,
        named,
        coordinates: coordinates.ok_or(StateCodecError::Range("place"))?,
        radius_km,
        precision,
        country,
        region_hash: take_known(reader, &baseline.region)?,
        city_hash: take_known(reader, &baseline.city)?,
        device_hash: take_known(reader, &baseline.device)?,
        session_hash: take_known(reader, sessions)?,
        browser_hash: take_known(reader, &baseline.browser)?,
        operating_system_hash: take_known(reader, &baseline.operating_system)?,
        place,
        agent: shared.agent(reader)?,
        asn_organization: if reader.flag()? { Some(shared.organization(reader)?) } else { None },
    })
}

/// A shared record that may be absent.
pub(super) fn put_shared<'w, T>(writer: &mut Writer<'w>, value: Option<T>, put: impl FnOnce(&mut Writer<'w>, T)) {
    writer.flag(value.is_some());
    if let Some(value) = value {
        put(writer, value);
    }
}

pub(super) fn put_named(writer: &mut Writer<'_>, named: NamedLocation) {
    writer.flag(named != NamedLocation::default());
    if named != NamedLocation::default() {
        writer.number(u32::from(named.index), 3);
        writer.flag(named.trusted);
        writer.flag(named.egress);
    }
}

pub(super) fn take_named(reader: &mut Reader<'_>) -> Result<NamedLocation, StateCodecError> {
    if !reader.flag()? {
        return Ok(NamedLocation::default());
    }
    Ok(NamedLocation {
        index: reader.small(3, "named location")?,
        trusted: reader.flag()?,
        egress: reader.flag()?,
    })
}

/// Where a sign-in was: what its place says, except when the record was made otherwise.
#[derive(Clone, Copy)]
pub(super) struct Geography {
    pub(super) coordinates: Option<(f32, f32)>,
    pub(super) radius_km: u16,
    pub(super) precision: Precision,
    pub(super) country: CountryCode,
}

impl Geography {
    fn of(place: &Place) -> Geography {
        Geography {
            coordinates: Some((place.latitude as f32, place.longitude as f32)),
            radius_km: place.radius_km,
            precision: place.precision,
            country: place.country,
        }
    }

    /// Compares bit for bit, where `==` takes 0 for −0.
    fn is(&self, other: &Geography) -> bool {
        let bits = |coordinates: Option<(f32, f32)>| coordinates.map(|(a, b)| (a.to_bits(), b.to_bits()));
        bits(self.coordinates) == bits(other.coordinates)
            && (self.radius_km, self.precision, self.country) == (other.radius_km, other.precision, other.country)
    }

    pub(super) fn put(&self, writer: &mut Writer<'_>, place: Option<&Place>) {
        let same = place.is_some_and(|place| self.is(&Geography::of(place)));
        writer.flag(same);
        if same {
            return;
        }
        writer.flag(self.coordinates.is_some());
        if let Some((latitude, longitude)) = self.coordinates {
            writer.bits(latitude.to_bits(), 32);
            writer.bits(longitude.to_bits(), 32);
        }
        writer.number(u32::from(self.radius_km), 5);
        put_word(writer, self.precision);
        put_country(writer, self.country);
    }

    pub(super) fn take(reader: &mut Reader<'_>, place: Option<&Place>) -> Result<Geography, StateCodecError> {
        if reader.flag()? {
            return place.map(Geography::of).ok_or(StateCodecError::Range("place"));
        }
        let coordinates = if reader.flag()? {
            Some((f32::from_bits(reader.bits(32)?), f32::from_bits(reader.bits(32)?)))
        } else {
            None
        };
        Ok(Geography {
            coordinates,
            radius_km: reader.small(5, "radius")?,
            precision: take_word(reader)?,
            country: take_country(reader)?,
        })
    }
}

pub(super) fn put_quarantined(writer: &mut Writer<'_>, frame: &Frame, baseline: &Baseline, held: &Quarantined) {
    writer.u64(held.event);
    frame.put_time(writer, held.time);
    put_properties(writer, baseline, &held.properties);
    writer.flag(held.compromised);
}

pub(super) fn take_quarantined(
    reader: &mut Reader<'_>,
    frame: &Frame,
    baseline: &Baseline,
) -> Result<Quarantined, StateCodecError> {
    Ok(Quarantined {
        event: reader.u64()?,
        time: frame.take_time(reader)?,
        properties: take_properties(reader, baseline)?,
        compromised: reader.flag()?,
    })
}

pub(super) fn put_open_risk(writer: &mut Writer<'_>, frame: &Frame, baseline: &Baseline, risk: &OpenRisk) {
    put_word(writer, risk.kind);
    put_word(writer, risk.level);
    writer.bits(u32::from(risk.score), 8);
    put_word(writer, risk.state);
    put_word(writer, risk.detail);
    writer.u64(risk.event);
    put_request_id(writer, &risk.request_id);
    frame.put_time(writer, risk.time);
    put_properties(writer, baseline, &risk.properties);
}

pub(super) fn take_open_risk(
    reader: &mut Reader<'_>,
    frame: &Frame,
    baseline: &Baseline,
) -> Result<OpenRisk, StateCodecError> {
    let kind = take_word(reader)?;
    let level = take_word(reader)?;
    let score = reader.bits(8)? as u8;
    let state = take_word(reader)?;
    let detail = take_word(reader)?;
    let event = reader.u64()?;
    let request_id = take_request_id(reader)?;
    let time = frame.take_time(reader)?;
    let properties = take_properties(reader, baseline)?;
    // Version 3 says of which session and incident it is.
    let incident = Incident { began: time, event };
    Ok(OpenRisk {
        kind,
        level,
        score,
        state,
        detail,
        event,
        request_id,
        time,
        properties,
        session_hash: 0,
        incident,
        // Before version 5 all were our own.
        reported: None,
    })
}

fn put_properties(writer: &mut Writer<'_>, baseline: &Baseline, properties: &Properties) {
    put_known(writer, properties.address, &baseline.address);
    put_known(writer, properties.prefix, &baseline.prefix);
    put_known(writer, properties.asn, &baseline.asn);
    put_known(writer, properties.city, &baseline.city);
    put_known(writer, properties.region, &baseline.region);
    put_known(writer, properties.country, &baseline.country);
    // Most strangers have no device id, and neither has the owner who never saw one: not in the table.
    writer.flag(properties.device == NO_DEVICE);
    if properties.device != NO_DEVICE {
        put_known(writer, properties.device, &baseline.device);
    }
    put_known(writer, properties.user_agent, &baseline.user_agent);
    put_known(writer, properties.browser, &baseline.browser);
    writer.number(u32::from(properties.browser_major), 7);
    put_known(writer, properties.operating_system, &baseline.operating_system);
    put_known(writer, properties.client, &baseline.client);
    writer.bits(u32::from(properties.hour_of_week), 8);
}

fn take_properties(reader: &mut Reader<'_>, baseline: &Baseline) -> Result<Properties, StateCodecError> {
    Ok(Properties {
        address: take_known(reader, &baseline.address)?,
        prefix: take_known(reader, &baseline.prefix)?,
        asn: take_known(reader, &baseline.asn)?,
        city: take_known(reader, &baseline.city)?,
        region: take_known(reader, &baseline.region)?,
        country: take_known(reader, &baseline.country)?,
        device: if reader.flag()? { NO_DEVICE } else { take_known(reader, &baseline.device)? },
        user_agent: take_known(reader, &baseline.user_agent)?,
        browser: take_known(reader, &baseline.browser)?,
        browser_major: reader.small(7, "browser version")?,
        operating_system: take_known(reader, &baseline.operating_system)?,
        client: take_known(reader, &baseline.client)?,
        hour_of_week: take_hour(reader)?,
    })
}

fn take_hour(reader: &mut Reader<'_>) -> Result<u8, StateCodecError> {
    let hour = reader.bits(8)?;
    u8::try_from(hour).ok().filter(|hour| *hour < 168).ok_or(StateCodecError::Range("hour of the week"))
}
