//! The accounts that are open: their credentials, what they own, and the limits they share. Opens connections lazily.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use k8s_openapi::ByteString;
use tokio::time::Instant;

use crate::{
    api::{
        CarrierAccount,
        account::{AccountNumbers, Balance, Calls, CarrierAccountSpec},
        meta::Key,
        number::{E164, digest_of},
    },
    carrier::{
        CarrierError, Identity, OpenError,
        endpoint::Endpoints,
        http::{DEFAULT_DEADLINE, Egress, Limiter, Limits, Transport},
        inventory::{Inventory, Seen},
        open,
    },
    plan::{account::InUse, policy},
};

use super::{hosted_agents::HostedAgents, moves::Moves, offer_cache::OfferCache, secret::Found, sharing::Sharing};

/// Told which numbers are seen otherwise than before.
pub type OnChange = Arc<dyn Fn(&[E164]) + Send + Sync>;

/// One account, opened with one set of credentials.
pub struct OpenAccount {
    /// The CarrierAccount object that it was opened for.
    pub uid: String,
    /// Fingerprint of which account it is, and where it is reached.
    address: String,
    /// Fingerprint of that and the credentials.
    opened_with: String,
    pub inventory: Arc<Inventory>,
    pub offer_cache: Arc<OfferCache>,
    pub sharing: Arc<Sharing>,
    pub hosted: Arc<HostedAgents>,
    pub moves: Arc<Moves>,
    /// How many ask for one number each just now.
    asking: AtomicUsize,
    state: Mutex<State>,
}

/// How many may ask for one number each before a listing is asked for instead, beside one for each page that it has.
const FEW: usize = 4;
/// How many numbers a page holds at most, at any carrier.
const PAGE: usize = 1000;
/// For how long an order is waited for along with others.
const ON_ORDER: Duration = Duration::from_secs(60);

/// Somebody who asks for one number, as long as that lasts.
pub struct Asking<'a> {
    opened: &'a OpenAccount,
}

impl Asking<'_> {
    /// Whether so many ask that a listing is cheaper.
    pub fn are_many(&self) -> bool {
        let pages = self.opened.inventory.last_listing().map_or(1, |listing| listing.owned / PAGE + 1);
        // No more than a few dozen objects are worked on at once, however many wait. Those whose numbers are on order come one after the other.
        self.opened.asking.load(Ordering::Relaxed) > FEW + pages.min(2 * FEW) || self.opened.count_ordered() > pages
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.opened.asking.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How often the Secret of an account that works is read: a change of it is seen no later.
const SECRET_INTERVAL: Duration = Duration::from_secs(60);
/// For how long credentials that the carrier refused are not tried again where there are others.
const REFUSED: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
struct State {
    /// Which credentials are in use, and when their Secret was read.
    read: Option<(InUse, Instant)>,
    /// Fingerprint of the others that it held then.
    other: Option<String>,
    /// Whose account it is, and when that was asked.
    identity: Option<(Identity, Instant)>,
    /// The carrier's id of the account, while it may be used.
    usable: Option<String>,
    /// How many numbers it has, and when they were counted.
    counted: Option<(AccountNumbers, Instant)>,
    /// What it had left when that was last asked.
    balance: Option<Balance>,
    /// How many calls it answers at once, when that was last asked.
    calls: Option<Calls>,
    /// What was said when its money did not suffice, how often in a row, and until when nobody else need try.
    no_money: Option<(CarrierError, u32, Instant)>,
    /// The numbers that were ordered a while ago at most.
    ordered: Vec<(E164, Instant)>,
}

impl fmt::Debug for OpenAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAccount").field("inventory", &self.inventory).finish_non_exhaustive()
    }
}

impl OpenAccount {
    /// The carrier's id of the account, while it may be used.
    pub fn usable(&self) -> Option<String> {
        self.state().usable.clone()
    }

    /// Says whether the account may be used; answers whether that is news.
    pub fn set_usable(&self, usable: Option<String>) -> bool {
        let mut state = self.state();
        let news = state.usable != usable;
        state.usable = usable;
        news
    }

    /// Whose account it is, as far as the carrier said. That an account cannot serve now has to be asked again in every pass:
    /// nobody tells when it can.
    pub fn identity(&self, pass: Instant) -> Option<Identity> {
        let state = self.state();
        let (identity, asked) = state.identity.as_ref()?;
        (identity.inactive.is_none() || *asked >= pass).then(|| identity.clone())
    }

    pub fn set_identity(&self, identity: Identity, asked: Instant) {
        self.state().identity = Some((identity, asked));
    }

    /// How many numbers it has, by `count`, which looks at each: not more often than the account waits before it counts, but once more after
    /// a listing that ended at `listed`. Answers also when what was counted before is to be counted again.
    pub fn count_anew(
        &self,
        listed: Instant,
        count: impl FnOnce() -> AccountNumbers,
    ) -> (AccountNumbers, Option<Duration>) {
        if let Some((numbers, at)) = self.state().counted {
            let left = policy::count_lag(numbers.owned as usize).saturating_sub(at.elapsed());
            if !left.is_zero() && at > listed {
                return (numbers, Some(left));
            }
        }
        let numbers = count();
        self.state().counted = Some((numbers, Instant::now()));
        (numbers, None)
    }

    /// What the account has left, as far as the carrier said.
    pub fn balance(&self) -> Option<Balance> {
        self.state().balance.clone()
    }

    /// Notes what the account has left; whether that is more than before and was waited for.
    pub fn set_balance(&self, balance: Option<Balance>) -> bool {
        let mut state = self.state();
        let amount = |balance: &Option<Balance>| balance.as_ref().map(|balance| balance.amount);
        let more = amount(&balance) > amount(&state.balance);
        state.balance = balance;
        more && state.no_money.take().is_some()
    }

    /// How many calls the account answers at once, as far as the platform said.
    pub fn calls(&self) -> Option<Calls> {
        self.state().calls
    }

    pub fn set_calls(&self, calls: Option<Calls>) {
        self.state().calls = calls;
    }

    /// Notes that the account's money did not suffice for a number. Of several that were sent together the first counts.
    pub fn ran_out(&self, error: &CarrierError) {
        let mut state = self.state();
        let refusals = match &state.no_money {
            Some((.., until)) if *until > Instant::now() => return,
            Some((_, refusals, _)) => refusals + 1,
            None => 1,
        };
        state.no_money = Some((error.clone(), refusals, Instant::now() + policy::retry_after(error, refusals)));
    }

    /// Notes that a number could be paid.
    pub fn paid(&self) {
        self.state().no_money = None;
    }

    /// Notes that the carrier has taken an order.
    pub fn ordered(&self, number: &E164) {
        self.state().ordered.push((number.clone(), Instant::now()));
    }

    /// How many of the numbers that were ordered a while ago at most are not seen yet.
    fn count_ordered(&self) -> usize {
        let is_seen = |number: &E164| matches!(self.inventory.seen(number), Seen::Present { .. });
        let mut state = self.state();
        state.ordered.retain(|(number, at)| at.elapsed() < ON_ORDER && !is_seen(number));
        state.ordered.len()
    }

    /// What was said when the account's money did not suffice, and how long that stands yet.
    pub fn no_money(&self) -> Option<(CarrierError, Duration)> {
        let state = self.state();
        let (error, _, until) = state.no_money.as_ref()?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| (error.clone(), left))
    }

    /// The credentials in use, if their Secret was read a moment ago; what is not read for long may have changed.
    pub fn in_use(&self) -> Option<(InUse, Duration)> {
        let state = self.state();
        let (in_use, at) = state.read.as_ref()?;
        Some((in_use.clone(), SECRET_INTERVAL.saturating_sub(at.elapsed())))
    }

    /// What was read of the Secret a moment ago.
    fn was_read(&self, in_use: InUse, other: Option<String>) {
        let mut state = self.state();
        state.read = Some((in_use, Instant::now()));
        state.other = other;
    }

    /// The credentials were refused: whose account they open has to be asked again.
    pub fn doubt_identity(&self) {
        self.state().identity = None;
    }

    /// Notes that somebody asks for one number from now on.
    pub fn ask(&self) -> Asking<'_> {
        self.asking.fetch_add(1, Ordering::Relaxed);
        Asking { opened: self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every account that was opened.
pub struct OpenAccounts {
    open: RwLock<HashMap<Key, Arc<OpenAccount>>>,
    /// One limiter for each carrier account and credentials, however many CarrierAccounts name it.
    limiters: Mutex<HashMap<String, Weak<Limiter>>>,
    /// Fingerprints of credentials that the carrier refused, and when.
    refused: Mutex<HashMap<String, Instant>>,
    transport: Transport,
    endpoints: Endpoints,
    on_change: OnChange,
}

impl OpenAccounts {
    pub fn new(on_change: OnChange, endpoints: Endpoints, egress: &Egress) -> anyhow::Result<Self> {
        let transport = Transport::by(egress, DEFAULT_DEADLINE)?;
        let (open, limiters, refused) = (RwLock::default(), Mutex::default(), Mutex::default());
        Ok(Self { open, limiters, refused, transport, endpoints, on_change })
    }

    /// The account that was opened for a CarrierAccount, if any was.
    pub fn get(&self, account: &Key) -> Option<Arc<OpenAccount>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(account).cloned()
    }

    /// The same of this very object, and not of one that had its name before.
    pub fn of(&self, account: &CarrierAccount) -> Option<Arc<OpenAccount>> {
        self.get(&Key::of(account)).filter(|opened| Some(&opened.uid) == account.metadata.uid.as_ref())
    }

    /// Every open account, with the CarrierAccount that it was opened for.
    pub fn all(&self) -> Vec<(Key, Arc<OpenAccount>)> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.iter().map(|(key, opened)| (key.clone(), opened.clone())).collect()
    }

    /// The CarrierAccount is gone, or must not be used.
    pub fn close(&self, account: &Key) -> bool {
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(account).is_some()
    }

    /// Opens the account with what its Secret holds, unless it is open with just that: with the first credentials that the carrier did not
    /// refuse a while ago; and those that are in use stay, as long as it takes them. `owned` are the numbers that it is remembered to own.
    /// Answers whether anything is new.
    pub fn open(
        &self,
        account: &CarrierAccount,
        secret: &Found,
        owned: impl FnOnce() -> Vec<E164>,
    ) -> Result<bool, OpenError> {
        let key = Key::of(account);
        let uid = account.metadata.uid.clone().unwrap_or_default();
        let limits = Limits {
            concurrency: account.spec.limits.concurrency,
            requests_per_second: account.spec.limits.requests_per_second,
        };
        let all = secret.credentials().map(|held| {
            let opened_with = fingerprint(&account.spec, &held);
            let limiter = self.limiter(&opened_with, limits);
            (opened_with, open(account, &held, &self.endpoints, self.transport.clone(), limiter))
        });
        let taken = self.get(&key).filter(|s| s.uid == uid).map(|opened| opened.opened_with.clone());
        let chosen = self.choose(all.each_ref().map(|(fingerprint, opens)| (&**fingerprint, opens.is_ok())), taken);
        let in_use = InUse { version: secret.version.clone(), next: chosen == 1 };
        let [first, second] = all;
        let ((opened_with, opens), (other, others)) = if chosen == 0 { (first, second) } else { (second, first) };
        let carrier = opens?;
        let other = others.is_ok().then_some(other);
        if let Some(opened) = self.get(&key).filter(|s| s.uid == uid && s.opened_with == opened_with) {
            opened.was_read(in_use, other);
            return Ok(false);
        }
        let address = account.spec.address();
        let (inventory, offer_cache, sharing, hosted, moves) =
            match self.get(&key).filter(|opened| opened.uid == uid && opened.address == address) {
                Some(opened) => {
                    // Whoever has it in hand sends nothing with credentials of which it is not known yet whose account they open.
                    opened.set_usable(None);
                    opened.inventory.reopen(carrier);
                    let kept = &opened;
                    let (sharing, hosted, moves) = (kept.sharing.clone(), kept.hosted.clone(), kept.moves.clone());
                    (kept.inventory.clone(), kept.offer_cache.clone(), sharing, hosted, moves)
                }
                None => {
                    let on_change = self.on_change.clone();
                    let inventory = Inventory::new(carrier, Box::new(move |changed| on_change(changed)));
                    (Arc::new(inventory), Arc::default(), Arc::default(), Arc::default(), Arc::default())
                }
            };
        inventory.expect(owned());
        let asking = AtomicUsize::new(0);
        let opened = OpenAccount {
            uid,
            address,
            opened_with,
            inventory,
            offer_cache,
            sharing,
            hosted,
            moves,
            asking,
            state: Mutex::default(),
        };
        opened.was_read(in_use, other);
        self.open.write().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::new(opened));
        Ok(true)
    }

    /// Which of the credentials that a Secret holds are to be used: fingerprint of each, and whether they can open anything. Those that lack a
    /// part are none.
    fn choose(&self, all: [(&str, bool); 2], taken: Option<String>) -> usize {
        let refused = self.refused();
        let can = |(fingerprint, opens): &(&str, bool)| *opens && !refused.contains_key(*fingerprint);
        let is_taken = |(fingerprint, opens): &(&str, bool)| *opens && taken.as_deref() == Some(*fingerprint);
        let stays = all.iter().position(|of| is_taken(of) && can(of));
        // Where all were refused, those that were tried last are tried again.
        stays.or_else(|| all.iter().position(can)).or_else(|| all.iter().position(is_taken)).unwrap_or(0)
    }

    /// The carrier refused the credentials of this account, or they open another; whether its Secret holds others that are not known to be
    /// no good.
    pub fn refuse(&self, opened: &OpenAccount) -> bool {
        let other = opened.state().other.clone();
        let mut refused = self.refused();
        refused.insert(opened.opened_with.clone(), Instant::now());
        other.is_some_and(|other| !refused.contains_key(&other))
    }

    fn refused(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|_, at| at.elapsed() < REFUSED);
        refused
    }

    fn limiter(&self, opened_with: &str, limits: Limits) -> Arc<Limiter> {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        limiters.retain(|_, limiter| limiter.strong_count() > 0);
        if let Some(limiter) = limiters.get(opened_with).and_then(Weak::upgrade) {
            limiter.set_limits(limits);
            return limiter;
        }
        let limiter = Limiter::new(limits);
        limiters.insert(opened_with.to_owned(), Arc::downgrade(&limiter));
        limiter
    }
}

/// What makes two ways of opening an account the same.
fn fingerprint(spec: &CarrierAccountSpec, secret: &BTreeMap<String, ByteString>) -> String {
    digest_of(&(spec.address(), secret))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn accounts() -> OpenAccounts {
        OpenAccounts::new(Arc::new(|_| {}), Endpoints::default(), &Egress::default()).unwrap()
    }

    fn account() -> CarrierAccount {
        let spec =
            json!({"twilio": {"accountSid": "AC00000000000000000000000000000000"}, "credentialsRef": {"name": "s"}});
        let mut account = CarrierAccount::new("a", serde_json::from_value(spec).unwrap());
        account.metadata.uid = Some("u".to_owned());
        account
    }

    fn secret(keys: &[(&str, &str)]) -> Found {
        let data = keys.iter().map(|(key, text)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec()))).collect();
        Found { data, version: "1".to_owned() }
    }

    fn is_next(opened: &OpenAccount) -> bool {
        opened.in_use().unwrap().0.next
    }

    #[test]
    fn credentials_that_were_added_while_the_others_worked_take_over_in_the_moment_that_these_are_refused() {
        let (all, account) = (accounts(), account());
        assert_eq!(all.open(&account, &secret(&[("authToken", "old")]), Vec::new), Ok(true));
        let both = secret(&[("authToken", "old"), ("authTokenNext", "new")]);
        assert_eq!(all.open(&account, &both, Vec::new), Ok(false));
        let before = all.of(&account).unwrap();
        before.set_usable(Some("AC0".to_owned()));
        assert!(all.refuse(&before));
        assert_eq!(all.open(&account, &both, Vec::new), Ok(true));
        let after = all.of(&account).unwrap();
        assert!(is_next(&after));
        assert_eq!(
            (before.usable(), after.usable()),
            (None, None),
            "nothing is sent with it before it is known whose it is"
        );
        assert!(!all.refuse(&after), "both were refused");
    }

    #[test]
    fn credentials_that_lack_a_part_never_take_over() {
        let (all, account) = (accounts(), account());
        let both = secret(&[("authToken", "old"), ("apiKeySidNext", "SK1")]);
        assert_eq!(all.open(&account, &both, Vec::new), Ok(true));
        let opened = all.of(&account).unwrap();
        assert!(!all.refuse(&opened));
        assert_eq!(all.open(&account, &both, Vec::new), Ok(false));
        assert!(!is_next(&opened));
        // Nor do they keep others from being used.
        let both = secret(&[("apiKeySid", "SK1"), ("authTokenNext", "new")]);
        assert_eq!(all.open(&account, &both, Vec::new), Ok(true));
        assert!(is_next(&all.of(&account).unwrap()));
        assert_eq!(
            all.open(&account, &secret(&[("apiKeySid", "SK1")]), Vec::new),
            Err(OpenError::Missing("apiKeySecret"))
        );
    }
}
