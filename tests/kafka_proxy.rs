//! Requests of the transaction protocol that are lost or late, and answers that are: what librdkafka repeats unseen, and
//! outcomes that nobody knows. A real `farsign run` works through a proxy that spoils them; then the proof is read.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;

use std::time::Duration;

use common::kafka::proof::assert_exactly_once;
use common::kafka::proxy::{ADD_OFFSETS_TO_TXN, END_TXN, Fate, INIT_PRODUCER_ID, Proxy, TXN_OFFSET_COMMIT};
use common::kafka::sign_ins::simulated;
use common::kafka::{Broker, Deployment, Options};
use farsign::simulate::Form;

/// Longer than a request may take before librdkafka gives it up, and than the transaction's time.
const TOO_LATE: Duration = Duration::from_secs(5);
/// Long enough to make a commit suspect, and short enough to succeed.
const LATE: Duration = Duration::from_millis(2_200);

#[test]
#[ignore = "takes minutes: make chaos"]
fn lost_and_late_requests_tear_nothing() {
    let mut proxy = Proxy::bind();
    let broker = Broker::start(Options { proxy_port: Some(proxy.port()), ..Options::default() });
    proxy.forward_to(broker.behind_proxy());
    let deployment = Deployment::new(&broker, "proxy")
        .create(2)
        .set("kafka", "bootstrap_servers", &format!("[\"127.0.0.1:{}\"]", proxy.port()))
        .set("kafka", "transaction_timeout_ms", "3000");
    let instance = deployment.start_ready();
    let records = simulated(40, 9, Form::EntraLean);
    let spoils = [
        // Sometimes, which librdkafka repeats unseen; always, so that the outcome stays unknown.
        (END_TXN, Fate::CutAfter, 3),
        (END_TXN, Fate::CutAfter, 1),
        (END_TXN, Fate::CutBefore, 3),
        (END_TXN, Fate::Delay(LATE), 4),
        (END_TXN, Fate::DelayAnswer(TOO_LATE), 4),
        (TXN_OFFSET_COMMIT, Fate::CutAfter, 3),
        (TXN_OFFSET_COMMIT, Fate::Delay(TOO_LATE), 6),
        (ADD_OFFSETS_TO_TXN, Fate::CutBefore, 3),
        (ADD_OFFSETS_TO_TXN, Fate::DelayAnswer(TOO_LATE), 6),
        (INIT_PRODUCER_ID, Fate::CutAfter, 2),
    ];
    let portion = records.len().div_ceil(spoils.len());
    for ((kind, fate, every), records) in spoils.into_iter().zip(records.chunks(portion)) {
        proxy.spoil(kind, fate, every);
        if kind == INIT_PRODUCER_ID {
            // Producers are made anew when a commit was not clean.
            proxy.spoil(END_TXN, Fate::CutAfter, 2);
        }
        for records in records.chunks(records.len().div_ceil(8)) {
            broker.produce(&deployment.input(), records);
            // A transaction of its own for each: nothing is spoilt while nothing is done.
            deployment.wait_until_done();
        }
        let spoilt = proxy.spare(kind);
        proxy.spare(END_TXN);
        assert!(spoilt > 0, "no request of kind {kind} met {fate:?}");
    }
    let metric = |name, labels| instance.metric(name, labels);
    assert!(metric("farsign_producers_recycled_total", "") >= 5.0);
    let unknown = metric("farsign_transactions_total", "outcome=\"unknownCommitted\"");
    assert!(unknown >= 1.0, "no outcome had to be found out");
    instance.terminate();
    let evidence = assert_exactly_once(&deployment);
    assert_eq!(evidence.probes.len(), records.len());
    deployment.assert_same_as_replay(&records);
}
