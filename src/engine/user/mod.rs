//! Filled by the engine change.
