//! The numbers of an account: which there are, and what they are bound to and marked with. Does I/O.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Telnyx, listing,
    wire::{self, Bindings, WireNumber},
};
use crate::{
    api::{number::Route, purchase::Marker},
    carrier::{CarrierError, ErrorClass, NumberId, Outcome, OwnedNumber},
};

const NUMBERS: &str = "/v2/phone_numbers";
const NUMBER: &str = "/v2/phone_numbers/{}";
const MESSAGING: &str = "/v2/phone_numbers/{}/messaging";

/// Without it a messaging service that does not answer makes every answer a 503 (section 6.1), which would count as Telnyx being
/// unwell altogether.
const HANDLE: &str = "handle_messaging_profile_error=true";

/// How a number is set for messages.
#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(default, deserialize_with = "wire::text")]
    messaging_profile_id: Option<String>,
}

impl Telnyx {
    /// The account's numbers that Telnyx's own filter lets through, all pages of them, whatever their status.
    pub(super) async fn rows(&self, filter: &str) -> Result<Vec<WireNumber>, CarrierError> {
        let query = if filter.is_empty() { HANDLE.to_owned() } else { format!("{filter}&{HANDLE}") };
        self.pages(NUMBERS, &query).await
    }

    async fn row(&self, id: &NumberId) -> Result<WireNumber, CarrierError> {
        let row: WireNumber = self.read(self.call(NUMBER, &[&id.0], "")).await?;
        if row.id == id.0 { Ok(row) } else { Err(another()) }
    }

    /// Binds the channels that `route` names, one request for each: they are set in two places (sections 6.2 and 6.5). Once the
    /// first is done, the second's failure leaves a number that is neither as it was nor as it should be: unknown, to be looked at.
    ///
    /// What the writes themselves answer is what the number is bound to now. Its row is read as well where they do not show it; the
    /// messaging profile there may lag behind.
    pub(super) async fn bind(&self, id: &NumberId, route: &Route) -> Outcome<OwnedNumber> {
        let Bindings { connection, profile } = match Bindings::of(route) {
            Ok(bindings) if bindings == Bindings::default() => {
                let text = "the route has no channel that can be set; this is a bug in Dialplane";
                return Outcome::DidNothing(CarrierError::new(ErrorClass::Rejected, text));
            }
            Ok(bindings) => bindings,
            Err(error) => return Outcome::DidNothing(error),
        };
        let mut bound = None;
        if let Some(connection) = &connection {
            match self.connect(id, connection.as_deref()).await {
                Outcome::Did(row) => bound = Some(row),
                Outcome::DidNothing(error) => return Outcome::DidNothing(error),
                Outcome::Unknown(error) => return Outcome::Unknown(error),
            }
        }
        if let Some(profile) = &profile {
            match self.set_profile(id, profile.as_deref()).await {
                Outcome::Did(()) => {}
                Outcome::DidNothing(error) if bound.is_none() => return Outcome::DidNothing(error),
                Outcome::DidNothing(error) | Outcome::Unknown(error) => return Outcome::Unknown(error),
            }
        }
        let mut row = match bound {
            Some(row) => row,
            None => match self.row(id).await {
                Ok(row) => row,
                Err(error) => return Outcome::Unknown(error),
            },
        };
        if let Some(profile) = profile {
            row.messaging_profile_id = profile;
        }
        ours(row)
    }

    /// Sets or unsets the connection. What unsets it is not documented (section 6.2): the empty text, null, or nothing does.
    async fn connect(&self, id: &NumberId, connection: Option<&str>) -> Outcome<WireNumber> {
        let values = match connection {
            Some(connection) => vec![json!(connection)],
            None => vec![json!(""), Value::Null],
        };
        for value in values {
            match self
                .write::<WireNumber>("PATCH", self.call(NUMBER, &[&id.0], ""), &json!({ "connection_id": value }))
                .await
            {
                Outcome::Did(row) if row.id != id.0 => return Outcome::Unknown(another()),
                Outcome::Did(row) if row.connection_id.as_deref() == connection => return Outcome::Did(row),
                Outcome::Did(_) if connection.is_some() => {
                    return Outcome::Unknown(listing::torn("it shows another application than the one that was set"));
                }
                Outcome::Did(_) => {}
                Outcome::DidNothing(error) if connection.is_none() && is_about_the_value(&error) => {}
                other => return other,
            }
        }
        let text = "Telnyx did not remove the number from its application; remove it in Mission Control, or give the number another agent";
        Outcome::DidNothing(CarrierError::new(ErrorClass::Rejected, text))
    }

    /// Null would keep the profile, and the empty text takes it away (section 6.5).
    async fn set_profile(&self, id: &NumberId, profile: Option<&str>) -> Outcome<()> {
        let body = json!({ "messaging_profile_id": profile.unwrap_or_default() });
        match self.write::<Settings>("PATCH", self.call(MESSAGING, &[&id.0], ""), &body).await {
            Outcome::Did(settings) if settings.messaging_profile_id.as_deref() == profile => Outcome::Did(()),
            Outcome::Did(_) => {
                Outcome::Unknown(listing::torn("it shows another messaging profile than the one that was set"))
            }
            Outcome::DidNothing(error) => Outcome::DidNothing(error),
            Outcome::Unknown(error) => Outcome::Unknown(error),
        }
    }

    /// Writes the marker where a purchase does, and in a tag, which people overwrite less often. Tags are replaced as a whole
    /// (section 6.2), so everybody else's are read first and written again.
    pub(super) async fn write_marker(&self, id: &NumberId, marker: &Marker) -> Outcome<OwnedNumber> {
        let row = match self.row(id).await {
            Ok(row) => row,
            Err(error) => return Outcome::DidNothing(error),
        };
        let body = json!({ "customer_reference": marker.as_str(), "tags": wire::tagged(&row.tags, marker) });
        match self.write::<WireNumber>("PATCH", self.call(NUMBER, &[&id.0], ""), &body).await {
            Outcome::Did(row) if row.id != id.0 => Outcome::Unknown(another()),
            Outcome::Did(row) if row.customer_reference.as_deref() != Some(marker.as_str()) => {
                Outcome::Unknown(listing::torn("it shows another customer reference than the one that was set"))
            }
            Outcome::Did(row) => ours(row),
            Outcome::DidNothing(error) => Outcome::DidNothing(error),
            Outcome::Unknown(error) => Outcome::Unknown(error),
        }
    }
}

/// The number that a write has led to.
fn ours(row: WireNumber) -> Outcome<OwnedNumber> {
    match row.owned() {
        Ok(Some(number)) => Outcome::Did(number),
        Ok(None) => Outcome::Unknown(listing::torn("it shows a number that the account does not own")),
        Err(error) => Outcome::Unknown(error),
    }
}

fn another() -> CarrierError {
    listing::torn("it shows another number than the one to change")
}

/// Whether Telnyx refused what was said, so that another way of saying it may do: not the key, the pace or the number.
pub(super) fn is_about_the_value(error: &CarrierError) -> bool {
    matches!(error.class, ErrorClass::Rejected | ErrorClass::Unknown) && error.code.is_some()
}
