//! Which webhooks a call or a text message to a number meets, with everything that stands before them. No I/O.

use std::collections::BTreeMap;

use super::{
    config::Dialect,
    flowyte, telnyx,
    traffic::{Hook, Hosted, Outcome, Traffic},
    twilio,
    world::{Number, Simulation},
};

/// Where traffic goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Route(Box<Route>),
    Trunk(String),
    Hosted(Hosted),
    Nowhere(Outcome),
}

/// What webhooks are signed with.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Seal {
    /// The account's primary Auth Token.
    Twilio(String),
    /// The secret half of the account's key.
    Telnyx([u8; 32]),
    None,
}

/// The webhooks that are asked, and how they are signed.
#[derive(PartialEq, Eq)]
pub(super) struct Route {
    pub dialect: Dialect,
    pub account: String,
    pub seal: Seal,
    pub via: String,
    pub service: Option<String>,
    pub primary: Hook,
    pub fallback: Option<Hook>,
    pub status: Option<Hook>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route").field("via", &self.via).field("primary", &self.primary).finish_non_exhaustive()
    }
}

/// The webhooks for traffic to a number. On Twilio, calls may be taken in another region; for the others a trunk wins over an application, and that over the number's own
/// URLs; for texts a Messaging Service wins over the number unless it says otherwise.
pub(super) fn webhooks(world: &Simulation, traffic: Traffic, to: &str) -> Place {
    let Some(number) = world.by_number(to) else { return Place::Nowhere(Outcome::NoSuchNumber) };
    let Some(account) = world.accounts.get(&number.account).filter(|account| account.status == "active") else {
        return Place::Nowhere(Outcome::AccountInactive);
    };
    match account.dialect {
        Dialect::Telnyx => return telnyx::route(world, traffic, account, number),
        Dialect::Flowyte => return flowyte::route(world, traffic, number),
        // It has no numbers.
        Dialect::Nixflex => return Place::Nowhere(Outcome::NoSuchNumber),
        Dialect::Twilio => {}
    }
    if traffic == Traffic::Call && twilio::region_of(number) != twilio::HOME_REGION {
        return Place::Nowhere(Outcome::OtherRegion);
    }
    if let (Traffic::Call, Some(trunk)) = (traffic, number.get("trunk_sid")) {
        return Place::Trunk(trunk.to_owned());
    }
    let service = world
        .services
        .iter()
        .filter(|_| traffic == Traffic::Text)
        .find(|service| service.members.iter().any(|(member, _)| *member == number.sid));
    let (via, settings, names) = match service {
        Some(service) if !service.use_number_webhook => (
            service.sid.clone(),
            &service.settings,
            ["inbound_request_url", "inbound_method", "fallback_url", "fallback_method"],
        ),
        _ => own(world, number, traffic),
    };
    let hook = |settings: &BTreeMap<String, String>, url: &str, method: &str| {
        let method = settings.get(method).map_or("POST", String::as_str).to_owned();
        settings.get(url).map(|url| Hook { url: url.clone(), method })
    };
    let Some(primary) = hook(settings, names[0], names[1]) else { return Place::Nowhere(Outcome::Nothing) };
    // An application's status callback stands before the number's own.
    let status = hook(settings, "status_callback", "status_callback_method")
        .or_else(|| hook(&number.settings, "status_callback", "status_callback_method"));
    Place::Route(Box::new(Route {
        dialect: Dialect::Twilio,
        account: account.sid.clone(),
        seal: Seal::Twilio(account.token.clone()),
        via,
        service: service.map(|service| service.sid.clone()),
        primary,
        fallback: hook(settings, names[2], names[3]),
        status,
    }))
}

/// The number's own route, or that of the application that stands before it.
fn own<'a>(
    world: &'a Simulation,
    number: &'a Number,
    traffic: Traffic,
) -> (String, &'a BTreeMap<String, String>, [&'static str; 4]) {
    let (application, names) = match traffic {
        Traffic::Call => {
            ("voice_application_sid", ["voice_url", "voice_method", "voice_fallback_url", "voice_fallback_method"])
        }
        Traffic::Text => ("sms_application_sid", ["sms_url", "sms_method", "sms_fallback_url", "sms_fallback_method"]),
    };
    let application = number.get(application).and_then(|sid| Some((sid, world.applications.get(sid)?)));
    match application {
        Some((sid, application)) => (sid.to_owned(), &application.settings, names),
        None => ("number".to_owned(), &number.settings, names),
    }
}
