//! `authenticationDetails` and `signInEventTypes` → the few facts that are kept of them.
//!
//! A sign-in's authentication steps are folded while they are read: how the password fared and how far MFA came.
//! The last decisive step counts; a step that is still in progress decides nothing that is decided already.

use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::fields::{KeyName, read_text};
use super::lenient::{Lenient, Shape};
use super::scalar::Scalar;
use super::scan::check_depth;
use crate::engine::signin::Mfa;

/// What the authentication steps say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Steps {
    /// Did the typed password prove right, as far as a step says?
    pub(super) password: Option<bool>,
    /// Did any first factor (password, claim, key) succeed?
    pub(super) first_factor: Option<bool>,
    pub(super) mfa: Option<Mfa>,
}

/// One step, as written.
#[derive(Default)]
pub(super) struct Step<'a> {
    method: Scalar<'a>,
    succeeded: Scalar<'a>,
    result: Scalar<'a>,
    requirement: Scalar<'a>,
}

impl Steps {
    fn add(&mut self, step: &Step<'_>) {
        let succeeded = step.succeeded.to_flag();
        let (method, result) = (step.method.as_str(), step.result.as_str());
        let requirement = step.requirement.as_str();
        let is_password = method.trim().eq_ignore_ascii_case("password");
        // A password is a first factor, whatever policy the step was written under.
        let is_mfa = !is_password
            && (contains(requirement, "multi")
                || contains(requirement, "mfa")
                || contains(result, "mfa")
                || is_report(result));
        if is_mfa {
            self.mfa = Some(match (self.mfa, mfa_of_step(succeeded, method, result)) {
                (Some(Mfa::Performed), Mfa::Claim | Mfa::Pending) => Mfa::Performed,
                (Some(decided), Mfa::Pending | Mfa::Unknown) => decided,
                (Some(Mfa::Reported), Mfa::Denied) => Mfa::Reported,
                (_, new) => new,
            });
            return;
        }
        self.first_factor = succeeded.or(self.first_factor);
        if is_password {
            self.password = succeeded.or(self.password);
        }
    }
}

fn mfa_of_step(succeeded: Option<bool>, method: &str, result: &str) -> Mfa {
    match succeeded {
        Some(true) if contains(result, "claim") || contains(method, "claim") => Mfa::Claim,
        Some(true) if method.trim().eq_ignore_ascii_case("previously satisfied") => Mfa::Claim,
        Some(true) => Mfa::Performed,
        Some(false) if is_report(result) => Mfa::Reported,
        Some(false) if contains(result, "in progress") || contains(result, "required") => Mfa::Pending,
        Some(false) => Mfa::Denied,
        None => mfa_of_text(result).unwrap_or(Mfa::Unknown),
    }
}

/// What `status.additionalDetails` (or a step's result) says of MFA.
pub(super) fn mfa_of_text(text: &str) -> Option<Mfa> {
    if is_report(text) {
        return Some(Mfa::Reported);
    }
    if !contains(text, "mfa") {
        return None;
    }
    let verdicts = [
        ("denied", Mfa::Denied),
        ("declined", Mfa::Denied),
        ("fail", Mfa::Denied),
        ("did not", Mfa::Denied),
        ("skipped", Mfa::NotRequired),
        ("satisfied", Mfa::Claim),
        ("completed", Mfa::Performed),
        ("required", Mfa::Pending),
    ];
    verdicts.into_iter().find(|(word, _)| contains(text, word)).map(|(_, mfa)| mfa)
}

/// The user said that the prompt was not his own. "MFA denied; Fraud Code Entered" is what Microsoft documents for it
/// ("Report suspicious activity" of the multifactor authentication settings); that somebody is blocked for an earlier
/// report ("fraud block") is no report.
fn is_report(text: &str) -> bool {
    contains(text, "fraud code")
        || (contains(text, "report") && (contains(text, "fraud") || contains(text, "suspicious")))
}

/// ASCII case is ignored; `word` is lower case.
pub(super) fn contains(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let Some(starts) = text.len().checked_sub(word.len()).and_then(|last| text.get(..=last)) else { return false };
    let Some(first) = word.first() else { return true };
    memchr::memchr2_iter(*first, first.to_ascii_uppercase(), starts)
        .any(|at| text[at..at + word.len()].eq_ignore_ascii_case(word))
}

/// Reads the array of steps; Log Analytics writes it as JSON text.
pub(super) struct StepsShape;

impl<'de> Shape<'de> for StepsShape {
    type Value = Steps;

    fn none(self) -> Steps {
        Steps::default()
    }

    fn text(self, text: &str) -> Steps {
        // Text inside text that is text again is not followed.
        let is_array = text.trim_start().starts_with('[') && check_depth(text).is_ok();
        if is_array { read_text(text, StepsShape).unwrap_or_default() } else { Steps::default() }
    }

    fn array<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Steps, A::Error> {
        let mut steps = Steps::default();
        while let Some(step) = elements.next_element_seed(Lenient(StepShape))? {
            if let Some(step) = step {
                steps.add(&step);
            }
        }
        Ok(steps)
    }
}

struct StepShape;

impl<'de> Shape<'de> for StepShape {
    type Value = Option<Step<'de>>;

    fn none(self) -> Self::Value {
        None
    }

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut step = Step::default();
        while let Some(key) = entries.next_key_seed(KeyName(step_field))? {
            match key {
                Some(StepField::Method) => step.method = entries.next_value()?,
                Some(StepField::Succeeded) => step.succeeded = entries.next_value()?,
                Some(StepField::Result) => step.result = entries.next_value()?,
                Some(StepField::Requirement) => step.requirement = entries.next_value()?,
                None => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Some(step))
    }
}

enum StepField {
    Method,
    Succeeded,
    Result,
    Requirement,
}

fn step_field(key: &str) -> Option<StepField> {
    Some(match key {
        "authenticationMethod" => StepField::Method,
        "succeeded" => StepField::Succeeded,
        "authenticationStepResultDetail" => StepField::Result,
        "authenticationStepRequirement" => StepField::Requirement,
        _ => return None,
    })
}

/// Which kinds of identity `signInEventTypes` names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EventTypes {
    pub(super) interactive: bool,
    pub(super) non_interactive: bool,
    pub(super) service_principal: bool,
    pub(super) managed_identity: bool,
}

impl EventTypes {
    fn add(&mut self, name: &str) {
        let name = name.trim();
        self.interactive |= name.eq_ignore_ascii_case("interactiveUser");
        self.non_interactive |= name.eq_ignore_ascii_case("nonInteractiveUser");
        self.service_principal |= name.eq_ignore_ascii_case("servicePrincipal");
        self.managed_identity |= name.eq_ignore_ascii_case("managedIdentity");
    }
}

/// Reads the array of names; a single name may stand without the array.
pub(super) struct EventTypesShape;

impl<'de> Shape<'de> for EventTypesShape {
    type Value = EventTypes;

    fn none(self) -> EventTypes {
        EventTypes::default()
    }

    fn text(self, text: &str) -> EventTypes {
        let mut types = EventTypes::default();
        types.add(text);
        types
    }

    fn array<A: SeqAccess<'de>>(self, mut elements: A) -> Result<EventTypes, A::Error> {
        let mut types = EventTypes::default();
        while let Some(name) = elements.next_element::<Scalar<'de>>()? {
            types.add(name.as_str());
        }
        Ok(types)
    }
}
