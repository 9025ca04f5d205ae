//! The world of a PhoneNumber.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use tokio::time::{Duration, Instant};

use super::{Controlled, Looked, Seen, with_status};
use crate::{
    api::{
        Agent, AgentVersion, NumberClaim, NumberPurchase, PhoneNumber,
        account::Purchasing,
        claim::NumberClaimSpec,
        meta::Key,
        number::{E164, Route},
        phone_number::PhoneNumberStatus,
        purchase::{Identity, Marker},
    },
    carrier::{CarrierError, Order, does_not, inventory},
    cluster::{
        cache::{Change, Index},
        queue::Priority,
    },
    controller::{Context, Kind, error::Error, sessions::Session},
    plan::{self, AgentRef, Decision, Look, OfferQuery, Purpose, Served},
    telemetry::metrics::Operation,
};

impl Controlled for PhoneNumber {
    with_status!(PhoneNumberStatus);

    fn decide(context: &Context, object: &Arc<Self>, looked: &Looked) -> Decision<PhoneNumberStatus> {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let account = object.account();
        let identity = object.identity();
        let journal = context.caches.journal_for(object);
        let target = plan::number::number_of(object, journal.as_deref()).cloned();
        // A route for a number that is not chosen yet is one for any.
        let number = target.clone().unwrap_or_else(E164::example);
        let agent = object.agent().map(|agent| context.agent_ref(agent, namespace, &account, &number));
        let claim = target.as_ref().and_then(|number| context.caches.claim_of(number));
        let trouble = context.trouble_of(&**object);
        let platform = context.platform_of(claim.as_ref().map(|claim| &claim.spec), agent.as_ref(), &number, looked);
        let wanted = context.platform_of(None, agent.as_ref(), &number, looked);
        let next = wanted.filter(|(key, _)| platform.as_ref().is_some_and(|(now, _)| now != key));
        let seen = target.as_ref().map_or(Seen::Unseen, |number| context.seen(&account, number, looked));
        let purchasable = identity.as_ref().map(|identity| context.purchasable(object, &account, identity, looked));
        let own = journal.as_ref().and_then(|journal| {
            context.local.own(uid, &journal.spec.token, purchasable.as_ref().map_or(Duration::ZERO, |w| w.settling))
        });
        let leaving = journal.as_ref().is_some_and(|journal| context.is_leaving(&journal.spec.holder));
        let buying = purchasable.as_ref().zip(identity.as_ref()).map(|(purchasable, identity)| plan::Buying {
            identity,
            installation: context.installation().unwrap_or_default(),
            marker: &purchasable.marker,
            journal: journal.as_deref(),
            read: looked.journal,
            claim_read: looked.claim,
            holder: looked.holder,
            holder_leaving: leaving,
            own: own.as_ref(),
            marked: purchasable.marked.as_deref(),
            orders: purchasable.orders.as_deref(),
            claims: &purchasable.claims,
            offers: &looked.offers,
            idle: looked.idle.as_deref(),
            grant: purchasable.grant.clone(),
            no_money: purchasable.no_money.as_ref(),
            token: &looked.token,
            live: looked.itself,
            limits: &purchasable.limits,
            doubtful: purchasable.doubtful,
            sells: purchasable.sells,
            marks: purchasable.marks,
            unclaimed: &purchasable.unclaimed,
            holds: purchasable.holds,
            unheld: purchasable.unheld.as_ref(),
            not_before: purchasable.not_before,
        });
        plan::number::next(&plan::number::World {
            now: Timestamp::now(),
            number: object,
            target: target.as_ref(),
            buying,
            claim: claim.as_deref(),
            holder: looked.holder,
            rival: context.rival(object, claim.as_deref().filter(|claim| !claim.spec.is_held_by(uid)), looked),
            successor: object.metadata.deletion_timestamp.is_some()
                && claim.as_ref().is_some_and(|claim| context.has_successor(&claim.spec, uid)),
            successor_opening: object.metadata.deletion_timestamp.as_ref().is_some_and(|since| {
                claim.as_ref().is_some_and(|claim| context.awaits_successor(&claim.spec, uid, since.0))
            }),
            uncounted: claim.as_ref().is_some_and(|claim| context.is_uncounted(&claim.spec, identity.as_ref())),
            shared_pool: context.shares_its_pool(&account),
            seen: seen.view(),
            seen_since_met: claim.as_ref().is_some_and(|claim| claim.spec.is_held_by(uid))
                || context.is_seen_since(&account, &number, context.local.first_seen(uid)),
            elsewhere: context.is_marked_elsewhere(&seen),
            platform: platform
                .as_ref()
                .map(|platform| context.platform_view(platform, &account, agent.as_ref(), &number)),
            next_platform: next.as_ref().map(|next| context.platform_view(next, &account, agent.as_ref(), &number)),
            trouble: trouble.as_ref(),
            put_backs: context.local.put_backs(uid),
            in_flight: context.in_flight_for(&account, claim.as_deref(), &number),
            definition_going: looked.definition_going,
            agent,
            account: context.account_ref(account, namespace),
        })
    }

    fn account(object: &Self) -> Option<Key> {
        Some(object.account())
    }

    fn changed(context: &Context, change: &Change<Self>) {
        context.number_changed(change);
    }

    async fn look(context: &Context, object: &Arc<Self>, look: Look, looked: &mut Looked) -> Result<(), Error> {
        match look {
            Look::Inventory => context.look_for_marked(object).await,
            Look::Orders => context.look_for_orders(&**object, &object.account(), looked).await,
            Look::Journal => {
                context.read_journal(object).await?;
                looked.journal = true;
            }
            Look::Claim(number) => {
                let known = context.caches.claim_of(&number).and_then(|claim| claim.metadata.uid.clone());
                context.read_again::<NumberClaim>(&Key::new("", number.digits()), known.as_deref()).await?;
                looked.claim = true;
            }
            Look::Idle => looked.idle = Some(context.idle(object)),
            Look::Offers(asked) => context.look_for_offers(object, *asked, looked).await,
            other => return context.look(&**object, other, looked).await,
        }
        Ok(())
    }
}

/// The name of the version that serves, and the version.
pub type Published = (String, Arc<AgentVersion>);

/// What is known about buying for one object, kept for as long as a world borrows it.
struct Purchasable {
    marker: Marker,
    marked: Option<Vec<E164>>,
    orders: Option<Vec<Order>>,
    claims: Vec<NumberClaim>,
    grant: plan::Grant,
    no_money: Option<(CarrierError, Duration)>,
    limits: Purchasing,
    doubtful: bool,
    sells: bool,
    marks: bool,
    unclaimed: Vec<E164>,
    holds: bool,
    unheld: Option<E164>,
    settling: Duration,
    not_before: Duration,
}

impl Context {
    /// Reads the journal of what an object buys from the API server: the one that is known, or the one that may have been made.
    async fn read_journal(&self, object: &PhoneNumber) -> Result<(), Error> {
        let known = self.caches.journal_for(object);
        let named = || {
            let account = self.caches.account_identity(&object.account())?;
            Some(Key::new("", NumberPurchase::name_of(&account, &object.identity()?)))
        };
        let Some(key) = known.as_ref().map(|journal| Key::of(&**journal)).or_else(named) else { return Ok(()) };
        let uid = known.and_then(|journal| journal.metadata.uid.clone());
        self.read_again::<NumberPurchase>(&key, uid.as_deref()).await
    }

    fn purchasable(&self, object: &PhoneNumber, account: &Key, identity: &Identity, looked: &Looked) -> Purchasable {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let cached = self.caches.accounts.get(account);
        let session = self.sessions.get(account);
        let carrier = session.as_ref().map(|session| session.inventory.carrier());
        let settling = session.as_ref().map_or(Duration::ZERO, |session| self.settling_of(session));
        let marker = Marker::new(self.installation().unwrap_or_default(), identity);
        let marked =
            session.as_ref().and_then(|session| session.inventory.marked(&marker, self.marked_since(uid, settling)));
        // One that was handed over bears the marker of whoever had it before.
        let is_anothers = |number: &E164| {
            self.caches.claim_of(number).is_some_and(|claim| claim.spec.is_of_another(&identity.namespace))
        };
        let marked = marked.map(|mut marked| {
            marked.retain(|number| !is_anothers(number));
            marked
        });
        let claims = self.caches.claims.by(Index::Identity, &identity.to_string());
        let at = self.caches.account_identity(account);
        let is_there = |claim: &&Arc<NumberClaim>| Some(&claim.spec.account.identity) == at.as_ref();
        let mut claims: Vec<NumberClaim> = claims.iter().filter(is_there).map(|claim| (**claim).clone()).collect();
        claims.sort_by_key(|claim| std::cmp::Reverse(claim.spec.purchase.as_ref().map(|purchase| purchase.attempt)));
        let marks = carrier.as_ref().is_none_or(|carrier| carrier.marks().is_some());
        let given = cached.as_ref().is_some_and(|account| {
            account.open_grants().iter().any(|grant| grant.uid == uid || grant.is_for(identity))
        });
        Purchasable {
            orders: session.as_ref().and_then(|session| session.inventory.orders(&marker, looked.began)),
            marker,
            marked,
            claims,
            grant: if given { plan::Grant::Given } else { self.local.wished(account, uid) },
            no_money: session.as_ref().and_then(|session| session.no_money()),
            limits: cached.map(|account| account.spec.purchasing.clone()).unwrap_or_default(),
            // Without a name for this installation nothing could be told from what others bought.
            doubtful: self.installation().is_none()
                || session.as_ref().is_some_and(|session| session.inventory.doubt().is_some()),
            sells: carrier.as_ref().is_some_and(|carrier| carrier.sales().is_some()),
            marks,
            unclaimed: session.filter(|_| !marks).map(|session| self.unclaimed(&session)).unwrap_or_default(),
            holds: carrier.is_some_and(|carrier| carrier.holds().is_some()),
            unheld: self.local.unheld(uid),
            settling,
            not_before: self.knows_the_past_from(settling).saturating_duration_since(Instant::now()),
        }
    }

    /// The numbers of an account that nothing in this cluster claims.
    fn unclaimed(&self, session: &Session) -> Vec<E164> {
        let owned = session.inventory.owned();
        let owned = owned.iter().map(|number| &number.number);
        owned.filter(|number| self.caches.claim_of(number).is_none()).cloned().collect()
    }

    /// Whether a right to buy is still open that the number of this claim was bought by, for another identity than `own`. Where the
    /// account cannot count it, nobody waits for that.
    fn is_uncounted(&self, claim: &NumberClaimSpec, own: Option<&Identity>) -> bool {
        let Some(identity) = claim.identity().filter(|identity| Some(identity) != own) else { return false };
        let key = claim.account.key();
        let Some((account, session)) = self.caches.accounts.get(&key).zip(self.sessions.get(&key)) else {
            return false;
        };
        let counts = account.metadata.deletion_timestamp.is_none()
            && session.open().is_some()
            && session.inventory.doubt().is_none();
        let waits = counts && account.open_grants().iter().any(|grant| grant.is_for(&identity));
        if waits {
            // Nothing else may wake it: what it counts by may have come to be seen after its last pass.
            self.settle_rights(key);
        }
        waits
    }

    /// Whether a number bears the marker of another installation than ours.
    pub(super) fn is_marked_elsewhere(&self, seen: &Seen) -> bool {
        let Seen::Present { number, .. } = seen else { return false };
        let installation = self.installation().unwrap_or_default();
        number.marker.as_ref().is_some_and(|marker| !marker.is_of(installation))
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

    async fn look_for_marked(&self, object: &PhoneNumber) {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let Some(session) = self.sessions.get(&object.account()) else { return };
        let since = self.marked_since(uid, self.settling_of(&session));
        let asked = session.inventory.look_for_marked(since).await;
        let carrier = session.inventory.carrier().capabilities().name;
        self.metrics.carrier_request(carrier, Operation::List, asked.as_ref().err());
        self.looked(uid, &object.account(), asked);
    }

    pub(super) async fn look_for_orders(&self, object: &impl Resource, account: &Key, looked: &Looked) {
        let Some(session) = self.sessions.get(account) else { return };
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        self.looked(uid, account, session.inventory.look_for_orders(looked.began).await);
    }

    async fn look_for_offers(&self, object: &PhoneNumber, asked: OfferQuery, looked: &mut Looked) {
        let Some(session) = self.sessions.get(&object.account()) else { return };
        let found = self.offers(&session, &asked, Some(object)).await;
        self.wake_called(&session);
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        self.looked(uid, &object.account(), found.map(|offers| looked.offers.push(offers)));
    }

    /// Wakes those who waited for what there is and may look again.
    pub fn wake_called(&self, session: &Session) {
        for number in session.offer_cache.called() {
            self.wake(Kind::PhoneNumber, number, Priority::Urgent);
        }
    }

    /// What is for sale for an object or just so, without what the account owns or somebody else in this cluster claims.
    pub async fn offers(
        &self,
        session: &Session,
        asked: &OfferQuery,
        object: Option<&PhoneNumber>,
    ) -> Result<plan::Offers, CarrierError> {
        let carrier = session.inventory.carrier();
        let sales = carrier.sales().ok_or_else(|| does_not(&*carrier, "sell numbers"))?;
        let identity = object.and_then(PhoneNumber::identity);
        let uid = object.and_then(|object| object.metadata.uid.as_deref()).unwrap_or_default();
        let who = object.map(Key::of);
        // Whoever has written down that it is about to buy a number may take longer than it is kept for it in memory.
        let is_written_down = |number: &E164| {
            let journals = self.caches.journals.by(Index::Number, number.as_str());
            journals.iter().any(|j| j.spec.holder.uid != uid && self.caches.lives(&j.spec.holder))
        };
        let is_claimed = |number: &E164| {
            self.caches.claim_of(number).is_some_and(|claim| identity.is_none() || claim.spec.identity() != identity)
                || matches!(session.inventory.seen(number), inventory::Seen::Present { .. })
                || is_written_down(number)
        };
        let found = session.offer_cache.offers(sales, asked, uid, who.as_ref(), is_claimed).await;
        self.metrics.carrier_request(carrier.capabilities().name, Operation::Search, found.as_ref().err());
        found
    }
}

impl Context {
    /// What a reference to an agent from `namespace` leads to, for this number of this account.
    fn agent_ref(&self, key: Key, namespace: &str, account: &Key, number: &E164) -> AgentRef {
        let Some(agent) = self.caches.agents.get(&key) else {
            // Which names there are in another namespace is nobody's to find out.
            return if key.namespace == namespace { AgentRef::Missing(key) } else { AgentRef::Refused(key) };
        };
        if !self.caches.allows(&agent.spec.allowed_namespaces, &key.namespace, namespace) {
            return AgentRef::Refused(key);
        }
        let serves = match (self.published(&agent, &key), self.sharing_session(account)) {
            (Ok(published), session) => {
                let hosted = self.serves_hosted(&agent, &key, &published, account);
                hosted.unwrap_or_else(|| match session {
                    Some(session) => {
                        let to_all = serves_all(&key, &published, &session);
                        plan::shared::served(&agent, to_all, account, &session.uid)
                    }
                    None => self.serves(&key, published, account, number),
                })
            }
            (Err(serves), Some(session)) => plan::shared::served(&agent, serves, account, &session.uid),
            (Err(serves), None) => serves,
        };
        AgentRef::Found { key, offline: agent.spec.offline, serves }
    }

    /// The session of an account whose numbers share their routes.
    pub fn sharing_session(&self, account: &Key) -> Option<Arc<Session>> {
        self.sessions.get(account).filter(|session| session.inventory.carrier().shared_routes().is_some())
    }

    /// The version that serves. Only the agent's status says what is published: its draft and its spec say what somebody wishes.
    pub(in crate::controller) fn published(&self, agent: &Agent, key: &Key) -> Result<Published, Served> {
        let Some(published) = agent.status.as_ref().and_then(|status| status.published_version.clone()) else {
            return Err(Served::Nothing);
        };
        let version = Key::new(&*key.namespace, AgentVersion::name_of(&key.name, &published));
        let known = agent.status.iter().flat_map(|status| &status.versions).find(|known| known.name == published);
        // Another one under the name of one that was published serves nobody.
        let is_published =
            |version: &Arc<AgentVersion>| known.is_some_and(|known| known.digest == version.spec.draft().digest());
        match self.caches.versions.get(&version).filter(is_published) {
            None => Err(Served::Missing(published)),
            Some(version) => Ok((published, version)),
        }
    }

    /// What the webhooks of a version serve to this number of an account.
    fn serves(&self, agent: &Key, (name, version): Published, account: &Key, number: &E164) -> Served {
        let route = version.spec.webhooks.route(agent, &name, number);
        Served::Version { route: self.as_shown(account, route), name }
    }

    /// `route` as the account's carrier will show it, without the channels that it does not have, and without what it cannot have there.
    fn as_shown(&self, account: &Key, route: Route) -> Route {
        let Some(session) = self.sessions.get(account) else { return route };
        let carrier = session.inventory.carrier();
        let mut route = carrier.canonical(route);
        route.retain(|channel, destination| {
            carrier.capabilities().channels.contains(channel) && !destination.is_empty()
        });
        route
    }
}

/// What the webhooks of a version serve to all of its agent's numbers at an account that has them share one route.
pub(super) fn serves_all(agent: &Key, (name, version): &Published, session: &Session) -> Served {
    let (name, webhooks) = (name.clone(), &version.spec.webhooks);
    if webhooks.name_the_number() {
        return Served::Unshareable(name);
    }
    let mut route = session.inventory.carrier().canonical(webhooks.route(agent, &name, &E164::example()));
    route.retain(|_, destination| !destination.is_empty());
    Served::Version { name, route }
}
