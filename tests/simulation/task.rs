//! One task of an instance: the real [`Session`] around a workload, as a coroutine that stops at every request.
//!
//! The rules around the protocol are written here once, as the real worker follows them: restore, go on from the
//! marker, take and commit; after a commit that failed wait for the group's next poll and try again; in a revoke
//! commit once; when the partition is lost drop everything.

use corosensei::stack::DefaultStack;
use farsign::runtime::kafka::outbox::Frozen;
use farsign::runtime::kafka::protocol::{Outcome, RestoreError, Restored, Session};

use super::client::{Call, Client, Reply};
use super::faults::Planted;
use super::workload::{Digest, Workload};

/// How a task ended.
#[derive(Debug)]
pub enum Ended {
    /// Everything it took is committed; its state.
    Stopped(Digest),
    /// Something it took is not, or it had not begun.
    Dropped,
    /// The protocol found somebody else's transactions.
    Lost(String),
}

pub type Coroutine = corosensei::Coroutine<Reply, Call, Ended>;

/// Ample for the deepest call in a debug build.
const STACK_BYTES: usize = 256 * 1024;
/// Tries of a planted bug that does not wait for the group.
const BLIND_TRIES: usize = 4;

/// What makes an empty workload.
pub type Make = fn(i32) -> Box<dyn Workload>;

pub fn start(partition: i32, planted: Planted, make: Make) -> Coroutine {
    let stack = DefaultStack::new(STACK_BYTES).expect("memory for a stack");
    Coroutine::with_stack(stack, move |yielder, _| {
        let client = Client::new(yielder, partition, planted);
        run(Session::new(client), partition, planted, make)
    })
}

fn run(mut session: Session<Client<'_>>, partition: i32, planted: Planted, make: Make) -> Ended {
    let (mut workload, restored) = match restore(&mut session, partition, make) {
        Ok(restored) => restored,
        Err(ended) => return ended,
    };
    match (&restored.marker, restored.committed) {
        (Some(marker), _) => workload.resume(marker),
        (None, Some(offset)) => workload.seek(offset),
        (None, None) => {}
    }
    if let (true, Some(offset)) = (planted.start_from_group_offset, restored.committed) {
        workload.seek(offset);
    }
    loop {
        match session.log().next(false) {
            Reply::Go { count, freeze } => {
                let next = workload.next();
                let Some(records) = session.log().input(next, count) else { continue };
                workload.take(&records);
                if freeze
                    && let Some(frozen) = workload.freeze()
                    && let Some(ended) = commit(&mut session, &frozen, planted, workload.as_mut())
                {
                    return ended;
                }
            }
            Reply::Stop => return stop(&mut session, workload.as_mut()),
            _ => return Ended::Dropped,
        }
    }
}

fn restore(
    session: &mut Session<Client<'_>>,
    partition: i32,
    make: Make,
) -> Result<(Box<dyn Workload>, Restored), Ended> {
    loop {
        let mut workload = make(partition);
        match session.restore(0, &mut |change| workload.load(&change)) {
            Ok(restored) => return Ok((workload, restored)),
            Err(RestoreError::Log(_)) => {
                if !matches!(session.log().next(true), Reply::Go { .. }) {
                    return Err(Ended::Dropped);
                }
            }
            Err(error) => return Err(Ended::Lost(error.to_string())),
        }
    }
}

/// Commits, for as long as the task is ours; `Some`: the task has ended.
fn commit(
    session: &mut Session<Client<'_>>,
    frozen: &Frozen,
    planted: Planted,
    workload: &mut dyn Workload,
) -> Option<Ended> {
    let mut blind = if planted.retry_without_poll { BLIND_TRIES } else { 0 };
    loop {
        match session.commit(frozen) {
            Outcome::Committed { .. } => return None,
            Outcome::Lost(reason) => return Some(Ended::Lost(reason)),
            Outcome::Retry(_) if blind > 0 => blind -= 1,
            Outcome::Retry(_) => match session.log().next(true) {
                Reply::Go { .. } => {}
                Reply::Stop => {
                    let is_committed = matches!(session.commit(frozen), Outcome::Committed { .. });
                    return Some(if is_committed { Ended::Stopped(workload.digest()) } else { Ended::Dropped });
                }
                _ => return Some(Ended::Dropped),
            },
        }
    }
}

/// The last commit of a revoked task.
fn stop(session: &mut Session<Client<'_>>, workload: &mut dyn Workload) -> Ended {
    match workload.freeze().map(|frozen| session.commit(&frozen)) {
        None | Some(Outcome::Committed { .. }) => Ended::Stopped(workload.digest()),
        Some(Outcome::Lost(reason)) => Ended::Lost(reason),
        Some(Outcome::Retry(_)) => Ended::Dropped,
    }
}
