//! An adapter of a platform, the simulated platform, and the carriers whose numbers it takes over. Does I/O.

use std::{sync::Arc, time::Duration};

use dialplane::{
    api::{
        number::{Channel, Destination, HOSTED_AGENT, Route},
        phone_number::{Extra, NumberConfig},
    },
    carrier::{
        Bindings, Carrier, CarrierError, HostedAgent, Lent, Outcome, OwnedNumber, Platform,
        http::{Limiter, Limits, Transport},
    },
    sandbox::carrier::{
        AccountSeed, Credentials, Dialect, Fault, Kind, Match, NumberSeed, Rule, Sandbox, SandboxConfig, Switches,
    },
};
use secrecy::SecretString;

use super::{
    super::subject::{NUMBER, number},
    broken::{Breakage, Broken},
};

const PATIENT: Duration = Duration::from_secs(20);
/// For requests that are never answered.
const HURRIED: Duration = Duration::from_secs(1);

/// What has to be known of one simulated platform beside its adapter.
pub struct PlatformWire {
    /// A new account.
    pub account: fn(&Sandbox) -> Credentials,
    pub open: fn(&Sandbox, &Credentials, Transport, Arc<Limiter>) -> Arc<dyn Carrier>,
    /// The identity that an account is expected to have.
    pub identity: fn(&Credentials) -> String,
    /// A new agent of an account; its id.
    pub agent: fn(&Sandbox, &Credentials) -> String,
    pub switch_off: fn(&Sandbox, agent: &str),
    pub delete: fn(&Sandbox, agent: &str),
    /// The agent that answers a number, by the platform's books.
    pub answers: fn(&Sandbox, number: &str) -> Option<String>,
    /// What a person writes on a number in the platform's console.
    pub edit: fn(&Sandbox, number: &str, NumberConfig),
    /// How a person switches an extra in the platform's console.
    pub switch: fn(&Sandbox, number: &str, Extra, bool),
    /// The fields of a Twilio number that the platform writes, and what it writes there.
    pub webhooks: fn(&Sandbox) -> Vec<(&'static str, String)>,
    /// The voice webhook of a Telnyx application that is the platform's.
    pub telnyx_voice: fn(&Sandbox) -> String,
    /// The ways in which the platform may list, answer and repeat, where nobody knows.
    pub ways: &'static [fn(&mut Switches)],
    /// Those of them in which it takes a binding a second time, and is done.
    pub rebinds: &'static [fn(&mut Switches)],
    /// Has refusals repeat what was sent.
    pub echoes: fn(&mut Switches),
}

pub struct Bench {
    pub carrier: Arc<dyn Carrier>,
    pub sandbox: Sandbox,
    pub wire: &'static PlatformWire,
    pub key: Credentials,
    pub agent: String,
    broken: Option<Breakage>,
}

impl Bench {
    /// A platform with an agent, and a Twilio account with a number.
    pub fn new(wire: &'static PlatformWire, broken: Option<Breakage>) -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).unwrap();
        sandbox.switch(|switches| switches.record_bodies = true);
        sandbox.seed_number(NUMBER).unwrap();
        let key = (wire.account)(&sandbox);
        let agent = (wire.agent)(&sandbox, &key);
        let carrier = opened(wire, broken, &sandbox, &key, PATIENT);
        Self { carrier, sandbox, wire, key, agent, broken }
    }

    /// The account with another secret, or another account.
    pub fn open(&self, key: &Credentials) -> Arc<dyn Carrier> {
        opened(self.wire, self.broken, &self.sandbox, key, PATIENT)
    }

    /// The account, opened by somebody who waits less long for answers.
    pub fn in_a_hurry(&self) -> Arc<dyn Carrier> {
        opened(self.wire, self.broken, &self.sandbox, &self.key, HURRIED)
    }

    pub fn bindings(&self) -> &dyn Bindings {
        bindings(&*self.carrier)
    }

    pub fn new_agent(&self) -> String {
        (self.wire.agent)(&self.sandbox, &self.key)
    }

    /// The credentials of the Twilio account that has the number.
    pub fn twilio(&self) -> Lent {
        let Credentials { account_sid, auth_token, .. } = self.sandbox.credentials();
        Lent { carrier: "twilio", account: Some(account_sid), secret: SecretString::from(auth_token), connection: None }
    }

    /// Those of a Telnyx account that has a number.
    pub fn telnyx(&self, number: &str) -> Lent {
        let seed = AccountSeed { carrier: Dialect::Telnyx, ..AccountSeed::default() };
        let Credentials { account_sid, auth_token, .. } = self.sandbox.add_account(seed).unwrap();
        let owned =
            NumberSeed { number: number.to_owned(), account: Some(account_sid.clone()), ..NumberSeed::default() };
        self.sandbox.seed(owned).unwrap();
        let voice = (self.wire.telnyx_voice)(&self.sandbox);
        let settings = [("friendly_name", "platform"), ("voice_url", voice.as_str())];
        let connection = Some(self.sandbox.add_application(&account_sid, &settings).unwrap());
        Lent { carrier: "telnyx", account: None, secret: SecretString::from(auth_token), connection }
    }

    pub async fn bind(&self, agent: &str) -> Outcome<OwnedNumber> {
        self.bindings().bind(&number(NUMBER), agent, &self.twilio(), &NumberConfig::default()).await
    }

    /// The agent that answers a number, by the platform's books.
    pub fn answers(&self, number: &str) -> Option<String> {
        (self.wire.answers)(&self.sandbox, number)
    }

    /// Whether the number's webhooks at its carrier are the platform's, or nothing.
    pub fn goes_there(&self) -> bool {
        let webhooks = (self.wire.webhooks)(&self.sandbox);
        let there =
            webhooks.iter().filter(|(field, url)| self.sandbox.field(NUMBER, field).as_ref() == Some(url)).count();
        let nowhere = webhooks.iter().filter(|(field, _)| self.sandbox.field(NUMBER, field).is_none()).count();
        assert!(there == webhooks.len() || nowhere == webhooks.len(), "half of it is there");
        there > 0
    }

    /// The number as the adapter lists it.
    pub async fn seen(&self) -> Option<OwnedNumber> {
        self.carrier.list().await.unwrap().into_iter().find(|owned| owned.number.as_str() == NUMBER)
    }

    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        self.sandbox.switch(change);
    }

    /// Whatever is asked of the platform about this from now on meets the fault.
    pub fn inject(&self, kind: Kind, fault: Fault) {
        self.sandbox.inject(Rule::new(Match::kind(kind).account(&self.key.account_sid), fault).always());
    }

    pub fn requests(&self, kind: Kind) -> usize {
        self.sandbox.ledger().of(kind).count()
    }
}

impl Drop for Bench {
    /// Nothing is bought or given back by whoever answers.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let ledger = self.sandbox.ledger();
            assert_eq!((ledger.purchases(), ledger.releases()), (0, 0), "purchases and releases");
        }
    }
}

fn opened(
    wire: &PlatformWire,
    broken: Option<Breakage>,
    sandbox: &Sandbox,
    key: &Credentials,
    deadline: Duration,
) -> Arc<dyn Carrier> {
    let limiter = Limiter::new(Limits { concurrency: 4, requests_per_second: 0 });
    let carrier = (wire.open)(sandbox, key, Transport::new(deadline).unwrap(), limiter);
    match broken {
        Some(how) => Arc::new(Broken { carrier, how }),
        None => carrier,
    }
}

pub fn bindings(carrier: &dyn Carrier) -> &dyn Bindings {
    carrier.bindings().expect("it takes over numbers")
}

pub async fn agent(carrier: &dyn Carrier, id: &str) -> Result<Option<HostedAgent>, CarrierError> {
    let platform: &dyn Platform = carrier.platform().expect("it is a platform");
    platform.agent(id).await
}

/// The route of a number that an agent answers, or none.
pub fn route(agent: Option<&str>) -> Route {
    [(Channel::Voice, Destination::bound(HOSTED_AGENT, agent.map(str::to_owned)))].into()
}
