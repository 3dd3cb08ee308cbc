//! How many attempts a trace has to have before a verdict can rest on them.

use super::{Bar, Key, Trace};
use crate::engine::detect::password_spray;
use crate::engine::policy::Policy;

/// The lowest bars that a policy's detections ask a trace's attempts by, where the organisation knows nobody with it.
pub(super) fn least_bars(policy: &Policy, key: &Key) -> [Option<Bar>; 2] {
    let Policy { password_spray: spray, suspicious_browser: browser, listed_address: listed, .. } = policy;
    let bar = |least, window_hours| password_spray::bar(least, window_hours, 0.0, 0);
    let strangers = Some(bar(browser.users_min, browser.window_hours));
    if key.is_early {
        return [strangers, None];
    }
    let (least, window_hours, _) = password_spray::least(spray, key.trace);
    let sprayed = Some(bar(least, window_hours).paused_by(spray.window_hours));
    let beside = match key.trace {
        Trace::Address => Some(bar(listed.malicious_attempts_min, listed.malicious_window_hours)),
        Trace::UserAgent => strangers,
        Trace::Prefix | Trace::Asn | Trace::PrefixAndUserAgent | Trace::AsnAndUserAgent => None,
    };
    [sprayed, beside]
}
