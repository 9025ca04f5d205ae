//! One tenant against another: what a user with the role `admin` in a namespace of its own, and nothing else, can do to a neighbour's
//! numbers, money and objects. On the real API server, with the chart's own roles for operator and users.

use dialplane::{
    api::{
        Agent, AgentVersion, CarrierAccount, NumberClaim, NumberPurchase, PhoneNumber,
        meta::{HAND_OVER, NUMBER},
        purchase::{Identity, Marker},
    },
    sandbox::{
        carrier::{Fault, NumberSeed},
        control_plane::kubeconfig,
    },
};
use kube::{Api, ResourceExt as _, api::PostParams};
use serde_json::{Value, json};

use crate::support::{
    chart, cluster, eventually,
    scene::{ACCOUNT, AGENT, Scene},
};

const EVERYBODY: &str = r#"{"allowedNamespaces": {"from": "All"}}"#;

fn everybody() -> Value {
    serde_json::from_str(EVERYBODY).unwrap()
}

impl Scene {
    /// A neighbour: another namespace on the same carrier, and a user who is its administrator and nothing else.
    async fn neighbour(&self) -> Self {
        let neighbour = self.elsewhere().await;
        let (namespace, rbac) = (&neighbour.namespace, "rbac.authorization.k8s.io");
        let account = json!({"kind": "ServiceAccount", "name": "tenant", "namespace": namespace});
        let mut objects = vec![
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "tenant", "namespace": namespace}}),
        ];
        // What `admin` is put together of.
        let roles = ["system:aggregate-to-view", "system:aggregate-to-edit", "system:aggregate-to-admin"];
        for role in roles.into_iter().chain(["dialplane-view", "dialplane-edit", "dialplane-admin"]) {
            objects.push(json!({
                "apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding",
                "metadata": {"name": role, "namespace": namespace},
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role}, "subjects": [account],
            }));
        }
        for object in objects {
            chart::apply(&self.client, &object).await;
        }
        let access = kubeconfig::for_service_account(&cluster().await.kubeconfig, namespace, "tenant").await.unwrap();
        let client = kubeconfig::client(&access).await.unwrap();
        let tenant =
            Self { client, namespace: namespace.clone(), sandbox: self.sandbox.clone(), bought: Default::default() };
        // The authorizer learns of a new binding by a watch of its own.
        eventually("the tenant may", || async {
            let numbers = tenant.api::<PhoneNumber>();
            numbers.list(&Default::default()).await.ok()
        })
        .await;
        tenant
    }

    fn there(&self, name: &str) -> Value {
        json!({"name": name, "namespace": self.namespace})
    }

    /// Imports a number through an account of another scene, for an agent of this one.
    async fn borrows(&self, from: &Scene, name: &str, number: &str, spec: Value) {
        let mut over = json!({"accountRef": from.there(ACCOUNT)});
        over.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        self.phone_number(name, number, over).await;
    }

    /// Both scenes share a carrier: what was bought for one is judged at the end of the other as well.
    async fn have_bought(&self, other: &Scene, count: usize) {
        self.has_bought(count).await;
        other.bought.store(count, std::sync::atomic::Ordering::Relaxed);
    }
}

/// A scene with a number that is routed to its agent, and a neighbour with an agent of its own.
async fn two() -> (Scene, String, Scene) {
    let (scene, number) = Scene::routed().await;
    let neighbour = scene.neighbour().await;
    neighbour.agent("neighbour.example.com", Some("v1")).await;
    (scene, number, neighbour)
}

#[tokio::test]
async fn a_reference_that_was_never_allowed_blocks_no_deletion() {
    let scene = Scene::new().await;
    scene.agent_with("engine.example.com", Some("v1"), everybody()).await;
    let neighbour = scene.neighbour().await;
    let number = scene.owned();
    neighbour.borrows(&scene, "account", &number, json!({})).await;
    let agent = json!({"accountRef": {"name": "nowhere"}, "agentRef": scene.there(AGENT)});
    neighbour.phone_number("agent", &number, agent).await;
    neighbour.reason::<PhoneNumber>("account", "Ready", "AccountNotAllowed").await;
    neighbour.reason::<PhoneNumber>("agent", "Ready", "AccountNotFound").await;
    scene.delete::<Agent>(AGENT).await;
    scene.gone::<Agent>(AGENT).await;
    scene.delete::<CarrierAccount>(ACCOUNT).await;
    scene.gone::<CarrierAccount>(ACCOUNT).await;
}

#[tokio::test]
async fn a_namespace_that_is_no_longer_allowed_gives_the_number_back_to_its_owner() {
    let (scene, _, neighbour) = two().await;
    scene.account(everybody()).await;
    let number = scene.owned();
    neighbour.borrows(&scene, "guest", &number, json!({})).await;
    neighbour.reason::<PhoneNumber>("guest", "Ready", "Routed").await;
    scene.phone_number("own", &number, json!({})).await;
    scene.reason::<PhoneNumber>("own", "Ready", "ClaimedByAnother").await;

    scene.account(json!({})).await;
    scene.reason::<PhoneNumber>("own", "Ready", "Routed").await;
    neighbour.reason::<PhoneNumber>("guest", "Ready", "AccountNotAllowed").await;
    let urls = ["neighbour", "engine"].map(|host| format!("https://{host}.example.com/dental/v1/voice"));
    assert_eq!(scene.voice_writes(&number), urls, "it goes from the one to the other and never nowhere");
    neighbour.reason::<PhoneNumber>("guest", "Acquired", "ClaimRefused").await;
    let guest = neighbour.reason::<PhoneNumber>("guest", "Routed", "RouteUnknown").await;
    assert_eq!(guest.status.unwrap().route, None, "what somebody else has is not in service here");
    // The guest lets nothing of it go when it is deleted.
    neighbour.delete::<PhoneNumber>("guest").await;
    neighbour.gone::<PhoneNumber>("guest").await;
    assert_eq!(scene.claim(&number).await.unwrap().spec.holder.unwrap().name, "own");
    assert_eq!(scene.voice_writes(&number).len(), 2);
}

#[tokio::test]
async fn a_bought_number_that_is_taken_back_holds_up_no_deletion_of_whoever_had_it() {
    let (scene, _, neighbour) = two().await;
    scene.account(everybody()).await;
    let guest = json!({
        "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": "guest"},
        "spec": {
            "accountRef": scene.there(ACCOUNT), "agentRef": {"name": AGENT},
            "purchase": {"search": {"country": "US", "areaCode": "415"}},
        },
    });
    neighbour.apply::<PhoneNumber>(guest).await;
    let number = neighbour.routed_number("guest").await;
    scene.phone_number("own", &number, json!({})).await;
    scene.account(json!({})).await;
    scene.reason::<PhoneNumber>("own", "Ready", "Routed").await;
    neighbour.reason::<PhoneNumber>("guest", "Acquired", "ClaimRefused").await;
    neighbour.delete::<PhoneNumber>("guest").await;
    neighbour.gone::<PhoneNumber>("guest").await;
    assert_eq!(scene.claim(&number).await.unwrap().spec.holder.unwrap().name, "own");
    scene.have_bought(&neighbour, 1).await;
}

#[tokio::test]
async fn one_that_wants_to_buy_a_number_which_is_owned_is_no_successor() {
    let (scene, number) = Scene::routed().await;
    scene.purchase("buys", json!({"search": null, "number": number})).await;
    scene.acquired("buys", "AlreadyOwned").await;
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    scene.unclaimed(&number).await;
    assert_eq!(scene.voice_url(&number), "");
}

#[tokio::test]
async fn what_was_bought_for_a_namespace_rests_for_that_namespace_alone() {
    let (scene, _, neighbour) = two().await;
    scene.account(everybody()).await;
    scene.purchase("bought", json!({})).await;
    let number = scene.routed_number("bought").await;
    scene.delete::<PhoneNumber>("bought").await;
    scene.gone::<PhoneNumber>("bought").await;

    neighbour.borrows(&scene, "thief", &number, json!({})).await;
    let text = neighbour.message::<PhoneNumber>("thief", "Ready", "ClaimRefused").await;
    assert!(text.contains("another namespace") && !text.contains(&scene.namespace), "{text}");
    let search = json!({"country": "US", "areaCode": "415"});
    let pool = json!({
        "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": "pool"},
        "spec": {"accountRef": scene.there(ACCOUNT), "purchase": {"search": search, "reuse": "Pool"}},
    });
    neighbour.apply::<PhoneNumber>(pool).await;
    let other = neighbour.reason::<PhoneNumber>("pool", "Ready", "Unassigned").await;
    assert_ne!(other.status.unwrap().number.unwrap().as_str(), number, "it buys one of its own");

    scene.purchase("bought", json!({})).await;
    assert_eq!(scene.routed_number("bought").await, number);
    scene.have_bought(&neighbour, 2).await;
}

#[tokio::test]
async fn a_pool_that_the_owner_of_the_account_shares_serves_every_namespace_that_is_allowed() {
    let (scene, _, neighbour) = two().await;
    scene.account(json!({"allowedNamespaces": {"from": "All"}, "purchasing": {"pool": "Shared"}})).await;
    scene.purchase("bought", json!({})).await;
    let number = scene.routed_number("bought").await;
    scene.delete::<PhoneNumber>("bought").await;
    scene.gone::<PhoneNumber>("bought").await;
    neighbour.purchase("second", json!({"reuse": "Pool"})).await;
    neighbour.reason::<PhoneNumber>("second", "Ready", "AccountNotFound").await;
    let pool = json!({
        "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": "third"},
        "spec": {
            "accountRef": scene.there(ACCOUNT), "agentRef": {"name": AGENT},
            "purchase": {"search": {"country": "US", "areaCode": "415"}, "reuse": "Pool"},
        },
    });
    neighbour.apply::<PhoneNumber>(pool).await;
    assert_eq!(neighbour.routed_number("third").await, number);
    assert_eq!(scene.claim(&number).await.unwrap().spec.identity(), Some(Identity::new(&neighbour.namespace, "third")));
    scene.have_bought(&neighbour, 1).await;
}

#[tokio::test]
async fn an_identity_of_one_namespace_neither_meets_nor_blocks_that_of_another() {
    let (scene, _, neighbour) = two().await;
    scene.account(everybody()).await;
    let buys = |name: &str, identity: String| {
        json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": name},
            "spec": {
                "accountRef": scene.there(ACCOUNT), "agentRef": {"name": AGENT},
                "purchase": {"search": {"country": "US", "areaCode": "415"}, "identity": identity},
            },
        })
    };
    neighbour.apply::<PhoneNumber>(buys("squat", format!("{}/clinic", scene.namespace))).await;
    neighbour.apply::<PhoneNumber>(buys("same", "clinic".to_owned())).await;
    let theirs = [neighbour.routed_number("squat").await, neighbour.routed_number("same").await];
    scene.purchase("clinic", json!({})).await;
    let own = scene.routed_number("clinic").await;
    assert!(!theirs.contains(&own));
    scene.have_bought(&neighbour, 3).await;
}

#[tokio::test]
async fn an_identity_that_an_earlier_version_let_be_taken_hostage_is_free_again() {
    let (scene, _, neighbour) = two().await;
    // As it stood in the cluster before the upgrade: one name for whoever came first.
    let journal = json!({
        "metadata": {"name": format!("{:0>40}", scene.namespace.len()), "finalizers": ["dialplane.dev/in-use"]},
        "spec": {
            "identity": format!("{}/clinic", scene.namespace), "attempt": 1, "token": "t", "number": "+14155557777",
            "holder": {"namespace": neighbour.namespace, "name": "squat", "uid": "gone"},
            "account": {
                "namespace": scene.namespace, "name": ACCOUNT, "identity": scene.sandbox.credentials().account_sid,
            },
        },
    });
    let journals: Api<NumberPurchase> = Api::all(scene.client.clone());
    journals.create(&PostParams::default(), &serde_json::from_value(journal).unwrap()).await.unwrap();
    scene.purchase("clinic", json!({})).await;
    assert_ne!(scene.routed_number("clinic").await, "+14155557777");
    scene.have_bought(&neighbour, 1).await;
}

#[tokio::test]
async fn a_mention_by_somebody_who_may_not_have_it_does_not_make_an_idle_number_look_wanted() {
    let (scene, _, neighbour) = two().await;
    scene.purchase("first", json!({})).await;
    let number = scene.routed_number("first").await;
    scene.delete::<PhoneNumber>("first").await;
    scene.gone::<PhoneNumber>("first").await;
    neighbour.phone_number("nowhere", &number, json!({"accountRef": {"name": "nowhere"}})).await;
    neighbour.borrows(&scene, "refused", &number, json!({})).await;
    neighbour.reason::<PhoneNumber>("refused", "Ready", "AccountNotAllowed").await;
    scene.purchase("second", json!({"reuse": "Pool"})).await;
    assert_eq!(scene.routed_number("second").await, number);
    scene.have_bought(&neighbour, 1).await;
}

#[tokio::test]
async fn whoever_lurks_for_a_number_does_not_get_it_when_its_owner_replaces_the_object() {
    let (scene, number, neighbour) = two().await;
    scene.account(everybody()).await;
    neighbour.borrows(&scene, "lurk", &number, json!({"onDelete": "Restore"})).await;
    neighbour.reason::<PhoneNumber>("lurk", "Ready", "ClaimedByAnother").await;
    // What `kubectl replace --force` does.
    let old = scene.get::<PhoneNumber>("main").await.unwrap();
    scene.delete::<PhoneNumber>("main").await;
    let mut new = PhoneNumber::new("main", old.spec.clone());
    new.metadata.namespace = None;
    let create = || async { scene.api::<PhoneNumber>().create(&PostParams::default(), &new).await.ok() };
    let new = eventually("the name is free", create).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(scene.claim(&number).await.unwrap().spec.holder.unwrap().uid, new.uid().unwrap());
    assert_eq!(scene.voice_writes(&number), ["https://engine.example.com/dental/v1/voice"], "nothing was emptied");
    neighbour.reason::<PhoneNumber>("lurk", "Ready", "ClaimedByAnother").await;
}

#[tokio::test]
async fn an_account_that_only_says_whose_it_is_makes_nobody_a_successor() {
    let (scene, number, neighbour) = two().await;
    scene.purchase("first", json!({})).await;
    let bought = scene.routed_number("first").await;
    scene.delete::<PhoneNumber>("first").await;
    scene.gone::<PhoneNumber>("first").await;
    // It names the neighbour's account, and has no credentials that open it.
    neighbour.secret(json!({"authToken": "of-nobody"})).await;
    neighbour.account(json!({})).await;
    neighbour.reason::<CarrierAccount>(ACCOUNT, "Ready", "Unauthorized").await;
    neighbour.phone_number("lurk", &number, json!({})).await;
    neighbour.phone_number("mention", &bought, json!({})).await;
    neighbour.reason::<PhoneNumber>("lurk", "Ready", "AccountNotReady").await;
    neighbour.reason::<PhoneNumber>("mention", "Ready", "AccountNotReady").await;

    scene.purchase("second", json!({"reuse": "Pool"})).await;
    assert_eq!(scene.routed_number("second").await, bought);
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    scene.unclaimed(&number).await;
    assert_eq!(scene.voice_url(&number), "", "the route is taken back, and not kept for anybody");
    scene.have_bought(&neighbour, 1).await;
}

#[tokio::test]
async fn a_number_moves_to_another_namespace_without_what_was_there_before() {
    let secret = "https://user:s3cret@old.example.com/";
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.sandbox.edit(&number, &[("voice_url", secret)]).unwrap();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.account(everybody()).await;
    scene.phone_number("main", &number, json!({"onDelete": "Restore"})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert!(!scene.claim(&number).await.unwrap().spec.previous.is_empty());
    let neighbour = scene.neighbour().await;
    neighbour.agent("neighbour.example.com", Some("v1")).await;
    neighbour.borrows(&scene, "next", &number, json!({"onDelete": "Restore"})).await;
    neighbour.reason::<PhoneNumber>("next", "Ready", "ClaimedByAnother").await;
    // Moved in one commit: the one is there, the other goes.
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    neighbour.reason::<PhoneNumber>("next", "Ready", "Routed").await;
    assert!(scene.claim(&number).await.unwrap().spec.previous.is_empty());
    neighbour.delete::<PhoneNumber>("next").await;
    neighbour.gone::<PhoneNumber>("next").await;
    let urls = ["engine", "neighbour"].map(|host| format!("https://{host}.example.com/dental/v1/voice"));
    assert_eq!(scene.voice_writes(&number), [&urls[..], &[String::new()]].concat());
}

#[tokio::test]
async fn a_number_is_handed_to_another_namespace_in_one_step_and_stays_there() {
    let (scene, _, neighbour) = two().await;
    scene.account(everybody()).await;
    scene.purchase("bought", json!({})).await;
    let number = scene.routed_number("bought").await;
    neighbour.borrows(&scene, "next", &number, json!({})).await;
    neighbour.reason::<PhoneNumber>("next", "Ready", "ClaimedByAnother").await;

    let to = json!({"metadata": {"annotations": {HAND_OVER: format!("{}/next", neighbour.namespace)}}});
    scene.patch::<PhoneNumber>("bought", to).await;
    neighbour.reason::<PhoneNumber>("next", "Ready", "Routed").await;
    scene.reason::<PhoneNumber>("bought", "Ready", "HandedOver").await;
    scene.delete::<PhoneNumber>("bought").await;
    scene.gone::<PhoneNumber>("bought").await;
    let urls = ["engine", "neighbour"].map(|host| format!("https://{host}.example.com/dental/v1/voice"));
    assert_eq!(scene.voice_writes(&number), urls);
    let claim = scene.claim(&number).await.unwrap().spec;
    assert_eq!(claim.identity().unwrap().namespace, neighbour.namespace);
    // It is not the first one's any more, and another is not bought for what was handed over.
    neighbour.delete::<PhoneNumber>("next").await;
    neighbour.gone::<PhoneNumber>("next").await;
    neighbour.borrows(&scene, "next", &number, json!({})).await;
    neighbour.reason::<PhoneNumber>("next", "Ready", "Routed").await;
    scene.have_bought(&neighbour, 1).await;
}

#[tokio::test]
async fn what_was_bought_today_counts_whoever_has_it_by_then() {
    let (scene, _, neighbour) = two().await;
    let most = async |count: usize| {
        let spec = json!({"purchasing": {"maxPerDay": count}, "allowedNamespaces": {"from": "All"}});
        scene.account(spec).await;
    };
    most(1).await;
    scene.purchase("again", json!({})).await;
    let number = scene.routed_number("again").await;
    scene.delete::<PhoneNumber>("again").await;
    scene.gone::<PhoneNumber>("again").await;
    scene.purchase("again", json!({})).await;
    assert_eq!(scene.routed_number("again").await, number);
    scene.purchase("more", json!({})).await;
    scene.acquired("more", "PurchaseLimitReached").await;
    scene.has_bought(1).await;

    most(2).await;
    let number = scene.routed_number("more").await;
    scene.delete::<PhoneNumber>("more").await;
    scene.gone::<PhoneNumber>("more").await;
    scene.phone_number("kept", &number, json!({})).await;
    scene.reason::<PhoneNumber>("kept", "Ready", "Routed").await;
    scene.purchase("third", json!({})).await;
    scene.acquired("third", "PurchaseLimitReached").await;
    scene.has_bought(2).await;

    most(3).await;
    let number = scene.routed_number("third").await;
    let to = json!({"metadata": {"annotations": {HAND_OVER: format!("{}/next", neighbour.namespace)}}});
    scene.patch::<PhoneNumber>("third", to).await;
    neighbour.borrows(&scene, "next", &number, json!({})).await;
    scene.reason::<PhoneNumber>("third", "Ready", "HandedOver").await;
    scene.delete::<PhoneNumber>("third").await;
    scene.gone::<PhoneNumber>("third").await;
    scene.purchase("third", json!({})).await;
    scene.acquired("third", "PurchaseLimitReached").await;
    scene.have_bought(&neighbour, 3).await;
}

#[tokio::test]
async fn an_object_that_is_renamed_keeps_number_and_route() {
    let (scene, number) = Scene::routed().await;
    scene.phone_number("renamed", &number, json!({})).await;
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    scene.reason::<PhoneNumber>("renamed", "Ready", "Routed").await;
    assert_eq!(scene.writes_to(&number), 1, "the route was there already");
    assert_eq!(scene.claim(&number).await.unwrap().spec.holder.unwrap().name, "renamed");

    scene.purchase("old", json!({})).await;
    let bought = scene.routed_number("old").await;
    scene.purchase("new", json!({"identity": "old"})).await;
    scene.acquired("new", "IdentityInUse").await;
    scene.delete::<PhoneNumber>("old").await;
    scene.gone::<PhoneNumber>("old").await;
    assert_eq!(scene.routed_number("new").await, bought);
    assert_eq!(scene.voice_writes(&bought).iter().filter(|url| url.is_empty()).count(), 0);
    scene.has_bought(1).await;
}

#[tokio::test]
async fn one_that_waits_for_a_number_whose_object_is_being_deleted_is_reconciling() {
    let (scene, number) = Scene::routed().await;
    scene.phone_number("second", &number, json!({})).await;
    scene.reason::<PhoneNumber>("second", "Ready", "ClaimedByAnother").await;
    let held = json!({"metadata": {"finalizers": ["dialplane.dev/route", "example.com/held"]}});
    scene.patch::<PhoneNumber>("main", held).await;
    scene.delete::<PhoneNumber>("main").await;
    let second: PhoneNumber = scene.reason("second", "Ready", "AwaitingHandover").await;
    let conditions = second.status.unwrap().conditions;
    assert!(conditions.iter().any(|condition| condition.type_() == "Reconciling"));
    scene.strip::<PhoneNumber>("main").await;
    scene.reason::<PhoneNumber>("second", "Ready", "Routed").await;
    assert_eq!(scene.writes_to(&number), 1);
}

/// The records and the number of a purchase as a restore brings them into a cluster with another id: the holder's uid is gone, and
/// what is written on the number is the old installation's.
async fn restored(scene: &Scene, name: &str, with: [bool; 2]) -> String {
    let number = crate::support::scene::fresh();
    let identity = Identity::new(&scene.namespace, name);
    let marker = Marker::new("old-cluster", &identity).as_str().to_owned();
    let settings = [("friendly_name".to_owned(), marker)].into();
    scene.sandbox.seed(NumberSeed { number: number.clone(), account: None, settings }).unwrap();
    let sid = scene.sandbox.credentials().account_sid;
    let holder = json!({"namespace": scene.namespace, "name": name, "uid": "of-the-old-cluster"});
    let account = json!({"namespace": scene.namespace, "name": ACCOUNT, "identity": sid});
    let of = json!({"namespace": scene.namespace, "identity": name, "installation": "old-cluster", "attempt": 1});
    if with[0] {
        let mut spec = json!({"token": "t", "number": number, "holder": holder, "account": account});
        spec.as_object_mut().unwrap().extend(of.as_object().unwrap().clone());
        let name = NumberPurchase::name_of(&sid, &identity);
        let journal = json!({"metadata": {"name": name, "finalizers": ["dialplane.dev/in-use"]}, "spec": spec});
        let journals: Api<NumberPurchase> = Api::all(scene.client.clone());
        journals.create(&PostParams::default(), &serde_json::from_value(journal).unwrap()).await.unwrap();
    }
    if with[1] {
        let claim = json!({
            "metadata": {"name": number[1..], "finalizers": ["dialplane.dev/in-use"]},
            "spec": {
                "number": number, "holder": holder, "account": account, "acquisition": "Purchased",
                "onDelete": "Clear", "purchase": of,
            },
        });
        let claims: Api<NumberClaim> = Api::all(scene.client.clone());
        claims.create(&PostParams::default(), &serde_json::from_value(claim).unwrap()).await.unwrap();
    }
    number
}

#[tokio::test]
async fn a_restore_into_another_cluster_buys_nothing_and_asks_and_a_word_adopts_the_number() {
    let scene = Scene::new().await;
    scene.agent("engine.example.com", Some("v1")).await;
    for (name, with) in [("both", [true, true]), ("journal", [true, false]), ("claim", [false, true])] {
        let number = restored(&scene, name, with).await;
        scene.scans(1).await;
        scene.purchase(name, json!({})).await;
        let text = scene.acquired(name, "MarkerConflict").await;
        assert!(text.contains("old-cluster") && text.contains(NUMBER), "{name}: {text}");
        assert_eq!(scene.writes_to(&number), 0, "{name}");
        scene.patch::<PhoneNumber>(name, json!({"metadata": {"annotations": {NUMBER: number}}})).await;
        assert_eq!(scene.routed_number(name).await, number);
        let marker = scene.sandbox.field(&number, "friendly_name").unwrap();
        assert_eq!(marker, Marker::new("test", &scene.identity(name)).as_str(), "{name}");
    }
    assert_eq!(scene.sandbox.ledger().purchases(), 0);
}

#[tokio::test]
async fn a_namespace_that_is_no_longer_allowed_keeps_no_right_to_buy() {
    let (scene, _, neighbour) = two().await;
    let most = |from: &str| json!({"allowedNamespaces": {"from": from}, "purchasing": {"maxPerDay": 2}});
    scene.account(most("All")).await;
    let wish = |name: &str, purchase: Value| {
        json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": name},
            "spec": {"accountRef": scene.there(ACCOUNT), "purchase": purchase},
        })
    };
    // One has sent for a number that it does not get, and one that wants it as well waits for the right.
    scene.misbehaves(Fault::Refuse { status: 400, code: 21615 });
    neighbour.apply::<PhoneNumber>(wish("refused", json!({"search": {"country": "US", "areaCode": "415"}}))).await;
    neighbour.acquired("refused", "RegulatoryRequired").await;
    neighbour.apply::<PhoneNumber>(wish("elsewhere", json!({"number": "+14155557771"}))).await;
    neighbour.acquired("elsewhere", "NumberUnavailable").await;
    neighbour.apply::<PhoneNumber>(wish("waits", json!({"search": {"country": "US", "areaCode": "212"}}))).await;
    scene.account(most("Same")).await;
    for name in ["refused", "elsewhere", "waits"] {
        neighbour.reason::<PhoneNumber>(name, "Ready", "AccountNotAllowed").await;
    }
    scene.purchase("first", json!({})).await;
    scene.purchase("second", json!({})).await;
    scene.routed_number("first").await;
    scene.routed_number("second").await;
    scene.have_bought(&neighbour, 2).await;
}

#[tokio::test]
async fn a_namespace_that_is_no_longer_allowed_keeps_no_version_of_an_agent() {
    let (scene, number, neighbour) = two().await;
    scene.account(everybody()).await;
    scene.agent_with("engine.example.com", Some("v1"), everybody()).await;
    let guest = scene.owned();
    neighbour.borrows(&scene, "guest", &guest, json!({"agentRef": scene.there(AGENT)})).await;
    neighbour.reason::<PhoneNumber>("guest", "Ready", "Routed").await;
    scene.agent_with("engine.example.com", Some("v1"), json!({"allowedNamespaces": {"from": "Same"}})).await;
    neighbour.reason::<PhoneNumber>("guest", "Ready", "AgentNotAllowed").await;

    scene.agent("engine.example.com", Some("v2")).await;
    scene.calls_reach(&number, "https://engine.example.com/dental/v2/voice").await;
    scene.delete::<AgentVersion>("dental.v1").await;
    scene.gone::<AgentVersion>("dental.v1").await;

    scene.agent_with("engine.example.com", Some("v2"), everybody()).await;
    neighbour.reason::<PhoneNumber>("guest", "Ready", "Routed").await;
    scene.account(json!({"allowedNamespaces": {"from": "Same"}})).await;
    neighbour.reason::<PhoneNumber>("guest", "Ready", "AccountNotAllowed").await;
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    scene.delete::<Agent>(AGENT).await;
    scene.gone::<Agent>(AGENT).await;
    // The garbage collector deletes it, as it does with a namespace.
    scene.gone::<AgentVersion>("dental.v2").await;
}

#[tokio::test]
async fn what_there_is_in_another_namespace_is_not_told() {
    let (scene, number, neighbour) = two().await;
    neighbour.open(json!({})).await;
    let there = json!({"accountRef": scene.there(ACCOUNT)});
    let nowhere = json!({"accountRef": scene.there("nowhere")});
    let agent = |name: &str| json!({"agentRef": scene.there(name)});
    neighbour.phone_number("there", &number, there).await;
    neighbour.phone_number("nowhere", &number, nowhere).await;
    let said = async |name: &str, of: &str, reason: &str, hidden: &str| {
        neighbour.message::<PhoneNumber>(name, of, reason).await.replace(hidden, "")
    };
    assert_eq!(
        said("there", "Accepted", "AccountNotAllowed", ACCOUNT).await,
        said("nowhere", "Accepted", "AccountNotAllowed", "nowhere").await
    );
    neighbour.phone_number("agent", &scene.owned(), agent(AGENT)).await;
    neighbour.phone_number("none", &scene.owned(), agent("none")).await;
    assert_eq!(
        said("agent", "Routed", "AgentNotAllowed", AGENT).await,
        said("none", "Routed", "AgentNotAllowed", "none").await
    );
}
