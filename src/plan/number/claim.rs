//! The claim of a number as it should be for the object that holds it.

use kube::ResourceExt as _;

use super::world::{Found, World};
use crate::{
    api::{
        claim::{ClaimedAccount, ClaimedPurchase, NumberClaimSpec},
        number::{Channel, Destination, Route},
        offer::Price,
        phone_number::Acquisition,
    },
    plan::route,
};

impl<'a> World<'a> {
    /// The claim as it should be. Of one that is there, what was before and what was sent is kept; one that somebody deleted is
    /// made again from the object's status.
    pub(in crate::plan) fn claim_spec(&self, found: &Found<'_>, current: Option<&NumberClaimSpec>) -> NumberClaimSpec {
        let (seen, whole) = (&found.number.route, current);
        // Where the last holder left nothing of its own, what is there now is what was there before us.
        let current = current.filter(|claim| claim.is_held_by(self.uid()) || !claim.sent.is_empty());
        let remembered = || self.route_status().map(|route| route.digests.clone()).into_iter().collect();
        let sent = current.map_or_else(remembered, |claim| claim.sent.clone());
        let purchase = self.claimed_purchase(whole);
        let bound = whole.and_then(|claim| claim.bound.clone());
        let wanted = route::wanted(self.agent.as_ref(), bound.as_deref());
        let mut claim = NumberClaimSpec {
            number: found.number.number.clone(),
            holder: Some(self.holder_spec()),
            account: ClaimedAccount::of(&found.account, found.identity),
            carrier_number_id: found.number.id.0.clone(),
            acquisition: if purchase.is_some() { Acquisition::Purchased } else { Acquisition::Imported },
            purchase: purchase.map(Box::new),
            on_delete: self.on_delete(),
            previous: Route::new(),
            sent,
            bound,
            led_to: route::led_to(whole.map_or(&[], |claim| &claim.led_to), &wanted),
        };
        let is_foreign = |channel: &Channel, destination: &Destination| {
            !destination.is_empty() && !claim.is_ours(*channel, destination)
        };
        claim.previous = match current.filter(|claim| claim.namespace() == Some(self.namespace())) {
            Some(current) => route::previous(current, wanted.route(), seen, is_foreign),
            // What another namespace had before is nobody else's.
            None => seen
                .iter()
                .filter(|(c, destination)| is_foreign(c, destination))
                .map(|(c, destination)| (*c, destination.clone()))
                .collect(),
        };
        // To a number that has yet to come nothing is sent.
        if let Some(next) = wanted.digests().filter(|_| found.is_there()) {
            let unsettled = self.in_flight.unsettled(&claim).is_some();
            claim.sent = route::journal(&claim.sent, next, seen, unsettled);
        }
        claim
    }

    /// What the number was bought for: what the claim says, brought up to the journal of this object. It is this namespace's from
    /// now on, whosever it was.
    fn claimed_purchase(&self, current: Option<&NumberClaimSpec>) -> Option<ClaimedPurchase> {
        let claimed = current.and_then(|claim| claim.purchase.as_deref().cloned());
        let namespace = self.namespace();
        let Some((journal, buying)) = self.buying.as_ref().and_then(|b| Some((&b.record.journal?.spec, b))) else {
            let moved = current.is_some_and(|claim| claim.identity().is_none_or(|is| is.namespace != namespace));
            return claimed.map(|claimed| match moved {
                true => ClaimedPurchase { identity: self.number.name_any(), namespace: namespace.into(), ..claimed },
                false => claimed,
            });
        };
        let is_same = current.is_some_and(|claim| claim.is_for(buying.identity));
        match claimed {
            Some(claimed) if is_same => {
                let (attempt, installation) = (claimed.attempt.max(journal.attempt), buying.installation.to_owned());
                Some(ClaimedPurchase { attempt, installation, ..claimed })
            }
            // What is known of the number stays known, whoever has it.
            claimed => {
                let (known, was) = claimed.map(|claimed| (claimed.price, claimed.offered)).unwrap_or_default();
                let price = if journal.price == Price::default() { known } else { journal.price.clone() };
                Some(buying.claimed(journal, price, journal.offered.clone().or(was)))
            }
        }
    }
}
