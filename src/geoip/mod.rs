//! CSV tables → MaxMind DB files of GeoLite2's schema: what `farsign geoip build` does.
//!
//! Sources are Farsign's own test tables (`places.csv` + `networks.csv`) and the public CSV forms of DB-IP Lite and
//! ip-location-db, so that users without a licence can make their own databases. Rows are read one at a time; the
//! tree under construction is what takes memory. The same rows and build time give the same bytes: no clock is
//! asked. Reading databases is not here but in [`crate::engine::enrich`].

mod build;
mod record;
mod source;

pub use build::{Built, DatabaseBuilder, Kind};
pub use source::{Format, Place, SourceError, read_places};

#[cfg(test)]
mod tests;
