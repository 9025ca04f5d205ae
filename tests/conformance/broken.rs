//! Adapters that are broken on purpose: a real one with one thing wrong, which the cases must notice.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use dialplane::{
    api::{
        account::Balance,
        number::{Channel, Destination, E164, Route},
        offer::{Offer, Search},
        purchase::{Hold, Marker},
    },
    carrier::{
        Bought, Calling, Capabilities, Carrier, CarrierError, ErrorClass, Holds, HostedAgent, HostedVersion, Identity,
        Intake, LettingGo, Marks, NumberId, Order, Orders, Outcome, OwnedNumber, Platform, Publishing, Purchase, Sales,
        SharedRoute, SharedRoutes,
    },
};
use futures::{StreamExt as _, future, stream};

use super::{
    CASES, Need, WIRES, case,
    subject::{OTHER, Subject, number, order, search},
};

/// What is wrong with an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    /// A purchase that nobody knows the outcome of is sent again.
    RetriesPurchases,
    /// So is a write.
    RetriesWrites,
    /// What may have been done is called undone.
    TakesDoubtForRefusal,
    /// What was refused is called unclear, so that nobody ever knows.
    TakesRefusalForDoubt,
    /// A purchase is called done whatever came back.
    TakesDoubtForSuccess,
    /// A purchase is sent whenever its turn comes.
    SendsTooLate,
    /// Another number is bought.
    BuysAnother,
    /// A bought number bears something else.
    DropsMarkers,
    /// A bought number goes nowhere.
    DropsRoutes,
    /// A 404 is taken for none.
    BelievesNotFound,
    /// Any error is.
    BelievesErrors,
    /// An error is taken for the end of the list.
    ListsPart,
    /// A look that was refused is taken again.
    InsistsOnReading,
    /// A number is found by its beginning.
    FindsLoosely,
    /// Every key opens the account.
    IdentifiesEverybody,
    /// An account that cannot serve is shown as one that can.
    HidesInactivity,
    /// Channels that are not named are cleared.
    BlanksOtherChannels,
    /// Whatever takes the calls, they are said to go by the route.
    HidesShadows,
    /// A route is written another way each time.
    Flaps,
    /// A shared route is made again each time.
    MakesSharedRoutesAgain,
    /// A search that fails finds nothing.
    BelievesFailedSearches,
    /// Offers come twice.
    OffersTwice,
    /// Offers have no price.
    HidesPrices,
    /// Some number is offered for another.
    OffersAnother,
    /// What is left is not told.
    HidesBalance,
    /// Orders are not told.
    HidesOrders,
    /// Nothing is done to cancel an order.
    PretendsToCancel,
    /// Whoever asks holds.
    HoldsForEverybody,
    /// Nothing is done to let go of a hold.
    PretendsToLetGo,
    /// Whatever is wrong is called a wrong value.
    ForgetsClasses,
    /// How long to wait is not told.
    ForgetsToWait,
    /// Errors quote the credentials.
    TellsSecrets,
    /// Each publication has a key of its own.
    PublishesAgain,
    /// What was published bears no note.
    DropsNotes,
    /// An earlier version is called serving whatever serves.
    PretendsToPointBack,
    /// An earlier version is made again of the draft.
    PublishesToPointBack,
    /// What is not seen of an agent's versions is not there.
    BelievesTornVersions,
    LacksHolds,
    LacksLettingGo,
    LacksOrders,
    LacksIntake,
    LacksMarks,
    LacksPublishing,
    LacksSharedRoutes,
    LacksSales,
    DeclaresTooFewChannels,
    DeclaresToSettleAtOnce,
}

use Breakage::*;

/// Every breakage, what an adapter must have to be broken in this way, and cases that notice each by itself.
const BREAKAGES: &[(Breakage, Need, &[&str])] = &[
    (RetriesPurchases, Need::Sales, &["doubt::a_purchase_is_unknown_if_its_answer_was_lost"]),
    (RetriesWrites, Need::Nothing, &["writes::a_write_is_unknown_if_it_was_lost"]),
    (TakesDoubtForRefusal, Need::Nothing, &["writes::a_write_is_unknown_if_its_answer_breaks_off"]),
    (TakesDoubtForRefusal, Need::Sales, &["doubt::a_purchase_is_unknown_if_it_is_applied_late"]),
    (TakesRefusalForDoubt, Need::Nothing, &["writes::a_write_that_is_refused_did_nothing_and_has_the_class_of_it"]),
    (TakesRefusalForDoubt, Need::Sales, &["purchases::a_number_that_somebody_else_took_is_unavailable"]),
    (TakesDoubtForSuccess, Need::Sales, &["doubt::a_purchase_is_unknown_if_it_was_lost"]),
    (SendsTooLate, Need::Sales, &["purchases::a_purchase_whose_time_is_over_is_not_sent"]),
    (BuysAnother, Need::Sales, &["purchases::just_this_number_is_bought_once"]),
    (DropsMarkers, Need::Marks, &["purchases::a_bought_number_bears_the_marker_from_the_first_moment"]),
    (DropsRoutes, Need::RoutedPurchases, &["purchases::a_bought_number_goes_where_it_should_from_the_first_moment"]),
    (BelievesNotFound, Need::Nothing, &["listing::a_404_is_no_empty_list", "finding::a_404_is_no_absence"]),
    (
        BelievesErrors,
        Need::Nothing,
        &["listing::a_401_is_no_empty_list", "finding::a_carrier_that_is_unwell_is_no_absence"],
    ),
    (InsistsOnReading, Need::Nothing, &["reads::a_read_that_is_refused_is_not_asked_again"]),
    (ListsPart, Need::Nothing, &["listing::a_torn_page_is_an_error_and_no_part"]),
    (FindsLoosely, Need::Nothing, &["finding::a_part_of_a_number_is_not_found"]),
    (IdentifiesEverybody, Need::Nothing, &["credentials::wrong_credentials_are_refused"]),
    (HidesInactivity, Need::Inactivity, &["credentials::an_account_that_cannot_serve_says_so"]),
    (BlanksOtherChannels, Need::Channels, &["routes::a_channel_that_is_not_named_is_left_alone"]),
    (
        HidesShadows,
        Need::Shadows,
        &[
            "shadows::calls_that_go_elsewhere_are_seen_and_left_alone",
            "shadows::what_may_not_be_read_is_unseen_and_no_error",
        ],
    ),
    (Flaps, Need::Nothing, &["routes::canonical_is_idempotent_and_what_is_shown_is_canonical"]),
    (MakesSharedRoutesAgain, Need::SharedRoutes, &["sharing::a_shared_route_that_is_as_it_should_be_is_left_alone"]),
    (BelievesFailedSearches, Need::Sales, &["offers::a_search_that_fails_is_not_taken_for_none"]),
    (OffersTwice, Need::Sales, &["offers::no_number_is_offered_twice"]),
    (HidesPrices, Need::Sales, &["offers::every_offer_has_its_price"]),
    (OffersAnother, Need::Sales, &["offers::a_number_that_is_not_for_sale_is_not_offered"]),
    (HidesBalance, Need::Balance, &["balance::what_is_left_is_said"]),
    (HidesOrders, Need::Orders, &["orders::a_pending_order_is_no_number_and_bears_the_marker"]),
    (PretendsToCancel, Need::Orders, &["orders::a_pending_order_is_cancelled_and_is_none"]),
    (HoldsForEverybody, Need::Holds, &["holds::a_number_held_by_another_account_is_unavailable"]),
    (
        PretendsToLetGo,
        Need::LettingGo,
        &[
            "letting_go::a_hold_is_let_go_of_and_anybody_may_have_the_number",
            "letting_go::an_id_that_is_no_holds_leads_to_no_number",
        ],
    ),
    (
        LacksLettingGo,
        Need::LettingGo,
        &[
            "declared::the_facets_are_those_of_the_carrier",
            "letting_go::a_hold_is_let_go_of_and_anybody_may_have_the_number",
        ],
    ),
    (ForgetsClasses, Need::Nothing, &["writes::a_write_that_is_refused_did_nothing_and_has_the_class_of_it"]),
    (ForgetsClasses, Need::Sales, &["purchases::too_little_money_is_said"]),
    (ForgetsToWait, Need::Nothing, &["writes::a_write_that_is_throttled_did_nothing_and_says_how_long_to_wait"]),
    (TellsSecrets, Need::Nothing, &["secrets::no_secret_is_in_an_error"]),
    (
        LacksHolds,
        Need::Holds,
        &["declared::the_facets_are_those_of_the_carrier", "holds::a_number_is_kept_for_a_while"],
    ),
    (LacksOrders, Need::Orders, &["declared::a_purchase_is_an_order_where_there_are_orders"]),
    (LacksIntake, Need::Intake, &["intake::a_number_that_is_elsewhere_is_brought_in_for_nothing"]),
    (LacksMarks, Need::Marks, &["marks::a_marker_is_written_and_seen"]),
    (
        LacksSharedRoutes,
        Need::SharedRoutes,
        &["declared::shared_routes_are_declared_as_they_are", "sharing::numbers_are_bound_to_it_and_follow_it"],
    ),
    (PublishesAgain, Need::Publishing, &["publishing::a_draft_is_published_once_and_found_by_its_note"]),
    (DropsNotes, Need::Publishing, &["publishing::a_publication_is_unknown_where_its_answer_is_and_is_then_found"]),
    (PretendsToPointBack, Need::Publishing, &["publishing::a_version_that_the_agent_does_not_have_is_refused"]),
    (PublishesToPointBack, Need::Publishing, &["publishing::an_earlier_version_serves_again_and_the_draft_stays"]),
    (BelievesTornVersions, Need::Publishing, &["publishing::versions_that_are_not_wholly_seen_are_an_error"]),
    (LacksPublishing, Need::Publishing, &["publishing::a_draft_is_published_once_and_found_by_its_note"]),
    (
        TakesDoubtForRefusal,
        Need::Publishing,
        &[
            "publishing::a_publication_is_unknown_where_its_answer_is_and_is_then_found",
            "publishing::a_change_of_what_serves_is_unknown_where_its_answer_is",
        ],
    ),
    (
        TakesRefusalForDoubt,
        Need::Publishing,
        &[
            "publishing::a_publication_that_is_refused_did_nothing_and_has_the_class_of_it",
            "publishing::an_agent_of_another_account_is_not_published",
        ],
    ),
    (LacksSales, Need::Sales, &["purchases::just_this_number_is_bought_once"]),
    (DeclaresTooFewChannels, Need::Channels, &["declared::the_channels_are_those_that_can_be_sent_somewhere"]),
    (
        DeclaresToSettleAtOnce,
        Need::Sales,
        &["declared::a_purchase_settles_later_than_any_request_lives_and_any_listing_lags"],
    ),
];

#[tokio::test]
async fn an_adapter_that_is_broken_in_any_way_is_noticed() {
    let wires: Vec<_> = WIRES.iter().map(|wire| (*wire, wire.subject())).collect();
    let broken = wires.iter().flat_map(|(wire, whole)| {
        let met = BREAKAGES.iter().filter(|(_, needs, _)| wire.does(*needs));
        met.flat_map(|(how, _, cases)| cases.iter().map(|name| (*wire, whole.declared().name, *how, *name)))
    });
    let noticed = broken.map(async |(wire, carrier, how, name)| {
        let passes = case(name).passes(&Subject::new(wire, Some(how))).await;
        passes.then(|| format!("{name} does not notice that {carrier} {how:?}"))
    });
    // Most of the time goes by waiting.
    let unnoticed: Vec<_> = stream::iter(noticed).buffer_unordered(8).filter_map(future::ready).collect().await;
    assert_eq!(unnoticed, [""; 0]);
}

#[test]
fn something_is_noticed_by_every_group_of_cases() {
    let groups = |names: &mut dyn Iterator<Item = &&'static str>| -> BTreeSet<&str> {
        names.map(|name| name.split_once("::").unwrap().0).collect()
    };
    let noticing = groups(&mut BREAKAGES.iter().flat_map(|(.., cases)| cases.iter()));
    assert_eq!(noticing, groups(&mut CASES.iter().map(|case| &case.name)));
}

/// An adapter with one thing wrong.
#[derive(Debug)]
pub struct Broken {
    carrier: Arc<dyn Carrier>,
    how: Breakage,
    capabilities: Capabilities,
    secret: String,
}

impl Broken {
    pub fn new(carrier: Arc<dyn Carrier>, how: Breakage, secret: String) -> Self {
        let mut capabilities = carrier.capabilities().clone();
        if how == DeclaresTooFewChannels {
            capabilities.channels = &[Channel::Voice];
        }
        Self { carrier, how, capabilities, secret }
    }

    fn selling(&self) -> &dyn Sales {
        self.carrier.sales().unwrap()
    }

    fn error(&self, mut error: CarrierError) -> CarrierError {
        match self.how {
            TellsSecrets => error.text.push_str(&self.secret),
            ForgetsClasses => error.class = ErrorClass::Rejected,
            ForgetsToWait => error.retry_after = None,
            _ => {}
        }
        error
    }

    fn outcome<T>(&self, outcome: Outcome<T>) -> Outcome<T> {
        match (outcome, self.how) {
            (Outcome::Unknown(error), TakesDoubtForRefusal) => Outcome::DidNothing(error),
            (Outcome::DidNothing(error), TakesRefusalForDoubt) => Outcome::Unknown(error),
            (Outcome::DidNothing(error), _) => Outcome::DidNothing(self.error(error)),
            (Outcome::Unknown(error), _) => Outcome::Unknown(self.error(error)),
            (did, _) => did,
        }
    }

    /// What is believed in the place of an error.
    fn read<T: Default>(&self, read: Result<T, CarrierError>) -> Result<T, CarrierError> {
        match (read, self.how) {
            (Err(error), BelievesNotFound) if error.class == ErrorClass::NotFound => Ok(T::default()),
            (Err(_), BelievesErrors) => Ok(T::default()),
            (read, _) => read.map_err(|error| self.error(error)),
        }
    }
}

#[async_trait]
impl Carrier for Broken {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn identify(&self) -> Result<Identity, CarrierError> {
        match (self.carrier.identify().await, self.how) {
            (Err(_), IdentifiesEverybody) => Ok(Identity { account: "everybody".to_owned(), inactive: None }),
            (Ok(identity), HidesInactivity) => Ok(Identity { inactive: None, ..identity }),
            (identity, _) => identity.map_err(|error| self.error(error)),
        }
    }

    async fn list(&self) -> Result<Vec<OwnedNumber>, CarrierError> {
        match (self.carrier.list().await, self.how) {
            (Err(_), ListsPart) => Ok(vec![]),
            (Err(_), InsistsOnReading) => self.carrier.list().await,
            (Ok(mut listed), HidesShadows) => {
                listed.iter_mut().for_each(|owned| owned.calling = Calling::Number);
                Ok(listed)
            }
            (listed, _) => self.read(listed),
        }
    }

    async fn find(&self, number: &E164) -> Result<Option<OwnedNumber>, CarrierError> {
        if self.how == FindsLoosely {
            let listed = self.carrier.list().await?;
            return Ok(listed.into_iter().find(|owned| owned.number.as_str().starts_with(number.as_str())));
        }
        self.read(self.carrier.find(number).await)
    }

    async fn set_route(&self, id: &NumberId, route: &Route) -> Outcome<OwnedNumber> {
        let mut route = route.clone();
        if self.how == BlanksOtherChannels {
            for channel in self.capabilities.channels {
                route.entry(*channel).or_default();
            }
        }
        let outcome = self.carrier.set_route(id, &route).await;
        match outcome {
            Outcome::Unknown(error) if self.how == RetriesWrites => {
                self.carrier.set_route(id, &route).await;
                Outcome::Unknown(error)
            }
            outcome => self.outcome(outcome),
        }
    }

    async fn balance(&self) -> Result<Option<Balance>, CarrierError> {
        let balance = self.read(self.carrier.balance().await)?;
        Ok(balance.filter(|_| self.how != HidesBalance))
    }

    fn canonical(&self, route: Route) -> Route {
        let mut route = self.carrier.canonical(route);
        if self.how == Flaps {
            let again = |destination: &mut Destination| {
                destination.url.iter_mut().for_each(|url| url.push('/'));
                destination.bound_to.iter_mut().for_each(|bound| bound.id.push('/'));
            };
            route.iter_mut().for_each(|(_, to)| again(to));
        }
        route
    }

    fn sales(&self) -> Option<&dyn Sales> {
        self.carrier.sales().is_some().then_some(self as _).filter(|_| self.how != LacksSales)
    }

    fn holds(&self) -> Option<&dyn Holds> {
        self.carrier.holds().is_some().then_some(self as _).filter(|_| self.how != LacksHolds)
    }

    fn orders(&self) -> Option<&dyn Orders> {
        self.carrier.orders().is_some().then_some(self as _).filter(|_| self.how != LacksOrders)
    }

    fn intake(&self) -> Option<&dyn Intake> {
        self.carrier.intake().filter(|_| self.how != LacksIntake)
    }

    fn marks(&self) -> Option<&dyn Marks> {
        self.carrier.marks().is_some().then_some(self as _).filter(|_| self.how != LacksMarks)
    }

    fn platform(&self) -> Option<&dyn Platform> {
        self.carrier.platform().is_some().then_some(self as _)
    }

    fn publishing(&self) -> Option<&dyn Publishing> {
        self.carrier.publishing().is_some().then_some(self as _).filter(|_| self.how != LacksPublishing)
    }

    fn shared_routes(&self) -> Option<&dyn SharedRoutes> {
        self.carrier.shared_routes().is_some().then_some(self as _).filter(|_| self.how != LacksSharedRoutes)
    }
}

#[async_trait]
impl Sales for Broken {
    fn settling(&self) -> Duration {
        if self.how == DeclaresToSettleAtOnce { Duration::ZERO } else { self.selling().settling() }
    }

    async fn offers(&self, search: &Search) -> Result<Vec<Offer>, CarrierError> {
        let mut offers = match (self.selling().offers(search).await, self.how) {
            (Err(_), BelievesFailedSearches) => return Ok(vec![]),
            (offers, _) => self.read(offers)?,
        };
        match self.how {
            OffersTwice => offers.extend(offers.clone()),
            HidesPrices => offers.iter_mut().for_each(|offer| offer.price = Default::default()),
            _ => {}
        }
        Ok(offers)
    }

    async fn offer(&self, number: &E164) -> Result<Option<Offer>, CarrierError> {
        let offer = self.read(self.selling().offer(number).await)?;
        if offer.is_none() && self.how == OffersAnother {
            return Ok(self.selling().offers(&search(serde_json::json!({ "country": "US" }))).await?.pop());
        }
        Ok(offer)
    }

    async fn purchase(&self, purchase: &Purchase) -> Outcome<Bought> {
        let mut sent = purchase.clone();
        match self.how {
            SendsTooLate => sent.before += Duration::from_secs(60),
            BuysAnother => sent.number = number(OTHER),
            DropsMarkers => sent.marker = Marker::new("test", "another"),
            DropsRoutes => sent.route = Route::new(),
            _ => {}
        }
        match (self.selling().purchase(&sent).await, self.how) {
            (Outcome::Unknown(error), RetriesPurchases) => {
                self.selling().purchase(&sent).await;
                Outcome::Unknown(error)
            }
            (Outcome::Unknown(_), TakesDoubtForSuccess) => Outcome::Did(Bought::Ordered(order("1", &sent))),
            (outcome, _) => self.outcome(outcome),
        }
    }
}

#[async_trait]
impl Holds for Broken {
    async fn hold(&self, number: &E164, marker: &Marker) -> Outcome<Hold> {
        match (self.carrier.holds().unwrap().hold(number, marker).await, self.how) {
            (Outcome::DidNothing(_), HoldsForEverybody) => {
                Outcome::Did(Hold { number: number.clone(), id: "1".to_owned(), until: None })
            }
            (outcome, _) => self.outcome(outcome),
        }
    }

    fn letting_go(&self) -> Option<&dyn LettingGo> {
        let lets_go = self.carrier.holds()?.letting_go().is_some() && self.how != LacksLettingGo;
        lets_go.then_some(self as _)
    }
}

#[async_trait]
impl LettingGo for Broken {
    async fn let_go(&self, hold: &Hold) -> Outcome<()> {
        match self.how {
            PretendsToLetGo => Outcome::Did(()),
            _ => self.outcome(self.carrier.holds().unwrap().letting_go().unwrap().let_go(hold).await),
        }
    }
}

#[async_trait]
impl Orders for Broken {
    async fn standing(&self) -> Result<Vec<Order>, CarrierError> {
        let orders = self.read(self.carrier.orders().unwrap().standing().await)?;
        Ok(if self.how == HidesOrders { vec![] } else { orders })
    }

    async fn cancel(&self, order: &Order) -> Outcome<()> {
        match self.how {
            PretendsToCancel => Outcome::Did(()),
            _ => self.outcome(self.carrier.orders().unwrap().cancel(order).await),
        }
    }
}

#[async_trait]
impl Marks for Broken {
    async fn mark(&self, id: &NumberId, marker: &Marker) -> Outcome<OwnedNumber> {
        self.outcome(self.carrier.marks().unwrap().mark(id, marker).await)
    }
}

#[async_trait]
impl Platform for Broken {
    async fn agent(&self, id: &str) -> Result<Option<HostedAgent>, CarrierError> {
        match (self.carrier.platform().unwrap().agent(id).await, self.how) {
            (Err(_), BelievesTornVersions) => {
                Ok(Some(HostedAgent { id: id.to_owned(), active: true, published: Some(Default::default()) }))
            }
            (agent, _) => self.read(agent),
        }
    }
}

#[async_trait]
impl Publishing for Broken {
    async fn publish(&self, agent: &str, note: &str, key: &str) -> Outcome<HostedVersion> {
        let (note, key) = match self.how {
            DropsNotes => ("", key.to_owned()),
            PublishesAgain => (note, format!("{key} {:?}", std::time::Instant::now())),
            _ => (note, key.to_owned()),
        };
        self.outcome(self.carrier.publishing().unwrap().publish(agent, note, &key).await)
    }

    async fn point_at(&self, agent: &str, version: &str) -> Outcome<HostedVersion> {
        let publishing = self.carrier.publishing().unwrap();
        match self.how {
            PretendsToPointBack => Outcome::Did(HostedVersion { id: version.to_owned(), note: None }),
            PublishesToPointBack => publishing.publish(agent, version, version).await,
            _ => self.outcome(publishing.point_at(agent, version).await),
        }
    }
}

#[async_trait]
impl SharedRoutes for Broken {
    async fn all(&self) -> Result<HashMap<String, SharedRoute>, CarrierError> {
        self.read(self.carrier.shared_routes().unwrap().all().await)
    }

    async fn set(&self, name: &str, current: &SharedRoute, webhooks: &Route) -> Outcome<SharedRoute> {
        let none = SharedRoute::default();
        let current = if self.how == MakesSharedRoutesAgain { &none } else { current };
        self.outcome(self.carrier.shared_routes().unwrap().set(name, current, webhooks).await)
    }
}
