//! Buying at Twilio: what is for sale and for how much, and the one request that spends money. Does I/O.
//!
//! There is no quote, no hold and no confirmation (sections 1.2 and 2): a number that was found may be gone, and a number that
//! is ours already is changed by what was to buy it. Whoever calls [`buy`](Twilio::buy) has looked first.

use serde::Deserialize;

use super::{
    NUMBERS, Twilio, errors, listing,
    memberships::Memberships,
    prices::PriceList,
    search::{self, Found},
    wire::{self, WireNumber},
};
use crate::{
    api::{
        account::Balance,
        number::{Channel, Destination, E164, Route},
        offer::{Feature, NumberType, Offer, Search},
    },
    carrier::{
        Bought, CarrierError, ErrorClass, Outcome, Purchase, calling,
        http::{Body, Call},
        lenient::Scalar,
        sells_none, written,
    },
};

const AVAILABLE: &str = "/2010-04-01/Accounts/{}/AvailablePhoneNumbers/{}/{}.json";
const PRICES: &str = "/v1/PhoneNumbers/Countries/{}";
const BALANCE: &str = "/2010-04-01/Accounts/{}/Balance.json";

#[derive(Debug, Deserialize)]
struct BalanceShown {
    account_sid: String,
    #[serde(default)]
    balance: Scalar,
    currency: Option<String>,
}

impl Twilio {
    /// What is for sale that fits, as far as Twilio can be asked for it.
    pub(super) async fn search(&self, search: &Search) -> Result<Vec<Offer>, CarrierError> {
        let (country, kind) = (search.country.as_str(), search.kind);
        match self.available(country, kind, &search::query(search), &search.features).await {
            Ok(offers) => Ok(offers),
            // None left in this area code (21452).
            Err(error) if error.class == ErrorClass::Unavailable => Ok(Vec::new()),
            Err(error) => Err(explained(error, country, kind)),
        }
    }

    /// The offer of just this number. Neither its country nor its type can be told from a number alone, so every type is
    /// searched in each country that it may be of, the likeliest first, and every row is compared: the filter matches parts of
    /// numbers too. A type that a country lacks is passed over; if it lacks them all, nothing is sold there.
    pub(super) async fn exact(&self, number: &E164) -> Result<Option<Offer>, CarrierError> {
        let countries = calling::countries(number);
        let query = search::exact(number);
        let mut sold = false;
        for kind in search::TYPES {
            for country in &countries {
                match self.available(country, kind, &query, &[]).await {
                    Ok(offers) => {
                        sold = true;
                        if let Some(offer) = offers.into_iter().find(|offer| offer.number == *number) {
                            return Ok(Some(offer));
                        }
                    }
                    Err(error) if is_lacking(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        if sold {
            return Ok(None);
        }
        let text = "Twilio sells no numbers of this number's country; check spec.purchase.number, and the account's region \
                    and Account SID";
        Err(CarrierError::new(ErrorClass::NotFound, text.to_owned()))
    }

    /// One search, and what its finds cost.
    async fn available(
        &self,
        country: &str,
        kind: NumberType,
        query: &str,
        asked: &[Feature],
    ) -> Result<Vec<Offer>, CarrierError> {
        let args = [self.account.as_str(), country, search::path(kind)];
        let found: Found = self
            .http
            .read(Call { base: &self.api, path: AVAILABLE, args: &args, query, headers: &[], before: None })
            .await?;
        let mut offers = found.offers(country, kind, asked);
        if offers.is_empty() {
            return Ok(offers);
        }
        if let Some(list) = self.prices.of(country, self.read_prices(country)).await {
            let price = list.price(kind);
            offers.iter_mut().for_each(|offer| offer.price = price.clone());
        }
        Ok(offers)
    }

    async fn read_prices(&self, country: &str) -> Result<PriceList, CarrierError> {
        let call = Call { base: &self.pricing, path: PRICES, args: &[country], query: "", headers: &[], before: None };
        let list: PriceList = self.http.read(call).await?;
        match list.iso_country.as_deref().is_none_or(|shown| shown.eq_ignore_ascii_case(country)) {
            true => Ok(list),
            false => Err(listing::torn("it has the prices of another country")),
        }
    }

    /// Buys the number. Every webhook is sent, the empty ones too: a number that is bought without them answers calls and messages
    /// with Twilio's demonstration (section 1.2). A SID that is not there is not sent: a new number has none to clear.
    pub(super) async fn buy(&self, purchase: &Purchase) -> Outcome<Bought> {
        let form = form(purchase);
        let fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let call = Call {
            base: &self.api,
            path: NUMBERS,
            args: &[&self.account],
            query: "",
            headers: &[],
            before: Some(purchase.before),
        };
        let row = match self.http.spend::<WireNumber>("POST", call, Body::Form(&fields)).await {
            Outcome::Did(row) => row,
            Outcome::DidNothing(error) => return Outcome::DidNothing(error),
            Outcome::Unknown(error) => return Outcome::Unknown(error),
        };
        // Money is spent by now, most likely. On what, only a look can tell if this does not.
        let ours = row.account_sid == self.account && !row.sid.is_empty();
        match row.owned(&Memberships::default()).filter(|owned| ours && owned.number == purchase.number) {
            Some(owned) => Outcome::Did(Bought::Owned(owned)),
            None => Outcome::Unknown(listing::torn("it shows another number than the one to buy")),
        }
    }

    /// What is left. Subaccounts spend their parent's money and have no balance (section 3).
    pub(super) async fn left(&self) -> Result<Option<Balance>, CarrierError> {
        let call =
            Call { base: &self.api, path: BALANCE, args: &[&self.account], query: "", headers: &[], before: None };
        let shown: BalanceShown = match self.http.read(call).await {
            Ok(shown) => shown,
            Err(error) if is_lacking(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        if shown.account_sid != self.account {
            return Err(listing::torn("it has the balance of another account"));
        }
        let currency = shown.currency.as_deref().and_then(written::currency);
        Ok(written::amount(&shown.balance).zip(currency).map(|(amount, currency)| Balance { amount, currency }))
    }
}

/// What a purchase sends.
fn form(purchase: &Purchase) -> Vec<(&'static str, String)> {
    let all = Channel::ALL
        .map(|channel| (channel, purchase.route.get(&channel).cloned().unwrap_or_else(Destination::default)));
    let mut fields = vec![
        ("PhoneNumber", purchase.number.as_str().to_owned()),
        ("FriendlyName", purchase.marker.as_str().to_owned()),
    ];
    fields.extend(wire::form(&wire::canonical(Route::from(all))));
    let papers = [("AddressSid", &purchase.regulatory.address_sid), ("BundleSid", &purchase.regulatory.bundle_sid)];
    fields.extend(papers.into_iter().filter_map(|(name, sid)| Some((name, sid.clone()?))));
    fields.retain(|(name, value)| !(name.ends_with("Sid") && value.is_empty()));
    fields
}

/// Whether Twilio itself says that there is no such thing: a page of something on the way says nothing of the kind.
fn is_lacking(error: &CarrierError) -> bool {
    error.class == ErrorClass::NotFound && error.code.is_some()
}

/// A refused search, in the words of the fields that it was made from.
fn explained(error: CarrierError, country: &str, kind: NumberType) -> CarrierError {
    if is_lacking(&error) {
        let text = sells_none(errors::NAME, country, kind);
        return CarrierError { text, ..error };
    }
    // Which code a refused pattern has is not documented; 20422 is any value.
    let unmapped = error.class == ErrorClass::Unknown && error.code.is_some();
    if unmapped || ["422", "20422"].iter().any(|code| error.has_code(code)) {
        let text = "Twilio rejected the search as invalid; check spec.purchase.search.contains, startsWith, endsWith, areaCode, \
                    locality and region";
        return CarrierError { class: ErrorClass::Rejected, text: text.to_owned(), ..error };
    }
    error
}
