//! One example file a format, as `examples/formats` has them: what is measured, and what users can try.

use farsign::engine::decode::Format;

macro_rules! examples {
    ($($format:ident $file:literal,)+) => {
        [$((Format::$format, include_str!(concat!("../../examples/formats/", $file)))),+]
    };
}

/// Every format with an example, and its records, one a line.
pub const EXAMPLES: [(Format, &str); 17] = examples! {
    Farsign "farsign.jsonl",
    Entra "entra.jsonl",
    M365 "m365.jsonl",
    Okta "okta.jsonl",
    CloudTrail "cloudtrail.jsonl",
    GuardDuty "guardduty.jsonl",
    Google "google.jsonl",
    Auth0 "auth0.jsonl",
    Keycloak "keycloak.log",
    Duo "duo.jsonl",
    OneLogin "onelogin.jsonl",
    PingOne "pingone.jsonl",
    PingFederate "pingfederate.log",
    JumpCloud "jumpcloud.jsonl",
    Sshd "sshd.log",
    Ecs "ecs.jsonl",
    Ocsf "ocsf.jsonl",
};
