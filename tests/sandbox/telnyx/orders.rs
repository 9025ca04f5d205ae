//! Reservations and orders: every way in which they end, and what becomes of the money.

use dialplane::sandbox::carrier::{Kind, OrderEnd, Switches, TelnyxSwitches};
use serde_json::{Value, json};

use super::{Telnyx, code, numbers, ordered, seed};

/// An account whose orders end when told.
fn undecided() -> Telnyx {
    let telnyx = TelnyxSwitches { order_end: OrderEnd::Never, ..TelnyxSwitches::default() };
    Telnyx::with(Switches { telnyx, ..Switches::default() })
}

async fn balance(telnyx: &Telnyx) -> String {
    telnyx.get("balance").await.1["data"]["balance"].as_str().unwrap().to_owned()
}

async fn status(telnyx: &Telnyx, order: &Value) -> Value {
    let (_, body) = telnyx.get(&format!("number_orders/{}", order["data"]["id"].as_str().unwrap())).await;
    assert_eq!(body["data"]["status"], body["data"]["phone_numbers"][0]["status"]);
    body["data"]["status"].clone()
}

#[tokio::test]
async fn an_order_is_pending_and_then_the_number_is_there_with_what_the_order_said() {
    let telnyx = Telnyx::new();
    let account = &telnyx.account.account_sid;
    let app = telnyx.sandbox.add_application(account, &[("voice_url", "https://e.example/v")]).unwrap();
    let profile = telnyx.sandbox.add_messaging_profile(account, &[("name", "texts")]).unwrap();
    telnyx.sandbox.switch(|s| s.telnyx.order_ms = 300);
    let number = telnyx.offered("415").await;
    let mut body = ordered(&number);
    for (field, value) in
        [("connection_id", &app), ("messaging_profile_id", &profile), ("customer_reference", &"dp1:x:y".to_owned())]
    {
        body[field] = json!(value);
    }
    let (answer, order) = telnyx.post("number_orders", body).await;
    assert_eq!((answer, &order["data"]["status"]), (200, &json!("pending")), "200 is not bought");
    let ended = telnyx.settled(&order).await;
    assert_eq!(ended["data"]["status"], "success");
    let row = telnyx.sandbox.number(&number).unwrap();
    for (field, value) in [
        ("connection_id", &*app),
        ("messaging_profile_id", &profile),
        ("customer_reference", "dp1:x:y"),
        ("status", "active"),
    ] {
        assert_eq!(row[field], value, "{field}");
    }
    let (_, found) = telnyx.get("number_orders?filter[customer_reference]=dp1:x:y").await;
    let line = &order["data"]["phone_numbers"][0]["id"];
    assert_eq!(found["data"][0]["phone_numbers"], json!([{ "id": line, "phone_number": number }]), "no more than that");
    assert_eq!(telnyx.get("number_orders?filter[customer_reference]=other").await.1["data"], json!([]));
    assert_eq!(telnyx.get("number_orders?filter[status]=pending").await.1["data"], json!([]));
    let entry = telnyx.sandbox.ledger().of(Kind::Purchase).next().unwrap().clone();
    assert_eq!((entry.order.as_deref(), entry.number), (Some("success"), Some(number)));
}

#[tokio::test]
async fn an_order_that_does_not_succeed_gives_the_money_back_and_is_no_purchase() {
    for (end, name) in [(OrderEnd::Failure, "failure"), (OrderEnd::Cancelled, "cancelled")] {
        let telnyx = undecided();
        let before = balance(&telnyx).await;
        let number = telnyx.offered("415").await;
        let (_, order) = telnyx.order(&number).await;
        assert_ne!(balance(&telnyx).await, before, "the money is spent");
        assert_eq!(telnyx.sandbox.ledger().purchases_of(&number), 1);
        assert!(telnyx.sandbox.number(&number).is_none(), "and the number is not there yet");
        let entry = telnyx.sandbox.ledger().of(Kind::Purchase).next().unwrap().clone();
        assert_eq!((entry.order.as_deref(), entry.applied), (Some("pending"), true));
        telnyx.sandbox.finish_order(&number, end).unwrap();
        assert_eq!((status(&telnyx, &order).await, balance(&telnyx).await), (json!(name), before));
        let ledger = telnyx.sandbox.ledger();
        assert_eq!((ledger.purchases(), ledger.summary().purchases_by_number.len()), (0, 0));
        assert_eq!(ledger.of(Kind::Purchase).next().unwrap().order.as_deref(), Some(name));
        assert!(telnyx.sandbox.number(&number).is_none());
        assert!(telnyx.sandbox.finish_order(&number, OrderEnd::Success).is_err(), "it is over");
        assert_eq!(telnyx.order(&number).await.0, 200, "it is for sale again");
        telnyx.sandbox.finish_order(&number, OrderEnd::Success).unwrap();
        assert_eq!(telnyx.sandbox.ledger().purchases_of(&number), 1);
    }
}

#[tokio::test]
async fn every_order_ends_as_the_switch_says_at_once_if_it_says_so() {
    for (end, name, bought) in [
        (OrderEnd::Success, "success", 1),
        (OrderEnd::Failure, "failure", 0),
        (OrderEnd::Cancelled, "cancelled", 0),
        (OrderEnd::Never, "pending", 1),
    ] {
        let telnyx = Telnyx::new();
        telnyx.sandbox.switch(|s| (s.telnyx.order_ms, s.telnyx.order_end) = (0, end));
        let number = telnyx.offered("415").await;
        let (_, order) = telnyx.order(&number).await;
        assert_eq!(order["data"]["status"], name);
        assert_eq!(telnyx.sandbox.ledger().purchases(), bought, "{name}");
        assert_eq!(telnyx.sandbox.number(&number).is_some(), end == OrderEnd::Success);
    }
}

#[tokio::test]
async fn a_finished_order_changes_once_more_when_its_number_is_given_back() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.switch(|s| s.telnyx.order_ms = 0);
    let number = telnyx.offered("415").await;
    let (_, order) = telnyx.order(&number).await;
    telnyx.delete(&telnyx.number_path(&number)).await;
    assert_eq!(status(&telnyx, &order).await, "deleted");
    let ledger = telnyx.sandbox.ledger();
    assert_eq!((ledger.purchases(), ledger.releases()), (1, 1), "it was bought all the same");
}

#[tokio::test]
async fn a_part_of_an_order_is_cancelled_while_it_is_pending() {
    let telnyx = undecided();
    let number = telnyx.offered("415").await;
    let (_, order) = telnyx.order(&number).await;
    let id = order["data"]["id"].as_str().unwrap();
    let query = format!("sub_number_orders?filter[order_request_id]={id}&filter[include_phone_numbers]=true");
    let (_, subs) = telnyx.get(&query).await;
    let sub = &subs["data"][0];
    assert_eq!((&sub["status"], &sub["phone_numbers"][0]["phone_number"]), (&json!("pending"), &json!(number)));
    assert_eq!(sub["id"], order["data"]["sub_number_orders_ids"][0]);
    let cancel = format!("sub_number_orders/{}/cancel", sub["id"].as_str().unwrap());
    let (answer, body) = telnyx.patch(&cancel, json!({})).await;
    assert_eq!((answer, &body["data"]["status"]), (200, &json!("cancelled")));
    assert_eq!(status(&telnyx, &order).await, "cancelled");
    assert_eq!(telnyx.patch(&cancel, json!({})).await.0, 422);
    let ledger = telnyx.sandbox.ledger();
    assert_eq!((ledger.purchases(), ledger.of(Kind::OrderWrite).count(), ledger.writes()), (0, 2, 0));
}

#[tokio::test]
async fn a_number_whose_papers_are_missing_stays_pending() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.switch(|s| s.telnyx.order_ms = 0);
    let found = telnyx.search("filter[country_code]=DE&filter[limit]=2").await;
    let (_, order) = telnyx.order(&found[0]).await;
    let line = &order["data"]["phone_numbers"][0];
    assert_eq!((&order["data"]["status"], &order["data"]["requirements_met"]), (&json!("pending"), &json!(false)));
    assert_eq!(line["requirements_status"], "requirement-info-pending");
    telnyx.sandbox.finish_order(&found[0], OrderEnd::Success).unwrap();
    assert_eq!(status(&telnyx, &order).await, "success");
    let body = json!({ "phone_numbers": [{ "phone_number": found[1], "requirement_group_id": "x" }] });
    assert_eq!(telnyx.post("number_orders", body).await.1["data"]["status"], "success");
}

#[tokio::test]
async fn a_number_of_a_pending_order_may_be_listed_already() {
    let telnyx = undecided();
    telnyx.sandbox.switch(|s| s.telnyx.pending_listed = true);
    let number = telnyx.offered("415").await;
    telnyx.order(&number).await;
    let (_, body) = telnyx.get("phone_numbers").await;
    assert_eq!((&numbers(&body)[0], &body["data"][0]["status"]), (&number, &json!("purchase-pending")));
    let path = telnyx.number_path(&number);
    let (answer, body) = telnyx.patch(&path, json!({ "tags": ["a"] })).await;
    assert_eq!((answer, code(&body)), (422, "10036"));
    telnyx.sandbox.finish_order(&number, OrderEnd::Success).unwrap();
    assert_eq!(telnyx.get(&path).await.1["data"]["status"], "active", "under the same id");
    let other = telnyx.offered("212").await;
    telnyx.order(&other).await;
    telnyx.sandbox.finish_order(&other, OrderEnd::Failure).unwrap();
    assert!(telnyx.sandbox.number(&other).is_none());
}

#[tokio::test]
async fn a_number_that_is_ours_is_not_available_like_one_that_is_not() {
    let telnyx = undecided();
    let number = telnyx.offered("415").await;
    assert_eq!(telnyx.order(&number).await.0, 200);
    assert_eq!(code(&telnyx.order(&number).await.1), "85001", "ordered by us a moment ago");
    telnyx.sandbox.finish_order(&number, OrderEnd::Success).unwrap();
    assert_eq!(code(&telnyx.order(&number).await.1), "85001", "ours");
    telnyx.sandbox.seed_number("+14155550100").ok();
    assert_eq!(code(&telnyx.order("+14155550100").await.1), "85001", "ours without any search");
    let gone = telnyx.offered("415").await;
    assert!(telnyx.sandbox.take_stock(&gone));
    assert_eq!(code(&telnyx.order(&gone).await.1), "85001", "somebody else's");
    assert_eq!(telnyx.sandbox.ledger().purchases(), 1);
}

#[tokio::test]
async fn a_number_that_is_ours_is_changed_by_an_order_where_that_is_switched_on() {
    let telnyx = undecided();
    telnyx.sandbox.switch(|switches| switches.telnyx.order_owned = true);
    let number = telnyx.offered("415").await;
    telnyx.order(&number).await;
    assert_eq!(code(&telnyx.order(&number).await.1), "85001", "not ours yet");
    telnyx.sandbox.finish_order(&number, OrderEnd::Success).unwrap();
    let left = balance(&telnyx).await;
    let again = json!({ "phone_numbers": [{ "phone_number": number }], "customer_reference": "again" });
    let (status, body) = telnyx.post("number_orders", again).await;
    assert_eq!((status, &body["data"]["status"]), (200, &json!("success")), "{body}");
    assert_eq!(telnyx.sandbox.field(&number, "customer_reference").as_deref(), Some("again"));
    let ledger = telnyx.sandbox.ledger();
    let overwritten: Vec<_> = ledger.of(Kind::Overwrite).map(|entry| entry.changed.clone()).collect();
    assert_eq!((ledger.purchases(), overwritten), (1, vec![vec!["customer_reference".to_owned()]]));
    assert_eq!(balance(&telnyx).await, left);
}

#[tokio::test]
async fn an_order_is_refused_for_what_is_wrong_with_it() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.switch(|s| s.enforce_balance = true);
    telnyx.sandbox.set_balance(&telnyx.account.account_sid, 200).unwrap();
    let number = telnyx.offered("415").await;
    let with = |field: &str, value: &str| {
        let mut body = ordered(&number);
        body[field] = json!(value);
        body
    };
    for (body, status, expected) in [
        (json!({}), 400, "10004"),
        (json!([]), 400, "10015"),
        (ordered("4155550100"), 400, "10016"),
        (ordered("+1"), 400, "10002"),
        (with("connection_id", "1"), 422, "85004"),
        (with("messaging_profile_id", "x"), 422, "85005"),
        (with("idempotency_key", "x"), 400, "10015"),
        (ordered(&number), 422, "20100"),
    ] {
        let (seen, answer) = telnyx.post("number_orders", body.clone()).await;
        assert_eq!((seen, code(&answer)), (status, expected), "{body}");
    }
    assert_eq!(telnyx.sandbox.ledger().purchases(), 0);
    telnyx.sandbox.set_balance(&telnyx.account.account_sid, 215).unwrap();
    assert_eq!(telnyx.order(&number).await.0, 200);
    let (_, body) = telnyx.get("balance").await;
    assert_eq!((&body["data"]["balance"], &body["data"]["currency"]), (&json!("0.00"), &json!("USD")));
}

#[tokio::test]
async fn an_order_can_be_named_otherwise_while_it_is_pending() {
    let telnyx = undecided();
    let number = telnyx.offered("415").await;
    let (_, order) = telnyx.order(&number).await;
    let path = format!("number_orders/{}", order["data"]["id"].as_str().unwrap());
    assert_eq!(telnyx.patch(&path, json!({ "customer_reference": "late" })).await.0, 200);
    telnyx.sandbox.finish_order(&number, OrderEnd::Success).unwrap();
    assert_eq!(telnyx.sandbox.field(&number, "customer_reference").as_deref(), Some("late"));
}

#[tokio::test]
async fn a_reservation_keeps_a_number_for_one_account_for_a_while() {
    let telnyx = Telnyx::new();
    let other = telnyx.sandbox.add_account(seed()).unwrap();
    let theirs = async |method: &str, path: &str, body: Option<Value>| {
        telnyx.with_key(&other.auth_token, method, path, body.as_ref()).await.unwrap().0
    };
    let number = telnyx.offered("415").await;
    let query = "available_phone_numbers?filter[national_destination_code]=415";
    assert!(numbers(&theirs("GET", query, None).await.1).contains(&number));
    let (status, held) = telnyx.post("number_reservations", ordered(&number)).await;
    assert_eq!((status, &held["data"]["status"]), (200, &json!("success")));
    assert!(!numbers(&theirs("GET", query, None).await.1).contains(&number), "not offered");
    assert_eq!(code(&theirs("POST", "number_orders", Some(ordered(&number))).await.1), "85001", "nor sold");
    assert_eq!(code(&theirs("POST", "number_reservations", Some(ordered(&number))).await.1), "85006");
    assert_eq!(code(&telnyx.post("number_reservations", ordered(&number)).await.1), "85006", "our own as well");
    assert_eq!(telnyx.offered("415").await, number, "it is offered to us");
    let path = format!("number_reservations/{}", held["data"]["id"].as_str().unwrap());
    assert_eq!(theirs("GET", &path, None).await.0, 404);
    let extend = format!("{path}/actions/extend");
    let (_, longer) = telnyx.post(&extend, json!({})).await;
    let until = |body: &Value| -> i64 {
        let at: jiff::Timestamp = body["data"]["phone_numbers"][0]["expired_at"].as_str().unwrap().parse().unwrap();
        at.as_second()
    };
    assert_eq!(until(&longer) - until(&held), 30 * 60);
    assert_eq!(code(&telnyx.post(&extend, json!({})).await.1), "85008", "once is enough");
    assert_eq!(telnyx.order(&number).await.0, 200);
    let ledger = telnyx.sandbox.ledger();
    assert_eq!((ledger.of(Kind::Hold).count(), ledger.writes(), ledger.purchases_of(&number)), (5, 0, 1));
}

#[tokio::test]
async fn a_reservation_lapses_and_there_is_room_for_so_many() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.switch(|s| (s.telnyx.hold_ms, s.telnyx.max_holds) = (0, Some(1)));
    let found = telnyx.search("filter[national_destination_code]=415&filter[limit]=2").await;
    let (_, held) = telnyx.post("number_reservations", ordered(&found[0])).await;
    let extend = format!("number_reservations/{}/actions/extend", held["data"]["id"].as_str().unwrap());
    assert_eq!(code(&telnyx.post(&extend, json!({})).await.1), "85008", "lapsed");
    telnyx.sandbox.switch(|s| s.telnyx.hold_ms = 60_000);
    assert_eq!(telnyx.post("number_reservations", ordered(&found[0])).await.0, 200, "it can be kept again");
    assert_eq!(code(&telnyx.post("number_reservations", ordered(&found[1])).await.1), "85007");
    let (_, list) = telnyx.get("number_reservations?filter[phone_numbers.phone_number]=%2B1").await;
    assert_eq!(list["data"], json!([]));
    assert_eq!(telnyx.get("number_reservations").await.1["meta"]["total_results"], 2);
    let free = telnyx.search("filter[phone_number_type]=toll_free&filter[reservable]=true").await;
    assert!(free.is_empty(), "not every number can be kept");
}
