//! The Telnyx adapter against the simulated carrier: what it concludes is compared with what really happened.

mod buying;
mod opening;
mod sharing;

use std::time::Duration;

use dialplane::{
    api::{
        number::{Channel, E164, Leg, Route},
        purchase::Marker,
    },
    carrier::{
        Carrier, ErrorClass, Identity, Messaging, NumberId, Outcome,
        http::{Limiter, Limits, Secret, Transport},
        telnyx::{Config, Telnyx},
    },
    sandbox::carrier::{
        AccountSeed, ConnectionClearing, Dialect, Fault, KeyScope, KeySeed, Kind, Match, Rule, Sandbox, SandboxConfig,
        UnsetAnswer,
    },
};

const NUMBER: &str = "+14155550100";

fn number(text: &str) -> E164 {
    text.parse().unwrap()
}

fn marker() -> Marker {
    Marker::new("prod", "clinics/front-desk")
}

fn sandbox() -> Sandbox {
    let seed = AccountSeed { carrier: Dialect::Telnyx, ..AccountSeed::default() };
    Sandbox::start(SandboxConfig { accounts: vec![seed], ..SandboxConfig::default() }).unwrap()
}

fn open_as(sandbox: &Sandbox, key: &str) -> Telnyx {
    let endpoint = Some(sandbox.url().parse().unwrap());
    let config = Config { api_key: Secret::new(key.to_owned()), identity: "telephony/telnyx".to_owned(), endpoint };
    let limits = Limits { concurrency: 4, requests_per_second: 0 };
    Telnyx::new(config, Transport::new(Duration::from_millis(700)).unwrap(), Limiter::new(limits)).unwrap()
}

fn open(sandbox: &Sandbox) -> Telnyx {
    open_as(sandbox, &sandbox.credentials().auth_token)
}

fn bound(name: &str, id: &str) -> Leg {
    Leg { shadow: [(name.to_owned(), id.to_owned())].into(), ..Leg::default() }
}

fn to_application(id: &str) -> Route {
    [(Channel::Voice, bound("connectionId", id))].into()
}

fn to_profile(id: &str) -> Route {
    [(Channel::Sms, bound("messagingProfileId", id))].into()
}

fn did<T: std::fmt::Debug>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Did(done) => done,
        other => panic!("{other:?}"),
    }
}

fn refused<T: std::fmt::Debug>(outcome: Outcome<T>) -> dialplane::carrier::CarrierError {
    match outcome {
        Outcome::DidNothing(error) => error,
        other => panic!("{other:?}"),
    }
}

/// An application and a messaging profile of somebody's.
fn holders(sandbox: &Sandbox) -> (String, String) {
    let account = sandbox.credentials().account_sid;
    let application = sandbox.add_application(&account, &[("voice_url", "https://e.example/v")]).unwrap();
    let profile = sandbox.add_messaging_profile(&account, &[("name", "texts")]).unwrap();
    (application, profile)
}

#[tokio::test]
async fn every_number_is_listed_over_many_pages() {
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    assert_eq!(telnyx.list().await.unwrap(), []);
    for line in 0..502 {
        sandbox.seed_number(&format!("+14155550{line:03}")).unwrap();
    }
    assert_eq!(telnyx.list().await.unwrap().len(), 502);
    assert_eq!(sandbox.ledger().lists(), 4, "as few pages as there can be");
    for (fault, skip) in [
        (Fault::TornPage, 0),
        (Fault::TornPage, 1),
        (Fault::TornPage, 2),
        (Fault::EmptyPage, 0),
        (Fault::EmptyPage, 1),
        (Fault::EmptyPage, 2),
    ] {
        sandbox.inject(Rule::new(Match::list(), fault.clone()).skip(skip));
        let error = telnyx.list().await.expect_err(&fault.name());
        assert_eq!(error.class, ErrorClass::Transient);
        sandbox.clear_faults();
    }
    for number in ["+14155550250", "+14155550001"] {
        sandbox.lose_number(number).unwrap();
        sandbox.inject(Rule::new(Match::list(), Fault::LagWrites { writes: 1 }));
        assert!(telnyx.list().await.is_err(), "one went between two pages");
        sandbox.clear_faults();
    }
}

#[tokio::test]
async fn a_number_is_found_by_its_digits_and_no_others() {
    let sandbox = sandbox();
    for other in ["+4420794600", "+442079460012", "+14420794600"] {
        sandbox.seed_number(other).unwrap();
    }
    let telnyx = open(&sandbox);
    for substring in [false, true] {
        sandbox.switch(|switches| switches.substring_filter = substring);
        let found = telnyx.find(&number("+4420794600")).await.unwrap();
        assert_eq!(found.unwrap().number.as_str(), "+4420794600", "with a + there would be none");
        assert_eq!(telnyx.find(&number("+44207946001")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_is_not_the_accounts_is_listed_and_not_owned() {
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    sandbox.seed_number(NUMBER).unwrap();
    for (status, owned) in [
        ("active", true),
        ("emergency-only", true),
        ("port-out-pending", true),
        ("ported-out", false),
        ("deleted", false),
    ] {
        sandbox.edit(NUMBER, &[("status", status)]).unwrap();
        assert_eq!(telnyx.list().await.unwrap().len(), usize::from(owned), "{status}");
        assert_eq!(telnyx.find(&number(NUMBER)).await.unwrap().is_some(), owned, "{status}");
    }
}

#[tokio::test]
async fn an_account_is_opened_by_its_key_and_named_by_us() {
    let sandbox = sandbox();
    let account = sandbox.credentials().account_sid;
    let telnyx = open(&sandbox);
    let identity = Identity { account: "telephony/telnyx".to_owned(), inactive: None };
    assert_eq!(telnyx.identify().await, Ok(identity.clone()));
    sandbox.set_balance(&account, -150).unwrap();
    let balance = telnyx.balance().await.unwrap().unwrap();
    assert_eq!((balance.amount, balance.currency.as_str()), ("-1.50".parse().unwrap(), "USD"));
    for (status, word) in [("suspended", "inactive"), ("closed", "blocked")] {
        sandbox.set_status(&account, status).unwrap();
        let seen = telnyx.identify().await.unwrap();
        assert_eq!((seen.account, seen.inactive.as_deref()), (identity.account.clone(), Some(word)));
        assert_eq!(telnyx.list().await.unwrap_err().class, ErrorClass::Forbidden);
    }
    sandbox.set_status(&account, "active").unwrap();

    let sid = |digit: &str| format!("SK{}", digit.repeat(32));
    let seed = |digit, secret: &str, scope| KeySeed { sid: sid(digit), secret: secret.to_owned(), scope };
    sandbox.add_key(&account, seed("1", "KEY-further", KeyScope::Standard)).unwrap();
    sandbox.add_key(&account, seed("2", "KEY-lists", KeyScope::Restricted(vec![Kind::List]))).unwrap();
    let further = open_as(&sandbox, "KEY-further");
    assert_eq!(further.identify().await, Ok(identity));
    sandbox.revoke_key(&sid("1"));
    assert_eq!(further.identify().await.unwrap_err().class, ErrorClass::Unauthorized);
    assert_eq!(open_as(&sandbox, "wrong").identify().await.unwrap_err().class, ErrorClass::Unauthorized);
    assert_eq!(open_as(&sandbox, "KEY-lists").identify().await.unwrap_err().class, ErrorClass::Forbidden);
    assert!(!format!("{further:?}").contains("KEY-"));
}

#[tokio::test]
async fn a_number_is_bound_and_unbound_channel_by_channel() {
    let sandbox = sandbox();
    let id = NumberId(sandbox.seed_number(NUMBER).unwrap());
    let (application, profile) = holders(&sandbox);
    let telnyx = open(&sandbox);
    let both: Route = to_application(&application).into_iter().chain(to_profile(&profile)).collect();
    let cleared = |channel| Route::from([(channel, Leg::default())]);
    let nothing: Route = cleared(Channel::Voice).into_iter().chain(cleared(Channel::Sms)).collect();
    let voice_only: Route = to_application(&application).into_iter().chain(cleared(Channel::Sms)).collect();
    for unset in [UnsetAnswer::Mixed, UnsetAnswer::Null, UnsetAnswer::Empty] {
        sandbox.switch(|switches| switches.unset = unset);
        for (wanted, expected) in [
            (to_application(&application), &voice_only),
            (to_profile(&profile), &both),
            (cleared(Channel::Sms), &voice_only),
            (cleared(Channel::Voice), &nothing),
            (both.clone(), &both),
            (nothing.clone(), &nothing),
        ] {
            let answered = did(telnyx.set_route(&id, &wanted).await);
            let found = telnyx.find(&number(NUMBER)).await.unwrap().unwrap();
            assert_eq!((&answered.route, &found.route), (expected, expected), "{wanted:?}");
            assert_eq!(telnyx.canonical(found.route.clone()), found.route);
            assert_eq!(found.messaging, Messaging::Number);
        }
    }
    sandbox.reset_ledger();
    did(telnyx.set_route(&id, &both).await);
    let summary = sandbox.summary();
    assert_eq!((sandbox.ledger().writes(), summary.statuses.get(&200)), (2, Some(&2)), "one request for each channel");
    let url = Leg { url: Some("https://a.example/".into()), ..Leg::default() };
    assert_eq!(refused(telnyx.set_route(&id, &[(Channel::Voice, url)].into()).await).class, ErrorClass::Rejected);
    refused(telnyx.set_route(&id, &Route::new()).await);
    assert_eq!(sandbox.ledger().writes(), 2, "what cannot be set is not sent");
}

#[tokio::test]
async fn a_number_is_taken_off_its_application_in_whichever_way_the_carrier_knows() {
    use ConnectionClearing::{Either, Empty, Neither, Null};
    for clearing in [Either, Empty, Null, Neither] {
        let sandbox = sandbox();
        let id = NumberId(sandbox.seed_number(NUMBER).unwrap());
        let (application, profile) = holders(&sandbox);
        let telnyx = open(&sandbox);
        sandbox.switch(|switches| switches.telnyx.connection_clearing = clearing);
        let nothing: Route = [(Channel::Voice, Leg::default()), (Channel::Sms, Leg::default())].into();
        // One that is bound to nothing needs no clearing.
        did(telnyx.set_route(&id, &nothing).await);
        did(telnyx.set_route(&id, &to_application(&application)).await);
        did(telnyx.set_route(&id, &to_profile(&profile)).await);
        let outcome = telnyx.set_route(&id, &nothing).await;
        if clearing == Neither {
            let error = refused(outcome);
            assert_eq!(error.class, ErrorClass::Rejected);
            assert!(error.text.contains("take it off in Mission Control"), "{error}");
            assert_eq!(sandbox.field(NUMBER, "messaging_profile_id"), Some(profile), "nothing was done");
        } else {
            assert_eq!(did(outcome).route, nothing, "{clearing:?}");
        }
        assert_eq!(sandbox.field(NUMBER, "connection_id").is_some(), clearing == Neither, "{clearing:?}");
    }
}

#[tokio::test]
async fn a_profile_that_lags_is_shown_as_it_was_set_and_one_that_is_not_known_is_not_taken_for_none() {
    let sandbox = sandbox();
    let id = NumberId(sandbox.seed_number(NUMBER).unwrap());
    let (_, profile) = holders(&sandbox);
    let telnyx = open(&sandbox);
    sandbox.switch(|switches| switches.telnyx.messaging_lag_ms = 60_000);
    let answered = did(telnyx.set_route(&id, &to_profile(&profile)).await);
    assert_eq!(answered.route[&Channel::Sms], to_profile(&profile)[&Channel::Sms]);
    sandbox.switch(|switches| switches.telnyx.messaging_lag_ms = 0);
    sandbox.switch(|switches| switches.telnyx.messaging_unavailable = true);
    for error in [telnyx.list().await.unwrap_err(), telnyx.find(&number(NUMBER)).await.unwrap_err()] {
        assert_eq!(error.class, ErrorClass::Transient);
        assert!(error.text.contains("messaging profile"), "{error}");
    }
    assert_eq!(sandbox.summary().statuses.get(&503), None, "the carrier is not unwell altogether");
}

#[tokio::test]
async fn a_route_that_is_half_done_is_not_called_done() {
    for fault in
        [Fault::Refuse { status: 422, code: 85005 }, Fault::ServerErrorBefore { status: 503 }, Fault::AnswerLost]
    {
        let sandbox = sandbox();
        let id = NumberId(sandbox.seed_number(NUMBER).unwrap());
        let (application, profile) = holders(&sandbox);
        let both: Route = to_application(&application).into_iter().chain(to_profile(&profile)).collect();
        sandbox.inject(Rule::new(Match::path("*/messaging"), fault.clone()));
        let outcome = open(&sandbox).set_route(&id, &both).await;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{}: {outcome:?}", fault.name());
        assert_eq!(sandbox.field(NUMBER, "connection_id"), Some(application));
    }
}

#[tokio::test]
async fn no_write_is_called_undone_that_was_applied_nor_done_that_was_not() {
    let faults = [
        Fault::Hang,
        Fault::HangAfter,
        Fault::Slow { ms: 1000 },
        Fault::TooMany { retry_after: Some(0) },
        Fault::TooMany { retry_after: None },
        Fault::ServerErrorBefore { status: 503 },
        Fault::ServerErrorAfter { status: 500 },
        Fault::RequestLost,
        Fault::AnswerLost,
        Fault::AppliedLate { ms: 10 },
        Fault::TornBody,
        Fault::Html { status: 200 },
        Fault::Html { status: 502 },
        Fault::Html { status: 403 },
        Fault::Rubbish,
        Fault::Unauthorized,
        Fault::NotFound,
        Fault::Refuse { status: 422, code: 85004 },
        Fault::Refuse { status: 400, code: 10015 },
    ];
    for fault in faults {
        for route in [0, 1] {
            let sandbox = sandbox();
            let id = NumberId(sandbox.seed_number(NUMBER).unwrap());
            let (application, profile) = holders(&sandbox);
            let route = if route == 0 { to_application(&application) } else { to_profile(&profile) };
            sandbox.inject(Rule::new(Match::route_write(), fault.clone()));
            let outcome = open(&sandbox).set_route(&id, &route).await;
            let ledger = sandbox.ledger();
            let writes: Vec<_> = ledger.of(Kind::RouteWrite).collect();
            let [write] = writes.as_slice() else { panic!("{}: not sent once", fault.name()) };
            match outcome {
                Outcome::Did(_) => assert!(write.applied, "{}", fault.name()),
                // The carrier answered that it refused, so nothing is left that could still be applied.
                Outcome::DidNothing(_) => assert!(!write.applied && write.status.is_some(), "{}", fault.name()),
                Outcome::Unknown(error) => assert_eq!(error.class, ErrorClass::Transient, "{}", fault.name()),
            }
        }
    }
}

#[tokio::test]
async fn a_marker_is_written_beside_everybody_elses_tags_and_read_from_either_place() {
    let sandbox = sandbox();
    let id = NumberId(sandbox.seed_number(NUMBER).unwrap());
    sandbox.edit(NUMBER, &[("tags", r#"["billing","dp1:prod:0000"]"#), ("customer_reference", "Order 7")]).unwrap();
    let telnyx = open(&sandbox);
    let seen = async || telnyx.find(&number(NUMBER)).await.unwrap().unwrap().marker;
    assert_eq!(seen().await, Marker::read("dp1:prod:0000"));
    assert_eq!(did(telnyx.mark(&id, &marker()).await).marker, Some(marker()));
    assert_eq!(sandbox.number(NUMBER).unwrap()["tags"], serde_json::json!(["billing", marker().as_str()]));
    for (field, lost) in [("customer_reference", false), ("tags", true)] {
        sandbox.edit(NUMBER, &[(field, "")]).unwrap();
        assert_eq!(seen().await.is_none(), lost, "{field}");
    }
    did(telnyx.mark(&id, &marker()).await);
    let ledger = sandbox.ledger();
    assert_eq!((ledger.of(Kind::SettingsWrite).count(), ledger.of(Kind::RouteWrite).count()), (2, 0));
    refused(telnyx.mark(&NumberId("1".into()), &marker()).await);
    assert_eq!(sandbox.ledger().writes(), 2);
}

#[tokio::test]
async fn a_read_survives_what_passes_and_waits_as_long_as_it_is_told() {
    let sandbox = sandbox();
    sandbox.seed_number(NUMBER).unwrap();
    for fault in [
        Fault::ServerErrorBefore { status: 500 },
        Fault::RequestLost,
        Fault::TornBody,
        Fault::Rubbish,
        Fault::TooMany { retry_after: Some(0) },
    ] {
        sandbox.inject(Rule::new(Match::list(), fault.clone()).times(2));
        assert_eq!(open(&sandbox).list().await.map(|numbers| numbers.len()), Ok(1), "{}", fault.name());
    }
    for (fault, class) in [(Fault::Unauthorized, ErrorClass::Unauthorized), (Fault::NotFound, ErrorClass::NotFound)] {
        sandbox.inject(Rule::new(Match::list(), fault));
        assert_eq!(open(&sandbox).list().await.unwrap_err().class, class);
    }
    sandbox.inject(Rule::new(Match::list(), Fault::TooMany { retry_after: Some(1) }));
    let began = std::time::Instant::now();
    assert_eq!(open(&sandbox).list().await.map(|numbers| numbers.len()), Ok(1));
    assert!(began.elapsed() >= Duration::from_secs(1), "by x-ratelimit-reset: there is no Retry-After");
}
