//! A sign-in's id as state keeps it.

use crate::engine::hash::{Seed, hash64};

/// A sign-in's id, kept without an allocation when it is a GUID in its usual spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestId {
    Guid(u128),
    Text(Box<str>),
}

impl RequestId {
    pub fn new(text: &str) -> RequestId {
        match uuid::Uuid::try_parse(text) {
            // Only the spelling that comes out again byte for byte.
            Ok(guid) if text.len() == 36 && !text.bytes().any(|b| b.is_ascii_uppercase()) => {
                RequestId::Guid(guid.as_u128())
            }
            _ => RequestId::Text(text.into()),
        }
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RequestId::Guid(guid) => write!(f, "{}", uuid::Uuid::from_u128(*guid).hyphenated()),
            RequestId::Text(text) => f.write_str(text),
        }
    }
}

/// Hash under which a sign-in id is compared.
pub fn event_hash(event_id: &str) -> u64 {
    hash64(Seed::EventId, event_id.as_bytes())
}
