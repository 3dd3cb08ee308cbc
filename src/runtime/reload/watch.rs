//! The thread that waits for SIGHUP and for files to change, and reloads.
//!
//! Notices of the file system only say when to look: what counts is whether a file's [`Files`] fingerprint changed
//! once it has been quiet for a second. Folders are looked at every half minute as well, so that a file system
//! without notices (NFS) or a shortage of them costs time, not reloads.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, event};
use signal_hook::consts::SIGHUP;
use signal_hook::iterator::{Handle, Signals};

use super::files::Files;
use super::{Outcome, Reloaded, Report, Source, reload};
use crate::metrics::{Metrics, ReloadResult};
use crate::runtime::clock;

/// Notices waiting; one is enough to look.
const NOTICES_MAX: usize = 16;

/// How long the watcher waits.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Files must be quiet for so long before they are read.
    pub quiet: Duration,
    /// Files that are never quiet are read after this.
    pub quiet_max: Duration,
    /// Files are looked at so often even without a notice.
    pub look: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing { quiet: Duration::from_secs(1), quiet_max: Duration::from_secs(30), look: Duration::from_secs(30) }
    }
}

enum Notice {
    /// SIGHUP: reload, whatever changed.
    Asked,
    /// Something happened in a watched folder.
    Changed,
    Stop,
}

/// Watches from start until it is dropped.
pub struct Watcher {
    notices: Sender<Notice>,
    signals: Handle,
    threads: Vec<JoinHandle<()>>,
}

impl Watcher {
    /// From here on SIGHUP reloads instead of ending the program. `cell` holds what `source` gave at the start.
    ///
    /// # Errors
    /// When the signal or a thread is not to be had. Files that cannot be watched are only said.
    pub fn start(
        source: Source,
        cell: Arc<Reloaded>,
        metrics: Metrics,
        timing: Timing,
    ) -> anyhow::Result<Watcher> {
        let (notices, receiver) = crossbeam_channel::bounded(NOTICES_MAX);
        let mut signals = Signals::new([SIGHUP]).context("cannot watch for SIGHUP")?;
        let handle = signals.handle();
        let asked = notices.clone();
        let signal_thread = thread("reload-signal", move || {
            for _ in signals.forever() {
                if asked.send(Notice::Asked).is_err() {
                    return;
                }
            }
        })?;
        let first = cell.current();
        let mut files = Files::look(source.path.as_slice());
        files.extend(first.files.clone());
        metrics.configured(first.engine.config_hash, &first.tables, clock::unix_seconds());
        metrics.shadow_policies(first.shadow_names());
        let mut reloader =
            Reloader { source, cell, metrics, timing, files, folders: Folders::new(notices.clone()) };
        reloader.folders.watch(reloader.files.folders());
        let reload_thread = thread("reload", move || reloader.run(&receiver))?;
        Ok(Watcher { notices, signals: handle, threads: vec![signal_thread, reload_thread] })
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).context("cannot start a thread")
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.signals.close();
        // An error says that it has ended.
        drop(self.notices.send(Notice::Stop));
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("the reload thread panicked");
            }
        }
    }
}

struct Reloader {
    source: Source,
    cell: Arc<Reloaded>,
    metrics: Metrics,
    timing: Timing,
    /// As they were when last read.
    files: Files,
    folders: Folders,
}

impl Reloader {
    fn run(&mut self, notices: &Receiver<Notice>) {
        loop {
            let asked = match notices.recv_timeout(self.timing.look) {
                Ok(Notice::Asked) => true,
                Ok(Notice::Changed) => match self.settle(notices) {
                    Some(asked) => asked,
                    None => return,
                },
                Ok(Notice::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => false,
            };
            if asked || self.files.changed() {
                self.reload();
            }
        }
    }

    /// Waits until nothing happens any more. True when a reload was asked for meanwhile; `None` = stop.
    fn settle(&self, notices: &Receiver<Notice>) -> Option<bool> {
        let until = clock::now() + self.timing.quiet_max;
        while clock::now() < until {
            match notices.recv_timeout(self.timing.quiet) {
                Ok(Notice::Changed) => {}
                Ok(Notice::Asked) => return Some(true),
                Ok(Notice::Stop) | Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        Some(false)
    }

    fn reload(&mut self) {
        let report = reload(&self.source, &self.cell);
        self.files = report.files.clone();
        self.folders.watch(self.files.folders());
        self.say(&report);
    }

    fn say(&self, report: &Report) {
        let result = match &report.outcome {
            Outcome::Applied(generation) => {
                let loaded = self.cell.current();
                let hash = loaded.engine.config_hash;
                self.metrics.configured(hash, &loaded.tables, clock::unix_seconds());
                self.metrics.shadow_policies(loaded.shadow_names());
                tracing::info!(generation, hash = format!("{hash:016x}"), "the configuration was reloaded");
                ReloadResult::Applied
            }
            Outcome::Unchanged => {
                tracing::info!("the configuration was read again; nothing changed");
                ReloadResult::Unchanged
            }
            Outcome::Refused(problems) => {
                for problem in problems {
                    tracing::error!("configuration: {problem}");
                }
                tracing::error!(problems = problems.len(), "the new configuration is refused; the old one stays");
                ReloadResult::Refused
            }
        };
        for key in &report.restart_keys {
            tracing::warn!(key, "the key changed; it takes effect with a restart");
        }
        self.metrics.reload(result, report.restart_keys.len());
    }
}

/// The watched folders.
struct Folders {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

impl Folders {
    fn new(notices: Sender<Notice>) -> Folders {
        let handler = move |event: notify::Result<notify::Event>| {
            let worth_a_look = event.map_or(true, |event| {
                let closed = EventKind::Access(event::AccessKind::Close(event::AccessMode::Write));
                // Our own reading is an access.
                !matches!(event.kind, EventKind::Access(_)) || event.kind == closed
            });
            if worth_a_look {
                // When it is full, a look is due anyway.
                drop(notices.try_send(Notice::Changed));
            }
        };
        let watcher = notify::recommended_watcher(handler);
        if let Err(error) = &watcher {
            tracing::warn!(%error, "no notice of changed files: they are looked at now and then");
        }
        Folders { watcher: watcher.ok(), watched: BTreeSet::new() }
    }

    fn watch(&mut self, folders: BTreeSet<PathBuf>) {
        use notify::Watcher;
        let Some(watcher) = &mut self.watcher else { return };
        for folder in self.watched.difference(&folders) {
            // It may be gone, and its watch with it.
            drop(watcher.unwatch(folder));
        }
        // Those that are watched, too: a folder that was removed and made again has lost its watch.
        for folder in &folders {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                let folder = folder.display();
                tracing::warn!(%folder, %error, "no notice of changes in a folder: it is looked at now and then");
            }
        }
        self.watched = folders;
    }
}
