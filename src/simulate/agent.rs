//! Clients: browser and operating system of a device, and the user agent text each version sends.
//!
//! Versions follow the calendar: Chromium and Firefox raise their major number every four weeks, Safari its minor
//! number every two months; a device lags some days behind and never goes back.

use std::io::Write;

/// A browser (or other client) on an operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Agent {
    WindowsEdge,
    WindowsChrome,
    WindowsFirefox,
    MacSafari,
    MacChrome,
    LinuxFirefox,
    LinuxChrome,
    WindowsOpera,
    IPhone,
    Android,
    /// Basic-authentication mail clients, as Entra's gateway names them.
    LegacyMail,
    PythonRequests,
    Axios,
    GoHttp,
}

impl Agent {
    /// Browsers of laptops, with the shares of the population that use them; about.
    pub const LAPTOPS: [(Agent, f64); 8] = [
        (Agent::WindowsEdge, 0.46),
        (Agent::WindowsChrome, 0.28),
        (Agent::WindowsFirefox, 0.04),
        (Agent::MacSafari, 0.08),
        (Agent::MacChrome, 0.12),
        (Agent::LinuxFirefox, 0.02),
        (Agent::LinuxChrome, 0.006),
        (Agent::WindowsOpera, 0.006),
    ];
    /// Those of them that few people use.
    pub const RARE: [Agent; 3] = [Agent::LinuxFirefox, Agent::LinuxChrome, Agent::WindowsOpera];

    pub fn is_phone(self) -> bool {
        matches!(self, Agent::IPhone | Agent::Android)
    }

    pub fn is_script(self) -> bool {
        matches!(self, Agent::PythonRequests | Agent::Axios | Agent::GoHttp)
    }

    pub fn is_browser(self) -> bool {
        !self.is_script() && self != Agent::LegacyMail
    }

    /// What Entra writes as `deviceDetail.operatingSystem`.
    pub fn operating_system(self) -> &'static str {
        match self {
            Agent::WindowsEdge | Agent::WindowsChrome | Agent::WindowsFirefox | Agent::WindowsOpera => "Windows10",
            Agent::MacSafari | Agent::MacChrome => "MacOs",
            Agent::LinuxFirefox | Agent::LinuxChrome => "Linux",
            Agent::IPhone => "Ios 26.1",
            Agent::Android => "Android 15",
            Agent::LegacyMail | Agent::PythonRequests | Agent::Axios | Agent::GoHttp => "",
        }
    }

    /// The version on a day (days since 1970) of a device that lags `lag_days` behind the release.
    pub fn version(self, day: i32, lag_days: u8) -> u16 {
        /// 2025-12-02: Chromium 143, Firefox 146, Safari 26.1.
        const ANCHOR_DAY: i32 = 20_424;
        let age = day - i32::from(lag_days) - ANCHOR_DAY;
        let version = match self {
            Agent::WindowsFirefox | Agent::LinuxFirefox => 146 + age.div_euclid(28),
            Agent::MacSafari | Agent::IPhone => 26 * 7 + 1 + age.div_euclid(60),
            Agent::LegacyMail | Agent::PythonRequests | Agent::Axios | Agent::GoHttp => 1,
            _ => 143 + age.div_euclid(28),
        };
        u16::try_from(version.max(1)).unwrap_or(1)
    }

    /// What Entra writes as `deviceDetail.browser`.
    pub fn write_browser(self, version: u16, out: &mut Vec<u8>) {
        let written = match self {
            Agent::WindowsEdge => write!(out, "Edge {version}.0.0"),
            Agent::WindowsChrome | Agent::MacChrome | Agent::LinuxChrome => write!(out, "Chrome {version}.0.0"),
            Agent::WindowsFirefox | Agent::LinuxFirefox => write!(out, "Firefox {version}.0"),
            // Opera's number is that of its Chromium less sixteen.
            Agent::WindowsOpera => write!(out, "Opera {}.0.0", version.saturating_sub(16)),
            Agent::MacSafari => write!(out, "Safari {}.{}", version / 7, version % 7),
            Agent::IPhone => write!(out, "Mobile Safari {}.{}", version / 7, version % 7),
            Agent::Android => write!(out, "Chrome Mobile {version}.0.0"),
            Agent::PythonRequests => write!(out, "Python Requests 2.32"),
            Agent::LegacyMail | Agent::Axios | Agent::GoHttp => Ok(()),
        };
        debug_assert!(written.is_ok(), "writing to memory cannot fail");
    }

    pub fn write_user_agent(self, version: u16, out: &mut Vec<u8>) {
        const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
        const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)";
        const BLINK: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";
        const WEBKIT: &str = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
        let (high, low) = (version / 7, version % 7);
        let v = version;
        let written = match self {
            Agent::WindowsEdge => {
                write!(out, "{WINDOWS} {BLINK} Chrome/{v}.0.0.0 Safari/537.36 Edg/{v}.0.0.0")
            }
            Agent::WindowsChrome => write!(out, "{WINDOWS} {BLINK} Chrome/{v}.0.0.0 Safari/537.36"),
            Agent::WindowsFirefox => {
                write!(out, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0")
            }
            Agent::MacSafari => write!(out, "{MAC} {WEBKIT} Version/{high}.{low} Safari/605.1.15"),
            Agent::MacChrome => write!(out, "{MAC} {BLINK} Chrome/{v}.0.0.0 Safari/537.36"),
            Agent::LinuxFirefox => {
                write!(out, "Mozilla/5.0 (X11; Linux x86_64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0")
            }
            Agent::LinuxChrome => {
                write!(out, "Mozilla/5.0 (X11; Linux x86_64) {BLINK} Chrome/{v}.0.0.0 Safari/537.36")
            }
            Agent::WindowsOpera => {
                write!(out, "{WINDOWS} {BLINK} Chrome/{v}.0.0.0 Safari/537.36 OPR/{}.0.0.0", v.saturating_sub(16))
            }
            Agent::IPhone => write!(
                out,
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) {WEBKIT} Version/{high}.{low} \
                 Mobile/15E148 Safari/604.1"
            ),
            Agent::Android => {
                write!(out, "Mozilla/5.0 (Linux; Android 10; K) {BLINK} Chrome/{v}.0.0.0 Mobile Safari/537.36")
            }
            Agent::LegacyMail => write!(out, "BAV2ROPC"),
            Agent::PythonRequests => write!(out, "python-requests/2.32.3"),
            Agent::Axios => write!(out, "axios/1.7.9"),
            Agent::GoHttp => write!(out, "Go-http-client/2.0"),
        };
        debug_assert!(written.is_ok(), "writing to memory cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_only_go_forward() {
        for (agent, _) in Agent::LAPTOPS {
            let versions: Vec<u16> = (20_424..20_800).map(|day| agent.version(day, 9)).collect();
            assert!(versions.is_sorted(), "{agent:?}");
            assert!(versions[0] < versions[375], "{agent:?}");
        }
        assert_eq!(Agent::WindowsChrome.version(20_424, 0), 143);
        assert_eq!(Agent::WindowsChrome.version(20_424 + 28, 0), 144);
        assert_eq!(Agent::WindowsChrome.version(20_424 + 28, 1), 143);
    }

    #[test]
    fn safari_counts_in_sevenths() {
        let mut text = Vec::new();
        Agent::MacSafari.write_browser(Agent::MacSafari.version(20_424, 0), &mut text);
        assert_eq!(text, b"Safari 26.1");
    }
}
