//! What one carrier account owns, as last seen: one listing shared by all its numbers. Does I/O, through [`Carrier`]
//! only.
//!
//! [`Inventory`] asks and waits; what its answers prove is decided by the pure `view`, which knows no async and no
//! clock.

mod view;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Bought, Carrier, CarrierError, Lent, NumberId, Order, Outcome, OwnedNumber, Purchase, does_not,
    single_flight::SingleFlight,
};
use crate::api::{
    number::{E164, Route},
    phone_number::{Extra, NumberConfig},
    purchase::Marker,
};

use self::view::View;
pub use self::view::{Doubt, Listing, Seen, SeenExtra, is_doubtful};

/// What only a platform does.
const BINDS: &str = "answer numbers of other carriers";
/// What only some platforms have.
const EXTRAS: &str = "have this setting of one number: remove it from config";

/// Told, after each listing, which numbers are seen otherwise than before: their route, who gets their messages or calls, or that they are
/// there at all.
pub type OnChange = Box<dyn Fn(&[E164]) + Send + Sync>;

/// The numbers of one account. Everything that asks about one of them asks here.
pub struct Inventory {
    carrier: RwLock<Arc<dyn Carrier>>,
    view: Mutex<View>,
    listings: SingleFlight,
    /// What was on order when that was last asked.
    ordered: Mutex<Option<Ordered>>,
    orders: SingleFlight,
    on_change: OnChange,
}

/// The orders that stood at the carrier.
#[derive(Debug)]
struct Ordered {
    begun: Instant,
    orders: Vec<Order>,
}

impl fmt::Debug for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inventory").field("carrier", &self.carrier()).finish_non_exhaustive()
    }
}

impl Inventory {
    /// An inventory of which nothing has been seen yet. `on_change` is called outside of every lock, and should not
    /// take long.
    pub fn new(carrier: Arc<dyn Carrier>, on_change: OnChange) -> Self {
        let view = View::new(carrier.capabilities().listing_lag, carrier.capabilities().write_lifetime);
        Self {
            carrier: RwLock::new(carrier),
            view: Mutex::new(view),
            listings: SingleFlight::default(),
            ordered: Mutex::default(),
            orders: SingleFlight::default(),
            on_change,
        }
    }

    /// The account itself, for what is not about its numbers.
    pub fn carrier(&self) -> Arc<dyn Carrier> {
        self.carrier.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the same account with other credentials from now on. What was seen of it stands, and so does what may still be
    /// on its way.
    pub fn reopen(&self, carrier: Arc<dyn Carrier>) {
        *self.carrier.write().unwrap_or_else(PoisonError::into_inner) = carrier;
    }

    /// Says that the account is known to own these numbers, from a time that this process does not remember. The first
    /// listing is then doubted if it lacks many of them, as any later one would be.
    pub fn expect(&self, numbers: impl IntoIterator<Item = E164>) {
        let mut view = self.view();
        numbers.into_iter().for_each(|number| view.expect(number));
    }

    /// Returns once a complete listing that began after `after` has been applied. Whoever asks while one is under way
    /// that will do shares it; whoever needs a later one shares the next.
    ///
    /// Fails as the listing failed, and then nothing that was seen before has changed. To drop the future of whoever
    /// flies the listing hands the flight to the next in line.
    pub async fn listing(&self, after: Instant) -> Result<Arc<Listing>, CarrierError> {
        let fly = async |begun| {
            let listing =
                self.carrier().list().await.map(|numbers| self.view().apply_listing(begun, Instant::now(), numbers))?;
            self.tell(&listing.changed);
            Ok(listing)
        };
        self.listings.share(after, || self.listed_after(after), fly).await
    }

    /// Returns once everything that bears a marker of ours, bought or on order, was looked for after `after`: shared like a listing.
    pub async fn look_for_marked(&self, after: Instant) -> Result<(), CarrierError> {
        self.listing(after).await?;
        self.look_for_orders(after).await
    }

    /// The same of what is on order alone.
    pub async fn look_for_orders(&self, after: Instant) -> Result<(), CarrierError> {
        let carrier = self.carrier();
        let Some(orders) = carrier.orders() else { return Ok(()) };
        let known = || self.ordered().as_ref().is_some_and(|ordered| ordered.begun > after).then_some(());
        let fly = async |begun| {
            let orders = orders.standing().await?;
            *self.ordered() = Some(Ordered { begun, orders });
            Ok(())
        };
        self.orders.share(after, known, fly).await
    }

    /// The numbers that bear this marker, bought or on order, if that was looked for after `after`.
    pub fn marked(&self, marker: &Marker, after: Instant) -> Option<Vec<E164>> {
        self.listed_after(after)?;
        let mut marked = self.view().marked(marker);
        let ours = |order: &Order| order.marker.as_ref() == Some(marker);
        marked.extend(self.orders(marker, after)?.into_iter().filter(ours).map(|order| order.number));
        marked.sort();
        marked.dedup();
        Some(marked)
    }

    /// The orders that bear the marker of this one's identity, by whatever installation, and have not failed, if that was looked for after
    /// `after`.
    pub fn orders(&self, marker: &Marker, after: Instant) -> Option<Vec<Order>> {
        if self.carrier().orders().is_none() {
            return Some(Vec::new());
        }
        let ordered = self.ordered();
        let ordered = ordered.as_ref().filter(|ordered| ordered.begun > after)?;
        // A number that bears another marker by now was taken over, and its order says for ever whose it was.
        let moved = |order: &Order| match self.seen(&order.number) {
            Seen::Present { number, .. } => number.marker.is_some() && number.marker != order.marker,
            Seen::Absent { .. } | Seen::Unseen => false,
        };
        let is_its = |order: &Order| order.marker.as_ref().is_some_and(|its| its.is_same_identity(marker));
        let ours = |order: &&Order| is_its(order) && !moved(order);
        Some(ordered.orders.iter().filter(ours).cloned().collect())
    }

    /// The last complete listing, if there was one.
    pub fn last_listing(&self) -> Option<Arc<Listing>> {
        self.view().last_listing()
    }

    /// Returns what is seen of one number once something has looked at just that one after `after`: asks the carrier
    /// for it, unless that has happened already. An error proves nothing and changes nothing.
    pub async fn lookup(&self, number: &E164, after: Instant) -> Result<Seen, CarrierError> {
        if !self.view().looked_after(number, after) {
            let begun = Instant::now();
            let found = self.carrier().find(number).await?;
            self.view().apply_lookup(number, begun, found);
        }
        Ok(self.seen(number))
    }

    /// What is known of a number, without asking anybody.
    pub fn seen(&self, number: &E164) -> Seen {
        self.view().seen(number)
    }

    /// Every number that counts as owned, in no order.
    pub fn owned(&self) -> Vec<Arc<OwnedNumber>> {
        self.view().owned()
    }

    /// Sets a route at the carrier and notes what came of it.
    pub async fn set_route(&self, number: &E164, id: &NumberId, route: &Route) -> Outcome<Arc<OwnedNumber>> {
        let carrier = self.carrier();
        self.write(number, carrier.set_route(id, route)).await
    }

    /// Writes the marker on a number and notes what came of it.
    pub async fn mark(&self, number: &E164, id: &NumberId, marker: &Marker) -> Outcome<Arc<OwnedNumber>> {
        let carrier = self.carrier();
        match carrier.marks() {
            Some(marks) => self.write(number, marks.mark(id, marker)).await,
            None => Outcome::DidNothing(does_not(&*carrier, "keep a marker on a number")),
        }
    }

    /// Has a number brought in from the organization's own carrier account, and notes what came of it.
    pub async fn bring_in(&self, number: &E164) -> Outcome<()> {
        let carrier = self.carrier();
        match carrier.intake() {
            Some(intake) => self.write(number, intake.bring_in(number)).await.map(drop),
            None => Outcome::DidNothing(does_not(&*carrier, "import numbers from another account")),
        }
    }

    /// Has the platform answer a number of another carrier, and notes what came of it.
    pub async fn bind(&self, number: &E164, agent: &str, lent: &Lent, config: &NumberConfig) -> Outcome<()> {
        let carrier = self.carrier();
        match carrier.bindings() {
            Some(bindings) => {
                self.view().record_given(number, lent.fingerprint());
                let outcome = self.write(number, bindings.bind(number, agent, lent, config)).await;
                outcome.map(|_| self.view().record_bound(number))
            }
            None => Outcome::DidNothing(does_not(&*carrier, BINDS)),
        }
    }

    /// Sets what the platform keeps for one number, and notes what came of it.
    pub async fn configure(&self, number: &E164, config: &NumberConfig) -> Outcome<()> {
        let carrier = self.carrier();
        match carrier.bindings() {
            Some(bindings) => self.write(number, bindings.configure(number, config)).await.map(drop),
            None => Outcome::DidNothing(does_not(&*carrier, BINDS)),
        }
    }

    /// Looks at one extra of a number.
    pub async fn look_at_extra(&self, number: &E164, extra: Extra) -> Result<(), CarrierError> {
        let carrier = self.carrier();
        let extras = carrier.extras().ok_or_else(|| does_not(&*carrier, EXTRAS))?;
        let begun = Instant::now();
        let on = extras.is_on(number, extra).await?;
        self.view().see_extra(number, extra, on, begun);
        Ok(())
    }

    /// Switches one extra of a number, and notes what came of it. Unless it was surely done it has to be looked at again.
    pub async fn switch(&self, number: &E164, extra: Extra, on: bool) -> Outcome<()> {
        let carrier = self.carrier();
        let Some(extras) = carrier.extras() else { return Outcome::DidNothing(does_not(&*carrier, EXTRAS)) };
        self.view().doubt_extra(number, extra);
        let outcome = extras.switch(number, extra, on).await;
        outcome.map(|()| self.view().record_extra(number, extra, on, Instant::now()))
    }

    /// How one extra of a number was last seen.
    pub fn extra(&self, number: &E164, extra: Extra) -> Option<SeenExtra> {
        self.view().extra(number, extra)
    }

    /// Waits for a write about a number, and notes what came of it. A caller that is dropped meanwhile leaves a write of unknown outcome
    /// behind, and so it is noted.
    async fn write(
        &self,
        number: &E164,
        request: impl Future<Output = Outcome<OwnedNumber>>,
    ) -> Outcome<Arc<OwnedNumber>> {
        let begun = Instant::now();
        let mut write = UnderWay::begin(self, number, None);
        let outcome = request.await;
        write.unknown = matches!(outcome, Outcome::Unknown(_));
        outcome.map(|owned| self.record_write(owned, begun))
    }

    /// Has the platform forget a number of another carrier, and notes what came of it.
    pub async fn unbind(&self, number: &E164) -> Outcome<()> {
        let carrier = self.carrier();
        let Some(bindings) = carrier.bindings() else { return Outcome::DidNothing(does_not(&*carrier, BINDS)) };
        let mut write = UnderWay::begin(self, number, None);
        let outcome = bindings.unbind(number).await;
        write.unknown = matches!(outcome, Outcome::Unknown(_));
        outcome.map(|()| self.view().record_taken_off(number, Instant::now()))
    }

    /// What the last look that could show the number says of it: proof enough where a mistake is mended by the next look.
    pub fn shown(&self, number: &E164) -> Seen {
        self.view().shown(number)
    }

    /// Whether a write took the number off, and nothing has shown it since.
    pub fn was_taken_off(&self, number: &E164) -> bool {
        self.view().was_taken_off(number)
    }

    /// Fingerprint of the credentials by which the platform was asked to answer the number, since it was last taken off.
    pub fn given(&self, number: &E164) -> Option<String> {
        self.view().given(number)
    }

    /// Whether a listing may still lag behind what was written last for the number.
    pub fn lags(&self, number: &E164) -> bool {
        self.view().lags(number, Instant::now())
    }

    /// Buys a number and notes what came of it. What is accepted but not finished is not ours yet: the order is answered. One of
    /// unknown outcome may take `settling` to be seen.
    pub async fn purchase(&self, purchase: &Purchase, settling: Duration) -> Outcome<Option<Order>> {
        let carrier = self.carrier();
        let Some(sales) = carrier.sales() else { return Outcome::DidNothing(does_not(&*carrier, "sell numbers")) };
        let begun = Instant::now();
        let mut write = UnderWay::begin(self, &purchase.number, Some(settling));
        let outcome = sales.purchase(purchase).await;
        write.unknown = !matches!(outcome, Outcome::Did(Bought::Owned(_)) | Outcome::DidNothing(_));
        outcome.map(|bought| match bought {
            Bought::Owned(owned) => {
                self.record_write(owned, begun);
                None
            }
            Bought::Ordered(order) => Some(order),
        })
    }

    /// How many numbers count as owned now, those bought since the last listing among them.
    pub fn count_owned(&self) -> usize {
        self.view().count_owned()
    }

    /// Notes the answer of a write that began at `begun` and has ended: a look at the number like any other, that no
    /// listing which began earlier overrides. Returns the number as it is now known.
    pub fn record_write(&self, owned: OwnedNumber, begun: Instant) -> Arc<OwnedNumber> {
        self.view().record_write(owned, begun, Instant::now())
    }

    /// Notes that a write of unknown outcome was given up on at `at`.
    pub fn note_unknown(&self, number: &E164, at: Instant) {
        self.view().note_unknown(number, at);
    }

    /// Until when a write of unknown outcome may still be applied, if there is or was one.
    pub fn in_flight_until(&self, number: &E164) -> Option<Instant> {
        self.view().in_flight_until(number)
    }

    /// Forgets what was seen of numbers that the account does not have and that `is_wanted` says nobody is about.
    pub fn forget(&self, is_wanted: impl Fn(&E164) -> bool) {
        self.view().forget(Instant::now(), is_wanted);
    }

    /// Set while the newest listing is disbelieved for what it lacks.
    pub fn doubt(&self) -> Option<Doubt> {
        self.view().doubt()
    }

    /// A person says that the numbers in doubt are gone indeed. Each of them still needs its own exact look-up to be
    /// `Absent`.
    pub fn accept_doubt(&self) {
        let vanished = self.view().accept_doubt();
        self.tell(&vanished);
    }

    fn listed_after(&self, after: Instant) -> Option<Arc<Listing>> {
        self.last_listing().filter(|listing| listing.begun > after)
    }

    fn tell(&self, changed: &[E164]) {
        if !changed.is_empty() {
            (self.on_change)(changed);
        }
    }

    fn view(&self) -> MutexGuard<'_, View> {
        // The view holds only what was seen: after a panic it is at worst less than that.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ordered(&self) -> MutexGuard<'_, Option<Ordered>> {
        self.ordered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write that is under way. When it ends, or is dropped, without our knowing what became of it, that is noted.
struct UnderWay<'a> {
    inventory: &'a Inventory,
    number: &'a E164,
    unknown: bool,
    /// For a purchase: how long it may take to be seen.
    settling: Option<Duration>,
}

impl<'a> UnderWay<'a> {
    fn begin(inventory: &'a Inventory, number: &'a E164, settling: Option<Duration>) -> Self {
        Self { inventory, number, unknown: true, settling }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        match self.settling {
            _ if !self.unknown => {}
            None => self.inventory.note_unknown(self.number, now),
            Some(settling) => self.inventory.view().note_unsettled(self.number, now, settling),
        }
    }
}
