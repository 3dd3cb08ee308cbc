//! Records as a Parquet file.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::fs::File;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_json::reader::{ReaderBuilder, infer_json_schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

pub fn write_batches(path: &Path, batches: &[RecordBatch]) {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(1_000))
        .build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batches[0].schema(), Some(properties)).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
}

/// The records with a column for each key, nested ones as structures.
pub fn write_records(path: &Path, lines: &[String]) {
    let text = lines.join("\n");
    let (schema, _) = infer_json_schema(Cursor::new(text.as_bytes()), None).unwrap();
    let reader = ReaderBuilder::new(Arc::new(schema)).build(Cursor::new(text.as_bytes())).unwrap();
    write_batches(path, &reader.collect::<Result<Vec<_>, _>>().unwrap());
}
