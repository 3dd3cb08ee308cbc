//! Incidents: detections that tell one story. What one sign-in, one session, or one stranger gave rise to within a
//! bounded time has one id, which is that of the first of them in the order of events.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::detect::Judge;
use crate::engine::facts::Facts;
use crate::engine::finding::RiskState;
use crate::engine::signin::EventTime;
use crate::engine::user::{OpenRisk, Properties, UserState};

/// An incident, by the sign-in that it began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Incident {
    pub began: EventTime,
    /// Hash of the id of the first sign-in, or feedback, it is about.
    pub event: u64,
}

/// Namespace of incident ids: UUIDv5 of "farsign.incident" under the DNS namespace.
pub fn incident_id(tenant_id: &str, incident: Incident) -> Uuid {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"farsign.incident");
    Uuid::new_v5(&namespace, format!("{tenant_id}\u{1f}{:016x}", incident.event).as_bytes())
}

impl Incident {
    /// The one that begins with a sign-in.
    pub fn own(facts: &Facts) -> Incident {
        Incident { began: facts.time, event: facts.event }
    }
}

impl UserState {
    /// The incident that a detection about this sign-in belongs to: the oldest that began within the window and holds
    /// a detection of the same sign-in, session, address or visit, which nobody said to be harmless; else its own.
    pub fn incident_of(&self, facts: &Facts, judge: &Judge<'_>) -> Incident {
        let window_s = f64::from(judge.policy.incident.window_hours) * 3_600.0;
        let properties = Properties::of(facts);
        let belongs = |risk: &&OpenRisk| {
            let harmless = matches!(risk.state, RiskState::Dismissed | RiskState::ConfirmedSafe);
            let near = libm::fabs(facts.time.seconds_since(risk.incident.began)) <= window_s;
            let same_sign_in = risk.event == facts.event;
            let same_session = facts.session_hash != 0 && risk.session_hash == facts.session_hash;
            let same_address = facts.address_hash != 0 && risk.properties.address == facts.address_hash;
            let same = same_sign_in || same_session || same_address || risk.properties.same_visit(&properties);
            !harmless && near && same
        };
        let own = self.risks_of(judge.shadow_key()).iter();
        // What other products found is the same to every policy.
        let upstream = self.open.iter().filter(|risk| judge.shadow.is_some() && risk.reported.is_some());
        let oldest = own.chain(upstream).filter(belongs).map(|risk| risk.incident).min();
        oldest.unwrap_or(Incident::own(facts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids are in readers' tickets: they never change.
    #[test]
    fn an_incidents_id_is_of_the_tenant_and_its_first_event() {
        let incident = |event| Incident { began: EventTime::from_seconds(5), event };
        let id = incident_id("tenant", incident(7));
        assert_eq!(id, incident_id("tenant", Incident { began: EventTime::MIN, event: 7 }));
        assert_ne!(id, incident_id("tenant", incident(8)));
        assert_ne!(id, incident_id("another", incident(7)));
        assert_eq!((id.get_version_num(), id.to_string().len()), (5, 36));
    }
}
