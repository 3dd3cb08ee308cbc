//! Objects of an S3 server beside the same files.

use std::time::Duration;

use super::storage::{KEY, SECRET, Storage};
use super::*;

/// A bucket `logs` with days as gzip, a CSV file and Parquet; and the folder it lies in.
fn bucket() -> (TempDir, Storage) {
    let folder = TempDir::new().unwrap();
    let logs = folder.path().join("logs");
    let lines = simulated(folder.path(), "farsign", "20");
    let third = lines.len() / 3;
    for (number, part) in lines[..third].chunks(300).enumerate() {
        write(&logs.join(format!("live/day={number:02}/part 1.json.gz")), part);
    }
    write(&logs.join("live/broken.ndjson"), &["no JSON", &lines[0]]);
    // More than a piece.
    write(&logs.join("live/middle.ndjson"), &lines[third..2 * third]);
    parquet_file::write_records(&logs.join("live/new.parquet"), &lines[2 * third..]);
    write(&logs.join("other/x.ndjson"), &["no JSON"]);
    write(&logs.join("live/.hidden/x.ndjson"), &["no JSON"]);
    let storage = Storage::start(folder.path());
    (folder, storage)
}

fn with(storage: &Storage, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = farsign(folder, arguments);
    command.envs(storage.environment());
    command
}

#[test]
fn objects_give_what_the_files_give_byte_for_byte() {
    let (folder, storage) = bucket();
    let folder = folder.path();
    let files = replay(folder, &["logs/live"]);
    assert!(files.detections.lines().count() > 10);
    for arguments in [vec!["s3://logs/live"], vec!["--threads", "1", "s3://logs/live/"], vec!["s3://logs/liv*/**"]]
    {
        let objects = replay_by(&mut with(&storage, folder, &["replay"]), folder, &arguments);
        assert!(objects.detections == files.detections, "{arguments:?}");
        for key in ["files", "records", "items", "rejects", "duplicates"] {
            assert_eq!(objects.summary[key], files.summary[key], "{key}");
        }
        let read = |of: &Replayed| of.summary["run"]["bytes"].as_u64().unwrap();
        assert_eq!(read(&objects), read(&files));
    }
    // One object, some by a pattern, and both kinds together.
    let check = |objects: &[&str], files: &[&str]| {
        let found = replay_by(&mut with(&storage, folder, &["replay"]), folder, objects);
        let expected = replay(folder, files);
        assert!(found.detections == expected.detections, "{objects:?}");
        assert_eq!(found.summary["files"], expected.summary["files"], "{objects:?}");
    };
    check(&["s3://logs/live/middle.ndjson"], &["logs/live/middle.ndjson"]);
    check(&["s3://logs/live/new.parquet"], &["logs/live/new.parquet"]);
    check(&["s3://logs/live/day=0[0-2]/*.json.gz"], &["logs/live/day=0[0-2]/*.json.gz"]);
    check(
        &["logs/live/new.parquet", "s3://logs/live/middle.ndjson"],
        &["logs/live/middle.ndjson", "logs/live/new.parquet"],
    );
    // Rejects name the object.
    let arguments = ["replay", "--rejects", "rejects", "-o", "out", "s3://logs/live/broken.ndjson"];
    assert_eq!(session(&mut with(&storage, folder, &arguments)).0, 0);
    let reject = std::fs::read_to_string(folder.join("rejects")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&reject).unwrap()["file"], "s3://logs/live/broken.ndjson");
}

/// The other commands that take logs.
#[test]
fn tune_diff_explain_and_evaluate_read_objects() {
    let (folder, storage) = bucket();
    let folder = folder.path();
    write(&folder.join("calm.yaml"), &["detections: {new_country: {enabled: false}}"]);
    let middle = std::fs::read_to_string(folder.join("logs/live/middle.ndjson")).unwrap();
    let user = field(middle.lines().next().unwrap(), "userId");
    let size =
        ["--users", "30", "--days", "20", "--seed", "9301", "--labels", "labels.ndjson", "-o", "all.ndjson"];
    assert_eq!(session(&mut farsign(folder, &[&["simulate"], size.as_slice()].concat())).0, 0);
    assert_eq!(session(&mut farsign(folder, &["replay", "-o", "detections.ndjson", "logs/live"])).0, 0);
    for command in [
        vec!["tune", "--set", "detections.new_country.min_bits=6,9"],
        vec!["diff", "--against", "calm.yaml"],
        vec!["explain", "--user", &user],
        vec!["evaluate", "labels.ndjson", "detections.ndjson", "--sign-ins"],
    ] {
        let files = session(&mut farsign(folder, &[&*command, &["logs/live"]].concat()));
        let objects = session(&mut with(&storage, folder, &[&*command, &["s3://logs/live"]].concat()));
        assert_eq!((files.0, &files.1), (objects.0, &objects.1), "{command:?}: {}", objects.2);
        assert!(files.0 == 0 && !files.1.is_empty(), "{command:?}: {}", files.2);
    }
}

#[test]
fn what_cannot_be_read_is_told_without_secrets() {
    let (folder, storage) = bucket();
    let folder = folder.path();
    let check = |argument: &str, change: &[(&str, &str)], expected: &str| {
        let mut command = with(&storage, folder, &["replay", argument]);
        command.envs(change.iter().copied());
        let (code, stdout, stderr) = session(&mut command);
        assert_eq!((code, &*stdout), (2, ""), "{stderr}");
        assert!(stderr.starts_with(expected), "{stderr}");
        assert!(!stderr.contains(SECRET) && !stderr.contains("hidden-token"), "{stderr}");
    };
    let none = "error: `s3://logs/nothing` names no objects; what is under a prefix is read, or what matches a pattern (`*`)\n";
    check("s3://logs/nothing", &[], none);
    check("s3://logs/live/*.xml", &[], "error: `s3://logs/live/*.xml` names no objects; ");
    check("s3://no-such-bucket/x", &[], "error: cannot list `s3://no-such-bucket/x`: ");
    check("s3://logs/live", &[("AWS_SECRET_ACCESS_KEY", "hidden-token")], "error: cannot list `s3://logs/live`: ");
    check("s3://logs/live", &[("AWS_ENDPOINT", "http://127.0.0.1:9")], "error: cannot list `s3://logs/live`: ");
    check(
        "ftp://logs/live",
        &[],
        "error: `ftp://logs/live` names no storage that is known: expected s3://bucket/…, ",
    );
    check(
        "https://acme.blob.core.windows.net/logs?sig=hidden-token",
        &[],
        "error: `https://acme.blob.core.windows.net/logs?…`: keys and tokens go into the environment, not into the URL\n",
    );
    check("az://logs/live", &[], "error: cannot list `az://logs/live`: ");
    // No key at all, and no machine that would give one.
    let mut command = farsign(folder, &["replay", "s3://logs/live"]);
    let environment =
        storage.environment().into_iter().filter(|(name, value)| *value != KEY && !name.contains("SECRET"));
    command.envs(environment).env("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9");
    let (code, _, stderr) = session(&mut command);
    assert_eq!(code, 2);
    assert!(stderr.contains("credentials in the environment (AWS_…, AZURE_…, GOOGLE_…)"), "{stderr}");
}

/// One that is replaced behind the look at its beginning: this server knows no tags.
#[test]
fn an_object_that_was_replaced_is_an_error() {
    let (folder, storage) = bucket();
    let folder = folder.path();
    let pipe = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let replayed = |object: &str, change: &dyn Fn(&Path)| {
        let url = format!("s3://logs/live/{object}");
        let mut command = with(&storage, folder, &["replay", "-o", "out", "pipe", &url]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // It is opened behind the looks, and the object when the pipe has ended.
        let pipe = std::fs::File::options().write(true).open(&pipe).unwrap();
        change(&folder.join("logs/live").join(object));
        drop(pipe);
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let touched = |file: &Path| {
        let file = std::fs::File::options().write(true).open(file).unwrap();
        let at = file.metadata().unwrap().modified().unwrap();
        file.set_modified(at + Duration::from_secs(60)).unwrap();
    };
    for object in ["middle.ndjson", "new.parquet"] {
        let (code, told) = replayed(object, &|_| {});
        assert_eq!(code, 0, "{told}");
        let (code, told) = replayed(object, &touched);
        let why = format!("error: cannot read `s3://logs/live/{object}`: it was changed while it was read");
        assert!(code == 2 && told.contains(&why), "{code} {told}");
    }
}
