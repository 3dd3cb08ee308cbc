//! Metric families whose children exist from the start, found by a label's index.
//!
//! A [`Families`] registers each family once, makes every child (so a rate is right from the first scrape) and
//! remembers what it made, for `docs/metrics.md`. Names and help are constants of this program: a wrong one is a
//! bug, and panics when the program starts.

use std::marker::PhantomData;

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::labels::Label;

const VALID: &str = "names of metrics are distinct and valid";

/// A metric as `docs/metrics.md` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Each label with its values; none where they are not known before the run (a partition's number).
    pub labels: Vec<(&'static str, Vec<&'static str>)>,
    pub help: String,
}

/// One label, or several: the dimensions of a family.
pub trait Labels: Copy {
    fn dimensions() -> Vec<(&'static str, Vec<&'static str>)>;

    /// Row-major over [`Self::dimensions`].
    fn cell(self) -> usize;
}

fn dimension<L: Label>() -> (&'static str, Vec<&'static str>) {
    (L::NAME, L::ALL.iter().map(|label| label.value()).collect())
}

impl<A: Label> Labels for (A,) {
    fn dimensions() -> Vec<(&'static str, Vec<&'static str>)> {
        vec![dimension::<A>()]
    }

    fn cell(self) -> usize {
        self.0.index()
    }
}

impl<A: Label, B: Label> Labels for (A, B) {
    fn dimensions() -> Vec<(&'static str, Vec<&'static str>)> {
        vec![dimension::<A>(), dimension::<B>()]
    }

    fn cell(self) -> usize {
        self.0.index() * B::ALL.len() + self.1.index()
    }
}

impl<A: Label, B: Label, C: Label> Labels for (A, B, C) {
    fn dimensions() -> Vec<(&'static str, Vec<&'static str>)> {
        vec![dimension::<A>(), dimension::<B>(), dimension::<C>()]
    }

    fn cell(self) -> usize {
        (self.0, self.1).cell() * C::ALL.len() + self.2.index()
    }
}

/// Every combination of values, in the order of [`Labels::cell`].
fn combinations(dimensions: &[(&'static str, Vec<&'static str>)]) -> Vec<Vec<&'static str>> {
    dimensions.iter().fold(vec![Vec::new()], |rows, (_, values)| {
        let extend = |row: &Vec<&'static str>, value| [row.as_slice(), &[value]].concat();
        rows.iter().flat_map(|row| values.iter().map(move |value| extend(row, *value))).collect()
    })
}

/// The children of one family.
pub struct Children<L, M> {
    cells: Box<[M]>,
    labels: PhantomData<fn(L)>,
}

impl<L: Labels, M> Children<L, M> {
    pub fn at(&self, labels: L) -> &M {
        &self.cells[labels.cell()]
    }

    /// In the order of [`Labels::cell`].
    pub fn cells(&self) -> &[M] {
        &self.cells
    }
}

pub type Counters<L> = Children<L, IntCounter>;
pub type Gauges<L> = Children<L, IntGauge>;

/// Makes families and remembers them.
#[derive(Default)]
pub struct Families {
    pub registry: Registry,
    pub described: Vec<Description>,
}

impl Families {
    pub fn counter(&mut self, name: &str, help: &str) -> IntCounter {
        self.add(name, "counter", Vec::new(), help, IntCounter::new(name, help))
    }

    pub fn seconds_counter(&mut self, name: &str, help: &str) -> prometheus::Counter {
        self.add(name, "counter", Vec::new(), help, prometheus::Counter::new(name, help))
    }

    pub fn gauge(&mut self, name: &str, help: &str) -> IntGauge {
        self.add(name, "gauge", Vec::new(), help, IntGauge::new(name, help))
    }

    pub fn fraction_gauge(&mut self, name: &str, help: &str) -> Gauge {
        self.add(name, "gauge", Vec::new(), help, Gauge::new(name, help))
    }

    /// `buckets`: upper bounds, rising.
    pub fn histogram(&mut self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add(name, "histogram", Vec::new(), help, Histogram::with_opts(options))
    }

    pub fn counters<L: Labels>(&mut self, name: &str, help: &str) -> Counters<L> {
        let dimensions = L::dimensions();
        let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
        let cells = combinations(&dimensions);
        let family =
            self.add(name, "counter", dimensions, help, IntCounterVec::new(Opts::new(name, help), &names));
        let cells = cells.iter().map(|values| family.with_label_values(values)).collect();
        Children { cells, labels: PhantomData }
    }

    pub fn gauges<L: Labels>(&mut self, name: &str, help: &str) -> Gauges<L> {
        let dimensions = L::dimensions();
        let cells = combinations(&dimensions);
        let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
        let family = self.add(name, "gauge", dimensions, help, IntGaugeVec::new(Opts::new(name, help), &names));
        let cells = cells.iter().map(|values| family.with_label_values(values)).collect();
        Children { cells, labels: PhantomData }
    }

    /// Gauges whose label values the run brings: few, and none that a user chooses.
    pub fn open_gauges(&mut self, name: &str, help: &str, labels: &[&'static str]) -> IntGaugeVec {
        let dimensions = labels.iter().map(|label| (*label, Vec::new())).collect();
        self.add(name, "gauge", dimensions, help, IntGaugeVec::new(Opts::new(name, help), labels))
    }

    /// Counters with a first label of whose values the run brings few, and further labels as [`Self::counters`] has.
    pub fn open_counters<L: Labels>(&mut self, name: &str, help: &str, open: &'static str) -> IntCounterVec {
        let dimensions = [vec![(open, Vec::new())], L::dimensions()].concat();
        let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
        self.add(name, "counter", dimensions, help, IntCounterVec::new(Opts::new(name, help), &names))
    }

    fn add<M: Collector + Clone + 'static>(
        &mut self,
        name: &str,
        kind: &'static str,
        labels: Vec<(&'static str, Vec<&'static str>)>,
        help: &str,
        metric: prometheus::Result<M>,
    ) -> M {
        let metric = metric.expect(VALID);
        self.registry.register(Box::new(metric.clone())).expect(VALID);
        self.described.push(Description { name: name.to_owned(), kind, labels, help: help.to_owned() });
        metric
    }
}
