//! What the Helm chart renders, what values it takes, and what it installs.

use std::{collections::BTreeSet, process::Command};

use dialplane::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::support::{self, chart, cli, cluster};

/// Every value that can be set beside the others, as JSON.
const EVERYTHING: [(&str, &str); 63] = [
    ("replicas", "2"),
    ("carriers.allowedEndpoints", r#"["http://sandbox:4010", "https://proxy.example.com/twilio"]"#),
    ("proxy.httpsProxy", r#""http://proxy.example.com:3128""#),
    ("proxy.httpProxy", r#""http://proxy.example.com:3129""#),
    ("proxy.noProxy", r#"".svc,10.0.0.0/8""#),
    ("carrierCA.configMapName", r#""company-ca""#),
    ("carrierCA.key", r#""bundle.pem""#),
    ("installation", r#""prod-eu""#),
    ("settlingTime", r#""15m""#),
    ("image.repository", r#""registry.example.com/dialplane""#),
    ("image.digest", r#""sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef""#),
    ("image.pullPolicy", r#""Always""#),
    ("imagePullSecrets", r#"[{"name": "registry"}]"#),
    ("policies.protectNumbersInService", "true"),
    ("log.format", r#""text""#),
    ("log.filter", r#""debug""#),
    ("crds.annotations", r#"{"example.com/owner": "telephony", "helm.sh/resource-policy": "delete"}"#),
    ("serviceAccount.annotations", r#"{"example.com/role": "dialplane"}"#),
    ("resources.requests.cpu", r#""50m""#),
    ("resources.requests.memory", r#""65Mi""#),
    ("resources.limits.memory", r#""257Mi""#),
    ("commonLabels", r#"{"team": "telephony", "app.kubernetes.io/name": "other"}"#),
    ("deploymentAnnotations", r#"{"example.com/restart": "secret"}"#),
    ("podAnnotations", r#"{"example.com/scrape": "yes"}"#),
    ("podLabels", r#"{"tier": "operator"}"#),
    ("strategy", r#"{"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}}"#),
    ("revisionHistoryLimit", "0"),
    ("extraArgs", r#"["--lease-duration=30s"]"#),
    ("extraEnv", r#"[{"name": "TZ", "value": "UTC"}]"#),
    ("extraVolumes", r#"[{"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}}]"#),
    ("extraVolumeMounts", r#"[{"name": "scratch", "mountPath": "/scratch"}]"#),
    ("automountServiceAccountToken", "false"),
    ("podSecurityContext.runAsNonRoot", "null"),
    ("podSecurityContext.seccompProfile.type", r#""Localhost""#),
    ("podSecurityContext.seccompProfile.localhostProfile", r#""dialplane.json""#),
    ("containerSecurityContext.allowPrivilegeEscalation", "null"),
    ("containerSecurityContext.readOnlyRootFilesystem", "false"),
    ("containerSecurityContext.capabilities.drop", r#"["NET_RAW"]"#),
    ("containerSecurityContext.runAsUser", "65532"),
    ("hostUsers", "false"),
    ("nodeSelector", r#"{"pool": "system"}"#),
    ("tolerations", r#"[{"operator": "Exists"}]"#),
    ("affinity", r#"{"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}"#),
    (
        "topologySpreadConstraints",
        r#"[{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 3}]"#,
    ),
    ("priorityClassName", r#""system-cluster-critical""#),
    ("runtimeClassName", r#""dialplane-sandboxed""#),
    ("hostAliases", r#"[{"ip": "10.0.0.1", "hostnames": ["proxy.example.com"]}]"#),
    ("dnsPolicy", r#""None""#),
    (
        "dnsConfig",
        r#"{"nameservers": ["10.0.0.2"], "searches": ["svc"], "options": [{"name": "ndots", "value": "2"}]}"#,
    ),
    ("metrics.service.annotations", r#"{"example.com/scrape": "yes"}"#),
    ("metrics.serviceMonitor.enabled", "true"),
    ("metrics.serviceMonitor.labels", r#"{"release": "prometheus"}"#),
    ("metrics.serviceMonitor.interval", r#""15s""#),
    ("metrics.serviceMonitor.scrapeTimeout", r#""5s""#),
    ("metrics.serviceMonitor.honorLabels", "true"),
    ("metrics.serviceMonitor.relabelings", r#"[{"targetLabel": "cluster", "replacement": "eu"}]"#),
    ("metrics.serviceMonitor.metricRelabelings", r#"[{"action": "labeldrop", "regex": "pod"}]"#),
    ("podDisruptionBudget.minAvailable", r#""50%""#),
    ("networkPolicy.enabled", "true"),
    ("networkPolicy.metricsFrom", r#"[{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]"#),
    ("networkPolicy.carriersTo", r#"[{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}]"#),
    ("networkPolicy.apiServerTo", r#"[{"ipBlock": {"cidr": "10.0.0.1/32"}}]"#),
    ("argocd.customizations", "true"),
];

/// The Secret of the metrics' certificate, without which they cannot be served by TLS.
const TLS: &str = r#""metrics-tls""#;

/// The rest: what would take another value's place, or takes something away. Each ends with its value, after those that it needs.
const ALONE: [&[(&str, &str)]; 30] = [
    &[("crds.install", "false")],
    &[("serviceAccount.create", "false")],
    &[("serviceAccount.name", r#""other""#)],
    &[("rbac.aggregate", "false")],
    &[("secrets.namespaces", r#"["default"]"#)],
    &[("watchNamespaces", r#"["default"]"#)],
    &[("policies.annotations", "false")],
    &[("policies.memory", "false")],
    &[("image.tag", r#""v1""#)],
    &[("sandbox.enabled", "true")],
    &[("sandbox.enabled", "true"), ("sandbox.image.tag", r#""v1""#)],
    &[
        ("sandbox.enabled", "true"),
        ("sandbox.image.digest", r#""sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef""#),
    ],
    &[("sandbox.enabled", "true"), ("sandbox.resources.requests.cpu", r#""11m""#)],
    &[("sandbox.enabled", "true"), ("sandbox.resources.requests.memory", r#""33Mi""#)],
    &[("sandbox.enabled", "true"), ("sandbox.resources.limits.memory", r#""129Mi""#)],
    &[("sandbox.enabled", "true"), ("proxy.httpProxy", r#""http://proxy.example.com:3129""#)],
    &[("proxy.secretName", r#""proxy""#)],
    &[("carrierCA.secretName", r#""company-ca""#)],
    &[("metrics.service.enabled", "false")],
    &[("metrics.secure.certificateSecretName", TLS), ("metrics.secure.enabled", "true")],
    &[
        ("metrics.secure.certificateSecretName", TLS),
        ("metrics.secure.enabled", "true"),
        ("metrics.secure.certificateSecretName", r#""other""#),
    ],
    &[
        ("metrics.secure.certificateSecretName", TLS),
        ("metrics.secure.enabled", "true"),
        ("metrics.secure.readers", r#"[{"name": "prometheus", "namespace": "monitoring"}]"#),
    ],
    &[
        ("metrics.secure.certificateSecretName", TLS),
        ("metrics.secure.enabled", "true"),
        ("metrics.serviceMonitor.enabled", "true"),
        ("metrics.serviceMonitor.tlsConfig", r#"{"insecureSkipVerify": true}"#),
    ],
    &[
        ("metrics.secure.certificateSecretName", TLS),
        ("metrics.secure.enabled", "true"),
        ("metrics.serviceMonitor.enabled", "true"),
        ("metrics.serviceMonitor.authorization", r#"{"credentials": {"name": "scraper", "key": "token"}}"#),
    ],
    &[("replicas", "2"), ("podDisruptionBudget.enabled", "false")],
    &[("replicas", "2"), ("podDisruptionBudget.maxUnavailable", "2")],
    &[("networkPolicy.enabled", "true"), ("networkPolicy.apiServerPorts", "[8443]")],
    &[("networkPolicy.enabled", "true"), ("networkPolicy.extraIngress", "[{}]")],
    &[("networkPolicy.enabled", "true"), ("networkPolicy.extraEgress", r#"[{"ports": [{"port": 8080}]}]"#)],
    &[(
        "extraObjects",
        r#"[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "{{ .Release.Namespace }}"}}]"#,
    )],
];

/// The objects of the chart with these values.
fn render(values: &[(&str, &str)], further: &[&str]) -> Vec<Value> {
    let set: Vec<String> = values.iter().map(|(path, value)| format!("{path}={value}")).collect();
    let set = set.iter().flat_map(|value| ["--set-json", value]);
    chart::render_with(&set.chain(further.iter().copied()).collect::<Vec<_>>())
}

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
    let objects = render(&EVERYTHING, &[]);
    let further = ["ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "ServiceMonitor"];
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
        "--carrier-ca-file=/etc/dialplane/carrier-ca/bundle.pem",
        "--lease-duration=30s",
    ];
    assert_eq!(container["args"], json!(arguments));
    let digest = "0123456789abcdef".repeat(4);
    assert_eq!(container["image"], format!("registry.example.com/dialplane@sha256:{digest}"));

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

    let (container, proxies, volumes) = way_out(&[
        "proxy.httpsProxy=http://proxy.example.com:3128",
        "proxy.httpProxy=http://proxy.example.com:3128",
        "proxy.noProxy=.svc\\,10.0.0.0/8",
        "carrierCA.configMapName=company-ca",
    ]);
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
fn values_that_contradict_each_other_are_refused() {
    for (values, named) in [
        (["proxy.httpsProxy=http://proxy", "proxy.secretName=proxy"], "proxy"),
        (["carrierCA.secretName=a", "carrierCA.configMapName=b"], "carrierCA"),
        (["sandbox.enabled=true", "watchNamespaces={telephony}"], "watchNamespaces"),
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
    for objects in [chart::render(&[]), render(&EVERYTHING, &[])] {
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
fn where_some_namespaces_are_watched_only_what_has_none_is_granted_cluster_wide() {
    let namespaces_of = |objects: &[Value], name: &str| -> Vec<String> {
        let bindings = objects.iter().filter(|object| object["kind"] == "RoleBinding");
        let named =
            bindings.filter(|binding| binding["metadata"]["name"] == name && binding["roleRef"]["name"] == name);
        named.map(|binding| binding["metadata"]["namespace"].as_str().unwrap().to_owned()).collect()
    };
    let objects = chart::render(&["watchNamespaces={telephony,clinics}"]);
    let resources = |role: &Value| -> Vec<String> {
        let rules = role["rules"].as_array().unwrap().iter();
        rules.map(|rule| rule["resources"][0].as_str().unwrap().to_owned()).collect()
    };
    let cluster = resources(named(&objects, "ClusterRole", "dialplane-operator"));
    assert_eq!(cluster, ["numberclaims", "namespaces", "customresourcedefinitions", "events"]);
    let everywhere = chart::render(&[]);
    let all = resources(named(&everywhere, "ClusterRole", "dialplane-operator"));
    let (mut narrowed, mut all) = (cluster, all);
    for name in ["dialplane-operator", "dialplane-secrets", "dialplane-leader-election"] {
        narrowed.extend(resources(named(&objects, "Role", name)));
    }
    narrowed.sort();
    all.sort();
    assert_eq!(narrowed, all, "every rule is somewhere, once");
    for name in ["dialplane-operator", "dialplane-secrets"] {
        assert_eq!(namespaces_of(&objects, name), ["telephony", "clinics"]);
    }
    assert_eq!(namespaces_of(&objects, "dialplane-leader-election"), [chart::NAMESPACE]);
    let deployment = named(&objects, "Deployment", "dialplane").to_string();
    assert!(deployment.contains(r#""--watch-namespaces=telephony,clinics""#), "{deployment}");

    let fewer = chart::render(&["watchNamespaces={telephony,clinics}", "secrets.namespaces={telephony}"]);
    assert_eq!(namespaces_of(&fewer, "dialplane-secrets"), ["telephony"]);
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
        ("watchNamespaces={A_b}", "watchNamespaces"),
        ("watchNamespaces={a,a}", "watchNamespaces"),
        ("policies.approve=true", "approve"),
        ("policies.memory=maybe", "memory"),
        ("policies.protectNumbersInService=maybe", "protectNumbersInService"),
        ("image.digest=latest", "digest"),
        ("sandbox.enable=true", "enable"),
        ("sandbox.enabled=maybe", "enabled"),
        ("sandbox.image.repository=example.com", "repository"),
        ("sandbox.image.digest=latest", "digest"),
        ("sandbox.resources.request.cpu=1", "request"),
        ("sandbox.numbers={+14155550101}", "numbers"),
        ("extraArgs[0]=", "extraArgs"),
        ("extraEnv[0].value=x", "extraEnv"),
        ("extraVolumes[0].hostPath.path=/x", "extraVolumes"),
        ("extraVolumeMounts[0].name=x", "extraVolumeMounts"),
        ("dnsPolicy=Mine", "dnsPolicy"),
        ("dnsConfig.servers={10.0.0.1}", "servers"),
        ("hostUsers=maybe", "hostUsers"),
        ("hostAliases[0].ips=10.0.0.1", "hostAliases"),
        ("strategy.type=Canary", "strategy"),
        ("revisionHistoryLimit=-1", "revisionHistoryLimit"),
        ("topologySpreadConstraints[0].maxSkew=1", "topologySpreadConstraints"),
        ("commonLabels.a=1", "commonLabels"),
        ("crds.annotations.a=1", "annotations"),
        ("podDisruptionBudget.min=1", "min"),
        ("networkPolicy.egress=x", "egress"),
        ("networkPolicy.apiServerPorts={https}", "apiServerPorts"),
        ("metrics.serviceMonitor.scrapeTimeout=soon", "scrapeTimeout"),
        ("metrics.secure.enabled=true", "certificateSecretName"),
        ("metrics.secure.certificateSecretName=A_b", "certificateSecretName"),
        ("metrics.secure.readers[0].name=prometheus", "readers"),
        ("metrics.secure.tls=true", "tls"),
        ("metrics.serviceMonitor.honourLabels=true", "honourLabels"),
        ("argocd.enabled=true", "enabled"),
        ("extraObjects[0].kind=Secret", "extraObjects"),
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
            if values.as_object().is_some_and(|values| !values.is_empty()) {
                let undocumented: Vec<&String> = schema["properties"]
                    .as_object()
                    .into_iter()
                    .flat_map(|known| known.keys())
                    // `global` is Helm's own: it hands it to every chart that is a part of another.
                    .filter(|name| values.get(name).is_none() && *name != "global")
                    .collect();
                assert!(
                    undocumented.is_empty(),
                    "what can be set stands in values.yaml, without {path}: {undocumented:?}"
                );
            }
            for (name, value) in values.as_object().unwrap() {
                let known = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                walk(&format!("{path}.{name}"), value, known);
            }
        }
        assert!(schema.is_object(), "{path} is not in the schema");
    }
    let schema = std::fs::read_to_string(format!("{}/values.schema.json", chart::CHART)).unwrap();
    walk("", &defaults(), &serde_json::from_str(&schema).unwrap());
}

/// values.yaml, as it is.
fn defaults() -> Value {
    serde_yaml_ng::from_str(&std::fs::read_to_string(format!("{}/values.yaml", chart::CHART)).unwrap()).unwrap()
}

/// The paths of what has a value of its own.
fn leaves(path: &str, values: &Value) -> Vec<String> {
    match values.as_object().filter(|fields| !fields.is_empty()) {
        None => vec![path.to_owned()],
        Some(fields) => fields
            .iter()
            .flat_map(|(name, value)| leaves(format!("{path}.{name}").trim_start_matches('.'), value))
            .collect(),
    }
}

#[test]
fn every_value_does_something() {
    let everything = render(&EVERYTHING, &[]);
    for (position, (path, _)) in EVERYTHING.iter().enumerate() {
        let others = [&EVERYTHING[..position], &EVERYTHING[position + 1..]].concat();
        assert_ne!(render(&others, &[]), everything, "{path} does nothing");
    }
    for values in ALONE {
        let (last, before) = values.split_last().unwrap();
        assert_ne!(render(values, &[]), render(before, &[]), "{} does nothing", last.0);
    }
    let tried: BTreeSet<&str> =
        EVERYTHING.iter().map(|(path, _)| *path).chain(ALONE.iter().map(|values| values.last().unwrap().0)).collect();
    // Read by Helm: the test of an umbrella chart shows it.
    let missing = leaves("", &defaults()).into_iter().filter(|path| path != "enabled" && !tried.contains(&**path));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<String>::new(), "these values are tried by nothing");
}

#[tokio::test]
async fn the_api_server_takes_all_that_the_chart_installs_and_the_pod_where_only_restricted_ones_may_run() {
    let client = cluster().await.client().await;
    let namespace = support::fresh_namespace(&client).await;
    let restricted = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let restricted =
        json!({"metadata": {"name": namespace, "labels": restricted}, "apiVersion": "v1", "kind": "Namespace"});
    chart::apply(&client, &restricted).await;
    // What the pod names and the API server looks for.
    let class = json!({"metadata": {"name": "dialplane-sandboxed"}, "handler": "x", "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass"});
    chart::apply(&client, &class).await;

    let lax = |path: &str| path.starts_with("podSecurityContext") || path.starts_with("containerSecurityContext");
    let strict: Vec<(&str, &str)> = EVERYTHING.into_iter().filter(|(path, _)| !lax(path)).collect();
    let alone = ALONE.iter().map(|values| values.to_vec());
    for values in [vec![], strict, EVERYTHING.to_vec()].into_iter().chain(alone) {
        let objects = render(&values, &["--namespace", &namespace]);
        for object in objects.iter().filter(|object| object["kind"] == "ServiceAccount") {
            chart::apply(&client, object).await;
        }
        // The Prometheus operator's kind is not served here: another test looks at it.
        for object in objects.iter().filter(|object| object["kind"] != "ServiceMonitor") {
            chart::check(&client, object).await.unwrap_or_else(|error| panic!("{values:?}: {error}"));
        }
        for deployment in objects.iter().filter(|object| object["kind"] == "Deployment") {
            let metadata = json!({"name": deployment["metadata"]["name"], "namespace": namespace});
            let spec = &deployment["spec"]["template"]["spec"];
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
            let answer = chart::check(&client, &pod).await;
            if values.iter().any(|(path, _)| lax(path)) {
                let refused = answer.unwrap_err();
                assert!(refused.contains("violates PodSecurity"), "whoever sets less gets less: {refused}");
            } else {
                assert_eq!(answer, Ok(()), "{values:?}");
            }
        }
    }
}

#[test]
fn a_second_replica_is_kept_apart_from_the_first_and_from_being_evicted_with_it() {
    let one = chart::render(&[]);
    let spread = |objects: &[Value]| -> Value {
        named(objects, "Deployment", "dialplane")["spec"]["template"]["spec"]["topologySpreadConstraints"].clone()
    };
    assert!(spread(&one).is_null() && !kinds(&one).contains("PodDisruptionBudget"));

    let two = chart::render(&["replicas=2"]);
    let ours = json!({"app.kubernetes.io/name": "dialplane", "app.kubernetes.io/instance": "dialplane"});
    let over = |key: &str, skew: u8, when: &str| {
        let selector = json!({"matchLabels": ours});
        json!({"topologyKey": key, "maxSkew": skew, "whenUnsatisfiable": when, "labelSelector": selector})
    };
    let keys = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"];
    assert_eq!(spread(&two), json!(keys.map(|key| over(key, 1, "ScheduleAnyway"))));
    let budget = &named(&two, "PodDisruptionBudget", "dialplane")["spec"];
    assert_eq!(budget, &json!({"maxUnavailable": 1, "selector": {"matchLabels": ours}}));

    let mut rack = over("rack", 2, "DoNotSchedule");
    rack["minDomains"] = json!(3);
    let everything = render(&EVERYTHING, &[]);
    assert_eq!(spread(&everything), json!([rack]));
    let budget = &named(&everything, "PodDisruptionBudget", "dialplane")["spec"];
    assert_eq!((&budget["minAvailable"], &budget["maxUnavailable"]), (&json!("50%"), &Value::Null));
}

#[test]
fn labels_of_ones_own_come_beside_ours_and_never_in_their_place() {
    let objects = render(&EVERYTHING, &[]);
    for object in &objects {
        let labels = &object["metadata"]["labels"];
        assert_eq!((&labels["team"], &labels["app.kubernetes.io/name"]), (&json!("telephony"), &json!("dialplane")));
    }
    let deployment = &named(&objects, "Deployment", "dialplane")["spec"];
    assert!(deployment["selector"]["matchLabels"]["team"].is_null(), "it could never be changed");
    let pod = &deployment["template"]["metadata"]["labels"];
    assert_eq!((&pod["team"], &pod["tier"]), (&json!("telephony"), &json!("operator")));
    let definition = named(&objects, "CustomResourceDefinition", "agents.dialplane.dev");
    let annotations = &definition["metadata"]["annotations"];
    assert_eq!(annotations["example.com/owner"], "telephony");
    assert_eq!(annotations["helm.sh/resource-policy"], "keep", "nothing takes that away");
}

#[test]
fn a_service_monitor_is_as_the_values_say() {
    let objects = render(&EVERYTHING, &[]);
    let monitor = named(&objects, "ServiceMonitor", "dialplane");
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    let endpoint = json!({
        "port": "http", "path": "/metrics", "interval": "15s", "scrapeTimeout": "5s", "honorLabels": true,
        "relabelings": [{"targetLabel": "cluster", "replacement": "eu"}],
        "metricRelabelings": [{"action": "labeldrop", "regex": "pod"}],
    });
    assert_eq!(monitor["spec"]["endpoints"], json!([endpoint]));
}

/// Whether these labels are selected by that.
fn selects(selector: &Value, labels: &Value) -> bool {
    selector.as_object().unwrap().iter().all(|(name, value)| labels[name] == *value)
}

#[test]
fn the_sandbox_says_that_it_is_none_and_is_not_taken_for_the_operator() {
    let before = render(&[("networkPolicy.enabled", "true")], &[]);
    let objects = render(&[("networkPolicy.enabled", "true"), ("sandbox.enabled", "true")], &[]);
    let ours: Vec<&Value> =
        objects.iter().filter(|o| o["metadata"]["labels"]["dialplane.dev/sandbox"] == "true").collect();
    assert_eq!(objects.len(), before.len() + ours.len());
    assert!(!objects.iter().any(|object| object["apiVersion"].as_str().unwrap().starts_with("dialplane.dev/")));

    let created = named(&objects, "ConfigMap", "dialplane-sandbox")["data"]["objects.yaml"].as_str().unwrap();
    let created = serde_yaml_ng::Deserializer::from_str(created).map(|one| Value::deserialize(one).unwrap());
    let created: Vec<Value> = created.collect();
    let expected = ["CarrierAccount", "Agent", "PhoneNumber", "PhoneNumber"];
    assert_eq!(created.iter().map(|object| object["kind"].as_str().unwrap()).collect::<Vec<_>>(), expected);
    for object in &created {
        let labels = &object["metadata"]["labels"];
        let of_release =
            labels["app.kubernetes.io/instance"].is_string() || labels["app.kubernetes.io/managed-by"] == "Helm";
        assert!(!of_release, "it is not, and Argo CD would prune it: {labels}");
    }
    for object in ours.into_iter().chain(&created) {
        let said = object["metadata"]["annotations"]["kubernetes.io/description"].as_str().unwrap_or_default();
        assert!(said.contains("Simulated") && said.contains("no real carrier"), "{object}");
        assert_eq!(object["metadata"]["labels"]["dialplane.dev/sandbox"], "true");
        assert_eq!(object["metadata"]["namespace"], chart::NAMESPACE);
    }

    let pod = |name: &str| &named(&objects, "Deployment", name)["spec"]["template"];
    let labels = ["dialplane", "dialplane-sandbox"].map(|name| &pod(name)["metadata"]["labels"]);
    let selectors = |object: &Value| {
        let spec = &object["spec"];
        let all = [&spec["selector"]["matchLabels"], &spec["podSelector"]["matchLabels"], &spec["selector"]];
        all.into_iter().find(|selector| selector.is_object() && selector["matchLabels"].is_null()).cloned()
    };
    for object in &objects {
        let Some(selector) = selectors(object) else { continue };
        let of_sandbox = object["metadata"]["name"] == "dialplane-sandbox";
        assert_eq!(labels.map(|labels| selects(&selector, labels)), [!of_sandbox, of_sandbox], "{object}");
    }

    let url = format!("http://dialplane-sandbox.{}.svc:4010", chart::NAMESPACE);
    assert_eq!(created[0]["spec"]["endpoint"], url);
    let container = |name: &str| &pod(name)["spec"]["containers"][0];
    let arguments = container("dialplane")["args"].as_array().unwrap();
    assert!(arguments.contains(&json!(format!("--allow-endpoint={url}"))), "{arguments:?}");
    assert_eq!(container("dialplane-sandbox")["image"], "ghcr.io/dialplane/dialplane:0.1.0-sandbox");
    assert_eq!(container("dialplane")["image"], "ghcr.io/dialplane/dialplane:0.1.0");
    let egress = &named(&objects, "NetworkPolicy", "dialplane")["spec"]["egress"];
    let way = json!({"ports": [{"port": 4010}], "to": [{"podSelector": {"matchLabels": {
        "app.kubernetes.io/name": "dialplane-sandbox", "app.kubernetes.io/instance": "dialplane",
    }}}]});
    assert!(egress.as_array().unwrap().contains(&way), "{egress}");

    let straight =
        way_out(&["sandbox.enabled=true", "proxy.httpProxy=http://proxy:3128", "proxy.noProxy=.example.com"]);
    let host = format!(".example.com,dialplane-sandbox.{}.svc", chart::NAMESPACE);
    assert!(straight.1.contains(&json!({"name": "NO_PROXY", "value": host})), "{:?}", straight.1);
}

#[test]
fn secure_metrics_have_a_port_and_rights_of_their_own() {
    let reviews = |objects: &[Value]| objects.iter().any(|object| object.to_string().contains("tokenreviews"));
    assert!(!reviews(&render(&EVERYTHING, &[])), "only where it is asked for");

    let secure = [
        ("metrics.secure.enabled", "true"),
        ("metrics.secure.certificateSecretName", TLS),
        ("metrics.serviceMonitor.enabled", "true"),
        ("networkPolicy.enabled", "true"),
    ];
    let objects = render(&secure, &[]);
    assert!(reviews(&objects));
    let binding = named(&objects, "ClusterRoleBinding", "dialplane-metrics-auth");
    let subject = json!({"kind": "ServiceAccount", "name": "dialplane", "namespace": chart::NAMESPACE});
    assert_eq!(binding["subjects"], json!([subject]));
    let reader = &named(&objects, "ClusterRole", "dialplane-metrics-reader")["rules"];
    assert_eq!(reader, &json!([{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]));
    let bound = objects.iter().filter(|object| object["roleRef"]["name"] == "dialplane-metrics-reader").count();
    assert_eq!(bound, 0, "bound to nobody");

    let port = &named(&objects, "Service", "dialplane-metrics")["spec"]["ports"];
    assert_eq!(port, &json!([{"name": "https", "port": 8443, "targetPort": "https"}]));
    let endpoint = json!({
        "port": "https", "path": "/metrics", "scheme": "https", "interval": "30s",
        "tlsConfig": {
            "ca": {"secret": {"name": "metrics-tls", "key": "ca.crt"}},
            "serverName": format!("dialplane-metrics.{}.svc", chart::NAMESPACE),
        },
        "bearerTokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token",
    });
    assert_eq!(named(&objects, "ServiceMonitor", "dialplane")["spec"]["endpoints"], json!([endpoint]));
    let ingress = &named(&objects, "NetworkPolicy", "dialplane")["spec"]["ingress"];
    assert_eq!(ingress, &json!([{"ports": [{"port": "https"}]}]));
    let container = &named(&objects, "Deployment", "dialplane")["spec"]["template"]["spec"]["containers"][0];
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], "http", "the kubelet has no token");
    }

    let mut values = secure.to_vec();
    let credentials = r#"{"credentials": {"name": "scraper", "key": "token"}}"#;
    values.push(("metrics.serviceMonitor.authorization", credentials));
    let endpoint = named(&render(&values, &[]), "ServiceMonitor", "dialplane")["spec"]["endpoints"][0].clone();
    assert!(endpoint["bearerTokenFile"].is_null() && endpoint["authorization"]["credentials"]["key"] == "token");
}

#[test]
fn a_network_policy_opens_the_ways_that_the_values_name_and_no_other() {
    let spec = |values: &[(&str, &str)]| {
        let objects = render(&[&[("networkPolicy.enabled", "true")][..], values].concat(), &[]);
        named(&objects, "NetworkPolicy", "dialplane")["spec"].clone()
    };
    let ports = |ports: &[u16]| json!(ports.iter().map(|port| json!({"port": port})).collect::<Vec<_>>());
    let names = json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]});
    let open = spec(&[]);
    assert_eq!(open["ingress"], json!([{"ports": [{"port": "http"}]}]));
    assert_eq!(open["egress"], json!([names, {"ports": ports(&[443])}, {"ports": ports(&[443, 6443])}]));
    assert_eq!(open["policyTypes"], json!(["Ingress", "Egress"]));

    let ways = spec(&[
        ("carriers.allowedEndpoints", r#"["http://sandbox:4010/x", "http://plain", "https://proxy.example.com"]"#),
        ("proxy.httpsProxy", r#""http://proxy:3128""#),
        ("networkPolicy.carriersTo", r#"[{"podSelector": {}}]"#),
        ("networkPolicy.extraEgress", r#"[{"ports": [{"port": 8080}]}]"#),
    ]);
    let carriers = json!({"ports": ports(&[443, 3128, 4010, 80]), "to": [{"podSelector": {}}]});
    assert_eq!((&ways["egress"][1], &ways["egress"][3]), (&carriers, &json!({"ports": ports(&[8080])})));
}

#[test]
fn a_chart_that_has_this_one_as_a_part_can_switch_it_on_and_off() {
    let dir = tempfile::tempdir().unwrap();
    let part = dir.path().join("charts");
    std::fs::create_dir(&part).unwrap();
    let packaged =
        Command::new(cli::helm()).args(["package", chart::CHART, "--destination"]).arg(&part).output().unwrap();
    assert!(packaged.status.success(), "{}", String::from_utf8_lossy(&packaged.stderr));
    let umbrella = "{apiVersion: v2, name: platform, version: 1.0.0, dependencies: [{name: dialplane, version: 0.1.0, condition: dialplane.enabled}]}";
    std::fs::write(dir.path().join("Chart.yaml"), umbrella).unwrap();
    for (enabled, shown) in [("true", true), ("false", false)] {
        let set = format!("dialplane.enabled={enabled},global.region=eu");
        let output =
            Command::new(cli::helm()).args(["template", "platform", "--set", &set]).arg(dir.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).contains("kind: Deployment"), shown);
    }
}

#[test]
fn objects_of_ones_own_come_with_the_release_and_may_hold_templates() {
    let (last, _) = ALONE.split_last().unwrap();
    assert_eq!(named(&render(last, &[]), "ConfigMap", "x")["metadata"]["namespace"], chart::NAMESPACE);
}

#[test]
fn the_notes_name_the_next_step() {
    let notes = |values: &[&str]| {
        let mut helm = Command::new(cli::helm());
        helm.args(["install", "dialplane", chart::CHART, "--namespace", chart::NAMESPACE, "--dry-run=client"]);
        let output = helm.args(values).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let notes = said.split_once("NOTES:").map(|(_, notes)| notes.to_owned());
        notes.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    };
    assert!(!notes(&[]).contains("sandbox"), "it is not there");
    let with = notes(&["--set", "sandbox.enabled=true"]);
    for said in ["None of it is\nreal", "-l dialplane.dev/sandbox=true", "delete phonenumbers,agents,carrieraccounts"] {
        assert!(with.contains(said), "{said}: {with}");
    }
    let notes = notes(&[]);
    for step in ["rollout status deployment/dialplane", "CarrierAccount", "kubectl get dialplane"] {
        assert!(notes.contains(step), "{step}: {notes}");
    }
}
