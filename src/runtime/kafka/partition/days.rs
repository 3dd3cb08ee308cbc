//! A task's days: which one has begun, and which is complete, so that others may rest on it.

use super::PartitionTask;
use super::outputs::Batch;
use crate::engine::facts::Item;
use crate::engine::watermark::StreamTime;
use crate::runtime::kafka::contributions::Frontier;

impl PartitionTask {
    /// The day that the items begin, when it must not begin yet.
    pub(super) fn closed_day(&mut self, items: &[Item<'_>]) -> Option<i32> {
        let mut stream_time = self.stream_time;
        for item in items {
            stream_time.observe(item.time(), item.user());
        }
        // Also the day that has begun: after a restore the profiles may not have come to it yet.
        let day = self.day.map_or(stream_time.day(), |begun| begun.max(stream_time.day()));
        if day == i32::MIN {
            return None;
        }
        if self.day.is_none() {
            // Others wait to hear that nothing older comes from here.
            let oldest = items.iter().map(|item| item.time().day()).fold(self.first_day, i32::min);
            let complete_day = self.contributions.frontier().complete_day;
            let before = complete_day.unwrap_or(oldest.saturating_sub(1));
            self.set_frontier(None, Some(before));
        }
        (!self.shared.may_begin(day)).then_some(day)
    }

    /// Before a record that has to wait: hands over what is complete before it, as taking its first item would. Others
    /// may wait for that, and after a gap this task itself does.
    pub(super) fn hand_over(&mut self, items: &[Item<'_>], batch: &mut Batch<'_>) {
        let Some(first) = items.first() else { return };
        let mut next = self.stream_time;
        next.observe(first.time(), first.user());
        if next.day() != i32::MIN {
            self.come_to(next, batch);
            self.complete(next, batch);
        }
    }

    /// Hands over what is complete as far as has been reviewed.
    pub(super) fn complete_reviewed(&mut self, batch: &mut Batch<'_>) {
        if self.stream_time.day() != i32::MIN {
            self.complete(self.stream_time, batch);
        }
    }

    pub(super) fn complete(&mut self, next: StreamTime, batch: &mut Batch<'_>) {
        let complete = next.complete_day(self.task.held(next.now()));
        let Frontier { complete_day, .. } = self.contributions.frontier();
        if complete_day.is_none_or(|before| before < complete) {
            self.step(batch);
            let out = self.task.settle(next.now());
            self.take_over(out, batch);
            self.set_frontier(self.day, Some(complete));
        }
    }

    pub(super) fn set_frontier(&mut self, day: Option<i32>, complete_day: Option<i32>) {
        self.day = day;
        let told_minute = self.reviews.told_minute();
        self.contributions.set_frontier(Frontier { day, complete_day, told_minute });
    }
}
