//! The state of a stopped application out of Kafka, and into it.
//!
//! Out: every user's newest state, the profiles as all instances know them, and the offsets up to which the tasks have
//! read. In: the other way round. The profiles come first, in one transaction with how far each partition has come; then
//! partition after partition, users first and the marker with the last of them, as [`reset`] clears; then the offsets
//! from which the input goes on. A transfer that broke off is made whole by calling it again.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use anyhow::{Context, bail};
use rdkafka::consumer::Consumer as _;
use rdkafka::message::Message as _;

use super::changelog;
use super::contributions::{Contributions, Frontier};
use super::learnt::{self, Learnt};
use super::marker::{Marker, VERSION};
use super::names::{Names, entrances};
use super::outbox::Destination;
use super::partition::{PROFILES_PARTITION, hexadecimal, stream_time};
use super::producer::{Outgoing, TxnProducer};
use super::profiles::{self, Taken, take_record};
use super::repartition;
use super::reset;
use super::scan::{Bound, Scanner};
use super::shared::SharedProfiles;
use crate::config::Config;
use crate::engine::attempts::minute_of;
use crate::engine::hash::UserKey;
use crate::engine::profile::Profiles;
use crate::engine::signin::EventTime;
use crate::engine::watermark::StreamTime;
use crate::runtime::clock::Deadline;
use crate::runtime::state_file::{Clock, Head, ReadTo};

/// A client that reads nothing needs no room.
const QUEUE_BYTES_MAX: u64 = 64 * 1024;

type Users = BTreeMap<UserKey, Vec<u8>>;

/// What an application has learnt.
pub struct Learning {
    pub head: Head,
    pub profiles: Profiles,
    pub users: Users,
}

/// Reads the state of every partition.
///
/// # Errors
/// When it cannot be read, or there is none.
pub fn export(names: &Names, scanner: &Scanner, tell: &mut dyn FnMut(String)) -> anyhow::Result<Learning> {
    let topic = names.topic(Destination::State);
    let mut users = Users::new();
    let mut markers = Vec::new();
    for partition in scanner.chosen(topic, None)? {
        let (found, marker) = read_partition(names, scanner, partition)?;
        tell(format!("partition {partition}: {} users", found.len()));
        users.extend(found);
        markers.extend(marker.map(|marker| (partition, marker)));
    }
    if markers.is_empty() {
        bail!("`{topic}` has no state yet: no task has committed anything");
    }
    let today_max = profiles::today_max();
    let profiles = read_profiles(names, scanner, today_max)?;
    Ok(Learning { head: head(&markers, users.len(), today_max, tell)?, profiles, users })
}

fn read_partition(names: &Names, scanner: &Scanner, partition: i32) -> anyhow::Result<(Users, Option<Marker>)> {
    let mut users = Users::new();
    let marker = changelog::read(scanner, &changelog::part(names, scanner, partition)?, &mut |change| {
        // Another key is a probe's.
        let Some(user) = user_of(change.key) else { return };
        match change.payload {
            Some(state) => drop(users.insert(user, state.to_vec())),
            None => drop(users.remove(&user)),
        }
    })?;
    Ok((users, marker))
}

/// The user whose state stands under the key; `None` when it is another's.
fn user_of(key: &[u8]) -> Option<UserKey> {
    Some(UserKey(u128::from_be_bytes(key.try_into().ok()?)))
}

/// The profiles as an instance that begins now would have them.
fn read_profiles(names: &Names, scanner: &Scanner, today_max: i32) -> anyhow::Result<Profiles> {
    let topic = names.topic(Destination::Profiles);
    let part = scanner.part(topic, PROFILES_PARTITION, Bound::Earliest, Bound::Latest)?;
    let shared = SharedProfiles::new(Profiles::default());
    shared.set_today_max(today_max);
    let mut learnt = Learnt::default();
    scanner.read(&part, |message| {
        // What cannot be read is left out, as every instance does.
        if let Ok(Taken::Task { begins: Some(day), .. }) =
            take_record(&shared, &mut learnt, message.key(), message.payload())
        {
            shared.advance(day);
        }
        ControlFlow::Continue(())
    })?;
    let SharedProfiles { profiles, .. } = shared;
    std::sync::Arc::into_inner(profiles).context("profiles that are in use")
}

/// How far all partitions together have come: the furthest, as it is what the profiles go by. One that has come to a day
/// that cannot be yet has wrong clocks in its input: it is left out, as it is where others run.
fn head(
    markers: &[(i32, Marker)],
    users: usize,
    today_max: i32,
    tell: &mut dyn FnMut(String),
) -> anyhow::Result<Head> {
    let mut clocks = Vec::new();
    for (partition, marker) in markers {
        let time = stream_time(&marker.stream_time).map_err(anyhow::Error::msg)?;
        let day = marker.day.unwrap_or(i32::MIN).max(time.now().day());
        if day <= today_max {
            clocks.push((time, marker));
        } else {
            tell(format!("partition {partition}: its clock shows `{}`, and is left out", time.now()));
        }
    }
    // One that may still fall back is believed where there is no other.
    let firmness = |time: &StreamTime| (time.day() != i32::MIN, time.now());
    let newest = clocks.iter().map(|(time, _)| *time).max_by_key(firmness).unwrap_or_default();
    // A sign-in that one partition has still to review is reviewed again by all: that changes nothing.
    let reviewed = clocks.iter().map(|(_, marker)| marker.reviewed_minute).min().flatten();
    let day = clocks.iter().filter_map(|(_, marker)| marker.day).max();
    let position = markers.iter().map(|(_, marker)| marker.position).max().unwrap_or(0);
    let time_of = |minute: i32| EventTime::from_seconds(i64::from(minute) * 60);
    let reviewed = reviewed.map_or(EventTime::MIN, time_of);
    let clock = Clock::new(newest, day.unwrap_or(i32::MIN), reviewed, position);
    let configuration_hash =
        markers.first().and_then(|(_, marker)| u64::from_str_radix(&marker.configuration_hash, 16).ok());
    let read_to = markers.iter().flat_map(|(partition, marker)| {
        let next = |(topic, offset): &(String, i64)| ReadTo {
            topic: topic.clone(),
            partition: *partition,
            offset: *offset,
        };
        marker.next.iter().map(next)
    });
    Ok(Head {
        read_to: read_to.collect(),
        users: users as u64,
        ..Head::new(clock, configuration_hash.unwrap_or(0))
    })
}

/// Where the input goes on: of each topic and partition.
///
/// # Errors
/// When a partition has no such place.
pub fn places(config: &Config, scanner: &Scanner, from: Bound) -> anyhow::Result<Vec<ReadTo>> {
    let mut places = Vec::new();
    for source in entrances(config).iter() {
        for partition in scanner.chosen(&source.topic, None)? {
            let offset = scanner.offset(&source.topic, partition, from.of(source.kind, Bound::Earliest))?;
            places.push(ReadTo { topic: source.topic.clone(), partition, offset });
        }
    }
    Ok(places)
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub users: usize,
    /// Users who were known before, and are not in the state.
    pub cleared: usize,
}

/// Puts what was learnt in place of what the application knows. It is stopped, and its input is not keyed: which partition
/// has a user is decided by [`UserKey::shard`]. Everything before `held` has settled ([`Task::held`](crate::runtime::task::Task::held)).
///
/// # Errors
/// When Kafka refuses; calling again makes it whole.
pub fn import(
    names: &Names,
    scanner: &Scanner,
    learning: Learning,
    places: &[ReadTo],
    held: EventTime,
    tell: &mut dyn FnMut(String),
) -> anyhow::Result<Imported> {
    let Learning { head, profiles, users } = learning;
    let stream_time = head.clock.stream_time()?;
    let told_minute = head.clock.reviewed.map(minute_of);
    let complete_day = head.clock.day.map(|_| stream_time.complete_day(held));
    let frontier = Frontier { day: head.clock.day, complete_day, told_minute };
    let lane =
        |place: &ReadTo| repartition::transactional_id(&names.application_id, &place.topic, place.partition);
    let not_yet = "cannot take the tasks over; nothing is written";
    let tasks =
        take_over(names, (0..names.partitions).map(|task| names.transactional_id(task))).context(not_yet)?;
    let lanes = take_over(names, places.iter().map(lane)).context(not_yet)?;
    write_profiles(names, &profiles, frontier).context("cannot write the profiles")?;
    tell("profiles are written".to_owned());
    let mut by_partition: Vec<Users> = (0..names.partitions).map(|_| Users::new()).collect();
    for (user, state) in users {
        by_partition[user.shard(names.partitions as usize)].insert(user, state);
    }
    let mut imported = Imported::default();
    for ((partition, users), producer) in (0..).zip(by_partition).zip(tasks) {
        let marker = Marker {
            version: VERSION,
            transaction: 0,
            next: Vec::new(),
            topic_ids: Vec::new(),
            position: head.clock.position,
            stream_time: hexadecimal(&head.clock.stream_time),
            day: frontier.day,
            complete_day,
            reviewed_minute: told_minute,
            told_minute,
            program: head.program.clone(),
            configuration_hash: format!("{:016x}", head.configuration_hash),
        };
        let cleared = write_partition(names, scanner, (partition, producer), &users, marker)
            .with_context(|| format!("cannot write partition `{partition}`; those before it are written"))?;
        tell(format!("partition {partition}: {} users are written, {cleared} are cleared", users.len()));
        imported.users += users.len();
        imported.cleared += cleared;
    }
    go_on_from(names, places, lanes)?;
    Ok(imported)
}

/// Takes transactional ids over from whoever may still write under them: his next transaction fails, before anything is
/// written here. Should he take one back, it is this one's that fails.
fn take_over(names: &Names, ids: impl Iterator<Item = String>) -> anyhow::Result<Vec<TxnProducer>> {
    ids.map(|id| open_producer(names, &id)).collect()
}

fn open_producer(names: &Names, id: &str) -> anyhow::Result<TxnProducer> {
    let patience = names.transaction_timeout * 2;
    Ok(TxnProducer::open(&names.connection, id, names.message_bytes_max, patience)?)
}

fn write_profiles(names: &Names, profiles: &Profiles, frontier: Frontier) -> anyhow::Result<()> {
    let (mut state, mut attempts) = (Vec::new(), Vec::new());
    profiles.encode(&mut state);
    profiles.attempts().encode(&mut attempts);
    let records = learnt::records(&state, &attempts)?;
    let id = format!("{}-import", names.application_id);
    let mut producer = open_producer(names, &id)?;
    let deadline = Deadline::after(names.transaction_timeout);
    producer.begin()?;
    let topic = names.topic(Destination::Profiles);
    for record in &records {
        producer.send(&profiles_record(topic, learnt::KEY, record), deadline)?;
    }
    for partition in 0..names.partitions {
        let mut contributions = Contributions::new(Frontier::default());
        contributions.set_frontier(frontier);
        for record in contributions.take(1) {
            producer.send(&profiles_record(topic, &partition.to_be_bytes(), &record), deadline)?;
        }
    }
    producer.commit(deadline)?;
    Ok(())
}

fn profiles_record<'a>(topic: &'a str, key: &'a [u8], payload: &'a [u8]) -> Outgoing<'a> {
    let partition = PROFILES_PARTITION;
    Outgoing { topic, partition, key: Some(key), payload: Some(payload), ..Outgoing::default() }
}

/// Writes one partition's users and marker; gives how many users were cleared.
fn write_partition(
    names: &Names,
    scanner: &Scanner,
    (partition, mut producer): (i32, TxnProducer),
    users: &Users,
    marker: Marker,
) -> anyhow::Result<usize> {
    // Since the task was taken over what an earlier owner wrote is final.
    let found = reset::find(names, scanner, partition, true)?;
    let next = reset::next(names, scanner, partition, Bound::Latest, None)?;
    let transaction = found.marker.as_ref().map_or(0, |old| old.transaction) + 1;
    let marker = Marker { transaction, next, ..marker };
    let is_new = |key: &[u8]| user_of(key).is_some_and(|user| users.contains_key(&user));
    let ended: Vec<&Vec<u8>> = found.keys.iter().filter(|key| !is_new(key)).collect();
    let written = users.iter().map(|(user, state)| (user.0.to_be_bytes().to_vec(), Some(state.as_slice())));
    let changes: Vec<_> = ended.iter().map(|key| ((*key).clone(), None)).chain(written).collect();
    reset::write(names, scanner, &mut producer, (partition, &marker), &changes)?;
    Ok(ended.len())
}

/// Sets where each lane goes on, as the lane itself would: so what one that was thought dead has open is ended first.
fn go_on_from(names: &Names, places: &[ReadTo], lanes: Vec<TxnProducer>) -> anyhow::Result<()> {
    // The stage that lanes belong to is a group of its own.
    let stage = names.connection.with_group(repartition::group_id(&names.application_id));
    let member = repartition::reader(&stage, QUEUE_BYTES_MAX)?;
    for (ReadTo { topic, partition, offset }, mut producer) in places.iter().zip(lanes) {
        let group = member.group_metadata().context("the client has no group")?;
        let deadline = Deadline::after(names.transaction_timeout);
        producer.begin()?;
        producer.send_offsets(&[(topic, *partition, *offset)], &group, deadline)?;
        producer.commit(deadline)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::signin::SECONDS_PER_DAY;

    const TODAY_MAX: i32 = 20_002;

    /// A marker of a partition whose users had an event each on these days.
    fn marker(days: &[i32], reviewed_minute: Option<i32>) -> Marker {
        let mut time = StreamTime::default();
        for (user, day) in (0..).zip(days) {
            time.observe(EventTime::from_seconds(i64::from(*day) * SECONDS_PER_DAY), UserKey(user));
        }
        let mut bytes = Vec::new();
        time.encode(&mut bytes);
        let day = Some(time.day()).filter(|day| *day != i32::MIN);
        Marker {
            stream_time: hexadecimal(&bytes),
            day,
            reviewed_minute,
            ..reset::marker(None, Vec::new(), reset::StateChange::Clear)
        }
    }

    #[test]
    fn the_furthest_clock_that_can_be_right_is_everybodys() {
        let check =
            |title: &str, markers: &[Marker], expected: (Option<i32>, i64), reviewed: Option<i32>, told: usize| {
                let markers: Vec<(i32, Marker)> = (0..).zip(markers.iter().cloned()).collect();
                let mut lines = Vec::new();
                let head = head(&markers, 7, TODAY_MAX, &mut |line| lines.push(line)).expect(title);
                let now = head.clock.stream_time().expect(title).now();
                let day = if now == EventTime::MIN { i64::MIN } else { i64::from(now.day()) };
                assert_eq!((head.clock.day, day), expected, "{title}");
                assert_eq!(head.clock.reviewed.map(minute_of), reviewed, "{title}");
                assert_eq!((lines.len(), head.users), (told, 7), "{title}");
            };
        let (slow, fast) = (marker(&[20_000, 20_000], Some(50)), marker(&[20_001, 20_001], Some(60)));
        let in_the_future = marker(&[30_000, 30_000], Some(900));
        let single = marker(&[20_002], None);
        check("the furthest", &[slow.clone(), fast.clone()], (Some(20_001), 20_001), Some(50), 0);
        check(
            "just possible",
            &[fast.clone(), marker(&[TODAY_MAX; 2], Some(70))],
            (Some(TODAY_MAX), 20_002),
            Some(60),
            0,
        );
        check(
            "not yet",
            &[fast.clone(), marker(&[TODAY_MAX + 1; 2], Some(70))],
            (Some(20_001), 20_001),
            Some(60),
            1,
        );
        check("far", &[in_the_future.clone(), slow.clone(), fast], (Some(20_001), 20_001), Some(50), 1);
        check("one that may fall back", &[slow, single.clone()], (Some(20_000), 20_000), None, 0);
        check("and no other", &[single], (None, 20_002), None, 0);
        check("none that can be right", &[in_the_future], (None, i64::MIN), None, 1);
    }
}
