//! Passwords: where they come from, and that they are never shown.

use std::fmt;
use std::path::PathBuf;

use super::raw::kafka::HIDDEN;

/// A password or token. Whoever wants its text says so: [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// Where a secret comes from. A file is read when a client is made, by the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    Environment(Secret),
    /// Its first line.
    File(PathBuf),
}
