//! Refreshes by a service: a cloud application renews its users' tokens from its own network.
//!
//! Such a refresh is no journey and no stranger, wherever the cloud is. It is told from a thief's by what he cannot have
//! at once: a session that is known, with a client that is known, from a /24 or /48 that colleagues' sessions are
//! refreshed from. Who rents a machine in the same cloud has another prefix.

use super::Case;
use super::properties::Assessment;
use crate::engine::facts::{Connection, ListKind};
use crate::engine::profile::ProfileKind;
use crate::engine::user::familiarity::compact_day;

/// Does a service of the organisation's renew a session of the user's?
pub(super) fn is_service_refresh(case: &Case<'_>, assessment: &Assessment) -> bool {
    let facts = case.facts;
    let day = compact_day(facts.time.day());
    let is_hosting = facts.connection == Connection::Hosting || facts.lists.contains(ListKind::Hosting);
    let is_known_session =
        facts.session_hash != 0 && case.state.sessions.get(facts.session_hash, day, case.judge.decay).is_some();
    !facts.is_interactive()
        && is_hosting
        && is_known_session
        && assessment.known_agent
        && case.organization.is_common(ProfileKind::Prefix, facts.prefix_hash)
}

/// What is said of [`is_service_refresh`]: where it holds, and where not.
pub(super) const SERVICE_REFRESH: [&str; 2] = [
    "a known session renewed from a prefix of a cloud that colleagues' sessions are renewed from",
    "no known session renewed from where colleagues' sessions are renewed",
];
