//! Upstream findings of every shape.

use super::*;
use crate::engine::risk::upstream::Reported;
use crate::engine::user::event_hash;
use crate::engine::user::tail::TailFinding;

impl Dice {
    pub(super) fn finding(&mut self, state: &UserState, time: EventTime) -> TailFinding {
        let request_id: Box<str> = self.text().into();
        let (about, activity_time) = (event_hash(&request_id), self.time());
        let own = Incident { began: activity_time, event: about };
        let judged = self.judged(own);
        TailFinding {
            time,
            event: u64::from(self.u32()),
            about,
            request_id,
            source: self.text().into(),
            provider: self.word(),
            kind: self.word(),
            source_type: self.text().into(),
            level: self.word(),
            is_confirmed: self.flag(),
            is_about_user: self.flag(),
            activity_time,
            user_principal_name: self.text().into(),
            reasons: self.text().into(),
            address: self.address(),
            address_text: self.text().into(),
            address_hash: self.known(&state.baseline.address),
            asn: self.known(&state.baseline.asn),
            lists: ListSet(self.u16()),
            named: self.named(),
            place: self.place(),
            asn_organization: self.organization(),
            judged: self.flag().then_some(judged),
        }
    }

    /// Most risks are our own.
    pub(super) fn reported(&mut self) -> Option<Box<Reported>> {
        (self.below(3) == 0).then(|| {
            Box::new(Reported {
                source: self.text().into(),
                event: u64::from(self.u32()),
                activity_time: self.time(),
                is_about_user: self.flag(),
            })
        })
    }
}
