//! Entra ID's result codes → what they say of the password, the attempt and the account.
//!
//! Source of the codes and their messages: Microsoft's list of AADSTS error codes
//! (<https://learn.microsoft.com/entra/identity-platform/reference-error-codes>) and the look-up behind
//! <https://login.microsoftonline.com/error>. The messages say what happened; what that means for the first factor
//! follows from the order of checks (account, password, MFA, policy, application) and is noted per class.
//!
//! "Right" is said of whatever was presented as the first factor: a password, or the token of a silent refresh.

use crate::engine::signin::{AccountState, Credential, Mfa, Outcome};

/// What a code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    pub credential: Credential,
    pub outcome: Outcome,
    pub account: AccountState,
    /// What the code by itself says of MFA.
    pub mfa: Option<Mfa>,
    /// False for a code that is in no class: the sign-in failed, and that is all that is known.
    pub is_known: bool,
}

const fn meaning(credential: Credential, outcome: Outcome) -> Meaning {
    Meaning { credential, outcome, account: AccountState::Normal, mfa: None, is_known: true }
}

const fn with_account(meaning: Meaning, account: AccountState) -> Meaning {
    Meaning { account, ..meaning }
}

const fn with_mfa(meaning: Meaning, mfa: Mfa) -> Meaning {
    Meaning { mfa: Some(mfa), ..meaning }
}

const SUCCESS: Meaning = meaning(Credential::Right, Outcome::Success);
const WRONG: Meaning = meaning(Credential::Wrong, Outcome::Failed);
const UNTESTED: Meaning = meaning(Credential::Unknown, Outcome::Failed);
const NO_SUCH_USER: Meaning = with_account(UNTESTED, AccountState::Unknown);
const DELETED: Meaning = with_account(UNTESTED, AccountState::Deleted);
const DISABLED: Meaning = with_account(UNTESTED, AccountState::Disabled);
const LOCKED: Meaning = with_account(UNTESTED, AccountState::Locked);
const STEP: Meaning = meaning(Credential::Right, Outcome::Interrupted);
const STEP_BEFORE_PASSWORD: Meaning = meaning(Credential::Unknown, Outcome::Interrupted);
const MFA_NEEDED: Meaning = with_mfa(STEP, Mfa::Pending);
const REFUSED: Meaning = meaning(Credential::Right, Outcome::Blocked);
const MFA_FAILED: Meaning = with_mfa(REFUSED, Mfa::Denied);

/// A code that no class below holds.
const UNLISTED: Meaning = Meaning { is_known: false, ..UNTESTED };

/// The meaning of an error code. `is_password_grant`: the protocol is ROPC, where the password goes with the
/// first request.
pub fn meaning_of(code: u32, is_password_grant: bool) -> Meaning {
    match code {
        0 => SUCCESS,
        // "Application was not found in the directory": with ROPC the password is checked before the application,
        // so a made-up client id tells right passwords (700016) from wrong ones (50126).
        700016 if is_password_grant => REFUSED,

        // Wrong password, one-time code, temporary access pass or key signature.
        50126 | 50012 | 50052 | 50054 | 50056 | 50064 | 50181 | 50182 | 50184 | 501811 | 130503 | 130005
        | 120000 => WRONG,
        // No such account here, no such tenant, or an account of another kind: the password is never tested.
        50034
        | 16003
        | 51004
        | 50020
        | 50177
        | 50178
        | 50197
        | 500211
        | 90072
        | 50059
        | 50128
        | 500200..=500208
        | 500344
        | 700056 => NO_SUCH_USER,
        500341 => DELETED,
        // Smart lockout or a malicious address: returned for right and wrong passwords alike.
        50053 => LOCKED,
        50057 | 500571 => DISABLED,

        // The password was right and the next step is MFA: strong authentication, proof-up, expired MFA, an
        // external provider, GPS.
        50072 | 50074 | 50076 | 50077 | 50078 | 50079 | 50081 | 50125 | 50158 | 50203 => MFA_NEEDED,
        // MFA was tried and failed, was denied, timed out, or hit the telephony limit.
        500121 | 50087 | 50088 | 50089 | 500881..=500883 => MFA_FAILED,
        // The password was right but must be changed first: expired, or demanded by risk or policy.
        50055 | 50144 | 50135 | 50137 | 50142 => STEP,

        // Conditional Access, device and application policy, risk, security defaults, assignment, cross-tenant
        // access, tenant restrictions and credential policy: evaluated after the first factor.
        53000..=53004
        | 53008..=53011
        | 530001..=530004
        | 530011
        | 530021
        | 530022
        | 530031..=530035
        | 530081
        | 50005
        | 50105
        | 50127
        | 50129
        | 50131
        | 50155
        | 50187
        | 501291..=501293
        | 501311..=501313
        | 500212
        | 500213
        | 500021
        | 500022
        | 500186
        | 130500..=130502 => REFUSED,
        // Device authentication is asked for; the client answers and goes on.
        50097 => STEP,

        // Keep me signed in, native bridge, confirmation, consent: pages on the way, after the first factor.
        50140 | 50199 | 50201 | 50202 | 50204 | 50207 | 50209 | 501314 | 65001 | 65004 | 90094 | 90095
        | 900941 => STEP,
        // Pages before it: account choice, no session for silent sign-on, certificate choice, redirection, QR code.
        16000 | 16001 | 16002 | 50058 | 50019 | 50157 | 50168 | 50180 | 500581 | 500583 | 29200 | 53006
        | 53007 => STEP_BEFORE_PASSWORD,

        // Tokens and sessions that expired, were revoked or are not valid: no password was typed.
        50013
        | 50132
        | 50133
        | 50139
        | 50143
        | 50173
        | 70000
        | 70008
        | 70043..=70046
        | 500133
        | 700081..=700084 => UNTESTED,
        // The on-premises agent could not validate the password or could not be reached (it rejects wrong ones with
        // 50126): nothing is known.
        80001..=80999 => UNTESTED,
        // The application's own credential, not the user's: client secret or assertion.
        7000215 | 7000222 | 700024 | 700027 => UNTESTED,
        // Application and configuration errors, and Microsoft's own transient ones.
        700016
        | 7000112
        | 50000
        | 50001
        | 500011
        | 500014
        | 50011
        | 500113
        | 75011
        | 50004
        | 50033
        | 50196
        | 90000..=90033 => UNTESTED,
        _ => UNLISTED,
    }
}
