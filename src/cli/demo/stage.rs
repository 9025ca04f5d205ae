//! What has to run before the story can be told, and how it goes away again: a cluster, a carrier, the operator, an agent's
//! server. It does I/O.

use std::{
    fmt::Debug,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::Kubeconfig,
    core::{ApiResource, ClusterResourceScope, DynamicObject, GroupVersionKind},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    engine, examples,
    identity::{self, DEMO, MANAGED_BY},
    show::Show,
    wait,
};
use crate::{
    api::{self, NumberClaim, NumberPurchase, PhoneNumber},
    carrier::endpoint::Endpoints,
    controller::{Controller, Past, Settings},
    sandbox::{
        carrier::{AccountSeed, Credentials, Dialect, NumberSeed, Sandbox, SandboxConfig},
        control_plane::{Binaries, ControlPlane, KUBERNETES_VERSION, kubeconfig},
    },
    telemetry::{
        logs::{self, DEFAULT_FILTER},
        metrics::Metrics,
    },
};

/// Where the story plays in a cluster of its own.
const NAMESPACE: &str = "telephony";
/// Where the operator lives there.
const SYSTEM: &str = "dialplane-system";
/// How long a cluster may take to answer at all.
const ANSWER: Duration = Duration::from_secs(10);
/// Where calls went before Dialplane came.
pub const BEFORE: &str = "https://pbx.example.net/incoming";

/// Everything that runs.
pub struct Stage {
    pub client: Client,
    pub namespace: String,
    pub sandbox: Sandbox,
    /// What opens the account that the sandbox has at its other carrier.
    pub telnyx: Credentials,
    /// Address of the agent's server.
    pub engine: String,
    /// The kubeconfig of a person who looks on.
    pub kubeconfig: PathBuf,
    /// What the operator logs.
    pub log: NamedTempFile,
    /// Namespace of the operator's ServiceAccount.
    system: String,
    operator: Operator,
    /// `None` on a cluster that was there before.
    control_plane: Option<ControlPlane>,
}

struct Operator {
    token: CancellationToken,
    task: JoinHandle<()>,
}

impl Stage {
    /// Starts everything, on the cluster of `given` or on one of our own.
    pub async fn set(given: Option<&Path>, show: &Show) -> Result<Self> {
        let begin = Instant::now();
        let control_plane = match given {
            Some(_) => None,
            None => Some(ControlPlane::start(&binaries().await?).await?),
        };
        let (admin, path) = match (&control_plane, given) {
            (Some(ours), _) => (ours.kubeconfig().clone(), ours.kubeconfig_path()),
            (None, path) => {
                let path = path.unwrap_or(Path::new("")).to_owned();
                (Kubeconfig::read_from(&path).with_context(|| format!("{}", path.display()))?, path)
            }
        };
        let client = kubeconfig::client(&admin).await?;
        greet_cluster(&client, &path, control_plane.is_some(), begin, show).await?;
        check_vacant(&client).await?;
        install(&client).await?;
        let (namespace, system) = make_namespaces(&client, control_plane.is_some()).await?;

        let (sandbox, telnyx) = carriers()?;
        show.good(&format!(
            "carriers     a sandbox that speaks Twilio's, Telnyx's, Flowyte's and Nixflex's APIs, {}",
            sandbox.url()
        ));
        let log = log()?;
        let operator = Operator::start(&identity::operator(&client, &admin, &system).await?, &sandbox).await?;
        show.good(&format!(
            "operator     as ServiceAccount {system}/{}, with the rules of the chart",
            identity::ACCOUNT
        ));
        let engine = engine::start(&client, &namespace, &sandbox, &telnyx).await?;
        show.good(&format!("agent        {engine}, known to the carrier as https://{}", engine::HOST));
        Ok(Self { client, namespace, sandbox, telnyx, engine, kubeconfig: path, log, system, operator, control_plane })
    }

    /// Ends everything, and takes out of a cluster that was there before what was put in.
    pub async fn strike(self) -> Result<()> {
        let Self { client, namespace, system, operator, control_plane, .. } = self;
        if control_plane.is_some() {
            operator.stop().await;
            // It blocks for the fraction of a second that the programs take to end.
            tokio::task::spawn_blocking(move || drop(control_plane)).await.ok();
            return Ok(());
        }
        let cleaned = clean(&client, &namespace).await;
        operator.stop().await;
        cleaned.with_context(|| format!("namespace {namespace} could not be cleaned up"))?;
        uninstall(&client, &system).await.context("Dialplane could not be uninstalled from the cluster")
    }
}

impl Operator {
    /// Starts it, with the sandbox's as the only endpoints that an account may name.
    async fn start(kubeconfig: &Kubeconfig, sandbox: &Sandbox) -> Result<Self> {
        let client = kubeconfig::client(kubeconfig).await?;
        let endpoints = Endpoints::new(["", "/flowyte", "/nixflex"].map(|path| format!("{}{path}", sandbox.url())))?;
        let settings = Settings { installation: "demo".to_owned(), endpoints, ..Settings::default() };
        let controller = Controller::new(client, Arc::new(Metrics::default()), settings)?;
        let token = CancellationToken::new();
        let child = token.clone();
        let task = tokio::spawn(async move {
            tokio::join!(controller.follow(child.clone()), controller.work(Past::default(), child.clone()));
        });
        Ok(Self { token, task })
    }

    async fn stop(self) {
        self.token.cancel();
        tokio::time::timeout(ANSWER, self.task).await.ok();
    }
}

/// Finds the programs of a control plane, or builds them, which is the one long step.
async fn binaries() -> Result<Binaries> {
    let found = tokio::task::spawn_blocking(|| Binaries::find_or_build(Show::progress)).await;
    Show::progressed();
    Ok(found.context("looking for the control plane failed")??)
}

/// Has the operator log to a file, which goes with this process.
fn log() -> Result<NamedTempFile> {
    let file =
        tempfile::Builder::new().prefix("dialplane-demo-").suffix(".log").tempfile().context("no file for the log")?;
    let lines = logs::subscriber(logs::Format::Text, DEFAULT_FILTER.into(), false, Mutex::new(file.reopen()?));
    tracing::subscriber::set_global_default(lines).context("logging is set up already")?;
    Ok(file)
}

async fn greet_cluster(client: &Client, path: &Path, ours: bool, begin: Instant, show: &Show) -> Result<()> {
    let asked = tokio::time::timeout(ANSWER, client.apiserver_version()).await;
    let whose =
        || format!("the cluster of {} does not answer: check that it runs and that you may use it", path.display());
    let version = asked.with_context(whose)?.with_context(whose)?.git_version;
    if ours {
        let took = begin.elapsed().as_secs_f32();
        show.good(&format!(
            "Kubernetes   {KUBERNETES_VERSION}: etcd, kube-apiserver, kube-controller-manager ({took:.1} s)"
        ));
    } else {
        show.good(&format!("Kubernetes   {version}, of {}", path.display()));
    }
    Ok(())
}

/// An account that owns the numbers of the examples, all of them in use elsewhere so far, and an empty one at Telnyx.
fn carriers() -> Result<(Sandbox, Credentials)> {
    let sandbox = Sandbox::start(SandboxConfig::default()).context("the sandbox carrier does not start")?;
    // Telnyx does not say whether it signs calls; here it does, so that the agent need believe nobody.
    sandbox.switch(|switches| switches.telnyx.sign_calls = true);
    let telnyx = sandbox.add_account(AccountSeed { carrier: Dialect::Telnyx, ..AccountSeed::default() })?;
    for (_, number) in examples::numbers()? {
        let settings = [("voice_url".to_owned(), BEFORE.to_owned())].into();
        sandbox.seed(NumberSeed { number, account: None, settings })?;
    }
    Ok((sandbox, telnyx))
}

/// Refuses a cluster where an operator may be at work already: two must not be.
async fn check_vacant(client: &Client) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in api::crds() {
        let name = crd.name_any();
        let Some(there) = definitions.get_opt(&name).await? else { continue };
        if there.labels().get(MANAGED_BY).is_none_or(|by| by != DEMO) {
            bail!(
                "Dialplane is installed in this cluster already (it has the CRD {name}), and the demo's operator would change \
                 its objects: use another cluster, or omit --kubeconfig, and the demo starts its own"
            );
        }
        // Without objects it is what an interrupted demo left.
        if let Some(object) = kind(client, &crd).list(&ListParams::default().limit(1)).await?.items.first() {
            bail!(
                "another demo is running in this cluster, or one was interrupted ({} {} exists): wait until it ends, use \
                 another cluster, or omit --kubeconfig, and the demo starts its own",
                crd.spec.names.kind,
                object.name_any()
            );
        }
    }
    Ok(())
}

/// Every object of the kind that `crd` defines.
fn kind(client: &Client, crd: &CustomResourceDefinition) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk(&crd.spec.group, &crd.spec.versions[0].name, &crd.spec.names.kind);
    Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&gvk, &crd.spec.names.plural))
}

/// The definitions of our kinds.
async fn install(client: &Client) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let params = PatchParams::apply(DEMO).force().validation_strict();
    for mut crd in api::crds() {
        crd.labels_mut().insert(MANAGED_BY.to_owned(), DEMO.to_owned());
        definitions.patch(&crd.name_any(), &params, &Patch::Apply(&crd)).await?;
    }
    for crd in api::crds() {
        let kind = kind(client, &crd);
        // Established is said a moment before the kind is served, so it is the kind that is asked for.
        let served = || async { Ok(kind.list(&ListParams::default().limit(1)).await.is_ok()) };
        if !wait::patiently(served).await? {
            bail!("{} is not served: check its conditions", crd.name_any());
        }
    }
    Ok(())
}

/// One for the story and one for the operator, which outlives the story's and lets it go in order.
async fn make_namespaces(client: &Client, ours: bool) -> Result<(String, String)> {
    if ours {
        let name = |name: &str| json!({"name": name});
        return Ok((make_namespace(client, name(NAMESPACE)).await?, make_namespace(client, name(SYSTEM)).await?));
    }
    let story = make_namespace(client, json!({"generateName": format!("{DEMO}-")})).await?;
    let system = make_namespace(client, json!({"name": format!("{story}-system")})).await?;
    Ok((story, system))
}

async fn make_namespace(client: &Client, metadata: Value) -> Result<String> {
    let mut namespace: Namespace = serde_json::from_value(json!({ "metadata": metadata }))?;
    namespace.labels_mut().insert(MANAGED_BY.to_owned(), DEMO.to_owned());
    let made = Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await;
    Ok(made.context("no namespace can be made")?.name_any())
}

/// Deletes the story's objects while the operator still works, so that it lets go of every number in order.
async fn clean(client: &Client, namespace: &str) -> Result<()> {
    let numbers: Api<PhoneNumber> = Api::namespaced(client.clone(), namespace);
    numbers.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    for number in numbers.list(&ListParams::default()).await? {
        wait::gone::<PhoneNumber>(client, namespace, &number.name_any()).await?;
    }
    // The memory of what was bought outlives its objects, and is let go only while the operator works.
    forget::<NumberClaim>(client).await?;
    forget::<NumberPurchase>(client).await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.delete(namespace, &DeleteParams::default()).await?;
    let gone = wait::patiently(|| async { Ok(namespaces.get_opt(namespace).await?.is_none()) }).await?;
    if !gone {
        bail!("it was not deleted in time: kubectl describe namespace {namespace} says why");
    }
    Ok(())
}

/// Deletes every object of a kind that belongs to no namespace, and waits until all are gone.
async fn forget<K>(client: &Client) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + Debug + DeserializeOwned,
{
    let all: Api<K> = Api::all(client.clone());
    all.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    let gone = || async { Ok(all.list(&ListParams::default()).await?.items.is_empty()) };
    if !wait::patiently(gone).await? {
        let kind = K::plural(&());
        bail!("some {kind} were not deleted in time: kubectl get {kind} -o yaml shows their finalizers");
    }
    Ok(())
}

async fn uninstall(client: &Client, system: &str) -> Result<()> {
    identity::remove(client).await?;
    Api::<Namespace>::all(client.clone()).delete(system, &DeleteParams::default()).await?;
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in api::crds() {
        definitions.delete(&crd.name_any(), &DeleteParams::default()).await?;
    }
    Ok(())
}
