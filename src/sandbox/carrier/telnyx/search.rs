//! What can be bought, and what it costs. A search is what makes its results orderable. No I/O.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{
        stock::{NumberType, Offer, price},
        text::money,
        wire::{Reply, Request},
        world::Simulation,
    },
    Refusal, bad,
    body::Filters,
};

/// What is paid once for every number, in hundredths of a dollar.
const UPFRONT: i64 = 100;
const DEFAULT_LIMIT: usize = 100;

const FILTERS: [&str; 15] = [
    "country_code",
    "national_destination_code",
    "locality",
    "administrative_area",
    "rate_center",
    "phone_number_type",
    "features",
    "limit",
    "best_effort",
    "quickship",
    "reservable",
    "exclude_held_numbers",
    "phone_number[starts_with]",
    "phone_number[ends_with]",
    "phone_number[contains]",
];

/// What an order of this number costs at once: the first month and the setup.
pub(super) fn cost(offer: &Offer) -> i64 {
    price(offer.place.country, offer.kind) + UPFRONT
}

/// A type as this carrier names it.
pub(super) fn type_name(kind: NumberType) -> &'static str {
    match kind {
        NumberType::TollFree => "toll_free",
        other => other.owned_type(),
    }
}

/// Toll-free numbers cannot be kept.
pub(super) fn reservable(offer: &Offer) -> bool {
    offer.kind != NumberType::TollFree
}

/// Some toll-free numbers take days to work.
fn quickship(offer: &Offer) -> bool {
    offer.place.area != "888"
}

/// What a number can do, in this carrier's words.
pub(super) fn features(offer: &Offer) -> Vec<&'static str> {
    let mut features = offer.features.clone();
    if matches!((offer.place.country, offer.kind), ("US" | "CA", NumberType::Local)) {
        features.extend(["emergency", "hd_voice"]);
    }
    features
}

/// Searches. No match, a wildcard, a `+` and a country code in a pattern are all an empty list.
pub(super) fn search(world: &mut Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let filters = Filters::of(request, &FILTERS, &[])?;
    let limit = match filters.get("limit").map(str::parse) {
        None => DEFAULT_LIMIT,
        Some(Ok(limit)) if limit > 0 => limit,
        Some(_) => return bad("filter[limit]", "limit must be a positive number."),
    };
    if let Some(kind) = filters.get("phone_number_type")
        && !["local", "toll_free", "mobile", "national", "shared_cost"].contains(&kind)
    {
        return bad("filter[phone_number_type]", format!("{kind} is not a type of numbers."));
    }
    let free = world.stock.offers().filter(|o| !world.withheld(&o.number, account) && is_kind(world, &filters, o));
    let (exact, others): (Vec<&Offer>, Vec<&Offer>) = free.partition(|offer| is_place_and_pattern(&filters, offer));
    let exact: Vec<&Offer> = exact.into_iter().take(limit).collect();
    let wide = |offer: &&Offer| filters.flag("best_effort") && matches!(offer.place.country, "US" | "CA");
    let others: Vec<&Offer> = others.into_iter().filter(wide).take(limit - exact.len()).collect();
    let rows = exact.iter().map(|o| shown(o, false)).chain(others.iter().map(|o| shown(o, true)));
    let rows: Vec<Value> = rows.collect();
    let meta = json!({ "total_results": rows.len(), "best_effort_results": others.len() });
    let seen: Vec<String> = exact.into_iter().chain(others).map(|offer| offer.number.clone()).collect();
    let now = Timestamp::now();
    world.telnyx.searches.extend(seen.into_iter().map(|number| ((account.to_owned(), number), now)));
    // Both names are in the official client.
    Ok(Reply::ok(json!({ "data": rows, "meta": meta, "metadata": meta })))
}

/// What best effort does not give up.
fn is_kind(world: &Simulation, filters: &Filters<'_>, offer: &Offer) -> bool {
    let has = features(offer);
    filters.get("country_code").is_none_or(|country| country.eq_ignore_ascii_case(offer.place.country))
        && filters.get("phone_number_type").is_none_or(|kind| kind == type_name(offer.kind))
        && filters.all("features").iter().all(|wanted| has.contains(wanted))
        && (!filters.flag("quickship") || quickship(offer))
        && (!filters.flag("reservable") || reservable(offer))
        && !(filters.flag("exclude_held_numbers") && world.holder(&offer.number).is_some())
}

/// What best effort widens.
fn is_place_and_pattern(filters: &Filters<'_>, offer: &Offer) -> bool {
    let place = offer.place;
    let (digits, ndc) = offer.national();
    let says = |name: &str, value: &str| filters.get(name).is_none_or(|given| given.eq_ignore_ascii_case(value));
    // The pattern is about what follows the area, where that is given.
    let rest = filters.get("national_destination_code").and_then(|ndc| digits.strip_prefix(ndc)).unwrap_or(digits);
    let fits = |name: &str, fit: fn(&str, &str) -> bool| filters.get(name).is_none_or(|pattern| fit(rest, pattern));
    says("national_destination_code", ndc)
        && says("locality", place.locality)
        && says("administrative_area", place.region)
        && says("rate_center", place.locality)
        && fits("phone_number[starts_with]", |rest, pattern| rest.starts_with(pattern))
        && fits("phone_number[ends_with]", |rest, pattern| rest.ends_with(pattern))
        && fits("phone_number[contains]", |rest, pattern| rest.contains(pattern))
}

fn shown(offer: &Offer, best_effort: bool) -> Value {
    let place = offer.place;
    let region =
        |kind: &str, name: &str| (!name.is_empty()).then(|| json!({ "region_type": kind, "region_name": name }));
    let regions = [
        region("country_code", place.country),
        region("state", place.region),
        region("rate_center", &place.locality.to_uppercase()),
        region("location", place.locality),
    ];
    json!({
        "record_type": "available_phone_number",
        "phone_number": offer.number,
        "vanity_format": null,
        "best_effort": best_effort,
        "quickship": quickship(offer),
        "reservable": reservable(offer),
        "region_information": regions.into_iter().flatten().collect::<Vec<_>>(),
        "cost_information": {
            "currency": "USD",
            "monthly_cost": money(price(place.country, offer.kind)),
            "upfront_cost": money(UPFRONT),
        },
        "features": features(offer).iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
    })
}
