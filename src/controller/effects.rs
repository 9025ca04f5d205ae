//! Does what a plan decided. Every write to the cluster is compare-and-set, and its answer enters the cache at once.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, GetParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions},
    core::Request,
    runtime::events::{Event, EventType},
};
use serde::Deserialize;
use serde_json::json;

use tokio::time::Instant;

use super::{
    Context,
    error::{Error, answered, code},
    kinds::{Controlled, note_id, share_id},
    local_state::Attempt,
    sessions::Session,
};
use crate::{
    api::{
        Agent, AgentVersion, NumberClaim, NumberPurchase,
        agent::{AgentVersionSpec, Draft},
        claim::NumberClaimSpec,
        conditions::{self, news},
        config::Config,
        meta::{IN_USE_FINALIZER, Key},
        number::E164,
    },
    carrier::{CarrierError, ErrorClass, Order, Outcome, Purchase},
    cluster::failure::said,
    plan::{
        BuyNumber, Effect, Entry, HoldNumber, Mark, Note, Purpose, Rest, SendOutcome, SetRoute, SetSharedRoute,
        TakeNumber, policy,
    },
    telemetry::metrics::Operation,
};

/// Does `effect` for `object`.
pub async fn act<K: Controlled>(context: &Context, object: &K, effect: Effect) -> Result<(), Error> {
    match effect {
        Effect::CreateClaim(spec) => context.create_claim(object, *spec).await,
        Effect::WriteClaim(claim) => context.write_claim(object, &claim).await,
        Effect::CloseClaim(claim, note) => {
            context.write_claim(object, &claim).await?;
            context.tell(object, note.as_slice());
            Ok(())
        }
        Effect::DropClaim(note) => {
            context.drop_object(object).await?;
            context.tell(object, note.as_slice());
            Ok(())
        }
        Effect::DropJournal => context.drop_object(object).await,
        Effect::AddFinalizer(name) => {
            let mut finalizers = object.finalizers().to_vec();
            finalizers.push(name.to_owned());
            context.set_finalizers(object, finalizers).await?;
            // The API server refuses to add one to an object that is being deleted.
            context.local.lives(object.meta().uid.as_deref().unwrap_or_default());
            Ok(())
        }
        Effect::RemoveFinalizer(name) => {
            let finalizers = object.finalizers().iter().filter(|other| *other != name).cloned().collect();
            context.set_finalizers(object, finalizers).await
        }
        // Another replica may lead by now, or wait for us to end: nothing more is sent.
        Effect::SetRoute(_) if context.is_ending() => Ok(()),
        Effect::SetRoute(write) => {
            context.fence(object, &write.number).await?;
            context.set_route(object, *write).await;
            Ok(())
        }
        Effect::SetSharedRoute(_) if context.is_ending() => Ok(()),
        Effect::SetSharedRoute(write) => {
            context.still(object).await?;
            context.set_shared_route(object, *write).await;
            Ok(())
        }
        Effect::SetBinding(_) | Effect::ServeHosted(_) if context.is_ending() => Ok(()),
        Effect::SetBinding(write) => {
            context.fence(object, &write.number).await?;
            context.set_binding(object, *write).await;
            Ok(())
        }
        Effect::ServeHosted(write) => {
            context.still(object).await?;
            context.serve_hosted(object, *write).await;
            Ok(())
        }
        Effect::Mark(_) if context.is_ending() => Ok(()),
        Effect::Mark(mark) => {
            context.fence_by_reading(object, &mark.number).await?;
            context.mark(object, *mark).await;
            Ok(())
        }
        Effect::AskGrant => {
            context.ask_grant(object);
            Ok(())
        }
        Effect::WriteJournal(entry) => context.write_journal(object, *entry).await,
        Effect::Hold(_) | Effect::Purchase(_) if context.is_ending() => Ok(()),
        Effect::Hold(hold) => context.hold(object, *hold).await,
        Effect::Purchase(buy) => {
            context.fence(object, &buy.number).await?;
            context.purchase(object, *buy).await;
            Ok(())
        }
        Effect::CancelOrder(..) if context.is_ending() => Ok(()),
        Effect::CancelOrder(account, order) => {
            context.cancel_order(object, &account, &order).await;
            Ok(())
        }
        Effect::TakeNumber(_) if context.is_ending() => Ok(()),
        Effect::TakeNumber(take) => context.take_number(object, *take).await,
        Effect::LoseNumber(account, number) => {
            context.lose(object, &account, &number);
            Ok(())
        }
        Effect::Annotate(name, value) => {
            context.annotate(object, name, &value).await?;
            context.local.put_back(&note_id(object));
            Ok(())
        }
        Effect::CreateVersion(spec) => context.create_version(object, *spec).await,
        Effect::DeleteVersion(key) => context.delete_version(&key).await,
        Effect::AcceptInventory => {
            if let Some(session) = context.sessions.get(&Key::of(object)) {
                session.inventory.accept_doubt();
            }
            Ok(())
        }
    }
}

/// A version of an agent as it is made.
pub fn frozen<K: Controlled>(agent: &K, spec: AgentVersionSpec) -> AgentVersion {
    let name = AgentVersion::name_of(&spec.agent, &spec.version);
    let mut version = AgentVersion::new(&name, spec);
    version.metadata = ObjectMeta {
        name: Some(name),
        namespace: agent.namespace(),
        owner_references: agent.controller_owner_ref(&()).map(|owner| vec![deferential(owner)]),
        finalizers: Some(vec![IN_USE_FINALIZER.to_owned()]),
        ..ObjectMeta::default()
    };
    version
}

/// Ends a pass: writes the status where it differs, and tells what is new in it.
pub async fn rest<K: Controlled>(
    context: &Context,
    object: &K,
    rest: Rest<K::Status>,
) -> Result<Option<Duration>, Error> {
    let Rest { status: Some(status), again } = rest else { return Ok(rest.again) };
    if object.status() == Some(&status) {
        return Ok(again);
    }
    let before = object.status().map_or(&[][..], K::conditions);
    let notes: Vec<Note> = news(before, K::conditions(&status))
        .map(|(row, condition)| Note {
            warning: row.event == conditions::Event::Warning,
            reason: row.name,
            text: condition.message.clone(),
        })
        .collect();
    let mut wanted = object.clone();
    wanted.set_status(status);
    let api = K::api(context.client.clone(), &object.namespace().unwrap_or_default());
    let written = answered(api.replace_status(&object.name_any(), &PostParams::default(), &wanted)).await;
    context.wrote(object, written).await?;
    context.tell(object, &notes);
    Ok(again)
}

impl Context {
    /// Takes the answer of a write into the cache. Where the write lost, the object is read again, so that the next pass does
    /// not decide on the same old one.
    async fn wrote<K: Controlled>(&self, old: &K, written: kube::Result<K>) -> Result<(), Error> {
        let change = match written {
            Ok(object) => K::cache(&self.caches).wrote(object),
            Err(error) if matches!(code(&error), Some(404 | 409)) => {
                self.read_again::<K>(&Key::of(old), old.meta().uid.as_deref()).await?;
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(change) = change {
            K::changed(self, &change);
        }
        Ok(())
    }

    pub async fn read_again<K: Controlled>(&self, key: &Key, uid: Option<&str>) -> Result<(), Error> {
        let found = answered(K::api(self.client.clone(), &key.namespace).get_opt(&key.name)).await?;
        let cache = K::cache(&self.caches);
        let change = match (found, uid) {
            (Some(object), _) => cache.wrote(object),
            (None, Some(uid)) => cache.gone(key, uid),
            (None, None) => None,
        };
        if let Some(change) = change {
            K::changed(self, &change);
        }
        Ok(())
    }

    /// A merge patch that names the version it was decided on: the API server refuses it where the object has changed since.
    async fn set_finalizers<K: Controlled>(&self, object: &K, finalizers: Vec<String>) -> Result<(), Error> {
        let patch = json!({"metadata": {"resourceVersion": object.resource_version(), "finalizers": finalizers}});
        let api = K::api(self.client.clone(), &object.namespace().unwrap_or_default());
        let written = answered(api.patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(&patch))).await;
        self.wrote(object, written).await
    }

    /// The same for an annotation.
    async fn annotate<K: Controlled>(&self, object: &K, name: &str, value: &str) -> Result<(), Error> {
        let annotations = json!({name: value});
        let patch = json!({"metadata": {"resourceVersion": object.resource_version(), "annotations": annotations}});
        let api = K::api(self.client.clone(), &object.namespace().unwrap_or_default());
        let written = answered(api.patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(&patch))).await;
        self.wrote(object, written).await
    }

    async fn create_claim<K: Controlled>(&self, holder: &K, spec: NumberClaimSpec) -> Result<(), Error> {
        let name = spec.number.digits().to_owned();
        let mut claim = NumberClaim::new(&name, spec);
        claim.metadata.finalizers = Some(vec![IN_USE_FINALIZER.to_owned()]);
        let api = NumberClaim::api(self.client.clone(), "");
        match answered(api.create(&PostParams::default(), &claim)).await {
            // Whoever finds it there has lost, and the next pass sees to whom.
            Err(error) if code(&error) == Some(409) => self.read_again::<NumberClaim>(&Key::of(&claim), None).await,
            written => self.claimed(holder, &claim, written).await,
        }
    }

    async fn write_claim<K: Controlled>(&self, holder: &K, claim: &NumberClaim) -> Result<(), Error> {
        let api = NumberClaim::api(self.client.clone(), "");
        let written = answered(api.replace(&claim.name_any(), &PostParams::default(), claim)).await;
        self.claimed(holder, claim, written).await
    }

    async fn claimed<K: Controlled>(
        &self,
        holder: &K,
        claim: &NumberClaim,
        written: kube::Result<NumberClaim>,
    ) -> Result<(), Error> {
        self.wrote(claim, written).await?;
        self.local.claimed(holder.meta().uid.as_deref().unwrap_or_default());
        Ok(())
    }

    /// Makes sure that the claim on which a carrier write was decided is still as it was: by having written it just now, or by
    /// a live read. A cache may be old, and another replica or object may hold the number by now.
    async fn fence<K: Controlled>(&self, object: &K, number: &E164) -> Result<(), Error> {
        let decided_on = self.caches.claim_of(number);
        let lets_write = decided_on.as_ref().is_some_and(|claim| lets_write(claim, object.meta()));
        if lets_write && self.local.has_just_claimed(object.meta().uid.as_deref().unwrap_or_default()) {
            return Ok(());
        }
        self.fence_by_reading(object, number).await
    }

    /// The same by a live read alone: a marker says for good whose the number is.
    async fn fence_by_reading<K: Controlled>(&self, object: &K, number: &E164) -> Result<(), Error> {
        // Before the API server is asked: a claim that moves meanwhile must not pass for the one that was decided on.
        let decided_on = self.caches.claim_of(number);
        let lets_write = decided_on.as_ref().is_some_and(|claim| lets_write(claim, object.meta()));
        let api = NumberClaim::api(self.client.clone(), "");
        let live = answered(api.get_metadata_opt(number.digits())).await?.and_then(|claim| claim.resource_version());
        if lets_write && live.is_some() && live == decided_on.as_ref().and_then(|claim| claim.resource_version()) {
            return Ok(());
        }
        let uid = decided_on.as_ref().and_then(|claim| claim.uid());
        self.read_again::<NumberClaim>(&Key::new("", number.digits()), uid.as_deref()).await?;
        Err(Error::Gone(format!("the claim of {number} that was decided on")))
    }

    /// Makes sure that the object on which a carrier write was decided is still as it was: another replica may have published
    /// something else by now.
    async fn still<K: Controlled>(&self, object: &K) -> Result<(), Error> {
        let api = K::api(self.client.clone(), &object.namespace().unwrap_or_default());
        let live = answered(api.get_metadata_opt(&object.name_any())).await?;
        if live.is_some_and(|live| live.resource_version() == object.resource_version()) {
            return Ok(());
        }
        self.read_again::<K>(&Key::of(object), object.meta().uid.as_deref()).await?;
        Err(Error::Gone(format!("{} {} as it was decided on", K::KIND.as_str(), Key::of(object))))
    }

    /// Deletes the very version of `object` that was decided on; then our finalizer, which lets it go.
    async fn drop_object<K: Controlled>(&self, object: &K) -> Result<(), Error> {
        if object.meta().deletion_timestamp.is_none() {
            self.delete(object, object.resource_version()).await?;
        }
        let Some(deleting) = K::cache(&self.caches).get(&Key::of(object)) else { return Ok(()) };
        let kept = deleting.finalizers().iter().filter(|name| *name != IN_USE_FINALIZER).cloned().collect();
        self.set_finalizers(&*deleting, kept).await
    }

    /// Deletes `object`, and no other that has come under its name.
    async fn delete<K: Controlled>(&self, object: &K, resource_version: Option<String>) -> Result<(), Error> {
        let preconditions = Some(Preconditions { uid: object.uid(), resource_version });
        let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
        let api = K::api(self.client.clone(), &object.namespace().unwrap_or_default());
        match answered(api.delete(&object.name_any(), &parameters)).await {
            Err(error) => self.wrote(object, Err(error)).await,
            Ok(Some(deleting)) => self.wrote(object, Ok(deleting)).await,
            Ok(None) => self.read_again::<K>(&Key::of(object), object.meta().uid.as_deref()).await,
        }
    }

    /// The one place where a number's route is written at the carrier.
    async fn set_route<K: Controlled>(&self, object: &K, write: SetRoute) {
        let Some(session) = self.sessions.get(&write.account) else { return };
        let outcome = session.inventory.set_route(&write.number, &write.id, &write.route).await;
        let id = object.meta().uid.as_deref().unwrap_or_default();
        if self.changed(object, id, &session, &write.account, Operation::SetRoute, outcome) {
            if write.put_back {
                self.put_back(id, &session);
            }
            self.tell(object, &write.notes);
        }
    }

    async fn set_shared_route<K: Controlled>(&self, object: &K, write: SetSharedRoute) {
        let Some(session) = self.sessions.get(&write.account) else { return };
        let carrier = session.inventory.carrier();
        let Some(shared) = carrier.shared_routes() else { return };
        let SetSharedRoute { name, current, webhooks, .. } = &write;
        let times = [carrier.capabilities().listing_lag, self.sharing_settles_in(&session)];
        let outcome = session.sharing.set(shared, name, current, webhooks, times).await;
        let id = share_id(object, &write.account);
        let changed = self.changed(object, &id, &session, &write.account, Operation::SetSharedRoute, outcome);
        if changed && write.put_back {
            self.put_back(&id, &session);
            let text = format!(
                "Put back what somebody else had changed of the route that numbers of CarrierAccount {} share.",
                write.account
            );
            self.tell(object, &[Note { warning: true, reason: "DriftCorrected", text }]);
        }
    }

    async fn mark<K: Controlled>(&self, object: &K, mark: Mark) {
        let Some(session) = self.sessions.get(&mark.account) else { return };
        let outcome = session.inventory.mark(&mark.number, &mark.id, &mark.marker).await;
        let id = object.meta().uid.as_deref().unwrap_or_default();
        if self.changed(object, id, &session, &mark.account, Operation::Mark, outcome) {
            self.put_back(id, &session);
        }
    }

    pub(super) fn put_back(&self, id: &str, session: &Session) {
        self.local.put_back(id);
        self.metrics.drift(session.inventory.carrier().capabilities().name);
    }

    /// Notes what came of a change at the carrier, to be remembered as `id`; whether it was made.
    pub(super) fn changed<K: Controlled, T>(
        &self,
        object: &K,
        id: &str,
        session: &Session,
        account: &Key,
        operation: Operation,
        outcome: Outcome<T>,
    ) -> bool {
        let carrier = session.inventory.carrier().capabilities().name;
        self.metrics.carrier_write(carrier, &outcome);
        match outcome {
            Outcome::Did(_) => {
                self.metrics.carrier_request(carrier, operation, None);
                self.local.succeeded(id, Attempt::Write);
                true
            }
            Outcome::DidNothing(error) | Outcome::Unknown(error) => {
                self.metrics.carrier_request(carrier, operation, Some(&error));
                let operation = operation.as_str();
                tracing::warn!(object = %Key::of(object), operation, %error, "the carrier could not be written to");
                self.suspect(account, &error);
                self.local.failed(id, Attempt::Write, error);
                false
            }
        }
    }

    /// Notes that the object wishes to buy. The account answers many at once.
    fn ask_grant<K: Controlled>(&self, object: &K) {
        let key = Key::of(object);
        let identity = self.caches.numbers.get(&key).and_then(|number| number.identity());
        let Some((account, identity)) = K::account(object).zip(identity) else { return };
        self.local.wish(&account, key, object.meta().uid.as_deref().unwrap_or_default(), identity);
        self.settle_rights(account);
    }

    /// Writes an entry, and knows from then on that this process wrote it. Without an answer nobody knows.
    async fn write_journal<K: Controlled>(&self, object: &K, entry: Entry) -> Result<(), Error> {
        let Entry { journal, purpose, clean } = entry;
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        if let (Purpose::Send, Some(number)) = (purpose, &journal.spec.number)
            && let Some(session) = self.sessions.get(&journal.spec.account.key())
            && !session.offer_cache.keep(number, uid)
        {
            // Somebody else of this process is about to take it; the next look shows another.
            return Ok(());
        }
        let api = NumberPurchase::api(self.client.clone(), "");
        let begun = Instant::now();
        let written = match journal.metadata.resource_version {
            Some(_) => answered(api.replace(&journal.name_any(), &PostParams::default(), &journal)).await,
            None => {
                let mut journal = journal.clone();
                journal.metadata.finalizers = Some(vec![IN_USE_FINALIZER.to_owned()]);
                answered(api.create(&PostParams::default(), &journal)).await
            }
        };
        match written {
            Err(error) if code(&error) == Some(409) => {
                let uid = journal.metadata.uid.as_deref();
                self.read_again::<NumberPurchase>(&Key::of(&journal), uid).await
            }
            written => {
                self.wrote(&journal, written).await?;
                self.local.entered(uid, &journal.spec.token, purpose, clean, begun);
                Ok(())
            }
        }
    }

    /// Has the carrier keep a number, which costs nothing, and writes down that it does.
    async fn hold<K: Controlled>(&self, object: &K, hold: HoldNumber) -> Result<(), Error> {
        let HoldNumber { account, number, marker, mut entry } = hold;
        let Some(session) = self.sessions.get(&account) else { return Ok(()) };
        let carrier = session.inventory.carrier();
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        let Some(holds) = carrier.holds().filter(|_| session.offer_cache.keep(&number, uid)) else { return Ok(()) };
        let name = carrier.capabilities().name;
        let outcome = holds.hold(&number, &marker).await;
        self.metrics.carrier_write(name, &outcome);
        let error = match outcome {
            Outcome::Did(held) => {
                self.metrics.carrier_request(name, Operation::Hold, None);
                entry.journal.spec.hold = Some(held);
                return self.write_journal(object, entry).await;
            }
            Outcome::DidNothing(error) | Outcome::Unknown(error) => error,
        };
        tracing::info!(object = %Key::of(object), %number, %error, "is not held");
        self.metrics.carrier_request(name, Operation::Hold, Some(&error));
        self.suspect(&account, &error);
        if policy::goes_unheld(&error) {
            self.local.would_not_keep(uid, &number);
        } else {
            self.settled(&session, &number, error.class == ErrorClass::Unavailable);
            self.local.failed(uid, Attempt::Purchase, about(&number, error));
        }
        Ok(())
    }

    /// A number is bought or given up: others may look again at what is for sale.
    fn settled(&self, session: &Session, number: &E164, gone: bool) {
        session.offer_cache.settled(number, gone);
        self.wake_called(session);
    }

    /// The one place where money is spent. That it was sent is known before it is: whatever ends this, an attempt is never
    /// taken for one that was not made.
    async fn purchase<K: Controlled>(&self, object: &K, buy: BuyNumber) {
        let Some(session) = self.sessions.get(&buy.account) else { return };
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        let Some(before) = self.local.send(uid, &buy.token) else { return };
        let carrier = session.inventory.carrier().capabilities().name;
        let BuyNumber { account, number, marker, route, regulatory, token, attempt, hold } = buy;
        let purchase = Purchase { number, marker, route, regulatory, hold, key: token, before };
        let settling = self.settling_of(&session);
        let outcome = session.inventory.purchase(&purchase, settling).await;
        let number = &purchase.number;
        self.metrics.carrier_write(carrier, &outcome);
        match outcome {
            Outcome::Did(ordered) => {
                let what = if ordered.is_some() { "ordered" } else { "bought" };
                tracing::info!(object = %Key::of(object), %number, attempt, "{what}");
                self.metrics.carrier_request(carrier, Operation::Purchase, None);
                self.local.succeeded(uid, Attempt::Purchase);
                self.settled(&session, number, true);
                session.paid();
                if let Some(order) = ordered {
                    self.local.tried(uid, SendOutcome::Ordered(order));
                }
            }
            Outcome::DidNothing(error) => {
                tracing::warn!(object = %Key::of(object), %number, attempt, %error, "was not bought");
                self.metrics.carrier_request(carrier, Operation::Purchase, Some(&error));
                self.suspect(&account, &error);
                if policy::is_about_number(&error) {
                    self.settled(&session, number, error.class == ErrorClass::Unavailable);
                }
                if error.class == ErrorClass::Funds {
                    session.ran_out(&error);
                }
                self.local.tried(uid, SendOutcome::DidNothing(error.clone()));
                self.local.failed(uid, Attempt::Purchase, about(number, error));
            }
            Outcome::Unknown(error) => {
                tracing::warn!(object = %Key::of(object), %number, attempt, %error, "may have been bought; it is looked for");
                self.metrics.carrier_request(carrier, Operation::Purchase, Some(&error));
            }
        }
    }

    /// Asks the carrier not to go on with an order. From then on nobody knows what became of it until it is seen.
    async fn cancel_order<K: Controlled>(&self, object: &K, account: &Key, order: &Order) {
        let Some(session) = self.sessions.get(account) else { return };
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        let carrier = session.inventory.carrier();
        let Some(orders) = carrier.orders() else { return };
        self.local.tried(uid, SendOutcome::Unknown);
        let outcome = orders.cancel(order).await;
        self.metrics.carrier_write(carrier.capabilities().name, &outcome);
        let error = match outcome {
            Outcome::Did(()) => None,
            Outcome::DidNothing(error) | Outcome::Unknown(error) => Some(error),
        };
        self.metrics.carrier_request(carrier.capabilities().name, Operation::Cancel, error.as_ref());
        tracing::info!(object = %Key::of(object), number = %order.number, ?error, "an order was to be cancelled");
        match error {
            None => self.local.succeeded(uid, Attempt::Purchase),
            Some(error) => {
                self.suspect(account, &error);
                self.local.failed(uid, Attempt::Purchase, about(&order.number, error));
            }
        }
    }

    /// Makes the claim of an idle number this object's. As with a purchase, that it was tried is known before it is.
    async fn take_number<K: Controlled>(&self, object: &K, take: TakeNumber) -> Result<(), Error> {
        let TakeNumber { account, claim, token } = take;
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        if self.local.send(uid, &token).is_none() {
            return Ok(());
        }
        let number = claim.spec.number.clone();
        let written = match claim.metadata.resource_version {
            Some(_) => self.write_claim(object, &claim).await,
            None => self.create_claim(object, claim.spec).await,
        };
        if self.caches.claim_of(&number).is_some_and(|claim| claim.spec.is_held_by(uid)) {
            tracing::info!(object = %Key::of(object), %number, "taken from the pool");
            self.local.succeeded(uid, Attempt::Purchase);
            return Ok(());
        }
        match written {
            Err(error) if !error.is_conflict() => Err(error),
            // Somebody was quicker.
            _ => {
                self.lose(object, &account, &number);
                Ok(())
            }
        }
    }

    /// The number of the last entry is somebody else's by its claim: as good as a refusal, and nothing was sent. Only this
    /// process's memory changes.
    pub fn lose<K: Controlled>(&self, object: &K, account: &Key, number: &E164) {
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        let error = CarrierError::new(ErrorClass::Unavailable, "another object holds the claim of this number");
        if let Some(session) = self.sessions.get(account) {
            self.settled(&session, number, true);
        }
        self.local.tried(uid, SendOutcome::DidNothing(error.clone()));
        self.local.failed(uid, Attempt::Purchase, about(number, error));
    }

    async fn create_version<K: Controlled>(&self, agent: &K, mut spec: AgentVersionSpec) -> Result<(), Error> {
        // One after the other: a configuration may have a megabyte, and is held until it was written.
        let _alone = self.freezing.lock().await;
        if !spec.config.is_whole() {
            spec.config = self.config_of(agent, &spec).await?;
        }
        let version = frozen(agent, spec);
        let api = AgentVersion::api(self.client.clone(), &version.namespace().unwrap_or_default());
        match answered(api.create(&PostParams::default(), &version)).await {
            Err(error) if code(&error) == Some(409) => self.read_again::<AgentVersion>(&Key::of(&version), None).await,
            written => self.wrote(&version, written).await,
        }
    }

    /// The configuration of the draft that was decided on. It is not kept in memory, and is read when it is needed.
    async fn config_of<K: Controlled>(&self, agent: &K, spec: &AgentVersionSpec) -> Result<Config, Error> {
        let api: Api<Agent> = Api::namespaced(self.client.clone(), &agent.namespace().unwrap_or_default());
        let get = Request::new(api.resource_url()).get(&spec.agent, &GetParams::default());
        let get = get.map_err(kube::Error::BuildRequest)?;
        let Drafted { spec: live } = answered(self.client.request(get)).await?;
        if live.draft.digest() != spec.draft().digest() {
            return Err(Error::Gone(format!("the draft of Agent {} that was decided on", Key::of(agent))));
        }
        Ok(live.draft.config)
    }

    async fn delete_version(&self, key: &Key) -> Result<(), Error> {
        match self.caches.versions.get(key) {
            Some(version) => self.delete(&*version, None).await,
            None => Ok(()),
        }
    }

    /// Publishes events, without making anybody wait for them: they are for people, and the object says the same.
    pub(super) fn tell<K: Resource<DynamicType = ()>>(&self, object: &K, notes: &[Note]) {
        for note in notes {
            let (recorder, reference) = (self.recorder.clone(), object.object_ref(&()));
            let event = Event {
                type_: if note.warning { EventType::Warning } else { EventType::Normal },
                reason: note.reason.to_owned(),
                note: Some(note.text.clone()),
                action: "Reconcile".to_owned(),
                secondary: None,
            };
            tokio::spawn(async move {
                if let Err(error) = recorder.publish(&event, &reference).await {
                    let error = said(&error);
                    tracing::debug!(error, reason = event.reason, "an event could not be published");
                }
            });
        }
    }
}

/// An Agent of which nothing but the draft is read.
#[derive(Debug, Deserialize)]
struct Drafted {
    spec: DraftedSpec,
}

#[derive(Debug, Deserialize)]
struct DraftedSpec {
    draft: Draft,
}

/// The same error, which says what number it is about.
fn about(number: &E164, error: CarrierError) -> CarrierError {
    CarrierError { text: format!("{number}: {}", error.text), ..error }
}

/// Whether the number of this claim may be written to for that object: it holds the claim, or is that very version of it.
fn lets_write(claim: &NumberClaim, object: &ObjectMeta) -> bool {
    let is_claim = claim.metadata.uid == object.uid && claim.metadata.resource_version == object.resource_version;
    is_claim || object.uid.as_ref().is_some_and(|uid| claim.spec.is_held_by(uid))
}

/// An owner reference that does not hold up the deletion of its owner: the finalizers do that where it is needed. With
/// `blockOwnerDeletion` some clusters (OpenShift) ask for the right to write finalizers of the owner as well.
fn deferential(owner: OwnerReference) -> OwnerReference {
    OwnerReference { block_owner_deletion: None, ..owner }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_holder_writes_and_a_claim_only_as_long_as_it_has_not_moved() {
        let claim: NumberClaim = serde_json::from_value(json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "NumberClaim",
            "metadata": {"name": "14155551234", "uid": "claim", "resourceVersion": "7"},
            "spec": {
                "number": "+14155551234", "holder": {"namespace": "a", "name": "b", "uid": "holder"},
                "account": {"namespace": "a", "name": "b", "identity": "AC1"}, "carrierNumberId": "PN1",
                "acquisition": "Imported", "onDelete": "Clear",
            },
        }))
        .unwrap();
        for (uid, version, may) in
            [("holder", "3", true), ("other", "7", false), ("claim", "7", true), ("claim", "6", false)]
        {
            let object = ObjectMeta {
                uid: Some(uid.to_owned()),
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            };
            assert_eq!(lets_write(&claim, &object), may, "{uid} {version}");
        }
    }
}
