//! Verdicts of analysts, or ground truth → which sign-ins were an attacker's, and which were not.
//!
//! Three spellings, told apart line by line:
//! - CSV with a first row of names: `requestId,verdict` and, if told, `incident` and `cause`;
//! - NDJSON of the same names;
//! - NDJSON as `farsign simulate --labels` writes it (`malicious`, `campaign`): the whole truth, so that every sign-in
//!   without a label is the owner's;
//! - Farsign's own feedback records: confirmed compromised, or confirmed safe and dismissed.
//!
//! Sign-in ids are kept as 128-bit hashes. Of several verdicts on one sign-in the last counts, as analysts correct
//! themselves.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Read as _};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::engine::decode::{Decoded, Format, decode};
use crate::engine::signin::FeedbackAction;
use crate::evaluate::SignInKey;
use crate::runtime::replay::csv::delimiter_of;

/// Names that CSV needs.
const REQUEST_ID: &str = "requestId";
const VERDICT: &str = "verdict";
const INCIDENT: &str = "incident";
const CAUSE: &str = "cause";

/// Bytes of a first row that are looked at for what separates its names.
const HEADER_LENGTH_MAX: u64 = 64 * 1024;

/// What an analyst said of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It was an attacker's.
    Confirmed,
    /// It was the owner's.
    Dismissed,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Label {
    request_id: String,
    verdict: Verdict,
    #[serde(default)]
    incident: String,
    /// Why it looked wrong and was not: "vpn".
    #[serde(default)]
    cause: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrueLabel {
    request_id: String,
    malicious: bool,
    credential_right: bool,
    #[serde(default)]
    campaign: String,
    #[serde(default)]
    causes: Vec<String>,
}

/// A verdict, and the incident it is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    verdict: Verdict,
    /// Place among the incidents; only of confirmed ones.
    incident: Option<u32>,
}

/// All verdicts.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    of: HashMap<SignInKey, Said>,
    incidents: Vec<String>,
    /// What was odd about sign-ins of owners, where somebody said so.
    causes: HashMap<SignInKey, Vec<String>>,
    /// Every sign-in without a verdict is the owner's.
    pub is_complete: bool,
    /// Feedback about a user as a whole, or that says nothing of who signed in: not used.
    pub unused: u64,
}

impl Verdicts {
    /// Reads labels; `is_csv` says how they are spelt. Errors name the line.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is no label.
    pub fn read(labels: impl BufRead, is_csv: bool) -> anyhow::Result<Verdicts> {
        let mut verdicts = Verdicts::default();
        let mut incidents = BTreeMap::new();
        if is_csv {
            verdicts.read_csv(labels, &mut incidents)?;
            return Ok(verdicts);
        }
        for (line, number) in labels.lines().zip(1u64..) {
            let line = line.context("cannot read the labels")?;
            let failed = || format!("line {number} of the labels is no label");
            if number == 1 && is_header(&line) {
                bail!("its first line is that of CSV labels: give the file a name that ends with `.csv`");
            }
            if !line.trim().is_empty() {
                verdicts.take_line(&line, &mut incidents).with_context(failed)?;
            }
        }
        Ok(verdicts)
    }

    fn read_csv(&mut self, mut labels: impl BufRead, incidents: &mut BTreeMap<String, u32>) -> anyhow::Result<()> {
        let mut first = Vec::new();
        let failed = "cannot read the labels";
        (&mut labels).take(HEADER_LENGTH_MAX).read_until(b'\n', &mut first).context(failed)?;
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter_of(&first))
            .trim(csv::Trim::All)
            .from_reader(first.as_slice().chain(labels));
        let header = plain_header(reader.headers().context(failed)?);
        for name in [REQUEST_ID, VERDICT] {
            if !header.iter().any(|column| column == name) {
                bail!(
                    "the labels' first row has no `{name}`; expected {REQUEST_ID},{VERDICT}[,{INCIDENT}][,{CAUSE}], with commas, \
                     semicolons or tabs between"
                );
            }
        }
        for (row, number) in reader.records().zip(2u64..) {
            let failed = || format!("line {number} of the labels is no label");
            let label: Label = row.and_then(|row| row.deserialize(Some(&header))).with_context(failed)?;
            self.take_label(label, incidents);
        }
        Ok(())
    }

    fn take_line(&mut self, line: &str, incidents: &mut BTreeMap<String, u32>) -> anyhow::Result<()> {
        let found: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line)?;
        if found.contains_key("malicious") {
            let label: TrueLabel = serde_json::from_str(line)?;
            self.is_complete = true;
            let verdict = if label.malicious { Verdict::Confirmed } else { Verdict::Dismissed };
            // A wrong password gave access to nothing: there is nothing to catch.
            if !label.malicious || label.credential_right {
                self.take(&label.request_id, verdict, &label.campaign, incidents);
            }
            if !label.causes.is_empty() {
                self.causes.insert(SignInKey::new(&label.request_id), label.causes);
            }
            return Ok(());
        }
        if found.contains_key(VERDICT) {
            let label: Label = serde_json::from_str(line)?;
            self.take_label(label, incidents);
            return Ok(());
        }
        let mut taken = Err(anyhow::anyhow!("it has neither `{VERDICT}` nor `malicious`, and is no feedback"));
        decode(Format::Farsign, line.as_bytes(), &mut |decoded| {
            if let Ok(Decoded::Feedback(feedback)) = decoded {
                let verdict = match feedback.action {
                    FeedbackAction::ConfirmCompromised => Some(Verdict::Confirmed),
                    FeedbackAction::ConfirmSafe | FeedbackAction::Dismiss => Some(Verdict::Dismissed),
                    FeedbackAction::PassedMfa | FeedbackAction::PasswordChanged => None,
                };
                match verdict {
                    Some(verdict) if !feedback.request_id.is_empty() => {
                        self.take(&feedback.request_id, verdict, "", incidents);
                    }
                    _ => self.unused += 1,
                }
                taken = Ok(());
            }
        });
        taken
    }

    fn take_label(&mut self, label: Label, incidents: &mut BTreeMap<String, u32>) {
        self.take(&label.request_id, label.verdict, &label.incident, incidents);
        if !label.cause.is_empty() {
            self.causes.insert(SignInKey::new(&label.request_id), vec![label.cause]);
        }
    }

    fn take(&mut self, request_id: &str, verdict: Verdict, incident: &str, incidents: &mut BTreeMap<String, u32>) {
        let is_part = verdict == Verdict::Confirmed && !incident.is_empty();
        let incident = is_part.then(|| {
            *incidents.entry(incident.to_owned()).or_insert_with(|| {
                self.incidents.push(incident.to_owned());
                self.incidents.len() as u32 - 1
            })
        });
        self.of.insert(SignInKey::new(request_id), Said { verdict, incident });
    }

    /// `None`: nobody said anything.
    pub fn of(&self, key: SignInKey) -> Option<Verdict> {
        self.label_of(key).or_else(|| self.is_complete.then_some(Verdict::Dismissed))
    }

    /// As [`Self::of`], by the sign-in's own label.
    pub fn label_of(&self, key: SignInKey) -> Option<Verdict> {
        self.of.get(&key).map(|said| said.verdict)
    }

    /// What was odd about an owner's sign-in; empty where nobody said anything.
    pub fn causes_of(&self, key: SignInKey) -> &[String] {
        self.causes.get(&key).map_or(&[], Vec::as_slice)
    }

    pub fn has_causes(&self) -> bool {
        !self.causes.is_empty()
    }

    /// Place among the incidents of a confirmed sign-in.
    pub fn incident_of(&self, key: SignInKey) -> Option<u32> {
        self.of.get(&key)?.incident
    }

    /// Sign-ins that were confirmed to be an attacker's.
    pub fn confirmed_count(&self) -> usize {
        self.count(Verdict::Confirmed)
    }

    pub fn dismissed_count(&self) -> usize {
        self.count(Verdict::Dismissed)
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.of.values().filter(|said| said.verdict == verdict).count()
    }

    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

/// The first row with our names in our spelling, however it has them.
fn plain_header(header: &csv::StringRecord) -> csv::StringRecord {
    let plain = |name: &str| -> String {
        let name = name.trim_start_matches('\u{feff}').trim();
        let ours = [REQUEST_ID, VERDICT, INCIDENT, CAUSE].into_iter().find(|ours| ours.eq_ignore_ascii_case(name));
        ours.unwrap_or(name).to_owned()
    };
    header.iter().map(plain).collect()
}

/// Does a line name the columns of labels?
fn is_header(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    !line.trim_start_matches('\u{feff}').trim_start().starts_with('{')
        && line.contains("requestid")
        && line.contains(VERDICT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, is_csv: bool) -> anyhow::Result<Verdicts> {
        Verdicts::read(text.as_bytes(), is_csv)
    }

    #[test]
    fn every_spelling_is_read() {
        let csv = "verdict,requestId,incident,cause\nconfirmed,a,one,\ndismissed,b,,vpn\nconfirmed,c,one,\n";
        let of_a_spreadsheet = "\u{feff}Verdict;RequestId;INCIDENT;cause\r\nconfirmed;a;one;\r\ndismissed;b;;vpn\r\nconfirmed;c;one;\r\n";
        let lines = concat!(
            "{\"requestId\":\"a\",\"verdict\":\"confirmed\",\"incident\":\"one\"}\n\n",
            "{\"requestId\":\"b\",\"verdict\":\"confirmed\"}\n",
            "{\"requestId\":\"b\",\"verdict\":\"dismissed\",\"cause\":\"vpn\"}\n",
            "{\"requestId\":\"c\",\"verdict\":\"confirmed\",\"incident\":\"one\"}\n",
        );
        for (text, is_csv) in [(csv, true), (of_a_spreadsheet, true), (lines, false)] {
            let verdicts = read(text, is_csv).expect("labels");
            let of = |id: &str| verdicts.of(SignInKey::new(id));
            assert_eq!(
                [of("a"), of("b"), of("c"), of("d")],
                [Some(Verdict::Confirmed), Some(Verdict::Dismissed), Some(Verdict::Confirmed), None]
            );
            assert_eq!(verdicts.incident_of(SignInKey::new("a")), verdicts.incident_of(SignInKey::new("c")));
            assert_eq!((verdicts.confirmed_count(), verdicts.dismissed_count()), (2, 1));
            let causes = |id: &str| verdicts.causes_of(SignInKey::new(id));
            assert_eq!((causes("a"), causes("b")), ([].as_slice(), ["vpn".to_owned()].as_slice()));
        }
    }

    #[test]
    fn feedback_is_a_verdict_on_the_sign_in_it_names() {
        let record = |action: &str, request: &str| {
            format!(
                r#"{{"type":"feedback","tenantId":"t","userId":"u","time":"2026-03-02T08:00:00Z","action":"{action}"{request}}}"#
            ) + "\n"
        };
        let lines = record("confirmCompromised", r#","requestId":"a""#)
            + &record("dismiss", r#","requestId":"b""#)
            + &record("confirmSafe", r#","requestId":"c""#)
            + &record("confirmCompromised", "")
            + &record("passwordChanged", "");
        let verdicts = read(&lines, false).expect("feedback");
        assert_eq!(verdicts.of(SignInKey::new("a")), Some(Verdict::Confirmed));
        assert_eq!(verdicts.of(SignInKey::new("b")), Some(Verdict::Dismissed));
        assert_eq!(verdicts.of(SignInKey::new("c")), Some(Verdict::Dismissed));
        assert_eq!((verdicts.unused, verdicts.is_complete), (2, false));
    }

    #[test]
    fn simulated_truth_is_whole() {
        let line = |id: &str, malicious: bool, right: bool| {
            format!(
                "{{\"requestId\":\"{id}\",\"malicious\":{malicious},\"credentialRight\":{right},\"campaign\":\"c\",\"causes\":[\"vpn\"]}}\n"
            )
        };
        let lines = line("a", true, true) + &line("b", false, true) + &line("c", true, false);
        let verdicts = read(&lines, false).expect("truth");
        assert!(verdicts.is_complete);
        assert_eq!(verdicts.confirmed_count(), 1, "a wrong password has nothing to catch");
        assert_eq!(verdicts.of(SignInKey::new("unlabelled")), Some(Verdict::Dismissed));
        assert_eq!(verdicts.causes_of(SignInKey::new("b")), ["vpn"]);
    }

    #[test]
    fn what_is_no_label_is_told_with_its_line() {
        for (text, is_csv, told) in [
            ("requestId,judgement\na,confirmed\n", true, "no `verdict`"),
            ("requestId,verdict\na,confirmed\nb,perhaps\n", true, "line 3"),
            ("RequestID;Verdict\na;confirmed\n", false, "ends with `.csv`"),
            ("{\"requestId\":\"a\",\"verdict\":\"confirmed\"}\n{}\n", false, "line 2"),
            ("{\"requestId\":\"a\",\"verdict\":\"maybe\"}\n", false, "unknown variant `maybe`"),
            ("nonsense\n", false, "line 1"),
        ] {
            let error = format!("{:#}", read(text, is_csv).expect_err(text));
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
