//! `dialplane adopt`: the numbers that cost money and that nothing manages. It does I/O: it reads the cluster and the carriers,
//! and prints.

use std::collections::BTreeSet;

use anyhow::bail;
use clap::ValueEnum;
use serde_json::json;

use super::{
    search::money,
    target::{AccountName, ONLY_LOOKS, Target, block_on, or_dash, table},
};
use crate::{api::meta::Key, controller::Unmanaged};

/// What `dialplane adopt` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = ONLY_LOOKS)]
pub struct Args {
    /// The CarrierAccount to look under; every one of the cluster if not given
    #[arg(long, value_name = "[NAMESPACE/]NAME")]
    pub account: Option<AccountName>,

    /// Print PhoneNumbers that import them, for `kubectl apply -f -`: the same as `-o yaml`
    #[arg(long)]
    pub manifests: bool,

    /// How they are printed
    #[arg(long, short, value_enum, default_value = "table")]
    pub output: Output,

    #[command(flatten)]
    pub target: Target,
}

/// How they are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Table,
    Yaml,
}

/// Looks and prints. Finding none is no error; an account that cannot be looked at is one, after the others are shown.
pub fn run(args: Args) -> anyhow::Result<()> {
    block_on(async {
        let (dry_run, namespace) = args.target.dry_run().await?;
        let accounts = match &args.account {
            Some(account) => vec![account.key(&namespace)],
            None => dry_run.accounts(),
        };
        // Two CarrierAccounts may name one account at the carrier: its numbers are listed once.
        let (mut known, mut found, mut closed) = (BTreeSet::new(), Vec::new(), Vec::new());
        for account in accounts {
            if let Err(error) = dry_run.open(&account).await {
                closed.push(error.to_string());
                continue;
            }
            let unmanaged = dry_run.unmanaged(&account)?;
            let new = unmanaged.into_iter().filter(|unmanaged| known.insert(unmanaged.number.number.clone()));
            found.extend(new.map(|unmanaged| (account.clone(), unmanaged)));
        }
        if args.manifests || args.output == Output::Yaml {
            print!("{}", manifests(&found)?);
        } else if !found.is_empty() {
            print!("{}", shown(&found));
        }
        if !closed.is_empty() {
            bail!("{}", closed.join("; "));
        }
        if found.is_empty() {
            // Not on standard output, which may be piped into kubectl.
            eprintln!("Every number is managed: there is none to adopt.");
        }
        Ok(())
    })
}

fn shown(found: &[(Key, Unmanaged)]) -> String {
    let rows: Vec<[String; 5]> = found
        .iter()
        .map(|(account, unmanaged)| {
            let price = unmanaged.price.as_ref();
            [
                unmanaged.number.number.to_string(),
                account.to_string(),
                or_dash(price.map(|price| money(price, price.monthly))),
                or_dash(unmanaged.identity.as_ref()),
                or_dash(note(unmanaged)),
            ]
        })
        .collect();
    table(["NUMBER", "ACCOUNT", "MONTHLY", "IDENTITY", "NOTE"], &rows)
}

/// Why importing it would be wrong, or would need a thought.
fn note(unmanaged: &Unmanaged) -> Option<String> {
    match (&unmanaged.watcher, unmanaged.foreign) {
        (Some(watcher), _) => Some(format!("PhoneNumber {watcher} is about it and does not manage it")),
        (None, true) => Some("bought by another installation of Dialplane".to_owned()),
        (None, false) => None,
    }
}

/// A PhoneNumber for each number that may be imported, in the namespace of its account; the others are named in comments.
fn manifests(found: &[(Key, Unmanaged)]) -> anyhow::Result<String> {
    let documents = found.iter().map(|(account, unmanaged)| {
        let number = &unmanaged.number.number;
        if let Some(note) = note(unmanaged) {
            return Ok(format!("# Left out: {number}: {note}.\n"));
        }
        let manifest = json!({
            "apiVersion": "dialplane.dev/v1alpha1",
            "kind": "PhoneNumber",
            "metadata": {"namespace": account.namespace, "name": format!("number-{}", number.digits())},
            "spec": {"accountRef": {"name": account.name}, "import": {"number": number}},
        });
        Ok(format!("---\n{}", serde_yaml_ng::to_string(&manifest)?))
    });
    documents.collect()
}
