//! `dialplane adopt`: the numbers that cost money and that nothing manages. It does I/O: it reads the cluster and the carriers,
//! and prints.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use clap::ValueEnum;
use serde_json::json;

use super::{
    search::money,
    target::{AccountName, ONLY_LOOKS, Target, block_on, or_dash, table},
};
use crate::{
    api::{
        meta::Key,
        number::{Channel, E164, HOSTED_AGENT},
    },
    controller::{DryRun, Unmanaged},
};

/// What `dialplane adopt` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = ONLY_LOOKS)]
pub struct Args {
    /// The CarrierAccount to check. By default every one of the cluster
    #[arg(long, value_name = "[NAMESPACE/]NAME")]
    pub account: Option<AccountName>,

    /// Print PhoneNumbers that import them, and Agents for the hosted agents that answer them, for `kubectl apply -f -`: the same as `-o
    /// yaml`
    #[arg(long)]
    pub manifests: bool,

    /// Output format
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,

    #[command(flatten)]
    pub target: Target,
}

/// Output format
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Table,
    Yaml,
}

/// A number that nothing manages, as it is found.
struct Found {
    /// The account that owns it: `None` where a platform answers it and no account that could be looked at has it.
    owner: Option<Key>,
    unmanaged: Unmanaged,
    answers: Option<Answers>,
}

/// The agent of a platform that answers a number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Answers {
    platform: Key,
    agent: String,
}

/// Looks and prints. Finding none is no error; an account that cannot be looked at is one, after the others are shown.
pub fn run(args: Args) -> anyhow::Result<()> {
    block_on(async {
        let (dry_run, namespace) = args.target.dry_run_as_installed().await?;
        let every = dry_run.accounts();
        let accounts = match &args.account {
            Some(account) => vec![account.key(&namespace)],
            None => every.clone(),
        };
        let mut closed = Vec::new();
        let mut open = BTreeSet::new();
        for account in &accounts {
            match dry_run.open(account).await {
                Ok(()) => drop(open.insert(account.clone())),
                Err(error) => closed.push(error.to_string()),
            }
        }
        // Which account owns what a platform answers, the others say as far as they can be opened.
        if open.iter().any(|account| dry_run.binds(account)) {
            for account in every.iter().filter(|account| !accounts.contains(account)) {
                dry_run.open(account).await.ok();
            }
        }
        let found = found(&dry_run, accounts.into_iter().filter(|account| open.contains(account)))?;
        if args.manifests || args.output == Output::Yaml {
            print!("{}", agents(&dry_run, &found).await?);
            print!("{}", manifests(&dry_run, &found)?);
        } else if !found.is_empty() {
            print!("{}", shown(&found));
        }
        if !closed.is_empty() {
            bail!("{}", closed.join("; "));
        }
        if found.is_empty() {
            // Not on standard output, which may be piped into kubectl.
            eprintln!("Every number is managed: nothing to adopt.");
        }
        Ok(())
    })
}

/// What is unmanaged in these accounts, each number once: two CarrierAccounts may name one account at the carrier, and what a platform
/// answers is its owner's too.
fn found(dry_run: &DryRun, accounts: impl Iterator<Item = Key>) -> anyhow::Result<Vec<Found>> {
    let (platforms, owners): (Vec<Key>, Vec<Key>) = accounts.partition(|account| dry_run.binds(account));
    let mut found: BTreeMap<E164, Found> = BTreeMap::new();
    for account in owners {
        for unmanaged in dry_run.unmanaged(&account)? {
            let answers = agent_of(&unmanaged).map(|agent| Answers { platform: account.clone(), agent });
            let owner = Some(account.clone());
            found.entry(unmanaged.number.number.clone()).or_insert(Found { owner, unmanaged, answers });
        }
    }
    for platform in platforms {
        for unmanaged in dry_run.unmanaged(&platform)? {
            let answers = agent_of(&unmanaged).map(|agent| Answers { platform: platform.clone(), agent });
            let owner = dry_run.owner_of(&unmanaged.number.number);
            let known = found.entry(unmanaged.number.number.clone());
            known.or_insert(Found { owner, unmanaged, answers: None }).answers = answers;
        }
    }
    let mut found: Vec<Found> = found.into_values().collect();
    found.sort_by_key(|found| found.owner.clone());
    Ok(found)
}

/// The agent that answers a number, where one of a platform does.
fn agent_of(unmanaged: &Unmanaged) -> Option<String> {
    unmanaged.number.route.get(&Channel::Voice)?.bound_id(HOSTED_AGENT).map(str::to_owned)
}

fn shown(found: &[Found]) -> String {
    let rows: Vec<[String; 5]> = found
        .iter()
        .map(|Found { owner, unmanaged, answers }| {
            let price = unmanaged.price.as_ref();
            let answers = answers.as_ref().map(|by| format!("the agent {} of {} answers it", by.agent, by.platform));
            [
                unmanaged.number.number.to_string(),
                or_dash(owner.as_ref()),
                or_dash(price.map(|price| money(price, price.monthly))),
                or_dash(unmanaged.identity.as_ref()),
                or_dash(note(unmanaged).or(answers)),
            ]
        })
        .collect();
    table(["NUMBER", "ACCOUNT", "MONTHLY", "IDENTITY", "NOTE"], &rows)
}

/// Why importing it would be wrong, or would need a thought.
fn note(unmanaged: &Unmanaged) -> Option<String> {
    match (&unmanaged.watcher, unmanaged.foreign) {
        (Some(watcher), _) => Some(format!("PhoneNumber {watcher} observes it and does not manage it")),
        (None, true) => Some("bought by another installation of Dialplane".to_owned()),
        (None, false) => None,
    }
}

/// An Agent for each agent of a platform that answers one of the numbers, as it serves now; none where an Agent has it already.
async fn agents(dry_run: &DryRun, found: &[Found]) -> anyhow::Result<String> {
    let answers: BTreeSet<&Answers> = found
        .iter()
        .filter(|found| note(&found.unmanaged).is_none())
        .filter_map(|found| found.answers.as_ref())
        .collect();
    let mut documents = String::new();
    for answers in answers {
        let Answers { platform, agent } = answers;
        if dry_run.agent_hosted(platform, agent).is_some() {
            continue;
        }
        let Some(there) = dry_run.hosted_agent(platform, agent).await? else {
            documents +=
                &format!("# Left out: the agent {agent}: CarrierAccount {platform} does not have it any more.\n");
            continue;
        };
        let mut hosted = json!({"accountRef": {"name": platform.name}, "agentId": agent});
        // With the version that serves, so that applying it publishes nothing there.
        if let Some(serving) = there.published.and_then(|versions| versions.serving) {
            hosted["versionId"] = json!(serving);
        }
        let manifest = json!({
            "apiVersion": "dialplane.dev/v1alpha1",
            "kind": "Agent",
            "metadata": {"namespace": platform.namespace, "name": name_of(agent)},
            "spec": {"version": "v1", "draft": {"hosted": [hosted]}},
        });
        documents += &format!("---\n{}", serde_yaml_ng::to_string(&manifest)?);
    }
    Ok(documents)
}

/// A name for the Agent whose agent on a platform has this id.
fn name_of(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let id: String = id.chars().map(plain).take(48).collect();
    format!("agent-{}", id.trim_start_matches("agent-").trim_matches('-'))
}

/// A PhoneNumber for each number that may be imported, in the namespace of its account; the others are named in comments.
fn manifests(dry_run: &DryRun, found: &[Found]) -> anyhow::Result<String> {
    let documents = found.iter().map(|Found { owner, unmanaged, answers }| {
        let number = &unmanaged.number.number;
        if let Some(note) = note(unmanaged) {
            return Ok(format!("# Left out: {number}: {note}.\n"));
        }
        let Some(account) = owner else {
            return Ok(format!(
                "# Left out: {number}: no CarrierAccount that is ready owns it. Apply one for the account that owns it.\n"
            ));
        };
        let mut spec = json!({"accountRef": {"name": account.name}, "import": {"number": number}});
        let mut comment = String::new();
        if let Some(Answers { platform, agent }) = answers {
            let named = dry_run.agent_hosted(platform, agent);
            let agent = named.unwrap_or_else(|| Key::new(&*platform.namespace, name_of(agent)));
            spec["agentRef"] = json!({"name": agent.name});
            if agent.namespace != account.namespace {
                spec["agentRef"]["namespace"] = json!(agent.namespace);
                comment += &format!("# Agent {agent} must allow the namespace {}, in spec.allowedNamespaces.\n", account.namespace);
            }
            if dry_run.binds(platform) && !dry_run.lends_to(account, platform) {
                comment += &format!("# CarrierAccount {account} must name {platform} in spec.lendTo, or the number waits (CredentialsNotLent).\n");
            }
        }
        let manifest = json!({
            "apiVersion": "dialplane.dev/v1alpha1",
            "kind": "PhoneNumber",
            "metadata": {"namespace": account.namespace, "name": format!("number-{}", number.digits())},
            "spec": spec,
        });
        Ok(format!("---\n{comment}{}", serde_yaml_ng::to_string(&manifest)?))
    });
    documents.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_any_form_makes_a_name() {
        for (id, name) in
            [("agent_0123456789abcdef", "agent-0123456789abcdef"), ("0B1C-7", "agent-0b1c-7"), ("__x__", "agent-x")]
        {
            assert_eq!(name_of(id), name);
        }
    }
}
