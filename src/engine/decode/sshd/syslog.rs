//! The head of a syslog line of sshd's: when, which host, which process; and the message behind it.
//!
//! RFC 3164 and 5424, with or without `<priority>`, ISO times as rsyslog and `journalctl` write them, seconds since
//! 1970, and what Solaris, AIX and FreeBSD put between host and tag. A line whose tag is another program's is none.

use super::super::paths::no_time;
use super::super::time::parse_time;
use super::super::undated::{is_date, is_time_of_day, month_of, time_of_month};
use super::super::{Around, Reject};
use crate::engine::signin::EventTime;

/// Words between time and tag: the host, and what some systems put there.
const WORDS_BEFORE_TAG_MAX: usize = 4;

/// One line, taken apart; what it does not have is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Line<'a> {
    time: &'a str,
    pub(super) host: &'a str,
    pub(super) pid: &'a str,
    pub(super) message: &'a str,
}

impl<'a> Line<'a> {
    /// Of a message alone.
    pub(super) fn of_message(message: &'a str) -> Line<'a> {
        Line { message, ..Line::default() }
    }

    /// When it was written; where it does not say, when the record came.
    ///
    /// # Errors
    /// Nothing says.
    pub(super) fn time(&self, around: &Around) -> Result<EventTime, Reject> {
        time_of(self.time, around)
    }

    /// A line of sshd's; `None` where it has no head, or another program's.
    pub(super) fn of_sshd(text: &'a str) -> Option<Line<'a>> {
        let rest = after_priority(text);
        if let Some(line) = rest.strip_prefix("1 ").and_then(structured) {
            return is_sshd(line.0).then_some(line.1);
        }
        let (time, rest) = split_time(rest);
        traditional(time, rest)
    }
}

/// When it is written in any of the forms of a head.
pub(super) fn time_of(text: &str, around: &Around) -> Result<EventTime, Reject> {
    if text.is_empty() {
        return around.time.ok_or_else(|| no_time(None));
    }
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return time_of_month(text, around);
    }
    parse_time(text).map_err(|error| no_time(Some(error)))
}

fn after_priority(text: &str) -> &str {
    let inside = text.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    match inside {
        Some((digits, rest)) if digits.len() <= 3 && is_number(digits) => rest,
        _ => text,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(' ').unwrap_or((text, ""))
}

/// RFC 5424 behind its version: the program, and the line.
fn structured(text: &str) -> Option<(&str, Line<'_>)> {
    let (time, rest) = word(text);
    let (host, rest) = word(rest);
    let (program, rest) = word(rest);
    let (pid, rest) = word(rest);
    let (_message_id, rest) = word(rest);
    let message = after_structured_data(rest.trim_start())?;
    let present = |text| if text == "-" { "" } else { text };
    let message = message.trim_start().trim_start_matches('\u{feff}');
    Some((program, Line { time: present(time), host: present(host), pid: present(pid), message }))
}

/// Behind `-` or the bracketed elements, in whose quotes a bracket may stand.
fn after_structured_data(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(rest);
    }
    let (mut is_inside, mut is_quoted, mut is_escaped) = (false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' if is_inside => is_quoted = !is_quoted,
            b'[' if !is_inside => is_inside = true,
            b']' if is_inside && !is_quoted => is_inside = false,
            _ if !is_inside => return text.get(at..).filter(|_| at > 0),
            _ => {}
        }
    }
    None
}

/// The time at the beginning, as written; empty where there is none.
fn split_time(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (first, rest) = word(text);
    let weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    if weekdays.iter().any(|day| first.trim_end_matches(',').eq_ignore_ascii_case(day)) {
        let (time, rest) = split_time_of_date(rest.trim_start());
        return if time.is_empty() { ("", text) } else { (time, rest) };
    }
    split_time_of_date(text)
}

fn split_time_of_date(text: &str) -> (&str, &str) {
    let until = |rest: &str| text.split_at(text.len() - rest.len());
    let (first, rest) = word(text);
    if first.get(..10).is_some_and(is_date) {
        let (second, after) = word(rest);
        let is_alone = first.len() > 10;
        if !is_alone && !is_time_of_day(second) {
            return ("", text);
        }
        let rest = if is_alone { rest } else { after };
        let (zone, after) = word(rest);
        return if is_zone(zone) { until(after) } else { until(rest) };
    }
    if month_of(first).is_some() {
        let (day, rest) = word(rest);
        let (second, rest) = word(rest);
        let (third, after) = word(rest);
        let is_year = |text: &str| text.len() == 4 && is_number(text);
        return match () {
            () if !is_number(day.trim_end_matches(',')) => ("", text),
            () if is_year(second) && is_time_of_day(third) => until(after),
            () if is_time_of_day(second) && is_year(third) => until(after),
            () if is_time_of_day(second) => until(rest),
            () => ("", text),
        };
    }
    let is_epoch = first.len() >= 10 && first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_epoch { until(rest) } else { ("", text) }
}

fn is_zone(word: &str) -> bool {
    let digits = word.strip_prefix(['+', '-']).unwrap_or_default();
    ["UTC", "GMT", "Z"].contains(&word) || (digits.len() >= 4 && is_number(&digits.replacen(':', "", 1)))
}

/// RFC 3164 behind its time: the host, a tag that ends with a colon, the message.
fn traditional<'a>(time: &'a str, text: &'a str) -> Option<Line<'a>> {
    let (mut host, mut rest) = ("", text);
    for _ in 0..=WORDS_BEFORE_TAG_MAX {
        let (found, after) = word(rest);
        if let Some(tag) = found.strip_suffix(':') {
            let (program, pid) = split_tag(tag);
            let message = after_message_id(after.trim_start());
            return is_sshd(program).then_some(Line { time: time.trim_end(), host, pid, message });
        }
        let is_facility = found.starts_with('<') || found.contains('|');
        if host.is_empty() && !is_facility {
            host = found;
        }
        rest = after;
    }
    None
}

/// Program and process of a tag: `sshd[1]`, `/usr/sbin/sshd[1]`, `sshd(pam_unix)[1]`.
fn split_tag(tag: &str) -> (&str, &str) {
    let name = tag.split(['[', '(']).next().unwrap_or_default();
    let pid = tag.split_once('[').and_then(|(_, rest)| rest.split(']').next()).unwrap_or_default();
    (name, pid)
}

/// Solaris: `[ID 800047 auth.info] `.
fn after_message_id(message: &str) -> &str {
    let rest = message.strip_prefix("[ID ").and_then(|rest| rest.split_once("] "));
    rest.map_or(message, |(_, message)| message)
}

/// Since OpenSSH 9.8 the session's process, and since 10.0 that of authentication, have names of their own.
pub(super) fn is_sshd(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    ["sshd", "sshd-session", "sshd-auth"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let table = [
            ("Feb 12 14:10:21 web1 sshd[77]: m", "Feb 12 14:10:21", "web1", "77"),
            ("<38>Feb  2 14:10:21.5 web1 sshd[77]: m", "Feb  2 14:10:21.5", "web1", "77"),
            ("Feb 12 2024 14:10:21 web1 sshd: m", "Feb 12 2024 14:10:21", "web1", ""),
            (
                "2024-02-12T14:10:21.123456+01:00 web1 sshd-session[7]: m",
                "2024-02-12T14:10:21.123456+01:00",
                "web1",
                "7",
            ),
            ("2024-02-12 14:10:21 +0100 web1 sshd[7]: m", "2024-02-12 14:10:21 +0100", "web1", "7"),
            ("Mon 2024-02-12 14:10:21 UTC web1 sshd[7]: m", "2024-02-12 14:10:21 UTC", "web1", "7"),
            ("1707747021.123456 web1 sshd[7]: m", "1707747021.123456", "web1", "7"),
            ("<38>1 2024-02-12T14:10:21.123Z web1 sshd 77 - - m", "2024-02-12T14:10:21.123Z", "web1", "77"),
            (
                "<38>1 2024-02-12T14:10:21Z - sshd - ID [a b=\"]\\\"\"][c] \u{feff}m",
                "2024-02-12T14:10:21Z",
                "",
                "",
            ),
            ("Feb 12 14:10:21 web1 auth|security:info sshd[77]: m", "Feb 12 14:10:21", "web1", "77"),
            ("Feb 12 14:10:21 <auth.info> web1 sshd[77]: m", "Feb 12 14:10:21", "web1", "77"),
            ("Feb 12 14:10:21 web1 sshd[77]: [ID 800047 auth.info] m", "Feb 12 14:10:21", "web1", "77"),
            ("Feb 12 14:10:21 web1 /usr/sbin/sshd(pam_unix)[77]: m", "Feb 12 14:10:21", "web1", "77"),
            ("<38>sshd[77]: m", "", "", "77"),
        ];
        for (text, time, host, pid) in table {
            assert_eq!(Line::of_sshd(text), Some(Line { time, host, pid, message: "m" }), "{text}");
        }
    }

    #[test]
    fn lines_of_others() {
        for text in [
            "Feb 12 14:10:21 web1 systemd[1]: sshd[33]: m",
            "Feb 12 14:10:21 web1 sudo: root : sshd[1]: m",
            "<38>1 2024-02-12T14:10:21.123Z web1 nginx 77 - - sshd[1]: m",
            "Feb 12 14:10:21 web1 last message repeated 3 times",
            "Feb 12 web1 a b c d sshd[1]: m",
            "2024-02-12 web1 nothing",
            "<38>1 2024-02-12T14:10:21Z h sshd 1 - [open m",
            "",
            "é",
        ] {
            assert_eq!(Line::of_sshd(text), None, "{text}");
        }
    }
}
