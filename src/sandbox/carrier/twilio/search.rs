//! What can be bought, and what it costs. No I/O.
//!
//! Nothing is held: a number that was found may be gone when it is bought.

use serde_json::{Map, Value, json};

use super::{
    super::{
        stock::{COUNTRIES, Country, NumberType, Offer, national, place_of, sells},
        text::money,
        wire::{Reply, Request},
        world::Simulation,
    },
    Refusal, not_found, paging, refuse,
};

/// How far around a place a search looks, in miles, if it does not say.
const DISTANCE: f64 = 25.0;

fn country_shown(account: &str, country: &Country) -> Value {
    let uri = format!("/2010-04-01/Accounts/{account}/AvailablePhoneNumbers/{}", country.code);
    let name = |kind: NumberType| match kind {
        NumberType::TollFree => "toll_free",
        other => other.owned_type(),
    };
    let kinds = country.prices.iter().map(|(kind, _)| (name(*kind), format!("{uri}/{}.json", kind.path())));
    json!({
        "beta": false,
        "country": country.name,
        "country_code": country.code,
        "subresource_uris": Map::from_iter(kinds.map(|(k, uri)| (k.to_owned(), Value::from(uri)))),
        "uri": format!("{uri}.json"),
    })
}

/// Where numbers can be bought.
pub(super) fn countries(account: &str) -> Result<Reply, Refusal> {
    let countries: Vec<Value> = COUNTRIES.iter().map(|country| country_shown(account, country)).collect();
    let uri = format!("/2010-04-01/Accounts/{account}/AvailablePhoneNumbers.json");
    Ok(Reply::ok(json!({ "countries": countries, "uri": uri })))
}

/// The types that a country has.
pub(super) fn country(account: &str, code: &str, request: &Request) -> Result<Reply, Refusal> {
    match COUNTRIES.iter().find(|country| country.code == code) {
        Some(country) => Ok(Reply::ok(country_shown(account, country))),
        None => not_found(request),
    }
}

/// Searches. No match is an empty list; an unknown country or type is 404.
pub(super) fn search(
    world: &Simulation,
    account: &str,
    country: &str,
    kind: &str,
    request: &Request,
) -> Result<Reply, Refusal> {
    if !sells(country, kind) {
        return not_found(request);
    }
    let size = paging::ask(request)?.size.min(world.switches.search_cap);
    let wanted = Wanted::of(request)?;
    let fits = |o: &&Offer| {
        o.place.country == country && o.kind.path() == kind && !world.withheld(&o.number, account) && wanted.fits(o)
    };
    let rows: Vec<Value> = world.stock.offers().filter(fits).take(size).map(offer_shown).collect();
    Ok(Reply::ok(json!({ "available_phone_numbers": rows, "uri": request.path })))
}

fn offer_shown(offer: &Offer) -> Value {
    let place = offer.place;
    let text = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
    let degrees = |d: f64| if place.at == (0.0, 0.0) { Value::Null } else { Value::from(format!("{d:.6}")) };
    let feature = |name: &str| offer.features.contains(&name);
    json!({
        "friendly_name": national(&offer.number),
        "phone_number": offer.number,
        "lata": text(place.lata),
        "locality": text(place.locality),
        "rate_center": text(&place.locality.to_uppercase()),
        "latitude": degrees(place.at.0),
        "longitude": degrees(place.at.1),
        "region": text(place.region),
        "postal_code": text(place.postal),
        "iso_country": place.country,
        "address_requirements": place.address,
        "beta": offer.beta,
        // Without fax, as in the published example.
        "capabilities": { "voice": feature("voice"), "sms": feature("sms"), "mms": feature("mms") },
    })
}

/// What a search asks for.
struct Wanted<'a> {
    request: &'a Request,
    pattern: Option<Pattern>,
    around: Option<((f64, f64), f64)>,
}

impl<'a> Wanted<'a> {
    fn of(request: &'a Request) -> Result<Self, Refusal> {
        let given = |name| request.query(name).filter(|value| !value.is_empty());
        let pattern = match given("Contains") {
            None => None,
            Some(text) => match Pattern::parse(text) {
                Some(pattern) => Some(pattern),
                None => return refuse(400, 20001, "Invalid Pattern: Contains"),
            },
        };
        let near = given("NearLatLong").and_then(|text| text.split_once(','));
        let point = near.and_then(|(lat, long)| Some((lat.trim().parse().ok()?, long.trim().parse().ok()?)));
        let centre = point.or_else(|| given("NearNumber").map(|number| place_of(number).at));
        let miles = given("Distance").and_then(|d| d.parse().ok()).unwrap_or(DISTANCE).min(500.0);
        Ok(Self { request, pattern, around: centre.map(|centre| (centre, miles)) })
    }

    fn fits(&self, offer: &Offer) -> bool {
        let place = offer.place;
        let says = |name: &str, value: &str| match self.request.query(name).filter(|given| !given.is_empty()) {
            Some(given) => given.eq_ignore_ascii_case(value),
            None => true,
        };
        let asks = |name: &str| self.request.query(name).is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let feature = |param: &str, name: &str| match self.request.query(param) {
            Some(wanted) if wanted.eq_ignore_ascii_case("true") => offer.features.contains(&name),
            Some(wanted) if wanted.eq_ignore_ascii_case("false") => !offer.features.contains(&name),
            _ => true,
        };
        says("AreaCode", place.area)
            && says("InRegion", place.region)
            && says("InLocality", place.locality)
            && says("InPostalCode", place.postal)
            && says("InRateCenter", &place.locality.to_uppercase())
            && says("InLata", place.lata)
            && feature("VoiceEnabled", "voice")
            && feature("SmsEnabled", "sms")
            && feature("MmsEnabled", "mms")
            && feature("FaxEnabled", "fax")
            && !(self.request.query("Beta").is_some_and(|v| v.eq_ignore_ascii_case("false")) && offer.beta)
            && !(asks("ExcludeAllAddressRequired") && place.address != "none")
            && !(asks("ExcludeLocalAddressRequired") && place.address == "local")
            && !(asks("ExcludeForeignAddressRequired") && place.address == "foreign")
            && self.pattern.as_ref().is_none_or(|pattern| pattern.fits(&offer.number[1..]))
            && self.around.is_none_or(|(centre, miles)| place.at != (0.0, 0.0) && distance(centre, place.at) <= miles)
    }
}

/// Miles between two points on the globe, by the haversine formula.
fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (lat_a, lat_b) = (a.0.to_radians(), b.0.to_radians());
    let half = |d: f64| (d / 2.0).sin().powi(2);
    let h = half(lat_b - lat_a) + lat_a.cos() * lat_b.cos() * half((b.1 - a.1).to_radians());
    2.0 * 3958.8 * h.sqrt().asin()
}

/// A `Contains` pattern: digits and letters; `*` one character, `%` any sequence, `+` the beginning, `$` the end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    starts: bool,
    ends: bool,
    parts: Vec<u8>,
}

impl Pattern {
    /// 2 to 16 characters, at least two of them not meta. Wildcards stand before or behind the others and not between them, also several, as in
    /// `415*******`; an anchor stands beside none.
    fn parse(text: &str) -> Option<Self> {
        let meta = |b: u8| matches!(b, b'*' | b'%' | b'+' | b'$');
        let bytes = text.as_bytes();
        let plain = bytes.iter().filter(|b| b.is_ascii_alphanumeric()).count();
        let known = bytes.iter().all(|b| b.is_ascii_alphanumeric() || meta(*b));
        let anchor = |b: u8| matches!(b, b'+' | b'$');
        let adjacent =
            bytes.windows(2).any(|pair| meta(pair[0]) && meta(pair[1]) && (anchor(pair[0]) || anchor(pair[1])));
        let inner = text.trim_matches(|c| matches!(c, '*' | '%' | '+' | '$'));
        let between = inner.bytes().any(meta);
        let anchors = text.rfind('+').is_none_or(|at| at == 0) && text.find('$').is_none_or(|at| at + 1 == text.len());
        if !(2..=16).contains(&text.len()) || plain < 2 || !known || adjacent || between || !anchors {
            return None;
        }
        let parts = bytes.iter().filter(|b| !matches!(b, b'+' | b'$')).map(|b| keypad(*b)).collect();
        Some(Self { starts: text.starts_with('+'), ends: text.ends_with('$'), parts })
    }

    fn fits(&self, digits: &str) -> bool {
        let digits = digits.as_bytes();
        let last = if self.starts { 0 } else { digits.len() };
        (0..=last).any(|from| self.here(&self.parts, &digits[from..]))
    }

    fn here(&self, parts: &[u8], digits: &[u8]) -> bool {
        match parts.split_first() {
            None => !self.ends || digits.is_empty(),
            Some((b'%', rest)) => (0..=digits.len()).any(|from| self.here(rest, &digits[from..])),
            Some((part, rest)) => {
                digits.split_first().is_some_and(|(d, tail)| (*part == b'*' || part == d) && self.here(rest, tail))
            }
        }
    }
}

/// The digit under a letter on a telephone's keypad.
fn keypad(byte: u8) -> u8 {
    match byte.to_ascii_uppercase() {
        b'A'..=b'C' => b'2',
        b'D'..=b'F' => b'3',
        b'G'..=b'I' => b'4',
        b'J'..=b'L' => b'5',
        b'M'..=b'O' => b'6',
        b'P'..=b'S' => b'7',
        b'T'..=b'V' => b'8',
        b'W'..=b'Z' => b'9',
        other => other,
    }
}

/// The countries of the price list.
pub(super) fn priced_countries(request: &Request) -> Result<Reply, Refusal> {
    let url = |country: &Country| format!("{}/v1/PhoneNumbers/Countries/{}", request.base, country.code);
    let row = |c: &Country| json!({ "country": c.name, "iso_country": c.code, "url": url(c) });
    paging::meta(COUNTRIES.iter().map(row).collect(), "countries", request)
}

/// A country's monthly prices.
pub(super) fn priced_country(code: &str, request: &Request) -> Result<Reply, Refusal> {
    let Some(country) = COUNTRIES.iter().find(|country| country.code == code) else { return not_found(request) };
    let price = |(kind, cents): &(NumberType, i64)| json!({ "number_type": kind.priced(), "base_price": money(*cents), "current_price": money(*cents) });
    Ok(Reply::ok(json!({
        "country": country.name,
        "iso_country": country.code,
        "phone_number_prices": country.prices.iter().map(price).collect::<Vec<_>>(),
        "price_unit": "USD",
        "url": format!("{}{}", request.base, request.path),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_refused_that_the_carrier_refuses() {
        for good in ["41", "415*", "*DENT", "+1415", "0100$", "%55", "+1415%", "*415*", "415*******", "**DENT", "415%%"]
        {
            assert!(Pattern::parse(good).is_some(), "{good}");
        }
        for bad in
            ["4", "4*", "4*5", "+*415", "415*$", "++415", "4%15", "41 5", "12345678901234567", "415+", "$415", ""]
        {
            assert!(Pattern::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn patterns_match_anywhere_unless_anchored() {
        let fits = |pattern| Pattern::parse(pattern).unwrap().fits("14155553368");
        assert!(fits("DENT") && fits("3368$") && fits("+1415") && fits("555*") && fits("55%"));
        assert!(fits("415*******") && fits("+1415*******") && fits("*******3368") && !fits("415********"));
        assert!(!fits("+415") && !fits("336$") && !fits("999") && !fits("3368*"));
    }

    #[test]
    fn oakland_is_near_san_francisco_and_new_york_is_not() {
        let san_francisco = place_of("+14155550100").at;
        assert!(distance(san_francisco, place_of("+15105550100").at) < DISTANCE);
        assert!(distance(san_francisco, place_of("+12125550100").at) > 2000.0);
    }
}
