//! Numbers of Twilio and Telnyx that an agent answers: put on, taken off, and what is set on them. Does I/O.
//!
//! An import overwrites the number's webhooks at its carrier before there is a row, and what ends it clears them (sections 2.1 and
//! 2.4): what either was interrupted in is seen at the carrier, and not here.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{
    Nixflex, errors,
    wire::{self, Deleted, WireNumber, Written},
};
use crate::{
    api::{
        number::{E164, Route},
        phone_number::NumberConfig,
    },
    carrier::{
        CarrierError, ErrorClass, Lent, NumberId, Outcome, OwnedNumber,
        http::{Body, Call},
    },
};

const NUMBERS: &str = "/v1/phone-numbers";
const NUMBER: &str = "/v1/phone-numbers/{}";

impl Nixflex {
    /// What the import's own checks would refuse, as far as they are documented (section 2.1). The agent's form is not.
    pub(super) fn foresees(&self, lent: &Lent) -> Option<CarrierError> {
        let refused = |text: &str| Some(CarrierError::new(ErrorClass::Rejected, text));
        let has_connection = lent.connection.as_deref().is_some_and(|id| !id.trim().is_empty());
        match lent.carrier {
            TWILIO if !lent.account.as_deref().is_some_and(is_sid) => {
                Some(errors::foreseen(errors::INVALID_TWILIO_SID))
            }
            TELNYX if !has_connection => refused(NO_CONNECTION),
            TWILIO | TELNYX => None,
            _ => refused("Nixflex answers only numbers at Twilio and Telnyx; use an agent that is hosted elsewhere"),
        }
    }

    /// Imports the number. Nothing is sent that is known to be refused.
    pub(super) async fn import(
        &self,
        number: &E164,
        agent: &str,
        lent: &Lent,
        config: &NumberConfig,
    ) -> Outcome<OwnedNumber> {
        if let Some(error) = self.foresees(lent) {
            return Outcome::DidNothing(error);
        }
        let body = import_body(number, agent, lent, config);
        // What a repeated key does is not described (section 5). One that is used twice might have the answer of before come back
        // and nothing done, so every import has its own: it is there for what sends requests again on the way.
        let key = format!("dp-{:016x}{:016x}", random(), random());
        let call = Call { headers: &[("idempotency-key", &key)], ..self.call(NUMBERS, &[], "") };
        match self.http.write("POST", call, Body::Json(&body)).await {
            Outcome::Did(Written(row)) => imported(row, number, agent, config),
            Outcome::DidNothing(error) => Outcome::DidNothing(errors::of_import(error)),
            Outcome::Unknown(error) => Outcome::Unknown(error),
        }
    }

    /// Takes the number off. A row that is somebody else's is not there either (section 2.4), and need not be taken off.
    pub(super) async fn remove(&self, number: &E164) -> Outcome<()> {
        match self.http.write::<Deleted>("DELETE", self.call(NUMBER, &[number.as_str()], ""), Body::Empty).await {
            Outcome::Did(deleted) if deleted.phone_number != number.as_str() => Outcome::Unknown(another()),
            Outcome::Did(Deleted { stays: true, .. }) => {
                Outcome::Unknown(errors::torn("it says that the number was not removed"))
            }
            Outcome::Did(_) => Outcome::Did(()),
            // A 404 without the code says nothing of the number.
            Outcome::DidNothing(error) if error.has_code(errors::NUMBER_NOT_FOUND) => Outcome::Did(()),
            Outcome::DidNothing(error) => Outcome::DidNothing(error),
            Outcome::Unknown(error) => Outcome::Unknown(error),
        }
    }

    /// Takes the number off if that is what `route` says; nothing else can be done to where a number goes (section 2.3).
    pub(super) async fn clear(&self, id: &NumberId, route: &Route) -> Outcome<OwnedNumber> {
        let refused = |text: &str| Outcome::DidNothing(CarrierError::new(ErrorClass::Rejected, text));
        if !route.values().all(|destination| destination.is_empty()) {
            return refused(
                "Nixflex cannot move a number to another agent: remove the number first; calls are not answered until it is assigned \
                 again",
            );
        }
        if wire::canonical(route.clone()).is_empty() {
            return refused("the route has no channel that Nixflex supports; this is a bug in Dialplane");
        }
        let Ok(number) = id.0.parse::<E164>() else {
            return refused("the ID of this number at Nixflex is not a phone number; the operator looks it up again");
        };
        self.remove(&number).await.map(|()| wire::owned(number, None, NumberConfig::default()))
    }

    /// Sets just what is named, by one request. An empty one would be refused (section 2.3), so none is made of nothing. Answers may
    /// be short, and a field that the server does not know is overlooked: the number is read again unless all of it was answered.
    pub(super) async fn set(&self, number: &E164, config: &NumberConfig) -> Outcome<OwnedNumber> {
        let (args, body) = ([number.as_str()], wire::settings(config));
        if body == json!({}) {
            let text = "there is no setting to change; this is a bug in Dialplane";
            return Outcome::DidNothing(CarrierError::new(ErrorClass::Rejected, text));
        }
        let row = match self.http.write("PATCH", self.call(NUMBER, &args, ""), Body::Json(&body)).await {
            Outcome::Did(Written(row)) => row,
            Outcome::DidNothing(error) => return Outcome::DidNothing(error),
            Outcome::Unknown(error) => return Outcome::Unknown(error),
        };
        let seen = match row {
            row if row.phone_number != number.as_str() => return Outcome::Unknown(another()),
            row if row.is_whole() => row.owned(),
            _ => match self.number(number).await {
                Ok(seen) => seen,
                Err(error) => return Outcome::Unknown(error),
            },
        };
        match seen {
            None => Outcome::Unknown(errors::torn("it does not show the number that was changed")),
            Some(seen) if !config.changes(&seen.config()).is_empty() => {
                Outcome::Unknown(errors::torn("it shows other settings than those that were set"))
            }
            Some(seen) => Outcome::Did(seen),
        }
    }
}

const TWILIO: &str = "twilio";
const TELNYX: &str = "telnyx";

const NO_CONNECTION: &str = "Nixflex binds a Telnyx number to a TeXML application, and none is named; create one in Mission Control whose voice webhook is \
     https://api.nixflex.com/telnyx-voice, and set its ID as connectionId beside the platform in spec.lendTo of the Telnyx account";

/// Lower-case digits only, though Twilio itself would allow others.
fn is_sid(account: &str) -> bool {
    let digits = account.strip_prefix("AC").unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The body of an import. Which carrier it is, is said by whose credentials it has (section 2.1): only ever one's.
fn import_body(number: &E164, agent: &str, lent: &Lent, config: &NumberConfig) -> Value {
    let secret = json!(lent.secret.expose_secret());
    let mut body = wire::import(number, agent, config);
    let (account, token) = match lent.carrier {
        TWILIO => (("twilio_sid", &lent.account), "twilio_token"),
        _ => (("telnyx_connection_id", &lent.connection), "telnyx_api_key"),
    };
    body.insert(account.0.to_owned(), json!(account.1));
    body.insert(token.to_owned(), secret);
    Value::Object(body)
}

/// What an import has led to. A short answer does not show the prompt that was sent; what else is set is not known then, and taken
/// for unset as it is on a number that is new there.
fn imported(row: WireNumber, number: &E164, agent: &str, config: &NumberConfig) -> Outcome<OwnedNumber> {
    if row.phone_number != number.as_str() {
        return Outcome::Unknown(another());
    }
    if row.agent_id.as_deref() != Some(agent) {
        return Outcome::Unknown(errors::torn("it shows another agent than the assigned one"));
    }
    let mut seen = row.config();
    if !row.shows_prompt() {
        seen.prompt = config.prompt.clone().filter(|prompt| !prompt.is_empty());
    }
    Outcome::Did(wire::owned(number.clone(), row.agent_id, seen))
}

fn another() -> CarrierError {
    errors::torn("it shows another number than the requested one")
}

/// Without randomness the key is one that was used before, at worst, which is nothing to rely on in any case.
fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}
