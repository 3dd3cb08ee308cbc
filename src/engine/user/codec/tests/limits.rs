//! Lists longer than they may be.

use super::*;

/// Lists of versions 3 to 6, each one longer than it may be.
#[test]
fn more_than_newer_versions_hold_is_an_error() {
    let rules = rules();
    let check = |list: &'static str, max: usize, fill: &dyn Fn(&mut UserRecord)| {
        let mut record = UserRecord::default();
        fill(&mut record);
        let expected = Err(StateCodecError::Count { list, max });
        assert_eq!(decode(&encoded(&record), &rules).map(|_| ()), expected);
    };
    let state = UserState::default();
    check("sessions", SESSIONS_MAX, &|record| {
        record.settled.followed = (0..=SESSIONS_MAX as u64).map(|seed| Dice(seed).session(&state)).collect();
    });
    check("denied prompts", DENIALS_MAX, &|record| {
        let denial = |seed| Denial { stop: Dice(seed).stop(&state), is_own: false };
        record.settled.denials = (0..=DENIALS_MAX as u64).map(denial).collect();
    });
    check("visitors", VISITORS_MAX, &|record| {
        record.settled.visitors = (0..=VISITORS_MAX as u64).map(|seed| Dice(seed).visitor(&state)).collect();
    });
    // Together with the tail's other entries, of which there is one.
    check("recent findings", TAIL_MAX - 1, &|record| {
        let entry = |number| TailFeedback {
            time: EventTime::from_seconds(number),
            event: number as u64,
            action: crate::engine::signin::FeedbackAction::Dismiss,
            about: 0,
            request_id: "".into(),
        };
        record.tail.push(TailEntry::Feedback(entry(0)));
        let finding = |number| Dice(number as u64).finding(&state, EventTime::from_seconds(number));
        let findings = (1..=TAIL_MAX as i64).map(|number| TailEntry::UpstreamFinding(Box::new(finding(number))));
        record.tail.extend(findings);
    });
    check("shadow risks", SHADOW_RISKS_MAX, &|record| {
        record.scope.shadows = ShadowSet::new([7].into_iter());
        let open = (0..=SHADOW_RISKS_MAX as u64).map(|seed| Dice(seed).open_risk(&state)).collect();
        record.settled.shadows = vec![ShadowFile { key: 7, open }];
    });
    check("findings", FINDINGS_MAX, &|record| {
        let mut dice = Dice(3);
        let facts = dice.any_facts();
        let judged = Judged {
            kind: dice.word(),
            level: dice.word(),
            score: 50,
            suppressed_by: None,
            fingerprint: 1,
            incident: Incident { began: facts.time, event: facts.event },
        };
        record.tail.push(TailEntry::SignIn(TailSignIn {
            facts,
            text: PackedText::default(),
            place: None,
            agent: dice.agent(),
            asn_organization: None,
            lesson: Lesson::default(),
            judged: vec![judged; FINDINGS_MAX + 1].into(),
            shadows: Box::default(),
        }));
    });
}
