//! `farsign simulate`: a labelled, seeded organisation, streamed.
//!
//! [`Simulator`] yields [`event::Event`]s in order of delivery; [`run`] writes them as records in a log pipeline's
//! form, with a line of ground truth for each that is malicious or odd. The same configuration gives the same
//! bytes on every machine: no clock, no hash maps, no randomness but ChaCha by seed.
//!
//! It makes no claim that real organisations are so; what is sourced and what is assumed is in `docs/simulate.md`.

pub mod agent;
pub mod attack;
pub mod day;
pub mod dice;
pub mod event;
pub mod itinerary;
pub mod label;
pub mod network;
pub mod organisation;
pub mod overlay;
pub mod population;
pub mod record;
pub mod shares;
pub mod stream;

use std::io::{self, Write};

use anyhow::bail;

pub use attack::{AttackKind, Mix};
pub use record::Form;
pub use shares::Population;
pub use stream::Simulator;

use network::Atlas;
use organisation::Organisation;
use population::{Persona, Span};

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Config {
    pub seed: u64,
    /// 1 to [`USERS_MAX`].
    pub users: u32,
    /// 1 to [`DAYS_MAX`].
    pub days: u32,
    /// First day, in days since 1970-01-01.
    pub start_day: i32,
    /// Tenant id written; made from the seed when `None`.
    pub tenant: Option<String>,
    /// Domain of the user names.
    pub domain: String,
    pub population: Population,
    pub attacks: Mix,
    /// Share of records delivered minutes to nearly two hours after the event, 0 to 1.
    pub late_share: f64,
    /// Share of records delivered twice, 0 to 1.
    pub duplicate_share: f64,
    /// Share of records that fail or are challenged among legitimate ones, about; 0 to 0.3.
    pub failure_share: f64,
    pub form: Form,
}

/// Most users one run simulates.
pub const USERS_MAX: u32 = 10_000_000;
/// Longest stream, in days.
pub const DAYS_MAX: u32 = 3_660;
/// 2026-03-02, a Monday.
pub const DEFAULT_START_DAY: i32 = 20_514;
/// Share of log-ins that fail or are challenged in enterprises (CloudLock 2016).
pub const DEFAULT_FAILURE_SHARE: f64 = 0.08;

impl Default for Config {
    fn default() -> Config {
        Config {
            seed: 1,
            users: 200,
            days: 14,
            start_day: DEFAULT_START_DAY,
            tenant: None,
            domain: "halden-works.example".to_owned(),
            population: Population::Ordinary,
            attacks: Mix::Default,
            late_share: 0.02,
            duplicate_share: 0.005,
            failure_share: DEFAULT_FAILURE_SHARE,
            form: Form::EntraEventHub,
        }
    }
}

impl Config {
    fn check(&self) -> anyhow::Result<()> {
        if !(1..=USERS_MAX).contains(&self.users) {
            bail!("`users` must be 1 to {USERS_MAX}, not `{}`", self.users);
        }
        if !(1..=DAYS_MAX).contains(&self.days) {
            bail!("`days` must be 1 to {DAYS_MAX}, not `{}`", self.days);
        }
        for (name, share, most) in [
            ("late share", self.late_share, 1.0),
            ("duplicate share", self.duplicate_share, 1.0),
            ("failure share", self.failure_share, 0.3),
        ] {
            if !(0.0..=most).contains(&share) {
                bail!("the {name} must be 0 to {most}, not `{share}`");
            }
        }
        Ok(())
    }
}

/// Everything that stays the same during a run, but for the users.
pub struct World {
    pub seed: u64,
    pub span: Span,
    pub atlas: Atlas,
    pub organisation: Organisation,
    pub attacks: attack::Attacks,
    /// Factor on the chances of typing errors and second-factor prompts.
    pub failure_scale: f64,
}

impl World {
    fn new(config: &Config) -> anyhow::Result<World> {
        config.check()?;
        let atlas = Atlas::embedded()?;
        Ok(World {
            seed: config.seed,
            span: Span { first_day: config.start_day, days: i32::try_from(config.days)? },
            organisation: Organisation::new(config.seed, config.users, config.population, &atlas),
            atlas,
            attacks: attack::Attacks::default(),
            failure_scale: config.failure_share / DEFAULT_FAILURE_SHARE,
        })
    }

    pub fn persona(&self, user: u32) -> Persona {
        population::persona(self.organisation.shares, self.seed, user)
    }
}

/// What a run wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub records: u64,
    pub record_bytes: u64,
    pub labels: u64,
    pub malicious: u64,
    /// Days begun, of the configuration's.
    pub days: u32,
}

/// Bytes gathered before they are handed to the output.
const BUFFER_BYTES: usize = 1 << 18;

/// Writes the whole stream: one record a line to `out`, one label a line to `labels`. `progress` is called now and
/// then, and once at the end.
pub fn run(
    config: &Config,
    out: &mut impl Write,
    labels: &mut impl Write,
    progress: &mut impl FnMut(&Totals),
) -> anyhow::Result<Totals> {
    let mut simulator = Simulator::new(config)?;
    let mut renderer =
        record::Renderer::new(config.form, config.tenant.as_deref(), &config.domain, &simulator.world);
    let mut totals = Totals::default();
    let mut buffer = Vec::with_capacity(BUFFER_BYTES + (16 << 10));
    let mut label_buffer = Vec::new();
    while let Some(event) = simulator.next() {
        if !renderer.can_write(&event) {
            continue;
        }
        renderer.write(&event, &simulator.world, &mut buffer);
        buffer.push(b'\n');
        totals.records += 1;
        totals.malicious += u64::from(event.is_malicious());
        if label::is_labelled(&event) && !event.marks.has(event::Marks::DUPLICATE) {
            label::write(&event, &simulator.world, &renderer, &mut label_buffer);
            label_buffer.push(b'\n');
            totals.labels += 1;
        }
        if buffer.len() >= BUFFER_BYTES {
            totals.record_bytes += flush(&mut buffer, out)?;
            flush(&mut label_buffer, labels)?;
            totals.days = simulator.days_done().cast_unsigned();
            progress(&totals);
        }
    }
    totals.record_bytes += flush(&mut buffer, out)?;
    flush(&mut label_buffer, labels)?;
    out.flush()?;
    labels.flush()?;
    totals.days = simulator.days_done().cast_unsigned();
    progress(&totals);
    Ok(totals)
}

fn flush(buffer: &mut Vec<u8>, into: &mut impl Write) -> io::Result<u64> {
    into.write_all(buffer)?;
    let written = buffer.len() as u64;
    buffer.clear();
    Ok(written)
}
