//! How Twilio is asked what is for sale, and how it shows that. No I/O.
//!
//! What cannot be asked for is left to whoever asked, who checks every offer again: a search may be wider than the wish, and
//! never narrower.

use std::collections::HashSet;

use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::wire::Switches;
use crate::{
    api::{
        number::E164,
        offer::{Feature, NumberType, Offer, Price, Search},
    },
    carrier::{calling, lenient::Rows},
};

/// As many as Twilio's pages have room for. How many a search shows at most is not documented, and less (section 2).
const PAGE: &str = "1000";
/// The most characters of a pattern (section 2).
const PATTERN: usize = 16;

/// The types in the order in which a number of unknown type is looked for.
pub(super) const TYPES: [NumberType; 4] =
    [NumberType::Local, NumberType::Mobile, NumberType::TollFree, NumberType::National];

/// A type as it stands in Twilio's paths.
pub(super) fn path(kind: NumberType) -> &'static str {
    match kind {
        NumberType::Local => "Local",
        NumberType::Mobile => "Mobile",
        NumberType::TollFree => "TollFree",
        NumberType::National => "National",
    }
}

/// The query that finds just this number, if anything does.
pub(super) fn exact(number: &E164) -> String {
    format!("Contains={}&PageSize={PAGE}", number.digits())
}

/// The query of a search.
pub(super) fn query(search: &Search) -> String {
    let mut query = Serializer::new(String::new());
    let area = area_code(search);
    if let Some(area) = area {
        query.append_pair("AreaCode", area);
    }
    if let Some(pattern) = pattern(search, area) {
        query.append_pair("Contains", &pattern);
    }
    if let Some(locality) = &search.locality {
        query.append_pair("InLocality", locality);
    }
    if let Some(region) = search.region.as_ref().filter(|_| is_north_american(search)) {
        query.append_pair("InRegion", region);
    }
    for feature in &search.features {
        let name = match feature {
            Feature::Voice => "VoiceEnabled",
            Feature::Sms => "SmsEnabled",
            Feature::Mms => "MmsEnabled",
            Feature::Fax => "FaxEnabled",
            // Twilio shows and filters nothing of the kind.
            Feature::Emergency => continue,
        };
        query.append_pair(name, "true");
    }
    query.append_pair("PageSize", PAGE);
    query.finish()
}

/// Where Twilio knows area codes and regions (section 2).
fn is_north_american(search: &Search) -> bool {
    matches!(search.country.as_str(), "US" | "CA")
}

/// The area code where Twilio filters by it; anything but a whole one would be refused (21451).
fn area_code(search: &Search) -> Option<&str> {
    search.area_code.as_deref().filter(|area| is_north_american(search) && area.len() == 3)
}

/// The one pattern that narrows the search most: Twilio takes one, and in it no wildcard between two texts, so that a
/// beginning and an end cannot be asked for at once.
fn pattern(search: &Search, area: Option<&str>) -> Option<String> {
    let begin = [search.starts_with.as_deref(), search.area_code.as_deref().filter(|_| area.is_none())];
    let begin = begin.into_iter().flatten().max_by_key(|digits| digits.len()).map(|digits| {
        // Digits that the area code says already narrow nothing.
        let narrows = digits.len().saturating_sub(area.map_or(0, str::len));
        let anchored = calling::code(&search.country).map(|code| format!("+{code}{digits}"));
        let mut pattern = anchored.unwrap_or_else(|| digits.to_owned());
        pattern.truncate(PATTERN);
        (narrows, pattern)
    });
    let end = search.ends_with.as_deref().map(|digits| (digits.len(), format!("{digits}$")));
    let within = search.contains.as_deref().map(|text| (text.len(), text.to_ascii_uppercase()));
    // Of equals the last one is taken: one with an anchor rather than one without.
    let all =
        [within, end, begin].into_iter().flatten().filter(|(narrows, pattern)| *narrows > 0 && is_allowed(pattern));
    all.max_by_key(|(narrows, _)| *narrows).map(|(_, pattern)| pattern)
}

/// Whether a pattern made here is one that Twilio takes: at least two characters that are not meta.
fn is_allowed(pattern: &str) -> bool {
    pattern.len() <= PATTERN && pattern.bytes().filter(u8::is_ascii_alphanumeric).count() >= 2
}

/// The answer to a search. It has no pages (section 2).
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    available_phone_numbers: Rows<WireOffer>,
}

#[derive(Debug, Deserialize)]
struct WireOffer {
    phone_number: E164,
    iso_country: Option<String>,
    locality: Option<String>,
    region: Option<String>,
    capabilities: Switches,
}

impl Found {
    /// What is offered, once each, without prices. A row that cannot be read, or whose number is no telephone number, is no
    /// offer; that it is missing does no harm.
    pub fn offers(self, country: &str, kind: NumberType, asked: &[Feature]) -> Vec<Offer> {
        let Rows(rows) = self.available_phone_numbers;
        let mut seen = HashSet::new();
        rows.into_iter()
            .filter(|row| seen.insert(row.phone_number.clone()))
            .map(|row| row.offer(country, kind, asked))
            .collect()
    }
}

impl WireOffer {
    fn offer(self, country: &str, kind: NumberType, asked: &[Feature]) -> Offer {
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        let features = features(&self.capabilities, asked);
        Offer {
            number: self.phone_number,
            country: text(self.iso_country).map_or_else(|| country.to_owned(), |code| code.to_ascii_uppercase()),
            kind,
            locality: text(self.locality),
            region: text(self.region),
            features,
            price: Price::default(),
            can_hold: false,
        }
    }
}

/// What a number can do. Keys have come in lower and in upper case, and fax not at all (section 2): then it stands that only
/// numbers with fax were asked for.
fn features(Switches(capabilities): &Switches, asked: &[Feature]) -> Vec<Feature> {
    let shown = |feature: Feature| {
        let key = capabilities.iter().find(|(key, _)| key.eq_ignore_ascii_case(feature.as_str()));
        key.map(|(_, on)| *on)
    };
    let has = |feature: &Feature| match (*feature, shown(*feature)) {
        (Feature::Fax, None) => asked.contains(&Feature::Fax),
        (_, shown) => shown == Some(true),
    };
    [Feature::Voice, Feature::Sms, Feature::Mms, Feature::Fax].into_iter().filter(has).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn search(country: &str) -> Search {
        serde_json::from_value(json!({ "country": country })).unwrap()
    }

    fn text(text: &str) -> Option<String> {
        (!text.is_empty()).then(|| text.to_owned())
    }

    #[test]
    fn everything_that_twilio_filters_by_is_asked_for() {
        let wish = Search {
            area_code: text("415"),
            locality: text("San Francisco"),
            region: text("CA"),
            features: vec![Feature::Voice, Feature::Sms, Feature::Mms, Feature::Fax, Feature::Emergency],
            contains: text("dent"),
            ..search("US")
        };
        assert_eq!(
            query(&wish),
            "AreaCode=415&Contains=DENT&InLocality=San+Francisco&InRegion=CA&VoiceEnabled=true&SmsEnabled=true\
             &MmsEnabled=true&FaxEnabled=true&PageSize=1000"
        );
        assert_eq!(query(&search("US")), "PageSize=1000");
        let elsewhere = Search { area_code: text("20"), region: text("London"), ..search("GB") };
        assert_eq!(query(&elsewhere), "Contains=%2B4420&PageSize=1000", "only North America has these two");
    }

    #[test]
    fn of_several_patterns_the_one_that_narrows_most_is_sent() {
        let sent = |country, area: &str, starts: &str, contains: &str, ends: &str| {
            let wish = Search {
                area_code: text(area),
                starts_with: text(starts),
                contains: text(contains),
                ends_with: text(ends),
                ..search(country)
            };
            let area = area_code(&wish).map(str::to_owned);
            pattern(&wish, area.as_deref()).unwrap_or_default()
        };
        for ((country, area, starts, contains, ends), expected) in [
            (("US", "", "41555", "", ""), "+141555"),
            (("US", "", "4", "", ""), "+14"),
            (("US", "415", "415", "", ""), ""),
            (("US", "415", "41555", "", "123"), "123$"),
            (("US", "415", "4155551", "", "123"), "+14155551"),
            (("US", "41", "", "", ""), "+141"),
            (("US", "", "", "", "7"), ""),
            (("US", "", "", "", "77"), "77$"),
            (("US", "", "", "cats", "1234"), "1234$"),
            (("US", "", "", "dental", "1234"), "DENTAL"),
            (("US", "", "1234", "", "1234"), "+11234"),
            (("GB", "20", "2079", "", ""), "+442079"),
            (("IE", "", "12345678901234", "", ""), "+353123456789012"),
            (("XX", "", "41555", "", ""), "41555"),
            (("XX", "", "4", "", ""), ""),
            (("US", "", "", "", "12345678901234"), "12345678901234$"),
        ] {
            let pattern = sent(country, area, starts, contains, ends);
            assert_eq!(pattern, expected, "{country} {area} {starts} {contains} {ends}");
            assert!(pattern.len() <= 16);
        }
    }

    #[test]
    fn rows_are_read_in_either_spelling_and_what_is_torn_is_dropped() {
        let found: Found = serde_json::from_value(json!({ "available_phone_numbers": [
            { "phone_number": "+14155550100", "iso_country": "us", "locality": "", "region": null,
              "capabilities": { "voice": true, "SMS": true, "mms": false, "fax": null } },
            { "phone_number": "+14155550100", "iso_country": "US", "capabilities": { "voice": false } },
            { "phone_number": "+14155550101", "capabilities": { "Voice": true, "fax": false }, "locality": "Hilo" },
            { "phone_number": "55512", "capabilities": { "voice": true } },
            { "phone_number": "+14155550102" },
            { "phone_number": "+14155550103", "capabilities": [] },
            { "phone_number": null }, 7, null,
        ]}))
        .unwrap();
        let offers = found.offers("US", NumberType::Local, &[Feature::Fax]);
        let shown: Vec<_> = offers.iter().map(|o| (o.number.as_str(), o.features.clone())).collect();
        let (voice, sms, fax) = (Feature::Voice, Feature::Sms, Feature::Fax);
        assert_eq!(shown, [("+14155550100", vec![voice, sms, fax]), ("+14155550101", vec![voice])]);
        assert!(offers.iter().all(|offer| offer.country == "US" && !offer.can_hold && offer.price == Price::default()));
        assert_eq!((&offers[0].locality, offers[1].locality.as_deref()), (&None, Some("Hilo")));
        assert!(serde_json::from_value::<Found>(json!({ "uri": "/" })).is_err(), "no list is no empty list");
    }
}
