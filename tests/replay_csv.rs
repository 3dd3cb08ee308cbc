//! `farsign replay` of CSV exports: the same records as in JSON, places of rejects, compression, order of files.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_farsign");

struct Ran {
    records: u64,
    items: u64,
    skipped: Value,
    /// Line, offset and reason.
    rejects: Vec<(u64, u64, String)>,
    /// Of the detections that confirmations open: user and time.
    detections: Vec<(String, String)>,
}

fn replay(files: &[(&str, &[u8])]) -> Ran {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).expect("file");
    }
    let output = Command::new(BINARY)
        .current_dir(folder.path())
        .args(["replay", "--rejects", ".rejects", "--summary", ".summary", "-o", ".out"])
        .args(files.iter().map(|(name, _)| name))
        .stdin(Stdio::null())
        .output()
        .expect("runs");
    // 1 = every record was rejected, which is one of the cases.
    assert!(output.status.code().is_some_and(|code| code <= 1), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let lines = |name: &str| -> Vec<Value> {
        read(name).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let summary: Value = serde_json::from_str(&read(".summary")).expect("a summary");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let number = |value: &Value| value.as_u64().expect("a number");
    Ran {
        records: number(&summary["records"]),
        items: number(&summary["items"]),
        skipped: summary["skipped"].clone(),
        rejects: lines(".rejects")
            .iter()
            .map(|line| (number(&line["line"]), number(&line["offset"]), text(&line["reason"])))
            .collect(),
        detections: lines(".out")
            .iter()
            .map(|line| (text(&line["userId"]), text(&line["activityDateTime"])))
            .collect(),
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("into memory");
    encoder.finish().expect("into memory")
}

/// A sign-in from an anonymizing network cannot be told without a database; a confirmation always can.
const OWN: &str = "type,tenantId,userId,userPrincipalName,id,time,action\n";

fn confirmation(user: &str, minute: u32) -> String {
    format!(
        "feedback,t1,{user}@example.com,{user}@example.com,{user}-{minute},2026-03-02T08:{minute:02}:00Z,confirmCompromised\n"
    )
}

#[test]
fn exports_of_log_analytics_are_read() {
    let text = "\u{feff}TenantId,\"TimeGenerated [UTC]\",ResourceId,OperationName,Category,ResultType,UserId,\
        UserPrincipalName,Id,AppId,IPAddress,Location,\"CreatedDateTime [UTC]\",Status_string,Status_dynamic,\
        LocationDetails_dynamic,AADTenantId,Type\r\n\
        w1,\"3/2/2026, 8:15:31.000 AM\",,Sign-in activity,SignInLogs,0,u-1,alice@example.com,r-1,a-1,192.0.2.17,NL,\
        \"3/2/2026, 8:15:30.123 AM\",,\"{\"\"errorCode\"\":0,\n\"\"additionalDetails\"\":\"\"\"\"}\",\
        \"{\"\"city\"\":\"\"Utrecht\"\"}\",t-1,SigninLogs\r\n\
        w1,\"3/2/2026, 8:16:31.000 AM\",,Sign-in activity,NonInteractiveUserSignInLogs,50126,u-1,alice@example.com,\
        r-2,a-1,192.0.2.17,NL,\"3/2/2026, 8:16:30.123 AM\",\"{\"\"errorCode\"\":50126}\",,,t-1,\
        AADNonInteractiveUserSignInLogs\r\n\
        w1,\"3/2/2026, 8:17:31.000 AM\",,Add user,AuditLogs,,,,,,,,,,,,t-1,AuditLogs\r\n";
    let zst = zstd::encode_all(text.as_bytes(), 1).expect("into memory");
    for (name, bytes) in [("a.csv", text.as_bytes()), ("a.csv.gz", &gzip(text)), ("A.CSV.zst", &zst)] {
        let ran = replay(&[(name, bytes)]);
        assert_eq!((ran.records, ran.items), (3, 2), "{name}");
        assert_eq!(ran.skipped["notASignIn"], 1, "{name}");
        assert!(ran.rejects.is_empty(), "{name}: {:?}", ran.rejects);
    }
}

#[test]
fn exports_of_an_audit_search_and_of_the_portal_are_read() {
    let audit = "#TYPE Selected.PSObject\r\n\"RecordType\",\"CreationDate\",\"UserIds\",\"Operations\",\"AuditData\"\r\n\
        \"AzureActiveDirectoryStsLogon\",\"3/2/2026 8:15:30 AM\",\"alice@example.com\",\"UserLoggedIn\",\
        \"{\"\"CreationTime\"\":\"\"2026-03-02T08:15:30\"\",\"\"Operation\"\":\"\"UserLoggedIn\"\",\
        \"\"Workload\"\":\"\"AzureActiveDirectory\"\",\"\"UserId\"\":\"\"alice@example.com\"\",\"\"ErrorNumber\"\":\"\"0\"\",\
        \"\"ExtendedProperties\"\":[{\"\"Name\"\":\"\"UserAgent\"\",\"\"Value\"\":\"\"A\\/1\"\"}]}\"\r\n\
        \"ExchangeItem\",\"3/2/2026 8:15:31 AM\",\"alice@example.com\",\"MailItemsAccessed\",\
        \"{\"\"CreationTime\"\":\"\"2026-03-02T08:15:31\"\",\"\"Operation\"\":\"\"MailItemsAccessed\"\"}\"\r\n";
    let portal = "\"Date (UTC)\",\"Request ID\",\"User ID\",Username,\"Application ID \",\"IP address\",Location,Status,\
        \"Sign-in error code\"\n\
        2026-03-02T08:20:00Z,r-9,u-1,alice@example.com,a-1,192.0.2.17,\"Utrecht, Utrecht, NL\",Success,\n\
        2026-03-02T08:21:00Z,r-8,u-1,alice@example.com,a-1,192.0.2.17,\"Utrecht, Utrecht, NL\",Failure,50126\n";
    let ran = replay(&[("audit.csv", audit.as_bytes()), ("InteractiveSignIns.csv", portal.as_bytes())]);
    assert_eq!((ran.records, ran.items), (4, 3), "{:?}", ran.rejects);
    assert_eq!(ran.skipped["notASignIn"], 1);
}

#[test]
fn files_are_merged_by_time() {
    let (first, second) = (
        format!("{OWN}{}{}", confirmation("ada", 1), confirmation("bo", 30)),
        format!("{OWN}{}{}", confirmation("cy", 10), confirmation("di", 40)),
    );
    let users = |files: &[(&str, &[u8])]| -> Vec<String> {
        replay(files).detections.into_iter().map(|(user, _)| user).collect()
    };
    let files = [("1.csv", second.as_bytes()), ("2.csv", first.as_bytes())];
    let expected = ["ada", "cy", "bo", "di"].map(|user| format!("{user}@example.com"));
    assert_eq!(users(&files), expected);
    // The rows as JSON lines are the same records.
    let json = |text: &str| -> String {
        let rows = text.lines().skip(1).map(|row| {
            let cells =
                OWN.trim().split(',').zip(row.split(',')).map(|(name, cell)| format!("\"{name}\":\"{cell}\""));
            format!("{{{}}}\n", cells.collect::<Vec<_>>().join(","))
        });
        rows.collect()
    };
    let (first, second) = (json(&first), json(&second));
    assert_eq!(users(&[("1.json", second.as_bytes()), ("2.json", first.as_bytes())]), expected);
}

#[test]
fn rejects_point_at_rows() {
    let long = "x".repeat(2 << 20);
    let good = confirmation("ada", 1);
    let text = format!("{OWN}{good}oops\r\n\r\n\"two\nlines\"\n{good}{long}\n,,,\"\u{1}\"\n\"never closed");
    let at = |what: &str| text.find(what).expect("is there") as u64;
    let ran = replay(&[("in.csv", text.as_bytes())]);
    let expected = [
        (3, at("oops"), "unknownFormat".to_owned()),
        (5, at("\"two"), "unknownFormat".to_owned()),
        (8, at("xxx"), "tooLarge".to_owned()),
        (9, at(",,,"), "unknownFormat".to_owned()),
        (10, at("\"never"), "unknownFormat".to_owned()),
    ];
    assert_eq!(ran.rejects, expected);
    assert_eq!(ran.records, 7);
    // Not by its name, it is not CSV.
    assert_eq!(replay(&[("in.txt", format!("{OWN}{good}").as_bytes())]).items, 0);
}
