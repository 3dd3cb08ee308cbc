//! `farsign run` with shadow policies on a real broker: what they find is replay's, byte for byte, in a topic of its own, and
//! the live topics hold what they hold without.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;

use common::kafka::proof::assert_exactly_once;
use common::kafka::sign_ins::simulated;
use common::kafka::{Broker, Deployment, assert_same_detections};
use farsign::simulate::Form;
use serde_json::Value;

const SHADOWS: &str = "policies:
- {name: same, shadow: true}
- name: eager
  shadow: true
  detections: {unfamiliar_features: {low_bits: 6}, impossible_travel: {max_speed_kmh: 400, min_distance_km: 200}}
";

fn of(lines: &[String], policy: &str) -> Vec<String> {
    let is_of =
        |line: &&String| serde_json::from_str::<Value>(line).unwrap()["farsign"]["shadow"]["policy"] == policy;
    lines.iter().filter(is_of).cloned().collect()
}

#[test]
fn what_shadows_find_is_that_of_replay_and_live_topics_do_not_know_of_them() {
    let deployment = Deployment::new(Broker::shared(), "shadow").with(SHADOWS).create(4);
    let records = simulated(60, 10, Form::EntraLean);
    let (first, second) = records.split_at(records.len() / 2);
    // One ends in the middle, and another goes on with its state.
    for (part, is_last) in [(first, false), (second, true)] {
        let instance = deployment.start_ready();
        deployment.broker.produce(&deployment.input(), part);
        deployment.wait_until_done();
        if is_last {
            let counted = instance.metric("farsign_shadow_detections_total", "policy=\"eager\"");
            assert!(counted > 0.0, "counted under its name");
        }
        instance.terminate();
    }
    assert_exactly_once(&deployment);
    deployment.assert_same_as_replay(&records);

    let shadow = deployment.file("shadow.json");
    let plain = deployment.file("plain.json");
    let log = deployment.file("log.json");
    let mut replay = deployment.farsign(&["replay", "--updates"]);
    replay.arg("--output").arg(&plain).arg("--shadow-output").arg(&shadow).arg(&log);
    assert!(replay.output().unwrap().status.success());
    let replayed: Vec<String> = std::fs::read_to_string(&shadow).unwrap().lines().map(str::to_owned).collect();
    let told = deployment.lines("shadow");
    for policy in ["same", "eager"] {
        assert_same_detections(&of(&told, policy), &of(&replayed, policy));
    }

    // The topics read once give the same again.
    let offline = deployment.file("offline.json");
    let mut replay = deployment.farsign(&["replay", "--kafka"]);
    replay.arg("--output").arg(&plain).arg("--shadow-output").arg(&offline);
    assert!(replay.output().unwrap().status.success());
    let offline: Vec<String> = std::fs::read_to_string(&offline).unwrap().lines().map(str::to_owned).collect();
    assert_same_detections(&of(&offline, "eager"), &of(&replayed, "eager"));
}
