//! MITRE ATT&CK's ids and names for what each kind of detection sees.
//!
//! Names, and which tactics a technique serves, are those of ATT&CK for Enterprise, version 18.1. Of several tactics
//! the one is named that a sign-in can show: a stranger with a valid account is let in (Initial Access), whatever he
//! wants it for later. Which technique a kind has is [`RiskEventType::mitre_technique`]'s to say.

use serde::Serialize;

use crate::engine::finding::RiskEventType;

/// The version of ATT&CK that the table is of.
pub(super) const VERSION: &str = "18.1";

/// One of ATT&CK's things: its id and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Term {
    #[serde(rename = "uid")]
    pub id: &'static str,
    pub name: &'static str,
}

/// A technique, with the tactic that it serves here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attack {
    pub tactic: Term,
    pub technique: Term,
    pub subtechnique: Option<Term>,
}

const fn term(id: &'static str, name: &'static str) -> Term {
    Term { id, name }
}

const INITIAL_ACCESS: Term = term("TA0001", "Initial Access");
const CREDENTIAL_ACCESS: Term = term("TA0006", "Credential Access");
const LATERAL_MOVEMENT: Term = term("TA0008", "Lateral Movement");
const COMMAND_AND_CONTROL: Term = term("TA0011", "Command and Control");
const RECONNAISSANCE: Term = term("TA0043", "Reconnaissance");

const ATTACKS: [Attack; 8] = [
    Attack {
        tactic: INITIAL_ACCESS,
        technique: term("T1078", "Valid Accounts"),
        subtechnique: Some(term("T1078.004", "Cloud Accounts")),
    },
    Attack {
        tactic: RECONNAISSANCE,
        technique: term("T1589", "Gather Victim Identity Information"),
        subtechnique: Some(term("T1589.001", "Credentials")),
    },
    Attack {
        tactic: COMMAND_AND_CONTROL,
        technique: term("T1090", "Proxy"),
        subtechnique: Some(term("T1090.003", "Multi-hop Proxy")),
    },
    Attack {
        tactic: CREDENTIAL_ACCESS,
        technique: term("T1110", "Brute Force"),
        subtechnique: Some(term("T1110.003", "Password Spraying")),
    },
    Attack {
        tactic: LATERAL_MOVEMENT,
        technique: term("T1550", "Use Alternate Authentication Material"),
        subtechnique: None,
    },
    Attack {
        tactic: CREDENTIAL_ACCESS,
        technique: term("T1606", "Forge Web Credentials"),
        subtechnique: Some(term("T1606.002", "SAML Tokens")),
    },
    Attack { tactic: CREDENTIAL_ACCESS, technique: term("T1557", "Adversary-in-the-Middle"), subtechnique: None },
    Attack {
        tactic: CREDENTIAL_ACCESS,
        technique: term("T1621", "Multi-Factor Authentication Request Generation"),
        subtechnique: None,
    },
];

impl Attack {
    pub(super) fn of(kind: RiskEventType) -> &'static Attack {
        let id = kind.mitre_technique();
        ATTACKS.iter().find(|attack| attack.narrowest().id == id).expect("a test looks up every kind")
    }

    /// The subtechnique where there is one.
    fn narrowest(&self) -> Term {
        self.subtechnique.unwrap_or(self.technique)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_technique_and_every_technique_a_kind() {
        let used: Vec<&Attack> = RiskEventType::ALL.into_iter().map(Attack::of).collect();
        for attack in &ATTACKS {
            assert!(used.contains(&attack), "{attack:?} is of no kind");
            if let Some(subtechnique) = attack.subtechnique {
                assert_eq!(subtechnique.id.split('.').next(), Some(attack.technique.id));
            }
        }
    }
}
