//! A release of the chart on a control plane of its own, and what its pods run. There is no kubelet: a test starts the containers' command
//! lines itself, with the files, the variables and the rights that the pods would have. It does I/O: helm, kubectl, processes.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command},
};

use dialplane::sandbox::control_plane::{ControlPlane, kubeconfig};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Container, Secret},
};
use kube::{Api, Client, Resource, config::Kubeconfig, core::NamespaceResourceScope};
use serde_json::json;

use super::{chart, cli};

/// A container that ends with the test.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}:\n{}", self.log.display(), self.log());
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A control plane with the namespace of the chart, and a folder for what pods would find mounted.
pub struct Release {
    pub control_plane: ControlPlane,
    pub client: Client,
    pub dir: tempfile::TempDir,
}

impl Release {
    /// The control plane; nothing is installed yet.
    pub async fn site() -> Self {
        let control_plane = ControlPlane::start(super::binaries()).await.unwrap();
        let client = control_plane.client().await.unwrap();
        chart::apply(
            &client,
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": chart::NAMESPACE}}),
        )
        .await;
        Self { control_plane, client, dir: tempfile::tempdir().unwrap() }
    }

    /// Installs the chart with these values, and answers what helm says.
    pub fn install(&self, values: &[&str]) -> String {
        let install = ["install", "dialplane", chart::CHART, "--namespace", chart::NAMESPACE];
        let set = values.iter().flat_map(|value| ["--set", value]);
        self.helm(&install.into_iter().chain(set).collect::<Vec<_>>())
    }

    pub fn helm(&self, arguments: &[&str]) -> String {
        self.tool(cli::helm(), arguments)
    }

    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.tool(cli::kubectl(), arguments)
    }

    fn tool(&self, tool: PathBuf, arguments: &[&str]) -> String {
        let mut command = Command::new(tool);
        let output = command.args(arguments).env("KUBECONFIG", self.control_plane.kubeconfig_path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), chart::NAMESPACE)
    }

    /// Access as a ServiceAccount of the namespace.
    pub async fn access(&self, account: &str) -> Kubeconfig {
        kubeconfig::for_service_account(self.control_plane.kubeconfig(), chart::NAMESPACE, account).await.unwrap()
    }

    /// Starts the only container of a Deployment as a kubelet would, but for what is `moved`: addresses and files, which are this machine's.
    pub async fn start(&self, deployment: &str, moved: &[(&str, &str)], env: &[(&str, String)]) -> Running {
        let pod = self.api::<Deployment>().get(deployment).await.unwrap().spec.unwrap().template.spec.unwrap();
        let [container] = &pod.containers[..] else { panic!("one container") };
        let arguments = container.args.iter().flatten().map(|argument| {
            let moved = moved.iter().find(|(there, _)| argument.contains(there));
            moved.map_or(argument.clone(), |(there, here)| argument.replace(there, here))
        });
        let [file, log] = ["kubeconfig", "log"].map(|ending| self.dir.path().join(format!("{deployment}.{ending}")));
        kubeconfig::write(&self.access(&pod.service_account_name.unwrap()).await, &file).unwrap();
        let out = File::create(&log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
        command.env_clear().args(arguments).env("KUBECONFIG", &file).envs(self.variables(container).await);
        command.envs(env.iter().cloned()).stdout(out.try_clone().unwrap()).stderr(out);
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
                // Of the pod's fields there are two, and either may be this.
                None if source.is_some() => chart::NAMESPACE.to_owned(),
                None => variable.value.clone().unwrap(),
            };
            variables.push((variable.name.clone(), value));
        }
        variables
    }
}

/// An address that is free now.
pub fn free_address() -> String {
    format!("127.0.0.1:{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port())
}
