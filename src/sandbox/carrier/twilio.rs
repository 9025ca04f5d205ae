//! Twilio's dialect: which path means what, who may ask it, and how a refusal looks. No I/O.
//!
//! Facts and their sources are in `docs/carriers/twilio.md`; where it says that nobody knows, there is a
//! [switch](super::config::Switches).

mod accounts;
mod auth;
mod messaging;
mod numbers;
mod paging;
mod purchase;
mod regions;
mod search;
mod settings;

pub(super) use self::{
    messaging::{found as found_service, is_service_field, join as join_service},
    numbers::shown,
    regions::{HOME as HOME_REGION, of as region_of},
    settings::is_field,
};

use serde_json::json;

use super::{
    ledger::Kind,
    wire::{Reply, Request, decoded},
    world::{Simulation, is_sid},
};

/// A refusal in the carrier's words.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub status: u16,
    pub code: i64,
    pub message: String,
}

pub(super) fn refuse<T>(status: u16, code: i64, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { status, code, message: message.into() })
}

fn not_found<T>(request: &Request) -> Result<T, Refusal> {
    refuse(404, 20404, format!("The requested resource {} was not found", request.path))
}

/// The answer to a refused request, in the shape of API version 2010-04-01 (the others' is a superset that clients read alike).
pub(super) fn refused(refusal: &Refusal) -> Reply {
    let Refusal { status, code, message } = refusal;
    let body = json!({
        "code": code,
        "message": message,
        "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
        "status": status,
    });
    let mut reply = Reply { status: *status, code: Some(*code), ..Reply::ok(body) };
    if *status == 401 {
        reply.headers.push(("www-authenticate", r#"Basic realm="Twilio API""#.to_owned()));
    }
    reply
}

/// What a path is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Resource {
    Accounts,
    Account(String),
    /// Everything below an account's path.
    Under(String, Below),
    Services,
    Service(String),
    Members(String),
    Member(String, String),
    PricedCountries,
    PricedCountry(String),
    /// Which region takes the calls to this number.
    Region(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Below {
    Balance,
    /// All numbers, or those of one type (`Local`).
    Numbers(Option<&'static str>),
    Number(String),
    Countries,
    Country(String),
    Search(String, String),
}

fn resource(path: &str) -> Option<Resource> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let resource = match parts.as_slice() {
        ["2010-04-01", "Accounts.json"] => Resource::Accounts,
        ["2010-04-01", "Accounts", account] => Resource::Account(json_name(account)?),
        ["2010-04-01", "Accounts", account, rest @ ..] => Resource::Under((*account).to_owned(), below(rest)?),
        ["v1", "Services"] => Resource::Services,
        ["v1", "Services", service] => Resource::Service((*service).to_owned()),
        ["v1", "Services", service, "PhoneNumbers"] => Resource::Members((*service).to_owned()),
        ["v1", "Services", service, "PhoneNumbers", number] => {
            Resource::Member((*service).to_owned(), (*number).to_owned())
        }
        ["v1", "PhoneNumbers", "Countries"] => Resource::PricedCountries,
        ["v1", "PhoneNumbers", "Countries", country] => Resource::PricedCountry((*country).to_owned()),
        ["v2", "PhoneNumbers", number] => Resource::Region(decoded(number, true)),
        _ => return None,
    };
    Some(resource)
}

fn below(parts: &[&str]) -> Option<Below> {
    Some(match parts {
        ["Balance.json"] => Below::Balance,
        ["IncomingPhoneNumbers.json"] => Below::Numbers(None),
        ["IncomingPhoneNumbers", "Local.json"] => Below::Numbers(Some("local")),
        ["IncomingPhoneNumbers", "Mobile.json"] => Below::Numbers(Some("mobile")),
        ["IncomingPhoneNumbers", "TollFree.json"] => Below::Numbers(Some("tollfree")),
        ["IncomingPhoneNumbers", sid] => Below::Number(json_name(sid)?),
        ["AvailablePhoneNumbers.json"] => Below::Countries,
        ["AvailablePhoneNumbers", country] => Below::Country(json_name(country)?),
        ["AvailablePhoneNumbers", country, kind] => Below::Search((*country).to_owned(), json_name(kind)?),
        _ => return None,
    })
}

/// The last part of a path without `.json`, which is how this version of the API is asked for JSON.
fn json_name(part: &str) -> Option<String> {
    part.strip_suffix(".json").map(str::to_owned)
}

/// What a request is for, before it is known what becomes of it.
pub(super) fn classify(request: &Request) -> Kind {
    let read = request.method == "GET";
    match resource(&request.path) {
        None => Kind::Unknown,
        Some(Resource::Under(_, Below::Numbers(_))) if read => Kind::List,
        Some(Resource::Under(_, Below::Numbers(_))) => Kind::Purchase,
        Some(Resource::Under(_, Below::Number(_))) => match request.method.as_str() {
            "GET" => Kind::Read,
            "DELETE" => Kind::Release,
            _ if settings::is_route_write(request) => Kind::RouteWrite,
            _ => Kind::SettingsWrite,
        },
        Some(Resource::Under(_, Below::Search(..) | Below::Country(_) | Below::Countries)) => Kind::Search,
        Some(Resource::Region(_)) if !read => Kind::RouteWrite,
        Some(Resource::Services | Resource::Service(_) | Resource::Members(_) | Resource::Member(..)) if !read => {
            Kind::MessagingWrite
        }
        Some(Resource::Accounts | Resource::Account(_)) if !read => Kind::AccountWrite,
        Some(_) => Kind::Look,
    }
}

/// The account that a request acts on: the one in its path, or else the one whose credentials it bears.
pub(super) fn account_of(world: &Simulation, request: &Request) -> Option<String> {
    match resource(&request.path) {
        Some(Resource::Under(account, _) | Resource::Account(account)) => Some(account),
        _ => request.credentials.as_ref().and_then(|(user, _)| auth::account_of_user(world, user)),
    }
}

/// The number that a request is about, as far as it says so.
pub(super) fn number_of(world: &Simulation, request: &Request) -> Option<String> {
    let sid = match resource(&request.path)? {
        Resource::Under(_, Below::Number(sid)) | Resource::Member(_, sid) => sid,
        Resource::Under(_, Below::Numbers(_)) if request.method == "POST" => {
            return request.form("PhoneNumber").map(str::to_owned);
        }
        Resource::Members(_) => request.form("PhoneNumberSid")?.to_owned(),
        Resource::Region(number) => return Some(number),
        _ => return None,
    };
    world.by_sid(&sid).map(|number| number.number.clone())
}

/// Does what the request asks, and answers it.
pub(super) fn handle(world: &mut Simulation, request: &Request) -> Reply {
    dispatch(world, request).unwrap_or_else(|refusal| refused(&refusal))
}

fn dispatch(world: &mut Simulation, request: &Request) -> Result<Reply, Refusal> {
    let caller = auth::authenticate(world, request)?;
    let Some(resource) = resource(&request.path) else { return not_found(request) };
    auth::authorize(
        world,
        &caller,
        request,
        classify(request),
        matches!(resource, Resource::Accounts | Resource::Account(_)),
    )?;
    let read = request.method == "GET";
    match (resource, request.method.as_str()) {
        (Resource::Accounts, "GET") => accounts::list(world, &caller.account, request),
        (Resource::Accounts, "POST") => accounts::create(world, &caller.account, request),
        (Resource::Account(sid), "GET") => accounts::fetch(world, &caller, &sid, request),
        (Resource::Account(sid), "POST") => accounts::update(world, &caller, &sid, request),
        (Resource::Under(account, below), _) => {
            let account = auth::enter(world, &caller, &account, request)?;
            under(world, &caller, &account, below, request)
        }
        (Resource::Services, "GET") => messaging::list(world, &caller.account, request),
        (Resource::Services, "POST") => messaging::create(world, &caller.account, request),
        (Resource::Service(sid), _) => messaging::one(world, &caller.account, &sid, request),
        (Resource::Members(sid), _) => messaging::members(world, &caller.account, &sid, request),
        (Resource::Member(service, number), _) => messaging::member(world, &caller.account, &service, &number, request),
        (Resource::Region(number), _) => regions::one(world, &caller.account, &number, request),
        (Resource::PricedCountries, _) if read => search::priced_countries(request),
        (Resource::PricedCountry(country), _) if read => search::priced_country(&country, request),
        _ => refuse(405, 20004, "Method not allowed"),
    }
}

fn under(
    world: &mut Simulation,
    caller: &auth::Caller,
    account: &str,
    below: Below,
    request: &Request,
) -> Result<Reply, Refusal> {
    match (below, request.method.as_str()) {
        (Below::Balance, "GET") => accounts::balance(world, account, request),
        (Below::Numbers(kind), "GET") => numbers::list(world, account, kind, request),
        (Below::Numbers(kind), "POST") => purchase::purchase(world, account, kind, request),
        (Below::Number(sid), "GET") => numbers::fetch(world, account, &sid, request),
        (Below::Number(sid), "POST") => numbers::update(world, caller, account, &sid, request),
        (Below::Number(sid), "DELETE") => numbers::release(world, account, &sid, request),
        (Below::Countries, "GET") => search::countries(account),
        (Below::Country(country), "GET") => search::country(account, &country, request),
        (Below::Search(country, kind), "GET") => search::search(world, account, &country, &kind, request),
        _ => refuse(405, 20004, "Method not allowed"),
    }
}

/// A time as API version 2010-04-01 writes it.
fn rfc2822(at: jiff::Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// A time as the newer APIs write it.
fn iso(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whether `sid` could be the sid of a number.
fn is_number_sid(sid: &str) -> bool {
    is_sid("PN", sid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_one_thing() {
        let under = |below| Some(Resource::Under("AC1".into(), below));
        for (path, expected) in [
            ("/2010-04-01/Accounts.json", Some(Resource::Accounts)),
            ("/2010-04-01/Accounts/AC1.json", Some(Resource::Account("AC1".into()))),
            ("/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json", under(Below::Numbers(None))),
            ("/2010-04-01/Accounts/AC1/IncomingPhoneNumbers/TollFree.json", under(Below::Numbers(Some("tollfree")))),
            ("/2010-04-01/Accounts/AC1/IncomingPhoneNumbers/PN1.json", under(Below::Number("PN1".into()))),
            (
                "/2010-04-01/Accounts/AC1/AvailablePhoneNumbers/US/Local.json",
                under(Below::Search("US".into(), "Local".into())),
            ),
            ("/2010-04-01/Accounts/AC1/IncomingPhoneNumbers", None),
            ("/v1/Services/MG1/PhoneNumbers", Some(Resource::Members("MG1".into()))),
            ("/v1/PhoneNumbers/Countries/US", Some(Resource::PricedCountry("US".into()))),
            ("/v2/PhoneNumbers/%2B14155550100", Some(Resource::Region("+14155550100".into()))),
            ("/v2/PhoneNumbers/+14155550100", Some(Resource::Region("+14155550100".into()))),
            ("/v2/Services", None),
        ] {
            assert_eq!(resource(path), expected, "{path}");
        }
    }

    #[test]
    fn dates_are_in_the_two_forms_that_clients_parse() {
        let at: jiff::Timestamp = "2015-07-30T20:12:31Z".parse().unwrap();
        assert_eq!(rfc2822(at), "Thu, 30 Jul 2015 20:12:31 +0000");
        assert_eq!(iso(at), "2015-07-30T20:12:31Z");
    }
}
