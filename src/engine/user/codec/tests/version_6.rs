//! State of version 6 as it was written when it was new. The record is drawn by lot, so it rests on no verdict.

use std::collections::BTreeSet;

use super::*;
use crate::engine::policy::SHADOW_POLICIES_MAX;

const FIXTURE: &str = include_str!("../../../../../tests/fixtures/state-v6.hex");

impl Dice {
    /// Shadow policies that judge the user, and what they found.
    pub(super) fn shadows(&mut self, settled: &mut UserState, tail: &mut [TailEntry]) -> ShadowSet {
        let keys = self.list::<_, SHADOW_POLICIES_MAX>(|dice| dice.u64().max(1));
        let set = ShadowSet::new(keys.into_iter().collect::<BTreeSet<u64>>().into_iter());
        for key in set.keys() {
            let open = self.list::<_, SHADOW_RISKS_MAX>(|dice| dice.open_risk(settled)).to_vec();
            if !open.is_empty() {
                settled.shadows.push(ShadowFile { key, open });
            }
        }
        for entry in tail {
            let TailEntry::SignIn(sign_in) = entry else { continue };
            let own = Incident { began: sign_in.facts.time, event: sign_in.facts.event };
            let found = set.keys().filter(|_| self.flag()).collect::<Vec<u64>>();
            sign_in.shadows =
                found.into_iter().map(|key| ShadowJudged { key, judged: self.judged(own) }).collect();
        }
        set
    }
}

/// Two shadow policies, of which one found something that stands, and both something at the sign-in of the tail.
fn record(rules: &Rules) -> UserRecord {
    let mut dice = Dice(6);
    let mut settled = dice.state();
    let shadows = ShadowSet::new([9, 4].into_iter());
    let open = vec![dice.open_risk(&settled), dice.open_risk(&settled)];
    settled.shadows = vec![ShadowFile { key: 9, open }];
    let time = EventTime::from_seconds(1_780_000_000);
    let sign_in = std::iter::repeat_with(|| dice.tail_entry(&settled, time)).find_map(|entry| match entry {
        TailEntry::SignIn(sign_in) => Some(sign_in),
        _ => None,
    });
    let mut sign_in = sign_in.expect("soon one is drawn");
    let own = Incident { began: time, event: sign_in.facts.event };
    let found = [9, 9, 4].map(|key| ShadowJudged { key, judged: dice.judged(own) });
    sign_in.shadows = found.into();
    let scope = Scope { tenant: 7, policy: 0, shadows };
    UserRecord::rebuild(scope, settled, vec![TailEntry::SignIn(sign_in)], &rules.teacher(scope.policy))
}

#[test]
fn version_6_is_read_for_ever() {
    let rules = rules();
    if VERSION == 6 {
        let written: String = encoded(&record(&rules)).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, FIXTURE.trim());
    }
    let digits = |at: usize| u8::from_str_radix(&FIXTURE[at..at + 2], 16).expect("hexadecimal");
    let bytes: Vec<u8> = (0..FIXTURE.trim().len()).step_by(2).map(digits).collect();
    let UserRecord { scope, settled, tail, .. } = decode(&bytes, &rules).expect("version 6");
    assert_eq!((bytes[0], scope.shadows.keys().collect::<Vec<_>>()), (6, vec![4, 9]));
    let open: Vec<(u64, usize)> = settled.shadows.iter().map(|file| (file.key, file.open.len())).collect();
    assert_eq!(open, [(9, 2)]);
    let TailEntry::SignIn(sign_in) = &tail[0] else { panic!("a sign-in") };
    assert_eq!(sign_in.shadows.iter().map(|found| found.key).collect::<Vec<_>>(), [9, 9, 4]);
    assert_eq!(sign_in.judged_by(Some(9)).count(), 2);
}

/// Nobody pays for what he does not use.
#[test]
fn a_user_without_shadow_policies_has_one_bit_more() {
    let bits = |record: &UserRecord| {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        crate::engine::user::codec::version_6::put(
            &mut writer,
            &Frame::of(EventTime::MIN, &record.settled),
            record,
        );
        writer.finish();
        bytes
    };
    assert_eq!(bits(&UserRecord::default()), [0]);
}
