//! What an agent's numbers share: made once, found again by its name, changed where it differs.

use dialplane::{api::number::Method, carrier::SharedRoute};
use serde_json::{Value, json};

use super::*;

const NAME: &str = "dp1:prod:ringback-dental";

fn leg(url: &str) -> Leg {
    Leg { url: Some(url.to_owned()), ..Leg::default() }
}

fn voice(url: &str) -> Route {
    [(Channel::Voice, leg(url))].into()
}

fn texts(url: &str) -> Route {
    [(Channel::Sms, leg(url))].into()
}

fn id(shared: &SharedRoute, channel: Channel) -> String {
    shared.bound[&channel].shadow.values().next().unwrap().clone()
}

/// The shared route of this name, or nothing.
async fn shown(telnyx: &Telnyx, name: &str) -> SharedRoute {
    telnyx.shared_routes().await.unwrap().remove(name).unwrap_or_default()
}

fn writes(sandbox: &Sandbox) -> usize {
    sandbox.ledger().of(Kind::ApplicationWrite).count()
}

#[tokio::test]
async fn a_shared_route_is_made_once_found_again_and_numbers_are_bound_to_it() {
    let sandbox = sandbox();
    // The documents disagree on the method of an application that says none.
    sandbox.switch(|switches| switches.telnyx.default_method_get = true);
    let number_id = NumberId(sandbox.seed_number(NUMBER).unwrap());
    let telnyx = open(&sandbox);
    let none = shown(&telnyx, NAME).await;
    assert_eq!(none, SharedRoute::default());
    let fallback = |url: &str, method| Leg {
        fallback_url: Some("https://b.example/f".into()),
        method,
        fallback_method: method,
        ..leg(url)
    };
    let wanted: Route = [
        (Channel::Voice, fallback("https://a.example/v", Method::Post)),
        (Channel::Sms, fallback("https://a.example/s", Method::Post)),
        (Channel::Status, leg("https://a.example/c")),
    ]
    .into();
    let made = did(telnyx.set_shared_route(NAME, &none, &wanted).await);
    assert_eq!(made.webhooks, wanted);
    assert_eq!(shown(&telnyx, NAME).await, made);
    assert_eq!(shown(&telnyx, "another").await, SharedRoute::default());
    assert_eq!(did(telnyx.set_shared_route(NAME, &made, &wanted).await), made);
    assert_eq!(writes(&sandbox), 2, "one for each, and none for what is as it should be");

    let profile = sandbox.shared_route(&id(&made, Channel::Sms)).unwrap();
    assert_eq!((&profile["whitelisted_destinations"], &profile["webhook_api_version"]), (&json!(["*"]), &json!("2")));
    assert_eq!(profile["name"], NAME);
    let application = sandbox.shared_route(&id(&made, Channel::Voice)).unwrap();
    assert_eq!((&application["friendly_name"], &application["voice_method"]), (&json!(NAME), &json!("post")));

    let bound = did(telnyx.set_route(&number_id, &made.bound).await);
    assert_eq!(bound.route, made.bound);
    assert_eq!(telnyx.canonical(made.bound.clone()), made.bound);
}

#[tokio::test]
async fn what_differs_is_changed_and_nothing_else() {
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    let one: Route = voice("https://a.example/1").into_iter().chain(texts("https://a.example/1s")).collect();
    let made = did(telnyx.set_shared_route(NAME, &SharedRoute::default(), &one).await);
    let mut two = one.clone();
    two.insert(
        Channel::Voice,
        Leg {
            fallback_url: Some("https://b.example/".into()),
            method: Method::Get,
            fallback_method: Method::Get,
            ..leg("https://a.example/2")
        },
    );
    let changed = did(telnyx.set_shared_route(NAME, &made, &two).await);
    assert_eq!((&changed.bound, &changed.webhooks), (&made.bound, &two));
    assert_eq!(writes(&sandbox), 3);
    // Back: the fallback goes.
    let back = did(telnyx.set_shared_route(NAME, &changed, &one).await);
    assert_eq!(back, made);
    assert_eq!((shown(&telnyx, NAME).await, writes(&sandbox)), (made.clone(), 4));

    // A person's edit is seen, whatever it is.
    let (application, profile) = (id(&made, Channel::Voice), id(&made, Channel::Sms));
    for (holder, field, value) in [
        (&application, "voice_url", "https://elsewhere.example/"),
        (&application, "voice_method", "get"),
        (&application, "voice_fallback_url", "https://elsewhere.example/"),
        (&application, "status_callback", "https://elsewhere.example/"),
        (&application, "active", "false"),
        (&profile, "webhook_url", ""),
        (&profile, "webhook_failover_url", "https://elsewhere.example/"),
        (&profile, "webhook_api_version", "1"),
        (&profile, "enabled", "false"),
    ] {
        sandbox.edit_shared_route(holder, &[(field, value)]).unwrap();
        let seen = shown(&telnyx, NAME).await;
        assert_ne!(seen.webhooks, one, "{field}");
        assert_eq!(did(telnyx.set_shared_route(NAME, &seen, &one).await), made, "{field}");
        assert_eq!(shown(&telnyx, NAME).await, made, "{field}");
    }
    assert_eq!(writes(&sandbox), 13);
}

#[tokio::test]
async fn a_channel_that_is_not_wanted_is_not_made_and_one_that_no_longer_is_goes_nowhere() {
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    let made = did(telnyx.set_shared_route(NAME, &SharedRoute::default(), &texts("https://a.example/s")).await);
    assert_eq!((made.bound.len(), made.webhooks.len(), writes(&sandbox)), (1, 1, 1));
    let both = did(telnyx.set_shared_route(NAME, &made, &voice("https://a.example/v")).await);
    assert_eq!((both.bound.len(), &both.webhooks), (2, &voice("https://a.example/v")));
    let profile = sandbox.shared_route(&id(&both, Channel::Sms)).unwrap();
    assert_eq!(profile["webhook_url"], Value::Null, "emptied");
    let silent = did(telnyx.set_shared_route(NAME, &both, &Route::new()).await);
    assert_eq!((&silent.bound, silent.webhooks.len()), (&both.bound, 0));
    let application = sandbox.shared_route(&id(&both, Channel::Voice)).unwrap();
    assert_eq!((&application["active"], &application["voice_url"]), (&json!(false), &json!("https://a.example/v")));
    assert_eq!(shown(&telnyx, NAME).await, silent, "found again");
    assert_eq!(did(telnyx.set_shared_route(NAME, &silent, &Route::new()).await), silent);
    let again = did(telnyx.set_shared_route(NAME, &silent, &voice("https://a.example/w")).await);
    assert_eq!((&again.bound, &again.webhooks), (&both.bound, &voice("https://a.example/w")), "and used again");
    assert_eq!(sandbox.ledger().releases(), 0);
}

#[tokio::test]
async fn of_several_of_one_name_the_oldest_is_meant_on_whichever_page_it_stands() {
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    let account = sandbox.credentials().account_sid;
    let oldest =
        sandbox.add_application(&account, &[("friendly_name", NAME), ("voice_url", "https://1.example/")]).unwrap();
    // Ages are told to the millisecond.
    let moment = || jiff::Timestamp::now().as_millisecond();
    let made = moment();
    while moment() == made {
        tokio::task::yield_now().await;
    }
    for other in 0..251 {
        let name = if other == 100 { NAME.to_owned() } else { format!("{NAME}-{other}") };
        let settings = [("friendly_name", name.as_str()), ("voice_url", "https://2.example/")];
        sandbox.add_application(&account, &settings).unwrap();
    }
    let seen = shown(&telnyx, NAME).await;
    assert_eq!((id(&seen, Channel::Voice), &seen.webhooks), (oldest, &voice("https://1.example/")));
    sandbox.inject(Rule::new(Match::path("/v2/texml_applications"), Fault::TornPage).skip(1));
    assert_eq!(telnyx.shared_routes().await.unwrap_err().class, ErrorClass::Transient, "a part proves nothing");
}

#[tokio::test]
async fn a_shared_route_whose_making_is_in_doubt_is_looked_for_again() {
    let both: Route = voice("https://a.example/v").into_iter().chain(texts("https://a.example/s")).collect();
    for (path, fault, applied) in [
        ("/v2/texml_applications", Fault::AnswerLost, 1),
        ("/v2/texml_applications", Fault::RequestLost, 0),
        ("/v2/messaging_profiles", Fault::AnswerLost, 2),
        ("/v2/messaging_profiles", Fault::Refuse { status: 403, code: 10010 }, 1),
    ] {
        let sandbox = sandbox();
        let telnyx = open(&sandbox);
        sandbox.inject(Rule::new(Match::path(path).method("POST"), fault.clone()));
        let outcome = telnyx.set_shared_route(NAME, &SharedRoute::default(), &both).await;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{path} {}: {outcome:?}", fault.name());
        let seen = shown(&telnyx, NAME).await;
        assert_eq!(seen.bound.len(), applied, "{path} {}", fault.name());
        assert_eq!(did(telnyx.set_shared_route(NAME, &seen, &both).await).webhooks, both);
        assert_eq!(shown(&telnyx, NAME).await.bound.len(), 2);
    }
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    sandbox.inject(Rule::new(
        Match::path("/v2/texml_applications").method("POST"),
        Fault::Refuse { status: 400, code: 10015 },
    ));
    let error = refused(telnyx.set_shared_route(NAME, &SharedRoute::default(), &both).await);
    assert_eq!((error.class, writes(&sandbox)), (ErrorClass::Rejected, 1), "the rest is not begun");
    let bound = to_application("1");
    assert_eq!(
        refused(telnyx.set_shared_route(NAME, &SharedRoute::default(), &bound).await).class,
        ErrorClass::Rejected
    );
}
