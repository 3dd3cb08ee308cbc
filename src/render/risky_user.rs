//! [`RiskyUser`] → Microsoft Graph v1.0 `riskyUser`, one JSON object.
//!
//! Property names, their order and the spelling of enum members are Graph's; a `farsign` object with what Graph has no
//! place for follows. A property is always present: `null` says that it is not known. The structs here are the
//! contract: their JSON Schema is `docs/risky-user.schema.json`.

use schemars::JsonSchema;
use serde::Serialize;

use super::RenderContext;
use super::graph::known;
use crate::engine::out::RiskyUser;

/// The risk of one user as a whole: a Microsoft Graph v1.0 `riskyUser` with Farsign's own properties after Graph's.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct RiskyUserRecord<'a> {
    /// Stable id of the user within the tenant. A later record with the same id and tenant replaces an earlier one.
    id: &'a str,
    /// The provider says that the account was deleted.
    is_deleted: bool,
    /// Always false: a record is written when the verdict is there.
    is_processing: bool,
    /// Why the state is what it is. `aiConfirmedSigninSafe`: a late sign-in explained all that was held against the
    /// user.
    risk_detail: &'static str,
    /// Event time of what changed the user's risk last: RFC 3339, UTC, seven decimals.
    risk_last_updated_date_time: String,
    /// `none` when no detection is open.
    #[schemars(extend("enum" = ["low", "medium", "high", "none"]))]
    risk_level: &'static str,
    /// `none` when there is no risk, or the last of it aged out.
    #[schemars(extend("enum" =
        ["none", "confirmedSafe", "remediated", "dismissed", "atRisk", "confirmedCompromised"]))]
    risk_state: &'static str,
    user_display_name: Option<&'a str>,
    user_principal_name: Option<&'a str>,
    /// What Graph has no place for.
    farsign: FarsignUser<'a>,
}

/// What Farsign knows beyond Graph.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct FarsignUser<'a> {
    /// Tenant of the user.
    tenant_id: &'a str,
    /// Detections of the user that are at risk or confirmed compromised; at most thirty-two are kept.
    open_detections: u32,
    /// Hash of the effective configuration and the tables: 16 hexadecimal digits.
    #[schemars(regex(pattern = "^[0-9a-f]{16}$"))]
    configuration_hash: String,
    /// Version of the program.
    engine_version: &'static str,
}

/// Appends `user` to `out` as one JSON object, without a newline.
pub fn write(user: &RiskyUser, context: &RenderContext, out: &mut Vec<u8>) {
    super::append(&RiskyUserRecord::new(user, context), out);
}

impl<'a> RiskyUserRecord<'a> {
    /// The record that [`write()`] writes.
    pub fn new(user: &'a RiskyUser, context: &RenderContext) -> RiskyUserRecord<'a> {
        let risk = &user.risk;
        RiskyUserRecord {
            id: &user.user_id,
            is_deleted: risk.is_deleted,
            is_processing: false,
            risk_detail: risk.detail.name(),
            risk_last_updated_date_time: user.updated_time.to_string(),
            risk_level: risk.level.name(),
            risk_state: risk.state.name(),
            user_display_name: known(&user.user_display_name),
            user_principal_name: known(&user.user_principal_name),
            farsign: FarsignUser {
                tenant_id: &user.tenant_id,
                open_detections: risk.open_detections,
                configuration_hash: format!("{:016x}", context.config_hash),
                engine_version: env!("CARGO_PKG_VERSION"),
            },
        }
    }
}
