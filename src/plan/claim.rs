//! Ends what a vanished PhoneNumber left behind: a claim whose holder is gone, and perhaps a route that is still ours.
//!
//! A PhoneNumber that is deleted in order leaves a claim that says so, and it is dropped. The others had their finalizer taken
//! off by somebody, or never had one after a crash: their route is taken back first. A number that was bought stays ours without
//! a holder: its claim rests then, like a retained volume.

use std::time::Duration;

use super::{
    AccountRef, Decision, Effect, InFlight, Liveness, Look, PlatformView, Rest, Seen, Trouble, policy,
    remove::{Removal, Step},
};
use crate::api::{NumberClaim, NumberPurchase, seen::Order};

/// Everything known about one NumberClaim.
#[derive(Clone, Debug)]
pub struct World<'a> {
    pub claim: &'a NumberClaim,
    /// The journal of the identity that it was made for.
    pub journal: Option<&'a NumberPurchase>,
    /// Whether the holder lives: from the cache if it is there, else by a live read.
    pub holder: Liveness,
    /// Whether the account still lets the holder's namespace use it. One that it does not keeps no claim that a person deletes.
    pub allowed: bool,
    /// How long yet until nothing that its holder may have sent can come about any more, counted from when this process found
    /// that holder gone.
    pub settled_in: Duration,
    /// Whether a live PhoneNumber to which the claim may pass wants the number: it will take it over, route and all.
    pub successor: bool,
    /// Whether the number bears the marker of another installation: then it is not written to.
    pub marked_by_another: bool,
    pub account: AccountRef,
    pub seen: Seen<'a>,
    /// The orders that bear the marker of the identity that it was made for, and have not failed, by a look in this pass.
    pub orders: Option<&'a [Order]>,
    /// The platform that the claim names, where it names one.
    pub platform: Option<PlatformView<'a>>,
    pub trouble: Option<&'a Trouble>,
    pub in_flight: InFlight,
    pub definition_going: Option<bool>,
}

/// Decides what to do next for a NumberClaim.
pub fn next(w: &World<'_>) -> Decision<()> {
    let rest = |again| Decision::Rest(Rest { status: None, again });
    let deleting = w.claim.metadata.deletion_timestamp.is_some();
    let Some(holder) = &w.claim.spec.holder else {
        // An earlier version did not write down whose it was; its journal does.
        if let (None, Some(journal), Some(_)) = (w.claim.spec.namespace(), w.journal, &w.claim.spec.purchase) {
            let mut claim = w.claim.clone();
            claim.spec.purchase.iter_mut().for_each(|bought| bought.namespace = journal.spec.identity().namespace);
            return Decision::Act(Effect::WriteClaim(Box::new(claim)));
        }
        // Whoever wants the number makes its claim anew: nothing of ours is there.
        return if deleting { Decision::Act(Effect::DropClaim(None)) } else { rest(None) };
    };
    if w.is_superseded() {
        return Decision::Act(Effect::DropClaim(None));
    }
    // All that could still say something of it goes as well, so that nobody would come back to it.
    match w.definition_going {
        None if deleting => return Decision::Look(Look::Definition),
        Some(true) if deleting => return Decision::Act(Effect::DropClaim(None)),
        _ => {}
    }
    match w.holder {
        Liveness::Alive if w.allowed || !deleting => return rest(None),
        Liveness::Alive => {}
        Liveness::NotRead => return Decision::Look(Look::Holder(holder.clone())),
        Liveness::Gone => {}
    }
    if w.claim.spec.purchase.is_some() && !matches!(w.seen, Seen::Present { .. }) {
        return w.unseen();
    }
    let Some(definition_going) = w.definition_going else { return Decision::Look(Look::Definition) };
    if w.successor && w.claim.metadata.deletion_timestamp.is_none() {
        return rest(Some(policy::POLL));
    }
    let spec = &w.claim.spec;
    let removal = Removal {
        number: &spec.number,
        claim: spec,
        policy: spec.on_delete,
        hands_off: match (definition_going, w.marked_by_another) {
            (true, _) => Some("the CRD of PhoneNumber or NumberClaim is being deleted".to_owned()),
            (_, true) => Some("its marker names another installation".to_owned()),
            _ => None,
        },
        account: &w.account,
        seen: w.seen,
        platform: w.platform.as_ref(),
        trouble: w.trouble,
        in_flight: w.in_flight,
    };
    match removal.step() {
        Step::Look(look) => Decision::Look(look),
        Step::Write(write) => Decision::Act(write),
        Step::Wait(_, again) => rest(again),
        Step::LetGo(note) if spec.purchase.is_some() && !deleting => {
            let mut claim = w.claim.rested();
            // As where its holder lets go of it: that it was ours is remembered.
            let seen = w.seen.present().map(|seen| seen.id.0.clone());
            claim.spec.carrier_number_id = seen.unwrap_or(claim.spec.carrier_number_id);
            Decision::Act(Effect::CloseClaim(Box::new(claim), note))
        }
        Step::LetGo(note) => Decision::Act(Effect::DropClaim(note)),
    }
}

impl World<'_> {
    /// The number that somebody who is gone may have bought is not in the account, as far as is known. Whether it was bought is
    /// for the next object of its identity to find out; where there is none, it is waited for until it is sure that it was not.
    fn unseen(&self) -> Decision<()> {
        let rest = |again| Decision::Rest(Rest { status: None, again });
        let AccountRef::Found(account) = &self.account else { return rest(Some(policy::POLL)) };
        let due = self.trouble.map_or(Duration::ZERO, |trouble| trouble.wait).max(self.settled_in);
        if self.successor || account.open.is_none() || !due.is_zero() {
            return rest(Some(policy::POLL.min(due).max(Duration::from_secs(1))));
        }
        let number = &self.claim.spec.number;
        match (self.seen, self.orders) {
            (Seen::Absent { fresh: true }, None) => Decision::Look(Look::Orders),
            // An order may stand for days, and what comes of it is to be somebody's.
            (Seen::Absent { fresh: true }, Some(orders)) if orders.iter().any(|order| order.number == *number) => {
                rest(Some(policy::POLL))
            }
            (Seen::Absent { fresh: true }, Some(_)) => Decision::Act(Effect::DropClaim(None)),
            _ => Decision::Look(Look::Number { account: account.key.clone(), number: number.clone() }),
        }
    }

    /// Whether it was made by an earlier attempt at another number than the journal names now, and that number was not bought
    /// (rule 8). Attempts only grow, so that an old view of the journal supersedes nothing.
    fn is_superseded(&self) -> bool {
        let (Some(purchase), Some(journal)) = (&self.claim.spec.purchase, self.journal) else { return false };
        let earlier = match &journal.spec.number {
            Some(number) => *number != self.claim.spec.number && purchase.attempt < journal.spec.attempt,
            None => purchase.attempt <= journal.spec.attempt,
        };
        earlier && self.claim.spec.is_for(&journal.spec.identity()) && !matches!(self.seen, Seen::Present { .. })
    }
}
