//! A number that the account owns is imported, routed, kept there and let go.

use dialplane::{
    api::{Agent, CarrierAccount, PhoneNumber, meta::ROUTE_FINALIZER, number::Channel},
    sandbox::carrier::{Kind, ServiceSeed, UnsetAnswer},
};
use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::PostParams;
use serde_json::json;

use crate::support::{
    self,
    scene::{ACCOUNT, AGENT, Scene, fresh},
};

#[tokio::test]
async fn a_number_that_another_installation_bought_is_not_touched() {
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.sandbox.edit(&number, &[("friendly_name", "dp1:another:0123456789abcdef")]).unwrap();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;
    scene.message::<PhoneNumber>("main", "Acquired", "MarkerConflict").await;
    scene.scans(1).await;
    assert_eq!((scene.writes_to(&number), scene.claim(&number).await), (0, None));
}

#[tokio::test]
async fn an_imported_number_reaches_the_published_version_in_one_carrier_write() {
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.sandbox.edit(&number, &[("voice_url", "https://old.example.com/voice")]).unwrap();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.reason::<Agent>(AGENT, "Published", "Published").await;
    scene.phone_number("main", &number, json!({})).await;

    let main: PhoneNumber = scene.reason("main", "Ready", "Routed").await;
    assert_eq!(scene.voice_url(&number), "https://engine.example.com/dental/v1/voice");
    assert_eq!(scene.sandbox.field(&number, "sms_url").as_deref(), Some("https://engine.example.com/dental/v1/sms"));
    assert_eq!(scene.writes_to(&number), 1);
    assert!(main.metadata.finalizers.unwrap().contains(&ROUTE_FINALIZER.to_owned()));
    let claim = scene.claim(&number).await.unwrap();
    let of_status = |entry: &&ManagedFieldsEntry| entry.subresource.as_deref() == Some("status");
    let managed = main.metadata.managed_fields.unwrap();
    let managers = managed.iter().filter(of_status).chain(claim.metadata.managed_fields.iter().flatten());
    assert_eq!(managers.map(|entry| entry.manager.as_deref().unwrap()).collect::<Vec<_>>(), ["dialplane"; 2]);
    assert_eq!(claim.spec.holder.unwrap().name, "main");
    assert_eq!(claim.spec.previous[&Channel::Voice].url.as_deref(), Some("https://old.example.com/voice"));

    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!(scene.voice_url(&number), "");
    scene.unclaimed(&number).await;
    assert!(scene.sandbox.number(&number).is_some(), "the number is still ours");
}

#[tokio::test]
async fn a_number_is_told_from_one_that_begins_with_it_although_the_carrier_matches_parts() {
    let scene = Scene::new().await;
    scene.sandbox.switch(|switches| switches.substring_filter = true);
    let number = fresh();
    let longer = format!("{number}9");
    scene.sandbox.seed_number(&longer).unwrap();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;

    scene.reason::<PhoneNumber>("main", "Ready", "NotInAccount").await;
    assert!(scene.claim(&number).await.is_none());
    assert_eq!(scene.sandbox.ledger().writes(), 0);
}

#[tokio::test]
async fn a_number_that_comes_to_the_account_later_is_imported_by_itself() {
    let scene = Scene::new().await;
    let number = fresh();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;
    let message = scene.message::<PhoneNumber>("main", "Acquired", "NotInAccount").await;
    assert!(message.contains("check the number and the account"), "{message}");

    scene.sandbox.seed_number(&number).unwrap();
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(scene.writes_to(&number), 1);
}

#[tokio::test]
async fn nothing_is_written_to_a_number_that_has_the_wanted_route_already() {
    join_all([UnsetAnswer::Mixed, UnsetAnswer::Null, UnsetAnswer::Empty].map(async |unset| {
        let scene = Scene::bare().await;
        scene.sandbox.switch(|switches| switches.unset = unset);
        let number = scene.owned();
        scene.agent("engine.example.com", Some("v1")).await;
        scene.reason::<Agent>(AGENT, "Published", "Published").await;
        scene.edit_as_v1(&number);
        scene.open(json!({})).await;
        scene.phone_number("main", &number, json!({})).await;

        scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
        scene.scans(2).await;
        scene.request("main").await;
        assert_eq!(scene.sandbox.ledger().writes(), 0, "{unset:?}");

        // It is ours now all the same: whoever deletes the object wants the agent off the number.
        scene.delete::<PhoneNumber>("main").await;
        scene.gone::<PhoneNumber>("main").await;
        assert_eq!(scene.voice_url(&number), "");
    }))
    .await;
}

#[tokio::test]
async fn an_application_that_shadows_the_webhooks_is_cleared_in_the_same_write_and_said() {
    let scene = Scene::new().await;
    let number = scene.owned();
    let account = scene.sandbox.credentials().account_sid;
    let application = scene.sandbox.add_application(&account, &[("voice_url", "https://app.example.com/")]).unwrap();
    let shadows = [("voice_application_sid", &*application), ("sms_application_sid", &*application)];
    scene.sandbox.edit(&number, &shadows).unwrap();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;

    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(scene.sandbox.field(&number, "voice_application_sid").unwrap_or_default(), "");
    assert_eq!(scene.sandbox.field(&number, "sms_application_sid").unwrap_or_default(), "");
    assert_eq!(scene.writes_to(&number), 1);
    let said = scene.event("main", "RouteReplaced").await;
    assert!(said.contains(&format!("voice goes to voiceApplicationSid {application}")), "{said}");
    assert!(said.contains(&format!("sms goes to smsApplicationSid {application}")), "{said}");
}

#[tokio::test]
async fn a_trunk_that_shadows_the_webhooks_is_cleared_in_the_same_write_and_said() {
    let scene = Scene::new().await;
    let number = scene.owned();
    let trunk = "TK0123456789abcdef0123456789abcdef";
    scene.sandbox.edit(&number, &[("trunk_sid", trunk)]).unwrap();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;

    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(scene.sandbox.field(&number, "trunk_sid").unwrap_or_default(), "");
    assert_eq!(scene.voice_url(&number), "https://engine.example.com/dental/v1/voice");
    assert_eq!(scene.writes_to(&number), 1);
    let said = scene.event("main", "RouteReplaced").await;
    assert!(said.contains(&format!("trunkSid {trunk}")), "{said}");
}

#[tokio::test]
async fn overwriting_somebodys_route_is_an_event_that_names_its_host_and_nothing_more() {
    let scene = Scene::new().await;
    let number = scene.owned();
    let old = "https://user:hunter2@old.example.com/tenant-7?token=s3cret";
    scene.sandbox.edit(&number, &[("voice_url", old)]).unwrap();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;

    let said = scene.event("main", "RouteReplaced").await;
    assert!(said.contains("voice goes to old.example.com, wanted engine.example.com"), "{said}");
    for secret in ["hunter2", "s3cret", "tenant-7", "https://"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[tokio::test]
async fn a_messaging_service_whose_own_webhook_wins_is_said_and_does_not_stand_in_the_way() {
    let scene = Scene::bare().await;
    let (number, deferred) = (scene.owned(), scene.owned());
    for (number, defers) in [(&number, false), (&deferred, true)] {
        let service = ServiceSeed {
            use_inbound_webhook_on_number: defers,
            settings: [("inbound_request_url".to_owned(), "https://bulk.example.com/".to_owned())].into(),
            numbers: vec![number.clone()],
            ..ServiceSeed::default()
        };
        scene.sandbox.add_service(service).unwrap();
    }
    scene.open(json!({})).await;
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;
    scene.phone_number("deferred", &deferred, json!({})).await;

    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    let message = scene.message::<PhoneNumber>("main", "MessagingReady", "MessagingServiceOverrides").await;
    assert!(message.contains("Remove the number from the service"), "{message}");
    scene.event("main", "MessagingServiceOverrides").await;
    scene.reason::<PhoneNumber>("deferred", "Ready", "Routed").await;
    scene.reason::<PhoneNumber>("deferred", "MessagingReady", "RegistrationUnknown").await;
}

#[tokio::test]
async fn a_number_whose_calls_another_region_takes_is_not_ready_until_they_come_and_is_not_written_to() {
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.sandbox.edit(&number, &[("voice_region", "ie1")]).unwrap();
    scene.phone_number("main", &number, json!({})).await;

    let said = scene.message::<PhoneNumber>("main", "Ready", "CallsDiverted").await;
    assert!(said.contains("in the region ie1") && said.contains("is set in us1"), "{said}");
    assert_eq!(scene.voice_url(&number), "https://engine.example.com/dental/v1/voice");
    let (region, writes) = (scene.sandbox.field(&number, "voice_region"), scene.writes_to(&number));
    assert_eq!((region.as_deref(), writes), (Some("ie1"), 1), "it is the owner's to change");
}

#[tokio::test]
async fn manifests_can_be_applied_in_any_order() {
    let scene = Scene::bare().await;
    let number = scene.owned();
    scene.phone_number("main", &number, json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "AccountNotFound").await;
    scene.secret(scene.token()).await;
    scene.account(json!({})).await;
    scene.reason::<PhoneNumber>("main", "Routed", "AgentNotFound").await;
    assert_eq!(scene.sandbox.ledger().writes(), 0);
    scene.agent("engine.example.com", Some("v1")).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(scene.writes_to(&number), 1);
}

#[tokio::test]
async fn an_import_is_three_object_writes_and_none_follow() {
    if !support::is_own_cluster() {
        return;
    }
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.reason::<Agent>(AGENT, "Published", "Published").await;
    let manifest = serde_json::from_value(json!({
        "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": "main"},
        "spec": {"accountRef": {"name": ACCOUNT}, "agentRef": {"name": AGENT}, "import": {"number": number}},
    }));
    scene.api::<PhoneNumber>().create(&PostParams::default(), &manifest.unwrap()).await.unwrap();
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;

    scene.scans(4).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    assert_eq!(
        scene.object_writes(&number).await,
        [
            "create phonenumbers 201", // ours, above
            "create numberclaims 201",
            "patch phonenumbers 200",
            "update phonenumbers/status 200",
        ]
    );
}

#[tokio::test]
async fn what_was_set_in_the_console_since_the_last_listing_is_remembered_and_told() {
    let scene = Scene::bare().await;
    let number = scene.owned();
    scene.open(json!({"scanInterval": "1h"})).await;
    scene.agent("engine.example.com", Some("v1")).await;
    scene.sandbox.edit(&number, &[("voice_url", "https://old.example.com/call")]).unwrap();
    scene.phone_number("main", &number, json!({"onDelete": "Restore"})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert!(scene.event("main", "RouteReplaced").await.contains("old.example.com"));
    let looks = scene.sandbox.ledger().entries().iter().filter(|entry| entry.kind == Kind::List).count();
    assert_eq!(looks, 2, "the account is listed once, and then just this number is looked at");
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!(scene.voice_url(&number), "https://old.example.com/call");
}

#[tokio::test]
async fn a_fleet_that_waits_for_its_account_is_looked_at_by_the_one_listing_that_opens_it() {
    let scene = Scene::bare().await;
    let numbers: Vec<String> = (0..60).map(|_| scene.owned()).collect();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.account(json!({"scanInterval": "1h"})).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "SecretNotFound").await;
    for (i, number) in numbers.iter().enumerate() {
        scene.phone_number(&format!("n{i}"), number, json!({})).await;
    }
    let last = format!("n{}", numbers.len() - 1);
    scene.reason::<PhoneNumber>(&last, "Ready", "AccountNotReady").await;
    scene.open(json!({"scanInterval": "1h"})).await;
    for i in 0..numbers.len() {
        scene.reason::<PhoneNumber>(&format!("n{i}"), "Ready", "Routed").await;
    }
    assert_eq!(scene.sandbox.ledger().lists(), 1);
}
