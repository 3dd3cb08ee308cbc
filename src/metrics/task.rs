//! One task's share of the instance's gauges.
//!
//! Gauges such as `farsign_state_users` are sums over tasks: a task adds the difference to what it said last, and
//! takes its share back when it is dropped. Gauges of a partition exist while its task does.

use prometheus::IntGauge;

use super::labels::TaskState;
use super::{Metrics, saturated};
use crate::engine::signin::EventTime;
use crate::engine::user::store::StoreStats;

/// A number that is part of a gauge's sum.
struct Share {
    gauge: IntGauge,
    value: i64,
}

impl Share {
    fn of(gauge: &IntGauge) -> Share {
        Share { gauge: gauge.clone(), value: 0 }
    }

    fn set(&mut self, value: i64) {
        self.gauge.add(value - self.value);
        self.value = value;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.gauge.sub(self.value);
    }
}

/// Made by [`Metrics::task`]; belongs to the task.
pub struct TaskMetrics {
    metrics: Metrics,
    partition: String,
    state: Option<TaskState>,
    users: Share,
    hot_users: Share,
    packed_bytes: Share,
    restore_remaining: Share,
    breaker: Share,
    /// Topics with gauges: a task has few.
    topics: Vec<String>,
    /// A lane of the repartition stage has none; the task of its number may.
    has_stream_time: bool,
}

impl TaskMetrics {
    pub(super) fn new(metrics: &Metrics, partition: i32) -> TaskMetrics {
        let all = &metrics.all;
        let mut task = TaskMetrics {
            metrics: metrics.clone(),
            partition: partition.to_string(),
            state: None,
            users: Share::of(&all.state_users),
            hot_users: Share::of(&all.state_hot_users),
            packed_bytes: Share::of(&all.state_packed_bytes),
            restore_remaining: Share::of(&all.restore_remaining),
            breaker: Share::of(&all.breakers_open),
            topics: Vec::new(),
            has_stream_time: false,
        };
        task.state(TaskState::Waiting);
        task
    }

    pub fn state(&mut self, state: TaskState) {
        let tasks = &self.metrics.all.tasks;
        tasks.at((state,)).inc();
        if let Some(last) = self.state.replace(state) {
            tasks.at((last,)).dec();
        }
    }

    pub fn store(&mut self, stats: &StoreStats) {
        self.users.set(saturated(stats.users));
        self.hot_users.set(saturated(stats.hot));
        self.packed_bytes.set(saturated(stats.packed_bytes));
    }

    /// Records of the changelog that are still to be read.
    pub fn restore_remaining(&mut self, records: u64) {
        self.restore_remaining.set(saturated(records));
    }

    /// Whether the breaker stopped intake because most records failed.
    pub fn breaker(&mut self, open: bool) {
        self.breaker.set(i64::from(open));
    }

    /// Records between the next offset and the end of this task's partition of `topic`.
    pub fn lag(&mut self, topic: &str, records: u64) {
        self.know(topic);
        self.metrics.all.consumer_lag.with_label_values(&[topic, &self.partition]).set(saturated(records));
    }

    /// Where this task's partition of `topic` goes on, after a commit.
    pub fn next_offset(&mut self, topic: &str, offset: i64) {
        self.know(topic);
        self.metrics.all.next_offset.with_label_values(&[topic, &self.partition]).set(offset);
    }

    fn know(&mut self, topic: &str) {
        if !self.topics.iter().any(|known| known == topic) {
            self.topics.push(topic.to_owned());
        }
    }

    pub fn stream_time(&mut self, time: EventTime) {
        self.has_stream_time = true;
        self.metrics.all.stream_time.with_label_values(&[&self.partition]).set(time.seconds());
    }
}

impl Drop for TaskMetrics {
    fn drop(&mut self) {
        let all = &self.metrics.all;
        if let Some(state) = self.state {
            all.tasks.at((state,)).dec();
        }
        // An error says that there is none. The children are looked up each time they are set: when a partition is
        // back before its old task is gone, they are there again with the next value.
        for topic in &self.topics {
            for gauges in [&all.consumer_lag, &all.next_offset] {
                drop(gauges.remove_label_values(&[topic.as_str(), &self.partition]));
            }
        }
        if self.has_stream_time {
            drop(all.stream_time.remove_label_values(&[self.partition.as_str()]));
        }
    }
}
