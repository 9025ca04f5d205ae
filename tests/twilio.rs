//! The Twilio adapter against the simulated carrier: what it concludes is compared with what really happened.

mod buying;

use std::time::Duration;

use dialplane::{
    api::number::{Channel, E164, Leg, Method, Route},
    carrier::{
        Carrier, ErrorClass, Identity, Messaging, NumberId, Outcome, OwnedNumber,
        http::{Limiter, Limits, Secret, Transport},
        twilio::{Config, Credentials, Twilio},
    },
    sandbox::carrier::{
        AccountSeed, Fault, KeyScope, KeySeed, Kind, Match, NumberSeed, Rule, Sandbox, SandboxConfig, ServiceSeed,
        UnsetAnswer,
    },
};

use crate::openapi::check_ledger;

const NUMBER: &str = "+14155550100";

fn number(text: &str) -> E164 {
    text.parse().unwrap()
}

fn sandbox() -> Sandbox {
    sandbox_of(SandboxConfig::default())
}

fn sandbox_of(config: SandboxConfig) -> Sandbox {
    let sandbox = Sandbox::start(config).unwrap();
    sandbox.switch(|switches| switches.record_bodies = true);
    sandbox
}

/// Everything that was asked and answered is as the carrier's official documents describe it.
fn assert_conforms(sandbox: &Sandbox) {
    assert_eq!(check_ledger(&sandbox.ledger()), [""; 0]);
}

fn open_as(sandbox: &Sandbox, account_sid: &str, credentials: Credentials) -> Twilio {
    let endpoint = Some(sandbox.url().parse().unwrap());
    let config = Config { account_sid: account_sid.to_owned(), credentials, region: None, endpoint };
    let limits = Limits { concurrency: 4, requests_per_second: 0 };
    Twilio::new(config, Transport::new(Duration::from_millis(700)).unwrap(), Limiter::new(limits)).unwrap()
}

fn open(sandbox: &Sandbox) -> Twilio {
    let credentials = sandbox.credentials();
    open_as(sandbox, &credentials.account_sid, Credentials::AuthToken(Secret::new(credentials.auth_token)))
}

fn key(sid: &str) -> (KeySeed, Credentials) {
    let seed = KeySeed { sid: sid.to_owned(), secret: "s3cret".to_owned(), scope: KeyScope::Standard };
    (seed, Credentials::ApiKey { sid: sid.to_owned(), secret: Secret::new("s3cret") })
}

fn leg(url: &str) -> Leg {
    Leg { url: Some(url.to_owned()), ..Leg::default() }
}

fn shadowed(name: &str, sid: &str) -> Leg {
    Leg { shadow: [(name.to_owned(), sid.to_owned())].into(), ..Leg::default() }
}

fn did(outcome: Outcome<OwnedNumber>) -> OwnedNumber {
    match outcome {
        Outcome::Did(number) => number,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_number_is_listed_over_many_pages() {
    let sandbox = sandbox();
    let twilio = open(&sandbox);
    assert_eq!(twilio.list().await.unwrap(), []);
    for line in 0..2100 {
        sandbox.seed_number(&format!("+1415555{line:04}")).unwrap();
    }
    for offset_pages in [false, true] {
        sandbox.switch(|switches| switches.offset_pages = offset_pages);
        assert_eq!(twilio.list().await.unwrap().len(), 2100);
    }
    for (fault, skip) in [(Fault::TornPage, 0), (Fault::TornPage, 2), (Fault::EmptyPage, 1), (Fault::EmptyPage, 2)] {
        sandbox.inject(Rule::new(Match::list(), fault.clone()).skip(skip));
        let error = twilio.list().await.expect_err(&fault.name());
        assert_eq!(error.class, ErrorClass::Transient);
        sandbox.clear_faults();
    }
    assert_conforms(&sandbox);
}

#[tokio::test]
async fn a_number_is_found_however_loosely_the_carrier_matches() {
    let sandbox = sandbox();
    for other in ["+4420794600", "+442079460012", "+14420794600"] {
        sandbox.seed_number(other).unwrap();
    }
    let twilio = open(&sandbox);
    for substring in [false, true] {
        sandbox.switch(|switches| switches.substring_filter = substring);
        assert!(twilio.find(&number("+4420794600")).await.unwrap().is_some());
        assert_eq!(twilio.find(&number("+44207946001")).await.unwrap(), None);
    }
    assert_conforms(&sandbox);
}

#[tokio::test]
async fn what_was_set_is_shown_and_compares_equal_however_unset_values_are_answered() {
    let sandbox = sandbox();
    let id = NumberId(sandbox.seed_number(NUMBER).unwrap());
    let account = sandbox.credentials().account_sid;
    let application = sandbox.add_application(&account, &[]).unwrap();
    let trunk = format!("TK{}", "a".repeat(32));
    let twilio = open(&sandbox);
    let voice = Leg {
        method: Method::Get,
        fallback_url: Some("https://fall.example.com/v".into()),
        ..leg("https://Voice.example.com:443/+1/v?t=+%2b")
    };
    let routes: Vec<Route> = vec![
        [(Channel::Voice, voice), (Channel::Sms, leg("https://sms.example.com")), (Channel::Status, leg("http://s/"))]
            .into(),
        [(Channel::Voice, shadowed("trunkSid", &trunk))].into(),
        [(Channel::Voice, shadowed("voiceApplicationSid", &application))].into(),
        [(Channel::Sms, shadowed("smsApplicationSid", &application)), (Channel::Voice, leg("https://v.example.com/"))]
            .into(),
        Channel::ALL.map(|channel| (channel, Leg::default())).into(),
    ];
    for unset in [UnsetAnswer::Mixed, UnsetAnswer::Null, UnsetAnswer::Empty] {
        sandbox.switch(|switches| switches.unset = unset);
        for wanted in &routes {
            let answered = did(twilio.set_route(&id, wanted).await);
            let found = twilio.find(&number(NUMBER)).await.unwrap().unwrap();
            for (channel, leg) in twilio.canonical(wanted.clone()) {
                assert_eq!(answered.route[&channel], leg);
                assert_eq!(found.route[&channel], leg);
            }
        }
    }
    assert!(found_nothing(&sandbox), "the last route cleared everything");
    assert_conforms(&sandbox);
}

fn found_nothing(sandbox: &Sandbox) -> bool {
    ["voice_url", "voice_fallback_url", "sms_url", "status_callback", "trunk_sid", "sms_application_sid"]
        .iter()
        .all(|field| sandbox.field(NUMBER, field).is_none())
}

#[tokio::test]
async fn a_channel_that_is_not_named_is_left_alone() {
    let sandbox = sandbox();
    let id = NumberId(sandbox.seed_number(NUMBER).unwrap());
    sandbox.edit(NUMBER, &[("sms_url", "https://theirs.example.com/"), ("friendly_name", "Front desk")]).unwrap();
    did(open(&sandbox).set_route(&id, &[(Channel::Voice, leg("https://ours.example.com/"))].into()).await);
    assert_eq!(sandbox.field(NUMBER, "sms_url").as_deref(), Some("https://theirs.example.com/"));
    assert_eq!(sandbox.field(NUMBER, "friendly_name").as_deref(), Some("Front desk"));
    assert_conforms(&sandbox);
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
        Fault::Refuse { status: 400, code: 21402 },
        Fault::Refuse { status: 422, code: 20422 },
    ];
    for fault in faults {
        let sandbox = sandbox();
        let id = NumberId(sandbox.seed_number(NUMBER).unwrap());
        sandbox.inject(Rule::new(Match::route_write(), fault.clone()));
        let route = [(Channel::Voice, leg("https://ours.example.com/"))].into();
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
        assert_conforms(&sandbox);
    }
}

#[tokio::test]
async fn a_read_survives_what_passes() {
    let sandbox = sandbox();
    sandbox.seed_number(NUMBER).unwrap();
    for fault in [Fault::ServerErrorBefore { status: 500 }, Fault::RequestLost, Fault::TornBody, Fault::Rubbish] {
        sandbox.inject(Rule::new(Match::list(), fault.clone()).times(2));
        assert_eq!(open(&sandbox).list().await.map(|numbers| numbers.len()), Ok(1), "{}", fault.name());
    }
    for (fault, class) in [(Fault::Unauthorized, ErrorClass::Unauthorized), (Fault::NotFound, ErrorClass::NotFound)] {
        sandbox.inject(Rule::new(Match::list(), fault));
        assert_eq!(open(&sandbox).list().await.unwrap_err().class, class);
    }
    assert_conforms(&sandbox);
}

#[tokio::test]
async fn the_limiter_keeps_a_carrier_that_counts_requests_content() {
    let sandbox = sandbox();
    sandbox.seed_number(NUMBER).unwrap();
    sandbox.switch(|switches| (switches.concurrency, switches.latency_ms) = (Some(4), 5));
    let twilio = open(&sandbox);
    let wanted = number(NUMBER);
    let all = futures::future::join_all((0..60).map(|_| twilio.find(&wanted))).await;
    assert!(all.iter().all(|found| matches!(found, Ok(Some(_)))));
    assert_eq!(sandbox.summary().statuses.get(&429), None);
    assert_conforms(&sandbox);
}

#[tokio::test]
async fn who_receives_the_messages_is_seen_with_the_accounts_own_credentials_only() {
    let [parent, child] = ["a", "b"].map(|digit| format!("AC{}", digit.repeat(32)));
    let (standard, own_key) = key(&format!("SK{}", "1".repeat(32)));
    let (parents, parents_key) = key(&format!("SK{}", "2".repeat(32)));
    let seed = |sid: &str, keys| AccountSeed { sid: Some(sid.to_owned()), keys, ..AccountSeed::default() };
    let accounts = vec![
        seed(&parent, vec![parents]),
        AccountSeed { parent: Some(parent.clone()), ..seed(&child, vec![standard]) },
    ];
    let numbers = [NUMBER, "+14155550101"].map(|text| NumberSeed {
        number: text.to_owned(),
        account: Some(child.clone()),
        ..NumberSeed::default()
    });
    let config = SandboxConfig { accounts, numbers: numbers.into(), ..SandboxConfig::default() };
    let sandbox = sandbox_of(config);
    let service = ServiceSeed { account: Some(child.clone()), numbers: vec![NUMBER.into()], ..ServiceSeed::default() };
    let id = sandbox.add_service(service).unwrap();

    let seen = async |credentials: Credentials| {
        let twilio = open_as(&sandbox, &child, credentials);
        assert_eq!(twilio.identify().await.unwrap(), Identity { account: child.clone(), inactive: None });
        let mut numbers = twilio.list().await.unwrap();
        numbers.sort_by(|a, b| a.number.cmp(&b.number));
        numbers.into_iter().map(|number| number.messaging).collect::<Vec<_>>()
    };
    let token = sandbox.credentials_of(&child).unwrap().auth_token;
    let known = vec![Messaging::Group { id }, Messaging::Number];
    assert_eq!(seen(Credentials::AuthToken(Secret::new(token))).await, known);
    assert_eq!(seen(own_key).await, known);
    assert_eq!(seen(parents_key).await, vec![Messaging::Unseen; 2]);
    assert_conforms(&sandbox);
}

#[tokio::test]
async fn credentials_that_open_nothing_say_so() {
    let sandbox = sandbox();
    let account = sandbox.credentials().account_sid;
    let wrong = open_as(&sandbox, &account, Credentials::AuthToken(Secret::new("wrong")));
    assert_eq!(wrong.identify().await.unwrap_err().class, ErrorClass::Unauthorized);
    let (_, unknown_key) = key(&format!("SK{}", "9".repeat(32)));
    let wrong = open_as(&sandbox, &account, unknown_key);
    assert_eq!(wrong.identify().await.unwrap_err().class, ErrorClass::Unauthorized);
    assert_conforms(&sandbox);
}
