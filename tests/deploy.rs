//! The files of `deploy/`, the Dockerfile and docker-compose.yml: they parse, name only what exists, fit each other, and
//! their configurations are ones that Farsign accepts. Nothing is deployed here.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use farsign::config::{self, Config};
use serde_json::Value;

const PORT: u16 = 9464;

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn compose() -> Value {
    yaml("docker-compose.yml")
}

fn services(compose: &Value) -> &serde_json::Map<String, Value> {
    compose["services"].as_object().unwrap()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap()).collect()
}

/// A configuration that `farsign run` would start with.
fn accepted(name: &str, text: &str, variables: &[(&str, &str)]) -> Config {
    let environment = variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let config = config::parse(text, &environment).unwrap_or_else(|problems| panic!("{name}:\n{problems}"));
    config.for_input().unwrap_or_else(|problems| panic!("{name}:\n{problems}"));
    config
}

/// Whether the image's name says which version it is, for longer than a day: a full version, or a digest.
fn is_pinned(image: &str) -> bool {
    if let Some((_, digest)) = image.split_once("@sha256:") {
        return digest.len() == 64;
    }
    let tag = image.rsplit('/').next().and_then(|name| name.split_once(':')).map_or("", |(_, tag)| tag);
    let version = tag.trim_start_matches('v').split('-').next().unwrap_or_default();
    version.split('.').count() >= 2
        && version.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

#[test]
fn pinned_images_are_recognised() {
    let check = |image: &str, pinned: bool| assert_eq!(is_pinned(image), pinned, "{image}");
    check("apache/kafka:4.1.1", true);
    check("prom/prometheus:v3.5.0", true);
    check("rust:1.95.0-slim-bookworm", true);
    check("registry.example:5000/farsign:0.1.0", true);
    check(&format!("debian@sha256:{}", "a".repeat(64)), true);
    check("debian@sha256:abc", false);
    check("registry.example:5000/farsign", false);
    check("grafana/grafana:latest", false);
    check("grafana/grafana", false);
    check("debian:bookworm-slim", false);
    check("rust:1", false);
    check("rust:1.", false);
}

#[test]
fn compose_pins_images_and_bounds_services() {
    let compose = compose();
    let names: Vec<&str> = services(&compose).keys().map(String::as_str).collect();
    assert_eq!(names, ["kafka", "sign-ins-topic", "topics", "farsign", "prometheus", "grafana"]);
    for (name, service) in services(&compose) {
        let image = service["image"].as_str().unwrap();
        assert!(is_pinned(image), "{name}: `{image}` is not pinned");
        assert!(service["mem_limit"].is_string(), "{name} has no memory limit");
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:") && port.split(':').count() == 3, "{name} listens on {port}");
        }
        // What stays up is watched; what ends is waited for.
        let once = service["restart"] == "no";
        assert_eq!(service["healthcheck"]["test"].is_array(), !once, "{name}");
        for (needed, how) in service["depends_on"].as_object().into_iter().flatten() {
            let needed = &services(&compose)[needed];
            let ends = how["condition"] == "service_completed_successfully";
            assert!(ends || how["condition"] == "service_healthy", "{name}: {how}");
            assert_eq!(ends, needed["restart"] == "no", "{name}: {how}");
        }
    }
}

/// Every mount is a file of this repository, read-only, or a volume that is declared; every declared volume is used.
#[test]
fn compose_mounts_what_exists() {
    let compose = compose();
    let declared: BTreeSet<&str> = compose["volumes"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut used = BTreeSet::new();
    let mut files = 0;
    for (name, service) in services(&compose) {
        for mount in texts(&service["volumes"]) {
            let parts: Vec<&str> = mount.split(':').collect();
            if let Some(path) = parts[0].strip_prefix("./") {
                files += 1;
                assert!(Path::new(path).exists(), "{name} mounts `{path}`, which is not there");
                assert_eq!(parts.get(2), Some(&"ro"), "{name} could write `{path}`");
            } else {
                assert!(declared.contains(parts[0]), "{name} mounts `{mount}`");
                used.insert(parts[0]);
            }
        }
    }
    assert_eq!(used, declared);
    assert!(files >= 8, "mounted files were seen");
}

/// Where a container's path comes from on the host, by the service's mounts.
fn host_path(service: &Value, inside: &str) -> Option<String> {
    texts(&service["volumes"]).into_iter().find_map(|mount| {
        let (from, to) = mount.split_once(':')?;
        let rest = inside.strip_prefix(to.split(':').next()?)?;
        Some(format!("{from}{rest}"))
    })
}

#[test]
fn compose_configuration_is_accepted_and_fits() {
    let compose = compose();
    let text = read("deploy/compose/farsign.yaml");
    let config = accepted("deploy/compose/farsign.yaml", &text, &[]);
    let farsign = &services(&compose)["farsign"];

    let command = texts(&farsign["command"]);
    assert_eq!(command[..2], ["run", "--config"]);
    assert_eq!(host_path(farsign, command[2]).as_deref(), Some("./deploy/compose/farsign.yaml"));
    assert_eq!(
        host_path(&services(&compose)["topics"], command[2]).as_deref(),
        Some("./deploy/compose/farsign.yaml")
    );

    // All its tables are mounted, and its state folder is a volume.
    let mut tables: Vec<&str> =
        text.split_whitespace().filter(|word| word.contains("/usr/share/farsign/")).collect();
    tables.iter_mut().for_each(|path| *path = path.trim_matches(['[', ']', '"']));
    assert_eq!(tables.len(), 5);
    for table in tables {
        let path = host_path(farsign, table).unwrap_or_else(|| panic!("{table} is not mounted"));
        assert!(Path::new(&path).exists(), "{table} is not in the repository");
    }
    let state = config.run.state_folder.as_ref().unwrap().to_str().unwrap();
    assert_eq!(host_path(farsign, state).as_deref(), Some("farsign-state"));

    // The broker's address, the topic and its partitions, the port, one broker's replicas.
    assert_eq!(config.kafka.bootstrap_servers, ["kafka:19092"]);
    let kafka = &services(&compose)["kafka"]["environment"];
    assert!(kafka["KAFKA_ADVERTISED_LISTENERS"].as_str().unwrap().contains("INTERNAL://kafka:19092"));
    let topic = texts(&services(&compose)["sign-ins-topic"]["command"]);
    let option = |name: &str| topic.iter().position(|word| *word == name).map(|at| topic[at + 1]).unwrap();
    assert_eq!(option("--topic"), config.input.topics[0]);
    assert_eq!(option("--partitions"), config.topics.partitions.to_string());
    assert_eq!((config.topics.replication_factor, config.topics.min_insync_replicas), (1, 1));
    assert_eq!(config.http.listen.port(), PORT);
    assert!(config.http.listen.ip().is_unspecified(), "Prometheus comes from another container");
    let grace = farsign["stop_grace_period"].as_str().unwrap().strip_suffix('s').unwrap().parse().unwrap();
    assert!(Duration::from_secs(grace) > config.run.shutdown_grace);
}

#[test]
fn prometheus_and_grafana_find_each_other() {
    let compose = compose();
    let scrape = yaml("deploy/prometheus/prometheus.yml");
    let targets = texts(&scrape["scrape_configs"][0]["static_configs"][0]["targets"]);
    assert_eq!(targets, [format!("farsign:{PORT}")]);
    let prometheus = &services(&compose)["prometheus"];
    for rules in texts(&scrape["rule_files"]) {
        let inside = if rules.starts_with('/') { rules.to_owned() } else { format!("/etc/prometheus/{rules}") };
        let path = host_path(prometheus, &inside).unwrap_or_else(|| panic!("{rules} is not mounted"));
        assert!(Path::new(&path).exists());
    }

    let grafana = &services(&compose)["grafana"];
    let source = &yaml("deploy/grafana/provisioning/datasources/farsign.yml")["datasources"][0];
    assert_eq!(source["url"], "http://prometheus:9090");
    let provider = yaml("deploy/grafana/provisioning/dashboards/farsign.yml");
    let folder = provider["providers"][0]["options"]["path"].as_str().unwrap();
    let dashboard = host_path(grafana, &format!("{folder}/farsign.json"));
    assert_eq!(dashboard.as_deref(), Some("./deploy/grafana/dashboards/farsign.json"));
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/dashboards/farsign.json")).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() >= 4);
}

/// Instructions of the Dockerfile, continued lines joined, comments left out.
fn instructions(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let split = |line: &str| line.trim().split_once(' ').map(|(a, b)| (a.to_owned(), b.trim().to_owned()));
    joined.lines().filter_map(split).collect()
}

#[test]
fn the_image_is_small_pinned_and_not_root() {
    let dockerfile = instructions(&read("Dockerfile"));
    let all =
        |name: &str| dockerfile.iter().filter(|(word, _)| word == name).map(|(_, rest)| rest).collect::<Vec<_>>();
    let stages = all("FROM");
    assert_eq!(stages.len(), 2, "a stage to build and one to run");
    for stage in &stages {
        assert!(is_pinned(stage.split(' ').next().unwrap()), "{stage} is not pinned");
    }
    // The compiler is at least what the crate asks for, and the C libraries of both stages are of one release.
    let rust = stages[0].strip_prefix("rust:").unwrap().split('-').next().unwrap();
    assert!(rust.starts_with(env!("CARGO_PKG_RUST_VERSION")), "{rust}");
    assert!(all("ENV").contains(&&format!("RUSTUP_TOOLCHAIN={rust}")));
    assert!(stages[0].contains("-bookworm ") && stages[1].starts_with("debian:12."));
    assert!(all("RUN").iter().any(|run| run.contains("cargo build --release --locked")));

    let user: u32 = all("USER").last().unwrap().split(':').next().unwrap().parse().expect("a number");
    assert_ne!(user, 0);
    let health = all("HEALTHCHECK");
    assert!(
        health[0].contains(r#"["farsign", "health", "--url", "http://127.0.0.1:9464/healthz"]"#),
        "{health:?}"
    );
    assert_eq!(all("EXPOSE"), [&PORT.to_string()]);
    assert_eq!(all("ENTRYPOINT"), [r#"["farsign"]"#]);
}

/// What the build embeds or declares must reach it.
#[test]
fn the_build_gets_its_sources() {
    let ignored = read(".dockerignore");
    let ignored: Vec<&str> = ignored.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    for needed in ["Cargo.toml", "Cargo.lock", "src", "data", "geoip-test-data", "benches"] {
        assert!(Path::new(needed).exists() && !ignored.contains(&needed), "{needed}");
    }
    for unneeded in ["target", ".git"] {
        assert!(ignored.contains(&unneeded), "{unneeded} is sent to the builder");
    }
}

fn manifests() -> BTreeMap<String, Value> {
    let files = std::fs::read_dir("deploy/kubernetes").unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), yaml(&path))).collect()
}

#[test]
fn kubernetes_manifests_are_what_they_should_be() {
    let manifests = manifests();
    let kinds: Vec<(&str, &str, &str)> = manifests
        .iter()
        .map(|(file, m)| (file.as_str(), m["apiVersion"].as_str().unwrap(), m["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("configmap.yaml", "v1", "ConfigMap"),
            ("kustomization.yaml", "kustomize.config.k8s.io/v1beta1", "Kustomization"),
            ("namespace.yaml", "v1", "Namespace"),
            ("poddisruptionbudget.yaml", "policy/v1", "PodDisruptionBudget"),
            ("service.yaml", "v1", "Service"),
            ("servicemonitor.yaml", "monitoring.coreos.com/v1", "ServiceMonitor"),
            ("statefulset.yaml", "apps/v1", "StatefulSet"),
            ("topics.yaml", "batch/v1", "Job"),
        ]
    );
    // The kustomization has them all, but the one that needs an operator.
    let listed: BTreeSet<&str> = texts(&manifests["kustomization.yaml"]["resources"]).into_iter().collect();
    let expected = kinds.iter().map(|(file, ..)| *file);
    let optional = ["kustomization.yaml", "servicemonitor.yaml"];
    assert_eq!(listed, expected.filter(|file| !optional.contains(file)).collect());
    for (file, manifest) in &manifests {
        if !["kustomization.yaml", "namespace.yaml"].contains(&file.as_str()) {
            assert_eq!(manifest["metadata"]["namespace"], "farsign", "{file}");
        }
    }
}

#[test]
fn pods_are_restricted_probed_and_have_time_to_stop() {
    let manifests = manifests();
    for file in ["statefulset.yaml", "topics.yaml"] {
        let pod = &manifests[file]["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false, "{file}");
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{file}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{file}");
        let container = &pod["containers"][0];
        assert!(is_pinned(container["image"].as_str().unwrap()), "{file}");
        let security = &container["securityContext"];
        assert_eq!(security["allowPrivilegeEscalation"], false, "{file}");
        assert_eq!(security["readOnlyRootFilesystem"], true, "{file}");
        assert_eq!(texts(&security["capabilities"]["drop"]), ["ALL"], "{file}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{file}");
        // Each mount is of a volume that is there.
        let mut volumes = names(&pod["volumes"]);
        let claims = manifests[file]["spec"]["volumeClaimTemplates"].as_array();
        volumes.extend(claims.into_iter().flatten().map(|claim| claim["metadata"]["name"].as_str().unwrap()));
        let mounted = names(&container["volumeMounts"]);
        assert_eq!(mounted, volumes, "{file}");
    }
    let pod = &manifests["statefulset.yaml"]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    for (probe, path) in
        [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
    {
        assert_eq!(container[probe]["httpGet"]["path"], path, "{probe}");
        assert_eq!(container[probe]["httpGet"]["port"], "http", "{probe}");
    }
    assert_eq!(container["ports"][0]["containerPort"], PORT);
    assert_eq!(manifests["service.yaml"]["spec"]["ports"][0]["port"], PORT);
    let labels = &manifests["statefulset.yaml"]["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&manifests["service.yaml"]["spec"]["selector"], labels);
    assert_eq!(&manifests["statefulset.yaml"]["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&manifests["poddisruptionbudget.yaml"]["spec"]["selector"]["matchLabels"], labels);
}

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}

#[test]
fn kubernetes_configuration_is_accepted_and_fits() {
    let manifests = manifests();
    let text = manifests["configmap.yaml"]["data"]["farsign.yaml"].as_str().unwrap();
    for file in ["statefulset.yaml", "topics.yaml"] {
        let pod = &manifests[file]["spec"]["template"]["spec"];
        // The variables the pod has are the ones its configuration names.
        let variables: Vec<(&str, &str)> =
            names(&pod["containers"][0]["env"]).into_iter().map(|v| (v, "x")).collect();
        let config = accepted(file, text, &variables);
        assert_eq!(config.http.listen.port(), PORT);
        let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
        let folders: Vec<&str> = mounts.iter().map(|mount| mount["mountPath"].as_str().unwrap()).collect();
        let arguments = texts(&pod["containers"][0]["args"]);
        assert!(
            folders.iter().any(|folder| arguments.last().unwrap().starts_with(folder)),
            "{file}: {arguments:?}"
        );
        for word in text.split_whitespace().filter(|word| word.contains("/farsign/") && file != "topics.yaml") {
            let path = word.trim_matches(['[', ']', '"']);
            assert!(folders.iter().any(|folder| path.starts_with(folder)), "{path} is not mounted");
        }
        if let Some(grace) = pod["terminationGracePeriodSeconds"].as_u64() {
            assert!(Duration::from_secs(grace) > config.run.shutdown_grace);
        }
    }
}

#[test]
fn the_service_unit_is_hardened_and_has_time_to_stop() {
    let unit = read("deploy/systemd/farsign.service");
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    for (key, expected) in [
        ("DynamicUser", "yes"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("StateDirectory", "farsign"),
        ("Restart", "on-failure"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        ("CapabilityBoundingSet", ""),
    ] {
        assert_eq!(value(key), Some(expected), "{key}");
    }
    let defaults = config::parse("", &BTreeMap::new()).unwrap();
    let stop: u64 = value("TimeoutStopSec").unwrap().parse().unwrap();
    assert!(Duration::from_secs(stop) > defaults.run.shutdown_grace);
}

/// systemd's own opinion, where it is installed: names of settings, syntax, order of sections.
#[test]
fn the_service_unit_is_one_to_systemd() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("farsign.service");
    // The binary it names is not installed here.
    std::fs::write(&copy, read("deploy/systemd/farsign.service").replace("/usr/local/bin/farsign", "/bin/true"))
        .unwrap();
    match std::process::Command::new("systemd-analyze").arg("verify").arg(&copy).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.is_empty(), "{said}");
        }
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "systemd-analyze: {error}"),
    }
}
