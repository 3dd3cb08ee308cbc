//! Parquet files beside the same records as JSON lines.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMillisecondArray};

use super::parquet_file::{write_batches, write_records};
use super::*;

/// The record with its objects and arrays as text.
fn with_texts(line: &str) -> String {
    let mut record: Value = serde_json::from_str(line).unwrap();
    for value in record.as_object_mut().unwrap().values_mut() {
        if value.is_object() || value.is_array() {
            *value = value.to_string().into();
        }
    }
    record.to_string()
}

fn texts(texts: Vec<String>) -> ArrayRef {
    Arc::new(StringArray::from(texts))
}

#[test]
fn parquet_gives_what_the_same_records_give_as_lines() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    for form in ["entra-lean", "log-analytics", "farsign"] {
        let size = ["--users", "30", "--days", "15", "--seed", "9301", "--form", form];
        let (_, records, _) = session(&mut farsign(folder, &[&["simulate"], size.as_slice()].concat()));
        let mut lines: Vec<String> = records.lines().map(str::to_owned).collect();
        write(&folder.join("log.ndjson"), &lines);
        if form == "log-analytics" {
            // Its dynamic columns are exported as text.
            lines.iter_mut().for_each(|line| *line = with_texts(line));
        }
        // Parquet is told by its first bytes.
        write_records(&folder.join("log.bin"), &lines);
        let (expected, found) = (replay(folder, &["log.ndjson"]), replay(folder, &["log.bin"]));
        assert!(expected.detections.lines().count() > 10, "{form}");
        assert!(found.detections == expected.detections, "{form}");
        for key in ["records", "items", "signIns", "skipped", "rejects", "duplicates", "reordered"] {
            assert_eq!(found.summary[key], expected.summary[key], "{form} {key}");
        }
        // Beside other files it is merged with them.
        let half = lines.len() / 2;
        write(&folder.join("first.ndjson"), &lines[..half]);
        write_records(&folder.join("second.parquet"), &lines[half..]);
        write(&folder.join("second.ndjson"), &lines[half..]);
        let merged = replay(folder, &["first.ndjson", "second.parquet"]).detections;
        assert!(merged == replay(folder, &["first.ndjson", "second.ndjson"]).detections, "{form}");
    }
}

/// As in docs/history.md.
#[test]
fn foreign_columns_are_read_by_a_mapping() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let users = ["ada@acme.example", "bo@acme.example", "ada@acme.example"].map(str::to_owned).to_vec();
    let times = TimestampMillisecondArray::from(vec![1_772_439_330_123, 1_772_439_331_000, 1_772_439_332_000]);
    let batch = RecordBatch::try_from_iter([
        ("event_ts", Arc::new(times.with_timezone("UTC")) as ArrayRef),
        ("login", texts(users)),
        ("src_ip", texts(["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(str::to_owned).to_vec())),
        ("status", texts(["OK", "BAD_PW", "LOGOUT"].map(str::to_owned).to_vec())),
    ]);
    write_batches(&folder.join("vpn.parquet"), &[batch.unwrap()]);
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/history.md")).unwrap();
    let (_, rest) = guide.split_once("```yaml\n").expect("an example");
    write(&folder.join("farsign.yaml"), &[rest.split_once("```").unwrap().0]);
    let arguments = ["check", "--config", "farsign.yaml", "--sample", "vpn.parquet"];
    let (code, stdout, stderr) = session(&mut farsign(folder, &arguments));
    assert_eq!(code, 0, "{stderr}");
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<(&Value, &Value, &Value, &Value)> = lines
        .iter()
        .map(|line| {
            (&line["line"], &line["became"], &line["record"]["userPrincipalName"], &line["record"]["time"])
        })
        .collect();
    let null = Value::Null;
    let [ada, bo] = ["ada@acme.example", "bo@acme.example"].map(Value::from);
    let [first, second] = ["2026-03-02T08:15:30.123Z", "2026-03-02T08:15:31Z"].map(Value::from);
    let [sign_in, skipped] = ["signIn", "skipped"].map(Value::from);
    let rows = [1, 2, 3].map(Value::from);
    assert_eq!(
        seen,
        [
            (&rows[0], &sign_in, &ada, &first),
            (&rows[1], &sign_in, &bo, &second),
            (&rows[2], &skipped, &null, &null)
        ]
    );
    assert_eq!(lines[1]["record"]["outcome"], "failed");
}

#[test]
fn a_column_that_holds_whole_records_is_unwrapped() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let lines = simulated(folder, "farsign", "12");
    write(&folder.join("log.ndjson"), &lines);
    let sources = lines.iter().map(|_| "siem".to_owned()).collect();
    let batch = RecordBatch::try_from_iter([("source", texts(sources)), ("raw", texts(lines.clone()))]);
    write_batches(&folder.join("raw.parquet"), &[batch.unwrap()]);
    write(&folder.join("farsign.yaml"), &["input: {unwrap: [/raw]}"]);
    let expected = replay(folder, &["--config", "farsign.yaml", "log.ndjson"]);
    let found = replay(folder, &["--config", "farsign.yaml", "raw.parquet"]);
    assert!(found.detections == expected.detections && found.detections.lines().count() > 10);
}

#[test]
fn damage_and_pipes_are_told() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let lines = simulated(folder, "farsign", "12");
    write_records(&folder.join("log.parquet"), &lines);
    let bytes = std::fs::read(folder.join("log.parquet")).unwrap();
    std::fs::write(folder.join("cut.parquet"), &bytes[..bytes.len() / 2]).unwrap();
    let (code, stdout, stderr) = session(&mut farsign(folder, &["replay", "cut.parquet"]));
    assert_eq!((code, &*stdout), (2, ""));
    let told = "error: cannot read `cut.parquet`: it is damaged, or no Parquet that can be read: ";
    assert!(stderr.starts_with(told), "{stderr}");
    // In the middle: what came before is used.
    let mut damaged = bytes.clone();
    let middle = bytes.len() / 2;
    damaged[middle..middle + 2_000].fill(0xAA);
    std::fs::write(folder.join("damaged.parquet"), damaged).unwrap();
    let (code, _, stderr) = session(&mut farsign(folder, &["replay", "damaged.parquet"]));
    assert_eq!(code, 1, "{stderr}");
    let told = "warning: `damaged.parquet` could not be read to its end: it is damaged";
    assert!(stderr.starts_with(told) && !stderr.contains("records       0\n"), "{stderr}");
    let mut piped = farsign(folder, &["replay", "-"]);
    piped.stdin(std::fs::File::open(folder.join("log.parquet")).unwrap());
    let (code, _, stderr) = session(&mut piped);
    assert_eq!(code, 2);
    assert!(
        stderr.contains("Parquet is read at any place, which a pipe is not: name the file itself"),
        "{stderr}"
    );
}
