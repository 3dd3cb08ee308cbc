//! Farsign: a streaming risk-detection engine for sign-in logs.

pub mod engine;

pub mod config;
pub mod diff;
pub mod evaluate;
pub mod geoip;
pub mod health;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod render;
pub mod report;
pub mod runtime;
pub mod simulate;
pub mod tune;

pub mod cli;
