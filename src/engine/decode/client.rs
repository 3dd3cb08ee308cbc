//! `clientAppUsed` and the user agent → the client's protocol family.
//!
//! Legacy names are those of the Entra sign-in log's client-app filter
//! (<https://learn.microsoft.com/entra/identity/conditional-access/policy-block-legacy-authentication>), in the
//! spellings of portal, Graph and logs; they are compared as prefixes, without case. Where the log names no client,
//! the user agents with which Microsoft's own services present legacy clients' passwords tell.

use crate::engine::signin::ClientApp;

const LEGACY_PREFIXES: [&str; 16] = [
    "authenticated smtp",
    "autodiscover",
    "exchange activesync",
    "exchange online powershell",
    "exchange web services",
    "imap",
    "mapi",
    "offline address book",
    "outlook anywhere",
    "outlook service",
    "pop",
    "reporting web services",
    "smtp",
    "other clients",
    "other client",
    "universal outlook",
];

/// Basic-authentication clients, replayed by Exchange Online through ROPC.
const LEGACY_AGENT_PREFIXES: [&str; 3] = ["bav2ropc", "cbainprod", "cbaintar"];

pub(super) fn client_app(client_app_used: &str, user_agent: &str) -> ClientApp {
    if client_app_used.eq_ignore_ascii_case("browser") {
        return ClientApp::Browser;
    }
    if client_app_used.eq_ignore_ascii_case("mobile apps and desktop clients") {
        return ClientApp::Modern;
    }
    let starts = |text: &str, prefix: &&str| {
        text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let is_legacy = LEGACY_PREFIXES.iter().any(|prefix| starts(client_app_used, prefix))
        || (client_app_used.is_empty() && LEGACY_AGENT_PREFIXES.iter().any(|prefix| starts(user_agent, prefix)));
    if is_legacy { ClientApp::Legacy } else { ClientApp::Unknown }
}
