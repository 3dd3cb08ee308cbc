//! `farsign replay` as a process: inputs in every form, places of rejects, exit codes, interrupts.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_farsign");

/// A folder of inputs and what a run left behind.
struct Bench {
    folder: TempDir,
}

struct Ran {
    code: i32,
    stderr: String,
    rejects: String,
    summary: Value,
}

impl Bench {
    fn new() -> Bench {
        Bench { folder: TempDir::new().expect("a temporary folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("has a parent")).expect("folder");
        std::fs::write(&path, bytes).expect("file");
        path
    }

    /// Runs in the folder, so that names in rejects are the same on every run.
    fn replay(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(BINARY)
            .current_dir(self.folder.path())
            .args(["replay", "--rejects", ".rejects", "--summary", ".summary", "-o", ".out"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("runs");
        let read = |name: &str| std::fs::read_to_string(self.path(name)).unwrap_or_default();
        Ran {
            code: output.status.code().expect("not killed"),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            rejects: read(".rejects"),
            summary: serde_json::from_str(&read(".summary")).unwrap_or_default(),
        }
    }
}

impl Ran {
    /// The summary without what differs from run to run.
    fn result(mut self) -> (Value, String) {
        self.summary.as_object_mut().expect("a summary").remove("run");
        (self.summary, self.rejects)
    }

    fn reject_places(&self) -> Vec<(u64, u64, String)> {
        let lines = self.rejects.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let number = |line: &Value, key: &str| line[key].as_u64().expect("a number");
        lines
            .map(|line| {
                let reason = line["reason"].as_str().expect("a reason").to_owned();
                (number(&line, "line"), number(&line, "offset"), reason)
            })
            .collect()
    }
}

/// An administrator's word about a user, at this minute.
fn feedback(minute: u32) -> String {
    let (hour, minute) = (minute / 60, minute % 60);
    format!(
        r#"{{"type":"feedback","tenantId":"6b1f0c52-0d1e-4b8a-9a55-3f1c2a7d9e01","userId":"ida@example.com","id":"f{hour}-{minute}","time":"2026-03-02T{hour:02}:{minute:02}:00Z","action":"dismiss"}}"#
    )
}

/// Good records, a bad line after every tenth.
fn lines(minutes: std::ops::Range<u32>) -> String {
    minutes.map(|minute| feedback(minute) + if minute % 10 == 9 { "\nnot json\n" } else { "\n" }).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("into memory");
    encoder.finish().expect("into memory")
}

#[test]
fn every_form_of_the_same_records_gives_the_same() {
    let records: Vec<String> = (0..40).map(feedback).collect();
    let members: Vec<Vec<u8>> = records.chunks(7).map(|part| gzip(&(part.join("\n") + "\n"))).collect();
    let pretty: String = records
        .iter()
        .map(|record| serde_json::from_str::<Value>(record).expect("JSON"))
        .map(|value| serde_json::to_string_pretty(&value).expect("JSON") + "\n")
        .collect();
    let forms: [(&str, Vec<u8>); 9] = [
        ("lines", records.join("\n").into()),
        ("crlf", (records.join("\r\n") + "\r\n").into()),
        ("bom", format!("\u{feff}{}\n", records.join("\n")).into()),
        ("array", format!("[{}]", records.join(",\n")).into()),
        ("envelope", format!("{{\"@odata.context\":\"x\",\"value\":[{}]}}", records.join(",")).into()),
        ("joined", records.concat().into()),
        ("pretty", pretty.into()),
        ("gz", members.concat()),
        ("zst", zstd::encode_all(records.join("\n").as_bytes(), 1).expect("into memory")),
    ];
    for (name, bytes) in forms {
        let bench = Bench::new();
        bench.put(name, bytes);
        let ran = bench.replay(&["--strict", name]);
        assert_eq!((ran.code, ran.summary["records"].as_u64()), (0, Some(40)), "{name}: {}", ran.stderr);
        assert_eq!(ran.rejects, "", "{name}");
    }
}

#[test]
fn rejects_are_told_with_their_place() {
    let bench = Bench::new();
    let good = feedback(1);
    let text = format!("{good}\r\n\r\noops\r\n{good}\n\u{0}\n{{\"cut\":");
    bench.put("in.json", &text);
    let ran = bench.replay(&["in.json"]);
    let at = |what: &str| text.rfind(what).expect("is there") as u64;
    let expected = [(3, at("oops")), (5, at("\u{0}")), (6, at("{\"cut"))];
    let found: Vec<(u64, u64)> = ran.reject_places().into_iter().map(|(line, offset, _)| (line, offset)).collect();
    assert_eq!(found, expected);
    assert_eq!(ran.code, 0, "the run goes on");
    assert_eq!(bench.replay(&["--strict", "in.json"]).code, 1);
}

#[test]
fn a_record_that_is_too_large_is_told_without_its_text() {
    let bench = Bench::new();
    bench.put("in.json", format!("{{\"a\":\"{}\"}}\n{}\n", "x".repeat(3 << 20), feedback(1)));
    let ran = bench.replay(&["in.json"]);
    assert_eq!(ran.reject_places(), [(1, 0, "tooLarge".to_owned())]);
    assert!(ran.rejects.len() < 5_000, "the text is cut");
    assert_eq!(ran.summary["records"], 2);
}

#[test]
fn threads_make_no_difference() {
    let bench = Bench::new();
    for file in 0..5 {
        bench.put(&format!("in/{file}.json"), lines(file * 200..file * 200 + 260));
    }
    let one = bench.replay(&["--threads", "1", "in"]).result();
    assert_eq!((one.0["records"].as_u64(), one.0["items"].as_u64()), (Some(5 * 286), Some(5 * 260)));
    assert_eq!(one.1.lines().count(), 5 * 26);
    for threads in ["2", "3", "8"] {
        assert_eq!(bench.replay(&["--threads", threads, "in"]).result(), one, "{threads} threads");
    }
}

/// An administrator's word: (minute, tenant's number, user, what).
fn word(minute: u32, tenant: u32, user: &str, action: &str) -> String {
    format!(
        r#"{{"type":"feedback","tenantId":"6b1f0c52-0d1e-4b8a-9a55-{tenant:012}","userId":"{user}","id":"w{minute}","time":"2026-03-02T{:02}:{:02}:00Z","action":"{action}"}}"#,
        minute / 60,
        minute % 60
    )
}

#[test]
fn risky_users_are_written_as_they_stand_in_the_end() {
    let bench = Bench::new();
    let words = [
        word(1, 2, "ada@example.com", "confirmCompromised"),
        word(2, 1, "zoe@example.com", "confirmCompromised"),
        word(3, 1, "bo@example.com", "confirmCompromised"),
        word(4, 1, "bo@example.com", "dismiss"),
        word(5, 1, "never@example.com", "dismiss"),
    ];
    bench.put("in/a.json", [&words[2], &words[0], ""].map(str::to_owned).join("\n"));
    bench.put("in/b.json", [&words[4], &words[3], &words[1]].map(|word| format!("{word}\n")).concat());
    let run = |threads: &str| {
        let ran = bench.replay(&["--threads", threads, "--risky-users", "risky", "in"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        std::fs::read_to_string(bench.path("risky")).expect("written")
    };
    let text = run("1");
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let found: Vec<(String, String, String)> = records
        .map(|record| {
            let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).expect("text").to_owned();
            (text("/id"), text("/riskState"), text("/riskLastUpdatedDateTime"))
        })
        .collect();
    let expected = [
        ("bo@example.com", "dismissed", "2026-03-02T00:04:00.0000000Z"),
        ("zoe@example.com", "confirmedCompromised", "2026-03-02T00:02:00.0000000Z"),
        ("ada@example.com", "confirmedCompromised", "2026-03-02T00:01:00.0000000Z"),
    ];
    assert_eq!(found, expected.map(|(id, state, time)| (id.into(), state.into(), time.into())));
    assert_eq!(run("3"), text);
}

/// `output.format` is of detections; users' risk stays Graph's.
#[test]
fn detections_are_written_in_the_form_asked_for() {
    let bench = Bench::new();
    bench.put("in.json", word(1, 1, "ada@example.com", "confirmCompromised"));
    for (form, pointer) in
        [("graph", "/id"), ("ecs", "/event/id"), ("ocsf", "/finding_info/uid"), ("sigma", "/id")]
    {
        bench.put("farsign.yaml", format!("output: {{format: {form}}}\n"));
        let ran = bench.replay(&["--config", "farsign.yaml", "--risky-users", "risky", "in.json"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let read = |name: &str| std::fs::read_to_string(bench.path(name)).expect("written");
        let record: Value = serde_json::from_str(&read(".out")).expect("one detection");
        let id = record.pointer(pointer).and_then(Value::as_str).expect("an id");
        assert_eq!(id.len(), 36, "{form}");
        assert_eq!(record.get("riskEventType").is_some(), ["graph", "sigma"].contains(&form));
        assert_eq!(record.get("additionalInfo").is_some(), form == "graph");
        let user: Value = serde_json::from_str(&read("risky")).expect("one user");
        assert_eq!(user["riskState"], "confirmedCompromised");
    }
}

/// What another product says is judged with the sign-ins, whatever file it is in and whatever order the files have.
#[test]
fn upstream_findings_come_out_under_their_products_name() {
    let user = r#""tenantId":"t","userId":"ada","userPrincipalName":"ada@example.com""#;
    let sign_in = |id: &str, time: &str, city: &str| {
        let location = match city {
            "Oslo" => r#"{"city":"Oslo","country":"NO","latitude":59.91,"longitude":10.75}"#,
            _ => r#"{"city":"Lagos","country":"NG","latitude":6.52,"longitude":3.38}"#,
        };
        let device = format!(r#"{{"deviceId":"{city}","browser":"Edge","operatingSystem":"Windows"}}"#);
        format!(
            r#"{{"type":"signIn",{user},"provider":"okta","id":"{id}","time":"{time}","outcome":"success","location":{location},"device":{device}}}"#
        )
    };
    let finding = |id: &str, time: &str, rest: &str| {
        format!(r#"{{"type":"upstreamFinding",{user},"provider":"okta","id":"{id}","time":"{time}",{rest}}}"#)
    };
    let mut sign_ins: Vec<String> =
        (1..=20).map(|day| sign_in(&format!("d{day}"), &format!("2026-03-{day:02}T08:00:00Z"), "Oslo")).collect();
    sign_ins.push(sign_in("away", "2026-03-20T09:00:00Z", "Lagos"));
    let generic = r#""source":"Okta","riskEventType":"generic","sourceType":"New IP","riskLevel":"medium","requestId":"away","reasons":"a new address""#;
    let travel = r#""source":"Okta","riskEventType":"impossibleTravel","riskLevel":"medium","requestId":"away""#;
    let leak = r#""source":"Leaks","riskEventType":"leakedCredentials","riskLevel":"high","activityTime":"2026-01-05T00:00:00Z""#;
    let findings = [
        finding("beside", "2026-03-20T09:00:00Z", generic),
        finding("known", "2026-03-20T11:00:00Z", travel),
        finding("leak", "2026-03-22T10:00:00Z", leak),
    ];
    let bench = Bench::new();
    bench.put("in/a.json", sign_ins.join("\n"));
    bench.put("in/b.json", findings.join("\n"));
    bench.put("one.json", [&sign_ins[..], &findings].concat().join("\n"));
    let run = |arguments: &[&str]| {
        let ran = bench.replay(arguments);
        assert_eq!((ran.code, ran.summary["upstreamFindings"].as_u64()), (0, Some(3)), "{}", ran.stderr);
        assert_eq!(ran.summary["suppressions"]["mcasImpossibleTravel"]["alreadyReported"], 1);
        std::fs::read_to_string(bench.path(".out")).expect("written")
    };
    let text = run(&["in"]);
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let word = |record: &Value, key: &str| record[key].as_str().unwrap_or("-").to_owned();
    let keys = ["source", "riskEventType", "riskLevel", "activity", "requestId", "activityDateTime"];
    let found: Vec<String> = records.iter().map(|record| keys.map(|key| word(record, key)).join(" ")).collect();
    let away = "signin away 2026-03-20T09:00:00.0000000Z";
    let expected = [
        format!("Farsign mcasImpossibleTravel medium {away}"),
        format!("Farsign newCountry low {away}"),
        format!("Okta generic medium {away}"),
        "Leaks leakedCredentials high user - 2026-01-05T00:00:00.0000000Z".to_owned(),
    ];
    assert_eq!(found, expected);
    let sentence = &records[2]["farsign"]["sentence"];
    assert_eq!(sentence, "Okta reported a risk it calls \"New IP\" (medium) at this sign-in: a new address.");
    assert_eq!(records[2]["farsign"]["incidentId"], records[0]["farsign"]["incidentId"]);
    assert_eq!(records[0]["farsign"]["evidence"]["reference"]["provider"], "okta");
    assert_eq!(run(&["--threads", "3", "one.json"]), text);
}

#[test]
fn folders_globs_and_repeated_names() {
    let bench = Bench::new();
    bench.put("in/b.json", feedback(3));
    bench.put("in/a/deep.json.gz", gzip(&feedback(2)));
    bench.put("in/.hidden", "not read");
    bench.put("other.json", feedback(1));
    for (arguments, files) in [(vec!["in"], 2), (vec!["in/*.json"], 1), (vec!["*.json", "other.json"], 1)] {
        let ran = bench.replay(&arguments);
        assert_eq!(ran.summary["files"], files, "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.summary["records"], files, "{arguments:?}");
    }
}

#[test]
fn what_cannot_run_says_so_once() {
    let bench = Bench::new();
    bench.put("in.json", feedback(1));
    std::fs::create_dir(bench.path("empty")).expect("folder");
    for arguments in [&["missing.json"][..], &["*.nothing"], &["empty"], &["-c", "missing.yaml", "in.json"]] {
        let ran = bench.replay(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert_eq!(ran.stderr.matches("error: ").count(), 1, "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn empty_input_is_fine_and_unreadable_input_is_not() {
    let bench = Bench::new();
    bench.put("empty.json", "");
    bench.put("noise.json", "a\nb\n");
    bench.put("cut.gz", &gzip(&lines(0..500))[..300]);
    assert_eq!(bench.replay(&["empty.json"]).code, 0);
    assert_eq!(bench.replay(&["noise.json"]).code, 1, "no readable record at all");
    let ran = bench.replay(&["cut.gz"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: `cut.gz` could not be read to its end"), "{}", ran.stderr);
}

#[test]
fn disorder_is_warned_about() {
    let bench = Bench::new();
    bench.put("in.json", [feedback(1), feedback(9), feedback(4), feedback(10)].join("\n"));
    let ran = bench.replay(&["in.json"]);
    assert!(ran.stderr.contains("1 records in 1 files were out of order, by up to 300 s"), "{}", ran.stderr);
}

/// A sign-in every 20 seconds; one of eleven comes from 198.51.100.0/24.
fn sign_ins(count: u32) -> impl Iterator<Item = String> {
    (0..count).map(|number| {
        let second = 20 * number;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        let network = if number % 11 == 0 { "198.51.100" } else { "203.0.113" };
        let user = number % 60;
        format!(
            r#"{{"type":"signIn","tenantId":"6b1f0c52-0d1e-4b8a-9a55-3f1c2a7d9e01","id":"s{number}","time":"2026-03-02T{hour:02}:{minute:02}:{second:02}Z","userId":"u{user}","outcome":"success","credential":"right","mfa":"notRequired","category":"interactive","ipAddress":"{network}.{user}"}}"#
        )
    })
}

#[test]
fn many_overlapping_files_give_what_one_gives() {
    let bench = Bench::new();
    let lines: Vec<String> = sign_ins(2_800).collect();
    bench.put("tor.txt", "198.51.100.0/24\n");
    bench.put("one.json", lines.join("\n"));
    for file in 0..140 {
        let dealt: Vec<&str> = lines.iter().skip(file).step_by(140).map(String::as_str).collect();
        bench.put(&format!("many/{file:03}.json"), dealt.join("\n"));
    }
    let detections = |input: &str| {
        let ran = bench.replay(&["--list", "tor=tor.txt", input]);
        assert_eq!((ran.code, ran.summary["items"].as_u64()), (0, Some(2_800)), "{}", ran.stderr);
        std::fs::read_to_string(bench.path(".out")).expect("written")
    };
    let one = detections("one.json");
    assert!(one.lines().count() > 50, "there is something to compare: {one}");
    assert!(detections("many") == one, "the same detections in the same order");
}

#[cfg(unix)]
#[test]
fn more_files_than_the_system_opens_are_refused() {
    let bench = Bench::new();
    for number in 0..100 {
        // All overlap, and each has more than a block, so that it stays open.
        let rest = (feedback(1_000 + number) + "\n").repeat(600);
        bench.put(&format!("in/{number:03}.json"), feedback(number) + "\n" + &rest);
    }
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 60 && exec \"$0\" replay -o out.json in", BINARY])
        .current_dir(bench.folder.path())
        .output()
        .expect("runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("files that overlap in time") && stderr.contains("ulimit -n"), "{stderr}");
    assert_eq!(bench.replay(&["in"]).code, 0, "with the usual limit");
}

#[test]
fn inputs_are_not_overwritten() {
    let bench = Bench::new();
    let text = feedback(1);
    let input = bench.put("in/a.json", &text);
    bench.put("b.json", &text);
    let aliased = input.display().to_string();
    for arguments in [
        &["-o", "in/a.json", "in"][..],
        &["-o", "in/../in/a.json", "in/*.json"],
        &["--rejects", &aliased, "b.json", "in/a.json"],
        &["--summary", "b.json", "in", "b.json"],
        &["--risky-users", "b.json", "in", "b.json"],
    ] {
        let output = Command::new(BINARY).current_dir(bench.folder.path()).arg("replay").args(arguments).output();
        let output = output.expect("runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains("would be overwritten"), "{arguments:?}: {stderr}");
        assert_eq!(std::fs::read_to_string(&input).expect("is there"), text, "{arguments:?}");
        assert_eq!(std::fs::read_to_string(bench.path("b.json")).expect("is there"), text, "{arguments:?}");
    }
}

#[test]
fn an_output_in_the_folder_that_is_read_is_not_read() {
    let bench = Bench::new();
    bench.put("in/a.json", feedback(1));
    let run = || {
        let arguments = ["replay", "-o", "in/out.json", "--summary", "summary", "in"];
        Command::new(BINARY).current_dir(bench.folder.path()).args(arguments).output().expect("runs").status.code()
    };
    assert_eq!(run(), Some(0));
    let summary = std::fs::read_to_string(bench.path("summary")).expect("written");
    assert_eq!(serde_json::from_str::<Value>(&summary).expect("JSON")["files"], 1);
    assert_eq!(run(), Some(2), "now it is a file like others");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_cleanly_while_waiting_for_input() {
    for threads in ["1", "2"] {
        let bench = Bench::new();
        let mut child = Command::new(BINARY)
            .args(["replay", "--threads", threads, "--summary"])
            .arg(bench.path("summary"))
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut stdin = child.stdin.take().expect("piped");
        // More than one block, so that the first is done with before the interrupt.
        stdin.write_all(lines(0..1_400).repeat(20).as_bytes()).expect("reads");
        wait_until_idle(child.id());
        let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
        assert!(killed.success());
        let output = child.wait_with_output().expect("ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        assert!(stderr.contains("interrupted"), "{stderr}");
        let summary = std::fs::read_to_string(bench.path("summary")).expect("written all the same");
        let summary: Value = serde_json::from_str(&summary).expect("JSON");
        assert_eq!(summary["interrupted"], true);
        drop(stdin);
    }
}

/// Waits until the process has taken its input and uses no more processor time.
#[cfg(unix)]
fn wait_until_idle(process: u32) {
    let used = || {
        let stat = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat"));
        let stat = stat.expect("the process lives");
        stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(12)).map(str::to_owned)
    };
    let mut before = None;
    while before.is_none() || used() != before {
        before = used();
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_ends_the_run_quietly() {
    let bench = Bench::new();
    let input = bench.put("in.json", "not json\n".repeat(200_000));
    let mut child = Command::new(BINARY)
        .args(["replay", "--rejects", "-", "-o"])
        .arg(bench.path("out"))
        .arg(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut first = [0; 10];
    child.stdout.take().expect("piped").read_exact(&mut first).expect("one line");
    let output = child.wait_with_output().expect("ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
