//! Attackers who have the right password and patience: what they can teach a baseline, and what they cannot.
//!
//! Each runs beside an owner who goes on as ever, through the engine as a runtime drives it.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use common::drive::{Answer, Cut, run};
use common::world::{Spec, at, feedback, key, sign_in};
use farsign::engine::facts::{CountryCode, Facts, Item, Place};
use farsign::engine::finding::{RiskLevel, Suppression};
use farsign::engine::hash::{Seed, hash32};
use farsign::engine::policy::EngineConfig;
use farsign::engine::rules::Rules;
use farsign::engine::user::familiarity::{Day, compact_day};
use farsign::engine::user::{Baseline, QUARANTINE_MAX, UserState};

/// Days of history before day 0.
const HISTORY: i64 = 30;

/// Colleagues and the owner at home, every day until `days`.
fn everyday(days: i64) -> Vec<Item<'static>> {
    let mut items = Vec::new();
    for day in -HISTORY..days {
        for member in 0..60 {
            let user = format!("colleague-{member}");
            let time = at(day, 7 * 3_600 + member * 60);
            items.push(sign_in(&Spec::new(&format!("{user}-{day}"), time, &user, "oslo-fixed", "laptop")));
        }
        items.push(owner(day));
    }
    items
}

fn owner(day: i64) -> Item<'static> {
    sign_in(&Spec::new(&format!("owner-{day}"), at(day, 29_400), "ann", "oslo-fixed", "laptop"))
}

/// The attacker's sign-in of a day, in the evening.
fn visit(day: i64, network: &str, device: &str) -> Item<'static> {
    sign_in(&Spec::new(&format!("visit-{day}"), at(day, 72_000), "ann", network, device))
}

fn answer(mut items: Vec<Item<'static>>) -> Answer {
    // Stable: what is of one time stays in the order it was made in.
    items.sort_by_key(Item::time);
    run(&EngineConfig { emit_suppressed: true, ..EngineConfig::default() }, &items, Cut::default())
}

fn state(answer: &mut Answer) -> UserState {
    answer.engines[0].inspect(0, key("ann")).unwrap().current
}

/// Levels of a sign-in's findings that stand or stood a short while ago, the highest last.
fn standing(answer: &Answer, id: &str) -> Option<RiskLevel> {
    let stands = |reason: Option<Suppression>| matches!(reason, None | Some(Suppression::AlreadyReported));
    answer
        .detections
        .iter()
        .filter(|(detection, _)| detection.subject.request_id == id)
        .filter(|(detection, _)| detection.finding.as_ref().is_some_and(|finding| stands(finding.suppressed_by)))
        .map(|(detection, _)| detection.level)
        .max()
}

/// Alerts of the user's sign-ins whose id begins so.
fn alerts(answer: &Answer, prefix: &str) -> Vec<String> {
    answer
        .detections
        .iter()
        .filter(|(detection, _)| detection.subject.user_id == "ann")
        .filter(|(detection, _)| detection.subject.request_id.starts_with(prefix))
        .filter(|(detection, _)| detection.finding.as_ref().is_some_and(|finding| finding.suppressed_by.is_none()))
        .map(|(detection, _)| {
            format!("{} {} {}", detection.subject.request_id, detection.kind.name(), detection.level.name())
        })
        .collect()
}

fn facts(item: &Item<'_>) -> Facts {
    match item {
        Item::SignIn(prepared) => prepared.facts,
        Item::Feedback { .. } | Item::UpstreamFinding(_) => unreachable!("a sign-in was asked for"),
    }
}

/// Which of a sign-in's values the baseline knows.
fn known(baseline: &Baseline, facts: &Facts, day: i64) -> Vec<&'static str> {
    let rules = Rules::new(Arc::new(EngineConfig::default()));
    let (day, decay): (Day, _) = (compact_day(at(day, 0).day()), &rules.decay);
    [
        ("address", baseline.address.get(facts.address_hash, day, decay)),
        ("prefix", baseline.prefix.get(facts.prefix_hash, day, decay)),
        ("asn", baseline.asn.get(facts.asn, day, decay)),
        ("city", baseline.city.get(facts.city_hash, day, decay)),
        ("region", baseline.region.get(facts.region_hash, day, decay)),
        ("country", baseline.country.get(facts.country.key(), day, decay)),
        ("user agent", baseline.user_agent.get(facts.user_agent_hash, day, decay)),
        ("browser", baseline.browser.get(facts.browser_hash, day, decay)),
    ]
    .into_iter()
    .filter_map(|(name, known)| known.map(|_| name))
    .collect()
}

/// A month of visits from abroad: every one is risk, none is learnt, and the owner hears nothing of it.
#[test]
fn a_daily_intruder_never_becomes_familiar() {
    let check = |network: &str, device: &str, least: RiskLevel, shared: &[&str]| {
        let mut items = everyday(31);
        items.extend((0..30).map(|day| visit(day, network, device)));
        let mut answer = answer(items);
        for day in 0..30 {
            let level = standing(&answer, &format!("visit-{day}"));
            assert!(level >= Some(least), "{network} {device} day {day}: {level:?}");
        }
        assert!(alerts(&answer, "visit").len() >= 5, "one a week at least: {:?}", alerts(&answer, "visit"));
        assert_eq!(alerts(&answer, "owner"), [""; 0], "{network} {device}");
        let state = state(&mut answer);
        let theirs = facts(&visit(29, network, device));
        assert_eq!(known(&state.baseline, &theirs, 30), shared, "{network} {device}");
        assert!(state.quarantine.len() <= QUARANTINE_MAX);
        assert_eq!(state.anchor.unwrap().city_hash, facts(&owner(30)).city_hash, "{network} {device}");
    };
    check("lagos-fixed", "stranger", RiskLevel::High, &[]);
    check("berlin-fixed", "stranger", RiskLevel::High, &[]);
    // What he copies is the owner's already.
    check("lagos-fixed", "laptop-private", RiskLevel::High, &["user agent", "browser"]);
    check("frankfurt-hosting", "stranger-chrome", RiskLevel::High, &[]);
}

/// The same month, and then somebody says that it was the owner.
#[test]
fn judged_safe_the_visitor_is_familiar() {
    let check = |action: &str, about: &str, expected: bool| {
        let mut items = everyday(34);
        items.extend((0..33).map(|day| visit(day, "lagos-fixed", "stranger")));
        items.push(feedback("feedback", at(30, 80_000), "ann", action, about));
        let mut answer = answer(items);
        let stands = standing(&answer, "visit-32").is_some_and(|level| level >= RiskLevel::Medium);
        let state = state(&mut answer);
        let theirs = facts(&visit(32, "lagos-fixed", "stranger"));
        let familiar = known(&state.baseline, &theirs, 33).len() == 8;
        assert_eq!((familiar, !stands), (expected, expected), "{action} {about}");
    };
    check("confirm-safe", "", true);
    check("confirm-safe", "visit-24", true);
    check("dismiss", "", true);
    check("confirm-compromised", "visit-24", false);
    check("password-changed", "", false);
    check("passed-mfa", "", false);
}

/// A visitor whom no finding holds back is on probation: he comes back louder each time, and nothing that he shows is
/// learnt, on whatever network colleagues use.
#[test]
fn a_visitor_below_medium_is_not_learnt_and_becomes_louder() {
    let mut items = everyday(31);
    // A network in town that colleagues use.
    for day in -HISTORY..31 {
        for member in 0..10 {
            let (user, time) = (format!("neighbour-{member}"), at(day, 26_000 + member));
            items.push(sign_in(&Spec::new(&format!("{user}-{day}"), time, &user, "oslo-other", "laptop")));
        }
    }
    items.extend((0..30).map(|day| visit(day, "oslo-other", "stranger")));
    items.push(sign_in(&Spec::new("abroad", at(30, 80_000), "ann", "lagos-fixed", "stranger")));
    let mut answer = answer(items);
    let alerts_of_visits = alerts(&answer, "visit");
    assert_eq!(alerts_of_visits[..2], ["visit-0 unfamiliarFeatures low", "visit-2 unfamiliarFeatures medium"]);
    assert!(alerts_of_visits.len() >= 5, "and every week again: {alerts_of_visits:?}");
    assert!(standing(&answer, "abroad") >= Some(RiskLevel::Low), "{:?}", alerts(&answer, "abroad"));
    let state = state(&mut answer);
    let abroad = facts(&sign_in(&Spec::new("abroad", at(30, 80_000), "ann", "lagos-fixed", "stranger")));
    assert!(known(&state.baseline, &abroad, 30).is_empty(), "nothing of his is learnt");
    assert_eq!(known(&state.baseline, &facts(&owner(30)), 30).len(), 8, "the owner's stays");
}

/// A walk southwards, `step_km` a sign-in, `per_day` times a day; from `border_km` on it is another country.
#[derive(Clone, Copy, Debug)]
struct Walk {
    device: &'static str,
    step_km: f64,
    per_day: i64,
    border_km: f64,
}

impl Walk {
    /// The n-th sign-in of the walk: before the border on the owner's own carrier, beyond it on one a country.
    fn sign_in(&self, n: i64) -> Item<'static> {
        let (day, of_day) = ((n - 1) / self.per_day, (n - 1) % self.per_day);
        let time = at(day, 43_200 + of_day * 36_000 / self.per_day);
        let Item::SignIn(mut prepared) =
            sign_in(&Spec::new(&format!("step-{n:03}"), time, "ann", "oslo-fixed", self.device))
        else {
            unreachable!("a sign-in was asked for")
        };
        let km = self.step_km * n as f64;
        // 111.2 km a degree.
        let (latitude, longitude) = (59.91 - km / 111.2, 10.75);
        let abroad = km >= self.border_km;
        let country = if abroad { CountryCode(*b"XA") } else { CountryCode(*b"NO") };
        let (city, region) = (format!("City {n}"), format!("Region {} {}", country.as_str(), km as i64 / 300));
        let octets = [10, 200, n as u8, 7];
        let facts = &mut prepared.facts;
        facts.coordinates = Some((latitude as f32, longitude as f32));
        facts.city_hash = hash32(Seed::City, city.as_bytes());
        facts.region_hash = hash32(Seed::Region, region.as_bytes());
        facts.country = country;
        facts.address = Some(IpAddr::V4(Ipv4Addr::from(octets)));
        facts.address_hash = hash32(Seed::Address, &octets);
        facts.prefix_hash = hash32(Seed::Prefix, &octets[..3]);
        if abroad {
            facts.asn = 65_550;
        }
        prepared.place = Some(Arc::new(Place {
            latitude,
            longitude,
            radius_km: facts.radius_km,
            precision: facts.precision,
            country,
            region: region.into(),
            city: city.into(),
            from_provider: false,
        }));
        Item::SignIn(prepared)
    }

    fn steps_to_the_border(&self) -> i64 {
        (self.border_km / self.step_km).ceil() as i64
    }
}

/// However small the steps, the border is told of; and as the owner was at home all the while, nothing from beyond it
/// is learnt, so the next step is told of again and the anchor is never left there.
#[test]
fn a_slow_drift_ends_at_the_border() {
    for device in ["laptop-private", "stranger"] {
        for (step_km, per_day) in [(50.0, 1), (100.0, 2), (300.0, 1), (450.0, 1), (20.0, 10)] {
            for border_km in [700.0, 1_500.0] {
                let walk = Walk { device, step_km, per_day, border_km };
                let border = walk.steps_to_the_border();
                let last = border + 10 * per_day;
                let days = (last - 1) / per_day + 1;
                let mut items = everyday(days + 1);
                items.extend((1..=last).map(|n| walk.sign_in(n)));
                let mut answer = answer(items);
                for n in border..=last {
                    let level = standing(&answer, &format!("step-{n:03}"));
                    assert!(level.is_some(), "{walk:?}: step {n} of {border} to the border is silent");
                }
                assert_eq!(alerts(&answer, "owner"), [""; 0], "{walk:?}");
                let state = state(&mut answer);
                let beyond = facts(&walk.sign_in(last));
                let learnt = known(&state.baseline, &beyond, days);
                assert!(
                    !learnt.contains(&"country") && !learnt.contains(&"asn") && !learnt.contains(&"city"),
                    "{walk:?}: {learnt:?}"
                );
                assert_eq!(
                    known(&state.baseline, &facts(&owner(days)), days).len(),
                    8,
                    "{walk:?}: the owner's stays"
                );
                assert_eq!(state.anchor.unwrap().country, CountryCode(*b"NO"), "{walk:?}");
            }
        }
    }
}

/// The near miss: the owner who moves away for good, on the same unregistered browser, is learnt: he is at home no
/// more.
#[test]
fn an_owner_who_moves_is_learnt() {
    let walk = Walk { device: "laptop-private", step_km: 300.0, per_day: 1, border_km: 700.0 };
    let mut items = everyday(0);
    items.extend((1..=14).map(|n| walk.sign_in(n)));
    let mut answer = answer(items);
    let told = alerts(&answer, "step");
    assert!(told.iter().all(|alert| alert.ends_with("low")) && told.len() <= 3, "{told:?}");
    let state = state(&mut answer);
    assert!(known(&state.baseline, &facts(&walk.sign_in(14)), 14).contains(&"country"));
}

/// Ten thousand wrong passwords, of as many addresses, in an hour; then the owner. The memory of failures is bounded,
/// and so is what it adds; the baseline is as it was.
#[test]
fn a_spray_neither_accuses_nor_forgets_the_owner() {
    let check = |network: &str, host: u8, expected: Option<RiskLevel>| {
        let mut items = everyday(1);
        for n in 0..10_000_i64 {
            let mut spec =
                Spec::new(&format!("wrong-{n}"), at(0, 30_000 + n * 36 / 100), "ann", "berlin-fixed", "stranger");
            spec.outcome = "wrong-password".to_owned();
            let Item::SignIn(mut prepared) = sign_in(&spec) else { unreachable!("a sign-in was asked for") };
            let octets = [10, 201, (n / 250) as u8, (n % 250) as u8];
            prepared.facts.address = Some(IpAddr::V4(Ipv4Addr::from(octets)));
            prepared.facts.address_hash = hash32(Seed::Address, &octets);
            prepared.facts.prefix_hash = hash32(Seed::Prefix, &octets[..3]);
            items.push(Item::SignIn(prepared));
        }
        let mut after = Spec::new("after", at(0, 33_700), "ann", network, "laptop");
        after.host = host;
        items.push(sign_in(&after));
        let mut answer = answer(items);
        assert_eq!(standing(&answer, "after"), expected, "{network} {host}: {:?}", alerts(&answer, "after"));
        assert_eq!(alerts(&answer, "wrong"), [""; 0]);
        let state = state(&mut answer);
        assert!(state.failures <= 16 * 64, "{}", state.failures);
        assert_eq!(known(&state.baseline, &facts(&owner(0)), 0).len(), 8, "the owner's stays");
        assert_eq!(
            state.baseline.address.entries.len(),
            if host == 10 && network == "oslo-fixed" { 1 } else { 2 }
        );
        assert_eq!(known(&state.baseline, &facts(&visit(0, "berlin-fixed", "stranger")), 0), [""; 0]);
    };
    check("oslo-fixed", 10, None);
    check("oslo-fixed", 99, None);
    check("oslo-office", 10, None);
    check("bergen-fixed", 10, None);
}

/// What failures add to a score has an end that one hundred reach as well as ten thousand, and passes within a day.
#[test]
fn failures_count_only_so_far_and_so_long() {
    let bits = |failures: i64, after_s: i64| {
        let mut items = everyday(1);
        for n in 0..failures {
            let time = at(0, 30_000 + n * 3_600 / failures.max(1));
            let mut spec = Spec::new(&format!("wrong-{n}"), time, "ann", "berlin-fixed", "stranger");
            spec.outcome = "wrong-password".to_owned();
            items.push(sign_in(&spec));
        }
        let spec = Spec::new("after", at(0, 33_601 + after_s), "ann", "berlin-fixed", "stranger");
        items.push(sign_in(&spec));
        let answer = answer(items);
        let finding = answer
            .detections
            .iter()
            .filter(|(detection, _)| detection.subject.request_id == "after")
            .filter_map(|(detection, _)| detection.finding.as_ref())
            .find(|finding| finding.evidence.total_bits.is_some())
            .unwrap();
        let of_failures =
            finding.evidence.properties.iter().find(|verdict| verdict.property.name() == "failureHistory");
        of_failures.map_or(0.0, |verdict| verdict.bits)
    };
    assert_eq!(bits(0, 0), 0.0);
    assert!((1.0..2.6).contains(&bits(3, 0)), "{}", bits(3, 0));
    assert_eq!((bits(100, 0), bits(10_000, 0)), (3.0, 3.0));
    assert!(bits(10_000, 10 * 3_600) <= 2.5, "{}", bits(10_000, 10 * 3_600));
    assert_eq!(bits(10_000, 47 * 3_600), 0.0);
}

/// A record of Farsign's own format.
fn record(user: &str, id: &str, day: i64, seconds: i64, place: &Origin) -> String {
    let Origin { address, asn, city, country, latitude, longitude, agent, device } = place;
    let time = at(day, seconds);
    let device = if device.is_empty() { "{}".to_owned() } else { format!(r#"{{"deviceId":"{user}-{device}"}}"#) };
    format!(
        r#"{{"type":"signIn","tenantId":"poisoning","id":"{id}","time":"{time}","userId":"{user}","outcome":"success","ipAddress":"{address}","asn":{asn},"location":{{"city":"{city}","state":"{city}","country":"{country}","latitude":{latitude},"longitude":{longitude}}},"userAgent":"{agent}","clientApp":"browser","device":{device}}}"#
    ) + "\n"
}

struct Origin {
    address: String,
    asn: u32,
    city: &'static str,
    country: &'static str,
    latitude: f64,
    longitude: f64,
    agent: &'static str,
    device: &'static str,
}

fn home(member: i64) -> Origin {
    Origin {
        address: format!("192.0.2.{}", member + 1),
        asn: 64_496,
        city: "Oslo",
        country: "NO",
        latitude: 59.91,
        longitude: 10.75,
        agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
        device: "laptop",
    }
}

fn abroad() -> Origin {
    Origin {
        address: "203.0.113.7".to_owned(),
        asn: 64_511,
        city: "Lagos",
        country: "NG",
        latitude: 6.52,
        longitude: 3.38,
        agent: "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
        device: "",
    }
}

/// From the log's bytes to the lines that an analyst reads: the visitor is told of every week, and after somebody says
/// that it was the owner no more.
#[test]
fn a_replayed_month_tells_of_the_intruder_every_week() {
    let mut log = String::new();
    for day in -HISTORY..40 {
        for member in 0..60 {
            let user = if member == 0 { "ann".to_owned() } else { format!("colleague-{member}") };
            log += &record(&user, &format!("{user}-{day}"), day, 25_200 + member * 60, &home(member));
        }
        if day >= 0 {
            log += &record("ann", &format!("visit-{day}"), day, 72_000, &abroad());
        }
        if day == 20 {
            let time = at(day, 80_000);
            log += &format!(
                r#"{{"type":"feedback","tenantId":"poisoning","id":"f","time":"{time}","userId":"ann","action":"confirmSafe"}}"#
            );
            log += "\n";
        }
    }
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("log.jsonl"), log).unwrap();
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_farsign"))
        .current_dir(folder.path())
        .args(["replay", "--format", "farsign", "-o", "out.jsonl", "log.jsonl"])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let written = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    // A later line with the same id replaces the earlier.
    let mut newest: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    for line in written.lines() {
        let detection: serde_json::Value = serde_json::from_str(line).unwrap();
        newest.insert(detection["id"].to_string(), detection);
    }
    let mut days = BTreeSet::new();
    for detection in newest.values() {
        let id = detection["requestId"].as_str().unwrap();
        let day = id.strip_prefix("visit-").unwrap_or_else(|| panic!("{id} is an alert about the owner"));
        assert_eq!(detection["riskState"], "confirmedSafe", "{detection}");
        if detection["riskLevel"] == "high" {
            days.insert(day.parse::<i64>().unwrap());
        }
    }
    // To the hour a week after a report is still within it: the eighth day tells again.
    assert_eq!(days, BTreeSet::from([0, 8, 16]));
}
