//! What Twilio's numbers cost each month: one price for a type in a country, read seldom. I/O through what it is given to read
//! with.
//!
//! A price that cannot be read is not known. It fails no search, and it is never guessed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    api::{
        money::Amount,
        offer::{NumberType, Price},
    },
    carrier::{
        CarrierError,
        lenient::{Rows, Scalar},
        written::{amount, currency},
    },
};

/// How long a price list is believed.
const FRESH: Duration = Duration::from_secs(600);
/// How long it is not asked for again once it could not be read: credentials that may not see prices still may search.
const AGAIN: Duration = Duration::from_secs(60);

/// The prices of a country, as the pricing API shows them.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PriceList {
    pub iso_country: Option<String>,
    price_unit: Option<String>,
    #[serde(default)]
    phone_number_prices: Option<Rows<TypePrice>>,
}

#[derive(Clone, Debug, Deserialize)]
struct TypePrice {
    number_type: Scalar,
    /// What this account pays each month; `base_price` is what others do.
    current_price: Scalar,
}

impl PriceList {
    /// What a number of this type costs.
    ///
    /// Twilio's documents know no price for setting a number up, and do not say either that there is none: it stays unknown.
    pub fn price(&self, kind: NumberType) -> Price {
        let rows = self.phone_number_prices.iter().flat_map(|Rows(rows)| rows);
        let is_of = |row: &&TypePrice| type_of(row.number_type.written().unwrap_or_default()) == Some(kind);
        let mut amounts = rows.filter(is_of).map(|row| amount(&row.current_price));
        // Two prices for one type: which one would be paid is not known.
        let monthly = match (amounts.next(), amounts.next()) {
            (Some(amount), None) => amount.filter(|amount| *amount >= Amount::default()),
            _ => None,
        };
        match (monthly, self.price_unit.as_deref().and_then(currency)) {
            (Some(monthly), Some(currency)) => Price { monthly: Some(monthly), setup: None, currency: Some(currency) },
            _ => Price::default(),
        }
    }
}

/// `toll free` has been written in more ways than one.
fn type_of(text: &str) -> Option<NumberType> {
    let plain: String = text.chars().filter(char::is_ascii_alphabetic).collect();
    match plain.to_ascii_lowercase().as_str() {
        "local" => Some(NumberType::Local),
        "mobile" => Some(NumberType::Mobile),
        "national" => Some(NumberType::National),
        "tollfree" => Some(NumberType::TollFree),
        _ => None,
    }
}

/// The price lists that were read, by country. Whoever asks for one that is just being read waits for it.
#[derive(Debug, Default)]
pub(super) struct Prices {
    countries: Mutex<HashMap<String, Slot>>,
}

type Slot = Arc<tokio::sync::Mutex<Option<Kept>>>;

#[derive(Debug)]
struct Kept {
    at: Instant,
    /// Nothing if it could not be read.
    list: Option<Arc<PriceList>>,
}

impl Prices {
    /// The price list of a country: a fresh one, or what `read` gives. Nothing if it cannot be had.
    pub async fn of(
        &self,
        country: &str,
        read: impl Future<Output = Result<PriceList, CarrierError>>,
    ) -> Option<Arc<PriceList>> {
        let slot = self.slot(country);
        let mut kept = slot.lock().await;
        if let Some(Kept { at, list }) = kept.as_ref() {
            let lasts = if list.is_some() { FRESH } else { AGAIN };
            if at.elapsed() < lasts {
                return list.clone();
            }
        }
        let at = Instant::now();
        let list = match read.await {
            Ok(list) => Some(Arc::new(list)),
            Err(error) => {
                tracing::debug!(class = ?error.class, code = ?error.code, country, "the prices could not be read");
                None
            }
        };
        *kept = Some(Kept { at, list: list.clone() });
        list
    }

    fn slot(&self, country: &str) -> Slot {
        let mut countries = self.countries.lock().unwrap_or_else(PoisonError::into_inner);
        countries.entry(country.to_owned()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::{Value, json};

    use super::*;
    use crate::carrier::ErrorClass;

    fn list(unit: Value, rows: Value) -> PriceList {
        serde_json::from_value(json!({ "price_unit": unit, "phone_number_prices": rows })).unwrap()
    }

    fn row(kind: &str, current: Value) -> Value {
        json!({ "number_type": kind, "base_price": "9.00", "current_price": current })
    }

    #[test]
    fn a_price_is_the_accounts_own_or_it_is_not_known() {
        let rows = json!([
            row("local", json!("1.15")),
            row("toll free", json!(2.15)),
            row("mobile", json!("free")),
            7,
            row("national", json!("-1"))
        ]);
        let known = list(json!("usd"), rows.clone());
        let local = known.price(NumberType::Local);
        assert_eq!((local.monthly, local.setup, local.currency.as_deref()), ("1.15".parse().ok(), None, Some("USD")));
        assert_eq!(known.price(NumberType::TollFree).monthly, "2.15".parse().ok());
        for kind in [NumberType::Mobile, NumberType::National] {
            assert_eq!(known.price(kind), Price::default());
        }
        let unknown = [
            list(json!(null), rows),
            list(json!("USD"), json!(null)),
            list(json!("USD"), json!([row("local", json!("1")), row("local", json!("2"))])),
            list(json!("USD"), json!([row("local", json!("1000000000000"))])),
            PriceList::default(),
        ];
        assert!(unknown.iter().all(|list| list.price(NumberType::Local) == Price::default()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_is_read_once_by_all_who_wait_and_again_when_it_is_old() {
        let (prices, asked) = (Prices::default(), AtomicUsize::new(0));
        let read = async |fails: bool| {
            let read = async {
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(10)).await;
                let text = "not allowed".to_owned();
                match fails {
                    true => Err(CarrierError::new(ErrorClass::Forbidden, text)),
                    false => Ok(list(json!("USD"), json!([]))),
                }
            };
            prices.of("US", read).await.is_some()
        };
        assert_eq!(futures::join!(read(false), read(false), read(false)), (true, true, true));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        tokio::time::advance(FRESH - Duration::from_secs(1)).await;
        assert!(read(true).await && asked.load(Ordering::SeqCst) == 1);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!read(true).await, "an old price is not a price");
        assert!(!read(false).await && asked.load(Ordering::SeqCst) == 2, "it is not asked for again at once");
        tokio::time::advance(AGAIN).await;
        assert!(read(false).await && asked.load(Ordering::SeqCst) == 3);
    }
}
