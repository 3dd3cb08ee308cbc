//! The part of a stream that is asked for: labels and detections are cut by the filter that cuts the sign-ins.
//!
//! A label names an account; with `identity` in the configuration it is put in the person's name first, as a sign-in is.
//! A detection has the names that replay gave it. What lacks a name that the filter asks for is an error: it can be neither
//! kept nor left out.

use std::borrow::Cow;

use crate::engine::decode::People;
use crate::engine::signin::EventTime;
use crate::runtime::replay::filter::{Filter, LeftOut};

/// What is asked for, and who has which accounts.
#[derive(Clone, Copy)]
pub struct Cut<'a> {
    pub filter: &'a Filter,
    pub people: &'a People,
}

/// A line lacks what the filter goes by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has no `{key}`, and {needed_by} needs one")]
pub struct Unnamed {
    key: &'static str,
    needed_by: &'static str,
}

/// So many of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub count: u64,
    pub all: u64,
}

impl Share {
    pub fn add(&mut self, other: Share) {
        self.count += other.count;
        self.all += other.all;
    }
}

impl Cut<'_> {
    /// Why a labelled sign-in is left out: user by id and principal name.
    ///
    /// # Errors
    /// When the label lacks what the filter goes by.
    pub(super) fn leaves_out_label(
        &self,
        time: EventTime,
        tenant: &str,
        (id, name): (&str, &str),
    ) -> Result<Option<LeftOut>, Unnamed> {
        if self.filter.leaves_out_users() && self.people.needs_tenant() && tenant.is_empty() {
            return Err(Unnamed { key: "tenantId", needed_by: "`identity.tenants`" });
        }
        let (mut tenant, mut id) = (Cow::Borrowed(tenant), Cow::Borrowed(id));
        self.people.join(None, &mut tenant, &mut id, name);
        self.leaves_out(time, &tenant, (&id, name))
    }

    /// Why a detection is left out.
    ///
    /// # Errors
    /// When it lacks what the filter goes by.
    pub(super) fn leaves_out(
        &self,
        time: EventTime,
        tenant: &str,
        (id, name): (&str, &str),
    ) -> Result<Option<LeftOut>, Unnamed> {
        if self.filter.tenant.is_some() && tenant.is_empty() {
            return Err(Unnamed { key: "tenantId", needed_by: "--tenant" });
        }
        if self.filter.users.is_some() && id.is_empty() && name.is_empty() {
            return Err(Unnamed { key: "userId", needed_by: "--users" });
        }
        Ok(self.filter.leaves_out_event(time, tenant, (id, name)))
    }
}
