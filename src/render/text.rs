//! Text for a terminal: headings, paragraphs and tables of at most [`WIDTH`] columns (but [`wide_table`]), without colour.
//!
//! The same values give the same text: nothing here depends on the terminal, the clock or the machine.

use std::borrow::Cow;
use std::collections::BTreeMap;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use indicatif::HumanCount;

pub const WIDTH: u16 = 100;

/// The text with what a terminal would obey, or show elsewhere than it stands, in `\u{…}`: user agents, names and places are
/// what somebody sent who signed in. Line ends and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    let hides = |c: char| {
        let turns =
            matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        turns || c.is_control() && c != '\n' && c != '\t'
    };
    if !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    let show = |shown: String, c: char| {
        if hides(c) { shown + &c.escape_unicode().to_string() } else { shown + c.encode_utf8(&mut [0; 4]) }
    };
    Cow::Owned(text.chars().fold(String::with_capacity(text.len()), show))
}

pub fn heading(text: &str) -> String {
    format!("\n{text}\n{}\n", "=".repeat(text.chars().count()))
}

/// Text broken into lines, with a line end.
pub fn paragraph(text: &str) -> String {
    wrapped(text, "")
}

/// Text broken into lines behind `indent`.
pub fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let length = indent.len() + line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > usize::from(WIDTH) {
            lines.push_str(&format!("{indent}{line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push_str(&format!("{indent}{line}\n"));
    lines
}

/// A table; columns in `numbers` are aligned to the right.
pub fn table<R: IntoIterator<Item = String>>(header: &[&str], numbers: &[usize], rows: Vec<R>) -> String {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    filled(table, header, numbers, rows)
}

/// A table as wide as what it holds: for figures that a line break would tear apart.
pub fn wide_table<R: IntoIterator<Item = String>>(header: &[&str], numbers: &[usize], rows: Vec<R>) -> String {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Disabled);
    filled(table, header, numbers, rows)
}

fn filled<R: IntoIterator<Item = String>>(
    mut table: Table,
    header: &[&str],
    numbers: &[usize],
    rows: Vec<R>,
) -> String {
    table.load_style(presets::UTF8_FULL_CONDENSED).force_no_tty();
    let aligned = |(index, text): (usize, String)| {
        let side = if numbers.contains(&index) { CellAlignment::Right } else { CellAlignment::Left };
        Cell::new(text).set_alignment(side)
    };
    table.set_header(header.iter().map(|name| (*name).to_owned()).enumerate().map(aligned).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row.into_iter().enumerate().map(aligned).collect::<Vec<_>>());
    }
    format!("{table}\n")
}

/// "1 file", "1,000 files".
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// What filters left out, as the end of a list in brackets; empty where nothing was.
pub fn filtered(by_name: &BTreeMap<String, u64>) -> String {
    let listed: Vec<String> = by_name.iter().map(|(name, number)| format!("{name} {}", count(*number))).collect();
    if listed.is_empty() { String::new() } else { format!("; filtered: {}", listed.join(", ")) }
}

pub fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// "85 %"; "-" of nothing.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.0} %", part as f64 * 100.0 / whole as f64) }
}

/// "0 s", "12 min", "3.4 h", "2.1 days".
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5_400.0 => format!("{:.0} min", s / 60.0),
        s if s < 129_600.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(visible("Zürich,\tNew York\n東京 – 🦀"), "Zürich,\tNew York\n東京 – 🦀");
        assert_eq!(visible("a\u{1b}[2J\u{1b}]0;x\u{7}b\rc"), "a\\u{1b}[2J\\u{1b}]0;x\\u{7}b\\u{d}c");
        assert_eq!(visible("\u{9b}31m \u{202e}fdp\u{2066}\u{7f}"), "\\u{9b}31m \\u{202e}fdp\\u{2066}\\u{7f}");
    }

    #[test]
    fn text_is_broken_at_the_width() {
        let text = wrapped(&"word ".repeat(60), "  ");
        assert!(text.lines().all(|line| line.len() <= usize::from(WIDTH) && line.starts_with("  word")));
        // 2 + 19 * 5 + 4 is above the width by one: 19 words a line.
        assert_eq!(
            text.lines().map(|line| line.split(' ').filter(|word| *word == "word").count()).max(),
            Some(19)
        );
        assert_eq!(wrapped("one", "> "), "> one\n");
    }

    #[test]
    fn durations_are_short() {
        let check = |seconds: f64, expected: &str| assert_eq!(duration(seconds), expected);
        check(0.0, "0 s");
        check(89.0, "89 s");
        check(90.0, "2 min");
        check(5_400.0, "1.5 h");
        check(129_600.0, "1.5 days");
    }
}
