//! Any text as a configuration: a configuration or its problems, never a panic.
#![no_main]

use std::collections::BTreeMap;

use farsign::config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let environment = BTreeMap::from([("HOME".to_owned(), "/root".to_owned())]);
    if let Err(problems) = config::parse(text, &environment) {
        assert!(!problems.problems.is_empty());
    }
});
