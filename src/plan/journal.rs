//! Keeps the journal of buying for good, unless a person deletes it and nothing alive needs it. No I/O.

use super::{Decision, Effect, Liveness, Look, Rest, policy};
use crate::api::{NumberPurchase, meta::IN_USE_FINALIZER};

/// Everything known about one NumberPurchase.
#[derive(Clone, Debug)]
pub struct World<'a> {
    pub journal: &'a NumberPurchase,
    /// Whether its holder lives: from the cache if it is there, else by a live read.
    pub holder: Liveness,
    pub definition_going: Option<bool>,
}

/// Decides what to do next for a NumberPurchase.
pub fn next(w: &World<'_>) -> Decision<()> {
    if w.journal.metadata.deletion_timestamp.is_none() {
        return Decision::Rest(Rest::NOTHING);
    }
    match w.holder {
        Liveness::NotRead => Decision::Look(Look::Holder(w.journal.spec.holder.clone())),
        Liveness::Alive if w.definition_going.is_none() => Decision::Look(Look::Definition),
        Liveness::Alive if w.definition_going == Some(false) => {
            Decision::Rest(Rest { status: None, again: Some(policy::POLL) })
        }
        // The software is being removed: its memory must not outstay it.
        Liveness::Alive | Liveness::Gone => Decision::Act(Effect::RemoveFinalizer(IN_USE_FINALIZER)),
    }
}
