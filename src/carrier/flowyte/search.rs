//! What Flowyte has for sale, with its prices (sections 1.2 and 1.3). Does I/O.
//!
//! Flowyte widens a search unless it is told not to, and no result says that it is beside the wish (trap 9): it is told not to. What
//! cannot be asked for is left to whoever asked, who checks every offer again.

use std::collections::HashSet;

use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::{
    Flowyte, SEARCH, errors,
    wire::{self, Data},
};
use crate::{
    api::{
        money::Amount,
        number::E164,
        offer::{Feature, NumberType, Offer, Price, Search, keypad},
    },
    carrier::{
        CarrierError, ErrorClass, calling,
        lenient::{Rows, Scalar},
        sells_none, written,
    },
};

const FOUND: &str = "/api/v1/numbers/search";
const AVAILABLE: &str = "/api/v1/numbers/available/{}";

/// As many as one search shows; there are no pages.
const LIMIT: &str = "50";

/// The area codes of North America that belong to no place.
const TOLL_FREE: [&str; 7] = ["800", "833", "844", "855", "866", "877", "888"];
/// The provinces and territories of Canada, which shares its country code with the United States.
const CANADA: [&str; 13] = ["AB", "BC", "MB", "NB", "NL", "NS", "NT", "NU", "ON", "PE", "QC", "SK", "YT"];

/// Something for sale. It does not say of which country it is, and its type is not documented either.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireOffer {
    e164: String,
    #[serde(default, deserialize_with = "wire::text")]
    locality: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    region: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    rate_center: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    number_type: Option<String>,
    #[serde(default)]
    features: Option<Rows<String>>,
    #[serde(default)]
    monthly_cost: Scalar,
    #[serde(default)]
    setup_cost: Scalar,
    #[serde(default, deserialize_with = "wire::text")]
    currency: Option<String>,
    #[serde(default)]
    reservable: Scalar,
}

impl Flowyte {
    /// What is for sale that fits, as far as Flowyte can be asked for it.
    pub(super) async fn search(&self, search: &Search) -> Result<Vec<Offer>, CarrierError> {
        let query = query(search);
        let found = self.read::<Data<Rows<WireOffer>>>(SEARCH, self.call(FOUND, &[], &query)).await;
        let Rows(rows) = found.map_err(|error| explained(error, search))?.data;
        let mut seen = HashSet::new();
        let offers = rows.into_iter().filter_map(|row| row.found(search));
        Ok(offers.filter(|offer| seen.insert(offer.number.clone())).collect())
    }

    /// The offer of just this number. That it is not for sale may be said by either of two statuses (section 1.3).
    pub(super) async fn exact(&self, number: &E164) -> Result<Option<Offer>, CarrierError> {
        let args = [number.as_str()];
        match self.read::<Data<WireOffer>>(SEARCH, self.call(AVAILABLE, &args, "")).await {
            Ok(Data { data: row, .. }) => match row.offer_of(number) {
                Some((offer, true)) => Ok(Some(offer)),
                Some((offer, false)) => self.typed(offer).await.map(Some),
                None => Ok(None),
            },
            Err(error) if errors::GONE.iter().any(|class| errors::is_own(&error, *class)) => Ok(None),
            Err(error) if is_about_the_wish(&error) => {
                let text = "Flowyte rejected the lookup of this number as invalid; check spec.purchase.number";
                Err(CarrierError { class: ErrorClass::Rejected, text: text.to_owned(), ..error })
            }
            Err(error) => Err(error),
        }
    }

    /// The offer with its type, which the look at one number does not say: each is searched until one shows the number. Outside of
    /// North America its digits do not say it either.
    async fn typed(&self, offer: Offer) -> Result<Offer, CarrierError> {
        let (number, country) = (offer.number.clone(), offer.country.as_str());
        for kind in [NumberType::Local, NumberType::Mobile, NumberType::National, NumberType::TollFree] {
            let query = exact_query(country, kind, &number);
            let Rows(rows) = match self.read::<Data<Rows<WireOffer>>>(SEARCH, self.call(FOUND, &[], &query)).await {
                Ok(found) => found.data,
                // A type that is not sold there.
                Err(error) if errors::is_own(&error, ErrorClass::NotFound) || is_about_the_wish(&error) => continue,
                Err(error) => return Err(error),
            };
            if rows.iter().any(|row| wire::e164(&row.e164).as_ref() == Some(&number)) {
                return Ok(Offer { kind, ..offer });
            }
        }
        Ok(offer)
    }
}

impl WireOffer {
    /// The offer that a row of a search is, if it can be of the country that was searched. What it does not say is what was asked for.
    fn found(self, search: &Search) -> Option<Offer> {
        let number = wire::e164(&self.e164)?;
        let country = search.country.as_str();
        let is_there = calling::countries(&number).contains(&country);
        let asked = Offer {
            country: country.to_owned(),
            kind: search.kind,
            locality: search.locality.clone(),
            region: search.region.clone(),
            ..nothing(number)
        };
        is_there.then(|| self.over(asked))
    }

    /// The offer of the number that was asked for, if this is it. Its country follows from its digits, and where two share those, from
    /// its region. Beside it stands whether its type is known.
    fn offer_of(self, number: &E164) -> Option<(Offer, bool)> {
        let countries = calling::countries(number);
        let canadian = self.region.as_deref().is_some_and(|region| CANADA.contains(&region));
        let country = countries.iter().find(|country| canadian && **country == "CA").or(countries.first())?;
        let asked = Offer { country: (*country).to_owned(), ..nothing(number.clone()) };
        let is_typed = number.digits().starts_with('1') || self.kind(number).is_some();
        (wire::e164(&self.e164).as_ref() == Some(number)).then(|| (self.over(asked), is_typed))
    }

    /// What the row says, over what is known without it.
    fn over(self, asked: Offer) -> Offer {
        let kind = self.kind(&asked.number).unwrap_or(asked.kind);
        let Rows(features) = self.features.unwrap_or_default();
        let has = |feature: &Feature| features.iter().any(|name| feature.as_str().eq_ignore_ascii_case(name));
        Offer {
            kind,
            locality: self.locality.or(asked.locality).or(self.rate_center),
            region: self.region.or(asked.region),
            features: Feature::ALL.into_iter().filter(has).collect(),
            price: price(self.currency.as_deref(), &self.monthly_cost, &self.setup_cost),
            can_hold: self.reservable == Scalar::Truth(true),
            ..asked
        }
    }

    /// The type, where the row or the digits say it.
    fn kind(&self, number: &E164) -> Option<NumberType> {
        let all = [NumberType::Local, NumberType::Mobile, NumberType::TollFree, NumberType::National];
        let said = self.number_type.as_deref();
        let said = all.into_iter().find(|kind| said.is_some_and(|said| said.eq_ignore_ascii_case(type_name(*kind))));
        let free = number.digits().starts_with('1') && TOLL_FREE.iter().any(|area| number.national().starts_with(area));
        said.or(free.then_some(NumberType::TollFree))
    }
}

/// An offer of which nothing is known but the number.
fn nothing(number: E164) -> Offer {
    Offer {
        number,
        country: String::new(),
        kind: NumberType::default(),
        locality: None,
        region: None,
        features: Vec::new(),
        price: Price::default(),
        can_hold: false,
    }
}

/// The price as it stands in the search: in dollars, as the wallet has them (trap 29). One without a currency is none.
fn price(currency: Option<&str>, monthly: &Scalar, setup: &Scalar) -> Price {
    let Some(currency) = currency.and_then(written::currency) else { return Price::default() };
    let amount = |value| written::amount(value).filter(|amount| *amount >= Amount::default());
    Price { monthly: amount(monthly), setup: amount(setup), currency: Some(currency) }
}

/// A type as Flowyte names it in searches.
fn type_name(kind: NumberType) -> &'static str {
    match kind {
        NumberType::Local => "local",
        NumberType::Mobile => "mobile",
        NumberType::TollFree => "toll_free",
        NumberType::National => "national",
    }
}

/// What a search asks for.
///
/// What stands behind Flowyte looks for patterns within an area only, by all appearances (section 6): one that reaches over both might
/// find nothing. So an area code is only named where there is no pattern, and else is what the number starts with, which it is everywhere.
fn query(search: &Search) -> String {
    let Search { country, kind, area_code, locality, region, features, starts_with, contains, ends_with, .. } = search;
    let north_american = matches!(country.as_str(), "US" | "CA");
    let patterns = [starts_with, contains, ends_with].into_iter().any(Option::is_some);
    let whole = area_code.as_ref().filter(|area| north_american && area.len() == 3 && !patterns);
    // Both are beginnings of the same digits: the longer one says more. If they contradict each other nothing fits anyway.
    let begin = [starts_with, area_code].into_iter().flatten().max_by_key(|digits| digits.len());
    let begin = begin.filter(|_| whole.is_none());
    let digits = contains.as_deref().map(keypad);
    // States and provinces are all that is documented.
    let state = region.as_deref().filter(|region| region.len() == 2);
    let features: Vec<String> = features.iter().map(|feature| feature.as_str().to_ascii_lowercase()).collect();
    let features = features.join(",");
    let mut query = Serializer::new(String::new());
    for (name, value) in [
        ("country", Some(country.as_str())),
        ("numberType", Some(type_name(*kind))),
        ("areaCode", whole.map(String::as_str)),
        ("startsWith", begin.map(String::as_str)),
        ("contains", digits.as_deref()),
        ("endsWith", ends_with.as_deref()),
        ("locality", locality.as_deref()),
        ("administrativeArea", state),
        ("features", Some(features.as_str()).filter(|features| !features.is_empty())),
        ("bestEffort", Some("false")),
        ("limit", Some(LIMIT)),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

/// The query that finds just this number, if it is of this type.
fn exact_query(country: &str, kind: NumberType, number: &E164) -> String {
    Serializer::new(String::new())
        .extend_pairs([("country", country), ("numberType", type_name(kind)), ("contains", number.national())])
        .extend_pairs([("bestEffort", "false"), ("limit", LIMIT)])
        .finish()
}

/// Whether Flowyte refused what was wished for, be it in a way that is not documented.
fn is_about_the_wish(error: &CarrierError) -> bool {
    [ErrorClass::Rejected, ErrorClass::Unknown].iter().any(|class| errors::is_own(error, *class))
}

/// A refused search, in the words of the fields that it was made from.
fn explained(error: CarrierError, search: &Search) -> CarrierError {
    if errors::is_own(&error, ErrorClass::NotFound) {
        let text = sells_none(errors::NAME, &search.country, search.kind);
        return CarrierError { text, ..error };
    }
    if is_about_the_wish(&error) {
        let text = "Flowyte rejected the search as invalid; check spec.purchase.search.country, contains, startsWith, endsWith, \
                    areaCode, locality and region";
        return CarrierError { class: ErrorClass::Rejected, text: text.to_owned(), ..error };
    }
    error
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wish(search: Value) -> Search {
        serde_json::from_value(search).unwrap()
    }

    fn sent(search: Value) -> String {
        let query = query(&wish(search));
        let query = query.strip_suffix("&bestEffort=false&limit=50").expect("nothing is widened");
        query.replace('&', " ")
    }

    #[test]
    fn everything_that_flowyte_filters_by_is_asked_for() {
        let all = json!({ "country": "US", "areaCode": "415", "locality": "San Francisco", "region": "CA",
            "features": ["Voice", "SMS", "MMS", "Fax", "Emergency"] });
        let place = "areaCode=415 locality=San+Francisco administrativeArea=CA";
        assert_eq!(
            sent(all),
            format!("country=US numberType=local {place} features=voice%2Csms%2Cmms%2Cfax%2Cemergency")
        );
        assert_eq!(sent(json!({ "country": "CA", "type": "TollFree" })), "country=CA numberType=toll_free");
        assert_eq!(sent(json!({ "country": "GB", "region": "London" })), "country=GB numberType=local", "no state");
        let us = |more: &str| format!("country=US numberType=local {more}");
        for (more, expected) in [
            (json!({ "startsWith": "41555" }), "startsWith=41555"),
            (json!({ "startsWith": "4" }), "startsWith=415"),
            (json!({ "contains": "dent" }), "startsWith=415 contains=3368"),
            (json!({ "endsWith": "12", "contains": "55" }), "startsWith=415 contains=55 endsWith=12"),
        ] {
            let mut search = json!({ "country": "US", "areaCode": "415", "bestEffort": true });
            search.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(sent(search), us(expected));
        }
    }

    fn row(fields: Value) -> WireOffer {
        let mut row = json!({ "e164": "+14155550100" });
        row.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn a_row_is_an_offer_with_its_price_and_all_but_its_number_may_be_missing() {
        let us = wish(json!({ "country": "US", "locality": "Hilo", "region": "HI" }));
        let full = json!({ "locality": "San Francisco", "region": "CA", "monthlyCost": 1.15, "setupCost": 0, "currency": "usd",
            "features": ["voice", "sms", "of_the_future", 7], "reservable": true, "vanityFormat": null });
        let offer = row(full).found(&us).unwrap();
        assert_eq!(
            (offer.country.as_str(), offer.locality.as_deref(), offer.region.as_deref()),
            ("US", Some("San Francisco"), Some("CA"))
        );
        assert_eq!((offer.can_hold, offer.features), (true, vec![Feature::Voice, Feature::Sms]));
        let Price { monthly, setup, currency } = offer.price;
        assert_eq!((monthly, setup, currency.as_deref()), ("1.15".parse().ok(), "0".parse().ok(), Some("USD")));
        let bare = row(json!({})).found(&us).unwrap();
        assert_eq!((bare.price, bare.can_hold, bare.features.len()), (Price::default(), false, 0));
        assert_eq!((bare.locality.as_deref(), bare.region.as_deref()), (Some("Hilo"), Some("HI")));
        assert!(row(json!({ "e164": "+442079460000" })).found(&us).is_none(), "of another country");
        assert!(row(json!({ "e164": "55512" })).found(&us).is_none());
    }

    #[test]
    fn what_a_row_does_not_say_follows_from_the_number() {
        let of = |text: &str, fields: Value| {
            let mut fields = fields;
            fields["e164"] = json!(text);
            let (offer, is_typed) = row(fields).offer_of(&text.parse().unwrap()).unwrap();
            assert!(is_typed);
            (offer.country, offer.kind)
        };
        assert_eq!(of("+14155550100", json!({ "region": "CA" })), ("US".to_owned(), NumberType::Local));
        assert_eq!(of("+14165550100", json!({ "region": "ON" })), ("CA".to_owned(), NumberType::Local));
        assert_eq!(of("+18885550100", json!({})), ("US".to_owned(), NumberType::TollFree));
        assert_eq!(of("+442079460000", json!({ "numberType": "mobile" })), ("GB".to_owned(), NumberType::Mobile));
        assert!(row(json!({})).offer_of(&"+14155550101".parse().unwrap()).is_none(), "another number");
        let british = "+442079460000";
        let (_, is_typed) = row(json!({ "e164": british })).offer_of(&british.parse().unwrap()).unwrap();
        assert!(!is_typed);
        let found = row(json!({ "e164": "+18885550100" })).found(&wish(json!({ "country": "US" }))).unwrap();
        assert_eq!(found.kind, NumberType::TollFree, "whatever was asked for");
    }
}
