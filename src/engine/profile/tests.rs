//! The profiles as a whole: what is seen when, limits, state bytes.

use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::engine::signin::SECONDS_PER_DAY;

const COUNTRY: ProfileKey = ProfileKey { tenant: 7, kind: ProfileKind::Country, value: 0x4e5a };

fn noon(day: i32) -> EventTime {
    EventTime::from_seconds(i64::from(day) * SECONDS_PER_DAY + 43_200)
}

fn contribution(day: i32, member: u32) -> Contribution {
    Contribution { key: COUNTRY, day, member }
}

fn city(value: u32, day: i32, member: u32) -> Contribution {
    Contribution { key: ProfileKey { tenant: 7, kind: ProfileKind::City, value }, day, member }
}

/// What happens to profiles, in order.
#[derive(Clone, Debug)]
enum Happening {
    Contribute(Vec<Contribution>),
    Advance(i32),
}
use Happening::{Advance, Contribute};

fn run(profiles: &Profiles, happenings: &[Happening]) {
    for happening in happenings {
        match happening {
            Contribute(contributions) => profiles.contribute(contributions),
            Advance(day) => profiles.advance(*day),
        }
    }
}

fn encoded(profiles: &Profiles) -> Vec<u8> {
    let mut bytes = Vec::new();
    profiles.encode(&mut bytes);
    bytes
}

/// `seen` = (day of the sign-in, members it sees of [`COUNTRY`]).
fn check(happenings: &[Happening], seen: &[(i32, u32)]) {
    let profiles = Profiles::default();
    run(&profiles, happenings);
    for (day, members) in seen {
        assert_eq!(profiles.members(COUNTRY, noon(*day)), *members, "day {day} after {happenings:?}");
    }
}

#[test]
fn a_sign_in_sees_what_is_two_days_old() {
    let three = Contribute(vec![contribution(10, 1), contribution(11, 2), contribution(12, 3)]);
    check(std::slice::from_ref(&three), &[(9, 0), (10, 0), (13, 0), (99, 0)]);
    check(&[three.clone(), Advance(11)], &[(11, 0), (12, 0), (10, 0)]);
    check(&[three.clone(), Advance(11), Advance(12)], &[(12, 1), (13, 1), (11, 0), (10, 0)]);
    check(&[three.clone(), Advance(12), Advance(13)], &[(13, 2), (20, 2), (12, 1), (11, 1)]);
    check(&[three, Advance(13), Advance(14), Advance(15)], &[(15, 3), (14, 3)]);
}

#[test]
fn the_day_of_a_sign_in_ends_at_midnight() {
    let profiles = Profiles::default();
    profiles.contribute(&[contribution(10, 1)]);
    profiles.advance(12);
    let midnight = EventTime::from_seconds(12 * SECONDS_PER_DAY);
    assert_eq!(profiles.members(COUNTRY, midnight), 1);
    assert_eq!(profiles.members(COUNTRY, EventTime(midnight.0 - 1)), 0);
}

#[test]
fn a_jump_keeps_the_view_of_the_day_before() {
    let days = Contribute(vec![contribution(10, 1), contribution(11, 2)]);
    check(&[days.clone(), Advance(11), Advance(13)], &[(13, 2), (12, 1)]);
    check(&[days.clone(), Advance(13)], &[(13, 2), (12, 1)]);
    check(&[days, Advance(30)], &[(30, 2), (29, 2)]);
}

#[test]
fn a_late_contribution_is_merged_by_the_next_advance() {
    let early = Contribute(vec![contribution(10, 1)]);
    let late = Contribute(vec![contribution(5, 2)]);
    check(&[early.clone(), Advance(20), late.clone()], &[(20, 1), (19, 1)]);
    check(&[early.clone(), Advance(20), late.clone(), Advance(21)], &[(21, 2), (20, 1)]);
    check(&[early, Advance(20), late, Advance(22)], &[(22, 2), (21, 2)]);
}

#[test]
fn advancing_to_the_same_or_an_older_day_does_nothing() {
    let first = Contribute(vec![contribution(10, 1)]);
    let second = Contribute(vec![contribution(10, 2)]);
    check(&[first, Advance(12), second, Advance(12), Advance(11), Advance(i32::MIN)], &[(12, 1), (11, 0)]);
}

#[test]
fn members_leave_when_unseen_and_stay_when_seen_again() {
    let once = Contribute(vec![contribution(10, 1), contribution(10, 2)]);
    let again = Contribute(vec![contribution(40, 2)]);
    let all = [once, again, Advance(42), Advance(69)];
    check(&all, &[(69, 2), (68, 2)]);
    check(&[&all[..], &[Advance(70)]].concat(), &[(70, 1), (69, 2)]);
    check(&[&all[..], &[Advance(99)]].concat(), &[(99, 1), (98, 1)]);
    check(&[&all[..], &[Advance(100)]].concat(), &[(100, 0), (99, 1)]);
}

#[test]
fn keys_nobody_sees_any_more_are_gone() {
    let profiles = Profiles::default();
    profiles.contribute(&[contribution(10, 1)]);
    profiles.advance(12);
    assert_eq!(profiles.stats().keys[ProfileKind::Country as usize], 1);
    profiles.advance(71);
    let empty = Profiles::default();
    empty.advance(71);
    assert_eq!(encoded(&profiles), encoded(&empty));
    profiles.contribute(&[contribution(11, 1), contribution(13, 1)]);
    let stats = profiles.stats();
    assert_eq!((stats.expired_contributions, stats.pending), (1, 1));
}

#[test]
fn extreme_days_are_survived() {
    let extremes = Contribute(
        [i32::MIN, i32::MIN + 1, -1, 0, i32::MAX - 1, i32::MAX].map(|day| contribution(day, 1)).to_vec(),
    );
    for day in [i32::MIN + 1, 0, i32::MAX] {
        let profiles = Profiles::default();
        run(&profiles, &[extremes.clone(), Advance(day), extremes.clone()]);
        assert_eq!(Profiles::decode(&encoded(&profiles)).map(|read| encoded(&read)), Ok(encoded(&profiles)));
    }
}

#[test]
fn tenants_and_kinds_are_apart() {
    let profiles = Profiles::default();
    profiles.contribute(&[contribution(10, 1)]);
    profiles.advance(12);
    let others = [
        ProfileKey { tenant: 8, ..COUNTRY },
        ProfileKey { kind: ProfileKind::Region, ..COUNTRY },
        ProfileKey { value: 1, ..COUNTRY },
    ];
    assert_eq!(others.map(|key| profiles.members(key, noon(12))), [0, 0, 0]);
}

#[test]
fn users_are_counted_exactly_where_other_kinds_are_estimated() {
    let users = ProfileKey { tenant: 7, kind: ProfileKind::Users, value: 0 };
    let profiles = Profiles::default();
    for member in 0..1_000 {
        profiles.contribute(&[contribution(10, member), Contribution { key: users, ..contribution(10, member) }]);
    }
    profiles.advance(12);
    assert_eq!(profiles.members(users, noon(12)), 1_000);
    let estimate = profiles.members(COUNTRY, noon(12));
    assert!((500..1_500).contains(&estimate) && estimate != 1_000, "{estimate}");
}

#[test]
fn the_key_limit_evicts_oldest_then_smallest_then_first() {
    let limits = Limits { keys_max: 2, ..Limits::DEFAULT };
    let profiles = Profiles::with_limits(limits);
    // Value 1 is newest, 2 has most members of the rest, 3 and 4 are alike, 5 is oldest though large.
    profiles.contribute(&[city(1, 10, 1), city(2, 9, 1), city(2, 9, 2), city(3, 9, 1), city(4, 9, 1)]);
    profiles.contribute(&[city(5, 8, 1), city(5, 8, 2), city(5, 8, 3), contribution(8, 1)]);
    profiles.advance(12);
    let seen = |value| profiles.members(city(value, 0, 0).key, noon(12));
    assert_eq!([1, 2, 3, 4, 5].map(seen), [1, 2, 0, 0, 0]);
    // Another kind has its own limit.
    assert_eq!(profiles.members(COUNTRY, noon(12)), 1);
    let stats = profiles.stats();
    assert_eq!((stats.evicted_keys, stats.keys[ProfileKind::City as usize]), (3, 2));
    // At the limit, not over it, nothing goes.
    profiles.contribute(&[city(2, 12, 3)]);
    profiles.advance(14);
    assert_eq!((profiles.stats().evicted_keys, profiles.members(city(2, 0, 0).key, noon(14))), (3, 3));
}

#[test]
fn the_member_limit_evicts_keys_too() {
    let profiles = Profiles::with_limits(Limits { kept_members_max: 5, ..Limits::DEFAULT });
    let all: Vec<_> = (1..=3).flat_map(|value| (0..value).map(move |member| city(value, 10, member))).collect();
    profiles.contribute(&all);
    profiles.advance(12);
    let seen = |value| profiles.members(city(value, 0, 0).key, noon(12));
    assert_eq!([1, 2, 3].map(seen), [0, 2, 3]);
    assert_eq!((profiles.stats().members, profiles.stats().evicted_keys), (5, 1));
}

#[test]
fn a_flood_of_keys_stays_within_its_memory() {
    let limits = Limits { keys_max: 1_000, pending_marks_max: 2_000, ..Limits::DEFAULT };
    let profiles = Profiles::with_limits(limits);
    let mut bytes_max = 0;
    for day in 0..5 {
        let flood: Vec<_> = (0..30_000).map(|value| city(value, day, value)).collect();
        profiles.contribute(&flood);
        profiles.advance(day + 1);
        bytes_max = bytes_max.max(profiles.stats().bytes);
    }
    let stats = profiles.stats();
    assert_eq!(stats.keys[ProfileKind::City as usize], 1_000);
    assert!(stats.dropped_contributions >= 28_000 && stats.evicted_keys >= 1_000, "{stats:?}");
    assert!(bytes_max < 1_000_000, "{bytes_max}");
}

#[test]
fn threads_change_nothing() {
    let all: Vec<_> = (0..20_000_u32).map(|at| city(at % 97, (at % 3) as i32, at % 1_009)).collect();
    let alone = Profiles::default();
    alone.contribute(&all);
    let shared = Profiles::default();
    std::thread::scope(|scope| {
        for chunk in all.chunks(5_000) {
            scope.spawn(|| chunk.chunks(13).for_each(|batch| shared.contribute(batch)));
        }
    });
    alone.advance(4);
    shared.advance(4);
    assert_eq!(encoded(&alone), encoded(&shared));
}

/// One state of version 1: three keys in view, pending days on both sides, a previous view that differs.
fn version_1() -> Profiles {
    let profiles = Profiles::default();
    let users = ProfileKey { tenant: 7, kind: ProfileKind::Users, value: 0 };
    profiles.contribute(&[contribution(20_000, 1), contribution(20_000, 2), contribution(20_001, 3)]);
    profiles.contribute(&[Contribution { key: users, day: 20_001, member: 3 }, city(9, 19_950, 5)]);
    profiles.advance(20_003);
    profiles.contribute(&[contribution(20_002, 4), city(9, 19_999, 6)]);
    profiles
}

const VERSION_1: &str = include_str!("version_1.hex");

fn version_1_bytes() -> Vec<u8> {
    let digits: Vec<u8> = VERSION_1.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn version_1_is_still_read() {
    let profiles = Profiles::decode(&version_1_bytes()).expect("version 1 stays readable");
    assert_eq!(profiles.members(COUNTRY, noon(20_003)), 3);
    assert_eq!(profiles.members(COUNTRY, noon(20_002)), 2);
    assert_eq!(profiles.members(city(9, 0, 0).key, noon(20_003)), 1);
    assert_eq!((profiles.stats().day, profiles.stats().pending), (Some(20_003), 2));
    profiles.advance(20_004);
    assert_eq!(profiles.members(COUNTRY, noon(20_004)), 4);
    assert_eq!(profiles.members(city(9, 0, 0).key, noon(20_004)), 2);
}

#[test]
fn version_1_is_what_is_written() {
    let hex: String = encoded(&version_1()).iter().map(|byte| format!("{byte:02x}")).collect();
    let fixture: String = VERSION_1.split_whitespace().collect();
    assert_eq!(hex, fixture);
}

/// Bytes with a checksum that fits.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = xxh3_64(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

#[test]
fn damaged_bytes_are_refused_with_a_reason() {
    use ProfileCodecError::*;
    let good = version_1_bytes();
    let body = &good[..good.len() - 8];
    let with = |at: usize, byte: u8| {
        let mut changed = body.to_vec();
        changed[at] = byte;
        sealed(changed)
    };
    let cases = [
        (Vec::new(), Magic),
        (b"FSPX".to_vec(), Magic),
        (b"FSPR\x01".to_vec(), Length),
        (b"FSPR\x01\0".to_vec(), Length),
        (with(4, 2), Version(2)),
        (good[..good.len() - 1].to_vec(), Checksum),
        (sealed(body[..body.len() - 1].to_vec()), Length),
        (sealed([body, &[0]].concat()), Length),
        // The number of keys (after magic, version and day), and the kind of the first one.
        (with(13, 0xff), Length),
        (with(18, 13), Kind(13)),
        (with(17, 0xff), Order("keys")),
    ];
    for (bytes, error) in cases {
        assert_eq!(Profiles::decode(&bytes).err(), Some(error), "{bytes:02x?}");
    }
    let same_day_twice: &[&[u8]] =
        &[&body[..6], &i32::MIN.to_le_bytes(), &[0; 4], &2_u32.to_le_bytes(), &[0; 8], &[0; 8]];
    assert_eq!(Profiles::decode(&sealed(same_day_twice.concat())).err(), Some(Order("days")));
}

fn any_contribution() -> impl Strategy<Value = Contribution> {
    (0..2_u32, prop::sample::select(&ProfileKind::ALL[..4]), 0..3_u32, 0..90_i32, 0..12_u32).prop_map(
        |(tenant, kind, value, day, member)| Contribution { key: ProfileKey { tenant, kind, value }, day, member },
    )
}

fn any_limits() -> impl Strategy<Value = Limits> {
    (1..6_usize, 1..4_usize, 1..8_usize, 5..40_usize, 20..200_usize, 3..100_usize).prop_map(
        |(users_members_max, members_max, keys_max, kept_members_max, pending_marks_max, pending_days_max)| {
            Limits {
                users_members_max,
                members_max,
                keys_max,
                kept_members_max,
                pending_marks_max,
                pending_days_max,
            }
        },
    )
}

fn any_profiles() -> impl Strategy<Value = Profiles> {
    prop::collection::vec((prop::collection::vec(any_contribution(), 0..40), 0..100_i32), 0..4).prop_map(
        |rounds| {
            let profiles = Profiles::default();
            for (contributions, day) in rounds {
                run(&profiles, &[Contribute(contributions), Advance(day)]);
            }
            profiles
        },
    )
}

proptest! {
    /// Order, repetition, batches and limits: equal bytes mean equal answers for every key and day.
    #[test]
    fn only_the_set_before_each_advance_matters(
        rounds in prop::collection::vec((prop::collection::vec(any_contribution(), 0..80), 0..100_i32), 1..4),
        limits in any_limits(),
        batch in 1..20_usize,
        repeated in 0..80_usize,
        seed in any::<u64>(),
    ) {
        let plain = Profiles::with_limits(limits);
        let other = Profiles::with_limits(limits);
        for (contributions, day) in rounds {
            plain.contribute(&contributions);
            let mut shuffled = contributions.clone();
            shuffled.extend(contributions.iter().take(repeated));
            shuffled.sort_by_key(|contribution| xxh3_64(&[seed.to_le_bytes(), (u64::from(contribution.member)
                << 32 | contribution.day as u64).to_le_bytes()].concat()));
            shuffled.chunks(batch).for_each(|batch| other.contribute(batch));
            plain.advance(day);
            other.advance(day);
            prop_assert_eq!(encoded(&plain), encoded(&other));
            for contribution in &contributions {
                for day in [day - 1, day] {
                    prop_assert_eq!(plain.members(contribution.key, noon(day)), other.members(contribution.key, noon(day)));
                }
            }
        }
    }

    #[test]
    fn a_jump_is_as_good_as_single_steps(
        before in prop::collection::vec(any_contribution(), 0..60),
        late in prop::collection::vec(any_contribution(), 0..60),
        limits in any_limits(),
        start in 0..60_i32,
        jump in 1..70_i32,
    ) {
        let jumping = Profiles::with_limits(limits);
        let walking = Profiles::with_limits(limits);
        for profiles in [&jumping, &walking] {
            run(profiles, &[Contribute(before.clone()), Advance(start), Contribute(late.clone())]);
        }
        jumping.advance(start + jump);
        (start + 1..=start + jump).for_each(|day| walking.advance(day));
        prop_assert_eq!(encoded(&jumping), encoded(&walking));
        prop_assert_eq!(jumping.stats().evicted_keys, walking.stats().evicted_keys);
    }

    /// The definition: distinct members of the key between day − 59 and day − 2.
    #[test]
    fn small_sets_are_counted_exactly(
        contributions in prop::collection::vec(any_contribution(), 0..100),
        day in 0..120_i32,
    ) {
        let profiles = Profiles::default();
        profiles.contribute(&contributions);
        profiles.advance(day);
        for key in contributions.iter().map(|contribution| contribution.key) {
            for view in [day - 1, day] {
                let members: BTreeSet<u32> = contributions
                    .iter()
                    .filter(|other| other.key == key && (view - 59..=view - 2).contains(&other.day))
                    .map(|other| other.member)
                    .collect();
                prop_assert_eq!(profiles.members(key, noon(view)), members.len() as u32);
            }
        }
    }

    /// What is read goes on as what was written would have.
    #[test]
    fn state_comes_back_exactly(
        profiles in any_profiles(),
        more in prop::collection::vec(any_contribution(), 0..40),
    ) {
        let bytes = encoded(&profiles);
        let read = Profiles::decode(&bytes).expect("own bytes are readable");
        prop_assert_eq!(encoded(&read), bytes);
        for profiles in [&profiles, &read] {
            run(profiles, &[Contribute(more.clone()), Advance(101)]);
        }
        prop_assert_eq!(encoded(&read), encoded(&profiles));
    }

    #[test]
    fn hostile_bytes_are_survived(
        profiles in any_profiles(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        random in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = encoded(&profiles);
        let mut changed = bytes.clone();
        for (at, byte) in &changes {
            let at = at.index(changed.len());
            changed[at] = *byte;
        }
        prop_assert!(changed == bytes || Profiles::decode(&changed).is_err());
        prop_assert!(Profiles::decode(&bytes[..cut.index(bytes.len())]).is_err());
        // With a checksum that fits, whatever is taken must work on and come back as it is.
        let random = [&b"FSPR\x01\0"[..], &random].concat();
        for body in [&changed[..changed.len() - 8], &random] {
            if let Ok(read) = Profiles::decode(&sealed(body.to_vec())) {
                let again = encoded(&read);
                prop_assert_eq!(Profiles::decode(&again).map(|read| encoded(&read)), Ok(again));
                read.advance(200);
            }
        }
    }
}
