//! Exactly once while everything fails: three instances are killed, frozen beyond their session, ended and started
//! again, the broker is killed, and records keep coming; then the proof is read from the topics.
//!
//! `make test` runs the short one; `make chaos` the long one, with a seed from `CHAOS_SEED`.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use common::kafka::follower::Follower;
use common::kafka::proof::assert_exactly_once;
use common::kafka::sign_ins::simulated;
use common::kafka::{Broker, Deployment, Instance, Options, Record};
use farsign::simulate::Form;
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// Instances when nothing is wrong.
const INSTANCES: usize = 3;
const PARTITIONS: i32 = 12;
/// Longer than the session timeout of a deployment for tests.
const FROZEN: Duration = Duration::from_secs(9);
/// How long the rest of the input may take when the chaos is over.
const CATCH_UP: Duration = Duration::from_secs(600);

/// How much of it.
struct Plan {
    users: u32,
    days: u32,
    /// Each kind of fault comes so often, in an order of the seed's.
    rounds: usize,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// SIGKILL to an instance, and a new one after a while.
    Kill,
    /// SIGSTOP until the group has given its partitions away, then SIGCONT: it still believes that it owns them.
    Freeze,
    /// Down to one instance in order, and up again.
    Scale,
    /// SIGKILL to the broker, and a restart.
    KillBroker,
}

const FAULTS: [Fault; 4] = [Fault::Kill, Fault::Freeze, Fault::Scale, Fault::KillBroker];

#[test]
#[ignore = "takes minutes: make chaos"]
fn short() {
    run(&Plan { users: 150, days: 10, rounds: 1, seed: 1 });
}

#[test]
#[ignore = "takes minutes: make chaos"]
#[allow(clippy::disallowed_methods, reason = "the seed is the caller's")]
fn long() {
    let seed = std::env::var("CHAOS_SEED").map_or(1, |seed| seed.parse().unwrap());
    run(&Plan { users: 700, days: 20, rounds: 5, seed });
}

#[allow(clippy::print_stderr, reason = "what was done belongs to a failed test's output")]
fn run(plan: &Plan) {
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    let records = simulated(plan.users, plan.days, Form::EntraLean);
    let broker = Broker::start(Options { is_killed: true, ..Options::default() });
    let deployment = Deployment::new(&broker, "chaos").create(PARTITIONS);
    let follower = Follower::start(&deployment, &["probe", "risk-detections"]);
    let mut instances: Vec<Instance> = (0..INSTANCES).map(|_| deployment.start()).collect();
    let (chaos_is_over, count) = (AtomicBool::new(false), records.len());
    eprintln!("seed {}, {count} records", plan.seed);
    std::thread::scope(|scope| {
        scope.spawn(|| feed(&deployment, &records, &chaos_is_over));
        let mut faults: Vec<Fault> = FAULTS.repeat(plan.rounds);
        while !faults.is_empty() {
            sleep(Duration::from_millis(rng.random_range(500..5_000)));
            let fault = faults.swap_remove(rng.random_range(0..faults.len()));
            let victim = rng.random_range(0..INSTANCES);
            eprintln!("{fault:?} {victim}");
            happen(fault, victim, &deployment, &mut instances, &mut rng);
        }
        chaos_is_over.store(true, Ordering::Release);
    });
    deployment.wait_until_done_within(CATCH_UP);
    instances.into_iter().for_each(|instance| drop(instance.terminate()));
    let evidence = assert_exactly_once(&deployment);
    assert_eq!(evidence.probes.len(), count);
    follower.assert_saw_all(&broker);
    deployment.assert_same_as_replay(&records);
}

/// Produces the records in portions: half of them spread over the chaos, as fast as they go when it is over.
fn feed(deployment: &Deployment<'_>, records: &[Record], chaos_is_over: &AtomicBool) {
    for portion in records.chunks((records.len() / 300).max(1)) {
        deployment.broker.produce(&deployment.input(), portion);
        if !chaos_is_over.load(Ordering::Acquire) {
            sleep(Duration::from_millis(200));
        }
    }
}

fn happen(
    fault: Fault,
    victim: usize,
    deployment: &Deployment<'_>,
    instances: &mut Vec<Instance>,
    rng: &mut ChaCha8Rng,
) {
    match fault {
        Fault::Kill => {
            instances[victim].kill();
            sleep(Duration::from_millis(rng.random_range(0..3_000)));
            instances[victim] = deployment.start();
        }
        Fault::Freeze => {
            instances[victim].pause();
            sleep(FROZEN);
            instances[victim].resume();
        }
        Fault::Scale => {
            instances.drain(1..).for_each(|instance| drop(instance.terminate()));
            sleep(Duration::from_millis(rng.random_range(0..3_000)));
            instances.extend((1..INSTANCES).map(|_| deployment.start()));
        }
        Fault::KillBroker => {
            deployment.broker.kill();
            sleep(Duration::from_millis(rng.random_range(0..3_000)));
            deployment.broker.restart();
        }
    }
}
