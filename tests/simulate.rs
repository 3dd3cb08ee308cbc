//! The simulator against what it promises: repeatable bytes, labels that join, every persona and attack, rates near
//! the priors, and none of the cheap giveaways that make simulated attacks easy.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

#[path = "simulate/attacks.rs"]
mod attacks;
#[path = "simulate/populations.rs"]
mod populations;

use std::collections::{BTreeMap, BTreeSet};

use farsign::engine::decode::{Decoded, Decoder, Format};
use farsign::engine::signin::SECONDS_PER_DAY;
use farsign::simulate::event::{Causes, Ending, Event, Marks, Subject};
use farsign::simulate::population::Persona;
use farsign::simulate::stream::LATENESS_MAX_S;
use farsign::simulate::{self, AttackKind, Config, Form, Mix, Simulator, Totals};
use serde_json::Value;

fn config(users: u32, days: u32) -> Config {
    Config { users, days, ..Config::default() }
}

fn written(config: &Config) -> (Vec<u8>, Vec<u8>, Totals) {
    let (mut records, mut labels) = (Vec::new(), Vec::new());
    let totals = simulate::run(config, &mut records, &mut labels, &mut |_| {}).unwrap();
    (records, labels, totals)
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn events(config: &Config) -> Vec<Event> {
    Simulator::new(config).unwrap().collect()
}

fn is_user(event: &Event) -> bool {
    matches!(event.subject, Subject::User(_))
}

#[test]
fn same_seed_same_bytes() {
    let first = written(&config(60, 5));
    assert_eq!(first, written(&config(60, 5)));
    let other = written(&Config { seed: 2, ..config(60, 5) });
    assert_ne!(first.0, other.0);
    assert_ne!(first.1, other.1);
}

#[test]
fn every_form_is_json_with_the_same_ids() {
    let ids = |form: Form, path: &str| -> Vec<String> {
        let (records, _, _) = written(&Config { form, ..config(50, 3) });
        let id = |record: &Value| record.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let is_sign_in = |record: &Value| record["category"] != "ServicePrincipalSignInLogs";
        lines(&records).iter().filter(|record| is_sign_in(record)).map(|record| id(record).unwrap()).collect()
    };
    let expected = ids(Form::EntraEventHub, "/properties/id");
    assert!(expected.len() > 200, "{}", expected.len());
    assert_eq!(expected, ids(Form::EntraLean, "/properties/id"));
    assert_eq!(expected, ids(Form::Graph, "/id"));
    assert_eq!(expected, ids(Form::LogAnalytics, "/Id"));
    assert_eq!(expected, ids(Form::Farsign, "/id"));
}

/// As the decoder has it; where a record has none, no label does.
#[test]
fn labels_have_the_tenant_of_their_records() {
    for form in [Form::EntraEventHub, Form::EntraLean, Form::Graph, Form::LogAnalytics, Form::Farsign] {
        let (records, labels, _) = written(&Config { form, tenant: Some("Te\"nant".to_owned()), ..config(50, 3) });
        let mut tenants = BTreeSet::new();
        for record in records.split(|byte| *byte == b'\n') {
            Decoder::new(Format::Auto).decode(record, None, &mut |decoded| {
                if let Ok(Decoded::SignIn(sign_in)) = decoded {
                    tenants.insert(sign_in.tenant_id.into_owned());
                }
            });
        }
        let labelled: BTreeSet<String> = lines(&labels)
            .iter()
            .map(|label| label["tenantId"].as_str().unwrap_or("unknown").to_owned())
            .collect();
        assert_eq!(tenants, labelled, "{form:?}");
        assert_eq!(form == Form::Graph, labelled.contains("unknown"), "{form:?}");
    }
}

#[test]
fn records_have_the_sizes_benchmarks_rely_on() {
    for (form, from, to) in [(Form::EntraEventHub, 4_500.0, 5_000.0), (Form::EntraLean, 400.0, 650.0)] {
        let (_, _, totals) = written(&Config { form, ..config(400, 5) });
        let mean = totals.record_bytes as f64 / totals.records as f64;
        assert!((from..to).contains(&mean), "{form:?}: {mean:.0} bytes");
    }
}

#[test]
fn labels_join_to_records() {
    let (records, labels, totals) = written(&config(150, 20));
    let mut by_id: BTreeMap<String, Value> = BTreeMap::new();
    for record in lines(&records) {
        by_id.insert(record["properties"]["id"].as_str().unwrap().to_owned(), record);
    }
    let labels = lines(&labels);
    assert_eq!(labels.len() as u64, totals.labels);
    let mut seen = BTreeSet::new();
    for label in &labels {
        let id = label["requestId"].as_str().unwrap();
        assert!(seen.insert(id.to_owned()), "two labels for {id}");
        let record = &by_id.get(id).unwrap_or_else(|| panic!("no record for {label}"))["properties"];
        assert_eq!(record["userId"], label["userId"]);
        assert_eq!(by_id[id]["tenantId"], label["tenantId"]);
        assert_eq!(record["userPrincipalName"], label["userPrincipalName"]);
        assert_eq!(label["malicious"] == true, label["attack"].is_string());
        assert_eq!(
            label["malicious"] == false,
            label["causes"].as_array().is_some_and(|causes| !causes.is_empty())
        );
    }
}

#[test]
fn every_persona_cause_and_attack_occurs() {
    let config = config(500, 90);
    let mut simulator = Simulator::new(&config).unwrap();
    let personas: BTreeSet<Persona> = simulator.users().iter().map(|user| user.persona).collect();
    // Students are at universities only.
    let expected: BTreeSet<Persona> =
        Persona::ALL.into_iter().filter(|persona| *persona != Persona::Student).collect();
    assert_eq!(personas, expected);
    let (mut causes, mut attacks, mut campaigns) = (Causes::NONE, BTreeSet::new(), BTreeSet::new());
    let mut active = BTreeSet::new();
    while let Some(event) = simulator.next() {
        causes = causes.with(event.causes);
        if let Some(malice) = event.malice {
            attacks.insert(simulator.world.attacks.kind(malice.campaign));
            campaigns.insert(malice.campaign);
        } else if let Subject::User(number) = event.subject {
            active.insert(simulator.world.persona(number));
        }
    }
    assert_eq!(active, expected);
    let missing: Vec<&str> =
        Causes::ALL.iter().filter(|(cause, _)| !causes.has(*cause)).map(|(_, word)| *word).collect();
    // One user in 500 uses Tor; the seed decides whether there is one.
    assert!(missing.iter().all(|word| *word == "tor"), "{missing:?}");
    assert_eq!(attacks.into_iter().collect::<Vec<_>>(), AttackKind::ALL);
    assert_eq!(campaigns.len(), simulator.world.attacks.campaigns().len(), "a campaign did nothing");
}

#[test]
fn delivery_is_late_within_bounds_and_repeats_ids() {
    let config = Config { late_share: 0.1, duplicate_share: 0.05, ..config(100, 10) };
    let events = events(&config);
    assert!(events.is_sorted_by_key(|event| event.delivered));
    let users: Vec<&Event> = events.iter().filter(|event| is_user(event)).collect();
    let share =
        |mark: Marks| users.iter().filter(|event| event.marks.has(mark)).count() as f64 / users.len() as f64;
    assert!((share(Marks::LATE) - 0.1).abs() < 0.02, "{}", share(Marks::LATE));
    assert!((share(Marks::DUPLICATE) - 0.048).abs() < 0.015, "{}", share(Marks::DUPLICATE));
    assert!(users.iter().all(|event| event.delivered.seconds_since(event.time) <= LATENESS_MAX_S + 1.0));
    let mut ids = BTreeMap::new();
    for event in &events {
        *ids.entry(event.id).or_insert(0) += i32::from(!event.marks.has(Marks::DUPLICATE));
    }
    assert!(ids.values().all(|count| *count == 1), "an id is not unique");
    let in_order = Config { late_share: 0.0, duplicate_share: 0.0, ..config };
    assert!(self::events(&in_order).is_sorted_by_key(|event| event.time));
}

#[test]
fn rates_are_near_the_priors() {
    let config = Config { attacks: Mix::None, ..config(600, 28) };
    let simulator = Simulator::new(&config).unwrap();
    let (mut total, mut unhappy) = (0.0, 0.0);
    let mut countries: BTreeMap<(u32, i64), BTreeSet<u16>> = BTreeMap::new();
    let atlas = simulate::network::Atlas::embedded().unwrap();
    for event in simulator {
        let Subject::User(number) = event.subject else { continue };
        total += 1.0;
        unhappy += f64::from(u8::from(event.ending != Ending::Success));
        let week = event.time.seconds() / (7 * SECONDS_PER_DAY);
        let country = atlas.country(atlas.place_of(event.address.network));
        countries.entry((number, week)).or_default().insert(country);
    }
    let share = unhappy / total;
    assert!((0.05..0.11).contains(&share), "failed or challenged: {share:.3}");
    let few = countries.values().filter(|countries| countries.len() <= 2).count() as f64 / countries.len() as f64;
    assert!(few > 0.98, "user-weeks with one or two countries: {few:.4}");
    let per_day = total / 600.0 / 28.0;
    assert!((4.0..30.0).contains(&per_day), "records per user and day: {per_day:.1}");
}

/// Mistake 1: times relative to the victim's last sign-in. Mistakes 2 and 3: addresses just used by the victim, or
/// used by nobody else. Mistake 6: one victim per campaign.
#[test]
fn attacks_are_not_given_away_by_gaps_or_addresses() {
    are_hidden(&[AttackKind::VpnExit, AttackKind::ResidentialProxySameCountry], 0.05);
    are_hidden(&[AttackKind::ToolkitBrowser], 0.02);
    are_hidden(&[AttackKind::ForgedIssuer], 0.02);
}

/// `shared_min` is the least share of the attackers' addresses that are owners' addresses too.
fn are_hidden(kinds: &[AttackKind], shared_min: f64) {
    let mix = Mix::Counts(kinds.iter().map(|kind| (*kind, 160 / kinds.len() as u32)).collect());
    let events = events(&Config { attacks: mix, late_share: 0.0, duplicate_share: 0.0, ..config(800, 21) });
    let mut last: BTreeMap<u32, &Event> = BTreeMap::new();
    let (mut soon_malicious, mut malicious, mut borrowed) = (0.0, 0.0, 0.0);
    let (mut soon_legitimate, mut legitimate) = (0.0, 0.0);
    let known: BTreeSet<_> =
        events.iter().filter(|e| is_user(e) && !e.is_malicious()).map(|e| e.address).collect();
    let networks: BTreeSet<_> = known.iter().map(|address| address.network).collect();
    let (mut shared_address, mut shared_network) = (0.0, 0.0);
    for event in &events {
        let Subject::User(number) = event.subject else { continue };
        if let Some(before) = last.get(&number).filter(|before| !before.is_malicious()) {
            let soon = f64::from(u8::from(event.time.seconds_since(before.time) < 600.0));
            if event.malice.is_some_and(|malice| malice.step == simulate::attack::Step::SignIn) {
                malicious += 1.0;
                soon_malicious += soon;
                borrowed += f64::from(u8::from(before.address == event.address));
                shared_address += f64::from(u8::from(known.contains(&event.address)));
                shared_network += f64::from(u8::from(networks.contains(&event.address.network)));
            } else if event.is_interactive() {
                legitimate += 1.0;
                soon_legitimate += soon;
            }
        }
        last.insert(number, event);
    }
    assert!(malicious > 150.0, "{malicious}");
    let (attack, owner) = (soon_malicious / malicious, soon_legitimate / legitimate);
    assert!(attack < owner, "within ten minutes of the victim: attacks {attack:.2}, owners {owner:.2}");
    assert!(borrowed / malicious < 0.05, "address of the sign-in before: {:.2}", borrowed / malicious);
    let (address, network) = (shared_address / malicious, shared_network / malicious);
    assert!((shared_min..0.95).contains(&address), "{kinds:?}: addresses that owners use too: {address:.3}");
    assert!(network > 0.3, "{kinds:?}: networks that owners use too: {network:.2}");
}

/// Mistake 7: attackers who pose as the user take the place of a sign-in, so that totals do not drift.
#[test]
fn posing_attackers_replace_sign_ins() {
    let mix = Mix::Counts(vec![(AttackKind::VpnExit, 80)]);
    let with = events(&Config { attacks: mix, ..config(200, 14) });
    let without = events(&Config { attacks: Mix::None, ..config(200, 14) });
    let own = |events: &[Event]| -> BTreeSet<u64> {
        events.iter().filter(|event| is_user(event) && !event.is_malicious()).map(|event| event.id).collect()
    };
    let (with_ids, without_ids) = (own(&with), own(&without));
    assert!(with_ids.is_subset(&without_ids), "attacks changed what owners do");
    assert!(with_ids.len() < without_ids.len(), "nothing was replaced");
}

#[test]
fn buffer_does_not_grow_with_days() {
    let peak = |days: u32| {
        let mut simulator = Simulator::new(&Config { attacks: Mix::None, ..config(300, days) }).unwrap();
        let count = simulator.by_ref().count();
        (count, simulator.buffer_bytes())
    };
    let ((short_count, short), (long_count, long)) = (peak(14), peak(70));
    assert!(long_count > 4 * short_count);
    assert!(size_of::<Event>() <= 100, "{} bytes an event", size_of::<Event>());
    assert!(long <= 2 * short, "{long} bytes after 70 days, {short} after 14");
}

#[test]
fn bad_configurations_are_refused() {
    for (config, word) in [
        (Config { users: 0, ..Config::default() }, "users"),
        (Config { days: 0, ..Config::default() }, "days"),
        (Config { late_share: 1.5, ..Config::default() }, "late share"),
        (Config { failure_share: f64::NAN, ..Config::default() }, "failure share"),
    ] {
        let error = Simulator::new(&config).err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
    assert!("passwordSpray=2,torExit".parse::<Mix>().is_ok());
    assert!("passwordspray=x".parse::<Mix>().is_err());
    assert!("phlogiston=1".parse::<Mix>().unwrap_err().to_string().contains("known: foreignNaive"));
}
