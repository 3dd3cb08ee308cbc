//! Rules over the source tree that no compiler knows: the engine's purity, file sizes, module docs, and documents
//! that name only what exists.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::path::{Path, PathBuf};

/// A file grows past this only by being split.
const FILE_LINES_MAX: usize = 600;

/// Source files under `folder`, sorted.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no source under {folder}");
    files
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The part before the unit tests, without comments.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Words of the outside world found in `code`.
fn impure(code: &str) -> Vec<&'static str> {
    const FORBIDDEN: [&str; 17] = [
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "std::net::ToSocketAddrs",
        "std::thread",
        "std::env",
        "std::process",
        "std::io::stdin",
        "Instant",
        "SystemTime",
        "Timestamp::now",
        "Zoned::now",
        "RandomState",
        "tokio",
        "rdkafka",
        "prometheus",
        "rand::",
    ];
    // `use std::{fs, …}` hides the path; imports of the engine are written out one by one.
    let grouped = code.contains("use std::{").then_some("use std::{");
    let word = |text: &str, at: usize, length: usize| {
        let before = text[..at].chars().next_back();
        let after = text[at + length..].chars().next();
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !part(before) && !part(after)
    };
    FORBIDDEN
        .into_iter()
        .filter(|found| {
            // A path may go on ("std::net::TcpStream", "rand::rng"), a name may not ("tokio" is not "tokiot").
            let open = found.ends_with("::") || found.starts_with("std::net::");
            code.match_indices(found).any(|(at, _)| {
                if open {
                    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                } else {
                    word(code, at, found.len())
                }
            })
        })
        .chain(grouped)
        .collect()
}

#[test]
fn the_engine_is_pure() {
    // A `tests.rs` is a module of tests, like those inside a file, which `code` leaves out.
    for path in rust_files("src/engine").into_iter().filter(|path| !path.ends_with("tests.rs")) {
        assert!(impure(&code(&read(&path))).is_empty(), "{}: {:?}", path.display(), impure(&code(&read(&path))));
    }
}

#[test]
fn impurity_is_recognised() {
    let check = |text: &str, expected: &[&str]| assert_eq!(impure(&code(text)), expected, "{text}");
    check("use std::fs::File;", &["std::fs"]);
    check("use std::time::Instant;", &["Instant"]);
    check("let t = SystemTime::now();", &["SystemTime"]);
    check("use std::net::TcpStream;", &["std::net::Tcp"]);
    check("let x = rand::rng();", &["rand::"]);
    check("use std::{fs, io};", &["use std::{"]);
    check("use std::net::IpAddr;", &[]);
    check("use std::time::Duration;", &[]);
    check("fn operand::x() {} // std::fs", &[]);
    check("struct InstantRate;", &[]);
    check("fn f() {}\n#[cfg(test)]\nmod tests { use std::fs; }", &[]);
}

#[test]
fn files_stay_short() {
    for folder in ["src", "tests"] {
        for path in rust_files(folder) {
            let lines = read(&path).lines().count();
            assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines; split it by subject", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    for folder in ["src", "tests"] {
        for path in rust_files(folder) {
            assert!(read(&path).starts_with("//! "), "{} has no module doc", path.display());
        }
    }
}

/// Names in backticks or link targets that look like a path of this repository: they begin with one of its folders,
/// or with `../` from a document's own folder.
fn paths(text: &str) -> Vec<&str> {
    const ROOTS: [&str; 12] = [
        "src/",
        "tests/",
        "docs/",
        "config/",
        "scripts/",
        "benches/",
        "fuzz/",
        "deploy/",
        "geoip-test-data/",
        ".ci/",
        "examples/",
        "../",
    ];
    // Made by commands, not kept.
    const MADE: [&str; 2] = ["fuzz/corpus", "fuzz/artifacts"];
    let backticked = text.split('`').skip(1).step_by(2);
    let linked = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    backticked
        .chain(linked)
        .map(|name| name.split('#').next().unwrap_or_default())
        .filter(|name| ROOTS.iter().any(|root| name.starts_with(root)))
        .filter(|name| !MADE.contains(name))
        .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)))
        .collect()
}

/// `make x` in backticks or at the start of a line.
fn make_targets(text: &str) -> Vec<&str> {
    let backticked = text.split('`').skip(1).step_by(2);
    backticked
        .chain(text.lines().map(str::trim))
        .filter_map(|code| code.strip_prefix("make "))
        .filter_map(|rest| rest.split_whitespace().next())
        .filter(|target| target.chars().all(|c| c.is_ascii_lowercase()))
        .collect()
}

#[test]
fn documents_name_only_what_exists() {
    let makefile = read(Path::new("Makefile"));
    let mut targets_seen = 0;
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/README.md",
        "docs/output.md",
        "docs/output/ecs.md",
        "docs/output/ocsf.md",
        "docs/output/sigma.md",
        "docs/evaluate.md",
        "docs/operate.md",
        "docs/metrics.md",
        "docs/detections/README.md",
        "deploy/README.md",
    ] {
        let path = Path::new(document);
        // The first two come with the whole; the others are always there.
        if !path.exists() && ["README.md", "ARCHITECTURE.md"].contains(&document) {
            continue;
        }
        let text = read(path);
        for name in paths(&text) {
            let base = if name.starts_with("../") { path.parent().unwrap() } else { Path::new("") };
            assert!(base.join(name).exists(), "{document} names `{name}`, which is not there");
        }
        for target in make_targets(&text) {
            targets_seen += 1;
            assert!(makefile.contains(&format!("\n{target}:")), "{document} names `make {target}`");
        }
    }
    assert!(targets_seen >= 5, "documents were read");
}

#[test]
fn names_in_documents_are_recognised() {
    assert_eq!(
        paths("see `src/engine/mod.rs` and [x](docs/a.md#part), `cargo test`, `../b`"),
        ["src/engine/mod.rs", "../b", "docs/a.md"]
    );
    assert_eq!(paths("`src/engine/*.rs` and `fuzz/corpus`"), Vec::<&str>::new());
    assert_eq!(make_targets("`make test` and\n  make lint X=1\nto make it work, `make FOO=1`"), ["test", "lint"]);
}

/// Every target of the Makefile is in its help and in CONTRIBUTING's table, or is part of another.
#[test]
fn every_make_target_has_a_description() {
    for line in read(Path::new("Makefile")).lines() {
        let Some((target, rest)) = line.split_once(':') else { continue };
        if !target.is_empty() && target.chars().all(|c| c.is_ascii_lowercase()) {
            assert!(rest.contains("## "), "make {target} has no description");
        }
    }
}
