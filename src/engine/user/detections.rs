//! (a finding or a transition, what it is about) → the detection that goes out, and its place in the counts.
//!
//! The id is of the tenant, the sign-in, the kind and the source, so every later version of a detection replaces the one
//! before. What is suppressed goes out only where it is asked for, and is counted in any case. Which findings go out, and
//! which are withdrawn, is decided in [`super::record`] and [`super::differences`].

use super::record::Bench;
use super::tail::{Judged, SignInText, TailEntry, TailFeedback, TailFinding};
use super::{OpenRisk, event_hash};
use crate::engine::facts::Facts;
use crate::engine::finding::{Finding, RiskDetail, RiskEventType, RiskLevel, RiskState};
use crate::engine::out::{Counts, Detection, Out, ShadowMark, Source, Subject};
use crate::engine::risk::incident::{Incident, incident_id};
use crate::engine::risk::{CONFIRMED_SCORE, Transitioned, confirmation_id, detection_id, shadow_detection_id};
use crate::engine::signin::{EventTime, FeedbackAction};
use uuid::Uuid;

/// Confirming a whole user compromised is a detection of its own. `standing` is what became of it since, and when.
pub(super) fn emit_confirmation(
    feedback: &TailFeedback,
    standing: Option<(&OpenRisk, EventTime)>,
    bench: &Bench<'_>,
    out: &mut Out,
) {
    if feedback.action != FeedbackAction::ConfirmCompromised || feedback.about != 0 {
        return;
    }
    let kind = RiskEventType::AdminConfirmedUserCompromised;
    let (state, detail, updated_time) = match standing {
        Some((risk, since)) => (risk.state, risk.detail, since),
        None => (RiskState::ConfirmedCompromised, RiskDetail::AdminConfirmedUserCompromised, feedback.time),
    };
    let incident = Incident { began: feedback.time, event: feedback.event };
    out.counts.detections[kind as usize - 1][RiskLevel::High as usize - 1] += 1;
    out.detections.push(Detection {
        id: detection_id(bench.judge.tenant_id, &confirmation_id(feedback), kind, None),
        source: Source::Farsign,
        shadow: None,
        is_about_user: true,
        state,
        detail,
        activity_time: feedback.time,
        detected_time: feedback.time,
        updated_time,
        kind,
        level: RiskLevel::High,
        score: CONFIRMED_SCORE,
        subject: user_subject(bench),
        finding: None,
        position: bench.position,
        is_update: false,
        incident_id: incident_id(bench.judge.tenant_id, incident),
    });
}

/// The id of what the bench's policy found, and the policy's mark if it is a shadow.
fn ids(
    bench: &Bench<'_>,
    request_id: &str,
    kind: RiskEventType,
    upstream: Option<&str>,
) -> (Uuid, Option<Box<ShadowMark>>) {
    let tenant_id = bench.judge.tenant_id;
    let live_id = detection_id(tenant_id, request_id, kind, upstream);
    let Some(policy) = bench.judge.shadow else { return (live_id, None) };
    let name = &policy.scoped.name;
    let mark = ShadowMark { policy: name.clone(), policy_hash: policy.hash, live_id };
    (shadow_detection_id(tenant_id, request_id, kind, name), Some(Box::new(mark)))
}

/// A detection about the user as a whole has no sign-in.
fn user_subject(bench: &Bench<'_>) -> Subject {
    Subject {
        tenant_id: bench.judge.tenant_id.to_owned(),
        user_id: bench.judge.user_id.to_owned(),
        ..Subject::default()
    }
}

pub(super) fn transition(
    transitioned: &Transitioned,
    time: EventTime,
    subject: Subject,
    bench: &Bench<'_>,
) -> Detection {
    let risk = &transitioned.risk;
    let (id, shadow) = ids(bench, &risk.request_id.to_string(), risk.kind, risk.upstream());
    Detection {
        id,
        source: risk.source(),
        shadow,
        is_about_user: risk.is_about_user(),
        state: risk.state,
        detail: risk.detail,
        activity_time: risk.activity_time(),
        detected_time: risk.time,
        updated_time: time.max(risk.time),
        kind: risk.kind,
        level: risk.level,
        score: risk.score,
        subject,
        finding: None,
        position: bench.position,
        is_update: true,
        incident_id: incident_id(bench.judge.tenant_id, risk.incident),
    }
}

/// All that is known of a sign-in that settled long ago.
pub(super) fn summary_subject(transitioned: &Transitioned, bench: &Bench<'_>) -> Subject {
    let risk = &transitioned.risk;
    if risk.is_about_user() {
        return user_subject(bench);
    }
    Subject { request_id: risk.request_id.to_string(), ..user_subject(bench) }
}

/// What a finding is about.
#[expect(clippy::large_enum_variant, reason = "it lives on the stack, for as long as one detection is made")]
pub(super) enum About<'a> {
    SignIn(&'a Facts, SignInText<'a>),
    Finding(&'a TailFinding),
}

impl<'a> About<'a> {
    pub(super) fn of(entry: &'a TailEntry) -> Option<About<'a>> {
        match entry {
            TailEntry::SignIn(sign_in) => Some(About::SignIn(&sign_in.facts, sign_in.text())),
            TailEntry::UpstreamFinding(finding) => Some(About::Finding(finding)),
            TailEntry::Feedback(_) => None,
        }
    }

    /// When it happened.
    fn activity_time(&self) -> EventTime {
        match self {
            About::SignIn(facts, _) => facts.time,
            About::Finding(finding) => finding.activity_time,
        }
    }

    /// Nobody can have known of it before.
    pub(super) fn known_at_least(&self) -> EventTime {
        match self {
            About::SignIn(facts, _) => facts.time,
            About::Finding(finding) => finding.time,
        }
    }

    fn is_about_user(&self) -> bool {
        matches!(self, About::Finding(finding) if finding.is_about_user)
    }

    fn source(&self) -> Source {
        match self {
            About::SignIn(..) => Source::Farsign,
            About::Finding(finding) => Source::Upstream(finding.source.clone()),
        }
    }

    fn ids(&self, kind: RiskEventType, bench: &Bench<'_>) -> (Uuid, Option<Box<ShadowMark>>) {
        let request_id = match self {
            About::SignIn(_, text) => text.request_id,
            About::Finding(finding) => &finding.request_id,
        };
        ids(bench, request_id, kind, self.source().upstream())
    }

    pub(super) fn subject(&self, bench: &Bench<'_>) -> Subject {
        match self {
            About::SignIn(facts, text) => subject(bench, text, facts),
            About::Finding(finding) => finding_subject(bench, finding),
        }
    }
}

/// How a detection of the tail stands: what was judged, and what feedback made of it since.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    /// The tail's entry that gave it, by its own id.
    pub(super) entry: u64,
    /// Hash of the id of what it is about.
    pub(super) event: u64,
    /// Hash of the upstream product's name; 0 = our own.
    source: u64,
    pub(super) judged: Judged,
    pub(super) state: RiskState,
    pub(super) detail: RiskDetail,
    pub(super) level: RiskLevel,
    pub(super) score: u8,
    /// No other entry speaks for the same detection.
    pub(super) is_told: bool,
}

impl Standing {
    pub(super) fn new(event: u64, judged: &Judged) -> Standing {
        let state = if judged.suppressed_by.is_some() { RiskState::None } else { RiskState::AtRisk };
        Standing {
            entry: event,
            event,
            source: 0,
            judged: *judged,
            state,
            detail: RiskDetail::None,
            level: judged.level,
            score: judged.score,
            is_told: true,
        }
    }

    /// As the entry's finding stands among `open`, the risks of the policy it was found by; `None` of feedback, which
    /// gives none.
    pub(super) fn of_entry(open: &[OpenRisk], entry: &TailEntry, judged: &Judged) -> Option<Standing> {
        match entry {
            TailEntry::SignIn(sign_in) => Some(Standing::new(sign_in.facts.event, judged).seen_in(open)),
            TailEntry::UpstreamFinding(finding) => Some(Standing::of_finding(open, finding, judged)),
            TailEntry::Feedback(_) => None,
        }
    }

    pub(super) fn of_finding(open: &[OpenRisk], finding: &TailFinding, judged: &Judged) -> Standing {
        let standing = Standing::new(finding.about, judged);
        Standing { entry: finding.event, source: source_hash(&finding.source), ..standing }.seen_in(open)
    }

    fn seen_in(self, open: &[OpenRisk]) -> Standing {
        match open.iter().find(|risk| self.is_of_risk(risk)) {
            Some(risk) if self.judged.suppressed_by.is_none() => {
                Standing { state: risk.state, detail: risk.detail, level: risk.level, score: risk.score, ..self }
            }
            _ => self,
        }
    }

    pub(super) fn is_upstream(&self) -> bool {
        self.source != 0
    }

    pub(super) fn is_of_risk(&self, risk: &OpenRisk) -> bool {
        risk.is_same(self.event, self.judged.kind) && risk.upstream().map_or(0, source_hash) == self.source
    }

    pub(super) fn is_of_same_entry(&self, other: &Standing) -> bool {
        (self.entry, self.judged.kind) == (other.entry, other.judged.kind)
    }

    pub(super) fn is_same_detection(&self, other: &Standing) -> bool {
        (self.event, self.judged.kind, self.source) == (other.event, other.judged.kind, other.source)
    }
}

/// Never 0. It is kept nowhere.
fn source_hash(source: &str) -> u64 {
    event_hash(source).max(1)
}

/// What a shadow policy finds is counted where it is written.
pub(super) fn count_finding(counts: &mut Counts, judged: &Judged, change: i64, bench: &Bench<'_>) {
    let kind = judged.kind as usize - 1;
    let cell = match (judged.suppressed_by, judged.level) {
        _ if bench.judge.shadow.is_some() => return,
        (Some(reason), _) => &mut counts.suppressions[kind][reason as usize],
        (None, RiskLevel::None) => return,
        (None, level) => &mut counts.detections[kind][level as usize - 1],
    };
    // A withdrawal may be counted in a later step than what it takes back: sums are exact modulo 2^64.
    *cell = cell.wrapping_add_signed(change);
}

/// `standing`: how the detection stands, and when it came to be known so.
pub(super) fn emit(
    about: About<'_>,
    (standing, known): (Standing, EventTime),
    finding: Finding,
    bench: &Bench<'_>,
    is_update: bool,
    out: &mut Out,
) {
    if finding.suppressed_by.is_some() && !bench.emit_suppressed {
        return;
    }
    // What others' attempts tell is known when they do, whenever and however often it is looked at.
    let told = finding.evidence.attack.as_ref().map(|found| found.recognised().max(about.activity_time()));
    let known = told.unwrap_or(known);
    // What a product said is known since then.
    let is_known_since = is_update || matches!(about, About::Finding(_));
    let (id, shadow) = about.ids(finding.kind, bench);
    bench.tell(out).push(Detection {
        id,
        source: about.source(),
        shadow,
        is_about_user: about.is_about_user(),
        state: standing.state,
        detail: standing.detail,
        activity_time: about.activity_time(),
        detected_time: told.unwrap_or(if is_known_since { about.known_at_least() } else { known }),
        updated_time: known,
        kind: finding.kind,
        level: standing.level,
        score: standing.score,
        subject: about.subject(bench),
        position: bench.position,
        is_update,
        incident_id: incident_id(bench.judge.tenant_id, finding.incident),
        finding: Some(Box::new(finding)),
    });
}

/// The last version of a detection that no longer holds.
pub(super) fn withdrawal(about: &About<'_>, judged: &Judged, known: EventTime, bench: &Bench<'_>) -> Detection {
    let (id, shadow) = about.ids(judged.kind, bench);
    Detection {
        id,
        source: about.source(),
        shadow,
        is_about_user: about.is_about_user(),
        state: RiskState::Dismissed,
        detail: RiskDetail::AiConfirmedSigninSafe,
        activity_time: about.activity_time(),
        detected_time: about.known_at_least(),
        updated_time: known,
        kind: judged.kind,
        level: judged.level,
        score: judged.score,
        subject: about.subject(bench),
        finding: None,
        position: bench.position,
        is_update: true,
        incident_id: incident_id(bench.judge.tenant_id, judged.incident),
    }
}

/// All that an upstream finding says of its sign-in or user.
fn finding_subject(bench: &Bench<'_>, finding: &TailFinding) -> Subject {
    Subject {
        provider: Some(finding.provider),
        user_principal_name: finding.user_principal_name.to_string(),
        request_id: if finding.is_about_user { String::new() } else { finding.request_id.to_string() },
        address_text: finding.address_text.to_string(),
        ..user_subject(bench)
    }
}

fn subject(bench: &Bench<'_>, text: &SignInText<'_>, facts: &Facts) -> Subject {
    Subject {
        provider: Some(facts.provider),
        tenant_id: bench.judge.tenant_id.to_owned(),
        user_id: bench.judge.user_id.to_owned(),
        user_principal_name: text.user_principal_name.to_owned(),
        user_display_name: text.user_display_name.to_owned(),
        request_id: text.request_id.to_owned(),
        correlation_id: text.correlation_id.to_owned(),
        session_id: text.session_id.to_owned(),
        user_agent: text.user_agent.to_owned(),
        app_display_name: text.app_display_name.to_owned(),
        resource_display_name: text.resource_display_name.to_owned(),
        client_app_used: text.client_app_used.to_owned(),
        device_id: text.device_id.to_owned(),
        device_display_name: text.device_display_name.to_owned(),
        token_issuer_type: text.token_issuer_type.to_owned(),
        address_text: text.address_text.to_owned(),
        outcome: Some(facts.outcome),
        error_code: facts.error_code,
        interactive: facts.is_interactive(),
    }
}
