//! What the three programs are told: their flags, and the names of the files that the flags refer to. No I/O.

use std::path::Path;

pub(super) const CA: &str = "ca.crt";
pub(super) const SERVER_CERTIFICATE: &str = "server.crt";
pub(super) const SERVER_KEY: &str = "server.key";
pub(super) const SIGNING_KEY: &str = "service-account.key";
pub(super) const SIGNING_KEY_PUBLIC: &str = "service-account.pub";
pub(super) const ADMIN_KUBECONFIG: &str = "kubeconfig";
pub(super) const CONTROLLER_MANAGER_KUBECONFIG: &str = "controller-manager.kubeconfig";
pub(super) const AUDIT_POLICY: &str = "audit-policy.yaml";
pub(super) const AUDIT_LOG: &str = "audit.log";

/// Every request by whom, on what and with which answer; not its body, which may hold a Secret.
pub(super) const AUDIT_POLICY_TEXT: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// The controllers that an operator meets. Those that would act on nodes have nothing to do here.
const CONTROLLERS: [&str; 7] = [
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "deployment-controller",
    "replicaset-controller",
];

/// Where the programs listen, on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) etcd: u16,
    pub(super) api_server: u16,
}

pub(super) fn etcd(dir: &Path, ports: &Ports) -> Vec<String> {
    let url = format!("http://127.0.0.1:{}", ports.etcd);
    vec![
        format!("--data-dir={}", dir.join("etcd").display()),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        // It is its only member: nobody ever asks for it there.
        "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
        // Thrown away at the end, so it need not survive a power cut; and an election with one voter need not wait.
        "--unsafe-no-fsync=true".to_owned(),
        "--heartbeat-interval=10".to_owned(),
        "--election-timeout=100".to_owned(),
    ]
}

pub(super) fn api_server(dir: &Path, ports: &Ports) -> Vec<String> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", dir.join(name).display());
    vec![
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.api_server),
        file("tls-cert-file", SERVER_CERTIFICATE),
        file("tls-private-key-file", SERVER_KEY),
        file("client-ca-file", CA),
        "--authorization-mode=RBAC".to_owned(),
        // As on OpenShift: whoever sets an owner reference has to be allowed to.
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        file("service-account-key-file", SIGNING_KEY_PUBLIC),
        file("service-account-signing-key-file", SIGNING_KEY),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        // The `kubernetes` Service would get a loopback address, which endpoints may not have: an error every 10 s.
        "--endpoint-reconciler-type=none".to_owned(),
        file("audit-policy-file", AUDIT_POLICY),
        file("audit-log-path", AUDIT_LOG),
        // Megabytes. A log that is rotated away in the middle of a benchmark would count too few requests.
        "--audit-log-maxsize=100000".to_owned(),
    ]
}

pub(super) fn controller_manager(dir: &Path) -> Vec<String> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", dir.join(name).display());
    vec![
        file("kubeconfig", CONTROLLER_MANAGER_KUBECONFIG),
        format!("--controllers={}", CONTROLLERS.join(",")),
        file("service-account-private-key-file", SIGNING_KEY),
        file("root-ca-file", CA),
        "--leader-elect=false".to_owned(),
        // It serves nobody here.
        "--secure-port=0".to_owned(),
        // A test should wait for what it tests, not for the client-side throttle of a production cluster.
        "--kube-api-qps=1000".to_owned(),
        "--kube-api-burst=1000".to_owned(),
    ]
}
