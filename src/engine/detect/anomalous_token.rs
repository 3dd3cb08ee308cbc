//! Anomalous token: a session goes on where its owner was never seen, in other hands by what else is known.
//!
//! ## What it sees
//! A session that is followed continues from another network, and one strange to the user; and with it another browser
//! or system, a device id that is gone, a hosting network, or use from two places at once (from there, from the owner's
//! network, and from there again within minutes). Another country or an unusual region, a network rare in the
//! organisation and a session of unusual age add to it. A device id that the session itself had until now counts twice,
//! another browser that is new to the user six times, and then any new prefix will do, of the user's own provider, too.
//! Each sign is worth three bits beside what is unfamiliar in the sign-in itself; their sum is the level.
//! `unfamiliarFeatures` weighs the same sign-in and knows of the session only that it moved: two detections, one incident.
//! ## Why it matters
//! ATT&CK T1539, T1550.004, T1528: who steals a session cookie or a refresh token needs neither password nor second
//! factor, and no sign-in of his own shows.
//! ## What it misses, and who trips it falsely
//! A thief with the owner's browser on a home line nearby; records without a session id. Falsely: a browser that
//! changes its agent and its network in one day. The own device id, networks known from an earlier day (unless another
//! browser shows up there), a VPN or relay with device and browser unchanged, and refreshes from a cloud that the organisation's sessions
//! are refreshed from do not trip it.
//! ## Parameters
//! `anomalous_token.low_bits` (16), `.medium_bits` (24), `.high_bits` (31), `.simultaneous_minutes` (30),
//! `.unusual_age_days` (30), `.sensitivity`.

use super::evidence::place_name;
use super::impossible_travel::{after, is_usual_region};
use super::miss::Miss;
use super::organization::Organization;
use super::properties::Assessment;
use super::unfamiliar_features::graded;
use super::{Case, Draft};
use crate::engine::facts::{Connection, ListKind};
use crate::engine::finding::{Property, RiskEventType, Suppression, Threshold};
use crate::engine::policy::Sensitivity;
use crate::engine::profile::ProfileKind;
use crate::engine::signin::SECONDS_PER_DAY;
use crate::engine::user::learning::Family;
use crate::engine::user::session::{Session, Stop, is_hosting_or_hidden};

/// What each sign is worth beside what is unfamiliar in the sign-in itself, bits. Judgement, to be refitted.
const SIGN_BITS: f64 = 3.0;
/// A session belongs to one browser: another one that is new to the user counts as so many signs.
const OTHER_CLIENT_SIGNS: i32 = 6;
/// What use from two places in turn within minutes is worth at least, beside its sign.
const IN_TURN_BITS: f64 = 12.0;
/// A network is rare when at most one user in this many is seen on it, in an organisation of so many.
const RARE_ONE_IN: u32 = 200;
const RARE_USERS_MIN: u32 = 20;

/// What speaks for other hands.
struct Signs {
    /// On another network than the owner's use before, and strange to him.
    elsewhere: bool,
    other_client: bool,
    other_system: bool,
    device_gone: bool,
    /// The session had a device id until now.
    device_left_behind: bool,
    hosting: bool,
    abroad: bool,
    /// In the country, but in a region that is not usual for the user.
    in_another_region: bool,
    rare: bool,
    /// The owner used the session elsewhere minutes ago.
    close: bool,
    /// And before that it was used from here.
    alternating: bool,
    old: bool,
    same_city: bool,
    known_agent: bool,
}

pub fn detect(case: &Case<'_>, assessment: &Assessment) -> Result<Draft, Miss> {
    let rules = &case.judge.policy.anomalous_token;
    let facts = case.facts;
    if !rules.enabled {
        return Err(Miss::Off);
    }
    let no_session = Miss::Lacks("it goes on with no session that is followed");
    let session = case.state.session(facts.session_hash).ok_or(no_session)?;
    let home = session.home();
    let is_own_device =
        facts.device_hash != 0 && (facts.device_hash == home.device_hash || assessment.known_device);
    if home.asn == 0 {
        return Err(Miss::Lacks("the network that the session was used from before is not known"));
    }
    if is_own_device {
        return Err(Miss::Lacks("the session goes on with the user's own device"));
    }
    let elsewhere = home.asn != facts.asn && case.state.is_strange_network(facts, case.judge.decay);
    let new_prefix = facts.asn != 0 && assessment.is_unfamiliar(Property::IpPrefix);
    if !(elsewhere || new_prefix) {
        return Err(Miss::Lacks("the session goes on where the user is known"));
    }
    let signs = Signs::of(case, assessment, session, elsewhere);
    // On a network of the owner's, too: what is carried on there with a browser of its own is in other hands.
    if !(elsewhere || signs.other_client) || !signs.suffice() {
        return Err(Miss::Lacks(
            "the session goes on elsewhere, with nothing else that speaks for other hands: no other browser, no missing \
             device id, no hosting network, no use from two places in turn",
        ));
    }
    // That the session went on elsewhere is what the signs say.
    let bits = signs.bits(assessment.total_bits - assessment.session_bits);
    let (level, strength) = graded(bits, [rules.low_bits, rules.medium_bits, rules.high_bits])
        .ok_or(Miss::bits(bits, "anomalous_token.low_bits", rules.low_bits))?;
    let mut draft = Draft {
        kind: RiskEventType::AnomalousToken,
        level,
        strength,
        family: Some(Family::UnfamiliarFeatures),
        outside_learning: assessment.unheard_of && signs.other_system,
        suppressions: Vec::new(),
        thresholds: vec![
            Threshold::new("anomalous_token.simultaneous_minutes", f64::from(rules.simultaneous_minutes)),
            Threshold::new("anomalous_token.unusual_age_days", f64::from(rules.unusual_age_days)),
            Threshold::new("anomalous_token.low_bits", rules.low_bits),
            Threshold::new("anomalous_token.medium_bits", rules.medium_bits),
            Threshold::new("anomalous_token.high_bits", rules.high_bits),
        ],
        with_travel: false,
        with_bits: Some(bits),
        sentence: sentence(case, session, &signs),
        attack: None,
    };
    consider(case, home, &signs, &mut draft);
    Ok(draft)
}

impl Signs {
    fn of(case: &Case<'_>, assessment: &Assessment, session: &Session, elsewhere: bool) -> Signs {
        let rules = &case.judge.policy.anomalous_token;
        let facts = case.facts;
        let home = session.home();
        let window_s = f64::from(rules.simultaneous_minutes) * 60.0;
        let other_region =
            home.region_hash != 0 && facts.region_hash != 0 && home.region_hash != facts.region_hash;
        let since_home_s = libm::fabs(facts.time.seconds_since(home.time));
        // Who switches a VPN or relay on and off is in two places at once, too.
        let close = other_region && since_home_s <= window_s && !home.is_hosting_or_hidden();
        let was_here =
            session.elsewhere.filter(|elsewhere| elsewhere.asn == facts.asn && elsewhere.time < home.time);
        let age_s = facts.time.seconds_since(session.began.time);
        Signs {
            elsewhere,
            other_client: !assessment.known_agent && home.is_other_client(facts),
            other_system: !assessment.known_agent && home.is_other_system(facts),
            device_gone: facts.device_hash == 0
                && (home.device_hash != 0 || case.state.lacks_device(facts, case.judge.decay)),
            device_left_behind: facts.device_hash == 0 && home.device_hash != 0,
            hosting: is_hosting_or_hidden(facts.connection, facts.lists),
            in_another_region: other_region
                && home.country == facts.country
                && !is_usual_region(case, facts.region_hash),
            abroad: home.country.is_known() && facts.country.is_known() && home.country != facts.country,
            rare: is_rare_network(&case.organization, facts.asn),
            close,
            alternating: close && was_here.is_some_and(|here| home.time.seconds_since(here.time) <= window_s),
            old: age_s >= (i64::from(rules.unusual_age_days) * SECONDS_PER_DAY) as f64,
            same_city: home.city_hash != 0 && home.city_hash == facts.city_hash,
            known_agent: assessment.known_agent,
        }
    }

    /// Another place alone is a journey.
    fn suffice(&self) -> bool {
        self.other_client || self.device_gone || self.hosting || self.alternating
    }

    fn count(&self) -> i32 {
        let one = [
            self.other_system,
            self.device_gone,
            self.device_left_behind,
            self.hosting,
            self.abroad,
            self.in_another_region,
            self.rare,
            self.close,
            self.alternating,
            self.old,
        ];
        let ones = one.into_iter().map(i32::from).sum::<i32>();
        // A browser that the user has, where the session never had a device id: a private window on a journey, if nothing
        // else is odd.
        let own_browser = self.known_agent && !self.hosting && !self.close && !self.device_left_behind;
        OTHER_CLIENT_SIGNS * i32::from(self.other_client) + ones
            - i32::from(self.same_city)
            - i32::from(own_browser)
    }

    /// The signs with what is unfamiliar in the sign-in besides. Who is in two places in turn within minutes is two, and what
    /// he made familiar today does not speak for him.
    fn bits(&self, unfamiliar_bits: f64) -> f64 {
        let signs = SIGN_BITS * f64::from(self.count());
        let in_turn = if self.alternating { IN_TURN_BITS } else { 0.0 };
        signs + unfamiliar_bits.max(in_turn)
    }

    /// Nothing but the network differs.
    fn is_same_client(&self) -> bool {
        !self.other_client && !self.device_gone
    }
}

fn consider(case: &Case<'_>, home: &Stop, signs: &Signs, draft: &mut Draft) {
    let facts = case.facts;
    let sensitivity = case.judge.policy.anomalous_token.sensitivity;
    let same_client = signs.is_same_client();
    draft.consider_either(
        Suppression::EgressLocation,
        facts.named.egress,
        ["a named location marked as egress", "no named location marked as egress"],
    );
    draft.consider_either(
        Suppression::MovingNetwork,
        facts.is_moving_network() && same_client,
        [
            "a VPN, proxy, relay or satellite address, device and browser unchanged",
            "no VPN, proxy, relay or satellite address with device and browser unchanged",
        ],
    );
    draft.consider_either(
        Suppression::LearntEgress,
        case.organization.is_learnt_egress(facts.address_hash),
        [
            "colleagues come to this address from many places",
            "colleagues are not known to come to this address from many places",
        ],
    );
    draft.consider_either(
        Suppression::CloudRefresh,
        is_cloud_refresh(case, same_client),
        [
            "a non-interactive refresh from a cloud that colleagues' sessions are refreshed from",
            "no non-interactive refresh from a cloud that colleagues' sessions are refreshed from",
        ],
    );
    let mobile = facts.connection == Connection::Mobile && home.connection == Connection::Mobile;
    draft.consider_either(
        Suppression::MobileGateway,
        mobile && !signs.abroad && same_client,
        [
            "from one mobile carrier to another in one country",
            "not from one mobile carrier to another in one country",
        ],
    );
    if sensitivity <= Sensitivity::Medium {
        draft.consider_either(
            Suppression::UsualPlaces,
            same_client && is_usual_region(case, facts.region_hash),
            [
                "the region is usual for this user, device and browser unchanged",
                "the region is not usual for this user with device and browser unchanged",
            ],
        );
    }
    if sensitivity == Sensitivity::Low {
        draft.consider_either(
            Suppression::OrganizationCommon,
            is_common_network(&case.organization, facts.asn),
            ["the network is regularly used by colleagues", "the network is not regularly used by colleagues"],
        );
    }
}

/// Services refresh their users' tokens from the provider's own network. Where the organisation is too small to know
/// that network, an unchanged client has the benefit of the doubt.
fn is_cloud_refresh(case: &Case<'_>, same_client: bool) -> bool {
    let facts = case.facts;
    let hosting = facts.connection == Connection::Hosting || facts.lists.contains(ListKind::Hosting);
    let known = match case.organization.users_with(ProfileKind::Asn, facts.asn) {
        Some(_) => is_common_network(&case.organization, facts.asn),
        None => same_client,
    };
    !facts.is_interactive() && hosting && known
}

/// At most one colleague in two hundred.
pub(super) fn is_rare_network(organization: &Organization<'_>, asn: u32) -> bool {
    organization.users >= RARE_USERS_MIN
        && organization
            .users_with(ProfileKind::Asn, asn)
            .is_some_and(|with| with <= organization.users / RARE_ONE_IN)
}

/// Regularly used by colleagues.
pub(super) fn is_common_network(organization: &Organization<'_>, asn: u32) -> bool {
    organization.is_common(ProfileKind::Asn, asn)
}

fn sentence(case: &Case<'_>, session: &Session, signs: &Signs) -> String {
    let home = session.home();
    let facts = case.facts;
    let mut named = Vec::new();
    let mut name = |holds: bool, text: &'static str| {
        if holds {
            named.push(text);
        }
    };
    name(signs.other_client, "another browser or system");
    name(signs.device_gone, "without the device id");
    name(signs.hosting, "a hosting or anonymising network");
    name(signs.rare, "a network rare in the organisation");
    name(signs.alternating, "used from two places in turn within minutes");
    name(signs.old, "a session of unusual age");
    format!(
        "Session goes on from AS{} in {}, {}, {} from AS{} in {}: {}.",
        facts.asn,
        place_name(case.text.place, facts.country),
        if signs.elsewhere { "a network strange to this user" } else { "an address new to this user" },
        after(facts.time.seconds_since(home.time)),
        home.asn,
        place_name(None, home.country),
        named.join(", "),
    )
}
