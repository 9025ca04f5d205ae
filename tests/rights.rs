//! Who may say yes, who may write the operator's memory, which Secrets may be read, and what is never logged: on a cluster with the
//! chart's own roles and policies, with users who have rights in a namespace and nothing else.

use std::fmt::Debug;

use axum::{Json, Router, http::HeaderMap, http::StatusCode};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use dialplane::{
    api::{
        Agent, CarrierAccount, NumberClaim, PhoneNumber,
        meta::{ABANDON, APPROVE, CONFIRM_INVENTORY, IN_USE_FINALIZER, NUMBER},
        phone_number::OfferStatus,
    },
    sandbox::control_plane::{ControlPlane, kubeconfig},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::support::{
    self, audit, chart, crds, eventually,
    process::Operator,
    scene::{ACCOUNT, AGENT, Scene},
};

const RBAC: &str = "rbac.authorization.k8s.io";

/// A cluster of its own with the chart's roles and policies and the operator as a process, the namespace of whoever has the carrier
/// account, whose Secrets alone the operator may read, and that of somebody who may use it.
struct Site {
    control_plane: ControlPlane,
    operator: Operator,
    owner: Scene,
    tenant: Scene,
    /// A carrier that answers with what it was sent, credentials and all.
    echo: String,
    _dir: tempfile::TempDir,
}

impl Site {
    async fn new(filter: &str) -> Self {
        let control_plane = ControlPlane::start(support::binaries()).await.unwrap();
        let client = control_plane.client().await.unwrap();
        crds::apply(&client).await;
        chart::guard(&client).await;
        let owner = Scene::on(client).await;
        let tenant = owner.elsewhere().await;
        let readable = format!("secrets.namespaces={{{}}}", owner.namespace);
        let access = chart::access_with(control_plane.kubeconfig(), &[&readable]).await;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kubeconfig");
        kubeconfig::write(&access, &file).unwrap();
        let echo = echo().await;
        let endpoints = format!("{},{echo}", owner.sandbox.url());
        let flags = ["--settling-time=3s", "--allow-endpoint", &endpoints];
        let operator = Operator::start_logging(filter, &file, dir.path(), "dialplane", &flags);
        operator.leads().await;
        Self { control_plane, operator, owner, tenant, echo, _dir: dir }
    }

    /// The cluster as this user sees it.
    async fn user(&self, name: &str) -> Client {
        let mut config = self.control_plane.kubeconfig().clone();
        config.auth_infos[0].auth_info.as_mut().unwrap().impersonate = Some(name.to_owned());
        kubeconfig::client(&config).await.unwrap()
    }

    /// Gives a user a ClusterRole in one namespace.
    async fn bind(&self, namespace: &str, user: &str, role: &str) {
        let binding = json!({
            "apiVersion": format!("{RBAC}/v1"), "kind": "RoleBinding",
            "metadata": {"name": format!("{user}-{role}"), "namespace": namespace},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
        });
        chart::apply(&self.owner.client, &binding).await;
    }

    /// Gives a user these verbs on a kind in the whole cluster.
    async fn allow(&self, user: &str, resource: &str, verbs: &[&str]) {
        let metadata = json!({"name": format!("{user}-{}", resource.replace('/', "-"))});
        let role = json!({
            "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": metadata,
            "rules": [{"apiGroups": ["dialplane.dev"], "resources": [resource], "verbs": verbs}],
        });
        chart::apply(&self.owner.client, &role).await;
        let binding = json!({
            "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": metadata["name"]},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
        });
        chart::apply(&self.owner.client, &binding).await;
    }

    /// Applies a PhoneNumber of the tenant that buys under an account of the owner.
    async fn purchase(&self, name: &str, account: &str, approval: &str) {
        self.tenant.apply::<PhoneNumber>(self.manifest(name, account, approval)).await;
    }

    fn manifest(&self, name: &str, account: &str, approval: &str) -> Value {
        let purchase = json!({"search": {"country": "US", "areaCode": "415"}, "approval": approval});
        json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": name},
            "spec": {"accountRef": {"name": account, "namespace": self.owner.namespace}, "purchase": purchase},
        })
    }

    /// What is offered to a PhoneNumber of the tenant, once something is.
    async fn offer(&self, name: &str) -> OfferStatus {
        let number: PhoneNumber = self.tenant.reason(name, "Acquired", "AwaitingApproval").await;
        number.status.unwrap().offer.map(|offer| *offer).unwrap()
    }

    fn numbers(&self, client: &Client) -> Api<PhoneNumber> {
        Api::namespaced(client.clone(), &self.tenant.namespace)
    }
}

/// A server whose every answer is a refusal that repeats the credentials.
async fn echo() -> String {
    let answer = async |headers: HeaderMap| {
        let sent = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let plain = sent.strip_prefix("Basic ").and_then(|text| BASE64_STANDARD.decode(text).ok()).unwrap_or_default();
        let plain = String::from_utf8_lossy(&plain).into_owned();
        (
            StatusCode::BAD_REQUEST,
            Json(json!({"code": 20001, "message": format!("{sent} {plain}"), "more_info": plain})),
        )
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    format!("http://{address}")
}

async fn annotate<K>(api: &Api<K>, name: &str, annotation: &str, value: Option<&str>) -> kube::Result<K>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let patch = json!({"metadata": {"annotations": {annotation: value}}});
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await
}

async fn create<K>(api: &Api<K>, manifest: &Value) -> kube::Result<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Serialize,
{
    api.create(&PostParams::default(), &serde_json::from_value(manifest.clone()).unwrap()).await
}

/// Judges that the API server refused it for lack of this verb.
#[track_caller]
fn refused<T: Debug>(answer: kube::Result<T>, verb: &str) {
    match answer {
        Err(kube::Error::Api(status)) if status.code == 403 => {
            assert!(status.message.contains(&format!("the verb {verb} on")), "{}", status.message);
        }
        other => panic!("it is not refused for lack of the verb {verb}: {other:?}"),
    }
}

/// Waits until the authorizer and the admission policies know what they were told.
async fn settled<T, F: Future<Output = kube::Result<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    eventually(what, || async { ask().await.ok() }).await
}

/// The same of a policy: asked by somebody who may do it but for that.
async fn in_force(api: &Api<PhoneNumber>, name: &str) {
    eventually("the policies are in force", || async {
        let patch = json!({"metadata": {"annotations": {ABANDON: "true"}}});
        let dry = PatchParams { dry_run: true, ..PatchParams::default() };
        let denied = |status: kube::core::Status| status.message.contains("the verb abandon on");
        match api.patch(name, &dry, &Patch::Merge(patch)).await {
            Err(kube::Error::Api(status)) => denied(*status).then_some(()),
            _ => None,
        }
    })
    .await;
}

#[tokio::test]
async fn only_those_who_were_given_the_right_say_yes_to_a_purchase() {
    let site = Site::new("info,dialplane=debug").await;
    let (owner, tenant) = (&site.owner, &site.tenant);
    owner.secret(owner.token()).await;
    for (name, approval) in [(ACCOUNT, "Required"), ("free", "Optional")] {
        let rules = json!({"allowedNamespaces": {"from": "All"}, "purchasing": {"approval": approval}});
        owner
            .apply::<CarrierAccount>(json!({
                "apiVersion": "dialplane.dev/v1alpha1", "kind": "CarrierAccount", "metadata": {"name": name},
                "spec": owner.account_spec(rules),
            }))
            .await;
        owner.reason::<CarrierAccount>(name, "Ready", "Connected").await;
    }
    site.bind(&tenant.namespace, "tina", "dialplane-edit").await;
    // Says yes for the account, and may edit the tenant's numbers.
    site.bind(&owner.namespace, "anna", "dialplane-approver").await;
    site.bind(&tenant.namespace, "anna", "dialplane-edit").await;
    let (tina, anna) = (site.numbers(&site.user("tina").await), site.numbers(&site.user("anna").await));

    // It would have been bought without asking.
    site.purchase("main", ACCOUNT, "Automatic").await;
    let offer = site.offer("main").await;
    let number = offer.number.as_str();
    for user in [&tina, &anna] {
        settled("they may edit", || annotate(user, "main", "example.com/team", Some("clinic"))).await;
    }
    in_force(&tina, "main").await;
    refused(annotate(&tina, "main", APPROVE, Some(number)).await, "approve");
    let mut saved = site.manifest("saved", ACCOUNT, "Manual");
    saved["metadata"]["annotations"] = json!({APPROVE: number});
    refused(create(&tina, &saved).await, "approve");
    owner.has_bought(0).await;

    annotate(&anna, "main", APPROVE, Some("+14155550000")).await.unwrap();
    refused(annotate(&tina, "main", APPROVE, Some(number)).await, "approve");
    // Whoever applies again what stands there changes nothing, and whoever takes it back buys nothing.
    annotate(&tina, "main", APPROVE, Some("+14155550000")).await.unwrap();
    annotate(&tina, "main", APPROVE, None).await.unwrap();
    refused(annotate(&tina, "main", APPROVE, Some(number)).await, "approve");
    annotate(&anna, "main", APPROVE, Some(number)).await.unwrap();
    tenant.reason::<PhoneNumber>("main", "Acquired", "Purchased").await;

    // Where the account leaves it to them: for the number that is shown, and no other.
    site.purchase("other", "free", "Manual").await;
    let offer = site.offer("other").await;
    refused(annotate(&tina, "other", APPROVE, Some("+14155550000")).await, "approve");
    annotate(&tina, "other", APPROVE, Some(offer.number.as_str())).await.unwrap();
    tenant.reason::<PhoneNumber>("other", "Acquired", "Purchased").await;
    for scene in [owner, tenant] {
        scene.bought.store(2, std::sync::atomic::Ordering::Relaxed);
    }
    assert_eq!(owner.sandbox.ledger().purchases(), 2);

    // The operator needed nothing that it was not given, under the policies as without.
    let (_, denied) = audit::used(&site.control_plane.audit_log_path(), chart::USER, |_| false);
    assert!(denied.is_empty(), "{denied:?}");
}

#[tokio::test]
async fn abandoning_adopting_and_confirming_are_rights_and_the_memory_is_the_operators_own() {
    let site = Site::new("info,dialplane=debug").await;
    let (owner, tenant) = (&site.owner, &site.tenant);
    owner.secret(owner.token()).await;
    owner.account(json!({"allowedNamespaces": {"from": "All"}})).await;
    owner.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    let number = owner.owned();
    let account = json!({"accountRef": {"name": ACCOUNT, "namespace": owner.namespace}, "agentRef": null});
    tenant.phone_number("main", &number, account.clone()).await;
    tenant.reason::<PhoneNumber>("main", "Ready", "Unassigned").await;
    annotations(&site, &account).await;
    accounts(&site).await;
    memory(&site, &number).await;
    unreadable(&site).await;
}

/// On PhoneNumbers, by somebody with rights in the tenant's namespace only, then with a right for another account, then for this one.
async fn annotations(site: &Site, account: &Value) {
    let (owner, tenant) = (&site.owner, &site.tenant);
    site.bind(&tenant.namespace, "tina", "dialplane-edit").await;
    site.bind(&tenant.namespace, "tina", "dialplane-admin").await;
    let tina = site.numbers(&site.user("tina").await);
    settled("she may edit", || annotate(&tina, "main", "example.com/team", Some("clinic"))).await;
    in_force(&tina, "main").await;
    let manifest = |name: &str, annotation: &str| {
        let spec = json!({"accountRef": account["accountRef"], "import": {"number": "+14155550000"}});
        json!({"metadata": {"name": name, "annotations": {annotation: "true"}}, "spec": spec})
    };
    for (annotation, verb) in [(ABANDON, "abandon"), (NUMBER, "adopt")] {
        refused(annotate(&tina, "main", annotation, Some("true")).await, verb);
        refused(create(&tina, &manifest("new", annotation)).await, verb);
        let admin = site.numbers(&owner.client);
        annotate(&admin, "main", annotation, Some("by the administrator")).await.unwrap();
        refused(annotate(&tina, "main", annotation, Some("true")).await, verb);
        refused(annotate(&tina, "main", annotation, None).await, verb);
        annotate(&tina, "main", "example.com/team", Some(annotation)).await.expect("what stands there may be kept");
        annotate(&admin, "main", annotation, None).await.unwrap();
        // For another account only, and then for this one.
        for (named, may) in [("another", false), (ACCOUNT, true)] {
            let role = json!({
                "apiVersion": format!("{RBAC}/v1"), "kind": "Role",
                "metadata": {"name": format!("{verb}-{named}"), "namespace": owner.namespace},
                "rules": [{
                    "apiGroups": ["dialplane.dev"], "resources": ["carrieraccounts"], "resourceNames": [named], "verbs": [verb],
                }],
            });
            chart::apply(&owner.client, &role).await;
            let binding = json!({
                "apiVersion": format!("{RBAC}/v1"), "kind": "RoleBinding", "metadata": role["metadata"],
                "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": role["metadata"]["name"]},
                "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "tina"}],
            });
            chart::apply(&owner.client, &binding).await;
            if may {
                settled("she may now", || annotate(&tina, "main", annotation, Some("false"))).await;
                annotate(&tina, "main", annotation, None).await.unwrap();
                let name = format!("with-{verb}");
                create(&tina, &manifest(&name, annotation)).await.unwrap();
                tenant.delete::<PhoneNumber>(&name).await;
            } else {
                refused(annotate(&tina, "main", annotation, Some("false")).await, verb);
            }
        }
    }
}

/// On CarrierAccounts, by somebody who may write them and nothing more, and by whoever administers their namespace.
async fn accounts(site: &Site) {
    let owner = &site.owner;
    let role = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": {"name": "account-writer"},
        "rules": [{"apiGroups": ["dialplane.dev"], "resources": ["carrieraccounts"], "verbs": ["create", "update", "patch"]}],
    });
    chart::apply(&owner.client, &role).await;
    site.bind(&owner.namespace, "walt", "account-writer").await;
    site.bind(&owner.namespace, "ada", "dialplane-admin").await;
    let of = |client: &Client| Api::<CarrierAccount>::namespaced(client.clone(), &owner.namespace);
    let (walt, ada) = (of(&site.user("walt").await), of(&site.user("ada").await));
    for user in [&walt, &ada] {
        settled("they may write", || annotate(user, ACCOUNT, "example.com/team", Some("voice"))).await;
    }
    for (annotation, verb) in [(ABANDON, "abandon"), (CONFIRM_INVENTORY, "confirm")] {
        refused(annotate(&walt, ACCOUNT, annotation, Some("0")).await, verb);
        let account = json!({
            "metadata": {"name": "new", "annotations": {annotation: "0"}}, "spec": owner.account_spec(json!({})),
        });
        refused(create(&walt, &account).await, verb);
        annotate(&ada, ACCOUNT, annotation, Some("0")).await.unwrap();
        refused(annotate(&walt, ACCOUNT, annotation, None).await, verb);
        annotate(&ada, ACCOUNT, annotation, None).await.unwrap();
    }
}

/// NumberClaims, by somebody who may do everything with them that RBAC knows of, and by somebody who restores a backup.
async fn memory(site: &Site, number: &str) {
    let owner = &site.owner;
    let all = ["get", "list", "create", "update", "patch", "delete"];
    site.allow("mel", "numberclaims", &all).await;
    site.allow("rita", "numberclaims", &[&all[..], &["restore"]].concat()).await;
    let of = |client: &Client| Api::<NumberClaim>::all(client.clone());
    let (mel, rita) = (of(&site.user("mel").await), of(&site.user("rita").await));
    let name = &number[1..];
    for user in [&mel, &rita] {
        settled("they may see", || user.get(name)).await;
    }
    let claim = rita.get(name).await.unwrap();
    for (change, what) in [
        (json!({"spec": {"onDelete": "Leave"}}), "its spec"),
        (json!({"metadata": {"finalizers": null}}), "its finalizer"),
        (json!({"metadata": {"labels": {"a": "b"}}}), "its labels"),
    ] {
        let answer = mel.patch(name, &PatchParams::default(), &Patch::Merge(&change)).await;
        assert!(answer.is_err(), "{what} may be changed");
        refused(answer, "restore");
    }
    // As Kubernetes does to have what is stored written anew.
    mel.replace(name, &PostParams::default(), &claim).await.expect("what changes nothing");
    let mut forged = claim.clone();
    forged.metadata = kube::api::ObjectMeta { name: Some("14155550000".into()), ..Default::default() };
    forged.spec.number = "+14155550000".parse().unwrap();
    refused(mel.create(&PostParams::default(), &forged).await, "restore");
    forged.spec.holder = None;
    forged.metadata.finalizers = Some(vec![IN_USE_FINALIZER.into()]);
    rita.create(&PostParams::default(), &forged).await.expect("a backup is restored");
    // To delete is free: the operator lets it go.
    mel.delete("14155550000", &DeleteParams::default()).await.unwrap();
    eventually("it is let go", || async { rita.get_opt("14155550000").await.unwrap().is_none().then_some(()) }).await;
    let stripped = json!({"metadata": {"annotations": {"by": "cluster-admin"}}});
    status(site).await;
    of(&owner.client).patch(name, &PatchParams::default(), &Patch::Merge(stripped)).await.expect("the way out");
}

/// What the operator says of an object, by somebody who may write that as far as RBAC knows: it is what approvals and limits rest on.
async fn status(site: &Site) {
    site.allow("sam", "phonenumbers/status", &["update", "patch"]).await;
    let sam = site.numbers(&site.user("sam").await);
    let patch = |status: Value| {
        let sam = sam.clone();
        async move { sam.patch_status("main", &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await }
    };
    settled("he may write what changes nothing", || patch(json!({}))).await;
    let offer = json!({"number": "+14155550000", "exact": true, "approval": "Optional"});
    refused(patch(json!({"offer": offer})).await, "restore");
}

/// An account whose Secret the operator may not read says so, and opens once it may.
async fn unreadable(site: &Site) {
    let tenant = &site.tenant;
    tenant.secret(tenant.token()).await;
    tenant.account(json!({})).await;
    let message = tenant.message::<CarrierAccount>(ACCOUNT, "Ready", "SecretForbidden").await;
    assert!(message.contains(&tenant.namespace) && message.contains("secrets.namespaces"), "{message}");
    let readable = format!("secrets.namespaces={{{},{}}}", site.owner.namespace, tenant.namespace);
    chart::access_with(site.control_plane.kubeconfig(), &[&readable]).await;
    tenant.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
}

#[tokio::test]
async fn nothing_secret_is_logged_whatever_the_filter_asks_for() {
    let site = Site::new("trace,kube_client=trace,h2=trace,hyper=trace,reqwest=trace,rustls=trace").await;
    let scene = &site.owner;
    let token = scene.sandbox.credentials().auth_token;
    // One that no library decodes: its fields are nested deeper than they go.
    let deep = (0..300).fold(json!({}), |inner, _| json!({"f:k": inner}));
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"authToken": token},
        "metadata": {"name": ACCOUNT, "managedFields": [{
            "manager": "x", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": deep},
        }]},
    });
    let secrets: Api<Secret> = scene.api();
    let path = format!("/api/v1/namespaces/{}/secrets", scene.namespace);
    let request = axum::http::Request::post(path).header("content-type", "application/json");
    scene.client.request_text(request.body(serde_json::to_vec(&secret).unwrap()).unwrap()).await.unwrap();
    assert!(matches!(secrets.get(ACCOUNT).await, Err(kube::Error::SerdeError(_))), "it decodes");

    let number = scene.owned();
    scene.sandbox.edit(&number, &[("voice_url", "https://user:0ld-passw0rd@old.example.com/")]).unwrap();
    scene.account(json!({})).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    let webhook = json!({"url": "https://user:wh-passw0rd@engine.example.com/{version}"});
    scene.agent_with("engine.example.com", Some("v1"), json!({"draft": {"webhooks": {"voice": webhook}}})).await;
    scene.phone_number("main", &number, json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    scene.reason::<Agent>(AGENT, "Published", "Published").await;
    scene.apply::<Secret>(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "echo"}, "stringData": {"authToken": "ech0ed-t0ken"},
    })).await;
    let spec = scene.account_spec(json!({"endpoint": site.echo, "credentialsRef": {"name": "echo"}}));
    scene.apply::<CarrierAccount>(json!({
        "apiVersion": "dialplane.dev/v1alpha1", "kind": "CarrierAccount", "metadata": {"name": "echo"}, "spec": spec,
    })).await;
    scene.reason::<CarrierAccount>("echo", "Ready", "CarrierUnreachable").await;

    let log = site.operator.log();
    assert!(
        log.contains("sent a request to the carrier") && log.contains("acting"),
        "the filter is not heeded:\n{log}"
    );
    for secret in [&token, "0ld-passw0rd", "wh-passw0rd", "ech0ed-t0ken"] {
        let user = scene.sandbox.credentials().account_sid;
        for shown in
            [secret.to_owned(), BASE64_STANDARD.encode(secret), BASE64_STANDARD.encode(format!("{user}:{secret}"))]
        {
            let lines: Vec<&str> = log.lines().filter(|line| line.contains(&shown)).collect();
            assert!(lines.is_empty(), "{shown} is logged: {lines:?}");
        }
    }
}
