//! The commands that only look, where agents are hosted on platforms.

use dialplane::{
    api::{Agent, CarrierAccount, PhoneNumber},
    sandbox::carrier::{AccountSeed, Dialect},
};
use k8s_openapi::api::core::v1::Secret;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{Looker, phone_number};
use crate::support::scene::{ACCOUNT, Scene, fresh};

const VERSION: &str = "dialplane.dev/v1alpha1";

/// Applies an account with its Secret, both of the name of the carrier or platform, under which that lies in the sandbox.
async fn account(scene: &Scene, name: &str, secret: Value, spec: Value) {
    let named = json!({"name": name});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": named, "stringData": secret});
    scene.apply::<Secret>(secret).await;
    let mut spec = spec;
    spec["credentialsRef"] = named.clone();
    spec["endpoint"] = json!(format!("{}/{name}", scene.sandbox.url()));
    let account = json!({"apiVersion": VERSION, "kind": "CarrierAccount", "metadata": named, "spec": spec});
    scene.apply::<CarrierAccount>(account).await;
}

/// A Nixflex key with an account and an agent; the key's id and the agent's.
async fn nixflex(scene: &Scene) -> (String, String) {
    let key = scene.sandbox.add_nixflex_key().unwrap();
    let secret = json!({"apiKey": format!("{}:{}", key.account_sid, key.auth_token)});
    account(scene, "nixflex", secret, json!({"nixflex": {}})).await;
    scene.reason::<CarrierAccount>("nixflex", "Ready", "Connected").await;
    let agent = scene.sandbox.add_nixflex_agent(&key.account_sid, "answers").unwrap();
    (key.account_sid, agent)
}

fn hosted(name: &str, entries: Value) -> Value {
    let spec = json!({"version": "v1", "draft": {"hosted": entries}});
    json!({"apiVersion": VERSION, "kind": "Agent", "metadata": {"name": name}, "spec": spec})
}

#[tokio::test]
async fn doctor_says_that_all_is_well_and_what_there_is() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let (key, agent) = nixflex(scene).await;
    scene.account(json!({"lendTo": [{"name": "nixflex"}]})).await;
    scene.apply::<Agent>(hosted("night", json!([{"accountRef": {"name": "nixflex"}, "agentId": agent}]))).await;
    scene.reason::<Agent>("night", "Published", "Published").await;
    let said = looker.run(&["doctor", "--account", ACCOUNT, "--account", "nixflex"], "").await;
    let (namespace, sid) = (&scene.namespace, scene.sandbox.credentials().account_sid);
    said.ended(
        0,
        &[
            &format!("{namespace}/{ACCOUNT}\n  ok     Twilio: the Secret {ACCOUNT} is valid for the account {sid}."),
            "ok     It may look for numbers for sale.",
            &format!("ok     Its credentials are lent to CarrierAccount {namespace}/nixflex."),
            "note   Twilio sells numbers, does not hold numbers before they are bought, stores markers on bought numbers, hosts no agents",
            &format!("{namespace}/nixflex\n  ok     Nixflex: the Secret nixflex is valid for the account {key}."),
            "ok     It answers 10 concurrent calls; this month's peak is 0.",
            "note   Nixflex sells no numbers, hosts agents, answers numbers of other carriers.",
            &format!("ok     CarrierAccount {namespace}/{ACCOUNT} lends it its credentials."),
            &format!("ok     The agent {agent}, which Agent {namespace}/night names, exists."),
        ],
    );
    assert!(!said.out.contains("WRONG"), "{}", said.out);
    assert!(!said.out.contains(&scene.sandbox.credentials().auth_token), "{}", said.out);
    looker.has_only_looked().await;
}

#[tokio::test]
async fn doctor_says_which_permission_agent_and_platform_are_missing() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let (_, agent) = nixflex(scene).await;
    let seed = AccountSeed { carrier: Dialect::Flowyte, ..AccountSeed::default() };
    let organization = scene.sandbox.add_account(seed).unwrap().account_sid;
    let key = scene.sandbox.mint_key(&organization, &["numbers:read", "numbers:write"]).unwrap();
    account(scene, "flowyte", json!({"apiKey": key}), json!({"flowyte": {}})).await;
    scene.apply::<Agent>(hosted("day", json!([{"accountRef": {"name": "flowyte"}, "agentId": "0"}]))).await;
    scene.apply::<Agent>(hosted("night", json!([{"accountRef": {"name": "nixflex"}, "agentId": "agent_gone"}]))).await;
    let off = hosted("off", json!([{"accountRef": {"name": "nixflex"}, "agentId": agent}]));
    scene.apply::<Agent>(off).await;
    scene.sandbox.edit_nixflex_agent(&agent, json!({"is_active": false})).unwrap();
    scene.account(json!({"lendTo": [{"name": "nobody"}, {"name": "flowyte"}]})).await;

    let said = looker.run(&["doctor", "--account", "flowyte"], "").await;
    said.ended(1, &["WRONG", "agents:read"]);
    let said = looker.run(&["doctor", "--account", "nixflex"], "").await;
    let namespace = &scene.namespace;
    said.ended(
        1,
        &[
            &format!("WRONG  The agent agent_gone, which Agent {namespace}/night names, does not exist"),
            &format!("WRONG  The agent {agent}, which Agent {namespace}/off names, is disabled there"),
            "note   No CarrierAccount lends it credentials",
            "error: 2 things are wrong",
        ],
    );
    let said = looker.run(&["doctor", "--account", ACCOUNT], "").await;
    said.ended(
        1,
        &[
            &format!("WRONG  spec.lendTo names CarrierAccount {namespace}/nobody, which does not exist"),
            &format!(
                "WRONG  spec.lendTo names CarrierAccount {namespace}/flowyte, which does not answer numbers of other carriers"
            ),
        ],
    );
    scene.secret(json!({"authToken": "wrong"})).await;
    looker.run(&["doctor", "--account", ACCOUNT], "").await.ended(1, &["WRONG  Unauthorized: "]);
    scene.account(json!({"credentialsRef": {"name": "gone"}})).await;
    looker
        .run(&["doctor", "--account", ACCOUNT], "")
        .await
        .ended(1, &["WRONG  SecretNotFound: The Secret gone does not exist"]);
    looker.run(&["doctor", "--account", "nobody"], "").await.ended(1, &["nobody does not exist"]);
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_says_which_agent_of_a_platform_would_answer_and_what_that_takes() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let (_, agent) = nixflex(scene).await;
    let night = hosted("night", json!([{"accountRef": {"name": "nixflex"}, "agentId": agent}]));
    let number = scene.owned();
    let mut manifest = phone_number("main", json!({"import": {"number": number}}));
    manifest["spec"]["agentRef"]["name"] = "night".into();
    let said = looker.plan(&[night.clone(), manifest.clone()]).await;
    said.ended(0, &["/night: v1 serves.", "imports", "Routed=False (CredentialsNotLent)", "spec.lendTo"]);
    scene.account(json!({"lendTo": [{"name": "nixflex"}]})).await;
    let said = looker.plan(&[night, manifest]).await;
    let namespace = &scene.namespace;
    said.ended(
        0,
        &[
            &format!("the agent {agent} at CarrierAccount {namespace}/nixflex serves it as it is there"),
            &format!("imports {number} and would have the agent {agent} of CarrierAccount {namespace}/nixflex answer {number}"),
            &format!("which stays at CarrierAccount {namespace}/{ACCOUNT}: the platform receives that account's credentials"),
            " 0 to buy, ",
        ],
    );
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_says_that_an_agent_would_be_published_on_its_platform() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let seed = AccountSeed { carrier: Dialect::Flowyte, ..AccountSeed::default() };
    let opened = scene.sandbox.add_account(seed).unwrap();
    let agent = scene.sandbox.add_agent(&opened.account_sid, "answers", json!({})).unwrap();
    account(scene, "flowyte", json!({"apiKey": opened.auth_token}), json!({"flowyte": {}})).await;
    scene.reason::<CarrierAccount>("flowyte", "Ready", "Connected").await;
    let day = hosted("day", json!([{"accountRef": {"name": "flowyte"}, "agentId": agent}]));
    let mut bought = phone_number("main", json!({"purchase": {"search": {"country": "US", "areaCode": "415"}}}));
    bought["spec"]["accountRef"]["name"] = "flowyte".into();
    bought["spec"]["agentRef"]["name"] = "day".into();
    let said = looker.plan(&[day, bought]).await;
    said.ended(
        2,
        &[
            &format!(
                "the draft of the agent {agent} at CarrierAccount {}/flowyte would be published as v1",
                scene.namespace
            ),
            "would buy +1415",
            " 1 to buy (",
        ],
    );
    assert_eq!(scene.sandbox.published_version(&agent), None);
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_says_that_a_number_would_be_brought_in_and_not_bought() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let seed = AccountSeed { carrier: Dialect::Flowyte, ..AccountSeed::default() };
    let opened = scene.sandbox.add_account(seed).unwrap();
    scene.sandbox.add_agent(&opened.account_sid, "answers", json!({})).unwrap();
    let number = fresh();
    scene.sandbox.add_importable(&opened.account_sid, &number).unwrap();
    account(scene, "flowyte", json!({"apiKey": opened.auth_token}), json!({"flowyte": {}})).await;
    scene.reason::<CarrierAccount>("flowyte", "Ready", "Connected").await;
    let mut manifest = phone_number("main", json!({"import": {"number": number, "bringIn": true}}));
    manifest["spec"]["accountRef"]["name"] = "flowyte".into();
    let said = looker.plan(&[manifest]).await;
    let namespace = &scene.namespace;
    said.ended(
        0,
        &[
            &format!("would have the carrier import {number} into CarrierAccount {namespace}/flowyte"),
            "which is not a purchase",
            " 0 to buy, ",
        ],
    );
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_says_what_would_be_kept_instead_and_lets_go_of_nothing() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let seed = AccountSeed { carrier: Dialect::Flowyte, ..AccountSeed::default() };
    let opened = scene.sandbox.add_account(seed).unwrap();
    scene.sandbox.add_agent(&opened.account_sid, "answers", json!({})).unwrap();
    account(scene, "flowyte", json!({"apiKey": opened.auth_token}), json!({"flowyte": {}})).await;
    scene.reason::<CarrierAccount>("flowyte", "Ready", "Connected").await;
    let wish = |area_code: &str| {
        let search = json!({"country": "US", "areaCode": area_code, "bestEffort": false});
        let mut manifest = phone_number("main", json!({"purchase": {"approval": "Manual", "search": search}}));
        manifest["spec"]["accountRef"]["name"] = "flowyte".into();
        manifest["spec"].as_object_mut().unwrap().remove("agentRef");
        manifest
    };
    scene.apply::<PhoneNumber>(wish("415")).await;
    let asked: PhoneNumber = scene.reason("main", "Acquired", "AwaitingApproval").await;
    let number = asked.status.unwrap().offer.unwrap().number;
    let said = looker.plan(&[wish("212")]).await;
    said.ended(0, &["would hold +1212", ", and ask for approval to buy it", " 0 to buy, "]);
    assert_eq!(scene.sandbox.keeper(number.as_str()), Some(opened.account_sid));
    looker.has_only_looked().await;
}

#[tokio::test]
async fn adopt_prints_what_a_platform_answers_as_it_is_and_applying_that_changes_nothing_there() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let (key, agent) = nixflex(scene).await;
    let number = scene.owned();
    scene.sandbox.nixflex_attach(&key, &number, &agent).unwrap();
    let namespace = &scene.namespace;
    let table = looker.run(&["adopt", "--account", "nixflex"], "").await;
    table.ended(
        0,
        &[&*number, &format!("{namespace}/{ACCOUNT}"), &format!("the agent {agent} of {namespace}/nixflex answers it")],
    );
    let yaml = looker.run(&["adopt", "--account", "nixflex", "-o", "yaml"], "").await;
    yaml.ended(0, &["kind: Agent", &format!("agentId: {agent}"), "must name", "in spec.lendTo"]);
    scene.account(json!({"lendTo": [{"name": "nixflex"}]})).await;
    let yaml = looker.run(&["adopt", "--account", "nixflex", "-o", "yaml"], "").await;
    assert!(!yaml.ended(0, &[]).out.contains("spec.lendTo"), "{}", yaml.out);
    let webhooks = scene.voice_url(&number);
    let mut names = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(&yaml.out) {
        let manifest = Value::deserialize(document).unwrap();
        names.push(manifest["metadata"]["name"].as_str().unwrap().to_owned());
        match manifest["kind"].as_str().unwrap() {
            "Agent" => {
                scene.apply::<Agent>(manifest).await;
                scene.reason::<Agent>(&names[0], "Published", "Published").await;
            }
            _ => drop(scene.apply::<PhoneNumber>(manifest).await),
        }
    }
    assert_eq!(names, [agent.replace('_', "-"), format!("number-{}", &number[1..])]);
    scene.reason::<PhoneNumber>(&names[1], "Ready", "Routed").await;
    assert_eq!((scene.voice_url(&number), scene.sandbox.ledger().writes()), (webhooks, 0));
    looker.run(&["adopt", "--account", "nixflex"], "").await.ended(0, &["nothing to adopt"]);
    looker.has_only_looked().await;
}
