//! How a number is held, bought, taken over and given back, and what each costs.

use dialplane::sandbox::carrier::{ExpiredHold, Kind, SecondHold};
use serde_json::{Value, json};

use super::{super::client::http, Flowyte, code, numbers, seed};

impl Flowyte {
    async fn reserve(&self, number: &str) -> (u16, Value) {
        self.post("numbers/reserve", json!({ "e164": number })).await
    }

    /// The id of a reservation of a number.
    async fn held(&self, number: &str) -> String {
        let (status, body) = self.reserve(number).await;
        assert_eq!(status, 201, "{body}");
        body["data"]["id"].as_str().unwrap().to_owned()
    }

    fn money(&self) -> i64 {
        self.sandbox.balance(&self.account.account_sid).unwrap()
    }
}

#[tokio::test]
async fn the_same_key_buys_once_and_another_key_finds_its_own_number_taken() {
    let flowyte = Flowyte::new();
    let number = flowyte.offered("415").await;
    let first = flowyte.buy(&number, "one").await;
    assert_eq!(
        (first.0, &first.1["data"]["e164"], &first.1["data"]["status"]),
        (201, &json!(number), &json!("available"))
    );
    assert_eq!(flowyte.buy(&number, "one").await, first, "the answer is the same");
    let (status, body) = flowyte.buy(&number, "two").await;
    assert_eq!((status, code(&body)), (409, "number_unavailable"), "nothing says that it is ours");
    let (status, body) = flowyte.buy("+14155550100", "one").await;
    assert_eq!((status, code(&body)), (409, "idempotency_key_reused"));
    flowyte.sandbox.switch(|s| s.flowyte.key_conflict_status = 422);
    assert_eq!(flowyte.buy("+14155550100", "one").await.0, 422);
    flowyte.sandbox.switch(|s| s.flowyte.key_ms = Some(0));
    assert_eq!(flowyte.buy(&number, "one").await.0, 409, "forgotten");
    assert_eq!(flowyte.money(), 100_000 - 215);
    let ledger = flowyte.sandbox.ledger();
    assert_eq!((ledger.purchases(), ledger.of(Kind::Purchase).count()), (1, 6));
}

#[tokio::test]
async fn a_wallet_that_is_too_empty_is_told_with_the_amounts() {
    let flowyte = Flowyte::new();
    let (number, account) = (flowyte.offered("415").await, &flowyte.account.account_sid);
    flowyte.sandbox.set_balance(account, 200).unwrap();
    let (status, body) = flowyte.buy(&number, "one").await;
    assert_eq!((status, code(&body)), (402, "insufficient_balance"));
    assert_eq!((&body["requiredUsd"], &body["balanceUsd"]), (&json!(2.15), &json!(2.0)));
    assert_eq!(flowyte.get("billing/wallet").await.1["data"]["balanceUsd"], 2.0);
    flowyte.sandbox.switch(|s| s.flowyte.keys_keep_refusals = true);
    assert_eq!(flowyte.buy(&number, "one").await.0, 402);
    flowyte.sandbox.set_balance(account, 10_000).unwrap();
    let (status, body) = flowyte.buy(&number, "one").await;
    assert_eq!((status, code(&body)), (402, "insufficient_balance"), "kept with the key, whatever the wallet has now");
    assert_eq!(flowyte.buy(&number, "two").await.0, 201, "a new key is a new attempt");
    assert_eq!(flowyte.money(), 10_000 - 215);
    flowyte.sandbox.switch(|s| s.flowyte.setup_charged = false);
    flowyte.buy(&flowyte.offered("415").await, "three").await;
    assert_eq!(flowyte.money(), 10_000 - 215 - 115);
    assert_eq!(flowyte.sandbox.ledger().purchases(), 2);
}

#[tokio::test]
async fn a_held_number_is_its_holders_until_the_hold_lapses() {
    let flowyte = Flowyte::new();
    let other = flowyte.sandbox.add_account(seed()).unwrap().auth_token;
    let number = flowyte.offered("415").await;
    let hold = flowyte.held(&number).await;
    let wanted = json!({ "e164": number });
    let (status, body) = flowyte.with_key(&other, "POST", "numbers/reserve", wanted.clone()).await;
    assert_eq!((status, code(&body)), (409, "number_unavailable"));
    assert_eq!(flowyte.with_key(&other, "POST", "numbers/purchase", wanted.clone()).await.0, 409);
    let path = format!("numbers/reserve/{hold}");
    assert_eq!(flowyte.with_key(&other, "DELETE", &path, Value::Null).await.0, 404, "of another organization");
    flowyte.sandbox.switch(|s| s.flowyte.own_hold_needs_id = true);
    assert_eq!(code(&flowyte.buy(&number, "one").await.1), "number_held", "our own hold is in our way");
    flowyte.sandbox.lapse_reservations();
    assert_eq!(flowyte.delete(&path).await.0, 404, "it has lapsed");
    let bought = json!({ "e164": number, "reservationId": hold });
    for (expired, status) in [(ExpiredHold::Conflict, 409), (ExpiredHold::NotFound, 404), (ExpiredHold::Ignored, 201)] {
        flowyte.sandbox.switch(|s| s.flowyte.expired_hold = expired);
        assert_eq!(flowyte.post("numbers/purchase", bought.clone()).await.0, status, "{expired:?}");
    }
    assert_eq!((flowyte.sandbox.ledger().purchases(), flowyte.money()), (1, 100_000 - 215), "a hold costs nothing");
}

#[tokio::test]
async fn nobody_knows_what_a_second_reservation_of_ones_own_is() {
    let flowyte = Flowyte::new();
    let number = flowyte.offered("415").await;
    let (_, first) = flowyte.reserve(&number).await;
    assert_eq!(code(&flowyte.reserve(&number).await.1), "number_held");
    flowyte.sandbox.switch(|s| s.flowyte.second_hold = SecondHold::Same);
    assert_eq!(flowyte.reserve(&number).await.1, first);
    flowyte.sandbox.switch(|s| s.flowyte.second_hold = SecondHold::Extended);
    flowyte.sandbox.switch(|s| s.flowyte.hold_ms = 90 * 60 * 1000);
    let (_, second) = flowyte.reserve(&number).await;
    assert_eq!(second["data"]["id"], first["data"]["id"]);
    assert!(second["data"]["expiresAt"].as_str() > first["data"]["expiresAt"].as_str());
    let path = format!("numbers/reserve/{}", first["data"]["id"].as_str().unwrap());
    assert_eq!(flowyte.delete(&path).await, (200, json!({ "success": true, "data": null })));
    assert_eq!(flowyte.delete(&path).await.0, 404, "gone");
    flowyte.sandbox.switch(|s| s.flowyte.delete_empty = true);
    let hold = flowyte.held(&number).await;
    assert_eq!(flowyte.delete(&format!("numbers/reserve/{hold}")).await, (204, Value::Null));
    let ledger = flowyte.sandbox.ledger();
    assert_eq!((ledger.of(Kind::Hold).count(), ledger.purchases(), ledger.writes()), (8, 0, 0));
}

#[tokio::test]
async fn a_purchase_names_a_reservation_of_that_number_and_toll_free_has_none() {
    let flowyte = Flowyte::new();
    let (number, other) = (flowyte.offered("415").await, flowyte.offered("212").await);
    let hold = flowyte.held(&number).await;
    let buy = async |number: &str, hold: &str| {
        let (status, body) = flowyte.post("numbers/purchase", json!({ "e164": number, "reservationId": hold })).await;
        (status, code(&body).to_owned())
    };
    assert_eq!(buy(&other, &hold).await, (422, "reservation_mismatch".to_owned()));
    assert_eq!(buy(&number, "nonsense").await, (404, "reservation_not_found".to_owned()));
    assert_eq!(buy(&number, &hold).await.0, 201);
    assert_eq!(buy(&number, &hold).await.0, 404, "it is used up");
    let free = flowyte.search("numberType=toll_free&bestEffort=false&limit=1").await.swap_remove(0);
    for status in [409, 422] {
        flowyte.sandbox.switch(|s| s.flowyte.unreservable_status = status);
        let (seen, body) = flowyte.reserve(&free).await;
        assert_eq!((seen, code(&body)), (status, "not_reservable"));
    }
    let ledger = flowyte.sandbox.ledger();
    assert_eq!((ledger.purchases(), ledger.purchases_of(&number)), (1, 1));
}

#[tokio::test]
async fn a_number_at_the_organizations_carrier_is_imported_for_nothing() {
    let flowyte = Flowyte::new();
    let (number, account) = ("+14155550199", &flowyte.account.account_sid);
    let admin = format!("{}/admin/accounts/{account}/importable/{number}", flowyte.sandbox.url());
    assert_eq!(http().post(admin).send().await.unwrap().status(), 200);
    let agent = flowyte.agent("Front desk");
    let import = async |body: Value| flowyte.post("numbers/import", body).await;
    for status in [422, 409, 404] {
        flowyte.sandbox.switch(|s| s.flowyte.unimportable_status = status);
        assert_eq!(import(json!({ "e164": "+14155550198" })).await.0, status, "not at the carrier");
    }
    assert_eq!(code(&import(json!({ "e164": number, "agentId": "nobody" })).await.1), "agent_not_found");
    let (status, body) = import(json!({ "e164": number, "agentId": agent })).await;
    assert_eq!(
        (status, &body["data"]["defaultAgentId"], &body["data"]["status"]),
        (201, &json!(agent), &json!("assigned"))
    );
    assert_eq!(code(&import(json!({ "e164": number })).await.1), "already_imported");
    assert_eq!(flowyte.sandbox.assigned_agent(number), Some(agent));
    assert_eq!(flowyte.money(), 100_000);
    let ledger = flowyte.sandbox.ledger();
    let imported = ledger.of(Kind::Import).filter(|e| e.applied).count();
    assert_eq!((ledger.purchases(), imported, ledger.writes()), (0, 1, 0));
}

#[tokio::test]
async fn a_number_that_is_given_back_is_gone_and_the_ledger_says_so() {
    let flowyte = Flowyte::new();
    flowyte.sandbox.seed_number("+14155550100").unwrap();
    flowyte.sandbox.add_importable(&flowyte.account.account_sid, "+14155550101").unwrap();
    flowyte.post("numbers/import", json!({ "e164": "+14155550101" })).await;
    flowyte.sandbox.switch(|s| s.flowyte.release_needs_unassign = true);
    flowyte.sandbox.switch(|s| s.flowyte.release_detaches_imported = true);
    let agent = flowyte.agent("Front desk");
    flowyte.sandbox.assign_agent("+14155550100", Some(&agent)).unwrap();
    let path = flowyte.number_path("+14155550100");
    assert_eq!(code(&flowyte.delete(&path).await.1), "number_assigned");
    assert_eq!(flowyte.delete(&format!("{path}/assign")).await.0, 200);
    assert_eq!((flowyte.delete(&path).await.0, flowyte.delete(&path).await.0), (200, 404));
    assert_eq!(flowyte.delete(&flowyte.number_path("+14155550101")).await.0, 200);
    assert_eq!(numbers(&flowyte.get("numbers").await.1), Vec::<String>::new());
    let (status, _) = flowyte.post("numbers/import", json!({ "e164": "+14155550101" })).await;
    assert_eq!(status, 201, "it was only detached");
    let ledger = flowyte.sandbox.ledger();
    assert_eq!((ledger.releases(), ledger.purchases()), (2, 0));
}
