//! [`Report`] → SVG charts: recall over false alerts, recall by kind of attack, false alerts by cause.
//!
//! Text is laid out without fonts, so the same report gives the same bytes on every machine.

use std::path::Path;

use anyhow::Context;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::pool::FARSIGN;
use super::report::{Curve, Point as Measured, Report};

const SIZE: (u32, u32) = (960, 600);
const FONT: &str = "sans-serif";
/// Told apart without colour vision (Okabe and Ito).
const COLORS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
/// Ends of the budget axis, false alerts per 1,000 active users per day.
const RATES: std::ops::Range<f64> = 0.1..1_000.0;
/// Bars of a chart; more would not be read.
const BARS_MAX: usize = 20;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Writes the charts that the report has figures for into a folder, which is made if need be.
pub fn write_plots(report: &Report, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    if !report.curves.is_empty() {
        write(folder, "recall-by-budget.svg", &|area| curves(report, area))?;
    }
    write(folder, "recall-by-attack.svg", &|area| {
        let low = report.points.iter().find(|point| point.detector == FARSIGN);
        let attacks = low.into_iter().flat_map(|point| &point.attacks);
        let bars = attacks.map(|(attack, point)| (attack.clone(), point.recall.value * 100.0)).collect();
        bar_chart(area, "Campaigns caught by Farsign at level low and above, %", bars)
    })?;
    write(folder, "false-alerts-by-cause.svg", &|area| {
        let per_cause = |counted: &super::report::Counted| {
            counted.rate.unwrap_or((counted.low + counted.medium + counted.high) as f64)
        };
        let mut bars: Vec<(String, f64)> = report
            .false_alerts
            .causes
            .iter()
            .map(|(cause, counted)| (cause.clone(), per_cause(counted)))
            .collect();
        bars.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let unit = if report.input.active_user_days.is_some() { " per 1,000 active users per day" } else { "" };
        bar_chart(area, &format!("Farsign's false alerts by benign cause{unit}"), bars)
    })
}

fn write(folder: &Path, name: &str, draw: &dyn Fn(&Area<'_>) -> Drawn) -> anyhow::Result<()> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        let drawn = area.fill(&WHITE).map_err(Into::into).and_then(|()| draw(&area));
        let drawn = drawn.and_then(|()| area.present().map_err(Into::into));
        drawn.map_err(|error| anyhow::anyhow!("cannot draw `{name}`: {error}"))?;
    }
    let path = folder.join(name);
    std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Recall over false alerts on a logarithmic axis: a line for each score, a dot for each flag.
fn curves(report: &Report, area: &Area<'_>) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .caption("Campaigns caught at a budget of false alerts", (FONT, 22))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(56)
        .build_cartesian_2d(RATES.log_scale(), 0.0..100.0)?;
    chart
        .configure_mesh()
        .x_desc("false alerts per 1,000 active users per day")
        .y_desc("campaigns caught, kinds of attack weighted equally, %")
        .x_label_formatter(&|rate| format!("{rate}"))
        .y_max_light_lines(1)
        .label_style((FONT, 14))
        .draw()?;
    let mut colors = COLORS.iter().copied().cycle();
    for Curve { detector, points } in &report.curves {
        let color = colors.next().unwrap_or(BLACK);
        let line: Vec<(f64, f64)> = points.iter().map(|point| (point.budget, point.recall * 100.0)).collect();
        chart
            .draw_series(LineSeries::new(line, color.stroke_width(2)))?
            .label(detector)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    for Measured { detector, recall, false_alert_rate, .. } in report.points.iter().filter(|p| p.at == "flag") {
        let color = colors.next().unwrap_or(BLACK);
        let at = (
            false_alert_rate.map_or(0.0, |rate| rate.value).clamp(RATES.start, RATES.end),
            recall.map_or(0.0, |r| r.value * 100.0),
        );
        chart
            .draw_series([Circle::new(at, 6, color.filled())])?
            .label(detector)
            .legend(move |(x, y)| Circle::new((x + 9, y), 5, color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .label_font((FONT, 14))
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK)
        .draw()?;
    Ok(())
}

/// Horizontal bars, the first on top, each with its value.
fn bar_chart(area: &Area<'_>, caption: &str, mut bars: Vec<(String, f64)>) -> Drawn {
    bars.truncate(BARS_MAX);
    let highest = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max).max(1e-9);
    let rows = bars.len().max(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(caption, (FONT, 22))
        .margin(16)
        .x_label_area_size(32)
        .y_label_area_size(220)
        .build_cartesian_2d(0.0..highest * 1.12, 0.0..rows)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_max_light_lines(1)
        .label_style((FONT, 14))
        .draw()?;
    let color = COLORS[0];
    for (row, (name, value)) in bars.iter().enumerate() {
        let middle = rows - row as f64 - 0.5;
        chart.draw_series([Rectangle::new([(0.0, middle - 0.35), (*value, middle + 0.35)], color.filled())])?;
        let value_text = if highest < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") };
        chart.draw_series([Text::new(value_text, (value + highest * 0.01, middle + 0.12), (FONT, 14))])?;
        let (_, y) = chart.backend_coord(&(0.0, middle));
        area.draw(&Text::new(name.clone(), (20, y - 7), (FONT, 14)))?;
    }
    Ok(())
}
