//! Keeps the journal of buying for good where it names a number, unless a person deletes it and nothing alive needs it. One that names
//! none tells nobody anything: it goes after its holder. No I/O.

use std::time::Duration;

use super::{Decision, Effect, Liveness, Look, Rest, policy};
use crate::api::{NumberPurchase, meta::IN_USE_FINALIZER};

/// Everything known about one NumberPurchase.
#[derive(Clone, Debug)]
pub struct World<'a> {
    pub journal: &'a NumberPurchase,
    /// Whether its holder lives: from the cache if it is there, else by a live read.
    pub holder: Liveness,
    /// Whether another object is there that has its identity, or a claim that was made for it.
    pub needed: bool,
    /// How long yet until nothing that its holder may have sent can come about any more, counted from when this process found
    /// that holder gone.
    pub settled_in: Duration,
    pub definition_going: Option<bool>,
}

/// Decides what to do next for a NumberPurchase.
pub fn next(w: &World<'_>) -> Decision<()> {
    let rest = |again| Decision::Rest(Rest { status: None, again });
    let deleting = w.journal.metadata.deletion_timestamp.is_some();
    if !deleting && (w.journal.spec.number.is_some() || w.needed) {
        return rest(None);
    }
    match w.holder {
        Liveness::NotRead => Decision::Look(Look::Holder(w.journal.spec.holder.clone())),
        Liveness::Alive if !deleting => rest(None),
        Liveness::Gone if !deleting && !w.settled_in.is_zero() => rest(Some(w.settled_in)),
        Liveness::Gone if !deleting => Decision::Act(Effect::DropJournal),
        Liveness::Alive if w.definition_going.is_none() => Decision::Look(Look::Definition),
        Liveness::Alive if w.definition_going == Some(false) => rest(Some(policy::POLL)),
        // The software is being removed: its memory must not outstay it.
        Liveness::Alive | Liveness::Gone => Decision::Act(Effect::RemoveFinalizer(IN_USE_FINALIZER)),
    }
}
