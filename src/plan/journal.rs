//! Keeps the journal of buying for good, unless a person deletes it and nothing alive needs it. No I/O.

use super::{Decision, Effect, Liveness, Look, Rest, policy};
use crate::api::{NumberPurchase, meta::IN_USE_FINALIZER};

/// Everything known about one NumberPurchase.
#[derive(Clone, Debug)]
pub struct World<'a> {
    pub journal: &'a NumberPurchase,
    /// Whether its holder lives: from the cache if it is there, else by a live read.
    pub holder: Liveness,
}

/// Decides what to do next for a NumberPurchase.
pub fn next(w: &World<'_>) -> Decision<()> {
    if w.journal.metadata.deletion_timestamp.is_none() {
        return Decision::Rest(Rest::NOTHING);
    }
    match w.holder {
        Liveness::NotRead => Decision::Look(Look::Holder(w.journal.spec.holder.clone())),
        Liveness::Alive => Decision::Rest(Rest { status: None, again: Some(policy::POLL) }),
        Liveness::Gone => Decision::Act(Effect::RemoveFinalizer(IN_USE_FINALIZER)),
    }
}
