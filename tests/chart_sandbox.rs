//! The chart's sandbox on a real control plane: a release that has it, from its first minute to its end.

use std::fs;

use dialplane::api::{CarrierAccount, NumberClaim, PhoneNumber};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::{Value, json};

use crate::support::{
    chart, eventually,
    release::{Release, free_address},
};

const NUMBERS: [(&str, &str); 2] = [("sandbox-front-desk", "+14155550101"), ("sandbox-london", "+442079460102")];

struct Site {
    release: Release,
    /// Where the sandbox listens, in place of its Service.
    carrier: String,
}

impl Site {
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
            let object = json!(self.release.api::<K>().get_opt(name).await.unwrap()?);
            let conditions = object["status"]["conditions"].as_array()?;
            conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_release_with_the_sandbox_has_two_numbers_ready_without_a_carrier_account_and_leaves_nothing_behind() {
    let site = Site { release: Release::site().await, carrier: free_address() };
    let Site { release, carrier } = &site;
    // Its pod may begin before its kinds are served.
    release.install(&["sandbox.enabled=true", "crds.install=false"]);

    let mounted = release.dir.path().join("objects.yaml");
    let objects = release.api::<ConfigMap>().get("dialplane-sandbox").await.unwrap().data.unwrap();
    fs::write(&mounted, &objects["objects.yaml"]).unwrap();
    let here = [("0.0.0.0:4010", &**carrier), ("/etc/dialplane/sandbox/objects.yaml", mounted.to_str().unwrap())];
    let sandbox = release.start("dialplane-sandbox", &here, &[]).await;
    let refused = || async { sandbox.log().contains("could not create CarrierAccount").then_some(()) };
    eventually("it tells what is missing", refused).await;
    let upgrade =
        ["upgrade", "dialplane", chart::CHART, "--namespace", chart::NAMESPACE, "--set", "sandbox.enabled=true"];
    let said = release.helm(&upgrade);
    // The name of the Service leads nowhere here: the sandbox itself takes the place of a proxy.
    let proxy = [("HTTP_PROXY", format!("http://{}", carrier))];
    let operator = release.start("dialplane", &[("0.0.0.0:8080", "127.0.0.1:0")], &proxy).await;

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
    release.api::<PhoneNumber>().patch(name, &Default::default(), &suspended).await.unwrap();
    let sandbox = release.start("dialplane-sandbox", &here, &[]).await;
    let begun = || async { sandbox.log().matches("stays as it is").nth(3).map(drop) };
    eventually("it has looked at all four", begun).await;
    assert!(release.api::<PhoneNumber>().get(name).await.unwrap().spec.suspend);
    let resumed = kube::api::Patch::Merge(json!({"spec": {"suspend": false}}));
    release.api::<PhoneNumber>().patch(name, &Default::default(), &resumed).await.unwrap();

    // As the notes say it.
    let delete = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("kubectl ").filter(|line| line.contains(" delete phonenumbers,")));
    release.kubectl(&delete.unwrap_or_else(|| panic!("{said}")).split(' ').collect::<Vec<_>>());
    let claims: Api<NumberClaim> = Api::all(release.client.clone());
    let none = || async { claims.list(&Default::default()).await.unwrap().items.is_empty().then_some(()) };
    eventually("no number is claimed", none).await;
    assert!(site.voice_urls().await.iter().all(|(_, url)| url.is_empty()), "{:?}", site.voice_urls().await);
    let summary = site.asked("ledger/summary").await.unwrap();
    assert_eq!((&summary["purchases"], &summary["releases"]), (&json!(0), &json!(0)), "{summary}");
    drop((operator, sandbox));

    release.helm(&["uninstall", "dialplane", "--namespace", chart::NAMESPACE]);
    let left = release.kubectl(&[
        "get",
        "-A",
        "-o",
        "name",
        "-l",
        "dialplane.dev/sandbox=true",
        "dialplane,deployments,services,configmaps,secrets,serviceaccounts,roles,rolebindings,networkpolicies",
    ]);
    assert_eq!(left, "");
}
