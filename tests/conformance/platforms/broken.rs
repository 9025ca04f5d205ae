//! Adapters of platforms that are broken on purpose: a real one with one thing wrong, which the cases must notice.

use std::sync::Arc;

use async_trait::async_trait;
use dialplane::{
    api::{
        number::{E164, Route},
        phone_number::{Extra, NumberConfig},
    },
    carrier::{
        Bindings, Capabilities, Carrier, CarrierError, ErrorClass, Extras, HostedAgent, Identity, Lent, NumberId,
        Outcome, OwnedNumber, Platform,
    },
};
use secrecy::ExposeSecret as _;

use super::{
    CASES, WIRES,
    bench::{Bench, bindings},
};

/// What is wrong with an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    /// A list lacks its last number.
    ListsPart,
    /// Any error of a list is taken for none.
    BelievesErrors,
    /// Every key opens the account.
    IdentifiesEverybody,
    /// Every agent is there.
    HostsEverything,
    /// Nothing is done to bind.
    PretendsToBind,
    /// A write that nobody knows the outcome of is sent again.
    RetriesWrites,
    /// What may have been done is called undone.
    TakesDoubtForRefusal,
    /// What may not have been done is called done.
    TakesDoubtForSuccess,
    /// Another agent takes the number by force.
    MovesByForce,
    /// Whatever credentials are wrong, it is said to be the platform's.
    BlamesTheKey,
    /// All that is not there is the same.
    ForgetsWhatIsMissing,
    /// Nothing is done to unbind.
    PretendsToUnbind,
    /// What is not there is no end.
    InsistsOnUnbinding,
    /// What is not named is cleared.
    BlanksOtherSettings,
    /// The webhooks are written again with the settings.
    BindsToConfigure,
    /// Settings that name nothing are sent.
    SendsNothing,
    /// One extra is switched with the other.
    SwitchesEveryExtra,
    /// A route is called set whatever it is.
    PretendsToRoute,
    /// The credentials that were lent stand in errors.
    TellsSecrets,
    /// Only one carrier's numbers are taken.
    KnowsOneCarrier,
}

use Breakage::*;

/// Every breakage, and a case that notices it.
const BREAKAGES: &[(Breakage, &str)] = &[
    (BelievesErrors, "what_is_not_a_whole_list_is_an_error"),
    (ListsPart, "every_number_is_listed_once"),
    (IdentifiesEverybody, "an_account_says_who_it_is_and_a_wrong_key_opens_nothing"),
    (HostsEverything, "an_agent_is_on_or_off_or_not_there"),
    (PretendsToBind, "a_number_that_is_bound_goes_to_the_platform_and_is_listed"),
    (RetriesWrites, "a_binding_is_unknown_where_its_answer_is_and_is_then_seen"),
    (RetriesWrites, "settings_are_unknown_where_their_answer_is_and_are_then_seen"),
    (TakesDoubtForRefusal, "a_binding_is_unknown_where_its_answer_is_and_is_then_seen"),
    (TakesDoubtForSuccess, "an_end_is_unknown_where_its_answer_is_and_is_then_seen"),
    (MovesByForce, "a_number_that_another_agent_answers_is_not_taken_from_it"),
    (MovesByForce, "a_number_that_is_bound_again_is_as_it_was"),
    (BlamesTheKey, "lent_credentials_that_are_wrong_are_not_the_platforms_own"),
    (ForgetsWhatIsMissing, "what_is_not_there_is_not_bound"),
    (PretendsToUnbind, "a_number_that_is_unbound_stays_at_its_carrier_however_often"),
    (InsistsOnUnbinding, "a_number_that_is_unbound_stays_at_its_carrier_however_often"),
    (BlanksOtherSettings, "settings_are_one_change_and_no_webhook"),
    (BindsToConfigure, "settings_are_one_change_and_no_webhook"),
    (SendsNothing, "settings_that_name_nothing_are_not_sent"),
    (SwitchesEveryExtra, "extras_are_switched_one_by_one_and_no_webhook_is_written"),
    (RetriesWrites, "an_extra_is_unknown_where_its_answer_is_and_is_then_seen"),
    (PretendsToRoute, "an_empty_route_unbinds_and_no_other_is_set"),
    (TellsSecrets, "no_secret_is_in_an_error_or_in_what_an_adapter_shows_of_itself"),
    (KnowsOneCarrier, "a_number_of_the_other_carrier_is_bound_too"),
];

#[tokio::test]
async fn a_platforms_adapter_that_is_broken_in_any_way_is_noticed() {
    let mut unnoticed = Vec::new();
    for wire in WIRES {
        for (how, name) in BREAKAGES {
            let case =
                CASES.iter().find(|case| case.name == *name).unwrap_or_else(|| panic!("there is no case {name}"));
            if case.passes(&Bench::new(wire, Some(*how))).await {
                unnoticed.push(format!("{name} does not notice {how:?}"));
            }
        }
    }
    assert_eq!(unnoticed, [""; 0]);
    let named = |case: &&super::Case| BREAKAGES.iter().any(|(_, name)| *name == case.name);
    let idle: Vec<_> = CASES.iter().filter(|case| !named(case)).map(|case| case.name).collect();
    assert_eq!(idle, [""; 0], "these notice nothing");
}

/// An adapter with one thing wrong.
#[derive(Debug)]
pub struct Broken {
    pub carrier: Arc<dyn Carrier>,
    pub how: Breakage,
}

impl Broken {
    fn inner(&self) -> &dyn Bindings {
        bindings(&*self.carrier)
    }

    fn outcome<T>(&self, outcome: Outcome<T>, done: impl FnOnce() -> T) -> Outcome<T> {
        match (outcome, self.how) {
            (Outcome::Unknown(error), TakesDoubtForRefusal) => Outcome::DidNothing(error),
            (Outcome::Unknown(_), TakesDoubtForSuccess) => Outcome::Did(done()),
            (outcome, _) => outcome,
        }
    }

    /// A number as it would be if all had gone well.
    fn pretended(number: &E164, agent: &str) -> OwnedNumber {
        OwnedNumber {
            id: NumberId(number.as_str().to_owned()),
            number: number.clone(),
            route: super::bench::route(Some(agent)),
            features: vec![],
            messaging: Default::default(),
            calling: Default::default(),
            marker: None,
            config: None,
        }
    }
}

#[async_trait]
impl Carrier for Broken {
    fn capabilities(&self) -> &Capabilities {
        self.carrier.capabilities()
    }

    async fn identify(&self) -> Result<Identity, CarrierError> {
        match self.how {
            IdentifiesEverybody => Ok(Identity { account: "everybody".to_owned(), inactive: None }),
            _ => self.carrier.identify().await,
        }
    }

    async fn list(&self) -> Result<Vec<OwnedNumber>, CarrierError> {
        match self.carrier.list().await {
            Err(_) if self.how == BelievesErrors => Ok(vec![]),
            Ok(mut numbers) if self.how == ListsPart => {
                numbers.pop();
                Ok(numbers)
            }
            listed => listed,
        }
    }

    async fn find(&self, number: &E164) -> Result<Option<OwnedNumber>, CarrierError> {
        self.carrier.find(number).await
    }

    async fn set_route(&self, id: &NumberId, route: &Route) -> Outcome<OwnedNumber> {
        match self.how {
            PretendsToRoute => Outcome::Did(Self::pretended(&id.0.parse().unwrap(), "agent")),
            _ => self.carrier.set_route(id, route).await,
        }
    }

    fn canonical(&self, route: Route) -> Route {
        self.carrier.canonical(route)
    }

    fn platform(&self) -> Option<&dyn Platform> {
        Some(self)
    }

    fn bindings(&self) -> Option<&dyn Bindings> {
        Some(self)
    }

    fn extras(&self) -> Option<&dyn Extras> {
        self.carrier.extras().map(|_| self as &dyn Extras)
    }
}

#[async_trait]
impl Extras for Broken {
    async fn is_on(&self, number: &E164, extra: Extra) -> Result<bool, CarrierError> {
        self.carrier.extras().unwrap().is_on(number, extra).await
    }

    async fn switch(&self, number: &E164, extra: Extra, on: bool) -> Outcome<()> {
        let inner = self.carrier.extras().unwrap();
        let outcome = inner.switch(number, extra, on).await;
        let again = match (&outcome, self.how) {
            (Outcome::Unknown(_), RetriesWrites) => vec![extra],
            (_, SwitchesEveryExtra) => Extra::ALL.to_vec(),
            _ => Vec::new(),
        };
        for extra in again {
            inner.switch(number, extra, on).await;
        }
        self.outcome(outcome, || ())
    }
}

#[async_trait]
impl Platform for Broken {
    async fn agent(&self, id: &str) -> Result<Option<HostedAgent>, CarrierError> {
        match self.how {
            HostsEverything => Ok(Some(HostedAgent { id: id.to_owned(), active: true, published: None })),
            _ => self.carrier.platform().unwrap().agent(id).await,
        }
    }
}

#[async_trait]
impl Bindings for Broken {
    async fn bind(&self, number: &E164, agent: &str, lent: &Lent, config: &NumberConfig) -> Outcome<OwnedNumber> {
        if self.how == PretendsToBind {
            return Outcome::Did(OwnedNumber { config: Some(config.clone().into()), ..Self::pretended(number, agent) });
        }
        let outcome = match (self.inner().bind(number, agent, lent, config).await, self.how) {
            (Outcome::Unknown(error), RetriesWrites) => {
                self.inner().bind(number, agent, lent, config).await;
                Outcome::Unknown(error)
            }
            (Outcome::DidNothing(error), MovesByForce) if error.class == ErrorClass::Unavailable => {
                self.inner().unbind(number).await;
                self.inner().bind(number, agent, lent, config).await
            }
            (Outcome::DidNothing(error), BlamesTheKey) if error.class == ErrorClass::Rejected => {
                Outcome::DidNothing(CarrierError { class: ErrorClass::Unauthorized, ..error })
            }
            (Outcome::DidNothing(error), ForgetsWhatIsMissing) => {
                Outcome::DidNothing(CarrierError { text: "something is not there".to_owned(), ..error })
            }
            (Outcome::DidNothing(error), TellsSecrets) => {
                let text = format!("{} {}", error.text, lent.secret.expose_secret());
                Outcome::DidNothing(CarrierError { text, ..error })
            }
            (outcome, _) => outcome,
        };
        self.outcome(outcome, || Self::pretended(number, agent))
    }

    async fn unbind(&self, number: &E164) -> Outcome<()> {
        match self.how {
            PretendsToUnbind => Outcome::Did(()),
            InsistsOnUnbinding if self.carrier.find(number).await == Ok(None) => {
                Outcome::DidNothing(CarrierError::new(ErrorClass::NotFound, "it is not there"))
            }
            _ => self.outcome(self.inner().unbind(number).await, || ()),
        }
    }

    async fn configure(&self, number: &E164, config: &NumberConfig) -> Outcome<OwnedNumber> {
        let mut config = config.clone();
        match self.how {
            BlanksOtherSettings => {
                config.voice_id.get_or_insert_default();
            }
            BindsToConfigure => {
                self.inner().unbind(number).await;
            }
            SendsNothing if config.is_empty() => config.dtmf = Some(true),
            _ => {}
        }
        match self.inner().configure(number, &config).await {
            Outcome::Unknown(error) if self.how == RetriesWrites => {
                self.inner().configure(number, &config).await;
                Outcome::Unknown(error)
            }
            outcome => self.outcome(outcome, || Self::pretended(number, "agent")),
        }
    }

    fn refuses(&self, number: &E164, agent: &str, lent: &Lent) -> Option<CarrierError> {
        match self.how {
            KnowsOneCarrier if lent.carrier == "telnyx" => {
                Some(CarrierError::new(ErrorClass::Rejected, "not this one"))
            }
            _ => self.inner().refuses(number, agent, lent),
        }
    }
}
