//! `--report FILE.html`: what a command found, as one page that opens offline.
//!
//! [`Alerts`] keeps the last version of each detection of a run; [`section`] tells when, what and from where they were; the
//! page of a command (one file each) adds what the command itself found. [`render`] makes HTML of it. There is no clock in it:
//! the same result gives the same bytes.

mod alerts;
mod diff;
mod evaluate;
mod html;
mod map;
mod overview;
mod page;
mod replay;
#[cfg(test)]
mod tests;
mod tune;
mod users;
mod watch;

pub use alerts::{ALERTS_MAX, Alerts};
pub use diff::{GROUPS_MAX, Side, diff};
pub use evaluate::evaluate;
pub use html::render;
pub use map::{JOURNEYS_MAX, PLACES_MAX};
pub use overview::{BARS_MAX, COUNTRIES_MAX, Span, section};
pub use page::Page;
pub use replay::replay;
pub use tune::{CURVES_MAX, Shown, VARIANTS_SHOWN_MAX, tune};
pub use users::{EVENTS_MAX, USERS_MAX};
pub use watch::{Lines, Watched};
