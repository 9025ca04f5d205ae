//! `dialplane rollback`: has an Agent serve a version that it published before, and no other. It does I/O: it reads the Agent and
//! writes two of its fields.

use anyhow::{Context as _, bail, ensure};

use super::{
    publish::{NEEDS, Subject},
    target::block_on,
};
use crate::api::{Agent, AgentVersion, agent::PublishedVersion};

/// What `dialplane rollback` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = NEEDS)]
pub struct Args {
    /// The Agent to roll back
    pub agent: String,

    /// The version to roll back to: one that was published
    pub version: String,

    /// Namespace of the Agent. By default that of the kubeconfig's context
    #[arg(long, short)]
    pub namespace: Option<String>,
}

/// Rolls back. A name that was never published is refused: by itself it would publish the draft.
pub fn run(args: Args) -> anyhow::Result<()> {
    block_on(async {
        Subject::serve(&args.agent, args.namespace, async |subject| chosen(subject, &args.version).await).await
    })
}

/// The version to go back to, as it was published.
async fn chosen(subject: &Subject, version: &str) -> anyhow::Result<(String, String)> {
    let digest = published(&subject.agent, version).with_context(|| format!("Agent {}", subject.key()))?;
    let name = AgentVersion::name_of(&subject.key().to_string(), version);
    match subject.digest_of(version).await? {
        None => bail!("AgentVersion {name} was deleted: create it again unchanged, or publish under a new name"),
        Some(there) => {
            ensure!(there == digest, "AgentVersion {name} is {there}, and {digest} was published under that name");
        }
    }
    Ok((version.to_owned(), digest))
}

/// The digest that was published under this name.
fn published(agent: &Agent, wanted: &str) -> anyhow::Result<String> {
    let versions: &[PublishedVersion] = agent.status.as_ref().map_or(&[], |status| &status.versions);
    if let Some(version) = versions.iter().find(|version| version.name == wanted) {
        return Ok(version.digest.clone());
    }
    let names: Vec<&str> = versions.iter().map(|version| &*version.name).collect();
    match &names[..] {
        [] => bail!("{wanted} was never published: no version was"),
        names => bail!("{wanted} was never published. Published versions: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_published_can_be_rolled_back_to() {
        let agent: Agent = serde_json::from_value(json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "dental"}, "spec": {"draft": {}},
            "status": {"versions": [{"name": "v1", "digest": "sha256:1"}, {"name": "v2", "digest": "sha256:2"}]},
        }))
        .unwrap();
        assert_eq!(published(&agent, "v2").unwrap(), "sha256:2");
        assert_eq!(
            published(&agent, "v22").unwrap_err().to_string(),
            "v22 was never published. Published versions: v1, v2"
        );
    }
}
