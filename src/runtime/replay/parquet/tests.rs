//! Rows as JSON: every type by example, places, limits, and files that are damaged.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, MapBuilder, StringBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int64Array, RecordBatch,
    StringArray, StructArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow_schema::{Field, Fields};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::*;

fn file(columns: Vec<(&str, ArrayRef)>, compression: Compression) -> Bytes {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let batch = batch.expect("columns of one length");
    let properties =
        WriterProperties::builder().set_compression(compression).set_max_row_group_row_count(Some(100));
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).expect("a writer");
    writer.write(&batch).expect("into memory");
    writer.into_inner().expect("into memory").into()
}

/// Line and text of each record; "" for one that is too large.
fn rows(file: Bytes, length: usize) -> (Vec<(u64, String)>, Option<String>) {
    let mut table = Table::open(file).expect("Parquet");
    let mut rows = Vec::new();
    loop {
        let block = table.next(length);
        let text = |frame: &Frame| String::from_utf8_lossy(&block.bytes[frame.start..frame.end]).into_owned();
        rows.extend(block.frames.iter().map(|frame| (frame.line, text(frame))));
        if block.last {
            return (rows, block.error.map(|error| error.to_string()));
        }
    }
}

fn texts(texts: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

#[test]
fn every_type_becomes_what_a_decoder_reads() {
    const SECOND_US: i64 = 1_772_439_330_000_000;
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("x"), None]);
    list.append_null();
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_value("v");
    map.append(true).expect("a map");
    map.append(false).expect("no map");
    let fields =
        Fields::from(vec![Field::new("city", DataType::Utf8, true), Field::new("x", DataType::Int64, true)]);
    let inner: Vec<ArrayRef> = vec![texts(&["Utrecht", ""]), Arc::new(Int64Array::from(vec![None, Some(7)]))];
    let utc = |array: TimestampMillisecondArray| Arc::new(array.with_timezone("UTC")) as ArrayRef;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("text", texts(&["a \"b\"\n", "é"])),
        ("number", Arc::new(Int64Array::from(vec![Some(i64::MAX), None]))),
        ("share", Arc::new(Float64Array::from(vec![Some(0.5), None]))),
        ("flag", Arc::new(BooleanArray::from(vec![Some(false), Some(true)]))),
        ("bytes", Arc::new(BinaryArray::from(vec![b"raw".as_slice(), &[0xFF, 0x00]]))),
        ("day", Arc::new(Date32Array::from(vec![Some(20_514), None]))),
        ("ms", utc(TimestampMillisecondArray::from(vec![SECOND_US / 1_000 + 123, SECOND_US / 1_000]))),
        ("us", Arc::new(TimestampMicrosecondArray::from(vec![Some(SECOND_US + 5), None]))),
        ("ns", Arc::new(TimestampNanosecondArray::from(vec![Some(SECOND_US * 1_000 + 7), None]))),
        ("word", Arc::new(DictionaryArray::<Int32Type>::from_iter(["NL", "NL"]))),
        ("place", Arc::new(StructArray::new(fields, inner, None))),
        ("list", Arc::new(list.finish())),
        ("map", Arc::new(map.finish())),
    ];
    let (found, error) = rows(file(columns, Compression::SNAPPY), 1);
    assert_eq!(error, None);
    let expected = [
        r#"{"text":"a \"b\"\n","number":9223372036854775807,"share":0.5,"flag":false,"bytes":"raw","day":"2026-03-02","ms":"2026-03-02T08:15:30.123Z","us":"2026-03-02T08:15:30.000005Z","ns":"2026-03-02T08:15:30.000000007Z","word":"NL","place":{"city":"Utrecht"},"list":["x",null],"map":{"k":"v"}}"#,
        r#"{"text":"é","flag":true,"bytes":"/wA=","ms":"2026-03-02T08:15:30Z","word":"NL","place":{"city":"","x":7}}"#,
    ];
    assert_eq!(found, [(1, expected[0].to_owned()), (2, expected[1].to_owned())]);
}

/// Over row groups, batches and blocks, with every codec.
#[test]
fn rows_come_once_and_in_order() {
    let names: Vec<String> = (0..1_000).map(|number| format!("user-{number}")).collect();
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let gzip = Compression::GZIP(parquet::basic::GzipLevel::default());
    let brotli = Compression::BROTLI(parquet::basic::BrotliLevel::default());
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, zstd, gzip, brotli, Compression::LZ4_RAW] {
        let column = Arc::new(StringArray::from(names.clone()));
        for length in [1, 700, 1 << 20] {
            let (found, error) = rows(file(vec![("a", column.clone())], compression), length);
            assert_eq!(error, None);
            assert!(found.iter().zip(1..).all(|((line, _), row)| *line == row), "{compression}");
            let texts: Vec<String> = found.into_iter().map(|(_, text)| text).collect();
            let expected: Vec<String> = names.iter().map(|name| format!(r#"{{"a":"{name}"}}"#)).collect();
            assert_eq!(texts, expected, "{compression}");
        }
    }
    assert_eq!(rows(file(vec![("a", texts(&[]))], Compression::SNAPPY), 1), (Vec::new(), None));
}

#[test]
fn a_row_that_is_too_large_is_told_and_passed_over() {
    let [fits, long] = [RECORD_LENGTH_MAX - 8, RECORD_LENGTH_MAX - 7].map(|length| "x".repeat(length));
    let (found, error) = rows(file(vec![("a", texts(&["1", &long, &fits]))], Compression::SNAPPY), 1);
    assert_eq!(error, None);
    let lengths: Vec<(u64, usize)> = found.iter().map(|(line, text)| (*line, text.len())).collect();
    assert_eq!(lengths, [(1, 9), (2, 0), (3, RECORD_LENGTH_MAX)]);
}

#[test]
fn columns_are_bounded() {
    let names: Vec<String> = (0..=COLUMNS_MAX).map(|number| number.to_string()).collect();
    let columns = |count: usize| names[..count].iter().map(|name| (&**name, texts(&["1"]))).collect();
    assert!(Table::open(file(columns(COLUMNS_MAX), Compression::SNAPPY)).is_ok());
    let error = Table::open(file(columns(COLUMNS_MAX + 1), Compression::SNAPPY)).err().expect("too many");
    assert_eq!(error.to_string(), "it has 1025 columns, and at most 1024 are read");
}

/// Cut anywhere it is no Parquet; with a byte changed anywhere it is what it was, or ends with an error, and nothing panics.
#[test]
fn damage_is_an_error() {
    let names: Vec<String> = (0..300).map(|number| format!("user-{number}")).collect();
    let whole = file(vec![("a", Arc::new(StringArray::from(names)))], Compression::SNAPPY);
    for cut in [0, 4, 11, whole.len() / 2, whole.len() - 1] {
        let error = Table::open(whole.slice(..cut)).err().expect("cut").to_string();
        assert!(error.starts_with("it is damaged, or no Parquet that can be read: "), "{error}");
    }
    let (mut ended, mut refused) = (0, 0);
    for at in (4..whole.len()).step_by(7) {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 0x55;
        match Table::open(Bytes::from(bytes)) {
            Ok(mut table) => {
                let blocks = std::iter::from_fn(|| Some(table.next(1 << 20)).filter(|_| true));
                ended +=
                    usize::from(blocks.take(1_000).find(|block| block.last).is_some_and(|it| it.error.is_some()));
            }
            Err(_) => refused += 1,
        }
    }
    assert!(ended > 0 && refused > 0, "{ended} {refused}");
}
