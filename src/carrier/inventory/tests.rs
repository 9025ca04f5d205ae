//! What looking proves, against an account that answers as told. Paused time, no I/O.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use tokio::{sync::Semaphore, time::advance};

use super::*;
use crate::{
    api::{
        number::{Channel, Destination},
        offer::Feature,
    },
    carrier::{Calling, Capabilities, ErrorClass, Identity, Messaging, Orders},
};

const LAG: Duration = Duration::from_secs(30);
const LIFETIME: Duration = Duration::from_secs(60);

/// An account whose listing and look-ups can be told apart, held back and made to fail.
#[derive(Debug)]
struct Account {
    numbers: Mutex<BTreeMap<E164, OwnedNumber>>,
    /// Numbers that listings do not show.
    hidden: Mutex<Vec<E164>>,
    broken: Mutex<bool>,
    calls: Mutex<Calls>,
    orders: Mutex<Vec<Order>>,
    /// A listing reads the numbers, then waits for one of these before it answers.
    gate: Semaphore,
    write: Mutex<fn(OwnedNumber) -> Outcome<OwnedNumber>>,
    capabilities: Capabilities,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Calls {
    lists: u32,
    finds: u32,
}

fn failure() -> CarrierError {
    CarrierError::new(ErrorClass::Transient, "unwell")
}

#[async_trait]
impl Carrier for Account {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn identify(&self) -> Result<Identity, CarrierError> {
        Err(failure())
    }

    async fn list(&self) -> Result<Vec<OwnedNumber>, CarrierError> {
        self.calls.lock().unwrap().lists += 1;
        let mut numbers = self.numbers.lock().unwrap().clone();
        self.hidden.lock().unwrap().iter().for_each(|number| drop(numbers.remove(number)));
        tokio::task::yield_now().await;
        self.gate.acquire().await.unwrap().forget();
        if *self.broken.lock().unwrap() { Err(failure()) } else { Ok(numbers.into_values().collect()) }
    }

    async fn find(&self, number: &E164) -> Result<Option<OwnedNumber>, CarrierError> {
        self.calls.lock().unwrap().finds += 1;
        if *self.broken.lock().unwrap() {
            Err(failure())
        } else {
            Ok(self.numbers.lock().unwrap().get(number).cloned())
        }
    }

    async fn set_route(&self, id: &NumberId, route: &Route) -> Outcome<OwnedNumber> {
        let mut numbers = self.numbers.lock().unwrap();
        let number = numbers.values_mut().find(|number| number.id == *id).unwrap();
        number.route.extend(route.clone());
        let write = *self.write.lock().unwrap();
        write(number.clone())
    }

    fn canonical(&self, route: Route) -> Route {
        route
    }

    fn orders(&self) -> Option<&dyn Orders> {
        Some(self)
    }
}

#[async_trait]
impl Orders for Account {
    async fn standing(&self) -> Result<Vec<Order>, CarrierError> {
        Ok(self.orders.lock().unwrap().clone())
    }

    async fn cancel(&self, _: &Order) -> Outcome<()> {
        Outcome::DidNothing(failure())
    }
}

struct Setup {
    account: Arc<Account>,
    inventory: Arc<Inventory>,
    told: Arc<Mutex<Vec<E164>>>,
}

fn number(n: usize) -> E164 {
    format!("+1415555{n:04}").parse().unwrap()
}

fn owned(n: usize) -> OwnedNumber {
    OwnedNumber {
        config: None,
        id: NumberId(format!("PN{n}")),
        number: number(n),
        route: Route::new(),
        features: vec![Feature::Voice],
        messaging: Messaging::Number,
        calling: Calling::Number,
        marker: None,
    }
}

fn route(url: &str) -> Route {
    [(Channel::Voice, Destination { url: Some(url.into()), ..Destination::default() })].into()
}

impl Setup {
    /// An account of so many numbers, none of which has been seen.
    async fn of(count: usize) -> Self {
        // No instant of interest is the first one there is.
        advance(Duration::from_secs(1)).await;
        let account = Arc::new(Account {
            numbers: Mutex::new((0..count).map(|n| (number(n), owned(n))).collect()),
            hidden: Mutex::default(),
            broken: Mutex::default(),
            calls: Mutex::default(),
            orders: Mutex::default(),
            gate: Semaphore::new(1000),
            write: Mutex::new(Outcome::Did),
            capabilities: Capabilities {
                name: "Fake",
                channels: &Channel::ALL,
                write_lifetime: LIFETIME,
                listing_lag: LAG,
            },
        });
        let told: Arc<Mutex<Vec<E164>>> = Arc::default();
        let ear = told.clone();
        let on_change: OnChange = Box::new(move |changed| ear.lock().unwrap().extend_from_slice(changed));
        Setup { inventory: Arc::new(Inventory::new(account.clone(), on_change)), account, told }
    }

    /// An account of so many numbers, all of which have been seen.
    async fn seen(count: usize) -> Self {
        let world = Self::of(count).await;
        world.list().await.unwrap();
        world.told();
        world
    }

    /// A listing that begins now, a moment after whatever was before.
    async fn list(&self) -> Result<Arc<Listing>, CarrierError> {
        let after = Instant::now();
        advance(Duration::from_millis(1)).await;
        self.inventory.listing(after).await
    }

    async fn look(&self, n: usize) -> Result<Seen, CarrierError> {
        let after = Instant::now();
        advance(Duration::from_millis(1)).await;
        self.inventory.lookup(&number(n), after).await
    }

    fn lose(&self, numbers: impl IntoIterator<Item = usize>) {
        numbers.into_iter().for_each(|n| drop(self.account.numbers.lock().unwrap().remove(&number(n))));
    }

    fn is_present(&self, n: usize) -> bool {
        matches!(self.inventory.seen(&number(n)), Seen::Present { .. })
    }

    fn is_absent(&self, n: usize) -> bool {
        matches!(self.inventory.seen(&number(n)), Seen::Absent { .. })
    }

    /// What was told since the last time.
    fn told(&self) -> Vec<E164> {
        let mut told = std::mem::take(&mut *self.told.lock().unwrap());
        told.sort();
        told
    }

    fn calls(&self) -> (u32, u32) {
        let Calls { lists, finds } = *self.account.calls.lock().unwrap();
        (lists, finds)
    }

    fn url_of(&self, n: usize) -> Option<String> {
        match self.inventory.seen(&number(n)) {
            Seen::Present { number, .. } => number.route.get(&Channel::Voice)?.url.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn edit(&self, n: usize, change: impl FnOnce(&mut OwnedNumber)) {
        change(self.account.numbers.lock().unwrap().get_mut(&number(n)).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn one_listing_serves_everybody_who_waits_for_it() {
    let world = Setup::of(3).await;
    let after = Instant::now();
    advance(Duration::from_millis(1)).await;
    let many = (0..50).map(|_| world.inventory.listing(after));
    assert!(futures::future::join_all(many).await.iter().all(|listing| listing.as_ref().unwrap().owned == 3));
    assert_eq!(world.calls(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_began_too_early_does_not_serve() {
    let world = Setup::seen(3).await;
    world.list().await.unwrap();
    assert_eq!(world.calls(), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn those_who_waited_share_a_failure_and_the_next_one_tries_again() {
    let world = Setup::of(3).await;
    *world.account.broken.lock().unwrap() = true;
    let after = Instant::now();
    advance(Duration::from_millis(1)).await;
    let many = (0..50).map(|_| world.inventory.listing(after));
    assert!(futures::future::join_all(many).await.iter().all(Result::is_err));
    assert_eq!(world.calls(), (1, 0));
    *world.account.broken.lock().unwrap() = false;
    world.inventory.listing(after).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_listing_whose_caller_is_dropped_is_flown_by_the_next_in_line() {
    let world = Setup::of(3).await;
    world.account.gate.acquire_many(1000).await.unwrap().forget();
    let after = Instant::now();
    advance(Duration::from_millis(1)).await;
    let ask = || {
        tokio::spawn({
            let inventory = world.inventory.clone();
            async move { inventory.listing(after).await }
        })
    };
    let (first, second) = (ask(), ask());
    tokio::task::yield_now().await;
    first.abort();
    world.account.gate.add_permits(1);
    assert_eq!(second.await.unwrap().unwrap().owned, 3);
}

#[tokio::test(start_paused = true)]
async fn each_listing_tells_what_changed_and_nothing_else() {
    let world = Setup::of(4).await;
    world.list().await.unwrap();
    assert_eq!(world.told().len(), 4);
    advance(LAG * 2).await;
    world.edit(1, |owned| owned.route = route("https://somebody.else/"));
    world.edit(2, |owned| owned.messaging = Messaging::Group { id: "MG1".into() });
    world.lose([3]);
    world.account.numbers.lock().unwrap().insert(number(9), owned(9));
    let listing = world.list().await.unwrap();
    assert_eq!(listing.owned, 4);
    assert_eq!(world.told(), [number(1), number(2), number(3), number(9)]);
    world.edit(2, |owned| owned.calling = Calling::Forwarded);
    advance(LAG * 2).await;
    world.list().await.unwrap();
    assert_eq!(world.told(), [number(2)]);
    advance(LAG * 2).await;
    world.list().await.unwrap();
    assert_eq!(world.told(), []);
}

#[tokio::test(start_paused = true)]
async fn not_to_see_who_gets_the_messages_or_calls_does_not_unsee_it() {
    let world = Setup::seen(1).await;
    world.edit(0, |owned| (owned.messaging, owned.calling) = (Messaging::Unseen, Calling::Unseen));
    world.list().await.unwrap();
    let Seen::Present { number, .. } = world.look(0).await.unwrap() else { panic!() };
    assert_eq!((&number.messaging, &number.calling), (&Messaging::Number, &Calling::Number));
    assert_eq!(world.told(), []);
}

#[tokio::test(start_paused = true)]
async fn a_number_is_absent_only_after_a_listing_and_then_a_look_up() {
    let world = Setup::seen(10).await;
    advance(LAG * 2).await;
    world.lose([1]);
    // A look-up alone proves nothing, nor does one that came before the listing.
    assert!(matches!(world.look(1).await.unwrap(), Seen::Present { .. }));
    world.list().await.unwrap();
    assert_eq!(world.inventory.seen(&number(1)), Seen::Unseen, "what was seen before speaks for it no more");
    assert!(matches!(world.look(1).await.unwrap(), Seen::Absent { .. }));
    world.list().await.unwrap();
    assert!(world.is_absent(1), "it stays proved");
    assert_eq!(world.inventory.owned().len(), 9);
    world.account.numbers.lock().unwrap().insert(number(1), owned(1));
    world.list().await.unwrap();
    assert!(world.is_present(1), "until it is seen again");
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_lags_behind_proves_nothing() {
    let world = Setup::seen(10).await;
    world.account.hidden.lock().unwrap().push(number(1));
    let real = world.account.numbers.lock().unwrap().remove(&number(1)).unwrap();
    world.list().await.unwrap();
    world.look(1).await.unwrap();
    assert!(world.is_present(1), "it was seen only just before");
    world.account.numbers.lock().unwrap().insert(number(1), real);
    advance(LAG * 2).await;
    world.list().await.unwrap();
    world.look(1).await.unwrap();
    assert!(world.is_present(1), "a listing lacks it, a look-up shows it");
}

#[tokio::test(start_paused = true)]
async fn an_error_proves_nothing() {
    let world = Setup::seen(10).await;
    advance(LAG * 2).await;
    world.lose([1]);
    *world.account.broken.lock().unwrap() = true;
    assert!(world.list().await.is_err() && world.look(1).await.is_err());
    assert!(world.is_present(1) && world.told().is_empty());
    assert_eq!(world.inventory.seen(&number(77)), Seen::Unseen);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_absent_after_a_listing_and_a_look_up_in_either_order() {
    let world = Setup::of(3).await;
    assert_eq!(world.look(77).await.unwrap(), Seen::Unseen);
    world.list().await.unwrap();
    assert!(world.is_absent(77));
    assert_eq!(world.inventory.seen(&number(78)), Seen::Unseen);
    assert!(matches!(world.look(78).await.unwrap(), Seen::Absent { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_write_of_unknown_outcome_reopens_what_was_proved() {
    let world = Setup::seen(3).await;
    world.look(77).await.unwrap();
    assert!(world.is_absent(77));
    world.inventory.note_unknown(&number(77), Instant::now());
    assert_eq!(world.inventory.in_flight_until(&number(77)), Some(Instant::now() + LIFETIME));
    assert_eq!(world.inventory.seen(&number(77)), Seen::Unseen);
    world.list().await.unwrap();
    assert_eq!(world.look(77).await.unwrap(), Seen::Unseen);
    advance(LIFETIME + LAG).await;
    world.list().await.unwrap();
    assert_eq!(world.inventory.seen(&number(77)), Seen::Unseen, "the look-up came before the listing");
    assert!(matches!(world.look(77).await.unwrap(), Seen::Absent { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_somebody_made_meanwhile_is_not_made_again() {
    let world = Setup::seen(3).await;
    let after = Instant::now();
    advance(Duration::from_millis(1)).await;
    for n in [1, 1, 77, 77] {
        world.inventory.lookup(&number(n), after).await.unwrap();
    }
    assert_eq!(world.calls(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_a_write_is_not_overridden_by_a_listing_that_began_before_it_ended() {
    let world = Setup::seen(3).await;
    world.account.gate.acquire_many(999).await.unwrap().forget();
    let after = Instant::now();
    advance(Duration::from_millis(1)).await;
    let listing = tokio::spawn({
        let inventory = world.inventory.clone();
        async move { inventory.listing(after).await }
    });
    tokio::task::yield_now().await;
    let outcome = world.inventory.set_route(&number(1), &NumberId("PN1".into()), &route("https://ours/")).await;
    assert!(matches!(outcome, Outcome::Did(_)));
    world.account.gate.add_permits(1);
    listing.await.unwrap().unwrap();
    assert_eq!(world.url_of(1).as_deref(), Some("https://ours/"));
    assert_eq!(world.told(), []);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_still_shows_what_was_before_a_write_is_not_drift() {
    let world = Setup::seen(3).await;
    world.inventory.set_route(&number(1), &NumberId("PN1".into()), &route("https://ours/")).await;
    world.edit(1, |owned| owned.route = route("https://before/"));
    world.account.gate.add_permits(10);
    world.list().await.unwrap();
    assert_eq!(world.url_of(1).as_deref(), Some("https://ours/"));
    advance(LAG).await;
    world.list().await.unwrap();
    assert_eq!(world.url_of(1).as_deref(), Some("https://before/"));
}

#[tokio::test(start_paused = true)]
async fn only_a_write_of_unknown_outcome_is_in_flight() {
    let world = Setup::seen(3).await;
    let id = NumberId("PN1".into());
    world.inventory.set_route(&number(1), &id, &route("https://a/")).await;
    *world.account.write.lock().unwrap() = |_| Outcome::DidNothing(failure());
    world.inventory.set_route(&number(1), &id, &route("https://b/")).await;
    assert_eq!(world.inventory.in_flight_until(&number(1)), None);
    *world.account.write.lock().unwrap() = |_| Outcome::Unknown(failure());
    world.inventory.set_route(&number(1), &id, &route("https://c/")).await;
    assert_eq!(world.inventory.in_flight_until(&number(1)), Some(Instant::now() + LIFETIME));
}

#[tokio::test(start_paused = true)]
async fn many_numbers_that_vanish_at_once_are_disbelieved_until_a_person_confirms() {
    let world = Setup::seen(10).await;
    advance(LAG * 2).await;
    world.lose(0..4);
    world.list().await.unwrap();
    let doubt = Some(Doubt { owned_before: 10, vanished: 4 });
    assert_eq!(world.inventory.doubt(), doubt);
    world.look(0).await.unwrap();
    assert!(world.is_present(0) && world.told().is_empty());
    advance(LAG * 2).await;
    world.list().await.unwrap();
    assert_eq!(world.inventory.doubt(), doubt, "to lack them again makes it no likelier");
    world.inventory.accept_doubt();
    assert_eq!(world.inventory.doubt(), None);
    assert_eq!(world.told(), [number(0), number(1), number(2), number(3)]);
    world.look(1).await.unwrap();
    assert!(world.is_absent(1));
    assert_eq!(world.inventory.seen(&number(2)), Seen::Unseen, "each takes its own look-up");
    world.list().await.unwrap();
    assert_eq!(world.inventory.doubt(), None);
}

#[tokio::test(start_paused = true)]
async fn a_doubt_ends_when_the_numbers_are_seen_again() {
    let world = Setup::seen(10).await;
    advance(LAG * 2).await;
    world.account.hidden.lock().unwrap().extend((0..4).map(number));
    world.list().await.unwrap();
    assert!(world.inventory.doubt().is_some());
    world.account.hidden.lock().unwrap().clear();
    world.list().await.unwrap();
    assert_eq!(world.inventory.doubt(), None);
    assert_eq!(world.told(), []);
}

#[tokio::test(start_paused = true)]
async fn a_doubt_is_not_worn_down_by_writes() {
    let world = Setup::seen(10).await;
    advance(LAG * 2).await;
    world.inventory.note_unknown(&number(0), Instant::now());
    world.lose(0..4);
    world.list().await.unwrap();
    let doubt = Some(Doubt { owned_before: 10, vanished: 4 });
    assert_eq!(world.inventory.doubt(), doubt, "one may only be lagging, the others are not");
    (1..3).for_each(|n| world.inventory.note_unknown(&number(n), Instant::now()));
    world.list().await.unwrap();
    assert_eq!(world.inventory.doubt(), doubt);
    world.look(3).await.unwrap();
    assert!(world.is_present(3) && world.told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_first_listing_is_doubted_too_if_it_lacks_what_was_expected() {
    let world = Setup::of(2).await;
    world.inventory.expect((0..10).map(number));
    world.list().await.unwrap();
    assert_eq!(world.inventory.doubt(), Some(Doubt { owned_before: 10, vanished: 8 }));
    assert_eq!(world.look(5).await.unwrap(), Seen::Unseen);
    assert!(world.is_present(1));
}

#[test]
fn a_fifth_of_an_account_and_at_least_three_numbers_are_doubtful() {
    for (before, vanished, doubtful) in [
        (0, 0, false),
        (2, 2, false),
        (3, 3, true),
        (15, 3, true),
        (16, 3, false),
        (1000, 199, false),
        (1000, 200, true),
    ] {
        assert_eq!(is_doubtful(before, vanished), doubtful, "{vanished} of {before}");
    }
}

#[tokio::test(start_paused = true)]
async fn numbers_that_the_account_does_not_have_are_forgotten_once_nobody_is_about_them() {
    let world = Setup::seen(5).await;
    for n in 10..40 {
        world.look(n).await.unwrap();
    }
    world.lose([0]);
    advance(LAG + LIFETIME).await;
    world.list().await.unwrap();
    world.look(0).await.unwrap();
    assert_eq!(world.inventory.view().tracked(), 35);
    world.inventory.forget(|is| *is == number(12));
    assert_eq!(world.inventory.view().tracked(), 5, "those that are owned, and the one that somebody names");
    assert!(world.is_present(1) && matches!(world.inventory.seen(&number(12)), Seen::Absent { .. }));
    assert!(matches!(world.inventory.seen(&number(0)), Seen::Unseen), "whoever asks has it looked for");
    world.inventory.note_unknown(&number(20), Instant::now());
    world.inventory.forget(|_| false);
    assert_eq!(world.inventory.view().tracked(), 5, "what may come about is remembered");
    advance(LAG + LIFETIME + Duration::from_secs(1)).await;
    world.inventory.forget(|_| false);
    assert_eq!(world.inventory.view().tracked(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_order_for_an_identity_is_told_whatever_installation_placed_it_and_marks_a_number_only_where_we_did() {
    let world = Setup::seen(0).await;
    let (old, ours) = (Marker::new("old", "clinic/desk"), Marker::new("new", "clinic/desk"));
    let order = |n: usize, marker: &Marker| Order {
        id: format!("o{n}"),
        number: number(n),
        marker: Some(marker.clone()),
        pending: true,
        lacks_papers: false,
    };
    let others = Marker::new("new", "clinic/office");
    *world.account.orders.lock().unwrap() = vec![order(0, &old), order(1, &ours), order(2, &others)];
    let look = async || {
        let after = Instant::now();
        advance(Duration::from_millis(1)).await;
        world.inventory.look_for_marked(after).await.unwrap();
        let numbers = |orders: Vec<Order>| orders.into_iter().map(|order| order.number).collect::<Vec<_>>();
        (numbers(world.inventory.orders(&ours, after).unwrap()), world.inventory.marked(&ours, after).unwrap())
    };
    assert_eq!(look().await, (vec![number(0), number(1)], vec![number(1)]));
    // What came of an order bears its marker, unless somebody has taken it over since.
    let arrive = |marker: &Marker| {
        let arrived = OwnedNumber { marker: Some(marker.clone()), ..owned(0) };
        world.account.numbers.lock().unwrap().insert(number(0), arrived);
    };
    arrive(&old);
    assert_eq!(look().await.0, [number(0), number(1)]);
    arrive(&others);
    assert_eq!(look().await.0, [number(1)]);
}

#[test]
fn a_number_that_was_just_listed_is_not_absent_by_looks_that_lag() {
    let epoch = Instant::from_std(std::time::Instant::now());
    let at = |second: u64| epoch + Duration::from_secs(second);
    let mut view = View::new(LAG, LIFETIME);
    view.record_write(owned(1), at(0), at(1));
    view.apply_listing(at(25), at(25), vec![owned(1)]);
    view.apply_listing(at(32), at(32), vec![]);
    view.apply_lookup(&number(1), at(33), None);
    assert!(!matches!(view.seen(&number(1)), Seen::Absent { .. }));
}

#[test]
fn what_is_seen_of_an_extra_goes_with_its_number_and_no_older_look_overrides_a_write() {
    let (monitor, epoch) = (Extra::Monitor, Instant::from_std(std::time::Instant::now()));
    let at = |second: u64| epoch + Duration::from_secs(second);
    let number: E164 = "+14155550001".parse().unwrap();
    let owned = || OwnedNumber {
        id: NumberId("PN1".to_owned()),
        number: "+14155550001".parse().unwrap(),
        route: Route::new(),
        features: Vec::new(),
        messaging: Messaging::Number,
        calling: Calling::Number,
        marker: None,
        config: None,
    };
    let mut view = View::new(LAG, LIFETIME);
    let shown = |view: &View| view.extra(&number, monitor).map(|seen| (seen.on, seen.as_bound));
    view.see_extra(&number, monitor, true, at(0));
    assert_eq!(shown(&view), None, "of a number that is not there nothing is kept");
    view.apply_listing(at(0), at(0), vec![owned()]);
    view.see_extra(&number, monitor, false, at(1));
    assert_eq!(shown(&view), Some((false, false)));
    view.record_extra(&number, monitor, true, at(2));
    view.see_extra(&number, monitor, false, at(10));
    assert_eq!(shown(&view), Some((true, false)), "the look may lag behind");
    let due = |view: &View| view.extra(&number, monitor).unwrap().due(Duration::from_secs(600));
    assert_eq!(due(&view), at(32), "it is looked at again once none can");
    view.see_extra(&number, monitor, true, at(11));
    assert_eq!(due(&view), at(611));
    view.see_extra(&number, monitor, false, at(33));
    assert_eq!(shown(&view), Some((false, false)));

    view.record_bound(&number);
    assert_eq!(shown(&view), None);
    view.see_extra(&number, monitor, false, at(40));
    view.see_extra(&number, monitor, false, at(50));
    assert_eq!(shown(&view), Some((false, true)), "nobody has switched it since");
    view.see_extra(&number, monitor, true, at(60));
    assert_eq!(shown(&view), Some((true, false)));

    view.apply_listing(at(100), at(100), vec![]);
    view.apply_listing(at(200), at(200), vec![owned()]);
    assert_eq!(shown(&view), None, "it was gone meanwhile");
    view.see_extra(&number, monitor, true, at(201));
    view.record_taken_off(&number, at(202));
    assert_eq!(shown(&view), None);
}
