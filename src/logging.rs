//! What the program says of itself: structured lines on stderr, as text or JSON.
//!
//! Healthy, it says little: start, rebalances, restores, reloads, stop. A user or an address is never in a line above
//! `debug`. librdkafka's own lines come under the target [`KAFKA`], so they can be filtered like any other. A panic
//! is a line, too.

use std::io;

use anyhow::Context;
use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::{MakeWriter, SubscriberBuilder};
use tracing_subscriber::{EnvFilter, fmt};

/// Target of librdkafka's lines.
pub const KAFKA: &str = "librdkafka";
/// What is said when nobody asked for more or less.
pub const LEVEL_DEFAULT: &str = "info";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// Sends the log to stderr for the rest of the program. `level`: `info`, or a filter such as `warn,librdkafka=debug`.
///
/// # Errors
/// When `level` is no filter, or the log was set up before.
pub fn start(level: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = filter(level)?;
    let set = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(text(filter, io::stderr)),
        LogFormat::Json => tracing::subscriber::set_global_default(json(filter, io::stderr)),
    };
    set.context("the log was set up twice")?;
    std::panic::set_hook(Box::new(report_panic));
    Ok(())
}

fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let parts: Vec<&str> = level.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    // The filter takes any single word as a target's name: a misspelt level would silence the log.
    for part in parts.iter().filter(|part| !part.contains(['=', '['])) {
        let hint = "use error, warn, info, debug, trace or off, or TARGET=LEVEL, with commas between";
        part.parse::<LevelFilter>().with_context(|| format!("`{part}` is not a log level: {hint}"))?;
    }
    EnvFilter::builder().parse(parts.join(",")).with_context(|| format!("`{level}` is not a log filter"))
}

fn builder<W>(
    filter: EnvFilter,
    writer: W,
) -> SubscriberBuilder<fmt::format::DefaultFields, fmt::format::Format, EnvFilter, W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Colour is never needed, and a file has no use for it.
    fmt().with_env_filter(filter).with_ansi(false).with_writer(writer)
}

fn text<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    builder(filter, writer).finish()
}

fn json<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    builder(filter, writer).json().flatten_event(true).with_current_span(false).finish()
}

fn report_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = std::backtrace::Backtrace::capture();
    let thread = thread.name().unwrap_or("unnamed");
    tracing::error!(thread, place, %backtrace, "a thread panicked: {message}");
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `talk` writes, as one text.
    fn written(level: &str, format: LogFormat, talk: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let writer = move || writer.clone();
        let filter = filter(level).unwrap();
        match format {
            LogFormat::Text => tracing::subscriber::with_default(text(filter, writer), talk),
            LogFormat::Json => tracing::subscriber::with_default(json(filter, writer), talk),
        }
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn text_has_level_target_and_fields() {
        let text = written("info", LogFormat::Text, || tracing::info!(partition = 3, "restored"));
        assert!(text.contains(" INFO farsign::logging::tests: restored partition=3\n"), "{text}");
        assert!(!text.contains('\u{1b}'), "no colour");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = written("info", LogFormat::Json, || {
            tracing::warn!(partition = 3, reason = "a \"quoted\"\nline", "slow");
            tracing::error!(target: KAFKA, "gone");
        });
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["level"], "WARN");
        assert_eq!(lines[0]["message"], "slow");
        assert_eq!(lines[0]["partition"], 3);
        assert_eq!(lines[0]["reason"], "a \"quoted\"\nline");
        assert_eq!(lines[1]["target"], KAFKA);
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn the_filter_decides() {
        let talk = || {
            tracing::debug!("a detail");
            tracing::info!("a step");
            tracing::warn!(target: KAFKA, "a broker is gone");
        };
        let check = |level: &str, expected: [bool; 3]| {
            let text = written(level, LogFormat::Text, talk);
            let said = ["a detail", "a step", "a broker"].map(|words| text.contains(words));
            assert_eq!(said, expected, "{level}: {text}");
        };
        check("info", [false, true, true]);
        check("warn", [false, false, true]);
        check("off", [false, false, false]);
        check("INFO,librdkafka=error", [false, true, false]);
        check("warn, farsign=debug", [true, true, true]);
    }

    #[test]
    fn a_misspelt_level_is_refused() {
        let message = |level: &str| filter(level).unwrap_err().to_string();
        assert!(
            message("inof").starts_with("`inof` is not a log level: use error, warn, info"),
            "{}",
            message("inof")
        );
        assert!(message("info,librdkafka=loud").contains("`info,librdkafka=loud` is not a log filter"));
    }
}
