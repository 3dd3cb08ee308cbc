//! What is left out of the part that is asked for, whatever the order of the lines.

use super::*;
use crate::engine::decode::People;
use crate::engine::signin::EventTime;
use crate::runtime::replay::filter::{Filter, Users};

/// An attacker's sign-in at noon of a day of March 2026; without a campaign an owner's.
fn on(day: u32, request: &str, user: &str, campaign: &str) -> String {
    let malicious = !campaign.is_empty();
    format!(
        r#"{{"requestId":"{request}","time":"2026-03-{day:02}T12:00:00Z","userId":"{user}","credentialRight":true,"malicious":{malicious},"attack":"kind","campaign":"{campaign}"}}"#
    )
}

fn march(day: i64) -> EventTime {
    EventTime::from_seconds(1_772_323_200 + (day - 1) * 86_400)
}

fn part(labels: &[String], filter: &Filter, warm_up_days: u32) -> Truth {
    let cut = Cut { filter, people: &People::default() };
    Truth::read_part(labels.join("\n").as_bytes(), warm_up_days, cut).unwrap()
}

#[test]
fn a_campaign_that_had_begun_is_left_out_whole() {
    let from = Filter { from: march(5), ..Filter::default() };
    let mut labels = vec![
        on(4, "a1", "u", "a"),
        on(6, "a2", "u", "a"),
        on(6, "b1", "v", "b"),
        on(4, "o1", "v", ""),
        on(7, "o2", "v", ""),
    ];
    for _ in 0..2 {
        let truth = part(&labels, &from, 0);
        let ids: Vec<&str> = truth.campaigns().iter().map(|campaign| campaign.id.as_str()).collect();
        assert_eq!((ids, truth.begun_before()), (vec!["b"], 1));
        let fates = ["a1", "a2", "b1", "o1", "o2", "none"].map(|id| truth.fate(SignInKey::new(id)));
        let (kept, filtered) = (Some(Fate::Kept), Some(Fate::Filtered));
        assert_eq!(fates, [filtered, Some(Fate::BegunBefore), kept, filtered, kept, None]);
        // An owner's, whether labelled or not; the attacker's own is an alert as any other.
        let absent = |request: &str, reference: &str| truth.is_absent_echo(request, reference);
        assert_eq!(
            ["a1", "a2", "b1", "o1", "none", ""].map(|id| absent("o2", id)),
            [true, true, false, false, false, false]
        );
        assert_eq!(["none", "b1", ""].map(|id| absent(id, "a2")), [true, false, false]);
        assert_eq!(truth.left_out(), Share { count: 3, all: 5 });
        labels.reverse();
    }
    // Other users' part of a campaign is no border: it is counted for what is asked for.
    let users = Filter { users: Some(Users::new(["V"]).unwrap()), ..Filter::default() };
    let shared = [on(4, "c1", "u", "c"), on(5, "c2", "v", "c")];
    let truth = part(&shared, &users, 0);
    assert_eq!((truth.campaigns()[0].sign_ins.len(), truth.begun_before()), (1, 0));
    // It began before with whomever it began.
    assert_eq!(part(&shared, &Filter { from: march(5), ..users }, 0).begun_before(), 1);
}

#[test]
fn the_warm_up_begins_with_the_first_label_that_is_kept() {
    let labels = [
        on(3, "o0", "u", ""),
        on(4, "a1", "u", "a"),
        on(5, "a2", "u", "a"),
        on(7, "o1", "u", ""),
        on(8, "b1", "u", "b"),
    ];
    let counted_from = |from: i64, labels: &[String]| {
        part(labels, &Filter { from: march(from), ..Filter::default() }, 2).counted_from()
    };
    assert_eq!(counted_from(1, &labels), march(5));
    // Not with a campaign that is left out.
    assert_eq!(counted_from(5, &labels), march(9));
    assert_eq!(counted_from(8, &labels), march(10));
    assert_eq!(counted_from(9, &labels), EventTime::MIN);
}
