//! What can go wrong: in the world, and, planted, in the protocol.
//!
//! A planted bug is a change of what the real protocol sees or sends, made under it ([`super::client`]) or in the
//! rules around it ([`super::task`]): the protocol's own code is the same. Each must be found.

/// How the world behaves; chances in 1000 of each request or step.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub request_lost: usize,
    pub answer_lost: usize,
    /// The client gives up waiting, and the request is executed later.
    pub request_delayed: usize,
    /// An offset commit is executed, and once more later, unknown to the client.
    pub offsets_repeated: usize,
    pub crash: usize,
    pub pause: usize,
    pub scale: usize,
    pub broker_restart: usize,
    pub compaction: usize,
    /// The wait for tasks to stop in a revoke ends before they have.
    pub revoke_deadline: usize,
}

impl Faults {
    pub const ALL: Faults = Faults {
        request_lost: 8,
        answer_lost: 12,
        request_delayed: 12,
        offsets_repeated: 20,
        crash: 4,
        pause: 4,
        scale: 3,
        broker_restart: 2,
        compaction: 8,
        revoke_deadline: 20,
    };

    pub const NONE: Faults = Faults {
        request_lost: 0,
        answer_lost: 0,
        request_delayed: 0,
        offsets_repeated: 0,
        crash: 0,
        pause: 0,
        scale: 0,
        broker_restart: 0,
        compaction: 0,
        revoke_deadline: 0,
    };
}

/// Bugs that can be planted, alone or together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planted {
    /// A restore ends where nothing more can be read at the moment.
    pub restore_to_first_end: bool,
    /// A restore ends at the last stable offset.
    pub restore_to_stable_end: bool,
    /// The new producer begins after the state has been read.
    pub restore_before_renew: bool,
    /// A producer is kept, although a request of it may still be on its way.
    pub keep_unclean_producer: bool,
    /// An abort that was repeated counts as clean.
    pub trust_unclean_abort: bool,
    /// After an unknown outcome the outbox is sent again without asking the log.
    pub resend_without_asking: bool,
    /// An unknown outcome is taken for success.
    pub assume_committed: bool,
    /// Offsets are committed without the consumer's membership.
    pub no_group_metadata: bool,
    /// Offsets are committed with generation −1 by who is no member any more.
    pub negative_generation: bool,
    /// A task goes on from the group's offset instead of the marker's.
    pub start_from_group_offset: bool,
    /// Whoever was fenced makes a new producer and tries again, without asking the group.
    pub retry_without_poll: bool,
    /// Only what readers see counts, not whether offsets were taken from who does not own the partition.
    pub ignore_unfenced: bool,
}
