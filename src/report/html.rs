//! A [`Page`] → one HTML file that needs nothing else.
//!
//! Text of the input reaches the page in two ways: through the template, which escapes it, and as JSON without a `<`. Should
//! both fail, the browser runs no script but the two whose hashes the page's own policy names, and loads nothing.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::page::{Block, Chart, Page};

/// Apache ECharts, and topojson-client's `feature`: made by scripts/report-assets.sh.
const CHARTING: &str = include_str!("assets/charting.min.js");
/// Natural Earth's countries at 1:110 million, as npm's `world-atlas` has them.
const WORLD: &str = include_str!("assets/countries-110m.json");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

#[derive(Template)]
#[template(path = "page.html")]
struct Document<'a> {
    page: &'a Page,
    version: &'static str,
    policy: String,
    style: &'static str,
    charting: &'static str,
    script: &'static str,
    charts: String,
    /// Empty where no chart is a map.
    world: String,
}

#[derive(Serialize)]
struct Drawn<'a> {
    /// Of the element that it is drawn in.
    id: String,
    title: &'a str,
    about: &'a str,
    #[serde(flatten)]
    chart: &'a Chart,
}

/// The page as HTML. The same page gives the same bytes.
///
/// # Errors
/// When a chart holds what JSON cannot.
pub fn render(page: &Page) -> anyhow::Result<String> {
    let mut drawn = Vec::new();
    for (section, number) in page.sections.iter().zip(1..) {
        for (block, place) in section.blocks.iter().zip(1..) {
            let Block { title, about, chart: Some(chart), .. } = block else { continue };
            drawn.push(Drawn { id: format!("chart-{number}-{place}"), title, about, chart });
        }
    }
    let has_map = drawn.iter().any(|drawn| matches!(drawn.chart, Chart::Map(_)));
    let hash = |script: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script)));
    let document = Document {
        page,
        version: env!("CARGO_PKG_VERSION"),
        policy: format!(
            "default-src 'none'; script-src {} {}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
            hash(CHARTING),
            hash(SCRIPT)
        ),
        style: STYLE,
        charting: CHARTING,
        script: SCRIPT,
        charts: embedded(&serde_json::to_string(&drawn)?),
        world: if has_map { embedded(WORLD.trim()) } else { String::new() },
    };
    Ok(document.render()? + "\n")
}

/// JSON that no HTML parser takes for the end of its element, or the beginning of another.
fn embedded(json: &str) -> String {
    json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}
