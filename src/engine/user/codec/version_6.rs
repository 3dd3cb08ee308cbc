//! What version 6 adds, behind all that version 5 has: which shadow policies judge the user, and what they found. A user
//! whom none judges has one bit more.

use super::StateCodecError;
use super::bits::{Reader, Writer};
use super::sign_in::{put_open_risk, take_open_risk};
use super::state::{Frame, take_count, take_vec};
use super::tail::{put_hash, put_judged, take_hash, take_judged};
use super::version_3::{put_incident, take_incident};
use crate::engine::policy::SHADOW_POLICIES_MAX;
use crate::engine::risk::incident::Incident;
use crate::engine::signin::EventTime;
use crate::engine::user::record::UserRecord;
use crate::engine::user::shadow::{SHADOW_RISKS_MAX, ShadowFile, ShadowJudged, ShadowSet};
use crate::engine::user::tail::{FINDINGS_MAX, TailEntry};
use crate::engine::user::{Baseline, OpenRisk, UserState};

/// Findings of one sign-in by all shadow policies.
pub(super) const SHADOW_FINDINGS_MAX: usize = SHADOW_POLICIES_MAX * FINDINGS_MAX;

pub(super) fn put(writer: &mut Writer<'_>, frame: &Frame, record: &UserRecord) {
    let set = record.scope.shadows;
    writer.flag(!set.is_empty());
    if set.is_empty() {
        return;
    }
    writer.bits(set.keys().count() as u32 - 1, PLACE_BITS);
    set.keys().for_each(|key| writer.u64(key));
    for key in set.keys() {
        let open = record.settled.risks_of(Some(key));
        writer.number(open.len() as u32, 0);
        for risk in open {
            put_open_risk(writer, frame, &record.settled.baseline, risk);
            put_hash(writer, risk.session_hash);
            put_incident(writer, frame, (risk.time, risk.event), risk.incident);
        }
    }
    for entry in &record.tail {
        let TailEntry::SignIn(sign_in) = entry else { continue };
        writer.number(sign_in.shadows.len() as u32, 0);
        for ShadowJudged { key, judged } in &sign_in.shadows {
            let place = set.keys().position(|known| known == *key);
            writer.bits(place.expect("only what judges the user is kept") as u32, PLACE_BITS);
            put_judged(writer, judged);
            put_incident(writer, frame, (sign_in.facts.time, sign_in.facts.event), judged.incident);
        }
    }
}

/// For the place of a policy among those that judge the user.
const PLACE_BITS: u32 = 2;
const _: () = assert!(SHADOW_POLICIES_MAX <= 1 << PLACE_BITS);

/// Fills in what version 5 left at its defaults.
pub(super) fn take(
    reader: &mut Reader<'_>,
    frame: &Frame,
    state: &mut UserState,
    tail: &mut [TailEntry],
) -> Result<ShadowSet, StateCodecError> {
    if !reader.flag()? {
        return Ok(ShadowSet::default());
    }
    let count = reader.bits(PLACE_BITS)? as usize + 1;
    let keys = (0..count).map(|_| reader.u64()).collect::<Result<Vec<u64>, _>>()?;
    if keys[0] == 0 || !keys.is_sorted_by(|key, next| key < next) {
        return Err(StateCodecError::Range("shadow policy"));
    }
    for key in &keys {
        let baseline = &state.baseline;
        let open =
            take_vec(reader, 0, SHADOW_RISKS_MAX, "shadow risks", |reader| take_risk(reader, frame, baseline))?;
        if !open.is_empty() {
            state.shadows.push(ShadowFile { key: *key, open });
        }
    }
    for entry in tail {
        let TailEntry::SignIn(sign_in) = entry else { continue };
        let own = (sign_in.facts.time, sign_in.facts.event);
        let count = take_count(reader, 0, SHADOW_FINDINGS_MAX, "shadow findings")?;
        let found = (0..count).map(|_| take_found(reader, frame, &keys, own));
        sign_in.shadows = found.collect::<Result<_, _>>()?;
    }
    Ok(ShadowSet::new(keys.into_iter()))
}

fn take_risk(reader: &mut Reader<'_>, frame: &Frame, baseline: &Baseline) -> Result<OpenRisk, StateCodecError> {
    let mut risk = take_open_risk(reader, frame, baseline)?;
    risk.session_hash = take_hash(reader)?;
    risk.incident = take_incident(reader, frame, (risk.time, risk.event))?;
    Ok(risk)
}

fn take_found(
    reader: &mut Reader<'_>,
    frame: &Frame,
    keys: &[u64],
    (began, event): (EventTime, u64),
) -> Result<ShadowJudged, StateCodecError> {
    let key = keys.get(reader.bits(PLACE_BITS)? as usize).ok_or(StateCodecError::Range("shadow policy"))?;
    let mut judged = take_judged(reader, Incident { began, event })?;
    judged.incident = take_incident(reader, frame, (began, event))?;
    Ok(ShadowJudged { key: *key, judged })
}
