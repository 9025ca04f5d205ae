//! The image that `image/build.py` makes, run as a kubelet would run it: from its own files and nothing else, as user 65532, with a root that
//! cannot be written and no way to more rights, with the chart's ServiceAccount and what a pod finds of its cluster.
//!
//! It needs that image, and root to make namespaces: `image/build.py && cargo test --test all image:: -- --ignored`.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use dialplane::{api::PhoneNumber, sandbox::control_plane::ControlPlane};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::support::{
    self, chart, crds, eventually,
    scene::{ACCOUNT, Scene},
};

const IMAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/image/oci");
/// Where a pod finds its ServiceAccount.
const ACCESS: &str = "var/run/secrets/kubernetes.io/serviceaccount";

/// Makes the namespaces and goes on as the operator: `$1` is the root, `$2` the files of the ServiceAccount.
const RUN: &str = r#"
mount --bind "$1" "$1"
mount --bind "$2" "$1/$3"
mount -o remount,bind,ro "$1/$3"
mount -o remount,bind,ro "$1"
root=$1; shift 3
exec setpriv --no-new-privs unshare --root "$root" --setgid 65532 --setuid 65532 -- "$@"
"#;

fn blob(digest: &Value) -> PathBuf {
    Path::new(IMAGE).join("blobs").join(digest.as_str().unwrap().replace(':', "/"))
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

/// A process that ends with the test.
struct Pod(Child);

impl Drop for Pod {
    fn drop(&mut self) {
        // What took another user does not end with its parent.
        if let Some(program) = self.program() {
            Command::new("kill").args(["-KILL", &program]).status().ok();
        }
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Pod {
    /// The process id of the program in it, once there is one.
    fn program(&self) -> Option<String> {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.0.id())).ok()?;
        Some(children.trim().to_owned()).filter(|children| !children.is_empty())
    }

    /// A line of the state of the program in it. See proc_pid_status(5).
    fn status(&self, name: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[tokio::test]
#[ignore = "needs the image of image/build.py, and root"]
async fn the_image_imports_a_number_with_nothing_but_what_a_pod_has() {
    let index = read(&Path::new(IMAGE).join("index.json"));
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let index = read(&blob(&index["manifests"][0]["digest"]));
    let manifests = index["manifests"].as_array().unwrap().iter();
    let manifest = manifests.clone().find(|manifest| manifest["platform"]["architecture"] == arch).unwrap();
    let manifest = read(&blob(&manifest["digest"]));
    let config = read(&blob(&manifest["config"]["digest"]))["config"].clone();
    assert_eq!(config["User"], "65532:65532");

    let dir = tempfile::tempdir().unwrap();
    let (root, access) = (dir.path().join("root"), dir.path().join("access"));
    fs::create_dir(&root).unwrap();
    for layer in manifest["layers"].as_array().unwrap() {
        let unpacked =
            Command::new("tar").arg("-xzf").arg(blob(&layer["digest"])).arg("-C").arg(&root).status().unwrap();
        assert!(unpacked.success());
    }
    let programs: Vec<_> =
        fs::read_dir(root.join("usr/local/bin")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(programs, ["dialplane"]);
    assert!(!root.join("bin").exists() && !root.join("usr/bin").exists(), "there is no shell");

    let control_plane = ControlPlane::start(support::binaries()).await.unwrap();
    let client = control_plane.client().await.unwrap();
    crds::apply(&client).await;
    let account = chart::access(control_plane.kubeconfig()).await;
    let scene = Scene::on(client).await;
    let cluster = account.clusters[0].cluster.clone().unwrap();
    let token = account.auth_infos[0].auth_info.clone().unwrap().token.unwrap();
    let authority = base64_of(&cluster.certificate_authority_data.unwrap());
    fs::create_dir(&access).unwrap();
    fs::create_dir_all(root.join(ACCESS)).unwrap();
    fs::write(access.join("token"), token.expose_secret()).unwrap();
    fs::write(access.join("ca.crt"), authority).unwrap();
    fs::write(access.join("namespace"), chart::NAMESPACE).unwrap();
    // The temporary folder is its maker's alone.
    Command::new("chmod").args(["-R", "a+rX"]).arg(dir.path()).status().unwrap();

    let server: url::Url = cluster.server.unwrap().parse().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut pod = Command::new("unshare");
    pod.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", RUN, "sh"])
        .arg(&root)
        .arg(&access)
        .arg(ACCESS);
    pod.args(
        config["Entrypoint"]
            .as_array()
            .unwrap()
            .iter()
            .chain(config["Cmd"].as_array().unwrap())
            .map(|word| word.as_str().unwrap()),
    );
    pod.args(["--allow-endpoint", scene.sandbox.url()]);
    pod.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    pod.env("KUBERNETES_SERVICE_HOST", server.host_str().unwrap());
    pod.env("KUBERNETES_SERVICE_PORT", server.port().unwrap().to_string());
    pod.env("DIALPLANE_HEALTH_ADDRESS", format!("127.0.0.1:{port}"));
    let pod = Pod(pod.spawn().expect("unshare of util-linux"));

    scene.secret(scene.token()).await;
    scene.account(json!({})).await;
    scene.agent("engine.example.com", Some("v1")).await;
    let number = scene.owned();
    scene.phone_number("main", &number, json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(scene.voice_url(&number), "https://engine.example.com/dental/v1/voice", "under {ACCOUNT}");
    let none = "0000000000000000";
    let said = ["Uid", "Gid", "CapEff", "CapPrm", "CapInh", "NoNewPrivs"].map(|name| pod.status(name));
    assert_eq!(said, ["65532 65532 65532 65532", "65532 65532 65532 65532", none, none, none, "1"]);
    let ready =
        eventually("it is ready", || async { reqwest::get(format!("http://127.0.0.1:{port}/readyz")).await.ok() })
            .await;
    assert!(ready.status().is_success());
    let ledger = scene.sandbox.ledger();
    assert_eq!((scene.writes_to(&number), ledger.purchases(), ledger.releases()), (1, 0, 0));
}

/// What is encoded so.
fn base64_of(text: &str) -> Vec<u8> {
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap()
}
