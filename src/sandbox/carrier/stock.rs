//! What is for sale: a deterministic inventory, made of number ranges that are reserved for fiction where a country has
//! them, so that nobody's telephone rings because of a demo. No I/O.

use std::collections::{BTreeMap, HashSet};

use rand::{SeedableRng as _, rngs::SmallRng, seq::SliceRandom as _};

/// The types that the carrier sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberType {
    Local,
    Mobile,
    TollFree,
}

impl NumberType {
    /// As it stands in the search path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Local => "Local",
            Self::Mobile => "Mobile",
            Self::TollFree => "TollFree",
        }
    }

    /// As an owned number's `type` says it.
    pub fn owned_type(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Mobile => "mobile",
            Self::TollFree => "tollfree",
        }
    }

    /// As the price list says it.
    pub fn priced(self) -> &'static str {
        match self {
            Self::TollFree => "toll free",
            other => other.owned_type(),
        }
    }
}

/// Where a range of numbers lives.
#[derive(Debug)]
pub(super) struct Place {
    pub country: &'static str,
    pub kind: NumberType,
    /// The area code in North America; elsewhere nothing.
    pub area: &'static str,
    /// The fixed beginning of its numbers, with `+`.
    prefix: &'static str,
    /// How many digits follow.
    free: u32,
    pub locality: &'static str,
    pub region: &'static str,
    pub postal: &'static str,
    pub lata: &'static str,
    pub at: (f64, f64),
    /// What address the carrier asks for: `none`, `any`, `local`.
    pub address: &'static str,
    /// A regulatory bundle is asked for at purchase; no search says so.
    pub bundle: bool,
}

/// A country that numbers are sold in, and its prices in hundredths of a dollar.
#[derive(Debug)]
pub(super) struct Country {
    pub code: &'static str,
    pub name: &'static str,
    pub prices: &'static [(NumberType, i64)],
}

/// The countries, in the order of the price list.
pub(super) const COUNTRIES: [Country; 5] = [
    Country { code: "AU", name: "Australia", prices: &[(NumberType::Mobile, 650)] },
    Country { code: "CA", name: "Canada", prices: &[(NumberType::Local, 115)] },
    Country { code: "DE", name: "Germany", prices: &[(NumberType::Local, 115)] },
    Country { code: "GB", name: "United Kingdom", prices: &[(NumberType::Local, 115), (NumberType::Mobile, 115)] },
    Country { code: "US", name: "United States", prices: &[(NumberType::Local, 115), (NumberType::TollFree, 215)] },
];

macro_rules! places {
    ($($country:literal $kind:ident $area:literal $prefix:literal+$free:literal: $locality:literal, $region:literal
        $postal:literal, lata $lata:literal at ($lat:literal, $long:literal) address $address:literal bundle $bundle:literal;)*) => {
        &[$(Place { country: $country, kind: NumberType::$kind, area: $area, prefix: $prefix, free: $free,
            locality: $locality, region: $region, postal: $postal, lata: $lata, at: ($lat, $long), address: $address,
            bundle: $bundle }),*]
    };
}

const PLACES: &[Place] = places! {
    "US" Local "415" "+1415555"+4: "San Francisco", "CA" "94103", lata "722" at (37.774900, -122.419400) address "none" bundle false;
    "US" Local "510" "+1510555"+4: "Oakland", "CA" "94607", lata "722" at (37.804400, -122.271200) address "none" bundle false;
    "US" Local "213" "+1213555"+4: "Los Angeles", "CA" "90012", lata "730" at (34.052200, -118.243700) address "none" bundle false;
    "US" Local "212" "+1212555"+4: "New York", "NY" "10001", lata "132" at (40.712800, -74.006000) address "none" bundle false;
    "US" Local "718" "+1718555"+4: "Brooklyn", "NY" "11201", lata "132" at (40.678200, -73.944200) address "none" bundle false;
    "US" Local "312" "+1312555"+4: "Chicago", "IL" "60601", lata "358" at (41.878100, -87.629800) address "none" bundle false;
    "US" Local "206" "+1206555"+4: "Seattle", "WA" "98101", lata "674" at (47.606200, -122.332100) address "none" bundle false;
    "US" Local "512" "+1512555"+4: "Austin", "TX" "78701", lata "558" at (30.267200, -97.743100) address "none" bundle false;
    "US" Local "617" "+1617555"+4: "Boston", "MA" "02108", lata "128" at (42.360100, -71.058900) address "none" bundle false;
    "US" Local "808" "+1808555"+4: "Hilo", "HI" "96720", lata "834" at (19.720000, -155.090000) address "none" bundle false;
    "US" TollFree "800" "+1800555"+4: "", "" "", lata "" at (0.0, 0.0) address "none" bundle false;
    "US" TollFree "888" "+1888555"+4: "", "" "", lata "" at (0.0, 0.0) address "none" bundle false;
    "CA" Local "416" "+1416555"+4: "Toronto", "ON" "M5H", lata "888" at (43.653200, -79.383200) address "none" bundle false;
    "CA" Local "604" "+1604555"+4: "Vancouver", "BC" "V6B", lata "888" at (49.282700, -123.120700) address "none" bundle false;
    "GB" Local "" "+4420794600"+3: "London", "" "", lata "" at (51.507400, -0.127800) address "none" bundle false;
    "GB" Mobile "" "+447700900"+3: "", "" "", lata "" at (0.0, 0.0) address "any" bundle false;
    "DE" Local "" "+493023125"+3: "Berlin", "" "", lata "" at (52.520000, 13.405000) address "local" bundle true;
    "AU" Mobile "" "+61491570"+3: "", "" "", lata "" at (0.0, 0.0) address "none" bundle true;
};

/// Where numbers come from that are seeded by hand and lie in no range for sale.
const ELSEWHERE: Place = Place {
    country: "",
    kind: NumberType::Local,
    area: "",
    prefix: "",
    free: 0,
    locality: "",
    region: "",
    postal: "",
    lata: "",
    at: (0.0, 0.0),
    address: "none",
    bundle: false,
};

/// A number for sale.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub number: String,
    pub kind: NumberType,
    pub place: &'static Place,
    /// In the words of the carrier: `voice`, `sms`, `mms`, `fax`.
    pub features: Vec<&'static str>,
    pub beta: bool,
}

impl Offer {
    /// The digits after the country code, and the area's part of them.
    pub fn national(&self) -> (&str, &'static str) {
        let Place { country, kind, area, .. } = self.place;
        let (code, ndc) = match (*country, *kind) {
            ("GB", NumberType::Local) => ("+44", "20"),
            ("GB", _) => ("+44", ""),
            ("DE", _) => ("+49", "30"),
            ("AU", _) => ("+61", ""),
            ("US" | "CA", _) => ("+1", *area),
            _ => ("+", ""),
        };
        (self.number.strip_prefix(code).unwrap_or(&self.number), ndc)
    }
}

/// Everything for sale, in the order in which searches show it.
#[derive(Debug)]
pub(super) struct Stock {
    offers: BTreeMap<u64, Offer>,
    places: BTreeMap<String, u64>,
    /// Numbers that were given back a moment ago and cannot be bought yet.
    pub cooling: HashSet<String>,
    next: u64,
}

impl Stock {
    /// The inventory of a seed: `per_area` numbers of each place, shuffled within it.
    pub fn generate(seed: u64, per_area: usize) -> Self {
        let mut stock = Self { offers: BTreeMap::new(), places: BTreeMap::new(), cooling: HashSet::new(), next: 0 };
        for (index, place) in PLACES.iter().enumerate() {
            let mut rng = SmallRng::seed_from_u64(seed ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut lines: Vec<u32> = (0..10u32.pow(place.free)).collect();
            lines.shuffle(&mut rng);
            for line in lines.into_iter().take(per_area) {
                let number = format!("{}{line:0width$}", place.prefix, width = place.free as usize);
                stock.add(offer(number, place));
            }
        }
        stock
    }

    /// What is for sale, in the order in which searches show it.
    pub fn offers(&self) -> impl Iterator<Item = &Offer> {
        self.offers.values()
    }

    pub fn get(&self, number: &str) -> Option<&Offer> {
        self.places.get(number).and_then(|at| self.offers.get(at))
    }

    pub fn add(&mut self, offer: Offer) {
        if !self.places.contains_key(&offer.number) {
            self.places.insert(offer.number.clone(), self.next);
            self.offers.insert(self.next, offer);
            self.next += 1;
        }
    }

    /// Takes a number off sale, as when somebody else buys it.
    pub fn remove(&mut self, number: &str) -> Option<Offer> {
        self.places.remove(number).and_then(|at| self.offers.remove(&at))
    }

    /// The offer of a number, for sale or not.
    pub fn offer_for(&self, number: &str) -> Offer {
        let made = || offer(number.to_owned(), place_of(number));
        self.get(number).cloned().unwrap_or_else(made)
    }
}

fn offer(number: String, place: &'static Place) -> Offer {
    let features = match (place.country, place.kind) {
        ("US" | "CA", NumberType::Local) => vec!["voice", "sms", "mms"],
        ("DE", _) => vec!["voice", "fax"],
        _ => vec!["voice", "sms"],
    };
    Offer { number, kind: place.kind, place, features, beta: false }
}

/// The place whose area code, or else whose prefix, a number has.
pub(super) fn place_of(number: &str) -> &'static Place {
    let in_area = |p: &&Place| !p.area.is_empty() && number.starts_with(&format!("+1{}", p.area));
    let area = PLACES.iter().find(in_area);
    area.or_else(|| PLACES.iter().find(|p| number.starts_with(p.prefix))).unwrap_or(&ELSEWHERE)
}

/// The monthly price of a type in a country, in hundredths of a dollar.
pub(super) fn price(country: &str, kind: NumberType) -> i64 {
    let country = COUNTRIES.iter().find(|c| c.code == country);
    country.and_then(|c| c.prices.iter().find(|(k, _)| *k == kind)).map_or(100, |(_, cents)| *cents)
}

/// The countries in which a type is sold.
pub(super) fn sells(country: &str, kind: &str) -> bool {
    PLACES.iter().any(|p| p.country == country && p.kind.path() == kind)
}

/// A number as people of its country write it: `(415) 555-0100`; outside North America its digits.
pub(super) fn national(number: &str) -> String {
    match number.strip_prefix("+1") {
        Some(n) if n.len() == 10 && n.is_ascii() => format!("({}) {}-{}", &n[..3], &n[3..6], &n[6..]),
        _ => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_what_is_for_sale() {
        let numbers = |seed| Stock::generate(seed, 20).offers().map(|o| o.number.clone()).collect::<Vec<_>>();
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        assert!(numbers(1).iter().all(|n| n.parse::<crate::api::number::E164>().is_ok()));
    }

    #[test]
    fn national_form_is_north_american_or_nothing() {
        assert_eq!(national("+14155550100"), "(415) 555-0100");
        assert_eq!(national("+442079460000"), "+442079460000");
    }
}
