//! An adapter, the simulated carrier that it speaks to, and what the cases ask and do there behind its back. Does I/O.

use std::{cell::Cell, fmt, sync::Arc, time::Duration};

use dialplane::{
    api::{
        number::{Channel, Destination, E164, Route},
        offer::Search,
        phone_number::Regulatory,
        purchase::Marker,
    },
    carrier::{
        Bought, Capabilities, Carrier, CarrierError, ErrorClass, Holds, HostedAgent, Intake, LettingGo, Marks,
        NumberId, Order, Orders, Outcome, OwnedNumber, Publishing, Purchase, Sales, SharedRoute, SharedRoutes,
        http::{Limiter, Limits, Transport},
    },
    sandbox::carrier::{
        Entry, Fault, KeyScope, KeySeed, Kind, Match, NumberSeed, Rule, Sandbox, SandboxConfig, Switches,
    },
};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    broken::{Breakage, Broken},
    wire::{Key, Wire, refuse},
};
use crate::support::eventually;

/// The number that a case is about.
pub const NUMBER: &str = "+14155550100";
/// Another one.
pub const OTHER: &str = "+14155550101";

/// Long enough for a busy machine.
const PATIENT: Duration = Duration::from_secs(20);
/// For requests that are never answered.
const HURRIED: Duration = Duration::from_secs(1);

/// An opened adapter and the carrier that it speaks to.
pub struct Subject {
    pub carrier: Arc<dyn Carrier>,
    pub sandbox: Sandbox,
    pub wire: &'static Wire,
    broken: Option<Breakage>,
    bought: Cell<usize>,
}

impl Subject {
    pub fn new(wire: &'static Wire, broken: Option<Breakage>) -> Self {
        let config = SandboxConfig { accounts: vec![(wire.account)()], ..SandboxConfig::default() };
        let sandbox = Sandbox::start(config).unwrap();
        sandbox.switch(|switches| switches.record_bodies = true);
        let credentials = sandbox.credentials();
        (wire.prepare)(&sandbox, &credentials.account_sid);
        let key = Key::Token(credentials.auth_token);
        let carrier = opened(wire, broken, &sandbox, &credentials.account_sid, key, PATIENT, 4);
        Self { carrier, sandbox, wire, broken, bought: Cell::new(0) }
    }

    /// The shared route of this name, or nothing.
    pub async fn shared_route(&self, name: &str) -> Result<SharedRoute, CarrierError> {
        self.sharing().all().await.map(|mut all| all.remove(name).unwrap_or_default())
    }

    pub fn account(&self) -> String {
        self.sandbox.credentials().account_sid
    }

    pub fn token(&self) -> Key {
        Key::Token(self.sandbox.credentials().auth_token)
    }

    /// The account, opened by another key.
    pub fn open(&self, key: Key) -> Arc<dyn Carrier> {
        opened(self.wire, self.broken, &self.sandbox, &self.account(), key, PATIENT, 4)
    }

    /// Another account of the same carrier, with its own adapter.
    pub fn stranger(&self) -> (String, Key, Arc<dyn Carrier>) {
        let credentials = self.sandbox.add_account((self.wire.account)()).unwrap();
        let key = Key::Token(credentials.auth_token);
        let account = credentials.account_sid;
        (self.wire.prepare)(&self.sandbox, &account);
        let carrier = opened(self.wire, self.broken, &self.sandbox, &account, key.clone(), PATIENT, 4);
        (account, key, carrier)
    }

    /// The account, opened by somebody who waits less long for answers.
    pub fn in_a_hurry(&self) -> Arc<dyn Carrier> {
        opened(self.wire, self.broken, &self.sandbox, &self.account(), self.token(), HURRIED, 4)
    }

    /// The account, opened by somebody who asks one thing at a time.
    pub fn one_by_one(&self) -> Arc<dyn Carrier> {
        opened(self.wire, self.broken, &self.sandbox, &self.account(), self.token(), PATIENT, 1)
    }

    /// A further key of the account.
    pub fn further_key(&self, scope: KeyScope) -> Key {
        let (sid, secret) = (format!("SK{}", "1".repeat(32)), format!("{}further-s3cret", self.wire.key_prefix));
        self.sandbox.add_key(&self.account(), KeySeed { sid: sid.clone(), secret: secret.clone(), scope }).unwrap();
        Key::Further { sid, secret }
    }

    pub fn declared(&self) -> Capabilities {
        self.carrier.capabilities().clone()
    }

    pub fn sales(&self) -> &dyn Sales {
        self.carrier.sales().expect("the group needs it")
    }

    pub fn holds(&self) -> &dyn Holds {
        self.carrier.holds().expect("the group needs it")
    }

    pub fn letting_go(&self) -> &dyn LettingGo {
        self.holds().letting_go().expect("the group needs it")
    }

    pub fn orders(&self) -> &dyn Orders {
        self.carrier.orders().expect("the group needs it")
    }

    pub fn intake(&self) -> &dyn Intake {
        self.carrier.intake().expect("the group needs it")
    }

    pub fn marks(&self) -> &dyn Marks {
        self.carrier.marks().expect("the group needs it")
    }

    pub fn sharing(&self) -> &dyn SharedRoutes {
        self.carrier.shared_routes().expect("the group needs it")
    }

    pub fn publishing(&self) -> &dyn Publishing {
        self.carrier.publishing().expect("the group needs it")
    }

    /// A hosted agent as the adapter sees it.
    pub async fn hosted(&self, agent: &str) -> Result<Option<HostedAgent>, CarrierError> {
        self.carrier.platform().expect("the group needs it").agent(agent).await
    }

    pub fn channels(&self) -> &'static [Channel] {
        self.declared().channels
    }

    /// Gives the account a number.
    pub fn own(&self, number: &str) -> NumberId {
        NumberId(self.sandbox.seed_number(number).unwrap())
    }

    /// Gives another account a number.
    pub fn give(&self, account: &str, number: &str) {
        let account = Some(account.to_owned());
        self.sandbox.seed(NumberSeed { number: number.to_owned(), account, ..NumberSeed::default() }).unwrap();
    }

    /// Puts numbers up for sale.
    pub fn stock(&self, numbers: &[&str]) {
        numbers.iter().for_each(|number| self.sandbox.add_stock(number).unwrap());
    }

    /// Somewhere to send a channel to.
    pub fn destination(&self, channel: Channel, name: &str) -> Destination {
        (self.wire.destination)(&self.sandbox, channel, name)
    }

    /// Somewhere to send every channel to.
    pub fn route(&self, name: &str) -> Route {
        self.channels().iter().map(|channel| (*channel, self.destination(*channel, name))).collect()
    }

    /// Somewhere to send the first channel to.
    pub fn one_leg(&self, name: &str) -> Route {
        let channel = self.channels()[0];
        [(channel, self.destination(channel, name))].into()
    }

    /// Nowhere, for every channel.
    pub fn nowhere(&self) -> Route {
        self.channels().iter().map(|channel| (*channel, Destination::default())).collect()
    }

    /// Where a channel of a number goes, by the carrier's books.
    pub fn goes(&self, number: &str, channel: Channel) -> Option<String> {
        self.sandbox.field(number, (self.wire.field)(channel))
    }

    /// Whether a number goes where `route` says, by the carrier's books.
    pub fn goes_by(&self, number: &str, route: &Route) -> bool {
        route.iter().all(|(channel, destination)| self.goes(number, *channel) == place(destination))
    }

    /// A person sends a channel of a number elsewhere.
    pub fn edit(&self, number: &str, channel: Channel, to: &Destination) {
        let field = (self.wire.field)(channel);
        self.sandbox.edit(number, &[(field, &place(to).unwrap_or_default())]).unwrap();
    }

    /// A person writes something in the place of the marker, where there is one.
    pub fn write_marker(&self, number: &str, text: &str) {
        if let Some(field) = self.wire.marker_field {
            self.sandbox.edit(number, &[(field, text)]).unwrap();
        }
    }

    /// What stands in the place of the marker, by the carrier's books.
    pub fn marked(&self, number: &str) -> Option<String> {
        self.sandbox.field(number, self.wire.marker_field?)
    }

    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        self.sandbox.switch(change);
    }

    /// The next request that fits meets the fault.
    pub fn inject(&self, when: Match, fault: Fault) {
        self.sandbox.inject(Rule::new(when, fault));
    }

    /// A refusal of this class, in the carrier's words.
    pub fn refusal(&self, class: ErrorClass) -> Fault {
        let known = self.wire.refusals.iter().find(|(known, ..)| *known == class);
        let (_, status, code) = *known.unwrap_or_else(|| panic!("how {class:?} is said is not known"));
        refuse(status, code)
    }

    /// Every request of a kind.
    pub fn requests(&self, kind: Kind) -> Vec<Entry> {
        self.sandbox.ledger().of(kind).cloned().collect()
    }

    /// How often something was asked to be sold, whatever became of it.
    pub fn purchases_sent(&self) -> usize {
        self.requests(Kind::Purchase).len() + self.requests(Kind::Overwrite).len()
    }

    /// How much was asked in all.
    pub fn asked(&self) -> usize {
        self.sandbox.summary().requests
    }

    /// The number as the adapter finds it.
    pub async fn found(&self, number: &str) -> OwnedNumber {
        self.carrier.find(&self::number(number)).await.unwrap().expect("it is the account's")
    }

    /// The numbers as the adapter lists them, sorted.
    pub async fn listed(&self) -> Vec<String> {
        let mut numbers: Vec<String> =
            self.carrier.list().await.unwrap().into_iter().map(|owned| owned.number.to_string()).collect();
        numbers.sort();
        numbers
    }

    /// Buys the number and waits until it is the account's.
    pub async fn buy(&self, purchase: &Purchase) -> OwnedNumber {
        match did(self.sales().purchase(purchase).await) {
            Bought::Owned(owned) => owned,
            Bought::Ordered(order) => {
                assert_eq!(order.number, purchase.number);
                self.arrived(&purchase.number).await
            }
        }
    }

    /// Waits until a number that was ordered is the account's.
    pub async fn arrived(&self, number: &E164) -> OwnedNumber {
        eventually("the number is the account's", async || self.carrier.find(number).await.unwrap()).await
    }

    /// So many numbers are bought, now or in a moment, and no more when the case is over.
    pub async fn has_bought(&self, times: usize) {
        eventually("so many are bought", async || (self.sandbox.ledger().purchases() == times).then_some(())).await;
        self.bought.set(times);
    }

    /// What holds at the end of every test: as much was bought as it says, and nothing given back.
    pub fn assert_accounts(&self) {
        let ledger = self.sandbox.ledger();
        assert_eq!((ledger.purchases(), ledger.releases()), (self.bought.get(), 0), "purchases and releases");
        let mut recorded = true;
        self.switch(|switches| recorded = switches.record_bodies);
        let wrong = if recorded { (self.wire.check)(&ledger) } else { vec![] };
        assert_eq!(wrong, [""; 0], "as the carrier's documents have it");
    }
}

impl Drop for Subject {
    /// A broken adapter's accounts are not what they should be, and that is noticed elsewhere.
    fn drop(&mut self) {
        if self.broken.is_none() && !std::thread::panicking() {
            self.assert_accounts();
        }
    }
}

fn opened(
    wire: &Wire,
    broken: Option<Breakage>,
    sandbox: &Sandbox,
    account: &str,
    key: Key,
    deadline: Duration,
    concurrency: u32,
) -> Arc<dyn Carrier> {
    let limiter = Limiter::new(Limits { concurrency, requests_per_second: 0 });
    let secret = key.secret().to_owned();
    let carrier = (wire.open)(sandbox, account, key, Transport::new(deadline).unwrap(), limiter);
    match broken {
        Some(how) => Arc::new(Broken::new(carrier, how, secret)),
        None => carrier,
    }
}

/// Where a destination goes, as the carrier writes it: a URL, or the name of something that a number is bound to.
pub fn place(destination: &Destination) -> Option<String> {
    destination.url.clone().or_else(|| destination.bound_to.as_ref().map(|bound| bound.id.clone()))
}

pub fn number(text: &str) -> E164 {
    text.parse().unwrap()
}

pub fn marker() -> Marker {
    Marker::new("test", "clinics/front-desk")
}

pub fn search(wish: Value) -> Search {
    serde_json::from_value(wish).unwrap()
}

/// A purchase of this number that sends its traffic nowhere.
pub fn purchase(text: &str) -> Purchase {
    Purchase {
        number: number(text),
        marker: marker(),
        route: Route::new(),
        regulatory: Regulatory::default(),
        hold: None,
        key: "key".to_owned(),
        before: Instant::now() + PATIENT,
    }
}

/// An order that nobody has placed.
pub fn order(id: &str, of: &Purchase) -> Order {
    let (number, marker) = (of.number.clone(), Some(of.marker.clone()));
    Order { id: id.to_owned(), number, marker, pending: true, lacks_papers: false }
}

pub fn did<T: fmt::Debug>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Did(done) => done,
        other => panic!("it should have been done: {other:?}"),
    }
}

pub fn did_nothing<T: fmt::Debug>(outcome: Outcome<T>) -> CarrierError {
    match outcome {
        Outcome::DidNothing(error) => error,
        other => panic!("nothing should have been done: {other:?}"),
    }
}

pub fn unknown<T: fmt::Debug>(outcome: Outcome<T>) -> CarrierError {
    match outcome {
        Outcome::Unknown(error) => error,
        other => panic!("it should not be known: {other:?}"),
    }
}
