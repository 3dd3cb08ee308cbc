//! uap-core's rules, compiled into the binary and made ready at first use (about 0.1 s, 15 MiB).
//!
//! Only its user-agent and operating-system rules: the kind of device is told from those two and a few tokens
//! ([`super::agent`]), at a third of the cost of the device rules, which know every telephone's model.

use std::sync::LazyLock;

use serde::Deserialize;
use ua_parser::{os, user_agent};

const SOURCE: &str = include_str!("../../../data/uap-core/regexes.yaml");

static RULES: LazyLock<AgentRules> =
    LazyLock::new(|| AgentRules::read(SOURCE).expect("a test reads the rules that are compiled in"));

#[derive(Deserialize)]
struct RuleFile {
    user_agent_parsers: Vec<user_agent::Parser<'static>>,
    os_parsers: Vec<os::Parser<'static>>,
}

pub struct AgentRules {
    browsers: user_agent::Extractor<'static>,
    systems: os::Extractor<'static>,
}

impl AgentRules {
    pub fn embedded() -> &'static AgentRules {
        &RULES
    }

    fn read(text: &str) -> Result<AgentRules, String> {
        let options = serde_saphyr::options! { budget: None };
        let file: RuleFile =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?;
        let browsers = user_agent::Builder::new().push_all(file.user_agent_parsers);
        let systems = os::Builder::new().push_all(file.os_parsers);
        Ok(AgentRules {
            browsers: browsers.map_err(|error| error.to_string())?.build().map_err(|error| error.to_string())?,
            systems: systems.map_err(|error| error.to_string())?.build().map_err(|error| error.to_string())?,
        })
    }

    /// Family and major version; empty and 0 when no rule fits.
    pub fn browser(&self, text: &str) -> (String, u16) {
        match self.browsers.extract(text) {
            Some(value) if value.family != "Other" => {
                (value.family.into_owned(), value.major.and_then(|major| major.parse().ok()).unwrap_or(0))
            }
            _ => (String::new(), 0),
        }
    }

    /// Family; empty when no rule fits.
    pub fn operating_system(&self, text: &str) -> String {
        match self.systems.extract(text) {
            Some(value) if value.os != "Other" => value.os.into_owned(),
            _ => String::new(),
        }
    }
}
