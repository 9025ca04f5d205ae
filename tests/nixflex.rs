//! A number stays at its carrier and is answered by an agent on Nixflex: bound, kept, moved, taken off.

use std::ops::Deref;

use dialplane::{
    api::{Agent, CarrierAccount, PhoneNumber, number::Channel},
    sandbox::carrier::{Fault, Hosted, KeyScope, KeySeed, Kind, Match, Outcome, Rule, StaleCredentials},
};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use crate::support::{
    eventually,
    scene::{ACCOUNT, AGENT, Scene},
};

/// The platform's account.
const PLATFORM: &str = "nixflex";

/// A Twilio account that lends its credentials to a Nixflex key, which has one agent, and our Agent that is hosted there.
struct Stage {
    scene: Scene,
    /// The key's id at the platform.
    key: String,
    /// The platform's id of the agent.
    agent: String,
}

impl Deref for Stage {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Stage {
    /// Everything, with version v1 of the agent published.
    async fn new() -> Self {
        let stage = Self::lending(json!({"lendTo": [{"name": PLATFORM}]})).await;
        stage.publish("v1", &stage.agent).await;
        stage
    }

    /// The accounts alone; `account` is laid over the number's.
    async fn lending(account: Value) -> Self {
        let scene = Scene::bare().await;
        scene.open(account).await;
        Self::beside(scene).await
    }

    /// The platform's account beside one that is open.
    async fn beside(scene: Scene) -> Self {
        let credentials = scene.sandbox.add_nixflex_key().unwrap();
        let agent = scene.sandbox.add_nixflex_agent(&credentials.account_sid, "Front desk").unwrap();
        let stage = Self { scene, key: credentials.account_sid.clone(), agent };
        let api_key = format!("{}:{}", credentials.account_sid, credentials.auth_token);
        stage
            .apply::<Secret>(json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": PLATFORM}, "stringData": {"apiKey": api_key},
            }))
            .await;
        stage.open_platform().await;
        stage
    }

    async fn open_platform(&self) {
        self.apply::<CarrierAccount>(json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "CarrierAccount", "metadata": {"name": PLATFORM},
            "spec": {
                "nixflex": {}, "credentialsRef": {"name": PLATFORM}, "endpoint": format!("{}/nixflex", self.sandbox.url()),
                "limits": {"concurrency": 20, "requestsPerSecond": 10000}, "scanInterval": "2s",
            },
        }))
        .await;
        self.reason::<CarrierAccount>(PLATFORM, "Ready", "Connected").await;
    }

    /// Publishes a version that is hosted by this agent of the platform, and has webhooks for numbers of nobody there.
    async fn publish(&self, version: &str, agent: &str) {
        let hosted = json!([{"accountRef": {"name": PLATFORM}, "agentId": agent}]);
        self.agent_with("engine.example.com", Some(version), json!({"draft": {"hosted": hosted}})).await;
        self.reason::<Agent>(AGENT, "Published", "Published").await;
    }

    /// A PhoneNumber `main` for a number of the account, answered at the platform.
    async fn bound() -> (Self, String) {
        let stage = Self::new().await;
        let number = stage.import(json!({})).await;
        stage.reason::<PhoneNumber>("main", "Ready", "Routed").await;
        (stage, number)
    }

    /// So many PhoneNumbers, `n0` and so on, answered at the platform.
    async fn fleet(count: usize) -> (Self, Vec<String>) {
        let stage = Self::new().await;
        let numbers: Vec<String> = (0..count).map(|_| stage.owned()).collect();
        for (i, number) in numbers.iter().enumerate() {
            stage.phone_number(&format!("n{i}"), number, json!({})).await;
        }
        for i in 0..count {
            stage.reason::<PhoneNumber>(&format!("n{i}"), "Ready", "Routed").await;
        }
        (stage, numbers)
    }

    async fn import(&self, spec: Value) -> String {
        let number = self.owned();
        self.sandbox.edit(&number, &[("voice_url", "https://old.example.com/voice")]).unwrap();
        self.phone_number("main", &number, spec).await;
        number
    }

    /// Which agent of the platform the number was given to.
    fn row(&self, number: &str) -> Option<String> {
        Some(self.sandbox.nixflex_row(number)?["agent_id"].as_str()?.to_owned())
    }

    async fn has_row(&self, number: &str, agent: Option<&str>) {
        eventually(&format!("{number} is given to {agent:?}"), || async {
            (self.row(number).as_deref() == agent).then_some(())
        })
        .await;
    }

    fn count(&self, kind: Kind) -> usize {
        self.sandbox.ledger().entries().iter().filter(|entry| entry.kind == kind && entry.applied).count()
    }

    /// The platform's agent that a caller reaches.
    async fn reached(&self, number: &str) -> Option<Hosted> {
        self.sandbox.call("+14155550199", number).await.hosted
    }
}

#[tokio::test]
async fn an_imported_number_is_answered_by_the_platforms_agent_after_one_request_there() {
    let (stage, number) = Stage::bound().await;
    let hosted = Hosted { agent: stage.agent.clone(), version: None };
    assert_eq!(stage.reached(&number).await, Some(hosted));
    let route = stage.get::<PhoneNumber>("main").await.unwrap().status.unwrap().route.unwrap();
    assert_eq!((&*route.version, route.platform), ("v1", Some(format!("{}/{PLATFORM}", stage.namespace))));
    let claim = stage.claim(&number).await.unwrap().spec;
    let bound = claim.bound.unwrap();
    assert_eq!((bound.agent, bound.account.identity), (stage.agent.clone(), stage.key.clone()));
    assert_eq!(bound.route[&Channel::Voice].url, Some(stage.voice_url(&number)));
    assert_eq!(claim.previous[&Channel::Voice].url.as_deref(), Some("https://old.example.com/voice"));

    stage.scans(3).await;
    stage.request("main").await;
    assert_eq!((stage.count(Kind::Attach), stage.writes_to(&number)), (1, 0), "one import, and nothing else");

    stage.delete::<PhoneNumber>("main").await;
    stage.gone::<PhoneNumber>("main").await;
    assert_eq!((stage.row(&number), stage.voice_url(&number)), (None, String::new()));
    stage.unclaimed(&number).await;
    assert!(stage.sandbox.number(&number).is_some(), "the number is still ours");
}

#[tokio::test]
async fn where_the_platforms_account_is_not_there_numbers_stay_as_they_are_until_it_is() {
    let stage = Stage::lending(json!({"lendTo": [{"name": PLATFORM}]})).await;
    stage.delete::<CarrierAccount>(PLATFORM).await;
    stage.gone::<CarrierAccount>(PLATFORM).await;
    stage.publish("v1", &stage.agent).await;
    let number = stage.import(json!({})).await;
    stage.reason::<Agent>(AGENT, "RolledOut", "PlatformNotFound").await;
    stage.reason::<PhoneNumber>("main", "Routed", "SharedRoutePending").await;
    stage.scans(2).await;
    assert_eq!((&*stage.voice_url(&number), stage.writes_to(&number)), ("https://old.example.com/voice", 0));
    // Whether one of somebody else is there makes no difference to what is said.
    let hosted = json!([{"accountRef": {"name": PLATFORM, "namespace": "default"}, "agentId": "a1"}]);
    stage.agent_with("engine.example.com", Some("v2"), json!({"draft": {"hosted": hosted}})).await;
    stage.reason::<Agent>(AGENT, "RolledOut", "PlatformNotAllowed").await;
    stage.reason::<PhoneNumber>("main", "Routed", "SharedRoutePending").await;

    stage.publish("v1", &stage.agent).await;
    stage.open_platform().await;
    stage.has_row(&number, Some(&stage.agent)).await;
    stage.reason::<PhoneNumber>("main", "Ready", "Routed").await;
}

#[tokio::test]
async fn a_number_is_bought_at_its_carrier_and_answered_at_the_platform() {
    let stage = Stage::new().await;
    stage.purchase("main", json!({})).await;
    let number = stage.routed_number("main").await;
    assert_eq!(stage.reached(&number).await.map(|hosted| hosted.agent), Some(stage.agent.clone()));
    stage.has_bought(1).await;
}

#[tokio::test]
async fn what_was_there_before_the_platform_comes_back_where_that_is_wished() {
    let stage = Stage::new().await;
    let number = stage.import(json!({"onDelete": "Restore"})).await;
    stage.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    stage.delete::<PhoneNumber>("main").await;
    stage.gone::<PhoneNumber>("main").await;
    assert_eq!((stage.row(&number), &*stage.voice_url(&number)), (None, "https://old.example.com/voice"));
}

#[tokio::test]
async fn publishing_moves_a_number_from_the_platform_to_webhooks_and_back() {
    let (stage, number) = Stage::bound().await;
    stage.agent("engine.example.com", Some("v2")).await;
    stage.calls_reach(&number, "https://engine.example.com/dental/v2/voice").await;
    stage.has_row(&number, None).await;
    let claim = stage.claim(&number).await.unwrap().spec;
    assert_eq!(claim.bound, None);

    stage.publish("v1", &stage.agent).await;
    stage.has_row(&number, Some(&stage.agent)).await;
    stage.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(stage.reached(&number).await.map(|hosted| hosted.agent), Some(stage.agent.clone()));
}

#[tokio::test]
async fn another_agent_of_the_platform_answers_after_one_taking_off_and_one_putting_on() {
    let (stage, number) = Stage::bound().await;
    let other = stage.sandbox.add_nixflex_agent(&stage.key, "Night desk").unwrap();
    stage.publish("v2", &other).await;
    stage.has_row(&number, Some(&other)).await;
    eventually("v2 is reached", || async {
        let route = stage.get::<PhoneNumber>("main").await?.status?.route?;
        (route.version == "v2").then_some(())
    })
    .await;
    assert_eq!((stage.count(Kind::Attach), stage.count(Kind::Detach)), (2, 1));
    let said = stage.event("main", "Moving").await;
    assert!(said.contains("alls are not answered for that moment"), "{said}");
    assert_eq!(stage.reached(&number).await.map(|hosted| hosted.agent), Some(other));
}

#[tokio::test]
async fn what_the_platform_set_at_the_carrier_is_kept_against_drift_without_a_second_import() {
    let (stage, number) = Stage::bound().await;
    let url = stage.voice_url(&number);
    stage.sandbox.edit(&number, &[("voice_url", "https://hijack.example.com/")]).unwrap();
    stage.request("main").await;
    stage.calls_reach(&number, &url).await;
    assert_eq!(stage.count(Kind::Attach), 1);
    let said = stage.event("main", "DriftCorrected").await;
    assert!(said.contains("hijack.example.com"), "{said}");
}

#[tokio::test]
async fn what_others_change_on_the_platform_is_put_back_and_said() {
    let (stage, number) = Stage::bound().await;
    stage.sandbox.nixflex_detach(&number).unwrap();
    stage.has_row(&number, Some(&stage.agent)).await;
    let said = stage.event("main", "DriftCorrected").await;
    assert!(said.contains(PLATFORM), "{said}");
    let other = stage.sandbox.add_nixflex_agent(&stage.key, "Somebody's").unwrap();
    stage.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    stage.sandbox.nixflex_detach(&number).unwrap();
    stage.sandbox.nixflex_attach(&stage.key, &number, &other).unwrap();
    stage.has_row(&number, Some(&stage.agent)).await;
}

#[tokio::test]
async fn what_is_named_for_one_number_is_set_there_by_one_request_and_no_webhook_is_written() {
    let (stage, number) = Stage::bound().await;
    let (writes, url) = (stage.count(Kind::PlatformWrite), stage.voice_url(&number));
    let prompt = "You answer for Smile Dental Croydon.";
    stage.phone_number("main", &number, json!({"config": {"prompt": prompt, "recordCalls": true}})).await;
    eventually("the prompt is there", || async {
        let row = stage.sandbox.nixflex_row(&number)?;
        (row["custom_prompt"] == prompt && row["record_call"] == true).then_some(())
    })
    .await;
    stage.scans(2).await;
    stage.request("main").await;
    assert_eq!((stage.count(Kind::AttachmentWrite), stage.count(Kind::PlatformWrite)), (1, writes));
    assert_eq!((stage.voice_url(&number), stage.count(Kind::Attach)), (url, 1));
    stage.phone_number("main", &number, json!({"config": {"prompt": ""}})).await;
    eventually("the prompt is gone", || async {
        stage.sandbox.nixflex_row(&number)?["custom_prompt"].as_str().is_none_or(str::is_empty).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_costs_extra_is_switched_where_it_is_named_put_back_and_left_alone_where_it_is_not() {
    let (stage, number) = Stage::bound().await;
    let scan = async |interval: &str| {
        stage.patch::<CarrierAccount>(PLATFORM, json!({"spec": {"scanInterval": interval}})).await;
    };
    let asked = |method: &str| {
        let of_extras = |path: &str| path.contains("/integrations/") && path.ends_with(&number.replace('+', "%2B"));
        let ledger = stage.sandbox.ledger();
        ledger.entries().iter().filter(|entry| entry.method == method && of_extras(&entry.path)).count()
    };
    let are = async |monitor: bool, web_calls: bool| {
        eventually(&format!("the extras are {monitor} and {web_calls}"), || async {
            let is_on = |name| stage.sandbox.nixflex_is_on(&number, name);
            ((is_on("monitor"), is_on("web-calls")) == (monitor, web_calls)).then_some(())
        })
        .await;
    };
    stage.sandbox.nixflex_switch(&number, "web-calls", true).unwrap();
    stage.scans(4).await;
    assert_eq!((asked("GET"), asked("PUT")), (0, 0), "nobody looks at what is not named");

    scan("1h").await;
    let (imports, webhooks) = (stage.count(Kind::Attach), stage.count(Kind::PlatformWrite));
    stage.phone_number("main", &number, json!({"config": {"monitor": true, "webCalls": false}})).await;
    are(true, false).await;
    let object: PhoneNumber = stage.reason("main", "Ready", "Routed").await;
    assert_eq!(object.status.unwrap().route.unwrap().extras.len(), 2);
    assert_eq!((asked("GET"), asked("PUT")), (2, 2), "each is looked at once and switched once");
    assert_eq!((stage.count(Kind::Attach), stage.count(Kind::PlatformWrite)), (imports, webhooks));

    stage.request("main").await;
    assert_eq!((asked("GET"), asked("PUT")), (4, 2), "nothing differs and nothing is written");
    stage.sandbox.nixflex_switch(&number, "web-calls", true).unwrap();
    stage.request("main").await;
    are(true, false).await;
    assert_eq!(asked("PUT"), 3);
    let said = stage.event("main", "DriftCorrected").await;
    assert!(said.contains(PLATFORM), "{said}");

    scan("2s").await;
    stage.phone_number("main", &number, json!({"config": {"monitor": false}})).await;
    are(false, false).await;
    stage.sandbox.nixflex_switch(&number, "web-calls", true).unwrap();
    stage.sandbox.nixflex_switch(&number, "monitor", true).unwrap();
    are(false, true).await;
    assert_eq!(asked("PUT"), 5, "it is put back without being asked, and what is not named any more is left");

    stage.phone_number("main", &number, json!({})).await;
    stage.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    let looks = asked("GET");
    stage.scans(4).await;
    assert_eq!((asked("GET"), asked("PUT")), (looks, 5));
    assert_eq!((stage.count(Kind::Attach), stage.count(Kind::AttachmentWrite)), (imports, 5));
}

#[tokio::test]
async fn an_extra_that_the_plan_does_not_have_is_said_and_the_number_goes_on() {
    let (stage, number) = Stage::bound().await;
    let monitor = Match { path: Some("/nixflex/v1/integrations/monitor/*".to_owned()), ..Match::any() };
    stage.always(monitor, Fault::RefuseAs { status: 403, code: "plan_required".to_owned() });
    stage.phone_number("main", &number, json!({"config": {"monitor": true}})).await;
    let message = stage.message::<PhoneNumber>("main", "Routed", "BindingRefused").await;
    assert!(message.contains("config.monitor") && message.contains("plan_required"), "{message}");
    let url = stage.voice_url(&number);
    stage.sandbox.edit(&number, &[("voice_url", "https://hijack.example.com/")]).unwrap();
    stage.calls_reach(&number, &url).await;
    assert_eq!(stage.reached(&number).await.map(|hosted| hosted.agent), Some(stage.agent.clone()));

    stage.sandbox.clear_faults();
    stage.request("main").await;
    stage.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert!(stage.sandbox.nixflex_is_on(&number, "monitor"));
    assert_eq!((stage.count(Kind::Attach), stage.count(Kind::AttachmentWrite)), (1, 1));
}

#[tokio::test]
async fn credentials_go_to_no_platform_that_their_owner_did_not_name() {
    let stage = Stage::lending(json!({})).await;
    stage.publish("v1", &stage.agent).await;
    let number = stage.import(json!({})).await;
    let message = stage.message::<PhoneNumber>("main", "Routed", "CredentialsNotLent").await;
    assert!(message.contains("spec.lendTo"), "{message}");
    stage.scans(2).await;
    assert_eq!((stage.count(Kind::Attach), stage.row(&number)), (0, None));
    assert_eq!(stage.voice_url(&number), "https://old.example.com/voice", "the last route stays");

    stage.account(json!({"lendTo": [{"name": PLATFORM}]})).await;
    stage.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(stage.row(&number), Some(stage.agent.clone()));
}

#[tokio::test]
async fn an_account_that_an_api_key_opens_cannot_be_lent() {
    let stage = Stage::lending(json!({"lendTo": [{"name": PLATFORM}]})).await;
    let (sid, secret) = (format!("SK{}", "a".repeat(32)), "s3cret".to_owned());
    let (api_key, account) =
        (json!({"apiKeySid": sid, "apiKeySecret": secret}), stage.sandbox.credentials().account_sid);
    stage.sandbox.add_key(&account, KeySeed { sid, secret, scope: KeyScope::Main }).unwrap();
    stage.delete::<Secret>(ACCOUNT).await;
    stage.secret(api_key).await;
    stage.account(json!({"lendTo": [{"name": PLATFORM}], "scanInterval": "3s"})).await;
    stage.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    stage.publish("v1", &stage.agent).await;
    stage.import(json!({})).await;
    let message = stage.message::<PhoneNumber>("main", "Routed", "CredentialsNotLent").await;
    assert!(message.contains("authToken"), "{message}");
    assert_eq!(stage.count(Kind::Attach), 0);
}

#[tokio::test]
async fn a_number_that_another_key_has_there_is_left_to_it() {
    let stage = Stage::new().await;
    let other = stage.sandbox.add_nixflex_key().unwrap();
    let agent = stage.sandbox.add_nixflex_agent(&other.account_sid, "Theirs").unwrap();
    let number = stage.owned();
    stage.sandbox.nixflex_attach(&other.account_sid, &number, &agent).unwrap();
    stage.phone_number("main", &number, json!({})).await;
    stage.reason::<PhoneNumber>("main", "Routed", "BoundWithAnotherKey").await;
    assert_eq!(stage.row(&number), Some(agent));
    let attempts = stage.sandbox.ledger().entries().iter().filter(|entry| entry.kind == Kind::Attach).count();
    stage.scans(3).await;
    let later = stage.sandbox.ledger().entries().iter().filter(|entry| entry.kind == Kind::Attach).count();
    assert!(later <= attempts + 1, "it is not tried again and again: {attempts} and {later}");
}

#[tokio::test]
async fn an_agent_that_the_platform_does_not_have_is_said_of_our_agent_and_nothing_is_sent() {
    let stage = Stage::lending(json!({"lendTo": [{"name": PLATFORM}]})).await;
    stage.publish("v1", "agent_0000000000000000").await;
    let number = stage.import(json!({})).await;
    stage.message::<Agent>(AGENT, "RolledOut", "HostedAgentNotFound").await;
    stage.reason::<PhoneNumber>("main", "Routed", "SharedRoutePending").await;
    assert_eq!((stage.count(Kind::Attach), stage.row(&number)), (0, None));
}

#[tokio::test]
async fn an_agent_that_is_deleted_there_while_numbers_lead_to_it_is_said() {
    let (stage, number) = Stage::bound().await;
    stage.sandbox.delete_nixflex_agent(&stage.agent).unwrap();
    stage.message::<Agent>(AGENT, "RolledOut", "HostedAgentNotFound").await;
    stage.reason::<PhoneNumber>("main", "Ready", "SharedRoutePending").await;
    assert_eq!(stage.writes_to(&number), 0);
    let attaches = stage.count(Kind::Attach);
    stage.scans(3).await;
    assert_eq!(stage.count(Kind::Attach), attaches, "nothing loops");
}

#[tokio::test]
async fn an_import_whose_answer_is_lost_is_seen_and_not_sent_for_ever() {
    for fault in [Fault::AnswerLost, Fault::HalfDone] {
        let stage = Stage::new().await;
        stage.sandbox.inject(Rule::new(Match::kind(Kind::Attach), fault.clone()));
        let number = stage.import(json!({})).await;
        stage.reason::<PhoneNumber>("main", "Ready", "Routed").await;
        assert_eq!(stage.row(&number), Some(stage.agent.clone()), "{fault:?}");
        let claim = stage.claim(&number).await.unwrap().spec;
        assert_eq!(claim.previous[&Channel::Voice].url.as_deref(), Some("https://old.example.com/voice"), "{fault:?}");
    }
}

#[tokio::test]
async fn a_platform_is_no_account_to_import_a_number_from() {
    let stage = Stage::new().await;
    let number = stage.owned();
    stage.phone_number("main", &number, json!({"accountRef": {"name": PLATFORM}})).await;
    stage.reason::<PhoneNumber>("main", "Accepted", "NotACarrier").await;
    assert_eq!(stage.claim(&number).await, None);
}

#[tokio::test]
async fn an_agent_that_goes_off_the_air_leaves_its_numbers_to_nobody() {
    let (stage, number) = Stage::bound().await;
    stage.patch::<Agent>(AGENT, json!({"spec": {"offline": true}})).await;
    stage.has_row(&number, None).await;
    stage.reason::<PhoneNumber>("main", "Routed", "AgentOffline").await;
    assert_eq!(stage.sandbox.call("+14155550199", &number).await.outcome, Outcome::Nothing);
    stage.patch::<Agent>(AGENT, json!({"spec": {"offline": false}})).await;
    stage.has_row(&number, Some(&stage.agent)).await;
}

#[tokio::test]
async fn a_version_that_names_two_platforms_for_one_number_serves_nobody() {
    let stage = Stage::new().await;
    let hosted = |agent: &str| json!({"accountRef": {"name": PLATFORM}, "agentId": agent});
    let twice = json!({"draft": {"hosted": [hosted(&stage.agent), hosted("agent_0123456789abcdef")]}});
    stage.agent_with("engine.example.com", Some("v2"), twice).await;
    let message = stage.message::<Agent>(AGENT, "Published", "VersionInvalid").await;
    assert!(message.contains("twice"), "{message}");
}

#[tokio::test]
async fn a_number_at_telnyx_is_bound_to_the_application_that_its_account_lends_along() {
    let stage = Stage::beside(Scene::telnyx().await).await;
    let account = stage.sandbox.credentials().account_sid;
    let webhook = stage.sandbox.nixflex_webhooks().telnyx_voice;
    let connection = stage.sandbox.add_application(&account, &[("voice_url", &webhook)]).unwrap();
    let lending = json!([{"name": PLATFORM, "connectionId": connection}]);
    stage.account(json!({"twilio": null, "telnyx": {}, "lendTo": lending})).await;
    stage.publish("v1", &stage.agent).await;
    let number = stage.owned();
    stage.phone_number("main", &number, json!({})).await;
    stage.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(stage.row(&number), Some(stage.agent.clone()));
    assert_eq!(stage.reached(&number).await.map(|hosted| hosted.agent), Some(stage.agent.clone()));
    assert_eq!(stage.count(Kind::ApplicationWrite), 0, "no route is made that nobody is bound to");

    stage.delete::<PhoneNumber>("main").await;
    stage.gone::<PhoneNumber>("main").await;
    assert_eq!(stage.row(&number), None);
    assert!(stage.sandbox.number(&number).is_some(), "the number is still ours");
}

#[tokio::test]
async fn a_fleet_moves_to_another_agent_by_one_taking_off_and_one_putting_on_for_each() {
    const FLEET: usize = 20;
    let (stage, numbers) = Stage::fleet(FLEET).await;
    assert_eq!((stage.count(Kind::Attach), stage.count(Kind::Detach)), (FLEET, 0));
    let other = stage.sandbox.add_nixflex_agent(&stage.key, "Night desk").unwrap();
    stage.publish("v2", &other).await;
    for number in &numbers {
        stage.has_row(number, Some(&other)).await;
    }
    assert_eq!((stage.count(Kind::Attach), stage.count(Kind::Detach)), (2 * FLEET, FLEET));
    let agent: Agent = stage.reason(AGENT, "RolledOut", "RolledOut").await;
    assert_eq!(agent.status.unwrap().numbers.unwrap().routed, 20);
}

#[tokio::test]
async fn while_none_can_be_put_on_no_more_are_taken_off_than_may_be_off_at_once() {
    let (stage, numbers) = Stage::fleet(6).await;
    stage.patch::<CarrierAccount>(PLATFORM, json!({"spec": {"limits": {"concurrency": 2}}})).await;
    stage.reason::<CarrierAccount>(PLATFORM, "Ready", "Connected").await;
    let other = stage.sandbox.add_nixflex_agent(&stage.key, "Night desk").unwrap();
    stage.always(Match::kind(Kind::Attach), Fault::ServerErrorBefore { status: 503 });
    stage.publish("v2", &other).await;
    eventually("one says why it waits", || async {
        let numbers = stage.api::<PhoneNumber>().list(&Default::default()).await.ok()?;
        let waits = |number: &PhoneNumber| format!("{:?}", number.status).contains("could not be assigned again");
        numbers.iter().any(waits).then_some(())
    })
    .await;
    stage.scans(3).await;
    assert_eq!(stage.count(Kind::Detach), 2);
    stage.sandbox.clear_faults();
    for number in &numbers {
        stage.has_row(number, Some(&other)).await;
    }
    assert_eq!((stage.count(Kind::Attach), stage.count(Kind::Detach)), (12, 6));
}

#[tokio::test]
async fn a_key_of_another_customer_stops_everything_at_the_platform() {
    let (stage, number) = Stage::bound().await;
    let other = stage.sandbox.add_nixflex_key().unwrap();
    let api_key = format!("{}:{}", other.account_sid, other.auth_token);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": PLATFORM}, "stringData": {"apiKey": api_key},
    });
    stage.apply::<Secret>(secret).await;
    stage.message::<CarrierAccount>(PLATFORM, "Ready", "WrongAccount").await;
    let (attached, detached) = (stage.count(Kind::Attach), stage.count(Kind::Detach));
    stage.request("main").await;
    assert_eq!((stage.count(Kind::Attach), stage.count(Kind::Detach)), (attached, detached));
    assert_eq!(stage.row(&number), Some(stage.agent.clone()));
}

#[tokio::test]
async fn calls_beyond_the_keys_tier_are_shown_and_told_once() {
    let (stage, number) = Stage::bound().await;
    stage.sandbox.nixflex_calls(&stage.key, 10);
    for _ in 0..2 {
        assert_eq!(stage.sandbox.call("+14155550199", &number).await.outcome, Outcome::Busy);
    }
    let said = stage.event(PLATFORM, "CallsRejected").await;
    assert!(said.contains("2 calls were rejected this month") && said.contains("answers 10 at once"), "{said}");
    let account: CarrierAccount = stage.reason(PLATFORM, "Ready", "Connected").await;
    let calls = account.status.unwrap().calls.unwrap();
    assert_eq!((calls.max_concurrent, calls.rejected_this_month), (10, Some(2)));
    stage.scans(4).await;
    let events = stage.events(PLATFORM).await;
    assert_eq!(events.iter().filter(|(reason, _)| reason == "CallsRejected").count(), 1, "{events:?}");
}

#[tokio::test]
async fn an_account_whose_usage_cannot_be_read_is_open_and_shows_none() {
    let scene = Scene::bare().await;
    let usage = Match { path: Some("/nixflex/v1/usage".to_owned()), ..Match::any() };
    scene.always(usage, Fault::Html { status: 404 });
    let stage = Stage::beside(scene).await;
    let account: CarrierAccount = stage.reason(PLATFORM, "Ready", "Connected").await;
    assert_eq!(account.status.unwrap().calls, None);
}

#[tokio::test]
async fn a_token_that_was_rotated_is_given_to_the_platform_once_it_opens_the_account() {
    let (stage, number) = Stage::bound().await;
    stage.sandbox.switch(|s| s.nixflex.stale_credentials = StaleCredentials::Remove);
    stage.sandbox.rotate_token(&stage.sandbox.credentials().account_sid).unwrap();
    assert_eq!(stage.reached(&number).await, None);
    stage.secret(stage.token()).await;
    eventually("the platform's agent answers", || stage.reached(&number)).await;
    let said = stage.event("main", "Moving").await;
    assert!(said.contains("are not those that the platform has"), "{said}");
    stage.request("main").await;
    stage.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    stage.scans(3).await;
    assert_eq!((stage.count(Kind::Attach), stage.writes_to(&number)), (2, 0), "off and on, once");
}

#[tokio::test]
async fn where_the_platform_can_clear_nothing_with_the_token_it_has_the_number_says_what_to_do() {
    let (stage, number) = Stage::bound().await;
    stage.sandbox.rotate_token(&stage.sandbox.credentials().account_sid).unwrap();
    stage.secret(stage.token()).await;
    let said = stage.message::<PhoneNumber>("main", "Routed", "RouteFailed").await;
    assert!(said.contains("delete the number in Nixflex's dashboard"), "{said}");
    stage.sandbox.lose_nixflex_row(&number).unwrap();
    eventually("the platform's agent answers", || stage.reached(&number)).await;
    stage.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(stage.count(Kind::Attach), 2);
}

#[tokio::test]
async fn the_lent_token_stands_in_no_object_and_no_event() {
    let (stage, _) = Stage::bound().await;
    let token = stage.sandbox.credentials().auth_token;
    let said = [
        format!("{:?}", stage.get::<PhoneNumber>("main").await),
        format!("{:?}", stage.get::<Agent>(AGENT).await),
        format!("{:?}", stage.get::<CarrierAccount>(PLATFORM).await),
        format!("{:?}", stage.events("main").await),
    ];
    assert!(said.iter().all(|text| !text.contains(&token)), "{said:?}");
}
