//! What a record becomes, in one line of text for everything it holds: how formats' tests state what they expect.

use farsign::engine::decode::{Decoded, Format, decode};

/// One line for each thing in the record; the first word says what it is. Absent values are `-`.
///
/// - `signIn provider/tenant user=id(principal name) outcome/credential/mfa/account category address country`
/// - `finding source provider/tenant user=id(principal name) type level about-what`
/// - `skipped reason`, `feedback action`, `reject reason`
pub fn summary(format: Format, record: &str) -> Vec<String> {
    let mut lines = Vec::new();
    decode(format, record.as_bytes(), &mut |decoded| {
        lines.push(match decoded {
            Ok(Decoded::SignIn(it)) => format!(
                "signIn {}/{} user={}({}) {:?}/{:?}/{:?}/{:?} {:?} {} {}",
                it.provider.name(),
                it.tenant_id,
                it.user_id,
                it.user_principal_name,
                it.outcome,
                it.credential,
                it.mfa,
                it.account,
                it.category,
                it.address.map_or("-".to_owned(), |address| address.to_string()),
                if it.location.country.is_empty() { "-" } else { &it.location.country },
            ),
            Ok(Decoded::UpstreamFinding(it)) => format!(
                "finding {} {}/{} user={}({}) {} {} {}",
                it.source,
                it.provider.name(),
                it.tenant_id,
                it.user_id,
                it.user_principal_name,
                it.kind.name(),
                it.level.name(),
                if it.is_about_user { "user" } else { &it.request_id },
            ),
            Ok(Decoded::Feedback(it)) => format!("feedback {:?} {}/{}", it.action, it.tenant_id, it.user_id),
            Ok(Decoded::Skipped(reason)) => format!("skipped {}", reason.name()),
            Err(reject) => format!("reject {}", reject.reason.name()),
        });
    });
    lines
}
