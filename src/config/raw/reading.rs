//! Sections `mappings` and `identity`: records of any format, and who has which accounts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most mappings in one file.
pub const MAPPINGS_MAX: usize = 100;

/// A JSON pointer (RFC 6901) to a value in the record: /key/key. `~1` stands for a slash in a key, `~0` for a tilde.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[schemars(extend("format" = "json-pointer", "minLength" = 2, "maxLength" = 512, "pattern" = "^/"))]
pub struct Pointer(pub String);

/// What a record must have.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    pub pointer: Pointer,
    /// The value is one of these texts (numbers and true or false are compared as they are written); empty = anything,
    /// as long as it is there.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(max = 256)))]
    pub equals: Vec<String>,
}

/// Where a field's value comes from: of the pointers the first that has something, else the constant.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MappedField {
    #[schemars(length(max = 10))]
    pub pointers: Vec<Pointer>,
    #[schemars(length(min = 1, max = 256))]
    pub constant: Option<String>,
    /// What the record writes, without regard to case: what it means. Empty = as it is written.
    pub words: BTreeMap<String, String>,
    /// What it means when `words` does not have it; null = as it is written.
    #[schemars(length(min = 1, max = 256))]
    pub otherwise: Option<String>,
    /// Form of a time, as in strptime; null = ISO 8601, US dates, or seconds to nanoseconds since 1970. Without a zone it
    /// is UTC. For `time` only.
    #[schemars(length(min = 2, max = 100))]
    pub time_format: Option<String>,
}

/// How records of one format are read.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Also the source of the risk that the records carry.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Which records it is for: all must hold. Of several mappings the first counts; without conditions it is for every
    /// object in which one of its pointers finds something.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub conditions: Vec<Condition>,
    /// Field: where its value is. Needed are `time`, unless what is around the record has it, and `user_id` or
    /// `user_principal_name`.
    #[serde(default)]
    pub fields: BTreeMap<String, MappedField>,
}

/// Accounts that no list has, joined by their names.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityRules {
    /// Accounts whose principal name is an e-mail address are the person's of that address.
    pub email: bool,
    /// Domain: the domain it stands for.
    pub domains: BTreeMap<String, String>,
    /// name+tag@domain is name@domain.
    pub ignore_tags: bool,
}

/// One person, several accounts: they share one baseline, and travel between providers is judged. Needs `input.keyed`
/// to be false, because the records of a person's accounts are in different partitions.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// Tenant of everybody who is known as a person. Needed as soon as there is a file or a rule.
    #[schemars(length(min = 1, max = 256))]
    pub organization: Option<String>,
    /// Tenants whose accounts are the organisation's; empty = all.
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 256)))]
    pub tenants: Vec<String>,
    /// CSV file with the columns person, account and, if wanted, provider. It is read at the start.
    #[schemars(length(min = 1))]
    pub file: Option<String>,
    pub rules: IdentityRules,
}
