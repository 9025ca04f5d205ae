//! The numbers of an organization: how they come in otherwise than by a purchase, and which agent answers them (sections 1.7 to 1.9).
//! Does I/O.

use serde::de::IgnoredAny;
use serde_json::json;

use super::{
    Flowyte, WRITE_NUMBERS,
    errors::{self, torn},
    wire::{self, Shown, WireNumber},
};
use crate::{
    api::number::{E164, Route},
    carrier::{Carrier as _, CarrierError, ErrorClass, NumberId, Outcome, OwnedNumber, http::Body},
};

pub(super) const NUMBERS: &str = "/api/v1/numbers";
const ASSIGN: &str = "/api/v1/numbers/{}/assign";
const IMPORT: &str = "/api/v1/numbers/import";

/// How a number is refused that is not to be had from the carrier account: which status says so is not documented.
const NOT_IMPORTED: &[ErrorClass] = &[ErrorClass::NotFound, ErrorClass::Conflict, ErrorClass::Rejected];

impl Flowyte {
    /// Has an agent answer the number, whoever did before, or nobody.
    pub(super) async fn assign(&self, id: &NumberId, route: &Route) -> Outcome<OwnedNumber> {
        match wire::agent_of(route) {
            Ok(Some(agent)) => self.give(id, agent).await,
            Ok(None) => self.take_off(id).await,
            Err(error) => Outcome::DidNothing(error),
        }
    }

    /// Takes in a number of the organization's carrier account. Its agent is assigned afterwards, as that of any other: what this path calls
    /// one is not documented. Nor is what it answers, and how it refuses a number that is there already: so that is looked at.
    pub(super) async fn import(&self, number: &E164) -> Outcome<OwnedNumber> {
        let body = json!({ "e164": number.as_str() });
        let refusal = match self.write("POST", WRITE_NUMBERS, self.call(IMPORT, &[], ""), Body::Json(&body)).await {
            Outcome::Did(Shown::<WireNumber>(Some(row))) if row.number().as_ref() == Some(number) => return ours(row),
            Outcome::Did(Shown(Some(_))) => {
                return Outcome::Unknown(torn("it shows another number than the one to import"));
            }
            Outcome::Did(Shown(None)) => None,
            Outcome::DidNothing(error) if errors::is_own(&error, ErrorClass::Conflict) => Some(error),
            Outcome::DidNothing(error) => return Outcome::DidNothing(not_imported(error)),
            Outcome::Unknown(error) => return Outcome::Unknown(error),
        };
        match (self.find(number).await, refusal) {
            (Ok(Some(owned)), _) => Outcome::Did(owned),
            (Ok(None), None) => Outcome::Unknown(torn("the imported number is not in the list")),
            (Ok(None), Some(error)) => Outcome::DidNothing(not_imported(error)),
            (Err(error), _) => Outcome::Unknown(error),
        }
    }

    async fn give(&self, id: &NumberId, agent: &str) -> Outcome<OwnedNumber> {
        let (args, body) = ([id.0.as_str()], json!({ "agentId": agent }));
        let written = self.write("POST", WRITE_NUMBERS, self.call(ASSIGN, &args, ""), Body::Json(&body)).await;
        let row = match written {
            Outcome::Did(Shown::<WireNumber>(Some(row))) => Ok(Some(row)),
            Outcome::Did(_) => self.row(id).await,
            Outcome::DidNothing(error) if errors::is_own(&error, ErrorClass::NotFound) => {
                let text = "Flowyte has no such number or no such agent in this organization; check the agent's ID, and that the API key \
                            belongs to the right organization";
                return Outcome::DidNothing(CarrierError { text: text.to_owned(), ..error });
            }
            Outcome::DidNothing(error) => return Outcome::DidNothing(error),
            Outcome::Unknown(error) => return Outcome::Unknown(error),
        };
        match row {
            Ok(Some(row)) if row.id == id.0 && row.default_agent_id.as_deref() == Some(agent) => ours(row),
            Ok(Some(row)) if row.id == id.0 => Outcome::Unknown(torn("it shows another agent than the assigned one")),
            Ok(_) => Outcome::Unknown(torn("it does not show the number that was changed")),
            Err(error) => Outcome::Unknown(error),
        }
    }

    /// Takes the agent off. What is answered, and what a number without one is answered, is not documented (section 1.9): the number is read
    /// back in any case.
    async fn take_off(&self, id: &NumberId) -> Outcome<OwnedNumber> {
        let args = [id.0.as_str()];
        let done = match self.delete(&args).await {
            Outcome::Did(_) => None,
            Outcome::DidNothing(error) if errors::GONE.iter().any(|class| errors::is_own(&error, *class)) => {
                Some(error)
            }
            Outcome::DidNothing(error) => return Outcome::DidNothing(error),
            Outcome::Unknown(error) => return Outcome::Unknown(error),
        };
        match (self.row(id).await, done) {
            // It said that it was done, and the list may lag behind that.
            (Ok(Some(row)), None) => ours(WireNumber { default_agent_id: None, ..row }),
            (Ok(Some(row)), Some(_)) if row.default_agent_id.is_none() => ours(row),
            (Ok(None), None) => Outcome::Unknown(torn("it does not show the number that was changed")),
            (Ok(_), Some(error)) => Outcome::DidNothing(error),
            (Err(error), _) => Outcome::Unknown(error),
        }
    }

    /// The one thing of a number that is ever deleted: its assignment.
    async fn delete(&self, args: &[&str; 1]) -> Outcome<Shown<IgnoredAny>> {
        self.write("DELETE", WRITE_NUMBERS, self.call(ASSIGN, args, ""), Body::Empty).await
    }

    /// The number of this id. No path to one number is documented (section 1.0).
    async fn row(&self, id: &NumberId) -> Result<Option<WireNumber>, CarrierError> {
        Ok(self.rows().await?.into_iter().find(|row| row.id == id.0))
    }
}

fn not_imported(error: CarrierError) -> CarrierError {
    let text = "Flowyte refused to import this number; check that the carrier account that this organization has connected there owns it, \
                and that it is not in use elsewhere";
    errors::of_number(error, NOT_IMPORTED, text)
}

/// The number that a write has led to.
fn ours(row: WireNumber) -> Outcome<OwnedNumber> {
    row.owned().map_or_else(|| Outcome::Unknown(torn("it shows no valid number")), Outcome::Did)
}
