//! Where a replay's results go. To files: detections, rejected records, and users' risk, one JSON object a line.

use std::io::{self, Write};

use serde_json::json;

use super::block::{Block, Rejected};
use super::framing::HEAD_LENGTH_MAX;
use crate::engine::facts::Item;
use crate::engine::out::{Detection, RiskyUser};
use crate::render::{self, RenderContext, risky_user};

/// What takes the results, each in its order. `variant` is the place of the configuration among those that judge.
pub trait Sink {
    /// Items that are about to be judged, in the order in which they are.
    fn items(&mut self, _: &[Item<'_>]) {}

    /// # Errors
    /// When it cannot be written.
    fn detection(&mut self, variant: usize, detection: &Detection) -> io::Result<()>;

    /// What a shadow policy found, in an order of its own.
    ///
    /// # Errors
    /// When it cannot be written.
    fn shadow_detection(&mut self, _variant: usize, _detection: &Detection) -> io::Result<()> {
        Ok(())
    }

    /// A user who has or had risk, at the end.
    ///
    /// # Errors
    /// When it cannot be written.
    fn risky_user(&mut self, variant: usize, user: &RiskyUser) -> io::Result<()>;

    /// # Errors
    /// When it cannot be written.
    fn reject(&mut self, file: &str, block: &Block, rejected: &Rejected) -> io::Result<()>;

    /// # Errors
    /// When what was taken cannot be written.
    fn flush(&mut self) -> io::Result<()>;

    /// Bytes written to each file that grows while the stream is judged, to go on behind them.
    fn lengths(&self) -> Vec<u64> {
        Vec::new()
    }

    /// What it has counted of the stream, to go on from.
    ///
    /// # Errors
    /// When it cannot be put into bytes.
    fn figures(&self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// What it has counted of one variant's results.
    ///
    /// # Errors
    /// When it cannot be put into bytes.
    fn figures_of(&self, _variant: usize) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

/// Files for one configuration.
pub struct Outputs {
    pub detections: Box<dyn Write + Send>,
    /// Where goes what shadow policies found.
    pub shadow_detections: Option<Box<dyn Write + Send>>,
    pub rejects: Option<Box<dyn Write + Send>>,
    /// Where users' risk goes, at the end.
    pub risky_users: Option<Box<dyn Write + Send>>,
    pub context: RenderContext,
    line: Vec<u8>,
    /// Bytes of detections, rejects and shadow detections.
    lengths: [u64; 3],
}

impl Outputs {
    pub fn new(
        detections: Box<dyn Write + Send>,
        rejects: Option<Box<dyn Write + Send>>,
        context: RenderContext,
    ) -> Outputs {
        Outputs {
            detections,
            shadow_detections: None,
            rejects,
            risky_users: None,
            context,
            line: Vec::new(),
            lengths: [0; 3],
        }
    }

    /// Goes on behind what an earlier run wrote: detections, rejects, shadow detections.
    pub fn go_on(&mut self, lengths: [u64; 3]) {
        self.lengths = lengths;
    }
}

impl Sink for Outputs {
    fn risky_user(&mut self, _: usize, user: &RiskyUser) -> io::Result<()> {
        let Some(risky_users) = &mut self.risky_users else { return Ok(()) };
        self.line.clear();
        risky_user::write(user, &self.context, &mut self.line);
        self.line.push(b'\n');
        risky_users.write_all(&self.line)
    }

    fn detection(&mut self, _: usize, detection: &Detection) -> io::Result<()> {
        self.line.clear();
        render::write(detection, &self.context, &mut self.line);
        self.line.push(b'\n');
        self.lengths[0] += self.line.len() as u64;
        self.detections.write_all(&self.line)
    }

    fn shadow_detection(&mut self, _: usize, detection: &Detection) -> io::Result<()> {
        let Some(shadow_detections) = &mut self.shadow_detections else { return Ok(()) };
        self.line.clear();
        render::write(detection, &self.context, &mut self.line);
        self.line.push(b'\n');
        self.lengths[2] += self.line.len() as u64;
        shadow_detections.write_all(&self.line)
    }

    /// Writes a rejected record with its place and the beginning of its text: as it is, or in hexadecimal digits
    /// when it is not UTF-8.
    fn reject(&mut self, file: &str, block: &Block, rejected: &Rejected) -> io::Result<()> {
        let Some(rejects) = &mut self.rejects else { return Ok(()) };
        let mut line = json!({
            "file": file,
            "line": rejected.line,
            "offset": rejected.offset,
            "reason": rejected.reject.reason.name(),
            "detail": rejected.reject.detail,
            "at": rejected.reject.offset,
            "length": rejected.length,
        });
        let text = block.text_of(rejected, HEAD_LENGTH_MAX);
        match readable(text) {
            Some(text) => line["record"] = text.into(),
            None => line["recordHex"] = hexadecimal(text).into(),
        }
        let line = format!("{line}\n");
        self.lengths[1] += line.len() as u64;
        rejects.write_all(line.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.detections.flush()?;
        self.shadow_detections.as_mut().map_or(Ok(()), |shadow_detections| shadow_detections.flush())?;
        self.risky_users.as_mut().map_or(Ok(()), |risky_users| risky_users.flush())?;
        self.rejects.as_mut().map_or(Ok(()), |rejects| rejects.flush())
    }

    fn lengths(&self) -> Vec<u64> {
        self.lengths.to_vec()
    }
}

/// Files for several configurations, each its own; rejects are the stream's, and go nowhere.
pub struct Tee(pub Vec<Outputs>);

impl Sink for Tee {
    fn detection(&mut self, variant: usize, detection: &Detection) -> io::Result<()> {
        self.0[variant].detection(variant, detection)
    }

    fn risky_user(&mut self, variant: usize, user: &RiskyUser) -> io::Result<()> {
        self.0[variant].risky_user(variant, user)
    }

    fn reject(&mut self, _: &str, _: &Block, _: &Rejected) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.iter_mut().try_for_each(Sink::flush)
    }
}

/// For who looks at something else than results.
pub struct Nothing;

impl Sink for Nothing {
    fn detection(&mut self, _: usize, _: &Detection) -> io::Result<()> {
        Ok(())
    }

    fn risky_user(&mut self, _: usize, _: &RiskyUser) -> io::Result<()> {
        Ok(())
    }

    fn reject(&mut self, _: &str, _: &Block, _: &Rejected) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text, without a character that was cut off at its end; `None` when it is not UTF-8.
fn readable(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|half| char::from(DIGITS[usize::from(half)]))
        .collect()
}
