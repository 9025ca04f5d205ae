//! Monitoring and web calls of one number, which cost extra: each has an endpoint of its own, and no listing shows it (section 2.5). Does
//! I/O.

use serde_json::json;

use super::{
    Nixflex, errors,
    wire::{self, ExtraShown},
};
use crate::{
    api::{number::E164, phone_number::Extra},
    carrier::{CarrierError, Outcome, http::Body},
};

fn path(extra: Extra) -> &'static str {
    match extra {
        Extra::Monitor => "/v1/integrations/monitor/number/{}",
        Extra::WebCalls => "/v1/integrations/web-calls/number/{}",
    }
}

impl Nixflex {
    /// Whether it is on.
    pub(super) async fn extra(&self, number: &E164, extra: Extra) -> Result<bool, CarrierError> {
        let shown: ExtraShown = self.http.read(self.call(path(extra), &[number.as_str()], "")).await?;
        shown.of(number, extra).ok_or_else(|| errors::torn(wire::NO_EXTRA))
    }

    /// Switches it by one request. What comes back says how it is from then on.
    pub(super) async fn switch_extra(&self, number: &E164, extra: Extra, on: bool) -> Outcome<()> {
        let (args, body) = ([number.as_str()], json!({ "enabled": on }));
        match self.http.write::<ExtraShown>("PUT", self.call(path(extra), &args, ""), Body::Json(&body)).await {
            Outcome::Did(shown) if shown.of(number, extra) == Some(on) => Outcome::Did(()),
            Outcome::Did(_) => Outcome::Unknown(errors::torn(wire::NO_EXTRA)),
            Outcome::DidNothing(error) => Outcome::DidNothing(error),
            Outcome::Unknown(error) => Outcome::Unknown(error),
        }
    }
}
