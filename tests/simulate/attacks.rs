//! Each kind of attack does what `docs/simulate.md` says of it, and none gives itself away by one of the seven known
//! mistakes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use farsign::simulate::agent::Agent;
use farsign::simulate::attack::Step;
use farsign::simulate::event::{Ending, Event, Factor, Issuer, Marks, Subject};
use farsign::simulate::network::{Address, Atlas, Kind};
use farsign::simulate::{AttackKind, Config, Form, Mix, Simulator};
use serde_json::Value;

/// A stream with campaigns of one kind.
struct Attacked {
    atlas: Atlas,
    events: Vec<Event>,
}

impl Attacked {
    fn new(kind: AttackKind, campaigns: u32, users: u32, days: u32) -> Attacked {
        let attacks = Mix::Counts(vec![(kind, campaigns)]);
        let config = Config { users, days, attacks, late_share: 0.0, ..Config::default() };
        let events = Simulator::new(&config).unwrap().filter(|event| !event.marks.has(Marks::DUPLICATE));
        Attacked { atlas: Atlas::embedded().unwrap(), events: events.collect() }
    }

    fn malicious(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| event.is_malicious())
    }

    fn legitimate(&self) -> impl Iterator<Item = &Event> {
        let is_user = |event: &&Event| matches!(event.subject, Subject::User(_));
        self.events.iter().filter(|event| !event.is_malicious()).filter(is_user)
    }

    /// Malicious events by campaign, in order of time.
    fn campaigns(&self) -> Vec<Vec<&Event>> {
        let mut campaigns: BTreeMap<u16, Vec<&Event>> = BTreeMap::new();
        for event in self.malicious() {
            campaigns.entry(event.malice.unwrap().campaign).or_default().push(event);
        }
        campaigns
            .into_values()
            .map(|mut events| {
                events.sort_by_key(|event| (event.time, event.id));
                events
            })
            .collect()
    }

    fn kind(&self, event: &Event) -> Kind {
        self.atlas.network(event.address.network).kind
    }

    fn country(&self, event: &Event) -> u16 {
        self.atlas.country(self.atlas.place_of(event.address.network))
    }
}

fn is_guess(event: &&&Event) -> bool {
    event.malice.is_some_and(|malice| malice.step == Step::Guess)
}

fn distinct<'a, T: Ord>(events: impl Iterator<Item = &'a &'a Event>, value: impl Fn(&Event) -> T) -> BTreeSet<T> {
    events.map(|event| value(event)).collect()
}

fn hours_between(events: &[&Event]) -> f64 {
    events[events.len() - 1].time.seconds_since(events[0].time) / 3_600.0
}

#[test]
fn single_source_spray_is_one_address_for_hours() {
    let attacked = Attacked::new(AttackKind::SpraySingleSource, 6, 300, 14);
    for campaign in attacked.campaigns() {
        let guesses: Vec<&Event> = campaign.iter().filter(is_guess).copied().collect();
        assert_eq!(distinct(guesses.iter(), |event| event.address).len(), 1);
        assert!(hours_between(&guesses) < 6.5, "{} h", hours_between(&guesses));
        let accounts = distinct(guesses.iter(), |event| event.subject).len();
        assert!(accounts > 80 && accounts == guesses.len(), "{accounts} accounts, {} guesses", guesses.len());
    }
}

#[test]
fn fingerprint_spray_is_many_lines_and_one_rare_browser() {
    let attacked = Attacked::new(AttackKind::SprayFingerprint, 6, 300, 14);
    for campaign in attacked.campaigns() {
        let guesses: Vec<&Event> = campaign.iter().filter(is_guess).copied().collect();
        let clients = distinct(guesses.iter(), |event| (event.client.agent, event.client.version));
        assert_eq!(clients.len(), 1);
        let (agent, version) = *clients.first().unwrap();
        assert!(Agent::RARE.contains(&agent));
        let addresses = distinct(guesses.iter(), |event| event.address).len();
        assert!(addresses * 10 > guesses.len() * 9, "{addresses} addresses, {} guesses", guesses.len());
        assert!(
            guesses
                .iter()
                .all(|event| { matches!(attacked.kind(event), Kind::Proxy | Kind::Fixed | Kind::Mobile) })
        );
        let (mut same, mut all) = (0, 0);
        for event in attacked.legitimate() {
            all += 1;
            same += usize::from((event.client.agent, event.client.version) == (agent, version));
        }
        assert!(same * 50 < all, "the browser is rare: {same} of {all}");
    }
}

#[test]
fn patient_spray_tries_an_account_once_a_day_for_weeks() {
    let attacked = Attacked::new(AttackKind::SprayLowAndSlow, 4, 200, 45);
    let mut found = 0;
    for campaign in attacked.campaigns() {
        let mut tries: BTreeMap<(Subject, i32), usize> = BTreeMap::new();
        let is_try = |event: &&&Event| {
            let step = event.malice.unwrap().step;
            step == Step::Guess || event.ending == Ending::MfaByPolicy
        };
        let guesses: Vec<&Event> = campaign.iter().filter(is_try).copied().collect();
        for event in &guesses {
            *tries.entry((event.subject, event.time.day())).or_default() += 1;
        }
        assert!(tries.values().all(|count| *count == 1), "an account is tried twice a day");
        let days = distinct(guesses.iter(), |event| event.time.day()).len();
        assert!((10..=25).contains(&days), "{days} days");
        let accounts = distinct(guesses.iter(), |event| event.subject).len();
        assert!(guesses.len() > 3 * accounts, "{accounts} accounts, {} guesses", guesses.len());
        assert_eq!(distinct(guesses.iter(), |event| event.address.network).len(), 1);
        assert!(guesses.iter().all(|event| attacked.kind(event) == Kind::Hosting));
        found += campaign.iter().filter(|event| event.ending.is_credential_right()).count();
    }
    assert!(found > 0, "no password is found");
}

#[test]
fn brute_force_is_one_address_and_very_many_tries() {
    let attacked = Attacked::new(AttackKind::BruteForce, 12, 300, 14);
    let (mut entered, mut locked) = (0, 0);
    let campaigns = attacked.campaigns();
    for campaign in &campaigns {
        let guesses: Vec<&Event> = campaign.iter().filter(is_guess).copied().collect();
        assert_eq!(distinct(guesses.iter(), |event| event.address).len(), 1);
        let accounts = distinct(guesses.iter(), |event| event.subject).len();
        assert!((1..=4).contains(&accounts) && guesses.len() > 90 * accounts, "{} at {accounts}", guesses.len());
        locked += guesses.iter().filter(|event| event.ending == Ending::Locked).count();
        entered += usize::from(campaign.iter().any(|event| event.ending.is_credential_right()));
    }
    assert!(locked > 100, "the directory defends itself");
    assert!(entered > 0 && entered < campaigns.len(), "{entered} of {}", campaigns.len());
}

#[test]
fn toolkit_is_one_browser_in_many_countries_with_right_passwords() {
    let attacked = Attacked::new(AttackKind::ToolkitBrowser, 10, 300, 21);
    let mut widest = 0;
    let right = attacked.malicious().filter(|event| event.ending.is_credential_right()).count();
    assert!(right * 10 > attacked.malicious().count() * 8, "{right} of {}", attacked.malicious().count());
    for campaign in attacked.campaigns() {
        assert_eq!(distinct(campaign.iter(), |event| (event.client.agent, event.client.version)).len(), 1);
        assert!(distinct(campaign.iter(), |event| event.subject).len() >= 4);
        let countries = distinct(campaign.iter(), |event| attacked.country(event)).len();
        assert!(countries > 1, "one country only");
        widest = widest.max(countries);
    }
    assert!(widest > 3, "{widest} countries");
}

#[test]
fn forged_tokens_come_from_an_issuer_the_organisation_never_had() {
    let attacks = Mix::Counts(vec![(AttackKind::ForgedIssuer, 4)]);
    let paths = [
        (Form::EntraEventHub, "/properties/tokenIssuer", "/properties/id"),
        (Form::EntraLean, "/properties/tokenIssuer", "/properties/id"),
        (Form::Graph, "/tokenIssuer", "/id"),
        (Form::LogAnalytics, "/TokenIssuer", "/Id"),
        (Form::Farsign, "/tokenIssuer", "/id"),
    ];
    for (form, issuer, id) in paths {
        let config = Config { form, attacks: attacks.clone(), users: 60, days: 10, ..Config::default() };
        let (records, labels, _) = super::written(&config);
        let malicious: BTreeSet<String> = super::lines(&labels)
            .iter()
            .filter(|label| label["malicious"] == true && label["step"] == "signIn")
            .map(|label| label["requestId"].as_str().unwrap().to_owned())
            .collect();
        let (mut theirs, mut ours) = (BTreeSet::new(), BTreeSet::new());
        for record in super::lines(&records) {
            let text = |path: &str| record.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
            let found = (text(&format!("{issuer}Type")), text(&format!("{issuer}Name")));
            if malicious.contains(&text(id)) {
                theirs.insert(found)
            } else {
                ours.insert(found)
            };
        }
        assert!(!theirs.is_empty() && theirs.is_disjoint(&ours), "{form:?}: {theirs:?} {ours:?}");
        assert!(theirs.iter().all(|(kind, name)| kind == "ADFederationServices" && name.ends_with(".example")));
        // Federation by itself is nothing odd: one office has its own server.
        assert!(ours.iter().any(|(kind, name)| kind == "ADFederationServices" && name.starts_with("adfs.")));
    }
    for event in Attacked::new(AttackKind::ForgedIssuer, 6, 200, 14).malicious() {
        let is_forged = event.issuer == Issuer::Forged;
        assert_eq!(is_forged, event.is_interactive(), "what follows is an ordinary session");
        assert!(event.ending == Ending::Success && event.factor == Factor::Claim, "nothing is asked for");
    }
}

#[test]
fn some_victims_of_prompts_report_them() {
    let attacked = Attacked::new(AttackKind::MfaFatigue, 40, 300, 21);
    let (mut gave_in, mut reported) = (0, 0);
    for campaign in attacked.campaigns() {
        let ends =
            |ending: Ending| campaign.iter().filter(move |event| event.ending == ending && event.is_interactive());
        gave_in += ends(Ending::Success).count();
        for event in ends(Ending::MfaReported) {
            reported += 1;
            let after = |other: &&&Event| other.subject == event.subject && other.time > event.time;
            assert_eq!(campaign.iter().filter(after).count(), 0, "it ends with the report");
        }
    }
    assert!(reported > 5 && reported < gave_in, "{reported} reported, {gave_in} gave in");
    let attacks = Mix::Counts(vec![(AttackKind::MfaFatigue, 20)]);
    for form in [Form::EntraEventHub, Form::EntraLean, Form::Graph, Form::LogAnalytics] {
        let config = Config { form, attacks: attacks.clone(), users: 60, days: 10, ..Config::default() };
        let (records, ..) = super::written(&config);
        let text = String::from_utf8(records).unwrap();
        let with_report = text.lines().filter(|line| line.contains("MFA denied; Fraud Code Entered"));
        assert!(
            with_report.clone().count() > 0 && with_report.clone().all(|line| line.contains("500121")),
            "{form:?}"
        );
    }
}

/// Every kind at once, so that campaigns overlap.
static EVERYTHING: LazyLock<Attacked> = LazyLock::new(|| {
    let attacks = Mix::Counts(AttackKind::ALL.iter().map(|kind| (*kind, 6)).collect());
    let config =
        Config { users: 400, days: 28, attacks, late_share: 0.0, duplicate_share: 0.0, ..Config::default() };
    Attacked { atlas: Atlas::embedded().unwrap(), events: Simulator::new(&config).unwrap().collect() }
});

/// Mistakes 2 and 3 for sprays: a part of the addresses is in use by owners, and wrong passwords are theirs too.
#[test]
fn sprays_hide_among_owners() {
    for kind in [AttackKind::PasswordSpray, AttackKind::SprayFingerprint, AttackKind::SpraySingleSource] {
        let attacked = Attacked::new(kind, 12, 800, 21);
        let known: BTreeSet<Address> = attacked.legitimate().map(|event| event.address).collect();
        let networks: BTreeSet<u16> = known.iter().map(|address| address.network).collect();
        let guesses: Vec<&Event> = attacked.malicious().filter(|event| is_guess(&event)).collect();
        let share = |holds: &dyn Fn(&&&Event) -> bool| {
            guesses.iter().filter(|event| holds(event)).count() as f64 / guesses.len() as f64
        };
        let (address, network) = (
            share(&|event| known.contains(&event.address)),
            share(&|event| networks.contains(&event.address.network)),
        );
        assert!(address < 0.9 && network > 0.05, "{kind:?}: addresses {address:.3}, networks {network:.3}");
        if kind != AttackKind::SpraySingleSource {
            assert!(address > 0.005, "{kind:?}: no address is an owner's: {address:.3}");
        }
        let wrong = |event: &&Event| event.ending == Ending::WrongPassword;
        let owners = distinct(attacked.legitimate().filter(wrong).collect::<Vec<_>>().iter(), |e| e.subject);
        assert!(owners.len() > 300, "owners mistype too: {}", owners.len());
        assert!(share(&|event| wrong(event)) > 0.85, "{kind:?}");
        assert!(share(&|event| event.marks.has(Marks::NO_GEOGRAPHY)) > 0.0, "records are incomplete as often");
    }
}

/// Mistakes 4 and 5: "targeted" means that the victim's profile is copied. Only thieves of sessions and relays carry
/// it, and few malicious sign-ins imitate their owner in network, city and browser.
#[test]
fn attackers_do_not_copy_their_victims() {
    let attacked = &*EVERYTHING;
    let right = || attacked.malicious().filter(|event| event.ending.is_credential_right());
    let imitations = right().filter(|event| event.malice.unwrap().imitates).count();
    let share = imitations as f64 / right().count() as f64;
    assert!((0.0005..0.15).contains(&share), "imitations: {share:.4}");
}

/// The label says what the owner's habits were, by everything that the owner did.
#[test]
fn imitations_are_the_owners_ways() {
    let attacked = &*EVERYTHING;
    let mut shown: BTreeMap<Subject, [BTreeSet<u64>; 3]> = BTreeMap::new();
    let traits = |event: &Event| {
        let network = attacked.atlas.network(event.address.network);
        [u64::from(network.asn), u64::from(network.place), event.client.agent as u64]
    };
    for event in attacked.legitimate() {
        let shown = shown.entry(event.subject).or_default();
        for (set, value) in shown.iter_mut().zip(traits(event)) {
            set.insert(value);
        }
    }
    let (mut imitations, mut known) = (0.0, 0.0);
    for event in attacked.malicious().filter(|event| event.malice.unwrap().imitates) {
        let of_owner = shown.get(&event.subject);
        let all =
            of_owner.is_some_and(|shown| shown.iter().zip(traits(event)).all(|(set, value)| set.contains(&value)));
        imitations += 1.0;
        known += f64::from(u8::from(all));
    }
    assert!(imitations > 3.0 && known / imitations > 0.9, "{known} of {imitations} were seen of the owner");
}

/// Mistake 6: one victim each, and one campaign for each victim.
#[test]
fn accounts_are_hit_by_several_campaigns() {
    let attacked = &*EVERYTHING;
    let mut of_user: BTreeMap<Subject, BTreeSet<u16>> = BTreeMap::new();
    for event in attacked.malicious().filter(|event| matches!(event.subject, Subject::User(_))) {
        of_user.entry(event.subject).or_default().insert(event.malice.unwrap().campaign);
    }
    let several = of_user.values().filter(|campaigns| campaigns.len() > 1).count();
    assert!(several * 2 > of_user.len(), "{several} of {}", of_user.len());
    let wide =
        attacked.campaigns().iter().filter(|events| distinct(events.iter(), |e| e.subject).len() > 1).count();
    assert!(wide > 40, "{wide} campaigns with several victims");
}

/// Mistake 7 for the kinds that pose as the owner.
#[test]
fn toolkits_and_forgers_replace_sign_ins() {
    for kind in [AttackKind::ToolkitBrowser, AttackKind::ForgedIssuer] {
        let own = |attacked: &Attacked| attacked.legitimate().map(|event| event.id).collect::<BTreeSet<u64>>();
        let (with, without) = (own(&Attacked::new(kind, 20, 200, 14)), own(&Attacked::new(kind, 0, 200, 14)));
        assert!(with.is_subset(&without), "attacks changed what owners do");
        assert!(with.len() < without.len(), "nothing was replaced");
    }
}

#[test]
fn labels_say_what_imitates() {
    let attacks = Mix::Counts(vec![(AttackKind::TokenReplay, 40)]);
    let (_, labels, _) = super::written(&Config { users: 100, days: 14, attacks, ..Config::default() });
    let labels = super::lines(&labels);
    for label in &labels {
        assert_eq!(label["imitates"].is_boolean(), label["malicious"] == true, "{label}");
    }
    let of = |imitates: bool| labels.iter().filter(|label| label["imitates"] == imitates).count();
    assert!(of(true) > 0 && of(false) > of(true), "{} imitate, {} do not", of(true), of(false));
}
