//! What products write about a failure, in words → how the attempt ended.
//!
//! For formats whose reason is free text, or words from a list that nobody keeps to. Only what the words themselves say
//! is taken from them: that a policy refused does not say that the password was right, and a text that says nothing
//! known gives nothing.

use super::draft::Ending;
use crate::engine::finding::RiskEventType;
use crate::engine::signin::{AccountState, TEXT_LENGTH_MAX};

/// The second factor, and what becomes of it: both are needed.
const SECOND_FACTOR: [&str; 14] = [
    "mfa",
    "multi factor",
    "multifactor",
    "second factor",
    "secondary auth",
    "two factor",
    "2fa",
    "otp",
    "one time",
    "passcode",
    "verification code",
    "push notification",
    "authenticator app",
    "totp",
];
const REFUSED: [&str; 18] = [
    "denied",
    "deny",
    "declined",
    "rejected",
    "fail",
    "invalid",
    "incorrect",
    "wrong",
    "not valid",
    "timed out",
    "timeout",
    "expired",
    "no response",
    "did not respond",
    "not respond",
    "cancel",
    "error",
    "mismatch",
];
const REPORTED: [&str; 5] = [
    "reported fraud",
    "reported as fraud",
    "marked fraud",
    "reported as suspicious",
    "suspicious activity reported",
];
const NO_SUCH_USER: [&str; 21] = [
    "user does not exist",
    "user doesn't exist",
    "account does not exist",
    "user not found",
    "username not found",
    "account not found",
    "unknown user",
    "unknown account",
    "no such user",
    "no such account",
    "no username found",
    "invalid user ",
    "invalid username ",
    "invalid account",
    "illegal user",
    "nonexistent user",
    "non existent user",
    "user unknown",
    "user name does not exist",
    "username does not exist",
    "not a valid user",
];
/// "Blocked" is not locked.
const LOCKED: [&str; 6] =
    [" locked", "lockout", "lock out", "too many failed", "too many attempts", "max sign in attempts"];
const DELETED: [&str; 3] = ["user deleted", "account deleted", "account has been deleted"];
const DISABLED: [&str; 9] = [
    "disabled",
    "suspended",
    "deactivated",
    "inactive",
    "not active",
    "deprovisioned",
    "account expired",
    "account has expired",
    "expired account",
];
/// Name or password, and nobody says which: what was tested first was wrong.
const WRONG_CREDENTIALS: [&str; 14] = [
    "invalid credential",
    "bad credential",
    "wrong credential",
    "incorrect credential",
    "credentials are invalid",
    "credentials are incorrect",
    "credential validation failed",
    "invalid user credentials",
    "invalid user name or password",
    "username or password",
    "user name or password",
    "username/password",
    "email or password",
    "response is incorrect",
];
const WRONG_PASSWORD: [&str; 14] = [
    "wrong password",
    "bad password",
    "incorrect password",
    "invalid password",
    "password incorrect",
    "password is incorrect",
    "password invalid",
    "password is invalid",
    "password mismatch",
    "password did not match",
    "passwords do not match",
    "password validation failed",
    "failed password",
    "password failed",
];

/// What names a first factor: a text that has both does not say which one it was.
const FIRST_FACTOR: [&str; 4] = [" password ", " username", " credential", " passcode or"];

/// What `text` says of a failed attempt; `None` where it says nothing that is known.
pub(super) fn ending_of(text: &str) -> Option<Ending> {
    let text = normal(text);
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&WRONG_CREDENTIALS) {
        Some(Ending::WRONG)
    } else if says(&NO_SUCH_USER) {
        Some(Ending::NO_SUCH_USER)
    } else if says(&WRONG_PASSWORD) {
        Some(Ending::WRONG)
    } else if says(&LOCKED) {
        Some(Ending::LOCKED)
    } else if says(&DELETED) {
        Some(Ending { account: AccountState::Deleted, ..Ending::UNCLEAR })
    } else if says(&DISABLED) {
        Some(Ending::DISABLED)
    } else if says(&REPORTED) {
        Some(Ending::MFA_REPORTED)
    } else if says(&SECOND_FACTOR) && says(&REFUSED) && !says(&FIRST_FACTOR) {
        Some(Ending::MFA_DENIED)
    } else {
        None
    }
}

/// Lower case, with spaces around and for everything between words but a slash; no more than is kept of any text.
fn normal(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(TEXT_LENGTH_MAX)];
    let plain = |c: char| if c.is_alphanumeric() || "/'".contains(c) { c.to_ascii_lowercase() } else { ' ' };
    format!(" {} ", text.trim()).chars().map(plain).collect()
}

/// Windows' status of a failed logon, as it writes it: `0xC000006A`. Those that do not say why are `None`.
pub(super) fn windows_ending(code: &str) -> Option<Ending> {
    let code = code.trim();
    let digits = code.strip_prefix("0x").or_else(|| code.strip_prefix("0X"))?;
    match u32::from_str_radix(digits, 16).ok()? {
        0xC000_006A => Some(Ending::WRONG),
        0xC000_0064 => Some(Ending::NO_SUCH_USER),
        0xC000_0234 => Some(Ending::LOCKED),
        // Disabled, and expired.
        0xC000_0072 | 0xC000_0193 => Some(Ending::DISABLED),
        // Hours, workstation, kind of logon, expired password: asked after the password was found right.
        0xC000_006F | 0xC000_0070 | 0xC000_0071 | 0xC000_015B | 0xC000_0224 | 0xC000_0413 => Some(Ending::BLOCKED),
        _ => None,
    }
}

/// The type of a risk by its name, or by the words that products call it with; [`RiskEventType::Generic`] for others.
pub(super) fn risk_kind(name: &str) -> RiskEventType {
    let exact = RiskEventType::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name.trim()));
    exact.unwrap_or_else(|| {
        let name = normal(name).replace(' ', "");
        let found = RISK_WORDS.into_iter().find(|(words, _)| words.iter().any(|word| name.contains(word)));
        found.map_or(RiskEventType::Generic, |(_, kind)| kind)
    })
}

/// Words without the spaces between them.
const RISK_WORDS: [(&[&str], RiskEventType); 12] = [
    (&["impossibletravel", "impossiblyfast"], RiskEventType::ImpossibleTravel),
    (&["unlikelytravel", "atypicaltravel", "geoimprobable"], RiskEventType::UnlikelyTravel),
    (&["newcountry"], RiskEventType::NewCountry),
    (&["unfamiliar"], RiskEventType::UnfamiliarFeatures),
    (&["anonymizedip", "anonymousip", "torexit", "torip"], RiskEventType::AnonymizedIpAddress),
    (&["maliciousip"], RiskEventType::MaliciousIpAddress),
    (&["passwordspray"], RiskEventType::PasswordSpray),
    (&["leakedcredential", "breachedcredential", "compromisedcredential"], RiskEventType::LeakedCredentials),
    (&["suspiciousbrowser"], RiskEventType::SuspiciousBrowser),
    (&["anomaloustoken", "stolentoken", "tokentheft"], RiskEventType::AnomalousToken),
    (&["adversaryinthemiddle", "attackerinthemiddle"], RiskEventType::AttackerInTheMiddle),
    (&["mfafatigue", "mfabomb"], RiskEventType::MfaFatigue),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_say_what_they_say() {
        let said = [
            ("INVALID_CREDENTIALS", Some(Ending::WRONG)),
            ("Invalid username or password.", Some(Ending::WRONG)),
            ("mschap: MS-CHAP2-Response is incorrect", Some(Ending::WRONG)),
            ("USER_DOES_NOT_EXIST", Some(Ending::NO_SUCH_USER)),
            ("Failed password for invalid user root", Some(Ending::NO_SUCH_USER)),
            ("wrong password for alice", Some(Ending::WRONG)),
            ("Access blocked", None),
            ("invalid user", Some(Ending::NO_SUCH_USER)),
            ("Account is locked out", Some(Ending::LOCKED)),
            ("ACCOUNT_DISABLED", Some(Ending::DISABLED)),
            ("account deleted", Some(Ending { account: AccountState::Deleted, ..Ending::UNCLEAR })),
            ("MFA request denied by user", Some(Ending::MFA_DENIED)),
            ("Invalid OTP", Some(Ending::MFA_DENIED)),
            ("user marked fraud", Some(Ending::MFA_REPORTED)),
            ("not authorized", None),
            ("PASSWORD_EXPIRED", None),
            ("denied by policy", None),
            ("", None),
        ];
        for (text, expected) in said {
            assert_eq!(ending_of(text), expected, "{text}");
        }
    }

    #[test]
    fn windows_says_it_in_numbers() {
        let said = ["0xC000006A", "0xc0000064", "0xc0000234", "0xC0000072", "0xc0000071", "0xc000006d", "%%2313"];
        let expected = [
            Some(Ending::WRONG),
            Some(Ending::NO_SUCH_USER),
            Some(Ending::LOCKED),
            Some(Ending::DISABLED),
            Some(Ending::BLOCKED),
            None,
            None,
        ];
        assert_eq!(said.map(windows_ending), expected);
    }

    #[test]
    fn risks_are_known_by_name_and_by_words() {
        assert_eq!(risk_kind("anonymizedIPAddress"), RiskEventType::AnonymizedIpAddress);
        assert_eq!(risk_kind("Impossible Travel Activity"), RiskEventType::ImpossibleTravel);
        assert_eq!(risk_kind("investigationsThreatIntelligence"), RiskEventType::Generic);
    }
}
