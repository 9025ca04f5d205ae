//! What is known about buying for one PhoneNumber, and the looks at the carrier and the cluster that tell it.

use std::{sync::Arc, time::Duration};

use kube::Resource;
use tokio::time::Instant;

use super::{Context, Kind, error::Error, kinds::Looked, open_accounts::OpenAccount};
use crate::{
    api::{
        NumberClaim, NumberPurchase, PhoneNumber,
        account::Grant,
        claim::NumberClaimSpec,
        meta::Key,
        number::E164,
        purchase::{Identity, Marker},
    },
    carrier::{CarrierError, Holds, does_not, inventory},
    cluster::{cache::Index, queue::Priority},
    plan::{self, OfferQuery, Purpose},
    telemetry::metrics::Operation,
};

/// What is known about buying for one object, kept for as long as a world borrows it.
pub(super) struct KnownOfBuying {
    pub traces: plan::Traces,
    pub seller: plan::Seller,
    /// How long after it was sent a purchase may still come about.
    pub settling: Duration,
}

impl Context {
    /// Reads the journal of what an object buys from the API server: the one that is known, or the one that may have been made.
    pub(super) async fn read_journal(&self, object: &PhoneNumber) -> Result<(), Error> {
        let known = self.caches.journal_for(object);
        let named = || {
            let account = self.caches.account_identity(&object.account())?;
            Some(Key::new("", NumberPurchase::name_of(&account, &object.identity()?)))
        };
        let Some(key) = known.as_ref().map(|journal| Key::of(&**journal)).or_else(named) else { return Ok(()) };
        let uid = known.and_then(|journal| journal.metadata.uid.clone());
        self.read_again::<NumberPurchase>(&key, uid.as_deref()).await
    }

    /// What is known about buying for an object.
    pub(super) fn known_of_buying(
        &self,
        object: &PhoneNumber,
        account: &Key,
        identity: &Identity,
        looked: &Looked,
    ) -> KnownOfBuying {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let opened = self.open_accounts.get(account);
        let opened = opened.as_deref();
        let settling = opened.map_or(Duration::ZERO, |opened| self.settling_of(opened));
        let seller = self.seller(account, identity, uid, opened, settling);
        let traces = self.traces(account, identity, opened, self.marked_since(uid, settling), looked, seller.marks);
        KnownOfBuying { traces, seller, settling }
    }

    fn seller(
        &self,
        account: &Key,
        identity: &Identity,
        uid: &str,
        opened: Option<&OpenAccount>,
        settling: Duration,
    ) -> plan::Seller {
        let cached = self.caches.accounts.get(account);
        let carrier = opened.map(|opened| opened.inventory.carrier());
        let holds = carrier.as_ref().and_then(|carrier| carrier.holds());
        plan::Seller {
            sells: carrier.as_ref().is_some_and(|carrier| carrier.sales().is_some()),
            marks: carrier.as_ref().is_none_or(|carrier| carrier.marks().is_some()),
            holds: holds.is_some(),
            lets_go: holds.and_then(Holds::letting_go).is_some(),
            unheld: self.local.unheld(uid),
            asked: self.local.asked_to_keep(uid),
            limits: cached.map(|account| account.spec.purchasing.clone()).unwrap_or_default(),
            grant: match self.has_right(account, identity, uid) {
                true => plan::Grant::Given,
                false => self.local.wished(account, uid),
            },
            no_money: opened.and_then(OpenAccount::no_money),
            // Without a name for this installation nothing could be told from what others bought.
            doubtful: self.installation().is_none() || opened.is_some_and(|opened| opened.inventory.doubt().is_some()),
            not_before: self.knows_the_past_from(settling).saturating_duration_since(Instant::now()),
        }
    }

    /// Whether an object has the right to buy.
    pub(super) fn has_right(&self, account: &Key, identity: &Identity, uid: &str) -> bool {
        let Some(cached) = self.caches.accounts.get(account) else { return false };
        let version = cached.metadata.resource_version.as_deref().unwrap_or_default();
        let is_its = |grant: &Grant| grant.uid == uid || grant.is_for(identity);
        cached.open_grants().iter().any(is_its) && !self.local.is_given_back(account, version, uid, identity)
    }

    fn traces(
        &self,
        account: &Key,
        identity: &Identity,
        opened: Option<&OpenAccount>,
        marked_since: Instant,
        looked: &Looked,
        marks: bool,
    ) -> plan::Traces {
        let marker = Marker::new(self.installation().unwrap_or_default(), identity);
        // One that was handed over bears the marker of whoever had it before.
        let is_anothers = |number: &E164| {
            self.caches.claim_of(number).is_some_and(|claim| claim.spec.is_of_another(&identity.namespace))
        };
        let marked = opened.and_then(|opened| opened.inventory.marked(&marker, marked_since));
        let at = self.caches.account_identity(account);
        let claims = self.caches.claims.by(Index::Identity, &identity.to_string());
        let is_there = |claim: &&Arc<NumberClaim>| Some(&claim.spec.account.identity) == at.as_ref();
        let mut claims: Vec<NumberClaim> = claims.iter().filter(is_there).map(|claim| (**claim).clone()).collect();
        claims.sort_by_key(|claim| std::cmp::Reverse(claim.spec.purchase.as_ref().map(|purchase| purchase.attempt)));
        plan::Traces {
            marked: marked.map(|marked| marked.into_iter().filter(|number| !is_anothers(number)).collect()),
            orders: opened.and_then(|opened| opened.inventory.orders(&marker, looked.began)),
            claims,
            unclaimed: opened.filter(|_| !marks).map(|opened| self.unclaimed(opened)).unwrap_or_default(),
            marker,
        }
    }

    /// The numbers of an account that nothing in this cluster claims.
    fn unclaimed(&self, opened: &OpenAccount) -> Vec<E164> {
        let owned = opened.inventory.owned();
        let owned = owned.iter().map(|number| &number.number);
        owned.filter(|number| self.caches.claim_of(number).is_none()).cloned().collect()
    }

    /// Whether a right to buy is still open that the number of this claim was bought by, for another identity than `own`. Where the
    /// account cannot count it, nobody waits for that.
    pub(super) fn is_uncounted(&self, claim: &NumberClaimSpec, own: Option<&Identity>) -> bool {
        let Some(identity) = claim.identity().filter(|identity| Some(identity) != own) else { return false };
        let key = claim.account.key();
        let Some((account, opened)) = self.caches.accounts.get(&key).zip(self.open_accounts.get(&key)) else {
            return false;
        };
        let counts = account.metadata.deletion_timestamp.is_none()
            && opened.usable().is_some()
            && opened.inventory.doubt().is_none();
        counts && account.open_grants().iter().any(|grant| grant.is_for(&identity))
    }

    /// After when a listing must have begun to show every number that may have been bought for this object.
    fn marked_since(&self, uid: &str, settling: Duration) -> Instant {
        let met = self.local.first_seen(uid);
        let past = self.knows_the_past_from(settling);
        // An entry that fences others off proves by what is seen once nothing can come about any more.
        let entered = self.local.entered_at(uid).map(|(at, purpose)| match purpose {
            Purpose::Settle if at + settling <= Instant::now() => at + settling,
            Purpose::Settle | Purpose::Send | Purpose::Hold | Purpose::Take => at,
        });
        met.max(past).max(entered.unwrap_or(met))
    }

    pub(super) async fn look_for_marked(&self, object: &PhoneNumber) {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let Some(opened) = self.open_accounts.get(&object.account()) else { return };
        let since = self.marked_since(uid, self.settling_of(&opened));
        let asked = opened.inventory.look_for_marked(since).await;
        let carrier = opened.inventory.carrier().capabilities().name;
        self.metrics.carrier_request(carrier, Operation::List, asked.as_ref().err());
        self.looked(uid, &object.account(), asked);
    }

    pub(super) async fn look_for_orders(&self, object: &impl Resource, account: &Key, looked: &Looked) {
        let Some(opened) = self.open_accounts.get(account) else { return };
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        self.looked(uid, account, opened.inventory.look_for_orders(looked.began).await);
    }

    pub(super) async fn look_for_offers(&self, object: &PhoneNumber, asked: OfferQuery, looked: &mut Looked) {
        let Some(opened) = self.open_accounts.get(&object.account()) else { return };
        let found = self.offers(&opened, &asked, Some(object)).await;
        self.wake_called(&opened);
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        self.looked(uid, &object.account(), found.map(|offers| looked.offers.push(offers)));
    }

    /// Wakes those who waited for what there is and may look again.
    pub fn wake_called(&self, opened: &OpenAccount) {
        for number in opened.offer_cache.called() {
            self.wake(Kind::PhoneNumber, number, Priority::Urgent);
        }
    }

    /// What is for sale for an object or just so, without what the account owns or somebody else in this cluster claims.
    pub async fn offers(
        &self,
        opened: &OpenAccount,
        asked: &OfferQuery,
        object: Option<&PhoneNumber>,
    ) -> Result<plan::Offers, CarrierError> {
        let carrier = opened.inventory.carrier();
        let sales = carrier.sales().ok_or_else(|| does_not(&*carrier, "sell numbers"))?;
        let identity = object.and_then(PhoneNumber::identity);
        let uid = object.and_then(|object| object.metadata.uid.as_deref()).unwrap_or_default();
        let who = object.map(Key::of);
        // Whoever has written down that it is about to buy a number, or has it held, may take longer than it is kept for it in memory.
        let is_written_down = |number: &E164| {
            let names = |index| {
                let journals = self.caches.journals.by(index, number.as_str());
                journals.iter().any(|j| j.spec.holder.uid != uid && self.caches.lives(&j.spec.holder))
            };
            names(Index::Number) || names(Index::Hold)
        };
        let is_claimed = |number: &E164| {
            self.caches.claim_of(number).is_some_and(|claim| identity.is_none() || claim.spec.identity() != identity)
                || matches!(opened.inventory.seen(number), inventory::Seen::Present { .. })
                || is_written_down(number)
        };
        let found = opened.offer_cache.offers(sales, asked, uid, who.as_ref(), is_claimed).await;
        self.metrics.carrier_request(carrier.capabilities().name, Operation::Search, found.as_ref().err());
        found
    }
}
