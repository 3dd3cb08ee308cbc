//! One cluster of `scripts/kafka.sh`: start, kill, restart, pause, and its addresses. No topic is known here.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::eventually;

/// Ports that `scripts/kafka.sh` gives to one node, of which it uses the first six.
const NODE_PORTS: u16 = 10;
/// Held by the test process as long as the broker lives, so that no other test process takes the same block.
const GUARD_OFFSET: u16 = 9;
/// Below the range that systems give to outgoing connections (Linux: from 32,768).
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// As in `scripts/kafka.sh`.
const SASL_OFFSET: u16 = 2;
const TLS_OFFSET: u16 = 3;
const SASL_TLS_OFFSET: u16 = 4;
const PROXY_OFFSET: u16 = 5;

/// The controller waits so long for a broker's heartbeat.
const PATIENT: &str = "broker.session.timeout.ms=60000";

/// What the broker of a test has beyond a plain listener.
#[derive(Clone, Debug)]
pub struct Options {
    /// 1, or 3 with replication factor 3 and two in-sync replicas.
    pub nodes: u16,
    /// A SASL listener and the authorizer; see `scripts/kafka.sh` for users and passwords.
    pub sasl: bool,
    /// A TLS listener, and with `sasl` SASL over TLS.
    pub tls: bool,
    /// Where the test's own TCP proxy listens on 127.0.0.1; see [`Broker::behind_proxy`].
    pub proxy_port: Option<u16>,
    /// For tests that kill nodes: one that is silent for 3 s is taken for dead, and may come back as another. Others
    /// have a minute, or a machine under load takes a healthy broker for dead, and its clients are told there is none.
    pub is_killed: bool,
    /// Lines of the broker's configuration, `key=value`.
    pub settings: Vec<String>,
    /// Arguments of the virtual machine. Throughput is measured with `-XX:TieredStopAtLevel=4`.
    pub jvm: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 1,
            sasl: false,
            tls: false,
            proxy_port: None,
            is_killed: false,
            settings: Vec::new(),
            jvm: Vec::new(),
        }
    }
}

/// A running cluster, removed with its data when dropped.
pub struct Broker {
    name: String,
    port: u16,
    nodes: u16,
    bootstrap: String,
    _guard: TcpListener,
}

impl Broker {
    /// Starts a cluster on free ports under a name of its own and waits until every node answers.
    ///
    /// # Panics
    /// If it does not start, or Java or Maven are missing; with the script's message.
    pub fn start(options: Options) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let (port, guard) = free_ports(options.nodes);
        // Left by a process of the same number, before the machine went down.
        done(script("remove", &name));
        let mut command = script("start", &name);
        command.args(["--owner", &std::process::id().to_string()]);
        command.args(["--port", &port.to_string(), "--nodes", &options.nodes.to_string()]);
        command.args(options.sasl.then_some("--sasl")).args(options.tls.then_some("--tls"));
        if let Some(proxy) = options.proxy_port {
            command.args(["--proxy", &proxy.to_string()]);
        }
        if !options.is_killed {
            command.args(["--set", PATIENT]);
        }
        for setting in &options.settings {
            command.args(["--set", setting]);
        }
        for argument in &options.jvm {
            command.args(["--jvm", argument]);
        }
        let bootstrap = done(command).trim().to_owned();
        let broker = Self { name, port, nodes: options.nodes, bootstrap, _guard: guard };
        broker.wait_until_ready();
        broker
    }

    /// The one broker of this test binary: single node, plain listener. It goes away when the process ends.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Options::default()))
    }

    /// Addresses of the plain listeners, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Addresses for `security.protocol=SASL_PLAINTEXT`.
    pub fn bootstrap_sasl(&self) -> String {
        self.addresses(SASL_OFFSET)
    }

    /// Addresses for `security.protocol=SSL`.
    pub fn bootstrap_tls(&self) -> String {
        self.addresses(TLS_OFFSET)
    }

    /// Addresses for `security.protocol=SASL_SSL`.
    pub fn bootstrap_sasl_tls(&self) -> String {
        self.addresses(SASL_TLS_OFFSET)
    }

    /// Where node 1 listens for the proxy. Clients that come to the proxy's port stay with it: the broker tells them
    /// its address as its own.
    pub fn behind_proxy(&self) -> String {
        format!("127.0.0.1:{}", self.port + PROXY_OFFSET)
    }

    /// `ca.pem`, and the client certificate `client.crt` with its key `client.key`, of a cluster with TLS.
    pub fn tls_file(&self, name: &str) -> PathBuf {
        self.folder().join("tls").join(name)
    }

    /// What node `node` (from 1) wrote to its log so far.
    pub fn log(&self, node: u16) -> String {
        std::fs::read_to_string(self.folder().join(format!("node-{node}/log"))).unwrap_or_default()
    }

    /// A client of the plain listener.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        // A broker that is killed on purpose is no news.
        config.set("log_level", "2");
        config
    }

    /// SIGKILL to every node. The data stays.
    pub fn kill(&self) {
        done(script("kill", &self.name));
    }

    /// SIGTERM to every node, and waits for their end. The data stays.
    pub fn stop(&self) {
        done(script("stop", &self.name));
    }

    /// Starts what was killed or stopped, and waits until every node answers.
    pub fn restart(&self) {
        done(script("start", &self.name));
        self.wait_until_ready();
    }

    /// SIGKILL to one node, counted from 1.
    pub fn kill_node(&self, node: u16) {
        self.node("kill", node);
    }

    /// Starts one node again; the others may be down.
    pub fn restart_node(&self, node: u16) {
        self.node("start", node);
    }

    /// Freezes node `node` (SIGSTOP): connections stay open, nobody answers.
    pub fn pause_node(&self, node: u16) {
        self.node("pause", node);
    }

    /// Lets a frozen node go on (SIGCONT).
    pub fn resume_node(&self, node: u16) {
        self.node("resume", node);
    }

    /// Runs one of Kafka's own tools as the administrator and gives its standard output; for what rdkafka has no
    /// call for, such as `org.apache.kafka.tools.AclCommand`.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> String {
        let mut command = script("tool", &self.name);
        command.arg(class).args(arguments);
        done(command)
    }

    /// Gives a SASL user a right: `allow("farsign", "Read", &["--topic", "sign-ins"])`.
    pub fn allow(&self, user: &str, operation: &str, resource: &[&str]) {
        let principal = format!("User:{user}");
        let arguments = ["--add", "--allow-principal", &principal, "--operation", operation];
        self.tool("org.apache.kafka.tools.AclCommand", &[&arguments, resource].concat());
    }

    fn node(&self, action: &str, node: u16) {
        let mut command = script(action, &self.name);
        command.args(["--node", &node.to_string()]);
        done(command);
    }

    fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/kafka").join(&self.name)
    }

    fn addresses(&self, offset: u16) -> String {
        let address = |node| format!("127.0.0.1:{}", self.port + node * NODE_PORTS + offset);
        (0..self.nodes).map(address).collect::<Vec<_>>().join(",")
    }

    fn wait_until_ready(&self) {
        let client: BaseConsumer = self.client().create().unwrap();
        eventually("every node of the cluster", || {
            let metadata =
                client.fetch_metadata(None, Duration::from_secs(5)).map_err(|error| error.to_string())?;
            let nodes = metadata.brokers().len();
            if nodes == usize::from(self.nodes) { Ok(()) } else { Err(format!("{nodes} of {}", self.nodes)) }
        });
    }
}

impl Drop for Broker {
    #[allow(clippy::print_stderr, reason = "the log of a broker is part of a failed test's output")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in 1..=self.nodes {
                let log = self.log(node);
                let lines = log.lines().count();
                let last: Vec<&str> = log.lines().skip(lines.saturating_sub(30)).collect();
                eprintln!("log of node {node}:\n{}", last.join("\n"));
            }
        }
        // A second panic would hide the first; what is left over goes with the process.
        drop(script("remove", &self.name).output());
    }
}

fn script(command: &str, name: &str) -> Command {
    let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kafka.sh"));
    script.args([command, "--name", name]);
    script
}

/// Standard output of a command that must succeed.
fn done(mut command: Command) -> String {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("`{command:?}` could not be run: {error}"));
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "`{command:?}` ended with {status}:\n{stderr}");
    String::from_utf8(stdout).unwrap()
}

/// The first of a block of free ports for `nodes` nodes, and the port that reserves it.
fn free_ports(nodes: u16) -> (u16, TcpListener) {
    let block = nodes * NODE_PORTS;
    let blocks = (PORTS.end - PORTS.start) / block;
    // Processes begin at different blocks, and go on to the next when theirs is in use.
    let first = (std::process::id() % u32::from(blocks)) as u16;
    for attempt in 0..blocks {
        let port = PORTS.start + (first + attempt) % blocks * block;
        let Ok(guard) = TcpListener::bind(("127.0.0.1", port + GUARD_OFFSET)) else { continue };
        let others = (port..port + block).filter(|other| *other != port + GUARD_OFFSET);
        if others.map(|other| TcpListener::bind(("127.0.0.1", other))).all(|bound| bound.is_ok()) {
            return (port, guard);
        }
    }
    panic!("no {block} free ports in a row between {} and {}", PORTS.start, PORTS.end)
}
