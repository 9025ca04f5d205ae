//! What one object's work writes to its carrier, and what this process remembers of that. It does I/O: the carrier.

use std::sync::Arc;

use super::{
    Context,
    effects::CarrierWrites,
    error::Error,
    kinds::{Controlled, share_id},
    local_state::Attempt,
    open_accounts::OpenAccount,
    reconcile::Reconcile,
};
use crate::{
    api::{
        meta::Key,
        number::{Channel, Destination, E164, Route},
        purchase::Hold,
    },
    carrier::{CarrierError, ErrorClass, Holds, Order, Outcome, Purchase, inventory},
    plan::{
        BindingChange, BuyNumber, HoldNumber, Mark, Note, Purpose, SendOutcome, ServeHosted, SetBinding, SetRoute,
        SetSharedRoute, hosting::Serve, policy,
    },
    telemetry::metrics::Operation,
};

/// The target of the lines that tell of every change at a carrier, and of every claim that comes to another.
pub(super) const AUDIT: &str = "dialplane::audit";

impl<K: Controlled> CarrierWrites for Reconcile<'_, K> {
    /// The one place where a number's route is written at the carrier.
    async fn set_route(&mut self, write: SetRoute) -> Result<(), Error> {
        let Some(opened) = self.opened(&write.account)? else { return Ok(()) };
        let before = match opened.inventory.shown(&write.number) {
            inventory::Seen::Present { number, .. } => number.route.clone(),
            inventory::Seen::Absent { .. } | inventory::Seen::Unseen => Route::new(),
        };
        let what = format!("{}: {}", write.number, described(&before, &write.route));
        let outcome = opened.inventory.set_route(&write.number, &write.id, &write.route).await;
        if self.changed(self.uid(), &opened, &write.account, (Operation::SetRoute, &what, outcome)) {
            if write.put_back {
                self.context.put_back(self.uid(), &opened);
            }
            self.publish(&write.notes);
        }
        Ok(())
    }

    async fn set_shared_route(&mut self, write: SetSharedRoute) -> Result<(), Error> {
        let context = self.context;
        if context.dry_run().is_some() {
            // What its numbers would be bound to is taken for made, for what they would do then.
            context.open_accounts.get(&write.account).inspect(|opened| opened.sharing.pretend(&write));
            return Ok(());
        }
        let Some(opened) = self.opened(&write.account)? else { return Ok(()) };
        let carrier = opened.inventory.carrier();
        let Some(shared) = carrier.shared_routes() else { return Ok(()) };
        let SetSharedRoute { name, current, webhooks, .. } = &write;
        let what = format!("{name}: {}", described(&current.webhooks, webhooks));
        let times = [carrier.capabilities().listing_lag, context.sharing_settles_in(&opened)];
        let outcome = opened.sharing.set(shared, name, current, webhooks, times).await;
        let id = share_id(self.object, &write.account);
        let changed = self.changed(&id, &opened, &write.account, (Operation::SetSharedRoute, &what, outcome));
        if changed && write.put_back {
            context.put_back(&id, &opened);
            let text =
                format!("Corrected a change of the route that numbers of CarrierAccount {} share.", write.account);
            self.publish(&[Note { warning: true, reason: "DriftCorrected", text }]);
        }
        Ok(())
    }

    async fn set_binding(&mut self, write: SetBinding) -> Result<(), Error> {
        let Some(opened) = self.opened(&write.platform)? else { return Ok(()) };
        let Some([off, on]) = write.halves() else {
            self.bind(&opened, &write).await;
            return Ok(());
        };
        let turn = self.context.turn_to_move(&opened, &write).await;
        let _turn = match turn {
            Ok(turn) => turn,
            Err(error) => {
                let outcome = Outcome::<()>::DidNothing(error);
                self.changed(self.uid(), &opened, &write.platform, (Operation::Unbind, write.number.as_str(), outcome));
                return Ok(());
            }
        };
        if self.context.is_ending() {
            return Ok(());
        }
        // That took its time. What was taken off is put on again even if this process is to end.
        self.claim_stands(&write.number, false).await?;
        if self.bind(&opened, &off).await {
            self.claim_stands(&write.number, false).await?;
            self.bind(&opened, &on).await;
        }
        Ok(())
    }

    async fn serve_hosted(&mut self, write: ServeHosted) -> Result<(), Error> {
        let context = self.context;
        if context.dry_run().is_some() {
            // As with what numbers share.
            context.open_accounts.get(&write.account).inspect(|opened| opened.hosted.pretend(&write));
            return Ok(());
        }
        let Some(opened) = self.opened(&write.account)? else { return Ok(()) };
        let what = match &write.serve {
            Serve::Draft { note, .. } => format!("{}: its draft, as {note}", write.agent),
            Serve::Version(version) => format!("{}: its version {version}", write.agent),
        };
        let (operation, outcome) = opened.hosted.serve(&*opened.inventory.carrier(), &write).await;
        let id = share_id(self.object, &write.account);
        if self.changed(&id, &opened, &write.account, (operation, &what, outcome)) && write.put_back {
            context.put_back(&id, &opened);
            let text = format!(
                "Corrected which version of the agent {} serves at CarrierAccount {}.",
                write.agent, write.account
            );
            self.publish(&[Note { warning: true, reason: "DriftCorrected", text }]);
        }
        Ok(())
    }

    async fn mark(&mut self, mark: Mark) -> Result<(), Error> {
        let Some(opened) = self.opened(&mark.account)? else { return Ok(()) };
        let outcome = opened.inventory.mark(&mark.number, &mark.id, &mark.marker).await;
        if self.changed(self.uid(), &opened, &mark.account, (Operation::Mark, mark.number.as_str(), outcome)) {
            self.context.put_back(self.uid(), &opened);
        }
        Ok(())
    }

    async fn bring_in(&mut self, account: Key, number: E164) -> Result<(), Error> {
        let Some(opened) = self.opened(&account)? else { return Ok(()) };
        let outcome = opened.inventory.bring_in(&number).await;
        if self.changed(self.uid(), &opened, &account, (Operation::BringIn, number.as_str(), outcome)) {
            let text = format!("The carrier imported {number} from the organization's own carrier account.");
            self.publish(&[Note { warning: false, reason: "ImportedAtCarrier", text }]);
        }
        Ok(())
    }

    /// That costs nothing.
    async fn hold(&mut self, hold: &HoldNumber) -> Result<Option<Hold>, Error> {
        let HoldNumber { account, number, marker, entry } = hold;
        let context = self.context;
        if context.dry_run().is_some() && entry.purpose == Purpose::Send {
            // The purchase that would follow says more than that the number would be kept until then.
            return Ok(Some(Hold { number: number.clone(), id: String::new(), until: None }));
        }
        let Some(opened) = self.opened(account)? else { return Ok(None) };
        let carrier = opened.inventory.carrier();
        let Some(holds) = carrier.holds().filter(|_| opened.offer_cache.keep(number, self.uid())) else {
            return Ok(None);
        };
        let name = carrier.capabilities().name;
        // Whatever becomes of it, the same number is asked for again: else it would be kept for nobody.
        context.local.ask_to_keep(self.uid(), Some(number));
        let outcome = holds.hold(number, marker).await;
        self.audit(account, Operation::Hold, number.as_str(), &outcome);
        context.metrics.carrier_write(name, &outcome);
        let error = match outcome {
            Outcome::Did(held) => {
                context.metrics.carrier_request(name, Operation::Hold, None);
                return Ok(Some(held));
            }
            Outcome::DidNothing(error) | Outcome::Unknown(error) => error,
        };
        context.metrics.carrier_request(name, Operation::Hold, Some(&error));
        context.suspect(account, &error);
        if policy::goes_unheld(&error) {
            context.local.would_not_keep(self.uid(), number);
        } else {
            if policy::is_about_number(&error) {
                context.local.ask_to_keep(self.uid(), None);
                context.given_up(&opened, number, &error);
            }
            context.local.failed(self.uid(), Attempt::Purchase, about(number, error));
        }
        Ok(None)
    }

    /// Asked for once: a hold that stays all the same ends by itself.
    async fn let_go(&mut self, account: &Key, hold: &Hold) -> Result<(), Error> {
        let context = self.context;
        if context.dry_run().is_some() {
            // What comes next says more.
            return Ok(());
        }
        let (Some(opened), number) = (self.opened(account)?, &hold.number) else { return Ok(()) };
        let carrier = opened.inventory.carrier();
        let Some(letting_go) = carrier.holds().and_then(Holds::letting_go) else { return Ok(()) };
        // Whoever asks for a number that is kept for its account already may have been given the same hold.
        if context.caches.is_journalled(number) || !opened.offer_cache.keep(number, self.uid()) {
            return Ok(());
        }
        let outcome = letting_go.let_go(hold).await;
        self.audit(account, Operation::LetGo, number.as_str(), &outcome);
        let name = carrier.capabilities().name;
        context.metrics.carrier_write(name, &outcome);
        let error = match outcome {
            Outcome::Did(()) => None,
            Outcome::DidNothing(error) | Outcome::Unknown(error) => Some(error),
        };
        context.metrics.carrier_request(name, Operation::LetGo, error.as_ref());
        if let Some(error) = error {
            context.suspect(account, &error);
        }
        context.settled(&opened, number, false);
        Ok(())
    }

    /// The one place where money is spent. That it was sent is known before it is: whatever ends this, an attempt is never
    /// taken for one that was not made.
    async fn purchase(&mut self, buy: BuyNumber) -> Result<(), Error> {
        let Some(opened) = self.opened(&buy.account)? else { return Ok(()) };
        let (context, uid) = (self.context, self.uid());
        let Some(before) = context.local.send(uid, &buy.token) else { return Ok(()) };
        let carrier = opened.inventory.carrier().capabilities().name;
        let BuyNumber { account, number, marker, route, regulatory, token, attempt, hold } = buy;
        let purchase = Purchase { number, marker, route, regulatory, hold, key: token, before };
        let settling = context.settling_of(&opened);
        let outcome = opened.inventory.purchase(&purchase, settling).await;
        let number = &purchase.number;
        context.metrics.carrier_write(carrier, &outcome);
        self.audit(&account, Operation::Purchase, &format!("{number}, attempt {attempt}"), &outcome);
        match outcome {
            Outcome::Did(ordered) => {
                context.metrics.carrier_request(carrier, Operation::Purchase, None);
                context.local.succeeded(uid, Attempt::Purchase);
                opened.offer_cache.hide(number);
                context.settled(&opened, number, true);
                opened.paid();
                if let Some(order) = ordered {
                    opened.ordered(number);
                    context.local.tried(uid, SendOutcome::Ordered(order));
                }
            }
            Outcome::DidNothing(error) => {
                context.metrics.carrier_request(carrier, Operation::Purchase, Some(&error));
                context.suspect(&account, &error);
                if policy::is_about_number(&error) {
                    context.given_up(&opened, number, &error);
                }
                if error.class == ErrorClass::Funds {
                    opened.ran_out(&error);
                }
                context.local.tried(uid, SendOutcome::DidNothing(error.clone()));
                context.local.failed(uid, Attempt::Purchase, about(number, error));
            }
            Outcome::Unknown(error) => {
                context.metrics.carrier_request(carrier, Operation::Purchase, Some(&error));
            }
        }
        Ok(())
    }

    /// From then on nobody knows what became of the order until it is seen.
    async fn cancel_order(&mut self, account: Key, order: Order) -> Result<(), Error> {
        let Some(opened) = self.opened(&account)? else { return Ok(()) };
        let (context, uid) = (self.context, self.uid());
        let carrier = opened.inventory.carrier();
        let Some(orders) = carrier.orders() else { return Ok(()) };
        context.local.tried(uid, SendOutcome::Unknown);
        let outcome = orders.cancel(&order).await;
        self.audit(&account, Operation::Cancel, order.number.as_str(), &outcome);
        context.metrics.carrier_write(carrier.capabilities().name, &outcome);
        let error = match outcome {
            Outcome::Did(()) => None,
            Outcome::DidNothing(error) | Outcome::Unknown(error) => Some(error),
        };
        context.metrics.carrier_request(carrier.capabilities().name, Operation::Cancel, error.as_ref());
        match error {
            None => context.local.succeeded(uid, Attempt::Purchase),
            Some(error) => {
                context.suspect(&account, &error);
                context.local.failed(uid, Attempt::Purchase, about(&order.number, error));
            }
        }
        Ok(())
    }

    fn try_once(&mut self, token: &str) -> bool {
        !self.context.is_ending() && self.context.local.send(self.uid(), token).is_some()
    }

    /// As good as a refusal. Only this process's memory changes.
    fn lose(&mut self, account: &Key, number: &E164) {
        let Context { open_accounts, local, .. } = self.context;
        let error = CarrierError::new(ErrorClass::Unavailable, "another object holds the claim of this number");
        if let Some(opened) = open_accounts.get(account) {
            self.context.settled(&opened, number, true);
        }
        local.tried(self.uid(), SendOutcome::DidNothing(error.clone()));
        local.failed(self.uid(), Attempt::Purchase, about(number, error));
    }

    /// Notes that the object wishes to buy. The account answers many at once.
    fn ask_grant(&mut self) {
        let (context, key) = (self.context, Key::of(self.object));
        let identity = context.caches.numbers.get(&key).and_then(|number| number.identity());
        let Some((account, identity)) = K::account(self.object).zip(identity) else { return };
        context.local.keep_right(&account, self.uid());
        if context.has_right(&account, &identity, self.uid()) {
            // It was given back, and nobody has taken it.
            return;
        }
        context.local.wish(&account, key, self.uid(), identity);
        context.settle_rights(account);
    }

    fn give_back_grant(&mut self) {
        let Some(account) = K::account(self.object) else { return };
        self.context.local.give_back(&account, self.uid());
        self.context.settle_rights(account);
    }

    fn accept_inventory(&mut self) {
        if let Some(opened) = self.context.open_accounts.get(&Key::of(self.object)) {
            opened.inventory.accept_doubt();
        }
    }
}

impl<K: Controlled> Reconcile<'_, K> {
    /// By which an account may be written to. Once this process is to end, another may lead, or wait for that: nothing more is sent. A dry
    /// run goes no further.
    fn opened(&self, account: &Key) -> Result<Option<Arc<OpenAccount>>, Error> {
        self.context.unless_dry_run()?;
        // It may have been opened with other credentials since that was decided, and whose they are is not known yet.
        let opened = self.context.open_accounts.get(account).filter(|opened| opened.usable().is_some());
        Ok(opened.filter(|_| !self.context.is_ending()))
    }

    /// Writes at a platform which of its agents answers a number; whether that was done.
    async fn bind(&self, opened: &OpenAccount, write: &SetBinding) -> bool {
        let (operation, outcome) = self.context.bind(opened, write).await;
        let attempt = match write.change {
            BindingChange::Switch { .. } => Attempt::ExtraWrite,
            _ => Attempt::Write,
        };
        let what = match &write.change {
            BindingChange::Bind { agent, .. } | BindingChange::Move { agent, .. } => {
                format!("{} to {agent}", write.number)
            }
            _ => write.number.to_string(),
        };
        let did = self.tried(self.uid(), attempt, opened, &write.platform, (operation, &what, outcome));
        if did {
            if write.put_back {
                self.context.put_back(self.uid(), opened);
            }
            self.publish(&write.notes);
        }
        did
    }

    /// One line for each change at a carrier, refused or not, for whoever has to find out afterwards who did what.
    fn audit<T>(&self, account: &Key, operation: Operation, what: &str, outcome: &Outcome<T>) {
        let (kind, object, operation) = (K::KIND.as_str(), Key::of(self.object), operation.as_str());
        let error = match outcome {
            Outcome::Did(_) => {
                tracing::info!(target: AUDIT, kind, %object, %account, operation, what, outcome = "done", "write at a carrier");
                return;
            }
            Outcome::DidNothing(error) | Outcome::Unknown(error) => error,
        };
        let outcome = if matches!(outcome, Outcome::Unknown(_)) { "unknown" } else { "refused" };
        tracing::warn!(target: AUDIT, kind, %object, %account, operation, what, outcome, %error, "write at a carrier");
    }

    /// Notes what came of a change at the carrier, to be remembered as `id`; whether it was made.
    fn changed<T>(&self, id: &str, opened: &OpenAccount, account: &Key, change: (Operation, &str, Outcome<T>)) -> bool {
        self.tried(id, Attempt::Write, opened, account, change)
    }

    /// The same of any kind of attempt.
    fn tried<T>(
        &self,
        id: &str,
        attempt: Attempt,
        opened: &OpenAccount,
        account: &Key,
        (operation, what, outcome): (Operation, &str, Outcome<T>),
    ) -> bool {
        let (context, carrier) = (self.context, opened.inventory.carrier().capabilities().name);
        context.metrics.carrier_write(carrier, &outcome);
        self.audit(account, operation, what, &outcome);
        match outcome {
            Outcome::Did(_) => {
                context.metrics.carrier_request(carrier, operation, None);
                context.local.succeeded(id, attempt);
                true
            }
            Outcome::DidNothing(error) | Outcome::Unknown(error) => {
                context.metrics.carrier_request(carrier, operation, Some(&error));
                context.suspect(account, &error);
                context.local.failed(id, attempt, error);
                false
            }
        }
    }
}

impl Context {
    fn put_back(&self, id: &str, opened: &OpenAccount) {
        self.local.put_back(id);
        self.metrics.drift(opened.inventory.carrier().capabilities().name);
    }

    /// A number was refused.
    fn given_up(&self, opened: &OpenAccount, number: &E164, error: &CarrierError) {
        let gone = error.class == ErrorClass::Unavailable;
        if gone {
            opened.offer_cache.hide(number);
        }
        self.settled(opened, number, gone);
    }

    /// A number is bought or given up: others may look again at what is for sale.
    fn settled(&self, opened: &OpenAccount, number: &E164, gone: bool) {
        opened.offer_cache.settled(number, gone);
        self.wake_called(opened);
    }
}

/// What a change of a route is, by the hosts of its URLs and fingerprints of what they are whole.
fn described(before: &Route, after: &Route) -> String {
    let shown = |destination: Option<&Destination>| match destination.filter(|destination| !destination.is_empty()) {
        Some(destination) => {
            format!("{} ({})", destination.shown(), destination.digest().get(..15).unwrap_or_default())
        }
        None => "nothing".to_owned(),
    };
    let change = |(channel, to): (&Channel, &Destination)| {
        format!("{channel} from {} to {}", shown(before.get(channel)), shown(Some(to)))
    };
    after.iter().map(change).collect::<Vec<_>>().join(", ")
}

/// The same error, which says what number it is about.
fn about(number: &E164, error: CarrierError) -> CarrierError {
    CarrierError { text: format!("{number}: {}", error.text), ..error }
}
