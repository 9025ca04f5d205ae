//! Metrics by TLS and for those alone who may read them, as the chart sets them up, with a real API server that knows who that is.

use std::{fs, net::SocketAddr, process::Command};

use kube::config::Kubeconfig;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::{
    audit, chart,
    egress::{Issued, issue},
    eventually,
    release::{Release, free_address},
};

const HOST: &str = "dialplane-metrics.dialplane-system.svc";

/// A scraper that trusts this authority and none beside it.
fn scraper(authority: &str, at: SocketAddr) -> reqwest::Client {
    let authority = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only([authority]).resolve(HOST, at).build().unwrap()
}

/// The token that this access is by.
fn token(access: &Kubeconfig) -> String {
    access.auth_infos[0].auth_info.as_ref().unwrap().token.as_ref().unwrap().expose_secret().to_owned()
}

struct Site {
    release: Release,
    metrics: SocketAddr,
}

impl Site {
    /// Status, page, and what it asks for, once somebody serves who has a certificate of this authority.
    async fn scrape(&self, authority: &str, token: Option<&str>) -> (u16, String, bool) {
        let scraper = scraper(authority, self.metrics);
        let url = format!("https://{HOST}:{}/metrics", self.metrics.port());
        let answer = eventually("metrics are served", || async {
            let mut request = scraper.get(&url);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            request.send().await.ok()
        })
        .await;
        let asks = answer.headers().get("www-authenticate").is_some_and(|value| value == "Bearer");
        (answer.status().as_u16(), answer.text().await.unwrap(), asks)
    }

    /// Puts these in the place of the Secret's files, as the kubelet does.
    fn mount(&self, issued: &Issued) {
        fs::write(self.release.dir.path().join("tls.crt"), &issued.certificate).unwrap();
        fs::write(self.release.dir.path().join("tls.key"), &issued.key).unwrap();
    }

    /// How often the operator has created such reviews.
    fn asked(&self, reviews: &str) -> usize {
        let all = audit::requests(&self.release.control_plane.audit_log_path());
        all.iter().filter(|request| request.user == chart::USER && request.resource == reviews).count()
    }
}

#[tokio::test]
async fn metrics_are_for_those_who_may_read_them_and_probes_for_everybody() {
    let site = Site { release: Release::site().await, metrics: free_address().parse().unwrap() };
    let release = &site.release;
    for name in ["prometheus", "other"] {
        let metadata = json!({"name": name, "namespace": chart::NAMESPACE});
        chart::apply(&release.client, &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
            .await;
    }
    release.install(&[
        "metrics.secure.enabled=true",
        "metrics.secure.certificateSecretName=metrics-tls",
        "metrics.secure.readers[0].name=prometheus",
        "metrics.secure.readers[0].namespace=dialplane-system",
    ]);
    let [first, second] = [issue(HOST), issue(HOST)];
    site.mount(&first);
    let (probes, metrics, mounted) =
        (free_address(), site.metrics.to_string(), release.dir.path().to_str().unwrap().to_owned());
    let here = [("0.0.0.0:8080", &*probes), ("0.0.0.0:8443", &*metrics), ("/etc/dialplane/metrics-tls", &*mounted)];
    let operator = release.start("dialplane", &here, &[]).await;

    let reader = token(&release.access("prometheus").await);
    let other = token(&release.access("other").await);
    let (status, page, asks) = site.scrape(&first.authority, None).await;
    assert!(status == 401 && asks && !page.contains("dialplane_"), "{status} {page}");
    let (status, page, asks) = site.scrape(&first.authority, Some("hunter2")).await;
    assert!(status == 401 && asks && !page.contains("hunter2"), "{status} {page}");
    let (status, page, _) = site.scrape(&first.authority, Some(&other)).await;
    assert!(status == 403 && page.contains("nonResourceURL /metrics"), "{status} {page}");
    let (status, page, _) = site.scrape(&first.authority, Some(&reader)).await;
    assert!(status == 200 && page.contains("\ndialplane_leader "), "{status} {page}");
    let before = ["tokenreviews", "subjectaccessreviews"].map(|reviews| site.asked(reviews));
    for _ in 0..20 {
        assert_eq!(site.scrape(&first.authority, Some(&reader)).await.0, 200);
    }
    assert_eq!(["tokenreviews", "subjectaccessreviews"].map(|reviews| site.asked(reviews)), before);
    assert_eq!(before, [3, 2], "of each token once, and of nobody what they may");

    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    let status = |url: String| {
        let request = plain.get(url).send();
        async move { request.await.ok().map(|answer| answer.status().as_u16()) }
    };
    assert_eq!(status(format!("http://{probes}/livez")).await, Some(200));
    eventually("it is ready", || async { (status(format!("http://{probes}/readyz")).await? == 200).then_some(()) })
        .await;
    assert_eq!(status(format!("http://{probes}/metrics")).await, Some(404), "not unencrypted as well");
    assert_eq!(status(format!("http://{metrics}/metrics")).await, None, "nothing but TLS");

    site.mount(&second);
    assert_eq!(site.scrape(&second.authority, Some(&reader)).await.0, 200, "the new certificate, without a restart");
    site.mount(&Issued { key: first.key.clone(), ..issue(HOST) });
    let told = || async { operator.log().contains("cannot be read again").then_some(()) };
    eventually("what is none is told", told).await;
    assert_eq!(site.scrape(&second.authority, Some(&reader)).await.0, 200, "the one before stays");
    for secret in [&*reader, &*other, "hunter2"] {
        assert!(!operator.log().contains(secret));
    }
}

#[test]
fn a_certificate_that_cannot_be_used_and_a_token_without_tls_are_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = dir.path().join("kubeconfig");
    let cluster = json!([{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}]);
    let context = json!([{"name": "a", "context": {"cluster": "a", "user": "a"}}]);
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "a", "clusters": cluster, "contexts": context,
        "users": [{"name": "a", "user": {}}]});
    fs::write(&kubeconfig, config.to_string()).unwrap();
    let said = |flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
        command.env_clear().env("KUBECONFIG", &kubeconfig).args(["run", "--health-address=127.0.0.1:0"]).args(flags);
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said(&["--metrics-auth"]).contains("--metrics-address"));
    assert!(said(&["--metrics-address=127.0.0.1:0"]).contains("--metrics-tls-cert-file"));
    assert!(said(&["--metrics-tls-key-file=/x"]).contains("--metrics-address"));
    let nowhere =
        ["--metrics-address=127.0.0.1:0", "--metrics-tls-cert-file=/no.crt", "--metrics-tls-key-file=/no.key"];
    let said = said(&nowhere);
    assert!(said.contains("check --metrics-tls-cert-file") && said.contains("/no.crt"), "{said}");
}
