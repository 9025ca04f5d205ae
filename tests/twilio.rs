//! What only Twilio has, against its simulated carrier: what holds for every carrier is [shown for all](crate::conformance).

mod buying;

use std::sync::Arc;

use dialplane::{
    api::number::{Channel, Destination, Method, Route},
    carrier::{
        Carrier, Identity, Messaging,
        http::{Limiter, Limits, Transport},
        twilio::Twilio,
    },
    sandbox::carrier::{AccountSeed, KeyScope, KeySeed, NumberSeed, Sandbox, SandboxConfig, ServiceSeed, UnsetAnswer},
};

use crate::{
    conformance::{
        subject::{NUMBER, OTHER, Subject, did, number},
        wire::{
            Key,
            twilio::{WIRE, open},
        },
    },
    openapi::check_ledger,
    support::eventually,
};

fn subject() -> Subject {
    WIRE.subject()
}

fn account(sid: &str) -> AccountSeed {
    AccountSeed { sid: Some(sid.to_owned()), ..AccountSeed::default() }
}

/// An account and a subaccount of it.
fn family() -> [String; 2] {
    ["a", "b"].map(|digit| format!("AC{}", digit.repeat(32)))
}

/// Several accounts, and who opens them.
fn sandbox_of(accounts: Vec<AccountSeed>) -> Sandbox {
    let sandbox = Sandbox::start(SandboxConfig { accounts, ..SandboxConfig::default() }).unwrap();
    sandbox.switch(|switches| switches.record_bodies = true);
    sandbox
}

fn open_as(sandbox: &Sandbox, account: &str, key: Key) -> Twilio {
    let transport = Transport::new(std::time::Duration::from_secs(20)).unwrap();
    open(sandbox, account, key, transport, Limiter::new(Limits { concurrency: 4, requests_per_second: 0 }))
}

fn open_by_token(sandbox: &Sandbox, account: &str) -> Arc<dyn Carrier> {
    let token = sandbox.credentials_of(account).unwrap().auth_token;
    Arc::new(open_as(sandbox, account, Key::Token(token)))
}

fn destination(url: &str) -> Destination {
    Destination { url: Some(url.to_owned()), ..Destination::default() }
}

#[tokio::test]
async fn what_wins_over_a_url_is_a_part_of_the_route_and_is_set_and_cleared_with_it() {
    let s = subject();
    let id = s.own(NUMBER);
    let application = s.sandbox.add_application(&s.account(), &[]).unwrap();
    let trunk = format!("TK{}", "a".repeat(32));
    let bound = |kind: &str, sid: &str| Destination::bound(kind, Some(sid.to_owned()));
    let voice = Destination {
        method: Method::Get,
        fallback_url: Some("https://fall.example.com/v".into()),
        ..destination("https://Voice.example.com:443/+1/v?t=+%2b")
    };
    let routes: Vec<Route> = vec![
        [
            (Channel::Voice, voice),
            (Channel::Sms, destination("https://sms.example.com")),
            (Channel::Status, destination("http://s/")),
        ]
        .into(),
        [(Channel::Voice, bound("trunkSid", &trunk))].into(),
        [(Channel::Voice, bound("voiceApplicationSid", &application))].into(),
        [
            (Channel::Sms, bound("smsApplicationSid", &application)),
            (Channel::Voice, destination("https://v.example.com/")),
        ]
        .into(),
        s.nowhere(),
    ];
    for unset in [UnsetAnswer::Mixed, UnsetAnswer::Null, UnsetAnswer::Empty] {
        s.switch(|switches| switches.unset = unset);
        for wanted in &routes {
            let answered = did(s.carrier.set_route(&id, wanted).await);
            let found = s.found(NUMBER).await;
            for (channel, destination) in s.carrier.canonical(wanted.clone()) {
                assert_eq!((&answered.route[&channel], &found.route[&channel]), (&destination, &destination));
            }
        }
    }
    for field in ["voice_url", "voice_fallback_url", "sms_url", "status_callback", "trunk_sid", "sms_application_sid"] {
        assert_eq!(s.sandbox.field(NUMBER, field), None, "the last route cleared everything");
    }
}

#[tokio::test]
async fn a_url_arrives_as_it_was_written_and_another_spelling_of_it_is_no_drift() {
    let s = subject();
    let id = s.own(NUMBER);
    for url in ["https://a.example/a+b", "https://a.example/v?", "https://A.example:443?name='x'&t=%2b"] {
        let leg = Destination { fallback_url: Some(url.to_owned()), ..destination(url) };
        let wanted: Route = [(Channel::Voice, leg), (Channel::Status, destination(url))].into();
        let answered = did(s.carrier.set_route(&id, &s.carrier.canonical(wanted)).await);
        for field in ["voice_url", "voice_fallback_url", "status_callback"] {
            assert_eq!(s.sandbox.field(NUMBER, field).as_deref(), Some(url), "{field}");
        }
        assert_eq!(answered.route[&Channel::Voice].url.as_deref(), Some(url));
    }
    let before = s.found(NUMBER).await.route;
    s.sandbox.edit(NUMBER, &[("voice_url", "https://a.example/?name=%27x%27&t=%2B")]).unwrap();
    let after = s.found(NUMBER).await.route;
    assert_eq!((&after, after[&Channel::Voice].digest()), (&before, before[&Channel::Voice].digest()));
}

#[tokio::test]
async fn an_account_whose_pages_count_one_more_is_listed() {
    let s = subject();
    s.switch(|switches| switches.exclusive_end = true);
    assert_eq!(s.carrier.list().await, Ok(vec![]));
    s.own(NUMBER);
    s.own(OTHER);
    assert_eq!(s.carrier.list().await.unwrap().len(), 2);
    assert_eq!(s.found(NUMBER).await.number, number(NUMBER));
}

#[tokio::test]
async fn who_receives_the_messages_is_seen_with_the_accounts_own_credentials_only() {
    let [parent, child] = family();
    let key = |digit: &str| {
        let (sid, secret) = (format!("SK{}", digit.repeat(32)), "s3cret".to_owned());
        let seed = KeySeed { sid: sid.clone(), secret: secret.clone(), scope: KeyScope::Standard };
        (seed, Key::Further { sid, secret })
    };
    let ((own, own_key), (parents, parents_key)) = (key("1"), key("2"));
    let sandbox = sandbox_of(vec![
        AccountSeed { keys: vec![parents], ..account(&parent) },
        AccountSeed { parent: Some(parent.clone()), keys: vec![own], ..account(&child) },
    ]);
    for text in [NUMBER, OTHER] {
        let account = Some(child.clone());
        sandbox.seed(NumberSeed { number: text.to_owned(), account, ..NumberSeed::default() }).unwrap();
    }
    let service = ServiceSeed { account: Some(child.clone()), numbers: vec![NUMBER.into()], ..ServiceSeed::default() };
    let id = sandbox.add_service(service).unwrap();

    let seen = async |key: Key, believed: bool| {
        let twilio = open_as(&sandbox, &child, key);
        assert_eq!(twilio.identify().await.unwrap(), Identity { account: child.clone(), inactive: None });
        // The services are read beside the first listing.
        let asked = || sandbox.ledger().entries().iter().filter(|entry| entry.path.starts_with("/v1/Services")).count();
        let before = asked();
        twilio.list().await.unwrap();
        let mut numbers = eventually("the services are read", async || {
            let numbers = twilio.list().await.unwrap();
            let is_known = numbers.iter().all(|number| number.messaging != Messaging::Unseen);
            (is_known == believed && asked() > before).then_some(numbers)
        })
        .await;
        numbers.sort_by(|a, b| a.number.cmp(&b.number));
        numbers.into_iter().map(|number| number.messaging).collect::<Vec<_>>()
    };
    let known = vec![Messaging::Group { id }, Messaging::Number];
    assert_eq!(seen(Key::Token(sandbox.credentials_of(&child).unwrap().auth_token), true).await, known);
    assert_eq!(seen(own_key, true).await, known);
    assert_eq!(seen(parents_key, false).await, vec![Messaging::Unseen; 2]);
    assert_eq!(check_ledger(&sandbox.ledger()), [""; 0]);
}
