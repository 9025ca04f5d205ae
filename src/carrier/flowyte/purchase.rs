//! Buying at Flowyte: holds, and the one request that spends money (sections 1.4 and 1.6). Does I/O.
//!
//! An order names one number and bears a key by which the same order, sent twice, is carried out once (traps 1 and 2). It is sent once all
//! the same: how long a key lives is not documented. Nothing here pays into the wallet (trap 4).

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::json;

use super::{
    Flowyte, WRITE_NUMBERS,
    errors::{self, torn},
    wire::{self, Data, Shown, WireNumber},
};
use crate::{
    api::{money::Amount, number::E164, offer::Price, purchase::Hold},
    carrier::{
        Bought, Carrier as _, CarrierError, ErrorClass, Outcome, Purchase, Sales as _,
        http::{Body, Call},
        lenient::Scalar,
    },
};

const PURCHASE: &str = "/api/v1/numbers/purchase";
const RESERVE: &str = "/api/v1/numbers/reserve";
const RESERVATION: &str = "/api/v1/numbers/reserve/{}";

/// For how long a hold is trusted that does not say when it ends: a little less than the half an hour that is documented (trap 6).
const KEPT: Duration = Duration::from_secs(25 * 60);

/// What stands in the place of a number that is not to be had.
const TAKEN: &str = "this number is not available at Flowyte, or its hold has ended; choose another one";
const NOT_KEPT: &str = "Flowyte did not hold this number: it is not available, or cannot be held; choose another one";
const ODD_ID: &str =
    "the ID of this hold has characters that cannot be sent safely to Flowyte; the hold expires by itself";

/// Why a number cannot be kept: it is gone, or is one of those that are never kept, which may be said by either of two statuses.
const UNKEPT: &[ErrorClass] = &[ErrorClass::NotFound, ErrorClass::Conflict, ErrorClass::Rejected];

impl Flowyte {
    /// Buys the number.
    pub(super) async fn buy(&self, purchase: &Purchase) -> Outcome<Bought> {
        let number = &purchase.number;
        let mut body = json!({ "e164": number.as_str() });
        if let Some(hold) = &purchase.hold {
            body["reservationId"] = json!(hold.id);
        }
        let headers = [("idempotency-key", purchase.key.as_str())];
        let call = Call { before: Some(purchase.before), headers: &headers, ..self.call(PURCHASE, &[], "") };
        match self.spend::<Shown<WireNumber>>(WRITE_NUMBERS, call, Body::Json(&body)).await {
            Outcome::Did(Shown(Some(row))) if row.number().as_ref() == Some(number) => match row.owned() {
                Some(owned) => Outcome::Did(Bought::Owned(owned)),
                None => Outcome::Unknown(another()),
            },
            // Money is spent by now, most likely. On what, only a look can tell.
            Outcome::Did(Shown(Some(_))) => Outcome::Unknown(another()),
            Outcome::Did(Shown(None)) => match self.find(number).await {
                Ok(Some(owned)) => Outcome::Did(Bought::Owned(owned)),
                Ok(None) => Outcome::Unknown(torn("the bought number is not in the list")),
                Err(error) => Outcome::Unknown(error),
            },
            Outcome::DidNothing(error) => self.not_bought(number, error).await,
            Outcome::Unknown(error) => Outcome::Unknown(error),
        }
    }

    /// What a refusal means. The organization's own number is refused in the words of one that somebody else took (trap 1), so that is
    /// looked at before it is believed: to take one's own success for that would be to buy a second number.
    async fn not_bought(&self, number: &E164, error: CarrierError) -> Outcome<Bought> {
        if errors::is_own(&error, ErrorClass::Funds) {
            return Outcome::DidNothing(errors::funds(error, &self.shortfall(number).await));
        }
        if !errors::GONE.iter().any(|class| errors::is_own(&error, *class)) {
            return Outcome::DidNothing(error);
        }
        match self.find(number).await {
            Ok(Some(owned)) => Outcome::Did(Bought::Owned(owned)),
            Ok(None) => Outcome::DidNothing(errors::of_number(error, errors::GONE, TAKEN)),
            Err(error) => Outcome::Unknown(error),
        }
    }

    /// How much money there is and how much is needed, as far as that can be read. What exactly is debited is not documented
    /// (section 1.6).
    async fn shortfall(&self, number: &E164) -> String {
        let (balance, offer) = tokio::join!(self.balance(), self.offer(number));
        let Ok(Some(balance)) = balance else { return String::new() };
        let has = format!("it has {} {}", balance.amount, balance.currency);
        let price = offer.ok().flatten().map(|offer| offer.price);
        match price.filter(|price| price.currency.as_ref() == Some(&balance.currency)).and_then(first_payment) {
            Some(cost) if cost > balance.amount => {
                let lacks = cost.minus(balance.amount);
                format!("{has}, and setup and the first month of the number cost {cost}, which is {lacks} more")
            }
            _ => has,
        }
    }

    /// Has the number kept. A hold of our own whose answer was lost is refused like anybody else's, and there is no list of them (trap 7):
    /// it lapses.
    pub(super) async fn reserve(&self, number: &E164) -> Outcome<Hold> {
        let begun = Timestamp::now();
        let body = json!({ "e164": number.as_str() });
        let call = self.call(RESERVE, &[], "");
        match self.write::<Data<HashMap<String, Scalar>>>("POST", WRITE_NUMBERS, call, Body::Json(&body)).await {
            Outcome::Did(Data { data, .. }) => match hold(number, &data, begun) {
                Some(hold) => Outcome::Did(hold),
                None => Outcome::Unknown(torn("it shows no hold of the requested number")),
            },
            Outcome::DidNothing(error) => Outcome::DidNothing(errors::of_number(error, UNKEPT, NOT_KEPT)),
            Outcome::Unknown(error) => Outcome::Unknown(error),
        }
    }

    /// Lets go of a hold (section 1.5). One that is not there has ended.
    pub(super) async fn unreserve(&self, hold: &Hold) -> Outcome<()> {
        if !is_plain(&hold.id) {
            return Outcome::DidNothing(CarrierError::new(ErrorClass::Rejected, ODD_ID));
        }
        let args = [hold.id.as_str()];
        let call = self.call(RESERVATION, &args, "");
        match self.write::<Shown<IgnoredAny>>("DELETE", WRITE_NUMBERS, call, Body::Empty).await {
            Outcome::DidNothing(error) if errors::is_own(&error, ErrorClass::NotFound) => Outcome::Did(()),
            outcome => outcome.map(drop),
        }
    }
}

/// Whether an id stays one part of a path, however often it is decoded on the way. Any other might lead from a hold to a number, and to
/// delete that would give it back for good (trap 33).
fn is_plain(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    id.bytes().all(plain) && id.bytes().any(|b| b.is_ascii_alphanumeric())
}

/// Setup and the first month, as far as they are known.
fn first_payment(price: Price) -> Option<Amount> {
    match (price.setup, price.monthly) {
        (Some(setup), Some(monthly)) => Some(setup.plus(monthly)),
        (setup, monthly) => setup.or(monthly),
    }
}

fn another() -> CarrierError {
    torn("it shows another number than the one to buy")
}

/// The hold that an answer shows. What the field is called that says when it ends is not documented: any that is a time and whose name
/// speaks of an end is taken.
fn hold(number: &E164, said: &HashMap<String, Scalar>, begun: Timestamp) -> Option<Hold> {
    let text = |name: &str| said.get(name).and_then(Scalar::written).filter(|text| !text.trim().is_empty());
    if text("e164").is_some_and(|text| wire::e164(text).as_ref() != Some(number)) {
        return None;
    }
    let is_end = |name: &str| ["expir", "until"].iter().any(|end| name.to_ascii_lowercase().contains(end));
    let times = said.iter().filter(|(name, _)| is_end(name)).filter_map(|(_, value)| value.written());
    let ends = times.filter_map(|text| text.parse::<Timestamp>().ok()).min();
    let until = ends.or_else(|| begun.checked_add(KEPT).ok()).map(|until| until.to_string());
    Some(Hold { number: number.clone(), id: text("id")?.to_owned(), until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_ends_when_it_says_or_a_little_before_it_is_documented_to() {
        let number: E164 = "+14155550100".parse().unwrap();
        let begun: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let hold = |said: serde_json::Value| hold(&number, &serde_json::from_value(said).unwrap(), begun);
        for (said, until) in [
            (json!({ "id": "r1" }), "2026-11-30T12:25:00Z"),
            (json!({ "id": "r1", "expiresAt": "2026-11-30T12:30:00.000Z" }), "2026-11-30T12:30:00Z"),
            (json!({ "id": "r1", "reserved_until": "2026-11-30T12:29:00Z", "expires": 1800 }), "2026-11-30T12:29:00Z"),
            (
                json!({ "id": 7, "e164": "+14155550100", "expiry": null, "more": { "deep": [] } }),
                "2026-11-30T12:25:00Z",
            ),
        ] {
            assert_eq!(hold(said.clone()).unwrap().until.as_deref(), Some(until), "{said}");
        }
        assert!(hold(json!({ "e164": "+14155550100" })).is_none(), "without an id");
        assert!(hold(json!({ "id": "r1", "e164": "+14155550101" })).is_none(), "another number");
    }
}
