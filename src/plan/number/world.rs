//! Everything known about one PhoneNumber, and what can be read off it.

use jiff::Timestamp;

use crate::{
    api::{
        NumberClaim, NumberPurchase, PhoneNumber,
        claim::Holder,
        meta::{Key, NUMBER},
        number::E164,
        phone_number::{Mode, OnDelete, PhoneNumberStatus, RouteStatus},
        seen::OwnedNumber,
    },
    plan::{
        AccountRef, AgentRef, Buying, InFlight, Liveness, PlatformView, Requested as _, Rival, Seen, Trouble,
        route::{self, Wanted},
    },
};

/// Everything known about one PhoneNumber.
#[derive(Clone, Debug)]
pub struct World<'a> {
    pub now: Timestamp,
    pub number: &'a PhoneNumber,
    pub account: AccountRef,
    /// `None` where no agent is wanted.
    pub agent: Option<AgentRef>,
    /// The number that this is about, where there is one: see [`number_of`].
    pub target: Option<&'a E164>,
    /// The claim of that number, whoever holds it.
    pub claim: Option<&'a NumberClaim>,
    /// What buying has come to, where the object buys.
    pub buying: Option<Buying<'a>>,
    /// Whether the holder of the claim lives, where that was read.
    pub holder: Liveness,
    /// What else is known of that holder, where it is another object.
    pub rival: Rival,
    /// Whether another object is there to which the claim may pass when this one goes.
    pub successor: bool,
    /// Whether one is there of which it is not known yet, since its account is just being opened.
    pub successor_opening: bool,
    /// Whether the account has yet to count that the number was bought, for another than this object's identity: until then it
    /// stays that one's.
    pub uncounted: bool,
    /// Whether the account's pool is shared between namespaces.
    pub shared_pool: bool,
    pub seen: Seen<'a>,
    /// Whether what is seen of the number began after this object was first seen.
    pub seen_since_met: bool,
    /// Whether the number bears the marker of another installation: then it is not written to, unless a person says so.
    pub marked_by_another: bool,
    /// The platform that the claim names or, where it names none, the one that should answer.
    pub platform: Option<PlatformView<'a>>,
    /// The one that should answer, where that is another.
    pub next_platform: Option<PlatformView<'a>>,
    pub trouble: Option<&'a Trouble>,
    /// The same of the number's extras, which hold up nothing else.
    pub extras_trouble: Option<&'a Trouble>,
    /// How often the route was put back within the last hour.
    pub put_backs: u32,
    /// What may still be on its way to the carrier.
    pub in_flight: InFlight,
    /// Whether the PhoneNumber definition is being deleted, where that was read.
    pub definition_going: Option<bool>,
}

/// A number that was found in an account that can be used, or is to come there.
pub(in crate::plan) struct Found<'a> {
    pub(in crate::plan) account: Key,
    pub(in crate::plan) identity: &'a str,
    pub(in crate::plan) number: &'a OwnedNumber,
}

impl Found<'_> {
    /// Whether the carrier has it under an id of its own: one that has yet to come has none.
    pub(super) fn is_there(&self) -> bool {
        !self.number.id.0.is_empty()
    }
}

/// The number that a PhoneNumber is about: the one that it names, or the one that the journal of buying names.
pub fn number_of<'a>(number: &'a PhoneNumber, journal: Option<&'a NumberPurchase>) -> Option<&'a E164> {
    let uid = number.metadata.uid.as_deref();
    let own = journal.filter(|journal| Some(&*journal.spec.holder.uid) == uid);
    own.and_then(|journal| journal.spec.number.as_ref()).or_else(|| number.named())
}

impl<'a> World<'a> {
    /// This object, as a claim names it.
    pub(in crate::plan) fn holder_spec(&self) -> Holder {
        let Key { namespace, name } = Key::of(self.number);
        Holder { namespace, name, uid: self.uid().to_owned() }
    }

    /// What is wanted of the number's route.
    pub(in crate::plan) fn wanted(&self) -> Wanted {
        let bound = self.own_claim().and_then(|claim| claim.spec.bound.as_deref());
        route::wanted(self.agent.as_ref(), bound)
    }

    pub(in crate::plan) fn namespace(&self) -> &'a str {
        self.number.metadata.namespace.as_deref().unwrap_or_default()
    }

    pub(in crate::plan) fn uid(&self) -> &'a str {
        self.number.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(super) fn status(&self) -> Option<&'a PhoneNumberStatus> {
        self.number.status.as_ref()
    }

    /// The route that we last saw as we wanted it.
    pub(in crate::plan) fn route_status(&self) -> Option<&'a RouteStatus> {
        self.status()?.route.as_ref()
    }

    /// Whether a person asked for a look that has not been had yet.
    pub(in crate::plan) fn is_requested(&self) -> bool {
        let handled = self.status().and_then(|status| status.last_handled_reconcile_at.as_deref());
        self.number.request().is_some_and(|request| Some(request) != handled)
    }

    /// The claim, where this very object holds it.
    pub(in crate::plan) fn own_claim(&self) -> Option<&'a NumberClaim> {
        self.claim.filter(|claim| claim.spec.is_held_by(self.uid()))
    }

    /// What becomes of the route when this object is gone without having said so. What must not be written now must not be
    /// written then.
    pub(in crate::plan) fn on_delete(&self) -> OnDelete {
        let spec = &self.number.spec;
        if spec.suspend || spec.mode == Mode::Observe { OnDelete::Leave } else { spec.on_delete }
    }

    /// Whether what this cluster remembers says that the number is this namespace's own: the claim, whoever holds it, or the journal.
    pub(in crate::plan) fn is_recorded(&self, number: &E164) -> bool {
        let claimed = self.claim.is_some_and(|claim| claim.spec.namespace() == Some(self.namespace()));
        let journal = self.buying.as_ref().and_then(|buying| buying.record.journal);
        claimed || journal.is_some_and(|journal| journal.spec.number.as_ref() == Some(number))
    }

    /// Whether a person says that a number is this object's although it bears the marker of another installation. That takes a
    /// record of this cluster as well: nobody comes to another installation's number by a word alone.
    pub(in crate::plan) fn is_adopted(&self, number: &E164) -> bool {
        self.number.annotation(NUMBER) == Some(number.as_str()) && self.is_recorded(number)
    }
}
