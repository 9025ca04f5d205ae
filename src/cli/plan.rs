//! `dialplane plan`: what applying PhoneNumbers would do and cost, by the operator's own decisions. It does I/O: it reads
//! manifests, the cluster and the carriers, and prints. What is decided is said in words by `words`.

mod words;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize as _;
use serde_json::Value;

use super::target::{Target, block_on};
use crate::{
    api::{PhoneNumber, meta::Key},
    controller::{End, Foreseen, Glance},
    plan::Effect,
};

/// What `dialplane plan` takes.
///
/// It ends with 0 if no money would be spent, with 2 if some would, and with 1 if that could not be found out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code: 0 if no money would be spent, 2 if some would, 1 if that could not be found out.")]
pub struct Args {
    /// A file of manifests, or - for standard input; what is no PhoneNumber in it is skipped
    #[arg(long, short, value_name = "FILE")]
    pub filename: PathBuf,

    /// Namespace of the manifests that name none; that of the kubeconfig's context when not given
    #[arg(long, short)]
    pub namespace: Option<String>,

    #[command(flatten)]
    pub target: Target,
}

/// Exit code where money would be spent.
const MONEY: u8 = 2;

/// Foresees each PhoneNumber of the file, in its order, as if those before it had been applied already.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let text = read(&args.filename)?;
    let objects = objects(&text).with_context(|| format!("cannot read {}", args.filename.display()))?;
    block_on(async {
        let (glance, default) = args.target.glance().await?;
        let mut keys = Vec::new();
        for object in objects {
            match manifest(object, args.namespace.as_deref(), &default)? {
                Ok(number) => keys.push(glance.apply(number)),
                Err(other) => println!("{other}: skipped, it is no PhoneNumber"),
            }
        }
        ensure!(!keys.is_empty(), "there is no PhoneNumber in {}", args.filename.display());
        let closed = open(&glance, &keys).await?;
        let (mut bought, mut unseen) = (0, 0);
        for key in &keys {
            let foreseen = glance.foresee(key).await?;
            let why = closed.get(&glance.account_of(&foreseen.number));
            println!("{key}: {}", words::of(&foreseen, why.map(String::as_str)));
            bought += u32::from(spends(&foreseen));
            unseen += u32::from(words::is_unseen(&foreseen));
        }
        match bought {
            0 => println!("No money would be spent. Nothing was written."),
            1 => println!("One number would be bought. Nothing was written."),
            several => println!("{several} numbers would be bought. Nothing was written."),
        }
        if unseen > 0 {
            bail!("what would become of {unseen} of {} could not be found out: the lines above say why", keys.len());
        }
        Ok(if bought > 0 { ExitCode::from(MONEY) } else { ExitCode::SUCCESS })
    })
}

/// Opens every account that is there and is needed; answers what keeps the others from being used.
async fn open(glance: &Glance, keys: &[Key]) -> anyhow::Result<BTreeMap<Key, String>> {
    let there = glance.accounts();
    let mut closed = BTreeMap::new();
    for account in glance.accounts_of(keys) {
        if there.contains(&account)
            && let Err(error) = glance.open(&account).await
        {
            closed.insert(account, error.to_string());
        }
    }
    Ok(closed)
}

fn spends(foreseen: &Foreseen) -> bool {
    matches!(foreseen.end, End::Effect(Effect::Purchase(_)))
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    if path.as_os_str() != "-" {
        return fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}

/// The objects of every document; those of a list as if each were a document.
fn objects(text: &str) -> anyhow::Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(text) {
        let mut object = Value::deserialize(document)?;
        match object["items"].take() {
            Value::Array(items) if object["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) => {
                objects.extend(items);
            }
            _ if object.is_null() => {}
            items => {
                // A field that was taken out to be looked at.
                if !items.is_null() {
                    object["items"] = items;
                }
                objects.push(object);
            }
        }
    }
    Ok(objects)
}

/// The PhoneNumber, or what else it is.
fn manifest(object: Value, wanted: Option<&str>, default: &str) -> anyhow::Result<Result<PhoneNumber, String>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    if kind != "PhoneNumber" || !text(&object["apiVersion"]).starts_with("dialplane.dev/") {
        return Ok(Err(format!("{kind} {name}").trim().to_owned()));
    }
    ensure!(!name.is_empty(), "a PhoneNumber has no metadata.name: give it one");
    let mut number: PhoneNumber =
        serde_json::from_value(object).with_context(|| format!("PhoneNumber {name} is not valid"))?;
    ensure!(
        number.spec.import.is_some() != number.spec.purchase.is_some(),
        "PhoneNumber {name} is not valid: say exactly one of import (a number that the account owns) and purchase (a number to buy)"
    );
    if let Some(purchase) = &number.spec.purchase {
        ensure!(
            purchase.number.is_some() != purchase.search.is_some(),
            "PhoneNumber {name} is not valid: say exactly one of purchase.number (this very number) and purchase.search (one that fits)"
        );
    }
    let namespace = number.metadata.namespace.get_or_insert_with(|| wanted.unwrap_or(default).to_owned());
    if let Some(wanted) = wanted.filter(|wanted| wanted != namespace) {
        bail!(
            "PhoneNumber {name} names the namespace {namespace} and --namespace is {wanted}: leave one of the two out"
        );
    }
    // What only the cluster says of an object is not taken from a file.
    (number.status, number.metadata.uid, number.metadata.deletion_timestamp) = (None, None, None);
    Ok(Ok(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
---
apiVersion: v1
kind: Secret
metadata: {name: s}
---
# nothing
---
apiVersion: v1
kind: List
items:
- apiVersion: dialplane.dev/v1alpha1
  kind: PhoneNumber
  metadata: {name: a}
  spec: {accountRef: {name: twilio}, import: {number: \"+14155551234\"}}
";

    #[test]
    fn documents_and_lists_are_read_and_what_is_no_phone_number_is_named() {
        let read = |wanted| -> Vec<Result<String, String>> {
            let objects = objects(FILE).unwrap().into_iter();
            objects.map(|o| manifest(o, wanted, "clinics").unwrap().map(|n| Key::of(&n).to_string())).collect()
        };
        assert_eq!(read(None), [Err("Secret s".to_owned()), Ok("clinics/a".to_owned())]);
        assert_eq!(read(Some("b"))[1], Ok("b/a".to_owned()));
    }

    #[test]
    fn a_manifest_that_the_cluster_would_refuse_is_named() {
        let mut objects = objects(FILE).unwrap();
        let mut number = objects.remove(1);
        number["spec"]["import"]["number"] = "555".into();
        let said = format!("{:#}", manifest(number.clone(), None, "clinics").unwrap_err());
        assert!(said.contains("PhoneNumber a is not valid") && said.contains("E.164"), "{said}");
        number["spec"]["import"].take();
        assert!(manifest(number.clone(), None, "clinics").unwrap_err().to_string().contains("exactly one of"));
    }
}
