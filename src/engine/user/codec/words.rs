//! Closed lists ↔ numbers. A number, once given, keeps its meaning for ever: it is written into state.

use super::StateCodecError;
use super::bits::{Reader, Writer};
use crate::engine::facts::{Connection, DeviceKind, Precision};
use crate::engine::finding::{LearningPhase, RiskDetail, RiskEventType, RiskLevel, RiskState, Suppression};
use crate::engine::signin::{
    AccountState, Category, ClientApp, Credential, FeedbackAction, Mfa, Outcome, Provider,
};

/// A value of a closed list.
pub(super) trait Word: Copy {
    const NAME: &'static str;
    /// Width in bits, with room for values to come.
    const BITS: u32;
    fn number(self) -> u32;
    fn from_number(number: u32) -> Option<Self>;
}

pub(super) fn put_word<W: Word>(writer: &mut Writer<'_>, word: W) {
    writer.bits(word.number(), W::BITS);
}

pub(super) fn take_word<W: Word>(reader: &mut Reader<'_>) -> Result<W, StateCodecError> {
    let number = reader.bits(W::BITS)?;
    W::from_number(number).ok_or(StateCodecError::Word { list: W::NAME, number })
}

macro_rules! words {
    ($($list:ident, $name:literal, $bits:literal: $($word:ident = $number:literal)*;)*) => {
        $(impl Word for $list {
            const NAME: &'static str = $name;
            const BITS: u32 = $bits;

            fn number(self) -> u32 {
                match self { $($list::$word => $number,)* }
            }

            fn from_number(number: u32) -> Option<$list> {
                match number { $($number => Some($list::$word),)* _ => None }
            }
        })*

        #[cfg(test)]
        #[test]
        fn every_word_has_a_number_of_its_own() {
            $(for number in 0..1 << $bits {
                if let Some(word) = $list::from_number(number) {
                    assert_eq!(word.number(), number);
                }
            }
            let known = (0..1_u32 << $bits).filter(|number| $list::from_number(*number).is_some()).count();
            assert_eq!(known, [$($list::$word),*].len(), "{}", $name);)*
        }
    };
}

words! {
    Provider, "provider", 6: Entra = 0 Farsign = 1 Okta = 2 Aws = 3 Google = 4 Auth0 = 5 Keycloak = 6 Duo = 7
        OneLogin = 8 Ping = 9 JumpCloud = 10 Sshd = 11 Other = 12;
    Category, "category", 3: Interactive = 0 NonInteractive = 1 Adfs = 2;
    Outcome, "outcome", 3: Success = 0 Interrupted = 1 Blocked = 2 Failed = 3;
    Credential, "credential", 2: Right = 0 Wrong = 1 Unknown = 2;
    Mfa, "multi-factor state", 4: Unknown = 0 NotRequired = 1 Performed = 2 Claim = 3 Pending = 4 Denied = 5
        Reported = 6;
    AccountState, "account state", 4: Normal = 0 Disabled = 1 Deleted = 2 Locked = 3 Unknown = 4;
    ClientApp, "client app", 3: Unknown = 0 Browser = 1 Modern = 2 Legacy = 3;
    Connection, "connection", 4: Unknown = 0 Fixed = 1 Mobile = 2 Hosting = 3 Corporate = 4 Satellite = 5;
    Precision, "precision", 2: City = 0 Region = 1 Country = 2;
    DeviceKind, "device kind", 3: Unknown = 0 Desktop = 1 Mobile = 2 Tablet = 3 Other = 4;
    FeedbackAction, "feedback action", 4: ConfirmSafe = 0 ConfirmCompromised = 1 Dismiss = 2 PassedMfa = 3
        PasswordChanged = 4;
    LearningPhase, "learning phase", 2: Learning = 0 Active = 1 Relearning = 2;
    RiskLevel, "risk level", 3: None = 0 Low = 1 Medium = 2 High = 3;
    RiskState, "risk state", 4: None = 0 AtRisk = 1 ConfirmedCompromised = 2 ConfirmedSafe = 3 Dismissed = 4
        Remediated = 5;
    RiskDetail, "risk detail", 5: None = 0 AiConfirmedSigninSafe = 1 AdminConfirmedSigninSafe = 2
        AdminConfirmedSigninCompromised = 3 AdminConfirmedUserCompromised = 4 AdminDismissedAllRiskForUser = 5
        AdminDismissedRiskForSignIn = 6 AdminConfirmedAccountSafe = 7 UserPassedMfaDrivenByRiskBasedPolicy = 8
        UserPerformedSecuredPasswordChange = 9;
    RiskEventType, "risk event type", 6: ImpossibleTravel = 1 UnlikelyTravel = 2 NewCountry = 3
        UnfamiliarFeatures = 4 AnonymizedIpAddress = 5 MaliciousIpAddress = 6 NationStateIp = 7
        AdminConfirmedUserCompromised = 8 PasswordSpray = 9 SuspiciousBrowser = 10 AnomalousToken = 11
        TokenIssuerAnomaly = 12 AttackerInTheMiddle = 13 UserReportedSuspiciousActivity = 14 RiskyIpAddress = 15
        MfaFatigue = 16 LeakedCredentials = 17 Generic = 18;
    Suppression, "suppression", 6: Learning = 0 SameAddress = 1 TrustedLocation = 3
        EgressLocation = 4 MovingNetwork = 5 LearntEgress = 6 UsualPlaces = 7 KnownTransition = 8
        NearbyCountry = 9 CloudRefresh = 10 MobileGateway = 11 OrganizationCommon = 12
        Exception = 14 BelowLow = 15 AlreadyReported = 17 FamiliarDevice = 32;
}
