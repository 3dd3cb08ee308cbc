//! One `farsign run` as a process of its own: started, asked, frozen, killed, ended in order.
//!
//! It is what an operator sees: the log on standard error, `/metrics` and `/readyz` over HTTP, signals, the exit code.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::eventually;

/// What the log says when the HTTP server has its port.
const SERVED: &str = "metrics and health are served address=";
/// Lines of the log that a failed test shows.
const LINES_SHOWN: usize = 60;

/// A running process; killed when dropped.
pub struct Instance {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Instance {
    /// Starts `farsign run` with this configuration and these environment variables. It may not be ready yet.
    pub fn start(config: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farsign"));
        command.args(["run", "--config"]).arg(config).envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let written = log.clone();
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut written = written.lock().unwrap();
                written.push_str(&line);
                written.push('\n');
            }
        });
        Self { child, log, reader: Some(reader) }
    }

    /// Everything on standard error so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until a line of the log contains all of `pieces`; gives that line.
    pub fn wait_for_log(&self, pieces: &[&str]) -> String {
        eventually("a line of the log", || {
            let log = self.log();
            let line = log.lines().find(|line| pieces.iter().all(|piece| line.contains(piece)));
            line.map(str::to_owned).ok_or_else(|| format!("no line with {pieces:?} in:\n{log}"))
        })
    }

    /// Waits until `/readyz` says 200.
    pub fn wait_until_ready(&self) {
        eventually("a ready instance", || match self.get("readyz") {
            (200, _) => Ok(()),
            (status, said) => Err(format!("{status}: {said}\n{}", self.log())),
        });
    }

    /// Status and body of a resource; status 0 when there is no answer.
    pub fn get(&self, resource: &str) -> (u16, String) {
        let log = self.log();
        let Some((_, rest)) = log.split_once(SERVED) else { return (0, "no address yet".to_owned()) };
        let address = rest.split_whitespace().next().unwrap_or_default();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(std::time::Duration::from_secs(5)))
            .build()
            .into();
        match agent.get(format!("http://{address}/{resource}")).call() {
            Ok(mut answer) => (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap_or_default()),
            Err(error) => (0, error.to_string()),
        }
    }

    /// Sum of the series of a metric whose labels contain `labels`; 0 when there is none.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let (status, text) = self.get("metrics");
        assert_eq!(status, 200, "{text}");
        let series = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (found, value) = rest.rsplit_once(' ')?;
            let is_name = found.is_empty() || found.starts_with('{');
            (is_name && found.contains(labels)).then(|| value.parse::<f64>().unwrap())
        });
        series.sum()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Freezes the process (SIGSTOP): for everybody else it is dead, for itself no time passes.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Asks for a reload (SIGHUP).
    pub fn hang_up(&self) {
        self.signal("HUP");
    }

    /// SIGTERM, and waits for its end; gives the log.
    ///
    /// # Panics
    /// When it does not end with code 0.
    pub fn terminate(mut self) -> String {
        self.signal("TERM");
        let status = self.wait();
        let log = self.log();
        assert!(status.success(), "ended with {status}:\n{log}");
        log
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let status = eventually("the end of an instance", || {
            self.child.try_wait().unwrap().ok_or_else(|| self.log.lock().unwrap().clone())
        });
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(status.success(), "SIG{name} to {pid}");
    }
}

impl Drop for Instance {
    #[allow(clippy::print_stderr, reason = "the log of an instance is part of a failed test's output")]
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
            eprintln!("log of instance {}:\n{}", self.child.id(), last.join("\n"));
        }
    }
}
