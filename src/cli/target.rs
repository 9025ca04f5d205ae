//! What the commands that only look share: which cluster and account, and how tables are printed. It does I/O: the cluster, the environment, one file.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::{
    api::meta::Key,
    carrier::{endpoint::Endpoints, http::Egress},
    controller::{DryRun, Installation, Settings},
};

/// What the commands that only look need and do, at the end of their help.
pub const ONLY_LOOKS: &str = "It only reads. Its user needs the verb list for every kind of dialplane.dev and for namespaces, get for \
                              phonenumbers, and get for the Secret of the account.";

/// Which cluster is looked at.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// Name of the operator's installation, the Helm value `installation`, which identifies its numbers. By default it is taken from the
    /// cluster: from the status of the CarrierAccounts, or else from its purchase records
    #[arg(long, env = "DIALPLANE_INSTALLATION")]
    pub installation: Option<String>,

    #[command(flatten)]
    pub reach: Reach,
}

/// Where accounts may be reached, and how.
#[derive(Debug, clap::Args)]
pub struct Reach {
    /// A URL that a CarrierAccount may have as spec.endpoint: a proxy, or the sandbox. By default none. Can be repeated, or several
    /// separated by commas
    // Read later: clap would repeat in its error what may hold a password.
    #[arg(long = "allow-endpoint", value_name = "URL", env = "DIALPLANE_ALLOW_ENDPOINT", value_delimiter = ',')]
    pub endpoints: Vec<String>,

    /// PEM file of certificate authorities to trust for carriers and platforms, in addition to the system's, as behind a proxy that inspects
    /// TLS. Proxies are taken from HTTPS_PROXY, HTTP_PROXY and NO_PROXY
    #[arg(long, value_name = "FILE", env = "DIALPLANE_CARRIER_CA_FILE")]
    pub carrier_ca_file: Option<PathBuf>,
}

impl Reach {
    /// What was given and what the environment says, read: an operator of this name.
    pub fn settings(&self, installation: String) -> anyhow::Result<Settings> {
        let endpoints = Endpoints::new(&self.endpoints).context("--allow-endpoint")?;
        let mut egress = Egress::of_environment(|name| std::env::var(name).ok())?;
        if let Some(file) = self.carrier_ca_file.as_deref().filter(|file| !file.as_os_str().is_empty()) {
            let flag = || format!("--carrier-ca-file {}", file.display());
            let pem = std::fs::read(file).with_context(flag)?;
            egress = egress.trusting(&pem).with_context(flag)?;
        }
        Ok(Settings { installation, endpoints, egress, ..Settings::default() })
    }
}

/// A CarrierAccount, as people name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountName {
    namespace: Option<String>,
    name: String,
}

impl std::str::FromStr for AccountName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name),
            None => (None, text),
        };
        let is_whole = !name.is_empty() && !name.contains('/') && namespace.as_deref() != Some("");
        is_whole.then(|| Self { namespace, name: name.to_owned() }).ok_or("write NAME or NAMESPACE/NAME".to_owned())
    }
}

impl AccountName {
    /// The account meant, seen from `namespace`.
    pub fn key(&self, namespace: &str) -> Key {
        Key::new(self.namespace.as_deref().unwrap_or(namespace), &*self.name)
    }
}

impl Target {
    /// Looks at the cluster of KUBECONFIG; answers the namespace of its context as well.
    pub async fn dry_run(&self) -> anyhow::Result<(DryRun, String)> {
        let settings = self.reach.settings(String::new())?;
        let (client, namespace) = super::client::client().await?;
        let dry_run = DryRun::new(client, self.installation.clone(), settings);
        let dry_run = dry_run.await.context("cannot read the cluster")?;
        for left_out in dry_run.left_out() {
            eprintln!("warning: {left_out}");
        }
        Ok((dry_run, namespace))
    }

    /// The same for a command that tells our numbers from others': says by which name it does.
    pub async fn dry_run_as_installed(&self) -> anyhow::Result<(DryRun, String)> {
        let (dry_run, namespace) = self.dry_run().await?;
        let (name, how) = dry_run.installation()?;
        let how = match how {
            Installation::Given => None,
            Installation::AtWork => Some("from the CarrierAccounts of this cluster"),
            Installation::OnRecord => Some("from the records of this cluster"),
        };
        if let Some(how) = how {
            eprintln!("The installation is {name}, {how}.");
        }
        Ok((dry_run, namespace))
    }
}

/// Runs a command that asks and prints.
pub fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(command)
}

/// Columns as kubectl prints them: as wide as what stands in them, three blanks apart.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let head = head.map(str::to_owned);
    let lines = || std::iter::once(&head).chain(rows);
    let width = |column: usize| lines().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: &[String; N]| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("   ").trim_end())
    };
    lines().map(line).collect()
}

/// What stands in a cell of which nothing is known.
pub fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_with_or_without_its_namespace() {
        let key = |text: &str| text.parse::<AccountName>().map(|name| name.key("clinics").to_string());
        assert_eq!(key("twilio"), Ok("clinics/twilio".to_owned()));
        assert_eq!(key("telephony/twilio"), Ok("telephony/twilio".to_owned()));
        for wrong in ["", "/", "a/", "/b", "a/b/c"] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_cells_and_lines_end_with_text() {
        let rows = [["+1".to_owned(), "San José".to_owned()], ["+123".to_owned(), "-".to_owned()]];
        assert_eq!(table(["NO", "PLACE"], &rows), "NO     PLACE\n+1     San José\n+123   -\n");
    }
}
