//! The cases. Each begins with a number at Twilio that goes nowhere, and a platform with one agent.

use std::collections::BTreeSet;

use dialplane::{
    api::{
        number::{Channel, Destination, Route},
        phone_number::{Extra, NumberConfig},
    },
    carrier::{ErrorClass, HostedAgent, Identity, Lent, NumberId, Outcome},
    sandbox::carrier::{Credentials, Fault, Kind, Match, Rule, Switches},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    super::subject::{NUMBER, OTHER, did, did_nothing, number, unknown},
    bench::{Bench, agent, bindings, route},
};

fn prompt(text: &str) -> NumberConfig {
    NumberConfig { prompt: Some(text.to_owned()), ..NumberConfig::default() }
}

pub async fn an_account_says_who_it_is_and_a_wrong_key_opens_nothing(b: &Bench) {
    let account = (b.wire.identity)(&b.key);
    assert_eq!(b.carrier.identify().await, Ok(Identity { account, inactive: None }));
    let wrong = b.open(&Credentials { auth_token: "wrong".to_owned(), ..b.key.clone() });
    assert_eq!(wrong.identify().await.unwrap_err().class, ErrorClass::Unauthorized);
    assert_eq!(wrong.list().await.unwrap_err().class, ErrorClass::Unauthorized);
    let stranger = b.open(&(b.wire.account)(&b.sandbox));
    did(b.bind(&b.agent).await);
    assert_ne!(stranger.identify().await, b.carrier.identify().await);
    assert_eq!(stranger.list().await, Ok(vec![]));
    assert_eq!(stranger.find(&number(NUMBER)).await, Ok(None));
}

/// Has so many numbers answered by a few agents.
async fn fill(b: &Bench, many: usize) {
    b.switch(|switches| switches.record_bodies = false);
    let agents = [b.agent.clone(), b.new_agent(), b.new_agent()];
    for line in 0..many {
        let text = format!("+1415555{line:04}");
        b.sandbox.seed_number(&text).unwrap();
        let (lent, config) = (b.twilio(), NumberConfig::default());
        // Fewer of one agent than are shown at once.
        did(b.bindings().bind(&number(&text), &agents[line % 3], &lent, &config).await);
    }
}

pub async fn every_number_is_listed_once(b: &Bench) {
    assert_eq!(b.carrier.list().await, Ok(vec![]));
    fill(b, 53).await;
    for (i, way) in b.wire.ways.iter().enumerate() {
        b.switch(|switches| switches.nixflex = Default::default());
        b.switch(way);
        let listed = b.carrier.list().await.unwrap_or_else(|error| panic!("way {i}: {error}"));
        let numbers: BTreeSet<_> = listed.iter().map(|owned| &owned.number).collect();
        assert_eq!((listed.len(), numbers.len()), (53, 53), "way {i}");
        assert!(listed.iter().all(|owned| owned.route.contains_key(&Channel::Voice)));
        assert!(b.carrier.find(&number("+14155550000")).await.unwrap().is_some(), "way {i}: the oldest");
    }
}

pub async fn what_is_not_a_whole_list_is_an_error(b: &Bench) {
    fill(b, 30).await;
    for (fault, class) in [
        (Fault::TornPage, ErrorClass::Transient),
        (Fault::EmptyPage, ErrorClass::Transient),
        (Fault::NotFound, ErrorClass::NotFound),
        (Fault::Unauthorized, ErrorClass::Unauthorized),
        (Fault::Html { status: 200 }, ErrorClass::Transient),
        (Fault::Rubbish, ErrorClass::Transient),
        (Fault::TornBody, ErrorClass::Transient),
        (Fault::ServerErrorBefore { status: 500 }, ErrorClass::Transient),
    ] {
        let name = fault.name();
        b.inject(Kind::List, fault);
        assert_eq!(b.carrier.list().await.map(|all| all.len()).map_err(|error| error.class), Err(class), "{name}");
        assert_eq!(b.carrier.find(&number(OTHER)).await.map_err(|error| error.class), Err(class), "{name}");
        b.sandbox.clear_faults();
    }
}

pub async fn an_agent_is_on_or_off_or_not_there(b: &Bench) {
    let hosted = |active| Ok(Some(HostedAgent { id: b.agent.clone(), active, published: None }));
    assert_eq!(agent(&*b.carrier, &b.agent).await, hosted(true));
    (b.wire.switch_off)(&b.sandbox, &b.agent);
    assert_eq!(agent(&*b.carrier, &b.agent).await, hosted(false));
    let stranger = (b.wire.account)(&b.sandbox);
    let theirs = (b.wire.agent)(&b.sandbox, &stranger);
    assert_eq!(agent(&*b.carrier, &theirs).await, Ok(None));
    (b.wire.delete)(&b.sandbox, &b.agent);
    assert_eq!(agent(&*b.carrier, &b.agent).await, Ok(None));
    b.sandbox.inject(Rule::new(Match::kind(Kind::Look), Fault::Html { status: 404 }).always());
    assert!(agent(&*b.carrier, &b.agent).await.is_err(), "somebody else's 404 says nothing");
}

pub async fn a_number_that_is_bound_goes_to_the_platform_and_is_listed(b: &Bench) {
    assert!(!b.goes_there());
    let lent = b.twilio();
    assert_eq!(b.bindings().refuses(&number(NUMBER), &b.agent, &lent), None);
    let answered = did(b.bindings().bind(&number(NUMBER), &b.agent, &lent, &prompt("Be brief.")).await);
    assert_eq!((&answered.route, answered.config().prompt.as_deref()), (&route(Some(&b.agent)), Some("Be brief.")));
    assert_eq!(b.answers(NUMBER), Some(b.agent.clone()));
    assert!(b.goes_there());
    let seen = b.seen().await.unwrap();
    assert_eq!(
        (&seen.id, &seen.route, seen.config().prompt.as_deref()),
        (&answered.id, &answered.route, Some("Be brief."))
    );
    assert_eq!(b.carrier.canonical(seen.route.clone()), seen.route);
}

pub async fn a_number_of_the_other_carrier_is_bound_too(b: &Bench) {
    let lent = b.telnyx(OTHER);
    let nowhere = Lent { connection: None, ..lent.clone() };
    assert!(b.bindings().refuses(&number(OTHER), &b.agent, &nowhere).is_some());
    assert_eq!(b.bindings().refuses(&number(OTHER), &b.agent, &lent), None);
    did(b.bindings().bind(&number(OTHER), &b.agent, &lent, &NumberConfig::default()).await);
    assert_eq!((b.answers(OTHER), b.answers(NUMBER)), (Some(b.agent.clone()), None));
    assert_eq!(b.sandbox.field(OTHER, "connection_id"), lent.connection);
    did(b.bindings().unbind(&number(OTHER)).await);
    assert!(b.sandbox.number(OTHER).is_some());
}

pub async fn a_number_that_is_bound_again_is_as_it_was(b: &Bench) {
    did(b.bind(&b.agent).await);
    assert_eq!(did_nothing(b.bind(&b.agent).await).class, ErrorClass::Unavailable);
    for way in b.wire.rebinds {
        b.switch(way);
        assert_eq!(did(b.bind(&b.agent).await).route, route(Some(&b.agent)));
    }
    assert!(b.goes_there() && b.answers(NUMBER).is_some());
    assert_eq!(b.carrier.list().await.unwrap().len(), 1);
}

pub async fn a_number_that_another_agent_answers_is_not_taken_from_it(b: &Bench) {
    did(b.bind(&b.agent).await);
    assert_eq!(did_nothing(b.bind(&b.new_agent()).await).class, ErrorClass::Unavailable);
    let stranger = (b.wire.account)(&b.sandbox);
    let (carrier, theirs) = (b.open(&stranger), (b.wire.agent)(&b.sandbox, &stranger));
    let outcome = bindings(&*carrier).bind(&number(NUMBER), &theirs, &b.twilio(), &NumberConfig::default()).await;
    assert_eq!(did_nothing(outcome).class, ErrorClass::Unavailable);
    assert_eq!(bindings(&*carrier).unbind(&number(NUMBER)).await, Outcome::Did(()), "it is not there for them");
    assert_eq!((b.answers(NUMBER), b.goes_there()), (Some(b.agent.clone()), true));
}

pub async fn lent_credentials_that_are_wrong_are_not_the_platforms_own(b: &Bench) {
    let wrong = Lent { secret: SecretString::from("wrong-s3cret"), ..b.twilio() };
    let error = did_nothing(b.bindings().bind(&number(NUMBER), &b.agent, &wrong, &NumberConfig::default()).await);
    assert!(error.class == ErrorClass::Rejected && error.code.is_some(), "{error:?}");
    assert!(error.text.contains("lent"), "{error}");
    assert!(b.carrier.identify().await.is_ok() && b.answers(NUMBER).is_none() && !b.goes_there());
    b.inject(Kind::Attach, Fault::Unauthorized);
    assert_eq!(did_nothing(b.bind(&b.agent).await).class, ErrorClass::Unauthorized, "and this is its own");
}

pub async fn what_is_not_there_is_not_bound(b: &Bench) {
    let stranger = (b.wire.account)(&b.sandbox);
    let theirs = (b.wire.agent)(&b.sandbox, &stranger);
    let errors = [
        did_nothing(b.bind("agent_nobody").await),
        did_nothing(b.bind(&theirs).await),
        did_nothing(b.bindings().bind(&number(OTHER), &b.agent, &b.twilio(), &NumberConfig::default()).await),
    ];
    let classes = errors.each_ref().map(|error| error.class);
    assert_eq!(classes, [ErrorClass::NotFound, ErrorClass::Rejected, ErrorClass::NotFound]);
    let texts: BTreeSet<_> = errors.iter().map(|error| &error.text).collect();
    assert_eq!(texts.len(), 3, "each says what is not there: {texts:?}");
    assert!(b.answers(NUMBER).is_none() && !b.goes_there());
}

pub async fn a_number_that_is_unbound_stays_at_its_carrier_however_often(b: &Bench) {
    did(b.bind(&b.agent).await);
    for _ in 0..3 {
        did(b.bindings().unbind(&number(NUMBER)).await);
        assert!(b.answers(NUMBER).is_none() && !b.goes_there() && b.seen().await.is_none());
        assert!(b.sandbox.number(NUMBER).is_some(), "its carrier goes on having it");
    }
    did(b.bind(&b.agent).await);
    assert!(b.goes_there());
}

pub async fn an_empty_route_unbinds_and_no_other_is_set(b: &Bench) {
    let id: NumberId = did(b.bind(&b.agent).await).id;
    let asked = b.sandbox.summary().requests;
    let url = Destination { url: Some("https://a.example/".to_owned()), ..Destination::default() };
    for wanted in [route(Some(&b.new_agent())), [(Channel::Voice, url)].into(), Route::new()] {
        assert_eq!(did_nothing(b.carrier.set_route(&id, &wanted).await).class, ErrorClass::Rejected, "{wanted:?}");
    }
    assert_eq!((b.sandbox.summary().requests, b.answers(NUMBER)), (asked, Some(b.agent.clone())));
    assert_eq!(did(b.carrier.set_route(&id, &route(None)).await).route, route(None));
    assert!(b.answers(NUMBER).is_none() && !b.goes_there());
}

pub async fn settings_are_one_change_and_no_webhook(b: &Bench) {
    for (i, way) in b.wire.ways.iter().enumerate() {
        b.switch(way);
        did(b.bind(&b.agent).await);
        let theirs = NumberConfig { voice_id: Some("Dennis".to_owned()), ..prompt("Theirs.") };
        (b.wire.edit)(&b.sandbox, NUMBER, theirs);
        b.sandbox.reset_ledger();
        let wanted = NumberConfig {
            speaking_rate: Some("1.1".parse().unwrap()),
            voicemail: Some(true),
            voicemail_message: Some("Call again.".to_owned()),
            sms_prompt: Some("ü".repeat(20_000)),
            ..prompt("Ours.")
        };
        let answered = did(b.bindings().configure(&number(NUMBER), &wanted).await);
        assert!(wanted.changes(&answered.config()).is_empty(), "way {i}: {:?}", answered.config);
        assert_eq!(answered.config().voice_id.as_deref(), Some("Dennis"), "way {i}: what is not named is left alone");
        assert_eq!(answered.route, route(Some(&b.agent)));
        let ledger = b.sandbox.ledger();
        assert_eq!(ledger.of(Kind::AttachmentWrite).count(), 1, "way {i}");
        assert_eq!((ledger.of(Kind::PlatformWrite).count(), ledger.writes()), (0, 0), "way {i}");
        assert_eq!(b.seen().await.unwrap(), answered, "way {i}");

        let cleared = NumberConfig { voicemail: Some(false), voicemail_message: Some(String::new()), ..prompt("") };
        let answered = did(b.bindings().configure(&number(NUMBER), &cleared).await);
        assert!(cleared.changes(&answered.config()).is_empty() && answered.config().prompt.is_none(), "way {i}");
        did(b.bindings().unbind(&number(NUMBER)).await);
    }
    let error = did_nothing(b.bindings().configure(&number(NUMBER), &prompt("Ours.")).await);
    assert_eq!(error.class, ErrorClass::NotFound);
}

pub async fn settings_that_name_nothing_are_not_sent(b: &Bench) {
    did(b.bind(&b.agent).await);
    let asked = b.sandbox.summary().requests;
    let outcome = b.bindings().configure(&number(NUMBER), &NumberConfig::default()).await;
    assert_eq!((did_nothing(outcome).class, b.sandbox.summary().requests), (ErrorClass::Rejected, asked));
}

/// What leaves a write unknown, and whether it was done.
const DOUBTS: [(Fault, bool); 8] = [
    (Fault::AnswerLost, true),
    (Fault::RequestLost, false),
    (Fault::ServerErrorAfter { status: 502 }, true),
    (Fault::ServerErrorBefore { status: 500 }, false),
    (Fault::TornBody, true),
    (Fault::Rubbish, true),
    (Fault::Html { status: 200 }, false),
    (Fault::HangAfter, true),
];

pub async fn a_binding_is_unknown_where_its_answer_is_and_is_then_seen(b: &Bench) {
    for (fault, done) in DOUBTS {
        let name = fault.name();
        b.sandbox.reset_ledger();
        b.inject(Kind::Attach, fault);
        let carrier = b.in_a_hurry();
        let outcome = bindings(&*carrier).bind(&number(NUMBER), &b.agent, &b.twilio(), &NumberConfig::default()).await;
        unknown(outcome);
        assert_eq!(b.requests(Kind::Attach), 1, "{name}: sent once");
        b.sandbox.clear_faults();
        assert_eq!((b.seen().await.is_some(), b.goes_there()), (done, done), "{name}");
        did(b.bindings().unbind(&number(NUMBER)).await);
    }
    // The webhooks are written and there is no row: what is bound is what is listed.
    b.inject(Kind::Attach, Fault::HalfDone);
    unknown(b.bind(&b.agent).await);
    b.sandbox.clear_faults();
    assert!(b.seen().await.is_none() && b.goes_there());
    did(b.bind(&b.agent).await);
}

pub async fn an_end_is_unknown_where_its_answer_is_and_is_then_seen(b: &Bench) {
    for (fault, done) in DOUBTS {
        let name = fault.name();
        did(b.bind(&b.agent).await);
        b.sandbox.reset_ledger();
        b.inject(Kind::Detach, fault);
        unknown(bindings(&*b.in_a_hurry()).unbind(&number(NUMBER)).await);
        assert_eq!(b.requests(Kind::Detach), 1, "{name}: sent once");
        b.sandbox.clear_faults();
        assert_eq!((b.seen().await.is_some(), b.goes_there()), (!done, !done), "{name}");
        did(b.bindings().unbind(&number(NUMBER)).await);
    }
}

pub async fn settings_are_unknown_where_their_answer_is_and_are_then_seen(b: &Bench) {
    did(b.bind(&b.agent).await);
    for (i, (fault, done)) in DOUBTS.into_iter().enumerate() {
        let (name, wanted) = (fault.name(), prompt(&format!("The {i}th.")));
        b.sandbox.reset_ledger();
        b.inject(Kind::AttachmentWrite, fault);
        unknown(bindings(&*b.in_a_hurry()).configure(&number(NUMBER), &wanted).await);
        assert_eq!(b.requests(Kind::AttachmentWrite), 1, "{name}: sent once");
        b.sandbox.clear_faults();
        assert_eq!(wanted.changes(&b.seen().await.unwrap().config()).is_empty(), done, "{name}");
    }
}

pub async fn extras_are_switched_one_by_one_and_no_webhook_is_written(b: &Bench) {
    let Some(extras) = b.carrier.extras() else { return };
    did(b.bind(&b.agent).await);
    let listed = b.seen().await;
    b.sandbox.reset_ledger();
    for extra in Extra::ALL {
        assert_eq!(extras.is_on(&number(NUMBER), extra).await, Ok(false), "{extra:?}");
        did(extras.switch(&number(NUMBER), extra, true).await);
        assert_eq!(extras.is_on(&number(NUMBER), extra).await, Ok(true), "{extra:?}");
    }
    let ledger = b.sandbox.ledger();
    assert_eq!((ledger.of(Kind::AttachmentWrite).count(), ledger.of(Kind::PlatformWrite).count()), (2, 0));
    assert_eq!(b.seen().await, listed, "no listing shows them");
    (b.wire.switch)(&b.sandbox, NUMBER, Extra::Monitor, false);
    assert_eq!(extras.is_on(&number(NUMBER), Extra::Monitor).await, Ok(false));
    assert_eq!(extras.is_on(&number(NUMBER), Extra::WebCalls).await, Ok(true));
    did(b.bindings().unbind(&number(NUMBER)).await);
    assert_eq!(did_nothing(extras.switch(&number(NUMBER), Extra::Monitor, true).await).class, ErrorClass::NotFound);
    assert!(extras.is_on(&number(NUMBER), Extra::Monitor).await.is_err());
}

pub async fn an_extra_is_unknown_where_its_answer_is_and_is_then_seen(b: &Bench) {
    let Some(extras) = b.carrier.extras() else { return };
    did(b.bind(&b.agent).await);
    for (fault, done) in DOUBTS {
        let name = fault.name();
        (b.wire.switch)(&b.sandbox, NUMBER, Extra::Monitor, false);
        b.sandbox.reset_ledger();
        b.inject(Kind::AttachmentWrite, fault);
        let carrier = b.in_a_hurry();
        unknown(carrier.extras().unwrap().switch(&number(NUMBER), Extra::Monitor, true).await);
        assert_eq!(b.requests(Kind::AttachmentWrite), 1, "{name}: sent once");
        b.sandbox.clear_faults();
        assert_eq!(extras.is_on(&number(NUMBER), Extra::Monitor).await, Ok(done), "{name}");
    }
}

pub async fn no_secret_is_in_an_error_or_in_what_an_adapter_shows_of_itself(b: &Bench) {
    b.switch(|switches: &mut Switches| (b.wire.echoes)(switches));
    let lents = [b.twilio(), Lent { secret: SecretString::from("wrong-s3cret"), ..b.twilio() }, b.telnyx(OTHER)];
    let silent = |shown: &str| {
        let secrets = lents.iter().map(|lent| lent.secret.expose_secret()).chain([&*b.key.auth_token]);
        secrets.for_each(|secret| assert!(!shown.contains(secret), "a secret is shown: {shown}"));
    };
    silent(&format!("{:?} {:#?} {lents:?}", b.carrier, b.carrier));
    let refused = |status| Fault::Html { status };
    let faults = [None, Some(refused(403)), Some(Fault::Rubbish), Some(Fault::ServerErrorBefore { status: 500 })];
    for fault in faults {
        for kind in [Kind::Attach, Kind::Detach, Kind::AttachmentWrite] {
            fault.iter().for_each(|fault| b.inject(kind, fault.clone()));
        }
        for lent in &lents {
            for agent in [&*b.agent, "agent_nobody"] {
                let outcome = b.bindings().bind(&number(NUMBER), agent, lent, &NumberConfig::default()).await;
                silent(&format!("{outcome:?} {:?}", b.bindings().refuses(&number(NUMBER), agent, lent)));
            }
        }
        silent(&format!("{:?}", b.bindings().configure(&number(NUMBER), &prompt("x")).await));
        silent(&format!("{:?}", b.bindings().unbind(&number(NUMBER)).await));
        b.sandbox.clear_faults();
    }
    let wrong = b.open(&Credentials { auth_token: "wrong-s3cret".to_owned(), ..b.key.clone() });
    silent(&format!("{:?} {:?} {:?}", wrong.identify().await, wrong.list().await, agent(&*wrong, &b.agent).await));
}
