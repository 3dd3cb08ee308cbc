//! What the engine's tests share: a small invented world, and the engine driven as a runtime drives it.
//!
//! The world gives [`Prepared`](farsign::engine::facts::Prepared) values directly, which is what the engine takes:
//! no GeoIP file and no decoder takes part in these tests.

#![allow(dead_code, reason = "each test target uses its own part")]

pub mod drive;
pub mod kafka;
pub mod scenario;
pub mod stream;
pub mod world;
