//! Opens a CarrierAccount, sees to it that it stays the same account, and lists its numbers.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::{
    Decision, Effect, Look, Note, Requested, Rest, Trouble,
    grant::{self, Wishes},
    policy,
};
use crate::api::{
    CarrierAccount,
    account::{AccountNumbers, Balance, Calls, CarrierAccountStatus, CredentialsKey, CredentialsStatus},
    conditions::{Finding, Reason, conditions},
    meta::{ABANDON, CONFIRM_INVENTORY, IN_USE_FINALIZER},
    seen::{ErrorClass, Identity},
};

/// Everything known about one CarrierAccount.
#[derive(Clone, Debug)]
pub struct World<'a> {
    pub now: Timestamp,
    pub account: &'a CarrierAccount,
    /// The name of our installation.
    pub installation: Option<&'a str>,
    /// Where `spec.endpoint` leads, if the operator was not started to allow that.
    pub refused: Option<RefusedEndpoint>,
    pub credentials: Credentials,
    /// Those that the account is open with, and how long until their Secret is read again.
    pub in_use: Option<(InUse, Duration)>,
    /// Whose account these credentials open, where the carrier said.
    pub identity: Option<&'a Identity>,
    pub inventory: Inventory,
    /// What the account has left, where the carrier said so.
    pub balance: Option<Balance>,
    /// How many calls it answers at once, where the platform said so.
    pub calls: Option<Calls>,
    /// Who wishes to buy under it.
    pub wishes: Wishes<'a>,
    pub trouble: Option<&'a Trouble>,
    /// How many objects refer to it: PhoneNumbers and NumberClaims.
    pub users: usize,
    /// One of them, to name.
    pub user: Option<String>,
    pub definition_going: Option<bool>,
}

/// An endpoint that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedEndpoint {
    /// The host that it names; `None` where it names none.
    pub host: Option<String>,
}

/// What the Secret holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Not read in this pass, and none known from before.
    NotRead,
    Missing,
    /// The API server does not let it be read.
    Forbidden,
    /// The API server failed to answer: why.
    Failed(String),
    /// It cannot be used; the text says which keys it lacks.
    Incomplete(String),
    Known,
}

/// The credentials that an account is open with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// `resourceVersion` of the Secret that holds them.
    pub version: String,
    /// Whether they are those that were to take over.
    pub next: bool,
}

/// What is known of the account's numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Of the last complete listing.
    pub numbers: Option<AccountNumbers>,
    /// How long until they are counted again, if they may be others by now.
    pub recount: Option<Duration>,
    /// How long until the next listing is due; zero when it is.
    pub due: Duration,
    /// Whether the last listing began after this pass did.
    pub fresh: bool,
    /// Whether it took longer than the account is to wait between two.
    pub slow: bool,
    /// How many numbers vanished in a listing that is disbelieved, and how many there were before.
    pub doubt: Option<(usize, usize)>,
}

/// Decides what to do next for a CarrierAccount.
pub fn next(w: &World<'_>) -> Decision<CarrierAccountStatus> {
    let held = w.account.finalizers().iter().any(|finalizer| finalizer == IN_USE_FINALIZER);
    if w.account.metadata.deletion_timestamp.is_some() {
        if !held {
            return Decision::Rest(Rest::NOTHING);
        }
        match w.definition_going {
            None => return Decision::Look(Look::Definition),
            Some(going) if going || w.users == 0 => return Decision::Act(Effect::RemoveFinalizer(IN_USE_FINALIZER)),
            Some(_) => {}
        }
    } else if !held {
        return Decision::Act(Effect::AddFinalizer(IN_USE_FINALIZER));
    }
    let decision = w.open();
    match decision {
        // An account that is being deleted goes on working for whoever still needs it.
        Decision::Rest(rest) if w.account.metadata.deletion_timestamp.is_some() => {
            let text = format!(
                "{} still need{} this account, {} among them. It is deleted when they are gone. With the annotation {ABANDON}: \"true\" on it, \
                 those that you delete go without cleanup.",
                if w.users == 1 { "One object".to_owned() } else { format!("{} objects", w.users) },
                if w.users == 1 { "s" } else { "" },
                w.user.as_deref().unwrap_or("a PhoneNumber"),
            );
            w.rest(Finding::new(Reason::InUse, text), rest.again)
        }
        decision => decision,
    }
}

/// The carrier's id of the account, where it may be used: it is known to be the right one, active, and listed, and its
/// credentials were not refused. A Secret that has gone since closes nothing: its namespace may be going, and numbers with it.
pub fn open(
    account: &CarrierAccount,
    identity: Option<&Identity>,
    is_listed: bool,
    trouble: Option<&Trouble>,
) -> Option<String> {
    // One that only the credentials tell is pinned first: journals are named by it, and nobody buys by a name that may be forgotten.
    let is_it = |identity: &&Identity| wanted_identity(account).as_ref() == Some(&identity.account);
    let identity = identity.filter(is_it).filter(|identity| identity.inactive.is_none())?;
    let refused = trouble.is_some_and(|t| matches!(t.error.class, ErrorClass::Unauthorized | ErrorClass::Forbidden));
    (is_listed && !refused).then(|| identity.account.clone())
}

/// The account that is wanted, if these credentials open another.
pub fn another_than(account: &CarrierAccount, identity: &Identity) -> Option<String> {
    wanted_identity(account).filter(|wanted| identity.account != *wanted)
}

/// The account that was seen first, or the one that is named. `None` where whatever the credentials open is the one.
fn wanted_identity(account: &CarrierAccount) -> Option<String> {
    let pinned = account.status.as_ref().and_then(|status| status.identity.clone());
    pinned.or_else(|| account.named_identity())
}

/// Whether a person asks for a look and has not got one yet.
pub fn is_requested(account: &CarrierAccount) -> bool {
    let handled = account.status.as_ref().and_then(|status| status.last_handled_reconcile_at.as_deref());
    account.request().is_some_and(|request| Some(request) != handled)
}

/// Says that more calls were rejected than was known: once for each time that it is seen.
pub fn notes(before: Option<&CarrierAccountStatus>, after: &CarrierAccountStatus) -> Vec<Note> {
    let rejected = |calls: Option<Calls>| calls.and_then(|calls| calls.rejected_this_month).unwrap_or_default();
    let known = rejected(before.and_then(|status| status.calls));
    let calls = after.calls.filter(|_| rejected(after.calls) > known);
    let note = |calls| Note { warning: true, reason: "CallsRejected", text: busy(calls).trim_start().to_owned() };
    calls.map(note).into_iter().collect()
}

/// What callers met who were too many; nothing where there were none.
fn busy(calls: Calls) -> String {
    match calls.rejected_this_month {
        None | Some(0) => String::new(),
        Some(rejected) => format!(
            " {rejected} call{} rejected this month: the platform answers {} at once, and further callers get a busy signal. A larger plan \
             there raises that.",
            if rejected == 1 { " was" } else { "s were" },
            calls.max_concurrent
        ),
    }
}

impl World<'_> {
    fn open(&self) -> Decision<CarrierAccountStatus> {
        if let Some(refused) = &self.refused {
            return self.rest(refused.finding(), None);
        }
        let secret = &self.account.spec.credentials_ref.name;
        match &self.credentials {
            Credentials::NotRead => return Decision::Look(Look::Credentials),
            Credentials::Missing => {
                let text = format!(
                    "The Secret {secret} does not exist in this namespace: create it. The operator checks again."
                );
                return self.rest(Finding::new(Reason::SecretNotFound, text), Some(policy::POLL));
            }
            Credentials::Forbidden => {
                let namespace = self.account.namespace().unwrap_or_default();
                let text = format!(
                    "The operator may not read the Secret {secret}: it lacks the right to get Secrets in the namespace {namespace}. The \
                     operator's administrator can grant it (the chart's secrets.namespaces lists where). The operator retries."
                );
                return self.rest(Finding::new(Reason::SecretForbidden, text), Some(policy::POLL));
            }
            Credentials::Failed(why) => {
                let text = format!("The Secret {secret} could not be read: {why}. The operator retries.");
                return self.rest(Finding::new(Reason::SecretReadFailed, text), Some(policy::POLL));
            }
            Credentials::Incomplete(why) => {
                let text = format!("The Secret {secret} cannot be used: {why}.");
                return self.rest(Finding::new(Reason::SecretIncomplete, text), Some(policy::POLL));
            }
            Credentials::Known => {}
        }
        if let Some(trouble) = self.trouble.filter(|trouble| !trouble.wait.is_zero()) {
            return self.rest(policy::account_trouble(&trouble.error), self.again(trouble.wait));
        }
        let Some(identity) = self.identity else { return Decision::Look(Look::Identity) };
        if let Some(wanted) = another_than(self.account, identity) {
            let text = format!(
                "The credentials in the Secret {secret} belong to {}, and this account is {wanted}. The operator stopped working on it: \
                 restore the correct credentials, or create another CarrierAccount.",
                identity.account
            );
            return self.rest(Finding::new(Reason::WrongAccount, text), Some(policy::POLL));
        }
        if let Some(word) = &identity.inactive {
            let text = format!("The carrier reports that the account is {word}: check its status and balance there.");
            return self.rest(Finding::new(Reason::AccountInactive, text), Some(policy::POLL));
        }
        if self.inventory.due.is_zero() || is_requested(self.account) && !self.inventory.fresh {
            return Decision::Look(Look::Inventory);
        }
        self.listed()
    }

    fn listed(&self) -> Decision<CarrierAccountStatus> {
        let again = self.again(self.inventory.due);
        let Some((vanished, before)) = self.inventory.doubt else {
            let busy = self.calls().map(busy).unwrap_or_default();
            let slow = match self.inventory.slow {
                true => {
                    " Listing them takes longer than spec.scanInterval, so changes by others are detected later than that."
                }
                false => "",
            };
            let text = format!("The credentials work and the account's numbers are listed.{slow}{busy}");
            return self.rest(Finding::new(Reason::Connected, text), again);
        };
        let left = before.saturating_sub(vanished);
        if self.account.annotations().get(CONFIRM_INVENTORY).is_some_and(|confirmed| *confirmed == left.to_string()) {
            return Decision::Act(Effect::AcceptInventory);
        }
        let text = format!(
            "{vanished} of {before} numbers were missing from one listing, so the operator does not treat them as lost. If they are really \
             gone, set the annotation {CONFIRM_INVENTORY}: \"{left}\".",
        );
        self.rest(Finding::new(Reason::NumbersMissing, text), again)
    }

    /// When to look again where something is `due`: earlier if the Secret is to be read before that, or numbers are to be counted, since they
    /// may be others by then.
    fn again(&self, due: Duration) -> Option<Duration> {
        let reread = self.in_use.iter().map(|(_, reread)| *reread);
        reread.chain(self.inventory.recount).chain([due]).min()
    }

    /// What was said of its calls last.
    fn calls(&self) -> Option<Calls> {
        self.calls.or_else(|| self.account.status.as_ref()?.calls)
    }

    fn rest(&self, finding: Finding, mut again: Option<Duration>) -> Decision<CarrierAccountStatus> {
        let mut status = self.account.status.clone().unwrap_or_default();
        let generation = self.account.metadata.generation;
        if finding.reason == Reason::Connected && status.identity.is_none() {
            status.identity = self.identity.map(|identity| identity.account.clone());
            if wanted_identity(self.account).is_none() {
                again = Some(Duration::ZERO);
            }
        }
        if let (Reason::Connected, Some((in_use, _))) = (finding.reason, &self.in_use) {
            status.credentials = Some(in_use.told(status.credentials.take(), self.now));
        }
        // Nobody passes a bought number on before it is counted.
        let settles = !self.wishes.wish.is_empty() || !self.account.open_grants().is_empty();
        if finding.reason == Reason::Connected && settles {
            status.grants = Some(grant::settle(status.grants.as_ref(), &self.account.spec.purchasing, &self.wishes));
        }
        status.installation = self.installation.map(str::to_owned).or(status.installation);
        status.balance = self.balance.clone().or(status.balance);
        status.calls = self.calls();
        status.numbers = self.inventory.numbers.or(status.numbers);
        status.conditions = conditions(&status.conditions, &[finding], generation, self.now);
        status.observed_generation = generation;
        // A listing that could not be had is only put off.
        if self.inventory.fresh {
            status.last_handled_reconcile_at =
                self.account.request().map(str::to_owned).or(status.last_handled_reconcile_at);
        }
        Decision::Rest(Rest { status: Some(status), again })
    }
}

impl InUse {
    /// What the status says of them, which says `before` so far. They work since then, or since now.
    fn told(&self, before: Option<CredentialsStatus>, now: Timestamp) -> CredentialsStatus {
        let key = if self.next { CredentialsKey::Next } else { CredentialsKey::Current };
        let is_same = |before: &CredentialsStatus| before.resource_version == self.version && before.key == key;
        before.filter(is_same).unwrap_or_else(|| CredentialsStatus {
            resource_version: self.version.clone(),
            key,
            working_since: Time(now),
        })
    }
}

impl RefusedEndpoint {
    fn finding(&self) -> Finding {
        let host = self.host.as_deref().unwrap_or("no host");
        let text = format!(
            "The operator does not allow spec.endpoint with {host}: it reads and sends nothing for this account. Remove spec.endpoint to \
             use the carrier itself, or have the operator's administrator allow it with --allow-endpoint, or in the chart with \
             carriers.allowedEndpoints."
        );
        Finding::new(Reason::EndpointNotAllowed, text)
    }
}
