//! State of version 4 as it was written when it was new. The record is drawn by lot, so it rests on no verdict.

use super::*;

const FIXTURE: &str = include_str!("../../../../../tests/fixtures/state-v4.hex");

fn record(rules: &Rules) -> UserRecord {
    let scope = Scope { tenant: 7, ..Scope::default() };
    let mut dice = Dice(2);
    let settled = dice.state();
    UserRecord::rebuild(scope, settled, Vec::new(), &rules.teacher(scope.policy))
}

#[test]
fn version_4_is_read_for_ever() {
    let rules = rules();
    if VERSION == 4 {
        let written: String = encoded(&record(&rules)).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, FIXTURE.trim());
    }
    let digits = |at: usize| u8::from_str_radix(&FIXTURE[at..at + 2], 16).expect("hexadecimal");
    let bytes: Vec<u8> = (0..FIXTURE.trim().len()).step_by(2).map(digits).collect();
    let settled = decode(&bytes, &rules).expect("version 4").settled;
    let networks: Vec<usize> = settled.visitors.iter().map(|visitor| visitor.networks.len()).collect();
    assert_eq!((bytes[0], networks), (4, vec![6, 4, 6]));
}
