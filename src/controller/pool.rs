//! Which numbers of an account are idle: bought for an object that is gone, and used by nobody. Does no I/O.
//!
//! Only what this cluster remembers counts, by a claim that rests or by the journal of what the marker names: in a new cluster the
//! objects that the other numbers belong to may not have been applied yet.

use std::sync::Arc;

use super::{Context, open_accounts::OpenAccount};
use crate::{
    api::{
        NumberPurchase, PhoneNumber,
        claim::{ClaimedPurchase, NumberClaimSpec},
        meta::Key,
        number::{Destination, E164, Route},
        offer::{Feature, Offered},
        phone_number::{Acquisition, OnDelete},
        purchase::{Identity, Marker, NumberPurchaseSpec},
    },
    carrier::{OwnedNumber, inventory},
    cluster::cache::Index,
    plan::Idle,
};

impl Context {
    /// The idle numbers of the object's account, as far as this process knows.
    pub fn idle(&self, object: &PhoneNumber) -> Vec<Idle> {
        let account = object.account();
        let (Some(opened), Some(installation)) = (self.open_accounts.get(&account), self.installation()) else {
            return Vec::new();
        };
        let Some(identity) = opened.usable().filter(|_| opened.inventory.doubt().is_none()) else { return Vec::new() };
        let mut idle = self.resting(object, &account, &opened, &identity, installation);
        idle.extend(self.forgotten(object, &opened, installation));
        idle.sort_by(|a, b| a.number.cmp(&b.number));
        idle
    }

    /// Numbers whose claim rests.
    fn resting(
        &self,
        object: &PhoneNumber,
        account: &Key,
        opened: &OpenAccount,
        identity: &str,
        installation: &str,
    ) -> Vec<Idle> {
        let claims = self.caches.claims.by(Index::Idle, identity);
        let mut idle = Vec::new();
        for claim in claims.iter().filter(|claim| claim.metadata.deletion_timestamp.is_none()) {
            let (Some(bought), number) = (&claim.spec.purchase, &claim.spec.number) else { continue };
            let inventory::Seen::Present { number: seen, .. } = opened.inventory.seen(number) else { continue };
            let Some(is_for) = claim.spec.identity().filter(|_| self.would_take(object, &claim.spec)) else { continue };
            let marker = Marker::new(installation, &is_for);
            let journal = self.caches.journal_of(identity, &is_for);
            // Where the claim, the journal and the carrier disagree it is for people to say whose the number is.
            let agree = seen.marker.as_ref().is_none_or(|seen| *seen == marker)
                && journal.as_ref().is_none_or(|journal| journal.spec.number.as_ref() == Some(number));
            let settled = self.in_flight_for(account, Some(claim), number).unknown.is_zero();
            if agree && settled {
                idle.extend(self.unless_used(object, &seen, &claim.spec, bought, journal.as_deref()));
            }
        }
        idle
    }

    /// Numbers that bear the marker of a journal of this cluster, and whose claim somebody deleted.
    fn forgotten(&self, object: &PhoneNumber, opened: &OpenAccount, installation: &str) -> Vec<Idle> {
        let mut idle = Vec::new();
        for seen in opened.inventory.owned() {
            let Some(marker) = seen.marker.as_ref().filter(|marker| marker.is_of(installation)) else { continue };
            if self.caches.claim_of(&seen.number).is_some() {
                continue;
            }
            let journals = self.caches.journals.by(Index::Number, seen.number.as_str());
            let is_its =
                |journal: &&Arc<NumberPurchase>| Marker::new(installation, &journal.spec.identity()) == *marker;
            let Some(journal) = journals.iter().find(is_its) else { continue };
            let claim = rested(&journal.spec, &seen.number);
            if let Some(bought) = claim.purchase.as_ref().filter(|_| self.would_take(object, &claim)) {
                idle.extend(self.unless_used(object, &seen, &claim, bought, Some(journal)));
            }
        }
        idle
    }

    /// The number, unless something is set on it or an object that is there could come to it.
    fn unless_used(
        &self,
        object: &PhoneNumber,
        seen: &OwnedNumber,
        claim: &NumberClaimSpec,
        bought: &ClaimedPurchase,
        journal: Option<&NumberPurchase>,
    ) -> Option<Idle> {
        let numbers = &self.caches.numbers;
        let is_other = |number: &&Arc<PhoneNumber>| number.metadata.uid != object.metadata.uid;
        // Only a mention by somebody who may have the number counts, suspended or not.
        let may_have = |number: &PhoneNumber| self.may_have(number, claim);
        let wanted_back = claim.identity().is_some_and(|identity| {
            numbers.by(Index::Identity, &identity.to_string()).iter().any(|number| may_have(number))
        });
        let named = numbers.by(Index::Number, seen.number.as_str());
        let used = seen.route.values().any(|destination| !Destination::is_empty(destination))
            || wanted_back
            || named.iter().filter(is_other).any(|number| may_have(number))
            || journal.is_some_and(|journal| self.caches.lives(&journal.spec.holder));
        if used {
            return None;
        }
        let shows = |feature: &Feature| *feature == Feature::Emergency || seen.features.contains(feature);
        let offered = bought.offered.clone().map(|mut offered: Offered| {
            offered.features.retain(shows);
            offered
        });
        Some(Idle {
            number: seen.number.clone(),
            price: bought.price.clone(),
            offered,
            last: journal.map(|journal| journal.spec.holder.clone()),
            wanted: self.caches.about(&seen.number).iter().filter(is_other).any(|number| may_have(number)),
        })
    }
}

/// The claim that somebody deleted, as the journal remembers it.
fn rested(journal: &NumberPurchaseSpec, number: &E164) -> NumberClaimSpec {
    let NumberPurchaseSpec { installation, attempt, price, offered, account, .. } = journal.clone();
    let Identity { namespace, name } = journal.identity();
    NumberClaimSpec {
        number: number.clone(),
        holder: None,
        account,
        carrier_number_id: String::new(),
        acquisition: Acquisition::Purchased,
        purchase: Some(ClaimedPurchase { namespace, identity: name, installation, attempt, price, offered }.into()),
        on_delete: OnDelete::default(),
        previous: Route::new(),
        sent: Vec::new(),
        bound: None,
        led_to: Vec::new(),
    }
}
