//! `dialplane demo`: the whole product on one machine, in a minute, without a carrier account. It does I/O.

mod engine;
pub mod examples;
mod identity;
mod show;
mod stage;
mod story;
mod wait;

use std::{path::PathBuf, pin::pin};

use anyhow::{Context as _, Result, anyhow};

use self::{show::Show, stage::Stage};

/// What `dialplane demo` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave everything running at the end, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Use the cluster of this kubeconfig, and clean up there afterwards, instead of starting one
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// Tells the story; the error says what did not come true.
pub fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    runtime.block_on(play(args))
}

async fn play(args: &Args) -> Result<()> {
    let show = Show::new();
    show.title("Dialplane: phone numbers as Kubernetes resources");
    let stage = Stage::set(args.kubeconfig.as_deref(), &show).await?;
    // From here on an interrupt ends the story, and then everything that it left behind is cleaned up.
    let mut interrupted = pin!(super::asked_to_end()?);
    let told = tokio::select! {
        told = story::tell(&stage, &show) => told,
        () = &mut interrupted => Err(anyhow!("interrupted")),
    };
    match &told {
        Ok(()) => show.end("Every step succeeded."),
        Err(_) => show.log(stage.log.path()),
    }
    if args.keep && !told.as_ref().is_err_and(|error| error.to_string() == "interrupted") {
        if let Err(error) = &told {
            show.line(&format!("\n{error:#}"));
        }
        what_next(&stage, &show);
        interrupted.await;
    }
    let struck = stage.strike().await;
    told.and(struck)
}

fn what_next(stage: &Stage, show: &Show) {
    let Stage { namespace, sandbox, kubeconfig, .. } = stage;
    let carrier = sandbox.url();
    show.line(&format!(
        r#"
Everything is left running until Ctrl-C. In another terminal:

  export KUBECONFIG={}
  kubectl get dialplane -n {namespace}
  kubectl explain pn.spec
  kubectl patch -n {namespace} ag ringback-dental --type merge -p '{{"spec":{{"version":"v3"}}}}'

The carrier is at {carrier}: place a call, change a number behind our back, read what was asked.

  curl {carrier}/admin/call --json '{{"from":"+12025550143","to":"+14155550101"}}'
  curl {carrier}/admin/numbers/+14155550101/edit --json '{{"voice_url":"https://console.example.net/voice"}}'
  curl {carrier}/admin/ledger/summary

The operator logs to {}."#,
        kubeconfig.display(),
        stage.log.path().display()
    ));
}
