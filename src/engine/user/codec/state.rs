//! The settled state ↔ bits, version 1. Each list keeps its order: it decides who is forgotten first.

use arrayvec::ArrayVec;

use super::StateCodecError;
use super::bits::{Reader, Writer};
use super::sign_in::{put_anchor, put_open_risk, put_quarantined, take_anchor, take_open_risk, take_quarantined};
use super::text::{PutShared, TakeShared};
use super::words::{put_word, take_word};
use crate::engine::signin::EventTime;
use crate::engine::user::familiarity::{Day, Entry, Rate, Rhythm, Table, UNIT, compact_day};
use crate::engine::user::learning::{FamilyLearning, Learning};
use crate::engine::user::{Baseline, NO_DEVICE, OPEN_RISKS_MAX, QUARANTINE_MAX, Transition, UserState};

/// What times and days are written relative to.
pub(super) struct Frame {
    newest: EventTime,
    newest_day: Day,
    /// The earliest first day of any value.
    first_day: Day,
}

impl Frame {
    pub(super) fn of(newest: EventTime, state: &UserState) -> Frame {
        let baseline = &state.baseline;
        let first_day = baseline
            .tables()
            .into_iter()
            .flatten()
            .chain(&state.sessions.entries)
            .map(|entry| entry.first_day)
            .min()
            .unwrap_or(0);
        Frame { newest, newest_day: compact_day(newest.day()), first_day }
    }

    pub(super) fn put_time(&self, writer: &mut Writer<'_>, time: EventTime) {
        let distance = self.newest.0.wrapping_sub(time.0);
        writer.flag(distance != 0);
        if distance == 0 {
            return;
        }
        let scale = (0..TIME_SCALES.len()).rev().find(|scale| distance % TIME_SCALES[*scale] == 0).unwrap_or(0);
        let scaled = distance / TIME_SCALES[scale];
        let zigzag = (scaled << 1 ^ scaled >> 63) as u64;
        let width = 64 - zigzag.leading_zeros();
        writer.bits(scale as u32, 2);
        writer.bits(width, 7);
        writer.bits(zigzag as u32 & low_bits(width.min(32)), width.min(32));
        writer.bits((zigzag >> 32) as u32, width.saturating_sub(32));
    }

    pub(super) fn take_time(&self, reader: &mut Reader<'_>) -> Result<EventTime, StateCodecError> {
        if !reader.flag()? {
            return Ok(self.newest);
        }
        let scale = TIME_SCALES[reader.bits(2)? as usize];
        let width = reader.bits(7)?;
        if width > 64 {
            return Err(StateCodecError::Range("time"));
        }
        let low = u64::from(reader.bits(width.min(32))?);
        let zigzag = u64::from(reader.bits(width.saturating_sub(32))?) << 32 | low;
        let scaled = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        Ok(EventTime(self.newest.0.wrapping_sub(scaled.wrapping_mul(scale))))
    }

    fn put_optional_time(&self, writer: &mut Writer<'_>, time: Option<EventTime>) {
        writer.flag(time.is_some());
        if let Some(time) = time {
            self.put_time(writer, time);
        }
    }

    fn take_optional_time(&self, reader: &mut Reader<'_>) -> Result<Option<EventTime>, StateCodecError> {
        if reader.flag()? { self.take_time(reader).map(Some) } else { Ok(None) }
    }

    /// Days before the newest event.
    fn put_day(&self, writer: &mut Writer<'_>, day: Day, k: u32) {
        writer.number(u32::from(self.newest_day.wrapping_sub(day)), k);
    }

    fn take_day(&self, reader: &mut Reader<'_>, k: u32) -> Result<Day, StateCodecError> {
        Ok(self.newest_day.wrapping_sub(reader.small(k, "day")?))
    }
}

/// Nanoseconds, .NET ticks, milliseconds, seconds: logs write one of these.
const TIME_SCALES: [i64; 4] = [1, 100, 1_000_000, 1_000_000_000];

fn low_bits(width: u32) -> u32 {
    ((1_u64 << width) - 1) as u32
}

pub(super) fn put(writer: &mut Writer<'_>, frame: &Frame, state: &UserState, shared: &mut impl PutShared) {
    let UserState {
        newest,
        last_learnt,
        baseline,
        learning,
        anchor,
        sessions,
        transitions,
        failures,
        failures_hour,
        quarantine,
        open,
        // Behind the tail, since version 2.
        risk_file: _,
        seen,
        // Behind that, since version 3.
        followed: _,
        denials: _,
        issuers: _,
        // Behind that, since version 4.
        visitors: _,
        // Behind that, since version 6.
        shadows: _,
    } = state;
    frame.put_day(writer, frame.first_day, 6);
    put_baseline(writer, frame, baseline);
    put_table(writer, frame, sessions, Keys::Hash);
    writer.number(seen.len() as u32, 3);
    seen.iter().for_each(|seen| writer.bits(*seen, 32));
    put_newest(writer, frame, *newest, seen);
    frame.put_optional_time(writer, *last_learnt);
    put_learning(writer, frame, learning);
    writer.number(transitions.len() as u32, 0);
    for transition in transitions {
        writer.bits(transition.key, 32);
        frame.put_day(writer, transition.last_day, 3);
    }
    writer.number(u32::from(*failures), 0);
    writer.flag(*failures_hour != 0);
    if *failures_hour != 0 {
        writer.bits(*failures_hour, 32);
    }
    writer.flag(anchor.is_some());
    if let Some(anchor) = anchor {
        put_anchor(writer, frame, (baseline, sessions), anchor, shared);
    }
    writer.number(quarantine.len() as u32, 0);
    for held in quarantine {
        put_quarantined(writer, frame, baseline, held);
    }
    writer.number(open.len() as u32, 0);
    for risk in open {
        put_open_risk(writer, frame, baseline, risk);
    }
}

/// The state, and the frame that the tail needs.
pub(super) fn take(
    reader: &mut Reader<'_>,
    newest_time: EventTime,
    shared: &mut impl TakeShared,
) -> Result<(Frame, UserState), StateCodecError> {
    let mut frame = Frame { newest: newest_time, newest_day: compact_day(newest_time.day()), first_day: 0 };
    frame.first_day = frame.take_day(reader, 6)?;
    let frame = frame;
    let baseline = take_baseline(reader, &frame)?;
    let sessions = take_table(reader, &frame, Keys::Hash, "sessions")?;
    let seen = take_list(reader, 3, "recent ids", |reader| reader.bits(32))?;
    let newest = take_newest(reader, &frame, &seen)?;
    let last_learnt = frame.take_optional_time(reader)?;
    let learning = take_learning(reader, &frame)?;
    let transitions = take_list(reader, 0, "journeys", |reader| {
        Ok(Transition { key: reader.bits(32)?, last_day: frame.take_day(reader, 3)? })
    })?;
    let failures = reader.small(0, "count of failures")?;
    let failures_hour = if reader.flag()? { reader.bits(32)? } else { 0 };
    let anchor =
        if reader.flag()? { Some(take_anchor(reader, &frame, (&baseline, &sessions), shared)?) } else { None };
    let quarantine = take_vec(reader, 0, QUARANTINE_MAX, "quarantined sign-ins", |reader| {
        take_quarantined(reader, &frame, &baseline)
    })?;
    let open =
        take_vec(reader, 0, OPEN_RISKS_MAX, "open risks", |reader| take_open_risk(reader, &frame, &baseline))?;
    let state = UserState {
        newest,
        last_learnt,
        baseline,
        learning,
        anchor,
        sessions,
        transitions,
        failures,
        failures_hour,
        quarantine,
        open,
        risk_file: None,
        seen,
        followed: Vec::new(),
        denials: Vec::new(),
        issuers: Table::default(),
        visitors: Vec::new(),
        shadows: Vec::new(),
    };
    Ok((frame, state))
}

/// At most `CAP` items with their count before them.
pub(super) fn take_list<T, const CAP: usize>(
    reader: &mut Reader<'_>,
    k: u32,
    list: &'static str,
    mut take: impl FnMut(&mut Reader<'_>) -> Result<T, StateCodecError>,
) -> Result<ArrayVec<T, CAP>, StateCodecError> {
    let count = take_count(reader, k, CAP, list)?;
    (0..count).map(|_| take(reader)).collect()
}

/// At most `max` items with their count before them.
pub(super) fn take_vec<T>(
    reader: &mut Reader<'_>,
    k: u32,
    max: usize,
    list: &'static str,
    mut take: impl FnMut(&mut Reader<'_>) -> Result<T, StateCodecError>,
) -> Result<Vec<T>, StateCodecError> {
    let count = take_count(reader, k, max, list)?;
    (0..count).map(|_| take(reader)).collect()
}

pub(super) fn take_count(
    reader: &mut Reader<'_>,
    k: u32,
    max: usize,
    list: &'static str,
) -> Result<usize, StateCodecError> {
    let count = reader.small(k, "count")?;
    if count > max { Err(StateCodecError::Count { list, max }) } else { Ok(count) }
}

/// The id hash of the newest event mostly ends in the newest of the ids seen.
fn put_newest(writer: &mut Writer<'_>, frame: &Frame, newest: Option<(EventTime, u64)>, seen: &[u32]) {
    writer.flag(newest.is_some());
    let Some((time, event)) = newest else { return };
    frame.put_time(writer, time);
    writer.bits((event >> 32) as u32, 32);
    let known = seen.last() == Some(&(event as u32));
    writer.flag(known);
    if !known {
        writer.bits(event as u32, 32);
    }
}

fn take_newest(
    reader: &mut Reader<'_>,
    frame: &Frame,
    seen: &[u32],
) -> Result<Option<(EventTime, u64)>, StateCodecError> {
    if !reader.flag()? {
        return Ok(None);
    }
    let time = frame.take_time(reader)?;
    let high = reader.bits(32)?;
    let low = if reader.flag()? {
        *seen.last().ok_or(StateCodecError::Range("newest event"))?
    } else {
        reader.bits(32)?
    };
    Ok(Some((time, u64::from(high) << 32 | u64::from(low))))
}

/// What the keys of a table look like.
#[derive(Clone, Copy)]
pub(super) enum Keys {
    Hash,
    /// [`NO_DEVICE`] or a hash.
    Device,
    /// Numbers of 14 to 18 bits, mostly.
    Number,
}

impl Keys {
    fn put(self, writer: &mut Writer<'_>, key: u32) {
        match self {
            Keys::Hash => writer.bits(key, 32),
            Keys::Number => writer.number(key, 14),
            Keys::Device => {
                writer.flag(key == NO_DEVICE);
                if key != NO_DEVICE {
                    writer.bits(key, 32);
                }
            }
        }
    }

    fn take(self, reader: &mut Reader<'_>) -> Result<u32, StateCodecError> {
        match self {
            Keys::Hash => reader.bits(32),
            Keys::Number => reader.number(14),
            Keys::Device => {
                if reader.flag()? {
                    Ok(NO_DEVICE)
                } else {
                    reader.bits(32)
                }
            }
        }
    }
}

/// Values stand in the order they were first seen, so first days are written as the distance from the one before.
pub(super) fn put_table<const CAP: usize>(writer: &mut Writer<'_>, frame: &Frame, table: &Table<CAP>, keys: Keys) {
    writer.number(table.entries.len() as u32, 2);
    let mut first_day = frame.first_day;
    for entry in &table.entries {
        keys.put(writer, entry.key);
        let later = entry.first_day.wrapping_sub(first_day) as i16;
        writer.number(u32::from((later << 1 ^ later >> 15) as u16), 2);
        first_day = entry.first_day;
        frame.put_day(writer, entry.last_day, 1);
        put_weight(writer, entry);
    }
}

pub(super) fn take_table<const CAP: usize>(
    reader: &mut Reader<'_>,
    frame: &Frame,
    keys: Keys,
    name: &'static str,
) -> Result<Table<CAP>, StateCodecError> {
    let mut before = frame.first_day;
    let entries = take_list(reader, 2, name, |reader| {
        let key = keys.take(reader)?;
        let later: u16 = reader.small(2, "day")?;
        let first_day = before.wrapping_add((later >> 1) ^ (later & 1).wrapping_neg());
        before = first_day;
        let last_day = frame.take_day(reader, 1)?;
        let weight = take_weight(reader, first_day == last_day)?;
        Ok(Entry { key, weight, first_day, last_day })
    })?;
    Ok(Table { entries })
}

/// A value of one day has a unit and sixteenths of it; anything else may have any weight.
fn put_weight(writer: &mut Writer<'_>, entry: &Entry) {
    if entry.first_day == entry.last_day {
        let repeats = entry.weight.checked_sub(UNIT).filter(|more| more % REPEAT == 0).map(|more| more / REPEAT);
        writer.flag(repeats.is_some());
        if let Some(repeats) = repeats {
            return writer.number(u32::from(repeats), 1);
        }
    }
    writer.number(u32::from(entry.weight), 8);
}

fn take_weight(reader: &mut Reader<'_>, one_day: bool) -> Result<u16, StateCodecError> {
    if !(one_day && reader.flag()?) {
        return reader.small(8, "weight");
    }
    let repeats: u16 = reader.small(1, "weight")?;
    let weight = repeats.checked_mul(REPEAT).and_then(|more| more.checked_add(UNIT));
    weight.ok_or(StateCodecError::Range("weight"))
}

/// Of version 1 for ever, whatever learning gains by a repeat.
const REPEAT: u16 = 4;

/// A hash: absent, or its place in the table that probably knows it, or itself.
pub(super) fn put_known<const CAP: usize>(writer: &mut Writer<'_>, key: u32, table: &Table<CAP>) {
    if key == 0 {
        return writer.number(0, 2);
    }
    match table.entries.iter().position(|entry| entry.key == key) {
        Some(index) => writer.number(index as u32 + 1, 2),
        None => {
            writer.number(CAP as u32 + 1, 2);
            writer.bits(key, 32);
        }
    }
}

pub(super) fn take_known<const CAP: usize>(
    reader: &mut Reader<'_>,
    table: &Table<CAP>,
) -> Result<u32, StateCodecError> {
    let place: usize = reader.small(2, "place in a table")?;
    match place.checked_sub(1) {
        None => Ok(0),
        Some(index) if index == CAP => reader.bits(32),
        Some(index) => {
            let entry = table.entries.get(index);
            entry.map(|entry| entry.key).ok_or(StateCodecError::Range("place in a table"))
        }
    }
}

fn put_baseline(writer: &mut Writer<'_>, frame: &Frame, baseline: &Baseline) {
    put_table(writer, frame, &baseline.address, Keys::Hash);
    put_table(writer, frame, &baseline.prefix, Keys::Hash);
    put_table(writer, frame, &baseline.asn, Keys::Number);
    put_table(writer, frame, &baseline.city, Keys::Hash);
    put_table(writer, frame, &baseline.region, Keys::Hash);
    put_table(writer, frame, &baseline.country, Keys::Number);
    put_table(writer, frame, &baseline.device, Keys::Device);
    put_table(writer, frame, &baseline.user_agent, Keys::Hash);
    put_table(writer, frame, &baseline.browser, Keys::Hash);
    put_table(writer, frame, &baseline.operating_system, Keys::Hash);
    put_table(writer, frame, &baseline.client, Keys::Hash);
    writer.number(baseline.browser_majors.len() as u32, 1);
    for (browser, major) in &baseline.browser_majors {
        put_known(writer, *browser, &baseline.browser);
        writer.number(u32::from(*major), 7);
    }
    put_rhythm(writer, &baseline.rhythm);
    for rate in baseline.rates() {
        writer.number(u32::from(rate.trials), 5);
        writer.number(u32::from(rate.hits), 1);
    }
    writer.number(u32::from(baseline.new_addresses), 5);
    writer.number(u32::from(baseline.new_addresses_expected), 6);
    writer.number(u32::from(baseline.sign_ins), 7);
}

fn take_baseline(reader: &mut Reader<'_>, frame: &Frame) -> Result<Baseline, StateCodecError> {
    let mut baseline = Baseline {
        address: take_table(reader, frame, Keys::Hash, "addresses")?,
        prefix: take_table(reader, frame, Keys::Hash, "prefixes")?,
        asn: take_table(reader, frame, Keys::Number, "networks")?,
        city: take_table(reader, frame, Keys::Hash, "cities")?,
        region: take_table(reader, frame, Keys::Hash, "regions")?,
        country: take_table(reader, frame, Keys::Number, "countries")?,
        device: take_table(reader, frame, Keys::Device, "devices")?,
        user_agent: take_table(reader, frame, Keys::Hash, "user agents")?,
        browser: take_table(reader, frame, Keys::Hash, "browsers")?,
        operating_system: take_table(reader, frame, Keys::Hash, "operating systems")?,
        client: take_table(reader, frame, Keys::Hash, "clients")?,
        ..Baseline::default()
    };
    baseline.browser_majors = take_list(reader, 1, "browser versions", |reader| {
        Ok((take_known(reader, &baseline.browser)?, reader.small(7, "browser version")?))
    })?;
    baseline.rhythm = take_rhythm(reader)?;
    for rate in baseline.rates_mut() {
        let trials = reader.small(5, "rate")?;
        let hits = reader.small(1, "rate")?;
        // More hits than trials would overflow where a rate learns.
        *rate = if hits <= trials { Rate { hits, trials } } else { return Err(StateCodecError::Range("rate")) };
    }
    baseline.new_addresses = reader.small(5, "count of addresses")?;
    baseline.new_addresses_expected = reader.small(6, "count of addresses")?;
    baseline.sign_ins = reader.small(7, "count of sign-ins")?;
    Ok(baseline)
}

fn put_rhythm(writer: &mut Writer<'_>, rhythm: &Rhythm) {
    for cell in rhythm.cells {
        writer.flag(cell != 0);
        if cell != 0 {
            writer.number(u32::from(cell - 1), 4);
        }
    }
}

fn take_rhythm(reader: &mut Reader<'_>) -> Result<Rhythm, StateCodecError> {
    let mut rhythm = Rhythm::default();
    for cell in &mut rhythm.cells {
        if reader.flag()? {
            let more: u8 = reader.small(4, "rhythm")?;
            *cell = more.checked_add(1).ok_or(StateCodecError::Range("rhythm"))?;
        }
    }
    Ok(rhythm)
}

fn put_learning(writer: &mut Writer<'_>, frame: &Frame, learning: &Learning) {
    let Learning {
        atypical_travel,
        impossible_travel,
        new_country,
        unfamiliar_features,
        mean_surprise,
        last_seen,
    } = learning;
    let mut before = FamilyLearning::default();
    for family in [atypical_travel, impossible_travel, new_country, unfamiliar_features] {
        let same = (family.since == before.since, family.sign_ins == before.sign_ins);
        put_word(writer, family.phase);
        writer.flag(same.0);
        if !same.0 {
            frame.put_optional_time(writer, family.since);
        }
        writer.flag(same.1);
        if !same.1 {
            writer.number(u32::from(family.sign_ins), 7);
        }
        before = *family;
    }
    writer.number(u32::from(*mean_surprise), 5);
    frame.put_optional_time(writer, *last_seen);
}

fn take_learning(reader: &mut Reader<'_>, frame: &Frame) -> Result<Learning, StateCodecError> {
    let mut before = FamilyLearning::default();
    let mut family = || {
        before.phase = take_word(reader)?;
        if !reader.flag()? {
            before.since = frame.take_optional_time(reader)?;
        }
        if !reader.flag()? {
            before.sign_ins = reader.small(7, "count of sign-ins")?;
        }
        Ok(before)
    };
    let [atypical_travel, impossible_travel, new_country, unfamiliar_features] =
        [family()?, family()?, family()?, family()?];
    let mean_surprise = reader.small(5, "surprise")?;
    let last_seen = frame.take_optional_time(reader)?;
    Ok(Learning { atypical_travel, impossible_travel, new_country, unfamiliar_features, mean_surprise, last_seen })
}
