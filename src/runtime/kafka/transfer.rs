//! The state of a stopped application out of Kafka, and into it.
//!
//! Out: every user's newest state, the profiles as all instances know them, and the offsets up to which the tasks have
//! read. In: the other way round, in many transactions, so each partition's marker first says that the state beside it is
//! being imported ([`Marker::importing`]). Then come the profiles, with how far each partition has come; the users of partition
//! after partition; the offsets from which the input goes on; and last the markers of all partitions, in one transaction. Where
//! it broke off, tasks and exports find the mark and refuse, and calling it again makes it whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

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
use crate::runtime::state_file::{self, Clock, Head, Opened, ReadTo};
use crate::runtime::task::Task;

/// A client that reads nothing needs no room.
const QUEUE_BYTES_MAX: u64 = 64 * 1024;

/// The partition that is marked whenever any is.
const FIRST_MARKED: i32 = 0;

type Users = BTreeMap<UserKey, Vec<u8>>;

/// What an application has learnt.
pub struct Learning {
    pub head: Head,
    pub profiles: Profiles,
    pub users: Users,
}

impl Learning {
    /// Reads it from a file.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn read(path: &Path) -> anyhow::Result<Learning> {
        let Opened { head, profiles, attempts, users: mut reader } = state_file::open(path)?;
        let known = Profiles::decode(&profiles).context("the state's profiles cannot be read")?;
        known.attempts().restore(&attempts).context("the state's attempts cannot be read")?;
        let mut users = Users::new();
        while let Some((user, state)) = reader.next_user()? {
            users.insert(user, state.to_vec());
        }
        if users.len() as u64 != head.users {
            let (found, named) = (users.len(), path.display());
            bail!("the state `{named}` is damaged: it has {found} users, and should have {}", head.users);
        }
        Ok(Learning { head, profiles: known, users })
    }
}

/// Reads the state of every partition.
///
/// # Errors
/// When it cannot be read, there is none, or it is not whole ([`HalfImported`](super::marker::HalfImported)).
pub fn export(names: &Names, scanner: &Scanner, tell: &mut dyn FnMut(String)) -> anyhow::Result<Learning> {
    let topic = names.topic(Destination::State);
    let mut users = Users::new();
    let mut markers = Vec::new();
    for partition in scanner.chosen(topic, None)? {
        let (found, marker) = read_partition(names, scanner, partition)?;
        let marker = marker.map(Marker::whole).transpose()?;
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
    Arc::into_inner(profiles).context("profiles that are in use")
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

/// Whether the application's state is whole. One partition tells: it is marked before all others, and cleared with them.
///
/// # Errors
/// When it is not, or cannot be read.
pub fn look(names: &Names) -> anyhow::Result<()> {
    let scanner = Scanner::new(names)?;
    changelog::last_marker(names, &scanner, FIRST_MARKED)?.map(Marker::whole).transpose()?;
    Ok(())
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
/// has a user is decided by [`UserKey::shard`]. Each step is told when it is done.
///
/// # Errors
/// When Kafka refuses. What has begun is marked until it is done: calling again makes it whole.
pub fn import(
    config: &Config,
    names: &Names,
    scanner: &Scanner,
    learning: Learning,
    places: &[ReadTo],
    tell: &mut dyn FnMut(String),
) -> anyhow::Result<Imported> {
    let frontier = frontier(config, &learning.head.clock)?;
    let stopped = Stopped::take_over(names, scanner, places)
        .context("cannot take the application over; nothing is written")?;
    replace(names, scanner, stopped, learning, frontier, places, tell)
        .context("the import broke off, and `farsign run` refuses what is there: import again")
}

/// How far a task with this clock has come.
fn frontier(config: &Config, clock: &Clock) -> anyhow::Result<Frontier> {
    let mut task = Task::new(Arc::new(config.engine.clone()), Arc::new(Profiles::default()));
    if let Some(reviewed) = clock.reviewed {
        task.resume(reviewed, reviewed);
    }
    let stream_time = clock.stream_time()?;
    // Everything before has settled.
    let held = task.held(stream_time.now());
    let complete_day = clock.day.map(|_| stream_time.complete_day(held));
    Ok(Frontier { day: clock.day, complete_day, told_minute: clock.reviewed.map(minute_of) })
}

/// A stopped application: what it has, and everybody who may write for it. Who may still write under these ids fails with his
/// next transaction, before anything is written here; should he take one back, it is this one's that fails.
struct Stopped {
    /// For what is of no one task.
    import: TxnProducer,
    tasks: Vec<TxnProducer>,
    /// One a place.
    lanes: Vec<TxnProducer>,
    /// What the tasks' partitions hold.
    found: Vec<reset::Found>,
}

impl Stopped {
    fn take_over(names: &Names, scanner: &Scanner, places: &[ReadTo]) -> anyhow::Result<Stopped> {
        let patience = names.transaction_timeout * 2;
        let open = |id: String| TxnProducer::open(&names.connection, &id, names.message_bytes_max, patience);
        let lane = |place: &ReadTo| {
            open(repartition::transactional_id(&names.application_id, &place.topic, place.partition))
        };
        let import = open(names.import_id())?;
        let tasks =
            (0..names.partitions).map(|task| open(names.transactional_id(task))).collect::<Result<_, _>>()?;
        let lanes = places.iter().map(lane).collect::<Result<_, _>>()?;
        // Only now is what earlier owners wrote final; and all is read before anything is marked, which then takes moments.
        let find = |partition| reset::find(names, scanner, partition, true);
        let found = (0..names.partitions).map(find).collect::<Result<_, _>>()?;
        Ok(Stopped { import, tasks, lanes, found })
    }

    /// Marks each partition as one whose state is being imported, [`FIRST_MARKED`] before the others.
    fn mark(&mut self, names: &Names, tell: &mut dyn FnMut(String)) -> anyhow::Result<()> {
        for ((partition, producer), found) in (FIRST_MARKED..).zip(&mut self.tasks).zip(&mut self.found) {
            let next = found.marker.as_ref().map_or_else(Vec::new, |marker| marker.next.clone());
            let kept = reset::marker(found.marker.as_ref(), next, reset::StateChange::Keep);
            let marker = Marker { importing: true, ..kept };
            reset::write_marker(names, producer, partition, &marker)
                .with_context(|| format!("cannot mark partition `{partition}`"))?;
            found.marker = Some(marker);
            tell(format!("partition {partition}: is marked: no task begins with it until the import is done"));
        }
        Ok(())
    }
}

/// Marks all, writes all, and then takes all marks away at once.
fn replace(
    names: &Names,
    scanner: &Scanner,
    mut stopped: Stopped,
    learning: Learning,
    frontier: Frontier,
    places: &[ReadTo],
    tell: &mut dyn FnMut(String),
) -> anyhow::Result<Imported> {
    stopped.mark(names, tell)?;
    let Stopped { mut import, tasks, lanes, found } = stopped;
    let Learning { head, profiles, users } = learning;
    write_profiles(names, &mut import, &profiles, frontier).context("cannot write the profiles")?;
    tell("profiles are written".to_owned());
    let mut by_partition: Vec<Users> = (0..names.partitions).map(|_| Users::new()).collect();
    for (user, state) in users {
        by_partition[user.shard(names.partitions as usize)].insert(user, state);
    }
    let mut imported = Imported::default();
    let mut markers = Vec::new();
    for (((partition, users), found), producer) in (0..).zip(by_partition).zip(found).zip(tasks) {
        let cleared = write_users(names, (partition, producer), &users, &found.keys)
            .with_context(|| format!("cannot write partition `{partition}`"))?;
        tell(format!("partition {partition}: {} users are written, {cleared} are cleared", users.len()));
        imported.users += users.len();
        imported.cleared += cleared;
        markers.push((partition, last_marker(&head, frontier, found.marker.as_ref())));
    }
    // Before the lanes' places: what one that is started meanwhile carries from there on lies behind.
    for (partition, marker) in &mut markers {
        marker.next = reset::next(names, scanner, *partition, Bound::Latest, None)?;
    }
    go_on_from(names, places, lanes, tell).context("cannot set where the input goes on")?;
    let markers: Vec<(i32, &Marker)> = markers.iter().map(|(partition, marker)| (*partition, marker)).collect();
    reset::write_markers(names, scanner, &mut import, &markers).context("cannot take the marks away")?;
    Ok(imported)
}

/// The marker beside the imported state; where the task goes on is still to be said.
fn last_marker(head: &Head, frontier: Frontier, before: Option<&Marker>) -> Marker {
    let Frontier { day, complete_day, told_minute } = frontier;
    Marker {
        version: VERSION,
        transaction: before.map_or(0, |marker| marker.transaction) + 1,
        next: Vec::new(),
        topic_ids: Vec::new(),
        position: head.clock.position,
        stream_time: hexadecimal(&head.clock.stream_time),
        day,
        complete_day,
        reviewed_minute: told_minute,
        told_minute,
        program: head.program.clone(),
        configuration_hash: format!("{:016x}", head.configuration_hash),
        importing: false,
    }
}

fn write_profiles(
    names: &Names,
    producer: &mut TxnProducer,
    profiles: &Profiles,
    frontier: Frontier,
) -> anyhow::Result<()> {
    let (mut state, mut attempts) = (Vec::new(), Vec::new());
    profiles.encode(&mut state);
    profiles.attempts().encode(&mut attempts);
    let records = learnt::records(&state, &attempts)?;
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

/// Writes one partition's users in place of those with these keys; gives how many were cleared.
fn write_users(
    names: &Names,
    (partition, mut producer): (i32, TxnProducer),
    users: &Users,
    keys: &BTreeSet<Vec<u8>>,
) -> anyhow::Result<usize> {
    let is_new = |key: &[u8]| user_of(key).is_some_and(|user| users.contains_key(&user));
    let ended: Vec<&Vec<u8>> = keys.iter().filter(|key| !is_new(key)).collect();
    let written = users.iter().map(|(user, state)| (user.0.to_be_bytes().to_vec(), Some(state.as_slice())));
    let changes: Vec<_> = ended.iter().map(|key| ((*key).clone(), None)).chain(written).collect();
    reset::write_changes(names, &mut producer, partition, &changes)?;
    Ok(ended.len())
}

/// Sets where each lane goes on, as the lane itself would: so one that was started meanwhile has made this fail, or begins
/// there.
fn go_on_from(
    names: &Names,
    places: &[ReadTo],
    lanes: Vec<TxnProducer>,
    tell: &mut dyn FnMut(String),
) -> anyhow::Result<()> {
    // The stage that lanes belong to is a group of its own.
    let stage = names.connection.with_group(repartition::group_id(&names.application_id));
    let member = repartition::reader(&stage, QUEUE_BYTES_MAX)?;
    for (ReadTo { topic, partition, offset }, mut producer) in places.iter().zip(lanes) {
        let group = member.group_metadata().context("the client has no group")?;
        let deadline = Deadline::after(names.transaction_timeout);
        producer.begin()?;
        producer.send_offsets(&[(topic, *partition, *offset)], &group, deadline)?;
        producer.commit(deadline)?;
        tell(format!("partition {partition} {topic}: its place is set"));
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
