//! Which number to buy: what to search for, what fits, and which of those that do.

use super::{
    buying::{Crowd, Idle, OfferQuery, Offers},
    policy,
};
use crate::api::{
    claim::ClaimedPurchase,
    conditions::{Finding, Reason},
    money::Amount,
    number::E164,
    offer::{Feature, Offer, Offered, Price, Search, keypad},
    phone_number::Purchase,
    purchase::Identity,
    seen::OwnedNumber,
};

/// What somebody wishes to buy.
pub(super) struct Criteria<'a> {
    pub purchase: &'a Purchase,
    /// The most that the account allows a number to cost every month.
    pub ceiling: Option<Amount>,
    /// What was found so far.
    pub offers: &'a [Offers],
    /// The number to take if it still fits: a person was shown it, or what was refused was not it.
    pub prefer: Option<&'a E164>,
    /// The number to take only if there is no other: it was tried.
    pub avoid: Option<&'a E164>,
    /// What decides among many that fit, so that many who wish the same do not all take the first.
    pub spread: (&'a Identity, u32),
}

/// What came of it.
pub(super) enum Choice<'a> {
    /// This has to be looked for.
    Look(OfferQuery),
    Take {
        offer: &'a Offer,
        /// Whether it is in the very place that was named.
        exact: bool,
    },
    /// Others are just taking what there is: one looks again in a while, and what to say if that lasts.
    Wait(Crowd, Finding),
    /// There is none, and why.
    Nothing(Finding),
}

/// Chooses among what was found, or says what to look for next.
pub(super) fn choose<'a>(wish: &Criteria<'a>) -> Choice<'a> {
    let found = |asked: &OfferQuery| wish.offers.iter().find(|offers| offers.asked == *asked);
    let steps = steps(wish.purchase);
    let mut dear: Vec<&Offer> = Vec::new();
    let mut nearest: Option<&Offer> = None;
    let mut crowd: Option<Crowd> = None;
    for (asked, exact) in &steps {
        let Some(offers) = found(asked) else { return Choice::Look(asked.clone()) };
        if let Some(here) = offers.crowded.filter(|_| offers.found.is_empty()) {
            if here.lasts < policy::CROWDED_OUT {
                return Choice::Wait(here, crowded(&steps));
            }
            crowd = crowd.filter(|other| other.again <= here.again).or(Some(here));
        }
        let fitting: Vec<&Offer> = offers.found.iter().filter(|offer| asked.fits(offer)).collect();
        nearest = nearest.or(offers.found.first());
        let (affordable, too_dear): (Vec<_>, Vec<_>) =
            fitting.into_iter().partition(|offer| wish.affords(&offer.price));
        dear.extend(too_dear);
        if let Some(offer) = wish.pick(&affordable) {
            return Choice::Take { offer, exact: *exact };
        }
    }
    if let Some(crowd) = crowd.filter(|_| dear.is_empty()) {
        return Choice::Wait(crowd, crowded(&steps));
    }
    // What else there is is only named.
    for asked in wish.purchase.search.iter().flat_map(beyond).map(OfferQuery::Search) {
        if nearest.is_none() {
            let Some(offers) = found(&asked) else { return Choice::Look(asked) };
            nearest = offers.found.first();
        }
    }
    Choice::Nothing(wish.nothing(&steps, &dear, nearest))
}

/// That all there is has its takers.
fn crowded(steps: &[(OfferQuery, bool)]) -> Finding {
    let text = format!(
        "All matching numbers for sale are claimed by other purchases in this cluster. Tried: {}. The operator searches again; or relax the \
         search, or search another place.",
        told(steps)
    );
    Finding::new(Reason::NoMatchingNumber, text)
}

fn told(steps: &[(OfferQuery, bool)]) -> String {
    steps.iter().map(|(asked, _)| asked.to_string()).collect::<Vec<_>>().join("; ")
}

/// What is looked for, one after the other, and whether that is in the very place that was named.
fn steps(purchase: &Purchase) -> Vec<(OfferQuery, bool)> {
    match (&purchase.number, &purchase.search) {
        (Some(number), _) => vec![(OfferQuery::Number(number.clone()), true)],
        (None, Some(search)) => {
            ladder(search).into_iter().enumerate().map(|(i, search)| (OfferQuery::Search(search), i == 0)).collect()
        }
        (None, None) => Vec::new(),
    }
}

/// Which idle number to take, by the same steps, and whether it is in the very place that was named. What it cost once is spent.
pub(super) fn reuse<'a>(wish: &Criteria<'_>, idle: &[&'a Idle]) -> Option<(&'a Idle, bool)> {
    steps(wish.purchase).iter().find_map(|(asked, exact)| {
        let fits = |idle: &&&Idle| within(wish.monthly(), idle.price.monthly) && asked.fits_idle(idle);
        let fitting: Vec<&&Idle> = idle.iter().filter(fits).collect();
        let count = fitting.len().max(1);
        fitting.get(spread(wish.spread.0, wish.spread.1) % count).map(|idle| (**idle, *exact))
    })
}

/// Whether a price is known to be no more than is allowed.
fn within(most: Option<Amount>, is: Option<Amount>) -> bool {
    most.is_none_or(|most| is.is_some_and(|is| is <= most))
}

impl Criteria<'_> {
    /// One of several that are as good: the preferred one, or one that another wish would hardly take.
    fn pick<'o>(&self, offers: &[&'o Offer]) -> Option<&'o Offer> {
        if let Some(preferred) = offers.iter().find(|offer| Some(&offer.number) == self.prefer) {
            return Some(preferred);
        }
        let others: Vec<&&Offer> = offers.iter().filter(|offer| Some(&offer.number) != self.avoid).collect();
        match others.len() {
            0 => offers.first().copied(),
            count => Some(others[spread(self.spread.0, self.spread.1) % count]),
        }
    }

    fn monthly(&self) -> Option<Amount> {
        let own = self.purchase.max_monthly_price;
        own.into_iter().chain(self.ceiling).min()
    }

    /// Whether the price is known to be no more than is allowed.
    pub(super) fn affords(&self, price: &Price) -> bool {
        within(self.monthly(), price.monthly) && within(self.purchase.max_setup_price, price.setup)
    }

    fn nothing(&self, steps: &[(OfferQuery, bool)], dear: &[&Offer], nearest: Option<&Offer>) -> Finding {
        let tried = told(steps);
        if let Some(nearest) = dear.iter().min_by_key(|offer| offer.price.monthly) {
            let ceiling = self.monthly().map_or_else(|| "the price limit".to_owned(), |most| format!("{most} a month"));
            let known = nearest.price.monthly.is_some()
                && (self.purchase.max_setup_price.is_none() || nearest.price.setup.is_some());
            return match known {
                true => Finding::new(
                    Reason::PriceTooHigh,
                    format!(
                        "Every matching number costs more than {ceiling} allows; the closest is {} for {}. Tried: {tried}. Raise the limit \
                         in spec.purchase or of the CarrierAccount, or change the search.",
                        nearest.number,
                        shown(&nearest.price)
                    ),
                ),
                false => Finding::new(
                    Reason::PriceUnknown,
                    format!(
                        "The price of {} is not known and a price limit is set, so nothing is bought. Tried: {tried}.",
                        nearest.number
                    ),
                ),
            };
        }
        if let Some(number) = &self.purchase.number {
            let text = format!(
                "{number} is not for sale now; somebody else may have it. The operator retries. If you own it already, import it."
            );
            return Finding::new(Reason::NumberUnavailable, text);
        }
        let nearest = nearest.map(|offer| format!(" The closest one available: {}.", described(offer)));
        let minutes = policy::LOOK_AGAIN.as_secs() / 60;
        Finding::new(
            Reason::NoMatchingNumber,
            format!(
                "No number for sale matches. Tried: {tried}.{} The operator searches again every {minutes} minutes; or relax the search, or \
                 search another place.",
                nearest.unwrap_or_default()
            ),
        )
    }
}

/// An offer, for people.
fn described(offer: &Offer) -> String {
    let place = [&offer.locality, &offer.region].into_iter().flatten().map(String::as_str);
    let place = place.chain([&*offer.country]).collect::<Vec<_>>().join(", ");
    let (kind, features) = (offer.kind.as_str(), with(&offer.features));
    format!("{}, {kind} in {place}{features}, for {}", offer.number, shown(&offer.price))
}

/// `, with Voice and SMS`, or nothing.
fn with(features: &[Feature]) -> String {
    let features: Vec<&str> = features.iter().map(|feature| feature.as_str()).collect();
    if features.is_empty() { String::new() } else { format!(", with {}", features.join(" and ")) }
}

/// A price, for people.
pub fn shown(price: &Price) -> String {
    let currency = price.currency.as_deref().unwrap_or_default();
    let part = |amount: Option<Amount>, what: &str| {
        amount.map(|amount| format!("{amount} {currency} {what}").replace("  ", " "))
    };
    let parts: Vec<String> =
        [part(price.monthly, "a month"), part(price.setup, "once")].into_iter().flatten().collect();
    if parts.is_empty() { "an unknown price".to_owned() } else { parts.join(" and ") }
}

/// The searches for a wish, the wish itself first: where another place will do, each gives up a little more of the place.
pub fn ladder(search: &Search) -> Vec<Search> {
    let mut steps = vec![search.clone()];
    if search.best_effort {
        let anywhere_near = Search { locality: None, ..search.clone() };
        let region = Search { area_code: None, ..anywhere_near.clone() };
        let country = Search { region: None, ..region.clone() };
        steps.extend([anywhere_near, region, country]);
        steps.dedup();
    }
    steps
}

/// What is looked for where nothing fits, to name what there is: any other place, then other digits, then other features.
fn beyond(search: &Search) -> Vec<Search> {
    let mut steps = ladder(&Search { best_effort: true, ..search.clone() });
    let place = steps.last().cloned().unwrap_or_else(|| search.clone());
    let digits = Search { starts_with: None, contains: None, ends_with: None, ..place };
    let features = Search { features: Vec::new(), ..digits.clone() };
    steps.extend([digits, features]);
    steps.iter_mut().for_each(|step| step.best_effort = search.best_effort);
    steps.dedup();
    let tried = ladder(search).len();
    steps.split_off(tried)
}

impl OfferQuery {
    /// Whether an offer is what was asked for, whatever the carrier says.
    pub fn fits(&self, offer: &Offer) -> bool {
        match self {
            OfferQuery::Number(number) => offer.number == *number,
            OfferQuery::Search(search) => fits(search, offer),
        }
    }

    /// The same of an idle number. One of which nobody knows where and of what kind it is fits no search.
    fn fits_idle(&self, idle: &Idle) -> bool {
        match (self, idle.offered.clone()) {
            (OfferQuery::Number(number), _) => idle.number == *number,
            (OfferQuery::Search(_), None) => false,
            (OfferQuery::Search(_), Some(Offered { country, kind, locality, region, features })) => {
                let (number, price) = (idle.number.clone(), idle.price.clone());
                self.fits(&Offer { number, country, kind, locality, region, features, price, can_hold: false })
            }
        }
    }
}

impl std::fmt::Display for OfferQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let search = match self {
            OfferQuery::Number(number) => return write!(f, "{number}"),
            OfferQuery::Search(search) => search,
        };
        write!(f, "{} {}", search.country, search.kind.as_str())?;
        let named = [
            ("area code", &search.area_code),
            ("locality", &search.locality),
            ("region", &search.region),
            ("starting with", &search.starts_with),
            ("containing", &search.contains),
            ("ending with", &search.ends_with),
        ];
        for (what, value) in named {
            if let Some(value) = value {
                write!(f, ", {what} {value}")?;
            }
        }
        f.write_str(&with(&search.features))
    }
}

/// Whether an offer is what `search` says, whatever the carrier says.
pub fn fits(search: &Search, offer: &Offer) -> bool {
    let same = |wanted: &Option<String>, is: &Option<String>| match (wanted, is) {
        (None, _) => true,
        (Some(wanted), Some(is)) => wanted.eq_ignore_ascii_case(is),
        (Some(_), None) => false,
    };
    offer.country == search.country
        && offer.kind == search.kind
        && same(&search.locality, &offer.locality)
        && same(&search.region, &offer.region)
        && search.features.iter().all(|feature| offer.features.contains(feature))
        && fits_digits(search, &offer.number)
}

/// Whether a number's digits are what `search` says of them.
pub fn fits_digits(search: &Search, number: &E164) -> bool {
    let national = number.national();
    let is = |wanted: &Option<String>, test: fn(&str, &str) -> bool| {
        wanted.as_ref().is_none_or(|wanted| test(national, &keypad(wanted)))
    };
    is(&search.area_code, |digits, wanted| digits.starts_with(wanted))
        && is(&search.starts_with, |digits, wanted| digits.starts_with(wanted))
        && is(&search.contains, |digits, wanted| digits.contains(wanted))
        && is(&search.ends_with, |digits, wanted| digits.ends_with(wanted))
}

/// Whether a number may have been bought for this, as far as its digits tell: places that could give way are not looked at.
pub fn could_be(purchase: &Purchase, number: &E164) -> bool {
    let by_search = |search: &Search| {
        let area_code = search.area_code.clone().filter(|_| !search.best_effort);
        fits_digits(&Search { area_code, ..search.clone() }, number)
    };
    purchase.number.as_ref().is_none_or(|named| named == number) && purchase.search.as_ref().is_none_or(by_search)
}

/// What `purchase` asks for that a number which was bought is not, in words. What is not known of it is taken for met, and so is a place
/// that could give way. What it cost once is spent.
pub fn unmet(purchase: &Purchase, seen: &OwnedNumber, bought: Option<&ClaimedPurchase>) -> Vec<String> {
    let mut unmet = Vec::new();
    if !could_be(purchase, &seen.number) {
        unmet.push(purchase.number.as_ref().map_or_else(|| "other digits".to_owned(), E164::to_string));
    }
    if let Some(search) = &purchase.search {
        let offered = bought.and_then(|bought| bought.offered.as_ref());
        if let Some(offered) = offered {
            let named = |name: &Option<String>| name.clone().unwrap_or_else(|| "an unnamed place".to_owned());
            let place = |wanted: &Option<String>| wanted.clone().filter(|_| !search.best_effort);
            for (wanted, is) in [
                (Some(search.country.clone()), offered.country.clone()),
                (Some(search.kind.as_str().to_owned()), offered.kind.as_str().to_owned()),
                (place(&search.locality), named(&offered.locality)),
                (place(&search.region), named(&offered.region)),
            ] {
                let other = wanted.filter(|wanted| !wanted.eq_ignore_ascii_case(&is));
                unmet.extend(other.map(|wanted| format!("{wanted} (it is {is})")));
            }
        }
        // No listing shows whether emergency calls can be made.
        let is_known =
            |feature: Feature| offered.is_some() || feature != Feature::Emergency && !seen.features.is_empty();
        let has = |feature: &Feature| {
            offered.is_some_and(|offered| offered.features.contains(feature)) || seen.features.contains(feature)
        };
        let lacking = search.features.iter().filter(|feature| is_known(**feature) && !has(feature));
        unmet.extend(lacking.map(|feature| feature.as_str().to_owned()));
    }
    let price = bought.and_then(|bought| bought.price.monthly).zip(purchase.max_monthly_price);
    if let Some((is, most)) = price.filter(|(is, most)| is > most) {
        unmet.push(format!("at most {most} a month (it cost {is} when it was bought)"));
    }
    unmet
}

/// A number that is the same for the same wish and hardly ever for two (FNV-1a).
fn spread(identity: &Identity, attempt: u32) -> usize {
    let Identity { namespace, name } = identity;
    let bytes = namespace.bytes().chain([b'/']).chain(name.bytes()).chain(attempt.to_le_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 16) as usize
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::{offer::NumberType, seen::NumberId};

    fn search() -> Search {
        Search {
            country: "US".into(),
            kind: NumberType::Local,
            area_code: Some("415".into()),
            locality: Some("San Francisco".into()),
            region: Some("CA".into()),
            features: vec![Feature::Voice, Feature::Sms],
            starts_with: None,
            contains: None,
            ends_with: None,
            best_effort: true,
        }
    }

    fn offer(number: &str) -> Offer {
        Offer {
            number: number.parse().unwrap(),
            country: "US".into(),
            kind: NumberType::Local,
            locality: Some("san francisco".into()),
            region: Some("CA".into()),
            features: vec![Feature::Voice, Feature::Sms, Feature::Mms],
            price: Price { monthly: "1.15".parse().ok(), setup: None, currency: Some("USD".into()) },
            can_hold: false,
        }
    }

    #[test]
    fn the_place_gives_way_step_by_step_and_nothing_else_does() {
        let places: Vec<_> = ladder(&search()).into_iter().map(|s| (s.locality, s.area_code, s.region)).collect();
        let text = |t: &str| Some(t.to_owned());
        assert_eq!(
            places,
            [
                (text("San Francisco"), text("415"), text("CA")),
                (None, text("415"), text("CA")),
                (None, None, text("CA")),
                (None, None, None),
            ]
        );
        assert_eq!(ladder(&Search { best_effort: false, ..search() }).len(), 1);
        let anywhere = Search { locality: None, region: None, area_code: None, ..search() };
        assert_eq!(ladder(&anywhere).len(), 1, "there is nothing to give up");
    }

    #[test]
    fn what_others_are_about_to_take_is_waited_for_and_then_another_place_is_as_good() {
        let purchase: Purchase = serde_json::from_value(serde_json::json!({ "search": search() })).unwrap();
        let identity = Identity::new("n", "a");
        let crowd = |seconds| Crowd { lasts: Duration::from_secs(seconds), again: Duration::from_secs(seconds / 2) };
        let steps = steps(&purchase);
        let offers = |n: usize, crowded, found| Offers { asked: steps[n].0.clone(), crowded, found };
        let wish = |offers| Criteria {
            purchase: &purchase,
            ceiling: None,
            offers,
            prefer: None,
            avoid: None,
            spread: (&identity, 1),
        };
        let early = [offers(0, Some(crowd(59)), vec![])];
        let Choice::Wait(waits, finding) = choose(&wish(&early)) else { panic!("it does not wait") };
        assert_eq!((waits, finding.reason), (crowd(59), Reason::NoMatchingNumber));
        assert!(finding.message.contains("area code 415"), "{}", finding.message);
        let late = [offers(0, Some(crowd(60)), vec![]), offers(1, None, vec![offer("+14155550001")])];
        assert!(matches!(choose(&wish(&late[..1])), Choice::Look(asked) if asked == steps[1].0));
        assert!(matches!(choose(&wish(&late)), Choice::Take { exact: false, .. }));
        let everywhere: Vec<Offers> = (0..4).map(|n| offers(n, Some(crowd(80 - n as u64)), vec![])).collect();
        assert!(matches!(choose(&wish(&everywhere)), Choice::Wait(waits, _) if waits.again == crowd(77).again));
    }

    #[test]
    fn beyond_what_was_tried_other_places_then_other_digits_then_other_features_are_looked_at() {
        let vanity = Search { contains: Some("DENT".into()), ..search() };
        let steps = beyond(&vanity);
        let told: Vec<String> = steps.iter().map(|step| OfferQuery::Search(step.clone()).to_string()).collect();
        assert_eq!(told, ["US Local, with Voice and SMS", "US Local"], "all places were tried");
        let just_there = beyond(&Search { best_effort: false, ..vanity });
        assert_eq!(just_there.len(), 5);
        assert!(just_there.iter().all(|step| !step.best_effort), "one search serves who tries it and who looks beyond");
        assert_eq!(just_there[0].contains.as_deref(), Some("DENT"));
    }

    #[test]
    fn what_a_bought_number_is_not_is_said_and_what_nobody_knows_is_not() {
        let number = OwnedNumber {
            id: NumberId("PN1".into()),
            number: "+14155553368".parse().unwrap(),
            route: Default::default(),
            features: vec![Feature::Voice, Feature::Sms],
            messaging: Default::default(),
            calling: Default::default(),
            marker: None,
            config: Default::default(),
        };
        let bought = ClaimedPurchase {
            namespace: "clinics".into(),
            identity: "desk".into(),
            installation: "prod".into(),
            attempt: 1,
            price: Price { monthly: "1.15".parse().ok(), setup: None, currency: Some("USD".into()) },
            offered: Some(offer("+14155553368").offered()),
        };
        let unknown = ClaimedPurchase { price: Price::default(), offered: None, ..bought.clone() };
        let asks = |edit: serde_json::Value, bought: &ClaimedPurchase| {
            let mut purchase = serde_json::json!({"search": search(), "maxMonthlyPrice": "2.00"});
            for (name, value) in edit.as_object().unwrap() {
                match name.as_str() {
                    "maxMonthlyPrice" => purchase[name] = value.clone(),
                    _ => purchase["search"][name] = value.clone(),
                }
            }
            unmet(&serde_json::from_value(purchase).unwrap(), &number, Some(bought)).join("; ")
        };
        for (edit, says, of_unknown) in [
            (serde_json::json!({}), "", ""),
            (serde_json::json!({"country": "CA"}), "CA (it is US)", ""),
            (serde_json::json!({"type": "TollFree"}), "TollFree (it is Local)", ""),
            (serde_json::json!({"features": ["Voice", "MMS"]}), "", "MMS"),
            (serde_json::json!({"features": ["Fax", "Emergency"]}), "Fax; Emergency", "Fax"),
            (
                serde_json::json!({"maxMonthlyPrice": "1.00"}),
                "at most 1.00 a month (it cost 1.15 when it was bought)",
                "",
            ),
            (serde_json::json!({"startsWith": "510"}), "other digits", "other digits"),
            (serde_json::json!({"locality": "Oakland"}), "", ""),
            (serde_json::json!({"locality": "Oakland", "bestEffort": false}), "Oakland (it is san francisco)", ""),
        ] {
            assert_eq!(asks(edit.clone(), &bought), says, "{edit}");
            assert_eq!(asks(edit.clone(), &unknown), of_unknown, "{edit} of one that nobody knows more of");
        }
    }

    #[test]
    fn an_offer_is_checked_in_everything_that_was_asked_for() {
        let good = offer("+14155553368");
        assert!(fits(&search(), &good));
        type Bend = fn(&mut Search, &mut Offer);
        let bends: [(&str, Bend); 9] = [
            ("country", |_, o| o.country = "CA".into()),
            ("type", |_, o| o.kind = NumberType::TollFree),
            ("locality", |_, o| o.locality = None),
            ("region", |_, o| o.region = Some("NY".into())),
            ("a feature", |_, o| o.features.retain(|f| *f != Feature::Sms)),
            ("area code", |s, _| s.area_code = Some("510".into())),
            ("beginning", |s, _| s.starts_with = Some("155".into())),
            ("pattern", |s, _| s.contains = Some("CATS".into())),
            ("end", |s, _| s.ends_with = Some("336".into())),
        ];
        for (what, bend) in bends {
            let (mut search, mut offer) = (search(), good.clone());
            bend(&mut search, &mut offer);
            assert!(!fits(&search, &offer), "{what}");
        }
        let vanity = Search {
            contains: Some("dent".into()),
            starts_with: Some("41555".into()),
            ends_with: Some("3368".into()),
            ..search()
        };
        assert!(fits(&vanity, &good));
    }
}
