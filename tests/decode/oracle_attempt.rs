//! The oracle's reading of what happened: result code, steps and MFA → outcome, credential and account, in words.

use farsign::engine::decode::meaning_of;
use serde_json::Value;

use super::oracle::{error_code, field, flag, nothing, opened, text};

/// What happened, field by field.
pub struct Attempt {
    verdict: Option<Option<u32>>,
    details: String,
    steps: Vec<Value>,
    requirement: String,
    has_mfa_method: bool,
    is_ropc: bool,
}

impl Attempt {
    pub fn new(fields: &Value, around: &Value) -> Attempt {
        let code = error_code(fields);
        let results = [
            &code,
            field(around, "resultType"),
            field(fields, "resultType"),
            field(around, "resultSignature"),
            field(fields, "resultSignature"),
        ];
        let lower = |value: &Value| value.as_str().unwrap_or("").to_lowercase();
        Attempt {
            verdict: results.into_iter().find_map(verdict),
            details: lower(&opened(field(fields, "status"))["additionalDetails"]),
            steps: opened(field(fields, "authenticationDetails")).as_array().cloned().unwrap_or_default(),
            requirement: lower(field(fields, "authenticationRequirement")),
            has_mfa_method: !nothing(&opened(field(fields, "mfaDetail"))["authMethod"]),
            is_ropc: text(field(fields, "authenticationProtocol")).to_lowercase() == "ropc",
        }
    }

    pub fn code(&self) -> Option<u32> {
        self.verdict.flatten()
    }

    fn step(&self, is_mfa: bool) -> impl Iterator<Item = (Option<bool>, String, String)> {
        let lower = |value: &Value| value.as_str().unwrap_or("").to_lowercase();
        self.steps.iter().filter(|step| step.is_object()).filter_map(move |step| {
            let result = lower(&step["authenticationStepResultDetail"]);
            let wanted = lower(&step["authenticationStepRequirement"]);
            let password = lower(&step["authenticationMethod"]).trim() == "password";
            let of_mfa = wanted.contains("multi") || wanted.contains("mfa") || result.contains("mfa");
            let mfa = !password && (of_mfa || is_report(&result));
            (mfa == is_mfa).then(|| (flag(&step["succeeded"]), lower(&step["authenticationMethod"]), result))
        })
    }

    fn meaning(&self) -> farsign::engine::decode::Meaning {
        let passed = self.step(false).filter_map(|(succeeded, ..)| succeeded).last() == Some(true);
        match self.verdict {
            Some(Some(code)) => meaning_of(code, self.is_ropc),
            None if passed => meaning_of(0, false),
            _ => meaning_of(u32::MAX, false),
        }
    }

    fn mfa_of_steps(&self) -> Option<&'static str> {
        let mut known = None;
        for (succeeded, method, result) in self.step(true) {
            let word = match succeeded {
                Some(true) if result.contains("claim") || method.contains("claim") => "Claim",
                Some(true) if method.trim() == "previously satisfied" => "Claim",
                Some(true) => "Performed",
                Some(false) if is_report(&result) => "Reported",
                Some(false) if result.contains("in progress") || result.contains("required") => "Pending",
                Some(false) => "Denied",
                None => mfa_of_text(&result).unwrap_or("Unknown"),
            };
            known = match (known, word) {
                (Some("Performed"), "Claim" | "Pending") => known,
                (Some(_), "Pending" | "Unknown") => known,
                (Some("Reported"), "Denied") => known,
                _ => Some(word),
            };
        }
        known.filter(|word| *word != "Unknown")
    }

    pub fn mfa(&self) -> String {
        let (meaning, steps) = (self.meaning(), self.mfa_of_steps());
        let details = mfa_of_text(&self.details);
        let outcome = format!("{:?}", meaning.outcome);
        for denial in ["Reported", "Denied"] {
            if outcome != "Success" && (details == Some(denial) || steps == Some(denial)) {
                return denial.to_string();
            }
        }
        if let Some(mfa) = meaning.mfa {
            return format!("{mfa:?}");
        }
        let rest = match outcome.as_str() {
            "Success" if self.has_mfa_method => "Performed",
            _ if self.requirement.contains("singlefactor") => "NotRequired",
            "Success" if self.requirement.contains("multifactor") => "Claim",
            "Interrupted" if self.requirement.contains("multifactor") => "Pending",
            _ => "Unknown",
        };
        details.or(steps).unwrap_or(rest).to_string()
    }

    pub fn result(&self) -> String {
        let meaning = self.meaning();
        let (mut outcome, mut credential) =
            (format!("{:?}", meaning.outcome), format!("{:?}", meaning.credential));
        let account = format!("{:?}", meaning.account);
        if !meaning.is_known {
            let passwords = self.step(false).filter(|(_, method, _)| method.trim() == "password");
            credential = match passwords.filter_map(|(succeeded, ..)| succeeded).last() {
                Some(true) => {
                    outcome = "Blocked".to_string();
                    "Right".to_string()
                }
                Some(false) => "Wrong".to_string(),
                None => "Unknown".to_string(),
            };
        }
        let denied = ["Denied", "Reported"].contains(&self.mfa().as_str());
        if denied && outcome != "Success" && credential != "Wrong" && account == "Normal" {
            (outcome, credential) = ("Blocked".to_string(), "Right".to_string());
        }
        format!("{outcome} {credential} {account}")
    }
}

fn verdict(value: &Value) -> Option<Option<u32>> {
    match value {
        Value::String(text) => match text.trim().to_lowercase().as_str() {
            "success" => Some(Some(0)),
            "failure" => Some(None),
            other => other.strip_prefix("aadsts").unwrap_or(other).parse().ok().map(Some),
        },
        Value::Number(number) => number
            .as_f64()
            .filter(|x| x.fract() == 0.0 && (0.0..=4_294_967_295.0).contains(x))
            .map(|x| Some(x as u32)),
        _ => None,
    }
}

fn is_report(text: &str) -> bool {
    let has = |word: &str| text.contains(word);
    has("fraud code") || (has("report") && (has("fraud") || has("suspicious")))
}

fn mfa_of_text(text: &str) -> Option<&'static str> {
    if is_report(text) {
        return Some("Reported");
    }
    if !text.contains("mfa") {
        return None;
    }
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match () {
        () if has(&["denied", "declined", "fail", "did not"]) => Some("Denied"),
        () if has(&["skipped"]) => Some("NotRequired"),
        () if has(&["satisfied"]) => Some("Claim"),
        () if has(&["completed"]) => Some("Performed"),
        () if has(&["required"]) => Some("Pending"),
        () => None,
    }
}
