//! What is right and what is wrong with an account, asked of the cluster, of its carrier, and of nobody else. It does I/O, and only reads.

use std::{collections::BTreeSet, sync::Arc};

use super::{DryRun, DryRunError};
use crate::{
    api::{
        CarrierAccount,
        account::{Calls, Lending},
        agent::HostedOn,
        meta::Key,
        number::E164,
        offer::{NumberType, Search},
    },
    carrier::{Carrier, CarrierError, ErrorClass, HostedAgent, Lent},
};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub verdict: Verdict,
    pub text: String,
}

/// What is to be thought of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// Nothing is wrong with it, and it is good to know.
    Note,
    Wrong,
}

impl Check {
    fn good(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Good, text: text.into() }
    }

    fn note(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Note, text: text.into() }
    }

    fn wrong(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Wrong, text: text.into() }
    }

    /// What an answer to a question says: what is missing is in the carrier's text.
    fn of<T>(what: &str, answer: &Result<T, CarrierError>) -> Self {
        match answer {
            Ok(_) => Self::good(format!("It may {what}.")),
            Err(error) if matches!(error.class, ErrorClass::Unauthorized | ErrorClass::Forbidden) => {
                Self::wrong(format!("It may not {what}: {}.", clause(error)))
            }
            Err(error) => Self::wrong(format!("It is unknown whether it may {what}: {}.", clause(error))),
        }
    }
}

impl DryRun {
    /// Looks at all of an account that can be looked at without writing anything.
    pub async fn examine(&self, account: &Key) -> Result<Vec<Check>, DryRunError> {
        let there = self.context.caches.accounts.get(account);
        let object = there.ok_or_else(|| DryRunError::NoAccount(account.clone()))?;
        let mut checks = Vec::new();
        match self.open(account).await {
            Ok(()) => {}
            Err(DryRunError::NotOpen { why, .. }) => checks.push(Check::wrong(why)),
            Err(error) => return Err(error),
        }
        let carrier = self.carrier(account);
        if let Some(carrier) = &carrier {
            checks.extend(self.asked(account, &object, &**carrier).await);
        }
        for lending in &object.spec.lend_to {
            checks.push(self.lends(account, lending, carrier.as_deref()).await);
        }
        if self.context.binds(account) {
            checks.extend(self.borrows(account));
        }
        checks.extend(self.hosts(account, &object, carrier.as_deref()).await);
        Ok(checks)
    }

    /// The agent of this id on a platform that is open.
    pub async fn hosted_agent(&self, account: &Key, id: &str) -> Result<Option<HostedAgent>, DryRunError> {
        let carrier = self.opened(account)?.inventory.carrier();
        let Some(platform) = carrier.platform() else { return Ok(None) };
        let agent = platform.agent(id).await;
        agent.map_err(|error| DryRunError::NotOpen { account: account.clone(), why: error.text })
    }

    /// The carrier of an account, if it is open.
    fn carrier(&self, account: &Key) -> Option<Arc<dyn Carrier>> {
        let opened = self.context.open_accounts.get(account)?;
        opened.usable().map(|_| opened.inventory.carrier())
    }

    /// What the carrier answers to all that the operator would ever ask.
    async fn asked(&self, account: &Key, object: &CarrierAccount, carrier: &dyn Carrier) -> Vec<Check> {
        let (name, secret) = (carrier.capabilities().name, &object.spec.credentials_ref.name);
        let opened = self.context.open_accounts.get(account);
        let identity = opened.as_ref().and_then(|opened| opened.usable()).unwrap_or_default();
        let owned = opened.map_or(0, |opened| opened.inventory.owned().len());
        let mut checks = vec![Check::good(format!("{name}: the Secret {secret} is valid for the account {identity}."))];
        checks.push(match carrier.bindings() {
            Some(_) => Check::good(format!("Numbers of other carriers that it answers: {owned}.")),
            None => Check::good(format!("Numbers that it owns: {owned}.")),
        });
        checks.extend(match carrier.balance().await {
            Ok(left) => left.map(|left| Check::good(format!("Balance: {} {}.", left.amount, left.currency))),
            // Nothing depends on it.
            Err(error) => Some(Check::note(format!("The balance cannot be read: {}.", clause(&error)))),
        });
        checks.extend(match carrier.calls().await {
            Ok(calls) => calls.map(|calls| answers(&calls)),
            Err(error) => {
                Some(Check::note(format!("The limit of concurrent calls cannot be read: {}.", clause(&error))))
            }
        });
        if let Some(sales) = carrier.sales() {
            let found = sales.offers(&any()).await;
            let no_such = found.as_ref().is_err_and(|error| error.class == ErrorClass::NotFound);
            checks.push(Check::of("look for numbers for sale", &if no_such { Ok(Vec::new()) } else { found }));
        }
        if let Some(orders) = carrier.orders() {
            checks.push(Check::of("read its orders", &orders.standing().await));
        }
        if let Some(shared) = carrier.shared_routes() {
            checks.push(Check::of("read the routes that its numbers share", &shared.all().await));
        }
        checks.push(Check::note(can(carrier)));
        checks
    }

    /// Whether the credentials of an account are any use to the platform that they are lent to.
    async fn lends(&self, account: &Key, lending: &Lending, carrier: Option<&dyn Carrier>) -> Check {
        let platform = lending.account.key(&account.namespace);
        if self.context.caches.accounts.get(&platform).is_none() {
            return Check::wrong(format!("spec.lendTo names CarrierAccount {platform}, which does not exist."));
        }
        if !self.context.binds(&platform) {
            return Check::wrong(format!(
                "spec.lendTo names CarrierAccount {platform}, which does not answer numbers of other carriers: remove that entry."
            ));
        }
        let Some(carrier) = carrier else {
            return Check::note(format!("Its credentials are lent to CarrierAccount {platform}."));
        };
        let Some(lent) = carrier.lent() else {
            return Check::wrong(format!(
                "spec.lendTo names CarrierAccount {platform}, which does not accept API keys: put the authToken into the Secret instead."
            ));
        };
        // That it cannot be opened is said where it is itself examined.
        self.open(&platform).await.ok();
        let to = self.carrier(&platform);
        let lent = Lent { connection: lending.connection_id.clone(), ..lent };
        let refused = to.as_deref().and_then(Carrier::bindings).zip(example()).and_then(|(bindings, number)| {
            // Which agent it is makes no difference to whether the credentials will do.
            bindings.refuses(&number, "", &lent)
        });
        match refused {
            Some(error) => {
                Check::wrong(format!("CarrierAccount {platform} would refuse its numbers: {}.", clause(&error)))
            }
            None => Check::good(format!("Its credentials are lent to CarrierAccount {platform}.")),
        }
    }

    /// Whose credentials a platform is lent.
    fn borrows(&self, platform: &Key) -> Vec<Check> {
        let mut owners: Vec<Key> = self
            .context
            .caches
            .accounts
            .all()
            .iter()
            .filter_map(|owner| owner.lending(platform).map(|_| Key::of(&**owner)))
            .collect();
        owners.sort();
        if owners.is_empty() {
            let text = "No CarrierAccount lends it credentials, so it answers no number: add it to spec.lendTo of a carrier's account.";
            return vec![Check::note(text)];
        }
        owners.iter().map(|owner| Check::good(format!("CarrierAccount {owner} lends it its credentials."))).collect()
    }

    /// Whether the agents that Agents of this cluster name are there.
    async fn hosts(&self, account: &Key, object: &CarrierAccount, carrier: Option<&dyn Carrier>) -> Vec<Check> {
        let mut checks = Vec::new();
        for (agent, hosted) in self.hosted_at(account) {
            let consent = &object.spec.allowed_namespaces;
            if !self.context.caches.allows(consent, &account.namespace, &agent.namespace) {
                checks.push(Check::wrong(format!(
                    "Agent {agent} names this account in hosted, and spec.allowedNamespaces does not allow its namespace."
                )));
                continue;
            }
            let Some(carrier) = carrier else { continue };
            let Some(platform) = carrier.platform() else {
                let name = carrier.capabilities().name;
                checks.push(Check::wrong(format!(
                    "Agent {agent} names this account in hosted, and {name} hosts no agents."
                )));
                continue;
            };
            let id = &hosted.agent_id;
            checks.push(match platform.agent(id).await {
                Ok(None) => Check::wrong(format!(
                    "The agent {id}, which Agent {agent} names, does not exist: it was deleted, or the ID is wrong."
                )),
                Ok(Some(there)) => hosted_as(&agent, &hosted, &there),
                Err(error) => {
                    Check::of(&format!("read the agent {id}, which Agent {agent} names"), &Err::<(), _>(error))
                }
            });
        }
        checks
    }

    /// The entries of drafts and of published versions that name this account, with their Agents.
    fn hosted_at(&self, account: &Key) -> Vec<(Key, HostedOn)> {
        let mut found: Vec<(Key, HostedOn)> = Vec::new();
        for agent in self.context.caches.agents.all() {
            let key = Key::of(&*agent);
            for hosted in self.context.hosted_entries(&agent) {
                let known = found.iter().any(|(of, entry)| *of == key && *entry == hosted);
                if !known && hosted.account_ref.key(&key.namespace) == *account {
                    found.push((key.clone(), hosted));
                }
            }
        }
        found.sort_by(|(a, one), (b, other)| (a, &one.agent_id).cmp(&(b, &other.agent_id)));
        found
    }

    /// The Agent that has, or is to have, this agent of a platform.
    pub fn agent_hosted(&self, account: &Key, id: &str) -> Option<Key> {
        self.hosted_at(account).into_iter().find(|(_, hosted)| hosted.agent_id == id).map(|(agent, _)| agent)
    }

    /// The CarrierAccounts on which an Agent of our copy is hosted.
    pub fn platforms_of(&self, agent: &Key) -> BTreeSet<Key> {
        let found = self.context.caches.agents.get(agent);
        found.map(|agent| self.context.hosts(&agent)).into_iter().flatten().collect()
    }

    /// Whether an account is a platform that answers numbers of other carriers.
    pub fn binds(&self, account: &Key) -> bool {
        self.context.binds(account)
    }

    /// The account, of those that are open, that owns a number.
    pub fn owner_of(&self, number: &E164) -> Option<Key> {
        let open_accounts = self.context.open_accounts.all().into_iter();
        let mut owners: Vec<Key> = open_accounts
            .filter(|(key, opened)| opened.usable().is_some() && !self.context.binds(key))
            .filter(|(_, opened)| opened.inventory.owned().iter().any(|owned| owned.number == *number))
            .map(|(key, _)| key)
            .collect();
        owners.sort();
        owners.into_iter().next()
    }

    /// Whether an account lends its credentials to a platform.
    pub fn lends_to(&self, account: &Key, platform: &Key) -> bool {
        let owner = self.context.caches.accounts.get(account);
        owner.is_some_and(|owner| owner.lending(platform).is_some())
    }
}

/// What is said of an agent that is there.
fn hosted_as(agent: &Key, hosted: &HostedOn, there: &HostedAgent) -> Check {
    let id = &hosted.agent_id;
    if !there.active {
        return Check::wrong(format!(
            "The agent {id}, which Agent {agent} names, is disabled there: calls are not answered. Enable it there."
        ));
    }
    let Some(versions) = &there.published else {
        return Check::good(format!("The agent {id}, which Agent {agent} names, exists."));
    };
    match &hosted.version_id {
        Some(version) if !versions.known.iter().any(|known| known.id == *version) => {
            Check::wrong(format!("The agent {id}, which Agent {agent} names, has no version {version}."))
        }
        _ if versions.serving.is_none() => Check::note(format!(
            "The agent {id}, which Agent {agent} names, was never published there: publishing the Agent does that."
        )),
        _ => Check::good(format!("The agent {id}, which Agent {agent} names, exists and is published.")),
    }
}

/// How many calls it answers, and whether that was too few.
fn answers(calls: &Calls) -> Check {
    let most = format!("It answers {} concurrent calls", calls.max_concurrent);
    let peak = calls.peak_this_month.map(|peak| format!("; this month's peak is {peak}")).unwrap_or_default();
    match calls.rejected_this_month.unwrap_or_default() {
        0 => Check::good(format!("{most}{peak}.")),
        rejected => Check::note(format!("{most}{peak}, and {rejected} were rejected above the limit.")),
    }
}

/// What a carrier does, in a sentence.
fn can(carrier: &dyn Carrier) -> String {
    let mut does = Vec::new();
    let mut add = |has: bool, yes: &'static str, no: &'static str| {
        does.extend(Some(if has { yes } else { no }).filter(|text| !text.is_empty()))
    };
    let sells = carrier.sales().is_some();
    add(sells, "sells numbers", "sells no numbers");
    if sells {
        add(
            carrier.holds().is_some(),
            "holds a number before it is bought",
            "does not hold numbers before they are bought",
        );
        let no = "stores no markers on bought numbers, so only the records of this cluster identify them";
        add(carrier.marks().is_some(), "stores markers on bought numbers", no);
    }
    add(carrier.intake().is_some(), "imports numbers from the organization's own carrier account", "");
    add(carrier.shared_routes().is_some(), "has shared routes", "");
    add(carrier.platform().is_some(), "hosts agents", "hosts no agents");
    add(carrier.bindings().is_some(), "answers numbers of other carriers", "");
    add(carrier.lent().is_some(), "can lend its credentials to a platform", "");
    format!("{} {}.", carrier.capabilities().name, does.join(", "))
}

/// A search that any carrier of such numbers can answer.
fn any() -> Search {
    Search {
        country: "US".to_owned(),
        kind: NumberType::Local,
        area_code: None,
        locality: None,
        region: None,
        features: Vec::new(),
        starts_with: None,
        contains: None,
        ends_with: None,
        best_effort: false,
    }
}

/// A number that nobody has: what is asked of it is not about the number.
fn example() -> Option<E164> {
    "+14155550100".parse().ok()
}

/// What a carrier said, as a part of a sentence.
fn clause(error: &CarrierError) -> &str {
    error.text.trim_end_matches('.')
}
