//! What Telnyx has for sale, with its prices. Does I/O.
//!
//! A search is also what makes a number orderable (section 2). What cannot be asked for is left to whoever asked, who checks every
//! offer again: a search may be wider than the wish, and never narrower.

use std::collections::HashSet;

use serde::Deserialize;
use tokio::time::Instant;
use url::form_urlencoded::Serializer;

use super::{Telnyx, errors, numbers::is_about_the_value, wire};
use crate::{
    api::{
        money::Amount,
        number::E164,
        offer::{Feature, NumberType, Offer, Price, Search, keypad},
    },
    carrier::{
        CarrierError, ErrorClass, calling,
        http::Call,
        lenient::{Rows, Scalar},
        sells_none, written,
    },
};

const AVAILABLE: &str = "/v2/available_phone_numbers";

/// As many as Telnyx's lists have on a page. How many a search shows at most is not documented (section 2).
const LIMIT: &str = "250";

const LOCALITY: &str = "filter[locality]";
const STATE: &str = "filter[administrative_area]";

/// The name of a filter and its value.
type Filter = (&'static str, String);

/// The area codes of North America that belong to no place.
const TOLL_FREE: [&str; 7] = ["800", "833", "844", "855", "866", "877", "888"];

/// The answer to a search. It has no pages.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    data: Rows<WireOffer>,
}

#[derive(Debug, Deserialize)]
struct WireOffer {
    phone_number: E164,
    #[serde(default)]
    best_effort: bool,
    #[serde(default)]
    reservable: bool,
    #[serde(default)]
    region_information: Option<Vec<Region>>,
    #[serde(default)]
    cost_information: Option<Cost>,
    #[serde(default, deserialize_with = "wire::features")]
    features: Vec<Feature>,
}

#[derive(Debug, Deserialize)]
struct Region {
    region_type: Option<String>,
    region_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Cost {
    currency: Option<String>,
    #[serde(default)]
    monthly_cost: Scalar,
    #[serde(default)]
    upfront_cost: Scalar,
}

impl Telnyx {
    /// What is for sale that fits, as far as Telnyx can be asked for it.
    pub(super) async fn search(&self, search: &Search) -> Result<Vec<Offer>, CarrierError> {
        let (country, kind) = (search.country.as_str(), search.kind);
        let asked = query(search);
        let rows = self.available(country, kind, &asked, None).await;
        let rows = rows.map_err(|error| explained(error, country, kind))?;
        Ok(rows.into_iter().map(|row| row.offer(country, kind, &asked)).collect())
    }

    /// The offer of just this number. Neither its country nor its type can be told from every number, so each type is searched in
    /// each country that it may be of, and every row is compared.
    pub(super) async fn exact(&self, number: &E164) -> Result<Option<Offer>, CarrierError> {
        let countries = calling::countries(number);
        let mut sold = false;
        let text = "Telnyx sells no numbers of this number's country; check spec.purchase.number";
        let mut why = CarrierError::new(ErrorClass::NotFound, text);
        for kind in types(number) {
            for country in &countries {
                match self.exact_in(number, country, kind, None).await {
                    Ok(Some(offer)) => return Ok(Some(offer)),
                    Ok(None) => sold = true,
                    Err(error) if is_lacking(&error) => {}
                    Err(error) if is_about_the_value(&error) => {
                        let text = "Telnyx rejected the search for this number as invalid; check spec.purchase.number";
                        why = CarrierError { class: ErrorClass::Rejected, text: text.to_owned(), ..error };
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if sold { Ok(None) } else { Err(why) }
    }

    /// Searches for the number that is about to be ordered, which is what makes it orderable; answers whether it was shown. Nothing
    /// is asked for after `before`, which is soon: only the likeliest countries are. A search that is refused shows nothing; that is for
    /// the order to settle.
    pub(super) async fn show(&self, number: &E164, before: Instant) -> Result<bool, CarrierError> {
        let likely = if is_north_american(number) { 2 } else { 1 };
        for country in calling::countries(number).into_iter().take(likely) {
            for kind in types(number) {
                match self.exact_in(number, country, kind, Some(before)).await {
                    Ok(Some(_)) => return Ok(true),
                    Ok(None) => {}
                    Err(error) if is_lacking(&error) || is_about_the_value(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(false)
    }

    /// By its digits, and in North America, where older documents let those be searched within an area only, in that way too.
    async fn exact_in(
        &self,
        number: &E164,
        country: &str,
        kind: NumberType,
        before: Option<Instant>,
    ) -> Result<Option<Offer>, CarrierError> {
        let national = number.national();
        let mut queries = vec![vec![("filter[phone_number][contains]", national)]];
        if let Some((area, rest)) = national.split_at_checked(3).filter(|_| is_north_american(number)) {
            queries
                .push(vec![("filter[national_destination_code]", area), ("filter[phone_number][starts_with]", rest)]);
        }
        let mut refused = None;
        for filters in queries {
            let rows = match self.available(country, kind, &filters, before).await {
                Ok(rows) => rows,
                Err(error) if is_about_the_value(&error) => {
                    refused = Some(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(row) = rows.into_iter().find(|row| row.phone_number == *number) {
                return Ok(Some(row.offer(country, kind, &[])));
            }
        }
        refused.map_or(Ok(None), Err)
    }

    /// One search. Numbers that the carrier shows beside the wish are dropped: its best effort is not asked for, and if it comes all
    /// the same it is not what was meant (section 2).
    async fn available(
        &self,
        country: &str,
        kind: NumberType,
        filters: &[(&str, impl AsRef<str>)],
        before: Option<Instant>,
    ) -> Result<Vec<WireOffer>, CarrierError> {
        let query = {
            let fixed = [("filter[country_code]", country), ("filter[phone_number_type]", type_name(kind))];
            let filters = filters.iter().map(|(name, value)| (*name, value.as_ref()));
            let all = fixed.into_iter().chain(filters).chain([("filter[limit]", LIMIT)]);
            Serializer::new(String::new()).extend_pairs(all).finish()
        };
        let found: Found = self.http.read(Call { before, ..self.call(AVAILABLE, &[], &query) }).await?;
        let Rows(rows) = found.data;
        let mut seen = HashSet::new();
        Ok(rows.into_iter().filter(|row| !row.best_effort && seen.insert(row.phone_number.clone())).collect())
    }
}

impl WireOffer {
    /// The offer that a row is. Not every row names its place (the rate center is no city): then it is the one that was asked for.
    fn offer(self, country: &str, kind: NumberType, asked: &[Filter]) -> Offer {
        let Self { phone_number, region_information, cost_information, features, reservable, .. } = self;
        let regions = region_information.unwrap_or_default();
        let region = |kind: &str| {
            let of_kind = |region: &&Region| region.region_type.as_deref() == Some(kind);
            let name = regions.iter().find(of_kind)?.region_name.as_deref()?;
            (!name.is_empty()).then(|| name.to_owned())
        };
        let asked = |name: &str| asked.iter().find(|(asked, _)| *asked == name).map(|(_, value)| value.clone());
        Offer {
            number: phone_number,
            country: region("country_code").map_or_else(|| country.to_owned(), |code| code.to_ascii_uppercase()),
            kind,
            locality: region("location").or_else(|| asked(LOCALITY)).or_else(|| region("rate_center")),
            region: region("state").or_else(|| asked(STATE)),
            features,
            price: cost_information.unwrap_or_default().price(),
            can_hold: reservable,
        }
    }
}

impl Cost {
    /// The price stands in the search (section 2). One without a currency is none.
    fn price(self) -> Price {
        let Self { currency, monthly_cost, upfront_cost } = self;
        let Some(currency) = currency.as_deref().and_then(written::currency) else { return Price::default() };
        let amount = |value| written::amount(value).filter(|amount| *amount >= Amount::default());
        Price { monthly: amount(&monthly_cost), setup: amount(&upfront_cost), currency: Some(currency) }
    }
}

fn is_north_american(number: &E164) -> bool {
    number.digits().starts_with('1')
}

/// The types that a number can be of, the likeliest first.
fn types(number: &E164) -> Vec<NumberType> {
    if !is_north_american(number) {
        return vec![NumberType::Local, NumberType::Mobile, NumberType::National, NumberType::TollFree];
    }
    // In North America the area code says it.
    let free = TOLL_FREE.iter().any(|area| number.national().starts_with(area));
    vec![if free { NumberType::TollFree } else { NumberType::Local }]
}

/// A type as Telnyx names it in searches.
fn type_name(kind: NumberType) -> &'static str {
    match kind {
        NumberType::Local => "local",
        NumberType::Mobile => "mobile",
        NumberType::TollFree => "toll_free",
        NumberType::National => "national",
    }
}

fn feature_name(feature: Feature) -> &'static str {
    match feature {
        Feature::Voice => "voice",
        Feature::Sms => "sms",
        Feature::Mms => "mms",
        Feature::Fax => "fax",
        Feature::Emergency => "emergency",
    }
}

/// What a search asks for beside country and type.
///
/// With an area code, patterns are about the digits behind it (section 2): one that reaches over both would find nothing. So an area
/// code is only named where there is no pattern, and else is what the number starts with, which it is everywhere.
fn query(search: &Search) -> Vec<Filter> {
    let Search { area_code, locality, region, features, starts_with, contains, ends_with, .. } = search;
    let north_american = matches!(search.country.as_str(), "US" | "CA");
    let patterns = [starts_with, contains, ends_with].into_iter().any(Option::is_some);
    let whole = area_code.as_ref().filter(|area| north_american && area.len() == 3 && !patterns);
    // Both are beginnings of the same digits: the longer one says more. If they contradict each other nothing fits anyway.
    let begin = [starts_with, area_code].into_iter().flatten().max_by_key(|digits| digits.len());
    let begin = begin.filter(|_| whole.is_none());
    let mut filters = Vec::new();
    let mut add = |name, value: Option<String>| filters.extend(value.map(|value| (name, value)));
    add("filter[national_destination_code]", whole.cloned());
    add("filter[phone_number][starts_with]", begin.cloned());
    // Letters and wildcards find nothing.
    add("filter[phone_number][contains]", contains.as_deref().map(keypad));
    add("filter[phone_number][ends_with]", ends_with.clone());
    add(LOCALITY, locality.clone());
    add(STATE, region.clone().filter(|_| north_american));
    filters.extend(features.iter().map(|feature| ("filter[features][]", feature_name(*feature).to_owned())));
    filters
}

/// Whether Telnyx itself says that there is no such thing: a page of something on the way says nothing of the kind.
fn is_lacking(error: &CarrierError) -> bool {
    error.class == ErrorClass::NotFound && error.code.is_some()
}

/// A refused search, in the words of the fields that it was made from.
fn explained(error: CarrierError, country: &str, kind: NumberType) -> CarrierError {
    if is_lacking(&error) {
        let text = sells_none(errors::NAME, country, kind);
        return CarrierError { text, ..error };
    }
    if is_about_the_value(&error) {
        let text = "Telnyx rejected the search as invalid; check spec.purchase.search.country, contains, startsWith, endsWith, \
                    areaCode, locality and region";
        return CarrierError { class: ErrorClass::Rejected, text: text.to_owned(), ..error };
    }
    error
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sent(search: Value) -> String {
        let filters = query(&serde_json::from_value(search).unwrap());
        let pair = |(name, value): &Filter| format!("{}={value}", name.trim_start_matches("filter"));
        filters.iter().map(pair).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn everything_that_telnyx_filters_by_is_asked_for() {
        let wish = json!({ "country": "US", "areaCode": "415", "locality": "San Francisco", "region": "CA",
            "features": ["Voice", "SMS", "MMS", "Fax", "Emergency"] });
        let features = "[features][]=voice [features][]=sms [features][]=mms [features][]=fax [features][]=emergency";
        assert_eq!(
            sent(wish),
            format!("[national_destination_code]=415 [locality]=San Francisco [administrative_area]=CA {features}")
        );
        assert_eq!(sent(json!({ "country": "US" })), "");
        assert_eq!(sent(json!({ "country": "GB", "region": "London" })), "", "North America alone has states");
    }

    #[test]
    fn patterns_are_about_all_digits_behind_the_country_code() {
        let with = |mut fields: Value, more: Value| {
            fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            sent(fields)
        };
        let us = json!({ "country": "US", "areaCode": "415" });
        let begins = "[phone_number][starts_with]";
        for (more, expected) in [
            (json!({ "startsWith": "41555" }), format!("{begins}=41555")),
            (json!({ "startsWith": "4" }), format!("{begins}=415")),
            (json!({ "contains": "1555" }), format!("{begins}=415 [phone_number][contains]=1555")),
            (json!({ "contains": "dent" }), format!("{begins}=415 [phone_number][contains]=3368")),
            (json!({ "endsWith": "12" }), format!("{begins}=415 [phone_number][ends_with]=12")),
            (json!({ "areaCode": "41" }), format!("{begins}=41")),
            (json!({ "country": "GB", "areaCode": "207" }), format!("{begins}=207")),
        ] {
            assert_eq!(with(us.clone(), more), expected);
        }
    }

    #[test]
    fn a_row_is_an_offer_with_its_price_and_what_is_torn_is_none() {
        let row: WireOffer = serde_json::from_value(json!({
            "phone_number": "+14155550100", "reservable": true, "features": [{ "name": "voice" }, { "name": "hd_voice" }],
            "region_information": [{ "region_type": "country_code", "region_name": "us" },
                { "region_type": "state", "region_name": "CA" }, { "region_type": "rate_center", "region_name": "HILO" }],
            "cost_information": { "currency": "usd", "monthly_cost": "1.00000", "upfront_cost": "free" },
        }))
        .unwrap();
        let offer = row.offer("CA", NumberType::Local, &[]);
        assert_eq!(
            (offer.country.as_str(), offer.region.as_deref(), offer.locality.as_deref()),
            ("US", Some("CA"), Some("HILO"))
        );
        assert_eq!((offer.can_hold, offer.features), (true, vec![Feature::Voice]));
        let Price { monthly, setup, currency } = offer.price;
        assert_eq!((monthly, setup, currency.as_deref()), ("1".parse().ok(), None, Some("USD")));
        let bare: WireOffer =
            serde_json::from_value(json!({ "phone_number": "+14155550100", "features": null })).unwrap();
        let bare = bare.offer("US", NumberType::Local, &[(LOCALITY, "Hilo".into())]);
        assert_eq!((bare.price, bare.can_hold), (Price::default(), false));
        assert_eq!((bare.locality.as_deref(), bare.region), (Some("Hilo"), None));
        assert!(serde_json::from_value::<WireOffer>(json!({ "phone_number": "55512" })).is_err());
    }

    #[test]
    fn the_type_of_a_north_american_number_is_known() {
        let kinds = |number: &str| types(&number.parse().unwrap());
        assert_eq!(kinds("+18885550100"), [NumberType::TollFree]);
        assert_eq!(kinds("+14155550100"), [NumberType::Local]);
        assert_eq!(kinds("+442079460000").len(), 4);
    }
}
