//! The formats that are read: their names, how each is recognised, and which function reads it.
//!
//! One row of [`READERS`](super::READERS) a format. A record whose format is not named is recognised by the keys at the top of its
//! object, in the order in which they are written, as soon as all keys of one [mark](Reader::marks) were seen; a line
//! of text by a function of the format's. Marks tell formats apart, they prove nothing: the reader refuses or skips
//! what is not its own.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::scan::TopKeys;
use super::{Around, Decoded, Reject};

/// Which decoder reads the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Decide per record.
    #[default]
    Auto,
    /// Farsign's own.
    Farsign,
    /// Microsoft Entra ID: Azure Monitor and Event Hub, Graph, Log Analytics.
    Entra,
    /// Microsoft 365 unified audit log.
    M365,
    /// Okta System Log.
    Okta,
    /// AWS CloudTrail: console and IAM Identity Center.
    CloudTrail,
    /// AWS GuardDuty findings.
    GuardDuty,
    /// Google Workspace: Reports API and Cloud Audit.
    Google,
    /// Auth0 tenant logs.
    Auth0,
    /// Keycloak events: log line, JSON log, REST.
    Keycloak,
    /// Duo authentication log.
    Duo,
    /// OneLogin events.
    OneLogin,
    /// PingOne activities.
    PingOne,
    /// PingFederate audit log.
    PingFederate,
    /// JumpCloud Directory Insights.
    JumpCloud,
    /// OpenSSH's server: syslog lines, journal.
    Sshd,
    /// Elastic Common Schema.
    Ecs,
    /// OCSF Authentication.
    Ocsf,
    /// Whatever the configuration's mappings are for.
    Mapping,
}

impl Format {
    pub const ALL: [Format; 19] = [
        Format::Auto,
        Format::Farsign,
        Format::Entra,
        Format::M365,
        Format::Okta,
        Format::CloudTrail,
        Format::GuardDuty,
        Format::Google,
        Format::Auth0,
        Format::Keycloak,
        Format::Duo,
        Format::OneLogin,
        Format::PingOne,
        Format::PingFederate,
        Format::JumpCloud,
        Format::Sshd,
        Format::Ecs,
        Format::Ocsf,
        Format::Mapping,
    ];

    /// The word used in configuration and command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Auto => "auto",
            Format::Farsign => "farsign",
            Format::Entra => "entra",
            Format::M365 => "m365",
            Format::Okta => "okta",
            Format::CloudTrail => "cloudtrail",
            Format::GuardDuty => "guardduty",
            Format::Google => "google",
            Format::Auth0 => "auth0",
            Format::Keycloak => "keycloak",
            Format::Duo => "duo",
            Format::OneLogin => "onelogin",
            Format::PingOne => "pingone",
            Format::PingFederate => "pingfederate",
            Format::JumpCloud => "jumpcloud",
            Format::Sshd => "sshd",
            Format::Ecs => "ecs",
            Format::Ocsf => "ocsf",
            Format::Mapping => "mapping",
        }
    }

    pub fn parse(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// Where a reader puts what it finds in one record. Where that is a list, also the reject of an element, with its offset in
/// the record: one that cannot be used does not cost the others.
pub(super) type Emit<'e, 'a> = &'e mut dyn FnMut(Result<Decoded<'a>, Reject>);

/// How one format is recognised and read.
pub(super) struct Reader {
    pub(super) format: Format,
    /// Alternatives: all keys of one, at the top of an object, are its mark.
    pub(super) marks: &'static [&'static [&'static str]],
    /// Is this line of text the format's?
    pub(super) is_line: Option<fn(&str) -> bool>,
    /// Reads one record: an object's text, or a line where [`Self::is_line`] is some. It may find several things in
    /// it; an error is the reject of the record as a whole, or of what is left of it.
    pub(super) read: ReadRecord,
}

pub(super) type ReadRecord = for<'a> fn(&'a str, &Around, Emit<'_, 'a>) -> Result<(), Reject>;

/// What an object is, by the keys at its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Index into [`READERS`](super::READERS).
    Record(usize),
    /// Index into [`super::envelope::WRAPPINGS`].
    Wrapping(usize),
    /// Azure's, or one of its lists: Entra's reader looks closer.
    Entra,
}

/// Keys of Azure Monitor, Graph and Log Analytics that end the search early.
const ENTRA_MARKS: [&[&str]; 9] = [
    &["createdDateTime"],
    &["properties", "category"],
    &["resourceId", "operationName"],
    &["time", "resourceId"],
    &["TimeGenerated"],
    &["userPrincipalName", "id"],
    &["@odata.context"],
    &["records"],
    &["tables"],
];

/// Every key that is part of a mark, ordered, and every mark as a set of them.
struct Marks {
    keys: Vec<&'static str>,
    sets: Vec<(KeySet, Kind)>,
}

/// Keys of marks, each by its place among all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct KeySet([u128; 2]);

impl KeySet {
    const PLACES: usize = 256;

    fn insert(&mut self, place: usize) {
        self.0[place / 128] |= 1 << (place % 128);
    }

    fn holds(&self, other: &KeySet) -> bool {
        self.0[0] & other.0[0] == other.0[0] && self.0[1] & other.0[1] == other.0[1]
    }
}

static MARKS: LazyLock<Marks> = LazyLock::new(|| {
    let records = super::READERS
        .iter()
        .enumerate()
        .flat_map(|(index, reader)| reader.marks.iter().map(move |mark| (*mark, Kind::Record(index))));
    let wrappings = super::envelope::WRAPPINGS
        .iter()
        .enumerate()
        .flat_map(|(index, wrapping)| wrapping.marks.iter().map(move |mark| (*mark, Kind::Wrapping(index))));
    let entra = ENTRA_MARKS.into_iter().map(|mark| (mark, Kind::Entra));
    let all: Vec<(&[&str], Kind)> = records.chain(wrappings).chain(entra).collect();
    let mut keys: Vec<&str> = all.iter().flat_map(|(mark, _)| mark.iter().copied()).collect();
    keys.sort_unstable_by_key(|key| (key.len(), *key));
    keys.dedup();
    assert!(keys.len() <= KeySet::PLACES, "more keys than a set has places");
    let set_of = |mark: &[&str]| {
        let mut set = KeySet::default();
        mark.iter()
            .filter_map(|key| keys.iter().position(|known| known == key))
            .for_each(|place| set.insert(place));
        set
    };
    let sets = all.iter().map(|(mark, kind)| (set_of(mark), *kind)).collect();
    Marks { keys, sets }
});

/// What the object in `text` is; `None` where it shows no mark. Reads no further than needed; what it passes over need
/// not be valid: whoever reads the object in full refuses it.
pub(super) fn kind_of(text: &str) -> Option<Kind> {
    let marks: &Marks = &MARKS;
    let mut seen = KeySet::default();
    for key in TopKeys::of(text) {
        let Ok(index) = marks.keys.binary_search_by_key(&(key.len(), key), |known| (known.len(), *known)) else {
            continue;
        };
        seen.insert(index);
        if let Some((_, kind)) = marks.sets.iter().find(|(set, _)| seen.holds(set)) {
            return Some(*kind);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Marks {
        fn names(&self, set: &KeySet) -> Vec<&'static str> {
            let is_in = |place: &usize| set.0[place / 128] & (1 << (place % 128)) != 0;
            (0..self.keys.len()).filter(is_in).map(|place| self.keys[place]).collect()
        }
    }

    /// What has all keys of two marks must not be one or the other by the order in which they are written.
    #[test]
    fn no_mark_hides_another() {
        let marks: &Marks = &MARKS;
        for (set, kind) in &marks.sets {
            for (other, of) in &marks.sets {
                let is_hidden = kind != of && set.holds(other);
                assert!(
                    !is_hidden,
                    "{:?} of {kind:?} is hidden by {:?} of {of:?}",
                    marks.names(set),
                    marks.names(other)
                );
            }
        }
    }
}
