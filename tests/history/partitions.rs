//! A folder of days: merged with few files open, and days outside the filter not read.

use std::collections::BTreeMap;

use super::*;

/// Files that may be open: far fewer than there are.
const OPEN_MAX: &str = "48";

/// `farsign replay` with few file descriptors.
fn with_few_files(folder: &Path) -> Command {
    let mut command = Command::new("sh");
    let run = format!("ulimit -n {OPEN_MAX}; exec {BINARY} replay \"$@\"");
    command.current_dir(folder).args(["-c", &run, "farsign"]).stdin(Stdio::null());
    command
}

/// The lines by day of their time.
fn by_day(lines: &[String]) -> BTreeMap<String, Vec<&String>> {
    let mut days: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for line in lines {
        days.entry(field(line, "time")[..10].to_owned()).or_default().push(line);
    }
    days
}

/// A folder's path, of a day.
type PathOf<'a> = &'a dyn Fn(&str) -> String;

fn hive(day: &str) -> String {
    format!("year={}/month={}/day={}", &day[..4], &day[5..7], &day[8..])
}

#[test]
fn a_folder_of_days_gives_what_one_file_gives_and_reads_the_days_asked_for() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let lines = simulated(folder, "farsign", "20");
    write(&folder.join("all.ndjson"), &lines);
    let whole = replay(folder, &["all.ndjson"]).detections;
    let (from, to) = ("2026-03-10T06:00:00Z", "2026-03-14");
    let bounds = ["--from", from, "--to", to];
    let cut = replay(folder, &[bounds.as_slice(), &["all.ndjson"]].concat());
    assert!(cut.detections.lines().count() > 10);
    let azure = |day: &str| format!("y={}/m={}/d={}/h=00/m=00", &day[..4], &day[5..7], &day[8..]);
    let trail = |day: &str| format!("AWSLogs/1/CloudTrail/eu-west-1/{}", day.replace('-', "/"));
    let plain = |day: &str| day.to_owned();
    let styles: [(&str, PathOf); 4] = [("hive", &hive), ("azure", &azure), ("trail", &trail), ("plain", &plain)];
    for (style, path) in styles {
        let mut files = Vec::new();
        for (day, lines) in by_day(&lines) {
            // Two files a day, each with every other record.
            for part in 0..2 {
                let lines: Vec<&String> = lines.iter().skip(part).step_by(2).copied().collect();
                let file = format!("{style}/{}/part-{part}.json.gz", path(&day));
                write(&folder.join(&file), &lines);
                files.push(file);
            }
        }
        assert!(replay(folder, &[style]).detections == whole, "{style}");
        let skipping = replay(folder, &[bounds.as_slice(), &[style]].concat());
        assert!(skipping.detections == cut.detections, "{style}");
        // A day's margin on both sides: the 9th to the 14th.
        let (read, all) = if style == "plain" { (files.len(), files.len()) } else { (12, files.len()) };
        assert_eq!(skipping.summary["files"], read as u64, "{style}");
        let told = format!(
            "{} of {all} files are of days outside --from and --to, as their folders tell: not read\n",
            all - read
        );
        assert_eq!(skipping.told.contains(&told), read < all, "{}", skipping.told);
        // Files that are named themselves are read, and give the same.
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let reading = replay(folder, &[bounds.as_slice(), &files].concat());
        assert!(reading.detections == cut.detections, "{style}");
        assert_eq!(reading.summary["files"], files.len() as u64);
    }
    let (code, _, told) = session(&mut farsign(folder, &["replay", "--to", "2020-01-01", "hive"]));
    assert_eq!(code, 2);
    assert!(told.ends_with("files are of days outside --from and --to, as their folders tell\n"), "{told}");
}

/// Every hour of a year, most of them with hardly a record; and the same where a file begins with much that is no sign-in.
#[test]
fn a_year_of_small_files_needs_few_files_and_little_memory() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let start = jiff::civil::date(2025, 1, 1).at(0, 0, 0, 0);
    let audit = format!(
        r#"{{"eventVersion":"1.08","eventSource":"s3.amazonaws.com","eventName":"GetObject","eventTime":"2025-01-01T00:00:00Z","x":"{}"}}"#,
        "x".repeat(1_000)
    );
    let mut lines = Vec::new();
    for hour in 0..365 * 24 {
        let time = start.checked_add(jiff::Span::new().hours(hour)).unwrap();
        let (user, minute) = (hour * 7 % 11, hour % 60);
        let line = format!(
            r#"{{"type":"feedback","tenantId":"t","userId":"u{user}","id":"{hour}","time":"{}:{minute:02}:00Z","action":"confirmCompromised"}}"#,
            time.strftime("%Y-%m-%dT%H")
        );
        write(&folder.join(format!("hours/{}", time.strftime("y=%Y/m=%m/d=%d/h=%H/m=00/PT1H.json"))), &[&line]);
        if hour % 8 == 0 {
            // Behind the first look.
            let mut late = vec![&audit; 70];
            late.push(&line);
            write(&folder.join(format!("sparse/{}", time.strftime("year=%Y/month=%m/day=%d/%H.json.gz"))), &late);
        }
        lines.push(line);
    }
    write(&folder.join("all.ndjson"), &lines);
    let whole = replay(folder, &["all.ndjson"]);
    let hours = replay_by(&mut with_few_files(folder), folder, &["hours"]);
    assert_eq!(hours.summary["files"], 8_760);
    assert!(hours.detections == whole.detections && hours.detections.lines().count() > 100);
    let peak = |of: &Replayed| of.summary["run"]["memoryPeakBytes"].as_u64().unwrap() as f64 / 1e6;
    let (one, many) = (peak(&whole), peak(&hours));
    assert!(many < one + 60.0, "{many} MB for a file an hour, {one} MB for one file");
    let sparse = replay_by(&mut with_few_files(folder), folder, &["sparse"]);
    assert_eq!((&sparse.summary["files"], &sparse.summary["items"]), (&1_095.into(), &1_095.into()));
    assert!(sparse.summary["disorder"].as_array().unwrap().is_empty());
    assert!(peak(&sparse) < one + 60.0, "{} MB", peak(&sparse));
}
