//! The end: taking back a route that is still ours, and letting go of the number without ever giving it back.

use std::time::Duration;

use kube::ResourceExt;

use super::{
    AccountRef, AccountView, Decision, Effect, InFlight, Look, Note, PlatformView, Requested, Rest, Seen, SetRoute,
    Trouble, buy,
    number::{
        binding::{Off, take_off},
        world::World,
    },
    policy, route,
};
use crate::api::{
    NumberClaim,
    claim::{ClaimedAccount, LedTo, NumberClaimSpec},
    conditions::{Finding, Reason},
    meta::{ABANDON, ROUTE_FINALIZER},
    number::{Channel, Destination, E164, Route},
    phone_number::{Mode, OnDelete, PhoneNumberStatus},
    seen::ErrorClass,
};

/// What there is to take back, whoever's end it is.
pub(super) struct Removal<'a> {
    pub(super) number: &'a E164,
    pub(super) claim: &'a NumberClaimSpec,
    pub(super) policy: OnDelete,
    /// Why nothing is to be written at the carrier, where that is so.
    pub(super) hands_off: Option<String>,
    pub(super) account: &'a AccountRef,
    pub(super) seen: Seen<'a>,
    pub(super) platform: Option<&'a PlatformView<'a>>,
    pub(super) trouble: Option<&'a Trouble>,
    pub(super) in_flight: InFlight,
}

/// The next step of taking something back.
pub(super) enum Step {
    Look(Look),
    Write(Effect),
    Wait(Finding, Option<Duration>),
    /// Nothing of ours is left, or it is left on purpose; which of them is said.
    LetGo(Option<Note>),
}

impl Removal<'_> {
    pub(super) fn step(&self) -> Step {
        let left = |why: &str| {
            let text = format!("The route of {} was not changed: {why}.", self.number);
            Step::LetGo(Some(Note { warning: true, reason: "NotCleanedUp", text }))
        };
        if self.claim.sent.is_empty() && self.claim.bound.is_none() {
            return Step::LetGo(None);
        }
        if let Some(why) = &self.hands_off {
            return left(why);
        }
        if self.policy == OnDelete::Leave {
            return left("onDelete is Leave");
        }
        if let Some(step) = self.off_platform() {
            return step;
        }
        let account = match self.account {
            AccountRef::Missing(key) if self.claim.namespace().is_none_or(|namespace| namespace == key.namespace) => {
                return self.blocked(&format!("CarrierAccount {key} does not exist"));
            }
            AccountRef::Missing(key) | AccountRef::Refused(key) => {
                return left(&format!("no CarrierAccount {key} allows this namespace any more"));
            }
            AccountRef::Found(account) if account.abandoned => {
                return left("its CarrierAccount has the annotation dialplane.dev/abandon");
            }
            AccountRef::Found(account) if account.open.is_none() && account.opening => {
                return Step::Wait(Reason::Clearing.into(), Some(policy::POLL));
            }
            AccountRef::Found(account) if account.open.is_none() => {
                return self.blocked(&format!("CarrierAccount {} is not ready; see its conditions", account.key));
            }
            AccountRef::Found(account) => account,
        };
        if let Some(step) = self.failing() {
            return step;
        }
        match self.seen {
            Seen::Present { number, fresh: true } => match self.changes(&number.route) {
                changes if changes.is_empty() => self.settled(&number.route),
                route => Step::Write(Effect::SetRoute(Box::new(SetRoute {
                    account: account.key.clone(),
                    id: number.id.clone(),
                    number: self.number.clone(),
                    route,
                    put_back: false,
                    notes: Vec::new(),
                }))),
            },
            Seen::Absent { fresh: true } => left("the account no longer owns the number"),
            _ => Step::Look(Look::Number { account: account.key.clone(), number: self.number.clone() }),
        }
    }

    /// A platform that answers the number is asked to forget it first: it clears what it set at the carrier.
    fn off_platform(&self) -> Option<Step> {
        match take_off(self.claim, self.platform) {
            Off::Done => None,
            Off::Wait(finding) if finding.reason == Reason::PlatformNotReady => {
                let is_opening = self.platform.is_some_and(|platform| platform.opening);
                Some(match is_opening {
                    true => Step::Wait(Reason::Clearing.into(), Some(policy::POLL)),
                    false => self.blocked(&finding.message),
                })
            }
            Off::Wait(finding) => Some(Step::Wait(finding, Some(policy::POLL))),
            Off::Look(look) => Some(self.failing().unwrap_or(Step::Look(look))),
            Off::Write(write) => Some(self.failing().unwrap_or(Step::Write(Effect::SetBinding(write)))),
        }
    }

    /// What was tried and failed is tried again, and not for ever.
    fn failing(&self) -> Option<Step> {
        let trouble = self.trouble.filter(|trouble| !trouble.wait.is_zero())?;
        // Asking again mends no refusal of what is asked.
        let is_final = matches!(trouble.error.class, ErrorClass::Rejected | ErrorClass::Forbidden);
        let finding = match trouble.attempts {
            tries if is_final || tries >= policy::CLEANUP_TRIES => return Some(self.blocked(&trouble.error.text)),
            _ => Finding::new(Reason::Clearing, &*trouble.error.text),
        };
        Some(Step::Wait(finding, Some(trouble.wait)))
    }

    /// Every destination that is still ours, emptied or as it was before.
    fn changes(&self, seen: &Route) -> Route {
        let before = |channel: &Channel| match self.policy {
            OnDelete::Restore => self.claim.previous.get(channel).cloned().unwrap_or_default(),
            OnDelete::Clear | OnDelete::Leave => Destination::default(),
        };
        // What a platform had set is empty by now, whether it was seen or not.
        let set = |_: &Channel| self.claim.bound.is_some();
        let ours = seen.iter().filter(|(channel, destination)| {
            self.claim.is_ours(**channel, destination) || destination.is_empty() && set(channel)
        });
        let target = ours.map(|(channel, _)| (*channel, before(channel))).collect();
        route::changes(&target, seen)
    }

    /// Nothing of ours is there. What is there is somebody else's and stays, once nothing of ours can arrive any more.
    fn settled(&self, seen: &Route) -> Step {
        if let Some(wait) = self.in_flight.unsettled(self.claim) {
            let text = "A route that was sent may still be applied. The operator waits and then reads the route again.";
            return Step::Wait(Finding::new(Reason::RouteOutcomeUnknown, text), Some(wait));
        }
        let restored =
            |channel: &Channel, destination: &Destination| self.claim.previous.get(channel) == Some(destination);
        let foreign: Vec<String> = seen
            .iter()
            .filter(|(channel, destination)| !destination.is_empty() && !restored(channel, destination))
            .map(|(channel, destination)| format!("{channel} goes to {}", destination.shown()))
            .collect();
        Step::LetGo((!foreign.is_empty()).then(|| Note {
            warning: false,
            reason: "NotCleanedUp",
            text: format!("Not set by Dialplane, so not changed: {}.", foreign.join("; ")),
        }))
    }

    fn blocked(&self, why: &str) -> Step {
        let why = why.trim_end_matches('.');
        let text = format!(
            "The route of {} cannot be cleared or restored: {why}. Fix that. Or delete the object without cleanup: set spec.onDelete: \
             Leave or the annotation {ABANDON}: \"true\".",
            self.number
        );
        let due = self.trouble.map(|trouble| trouble.wait).filter(|wait| !wait.is_zero());
        Step::Wait(Finding::new(Reason::CleanupBlocked, text), due.or(Some(policy::POLL)))
    }
}

/// Decides for a PhoneNumber that is being deleted.
pub(super) fn of_number(w: &World<'_>) -> Decision<PhoneNumberStatus> {
    if !w.number.finalizers().iter().any(|finalizer| finalizer == ROUTE_FINALIZER) {
        return Decision::Rest(Rest::NOTHING);
    }
    let Some(definition_going) = w.definition_going else { return Decision::Look(Look::Definition) };
    if !definition_going
        && !w.number.is_annotated(ABANDON)
        && let Some(decision) = unsettled(w).or_else(|| kept(w))
    {
        return decision;
    }
    // A claim that somebody deleted still tells, by the object's status, what is ours.
    let remembered = w.claim.is_none().then(|| remembered_claim(w)).flatten();
    let Some(claim) = w.own_claim().map(|claim| &claim.spec).or(remembered.as_ref()) else { return let_go(w, None) };
    // Handed over, not blanked: whoever comes next takes the claim with the route.
    if w.successor && !definition_going && !w.number.is_annotated(ABANDON) && w.own_claim().is_some() {
        return Decision::Act(Effect::RemoveFinalizer(ROUTE_FINALIZER));
    }
    // Whose account that one may use is found out in a moment, as where the account goes along in the same commit.
    if w.successor_opening && !definition_going && !w.number.is_annotated(ABANDON) && w.own_claim().is_some() {
        return w.stop(vec![Reason::Clearing.into()]).again(policy::CROWDED);
    }
    let spec = &w.number.spec;
    let hands_off = [
        (definition_going, "the CRD of PhoneNumber is being deleted"),
        (w.number.is_annotated(ABANDON), "it has the annotation dialplane.dev/abandon"),
        (w.marked_by_another, "its marker names another installation"),
        (spec.mode == Mode::Observe, "mode is Observe"),
        (spec.suspend, "it was suspended"),
    ];
    let hands_off = hands_off.into_iter().find_map(|(yes, why)| yes.then(|| why.to_owned()));
    let removal = Removal {
        number: &claim.number,
        claim,
        policy: spec.on_delete,
        hands_off,
        account: &w.account,
        seen: w.seen,
        platform: w.platform.as_ref(),
        trouble: w.trouble,
        in_flight: w.in_flight,
    };
    match removal.step() {
        Step::Look(look) => Decision::Look(look),
        // Nothing is written to a number without its claim.
        Step::Write(_) if w.own_claim().is_none() => Decision::Act(Effect::CreateClaim(Box::new(claim.clone()))),
        Step::Write(write) => Decision::Act(write),
        Step::Wait(finding, again) => {
            let decision = w.stop(vec![finding]);
            again.map_or(decision.clone(), |wait| decision.again(wait))
        }
        Step::LetGo(note) => let_go(w, note),
    }
}

/// A purchase whose outcome is not known holds the object (rule 11): what was sent may yet come to be ours.
fn unsettled(w: &World<'_>) -> Option<Decision<PhoneNumberStatus>> {
    let buying = w.buying.as_ref()?;
    // An old view of the journal may not show what another replica has sent.
    if !buying.record.read {
        return Some(Decision::Look(Look::Journal));
    }
    let journal = buying.record.journal?;
    let number = journal.spec.number.as_ref().filter(|_| journal.spec.holder.uid == w.uid())?;
    if matches!(w.seen, Seen::Present { .. }) && w.own_claim().is_some() {
        return None;
    }
    // It was seen to be ours, or is another object's by now: there is nothing to find out.
    let was_ours = w.number.status.as_ref().is_some_and(|status| status.number.as_ref() == Some(number))
        || w.own_claim().is_some_and(|claim| !claim.spec.carrier_number_id.is_empty());
    let is_anothers = w.claim.is_some_and(|claim| claim.spec.holder.is_some() && !claim.spec.is_held_by(w.uid()));
    if was_ours || is_anothers {
        return None;
    }
    let why = match &w.account {
        // Whoever has no say in the account cannot mend that. The journal goes on naming the number.
        AccountRef::Refused(_) => return None,
        AccountRef::Missing(key) if key.namespace != w.namespace() => return None,
        AccountRef::Missing(key) => format!("CarrierAccount {key} does not exist"),
        AccountRef::Found(account) if account.abandoned => return None,
        AccountRef::Found(account) if account.open.is_none() => {
            if account.opening {
                let text = format!(
                    "The operator checks whether {number} was bought once CarrierAccount {} is connected.",
                    account.key
                );
                return Some(w.stop(vec![Finding::new(Reason::PurchaseOutcomeUnknown, text)]).again(policy::POLL));
            }
            format!("CarrierAccount {} is not ready; see its conditions", account.key)
        }
        // Looking is always allowed.
        AccountRef::Found(account) => return buy::unsettled(w, account),
    };
    let text = format!(
        "The operator cannot find out whether {number} was bought: {why}. Fix that, or set the annotation {ABANDON}: \"true\" to delete the \
         object without cleanup."
    );
    Some(w.stop(vec![Finding::new(Reason::CleanupBlocked, text)]).again(policy::POLL))
}

/// A number that is only kept for the object is let go of. Where that cannot be done it lapses, and the object goes all the same.
fn kept(w: &World<'_>) -> Option<Decision<PhoneNumberStatus>> {
    match &w.account {
        AccountRef::Found(account) if !account.abandoned => buy::let_go(w, account),
        AccountRef::Found(_) | AccountRef::Missing(_) | AccountRef::Refused(_) => None,
    }
}

/// The claim says first that nothing of ours is left, so that a crash after that does not take anything back twice. It goes
/// after its holder: once it is gone, it could not be told from one that somebody deleted.
fn let_go(w: &World<'_>, note: Option<Note>) -> Decision<PhoneNumberStatus> {
    Decision::Act(match w.own_claim() {
        Some(bought) if bought.spec.purchase.is_some() => {
            let mut claim = bought.rested();
            // That it was ours tells whoever comes next that it is lost, should it be gone by then.
            let known = w.number.status.as_ref().and_then(|status| status.carrier_number_id.clone());
            let seen = w.seen.present().map(|seen| seen.id.0.clone());
            claim.spec.carrier_number_id = known.or(seen).unwrap_or(claim.spec.carrier_number_id);
            Effect::CloseClaim(Box::new(claim), note)
        }
        Some(claim) if !claim.spec.sent.is_empty() || claim.spec.bound.is_some() => {
            let spec = NumberClaimSpec { sent: Vec::new(), bound: None, ..claim.spec.clone() };
            Effect::CloseClaim(Box::new(NumberClaim { spec, ..claim.clone() }), note)
        }
        _ => Effect::RemoveFinalizer(ROUTE_FINALIZER),
    })
}

/// The claim as this object's status remembers it.
fn remembered_claim(w: &World<'_>) -> Option<NumberClaimSpec> {
    let route = w.route_status()?;
    let status = w.number.status.as_ref()?;
    let (account, identity) = match &w.account {
        AccountRef::Missing(account) | AccountRef::Refused(account) => (account, None),
        AccountRef::Found(AccountView { key, open, .. }) => (key, open.clone()),
    };
    let identity = identity.unwrap_or_default();
    Some(NumberClaimSpec {
        number: status.number.clone()?,
        holder: Some(w.holder_spec()),
        account: ClaimedAccount::of(account, &identity),
        purchase: None,
        carrier_number_id: status.carrier_number_id.clone().unwrap_or_default(),
        acquisition: status.acquisition?,
        on_delete: w.number.spec.on_delete,
        previous: Route::new(),
        sent: vec![route.digests.clone()],
        bound: None,
        led_to: vec![LedTo { agent: route.agent.clone(), version: route.version.clone() }],
    })
}
