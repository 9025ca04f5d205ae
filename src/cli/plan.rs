//! `dialplane plan`: what applying PhoneNumbers would do and cost, by the operator's own decisions. It does I/O: it reads the
//! cluster and the carriers, and prints. `manifest` reads the file, `words` says what was decided.

pub(super) mod manifest;
mod words;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use anyhow::{bail, ensure};

use self::manifest::Manifest;
use super::target::{ONLY_LOOKS, Target, block_on};
use crate::{
    api::meta::Key,
    controller::{DryRun, End, Foreseen},
    plan::Effect,
};

/// What `dialplane plan` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{EXIT_CODES} {ONLY_LOOKS}"))]
pub struct Args {
    /// A file of manifests, or - for standard input; what is neither Dialplane's nor a Secret is skipped
    #[arg(long, short, value_name = "FILE")]
    pub filename: PathBuf,

    /// Namespace of the manifests that name none; that of the kubeconfig's context when not given
    #[arg(long, short)]
    pub namespace: Option<String>,

    #[command(flatten)]
    pub target: Target,
}

const EXIT_CODES: &str = "Exit code: 0 if no money would be spent, 2 if some would, 1 if that could not be found out.";

/// Exit code where money would be spent.
const MONEY: u8 = 2;

/// Foresees each PhoneNumber of the file, in its order, as if those before it had been applied already, and the agents and accounts
/// of the whole file.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let objects = manifest::objects(&args.filename)?;
    block_on(async {
        let (dry_run, default) = args.target.dry_run().await?;
        let (mut keys, mut agents) = (Vec::new(), Vec::new());
        for object in objects {
            match manifest::read(object, args.namespace.as_deref(), &default)? {
                Manifest::Account(account) => drop(dry_run.apply(account)?),
                Manifest::Version(version) => drop(dry_run.apply(version)?),
                Manifest::Agent(agent) => agents.push(dry_run.apply(agent)?),
                Manifest::Number(number) => keys.push(dry_run.apply(*number)?),
                Manifest::Secret(key, data) => dry_run.apply_secret(key, data),
                Manifest::Other(other) => println!("{other}: skipped, it is none of Dialplane's"),
            }
        }
        ensure!(!keys.is_empty(), "there is no PhoneNumber in {}", args.filename.display());
        let closed = open(&dry_run, &keys, &agents).await?;
        for agent in &agents {
            println!("Agent {agent}: {}", words::of_agent(&dry_run.publish(agent).await?));
        }
        let (mut bought, mut unseen) = (0, 0);
        for key in &keys {
            let foreseen = dry_run.foresee(key).await?;
            let why = closed.get(&foreseen.number.account());
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
async fn open(dry_run: &DryRun, keys: &[Key], agents: &[Key]) -> anyhow::Result<BTreeMap<Key, String>> {
    let there = dry_run.accounts();
    let mut closed = BTreeMap::new();
    let mut needed = dry_run.accounts_of(keys);
    needed.extend(agents.iter().flat_map(|agent| dry_run.platforms_of(agent)));
    for account in needed {
        if there.contains(&account)
            && let Err(error) = dry_run.open(&account).await
        {
            closed.insert(account, error.to_string());
        }
    }
    Ok(closed)
}

fn spends(foreseen: &Foreseen) -> bool {
    matches!(foreseen.end, End::Effect(Effect::Purchase(_)))
}
