//! One user's record → JSON for people: what is taken as normal, what is being learnt, what is held against the user.
//!
//! State keeps hashes, so a value has a name only where one is still at hand: countries and AS numbers always, places,
//! networks and agents when the last learnt sign-in or one of the tail has them. Lists are ordered by share. Nothing is
//! judged here, and nothing of the record changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::farsign::{day_text, rounded};
use crate::engine::facts::{Agent, CountryCode, Place};
use crate::engine::rules::Rules;
use crate::engine::signin::EventTime;
use crate::engine::user::familiarity::{Day, Entry, compact_day, unix_day};
use crate::engine::user::learning::Family;
use crate::engine::user::record::UserRecord;
use crate::engine::user::session::{Session, Stop};
use crate::engine::user::shadow::ShadowFile;
use crate::engine::user::tail::TailEntry;
use crate::engine::user::{NO_DEVICE, OpenRisk, Quarantined, UserState};

/// Sign-ins of the tail that are shown, the newest.
const SIGN_INS_SHOWN_MAX: usize = 10;

/// The user as of the newest event, under these rules.
pub fn describe(record: &UserRecord, rules: &Rules) -> Value {
    let state = &record.current;
    let newest = state.newest.map(|newest| newest.0);
    let identity = record.identity.as_deref();
    let (principal, display_name) = record.names();
    json!({
        "tenantId": identity.map(|identity| identity.tenant_id.as_ref()),
        "userId": identity.map(|identity| identity.user_id.as_ref()),
        "userPrincipalName": some_text(&principal),
        "userDisplayName": some_text(&display_name),
        "policy": record.scope.policy,
        "newestEvent": newest.map(text),
        "lastLearnt": state.last_learnt.map(text),
        "risk": risk(state),
        "openRisks": state.open.iter().map(open_risk).collect::<Vec<_>>(),
        "shadowFindings": shadow_findings(record, rules),
        "quarantine": state.quarantine.iter().map(quarantined).collect::<Vec<_>>(),
        "sessions": state.followed.iter().map(session).collect::<Vec<_>>(),
        "deniedPrompts": state.denials.iter().map(|denial| json!({
            "own": denial.is_own,
            "from": stop(&denial.stop),
        })).collect::<Vec<_>>(),
        "learning": newest.map(|newest| learning(record, newest, rules)),
        "baseline": baseline(record, rules),
        "lastPlace": state.anchor.as_ref().map(|anchor| json!({
            "dateTime": text(anchor.time),
            "requestId": anchor.request_id.to_string(),
            "country": country(anchor.country),
            "region": anchor.place.as_ref().map(|place| place.region.as_ref()),
            "city": anchor.place.as_ref().map(|place| place.city.as_ref()),
            "ipAddress": anchor.address.map(|address| address.to_string()),
            "asn": anchor.asn,
        })),
        "tail": {
            "entries": record.tail.len(),
            "settledUpTo": record.settled.newest.map(|newest| text(newest.0)),
            "newest": record.tail.iter().rev().take(SIGN_INS_SHOWN_MAX).map(tail_entry).collect::<Vec<_>>(),
        },
    })
}

fn text(time: EventTime) -> String {
    time.to_string()
}

fn some_text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn country(country: CountryCode) -> Option<String> {
    some_text(country.as_str()).map(str::to_owned)
}

fn risk(state: &UserState) -> Value {
    let risk = state.user_risk();
    json!({
        "level": risk.level.name(),
        "state": risk.state.name(),
        "detail": risk.detail.name(),
        "openDetections": risk.open_detections,
        "isDeleted": risk.is_deleted,
        "lastUpdated": risk.changed.map(text),
    })
}

fn open_risk(risk: &OpenRisk) -> Value {
    json!({
        "type": risk.kind.name(),
        "source": risk.upstream().unwrap_or(super::graph::SOURCE),
        "level": risk.level.name(),
        "score": risk.score,
        "state": risk.state.name(),
        "detail": risk.detail.name(),
        "requestId": risk.request_id.to_string(),
        "dateTime": text(risk.time),
        "incidentSince": text(risk.incident.began),
    })
}

/// What shadow policies found. State has a hash of a policy's name, which the configuration knows, or no more.
fn shadow_findings(record: &UserRecord, rules: &Rules) -> Vec<Value> {
    let (principal, _) = record.names();
    let judging = record.identity.as_deref().map(|it| rules.shadows(&it.tenant_id, &it.user_id, &principal));
    let of_policy = |file: &ShadowFile| -> Vec<Value> {
        let policy = rules.config.shadow_policies.iter().find(|policy| policy.key() == file.key);
        let name = policy.map_or_else(|| format!("#{:016x}", file.key), |policy| policy.scoped.name.clone());
        let note = match (policy, judging) {
            (None, _) => Some("not in the configuration: forgotten with the user's next sign-in"),
            (Some(_), Some(judging)) if !judging.contains(file.key) => {
                Some("not for this user any more: forgotten with the user's next sign-in")
            }
            _ => None,
        };
        let finding = |risk: &OpenRisk| {
            let mut shown = json!({"policy": name, "note": note});
            if let (Value::Object(shown), Value::Object(risk)) = (&mut shown, open_risk(risk)) {
                shown.extend(risk);
            }
            shown
        };
        file.open.iter().map(finding).collect()
    };
    record.current.shadows.iter().flat_map(of_policy).collect()
}

fn quarantined(held: &Quarantined) -> Value {
    json!({
        "since": text(held.time),
        "country": country_of_key(held.properties.country),
        "asn": held.properties.asn,
        "compromised": held.compromised,
    })
}

fn session(session: &Session) -> Value {
    json!({
        "began": stop(&session.began),
        "last": stop(session.home()),
        "elsewhere": session.elsewhere.map(|elsewhere| json!({
            "dateTime": text(elsewhere.time),
            "asn": elsewhere.asn,
        })),
        "interactive": session.is_interactive,
        "passedMfa": session.passed_mfa,
        "strangeNetwork": session.is_strange,
        "lacksDevice": session.lacks_device,
    })
}

fn stop(stop: &Stop) -> Value {
    json!({
        "dateTime": text(stop.time),
        "requestId": stop.request_id.to_string(),
        "ipAddress": stop.address.map(|address| address.to_string()),
        "asn": stop.asn,
        "country": country(stop.country),
    })
}

fn learning(record: &UserRecord, newest: EventTime, rules: &Rules) -> Value {
    let policy = rules.policy(record.scope.policy);
    let learning = &record.current.learning;
    let families = [
        ("impossibleTravel", Family::ImpossibleTravel),
        ("atypicalTravel", Family::AtypicalTravel),
        ("newCountry", Family::NewCountry),
        ("unfamiliarFeatures", Family::UnfamiliarFeatures),
    ];
    let phases = families.map(|(name, family)| {
        let phase = json!({
            "phase": learning.phase_at(family, newest, policy).name(),
            "days": learning.days_at(family, newest),
            "signIns": learning.family(family).sign_ins,
        });
        (name.to_owned(), phase)
    });
    Value::Object(phases.into_iter().collect())
}

/// Names of hashes, as far as the record still has them.
#[derive(Default)]
struct Names(BTreeMap<(&'static str, u32), String>);

impl Names {
    fn of(record: &UserRecord) -> Names {
        let mut names = Names::default();
        if let Some(anchor) = &record.current.anchor {
            names.add_place(anchor.place.as_ref(), anchor.region_hash, anchor.city_hash);
            names.add_agent(&anchor.agent, anchor.browser_hash, anchor.operating_system_hash);
            names.add_network(anchor.asn_organization.as_ref(), anchor.asn);
            names.add("address", anchor.address_hash, anchor.address.map(|address| address.to_string()));
        }
        for entry in &record.tail {
            let TailEntry::SignIn(sign_in) = entry else { continue };
            let facts = &sign_in.facts;
            names.add_place(sign_in.place.as_ref(), facts.region_hash, facts.city_hash);
            names.add_agent(&sign_in.agent, facts.browser_hash, facts.operating_system_hash);
            names.add_network(sign_in.asn_organization.as_ref(), facts.asn);
            names.add("address", facts.address_hash, facts.address.map(|address| address.to_string()));
            let device = some_text(sign_in.text().device_display_name).map(str::to_owned);
            names.add("device", facts.device_hash, device);
        }
        names
    }

    fn add(&mut self, table: &'static str, key: u32, name: Option<String>) {
        if let Some(name) = name.filter(|name| key != 0 && !name.is_empty()) {
            self.0.insert((table, key), name);
        }
    }

    fn add_place(&mut self, place: Option<&Arc<Place>>, region: u32, city: u32) {
        let Some(place) = place else { return };
        self.add("region", region, Some(place.region.to_string()));
        self.add("city", city, Some(place.city.to_string()));
    }

    fn add_agent(&mut self, agent: &Agent, browser: u32, operating_system: u32) {
        self.add("browser", browser, Some(agent.browser.to_string()));
        self.add("operatingSystem", operating_system, Some(agent.operating_system.to_string()));
    }

    fn add_network(&mut self, organization: Option<&Arc<str>>, asn: u32) {
        self.add("asn", asn, organization.map(|name| format!("AS{asn} {name}")));
    }

    /// A value as people read it: its name, or what stands for it in state.
    fn show(&self, table: &'static str, key: u32) -> String {
        match (table, key) {
            ("country", key) => country_of_key(key).unwrap_or_else(|| format!("#{key:08x}")),
            ("device", NO_DEVICE) => "no device id".to_owned(),
            (table, key) => match self.0.get(&(table, key)) {
                Some(name) => name.clone(),
                None if table == "asn" => format!("AS{key}"),
                None => format!("#{key:08x}"),
            },
        }
    }
}

fn country_of_key(key: u32) -> Option<String> {
    country(CountryCode(u16::try_from(key).ok()?.to_be_bytes()))
}

fn baseline(record: &UserRecord, rules: &Rules) -> Value {
    let state = &record.current;
    let names = Names::of(record);
    let day = state.newest.map_or(0, |newest| compact_day(newest.0.day()));
    let [address, _, asn, city, region, countries, device, _, browser, operating_system, _] =
        state.baseline.tables();
    let list = |table, entries| familiar(table, entries, day, rules, &names);
    json!({
        "signIns": state.baseline.sign_ins,
        "countries": list("country", countries),
        "regions": list("region", region),
        "cities": list("city", city),
        "networks": list("asn", asn),
        "addresses": list("address", address),
        "devices": list("device", device),
        "browsers": list("browser", browser),
        "operatingSystems": list("operatingSystem", operating_system),
    })
}

/// The values of one table, the most familiar first, with their share of what is left of all weights.
fn familiar(table: &'static str, entries: &[Entry], day: Day, rules: &Rules, names: &Names) -> Vec<Value> {
    let left = |entry: &Entry| rules.decay.apply(entry.weight, day.saturating_sub(entry.last_day));
    let total: u32 = entries.iter().map(|entry| u32::from(left(entry))).sum();
    let mut ordered: Vec<&Entry> = entries.iter().collect();
    ordered.sort_by_key(|entry| (std::cmp::Reverse(left(entry)), std::cmp::Reverse(entry.last_day), entry.key));
    let shown = ordered.into_iter().map(|entry| {
        let share = f64::from(left(entry)) / f64::from(total.max(1));
        json!({
            "value": names.show(table, entry.key),
            "share": rounded(share, 4),
            "firstDay": day_text(unix_day(entry.first_day)),
            "lastDay": day_text(unix_day(entry.last_day)),
        })
    });
    shown.collect()
}

fn tail_entry(entry: &TailEntry) -> Value {
    match entry {
        TailEntry::Feedback(feedback) => json!({
            "dateTime": text(feedback.time),
            "feedback": format!("{:?}", feedback.action),
            "requestId": some_text(&feedback.request_id),
        }),
        TailEntry::UpstreamFinding(finding) => json!({
            "dateTime": text(finding.time),
            "source": finding.source.as_ref(),
            "finding": finding.kind.name(),
            "level": finding.level.name(),
            "requestId": some_text(&finding.request_id),
            "stands": finding.judged.is_some_and(|judged| judged.suppressed_by.is_none()),
        }),
        TailEntry::SignIn(sign_in) => {
            let facts = &sign_in.facts;
            let standing = sign_in.judged.iter().filter(|judged| judged.suppressed_by.is_none());
            json!({
                "dateTime": text(facts.time),
                "requestId": some_text(sign_in.text().request_id),
                "outcome": format!("{:?}", facts.outcome),
                "errorCode": facts.error_code,
                "country": country(facts.country),
                "city": sign_in.place.as_ref().map(|place| place.city.as_ref()),
                "ipAddress": facts.address.map(|address| address.to_string()),
                "asn": facts.asn,
                "browser": some_text(&sign_in.agent.browser),
                "operatingSystem": some_text(&sign_in.agent.operating_system),
                "detections": standing.map(|judged| judged.kind.name()).collect::<Vec<_>>(),
            })
        }
    }
}
