//! The world of a CarrierAccount, and the looks that only it takes.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Controlled, Looked, with_status};
use crate::{
    api::{
        CarrierAccount, NumberClaim, NumberPurchase, PhoneNumber,
        account::{AccountNumbers, CarrierAccountStatus, Grant},
        conditions::Finding,
        meta::{ABANDON, Key},
        number::E164,
        purchase::{Identity, Marker},
    },
    carrier::{ErrorClass, OwnedNumber, inventory},
    cluster::{
        cache::{Change, Index},
        queue::Priority,
    },
    controller::{
        Context, Kind,
        error::Error,
        local_state::Attempt,
        open_accounts::OpenAccount,
        secret::{self, Found, Read},
    },
    plan::{
        self, Decision, Look, Note, Requested as _,
        account::{Credentials, Inventory},
        grant::{Use, Wishes},
    },
    telemetry::metrics::Operation,
};

impl Controlled for CarrierAccount {
    with_status!(CarrierAccountStatus);

    fn decide(context: &Context, object: &Arc<Self>, looked: &Looked) -> Decision<CarrierAccountStatus> {
        let key = Key::of(&**object);
        let opened = context.open_accounts.of(object);
        let identity = opened.as_ref().and_then(|opened| opened.identity(looked.began));
        let trouble = context.trouble_of(&**object);
        let inventory = opened.as_ref().map(|s| context.inventory(object, s, looked)).unwrap_or_default();
        let (users, user) = context.users(object, &key);
        // The Secret is read again now and then, with every listing, as long as the account cannot be used, and where the spec was edited.
        let is_open = opened.as_ref().is_some_and(|opened| opened.usable().is_some());
        let in_use = opened.as_ref().and_then(|opened| opened.in_use());
        let credentials = match &looked.credentials {
            Some(read) => read.clone(),
            // So it is where somebody asks for a look.
            None if is_observed(object)
                && is_open
                && identity.is_some()
                && !inventory.due.is_zero()
                && in_use.as_ref().is_some_and(|(_, due)| !due.is_zero())
                && (inventory.fresh || !plan::account::is_requested(object)) =>
            {
                Credentials::Known
            }
            None => Credentials::NotRead,
        };
        let wishes = context.local.open_wishes(&key);
        let uses = context.uses(object, &key, opened.as_deref());
        let world = plan::account::World {
            now: Timestamp::now(),
            account: object,
            installation: context.installation(),
            refused: context.refused_endpoint(object),
            credentials,
            in_use,
            identity: identity.as_ref(),
            inventory,
            balance: opened.as_ref().and_then(|opened| opened.balance()),
            calls: opened.as_ref().and_then(|opened| opened.calls()),
            wishes: Wishes {
                wish: wishes.iter().map(|wish| (&*wish.uid, wish.identity.clone())).collect(),
                uses: uses.iter().map(|(uid, used)| (&**uid, *used)).collect(),
                owned: opened.as_ref().map_or(0, |s| u32::try_from(s.inventory.count_owned()).unwrap_or(u32::MAX)),
                day: Timestamp::now().strftime("%Y-%m-%d").to_string(),
            },
            trouble: trouble.as_ref(),
            users,
            user,
            definition_going: looked.definition_going,
        };
        plan::account::next(&world)
    }

    fn decided(context: &Context, object: &Arc<Self>, looked: &Looked, decision: &Decision<CarrierAccountStatus>) {
        let key = Key::of(&**object);
        // What was opened where it led before must not serve it now.
        if context.refused_endpoint(object).is_some() && context.open_accounts.close(&key) {
            context.wake_numbers_of(&key);
        }
        let Some(opened) = context.open_accounts.of(object) else { return };
        let Decision::Rest(plan::Rest { status, .. }) = decision else { return };
        let (identity, trouble) = (opened.identity(looked.began), context.trouble_of(&**object));
        let is_listed = opened.inventory.last_listing().is_some();
        if opened.set_usable(plan::account::open(object, identity.as_ref(), is_listed, trouble.as_ref())) {
            context.wake_numbers_of(&key);
        }
        let Some(grants) = status.as_ref().and_then(|status| status.grants.as_ref()) else { return };
        let owned = u32::try_from(opened.inventory.count_owned()).unwrap_or(u32::MAX);
        if let Some(why) = plan::grant::refusal(grants, &object.spec.purchasing, owned) {
            let told = |object: &Key| {
                let reader = Some(&*object.namespace).filter(|namespace| **namespace != *key.namespace);
                let who = plan::grant::holders(grants, reader);
                Finding::new(why.reason, format!("{}{who}", why.message))
            };
            for number in context.local.refuse_wishes(&key, &grants.open, told) {
                context.wake(Kind::PhoneNumber, number, Priority::Background);
            }
        }
    }

    fn notes(before: Option<&CarrierAccountStatus>, after: &CarrierAccountStatus) -> Vec<Note> {
        plan::account::notes(before, after)
    }

    fn changed(context: &Context, change: &Change<Self>) {
        context.account_changed(change);
    }

    async fn look(context: &Context, object: &Arc<Self>, look: Look, looked: &mut Looked) -> Result<(), Error> {
        match look {
            Look::Credentials => {
                let read = context.read_credentials(object).await;
                let is_usable = || context.open_accounts.of(object).is_some_and(|opened| opened.usable().is_some());
                looked.credentials = Some(match read {
                    // Of an account that works this says nothing; of another one nothing else would be said.
                    Err(error) if !is_usable() => Credentials::Failed(error.to_string()),
                    read => read?,
                });
                Ok(())
            }
            Look::Identity | Look::Inventory => {
                let is_first = context.open_accounts.of(object).is_some_and(|s| s.inventory.last_listing().is_none());
                if look == Look::Inventory && is_first && context.dry_run().is_none() {
                    // Whoever led before may have taken a right back that our copy still shows.
                    context.read_again::<Self>(&Key::of(&**object), object.metadata.uid.as_deref()).await?;
                }
                if context.ask_account(object, look, looked.began).await {
                    looked.credentials = None;
                }
                Ok(())
            }
            other => context.look(&**object, other, looked).await,
        }
    }
}

impl Context {
    fn inventory(&self, account: &CarrierAccount, opened: &OpenAccount, looked: &Looked) -> Inventory {
        let Some(listing) = opened.inventory.last_listing() else { return Inventory::default() };
        let (numbers, recount) = opened.count_anew(listing.ended, || self.count_numbers(opened));
        let scan = scan_interval(account);
        let (due, fresh) =
            ((listing.ended + scan).saturating_duration_since(Instant::now()), listing.begun >= looked.began);
        Inventory {
            numbers: Some(numbers),
            recount,
            // One that was begun in this pass is recent enough for it.
            due: if due.is_zero() && fresh { scan } else { due },
            slow: listing.ended - listing.begun > scan,
            fresh,
            doubt: opened.inventory.doubt().map(|doubt| (doubt.vanished, doubt.owned_before)),
        }
    }

    fn count_numbers(&self, opened: &OpenAccount) -> AccountNumbers {
        let numbers = opened.inventory.owned();
        // Whichever CarrierAccount the claim names: several may open one account at the carrier. One that rests manages nothing.
        let is_managed = |number: &&Arc<OwnedNumber>| {
            self.caches.claim_of(&number.number).is_some_and(|claim| claim.spec.holder.is_some())
        };
        let count = |numbers: usize| u32::try_from(numbers).unwrap_or(u32::MAX);
        let (owned, claimed) = (count(numbers.len()), count(numbers.iter().filter(is_managed).count()));
        AccountNumbers { owned, claimed, unclaimed: owned - claimed }
    }

    /// What has become of each right to buy that is open, by uid. What it bought stands in the journal of its identity, whichever object
    /// has that by now.
    fn uses(&self, account: &CarrierAccount, key: &Key, opened: Option<&OpenAccount>) -> Vec<(String, Use)> {
        let open = account.open_grants();
        if open.is_empty() {
            return Vec::new();
        }
        let at = self.caches.account_identity(key).unwrap_or_default();
        let is_owned =
            |number: &E164| opened.is_some_and(|s| matches!(s.inventory.seen(number), inventory::Seen::Present { .. }));
        // A right that an earlier version gave names its object alone.
        let of_object = |uid: &str| {
            let numbers = self.caches.numbers.by(Index::Account, &key.to_string());
            let number = numbers.iter().find(|number| number.metadata.uid.as_deref() == Some(uid));
            let journals = self.caches.journals.all();
            let journal = || journals.iter().find(|journal| journal.spec.holder.uid == uid);
            number.and_then(|number| number.identity()).or_else(|| Some(journal()?.spec.identity()))
        };
        let is_wished = |identity: &Identity| {
            let numbers = self.caches.numbers.by(Index::Identity, &identity.to_string());
            self.caches.allows(&account.spec.allowed_namespaces, &key.namespace, &identity.namespace)
                && numbers.iter().any(|number| number.account() == *key)
        };
        // Nothing was sent by what is given back, or the journal would name a number.
        let version = account.metadata.resource_version.as_deref().unwrap_or_default();
        let is_given_back = |identity: &Identity| {
            let numbers = self.caches.numbers.by(Index::Identity, &identity.to_string());
            let its = numbers.iter().filter(|number| number.account() == *key);
            let uids: Vec<&str> = its.filter_map(|number| number.metadata.uid.as_deref()).collect();
            !at.is_empty() && self.local.take_back(key, version, identity, &uids)
        };
        let used = |grant: &Grant| {
            let Some(identity) = grant.of().or_else(|| of_object(&grant.uid)) else { return Use::Unused };
            let is_wished = is_wished(&identity);
            let unused = if is_wished { Use::Open } else { Use::Unused };
            let journal = self.caches.journal_of(&at, &identity);
            let sent = journal.as_deref().and_then(|journal| Some((journal, journal.spec.number.as_ref()?)));
            let Some((journal, number)) = sent else {
                return if is_wished && is_given_back(&identity) { Use::Unused } else { unused };
            };
            match self.caches.claim_of(number).filter(|_| is_owned(number)) {
                Some(claim) if claim.spec.is_for(&identity) => Use::Bought,
                Some(_) => unused,
                None if is_wished => Use::Open,
                None if is_owned(number) => Use::Bought,
                None if opened.is_some_and(|opened| self.came_to_nothing(journal, number, opened)) => Use::Unused,
                // What was sent may yet come to be ours.
                None => Use::Open,
            }
        };
        open.iter().map(|grant| (grant.uid.clone(), used(grant))).collect()
    }

    /// Whether a purchase that nobody goes on with, since its object is gone or no longer allowed, has bought nothing: once all that
    /// it may have sent had to be seen, the carrier shows its number neither among those that are owned nor on order.
    fn came_to_nothing(&self, journal: &NumberPurchase, number: &E164, opened: &OpenAccount) -> bool {
        if opened.inventory.doubt().is_some() {
            return false;
        }
        let holder = &journal.spec.holder;
        let since = self.gone_since(journal, holder) + self.settling_of(opened);
        let written = Some(&*journal.spec.installation).filter(|name| !name.is_empty());
        let marker = written.or(self.installation()).map(|name| Marker::new(name, &journal.spec.identity()));
        let marked = marker.and_then(|marker| opened.inventory.marked(&marker, since));
        marked.is_some_and(|marked| !marked.contains(number))
    }

    /// How many objects need the account, and one of them. A reference that the account does not allow needs nothing.
    fn users(&self, account: &CarrierAccount, key: &Key) -> (usize, Option<String>) {
        let may = |namespace: &str| self.caches.allows(&account.spec.allowed_namespaces, &key.namespace, namespace);
        let name = key.to_string();
        let number_needs = |number: &PhoneNumber| may(number.metadata.namespace.as_deref().unwrap_or_default());
        // A claim that rests needs nothing of the account. A platform is needed to take numbers off it, whosever they are, unless they
        // are let go as they are.
        let held_in_needs = |namespace: &str| match account.spec.binds_numbers() {
            true => !account.is_annotated(ABANDON),
            false => may(namespace),
        };
        let claim_needs =
            |claim: &NumberClaim| claim.spec.holder.as_ref().is_some_and(|holder| held_in_needs(&holder.namespace));
        let numbers = self.caches.numbers.groups(Index::Account, &name).into_iter();
        let numbers: usize = numbers.filter(|(group, _)| may(&group.namespace)).map(|(_, count)| count).sum();
        let claims = self.caches.claims.groups(Index::Account, &name).into_iter();
        let held = claims.filter_map(|(namespace, count)| namespace.filter(|of| held_in_needs(of)).map(|_| count));
        let users = numbers.max(held.sum());
        // One is named where the account waits for it.
        if account.metadata.deletion_timestamp.is_none() {
            return (users, None);
        }
        let number = self.caches.numbers.first_by(Index::Account, &name, number_needs);
        let claim = || self.caches.claims.first_by(Index::Account, &name, claim_needs);
        let number = number.map(|number| format!("PhoneNumber {}", Key::of(&*number)));
        (users, number.or_else(|| Some(format!("NumberClaim {}", Key::of(&*claim()?)))))
    }

    /// Reads the Secret and opens the account with it. What was opened with an earlier Secret stays open until a new one opens.
    async fn read_credentials(&self, account: &CarrierAccount) -> Result<Credentials, Error> {
        let key = Key::of(account);
        let name = &account.spec.credentials_ref.name;
        let of = Key::new(&*key.namespace, &**name);
        let read = match self.dry_run().and_then(|copy| copy.secret(&of)) {
            Some(data) => Read::Found(Found { data, version: String::new() }),
            None => secret::read(&self.client, &of.namespace, name).await?,
        };
        let secret = match read {
            Read::Found(secret) => secret,
            Read::Missing => return Ok(Credentials::Missing),
            Read::Forbidden => return Ok(Credentials::Forbidden),
            Read::Unreadable => return Ok(Credentials::Incomplete("it cannot be decoded".to_owned())),
        };
        let owned = || {
            let claims = self.caches.claims.by(Index::Account, &key.to_string());
            // A claim of a number that was never seen may be one of a purchase, or of a binding, that came to nothing.
            let seen = claims.iter().filter(|claim| claim.spec.was_seen_at(&key));
            seen.map(|claim| claim.spec.number.clone()).collect()
        };
        match self.open_accounts.open(account, &secret, owned) {
            Ok(is_new) => {
                if is_new {
                    self.local.edited(account.metadata.uid.as_deref().unwrap_or_default());
                }
                Ok(Credentials::Known)
            }
            Err(why) => Ok(Credentials::Incomplete(why.to_string())),
        }
    }

    /// Asks the carrier whose account it is, or for all its numbers. Answers whether it refused the credentials, and the Secret holds others
    /// to open the account with.
    async fn ask_account(&self, account: &CarrierAccount, look: Look, began: Instant) -> bool {
        let uid = account.metadata.uid.as_deref().unwrap_or_default();
        let Some(opened) = self.open_accounts.get(&Key::of(account)) else { return false };
        let (operation, asked) = match look {
            Look::Identity => {
                let identity = opened.inventory.carrier().identify().await;
                (Operation::Identify, identity.map(|identity| opened.set_identity(identity, Instant::now())))
            }
            _ => (Operation::List, opened.inventory.listing(began).await.map(|_| ())),
        };
        let carrier = opened.inventory.carrier().capabilities().name;
        self.metrics.carrier_request(carrier, operation, asked.as_ref().err());
        if operation == Operation::List && asked.is_ok() {
            if !account.open_grants().is_empty()
                && let Err(error) = opened.inventory.look_for_orders(began).await
            {
                // A right whose number may be on order stays open until that is known.
                tracing::warn!(account = %Key::of(account), %error, "the orders of the account could not be listed");
            }
            // What is left is told to people and decides nothing: not to know it fails nothing.
            if let Ok(balance) = opened.inventory.carrier().balance().await
                && opened.set_balance(balance)
            {
                self.money_came(&Key::of(account));
            }
            if let Ok(calls) = opened.inventory.carrier().calls().await {
                opened.set_calls(calls);
            }
            self.metrics.scanned(&Key::of(account), Timestamp::now());
        }
        match asked {
            Ok(()) => {
                let is_another = |identity: &_| plan::account::another_than(account, identity).is_some();
                if opened.identity(began).as_ref().is_some_and(is_another) && self.open_accounts.refuse(&opened) {
                    tracing::warn!(account = %Key::of(account), "the credentials belong to another account: trying the other ones in the Secret");
                    opened.doubt_identity();
                    return true;
                }
                self.local.succeeded(uid, Attempt::Look);
            }
            Err(error) => {
                // Whether the account is still there and active says more than that it may not be listed.
                if matches!(error.class, ErrorClass::Unauthorized | ErrorClass::Forbidden) {
                    opened.doubt_identity();
                }
                if error.class == ErrorClass::Unauthorized && self.open_accounts.refuse(&opened) {
                    tracing::warn!(account = %Key::of(account), %error, "the carrier rejected the current credentials: trying the next ones");
                    return true;
                }
                self.local.failed(uid, Attempt::Look, error);
            }
        }
        false
    }

    /// The account has more money than before: what was refused for the lack of it is tried again.
    fn money_came(&self, account: &Key) {
        for number in self.caches.numbers.by(Index::Account, &account.to_string()) {
            let uid = number.metadata.uid.as_deref().unwrap_or_default();
            if self.local.trouble(uid).is_some_and(|trouble| trouble.error.class == ErrorClass::Funds) {
                self.local.edited(uid);
            }
            self.wake(Kind::PhoneNumber, Key::of(&*number), Priority::Background);
        }
    }

    /// The account opened or closed: whoever depends on it looks again.
    pub fn wake_numbers_of(&self, account: &Key) {
        self.wake_hosted(account);
        for number in self.caches.numbers.by(Index::Account, &account.to_string()) {
            self.wake(Kind::PhoneNumber, Key::of(&*number), Priority::Background);
            // The routes that numbers share are their agents'.
            if let Some(agent) = number.agent() {
                self.soon(Kind::Agent, agent);
            }
        }
        for claim in self.caches.claims.by(Index::Account, &account.to_string()) {
            self.wake(Kind::NumberClaim, Key::of(&*claim), Priority::Background);
        }
    }
}

/// Whether the account's status speaks of its spec as it is now: its endpoint, Secret or limits may be others since.
fn is_observed(account: &CarrierAccount) -> bool {
    account.status.as_ref().and_then(|status| status.observed_generation) == account.metadata.generation
}

/// `spec.scanInterval` as a duration. The schema lets only Go durations in; ten minutes for what is no duration all the same.
pub fn scan_interval(account: &CarrierAccount) -> Duration {
    let span: Option<jiff::SignedDuration> = account.spec.scan_interval.parse().ok();
    span.and_then(|span| Duration::try_from(span).ok())
        .filter(|span| !span.is_zero())
        .unwrap_or(Duration::from_secs(600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_interval_is_read_as_go_writes_durations() {
        let mut account = CarrierAccount::new(
            "a",
            serde_json::from_value(serde_json::json!({
                "twilio": {"accountSid": "AC00000000000000000000000000000000"}, "credentialsRef": {"name": "s"},
            }))
            .unwrap(),
        );
        for (text, seconds) in [("10m", 600), ("90s", 90), ("1h30m", 5400), ("1s", 1)] {
            account.spec.scan_interval = text.to_owned();
            assert_eq!(scan_interval(&account).as_secs(), seconds, "{text}");
        }
    }
}
