//! One file a command.
pub mod geoip;
pub mod simulate;

pub mod check;
