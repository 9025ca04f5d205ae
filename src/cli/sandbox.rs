//! `dialplane sandbox`: a simulated carrier on this machine. It does I/O: one listening port, standard output.

use std::{collections::BTreeMap, net::SocketAddr};

use anyhow::Context as _;

use crate::sandbox::carrier::{AccountSeed, Credentials, NumberSeed, Sandbox, SandboxConfig};

/// What `dialplane sandbox` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the carrier's API is served; it has no other protection than its address
    #[arg(long, env = "DIALPLANE_SANDBOX_LISTEN", default_value = "127.0.0.1:4010")]
    pub listen: SocketAddr,

    /// A number that the account owns from the beginning, in E.164 form; can be repeated
    #[arg(long = "number", value_name = "NUMBER", default_values = ["+14155550101", "+442079460102"])]
    pub numbers: Vec<String>,

    /// The account's SID: AC and 32 hexadecimal digits; made from the seed when not given
    #[arg(long)]
    pub account_sid: Option<String>,

    /// The account's Auth Token; made from the seed when not given
    #[arg(long, env = "DIALPLANE_SANDBOX_AUTH_TOKEN", hide_env_values = true)]
    pub auth_token: Option<String>,

    /// Decides everything that is made up: SIDs, tokens, numbers for sale
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Where webhooks for a public host really go, such as engine.example.com=http://127.0.0.1:3000; can be repeated
    #[arg(long = "webhook-host", value_name = "HOST=URL", value_parser = host)]
    pub webhook_hosts: Vec<(String, String)>,
}

/// Serves until Ctrl-C or SIGTERM.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { listen, numbers, account_sid, auth_token, seed, webhook_hosts } = args;
    let owned = |number: &String| NumberSeed { number: number.clone(), ..NumberSeed::default() };
    let config = SandboxConfig {
        listen,
        accounts: vec![AccountSeed { sid: account_sid, auth_token, ..AccountSeed::default() }],
        numbers: numbers.iter().map(owned).collect(),
        seed,
        hosts: BTreeMap::from_iter(webhook_hosts),
        ..SandboxConfig::default()
    };
    let sandbox = Sandbox::start(config)
        .with_context(|| format!("cannot serve on {listen}: check the flags, or choose another --listen"))?;
    println!("{}", greeting(sandbox.url(), &sandbox.credentials(), numbers.first()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        super::asked_to_end()?.await;
        Ok(())
    })
}

/// What somebody needs who has just started it, and what to try.
fn greeting(url: &str, credentials: &Credentials, number: Option<&String>) -> String {
    let Credentials { account_sid, auth_token } = credentials;
    let number = number.map_or("+14155550101", |number| number);
    format!(
        "\
A simulated Twilio is served at {url}
  account SID  {account_sid}
  auth token   {auth_token}

List its numbers, as Twilio's own clients do:
  curl -u {account_sid}:{auth_token} {url}/2010-04-01/Accounts/{account_sid}/IncomingPhoneNumbers.json
Let a cluster that reaches this address use it:
  kubectl create secret generic sandbox --from-literal=authToken={auth_token}
  kubectl apply -f - <<'YAML'
  apiVersion: dialplane.dev/v1alpha1
  kind: CarrierAccount
  metadata: {{name: sandbox}}
  spec:
    twilio: {{accountSid: {account_sid}}}
    credentialsRef: {{name: sandbox}}
    endpoint: {url}
  YAML
Place a call, and read what the carrier was asked so far:
  curl -H 'Content-Type: application/json' -d '{{\"from\": \"+14155550199\", \"to\": \"{number}\"}}' {url}/admin/call
  curl {url}/admin/ledger/summary
Ctrl-C ends it, and with it everything that it knows."
    )
}

/// `host=url`, both not empty.
fn host(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((host, url)) if !host.is_empty() && url.starts_with("http://") => Ok((host.to_owned(), url.to_owned())),
        _ => Err("write for example engine.example.com=http://127.0.0.1:3000".to_owned()),
    }
}
