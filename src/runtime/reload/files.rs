//! Which files changed since they were last looked at.
//!
//! A file is what its name leads to: an atomic rename, a symlink that is turned (Kubernetes mounts a ConfigMap as
//! links into a folder that is swapped) and a rewrite in place all change it. The folders to watch are those of the
//! names and those of what they lead to. Contents are not read here.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a name leads to; `None` where there is nothing.
type Fingerprint = Option<(PathBuf, u64, u64, Option<SystemTime>)>;

/// Names with what they led to when last looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    seen: Vec<(PathBuf, Fingerprint)>,
}

impl Files {
    /// Looks at `names` now.
    pub(super) fn look(names: &[PathBuf]) -> Files {
        Files { seen: names.iter().map(|name| (name.clone(), fingerprint(name))).collect() }
    }

    pub(super) fn extend(&mut self, more: Files) {
        self.seen.extend(more.seen);
    }

    pub(super) fn changed(&self) -> bool {
        self.seen.iter().any(|(name, seen)| fingerprint(name) != *seen)
    }

    /// Folders in which something happens when one of the files changes.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        let targets = self.seen.iter().filter_map(|(_, seen)| Some(&seen.as_ref()?.0));
        let names = self.seen.iter().map(|(name, _)| name);
        names.chain(targets).map(|path| folder(path)).collect()
    }
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn fingerprint(name: &Path) -> Fingerprint {
    let target = std::fs::canonicalize(name).ok()?;
    let metadata = std::fs::metadata(&target).ok()?;
    Some((target, metadata.ino(), metadata.len(), metadata.modified().ok()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Whether `act` changes `file`, which holds "a".
    fn check(what: &str, expected: bool, act: impl FnOnce(&Path)) {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("one")).unwrap();
        std::fs::create_dir_all(root.path().join("two")).unwrap();
        for folder in ["one", "two"] {
            std::fs::write(root.path().join(folder).join("file"), "a").unwrap();
        }
        symlink("one", root.path().join("..data")).unwrap();
        symlink("..data/file", root.path().join("linked")).unwrap();
        std::fs::write(root.path().join("plain"), "a").unwrap();
        let names = ["linked", "plain", "missing"].map(|name| root.path().join(name));
        let files = Files::look(&names);
        assert!(!files.changed(), "{what}: nothing has happened");
        act(root.path());
        assert_eq!(files.changed(), expected, "{what}");
        assert!(!Files::look(&names).changed(), "{what}: it was looked at again");
    }

    #[test]
    fn every_way_to_change_a_file_is_seen() {
        let write = |path: PathBuf, text: &str| std::fs::write(path, text).unwrap();
        check("nothing", false, |_| {});
        check("rewritten, longer", true, |root| write(root.join("plain"), "ab"));
        check("renamed over", true, |root| {
            write(root.join("new"), "a");
            std::fs::rename(root.join("new"), root.join("plain")).unwrap();
        });
        check("removed", true, |root| std::fs::remove_file(root.join("plain")).unwrap());
        check("created", true, |root| write(root.join("missing"), ""));
        check("a neighbour", false, |root| write(root.join("other"), "x"));
        check("the link's target", true, |root| write(root.join("one/file"), "ab"));
        check("another target", false, |root| write(root.join("two/file"), "ab"));
        check("the folder swapped", true, |root| {
            symlink("two", root.join("..new")).unwrap();
            std::fs::rename(root.join("..new"), root.join("..data")).unwrap();
        });
    }

    #[test]
    fn folders_of_names_and_targets_are_watched() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("one")).unwrap();
        std::fs::write(root.join("one/file"), "a").unwrap();
        symlink("one/file", root.join("linked")).unwrap();
        let files = Files::look(&[root.join("linked"), PathBuf::from("here.yaml")]);
        assert_eq!(
            files.folders().into_iter().collect::<Vec<_>>(),
            [root.clone(), root.join("one"), PathBuf::from(".")]
        );
    }
}
