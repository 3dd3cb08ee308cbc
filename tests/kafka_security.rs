//! `farsign run` over TLS with SCRAM: it says which right is missing, begins by itself when it is given, and works.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;

use common::kafka::proof::assert_exactly_once;
use common::kafka::sign_ins::simulated;
use common::kafka::{Broker, Deployment, Options};
use farsign::simulate::Form;

#[test]
fn a_missing_right_is_named_and_waited_for() {
    let broker = Broker::start(Options { sasl: true, tls: true, ..Options::default() });
    let security = format!(
        "{{protocol: sasl_ssl, ssl: {{ca_file: {}}}, sasl: {{mechanism: SCRAM-SHA-512, username: farsign, \
         password: \"${{PASSWORD}}\"}}}}",
        broker.tls_file("ca.pem").display()
    );
    let deployment = Deployment::new(&broker, "secure")
        .create(2)
        .set("kafka", "bootstrap_servers", &format!("[\"{}\"]", broker.bootstrap_sasl_tls()))
        .set("kafka", "security", &security)
        .environment("PASSWORD", "farsign-secret");
    let (own, id) = (format!("{}.", deployment.name), format!("{}-", deployment.name));
    let prefixed = ["--resource-pattern-type", "prefixed"];
    let topics = [&["--topic", &own][..], &prefixed].concat();
    broker.allow("farsign", "Read", &topics);
    broker.allow("farsign", "Read", &["--group", &deployment.name]);
    broker.allow("farsign", "Write", &[&["--transactional-id", &id][..], &prefixed].concat());
    for kind in ["state", "profiles", "risky-users", "dead-letter", "probe"] {
        broker.allow("farsign", "Write", &["--topic", &deployment.topic(kind)]);
    }
    let records = simulated(30, 4, Form::EntraLean);
    broker.produce(&deployment.input(), &records);

    let instance = deployment.start();
    let detections = deployment.topic("risk-detections");
    instance.wait_for_log(&["ERROR", &detections, "Write"]);
    let (status, said) = instance.get("readyz");
    assert!(status == 503 && said.contains(&detections), "{status} {said}");
    assert!(!instance.log().contains("farsign-secret"), "the password is in the log");
    broker.allow("farsign", "Write", &["--topic", &detections]);
    instance.wait_until_ready();
    deployment.wait_until_done();
    instance.terminate();
    let evidence = assert_exactly_once(&deployment);
    assert_eq!(evidence.probes.len(), records.len());
}
