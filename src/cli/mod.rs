//! One file a command.
pub mod geoip;
