//! What a page keeps at its limits, and that nothing of a record becomes HTML.

use super::alerts::{ALERTS_MAX, Alerts};
use super::map::{JOURNEYS_MAX, PLACES_MAX};
use super::overview::{BARS_MAX, COUNTRIES_MAX, Calendar, section};
use super::page::{Block, Chart, Page, Section, Table};
use super::users::{EVENTS_MAX, USERS_MAX};
use super::{diff, render};
use crate::diff::{Change, Detections, Group, Report};
use crate::engine::signin::EventTime;

/// What differs between detections here.
#[derive(Clone)]
struct Made {
    id: usize,
    user: String,
    country: String,
    latitude: f64,
    /// Of the sign-in before.
    from: Option<f64>,
    score: usize,
    withdrawn: bool,
}

const PLAIN: Made = Made {
    id: 0,
    user: String::new(),
    country: String::new(),
    latitude: 0.0,
    from: None,
    score: 50,
    withdrawn: false,
};

fn line(made: &Made) -> String {
    let Made { id, user, country, latitude, from, score, withdrawn } = made;
    let (state, detail) = if *withdrawn { ("dismissed", "aiConfirmedSigninSafe") } else { ("atRisk", "none") };
    let reference = from.map_or("null".to_owned(), |from| {
        format!(r#"{{"requestId":"r","country":"NO","city":"Oslo","latitude":{from},"longitude":1.0}}"#)
    });
    format!(
        r#"{{"id":"{id:06}","requestId":"s{id}","riskEventType":"newCountry","riskState":"{state}","riskLevel":"low",
        "riskDetail":"{detail}","riskScore":{score},"activityDateTime":"2026-03-02T08:00:00Z","userPrincipalName":"{user}",
        "location":{{"city":"C","countryOrRegion":"{country}","geoCoordinates":{{"latitude":{latitude},"longitude":0.0}}}},
        "farsign":{{"sentence":"s","suppressedBy":null,"incidentId":"i","evidence":{{"travel":{{}},"reference":{reference}}}}}}}"#
    )
}

fn alerts(made: impl IntoIterator<Item = Made>) -> Alerts {
    let mut alerts = Alerts::default();
    made.into_iter().for_each(|made| alerts.take(line(&made).as_bytes()).expect("a detection"));
    alerts
}

/// The block of a title in the section of these detections.
fn block(made: Vec<Made>, title: &str) -> Block {
    let section = section("", "", &alerts(made), None);
    section.blocks.into_iter().find(|block| block.title == title).expect("the block")
}

fn numbered(count: usize, make: impl Fn(usize) -> Made) -> Vec<Made> {
    (0..count).map(|id| Made { id, ..make(id) }).collect()
}

#[test]
fn the_last_version_counts() {
    let withdrawn = Made { withdrawn: true, ..PLAIN };
    assert_eq!(alerts([PLAIN]).standing().count(), 1);
    assert_eq!(alerts([PLAIN, withdrawn.clone()]).standing().count(), 0);
    assert_eq!(alerts([withdrawn, PLAIN]).standing().count(), 1);
}

#[test]
fn detections_beyond_the_limit_are_counted() {
    let mut kept = alerts(numbered(ALERTS_MAX, |_| PLAIN));
    assert_eq!((kept.standing().count(), kept.untracked), (ALERTS_MAX, 0));
    // A newer version of one that is kept needs no room.
    kept.take(line(&Made { withdrawn: true, ..PLAIN }).as_bytes()).expect("a detection");
    kept.take(line(&Made { id: ALERTS_MAX, ..PLAIN }).as_bytes()).expect("a detection");
    assert_eq!((kept.standing().count(), kept.untracked), (ALERTS_MAX - 1, 1));
}

#[test]
fn countries_beyond_the_limit_are_one_row() {
    let code = |number: usize| char::from(b'A' + number as u8);
    let rows = |count: usize| {
        let make = |id| Made { country: format!("X{}", code(id)), ..PLAIN };
        block(numbered(count, make), "By country and level").table.rows
    };
    assert_eq!(rows(COUNTRIES_MAX).len(), COUNTRIES_MAX);
    let rows = rows(COUNTRIES_MAX + 2);
    assert_eq!(rows[COUNTRIES_MAX], ["2 other countries", "2", "0", "0", "2"]);
}

#[test]
fn places_and_journeys_beyond_the_limit_are_told() {
    let about = |count: usize| {
        let make = |id: usize| Made { latitude: id as f64 / 10.0, from: Some(80.0), ..PLAIN };
        let block = block(numbered(count, make), "Where from");
        let rows = |what: &str| block.table.rows.iter().filter(|row| row[1] == what).count();
        (rows("place"), rows("journey"), block.about)
    };
    let (places, journeys, told) = about(JOURNEYS_MAX);
    assert_eq!((places, journeys, told.contains("Left out")), (JOURNEYS_MAX, JOURNEYS_MAX, false));
    let (places, journeys, told) = about(PLACES_MAX + 1);
    assert_eq!((places, journeys), (PLACES_MAX, JOURNEYS_MAX));
    let left = PLACES_MAX + 1 - JOURNEYS_MAX;
    assert!(told.contains("Left out: 1 more places, with 1 detections."), "{told}");
    assert!(told.contains(&format!("Left out: {left} more journeys, with {left} detections.")), "{told}");
}

#[test]
fn users_and_their_detections_beyond_the_limits_are_told() {
    let users = |count: usize| {
        let make = |id: usize| Made { user: format!("user{id:03}"), ..PLAIN };
        let block = block(numbered(count, make), "Users with the most risk");
        (block.table.rows.len(), block.about)
    };
    assert!(!users(USERS_MAX).1.contains("The others"));
    let (rows, told) = users(USERS_MAX + 3);
    assert_eq!((rows, told.ends_with("20 of 23. The others have 3 detections.")), (USERS_MAX, true), "{told}");
    let events = |count: usize| {
        let make = |id: usize| Made { user: "one".to_owned(), score: id.min(100), ..PLAIN };
        let block = block(numbered(count, make), "Their timeline");
        (block.table.rows, block.about)
    };
    assert!(!events(EVENTS_MAX).1.contains("Left out"));
    let (rows, told) = events(EVENTS_MAX + 2);
    assert!(told.ends_with("Left out: 2 of the lowest scores."), "{told}");
    assert_eq!(rows.iter().map(|row| row[6].parse::<usize>().expect("a score")).min(), Some(2));
}

#[test]
fn a_chart_over_time_has_a_bounded_number_of_bars() {
    let bars = |days: i64| {
        let calendar = Calendar::new((EventTime::from_seconds(0), EventTime::from_seconds(86_400 * days)));
        (calendar.names().len(), calendar.told())
    };
    let at_most = BARS_MAX as i64 - 1;
    assert_eq!(bars(at_most), (BARS_MAX, "One bar a day (UTC).".to_owned()));
    assert_eq!(bars(at_most + 1), (53, "One bar for 7 days (UTC), named by its first.".to_owned()));
    let all = Calendar::new((EventTime::MIN, EventTime::MAX));
    assert!(all.names().len() <= BARS_MAX);
    assert_eq!(all.bar_of(EventTime::MAX), all.names().len() - 1);
}

#[test]
fn groups_of_changes_beyond_the_limit_are_told() {
    let group = |number: usize| Group {
        change: Change::Appeared,
        kind: "newCountry".to_owned(),
        cause: format!("cause {number}"),
        detections: 1,
        users: 1,
        examples: Vec::new(),
    };
    let told = |count: usize| {
        let report = Report {
            first: 0,
            second: 0,
            same: 0,
            rescored: 0,
            appeared: count as u64,
            vanished: 0,
            raised: 0,
            lowered: 0,
            config_hashes: Default::default(),
            logs: None,
            settings: None,
            groups: (0..count).map(group).collect(),
        };
        let side = || diff::Side { detections: Detections::default(), alerts: Alerts::default() };
        let page = diff::diff(&report, [side(), side()]);
        let block = page.sections[0].blocks.iter().find(|block| block.title == "By cause").expect("the block");
        (block.table.rows.len(), block.about.contains("Left out: 1 groups"))
    };
    assert_eq!(told(diff::GROUPS_MAX), (diff::GROUPS_MAX, false));
    assert_eq!(told(diff::GROUPS_MAX + 1), (diff::GROUPS_MAX, true));
}

/// Whatever stands in a record, the elements of the page are its own.
#[test]
fn text_stays_text() {
    let hostile = "</script><!--<script>&\"'<img src=x onerror=alert(1)>";
    let page = |text: &str| {
        let rows = vec![vec![text.to_owned(), text.to_owned()]];
        let chart = super::page::Timeline { rows: vec![text.to_owned()], events: Vec::new() };
        let block = Block {
            title: text.to_owned(),
            about: text.to_owned(),
            chart: Some(Chart::Timeline(chart)),
            table: Table::new(&[text, text], 1, rows),
        };
        let page = Page {
            title: text.to_owned(),
            facts: vec![(text.to_owned(), text.to_owned())],
            notes: vec![text.to_owned()],
            headlines: vec![(text.to_owned(), text.to_owned())],
            sections: vec![
                Section { title: text.to_owned(), about: text.to_owned(), blocks: vec![block] },
                Section::default(),
            ],
        };
        render(&page).expect("a page")
    };
    let (harmless, written) = (page("harmless"), page(hostile));
    let tags = |text: &str| text.matches('<').count();
    assert_eq!(tags(&written), tags(&harmless));
    assert!(!written.contains(hostile) && !written.contains("<img"));
    assert_eq!(written, page(hostile), "the same bytes");
    // What the page is made of does not end its own elements.
    assert_eq!(harmless.matches("</script").count(), harmless.matches("<script").count());
    assert_eq!(harmless.matches("<!--").count(), 0);
    // A parser of HTML makes a line feed of it, and the script another than the policy allows.
    assert!(!harmless.contains('\r'));
}
