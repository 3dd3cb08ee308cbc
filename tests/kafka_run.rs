//! `farsign run` on a real broker, as an operator meets it.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;

use common::kafka::proof::assert_exactly_once;
use common::kafka::sign_ins::simulated;
use common::kafka::{Broker, Deployment};
use farsign::simulate::Form;

#[test]
fn two_instances_give_the_answer_of_replay() {
    let deployment = Deployment::new(Broker::shared(), "same").create(4);
    let records = simulated(60, 14, Form::EntraLean);
    let first = deployment.start();
    let second = deployment.start();
    first.wait_until_ready();
    second.wait_until_ready();
    deployment.broker.produce(&deployment.input(), &records);
    deployment.wait_until_done();
    let evidence = assert_exactly_once(&deployment);
    assert_eq!(evidence.probes.len(), records.len());
    deployment.assert_same_as_replay(&records);
    // Both had a part in it.
    for instance in [first, second] {
        assert!(instance.metric("farsign_transactions_total", "outcome=\"committed\"") > 0.0);
        instance.terminate();
    }
}
