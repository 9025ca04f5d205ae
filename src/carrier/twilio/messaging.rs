//! Who really receives a Twilio number's text messages. Does I/O.
//!
//! A number that is a member of a Messaging Service sends its messages to the service's webhook, unless the service
//! says otherwise, and does not show it (section 5). So the services are asked, each for its members. There may be hundreds, and the
//! numbers wait for none of them: they are read beside the listings, rarely, and one after another with pauses between.

use std::{
    collections::HashMap,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Api, Twilio, errors, listing,
    memberships::Memberships,
    wire::{MemberPage, ServicePage},
};
use crate::carrier::{CarrierError, budget::Budget};

const SERVICES: &str = "/v1/Services";
const MEMBERS: &str = "/v1/Services/{}/PhoneNumbers";

/// The services are read no more often than this.
const AGAIN: Duration = Duration::from_secs(10 * 60);
/// How long is waited between two services: the rate of the account is the numbers'.
const PAUSE: Duration = Duration::from_millis(500);

impl Twilio {
    /// Begins to read the Messaging Services, unless that is under way or was done not long ago.
    pub(super) fn read_messaging(&self) {
        let api: Arc<Api> = self.inner.clone();
        self.messaging_round.begin(AGAIN, || async move { api.read_memberships().await });
    }
}

impl Api {
    /// What is known by now.
    pub(super) fn memberships(&self) -> MutexGuard<'_, Memberships> {
        self.memberships.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what can be read of the account's Messaging Services. It never fails a listing: credentials that may read numbers
    /// need not reach the messaging API, and what was not read is `Unseen`.
    ///
    /// That API acts on the account that the credentials *belong to*, whatever account is meant (section 3). An Auth
    /// Token belongs to the account itself. An API key may be the parent's, so what it shows is only believed where the
    /// rows name our account. An empty list names none: it is believed only if the account has no parent, whose key it
    /// could be. The price is that some keys of subaccounts without services see `Unseen`; the other way, a number
    /// whose messages go elsewhere would be called ready.
    async fn read_memberships(&self) {
        let mut read = Memberships::default();
        read.complete = match self.read_services(&mut read.groups).await {
            Ok(complete) => complete,
            Err(error) => {
                tracing::debug!(class = ?error.class, code = ?error.code, "the Messaging Services could not be read");
                false
            }
        };
        *self.memberships() = read;
    }

    /// Fills in what is found, so that it is known before all is read, and stays known if a later service cannot be read.
    async fn read_services(&self, groups: &mut HashMap<String, String>) -> Result<bool, CarrierError> {
        // One for all services: each has its members, and there may be many.
        let mut budget = Budget::new(errors::NAME);
        let first = listing::FIRST_PAGE;
        let services = self.pages::<ServicePage>(&self.messaging, SERVICES, &[], first, &mut budget).await?;
        if services.is_empty() {
            return Ok(self.auth_token.is_some() || self.is_parentless().await);
        }
        if services.iter().any(|service| service.account_sid != self.account) {
            return Ok(false);
        }
        let asked = services.iter().filter(|service| !service.use_inbound_webhook_on_number);
        for (at, service) in asked.enumerate() {
            if at > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let members =
                self.pages::<MemberPage>(&self.messaging, MEMBERS, &[&service.sid], first, &mut budget).await?;
            let found = members.into_iter().map(|member| (member.sid, service.sid.clone()));
            let found: Vec<(String, String)> = found.collect();
            self.memberships().groups.extend(found.iter().cloned());
            groups.extend(found);
        }
        Ok(true)
    }

    /// Whether the account surely is nobody's subaccount. Standard keys may not ask.
    async fn is_parentless(&self) -> bool {
        if self.parentless.get().is_none() {
            // It remembers what it sees; an error shows nothing.
            let _ = self.account().await;
        }
        self.parentless.get().copied().unwrap_or(false)
    }
}
