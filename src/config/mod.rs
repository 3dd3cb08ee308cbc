//! Configuration text → valid configuration.
