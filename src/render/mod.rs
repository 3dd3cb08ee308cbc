//! Findings → output records.
//!
//! [`write()`] makes one JSON object of one [`Detection`], in the form that the [`RenderContext`] asks for: a Microsoft
//! Graph `riskDetection` ([`graph`]), an ECS document ([`ecs`]), an OCSF Detection Finding ([`ocsf`]) or a flat object
//! for Sigma ([`sigma`]). All but the last carry what Farsign knows beyond the form in a `farsign` object ([`farsign`]).
//! [`risky_user::write()`] makes a `riskyUser` of one user's risk, [`user_state`] shows people one user's state, and
//! [`text`] is what reports on a terminal are made of. The same detection and context always give the same bytes:
//! properties have a written order, and every fraction is rounded to decimals that its doc names. Nothing is judged
//! here, and no text of the record is left out or interpreted.
//!
//! [`Detection`]: crate::engine::out::Detection

mod alert;
pub mod ecs;
pub mod explained;
pub mod farsign;
pub mod graph;
mod mitre;
pub mod ocsf;
pub mod risky_user;
pub mod sigma;
pub mod text;
pub mod user_state;

use serde::Serialize;

use crate::engine::finding::Evidence;
use crate::engine::out::Detection;
use crate::engine::signin::EventTime;

/// The form of a detection's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputFormat {
    /// Microsoft Graph v1.0 `riskDetection`.
    #[default]
    Graph,
    /// Elastic Common Schema.
    Ecs,
    /// OCSF Detection Finding.
    Ocsf,
    /// One level of keys, for Sigma rules.
    Sigma,
}

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
    pub format: OutputFormat,
    pub impossible_travel_name: ImpossibleTravelName,
    /// Hash of the effective configuration and of the tables' content.
    pub config_hash: u64,
    /// The databases in use, in the order in which they are asked.
    pub geoip_builds: Vec<TableBuild>,
    /// Names of the named locations, in the order in which the engine counts them from 1.
    pub named_locations: Vec<String>,
}

impl RenderContext {
    /// The configured name of the place that a sign-in was from, if it has one.
    fn named_location(&self, evidence: &Evidence) -> Option<&str> {
        let index = usize::from(evidence.named_location).checked_sub(1)?;
        self.named_locations.get(index).map(String::as_str)
    }
}

/// Appends `detection` to `out` as one JSON object of the context's form, without a newline.
pub fn write(detection: &Detection, context: &RenderContext, out: &mut Vec<u8>) {
    match context.format {
        OutputFormat::Graph => graph::write(detection, context, out),
        OutputFormat::Ecs => ecs::write(detection, context, out),
        OutputFormat::Ocsf => ocsf::write(detection, context, out),
        OutputFormat::Sigma => sigma::write(detection, context, out),
    }
}

fn append(record: &impl Serialize, out: &mut Vec<u8>) {
    // Writing into memory fails only for a value that JSON cannot hold, and there is none in these structs.
    serde_json::to_writer(out, record).expect("a record is always JSON");
}
