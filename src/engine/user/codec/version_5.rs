//! What version 5 adds, behind all that version 4 has: at whose door each remembered sign-in was, which open risks other
//! products found, and the upstream findings of the tail, each with its place between the tail's other entries.

use super::StateCodecError;
use super::bits::{Reader, Writer};
use super::sign_in::{put_named, put_shared, take_named};
use super::state::{Frame, put_known, take_count, take_known};
use super::tail::{put_judged, take_judged};
use super::text::{PutShared, TakeShared, put_address, put_text, take_address, take_text};
use super::version_3::{put_incident, take_incident};
use super::words::{put_word, take_word};
use crate::engine::facts::ListSet;
use crate::engine::risk::incident::Incident;
use crate::engine::risk::upstream::Reported;
use crate::engine::signin::Provider;
use crate::engine::user::session::Stop;
use crate::engine::user::tail::{TAIL_MAX, TailEntry, TailFinding};
use crate::engine::user::{Baseline, UserState, event_hash};

pub(super) fn put(
    writer: &mut Writer<'_>,
    frame: &Frame,
    state: &UserState,
    tail: &[TailEntry],
    shared: &mut impl PutShared,
) {
    let mut last = Provider::Entra;
    for provider in providers(state, tail) {
        // Nearly always a user has one.
        writer.flag(provider == last);
        if provider != last {
            put_word(writer, provider);
        }
        last = provider;
    }
    for risk in &state.open {
        put_shared(writer, risk.reported.as_deref(), |writer, reported| put_reported(writer, frame, reported));
    }
    let findings = tail.iter().enumerate().filter_map(|(place, entry)| match entry {
        TailEntry::UpstreamFinding(finding) => Some((place, finding)),
        _ => None,
    });
    writer.number(findings.clone().count() as u32, 0);
    let mut next = 0;
    for (place, finding) in findings {
        writer.number((place - next) as u32, 2);
        next = place + 1;
        put_finding(writer, frame, &state.baseline, finding, shared);
    }
}

/// Fills in what version 4 left at its defaults.
pub(super) fn take(
    reader: &mut Reader<'_>,
    frame: &Frame,
    state: &mut UserState,
    tail: &mut Vec<TailEntry>,
    shared: &mut impl TakeShared,
) -> Result<(), StateCodecError> {
    let mut last = Provider::Entra;
    for provider in providers_mut(state, tail) {
        if !reader.flag()? {
            last = take_word(reader)?;
        }
        *provider = last;
    }
    for risk in &mut state.open {
        risk.reported = if reader.flag()? { Some(Box::new(take_reported(reader, frame)?)) } else { None };
    }
    let count = take_count(reader, 0, TAIL_MAX.saturating_sub(tail.len()), "recent findings")?;
    let mut next = 0;
    for _ in 0..count {
        let place = next + reader.small::<usize>(2, "place in the tail")?;
        if place > tail.len() {
            return Err(StateCodecError::Range("place in the tail"));
        }
        next = place + 1;
        let finding = take_finding(reader, frame, &state.baseline, shared)?;
        tail.insert(place, TailEntry::UpstreamFinding(Box::new(finding)));
    }
    Ok(())
}

/// Of every remembered sign-in, in the order of writing.
fn providers(state: &UserState, tail: &[TailEntry]) -> impl Iterator<Item = Provider> {
    let sessions = state.followed.iter().flat_map(|session| std::iter::once(&session.began).chain(&session.last));
    let stops = sessions.chain(state.denials.iter().map(|denial| &denial.stop)).map(|stop: &Stop| stop.provider);
    let recent = tail.iter().filter_map(|entry| match entry {
        TailEntry::SignIn(sign_in) => Some(sign_in.facts.provider),
        _ => None,
    });
    state.anchor.iter().map(|anchor| anchor.provider).chain(stops).chain(recent)
}

/// The same, to be filled in.
fn providers_mut<'a>(
    state: &'a mut UserState,
    tail: &'a mut [TailEntry],
) -> impl Iterator<Item = &'a mut Provider> {
    let sessions =
        state.followed.iter_mut().flat_map(|session| std::iter::once(&mut session.began).chain(&mut session.last));
    let denials = state.denials.iter_mut().map(|denial| &mut denial.stop);
    let stops = sessions.chain(denials).map(|stop: &mut Stop| &mut stop.provider);
    let recent = tail.iter_mut().filter_map(|entry| match entry {
        TailEntry::SignIn(sign_in) => Some(&mut sign_in.facts.provider),
        _ => None,
    });
    state.anchor.iter_mut().map(|anchor| &mut anchor.provider).chain(stops).chain(recent)
}

fn put_reported(writer: &mut Writer<'_>, frame: &Frame, reported: &Reported) {
    let Reported { source, event, activity_time, is_about_user } = reported;
    put_text(writer, source);
    writer.u64(*event);
    frame.put_time(writer, *activity_time);
    writer.flag(*is_about_user);
}

fn take_reported(reader: &mut Reader<'_>, frame: &Frame) -> Result<Reported, StateCodecError> {
    Ok(Reported {
        source: take_text(reader)?.into(),
        event: reader.u64()?,
        activity_time: frame.take_time(reader)?,
        is_about_user: reader.flag()?,
    })
}

fn put_finding(
    writer: &mut Writer<'_>,
    frame: &Frame,
    baseline: &Baseline,
    finding: &TailFinding,
    shared: &mut impl PutShared,
) {
    frame.put_time(writer, finding.time);
    writer.u64(finding.event);
    for text in [&finding.request_id, &finding.source, &finding.source_type] {
        put_text(writer, text);
    }
    put_word(writer, finding.provider);
    put_word(writer, finding.kind);
    put_word(writer, finding.level);
    writer.flag(finding.is_confirmed);
    writer.flag(finding.is_about_user);
    frame.put_time(writer, finding.activity_time);
    for text in [&finding.user_principal_name, &finding.reasons, &finding.address_text] {
        put_text(writer, text);
    }
    put_address(writer, finding.address);
    put_known(writer, finding.address_hash, &baseline.address);
    put_known(writer, finding.asn, &baseline.asn);
    writer.number(u32::from(finding.lists.0), 0);
    put_named(writer, finding.named);
    put_shared(writer, finding.place.as_ref(), |writer, place| shared.place(writer, place));
    put_shared(writer, finding.asn_organization.as_ref(), |writer, name| shared.organization(writer, name));
    put_shared(writer, finding.judged, |writer, judged| {
        put_judged(writer, &judged);
        put_incident(writer, frame, (finding.activity_time, finding.about), judged.incident);
    });
}

fn take_finding(
    reader: &mut Reader<'_>,
    frame: &Frame,
    baseline: &Baseline,
    shared: &mut impl TakeShared,
) -> Result<TailFinding, StateCodecError> {
    let (time, event) = (frame.take_time(reader)?, reader.u64()?);
    let request_id: Box<str> = take_text(reader)?.into();
    let mut finding = TailFinding {
        time,
        event,
        about: event_hash(&request_id),
        request_id,
        source: take_text(reader)?.into(),
        source_type: take_text(reader)?.into(),
        provider: take_word(reader)?,
        kind: take_word(reader)?,
        level: take_word(reader)?,
        is_confirmed: reader.flag()?,
        is_about_user: reader.flag()?,
        activity_time: frame.take_time(reader)?,
        user_principal_name: take_text(reader)?.into(),
        reasons: take_text(reader)?.into(),
        address_text: take_text(reader)?.into(),
        address: take_address(reader)?,
        address_hash: take_known(reader, &baseline.address)?,
        asn: take_known(reader, &baseline.asn)?,
        lists: ListSet(reader.small(0, "list set")?),
        named: take_named(reader)?,
        place: if reader.flag()? { Some(shared.place(reader)?) } else { None },
        asn_organization: if reader.flag()? { Some(shared.organization(reader)?) } else { None },
        judged: None,
    };
    if reader.flag()? {
        let own = Incident { began: finding.activity_time, event: finding.about };
        let mut judged = take_judged(reader, own)?;
        judged.incident = take_incident(reader, frame, (own.began, own.event))?;
        finding.judged = Some(judged);
    }
    Ok(finding)
}
