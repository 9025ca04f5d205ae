//! The chart's sandbox on a real control plane: a release that has it, and what its pods run. There is no kubelet: the test starts the
//! containers' command lines itself, with the files, the variables and the rights that the pods would have.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Output},
};

use dialplane::{
    api::{CarrierAccount, NumberClaim, PhoneNumber},
    sandbox::control_plane::{ControlPlane, kubeconfig},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Container, Secret},
};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::{self, chart, cli, eventually};

const NUMBERS: [(&str, &str); 2] = [("sandbox-front-desk", "+14155550101"), ("sandbox-london", "+442079460102")];

/// A container that ends with the test.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}:\n{}", self.log.display(), fs::read_to_string(&self.log).unwrap());
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

struct Site {
    control_plane: ControlPlane,
    client: Client,
    dir: tempfile::TempDir,
    /// Where the sandbox listens, in place of its Service.
    carrier: String,
}

impl Site {
    async fn new() -> Self {
        let control_plane = ControlPlane::start(support::binaries()).await.unwrap();
        let client = control_plane.client().await.unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let carrier = format!("127.0.0.1:{port}");
        Self { control_plane, client, dir: tempfile::tempdir().unwrap(), carrier }
    }

    fn tool(&self, tool: PathBuf, arguments: &[&str]) -> String {
        let mut command = Command::new(tool);
        let output: Output =
            command.args(arguments).env("KUBECONFIG", self.control_plane.kubeconfig_path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), chart::NAMESPACE)
    }

    /// Starts the only container of a Deployment as a kubelet would, but for its addresses and the folder of its files, which are of
    /// this machine.
    async fn start(&self, deployment: &str, moved: &[(&str, &str)], env: &[(&str, String)]) -> Running {
        let pod = self.api::<Deployment>().get(deployment).await.unwrap().spec.unwrap().template.spec.unwrap();
        let [container] = &pod.containers[..] else { panic!("one container") };
        let arguments = container.args.clone().unwrap().into_iter().map(|argument| {
            let moved = moved.iter().find(|(there, _)| argument.contains(there));
            moved.map_or(argument.clone(), |(there, here)| argument.replace(there, here))
        });
        let account = pod.service_account_name.unwrap();
        let admin = self.control_plane.kubeconfig();
        let access = kubeconfig::for_service_account(admin, chart::NAMESPACE, &account).await.unwrap();
        let (file, log) =
            (self.dir.path().join(format!("{account}.kubeconfig")), self.dir.path().join(format!("{account}.log")));
        kubeconfig::write(&access, &file).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
        command.env_clear().args(arguments).env("KUBECONFIG", &file).envs(self.variables(container).await);
        command
            .envs(env.iter().cloned())
            .stdout(File::create(&log).unwrap())
            .stderr(File::options().append(true).open(&log).unwrap());
        Running { child: command.spawn().unwrap(), log }
    }

    /// What the container's variables are.
    async fn variables(&self, container: &Container) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for variable in container.env.iter().flatten() {
            let source = variable.value_from.as_ref();
            let value = match source.and_then(|source| source.secret_key_ref.as_ref()) {
                Some(at) => {
                    let secret = self.api::<Secret>().get(&at.name).await.unwrap();
                    String::from_utf8(secret.data.unwrap()[&at.key].0.clone()).unwrap()
                }
                None if source.is_some() => chart::NAMESPACE.to_owned(),
                None => variable.value.clone().unwrap(),
            };
            variables.push((variable.name.clone(), value));
        }
        variables
    }

    async fn asked(&self, path: &str) -> Option<Value> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("http://{}/admin/{path}", self.carrier)).send().await.ok()?;
        serde_json::from_str(&answer.text().await.ok()?).ok()
    }

    /// Where the simulated carrier sends the calls of each number.
    async fn voice_urls(&self) -> Vec<(String, String)> {
        let numbers = eventually("the sandbox serves", || self.asked("numbers")).await;
        let text = |number: &Value, field: &str| number[field].as_str().unwrap_or_default().to_owned();
        let list = numbers.as_array().unwrap_or_else(|| panic!("{numbers}")).iter();
        let mut urls: Vec<_> = list.map(|number| (text(number, "phone_number"), text(number, "voice_url"))).collect();
        urls.sort();
        urls
    }

    async fn ready<K>(&self, name: &str)
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        eventually(&format!("{name} is Ready"), || async {
            let object = json!(self.api::<K>().get_opt(name).await.unwrap()?);
            let conditions = object["status"]["conditions"].as_array()?;
            conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_release_with_the_sandbox_has_two_numbers_ready_without_a_carrier_account_and_leaves_nothing_behind() {
    let site = Site::new().await;
    let install = ["install", "dialplane", chart::CHART, "--namespace", chart::NAMESPACE, "--create-namespace"];
    let said = site.tool(cli::helm(), &[&install[..], &["--set", "sandbox.enabled=true"]].concat());

    let mounted = site.dir.path().join("objects.yaml");
    let objects = site.api::<ConfigMap>().get("dialplane-sandbox").await.unwrap().data.unwrap();
    fs::write(&mounted, &objects["objects.yaml"]).unwrap();
    let here = [("0.0.0.0:4010", &*site.carrier), ("/etc/dialplane/sandbox/objects.yaml", mounted.to_str().unwrap())];
    let sandbox = site.start("dialplane-sandbox", &here, &[]).await;
    // The name of the Service leads nowhere here: the sandbox itself takes the place of a proxy.
    let proxy = [("HTTP_PROXY", format!("http://{}", site.carrier))];
    let operator = site.start("dialplane", &[("0.0.0.0:8080", "127.0.0.1:0")], &proxy).await;

    site.ready::<CarrierAccount>("sandbox").await;
    for (name, _) in NUMBERS {
        site.ready::<PhoneNumber>(name).await;
    }
    let routed =
        NUMBERS.map(|(_, number)| (number.to_owned(), "https://engine.example.com/sandbox/v1/voice".to_owned()));
    assert_eq!(site.voice_urls().await, routed);

    // What is there when it begins again stays as people have changed it.
    drop(sandbox);
    let name = NUMBERS[0].0;
    let suspended = kube::api::Patch::Merge(json!({"spec": {"suspend": true}}));
    site.api::<PhoneNumber>().patch(name, &Default::default(), &suspended).await.unwrap();
    let sandbox = site.start("dialplane-sandbox", &here, &[]).await;
    let begun = || async { fs::read_to_string(&sandbox.log).unwrap().matches("stays as it is").nth(3).map(drop) };
    eventually("it has looked at all four", begun).await;
    assert!(site.api::<PhoneNumber>().get(name).await.unwrap().spec.suspend);
    let resumed = kube::api::Patch::Merge(json!({"spec": {"suspend": false}}));
    site.api::<PhoneNumber>().patch(name, &Default::default(), &resumed).await.unwrap();

    // As the notes say it.
    let delete = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("kubectl ").filter(|line| line.contains(" delete phonenumbers,")));
    site.tool(cli::kubectl(), &delete.unwrap_or_else(|| panic!("{said}")).split(' ').collect::<Vec<_>>());
    let claims: Api<NumberClaim> = Api::all(site.client.clone());
    let none = || async { claims.list(&Default::default()).await.unwrap().items.is_empty().then_some(()) };
    eventually("no number is claimed", none).await;
    assert!(site.voice_urls().await.iter().all(|(_, url)| url.is_empty()), "{:?}", site.voice_urls().await);
    let summary = site.asked("ledger/summary").await.unwrap();
    assert_eq!((&summary["purchases"], &summary["releases"]), (&json!(0), &json!(0)), "{summary}");
    drop((operator, sandbox));

    site.tool(cli::helm(), &["uninstall", "dialplane", "--namespace", chart::NAMESPACE]);
    let left = site.tool(
        cli::kubectl(),
        &[
            "get",
            "-A",
            "-o",
            "name",
            "-l",
            "app.kubernetes.io/name=dialplane-sandbox",
            "dialplane,deployments,services,configmaps,secrets,serviceaccounts,roles,rolebindings,networkpolicies",
        ],
    );
    // The pods of a Deployment go a moment after it.
    assert_eq!(left, "");
}
