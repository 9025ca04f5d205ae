//! The local control plane is a real one, and nothing of it outlives its owner.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use dialplane::sandbox::control_plane::{ControlPlane, KUBERNETES_VERSION, kubeconfig};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
    runtime::{conditions, wait::await_condition},
};
use serde_json::{Value, json};

use crate::support::{self, audit, cli};

/// Set in the process that is going to be killed: see `holds_a_control_plane_until_it_is_killed`.
const HOLD: &str = "DIALPLANE_TEST_HOLD";

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap()
}

/// Creates an object of a built-in kind that needs no more than a name for its kind.
async fn create(client: &Client, namespace: &str, group: &str, kind: &str, object: Value) {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    api.patch(&name, &PatchParams::apply("test"), &Patch::Apply(object)).await.unwrap();
}

#[tokio::test]
async fn the_api_server_answers_as_the_version_that_is_pinned() {
    let client = support::control_plane().await.client().await.unwrap();
    assert_eq!(client.apiserver_version().await.unwrap().git_version, KUBERNETES_VERSION);
}

#[tokio::test]
async fn what_an_object_owns_is_deleted_after_it() {
    let support::Namespace { name, client } = support::namespace().await;
    let maps: Api<ConfigMap> = Api::namespaced(client, &name);
    let owner = maps.create(&PostParams::default(), &config_map("owner")).await.unwrap();
    let mut owned = config_map("owned");
    owned.metadata.owner_references = serde_json::from_value(json!([
        { "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.uid().unwrap() }
    ]))
    .unwrap();
    let owned = maps.create(&PostParams::default(), &owned).await.unwrap();

    maps.delete("owner", &DeleteParams::default()).await.unwrap();
    let uid = owned.uid().unwrap();
    let gone = await_condition(maps, "owned", conditions::is_deleted(&uid));
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the garbage collector works").unwrap();
}

#[tokio::test]
async fn a_service_account_may_do_what_its_role_says_and_nothing_else() {
    let support::Namespace { name, client } = support::namespace().await;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &name);
    let account = serde_json::from_value(json!({ "metadata": { "name": "reader" } })).unwrap();
    accounts.create(&PostParams::default(), &account).await.unwrap();
    let rbac = "rbac.authorization.k8s.io";
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "reader" },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"] }],
    });
    create(&client, &name, rbac, "Role", role).await;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "reader" },
        "roleRef": { "apiGroup": rbac, "kind": "Role", "name": "reader" },
        "subjects": [{ "kind": "ServiceAccount", "name": "reader", "namespace": name }],
    });
    create(&client, &name, rbac, "RoleBinding", binding).await;

    let admin = &support::cluster().await.kubeconfig;
    let reader = kubeconfig::for_service_account(admin, &name, "reader").await.unwrap();
    let reader = kubeconfig::client(&reader).await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(reader.clone());
    // The authorizer learns of a new binding by a watch of its own.
    let allowed = || async { maps.list(&Default::default()).await.ok() };
    support::eventually("the role allows to list", allowed).await;
    let secrets: Api<Secret> = Api::default_namespaced(reader);
    let denied = secrets.list(&Default::default()).await.unwrap_err();
    let kube::Error::Api(denied) = denied else { panic!("{denied}") };
    assert_eq!(denied.code, 403, "{denied}");
    assert!(denied.message.contains(&format!("system:serviceaccount:{name}:reader")), "{denied}");
}

#[tokio::test]
async fn every_request_is_in_the_audit_log_with_its_user_verb_and_resource() {
    let control_plane = support::control_plane().await;
    // By its name rather than its namespace: with TEST_KUBECONFIG, `support::namespace` is on another cluster.
    let maps: Api<ConfigMap> = Api::namespaced(control_plane.client().await.unwrap(), "default");
    let seen = |name: &'static str| async move {
        let log = audit::requests(&control_plane.audit_log_path());
        log.into_iter().find(|request| request.name == name)
    };
    maps.create(&PostParams::default(), &config_map("audited")).await.unwrap();
    maps.get("not-there").await.unwrap_err();
    let request = |verb: &str, name: &str, code, answered| audit::Request {
        user: "dialplane-admin".into(),
        verb: verb.into(),
        resource: "configmaps".into(),
        namespace: "default".into(),
        name: name.into(),
        code,
        answered,
    };
    let logged = support::eventually("the creation is logged", || seen("audited")).await;
    assert_eq!(logged, request("create", "audited", 201, logged.answered));
    let logged = support::eventually("the read is logged", || seen("not-there")).await;
    assert_eq!(logged, request("get", "not-there", 404, logged.answered));
}

#[tokio::test]
async fn kubectl_and_helm_work_with_the_kubeconfig() {
    let kubeconfig = &support::cluster().await.kubeconfig_path;
    for (program, arguments) in [(cli::kubectl(), ["get", "namespaces"]), (cli::helm(), ["list", "--all-namespaces"])] {
        let output = Command::new(&program).args(arguments).env("KUBECONFIG", kubeconfig).output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", program.display());
    }
}

#[tokio::test]
async fn an_api_server_that_was_gone_comes_back_with_everything_in_its_place() {
    let mut control_plane = ControlPlane::start(support::binaries()).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(control_plane.client().await.unwrap(), "default");
    let made = maps.create(&PostParams::default(), &config_map("kept")).await.unwrap();

    control_plane.stop_api_server();
    let error = maps.get("kept").await.unwrap_err();
    assert!(!matches!(error, kube::Error::Api(_)), "nobody answers: {error}");

    control_plane.start_api_server().await.unwrap();
    assert_eq!(maps.get("kept").await.unwrap().uid(), made.uid());
    let dir = control_plane.dir().to_owned();
    control_plane.stop();
    assert_eq!(processes_of(&dir), Vec::<String>::new());
    assert!(!dir.exists());
}

#[tokio::test]
async fn nothing_is_left_running_after_the_owner_is_killed() {
    // This test binary once more, as the owner: it runs nothing but the test below.
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "control_plane::holds_a_control_plane_until_it_is_killed", "--ignored", "--nocapture"])
        .env(HOLD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<String> = lines.take_while(|line| line != "held").collect();
    let dir = said.iter().find_map(|line| line.split_once("dir=")).map(|(_, dir)| dir.to_owned());
    let dir = dir.unwrap_or_else(|| panic!("the owner started no control plane: {said:?}"));
    let dir = Path::new(&dir);
    // Three programs and two guards: that they are found now is what makes their absence below mean something.
    assert_eq!(processes_of(dir).len(), 5, "{:?}", processes_of(dir));

    owner.kill().unwrap();
    owner.wait().unwrap();
    let all_gone = || async { (processes_of(dir).is_empty() && !dir.exists()).then_some(()) };
    support::eventually("no process and no file is left", all_gone).await;
}

#[test]
#[ignore = "it is the process that the test above kills"]
fn holds_a_control_plane_until_it_is_killed() {
    if std::env::var_os(HOLD).is_none() {
        return;
    }
    let binaries = support::binaries();
    // On a thread and a runtime that are gone when the control plane is to be killed with its process.
    let start = || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(ControlPlane::start(binaries)).unwrap()
    };
    let control_plane = std::thread::spawn(start).join().unwrap();
    println!("\ndir={}\nheld", control_plane.dir().display());
    loop {
        std::thread::park();
    }
}

/// The command lines of all processes on this machine that name `dir`: all of a control plane do.
fn processes_of(dir: &Path) -> Vec<String> {
    let name = dir.to_str().unwrap();
    let command_line = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).ok();
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| command_line(entry.unwrap()));
    all.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(name)).collect()
}
