//! What can be bought, and what it costs. A search that finds too little shows more than it was asked for. No I/O.

use serde_json::{Value, json};

use super::{
    super::{
        config::BestEffort,
        stock::{NumberType, Offer, national, price},
        wire::{Effect, Reply, Request, decoded},
        world::Simulation,
    },
    Refusal, bad, body, dollars, enveloped, refuse,
};

/// What is paid once for every number, in hundredths of a dollar.
const SETUP: i64 = 100;
const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 50;

const PARAMETERS: [&str; 11] = [
    "country",
    "areaCode",
    "contains",
    "startsWith",
    "endsWith",
    "numberType",
    "locality",
    "administrativeArea",
    "features",
    "bestEffort",
    "limit",
];
const FEATURES: [&str; 5] = ["voice", "sms", "mms", "fax", "emergency"];
const TYPES: [&str; 4] = ["local", "toll_free", "national", "mobile"];

/// What a purchase of this number costs at once.
pub(super) fn cost(world: &Simulation, offer: &Offer) -> i64 {
    let setup = if world.switches.flowyte.setup_charged { SETUP } else { 0 };
    price(offer.place.country, offer.kind) + setup
}

/// An amount as numbers show it.
pub(super) fn shown_cost(world: &Simulation, cents: i64) -> Value {
    if world.switches.flowyte.costs_in_cents { Value::from(cents) } else { dollars(cents) }
}

/// Toll-free numbers cannot be kept.
pub(super) fn reservable(offer: &Offer) -> bool {
    offer.kind != NumberType::TollFree
}

/// The offer of a number that this organization can have now.
pub(super) fn for_sale<'a>(world: &'a Simulation, account: &str, number: &str) -> Option<&'a Offer> {
    world.stock.get(number).filter(|_| !world.withheld(number, account))
}

fn features(offer: &Offer) -> Vec<&'static str> {
    let mut features = offer.features.clone();
    if matches!((offer.place.country, offer.kind), ("US" | "CA", NumberType::Local)) {
        features.push("emergency");
    }
    features
}

fn type_name(kind: NumberType) -> &'static str {
    match kind {
        NumberType::TollFree => "toll_free",
        other => other.owned_type(),
    }
}

/// What a search asks for, checked.
struct Wanted<'a> {
    request: &'a Request,
    features: Vec<&'a str>,
    best_effort: bool,
    limit: usize,
}

impl<'a> Wanted<'a> {
    fn of(request: &'a Request) -> Result<Self, Refusal> {
        body::parameters(request, &PARAMETERS)?;
        let given = request.query.iter().filter(|(name, _)| name == "features");
        let features = given.flat_map(|(_, value)| value.split(',')).filter(|feature| !feature.is_empty());
        let features: Vec<&str> = features.collect();
        if let Some(feature) = features.iter().find(|feature| !FEATURES.contains(feature)) {
            return bad("features", format!("{feature} is not a feature of numbers."));
        }
        let best_effort = match request.query("bestEffort") {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => return bad("bestEffort", "bestEffort must be true or false."),
        };
        let limit = match request.query("limit").map(str::parse) {
            None => DEFAULT_LIMIT,
            Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => limit,
            Some(_) => return bad("limit", "limit must be a number from 1 to 50."),
        };
        let wanted = Self { request, features, best_effort, limit };
        if let Some(kind) = wanted.get("numberType").filter(|kind| !TYPES.contains(kind)) {
            return bad("numberType", format!("{kind} is not a type of numbers."));
        }
        Ok(wanted)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.request.query(name).filter(|value| !value.is_empty())
    }

    fn says(&self, name: &str, value: &str) -> bool {
        self.get(name).is_none_or(|given| given.eq_ignore_ascii_case(value))
    }

    /// What no effort gives up. Without a country it is the United States.
    fn is_country(&self, offer: &Offer) -> bool {
        self.get("country").unwrap_or("US").eq_ignore_ascii_case(offer.place.country)
    }

    fn is_place(&self, offer: &Offer) -> bool {
        let (_, ndc) = offer.national();
        self.says("areaCode", ndc)
            && self.says("locality", offer.place.locality)
            && self.says("administrativeArea", offer.place.region)
    }

    fn is_pattern(&self, offer: &Offer) -> bool {
        let (digits, _) = offer.national();
        let fits = |name: &str, fit: fn(&str, &str) -> bool| self.get(name).is_none_or(|wanted| fit(digits, wanted));
        fits("contains", |digits, wanted| digits.contains(wanted))
            && fits("startsWith", |digits, wanted| digits.starts_with(wanted))
            && fits("endsWith", |digits, wanted| digits.ends_with(wanted))
    }

    fn is_kind(&self, offer: &Offer) -> bool {
        let has = features(offer);
        self.says("numberType", type_name(offer.kind)) && self.features.iter().all(|wanted| has.contains(wanted))
    }

    /// Whether a number that does not match is shown all the same.
    fn is_near(&self, offer: &Offer, effort: BestEffort) -> bool {
        self.best_effort
            && (effort == BestEffort::Everything || self.is_kind(offer))
            && (effort != BestEffort::Place || self.is_pattern(offer))
    }
}

/// Searches. What matches comes first; what does not, if it is shown, looks the same. No match is an empty list.
pub(super) fn search(world: &Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let wanted = Wanted::of(request)?;
    let free = world.stock.offers().filter(|o| !world.withheld(&o.number, account) && wanted.is_country(o));
    let exact = |o: &&Offer| wanted.is_kind(o) && wanted.is_place(o) && wanted.is_pattern(o);
    let (exact, others): (Vec<&Offer>, Vec<&Offer>) = free.partition(exact);
    let effort = world.switches.flowyte.best_effort;
    let near = others.into_iter().filter(|offer| wanted.is_near(offer, effort));
    let rows = exact.into_iter().chain(near).take(wanted.limit).map(|offer| shown(world, offer));
    Ok(Reply::ok(enveloped(rows.collect())))
}

/// Looks once more at one number, as it stands in a path.
pub(super) fn look(world: &Simulation, account: &str, part: &str) -> Result<Reply, Refusal> {
    let number = decoded(part, world.switches.flowyte.raw_plus);
    let number = body::e164(&number)?;
    let Some(offer) = for_sale(world, account, number) else {
        return refuse(
            world.switches.flowyte.unavailable_status,
            "number_unavailable",
            format!("{number} is not available."),
        );
    };
    let effect = Effect { number: Some(offer.number.clone()), ..Effect::default() };
    Ok(Reply { effect, ..Reply::ok(enveloped(shown(world, offer))) })
}

fn shown(world: &Simulation, offer: &Offer) -> Value {
    let place = offer.place;
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "e164": offer.number,
        "formatted": national(&offer.number),
        "locality": text(place.locality),
        "region": text(place.region),
        "rateCenter": text(&place.locality.to_uppercase()),
        "features": features(offer),
        "monthlyCost": shown_cost(world, price(place.country, offer.kind)),
        "setupCost": shown_cost(world, SETUP),
        "currency": "USD",
        "reservable": reservable(offer),
        "vanityFormat": null,
    })
}
