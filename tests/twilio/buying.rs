//! Buying at the simulated carrier: what the adapter concludes, and what was really bought.

use dialplane::{
    api::{
        account::Balance,
        offer::{Feature, NumberType, Offer, Search},
        phone_number::Regulatory as Papers,
        purchase::Marker,
    },
    carrier::{Bought, Purchase, Repeated},
    plan::choose::fits,
    sandbox::carrier::Switches,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;

fn wish(search: Value) -> Search {
    serde_json::from_value(search).unwrap()
}

fn marker() -> Marker {
    Marker::new("test", "clinics/front-desk")
}

fn purchase(text: &str) -> Purchase {
    Purchase {
        number: number(text),
        marker: marker(),
        route: Route::new(),
        regulatory: Papers::default(),
        hold: None,
        key: "key".to_owned(),
        before: Instant::now() + Duration::from_secs(5),
    }
}

fn owned(outcome: Outcome<Bought>) -> OwnedNumber {
    match outcome {
        Outcome::Did(Bought::Owned(number)) => number,
        other => panic!("{other:?}"),
    }
}

fn stocked(numbers: &[&str]) -> Sandbox {
    let sandbox = sandbox();
    numbers.iter().for_each(|number| sandbox.add_stock(number).unwrap());
    sandbox
}

/// Nothing is ever given back, whatever else happens.
fn assert_bought(sandbox: &Sandbox, purchases: usize) {
    let summary = sandbox.summary();
    assert_eq!((summary.purchases, summary.releases), (purchases, 0));
    assert_conforms(sandbox);
}

#[tokio::test]
async fn twilio_is_said_to_sell_by_one_call_that_bears_our_marker() {
    let twilio = open(&sandbox());
    let purchasing = twilio.capabilities().purchasing.clone().unwrap();
    assert!(!purchasing.holds && !purchasing.orders && purchasing.marks);
    assert_eq!((purchasing.repeated, purchasing.settling), (Repeated::Updates, Duration::from_secs(900)));
}

#[tokio::test]
async fn every_offer_of_every_search_fits_and_has_its_price() {
    let sandbox = stocked(&["+14155553368", "+4420794600123"]);
    let twilio = open(&sandbox);
    let searches = [
        (json!({"country": "US"}), "1.15"),
        (json!({"country": "US", "areaCode": "415"}), "1.15"),
        (json!({"country": "US", "locality": "San Francisco", "region": "CA"}), "1.15"),
        (json!({"country": "US", "region": "NY", "features": ["Voice", "SMS", "MMS"]}), "1.15"),
        (json!({"country": "US", "startsWith": "415555"}), "1.15"),
        (json!({"country": "US", "areaCode": "415", "contains": "DENT"}), "1.15"),
        (json!({"country": "US", "areaCode": "415", "endsWith": "3368"}), "1.15"),
        (json!({"country": "US", "type": "TollFree", "areaCode": "888"}), "2.15"),
        (json!({"country": "CA", "locality": "Toronto", "region": "ON"}), "1.15"),
        (json!({"country": "GB", "areaCode": "20", "locality": "London", "endsWith": "123"}), "1.15"),
        (json!({"country": "GB", "type": "Mobile", "features": ["SMS"]}), "1.15"),
        (json!({"country": "DE", "features": ["Fax"]}), "1.15"),
        (json!({"country": "AU", "type": "Mobile", "startsWith": "4915"}), "6.50"),
    ];
    for (search, monthly) in searches {
        let search = wish(search);
        let offers = twilio.offers(&search).await.unwrap();
        assert!(!offers.is_empty(), "{search:?}");
        for offer in &offers {
            assert!(fits(&search, offer), "{search:?}: {offer:?}");
            let price = &offer.price;
            assert_eq!((price.monthly, price.setup), (monthly.parse().ok(), None));
            assert_eq!((price.currency.as_deref(), offer.can_hold), (Some("USD"), false));
        }
    }
    for nothing in [json!({"country": "US", "areaCode": "999"}), json!({"country": "US", "features": ["Fax"]})] {
        assert_eq!(twilio.offers(&wish(nothing)).await, Ok(vec![]));
    }
    let lists = sandbox.ledger().entries().iter().filter(|e| e.path.starts_with("/v1/PhoneNumbers")).count();
    assert_eq!(lists, 5, "one price list for each country");
    assert_bought(&sandbox, 0);
}

#[tokio::test]
async fn of_several_patterns_twilio_is_asked_for_one_and_the_caller_checks_the_others() {
    let sandbox = stocked(&["+14155553368"]);
    let several =
        json!({"country": "US", "areaCode": "415", "startsWith": "4155553", "contains": "33", "endsWith": "68"});
    let search = wish(several);
    let offers = open(&sandbox).offers(&search).await.unwrap();
    let fitting: Vec<&str> = offers.iter().filter(|o| fits(&search, o)).map(|o| o.number.as_str()).collect();
    assert_eq!(fitting, ["+14155553368"]);
    assert!(offers.iter().all(|offer| offer.number.as_str().starts_with("+14155553")));
    assert_bought(&sandbox, 0);
}

#[tokio::test]
async fn a_search_shows_as_many_as_the_carrier_does() {
    let sandbox = sandbox();
    let twilio = open(&sandbox);
    let shown = async |search: Value| twilio.offers(&wish(search)).await.unwrap().len();
    assert_eq!(shown(json!({"country": "US"})).await, Switches::default().search_cap);
    sandbox.switch(|switches| switches.search_cap = 500);
    assert_eq!(shown(json!({"country": "US"})).await, 500);
    assert_bought(&sandbox, 0);
}

#[tokio::test]
async fn what_is_sold_nowhere_and_what_may_not_be_asked_is_said() {
    let sandbox = sandbox();
    let twilio = open(&sandbox);
    for nowhere in [json!({"country": "US", "type": "Mobile"}), json!({"country": "FR"})] {
        let error = twilio.offers(&wish(nowhere)).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::NotFound);
        assert!(error.text.contains("spec.purchase.search.type"), "{error}");
    }
    sandbox.inject(Rule::new(Match::kind(Kind::Search), Fault::Refuse { status: 400, code: 20001 }));
    let error = twilio.offers(&wish(json!({"country": "US", "contains": "DENT"}))).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Rejected);
    assert!(error.text.contains("spec.purchase.search.contains"), "{error}");
    assert_bought(&sandbox, 0);
}

#[tokio::test]
async fn prices_that_may_not_be_read_leave_offers_without_one() {
    for fault in [
        Fault::Refuse { status: 403, code: 70051 },
        Fault::NotFound,
        Fault::Unauthorized,
        Fault::Html { status: 200 },
        Fault::ServerErrorBefore { status: 503 },
    ] {
        let sandbox = sandbox();
        sandbox.inject(Rule::new(Match::path("/v1/PhoneNumbers/*"), fault).always());
        let offers = open(&sandbox).offers(&wish(json!({"country": "US"}))).await.unwrap();
        assert!(!offers.is_empty() && offers.iter().all(|offer| offer.price.monthly.is_none()));
        assert_bought(&sandbox, 0);
    }
}

#[tokio::test]
async fn a_named_number_is_offered_only_as_itself() {
    let sandbox = stocked(&["+14165550199", "+18005550199", "+4420794600123", "+447700900123"]);
    let twilio = open(&sandbox);
    for (text, country, kind) in [
        ("+14165550199", "CA", NumberType::Local),
        ("+18005550199", "US", NumberType::TollFree),
        ("+4420794600123", "GB", NumberType::Local),
        ("+447700900123", "GB", NumberType::Mobile),
    ] {
        let Some(Offer { number: found, country: of, kind: is, price, .. }) =
            twilio.offer(&number(text)).await.unwrap()
        else {
            panic!("{text}")
        };
        assert_eq!((found.as_str(), of.as_str(), is, price.monthly.is_some()), (text, country, kind, true));
    }
    assert!(sandbox.take_stock("+14165550199"));
    assert_eq!(twilio.offer(&number("+14165550199")).await, Ok(None));
    assert_eq!(twilio.offer(&number("+44770090012")).await, Ok(None), "the beginning of another one");
    assert_eq!(twilio.offer(&number("+33140000000")).await.unwrap_err().class, ErrorClass::NotFound);
    assert_bought(&sandbox, 0);
}

#[tokio::test]
async fn a_bought_number_bears_the_marker_and_goes_where_it_should_or_nowhere() {
    let sandbox = stocked(&[NUMBER, "+14155550101"]);
    let twilio = open(&sandbox);
    let voice = Leg { method: Method::Get, ..leg("https://engine.example.com/v") };
    let route: Route = [(Channel::Voice, voice.clone())].into();
    let bought = owned(twilio.purchase(&Purchase { route, ..purchase(NUMBER) }).await);
    let nowhere = owned(twilio.purchase(&purchase("+14155550101")).await);
    assert_eq!(
        bought.route,
        [(Channel::Voice, voice), (Channel::Sms, Leg::default()), (Channel::Status, Leg::default())].into()
    );
    assert!(nowhere.route.values().all(Leg::is_empty), "Twilio's demonstration is nobody's route");
    for (answered, text) in [(bought, NUMBER), (nowhere, "+14155550101")] {
        assert_eq!(answered.marker, Some(marker()));
        assert_eq!(sandbox.field(text, "friendly_name").as_deref(), Some(marker().as_str()));
        assert_eq!(twilio.find(&number(text)).await, Ok(Some(answered)), "it is found as it was answered");
    }
    assert_eq!(sandbox.summary().purchases_by_number.values().sum::<usize>(), 2);
    assert_bought(&sandbox, 2);
}

#[tokio::test]
async fn a_marker_is_put_back_and_the_route_stays() {
    let sandbox = sandbox();
    let id = NumberId(sandbox.seed_number(NUMBER).unwrap());
    sandbox.edit(NUMBER, &[("sms_url", "https://theirs.example.com/"), ("friendly_name", "Front desk")]).unwrap();
    let twilio = open(&sandbox);
    assert_eq!(twilio.find(&number(NUMBER)).await.unwrap().unwrap().marker, None);
    assert_eq!(did(twilio.mark(&id, &marker()).await).marker, Some(marker()));
    assert_eq!(sandbox.field(NUMBER, "sms_url").as_deref(), Some("https://theirs.example.com/"));
    assert_eq!(sandbox.ledger().of(Kind::SettingsWrite).next().unwrap().changed, ["friendly_name"]);
    assert_bought(&sandbox, 0);
}

#[tokio::test]
async fn a_number_that_is_ours_already_is_changed_or_refused_and_never_paid_twice() {
    let sandbox = stocked(&[NUMBER]);
    let twilio = open(&sandbox);
    let first = owned(twilio.purchase(&purchase(NUMBER)).await);
    assert_eq!(owned(twilio.purchase(&purchase(NUMBER)).await).id, first.id);
    assert_eq!(sandbox.ledger().of(Kind::Overwrite).count(), 1);
    sandbox.switch(|switches| switches.refuse_owned_purchase = true);
    let Outcome::DidNothing(error) = twilio.purchase(&purchase(NUMBER)).await else { panic!() };
    assert_eq!((error.class, error.code), (ErrorClass::Unavailable, Some(21422)));
    assert_bought(&sandbox, 1);
}

#[tokio::test]
async fn a_refusal_says_what_is_missing() {
    use ErrorClass::*;
    let german = "+493023125123";
    let sandbox = stocked(&[german, NUMBER]);
    let twilio = open(&sandbox);
    let refused = async |purchase: Purchase| match twilio.purchase(&purchase).await {
        Outcome::DidNothing(error) => error,
        other => panic!("{other:?}"),
    };
    let address = Papers { address_sid: Some(format!("AD{}", "a".repeat(32))), ..Papers::default() };
    let error = refused(purchase(german)).await;
    assert_eq!(error.class, Regulatory);
    assert!(error.text.contains("spec.purchase.regulatory.addressSid"), "{error}");
    let error = refused(Purchase { regulatory: address.clone(), ..purchase(german) }).await;
    assert_eq!(error.class, Regulatory);
    assert!(error.text.contains("spec.purchase.regulatory.bundleSid"), "{error}");
    assert_eq!(refused(purchase("+14155550199")).await.class, Unavailable);
    for (status, code, class) in [
        (400, 21421, Rejected),
        (400, 21402, Rejected),
        (400, 21650, Regulatory),
        (400, 21651, Regulatory),
        (403, 10001, Funds),
        (403, 22300, Forbidden),
        (400, 21404, Forbidden),
        (400, 10002, Forbidden),
        (403, 20008, Forbidden),
        (403, 70051, Forbidden),
        (401, 20003, Unauthorized),
        (404, 20404, NotFound),
        (429, 20429, Throttled),
    ] {
        sandbox.inject(Rule::new(Match::purchase(), Fault::Refuse { status, code }));
        assert_eq!(refused(purchase(NUMBER)).await.class, class, "{code}");
    }
    assert_bought(&sandbox, 0);
    let papers = Papers { bundle_sid: Some(format!("BU{}", "b".repeat(32))), ..address };
    owned(twilio.purchase(&Purchase { regulatory: papers, ..purchase(german) }).await);
    assert_bought(&sandbox, 1);
}

#[tokio::test]
async fn no_purchase_is_called_undone_that_was_made_or_may_have_been() {
    let faults = [
        Fault::Hang,
        Fault::HangAfter,
        Fault::Slow { ms: 1000 },
        Fault::ServerErrorBefore { status: 503 },
        Fault::ServerErrorAfter { status: 500 },
        Fault::RequestLost,
        Fault::AnswerLost,
        Fault::AppliedLate { ms: 10 },
        Fault::TornBody,
        Fault::Rubbish,
        Fault::Html { status: 200 },
        Fault::Html { status: 402 },
        Fault::Html { status: 403 },
        Fault::Html { status: 404 },
        Fault::Html { status: 429 },
        Fault::Html { status: 502 },
    ];
    for fault in faults {
        let sandbox = stocked(&[NUMBER]);
        sandbox.inject(Rule::new(Match::purchase(), fault.clone()));
        let outcome = open(&sandbox).purchase(&purchase(NUMBER)).await;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{}: {outcome:?}", fault.name());
        assert_eq!(sandbox.ledger().of(Kind::Purchase).count(), 1, "{}: not sent once", fault.name());
        let made = match &fault {
            Fault::HangAfter
            | Fault::ServerErrorAfter { .. }
            | Fault::AnswerLost
            | Fault::TornBody
            | Fault::Rubbish => 1,
            // These are applied some time after we gave up.
            Fault::Slow { .. } | Fault::AppliedLate { .. } => sandbox.summary().purchases,
            _ => 0,
        };
        assert_bought(&sandbox, made);
    }
}

#[tokio::test]
async fn a_purchase_whose_time_is_over_is_not_sent() {
    let sandbox = stocked(&[NUMBER]);
    let twilio = open(&sandbox);
    let outcome = twilio.purchase(&Purchase { before: Instant::now(), ..purchase(NUMBER) }).await;
    assert!(matches!(outcome, Outcome::DidNothing(_)), "{outcome:?}");
    assert_eq!(sandbox.summary().requests, 0);

    // Its turn comes only when the one before it has ended, and by then it is too late.
    sandbox.switch(|switches| switches.latency_ms = 300);
    let config = Config {
        account_sid: sandbox.credentials().account_sid,
        credentials: Credentials::AuthToken(Secret::new(sandbox.credentials().auth_token)),
        region: None,
        endpoint: Some(sandbox.url().parse().unwrap()),
    };
    let limits = Limits { concurrency: 1, requests_per_second: 0 };
    let twilio = Twilio::new(config, Transport::new(Duration::from_secs(5)).unwrap(), Limiter::new(limits)).unwrap();
    let soon = Purchase { before: Instant::now() + Duration::from_millis(100), ..purchase(NUMBER) };
    let wanted = number(NUMBER);
    let (_, outcome) = tokio::join!(twilio.find(&wanted), twilio.purchase(&soon));
    assert!(matches!(outcome, Outcome::DidNothing(_)), "{outcome:?}");
    assert_eq!(sandbox.ledger().of(Kind::Purchase).count(), 0);
    assert_bought(&sandbox, 0);
}

#[tokio::test]
async fn what_is_left_is_the_parents() {
    let [parent, child] = ["a", "b"].map(|digit| format!("AC{}", digit.repeat(32)));
    let seed = |sid: &str| AccountSeed { sid: Some(sid.to_owned()), ..AccountSeed::default() };
    let accounts = vec![seed(&parent), AccountSeed { parent: Some(parent.clone()), ..seed(&child) }];
    let sandbox = sandbox_of(SandboxConfig { accounts, ..SandboxConfig::default() });
    sandbox.add_stock(NUMBER).unwrap();
    sandbox.switch(|switches| switches.enforce_balance = true);
    let account = |sid: &str| {
        let token = sandbox.credentials_of(sid).unwrap().auth_token;
        open_as(&sandbox, sid, Credentials::AuthToken(Secret::new(token)))
    };
    let left = |text: &str| Some(Balance { amount: text.parse().unwrap(), currency: "USD".to_owned() });
    assert_eq!(account(&parent).balance().await, Ok(left("1000.00")));
    assert_eq!(account(&child).balance().await, Ok(None));
    owned(account(&child).purchase(&purchase(NUMBER)).await);
    assert_eq!(account(&parent).balance().await, Ok(left("998.85")));
    sandbox.set_balance(&parent, -5).unwrap();
    assert_eq!(account(&parent).balance().await, Ok(left("-0.05")));
    sandbox.add_stock("+14155550101").unwrap();
    let Outcome::DidNothing(error) = account(&child).purchase(&purchase("+14155550101")).await else { panic!() };
    assert_eq!(error.class, ErrorClass::Funds);
    assert_bought(&sandbox, 1);
}

#[tokio::test]
async fn a_feature_that_twilio_does_not_show_is_never_offered() {
    let offers = open(&sandbox()).offers(&wish(json!({"country": "US", "features": ["Emergency"]}))).await.unwrap();
    assert!(!offers.is_empty() && offers.iter().all(|offer| !offer.features.contains(&Feature::Emergency)));
}
