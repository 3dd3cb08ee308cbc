//! What a type of Auth0's tenant logs says of the attempt.
//!
//! The types are those of <https://auth0.com/docs/deploy-monitor/logs/log-event-type-codes>.

use super::super::SkipReason;
use super::super::draft::Ending;
use crate::engine::finding::RiskLevel;
use crate::engine::signin::{Category, Credential, Mfa, Outcome};

/// What a record of one type is, before anything else of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Attempt(Attempt),
    /// A password that is known to be leaked was used, at this risk.
    Leak(RiskLevel),
    Skipped(SkipReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) category: Category,
    pub(super) ending: Ending,
}

/// The second factor was given, and no more than that.
const FACTOR_GIVEN: Ending = Ending { outcome: Outcome::Interrupted, mfa: Mfa::Performed, ..Ending::SUCCESS };

/// Nobody could be let in without being asked.
const NOT_SILENT: Ending =
    Ending { outcome: Outcome::Interrupted, credential: Credential::Unknown, ..Ending::SUCCESS };

pub(super) fn meaning_of(kind: &str) -> Meaning {
    let interactive = |ending| Meaning::Attempt(Attempt { category: Category::Interactive, ending });
    let silent = |ending| Meaning::Attempt(Attempt { category: Category::NonInteractive, ending });
    match kind {
        "s" | "sepft" | "scoa" | "sens" => interactive(Ending::SUCCESS),
        "seotpft" | "seoobft" | "sercft" | "sepkoobft" | "sepkotpft" | "sepkrcft" => {
            interactive(Ending::MFA_PERFORMED)
        }
        "ssa" | "seacft" | "sertft" | "sede" | "secte" | "ciba_exchange_succeeded" => silent(Ending::SUCCESS),
        // A code sent to the user's address is the first factor.
        "fp" | "fepotpft" => interactive(Ending::WRONG),
        "fu" => interactive(Ending::NO_SUCH_USER),
        "f" | "fc" | "fcoa" | "fens" | "fepft" | "limit_mu" | "limit_sul" => interactive(Ending::UNCLEAR),
        "limit_wc" => interactive(Ending::LOCKED),
        "feotpft" | "feoobft" | "fercft" => interactive(Ending::MFA_DENIED),
        "feacft" | "fertft" | "ferrt" | "fecte" | "ciba_exchange_failed" => silent(Ending::UNCLEAR),
        "fsa" => silent(NOT_SILENT),
        "mfar" | "gd_send_pn" | "gd_send_sms" | "gd_send_voice" | "gd_send_email" => {
            interactive(Ending::MFA_PENDING)
        }
        "gd_auth_succeed" | "gd_recovery_succeed" => interactive(FACTOR_GIVEN),
        "gd_auth_failed"
        | "gd_auth_rejected"
        | "gd_otp_rate_limit_exceed"
        | "gd_recovery_failed"
        | "gd_webauthn_challenge_failed" => interactive(Ending::MFA_DENIED),
        // Somebody tried or chose a leaked password: Auth0 does not say that it is the user's.
        "pwd_leak" | "signup_pwd_leak" | "reset_pwd_leak" => Meaning::Leak(RiskLevel::Medium),
        "seccft" | "feccft" => Meaning::Skipped(SkipReason::ServicePrincipal),
        _ => Meaning::Skipped(SkipReason::NotASignIn),
    }
}

/// What the words of a failure say (in lower case) whose type says nothing.
pub(super) fn failure(why: &str, has_user_id: bool) -> Ending {
    let holds = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if holds(&["user is blocked", "user has been blocked"]) {
        Ending::DISABLED
    } else if holds(&["account has been blocked", "blocked after multiple", "too many failed"]) {
        Ending::LOCKED
    } else if holds(&["mfa_required", "multifactor authentication required", "mfa required"]) {
        Ending::MFA_PENDING
    } else if has_user_id && holds(&["wrong email or password", "wrong username or password", "invalid password"])
    {
        Ending::WRONG
    } else {
        Ending::UNCLEAR
    }
}
