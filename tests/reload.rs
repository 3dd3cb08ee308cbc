//! Real files and real signals: what is valid is taken up, what is not changes nothing.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use farsign::config;
use farsign::engine::enrich::Enricher;
use farsign::engine::facts::ListKind;
use farsign::metrics::Metrics;
use farsign::runtime::clock;
use farsign::runtime::reload::{Loaded, Outcome, Reloaded, Source, Timing, Watcher, reload};

const ADDRESS: &str = "192.0.2.7";

fn source(path: PathBuf) -> Source {
    Source { path: Some(path), environment: BTreeMap::new() }
}

fn start(source: &Source) -> Arc<Reloaded> {
    let config = config::load(source.path.as_deref(), &source.environment).unwrap();
    Reloaded::new(Loaded::new(&config).unwrap())
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// A configuration with one list, in `folder`.
fn settle(folder: &Path) -> (Source, Arc<Reloaded>) {
    write(&folder.join("tor.txt"), "198.51.100.1\n");
    let list = folder.join("tor.txt");
    write(
        &folder.join("farsign.yaml"),
        &format!("tables: {{lists: [{{kind: tor, file: {}}}]}}\n", list.display()),
    );
    let source = source(folder.join("farsign.yaml"));
    let cell = start(&source);
    (source, cell)
}

fn is_tor(cell: &Reloaded) -> bool {
    let mut enricher = Enricher::new(cell.current().tables.clone());
    enricher.inspect(ADDRESS.parse::<IpAddr>().unwrap()).0.lists.contains(ListKind::Tor)
}

#[test]
fn a_changed_list_is_a_new_generation() {
    let folder = tempfile::tempdir().unwrap();
    let (source, cell) = settle(folder.path());
    let before = cell.current();
    assert_eq!((before.generation, is_tor(&cell)), (1, false));
    assert!(cell.newer_than(1).is_none());
    assert_eq!(reload(&source, &cell).outcome, Outcome::Unchanged);
    write(&folder.path().join("tor.txt"), "192.0.2.0/24\n");
    assert_eq!(reload(&source, &cell).outcome, Outcome::Applied(2));
    let after = cell.newer_than(1).unwrap();
    assert!(is_tor(&cell));
    assert_ne!(after.engine.config_hash, before.engine.config_hash);
    assert_eq!(after.context.config_hash, after.engine.config_hash);
    assert!(cell.newer_than(2).is_none());
    assert_eq!(before.generation, 1, "who holds the old one keeps it whole");
}

#[test]
fn what_is_not_valid_is_refused_with_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let (source, cell) = settle(folder.path());
    let path = folder.path().join("farsign.yaml");
    let good = std::fs::read_to_string(&path).unwrap();
    let check = |expected: &[&str]| {
        let Outcome::Refused(problems) = reload(&source, &cell).outcome else { panic!("was not refused") };
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.contains(expected), "{problem} / {expected}");
        }
        assert_eq!(cell.current().generation, 1);
    };
    write(&path, "detections: {new_country: {common_share: 7}}\nbaseline: {half_life_days: no}\n");
    check(&["detections.new_country.common_share", "baseline.half_life_days"]);
    write(&path, &good);
    write(&folder.path().join("tor.txt"), "192.0.2.0/24\nnonsense\nAS1\n300.1.1.1\n");
    check(&["line 2: `nonsense`", "line 4: `300.1.1.1`"]);
    std::fs::remove_file(folder.path().join("tor.txt")).unwrap();
    check(&["cannot read"]);
    std::fs::remove_file(&path).unwrap();
    check(&["cannot read"]);
}

/// Keys that cannot change keep their value, and the hash says what is in use.
#[test]
fn limits_of_the_engine_wait_for_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("farsign.yaml");
    write(&path, "{}");
    let source = source(path.clone());
    let cell = start(&source);
    let detection = "detections: {new_country: {common_share: 0.25}}\n";
    write(
        &path,
        &format!("{detection}engine: {{users_max: 5000, lateness_horizon_s: 600}}\nreplay: {{threads: 3}}\n"),
    );
    let report = reload(&source, &cell);
    assert_eq!(report.outcome, Outcome::Applied(2));
    assert_eq!(report.restart_keys, ["engine.lateness_horizon_s", "engine.users_max", "replay.threads"]);
    let kept = cell.current();
    let defaults = farsign::engine::policy::EngineConfig::default();
    assert_eq!(kept.engine.users_max, defaults.users_max);
    assert_eq!(kept.engine.lateness_horizon_s, defaults.lateness_horizon_s);
    assert_eq!(kept.engine.default_policy.new_country.common_share, 0.25);
    assert_eq!(reload(&source, &cell).restart_keys.len(), 3, "they still wait");
    write(&path, detection);
    let report = reload(&source, &cell);
    assert_eq!((report.outcome, report.restart_keys.len()), (Outcome::Unchanged, 0));
    assert_eq!(start(&source).current().engine.config_hash, kept.engine.config_hash);
}

/// Whether the topic of shadow policies is there is looked at when the program starts, if there are any then.
#[test]
fn the_first_shadow_policy_waits_for_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("farsign.yaml");
    let source = source(path.clone());
    let shadows = |cell: &Reloaded| cell.current().shadow_names().map(str::to_owned).collect::<Vec<_>>();
    let one = "policies: [{name: one, shadow: true}]\n";
    let two = "policies: [{name: two, shadow: true}, {name: one, shadow: true}]\n";

    write(&path, "{}");
    let cell = start(&source);
    let hash = cell.current().engine.config_hash;
    write(&path, one);
    let report = reload(&source, &cell);
    assert_eq!((report.outcome, report.restart_keys), (Outcome::Unchanged, vec!["policies.shadow".to_owned()]));
    assert_eq!(shadows(&cell), Vec::<String>::new());

    let cell = start(&source);
    assert_eq!(shadows(&cell), ["one"]);
    assert_eq!(cell.current().engine.config_hash, hash, "live verdicts rest on no shadow policy");
    write(&path, two);
    assert_eq!(reload(&source, &cell).outcome, Outcome::Applied(2));
    assert_eq!(shadows(&cell), ["two", "one"]);
    write(&path, "{}");
    assert_eq!(reload(&source, &cell).outcome, Outcome::Applied(3));
    assert_eq!(shadows(&cell), Vec::<String>::new());
}

const QUICK: Timing = Timing {
    quiet: Duration::from_millis(100),
    quiet_max: Duration::from_secs(5),
    look: Duration::from_secs(600),
};

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = clock::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}: waited for 20 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn reloads(metrics: &Metrics, result: &str) -> u64 {
    let series = format!("farsign_config_reloads_total{{result=\"{result}\"}} ");
    metrics.render().lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap()
}

/// What happens to a file that is watched, and whether it is noticed without a look.
fn watched(what: &str, act: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let (source, cell) = settle(folder.path());
    let metrics = Metrics::new();
    let watcher = Watcher::start(source, cell.clone(), metrics.clone(), QUICK).unwrap();
    act(folder.path());
    wait_until(what, || cell.current().generation == 2);
    assert!(is_tor(&cell), "{what}");
    wait_until(what, || reloads(&metrics, "applied") == 1);
    drop(watcher);
}

#[test]
fn files_are_watched() {
    watched("rewritten in place", |folder| write(&folder.join("tor.txt"), "192.0.2.0/24\n"));
    watched("renamed over", |folder| {
        write(&folder.join("new"), "192.0.2.0/24\n");
        std::fs::rename(folder.join("new"), folder.join("tor.txt")).unwrap();
    });
    watched("another list by the configuration", |folder| {
        std::fs::create_dir(folder.join("lists")).unwrap();
        write(&folder.join("lists/tor.txt"), "192.0.2.0/24\n");
        let list = folder.join("lists/tor.txt");
        let text = format!("tables: {{lists: [{{kind: tor, file: {}}}]}}\n", list.display());
        write(&folder.join("farsign.yaml"), &text);
    });
    watched("first without the list that it names", |folder| {
        let list = folder.join("later.txt");
        let text = format!("tables: {{lists: [{{kind: tor, file: {}}}]}}\n", list.display());
        write(&folder.join("farsign.yaml"), &text);
        std::thread::sleep(Duration::from_millis(500));
        write(&list, "192.0.2.0/24\n");
    });
}

/// As Kubernetes mounts a ConfigMap: names link into `..data`, which links to a folder that is replaced.
#[test]
fn a_swapped_folder_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let fill = |version: &str, list: &str| {
        std::fs::create_dir(root.join(version)).unwrap();
        let text = format!("tables: {{lists: [{{kind: tor, file: {}}}]}}\n", root.join("tor.txt").display());
        write(&root.join(version).join("farsign.yaml"), &text);
        write(&root.join(version).join("tor.txt"), list);
    };
    fill("..one", "198.51.100.1\n");
    symlink("..one", root.join("..data")).unwrap();
    for name in ["farsign.yaml", "tor.txt"] {
        symlink(Path::new("..data").join(name), root.join(name)).unwrap();
    }
    let source = source(root.join("farsign.yaml"));
    let cell = start(&source);
    let watcher = Watcher::start(source, cell.clone(), Metrics::new(), QUICK).unwrap();
    for (generation, version, list) in [(2, "..two", "192.0.2.0/24\n"), (3, "..three", "198.51.100.1\n")] {
        fill(version, list);
        symlink(version, root.join("..data_tmp")).unwrap();
        std::fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        wait_until(version, || cell.current().generation == generation);
        assert_eq!(is_tor(&cell), generation == 2);
    }
    drop(watcher);
}

/// A file system without notices: the periodic look finds it. And SIGHUP asks for a reload at once, also where
/// nothing changed. One test, as every watcher of a process hears its signals.
#[test]
fn a_hangup_and_a_look_reload() {
    let folder = tempfile::tempdir().unwrap();
    let (source, cell) = settle(folder.path());
    let metrics = Metrics::new();
    let watcher = Watcher::start(source.clone(), cell.clone(), metrics.clone(), QUICK).unwrap();
    signal_hook::low_level::raise(signal_hook::consts::SIGHUP).unwrap();
    wait_until("SIGHUP", || reloads(&metrics, "unchanged") >= 1);
    write(&folder.path().join("tor.txt"), "nonsense\n");
    wait_until("a refusal", || reloads(&metrics, "refused") >= 1);
    assert_eq!(cell.current().generation, 1);
    assert!(metrics.render().contains("farsign_config_last_reload_successful 0\n"));
    write(&folder.path().join("tor.txt"), "192.0.2.0/24\n");
    wait_until("the correction", || cell.current().generation == 2);
    wait_until("the metric", || metrics.render().contains("farsign_config_last_reload_successful 1\n"));
    drop(watcher);

    let blind = Timing { quiet_max: Duration::ZERO, look: Duration::from_millis(50), ..QUICK };
    let metrics = Metrics::new();
    let watcher = Watcher::start(source, cell.clone(), metrics.clone(), blind).unwrap();
    // A mount point that changes gives no notice for its folder; the nearest to it here is the clock alone: the
    // folder is moved away, and its watch with it.
    let moved = folder.path().with_extension("moved");
    std::fs::rename(folder.path(), &moved).unwrap();
    wait_until("the files are gone", || reloads(&metrics, "refused") >= 1);
    write(&moved.join("tor.txt"), "198.51.100.9\n");
    std::fs::rename(&moved, folder.path()).unwrap();
    wait_until("they are back", || cell.current().generation == 3);
    drop(watcher);
}
