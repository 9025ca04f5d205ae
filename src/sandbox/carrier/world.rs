//! The simulated carrier's memory: accounts, owned numbers, messaging services, and what is for sale. No I/O.
//!
//! Every change of a number goes through [`Simulation::change`], [`Simulation::insert`] or [`Simulation::remove`], which remember what
//! was there before: that is how a listing can be made to lag.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    time::Instant,
};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

pub(super) use super::number::Number;
use super::{
    config::{Dialect, KeyScope, KeySeed, SandboxConfig, Switches},
    faults::{self, Fault},
    flowyte::State as FlowyteState,
    nixflex::State as NixflexState,
    stock::{Offer, Stock},
    telnyx::State as TelnyxState,
    text::hex32,
};

/// How many changes of numbers a lagging listing can look back over.
const HISTORY: usize = 20_000;

/// A carrier account, or a subaccount of one.
#[derive(Clone)]
pub(super) struct Account {
    pub dialect: Dialect,
    pub sid: String,
    pub name: String,
    /// Twilio: the primary Auth Token, which signs webhooks. Telnyx: the API key.
    pub token: String,
    pub owner: Option<String>,
    /// `active`, `suspended` or `closed`.
    pub status: String,
    pub keys: Vec<KeySeed>,
    /// Hundredths of the account's currency.
    pub balance: i64,
    pub created: Timestamp,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("sid", &self.sid).field("status", &self.status).finish_non_exhaustive()
    }
}

/// A group of numbers with a webhook of its own for text messages.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub sid: String,
    pub account: String,
    pub settings: BTreeMap<String, String>,
    pub use_number_webhook: bool,
    /// Sids of its members, in the order in which they were added.
    pub members: Vec<(String, Timestamp)>,
    pub created: Timestamp,
}

/// A TwiML application: a set of webhooks that stands before a number's own.
#[derive(Clone, Debug)]
pub(super) struct Application {
    pub account: String,
    pub settings: BTreeMap<String, String>,
}

/// A number for sale that only one account can see and buy.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub account: String,
    /// When it lapses; `None` for a number that the account gave back and may reclaim.
    pub until: Option<Timestamp>,
}

#[derive(Debug)]
struct Change {
    at: Instant,
    order: u64,
    before: Option<Number>,
}

/// Everything the carrier knows.
#[derive(Debug)]
pub(super) struct Simulation {
    pub switches: Switches,
    pub accounts: BTreeMap<String, Account>,
    pub services: Vec<Service>,
    pub applications: BTreeMap<String, Application>,
    pub stock: Stock,
    /// By number; lapsed ones may still stand here.
    pub holds: HashMap<String, Hold>,
    pub telnyx: TelnyxState,
    pub flowyte: FlowyteState,
    pub nixflex: NixflexState,
    numbers: BTreeMap<u64, Number>,
    /// Never forgets, so that a page token outlives its number.
    orders: HashMap<String, u64>,
    owned: HashMap<String, u64>,
    history: VecDeque<Change>,
    seed: u64,
    serial: u64,
}

impl Simulation {
    /// The accounts that the configuration describes, and what is for sale; the same every time.
    pub fn new(config: &SandboxConfig) -> Result<Self, String> {
        let mut world = Self {
            switches: config.switches.clone(),
            accounts: BTreeMap::new(),
            services: Vec::new(),
            applications: BTreeMap::new(),
            stock: Stock::generate(config.seed, config.stock_per_area),
            holds: HashMap::new(),
            telnyx: TelnyxState::default(),
            flowyte: FlowyteState::default(),
            nixflex: NixflexState::default(),
            numbers: BTreeMap::new(),
            orders: HashMap::new(),
            owned: HashMap::new(),
            history: VecDeque::new(),
            seed: config.seed,
            serial: 0,
        };
        for account in config.accounts() {
            world.add_account(account)?;
        }
        Ok(world)
    }

    /// 32 hexadecimal digits that no one else has, and that are the same in every run.
    pub fn hex(&mut self, what: &str) -> String {
        self.serial += 1;
        hex32(&format!("{}/{what}/{}", self.seed, self.serial))
    }

    /// 32 bytes that are secret to the outside and the same in every run.
    pub fn secret(&self, what: &str) -> [u8; 32] {
        Sha256::digest(format!("{}/{what}", self.seed).as_bytes()).into()
    }

    pub fn add_account(&mut self, seed: super::config::AccountSeed) -> Result<String, String> {
        let dialect = seed.carrier;
        let sid = match seed.sid {
            Some(sid) => dialect.checked_account_id(sid)?,
            None => dialect.account_id(&self.hex("account")),
        };
        if let Some(parent) = &seed.parent {
            let family = |parent: &&Account| parent.dialect == dialect && dialect == Dialect::Twilio;
            let parent = self.accounts.get(parent).filter(family);
            parent.ok_or_else(|| format!("there is no account {:?} to be the parent", seed.parent))?;
        }
        let token = seed.auth_token.unwrap_or_else(|| dialect.token(&self.hex("token")));
        let account = Account {
            dialect,
            sid: sid.clone(),
            name: seed.friendly_name.unwrap_or_else(|| "Sandbox".to_owned()),
            token,
            owner: seed.parent,
            status: "active".to_owned(),
            keys: seed.keys,
            balance: seed.balance_cents,
            created: Timestamp::now(),
        };
        self.accounts.insert(sid.clone(), account);
        seed.importable.iter().try_for_each(|number| self.keep_importable(&sid, number))?;
        Ok(sid)
    }

    /// The account has this number at its carrier and can import it; nobody else can buy it.
    pub fn keep_importable(&mut self, account: &str, number: &str) -> Result<(), String> {
        let number: crate::api::number::E164 = number.parse().map_err(|e| format!("{e}"))?;
        if self.dialect_of(account) != Dialect::Flowyte {
            return Err(format!("account {account} imports nothing"));
        }
        if self.owned.contains_key(number.as_str()) {
            return Err(format!("{number} is owned already"));
        }
        self.stock.remove(number.as_str());
        self.flowyte.importable.insert(number.as_str().to_owned(), account.to_owned());
        Ok(())
    }

    /// The numbers as a reader sees them, who may be shown the past.
    pub fn seen(&self, views: &[Fault]) -> Cow<'_, BTreeMap<u64, Number>> {
        let undone = faults::undone(views, self.history.iter().map(|change| change.at));
        if undone == 0 {
            return Cow::Borrowed(&self.numbers);
        }
        let mut past = self.numbers.clone();
        for Change { order, before, .. } in self.history.iter().rev().take(undone) {
            match before {
                Some(number) => past.insert(*order, number.clone()),
                None => past.remove(order),
            };
        }
        Cow::Owned(past)
    }

    /// Every owned number, in the order of purchase.
    pub fn numbers(&self) -> impl Iterator<Item = &Number> {
        self.numbers.values()
    }

    /// The account of this API that has this key, and what the key may do.
    pub fn holder_of(&self, dialect: Dialect, key: &str) -> Option<(&Account, KeyScope)> {
        let mut ours = self.accounts.values().filter(|account| account.dialect == dialect);
        ours.find_map(|account| {
            let further = account.keys.iter().find(|k| k.secret == key).map(|k| k.scope.clone());
            let scope = if account.token == key { Some(KeyScope::Main) } else { further };
            Some((account, scope?))
        })
    }

    pub fn by_sid(&self, sid: &str) -> Option<&Number> {
        self.orders.get(sid).and_then(|order| self.numbers.get(order))
    }

    pub fn by_number(&self, number: &str) -> Option<&Number> {
        self.owned.get(number).and_then(|order| self.numbers.get(order))
    }

    /// The place in the order of purchase of a number that is or was owned.
    pub fn order_of(&self, sid: &str) -> Option<u64> {
        self.orders.get(sid).copied()
    }

    fn remember(&mut self, order: u64, before: Option<Number>) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(Change { at: Instant::now(), order, before });
    }

    /// Whose API an account speaks.
    pub fn dialect_of(&self, account: &str) -> Dialect {
        self.accounts.get(account).map_or(Dialect::Twilio, |account| account.dialect)
    }

    /// Whether a number is not for this account to buy, although it stands in the stock: given back a moment ago, or held
    /// by another account.
    pub fn withheld(&self, number: &str, account: &str) -> bool {
        self.stock.cooling.contains(number) || self.holder(number).is_some_and(|hold| hold.account != account)
    }

    /// The hold on a number, if it has not lapsed.
    pub fn holder(&self, number: &str) -> Option<&Hold> {
        self.holds.get(number).filter(|hold| hold.until.is_none_or(|until| until > Timestamp::now()))
    }

    /// Takes an amount from the balance, a subaccount's from its parent's. Says whether it could.
    pub fn pay(&mut self, account: &str, cents: i64) -> bool {
        let payer = self.accounts.get(account).and_then(|a| a.owner.clone()).unwrap_or_else(|| account.to_owned());
        let enforce = self.switches.enforce_balance;
        match self.accounts.get_mut(&payer) {
            Some(payer) if enforce && payer.balance < cents => return false,
            Some(payer) => payer.balance -= cents,
            None => {}
        }
        true
    }

    /// Makes `offer` a number of this account under a new sid, with nothing set.
    pub fn insert(&mut self, account: &str, offer: &Offer) -> String {
        let sid = self.dialect_of(account).number_id(&self.hex("number"));
        let (order, now) = (self.serial, Timestamp::now());
        self.stock.remove(&offer.number);
        self.holds.remove(&offer.number);
        self.orders.insert(sid.clone(), order);
        self.owned.insert(offer.number.clone(), order);
        self.remember(order, None);
        let number = Number {
            order,
            sid: sid.clone(),
            number: offer.number.clone(),
            account: account.to_owned(),
            kind: offer.kind.owned_type().to_owned(),
            features: offer.features.clone(),
            address_requirements: offer.place.address,
            created: now,
            updated: now,
            settings: BTreeMap::new(),
        };
        self.numbers.insert(order, number);
        sid
    }

    /// Changes a number and says which of its fields became different.
    pub fn change(&mut self, sid: &str, change: impl FnOnce(&mut Number)) -> Vec<String> {
        let Some(before) = self.by_sid(sid).cloned() else { return Vec::new() };
        let mut after = before.clone();
        change(&mut after);
        let fields = before.settings.keys().chain(after.settings.keys());
        let mut changed: Vec<String> = fields.filter(|f| before.get(f) != after.get(f)).cloned().collect();
        if before.account != after.account {
            changed.push("account_sid".to_owned());
        }
        changed.sort();
        changed.dedup();
        if !changed.is_empty() {
            after.updated = Timestamp::now();
            self.remember(before.order, Some(before));
        }
        self.numbers.insert(after.order, after);
        changed
    }

    /// The account no longer has the number, and neither has anybody's messaging service.
    pub fn remove(&mut self, sid: &str) -> Option<Number> {
        let order = self.order_of(sid)?;
        let number = self.numbers.remove(&order)?;
        self.owned.remove(&number.number);
        self.services.iter_mut().for_each(|service| service.members.retain(|(member, _)| member != sid));
        self.remember(order, Some(number.clone()));
        Some(number)
    }

    /// A number that the account has had all along.
    pub fn seed_number(
        &mut self,
        account: &str,
        number: &str,
        settings: BTreeMap<String, String>,
    ) -> Result<String, String> {
        let number: crate::api::number::E164 = number.parse().map_err(|e| format!("{e}"))?;
        let dialect = self.accounts.get(account).ok_or_else(|| format!("there is no account {account}"))?.dialect;
        // A slip of the pen must not look like a setting without effect.
        if let Some(field) = settings.keys().find(|field| !dialect.is_field(field)) {
            return Err(format!("a number has no field {field:?}; write it as answers do: voice_url"));
        }
        if dialect == Dialect::Nixflex {
            return Err(format!("{account} has no numbers of its own"));
        }
        if self.owned.contains_key(number.as_str()) {
            return Err(format!("{number} is owned already"));
        }
        let offer = self.stock.offer_for(number.as_str());
        let sid = self.insert(account, &offer);
        self.change(&sid, |n| {
            if dialect == Dialect::Twilio {
                n.settings.insert("friendly_name".to_owned(), super::stock::national(number.as_str()));
            }
            n.settings.extend(settings.into_iter().filter(|(_, value)| !value.is_empty()));
        });
        Ok(sid)
    }
}

/// Whether `sid` is one of the kind that begins with `prefix`.
pub(super) fn is_sid(prefix: &str, sid: &str) -> bool {
    sid.strip_prefix(prefix).is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> Simulation {
        Simulation::new(&SandboxConfig::default()).unwrap()
    }

    #[test]
    fn a_lagging_view_shows_what_was_there_before_the_last_changes() {
        let mut world = world();
        let account = SandboxConfig::default().default_account();
        let first = world.seed_number(&account, "+14155550100", BTreeMap::new()).unwrap();
        world.seed_number(&account, "+14155550101", BTreeMap::new()).unwrap();
        world.change(&first, |n| drop(n.settings.insert("voice_url".into(), "https://a.example/".into())));
        world.remove(&first);
        let seen = |writes| world.seen(&[Fault::LagWrites { writes }]).values().cloned().collect::<Vec<_>>();
        assert_eq!(seen(0).len(), 1);
        assert_eq!(seen(1).len(), 2);
        assert_eq!(seen(1)[0].get("voice_url"), Some("https://a.example/"));
        assert_eq!(seen(2)[0].get("voice_url"), None);
        assert_eq!(seen(1000).len(), 0);
    }

    #[test]
    fn a_change_that_says_nothing_new_names_no_field() {
        let mut world = world();
        let account = SandboxConfig::default().default_account();
        let sid = world.seed_number(&account, "+14155550100", BTreeMap::new()).unwrap();
        let set = |n: &mut Number| drop(n.settings.insert("voice_url".into(), "https://a.example/".into()));
        assert_eq!(world.change(&sid, set), ["voice_url"]);
        assert!(world.change(&sid, set).is_empty());
    }

    #[test]
    fn the_same_configuration_makes_the_same_world() {
        let sids = |world: Simulation| world.accounts.into_keys().collect::<Vec<_>>();
        assert_eq!(sids(world()), sids(world()));
    }
}
