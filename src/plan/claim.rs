//! Ends what a vanished PhoneNumber left behind: a claim whose holder is gone, and perhaps a route that is still ours.
//!
//! A PhoneNumber that is deleted in order leaves a claim that says so, and it is dropped. The others had their finalizer taken
//! off by somebody, or never had one after a crash: their route is taken back first.

use super::{
    AccountRef, Decision, Effect, InFlight, Liveness, Look, Rest, Seen, Trouble, policy,
    remove::{Removal, Step},
};
use crate::api::NumberClaim;

/// Everything known about one NumberClaim.
#[derive(Clone, Debug)]
pub struct World<'a> {
    pub claim: &'a NumberClaim,
    /// Whether the holder lives: from the cache if it is there, else by a live read.
    pub holder: Liveness,
    /// Whether another live PhoneNumber of the same account wants the number: it will take the claim over, route and all.
    pub heir: bool,
    pub account: AccountRef,
    pub seen: Seen<'a>,
    pub trouble: Option<&'a Trouble>,
    pub in_flight: InFlight,
    pub definition_going: Option<bool>,
}

/// Decides what to do next for a NumberClaim.
pub fn next(w: &World<'_>) -> Decision<()> {
    let rest = |again| Decision::Rest(Rest { status: None, again });
    match w.holder {
        Liveness::Alive => return rest(None),
        Liveness::NotRead => return Decision::Look(Look::Holder(w.claim.spec.holder.clone())),
        Liveness::Gone => {}
    }
    let Some(definition_going) = w.definition_going else { return Decision::Look(Look::Definition) };
    if w.heir && w.claim.metadata.deletion_timestamp.is_none() {
        return rest(Some(policy::POLL));
    }
    let spec = &w.claim.spec;
    let removal = Removal {
        number: &spec.number,
        claim: spec,
        policy: spec.on_delete,
        hands_off: definition_going.then(|| "the definition of PhoneNumber or NumberClaim is being deleted".to_owned()),
        account: &w.account,
        seen: w.seen,
        trouble: w.trouble,
        in_flight: w.in_flight,
    };
    match removal.step() {
        Step::Look(look) => Decision::Look(look),
        Step::Write(write) => Decision::Act(Effect::SetRoute(write)),
        Step::Wait(_, again) => rest(again),
        Step::LetGo(note) => Decision::Act(Effect::DropClaim(note)),
    }
}
