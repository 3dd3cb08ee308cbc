//! One pass of `farsign tune` over the input: its variants, where their detections go, and where it goes on if it was broken
//! off.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, bail};

use super::{Args, Ground, file_of};
use crate::cli::replay::{self, create, open_behind};
use crate::cli::say;
use crate::engine::policy::EngineConfig;
use crate::runtime::replay::checkpoint::{self, CheckpointPlan, Identity, Looked};
use crate::runtime::replay::output::{Outputs, Sink as _};
use crate::runtime::replay::sequencer::{self, Options};
use crate::runtime::replay::state::StateFiles;
use crate::tune::{Figures, Journal, Stream, Trial, Variant, VariantReport, VerdictsReport};

/// Variants that are judged together.
pub(super) struct Pass {
    /// By their numbers.
    pub variants: Vec<usize>,
    /// Where it goes on.
    held: Option<Looked>,
}

/// Where a pass of `--resume FILE` keeps how far it has come.
pub(super) fn checkpoint_path(resume: &Path) -> PathBuf {
    let mut path = resume.as_os_str().to_owned();
    path.push(".pass");
    path.into()
}

/// In what form a variant's detections are written.
pub(super) fn form(variant: &Variant) -> String {
    let output = &variant.config.output;
    format!("{:?} {:?}", output.format, output.impossible_travel_name)
}

/// The passes that are left: first the one that was broken off, with the variants it had.
pub(super) fn passes(args: &Args, ground: &Ground, journal: &Journal) -> anyhow::Result<Vec<Pass>> {
    let first = broken_off(args, ground, journal)?;
    let begun: &[usize] = first.as_ref().map_or(&[], |pass| &pass.variants);
    let is_left = |index: &usize| !journal.has(ground.engines[*index].config_hash) && !begun.contains(index);
    let left: Vec<usize> = (0..ground.variants.len()).filter(is_left).collect();
    let others =
        left.chunks(usize::from(args.at_once)).map(|variants| Pass { variants: variants.to_vec(), held: None });
    let others: Vec<Pass> = others.collect();
    Ok(first.into_iter().chain(others).collect())
}

/// The pass that was broken off, if one was.
fn broken_off(args: &Args, ground: &Ground, journal: &Journal) -> anyhow::Result<Option<Pass>> {
    let Some(path) = args.resume.as_deref().map(checkpoint_path) else { return Ok(None) };
    let Some(held) = checkpoint::look(&path)? else { return Ok(None) };
    let hashes = &held.checkpoint.identity.configuration_hashes;
    if !hashes.is_empty() && hashes.iter().all(|hash| journal.has(*hash)) {
        // It ended between the two writes: the pass is kept, and what it went on from is no more of use.
        remove(&path)?;
        return Ok(None);
    }
    let number = |hash: &u64| ground.engines.iter().position(|engine| engine.config_hash == *hash);
    let Some(variants) = hashes.iter().map(number).collect::<Option<Vec<usize>>>() else {
        bail!(
            "`{}` says how far a pass had come, and the plan has not all of its variants: put them back, or remove it to begin \
             that pass anew",
            path.display()
        );
    };
    let options = options(args, ground, &variants);
    held.check(&path, &Identity::new(&options, &engines(ground, &variants)))?;
    Ok(Some(Pass { variants, held: Some(held) }))
}

fn remove(checkpoint: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(checkpoint) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", checkpoint.display()))
        }
        _ => Ok(()),
    }
}

/// What the pass is judged with.
fn options(args: &Args, ground: &Ground, variants: &[usize]) -> Options {
    let plan = |path: &PathBuf| CheckpointPlan {
        path: checkpoint_path(path),
        every: Duration::from_secs(args.resume_every),
        rests_on: variants.iter().fold(format!("{:016x}", ground.fingerprint), |text, index| {
            text + " " + &form(&ground.variants[*index])
        }),
        outputs: detections(args, variants),
    };
    let state = StateFiles { checkpoint: args.resume.as_ref().map(plan), ..ground.options.state.clone() };
    Options { state, ..ground.options.clone() }
}

/// The files of their detections.
fn detections(args: &Args, variants: &[usize]) -> Vec<PathBuf> {
    let of = |folder: &PathBuf| variants.iter().map(|index| file_of(folder, *index, "ndjson")).collect();
    args.output_dir.as_ref().map(of).unwrap_or_default()
}

fn engines(ground: &Ground, variants: &[usize]) -> Vec<Arc<EngineConfig>> {
    variants.iter().map(|index| Arc::new(ground.engines[*index].clone())).collect()
}

/// Judges one pass and keeps what comes of it; false when it was interrupted.
pub(super) fn judge(
    args: &Args,
    ground: &Ground,
    pass: Pass,
    journal: &mut Journal,
    interrupted: &Arc<AtomicBool>,
) -> anyhow::Result<bool> {
    let Pass { variants, held } = pass;
    let options = options(args, ground, &variants);
    let (figures, lengths) = match held {
        Some(Looked { checkpoint, figures, figures_of }) => {
            say(&format!("going on behind {} items that were judged before", checkpoint.clock.position));
            let figures =
                Figures::read(&figures, &figures_of).context("what a pass had counted cannot be read")?;
            (figures, Some(checkpoint.lengths))
        }
        None => {
            // What another one has put there since is not of this pass.
            args.resume.as_deref().map_or(Ok(()), |path| remove(&checkpoint_path(path)))?;
            (Figures::new(variants.len()), None)
        }
    };
    let files = outputs(args, ground, &variants, lengths.as_deref())?;
    let mut trial = Trial::new(figures, &ground.verdicts, args.warm_up_days, files);
    let engines = engines(ground, &variants);
    let (summary, judged) = sequencer::run_variants(&options, &engines, &mut trial, interrupted)?;
    if summary.interrupted {
        return Ok(false);
    }
    replay::warn(&summary);
    let lengths = trial.lengths();
    let counted = trial.counted(ground.min_level);
    journal.stream(
        Stream::new(&summary, &counted, args.warm_up_days),
        VerdictsReport::new(&ground.verdicts, &counted),
        summary.nothing_readable() || !summary.broken.is_empty(),
    );
    for (index, length) in variants.iter().zip(lengths) {
        journal.wrote(ground.engines[*index].config_hash, length);
    }
    for ((index, tally), judged) in variants.iter().zip(&counted.tallies).zip(&judged) {
        let variant = (*index, &ground.variants[*index]);
        let hash = ground.engines[*index].config_hash;
        journal.add(hash, VariantReport::new(variant, hash, &judged.counts, (tally, &counted), &ground.verdicts));
    }
    let Some(path) = &args.resume else { return Ok(true) };
    // What the journal says was written is on disk before it is.
    checkpoint::sync(&detections(args, &variants))?;
    journal.write()?;
    // Nothing is left to go on with.
    remove(&checkpoint_path(path))?;
    Ok(true)
}

/// Where each variant's detections go: anew, or behind what the run wrote that is gone on with. Beside them its configuration is
/// written.
fn outputs(
    args: &Args,
    ground: &Ground,
    variants: &[usize],
    lengths: Option<&[u64]>,
) -> anyhow::Result<Vec<Outputs>> {
    let Some(folder) = &args.output_dir else { return Ok(Vec::new()) };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    let of = |(place, index): (usize, &usize)| {
        let config = &ground.variants[*index].config;
        let path = file_of(folder, *index, "yaml");
        let text = serde_saphyr::to_string(&config.effective)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        let context = replay::context(config, &ground.engines[*index], &ground.options.tables, &ground.files);
        let path = file_of(folder, *index, "ndjson");
        let length = lengths.map(|lengths| lengths.get(place).copied().unwrap_or(0));
        let file = match (length, &args.resume) {
            (Some(length), Some(resume)) => open_behind(&path, length, &checkpoint_path(resume))?,
            _ => create(&path)?,
        };
        let mut outputs = Outputs::new(file, None, context);
        outputs.go_on([length.unwrap_or(0), 0, 0]);
        Ok(outputs)
    };
    variants.iter().enumerate().map(of).collect()
}

/// With --output-dir: what a finished pass wrote and is not there any more, is judged again.
pub(super) fn forget_lost(args: &Args, ground: &Ground, journal: &mut Journal) {
    let Some(folder) = &args.output_dir else { return };
    for (number, engine) in ground.engines.iter().enumerate() {
        let hash = engine.config_hash;
        let (detections, config) = (file_of(folder, number, "ndjson"), file_of(folder, number, "yaml"));
        let length = detections.metadata().ok().map(|data| data.len());
        if journal.has(hash) && (length != journal.bytes_of(hash) || !config.exists()) {
            say(&format!("`{}` is not what was written: it is judged again", detections.display()));
            journal.forget(hash);
        }
    }
}
