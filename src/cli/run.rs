//! `dialplane run`: the operator as a process. It does I/O: the cluster, the carriers, one listening port, signals.
//!
//! Begun in this order: logs, port, caches, leadership, work. Ended in the other: work is begun no more and what is under way
//! gets its answer from the carrier, then the Lease is released, then the port is closed. Only that order lets a
//! successor know that nothing of ours is still on its way.

use std::{net::SocketAddr, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use axum::{Router, http::StatusCode};
use clap::ArgAction;
use kube::Client;
use tokio::{net::TcpListener, runtime::Handle, task::JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::target::Reach;
use crate::{
    cluster::{
        failure::said,
        lease::{Lease, Past},
        reviews::{Review, Reviews},
    },
    controller::{Controller, Settings},
    telemetry::{logs, metrics::Metrics, server, tls::Tls},
};

/// How often it is looked whether the caches are filled.
const POLL: Duration = Duration::from_millis(20);

/// How long the cluster is waited for before it is asked whether definitions are being deleted, and again.
const LET_GO: Duration = Duration::from_secs(5);

/// What `dialplane run` takes. Every flag can be given by the environment as well, as a Deployment does.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address that serves /livez and /readyz, and /metrics unless that has an address of its own
    #[arg(long, env = "DIALPLANE_HEALTH_ADDRESS", default_value = "0.0.0.0:8080")]
    pub health_address: SocketAddr,

    #[command(flatten)]
    pub metrics: MetricsArgs,

    /// Log format; RUST_LOG sets the filter
    #[arg(long, env = "DIALPLANE_LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: logs::Format,

    /// Work only while holding a Lease, so that replicas do not do the same work. `--leader-elect=false` is for a single process
    #[arg(long, env = "DIALPLANE_LEADER_ELECT", default_value = "true", action = ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub leader_elect: bool,

    /// Namespace of the Lease. By default that of the pod or of the kubeconfig's context
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: Option<String>,

    /// Name of the Lease
    #[arg(long, env = "DIALPLANE_LEASE_NAME", default_value = "dialplane")]
    pub lease_name: String,

    /// Duration of the Lease: how long no replica works after a leader has died; whole seconds
    #[arg(long, env = "DIALPLANE_LEASE_DURATION", default_value = "15s", value_parser = duration)]
    pub lease_duration: Duration,

    /// Time limit for the first complete lists, after which the process ends and reports what is missing
    #[arg(long, env = "DIALPLANE_SYNC_TIMEOUT", default_value = "2m", value_parser = duration)]
    pub sync_timeout: Duration,

    /// Name of this installation, kept when the cluster is rebuilt: it is in the markers of the numbers that it buys, and in metrics and
    /// logs. By default the cluster's own ID
    #[arg(long, env = "DIALPLANE_INSTALLATION", default_value = "")]
    pub installation: String,

    /// Namespaces whose objects the operator works on. By default all. Can be repeated, or several separated by commas
    #[arg(long, env = "DIALPLANE_WATCH_NAMESPACES", value_name = "NAMESPACE", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,

    /// How long to wait for a purchase of unknown outcome before the number counts as not bought. By default as known for each carrier; a
    /// shorter time may buy a second number
    #[arg(long, env = "DIALPLANE_SETTLING_TIME", value_parser = duration)]
    pub settling_time: Option<Duration>,

    #[command(flatten)]
    pub reach: Reach,

    /// Name of this process in the Lease; a random suffix is added
    #[arg(long, env = "POD_NAME", default_value = "dialplane")]
    pub identity: String,
}

/// How metrics are served apart from the probes.
#[derive(Debug, clap::Args)]
pub struct MetricsArgs {
    /// Address that serves /metrics by TLS. By default they are served beside the probes, unencrypted and to everybody
    #[arg(long, env = "DIALPLANE_METRICS_ADDRESS", requires_all = ["metrics_tls_cert_file", "metrics_tls_key_file"])]
    pub metrics_address: Option<SocketAddr>,

    /// File with the certificate for --metrics-address and what leads to its authority, in PEM. It is read again when it changes
    #[arg(long, env = "DIALPLANE_METRICS_TLS_CERT_FILE", value_name = "FILE", requires = "metrics_address")]
    pub metrics_tls_cert_file: Option<PathBuf>,

    /// File with the private key of that certificate, in PEM
    #[arg(long, env = "DIALPLANE_METRICS_TLS_KEY_FILE", value_name = "FILE", requires = "metrics_address")]
    pub metrics_tls_key_file: Option<PathBuf>,

    /// Serve metrics only for a bearer token whose user may `get` the nonResourceURL /metrics: the API server is asked by a TokenReview and
    /// a SubjectAccessReview
    #[arg(long, env = "DIALPLANE_METRICS_AUTH", requires = "metrics_address")]
    pub metrics_auth: bool,
}

/// Runs the operator until SIGTERM or SIGINT. The error says what to do; losing the leadership is one.
pub fn run(args: Args) -> anyhow::Result<()> {
    logs::init(args.log_format)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    // The Lease is renewed on a thread of its own, by a connection of its own: users can make objects that take long to decode, and
    // many of them at once.
    let renewals =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("lease").build();
    let renewals = renewals.context("cannot start the thread that renews the Lease")?;
    runtime.block_on(operate(args, renewals.handle().clone()))
}

async fn operate(args: Args, renewals: Handle) -> anyhow::Result<()> {
    let mut namespaces = args.watch_namespaces.clone();
    namespaces.retain(|namespace| !namespace.is_empty());
    let settings = args.reach.settings(args.installation.clone())?;
    let settings = Settings { settling: args.settling_time, namespaces, ..settings };
    // Asked to end; and, later, that nothing is left to be done.
    let (stop, done) = (stop_on_signals()?, CancellationToken::new());
    let (client, namespace) = super::client::client().await?;
    let metrics = Arc::new(Metrics::new());
    metrics.leading(false);
    let controller = Arc::new(Controller::new(client.clone(), metrics.clone(), settings)?);
    let servers = Servers::bind(&args, &client, &controller, &metrics).await?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"), installation = controller.installation().unwrap_or_default(),
        address = %args.health_address, "starting",
    );
    let serving = tokio::spawn(servers.serve(done.clone()));
    let following = {
        let (controller, done, stop) = (controller.clone(), done.clone(), stop.clone());
        tokio::spawn(async move {
            // However it ends: what nobody keeps up to date any more is not worked on.
            let _stop = stop.drop_guard();
            controller.follow(done).await;
        })
    };
    let outcome = async {
        // Only a replica that sees the cluster stands for election: another that does may be waiting.
        if !synced(&controller, args.sync_timeout, &stop).await? {
            return Ok(());
        }
        let installation = controller.installation();
        let installation = installation.context(
            "the namespace kube-system, whose UID identifies this cluster, does not exist: set --installation",
        )?;
        metrics.installed_as(installation);
        tracing::info!(installation, "all caches are filled");
        if args.leader_elect {
            let namespace = args.namespace.as_ref().unwrap_or(&namespace);
            // Tells two processes of one name apart: a container that is started again in its pod has the pod's name too.
            let identity = format!("{}_{:016x}", args.identity, getrandom::u64()?);
            let (client, _) =
                renewals.spawn(super::client::client()).await.context("the thread that renews the Lease died")??;
            let lease = Lease::new(client, namespace, &args.lease_name, &identity, args.lease_duration, renewals);
            lead(&lease, &controller, &metrics, &stop).await
        } else {
            // Nothing tells whether another process was here a moment ago: assume that one was.
            metrics.leading(true);
            controller.work(Past { cut_off: true, gap: true }, stop.clone()).await;
            Ok(())
        }
    }
    .await;
    done.cancel();
    following.await.context("a watch ended in a panic; this is a bug in Dialplane")?;
    serving.await.context("the health server ended in a panic; this is a bug in Dialplane")?;
    if outcome.is_ok() {
        tracing::info!("shut down");
    }
    outcome
}

/// Works while `lease` is held, once it is. The error is that it was lost.
async fn lead(
    lease: &Lease,
    controller: &Controller,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(leadership) = lease.lead(stop).await else { return Ok(()) };
    metrics.leading(true);
    let (lost, work) = (leadership.lost(), stop.child_token());
    {
        let mut working = pin!(controller.work(leadership.past(), work.clone()));
        tokio::select! {
            () = &mut working => {}
            () = lost.cancelled() => {
                work.cancel();
                working.await;
            }
        }
    }
    metrics.leading(false);
    // What this process believes of the cluster may be from before another one worked: it begins anew.
    if lost.is_cancelled() {
        bail!("lost the leadership and finished the requests in progress. Restart to take part in the election again");
    }
    leadership.release().await;
    Ok(())
}

/// Whether the caches were filled before it was asked to end.
async fn synced(controller: &Controller, within: Duration, stop: &CancellationToken) -> anyhow::Result<bool> {
    let filled = async {
        while !controller.is_synced() {
            tokio::time::sleep(POLL).await;
        }
    };
    let letting_go = async {
        loop {
            tokio::time::sleep(LET_GO).await;
            if let Err(error) = controller.let_go_of_ending().await {
                tracing::debug!(
                    error = said(&error),
                    "could not remove the finalizers of the objects whose CRD is being deleted"
                );
            }
        }
    };
    let filled = async {
        tokio::select! {
            () = filled => {}
            () = letting_go => {}
        }
    };
    match tokio::time::timeout(within, stop.run_until_cancelled(filled)).await {
        Ok(filled) => Ok(filled.is_some()),
        Err(_) => match &controller.trouble().await[..] {
            [] => bail!("no complete list of every kind within {within:?}: check the log for the slow one"),
            missing => bail!("cannot read the cluster: {}", missing.join("; ")),
        },
    }
}

/// What is served, each on a port of its own.
struct Servers {
    probes: (TcpListener, Router),
    metrics: Option<(TcpListener, Arc<Tls>, TlsAcceptor, Router)>,
}

impl Servers {
    /// Takes the ports, and reads the certificate of the metrics where they have a port of their own.
    async fn bind(
        args: &Args,
        client: &Client,
        controller: &Arc<Controller>,
        metrics: &Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let (seen, measured, metrics) = (controller.clone(), controller.clone(), metrics.clone());
        let probes = server::probes(move || match seen.is_synced() {
            true => Ok(()),
            false => Err("waiting for the first complete list of every kind".to_owned()),
        });
        let page = server::metrics(move || {
            measured.measure();
            metrics.render()
        });
        let listener = listen("--health-address", args.health_address).await?;
        let MetricsArgs { metrics_address, metrics_tls_cert_file, metrics_tls_key_file, metrics_auth } = &args.metrics;
        let (Some(address), Some(certificate), Some(key)) =
            (metrics_address, metrics_tls_cert_file, metrics_tls_key_file)
        else {
            return Ok(Self { probes: (listener, probes.merge(page)), metrics: None });
        };
        let tls = Tls::read(certificate.clone(), key.clone())
            .context("metrics cannot be served by TLS: check --metrics-tls-cert-file and --metrics-tls-key-file")?;
        let page = if *metrics_auth { guarded(page, client.clone()) } else { page };
        let acceptor = tls.acceptor().context("metrics cannot be served by TLS")?;
        let metrics = Some((listen("--metrics-address", *address).await?, tls, acceptor, page));
        Ok(Self { probes: (listener, probes), metrics })
    }

    /// Serves until `done` is cancelled.
    async fn serve(self, done: CancellationToken) {
        let Self { probes: (listener, probes), metrics } = self;
        let mut servers = JoinSet::new();
        servers.spawn(server::serve(listener, None, probes, done.clone()));
        if let Some((listener, tls, acceptor, page)) = metrics {
            servers.spawn(server::serve(listener, Some(acceptor), page, done.clone()));
            servers.spawn(async move {
                done.run_until_cancelled(tls.follow()).await;
            });
        }
        servers.join_all().await;
    }
}

async fn listen(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listening = TcpListener::bind(address).await;
    listening.with_context(|| format!("cannot listen on {address}: choose another {flag}"))
}

/// Metrics for those alone who may read them, by what the API server says.
fn guarded(page: Router, client: Client) -> Router {
    let reviews = Arc::new(Reviews::new(client, "/metrics"));
    server::guarded(page, move |token| {
        let reviews = reviews.clone();
        async move {
            match reviews.of(&token).await {
                Ok(Review::Allowed) => Ok(()),
                Ok(Review::Denied) => {
                    Err((StatusCode::FORBIDDEN, "grant this user the verb get on the nonResourceURL /metrics"))
                }
                Ok(Review::Unknown) => Err((StatusCode::UNAUTHORIZED, "the API server does not know this token")),
                Err(error) => {
                    tracing::warn!(%error, "the API server cannot be asked who may read metrics; they are not served");
                    Err((StatusCode::SERVICE_UNAVAILABLE, "the API server cannot be asked who may read metrics"))
                }
            }
        }
    })
}

/// A token that SIGTERM or SIGINT cancels. A second signal changes nothing: what is under way is to be ended.
fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let (stop, asked) = (CancellationToken::new(), super::asked_to_end()?);
    let token = stop.clone();
    tokio::spawn(async move {
        asked.await;
        tracing::info!("shutting down; finishing the requests in progress");
        token.cancel();
    });
    Ok(stop)
}

/// A duration as Go writes them. Whole seconds, since a Lease knows nothing shorter.
fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|_| "write for example 15s or 2m".to_owned())?;
    match Duration::try_from(span) {
        Ok(span) if span.subsec_nanos() == 0 && !span.is_zero() => Ok(span),
        _ => Err("it must be one or more whole seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    fn parse(flags: &[&str]) -> Result<Args, clap::Error> {
        Program::try_parse_from([&["dialplane"], flags].concat()).map(|program| program.args)
    }

    #[test]
    fn leaders_are_elected_unless_it_is_said_otherwise() {
        assert!(parse(&[]).unwrap().leader_elect);
        assert!(parse(&["--leader-elect"]).unwrap().leader_elect);
        assert!(!parse(&["--leader-elect=false"]).unwrap().leader_elect);
    }

    #[test]
    fn a_lease_lasts_whole_seconds() {
        assert_eq!(parse(&["--lease-duration", "1m30s"]).unwrap().lease_duration.as_secs(), 90);
        for wrong in ["0s", "1500ms", "-3s", "soon", "15"] {
            assert!(parse(&[&format!("--lease-duration={wrong}")]).is_err(), "{wrong}");
        }
    }
}
