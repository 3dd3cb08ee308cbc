//! Sign-in logs for tests: an invented organisation's, as records keyed by user.

use farsign::engine::signin::{EventTime, SECONDS_PER_DAY};
use farsign::simulate::{self, Config, Form};

use super::Record;

/// The first day of every log, in days since 1970-01-01 (2026-03-02).
const START_DAY: i32 = 20_514;

/// Campaigns of every log: enough for detections of several kinds.
const ATTACKS: &str = "foreignNaive=6,vpnExit=3,tokenReplay=3,torExit=3,dormantTakeover=2,impossiblePair=8,\
                       spraySingleSource=2,toolkitBrowser=2";

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
    let lines = lines.map(<[u8]>::to_vec).chain(closing(START_DAY + days as i32));
    lines.map(|line| Record::keyed(user_of(&line), line)).collect()
}

/// Users who come in after the end, so that stream time passes it in every partition: what came before is reviewed then.
const CLOSING_USERS: u32 = 32;
/// Longer than a sign-in waits for its review.
const CLOSING_S: i64 = 12 * 3_600;

fn closing(day: i32) -> impl Iterator<Item = Vec<u8>> {
    (0..CLOSING_USERS).map(move |user| {
        let time = EventTime::from_seconds(i64::from(day) * SECONDS_PER_DAY + CLOSING_S + i64::from(user));
        let line = serde_json::json!({
            "type": "signIn", "tenantId": "t", "id": format!("closing-{user}"), "userId": format!("closer-{user}"),
            "time": time.to_string(), "outcome": "success", "ipAddress": "192.0.2.1",
        });
        line.to_string().into_bytes()
    })
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
