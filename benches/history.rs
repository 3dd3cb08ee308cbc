//! The same records where months of them lie: compressed, as Parquet, and as objects of an S3 server, beside lines in a file.
//! What reading alone costs, beside the crates that do the unpacking; and a whole replay.
#![expect(clippy::print_stdout, reason = "a measuring program")]

mod common;
#[path = "../tests/common/parquet_file.rs"]
mod parquet_file;
#[path = "../tests/history/storage.rs"]
mod storage;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use common::{Variant, compare, input, is_measuring, lines, options, records, size, variant};
use farsign::runtime::replay::input::Input;
use farsign::runtime::replay::output::Nothing;
use farsign::runtime::replay::sequencer::{self, BLOCK_LENGTH};
use farsign::simulate::Form;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use storage::Storage;

/// The folder is a bucket of this name.
const BUCKET: &str = "logs";
/// Where the records lie, in the environment of the process that measures: its storage is named there, too.
const FOLDER: &str = "FARSIGN_BENCH_FOLDER";

/// Bytes of all frames.
fn read(input: &Input) -> u64 {
    let mut source = input.open(&Arc::default(), &Arc::default()).expect("just written");
    let mut bytes = 0;
    while let Some(block) = source.next(BLOCK_LENGTH) {
        bytes += block.frames.iter().map(|frame| (frame.end - frame.start) as u64).sum::<u64>();
    }
    bytes
}

fn replay(input: &Input) -> u64 {
    let summary =
        sequencer::run(&options(vec![input.clone()], 1), &mut Nothing, &Arc::default()).expect("nothing to fail");
    summary.judged.counts.sign_ins << 32 | summary.judged.written
}

/// zstd alone.
fn unpack(path: &Path) -> u64 {
    let file = File::open(path).expect("just written");
    let mut plain = zstd::Decoder::new(file).expect("zstd");
    let (mut buffer, mut bytes) = (vec![0; BLOCK_LENGTH], 0);
    loop {
        match plain.read(&mut buffer).expect("just written") {
            0 => return bytes,
            length => bytes += length as u64,
        }
    }
}

/// The crate's own reader alone: columns, and no JSON.
fn columns(path: &Path) -> u64 {
    let file = File::open(path).expect("just written");
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build());
    batches.expect("just written").map(|batch| batch.expect("just written").num_rows() as u64).sum()
}

/// Writes the records in every form, and measures in a process that has the storage in its environment, as users have.
fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os(FOLDER) {
        measure(Path::new(&folder));
        return ExitCode::SUCCESS;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path().join(BUCKET);
    fs::create_dir(&folder).expect("a folder");
    let bytes = records(Form::EntraLean, size(100_000, 500));
    let lines: Vec<String> =
        lines(&bytes).into_iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    fs::write(folder.join("log.ndjson"), &bytes).expect("space for the records");
    let packed = zstd::encode_all(bytes.as_slice(), zstd::DEFAULT_COMPRESSION_LEVEL).expect("packed");
    File::create(folder.join("log.ndjson.zst")).and_then(|mut file| file.write_all(&packed)).expect("space");
    parquet_file::write_records(&folder.join("log.parquet"), &lines);
    let storage = Storage::start(root.path());
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.env(FOLDER, &folder).envs(storage.environment());
    if is_measuring() {
        command.arg("--bench");
    }
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn measure(folder: &Path) {
    let [plain, zst, parquet] = ["log.ndjson", "log.ndjson.zst", "log.parquet"].map(|name| folder.join(name));
    let bytes = fs::read(&plain).expect("written before");
    let (count, length) = (lines(&bytes).len() as u64, bytes.len() as u64);
    let files = [&plain, &zst, &parquet].map(|path| input(&path.display().to_string()));
    let objects = ["log.ndjson", "log.parquet"].map(|name| input(&format!("s3://{BUCKET}/{name}")));
    let lengths = [&plain, &zst, &parquet].map(|path| path.metadata().map_or(0, |data| data.len()));
    let reading = vec![
        variant("std::fs::read", || fs::read(&plain).expect("written before").len() as u64),
        variant("lines", || read(&files[0])),
        variant("zstd alone", || unpack(&zst)),
        variant("lines, zstd", || read(&files[1])),
        variant("parquet alone, no JSON", || columns(&parquet)),
        variant("Parquet", || read(&files[2])),
        variant("object, lines", || read(&objects[0])),
        variant("object, Parquet", || read(&objects[1])),
    ];
    compare("history, read and framed", "record", count, length, 5, reading);
    let replays: Vec<Variant<'_>> = vec![
        variant("lines", || replay(&files[0])),
        variant("lines, zstd", || replay(&files[1])),
        variant("Parquet", || replay(&files[2])),
        variant("object, lines", || replay(&objects[0])),
        variant("object, Parquet", || replay(&objects[1])),
    ];
    compare("history, replay on 1 thread", "record", count, length, 5, replays);
    println!(
        "\nThe files have {} bytes as lines, {} packed by zstd, {} as Parquet (Snappy). The S3 server runs on the same machine.",
        lengths[0], lengths[1], lengths[2]
    );
}
