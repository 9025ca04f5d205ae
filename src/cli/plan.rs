//! `dialplane plan`: what applying PhoneNumbers would do and cost, by the operator's own decisions. It does I/O: it reads the
//! cluster and the carriers, and prints. `manifest` reads the files, `words` says what was decided, `moves` which numbers would reach
//! something else, and `total` what it comes to.

pub(super) mod manifest;
mod moves;
mod total;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use anyhow::{bail, ensure};

use self::{
    manifest::{Files, Manifest},
    moves::Course,
    total::Total,
};
use super::target::{ONLY_LOOKS, Target, block_on};
use crate::{api::meta::Key, controller::DryRun};

/// What `dialplane plan` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{WHAT} {EXIT_CODES} {ONLY_LOOKS}"))]
pub struct Args {
    #[command(flatten)]
    pub files: Files,

    /// Namespace of manifests that have none. By default that of the kubeconfig's context
    #[arg(long, short)]
    pub namespace: Option<String>,

    #[command(flatten)]
    pub target: Target,
}

const WHAT: &str = "Objects of other kinds are skipped, except Secrets. For an Agent it also lists the numbers that would move, including \
                    numbers that are in no file.";
const EXIT_CODES: &str = "Exit code: 0 if no money would be spent, 2 if some would, 1 if that is unknown.";

/// Exit code where money would be spent.
const MONEY: u8 = 2;

/// Foresees each PhoneNumber of the files, in their order, as if those before it had been applied already, and the agents and accounts
/// of all the files; and the numbers of the cluster that would be moved by it.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let objects = args.files.objects()?;
    block_on(async {
        let (dry_run, default) = args.target.dry_run_as_installed().await?;
        let (mut keys, mut agents, mut ours) = (Vec::new(), Vec::new(), false);
        for object in objects {
            let manifest = manifest::read(object, args.namespace.as_deref(), &default)?;
            ours |= !matches!(manifest, Manifest::Secret(..) | Manifest::Other(_));
            match manifest {
                Manifest::Account(account) => drop(dry_run.apply(account)?),
                Manifest::Version(version) => drop(dry_run.apply(version)?),
                Manifest::Agent(agent) => {
                    let served = dry_run.serves(&Key::of(&agent));
                    agents.push((dry_run.apply(agent)?, served));
                }
                Manifest::Number(number) => keys.push(dry_run.apply(*number)?),
                Manifest::Secret(key, data) => dry_run.apply_secret(key, data),
                Manifest::Other(other) => println!("{other}: skipped, not a kind of Dialplane"),
            }
        }
        ensure!(ours, "no object of Dialplane in {}", args.files);
        let platforms = agents.iter().flat_map(|(agent, _)| dry_run.platforms_of(agent));
        let mut closed = open(&dry_run, dry_run.accounts_of(&keys).into_iter().chain(platforms)).await?;
        let mut statuses = Vec::new();
        // Numbers that are in no file, and reach something else than before.
        let mut others = BTreeSet::new();
        for (agent, served) in &agents {
            statuses.push(dry_run.publish(agent).await?);
            if dry_run.serves(agent) != *served {
                others.extend(dry_run.answered_by(agent).into_iter().filter(|key| !keys.contains(key)));
            }
        }
        let others: Vec<Key> = others.into_iter().collect();
        closed.extend(open(&dry_run, dry_run.accounts_of(&others).into_iter()).await?);

        let (mut total, mut courses, mut lines) = (Total::default(), Vec::new(), Vec::new());
        for key in keys.iter().chain(&others) {
            let foreseen = dry_run.foresee(key).await?;
            let course = Course::of(&dry_run, key, &foreseen);
            total.add(&foreseen, &course);
            // Of what is in no file only that is told which would not simply follow its Agent.
            if keys.contains(key) || !course.is_new() && !words::is_done(&foreseen) {
                let why = closed.get(&foreseen.number.account()).map(String::as_str);
                lines.push(format!("{key}: {}", words::of(&foreseen, why)));
            }
            courses.push(course);
        }
        for ((agent, _), status) in agents.iter().zip(&statuses) {
            println!("Agent {agent}: {}", words::of_agent(status));
            moves::told(agent, &courses).iter().for_each(|line| println!("  {line}"));
        }
        lines.iter().for_each(|line| println!("{line}"));
        println!("{total} Nothing was written.");
        if total.unseen > 0 {
            let of = keys.len() + others.len();
            bail!("the result for {} of {of} numbers is unknown: the lines above say why", total.unseen);
        }
        Ok(if total.buy > 0 { ExitCode::from(MONEY) } else { ExitCode::SUCCESS })
    })
}

/// Opens every account that is there and is needed; answers what keeps the others from being used.
async fn open(dry_run: &DryRun, needed: impl Iterator<Item = Key>) -> anyhow::Result<BTreeMap<Key, String>> {
    let there = dry_run.accounts();
    let mut closed = BTreeMap::new();
    for account in needed.collect::<BTreeSet<_>>() {
        if there.contains(&account)
            && let Err(error) = dry_run.open(&account).await
        {
            closed.insert(account, error.to_string());
        }
    }
    Ok(closed)
}
