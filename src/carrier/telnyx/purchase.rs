//! Buying at Telnyx: reservations, and the one request that spends money. Does I/O.
//!
//! An order is taken now and ends later, and nothing makes it safe to send twice (sections 4 and 5): whoever calls
//! [`buy`](Telnyx::buy) has looked first. An order does not take a reservation's id; it is the number that is kept for us.

use std::{collections::HashSet, time::Duration};

use serde::Deserialize;
use serde_json::json;

use super::{
    Telnyx, errors,
    listing::{self, Keyed},
    numbers::is_about_the_value,
    wire::{self, Bindings, Data},
};
use crate::{
    api::{
        number::E164,
        purchase::{Hold, Marker},
    },
    carrier::{
        Bought, CarrierError, ErrorClass, Order, Outcome, Purchase,
        http::{Body, Call},
        lenient,
    },
};

const ORDERS: &str = "/v2/number_orders";
const SUB_ORDERS: &str = "/v2/sub_number_orders";
const CANCEL: &str = "/v2/sub_number_orders/{}/cancel";
const RESERVATIONS: &str = "/v2/number_reservations";

/// For how long an order is looked at after it was made, if it is not pending: far longer than it may take until its number is listed
/// with its reference, and a week for a cluster that is restored from a backup.
const RECENT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The words for an order, or a number in one, that came to nothing. All others stand: pending, success, those of the future.
const FAILED: [&str; 5] = ["failure", "failed", "cancelled", "canceled", "deleted"];

/// An order, or a reservation. Its numbers have ids of their own, which are not those of the account's numbers (section 4).
#[derive(Debug, Deserialize)]
struct Placed {
    #[serde(deserialize_with = "wire::name")]
    id: String,
    #[serde(default, deserialize_with = "wire::text")]
    status: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    customer_reference: Option<String>,
    #[serde(default)]
    phone_numbers: Option<Vec<Line>>,
    #[serde(default)]
    requirements_met: Option<bool>,
}

/// The part of an order that is about one country and type of number: here, all of it.
#[derive(Debug, Deserialize)]
struct Part {
    #[serde(deserialize_with = "wire::name")]
    id: String,
    #[serde(default, deserialize_with = "wire::text")]
    order_request_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    status: Option<String>,
}

/// The parts of an order. Their list has no pages, and says of the first 20 of them, or of all: ours have one.
#[derive(Debug, Deserialize)]
struct Parts {
    #[serde(deserialize_with = "lenient::rows")]
    data: Vec<Part>,
}

/// A number in an order or in a reservation.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(default, deserialize_with = "wire::text")]
    phone_number: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    status: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    expired_at: Option<String>,
}

impl Keyed for Placed {
    fn key(&self) -> &str {
        &self.id
    }
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Failed,
    Pending,
    Done,
}

impl Placed {
    fn line(&self, number: &E164) -> Option<&Line> {
        self.phone_numbers.iter().flatten().find(|line| line.phone_number.as_deref() == Some(number.as_str()))
    }

    /// How the whole and the number in it stand: what one of them says of a failure is so, and both have to say that it is done.
    fn standing(&self, line: &Line) -> Standing {
        let words = || [&self.status, &line.status].into_iter().filter_map(|word| word.as_deref());
        let is = |word: &str, known: &str| word.eq_ignore_ascii_case(known);
        if words().any(|word| FAILED.iter().any(|failed| is(word, failed))) {
            return Standing::Failed;
        }
        let done = words().next().is_some() && words().all(|word| is(word, "success"));
        if done { Standing::Done } else { Standing::Pending }
    }

    /// The order of this number in it, with the marker that it bears.
    fn of(&self, number: E164, line: &Line) -> Order {
        Order {
            id: self.id.clone(),
            number,
            marker: self.marker(),
            pending: self.standing(line) == Standing::Pending,
            lacks_papers: self.requirements_met == Some(false),
        }
    }

    fn marker(&self) -> Option<Marker> {
        self.customer_reference.as_deref().and_then(Marker::read)
    }
}

impl Telnyx {
    /// Buys the number. One that is not reserved is searched for first, without which there is an error and no number (85000): the
    /// search that offered it may be a minute old. Only after that very refusal, which is definite, is the order sent a second
    /// time, after one more search.
    pub(super) async fn buy(&self, purchase: &Purchase) -> Outcome<Bought> {
        let body = match body(purchase) {
            Ok(body) => body,
            Err(error) => return Outcome::DidNothing(error),
        };
        if purchase.hold.is_none()
            && let Err(error) = self.show(&purchase.number, purchase.before).await
        {
            return Outcome::DidNothing(error);
        }
        let placed = match self.order(purchase, &body).await {
            Outcome::DidNothing(error) if error.has_code(errors::NOT_SEARCHED) => {
                match self.show(&purchase.number, purchase.before).await {
                    // What is held for us may be shown to nobody.
                    Ok(shown) if shown || purchase.hold.is_some() => self.order(purchase, &body).await,
                    Ok(_) => return Outcome::DidNothing(error),
                    Err(error) => return Outcome::DidNothing(error),
                }
            }
            outcome => outcome,
        };
        match placed {
            Outcome::Did(placed) => self.bought(purchase, &placed).await,
            Outcome::DidNothing(error) => Outcome::DidNothing(error),
            Outcome::Unknown(error) => Outcome::Unknown(error),
        }
    }

    async fn order(&self, purchase: &Purchase, body: &serde_json::Value) -> Outcome<Placed> {
        let call = Call { before: Some(purchase.before), ..self.call(ORDERS, &[], "") };
        self.http.spend::<Data<Placed>>("POST", call, Body::Json(body)).await.map(|answer| answer.data)
    }

    /// What an order that was taken has led to. A number of one that succeeded may not be listed yet.
    async fn bought(&self, purchase: &Purchase, placed: &Placed) -> Outcome<Bought> {
        let number = &purchase.number;
        // Money is spent by now, most likely. On what, only a look can tell if this does not.
        let Some(line) = placed.line(number) else {
            return Outcome::Unknown(listing::torn("it shows another number than the one to buy"));
        };
        match placed.standing(line) {
            Standing::Failed => {
                let text = "Telnyx accepted the order and it failed; choose another number, or check the order in Mission Control";
                return Outcome::DidNothing(CarrierError::new(ErrorClass::Unavailable, text));
            }
            Standing::Pending => {}
            Standing::Done => {
                if let Ok(Some(owned)) = super::Carrier::find(self, number).await {
                    return Outcome::Did(Bought::Owned(owned));
                }
            }
        }
        Outcome::Did(Bought::Ordered(placed.of(number.clone(), line)))
    }

    /// The orders that may matter still: all that are pending, and whatever became of those of the last days. Those that are pending come
    /// first: one that ends meanwhile was seen. A filter that is ignored shows more, and one that is refused leaves all to be read.
    async fn placed(&self) -> Result<Vec<Placed>, CarrierError> {
        let since = jiff::Timestamp::now().as_second().saturating_sub(RECENT.as_secs() as i64);
        let since = jiff::Timestamp::from_second(since).unwrap_or(jiff::Timestamp::MIN);
        let mut placed: Vec<Placed> = Vec::new();
        for filter in ["filter%5Bstatus%5D=pending".to_owned(), format!("filter%5Bcreated_at%5D%5Bgt%5D={since}")] {
            match self.pages::<Placed>(ORDERS, &filter).await {
                Ok(more) => {
                    let newer: HashSet<&str> = more.iter().map(|order| &*order.id).collect();
                    placed.retain(|order| !newer.contains(&*order.id));
                    placed.extend(more);
                }
                Err(error) if is_about_the_value(&error) => return self.pages(ORDERS, "").await,
                Err(error) => return Err(error),
            }
        }
        Ok(placed)
    }

    /// Every order of this software's that stands, among those that may matter. They cannot be asked for by the beginning of their
    /// reference.
    pub(super) async fn standing_orders(&self) -> Result<Vec<Order>, CarrierError> {
        let placed = self.placed().await?;
        let mut orders = Vec::new();
        for order in &placed {
            if order.marker().is_none() {
                continue;
            }
            let lines = order.phone_numbers.iter().flatten();
            for line in lines.filter(|line| order.standing(line) != Standing::Failed) {
                // An order whose number cannot be read would otherwise look as if there were none.
                let number = line.phone_number.as_deref().and_then(|text| text.parse::<E164>().ok());
                let number = number.ok_or_else(|| listing::torn("an order in the list has no number"))?;
                orders.push(order.of(number, line));
            }
        }
        Ok(orders)
    }

    /// Cancels what is pending of an order. An order itself cannot be cancelled, only its parts (section 4); ours have one.
    pub(super) async fn cancel_order(&self, order: &Order) -> Outcome<()> {
        let id: String = url::form_urlencoded::byte_serialize(order.id.as_bytes()).collect();
        let filter = format!("filter%5Border_request_id%5D={id}");
        let parts = match self.http.read::<Parts>(self.call(SUB_ORDERS, &[], &filter)).await {
            Ok(Parts { data }) => data,
            Err(error) => return Outcome::DidNothing(error),
        };
        let is_pending = |part: &&Part| part.status.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("pending"));
        let mut ours =
            parts.iter().filter(|part| part.order_request_id.as_deref() == Some(&order.id)).filter(is_pending);
        let Some(part) = ours.next() else {
            let text = "the order is no longer pending at Telnyx; the operator looks for the number";
            return Outcome::DidNothing(CarrierError::new(ErrorClass::Conflict, text));
        };
        match self.write::<Part>("PATCH", self.call(CANCEL, &[&part.id], ""), &json!({})).await {
            // Between the two it may have ended.
            Outcome::DidNothing(error) if error.class == ErrorClass::Rejected => {
                Outcome::DidNothing(CarrierError { class: ErrorClass::Conflict, ..error })
            }
            outcome => outcome.map(|_| ()),
        }
    }

    /// Reserves the number, or finds that it is reserved for this account already, by us.
    pub(super) async fn reserve(&self, number: &E164, marker: &Marker) -> Outcome<Hold> {
        let body = json!({
            "phone_numbers": [{ "phone_number": number.as_str() }],
            "customer_reference": marker.as_str(),
        });
        let reservation = match self.write::<Placed>("POST", self.call(RESERVATIONS, &[], ""), &body).await {
            Outcome::Did(reservation) => reservation,
            Outcome::DidNothing(error) if error.has_code(errors::RESERVED) => {
                return match self.reserved(number, marker).await {
                    Ok(Some(hold)) => Outcome::Did(hold),
                    Ok(None) => Outcome::DidNothing(error),
                    Err(error) => Outcome::DidNothing(error),
                };
            }
            Outcome::DidNothing(error) => return Outcome::DidNothing(error),
            Outcome::Unknown(error) => return Outcome::Unknown(error),
        };
        let Some(line) = reservation.line(number) else {
            return Outcome::Unknown(listing::torn("it shows another number than the one to reserve"));
        };
        if reservation.standing(line) == Standing::Failed {
            let text = "Telnyx could not reserve this number; choose another one";
            return Outcome::DidNothing(CarrierError::new(ErrorClass::Unavailable, text));
        }
        Outcome::Did(Hold { number: number.clone(), until: line.expired_at.clone(), id: reservation.id })
    }

    /// The reservation of this number by which it can be ordered, if there is one: this installation made it, for whichever identity, and
    /// it has not ended. An order names no reservation, and the record of one may have been lost. Those that have ended are listed too.
    /// By which clock they end does not matter much: an order is refused for a number that is kept for somebody else.
    async fn reserved(&self, number: &E164, marker: &Marker) -> Result<Option<Hold>, CarrierError> {
        // How a number is to be written in that filter is not documented: what it does not show, the other may.
        for (filter, value) in
            [("phone_numbers.phone_number", number.as_str()), ("customer_reference", marker.as_str())]
        {
            let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            let found = match self.pages::<Placed>(RESERVATIONS, &format!("filter%5B{filter}%5D={value}")).await {
                Ok(reservations) => standing_hold(&reservations, number, marker),
                Err(error) if error.class == ErrorClass::Rejected => None,
                Err(error) => return Err(error),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// Of several reservations of a number the one that ends last.
fn standing_hold(reservations: &[Placed], number: &E164, marker: &Marker) -> Option<Hold> {
    let now = jiff::Timestamp::now();
    let hold = |reservation: &Placed| {
        let line = reservation.line(number)?;
        reservation.marker().filter(|shown| shown.is_same_installation(marker))?;
        let ends: Option<jiff::Timestamp> = line.expired_at.as_deref().and_then(|text| text.parse().ok());
        let stands = reservation.standing(line) != Standing::Failed && ends.is_none_or(|ends| ends > now);
        let held = || Hold { number: number.clone(), id: reservation.id.clone(), until: line.expired_at.clone() };
        stands.then(|| (ends, held()))
    };
    let last = reservations.iter().filter_map(hold).max_by_key(|(ends, hold)| (*ends, hold.id.clone()));
    last.map(|(_, hold)| hold)
}

/// What an order says: one number, so that there is one outcome, and everything that it begins with.
fn body(purchase: &Purchase) -> Result<serde_json::Value, CarrierError> {
    let Bindings { connection, profile } = Bindings::of(&purchase.route)?;
    let mut line = json!({ "phone_number": purchase.number.as_str() });
    if let Some(group) = purchase.regulatory.requirement_group_id.as_deref().filter(|id| !id.is_empty()) {
        line["requirement_group_id"] = json!(group);
    }
    let mut body = json!({ "phone_numbers": [line], "customer_reference": purchase.marker.as_str() });
    for (field, id) in [("connection_id", connection), ("messaging_profile_id", profile)] {
        if let Some(id) = id.flatten() {
            body[field] = json!(id);
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_stands_unless_it_or_its_number_failed() {
        let standing = |order: &str, line: &str| {
            let placed: Placed = serde_json::from_value(json!({
                "id": "1", "status": order, "phone_numbers": [{ "phone_number": "+14155550001", "status": line }],
            }))
            .unwrap();
            placed.standing(placed.line(&"+14155550001".parse().unwrap()).unwrap())
        };
        for (order, line, expected) in [
            ("pending", "pending", Standing::Pending),
            ("success", "success", Standing::Done),
            ("success", "", Standing::Done),
            ("success", "pending", Standing::Pending),
            ("partial_success", "success", Standing::Pending),
            ("partial_success", "failed", Standing::Failed),
            ("a-word-of-the-future", "", Standing::Pending),
            ("", "", Standing::Pending),
            ("failure", "pending", Standing::Failed),
            ("Cancelled", "", Standing::Failed),
            ("deleted", "success", Standing::Failed),
        ] {
            assert_eq!(standing(order, line), expected, "{order} {line}");
        }
    }
}
