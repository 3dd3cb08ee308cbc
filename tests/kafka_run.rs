//! `farsign run` on a real broker, as an operator meets it.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;

use common::kafka::proof::assert_exactly_once;
use common::kafka::sign_ins::simulated;
use common::kafka::{Broker, Deployment, by_field};
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
    assert_same_as_replay(&deployment, &records);
    // Both had a part in it.
    for instance in [first, second] {
        assert!(instance.metric("farsign_transactions_total", "outcome=\"committed\"") > 0.0);
        instance.terminate();
    }
}

/// Detections byte for byte, every version in its order; users' risk as it is in the end.
fn assert_same_as_replay(deployment: &Deployment<'_>, records: &[common::kafka::Record]) {
    let replayed = deployment.replay(records);
    assert!(replayed.detections.len() > 10, "{} detections prove little", replayed.detections.len());
    let live = by_field(&deployment.lines("risk-detections"), "id");
    assert_eq!(live, by_field(&replayed.detections, "id"));
    let mut latest = by_field(&deployment.lines("risky-users"), "id");
    latest.values_mut().for_each(|versions| drop(versions.drain(..versions.len() - 1)));
    assert_eq!(latest, by_field(&replayed.risky_users, "id"));
}
