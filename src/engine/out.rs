//! What a step gives back: detections to render, contributions to shared profiles, counts for metrics.

use serde::{Deserialize, Serialize};

use super::attempts::Attempt;
use super::finding::{Finding, RiskDetail, RiskEventType, RiskLevel, RiskState, Suppression};
use super::hash::UserKey;
use super::profile::Contribution;
use super::risk::user::UserRisk;
use super::signin::{EventTime, Outcome, Provider};

/// Who found a risk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    #[default]
    Farsign,
    /// Another product, by the name it goes by in Graph's `source`.
    Upstream(Box<str>),
}

impl Source {
    /// The upstream product's name; `None` for our own detections.
    pub fn upstream(&self) -> Option<&str> {
        match self {
            Source::Farsign => None,
            Source::Upstream(name) => Some(name),
        }
    }
}

/// The sign-in a detection is about, as output names it. Owned: a detection is rare.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Subject {
    /// At whose door the sign-in was; `None` where only a summary is kept.
    pub provider: Option<Provider>,
    pub tenant_id: String,
    pub user_id: String,
    pub user_principal_name: String,
    pub user_display_name: String,
    /// The sign-in's id; empty where the detection is about the user.
    pub request_id: String,
    pub correlation_id: String,
    pub session_id: String,
    pub user_agent: String,
    pub app_display_name: String,
    pub resource_display_name: String,
    pub client_app_used: String,
    pub device_id: String,
    pub device_display_name: String,
    pub token_issuer_type: String,
    /// The address as the record wrote it.
    pub address_text: String,
    /// How it ended; `None` where only a summary is kept.
    pub outcome: Option<Outcome>,
    /// 0 also where the provider has none: see [`Self::result_code`].
    pub error_code: u32,
    pub interactive: bool,
}

impl Subject {
    /// The provider's result code, 0 for success; `None` for what ended otherwise and has none.
    pub fn result_code(&self) -> Option<u32> {
        let is_told = self.error_code != 0 || matches!(self.outcome, Some(Outcome::Success));
        is_told.then_some(self.error_code)
    }
}

/// The shadow policy that found what a detection tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShadowMark {
    /// Its name.
    pub policy: String,
    /// [`ShadowPolicy::hash`](super::policy::ShadowPolicy::hash).
    pub policy_hash: u64,
    /// Id of the live policy's detection of the same type about the same sign-in, if there is one.
    pub live_id: uuid::Uuid,
}

/// A new detection, or a newer version of one with the same id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// UUIDv5 over tenant, sign-in id, type and detector version, and the source where that is another product.
    pub id: uuid::Uuid,
    pub source: Source,
    /// `None`: it is a live one. On the heap, as most are.
    pub shadow: Option<Box<ShadowMark>>,
    /// About the user as a whole, and not a sign-in.
    pub is_about_user: bool,
    pub state: RiskState,
    pub detail: RiskDetail,
    /// Event time of the sign-in; for a detection about a user, of the feedback; for an upstream finding, of what it is
    /// about.
    pub activity_time: EventTime,
    /// Event time at which it became known: the later of the sign-in and what triggered the verdict; for an upstream
    /// finding, when the product said so.
    pub detected_time: EventTime,
    /// Event time of this version.
    pub updated_time: EventTime,
    pub kind: RiskEventType,
    pub level: RiskLevel,
    /// 0–100.
    pub score: u8,
    pub subject: Subject,
    /// Absent in an update of a detection so old that only its summary is kept.
    pub finding: Option<Box<Finding>>,
    /// Position, in the task's input, of the item that caused this output.
    pub position: u64,
    /// False for the first version of a detection, true for an update.
    pub is_update: bool,
    /// UUIDv5: the same for all detections of one story.
    pub incident_id: uuid::Uuid,
}

impl Detection {
    /// When it can be known at the earliest: at the sign-in, when what was attempted on others came to be an attack, or
    /// when the upstream product said so.
    pub fn told_at_least(&self) -> EventTime {
        if self.source != Source::Farsign {
            return self.detected_time;
        }
        let attack = self.finding.as_ref().and_then(|finding| finding.evidence.attack.as_ref());
        attack.map_or(self.activity_time, |found| found.recognised().max(self.activity_time))
    }
}

/// A user's risk as a whole, whenever it or a name beside it changed: the newest of a user counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskyUser {
    pub key: UserKey,
    pub tenant_id: String,
    pub user_id: String,
    /// Empty = no sign-in that could carry risk named it.
    pub user_principal_name: String,
    pub user_display_name: String,
    pub risk: UserRisk,
    /// Event time of what changed it.
    pub updated_time: EventTime,
    /// Position, in the task's input, of the item that caused this output; 0 when time alone did, at a settle.
    pub position: u64,
}

/// What happened, for metrics and summaries. Adding two of them is exact and order-free.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    pub sign_ins: u64,
    pub sign_ins_judged: u64,
    pub feedback: u64,
    pub feedback_without_effect: u64,
    /// Upstream findings by provider ([`Provider::ALL`]): taken, and delivered before.
    pub upstream_findings: [[u64; 2]; Provider::ALL.len()],
    /// Items delivered before.
    pub duplicates: u64,
    /// Arrived behind a newer event of the user, inside the horizon.
    pub reordered: u64,
    /// Arrived beyond the horizon.
    pub late: u64,
    pub withdrawn: u64,
    /// A user's tail was full and its oldest sign-in settled early.
    pub tail_overflow: u64,
    pub users_new: u64,
    pub users_forgotten: u64,
    /// By type and level (low, medium, high).
    pub detections: [[u64; 3]; RiskEventType::ALL.len()],
    /// By type and reason.
    pub suppressions: [[u64; Suppression::ALL.len()]; RiskEventType::ALL.len()],
    /// What settled users told the organisation.
    pub contributions: u64,
    /// Sign-ins that arrived when their day was complete, and count for the organisation as of the first day that
    /// was not.
    pub contributed_late: u64,
    /// Failed sign-ins that the organisation was told of.
    pub attempts: u64,
    /// Sign-ins that were not looked at again in the light of other users' attempts, as too many waited.
    pub unreviewed: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        self.sign_ins += other.sign_ins;
        self.sign_ins_judged += other.sign_ins_judged;
        self.feedback += other.feedback;
        self.feedback_without_effect += other.feedback_without_effect;
        let upstream_findings = self.upstream_findings.as_flattened_mut().iter_mut();
        for (mine, theirs) in upstream_findings.zip(other.upstream_findings.as_flattened()) {
            *mine += theirs;
        }
        self.duplicates += other.duplicates;
        self.reordered += other.reordered;
        self.late += other.late;
        self.withdrawn += other.withdrawn;
        self.tail_overflow += other.tail_overflow;
        self.users_new += other.users_new;
        self.users_forgotten += other.users_forgotten;
        // Exact modulo 2^64: a review takes back what an earlier step counted.
        for (mine, theirs) in self.detections.iter_mut().flatten().zip(other.detections.iter().flatten()) {
            *mine = mine.wrapping_add(*theirs);
        }
        for (mine, theirs) in self.suppressions.iter_mut().flatten().zip(other.suppressions.iter().flatten()) {
            *mine = mine.wrapping_add(*theirs);
        }
        self.contributions += other.contributions;
        self.contributed_late += other.contributed_late;
        self.attempts += other.attempts;
        self.unreviewed += other.unreviewed;
    }
}

/// Filled by [`Engine::step`](super::Engine::step); the caller empties and reuses it.
#[derive(Debug, Default)]
pub struct Out {
    pub detections: Vec<Detection>,
    /// What shadow policies found: each with its [`Detection::shadow`].
    pub shadow_detections: Vec<Detection>,
    /// At most one of each user for an item.
    pub risky_users: Vec<RiskyUser>,
    pub contributions: Vec<Contribution>,
    /// For [`Attempts`](super::attempts::Attempts), at once.
    pub attempts: Vec<Attempt>,
    /// Users whose verdicts a review changed.
    pub reviewed: Vec<UserKey>,
    /// Users forgotten to keep within `users_max`, in the order of forgetting. One of them may have come back
    /// since: [`Engine::export_user`](super::Engine::export_user) tells.
    pub forgotten: Vec<UserKey>,
    pub counts: Counts,
}

impl Out {
    /// An empty one for each variant.
    pub fn of_each(variants: usize) -> Vec<Out> {
        std::iter::repeat_with(Out::default).take(variants).collect()
    }

    /// Appends what came later.
    pub fn append(&mut self, later: Out) {
        let Out {
            detections,
            shadow_detections,
            risky_users,
            contributions,
            attempts,
            reviewed,
            forgotten,
            counts,
        } = later;
        self.detections.extend(detections);
        self.shadow_detections.extend(shadow_detections);
        self.risky_users.extend(risky_users);
        self.contributions.extend(contributions);
        self.attempts.extend(attempts);
        self.reviewed.extend(reviewed);
        self.forgotten.extend(forgotten);
        self.counts.add(&counts);
    }

    pub fn clear(&mut self) {
        self.detections.clear();
        self.shadow_detections.clear();
        self.risky_users.clear();
        self.contributions.clear();
        self.attempts.clear();
        self.reviewed.clear();
        self.forgotten.clear();
        self.counts = Counts::default();
    }
}
