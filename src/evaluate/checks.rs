//! What must not be: detections on sign-ins that cannot carry risk, and the same detection twice.

use std::collections::HashSet;

use super::{Detections, SignInKey, Truth, TruthOf};

/// Every figure is to be 0. Silenced detections count, withdrawn ones do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// On sign-ins whose label says that the credential was wrong.
    pub wrong_credential: u64,
    /// A second detection of one type on one sign-in, and lines that repeat the line before of their id.
    pub duplicates: u64,
}

impl Checks {
    pub fn of(truth: &Truth, detections: &Detections) -> Checks {
        let mut checks = Checks { duplicates: detections.repeated_lines(), ..Checks::default() };
        let mut seen = HashSet::new();
        for alert in detections.iter() {
            let Some(request) = &alert.request_id else { continue };
            let is_right = match truth.of(SignInKey::new(request)) {
                TruthOf::Malicious { campaign, sign_in } => {
                    truth.campaigns()[campaign].sign_ins[sign_in].credential_right
                }
                TruthOf::Legitimate { credential_right, .. } => credential_right,
                TruthOf::LeftOut => true,
            };
            checks.wrong_credential += u64::from(!is_right);
            checks.duplicates += u64::from(!seen.insert((request, &alert.kind)));
        }
        checks
    }

    pub fn add(&mut self, other: Checks) {
        self.wrong_credential += other.wrong_credential;
        self.duplicates += other.duplicates;
    }
}
