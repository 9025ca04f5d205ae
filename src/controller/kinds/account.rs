//! The world of a CarrierAccount, and the looks that only it takes.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{Api, Client};
use tokio::time::Instant;

use super::{Controlled, Looked, with_status};
use crate::{
    api::{
        CarrierAccount,
        account::{AccountNumbers, CarrierAccountStatus},
        meta::Key,
    },
    carrier::ErrorClass,
    cluster::{
        cache::{Cache, Change, Index},
        queue::Priority,
    },
    controller::{
        Context, Kind,
        context::Caches,
        effects::{Error, answered},
        memory::Attempt,
        sessions::Session,
    },
    plan::{
        self, Decision, Look,
        account::{Credentials, Inventory},
    },
    telemetry::metrics::Operation,
};

impl Controlled for CarrierAccount {
    const KIND: Kind = Kind::CarrierAccount;
    with_status!(CarrierAccountStatus);

    fn cache(caches: &Caches) -> &Cache<Self> {
        &caches.accounts
    }

    fn api(client: Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }

    fn decide(context: &Context, object: &Arc<Self>, looked: &Looked) -> Decision<CarrierAccountStatus> {
        let key = Key::of(&**object);
        let session = context.sessions.get(&key).filter(|s| Some(&s.uid) == object.metadata.uid.as_ref());
        let identity = session.as_ref().and_then(|session| session.identity(looked.began));
        let trouble = context.trouble_of(&**object);
        let inventory = session.as_ref().map(|s| context.inventory(object, s, looked)).unwrap_or_default();
        let (users, user) = context.users(&key);
        // The Secret is read again with every listing, as long as the account cannot be used, and where the spec was edited.
        let is_open = session.as_ref().is_some_and(|session| session.open().is_some());
        let credentials = match &looked.credentials {
            Some(read) => read.clone(),
            None if is_observed(object) && is_open && identity.is_some() && !inventory.due.is_zero() => {
                Credentials::Known
            }
            None => Credentials::NotRead,
        };
        let world = plan::account::World {
            now: Timestamp::now(),
            account: object,
            credentials,
            identity: identity.as_ref(),
            inventory,
            trouble: trouble.as_ref(),
            users,
            user,
            definition_going: looked.definition_going,
        };
        let decision = plan::account::next(&world);
        if let (Decision::Rest(_), Some(session)) = (&decision, &session)
            && session.set_open(plan::account::open(&world))
        {
            context.wake_numbers_of(&key);
        }
        decision
    }

    fn changed(context: &Context, change: &Change<Self>) {
        context.account_changed(change);
    }

    async fn look(context: &Context, object: &Arc<Self>, look: Look, looked: &mut Looked) -> Result<(), Error> {
        match look {
            Look::Credentials => {
                looked.credentials = Some(context.read_credentials(object).await?);
                Ok(())
            }
            Look::Identity | Look::Inventory => {
                context.ask_account(object, look, looked.began).await;
                Ok(())
            }
            other => context.look(&**object, other, looked).await,
        }
    }
}

impl Context {
    fn inventory(&self, account: &CarrierAccount, session: &Session, looked: &Looked) -> Inventory {
        let Some(listing) = session.inventory.last_listing() else { return Inventory::default() };
        let owned = u32::try_from(listing.owned).unwrap_or(u32::MAX);
        let claimed = self.caches.claims.count_by(Index::Account, &Key::of(account).to_string());
        let claimed = u32::try_from(claimed).unwrap_or(u32::MAX).min(owned);
        let due = listing.begun + scan_interval(account);
        Inventory {
            numbers: Some(AccountNumbers { owned, claimed, unclaimed: owned - claimed }),
            due: due.saturating_duration_since(Instant::now()),
            fresh: listing.begun >= looked.began,
            doubt: session.inventory.doubt().map(|doubt| (doubt.vanished, doubt.owned_before)),
        }
    }

    /// How many objects need the account, and one of them.
    fn users(&self, account: &Key) -> (usize, Option<String>) {
        let numbers = self.caches.numbers.by(Index::Account, &account.to_string());
        let claims = self.caches.claims.by(Index::Account, &account.to_string());
        let number = numbers.first().map(|number| format!("PhoneNumber {}", Key::of(&**number)));
        let claim = || claims.first().map(|claim| format!("NumberClaim {}", Key::of(&**claim)));
        (numbers.len().max(claims.len()), number.or_else(claim))
    }

    /// Reads the Secret and opens the account with it. What was opened with an earlier Secret stays open until a new one opens.
    async fn read_credentials(&self, account: &CarrierAccount) -> Result<Credentials, Error> {
        let key = Key::of(account);
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &key.namespace);
        let Some(secret) = answered(secrets.get_opt(&account.spec.credentials_ref.name)).await? else {
            return Ok(Credentials::Missing);
        };
        let claims = self.caches.claims.by(Index::Account, &key.to_string());
        let owned = claims.iter().map(|claim| claim.spec.number.clone());
        match self.sessions.open(account, &secret.data.unwrap_or_default(), owned) {
            Ok(is_new) => {
                if is_new {
                    self.memory.edited(account.metadata.uid.as_deref().unwrap_or_default());
                }
                Ok(Credentials::Known)
            }
            Err(why) => Ok(Credentials::Incomplete(why.to_string())),
        }
    }

    /// Asks the carrier whose account it is, or for all its numbers.
    async fn ask_account(&self, account: &CarrierAccount, look: Look, began: Instant) {
        let uid = account.metadata.uid.as_deref().unwrap_or_default();
        let Some(session) = self.sessions.get(&Key::of(account)) else { return };
        let (operation, asked) = match look {
            Look::Identity => {
                let identity = session.inventory.carrier().identify().await;
                (Operation::Identify, identity.map(|identity| session.set_identity(identity, Instant::now())))
            }
            _ => (Operation::List, session.inventory.listing(began).await.map(|_| ())),
        };
        let carrier = session.inventory.carrier().capabilities().name;
        self.metrics.carrier_request(carrier, operation, asked.as_ref().err());
        if operation == Operation::List && asked.is_ok() {
            self.metrics.scanned(&Key::of(account), Timestamp::now());
        }
        match asked {
            Ok(()) => self.memory.succeeded(uid, Attempt::Look),
            Err(error) => {
                // Whether the account is still there and active says more than that it may not be listed.
                if matches!(error.class, ErrorClass::Unauthorized | ErrorClass::Forbidden) {
                    session.doubt_identity();
                }
                self.memory.failed(uid, Attempt::Look, error);
            }
        }
    }

    /// The account opened or closed: whoever depends on it looks again.
    pub fn wake_numbers_of(&self, account: &Key) {
        for number in self.caches.numbers.by(Index::Account, &account.to_string()) {
            self.wake(Kind::PhoneNumber, Key::of(&*number), Priority::Background);
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
fn scan_interval(account: &CarrierAccount) -> Duration {
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
