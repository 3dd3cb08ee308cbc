//! (settled state, the sign-in that settles next) → what it tells the organisation's profiles.
//!
//! Only a success with the right credential that held no risk tells anything, and each value once a day. What it tells
//! rests on settled state alone, so it depends neither on arrival order within the horizon nor on when users settle.

use super::familiarity::{Day, compact_day};
use super::panel::Panel;
use super::record::Bench;
use super::tail::TailEntry;
use super::{Anchor, UserState};
use crate::engine::detect::organization::Organization;
use crate::engine::detect::travel::great_circle_km;
use crate::engine::facts::Facts;
use crate::engine::out::Out;
use crate::engine::profile::{self, ProfileKey, ProfileKind};
use crate::engine::signin::{Credential, Outcome};
use crate::engine::variants::Variants;

/// A place left within this time is where its user came from when he appears at another address …
const ORIGIN_HOURS: f64 = 12.0;
/// … if it is farther away, after both places' uncertainty, than anybody goes to work …
const ORIGIN_KM_MIN: f64 = 150.0;
/// … and nobody travels so fast: people come to an office from many towns, and to an egress without having moved.
const ORIGIN_KMH_MIN: f64 = 500.0;

/// What a settled sign-in tells the organisation; a risky one, by our verdict or another product's, tells nothing.
///
/// A contribution of a day before `day_min` counts as of that day.
pub(super) fn contribute(settled: &UserState, entry: &TailEntry, bench: &Bench<'_>, day_min: i32, out: &mut Out) {
    let contributions = &mut out.contributions;
    let TailEntry::SignIn(sign_in) = entry else { return };
    let facts = &sign_in.facts;
    let is_held_back = sign_in.lesson.quarantined || settled.is_reported(facts.event);
    if facts.credential != Credential::Right || facts.outcome != Outcome::Success || is_held_back {
        return;
    }
    if settled.is_on_probation(facts, &bench.teacher()) {
        return;
    }
    // Who leaves an egress has not come from where it is.
    let is_egress = |address_hash| {
        Organization::new(bench.judge.profiles, bench.judge.tenant, facts.time).is_learnt_egress(address_hash)
    };
    let previous = origin(settled, facts).filter(|anchor| !is_egress(anchor.address_hash));
    let previous_city = previous.map(|anchor| anchor.city_hash);
    let start = contributions.len();
    profile::contributions_of(bench.judge.tenant, bench.member, facts, previous_city, contributions);
    let day = compact_day(facts.time.day());
    let mut index = start;
    while index < contributions.len() {
        if has_contributed(settled, contributions[index].key, facts, day) {
            contributions.swap_remove(index);
        } else {
            contributions[index].day = contributions[index].day.max(day_min);
            index += 1;
        }
    }
    out.counts.contributions += (contributions.len() - start) as u64;
}

/// [`contribute`] of all who share the record. The organisation has a say only where the user came from elsewhere.
pub(super) fn contribute_for_all(settled: &UserState, entry: &TailEntry, panel: &Panel<'_>, outs: &mut [Out]) {
    let lead = panel.variants.lead();
    let start = outs[lead].contributions.len();
    contribute(settled, entry, &panel.lead(), i32::MIN, &mut outs[lead]);
    let rest = panel.variants.without(Variants::only(lead));
    if rest.is_empty() {
        return;
    }
    if let TailEntry::SignIn(sign_in) = entry
        && origin(settled, &sign_in.facts).is_some()
    {
        for variant in rest.iter() {
            contribute(settled, entry, &panel.bench(variant), i32::MIN, &mut outs[variant]);
        }
        return;
    }
    // The first stands before all others.
    let (before, behind) = outs.split_at_mut(lead + 1);
    let told = &before[lead].contributions[start..];
    for variant in rest.iter() {
        let out = &mut behind[variant - lead - 1];
        out.contributions.extend_from_slice(told);
        out.counts.contributions += told.len() as u64;
    }
}

/// Where the user came from, if it was elsewhere.
fn origin<'a>(settled: &'a UserState, facts: &Facts) -> Option<&'a Anchor> {
    let anchor = settled.anchor.as_ref().filter(|anchor| anchor.city_hash != facts.city_hash)?;
    is_origin(anchor, facts).then_some(anchor)
}

/// Was the user elsewhere a moment ago, and cannot have come here in body?
fn is_origin(anchor: &Anchor, facts: &Facts) -> bool {
    let Some(here) = facts.coordinates else { return false };
    let elapsed_h = facts.time.seconds_since(anchor.time) / 3_600.0;
    let uncertainty_km = f64::from(anchor.radius_km) + f64::from(facts.radius_km);
    let distance_km = great_circle_km(anchor.coordinates, here) - uncertainty_km;
    elapsed_h < ORIGIN_HOURS && distance_km > ORIGIN_KM_MIN && distance_km > ORIGIN_KMH_MIN * elapsed_h
}

/// The baseline learnt this value earlier the same day, and told the organisation then. A shortcut: contributions
/// repeat without effect, but most of them would be repeats.
fn has_contributed(settled: &UserState, key: ProfileKey, facts: &Facts, day: Day) -> bool {
    let baseline = &settled.baseline;
    match key.kind {
        ProfileKind::Users => settled.last_learnt.is_some_and(|last| last.day() == facts.time.day()),
        ProfileKind::Country => baseline.country.seen_on(key.value, day),
        ProfileKind::Region => baseline.region.seen_on(key.value, day),
        ProfileKind::City => baseline.city.seen_on(key.value, day),
        ProfileKind::Asn => baseline.asn.seen_on(key.value, day),
        ProfileKind::Prefix => baseline.prefix.seen_on(key.value, day),
        ProfileKind::Address => baseline.address.seen_on(key.value, day),
        ProfileKind::Browser => baseline.browser.seen_on(key.value, day),
        ProfileKind::OperatingSystem => baseline.operating_system.seen_on(key.value, day),
        ProfileKind::ClientApp => baseline.client.seen_on(key.value, day),
        ProfileKind::AddressOrigins => false,
        ProfileKind::TokenIssuer if key.value == profile::ANY_ISSUER => {
            settled.issuers.entries.iter().any(|entry| entry.last_day == day)
        }
        ProfileKind::TokenIssuer => settled.issuers.seen_on(key.value, day),
        ProfileKind::UserAgent => baseline.user_agent.seen_on(key.value, day),
    }
}
