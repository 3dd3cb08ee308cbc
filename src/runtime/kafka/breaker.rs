//! The breaker: intake stops when most records cannot be read, because then something is wrong with the input or the
//! format configured, and not with the records.

use super::partition::Stop;

/// When to stop because most records cannot be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breaker {
    /// Of refused records among all, 0 to 1; more than this opens the breaker.
    pub share: f64,
    /// Records over which the share is taken.
    pub window_records: u64,
}

/// What was counted since the window began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    refused: u64,
    records: u64,
}

impl Window {
    /// Counts one record.
    pub fn count(&mut self, breaker: Option<Breaker>, is_refused: bool) {
        let Some(breaker) = breaker else { return };
        if self.records >= breaker.window_records {
            *self = Window::default();
        }
        self.refused += u64::from(is_refused);
        self.records += 1;
    }

    /// Why nothing more is taken, when the breaker is open.
    pub fn stop(&self, breaker: Option<Breaker>) -> Option<Stop> {
        let breaker = breaker?;
        let Window { refused, records } = *self;
        let is_open = records >= breaker.window_records && refused as f64 > breaker.share * records as f64;
        is_open.then_some(Stop::Breaker { refused, records })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records as text, `x` is a refused one.
    #[test]
    fn opens_when_a_whole_window_is_mostly_refused() {
        let check = |breaker: Option<Breaker>, records: &str, expected: Option<(u64, u64)>| {
            let mut window = Window::default();
            records.chars().for_each(|record| window.count(breaker, record == 'x'));
            let expected = expected.map(|(refused, records)| Stop::Breaker { refused, records });
            assert_eq!(window.stop(breaker), expected, "{records}");
        };
        let half = Some(Breaker { share: 0.5, window_records: 4 });
        check(half, "xxx", None);
        check(half, "xx..", None);
        check(half, "xxx.", Some((3, 4)));
        check(half, "....xxxx", Some((4, 4)));
        check(half, "....xxx", None);
        check(None, "xxxxxxxx", None);
    }
}
