//! What `farsign diff --json` writes. The doc comments here are the descriptions in `docs/difference.schema.json`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// Two sets of detections against each other. What stands is the last version of each detection that is neither
/// suppressed nor withdrawn.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Detections that stand in the first.
    pub first: u64,
    /// Detections that stand in the second.
    pub second: u64,
    /// Stand in both at the same level and score.
    pub same: u64,
    /// Stand in both at the same level, with another score.
    pub rescored: u64,
    /// Stand in the second alone.
    pub appeared: u64,
    /// Stand in the first alone.
    pub vanished: u64,
    /// Stand in both, at a higher level in the second.
    pub raised: u64,
    /// Stand in both, at a lower level in the second.
    pub lowered: u64,
    /// Hashes of what each was judged by, of the first and the second; they differ where the configurations or tables do.
    /// Empty where there is no detection to tell.
    pub config_hashes: [Vec<String>; 2],
    /// What both configurations judged; null for two files.
    pub logs: Option<Logs>,
    /// Keys in which the two configurations differ, with what each has, as JSON; null for two files.
    pub settings: Option<Settings>,
    /// What changed, by cause: the most alerts first.
    pub groups: Vec<Group>,
}

/// Keys of the configuration in which two differ: key → value in the first and the second.
pub type Settings = BTreeMap<String, [String; 2]>;

/// The logs that two configurations judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logs {
    pub files: u64,
    pub records: u64,
    pub rejected: u64,
    /// Events that the filters left out, by the first that does.
    pub filtered: BTreeMap<String, u64>,
}

/// How a detection changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    Appeared,
    Vanished,
    Raised,
    Lowered,
}

impl Change {
    pub fn name(self) -> &'static str {
        match self {
            Change::Appeared => "appeared",
            Change::Vanished => "vanished",
            Change::Raised => "raised",
            Change::Lowered => "lowered",
        }
    }
}

/// Changes of one kind and type for one cause.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub change: Change,
    /// Graph `riskEventType`.
    #[serde(rename = "type")]
    pub kind: String,
    pub cause: String,
    pub detections: u64,
    pub users: u64,
    /// Those that matter most: by level, score and time.
    pub examples: Vec<Example>,
}

/// One detection of a group.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Example {
    pub id: String,
    /// Empty for one about the user as a whole.
    pub request_id: String,
    pub user: String,
    pub time: String,
    /// Level in the first and second; null where it does not stand.
    pub levels: [Option<String>; 2],
    /// Score in the first and second; null where it does not stand.
    pub scores: [Option<u8>; 2],
    pub sentence: String,
}
