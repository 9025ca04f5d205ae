//! Numbers at a carrier that has many of them share a route: on the real API server, from the simulated Telnyx, by the operator as it is.

use std::{collections::BTreeSet, time::Duration};

use dialplane::{
    api::{
        Agent, CarrierAccount, PhoneNumber,
        agent::Draft,
        meta::{Key, RECONCILE_REQUESTED},
        purchase::Marker,
    },
    sandbox::{
        carrier::{Fault, Kind, Match, Outcome, Rule},
        control_plane::ControlPlane,
    },
};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    sandbox::webhooks::{Inbox, agent as engine, taken},
    support::{
        self, crds, eventually, operator,
        scene::{ACCOUNT, AGENT, Scene},
    },
};

const CALLER: &str = "+12125550199";

/// Two webhooks, on `host`.
fn two(host: &str) -> Value {
    let webhook = |path: &str| json!({"url": format!("http://{host}/{{namespace}}/{{agent}}/{{version}}/{path}")});
    json!({"draft": {"webhooks": {"voice": webhook("voice"), "sms": webhook("sms"), "status": null}}})
}

/// A scene whose agent answers on a server that remembers what it was asked.
async fn scene() -> (Scene, Inbox) {
    let scene = Scene::telnyx().await;
    let (url, inbox) = engine().await;
    scene.sandbox.map_host("engine.example.com", &url);
    (scene, inbox)
}

impl Scene {
    async fn sharing_agent(&self, version: Option<&str>) -> Agent {
        self.agent_with("engine.example.com", version, two("engine.example.com")).await
    }

    /// The same of an agent that was there before, by somebody who says what that version was: what is left at the carrier speaks against
    /// the bare name.
    async fn sharing_agent_again(&self, version: &str) -> Agent {
        let mut spec = two("engine.example.com");
        let draft: Draft = serde_json::from_value(spec["draft"].clone()).unwrap();
        spec["versionDigest"] = json!(draft.digest());
        self.agent_with("engine.example.com", Some(version), spec).await
    }

    /// `count` numbers of the account, each imported and routed.
    async fn sharing_numbers(&self, count: usize) -> Vec<String> {
        let numbers: Vec<String> = (0..count).map(|_| self.owned()).collect();
        // So that they are listed.
        self.scans(1).await;
        for (i, number) in numbers.iter().enumerate() {
            self.phone_number(&format!("n{i}"), number, json!({})).await;
        }
        for i in 0..count {
            self.reason::<PhoneNumber>(&format!("n{i}"), "Ready", "Routed").await;
        }
        numbers
    }

    /// Where a call to `number` and a text to it really lead; nothing for nowhere.
    async fn leads(&self, inbox: &Inbox, number: &str) -> Vec<String> {
        taken(inbox);
        let call = self.sandbox.call(CALLER, number).await.outcome;
        let text = self.sandbox.text(CALLER, number, "hello").await.outcome;
        let paths: Vec<String> = taken(inbox).into_iter().map(|got| got.path).collect();
        let answered = [call, text].iter().filter(|outcome| **outcome == Outcome::Answered).count();
        assert_eq!(paths.len(), answered, "{call:?} {text:?}");
        paths
    }

    fn paths(&self, version: &str) -> Vec<String> {
        ["voice", "sms"].map(|path| format!("/{}/{AGENT}/{version}/{path}", self.namespace)).into()
    }

    /// Returns once calls and texts to `number` reach `version`.
    async fn reaches(&self, inbox: &Inbox, number: &str, version: &str) {
        let paths = self.paths(version);
        eventually(&format!("{number} reaches {version}"), || async {
            (self.leads(inbox, number).await == paths).then_some(())
        })
        .await;
    }

    /// Returns once every one of the first `count` numbers says that it reaches `version`.
    async fn rolled_out_to(&self, version: &str, count: usize) {
        for i in 0..count {
            eventually(&format!("n{i} reaches {version}"), || async {
                let number: PhoneNumber = self.reason(&format!("n{i}"), "Ready", "Routed").await;
                (number.status?.route?.version == version).then_some(())
            })
            .await;
        }
        eventually(&format!("{version} is rolled out"), || async {
            let agent: Agent = self.reason(AGENT, "RolledOut", "RolledOut").await;
            (agent.status?.published_version.as_deref() == Some(version)).then_some(())
        })
        .await;
    }

    /// Writes to applications and messaging profiles, and to numbers, that were applied.
    fn carrier_writes(&self) -> (usize, usize) {
        let ledger = self.sandbox.ledger();
        (ledger.of(Kind::ApplicationWrite).filter(|entry| entry.applied).count(), ledger.writes())
    }

    /// What a number is bound to.
    fn bound(&self, number: &str) -> [String; 2] {
        ["connection_id", "messaging_profile_id"].map(|field| self.sandbox.field(number, field).unwrap_or_default())
    }

    fn shared_name(&self) -> String {
        Marker::new("test", &Key::new(&*self.namespace, AGENT).to_string()).as_str().to_owned()
    }

    /// An application and a profile of the agent's name that lead to `version`.
    fn made_before(&self, version: &str) -> [String; 2] {
        let (account, name) = (self.sandbox.credentials().account_sid, self.shared_name());
        let [voice, sms] = ["voice", "sms"]
            .map(|path| format!("http://engine.example.com/{}/{AGENT}/{version}/{path}", self.namespace));
        let application = [("friendly_name", &*name), ("voice_url", &voice), ("voice_method", "post")];
        let profile = [("name", &*name), ("webhook_url", &sms), ("webhook_api_version", "2")];
        [
            self.sandbox.add_application(&account, &application).unwrap(),
            self.sandbox.add_messaging_profile(&account, &profile).unwrap(),
        ]
    }
}

#[tokio::test]
async fn numbers_of_an_agent_share_one_application_and_profile_and_publishing_is_one_write_for_all() {
    let (scene, inbox) = scene().await;
    scene.sharing_agent(Some("v1")).await;
    let numbers = scene.sharing_numbers(5).await;
    assert_eq!(numbers.iter().map(|number| scene.bound(number)).collect::<BTreeSet<_>>().len(), 1);
    for number in &numbers {
        assert_eq!(scene.leads(&inbox, number).await, scene.paths("v1"));
    }
    // Each number takes two writes, one for calls and one for texts.
    assert_eq!(scene.carrier_writes(), (2, 10));
    let [application, profile] = scene.bound(&numbers[0]).map(|id| scene.sandbox.shared_route(&id).unwrap());
    let name = scene.shared_name();
    assert_eq!((&application["friendly_name"], &profile["name"]), (&json!(name), &json!(name)));
    assert!(name.len() <= 40, "{name}");

    for (version, writes) in [("v2", 4), ("v1", 6)] {
        scene.sharing_agent(Some(version)).await;
        scene.rolled_out_to(version, 5).await;
        for number in &numbers {
            assert_eq!(scene.leads(&inbox, number).await, scene.paths(version));
        }
        assert_eq!(scene.carrier_writes(), (writes, 10), "one for each of the two, and none for a number");
    }
    scene.scans(2).await;
    assert_eq!(scene.carrier_writes(), (6, 10));
}

#[tokio::test]
async fn publishing_costs_a_number_that_shares_its_route_no_more_than_its_status() {
    if !support::is_own_cluster() {
        return;
    }
    let (scene, _inbox) = scene().await;
    scene.sharing_agent(Some("v1")).await;
    let number = scene.sharing_numbers(1).await.remove(0);
    let before = scene.object_writes(&number).await.len();
    scene.sharing_agent(Some("v2")).await;
    scene.rolled_out_to("v2", 1).await;
    scene.scans(2).await;
    let writes = scene.object_writes(&number).await.split_off(before);
    // One more where it was looked at between the Agent's status and what it shares.
    assert!(matches!(writes.len(), 1 | 2), "{writes:?}");
    assert!(writes.iter().all(|write| write == "update phonenumbers/status 200"), "{writes:?}");
}

#[tokio::test]
async fn what_was_made_before_is_found_by_its_name_and_drift_of_it_is_put_back() {
    let (scene, inbox) = scene().await;
    let made = scene.made_before("v1");
    scene.sharing_agent_again("v1").await;
    let number = scene.sharing_numbers(1).await.remove(0);
    assert_eq!((scene.bound(&number), scene.carrier_writes()), (made.clone(), (0, 2)));
    scene.reaches(&inbox, &number, "v1").await;

    scene.sandbox.edit_shared_route(&made[0], &[("voice_url", "https://elsewhere.example.com/")]).unwrap();
    scene.reaches(&inbox, &number, "v1").await;
    scene.event(AGENT, "DriftCorrected").await;
    assert_eq!(scene.carrier_writes(), (1, 2));

    // All that is remembered is gone, and it is the same ones again.
    let api = scene.api::<Agent>();
    api.patch_status(AGENT, &PatchParams::default(), &Patch::Merge(&json!({"status": null}))).await.unwrap();
    scene.sharing_agent(Some("v2")).await;
    scene.reaches(&inbox, &number, "v2").await;
    assert_eq!(scene.bound(&number), made);
}

#[tokio::test]
async fn drift_is_put_back_at_once_when_somebody_asks_for_a_look_at_a_number_or_the_account() {
    let (scene, inbox) = scene().await;
    let made = scene.made_before("v1");
    scene.sharing_agent_again("v1").await;
    let number = scene.sharing_numbers(1).await.remove(0);
    scene.account(json!({"twilio": null, "telnyx": {}, "scanInterval": "24h"})).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    scene.sandbox.edit_shared_route(&made[0], &[("voice_url", "https://elsewhere.example.com/")]).unwrap();
    scene.request("n0").await;
    scene.reaches(&inbox, &number, "v1").await;
    scene.sandbox.edit_shared_route(&made[1], &[("webhook_url", "https://elsewhere.example.com/")]).unwrap();
    let request = json!({"metadata": {"annotations": {RECONCILE_REQUESTED: "now"}}});
    scene.patch::<CarrierAccount>(ACCOUNT, request).await;
    scene.reaches(&inbox, &number, "v1").await;
}

#[tokio::test]
async fn a_shared_route_whose_making_is_in_doubt_is_not_made_twice() {
    let (scene, inbox) = scene().await;
    for path in ["/v2/texml_applications", "/v2/messaging_profiles"] {
        scene.sandbox.inject(Rule::new(Match::path(path).method("POST"), Fault::AnswerLost));
    }
    scene.sharing_agent(Some("v1")).await;
    let number = scene.sharing_numbers(1).await.remove(0);
    assert_eq!(scene.leads(&inbox, &number).await, scene.paths("v1"));
    assert_eq!(scene.carrier_writes(), (2, 2));
}

#[tokio::test]
async fn whoever_comes_after_a_crash_looks_for_what_was_sent_before_and_does_not_make_it_twice() {
    let own = ControlPlane::start(support::binaries()).await.unwrap();
    let client = own.client().await.unwrap();
    crds::apply(&client).await;
    let first = operator::run(client.clone());
    let scene = Scene::telnyx_on(client.clone()).await;
    let (url, inbox) = engine().await;
    scene.sandbox.map_host("engine.example.com", &url);
    let making = || Match::path("/v2/texml_applications").method("POST");
    scene.sandbox.inject(Rule::new(making(), Fault::AppliedLate { ms: 3000 }));
    scene.sharing_agent(Some("v1")).await;
    let number = scene.owned();
    scene.phone_number("n0", &number, json!({})).await;
    let made = || {
        let ledger = scene.sandbox.ledger();
        ledger.of(Kind::ApplicationWrite).filter(|e| e.path == "/v2/texml_applications").count()
    };
    eventually("it is sent", || async { (made() == 1).then_some(()) }).await;
    first.cancel();
    operator::run(client);
    scene.reason::<PhoneNumber>("n0", "Ready", "Routed").await;
    assert_eq!((made(), scene.leads(&inbox, &number).await), (1, scene.paths("v1")));
}

#[tokio::test]
async fn one_that_the_carrier_refuses_is_said_and_the_last_one_stays() {
    let (scene, inbox) = scene().await;
    scene.made_before("v1");
    scene.sharing_agent_again("v1").await;
    let number = scene.sharing_numbers(1).await.remove(0);
    let refuse = Fault::Refuse { status: 422, code: 10015 };
    scene.always(Match::path("/v2/texml_applications/*").method("PATCH"), refuse);
    scene.sharing_agent(Some("v2")).await;
    let message = scene.message::<Agent>(AGENT, "RolledOut", "SharedRouteRefused").await;
    assert!(message.contains(ACCOUNT), "{message}");
    scene.reason::<PhoneNumber>("n0", "Ready", "SharedRoutePending").await;
    assert_eq!(scene.leads(&inbox, &number).await, scene.paths("v1"));

    scene.sandbox.clear_faults();
    scene.sharing_agent(Some("v3")).await;
    scene.rolled_out_to("v3", 1).await;
    assert_eq!(scene.leads(&inbox, &number).await, scene.paths("v3"));
}

#[tokio::test]
async fn a_version_that_names_the_number_is_refused_and_nothing_changes() {
    let (scene, inbox) = scene().await;
    scene.sharing_agent(Some("v1")).await;
    let number = scene.sharing_numbers(1).await.remove(0);
    let writes = scene.carrier_writes();
    let voice = json!({"url": "http://engine.example.com/{version}/{number}"});
    let spec = json!({"draft": {"webhooks": {"voice": voice, "sms": null, "status": null}}});
    scene.agent_with("engine.example.com", Some("v2"), spec).await;
    let message = scene.message::<PhoneNumber>("n0", "Routed", "RouteNotShareable").await;
    assert!(message.contains("uses {number}") && message.contains("publish a version without it"), "{message}");
    scene.reason::<Agent>(AGENT, "RolledOut", "SharedRouteRefused").await;
    assert_eq!(scene.get::<PhoneNumber>("n0").await.unwrap().status.unwrap().route.unwrap().version, "v1");
    scene.purchase("bought", json!({})).await;
    scene.reason::<PhoneNumber>("bought", "Ready", "RouteNotShareable").await;
    assert_eq!(scene.leads(&inbox, &number).await, scene.paths("v1"));
    assert_eq!(scene.carrier_writes(), writes);
    scene.has_bought(0).await;
}

#[tokio::test]
async fn a_bought_number_reaches_its_agent_from_its_first_moment() {
    let (scene, inbox) = scene().await;
    // What numbers are to share cannot be made yet: nothing is bought that would answer with nothing.
    scene.always(Match::path("/v2/texml_applications").method("POST"), Fault::ServerErrorBefore { status: 503 });
    scene.sharing_agent(Some("v1")).await;
    // Before that it would be bought for an agent that answers nothing yet.
    scene.reason::<Agent>(AGENT, "Published", "Published").await;
    scene.purchase("main", json!({})).await;
    scene.reason::<Agent>(AGENT, "RolledOut", "SharedRouteFailed").await;
    scene.reason::<PhoneNumber>("main", "Ready", "SharedRoutePending").await;
    scene.has_bought(0).await;

    scene.sandbox.clear_faults();
    let number = scene.routed_number("main").await;
    assert_eq!(scene.leads(&inbox, &number).await, scene.paths("v1"));
    assert_eq!(scene.writes_to(&number), 0, "what it is bound to came with the order");
    scene.has_bought(1).await;
}

#[tokio::test]
async fn a_number_that_goes_leaves_the_route_to_the_others_and_the_last_one_leaves_it_unused() {
    let (scene, inbox) = scene().await;
    scene.sharing_agent(Some("v1")).await;
    let numbers = scene.sharing_numbers(2).await;
    let made = scene.bound(&numbers[0]);
    for (i, number) in numbers.iter().enumerate() {
        scene.delete::<PhoneNumber>(&format!("n{i}")).await;
        scene.gone::<PhoneNumber>(&format!("n{i}")).await;
        assert_eq!((scene.bound(number), scene.leads(&inbox, number).await.len()), ([String::new(), String::new()], 0));
        if i == 0 {
            assert_eq!(scene.leads(&inbox, &numbers[1]).await, scene.paths("v1"));
        }
    }
    eventually("the account is forgotten", || async {
        scene.get::<Agent>(AGENT).await?.status?.shared_routes.is_empty().then_some(())
    })
    .await;
    assert_eq!(scene.carrier_writes().0, 2, "nothing is emptied");
    scene.phone_number("again", &numbers[0], json!({})).await;
    scene.reason::<PhoneNumber>("again", "Ready", "Routed").await;
    assert_eq!((scene.bound(&numbers[0]), scene.carrier_writes().0), (made, 2));
    assert_eq!(scene.leads(&inbox, &numbers[0]).await, scene.paths("v1"));
    scene.delete::<PhoneNumber>("again").await;
    scene.gone::<PhoneNumber>("again").await;
    scene.delete::<Agent>(AGENT).await;
    scene.gone::<Agent>(AGENT).await;
}

#[tokio::test]
async fn off_the_air_is_one_write_for_all_numbers_and_so_is_coming_back() {
    let (scene, inbox) = scene().await;
    scene.sharing_agent(Some("v1")).await;
    let numbers = scene.sharing_numbers(2).await;
    let (made, (shared, bound)) = (scene.bound(&numbers[0]), scene.carrier_writes());
    let mut offline = two("engine.example.com");
    offline["offline"] = json!(true);
    scene.agent_with("engine.example.com", Some("v1"), offline).await;
    scene.reason::<Agent>(AGENT, "RolledOut", "TakenOffline").await;
    for (i, number) in numbers.iter().enumerate() {
        scene.reason::<PhoneNumber>(&format!("n{i}"), "Ready", "AgentOffline").await;
        assert_eq!((scene.leads(&inbox, number).await.len(), scene.bound(number)), (0, made.clone()));
    }
    assert_eq!(scene.carrier_writes(), (shared + 2, bound));
    scene.sharing_agent(Some("v1")).await;
    scene.rolled_out_to("v1", 2).await;
    assert_eq!(scene.leads(&inbox, &numbers[1]).await, scene.paths("v1"));
    assert_eq!(scene.carrier_writes(), (shared + 4, bound));
}

#[tokio::test]
async fn an_agent_shares_one_route_at_each_account_and_each_agent_has_its_own() {
    let (scene, inbox) = scene().await;
    // The account is another namespace's, and so is one of the agents.
    let other = Scene::telnyx().await;
    let all = json!({"twilio": null, "telnyx": {}, "allowedNamespaces": {"from": "All"}});
    other.account(all).await;
    let open = json!({"allowedNamespaces": {"from": "All"}});
    let mut spec = two("engine.example.com");
    spec["allowedNamespaces"] = open["allowedNamespaces"].clone();
    scene.agent_with("engine.example.com", Some("v1"), spec.clone()).await;
    let mine = scene.sharing_numbers(1).await.remove(0);
    let far = other.owned();
    other.scans(1).await;
    let account = json!({"name": ACCOUNT, "namespace": other.namespace});
    scene.phone_number("far", &far, json!({"accountRef": account})).await;
    scene.reason::<PhoneNumber>("far", "Ready", "Routed").await;
    let entries = scene.get::<Agent>(AGENT).await.unwrap().status.unwrap().shared_routes;
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_ne!(scene.bound(&mine), other.bound(&far));
    let voice = |scene: &Scene, number: &str| {
        scene.sandbox.shared_route(&scene.bound(number)[0]).unwrap()["voice_url"].as_str().unwrap().to_owned()
    };
    let url = format!("http://engine.example.com/{}/{AGENT}/v1/voice", scene.namespace);
    assert_eq!((voice(&scene, &mine), voice(&other, &far)), (url.clone(), url));

    // An agent of the same name in the other namespace, and a number of the same account that refers to the far agent.
    other.sharing_agent(Some("v1")).await;
    let (near, remote) = (other.owned(), other.owned());
    other.scans(1).await;
    other.phone_number("near", &near, json!({})).await;
    other.phone_number("remote", &remote, json!({"agentRef": {"name": AGENT, "namespace": scene.namespace}})).await;
    other.reason::<PhoneNumber>("near", "Ready", "Routed").await;
    other.reason::<PhoneNumber>("remote", "Ready", "Routed").await;
    assert_eq!(other.bound(&remote), other.bound(&far));
    assert_ne!(other.bound(&near), other.bound(&far));
    assert_eq!(scene.leads(&inbox, &mine).await, scene.paths("v1"));

    // The other account may not be used any more: its numbers keep what they have, and the rest goes on.
    other.account(json!({"twilio": null, "telnyx": {}, "allowedNamespaces": {"from": "Same"}})).await;
    scene.reason::<PhoneNumber>("far", "Ready", "AccountNotAllowed").await;
    spec["allowedNamespaces"] = json!({"from": "Same"});
    scene.agent_with("engine.example.com", Some("v2"), spec).await;
    scene.reaches(&inbox, &mine, "v2").await;
    other.reason::<PhoneNumber>("remote", "Ready", "AgentNotAllowed").await;
    other.scans(2).await;
    assert!(voice(&other, &far).ends_with("/v1/voice") && voice(&scene, &mine).ends_with("/v2/voice"));
    other.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
}

#[tokio::test]
async fn a_suspended_number_causes_no_route_to_be_made_and_follows_what_it_shares() {
    let (scene, inbox) = scene().await;
    scene.sharing_agent(Some("v1")).await;
    let number = scene.owned();
    scene.scans(1).await;
    scene.phone_number("n0", &number, json!({"mode": "Observe"})).await;
    scene.reason::<PhoneNumber>("n0", "Ready", "RouteDiffers").await;
    scene.scans(2).await;
    assert_eq!(scene.carrier_writes(), (0, 0));
    scene.phone_number("n0", &number, json!({})).await;
    scene.reason::<PhoneNumber>("n0", "Ready", "Routed").await;

    scene.phone_number("n0", &number, json!({"suspend": true})).await;
    scene.reason::<PhoneNumber>("n0", "Ready", "Routed").await;
    scene.sharing_agent(Some("v2")).await;
    scene.reason::<PhoneNumber>("n0", "Ready", "Suspended").await;
    scene.scans(2).await;
    assert_eq!((scene.leads(&inbox, &number).await, scene.carrier_writes()), (scene.paths("v1"), (2, 2)));
    let second = scene.owned();
    scene.scans(1).await;
    scene.phone_number("n1", &second, json!({})).await;
    scene.rolled_out_to("v2", 2).await;
    assert_eq!(scene.leads(&inbox, &number).await, scene.paths("v2"), "with the other that it shares a route with");
}

/// A scene whose numbers were routed so long ago that a look at what they share is believed, and whose account is seldom listed.
async fn at_rest() -> Scene {
    let (scene, _) = scene().await;
    scene.sharing_agent(Some("v1")).await;
    scene.sharing_numbers(2).await;
    scene.account(json!({"twilio": null, "telnyx": {}, "scanInterval": "10m"})).await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    scene
}

#[tokio::test]
async fn whoever_may_not_use_them_has_nothing_looked_at_again() {
    let scene = at_rest().await;
    let stranger = scene.elsewhere().await;
    let there = |name: &str| json!({"name": name, "namespace": scene.namespace});
    let refused = json!({"accountRef": there(ACCOUNT), "agentRef": there(AGENT)});
    stranger.phone_number("refused", &scene.owned(), refused).await;
    stranger.reason::<PhoneNumber>("refused", "Ready", "AccountNotAllowed").await;
    let looks =
        || scene.sandbox.ledger().entries().iter().filter(|entry| entry.path == "/v2/texml_applications").count();
    let before = looks();
    for _ in 0..20 {
        stranger.request("refused").await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(looks(), before);
    scene.request("n0").await;
    eventually("its owner has it looked at", || async { (looks() > before).then_some(()) }).await;
}

#[tokio::test]
async fn an_agent_is_published_however_often_somebody_asks_for_a_look() {
    let scene = at_rest().await;
    scene.sandbox.switch(|switches| switches.latency_ms = 100);
    let publish = async {
        // Not before the looks go on and on.
        tokio::time::sleep(Duration::from_secs(1)).await;
        scene.sharing_agent(Some("v2")).await;
        eventually("n0 reaches v2", || async {
            let route = scene.get::<PhoneNumber>("n0").await?.status?.route?;
            (route.version == "v2").then_some(())
        })
        .await;
    };
    let ask = async {
        for i in 0.. {
            let annotations = json!({RECONCILE_REQUESTED: i.to_string()});
            scene.patch::<PhoneNumber>("n1", json!({"metadata": {"annotations": annotations}})).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = publish => {}
        () = ask => {}
    }
}
