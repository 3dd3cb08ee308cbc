//! How an Entra sign-in ended: outcome, first factor, MFA and account, from all the fields that say so.
//!
//! The error code decides, in the order `status.errorCode`, then `resultType`, which may be a number or the words
//! "Success" and "Failure"; a record with neither is a success only if `resultSignature` or a passed first factor
//! says so. MFA is read from, in this order: a stated denial, the code, `status.additionalDetails`, the steps, the
//! deprecated `mfaDetail`, and what was required. A denied MFA after a right password is a block, whatever the code.

use super::entra_codes::{Meaning, meaning_of};
use super::fields::Fields;
use super::keys::Key;
use super::scalar::Scalar;
use super::steps::{contains, mfa_of_text};
use crate::engine::signin::{AccountState, Credential, Mfa, Outcome};

/// What the result is read from.
pub(super) struct ResultFields<'r, 'a> {
    pub(super) fields: &'r Fields<'a>,
    pub(super) outer: &'r Fields<'a>,
    pub(super) authentication_protocol: &'r str,
}

pub(super) struct SignInResult {
    pub(super) outcome: Outcome,
    pub(super) credential: Credential,
    pub(super) mfa: Mfa,
    pub(super) account: AccountState,
    pub(super) error_code: Option<u32>,
}

pub(super) fn result_of(source: &ResultFields<'_, '_>) -> SignInResult {
    let verdict = verdict_of(source);
    let error_code = if let Verdict::Code(code) = verdict { Some(code) } else { None };
    let meaning = meaning_of_verdict(verdict, source);
    let mfa = mfa_of(source, &meaning);
    let mut result = SignInResult {
        outcome: meaning.outcome,
        credential: meaning.credential,
        mfa,
        account: meaning.account,
        error_code,
    };
    if !meaning.is_known {
        result.credential = match source.fields.steps.password {
            // The password was right and something this version does not know of stopped the sign-in.
            Some(true) => {
                result.outcome = Outcome::Blocked;
                Credential::Right
            }
            Some(false) => Credential::Wrong,
            None => Credential::Unknown,
        };
    }
    let is_denied_after_password = mfa.is_denied()
        && result.outcome != Outcome::Success
        && result.credential != Credential::Wrong
        && result.account == AccountState::Normal;
    if is_denied_after_password {
        result.outcome = Outcome::Blocked;
        result.credential = Credential::Right;
    }
    result
}

/// What the result fields say, before it is looked up.
#[derive(Clone, Copy)]
enum Verdict {
    Code(u32),
    Failure,
    Silent,
}

fn verdict_of(source: &ResultFields<'_, '_>) -> Verdict {
    let results = [
        source.fields.get(Key::ErrorCode),
        source.outer.get(Key::ResultType),
        source.fields.get(Key::ResultType),
        source.outer.get(Key::ResultSignature),
        source.fields.get(Key::ResultSignature),
    ];
    results.into_iter().find_map(verdict_in).unwrap_or(Verdict::Silent)
}

fn verdict_in(scalar: &Scalar<'_>) -> Option<Verdict> {
    let text = scalar.as_str().trim();
    if text.eq_ignore_ascii_case("success") {
        return Some(Verdict::Code(0));
    }
    if text.eq_ignore_ascii_case("failure") {
        return Some(Verdict::Failure);
    }
    match text.get(..6) {
        Some(prefix) if prefix.eq_ignore_ascii_case("AADSTS") => text[6..].parse().ok().map(Verdict::Code),
        _ => scalar.to_u32().map(Verdict::Code),
    }
}

fn meaning_of_verdict(verdict: Verdict, source: &ResultFields<'_, '_>) -> Meaning {
    let is_password_grant = source.authentication_protocol.eq_ignore_ascii_case("ropc");
    match verdict {
        Verdict::Code(code) => meaning_of(code, is_password_grant),
        Verdict::Silent if source.fields.steps.first_factor == Some(true) => meaning_of(0, false),
        // u32::MAX is in no class: the attempt failed, and that is all that is known.
        Verdict::Failure | Verdict::Silent => meaning_of(u32::MAX, false),
    }
}

fn mfa_of(source: &ResultFields<'_, '_>, meaning: &Meaning) -> Mfa {
    let details = mfa_of_text(source.fields.get(Key::AdditionalDetails).as_str());
    let steps = source.fields.steps.mfa.filter(|&mfa| mfa != Mfa::Unknown);
    let is_success = meaning.outcome == Outcome::Success;
    // Of two denials the one that says more.
    let denied = [details, steps].into_iter().flatten().filter(|mfa| mfa.is_denied());
    if !is_success && let Some(denied) = denied.max() {
        return denied;
    }
    if let Some(mfa) = meaning.mfa.or(details).or(steps) {
        return mfa;
    }
    if is_success && !source.fields.get(Key::MfaMethod).is_absent() {
        return Mfa::Performed;
    }
    let requirement = source.fields.get(Key::AuthenticationRequirement).as_str();
    match meaning.outcome {
        _ if contains(requirement, "singlefactor") => Mfa::NotRequired,
        // Required and let in, with no step shown: a claim satisfied it.
        Outcome::Success if contains(requirement, "multifactor") => Mfa::Claim,
        Outcome::Interrupted if contains(requirement, "multifactor") => Mfa::Pending,
        _ => Mfa::Unknown,
    }
}
