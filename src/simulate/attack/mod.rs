//! Attackers: campaigns with a rhythm, networks and targets of their own.
//!
//! A campaign is planned once (kind, days, victims, crew) and acts out day by day from its own random stream. What
//! makes simulated attacks too easy is avoided on purpose; the seven known mistakes and what is done about each are
//! in `docs/simulate.md`.

mod crew;
mod guessing;
mod imitation;
mod playbook;

use std::str::FromStr;

use super::World;
use super::dice::{Dice, Domain};
use super::event::Event;
use super::population::{Life, User};

use crew::Crew;
pub use imitation::compare;

/// What attackers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AttackKind {
    ForeignNaive,
    VpnExit,
    ResidentialProxySameCountry,
    TokenReplay,
    RelayPhishing,
    PasswordSpray,
    CredentialStuffing,
    MfaFatigue,
    SlowTravel,
    TorExit,
    DormantTakeover,
    ImpossiblePair,
    SpraySingleSource,
    SprayFingerprint,
    SprayLowAndSlow,
    BruteForce,
    ToolkitBrowser,
    ForgedIssuer,
}

/// Kind, word, campaigns per million user-days (before rounding up to one), victims per campaign.
const KINDS: [(AttackKind, &str, f64, (u32, u32)); 18] = [
    (AttackKind::ForeignNaive, "foreignNaive", 8.0, (1, 3)),
    (AttackKind::VpnExit, "vpnExit", 10.0, (1, 3)),
    (AttackKind::ResidentialProxySameCountry, "residentialProxySameCountry", 12.0, (1, 4)),
    (AttackKind::TokenReplay, "tokenReplay", 10.0, (1, 3)),
    (AttackKind::RelayPhishing, "relayPhishing", 10.0, (2, 8)),
    (AttackKind::PasswordSpray, "passwordSpray", 3.0, (0, 0)),
    (AttackKind::CredentialStuffing, "credentialStuffing", 2.0, (0, 0)),
    (AttackKind::MfaFatigue, "mfaFatigue", 5.0, (1, 2)),
    (AttackKind::SlowTravel, "slowTravel", 5.0, (1, 2)),
    (AttackKind::TorExit, "torExit", 4.0, (1, 2)),
    (AttackKind::DormantTakeover, "dormantTakeover", 3.0, (1, 2)),
    (AttackKind::ImpossiblePair, "impossiblePair", 8.0, (1, 3)),
    (AttackKind::SpraySingleSource, "spraySingleSource", 3.0, (0, 0)),
    (AttackKind::SprayFingerprint, "sprayFingerprint", 3.0, (0, 0)),
    (AttackKind::SprayLowAndSlow, "sprayLowAndSlow", 2.0, (0, 0)),
    (AttackKind::BruteForce, "bruteForce", 3.0, (1, 4)),
    (AttackKind::ToolkitBrowser, "toolkitBrowser", 3.0, (4, 9)),
    (AttackKind::ForgedIssuer, "forgedIssuer", 3.0, (1, 4)),
];

impl AttackKind {
    pub const ALL: [AttackKind; KINDS.len()] = {
        let mut all = [AttackKind::ForeignNaive; KINDS.len()];
        let mut index = 0;
        while index < all.len() {
            all[index] = KINDS[index].0;
            index += 1;
        }
        all
    };

    /// The word used on the command line and in labels.
    pub fn name(self) -> &'static str {
        KINDS[self as usize].1
    }

    /// True when the victims are a large part of the directory, a few tries each.
    pub fn is_broad(self) -> bool {
        self.is_spray() || self == AttackKind::CredentialStuffing
    }

    /// True when a few passwords are tried on many accounts.
    pub fn is_spray(self) -> bool {
        matches!(
            self,
            AttackKind::PasswordSpray
                | AttackKind::SpraySingleSource
                | AttackKind::SprayFingerprint
                | AttackKind::SprayLowAndSlow
        )
    }
}

impl FromStr for AttackKind {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<AttackKind> {
        let found = KINDS.iter().find(|(_, name, ..)| name.eq_ignore_ascii_case(text));
        found.map(|(kind, ..)| *kind).ok_or_else(|| {
            let names: Vec<&str> = KINDS.iter().map(|(_, name, ..)| *name).collect();
            anyhow::anyhow!("no attack is called `{text}`; known: {}", names.join(", "))
        })
    }
}

/// Which attacks, and how many campaigns of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mix {
    /// By the size of the stream: campaigns per user-day, at least one of each kind from
    /// [`EVERY_KIND_USER_DAYS`] on.
    #[default]
    Default,
    None,
    Counts(Vec<(AttackKind, u32)>),
}

/// User-days from which the default mix holds every kind, although that is more than the base rate.
pub const EVERY_KIND_USER_DAYS: f64 = 2_000.0;

/// Most campaigns in one stream.
pub const CAMPAIGNS_MAX: usize = 20_000;

impl FromStr for Mix {
    type Err = anyhow::Error;

    /// `default`, `none`, or `KIND=N,KIND=N,…`; `KIND` alone means one campaign.
    fn from_str(text: &str) -> anyhow::Result<Mix> {
        match text {
            "default" => return Ok(Mix::Default),
            "none" => return Ok(Mix::None),
            _ => {}
        }
        let mut counts = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, count) = part.split_once('=').unwrap_or((part, "1"));
            let count = count.parse().map_err(|_| anyhow::anyhow!("`{count}` is not a number of campaigns"))?;
            counts.push((name.parse()?, count));
        }
        let total: u64 = counts.iter().map(|(_, count)| u64::from(*count)).sum();
        if total > CAMPAIGNS_MAX as u64 {
            anyhow::bail!("`{total}` campaigns are more than {CAMPAIGNS_MAX}");
        }
        Ok(Mix::Counts(counts))
    }
}

/// What one malicious record is in its campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Step {
    /// A guess that may be wrong.
    Guess,
    /// First sign-in with the right password.
    SignIn,
    /// Being asked for, or refused, the second factor.
    SecondFactor,
    /// Coming back, or renewing tokens, with access already won.
    Persist,
    /// A stolen session used elsewhere.
    Replay,
    /// The victim's own sign-in through the attacker's relay.
    Relay,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Step::Guess => "guess",
            Step::SignIn => "signIn",
            Step::SecondFactor => "secondFactor",
            Step::Persist => "persist",
            Step::Replay => "replay",
            Step::Relay => "relay",
        }
    }
}

/// One campaign.
pub struct Campaign {
    pub number: u16,
    pub kind: AttackKind,
    pub first_day: i32,
    pub days: i32,
    /// Numbers of the victims; for broad kinds empty: see [`Campaign::target`].
    pub victims: Vec<u32>,
    /// How many accounts a broad campaign tries.
    pub targets: u32,
    crew: Crew,
}

impl Campaign {
    /// The `index`-th account a broad campaign tries: a fixed shuffle of the directory.
    fn target(&self, index: u32, users: u32) -> u32 {
        // A prime far above any directory is coprime to its size.
        let step = 2_147_483_647u64;
        ((u64::from(index) * step + u64::from(self.number) * 7_919) % u64::from(users.max(1))) as u32
    }
}

/// All campaigns of a stream.
#[derive(Default)]
pub struct Attacks {
    campaigns: Vec<Campaign>,
}

impl Attacks {
    pub fn plan(mix: &Mix, world: &World, users: &[User]) -> Attacks {
        let mut dice = Dice::new(world.seed, Domain::Campaigns, 0);
        let mut campaigns = Vec::new();
        for (kind, count) in counts(mix, users.len(), world.span.days, &mut dice) {
            for _ in 0..count {
                let number = campaigns.len();
                if number >= CAMPAIGNS_MAX {
                    return Attacks { campaigns };
                }
                campaigns.extend(campaign(number as u16, kind, world, users));
            }
        }
        Attacks { campaigns }
    }

    pub fn campaigns(&self) -> &[Campaign] {
        &self.campaigns
    }

    pub fn kind(&self, campaign: u16) -> AttackKind {
        let found = self.campaigns.binary_search_by_key(&campaign, |campaign| campaign.number);
        found.map_or(AttackKind::ForeignNaive, |index| self.campaigns[index].kind)
    }

    /// Appends the malicious events of one UTC day.
    pub fn day(&self, day: i32, world: &World, users: &[User], out: &mut Vec<Event>) {
        for campaign in &self.campaigns {
            if (campaign.first_day..campaign.first_day + campaign.days).contains(&day) {
                playbook::act(campaign, day, world, users, out);
            }
        }
    }
}

fn counts(mix: &Mix, users: usize, days: i32, dice: &mut Dice) -> Vec<(AttackKind, u32)> {
    let user_days = users as f64 * f64::from(days);
    match mix {
        Mix::None => Vec::new(),
        Mix::Counts(counts) => counts.clone(),
        Mix::Default => KINDS
            .iter()
            .map(|(kind, _, per_million, _)| {
                let expected = per_million * user_days / 1e6;
                let drawn = expected.floor() as u32 + u32::from(dice.chance(expected.fract()));
                let least = u32::from(user_days >= EVERY_KIND_USER_DAYS);
                (*kind, drawn.max(least))
            })
            .collect(),
    }
}

/// Plans one campaign; `None` when nobody fits as a victim.
fn campaign(number: u16, kind: AttackKind, world: &World, users: &[User]) -> Option<Campaign> {
    let mut dice = Dice::new(world.seed, Domain::Campaign, u64::from(number));
    let span = world.span;
    // Leave the first fifth of the stream clean, so that there is something to learn.
    let earliest = span.first_day + span.days / 5;
    let last = span.first_day + span.days - 1;
    let mut days = match kind {
        AttackKind::PasswordSpray => dice.between(2, 6),
        AttackKind::CredentialStuffing => dice.between(1, 2),
        AttackKind::MfaFatigue => dice.between(1, 3),
        AttackKind::TokenReplay | AttackKind::SprayFingerprint => dice.between(1, 4),
        AttackKind::SpraySingleSource | AttackKind::BruteForce => 1,
        AttackKind::SprayLowAndSlow => dice.between(10, 25),
        _ => dice.between(1, 8),
    } as i32;
    let mut first_day = dice.between(i64::from(earliest), i64::from(last.max(earliest))) as i32;
    if kind == AttackKind::SprayLowAndSlow {
        // Patience needs room before the end of the stream.
        first_day = first_day.min(last + 1 - days).max(earliest);
    }
    let victims = match kind {
        kind if kind.is_broad() => Vec::new(),
        AttackKind::DormantTakeover => {
            let victims = dormant(users, span.first_day + span.days, &mut dice);
            let longest = victims.iter().map(|victim| users[*victim as usize].away.0).max()?;
            first_day = first_day.max(longest + (last - longest) / 2).min(last);
            victims
        }
        _ => {
            let (least, most) = KINDS[kind as usize].3;
            let wanted = dice.between(i64::from(least), i64::from(most)) as usize;
            victims(users, wanted, first_day, &mut dice)
        }
    };
    if victims.is_empty() && !kind.is_broad() {
        return None;
    }
    days = days.min(last - first_day + 1).max(1);
    let targets = (users.len() as f64 * dice.range(0.3, 0.9)).ceil() as u32;
    let crew = Crew::new(kind, &victims, world, users, &mut dice);
    Some(Campaign { number, kind, first_day, days, victims, targets, crew })
}

/// Accounts in use on the day, drawn without regard to what they did; one account can be in several campaigns.
fn victims(users: &[User], wanted: usize, day: i32, dice: &mut Dice) -> Vec<u32> {
    const TRIES: usize = 50;
    let mut victims: Vec<u32> = Vec::with_capacity(wanted);
    for _ in 0..wanted * TRIES {
        let number = dice.index(users.len());
        let user = &users[number];
        let in_use = user.first_day <= day && day <= user.last_day && !(user.away.0..user.away.1).contains(&day);
        if in_use && !victims.contains(&(number as u32)) {
            victims.push(number as u32);
        }
        if victims.len() == wanted {
            break;
        }
    }
    victims
}

/// Up to two accounts that fall dormant during the stream.
fn dormant(users: &[User], end: i32, dice: &mut Dice) -> Vec<u32> {
    let sleeping = |user: &User| user.life == Life::Dormant && user.away.0 + 1 < end;
    let mut all: Vec<u32> =
        (0u32..).zip(users).filter(|(_, user)| sleeping(user)).map(|(number, _)| number).collect();
    dice.shuffle(&mut all);
    all.truncate(1 + dice.index(2));
    all
}

/// Puts a user's malicious events of a day among the legitimate ones. Where the attacker poses as the user, each
/// new malicious sign-in takes the place of one legitimate action of that day, so that counts by user, network and
/// hour do not drift with the attacks.
pub fn weave(legitimate: &mut Vec<Event>, malicious: &[Event], world: &World, day: i32) {
    let Some(first) = malicious.first() else { return };
    let mut dice = Dice::new(world.seed, Domain::CampaignDay, first.id ^ u64::from(day.cast_unsigned()));
    for event in malicious {
        let Some(malice) = event.malice else { continue };
        if replaces(world.attacks.kind(malice.campaign)) && malice.step == Step::SignIn {
            remove_one_action(legitimate, &mut dice);
        }
    }
    legitimate.extend_from_slice(malicious);
}

fn replaces(kind: AttackKind) -> bool {
    matches!(
        kind,
        AttackKind::ForeignNaive
            | AttackKind::VpnExit
            | AttackKind::ResidentialProxySameCountry
            | AttackKind::TorExit
            | AttackKind::SlowTravel
            | AttackKind::ToolkitBrowser
            | AttackKind::ForgedIssuer
    )
}

/// Removes all records of one action (one correlation id), drawn evenly from the day's records.
fn remove_one_action(legitimate: &mut Vec<Event>, dice: &mut Dice) {
    if legitimate.is_empty() {
        return;
    }
    let correlation = legitimate[dice.index(legitimate.len())].correlation;
    legitimate.retain(|event| event.correlation != correlation);
}
