//! Findings → output records.
//!
//! [`graph::write()`] makes one Microsoft Graph `riskDetection` object of one [`Detection`], with what Farsign knows
//! beyond Graph in a `farsign` object beside it ([`farsign`]), [`risky_user::write()`] a `riskyUser` of one user's risk,
//! [`user_state`] shows people one user's state, and [`text`] is what reports on a terminal are made of. The same detection and [`RenderContext`] always give
//! the same bytes: properties have a written order, and every fraction is rounded to decimals that its doc names.
//! Nothing is judged here, and no text of the record is left out or interpreted.
//!
//! [`Detection`]: crate::engine::out::Detection

pub mod farsign;
pub mod graph;
pub mod risky_user;
pub mod text;
pub mod user_state;

use crate::engine::signin::EventTime;

/// How impossible travel is spelt in `riskEventType`. Microsoft has published two names for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImpossibleTravelName {
    /// `mcasImpossibleTravel`: Entra ID Protection's own table of risk event types.
    #[default]
    Mcas,
    /// `impossibleTravel`: the text of Graph's `riskDetection` resource; public detection rules match on it.
    Plain,
}

impl ImpossibleTravelName {
    pub fn name(self) -> &'static str {
        match self {
            ImpossibleTravelName::Mcas => "mcasImpossibleTravel",
            ImpossibleTravelName::Plain => "impossibleTravel",
        }
    }
}

/// One geography or network database that verdicts rest on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableBuild {
    /// The type in the database's metadata ("GeoLite2-City").
    pub database: String,
    /// When its maker built it.
    pub built: EventTime,
}

/// What every record of a run says alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RenderContext {
    pub impossible_travel_name: ImpossibleTravelName,
    /// Hash of the effective configuration and of the tables' content.
    pub config_hash: u64,
    /// The databases in use, in the order in which they are asked.
    pub geoip_builds: Vec<TableBuild>,
    /// Names of the named locations, in the order in which the engine counts them from 1.
    pub named_locations: Vec<String>,
}
