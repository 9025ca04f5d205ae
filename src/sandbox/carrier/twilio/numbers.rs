//! Owned numbers: listing, reading, changing and giving back. No I/O.

use serde_json::{Map, Value, json};

use super::{
    super::{
        config::UnsetAnswer,
        ledger::Kind,
        wire::{Effect, Reply, Request},
        world::{Number, Simulation, is_sid},
    },
    Refusal,
    auth::Caller,
    is_number_sid, not_found,
    paging::{self, Ask, Page},
    refuse, rfc2822, settings,
};

/// A number as answers show it.
pub(in super::super) fn shown(number: &Number, answer: UnsetAnswer) -> Value {
    let features = ["voice", "sms", "mms", "fax"].map(|f| (f.to_owned(), Value::from(number.features.contains(&f))));
    let mut fields: Map<String, Value> = settings::all_shown(number, answer).collect();
    let fixed = json!({
        "account_sid": number.account,
        "address_requirements": number.address_requirements,
        "beta": false,
        "capabilities": Map::from_iter(features),
        "date_created": rfc2822(number.created),
        "date_updated": rfc2822(number.updated),
        "phone_number": number.number,
        "sid": number.sid,
        "status": "in-use",
        "type": number.kind,
        "uri": format!("/2010-04-01/Accounts/{}/IncomingPhoneNumbers/{}.json", number.account, number.sid),
    });
    if let Value::Object(fixed) = fixed {
        fields.extend(fixed);
    }
    Value::Object(fields)
}

/// The filters of a listing.
struct Filter<'a> {
    number: Option<&'a str>,
    name: Option<&'a str>,
    beta: Option<bool>,
    origin: Option<&'a str>,
    substring: bool,
}

const FILTERS: [&str; 4] = ["FriendlyName", "Beta", "PhoneNumber", "Origin"];

impl<'a> Filter<'a> {
    fn of(request: &'a Request, substring: bool) -> Result<Self, Refusal> {
        let given = |name| request.query(name).filter(|value| !value.is_empty());
        let number = given("PhoneNumber");
        if number.is_some_and(|pattern| !is_pattern(pattern)) {
            return refuse(400, 20001, "Invalid Pattern: PhoneNumber may contain +, digits and *");
        }
        let beta = given("Beta").map(|beta| beta.eq_ignore_ascii_case("true"));
        Ok(Self { number, name: given("FriendlyName"), beta, origin: given("Origin"), substring })
    }

    fn fits(&self, number: &Number) -> bool {
        let Filter { number: pattern, name, beta, origin, substring } = self;
        pattern.is_none_or(|pattern| matches(pattern, &number.number, *substring))
            && name.is_none_or(|name| number.get("friendly_name") == Some(name))
            && beta.is_none_or(|beta| !beta)
            && origin.is_none_or(|origin| number.get("origin").unwrap_or("twilio") == origin)
    }
}

/// A partial number: an optional `+`, then digits and `*`. A space, which is what a raw `+` becomes, is none.
fn is_pattern(pattern: &str) -> bool {
    let digits = pattern.strip_prefix('+').unwrap_or(pattern);
    digits.bytes().all(|b| b.is_ascii_digit() || b == b'*')
}

/// Whether a partial number matches: at the beginning, with or without its `+`, or anywhere. Never an exact look-up.
fn matches(pattern: &str, number: &str, substring: bool) -> bool {
    let anchored = pattern.starts_with('+');
    let pattern = pattern.trim_start_matches('+').as_bytes();
    let digits = number.trim_start_matches('+').as_bytes();
    let last = if substring && !anchored { digits.len() } else { 0 };
    (0..=last).any(|from| {
        let rest = &digits[from..];
        rest.len() >= pattern.len() && pattern.iter().zip(rest).all(|(p, d)| *p == b'*' || p == d)
    })
}

/// One page of an account's numbers, the newest first.
pub(super) fn list(world: &Simulation, account: &str, kind: Option<&str>, request: &Request) -> Result<Reply, Refusal> {
    let ask = paging::ask(request)?;
    let filter = Filter::of(request, world.switches.substring_filter)?;
    let answer = world.switches.unset;
    let numbers = world.seen(&request.views);
    let fits = |n: &&Number| n.account == account && kind.is_none_or(|k| n.kind == k) && filter.fits(n);
    let page = if world.switches.offset_pages {
        let rows = numbers.values().rev().filter(fits).map(|n| shown(n, answer)).collect();
        paging::by_offset(&ask, rows)?
    } else {
        by_place(world, &ask, &numbers, fits, answer)?
    };
    let page = Page { rows: page.rows.into_iter().map(|row| under(kind, row)).collect(), ..page };
    Ok(paging::envelope(&ask, page, "incoming_phone_numbers", &FILTERS, request, &world.switches))
}

/// A number as the listing of its type shows it: without the type, which only the newer answers have.
pub(super) fn under(kind: Option<&str>, mut number: Value) -> Value {
    if let (Some(_), Value::Object(fields)) = (kind, &mut number) {
        fields.remove("type");
    }
    number
}

/// Cuts a page at the number that its token names: `PA` goes on after it, `PB` goes back before it.
fn by_place(
    world: &Simulation,
    ask: &Ask,
    numbers: &std::collections::BTreeMap<u64, Number>,
    fits: impl Fn(&&Number) -> bool,
    answer: UnsetAnswer,
) -> Result<Page, Refusal> {
    let place = match ask.token.as_deref() {
        None => None,
        Some(token) if token.is_char_boundary(2) => match world.order_of(&token[2..]) {
            Some(order) if token.starts_with("PA") => Some((false, order)),
            Some(order) if token.starts_with("PB") => Some((true, order)),
            _ => return paging::bad_token(),
        },
        Some(_) => return paging::bad_token(),
    };
    let mut rows: Vec<&Number> = match place {
        None => numbers.values().rev().filter(&fits).take(ask.size + 1).collect(),
        Some((false, order)) => numbers.range(..order).rev().map(|(_, n)| n).filter(&fits).take(ask.size + 1).collect(),
        Some((true, order)) => {
            let mut rows: Vec<&Number> =
                numbers.range(order + 1..).map(|(_, n)| n).filter(&fits).take(ask.size).collect();
            rows.reverse();
            rows
        }
    };
    let backwards = matches!(place, Some((true, _)));
    let more = backwards || rows.len() > ask.size;
    rows.truncate(ask.size);
    let next = rows.last().filter(|_| more).map(|n| format!("PA{}", n.sid));
    let previous = rows.first().filter(|_| ask.page > 0).map(|n| format!("PB{}", n.sid));
    Ok(Page { rows: rows.into_iter().map(|n| shown(n, answer)).collect(), next, previous })
}

/// The number with this sid, if the account owns it.
fn owned<'a>(world: &'a Simulation, account: &str, sid: &str, request: &Request) -> Result<&'a Number, Refusal> {
    match world.by_sid(sid).filter(|n| is_number_sid(sid) && n.account == account) {
        Some(number) => Ok(number),
        None => not_found(request),
    }
}

/// One number.
pub(super) fn fetch(world: &Simulation, account: &str, sid: &str, request: &Request) -> Result<Reply, Refusal> {
    let number = owned(world, account, sid, request)?;
    let effect = Effect { number: Some(number.number.clone()), ..Effect::default() };
    Ok(Reply { effect, ..Reply::ok(shown(number, world.switches.unset)) })
}

/// Changes what the request names and leaves the rest.
pub(super) fn update(
    world: &mut Simulation,
    caller: &Caller,
    account: &str,
    sid: &str,
    request: &Request,
) -> Result<Reply, Refusal> {
    let number = owned(world, account, sid, request)?;
    let target = match request.form("AccountSid").filter(|target| !target.is_empty() && *target != account) {
        Some(target) => Some(transferable(world, caller, account, target)?),
        None => None,
    };
    let settings = settings::merged(world, account, &number.settings, request)?;
    let changed = world.change(sid, |number| {
        number.settings = settings;
        if let Some(target) = target {
            number.account = target;
        }
    });
    Ok(updated(world, sid, changed, 200, None))
}

/// The answer to a change of a number.
pub(super) fn updated(world: &Simulation, sid: &str, changed: Vec<String>, status: u16, kind: Option<Kind>) -> Reply {
    let number = world.by_sid(sid);
    let effect = Effect { kind, number: number.map(|n| n.number.clone()), changed, applied: true, ..Effect::default() };
    Reply::did(status, number.map(|n| shown(n, world.switches.unset)), effect)
}

/// The account that a number may be handed to: an active one of the same family, by the parent's credentials.
fn transferable(world: &Simulation, caller: &Caller, from: &str, target: &str) -> Result<String, Refusal> {
    if !is_sid("AC", target) {
        return refuse(400, 21470, "Invalid AccountSid");
    }
    let Some(account) = world.accounts.get(target) else { return refuse(400, 21471, "Account does not exist") };
    if account.status != "active" {
        return refuse(400, 21472, "Account is not active");
    }
    let family = |sid: &str| world.accounts.get(sid).map(|a| a.owner.clone().unwrap_or_else(|| a.sid.clone()));
    if family(target) != family(from) {
        return refuse(400, 21473, "Accounts are not related");
    }
    if family(from).as_deref() != Some(&caller.account) {
        return refuse(400, 21474, "Only the parent account can transfer a number");
    }
    Ok(account.sid.clone())
}

/// Gives a number back.
pub(super) fn release(world: &mut Simulation, account: &str, sid: &str, request: &Request) -> Result<Reply, Refusal> {
    let number = owned(world, account, sid, request)?;
    if number.get("emergency_address_status") == Some("registered") {
        return refuse(409, 20409, "Remove the registered emergency address first");
    }
    let number = number.number.clone();
    let offer = world.stock.offer_for(&number);
    world.remove(sid);
    if !world.switches.rebuy_released {
        world.stock.cooling.insert(number.clone());
    }
    world.stock.add(offer);
    Ok(Reply::did(204, None, Effect { number: Some(number), ..Effect::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_never_an_exact_look_up() {
        assert!(matches("+1415555", "+14155550100", false));
        assert!(matches("1415555", "+14155550100", false), "the plus is optional");
        assert!(matches("+1415***0100", "+14155550100", false));
        assert!(matches("+4420794600", "+442079460012", false), "a whole number of one length begins another");
        assert!(!matches("555", "+14155550100", false));
        assert!(matches("555", "+14155550100", true));
        assert!(!matches("+415", "+14155550100", true), "a plus stands at the beginning only");
    }

    #[test]
    fn a_space_is_no_part_of_a_pattern() {
        assert!(is_pattern("+1415") && is_pattern("1415*") && is_pattern("*"));
        assert!(!is_pattern(" 1415") && !is_pattern("14+15") && !is_pattern("415-555"));
    }
}
