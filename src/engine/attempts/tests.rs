//! Attempts as a set: what is an attack by when, whatever the order; and the limits.

use proptest::prelude::*;

use super::*;

const BAR: Bar = Bar { enough: 4, window_minutes: 60, pause_minutes: 60 };

/// Each attempt below leaves all of them.
const TRACES: usize = Trace::ALL.len();

fn attempt(member: u32, minute: i32) -> Attempt {
    Attempt {
        tenant: 1,
        member,
        minute,
        kind: AttemptKind::WrongPassword,
        country: CountryCode(*b"NO"),
        traces: [7, 8, 9, 10],
    }
}

fn table(attempts: &[Attempt]) -> Attempts {
    let table = Attempts::default();
    table.contribute(attempts);
    table
}

fn spray(table: &Attempts, minute: i32, until: i32) -> Option<Attack> {
    table.spray(1, Trace::Address, 7, minute, until, BAR)
}

#[test]
fn enough_users_within_the_window_are_an_attack_from_the_last_of_them_on() {
    let users = |minutes: [i32; 4]| table(&std::array::from_fn::<_, 4, _>(|n| attempt(n as u32, minutes[n])));
    let close = users([10, 20, 30, 69]);
    let attack = spray(&close, 69, 69).expect("four users within an hour");
    assert_eq!((attack.recognised, attack.first, attack.last), (69, 10, 69));
    assert_eq!((attack.users, attack.attempts, attack.countries), (4, 4, 1));
    assert_eq!(spray(&close, 69, 68), None, "by then there were three");
    assert_eq!(spray(&users([10, 20, 30, 70]), 70, 70), None, "an hour and a minute");
}

#[test]
fn one_user_who_mistypes_is_no_spray_but_hammers() {
    let table = table(&(0..20).map(|minute| attempt(5, minute)).collect::<Vec<_>>());
    assert_eq!(spray(&table, 20, 20), None);
    let hammered = table.hammered(1, Trace::Address, 7, 20, 20, BAR).expect("twenty attempts");
    assert_eq!((hammered.users, hammered.attempts, hammered.recognised), (1, 20, 3));
}

#[test]
fn an_attack_is_seen_in_hindsight_and_ends_a_window_after_its_last_attempt() {
    let table = table(&(0..6).map(|n| attempt(n, 100 + n as i32)).collect::<Vec<_>>());
    let early = spray(&table, 101, 200).expect("a sign-in amid it");
    assert!(early.recognised > 101);
    assert_eq!(spray(&table, 99, 200), None, "before its first attempt");
    assert!(spray(&table, 164, 200).is_some());
    assert_eq!(spray(&table, 165, 200), None, "an hour after its last");
}

#[test]
fn what_ended_long_ago_is_another_attack() {
    let early = (0..4).map(|n| attempt(n, n as i32));
    let late = (0..2).map(|n| attempt(n, 500 + n as i32));
    let table = table(&early.chain(late).collect::<Vec<_>>());
    assert!(spray(&table, 3, 600).is_some());
    assert_eq!(spray(&table, 400, 600), None, "between the two");
    assert_eq!(spray(&table, 501, 600), None, "two users are none");
}

#[test]
fn traces_tenants_and_kinds_are_apart() {
    let mut attempts: Vec<Attempt> = (0..4).map(|n| attempt(n, 1)).collect();
    attempts[3].traces[0] = 77;
    let table = table(&attempts);
    assert_eq!(spray(&table, 1, 1), None, "three from this address");
    assert!(table.spray(1, Trace::Prefix, 8, 1, 1, BAR).is_some());
    assert_eq!(table.spray(2, Trace::Prefix, 8, 1, 1, BAR), None);
    assert_eq!(table.strangers(AttemptKind::Stranger, 1, 10, 1, 1, BAR), None, "nobody got in");
    for (kind, other) in
        [(AttemptKind::Stranger, AttemptKind::Glimpse), (AttemptKind::Glimpse, AttemptKind::Stranger)]
    {
        let strangers: Vec<Attempt> = (0..4).map(|n| Attempt { kind, ..attempt(n, 1) }).collect();
        let table = self::table(&strangers);
        assert!(table.strangers(kind, 1, 10, 1, 1, BAR).is_some());
        assert_eq!(table.strangers(other, 1, 10, 1, 1, BAR), None, "what was seen early is no part of the rest");
        assert_eq!(spray(&table, 1, 1), None, "who gets in has not failed");
    }
}

#[test]
fn a_network_and_a_user_agent_together_are_a_trace_of_their_own() {
    let facts = |asn, user_agent_hash| Facts {
        asn,
        user_agent_hash,
        prefix_hash: 8,
        ..crate::engine::profile::facts_of_a_success()
    };
    let of = |trace: Trace, asn, agent| trace.of(&facts(asn, agent));
    let table = table(&(0..4).map(|n| attempt(n, 1)).collect::<Vec<_>>());
    let spray = |trace, value| table.spray(1, trace, value, 1, 1, BAR).is_some();
    assert!(spray(Trace::AsnAndUserAgent, of(Trace::AsnAndUserAgent, 9, 10)));
    assert!(spray(Trace::PrefixAndUserAgent, of(Trace::PrefixAndUserAgent, 9, 10)));
    assert!(!spray(Trace::AsnAndUserAgent, of(Trace::AsnAndUserAgent, 9, 11)), "another tool");
    assert!(!spray(Trace::AsnAndUserAgent, of(Trace::PrefixAndUserAgent, 9, 10)), "a prefix is no network");
    assert_eq!(of(Trace::AsnAndUserAgent, 9, 0), 0, "nor without a user agent");
    assert_eq!(of(Trace::AsnAndUserAgent, 0, 10), 0, "without a network there is no trace");
}

#[test]
fn an_attack_is_over_after_a_pause_shorter_than_its_window() {
    let table = table(&(0..4).map(|n| attempt(n, n as i32)).collect::<Vec<_>>());
    let paused = Bar { window_minutes: 1_000, pause_minutes: 60, ..BAR };
    let at = |minute| table.spray(1, Trace::Address, 7, minute, minute, paused).is_some();
    assert!(at(3 + 59));
    assert!(!at(3 + 60));
}

#[test]
fn a_trace_keeps_its_earliest_attempts_and_its_end() {
    let count = TRACE_ATTEMPTS_MAX as i32 + 300;
    let mut attempts: Vec<Attempt> = (0..count).map(|n| attempt(n as u32, n / 10)).collect();
    attempts.reverse();
    let table = table(&attempts);
    assert_eq!(table.stats().attempts, TRACES * TRACE_ATTEMPTS_MAX);
    let attack = spray(&table, count / 10, count / 10).expect("it goes on");
    assert_eq!((attack.first, attack.last), (0, (count - 1) / 10));
    assert_eq!(attack.users as usize, TRACE_ATTEMPTS_MAX);
}

/// Who asks sooner and who asks later, when more has come, get one answer.
#[test]
fn the_end_of_a_full_trace_is_that_of_the_minute_asked_about() {
    let kept = TRACE_ATTEMPTS_MAX as i32;
    let until = |further: &[i32]| {
        let mut attempts: Vec<Attempt> = (0..kept).map(|n| attempt(n as u32, 0)).collect();
        attempts.extend(further.iter().map(|minute| attempt(9_999, *minute)));
        let (table, other) = (self::table(&attempts), attempts.iter().rev().copied().collect::<Vec<_>>());
        let attack = spray(&table, 0, 100).expect("an attack");
        assert_eq!(spray(&self::table(&other), 0, 100), Some(attack), "in whatever order");
        attack.last
    };
    assert_eq!(until(&[]), 0);
    assert_eq!(until(&[70, 40]), 70);
    assert_eq!(until(&[70, 40, 101, 5_000]), 70, "what comes later does not count");
    assert_eq!(until(&[101]), 0);
}

#[test]
fn traces_are_limited_and_what_is_dropped_is_counted() {
    let table = Attempts::with_limit(2);
    for value in 1..=5 {
        table.contribute(&[Attempt { traces: [value, 0, 0, 0], ..attempt(1, 1) }]);
    }
    let stats = table.stats();
    assert_eq!((stats.traces[0], stats.dropped), (2, 3));
    // A known trace goes on.
    table.contribute(&[Attempt { traces: [1, 0, 0, 0], ..attempt(2, 1) }]);
    assert_eq!(table.stats().attempts, 3);
}

#[test]
fn old_attempts_are_forgotten() {
    let day = 24 * 60;
    let table = table(&[attempt(1, 0), attempt(2, 10 * day), attempt(3, 20 * day)]);
    table.forget_before(ATTEMPT_DAYS_MAX + 5);
    assert_eq!(table.stats().attempts, TRACES * 2, "the first is older than the others' window");
    table.forget_before(ATTEMPT_DAYS_MAX + 30);
    assert_eq!(table.stats(), AttemptStats::default());
    table.contribute(&[attempt(1, 0)]);
    assert_eq!(table.stats().traces, [1; 6]);
}

#[test]
fn silent_refreshes_and_stopped_sign_ins_are_no_attempts() {
    let failed = crate::engine::profile::facts_of_a_success();
    let failed = Facts { outcome: Outcome::Failed, credential: Credential::Wrong, ..failed };
    let kind = |facts: Facts| Attempt::failed(1, 2, &facts).map(|attempt| attempt.kind);
    assert_eq!(kind(failed), Some(AttemptKind::WrongPassword));
    assert_eq!(kind(Facts { category: Category::NonInteractive, ..failed }), None);
    assert_eq!(kind(Facts { outcome: Outcome::Blocked, credential: Credential::Right, ..failed }), None);
    let unknown = |account| Facts { credential: Credential::Unknown, account, ..failed };
    assert_eq!(kind(unknown(AccountState::Unknown)), Some(AttemptKind::NoSuchUser));
    assert_eq!(kind(unknown(AccountState::Locked)), Some(AttemptKind::WrongPassword));
    assert_eq!(kind(unknown(AccountState::Disabled)), None);
}

proptest! {
    /// Order and repetition do not show, and neither does what comes after the minute asked about.
    #[test]
    fn the_answer_depends_on_the_set_of_attempts_up_to_then(
        minutes in prop::collection::vec((0..30_u32, 0..200_i32), 0..120),
        shuffle in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        minute in 0..200_i32,
        hindsight in 0..60_i32,
    ) {
        let until = minute + hindsight;
        let all: Vec<Attempt> = minutes.iter().map(|(member, minute)| attempt(*member, *minute)).collect();
        let mut other: Vec<Attempt> = all.iter().filter(|attempt| attempt.minute <= until).copied().collect();
        for index in shuffle {
            if !other.is_empty() {
                let at = index.index(other.len());
                other.push(other[at]);
                other.swap(0, at);
            }
        }
        prop_assert_eq!(spray(&table(&all), minute, until), spray(&table(&other), minute, until));
    }

    /// What is an attack stays one when more attempts come to be known.
    #[test]
    fn more_attempts_never_undo_an_attack(
        minutes in prop::collection::vec((0..30_u32, 0..200_i32), 0..80),
        more in prop::collection::vec((0..30_u32, 0..200_i32), 0..40),
        minute in 0..200_i32,
    ) {
        let attempts = |minutes: &[(u32, i32)]| -> Vec<Attempt> {
            minutes.iter().map(|(member, minute)| attempt(*member, *minute)).collect()
        };
        let some = table(&attempts(&minutes));
        let before = spray(&some, minute, minute);
        some.contribute(&attempts(&more));
        if let Some(before) = before {
            let after = spray(&some, minute, minute).expect("still an attack");
            prop_assert!(after.recognised <= before.recognised && after.users >= before.users);
        }
    }
}

fn state_of(table: &Attempts) -> Vec<u8> {
    let mut bytes = Vec::new();
    table.encode(&mut bytes);
    bytes
}

fn any_attempt() -> impl Strategy<Value = Attempt> {
    let kind = prop::sample::select(AttemptKind::ALL.to_vec());
    let traces = [0..3_u32, 0..3, 0..3, 0..3];
    (0..3_u32, 0..40_u32, 0..5_000_i32, kind, traces).prop_map(|(tenant, member, minute, kind, traces)| Attempt {
        tenant,
        member,
        minute,
        kind,
        country: CountryCode(*b"NO"),
        traces,
    })
}

proptest! {
    #[test]
    fn a_state_goes_on_as_what_it_was_made_of(
        before in prop::collection::vec(any_attempt(), 0..300),
        after in prop::collection::vec(any_attempt(), 0..50),
        forgotten in 0..4_i32,
    ) {
        let original = table(&before);
        original.forget_before(ATTEMPT_DAYS_MAX + forgotten);
        let restored = table(&after);
        restored.restore(&state_of(&original)).expect("reads back");
        prop_assert_eq!(state_of(&restored), state_of(&original));
        for goes_on in [&original, &restored] {
            goes_on.contribute(&after);
            goes_on.forget_before(ATTEMPT_DAYS_MAX + 2);
        }
        prop_assert_eq!(state_of(&restored), state_of(&original));
        prop_assert_eq!(restored.stats(), original.stats());
    }
}

#[test]
fn a_state_keeps_the_attempts_beyond_the_limit_of_a_trace() {
    let many: Vec<Attempt> = (0..TRACE_ATTEMPTS_MAX as i32 + 40).map(|n| attempt(n as u32, 10 * n)).collect();
    let restored = Attempts::default();
    restored.restore(&state_of(&table(&many))).expect("reads back");
    let (minute, bar) = (10 * many.len() as i32, Bar { pause_minutes: 120, window_minutes: 120, ..BAR });
    let attack = |table: &Attempts| table.spray(1, Trace::Address, 7, minute, minute, bar);
    assert_eq!(attack(&restored), attack(&table(&many)));
    assert!(attack(&restored).is_some(), "it goes on with attempts that are not kept");
}

#[test]
fn damaged_states_are_refused_and_change_nothing() {
    let whole = state_of(&table(&[attempt(1, 10), attempt(2, 20)]));
    let kept = table(&[attempt(9, 90)]);
    let before = state_of(&kept);
    for length in 0..whole.len() {
        kept.restore(&whole[..length]).expect_err("cut off");
    }
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        kept.restore(&damaged).expect_err("a bit is wrong");
    }
    assert_eq!(
        kept.restore(&{
            let mut newer = whole.clone();
            newer[4] = 2;
            newer
        }),
        Err(AttemptCodecError::Version(2))
    );
    assert_eq!(state_of(&kept), before);
}

/// What a list may hold beside failures.
fn list(marks: impl IntoIterator<Item = (u32, i32, bool)>) -> List {
    let mut list = List::default();
    for (member, minute, is_stranger) in marks {
        let kind = if is_stranger { AttemptKind::Stranger } else { AttemptKind::WrongPassword };
        list.push(&Attempt { kind, ..attempt(member, minute) });
    }
    list
}

#[test]
fn a_full_list_may_hold_an_attack_that_a_stranger_hides() {
    let full = TRACE_ATTEMPTS_MAX as i32 - 1;
    let failures = (0..full).map(|minute| (minute as u32 % 20, minute, false));
    // The stranger's is the last mark kept; the failure behind it goes on with the run before.
    let list = list(failures.chain([(30, 2_000, true), (31, 2_001, false)]));
    assert!(list.attack(2_002, 2_002, BAR, AttemptKind::is_failure, true).is_some());
    assert!(list.may_attack(2_002, 2_002, BAR));
}

proptest! {
    /// Where nothing may be found nothing is, whoever is counted.
    #[test]
    fn what_may_be_no_attack_is_none(
        marks in prop::collection::vec((0..30_u32, 0..900_i32, any::<bool>()), 0..700),
        (minute, hindsight) in (0..1_000_i32, 0..120_i32),
        (enough, window_minutes, pause_minutes) in (3..12_u32, 5..200_i32, 5..200_i32),
    ) {
        let (list, until) = (list(marks), minute + hindsight);
        let bar = Bar { enough, window_minutes, pause_minutes: pause_minutes.min(window_minutes) };
        let failures = [true, false].map(|by_user| list.attack(minute, until, bar, AttemptKind::is_failure, by_user));
        let strangers = list.attack(minute, until, bar, |kind| kind == AttemptKind::Stranger, true);
        let is_found = failures.iter().any(Option::is_some) || strangers.is_some();
        prop_assert!(!is_found || list.may_attack(minute, until, bar));
    }
}
