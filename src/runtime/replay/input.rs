//! Arguments → the list of inputs: files, folders (all files inside, sorted), globs, URLs of object storage, and `-`.
//!
//! Hidden files are left out of folders and symbolic links to folders are not followed. A file named twice is read
//! once. Only regular files and objects can be read twice, so only they wait until the stream reaches their first event.

use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use super::filter::Filter;
use super::object::{self, Object};
use super::partition;
use super::source::{self, Source};

/// The name under which standard input is reported.
pub const STDIN_NAME: &str = "-";
/// Read from a pipe at a time.
const PIPE_READ_LENGTH: usize = 64 * 1024;
/// Reads kept ahead from a pipe.
const PIPE_READS_MAX: usize = 16;
/// How often a reader that waits for a pipe looks whether the run was interrupted.
const INTERRUPT_POLL: Duration = Duration::from_millis(100);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub name: String,
    pub place: Place,
    /// Bytes on disk; `None` for a pipe or standard input.
    pub length: Option<u64>,
    /// A folder, a pattern or a prefix was named, not this.
    is_found: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file, a pipe, or `-`.
    Path(PathBuf),
    Object(Object),
}

/// Expands the arguments in order.
pub fn expand(arguments: &[String]) -> anyhow::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for argument in arguments {
        if object::is_url(argument) && !Path::new(argument).exists() {
            inputs.extend(objects(argument)?);
            continue;
        }
        let mut paths = Vec::new();
        expand_one(argument, &mut paths)?;
        for path in paths {
            let is_found = path != Path::new(argument);
            inputs.push(Input { is_found, ..describe(path)? });
        }
    }
    let mut seen = HashSet::new();
    inputs.retain(|input| seen.insert(input.name.clone()));
    Ok(inputs)
}

fn objects(argument: &str) -> anyhow::Result<Vec<Input>> {
    let objects = object::expand(argument)?;
    if objects.is_empty() {
        bail!("`{argument}` names no objects; what is under a prefix is read, or what matches a pattern (`*`)");
    }
    let input = |object: Object| {
        let (name, length) = (object.name(), Some(object.length()));
        Input { is_found: name != argument, name, place: Place::Object(object), length }
    };
    Ok(objects.into_iter().map(input).collect())
}

/// Drops the inputs of other days than the filter's, as their folders' names tell; how many these are. What was named
/// itself is read.
pub fn drop_other_days(inputs: &mut Vec<Input>, filter: &Filter) -> usize {
    let before = inputs.len();
    inputs.retain(|input| {
        let span = if input.is_found { partition::span(&input.name) } else { None };
        span.is_none_or(|span| span.from < filter.to && span.to > filter.from)
    });
    before - inputs.len()
}

/// Refuses to write over what is to be read. To be asked before anything is created, so that an output inside a
/// folder of inputs is either no file yet, and not read, or found here.
pub fn refuse_to_overwrite<'a>(
    inputs: &[Input],
    outputs: impl IntoIterator<Item = &'a Path>,
) -> anyhow::Result<()> {
    // What does not exist cannot be among the inputs.
    let existing = |path: &Path| std::fs::canonicalize(path).ok();
    let files: HashSet<PathBuf> =
        inputs.iter().filter(|input| input.length.is_some()).filter_map(|input| existing(input.path()?)).collect();
    for output in outputs {
        if output != Path::new(STDIN_NAME) && existing(output).is_some_and(|path| files.contains(&path)) {
            bail!(
                "`{}` is among the inputs and would be overwritten; write to another file, or outside the folder \
                 that is read",
                output.display()
            );
        }
    }
    Ok(())
}

fn expand_one(argument: &str, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let path = Path::new(argument);
    let before = paths.len();
    if argument == STDIN_NAME {
        paths.push(path.into());
    } else if path.exists() {
        walk(path, paths)?;
    } else if argument.contains(['*', '?', '[']) {
        let matches = glob::glob(argument).with_context(|| format!("`{argument}` is not a pattern"))?;
        for found in matches {
            let found = found.with_context(|| format!("cannot read what `{argument}` names"))?;
            walk(&found, paths)?;
        }
    } else {
        bail!("there is no file `{argument}`");
    }
    if paths.len() == before {
        bail!("`{argument}` names no files");
    }
    Ok(())
}

fn walk(path: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        paths.push(path.into());
        return Ok(());
    }
    let failed = || format!("cannot read the folder `{}`", path.display());
    let entries = std::fs::read_dir(path).with_context(failed)?;
    let mut entries = entries.collect::<io::Result<Vec<_>>>().with_context(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let linked_folder = entry.path().is_symlink() && entry.path().is_dir();
        if !hidden && !linked_folder {
            walk(&entry.path(), paths)?;
        }
    }
    Ok(())
}

fn describe(path: PathBuf) -> anyhow::Result<Input> {
    let name = path.display().to_string();
    if name == STDIN_NAME {
        return Ok(Input { name, place: Place::Path(path), length: None, is_found: false });
    }
    let metadata = std::fs::metadata(&path).with_context(|| format!("cannot open `{name}`"))?;
    if metadata.is_file() {
        // So that a file that cannot be read stops the run before it has begun. A pipe would miss its reader.
        std::fs::File::open(&path).with_context(|| format!("cannot open `{name}`"))?;
    }
    let length = metadata.is_file().then_some(metadata.len());
    Ok(Input { name, place: Place::Path(path), length, is_found: false })
}

impl Input {
    /// On this machine.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Path(path) => Some(path),
            Place::Object(_) => None,
        }
    }

    /// Where it is and what can be told of its content without reading it: the same for the same.
    pub fn stamp(&self) -> String {
        let modified = self.path().and_then(|path| std::fs::metadata(path).and_then(|data| data.modified()).ok());
        format!("{:?} {:?} {modified:?}", self.place, self.length)
    }

    /// Opens it. `read` counts its bytes; `interrupted` ends a wait for more.
    pub fn open(&self, read: &Arc<AtomicU64>, interrupted: &Arc<AtomicBool>) -> io::Result<Source> {
        let path = match &self.place {
            Place::Object(object) => return source::open_object(object, read.clone(), interrupted),
            Place::Path(path) if self.length.is_some() => return source::open(path, read.clone()),
            Place::Path(path) => path,
        };
        let reader: Box<dyn Read + Send> =
            if self.name == STDIN_NAME { Box::new(io::stdin()) } else { Box::new(std::fs::File::open(path)?) };
        source::from_reader(Pumped::new(reader, interrupted.clone()), &self.name, read.clone())
    }
}

/// A pipe read by a thread of its own, so that an interrupt need not wait for its next bytes. The thread is left
/// behind when the run ends before the pipe.
struct Pumped {
    reads: Receiver<io::Result<Vec<u8>>>,
    rest: io::Cursor<Vec<u8>>,
    interrupted: Arc<AtomicBool>,
}

impl Pumped {
    fn new(mut reader: Box<dyn Read + Send>, interrupted: Arc<AtomicBool>) -> Pumped {
        let (sender, reads) = bounded(PIPE_READS_MAX);
        std::thread::spawn(move || {
            loop {
                let mut bytes = vec![0; PIPE_READ_LENGTH];
                let read = reader.read(&mut bytes).map(|length| {
                    bytes.truncate(length);
                    bytes
                });
                let ended = read.as_ref().is_ok_and(Vec::is_empty)
                    || read.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
                if sender.send(read).is_err() || ended {
                    return;
                }
            }
        });
        Pumped { reads, rest: io::Cursor::default(), interrupted }
    }
}

impl Read for Pumped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.rest.read(buffer)?;
            if length > 0 || self.interrupted.load(Ordering::Relaxed) {
                return Ok(length);
            }
            match self.reads.recv_timeout(INTERRUPT_POLL) {
                Ok(read) => {
                    let bytes = read?;
                    if bytes.is_empty() {
                        return Ok(0);
                    }
                    self.rest = io::Cursor::new(bytes);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
    }
}
