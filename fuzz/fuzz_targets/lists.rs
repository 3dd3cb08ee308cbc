//! Any text as a network list: entries or errors with lines that exist.
#![no_main]

use farsign::engine::enrich::parse_list;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(errors) = parse_list(text) {
        assert!(errors.iter().all(|error| error.line >= 1 && error.line <= text.lines().count()));
    }
});
