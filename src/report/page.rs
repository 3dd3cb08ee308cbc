//! What a page shows: sections of blocks, each a chart and the table of its figures.
//!
//! A block's table is written as HTML and can be read without scripts; its chart is data that `page.js` draws. Both are made
//! of the same values, so they cannot disagree.

use serde::Serialize;

/// One page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub title: String,
    /// Where the figures come from: name and value.
    pub facts: Vec<(String, String)>,
    /// What a reader must know to trust the figures: what is missing, and why.
    pub notes: Vec<String>,
    /// The figures that matter most: name and value.
    pub headlines: Vec<(String, String)>,
    pub sections: Vec<Section>,
}

#[derive(Clone, Debug, Default)]
pub struct Section {
    pub title: String,
    pub about: String,
    pub blocks: Vec<Block>,
}

/// One statement: what is shown, the chart if it can be drawn, and the figures.
#[derive(Clone, Debug)]
pub struct Block {
    pub title: String,
    /// What the chart shows and what stands out, for who cannot see it and for who can.
    pub about: String,
    pub chart: Option<Chart>,
    pub table: Table,
}

/// Figures. The first column names the row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// Columns from this one on are numbers; as many as the header's: none is.
    pub numbers_from: usize,
}

/// The name of a column of times: they are not broken into lines.
pub const TIME: &str = "time (UTC)";

impl Table {
    /// How the cells of a column are set. A reference, as the template has one.
    pub fn class(&self, column: &usize) -> &'static str {
        match self.header.get(*column) {
            Some(name) if name == TIME => "time",
            _ if *column >= self.numbers_from => "number",
            _ => "text",
        }
    }

    /// `numbers_from`: the first column of numbers, up to the last.
    pub fn new(header: &[&str], numbers_from: usize, rows: Vec<Vec<String>>) -> Table {
        Table { header: header.iter().map(|name| (*name).to_owned()).collect(), rows, numbers_from }
    }
}

/// What `page.js` draws.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Chart {
    Bars(Bars),
    Lines(Lines),
    Heat(Heat),
    Map(Map),
    Timeline(Timeline),
}

/// A count for each category, or several on top of each other.
#[derive(Clone, Debug, Serialize)]
pub struct Bars {
    pub categories: Vec<String>,
    pub series: Vec<Series>,
    pub unit: String,
    /// Categories are names, to be read from top to bottom; else they are times.
    pub lying: bool,
    /// Bars of one category stand on each other; else beside each other.
    pub stacked: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct Series {
    pub name: String,
    pub values: Vec<f64>,
}

/// Points in a plane, joined or not.
#[derive(Clone, Debug, Serialize)]
pub struct Lines {
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Line>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Axis {
    pub name: String,
    pub is_logarithmic: bool,
    /// `None`: as the data has it.
    pub max: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub name: String,
    pub points: Vec<[f64; 2]>,
    /// Names of single points; empty where they have none.
    pub names: Vec<String>,
    pub joined: bool,
}

/// A count for each pair of a column and a row.
#[derive(Clone, Debug, Serialize)]
pub struct Heat {
    pub columns: Vec<String>,
    pub rows: Vec<String>,
    /// By row, then column.
    pub counts: Vec<Vec<u64>>,
    pub unit: String,
}

/// Places and journeys on the map of the world. Coordinates are longitude and latitude, degrees.
#[derive(Clone, Debug, Serialize)]
pub struct Map {
    pub places: Vec<Place>,
    pub journeys: Vec<Journey>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Place {
    pub name: String,
    pub at: [f64; 2],
    pub detections: u64,
    /// The highest.
    pub level: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub struct Journey {
    pub name: String,
    pub from: [f64; 2],
    pub to: [f64; 2],
    pub detections: u64,
    pub level: &'static str,
}

/// Events in time, each in a row.
#[derive(Clone, Debug, Serialize)]
pub struct Timeline {
    pub rows: Vec<String>,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Event {
    pub row: usize,
    /// RFC 3339, UTC.
    pub time: String,
    pub level: &'static str,
    pub what: String,
}
