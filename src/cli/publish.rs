//! `dialplane publish`: names a new version of an Agent, and the digest that it must have. It does I/O: it reads the Agent and
//! writes two of its fields.

use anyhow::{Context as _, bail, ensure};
use kube::{Api, Client, ResourceExt as _, api::Patch};
use serde_json::json;

use super::target::block_on;
use crate::{
    api::{
        Agent, AgentVersion,
        agent::{Draft, Versions},
        meta::Key,
    },
    cluster,
};

/// What the user needs to be allowed.
pub(super) const NEEDS: &str = "Its user needs the verbs get and patch for agents, and get for agentversions.";

/// How often it is begun anew where the operator writes the Agent's status meanwhile.
const TRIES: usize = 5;

/// What `dialplane publish` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = NEEDS)]
pub struct Args {
    /// The Agent to publish
    pub agent: String,

    /// The new version name, a DNS label. By default the last one with the number at its end increased by one
    #[arg(long, value_name = "NAME")]
    pub version: Option<String>,

    /// Namespace of the Agent. By default that of the kubeconfig's context
    #[arg(long, short)]
    pub namespace: Option<String>,
}

/// Publishes, and says what to write into the manifest.
pub fn run(args: Args) -> anyhow::Result<()> {
    block_on(async {
        Subject::serve(&args.agent, args.namespace, async |subject| subject.to_publish(args.version.clone()).await)
            .await
    })
}

/// An Agent that is to serve another version.
pub(super) struct Subject {
    client: Client,
    key: Key,
    pub(super) agent: Agent,
}

impl Subject {
    /// Has an Agent serve the version of this name and digest that `choose` makes of it, unless somebody else edits it meanwhile.
    pub(super) async fn serve(
        name: &str,
        namespace: Option<String>,
        choose: impl AsyncFn(&Self) -> anyhow::Result<(String, String)>,
    ) -> anyhow::Result<()> {
        for _ in 0..TRIES {
            let subject = Self::read(name, namespace.clone()).await?;
            let (version, digest) = choose(&subject).await?;
            if subject.write(&version, &digest).await? {
                return Ok(());
            }
        }
        bail!("Agent {name} keeps changing, so nothing was published: try again")
    }

    async fn read(name: &str, namespace: Option<String>) -> anyhow::Result<Self> {
        let (client, default) = super::client::client().await?;
        let key = Key::new(namespace.unwrap_or(default), name);
        let found = Api::<Agent>::namespaced(client.clone(), &key.namespace).get_opt(name).await;
        let agent = found.with_context(|| format!("cannot read Agent {key}"))?;
        let agent = agent.with_context(|| format!("Agent {key} does not exist: set another namespace with -n"))?;
        ensure!(agent.metadata.deletion_timestamp.is_none(), "Agent {key} is being deleted");
        Ok(Self { client, key, agent })
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// The digest of an AgentVersion, if it is there.
    pub(super) async fn digest_of(&self, version: &str) -> anyhow::Result<Option<String>> {
        let name = AgentVersion::name_of(&self.key.name, version);
        let found = Api::<AgentVersion>::namespaced(self.client.clone(), &self.key.namespace).get_opt(&name).await;
        let found = found.with_context(|| format!("cannot read AgentVersion {}/{name}", self.key.namespace))?;
        Ok(found.filter(|version| version.metadata.deletion_timestamp.is_none()).map(|v| v.spec.draft().digest()))
    }

    /// The name and the digest to publish.
    async fn to_publish(&self, wanted: Option<String>) -> anyhow::Result<(String, String)> {
        let key = &self.key;
        let name = match wanted {
            Some(name) => name,
            None if self.agent.spec.versions == Versions::Applied => {
                bail!("Agent {key} has versions: Applied: name the one to serve with --version")
            }
            None => next_name(&self.agent)?,
        };
        let there = self.digest_of(&name).await?;
        let digest = match (self.agent.spec.versions, &there) {
            (Versions::Applied, Some(there)) => there.clone(),
            (Versions::Applied, None) => bail!(
                "AgentVersion {} does not exist: Agent {key} has versions: Applied, so apply it first",
                AgentVersion::name_of(&key.to_string(), &name)
            ),
            (Versions::Frozen, _) => {
                let draft = self.agent.spec.draft.as_ref().map(Draft::digest);
                draft.with_context(|| format!("Agent {key} has no draft to publish"))?
            }
        };
        is_free(&self.agent, &name, &digest, there.as_deref())?;
        Ok((name, digest))
    }

    /// Writes which version serves, and its digest, unless somebody else edited the Agent since it was read; whether that could be done. It
    /// cannot where only its status or metadata changed meanwhile: the operator writes those.
    async fn write(&self, version: &str, digest: &str) -> anyhow::Result<bool> {
        let key = &self.key;
        let spec = json!({"version": version, "versionDigest": digest});
        let patch = json!({"metadata": {"resourceVersion": self.agent.resource_version()}, "spec": spec});
        let agents: Api<Agent> = Api::namespaced(self.client.clone(), &key.namespace);
        match agents.patch(&key.name, &cluster::patch_params(), &Patch::Merge(&patch)).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let now = agents.get_opt(&key.name).await.with_context(|| format!("cannot read Agent {key}"))?;
                let is_edited = |now: Agent| {
                    (now.metadata.uid, now.metadata.generation)
                        != (self.agent.metadata.uid.clone(), self.agent.metadata.generation)
                };
                if now.is_some_and(|now| !is_edited(now)) {
                    return Ok(false);
                }
                bail!(
                    "Agent {key} was changed by somebody else at the same time and nothing was done: check it and try again"
                )
            }
            Err(error) => return Err(error).with_context(|| format!("cannot write Agent {key}")),
        }
        println!("Agent {key} is set to:\n  version: {version}\n  versionDigest: {digest}");
        // Not on standard output, which may be read by a program.
        eprintln!("If its manifest is in Git, write these two lines there as well, or the next apply reverts them.");
        Ok(true)
    }
}

/// Fails where the name stands for something else already. A name is used once.
fn is_free(agent: &Agent, name: &str, digest: &str, there: Option<&str>) -> anyhow::Result<()> {
    let status = agent.status.as_ref();
    let published = status.and_then(|status| status.versions.iter().find(|version| version.name == name));
    let stands_for = there.or(published.map(|version| &*version.digest));
    if let Some(other) = stands_for.filter(|other| *other != digest) {
        bail!(
            "{name} was published with {other} and what would be published is {digest}: a name is used once, choose another"
        );
    }
    let used = status.is_some_and(|status| status.used_before.iter().any(|used| used == name));
    ensure!(
        !used || stands_for.is_some(),
        "{name} was used before this Agent was created, and its digest is unknown: choose another name"
    );
    Ok(())
}

/// The last name with the number at its end counted up, past every name that was used.
fn next_name(agent: &Agent) -> anyhow::Result<String> {
    let status = agent.status.clone().unwrap_or_default();
    let Some(last) = status.versions.last().map(|version| &*version.name).or(status.used_before.last().map(|n| &**n))
    else {
        return Ok("v1".to_owned());
    };
    let stem = last.trim_end_matches(|c: char| c.is_ascii_digit());
    let number: u64 = last[stem.len()..].parse().ok().with_context(|| {
        format!("the last version, {last}, does not end with a number: name the next with --version")
    })?;
    let is_used = |name: &String| {
        status.versions.iter().any(|version| version.name == *name) || status.used_before.contains(name)
    };
    let next = (number.saturating_add(1)..).map(|number| format!("{stem}{number}")).find(|name| !is_used(name));
    next.with_context(|| format!("no number follows {last}: name the next version with --version"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn agent(status: Value) -> Agent {
        serde_json::from_value(json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "dental"},
            "spec": {"draft": {}}, "status": status,
        }))
        .unwrap()
    }

    fn published(names: &[&str], before: &[&str]) -> Agent {
        let versions: Vec<Value> = names.iter().map(|name| json!({"name": name, "digest": "sha256:1"})).collect();
        agent(json!({"versions": versions, "usedBefore": before}))
    }

    #[test]
    fn the_next_name_counts_on_from_the_last_and_past_what_was_used() {
        let next = |names: &[&str], before: &[&str]| next_name(&published(names, before)).map_err(|e| e.to_string());
        assert_eq!(next_name(&agent(Value::Null)).unwrap(), "v1");
        assert_eq!(next(&["v1", "v2"], &[]), Ok("v3".to_owned()));
        assert_eq!(next(&["v4", "v3"], &["v5"]), Ok("v6".to_owned()));
        assert_eq!(next(&["2026-11-22"], &[]), Ok("2026-11-23".to_owned()));
        assert_eq!(next(&[], &["v1"]), Ok("v2".to_owned()));
        assert!(next(&["blue"], &[]).unwrap_err().contains("--version"));
        assert!(next(&["v99999999999999999999"], &[]).unwrap_err().contains("--version"));
    }

    #[test]
    fn a_used_name_is_refused_unless_it_stands_for_the_same() {
        let of = |name: &str, digest: &str, there: Option<&str>| {
            is_free(&published(&["v1"], &["v0"]), name, digest, there).map_err(|error| error.to_string())
        };
        assert_eq!((of("v1", "sha256:1", None), of("v2", "sha256:2", None)), (Ok(()), Ok(())));
        assert!(of("v1", "sha256:2", None).unwrap_err().contains("a name is used once"));
        assert!(of("v2", "sha256:2", Some("sha256:3")).unwrap_err().contains("v2 was published with sha256:3"));
        assert!(of("v0", "sha256:2", None).unwrap_err().contains("before this Agent was created"));
        assert_eq!(of("v0", "sha256:2", Some("sha256:2")), Ok(()));
    }
}
