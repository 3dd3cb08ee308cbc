//! [`SignIn`] → [`Prepared`]: place, network, device, lists. Facts only, no judgement.
//!
//! [`Tables`] are immutable and shared; they are built by the runtime from files and swapped whole between
//! batches. An [`Enricher`] is one worker's view of them, with its own bounded caches.

use std::sync::Arc;

use super::facts::Prepared;
use super::signin::SignIn;

/// Every table the enricher reads.
#[derive(Default)]
pub struct Tables {}

/// One worker's enricher.
pub struct Enricher {
    tables: Arc<Tables>,
}

impl Enricher {
    pub fn new(tables: Arc<Tables>) -> Enricher {
        Enricher { tables }
    }

    pub fn enrich<'a>(&mut self, sign_in: SignIn<'a>) -> Prepared<'a> {
        let _ = (&self.tables, sign_in);
        unreachable!("replaced by the enrich change")
    }
}
