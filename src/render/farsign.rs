//! The `farsign` object of a record: what Graph has no place for, enough to check a detection by hand.
//!
//! A mirror of [`Evidence`] with output's names, units and rounding. Fractions are rounded half away from zero to
//! the decimals that each field's doc names; a number that is not finite becomes null. The doc comments here are
//! the descriptions in `docs/output.schema.json`.

use schemars::JsonSchema;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::RenderContext;
use super::graph::known;
use crate::engine::attempts::{Attack, Trace};
use crate::engine::finding::{
    AttackEvidence, EndPoint, Evidence, Familiarity, LearningPhase, PropertyVerdict, Travel,
};
use crate::engine::out::{Detection, Subject};
use crate::engine::signin::{EventTime, Outcome, Provider, SECONDS_PER_DAY};

/// What Farsign knows beyond Graph.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(super) struct Farsign<'a> {
    /// One English sentence that explains the detection; null in an update of a detection so old that only its
    /// summary is kept.
    sentence: Option<&'a str>,
    /// The suppression that silenced the detection; null when it stands.
    suppressed_by: Option<&'static str>,
    /// UUID version 5, the same for all detections of one story: of one sign-in, one session, one address or one visit
    /// within `incident.window_hours` of the first.
    #[schemars(extend("format" = "uuid"))]
    incident_id: String,
    /// Only in what a shadow policy found.
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<ShadowView<'a>>,
    sign_in: SignInView<'a>,
    /// Null where `sentence` is null.
    evidence: Option<EvidenceView<'a>>,
    /// Hash of the effective configuration, shadow policies left out, and the tables; of a shadow policy's also of that
    /// policy: 16 hexadecimal digits.
    #[schemars(regex(pattern = "^[0-9a-f]{16}$"))]
    configuration_hash: String,
    /// Version of the program.
    engine_version: &'static str,
    /// Version of the detection's logic; it is part of the detection's id.
    detector_version: u16,
    /// The geography and network databases in use.
    geoip_build: Vec<TableBuildView<'a>>,
}

/// The shadow policy that a detection is of.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct ShadowView<'a> {
    /// Its name in the configuration.
    policy: &'a str,
    /// Id that the live policy's detection of the same type about the same sign-in has, whether there is one or not.
    #[schemars(extend("format" = "uuid"))]
    live_id: String,
}

/// The sign-in, as far as Graph's `riskDetection` does not name it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct SignInView<'a> {
    /// At whose door it was; null in an update of a detection so old that only its summary is kept.
    #[schemars(extend("enum" = provider_names()))]
    provider: Option<&'static str>,
    /// False for a token refresh without the user's doing.
    interactive: bool,
    /// How it ended; null in an update of a detection so old that only its summary is kept.
    #[schemars(extend("enum" = outcome_names()))]
    outcome: Option<&'static str>,
    /// The provider's result code; 0 is success, null where what is no success has none.
    error_code: Option<u32>,
    app_display_name: Option<&'a str>,
    resource_display_name: Option<&'a str>,
    client_app_used: Option<&'a str>,
    device_id: Option<&'a str>,
    device_display_name: Option<&'a str>,
    session_id: Option<&'a str>,
}

/// Everything the verdict rests on.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct EvidenceView<'a> {
    /// The sign-in judged.
    this: EndPointView<'a>,
    /// The sign-in it was compared with; null where none was.
    reference: Option<EndPointView<'a>>,
    /// The arithmetic between the two; null where no journey was judged.
    travel: Option<TravelView>,
    /// Each property's verdict, in a fixed order.
    properties: Vec<PropertyView<'a>>,
    /// Sum of the properties' evidence in bits, two decimals; null where the detection is no score.
    total_bits: Option<f64>,
    /// Place within the level, 0 to 1, three decimals; `riskScore` is looked up by type, level and this.
    strength: Option<f64>,
    /// What was attempted on other users; null where that took no part.
    attack: Option<AttackView<'a>>,
    /// Kinds of network list that the address is on.
    lists: Vec<&'static str>,
    /// The configured named location of the address; null = none.
    named_location: Option<&'a str>,
    /// The configured thresholds that took part.
    thresholds: Vec<ThresholdView<'a>>,
    /// The suppressions that were asked, in the order of asking.
    suppressions: Vec<SuppressionView<'a>>,
    learning: LearningView,
    organization: OrganizationView,
    /// The sign-in arrived beyond the lateness horizon.
    late: bool,
    /// The first factor was right and MFA or a policy stopped the sign-in: the level is one step lower.
    stopped: bool,
}

/// One end of a comparison.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct EndPointView<'a> {
    /// Id of the sign-in, by which feedback names it; of an upstream finding about a user the finding's own.
    request_id: Option<&'a str>,
    /// At whose door it was.
    #[schemars(extend("enum" = Provider::ALL.map(Provider::name)))]
    provider: &'static str,
    /// RFC 3339, UTC, seven decimals.
    date_time: String,
    ip_address: Option<String>,
    /// Autonomous system number of the address.
    asn: Option<u32>,
    asn_organization: Option<&'a str>,
    /// ISO 3166-1 alpha-2.
    country: Option<&'a str>,
    region: Option<&'a str>,
    city: Option<&'a str>,
    /// Degrees, WGS 84, four decimals.
    latitude: Option<f64>,
    /// Degrees, WGS 84, four decimals.
    longitude: Option<f64>,
    /// Uncertainty of the place in km; null without coordinates.
    radius_km: Option<u16>,
    /// Family without version.
    browser: Option<&'a str>,
    /// Family without version.
    operating_system: Option<&'a str>,
}

/// The journey between the two ends.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct TravelView {
    /// How the great-circle distance was computed.
    method: &'static str,
    /// Between the two places, km, one decimal.
    great_circle_km: Option<f64>,
    /// Of both places together, km, one decimal.
    uncertainty_km: Option<f64>,
    /// Great circle less uncertainty, at least 0, km, one decimal.
    distance_km: Option<f64>,
    /// Time between, at least the clock skew allowed for, seconds, one decimal.
    elapsed_seconds: Option<f64>,
    /// Distance by time, km/h, one decimal.
    speed_kmh: Option<f64>,
    /// The speed it was held against, km/h, one decimal.
    max_speed_kmh: Option<f64>,
    /// The distance below which no journey is judged, km, one decimal.
    min_distance_km: Option<f64>,
}

/// Attempts on other users that make the sign-in part of an attack.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct AttackView<'a> {
    /// What all attempts had in common with the sign-in.
    #[schemars(extend("enum" = Trace::ALL.map(Trace::name)))]
    trace: &'static str,
    /// Its value, for reading.
    value: Option<&'a str>,
    /// Distinct users, of at most 512 attempts.
    users: u32,
    /// Attempts: those of one user within a minute count once; at most 512.
    attempts: u32,
    /// Of them, on accounts that do not exist.
    no_such_user_attempts: u32,
    /// Countries they came from.
    countries: u32,
    /// Minute of the first: RFC 3339, UTC.
    first_date_time: String,
    /// Minute of the last one that counted for this sign-in.
    last_date_time: String,
    /// The minute from which it could be told.
    recognised_date_time: String,
    /// That was after the sign-in.
    in_hindsight: bool,
    /// Users, or attempts, that were needed.
    enough: u32,
    /// Users that the organisation knows with it; more of them need more attempts.
    known_users: u32,
    /// Within so many hours.
    window_hours: u32,
}

/// One property's verdict.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct PropertyView<'a> {
    property: &'static str,
    /// `unknown`: the record or the tables do not say.
    #[schemars(extend("enum" = ["familiar", "unfamiliar", "unknown"]))]
    verdict: &'static str,
    /// The value, for reading.
    value: Option<&'a str>,
    /// Share of the user's decayed baseline with this value, 0 to 1, four decimals.
    #[schemars(range(min = 0, max = 1))]
    share: Option<f64>,
    /// Evidence for a stranger: log2 of the likelihood ratio, two decimals. Negative speaks for the owner.
    bits: Option<f64>,
    /// Distinct users of the organisation seen with the value; null where nobody looked.
    organization_users: Option<u32>,
}

/// One configured threshold.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ThresholdView<'a> {
    /// Configuration key below `detections`.
    key: &'a str,
    /// In the unit that ends the key, four decimals.
    value: Option<f64>,
}

/// One suppression that was asked.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SuppressionView<'a> {
    reason: &'static str,
    /// Whether it silenced the detection or lowered its level.
    applied: bool,
    /// What was compared.
    detail: Option<&'a str>,
}

/// Where the learning of the detection's family stands.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct LearningView {
    /// Null where the detection needs no history.
    #[schemars(extend("enum" = ["learning", "active", "relearning", null]))]
    phase: Option<&'static str>,
    /// Whole days since the learning began; null where the phase is.
    days: Option<u32>,
    /// Sign-ins learnt by the user's baseline.
    sign_ins: u32,
}

/// The organisation's profile as this sign-in saw it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct OrganizationView {
    /// Last day included (UTC), `YYYY-MM-DD`; null where no profile was seen.
    day: Option<String>,
    /// Distinct active users.
    users: u32,
}

/// One database.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct TableBuildView<'a> {
    /// Its type, from its metadata.
    database: &'a str,
    /// When its maker built it: RFC 3339, UTC.
    built_date_time: String,
}

impl<'a> Farsign<'a> {
    pub(super) fn new(detection: &'a Detection, context: &'a RenderContext) -> Farsign<'a> {
        let finding = detection.finding.as_deref();
        Farsign {
            sentence: finding.and_then(|finding| known(&finding.evidence.sentence)),
            suppressed_by: finding.and_then(|finding| finding.suppressed_by).map(|reason| reason.name()),
            incident_id: detection.incident_id.hyphenated().to_string(),
            shadow: detection.shadow.as_ref().map(|shadow| ShadowView {
                policy: &shadow.policy,
                live_id: shadow.live_id.hyphenated().to_string(),
            }),
            sign_in: SignInView::new(&detection.subject),
            evidence: finding.map(|finding| EvidenceView::new(&finding.evidence, context)),
            configuration_hash: format!("{:016x}", config_hash(detection, context)),
            engine_version: env!("CARGO_PKG_VERSION"),
            detector_version: detection.kind.version(),
            geoip_build: context
                .geoip_builds
                .iter()
                .map(|build| TableBuildView {
                    database: &build.database,
                    built_date_time: build.built.to_string(),
                })
                .collect(),
        }
    }
}

fn config_hash(detection: &Detection, context: &RenderContext) -> u64 {
    let shadow = detection.shadow.as_ref();
    shadow.map_or(context.config_hash, |shadow| {
        xxh3_64_with_seed(&shadow.policy_hash.to_le_bytes(), context.config_hash)
    })
}

impl<'a> SignInView<'a> {
    fn new(subject: &'a Subject) -> SignInView<'a> {
        SignInView {
            provider: subject.provider.map(Provider::name),
            interactive: subject.interactive,
            outcome: subject.outcome.map(Outcome::name),
            error_code: subject.result_code(),
            app_display_name: known(&subject.app_display_name),
            resource_display_name: known(&subject.resource_display_name),
            client_app_used: known(&subject.client_app_used),
            device_id: known(&subject.device_id),
            device_display_name: known(&subject.device_display_name),
            session_id: known(&subject.session_id),
        }
    }
}

impl<'a> EvidenceView<'a> {
    fn new(evidence: &'a Evidence, context: &'a RenderContext) -> EvidenceView<'a> {
        EvidenceView {
            this: EndPointView::new(&evidence.this),
            reference: evidence.reference.as_ref().map(EndPointView::new),
            travel: evidence.travel.as_ref().map(TravelView::new),
            properties: evidence.properties.iter().map(PropertyView::new).collect(),
            total_bits: evidence.total_bits.and_then(|bits| rounded(bits, 2)),
            strength: rounded(evidence.strength, 3),
            attack: evidence.attack.as_ref().map(AttackView::new),
            lists: evidence.lists.iter().map(|kind| kind.name()).collect(),
            named_location: context.named_location(evidence),
            thresholds: evidence
                .thresholds
                .iter()
                .map(|threshold| ThresholdView { key: &threshold.key, value: rounded(threshold.value, 4) })
                .collect(),
            suppressions: evidence
                .suppressions
                .iter()
                .map(|considered| SuppressionView {
                    reason: considered.reason.name(),
                    applied: considered.applied,
                    detail: known(&considered.detail),
                })
                .collect(),
            learning: LearningView {
                phase: evidence.learning.map(LearningPhase::name),
                days: evidence.learning_days,
                sign_ins: evidence.baseline_sign_ins,
            },
            organization: OrganizationView {
                day: evidence.organization_day.map(day_text),
                users: evidence.organization_users,
            },
            late: evidence.late,
            stopped: evidence.stopped,
        }
    }
}

impl<'a> EndPointView<'a> {
    fn new(end: &'a EndPoint) -> EndPointView<'a> {
        EndPointView {
            request_id: known(&end.request_id),
            provider: end.provider.name(),
            date_time: end.time.to_string(),
            ip_address: end.address.map(|address| address.to_string()),
            asn: (end.asn != 0).then_some(end.asn),
            asn_organization: known(&end.asn_organization),
            country: known(end.country.as_str()),
            region: known(&end.region),
            city: known(&end.city),
            latitude: end.coordinates.and_then(|(latitude, _)| rounded(f64::from(latitude), 4)),
            longitude: end.coordinates.and_then(|(_, longitude)| rounded(f64::from(longitude), 4)),
            radius_km: end.coordinates.map(|_| end.radius_km),
            browser: known(&end.browser),
            operating_system: known(&end.operating_system),
        }
    }
}

impl TravelView {
    fn new(travel: &Travel) -> TravelView {
        TravelView {
            method: Travel::METHOD,
            great_circle_km: rounded(travel.great_circle_km, 1),
            uncertainty_km: rounded(travel.uncertainty_km, 1),
            distance_km: rounded(travel.distance_km, 1),
            elapsed_seconds: rounded(travel.elapsed_s, 1),
            speed_kmh: rounded(travel.speed_kmh, 1),
            max_speed_kmh: rounded(travel.max_speed_kmh, 1),
            min_distance_km: rounded(travel.min_distance_km, 1),
        }
    }
}

impl<'a> AttackView<'a> {
    fn new(found: &'a AttackEvidence) -> AttackView<'a> {
        let minute = |minute: i32| EventTime::from_seconds(i64::from(minute) * 60).to_string();
        let Attack { recognised, first, last, users, attempts, no_such_user, countries } = found.attack;
        AttackView {
            trace: found.trace.name(),
            value: known(&found.value),
            users,
            attempts,
            no_such_user_attempts: no_such_user,
            countries,
            first_date_time: minute(first),
            last_date_time: minute(last),
            recognised_date_time: minute(recognised),
            in_hindsight: found.in_hindsight,
            enough: found.enough,
            known_users: found.known_users,
            window_hours: found.window_hours,
        }
    }
}

impl<'a> PropertyView<'a> {
    fn new(verdict: &'a PropertyVerdict) -> PropertyView<'a> {
        PropertyView {
            property: verdict.property.name(),
            verdict: match verdict.familiarity {
                Familiarity::Familiar => "familiar",
                Familiarity::Unfamiliar => "unfamiliar",
                Familiarity::Unknown => "unknown",
            },
            value: known(&verdict.value),
            share: rounded(verdict.share, 4),
            bits: rounded(verdict.bits, 2),
            organization_users: verdict.organization_users,
        }
    }
}

/// `value` at `decimals` decimals, half away from zero; `None` when it is not finite or too large to be rounded.
///
/// It goes through an integer, so that the last bits of a sum never reach the output, and -0.0 is 0.0.
pub(super) fn rounded(value: f64, decimals: u32) -> Option<f64> {
    // Every integer up to 2^53 is exact in a double.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let scale = 10_i64.pow(decimals) as f64;
    let scaled = (value * scale).round();
    (scaled.abs() <= EXACT_MAX).then(|| (scaled as i64) as f64 / scale)
}

/// Every provider, and null.
fn provider_names() -> Vec<Option<&'static str>> {
    Provider::ALL.into_iter().map(Provider::name).map(Some).chain([None]).collect()
}

fn outcome_names() -> Vec<Option<&'static str>> {
    Outcome::ALL.into_iter().map(Outcome::name).map(Some).chain([None]).collect()
}

/// "Oslo, Oslo County, NO": what is known of the place, joined.
pub(super) fn place_text(end: &EndPoint) -> String {
    let parts: Vec<&str> =
        [end.city.as_str(), &end.region, end.country.as_str()].into_iter().filter_map(known).collect();
    parts.join(", ")
}

/// `YYYY-MM-DD` of a day number since 1970-01-01.
pub(super) fn day_text(day: i32) -> String {
    let midnight = EventTime::from_seconds(i64::from(day).saturating_mul(SECONDS_PER_DAY)).to_string();
    midnight.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_away_from_zero_and_refuses_what_is_no_number() {
        let check = |value: f64, decimals, expected: Option<f64>| {
            let found = rounded(value, decimals);
            assert_eq!(found.map(f64::to_bits), expected.map(f64::to_bits), "{value} at {decimals}: {found:?}");
        };
        check(0.05, 1, Some(0.1));
        check(0.049_999, 1, Some(0.0));
        check(-0.05, 1, Some(-0.1));
        check(-0.04, 1, Some(0.0));
        check(1_000.0, 1, Some(1_000.0));
        check(0.1 + 0.2, 4, Some(0.3));
        check(f64::NAN, 2, None);
        check(f64::INFINITY, 2, None);
        check(f64::NEG_INFINITY, 2, None);
        check(9_007_199_254_740_992.0, 0, Some(9_007_199_254_740_992.0));
        check(9_007_199_254_740_992.0, 1, None);
        check(f64::MAX, 4, None);
    }

    #[test]
    fn days_are_calendar_days() {
        for (day, expected) in
            [(0, "1970-01-01"), (20_512, "2026-02-28"), (20_513, "2026-03-01"), (-1, "1969-12-31")]
        {
            assert_eq!(day_text(day), expected);
        }
    }
}
