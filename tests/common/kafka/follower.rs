//! A slow consumer that reads committed records while everything around it fails: what it saw must be what is there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use xxhash_rust::xxh3::xxh3_64;

use super::{Broker, Deployment, eventually};

/// After so many records it dawdles.
const RECORDS: u64 = 50;
const DAWDLES: Duration = Duration::from_millis(2);

/// Hash of the value, by topic, partition and offset.
type Seen = BTreeMap<(String, i32, i64), u64>;

/// Reads from its beginning to [`Follower::assert_saw_all`].
pub struct Follower {
    topics: Vec<String>,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Follows topics of the deployment, by the ends of their names.
    pub fn start(deployment: &Deployment<'_>, kinds: &[&str]) -> Self {
        let broker = deployment.broker;
        let topics: Vec<String> = kinds.iter().map(|kind| deployment.topic(kind)).collect();
        let mut config = broker.client();
        config.set("group.id", "follower").set("isolation.level", "read_committed");
        config.set("enable.auto.commit", "false").set("auto.offset.reset", "error");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        for topic in &topics {
            for partition in 0..broker.partitions(topic) {
                list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
            }
        }
        consumer.assign(&list).unwrap();
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let (into, ends) = (seen.clone(), stop.clone());
        let thread = std::thread::spawn(move || follow(&consumer, &into, &ends));
        Self { topics, seen, stop, thread: Some(thread) }
    }

    /// Panics unless it has seen exactly the committed records that the topics hold in the end.
    pub fn assert_saw_all(mut self, broker: &Broker) {
        let mut expected = Seen::new();
        for topic in &self.topics {
            expected.extend(broker.read_committed(topic).into_iter().map(|record| {
                let hash = xxh3_64(record.value.as_deref().unwrap_or_default());
                ((topic.clone(), record.partition, record.offset), hash)
            }));
        }
        eventually("the follower", || {
            let seen = self.seen.lock().unwrap().len();
            if seen >= expected.len() { Ok(()) } else { Err(format!("{seen} of {}", expected.len())) }
        });
        self.end();
        let seen = self.seen.lock().unwrap();
        let missed = expected.iter().find(|(place, hash)| seen.get(*place) != Some(hash));
        assert_eq!(missed, None, "there, and not seen, or seen as another");
        let strange = seen.keys().find(|place| !expected.contains_key(*place));
        assert_eq!(strange, None, "seen, and not there");
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

fn follow(consumer: &BaseConsumer, seen: &Mutex<Seen>, stop: &AtomicBool) {
    let mut count = 0;
    while !stop.load(Ordering::Acquire) {
        // Errors while the broker is away; librdkafka goes on by itself.
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let place = (message.topic().to_owned(), message.partition(), message.offset());
        let hash = xxh3_64(message.payload().unwrap_or_default());
        let before = seen.lock().unwrap().insert(place, hash);
        assert!(before.is_none_or(|before| before == hash), "a committed record changed");
        count += 1;
        if count % RECORDS == 0 {
            std::thread::sleep(DAWDLES);
        }
    }
}
