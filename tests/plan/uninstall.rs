//! What an uninstalled operator would leave, and what has to end first.

use std::sync::Arc;

use dialplane::{
    api::{Agent, CarrierAccount, NumberClaim, NumberPurchase, PhoneNumber, meta::Key},
    plan::uninstall::{Uninstall, World, of},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const NUMBER: &str = "+14155551234";

fn object<K: DeserializeOwned>(kind: &str, metadata: Value, spec: Value, status: Value) -> Vec<Arc<K>> {
    let object = json!({
        "apiVersion": "dialplane.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec, "status": status,
    });
    vec![Arc::new(serde_json::from_value(object).unwrap())]
}

fn holder() -> Value {
    json!({"namespace": "a", "name": "main", "uid": "u1"})
}

fn account() -> Value {
    json!({"namespace": "a", "name": "carrier", "identity": "AC1"})
}

fn metadata(name: &str, finalizer: &str) -> Value {
    json!({"namespace": "a", "name": name, "uid": "u1", "generation": 2, "finalizers": [finalizer]})
}

/// A PhoneNumber with this status and the reason of `Ready`.
fn number(status: Value, also: &str, reason: &str) -> Vec<Arc<PhoneNumber>> {
    let mut status = status;
    let condition = |of: &str, truth: &str| {
        json!({
            "type": of, "status": truth, "reason": reason, "message": "", "observedGeneration": 2,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    status["conditions"] = json!([condition(also, "True")]);
    if status["observedGeneration"].is_null() {
        status["observedGeneration"] = json!(2);
    }
    let spec = json!({"accountRef": {"name": "carrier"}, "purchase": {"number": NUMBER}});
    object("PhoneNumber", metadata("main", "dialplane.dev/route"), spec, status)
}

fn served() -> Vec<Arc<PhoneNumber>> {
    let route = json!({"agent": "a/dental", "version": "v1", "digests": {}});
    number(json!({"number": NUMBER, "route": route}), "Ready", "Routed")
}

fn claim(changes: Value) -> Vec<Arc<NumberClaim>> {
    let mut spec = json!({
        "number": NUMBER, "account": account(), "acquisition": "Purchased", "onDelete": "Clear", "holder": holder(),
        "purchase": {"namespace": "a", "identity": "main", "attempt": 3}, "carrierNumberId": "PN1",
    });
    spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    object("NumberClaim", json!({"name": &NUMBER[1..], "finalizers": ["dialplane.dev/in-use"]}), spec, json!(null))
}

fn purchase(attempt: u32) -> Vec<Arc<NumberPurchase>> {
    let spec = json!({
        "namespace": "a", "identity": "main", "holder": holder(), "account": account(), "number": NUMBER,
        "attempt": attempt, "token": "t",
    });
    object("NumberPurchase", json!({"name": "p", "finalizers": ["dialplane.dev/in-use"]}), spec, json!(null))
}

/// A bought number in service, with all that belongs to it.
fn whole() -> World {
    let spec = json!({"twilio": {"accountSid": "AC1"}, "credentialsRef": {"name": "token"}});
    let accounts: Vec<Arc<CarrierAccount>> =
        object("CarrierAccount", metadata("carrier", "dialplane.dev/in-use"), spec, json!(null));
    let status = json!({"observedGeneration": 2, "conditions": []});
    let agents: Vec<Arc<Agent>> =
        object("Agent", metadata("dental", "dialplane.dev/in-use"), json!({"draft": {}}), status);
    World { accounts, agents, numbers: served(), claims: claim(json!({})), purchases: purchase(3), ..World::default() }
}

/// Judges that exactly one thing has to end first, and that it is told.
#[track_caller]
fn waits(world: &World, says: &[&str]) -> Uninstall {
    let uninstall = of(world);
    assert_eq!(uninstall.first.len(), 1, "{:?}", uninstall.first);
    says.iter().for_each(|text| assert!(uninstall.first[0].contains(text), "lacks {text:?}: {:?}", uninstall.first));
    uninstall
}

#[test]
fn a_number_in_service_stays_and_nothing_has_to_end_first() {
    let uninstall = of(&whole());
    assert_eq!(uninstall.first, Vec::<String>::new());
    let [left] = &uninstall.numbers[..] else { panic!("{uninstall:?}") };
    assert_eq!((left.number.as_str(), &left.holder), (NUMBER, &Some(Key::new("a", "main"))));
    assert_eq!(left.route.as_ref().map(|route| &*route.version), Some("v1"));
    assert_eq!(uninstall.secrets, [(Key::new("a", "token"), Key::new("a", "carrier"))]);
    let held = ["carrieraccounts", "phonenumbers", "agents", "numberclaims", "numberpurchases"];
    assert_eq!(uninstall.held, held.map(|kind| (kind.to_owned(), 1)));
    assert!(uninstall.lent.is_empty());
    assert_eq!(of(&World::default()), Uninstall::default());
}

#[test]
fn a_purchase_whose_outcome_is_unknown_has_to_be_settled_first() {
    // Sent, and seen by nobody.
    let mut world = whole();
    world.numbers = number(json!({}), "Ready", "AccountNotReady");
    world.claims = claim(json!({"carrierNumberId": ""}));
    let uninstall =
        waits(&world, &["NumberPurchase p", "unknown whether +14155551234 was bought", "PhoneNumber a/main"]);
    assert!(uninstall.numbers.is_empty(), "it may not be ours");

    // The object is gone, or another one has its name.
    world.numbers = Vec::new();
    waits(&world, &["apply a PhoneNumber with the purchase identity a/main again"]);

    // About to be claimed, by an object that is there.
    world = whole();
    (world.numbers, world.claims) = (number(json!({}), "Ready", "AccountNotReady"), Vec::new());
    waits(&world, &["unknown whether"]);
    // Without a claim nothing was sent.
    world.numbers = Vec::new();
    assert!(of(&world).first.is_empty());
}

#[test]
fn a_purchase_that_was_seen_is_settled() {
    let mut world = whole();
    // Nobody has it any more: the claim rests, or was seen; an earlier attempt's says nothing of this one.
    world.numbers = Vec::new();
    assert!(of(&world).first.is_empty());
    world.claims = claim(json!({"holder": null, "carrierNumberId": ""}));
    let uninstall = of(&world);
    assert!(uninstall.first.is_empty());
    assert_eq!((uninstall.numbers.len(), &uninstall.numbers[0].holder), (1, &None));
    world.purchases = purchase(4);
    waits(&world, &["unknown whether"]);
    // It was handed to another, whose claim it is.
    let other = json!({"namespace": "b", "name": "other", "uid": "u2"});
    let bought = json!({"namespace": "b", "identity": "other", "attempt": 1});
    world.claims = claim(json!({"holder": other, "purchase": bought}));
    assert!(of(&world).first.is_empty());
    // A record that names no number holds at most a number that nobody pays for.
    world = whole();
    world.claims = Vec::new();
    let mut record = (*world.purchases[0]).clone();
    record.spec.number = None;
    (world.purchases, world.numbers) = (vec![Arc::new(record)], number(json!({}), "Ready", "AwaitingApproval"));
    assert!(of(&world).first.is_empty());
}

#[test]
fn what_is_being_deleted_has_to_be_gone_first() {
    let mut world = whole();
    let mut going = (*world.numbers[0]).clone();
    going.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    world.numbers = vec![Arc::new(going.clone())];
    waits(&world, &["PhoneNumber a/main is being deleted"]);
    // What others hold is for them to end.
    going.metadata.finalizers = Some(vec!["example.com/backup".into()]);
    world.numbers = vec![Arc::new(going)];
    assert!(of(&world).first.is_empty());
    let mut claim = (*world.claims[0]).clone();
    claim.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    world.claims = vec![Arc::new(claim)];
    waits(&world, &["NumberClaim 14155551234 is being deleted"]);
}

#[test]
fn a_namespace_that_is_being_deleted_has_to_be_gone_first_also_where_its_objects_are_not_deleted_yet() {
    let namespace = |name: &str, deleted: bool| {
        let at = deleted.then_some("2026-01-01T00:00:00Z");
        serde_json::from_value(json!({"metadata": {"name": name, "deletionTimestamp": at}})).map(Arc::new).unwrap()
    };
    let mut world = whole();
    world.namespaces = vec![namespace("a", false), namespace("b", true)];
    assert!(of(&world).first.is_empty(), "it has nothing of ours");
    world.namespaces = vec![namespace("a", true)];
    waits(&world, &["Namespace a is being deleted, with CarrierAccount a/carrier and 2 other objects"]);
    (world.accounts, world.agents) = (vec![], vec![]);
    waits(&world, &["Namespace a is being deleted, with PhoneNumber a/main: "]);
    let mut free = (*world.numbers[0]).clone();
    free.metadata.finalizers = None;
    world.numbers = vec![Arc::new(free)];
    assert!(of(&world).first.is_empty(), "nothing holds it up");
}

#[test]
fn what_the_operator_works_on_has_to_be_finished_first() {
    let status = json!({"number": NUMBER});
    let mut world = whole();
    world.numbers = number(status.clone(), "Reconciling", "Routing");
    waits(&world, &["PhoneNumber a/main has the reason Routing"]);
    // What only a person can end is no reason to wait.
    world.numbers = number(status.clone(), "Reconciling", "NeverPublished");
    assert!(of(&world).first.is_empty());
    world.numbers = number(json!({"number": NUMBER, "observedGeneration": 1}), "Ready", "Routed");
    waits(&world, &["PhoneNumber a/main was changed"]);
    world = whole();
    let mut agent = (*world.agents[0]).clone();
    agent.metadata.generation = Some(3);
    world.agents = vec![Arc::new(agent)];
    waits(&world, &["Agent a/dental was changed"]);
}

#[test]
fn a_platform_that_was_asked_to_answer_has_to_be_seen_to() {
    let platform = json!({"namespace": "a", "name": "hosts", "identity": "key"});
    let bound = |route: Value| claim(json!({"bound": {"account": platform, "agent": "a1", "route": route}}));
    let mut world = whole();
    world.claims = bound(json!({}));
    waits(&world, &["CarrierAccount a/hosts was asked to answer +14155551234"]);
    world.claims = bound(json!({"voice": {"url": "https://hosts.example.com/"}}));
    let uninstall = of(&world);
    assert!(uninstall.first.is_empty());
    assert_eq!(uninstall.lent, [(Key::new("a", "hosts"), Key::new("a", "carrier"), 1)]);
}
