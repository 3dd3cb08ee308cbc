//! A file of parts that is replaced as a whole: what states and checkpoints are kept in.
//!
//! ```text
//! magic, version u32 ─▶ zstd( length u64 │ part, … )
//! ```
//! Numbers are little-endian; zstd's checksum covers every part. Only the owner may read the file, for it is personal data.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, bail};
use atomic_write_file::unix::OpenOptionsExt as _;
use atomic_write_file::{AtomicWriteFile, OpenOptions};
use serde::{Deserialize, Serialize};

/// The longest part: far beyond what the limits of profiles and attempts allow.
const PART_BYTES_MAX: u64 = 4 << 30;

/// What a file is.
#[derive(Debug)]
pub struct Kind {
    pub magic: [u8; 4],
    /// The version written and read.
    pub version: u32,
    /// In messages.
    pub name: &'static str,
    /// What writes such files, in messages.
    pub written_with: &'static str,
}

/// Opens a file to be written in place of what is there, by its owner alone to be read. It has the name once it is
/// committed, which is when it is on disk; where the process ends before, what was there stays. (In the moment of the commit, or all
/// the time where the file system has no files without a name, `.NAME.` and six letters is there, too.)
///
/// # Errors
/// When the folder cannot be written to.
pub fn replace(path: &Path) -> io::Result<AtomicWriteFile> {
    OpenOptions::new().mode(0o600).preserve_mode(false).preserve_owner(false).open(path)
}

/// Parts on their way into a file.
pub struct PartWriter<'a> {
    packed: zstd::Encoder<'static, &'a mut dyn Write>,
}

impl PartWriter<'_> {
    /// Writes one part, given in pieces.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put(&mut self, pieces: &[&[u8]]) -> io::Result<()> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        if length as u64 > PART_BYTES_MAX {
            let told = format!("a part of {length} bytes; at most {PART_BYTES_MAX} could be read again");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, told));
        }
        self.packed.write_all(&(length as u64).to_le_bytes())?;
        pieces.iter().try_for_each(|piece| self.packed.write_all(piece))
    }

    /// Writes one part, as MessagePack with named members, so that later programs can add to it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put_named(&mut self, part: &impl Serialize) -> io::Result<()> {
        self.put(&[&rmp_serde::to_vec_named(part).map_err(io::Error::other)?])
    }
}

/// Writes a file in place of what is there.
///
/// # Errors
/// When it cannot be written; then what was there stays.
pub fn write(
    path: &Path,
    kind: &Kind,
    parts: impl FnOnce(&mut PartWriter<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut plain = BufWriter::new(replace(path)?);
    plain.write_all(&kind.magic)?;
    plain.write_all(&kind.version.to_le_bytes())?;
    let mut packed = zstd::Encoder::new(&mut plain as &mut dyn Write, zstd::DEFAULT_COMPRESSION_LEVEL)?;
    packed.include_checksum(true)?;
    let mut writer = PartWriter { packed };
    parts(&mut writer)?;
    writer.packed.finish()?;
    plain.into_inner().map_err(io::IntoInnerError::into_error)?.commit()
}

/// Hash of a file: whether it is the same.
///
/// # Errors
/// When it cannot be read.
pub fn hash(path: &Path) -> io::Result<u64> {
    let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
    let mut file = BufReader::new(File::open(path)?);
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(hash.digest());
        }
        hash.update(bytes);
        let length = bytes.len();
        file.consume(length);
    }
}

/// Parts on their way out of a file.
pub struct PartReader {
    parts: zstd::Decoder<'static, BufReader<File>>,
    part: Vec<u8>,
}

/// Opens a file of this kind.
///
/// # Errors
/// When it cannot be read, or is of another kind or version.
pub fn open(path: &Path, kind: &Kind) -> anyhow::Result<PartReader> {
    let Kind { magic, version, name, written_with } = kind;
    let failed = || format!("cannot read the {name} `{}`", path.display());
    let mut file = BufReader::new(File::open(path).with_context(failed)?);
    let mut start = [0; 8];
    let is_whole = file.read_exact(&mut start).is_ok();
    let (found, found_version) = start.split_at(4);
    if !is_whole || found != magic {
        bail!("`{}` is no {name}: farsign writes them with {written_with}", path.display());
    }
    let found_version = u32::from_le_bytes(found_version.try_into().unwrap_or_default());
    if found_version != *version {
        bail!("the {name} `{}` has version `{found_version}`; this program reads `{version}`", path.display());
    }
    Ok(PartReader { parts: zstd::Decoder::with_buffer(file).with_context(failed)?, part: Vec::new() })
}

impl PartReader {
    /// The next part; `None` behind the last, when all were found to be as they were written.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn next_part(&mut self) -> anyhow::Result<Option<&[u8]>> {
        let mut length = [0; 8];
        let read = self.parts.by_ref().take(8).read(&mut length)?;
        if read == 0 {
            return Ok(None);
        }
        self.parts.read_exact(&mut length[read..])?;
        let length = u64::from_le_bytes(length);
        if length > PART_BYTES_MAX {
            bail!("a part of `{length}` bytes; at most `{PART_BYTES_MAX}` are possible");
        }
        self.part.clear();
        // Grows with what is there, not with what is said to be.
        self.parts.by_ref().take(length).read_to_end(&mut self.part)?;
        if (self.part.len() as u64) < length {
            bail!("it ends early");
        }
        Ok(Some(&self.part))
    }

    /// The next part, of a file that has one.
    ///
    /// # Errors
    /// When the file is damaged, or ends here.
    pub fn part(&mut self) -> anyhow::Result<&[u8]> {
        self.next_part()?.context("it ends early")
    }

    /// The next part, as [`PartWriter::put_named`] wrote it.
    ///
    /// # Errors
    /// When the file is damaged, or the part is something else.
    pub fn part_named<T: for<'de> Deserialize<'de>>(&mut self) -> anyhow::Result<T> {
        rmp_serde::from_slice(self.part()?).context("its head is damaged, or of another program")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const KIND: Kind = Kind { magic: *b"TEST", version: 3, name: "letter", written_with: "a pen" };

    fn read(path: &Path) -> anyhow::Result<Vec<String>> {
        let mut parts = open(path, &KIND)?;
        let mut read = Vec::new();
        while let Some(part) = parts.next_part()? {
            read.push(String::from_utf8(part.to_vec())?);
        }
        Ok(read)
    }

    fn told(path: &Path) -> String {
        format!("{:#}", read(path).expect_err("refused"))
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("letter");
        write(&path, &KIND, |parts| parts.put(&[b"dear", b" all"])).expect("written");
        assert_eq!(read(&path).expect("read"), ["dear all"]);
        let mut seen = 0;
        let full = write(&path, &KIND, |parts| {
            parts.put(&[b"never"])?;
            seen = folder.path().read_dir()?.count();
            Err(io::Error::other("the disk is full"))
        });
        assert!(full.is_err() && seen == 1, "{seen} files while it is written");
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 1);
        assert_eq!(read(&path).expect("read"), ["dear all"]);
        write(&path, &KIND, |parts| parts.put(&[b"bye"]).and_then(|()| parts.put(&[]))).expect("written");
        assert_eq!(read(&path).expect("read"), ["bye", ""]);
        let mode = path.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "for its owner alone");
    }

    #[test]
    fn what_is_damaged_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("letter");
        write(&path, &KIND, |parts| (0..50).try_for_each(|_| parts.put(&[b"some words"]))).expect("written");
        let (whole, words) = (std::fs::read(&path).expect("read"), read(&path).expect("read"));
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("written");
            assert!(!told(&path).is_empty(), "{cut} bytes");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&path, damaged).expect("written");
            // A bit that zstd ignores changes nothing.
            assert!(read(&path).is_err() || read(&path).expect("read") == words, "byte {at}");
        }
        std::fs::write(&path, b"something else").expect("written");
        assert!(told(&path).ends_with("is no letter: farsign writes them with a pen"), "{}", told(&path));
        std::fs::write(&path, b"TEST\x04\0\0\0").expect("written");
        assert!(told(&path).ends_with("has version `4`; this program reads `3`"), "{}", told(&path));
    }
}
