//! No secret leaves an adapter: not the credentials, not what was sent, not what was answered.

use std::fmt::Debug;

use dialplane::{
    api::number::{Destination, Route},
    carrier::{Carrier, ErrorClass, NumberId, Outcome, Purchase},
    sandbox::carrier::{Fault, Kind, Match, Rule},
};
use serde_json::json;

use super::{
    subject::{NUMBER, OTHER, Subject, marker, number, purchase, search},
    wire::Key,
};

const TOKEN: &str = "s3cret-of-a-webhook";

fn assert_silent(shown: &str, secret: &str) {
    for secret in [secret, TOKEN] {
        assert!(!shown.contains(secret), "a secret is shown");
    }
}

/// What was done shows where it goes, to those who asked for it; what was not done shows nothing.
fn failure<T: Debug>(outcome: Outcome<T>) -> String {
    match outcome {
        Outcome::Did(_) => String::new(),
        failed => format!("{failed:?}"),
    }
}

/// Everything that `carrier` says of writes.
async fn writes(carrier: &dyn Carrier, id: &NumberId, route: &Route) -> String {
    let buy = Purchase { route: route.clone(), ..purchase(OTHER) };
    let routed = failure(carrier.set_route(id, route).await);
    let marked = match carrier.marks() {
        Some(marks) => failure(marks.mark(id, &marker()).await),
        None => String::new(),
    };
    let bought = match carrier.sales() {
        Some(sales) => failure(sales.purchase(&buy).await),
        None => String::new(),
    };
    format!("{routed} {marked} {bought}")
}

/// Everything that it says when it is refused a look.
async fn reads(carrier: &dyn Carrier) -> String {
    let found = carrier.find(&number(OTHER)).await;
    let offers = match carrier.sales() {
        Some(sales) => sales.offers(&search(json!({ "country": "US" }))).await.err(),
        None => None,
    };
    format!("{:?} {:?} {found:?} {offers:?}", carrier.identify().await, carrier.list().await)
}

pub async fn no_secret_is_in_an_error(s: &Subject) {
    let id = s.own(NUMBER);
    s.stock(&[OTHER]);
    let wrong = Key::Token("KEY-wrong-s3cret".to_owned());
    let url = |channel: &_| {
        (*channel, Destination { url: Some(format!("https://x.example/?token={TOKEN}")), ..Destination::default() })
    };
    let route: Route = s.channels().iter().map(url).collect();
    assert_silent(&reads(&*s.open(wrong.clone())).await, wrong.secret());
    assert_silent(&writes(&*s.open(wrong.clone()), &id, &route).await, wrong.secret());
    for fault in [
        s.refusal(ErrorClass::Rejected),
        Fault::Html { status: 403 },
        Fault::TooMany { retry_after: Some(0) },
        Fault::ServerErrorBefore { status: 500 },
        Fault::RequestLost,
        Fault::Html { status: 200 },
    ] {
        for kind in [Kind::RouteWrite, Kind::SettingsWrite, Kind::Purchase] {
            s.sandbox.inject(Rule::new(Match::kind(kind), fault.clone()).always());
        }
        let carrier = s.open(s.token());
        for route in [&route, &s.one_leg("ours")] {
            assert_silent(&writes(&*carrier, &id, route).await, s.token().secret());
        }
        s.sandbox.clear_faults();
    }
    s.sandbox.inject(Rule::new(Match::any(), Fault::Html { status: 403 }).always());
    assert_silent(&reads(&*s.carrier).await, s.token().secret());
}

pub async fn no_secret_is_in_what_an_adapter_shows_of_itself(s: &Subject) {
    s.own(NUMBER);
    s.carrier.list().await.unwrap();
    assert_silent(&format!("{:?} {:#?}", s.carrier, s.carrier), s.token().secret());
}
