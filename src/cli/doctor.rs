//! `dialplane doctor`: what is right and what is wrong with accounts, before anything depends on them. It does I/O: it reads the
//! cluster and the carriers, and prints.

use anyhow::bail;
use clap::ArgAction;

use super::target::{AccountName, ONLY_LOOKS, Target, block_on};
use crate::{
    api::meta::Key,
    controller::{Check, Verdict},
};

/// What `dialplane doctor` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{EXIT_CODES} {ONLY_LOOKS}"))]
pub struct Args {
    /// A CarrierAccount to check; can be repeated. By default every one of the cluster
    #[arg(long = "account", value_name = "[NAMESPACE/]NAME", action = ArgAction::Append)]
    pub accounts: Vec<AccountName>,

    #[command(flatten)]
    pub target: Target,
}

const EXIT_CODES: &str = "Exit code: 0 if nothing is wrong, 1 if something is.";

/// Looks and prints. The error says how much is wrong, after all of it is shown.
pub fn run(args: Args) -> anyhow::Result<()> {
    block_on(async {
        let (dry_run, namespace) = args.target.dry_run().await?;
        let accounts = match &args.accounts[..] {
            [] => dry_run.accounts(),
            named => named.iter().map(|account| account.key(&namespace)).collect(),
        };
        if accounts.is_empty() {
            eprintln!("There is no CarrierAccount in the cluster.");
        }
        let mut wrong = 0;
        for account in accounts {
            let checks = dry_run.examine(&account).await?;
            print!("{}", shown(&account, &checks));
            wrong += checks.iter().filter(|check| check.verdict == Verdict::Wrong).count();
        }
        match wrong {
            0 => Ok(()),
            1 => bail!("one thing is wrong: its line above says what"),
            several => bail!("{several} things are wrong: their lines above say what"),
        }
    })
}

fn shown(account: &Key, checks: &[Check]) -> String {
    let lines = checks.iter().map(|check| {
        let verdict = match check.verdict {
            Verdict::Good => "ok",
            Verdict::Note => "note",
            Verdict::Wrong => "WRONG",
        };
        format!("  {verdict:<6} {}\n", check.text)
    });
    std::iter::once(format!("{account}\n")).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_can_be_told_from_the_rest_at_a_glance() {
        let check = |verdict, text: &str| Check { verdict, text: text.to_owned() };
        let checks = [check(Verdict::Good, "It opens."), check(Verdict::Wrong, "It may not search.")];
        let said = shown(&Key::new("telephony", "main"), &checks);
        assert_eq!(said, "telephony/main\n  ok     It opens.\n  WRONG  It may not search.\n");
    }
}
