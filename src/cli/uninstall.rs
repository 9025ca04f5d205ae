//! `dialplane uninstall`: what stays when the operator is uninstalled, and what has to end first. It does I/O: it reads the cluster, and
//! prints.

use std::process::ExitCode;

use anyhow::bail;

use super::target::{block_on, or_dash, table};
use crate::{
    api::phone_number::OnDelete,
    controller::foresee_uninstall,
    plan::uninstall::{Left, Uninstall},
};

/// What `dialplane uninstall` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{WHAT} {EXIT_CODES} {NEEDS}"))]
pub struct Args {
    /// Only show it. The command does nothing else: `helm uninstall` removes the operator
    #[arg(long, required = true)]
    pub plan: bool,
}

const WHAT: &str = "It shows the numbers and where they stay routed, the objects that nothing deletes without the operator, the Secrets \
                    to keep, and what has to end first: purchases of unknown outcome, deletions, changes of routes.";
const EXIT_CODES: &str =
    "Exit code: 0 if the operator can be uninstalled now, 2 if something has to end first, 1 if that is unknown.";
const NEEDS: &str =
    "It only reads the cluster. Its user needs the verb list for every kind of dialplane.dev and for namespaces.";

/// Exit code where something has to end first.
const WAIT: u8 = 2;

/// Looks and prints.
pub fn run(_: Args) -> anyhow::Result<ExitCode> {
    block_on(async {
        let (client, _) = super::client::client().await?;
        let (uninstall, left_out) = foresee_uninstall(&client).await?;
        left_out.iter().for_each(|left_out| eprintln!("warning: {left_out}"));
        print!("{}", shown(&uninstall));
        match (&uninstall.first[..], left_out.len()) {
            ([], 0) => Ok(ExitCode::SUCCESS),
            ([], 1) => bail!("whether it is safe to uninstall now is unknown: an object cannot be decoded"),
            ([], several) => {
                bail!("whether it is safe to uninstall now is unknown: {several} objects cannot be decoded")
            }
            _ => Ok(ExitCode::from(WAIT)),
        }
    })
}

fn shown(uninstall: &Uninstall) -> String {
    let Uninstall { numbers, held, secrets, lent, first } = uninstall;
    let in_service = numbers.iter().filter(|left| left.route.is_some()).count();
    let mut text = format!(
        "Numbers: {}, of which {in_service} in service. Nothing is released; the numbers keep their routes and their cost.\n",
        numbers.len()
    );
    if !numbers.is_empty() {
        let rows: Vec<[String; 5]> = numbers.iter().map(row).collect();
        text += &table(["NUMBER", "PHONENUMBER", "ACCOUNT", "ANSWERED BY", "ON DELETE"], &rows);
    }
    if !held.is_empty() {
        let held: Vec<String> = held.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        text += &format!(
            "Objects with finalizers: {}. They stay. Without the operator, deleting them, their namespaces or the CRDs does not complete.\n",
            held.join(", ")
        );
    }
    for (secret, account) in secrets {
        text += &format!(
            "Keep the Secret {secret}: CarrierAccount {account} needs it when the operator is installed again.\n"
        );
    }
    for (platform, account, numbers) in lent {
        text += &format!(
            "CarrierAccount {platform} keeps the credentials of CarrierAccount {account}, for {numbers} of its numbers.\n"
        );
    }
    if first.is_empty() {
        return text + "Nothing has to end first. Nothing was written.\n";
    }
    text += "Do not uninstall yet:\n";
    first.iter().for_each(|line| text += &format!("  {line}\n"));
    text + "Nothing was written.\n"
}

fn row(left: &Left) -> [String; 5] {
    let answered = left.route.as_ref().map(|route| {
        let at = route.platform.as_ref().map(|platform| format!(", hosted by {platform}"));
        format!("{} {}{}", route.agent, route.version, at.unwrap_or_default())
    });
    let on_delete = match left.on_delete {
        OnDelete::Clear => "Clear",
        OnDelete::Restore => "Restore",
        OnDelete::Leave => "Leave",
    };
    let on_delete = left.holder.as_ref().map(|_| on_delete);
    let cells = [left.holder.as_ref().map(ToString::to_string), Some(left.account.to_string()), answered];
    let [holder, account, answered] = cells.map(or_dash);
    [left.number.to_string(), holder, account, answered, or_dash(on_delete)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{meta::Key, phone_number::RouteStatus};

    fn left(number: &str, route: Option<RouteStatus>) -> Left {
        let (holder, account) = (route.as_ref().map(|_| Key::new("a", "main")), Key::new("a", "carrier"));
        Left { number: number.parse().unwrap(), holder, account, route, on_delete: OnDelete::Restore }
    }

    #[test]
    fn it_says_what_stays_and_what_has_to_end_first() {
        let route = RouteStatus {
            agent: "a/dental".into(),
            version: "v1".into(),
            platform: Some("a/hosts".into()),
            ..Default::default()
        };
        let mut uninstall = Uninstall {
            numbers: vec![left("+14155551234", Some(route)), left("+14155551235", None)],
            held: vec![("phonenumbers".into(), 1), ("numberclaims".into(), 2)],
            secrets: vec![(Key::new("a", "token"), Key::new("a", "carrier"))],
            lent: vec![(Key::new("a", "hosts"), Key::new("a", "carrier"), 1)],
            first: Vec::new(),
        };
        let text = shown(&uninstall);
        for line in [
            "Numbers: 2, of which 1 in service.",
            "+14155551234   a/main        a/carrier   a/dental v1, hosted by a/hosts   Restore\n",
            "+14155551235   -             a/carrier   -                                -\n",
            "Objects with finalizers: phonenumbers 1, numberclaims 2.",
            "Keep the Secret a/token: CarrierAccount a/carrier",
            "CarrierAccount a/hosts keeps the credentials of CarrierAccount a/carrier, for 1 of its numbers.",
            "Nothing has to end first.",
        ] {
            assert!(text.contains(line), "lacks {line:?}:\n{text}");
        }
        uninstall.first.push("PhoneNumber a/main is being deleted".into());
        assert!(shown(&uninstall).contains("Do not uninstall yet:\n  PhoneNumber a/main is being deleted\n"));
    }
}
