//! A part of what is there: the filters over whole files give what files give that were cut by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{LAGOS, NEW_YORK, OSLO, databases, farsign, read_json, run, sign_in, text, write_lines};

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a filter asks for, put together otherwise than the command does.
#[derive(Clone, Copy, Default)]
struct Asked<'a> {
    from: Option<&'a str>,
    to: Option<&'a str>,
    /// In lower case.
    users: &'a [String],
    tenant: Option<&'a str>,
}

impl Asked<'_> {
    fn has(&self, time: &Value, tenant: &Value, user: [&Value; 2]) -> bool {
        let moment = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
        let time = moment(time.as_str().unwrap());
        let user = user.map(|name| name.as_str().unwrap_or_default().to_lowercase());
        self.from.is_none_or(|from| time >= moment(from))
            && self.to.is_none_or(|to| time < moment(to))
            && self.tenant.is_none_or(|wanted| tenant == wanted)
            && (self.users.is_empty() || user.iter().any(|name| self.users.contains(name)))
    }

    fn arguments(&self) -> Vec<String> {
        let users = (!self.users.is_empty()).then(|| self.users.join(","));
        let given = [
            ("--from", self.from.map(str::to_owned)),
            ("--to", self.to.map(str::to_owned)),
            ("--users", users),
            ("--tenant", self.tenant.map(str::to_owned)),
        ];
        given.into_iter().filter_map(|(flag, value)| Some([flag.to_owned(), value?])).flatten().collect()
    }
}

/// How much a cut by hand took away: labels, campaigns that had begun, detections compared with an attacker who is gone.
#[derive(Debug, Default)]
struct Cut {
    labels: usize,
    begun: usize,
    compared: usize,
    kept_detections: usize,
    kept_attacks: usize,
}

/// Writes what is asked for of one folder's files into another.
fn cut_by_hand(whole: &Path, part: &Path, asked: Asked<'_>) -> Cut {
    let labels = lines(&whole.join("labels.ndjson"));
    let begun: BTreeSet<&str> = labels
        .iter()
        .filter(|label| label["malicious"] == true)
        .filter(|label| {
            !Asked { from: asked.from, ..Asked::default() }.has(&label["time"], &Value::Null, [&Value::Null; 2])
        })
        .map(|label| label["campaign"].as_str().unwrap())
        .collect();
    let in_filter = |label: &Value| {
        asked.has(&label["time"], &label["tenantId"], [&label["userId"], &label["userPrincipalName"]])
    };
    let is_begun =
        |label: &Value| label["malicious"] == true && begun.contains(label["campaign"].as_str().unwrap());
    let (kept, gone): (Vec<Value>, Vec<Value>) =
        labels.iter().cloned().partition(|label| in_filter(label) && !is_begun(label));
    let attackers: BTreeSet<&str> = gone
        .iter()
        .filter(|label| label["malicious"] == true)
        .map(|label| label["requestId"].as_str().unwrap())
        .collect();
    let is_attackers = |id: &Value| id.as_str().is_some_and(|id| attackers.contains(id));

    let detections = lines(&whole.join("detections.ndjson"));
    let mut references = BTreeMap::new();
    for line in &detections {
        let reference = &line["farsign"]["evidence"]["reference"]["requestId"];
        if !reference.is_null() {
            references.insert(line["id"].to_string(), reference);
        }
    }
    let in_filter_too = |line: &Value| {
        asked.has(&line["activityDateTime"], &line["tenantId"], [&line["userId"], &line["userPrincipalName"]])
    };
    let malicious: BTreeSet<&str> = labels
        .iter()
        .filter(|label| label["malicious"] == true)
        .map(|label| label["requestId"].as_str().unwrap())
        .collect();
    let compares = |line: &Value| {
        let is_owners = line["requestId"].as_str().is_some_and(|id| !malicious.contains(id));
        is_owners && references.get(&line["id"].to_string()).is_some_and(|id| is_attackers(id))
    };
    let asked_for = detections.iter().filter(|line| in_filter_too(line) && !is_attackers(&line["requestId"]));
    let (compared, kept_detections): (Vec<Value>, Vec<Value>) = asked_for.cloned().partition(compares);

    let sign_ins = lines(&whole.join("signins.ndjson"));
    let in_stream = |record: &&Value| {
        let it = &record["properties"];
        let principal = record["category"] == "ServicePrincipalSignInLogs";
        !principal
            && asked.has(&it["createdDateTime"], &record["tenantId"], [&it["userId"], &it["userPrincipalName"]])
            && !is_attackers(&it["id"])
    };
    write_lines(&part.join("labels.ndjson"), &kept);
    write_lines(&part.join("detections.ndjson"), &kept_detections);
    write_lines(&part.join("signins.ndjson"), &sign_ins.iter().filter(in_stream).cloned().collect::<Vec<_>>());
    Cut {
        labels: gone.len(),
        begun: gone.iter().filter(|label| in_filter(label)).count(),
        compared: compared.len(),
        kept_detections: kept_detections.len(),
        kept_attacks: kept.iter().filter(|label| label["malicious"] == true).count(),
    }
}

/// Two organisations in one log, and what replay finds in it.
fn two_tenants(folder: &Path) {
    let name = |name: &str| text(&folder.join(name)).to_owned();
    let mut all = BTreeMap::from([("labels", Vec::new()), ("signins", Vec::new())]);
    for (tenant, seed) in [("tenant-a", "11"), ("tenant-b", "12")] {
        let (labels, sign_ins) = (name("labels"), name("signins"));
        let size = ["--users", "60", "--days", "25", "--form", "entra-lean", "--domain", "example.com"];
        let attacks = "foreignNaive=4,tokenReplay=4,passwordSpray=2,impossiblePair=6,vpnExit=4,slowTravel=4";
        let who = ["--attacks", attacks, "--seed", seed, "--tenant", tenant, "--labels", &labels, "-o", &sign_ins];
        run(&[&["simulate"], size.as_slice(), who.as_slice()].concat());
        for (file, bytes) in &mut all {
            bytes.extend(std::fs::read(folder.join(file)).unwrap());
        }
    }
    for (file, bytes) in all {
        std::fs::write(folder.join(format!("{file}.ndjson")), bytes).unwrap();
    }
    let (sign_ins, detections) = (name("signins.ndjson"), name("detections.ndjson"));
    let databases = databases();
    let databases: Vec<&str> = databases.iter().map(String::as_str).collect();
    run(&[&["replay", "-o", &detections, "--emit-suppressed", &sign_ins], databases.as_slice()].concat());
}

/// Everything that the command gives of a folder: what it says, and each file that it writes.
fn evaluated(folder: &Path, arguments: &[String]) -> BTreeMap<String, Vec<u8>> {
    let out = TempDir::new().unwrap();
    let files = ["--json", "--report", "--calibrate", "--fit-scores"];
    let mut all = vec!["evaluate".to_owned(), text(folder).to_owned()];
    for flag in files {
        all.extend([flag.to_owned(), text(&out.path().join(flag)).to_owned()]);
    }
    all.extend(databases());
    all.extend_from_slice(arguments);
    let arguments: Vec<&str> = all.iter().map(String::as_str).collect();
    let tables = run(&arguments).into_bytes();
    let read = |flag: &str| (flag.to_owned(), std::fs::read(out.path().join(flag)).unwrap());
    files.into_iter().map(read).chain([("tables".to_owned(), tables)]).collect()
}

/// A page without the note that it is of a part, of which it has no other; anything else as it is.
fn without_note(text: String) -> String {
    let Some((before, rest)) = text.split_once("<ul class=\"notes\"") else { return text };
    let (notes, after) = rest.split_once("</ul>\n").unwrap();
    assert!(notes.matches("<li>").count() == 1 && notes.contains("Left out by the filters: "), "{notes}");
    format!("{before}{after}")
}

#[test]
fn a_part_of_whole_files_is_what_files_cut_by_hand_give() {
    let whole = TempDir::new().unwrap();
    two_tenants(whole.path());
    let labels = lines(&whole.path().join("labels.ndjson"));
    let (from, to) = ("2026-03-08T12:00:00Z", "2026-03-20T00:00:00Z");
    // Every third user of those whom the labels name, by id and by name in turn.
    let named: BTreeSet<(String, String)> = labels
        .iter()
        .map(|label| (label["userId"].as_str().unwrap(), label["userPrincipalName"].as_str().unwrap()))
        .filter(|(id, _)| !id.is_empty())
        .map(|(id, name)| (id.to_lowercase(), name.to_lowercase()))
        .collect();
    let users: Vec<String> = named
        .into_iter()
        .step_by(3)
        .zip(0..)
        .map(|((id, name), number)| if number % 2 == 0 { id } else { name })
        .collect();
    let times = Asked { from: Some(from), to: Some(to), ..Asked::default() };
    let by_users = Asked { users: &users, ..Asked::default() };
    let by_tenant = Asked { tenant: Some("tenant-b"), ..Asked::default() };
    let all = Asked { from: Some(from), to: Some(to), users: &users, tenant: Some("tenant-a") };
    for (asked, warm_up_days) in [(times, "0"), (times, "2"), (by_users, "0"), (by_tenant, "3"), (all, "1")] {
        let part = TempDir::new().unwrap();
        let cut = cut_by_hand(whole.path(), part.path(), asked);
        assert!(cut.labels > 10 && cut.kept_detections > 3 && cut.kept_attacks > 10, "nothing to see: {cut:?}");
        if asked.from.is_some() && asked.users.is_empty() {
            assert!(cut.begun > 0 && cut.compared > 0, "no border is crossed: {cut:?}");
        }
        let warm_up = ["--warm-up-days".to_owned(), warm_up_days.to_owned()];
        let given = evaluated(whole.path(), &[asked.arguments().as_slice(), &warm_up].concat());
        let expected = evaluated(part.path(), &warm_up);
        for (file, bytes) in &given {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (given, expected) = (without_note(text(bytes)), text(&expected[file]));
            let first = given.lines().zip(expected.lines()).find(|(given, expected)| given != expected);
            assert!(given == expected, "{file} of {:?}: {first:?}", asked.arguments());
        }
    }
}

fn label(id: &str, user: &str, time: &str, campaign: &str) -> Value {
    let mut label = json!({"requestId": id, "time": format!("2026-03-0{time}:00Z"), "tenantId": "t", "userId": user,
        "credentialRight": true, "malicious": !campaign.is_empty()});
    match campaign {
        "" => label["causes"] = json!(["vpn"]),
        _ => (label["attack"], label["campaign"]) = (json!("impossiblePair"), json!(campaign)),
    }
    label
}

fn found(id: &str, user: &str, time: &str, reference: &str) -> Value {
    let time = format!("2026-03-0{time}:00Z");
    json!({"id": format!("d/{id}"), "requestId": id, "riskEventType": "newCountry", "riskState": "atRisk", "riskLevel": "low",
        "riskDetail": "none", "activityDateTime": time, "detectedDateTime": time, "tenantId": "t", "userId": user,
        "riskScore": 30, "farsign": {"evidence": {"reference": {"requestId": reference}}}})
}

/// Attacks across both borders of the 3rd and 4th of March: `c1` begins before, `c2` ends behind.
fn across_the_borders(folder: &Path) {
    let labels = [
        label("o0", "alice", "2T09:00", ""),
        label("m1", "alice", "2T12:00", "c1"),
        label("o1", "alice", "3T09:00", ""),
        label("m2", "alice", "3T12:00", "c1"),
        label("m3", "bob", "3T13:00", "c2"),
        label("m4", "bob", "5T08:00", "c2"),
    ];
    // Known after the end, compared with what is left out, and counted all the same: it is an attacker's own.
    let mut late = found("m3", "bob", "3T13:00", "m1");
    late["detectedDateTime"] = json!("2026-03-05T10:00:00Z");
    let detections = [
        found("m1", "alice", "2T12:00", ""),
        found("o1", "alice", "3T09:00", ""),
        // Compared with the owner's, whose sign-in is outside: an alert as any other.
        found("x1", "alice", "3T10:00", "o0"),
        found("m2", "alice", "3T12:00", ""),
        found("e1", "alice", "3T12:30", "m2"),
        late,
        found("e2", "alice", "3T14:00", "m1"),
        found("m4", "bob", "5T08:00", ""),
    ];
    let sign_ins = [
        sign_in("o0", "alice", "2T09:00", OSLO),
        sign_in("m1", "alice", "2T12:00", LAGOS),
        sign_in("o1", "alice", "3T09:00", OSLO),
        sign_in("x1", "alice", "3T10:00", OSLO),
        sign_in("m2", "alice", "3T12:00", LAGOS),
        sign_in("e1", "alice", "3T12:30", NEW_YORK),
        sign_in("m3", "bob", "3T13:00", LAGOS),
        sign_in("e2", "alice", "3T14:00", NEW_YORK),
        sign_in("m4", "bob", "5T08:00", LAGOS),
    ];
    write_lines(&folder.join("labels.ndjson"), &labels);
    write_lines(&folder.join("detections.ndjson"), &detections);
    write_lines(&folder.join("signins.ndjson"), &sign_ins);
}

/// Runs it on the folder: exit code and what it said.
fn told(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = farsign(&[&["evaluate", text(folder)], arguments].concat()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn what_crosses_a_border_is_left_out_or_cut() {
    let folder = TempDir::new().unwrap();
    across_the_borders(folder.path());
    let json = folder.path().join("report.json");
    let (code, said) = told(folder.path(), &["--from", "2026-03-03", "--to", "2026-03-05", "--json", text(&json)]);
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "left out by the filters: 4 of 6 labels, 3 of 8 lines of detections, 4 of 9 events\n",
        "1 campaigns had begun before --from, and are left out whole\n",
        "2 detections compare an owner with an attacker who is left out, and are left out, too\n",
        "the reference detectors see what is asked for only",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("warning"), "{said}");
    let report = read_json(&json);
    let input = &report["input"];
    assert_eq!(
        (&input["campaigns"], &input["ownerSignIns"], &input["attackerSignIns"]),
        (&json!(1), &json!(4), &json!(1))
    );
    let found = &report["falseAlerts"];
    assert_eq!(
        (&found["trueDetections"], &found["detections"]["low"], &found["echoes"]),
        (&json!(1), &json!(2), &json!(0))
    );
    let low = &report["points"][0];
    assert_eq!(low["recall"]["value"], 1.0);
    // Of the campaign's sign-ins those that are in it; until the alert became known.
    assert_eq!(low["timeToDetect"]["signInsMedian"], 1.0);
    assert_eq!(low["timeToDetect"]["minutesMedian"], 45.0 * 60.0);
    // Cut by users, a campaign has begun before all the same when it began with somebody else.
    let (_, said) = told(folder.path(), &["--from", "2026-03-04", "--users", "bob"]);
    assert!(said.contains("1 campaigns had begun before --from"), "{said}");
}

#[test]
fn what_a_filter_cannot_decide_is_told() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    across_the_borders(folder);
    let check = |arguments: &[&str], code: i32, message: &str| {
        let (given, said) = told(folder, arguments);
        assert!(given == Some(code) && said.contains(message), "{given:?}: {said}");
    };
    check(&["--from", "2026-03-05", "--to", "2026-03-05"], 2, "no event lies between --from");
    check(&["--from", "2027-01-01"], 0, "warning: the filters left nothing to count");
    check(
        &["--users", "x1,ALICE"],
        0,
        "1 of the users of --users are in no label, detection or event that was asked for, such as `x1`",
    );
    check(
        &["--tenant", "T"],
        0,
        "left out by the filters: 0 of 6 labels, 0 of 8 lines of detections, 0 of 9 events\n",
    );
    check(&["--from", "2026-03-06"], 0, "6 of 6 labels");

    // The label of a detection's sign-in counts, whatever the detection says.
    let mut detections = lines(&folder.join("detections.ndjson"));
    detections[5]["userId"] = json!("robert");
    write_lines(&folder.join("detections.ndjson"), &detections);
    let json = folder.join("report.json");
    let (_, said) = told(folder, &["--users", "bob", "--json", text(&json)]);
    assert!(
        said.contains("warning: 1 lines of detections have another time, tenant or user than the label"),
        "{said}"
    );
    assert!(said.contains("such as line 6 of"), "{said}");
    assert_eq!(read_json(&json)["falseAlerts"]["trueDetections"], 2);

    detections[7].as_object_mut().unwrap().remove("tenantId");
    write_lines(&folder.join("detections.ndjson"), &detections);
    check(&["--tenant", "t"], 1, "line 8 of the detections: it has no `tenantId`, and --tenant needs one");
    let mut labels = lines(&folder.join("labels.ndjson"));
    labels[1].as_object_mut().unwrap().remove("tenantId");
    write_lines(&folder.join("labels.ndjson"), &labels);
    check(&["--tenant", "t"], 1, "line 2 of the labels: it has no `tenantId`, and --tenant needs one");
    check(&["--from", "2026-03-03"], 0, "left out by the filters");
    labels[0]["userId"] = json!("");
    write_lines(&folder.join("labels.ndjson"), &labels);
    check(&["--users", "bob"], 1, "line 1 of the labels: it has no `userId`, and --users needs one");
}

/// Labels name accounts; what replay writes, and so --users, names persons.
#[test]
fn users_are_persons_where_the_configuration_knows_them() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    across_the_borders(folder);
    let people = folder.join("people.csv");
    std::fs::write(&people, "person,account\nE17,bob\n").unwrap();
    let config = folder.join("farsign.yaml");
    let identity = |tenants: &str| {
        let file = text(&people);
        let yaml = format!(
            "input: {{keyed: false}}\nidentity: {{organization: acme, tenants: [{tenants}], file: {file:?}}}\n"
        );
        std::fs::write(&config, yaml).unwrap();
    };
    let mut detections = lines(&folder.join("detections.ndjson"));
    for line in detections.iter_mut().filter(|line| line["userId"] == "bob") {
        (line["userId"], line["tenantId"]) = (json!("E17"), json!("acme"));
    }
    write_lines(&folder.join("detections.ndjson"), &detections);
    let json = folder.join("report.json");
    let asked = |filter: &[&str]| {
        let (code, said) = told(folder, &[&["-c", text(&config), "--json", text(&json)], filter].concat());
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("4 of 6 labels, 6 of 8 lines of detections, 7 of 9 events"), "{said}");
        assert!(!said.contains("warning"), "{said}");
        assert_eq!(read_json(&json)["input"]["campaigns"], 1);
    };
    identity("");
    asked(&["--users", "e17"]);
    asked(&["--tenant", "acme"]);
    identity("t");
    asked(&["--users", "e17"]);
    let mut labels = lines(&folder.join("labels.ndjson"));
    labels[5].as_object_mut().unwrap().remove("tenantId");
    write_lines(&folder.join("labels.ndjson"), &labels);
    let (code, said) = told(folder, &["-c", text(&config), "--users", "e17"]);
    let expected = "line 6 of the labels: it has no `tenantId`, and `identity.tenants` needs one";
    assert!(code == Some(1) && said.contains(expected), "{said}");
}
