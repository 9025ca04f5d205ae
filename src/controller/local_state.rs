//! What this process remembers of objects beside what the cluster and the carrier show. No I/O.
//!
//! It is keyed by uid, so that an object made again under an old name starts afresh, and nothing depends on it for safety:
//! a restart forgets it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::Work;
use crate::{
    api::{account::Grant, conditions::Finding, meta::Key, number::E164, purchase::Identity},
    carrier::{CarrierError, ErrorClass},
    plan::{self, OwnEntry, Purpose, SendOutcome, Trouble, grant, policy},
};

const HOUR: Duration = Duration::from_secs(3600);
/// For how long having written a claim is as good as reading it: less than it takes another replica to notice that this one
/// is gone.
const JUST: Duration = Duration::from_secs(5);

/// What failed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    Look,
    Write,
    Purchase,
    ExtraLook,
    ExtraWrite,
}

/// For how long after an entry of the journal was begun its number may be sent for: so that whoever writes a later one need not
/// wait longer for ours (docs/design.md, section 4, rule 6).
const SENDING: Duration = Duration::from_secs(5);

/// The entry that this process wrote last into a journal of buying.
#[derive(Clone, Debug)]
struct Entered {
    token: String,
    purpose: Purpose,
    clean: bool,
    outcome: Option<SendOutcome>,
    /// When that was noted.
    known: Instant,
    lives: bool,
    /// When we began to write it, and when that had ended.
    begun: Instant,
    ended: Instant,
}

/// A wish to buy, as the account knows it.
#[derive(Clone, Debug)]
pub struct GrantRequest {
    pub object: Key,
    pub uid: String,
    pub identity: Identity,
    asked: Instant,
    /// Why it was refused, and until when.
    refused: Option<(Finding, Instant)>,
}

impl GrantRequest {
    /// Whether one of these rights is what was wished for: asked for by this object, or by another of its identity.
    fn is_among(&self, grants: &[Grant]) -> bool {
        grants.iter().any(|grant| grant.uid == self.uid || grant.is_for(&self.identity))
    }
}

/// How long a refusal stands before the account is asked again.
const REFUSED: Duration = Duration::from_secs(60);

/// How many rights may be used before the account counts them and gives out others: half of those that can be open.
const MANY_USED: usize = grant::MOST_OPEN / 2;

/// What failed, why, how often in a row, and when it is tried again.
type Failure = Box<(Attempt, CarrierError, u32, Instant)>;

/// When things happened that happen to every object.
#[derive(Debug, Default)]
struct Times {
    /// When this process last wrote the claim of the object's number.
    claimed: Option<Instant>,
    /// When this process first saw the object.
    first_seen: Option<Instant>,
}

/// What few objects have: something that failed, or a purchase.
#[derive(Debug, Default)]
struct Entry {
    trouble: Option<Failure>,
    /// The same of the number's extras.
    extras_trouble: Option<Failure>,
    put_backs: Vec<Instant>,
    /// Who was found to be gone that held this record, and when.
    holder_gone: Option<Box<(String, Instant)>>,
    entered: Option<Box<Entered>>,
    /// How many numbers in a row were refused as not available.
    refused: u32,
    /// The number that the carrier would not keep, though it is for sale.
    unheld: Option<E164>,
    /// The number that the carrier was asked last to keep.
    asked_to_keep: Option<E164>,
}

impl Entry {
    /// Where failures of this kind are noted.
    fn failure(&mut self, attempt: Attempt) -> &mut Option<Failure> {
        match attempt {
            Attempt::Look | Attempt::Write | Attempt::Purchase => &mut self.trouble,
            Attempt::ExtraLook | Attempt::ExtraWrite => &mut self.extras_trouble,
        }
    }
}

/// The memory of one process.
#[derive(Debug, Default)]
pub struct LocalState {
    times: Mutex<HashMap<String, Times>>,
    entries: Mutex<HashMap<String, Entry>>,
    /// Passes in a row that the API server did not let through.
    failed_passes: Mutex<HashMap<Work, u32>>,
    /// Who wishes to buy under each account, in the order in which they asked.
    wishes: Mutex<HashMap<Key, Vec<GrantRequest>>>,
    /// How many rights to buy were used under each account since it was last to count them for that.
    used: Mutex<HashMap<Key, usize>>,
    /// The rights to buy that are given back under each account.
    returned: Mutex<HashMap<Key, Returned>>,
}

/// Rights to buy that are given back.
#[derive(Debug, Default)]
struct Returned {
    /// Uids of the objects that need none for now.
    offered: HashSet<String>,
    /// Those that the account takes back, by the write that replaces this version of it. As long as it stands, the right may be gone any
    /// moment, and nothing is bought by it.
    version: String,
    taken: Vec<Identity>,
}

impl LocalState {
    /// Notes that something failed for this object.
    pub fn failed(&self, uid: &str, attempt: Attempt, error: CarrierError) {
        let mut entries = self.entries();
        let entry = entries.entry(uid.to_owned()).or_default();
        let attempts = entry.failure(attempt).as_ref().map_or(0, |failure| failure.2) + 1;
        let is_gone = attempt == Attempt::Purchase && error.class == ErrorClass::Unavailable;
        if is_gone {
            entry.refused += 1;
        }
        // Each number that is gone is another one: it is waited after several, and not longer for each.
        let tries = if is_gone { attempts.div_ceil(policy::CANDIDATES) } else { attempts };
        let due = Instant::now() + policy::retry_after(&error, tries);
        *entry.failure(attempt) = Some(Box::new((attempt, error, attempts, due)));
    }

    /// Notes that this kind of attempt went well.
    pub fn succeeded(&self, uid: &str, attempt: Attempt) {
        if let Some(entry) = self.entries().get_mut(uid) {
            entry.failure(attempt).take_if(|failure| failure.0 == attempt);
        }
    }

    /// The last failure, if it has not been overcome.
    pub fn trouble(&self, uid: &str) -> Option<Trouble> {
        self.told(uid, |entry| &entry.trouble)
    }

    /// The same of the number's extras.
    pub fn extras_trouble(&self, uid: &str) -> Option<Trouble> {
        self.told(uid, |entry| &entry.extras_trouble)
    }

    fn told(&self, uid: &str, of: impl Fn(&Entry) -> &Option<Failure>) -> Option<Trouble> {
        let entries = self.entries();
        let entry = entries.get(uid)?;
        let (failed, error, attempts, due) = &**of(entry).as_ref()?;
        Some(Trouble {
            error: error.clone(),
            purchase: *failed == Attempt::Purchase,
            attempts: *attempts,
            refused: entry.refused,
            wait: due.saturating_duration_since(Instant::now()),
        })
    }

    /// Somebody changed the object: what failed before is tried again at once.
    pub fn edited(&self, uid: &str) {
        if let Some(entry) = self.entries().get_mut(uid) {
            (entry.trouble, entry.extras_trouble, entry.refused) = (None, None, 0);
            (entry.unheld, entry.asked_to_keep) = (None, None);
        }
    }

    /// Another route is wanted: what was refused for the last one, by itself or along with a purchase, is tried again at once. What the
    /// carrier refused for the account, or for the number, it would refuse again.
    pub fn rerouted(&self, uid: &str) {
        let is_of_route =
            |attempt: Attempt, error: &CarrierError| attempt == Attempt::Write || error.class == ErrorClass::Rejected;
        if let Some(entry) = self.entries().get_mut(uid) {
            entry.trouble.take_if(|failure| is_of_route(failure.0, &failure.1));
        }
    }

    /// Somebody asked for a look: what was given up is begun again.
    pub fn requested(&self, uid: &str) {
        if let Some(entry) = self.entries().get_mut(uid) {
            entry.put_backs.clear();
        }
    }

    /// Notes that the route of this object was put back.
    pub fn put_back(&self, uid: &str) {
        let mut entries = self.entries();
        let entry = entries.entry(uid.to_owned()).or_default();
        let now = Instant::now();
        entry.put_backs.retain(|at| now.duration_since(*at) < HOUR);
        entry.put_backs.push(now);
    }

    /// How often the route was put back within the last hour.
    pub fn put_backs(&self, uid: &str) -> u32 {
        let now = Instant::now();
        let recent = |entry: &Entry| entry.put_backs.iter().filter(|at| now.duration_since(**at) < HOUR).count();
        self.entries().get(uid).map_or(0, recent).try_into().unwrap_or(u32::MAX)
    }

    /// This process has written the claim for this object, against all others.
    pub fn claimed(&self, uid: &str) {
        self.times().entry(uid.to_owned()).or_default().claimed = Some(Instant::now());
    }

    /// Whether it did so a moment ago.
    pub fn has_just_claimed(&self, uid: &str) -> bool {
        self.times().get(uid).and_then(|times| times.claimed).is_some_and(|at| at.elapsed() < JUST)
    }

    /// When this process first saw the object, or found that nobody holds the claim: now, if it is the first time.
    pub fn first_seen(&self, uid: &str) -> Instant {
        *self.times().entry(uid.to_owned()).or_default().first_seen.get_or_insert_with(Instant::now)
    }

    /// When this process found that the holder of the record `uid` is gone: now, if it is the first time. One is remembered for each
    /// record.
    pub fn holder_gone(&self, uid: &str, holder: &str) -> Instant {
        let mut entries = self.entries();
        let gone = &mut entries.entry(uid.to_owned()).or_default().holder_gone;
        gone.take_if(|gone| gone.0 != holder);
        gone.get_or_insert_with(|| Box::new((holder.to_owned(), Instant::now()))).1
    }

    /// Notes an entry of a journal that was written from `begun` until now.
    pub fn entered(&self, uid: &str, token: &str, purpose: Purpose, clean: bool, begun: Instant) {
        let mut entries = self.entries();
        let entry = entries.entry(uid.to_owned()).or_default();
        let (token, ended) = (token.to_owned(), Instant::now());
        entry.entered =
            Some(Box::new(Entered { token, purpose, clean, outcome: None, known: ended, lives: false, begun, ended }));
        // From now on the journal tells.
        entry.asked_to_keep = None;
    }

    /// Notes that this process has written the object itself, against all others, and that it is not being deleted.
    pub fn lives(&self, uid: &str) {
        if let Some(entered) = self.entries().get_mut(uid).and_then(|entry| entry.entered.as_mut()) {
            entered.lives = true;
        }
    }

    /// Notes that the carrier would not keep a number for this object, though it is for sale.
    pub fn would_not_keep(&self, uid: &str, number: &E164) {
        self.entries().entry(uid.to_owned()).or_default().unheld = Some(number.clone());
    }

    /// Notes which number the carrier is asked to keep for this object: that comes before it is written down. `None` once it is gone.
    pub fn ask_to_keep(&self, uid: &str, number: Option<&E164>) {
        self.entries().entry(uid.to_owned()).or_default().asked_to_keep = number.cloned();
    }

    /// The number that it was asked last to keep, where nothing was written down since.
    pub fn asked_to_keep(&self, uid: &str) -> Option<E164> {
        self.entries().get(uid)?.asked_to_keep.clone()
    }

    /// The number that it would not keep, if there is one.
    pub fn unheld(&self, uid: &str) -> Option<E164> {
        self.entries().get(uid)?.unheld.clone()
    }

    /// Notes what became of the purchase that the last entry was written for.
    pub fn tried(&self, uid: &str, outcome: SendOutcome) {
        let mut entries = self.entries();
        let Some(entered) = entries.get_mut(uid).and_then(|entry| entry.entered.as_mut()) else { return };
        (entered.outcome, entered.known) = (Some(outcome), Instant::now());
    }

    /// Until when the number of the entry with this token may be sent for, or taken, if it may still; from now on it counts as sent.
    pub fn send(&self, uid: &str, token: &str) -> Option<Instant> {
        let mut entries = self.entries();
        let entered = entries.get_mut(uid)?.entered.as_mut().filter(|entered| entered.token == token)?;
        let before = entered.begun + SENDING;
        let sends = matches!(entered.purpose, Purpose::Send | Purpose::Take);
        if !sends || entered.outcome.is_some() || Instant::now() >= before {
            return None;
        }
        (entered.outcome, entered.known) = (Some(SendOutcome::Unknown), Instant::now());
        Some(before)
    }

    /// What this process knows of the entry with this token, if it wrote it, where purchases settle in `settling`.
    pub fn own(&self, uid: &str, token: &str, settling: Duration) -> Option<OwnEntry> {
        let entries = self.entries();
        let entered = entries.get(uid)?.entered.as_ref().filter(|entered| entered.token == token)?;
        Some(OwnEntry {
            purpose: entered.purpose,
            clean: entered.clean,
            outcome: entered.outcome.clone(),
            known_for: entered.known.elapsed(),
            lives: entered.lives,
            may_send: entered.begun.elapsed() < SENDING,
            settled_in: (entered.ended + settling).saturating_duration_since(Instant::now()),
            age: entered.ended.elapsed(),
        })
    }

    /// When the last entry of this process was written, whatever became of it.
    pub fn entered_at(&self, uid: &str) -> Option<(Instant, Purpose)> {
        self.entries().get(uid)?.entered.as_ref().map(|entered| (entered.ended, entered.purpose))
    }

    /// The object wishes to buy under this account.
    pub fn wish(&self, account: &Key, object: Key, uid: &str, identity: Identity) {
        let mut wishes = self.wishes();
        let wishes = wishes.entry(account.clone()).or_default();
        wishes.retain(|wish| wish.uid != uid);
        wishes.push(GrantRequest { object, uid: uid.to_owned(), identity, asked: Instant::now(), refused: None });
    }

    /// What the account has answered to the object's wish, as far as this process knows.
    pub fn wished(&self, account: &Key, uid: &str) -> plan::Grant {
        let wishes = self.wishes();
        let Some(wish) = wishes.get(account).and_then(|all| all.iter().find(|wish| wish.uid == uid)) else {
            return plan::Grant::None;
        };
        match &wish.refused {
            None => plan::Grant::Asked(wish.asked.elapsed()),
            Some((finding, until)) => match until.saturating_duration_since(Instant::now()) {
                Duration::ZERO => plan::Grant::Again,
                left => plan::Grant::Refused(finding.clone(), left),
            },
        }
    }

    /// The wishes under an account that wait for an answer.
    pub fn open_wishes(&self, account: &Key) -> Vec<GrantRequest> {
        let wishes = self.wishes();
        wishes.get(account).into_iter().flatten().filter(|wish| wish.refused.is_none()).cloned().collect()
    }

    /// A right to buy under this account was used. Whether so many were since it last counted them that others should have theirs.
    pub fn right_used(&self, account: &Key) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let count = used.entry(account.clone()).or_default();
        *count += 1;
        let many = *count >= MANY_USED;
        if many {
            used.remove(account);
        }
        many
    }

    /// Takes the wishes that are granted off the list. Answers whose they were.
    pub fn grant_wishes(&self, account: &Key, granted: &[Grant]) -> Vec<Key> {
        let mut wishes = self.wishes();
        let Some(wishes) = wishes.get_mut(account) else { return Vec::new() };
        let (answered, rest) = wishes.drain(..).partition(|wish| wish.is_among(granted));
        *wishes = rest;
        Vec::into_iter(answered).map(|wish: GrantRequest| wish.object).collect()
    }

    /// Refuses, for a while, what waits for an answer and is not among those that are about to be granted. Answers whose it was.
    pub fn refuse_wishes(&self, account: &Key, pending: &[Grant], why: impl Fn(&Key) -> Finding) -> Vec<Key> {
        let mut wishes = self.wishes();
        let mut refused = Vec::new();
        for wish in wishes.get_mut(account).into_iter().flatten() {
            if wish.refused.is_none() && !wish.is_among(pending) {
                wish.refused = Some((why(&wish.object), Instant::now() + REFUSED));
                refused.push(wish.object.clone());
            }
        }
        refused
    }

    /// So many rights were given back under this account: takes as many refused wishes off the list, first come first, and all those
    /// that are nobody's any more. Answers whose they were.
    pub fn recall_wishes(&self, account: &Key, most: usize, is_somebodys: impl Fn(&GrantRequest) -> bool) -> Vec<Key> {
        let mut wishes = self.wishes();
        let Some(wishes) = wishes.get_mut(account) else { return Vec::new() };
        wishes.retain(is_somebodys);
        let mut recalled = Vec::new();
        wishes.retain(|wish| {
            let is_recalled = wish.refused.is_some() && recalled.len() < most;
            if is_recalled {
                recalled.push(wish.object.clone());
            }
            !is_recalled
        });
        recalled
    }

    /// The object needs no right to buy for now.
    pub fn give_back(&self, account: &Key, uid: &str) {
        self.returned().entry(account.clone()).or_default().offered.insert(uid.to_owned());
    }

    /// It needs one again.
    pub fn keep_right(&self, account: &Key, uid: &str) {
        if let Some(returned) = self.returned().get_mut(account) {
            returned.offered.remove(uid);
        }
    }

    /// Whether nothing may be bought by a right although this version of the account shows it: it is given back.
    pub fn is_given_back(&self, account: &Key, version: &str, uid: &str, identity: &Identity) -> bool {
        let returned = self.returned();
        returned.get(account).is_some_and(|returned| {
            returned.offered.contains(uid) || returned.version == version && returned.taken.contains(identity)
        })
    }

    /// Takes back the right of an identity by a write that replaces this version of the account, if none of the objects that may buy by
    /// it needs it. From then on none of them does.
    pub fn take_back(&self, account: &Key, version: &str, identity: &Identity, objects: &[&str]) -> bool {
        let mut returned = self.returned();
        let Some(returned) = returned.get_mut(account) else { return false };
        if returned.version != version {
            (returned.version, returned.taken) = (version.to_owned(), Vec::new());
        }
        if returned.taken.contains(identity) {
            return true;
        }
        let takes = !objects.is_empty() && objects.iter().all(|uid| returned.offered.contains(*uid));
        if takes {
            returned.taken.push(identity.clone());
        }
        takes
    }

    fn returned(&self) -> MutexGuard<'_, HashMap<Key, Returned>> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account's limits changed: what was refused may be asked again.
    pub fn forget_wishes(&self, account: &Key) {
        self.wishes().remove(account);
    }

    fn wishes(&self) -> MutexGuard<'_, HashMap<Key, Vec<GrantRequest>>> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        self.times().remove(uid);
        self.entries().remove(uid);
    }

    /// Under what something is remembered of objects: their uids, or what begins with one.
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.times().keys().cloned().collect();
        ids.extend(self.entries().keys().cloned());
        ids.extend(self.wishes().values().flatten().map(|wish| wish.uid.clone()));
        ids.extend(self.returned().values().flat_map(|returned| returned.offered.iter().cloned()));
        ids
    }

    /// Forgets all that is remembered under `gone`, and what was wished and used under accounts that are not there.
    pub fn forget_all(&self, gone: &HashSet<String>, is_account: impl Fn(&Key) -> bool) {
        self.times().retain(|id, _| !gone.contains(id));
        self.entries().retain(|id, _| !gone.contains(id));
        self.wishes().retain(|account, wishes| {
            wishes.retain(|wish| !gone.contains(&wish.uid));
            is_account(account) && !wishes.is_empty()
        });
        self.used.lock().unwrap_or_else(PoisonError::into_inner).retain(|account, _| is_account(account));
        self.returned().retain(|account, returned| {
            returned.offered.retain(|uid| !gone.contains(uid));
            is_account(account)
        });
    }

    /// A pass failed; answers how many did so in a row before it.
    pub fn pass_failed(&self, work: &Work) -> u32 {
        let mut failed_passes = self.failed_passes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failed_passes.entry(work.clone()).or_default();
        *count += 1;
        *count - 1
    }

    /// A pass went through.
    pub fn pass_succeeded(&self, work: &Work) {
        self.failed_passes.lock().unwrap_or_else(PoisonError::into_inner).remove(work);
    }

    fn times(&self) -> MutexGuard<'_, HashMap<String, Times>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::ErrorClass;

    fn error() -> CarrierError {
        CarrierError::new(ErrorClass::Transient, "unwell")
    }

    #[tokio::test(start_paused = true)]
    async fn that_an_object_lives_is_known_of_what_was_written_since_the_last_entry() {
        let memory = LocalState::default();
        let lives = || memory.own("uid", "token", HOUR).is_some_and(|own| own.lives);
        memory.lives("uid");
        let enter = || memory.entered("uid", "token", Purpose::Send, true, Instant::now());
        enter();
        assert!(!lives(), "it was before");
        memory.lives("uid");
        assert!(lives());
        enter();
        assert!(!lives(), "another entry asks anew");
    }

    #[test]
    fn what_is_remembered_of_objects_that_are_gone_can_be_forgotten() {
        let memory = LocalState::default();
        let account = Key::new("n", "tw");
        for i in 0..10 {
            memory.failed(&format!("uid{i}"), Attempt::Look, error());
            let name = i.to_string();
            memory.wish(&account, Key::new("n", &*name), &format!("uid{i}"), Identity::new("n", &name));
        }
        let gone = memory.ids().into_iter().filter(|id| id != "uid3").collect();
        memory.forget_all(&gone, |_| true);
        assert_eq!((memory.entries().len(), memory.open_wishes(&account).len()), (1, 1));
        memory.forget_all(&HashSet::new(), |_| false);
        assert!(memory.open_wishes(&account).is_empty() && memory.trouble("uid3").is_some());
    }

    #[test]
    fn rights_that_were_used_are_counted_anew_once_half_of_them_are() {
        let (memory, account) = (LocalState::default(), Key::new("n", "a"));
        let many = |count| (0..count).filter(|_| memory.right_used(&account)).count();
        assert_eq!((many(MANY_USED - 1), many(1), many(MANY_USED)), (0, 1, 1));
        assert!(!memory.right_used(&account) && !memory.right_used(&Key::new("n", "b")));
    }

    #[test]
    fn a_right_is_taken_back_once_nobody_of_its_identity_needs_it_and_stays_so_until_that_is_written() {
        let (memory, account, identity) = (LocalState::default(), Key::new("n", "a"), Identity::new("n", "x"));
        let take = |version, objects: &[&str]| memory.take_back(&account, version, &identity, objects);
        let is_back = |version, uid| memory.is_given_back(&account, version, uid, &identity);
        assert!(!take("1", &["u"]) && !is_back("1", "u"));
        memory.give_back(&account, "u");
        assert!(is_back("1", "u") && !is_back("1", "v"), "whoever gave it back does not buy by it");
        assert!(!take("1", &["u", "v"]) && !take("1", &[]));
        memory.keep_right(&account, "u");
        assert!(!take("1", &["u"]) && !is_back("1", "u"), "it thought better of it in time");
        memory.give_back(&account, "u");
        assert!(take("1", &["u"]) && is_back("1", "v"));
        memory.keep_right(&account, "u");
        assert!(is_back("1", "u") && take("1", &["u"]), "too late");
        assert!(!is_back("2", "u") && !take("2", &["u"]), "what the account shows since is so");
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_counts_up_until_the_same_kind_of_attempt_goes_well() {
        let memory = LocalState::default();
        memory.failed("uid", Attempt::Write, error());
        memory.failed("uid", Attempt::Write, error());
        memory.succeeded("uid", Attempt::Look);
        assert_eq!(memory.trouble("uid").map(|t| (t.attempts, t.wait.as_secs())), Some((2, 2)));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(memory.trouble("uid").map(|t| t.wait), Some(Duration::ZERO));
        memory.succeeded("uid", Attempt::Write);
        assert_eq!(memory.trouble("uid"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_with_extras_is_apart_and_a_look_does_not_make_up_for_a_write() {
        let memory = LocalState::default();
        memory.failed("uid", Attempt::ExtraWrite, error());
        memory.succeeded("uid", Attempt::ExtraLook);
        memory.failed("uid", Attempt::ExtraWrite, error());
        assert_eq!((memory.trouble("uid"), memory.extras_trouble("uid").unwrap().attempts), (None, 2));
        memory.succeeded("uid", Attempt::ExtraWrite);
        assert_eq!(memory.extras_trouble("uid"), None);
        memory.failed("uid", Attempt::ExtraLook, error());
        memory.edited("uid");
        assert_eq!(memory.extras_trouble("uid"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn another_route_makes_up_for_what_was_refused_for_the_last_one_only() {
        let memory = LocalState::default();
        for (attempt, class, stands) in [
            (Attempt::Write, ErrorClass::Transient, false),
            (Attempt::Write, ErrorClass::Forbidden, false),
            (Attempt::Purchase, ErrorClass::Rejected, false),
            (Attempt::Purchase, ErrorClass::Forbidden, true),
            (Attempt::Purchase, ErrorClass::Funds, true),
            (Attempt::Look, ErrorClass::Transient, true),
        ] {
            memory.edited("uid");
            memory.failed("uid", attempt, CarrierError::new(class, "refused"));
            memory.rerouted("uid");
            assert_eq!(memory.trouble("uid").is_some(), stands, "{attempt:?} {class:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn put_backs_are_counted_for_an_hour_or_until_somebody_asks_for_a_look() {
        let memory = LocalState::default();
        memory.put_back("uid");
        tokio::time::advance(Duration::from_secs(1800)).await;
        memory.put_back("uid");
        assert_eq!(memory.put_backs("uid"), 2);
        tokio::time::advance(Duration::from_secs(1801)).await;
        assert_eq!(memory.put_backs("uid"), 1);
        memory.requested("uid");
        assert_eq!(memory.put_backs("uid"), 0);
    }
}
