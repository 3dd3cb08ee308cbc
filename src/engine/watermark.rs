//! Stream time: the newest event time seen in a task's input. It decides what is too late, and nothing else.

use super::signin::EventTime;

/// Newest event time so far. Kafka Streams' word for it is stream time, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamTime(EventTime);

impl Default for StreamTime {
    fn default() -> StreamTime {
        StreamTime(EventTime::MIN)
    }
}

impl StreamTime {
    /// Takes the next event in arrival order and gives the stream time that it is judged under.
    pub fn observe(&mut self, time: EventTime) -> EventTime {
        self.0 = self.0.max(time);
        self.0
    }

    pub fn now(self) -> EventTime {
        self.0
    }
}
