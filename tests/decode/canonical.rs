//! Canonical form loses nothing: what any form decodes to, written and read again, is the same sign-in.
//!
//! A repartition stage stands on this: tasks behind it judge what they would have judged of the original. Facts are
//! a pure function of the sign-in, so an equal sign-in has equal facts.

use farsign::engine::decode::{
    Decoded, Format, decode, write_farsign, write_farsign_feedback, write_farsign_upstream_finding,
};
use farsign::simulate::{self, Form};
use proptest::prelude::*;
use serde_json::Value;

use crate::differential::{any_value, damage, escaped, in_form};
use crate::fixtures::properties;

/// Checks everything in the record; gives how much that was.
fn check(record: &[u8]) -> Result<usize, TestCaseError> {
    let mut decoded = Vec::new();
    decode(Format::Auto, record, &mut |element| decoded.extend(element.ok()));
    let mut checked = 0;
    for element in decoded {
        let mut line = Vec::new();
        match &element {
            Decoded::SignIn(sign_in) => write_farsign(sign_in, &mut line),
            Decoded::Feedback(feedback) => write_farsign_feedback(feedback, &mut line),
            Decoded::UpstreamFinding(finding) => write_farsign_upstream_finding(finding, &mut line),
            Decoded::Skipped(_) => continue,
        }
        let mut again = Vec::new();
        decode(Format::Farsign, &line, &mut |element| again.push(element));
        prop_assert_eq!(again, vec![Ok(element.clone())]);
        checked += 1;
    }
    Ok(checked)
}

#[test]
fn every_form_that_is_simulated_survives() {
    for form in [Form::EntraEventHub, Form::EntraLean, Form::Graph, Form::LogAnalytics, Form::Farsign] {
        let config = simulate::Config { users: 12, days: 2, form, ..simulate::Config::default() };
        let (mut records, mut labels) = (Vec::new(), Vec::new());
        simulate::run(&config, &mut records, &mut labels, &mut |_| {}).unwrap();
        let checked: usize = records.split(|byte| *byte == b'\n').map(|record| check(record).unwrap()).sum();
        assert!(checked > 100, "{form:?}: {checked}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_damaged_but_read_survives(
        form in 0_u8..9,
        inside in prop::collection::vec((any::<usize>(), prop::option::of(any_value())), 0..5),
        around in prop::collection::vec((any::<usize>(), prop::option::of(any_value())), 0..3),
        escape: bool,
    ) {
        let mut object: Value = properties();
        for (at, value) in inside {
            damage(&mut object, at, value);
        }
        let mut record = in_form(form, &object);
        for (at, value) in around {
            damage(&mut record, at, value);
        }
        let text = record.to_string();
        check(if escape { escaped(&text) } else { text }.as_bytes())?;
    }
}
