//! The tail ↔ bits, version 1: sign-ins that may be judged again, with their text, and feedback.

use super::StateCodecError;
use super::bits::{Reader, Writer};
use super::sign_in::{Geography, put_named, put_shared, take_named};
use super::state::{Frame, put_known, take_count, take_known, take_vec};
use super::text::{PutShared, TakeShared, put_address, put_bytes, put_text, take_address, take_bytes, take_text};
use super::words::{put_word, take_word};
use crate::engine::facts::{Facts, ListSet, Place};
use crate::engine::risk::incident::Incident;
use crate::engine::signin::Provider;
use crate::engine::user::tail::{FINDINGS_MAX, Judged, PackedText, TAIL_MAX, TailEntry, TailFeedback, TailSignIn};
use crate::engine::user::{Baseline, Lesson};

pub(super) fn put(
    writer: &mut Writer<'_>,
    frame: &Frame,
    baseline: &Baseline,
    tail: &[TailEntry],
    shared: &mut impl PutShared,
) {
    let is_finding = |entry: &&TailEntry| matches!(entry, TailEntry::UpstreamFinding(_));
    writer.number((tail.len() - tail.iter().filter(is_finding).count()) as u32, 0);
    for entry in tail {
        match entry {
            TailEntry::SignIn(sign_in) => {
                writer.flag(false);
                put_sign_in(writer, frame, baseline, sign_in, shared);
            }
            TailEntry::Feedback(feedback) => {
                writer.flag(true);
                put_feedback(writer, frame, feedback);
            }
            // Since version 5, behind the rest.
            TailEntry::UpstreamFinding(_) => {}
        }
    }
}

pub(super) fn take(
    reader: &mut Reader<'_>,
    frame: &Frame,
    baseline: &Baseline,
    shared: &mut impl TakeShared,
) -> Result<Vec<TailEntry>, StateCodecError> {
    let count = take_count(reader, 0, TAIL_MAX, "recent events")?;
    let mut tail = Vec::new();
    for _ in 0..count {
        tail.push(if reader.flag()? {
            TailEntry::Feedback(take_feedback(reader, frame)?)
        } else {
            TailEntry::SignIn(take_sign_in(reader, frame, baseline, shared)?)
        });
    }
    Ok(tail)
}

fn put_sign_in(
    writer: &mut Writer<'_>,
    frame: &Frame,
    baseline: &Baseline,
    sign_in: &TailSignIn,
    shared: &mut impl PutShared,
) {
    // What shadow policies found stands behind the tail, since version 6.
    let TailSignIn { facts, text, place, agent, asn_organization, lesson, judged, shadows: _ } = sign_in;
    put_shared(writer, place.as_ref(), |writer, place| shared.place(writer, place));
    shared.agent(writer, agent);
    put_shared(writer, asn_organization.as_ref(), |writer, name| shared.organization(writer, name));
    put_facts(writer, frame, baseline, facts, place.as_deref());
    writer.flag(lesson.quarantined);
    writer.number(u32::from(lesson.surprise), 5);
    writer.number(judged.len() as u32, 0);
    judged.iter().for_each(|judged| put_judged(writer, judged));
    put_bytes(writer, &text.0);
}

fn take_sign_in(
    reader: &mut Reader<'_>,
    frame: &Frame,
    baseline: &Baseline,
    shared: &mut impl TakeShared,
) -> Result<TailSignIn, StateCodecError> {
    let place = if reader.flag()? { Some(shared.place(reader)?) } else { None };
    let agent = shared.agent(reader)?;
    let asn_organization = if reader.flag()? { Some(shared.organization(reader)?) } else { None };
    let facts = take_facts(reader, frame, baseline, place.as_deref())?;
    let own = Incident { began: facts.time, event: facts.event };
    Ok(TailSignIn {
        facts,
        place,
        agent,
        asn_organization,
        lesson: Lesson { quarantined: reader.flag()?, surprise: reader.small(5, "surprise")? },
        judged: take_vec(reader, 0, FINDINGS_MAX, "findings", |reader| take_judged(reader, own))?.into(),
        text: PackedText(take_bytes(reader)?.into()),
        shadows: Box::default(),
    })
}

pub(super) fn put_judged(writer: &mut Writer<'_>, judged: &Judged) {
    put_word(writer, judged.kind);
    put_word(writer, judged.level);
    writer.bits(u32::from(judged.score), 8);
    put_shared(writer, judged.suppressed_by, put_word);
    writer.u64(judged.fingerprint);
}

/// `incident`: version 3 says which it is.
pub(super) fn take_judged(reader: &mut Reader<'_>, incident: Incident) -> Result<Judged, StateCodecError> {
    Ok(Judged {
        kind: take_word(reader)?,
        level: take_word(reader)?,
        score: reader.bits(8)? as u8,
        suppressed_by: if reader.flag()? { Some(take_word(reader)?) } else { None },
        fingerprint: reader.u64()?,
        incident,
    })
}

fn put_feedback(writer: &mut Writer<'_>, frame: &Frame, feedback: &TailFeedback) {
    let TailFeedback { time, event, action, about, request_id } = feedback;
    frame.put_time(writer, *time);
    writer.u64(*event);
    put_word(writer, *action);
    writer.u64(*about);
    put_text(writer, request_id);
}

fn take_feedback(reader: &mut Reader<'_>, frame: &Frame) -> Result<TailFeedback, StateCodecError> {
    Ok(TailFeedback {
        time: frame.take_time(reader)?,
        event: reader.u64()?,
        action: take_word(reader)?,
        about: reader.u64()?,
        request_id: take_text(reader)?.into(),
    })
}

fn put_facts(writer: &mut Writer<'_>, frame: &Frame, baseline: &Baseline, facts: &Facts, place: Option<&Place>) {
    frame.put_time(writer, facts.time);
    writer.u64(facts.event);
    put_word(writer, facts.category);
    put_word(writer, facts.outcome);
    put_word(writer, facts.credential);
    put_word(writer, facts.mfa);
    put_word(writer, facts.account);
    writer.number(facts.error_code, 0);
    put_address(writer, facts.address);
    put_known(writer, facts.address_hash, &baseline.address);
    put_known(writer, facts.prefix_hash, &baseline.prefix);
    put_known(writer, facts.asn, &baseline.asn);
    put_word(writer, facts.connection);
    writer.number(u32::from(facts.lists.0), 0);
    put_named(writer, facts.named);
    Geography {
        coordinates: facts.coordinates,
        radius_km: facts.radius_km,
        precision: facts.precision,
        country: facts.country,
    }
    .put(writer, place);
    put_known(writer, facts.region_hash, &baseline.region);
    put_known(writer, facts.city_hash, &baseline.city);
    put_device(writer, baseline, facts);
    put_word(writer, facts.client_app);
    put_known(writer, facts.client_hash, &baseline.client);
    put_hash(writer, facts.app_hash);
    put_hash(writer, facts.session_hash);
}

fn put_device(writer: &mut Writer<'_>, baseline: &Baseline, facts: &Facts) {
    put_known(writer, facts.device_hash, &baseline.device);
    put_answer(writer, facts.device_managed);
    put_answer(writer, facts.device_compliant);
    put_known(writer, facts.user_agent_hash, &baseline.user_agent);
    put_known(writer, facts.browser_hash, &baseline.browser);
    writer.number(u32::from(facts.browser_major), 7);
    put_known(writer, facts.operating_system_hash, &baseline.operating_system);
    put_word(writer, facts.device_kind);
}

fn take_facts(
    reader: &mut Reader<'_>,
    frame: &Frame,
    baseline: &Baseline,
    place: Option<&Place>,
) -> Result<Facts, StateCodecError> {
    let time = frame.take_time(reader)?;
    let event = reader.u64()?;
    let category = take_word(reader)?;
    let outcome = take_word(reader)?;
    let credential = take_word(reader)?;
    let mfa = take_word(reader)?;
    let account = take_word(reader)?;
    let error_code = reader.number(0)?;
    let address = take_address(reader)?;
    let address_hash = take_known(reader, &baseline.address)?;
    let prefix_hash = take_known(reader, &baseline.prefix)?;
    let asn = take_known(reader, &baseline.asn)?;
    let connection = take_word(reader)?;
    let lists = ListSet(reader.small(0, "list set")?);
    let named = take_named(reader)?;
    let Geography { coordinates, radius_km, precision, country } = Geography::take(reader, place)?;
    Ok(Facts {
        time,
        event,
        // Version 5 says of which it is.
        provider: Provider::Entra,
        category,
        outcome,
        credential,
        mfa,
        account,
        error_code,
        address,
        address_hash,
        prefix_hash,
        asn,
        connection,
        lists,
        named,
        coordinates,
        radius_km,
        precision,
        country,
        region_hash: take_known(reader, &baseline.region)?,
        city_hash: take_known(reader, &baseline.city)?,
        device_hash: take_known(reader, &baseline.device)?,
        device_managed: take_answer(reader)?,
        device_compliant: take_answer(reader)?,
        user_agent_hash: take_known(reader, &baseline.user_agent)?,
        browser_hash: take_known(reader, &baseline.browser)?,
        browser_major: reader.small(7, "browser version")?,
        operating_system_hash: take_known(reader, &baseline.operating_system)?,
        device_kind: take_word(reader)?,
        client_app: take_word(reader)?,
        client_hash: take_known(reader, &baseline.client)?,
        app_hash: take_hash(reader)?,
        session_hash: take_hash(reader)?,
        // Since version 3, behind the tail.
        issuer_hash: 0,
        issuer_federated: false,
    })
}

fn put_answer(writer: &mut Writer<'_>, answer: Option<bool>) {
    put_shared(writer, answer, Writer::flag);
}

fn take_answer(reader: &mut Reader<'_>) -> Result<Option<bool>, StateCodecError> {
    if reader.flag()? { reader.flag().map(Some) } else { Ok(None) }
}

pub(super) fn put_hash(writer: &mut Writer<'_>, hash: u32) {
    writer.flag(hash != 0);
    if hash != 0 {
        writer.bits(hash, 32);
    }
}

pub(super) fn take_hash(reader: &mut Reader<'_>) -> Result<u32, StateCodecError> {
    if reader.flag()? { reader.bits(32) } else { Ok(0) }
}
