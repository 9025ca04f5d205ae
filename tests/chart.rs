//! What the Helm chart renders, what values it takes, and what it installs.

use std::{collections::BTreeSet, process::Command};

use dialplane::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use crate::support::{chart, cli};

/// Everything that can be switched on.
const EVERYTHING: [&str; 18] = [
    "replicas=2",
    "carriers.allowedEndpoints={http://sandbox:4010,https://proxy.example.com/twilio}",
    "proxy.httpsProxy=http://proxy.example.com:3128",
    "proxy.httpProxy=http://proxy.example.com:3128",
    "proxy.noProxy=.svc\\,10.0.0.0/8",
    "carrierCA.configMapName=company-ca",
    "installation=prod-eu",
    "settlingTime=15m",
    "log.format=text",
    "log.filter=debug",
    "imagePullSecrets[0].name=registry",
    "metrics.serviceMonitor.enabled=true",
    "metrics.serviceMonitor.labels.release=prometheus",
    "podDisruptionBudget.enabled=true",
    "podLabels.team=telephony",
    "tolerations[0].operator=Exists",
    "nodeSelector.pool=system",
    "priorityClassName=system-cluster-critical",
];

fn kinds(objects: &[Value]) -> BTreeSet<&str> {
    objects.iter().map(|object| object["kind"].as_str().unwrap()).collect()
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    objects.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[test]
fn helm_finds_nothing_to_complain_about() {
    let output = Command::new(cli::helm()).args(["lint", "--strict", chart::CHART]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn by_default_there_are_definitions_permissions_an_operator_and_its_metrics() {
    let objects = chart::render(&[]);
    let expected = [
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "Deployment",
        "Service",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ];
    assert_eq!(kinds(&objects), BTreeSet::from(expected));
    let arguments = &named(&objects, "Deployment", "dialplane")["spec"]["template"]["spec"]["containers"][0]["args"];
    assert!(!arguments.to_string().contains("allow-endpoint"), "no endpoint is allowed by default: {arguments}");
}

#[test]
fn what_is_switched_on_comes_and_what_is_switched_off_goes() {
    let objects = chart::render(&EVERYTHING);
    let further = ["ServiceMonitor", "PodDisruptionBudget"];
    assert!(further.iter().all(|kind| kinds(&objects).contains(kind)), "{:?}", kinds(&objects));
    let deployment = named(&objects, "Deployment", "dialplane");
    assert_eq!(deployment["spec"]["replicas"], 2);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let arguments = [
        "run",
        "--health-address=0.0.0.0:8080",
        "--log-format=text",
        "--installation=prod-eu",
        "--settling-time=15m",
        "--allow-endpoint=http://sandbox:4010",
        "--allow-endpoint=https://proxy.example.com/twilio",
        "--carrier-ca-file=/etc/dialplane/carrier-ca/ca.crt",
    ];
    assert_eq!(container["args"], json!(arguments));
    assert_eq!(deployment["spec"]["template"]["metadata"]["labels"]["team"], "telephony");

    let off =
        ["crds.install", "serviceAccount.create", "metrics.service.enabled", "policies.annotations", "policies.memory"];
    let off = off.map(|value| format!("{value}=false"));
    let objects = chart::render(&off.each_ref().map(String::as_str));
    assert_eq!(kinds(&objects), BTreeSet::from(["ClusterRole", "ClusterRoleBinding", "Deployment"]));
}

/// The pod's only container, the variables that it has of proxies, and the pod's volumes.
fn way_out(values: &[&str]) -> (Value, Vec<Value>, Value) {
    let objects = chart::render(values);
    let pod = &named(&objects, "Deployment", "dialplane")["spec"]["template"]["spec"];
    let container = pod["containers"][0].clone();
    let variables = container["env"].as_array().unwrap().iter();
    let proxies = variables.filter(|variable| variable["name"].as_str().unwrap().ends_with("PROXY")).cloned().collect();
    (container, proxies, pod["volumes"].clone())
}

#[test]
fn a_proxy_and_an_authority_are_the_pods_where_they_are_named() {
    let (container, proxies, volumes) = way_out(&[]);
    assert_eq!((proxies.len(), &volumes, &container["volumeMounts"]), (0, &Value::Null, &Value::Null));
    assert!(!container["args"].to_string().contains("carrier-ca"));

    let (container, proxies, volumes) = way_out(&EVERYTHING);
    let variable = |name: &str, value: &str| json!({"name": name, "value": value});
    let proxy = "http://proxy.example.com:3128";
    let expected =
        [variable("HTTPS_PROXY", proxy), variable("HTTP_PROXY", proxy), variable("NO_PROXY", ".svc,10.0.0.0/8")];
    assert_eq!(proxies, expected);
    assert_eq!(volumes, json!([{"name": "carrier-ca", "configMap": {"name": "company-ca"}}]));
    let mount = json!([{"name": "carrier-ca", "mountPath": "/etc/dialplane/carrier-ca", "readOnly": true}]);
    assert_eq!(container["volumeMounts"], mount);

    let (container, proxies, volumes) =
        way_out(&["proxy.secretName=proxy", "carrierCA.secretName=company-ca", "carrierCA.key=bundle.pem"]);
    let secret = json!({"secretKeyRef": {"name": "proxy", "key": "httpsProxy"}});
    assert_eq!(proxies, [json!({"name": "HTTPS_PROXY", "valueFrom": secret})]);
    assert_eq!(volumes, json!([{"name": "carrier-ca", "secret": {"secretName": "company-ca"}}]));
    assert!(container["args"].to_string().contains("--carrier-ca-file=/etc/dialplane/carrier-ca/bundle.pem"));
}

#[test]
fn a_proxy_or_an_authority_that_is_named_twice_is_refused() {
    for (values, named) in [
        (["proxy.httpsProxy=http://proxy", "proxy.secretName=proxy"], "proxy"),
        (["carrierCA.secretName=a", "carrierCA.configMapName=b"], "carrierCA"),
    ] {
        let output = chart::template(&["--set", values[0], "--set", values[1]]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(named), "{values:?}: {said}");
    }
}

#[test]
fn the_definitions_are_those_of_the_code_and_stay_when_the_release_goes() {
    let objects = chart::render(&[]);
    for crd in api::crds() {
        let rendered = named(&objects, "CustomResourceDefinition", crd.metadata.name.as_deref().unwrap());
        assert_eq!(rendered["metadata"]["annotations"], json!(crd.metadata.annotations));
        // As the API server reads it: helm writes 1000.0 as 1000.
        let rendered: CustomResourceDefinition = serde_json::from_value(rendered.clone()).unwrap();
        assert_eq!(rendered.spec, crd.spec);
    }
    let count = objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition").count();
    assert_eq!(count, api::crds().len());
}

#[test]
fn no_permission_goes_with_a_namespace() {
    for objects in [chart::render(&[]), chart::render(&EVERYTHING)] {
        assert!(!kinds(&objects).contains("RoleBinding") && !kinds(&objects).contains("Role"));
        let binding = named(&objects, "ClusterRoleBinding", "dialplane-operator");
        let subject = json!({"kind": "ServiceAccount", "name": "dialplane", "namespace": chart::NAMESPACE});
        assert_eq!(binding["subjects"], json!([subject]));
    }
}

#[test]
fn secrets_may_be_read_in_some_namespaces_only() {
    let objects = chart::render(&["secrets.namespaces={telephony,clinics}"]);
    let operator = named(&objects, "ClusterRole", "dialplane-operator");
    assert!(!operator.to_string().contains("secrets") && operator.to_string().contains("phonenumbers"), "{operator}");
    for kind in ["Role", "RoleBinding"] {
        let of_kind = objects.iter().filter(|object| object["kind"] == kind);
        let namespaces: Vec<&str> = of_kind.map(|object| object["metadata"]["namespace"].as_str().unwrap()).collect();
        assert_eq!(namespaces, ["telephony", "clinics"]);
    }
    let role = named(&objects, "Role", "dialplane-secrets");
    assert_eq!(role["rules"], json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]));
    let everywhere = chart::render(&[]);
    assert!(named(&everywhere, "ClusterRole", "dialplane-operator").to_string().contains("secrets"));
}

#[test]
fn the_clusters_own_roles_include_our_kinds_unless_it_is_switched_off() {
    let aggregated = |objects: &[Value]| -> BTreeSet<(String, String)> {
        let roles = objects.iter().filter(|object| object["kind"] == "ClusterRole");
        let labels = roles.flat_map(|role| {
            let name = role["metadata"]["name"].as_str().unwrap().to_owned();
            let labels = role["metadata"]["labels"].as_object().unwrap().clone();
            labels.into_iter().map(move |(label, _)| (name.clone(), label))
        });
        let prefix = "rbac.authorization.k8s.io/aggregate-to-";
        labels.filter_map(|(name, label)| Some((name, label.strip_prefix(prefix)?.to_owned()))).collect()
    };
    let with = aggregated(&chart::render(&[]));
    for (role, into) in [("view", "view"), ("edit", "edit"), ("edit", "admin"), ("admin", "admin")] {
        assert!(with.contains(&(format!("dialplane-{role}"), into.to_owned())), "{role} in {into}: {with:?}");
    }
    assert!(!with.contains(&("dialplane-admin".to_owned(), "edit".to_owned())), "accounts are for administrators");
    assert!(aggregated(&chart::render(&["rbac.aggregate=false"])).is_empty());
}

#[test]
fn a_value_that_does_nothing_is_refused() {
    for (value, named) in [
        ("replica=2", "replica"),
        ("image.registry=example.com", "registry"),
        ("crds.keep=true", "keep"),
        ("metrics.serviceMonitor.enable=true", "enable"),
        ("resources.request.cpu=1", "request"),
        ("tolerations[0].keys=a", "keys"),
        ("replicas=two", "replicas"),
        ("replicas=-1", "replicas"),
        ("log.format=xml", "format"),
        ("crds.install=maybe", "install"),
        ("installation=Prod_EU", "installation"),
        ("settlingTime=15", "settlingTime"),
        ("settlingTime=1500ms", "settlingTime"),
        ("settlingTime=soon", "settlingTime"),
        ("serviceAccount.name=", "name"),
        ("carriers.endpoints={http://a}", "endpoints"),
        ("carriers.allowedEndpoints={sandbox:4010}", "allowedEndpoints"),
        ("carriers.allowedEndpoints={http://user:secret@sandbox}", "allowedEndpoints"),
        ("proxy.httpsProxy=proxy:3128", "httpsProxy"),
        ("proxy.httpsProxy=socks5://proxy:1080", "httpsProxy"),
        ("proxy.httpsProxy=http://user:secret@proxy:3128", "httpsProxy"),
        ("proxy.noProxy=a b", "noProxy"),
        ("proxy.allProxy=http://proxy", "allProxy"),
        ("carrierCA.key=", "key"),
        ("carrierCA.key=../ca.crt/x", "key"),
        ("carrierCA.file=/ca.crt", "file"),
        ("secrets.namespaces={A_b}", "namespaces"),
        ("policies.approve=true", "approve"),
        ("policies.memory=maybe", "memory"),
    ] {
        let output = chart::template(&["--set", value]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(named), "{value}: {said}");
    }
}

#[test]
fn every_value_has_a_place_in_the_schema_and_the_schema_is_closed() {
    fn walk(path: &str, values: &Value, schema: &Value) {
        if schema["type"] == "object" {
            assert!(schema["additionalProperties"].is_object() || schema["additionalProperties"] == false, "{path}");
            for (name, value) in values.as_object().unwrap() {
                let known = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                walk(&format!("{path}.{name}"), value, known);
            }
        }
        assert!(schema.is_object(), "{path} is not in the schema");
    }
    let read = |name: &str| std::fs::read_to_string(format!("{}/{name}", chart::CHART)).unwrap();
    let values: Value = serde_yaml_ng::from_str(&read("values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    walk("", &values, &schema);
    // `global` is Helm's own: it hands it to every chart that is a part of another.
    let properties = schema["properties"].as_object().unwrap().keys().filter(|name| *name != "global");
    let documented: BTreeSet<&String> = values.as_object().unwrap().keys().collect();
    assert_eq!(properties.collect::<BTreeSet<_>>(), documented, "what can be set stands in values.yaml");
}
