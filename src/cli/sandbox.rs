//! `dialplane sandbox`: simulated carriers on this machine. It does I/O: one listening port, standard output, and the cluster where it is
//! given objects.

mod objects;

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf};

use anyhow::Context as _;

use self::objects::Objects;
use crate::sandbox::carrier::{AccountSeed, AgentSeed, Credentials, Dialect, NumberSeed, Sandbox, SandboxConfig};

/// What `dialplane sandbox` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address that serves the carriers' APIs; they have no other protection
    #[arg(long, env = "DIALPLANE_SANDBOX_LISTEN", default_value = "127.0.0.1:4010")]
    pub listen: SocketAddr,

    /// A number that the Twilio account owns at the start, in E.164 form; can be repeated
    #[arg(long = "number", value_name = "NUMBER", default_values = ["+14155550101", "+442079460102"])]
    pub numbers: Vec<String>,

    /// The Twilio account's SID: AC and 32 hexadecimal digits. By default made from the seed
    #[arg(long)]
    pub account_sid: Option<String>,

    /// The Twilio account's Auth Token. By default made from the seed
    #[arg(long, env = "DIALPLANE_SANDBOX_AUTH_TOKEN", hide_env_values = true)]
    pub auth_token: Option<String>,

    /// The Telnyx account's API key. By default made from the seed
    #[arg(long, env = "DIALPLANE_SANDBOX_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,

    /// The Flowyte account's API key, which begins with flowyte_sk_. By default made from the seed
    #[arg(long, env = "DIALPLANE_SANDBOX_FLOWYTE_KEY", hide_env_values = true, value_parser = flowyte_key)]
    pub flowyte_key: Option<String>,
    /// The Nixflex key: ID and secret. By default made from the seed
    #[arg(long, value_name = "KEY_ID:KEY_SECRET", env = "DIALPLANE_SANDBOX_NIXFLEX_KEY", hide_env_values = true)]
    #[arg(value_parser = key)]
    pub nixflex_key: Option<Key>,

    /// Seed of all generated values: SIDs, tokens, numbers for sale
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Send webhooks for a public host to this URL, such as engine.example.com=http://127.0.0.1:3000; can be repeated
    #[arg(long = "webhook-host", value_name = "HOST=URL", value_parser = host)]
    pub webhook_hosts: Vec<(String, String)>,

    /// Create the objects of this YAML file in the cluster, as the account and the numbers of the chart's sandbox; those that are there
    /// stay as they are
    #[arg(long, value_name = "FILE")]
    pub create: Option<PathBuf>,
}

/// A key of a platform: its id and its secret.
#[derive(Clone)]
pub struct Key(String, String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.0).finish_non_exhaustive()
    }
}

/// Serves until Ctrl-C or SIGTERM.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args {
        listen,
        numbers,
        account_sid,
        auth_token,
        api_key,
        flowyte_key,
        nixflex_key,
        seed,
        webhook_hosts,
        create,
    } = args;
    let owned = |number: &String| NumberSeed { number: number.clone(), ..NumberSeed::default() };
    let account = |carrier, sid, auth_token| AccountSeed { carrier, sid, auth_token, ..AccountSeed::default() };
    let (key_id, key_secret) = nixflex_key.map(|Key(id, secret)| (id, secret)).unzip();
    let config = SandboxConfig {
        listen,
        accounts: vec![
            account(Dialect::Twilio, account_sid, auth_token),
            account(Dialect::Telnyx, None, api_key),
            account(Dialect::Flowyte, None, flowyte_key),
            account(Dialect::Nixflex, key_id, key_secret),
        ],
        agents: vec![AgentSeed { name: "Front desk".to_owned(), published: true, ..AgentSeed::default() }],
        numbers: numbers.iter().map(owned).collect(),
        seed,
        hosts: BTreeMap::from_iter(webhook_hosts),
        ..SandboxConfig::default()
    };
    let sandbox = Sandbox::start(config)
        .with_context(|| format!("cannot serve on {listen}: check the flags, or choose another --listen"))?;
    let opened = |carrier| sandbox.credentials_at(carrier).context("an account that was opened is not there");
    let (telnyx, flowyte) = (opened(Dialect::Telnyx)?, opened(Dialect::Flowyte)?);
    let (twilio, nixflex) = (sandbox.credentials(), opened(Dialect::Nixflex)?);
    println!("{}", greeting(sandbox.url(), &twilio, &telnyx.auth_token, &nixflex, numbers.first()));
    println!("{}", flowyte_greeting(sandbox.url(), &flowyte.auth_token, &sandbox.agents().concat()));
    println!("Ctrl-C stops it and deletes all of its data.");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ended = super::asked_to_end()?;
        if let Some(path) = create {
            // Ends with the runtime.
            tokio::spawn(Objects::read(&path).await?.create());
        }
        ended.await;
        Ok(())
    })
}

/// What somebody needs who has just started it, and what to try.
fn greeting(
    url: &str,
    credentials: &Credentials,
    api_key: &str,
    nixflex: &Credentials,
    number: Option<&String>,
) -> String {
    let Credentials { account_sid, auth_token } = credentials;
    let nixflex = format!("{}:{}", nixflex.account_sid, nixflex.auth_token);
    let number = number.map_or("+14155550101", |number| number);
    format!(
        "\
A simulated Twilio and Telnyx are served at {url}
  Twilio: account SID  {account_sid}
          auth token   {auth_token}
  Telnyx: API key      {api_key}
Nixflex, which has such numbers answered by its agents, is at {url}/nixflex
  Nixflex: API key     {nixflex}

List their numbers, as their own clients do:
  curl -u {account_sid}:{auth_token} {url}/2010-04-01/Accounts/{account_sid}/IncomingPhoneNumbers.json
  curl -H 'Authorization: Bearer {api_key}' {url}/v2/phone_numbers
Let a cluster that reaches this address use them, with the operator started with --allow-endpoint {url}:
  kubectl create secret generic sandbox --from-literal=authToken={auth_token} --from-literal=apiKey={api_key}
  kubectl apply -f - <<'YAML'
  apiVersion: dialplane.dev/v1alpha1
  kind: CarrierAccount
  metadata: {{name: twilio}}
  spec:
    twilio: {{accountSid: {account_sid}}}
    credentialsRef: {{name: sandbox}}
    endpoint: {url}
  ---
  apiVersion: dialplane.dev/v1alpha1
  kind: CarrierAccount
  metadata: {{name: telnyx}}
  spec:
    telnyx: {{}}
    credentialsRef: {{name: sandbox}}
    endpoint: {url}
  YAML
Place a call, and read what the carrier was asked so far:
  curl -H 'Content-Type: application/json' -d '{{\"from\": \"+14155550199\", \"to\": \"{number}\"}}' {url}/admin/call
  curl {url}/admin/ledger/summary
What else can be done to it from outside is in docs/sandbox.md."
    )
}

/// The same of Flowyte, which has a path of its own and agents that answer.
fn flowyte_greeting(url: &str, api_key: &str, agent: &str) -> String {
    format!(
        "\
A simulated Flowyte is served at {url}/flowyte
  API key          {api_key}
  published agent  {agent}
  curl -H 'Authorization: Bearer {api_key}' {url}/flowyte/api/v1/numbers"
    )
}

/// A key of the form that Flowyte's have.
fn flowyte_key(text: &str) -> Result<String, String> {
    match text.strip_prefix("flowyte_sk_") {
        Some(rest) if !rest.is_empty() => Ok(text.to_owned()),
        _ => Err("a key begins with flowyte_sk_".to_owned()),
    }
}

/// `id:secret`, both not empty.
fn key(text: &str) -> Result<Key, String> {
    match text.split_once(':') {
        Some((id, secret)) if !id.is_empty() && !secret.is_empty() => Ok(Key(id.to_owned(), secret.to_owned())),
        _ => Err("write both parts of the key, as KEY_ID:KEY_SECRET".to_owned()),
    }
}

/// `host=url`, both not empty.
fn host(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((host, url)) if !host.is_empty() && url.starts_with("http://") => Ok((host.to_owned(), url.to_owned())),
        _ => Err("write for example engine.example.com=http://127.0.0.1:3000".to_owned()),
    }
}
