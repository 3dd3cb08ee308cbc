//! The memory that this process may use, as its control group says.
//!
//! Linux only: elsewhere, and where no limit is set, there is none. Memory, CPU and descriptors in use come from the
//! prometheus crate's own process collector.

use std::path::{Path, PathBuf};

/// Bytes; `None` = no limit.
pub fn memory_limit_bytes() -> Option<u64> {
    limit_of(Path::new("/sys/fs/cgroup"), &std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
}

/// The tightest limit of the group and those it is in. `groups` is the text of `/proc/self/cgroup`.
fn limit_of(root: &Path, groups: &str) -> Option<u64> {
    // Version 2 has one hierarchy, `0::/path`; in version 1 memory has its own, `N:memory:/path`.
    let group = |prefix: &str| {
        groups
            .lines()
            .find_map(|line| line.split_once(':')?.1.strip_prefix(prefix))
            .map(|path| path.trim_matches('/'))
    };
    let unified = group(":").map(|path| limits(root.to_owned(), path, "memory.max"));
    let legacy = group("memory:").map(|path| limits(root.join("memory"), path, "memory.limit_in_bytes"));
    unified.into_iter().chain(legacy).flatten().min()
}

/// Inside a container the path may be that of the host, and only the root be there.
fn limits(root: PathBuf, path: &str, file: &str) -> Option<u64> {
    // Version 1 says "no limit" by the largest page-aligned number.
    const UNLIMITED: u64 = 1 << 62;
    let group = root.join(path);
    let groups = group.ancestors().take_while(|folder| folder.starts_with(&root));
    let read = |folder: &Path| std::fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
    groups.filter_map(read).filter(|limit| *limit < UNLIMITED).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], groups: &str, expected: Option<u64>) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        assert_eq!(limit_of(root.path(), groups), expected, "{files:?} {groups:?}");
    }

    #[test]
    fn the_tightest_limit_counts() {
        let unified = "0::/system.slice/farsign.service\n";
        check(&[("system.slice/farsign.service/memory.max", "1000\n")], unified, Some(1_000));
        let both = [("system.slice/farsign.service/memory.max", "1000\n"), ("system.slice/memory.max", "500\n")];
        check(&both, unified, Some(500));
        check(&[("system.slice/farsign.service/memory.max", "max\n")], unified, None);
        check(&[("memory.max", "700\n")], "0::/\n", Some(700));
        check(&[("memory.max", "700\n")], "0::/kubepods/pod1\n", Some(700));
        let legacy = "5:memory:/docker/a\n4:cpu:/docker/a\n";
        check(&[("memory/docker/a/memory.limit_in_bytes", "900\n")], legacy, Some(900));
        check(&[("memory/memory.limit_in_bytes", "9223372036854771712\n")], legacy, None);
        check(&[], "", None);
        check(&[("memory.max", "700\n")], "", None);
    }
}
