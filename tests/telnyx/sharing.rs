//! What an agent's numbers share at Telnyx: a TeXML application and a messaging profile, and which of their fields count.

use dialplane::{
    api::number::Method,
    carrier::SharedRoute,
    sandbox::carrier::{Rule, Sandbox},
};
use serde_json::{Value, json};

use super::*;

const NAME: &str = "dp1:prod:ringback-dental";

fn destination(url: &str) -> Destination {
    Destination { url: Some(url.to_owned()), ..Destination::default() }
}

fn voice(url: &str) -> Route {
    [(Channel::Voice, destination(url))].into()
}

fn texts(url: &str) -> Route {
    [(Channel::Sms, destination(url))].into()
}

fn both() -> Route {
    voice("https://a.example/v").into_iter().chain(texts("https://a.example/s")).collect()
}

fn id(shared: &SharedRoute, channel: Channel) -> String {
    shared.bound[&channel].bound_to.as_ref().unwrap().id.clone()
}

/// An application or a profile as the carrier shows it.
fn shown(sandbox: &Sandbox, shared: &SharedRoute, channel: Channel) -> Value {
    sandbox.shared_route(&id(shared, channel)).unwrap()
}

async fn set(s: &Subject, current: &SharedRoute, wanted: &Route) -> SharedRoute {
    did(s.sharing().set(NAME, current, wanted).await)
}

#[tokio::test]
async fn an_application_and_a_profile_are_made_with_all_that_they_must_have() {
    let s = subject();
    // The documents disagree on the method of an application that says none.
    s.switch(|switches| switches.telnyx.default_method_get = true);
    let fallback = |url: &str| Destination { fallback_url: Some("https://b.example/f".into()), ..destination(url) };
    let wanted: Route = [
        (Channel::Voice, fallback("https://a.example/v")),
        (Channel::Sms, fallback("https://a.example/s")),
        (Channel::Status, destination("https://a.example/c")),
    ]
    .into();
    let made = set(&s, &SharedRoute::default(), &wanted).await;
    assert_eq!((&made.webhooks, s.shared_route(NAME).await), (&wanted, Ok(made.clone())));
    let profile = shown(&s.sandbox, &made, Channel::Sms);
    assert_eq!((&profile["whitelisted_destinations"], &profile["webhook_api_version"]), (&json!(["*"]), &json!("2")));
    assert_eq!(profile["name"], NAME);
    let application = shown(&s.sandbox, &made, Channel::Voice);
    assert_eq!((&application["friendly_name"], &application["voice_method"]), (&json!(NAME), &json!("post")));
}

#[tokio::test]
async fn a_persons_edit_is_seen_whatever_it_is_and_put_back() {
    let s = subject();
    let made = set(&s, &SharedRoute::default(), &both()).await;
    let mut other = both();
    let voice = Destination {
        fallback_url: Some("https://b.example/".into()),
        method: Method::Get,
        fallback_method: Method::Get,
        ..destination("https://a.example/2")
    };
    other.insert(Channel::Voice, voice);
    let changed = set(&s, &made, &other).await;
    assert_eq!((&changed.bound, &changed.webhooks), (&made.bound, &other));
    assert_eq!(set(&s, &changed, &both()).await, made, "the fallback goes again");

    for (channel, field, value) in [
        (Channel::Voice, "voice_url", "https://elsewhere.example/"),
        (Channel::Voice, "voice_method", "get"),
        (Channel::Voice, "voice_fallback_url", "https://elsewhere.example/"),
        (Channel::Voice, "status_callback", "https://elsewhere.example/"),
        (Channel::Voice, "active", "false"),
        (Channel::Sms, "webhook_url", ""),
        (Channel::Sms, "webhook_failover_url", "https://elsewhere.example/"),
        (Channel::Sms, "webhook_api_version", "1"),
        (Channel::Sms, "enabled", "false"),
    ] {
        s.sandbox.edit_shared_route(&id(&made, channel), &[(field, value)]).unwrap();
        let seen = s.shared_route(NAME).await.unwrap();
        assert_ne!(seen.webhooks, both(), "{field}");
        assert_eq!(set(&s, &seen, &both()).await, made, "{field}");
        assert_eq!(s.shared_route(NAME).await, Ok(made.clone()), "{field}");
    }
    assert_eq!(s.requests(Kind::ApplicationWrite).len(), 2 + 2 + 9);
}

#[tokio::test]
async fn a_profile_is_emptied_and_an_application_switched_off_since_it_must_have_a_url() {
    let s = subject();
    let made = set(&s, &SharedRoute::default(), &both()).await;
    let silent = set(&s, &made, &Route::new()).await;
    assert_eq!(shown(&s.sandbox, &silent, Channel::Sms)["webhook_url"], Value::Null);
    let application = shown(&s.sandbox, &silent, Channel::Voice);
    assert_eq!((&application["active"], &application["voice_url"]), (&json!(false), &json!("https://a.example/v")));
    assert_eq!(application["friendly_name"], NAME, "it is found again");
    assert_eq!(set(&s, &silent, &both()).await, made);
}

#[tokio::test]
async fn a_url_arrives_as_it_was_written() {
    let s = subject();
    let mut now = SharedRoute::default();
    for url in ["https://a.example/a+b", "https://a.example/v?", "https://A.example:443?name='x'&t=%2b"] {
        let leg = Destination { fallback_url: Some(url.to_owned()), ..destination(url) };
        let wanted: Route =
            [(Channel::Voice, leg.clone()), (Channel::Sms, leg), (Channel::Status, destination(url))].into();
        now = set(&s, &now, &wanted).await;
        let (application, profile) = (shown(&s.sandbox, &now, Channel::Voice), shown(&s.sandbox, &now, Channel::Sms));
        for shown in [&application["voice_url"], &application["voice_fallback_url"], &application["status_callback"]] {
            assert_eq!(shown, url);
        }
        assert_eq!((&profile["webhook_url"], &profile["webhook_failover_url"]), (&json!(url), &json!(url)));
    }
    let silent = set(&s, &now, &Route::new()).await;
    assert_eq!(shown(&s.sandbox, &silent, Channel::Voice)["voice_url"], "https://A.example:443?name='x'&t=%2b");
}

#[tokio::test]
async fn of_several_of_one_name_the_oldest_is_meant_on_whichever_page_it_stands() {
    let s = subject();
    let oldest = [("friendly_name", NAME), ("voice_url", "https://1.example/")];
    let oldest = s.sandbox.add_application(&s.account(), &oldest).unwrap();
    // Ages are told to the millisecond.
    let moment = || jiff::Timestamp::now().as_millisecond();
    let made = moment();
    while moment() == made {
        tokio::task::yield_now().await;
    }
    for other in 0..251 {
        let name = if other == 100 { NAME.to_owned() } else { format!("{NAME}-{other}") };
        let settings = [("friendly_name", name.as_str()), ("voice_url", "https://2.example/")];
        s.sandbox.add_application(&s.account(), &settings).unwrap();
    }
    let seen = s.shared_route(NAME).await.unwrap();
    assert_eq!((id(&seen, Channel::Voice), &seen.webhooks), (oldest, &voice("https://1.example/")));
    s.sandbox.inject(Rule::new(Match::path("/v2/texml_applications"), Fault::TornPage).skip(1));
    assert_eq!(s.shared_route(NAME).await.unwrap_err().class, ErrorClass::Transient, "a part proves nothing");
}

#[tokio::test]
async fn one_that_is_half_made_is_unknown_and_one_that_is_refused_at_once_is_not_begun() {
    let none = SharedRoute::default();
    for (path, refused) in [("/v2/texml_applications", true), ("/v2/messaging_profiles", false)] {
        let s = subject();
        s.inject(Match::path(path).method("POST"), Fault::Refuse { status: 403, code: 10010 });
        let outcome = s.sharing().set(NAME, &none, &both()).await;
        let error = if refused { did_nothing(outcome) } else { unknown(outcome) };
        assert_eq!(
            (error.class, s.requests(Kind::ApplicationWrite).len()),
            (ErrorClass::Forbidden, if refused { 1 } else { 2 })
        );
        let seen = s.shared_route(NAME).await.unwrap();
        assert_eq!(seen.bound.len(), usize::from(!refused));
        assert_eq!(set(&s, &seen, &both()).await.webhooks, both());
    }
    let error = did_nothing(subject().carrier.shared_routes().unwrap().set(NAME, &none, &to_application("1")).await);
    assert_eq!(error.class, ErrorClass::Rejected, "what is bound to something is no shared route");
}
