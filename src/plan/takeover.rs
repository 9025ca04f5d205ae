//! Who may make a claim its own that another object has, or had. No I/O.
//!
//! A claim moves only under the same carrier account, and only where whoever has the number lets it: within its namespace, to the
//! namespace that owns the account, or by a word of the holder. A number that was imported may also go to another namespace that the
//! account allows, once its holder is gone and has had a moment to come back.

use std::time::Duration;

use super::{
    Decision, Effect, Liveness, Look,
    number::world::{Found, World},
    policy,
};
use crate::api::{
    NumberClaim,
    claim::{Holder, NumberClaimSpec},
    conditions::{Finding, Reason},
    meta::HAND_OVER,
    phone_number::PhoneNumberStatus,
};

/// Who would take a claim over.
#[derive(Clone, Copy, Debug)]
pub struct Taker<'a> {
    pub namespace: &'a str,
    /// The carrier's id of the account by which it would have the number.
    pub account: &'a str,
    /// Whether that account's pool is shared between namespaces.
    pub shared_pool: bool,
}

/// Why a claim may not pass to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is claimed under another carrier account.
    OtherAccount,
    /// It was bought for another namespace.
    OtherNamespace,
}

/// Whether a claim that is free may pass to this taker, whose account allows its namespace.
pub fn may_pass(claim: &NumberClaimSpec, taker: Taker<'_>) -> Result<(), Refusal> {
    if claim.account.identity != taker.account {
        return Err(Refusal::OtherAccount);
    }
    let is_own = claim.namespace() == Some(taker.namespace) || claim.account.namespace == taker.namespace;
    let is_idle = claim.holder.is_none() && taker.shared_pool;
    match &claim.purchase {
        Some(_) if !is_own && !is_idle => Err(Refusal::OtherNamespace),
        _ => Ok(()),
    }
}

/// What to do about a claim that another object has or had.
pub(super) fn next(w: &World<'_>, found: &Found<'_>, claim: &NumberClaim) -> Decision<PhoneNumberStatus> {
    let taker = Taker { namespace: w.namespace(), account: found.identity, shared_pool: w.shared_pool };
    let may = may_pass(&claim.spec, taker);
    // Nothing is said of what another account has, and to whom.
    if may == Err(Refusal::OtherAccount) {
        return refused(w, claim, Refusal::OtherAccount);
    }
    if let Some(decision) = w.hands_over() {
        return decision;
    }
    let Some(holder) = &claim.spec.holder else {
        return may.map_or_else(|why| refused(w, claim, why), |()| take(w, found, claim));
    };
    if w.rival.hands_over {
        return take(w, found, claim);
    }
    let lives = match w.holder {
        Liveness::NotRead if w.rival.allowed => return Decision::Look(Look::Holder(holder.clone())),
        liveness => w.rival.allowed && liveness == Liveness::Alive,
    };
    match may {
        _ if lives => held(w, claim, holder),
        Err(why) => refused(w, claim, why),
        Ok(()) if !w.rival.allowed || holder.namespace == taker.namespace => take(w, found, claim),
        Ok(()) => match policy::COMES_BACK.saturating_sub(w.rival.gone_for) {
            Duration::ZERO => take(w, found, claim),
            wait => waits(w, claim, "Its namespace takes precedence if it is created again.").again(wait),
        },
    }
}

/// The holder lives.
fn held(w: &World<'_>, claim: &NumberClaim, holder: &Holder) -> Decision<PhoneNumberStatus> {
    let number = &claim.spec.number;
    if w.rival.leaving {
        let text = format!("PhoneNumber {}/{} is being deleted.", holder.namespace, holder.name);
        return waits(w, claim, &text).again(policy::POLL);
    }
    let text = format!(
        "PhoneNumber {}/{} holds the claim of {number}. Delete one of the two; this one takes over when the other is gone.",
        holder.namespace, holder.name
    );
    w.unclaimed(Finding::new(Reason::ClaimedByAnother, text)).again(policy::POLL)
}

fn waits(w: &World<'_>, claim: &NumberClaim, why: &str) -> Decision<PhoneNumberStatus> {
    let text = format!("{why} This one takes over {} and its route when that one is gone.", claim.spec.number);
    w.unclaimed(Finding::new(Reason::AwaitingHandover, text))
}

fn refused(w: &World<'_>, claim: &NumberClaim, why: Refusal) -> Decision<PhoneNumberStatus> {
    let number = &claim.spec.number;
    let digits = number.digits();
    let text = match why {
        Refusal::OtherAccount => format!(
            "{number} is claimed under another carrier account, and a claim cannot move between accounts. Delete the PhoneNumber that holds \
             it. If no PhoneNumber holds it, have a cluster administrator run `kubectl delete numberclaim {digits}`."
        ),
        Refusal::OtherNamespace => format!(
            "{number} was bought for another namespace and belongs to it. Its holder can hand it over with the annotation {HAND_OVER} on \
             its PhoneNumber, or the account's owner can share its pool with spec.purchasing.pool: Shared."
        ),
    };
    w.unclaimed(Finding::new(Reason::ClaimRefused, text)).again(policy::POLL)
}

/// Makes the claim ours, once what its last holder sent has surely arrived.
fn take(w: &World<'_>, found: &Found<'_>, claim: &NumberClaim) -> Decision<PhoneNumberStatus> {
    let number = &claim.spec.number;
    let say = |text: String| w.unclaimed(Finding::new(Reason::NumberNotChecked, text));
    if claim.metadata.deletion_timestamp.is_some() {
        return say(format!("The previous NumberClaim of {number} is being deleted.")).again(policy::POLL);
    }
    if w.number.spec.suspend {
        return w.not_claimed();
    }
    if w.uncounted {
        return say(format!(
            "{number} is taken over once its purchase is counted against the limits of its CarrierAccount."
        ))
        .again(policy::CROWDED);
    }
    if let Some(wait) = w.in_flight.unsettled(&claim.spec) {
        return say(format!("A route that the previous holder of {number} sent may still be applied.")).again(wait);
    }
    if let Some(look) = w.look_before_claiming(found) {
        return look;
    }
    let spec = w.claim_spec(found, Some(&claim.spec));
    Decision::Act(Effect::WriteClaim(Box::new(NumberClaim { spec, ..claim.clone() })))
}
