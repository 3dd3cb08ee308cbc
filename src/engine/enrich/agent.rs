//! User agent, and the provider's own browser and operating system → [`Agent`].
//!
//! What the provider says is preferred and cheap to read ("Chrome 77.0.3865", "MacOs"); uap-core's rules fill what
//! is missing. Families are normalised so that both sources say the same word, and the mobile variants of a browser
//! are its family, too: the operating system and the kind of device already tell them apart.

use super::agent_rules::AgentRules;
use crate::engine::facts::{Agent, DeviceKind};

/// What the two sources write → the family. Lower case, ordered by nothing: the lists are short.
const BROWSERS: &[(&str, &[&str])] = &[
    ("Chrome", &["google chrome", "chrome mobile", "mobile chrome", "chrome mobile ios", "chrome mobile webview"]),
    ("Edge", &["edg", "microsoft edge", "edge mobile", "edge chromium", "edgechromium"]),
    ("Safari", &["mobile safari", "mobile safari ui/wkwebview", "safari mobile"]),
    ("Firefox", &["mozilla firefox", "firefox mobile", "firefox ios", "mobile firefox"]),
    ("IE", &["internet explorer", "msie", "ie mobile", "microsoft internet explorer"]),
    ("Opera", &["opera mobile", "opera mini", "opera tablet"]),
    ("Samsung Internet", &["samsung browser", "samsungbrowser"]),
    ("Rich Client", &["rich client"]),
];

const SYSTEMS: &[(&str, &[&str])] = &[
    ("Windows", &["windows", "windows nt", "win", "windows server"]),
    ("macOS", &["macos", "mac os x", "mac os", "mac", "osx", "os x"]),
    ("iOS", &["ios", "ipados", "iphone os", "iphone", "ipad"]),
    ("Android", &["android"]),
    (
        "Linux",
        &[
            "linux",
            "ubuntu",
            "debian",
            "fedora",
            "red hat",
            "centos",
            "suse",
            "arch linux",
            "linux mint",
            "gentoo",
        ],
    ),
    ("Chrome OS", &["chrome os", "chromeos", "cros"]),
];

/// Agents that are no browser: what they begin with (lower case), the family's spelling, the kind.
///
/// The first two are Microsoft's: legacy basic authentication and certificate-based authentication of mail clients.
const TOOLS: &[(&str, &str, DeviceKind)] = &[
    ("bav2ropc", "BAV2ROPC", DeviceKind::Other),
    ("cbainprod", "CBAInPROD", DeviceKind::Other),
    ("cbaintar", "CBAInTAR", DeviceKind::Other),
    ("windows-azuread-authentication-provider", "Windows-AzureAD-Authentication-Provider", DeviceKind::Desktop),
    ("dalvik", "Dalvik", DeviceKind::Mobile),
    ("outlook-ios", "Outlook", DeviceKind::Mobile),
    ("outlook-android", "Outlook", DeviceKind::Mobile),
    ("apple-iphone", "Apple Mail", DeviceKind::Mobile),
    ("apple-ipad", "Apple Mail", DeviceKind::Tablet),
    ("microsoft office", "Microsoft Office", DeviceKind::Desktop),
    ("python-requests", "Python Requests", DeviceKind::Other),
    ("python-urllib", "Python urllib", DeviceKind::Other),
    ("python", "Python", DeviceKind::Other),
    ("aiohttp", "aiohttp", DeviceKind::Other),
    ("axios", "axios", DeviceKind::Other),
    ("node-fetch", "node-fetch", DeviceKind::Other),
    ("okhttp", "okhttp", DeviceKind::Other),
    ("go-http-client", "Go-http-client", DeviceKind::Other),
    ("curl", "curl", DeviceKind::Other),
    ("wget", "Wget", DeviceKind::Other),
    ("postmanruntime", "PostmanRuntime", DeviceKind::Other),
    ("apache-httpclient", "Apache-HttpClient", DeviceKind::Other),
    ("java/", "Java", DeviceKind::Other),
    ("libwww-perl", "libwww-perl", DeviceKind::Other),
    ("powershell", "PowerShell", DeviceKind::Other),
    ("fasthttp", "fasthttp", DeviceKind::Other),
    ("go-resty", "go-resty", DeviceKind::Other),
];

/// Reads all three texts; empty means absent.
pub fn read_agent(user_agent: &str, browser: &str, operating_system: &str) -> Agent {
    let (mut family, mut major) = split_version(browser);
    let mut system =
        normal(SYSTEMS, split_version(operating_system).0.trim_end_matches(|c: char| c.is_ascii_digit()));
    let tool = tool(user_agent);
    if family.is_empty() || major == 0 || system.is_empty() {
        let (other_family, other_major) = match tool {
            Some((name, _, version)) => (name.to_owned(), version),
            None if user_agent.is_empty() => (String::new(), 0),
            None => AgentRules::embedded().browser(user_agent),
        };
        if family.is_empty() {
            (family, major) = (normal(BROWSERS, &other_family), other_major);
        } else if major == 0 && normal(BROWSERS, family.as_str()) == normal(BROWSERS, &other_family) {
            major = other_major;
        }
        if system.is_empty() && !user_agent.is_empty() {
            system = normal(SYSTEMS, &AgentRules::embedded().operating_system(user_agent));
        }
    }
    let family = normal(BROWSERS, &family);
    let kind = tool.map_or_else(|| device_kind(user_agent, &system, &family), |(_, kind, _)| kind);
    Agent { browser: family.into(), browser_major: major, operating_system: system.into(), kind }
}

/// "Chrome Mobile 77.0.3865" → "Chrome Mobile", 77. The version begins at the first word that begins with a digit.
fn split_version(text: &str) -> (String, u16) {
    let text = text.trim();
    let version_at = text
        .match_indices(' ')
        .map(|(at, _)| at + 1)
        .find(|at| text[*at..].starts_with(|c: char| c.is_ascii_digit()));
    match version_at {
        Some(at) => (text[..at].trim().to_owned(), leading_number(&text[at..])),
        None => (text.to_owned(), 0),
    }
}

/// 0 when there is none, or none that fits.
fn leading_number(text: &str) -> u16 {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().unwrap_or(0)
}

/// The family that one of the sources means; what no table has stays as it is.
fn normal(table: &[(&str, &[&str])], text: &str) -> String {
    let text = text.trim();
    let known = table.iter().find(|(family, names)| {
        family.eq_ignore_ascii_case(text) || names.iter().any(|name| name.eq_ignore_ascii_case(text))
    });
    known.map_or(text, |(family, _)| family).to_owned()
}

/// Family, kind and major version of an agent that is no browser.
fn tool(user_agent: &str) -> Option<(&'static str, DeviceKind, u16)> {
    let (start, family, kind) = TOOLS.iter().find(|(start, _, _)| {
        user_agent.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
    })?;
    let rest = user_agent[start.len()..].trim_start_matches('/');
    Some((family, *kind, leading_number(rest)))
}

/// From tokens of the user agent; without one, from the operating system.
///
/// Android's convention is that a tablet leaves out "Mobile"; iPadOS calls itself a Mac unless asked for the mobile
/// site, which nothing here can tell.
fn device_kind(user_agent: &str, system: &str, family: &str) -> DeviceKind {
    let has = |token: &str| user_agent.contains(token);
    let lower_has =
        |token: &str| memchr::memmem::find(user_agent.to_ascii_lowercase().as_bytes(), token.as_bytes()).is_some();
    if family.contains("Headless") || lower_has("bot/") || lower_has("crawler") || lower_has("spider") {
        return DeviceKind::Other;
    }
    match system {
        "iOS" if has("iPad") => DeviceKind::Tablet,
        "Android" if has("Mozilla/") && !has("Mobile") => DeviceKind::Tablet,
        "iOS" | "Android" | "Windows Phone" => DeviceKind::Mobile,
        "Windows" | "macOS" | "Linux" | "Chrome OS" => DeviceKind::Desktop,
        _ if family == "Rich Client" => DeviceKind::Desktop,
        _ => DeviceKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME_WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";
    const EDGE_WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/121.0.0.0 Safari/537.36 Edg/121.0.2277.83";
    const SAFARI_MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Safari/605.1.15";
    const SAFARI_IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1";
    const SAFARI_IPAD: &str = "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1";
    const CHROME_ANDROID: &str = "Mozilla/5.0 (Linux; Android 13; SM-S901B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/112.0.0.0 Mobile Safari/537.36";
    const CHROME_TABLET: &str = "Mozilla/5.0 (Linux; Android 12; SM-X906C) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/112.0.0.0 Safari/537.36";
    const FIREFOX_UBUNTU: &str = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0";

    fn check(texts: [&str; 3], browser: &str, major: u16, system: &str, kind: DeviceKind) {
        let agent = read_agent(texts[0], texts[1], texts[2]);
        let found = (&*agent.browser, agent.browser_major, &*agent.operating_system, agent.kind);
        assert_eq!(found, (browser, major, system, kind), "{texts:?}");
    }

    #[test]
    fn user_agents_are_read() {
        use DeviceKind::{Desktop, Mobile, Tablet, Unknown};
        check([CHROME_WINDOWS, "", ""], "Chrome", 120, "Windows", Desktop);
        check([EDGE_WINDOWS, "", ""], "Edge", 121, "Windows", Desktop);
        check([SAFARI_MAC, "", ""], "Safari", 17, "macOS", Desktop);
        check([SAFARI_IPHONE, "", ""], "Safari", 17, "iOS", Mobile);
        check([SAFARI_IPAD, "", ""], "Safari", 16, "iOS", Tablet);
        check([CHROME_ANDROID, "", ""], "Chrome", 112, "Android", Mobile);
        check([CHROME_TABLET, "", ""], "Chrome", 112, "Android", Tablet);
        check([FIREFOX_UBUNTU, "", ""], "Firefox", 121, "Linux", Desktop);
        check(["", "", ""], "", 0, "", Unknown);
        check(["nothing anyone knows", "", ""], "", 0, "", Unknown);
    }

    #[test]
    fn the_providers_words_are_preferred_and_agree() {
        use DeviceKind::{Desktop, Mobile, Tablet};
        check(["", "Chrome 77.0.3865", "Windows 10"], "Chrome", 77, "Windows", Desktop);
        check(["", "Edge 18.19042", "Windows10"], "Edge", 18, "Windows", Desktop);
        check(["", "Rich Client 4.40.0.0", "Windows 10"], "Rich Client", 4, "Windows", Desktop);
        check(["", "Rich Client 4.40.0.0", ""], "Rich Client", 4, "", Desktop);
        check(["", "Safari 14.0", "MacOs"], "Safari", 14, "macOS", Desktop);
        check(["", "Mobile Safari 13.1", "Ios 13.6"], "Safari", 13, "iOS", Mobile);
        check(["", "Chrome Mobile 90.0", "Android 11"], "Chrome", 90, "Android", Mobile);
        check([SAFARI_IPAD, "Mobile Safari 16.6", "Ios 16.6"], "Safari", 16, "iOS", Tablet);
        check([CHROME_WINDOWS, "Chrome 77.0", ""], "Chrome", 77, "Windows", Desktop);
        check([CHROME_WINDOWS, "Chrome", "Windows 10"], "Chrome", 120, "Windows", Desktop);
        check([CHROME_WINDOWS, "Edge", "Windows 10"], "Edge", 0, "Windows", Desktop);
        check([EDGE_WINDOWS, "", "Windows 10"], "Edge", 121, "Windows", Desktop);
        check(["", "Chrome 99999999999", "Linux"], "Chrome", 0, "Linux", Desktop);
    }

    #[test]
    fn agents_that_are_no_browser() {
        use DeviceKind::{Desktop, Mobile, Other};
        check(["BAV2ROPC", "", ""], "BAV2ROPC", 0, "", Other);
        check(["CBAInPROD", "", ""], "CBAInPROD", 0, "", Other);
        check(["python-requests/2.31.0", "", ""], "Python Requests", 2, "", Other);
        check(["okhttp/4.9.3", "", ""], "okhttp", 4, "", Other);
        check(
            ["Windows-AzureAD-Authentication-Provider/1.0", "", "Windows 10"],
            "Windows-AzureAD-Authentication-Provider",
            1,
            "Windows",
            Desktop,
        );
        check(["Dalvik/2.1.0 (Linux; U; Android 9; SM-G960F Build/PPR1)", "", ""], "Dalvik", 2, "Android", Mobile);
        check(["axios/1.6.2", "", ""], "axios", 1, "", Other);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(user_agent in "\\PC{0,80}", browser in "\\PC{0,20}", system in "\\PC{0,20}") {
            let agent = read_agent(&user_agent, &browser, &system);
            proptest::prop_assert!(agent.browser.len() <= 400);
        }
    }
}
