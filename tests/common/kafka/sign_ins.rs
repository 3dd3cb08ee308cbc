//! Sign-in logs for tests: an invented organisation's, as records keyed by user.

use farsign::simulate::{self, Config, Form};

use super::Record;

/// The first day of every log, in days since 1970-01-01 (2026-03-02).
const START_DAY: i32 = 20_514;

/// Campaigns of every log: enough for detections of several kinds.
const ATTACKS: &str = "foreignNaive=6,vpnExit=3,tokenReplay=3,torExit=3,dormantTakeover=2,impossiblePair=8";

/// What `farsign simulate` writes for so many users and days, as records.
pub fn simulated(users: u32, days: u32, form: Form) -> Vec<Record> {
    simulated_with(users, days, form, ATTACKS)
}

/// The same with a mix of attacks.
pub fn simulated_with(users: u32, days: u32, form: Form, attacks: &str) -> Vec<Record> {
    let config = Config {
        seed: 7,
        users,
        days,
        start_day: START_DAY,
        tenant: None,
        domain: "halden-works.example".to_owned(),
        population: simulate::Population::Ordinary,
        attacks: attacks.parse().unwrap(),
        late_share: 0.02,
        duplicate_share: 0.005,
        failure_share: simulate::DEFAULT_FAILURE_SHARE,
        form,
    };
    let (mut out, mut labels) = (Vec::new(), Vec::new());
    simulate::run(&config, &mut out, &mut labels, &mut |_| {}).unwrap();
    let lines = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Record::keyed(user_of(line), line)).collect()
}

/// The account that a record is about, in any form that these tests use.
pub fn user_of(line: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Line {
        #[serde(rename = "userId")]
        user_id: Option<String>,
        properties: Option<Box<Line>>,
    }
    let line: Line = serde_json::from_slice(line).unwrap();
    line.properties.and_then(|inner| inner.user_id).or(line.user_id).unwrap_or_default()
}
