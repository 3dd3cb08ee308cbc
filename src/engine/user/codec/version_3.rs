//! What version 3 adds, behind all that version 2 has: sessions as they are followed, denied prompts, issuers, the
//! incidents of detections, and the issuers of the tail's sign-ins.

use super::StateCodecError;
use super::bits::{Reader, Writer};
use super::sign_in::put_shared;
use super::state::{Frame, Keys, put_known, put_table, take_known, take_table, take_vec};
use super::tail::{put_hash, take_hash};
use super::text::{put_address, put_country, put_request_id, take_address, take_country, take_request_id};
use super::words::{put_word, take_word};
use crate::engine::facts::ListSet;
use crate::engine::risk::incident::Incident;
use crate::engine::signin::{EventTime, Provider};
use crate::engine::user::denial::{DENIALS_MAX, Denial};
use crate::engine::user::session::{Elsewhere, SESSIONS_MAX, Session, Stop};
use crate::engine::user::tail::TailEntry;
use crate::engine::user::{Baseline, UserState};

pub(super) fn put(writer: &mut Writer<'_>, frame: &Frame, state: &UserState, tail: &[TailEntry]) {
    let baseline = &state.baseline;
    writer.number(state.followed.len() as u32, 1);
    for session in &state.followed {
        put_session(writer, frame, baseline, session);
    }
    writer.number(state.denials.len() as u32, 0);
    for denial in &state.denials {
        put_stop(writer, frame, baseline, &denial.stop);
        writer.flag(denial.is_own);
    }
    put_table(writer, frame, &state.issuers, Keys::Hash);
    for risk in &state.open {
        put_hash(writer, risk.session_hash);
        put_incident(writer, frame, (risk.time, risk.event), risk.incident);
    }
    for entry in tail {
        let TailEntry::SignIn(sign_in) = entry else { continue };
        put_known(writer, sign_in.facts.issuer_hash, &state.issuers);
        writer.flag(sign_in.facts.issuer_federated);
        for judged in &sign_in.judged {
            put_incident(writer, frame, (sign_in.facts.time, sign_in.facts.event), judged.incident);
        }
    }
}

/// Fills in what version 2 left at its defaults.
pub(super) fn take(
    reader: &mut Reader<'_>,
    frame: &Frame,
    state: &mut UserState,
    tail: &mut [TailEntry],
) -> Result<(), StateCodecError> {
    let baseline = &state.baseline;
    state.followed =
        take_vec(reader, 1, SESSIONS_MAX, "sessions", |reader| take_session(reader, frame, baseline))?;
    state.denials = take_vec(reader, 0, DENIALS_MAX, "denied prompts", |reader| {
        Ok(Denial { stop: take_stop(reader, frame, baseline)?, is_own: reader.flag()? })
    })?;
    state.issuers = take_table(reader, frame, Keys::Hash, "issuers")?;
    for risk in &mut state.open {
        risk.session_hash = take_hash(reader)?;
        risk.incident = take_incident(reader, frame, (risk.time, risk.event))?;
    }
    for entry in tail {
        let TailEntry::SignIn(sign_in) = entry else { continue };
        sign_in.facts.issuer_hash = take_known(reader, &state.issuers)?;
        sign_in.facts.issuer_federated = reader.flag()?;
        for judged in &mut sign_in.judged {
            judged.incident = take_incident(reader, frame, (sign_in.facts.time, sign_in.facts.event))?;
        }
    }
    Ok(())
}

fn put_session(writer: &mut Writer<'_>, frame: &Frame, baseline: &Baseline, session: &Session) {
    let Session { hash, began, last, elsewhere, is_interactive, passed_mfa, is_strange, lacks_device } = session;
    writer.bits(*hash, 32);
    put_stop(writer, frame, baseline, began);
    put_shared(writer, last.as_ref(), |writer, last| put_stop(writer, frame, baseline, last));
    put_shared(writer, *elsewhere, |writer, elsewhere| {
        frame.put_time(writer, elsewhere.time);
        put_known(writer, elsewhere.asn, &baseline.asn);
    });
    for flag in [is_interactive, passed_mfa, is_strange, lacks_device] {
        writer.flag(*flag);
    }
}

fn take_session(reader: &mut Reader<'_>, frame: &Frame, baseline: &Baseline) -> Result<Session, StateCodecError> {
    Ok(Session {
        hash: reader.bits(32)?,
        began: take_stop(reader, frame, baseline)?,
        last: if reader.flag()? { Some(take_stop(reader, frame, baseline)?) } else { None },
        elsewhere: if reader.flag()? {
            Some(Elsewhere { time: frame.take_time(reader)?, asn: take_known(reader, &baseline.asn)? })
        } else {
            None
        },
        is_interactive: reader.flag()?,
        passed_mfa: reader.flag()?,
        is_strange: reader.flag()?,
        lacks_device: reader.flag()?,
    })
}

fn put_stop(writer: &mut Writer<'_>, frame: &Frame, baseline: &Baseline, stop: &Stop) {
    frame.put_time(writer, stop.time);
    put_request_id(writer, &stop.request_id);
    put_address(writer, stop.address);
    put_known(writer, stop.asn, &baseline.asn);
    put_word(writer, stop.connection);
    writer.number(u32::from(stop.lists.0), 0);
    put_country(writer, stop.country);
    put_known(writer, stop.region_hash, &baseline.region);
    put_known(writer, stop.city_hash, &baseline.city);
    put_known(writer, stop.device_hash, &baseline.device);
    put_known(writer, stop.browser_hash, &baseline.browser);
    put_known(writer, stop.operating_system_hash, &baseline.operating_system);
}

fn take_stop(reader: &mut Reader<'_>, frame: &Frame, baseline: &Baseline) -> Result<Stop, StateCodecError> {
    Ok(Stop {
        time: frame.take_time(reader)?,
        request_id: take_request_id(reader)?,
        // Version 5 says of which provider it is.
        provider: Provider::Entra,
        address: take_address(reader)?,
        asn: take_known(reader, &baseline.asn)?,
        connection: take_word(reader)?,
        lists: ListSet(reader.small(0, "list set")?),
        country: take_country(reader)?,
        region_hash: take_known(reader, &baseline.region)?,
        city_hash: take_known(reader, &baseline.city)?,
        device_hash: take_known(reader, &baseline.device)?,
        browser_hash: take_known(reader, &baseline.browser)?,
        operating_system_hash: take_known(reader, &baseline.operating_system)?,
    })
}

/// Most incidents begin with the sign-in itself.
pub(super) fn put_incident(writer: &mut Writer<'_>, frame: &Frame, own: (EventTime, u64), incident: Incident) {
    let is_own = (incident.began, incident.event) == own;
    writer.flag(is_own);
    if !is_own {
        frame.put_time(writer, incident.began);
        writer.u64(incident.event);
    }
}

pub(super) fn take_incident(
    reader: &mut Reader<'_>,
    frame: &Frame,
    (began, event): (EventTime, u64),
) -> Result<Incident, StateCodecError> {
    if reader.flag()? {
        return Ok(Incident { began, event });
    }
    Ok(Incident { began: frame.take_time(reader)?, event: reader.u64()? })
}
